"""Partially blind RSA (draft-irtf-cfrg-partially-blind-rsa-01): an issuer signs what it doesn't see, together with
public metadata, ``info``, that it does.

::

    prepared         = prepare(variant, message)                    # client
    blinded, pending = blind(variant, key, info, prepared)          # client: to the issuer, with info
    answer           = blind_sign(private_key, info, blinded)       # issuer, if it permits info: back to the client
    signature        = pending.finish(answer)                       # client: checked
    verify(variant, key, info, prepared, signature)                 # verifier

The metadata selects an exponent of half the modulus's length (§4.6), so it can't be changed afterwards. Who shares a
value of it is the anonymity set: whoever picks metadata for each client makes clients recognisable (§7.3).

Keys are of a type of their own: one that served blind RSA as well would sign, as a blinded message for one, a message
for the other (§5.2). Moduli have 2048 bits. 4096 would fit the draft, which wants a power of two, but OpenSSL verifies
with no exponent over 64 bits above 3072.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Final, Self, final

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPrivateNumbers, RSAPublicNumbers

from privproc import hkdf
from privproc._step import Unique
from privproc.blindrsa import blinding, keys, protocol, rawrsa
from privproc.blindrsa.keys import DerivedKey
from privproc.blindrsa.openssl import OpenSSL
from privproc.blindrsa.protocol import PendingSignature, Variant
from privproc.blindrsa.rawrsa import Backend
from privproc.blindrsa.safeprimes import is_safe_prime, safe_prime
from privproc.errors import UnsupportedError, UsageError
from privproc.secret import Secret

__all__ = ["BITS", "PrivateKey", "PublicKey", "blind", "blind_sign", "verify"]

BITS: Final = 2048
"""Bits of a modulus."""

_SIZE: Final = BITS // 8
_HALF: Final = _SIZE // 2
_EXPONENT: Final = 65537


@final
@dataclass(frozen=True, slots=True)
class PublicKey:
    """An issuer's public key: odd modulus ``n`` of 2048 bits; ``e`` stands in the encoded key, and signs nothing.

    That ``n`` is a product of two safe primes can't be seen. Raises :class:`UsageError` for other numbers; a peer's key
    comes through :meth:`decode_spki`.
    """

    n: int
    e: int = _EXPONENT

    def __post_init__(self) -> None:
        if self.n.bit_length() != BITS:
            raise UsageError(f"RSA public key: modulus of {self.n.bit_length()} bits, not {BITS}")
        keys.PublicKey(self.n, self.e)

    @classmethod
    def decode_spki(cls, encoded: bytes) -> Self:
        """The key in the form of RFC 9578 §6.5 (:meth:`privproc.blindrsa.PublicKey.decode_spki`); raises as that does,
        and :class:`UnsupportedError` for a modulus of another size.
        """
        found = keys.PublicKey.decode_spki(encoded)
        if found.n.bit_length() != BITS:
            raise UnsupportedError(f"RSA public key: modulus of {found.n.bit_length()} bits, not {BITS}")
        return cls(found.n, found.e)

    def encode_spki(self) -> bytes:
        """The encoding that :meth:`decode_spki` takes: 342 bytes for ``e = 65537``."""
        return keys.PublicKey(self.n, self.e).encode_spki()

    def derive(self, info: bytes) -> DerivedKey:
        """DerivePublicKey (§4.6): the key for one value of the metadata, with an odd exponent of at most 1022 bits."""
        material = hkdf.extract("sha384", self.n.to_bytes(_SIZE, "big"), b"key" + info + b"\0")
        exponent = bytearray(hkdf.expand("sha384", material, b"PBRSA", _HALF + 16)[:_HALF])
        exponent[0] &= 0x3F
        exponent[-1] |= 0x01
        return DerivedKey(self.n, int.from_bytes(exponent, "big"))


@final
class PrivateKey(Unique):
    """An issuer's private key: a modulus of two safe primes.

    Opaque; can't be copied or pickled. It must serve one variant and nothing else (§5.2). There is no such key in an
    HSM: each value of the metadata has an exponent of its own.

    ``key`` is ``cryptography``'s, ``backend`` as for :class:`privproc.blindrsa.PrivateKey`. Raises :class:`UsageError`
    for a modulus that isn't one of 2048 bits and two safe primes, with which some metadata would have no exponent
    (§7.1), and as that class does.
    """

    __slots__ = ("_backend", "_key", "_numbers", "public_key")

    public_key: PublicKey
    """The public half."""

    def __init__(self, key: RSAPrivateKey, *, backend: Backend | OpenSSL = Backend.PYCRYPTODOME) -> None:
        numbers = key.private_numbers()
        self.public_key = PublicKey(numbers.public_numbers.n, numbers.public_numbers.e)
        if not all(map(is_safe_prime, (numbers.p, numbers.q))):
            raise UsageError("RSA private key: not of two safe primes")
        self._key, self._numbers, self._backend = key, numbers, backend
        rawrsa.check_private_op(self._derive(b""))

    @classmethod
    def generate(cls, *, backend: Backend | OpenSSL = Backend.PYCRYPTODOME) -> Self:
        """A new key (§4.1). Safe primes are rare: this takes seconds, and a time that depends on the primes."""
        p, q = safe_prime(BITS // 2), safe_prime(BITS // 2)
        return cls(_private_key(p, q, _EXPONENT), backend=backend)

    @classmethod
    def decode_pkcs8(cls, encoded: Secret, *, backend: Backend | OpenSSL = Backend.PYCRYPTODOME) -> Self:
        """The key in an unencrypted PKCS #8 structure; raises as :meth:`privproc.blindrsa.PrivateKey.decode_pkcs8`."""
        return cls(rawrsa.load_private_key(encoded), backend=backend)

    def encode_pkcs8(self) -> Secret:
        """The key as PKCS #8 in DER, unencrypted, for the caller's own storage."""
        return rawrsa.encode_private_key(self._key)

    def _derive(self, info: bytes) -> _DerivedOp:
        return _DerivedOp(self._numbers, self.public_key.derive(info), self._backend)


class _DerivedOp(rawrsa.LocalOp):
    """DeriveKeyPair (§4.7): the private operation for one value of the metadata."""

    __slots__ = ("public_key",)

    def __init__(self, numbers: RSAPrivateNumbers, public_key: DerivedKey, backend: Backend | OpenSSL) -> None:
        self.public_key = public_key
        self._choose(_private_key(numbers.p, numbers.q, public_key.e), public_key, backend)


def _private_key(p: int, q: int, e: int) -> RSAPrivateKey:
    """The key with these primes and this exponent.

    Its inverse is found in variable time: of a number that everybody knows, modulo one that only the issuer does. It is
    the same work each time, so what its time tells doesn't add up (docs/threat-model.md).
    """
    d = pow(e, -1, (p - 1) * (q - 1))
    public = RSAPublicNumbers(e, p * q)
    numbers = RSAPrivateNumbers(p, q, d, d % (p - 1), d % (q - 1), pow(q, -1, p), public)
    return numbers.private_key(unsafe_skip_rsa_key_validation=True)


def _message(info: bytes, prepared: bytes) -> bytes:
    """``msg_prime`` (§4.2): metadata and message, told apart by the length between them."""
    return b"msg" + len(info).to_bytes(4, "big") + info + prepared


def blind(variant: Variant, key: PublicKey, info: bytes, prepared: bytes) -> tuple[bytes, PendingSignature]:
    """Blind (§4.2): the blinded message, 256 bytes for the issuer, and the step that awaits it.

    ``variant`` stands for its namesake among the RSAPBSSA variants (§6). Raises as :func:`privproc.blindrsa.blind`.
    """
    derived = key.derive(info)
    factor = blinding.in_use().factor(derived)
    return protocol._derand_blind(variant, derived, _message(info, prepared), os.urandom(variant.salt_size), factor)


def _derand_blind(
    variant: Variant, key: PublicKey, info: bytes, prepared: bytes, salt: bytes, factor: bytes
) -> tuple[bytes, PendingSignature]:
    """:func:`blind` with the given salt and blinding factor ``r``, 256 bytes."""
    return protocol._derand_blind(variant, key.derive(info), _message(info, prepared), salt, factor)


def blind_sign(key: PrivateKey, info: bytes, blinded: bytes) -> bytes:
    """BlindSign (§4.3): the blind signature, 256 bytes, for metadata that the issuer permits: that is for the caller.

    Raises as :func:`privproc.blindrsa.blind_sign`.
    """
    return protocol.blind_sign(key._derive(info), blinded)


def verify(variant: Variant, key: PublicKey, info: bytes, prepared: bytes, signature: bytes) -> None:
    """Verification (§4.5) of ``signature``, 256 bytes, over the metadata and the prepared message.

    Costs some 40 times what a verification with a short exponent does. Raises :class:`SignatureError` as
    :func:`privproc.blindrsa.verify` does.
    """
    protocol.verify(variant, key.derive(info), _message(info, prepared), signature)
