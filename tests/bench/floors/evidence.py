"""Attestation, ledger and key packages."""

from __future__ import annotations

import functools

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA384
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.bench.floors.kem import xwing_load
from tests.bench.floors.primitives import Call, Floor, ed25519_verify, hashes, rsa_load, rsa_pss_verify


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
