"""HPKE's algorithms, identifiers and sizes (RFC 9180 §7, draft-ietf-hpke-hpke-05 §7, draft-ietf-hpke-pq-05 §5, §8)."""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from typing import Any, NoReturn, Self, final

from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

from privproc.errors import UsageError

__all__ = ["Aead", "Cipher", "Kdf", "Kem", "NoCipher"]


class Kem(IntEnum):
    """Key encapsulation mechanisms: DHKEM, ML-KEM, and the hybrids of both (X-Wing is MLKEM768-X25519).

    Sizes in bytes: ``Nsecret`` of the shared secret, ``Nenc`` of the encapsulation, ``Npk`` and ``Nsk`` of the keys.
    """

    Nsecret: int
    Nenc: int
    Npk: int
    Nsk: int

    P256_SHA256 = 0x0010, 32, 65, 65, 32
    P384_SHA384 = 0x0011, 48, 97, 97, 48
    P521_SHA512 = 0x0012, 64, 133, 133, 66
    X25519_SHA256 = 0x0020, 32, 32, 32, 32
    X448_SHA512 = 0x0021, 64, 56, 56, 56
    ML_KEM_768 = 0x0041, 32, 1088, 1184, 64
    ML_KEM_1024 = 0x0042, 32, 1568, 1568, 64
    MLKEM768_P256 = 0x0050, 32, 1153, 1249, 32
    MLKEM1024_P384 = 0x0051, 32, 1665, 1665, 32
    X_WING = 0x647A, 32, 1120, 1216, 32

    def __new__(cls, value: int, *sizes: int) -> Self:
        """A row of the registry."""
        made = int.__new__(cls, value)
        made._value_ = value
        made.Nsecret, made.Nenc, made.Npk, made.Nsk = sizes
        return made


class Kdf(IntEnum):
    """Key derivation functions. ``Nh``: bytes of the hash's output; ``hash``: its name in hashlib.

    ``two_stage`` says that there is an Extract and an Expand. RFC 9458 §4.4 calls both for OHTTP's response, which is
    undefined with the others, so :mod:`privproc.keyconfig` never selects and never offers those.
    """

    Nh: int
    hash: str
    two_stage: bool

    HKDF_SHA256 = 0x0001, 32, "sha256", True
    HKDF_SHA384 = 0x0002, 48, "sha384", True
    HKDF_SHA512 = 0x0003, 64, "sha512", True
    SHAKE128 = 0x0010, 32, "shake_128", False
    SHAKE256 = 0x0011, 64, "shake_256", False

    def __new__(cls, value: int, *row: Any) -> Self:
        """A row of the registry."""
        made = int.__new__(cls, value)
        made._value_ = value
        made.Nh, made.hash, made.two_stage = row
        return made


@final
class NoCipher:
    """What a context of the export-only AEAD has in place of a cipher."""

    __slots__ = ()

    def encrypt(self, *_args: object) -> NoReturn:
        """Raises :class:`UsageError`."""
        raise UsageError("an export-only suite seals and opens nothing")

    decrypt = encrypt


Cipher = AESGCM | ChaCha20Poly1305


class Aead(IntEnum):
    """Ciphers. Sizes in bytes: ``Nk`` of the key, ``Nn`` of the nonce, ``Nt`` of the tag; ``longer`` of the first two.

    ``EXPORT_ONLY`` has no cipher, hence no sizes: its contexts only export secrets (RFC 9180 §5.3).
    """

    Nk: int
    Nn: int
    Nt: int
    longer: int
    _new: Callable[[bytes], Cipher]

    AES_128_GCM = 0x0001, 16, 12, 16, AESGCM
    AES_256_GCM = 0x0002, 32, 12, 16, AESGCM
    CHACHA20_POLY1305 = 0x0003, 32, 12, 16, ChaCha20Poly1305
    EXPORT_ONLY = 0xFFFF, 0, 0, 0, None

    def __new__(cls, value: int, *row: Any) -> Self:
        """A row of the registry."""
        made = int.__new__(cls, value)
        made._value_ = value
        made.Nk, made.Nn, made.Nt, made._new = row
        made.longer = max(made.Nk, made.Nn)
        return made

    def cipher(self, key: bytes) -> Cipher:
        """The cipher under ``key`` (``Nk`` bytes), for layers that derive keys of their own from an exported secret.

        Raises :class:`UsageError` for a key of another size, which AES-GCM would take as that of another AES, and for
        the export-only AEAD.
        """
        if len(key) != self.Nk or not key:
            raise UsageError(f"{self.name} takes a key of {self.Nk} bytes" if self.Nk else f"{self.name} has no cipher")
        return self._new(key)
