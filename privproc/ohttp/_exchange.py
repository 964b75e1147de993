"""What both ends of one encapsulated exchange share (RFC 9458 §4)."""

from __future__ import annotations

import enum
import struct
from dataclasses import dataclass
from typing import Final, Generic, NamedTuple, Self, TypeVar

from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

from privproc import chunks
from privproc._step import Step
from privproc.errors import DecodeError, UnsupportedError, UsageError
from privproc.hpke import Recipient, Sender, Suite, setup_recipient
from privproc.keyconfig import GatewayKey, KeyConfig
from privproc.ohttp.replay import ReplayKey
from privproc.secret import Secret
from privproc.trust import check_window

__all__ = [
    "CHUNKED_REQUEST_TYPE",
    "CHUNKED_RESPONSE_TYPE",
    "HEADER",
    "INCREMENTAL",
    "MAX_MESSAGE",
    "REQUEST_TYPE",
    "RESPONSE_TYPE",
    "Exchange",
    "ExchangeStep",
    "Mode",
    "OpenedRequest",
    "RequestHeader",
    "decapsulate",
    "request_info",
    "request_overhead",
    "response_cipher",
    "response_overhead",
    "sendable",
]


class Mode(enum.Enum):
    """Single-shot (RFC 9458 §4) or chunked (draft-ietf-ohai-chunked-ohttp-08).

    A mode is a whole: the media types ``request_type`` and ``response_type``, and the labels ``request_label`` (of
    HPKE's info, §4.3 and §6.1 of the draft) and ``response_label`` (of the exporter, §4.4 and §6.2). So the response is
    always of the request's mode, as §3 of the draft demands.
    """

    SINGLE = "message/ohttp-req", "message/ohttp-res", b"message/bhttp request", b"message/bhttp response"
    CHUNKED = (
        "message/ohttp-chunked-req",
        "message/ohttp-chunked-res",
        # req: chunked08/6.1 request-label
        b"message/bhttp chunked request",
        # req: chunked08/6.2 response-label
        b"message/bhttp chunked response",
    )

    def __init__(self, request_type: str, response_type: str, request_label: bytes, response_label: bytes) -> None:
        self.request_type = request_type
        self.response_type = response_type
        self.request_label = request_label
        self.response_label = response_label


REQUEST_TYPE: Final = Mode.SINGLE.request_type
"""Media type of an encapsulated request (RFC 9458 §9.2)."""

RESPONSE_TYPE: Final = Mode.SINGLE.response_type
"""Media type of an encapsulated response (RFC 9458 §9.3)."""

CHUNKED_REQUEST_TYPE: Final = Mode.CHUNKED.request_type
"""Media type of a chunked request (draft-ietf-ohai-chunked-ohttp-08 §8.1)."""

CHUNKED_RESPONSE_TYPE: Final = Mode.CHUNKED.response_type
"""Media type of a chunked response (draft-ietf-ohai-chunked-ohttp-08 §8.2)."""

INCREMENTAL: Final = (b"incremental", b"?1")
"""The field that asks intermediaries not to hold a message back (RFC 10036 §3); both chunked messages should have it
(§3 of the draft)."""

MAX_MESSAGE: Final = 1 << 24
"""Bytes of the largest message that is sealed, and of the largest response that is opened (16 MiB). Both ends hold a
single-shot message whole; what is larger, or better read while it arrives, belongs into the chunked form."""

HEADER: Final = struct.Struct(">BHHH")
"""The seven bytes of :class:`RequestHeader`."""

REPLAY_LABEL: Final = b"privproc ohttp replay"

RESERVED: Final = frozenset(mode.response_label for mode in Mode)

C = TypeVar("C", bound=Sender | Recipient)


@dataclass(frozen=True, slots=True)
class RequestHeader:
    """What an encapsulated request says in the clear, for a gateway to find the key by (RFC 9458 §4.1)::

        Key Identifier (8), HPKE KEM ID (16), HPKE KDF ID (16), HPKE AEAD ID (16)

    The identifiers as they came: not authentic before something was opened, and not necessarily known here.
    """

    key_id: int
    kem: int
    kdf: int
    aead: int

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read exactly seven bytes, else :class:`DecodeError`."""
        if len(data) != HEADER.size:
            raise DecodeError("request header", f"{len(data)} bytes instead of 7")
        # req: rfc9458/4.1 header-in-the-clear
        return cls(*HEADER.unpack(data))

    def encode(self) -> bytes:
        """The seven bytes. Raises :class:`UsageError` for a number that doesn't fit its field."""
        try:
            return HEADER.pack(self.key_id, self.kem, self.kdf, self.aead)
        except struct.error:
            raise UsageError("a number of the request header doesn't fit its field") from None

    def match(self, key: GatewayKey | None, *, at: int) -> tuple[GatewayKey, Suite]:
        """``key`` and the suite to use it with (RFC 9458 §4.3, steps 1a and 1b).

        Raises :class:`UnsupportedError` when there is no key, or it isn't offered with this suite,
        :class:`ExpiredError` outside of its time, and :class:`UsageError` for the key of another header.
        """
        if key is None:
            # req: rfc9458/4.3 unknown-key-is-an-error
            raise UnsupportedError("key identifier unknown")
        if (key.key_id, key.config.kem) != (self.key_id, self.kem):
            raise UsageError("the key is not the one that the header names")
        check_window("gateway key", key.not_before, key.not_after, at=at)
        # req: rfc9458/4.3 unoffered-suite-is-an-error
        return key, key.suite(self.kdf, self.aead)


class Exchange(NamedTuple, Generic[C]):
    """An exchange whose next message this end seals; ``context`` is its side of HPKE."""

    mode: Mode
    header: bytes
    config: KeyConfig
    suite: Suite
    enc: bytes
    context: C

    def __repr__(self) -> str:
        return "<Exchange>"  # what enc is good for, see ExchangeStep.enc

    def response_secret(self) -> bytes:
        """The secret of the response: ``max(Nn, Nk)`` bytes."""
        # req: rfc9458/4.4 response-secret-size
        return self.context._export(self.mode.response_label, self.suite.aead.longer)


def decapsulate(mode: Mode, header: RequestHeader, enc: bytes, key: GatewayKey, suite: Suite) -> Exchange[Recipient]:
    """The gateway's side of an exchange. Raises :class:`OpenError` for an ``enc`` that the KEM refuses."""
    encoded = header.encode()
    # req: rfc9458/4.3 open-failure-is-an-error
    context = setup_recipient(suite, key.private, enc, request_info(mode, encoded))
    return Exchange(mode, encoded, key.config, suite, enc, context)


class ExchangeStep(Step[Exchange[C]]):
    """A step that shows, until it is left, what the layers above bind to; then :class:`SpentError`."""

    __slots__ = ()

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

        Raises :class:`UsageError` for the contexts that key responses: to hand that out would give the response away.
        """
        # req: rfc9458/4.6 other-formats-other-labels
        if context in RESERVED:
            raise UsageError("this exporter context is the response's own")
        return self._look().context.export(context, length)


class OpenedRequest(ExchangeStep[Recipient]):
    """A request that was opened with a key that is good ``until`` then (Unix seconds)."""

    __slots__ = ("until",)

    def __init__(self, state: Exchange[Recipient], *, until: int) -> None:
        super().__init__(state)
        self.until = until

    def replay_key(self) -> ReplayKey:
        """What to remember of this request: the same for every copy of it, and for nothing else."""
        return ReplayKey(self.export(REPLAY_LABEL, 32).expose())


def request_overhead(suite: Suite) -> int:
    """Bytes by which an encapsulated request is longer than its message: header, ``enc`` and tag."""
    return HEADER.size + suite.kem.Nenc + suite.aead.Nt


def response_overhead(suite: Suite) -> int:
    """Bytes by which an encapsulated response is longer than its message: nonce and tag."""
    return suite.aead.longer + suite.aead.Nt


# req: rfc9458/4.3 info-binds-configuration
def request_info(mode: Mode, header: bytes) -> bytes:
    """HPKE's ``info``: label, a zero byte, header (RFC 9458 §4.3)."""
    return mode.request_label + b"\0" + header


def response_cipher(suite: Suite, enc: bytes, secret: bytes, nonce: bytes) -> tuple[AESGCM | ChaCha20Poly1305, bytes]:
    """The response's cipher, keyed, and its AEAD nonce (RFC 9458 §4.4). The KDF is the suite's own."""
    key, iv = chunks.response_key(suite.kdf.hash, secret, enc, nonce, (suite.aead.Nk, suite.aead.Nn))
    return suite.aead.cipher(key), iv


def sendable(message: bytes) -> bytes:
    """``message``, or :class:`UsageError` when it passes :data:`MAX_MESSAGE`."""
    if len(message) > MAX_MESSAGE:
        raise UsageError(f"a message of {len(message)} bytes; at most {MAX_MESSAGE} are sealed at once")
    return message
