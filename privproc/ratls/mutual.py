"""Two enclaves attest to each other over one TLS session, before either can send anything else (docs/protocol.md §15).

The handshake is that of :func:`~privproc.ratls.connect` and :func:`~privproc.ratls.accept`, without a client
certificate. What follows are exported authenticators inside of TLS; each end's evidence names both leaves. ::

    records, introduced = mutual.introduce(established, identity, role="orchestrator", peer_role="model")
    presented           = introduced.receive(records_of_the_server)
    evidence            = snp.appraise(presented.attestation.evidence, binding=presented.binding, role="model", ...)
    proving             = presented.accept(evidence, at=at)
    records, channel    = proving.attest(Attestation(1, report(proving.report_data), chain, log_proof))

    responding          = mutual.respond(attesting, identity, records, role="model", peer_role="orchestrator")
    records, awaiting   = responding.attest(Attestation(1, report(responding.report_data), chain, log_proof))
    presented           = awaiting.receive(records_of_the_client)
    channel             = presented.accept(evidence, at=at)          # appraised as above

Each ``records`` is one flight, to be handed over whole. The caller appraises, by whatever the format needs; what the
evidence has to be bound to is computed here. Only the last step of either end gives something that can send.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final, NamedTuple, TypeVar, final

from privproc._outcome import each
from privproc._step import Step
from privproc.attestation import VerifiedEvidence
from privproc.attestation.binder import Binding, Direction
from privproc.attestation.forwarded import BackEnd
from privproc.attestation.message import Attestation
from privproc.attestation.nvidia.appraisal import FreshDevices
from privproc.attestation.proof import Proof, Unproven
from privproc.errors import DecodeError, UntrustedError, UsageError
from privproc.ratls.authenticator import Authenticators, PendingAuthenticator, Side
from privproc.ratls.channel import Channel, DataReceived, EndOfData, Event
from privproc.ratls.client import Established
from privproc.ratls.exchange import Introduction, Presentation, introduced, presented
from privproc.ratls.server import Attesting, Identity
from privproc.tagged import lp
from privproc.wire import Reader, bounded

__all__ = [
    "MAX_MUTUAL_FLIGHT",
    "Awaiting",
    "Introduced",
    "PresentedClient",
    "PresentedServer",
    "Proving",
    "Responding",
    "introduce",
    "respond",
]

MAX_MUTUAL_FLIGHT: Final = 1 << 19
"""Bytes of TLS records of one flight: the largest request and authenticator fit."""

S = TypeVar("S")


class _Ends(NamedTuple):
    """A session between two known leaves; ``own`` is this end's."""

    channel: Channel
    authenticators: Authenticators
    identity: Identity
    peer_leaf: bytes
    role: str
    peer_role: str

    def own(self, direction: Direction, th1: bytes) -> Binding:
        """What this end's evidence is bound to."""
        return self._binding(direction, th1, self.role, self.identity.leaf, self.peer_leaf)

    def peer(self, direction: Direction, th1: bytes) -> Binding:
        """What the other end's evidence has to be bound to."""
        return self._binding(direction, th1, self.peer_role, self.peer_leaf, self.identity.leaf)

    # req: privproc1/15.3 each-field-counts
    def _binding(self, direction: Direction, th1: bytes, role: str, leaf: bytes, peer: bytes) -> Binding:
        return Binding.exported(
            self.channel.export, direction, role=role, th1=th1, leaf=leaf, peer=peer, announcement=b""
        )

    def send(self, message: bytes) -> bytes:
        self.channel.send(lp(message))
        return self.channel.data_to_send()

    def receive(self, records: bytes) -> bytes:
        bounded("flight", len(records), MAX_MUTUAL_FLIGHT)
        return _message([*each(self.channel.receive_data, records)])

    def show(self, request: bytes, attestation: Attestation) -> bytes:
        credential = self.identity._credential
        return self.authenticators.authenticate(request, credential, attestation=attestation.wrap())

    def shown(self, pending: PendingAuthenticator, authenticator: bytes) -> Attestation:
        """What the other end shows, if it has the key of the leaf that everything is bound to."""
        peer = pending.finish(authenticator)
        if peer.chain != (self.peer_leaf,):
            # req: privproc1/15.2 the-expected-leaf
            raise UntrustedError("the authenticator is of another certificate")
        return Attestation.unwrap(peer.attestation)


# req: privproc1/15.1 whole-flights
def _message(events: list[Event]) -> bytes:
    """The one message, after its uint32 length, that a flight's data consist of."""
    if any(isinstance(event, EndOfData) for event in events):
        raise DecodeError("flight", "the other end closed the session")
    data = b"".join(event.data for event in events if isinstance(event, DataReceived))
    return Reader.all(data, "flight", lambda framed: framed.vector(4))


class _Presented(Step[S]):
    """Base of the steps that hold the other end's evidence, of a certificate whose key it has, not appraised yet.

    ``attestation`` is what it shows; ``binding`` (64 bytes) is what the hardware must have signed, computed here, and
    ``binder`` what devices of its machine are appraised for.
    """

    __slots__ = ("attestation", "binder", "binding")

    def __init__(self, state: S, attestation: Attestation, binder: Binding) -> None:
        super().__init__(state)
        self.attestation = attestation
        self.binder = binder
        self.binding = binder.report_data(attestation.devices)

    def _appraised(self, evidence: VerifiedEvidence) -> S:
        if not isinstance(evidence, VerifiedEvidence):
            raise UsageError("only appraised evidence releases a channel")
        return self._take()

    def _check(self, ends: _Ends, evidence: VerifiedEvidence, machine: FreshDevices | None, at: int) -> None:
        evidence.expect(self.binding, at=at)
        self.attestation.check_devices(machine, self.binding, at=at)
        if evidence.role != ends.peer_role:
            # req: privproc1/15.3 the-role-it-talks-to
            raise UntrustedError("the evidence is of another role")


# The client.


def introduce(established: Established, identity: Identity, *, role: str, peer_role: str) -> tuple[bytes, Introduced]:
    """The client's Finished and introduction, and the step that takes the server's answer.

    ``role`` is what this code serves, ``peer_role`` what the other end has to. Spends ``established``, in place of
    ``release``. Raises :class:`UntrustedError` if the server has this end's own certificate, :class:`UsageError` for
    an empty role.
    """
    _check_roles(role, peer_role)
    channel = Channel(established._take())
    _check_other(established._leaf, identity)
    ends = _Ends(channel, Authenticators(channel.export, Side.CLIENT), identity, established._leaf, role, peer_role)
    request, pending = ends.authenticators.request(attestation=True)
    introduction = Introduction(request, identity.leaf)
    return ends.send(introduction.encode()), Introduced((ends, introduction, pending))


@final
class Introduced(Step[tuple[_Ends, Introduction, PendingAuthenticator]]):
    """The introduction is out; waits for the server's evidence."""

    __slots__ = ()

    def receive(self, records: bytes) -> PresentedServer:
        """Take the server's flight. Raises :class:`DecodeError`, :class:`LimitError`, :class:`OpenError`,
        :class:`UntrustedError` for another certificate than the handshake's, and what
        :meth:`~privproc.ratls.authenticator.PendingAuthenticator.finish` raises.
        """
        ends, introduction, pending = self._take()
        presentation = Presentation.decode(ends.receive(records))
        attestation = ends.shown(pending, presentation.authenticator)
        binding = ends.peer(Direction.SERVER_TO_CLIENT, introduced(introduction, presentation.request))
        return PresentedServer((ends, presentation.request), attestation, binding)


@final
class PresentedServer(_Presented[tuple[_Ends, bytes]]):
    """The server's evidence, at the client."""

    __slots__ = ()

    # req: privproc1/15.1 nothing-before-acceptance
    def accept(self, evidence: VerifiedEvidence, *, machine: FreshDevices | None = None, at: int) -> Proving:
        """The step for this end's evidence, if ``evidence`` is of this session and the server's role, good at ``at``.

        ``machine``: what was found about the devices in ``attestation``, needed where there are any. Raises
        :class:`UntrustedError` for evidence of another session, end or role, or of other devices,
        :class:`ExpiredError` outside of its time. :class:`UsageError` for what no appraisal made doesn't spend
        the step.
        """
        ends, request = self._appraised(evidence)
        self._check(ends, evidence, machine, at)
        th1 = presented(self.binder.th1, self.binding, self.attestation)
        proof = Proof(ends.own(Direction.CLIENT_TO_SERVER, th1), None)
        return Proving(_Accepted(ends, request, proof), BackEnd.of(self.binder, self.attestation, since=at))


class _Accepted(NamedTuple):
    ends: _Ends
    request: bytes
    proof: Proof


@final
class Proving(Unproven[_Accepted]):
    """The server was appraised; this end's evidence is awaited. ``report_data``: the 64 bytes for its hardware report.

    ``back_end`` is what a front end can forward to its devices.
    """

    __slots__ = ("back_end",)

    def __init__(self, state: _Accepted, back_end: BackEnd) -> None:
        super().__init__(state)
        self.back_end = back_end

    def attest(self, attestation: Attestation) -> tuple[bytes, Channel]:
        """The last flight, and the channel. The server reads nothing before it has appraised this end.

        Devices come in by :meth:`show`. Raises :class:`PeerError` for a request of the server's that can't be answered.
        """
        attestation = _with_devices(attestation, self._look().proof)
        ends, request, _ = self._take()
        return ends.send(ends.show(request, attestation)), ends.channel


# The server.


class _Heard(NamedTuple):
    ends: _Ends
    introduction: Introduction
    request: bytes
    pending: PendingAuthenticator
    proof: Proof


def respond(attesting: Attesting, identity: Identity, records: bytes, *, role: str, peer_role: str) -> Responding:
    """Take the client's Finished and introduction; gives the step that awaits this end's evidence.

    ``identity`` is the handshake's. ``role`` is what this code serves, ``peer_role`` what the other end has to. Raises
    :class:`DecodeError`, :class:`LimitError`, :class:`OpenError`, :class:`UntrustedError` if the client has this end's
    own certificate, :class:`UsageError` for another identity or an empty role.
    """
    _check_roles(role, peer_role)
    if identity.leaf != attesting.leaf:
        raise UsageError("the handshake was another identity's")
    bounded("flight", len(records), MAX_MUTUAL_FLIGHT)
    channel, events = attesting.finish(records)
    introduction = Introduction.decode(_message([*events, *channel.receive_data(b"")]))
    _check_other(introduction.leaf, identity)
    ends = _Ends(channel, Authenticators(channel.export, Side.SERVER), identity, introduction.leaf, role, peer_role)
    request, pending = ends.authenticators.request(attestation=True)
    th1 = introduced(introduction, request)
    return Responding(
        _Heard(ends, introduction, request, pending, Proof(ends.own(Direction.SERVER_TO_CLIENT, th1), None))
    )


@final
class Responding(Unproven[_Heard]):
    """The client has introduced itself; evidence is awaited. ``report_data``: the 64 bytes for the hardware report."""

    __slots__ = ()

    def attest(self, attestation: Attestation) -> tuple[bytes, Awaiting]:
        """The server's flight, and the step that takes the client's evidence. Devices come in by :meth:`show`.

        Raises :class:`PeerError` for a request of the client's that can't be answered, such as one that doesn't ask
        for evidence, or repeats a context.
        """
        report_data = self.report_data
        attestation = _with_devices(attestation, self._look().proof)
        ends, introduction, request, pending, proof = self._take()
        presentation = Presentation(request, ends.show(introduction.request, attestation))
        after = presented(proof.binding.th1, report_data, attestation)
        return ends.send(presentation.encode()), Awaiting((ends, pending, after))


@final
class Awaiting(Step[tuple[_Ends, PendingAuthenticator, bytes]]):
    """The server's evidence is out; waits for the client's."""

    __slots__ = ()

    def receive(self, records: bytes) -> PresentedClient:
        """Take the client's last flight. Raises as :meth:`Introduced.receive`."""
        ends, pending, th1 = self._take()
        attestation = ends.shown(pending, ends.receive(records))
        return PresentedClient(ends, attestation, ends.peer(Direction.CLIENT_TO_SERVER, th1))


@final
class PresentedClient(_Presented[_Ends]):
    """The client's evidence, at the server."""

    __slots__ = ()

    def accept(self, evidence: VerifiedEvidence, *, machine: FreshDevices | None = None, at: int) -> Channel:
        """The channel, if ``evidence`` is of this session and the client's role, good at ``at`` (Unix seconds).

        Raises as :meth:`PresentedServer.accept`.
        """
        ends = self._appraised(evidence)
        self._check(ends, evidence, machine, at)
        return ends.channel


def _with_devices(attestation: Attestation, proof: Proof) -> Attestation:
    if attestation.devices:
        raise UsageError("devices are shown before the hardware signs: show")
    return replace(attestation, devices=proof.devices)


def _check_roles(role: str, peer_role: str) -> None:
    if not role or not peer_role:
        raise UsageError("both roles are required")


def _check_other(leaf: bytes, identity: Identity) -> None:
    """An end that shows this end's own certificate is a mirror, or holds its key."""
    if leaf == identity.leaf:
        # req: privproc1/15.2 not-ones-own
        raise UntrustedError("the other end shows this end's own certificate")
