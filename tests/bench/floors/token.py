"""Tokens and blind signatures."""

from __future__ import annotations

import ctypes
import functools

import gmpy2
from Crypto.Math.Numbers import Integer
from Crypto.PublicKey import RSA
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.bench.floors.primitives import Call, Floor, hashes, random, rsa_key, rsa_pss_verify


def redemption() -> Floor:
    return Floor(rsa_pss_verify(1, 2048, 98, "RFC 9578 §6.4"))


class _Rsa:
    """pycryptodome's integers of a key of 2048 bits: n, e, d, a number below n, and the raw private operation."""

    def __init__(self) -> None:
        private = rsa_key(2048).private_numbers()
        numbers = private.public_numbers
        self.n, self.e = Integer(numbers.n, public=True), Integer(numbers.e, public=True)
        key = RSA.construct((numbers.n, numbers.e, private.d, private.p, private.q), consistency_check=False)
        self.raw = key._decrypt_to_bytes
        self.number = Integer.random_range(min_inclusive=1, max_exclusive=self.n)
        self.other = Integer.random_range(min_inclusive=1, max_exclusive=self.n)

    def private(self) -> Call:
        operate = functools.partial(self.raw, self.number)
        return Call(1, "RsaKey._decrypt_to_bytes", "RFC 9474 §4.3: RSASP1, blinded", operate)

    def public(self) -> Call:
        return Call(1, "IntegerNat.__pow__", "RFC 9474 RSAVP1, RSA-2048", lambda: pow(self.number, self.e, self.n))

    def multiply(self, times: int, why: str) -> Call:
        return Call(times, "IntegerNat.__mul__", f"{why}, and the reduction", lambda: self.number * self.other % self.n)


def _encoding() -> tuple[Call, ...]:
    return (
        random(1, 48, "RFC 8017 §9.1.1: salt"),
        hashes(1, "sha384", 98, "RFC 8017 §9.1.1: mHash"),
        hashes(1, "sha384", 104, "RFC 8017 §9.1.1: H"),
        hashes(5, "sha384", 52, "RFC 8017 §B.2.1: MGF1 of 207 bytes"),
    )


def blind() -> Floor:
    """RFC 9474 §4.2, by gmpy2. is_coprime(m, n) and inverse_mod(r, n) are one inversion: of m * r."""
    numbers = rsa_key(2048).public_key().public_numbers()
    n, number = gmpy2.mpz(numbers.n), gmpy2.mpz(int.from_bytes(bytes(1) + b"\x5a" * 255, "big"))
    return Floor(
        *_encoding(),
        random(1, 256, "RFC 9474 §4.2: r"),
        Call(1, "invert", "RFC 9474 §4.2: inverse_mod", lambda: gmpy2.invert(number, n)),
        Call(1, "powmod", "RFC 9474 §4.2: r^e", lambda: gmpy2.powmod(number, numbers.e, n)),
    )


def blind_sign() -> Floor:
    """RFC 9474 §4.3: RSASP1, and the check of its result."""
    key = _Rsa()
    return Floor(key.private(), key.public())


def raw_sign() -> Floor:
    """RSASP1 alone, by pycryptodome."""
    return Floor(_Rsa().private())


def raw_sign_gmpy2() -> Floor:
    """RSASP1 alone, by gmpy2: CRT, the exponentiations in constant time."""
    numbers = rsa_key(2048).private_numbers()
    p, q, u, dp, dq = map(gmpy2.mpz, (numbers.p, numbers.q, numbers.iqmp, numbers.dmp1, numbers.dmq1))
    base = gmpy2.mpz(int.from_bytes(bytes(1) + b"\x5a" * 255, "big"))

    def operate() -> object:
        by_p, by_q = gmpy2.powmod_sec(base % p, dp, p), gmpy2.powmod_sec(base % q, dq, q)
        return by_q + q * ((by_p - by_q) * u % p)

    return Floor(Call(1, "CRT", "RFC 9474 §4.3: RSASP1, joined", operate, ((2, "powmod_sec"),)))


def raw_sign_openssl() -> Floor:
    """RSASP1 alone, by the system's libcrypto, with a context that is set up already."""
    private = rsa_key(2048).private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    lib, data = ctypes.CDLL("libcrypto.so.3"), bytes(1) + b"\x5a" * 255
    pointer = ctypes.c_void_p
    lib.d2i_AutoPrivateKey.restype = lib.EVP_PKEY_CTX_new.restype = pointer
    lib.EVP_PKEY_CTX_new.argtypes = pointer, pointer
    key = lib.d2i_AutoPrivateKey(None, ctypes.byref(ctypes.c_char_p(private)), ctypes.c_long(len(private)))
    context = pointer(lib.EVP_PKEY_CTX_new(key, None))
    lib.EVP_PKEY_decrypt_init(context)
    lib.EVP_PKEY_CTX_set_rsa_padding(context, 3)
    out, size = ctypes.create_string_buffer(256), ctypes.byref(ctypes.c_size_t(256))

    def operate() -> object:
        return lib.EVP_PKEY_decrypt(context, out, size, data, ctypes.c_size_t(256))

    if operate() != 1:
        raise RuntimeError("libcrypto refused the operation")
    return Floor(Call(1, "EVP_PKEY_decrypt", "RFC 9474 §4.3: RSASP1, no padding", operate, seen=False))


def verify() -> Floor:
    return Floor(rsa_pss_verify(1, 2048, 98, "RFC 9474 §4.5"))


def finish() -> Floor:
    return Floor(rsa_pss_verify(1, 2048, 98, "RFC 9474 §4.4: RSASSA-PSS-VERIFY"))
