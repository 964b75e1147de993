"""Received identifiers of a suite that isn't offered."""

from __future__ import annotations

from privproc.hpke import Suite
from privproc.vectors.case import Case, raises


def run(case: Case) -> None:
    with raises(case.expect) as raised:
        Suite.from_ids(case["kem"], case["kdf"], case["aead"])
    assert type(raised.value) is case.expect
