"""Epochs signed by an auditor of Cloudflare's Plexi: what WhatsApp's Private Processing has in place of a log.

They are weaker than this package's logs, and so a type of its own, :class:`PlexiEpoch`, that passes nowhere for
:class:`~privproc.ledger.proof.Logged`. The format is that of github.com/cloudflare/plexi (``plexi_core``).
"""

from __future__ import annotations

import hmac
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from privproc import strictjson
from privproc.errors import (
    DecodeError,
    ExpiredError,
    PolicyError,
    SignatureError,
    UnsupportedError,
    UntrustedError,
    UsageError,
)
from privproc.ledger.entry import DIGEST_SIZES
from privproc.ledger.proof import SKEW
from privproc.trust import Earned

__all__ = ["BINCODE", "PROTOBUF", "PlexiEpoch", "SignedEpoch", "verify"]

PROTOBUF: Final = 1
"""Ciphersuite: Ed25519 over the protobuf encoding."""
BINCODE: Final = 2
"""Ciphersuite: Ed25519 over the encoding of bincode's legacy configuration; older namespaces have it."""

_WHAT = "signed epoch"
_MAX_SIZE = 4096
_NAMESPACE = re.compile(r"[!-~]{1,255}")
_HEX = re.compile(r"(?:[0-9a-f]{2})*")


@dataclass(frozen=True, slots=True)
class SignedEpoch:
    """An auditor's statement that ``digest`` is the one of ``epoch`` in ``namespace``, as its interface serves it.

    A JSON object: ``ciphersuite`` and its older name ``version`` (:data:`PROTOBUF` or :data:`BINCODE`; one or both),
    ``namespace`` (1 to 255 visible ASCII characters), ``timestamp`` (milliseconds since 1970, uint64), ``epoch``
    (uint64, from 1), ``digest`` (32, 48 or 64 bytes in hex), ``signature`` (64 bytes in hex); optionally ``key_id``
    (uint8, the last byte of the public key) and ``serialized_message`` (hex), which must be the message that is signed.
    Hex is in lower case. Other members are skipped: the interface has grown before, and the signature covers none.
    """

    suite: int
    namespace: str
    timestamp: int
    epoch: int
    digest: bytes
    signature: bytes
    key_id: int | None = None

    def __post_init__(self) -> None:
        if self.suite not in (PROTOBUF, BINCODE):
            raise UsageError("a ciphersuite is 1 or 2")
        if not _NAMESPACE.fullmatch(self.namespace):
            raise UsageError("a namespace is 1 to 255 visible ASCII characters")
        if not 0 <= self.timestamp < 1 << 64 or not 1 <= self.epoch < 1 << 64:
            raise UsageError("timestamp and epoch are uint64, the first epoch is 1")
        if len(self.digest) not in DIGEST_SIZES or len(self.signature) != 64:
            raise UsageError("a digest is 32, 48 or 64 bytes, a signature 64")
        if self.key_id is not None and not 0 <= self.key_id < 256:
            raise UsageError("a key ID is a uint8")

    @property
    def message(self) -> bytes:
        """What the auditor signs. For :data:`PROTOBUF`, with every field present and in this order::

            message SignatureMessage {
                uint32 ciphersuite = 1; string namespace = 2; uint64 timestamp = 3;
                Epoch epoch = 4;        // { uint64 inner = 1; }
                bytes digest = 5;
            }

        For :data:`BINCODE`, little-endian: ``uint32 ciphersuite || uint64 length || namespace || uint64 timestamp ||
        uint64 epoch || uint64 length || digest``.
        """
        name = self.namespace.encode()
        if self.suite == PROTOBUF:
            inner = b"\x08" + _varint(self.epoch)
            head = b"\x08%c\x12%b%b" % (self.suite, _varint(len(name)), name)
            middle = b"\x18%b\x22%b%b" % (_varint(self.timestamp), _varint(len(inner)), inner)
            return b"%b%b\x2a%b%b" % (head, middle, _varint(len(self.digest)), self.digest)
        numbers = self.timestamp.to_bytes(8, "little") + self.epoch.to_bytes(8, "little")
        return b"".join((self.suite.to_bytes(4, "little"), _sized(name), numbers, _sized(self.digest)))

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read the JSON, of at most 4096 bytes. Raises :class:`DecodeError`; :class:`UnsupportedError` for a suite."""
        if len(data) > _MAX_SIZE:
            raise DecodeError(_WHAT, f"more than {_MAX_SIZE} bytes")
        fields = strictjson.decode_object(data, _WHAT)
        suites = {_uint(fields, name) for name in ("ciphersuite", "version") if name in fields}
        # Two names for one thing: readers that take either one must not read different suites.
        if len(suites) != 1:
            raise DecodeError(_WHAT, "no ciphersuite, or two")
        if (suite := suites.pop()) not in (PROTOBUF, BINCODE):
            raise UnsupportedError("signed epoch: a ciphersuite that isn't offered here")
        try:
            value = cls(
                suite=suite,
                namespace=_text(fields, "namespace"),
                timestamp=_uint(fields, "timestamp"),
                epoch=_uint(fields, "epoch"),
                digest=_hex(fields, "digest"),
                signature=_hex(fields, "signature"),
                key_id=None if fields.get("key_id") is None else _uint(fields, "key_id"),
            )
        except UsageError as error:
            raise DecodeError(_WHAT, str(error)) from None
        if fields.get("serialized_message") is not None and _hex(fields, "serialized_message") != value.message:
            raise DecodeError(_WHAT, "serialized_message differs from the fields")
        return value

    def encode(self) -> bytes:
        """The JSON in the form of the interface, without ``serialized_message``."""
        members: dict[str, object] = {
            "version": self.suite,
            "ciphersuite": self.suite,
            "namespace": self.namespace,
            "timestamp": self.timestamp,
            "epoch": self.epoch,
            "digest": self.digest.hex(),
            "signature": self.signature.hex(),
        }
        key_id = {} if self.key_id is None else {"key_id": self.key_id}
        return json.dumps(members | key_id, separators=(",", ":")).encode()


@dataclass(frozen=True, slots=True, init=False)
class PlexiEpoch(Earned):
    """One auditor's word that ``digest`` was valid in ``namespace`` at ``epoch``. Weaker than ``Logged`` in four ways:

    - Epochs aren't chained (finding TOB-WAPI-27 of the audit of Private Processing): nothing shows that two devices, or
      one device at two times, are shown the same history. The auditor can sign another digest for a target, unseen.
    - It is one party; there are no witnesses.
    - A namespace doesn't name a role (TOB-WAPI-20): demand one namespace for each role, never a set of them.
    - It doesn't say until when (TOB-WAPI-21): only its age ends it.

    So it is no ``Logged``, and what confirms a digest has another name. ``epoch`` is the auditor's counter,
    ``signed_at`` (Unix seconds) the time that the auditor states, ``not_after`` (excluded) that plus the demanded age.
    """

    namespace: str
    epoch: int
    digest: bytes
    signed_at: int
    not_after: int

    def confirm_unchained(self, digest: bytes, *, at: int) -> None:
        """Raise :class:`UntrustedError` unless ``digest`` is the signed one; :class:`ExpiredError` at its end.

        Who calls this accepts what the class lacks.
        """
        if not isinstance(digest, bytes):
            raise UsageError("a digest is bytes")
        if not hmac.compare_digest(digest, self.digest):
            raise UntrustedError("signed epoch: another digest is signed")
        if at >= self.not_after:
            raise ExpiredError("signed epoch is no longer valid")


def verify(proof: bytes, *, namespace: str, key: bytes, minimum_epoch: int, max_age: int, at: int) -> PlexiEpoch:
    """Check that the auditor with the Ed25519 key ``key`` (32 bytes) signed an epoch of exactly ``namespace``.

    ``proof`` is a :class:`SignedEpoch`. An epoch under ``minimum_epoch`` (1 or more) or older than ``max_age`` seconds
    doesn't count; since epochs aren't chained, the first is the only floor against old code, and the caller raises it.

    Raises :class:`DecodeError`, :class:`UnsupportedError`; :class:`UntrustedError` for another key's ID or another
    namespace; :class:`SignatureError`; :class:`PolicyError` for an epoch under the minimum; :class:`ExpiredError` past
    its age, or when ``at`` lies more than :data:`~privproc.ledger.proof.SKEW` seconds before it.
    """
    numbers = (minimum_epoch, max_age)
    if not namespace or any(not isinstance(number, int) or number < 1 for number in numbers):
        raise UsageError("a namespace is needed, a minimum epoch and a maximum age are 1 or more")
    if not isinstance(key, bytes) or len(key) != 32:
        raise UsageError("an auditor's key has 32 bytes")
    read = SignedEpoch.decode(proof)
    if read.key_id not in (None, key[-1]):
        raise UntrustedError("signed epoch: of another key")
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(read.signature, read.message)
    except InvalidSignature:
        raise SignatureError("signed epoch: the signature doesn't verify") from None
    if read.namespace != namespace:
        raise UntrustedError("signed epoch: of another namespace")
    if read.epoch < minimum_epoch:
        raise PolicyError("signed epoch: under the minimum")
    signed_at = read.timestamp // 1000
    if signed_at > at + SKEW:
        raise ExpiredError("signed epoch: signed in the future")
    if at >= signed_at + max_age:
        raise ExpiredError("signed epoch is no longer valid")
    return PlexiEpoch._earn(
        namespace=namespace,
        epoch=read.epoch,
        digest=read.digest,
        signed_at=signed_at,
        not_after=signed_at + max_age,
    )


def _varint(value: int) -> bytes:
    """A protobuf varint: groups of seven bits, the lowest first."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _sized(data: bytes) -> bytes:
    return len(data).to_bytes(8, "little") + data


def _text(fields: Mapping[str, object], name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str):
        raise DecodeError(_WHAT, f"{name} is not a string")
    return value


def _uint(fields: Mapping[str, object], name: str) -> int:
    value = fields.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise DecodeError(_WHAT, f"{name} is not an integer")
    return value


def _hex(fields: Mapping[str, object], name: str) -> bytes:
    value = _text(fields, name)
    if not _HEX.fullmatch(value):
        raise DecodeError(_WHAT, f"{name} is not hex in lower case")
    return bytes.fromhex(value)
