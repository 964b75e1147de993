"""The Conceptual Message Wrapper: what RFC 9999 shows, what it doesn't allow, and the published examples."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cbor2
import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ObjectIdentifier, UnrecognizedExtension, load_der_x509_certificate
from hypothesis import given
from hypothesis import strategies as st

from privproc.attestation.cmw import (
    EXTENSION,
    MAX_DEPTH,
    MAX_SIZE,
    Cmw,
    Collection,
    Indicator,
    Record,
    Tag,
    decode,
    decode_extension,
    encode_cbor,
    encode_json,
)
from privproc.errors import DecodeError, UnsupportedError, UsageError
from tests.codec import check_codec, check_contract
from tests.world.amd import tlv

EXAMPLE = bytes.fromhex("2347da55")
COMPOSITE = "tag:example.com,2024:composite-attester"

TYPES = st.sampled_from(["application/eat+jwt", 'application/eat+cwt; eat_profile="tag:a,2023:b#c"', "a0/b1;q=1"])
INDICATORS = st.none() | st.integers(1, 15).map(Indicator)
JSON_RECORDS = st.builds(Record, TYPES, st.binary(max_size=9), INDICATORS)
CBOR_RECORDS = st.builds(Record, TYPES | st.integers(0, 0xFFFF), st.binary(max_size=9), INDICATORS)
TAGS = st.builds(Tag, st.integers(0, 65024), st.binary(max_size=9))
NAMES = st.text(max_size=4)
COLLECTION_TYPES = st.sampled_from(["", COMPOSITE, "2.999.1", "urn:x"])


def nested(labels: Any, leaves: Any) -> Any:
    def collections(inner: Any) -> Any:
        return st.builds(Collection, st.dictionaries(labels, inner, min_size=1, max_size=3), COLLECTION_TYPES)

    return leaves | collections(leaves | collections(leaves))


@given(nested(NAMES | st.integers(-(2**63), 2**63), CBOR_RECORDS | TAGS))
def test_cbor_round_trip(value: Cmw) -> None:
    encoded = encode_cbor(value)
    assert decode(encoded) == value
    assert isinstance(cbor2.loads(encoded), (list, dict, cbor2.CBORTag))  # a reader that isn't ours reads it too


@given(nested(NAMES, JSON_RECORDS))
def test_json_round_trip(value: Cmw) -> None:
    assert decode(encode_json(value)) == value
    assert decode(encode_cbor(value)) == value


def test_against_cbor2() -> None:
    parts: dict[Any, Any] = {0: [64999, EXAMPLE, 4], 1: cbor2.CBORTag(1668612070, EXAMPLE), "__cmwc_t": COMPOSITE}
    expected = Collection({0: Record(64999, EXAMPLE, Indicator.EVIDENCE), 1: Tag(64999, EXAMPLE)}, COMPOSITE)
    assert decode(cbor2.dumps(parts)) == expected
    assert decode(cbor2.dumps(dict(reversed(parts.items())))) == expected
    assert encode_cbor(expected) == cbor2.dumps(parts)
    assert Tag(30001, b"").number == 1668576935


def test_codec() -> None:
    check_codec(decode, encode_cbor(Record("application/eat+jwt", b"value", Indicator.EVIDENCE)), reencode=encode_cbor)
    check_codec(decode, encode_cbor(Tag(1, b"value")), reencode=encode_cbor)
    check_codec(decode, encode_cbor(Collection({"a": Tag(1, b"v"), -3: Record(7, b"")}, "1.2")), reencode=encode_cbor)


MALFORMED: dict[str, tuple[bytes, type[Exception], str]] = {
    "empty": (b"", DecodeError, "truncated"),
    "long": (b"[" + b" " * MAX_SIZE, DecodeError, "over"),
    "number": (b"1", DecodeError, "neither"),
    "json-one": (b'["application/a1"]', DecodeError, "not a record"),
    "json-four": (b'["application/ab","",1,1]', DecodeError, "not a record"),
    "json-number": (b'[1,"AA"]', DecodeError, "another kind"),
    "json-type": (b'["application","AA"]', DecodeError, "media type"),
    "json-quote": (b'["a/b;c=\\"d","AA"]', DecodeError, "media type"),
    "json-tunnel": (b'["#cmw-c2j-tunnel","AA"]', DecodeError, "media type"),
    "json-padding": (b'["application/ab","AA=="]', DecodeError, "base64url"),
    "json-standard": (b'["application/ab","+/+/"]', DecodeError, "base64url"),
    "json-symbol": (b'["application/ab","A*"]', DecodeError, "base64url"),
    "json-canonical": (b'["application/ab","AB"]', DecodeError, "canonical"),
    "json-null-value": (b'["application/ab",null]', DecodeError, "base64url"),
    "json-ind-null": (b'["application/ab","AA",null]', DecodeError, "indicator"),
    "json-ind-true": (b'["application/ab","AA",true]', DecodeError, "indicator"),
    "json-ind-zero": (b'["application/ab","AA",0]', DecodeError, "indicator"),
    "json-ind-float": (b'["application/ab","AA",4.0]', DecodeError, "indicator"),
    "json-ind-bits": (b'["application/ab","AA",16]', UnsupportedError, "indicator"),
    "json-empty": (b"{}", DecodeError, "1 to 256"),
    "json-only-type": (b'{"__cmwc_t":"1.2"}', DecodeError, "not a collection"),
    "json-empty-type": (b'{"__cmwc_t":"","a":["application/ab","AA"]}', DecodeError, "empty type"),
    "json-bad-type": (b'{"__cmwc_t":"here","a":["application/ab","AA"]}', DecodeError, "URI"),
    "json-type-list": (b'{"__cmwc_t":["a/b","AA"],"a":["application/ab","AA"]}', DecodeError, "not a collection"),
    "json-twice": (b'{"a":["application/ab","AA"],"a":["application/ab","AQ"]}', DecodeError, "twice"),
    "json-inner": (b'{"a":1}', DecodeError, "neither"),
    "cbor-one": (cbor2.dumps(["a/b"]), DecodeError, "not a record"),
    "cbor-format": (cbor2.dumps([65536, b""]), DecodeError, "content format"),
    "cbor-text-value": (cbor2.dumps([1, "x"]), DecodeError, "not bytes"),
    "cbor-bytes-type": (cbor2.dumps([b"x", b""]), DecodeError, "another kind"),
    "cbor-true": (cbor2.dumps([True, b""]), DecodeError, "not an integer"),
    "cbor-ind": (cbor2.dumps([1, b"", 16]), UnsupportedError, "indicator"),
    "cbor-ind-zero": (cbor2.dumps([1, b"", 0]), DecodeError, "indicator"),
    "cbor-ind-negative": (cbor2.dumps([1, b"", -1]), DecodeError, "not an integer"),
    "cbor-tag": (cbor2.dumps(cbor2.CBORTag(18, b"")), UnsupportedError, "tag"),
    "cbor-tag-below": (cbor2.dumps(cbor2.CBORTag(1668546816, b"")), UnsupportedError, "tag"),
    "cbor-tag-above": (cbor2.dumps(cbor2.CBORTag(1668612096, b"")), UnsupportedError, "tag"),
    "cbor-tag-gap": (cbor2.dumps(cbor2.CBORTag(1668546817 + 255, b"")), UnsupportedError, "tag"),
    "cbor-tag-text": (cbor2.dumps(cbor2.CBORTag(1668546817, "x")), DecodeError, "something else than bytes"),
    "cbor-tag-twice": (
        cbor2.dumps(cbor2.CBORTag(1668546817, cbor2.CBORTag(1668546817, b""))),
        DecodeError,
        "not an integer",
    ),
    "cbor-empty": (b"\xa0", DecodeError, "1 to 256"),
    "cbor-indefinite": (bytes.fromhex("bf61618201 40ff".replace(" ", "")), DecodeError, "indefinite"),
    "cbor-twice": (bytes.fromhex("a2" + "0182014001820140"[:8] + "01820140"), DecodeError, "twice"),
    "cbor-type-twice": (
        b"\xa3" + (cbor2.dumps("__cmwc_t") + cbor2.dumps("1.2")) * 2 + bytes.fromhex("01820140"),
        DecodeError,
        "twice",
    ),
    "cbor-bytes-label": (bytes.fromhex("a14101820140"), DecodeError, "no label"),
    "cbor-many": (b"\xb9\x01\x02", DecodeError, "neither"),
    "cbor-not-shortest": (bytes.fromhex("8218014100"), DecodeError, "shortest"),
    "cbor-utf8": (bytes.fromhex("8261ff4100"), DecodeError, "UTF-8"),
    "cbor-trailing": (bytes.fromhex("82014000"), DecodeError, "trailing"),
    "cbor-truncated": (bytes.fromhex("820145"), DecodeError, "truncated"),
}


@pytest.mark.parametrize("case", MALFORMED)
def test_malformed(case: str) -> None:
    data, error, reason = MALFORMED[case]
    with pytest.raises(error, match=reason) as raised:
        decode(data)
    assert type(raised.value) is error


def test_depth() -> None:
    value: Cmw = Record("application/ab", b"")
    for _ in range(MAX_DEPTH):
        value = Collection({"a": value})
    assert decode(encode_cbor(value)) == decode(encode_json(value)) == value
    deeper = Collection({"a": value})
    for encode in (encode_cbor, encode_json):
        with pytest.raises(UsageError):
            encode(deeper)
    for data in (b"\xa1\x61a" + encode_cbor(value), b'{"a":' + encode_json(value) + b"}"):
        with pytest.raises(DecodeError, match="in one another"):
            decode(data)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Record("text", b""),
        lambda: Record("a" * 250 + "/bcdef", b""),
        lambda: Record(-1, b""),
        lambda: Record(True, b""),
        lambda: Record("a0/b0", b"", Indicator(0)),
        lambda: Record("a0/b0", b"", Indicator(16)),
        lambda: Tag(65025, b""),
        lambda: Tag(-1, b""),
        lambda: Collection({}),
        lambda: Collection({"__cmwc_t": Tag(1, b"")}),
        lambda: Collection({True: Tag(1, b"")}),
        lambda: Collection({index: Tag(1, b"") for index in range(257)}),
        lambda: Collection({"a": Tag(1, b"")}, "1..2"),
        lambda: encode_json(Tag(1, b"")),
        lambda: encode_json(Record(1, b"")),
        lambda: encode_json(Collection({1: Record("a0/b0", b"")})),
    ],
)
def test_what_no_wrapper_says(make: Any) -> None:
    with pytest.raises(UsageError):
        make()


@pytest.mark.parametrize("count", [1, 23, 24, 255, 256])
def test_many_parts(count: int) -> None:
    value = Collection({index: Tag(1, b"") for index in range(count)}, "1.2")
    assert decode(encode_cbor(value)) == value
    assert len(cbor2.loads(encode_cbor(value))) == count + 1


def test_extension() -> None:
    record = Record("application/ab", b"v")
    assert decode_extension(tlv(0x04, encode_cbor(record))) == record
    assert decode_extension(tlv(0x0C, encode_json(record))) == record
    for wrong in (tlv(0x0C, encode_cbor(record)), tlv(0x04, encode_json(record)), tlv(0x13, encode_json(record))):
        with pytest.raises(DecodeError, match="JSON as text"):
            decode_extension(wrong)


@given(st.binary(max_size=60), st.sampled_from([b"", b"[", b"{", b"\x82", b"\xa1", b"\xda\x63\x74\x01\x01"]))
def test_contract(data: bytes, head: bytes) -> None:
    check_contract(decode, head + data)
    check_contract(decode_extension, head + data)


# -- published examples


@pytest.fixture(scope="module")
def cmw(shared: Path) -> Path:
    return shared / "attestation" / "cmw"


def test_published_cbor(cmw: Path) -> None:
    found = decode((cmw / "collection-cbor-ok.cbor").read_bytes())
    assert isinstance(found, Collection)
    assert found.parts[2] == Tag(29884, EXAMPLE)
    assert found.parts["s"] == Record(30001, EXAMPLE)
    both = Indicator.REFERENCE_VALUES | Indicator.ENDORSEMENTS
    assert found.parts[1] == Record("application/signed-corim+cbor", bytes.fromhex("d28443a10126a1"), both)
    mixed = decode((cmw / "collection-cbor-mixed-keys.cbor").read_bytes())
    assert mixed == Collection({"string": Record(0, b"\xff"), 1024: Tag(0, b"\xaa")})
    other = decode((cmw / "collection-cbor-ok-2.cbor").read_bytes())
    assert other == Collection({1: Record("application/vnd.1", bytes.fromhex("deadbeef"))})


def test_published_json(cmw: Path) -> None:
    found = {path.stem: decode(path.read_bytes()) for path in cmw.glob("*.json") if "eat" not in path.stem}
    assert len(found) == 5
    assert found["ietf_cmw-example-1"] == Record("application/vnd.example.rats-conceptual-msg", EXAMPLE)
    assert found["ietf_cmw-example-2"] == Record(
        'application/eat+cwt; eat_profile="tag:psacertified.org,2023:psa#tfm"', EXAMPLE
    )
    collection = found["ietf_collection-example-2"]
    assert isinstance(collection, Collection)
    assert collection.type == "tag:example.com,2024:another-composite-attester"
    assert collection.parts["attester B"] == Record("application/eat-ucs+cbor", b"\xa0", Indicator.EVIDENCE)
    claims = json.loads((cmw / "ietf_eat-example-1.json").read_text())
    assert decode(json.dumps(claims["cmw"]).encode()) == collection


def test_published_certificates(cmw: Path) -> None:
    for form, count in (("cbor", 3), ("json", 2)):
        certificate = load_der_x509_certificate((cmw / f"x509-cert+{form}-cmw.der").read_bytes())
        extension = certificate.extensions.get_extension_for_oid(ObjectIdentifier("1.3.6.1.5.5.7.1.35")).value
        assert isinstance(extension, UnrecognizedExtension)
        found = decode_extension(extension.value)
        assert tlv(0x06, EXTENSION) in certificate.public_bytes(Encoding.DER)
        assert isinstance(found, Collection)
        assert len(found.parts) == count
