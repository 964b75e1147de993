"""``blindrsa``: a whole run of RFC 9474, every value recomputed, on every backend of the private operation."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateNumbers, RSAPublicNumbers

from privproc.blindrsa import Backend, OpenSSL, PrivateKey, PublicKey, Variant, blind_sign, emsa_pss, message_of, verify
from privproc.blindrsa.blinding import Blinding, ConstantTime, Masked
from privproc.blindrsa.protocol import _derand_blind
from privproc.errors import UsageError
from privproc.vectors.case import Case

OPENSSL: list[OpenSSL] = []
"""The system's libcrypto, if there is one."""

with contextlib.suppress(UsageError):
    OPENSSL.append(OpenSSL())

BACKENDS = [b for b in Backend if b is not Backend.GMPY2 or importlib.util.find_spec("gmpy2")] + OPENSSL

BLINDINGS: list[Blinding] = [ConstantTime()]
with contextlib.suppress(ImportError):
    BLINDINGS.append(Masked(importlib.import_module("gmpy2")))


def private_numbers(n: int, e: int, p: int, q: int, d: int) -> RSAPrivateNumbers:
    return RSAPrivateNumbers(p, q, d, d % (p - 1), d % (q - 1), pow(q, -1, p), RSAPublicNumbers(e, n))


def run(case: Case) -> None:
    assert case.expect is None
    variant = next(variant for variant in Variant if variant.label == case["variant"])
    n, e, p, q, d = (int(case[name], 16) for name in ("n", "e", "p", "q", "d"))
    key = PublicKey(n, e)
    message, prepared, salt = case.hex("msg"), case.hex("prepared_msg"), case.hex("salt")

    prefix = case.hex("msg_prefix")
    assert len(prefix) == (32 if variant.randomized else 0)
    assert prefix + message == prepared
    assert message_of(variant, prepared) == message

    assert len(salt) == variant.salt_size
    encoded = emsa_pss.encode(prepared, n.bit_length() - 1, salt)
    assert encoded == case.hex("encoded_msg")
    signature, inverse = case.hex("sig"), int(case["inv"], 16)
    assert pow(int.from_bytes(signature), e, n) == int.from_bytes(encoded)
    verify(variant, key, prepared, signature)

    blinded, blind_signature = case.hex("blinded_msg"), case.hex("blind_sig")
    factor = pow(inverse, -1, n)
    assert int.from_bytes(blinded) * pow(inverse, e, n) % n == int.from_bytes(encoded)
    assert int.from_bytes(blind_signature) * inverse % n == int.from_bytes(signature)

    for arithmetic in BLINDINGS:
        made = arithmetic.blind(key, encoded, factor.to_bytes(key.size))
        assert made == (blinded, inverse.to_bytes(key.size))
        assert arithmetic.unblind(key, blind_signature, made[1]) == signature

    private = private_numbers(n, e, p, q, d).private_key()
    for backend in BACKENDS:
        issuer = PrivateKey(private, backend=backend)
        assert issuer.public_key == key
        wire, pending = _derand_blind(variant, key, prepared, salt, factor.to_bytes(key.size))
        assert wire == blinded
        assert blind_sign(issuer, wire) == blind_signature
        assert pending.finish(blind_signature) == signature
