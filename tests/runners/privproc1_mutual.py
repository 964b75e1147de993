"""A mutual attestation with fixed exporter values: every message and hash, by hand and by the library's parts."""

from __future__ import annotations

from cryptography.hazmat.primitives.serialization import load_der_private_key

from privproc.attestation.binder import EXPORTER_LABEL, EXPORTER_LENGTH, Binding, Direction, exporter_context
from privproc.attestation.forwarded import BackEnd
from privproc.attestation.message import Attestation
from privproc.ratls.authenticator import Authenticators, Side
from privproc.ratls.credential import Credential
from privproc.ratls.exchange import Introduction, Presentation, introduced, presented
from privproc.secret import Secret
from privproc.vectors._straight import lp, sha384, t, u
from tests import authenticators as ea
from tests.world import mutual as by_hand


class End:
    """One end's part of a case."""

    def __init__(self, fields) -> None:
        self.role, self.leaf = fields["role"], bytes.fromhex(fields["leaf"])
        self.key = load_der_private_key(bytes.fromhex(fields["private_key"]), None)
        self.keys = ea.Keys(bytes.fromhex(fields["handshake_context"]), bytes.fromhex(fields["finished_key"]))
        self.context = bytes.fromhex(fields["request_context"])
        self.request = bytes.fromhex(fields["request"])
        self.exporter_context, self.exporter = (bytes.fromhex(fields[k]) for k in ("exporter_context", "exporter"))
        self.report_data, self.evidence = (bytes.fromhex(fields[k]) for k in ("report_data", "evidence"))
        self.endorsements, self.log_proof = (bytes.fromhex(fields[k]) for k in ("endorsements", "log_proof"))
        self.cmw, self.authenticator = (bytes.fromhex(fields[k]) for k in ("cmw", "authenticator"))
        self.format = fields["format"]
        self.devices = tuple((it["type"], bytes.fromhex(it["evidence"])) for it in fields["devices"])
        assert all(len(it) == 2 for it in fields["devices"])
        items = [u(2, kind) + evidence for kind, evidence in self.devices]
        self.listed = u(2, len(items)) + b"".join(map(lp, items))
        self.dev = u(2, len(items)) + b"".join(lp(item[:2] + sha384(item[2:])) for item in items)
        assert len(fields) == 17

    @property
    def attestation(self) -> Attestation:
        return Attestation(self.format, self.evidence, self.endorsements, self.log_proof, self.devices)

    def bound(self, direction: bytes, th1: bytes, peer: End) -> Binding:
        """The binder of this end's evidence, after both ways to it were compared."""
        context = t(b"ctx", direction, u(4, 0), th1)
        assert self.exporter_context == context == exporter_context(Direction(direction), 0, th1)
        fields = {"dir": direction, "role": self.role, "seq": 0, "th1": th1, "ekm": self.exporter, "ann": b""}
        fields |= {"leaf": self.leaf, "peer": peer.leaf, "dev": self.dev}
        binding = Binding.exported(
            self.export, Direction(direction), role=self.role, th1=th1, leaf=self.leaf, peer=peer.leaf, announcement=b""
        )
        assert self.report_data == by_hand.report_data(fields) == binding.report_data(self.devices)
        return binding

    def export(self, label: bytes, context: bytes, length: int) -> Secret:
        assert (label, context, length) == (EXPORTER_LABEL, self.exporter_context, EXPORTER_LENGTH)
        return Secret(self.exporter)

    def answers(self, side: str, peer: End) -> None:
        """This end's authenticator, to the other's request."""
        value = u(2, self.format) + lp(self.evidence) + self.listed + lp(self.endorsements) + lp(self.log_proof)
        assert self.cmw == by_hand.cmw(value) == self.attestation.wrap()
        assert Attestation.unwrap(self.cmw) == self.attestation
        shown = ea.certificate(peer.context, (self.leaf, ea.attested(self.cmw)))
        assert self.authenticator == self.keys.authenticator(peer.request, shown, ea.ED25519, self.key)

        def export(label: bytes, context: bytes, length: int) -> Secret:
            assert (context, length) == (b"", 48)
            ends = {b"handshake context": self.keys.handshake_context, b"finished key": self.keys.finished_key}
            return Secret(ends[label.removeprefix(f"EXPORTER-{side} authenticator ".encode())])

        own = Authenticators(export, Side(side.encode()))
        made = own.authenticate(peer.request, Credential((self.leaf,), self.key), attestation=self.cmw)
        assert made == self.authenticator
        other = Authenticators(export, Side(side.encode()).other)
        request, pending = other._derand_request(peer.context, attestation=True)
        assert request == peer.request
        found = pending.finish(made)
        assert (found.chain, found.attestation) == ((self.leaf,), self.cmw)


def run(case) -> None:
    assert case.expect is None
    client, server = End(case["client"]), End(case["server"])
    assert client.request == ea.request("client", client.context)
    assert server.request == ea.request("server", server.context)
    introduction = case.hex("introduction")
    assert introduction == lp(client.request) + lp(client.leaf)
    assert Introduction.decode(introduction) == Introduction(client.request, client.leaf)
    th1 = case.hex("th1")
    assert th1 == t(b"introduced", introduction, server.request)
    assert th1 == introduced(Introduction(client.request, client.leaf), server.request)
    binding = server.bound(b"s2c", th1, client)
    server.answers("server", client)
    presentation = case.hex("presentation")
    assert presentation == lp(server.request) + lp(server.authenticator)
    assert Presentation.decode(presentation) == Presentation(server.request, server.authenticator)
    after = case.hex("th1_of_the_client")
    assert after == t(b"presented", th1, server.report_data, sha384(u(2, server.format) + server.evidence))
    assert after == presented(th1, server.report_data, server.attestation)
    client.bound(b"c2s", after, server)
    client.answers("client", server)
    forwarded(case, client, server, binding)


def forwarded(case, client: End, server: End, binding: Binding) -> None:
    """What the client, as a front end, tells its devices (§15.4)."""
    since, encoded, dev = case["since"], case.hex("back_end"), case.hex("dev_item")
    parts = u(2, server.format) + lp(server.evidence) + server.listed + lp(server.endorsements) + lp(server.log_proof)
    head = lp(server.role.encode()) + u(8, since) + case.hex("th1") + server.exporter
    assert encoded == head + lp(server.leaf) + parts
    back_end = BackEnd.of(binding, server.attestation, since=since)
    assert back_end.device == (0x0100, encoded)
    assert BackEnd.decode(encoded) == back_end
    assert back_end.binding(client.leaf) == server.report_data
    assert dev == u(2, 0x0100) + sha384(encoded)
