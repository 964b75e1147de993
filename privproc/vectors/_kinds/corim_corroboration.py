"""draft-ietf-rats-corim-11 §8.2.4.2: a token's measurements against manifests.

``states`` are what a profile would make of the token's claims, as reference-triple-records.
"""

from __future__ import annotations

from cryptography.hazmat.primitives.serialization import load_der_public_key

from privproc.attestation import corim, eat
from privproc.vectors._kinds.corim_state import read
from privproc.vectors._kinds.eat_token import demands
from privproc.vectors.case import Case, raises


def run(case: Case) -> None:
    at, profile = case["at"], case["profile"]
    token = eat.verify_passport(
        case.hex("token"),
        key=load_der_public_key(case.hex("key")),
        profile=profile,
        audience="",
        demands=demands(case["demands"]),
        max_age=case["max_age"],
        at=at,
    )
    manifests = [
        corim.verify(
            bytes.fromhex(data), key=load_der_public_key(bytes.fromhex(key)), profile=profile, max_age=1 << 31, at=at
        )
        for key, data in case["manifests"]
    ]
    states = [read(bytes.fromhex(each)) for each in case["states"]]
    if case.expect is not None:
        with raises(case.expect) as raised:
            corim.corroborate(token, lambda _: states, manifests, at=at)
        assert raised.value.check == case["check"]
        return
    found = corim.corroborate(token, lambda _: states, manifests, at=at)
    assert list(found.states.get(at=at)) == states
    assert sorted([signer.hex(), name] for signer, name in found.tags) == case["tags"]
    assert found.states.not_after == case["not_after"]
