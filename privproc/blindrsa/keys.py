"""RSA public keys, and their encoding as the token key of RFC 9578."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Self, final

from Crypto.Math.Numbers import Integer
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey, RSAPublicNumbers
from cryptography.hazmat.primitives.serialization import load_der_public_key

from privproc.errors import DecodeError, UnsupportedError, UsageError

__all__ = ["MAX_BITS", "MIN_BITS", "DerivedKey", "PublicKey", "Verifying"]

MIN_BITS = 2048
MAX_BITS = 4096
_MAX_EXPONENT_BITS = 64  # OpenSSL verifies with no more when the modulus is over 3072 bits
_MAX_SPKI = 1024  # bytes; a key of 4096 bits and the largest exponent takes 604
_WHAT = "RSA public key"

# AlgorithmIdentifier { id-RSASSA-PSS, RSASSA-PSS-params { [0] SHA-384, [1] MGF1 with SHA-384, [2] 48 } }, the hashes'
# parameters and trailerField absent, as RFC 9578 §6.5 shows it. A key id is a hash over the whole encoding, so any
# other form of the same algorithm, such as one with NULL parameters, would be another key's id.
_ALGORITHM = bytes.fromhex(
    "303d06092a864886f70d01010a3030"
    "a00d300b0609608648016503040202"
    "a11a301806092a864886f70d010108300b0609608648016503040202"
    "a203020130"
)


@dataclass(frozen=True, slots=True)
class Verifying:
    """A modulus and an exponent, in the form of each library that works with them."""

    n: int
    e: int
    size: int = field(init=False, repr=False, compare=False)
    """Bytes of the modulus, and of every blinded message and signature under this key."""
    _bound: bytes = field(init=False, repr=False, compare=False)
    _n: Integer = field(init=False, repr=False, compare=False)
    _e: Integer = field(init=False, repr=False, compare=False)
    _openssl: RSAPublicKey = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if why := self._wrong():
            raise UsageError(f"{_WHAT}: {why}")
        size = -(-self.n.bit_length() // 8)
        object.__setattr__(self, "size", size)
        object.__setattr__(self, "_bound", self.n.to_bytes(size, "big"))
        # Kept in the libraries' own forms, since making these costs as much as using them.
        object.__setattr__(self, "_n", Integer(self.n, public=True))
        object.__setattr__(self, "_e", Integer(self.e, public=True))
        object.__setattr__(self, "_openssl", RSAPublicNumbers(self.e, self.n).public_key())

    def _wrong(self) -> str | None:
        return _malformed(self.n, self.e)

    def __reduce__(self) -> tuple[type[Self], tuple[int, int]]:
        return type(self), (self.n, self.e)

    def _in_range(self, data: bytes) -> bool:
        """Whether ``data`` is the one encoding of a number below the modulus."""
        return len(data) == self.size and data < self._bound

    def _power(self, data: bytes) -> bytes:
        """RSAVP1 (RFC 8017 §5.2.2) on ``size`` bytes."""
        return pow(Integer.from_bytes(data), self._e, self._n).to_bytes(self.size)


@final
@dataclass(frozen=True, slots=True)
class DerivedKey(Verifying):
    """The key for one value of public metadata (:mod:`privproc.blindrsa.partial`): an issuer's modulus under an
    exponent of half its length. It is derived, never sent: no token key is one.
    """


@final
@dataclass(frozen=True, slots=True)
class PublicKey(Verifying):
    """An RSA public key: odd modulus ``n`` of 2048 to 4096 bits, odd exponent ``e`` of 3 to ``2**64 - 1``.

    Whether ``n`` is a product of two large primes can't be seen. A dishonest one can tell something about a message
    that is easy to guess, from its blinding alone; the ``RANDOMIZED`` variants, or messages with entropy of their own,
    are the defence (RFC 9474 §7.3).

    Raises :class:`UsageError` for other numbers; a peer's key comes through :meth:`decode_spki`.
    """

    def _wrong(self) -> str | None:
        return _malformed(self.n, self.e) or _unsupported(self.n, self.e)

    @classmethod
    def decode_spki(cls, encoded: bytes) -> Self:
        """The key in a DER ``SubjectPublicKeyInfo`` in the form of RFC 9578 §6.5 and §8.2.2, and no other.

        ::

            SubjectPublicKeyInfo ::= SEQUENCE {
              algorithm         id-RSASSA-PSS with SHA-384, MGF1 with SHA-384, salt of 48 bytes (63 bytes, fixed)
              subjectPublicKey  BIT STRING of RSAPublicKey ::= SEQUENCE { modulus INTEGER, publicExponent INTEGER }
            }

        Raises :class:`DecodeError` for malformed DER and malformed numbers, :class:`UnsupportedError` for another
        algorithm, another encoding of this one, and sizes that :class:`PublicKey` doesn't take.
        """
        if len(encoded) > _MAX_SPKI:
            raise DecodeError(_WHAT, f"over {_MAX_SPKI} bytes")
        try:
            found = load_der_public_key(encoded)
        except UnsupportedAlgorithm:
            raise UnsupportedError(f"{_WHAT}: another algorithm") from None
        except ValueError:
            raise DecodeError(_WHAT, "not a SubjectPublicKeyInfo") from None
        if not isinstance(found, RSAPublicKey):
            raise UnsupportedError(f"{_WHAT}: another algorithm")
        numbers = found.public_numbers()
        if why := _malformed(numbers.n, numbers.e):
            raise DecodeError(_WHAT, why)
        if why := _unsupported(numbers.n, numbers.e):
            raise UnsupportedError(f"{_WHAT}: {why}")
        key = cls(numbers.n, numbers.e)
        # req: rfc9578/6.5 rsassa-pss-oid
        # req: rfc9578/6.5 salt-of-48-bytes
        # req: rfc9578/6.5 no-digest-parameters
        if key.encode_spki() != encoded:
            raise UnsupportedError(f"{_WHAT}: not RSASSA-PSS with SHA-384, MGF1-SHA384 and a salt of 48 bytes")
        return key

    def encode_spki(self) -> bytes:
        """The encoding that :meth:`decode_spki` takes: 342 bytes for 2048 bits and ``e = 65537``.

        Made by hand, since the libraries write the OID rsaEncryption, which RFC 9474 §6.2 forbids.
        """
        # req: rfc9474/6.2 rsassa-pss-oid
        numbers = _der(0x30, _der_integer(self.n) + _der_integer(self.e))
        return _der(0x30, _ALGORITHM + _der(0x03, b"\0" + numbers))


def _malformed(n: int, e: int) -> str | None:
    if n < 3 or not n & 1:
        return "modulus even or too small"
    if e < 3 or not e & 1:
        return "exponent even or under 3"
    return None


def _unsupported(n: int, e: int) -> str | None:
    if not MIN_BITS <= n.bit_length() <= MAX_BITS:
        return f"modulus of {n.bit_length()} bits"
    if e.bit_length() > _MAX_EXPONENT_BITS:
        return f"exponent of {e.bit_length()} bits"
    return None


def _der(tag: int, content: bytes) -> bytes:
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    width = -(-size.bit_length() // 8)
    return bytes((tag, 0x80 | width)) + size.to_bytes(width, "big") + content


def _der_integer(value: int) -> bytes:
    return _der(0x02, value.to_bytes(value.bit_length() // 8 + 1, "big"))
