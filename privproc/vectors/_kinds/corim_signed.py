"""draft-ietf-rats-corim-11 §4.2: signed manifests."""

from __future__ import annotations

from cryptography.hazmat.primitives.serialization import load_der_public_key

from privproc.attestation import corim
from privproc.vectors._kinds.eat import stated
from privproc.vectors.case import Case, raises


def run(case: Case) -> None:
    data, at = case.hex("data"), case["at"]
    key = load_der_public_key(case.hex("key"))
    expected = {"key": key, "profile": case["profile"], "max_age": case["max_age"], "at": at}
    if case.expect is not None:
        with raises(case.expect) as raised:
            corim.verify(data, **expected)
        assert raised.value.check == case["check"]
        return
    found = corim.verify(data, **expected)
    assert stated(found.manifest.get(at=at)) == case["manifest"]
    assert (found.name, found.manifest.not_before, found.manifest.not_after) == (
        case["name"],
        case["not_before"],
        case["not_after"],
    )
    assert found.signer == case.hex("signer")
