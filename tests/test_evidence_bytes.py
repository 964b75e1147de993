"""Every byte of what vendors sign beside the report: with one bit changed, in each byte in turn, nothing is accepted.

Reports and quotes are gone through in ``tests/test_evidence_contract.py``.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from privproc.attestation.case import appraise
from privproc.errors import PeerError
from tests.world import cases


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "part"),
    [("sev-snp", "endorsements"), ("tdx", "endorsements"), ("sgx", "endorsements"), ("nitro", "evidence")],
)
def test_no_byte_can_change(kind, part):
    case = cases.case(kind)
    appraise(case)
    whole = getattr(case, part)
    accepted = []
    for at in range(len(whole)):
        changed = bytearray(whole)
        changed[at] ^= 1 << at % 8
        try:
            appraise(replace(case, **{part: bytes(changed)}))
        except PeerError:
            continue
        accepted.append(at)
    assert not accepted
