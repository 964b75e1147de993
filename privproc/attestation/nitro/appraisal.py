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

from privproc.attestation import verified
from privproc.attestation.nitro.chain import VerifiedChain, verify_chain
from privproc.attestation.nitro.document import Document
from privproc.attestation.nitro.policy import IMAGE_PCRS, Policy, measurement
from privproc.attestation.roots import Roots
from privproc.attestation.verified import check_arguments
from privproc.errors import PolicyError, UntrustedError
from privproc.ledger import Logged
from privproc.trust import check_window

__all__ = ["SKEW", "VerifiedEvidence", "appraise"]

SKEW = 300
"""How many seconds a document's timestamp may lie in the future of ``at``: clocks differ."""


@dataclass(frozen=True, slots=True, init=False)
class VerifiedEvidence(verified.VerifiedEvidence):
    """An accepted document: made by :func:`appraise` only.

    ``measurement`` is :func:`~privproc.attestation.nitro.policy.measurement` of its registers, ``pcrs`` are all of
    them (48 bytes each), ``chain_fingerprint`` is the SHA-256 of the certificate that signed.
    """

    module_id: str
    timestamp: int
    pcrs: Mapping[int, bytes]
    chain_fingerprint: bytes


@dataclass(frozen=True, slots=True)
class _Case:
    document: Document
    chain: VerifiedChain
    measurement: bytes
    binding: bytes
    policy: Policy
    logged: Logged
    role: str
    at: int

    @property
    def made(self) -> int:
        return self.document.timestamp // 1000


def appraise(
    evidence: bytes,
    *,
    binding: bytes,
    policy: Policy,
    roots: Roots,
    logged: Logged,
    role: str,
    at: int,
) -> VerifiedEvidence:
    """Decide about ``evidence`` (a document of up to 16640 bytes) at the Unix time ``at``.

    ``binding`` is the locally computed report data (exactly 64 bytes, not all zero), compared with ``user_data``;
    ``roots``: :data:`~privproc.attestation.nitro.chain.AWS_ROOTS`; ``logged`` is the ledger's word for the
    measurement, and must be for exactly ``role``. Raises :class:`DecodeError`, :class:`UnsupportedError`,
    :class:`SignatureError`, :class:`UntrustedError` (another session, program, register, root or role),
    :class:`PolicyError` or :class:`ExpiredError`; :class:`UsageError` for arguments that no document could match.
    """
    check_arguments(binding, logged, role)
    document = Document.decode(evidence)
    chain = verify_chain(document.certificate, document.cabundle, roots=roots, at=at)
    measured = measurement(document.pcrs, policy.logged_pcrs)
    case = _Case(document, chain, measured, binding, policy, logged, role, at)
    for _, check in _CHECKS:
        check(case)
    return VerifiedEvidence._earn(
        evidence_digest=hashlib.sha384(evidence).digest(),
        measurement=measured,
        binding=document.user_data,
        role=role,
        policy_digest=policy.digest,
        checks=("chain", *(name for name, _ in _CHECKS)),
        not_before=chain.not_before,
        not_after=min(chain.not_after, logged.not_after, case.made + policy.max_age),
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
    if case.document.nonce or case.document.public_key:
        raise UntrustedError("document is of another protocol: nonce or public_key is not empty")


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
    if case.logged.role != case.role:
        raise UntrustedError("log entry is for another role")


def _log(case: _Case) -> None:
    case.logged.confirm(case.measurement, at=case.at)


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
