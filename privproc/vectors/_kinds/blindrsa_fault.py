"""``blindrsa-fault``: one operation of blindrsa on given bytes, and whether or how it refuses."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from unittest import mock

from privproc.blindrsa import PrivateKey, PublicKey, Variant, blind_sign, blinding, verify
from privproc.blindrsa.protocol import _derand_blind
from privproc.vectors._kinds.blindrsa import BACKENDS, BLINDINGS, private_numbers
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
    for arithmetic in BLINDINGS:
        refused = raises(case.expect) if case.expect else nullcontext()
        with mock.patch.object(blinding, "in_use", lambda arithmetic=arithmetic: arithmetic), refused as caught:
            operation(case)
        assert case.expect is None or type(caught.value) is case.expect


def _key(case: Case) -> PublicKey:
    return PublicKey(int(case["n"], 16), int(case["e"], 16))


def _verify(case: Case) -> None:
    verify(Variant[case["variant"]], _key(case), case.hex("prepared_msg"), case.hex("sig"))


def _blind(case: Case):
    variant, prepared = Variant[case["variant"]], case.hex("prepared_msg")
    key = _key(case)
    return _derand_blind(variant, key, prepared, case.hex("salt"), int(case["factor"], 16).to_bytes(key.size))


def _finish(case: Case) -> None:
    _, pending = _blind(case)
    pending.finish(case.hex("blind_sig"))


def _sign(case: Case) -> None:
    blind_sign(Recorded(_key(case), case.hex("result")), case.hex("blinded_msg"))


def _spki(case: Case) -> None:
    encoded = case.hex("spki")
    assert PublicKey.decode_spki(encoded).encode_spki() == encoded


def _private(case: Case) -> None:
    """The private operation, by every backend, through the whole of ``blind_sign``."""
    n, e, p, q, d = (int(case[name], 16) for name in ("n", "e", "p", "q", "d"))
    made = private_numbers(n, e, p, q, d).private_key()
    for backend in BACKENDS:
        op = PrivateKey(made, backend=backend)
        assert op.apply(case.hex("data")) == case.hex("result")
        assert blind_sign(op, case.hex("data")) == case.hex("result")


OPERATIONS = {"private": _private, "verify": _verify, "blind": _blind, "finish": _finish, "sign": _sign, "spki": _spki}
