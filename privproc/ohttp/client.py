"""The client (RFC 9458 §4): ``begin``, ``seal``, ``finish``; chunked: ``begin_chunked``, ``stream``.

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
    Mode,
    request_info,
    response_cipher,
    response_overhead,
    sendable,
)
from privproc.ohttp._framing import MAX_CHUNK, MessageSender, Seal
from privproc.ohttp.chunked import ResponseReceiver
from privproc.secret import Secret
from privproc.trust import Trusted
from privproc.wire import bounded

__all__ = ["Outgoing", "OutgoingStream", "PendingResponse", "begin", "begin_chunked"]


# req: rfc9458/6.1 authentic-configuration
def begin(selection: Trusted[Selection], *, at: int) -> Outgoing:
    """Begin an exchange with the selected key, in a fresh HPKE context (RFC 9458 §4.3, steps 1 to 3).

    Raises :class:`ExpiredError` outside of the selection's validity, and :class:`OpenError` for an X25519 key of low
    order.
    """
    return Outgoing(_exchange(Mode.SINGLE, selection.get(at=at), None))


def begin_chunked(selection: Trusted[Selection], *, at: int) -> OutgoingStream:
    """:func:`begin` for a chunked exchange (draft-ietf-ohai-chunked-ohttp-08 §6.1); raises the same.

    Whether a service is asked in chunks belongs to its configuration. Never fall back to the other mode because one
    failed: a gateway that refuses one of two for some clients could tell them apart (§7 of the draft).
    """
    return OutgoingStream(_exchange(Mode.CHUNKED, selection.get(at=at), None))


def _derand_begin(selection: Selection, ephemeral: PrivateKey) -> Outgoing:
    return Outgoing(_exchange(Mode.SINGLE, selection, ephemeral))


def _derand_begin_chunked(selection: Selection, ephemeral: PrivateKey) -> OutgoingStream:
    return OutgoingStream(_exchange(Mode.CHUNKED, selection, ephemeral))


# req: rfc9458/6.1 fresh-context
def _exchange(mode: Mode, selection: Selection, ephemeral: PrivateKey | None) -> Exchange[Sender]:
    config, suite = selection.config, selection.suite
    header = HEADER.pack(config.key_id, suite.kem, suite.kdf, suite.aead)
    info = request_info(mode, header)
    if ephemeral is None:
        enc, sender = setup_sender(suite, config.public_key, info)
    else:
        enc, sender = _derand_setup_sender(suite, config.public_key, info, ephemeral)
    return Exchange(mode, header, config, suite, enc, sender)


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
        # req: rfc9458/4.3 request-is-sealed-once
        wire = b"".join((begun.header, begun.enc, begun.context.seal(message)))
        # Only the response's secret is kept: nothing more can be sealed or exported from here on.
        return wire, PendingResponse(_Pending(begun.suite, begun.enc, Secret(begun.response_secret())))


class _Pending(NamedTuple):
    suite: Suite
    enc: bytes
    secret: Secret

    def __repr__(self) -> str:
        return "<_Pending>"


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
        size, overhead = suite.aead.longer, response_overhead(suite)
        bounded("encapsulated response", len(wire), overhead + MAX_MESSAGE)
        # req: rfc9458/4.2 response-layout
        if len(wire) < overhead:
            raise DecodeError("encapsulated response", "too short", len(wire))
        cipher, iv = response_cipher(suite, enc, secret.expose(), wire[:size])
        # req: privproc1/11 response-secrets-go
        secret.wipe()
        try:
            return cipher.decrypt(iv, memoryview(wire)[size:], None)
        except InvalidTag:
            raise OpenError from None


@final
class OutgoingStream(ExchangeStep[Sender]):
    """A chunked exchange that has begun. ``enc``, ``suite``, ``key_config`` and ``export`` are there until
    :meth:`stream`.
    """

    __slots__ = ()

    def stream(self, *, max_chunk: int = MAX_CHUNK) -> tuple[MessageSender, ResponseReceiver]:
        """The two directions: what seals the request, and what opens the response, which may begin to come before the
        request is complete.

        To send more because of what came shows the gateway, and whoever watches, the round trip to this client (§7.2
        of the draft). ``max_chunk``: bytes of plaintext in one chunk of the response, at least :data:`MAX_CHUNK`; less
        is a :class:`UsageError`, which doesn't spend the step.
        """
        look = self._look()
        receiver = ResponseReceiver(look.suite, look.enc, Secret(look.response_secret()), max_chunk=max_chunk)
        begun = self._take()
        return MessageSender(begun.header + begun.enc, Seal.request(begun.context)), receiver
