"""T(label, fields): its value, and that it isn't that of other fields which are the same bytes once they are joined."""

from __future__ import annotations

from privproc.tagged import tagged_hash
from privproc.vectors._straight import t
from privproc.vectors.case import Case


def run(case: Case) -> None:
    assert case.expect is None
    label, fields = case["label"], [bytes.fromhex(it) for it in case["fields"]]
    others = [bytes.fromhex(it) for it in case["others"]]
    assert b"".join(fields) == b"".join(others)
    assert case.hex("digest") == t(label.encode(), *fields) == tagged_hash(label, *fields)
    assert case.hex("digest") != tagged_hash(label, *others)
