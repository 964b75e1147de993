"""Lists of signers (docs/protocol.md §7.8), in both directions."""

from __future__ import annotations

from privproc.keypackage import SignerKey, Signers, Term
from privproc.vectors.case import Case, raises


def run(case: Case) -> None:
    data = case.hex("data")
    if case.expect:
        with raises(case.expect):
            Signers.decode(data)
        return
    signers = Signers.decode(data)
    assert signers == Signers(
        tuple(Term(SignerKey(bytes.fromhex(term["key"])), term["first"], term["last"]) for term in case["terms"])
    )
    assert signers.encode() == data
