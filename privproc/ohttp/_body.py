"""A message whose content goes out as it comes: Binary HTTP of indeterminate length in chunked OHTTP."""

from __future__ import annotations

from typing import final

from privproc._step import Unique
from privproc.bhttp import Data, EndOfMessage, RequestEncoder, ResponseEncoder
from privproc.http import Fields
from privproc.ohttp._framing import MessageSender

__all__ = ["MessageBody"]


@final
class MessageBody(Unique):
    """Sends the content of a message: :meth:`send` pieces, then :meth:`finish` once. Each call gives bytes to send; the
    first ones carry the head. The chunks of both layers fall together.
    """

    __slots__ = ("_encoder", "_head", "_sender")

    def __init__(self, head: bytes, encoder: RequestEncoder | ResponseEncoder, sender: MessageSender) -> None:
        self._head = head
        self._encoder = encoder
        self._sender = sender

    def send(self, data: bytes) -> bytes:
        """Seal a piece of the content; with no data, the head alone. Raises as :meth:`MessageSender.send` does."""
        sealed = self._sender.send(self._head + self._encoder.send(Data(data)))
        self._head = b""
        return sealed

    def finish(self, data: bytes = b"", trailers: Fields = ()) -> bytes:
        """Seal the last piece, which may be empty, and the trailers; the stream below ends with these bytes.

        Raises :class:`UsageError` for trailers that a decoder would refuse, before anything is sealed.
        """
        piece, end = self._encoder.send(Data(data)), self._encoder.send(EndOfMessage(trailers))
        return self._sender.finish(b"".join((self._head, piece, end)))
