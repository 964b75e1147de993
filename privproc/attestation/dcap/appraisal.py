"""What appraisals of TDX and SGX quotes have in common: from Intel down to the report, and the hardware's level.

The collateral is verified already; it vouches for the platform's certificate, that for the quoting enclave's report,
that for the attestation key, and that for the report in the quote. All other checks run on what is signed then. What
can't be checked: that nobody has extracted a platform's keys. Against that there are only lists.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias, TypeVar

from cryptography.hazmat.primitives.asymmetric import ec

from privproc.attestation import verified
from privproc.attestation.dcap.collateral import check_raw
from privproc.attestation.dcap.judged import Judged
from privproc.attestation.dcap.pck import Platform
from privproc.attestation.dcap.policy import PlatformPolicy
from privproc.attestation.dcap.tcb import Level
from privproc.attestation.expectation import Checks, Expectation
from privproc.errors import DecodeError, UntrustedError
from privproc.trust import check_window

__all__ = [
    "GENUINE",
    "LOGGED",
    "Case",
    "Findings",
    "conclude",
    "configuration",
    "evaluation",
    "masked",
    "platform_tcb",
    "platforms",
    "qe_tcb",
]

J_co = TypeVar("J_co", bound=Judged, covariant=True)
P_co = TypeVar("P_co", bound=PlatformPolicy, covariant=True)
F = TypeVar("F", bound="Findings")

_PCK_NAME = "Intel SGX PCK Certificate"
_SGX_DEBUG = 0x02  # in the first byte of an enclave's attributes


@dataclass(frozen=True, slots=True, init=False)
class Findings(verified.Findings):
    """What was found about an accepted quote of either kind.

    ``platform`` is what Intel certifies about the hardware, ``pck_fingerprint`` the SHA-256 of its certificate,
    ``levels`` Intel's judgement of the platform and of what runs on it.
    """

    platform: Platform
    pck_fingerprint: bytes
    levels: tuple[Level, ...]


@dataclass(frozen=True)
class Case(Generic[J_co, P_co]):
    """A quote, and what is expected of it. ``measurement`` is what the policy makes of the report."""

    judged: J_co
    expected: Expectation
    policy: P_co
    measurement: bytes
    at: int


AnyCase: TypeAlias = Case[Judged, PlatformPolicy]


def conclude(kind: type[F], evidence: bytes, case: AnyCase, checks: Checks[Any], **own: object) -> F:
    """Run ``checks``, then those that all formats end with; ``own`` are the fields that only one kind of result has."""
    judged, expected = case.judged, case.expected
    done = expected.run(checks, case)
    done += expected.confirm(case.measurement, [judged.fingerprint, *_identifiers(judged.platform)], at=case.at)
    collateral, pck = judged.collateral, judged.pck
    return kind._earn(
        evidence_digest=hashlib.sha384(evidence).digest(),
        measurement=case.measurement,
        binding=judged.report_data,
        role=expected.role,
        policy_digest=case.policy.digest,
        checks=done,
        not_before=max(collateral.not_before, pck.not_before),
        not_after=min(collateral.not_after, pck.not_after, expected.not_after, case.at + case.policy.max_age),
        platform=judged.platform,
        pck_fingerprint=judged.fingerprint,
        levels=judged.levels,
        **own,
    )


def _collateral_window(case: AnyCase) -> None:
    check_window("collateral", case.judged.collateral.not_before, case.judged.collateral.not_after, at=case.at)


def _pck_window(case: AnyCase) -> None:
    check_window("PCK certificate", case.judged.pck.not_before, case.judged.pck.not_after, at=case.at)


def _pck_profile(case: AnyCase) -> None:
    case.judged.pck.check_end()
    if case.judged.pck.common_name != _PCK_NAME:
        raise UntrustedError("PCK certificate: not the name of one")


def _pck_issuer(case: AnyCase) -> None:
    case.judged.pck.check_issued(case.judged.collateral.pck_ca, case.judged.collateral.pck_ca_key)


def _pck_revocation(case: AnyCase) -> None:
    case.judged.collateral.pck_crl.check(case.judged.pck)


def _qe_signature(case: AnyCase) -> None:
    check_raw(
        "QE report", case.judged.pck.p256_key(), case.judged.quote.qe_report_signature, case.judged.quote.qe_report
    )


def _attestation_key(case: AnyCase) -> None:
    quote = case.judged.quote
    expected = hashlib.sha256(quote.attestation_key + quote.qe_authentication_data).digest() + bytes(32)
    if case.judged.qe.report_data != expected:
        raise UntrustedError("QE report is about another attestation key")


def _signature(case: AnyCase) -> None:
    quote = case.judged.quote
    check_raw("quote", _point("attestation key", quote.attestation_key), quote.signature, quote.signed)


def _binding(case: AnyCase) -> None:
    if not hmac.compare_digest(case.judged.report_data, case.expected.report_data):
        raise UntrustedError("quote is bound to another session")


def _qe_identity(case: AnyCase) -> None:
    # CVE-2026-22696: without it any enclave on a genuine platform could hold the attestation key.
    qe, identity = case.judged.qe, case.judged.collateral.qe
    for name, got, mask, want in (
        ("MISCSELECT", qe.miscselect, identity.miscselect_mask, identity.miscselect),
        ("ATTRIBUTES", qe.attributes, identity.attributes_mask, identity.attributes),
    ):
        if masked(got, mask) != want:
            raise UntrustedError(f"quoting enclave: {name} differs")
    if qe.mrsigner != identity.mrsigner or qe.isvprodid != identity.isvprodid:
        raise UntrustedError("quoting enclave: MRSIGNER or ISVPRODID differs")


def _qe_debug(case: AnyCase) -> None:
    if case.judged.qe.attributes[0] & _SGX_DEBUG:
        raise UntrustedError("quoting enclave: may be debugged")


def _family(case: AnyCase) -> None:
    tcb = case.judged.collateral.tcb
    if (case.judged.platform.fmspc, case.judged.platform.pceid) != (tcb.fmspc, tcb.pceid):
        raise UntrustedError("TCB info is about another family of platforms")


def evaluation(case: AnyCase) -> None:
    """Intel's evaluation is not an older one than demanded."""
    for number in (case.judged.collateral.tcb.evaluation, case.judged.collateral.qe.evaluation):
        case.policy.tcb.check_evaluation(number)


def platform_tcb(case: AnyCase) -> None:
    """The platform's TCB level."""
    for level in case.judged.platform_levels:
        case.policy.tcb.check("platform", level, at=case.at)


def qe_tcb(case: AnyCase) -> None:
    """The quoting enclave's TCB level."""
    case.policy.tcb.check("quoting enclave", case.judged.qe_level, at=case.at)


def platforms(case: AnyCase) -> None:
    """The platform is one of those named."""
    case.policy.platforms.check(case.judged.platform)


def configuration(case: AnyCase) -> None:
    """The platform's configuration, as far as Intel knows it."""
    case.policy.configuration.check_stated(case.judged.platform.configuration)


def _role(case: AnyCase) -> None:
    case.expected.check_role()


def _log(case: AnyCase) -> None:
    case.expected.logged.confirm(case.measurement, at=case.at)


def _point(name: str, raw: bytes) -> ec.EllipticCurvePublicKey:
    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), b"\4" + raw)
    except ValueError:
        raise DecodeError(name, "not a point of P-256") from None


def _identifiers(platform: Platform) -> list[bytes]:
    """What a revocation list may name beside measurement and certificate: it has no entries of 16 bytes."""
    return [hashlib.sha256(name).digest() for name in (platform.ppid, platform.piid) if name]


def masked(value: bytes, mask: bytes) -> bytes:
    """The bits of ``value`` that are set in ``mask``."""
    return (int.from_bytes(value, "big") & int.from_bytes(mask, "big")).to_bytes(len(value), "big")


GENUINE: tuple[tuple[str, Callable[[AnyCase], None]], ...] = (
    ("collateral-window", _collateral_window),
    ("pck-window", _pck_window),
    ("pck-profile", _pck_profile),
    ("pck-issuer", _pck_issuer),
    ("pck-revocation", _pck_revocation),
    ("qe-signature", _qe_signature),
    ("attestation-key", _attestation_key),
    ("signature", _signature),
    ("binding", _binding),
    ("qe-identity", _qe_identity),
    ("qe-debug", _qe_debug),
    ("family", _family),
)
"""That the report is genuine, and about this session. Name and check, in order."""

LOGGED: tuple[tuple[str, Callable[[AnyCase], None]], ...] = (("role", _role), ("log", _log))
"""That the program is one of the ledger's."""
