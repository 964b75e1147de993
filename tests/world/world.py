"""Everybody in one process: issuer, mirrors, relay, gateway, host, enclave, ledgers, and a device.

``World(at)`` is honest. A test alters bytes through ``world.wire.taps`` or replaces a party, then lets the device run.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from dataclasses import replace

from privproc import hpke, ratls, session, tokens
from privproc.attestation.cache import Cache
from privproc.attestation.snp import Product
from privproc.blindrsa import PrivateKey
from privproc.cose import Sign1
from privproc.http import Request, Response
from privproc.keyconfig import GatewayKey, KeyConfigs
from privproc.keypackage import Grid, Package, Signer, Signers, seal
from privproc.ledger import Entry
from privproc.session import Anchors, Contents, Directory, Memory, Published, Service
from privproc.session.directory import package_role
from privproc.session.messages import EvidenceFormat
from privproc.tagged import tagged_hash
from privproc.tokens import BoundToken, MemoryStore
from tests.world.amd import FakeAmd, strict_policy
from tests.world.enclave import MEASUREMENT, Host, Machine
from tests.world.gateway import GatewayServer
from tests.world.issuer import NAME as ISSUER
from tests.world.issuer import WorldIssuer, token_request
from tests.world.ledger import Ledger
from tests.world.mirrors import NAMES as MIRRORS
from tests.world.mirrors import PATH, Mirrors, request_head
from tests.world.relay import ROUTE, RelayServer
from tests.world.wire import Wire

DAY = 86400
ROLE = "summarise"
NAMESPACE = "example/enclaves"
PACKAGES = "example/packages"
GATEWAY = "gateway.example"
UP, DOWN = 4096, 16384

ADDRESS = b"203.0.113.7"
ACCOUNT = b"alice@example.com"

SUITES = session.SUITES


@functools.cache
def issuer_key(number: int) -> PrivateKey:
    """Making RSA keys is slow: worlds share them."""
    return PrivateKey.generate()


class World:
    """``suite`` is that of the gateway's key and of the enclave's one-time keys; ``group`` that of TLS."""

    def __init__(
        self, at: int, *, suite: hpke.Suite = SUITES[0], group: ratls.Group = ratls.Group.X25519MLKEM768
    ) -> None:
        self.at = at
        self.suite = suite
        self.group = group
        self.wire = Wire()
        self.asked: list[bytes] = []  # what a device sealed for an enclave, where that is recorded
        self.grid = Grid(at - at % DAY - 7 * DAY, DAY)
        self.epoch = self.grid.epoch(at=at)
        self.signer = Signer.generate()
        self.packages, self.measurements = Ledger("packages.log.example"), Ledger("measurements.log.example")
        self.amd = FakeAmd.generate(Product.MILAN, at)
        self.cache = Cache(capacity=16, lifetime=DAY)
        self.measured = self.measurements.append(self.entry())
        self.start(self.epoch)

    def entry(self, **changes: object) -> Entry:
        """The ledger's entry for the summariser."""
        return replace(Entry(NAMESPACE, ROLE, MEASUREMENT, self.at + 14 * DAY, 7), **changes)

    def start(self, epoch: int) -> None:
        """Keys, package and servers of ``epoch``."""
        begins, ends = self.grid.start(epoch), self.grid.start(epoch + 1)
        self.issuer = WorldIssuer(not_before=begins, not_after=ends, key=issuer_key(epoch % 2))
        private = hpke.PrivateKey.generate(self.suite.kem)
        self.gateway_key = GatewayKey(epoch % 256, private, (self.suite,), begins, ends + session.GRACE)
        self.contents = self.directory_contents(begins)
        self.published = self.publish(self.package(epoch))
        self.mirrors = Mirrors(self.wire)
        self.mirrors.publish(self.published)
        self.machine = self.new_machine()
        self.host = Host(self.wire, self.machine, lambda at: self.measurements.prove(self.measured, at))
        self.server = self.new_gateway()
        self.relay = RelayServer(self.wire, self.server, self.mirrors)

    def directory_contents(self, begins: int) -> Contents:
        tokens_directory = tokens.IssuerDirectory.decode(self.issuer.directory(at=begins))
        policy = strict_policy(self.amd.chip(), any_chip=True)
        service = Service(ROLE, self.measurements.log.key.name, NAMESPACE, 7, policy)
        return Contents(
            gateway=GATEWAY,
            keys=KeyConfigs((self.gateway_key.config,)),
            issuer=ISSUER,
            tokens=tokens_directory,
            group=self.group,
            up=UP,
            down=DOWN,
            services=(service,),
            checkpoints=(self.measurements.head(),),
        )

    def package(self, epoch: int, **changes: object) -> Package:
        begins, ends = self.grid.start(epoch), self.grid.start(epoch + 1)
        return replace(Package(session.PURPOSE, epoch, begins, ends, b"", self.contents.encode()), **changes)

    def publish(self, package: Package) -> bytes:
        """Sign and log ``package``, whatever it says; what mirrors get to serve."""
        signed = seal(package, self.signer)
        role = package_role(package.purpose, package.epoch)
        index = self.packages.append(Entry(PACKAGES, role, digest(signed), self.at + 14 * DAY, 0))
        return Published(signed, self.packages.prove(index, self.at)).encode()

    def adopt(self, package: Package) -> None:
        """Let mirrors serve ``package`` and the gateway go by it, whatever it says."""
        self.published = self.publish(package)
        self.mirrors.publish(self.published)
        (epoch,) = self.server.gateway._epochs.values()
        self.server.gateway = session.Gateway(
            [replace(epoch, package=digest(Published.decode(self.published).package))]
        )

    def new_machine(self, measurement: bytes = MEASUREMENT, seed: bytes = b"chip", role: str = ROLE) -> Machine:
        enclave = session.Enclave(
            role=role,
            log=self.measurements.log.key.name,
            namespace=NAMESPACE,
            identity=ratls.Identity.generate(at=self.at, lifetime=30 * DAY),
            group=self.group,
            suites=(self.suite,),
            format=EvidenceFormat.SEV_SNP,
        )
        return Machine(self.wire, enclave, self.amd.chip(seed), measurement)

    def new_gateway(self) -> GatewayServer:
        learned = session.learn(
            [(name, self.published) for name in MIRRORS], self.anchors, memory=Memory.first(self.anchors), at=self.at
        )
        gateway = session.Gateway([session.Epoch.of(learned, self.gateway_key)])
        return GatewayServer(self.wire, gateway, self.host, MemoryStore(1000), {}, [])

    @property
    def anchors(self) -> Anchors:
        """What the device ships with."""
        return Anchors(
            signers=Signers.only(self.signer.public),
            grid=self.grid,
            mirrors=MIRRORS,
            agreeing=2,
            package_log=self.packages.policy(),
            package_namespace=PACKAGES,
            logs={self.measurements.log.key.name: self.measurements.policy()},
            roots=self.amd.roots,
            cache=self.cache,
        )

    # The device's doings.

    def send(self, request: Request, *, account: bytes = ACCOUNT, address: bytes = ADDRESS) -> Response:
        """Carry a request of a device: to the issuer under its account, all else through the relay."""
        if request.authority != ISSUER:
            self.wire.cross("address", address)
            self.wire.cross("device → relay: head", request_head(request))
            return self.relay.handle(request, address=address, at=self.at)
        self.wire.cross("account", account)
        self.wire.see("issuer", account, address, request.content)
        content = self.wire.cross("device → issuer", request.content)
        answer = self.issuer.handle(replace(request, content=content), at=self.at)
        answer = replace(answer, content=self.wire.cross("issuer → device", answer.content))
        self.wire.see("issuer", answer.content)
        return answer

    def stream(self, request: Request, pieces: Iterable[bytes], *, address: bytes = ADDRESS) -> Iterator[Response]:
        """Carry a chunked request, whose content comes in pieces, through the relay."""
        self.wire.cross("address", address)
        self.wire.cross("device → relay: head", request_head(request))
        return self.relay.stream(request, pieces, address=address, at=self.at)

    def now(self) -> int:
        return self.at

    def fetch(self) -> list[tuple[str, bytes]]:
        """What every mirror serves, fetched through the relay."""
        return [(name, self.send(Request("GET", "https", name, PATH)).content) for name in MIRRORS]

    def learn(self, memory: Memory | None = None) -> Directory:
        """Fetch from every mirror and learn the directory."""
        memory = memory or Memory.first(self.anchors)
        return session.learn(self.fetch(), self.anchors, memory=memory, at=self.at)

    def issue(self, wire: bytes) -> bytes:
        """What the issuer answers to a TokenRequest."""
        return self.send(token_request(wire)).content

    def token(self, directory: Directory) -> BoundToken:
        """Get a token from the issuer."""
        contents = directory.contents.get(at=self.at)
        key = directory.contents.map(lambda contents: contents.token_key)
        wire, pending = tokens.request_bound(contents.challenge, key, at=self.at)
        return pending.finish(self.issue(wire))

    def ask(self, directory: Directory, token: BoundToken, question: bytes, role: str = ROLE) -> session.Reply:
        """One private request."""
        flow = session.ask(directory, token, question, role=role, relay=ROUTE, anchors=self.anchors, at=self.at)
        return session.drive(flow, self.send, self.now)

    def run(self, question: bytes) -> session.Reply:
        """All of it."""
        directory = self.learn()
        return self.ask(directory, self.token(directory), question)


def digest(signed: bytes) -> bytes:
    """The digest of a signed package, as docs/protocol.md §2 defines it."""
    message = Sign1.decode(signed, "package")
    return tagged_hash("package", message.protected, message.payload)
