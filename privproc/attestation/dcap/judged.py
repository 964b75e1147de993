"""A quote beside Intel's word about the hardware that it comes from: read, not decided about yet."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import Self

from privproc.attestation.certificate import Certificate
from privproc.attestation.dcap.collateral import VerifiedCollateral, pem_decode
from privproc.attestation.dcap.pck import Platform
from privproc.attestation.dcap.quote import EnclaveReport, SignedQuote
from privproc.attestation.dcap.tcb import Level
from privproc.errors import UntrustedError

__all__ = ["Judged"]


@dataclass(frozen=True)
class Judged(ABC):
    """The parts of a quote, and the levels that the collateral has for them. ``fingerprint`` is the PCK certificate's
    SHA-256.
    """

    quote: SignedQuote
    qe: EnclaveReport
    pck: Certificate
    fingerprint: bytes
    platform: Platform
    collateral: VerifiedCollateral

    @classmethod
    def of(cls, quote: SignedQuote, collateral: VerifiedCollateral) -> Self:
        """Raises :class:`DecodeError`, :class:`UnsupportedError`, or :class:`UntrustedError` for another authority."""
        der = _leaf(quote.pck_chain, collateral.chain_end)
        pck = Certificate.decode(der, "PCK certificate")
        qe = EnclaveReport.decode(quote.qe_report)
        return cls(quote, qe, pck, hashlib.sha256(der).digest(), Platform.of(pck), collateral)

    @property
    @abstractmethod
    def report_data(self) -> bytes:
        """What the hardware signed for the program (64 bytes)."""

    @property
    @abstractmethod
    def platform_levels(self) -> list[Level]:
        """Of the platform."""

    @property
    @abstractmethod
    def levels(self) -> tuple[Level, ...]:
        """All of them."""

    @cached_property
    def qe_level(self) -> Level:
        """Of the quoting enclave."""
        return self.collateral.qe.level(self.qe.isvsvn)


def _leaf(chain: bytes, chain_end: bytes) -> bytes:
    """The platform's certificate from a quote's chain; what follows it has to be the collateral's, to the byte."""
    text = chain.removesuffix(b"\0")  # as some generators end it
    if not text.endswith(chain_end):
        raise UntrustedError("PCK certificate: of another authority than the collateral's")
    return pem_decode(text[: -len(chain_end)], "PCK certificate")
