"""OCSP: an authority's answers about one certificate."""

from __future__ import annotations

import hashlib

from privproc.attestation.ocsp import ANY_NONCE, verify_status
from privproc.vectors.case import Case, raises


def run(case: Case) -> None:
    response, certificate, issuer = (case.hex(name) for name in ("response", "certificate", "issuer"))
    nonce = case.hex("nonce") if case["nonce"] else ANY_NONCE
    asked = {"certificate": certificate, "issuer": issuer, "nonce": nonce, "max_age": case["max_age"], "at": case["at"]}
    if case.expect is not None:
        with raises(case.expect, case["reason"]):
            verify_status(response, **asked)
        return
    found = verify_status(response, **asked)
    assert found.certificate == hashlib.sha256(certificate).digest()
    assert found.issuer == hashlib.sha256(issuer).digest()
    assert (found.not_before, found.not_after) == (case["not_before"], case["not_after"])
