"""Tokens and blind signatures."""

from __future__ import annotations

import functools

from Crypto.Math.Numbers import Integer
from Crypto.PublicKey import RSA

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

    def public(self) -> Call:
        return Call(1, "IntegerNat.__pow__", "RFC 9474 RSAVP1, RSA-2048", lambda: pow(self.number, self.e, self.n))

    def multiply(self, times: int, why: str) -> Call:
        return Call(times, "IntegerNat.__mul__", f"{why}, and the reduction", lambda: self.number * self.other % self.n)


def blind() -> Floor:
    """RFC 9474 §4.2. is_coprime(m, n) and inverse_mod(r, n) are one inversion: of m * r."""
    key = _Rsa()
    draw = functools.partial(Integer.random_range, min_inclusive=1, max_exclusive=key.n)
    return Floor(
        random(1, 48, "RFC 8017 §9.1.1: salt"),
        hashes(1, "sha384", 98, "RFC 8017 §9.1.1: mHash"),
        hashes(1, "sha384", 104, "RFC 8017 §9.1.1: H"),
        hashes(5, "sha384", 52, "RFC 8017 §B.2.1: MGF1 of 207 bytes"),
        Call(1, "IntegerBase.random_range", "RFC 9474 §4.2: r", draw),
        Call(1, "IntegerNat.inverse", "RFC 9474 §4.2: inverse_mod", lambda: key.number.inverse(key.n)),
        key.public(),
        key.multiply(3, "RFC 9474 §4.2: m * r, its inverse * m, m * r^e"),
    )


def blind_sign() -> Floor:
    """RFC 9474 §4.3: RSASP1, and the check of its result."""
    key = _Rsa()
    return Floor(
        Call(1, "RsaKey._decrypt_to_bytes", "RFC 9474 §4.3: RSASP1, blinded", functools.partial(key.raw, key.number)),
        key.public(),
    )


def finish() -> Floor:
    return Floor(
        _Rsa().multiply(1, "RFC 9474 §4.4: unblind"), rsa_pss_verify(1, 2048, 98, "RFC 9474 §4.4: RSASSA-PSS-VERIFY")
    )
