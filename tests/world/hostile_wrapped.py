"""Hostile runs of wrapped mode, in the manner of :mod:`tests.world.hostile`: mirrors, gateways, hosts and other nodes.

Where several checks refuse the same thing, ``without`` takes all of them away; where the keys alone refuse it, there is
nothing to take away and ``without`` is ``None``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any
from unittest import mock

from privproc import hkdf, ledger, ohttp, session
from privproc.attestation.snp import appraisal
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
from privproc.responsekey import Answer
from privproc.responsekey import wrapped as keys
from privproc.session import transcript, wrapped
from privproc.session.wrapped import Node, Passport, gateway, nodes
from privproc.session.wrapped.device import AwaitingAnswer
from privproc.session.wrapped.messages import Delivery, Head
from privproc.tagged import tagged_hash
from tests.world.fleet import HOUR, Fleet
from tests.world.hostile.run import allows_old_logs, any_binding, only, spends_again
from tests.world.mirrors import NAMES as MIRRORS
from tests.world.relay import ROUTE
from tests.world.removed import removed
from tests.world.world import DAY, World

QUESTION = b"What did we agree on about the harbour trip? Nobody else should know."

Play = Callable[[World, Fleet], None]


@dataclass(frozen=True)
class Run:
    """``before``: the question must not have left the device, in whatever wrapping."""

    name: str
    expect: type[PeerError] | None
    play: Play
    without: Callable[[], AbstractContextManager[object]] | None
    before: bool

    def ending(self, world: World, fleet: Fleet) -> str:
        try:
            self.play(world, fleet)
        except PeerError as error:
            return type(error).__name__
        return "success"


RUNS: list[Run] = []


def run(name: str, expect: type[PeerError] | None, without: Any, *, before: bool = False) -> Callable[[Play], Play]:
    def add(play: Play) -> Play:
        RUNS.append(Run(name, expect, play, without, before))
        return play

    return add


def ask(world: World, fleet: Fleet) -> None:
    """An ordinary request. What gateway or node noticed is raised in place of the refusal that the device sees."""
    try:
        fleet.ask(QUESTION)
    except PeerError:
        if world.server.refusals:
            raise world.server.refusals[-1] from None
        raise


def everybody(fleet: Fleet, change: Callable[[Passport], Passport]) -> None:
    """Each passport that is served, changed."""
    fleet.show(tuple(change(server.passport()) for server in fleet.servers))


# Mirrors and what they show.


@run(
    "each mirror shows nodes of its own",
    UntrustedError,
    lambda: removed(nodes._agreed, "count >= anchors.agreeing", "True"),
    before=True,
)
def chosen_for_one(world: World, fleet: Fleet) -> None:
    """Whoever picks the nodes for one device picks who reads it."""
    for number, mirror in enumerate(MIRRORS):
        passports = tuple(server.passport() for server in fleet.servers[number : number + 3])
        world.mirrors.rosters[mirror] = wrapped.Roster(3, passports).encode()
    ask(world, fleet)


@run(
    "one node in the place of two",
    UntrustedError,
    lambda: only(
        removed(nodes.learn_nodes, "len({statement.key for statement in statements}) != len(statements)", "False"),
        removed(gateway.read_wrapped, "len(set(head.nodes)) != len(head.nodes)", "False"),
    ),
    before=True,
)
def twice(world: World, fleet: Fleet) -> None:
    fleet.show((fleet.servers[0].passport(),) * 3)
    ask(world, fleet)


@run(
    "nodes of two suites",
    PolicyError,
    lambda: removed(nodes.learn_nodes, "any(statement.suite != suite for statement in statements)", "False"),
    before=True,
)
def two_suites(world: World, fleet: Fleet) -> None:
    """The sizes of wraps would tell requests apart. Without the check the draw decides whether it comes to that."""
    other = Fleet(world, count=1, suite=session.SUITES[world.suite is session.SUITES[0]])
    fleet.servers += other.servers
    fleet.publish()
    with mock.patch.object(nodes, "_below", return_value=0):
        ask(world, fleet)


# Passports.


@run("evidence for another key", UntrustedError, any_binding, before=True)
def own_key(world: World, fleet: Fleet) -> None:
    """The host makes keys of its own and shows a genuine node's evidence beside them."""
    genuine = [server.passport().evidence for server in fleet.servers]
    impostors = [fleet.server(b"node %d" % number) for number in range(len(genuine))]
    fleet.show(
        tuple(replace(it.passport(), evidence=evidence) for it, evidence in zip(impostors, genuine, strict=True))
    )
    world.server.nodes = {server.node.digest: server.handle for server in impostors}
    ask(world, fleet)


@run("evidence of a session for a node", UntrustedError, any_binding, before=True)
def session_evidence(world: World, fleet: Fleet) -> None:
    opened: list[bytes] = []
    genuine = world.machine.report
    with mock.patch.object(world.machine, "report", lambda data: opened.append(genuine(data)) or opened[-1]):
        directory = world.learn()
        world.ask(directory, world.token(directory), b"anything")
    fleet.servers = fleet.servers[:3]
    for server in fleet.servers:
        server.chip = world.machine.chip
    world.wire.crossings.clear()
    everybody(fleet, lambda passport: replace(passport, evidence=opened[0]))
    ask(world, fleet)


@run("evidence of a node for a session", UntrustedError, any_binding, before=True)
def node_evidence(world: World, fleet: Fleet) -> None:
    """A host that kept a passport ends TLS itself."""
    passport = fleet.servers[0].passport()
    world.machine.chip = fleet.servers[0].chip
    directory = world.learn()
    with mock.patch.object(world.machine, "report", return_value=passport.evidence):
        world.ask(directory, world.token(directory), QUESTION)


@run(
    "node of another role",
    UntrustedError,
    lambda: only(
        removed(nodes._check_belongs, "statement.role != role", "False"),
        removed(
            Node.open, "(head.role, head.log, head.namespace) != (self._said.role, self._log, self._namespace)", "False"
        ),
    ),
    before=True,
)
def other_role(world: World, fleet: Fleet) -> None:
    """One image that is logged for two roles, and serves the other one."""
    fleet.servers = [fleet.server(b"node %d" % number, role="translate") for number in range(3)]
    fleet.publish()
    ask(world, fleet)


@run(
    "node of another package",
    UntrustedError,
    lambda: only(
        removed(nodes._check_belongs, "statement.package != directory.package", "False"),
        removed(Node.open, "message.package != self._said.package", "False"),
    ),
    before=True,
)
def other_package(world: World, fleet: Fleet) -> None:
    fleet.servers = [fleet.server(b"node %d" % number, package=bytes(48)) for number in range(3)]
    fleet.publish()
    ask(world, fleet)


@run(
    "code logged for another role",
    UntrustedError,
    lambda: removed(ledger.verify, "(entry.namespace, entry.role) != (namespace, role)", "False"),
    before=True,
)
def wrong_code(world: World, fleet: Fleet) -> None:
    measurement = hashlib.sha384(b"the translator's image").digest()
    world.measured = world.measurements.append(world.entry(role="translate", digest=measurement))
    for server in fleet.servers:
        server.measurement = measurement
    fleet.publish()
    ask(world, fleet)


@run("measurement not in the ledger", UntrustedError, lambda: mock.patch.object(ledger.Logged, "confirm"), before=True)
def not_logged(world: World, fleet: Fleet) -> None:
    for server in fleet.servers:
        server.measurement = hashlib.sha384(b"nobody has seen this image").digest()
    fleet.publish()
    ask(world, fleet)


@run("ledger proof too old", ExpiredError, allows_old_logs, before=True)
def old_proof(world: World, fleet: Fleet) -> None:
    proof = world.measurements.prove(world.measured, world.at - 2 * DAY)
    everybody(fleet, lambda passport: replace(passport, log_proof=proof))
    ask(world, fleet)


@run(
    "evidence signed by nobody",
    SignatureError,
    lambda: mock.patch.object(appraisal, "_CHECKS", [it for it in appraisal._CHECKS if it[0] != "signature"]),
    before=True,
)
def unsigned(world: World, fleet: Fleet) -> None:
    everybody(fleet, lambda it: replace(it, evidence=it.evidence[:0x2A0] + b"\1" + it.evidence[0x2A1:]))
    ask(world, fleet)


@run(
    "passports past their time",
    ExpiredError,
    lambda: only(
        removed(nodes.verify_passport, "not_after - MARGIN, at=at)", "not_after - MARGIN, at=statement.not_before)"),
        removed(nodes.Nodes._draw, "node.not_before <= at < node.not_after", "True"),
        removed(Node._in_time, "at >= self.not_after", "False"),
        mock.patch.object(ohttp.ReplayWindow, "admit"),
    ),
    before=True,
)
def expired(world: World, fleet: Fleet) -> None:
    world.at += HOUR
    ask(world, fleet)


@run(
    "a key that lives for a day",
    PolicyError,
    lambda: removed(nodes.verify_passport, "statement.not_after - statement.not_before > LONGEST", "False"),
    before=True,
)
def lives_long(world: World, fleet: Fleet) -> None:
    with mock.patch.object(wrapped.node, "LONGEST", DAY):
        fleet.servers = [fleet.server(b"node %d" % number, not_after=world.at + 8 * HOUR) for number in range(3)]
    fleet.publish()
    ask(world, fleet)


@run("some passports past their time", None, None)
def some_expired(world: World, fleet: Fleet) -> None:
    """Everyday business: those that are left are enough."""
    fleet.servers += [fleet.server(b"old %d" % number, not_after=world.at) for number in range(3)]
    fleet.publish()
    ask(world, fleet)


# The gateway.


def delivered(world: World, fleet: Fleet) -> Delivery:
    """Ask, and give what the node was sent."""
    ask(world, fleet)
    return Delivery.decode(next(data for name, data in world.wire.crossings if name == "gateway → host"))


def chosen(world: World, fleet: Fleet, delivery: Delivery) -> Any:
    """The server that a delivery is for."""
    return world.server.nodes[Head.decode(delivery.head).nodes[delivery.index]]


def never_seen() -> AbstractContextManager[object]:
    return mock.patch.object(ohttp.ReplayWindow, "admit")


@run("gateway repeats a delivery", ReplayError, never_seen)
def repeated(world: World, fleet: Fleet) -> None:
    delivery = delivered(world, fleet)
    chosen(world, fleet, delivery)(delivery.encode(), world.at)


@run("relay repeats a request", ReplayError, lambda: only(spends_again(), never_seen()))
def relay_repeats(world: World, fleet: Fleet) -> None:
    directory = world.learn()
    request, _ = wrapped.seal(
        directory, world.token(directory), QUESTION, nodes=fleet.learn(directory), relay=ROUTE, at=world.at
    )
    for _ in range(2):
        world.send(request)
    if world.server.refusals:
        raise world.server.refusals[-1]


def blind_keys() -> AbstractContextManager[object]:
    """Transcripts that nothing is in."""
    return mock.patch.object(transcript, "wrapped", return_value=bytes(48))


@run("Head altered on the way", OpenError, blind_keys)
def altered_head(world: World, fleet: Fleet) -> None:
    def other_policy(data: bytes) -> bytes:
        delivery = Delivery.decode(data)
        return replace(delivery, head=replace(Head.decode(delivery.head), policy_id=bytes(32)).encode()).encode()

    world.wire.taps["host → enclave"] = other_policy
    ask(world, fleet)


@run("a wrap moved into another exchange", OpenError, blind_keys)
def other_outer(world: World, fleet: Fleet) -> None:
    world.wire.taps["host → enclave"] = lambda data: replace(Delivery.decode(data), outer=bytes(48)).encode()
    ask(world, fleet)


@run(
    "a request under another package",
    UntrustedError,
    lambda: only(removed(Node.open, "message.package != self._said.package", "False"), blind_keys()),
)
def delivered_under_another(world: World, fleet: Fleet) -> None:
    world.wire.taps["host → enclave"] = lambda data: replace(Delivery.decode(data), package=bytes(48)).encode()
    ask(world, fleet)


@run("a body of somebody else's", UntrustedError, None)
def other_body(world: World, fleet: Fleet) -> None:
    """Without the check the body's keys refuse it: they are the secret's."""
    world.wire.taps["host → enclave"] = lambda data: replace(Delivery.decode(data), body=bytes(4112)).encode()
    ask(world, fleet)


@run(
    "a body that the head doesn't name",
    UntrustedError,
    lambda: removed(Head.check_body, "hashlib.sha384(body).digest() != self.body", "False"),
)
def two_bodies(world: World, fleet: Fleet) -> None:
    """A device that would have two nodes read two requests: AES-GCM has ciphertexts that open under two keys."""
    with mock.patch.object(wrapped.device, "hashlib", mock.Mock(sha384=lambda _: hashlib.sha384(b""))):
        ask(world, fleet)


@run("delivered to another node", UntrustedError, None)
def other_node(world: World, fleet: Fleet) -> None:
    """Without the check the wrap doesn't open: it was made for another key."""
    second = fleet.servers[1]
    world.server.nodes = {server.node.digest: second.handle for server in fleet.servers}
    world.server.choose = lambda listed: next(node for node in listed if node != second.node.digest)
    ask(world, fleet)


def answers_alike() -> AbstractContextManager[object]:
    """The answer's keys made of what all nodes of a request know."""

    def asked(secret: bytes, exported: Any, wrap: Any, thw: bytes, index: int) -> Any:
        return keys._Asked(hkdf.extract("sha384", secret, b""), tagged_hash("wrapped request", thw))

    return mock.patch.object(keys, "_asked", asked)


@run("another of the nodes answers", OpenError, answers_alike)
def another_answers(world: World, fleet: Fleet) -> None:
    """The gateway gives a second node its wrap as well, and passes that one's answer off as the first one's."""
    answers: list[bytes] = []
    servers = {server.node.digest: server for server in fleet.servers}
    reads = gateway.WrappedRequest.forward

    def both(message: gateway.WrappedRequest, reservation: Any, *, node: bytes) -> Any:
        _, package, outer, wrapped_message = message._look()
        index = next(index for index, other in enumerate(message.nodes) if other != node)
        delivery = Delivery(
            package, outer, wrapped_message.head, index, wrapped_message.wraps[index], wrapped_message.body
        )
        answers.append(servers[message.nodes[index]].handle(delivery.encode(), world.at))
        return reads(message, reservation, node=node)

    world.wire.taps["host → gateway"] = lambda _: answers[0]
    with mock.patch.object(gateway.WrappedRequest, "forward", both):
        ask(world, fleet)


# The answer.


@run(
    "answer cut at a chunk's edge",
    DecodeError,
    lambda: mock.patch.object(Answer, "receive_end", return_value=[]),
)
def truncated(world: World, fleet: Fleet) -> None:
    world.wire.taps["host → gateway"] = lambda data: data[: -(3 + 272)]
    ask(world, fleet)


@run(
    "an answer of a size of its own",
    PolicyError,
    lambda: removed(AwaitingAnswer.finish, "len(wire) not in ANSWER_SIZES", "False"),
)
def marked_size(world: World, fleet: Fleet) -> None:
    """A gateway marks a device by the size, for all on the way to see."""
    with mock.patch.object(gateway, "ANSWER_SIZES", (8200, 8 << 20)):
        ask(world, fleet)
