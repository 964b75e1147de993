"""The nodes of wrapped mode: several machines, their hosts, and the roster that all mirrors serve."""

from __future__ import annotations

from typing import Any

from privproc import hpke, session
from privproc.http import Request
from privproc.session import Directory, wrapped
from privproc.session.wrapped import Node, Nodes, Passport, Roster
from privproc.tokens import BoundToken
from tests.world.amd import FakeChip
from tests.world.enclave import MEASUREMENT
from tests.world.mirrors import NAMES as MIRRORS
from tests.world.mirrors import ROSTER
from tests.world.model import summarise
from tests.world.relay import ROUTE
from tests.world.world import NAMESPACE, ROLE, World

HOUR = 3600


class Server:
    """A node, its model, and the host that runs it. Every attribute may be replaced by a hostile one."""

    def __init__(self, world: World, node: Node, chip: FakeChip, measurement: bytes) -> None:
        self.world = world
        self.node = node
        self.chip = chip
        self.measurement = measurement
        self.report_fields: dict[str, Any] = {}

    def passport(self) -> Passport:
        report = self.chip.report(measurement=self.measurement, report_data=self.node.report_data, **self.report_fields)
        log_proof = self.world.measurements.prove(self.world.measured, self.world.at)
        return Passport(self.node.statement, report, self.chip.endorsements.encode(), log_proof)

    def handle(self, delivery: bytes, at: int) -> bytes:
        wire = self.world.wire
        wire.see("host", delivery)
        question, reply = self.node.open(wire.cross("host → enclave", delivery), at=at)
        wire.see("enclave", delivery, question)
        answer = b"".join(reply.send(piece.encode()) for piece in summarise(question.decode("utf-8", "replace")))
        answer = wire.cross("enclave → host", answer + reply.finish())
        wire.see("host", answer)
        return answer


class Fleet:
    """``count`` nodes of a world on chips of their own, published; requests are wrapped ``wraps`` times."""

    def __init__(
        self, world: World, *, count: int = 5, wraps: int = 3, suite: hpke.Suite | None = None, **changes: Any
    ) -> None:
        self.world = world
        self.wraps = wraps
        self.suite = suite or world.suite
        self.servers = [self.server(b"node %d" % number, **changes) for number in range(count)]
        self.publish()

    def server(self, seed: bytes, *, measurement: bytes = MEASUREMENT, **changes: Any) -> Server:
        world = self.world
        fields = {
            "role": ROLE,
            "log": world.measurements.log.key.name,
            "namespace": NAMESPACE,
            "package": world.learn().package,
            "suite": self.suite,
            "not_before": world.at - 60,
            "not_after": world.at + HOUR,
            "capacity": 100,
        }
        return Server(world, Node.generate(**fields | changes), world.amd.chip(seed), measurement)

    def publish(self) -> None:
        """Let mirrors serve the passports of all servers, and the gateway reach them."""
        self.show(tuple(server.passport() for server in self.servers))
        self.world.server.nodes = {server.node.digest: server.handle for server in self.servers}

    def show(self, passports: tuple[Passport, ...]) -> None:
        self.world.mirrors.rosters = dict.fromkeys(MIRRORS, Roster(self.wraps, passports).encode())

    # The device's doings.

    def fetch(self) -> list[tuple[str, bytes]]:
        return [(name, self.world.send(Request("GET", "https", name, ROSTER)).content) for name in MIRRORS]

    def learn(self, directory: Directory) -> Nodes:
        world = self.world
        return wrapped.learn_nodes(self.fetch(), directory, role=ROLE, anchors=world.anchors, at=world.at)

    def ask(self, question: bytes, token: BoundToken | None = None) -> wrapped.WrappedReply:
        """One private request."""
        world = self.world
        directory = world.learn()
        nodes = self.learn(directory)
        flow = wrapped.ask(directory, token or world.token(directory), question, nodes=nodes, relay=ROUTE, at=world.at)
        return session.drive(flow, world.send, world.now)
