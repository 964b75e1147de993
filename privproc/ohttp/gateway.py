"""The gateway of a single-shot exchange (RFC 9458 §4): ``open``, then ``seal`` once."""

from __future__ import annotations

import os
from typing import cast, final

from privproc.errors import DecodeError, UsageError
from privproc.hpke import Recipient, setup_recipient
from privproc.keyconfig import KeyRing
from privproc.ohttp._exchange import (
    HEADER,
    Exchange,
    ExchangeStep,
    nonce_size,
    request_info,
    request_overhead,
    response_cipher,
    sendable,
)
from privproc.ohttp.replay import ReplayKey
from privproc.wire import bounded

__all__ = ["Gateway", "Responder"]

REPLAY_LABEL = b"privproc ohttp replay"


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
        """The message in an encapsulated request (see :meth:`Outgoing.seal`), and what seals the response.

        Raises :class:`LimitError` beyond ``max_request``, :class:`DecodeError` when it is too short,
        :class:`UnsupportedError` for a key or suite that isn't offered, :class:`ExpiredError` outside of the key's
        time, and :class:`OpenError`, without saying why, for whatever HPKE refuses. To the peer, ``problem_for`` makes
        the last three look alike.
        """
        bounded("encapsulated request", len(wire), self._max_request)
        if len(wire) < HEADER.size:
            raise DecodeError("encapsulated request", "shorter than its header", len(wire))
        key_id, kem, kdf, aead = HEADER.unpack_from(wire)
        key = self._ring.find(key_id, kem, at=at)
        suite = key.suite(kdf, aead)
        if len(wire) < request_overhead(suite):
            raise DecodeError("encapsulated request", "too short", len(wire))
        start = HEADER.size + suite.kem.Nenc
        header, enc = wire[: HEADER.size], wire[HEADER.size : start]
        context = setup_recipient(suite, key.private, enc, request_info(header))
        # Any buffer will do for the cipher; the view spares a copy of the body.
        message = context.open(cast("bytes", memoryview(wire)[start:]))
        return message, Responder(Exchange(header, key.config, suite, enc, context), until=key.not_after)


@final
class Responder(ExchangeStep[Recipient]):
    """A request that was opened. ``enc``, ``suite``, ``key_config`` and ``export`` are there until :meth:`seal`.

    ``until`` (Unix seconds) is when the key's time ends: from then on the request doesn't open any more, and its replay
    key may be forgotten.
    """

    __slots__ = ("until",)

    def __init__(self, state: Exchange[Recipient], *, until: int) -> None:
        super().__init__(state)
        self.until = until

    def replay_key(self) -> ReplayKey:
        """What to remember of this request: the same for every copy of it, and for nothing else."""
        return ReplayKey(self.export(REPLAY_LABEL, 32).expose())

    def seal(self, message: bytes) -> bytes:
        """The encapsulated response for ``message`` (see :meth:`PendingResponse.finish`), with a fresh nonce.

        A message over :data:`MAX_MESSAGE` bytes is a :class:`UsageError` that doesn't spend the step, so that the
        client can still get an answer.
        """
        return self._derand_seal(message, os.urandom(nonce_size(self.suite.aead)))

    def _derand_seal(self, message: bytes, nonce: bytes) -> bytes:
        sendable(message)
        state = self._take()
        cipher, iv = response_cipher(state.suite, state.enc, state.response_secret().expose(), nonce)
        return nonce + cipher.encrypt(iv, message, None)
