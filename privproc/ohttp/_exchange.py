"""What both ends of one encapsulated exchange share (RFC 9458 §4)."""

from __future__ import annotations

import struct
from typing import Final, Generic, NamedTuple, TypeVar

from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

from privproc import chunks
from privproc._step import Step
from privproc.errors import SpentError, UsageError
from privproc.hpke import Aead, Recipient, Sender, Suite
from privproc.keyconfig import KeyConfig
from privproc.secret import Secret

__all__ = [
    "HEADER",
    "MAX_MESSAGE",
    "REQUEST_LABEL",
    "REQUEST_TYPE",
    "RESPONSE_LABEL",
    "RESPONSE_TYPE",
    "Exchange",
    "ExchangeStep",
    "nonce_size",
    "request_info",
    "request_overhead",
    "response_cipher",
    "response_overhead",
    "sendable",
]

REQUEST_TYPE: Final = "message/ohttp-req"
"""Media type of an encapsulated request (RFC 9458 §9.2)."""

RESPONSE_TYPE: Final = "message/ohttp-res"
"""Media type of an encapsulated response (RFC 9458 §9.3)."""

MAX_MESSAGE: Final = 1 << 24
"""Bytes of the largest message that is sealed, and of the largest response that is opened (16 MiB). Both ends hold a
single-shot message whole; what is larger, or better read while it arrives, belongs into the chunked form."""

REQUEST_LABEL: Final = b"message/bhttp request"
RESPONSE_LABEL: Final = b"message/bhttp response"

HEADER: Final = struct.Struct(">BHHH")
"""``Key Identifier (8), HPKE KEM ID (16), HPKE KDF ID (16), HPKE AEAD ID (16)``."""

C = TypeVar("C", bound=Sender | Recipient)


class Exchange(NamedTuple, Generic[C]):
    """An exchange whose next message this end seals; ``context`` is its side of HPKE."""

    header: bytes
    config: KeyConfig
    suite: Suite
    enc: bytes
    context: C

    def response_secret(self) -> Secret:
        """The secret of the response: ``max(Nn, Nk)`` bytes."""
        return self.context.export(RESPONSE_LABEL, nonce_size(self.suite.aead))


class ExchangeStep(Step[Exchange[C]]):
    """A step that shows, until it is left, what the layers above bind to; then :class:`SpentError`."""

    __slots__ = ()

    def _look(self) -> Exchange[C]:
        try:
            return self._state[0]
        except IndexError:
            raise SpentError(type(self).__name__) from None

    @property
    def key_config(self) -> bytes:
        """The encoded key configuration of this exchange."""
        return self._look().config.encode()

    @property
    def suite(self) -> Suite:
        """The HPKE suite of this exchange."""
        return self._look().suite

    @property
    def enc(self) -> bytes:
        """The encapsulated KEM secret (``kem.Nenc`` bytes). The relay saw it beside an address: keep it from logs."""
        return self._look().enc

    def export(self, context: bytes, length: int) -> Secret:
        """A secret of ``length`` bytes that only both ends of this exchange have (RFC 9180 §5.3).

        Raises :class:`UsageError` for the context that keys the response: to hand that out would give the response
        away.
        """
        if context == RESPONSE_LABEL:
            raise UsageError("this exporter context is the response's own")
        return self._look().context.export(context, length)


def nonce_size(aead: Aead) -> int:
    """Bytes of the response nonce and secret: ``max(Nn, Nk)``, so 32 with a 32-byte key."""
    return max(aead.Nn, aead.Nk)


def request_overhead(suite: Suite) -> int:
    """Bytes by which an encapsulated request is longer than its message: header, ``enc`` and tag."""
    return HEADER.size + suite.kem.Nenc + suite.aead.Nt


def response_overhead(suite: Suite) -> int:
    """Bytes by which an encapsulated response is longer than its message: nonce and tag."""
    return nonce_size(suite.aead) + suite.aead.Nt


def request_info(header: bytes) -> bytes:
    """HPKE's ``info``: label, a zero byte, header (RFC 9458 §4.3)."""
    return REQUEST_LABEL + b"\0" + header


def response_cipher(suite: Suite, enc: bytes, secret: bytes, nonce: bytes) -> tuple[AESGCM | ChaCha20Poly1305, bytes]:
    """The response's cipher, keyed, and its AEAD nonce (RFC 9458 §4.4). The KDF is the suite's own."""
    key, iv = chunks.response_key(suite.kdf.hash, secret, enc, nonce, (suite.aead.Nk, suite.aead.Nn))
    return suite._constants.cipher(key), iv


def sendable(message: bytes) -> bytes:
    """``message``, or :class:`UsageError` when it passes :data:`MAX_MESSAGE`."""
    if len(message) > MAX_MESSAGE:
        raise UsageError(f"a message of {len(message)} bytes; at most {MAX_MESSAGE} are sealed at once")
    return message
