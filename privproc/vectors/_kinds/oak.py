"""Oak: endorsements with their signatures and log entries."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_der_public_key

from privproc.ledger import oak, rekor
from privproc.vectors.case import Case, raises


def run(case: Case) -> None:
    files = case["endorsement"].encode(), case.hex("signature"), case["log_entry"].encode()
    log, endorser = rekor.Log(case["log"], _key(case.hex("log_key"))), _key(case.hex("endorser"))
    expected = {"subject": case.hex("subject"), "claims": case["claims"], "at": case["at"]}
    if case.expect is not None:
        with raises(case.expect):
            oak.verify(*files, endorser=endorser, log=log, **expected)
        return
    found = oak.verify(*files, endorser=endorser, log=log, **expected)
    assert (found.not_before, found.not_after) == (case["not_before"], case["not_after"])
    assert list(found.statement.claims) == case["all_claims"]
    assert (found.statement.name, found.statement.issued_at) == (case["name"], case["issued_at"])
    assert found.entry.index == case["index"]


def _key(spki: bytes) -> ec.EllipticCurvePublicKey:
    key = load_der_public_key(spki)
    assert isinstance(key, ec.EllipticCurvePublicKey)
    return key
