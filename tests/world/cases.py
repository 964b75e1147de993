"""Appraisals that succeed, one a format: good evidence, logged, from hierarchies that live in memory."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from privproc.attestation import NO_REVOCATIONS, nitro, sgx, snp, tdx
from privproc.attestation.case import Case, ListProof, LogProof
from privproc.attestation.report import TrustAnchors
from privproc.ledger import Entry, Revocations
from privproc.ledger.revocation import ROLE as LISTS
from tests.world.amd import FakeAmd, strict_policy
from tests.world.aws import PCRS, FakeAws
from tests.world.binding import bound
from tests.world.intel import FakeIntel
from tests.world.intel import strict_policy as strict_tdx
from tests.world.ledger import Ledger
from tests.world.sgx import collateral as about_sgx
from tests.world.sgx import quote as sgx_quote
from tests.world.sgx import strict_policy as strict_sgx

AT = 1_780_000_000
DAY = 86400
ROLE = "model"
NAMESPACE = "example"
DATA = b"privproc/1 bind\0" + bytes(range(48))
BINDING = bound(DATA)
MEASUREMENT = bytes(range(48))
FORMATS = ("sev-snp", "tdx", "sgx", "nitro")

AMD = FakeAmd.generate(snp.Product.GENOA, AT)
CHIP = AMD.chip()
INTEL = FakeIntel(AT)
PLATFORM = INTEL.platform()
AWS = FakeAws(AT)
NITRO_POLICY = nitro.Policy(logged_pcrs=(0, 1, 2), pcrs=((3, bytes(48)), (4, PCRS[4])), max_age=600)


@functools.cache
def parts(kind: str) -> dict[str, Any]:
    """Evidence, endorsements, policy, roots and measurement of a format."""
    if kind == "sev-snp":
        return {
            "evidence": CHIP.report(measurement=MEASUREMENT, report_data=DATA),
            "endorsements": CHIP.endorsements.encode(),
            "policy": strict_policy(CHIP),
            "roots": AMD.roots,
            "measurement": MEASUREMENT,
        }
    if kind == "tdx":
        quote, policy = PLATFORM.quote(report_data=DATA), strict_tdx(PLATFORM)
        return {
            "evidence": quote,
            "endorsements": INTEL.collateral().encode(),
            "policy": policy,
            "roots": INTEL.roots,
            "measurement": policy.measurement(tdx.Quote.decode(quote).report),
        }
    if kind == "sgx":
        enclave, for_sgx = sgx_quote(PLATFORM, report_data=DATA), strict_sgx(PLATFORM)
        return {
            "evidence": enclave,
            "endorsements": about_sgx(INTEL).encode(),
            "policy": for_sgx,
            "roots": INTEL.roots,
            "measurement": for_sgx.measurement(sgx.Quote.decode(enclave).report),
        }
    return {
        "evidence": AWS.document(DATA),
        "endorsements": b"",
        "policy": NITRO_POLICY,
        "roots": AWS.roots,
        "measurement": nitro.measurement(PCRS, (0, 1, 2)),
    }


@functools.cache
def logged(digest: bytes, role: str = ROLE, version: int = 1) -> LogProof:
    """The proof of a digest in a log of its own."""
    log = Ledger()
    index = log.append(Entry(NAMESPACE, role, digest, AT + 30 * DAY, version))
    return LogProof(
        proof=log.prove(index, AT), namespace=NAMESPACE, policy=log.policy(), floor=log.head(), minimum_version=version
    )


def revoking(digests: Iterable[bytes]) -> ListProof:
    """A logged list that revokes these."""
    data = Revocations(7, AT, AT + DAY, frozenset(digests)).encode()
    return ListProof(data=data, log=logged(hashlib.sha384(data).digest(), LISTS, 7), max_age=DAY)


def case(kind: str, **changes: Any) -> Case[Any]:
    """A session's case of a format."""
    given = dict(parts(kind))
    measurement = given.pop("measurement")
    made: Case[Any] = Case(
        **given, binding=BINDING, role=ROLE, log=logged(measurement), revocations=NO_REVOCATIONS, at=AT
    )
    return replace(made, **changes)


ANCHORS = TrustAnchors(amd=AMD.roots, intel=INTEL.roots, aws=AWS.roots, logs=(logged(MEASUREMENT).policy,))
"""Every ledger here is one and the same log's."""
