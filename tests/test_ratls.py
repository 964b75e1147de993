"""privproc.ratls against bare pyOpenSSL peers, and against TLS 1.3 records made by hand from logged secrets."""

from __future__ import annotations

import contextlib
import copy
import hashlib
import hmac
import pickle
import tracemalloc

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from OpenSSL import SSL, crypto

from privproc import ratls
from privproc.attestation.snp import VerifiedEvidence
from privproc.errors import (
    DecodeError,
    ExpiredError,
    LimitError,
    OpenError,
    PeerError,
    PolicyError,
    SignatureError,
    SpentError,
    UnsupportedError,
    UntrustedError,
    UsageError,
)
from privproc.ratls import Group, Input, State, client, openssl
from privproc.vectors._kinds.tls_exporter import expand_label, exporter
from tests.codec import check_codec, check_contract

AT = 1_800_000_000
HYBRID = Group.X25519MLKEM768
IDENTITY = ratls.Identity.generate(at=AT, lifetime=86_400)
FIELDS = {"role": "chat", "th1": bytes(range(48)), "announcement": b"announced keys"}


def evidence(binding, *, not_before=AT - 60, not_after=AT + 60, role="chat"):
    """What an appraisal earns, with the fields that release reads."""
    fields = dict.fromkeys(VerifiedEvidence.__dataclass_fields__)
    known = {"binding": binding, "not_before": not_before, "not_after": not_after, "role": role}
    return VerifiedEvidence._earn(**fields | known)


def handshake(group=HYBRID):
    hello, pending = ratls.connect(group)
    flight, attesting = ratls.accept(IDENTITY, hello, group)
    return pending.finish(flight), attesting


def release(established):
    return established.release(evidence(established.bind(**FIELDS)), at=AT)


def channels(early=b""):
    """Two open channels with nothing under way."""
    established, attesting = handshake()
    device = release(established)
    if early:
        device.send(early)
    enclave, events = attesting.finish(device.data_to_send())
    assert received(events) == early
    assert device.receive_data(enclave.data_to_send()) == []  # tickets
    return device, enclave


def received(events):
    return b"".join(event.data for event in events if isinstance(event, ratls.DataReceived))


# --- peers of bare pyOpenSSL ------------------------------------------------------------------------------------------


class Foreign:
    """A bare pyOpenSSL end with its defaults: tickets, session cache, all groups. Its secrets are logged."""

    method: int

    def __init__(self, *, groups=None, chain=()):
        self.secrets: dict[str, bytes] = {}
        self.context = SSL.Context(self.method)
        self.context.set_keylog_callback(self._log)
        self.context.set_tls13_ciphersuites(b"TLS_AES_256_GCM_SHA384")
        if groups is not None:  # no public setter, which is why ratls checks the hellos
            assert SSL._lib.SSL_CTX_set1_curves_list(self.context._context, groups) == 1
        self.prepare(chain)
        self.new()

    def prepare(self, chain):
        self.context.set_min_proto_version(SSL.TLS1_3_VERSION)

    def new(self):
        self.connection = SSL.Connection(self.context)
        self.start()
        return self.connection

    def _log(self, _connection, line):
        label, _, secret = line.decode().split()
        self.secrets[label] = bytes.fromhex(secret)

    def take(self, data=b""):
        if data:
            self.connection.bio_write(data)
        with contextlib.suppress(SSL.WantReadError):
            self.connection.do_handshake()
        return openssl.drain(self.connection)


class ForeignServer(Foreign):
    method = SSL.TLS_SERVER_METHOD

    def prepare(self, chain):
        key = Ed25519PrivateKey.generate()
        self.context.use_certificate(certificate(key))
        self.context.use_privatekey(key)
        for extra in chain:
            self.context.add_extra_chain_cert(extra)

    def start(self):
        self.connection.set_accept_state()


class ForeignClient(Foreign):
    method = SSL.TLS_CLIENT_METHOD

    def start(self):
        self.connection.set_connect_state()


def certificate(key):
    made = ratls.Identity.generate(at=AT, lifetime=60)
    parsed = x509.load_der_x509_certificate(made.leaf)
    return (
        x509.CertificateBuilder()
        .subject_name(parsed.subject)
        .issuer_name(parsed.issuer)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(parsed.not_valid_before_utc)
        .not_valid_after(parsed.not_valid_after_utc)
        .sign(key, None)
    )


# --- TLS 1.3 by hand (RFC 8446 §5.2, §7.3) ----------------------------------------------------------------------------


def split(data):
    """Records of a stream."""
    records = []
    while data:
        size = 5 + int.from_bytes(data[3:5], "big")
        records.append(data[:size])
        data = data[size:]
    return records


class Keys:
    """One direction's record protection, from its traffic secret."""

    def __init__(self, secret):
        self.aead = AESGCM(expand_label("sha384", secret, b"key", b"", 32))
        self.iv = int.from_bytes(expand_label("sha384", secret, b"iv", b"", 12), "big")
        self.sequence = 0

    def _nonce(self):
        nonce = (self.iv ^ self.sequence).to_bytes(12, "big")
        self.sequence += 1
        return nonce

    def seal(self, kind, content):
        head = b"\x17\x03\x03" + (len(content) + 17).to_bytes(2, "big")
        return head + self.aead.encrypt(self._nonce(), content + bytes([kind]), head)

    def open(self, record):
        inner = self.aead.decrypt(self._nonce(), record[5:], record[:5])
        return inner[-1], inner[:-1]


def by_hand(server):
    """A released channel to ``server``, whose application records are then made here."""
    hello, pending = ratls.connect(HYBRID)
    device = release(pending.finish(server.take(hello)))
    server.take(device.data_to_send())
    return device, Keys(server.secrets["SERVER_TRAFFIC_SECRET_0"]), Keys(server.secrets["CLIENT_TRAFFIC_SECRET_0"])


# --- hellos by hand ---------------------------------------------------------------------------------------------------


def vec(width, data):
    return len(data).to_bytes(width, "big") + data


def record(message, version=b"\x03\x03"):
    return b"\x16" + version + vec(2, message)


EXTENSIONS = {
    10: vec(2, b"\0\x1d"),
    13: vec(2, b"\x08\x07"),
    43: vec(1, b"\x03\x04"),
    51: vec(2, b"\0\x1d" + vec(2, b"\x09" + bytes(31))),
}
CHOSEN = {43: b"\x03\x04", 51: b"\0\x1d" + vec(2, bytes(32))}


def block(extensions):
    return b"".join(kind.to_bytes(2, "big") + vec(2, data) for kind, data in extensions.items())


def client_hello(
    changes=(),
    *,
    legacy=b"\x03\x03",
    suites=b"\x13\x02",
    compression=b"\0",
    session=b"",
    kind=b"\1",
    twice=False,
    tail=b"",
):
    extensions = {kind: data for kind, data in (EXTENSIONS | dict(changes)).items() if data is not None}
    body = (
        legacy
        + bytes(32)
        + vec(1, session)
        + vec(2, suites)
        + vec(1, compression)
        + vec(2, block(extensions) * (1 + twice))
    )
    return kind + vec(3, body + tail)


def server_hello(
    changes=(), *, legacy=b"\x03\x03", compression=b"\0", session=b"", kind=b"\2", suite=b"\x13\x02", tail=b""
):
    extensions = {kind: data for kind, data in (CHOSEN | dict(changes)).items() if data is not None}
    body = legacy + bytes(32) + vec(1, session) + suite + compression + vec(2, block(extensions))
    return kind + vec(3, body + tail)


# --- the honest run ---------------------------------------------------------------------------------------------------


def test_one_session():
    hello, pending = ratls.connect(HYBRID)
    flight, attesting = ratls.accept(IDENTITY, hello, HYBRID)
    report_data = attesting.bind(**FIELDS)
    established = pending.finish(flight)
    assert established.leaf == attesting.leaf == IDENTITY.leaf
    assert established.bind(**FIELDS) == report_data
    assert len(report_data) == 64
    device = established.release(evidence(report_data), at=AT)
    device.send(b"question")
    enclave, events = attesting.finish(device.data_to_send())
    assert events == [ratls.DataReceived(b"question")]
    enclave.send(b"answer")
    enclave.close()
    assert device.receive_data(enclave.data_to_send()) == [ratls.DataReceived(b"answer"), ratls.EndOfData()]
    device.send(b"thanks")  # each direction ends on its own
    device.close()
    assert enclave.receive_data(device.data_to_send()) == [ratls.DataReceived(b"thanks"), ratls.EndOfData()]
    assert device.state is enclave.state is State.CLOSED
    assert device.data_to_send() == b""


# req: privproc1/4.2 one-clienthello
def test_one_shape_for_everybody():
    first, second = (ratls.ClientHello.decode(ratls.connect(HYBRID)[0]) for _ in range(2))
    assert (first.suites, first.versions) == ((0x1302,), (0x0304,))
    assert first.shares == ((HYBRID, 1216), (Group.X25519, 32))
    assert set(first.extensions).isdisjoint({0, 35, 41, 42, 44})  # no name, ticket, PSK, early data, cookie
    for name in ("suites", "versions", "groups", "shares", "extensions"):
        assert getattr(first, name) == getattr(second, name)
    assert first.random != second.random
    assert first.session_id != second.session_id
    assert len(ratls.connect(HYBRID)[0]) == len(ratls.connect(Group.X25519)[0])


@pytest.mark.parametrize("group", list(Group))
def test_groups_with_a_peer_that_has_one(group):
    names = {HYBRID: b"X25519MLKEM768", Group.X25519: b"X25519"}
    server = ForeignServer(groups=names[group])
    hello, pending = ratls.connect(group)
    assert pending.finish(server.take(hello)).leaf
    flight, _ = ratls.accept(IDENTITY, ForeignClient(groups=names[group]).take(), group)
    assert flight


def test_the_hybrid_wins_over_a_demand_for_x25519():
    hello, pending = ratls.connect(Group.X25519)
    with pytest.raises(UnsupportedError, match="X25519"):
        ratls.accept(IDENTITY, hello, Group.X25519)
    with pytest.raises(UnsupportedError, match="X25519"):
        pending.finish(ForeignServer().take(hello))


def test_large_data_in_records():
    data = bytes(range(256)) * 1000
    device, enclave = channels(early=data)
    enclave.send(data)
    wire = enclave.data_to_send()
    assert [len(part) for part in split(wire)] == [16384 + 22] * 15 + [len(data) - 15 * 16384 + 22]
    assert received(device.receive_data(wire)) == data
    device.send(b"")
    assert device.data_to_send() == b""


# --- exporter and binder ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("label", "context", "length"),
    [
        (b"EXPORTER-Channel-Binding", b"", 32),
        (b"EXPERIMENTAL privproc/1 attest", bytes(48), 32),
        (b"EXPERIMENTAL privproc/1 keys", b"c" * 300, 48),
        (b"x", b"", 1),
        (b"x" * 249, b"y", 12240),
    ],
)
def test_exporter_equals_the_derivation_by_hand(label, context, length):
    server = ForeignServer()
    hello, pending = ratls.connect(HYBRID)
    established = pending.finish(server.take(hello))
    expected = exporter("sha384", server.secrets["EXPORTER_SECRET"], label, context, length)
    assert established.export(label, context, length).expose() == expected
    assert release(established).export(label, context, length).expose() == expected

    peer = ForeignClient()
    flight, attesting = ratls.accept(IDENTITY, peer.take(), HYBRID)
    ours = attesting.export(label, context, length)  # before the client's Finished
    enclave, _ = attesting.finish(peer.take(flight))
    assert ours.expose() == exporter("sha384", peer.secrets["EXPORTER_SECRET"], label, context, length)
    assert enclave.export(label, context, length) == ours


def test_exporter_bounds():
    established, _ = handshake()
    for label, length in ((b"", 32), (b"x" * 250, 32), (b"x", 0), (b"x", -1), (b"x", 12241)):
        with pytest.raises(UsageError):
            established.export(label, b"", length)


def test_binder_covers_every_field():
    established, attesting = handshake()
    other, _ = handshake()
    plain = attesting.bind(**FIELDS)
    binders = {
        plain,
        attesting.bind(**FIELDS | {"role": "search"}),
        attesting.bind(**FIELDS | {"th1": bytes(48)}),
        attesting.bind(**FIELDS | {"announcement": b""}),
        attesting.bind(**FIELDS, sequence=1),
        attesting.bind(**FIELDS, devices=[(1, b"gpu")]),
        other.bind(**FIELDS),
    }
    assert len(binders) == 7
    assert established.bind(**FIELDS) == plain == attesting.bind(**FIELDS)
    assert established.binding(**FIELDS).device_nonce(0) == attesting.binding(**FIELDS).device_nonce(0)


def test_bind_refuses_wrong_use():
    established, attesting = handshake()
    for bad in ({"sequence": -1}, {"sequence": 1 << 32}, {"th1": bytes(47)}, {"role": ""}):
        with pytest.raises(UsageError):
            attesting.bind(**FIELDS | bad)
        with pytest.raises(UsageError):
            established.bind(**FIELDS | bad)
    established.bind(**FIELDS)
    with pytest.raises(UsageError, match="already"):
        established.bind(**FIELDS)


# --- release ----------------------------------------------------------------------------------------------------------


# req: privproc1/4.8 role-and-end-at-release
def test_release_only_for_this_session():
    relayed = handshake()[0].bind(**FIELDS)  # evidence that is genuine, of another session
    for binding in (relayed, bytes(64), b""):
        established, _ = handshake()
        established.bind(**FIELDS)
        with pytest.raises(UntrustedError):
            established.release(evidence(binding), at=AT)
        with pytest.raises(SpentError):
            established.export(b"x", b"", 32)


# req: privproc1/4.8 role-and-end-at-release
def test_release_checks_role_and_time():
    established, _ = handshake()
    with pytest.raises(UntrustedError):
        established.release(evidence(established.bind(**FIELDS), role="search"), at=AT)
    established, _ = handshake()
    with pytest.raises(ExpiredError):
        established.release(evidence(established.bind(**FIELDS), not_after=AT), at=AT)
    established, _ = handshake()
    assert established.release(evidence(established.bind(**FIELDS), not_after=AT), at=AT - 1)
    established, _ = handshake()
    with pytest.raises(ExpiredError):
        established.release(evidence(established.bind(**FIELDS), not_before=AT + 1), at=AT)


# req: privproc1/4.8 nothing-before-appraisal
def test_release_needs_bind_and_an_appraisal():
    established, _ = handshake()
    with pytest.raises(UsageError, match="bind"):
        established.release(evidence(b""), at=AT)
    binding = established.bind(**FIELDS)

    class Forged:
        not_after = AT + 60
        role = "chat"

    Forged.binding = binding
    with pytest.raises(UsageError, match="appraised"):
        established.release(Forged(), at=AT)
    assert established.release(evidence(binding), at=AT)  # the caller's mistakes didn't spend it
    with pytest.raises(SpentError):
        established.release(evidence(binding), at=AT)


def test_only_a_channel_can_send():
    established, attesting = handshake()
    for step in (established, attesting):
        assert not hasattr(step, "send")
        assert not hasattr(step, "data_to_send")


def test_steps_are_single_use_and_opaque():
    hello, pending = ratls.connect(HYBRID)
    flight, attesting = ratls.accept(IDENTITY, hello, HYBRID)
    established = pending.finish(flight)
    with pytest.raises(SpentError):
        pending.finish(flight)
    device = release(established)
    for look in (lambda: established.export(b"x", b"", 32), lambda: established.binding(**FIELDS)):
        with pytest.raises(SpentError):
            look()
    attesting.finish(device.data_to_send())
    with pytest.raises(SpentError):
        attesting.finish(b"")
    for thing in (pending, established, attesting, device, IDENTITY):
        assert repr(thing).startswith(f"<{type(thing).__name__} ")
        assert len(repr(thing)) < 40
        for duplicate in (copy.copy, copy.deepcopy, pickle.dumps):
            with pytest.raises(UsageError):
                duplicate(thing)
    assert repr(ratls.DataReceived(b"secret")) == "DataReceived()"
    parsed = ratls.ClientHello.decode(hello)
    assert parsed.random.hex() not in repr(parsed)
    assert str(parsed.random) not in repr(parsed)


# --- the server's flight ----------------------------------------------------------------------------------------------


# req: privproc1/4.2 flight-to-finished
def test_flight_is_taken_whole_or_not_at_all():
    size = len(ratls.accept(IDENTITY, ratls.connect(HYBRID)[0], HYBRID)[0])
    for cut in {*range(0, size, 23), *range(1200, 1250), *range(size - 80, size)}:
        hello, pending = ratls.connect(HYBRID)
        flight, _ = ratls.accept(IDENTITY, hello, HYBRID)
        with pytest.raises(DecodeError):
            pending.finish(flight[:cut])
        with pytest.raises(SpentError):
            pending.finish(flight)


# req: privproc1/4.2 flight-to-finished
def test_nothing_may_follow_finished():
    def tails(server):
        keys = Keys(server.secrets["SERVER_TRAFFIC_SECRET_0"])
        yield b"\0"
        yield b"\x14\x03\x03\0\1\1"
        yield keys.seal(23, b"early application data")
        keys.sequence = 0
        yield keys.seal(22, b"\4" + vec(3, bytes(8) + vec(1, b"") + vec(2, b"ticket") + vec(2, b"")))
        yield b"\x17\x03\x03\0\x20" + bytes(32)

    for index in range(5):
        server = ForeignServer()
        hello, pending = ratls.connect(HYBRID)
        flight = server.take(hello)
        with pytest.raises(DecodeError):
            pending.finish(flight + list(tails(server))[index])


def test_flight_record_lengths_are_bounded():
    hello, pending = ratls.connect(HYBRID)
    flight, _ = ratls.accept(IDENTITY, hello, HYBRID)
    with pytest.raises(DecodeError, match="over"):
        pending.finish(flight + b"\x17\x03\x03\x41\x01" + bytes(0x4101))
    _, pending = ratls.connect(HYBRID)
    with pytest.raises(LimitError):
        pending.finish(bytes(ratls.MAX_FLIGHT + 1))


def test_every_changed_byte_of_the_flight_is_noticed():
    size = len(ratls.accept(IDENTITY, ratls.connect(HYBRID)[0], HYBRID)[0])
    for position in range(0, size, 29):
        hello, pending = ratls.connect(HYBRID)
        flight, _ = ratls.accept(IDENTITY, hello, HYBRID)
        changed = bytearray(flight)
        changed[position] ^= 0x41
        with pytest.raises(PeerError):
            pending.finish(bytes(changed))
    hello, pending = ratls.connect(HYBRID)
    flight, _ = ratls.accept(IDENTITY, hello, HYBRID)
    with pytest.raises(OpenError):
        pending.finish(flight[:-1] + bytes([flight[-1] ^ 1]))


def opened_flight(server, flight):
    """ServerHello record, CCS, and the four encrypted messages: EncryptedExtensions to Finished."""
    records = split(flight)
    keys = Keys(server.secrets["SERVER_HANDSHAKE_TRAFFIC_SECRET"])
    return records[:2], [keys.open(part)[1] for part in records[2:]]


def sealed_flight(server, head, messages):
    keys = Keys(server.secrets["SERVER_HANDSHAKE_TRAFFIC_SECRET"])
    return b"".join(head) + b"".join(keys.seal(22, message) for message in messages)


def finished(server, transcript):
    """A server's Finished that fits: what an attacker inside the key exchange can make."""
    key = expand_label("sha384", server.secrets["SERVER_HANDSHAKE_TRAFFIC_SECRET"], b"finished", b"", 48)
    return b"\x14" + vec(3, hmac.digest(key, hashlib.sha384(transcript).digest(), "sha384"))


@pytest.mark.parametrize("change", ["nothing", "signature", "finished", "leaf", "tail in Finished's record"])
# req: privproc1/4.2 one-certificate
def test_certificate_verify_and_finished_are_checked(change):
    """The attacker runs the key exchange itself, shows another's leaf, and can't sign."""
    server = ForeignServer()
    hello, pending = ratls.connect(HYBRID)
    head, messages = opened_flight(server, server.take(hello))
    assert [message[0] for message in messages] == [8, 11, 15, 20]
    if change == "signature":
        messages[2] = messages[2][:-1] + bytes([messages[2][-1] ^ 1])
    if change == "leaf":  # the certificate of an attested server, shown by somebody else
        messages[1] = b"\x0b" + vec(3, vec(1, b"") + vec(3, vec(3, IDENTITY.leaf) + vec(2, b"")))
    transcript = hello[5:] + head[0][5:] + b"".join(messages[:3])
    messages[3] = finished(server, transcript)
    if change == "finished":
        messages[3] = finished(server, transcript + b"x")
    if change == "tail in Finished's record":
        messages[3] += b"\4" + vec(3, b"")
    flight = sealed_flight(server, head, messages)
    expected = {
        "nothing": None,
        "signature": SignatureError,
        "leaf": SignatureError,
        "finished": OpenError,
        "tail in Finished's record": DecodeError,
    }[change]
    if expected is None:
        assert pending.finish(flight).leaf
        return
    with pytest.raises(expected) as caught:
        pending.finish(flight)
    assert type(caught.value) is expected


# req: privproc1/4.2 one-certificate
def test_one_certificate_exactly():
    other = certificate(Ed25519PrivateKey.generate())
    hello, pending = ratls.connect(HYBRID)
    with pytest.raises(DecodeError, match="not exactly one"):
        pending.finish(ForeignServer(chain=[other]).take(hello))


# req: privproc1/4.2 no-retry-no-resumption
def test_hello_retry_request_and_foreign_group_of_real_servers():
    hello, pending = ratls.connect(HYBRID)
    retry = ForeignServer(groups=b"P-256").take(hello)
    with pytest.raises(PolicyError, match="HelloRetryRequest"):
        pending.finish(retry)
    hello, pending = ratls.connect(HYBRID)
    with pytest.raises(UnsupportedError, match="X25519MLKEM768"):
        pending.finish(ForeignServer(groups=b"X25519").take(hello))


# req: privproc1/4.2 one-clienthello
def test_connect_says_when_openssl_cannot(monkeypatch):
    context = ForeignClient(groups=b"X25519").context
    monkeypatch.setattr(openssl, "client_context", lambda: context)
    client._check_profile.cache_clear()
    with pytest.raises(UsageError, match="X25519MLKEM768"):
        ratls.connect(HYBRID)
    with pytest.raises(UsageError, match="singles this device out"):
        ratls.connect(Group.X25519)
    monkeypatch.undo()
    client._check_profile.cache_clear()


# --- no resumption ----------------------------------------------------------------------------------------------------


# req: privproc1/4.2 tickets-are-ignored
def test_server_that_offers_tickets_gets_full_handshakes():
    server = ForeignServer()
    exported = set()
    for _ in range(3):
        server.new()
        hello, pending = ratls.connect(HYBRID)
        assert 41 not in ratls.ClientHello.decode(hello).extensions
        established = pending.finish(server.take(hello))
        exported.add(established.export(b"x", b"", 32).expose())
        device = release(established)
        tickets = server.take(device.data_to_send())
        assert len(tickets) > 400
        assert device.receive_data(tickets) == []
    assert len(exported) == 3


def ticket_of_ours():
    """A foreign client that got our tickets and offers one in its next hello."""
    peer = ForeignClient()
    flight, attesting = ratls.accept(IDENTITY, peer.take(), HYBRID)
    enclave, _ = attesting.finish(peer.take(flight))
    tickets = enclave.data_to_send()
    assert len(tickets) == 158
    peer.connection.bio_write(tickets)
    with pytest.raises(SSL.WantReadError):
        peer.connection.recv(1)
    session = peer.connection.get_session()
    enclave.close()  # without close_notify OpenSSL takes a session for a broken one, at either end
    peer.connection.shutdown()
    peer.new().set_session(session)
    hello = peer.take()
    assert 41 in ratls.ClientHello.decode(hello).extensions
    return hello


def test_client_that_offers_our_ticket_is_refused():
    with pytest.raises(PolicyError, match="resumption"):
        ratls.accept(IDENTITY, ticket_of_ours(), HYBRID)


# req: privproc1/4.2 tickets-are-ignored
def test_our_tickets_are_useless_even_without_the_check(monkeypatch):
    hello = ticket_of_ours()
    monkeypatch.setattr(ratls.server, "check_client_hello", lambda *_: None)
    flight, _ = ratls.accept(IDENTITY, hello, HYBRID)  # check_server_hello would refuse a PSK
    assert len(split(flight)) == 6  # with Certificate and CertificateVerify: a full handshake


# --- the client's flight ----------------------------------------------------------------------------------------------


def test_client_finished_is_taken_whole():
    size = len(release(handshake()[0]).data_to_send())
    for cut in range(0, size, 3):
        established, attesting = handshake()
        data = release(established).data_to_send()
        with pytest.raises(DecodeError):
            attesting.finish(data[:cut])
    established, attesting = handshake()
    data = bytearray(release(established).data_to_send())
    data[-1] ^= 1
    with pytest.raises(OpenError):
        attesting.finish(bytes(data))


def test_client_finished_with_a_wrong_mac():
    peer = ForeignClient()
    flight, attesting = ratls.accept(IDENTITY, peer.take(), HYBRID)
    peer.take(flight)
    keys = Keys(peer.secrets["CLIENT_HANDSHAKE_TRAFFIC_SECRET"])
    with pytest.raises(OpenError):
        attesting.finish(keys.seal(22, b"\x14" + vec(3, bytes(48))))


def test_client_flight_with_part_of_what_follows():
    established, attesting = handshake()
    device = release(established)
    device.send(bytes(20_000))
    data = device.data_to_send()
    enclave, events = attesting.finish(data[:-1])
    assert received(events) == bytes(16384)
    assert received(enclave.receive_data(data[-1:])) == bytes(20_000 - 16384)


# --- the channel ------------------------------------------------------------------------------------------------------


def in_state(state):
    """A channel in ``state``, and its peer."""
    device, enclave = channels()
    if state in (State.PEER_CLOSED, State.CLOSED):
        enclave.close()
        assert device.receive_data(enclave.data_to_send()) == [ratls.EndOfData()]
    if state in (State.SELF_CLOSED, State.CLOSED):
        device.close()
    if state is State.FAILED:
        with pytest.raises(DecodeError):
            device.receive_end()
    assert device.state is state
    return device, enclave


def apply(happened, device, enclave):
    if happened is Input.SEND:
        device.send(b"x")
    elif happened is Input.CLOSE:
        device.close()
    elif happened is Input.TRANSPORT_END:
        device.receive_end()
    elif happened is Input.DATA:
        enclave.send(b"x")
        assert device.receive_data(enclave.data_to_send()) == [ratls.DataReceived(b"x")]
    elif happened is Input.CLOSE_NOTIFY:
        enclave.close()
        assert device.receive_data(enclave.data_to_send()) == [ratls.EndOfData()]
    else:
        device.receive_data(b"\x17\x03\x03\0\x20" + bytes(32))


@pytest.mark.parametrize("state", list(State))
@pytest.mark.parametrize("happened", list(Input))
# req: privproc1/9.4 channel-states
def test_transition_table(state, happened):
    device, enclave = in_state(state)
    target = ratls.TRANSITIONS[state].get(happened)
    from_peer = happened in (Input.DATA, Input.CLOSE_NOTIFY, Input.REFUSED)
    if target is State.FAILED:
        with pytest.raises(OpenError if happened is Input.REFUSED else DecodeError):
            apply(happened, device, enclave)
    elif target is not None:
        apply(happened, device, enclave)
    elif state is State.FAILED:
        with pytest.raises(DecodeError):
            device.receive_data(b"x") if from_peer else apply(happened, device, enclave)
    elif from_peer:  # ignored after the peer's close_notify
        assert device.receive_data(b"\x17\x03\x03\0\x20" + bytes(32)) == []
    else:
        with pytest.raises(UsageError):
            apply(happened, device, enclave)
    assert device.state is (target or state)


# req: privproc1/9.4 channel-states
def test_table_is_complete():
    assert set(ratls.TRANSITIONS) == set(State)
    reached = {target for edges in ratls.TRANSITIONS.values() for target in edges.values()}
    assert reached == set(State)


def test_after_close_notify_the_rest_is_ignored_in_any_split():
    for pieces in (1, 2):
        device, enclave = channels()
        enclave.close()
        wire = enclave.data_to_send()
        junk = bytes(100_000)
        events = device.receive_data(wire + junk) if pieces == 1 else device.receive_data(wire)
        assert events == [ratls.EndOfData()]
        assert device.receive_data(junk) == []
        device.receive_end()


@pytest.mark.parametrize("attack", ["flip", "replay", "drop", "swap", "reflect", "plaintext", "foreign"])
def test_a_bad_record_kills_the_session(attack):
    device, enclave = channels()
    enclave.send(b"one")
    one = enclave.data_to_send()
    enclave.send(b"two")
    two = enclave.data_to_send()
    if attack == "flip":
        wire = one[:-1] + bytes([one[-1] ^ 1])
    elif attack == "replay":
        assert device.receive_data(one) == [ratls.DataReceived(b"one")]
        wire = one
    elif attack == "drop":
        wire = two
    elif attack == "swap":
        wire = two + one
    elif attack == "reflect":
        device.send(b"one")
        wire = device.data_to_send()
    elif attack == "plaintext":
        wire = b"\x15\x03\x03\0\2\2\x28"
    else:
        other = channels()[1]
        other.send(b"one")
        wire = other.data_to_send()
    expected = DecodeError if attack == "plaintext" else OpenError
    with pytest.raises(expected) as caught:
        device.receive_data(wire)
    assert type(caught.value) is expected
    assert device.state is State.FAILED
    calls = [
        lambda: device.send(b"x"),
        lambda: device.receive_data(two),
        lambda: device.receive_data(b""),
        device.receive_end,
        device.close,
        device.data_to_send,
        lambda: device.export(b"x", b"", 32),
    ]
    for call in calls:
        with pytest.raises(expected) as again:
            call()
        assert type(again.value) is type(caught.value)


def test_key_update_of_the_peer():
    server = ForeignServer()
    device, theirs, ours = by_hand(server)
    assert device.receive_data(theirs.seal(23, b"before")) == [ratls.DataReceived(b"before")]
    assert device.receive_data(theirs.seal(22, bytes.fromhex("1800000101"))) == []  # update_requested
    updated = Keys(expand_label("sha384", server.secrets["SERVER_TRAFFIC_SECRET_0"], b"traffic upd", b"", 48))
    assert device.receive_data(updated.seal(23, b"after")) == [ratls.DataReceived(b"after")]
    device.send(b"answer")
    update, answer = split(device.data_to_send())
    assert ours.open(update) == (22, bytes.fromhex("1800000100"))
    mine = Keys(expand_label("sha384", server.secrets["CLIENT_TRAFFIC_SECRET_0"], b"traffic upd", b"", 48))
    assert mine.open(answer) == (23, b"answer")


def test_post_handshake_messages_of_the_server():
    request = b"\x0d" + vec(3, vec(1, b"context") + vec(2, block({13: EXTENSIONS[13]})))
    hello_request = b"\0" + vec(3, b"")  # renegotiation, TLS 1.2
    for message in (request, hello_request, b"\x0b" + vec(3, b""), b"\xff" + vec(3, b"")):
        device, theirs, _ = by_hand(ForeignServer())
        with pytest.raises(DecodeError):
            device.receive_data(theirs.seal(22, message))
        assert device.state is State.FAILED


def test_fatal_alert_and_empty_records():
    device, theirs, _ = by_hand(ForeignServer())
    assert device.receive_data(theirs.seal(23, b"") + theirs.seal(23, b"x")) == [ratls.DataReceived(b"x")]
    with pytest.raises(DecodeError, match="alert"):
        device.receive_data(theirs.seal(21, b"\x02\x28"))


def test_records_under_one_key_are_bounded(monkeypatch):
    device, enclave = channels()
    monkeypatch.setattr("privproc.ratls.channel.MAX_RECORDS", 3)
    device.send(bytes(2 * 16384))
    with pytest.raises(UsageError, match="new session"):
        device.send(bytes(16385))
    device.send(bytes(16384))
    assert received(enclave.receive_data(device.data_to_send())) == bytes(3 * 16384)


def test_memory_stays_flat():
    device, enclave = channels()
    data = bytes(1 << 16)
    tracemalloc.start()
    try:
        passed = 0
        for _ in range(1024):
            device.send(data)
            passed += len(received(enclave.receive_data(device.data_to_send())))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert passed == 64 << 20
    assert peak < 1 << 20


@given(st.lists(st.binary(max_size=40_000), max_size=4), st.data())
@settings(max_examples=25)
def test_any_split_gives_the_same_bytes(messages, data):
    device, enclave = channels()
    for message in messages:
        enclave.send(message)
    enclave.close()
    wire = enclave.data_to_send()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(wire)), max_size=8)))
    events = []
    for begin, end in zip([0, *cuts], [*cuts, len(wire)], strict=True):
        events += device.receive_data(wire[begin:end])
    assert received(events) == b"".join(messages)
    assert events[-1] == ratls.EndOfData()


class Session(RuleBasedStateMachine):
    """Two ends, a wire each way, delivery in any pieces, at times a forger."""

    def __init__(self):
        super().__init__()
        self.ends = channels()
        self.wires = [b"", b""]  # towards the end of that number
        self.sent = [b"", b""]
        self.got = [b"", b""]
        self.forged = False

    ends_ = st.integers(0, 1)

    def alive(self, end):
        return self.ends[end].state is not State.FAILED

    def collect(self, end):
        self.wires[1 - end] += self.ends[end].data_to_send()

    @rule(end=ends_, data=st.binary(max_size=20_000))
    def send(self, end, data):
        channel = self.ends[end]
        if Input.SEND in ratls.TRANSITIONS[channel.state]:
            channel.send(data)
            self.sent[end] += data
            self.collect(end)
        else:
            with pytest.raises(UsageError if self.alive(end) else PeerError):
                channel.send(data)

    @rule(end=ends_)
    def close(self, end):
        channel = self.ends[end]
        if Input.CLOSE in ratls.TRANSITIONS[channel.state]:
            channel.close()
            self.collect(end)
        else:
            with pytest.raises(UsageError if self.alive(end) else PeerError):
                channel.close()

    @rule(end=ends_, share=st.floats(0, 1))
    def deliver(self, end, share):
        if not self.alive(end):
            return
        count = int(len(self.wires[end]) * share)
        piece, self.wires[end] = self.wires[end][:count], self.wires[end][count:]
        try:
            events = self.ends[end].receive_data(piece)
        except PeerError:
            assert self.forged
            assert self.ends[end].state is State.FAILED
            return
        self.got[end] += received(events)
        self.collect(end)

    @precondition(lambda self: not self.forged and any(self.wires))
    @rule(share=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
    def forge(self, share, bit):
        end = 0 if self.wires[0] else 1
        changed = bytearray(self.wires[end])
        changed[int(len(changed) * share)] ^= 1 << bit
        self.wires[end] = bytes(changed)
        self.forged = True

    @rule(end=ends_)
    def transport_ends(self, end):
        state = self.ends[end].state
        if state in (State.PEER_CLOSED, State.CLOSED):
            self.ends[end].receive_end()
        else:
            with pytest.raises(PeerError):
                self.ends[end].receive_end()
            assert not self.alive(end)

    @invariant()
    def what_arrives_was_sent(self):
        for end in (0, 1):
            assert self.sent[1 - end].startswith(self.got[end])


TestSession = Session.TestCase
TestSession.settings = settings(max_examples=40, stateful_step_count=15, deadline=None)


# --- hellos -----------------------------------------------------------------------------------------------------------


def test_hello_codecs():
    check_codec(ratls.ClientHello.decode, record(client_hello()))
    check_codec(ratls.ServerHello.decode, server_hello())
    ours, _ = ratls.connect(HYBRID)
    for cut in range(0, len(ours), 7):
        with pytest.raises(DecodeError):
            ratls.check_client_hello(ours[:cut], HYBRID)


def test_hello_in_pieces():
    message = client_hello({10: vec(2, b"\x11\xec\0\x1d")})
    pieces = record(message[:3], b"\x03\x01") + record(message[3:50]) + record(message[50:])
    whole = ratls.ClientHello.decode(record(message))
    assert ratls.ClientHello.decode(pieces) == whole
    assert whole.groups == (HYBRID, Group.X25519)
    assert whole.shares == ((Group.X25519, 32),)
    ours, _ = ratls.connect(HYBRID)
    assert ratls.accept(IDENTITY, record(ours[5:1000]) + record(ours[1000:]), HYBRID)


def test_openssl_may_still_ask_for_a_retry():
    """There is a share for the demanded group, but OpenSSL likes another one better: so its answer is checked."""
    hello = record(client_hello({10: vec(2, b"\x11\xec\0\x1d")}))
    assert ratls.check_client_hello(hello, Group.X25519)
    with pytest.raises(PolicyError, match="HelloRetryRequest"):
        ratls.accept(IDENTITY, hello, Group.X25519)


def test_client_without_our_signature_algorithm():
    hello = record(client_hello({13: vec(2, b"\x04\x03")}))
    with pytest.raises(UnsupportedError, match="signature"):
        ratls.accept(IDENTITY, hello, Group.X25519)


@pytest.mark.parametrize(
    ("hello", "expected"),
    [
        (client_hello(), None),
        (client_hello(session=bytes(32)), None),
        (client_hello({10: None}), UnsupportedError),
        (client_hello({51: None}), UnsupportedError),
        (client_hello({43: None}), UnsupportedError),
        (client_hello({10: vec(2, b"\0\x17")}), UnsupportedError),
        (client_hello({51: vec(2, b"\0\x17" + vec(2, bytes(65)))}), UnsupportedError),
        (client_hello({51: vec(2, b"\0\x1d" + vec(2, bytes(33)))}), DecodeError),
        (client_hello({51: vec(2, b"\0\x1d" + vec(2, b""))}), DecodeError),
        (client_hello({51: vec(2, b"") + b"\0"}), DecodeError),
        (client_hello({43: vec(1, b"\x03")}), DecodeError),
        (client_hello({10: vec(2, b"\0\x1d\0")}), DecodeError),
        (client_hello({51: vec(2, 2 * (b"\0\x1d" + vec(2, bytes(32))))}), DecodeError),
        (client_hello(twice=True), DecodeError),
        (client_hello({43: vec(1, b"\x03\x04\x03")}), DecodeError),
        (client_hello({43: vec(1, b"\x03\x04") + b"\0"}), DecodeError),
        (client_hello({41: b"", 43: vec(1, b"\x03\x04")}), PolicyError),
        (client_hello({42: b""}), PolicyError),
        (client_hello({44: vec(2, b"x")}), PolicyError),
        (client_hello(suites=b"\x13\x01"), UnsupportedError),
        (client_hello(suites=b"\x13"), DecodeError),
        (client_hello(suites=b""), DecodeError),
        (client_hello(compression=b"\1\0"), DecodeError),
        (client_hello(compression=b""), DecodeError),
        (client_hello(legacy=b"\x03\x04"), DecodeError),
        (client_hello(session=bytes(33)), DecodeError),
        (client_hello(kind=b"\2"), DecodeError),
        (client_hello() + b"\0", DecodeError),
        (client_hello(tail=b"\0"), DecodeError),
    ],
)
# req: privproc1/4.2 clienthello-is-checked
def test_client_hello_profile(hello, expected):
    wire = record(hello)
    if expected is None:
        assert ratls.check_client_hello(wire, Group.X25519).suites == (0x1302,)
        assert ratls.accept(IDENTITY, wire, Group.X25519)
        return
    with pytest.raises(expected) as caught:
        ratls.check_client_hello(wire, Group.X25519)
    assert type(caught.value) is expected


# req: privproc1/4.2 clienthello-is-checked
def test_client_hello_records():
    message = client_hello()
    for wire in (
        b"",
        b"\x17" + record(message)[1:],
        record(message, b"\x03\x00"),
        record(message, b"\x03\x04"),
        record(message) + record(b""),
        record(message) + record(message),
    ):
        with pytest.raises(DecodeError):
            ratls.check_client_hello(wire, Group.X25519)
    padded = client_hello({21: bytes(4096 - 5 - len(message) - 4)})
    assert ratls.check_client_hello(record(padded), Group.X25519)
    with pytest.raises(LimitError):
        ratls.check_client_hello(record(client_hello({21: bytes(4096 - 5 - len(message) - 3)})), Group.X25519)


@pytest.mark.parametrize(
    ("hello", "expected"),
    [
        (server_hello(), None),
        (server_hello({43: None}), UnsupportedError),
        (server_hello({43: b"\x03\x03"}), UnsupportedError),
        (server_hello({43: b"\x03\x04\0"}), DecodeError),
        (server_hello({51: None}), UnsupportedError),
        (server_hello({51: b"\0\x17" + vec(2, bytes(65))}), UnsupportedError),
        (server_hello({51: b"\0\x1d" + vec(2, bytes(31))}), DecodeError),
        (server_hello({51: b"\0\x1d"}), DecodeError),
        (server_hello({51: CHOSEN[51] + b"\0"}), DecodeError),
        (server_hello({41: b"\0\0"}), PolicyError),
        (server_hello(suite=b"\x13\x01"), UnsupportedError),
        (server_hello(compression=b"\1"), DecodeError),
        (server_hello(legacy=b"\x03\x04"), DecodeError),
        (server_hello(session=bytes(33)), DecodeError),
        (server_hello(kind=b"\1"), DecodeError),
        (server_hello() + b"\0", DecodeError),
        (server_hello(tail=b"\0"), DecodeError),
    ],
)
# req: privproc1/4.2 flight-is-checked
def test_server_hello_profile(hello, expected):
    wire = record(hello)
    if expected is None:
        assert ratls.check_server_hello(wire + b"more", Group.X25519) == len(wire)
        return
    with pytest.raises(expected) as caught:
        ratls.check_server_hello(wire, Group.X25519)
    assert type(caught.value) is expected


# req: privproc1/4.2 flight-is-checked
def test_server_hello_record():
    for wire in (b"", b"\x15\x03\x03\0\2\2\x28", record(server_hello(), b"\x03\x01"), b"\x16\x03\x03\0\0"):
        with pytest.raises(DecodeError):
            ratls.check_server_hello(wire, Group.X25519)


def test_retry_random_is_the_hash():
    assert hashlib.sha256(b"HelloRetryRequest").digest() == ratls.hello._RETRY_RANDOM


OURS = ratls.connect(HYBRID)[0]
THEIRS = ratls.accept(IDENTITY, OURS, HYBRID)[0]


def mutated(base):
    """``base`` with a few bytes changed, inserted or removed."""
    edit = st.tuples(st.integers(0, len(base)), st.integers(0, 3), st.binary(max_size=4))

    def run(edits):
        data = base
        for at, removed, added in edits:
            data = data[:at] + added + data[at + removed :]
        return data

    return st.lists(edit, min_size=1, max_size=4).map(run)


@given(st.binary(max_size=300) | mutated(record(client_hello())) | mutated(OURS))
def test_contract_of_accept(data):
    check_contract(lambda d: ratls.check_client_hello(d, HYBRID), data)
    check_contract(lambda d: ratls.accept(IDENTITY, d, HYBRID), data)
    check_contract(lambda d: ratls.accept(IDENTITY, d, Group.X25519), data)


@given(st.binary(max_size=300) | mutated(record(server_hello())) | mutated(THEIRS))
def test_contract_of_finish(data):
    check_contract(lambda d: ratls.check_server_hello(d, Group.X25519), data)
    check_contract(ratls.connect(HYBRID)[1].finish, data)
    check_contract(ratls.connect(Group.X25519)[1].finish, data)


@given(st.binary(max_size=300), st.booleans())
@settings(max_examples=30)
def test_contract_of_the_rest(data, prefixed):
    established, attesting = handshake()
    device = release(established)
    finished = device.data_to_send()
    check_contract(attesting.finish, finished + data if prefixed else data)
    check_contract(device.receive_data, data)


# --- identity and errors ----------------------------------------------------------------------------------------------


def test_identity():
    leaves = [ratls.Identity.generate(at=AT, lifetime=60).leaf for _ in range(40)]
    assert len(set(leaves)) == 40
    assert {len(leaf) for leaf in leaves} == {len(IDENTITY.leaf)}
    parsed = x509.load_der_x509_certificate(IDENTITY.leaf)
    parsed.verify_directly_issued_by(parsed)
    assert parsed.not_valid_before_utc.timestamp() == AT
    assert parsed.not_valid_after_utc.timestamp() == IDENTITY.not_after == AT + 86_400
    assert parsed.subject.rfc4514_string() == "CN=privproc"
    with pytest.raises(UsageError):
        ratls.Identity()
    for at, lifetime in ((-1, 60), (AT, 0), (AT, 1 << 40), (AT, 1 << 80)):
        with pytest.raises(UsageError):
            ratls.Identity.generate(at=at, lifetime=lifetime)


@pytest.mark.parametrize(
    ("error", "kind", "text"),
    [
        (SSL.Error([]), DecodeError, "no reason given"),
        (SSL.Error(), DecodeError, "no reason given"),
        (SSL.SysCallError(-1, "Unexpected EOF"), DecodeError, "no reason given"),
        (SSL.Error([("SSL routines", "", "record layer failure"), ("", "", "bad signature")]), SignatureError, "bad"),
        (SSL.Error([("", "", "record layer failure"), ("", "", "digest check failed")]), OpenError, "opened"),
    ],
)
def test_translated_errors(error, kind, text):
    made = openssl.translated("x", error)
    assert type(made) is kind
    assert text in str(made)


def test_leaf_is_what_openssl_parsed():
    assert crypto.load_certificate(crypto.FILETYPE_ASN1, handshake()[0].leaf)
