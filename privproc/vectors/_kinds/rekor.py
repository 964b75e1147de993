"""Rekor: answers of a log about an artifact."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_der_public_key

from privproc.ledger import rekor
from privproc.vectors.case import Case, raises


def run(case: Case) -> None:
    answer, digest, at = case.hex("answer"), case.hex("digest"), case["at"]
    log, signer = rekor.Log(case["log"], _key(case.hex("log_key"))), _key(case.hex("signer"))
    if case.expect is not None:
        with raises(case.expect):
            rekor.verify(answer, log=log, digest=digest, signer=signer, at=at)
        return
    found = rekor.verify(answer, log=log, digest=digest, signer=signer, at=at)
    assert (found.integrated_at, found.index) == (case["integrated_at"], case["index"])
    assert found.checkpoint.root == case.hex("root")


def _key(spki: bytes) -> ec.EllipticCurvePublicKey:
    key = load_der_public_key(spki)
    assert isinstance(key, ec.EllipticCurvePublicKey)
    return key
