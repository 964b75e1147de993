"""§4.2: TLS 1.3 whose records travel in messages, on OpenSSL's memory BIOs."""

from OpenSSL import SSL, crypto

from .wire import Reader, check, u16

GROUPS = (0x11EC, 0x11EB, 0x11EE, 0x001D, 0x0017, 0x001E, 0x0018, 0x0019, 0x0029, 0x0100, 0x0101)
SIGNATURES = (
    0x0905, 0x0906, 0x0904, 0x0403, 0x0503, 0x0603, 0x0807, 0x0808, 0x081A, 0x081B, 0x081C, 0x0809, 0x080A, 0x080B,
    0x0804, 0x0805, 0x0806, 0x0401, 0x0501, 0x0601, 0x0708,
)  # fmt: skip
SHARES = {0x11EC: 1120, 0x001D: 32}  # the groups of §3.2, and the size of the server's share
RETRY = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")
FINISHED = 6 + 5 + 4 + 48 + 1 + 16  # change_cipher_spec, and one record with Finished


def _vectors(data: bytes) -> dict[int, bytes]:
    """Extensions, or shares of a ClientHello: uint16 type and uint16 length each, in order."""
    r, out = Reader(data), {}
    while r.rest:
        kind = r.uint(2)
        check(kind not in out, "twice")
        out[kind] = r.vector(0, 65535, 2)
    return out


def _records(data: bytes) -> list[bytes]:
    r, out = Reader(data), []
    while r.rest:
        head, body = r.take(3), r.vector(1, 16640, 2)
        out.append(head + u16(len(body)) + body)
    return out


def _hello(record: bytes, kind: int) -> Reader:
    """What follows the version in the only handshake message of a record."""
    r = Reader(record)
    check(r.take(2) == b"\x16\x03", "not a handshake record")
    r.uint(1)
    inner = Reader(r.vector(4, 16384, 2))
    r.end()
    check(inner.uint(1) == kind, "another handshake message")
    body = Reader(inner.vector(1, 16384, 3))
    inner.end()
    check(body.uint(2) == 0x0303, "legacy_version")
    return body


def _check_client_hello(record: bytes) -> None:
    """The profile: a hello that looks otherwise isn't sent."""
    r = _hello(record, 1)
    r.take(32)
    session_id, suites, compression = r.vector(32, 32, 1), r.vector(2, 65534, 2), r.vector(1, 1, 1)
    extensions = _vectors(r.vector(0, 65535, 2))
    r.end()
    check(len(record) == 1443 and len(session_id) == 32 and (suites, compression) == (b"\x13\x02", b"\0"), "profile")
    check(list(extensions) == [10, 22, 23, 13, 43, 45, 51], "profile: extensions")
    check(extensions[10][2:] == b"".join(map(u16, GROUPS)), "profile: groups")
    check(extensions[13][2:] == b"".join(map(u16, SIGNATURES)), "profile: signatures")
    check(extensions[43] == b"\x02\x03\x04", "profile: versions")
    shares = _vectors(extensions[51][2:])
    check([(k, len(v)) for k, v in shares.items()] == [(0x11EC, 1216), (0x001D, 32)], "profile: key shares")


def _check_server_hello(record: bytes, group: int) -> None:
    r = _hello(record, 2)
    check(r.take(32) != RETRY, "HelloRetryRequest")
    r.vector(0, 32, 1)
    check((r.uint(2), r.uint(1)) == (0x1302, 0), "another cipher suite")
    extensions = _vectors(r.vector(0, 65535, 2))
    r.end()
    check(set(extensions) == {43, 51} and extensions[43] == b"\x03\x04", "not plain TLS 1.3")
    check(extensions[51][:4] == u16(group) + u16(SHARES[group]), "another group")
    check(len(extensions[51]) == 4 + SHARES[group], "another size of share")


class Channel:
    """The device's end."""

    def __init__(self, group: int) -> None:
        context = SSL.Context(SSL.TLS_METHOD)
        context.set_min_proto_version(SSL.TLS1_3_VERSION)
        context.set_tls13_ciphersuites(b"TLS_AES_256_GCM_SHA384")
        context.set_options(SSL.OP_NO_TICKET)
        context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
        context.set_verify(SSL.VERIFY_NONE)  # the evidence commits to the certificate
        self.group = group
        self.connection = SSL.Connection(context, None)
        self.connection.set_connect_state()
        self._handshake(done=False)
        self.client_hello = self.sent()
        _check_client_hello(self.client_hello)

    def _handshake(self, *, done: bool) -> None:
        finished = True
        try:
            self.connection.do_handshake()
        except SSL.WantReadError:
            finished = False
        except SSL.Error:
            check(False, "the handshake fails")
        check(finished == done, "the flight ends elsewhere")

    def sent(self) -> bytes:
        """The bytes that the peer is to get."""
        try:
            return self.connection.bio_read(1 << 24)
        except SSL.WantReadError:
            return b""

    def accept(self, flight: bytes) -> bytes:
        """Takes ServerHello to Finished and gives the leaf's DER. Finished stays here until something is sent."""
        check(len(flight) <= 32768, "the flight is too long")
        records = _records(flight)
        check(len(records) >= 2, "half a flight")
        _check_server_hello(records[0], self.group)
        self.connection.bio_write(b"".join(records[:-1]))
        self._handshake(done=False)
        self.connection.bio_write(records[-1])
        self._handshake(done=True)
        certificates = self.connection.get_peer_cert_chain()
        check(len(certificates) == 1, "not one certificate")
        self.first = self.sent()
        check(len(self.first) == FINISHED, "the server asks for more than Finished")
        return crypto.dump_certificate(crypto.FILETYPE_ASN1, certificates[0])

    def export(self, label: str, context: bytes, length: int) -> bytes:
        return self.connection.export_keying_material(b"EXPERIMENTAL privproc/1 " + label.encode(), length, context)

    def seal(self, data: bytes) -> bytes:
        """Finished, and this as application data."""
        self.connection.sendall(data)
        first, self.first = self.first, b""
        return first + self.sent()

    def open(self, records: bytes) -> bytes:
        """All application data of these records, to their end or to close_notify."""
        self.connection.bio_write(records)
        out = b""
        while True:
            try:
                out += self.connection.recv(1 << 16)
            except (SSL.ZeroReturnError, SSL.WantReadError):
                break
            except SSL.Error:
                check(False, "a record is refused")
        return out
