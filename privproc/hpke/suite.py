"""HPKE's algorithms: identifiers and sizes (RFC 9180 §7), and the constants that a suite's key schedule starts from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum
from functools import cache
from typing import NamedTuple, Self

from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

from privproc import hkdf
from privproc.errors import UnsupportedError, UsageError

__all__ = ["Aead", "Kdf", "Kem", "Suite"]


class Kem(IntEnum):
    """Key encapsulation mechanisms: RFC 9180 §7.1, and X-Wing as draft-connolly-cfrg-xwing-kem-10 §7.

    Sizes in bytes: ``Nsecret`` of the shared secret, ``Nenc`` of the encapsulation, ``Npk`` and ``Nsk`` of the keys.
    """

    Nsecret: int
    Nenc: int
    Npk: int
    Nsk: int

    P256_SHA256 = 0x0010, 32, 65, 65, 32
    X25519_SHA256 = 0x0020, 32, 32, 32, 32
    X_WING = 0x647A, 32, 1120, 1216, 32

    def __new__(cls, value: int, *sizes: int) -> Self:
        """A row of the registry."""
        made = int.__new__(cls, value)
        made._value_ = value
        made.Nsecret, made.Nenc, made.Npk, made.Nsk = sizes
        return made


class Kdf(IntEnum):
    """Key derivation functions (RFC 9180 §7.2). ``Nh``: bytes of the hash's output; ``hash``: its name in hashlib.

    One-stage functions (SHAKE, TurboSHAKE) are left out on purpose: OHTTP's response (RFC 9458 §4.4) needs Extract and
    Expand, which they don't have.
    """

    Nh: int
    hash: str

    HKDF_SHA256 = 0x0001, 32
    HKDF_SHA384 = 0x0002, 48

    def __new__(cls, value: int, *sizes: int) -> Self:
        """A row of the registry."""
        made = int.__new__(cls, value)
        made._value_ = value
        (made.Nh,) = sizes
        made.hash = f"sha{8 * made.Nh}"
        return made


class Aead(IntEnum):
    """Ciphers (RFC 9180 §7.3). Sizes in bytes: ``Nk`` of the key, ``Nn`` of the nonce, ``Nt`` of the tag."""

    Nk: int
    Nn: int
    Nt: int

    AES_128_GCM = 0x0001, 16, 12, 16
    AES_256_GCM = 0x0002, 32, 12, 16
    CHACHA20_POLY1305 = 0x0003, 32, 12, 16

    def __new__(cls, value: int, *sizes: int) -> Self:
        """A row of the registry."""
        made = int.__new__(cls, value)
        made._value_ = value
        made.Nk, made.Nn, made.Nt = sizes
        return made

    def cipher(self, key: bytes) -> AESGCM | ChaCha20Poly1305:
        """The cipher under ``key`` (``Nk`` bytes), for layers that derive keys of their own from an exported secret.

        Raises :class:`UsageError` for a key of another size: AES-GCM would take it as that of another AES.
        """
        if len(key) != self.Nk:
            raise UsageError(f"{self.name} takes a key of {self.Nk} bytes")
        return ChaCha20Poly1305(key) if self is Aead.CHACHA20_POLY1305 else AESGCM(key)


class Constants(NamedTuple):
    """What of the key schedule depends on the suite alone (base mode, so psk and psk_id are empty)."""

    hash: str
    key_size: int
    cipher: Callable[[bytes], AESGCM | ChaCha20Poly1305]
    info: bytes  # LabeledExtract's prefix of info_hash
    head: bytes  # mode || psk_id_hash, the start of key_schedule_context
    secret: bytes  # labeled_ikm of "secret" over the empty psk
    key: bytes  # LabeledExpand's prefixes
    nonce: bytes
    exporter: bytes
    export: bytes  # without the length that comes first


@cache
def _constants(kem: Kem, kdf: Kdf, aead: Aead) -> Constants:
    label = b"HPKE-v1" + b"HPKE" + b"".join(part.to_bytes(2, "big") for part in (kem, kdf, aead))
    return Constants(
        hash=kdf.hash,
        key_size=aead.Nk,
        cipher=aead.cipher,
        info=label + b"info_hash",
        head=b"\0" + hkdf.extract(kdf.hash, b"", label + b"psk_id_hash"),
        secret=label + b"secret",
        key=aead.Nk.to_bytes(2, "big") + label + b"key",
        nonce=aead.Nn.to_bytes(2, "big") + label + b"base_nonce",
        exporter=kdf.Nh.to_bytes(2, "big") + label + b"exp",
        export=label + b"sec",
    )


@dataclass(frozen=True, slots=True)
class Suite:
    """A combination of algorithms. On the wire: ``uint16 kem_id, kdf_id, aead_id`` (RFC 9180 §5.1)."""

    kem: Kem
    kdf: Kdf
    aead: Aead
    _constants: Constants = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_constants", _constants(self.kem, self.kdf, self.aead))

    @classmethod
    def from_ids(cls, kem: int, kdf: int, aead: int) -> Self:
        """The suite of three received identifiers.

        Raises :class:`UnsupportedError` for any that isn't offered here, the export-only AEAD (0xFFFF) among them.
        """
        try:
            return cls(Kem(kem), Kdf(kdf), Aead(aead))
        except ValueError:
            raise UnsupportedError(f"HPKE suite {kem:#06x}, {kdf:#06x}, {aead:#06x}") from None
