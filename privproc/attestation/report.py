"""The report of an appraisal: what went in, what came out, and all that it takes to do it again, offline.

::

    report = examine(case)                      # accepted or refused, no exception for bad evidence
    archive(report.encode())                    # JSON, for people and for machines
    replay(Report.decode(data), anchors=...)    # years later: the same verdict, or a PeerError

A report proves nothing by itself. It claims a verdict; :func:`replay` reaches one, under the roots and logs that the
auditor trusts. Policy, role and the log's minimum version are the appraiser's choice and stand in the report, to be
judged by whoever reads it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import Self

from privproc.attestation import nitro, nvidia, sgx, snp, tdx
from privproc.attestation.cache import Cache
from privproc.attestation.case import Binding, Case, LogProof, NoBinding, StatedBinding, decide
from privproc.attestation.expectation import KeyBinding, Level, NoRevocations
from privproc.attestation.policyfile import AnyPolicy
from privproc.attestation.reportfile import decode_report, encode_report
from privproc.attestation.roots import Roots
from privproc.attestation.verdict import Accepted, Refused, Verdict
from privproc.attestation.verified import Findings
from privproc.errors import PeerError, UntrustedError, UsageError
from privproc.ledger import LogPolicy

__all__ = ["Accepted", "Refused", "Report", "TrustAnchors", "Verdict", "examine", "replay"]


@dataclass(frozen=True, slots=True)
class Report:
    """A case and the verdict that somebody says was reached."""

    case: Case[StatedBinding]
    verdict: Verdict

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read what :meth:`encode` writes, and nothing else. Raises :class:`DecodeError`, :class:`UnsupportedError` or
        :class:`LimitError`.
        """
        return cls(*decode_report(data))

    def encode(self) -> bytes:
        """JSON (UTF-8, indented): for each part what a person wants to know, its digest, and its bytes in Base64."""
        return encode_report(self.case, self.verdict)

    @property
    def digest(self) -> bytes:
        """SHA-384 (48 bytes) of the encoding: for logs and archives."""
        return hashlib.sha384(self.encode()).digest()


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustAnchors:
    """Whom the reader of reports trusts: the vendors' roots, and the logs with their witnesses."""

    amd: snp.Roots
    intel: Roots
    aws: Roots
    logs: tuple[LogPolicy, ...]
    nvidia: Roots = nvidia.NVIDIA_ROOTS

    @classmethod
    def of_vendors(cls, *logs: LogPolicy) -> Self:
        """The roots that AMD, Intel and Amazon publish, and these logs."""
        return cls(amd=snp.AMD_ROOTS, intel=tdx.INTEL_ROOTS, aws=nitro.AWS_ROOTS, logs=logs)

    def roots_for(self, policy: AnyPolicy) -> snp.Roots | Roots:
        """The roots of the vendor whose evidence ``policy`` is for."""
        if isinstance(policy, snp.Policy):
            return self.amd
        return self.intel if isinstance(policy, (tdx.Policy, sgx.Policy)) else self.aws

    def check(self, case: Case[Binding]) -> None:
        """Raise :class:`UntrustedError` for a case with a root or a log that isn't among these."""
        known = self.roots_for(case.policy)
        if type(case.roots) is not type(known) or not set(case.roots.pins) <= set(known.pins):
            raise UntrustedError("the case has a root that the reader doesn't trust")
        proofs = [case.log] if isinstance(case.log, LogProof) else []
        if not isinstance(case.revocations, NoRevocations):
            proofs.append(case.revocations.log)
        if any(proof.policy not in self.logs for proof in proofs):
            raise UntrustedError("the case has a log that the reader doesn't trust, or not under these terms")


def examine(case: Case[Binding], *, cache: Cache | None = None) -> Report:
    """Appraise, and report the outcome whatever it is.

    ``cache`` as in :func:`~privproc.attestation.case.appraise`. Raises :class:`UsageError` only.
    """
    return Report(replace(case, binding=_stated(case.binding)), _verdict(case, cache))  # type: ignore[arg-type]


def replay(report: Report, *, anchors: TrustAnchors) -> Verdict:
    """Appraise again, at the time of the report, and give the verdict, which is the report's.

    Raises :class:`UntrustedError` when the report has roots or logs that aren't among ``anchors``, or claims a verdict
    that isn't reached. It reads nothing but the report: what has been revoked or has expired since doesn't count.
    """
    anchors.check(report.case)
    try:
        verdict = _verdict(report.case, None)
    except UsageError as error:  # only a forged report has arguments that no appraiser could have
        raise UntrustedError(f"the report's case can't be appraised: {error}") from None
    if verdict != report.verdict:
        raise UntrustedError("the report claims another verdict than its replay reaches")
    return verdict


def _stated(binding: Binding) -> StatedBinding:
    if isinstance(binding, StatedBinding):
        return binding
    if isinstance(binding, KeyBinding):
        return StatedBinding(Level.KEY, binding.report_data, binding.nonce, binding.public_key)
    if isinstance(binding, NoBinding):
        return StatedBinding(Level.NONE, b"", b"", b"")
    return StatedBinding(Level.SESSION, bytes(binding), b"", b"")


def _verdict(case: Case[Binding], cache: Cache | None) -> Verdict:
    try:
        return _accepted(decide(case, cache=cache))
    except PeerError as error:
        return Refused(error.check, type(error).__name__, str(error))


def _accepted(found: Findings) -> Accepted:
    return Accepted(
        level=found.level,
        checks=found.checks,
        measurement=found.measurement,
        report_data=found.binding,
        not_before=found.not_before,
        not_after=found.not_after,
    )
