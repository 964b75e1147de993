"""The issuer's half of RSA: the raw private operation, behind one interface, by any of several libraries.

``cryptography`` has no such operation in its interface. What is here: pycryptodome's (the default: constant-time
arithmetic in C, blinded), gmpy2's (constant-time exponentiation, blinded base; the reductions around it are not
constant time), and a libcrypto's (:mod:`privproc.blindrsa.openssl`: the fastest). An HSM or a key service fits
:class:`RawRsaPrivateOp` directly (PKCS #11: ``CKM_RSA_X_509``).
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from enum import Enum
from typing import Any, Protocol, Self, final

import Crypto
from Crypto.Math.Numbers import Integer
from Crypto.PublicKey import RSA
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPrivateNumbers, generate_private_key

from privproc._step import Unique
from privproc.blindrsa.keys import MAX_BITS, MIN_BITS, PublicKey, Verifying, _unsupported
from privproc.blindrsa.openssl import OpenSSL, RawKey
from privproc.errors import DecodeError, UnsupportedError, UsageError
from privproc.secret import Secret

__all__ = [
    "Backend",
    "LocalOp",
    "PrivateKey",
    "RawOp",
    "RawRsaPrivateOp",
    "check_private_op",
    "encode_private_key",
    "load_private_key",
]

_EXPONENT = 65537
_WHAT = "RSA private key"
_PEM = b"-----BEGIN"


class RawOp(Protocol):
    """RSASP1 (RFC 8017 §5.2.1) with one modulus and one exponent, wherever they may be."""

    @property
    def public_key(self) -> Verifying:
        """The public half."""
        ...

    def apply(self, data: bytes) -> bytes:
        """``data ** d mod n``: ``public_key.size`` bytes, a number below the modulus, to as many bytes.

        Must not leak the key through timing. :func:`privproc.blindrsa.blind_sign` checks ``data`` before and the
        result after; what this raises passes through.
        """
        ...


class RawRsaPrivateOp(RawOp, Protocol):
    """A :class:`RawOp` with a key of its own: what an issuer of blind RSA has, here, in an HSM or in a key service."""

    @property
    def public_key(self) -> PublicKey:
        """The public half."""
        ...


class Backend(Enum):
    """The library that does a :class:`PrivateKey`'s arithmetic; :class:`OpenSSL` is a third."""

    PYCRYPTODOME = "pycryptodome"
    """At least version 4.3, whose big integers are constant time; GMP in 3.x is not."""
    GMPY2 = "gmpy2"
    """From the extra ``fast``. No faster, and not constant time from end to end: for when the other can't be had."""


def check_private_op(op: RawOp) -> None:
    """A known answer through ``op``: raises :class:`UsageError` unless it undoes the public operation.

    :class:`PrivateKey` does this once, when it is made; call it when an operation of your own starts.
    """
    key = op.public_key
    answer = b"\x00" + b"\x5a" * (key.size - 1)
    if op.apply(key._power(answer)) != answer:
        raise UsageError("RSA private operation: known answer differs")


def load_private_key(encoded: Secret) -> RSAPrivateKey:
    """The RSA key in an unencrypted PKCS #8 or PKCS #1 structure, PEM or DER, its numbers checked.

    Raises :class:`DecodeError`, :class:`UnsupportedError` for another algorithm.
    """
    data = encoded.expose()
    load = serialization.load_pem_private_key if data.startswith(_PEM) else serialization.load_der_private_key
    try:
        found = load(data, password=None)
    except UnsupportedAlgorithm:
        raise UnsupportedError(f"{_WHAT}: another algorithm") from None
    except (ValueError, TypeError):  # TypeError: it is encrypted
        raise DecodeError(_WHAT, "malformed, inconsistent or encrypted") from None
    if not isinstance(found, RSAPrivateKey):
        raise UnsupportedError(f"{_WHAT}: another algorithm")
    return found


def encode_private_key(key: RSAPrivateKey) -> Secret:
    """The key as PKCS #8 in DER, unencrypted."""
    return Secret(
        key.private_bytes(serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )


class LocalOp(Unique):
    """A key in this process, over the backend that was chosen for it."""

    __slots__ = ("_raw",)

    def _choose(self, key: RSAPrivateKey, public_key: Verifying, backend: Backend | OpenSSL) -> None:
        """The raw operations of the key: the one place where a backend is picked."""
        if isinstance(backend, OpenSSL):
            self._raw: _Raw = RawKey(backend, encode_private_key(key), public_key.size)
        elif backend is Backend.GMPY2:
            self._raw = _Gmpy2(key.private_numbers())
        else:
            # req: rfc9474/7.1 constant-time
            self._raw = _Pycryptodome(key.private_numbers(), public_key)

    def apply(self, data: bytes) -> bytes:
        """RSASP1, unchecked: use :func:`privproc.blindrsa.blind_sign`."""
        return self._raw.private(data)

    def _power(self, data: bytes) -> bytes:
        """RSAVP1 by the backend: checking a signature there costs less than handing it to another library."""
        return self._raw.public(data)


@final
class PrivateKey(LocalOp):
    """An RSA private key in this process: a :class:`RawRsaPrivateOp` over the chosen :class:`Backend`.

    Opaque; can't be copied or pickled. A key signs blindly whatever it is given, so it must serve one variant of one
    protocol and nothing else (RFC 9474 §6.2, §7.2).

    ``key`` is ``cryptography``'s, 2048 to 4096 bits. Raises :class:`UsageError` for another size or exponent, and when
    the backend isn't there, isn't constant time where it should be, or gives a wrong answer.
    """

    __slots__ = ("_key", "public_key")

    public_key: PublicKey
    """The public half."""

    def __init__(self, key: RSAPrivateKey, *, backend: Backend | OpenSSL = Backend.PYCRYPTODOME) -> None:
        numbers = key.public_key().public_numbers()
        self.public_key = PublicKey(numbers.n, numbers.e)
        self._key = key
        self._choose(key, self.public_key, backend)
        check_private_op(self)

    @classmethod
    def generate(cls, bits: int = 2048, *, backend: Backend | OpenSSL = Backend.PYCRYPTODOME) -> Self:
        """A new key of 2048 to 4096 bits with ``e = 65537``, made by OpenSSL (RFC 9474 §6.2: as in FIPS 186).

        RFC 9578's token type 0x0002 has 2048 bits. Raises :class:`UsageError` for another size, or one that isn't a
        multiple of 8: OpenSSL gives 2048 bits when asked for 2049.
        """
        if not MIN_BITS <= bits <= MAX_BITS or bits % 8:
            raise UsageError(f"{_WHAT}: {bits} bits")
        return cls(generate_private_key(public_exponent=_EXPONENT, key_size=bits), backend=backend)

    @classmethod
    def decode_pkcs8(cls, encoded: Secret, *, backend: Backend | OpenSSL = Backend.PYCRYPTODOME) -> Self:
        """The key in an unencrypted PKCS #8 structure (RFC 5958), PEM or DER; its numbers are checked.

        PKCS #1's own structure is taken too. Raises :class:`DecodeError` for malformed bytes or numbers and encrypted
        files, :class:`UnsupportedError` for other algorithms and sizes, :class:`UsageError` as the class does.
        """
        found = load_private_key(encoded)
        public = found.public_key().public_numbers()
        if why := _unsupported(public.n, public.e):
            raise UnsupportedError(f"{_WHAT}: {why}")
        return cls(found, backend=backend)

    def encode_pkcs8(self) -> Secret:
        """The key as PKCS #8 in DER, unencrypted, for the caller's own storage."""
        return encode_private_key(self._key)

    def __repr__(self) -> str:
        return f"<PrivateKey {self.public_key.n.bit_length()} bits>"


class _Raw(Protocol):
    """Both raw operations of one key, ``size`` bytes below the modulus to as many."""

    def private(self, data: bytes) -> bytes: ...

    def public(self, data: bytes) -> bytes: ...


class _Pycryptodome:
    """CRT with a blinded base in constant-time C, through a method that isn't part of pycryptodome's interface."""

    def __init__(self, numbers: RSAPrivateNumbers, public_key: Verifying) -> None:
        # 3.x has the method as well, over variable-time GMP, and 4.x falls back to Python without its C library.
        if Crypto.version_info[:2] < (4, 3) or not Integer.__module__.endswith("._IntegerNat"):
            raise UsageError("pycryptodome has no constant-time integers here")
        public = numbers.public_numbers
        key = RSA.construct((public.n, public.e, numbers.d, numbers.p, numbers.q), consistency_check=False)
        raw = getattr(key, "_decrypt_to_bytes", None)
        if raw is None:
            raise UsageError("this version of pycryptodome has no raw RSA operation")
        self._raw: Callable[[Integer], bytes] = raw
        self.public = public_key._power

    def private(self, data: bytes) -> bytes:
        return self._raw(Integer.from_bytes(data))


class _Gmpy2:
    """CRT over ``mpz_powm_sec``; the base is blinded afresh each time, so no reduction sees the peer's number."""

    def __init__(self, numbers: RSAPrivateNumbers) -> None:
        try:
            gmp: Any = importlib.import_module("gmpy2")
        except ImportError:
            raise UsageError("gmpy2 is not installed (extra: fast)") from None
        public = numbers.public_numbers
        self._gmp = gmp
        self._size = -(-public.n.bit_length() // 8)
        self._n, self._e, self._p, self._q = map(gmp.mpz, (public.n, public.e, numbers.p, numbers.q))
        self._dp, self._dq, self._u = map(gmp.mpz, (numbers.dmp1, numbers.dmq1, numbers.iqmp))

    def public(self, data: bytes) -> bytes:
        return int(self._gmp.powmod(int.from_bytes(data, "big"), self._e, self._n)).to_bytes(self._size, "big")

    def private(self, data: bytes) -> bytes:
        gmp, n = self._gmp, self._n
        mask = gmp.mpz(int(Integer.random_range(min_inclusive=1, max_exclusive=int(n))))
        base = int.from_bytes(data, "big") * gmp.powmod(mask, self._e, n) % n
        by_p = gmp.powmod_sec(base % self._p, self._dp, self._p)
        by_q = gmp.powmod_sec(base % self._q, self._dq, self._q)
        joined = by_q + self._q * ((by_p - by_q) * self._u % self._p)
        return int(joined * gmp.invert(mask, n) % n).to_bytes(self._size, "big")
