"""``blindrsa-partial-fault``: one operation of partially blind RSA on given bytes, and how it refuses."""

from __future__ import annotations

from contextlib import nullcontext
from unittest import mock

from privproc.blindrsa import Variant, blinding, partial
from privproc.vectors._kinds.blindrsa import BACKENDS, BLINDINGS, private_numbers
from privproc.vectors.case import Case, raises


def run(case: Case) -> None:
    operation = OPERATIONS[case["operation"]]
    for arithmetic in BLINDINGS:
        refused = raises(case.expect) if case.expect else nullcontext()
        with mock.patch.object(blinding, "in_use", lambda arithmetic=arithmetic: arithmetic), refused as caught:
            operation(case)
        assert case.expect is None or type(caught.value) is case.expect


def _key(case: Case) -> partial.PublicKey:
    return partial.PublicKey(int(case["n"], 16), int(case["e"], 16))


def _verify(case: Case) -> None:
    variant, key = Variant[case["variant"]], _key(case)
    partial.verify(variant, key, case.hex("info"), case.hex("prepared_msg"), case.hex("sig"))


def _blind(case: Case) -> None:
    variant, key, factor = Variant[case["variant"]], _key(case), int(case["factor"], 16).to_bytes(256, "big")
    partial._derand_blind(variant, key, case.hex("info"), case.hex("prepared_msg"), case.hex("salt"), factor)


def _spki(case: Case) -> None:
    encoded = case.hex("spki")
    assert partial.PublicKey.decode_spki(encoded).encode_spki() == encoded


def _private(case: Case) -> None:
    p, q, e = (int(case[name], 16) for name in ("p", "q", "e"))
    partial.PrivateKey(private_numbers(p * q, e, p, q, pow(e, -1, (p - 1) * (q - 1))).private_key())


def _sign(case: Case) -> None:
    p, q, e = (int(case[name], 16) for name in ("p", "q", "e"))
    made = private_numbers(p * q, e, p, q, pow(e, -1, (p - 1) * (q - 1))).private_key()
    for backend in BACKENDS:
        partial.blind_sign(partial.PrivateKey(made, backend=backend), case.hex("info"), case.hex("blinded_msg"))


OPERATIONS = {
    "verify": _verify,
    "blind": _blind,
    "public": _key,
    "spki": _spki,
    "private": _private,
    "sign": _sign,
}
