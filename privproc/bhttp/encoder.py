"""Encoding of whole messages; see :mod:`privproc.bhttp`."""

from __future__ import annotations

import enum

from privproc.bhttp._rules import fields_fault, request_fault
from privproc.errors import UsageError
from privproc.http import Fields, Request, Response
from privproc.wire import encode_varint

__all__ = ["Framing", "encode_request", "encode_response"]


class Framing(enum.Enum):
    """How lengths are told. The value is the framing indicator of a request; a response has one more (§3.3)."""

    KNOWN = 0
    INDETERMINATE = 2


def encode_request(request: Request, *, framing: Framing = Framing.KNOWN, size: int | None = None) -> bytes:
    """The binary form of ``request``; with ``size``, padded to exactly so many bytes.

    Raises :class:`~privproc.errors.UsageError` for what a decoder would refuse, and when ``size`` is too small.
    """
    target = (request.method, request.scheme, request.authority, request.path)
    _usable(request_fault(*target, request.fields))
    parts = [bytes((framing.value,))]
    for part in target:
        parts += _lp(part.encode("ascii"))
    return _finish(parts, request, framing, size)


def encode_response(response: Response, *, framing: Framing = Framing.KNOWN, size: int | None = None) -> bytes:
    """The binary form of ``response``; with ``size``, padded to exactly so many bytes.

    Raises :class:`~privproc.errors.UsageError` for what a decoder would refuse, and when ``size`` is too small.
    """
    parts = [bytes((framing.value + 1,))]
    for interim in response.informational:
        if not 100 <= interim.status <= 199:
            raise UsageError("an informational status is 100 to 199")
        parts.append(encode_varint(interim.status))
        _put_fields(parts, interim.fields, framing)
    if not 200 <= response.status <= 599:
        raise UsageError("a final status is 200 to 599")
    parts.append(encode_varint(response.status))
    return _finish(parts, response, framing, size)


def _finish(parts: list[bytes], message: Request | Response, framing: Framing, size: int | None) -> bytes:
    _put_fields(parts, message.fields, framing)
    if framing is Framing.KNOWN or message.content:
        parts += _lp(message.content)
    if framing is Framing.INDETERMINATE:
        parts.append(b"\0")
    _put_fields(parts, message.trailers, framing, trailers=True)
    encoded = b"".join(parts)
    if size is None:
        return encoded
    if len(encoded) > size:
        raise UsageError(f"the message has {len(encoded)} bytes and doesn't fit {size}")
    return encoded.ljust(size, b"\0")


def _put_fields(parts: list[bytes], fields: Fields, framing: Framing, *, trailers: bool = False) -> None:
    _usable(fields_fault(fields, trailers=trailers))
    lines: list[bytes] = []
    for name, value in fields:
        lines += (*_lp(name), *_lp(value))
    parts += _lp(b"".join(lines)) if framing is Framing.KNOWN else (*lines, b"\0")


def _lp(data: bytes) -> tuple[bytes, bytes]:
    size = len(data)
    return bytes((size,)) if size < 64 else encode_varint(size), data


def _usable(fault: str | None) -> None:
    if fault is not None:
        raise UsageError(fault)
