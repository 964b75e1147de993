"""What the hardware signs in other systems: their binders, each with the level that it really has.

Each function computes what evidence of that system must hold, from the key, the nonce and the exporter value of the
caller's own connection, never from anything beside the evidence. What comes out is appraised with ``appraise_key``: no
channel of this library is released on another protocol's word. CCC's is in :mod:`.claims`.

Private Processing's is there too, and is refused unless it is asked for by the name of its vulnerability: see
:func:`client_random`.
"""

from __future__ import annotations

import binascii
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar, Final

from privproc.attestation.binder import REPORT_DATA_LENGTH
from privproc.attestation.expectation import KeyBinding, Level
from privproc.errors import DecodeError, UnsupportedError, UsageError
from privproc.secret import Secret
from privproc.wire import Reader

__all__ = [
    "HandshakeBound",
    "HclReport",
    "KeyBound",
    "SessionBound",
    "atlas",
    "azure_hcl",
    "client_random",
    "cocos",
    "constellation",
    "constellation_tpm",
    "contrast",
    "flashbots",
    "gramine",
    "sgx_sdk",
    "tinfoil_v2",
    "tinfoil_v3",
]

Export = Callable[[bytes, bytes, int], Secret]
"""TLS-Exporter of a connection (RFC 8446 §7.5): label, context, length."""

_CHANNEL_BINDING: Final = b"EXPORTER-Channel-Binding"  # RFC 9266
_EXPAT: Final = b"Attestation"  # draft-fossati-seat-expat-03
_TINFOIL: Final = b"https://tinfoil.sh/report-data/v1"
_VALUE: Final = 32
_RELAYED: Final = "CVE-2026-33697"
_PEM_LINE: Final = 48  # bytes in a line of 64 characters (RFC 7468)

_HCL_HEADER: Final = 32
_HCL_MAGIC: Final = b"HCLA"
_HCL_AREA: Final = 1184
_HCL_RUNTIME: Final = 8192
_HCL_SHA256: Final = 1


@dataclass(frozen=True, slots=True)
class KeyBound:
    """Report data (64 bytes) about a key: whoever has it, out of any accepted machine, can relay (CVE-2026-100835)."""

    report_data: bytes = field(repr=False)
    level: ClassVar[Level] = Level.KEY

    @property
    def expected(self) -> KeyBinding:
        """For ``appraise_key``."""
        return KeyBinding(self.report_data)


@dataclass(frozen=True, slots=True)
class SessionBound:
    """Report data (64 bytes) about one TLS connection of that system's, by its exporter. No session of privproc/1."""

    report_data: bytes = field(repr=False)
    level: ClassVar[Level] = Level.SESSION

    @property
    def expected(self) -> KeyBinding:
        """For ``appraise_key``, which says less than this binds: nothing here knows whose connection it was."""
        return KeyBinding(self.report_data)


@dataclass(frozen=True, slots=True)
class HandshakeBound:
    """Report data (64 bytes) about a key and a public number of a handshake: no more than a key's, and it seems to be.

    Whoever relays repeats the number in another connection (CVE-2026-33697).
    """

    report_data: bytes = field(repr=False)
    level: ClassVar[Level] = Level.KEY

    @property
    def expected(self) -> KeyBinding:
        """For ``appraise_key``."""
        return KeyBinding(self.report_data)


def contrast(*, spki: bytes, nonce: bytes) -> KeyBound:
    """Contrast's aTLS: ``SHA-512(SPKI || nonce)``. ``nonce``: the verifier's own, 32 bytes."""
    return KeyBound(hashlib.sha512(_spki(spki) + _sized("nonce", nonce, _VALUE)).digest())


def constellation(*, spki: bytes, nonce: bytes) -> KeyBound:
    """Constellation's aTLS on TDX: ``SHA-256(SHA-256(SPKI) || nonce)``, then zeros. ``nonce``: the verifier's own, 32
    bytes. On other hardware a virtual TPM signs the first 32 bytes: see :func:`constellation_tpm`.
    """
    digest = hashlib.sha256(_spki(spki)).digest()
    return _padded(hashlib.sha256(digest + _sized("nonce", nonce, _VALUE)).digest())


def constellation_tpm(*, attestation_key: bytes) -> KeyBound:
    """Constellation on SEV-SNP of Amazon's and Google's: ``SHA-512(SPKI of the virtual TPM's attestation key)``.

    Fresh, and about a connection's key, is only what that key signs; Azure has :func:`azure_hcl` instead.
    """
    return KeyBound(hashlib.sha512(_spki(attestation_key)).digest())


def gramine(*, spki: bytes) -> KeyBound:
    """Gramine's own RA-TLS: ``SHA-256(SPKI)``, then zeros. No nonce: it is as old as the key. What Gramine shares with
    others is in :mod:`.claims`.
    """
    return _padded(hashlib.sha256(_spki(spki)).digest())


def sgx_sdk(*, spki: bytes) -> KeyBound:
    """RA-TLS of Intel's SGX SDK before it had claims: ``SHA-256(SPKI in PEM, and a zero byte)``, then zeros.

    The same was Open Enclave's. The PEM is OpenSSL's: lines of 64 characters, each ended by one line feed.
    """
    der = _spki(spki)
    lines = (binascii.b2a_base64(der[at : at + _PEM_LINE]) for at in range(0, len(der), _PEM_LINE))
    pem = b"".join((b"-----BEGIN PUBLIC KEY-----\n", *lines, b"-----END PUBLIC KEY-----\n\0"))
    return _padded(hashlib.sha256(pem).digest())


def client_random(*, spki: bytes, client_random: bytes, vulnerable_to: str = "") -> HandshakeBound:
    """Private Processing's RA-TLS since its audit: ``SHA-256(SPKI) || client_random`` (32 bytes of a ClientHello).

    It is published which two values are in it and not how, so this form is a guess, which can only refuse too much.
    It doesn't bind a connection: for an audit or a test bench, never for a channel. Raises :class:`UsageError` unless
    ``vulnerable_to`` says ``"CVE-2026-33697"``.
    """
    if vulnerable_to != _RELAYED:
        raise UsageError(
            f"client_random binds no connection, since whoever relays repeats it in another ({_RELAYED}); "
            f"for evidence that has nothing better say vulnerable_to={_RELAYED!r}"
        )
    return HandshakeBound(hashlib.sha256(_spki(spki)).digest() + _sized("client_random", client_random, _VALUE))


def tinfoil_v2(*, spki: bytes, hpke_key: bytes) -> KeyBound:
    """Tinfoil, second version: ``SHA-256(SPKI) || X25519 key of HPKE`` (32 bytes)."""
    return KeyBound(hashlib.sha256(_spki(spki)).digest() + _sized("HPKE key", hpke_key, _VALUE))


def tinfoil_v3(*, nonce: bytes, crypto_material: bytes, device_evidence: bytes) -> KeyBound:
    """Tinfoil, third version: ``SHA-256(URI || nonce || SHA-256(material) || SHA-256(evidence))``, then zeros.

    ``crypto_material`` and ``device_evidence`` are the received bytes, never encoded anew; the keys in the first are
    the caller's to read, and to compare with those that it sees. ``nonce``: its own, 32 bytes.
    """
    parts = (hashlib.sha256(each).digest() for each in (crypto_material, device_evidence))
    digest = hashlib.sha256(_TINFOIL + _sized("nonce", nonce, _VALUE) + b"".join(parts)).digest()
    return _padded(digest)


def flashbots(export: Export, *, spki: bytes) -> SessionBound:
    """Flashbots' attested-tls-proxy: ``SHA-256(SPKI) || exporter value`` of RFC 9266, which the quote discloses."""
    return SessionBound(hashlib.sha256(_spki(spki)).digest() + _exported(export, _CHANNEL_BINDING, b""))


def atlas(export: Export, *, nonce: bytes) -> SessionBound:
    """Concrete's Atlas: ``SHA-512(nonce || exporter value)`` of RFC 9266. ``nonce``: the verifier's own, 32 bytes.

    The key isn't in it: the exporter stands for the connection, and the certificate is the caller's to judge.
    """
    return SessionBound(
        hashlib.sha512(_sized("nonce", nonce, _VALUE) + _exported(export, _CHANNEL_BINDING, b"")).digest()
    )


def cocos(export: Export, *, spki: bytes, request_context: bytes, digest: str) -> SessionBound:
    """draft-fossati-seat-expat-03 as Cocos has it: ``SHA-512(H(SPKI || exporter value))``.

    The exporter's label is ``Attestation``, its context that of the request for an authenticator, not empty; ``digest``
    is the cipher suite's hash, ``sha256`` or ``sha384``. It has no direction: between two that both attest, one can be
    shown its own.
    """
    if digest not in ("sha256", "sha384") or not request_context:
        raise UsageError("a cipher suite's hash is sha256 or sha384, and the request has a context")
    value = _exported(export, _EXPAT, request_context)
    binding = hashlib.new(digest, _spki(spki) + value).digest()
    return SessionBound(hashlib.sha512(binding).digest())


@dataclass(frozen=True, slots=True)
class HclReport:
    """The report of Azure's paravisor (HCL), which wraps the hardware's and what that signs a digest of::

        struct {                                        integers little-endian
            u8 magic[4] = "HCLA";  u32 version, size, request;  u8 rest[16];
            u8 hardware[1184];                          an SEV-SNP report, or a TDX report and zeros
            u32 size, version, kind, hash, length;      kind 2: SEV-SNP, 4: TDX
            u8 runtime[length];                         JSON; then zeros
        }

    ``hardware`` (1184 bytes) is evidence by itself; ``runtime`` (up to 8192) is to be believed once it has been
    appraised against :func:`azure_hcl`.
    """

    kind: int
    hardware: bytes = field(repr=False)
    runtime: bytes = field(repr=False)

    @classmethod
    def decode(cls, data: bytes) -> HclReport:
        """Raises :class:`DecodeError`, or :class:`UnsupportedError` for a digest other than SHA-256."""
        if len(data) > _HCL_HEADER + _HCL_AREA + 20 + _HCL_RUNTIME:
            raise DecodeError("HCL report", "too long")
        return Reader.all(data, "HCL report", cls._read)

    @classmethod
    def _read(cls, reader: Reader) -> HclReport:
        if reader.take(_HCL_HEADER)[:4] != _HCL_MAGIC:
            raise reader.fail("not a report of HCL's")
        hardware = reader.take(_HCL_AREA)
        _, _, kind, digest, length = (int.from_bytes(reader.take(4), "little") for _ in range(5))
        if digest != _HCL_SHA256:
            raise UnsupportedError("HCL report: runtime data under another digest than SHA-256")
        runtime = reader.take(length)
        if not runtime or any(reader.rest()):
            raise reader.fail("no runtime data, or data after it")
        return cls(kind, hardware, runtime)


def azure_hcl(runtime: bytes) -> KeyBound:
    """Azure's confidential VMs: ``SHA-256(runtime data)``, then zeros. The data are JSON as received, with keys of the
    TPM: fresh is only what such a key signs.
    """
    if not runtime:
        raise UsageError("runtime data are needed")
    return _padded(hashlib.sha256(runtime).digest())


def _padded(digest: bytes) -> KeyBound:
    return KeyBound(digest.ljust(REPORT_DATA_LENGTH, b"\0"))


def _exported(export: Export, label: bytes, context: bytes) -> bytes:
    return _sized("exporter value", export(label, context, _VALUE).expose(), _VALUE)


def _spki(spki: bytes) -> bytes:
    if not spki:
        raise UsageError("a key is needed")
    return spki


def _sized(what: str, value: bytes, size: int) -> bytes:
    if len(value) != size or not any(value):
        raise UsageError(f"{what} is {size} bytes, not all zero")
    return value
