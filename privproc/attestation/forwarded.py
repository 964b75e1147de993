"""Evidence of a back end that a front end appraised, forwarded to the device (docs/protocol.md §15.4).

The device's own session ends at the front end. What stands behind it, such as a model's enclave, attested to the front
end over a session of theirs. The front end commits to that evidence in its own, as to a device of its machine::

    devices   = [back_end.device]                                   # front end, into its binder and its offer
    committed, = read_back_ends(front, binding, devices, machine=None, at=at)   # device, after appraisal of that one
    evidence  = snp.appraise(committed.attestation.evidence, binding=committed.binding, role="model", ...)
    forwarded = committed.accept(evidence, role="model", maximum_age=3600, at=at)

This is **weaker** than evidence about one's own session, and has a type of its own, which releases no channel. A device
of :mod:`privproc.session` does all this by itself, where its directory names back ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Self, final

from privproc._step import Step
from privproc.attestation.binder import EXPORTER_LENGTH, Binding, Direction, SessionBinding
from privproc.attestation.certificate import MAX_CERTIFICATE
from privproc.attestation.message import Attestation
from privproc.attestation.nvidia.appraisal import FreshDevices
from privproc.attestation.verified import VerifiedEvidence
from privproc.errors import PolicyError, UnsupportedError, UntrustedError, UsageError
from privproc.secret import Secret
from privproc.trust import Earned, check_window
from privproc.wire import Reader, Writer

__all__ = [
    "AHEAD",
    "BACK_END",
    "BackEnd",
    "CommittedBackEnd",
    "ForwardedEvidence",
    "demand_back_ends",
    "read_back_ends",
]

BACK_END: Final = 0x0100
"""Type of the item in ``dev``. Types below are for devices in the machine itself."""

AHEAD: Final = 300
"""Seconds by which a front end's clock may be ahead of the device's."""

_TH1: Final = 48
_NAME_LIMIT: Final = 255


@dataclass(frozen=True, slots=True)
class BackEnd:
    """What a front end says of a back end, with the public inputs of the binder that the back end's hardware signed::

        struct {
            opaque role<1..255>;                uint32 lengths; UTF-8
            uint64 since;                       Unix seconds: when the front end accepted the evidence
            opaque th1[48];
            opaque exporter[32];                the exporter value of their session: of no use for anything else
            opaque leaf<1..2^13>;               the back end's certificate
            Attestation attestation;
        } BackEnd;

    The front end's leaf is left out: the device knows it from its own handshake.
    """

    role: str
    since: int
    th1: bytes = field(repr=False)
    exporter: bytes = field(repr=False)
    leaf: bytes = field(repr=False)
    attestation: Attestation

    @classmethod
    def of(cls, binding: Binding, attestation: Attestation, *, since: int) -> Self:
        """From the binder of a session in which the back end is the TLS server."""
        return cls(binding.role, since, binding.th1, binding.exporter.expose(), binding.leaf, attestation)

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Raises :class:`DecodeError`."""
        return Reader.all(data, "BackEnd", cls._read)

    @classmethod
    def _read(cls, reader: Reader) -> Self:
        try:
            role = reader.vector(4, 1, _NAME_LIMIT).decode()
        except UnicodeDecodeError:
            raise reader.fail("the role is not UTF-8") from None
        since, th1, exporter = reader.u64(), reader.take(_TH1), reader.take(EXPORTER_LENGTH)
        return cls(role, since, th1, exporter, reader.vector(4, 1, MAX_CERTIFICATE), Attestation.decode(reader.rest()))

    def encode(self) -> bytes:
        """The wire form."""
        writer = Writer().vector(4, self.role.encode()).uint(8, self.since).raw(self.th1).raw(self.exporter)
        return writer.vector(4, self.leaf).raw(self.attestation.encode()).done()

    @property
    def device(self) -> tuple[int, bytes]:
        """Type and evidence, as binder and offer take devices."""
        return BACK_END, self.encode()

    # req: privproc1/15.4 the-front-ends-leaf
    def binder(self, front_leaf: bytes) -> Binding:
        """The binder of a session in which the client was the end with ``front_leaf``."""
        return Binding(
            Direction.SERVER_TO_CLIENT,
            0,
            self.role,
            self.th1,
            Secret(self.exporter),
            leaf=self.leaf,
            peer=front_leaf,
            announcement=b"",
        )

    def binding(self, front_leaf: bytes) -> SessionBinding:
        """The 64 bytes that the back end's hardware must have signed if its client was the end with ``front_leaf``."""
        return self.binder(front_leaf).report_data(self.attestation.devices)


def read_back_ends(
    front: VerifiedEvidence,
    binding: Binding,
    devices: Sequence[tuple[int, bytes]],
    *,
    machine: FreshDevices | None,
    at: int,
) -> tuple[CommittedBackEnd, ...]:
    """The back ends that ``front``'s hardware-signed field commits to.

    ``binding`` is the binder of the device's own session with the front end, ``devices`` what came with its evidence.
    ``machine``: those of the front end's own machine, which come first, once they were appraised. Raises
    :class:`UntrustedError` if ``front`` is not about this session with exactly these devices, or if other ones were
    appraised, :class:`ExpiredError`, :class:`DecodeError`, and :class:`UnsupportedError` for an item of another type.
    """
    front.expect(binding.report_data(devices), at=at)
    own = len(machine.devices) if machine is not None else 0
    if machine is not None and machine.report_data != binding.report_data(devices[:own]):
        raise UntrustedError("other devices were appraised")
    # req: privproc1/4.10 machine-first
    if any(kind != BACK_END for kind, _ in devices[own:]):
        # req: privproc1/15.4 committed-to
        raise UnsupportedError("a device that is not a back end")
    found = [BackEnd.decode(data) for _, data in devices[own:]]
    return tuple(CommittedBackEnd(_Committed(back_end, front, binding.leaf)) for back_end in found)


class _Committed(NamedTuple):
    back_end: BackEnd
    front: VerifiedEvidence
    front_leaf: bytes


@final
class CommittedBackEnd(Step[_Committed]):
    """A back end that a front end vouches for; its own evidence has not been appraised yet.

    ``role`` is what the front end says it is; ``attestation`` what it showed; ``binding`` (64 bytes) what its hardware
    must have signed, computed from the front end's leaf as this device's own handshake had it. The ``binder`` is what
    devices of its machine are appraised for.
    """

    __slots__ = ("attestation", "binder", "binding", "role")

    def __init__(self, committed: _Committed) -> None:
        super().__init__(committed)
        self.role = committed.back_end.role
        self.attestation = committed.back_end.attestation
        self.binder = committed.back_end.binder(committed.front_leaf)
        self.binding = committed.back_end.binding(committed.front_leaf)

    def accept(
        self,
        evidence: VerifiedEvidence,
        *,
        machine: FreshDevices | None = None,
        role: str,
        maximum_age: int,
        at: int,
    ) -> ForwardedEvidence:
        """What the device may know of the back end, if ``evidence`` is its, of ``role``, and good at ``at``.

        ``machine``: what was found about the devices in ``attestation``, needed where there are any. ``maximum_age``
        (seconds, at least 1): how long ago the front end may have accepted it. Raises :class:`UntrustedError` for
        evidence with another binding or of other devices, :class:`PolicyError` for another role, :class:`ExpiredError`.
        :class:`UsageError` for what no appraisal made doesn't spend the step.
        """
        if not isinstance(evidence, VerifiedEvidence):
            raise UsageError("only appraised evidence counts")
        if not role or maximum_age < 1:
            raise UsageError("role and maximum_age are required")
        back_end, front, _ = self._take()
        if back_end.role != role or evidence.role != role:
            # req: privproc1/15.4 role-and-age
            raise PolicyError("a back end of another role")
        evidence.expect(self.binding, at=at)
        self.attestation.check_devices(machine, self.binding, at=at)
        begin, end = back_end.since - AHEAD, back_end.since + maximum_age
        check_window("back end's session", begin, end, at=at)
        parts = (evidence, front) if machine is None else (evidence, front, machine)
        return ForwardedEvidence._earn(
            role=role,
            measurement=evidence.measurement,
            evidence_digest=evidence.evidence_digest,
            policy_digest=evidence.policy_digest,
            since=back_end.since,
            front=front,
            machine=machine,
            not_before=max(begin, *(each.not_before for each in parts)),
            not_after=min(end, *(each.not_after for each in parts)),
        )


@dataclass(frozen=True, slots=True, init=False)
class ForwardedEvidence(Earned):
    """A back end whose evidence this device appraised, about a session that it did **not** see.

    Verified by the device: genuine hardware, the logged measurement, the policy, under ``role``; that this evidence
    names the leaf of the very front end that it talks to; that the front end, of which ``front`` tells, commits to it.
    ``machine``: the same of the GPUs and switches of its machine, where it has any.

    On the front end's word: that the session with that exporter value is its own, ended at the back end's leaf and
    still stands; that it was accepted at ``since`` (Unix seconds); that the question goes there and nowhere else.

    Digests as in :class:`~privproc.attestation.VerifiedEvidence`. Good while ``not_before <= at < not_after``.
    """

    role: str
    measurement: bytes
    evidence_digest: bytes
    policy_digest: bytes
    since: int
    front: VerifiedEvidence
    machine: FreshDevices | None
    not_before: int
    not_after: int

    def expect(self, *, at: int) -> None:
        """Raises :class:`ExpiredError` unless this, and the front end's evidence, are good at ``at`` (Unix seconds)."""
        check_window("forwarded evidence", self.not_before, self.not_after, at=at)


def demand_back_ends(found: Sequence[ForwardedEvidence], roles: Sequence[str], *, at: int) -> None:
    """Raise :class:`PolicyError` unless ``found`` has each of ``roles`` once and nothing else, :class:`ExpiredError`
    unless all of it is good at ``at`` (Unix seconds).
    """
    if sorted(each.role for each in found) != sorted(roles):
        # req: privproc1/15.4 exactly-the-demanded
        raise PolicyError("not the back ends that are demanded")
    for each in found:
        each.expect(at=at)
