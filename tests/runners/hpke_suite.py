"""Received identifiers of a suite that isn't offered."""

from __future__ import annotations

import pytest

from privproc.hpke import Suite
from tests.vectorfile import Case


def run(case: Case) -> None:
    with pytest.raises(case.expect) as raised:
        Suite.from_ids(case["kem"], case["kdf"], case["aead"])
    assert type(raised.value) is case.expect
