"""Encoding of messages piece by piece, with indeterminate framing: the mirror image of the decoders.

encoder = RequestEncoder()
wire = encoder.send(RequestHead(...)) + encoder.send(Data(...)) + encoder.send(EndOfMessage(()))
"""

from __future__ import annotations

from enum import Enum
from typing import Final, final

from privproc._step import Unique
from privproc.bhttp._rules import request_fault
from privproc.bhttp.decoder import Data, EndOfMessage, RequestEvent, RequestHead, ResponseEvent, ResponseHead
from privproc.bhttp.encoder import FINAL, INTERIM, Framing, Size, control, lp, put_fields, status, total, usable
from privproc.errors import UsageError
from privproc.http import Informational

__all__ = ["RequestEncoder", "ResponseEncoder"]


class State(Enum):
    """Where a message stands."""

    HEAD = "before the head"
    CONTENT = "in the content"
    DONE = "after the end"


TRANSITIONS: Final[dict[tuple[State, type], State]] = {
    (State.HEAD, Informational): State.HEAD,
    (State.HEAD, RequestHead): State.CONTENT,
    (State.HEAD, ResponseHead): State.CONTENT,
    (State.CONTENT, Data): State.CONTENT,
    (State.CONTENT, EndOfMessage): State.DONE,
}
"""What may come when."""


class _Encoder(Unique):
    __slots__ = ("_sent", "_state")

    def __init__(self) -> None:
        self._state = State.HEAD
        self._sent = 0

    def _emit(self, event: RequestEvent | ResponseEvent, parts: list[bytes], size: Size | None) -> bytes:
        following = TRANSITIONS.get((self._state, type(event)))
        if following is None:
            raise UsageError(f"{type(event).__name__} {self._state.value}")
        if size is not None and following is not State.DONE:
            raise UsageError("a message is padded at its end")
        out = b"".join(parts)
        if size is not None:
            out = out.ljust(total(self._sent + len(out), size) - self._sent, b"\0")
        self._state = following
        self._sent += len(out)
        return out


def _content(event: Data | EndOfMessage) -> list[bytes]:
    if isinstance(event, Data):
        return [*lp(event.data)] if event.data else []  # an empty chunk would end the content
    parts = [b"\0"]
    put_fields(parts, event.trailers, Framing.INDETERMINATE, trailers=True)
    return parts


@final
class RequestEncoder(_Encoder):
    """Encodes a request: ``RequestHead Data* EndOfMessage``.

    Raises :class:`~privproc.errors.UsageError` for another order, and for what a decoder would refuse; the encoder then
    stands where it stood.
    """

    __slots__ = ()

    def send(self, event: RequestEvent, *, size: Size | None = None) -> bytes:
        """The bytes of ``event``. With the last one ``size`` pads the message to that many bytes in all."""
        if not isinstance(event, RequestHead):
            return self._emit(event, _content(event), size)
        target = (event.method, event.scheme, event.authority, event.path)
        usable(request_fault(*target, event.fields))
        parts = [bytes((Framing.INDETERMINATE.value,)), *control(*target)]
        put_fields(parts, event.fields, Framing.INDETERMINATE)
        return self._emit(event, parts, size)


@final
class ResponseEncoder(_Encoder):
    """Encodes a response, ``Informational* ResponseHead Data* EndOfMessage``; raises as :class:`RequestEncoder`."""

    __slots__ = ()

    def send(self, event: ResponseEvent, *, size: Size | None = None) -> bytes:
        """The bytes of ``event``. With the last one ``size`` pads the message to that many bytes in all."""
        if not isinstance(event, Informational | ResponseHead):
            return self._emit(event, _content(event), size)
        parts = [] if self._sent else [bytes((Framing.INDETERMINATE.value + 1,))]
        parts.append(status(event.status, INTERIM if isinstance(event, Informational) else FINAL))
        put_fields(parts, event.fields, Framing.INDETERMINATE)
        return self._emit(event, parts, size)
