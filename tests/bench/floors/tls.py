"""TLS: a bare pair of pyOpenSSL connections on memory BIOs."""

from __future__ import annotations

import contextlib
import functools
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.x509.oid import NameOID
from OpenSSL import SSL, crypto

from tests.bench.floors.primitives import Call, Floor, hashes


def _context(method: int) -> SSL.Context:
    context = SSL.Context(method)
    context.set_min_proto_version(SSL.TLS1_3_VERSION)
    context.set_tls13_ciphersuites(b"TLS_AES_256_GCM_SHA384")
    context.set_options(SSL.OP_NO_TICKET)
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    return context


@functools.cache
def _contexts() -> tuple[SSL.Context, SSL.Context]:
    """Client and server, with an Ed25519 certificate; groups as OpenSSL has them (X25519MLKEM768 first)."""
    client, server = _context(SSL.TLS_CLIENT_METHOD), _context(SSL.TLS_SERVER_METHOD)
    client.set_verify(SSL.VERIFY_NONE)
    key = Ed25519PrivateKey.generate()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "privproc")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1 << 126).not_valid_before(datetime(2026, 1, 1, tzinfo=UTC))
    server.use_certificate(builder.not_valid_after(datetime(2036, 1, 1, tzinfo=UTC)).sign(key, None))
    server.use_privatekey(key)
    return client, server


def _advance(connection: SSL.Connection) -> None:
    with contextlib.suppress(SSL.WantReadError):
        connection.do_handshake()


class TlsPair:
    """Two ends after the handshake; ``bound`` says whether the exporter is called for a binder, and the leaf read."""

    def __init__(self) -> None:
        client_context, server_context = _contexts()
        self.client, self.server = SSL.Connection(client_context), SSL.Connection(server_context)
        self.client.set_connect_state()
        self.server.set_accept_state()
        _advance(self.client)
        self.server.bio_write(self.client.bio_read(1 << 16))
        _advance(self.server)
        self.server.export_keying_material(b"EXPERIMENTAL privproc/1 attest", 32, bytes(48))
        self.client.bio_write(self.server.bio_read(1 << 16))
        self.client.do_handshake()
        self.leaf = crypto.dump_certificate(crypto.FILETYPE_ASN1, self.client.get_peer_cert_chain()[0])
        self.client.export_keying_material(b"EXPERIMENTAL privproc/1 attest", 32, bytes(48))

    def confirm(self, request: bytes = b"") -> None:
        """The client's Finished and, with it, the request."""
        if request:
            self.client.export_keying_material(b"EXPERIMENTAL privproc/1 keys", 48, bytes(48))
            self.client.sendall(request)
        self.server.bio_write(self.client.bio_read(1 << 16))
        self.server.do_handshake()
        if request:
            self.server.recv(1 << 14)
            self.server.export_keying_material(b"EXPERIMENTAL privproc/1 keys", 48, bytes(48))

    def answer(self, data: bytes) -> None:
        self.server.sendall(data)
        self.server.shutdown()
        self.client.bio_write(self.server.bio_read(1 << 16))
        self.client.recv(1 << 14)


_HANDSHAKE = (
    (2, "Connection.__init__"),
    (4, "Connection.do_handshake"),
    (3, "Connection.bio_read"),
    (3, "Connection.bio_write"),
    (2, "Connection.export_keying_material"),
    (1, "dump_certificate"),
)


def handshake_call() -> Call:
    def run() -> TlsPair:
        pair = TlsPair()
        pair.confirm()
        return pair

    why = "RFC 8446: full handshake; PROTOCOL §2: ekm at both ends, the leaf at the client's"
    return Call(1, "pair of SSL.Connection", why, run, _HANDSHAKE)


def handshake() -> Floor:
    return Floor(handshake_call(), hashes(1, "sha256", 300, "PROTOCOL §2: pre, SHA-256 of the leaf"), *binder())


def binder() -> list[Call]:
    return [
        hashes(2, "sha384", 100, "PROTOCOL §2: ctx, both ends"),
        hashes(2, "sha384", 1500, "PROTOCOL §2: pre, both ends"),
        hashes(2, "sha384", 100, "PROTOCOL §2: bind, both ends"),
    ]


def session_call(up: int, down: int) -> Call:
    request, reply = bytes(up), bytes(down)

    def run() -> TlsPair:
        pair = TlsPair()
        pair.confirm(request)
        pair.answer(reply)
        return pair

    why = f"RFC 8446: handshake, {up} bytes up, {down} down, close_notify; PROTOCOL §2, §3: ekm, X('keys') at both ends"
    extra = {"Connection.bio_read": 1, "Connection.bio_write": 1, "Connection.export_keying_material": 2}
    inner = [(times + extra.get(name, 0), name) for times, name in _HANDSHAKE]
    inner += [(2, "Connection.sendall"), (2, "Connection.recv"), (1, "Connection.shutdown")]
    return Call(1, "pair of SSL.Connection", why, run, tuple(inner))


def used_pair(up: int, down: int) -> TlsPair:
    """A pair that data of these sizes went through, once each way."""
    pair = TlsPair()
    pair.confirm(bytes(up))
    pair.server.sendall(bytes(down))
    pair.client.bio_write(pair.server.bio_read(1 << 16))
    pair.client.recv(1 << 14)
    return pair


def live_call(up: int, down: int) -> Call:
    """Data both ways on a pair that is there."""
    request, reply, pair = bytes(up), bytes(down), TlsPair()
    pair.confirm()

    def run() -> None:
        client, server = pair.client, pair.server
        client.export_keying_material(b"EXPERIMENTAL privproc/1 keys", 48, bytes(48))
        client.sendall(request)
        server.bio_write(client.bio_read(1 << 16))
        server.recv(1 << 14)
        server.export_keying_material(b"EXPERIMENTAL privproc/1 keys", 48, bytes(48))
        server.sendall(reply)
        client.bio_write(server.bio_read(1 << 16))
        client.recv(1 << 14)

    names = ("export_keying_material", "sendall", "bio_read", "bio_write", "recv")
    inner = tuple((2, f"Connection.{name}") for name in names)
    why = f"RFC 8446: {up} bytes up, {down} down on a live pair; PROTOCOL §3: X('keys') at both ends"
    return Call(1, "pair of SSL.Connection, live", why, run, inner)


class TlsStream:
    """One direction of a bare pair, in pieces of whole records."""

    def __init__(self, piece: int) -> None:
        self._pair = TlsPair()
        self._pair.confirm()
        self._piece = bytes(piece)

    def ready(self) -> None:
        pass

    def piece(self, _: object) -> list[bytes]:
        client, server = self._pair.client, self._pair.server
        client.sendall(self._piece)
        server.bio_write(client.bio_read(len(self._piece) + 4096))
        return [server.recv(1 << 14) for _ in range(len(self._piece) >> 14)]
