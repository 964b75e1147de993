"""A TDX quote beside Intel's word about the hardware that it comes from: read, not decided about yet."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Self

from privproc.attestation.dcap import judged as dcap
from privproc.attestation.dcap.tcb import Level
from privproc.attestation.tdx.collateral import VerifiedCollateral
from privproc.attestation.tdx.quote import Quote, TdReport
from privproc.attestation.tdx.tcb import ModuleIdentity

__all__ = ["Judged"]


@dataclass(frozen=True)
class Judged(dcap.Judged):
    """The parts of a quote, and the levels that the collateral has for them."""

    quote: Quote
    collateral: VerifiedCollateral

    @classmethod
    def decode(cls, evidence: bytes, collateral: VerifiedCollateral) -> Self:
        """Raises :class:`DecodeError`, :class:`UnsupportedError`, or :class:`UntrustedError` for another authority."""
        return cls.of(Quote.decode(evidence), collateral)

    @property
    def report(self) -> TdReport:
        """What the TDX module says of the domain."""
        return self.quote.report

    @property
    def report_data(self) -> bytes:
        """What the hardware signed for the domain (64 bytes)."""
        return self.report.report_data

    @property
    def versions(self) -> tuple[bytes, ...]:
        """TEE_TCB_SVN as of the domain's start, and since TD 1.5 as of now if that differs: both have to do."""
        then, now = self.report.tee_tcb_svn, self.report.tee_tcb_svn_2
        return (then,) if now is None or now == then else (then, now)

    @cached_property
    def modules(self) -> list[tuple[ModuleIdentity, bytes]]:
        """The identity of the module of each version."""
        return [(self.collateral.tcb.module(svn), svn) for svn in self.versions]

    @cached_property
    def platform_levels(self) -> list[Level]:
        """Of the platform, for each version."""
        return [self.collateral.tcb.level(self.platform, svn) for svn in self.versions]

    @cached_property
    def module_levels(self) -> list[Level]:
        """Of the module, for each version since TDX 1.5."""
        return [identity.level(svn[0]) for identity, svn in self.modules if svn[1]]

    @property
    def levels(self) -> tuple[Level, ...]:
        """All of them."""
        return (*self.platform_levels, *self.module_levels, self.qe_level)
