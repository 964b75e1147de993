"""``blindrsa-fault``: one operation of blindrsa on given bytes, and whether or how it refuses."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass

from privproc.blindrsa import PublicKey, Variant, blind_sign, verify
from privproc.blindrsa.protocol import _derand_blind
from privproc.vectors.case import Case, raises


@dataclass
class Recorded:
    """A private operation that answers what the case says."""

    public_key: PublicKey
    result: bytes

    def apply(self, data: bytes) -> bytes:
        return self.result


# req: rfc9474/4.4 size-check
def run(case: Case) -> None:
    operation = OPERATIONS[case["operation"]]
    with raises(case.expect) if case.expect else nullcontext() as caught:
        operation(case)
    assert case.expect is None or type(caught.value) is case.expect


def _key(case: Case) -> PublicKey:
    return PublicKey(int(case["n"], 16), int(case["e"], 16))


def _verify(case: Case) -> None:
    verify(Variant[case["variant"]], _key(case), case.hex("prepared_msg"), case.hex("sig"))


def _blind(case: Case):
    variant, prepared = Variant[case["variant"]], case.hex("prepared_msg")
    return _derand_blind(variant, _key(case), prepared, case.hex("salt"), int(case["factor"], 16))


def _finish(case: Case) -> None:
    _, pending = _blind(case)
    pending.finish(case.hex("blind_sig"))


def _sign(case: Case) -> None:
    blind_sign(Recorded(_key(case), case.hex("result")), case.hex("blinded_msg"))


def _spki(case: Case) -> None:
    encoded = case.hex("spki")
    assert PublicKey.decode_spki(encoded).encode_spki() == encoded


OPERATIONS = {"verify": _verify, "blind": _blind, "finish": _finish, "sign": _sign, "spki": _spki}
