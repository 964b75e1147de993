"""A maker of Nitro enclaves in memory: root, regional, zonal and instance authorities, and attestation documents.

Certificates and documents are written here, in Amazon's order of keys, and owe nothing to the library's readers. Keys
are derived from names and signatures are deterministic (RFC 6979).
"""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass, replace
from typing import Any

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA384
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from privproc.attestation.nitro import Policy, Roots
from tests.world.amd import DAY, Draft, extension, integer, oid, tlv

ECDSA_SHA384 = bytes.fromhex("300a06082a8648ce3d040303")
NAMES = ("aws.nitro-enclaves", "region", "zone", "instance", "enclave")
PCRS = {index: hashlib.sha384(bytes((index,))).digest() if index in {0, 1, 2, 4} else bytes(48) for index in range(16)}


@functools.cache
def key(name: str) -> ec.EllipticCurvePrivateKey:
    scalar = int.from_bytes(hashlib.sha384(b"not a secret " + name.encode()).digest(), "big") >> 1
    return ec.derive_private_key(scalar, ec.SECP384R1())


def der_signature(private: Any, data: bytes) -> bytes:
    return private.sign(data, ec.ECDSA(SHA384(), deterministic_signing=True))


def sign_draft(draft: Draft, private: Any) -> bytes:
    tbs = draft.tbs()
    return tlv(0x30, tbs, draft.outer_algorithm or draft.algorithm, tlv(0x03, b"\0", der_signature(private, tbs)))


def name(common_name: str) -> bytes:
    parts = (("550406", "US"), ("55040a", "Not Amazon"), ("550403", common_name))
    return tlv(0x30, *(tlv(0x31, tlv(0x30, oid(kind), tlv(0x0C, text.encode()))) for kind, text in parts))


@dataclass(frozen=True)
class FakeAws:
    """A hierarchy of five certificates, the leaf valid for three hours around ``at``."""

    at: int

    def draft(self, depth: int) -> Draft:
        """The certificate at ``depth`` (0 the root, 4 the leaf), to be changed and signed."""
        leaf = depth == len(NAMES) - 1
        constraints = "3000" if leaf else "30030101ff" if depth == 0 else f"30060101ff0201{3 - depth:02x}"
        return Draft(
            issuer=name(NAMES[max(depth - 1, 0)]),
            subject=name(NAMES[depth]),
            not_before=self.at - (5400 if leaf else (60 - depth) * DAY),
            not_after=self.at + (5400 if leaf else (60 - depth) * DAY),
            spki=key(NAMES[depth]).public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
            extensions=[
                extension("551d13", bytes.fromhex(constraints), critical=True),
                extension("551d0f", bytes.fromhex("030206c0" if leaf else "03020186"), critical=not leaf),
            ],
            serial=integer(0x100 + depth),
            algorithm=ECDSA_SHA384,
        )

    @functools.cache  # noqa: B019 - a few hierarchies in all tests
    def certificate(self, depth: int) -> bytes:
        return self.sign(depth)

    def sign(self, depth: int, *, signer: str = "", **changes: Any) -> bytes:
        return sign_draft(replace(self.draft(depth), **changes), key(signer or NAMES[max(depth - 1, 0)]))

    @property
    def roots(self) -> Roots:
        return Roots((hashlib.sha256(self.certificate(0)).digest(),))

    def bundle(self, **replaced: bytes) -> list[bytes]:
        """The authorities; ``replaced`` by name."""
        return [replaced.get(NAMES[depth].partition(".")[0], self.certificate(depth)) for depth in range(4)]

    def fields(self, user_data: bytes) -> dict[str, Any]:
        """The payload's map in Amazon's order; a value of ... leaves the field out."""
        return {
            "module_id": "i-0123456789abcdef0-enc0123456789abcdef0",
            "digest": "SHA384",
            "timestamp": self.at * 1000 + 545,
            "pcrs": dict(PCRS),
            "certificate": self.certificate(4),
            "cabundle": self.bundle(),
            "public_key": None,
            "user_data": user_data,
            "nonce": None,
        }

    def document(self, user_data: bytes, *, signer: Any = None, protected: bytes | None = None, **fields: Any) -> bytes:
        """A document that :func:`strict_policy` accepts, but for ``fields`` that are given otherwise."""
        values = {name: value for name, value in (self.fields(user_data) | fields).items() if value is not ...}
        return cose(cbor2.dumps(values), signer=signer, protected=protected)


def cose(payload: bytes, *, signer: Any = None, protected: bytes | None = None, unprotected: Any = None) -> bytes:
    header = bytes.fromhex("a1013822") if protected is None else protected
    signed = cbor2.dumps(["Signature1", header, b"", payload])
    r, s = decode_dss_signature(der_signature(signer or key("enclave"), signed))
    signature = r.to_bytes(48, "big") + s.to_bytes(48, "big")
    return cbor2.dumps([header, {} if unprotected is None else unprotected, payload, signature])


def strict_policy(**changes: Any) -> Policy:
    """A policy that accepts the documents of these enclaves, and nothing less."""
    policy = Policy(logged_pcrs=(0, 1, 2), pcrs=((3, PCRS[3]), (4, PCRS[4]), (8, PCRS[8])), max_age=600)
    return replace(policy, **changes)
