"""SGX appraisals: collateral and quote against binding, policy, log and role, from bytes alone, as for TDX."""

from __future__ import annotations

from privproc.attestation import sgx
from privproc.vectors.case import Case
from tests.runners.tdx_appraisal import run_as


def run(case: Case) -> None:
    run_as(case, sgx)
