"""Oblivious HTTP with other implementations, both roles and both modes, byte for byte and with HTTP inside."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest

from privproc import bhttp, trust
from privproc.bhttp import Framing
from privproc.hpke import Aead, Kdf, Kem, PrivateKey, Suite
from privproc.http import Request, Response
from privproc.keyconfig import GatewayKey, KeyConfigs, KeyRing, select
from privproc.ohttp import Gateway, begin
from privproc.ohttp.chunked import MessageData, RequestHeader, RequestOpened, RequestReceiver
from privproc.ohttp.client import begin_chunked
from tests.interop.driver import PeerError, message_words
from tests.interop.peers import AEADS, HKDF, KDFS, KEMS, OHTTP_AEADS, OHTTP_GO, OHTTP_RS, TWOWAY, difference, named

pytestmark = [pytest.mark.loopback, pytest.mark.interop]

with_peers = pytest.mark.parametrize("peer", [OHTTP_RS, TWOWAY], indirect=True, ids=named)
with_lists = pytest.mark.parametrize("peer", [OHTTP_RS, OHTTP_GO], indirect=True, ids=named)
with_openpcc = pytest.mark.parametrize("peer", [OHTTP_GO], indirect=True, ids=named)
with_modes = pytest.mark.parametrize("mode", ["single", "chunked"])
with_aeads = pytest.mark.parametrize(
    ("peer", "aead"),
    [(peer, aead) for peer in (OHTTP_RS, TWOWAY) for aead in OHTTP_AEADS.get(peer, AEADS)],
    indirect=["peer"],
    ids=named,
)

ONE = Suite(Kem.X25519_SHA256, Kdf.HKDF_SHA256, Aead.AES_128_GCM)
AT, END = 1, 2
CHUNK = 16384
SIZES = (0, 1, 63, 64, CHUNK - 1, CHUNK, CHUNK + 1, 5 * CHUNK, 1 << 20)
SMALL = [b"The first part, ", b"and the second"]


def split(message, size):
    return [message[at : at + size] for at in range(0, len(message), size)]


def key_for(suite):
    return GatewayKey(9, PrivateKey.generate(suite.kem), (suite,), 0, END)


class Client:
    """This library's client; ``configs`` is the peer's list."""

    def __init__(self, configs, suite, mode):
        selection = select(KeyConfigs.decode(configs), [suite])
        chosen = trust.pin(selection, configs, not_before=0, not_after=END)
        self.chunked = mode == "chunked"
        self.begun = (begin_chunked if self.chunked else begin)(chosen, at=AT)

    def seal(self, pieces):
        if not self.chunked:
            wire, self.pending = self.begun.seal(b"".join(pieces))
            return wire
        sender, self.receiver = self.begun.stream()
        return b"".join([*(sender.send(piece) for piece in pieces), sender.finish()])

    def finish(self, wire):
        if not self.chunked:
            return self.pending.finish(wire)
        events = [event for piece in split(wire, 1000) for event in self.receiver.receive_data(piece)]
        return message_of(events + self.receiver.receive_end())


class Server:
    """This library's gateway."""

    def __init__(self, suite, mode):
        self.ring = KeyRing([key_for(suite)])
        self.gateway = Gateway(self.ring, max_request=1 << 21)
        self.chunked = mode == "chunked"

    @property
    def configs(self):
        return self.ring.configs(at=AT).encode()

    def open(self, wire):
        if not self.chunked:
            message, self.responder = self.gateway.open(wire, at=AT)
            return message
        receiver, events = RequestReceiver(), []
        for piece in split(wire, 1000):
            for event in receiver.receive_data(piece):
                events += self.gateway.accept(receiver, at=AT) if isinstance(event, RequestHeader) else [event]
        events += receiver.receive_end()
        (self.responder,) = (event.responder for event in events if isinstance(event, RequestOpened))
        return message_of(events)

    def answer(self, pieces):
        if not self.chunked:
            return self.responder.seal(b"".join(pieces))
        sender = self.responder.stream()
        return b"".join([*(sender.send(piece) for piece in pieces), sender.finish()])


def message_of(events):
    return b"".join(event.data for event in events if isinstance(event, MessageData))


def ask_there(peer, suite, mode, question, answer):
    """The client is here, the gateway there."""
    configs = peer.call("ohttp.key", suite.kem, 1, suite.kdf, suite.aead).bytes()
    client = Client(configs, suite, mode)
    assert peer.call("ohttp.open", mode, client.seal(question)).bytes() == b"".join(question)
    wire = peer.call("ohttp.answer", len(answer), *answer).bytes()
    assert client.finish(wire) == b"".join(answer)


def ask_here(peer, suite, mode, question, answer):
    """The client is there, the gateway here."""
    server = Server(suite, mode)
    wire = peer.call("ohttp.seal", mode, server.configs, suite.kdf, suite.aead, len(question), *question).bytes()
    assert server.open(wire) == b"".join(question)
    assert peer.call("ohttp.finish", server.answer(answer)).bytes() == b"".join(answer)


@with_aeads
@with_modes
def test_gateway_there(peer, mode, aead):
    with difference(peer.peer, f"{mode} gateway, {aead.name}"):
        for kem in KEMS[peer.peer]:
            for kdf in KDFS.get(peer.peer, HKDF):
                ask_there(peer, Suite(kem, kdf, aead), mode, SMALL, [b"answer", b"", b"end"])


@with_aeads
@with_modes
def test_client_there(peer, mode, aead):
    with difference(peer.peer, f"{mode} client, {aead.name}"):
        for kem in KEMS[peer.peer]:
            for kdf in KDFS.get(peer.peer, HKDF):
                ask_here(peer, Suite(kem, kdf, aead), mode, SMALL, [b"answer", b"", b"end"])


@with_peers
@with_modes
@pytest.mark.parametrize("role", [ask_there, ask_here], ids=["gateway", "client"])
def test_sizes(peer, mode, role):
    """Empty to 1 MiB, in one piece and in many, so that chunks of every size meet both receivers."""
    for size in SIZES:
        message = os.urandom(size)
        role(peer, ONE, mode, [message], [message[::-1]])
        role(peer, ONE, mode, split(message, 40_000), split(message, max(1, size // 7)))


@with_peers
@with_modes
def test_what_was_changed_is_refused_there(peer, mode):
    """A bit of the tag; and, in chunks, the end."""
    configs = peer.call("ohttp.key", ONE.kem, 1, ONE.kdf, ONE.aead).bytes()
    server = Server(ONE, mode)
    sealed = Client(configs, ONE, mode).seal(SMALL)
    server.open(peer.call("ohttp.seal", mode, server.configs, ONE.kdf, ONE.aead, 1, b"request").bytes())
    answered = server.answer(SMALL)
    for operation, wire in (("ohttp.open", [mode, sealed]), ("ohttp.finish", [answered])):
        *words, whole = wire
        for wrong in (whole[:-1] + bytes((whole[-1] ^ 1,)), whole[:-1], whole[:-31]):
            with pytest.raises(PeerError):
                peer.call(operation, *words, wrong)
            if operation == "ohttp.finish":
                break  # a response is waited for once


@with_lists
def test_the_list_from_there(peer):
    configs = peer.call("ohttp.key", ONE.kem, 2, 1, 1, 1, 3).bytes()
    decoded = KeyConfigs.decode(configs)
    assert decoded.encode() == configs
    assert decoded.configs[0].suites == ((1, 1), (1, 3))


@with_lists
@pytest.mark.parametrize("beside", ["nothing", "a KEM", "an AEAD"])
def test_the_list_from_here(peer, beside):
    """The client there takes what it knows, whatever it doesn't know is listed beside it."""
    server = Server(ONE, "single")
    configs = server.configs
    if beside == "a KEM":
        kem = Kem.ML_KEM_1024
        ring = KeyRing([GatewayKey(1, PrivateKey.generate(kem), (replace(ONE, kem=kem),), 0, END)])
        configs = ring.configs(at=AT).encode() + configs
    elif beside == "an AEAD":
        (config,) = KeyConfigs.decode(configs).configs
        configs = KeyConfigs((replace(config, suites=(*config.suites, (1, 0xFE01))),)).encode()
    with difference(peer.peer, f"{beside} unknown there"):
        wire = peer.call("ohttp.seal", "single", configs, ONE.kdf, ONE.aead, 1, b"request").bytes()
        assert server.open(wire) == b"request"


@pytest.mark.parametrize("peer", [OHTTP_RS], indirect=True, ids=named)
def test_a_list_of_no_use_there(peer):
    """It has to be refused, and nothing more."""
    suite = replace(ONE, kdf=Kdf.HKDF_SHA384)
    with difference(peer.peer, "no suite of use"), pytest.raises(PeerError):
        peer.call("ohttp.seal", "single", Server(suite, "single").configs, suite.kdf, suite.aead, 1, b"request")


REQUEST = Request(
    "POST", "https", "target.example", "/path?q=1&r=%20", ((b"accept", b"a"), (b"accept", b"b")), b"question"
)
RESPONSE = Response(200, ((b"set-cookie", b"a=1"), (b"set-cookie", b"b=2")), b"answer")
HTTP_SIZES = (1, 5000, CHUNK, 1 << 20)


def kind(mode, direction):
    infix = "chunked-" if mode == "chunked" else ""
    return f"message/ohttp-{infix}{direction}".encode()


def same(got, sent):
    """The same message, but for what net/http adds to it, and the order of fields that don't repeat."""
    added = {b"content-length", b"user-agent", b"accept-encoding", b"content-type"}
    lines = sorted((line for line in got.fields if line[0] not in added), key=lambda line: line[0])
    return replace(got, fields=tuple(lines)) == sent


@with_openpcc
@with_modes
@pytest.mark.parametrize("size", HTTP_SIZES)
def test_http_client_there(peer, mode, size):
    with difference(peer.peer, f"{mode} client, {size} bytes"):
        request, response = replace(REQUEST, content=bytes(size)), replace(RESPONSE, content=bytes(size))
        server = Server(ONE, mode)
        got = peer.call("http.post", mode, server.configs, *message_words(request)).rest()
        assert got[0] == kind(mode, "req")
        assert same(bhttp.decode_request(server.open(got[1])), request)
        framing = Framing.INDETERMINATE if mode == "chunked" else Framing.KNOWN
        wire = server.answer(split(bhttp.encode_response(response, framing=framing), 30_000))
        assert same(peer.call("http.finish", kind(mode, "res"), wire).message(), response)


@with_openpcc
@with_modes
@pytest.mark.parametrize("size", HTTP_SIZES)
def test_http_gateway_there(peer, mode, size):
    with difference(peer.peer, f"{mode} gateway, {size} bytes"):
        request, response = replace(REQUEST, content=bytes(size)), replace(RESPONSE, content=bytes(size))
        client = Client(peer.call("ohttp.key", ONE.kem, 1, ONE.kdf, ONE.aead).bytes(), ONE, mode)
        framing = Framing.INDETERMINATE if mode == "chunked" else Framing.KNOWN
        wire = client.seal([bhttp.encode_request(request, framing=framing)])
        assert same(peer.call("http.open", kind(mode, "req"), wire).message(), request)
        got = peer.call("http.answer", mode, *message_words(response)).rest()
        assert got[0] == kind(mode, "res")
        assert same(bhttp.decode_response(client.finish(got[1])), response)
