"""Binders of other systems: their bytes written out once more, their levels, and that no session takes one."""

from __future__ import annotations

import struct
from hashlib import sha256, sha384, sha512
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from privproc.attestation import NO_REVOCATIONS, Level, PinnedMeasurement, SessionBinding, others
from privproc.attestation.snp import KeyEvidence, Report, appraise, appraise_key
from privproc.errors import DecodeError, UnsupportedError, UntrustedError, UsageError
from privproc.secret import Secret
from tests import test_attestation as snp
from tests.codec import check_contract

SPKI = b"\x30\x59 a key"
NONCE = bytes(range(1, 33))
HPKE = b"\x09" * 32
KEYS = (
    ec.derive_private_key(7, ec.SECP256R1()),
    ec.derive_private_key(7, ec.SECP384R1()),
    ed25519.Ed25519PrivateKey.from_private_bytes(bytes(32)),
)


def export(label: bytes, context: bytes, length: int) -> Secret:
    """An exporter that never was."""
    return Secret(sha256(label + b"|" + context).digest()[:length])


CHANNEL = sha256(b"EXPORTER-Channel-Binding|").digest()
CASES: dict[str, tuple[Any, bytes, Level]] = {
    "contrast": (others.contrast(spki=SPKI, nonce=NONCE), sha512(SPKI + NONCE).digest(), Level.KEY),
    "tinfoil-v2": (others.tinfoil_v2(spki=SPKI, hpke_key=HPKE), sha256(SPKI).digest() + HPKE, Level.KEY),
    "tinfoil-v3": (
        others.tinfoil_v3(nonce=NONCE, crypto_material=b"keys", device_evidence=b"gpus"),
        sha256(
            b"https://tinfoil.sh/report-data/v1" + NONCE + sha256(b"keys").digest() + sha256(b"gpus").digest()
        ).digest()
        + bytes(32),
        Level.KEY,
    ),
    "azure": (others.azure_hcl(b"{}"), sha256(b"{}").digest() + bytes(32), Level.KEY),
    "constellation": (
        others.constellation(spki=SPKI, nonce=NONCE),
        sha256(sha256(SPKI).digest() + NONCE).digest() + bytes(32),
        Level.KEY,
    ),
    "constellation-tpm": (others.constellation_tpm(attestation_key=SPKI), sha512(SPKI).digest(), Level.KEY),
    "gramine": (others.gramine(spki=SPKI), sha256(SPKI).digest() + bytes(32), Level.KEY),
    "sgx-sdk": (
        others.sgx_sdk(spki=SPKI),
        sha256(b"-----BEGIN PUBLIC KEY-----\nMFkgYSBrZXk=\n-----END PUBLIC KEY-----\n\0").digest() + bytes(32),
        Level.KEY,
    ),
    "client-random": (
        others.client_random(spki=SPKI, client_random=NONCE, vulnerable_to="CVE-2026-33697"),
        sha256(SPKI).digest() + NONCE,
        Level.KEY,
    ),
    "flashbots": (others.flashbots(export, spki=SPKI), sha256(SPKI).digest() + CHANNEL, Level.SESSION),
    "atlas": (others.atlas(export, nonce=NONCE), sha512(NONCE + CHANNEL).digest(), Level.SESSION),
    "cocos-256": (
        others.cocos(export, spki=SPKI, request_context=b"ctx", digest="sha256"),
        sha512(sha256(SPKI + sha256(b"Attestation|ctx").digest()).digest()).digest(),
        Level.SESSION,
    ),
    "cocos-384": (
        others.cocos(export, spki=SPKI, request_context=b"ctx", digest="sha384"),
        sha512(sha384(SPKI + sha256(b"Attestation|ctx").digest()).digest()).digest(),
        Level.SESSION,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_binders(name: str) -> None:
    made, expected, level = CASES[name]
    assert made.report_data == expected
    assert made.expected.report_data == expected
    assert made.level is level
    known = [kind for kind in (others.KeyBound, others.HandshakeBound, others.SessionBound) if isinstance(made, kind)]
    expected_kind = others.KeyBound if level is Level.KEY else others.SessionBound
    assert known == [others.HandshakeBound if name == "client-random" else expected_kind]
    assert not isinstance(made, SessionBinding)
    assert expected.hex() not in repr(made)


@pytest.mark.parametrize("name", CASES)
def test_appraised_at_the_level_of_a_key(name: str) -> None:
    made, expected, _ = CASES[name]
    evidence = snp.GENOA.report(measurement=snp.MEASUREMENT, report_data=expected)
    arguments: dict[str, Any] = {
        "policy": snp.strict_policy(snp.GENOA),
        "chain": snp.GENOA.chain(),
        "logged": PinnedMeasurement(snp.MEASUREMENT),
        "role": "other",
        "revocations": NO_REVOCATIONS,
        "at": snp.AT,
    }
    found = appraise_key(evidence, binding=made.expected, **arguments)
    assert isinstance(found, KeyEvidence)
    assert found.level is Level.KEY
    with pytest.raises(UntrustedError):
        appraise_key(evidence, binding=others.contrast(spki=b"other", nonce=NONCE).expected, **arguments)
    for binding in (made, made.expected, made.report_data):
        with pytest.raises(UsageError):
            appraise(evidence, binding=binding, **arguments)


@pytest.mark.parametrize(
    "make",
    [
        lambda: others.contrast(spki=b"", nonce=NONCE),
        lambda: others.contrast(spki=SPKI, nonce=b""),
        lambda: others.contrast(spki=SPKI, nonce=bytes(32)),
        lambda: others.tinfoil_v2(spki=SPKI, hpke_key=bytes(32)),
        lambda: others.tinfoil_v3(nonce=b"", crypto_material=b"k", device_evidence=b"e"),
        lambda: others.azure_hcl(b""),
        lambda: others.constellation(spki=b"", nonce=NONCE),
        lambda: others.constellation(spki=SPKI, nonce=NONCE[:31]),
        lambda: others.constellation_tpm(attestation_key=b""),
        lambda: others.gramine(spki=b""),
        lambda: others.sgx_sdk(spki=b""),
        lambda: others.client_random(spki=b"", client_random=NONCE, vulnerable_to="CVE-2026-33697"),
        lambda: others.client_random(spki=SPKI, client_random=bytes(32), vulnerable_to="CVE-2026-33697"),
        lambda: others.client_random(spki=SPKI, client_random=NONCE[:28], vulnerable_to="CVE-2026-33697"),
        lambda: others.flashbots(lambda *_: Secret(bytes(32)), spki=SPKI),
        lambda: others.atlas(lambda *_: Secret(b"\1" * 31), nonce=NONCE),
        lambda: others.cocos(export, spki=SPKI, request_context=b"", digest="sha256"),
        lambda: others.cocos(export, spki=SPKI, request_context=b"c", digest="sha1"),
    ],
)
def test_nothing_is_optional(make: Any) -> None:
    with pytest.raises(UsageError):
        make()


@pytest.mark.parametrize("said", [{}, {"vulnerable_to": "yes"}, {"vulnerable_to": "CVE-2026-33698"}])
def test_client_random_has_to_be_asked_for(said: dict[str, str]) -> None:
    """By the name of its vulnerability, which the refusal tells."""
    with pytest.raises(UsageError, match=r"whoever relays repeats it in another \(CVE-2026-33697\)"):
        others.client_random(spki=SPKI, client_random=NONCE, **said)


@pytest.mark.parametrize("key", KEYS)
def test_the_pem_of_keys_is_that_of_openssl(key: Any) -> None:
    """OpenSSL writes the PEM for ``cryptography``, too."""
    public = key.public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    spki = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert others.sgx_sdk(spki=spki).report_data == sha256(pem + b"\0").digest() + bytes(32)


def test_relayed_client_random() -> None:
    """CVE-2026-33697, run: who has a machine's key answers with its evidence in a connection of their own making. Equal
    client_random, equal binding; the exporter of that other connection differs."""
    theirs = others.client_random(spki=SPKI, client_random=NONCE, vulnerable_to="CVE-2026-33697")
    relayed = others.client_random(spki=SPKI, client_random=NONCE, vulnerable_to="CVE-2026-33697")
    assert theirs.report_data == relayed.report_data
    here = others.flashbots(export, spki=SPKI)
    there = others.flashbots(lambda *_: Secret(b"\1" * 32), spki=SPKI)
    assert here.report_data != there.report_data


def hcl(runtime: bytes = b"{}", *, digest: int = 1, length: int | None = None, after: bytes = bytes(9)) -> bytes:
    head = b"HCLA" + struct.pack("<III", 1, 0, 2) + bytes(16)
    size = len(runtime) if length is None else length
    return head + b"\1" * 1184 + struct.pack("<5I", size + 20, 1, 2, digest, size) + runtime + after


def test_hcl() -> None:
    found = others.HclReport.decode(hcl())
    assert (found.kind, found.hardware, found.runtime) == (2, b"\1" * 1184, b"{}")
    assert others.HclReport.decode(hcl(after=b"")) == found
    for data, error in (
        (b"HCLB" + hcl()[4:], DecodeError),
        (hcl(digest=2), UnsupportedError),
        (hcl(b""), DecodeError),
        (hcl(length=99), DecodeError),
        (hcl(after=b"\0\1"), DecodeError),
        (hcl()[:1230], DecodeError),
        (bytes(10000), DecodeError),
    ):
        with pytest.raises(error):
            others.HclReport.decode(data)


@given(st.binary(max_size=80))
def test_hcl_contract(data: bytes) -> None:
    check_contract(others.HclReport.decode, data)
    check_contract(others.HclReport.decode, hcl()[:1216] + data)


def test_hcl_published(shared: Path) -> None:
    found = others.HclReport.decode((shared / "attestation" / "snp" / "azure" / "hcl-report.bin").read_bytes())
    assert found.kind == 2
    assert Report.decode(found.hardware).report_data == others.azure_hcl(found.runtime).report_data
    assert Report.decode(found.hardware).report_data != others.azure_hcl(found.runtime + b" ").report_data
