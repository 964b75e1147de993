"""What an enclave shows beside its own evidence: its machine's GPUs and switches, and the back ends behind it.

The enclave's own evidence commits to all of it, so it is judged after that, and by the same directory
(docs/protocol.md §4.10 and §15.4).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile
from typing import NamedTuple

from privproc.attestation import NO_REVOCATIONS, VerifiedEvidence, nvidia, snp
from privproc.attestation.binder import Binding
from privproc.attestation.forwarded import (
    BACK_END,
    CommittedBackEnd,
    ForwardedEvidence,
    demand_back_ends,
    read_back_ends,
)
from privproc.errors import PolicyError, UnsupportedError
from privproc.session.contents import Contents, Service
from privproc.session.directory import Anchors
from privproc.session.grounds import grounds
from privproc.session.profile import FORMATS
from privproc.trust import check_window

__all__ = ["Beside", "Shown", "appraise_beside", "of_machine"]

Shown = Sequence[tuple[int, bytes]]
"""Type and evidence of each."""


class Beside(NamedTuple):
    """What was found: ``machine`` is ``None`` where the directory asks for no devices, so that there are none."""

    machine: nvidia.FreshDevices | None
    back_ends: tuple[ForwardedEvidence, ...]

    @property
    def not_after(self) -> int:
        """When the first of it ends (Unix seconds)."""
        return min([it.not_after for it in self._all()], default=1 << 64)

    def check(self, *, at: int) -> None:
        """Raise :class:`ExpiredError` unless all of it is in its time."""
        for it in self._all():
            check_window("evidence beside the session's", it.not_before, it.not_after, at=at)

    def _all(self) -> tuple[nvidia.FreshDevices | ForwardedEvidence, ...]:
        return self.back_ends if self.machine is None else (self.machine, *self.back_ends)


def of_machine(shown: Shown) -> Shown:
    """The devices of the enclave's own machine, which come before all back ends."""
    return tuple(takewhile(lambda item: item[0] != BACK_END, shown))


# req: privproc1/4.10 what-the-service-demands
def appraise_beside(
    front: VerifiedEvidence,
    binding: Binding,
    shown: Shown,
    *,
    contents: Contents,
    service: Service,
    anchors: Anchors,
    at: int,
) -> Beside:
    """Judge ``shown``, which came with ``front``, by what ``contents`` demands of ``service``: exactly that.

    ``binding`` is the binder of this session, which ``front`` was appraised against. Raises :class:`PolicyError` for
    devices or back ends that are missing, or that nobody asked for, :class:`UnsupportedError` for another type,
    :class:`UntrustedError` for a back end of a role that the directory doesn't list, and what
    :func:`privproc.attestation.nvidia.appraise`, :func:`privproc.attestation.forwarded.read_back_ends` and the
    appraisal of a session raise.
    """
    machine = _machine(of_machine(shown), binding, service, anchors, at)
    committed = read_back_ends(front, binding, shown, machine=machine, at=at)
    back_ends = tuple(_back_end(each, contents, anchors, at) for each in committed)
    demand_back_ends(back_ends, service.back_ends, at=at)
    return Beside(machine, back_ends)


def _machine(
    devices: Shown, binding: Binding, service: Service, anchors: Anchors, at: int
) -> nvidia.FreshDevices | None:
    if service.devices is None:
        # One that is shown is in use: what nobody has judged must not be taken for judged.
        if devices:
            raise PolicyError("evidence of devices that the directory doesn't ask for")
        return None
    return nvidia.appraise(
        devices,
        binding=binding,
        policy=service.devices,
        roots=anchors.device_roots,
        revocations=NO_REVOCATIONS,  # as in a session
        at=at,
    )


def _back_end(committed: CommittedBackEnd, contents: Contents, anchors: Anchors, at: int) -> ForwardedEvidence:
    """Judged as a device would judge it in a session of its own, but for the announcement, of which it has none."""
    service, shown = contents.service(committed.role), committed.attestation
    if shown.format not in FORMATS:
        raise UnsupportedError(f"back end's evidence of format {shown.format}")
    chain, logged = grounds(
        endorsements=shown.endorsements,
        log_proof=shown.log_proof,
        contents=contents,
        service=service,
        anchors=anchors,
        at=at,
    )
    # req: privproc1/15.4 judged-by-the-directory
    evidence = snp.appraise(
        shown.evidence,
        binding=committed.binding,
        policy=service.policy,
        chain=chain,
        logged=logged,
        role=service.role,
        revocations=NO_REVOCATIONS,  # as in a session
        at=at,
    )
    machine = _machine(shown.devices, committed.binder, service, anchors, at)
    return committed.accept(evidence, machine=machine, role=service.role, maximum_age=service.age, at=at)
