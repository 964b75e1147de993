"""Chunked OHTTP (draft-ietf-ohai-chunked-ohttp-08), both directions of both roles, in h11's shape.

::

    Chunked Encapsulated Request {
      Key Identifier (8), HPKE KEM ID (16), HPKE KDF ID (16), HPKE AEAD ID (16),
      KEM Encapsulated Key (8 * Nenc),
      Chunks,
    }
    Chunked Encapsulated Response { Response Nonce (8 * max(Nn, Nk)), Chunks }

    Chunks          = Non-Final Chunk ..., 0 (i), Sealed Final Chunk (..)       to the end of the stream
    Non-Final Chunk = Length (i) = 17.., Sealed Chunk (8 * Length)

A chunk's place is in its nonce, and the final one has other associated data, so nothing can be reordered, dropped or
cut off unnoticed. The lengths are not authentic, hence of any width.

Input may be split anywhere: the events are the same. Each is authentic when it comes, but only :class:`MessageEnd` says
that the message is complete, and it takes the end of the stream, told by ``receive_end``, to get it: who acts on a part
must be able to live with never getting the rest. The tables :data:`SEND`, :data:`RECEIVE_REQUEST` and
:data:`RECEIVE_RESPONSE` are the state machines; what they don't list is refused. Not thread-safe.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Final, Never, final

from privproc.errors import PeerError, UnsupportedError
from privproc.hpke import Kem, Suite
from privproc.keyconfig import GatewayKey
from privproc.ohttp._exchange import (
    HEADER,
    Mode,
    OpenedRequest,
    RequestHeader,
    decapsulate,
    response_cipher,
)
from privproc.ohttp._framing import (
    MAX_CHUNK,
    MessageData,
    MessageEnd,
    MessageSender,
    Open,
    Receiver,
    Seal,
)
from privproc.ohttp._states import RECEIVE_REQUEST, RECEIVE_RESPONSE, SEND, Input, State
from privproc.secret import Secret

__all__ = [
    "MAX_CHUNK",
    "RECEIVE_REQUEST",
    "RECEIVE_RESPONSE",
    "SEND",
    "Input",
    "MessageData",
    "MessageEnd",
    "MessageSender",
    "RequestEvent",
    "RequestOpened",
    "RequestReceiver",
    "ResponseEvent",
    "ResponseReceiver",
    "State",
    "StreamResponder",
]

_KEMS: Final = {kem.value: kem for kem in Kem}


@final
class StreamResponder(OpenedRequest):
    """A chunked request of which something was opened. ``enc``, ``suite``, ``key_config`` and ``export`` are there
    until :meth:`stream`; ``until`` as in :class:`Responder`.
    """

    __slots__ = ()

    def stream(self) -> MessageSender:
        """What seals the response, with a fresh nonce. It may begin before the request is complete."""
        return self._derand_stream(os.urandom(self.suite.aead.longer))

    def _derand_stream(self, nonce: bytes) -> MessageSender:
        state = self._take()
        cipher, iv = response_cipher(state.suite, state.enc, state.response_secret(), nonce)
        return MessageSender(nonce, Seal.response(cipher, iv))


@dataclass(frozen=True, slots=True)
class RequestOpened:
    """Event: a first chunk opened, so that ``enc`` is its sender's own. Comes once, right before the first
    :class:`MessageData`, or :class:`MessageEnd` of an empty message.

    Admit ``responder.replay_key()`` to a :class:`ReplayWindow` before acting on what follows.
    """

    responder: StreamResponder


RequestEvent = RequestHeader | RequestOpened | MessageData | MessageEnd
ResponseEvent = MessageData | MessageEnd


@final
class RequestReceiver(Receiver[RequestHeader | RequestOpened]):
    """The gateway's: ``RequestHeader``, then, with the key for it, ``RequestOpened MessageData* MessageEnd``."""

    __slots__ = ("_header",)

    def __init__(self, *, max_chunk: int = MAX_CHUNK) -> None:
        super().__init__(RECEIVE_REQUEST, HEADER.size, max_chunk)
        self._header: tuple[RequestHeader, bytes]

    @property
    def header(self) -> RequestHeader:
        """The header whose key is wanted: from its event to :meth:`accept`; a :class:`UsageError` before and after."""
        self._check(Input.ACCEPT)
        return self._header[0]

    @property
    def responder(self) -> StreamResponder | None:
        """That of :class:`RequestOpened`, from the first chunk that opened on, and if the call that opened it raised,
        too: from then on what is wrong is answered inside of the response (RFC 9458 §5.2). ``None`` before.
        A failure, which forgets all other keys, leaves it.
        """
        return next((event.responder for event in self._begun if isinstance(event, RequestOpened)), None)

    def _head(self, data: bytes) -> tuple[int, list[RequestHeader | RequestOpened]]:
        header = RequestHeader.decode(data[: HEADER.size])
        if header.kem not in _KEMS:
            raise UnsupportedError(f"KEM {header.kem:#06x}")
        # req: chunked08/4 same-header
        self._need = HEADER.size + _KEMS[header.kem].Nenc
        if len(data) < self._need:
            return 0, []
        used, self._need = self._need, 0
        self._header = header, data[HEADER.size : used]
        self._move(Input.HEADER)
        return used, [header]

    def accept(self, key: GatewayKey | None, *, at: int) -> list[RequestEvent]:
        """Go on with the key that the :class:`RequestHeader` event asked for, ``None`` if there is none; return the
        events that were waiting for it.

        Raises :class:`UsageError` in any other state and for the key of another header, and what
        :meth:`Received.open` raises. Then, and if the caller refuses a header by itself, that was the request.
        """
        self._check(Input.ACCEPT)
        header, enc = self._header
        try:
            found, suite = header.match(key, at=at)
            exchange = decapsulate(Mode.CHUNKED, header, enc, found, suite)
        except PeerError as error:
            self._fail(error)
            raise
        self._first.append(RequestOpened(StreamResponder(exchange, until=found.not_after)))
        self._go_on(Input.ACCEPT, Open.request(exchange.context))
        waiting, self._pieces, self._have = b"".join(self._pieces), [], 0
        return self.receive_data(waiting)


@final
class ResponseReceiver(Receiver[Never]):
    """The client's: ``MessageData* MessageEnd``."""

    __slots__ = ("_exchange",)

    def __init__(self, suite: Suite, enc: bytes, secret: Secret, *, max_chunk: int) -> None:
        super().__init__(RECEIVE_RESPONSE, suite.aead.longer, max_chunk)
        self._exchange = suite, enc, secret

    def _head(self, data: bytes) -> tuple[int, list[Never]]:
        suite, enc, secret = self._exchange
        # req: chunked08/5 nonce-first
        used = self._need
        cipher, iv = response_cipher(suite, enc, secret.expose(), data[:used])
        secret.wipe()
        self._go_on(Input.NONCE, Open.response(cipher, iv))
        return used, []

    def _forget(self) -> None:
        super()._forget()
        self._exchange[2].wipe()
