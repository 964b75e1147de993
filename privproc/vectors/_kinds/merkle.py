"""Merkle proofs of RFC 6962: inclusion (leaf, index, size, root) and consistency (sizes and roots)."""

from __future__ import annotations

from privproc.errors import SignatureError
from privproc.ledger.merkle import verify_consistency, verify_inclusion
from privproc.vectors.case import Case, raises


def run(case: Case) -> None:
    proof = [bytes.fromhex(value) for value in case["proof"]]
    if case["operation"] == "inclusion":
        root = case.hex("root")

        def check(root):
            verify_inclusion(case.hex("leaf"), case["index"], case["size"], proof, root)

    else:
        root = case.hex("root2")

        def check(root):
            verify_consistency(case["size1"], case.hex("root1"), case["size2"], root, proof)

    if case.expect:
        with raises(case.expect):
            check(root)
        return
    check(root)
    with raises(SignatureError):
        check(bytes([root[0] ^ 1]) + root[1:])
