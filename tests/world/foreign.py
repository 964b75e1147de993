"""Makers of other ledgers in memory: a Rekor log with one tree, Oak's endorsements in it, a CCF service with its nodes.

Answers are written here and owe nothing to the library's readers. Keys are derived from names and signatures are
deterministic (RFC 6979).
"""

from __future__ import annotations

import base64
import functools
import hashlib
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256, SHA384
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from privproc.ledger import rekor

SPKI = PublicFormat.SubjectPublicKeyInfo


@functools.cache
def key(name: str, curve: ec.EllipticCurve | None = None) -> ec.EllipticCurvePrivateKey:
    scalar = int.from_bytes(hashlib.sha256(b"not a secret " + name.encode()).digest(), "big") >> 1
    return ec.derive_private_key(scalar, curve or ec.SECP256R1())


def sign(private: ec.EllipticCurvePrivateKey, data: bytes, *, prehashed: bool = False) -> bytes:
    scheme = Prehashed(SHA256()) if prehashed else SHA256()
    return private.sign(data, ec.ECDSA(scheme, deterministic_signing=True))


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


@dataclass(frozen=True)
class FakeRekor:
    """A log whose tree has our entry and ``others``; what :meth:`answer` is asked for may be changed."""

    at: int
    others: tuple[bytes, ...] = (b"one", b"two", b"three", b"four")
    name: str = "rekor.example"

    @property
    def log(self) -> rekor.Log:
        return rekor.Log(self.name, key("rekor").public_key())

    def body(self, artifact: bytes, *, signer: str = "releases", **changes: Any) -> dict[str, Any]:
        private = key(changes.pop("keyed", signer))
        pem = private.public_key().public_bytes(Encoding.PEM, SPKI)
        digest = changes.pop("digest", hashlib.sha256(artifact).digest())
        signature = {
            "content": b64(sign(key(signer), artifact)),
            "publicKey": {"content": b64(changes.pop("pem", pem))},
        }
        signature |= changes.pop("signature", {})
        spec = {"data": {"hash": {"algorithm": "sha256", "value": digest.hex()} | changes.pop("hash", {})}}
        return {"apiVersion": "0.0.1", "kind": "hashedrekord", "spec": spec | {"signature": signature}} | changes

    def answer(self, body: dict[str, Any], **changes: Any) -> bytes:
        leaf = json.dumps(body, sort_keys=True, separators=(",", ":")).encode()
        entry: dict[str, Any] = {
            "body": b64(leaf),
            "integratedTime": self.at,
            "logID": self.log.id.hex(),
            "logIndex": 1000 + len(self.others),
        }
        entry |= changes.pop("entry", {})
        signed = json.dumps(entry, sort_keys=True, separators=(",", ":")).encode()
        timestamp = sign(key(changes.pop("timestamper", "rekor")), signed)
        proof = self.proof(leaf, changes.pop("signer", "rekor"), changes.pop("origin", f"{self.name} - 77"))
        proof |= changes.pop("proof", {})
        verification = {"inclusionProof": proof, "signedEntryTimestamp": b64(timestamp)}
        return json.dumps({"00" * 40: entry | {"verification": verification} | changes}).encode()

    def proof(self, leaf: bytes, signer: str, origin: str) -> dict[str, Any]:
        """The proof that the last leaf is in the tree: written out for five leaves, ours alone to the right."""
        hashes = [hashlib.sha256(b"\0" + each).digest() for each in (*self.others, leaf)]
        pair = [hashlib.sha256(b"\1" + hashes[i] + hashes[i + 1]).digest() for i in (0, 2)]
        left = hashlib.sha256(b"\1" + pair[0] + pair[1]).digest()
        root = hashlib.sha256(b"\1" + left + hashes[4]).digest()
        text = f"{origin}\n5\n{b64(root)}\n"
        line = b64(self.log.id[:4] + sign(key(signer), text.encode()))
        return {
            "checkpoint": f"{text}\n\N{EM DASH} {self.name} {line}\n",
            "hashes": [left.hex()],
            "logIndex": 4,
            "rootHash": root.hex(),
            "treeSize": 5,
        }


@dataclass(frozen=True)
class FakeOak:
    """An endorser's files about ``binary``, valid for a day from ``at``."""

    at: int
    binary: bytes = b"a binary"
    claims: tuple[str, ...] = ("https://claims.example/reproducible", "https://claims.example/no-logging")

    @property
    def subject(self) -> bytes:
        return hashlib.sha256(self.binary).digest()

    def time(self, offset: int) -> str:
        return datetime.fromtimestamp(self.at + offset, UTC).strftime("%Y-%m-%dT%H:%M:%S.376000Z")

    def statement(self, *, predicate: Any = None, subject: Any = None, **changes: Any) -> bytes:
        """The statement; ``predicate`` and ``subject`` change members in there."""
        fields = {
            "_type": "https://in-toto.io/Statement/v1",
            "predicateType": "https://project-oak.github.io/oak/tr/endorsement/v1",
            "subject": [{"name": "example", "digest": {"sha256": self.subject.hex()}} | (subject or {})],
            "predicate": {
                "issuedOn": self.time(-60),
                "validity": {"notBefore": self.time(0), "notAfter": self.time(86400)},
                "claims": [{"type": each} for each in self.claims],
            }
            | (predicate or {}),
        }
        return json.dumps(fields | changes, indent=2).encode()

    def files(self, statement: bytes, *, signer: str = "releases", logged: bytes = b"") -> tuple[bytes, bytes, bytes]:
        """Statement, signature, log entry; the entry is of ``logged`` instead, if there is any."""
        rekor_log = FakeRekor(self.at)
        entry = rekor_log.answer(rekor_log.body(logged or statement))
        return statement, sign(key(signer), statement), entry


@dataclass(frozen=True)
class FakeCcf:
    """A service, its node, and receipts of the node."""

    at: int
    curve: ec.EllipticCurve = field(default_factory=ec.SECP384R1)

    def certificate(self, subject: str, issuer: str, *, signer: str = "", public: Any = None) -> x509.Certificate:
        start = datetime.fromtimestamp(self.at, UTC)
        name = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, each)]) for each in (subject, issuer)]
        builder = x509.CertificateBuilder(
            subject_name=name[0],
            issuer_name=name[1],
            public_key=public or key(subject, self.curve).public_key(),
            serial_number=7,
            not_valid_before=start,
            not_valid_after=start + timedelta(days=1),
        )
        return builder.sign(key(signer or issuer, self.curve), SHA384(), ecdsa_deterministic=True)

    @property
    def service(self) -> x509.Certificate:
        return self.certificate("service", "service")

    def receipt(
        self, claims: bytes, *, node: x509.Certificate | None = None, signer: str = "node", **changes: Any
    ) -> bytes:
        """A receipt about ``claims``; the values of ``leaf`` are stated, and not computed with."""
        certificate = node or self.certificate("node", "service")
        evidence = f"ce:2.643:{hashlib.sha256(b'nonce').hexdigest()}"
        written = hashlib.sha256(b"write set").digest()
        value = hashlib.sha256(written + hashlib.sha256(evidence.encode()).digest() + claims).digest()
        left, right = hashlib.sha256(b"left").digest(), hashlib.sha256(b"right").digest()
        value = hashlib.sha256(left + value).digest()
        root = hashlib.sha256(value + right).digest()
        stated = {"claims_digest": claims.hex(), "commit_evidence": evidence, "write_set_digest": written.hex()}
        leaf = {name: each for name, each in (stated | changes.pop("leaf", {})).items() if each is not None}
        spki = certificate.public_key().public_bytes(Encoding.DER, SPKI)
        fields = {
            "cert": certificate.public_bytes(Encoding.PEM).decode(),
            "leaf_components": leaf,
            "node_id": hashlib.sha256(spki).hexdigest(),
            "proof": [{"left": left.hex()}, {"right": right.hex()}],
            "signature": b64(sign(key(signer, self.curve), root, prehashed=True)),
        }
        return json.dumps({name: each for name, each in (fields | changes).items() if each is not None}).encode()
