"""A walk over bytes that writes down what stands where.

The library's decoders decide what is valid, and say why not; a walk shows the same bytes to a person. It reads them
once more, so that it gets as far as they make sense. Each byte is in exactly one row that has no rows under it.
"""

from __future__ import annotations

import hashlib
import json
import string
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeAlias

from privproc.errors import DecodeError, PeerError

__all__ = ["Describe", "Json", "Meaning", "Row", "Walk", "digest"]

Json: TypeAlias = "str | int | bool | list[Json] | Mapping[str, Json] | None"

Meaning: TypeAlias = Callable[[int], str]
"""What a number says, in words; may be empty."""

Describe: TypeAlias = "Callable[[Walk], None]"
"""Walks over one format; raises :class:`DecodeError` or another :class:`PeerError` where it can't go on."""

_MAX_DEPTH = 64  # parts in one another; a directory in a published package has 17
_PRINTABLE = frozenset(string.printable.encode()) - frozenset(b"\t\n\r\x0b\x0c")


def digest(data: bytes) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


@dataclass(slots=True)
class Row:
    """One line: ``size`` bytes at ``offset`` (both ``None`` for what is computed from bytes of other rows).

    ``value`` is for machines: a number, text, or bytes in hexadecimal; ``text`` for people. ``rows`` divide the bytes;
    ``decoded`` are rows of what these bytes are an encoding of, with offsets in that. ``quiet``: people needn't see it.
    """

    name: str
    offset: int | None
    size: int | None
    text: str = ""
    value: Json = None
    rows: list[Row] = field(default_factory=list)
    decoded: list[Row] = field(default_factory=list)
    quiet: bool = False

    def leaves(self) -> Iterator[Row]:
        """The rows that have bytes and no rows with bytes under them."""
        inner = [row for row in self.rows if row.offset is not None]
        if inner:
            for row in inner:
                yield from row.leaves()
        elif self.offset is not None:
            yield self

    def json(self) -> Json:
        """The row as ``--json`` prints it."""
        found: dict[str, Json] = {"name": self.name}
        if self.offset is not None:
            found |= {"offset": self.offset, "size": self.size}
        if self.value is not None:
            found["value"] = self.value
        if self.text and self.text != self.value:
            found["text"] = self.text
        if self.rows:
            found["rows"] = [row.json() for row in self.rows]
        if self.decoded:
            found["decoded"] = [row.json() for row in self.decoded]
        return found


class Walk:
    """Reads ``data`` from ``start`` to ``end`` and fills ``rows``. Every read raises :class:`DecodeError` at its end.

    ``reveal``: whether what somebody could spend, or what a user says, is shown and not only its digest.
    """

    __slots__ = ("_data", "_depth", "_pos", "end", "reveal", "rows", "what")

    def __init__(self, data: bytes, what: str, *, reveal: bool = False, start: int = 0, end: int | None = None) -> None:
        self._data = data
        self._depth = 0
        self._pos = min(start, len(data))
        self.end = len(data) if end is None else end
        self.what = what
        self.reveal = reveal
        self.rows: list[Row] = []

    @property
    def pos(self) -> int:
        """Where the walk stands, from the start of the whole input."""
        return self._pos

    @property
    def left(self) -> int:
        """How many bytes are left."""
        return self.end - self._pos

    def fail(self, why: str) -> DecodeError:
        """To be raised by the caller."""
        return DecodeError(self.what, why, self._pos)

    def peek(self, count: int) -> bytes:
        """Up to ``count`` bytes that come next."""
        return self._data[self._pos : min(self._pos + count, self.end)]

    def _take(self, count: int) -> bytes:
        if count > self.left:
            raise self.fail(f"{count} bytes wanted, {self.left} left")
        start = self._pos
        self._pos += count
        return self._data[start : self._pos]

    def _add(self, name: str, start: int, text: str, value: Json) -> Row:
        row = Row(name, start, self._pos - start, text, value)
        self.rows.append(row)
        return row

    def note(self, name: str, text: str, value: Json = None) -> None:
        """A row that is computed."""
        self.rows.append(Row(name, None, None, text, text if value is None else value))

    def uint(self, name: str, width: int, meaning: Meaning | None = None, *, little: bool = False) -> int:
        """An unsigned integer of ``width`` bytes."""
        start = self._pos
        number = int.from_bytes(self._take(width), "little" if little else "big")
        said = meaning(number) if meaning else ""
        self._add(name, start, f"{number:#0{2 + 2 * width}x}  {said}" if said else str(number), number)
        return number

    def varint(self, name: str) -> int:
        """A QUIC varint."""
        start = self._pos
        first = self._take(1)[0]
        more = (1 << (first >> 6)) - 1
        number = (first & 0x3F) << 8 * more | int.from_bytes(self._take(more), "big")
        self._add(name, start, str(number), number)
        return number

    def opaque(self, name: str, size: int | None = None, said: str = "") -> bytes:
        """``size`` bytes, or all that is left, in hexadecimal."""
        start = self._pos
        data = self._take(self.left if size is None else size)
        self._add(name, start, " ".join(filter(None, (shown(data), said))), data.hex())
        return data

    def hidden(self, name: str, size: int | None = None) -> bytes:
        """The same for what isn't shown unless asked for: its digest."""
        if self.reveal:
            return self.opaque(name, size)
        start = self._pos
        data = self._take(self.left if size is None else size)
        if data:
            self._add(name, start, f"not shown; SHA-256 {digest(data)[:16]}...", {"sha256": digest(data)})
        else:
            self._add(name, start, "empty", "")
        return data

    def text(self, name: str, size: int) -> str:
        """``size`` bytes of text; what doesn't print is escaped."""
        start = self._pos
        data = self._take(size)
        text = printed(data)
        self._add(name, start, text or "empty", text)
        return text

    def json_string(self, text: str, name: str, value: str, said: str = "") -> None:
        """A row for the next place where the JSON string ``text`` stands; computed if it is written with escapes."""
        written = json.dumps(text).encode()
        at = self.peek(self.left).find(written)
        if at < 0:
            self.note(name, said or value, value)
            return
        self.text("JSON", at + 1)
        row = self.text(name, len(written) - 2)
        self.rows[-1].text, self.rows[-1].value = said or row, value

    def zeros(self, name: str, size: int | None = None) -> None:
        """Bytes that have to be zero."""
        start = self._pos
        data = self._take(self.left if size is None else size)
        self._add(name, start, "zeros" if not any(data) else f"NOT ZERO: {shown(data.strip(bytes(1)))}", data.hex())

    def head(self, size: int) -> bytes:
        """``size`` bytes that people needn't see: tag and length, or what separates."""
        start = self._pos
        data = self._take(size)
        self._add("head", start, data.hex(), data.hex()).quiet = True
        return data

    def decoded(self, data: bytes, what: str, describe: Describe) -> None:
        """Say of the last row that it is an encoding of ``data``, and describe that as far as it goes.

        What is wrong in there doesn't end the walk: grease is meant to be passed over.
        """
        inner = Walk(data, what, reveal=self.reveal)
        self.rows[-1].decoded = inner.rows
        try:
            describe(inner)
        except PeerError as error:
            inner.note("wrong", str(error))
        if inner.left:
            inner.hidden("not read")

    def first_that_reads(self, *candidates: Describe) -> None:
        """Go on with the first description that reads exactly what is left; if none does, show bytes."""
        for describe in candidates:
            trial = Walk(self._data, self.what, start=self._pos, end=self.end)
            trial._depth = self._depth
            try:
                describe(trial)
            except PeerError:
                continue
            if not trial.left:
                describe(self)
                return
        self.opaque("bytes")

    @contextmanager
    def part(self, name: str, size: int | None = None, said: str = "") -> Iterator[Walk]:
        """The next ``size`` bytes as a walk of their own, under one row; what it leaves is an error.

        Without a size the part ends where its walk does.
        """
        start = self._pos
        if size is not None and size > self.left:
            raise self.fail(f"{size} bytes wanted, {self.left} left")
        if self._depth == _MAX_DEPTH:
            raise self.fail("nested too deeply")
        end = self.end if size is None else start + size
        inner = Walk(self._data, self.what, reveal=self.reveal, start=start, end=end)
        inner._depth = self._depth + 1
        row = Row(name, start, None, said, None, inner.rows)
        self.rows.append(row)
        try:
            yield inner
        finally:
            self._pos = inner.pos
            row.size = self._pos - start
        if size is not None and inner.left:
            raise inner.fail(f"{inner.left} trailing bytes")

    def vector(self, name: str, width: int, *, little: bool = False) -> bytes:
        """A length of ``width`` bytes, and so many bytes."""
        return self.opaque(name, self.uint(f"{name}, length", width, little=little))


def shown(data: bytes) -> str:
    """Up to 32 bytes in hexadecimal."""
    if not data:
        return "empty"
    return data.hex() if len(data) <= 32 else f"{data[:24].hex()}...{data[-4:].hex()}"


def printed(data: bytes) -> str:
    """Bytes as text on one line."""
    return "".join(chr(byte) if byte in _PRINTABLE and byte != 0x5C else f"\\x{byte:02x}" for byte in data)
