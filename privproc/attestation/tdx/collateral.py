"""Intel's collateral for TDX: what it says about platforms, about the TDX module and about TDX's quoting enclave."""

from __future__ import annotations

from dataclasses import dataclass

from privproc.attestation.dcap import collateral as dcap
from privproc.attestation.dcap.collateral import INTEL_ROOTS, Collateral
from privproc.attestation.roots import Roots
from privproc.attestation.tdx.tcb import QeIdentity, TcbInfo

__all__ = ["INTEL_ROOTS", "Collateral", "VerifiedCollateral", "verify_collateral"]


@dataclass(frozen=True, slots=True, init=False)
class VerifiedCollateral(dcap.VerifiedCollateral):
    """What Intel says about TDX, verified: made by :func:`verify_collateral` only."""

    tcb: TcbInfo


def verify_collateral(collateral: Collateral, *, roots: Roots, at: int) -> VerifiedCollateral:
    """Check every part of ``collateral`` at the Unix time ``at``; ``roots``: :data:`INTEL_ROOTS`.

    Raises :class:`UntrustedError` (root, names, profile, revoked), :class:`SignatureError`, :class:`ExpiredError`,
    :class:`DecodeError` or :class:`UnsupportedError` (also: collateral for SGX).
    """
    return dcap.verify_as(VerifiedCollateral, TcbInfo, QeIdentity, collateral, roots=roots, at=at)
