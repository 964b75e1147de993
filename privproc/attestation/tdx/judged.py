"""A quote beside Intel's word about the hardware that it comes from: read, not decided about yet."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Self

from privproc.attestation.certificate import Certificate
from privproc.attestation.tdx.collateral import VerifiedCollateral, pem_decode
from privproc.attestation.tdx.pck import Platform
from privproc.attestation.tdx.quote import EnclaveReport, Quote, TdReport
from privproc.attestation.tdx.tcb import Level, ModuleIdentity
from privproc.errors import UntrustedError

__all__ = ["Judged"]


@dataclass
class Judged:
    """The parts of a quote, and the levels that the collateral has for them. ``fingerprint`` is the PCK certificate's
    SHA-256.
    """

    quote: Quote
    qe: EnclaveReport
    pck: Certificate
    fingerprint: bytes
    platform: Platform
    collateral: VerifiedCollateral

    @classmethod
    def decode(cls, evidence: bytes, collateral: VerifiedCollateral) -> Self:
        """Raises :class:`DecodeError`, :class:`UnsupportedError`, or :class:`UntrustedError` for another authority."""
        quote = Quote.decode(evidence)
        der = _leaf(quote.pck_chain, collateral.chain_end)
        pck = Certificate.decode(der, "PCK certificate")
        qe = EnclaveReport.decode(quote.qe_report)
        return cls(quote, qe, pck, hashlib.sha256(der).digest(), Platform.of(pck), collateral)

    @property
    def report(self) -> TdReport:
        """What the TDX module says of the domain."""
        return self.quote.report

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

    @cached_property
    def qe_level(self) -> Level:
        """Of the quoting enclave."""
        return self.collateral.qe.level(self.qe.isvsvn)

    @property
    def levels(self) -> tuple[Level, ...]:
        """All of them."""
        return (*self.platform_levels, *self.module_levels, self.qe_level)


def _leaf(chain: bytes, chain_end: bytes) -> bytes:
    """The platform's certificate from a quote's chain; what follows it has to be the collateral's, to the byte."""
    text = chain.removesuffix(b"\0")  # as some generators end it
    if not text.endswith(chain_end):
        raise UntrustedError("PCK certificate: of another authority than the collateral's")
    return pem_decode(text[: -len(chain_end)], "PCK certificate")
