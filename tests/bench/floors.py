"""The floors: the bare primitives that an operation can't avoid, on inputs of the right sizes, and nothing else.

Rules of this file:

- Only third-party code and the standard library's hashes are called: cryptography, pyOpenSSL, pycryptodome, hashlib,
  hmac, os.urandom. Nothing of privproc is imported.
- A call is listed only if the definition of the protocol demands it, and its ``why`` says where. What the library does
  on top (replay keys, digests for the record, keys that are expanded and not used)
  is not in the floor. Neither is what depends on a long-lived key alone and could be computed once (RFC 9180's
  psk_id_hash, a key's id, the digest of the challenge, SHA-256 of the enclave's own certificate).
- HMAC is listed once for each block that is needed.
- Inputs are made beforehand and fixed, so no byte is copied or joined here. Keys that the protocol makes fresh are made
  fresh, ciphers under fresh keys are set up anew; keys that were loaded before the operation stay loaded.
- Whatever a call gives lives until the end of the operation, as it does for a caller of the library.

``name`` is what a profiler calls the function: a test counts that the library itself calls each at least as often.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import hmac
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from Crypto.Math.Numbers import Integer
from Crypto.PublicKey import RSA
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA384
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID
from OpenSSL import SSL, crypto

KIB = 1024


@dataclass(frozen=True)
class Call:
    """``times`` calls of one primitive. ``inner``: what a call that keeps state makes itself, with how often."""

    times: int
    name: str
    why: str
    call: Callable[[], object]
    inner: tuple[tuple[int, str], ...] = ()


class Floor:
    """Runs its calls in order. :meth:`listing` prints what :meth:`run` does, since both read the same list."""

    def __init__(self, *calls: Call) -> None:
        self.calls = calls
        self._program = [one.call for one in calls for _ in range(one.times)]

    def run(self) -> list[object]:
        return [call() for call in self._program]

    def listing(self) -> Iterator[str]:
        for one in self.calls:
            yield f"{one.times:4} x {one.name:<42} {one.why}"
            for times, name in one.inner:
                yield f"       {times} x {name}"

    def counts(self) -> dict[str, int]:
        """How often each function is called, by name."""
        found: dict[str, int] = {}
        for one in self.calls:
            for times, name in one.inner or ((1, one.name),):
                found[name] = found.get(name, 0) + one.times * times
        return found


# Single primitives.


def hmacs(times: int, algorithm: str, why: str) -> Call:
    """One-block HMACs over 64 bytes, which is less than what most of the key schedules hash."""
    size = hashlib.new(algorithm).digest_size
    return Call(times, "hmac_digest", why, functools.partial(hmac.digest, bytes(size), bytes(64), algorithm))


def hashes(times: int, algorithm: str, size: int, why: str) -> Call:
    new, data = getattr(hashlib, algorithm), bytes(size)
    return Call(times, f"openssl_{algorithm}", f"over {size} bytes: {why}", lambda: new(data).digest())


def random(times: int, size: int, why: str) -> Call:
    return Call(times, "urandom", f"{size} bytes: {why}", functools.partial(os.urandom, size))


def sealing(key_size: int, size: int, why: str) -> Call:
    key, nonce, data = bytes(key_size), bytes(12), bytes(size)
    return Call(1, "AESGCM.encrypt", f"{size} bytes, fresh key: {why}", lambda: AESGCM(key).encrypt(nonce, data, None))


def opening(key_size: int, size: int, why: str) -> Call:
    key, nonce = bytes(key_size), bytes(12)
    sealed = AESGCM(key).encrypt(nonce, bytes(size), None)
    return Call(
        1, "AESGCM.decrypt", f"{size} bytes, fresh key: {why}", lambda: AESGCM(key).decrypt(nonce, sealed, None)
    )


def ed25519_verify(times: int, size: int, why: str) -> Call:
    key, data = Ed25519PrivateKey.generate(), bytes(size)
    verify = functools.partial(key.public_key().verify, key.sign(data), data)
    return Call(times, "Ed25519PublicKey.verify", f"over {size} bytes: {why}", verify)


def ed25519_sign(size: int, why: str) -> Call:
    sign = functools.partial(Ed25519PrivateKey.generate().sign, bytes(size))
    return Call(1, "Ed25519PrivateKey.sign", f"over {size} bytes: {why}", sign)


def ed25519_load(why: str) -> Call:
    encoded = Ed25519PrivateKey.generate().public_key().public_bytes_raw()
    return Call(1, "Ed25519PublicKey.from_public_bytes", why, lambda: Ed25519PublicKey.from_public_bytes(encoded))


_KEYS = Path(__file__).parent.parent / "world" / "keys"


@functools.cache
def _rsa_key(bits: int) -> rsa.RSAPrivateKey:
    """2048 bits: a new key. 4096: the tests' key, since making one takes seconds."""
    if bits == 2048:
        return rsa.generate_private_key(65537, bits)
    key = load_pem_private_key((_KEYS / "amd_ark.pem").read_bytes(), None, unsafe_skip_rsa_key_validation=True)
    if not isinstance(key, rsa.RSAPrivateKey) or key.key_size != bits:
        raise TypeError("not the key that is wanted")
    return key


def rsa_pss_verify(times: int, bits: int, size: int, why: str) -> Call:
    """RSASSA-PSS with SHA-384 and 48 bytes of salt, the key loaded."""
    key, data, hashed = _rsa_key(bits), bytes(size), SHA384()
    pss = padding.PSS(padding.MGF1(hashed), 48)
    verify = functools.partial(key.public_key().verify, key.sign(data, pss, hashed), data, pss, hashed)
    return Call(times, "RSAPublicKey.verify", f"RSA-{bits} PSS over {size} bytes: {why}", verify)


def rsa_load(times: int, bits: int, why: str) -> Call:
    spki = _rsa_key(bits).public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return Call(times, "load_der_public_key", f"RSA-{bits}: {why}", functools.partial(load_der_public_key, spki))


# KEMs (RFC 9180 §4.1, draft-connolly-cfrg-xwing-kem-10 §5).


def x25519_encap(end: str = "") -> list[Call]:
    private, peer = X25519PrivateKey.generate(), X25519PrivateKey.generate().public_key()
    public = private.public_key()
    why = f"{end}RFC 9180 §4.1 Encap"
    return [
        Call(1, "X25519PrivateKey.generate", f"{why}: ephemeral key", X25519PrivateKey.generate),
        Call(1, "X25519PrivateKey.public_key", f"{why}: enc", private.public_key),
        Call(1, "X25519PublicKey.public_bytes_raw", f"{why}: enc", public.public_bytes_raw),
        Call(1, "X25519PrivateKey.exchange", f"{why}: DH", functools.partial(private.exchange, peer)),
    ]


def x25519_decap(end: str = "") -> list[Call]:
    private, enc = X25519PrivateKey.generate(), X25519PrivateKey.generate().public_key().public_bytes_raw()
    why = f"{end}RFC 9180 §4.1 Decap"
    return [
        Call(1, "X25519PublicKey.from_public_bytes", f"{why}: enc", lambda: X25519PublicKey.from_public_bytes(enc)),
        Call(
            1,
            "X25519PrivateKey.exchange",
            f"{why}: DH",
            functools.partial(private.exchange, X25519PublicKey.from_public_bytes(enc)),
        ),
    ]


def p256_encap() -> list[Call]:
    curve, ecdh = ec.SECP256R1(), ec.ECDH()
    private, peer = ec.generate_private_key(curve), ec.generate_private_key(curve).public_key()
    public = private.public_key()
    encode = functools.partial(public.public_bytes, Encoding.X962, PublicFormat.UncompressedPoint)
    why = "RFC 9180 §4.1 Encap"
    return [
        Call(1, "generate_private_key", f"{why}: ephemeral key", functools.partial(ec.generate_private_key, curve)),
        Call(1, "ECPrivateKey.public_key", f"{why}: enc", private.public_key),
        Call(1, "ECPublicKey.public_bytes", f"{why}: enc", encode),
        Call(1, "ECPrivateKey.exchange", f"{why}: DH", functools.partial(private.exchange, ecdh, peer)),
    ]


def p256_decap() -> list[Call]:
    curve, ecdh = ec.SECP256R1(), ec.ECDH()
    private, peer = ec.generate_private_key(curve), ec.generate_private_key(curve).public_key()
    enc = peer.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    load = functools.partial(ec.EllipticCurvePublicKey.from_encoded_point, curve, enc)
    why = "RFC 9180 §4.1 Decap"
    return [
        Call(1, "EllipticCurvePublicKey.from_encoded_point", f"{why}: enc", load),
        Call(1, "ECPrivateKey.exchange", f"{why}: DH", functools.partial(private.exchange, ecdh, peer)),
    ]


def xwing_encap(end: str = "") -> list[Call]:
    peer_m = MLKEM768PrivateKey.generate().public_key()
    why = f"{end}X-Wing §5.4"
    first, *rest = x25519_encap()
    return [
        Call(1, "MLKEM768PublicKey.encapsulate", f"{why}: ct_M, ss_M", peer_m.encapsulate),
        *(Call(one.times, one.name, f"{why}: ct_X, ss_X", one.call) for one in (first, *rest)),
        hashes(1, "sha3_256", 134, f"{why}: Combiner"),
    ]


def xwing_decap(end: str = "") -> list[Call]:
    private_m = MLKEM768PrivateKey.generate()
    ct_m = private_m.public_key().encapsulate()[1]
    why = f"{end}X-Wing §5.5"
    return [
        Call(1, "MLKEM768PrivateKey.decapsulate", f"{why}: ss_M", functools.partial(private_m.decapsulate, ct_m)),
        *(Call(one.times, one.name, f"{why}: ss_X", one.call) for one in x25519_decap()),
        hashes(1, "sha3_256", 134, f"{why}: Combiner"),
    ]


def xwing_generate(why: str) -> list[Call]:
    """GenerateKeyPair: a seed, both keys from it (§5.2.1), and the encapsulation key that is sent."""
    seed, private_x, private_m = bytes(64), X25519PrivateKey.generate(), MLKEM768PrivateKey.generate()
    public_x, public_m = private_x.public_key(), private_m.public_key()
    why = f"{why}, X-Wing §5.2"
    return [
        random(1, 32, f"{why}: seed"),
        Call(1, "openssl_shake_256", f"{why}: 96 bytes", lambda: hashlib.shake_256(bytes(32)).digest(96)),
        Call(1, "MLKEM768PrivateKey.from_seed_bytes", f"{why}: sk_M", lambda: MLKEM768PrivateKey.from_seed_bytes(seed)),
        Call(
            1,
            "X25519PrivateKey.from_private_bytes",
            f"{why}: sk_X",
            lambda: X25519PrivateKey.from_private_bytes(seed[:32]),
        ),
        Call(1, "MLKEM768PrivateKey.public_key", f"{why}: pk_M", private_m.public_key),
        Call(1, "X25519PrivateKey.public_key", f"{why}: pk_X", private_x.public_key),
        Call(1, "MLKEM768PublicKey.public_bytes_raw", f"{why}: pk_M", public_m.public_bytes_raw),
        Call(1, "X25519PublicKey.public_bytes_raw", f"{why}: pk_X", public_x.public_bytes_raw),
    ]


def xwing_load(why: str) -> list[Call]:
    m = MLKEM768PrivateKey.generate().public_key().public_bytes_raw()
    x = X25519PrivateKey.generate().public_key().public_bytes_raw()
    return [
        Call(1, "MLKEM768PublicKey.from_public_bytes", f"{why}: pk_M", lambda: MLKEM768PublicKey.from_public_bytes(m)),
        Call(1, "X25519PublicKey.from_public_bytes", f"{why}: pk_X", lambda: X25519PublicKey.from_public_bytes(x)),
    ]


# HPKE and OHTTP.


@dataclass(frozen=True)
class SuiteFloor:
    """What differs between suites. ``kem_hmacs``: DHKEM's ExtractAndExpand, once an end; X-Wing has none."""

    encap: Callable[[], list[Call]]
    decap: Callable[[], list[Call]]
    kem_hmacs: int
    hash: str
    key_size: int

    @property
    def nonce(self) -> int:
        """``max(Nn, Nk)``, RFC 9458 §4.4."""
        return max(12, self.key_size)

    def schedule(self, end: str) -> list[Call]:
        """KeySchedule of one end: info_hash, secret, key, base_nonce, exporter_secret; psk_id_hash is a constant."""
        kem = [hmacs(self.kem_hmacs, "sha256", f"{end}: RFC 9180 §4.1 ExtractAndExpand")] if self.kem_hmacs else []
        return [*kem, hmacs(5, self.hash, f"{end}: RFC 9180 §5.1 KeySchedule")]

    def response(self, end: str) -> Call:
        return hmacs(3, self.hash, f"{end}: RFC 9458 §4.4 prk, key, nonce")

    def secret(self, end: str) -> Call:
        return hmacs(1, self.hash, f"{end}: RFC 9458 §4.4 Export of the response's secret")


X25519_SUITE = SuiteFloor(x25519_encap, x25519_decap, 2, "sha256", 16)
P256_SUITE = SuiteFloor(p256_encap, p256_decap, 2, "sha256", 16)
XWING_SUITE = SuiteFloor(xwing_encap, xwing_decap, 0, "sha384", 32)


def hpke_seal(suite: SuiteFloor, size: int) -> Floor:
    return Floor(*suite.encap(), *suite.schedule("sender"), sealing(suite.key_size, size, "RFC 9180 §5.2 Seal"))


def hpke_open(suite: SuiteFloor, size: int) -> Floor:
    return Floor(*suite.decap(), *suite.schedule("recipient"), opening(suite.key_size, size, "RFC 9180 §5.2 Open"))


def ohttp_calls(suite: SuiteFloor, up: int, down: int) -> list[Call]:
    """RFC 9458 §4.3 and §4.4, both ends; ``up`` and ``down`` are the bytes of the messages."""
    return [
        *suite.encap(),
        *suite.schedule("client"),
        sealing(suite.key_size, up, "client: RFC 9458 §4.3"),
        suite.secret("client"),
        *suite.decap(),
        *suite.schedule("gateway"),
        opening(suite.key_size, up, "gateway: RFC 9458 §4.3"),
        suite.secret("gateway"),
        random(1, suite.nonce, "gateway: RFC 9458 §4.4 response_nonce"),
        suite.response("gateway"),
        sealing(suite.key_size, down, "gateway: RFC 9458 §4.4"),
        suite.response("client"),
        opening(suite.key_size, down, "client: RFC 9458 §4.4"),
    ]


def ohttp(suite: SuiteFloor, up: int, down: int) -> Floor:
    return Floor(*ohttp_calls(suite, up, down))


# Attestation and ledger.


def report_calls() -> list[Call]:
    """One report: AMD 56860 §8.3 and table 23. The signature comes as two integers, the library wants DER."""
    key, signed, algorithm = ec.generate_private_key(ec.SECP384R1()), bytes(672), ec.ECDSA(SHA384())
    signature = key.sign(signed, algorithm)
    r, s = decode_dss_signature(signature)
    return [
        Call(1, "encode_dss_signature", "AMD 56860 table 23: r and s", functools.partial(encode_dss_signature, r, s)),
        Call(
            1,
            "ECPublicKey.verify",
            "AMD 56860 table 23: ECDSA P-384 with SHA-384 over 672 bytes",
            functools.partial(key.public_key().verify, signature, signed, algorithm),
        ),
    ]


def chain_calls() -> list[Call]:
    """VCEK: AMD 57230. ARK and ASK are those of all chips of a product line, and remembered from one to the next."""
    curve = ec.SECP384R1()
    point = ec.generate_private_key(curve).public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    load = functools.partial(ec.EllipticCurvePublicKey.from_encoded_point, curve, point)
    return [
        rsa_pss_verify(1, 4096, 1100, "AMD 57230: VCEK by ASK"),
        Call(1, "EllipticCurvePublicKey.from_encoded_point", "AMD 57230: the VCEK's key", load),
    ]


def ledger_calls(witnesses: int, path: int) -> list[Call]:
    """The log's signature, a cosignature of each witness that is known, the Merkle path (RFC 6962 §2.1)."""
    return [
        ed25519_verify(1, 120, "c2sp.org/tlog-checkpoint: the log's signature"),
        ed25519_verify(
            witnesses, 150, "c2sp.org/signed-note: signatures of known keys MUST be verified, also beyond the threshold"
        ),
        hashes(1, "sha256", 180, "RFC 6962 §2.1: leaf"),
        hashes(path, "sha256", 65, "RFC 6962 §2.1: nodes"),
    ]


def appraisal() -> Floor:
    return Floor(*report_calls())


def ledger(witnesses: int, path: int) -> Floor:
    return Floor(*ledger_calls(witnesses, path))


def learn(witnesses: int, path: int, size: int) -> Floor:
    """Mirrors that agree show the same bytes, so one signature is enough for all of them."""
    return Floor(
        ed25519_verify(1, size + 90, "RFC 9052 §4.4: the package's signature"),
        hashes(1, "sha384", size + 90, "PROTOCOL §2: pkg"),
        *ledger_calls(witnesses, path),
        *xwing_load("RFC 9458 §3.1: the gateway's key"),
        rsa_load(1, 2048, "RFC 9578 §4: the issuer's key"),
        hashes(1, "sha256", 342, "RFC 9578 §6.5: token_key_id"),
    )


# Tokens.


def redemption() -> Floor:
    return Floor(rsa_pss_verify(1, 2048, 98, "RFC 9578 §6.4"))


class _Rsa:
    """pycryptodome's integers of a key of 2048 bits: n, e, d, a number below n, and the raw private operation."""

    def __init__(self) -> None:
        private = _rsa_key(2048).private_numbers()
        numbers = private.public_numbers
        self.n, self.e = Integer(numbers.n, public=True), Integer(numbers.e, public=True)
        key = RSA.construct((numbers.n, numbers.e, private.d, private.p, private.q), consistency_check=False)
        self.raw = key._decrypt_to_bytes
        self.number = Integer.random_range(min_inclusive=1, max_exclusive=self.n)
        self.other = Integer.random_range(min_inclusive=1, max_exclusive=self.n)

    def public(self) -> Call:
        return Call(1, "IntegerNat.__pow__", "RFC 9474 RSAVP1, RSA-2048", lambda: pow(self.number, self.e, self.n))

    def multiply(self, times: int, why: str) -> Call:
        return Call(times, "IntegerNat.__mul__", f"{why}, and the reduction", lambda: self.number * self.other % self.n)


def blind() -> Floor:
    """RFC 9474 §4.2. is_coprime(m, n) and inverse_mod(r, n) are one inversion: of m * r."""
    key = _Rsa()
    draw = functools.partial(Integer.random_range, min_inclusive=1, max_exclusive=key.n)
    return Floor(
        random(1, 48, "RFC 8017 §9.1.1: salt"),
        hashes(1, "sha384", 98, "RFC 8017 §9.1.1: mHash"),
        hashes(1, "sha384", 104, "RFC 8017 §9.1.1: H"),
        hashes(5, "sha384", 52, "RFC 8017 §B.2.1: MGF1 of 207 bytes"),
        Call(1, "IntegerBase.random_range", "RFC 9474 §4.2: r", draw),
        Call(1, "IntegerNat.inverse", "RFC 9474 §4.2: inverse_mod", lambda: key.number.inverse(key.n)),
        key.public(),
        key.multiply(3, "RFC 9474 §4.2: m * r, its inverse * m, m * r^e"),
    )


def blind_sign() -> Floor:
    """RFC 9474 §4.3: RSASP1, and the check of its result."""
    key = _Rsa()
    return Floor(
        Call(1, "RsaKey._decrypt_to_bytes", "RFC 9474 §4.3: RSASP1, blinded", functools.partial(key.raw, key.number)),
        key.public(),
    )


def finish() -> Floor:
    return Floor(
        _Rsa().multiply(1, "RFC 9474 §4.4: unblind"), rsa_pss_verify(1, 2048, 98, "RFC 9474 §4.4: RSASSA-PSS-VERIFY")
    )


# TLS: a bare pair of pyOpenSSL connections on memory BIOs.


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
    return Floor(handshake_call(), hashes(1, "sha256", 300, "PROTOCOL §2: pre, SHA-256 of the leaf"), *_binder())


def _binder() -> list[Call]:
    return [
        hashes(2, "sha384", 100, "PROTOCOL §2: ctx, both ends"),
        hashes(2, "sha384", 1500, "PROTOCOL §2: pre, both ends"),
        hashes(2, "sha384", 100, "PROTOCOL §2: bind, both ends"),
    ]


def _session_call(up: int, down: int) -> Call:
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


# The whole private request: PROTOCOL §2 to §5 with X-Wing, HKDF-SHA384, AES-256-GCM, X25519MLKEM768, SEV-SNP.


@dataclass(frozen=True)
class Sizes:
    """Bytes, as PROTOCOL §4 and §5 and the padding fix them: OHTTP messages, and what is inside of TLS."""

    open_up: int = 2953
    open_down: int = 16336
    ask_up: int = 5487
    ask_down: int = 8144
    request: int = 4096
    sealed_request: int = 5240
    chunk: int = 4096
    sealed_answer: int = 5239


def request(witnesses: int, path: int, sizes: Sizes) -> Floor:
    suite, h = XWING_SUITE, "sha384"
    return Floor(
        # The two OHTTP exchanges.
        *ohttp_calls(suite, sizes.open_up, sizes.open_down),
        *ohttp_calls(suite, sizes.ask_up, sizes.ask_down),
        # Round trip 1: token, proof, transcript.
        hmacs(4, h, "PROTOCOL §2 oexp, §5 continuation key: exports at device and gateway"),
        random(1, 32, "PROTOCOL §2: the nonce of Open"),
        hashes(2, h, 2900, "PROTOCOL §2: outer, at device and gateway"),
        hashes(3, h, 2200, "PROTOCOL §2: th1, at device, gateway, enclave"),
        ed25519_sign(66, "PROTOCOL §2: proof"),
        rsa_pss_verify(1, 2048, 98, "RFC 9578 §6.4: the token"),
        hashes(1, "sha256", 88, "PROTOCOL §2: Token.nonce"),
        ed25519_load("PROTOCOL §2: the proof's key"),
        ed25519_verify(1, 66, "PROTOCOL §2: proof"),
        # TLS, both round trips; binder.
        _session_call(sizes.sealed_request, sizes.sealed_answer),
        *xwing_generate("PROTOCOL §2 ann: the enclave's one-time key"),
        hashes(1, "sha256", 300, "PROTOCOL §2: pre, SHA-256 of the leaf, at the device"),
        *_binder(),
        hashes(2, h, 1184, "PROTOCOL §2 th2: SHA-384 of the evidence, both ends"),
        hashes(2, h, 200, "PROTOCOL §2: th2, both ends"),
        random(2, 32, "PROTOCOL §5: handles"),
        # Appraisal.
        *chain_calls(),
        *report_calls(),
        *ledger_calls(witnesses, path),
        # Round trip 2: request.
        *xwing_load("PROTOCOL §3: pk0 from the announcement"),
        hashes(2, h, 80, "PROTOCOL §3: n of X('keys'), both ends"),
        hashes(2, h, 90, "PROTOCOL §3: HPKE info, both ends"),
        *xwing_encap("device: "),
        *xwing_decap("enclave: "),
        hmacs(6, h, "RFC 9180 §5.1, both ends: info_hash, secret, exporter_secret (only the export is used)"),
        hmacs(2, h, "PROTOCOL §3: HPKE.Export('privproc/1 req'), both ends"),
        hmacs(6, h, "PROTOCOL §3: prk, key, iv of the request, both ends"),
        *xwing_generate("PROTOCOL §3 dk: the device's response key"),
        sealing(32, sizes.request, "PROTOCOL §3: request"),
        opening(32, sizes.request, "PROTOCOL §3: request"),
        hashes(2, h, sizes.request + 16, "PROTOCOL §3 th3: SHA-384 of the ciphertext, both ends"),
        hashes(2, h, 1400, "PROTOCOL §3: th3, both ends"),
        hashes(2, h, sizes.sealed_request + 102, "PROTOCOL §5: hash of the records, device and gateway"),
        hmacs(2, h, "PROTOCOL §5: continuation MAC, device and gateway"),
        # Round trip 2: answer.
        *xwing_load("PROTOCOL §3: dk, at the enclave"),
        *xwing_encap("enclave, answer: "),
        *xwing_decap("device, answer: "),
        hmacs(8, h, "PROTOCOL §3: res salt, r, key, iv of the answer, both ends"),
        hashes(2, h, 1250, "PROTOCOL §3: T('response'), both ends"),
        sealing(32, sizes.chunk, "PROTOCOL §3: chunk"),
        opening(32, sizes.chunk, "PROTOCOL §3: chunk"),
    )


# Streams.


class ChunkStream:
    """AES-256-GCM over pieces of chunks, one key: what ``responsekey`` can't avoid."""

    def __init__(self, chunk: int, per_piece: int) -> None:
        self._cipher = AESGCM(bytes(32))
        self._nonce = bytes(12)
        self._chunk = bytes(chunk)
        self._per_piece = per_piece

    def piece(self) -> list[bytes]:
        encrypt, decrypt, nonce = self._cipher.encrypt, self._cipher.decrypt, self._nonce
        sealed = [encrypt(nonce, self._chunk, b"\0") for _ in range(self._per_piece)]
        return [decrypt(nonce, one, b"\0") for one in sealed]


class TlsStream:
    """One direction of a bare pair, in pieces of whole records."""

    def __init__(self, piece: int) -> None:
        self._pair = TlsPair()
        self._pair.confirm()
        self._piece = bytes(piece)

    def piece(self) -> list[bytes]:
        client, server = self._pair.client, self._pair.server
        client.sendall(self._piece)
        server.bio_write(client.bio_read(len(self._piece) + 4096))
        return [server.recv(1 << 14) for _ in range(len(self._piece) >> 14)]
