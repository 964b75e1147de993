"""An appraisal as one value: everything that its outcome depends on, in bytes, for evidence of any format.

::

    case = Case(evidence=..., endorsements=..., policy=..., roots=..., binding=..., role=..., log=..., revocations=...,
                at=now)
    evidence = appraise(case)

Who has verified chain, collateral and log proof already calls the ``appraise`` of the format with those.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar, overload

from privproc.attestation import nitro, sgx, snp, tdx, verified
from privproc.attestation.binder import SessionBinding
from privproc.attestation.cache import Cache
from privproc.attestation.dcap.collateral import VerifiedCollateral
from privproc.attestation.expectation import (
    Expectation,
    KeyBinding,
    Level,
    NoRevocations,
    PinnedMeasurement,
    RevocationCheck,
    stage,
)
from privproc.attestation.nitro import appraisal as nitro_appraisal
from privproc.attestation.policyfile import AnyPolicy
from privproc.attestation.roots import Roots
from privproc.attestation.sgx import appraisal as sgx_appraisal
from privproc.attestation.snp import appraisal as snp_appraisal
from privproc.attestation.tdx import appraisal as tdx_appraisal
from privproc.errors import DecodeError, UsageError
from privproc.ledger import Checkpoint, Logged, LogPolicy, revocation, verify

__all__ = ["Binding", "Case", "ListProof", "LogProof", "NoBinding", "StatedBinding", "appraise"]


@dataclass(frozen=True, slots=True)
class NoBinding:
    """Asks for evidence about nobody in particular."""


@dataclass(frozen=True, slots=True)
class StatedBinding:
    """What a report says was expected: for reading and replaying it. No session takes what was appraised against one.

    ``report_data``, ``nonce`` and ``public_key`` as in :class:`~privproc.attestation.expectation.KeyBinding`; all empty
    at :attr:`Level.NONE`. Raises :class:`UsageError` for parts that the level doesn't have.
    """

    level: Level
    report_data: bytes = field(repr=False)
    nonce: bytes = field(repr=False)
    public_key: bytes = field(repr=False)

    def __post_init__(self) -> None:
        parts = (self.report_data, self.nonce, self.public_key)
        if self.level is Level.NONE:
            wrong = any(parts)
        else:
            KeyBinding(*parts)
            wrong = self.level is Level.SESSION and (len(self.report_data) != 64 or any(parts[1:]))
        if wrong:
            raise UsageError("a binding with parts that its level doesn't have")


Binding = SessionBinding | KeyBinding | NoBinding | StatedBinding

V = TypeVar("V", bound=VerifiedCollateral)
B_co = TypeVar("B_co", bound=Binding, covariant=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogProof:
    """The ledger's proof and what it is judged by: the arguments of :func:`privproc.ledger.verify`."""

    proof: bytes = field(repr=False)
    namespace: str
    policy: LogPolicy
    floor: Checkpoint
    minimum_version: int

    def verify(self, role: str, *, at: int) -> Logged:
        """The entry, if it is of ``role``. Raises as :func:`privproc.ledger.verify`."""
        return verify(
            self.proof,
            namespace=self.namespace,
            role=role,
            log=self.policy,
            floor=self.floor,
            minimum_version=self.minimum_version,
            at=at,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ListProof:
    """A revocation list, the ledger's proof of it, and how old (seconds) it may be: see
    :func:`privproc.ledger.revocation.verify`.
    """

    data: bytes = field(repr=False)
    log: LogProof
    max_age: int

    def verify(self, *, at: int) -> revocation.VerifiedRevocations:
        """The list, if the log holds it. Raises as :func:`privproc.ledger.revocation.verify`."""
        logged = self.log.verify(revocation.ROLE, at=at)
        return revocation.verify(self.data, logged=logged, max_age=self.max_age, at=at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case(Generic[B_co]):
    """The arguments of an appraisal. ``policy`` decides the format.

    ``endorsements``: the encoded :class:`snp.Endorsements <privproc.attestation.snp.Endorsements>` or
    :class:`tdx.Collateral <privproc.attestation.tdx.Collateral>` (SGX: the same); empty for Nitro, whose documents
    carry theirs.
    ``roots``: the vendor's. ``log`` is a pinned measurement for programs in no ledger, below the level of a session
    only.
    """

    evidence: bytes = field(repr=False)
    endorsements: bytes = field(repr=False)
    policy: AnyPolicy
    roots: snp.Roots | Roots
    binding: B_co
    role: str
    log: LogProof | PinnedMeasurement
    revocations: ListProof | NoRevocations
    at: int


@overload
def appraise(case: Case[SessionBinding], *, cache: Cache | None = None) -> verified.VerifiedEvidence: ...
@overload
def appraise(case: Case[KeyBinding], *, cache: Cache | None = None) -> verified.KeyEvidence: ...
@overload
def appraise(case: Case[NoBinding], *, cache: Cache | None = None) -> verified.UnboundEvidence: ...
def appraise(
    case: Case[SessionBinding] | Case[KeyBinding] | Case[NoBinding], *, cache: Cache | None = None
) -> verified.Findings:
    """Decide about the evidence of ``case``: at the level of its binding, with a type of its own for each.

    ``cache`` keeps verified chains and collateral. The result is of the format's class, which is a subclass. Raises
    what the format's ``appraise`` raises, and what the log's proof, the revocation list and the endorsements raise; the
    error's ``check`` says where. :class:`UsageError` for a binding that no appraisal is made with.
    """
    if not isinstance(case.binding, (SessionBinding, KeyBinding, NoBinding)):
        raise UsageError("a case is appraised with a session's binding, a key's, or NoBinding")
    return decide(case, cache=cache)


def decide(case: Case[Binding], *, cache: Cache | None) -> verified.Findings:
    """As :func:`appraise`, and for stated bindings too: a report's."""
    if not isinstance(case.log, (LogProof, PinnedMeasurement)) or not isinstance(
        case.revocations, (ListProof, NoRevocations)
    ):
        raise UsageError("a case has the log's proof or a pinned measurement, and a list's proof or NO_REVOCATIONS")
    logged: Logged | PinnedMeasurement
    revoked: RevocationCheck
    with stage("log-proof"):
        logged = case.log.verify(case.role, at=case.at) if isinstance(case.log, LogProof) else case.log
    with stage("revocation-list"):
        listed = isinstance(case.revocations, ListProof)
        revoked = case.revocations.verify(at=case.at) if listed else case.revocations  # type: ignore[union-attr,assignment]
    expected = _expectation(case.binding, logged, case.role, revoked)
    if isinstance(case.policy, snp.Policy):
        return _snp(case, case.policy, expected, cache)
    if isinstance(case.policy, tdx.Policy):
        return _tdx(case, case.policy, expected, cache)
    return _sgx(case, case.policy, expected, cache) if isinstance(case.policy, sgx.Policy) else _nitro(case, expected)


def _expectation(
    binding: Binding, logged: Logged | PinnedMeasurement, role: str, revocations: RevocationCheck
) -> Expectation:
    if isinstance(binding, StatedBinding):
        parts = (binding.report_data, binding.nonce, binding.public_key)
        return Expectation(binding.level, *parts, logged, role, revocations)
    if isinstance(binding, KeyBinding):
        return Expectation.key(binding, logged, role, revocations)
    if isinstance(binding, NoBinding):
        return Expectation.unbound(logged, role, revocations)
    if isinstance(logged, PinnedMeasurement):
        raise UsageError("a session's program is one that the ledger holds")
    return Expectation.session(binding, logged, role, revocations)


def _snp(case: Case[Binding], policy: snp.Policy, expected: Expectation, cache: Cache | None) -> verified.Findings:
    if not isinstance(case.roots, snp.Roots):
        raise UsageError("the roots are another vendor's")
    with stage("endorsements"):
        parts = snp.Endorsements.decode(case.endorsements)
        certificates = (parts.vcek, parts.ask, parts.ark)
        if cache is None:
            chain = snp.verify_chain(*certificates, roots=case.roots, at=case.at)
        else:
            chain = cache.recall(snp.verify_chain, *certificates, roots=case.roots, cache=cache, at=case.at)
    kind = {
        Level.SESSION: snp_appraisal.VerifiedEvidence,
        Level.KEY: snp_appraisal.KeyEvidence,
        Level.NONE: snp_appraisal.UnboundEvidence,
    }[expected.level]
    return snp_appraisal._decide(kind, case.evidence, expected, policy, chain, case.at)


def _tdx(case: Case[Binding], policy: tdx.Policy, expected: Expectation, cache: Cache | None) -> verified.Findings:
    collateral = _collateral(tdx.verify_collateral, case, cache)
    kind = {
        Level.SESSION: tdx_appraisal.VerifiedEvidence,
        Level.KEY: tdx_appraisal.KeyEvidence,
        Level.NONE: tdx_appraisal.UnboundEvidence,
    }[expected.level]
    return tdx_appraisal._decide(kind, case.evidence, expected, policy, collateral, case.at)


def _sgx(case: Case[Binding], policy: sgx.Policy, expected: Expectation, cache: Cache | None) -> verified.Findings:
    collateral = _collateral(sgx.verify_collateral, case, cache)
    kind = {
        Level.SESSION: sgx_appraisal.VerifiedEvidence,
        Level.KEY: sgx_appraisal.KeyEvidence,
        Level.NONE: sgx_appraisal.UnboundEvidence,
    }[expected.level]
    return sgx_appraisal._decide(kind, case.evidence, expected, policy, collateral, case.at)


def _collateral(verify_collateral: Callable[..., V], case: Case[Binding], cache: Cache | None) -> V:
    if not isinstance(case.roots, Roots):
        raise UsageError("the roots are another vendor's")
    with stage("endorsements"):
        parts = tdx.Collateral.decode(case.endorsements)
        if cache is None:
            return verify_collateral(parts, roots=case.roots, at=case.at)
        return cache.recall(verify_collateral, parts, roots=case.roots, at=case.at)


def _nitro(case: Case[Binding], expected: Expectation) -> verified.Findings:
    if not isinstance(case.policy, nitro.Policy) or not isinstance(case.roots, Roots):
        raise UsageError("no policy of a known format, or the roots are another vendor's")
    with stage("endorsements"):
        if case.endorsements:
            raise DecodeError("endorsements", "a Nitro document carries its own")
    kind = {
        Level.SESSION: nitro_appraisal.VerifiedEvidence,
        Level.KEY: nitro_appraisal.KeyEvidence,
        Level.NONE: nitro_appraisal.UnboundEvidence,
    }[expected.level]
    return nitro_appraisal._decide(kind, case.evidence, expected, case.policy, case.roots, case.at)
