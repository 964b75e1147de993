"""Encoding of whole messages; see :mod:`privproc.bhttp`."""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Final

from privproc.bhttp._rules import fields_fault, request_fault
from privproc.errors import UsageError
from privproc.http import Fields, Request, Response
from privproc.wire import encode_varint

__all__ = ["Framing", "Size", "encode_request", "encode_response"]

Size = int | Callable[[int], int]
"""The size of a padded message: a number of bytes, or a policy of :mod:`privproc.bhttp.padding` that gives it from
the size of the message."""


class Framing(enum.Enum):
    """How lengths are told. The value is the framing indicator of a request; a response has one more (§3.3)."""

    KNOWN = 0
    INDETERMINATE = 2


def encode_request(request: Request, *, framing: Framing = Framing.KNOWN, size: Size | None = None) -> bytes:
    """The binary form of ``request``; with ``size``, padded with zeros to so many bytes.

    Raises :class:`~privproc.errors.UsageError` for what a decoder would refuse, and when ``size`` is too small.
    """
    target = (request.method, request.scheme, request.authority, request.path)
    usable(request_fault(*target, request.fields))
    return _finish([bytes((framing.value,)), *control(*target)], request, framing, size)


def encode_response(response: Response, *, framing: Framing = Framing.KNOWN, size: Size | None = None) -> bytes:
    """The binary form of ``response``; with ``size``, padded with zeros to so many bytes.

    Raises :class:`~privproc.errors.UsageError` for what a decoder would refuse, and when ``size`` is too small.
    """
    parts = [bytes((framing.value + 1,))]
    for interim in response.informational:
        parts.append(status(interim.status, INTERIM))
        put_fields(parts, interim.fields, framing)
    parts.append(status(response.status, FINAL))
    return _finish(parts, response, framing, size)


def _finish(parts: list[bytes], message: Request | Response, framing: Framing, size: Size | None) -> bytes:
    put_fields(parts, message.fields, framing)
    if framing is Framing.KNOWN or message.content:
        parts += lp(message.content)
    if framing is Framing.INDETERMINATE:
        parts.append(b"\0")
    put_fields(parts, message.trailers, framing, trailers=True)
    encoded = b"".join(parts)
    return encoded if size is None else encoded.ljust(total(len(encoded), size), b"\0")


def total(length: int, size: Size) -> int:
    """How many bytes a message of ``length`` bytes is padded to."""
    padded = size if isinstance(size, int) else size(length)
    if length > padded:
        raise UsageError(f"the message has {length} bytes and doesn't fit {padded}")
    return padded


SHORT: Final = tuple(bytes((size,)) for size in range(64))
"""The varints of one byte."""

INTERIM: Final = range(100, 200)
FINAL: Final = range(200, 600)


def status(value: int, allowed: range) -> bytes:
    """A status code of :data:`INTERIM` or :data:`FINAL`."""
    if value not in allowed:
        raise UsageError(f"a status of {value} where {allowed.start} to {allowed.stop - 1} belong")
    return encode_varint(value)


def control(*target: str) -> list[bytes]:
    """Method, scheme, authority and path."""
    parts: list[bytes] = []
    for part in target:
        # req: rfc9292/3.4 control-data-layout
        parts += lp(part.encode("ascii"))
    return parts


def put_fields(parts: list[bytes], fields: Fields, framing: Framing, *, trailers: bool = False) -> None:
    """Append a field section."""
    usable(fields_fault(fields, trailers=trailers))
    lines: list[bytes] = []
    for name, value in fields:  # without lp: for a call each, this loop would take twice as long
        size, length = len(name), len(value)
        lines += (
            SHORT[size] if size < 64 else encode_varint(size),
            name,
            SHORT[length] if length < 64 else encode_varint(length),
            value,
        )
    parts += lp(b"".join(lines)) if framing is Framing.KNOWN else (*lines, b"\0")


def lp(data: bytes) -> tuple[bytes, bytes]:
    """``data`` behind its length."""
    size = len(data)
    return SHORT[size] if size < 64 else encode_varint(size), data


def usable(fault: str | None) -> None:
    """Make a fault of the caller's message a :class:`~privproc.errors.UsageError`."""
    if fault is not None:
        raise UsageError(fault)
