"""Mutual attestation: the library with itself, with ends made by hand, and with each attack that has a name.

An attack is tried against whichever end it is for, and its check is taken out to see that nothing else refused it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from privproc import ratls
from privproc.attestation import NO_REVOCATIONS, binder, snp
from privproc.attestation.message import MEDIA_TYPE, Attestation
from privproc.errors import (
    DecodeError,
    ExpiredError,
    LimitError,
    OpenError,
    PeerError,
    PolicyError,
    ReplayError,
    SignatureError,
    SpentError,
    UnsupportedError,
    UntrustedError,
    UsageError,
)
from privproc.ratls import Identity, mutual
from privproc.ratls.authenticator import Authenticators
from privproc.vectors._straight import lp
from tests import authenticators as ea
from tests.test_attestation import AT, MEASUREMENT, logged
from tests.test_ratls import received
from tests.world import mutual as by_hand
from tests.world.amd import FakeAmd, strict_policy
from tests.world.binding import bound
from tests.world.removed import removed

CHIP = FakeAmd.generate(snp.Product.GENOA, AT).chip()
POLICY, CHAIN = strict_policy(CHIP), CHIP.chain()
GROUP = ratls.Group.X25519MLKEM768
FRONT, MODEL = "orchestrator", "model"
FRONT_ID, MODEL_ID = (Identity.generate(at=AT, lifetime=86_400) for _ in range(2))
CLIENT = {"role": FRONT, "peer_role": MODEL}
SERVER = {"role": MODEL, "peer_role": FRONT}


def report(report_data: bytes) -> bytes:
    return CHIP.report(measurement=MEASUREMENT, report_data=report_data)


def appraise(shown: Attestation, binding: bytes, role: str, at: int = AT) -> snp.VerifiedEvidence:
    assert shown.format == 1
    evidence, log = shown.evidence, logged(role=role)
    return snp.appraise(
        evidence,
        binding=bound(binding),
        policy=POLICY,
        chain=CHAIN,
        logged=log,
        role=role,
        revocations=NO_REVOCATIONS,
        at=at,
    )


def begun(front: Identity = FRONT_ID, model: Identity = MODEL_ID) -> tuple[bytes, mutual.Introduced, ratls.Attesting]:
    hello, pending = ratls.connect(GROUP)
    flight, attesting = ratls.accept(model, hello, GROUP)
    records, introduced = mutual.introduce(pending.finish(flight), front, **CLIENT)
    return records, introduced, attesting


def responded(**kwargs: Any) -> tuple[mutual.Introduced, mutual.Responding]:
    records, introduced, attesting = begun(**kwargs)
    return introduced, mutual.respond(attesting, kwargs.get("model", MODEL_ID), records, **SERVER)


def presented() -> tuple[mutual.PresentedServer, mutual.Awaiting]:
    introduced, responding = responded()
    records, awaiting = responding.attest(Attestation(1, report(responding.report_data), b"chain", b"proof"))
    return introduced.receive(records), awaiting


def proven() -> tuple[ratls.Channel, mutual.PresentedClient]:
    server, awaiting = presented()
    proving = server.accept(appraise(server.attestation, server.binding, MODEL), at=AT)
    records, channel = proving.attest(Attestation(1, report(proving.report_data)))
    return channel, awaiting.receive(records)


def test_both_attest_and_then_talk():
    front, client = proven()
    model = client.accept(appraise(client.attestation, client.binding, FRONT), at=AT)
    front.send(b"question")
    assert received(model.receive_data(front.data_to_send())) == b"question"
    model.send(b"answer")
    assert received(front.receive_data(model.data_to_send())) == b"answer"


def test_what_the_host_staples_arrives():
    server, _ = presented()
    assert (server.attestation.endorsements, server.attestation.log_proof) == (b"chain", b"proof")


# req: privproc1/15.1 nothing-before-acceptance
def test_nothing_can_send_before_the_other_end_is_appraised():
    introduced, responding = responded()
    records, awaiting = responding.attest(Attestation(1, report(responding.report_data)))
    server = introduced.receive(records)
    proving = server.accept(appraise(server.attestation, server.binding, MODEL), at=AT)
    last, channel = proving.attest(Attestation(1, report(proving.report_data)))
    client = awaiting.receive(last)
    for step in introduced, responding, awaiting, server, proving, client:
        assert not hasattr(step, "send")
    assert isinstance(channel, ratls.Channel)


# -- with ends made by hand -------------------------------------------------------------------------------------------


def credentials() -> tuple[Ed25519PrivateKey, bytes]:
    key = Identity.generate(at=AT, lifetime=86_400)._credential
    return key.key, key.chain[0]


def hand_client(lies: dict[str, Any] | None = None) -> by_hand.Client:
    return by_hand.Client(*credentials(), FRONT, MODEL, report, lies)


def hand_server(lies: dict[str, Any] | None = None) -> by_hand.Server:
    return by_hand.Server(*credentials(), MODEL, FRONT, report, lies)


def against_client(server: by_hand.Server) -> mutual.Introduced:
    """The library's client with a server made by hand, which has heard the introduction."""
    hello, pending = ratls.connect(GROUP)
    records, introduced = mutual.introduce(pending.finish(server.flight(hello)), FRONT_ID, **CLIENT)
    server.hear(records)
    return introduced


def against_server(client: by_hand.Client) -> tuple[mutual.Awaiting, bytes]:
    """The library's server with a client made by hand, which has read the presentation; and the server's evidence."""
    flight, attesting = ratls.accept(MODEL_ID, client.hello(), GROUP)
    responding = mutual.respond(attesting, MODEL_ID, client.introduce(flight), **SERVER)
    evidence = report(responding.report_data)
    records, awaiting = responding.attest(Attestation(1, evidence))
    parts, expected = client.receive(records)
    assert parts[1] == evidence
    assert expected == evidence[0x50:0x90]
    return awaiting, evidence


def test_a_server_by_hand():
    server = hand_server()
    presented = against_client(server).receive(server.present())
    proving = presented.accept(appraise(presented.attestation, presented.binding, MODEL), at=AT)
    evidence = report(proving.report_data)
    records, channel = proving.attest(Attestation(1, evidence))
    parts, expected = server.receive(records, presented.attestation.evidence)
    assert parts[1] == evidence
    assert expected == evidence[0x50:0x90]
    channel.send(b"question")
    assert server.read(channel.data_to_send()) == b"question"


def test_a_client_by_hand():
    client = hand_client()
    awaiting, _ = against_server(client)
    presented = awaiting.receive(client.prove())
    channel = presented.accept(appraise(presented.attestation, presented.binding, FRONT), at=AT)
    assert received(channel.receive_data(client.send(b"question"))) == b"question"


# -- evidence that is bound to something else -------------------------------------------------------------------------

LIES: dict[str, Any] = {
    "dir": None,
    "role": "somebody",
    "seq": 1,
    "th1": bytes(48),
    "ekm": bytes(32),
    "leaf": b"another leaf",
    "peer": b"another peer",
    "ann": b"keys that nobody announced",
}
PRE = {
    "dir": "self.direction.value,",
    "role": "self.role.encode(),",
    "seq": "_uint32(self.sequence),",
    "th1": '_sized("th1", self.th1, 48),',
    "ekm": '_sized("exporter value", self.exporter.expose(), EXPORTER_LENGTH),',
    "leaf": "hashlib.sha256(self.leaf).digest(),",
    "peer": 'hashlib.sha256(self.peer).digest() if self.peer else b"",',
    "ann": "self.announcement,",
}


def lie(field: str, direction: bytes) -> dict[str, Any]:
    return {field: direction if LIES[field] is None else LIES[field]}


def to_client(lies: dict[str, Any]) -> Any:
    server = hand_server(lies)
    presented = against_client(server).receive(server.present())
    return presented.accept(appraise_whatever(presented, MODEL), at=AT)


def to_server(lies: dict[str, Any]) -> Any:
    client = hand_client(lies)
    awaiting, _ = against_server(client)
    presented = awaiting.receive(client.prove())
    return presented.accept(appraise_whatever(presented, FRONT), at=AT)


def appraise_whatever(presented: Any, role: str) -> snp.VerifiedEvidence:
    """Genuine evidence, appraised by a caller who expects what it happens to say: the release has to notice."""
    report_data = presented.attestation.evidence[0x50:0x90]
    return appraise(presented.attestation, report_data, role)


@pytest.mark.parametrize("field", LIES)
@pytest.mark.parametrize(("end", "direction"), [(to_client, b"c2s"), (to_server, b"s2c")])
# req: privproc1/15.3 each-field-counts
def test_each_field_of_the_binder_is_checked(end, direction, field):
    """Reflection (dir), another session (ekm, th1), another leaf (leaf), a relay (peer), role, repetition, keys."""
    end({})
    with pytest.raises(UntrustedError, match="another session"):
        end(lie(field, direction))


@pytest.mark.parametrize("field", LIES)
@pytest.mark.parametrize(("end", "direction"), [(to_client, b"c2s"), (to_server, b"s2c")])
def test_the_field_is_what_is_checked(monkeypatch, end, direction, field):
    """With the field left empty by both ends, the same lie passes."""
    monkeypatch.setattr(by_hand, "BLANK", {field})
    with removed(binder.Binding.pre, PRE[field], 'b"",'):
        end(lie(field, direction))


# -- attacks by name --------------------------------------------------------------------------------------------------


def relay() -> tuple[mutual.Introduced, by_hand.Server, bytes]:
    """The host has the server's TLS key and ends two sessions itself: the client's introduction is carried across.

    Gives the server's presentation, whose evidence is genuine and names both leaves.
    """
    key, leaf = MODEL_ID._credential.key, MODEL_ID.leaf
    outer = by_hand.Server(key, leaf, MODEL, FRONT, report)
    introduced = against_client(outer)
    inner = by_hand.Client(key, FRONT_ID.leaf, FRONT, MODEL, report)
    flight, attesting = ratls.accept(MODEL_ID, inner.hello(), GROUP)
    finished = inner.handshake(flight)
    responding = mutual.respond(attesting, MODEL_ID, finished + inner.send(lp(outer.introduction)), **SERVER)
    records, _ = responding.attest(Attestation(1, report(responding.report_data)))
    return introduced, outer, inner.message(records)


def resigned(outer: by_hand.Server, message: bytes) -> bytes:
    """The server's request and evidence in the relay's own session, under the leaked TLS key."""
    size = int.from_bytes(message[:4], "big")
    outer.request, carried = message[4 : 4 + size], message[8 + size :]
    _, evidence, *_ = by_hand.uncmw(carried[: 4 + int.from_bytes(carried[1:4], "big")])
    return outer.present(outer.authenticator(outer.asked, by_hand.attestation(evidence)))


def test_relayed_authenticator():
    introduced, outer, message = relay()
    with pytest.raises(SignatureError, match="another connection"):
        introduced.receive(outer.send(lp(message)))


def test_relayed_evidence_with_the_servers_tls_key():
    introduced, outer, message = relay()
    presented = introduced.receive(resigned(outer, message))
    with pytest.raises(UntrustedError, match="another session"):
        presented.accept(appraise_whatever(presented, MODEL), at=AT)


def test_relayed_evidence_rests_on_the_exporter():
    """All else is equal in both sessions: leaves, roles, introduction, request."""
    with removed(binder.Binding.pre, PRE["ekm"], 'b"",'):
        introduced, outer, message = relay()
        presented = introduced.receive(resigned(outer, message))
        presented.accept(appraise_whatever(presented, MODEL), at=AT)


def diverted() -> mutual.PresentedServer:
    """The evidence is of another genuine enclave of the same code, which attests to somebody else meanwhile."""
    _, elsewhere = responded(model=Identity.generate(at=AT, lifetime=60))
    server = hand_server()
    introduced = against_client(server)
    shown = by_hand.attestation(report(elsewhere.report_data))
    return introduced.receive(server.present(server.authenticator(server.asked, shown)))


def test_diversion_to_another_genuine_enclave():
    presented = diverted()
    with pytest.raises(UntrustedError, match="another session"):
        presented.accept(appraise_whatever(presented, MODEL), at=AT)


def test_the_binding_is_what_is_checked():
    presented = diverted()
    with removed(mutual._Presented._check, "evidence.expect(self.binding, at=at)"):
        presented.accept(appraise_whatever(presented, MODEL), at=AT)


def test_reflected_evidence():
    """cmc#406: the client, without hardware of its own, shows the server's evidence to the server."""
    client = hand_client()
    awaiting, evidence = against_server(client)
    shown = by_hand.attestation(evidence)
    step = awaiting.receive(client.prove(client.authenticator(client.asked, shown)))
    with pytest.raises(UntrustedError, match="another session"):
        step.accept(appraise_whatever(step, FRONT), at=AT)


def test_reflected_authenticator():
    """... or the server's whole authenticator."""
    client = hand_client()
    flight, attesting = ratls.accept(MODEL_ID, client.hello(), GROUP)
    responding = mutual.respond(attesting, MODEL_ID, client.introduce(flight), **SERVER)
    records, awaiting = responding.attest(Attestation(1, report(responding.report_data)))
    message = client.message(records)
    own = message[8 + int.from_bytes(message[:4], "big") :]
    with pytest.raises(UntrustedError, match="another request"):
        awaiting.receive(client.prove(own))


# req: privproc1/15.2 not-ones-own
def test_own_certificate_at_the_client():
    hello, pending = ratls.connect(GROUP)
    server = by_hand.Server(FRONT_ID._credential.key, FRONT_ID.leaf, MODEL, FRONT, report)
    flight = server.flight(hello)
    with pytest.raises(UntrustedError, match="own certificate"):
        mutual.introduce(pending.finish(flight), FRONT_ID, **CLIENT)


# req: privproc1/15.2 not-ones-own
def test_own_certificate_at_the_server():
    client = by_hand.Client(MODEL_ID._credential.key, MODEL_ID.leaf, FRONT, MODEL, report)
    flight, attesting = ratls.accept(MODEL_ID, client.hello(), GROUP)
    with pytest.raises(UntrustedError, match="own certificate"):
        mutual.respond(attesting, MODEL_ID, client.introduce(flight), **SERVER)


def test_own_certificate_without_the_check():
    client = by_hand.Client(MODEL_ID._credential.key, MODEL_ID.leaf, FRONT, MODEL, report)
    flight, attesting = ratls.accept(MODEL_ID, client.hello(), GROUP)
    with removed(mutual._check_other, "if leaf == identity.leaf:", "if False:"):
        mutual.respond(attesting, MODEL_ID, client.introduce(flight), **SERVER)


def another_leaf(server: by_hand.Server) -> bytes:
    """An authenticator that holds, of a certificate that isn't the handshake's."""
    key, leaf = credentials()
    certificate = server.asked[5 : 5 + server.asked[4]]
    entry = (leaf, ea.attested(by_hand.cmw(server.shown())))
    keys = ea.Keys.of(server.export, "server")
    return keys.authenticator(server.asked, ea.certificate(certificate, entry), ea.ED25519, key)


# req: privproc1/15.2 the-expected-leaf
def test_authenticator_of_another_certificate():
    server = hand_server()
    introduced = against_client(server)
    with pytest.raises(UntrustedError, match="another certificate"):
        introduced.receive(server.present(another_leaf(server)))


def test_authenticator_of_another_certificate_without_the_check():
    server = hand_server()
    introduced = against_client(server)
    with removed(mutual._Ends.shown, "peer.chain != (self.peer_leaf,)", "False"):
        introduced.receive(server.present(another_leaf(server)))


# req: privproc1/15.2 the-expected-leaf
def test_a_second_certificate():
    """Extra entries: exactly the leaf that the evidence names, and no chain."""
    server = hand_server()
    introduced = against_client(server)
    extra = server.authenticator(server.asked, server.shown(), (credentials()[1], b""))
    with pytest.raises(UntrustedError, match="another certificate"):
        introduced.receive(server.present(extra))


# req: privproc1/15.2 evidence-or-nothing
def test_no_evidence():
    server = hand_server()
    introduced = against_client(server)
    shown = ea.certificate(server.asked[5 : 5 + server.asked[4]], (server.leaf, b""))
    bare = ea.Keys.of(server.export, "server").authenticator(server.asked, shown, ea.ED25519, server.key)
    with pytest.raises(PolicyError, match="no evidence"):
        introduced.receive(server.present(bare))


# req: privproc1/15.2 evidence-or-nothing
def test_empty_authenticator_from_the_server():
    server = hand_server()
    introduced = against_client(server)
    empty = ea.Keys.of(server.export, "server").empty(server.asked, server.asked[5 : 5 + server.asked[4]])
    with pytest.raises(PolicyError, match="refuses"):
        introduced.receive(server.present(empty))


def test_empty_authenticator_from_the_client():
    client = hand_client()
    awaiting, _ = against_server(client)
    empty = ea.Keys.of(client.export, "client").empty(client.asked, client.asked[5 : 5 + client.asked[4]])
    with pytest.raises(PolicyError, match="refuses"):
        awaiting.receive(client.prove(empty))


# req: privproc1/15.3 the-role-it-talks-to
def test_wrong_role_label():
    """The other end's exporter labels."""
    client = hand_client()
    awaiting, _ = against_server(client)
    context = client.asked[5 : 5 + client.asked[4]]
    shown = ea.certificate(context, (client.leaf, ea.attested(by_hand.cmw(client.shown()))))
    made = ea.Keys.of(client.export, "server").authenticator(client.asked, shown, ea.ED25519, client.key)
    with pytest.raises(SignatureError):
        awaiting.receive(client.prove(made))


def proving_to(server: by_hand.Server, ask: Callable[[by_hand.Server], bytes]) -> mutual.Proving:
    """The library's client, which accepted the server's evidence, and is asked for its own by ``ask``'s request."""
    introduced = against_client(server)
    server.request = ask(server)
    presented = introduced.receive(server.present())
    return presented.accept(appraise(presented.attestation, presented.binding, MODEL), at=AT)


def under_its_own_context(server: by_hand.Server) -> bytes:
    return ea.request("server", server.asked[5 : 5 + server.asked[4]])


def test_reused_context():
    """The server asks under the context that the client chose: an answer could be taken for the server's own."""
    proving = proving_to(hand_server(), under_its_own_context)
    with pytest.raises(ReplayError):
        proving.attest(Attestation(1, report(proving.report_data)))


def test_reused_context_without_the_check():
    proving = proving_to(hand_server(), under_its_own_context)
    with removed(Authenticators._received, "asked.context in self._contexts", "False"):
        proving.attest(Attestation(1, report(proving.report_data)))


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        (b"", UntrustedError),  # the client's own, reflected
        (ea.request("server", b"c", cmw=False), UnsupportedError),
        (ea.request("server", b"c", (0x0804,)), UnsupportedError),
        (ea.request("server", b"c") + b"\0", DecodeError),
        (b"\x0d", DecodeError),
    ],
    ids=["own", "no evidence wanted", "no scheme", "trailing byte", "cut"],
)
def test_requests_that_cannot_be_answered(request_, error):
    proving = proving_to(hand_server(), lambda server: request_ or server.asked)
    with pytest.raises(error):
        proving.attest(Attestation(1, report(proving.report_data)))


@pytest.mark.parametrize(
    "shown",
    [
        b"",
        b"\x80",
        by_hand.cmw(by_hand.attestation(b"evidence") + b"\0"),
        by_hand.cmw(by_hand.attestation(b"")),
        by_hand.cmw(by_hand.attestation(b"evidence")) + b"\0",
        by_hand.cmw(by_hand.attestation(b"evidence"), b"application/eat+cwt"),
        b"\x83" + by_hand.cmw(by_hand.attestation(b"evidence"))[1:] + b"\x04",
        b"\x82" + by_hand.cbor_head(3, len(MEDIA_TYPE)) + MEDIA_TYPE.encode() + b"\x61a",
    ],
    ids=["none", "empty", "trailing", "no evidence", "trailing CBOR", "another type", "with ind", "text"],
)
def test_malformed_wrappers(shown):
    with pytest.raises(DecodeError):
        Attestation.unwrap(shown)


@pytest.mark.parametrize("change", [lambda m: m + b"\0", lambda m: m[:-1], lambda m: m + lp(b""), lambda _: b""])
# req: privproc1/15.1 whole-flights
def test_flights_are_whole(change):
    """Trailing bytes, a cut message, a second one, none."""
    server = hand_server()
    introduced = against_client(server)
    message = lp(lp(server.request) + lp(server.authenticator(server.asked, server.shown())))
    changed = change(message)
    records = server.send(changed) if changed else b""
    with pytest.raises(DecodeError):
        introduced.receive(records)


# req: privproc1/15.1 whole-flights
def test_the_end_of_the_session_instead():
    client = hand_client()
    awaiting, _ = against_server(client)
    last = client.prove()
    client.tls.shutdown()
    with pytest.raises(DecodeError, match="closed"):
        awaiting.receive(last + ratls.openssl.drain(client.tls))


def test_the_end_of_the_session_without_the_check():
    client = hand_client()
    awaiting, _ = against_server(client)
    last = client.prove()
    client.tls.shutdown()
    with removed(mutual._message, "any(isinstance(event, EndOfData) for event in events)", "False"):
        awaiting.receive(last + ratls.openssl.drain(client.tls))


def test_a_record_that_was_changed():
    client = hand_client()
    awaiting, _ = against_server(client)
    last = bytearray(client.prove())
    last[-1] ^= 1
    with pytest.raises(OpenError):
        awaiting.receive(bytes(last))


# req: privproc1/15.1 whole-flights
def test_flights_are_bounded():
    introduced, responding = responded()
    with pytest.raises(LimitError):
        introduced.receive(bytes(mutual.MAX_MUTUAL_FLIGHT + 1))
    records, _, attesting = begun()
    with pytest.raises(LimitError):
        mutual.respond(attesting, MODEL_ID, records + bytes(mutual.MAX_MUTUAL_FLIGHT), **SERVER)
    assert responding.report_data


# -- what callers may do wrong, and time ------------------------------------------------------------------------------


# req: privproc1/15.1 nothing-before-acceptance
def test_only_appraised_evidence_counts():
    server, _ = presented()
    with pytest.raises(UsageError, match="appraised"):
        server.accept(server.attestation, at=AT)  # type: ignore[arg-type]
    server.accept(appraise(server.attestation, server.binding, MODEL), at=AT)


# req: privproc1/15.3 the-role-it-talks-to
def test_evidence_of_another_role():
    server, _ = presented()
    with pytest.raises(UntrustedError, match="another role"):
        server.accept(appraise(server.attestation, server.binding, FRONT), at=AT)


def test_evidence_of_another_role_without_the_check():
    server, _ = presented()
    with removed(mutual._Presented._check, "evidence.role != ends.peer_role", "False"):
        server.accept(appraise(server.attestation, server.binding, FRONT), at=AT)


def test_evidence_past_its_time():
    server, _ = presented()
    evidence = appraise(server.attestation, server.binding, MODEL)
    with pytest.raises(ExpiredError):
        server.accept(evidence, at=evidence.not_after)


def test_every_step_is_left_once():
    introduced, responding = responded()
    records, awaiting = responding.attest(Attestation(1, report(responding.report_data)))
    with pytest.raises(SpentError):
        responding.attest(Attestation(1, b"e"))
    server = introduced.receive(records)
    with pytest.raises(SpentError):
        introduced.receive(records)
    evidence = appraise(server.attestation, server.binding, MODEL)
    proving = server.accept(evidence, at=AT)
    with pytest.raises(SpentError):
        server.accept(evidence, at=AT)
    last, _ = proving.attest(Attestation(1, report(proving.report_data)))
    with pytest.raises(SpentError):
        proving.attest(Attestation(1, b"e"))
    client = awaiting.receive(last)
    with pytest.raises(SpentError):
        awaiting.receive(last)
    evidence = appraise(client.attestation, client.binding, FRONT)
    client.accept(evidence, at=AT)
    with pytest.raises(SpentError):
        client.accept(evidence, at=AT)


def test_a_failed_step_is_spent():
    introduced, _ = responded()
    with pytest.raises(PeerError):
        introduced.receive(b"\x17\x03\x03\0\x01x")
    with pytest.raises(SpentError):
        introduced.receive(b"")


@pytest.mark.parametrize("roles", [{"role": "", "peer_role": "r"}, {"role": "r", "peer_role": ""}])
def test_roles_are_required(roles):
    hello, pending = ratls.connect(GROUP)
    flight, attesting = ratls.accept(MODEL_ID, hello, GROUP)
    with pytest.raises(UsageError, match="roles"):
        mutual.introduce(pending.finish(flight), FRONT_ID, **roles)
    with pytest.raises(UsageError, match="roles"):
        mutual.respond(attesting, MODEL_ID, b"", **roles)


def test_the_identity_is_the_handshakes():
    records, _, attesting = begun()
    with pytest.raises(UsageError, match="another identity"):
        mutual.respond(attesting, FRONT_ID, records, **SERVER)
    mutual.respond(attesting, MODEL_ID, records, **SERVER)


def test_release_and_introduce_exclude_each_other():
    hello, pending = ratls.connect(GROUP)
    flight, _ = ratls.accept(MODEL_ID, hello, GROUP)
    established = pending.finish(flight)
    mutual.introduce(established, FRONT_ID, **CLIENT)
    with pytest.raises(SpentError):
        established.export(b"label", b"", 32)


# req: privproc1/4.2 no-client-certificate
def test_no_client_certificate_in_the_handshake():
    """Neither end's handshake asks for one, or shows one."""
    _, _, attesting = begun()
    assert attesting._look().get_peer_certificate() is None
