"""The reader of foreign CBOR, against cbor2, and what it refuses; object identifiers."""

from __future__ import annotations

import math
import struct
from typing import Any

import cbor2
import pytest
from cryptography.x509 import ObjectIdentifier
from hypothesis import given
from hypothesis import strategies as st

from privproc.attestation import cbor
from privproc.attestation.oids import MAX_SIZE, decode_oid
from privproc.errors import DecodeError
from tests.codec import check_codec, check_contract
from tests.world.amd import tlv


def read(data: bytes) -> cbor.Value:
    return cbor.decode(data, "foreign")


LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**64), 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.binary(max_size=30)
    | st.text(max_size=30)
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.integers(-50, 50) | st.text(max_size=4), inner, max_size=4)
        # cbor2 makes something of the tags that it knows
        | st.builds(cbor.Tagged, st.integers(500, 600) | st.just(2**64 - 1), inner)
    ),
    max_leaves=8,
)


def tagged(value: Any) -> Any:
    if isinstance(value, cbor.Tagged):
        return cbor2.CBORTag(value.number, tagged(value.content))
    if isinstance(value, dict):
        return {key: tagged(inner) for key, inner in value.items()}
    return [tagged(item) for item in value] if isinstance(value, list) else value


@given(VALUES)
def test_against_cbor2(value: Any) -> None:
    data = cbor2.dumps(tagged(value))
    assert read(data) == value
    check_codec(read, data)


@pytest.mark.parametrize("width", ["e", "f", "d"])
def test_floats_of_any_width(width: str) -> None:
    head = {"e": b"\xf9", "f": b"\xfa", "d": b"\xfb"}[width]
    assert read(head + struct.pack(f">{width}", -1.5)) == -1.5
    nan = read(head + struct.pack(f">{width}", math.nan))
    assert isinstance(nan, float)
    assert math.isnan(nan)
    for cut in range(1, struct.calcsize(width) + 1):
        with pytest.raises(DecodeError, match="truncated"):
            read((head + struct.pack(f">{width}", 0))[:cut])


@pytest.mark.parametrize(
    ("data", "why"),
    [
        ("", "truncated"),
        ("1801", "shortest"),
        ("d81201", "shortest"),
        ("5801ff", "shortest"),
        ("5f4100ff", "indefinite"),
        ("9fff", "indefinite"),
        ("bfff", "indefinite"),
        ("f7", "simple"),
        ("e0", "simple"),
        ("f8ff", "simple"),
        ("ff", "simple"),
        ("a201000100", "repeat"),
        ("a2616100616100", "repeat"),
        ("a1410000", "neither|isn't an integer"),
        ("a1f500", "isn't an integer"),
        ("a1f93c0000", "isn't an integer"),
        ("a1c10000", "isn't an integer"),
        ("a1800000", "isn't an integer"),
        ("62c328", "UTF-8"),
        ("0000", "trailing"),
        ("42ff", "truncated"),
        ("9affffffff", "truncated"),
        ("bb7fffffffffffffff", "truncated"),
        ("c2", "truncated"),
        ("81" * 17 + "80", "deeply"),
        ("c1" * 17 + "00", "deeply"),
        ("a100" * 17 + "00", "deeply"),
    ],
)
def test_refused(data: str, why: str) -> None:
    with pytest.raises(DecodeError, match=why):
        read(bytes.fromhex(data))


def test_depth_and_size() -> None:
    assert read(b"\x81" * 16 + b"\x00")
    with pytest.raises(DecodeError, match="more than"):
        read(bytes(cbor.MAX_SIZE + 1))


def test_a_key_that_equals_another_to_python_alone() -> None:
    """1 and true, which other readers take for two; here the second is no key."""
    with pytest.raises(DecodeError, match="isn't an integer"):
        read(bytes.fromhex("a20100f500"))


@given(st.binary(max_size=60))
def test_contract(data: bytes) -> None:
    check_contract(read, data)
    check_contract(decode_oid, data)


@pytest.mark.parametrize(
    "dotted", ["0.0", "1.39", "1.3.6.1.4.1.4128.2100", "2.40", "2.999.1", "2.100000000000000000000.0", "1.2.250.1"]
)
def test_oid(dotted: str) -> None:
    arcs = [int(arc) for arc in dotted.split(".")]
    content = b"".join(map(base128, (arcs[0] * 40 + arcs[1], *arcs[2:])))
    assert decode_oid(content) == dotted
    if arcs[1] < 2**64:  # as far as the other reader goes
        assert ObjectIdentifier(dotted).dotted_string == dotted
        assert tlv(0x06, content) in certificate_with(dotted)


def base128(arc: int) -> bytes:
    return (base128(arc >> 7)[:-1] + bytes([0x80 | (arc >> 7) & 0x7F]) if arc >> 7 else b"") + bytes([arc & 0x7F])


def certificate_with(dotted: str) -> bytes:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding

    name = x509.Name([])
    request = x509.CertificateSigningRequestBuilder().subject_name(name)
    request = request.add_extension(x509.UnrecognizedExtension(ObjectIdentifier(dotted), b""), critical=False)
    return request.sign(Ed25519PrivateKey.from_private_bytes(bytes(32)), None).public_bytes(Encoding.DER)


@pytest.mark.parametrize("content", ["", "80", "8001", "2a8001", "2a81", "00" * (MAX_SIZE + 1)])
def test_no_oid(content: str) -> None:
    with pytest.raises(DecodeError):
        decode_oid(bytes.fromhex(content))
