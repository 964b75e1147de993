"""The gateway (RFC 9458 §4): ``open``, then ``seal`` once; chunked: ``stream`` and ``accept``.

With a ring of keys, or, where keys are found on demand, in two steps: :func:`receive` tells the key that is wanted, the
caller looks it up, and :meth:`Received.open` goes on with it.
"""

from __future__ import annotations

import os
from typing import NamedTuple, final

from privproc._step import Step
from privproc.errors import DecodeError, UsageError
from privproc.keyconfig import GatewayKey, KeyRing
from privproc.ohttp._exchange import (
    HEADER,
    Mode,
    OpenedRequest,
    RequestHeader,
    decapsulate,
    request_overhead,
    response_cipher,
    sendable,
)
from privproc.ohttp.chunked import RequestEvent, RequestReceiver
from privproc.wire import bounded

__all__ = ["Gateway", "Received", "Responder", "receive"]


def receive(wire: bytes, *, max_request: int) -> Received:
    """An encapsulated request of at most ``max_request`` bytes, else :class:`LimitError`; :class:`DecodeError` when it
    is shorter than its header.
    """
    header = _header(wire, max_request)
    return Received(_Received(header, wire), header)


def _header(wire: bytes, max_request: int) -> RequestHeader:
    bounded("encapsulated request", len(wire), max_request)
    if len(wire) < HEADER.size:
        raise DecodeError("encapsulated request", "shorter than its header", len(wire))
    return RequestHeader.decode(wire[: HEADER.size])


class _Received(NamedTuple):
    header: RequestHeader
    wire: bytes

    def __repr__(self) -> str:
        return "<_Received>"


@final
class Received(Step[_Received]):
    """An encapsulated request whose key is wanted: the one that ``header`` names. One key is tried: clients must not
    be told apart by the one that fits (RFC 9458 §7).
    """

    __slots__ = ("header",)

    def __init__(self, state: _Received, header: RequestHeader) -> None:
        super().__init__(state)
        self.header = header

    def open(self, key: GatewayKey | None, *, at: int) -> tuple[bytes, Responder]:
        """The message (see :meth:`Outgoing.seal`), and what seals the response. ``key``: ``None`` if there is none.

        Raises :class:`UnsupportedError` for a key or suite that isn't offered, :class:`ExpiredError` outside of the
        key's time, :class:`DecodeError` when the request is too short, and :class:`OpenError`, without saying why, for
        whatever HPKE refuses. To the peer, ``problem_for`` makes all but the third look alike. The key of another
        header is a :class:`UsageError`.
        """
        return _open(*self._take(), key, at=at)


def _open(header: RequestHeader, wire: bytes, key: GatewayKey | None, *, at: int) -> tuple[bytes, Responder]:
    # req: rfc9458/7 no-trial-decryption
    found, suite = header.match(key, at=at)
    if len(wire) < request_overhead(suite):
        raise DecodeError("encapsulated request", "too short", len(wire))
    start = HEADER.size + suite.kem.Nenc
    exchange = decapsulate(Mode.SINGLE, header, wire[HEADER.size : start], found, suite)
    # Any buffer will do for the cipher; the view spares a copy of the body.
    message = exchange.context.open(memoryview(wire)[start:])
    return message, Responder(exchange, until=found.not_after)


class Gateway:
    """Opens encapsulated requests with the keys of ``ring``, of at most ``max_request`` bytes each.

    Holds no state of requests: what was opened before opens again. Admit :meth:`Responder.replay_key` to a
    :class:`ReplayWindow` before acting on a message. A key rotation makes a new ring, hence a new gateway.
    """

    __slots__ = ("_max_request", "_ring")

    def __init__(self, ring: KeyRing, *, max_request: int) -> None:
        if max_request < 1:
            raise UsageError("max_request is 1 or more")
        self._ring = ring
        self._max_request = max_request

    def open(self, wire: bytes, *, at: int) -> tuple[bytes, Responder]:
        """:func:`receive` and :meth:`Received.open` with the ring's key; raises what they raise."""
        header = _header(wire, self._max_request)
        return _open(header, wire, self._key(header), at=at)

    def accept(self, receiver: RequestReceiver, *, at: int) -> list[RequestEvent]:
        """:meth:`RequestReceiver.accept` with the ring's key, as the answer to a :class:`RequestHeader` event.

        ``max_request`` is not for chunked requests, which nobody holds whole: the caller counts, if it matters.
        """
        return receiver.accept(self._key(receiver.header), at=at)

    def _key(self, header: RequestHeader) -> GatewayKey | None:
        return self._ring.get(header.key_id, header.kem)


@final
class Responder(OpenedRequest):
    """A request that was opened. ``enc``, ``suite``, ``key_config`` and ``export`` are there until :meth:`seal`.

    ``until`` (Unix seconds) is when the key's time ends: from then on the request doesn't open any more, and its replay
    key may be forgotten.
    """

    __slots__ = ()

    def seal(self, message: bytes) -> bytes:
        """The encapsulated response for ``message`` (see :meth:`PendingResponse.finish`), with a fresh nonce.

        A message over :data:`MAX_MESSAGE` bytes is a :class:`UsageError` that doesn't spend the step, so that the
        client can still get an answer.
        """
        # req: rfc9458/4.4 response-nonce-is-random
        return self._derand_seal(message, os.urandom(self.suite.aead.longer))

    def _derand_seal(self, message: bytes, nonce: bytes) -> bytes:
        sendable(message)
        state = self._take()
        cipher, iv = response_cipher(state.suite, state.enc, state.response_secret(), nonce)
        return nonce + cipher.encrypt(iv, message, None)
