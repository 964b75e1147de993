"""The little of DER (X.690) that vendors' certificates need, over received bytes that are never re-encoded.

Own code, because an AMD VCEK has serial number 0: ``cryptography`` parses such a certificate with a deprecation warning
today and announces an exception for a future release. Only the shape of the certificate is read here; keys and
signatures stay with ``cryptography``.
"""

from __future__ import annotations

from typing import NamedTuple

from privproc.errors import DecodeError

__all__ = ["BIT_STRING", "BOOLEAN", "ENUMERATED", "INTEGER", "OCTET_STRING", "OID", "SEQUENCE", "SET", "Element"]

BOOLEAN = 0x01
INTEGER = 0x02
BIT_STRING = 0x03
OCTET_STRING = 0x04
OID = 0x06
ENUMERATED = 0x0A
SEQUENCE = 0x30
SET = 0x31

_new = tuple.__new__  # half the time of a named tuple's own
_MULTI_BYTE_TAG = 0x1F
_LONG_FORM = 0x80
_LENGTH_BYTES = 3


class Element(NamedTuple):
    """One element: ``tag`` (one byte) and the places in ``data`` where it starts, its content starts, and it ends."""

    data: bytes
    what: str
    tag: int
    start: int
    body: int
    end: int

    @classmethod
    def decode(cls, data: bytes, what: str) -> Element:
        """The one element that ``data`` consists of. Raises :class:`DecodeError`."""
        tag, body, end = _head(data, what, 0, len(data))
        if end != len(data):
            raise DecodeError(what, f"{len(data) - end} trailing bytes", end)
        return _new(cls, (data, what, tag, 0, body, end))

    @property
    def content(self) -> bytes:
        """The bytes after tag and length."""
        return self.data[self.body : self.end]

    @property
    def raw(self) -> bytes:
        """The whole element as it was received."""
        return self.data[self.start : self.end]

    def fail(self, why: str) -> DecodeError:
        """A :class:`DecodeError` at this element, to be raised by the caller."""
        return DecodeError(self.what, why, self.start)

    def children(self) -> list[Element]:
        """The elements in the content, which they fill exactly. Raises :class:`DecodeError`."""
        data, what = self.data, self.what
        return [_new(Element, (data, what, *place)) for place in self.places()]

    def contents(self) -> list[tuple[int, bytes]]:
        """Tag and content of each of :meth:`children`."""
        data = self.data
        return [(tag, data[body:end]) for tag, _, body, end in self.places()]

    def places(self) -> list[tuple[int, int, int, int]]:
        """Tag of each of :meth:`children`, and the places in ``data`` of its start, its content's start and its end."""
        return _places(self.data, self.what, self.body, self.end)

    def fields(self, *tags: int) -> list[Element]:
        """The children, which have exactly these tags in this order. Raises :class:`DecodeError`."""
        found = self.children()
        if tuple([child.tag for child in found]) != tags:
            raise self.fail("not the expected fields")
        return found

    def whole_bytes(self) -> bytes:
        """What a BIT STRING of whole bytes holds. Raises :class:`DecodeError`."""
        if self.tag != BIT_STRING or self.content[:1] != b"\0":
            raise self.fail("bit string is not whole bytes")
        return self.content[1:]

    def unsigned(self, limit: int) -> int:
        """A minimally encoded INTEGER from 0 to ``limit``. Raises :class:`DecodeError`."""
        content = self.content
        if self.tag != INTEGER or not content or content[0] & 0x80:
            raise self.fail("not an unsigned integer")
        if len(content) > 1 and content[0] == 0 and not content[1] & 0x80:
            raise self.fail("integer is not minimal")
        value = int.from_bytes(content, "big")
        if value > limit:
            raise self.fail(f"integer is over {limit}")
        return value


def _places(data: bytes, what: str, at: int, end: int) -> list[tuple[int, int, int, int]]:
    found = []
    last = end - 1  # what has no room for a length goes to _head, which refuses it
    while at < end:
        # The short form in place, without a call: a chain has hundreds of elements, most of them short.
        if at < last and (size := data[at + 1]) < _LONG_FORM and (tag := data[at]) & _MULTI_BYTE_TAG != _MULTI_BYTE_TAG:
            body = at + 2
            stop = body + size
            if stop > end:
                raise DecodeError(what, "truncated", at)
        else:
            tag, body, stop = _head(data, what, at, end)
        found.append((tag, at, body, stop))
        at = stop
    return found


def _head(data: bytes, what: str, start: int, end: int) -> tuple[int, int, int]:
    """Tag, start of the content and end of the element at ``start``, which ends at ``end`` or before. Plain indexing: a
    chain has hundreds of them.
    """
    body = start + 2
    if body > end:
        raise DecodeError(what, "truncated", start)
    tag = data[start]
    size = data[start + 1]
    if tag & _MULTI_BYTE_TAG == _MULTI_BYTE_TAG:
        raise DecodeError(what, "tag of several bytes", start)
    if size >= _LONG_FORM:
        count = size - _LONG_FORM
        if not 0 < count <= _LENGTH_BYTES:
            raise DecodeError(what, "indefinite or oversized length", start)
        size = int.from_bytes(data[body : body + count], "big")
        body += count
        if size < _LONG_FORM or size >> (8 * (count - 1)) == 0:
            raise DecodeError(what, "length is not minimal", start)
    if size > end - body:
        raise DecodeError(what, "truncated", start)
    return tag, body, body + size
