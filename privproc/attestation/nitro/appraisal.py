"""The decision about one attestation document: genuine, of this session, of a logged program, and within policy.

``user_data`` carries the binding: it is the field for what a protocol defines. ``nonce`` and ``public_key`` must be
empty, so that a document which an enclave made for another protocol never counts here. There is no list of machines to
pin, as SEV-SNP and TDX have; PCR4, the parent instance, comes closest.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from privproc.attestation import verified
from privproc.attestation.binder import SessionBinding
from privproc.attestation.expectation import Expectation, KeyBinding, PinnedMeasurement, RevocationCheck, stage
from privproc.attestation.nitro.chain import VerifiedChain, verify_chain
from privproc.attestation.nitro.document import Document
from privproc.attestation.nitro.policy import IMAGE_PCRS, Policy, measurement
from privproc.attestation.roots import Roots
from privproc.errors import PolicyError, UntrustedError
from privproc.ledger import Logged
from privproc.trust import check_window

__all__ = [
    "SKEW",
    "Findings",
    "KeyEvidence",
    "UnboundEvidence",
    "VerifiedEvidence",
    "appraise",
    "appraise_key",
    "appraise_unbound",
]

F = TypeVar("F", bound="Findings")

SKEW = 300
"""How many seconds a document's timestamp may lie in the future of ``at``: clocks differ."""


@dataclass(frozen=True, slots=True, init=False)
class Findings(verified.Findings):
    """What was found about an accepted document.

    ``measurement`` is :func:`~privproc.attestation.nitro.policy.measurement` of its registers, ``pcrs`` are all of
    them (48 bytes each), ``chain_fingerprint`` is the SHA-256 of the certificate that signed.
    """

    module_id: str
    timestamp: int
    pcrs: Mapping[int, bytes]
    chain_fingerprint: bytes


class VerifiedEvidence(Findings, verified.VerifiedEvidence):
    """A document of one session: made by :func:`appraise` only."""

    __slots__ = ()


class KeyEvidence(Findings, verified.KeyEvidence):
    """A document that is bound to a key: made by :func:`appraise_key` only."""

    __slots__ = ()


class UnboundEvidence(Findings, verified.UnboundEvidence):
    """A document about nobody in particular: made by :func:`appraise_unbound` only."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class _Case:
    document: Document
    chain: VerifiedChain
    measurement: bytes
    expected: Expectation
    policy: Policy
    at: int

    @property
    def binding(self) -> bytes:
        return self.expected.report_data

    @property
    def made(self) -> int:
        return self.document.timestamp // 1000


def appraise(
    evidence: bytes,
    *,
    binding: SessionBinding,
    policy: Policy,
    roots: Roots,
    logged: Logged,
    role: str,
    revocations: RevocationCheck,
    at: int,
) -> VerifiedEvidence:
    """Decide about ``evidence`` (a document of up to 16640 bytes) at the Unix time ``at``.

    ``binding`` is the locally computed report data, compared with ``user_data``; ``nonce`` and ``public_key`` must be
    empty then. ``roots``: :data:`~privproc.attestation.nitro.chain.AWS_ROOTS`; ``logged`` is the ledger's word for the
    measurement, and must be for exactly ``role``; ``revocations`` is the ledger's list, in which measurement, SHA-256
    of the module's id and the fingerprint of the document's certificate are looked up, or
    :data:`~privproc.attestation.expectation.NO_REVOCATIONS`. Raises :class:`DecodeError`, :class:`UnsupportedError`,
    :class:`SignatureError`, :class:`UntrustedError` (another session, program, register, root or role),
    :class:`PolicyError` (also: revoked) or :class:`ExpiredError`; :class:`UsageError` for arguments that no document
    could match.
    """
    expected = Expectation.session(binding, logged, role, revocations)
    return _decide(VerifiedEvidence, evidence, expected, policy, roots, at)


def appraise_key(
    evidence: bytes,
    *,
    binding: KeyBinding,
    policy: Policy,
    roots: Roots,
    logged: Logged | PinnedMeasurement,
    role: str,
    revocations: RevocationCheck,
    at: int,
) -> KeyEvidence:
    """As :func:`appraise`, for evidence that is bound to a key and not to a session: another protocol's.

    ``binding`` is computed from the key that the caller sees, and names what ``user_data``, ``nonce`` and
    ``public_key`` must be; ``logged`` may be a pinned measurement.
    """
    expected = Expectation.key(binding, logged, role, revocations)
    return _decide(KeyEvidence, evidence, expected, policy, roots, at)


def appraise_unbound(
    evidence: bytes,
    *,
    policy: Policy,
    roots: Roots,
    logged: Logged | PinnedMeasurement,
    role: str,
    revocations: RevocationCheck,
    at: int,
) -> UnboundEvidence:
    """As :func:`appraise`, for evidence about nobody in particular.

    None of ``user_data``, ``nonce`` and ``public_key`` is compared.
    """
    expected = Expectation.unbound(logged, role, revocations)
    return _decide(UnboundEvidence, evidence, expected, policy, roots, at)


def _decide(kind: type[F], evidence: bytes, expected: Expectation, policy: Policy, roots: Roots, at: int) -> F:
    with stage("decode"):
        document = Document.decode(evidence)
    with stage("chain"):
        chain = verify_chain(document.certificate, document.cabundle, roots=roots, at=at)
    with stage("pcrs"):
        measured = measurement(document.pcrs, policy.logged_pcrs)
    case = _Case(document, chain, measured, expected, policy, at)
    checks = ("chain", *expected.run(_CHECKS, case))
    identifiers = [chain.fingerprint, hashlib.sha256(document.module_id.encode()).digest()]
    checks += expected.confirm(measured, identifiers, at=at)
    return kind._earn(
        evidence_digest=hashlib.sha384(evidence).digest(),
        measurement=measured,
        binding=document.user_data,
        role=expected.role,
        policy_digest=policy.digest,
        checks=checks,
        not_before=chain.not_before,
        not_after=min(chain.not_after, expected.not_after, case.made + policy.max_age),
        module_id=document.module_id,
        timestamp=document.timestamp,
        pcrs=document.pcrs,
        chain_fingerprint=chain.fingerprint,
    )


def _signature(case: _Case) -> None:
    case.document.message.verify(case.chain.key)


def _binding(case: _Case) -> None:
    if not hmac.compare_digest(case.document.user_data, case.binding):
        raise UntrustedError("document is bound to another session")


def _unused_fields(case: _Case) -> None:
    document, expected = case.document, case.expected
    if (document.nonce, document.public_key) != (expected.nonce, expected.public_key):
        raise UntrustedError("document is of another protocol: nonce or public_key differs")


def _signing_time(case: _Case) -> None:
    first, end = case.chain.leaf_window
    if not first <= case.made < end:
        raise UntrustedError("document states a time at which its certificate wasn't valid")


def _age(case: _Case) -> None:
    check_window("document", case.made - SKEW, case.made + case.policy.max_age, at=case.at)


def _debug(case: _Case) -> None:
    if not all(any(case.document.pcrs[index]) for index in IMAGE_PCRS):
        raise PolicyError("debug enclave: its registers are zero")


def _pcrs(case: _Case) -> None:
    case.policy.check(case.document.pcrs)


def _role(case: _Case) -> None:
    case.expected.check_role()


def _log(case: _Case) -> None:
    case.expected.logged.confirm(case.measurement, at=case.at)


_CHECKS: tuple[tuple[str, Callable[[_Case], None]], ...] = (
    ("signature", _signature),
    ("binding", _binding),
    ("unused-fields", _unused_fields),
    ("signing-time", _signing_time),
    ("age", _age),
    ("debug", _debug),
    ("pcrs", _pcrs),
    ("role", _role),
    ("log", _log),
)
"""Name and check, in order, after the chain's. A test removes each and shows that a bad document passes without it."""
