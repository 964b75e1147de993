"""Claims of Interoperable RA-TLS: on certificates that others made, and with each part wrong."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import Any

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from privproc.attestation import Level, PinnedMeasurement
from privproc.attestation.case import appraise
from privproc.attestation.claims import EXTENSION, MAX_EXTENSION, claims_binding, decode_extension
from privproc.errors import DecodeError, UnsupportedError, UntrustedError, UsageError
from tests.codec import check_contract
from tests.world.cases import CHIP, MEASUREMENT, case

SPKI = b"0\x03\x02\x01\x00"
DIGEST = hashlib.sha256(SPKI).digest()


def claims(algorithm: Any = 1, digest: Any = DIGEST, **more: Any) -> bytes:
    return cbor2.dumps({"pubkey-hash": cbor2.dumps([algorithm, digest])} | more)


@pytest.mark.parametrize("name", ["gramine-cert", "intel-sgxsdk-cert"])
def test_real_certificates(shared: Path, name: str) -> None:
    """The quote in the certificate has the binding that follows from its claims and its key. Found by their bytes: the
    certificates are not quite DER, and the quotes are of SGX."""
    lines = (shared / "attestation" / "ratls" / f"{name}.pem").read_text().splitlines()
    der = base64.b64decode("".join(line for line in lines if not line.startswith("-")))
    tagged = der[der.index(bytes.fromhex("d9ea60")) :]
    extension = tagged[: len(cbor2.dumps(cbor2.loads(tagged)))]
    assert EXTENSION in der
    evidence, signed = cbor2.loads(tagged).value
    if isinstance(evidence, bytes):
        assert decode_extension(extension) == (evidence, signed)
    else:
        with pytest.raises(DecodeError, match="tag"):
            decode_extension(extension)
    start = der.index(bytes.fromhex("301006072a8648ce3d020106052b81040022036200")) - 2
    spki = der[start : start + 120]
    binding = claims_binding(signed, spki=spki)
    quote = cbor2.loads(evidence) if evidence[:1] != b"\3" else evidence
    assert binding.report_data in (quote if isinstance(quote, bytes) else b"".join(flat(quote)))
    with pytest.raises(UntrustedError, match="another key"):
        claims_binding(signed, spki=spki[:-1] + bytes([spki[-1] ^ 1]))


def flat(value: Any) -> list[bytes]:
    if isinstance(value, bytes):
        return [value]
    items = value.value if isinstance(value, cbor2.CBORTag) else value
    return [part for item in items for part in flat(item)] if isinstance(items, list) else []


def test_a_report_bound_by_claims() -> None:
    signed = claims(nonce=b"n")
    binding = claims_binding(signed, spki=SPKI)
    assert binding.report_data == hashlib.sha256(signed).digest() + bytes(32)
    evidence = CHIP.report(measurement=MEASUREMENT, report_data=binding.report_data)
    pinned = PinnedMeasurement(MEASUREMENT)
    found = appraise(case("sev-snp", evidence=evidence, binding=binding, log=pinned))
    assert found.level is Level.KEY
    other = claims_binding(claims(nonce=b"m"), spki=SPKI)
    with pytest.raises(UntrustedError):
        appraise(case("sev-snp", evidence=evidence, binding=other, log=pinned))


@pytest.mark.parametrize(
    ("signed", "error", "reason"),
    [
        (b"", DecodeError, "claims"),
        (claims() + b"\0", DecodeError, "trailing"),
        (cbor2.dumps([]), DecodeError, "no pubkey-hash"),
        (cbor2.dumps({}), DecodeError, "no pubkey-hash"),
        (cbor2.dumps({"pubkey-hash": [1, b""]}), DecodeError, "no pubkey-hash"),
        (cbor2.dumps({"pubkey-hash": b"\x80"}), DecodeError, "an algorithm and a digest"),
        (cbor2.dumps({"pubkey-hash": b"\x01"}), DecodeError, "an algorithm and a digest"),
        (claims(algorithm=2), UnsupportedError, "not SHA-256"),
        (claims(algorithm="sha-256"), UnsupportedError, "not SHA-256"),
        (claims(algorithm=[1]), UnsupportedError, "not SHA-256"),
        (claims(algorithm=7), UntrustedError, "another key"),
        (claims(algorithm=True), UnsupportedError, "not SHA-256"),
        (claims(digest=bytes(32)), UntrustedError, "another key"),
        (claims(digest="x"), UntrustedError, "another key"),
        (claims(digest=DIGEST[:31]), UntrustedError, "another key"),
    ],
)
def test_refused(signed: bytes, error: type[Exception], reason: str) -> None:
    with pytest.raises(error, match=reason):
        claims_binding(signed, spki=SPKI)


@pytest.mark.parametrize(("algorithm", "name"), [(1, "sha256"), (7, "sha384"), (8, "sha512")])
def test_digests_of_keys(algorithm: int, name: str) -> None:
    """All three that a verifier has to take; and what Intel's SDK has signed on TDX."""
    signed = claims(algorithm, hashlib.new(name, SPKI).digest())
    assert claims_binding(signed, spki=SPKI).report_data == hashlib.sha256(signed).digest() + bytes(32)
    longer = claims_binding(signed, spki=SPKI, digest="sha384")
    assert longer.report_data == hashlib.sha384(signed).digest() + bytes(16)
    with pytest.raises(UntrustedError, match="another key"):
        claims_binding(signed, spki=SPKI + b"\0")
    for other in ("sha512", "", "md5"):
        with pytest.raises(UsageError, match="sha256 or sha384"):
            claims_binding(signed, spki=SPKI, digest=other)


@given(st.binary(max_size=100))
def test_contract(data: bytes) -> None:
    check_contract(lambda signed: claims_binding(signed, spki=SPKI), data)


def tagged(value: Any, tag: int = 60000) -> bytes:
    return cbor2.dumps(cbor2.CBORTag(tag, value))


def test_extension() -> None:
    assert decode_extension(tagged([b"evidence", b"claims"])) == (b"evidence", b"claims")
    for value in ([b"e"], [b"e", b"c", b"x"], b"e", [b"e", "c"], ["e", b"c"], [b"", b"c"], [b"e", b""]):
        with pytest.raises(DecodeError):
            decode_extension(tagged(value))
    for data in (tagged([b"e", b"c"], 60001), cbor2.dumps([b"e", b"c"])):
        with pytest.raises(UnsupportedError, match="60000"):
            decode_extension(data)
    for data in (tagged([b"e", b"c"]) + b"\0", tagged([b"e", b"c"])[:-1], b"", bytes(MAX_EXTENSION + 1)):
        with pytest.raises(DecodeError):
            decode_extension(data)


@given(st.binary(max_size=40))
def test_extension_contract(data: bytes) -> None:
    check_contract(decode_extension, data)
    check_contract(decode_extension, bytes.fromhex("d9ea6082") + data)
