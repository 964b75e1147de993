"""``acs``: a credential of facebookresearch/acs from its keys to its redemption, every value recomputed."""

from __future__ import annotations

import hashlib
from contextlib import nullcontext

from privproc.secret import Secret
from privproc.tokens import acs
from privproc.vectors.case import Case, raises

ENCODINGS = {"injective": acs.Attributes, "original": acs.AmbiguousAttributes}


def run(case: Case) -> None:
    encoding = ENCODINGS[case["encoding"]]
    attributes = encoding(tuple(map(bytes.fromhex, case["attributes"])))
    primary = acs.PrimaryKey(Secret(case.hex("psk")))
    assert primary.public_key == case.hex("ppk")
    issuer = acs.Issuer(primary, {attributes})
    answer = case.hex("pk") + case.hex("pk_proof")
    if case.expect is None:
        assert issuer._derand_attribute_key(attributes, case.hex("pk_nonce")) == answer
    with raises_or_not(case, "key"):
        key = acs.verify_key(primary.public_key, attributes, answer)
        assert key.encoded == case.hex("pk")
    if case.get("fails") == "key":
        return

    blinded, pending = acs._derand_request(key, case.hex("token"), case.hex("blind"))
    assert blinded == case.hex("blinded")
    answer = case.hex("evaluated") + case.hex("proof")
    if case.expect is None:
        assert issuer._derand_evaluate(attributes, blinded, case.hex("nonce")) == answer
    with raises_or_not(case, "finish"):
        credential = pending.finish(answer)
        assert credential.secret.expose() == case.hex("secret")
    if case.get("fails") == "finish":
        return

    with raises_or_not(case, "redeem"):
        asked = encoding(tuple(map(bytes.fromhex, case.get("redeemed_as", case["attributes"]))))
        spent = acs.Issuer(primary, {asked}).redeem(case.hex("token"), asked, case.hex("secret"), expires=1)
        assert spent.nonce == case.hex("token")
        assert spent.token_key_id == hashlib.sha256(case.hex("pk")).digest()


def raises_or_not(case: Case, step: str):
    return raises(case.expect) if case.get("fails") == step else nullcontext()
