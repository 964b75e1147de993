"""An SGX quote beside Intel's word about the hardware that it comes from: read, not decided about yet."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Self

from privproc.attestation.dcap import judged as dcap
from privproc.attestation.dcap.tcb import Level
from privproc.attestation.sgx.collateral import VerifiedCollateral
from privproc.attestation.sgx.quote import EnclaveReport, Quote

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
    def report(self) -> EnclaveReport:
        """What the processor says of the enclave."""
        return self.quote.report

    @property
    def report_data(self) -> bytes:
        """What the hardware signed for the enclave (64 bytes)."""
        return self.report.report_data

    @cached_property
    def platform_levels(self) -> list[Level]:
        """Of the platform: one."""
        return [self.collateral.tcb.level(self.platform)]

    @property
    def levels(self) -> tuple[Level, ...]:
        """All of them."""
        return (*self.platform_levels, self.qe_level)
