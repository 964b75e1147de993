"""The decision about all devices of one machine: genuine, each once, in a known state, and asked for this session.

Devices come first, since the nonce of each follows from the session, and the evidence of all goes into what the CPU
signs::

    pre = Binding(...)
    devices = nvidia.appraise(received, binding=pre, policy=policy, roots=nvidia.NVIDIA_ROOTS, revocations=..., at=now)
    cpu = snp.appraise(evidence, binding=devices.report_data, ...)

Neither says anything without the other: a GPU of another machine can sign any nonce, and a CPU can hash anything.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from privproc.attestation.binder import Binding, SessionBinding
from privproc.attestation.expectation import Level, NoRevocations, RevocationCheck, stage
from privproc.attestation.nvidia.chain import VerifiedAuthorities, VerifiedChain, verify_authorities, verify_chain
from privproc.attestation.nvidia.evidence import Evidence, Kind
from privproc.attestation.nvidia.policy import Devices, Policy, Reference
from privproc.attestation.nvidia.report import NONCE_SIZE, Report
from privproc.attestation.roots import Roots
from privproc.errors import LimitError, PeerError, PolicyError, UnsupportedError, UntrustedError, UsageError
from privproc.ledger import VerifiedRevocations
from privproc.tagged import tagged_hash
from privproc.trust import Earned

__all__ = ["BootDevices", "Device", "FreshDevices", "appraise", "appraise_boot"]

_MOST = 510  # as many as a policy can ask for
_AT_BOOT = {Kind.GPU_AT_BOOT: Kind.GPU, Kind.SWITCH_AT_BOOT: Kind.SWITCH}
_FRESH = {Kind.GPU: Kind.GPU, Kind.SWITCH: Kind.SWITCH}


@dataclass(frozen=True, slots=True, init=False)
class Device(Earned):
    """What was found about one accepted device.

    ``kind`` as the evidence came; ``identity``, ``model``, ``fingerprint`` and ``authorities`` as in
    :class:`~privproc.attestation.nvidia.chain.VerifiedChain`; ``driver`` and ``firmware`` are versions; ``measurement``
    (48 bytes) names all that was measured: ``T("nvidia measurement", ..)`` over the blocks in ascending order, of each
    its index (one byte) and value. ``evidence_digest``: SHA-384 (48 bytes) of the evidence. ``nonce`` (32 bytes): what
    it signed.
    """

    kind: Kind
    identity: bytes
    model: str
    driver: str
    firmware: str
    measurement: bytes
    evidence_digest: bytes
    fingerprint: bytes
    authorities: tuple[bytes, ...] = field(repr=False)
    nonce: bytes


@dataclass(frozen=True, slots=True, init=False)
class FreshDevices(Earned):
    """Devices that signed nonces of one session: made by :func:`appraise` only.

    ``report_data`` is what the CPU must have signed for that session and exactly this evidence. ``checks`` names what
    was checked, in order. Good while ``not_before <= at < not_after`` (Unix seconds).
    """

    devices: tuple[Device, ...]
    report_data: SessionBinding
    policy_digest: bytes
    checks: tuple[str, ...]
    not_before: int
    not_after: int
    level = Level.SESSION


@dataclass(frozen=True, slots=True, init=False)
class BootDevices(Earned):
    """Devices that signed nonces when their machine started: made by :func:`appraise_boot` only.

    No session is theirs. That the machine in front of us is the one that asked them is the word of its measured
    program, and of nobody else.
    """

    devices: tuple[Device, ...]
    policy_digest: bytes
    checks: tuple[str, ...]
    not_before: int
    not_after: int
    level = Level.NONE


@dataclass(frozen=True, slots=True)
class _Case:
    kind: Kind  # a GPU or a switch
    report: Report
    chain: VerifiedChain
    nonce: bytes
    policy: Policy

    @property
    def references(self) -> list[Reference]:
        state = self.kind, self.chain.model, self.report.driver, self.report.firmware
        return [each for each in self.policy.references if each.state == state]


def appraise(
    devices: Sequence[tuple[int, bytes]],
    *,
    binding: Binding,
    policy: Policy,
    roots: Roots,
    revocations: RevocationCheck,
    at: int,
) -> FreshDevices:
    """Decide about ``devices`` at the Unix time ``at``: type (:class:`Kind`) and encoded :class:`Evidence` of each.

    The order is that of the session: it decides each one's nonce. ``binding`` is the session's; ``roots``:
    :data:`~privproc.attestation.nvidia.chain.NVIDIA_ROOTS`; ``revocations`` is the ledger's list, in which measurement,
    identity and certificate's fingerprint of each device are looked up, or
    :data:`~privproc.attestation.expectation.NO_REVOCATIONS`.

    Raises :class:`DecodeError`, :class:`UnsupportedError` (another type), :class:`LimitError` (too many),
    :class:`SignatureError`, :class:`UntrustedError` (root, another session's nonce, one device twice),
    :class:`PolicyError` (number, state, device, revoked) or :class:`ExpiredError`; :class:`UsageError` for arguments
    that no device could match.
    """
    if not isinstance(binding, Binding):
        raise UsageError("the session's binding is required")
    nonces = [binding.device_nonce(index) for index in range(min(len(devices), _MOST))]
    found, window, checks = _decide(devices, nonces, _FRESH, policy, roots, revocations, at)
    return FreshDevices._earn(
        devices=found,
        report_data=binding.report_data([(int(kind), evidence) for kind, evidence in devices]),
        policy_digest=policy.digest,
        checks=checks,
        not_before=window[0],
        not_after=window[1],
    )


def appraise_boot(
    devices: Sequence[tuple[int, bytes]],
    *,
    nonces: Sequence[bytes],
    policy: Policy,
    roots: Roots,
    revocations: RevocationCheck,
    at: int,
) -> BootDevices:
    """As :func:`appraise`, for evidence that was made when the machine started.

    ``nonces`` (32 bytes each, not zero) are what the devices must have signed, from a source that the caller trusts:
    the machine's event log, say. One from the evidence itself proves nothing.
    """
    if len(nonces) != len(devices) or not all(len(each) == NONCE_SIZE and any(each) for each in nonces):
        raise UsageError(f"each device has a nonce of {NONCE_SIZE} bytes, not all zero")
    found, window, checks = _decide(devices, nonces, _AT_BOOT, policy, roots, revocations, at)
    return BootDevices._earn(
        devices=found, policy_digest=policy.digest, checks=checks, not_before=window[0], not_after=window[1]
    )


def _decide(
    devices: Sequence[tuple[int, bytes]],
    nonces: Sequence[bytes],
    kinds: dict[Kind, Kind],
    policy: Policy,
    roots: Roots,
    revocations: RevocationCheck,
    at: int,
) -> tuple[tuple[Device, ...], tuple[int, int], tuple[str, ...]]:
    if not isinstance(revocations, (VerifiedRevocations, NoRevocations)):
        raise UsageError("revocations are a list of the ledger's, or NO_REVOCATIONS")
    if len(devices) > _MOST:
        raise LimitError(f"devices: {len(devices)} is over the limit of {_MOST}")
    with stage("count"):
        _count(devices, kinds, policy)
    known: dict[tuple[bytes, ...], VerifiedAuthorities] = {}
    found, chains = [], []
    for (kind, encoded), nonce in zip(devices, nonces, strict=True):
        with stage("decode"):
            evidence = Evidence.decode(encoded)
            report = Report.decode(evidence.report)
        with stage("chain"):
            above = evidence.certificates[2:]
            if above not in known:
                known[above] = verify_authorities(above, roots=roots, at=at)
            chain = verify_chain(evidence.certificates, roots=roots, at=at, authorities=known[above])
        _check(_Case(kinds[Kind(kind)], report, chain, nonce, policy))
        chains.append(chain)
        found.append(_device(Kind(kind), encoded, report, chain))
    with stage("distinct"):
        _distinct(found)
    checks = ("count", "chain", *(name for name, _ in _CHECKS), "distinct")
    not_after = min([each.not_after for each in chains] + [at + policy.max_age])
    if isinstance(revocations, VerifiedRevocations):
        with stage("revocation-list"):
            looked_up = [part for each in found for part in (each.measurement, each.identity, each.fingerprint)]
            revocations.check(*looked_up, at=at)
        checks, not_after = (*checks, "revocation-list"), min(not_after, revocations.not_after)
    return tuple(found), (max(each.not_before for each in chains), not_after), checks


def _check(case: _Case) -> None:
    for name, check in _CHECKS:
        try:
            check(case)
        except PeerError as error:
            error.check = name
            raise


def _device(kind: Kind, encoded: bytes, report: Report, chain: VerifiedChain) -> Device:
    blocks = [bytes((index,)) + report.measurements[index] for index in sorted(report.measurements)]
    return Device._earn(
        kind=kind,
        identity=chain.identity,
        model=chain.model,
        driver=report.driver,
        firmware=report.firmware,
        measurement=tagged_hash("nvidia measurement", *blocks),
        evidence_digest=hashlib.sha384(encoded).digest(),
        fingerprint=chain.fingerprint,
        authorities=chain.authorities,
        nonce=report.nonce,
    )


def _count(devices: Sequence[tuple[int, bytes]], kinds: dict[Kind, Kind], policy: Policy) -> None:
    """One that is missing would be one that nobody has looked at, yet the program uses it."""
    if any(kind not in kinds for kind, _ in devices):
        raise UnsupportedError("devices: a type that isn't one of these")
    # req: privproc1/4.11 as-many-as-there-must-be
    there = [kinds[Kind(kind)] for kind, _ in devices]
    for kind in _FRESH:
        if there.count(kind) != policy.count(kind):
            raise PolicyError(f"devices: {there.count(kind)} of type {kind.name} instead of {policy.count(kind)}")


def _distinct(found: list[Device]) -> None:
    """One good GPU must not answer for eight."""
    # req: privproc1/4.11 each-device-once
    if len({device.identity for device in found}) != len(found):
        raise UntrustedError("one device comes twice")


def _signature(case: _Case) -> None:
    case.report.verify(case.chain.key)


def _nonce(case: _Case) -> None:
    if not hmac.compare_digest(case.report.nonce, case.nonce):
        raise UntrustedError("device signed another nonce")


def _firmware_id(case: _Case) -> None:
    """A switch states none in its report, so that its certificate's stands alone."""
    stated = case.report.firmware_id
    if stated != case.chain.firmware_id if stated else case.kind is Kind.GPU:
        raise UntrustedError("device states another firmware than its certificate")


def _reference(case: _Case) -> None:
    if not case.references:
        raise PolicyError("no reference for this model, driver and firmware")


def _measurements(case: _Case) -> None:
    """Under one of the references; the first one's complaint stands for all."""
    complaints = []
    for reference in case.references:
        try:
            return reference.check(case.report)
        except PolicyError as error:
            complaints.append(error)
    if complaints:
        raise complaints[0]
    return None


def _allowed(case: _Case) -> None:
    allowed = case.policy.devices
    if isinstance(allowed, Devices) and case.chain.identity not in allowed.identities:
        raise PolicyError("device is not on the list")


# req: privproc1/4.11 each-check-of-a-device
_CHECKS: tuple[tuple[str, Callable[[_Case], None]], ...] = (
    ("signature", _signature),
    ("nonce", _nonce),
    ("firmware-id", _firmware_id),
    ("reference", _reference),
    ("measurements", _measurements),
    ("device", _allowed),
)
"""Name and check, in order, after a device's chain. A test removes each; bad evidence passes without it."""
