"""draft-ietf-rats-corim-11: manifests without signature, and what they say."""

from __future__ import annotations

from privproc.attestation import corim
from privproc.vectors._kinds.eat import stated
from privproc.vectors.case import Case, raises


def run(case: Case) -> None:
    data = case.hex("data")
    if case.expect is not None:
        with raises(case.expect):
            corim.Manifest.decode(data)
        return
    assert stated(corim.Manifest.decode(data)) == case["manifest"]
