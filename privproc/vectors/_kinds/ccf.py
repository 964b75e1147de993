"""CCF: receipts of a service about a claims digest."""

from __future__ import annotations

from cryptography.x509 import load_der_x509_certificate

from privproc.ledger import ccf
from privproc.vectors.case import Case, raises


def run(case: Case) -> None:
    receipt, claims = case.hex("receipt"), case.hex("claims_digest")
    service = load_der_x509_certificate(case.hex("service"))
    if case.expect is not None:
        with raises(case.expect):
            ccf.verify(receipt, service=service, claims_digest=claims)
        return
    found = ccf.verify(receipt, service=service, claims_digest=claims)
    assert (found.view, found.sequence) == (case["view"], case["sequence"])
    assert found.root == case.hex("root")
