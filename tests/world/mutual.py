"""Both ends of a mutual attestation by hand, from docs/protocol.md §15, RFC 9261 and bare pyOpenSSL.

Nothing of the library takes part, so these are peers that it has to understand; and every field that evidence is bound
to can be changed, so they are peers that lie.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL import SSL

from privproc.ratls import openssl
from privproc.vectors._straight import lp, sha256, sha384, t, u
from tests import authenticators as ea

MEDIA_TYPE = b"application/privproc-attestation"
FORMAT = 1


def cbor_head(major: int, size: int) -> bytes:
    """RFC 8949 §3, in the shortest form."""
    if size < 24:
        return bytes([major << 5 | size])
    width = 1 if size < 1 << 8 else 2
    return bytes([major << 5 | {1: 24, 2: 25}[width]]) + u(width, size)


def cmw(value: bytes, kind: bytes = MEDIA_TYPE) -> bytes:
    """A record of RFC 9999: [type, value]."""
    return cbor_head(4, 2) + cbor_head(3, len(kind)) + kind + cbor_head(2, len(value)) + value


def attestation(evidence: bytes, endorsements: bytes = b"", log_proof: bytes = b"") -> bytes:
    return u(2, FORMAT) + lp(evidence) + u(2, 0) + lp(endorsements) + lp(log_proof)


def uncmw(record: bytes) -> list[bytes]:
    """Format, evidence, endorsements and log proof of a record without devices."""
    value = record[record.index(MEDIA_TYPE) + len(MEDIA_TYPE) :]
    value = value[{24: 2, 25: 3}.get(value[0] & 31, 1) :]
    parts, rest = [value[:2]], value[2:]
    while rest:
        size = int.from_bytes(rest[:4], "big")
        parts.append(rest[4 : 4 + size])
        rest = rest[4 + size :]
        if len(parts) == 2:
            assert rest[:2] == u(2, 0)
            rest = rest[2:]
    return parts


BLANK: set[str] = set()
"""Fields that both sides leave empty: for tests that take a field out of the binder."""


def report_data(fields: dict[str, Any]) -> bytes:
    """§2.5, with the encoded ``dev`` among the fields if there are devices; the fields may be lies."""
    inputs = {
        "dir": fields["dir"],
        "role": fields["role"].encode(),
        "seq": u(4, fields["seq"]),
        "th1": fields["th1"],
        "ekm": fields["ekm"],
        "leaf": sha256(fields["leaf"]),
        "peer": sha256(fields["peer"]) if fields["peer"] else b"",
        "ann": fields["ann"],
    }
    pre = t(b"pre", *(b"" if name in BLANK else value for name, value in inputs.items()))
    return b"privproc/1 bind\0" + t(b"bind", pre, fields.get("dev", u(2, 0)))


class End:
    """What both ends have. ``evidence`` makes a report over 64 bytes; ``lies`` change what they are computed from."""

    side: str
    direction: bytes

    def __init__(
        self,
        key: Ed25519PrivateKey,
        leaf: bytes,
        role: str,
        peer_role: str,
        evidence: Callable[[bytes], bytes],
        lies: dict[str, Any] | None = None,
    ) -> None:
        self.key, self.leaf, self.role, self.peer_role = key, leaf, role, peer_role
        self.evidence, self.lies = evidence, lies or {}
        self.peer = b""
        context = SSL.Context(SSL.TLS_SERVER_METHOD if self.side == "server" else SSL.TLS_CLIENT_METHOD)
        context.set_min_proto_version(SSL.TLS1_3_VERSION)
        context.set_tls13_ciphersuites(b"TLS_AES_256_GCM_SHA384")
        if self.side == "server":
            context.use_certificate(x509.load_der_x509_certificate(leaf))
            context.use_privatekey(key)
        self.tls = SSL.Connection(context)

    def export(self, label: bytes, context: bytes, length: int) -> bytes:
        return self.tls.export_keying_material(label, length, context)

    def handshake(self, data: bytes = b"") -> bytes:
        if data:
            self.tls.bio_write(data)
        with contextlib.suppress(SSL.WantReadError):
            self.tls.do_handshake()
        return openssl.drain(self.tls)

    def send(self, data: bytes) -> bytes:
        self.tls.sendall(data)
        return openssl.drain(self.tls)

    def read(self, records: bytes = b"") -> bytes:
        if records:
            self.tls.bio_write(records)
        data = b""
        with contextlib.suppress(SSL.WantReadError):
            while True:
                data += self.tls.recv(1 << 14)
        return data

    def message(self, records: bytes) -> bytes:
        data = self.read(records)
        assert lp(data[4:]) == data
        return data[4:]

    def fields(self, direction: bytes, th1: bytes, *, own: bool) -> dict[str, Any]:
        """What the evidence of one end is bound to."""
        ekm = self.export(b"EXPERIMENTAL privproc/1 attest", t(b"ctx", direction, u(4, 0), th1), 32)
        leaf, peer = (self.leaf, self.peer) if own else (self.peer, self.leaf)
        role = self.role if own else self.peer_role
        found = {"dir": direction, "role": role, "seq": 0, "th1": th1, "ekm": ekm, "leaf": leaf, "peer": peer}
        return found | {"ann": b""} | (self.lies if own else {})

    def authenticator(self, request: bytes, shown: bytes, *entries: tuple[bytes, bytes]) -> bytes:
        """Answers ``request`` with an attestation; ``entries`` stand after the leaf's."""
        context = request[5 : 5 + request[4]]
        certificate = ea.certificate(context, (self.leaf, ea.attested(cmw(shown))), *entries)
        return ea.Keys.of(self.export, self.side).authenticator(request, certificate, ea.ED25519, self.key)

    def check(self, request: bytes, authenticator: bytes) -> list[bytes]:
        """The parts of the other end's attestation, once its authenticator holds."""
        other = {"client": "server", "server": "client"}[self.side]
        assert ea.Keys.of(self.export, other).check(request, authenticator) == [self.peer]
        start = authenticator.index(cbor_head(4, 2) + cbor_head(3, len(MEDIA_TYPE)) + MEDIA_TYPE)
        return uncmw(authenticator[start : 4 + int.from_bytes(authenticator[1:4], "big")])


class Client(End):
    """The orchestrator, as a TLS client."""

    side, direction = "client", b"c2s"

    def hello(self) -> bytes:
        self.tls.set_connect_state()
        return self.handshake()

    def introduce(self, flight: bytes) -> bytes:
        finished = self.handshake(flight)
        certificate = self.tls.get_peer_certificate()
        assert certificate is not None
        self.peer = certificate.to_cryptography().public_bytes(Encoding.DER)
        self.request = ea.request("client", os.urandom(32))
        self.introduction = lp(self.request) + lp(self.leaf)
        return finished + self.send(lp(self.introduction))

    def receive(self, records: bytes) -> tuple[list[bytes], bytes]:
        """The server's attestation, and what its hardware must have signed."""
        message = self.message(records)
        size = int.from_bytes(message[:4], "big")
        self.asked, authenticator = message[4 : 4 + size], message[8 + size :]
        parts = self.check(self.request, authenticator)
        self.th1 = t(b"introduced", self.introduction, self.asked)
        expected = report_data(self.fields(b"s2c", self.th1, own=False))
        self.th1 = t(b"presented", self.th1, expected, sha384(parts[0] + parts[1]))
        return parts, expected

    def shown(self) -> bytes:
        return attestation(self.evidence(report_data(self.fields(self.direction, self.th1, own=True))))

    def prove(self, authenticator: bytes | None = None) -> bytes:
        return self.send(lp(authenticator or self.authenticator(self.asked, self.shown())))


class Server(End):
    """The model's enclave, as a TLS server."""

    side, direction = "server", b"s2c"

    def flight(self, hello: bytes) -> bytes:
        self.tls.set_accept_state()
        return self.handshake(hello)

    def hear(self, records: bytes) -> None:
        self.tls.bio_write(records)
        self.tls.do_handshake()  # its tickets go out with what is sent next
        data = self.read()
        assert lp(data[4:]) == data
        self.introduction = data[4:]
        size = int.from_bytes(self.introduction[:4], "big")
        self.asked, self.peer = self.introduction[4 : 4 + size], self.introduction[8 + size :]
        self.request = ea.request("server", os.urandom(32))

    def shown(self) -> bytes:
        self.th1 = t(b"introduced", self.introduction, self.request)
        self.bound = report_data(self.fields(self.direction, self.th1, own=True))
        return attestation(self.evidence(self.bound))

    def present(self, authenticator: bytes | None = None) -> bytes:
        authenticator = authenticator or self.authenticator(self.asked, self.shown())
        return self.send(lp(lp(self.request) + lp(authenticator)))

    def receive(self, records: bytes, evidence: bytes) -> tuple[list[bytes], bytes]:
        """The client's attestation and what its hardware must have signed; ``evidence`` is what this end showed."""
        parts = self.check(self.request, self.message(records))
        th1 = t(b"presented", self.th1, self.bound, sha384(u(2, FORMAT) + evidence))
        return parts, report_data(self.fields(b"c2s", th1, own=False))
