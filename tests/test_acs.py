"""ACS: against an implementation of the original on libsodium's own functions, and everything that must not pass."""

from __future__ import annotations

import copy
import ctypes
import hashlib
import os
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from privproc.errors import DecodeError, PolicyError, ReplayError, SignatureError, SpentError, UsageError
from privproc.secret import Secret
from privproc.tokens import MemoryStore, acs
from privproc.voprf.sodium import SONAMES

ORDER = 2**252 + 27742317777372353535851937790883648493


def _sodium() -> ctypes.CDLL:
    for name in SONAMES:
        try:
            return ctypes.CDLL(name)
        except OSError:
            continue
    pytest.skip("the comparison takes libsodium")


class Original:
    """facebookresearch/acs as its sources describe it, on libsodium through ctypes and nothing of this library.

    ``curve_ristretto``, ``kdf_sdhi``, ``voprf_mul_twohashdh`` (blinding by addition) and ``dleqproof``.
    """

    def __init__(self) -> None:
        self.lib = _sodium()

    def call(self, name: str, *arguments: bytes) -> bytes:
        out = ctypes.create_string_buffer(32)
        done = getattr(self.lib, name)(out, *arguments)
        assert done == 0 or "255_scalar_" in name  # most functions of scalars give nothing
        return out.raw

    def scalar(self, *parts: bytes) -> bytes:
        return self.call("crypto_core_ristretto255_scalar_reduce", hashlib.sha512(b"".join(parts)).digest())

    def point(self, data: bytes) -> bytes:
        return self.call("crypto_core_ristretto255_from_hash", hashlib.sha512(data).digest())

    def base(self, k: bytes) -> bytes:
        return self.call("crypto_scalarmult_ristretto255_base", k)

    def mult(self, k: bytes, p: bytes) -> bytes:
        return self.call("crypto_scalarmult_ristretto255", k, p)

    def add(self, p: bytes, q: bytes) -> bytes:
        return self.call("crypto_core_ristretto255_add", p, q)

    def prove(self, base1: bytes, base2: bytes, element1: bytes, element2: bytes, k: bytes, r: bytes) -> bytes:
        c = self.scalar(base1, element1, base2, element2, self.mult(r, base1), self.mult(r, base2))
        product = self.call("crypto_core_ristretto255_scalar_mul", c, k)
        return c + self.call("crypto_core_ristretto255_scalar_sub", r, product)

    def verify(self, base1: bytes, base2: bytes, element1: bytes, element2: bytes, proof: bytes) -> bool:
        c, s = proof[:32], proof[32:]
        first = self.add(self.mult(s, base1), self.mult(c, element1))
        second = self.add(self.mult(s, base2), self.mult(c, element2))
        return self.scalar(base1, element1, base2, element2, first, second) == c

    def derive(self, psk: bytes, *attributes: bytes) -> tuple[bytes, bytes, bytes]:
        total = self.call("crypto_core_ristretto255_scalar_add", psk, self.scalar(*attributes))
        sk = self.call("crypto_core_ristretto255_scalar_invert", total)
        return total, sk, self.base(sk)


ONE = b"\1" + bytes(31)
VALUES = (b"use_case:pp", b"2026-11-28")
ATTRIBUTES = acs.Attributes(VALUES)
ORIGINAL = acs.AmbiguousAttributes(VALUES)
PRIMARY = acs.PrimaryKey.generate()
ISSUER = acs.Issuer(PRIMARY, {ATTRIBUTES, ORIGINAL})
BOTH = pytest.mark.parametrize("attributes", [ATTRIBUTES, ORIGINAL])


def key_for(attributes: acs.AttributeList = ATTRIBUTES) -> acs.AttributeKey:
    return acs.verify_key(PRIMARY.public_key, attributes, ISSUER.attribute_key(attributes))


def credential_for(attributes: acs.AttributeList = ATTRIBUTES) -> acs.Credential:
    blinded, pending = acs.request(key_for(attributes))
    return pending.finish(ISSUER.evaluate(attributes, blinded))


@BOTH
def test_round_trip(attributes: acs.AttributeList) -> None:
    credential = credential_for(attributes)
    spent = ISSUER.redeem(credential.token, attributes, credential.secret.expose(), expires=100)
    store = MemoryStore(capacity=2)
    store.reserve(spent, at=5, lease=60)
    with pytest.raises(ReplayError):
        store.reserve(spent, at=6, lease=60)
    assert credential.attributes == attributes
    assert credential_for(attributes).token != credential.token


@pytest.mark.slow
@given(st.lists(st.binary(max_size=20), max_size=4))
def test_the_original_agrees(values: list[bytes]) -> None:
    theirs, attributes = Original(), acs.AmbiguousAttributes(tuple(values))
    psk = PRIMARY.to_secret().expose()
    issuer = acs.Issuer(PRIMARY, {attributes})
    total, sk, pk = theirs.derive(psk, *values)
    g = theirs.base(ONE)
    answer = issuer.attribute_key(attributes)
    assert answer[:32] == pk
    assert theirs.verify(g, pk, theirs.base(total), g, answer[32:])
    key = acs.verify_key(theirs.base(psk), attributes, pk + theirs.prove(g, pk, theirs.base(total), g, total, psk))

    # Their client, by addition, with this service.
    token, r = os.urandom(32), theirs.scalar(os.urandom(64))
    blinded = theirs.add(theirs.point(token), theirs.base(r))
    evaluated, proof = (answer := issuer.evaluate(attributes, blinded))[:32], answer[32:]
    assert evaluated == theirs.mult(sk, blinded)
    assert theirs.verify(g, blinded, pk, evaluated, proof)
    element = theirs.call("crypto_core_ristretto255_sub", evaluated, theirs.mult(r, pk))
    secret = hashlib.sha512(token + element).digest()
    assert issuer.redeem(token, attributes, secret, expires=1).nonce == token

    # This client with their service.
    blinded, pending = acs.request(key)
    evaluated = theirs.mult(sk, blinded)
    credential = pending.finish(evaluated + theirs.prove(g, blinded, pk, evaluated, sk, theirs.scalar(b"nonce")))
    expected = hashlib.sha512(credential.token + theirs.mult(sk, theirs.point(credential.token))).digest()
    assert credential.secret.expose() == expected


def test_the_ambiguity_of_the_original() -> None:
    """Reproduced under its name, and gone from the profile."""
    other = (b"use_case:pp2", b"026-11-28")
    ambiguous = acs.Issuer(PRIMARY, {ORIGINAL, acs.AmbiguousAttributes(other)})
    assert ambiguous.attribute_key(ORIGINAL)[:32] == ambiguous.attribute_key(acs.AmbiguousAttributes(other))[:32]
    issuer = acs.Issuer(PRIMARY, {ATTRIBUTES, acs.Attributes(other)})
    assert issuer.attribute_key(ATTRIBUTES)[:32] != issuer.attribute_key(acs.Attributes(other))[:32]
    credential = credential_for()
    with pytest.raises(SignatureError):
        issuer.redeem(credential.token, acs.Attributes(other), credential.secret.expose(), expires=1)


@given(st.lists(st.binary(max_size=4), max_size=4), st.lists(st.binary(max_size=4), max_size=4))
def test_attributes_are_injective(one: list[bytes], other: list[bytes]) -> None:
    first, second = (acs.Attributes(tuple(values)).encode() for values in (one, other))
    assert (first == second) == (one == other)
    assert first != acs.AmbiguousAttributes(tuple(one)).encode()


def test_proofs_are_needed() -> None:
    answer = ISSUER.attribute_key(ATTRIBUTES)
    for place in (32, 64):
        with pytest.raises((SignatureError, DecodeError)):
            changed = answer[:place] + bytes((answer[place] ^ 1,)) + answer[place + 1 :]
            acs.verify_key(PRIMARY.public_key, ATTRIBUTES, changed)
    with pytest.raises(SignatureError):
        acs.verify_key(acs.PrimaryKey.generate().public_key, ATTRIBUTES, answer)
    with pytest.raises(SignatureError):
        acs.verify_key(PRIMARY.public_key, ORIGINAL, answer)
    blinded, pending = acs.request(key_for())
    with pytest.raises(SignatureError):
        pending.finish(ISSUER.evaluate(ORIGINAL, blinded))
    with pytest.raises(SpentError):
        pending.finish(ISSUER.evaluate(ATTRIBUTES, blinded))
    _, pending = acs.request(key_for())
    with pytest.raises(SignatureError):
        pending.finish(ISSUER.evaluate(ATTRIBUTES, acs.request(key_for())[0]))


@pytest.mark.parametrize("answer", [b"", bytes(95), bytes(97), bytes(96), b"\xff" * 96])
def test_malformed_answers(answer: bytes) -> None:
    with pytest.raises(DecodeError):
        acs.verify_key(PRIMARY.public_key, ATTRIBUTES, answer)
    _, pending = acs.request(key_for())
    with pytest.raises(DecodeError):
        pending.finish(answer)


def test_sums_that_are_the_identity() -> None:
    """s * G + c * (-s/c) * G: no proof of anything."""
    c, s = (5).to_bytes(32, "little"), (7).to_bytes(32, "little")
    k = -7 * pow(5, -1, ORDER) % ORDER
    negative = acs._GROUP.encode(acs._GROUP.multiply_base(k.to_bytes(32, "little")))
    _, pending = acs.request(acs.AttributeKey._earn(attributes=ATTRIBUTES, encoded=negative))
    with pytest.raises(SignatureError):
        pending.finish(negative + c + s)


def test_the_issuer_refuses() -> None:
    other = acs.Attributes((b"other",))
    blinded, _ = acs.request(key_for())
    for ask in (
        lambda: ISSUER.attribute_key(other),
        lambda: ISSUER.evaluate(other, blinded),
        lambda: ISSUER.redeem(bytes(32), other, bytes(64), expires=1),
    ):
        with pytest.raises(PolicyError):
            ask()
    for malformed in (b"", bytes(32), bytes(31), blinded + b"\0", b"\xff" * 32):
        with pytest.raises(DecodeError):
            ISSUER.evaluate(ATTRIBUTES, malformed)
    credential = credential_for()
    for secret in (b"", bytes(64), credential.secret.expose()[:-1]):
        with pytest.raises(SignatureError):
            ISSUER.redeem(credential.token, ATTRIBUTES, secret, expires=1)
    with pytest.raises(DecodeError):
        ISSUER.redeem(credential.token + b"\0", ATTRIBUTES, credential.secret.expose(), expires=1)
    with pytest.raises(UsageError):
        acs.Issuer(PRIMARY, ())


def test_primary_keys() -> None:
    again = acs.PrimaryKey(PRIMARY.to_secret())
    assert again.public_key == PRIMARY.public_key
    for scalar in (bytes(32), ORDER.to_bytes(32, "little"), bytes(31)):
        with pytest.raises(DecodeError):
            acs.PrimaryKey(Secret(scalar))
    for copying in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(UsageError):
            copying(PRIMARY)
    hashed = int.from_bytes(acs._scalar(ATTRIBUTES.encode()), "little")
    without = acs.PrimaryKey(Secret((ORDER - hashed).to_bytes(32, "little")))
    with pytest.raises(UsageError, match="no key"):
        acs.Issuer(without, {ATTRIBUTES}).attribute_key(ATTRIBUTES)


def test_reprs_are_opaque() -> None:
    credential = credential_for()
    shown = repr((credential, acs.request(key_for())[1], PRIMARY, ISSUER))
    for secret in (credential.token, credential.secret.expose(), PRIMARY.to_secret().expose()):
        assert secret.hex() not in shown
        assert repr(secret) not in shown
    with pytest.raises(UsageError):
        acs.AttributeKey(ATTRIBUTES, bytes(32))
