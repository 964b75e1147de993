"""Partially blind RSA: properties, refusals, and a verifier that nobody here wrote. The key is the draft's."""

from __future__ import annotations

import copy
import json
import pickle
from pathlib import Path

import pytest
from Crypto.Hash import SHA384
from Crypto.PublicKey import RSA
from Crypto.Signature import pss
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from hypothesis import given
from hypothesis import strategies as st

from privproc.blindrsa import PublicKey as BlindPublicKey
from privproc.blindrsa import Variant, partial, prepare, safeprimes
from privproc.blindrsa.safeprimes import is_safe_prime, safe_prime
from privproc.errors import DecodeError, SignatureError, SpentError, UnsupportedError, UsageError
from privproc.secret import Secret
from privproc.vectors._kinds.blindrsa import BACKENDS, private_numbers

CASE = json.loads((Path(__file__).parents[1] / "vectors/partially_blind_rsa_01.json").read_text())["cases"][0]
P, Q, N, D = (int(CASE[name], 16) for name in "pqnd")
MADE = private_numbers(N, 65537, P, Q, D).private_key()
ISSUER = partial.PrivateKey(MADE)
KEY = ISSUER.public_key
SALTED = Variant.SHA384_PSS_DETERMINISTIC


def issue(variant: Variant, info: bytes, prepared: bytes, issuer: partial.PrivateKey = ISSUER) -> bytes:
    blinded, pending = partial.blind(variant, issuer.public_key, info, prepared)
    return pending.finish(partial.blind_sign(issuer, info, blinded))


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("variant", Variant)
def test_round_trip(variant: Variant, backend) -> None:
    prepared = prepare(variant, b"message")
    signature = issue(variant, b"metadata", prepared, partial.PrivateKey(MADE, backend=backend))
    partial.verify(variant, KEY, b"metadata", prepared, signature)
    for info, other in ((b"metadatA", prepared), (b"metadata", prepared + b"!"), (b"", prepared)):
        with pytest.raises(SignatureError):
            partial.verify(variant, KEY, info, other, signature)


@given(info=st.binary(max_size=100), message=st.binary(max_size=100))
def test_another_library_verifies(info: bytes, message: bytes) -> None:
    signature = issue(SALTED, info, message)
    derived = KEY.derive(info)
    theirs = pss.new(RSA.construct((derived.n, derived.e), consistency_check=False))
    theirs.verify(SHA384.new(b"msg" + len(info).to_bytes(4, "big") + info + message), signature)


@given(st.binary(max_size=100))
def test_exponents(info: bytes) -> None:
    derived = KEY.derive(info)
    assert derived.e & 1
    assert derived.e.bit_length() <= 1022
    assert derived == KEY.derive(info)
    assert derived.e != KEY.derive(info + b"\0").e


def test_an_answer_for_other_metadata_is_refused() -> None:
    blinded, pending = partial.blind(SALTED, KEY, b"a", b"message")
    with pytest.raises(SignatureError):
        pending.finish(partial.blind_sign(ISSUER, b"b", blinded))
    with pytest.raises(SpentError):
        pending.finish(bytes(256))


def test_a_faulty_operation_is_not_released(monkeypatch: pytest.MonkeyPatch) -> None:
    blinded, _ = partial.blind(SALTED, KEY, b"a", b"message")
    monkeypatch.setattr(partial._DerivedOp, "apply", lambda self, data: data)
    with pytest.raises(UsageError, match="wrong result"):
        partial.blind_sign(ISSUER, b"a", blinded)


@pytest.mark.parametrize("blinded", [b"", bytes(255), N.to_bytes(256, "big"), bytes(257)])
def test_blinded_messages_out_of_range(blinded: bytes) -> None:
    with pytest.raises(DecodeError):
        partial.blind_sign(ISSUER, b"", blinded)


def test_public_keys() -> None:
    assert partial.PublicKey.decode_spki(KEY.encode_spki()) == KEY
    assert KEY.encode_spki() == BlindPublicKey(N, 65537).encode_spki()
    for n, e in ((N - 1, 65537), (N >> 1 | 1, 65537), (N * 4 + 1, 65537), (N, 2), (N, 1)):
        with pytest.raises(UsageError):
            partial.PublicKey(n, e)
    with pytest.raises(UnsupportedError):
        partial.PublicKey.decode_spki(BlindPublicKey(N << 8 | 1, 65537).encode_spki())
    derived = KEY.derive(b"")
    assert pickle.loads(pickle.dumps(derived)) == derived  # noqa: S301


def test_private_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    again = partial.PrivateKey.decode_pkcs8(ISSUER.encode_pkcs8())
    assert again.public_key == KEY
    assert str(D) not in repr(ISSUER)
    for copying in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(UsageError):
            copying(ISSUER)
    with pytest.raises(UsageError, match="safe primes"):
        partial.PrivateKey(generate_private_key(65537, 2048))
    with pytest.raises(UsageError, match="3072 bits"):
        partial.PrivateKey(generate_private_key(65537, 3072))
    with pytest.raises(DecodeError):
        partial.PrivateKey.decode_pkcs8(Secret(b"not a key"))
    primes = iter((P, Q))
    monkeypatch.setattr(partial, "safe_prime", lambda bits: next(primes))
    made = partial.PrivateKey.generate()
    partial.verify(SALTED, made.public_key, b"info", b"message", issue(SALTED, b"info", b"message", made))


@pytest.mark.parametrize(("bits", "window"), [(60, 64), (200, 1 << 16), (256, 1 << 16)])
def test_safe_primes(bits: int, window: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(safeprimes, "_WINDOW", window)  # most of the small ones hold none: another is drawn
    found = {safe_prime(bits) for _ in range(3)}
    assert len(found) == 3
    for prime in found:
        assert prime >> bits - 2 == 3
        assert is_safe_prime(prime)


@pytest.mark.parametrize("number", [13, 15, 2**521 - 1, P * Q, P - 2, 2 * P + 1])
def test_not_safe_primes(number: int) -> None:
    assert not is_safe_prime(number)
