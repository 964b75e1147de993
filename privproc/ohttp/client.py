"""The client of a single-shot exchange (RFC 9458 §4): ``begin``, ``seal``, ``finish``.

It begins before there is a message, since what goes inside may have to prove something about this very exchange: its
``enc``, and secrets exported from it.
"""

from __future__ import annotations

from typing import NamedTuple, final

from cryptography.exceptions import InvalidTag

from privproc._step import Step
from privproc.errors import DecodeError, OpenError
from privproc.hpke import PrivateKey, Sender, Suite, _derand_setup_sender, setup_sender
from privproc.keyconfig import Selection
from privproc.ohttp._exchange import (
    HEADER,
    MAX_MESSAGE,
    Exchange,
    ExchangeStep,
    nonce_size,
    request_info,
    response_cipher,
    response_overhead,
    sendable,
)
from privproc.secret import Secret
from privproc.trust import Trusted
from privproc.wire import bounded

__all__ = ["Outgoing", "PendingResponse", "begin"]


def begin(selection: Trusted[Selection], *, at: int) -> Outgoing:
    """Begin an exchange with the selected key, in a fresh HPKE context (RFC 9458 §4.3, steps 1 to 3).

    Raises :class:`ExpiredError` outside of the selection's validity, and :class:`OpenError` for an X25519 key of low
    order.
    """
    chosen = selection.get(at=at)
    header = _header(chosen)
    enc, sender = setup_sender(chosen.suite, chosen.config.public_key, request_info(header))
    return Outgoing(Exchange(header, chosen.config, chosen.suite, enc, sender))


def _derand_begin(selection: Selection, ephemeral: PrivateKey) -> Outgoing:
    header = _header(selection)
    enc, sender = _derand_setup_sender(selection.suite, selection.config.public_key, request_info(header), ephemeral)
    return Outgoing(Exchange(header, selection.config, selection.suite, enc, sender))


def _header(selection: Selection) -> bytes:
    suite = selection.suite
    return HEADER.pack(selection.config.key_id, suite.kem, suite.kdf, suite.aead)


@final
class Outgoing(ExchangeStep[Sender]):
    """An exchange that has begun. ``enc``, ``suite``, ``key_config`` and ``export`` are there until :meth:`seal`."""

    __slots__ = ()

    def seal(self, message: bytes) -> tuple[bytes, PendingResponse]:
        """The encapsulated request for ``message`` (Binary HTTP, at most :data:`MAX_MESSAGE` bytes, else
        :class:`UsageError`, which doesn't spend the step), and the one thing that can read the answer (RFC 9458 §4.1)::

            Encapsulated Request {
              Key Identifier (8), HPKE KEM ID (16), HPKE KDF ID (16), HPKE AEAD ID (16),
              Encapsulated KEM Shared Secret (8 * Nenc),
              HPKE-Protected Request (..),
            }
        """
        sendable(message)
        begun = self._take()
        wire = b"".join((begun.header, begun.enc, begun.context.seal(message)))
        # Only the response's secret is kept: nothing more can be sealed or exported from here on.
        return wire, PendingResponse(_Pending(begun.suite, begun.enc, begun.response_secret()))


class _Pending(NamedTuple):
    suite: Suite
    enc: bytes
    secret: Secret


@final
class PendingResponse(Step[_Pending]):
    """A request that was sealed and waits for its response."""

    __slots__ = ()

    def finish(self, wire: bytes) -> bytes:
        """The message in an encapsulated response (RFC 9458 §4.2, §4.4)::

            Encapsulated Response { Nonce (8 * max(Nn, Nk)), AEAD-Protected Response (..) }

        Raises :class:`DecodeError` if it is too short to be one, :class:`LimitError` if its message passes
        :data:`MAX_MESSAGE`, and :class:`OpenError`, without saying why, for everything else.
        """
        suite, enc, secret = self._take()
        size = nonce_size(suite.aead)
        bounded("encapsulated response", len(wire), response_overhead(suite) + MAX_MESSAGE)
        if len(wire) < response_overhead(suite):
            raise DecodeError("encapsulated response", "too short", len(wire))
        cipher, iv = response_cipher(suite, enc, secret.expose(), wire[:size])
        secret.wipe()
        try:
            return cipher.decrypt(iv, memoryview(wire)[size:], None)
        except InvalidTag:
            raise OpenError from None
