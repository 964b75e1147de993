"""Copies of a key package and what is demanded of them; the digest that is agreed upon, or the refusal."""

from __future__ import annotations

from privproc.keypackage import Grid, Seen, SignerKey, Signers, Term, agree
from privproc.vectors.case import Case, raises


def run(case: Case) -> None:
    copies = [(copy["source"], bytes.fromhex(copy["data"])) for copy in case["copies"]]
    terms = [Term(SignerKey(bytes.fromhex(term["key"])), term["first"], term["last"]) for term in case["signers"]]
    signers = Signers(tuple(terms))
    seen = case["seen"] and Seen(case["seen"]["epoch"], bytes.fromhex(case["seen"]["digest"]))

    def check():
        return agree(
            copies,
            signers=signers,
            purpose=case["purpose"],
            grid=Grid(case["grid"]["origin"], case["grid"]["length"]),
            threshold=case["threshold"],
            seen=seen,
            at=case["at"],
        )

    if case.expect:
        with raises(case.expect):
            check()
        return
    agreed = check()
    assert (agreed.seen.epoch, agreed.seen.digest) == (case["epoch"], case.hex("digest"))
    assert agreed.package.digest == case.hex("digest")
    package = agreed.package.package
    assert agreed.content.get(at=package.not_before) == case.hex("content")
