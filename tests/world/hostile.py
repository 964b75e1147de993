"""Hostile runs: one party misbehaves in the real flow. Each says how the run must end, and how to take the check away.

``play`` runs the world with the misbehaviour and raises what was noticed, wherever that was: by the device, or by the
gateway or enclave, whose refusal tells the device nothing. ``without`` removes the check that notices it, for a test
that sees the misbehaviour succeed then.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, replace
from unittest import mock

from privproc import bhttp, keypackage, ledger, ohttp, ratls, session, tokens
from privproc.attestation.snp import appraisal
from privproc.attestation.snp.rules import GuestRules
from privproc.chunks import _Sequence
from privproc.errors import (
    DecodeError,
    ExpiredError,
    OpenError,
    PeerError,
    PolicyError,
    ReplayError,
    SignatureError,
    UntrustedError,
)
from privproc.http import Request
from privproc.keyconfig import select
from privproc.session import Published, enclave, transcript
from privproc.session.messages import Continue, Offer, Open
from privproc.session.profile import CONTINUE_PATH
from privproc.trust import Trusted
from tests.world.amd import GUEST_POLICY
from tests.world.mirrors import NAMES as MIRRORS
from tests.world.relay import ROUTE
from tests.world.removed import removed
from tests.world.world import DAY, GATEWAY, ROLE, World

FORWARD_SIZE = 2144
QUESTION = b"What did we agree on about the harbour trip? Nobody else should know."

Play = Callable[[World], None]
Removal = Callable[[], AbstractContextManager[object]]


@dataclass(frozen=True)
class Run:
    """``expect`` is the exception, ``None`` where the run must succeed all the same.

    ``after_question``: the misbehaviour comes after the question was sent, sealed, to an appraised enclave.
    """

    name: str
    expect: type[PeerError] | None
    play: Play
    without: Removal | None
    after_question: bool

    def ending(self, world: World) -> str:
        """How the run ended: the exception's name, or "success"."""
        try:
            self.play(world)
        except PeerError as error:
            return type(error).__name__
        return "success"

    def ended_well(self, world: World, ending: str) -> bool:
        if self.expect is None:
            return ending == "success"
        return ending == self.expect.__name__ and (self.after_question or not question_left(world))


RUNS: list[Run] = []


def run(
    name: str, expect: type[PeerError] | None, without: Removal | None, *, after_question: bool = False
) -> Callable[[Play], Play]:
    def add(play: Play) -> Play:
        RUNS.append(Run(name, expect, play, without, after_question))
        return play

    return add


def question_left(world: World) -> bool:
    """Whether the device sealed the question for anybody, in whatever wrapping."""
    return any(size not in (0, world.contents.up) for size in world.wire.sizes("device → relay"))


def ask(world: World, token: tokens.BoundToken | None = None) -> None:
    """An ordinary request. What gateway or enclave noticed is raised in place of the refusal that the device sees."""
    directory = world.learn()
    try:
        world.ask(directory, token or world.token(directory), QUESTION)
    except PeerError:
        if world.server.refusals:
            raise world.server.refusals[-1] from None
        raise


def get_token(world: World) -> tokens.BoundToken:
    return world.token(world.learn())


def first_request(world: World, token: tokens.BoundToken) -> tuple[Request, session.Opening]:
    return session.begin(world.learn(), token, role=ROLE, relay=ROUTE, anchors=world.anchors, at=world.at)


def only(*removals: AbstractContextManager[object]) -> AbstractContextManager[object]:
    stack = ExitStack()
    for removal in removals:
        stack.enter_context(removal)
    return stack


# Tokens, relay and gateway.


def spends_again() -> AbstractContextManager[object]:
    return removed(tokens.MemoryStore.reserve, "key.nonce in spends.holders", "False")


@run("replayed token", ReplayError, spends_again)
def replayed_token(world: World) -> None:
    """A device that lies to itself: the library's token is spent once."""
    token, proof_key = get_token(world).spend()
    world.send(first_request(world, tokens.BoundToken(token, proof_key))[0])
    ask(world, tokens.BoundToken(token, proof_key))


@run(
    "token stolen without its key",
    UntrustedError,
    lambda: removed(tokens.verify_possession, "not hmac.compare_digest(_nonce(pop), nonce)", "False"),
)
def stolen_token(world: World) -> None:
    stolen, _ = get_token(world).spend()
    ask(world, tokens.BoundToken(stolen, tokens.ProofKey.generate()))


@run("relay replays a request", ReplayError, spends_again)
def relay_replays(world: World) -> None:
    request, _ = first_request(world, get_token(world))
    world.send(request)
    world.send(request)
    if world.server.refusals:
        raise world.server.refusals[-1]


@run(
    "forged second-round-trip record",
    SignatureError,
    lambda: removed(session.Live.check, "not hmac.compare_digest(mac, message.mac)", "False"),
)
def forged_record(world: World) -> None:
    """Somebody who learnt a handle, but wasn't in the first exchange, sends records of his own."""
    request, _ = first_request(world, get_token(world))
    world.send(request)
    directory = world.learn()
    selection = directory.contents.map(lambda contents: select(contents.keys, session.SUITES))
    record = b"\x17\x03\x03\x00\x20" + bytes(32)
    message = Continue(next(iter(world.server.live)), 0, bytes(48), record).encode()
    inner = bhttp.encode_request(Request("POST", "https", GATEWAY, CONTINUE_PATH, (), message))
    wire, _ = ohttp.begin(selection, at=world.at).seal(inner)
    reached = len(world.wire.sizes("gateway → host"))
    world.relay._gateway.handle(wire, at=world.at)
    if len(world.wire.sizes("gateway → host")) == reached:
        raise world.server.refusals[-1]


# The key package.


def second_package(world: World) -> bytes:
    """Another package for the same epoch, rightly signed and logged: what a coerced operator would show one user."""
    return world.publish(world.package(world.epoch, previous=bytes(48)))


@run(
    "one mirror shows another package",
    UntrustedError,
    lambda: removed(keypackage.agree, "len(set(digests.values())) < len(digests)", "False"),
)
def mirror_differs(world: World) -> None:
    world.mirrors.served[MIRRORS[2]] = second_package(world)
    ask(world)


@run(
    "key package rolled back",
    UntrustedError,
    lambda: removed(keypackage.agreement._check_continues, "ahead < 0", "False"),
)
def rolled_back(world: World) -> None:
    """The device has the next epoch's package already, published ahead of its time; the mirrors go back."""
    before = Published.decode(world.published)
    world.mirrors.publish(world.publish(world.package(world.epoch + 1)))
    memory = world.learn().memory
    world.mirrors.publish(replace(before, log_proof=world.packages.prove(0, world.at)).encode())
    directory = world.learn(memory)
    world.ask(directory, world.token(directory), QUESTION)


@run(
    "key package of another purpose",
    PolicyError,
    lambda: removed(keypackage.verify, "package.purpose != purpose", "False"),
)
def wrong_purpose(world: World) -> None:
    world.adopt(world.package(world.epoch, purpose="privproc/1/staging"))
    ask(world)


@run(
    "key package expired",
    ExpiredError,
    # Looked at when the package is verified, and at every use of what it contains.
    lambda: only(
        removed(keypackage.verify, 'check_window("package", start - grid.length, end, at=at)'),
        removed(Trusted.get, 'check_window("trusted value", self.not_before, self.not_after, at=at)'),
    ),
)
def expired(world: World) -> None:
    """Yesterday's package, at first contact, for keys that the gateway still answers for."""
    world.adopt(world.package(world.epoch - 1))
    ask(world)


# Evidence.


def any_binding() -> AbstractContextManager[object]:
    """Compared where the evidence is read, and once more where the channel is released."""
    return only(
        removed(appraisal._binding, "not hmac.compare_digest(case.report.report_data, case.binding)", "False"),
        removed(ratls.Established.release, "not hmac.compare_digest(evidence.binding, report_data)", "False"),
    )


@run("evidence of another session", UntrustedError, any_binding)
def evidence_of_another_session(world: World) -> None:
    world.send(first_request(world, get_token(world))[0])
    earlier = next(data for name, data in world.wire.crossings if name == "enclave → host")
    report = Offer.decode(earlier).evidence
    with mock.patch.object(world.machine, "report", return_value=report):
        ask(world)


@run("evidence relayed from another enclave", UntrustedError, any_binding)
def evidence_relayed(world: World) -> None:
    """The host ends TLS itself, and lets a genuine enclave on another chip attest to the same Open."""
    genuine = world.new_machine(seed=b"another chip")
    forwarded: list[bytes] = []

    def keep(forward: bytes) -> bytes:
        forwarded.append(forward)
        return forward

    world.wire.taps["host → enclave"] = keep
    impostor = world.machine

    def relayed(_report_data: bytes) -> bytes:
        return Offer.decode(genuine.open(1, forwarded[-1], world.at)).evidence

    impostor.chip = genuine.chip
    with mock.patch.object(impostor, "report", relayed):
        ask(world)


@run(
    "Open altered on the way",
    UntrustedError,
    # The transcript of the request would differ too: both have to be made blind to Open.
    lambda: only(
        any_binding(),
        mock.patch.object(transcript, "attested", return_value=bytes(48)),
    ),
)
def altered_open(world: World) -> None:
    def other_policy(forward: bytes) -> bytes:
        if len(forward) != FORWARD_SIZE:
            return forward
        message = Open.decode(forward[96:])
        return forward[:96] + replace(message, policy_id=bytes(32)).encode()

    world.wire.taps["host → enclave"] = other_policy
    ask(world)


@run(
    "enclave of another role",
    UntrustedError,
    lambda: removed(ledger.verify, "(entry.namespace, entry.role) != (namespace, role)", "False"),
)
def wrong_role(world: World) -> None:
    """Code that was logged for another role, in the same namespace, says that it serves this one."""
    measurement = hashlib.sha384(b"the translator's image").digest()
    index = world.measurements.append(world.entry(role="translate", digest=measurement))
    world.machine.measurement = measurement
    world.host.log_proof = lambda at: world.measurements.prove(index, at)
    ask(world)


@run("measurement not in the ledger", UntrustedError, lambda: mock.patch.object(ledger.Logged, "confirm"))
def not_logged(world: World) -> None:
    world.machine.measurement = hashlib.sha384(b"nobody has seen this image").digest()
    ask(world)


def allows_old_logs() -> AbstractContextManager[object]:
    return removed(ledger.verify, "min(entry.not_after, witnessed + log.max_age)", "1 << 62")


@run("ledger proof too old", ExpiredError, allows_old_logs)
def old_proof(world: World) -> None:
    world.host.log_proof = lambda at: world.measurements.prove(world.measured, at - 2 * DAY)
    ask(world)


@run(
    "debug allowed by the guest policy",
    PolicyError,
    lambda: removed(GuestRules.check, "(value & self._must_clear)", "(value & self._must_clear & ~(1 << 19))"),
)
def debug(world: World) -> None:
    world.machine.report_fields["policy"] = GUEST_POLICY | 1 << 19
    ask(world)


@run(
    "TCB below the floor",
    PolicyError,
    lambda: removed(appraisal._tcb_floor, "case.tcb(raw).below(least)", "()"),
)
def low_tcb(world: World) -> None:
    chip = world.machine.chip
    world.machine.chip = world.amd.chip(b"old", tcb=replace(chip.tcb, microcode=chip.tcb.microcode - 1))
    ask(world)


@run(
    "report TCB above the certificate's",
    UntrustedError,
    lambda: removed(appraisal._certified_tcb, "case.tcb(case.report.reported_tcb) != case.chain.tcb", "False"),
)
def claimed_tcb(world: World) -> None:
    chip = world.machine.chip
    higher = replace(chip.tcb, microcode=chip.tcb.microcode + 1).encode(chip.amd.product)
    world.machine.report_fields |= dict.fromkeys(("reported_tcb", "committed_tcb", "current_tcb"), higher)
    ask(world)


# The answer.


@run(
    "answer cut at a chunk boundary",
    DecodeError,
    lambda: mock.patch.object(session.AnswerChannel, "_check_end"),
    after_question=True,
)
def truncated(world: World) -> None:
    """The host drops the TLS records of the last chunk and of the close."""

    def cut(records: bytes) -> bytes:
        return b"".join(split_records(records)[:-2])

    world.wire.taps["host → gateway"] = lambda data: cut(data) if data[:1] == b"\x17" else data
    ask(world)


def split_records(records: bytes) -> list[bytes]:
    found = []
    while records:
        size = 5 + int.from_bytes(records[3:5], "big")
        found.append(records[:size])
        records = records[size:]
    return found


def same_nonce() -> AbstractContextManager[object]:
    return removed(_Sequence._next, "self._iv ^ count", "self._iv")


@run("chunks of the answer reordered", OpenError, same_nonce, after_question=True)
def reordered(world: World) -> None:
    """The TLS layer is the attacker's: the second and third chunk change places before they go into it."""
    sealed: list[bytes] = []

    def swapped(reply: enclave.EnclaveReply, piece: bytes) -> bytes:
        sealed.append(reply._sealer.send(piece))
        if len(sealed) == 3:
            reply._channel.send(sealed[0] + sealed[2] + sealed[1])
        return reply._channel.data_to_send()

    with mock.patch.object(enclave.EnclaveReply, "send", swapped):
        directory = world.learn()
        world.ask(directory, world.token(directory), b"The harbour trip. Then the harbour cafe. Then the photos.")


# TLS.


@run("TLS resumption offered", None, None)
def resumption(world: World) -> None:
    """OpenSSL's server sends tickets. The next connection must be a full handshake with evidence of its own."""
    ask(world)
    ask(world)
    to_enclave = [data for name, data in world.wire.crossings if name == "host → enclave"]
    hellos = [ratls.ClientHello.decode(Open.decode(data[96:]).client_hello) for data in to_enclave[::2]]
    if any(PRE_SHARED_KEY in hello.extensions for hello in hellos):
        raise PolicyError("the device tried to resume")
    from_enclave = [data for name, data in world.wire.crossings if name == "enclave → host"]
    if len({Offer.decode(data).evidence for data in from_enclave[::2]}) != 2:
        raise PolicyError("evidence was used twice")


PRE_SHARED_KEY = 41


@run("HelloRetryRequest", PolicyError, None)
def retry_request(world: World) -> None:
    """Without the check the handshake can't succeed either: the step takes one flight, and a retry needs two."""

    def retry(data: bytes) -> bytes:
        if data[:1] == b"\x17":
            return data
        (forward,) = (data for name, data in world.wire.crossings if name == "host → enclave")
        session_id = ratls.ClientHello.decode(Open.decode(forward[96:]).client_hello).session_id
        extensions = b"\0\x2b\0\2\3\4" + b"\0\x33\0\2\0\x17"  # TLS 1.3, secp256r1
        body = b"\3\3" + hashlib.sha256(b"HelloRetryRequest").digest() + bytes((len(session_id),)) + session_id
        body += b"\x13\2\0" + len(extensions).to_bytes(2, "big") + extensions
        message = b"\2" + len(body).to_bytes(3, "big") + body
        flight = b"\x16\3\3" + len(message).to_bytes(2, "big") + message
        return replace(Offer.decode(data), flight=flight).encode()

    world.wire.taps["host → gateway"] = retry
    ask(world)
