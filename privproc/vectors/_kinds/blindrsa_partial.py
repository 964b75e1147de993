"""``blindrsa-partial``: a whole run of partially blind RSA, every value recomputed, on every backend."""

from __future__ import annotations

from unittest import mock

from privproc.blindrsa import Variant, blinding, partial
from privproc.vectors._kinds.blindrsa import BACKENDS, BLINDINGS, private_numbers
from privproc.vectors.case import Case

VARIANT = Variant.SHA384_PSS_DETERMINISTIC  # the only one that the draft has vectors of


def run(case: Case) -> None:
    assert case.expect is None
    n, e, p, q, d = (int(case[name], 16) for name in ("n", "e", "p", "q", "d"))
    assert n == p * q
    key, info, message = partial.PublicKey(n, e), case.hex("info"), case.hex("msg")
    assert partial.PublicKey.decode_spki(key.encode_spki()) == key
    derived = key.derive(info)
    assert (derived.n, derived.e) == (n, int(case["eprime"], 16))

    blinded, blind_signature, signature = case.hex("blind_msg"), case.hex("blind_sig"), case.hex("sig")
    partial.verify(VARIANT, key, info, message, signature)
    factor = int(case["r"], 16).to_bytes(256, "big")
    for arithmetic in BLINDINGS:
        with mock.patch.object(blinding, "in_use", lambda arithmetic=arithmetic: arithmetic):
            wire, pending = partial._derand_blind(VARIANT, key, info, message, case.hex("salt"), factor)
            assert wire == blinded
            assert pending.finish(blind_signature) == signature
    made = private_numbers(n, e, p, q, d).private_key()
    for backend in BACKENDS:
        issuer = partial.PrivateKey(made, backend=backend)
        assert issuer.public_key == key
        assert partial.blind_sign(issuer, info, blinded) == blind_signature
