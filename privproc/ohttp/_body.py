"""A message whose content goes out as it comes: Binary HTTP of indeterminate length in chunked OHTTP."""

from __future__ import annotations

from typing import Final, final

from privproc._step import Unique
from privproc.bhttp import Framing, encode_response
from privproc.http import Fields, Response
from privproc.ohttp._framing import MessageSender
from privproc.wire import encode_varint

__all__ = ["END", "MessageBody"]

END: Final = 2
"""Bytes that end a message without content and trailers, one zero each: what an encoded head has too much."""

_TRAILERS: Final = len(encode_response(Response(200), framing=Framing.INDETERMINATE)) - END


@final
class MessageBody(Unique):
    """Sends the content of a message: :meth:`send` pieces, then :meth:`finish` once. Each call gives bytes to send; the
    first ones carry the head. The chunks of both layers fall together.
    """

    __slots__ = ("_head", "_sender")

    def __init__(self, encoded: bytes, sender: MessageSender) -> None:
        self._head = encoded[:-END]
        self._sender = sender

    def send(self, data: bytes) -> bytes:
        """Seal a piece of the content; with no data, the head alone. Raises as :meth:`MessageSender.send` does."""
        head, self._head = self._head, b""
        return self._sender.send(b"".join((head, encode_varint(len(data)), data)) if data else head)

    def finish(self, data: bytes = b"", trailers: Fields = ()) -> bytes:
        """Seal the last piece, which may be empty, and the trailers; the stream below ends with these bytes.

        Raises :class:`UsageError` for trailers that a decoder would refuse, before anything is sealed.
        """
        # Both kinds of messages end alike, so a response that has nothing else shows how.
        end = encode_response(Response(200, trailers=trailers), framing=Framing.INDETERMINATE)[_TRAILERS:]
        head, self._head = self._head, b""
        piece = (encode_varint(len(data)), data) if data else ()
        return self._sender.finish(b"".join((head, *piece, end)))
