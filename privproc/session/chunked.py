"""What both ends of a chunked exchange share: its first piece, of a fixed size, and its end (docs/protocol.md §5.4).

The message inside is Binary HTTP of indeterminate length, and its content a stream: ``message || lp(zeros)`` first, and
TLS records from then on. The chunks of all layers fall together.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

from privproc.bhttp import Framing, encode_request, encode_response
from privproc.errors import PolicyError
from privproc.http import Request, Response
from privproc.wire import Reader, bounded, encode_varint

__all__ = ["END", "FRAMING", "content_chunk", "filled", "missing", "opening_of", "request_head", "response_head"]

T = TypeVar("T")

FRAMING: Final = bytes((Framing.INDETERMINATE.value,))
"""How a request in Binary HTTP of indeterminate length begins (RFC 9292 §3.2)."""

END: Final = b"\0\0"
"""The end of content and of trailers, of which there are none."""


def request_head(request: Request) -> bytes:
    """Control data and fields; the content comes apart."""
    return encode_request(request, framing=Framing.INDETERMINATE)[: -len(END)]


def response_head() -> bytes:
    """The same of a response with status 200 and no fields."""
    return encode_response(Response(200), framing=Framing.INDETERMINATE)[: -len(END)]


def content_chunk(data: bytes) -> bytes:
    """One chunk of content; none for no data, which would end it."""
    return encode_varint(len(data)) + data if data else b""


def filled(head: bytes, message: bytes, size: int) -> bytes:
    """``head`` and one chunk with ``message || lp(zeros)``, ``size`` bytes in all. Its length is written in four bytes,
    so that every size can be met. Raises :class:`LimitError` when the message doesn't fit.
    """
    taken = len(head) + 4 + len(message) + 4
    bounded("first piece", taken, size)
    padding = size - taken
    length = (len(message) + 4 + padding) | 2 << 30  # a varint of four bytes
    return b"".join((head, length.to_bytes(4, "big"), message, padding.to_bytes(4, "big"), bytes(padding)))


def missing(have: int, size: int) -> int:
    """How many bytes the first piece lacks. Raises :class:`PolicyError` if it has more than ``size``."""
    if have > size:
        # req: privproc1/5.4 first-pieces-have-one-size
        raise PolicyError("the first piece of a stream is not of the directory's size")
    return size - have


def opening_of(content: bytes, what: str, read: Callable[[Reader], T]) -> T:
    """The message at the beginning of a stream. Raises :class:`DecodeError`."""

    def padded(reader: Reader) -> T:
        message, padding = read(reader), reader.vector(4)
        if padding != bytes(len(padding)):
            raise reader.fail("padding is not zero")
        return message

    return Reader.all(content, what, padded)
