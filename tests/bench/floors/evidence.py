"""Attestation, ledger and key packages."""

from __future__ import annotations

import functools
from dataclasses import replace

from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, HashAlgorithm
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
)

from tests.bench.floors.kem import xwing_load
from tests.bench.floors.primitives import Call, Floor, ed25519_verify, hashes, rsa_key, rsa_load, rsa_pss_verify


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


def new_chain_calls() -> list[Call]:
    """Report and chain of a product line that is new: every key comes with what it verifies."""
    key, data, hashed = rsa_key(4096), bytes(1100), SHA384()
    pss = padding.PSS(padding.MGF1(hashed), 48)
    signature = key.sign(data, pss, hashed)
    spki = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    def rsa_verify() -> None:
        loaded = load_der_public_key(spki)
        assert isinstance(loaded, rsa.RSAPublicKey)
        loaded.verify(signature, data, pss, hashed)

    inner = ((1, "load_der_public_key"), (1, "RSAPublicKey.verify"))
    report, _ = report_calls()
    return [
        Call(2, "load and verify", "AMD 57230: ASK by ARK, VCEK by ASK", rsa_verify, inner),
        report,
        fresh_ec_verify(1, ec.SECP384R1(), hashed, 672, "AMD 56860 table 23: the report by the VCEK"),
    ]


def ec_verify(times: int, curve: ec.EllipticCurve, algorithm: HashAlgorithm, size: int, why: str) -> Call:
    """A signature of ``size`` bytes by a key that is loaded."""
    key, signed, scheme = ec.generate_private_key(curve), bytes(size), ec.ECDSA(algorithm)
    run = functools.partial(key.public_key().verify, key.sign(signed, scheme), signed, scheme)
    return Call(times, "ECPublicKey.verify", why, run)


def fresh_ec_verify(times: int, curve: ec.EllipticCurve, algorithm: HashAlgorithm, size: int, why: str) -> Call:
    """The same by a key that comes with it: its first use costs more than the later ones."""
    key, signed, scheme = ec.generate_private_key(curve), bytes(size), ec.ECDSA(algorithm)
    point = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    signature = key.sign(signed, scheme)

    def run() -> None:
        ec.EllipticCurvePublicKey.from_encoded_point(curve, point).verify(signature, signed, scheme)

    inner = ((1, "EllipticCurvePublicKey.from_encoded_point"), (1, "ECPublicKey.verify"))
    return Call(times, "load and verify", why, run, inner)


def quote_calls(signed: int = 702) -> list[Call]:
    """One quote of a platform that is new, beside collateral that is verified; ``signed``: bytes of header and body."""
    curve, algorithm = ec.SECP256R1(), SHA256()
    signature = ec.generate_private_key(curve).sign(b"", ec.ECDSA(algorithm))
    der = functools.partial(encode_dss_signature, *decode_dss_signature(signature))
    return [
        Call(2, "encode_dss_signature", "DCAP quote format: r and s", der),
        ec_verify(1, curve, algorithm, 1050, "PCK certificate profile: PCK by the PCK authority"),
        fresh_ec_verify(1, curve, algorithm, 384, "DCAP quote format: QE report by the PCK"),
        fresh_ec_verify(1, curve, algorithm, signed, "DCAP quote format: header and body by the attestation key"),
    ]


def document_calls() -> list[Call]:
    """One Nitro document: the root is pinned, each of four certificates under it comes with its issuer's key."""
    curve, algorithm = ec.SECP384R1(), SHA384()
    signature = ec.generate_private_key(curve).sign(b"", ec.ECDSA(algorithm))
    der = functools.partial(encode_dss_signature, *decode_dss_signature(signature))
    return [
        fresh_ec_verify(4, curve, algorithm, 500, "AP §3.2.3: leaf, instance, zone and region by the one above"),
        Call(1, "encode_dss_signature", "RFC 9053 §2.1: r || s", der),
        fresh_ec_verify(1, curve, algorithm, 4500, "RFC 9052 §4.4: the document by the leaf"),
    ]


def devices_calls() -> list[Call]:
    """Two GPUs: NVIDIA's part of the chain is one for both, and every key comes with what it verifies."""
    curve, algorithm = ec.SECP384R1(), SHA384()
    signature = ec.generate_private_key(curve).sign(b"", ec.ECDSA(algorithm))
    der = functools.partial(encode_dss_signature, *decode_dss_signature(signature))
    return [
        fresh_ec_verify(2, curve, algorithm, 500, "NVIDIA device identity: provisioner and family by the one above"),
        fresh_ec_verify(
            1, curve, algorithm, 500, "NVIDIA device identity: a boot ROM by the provisioner, which is one"
        ),
        ec_verify(1, curve, algorithm, 500, "NVIDIA device identity: the other boot ROM"),
        fresh_ec_verify(2, curve, algorithm, 500, "NVIDIA device identity: leaves by their boot ROMs"),
        Call(2, "encode_dss_signature", "DSP0274 table 17: r || s", der),
        fresh_ec_verify(2, curve, algorithm, 4100, "DSP0274 §10.11: request and response by the leaf"),
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


def rekor_calls(path: int) -> list[Call]:
    """One entry: its timestamp and checkpoint by the log, the artifact by its signer."""
    return [
        ec_verify(3, ec.SECP256R1(), SHA256(), 900, "Rekor: timestamp, checkpoint, artifact"),
        hashes(1, "sha256", 700, "RFC 6962 §2.1: leaf"),
        hashes(path, "sha256", 65, "RFC 6962 §2.1: nodes"),
    ]


def receipt_calls(path: int) -> list[Call]:
    """One receipt: the node's certificate by the service, the root by the node."""
    curve = ec.SECP384R1()
    return [
        replace(ec_verify(1, curve, SHA384(), 300, "CCF: the node's certificate by the service"), seen=False),
        ec_verify(1, curve, SHA256(), 32, "CCF: the root by the node"),
        hashes(2 + path, "sha256", 64, "CCF: leaf, commit evidence and nodes"),
    ]


def appraisal() -> Floor:
    return Floor(*report_calls())


def new_chain() -> Floor:
    return Floor(*new_chain_calls())


def quote() -> Floor:
    return Floor(*quote_calls())


def enclave() -> Floor:
    return Floor(*quote_calls(432))


def document() -> Floor:
    return Floor(*document_calls())


def devices() -> Floor:
    return Floor(*devices_calls())


def rekor(path: int) -> Floor:
    return Floor(*rekor_calls(path))


def receipt(path: int) -> Floor:
    return Floor(*receipt_calls(path))


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
