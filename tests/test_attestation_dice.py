"""TCG DICE's extensions: against an encoder that isn't ours, on published certificates, and with each part wrong."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Annotated, Any

import cbor2
import pytest
from cryptography import x509
from cryptography.hazmat import asn1
from hypothesis import given
from hypothesis import strategies as st

from privproc.attestation.dice import (
    MAX_CLAIMS,
    MAX_EVIDENCE,
    EvidenceTag,
    Flags,
    Fwid,
    TaggedEvidence,
    TcbInfo,
    decode_tcb_infos,
    decode_ueid,
)
from privproc.attestation.sgx import Quote
from privproc.errors import DecodeError, UnsupportedError
from tests.codec import check_codec, check_contract
from tests.world.amd import integer, oid, tlv

SHA384 = "608648016503040202"
FWID = tlv(0x30, oid(SHA384), tlv(0x04, bytes(range(48))))
PARTS = {
    "vendor": tlv(0x80, b"Example"),
    "model": tlv(0x81, "Mod\u00e8le".encode()),
    "version": tlv(0x82, b"1.2"),
    "svn": tlv(0x83, integer(300)[2:]),
    "layer": tlv(0x84, b"\2"),
    "index": tlv(0x85, b"\0"),
    "fwids": tlv(0xA6, FWID, FWID),
    "flags": tlv(0x87, b"\4\x10"),
    "vendor_info": tlv(0x88, b"info"),
    "type": tlv(0x89, b""),
    "flags_mask": tlv(0x8A, b"\7\xff\x80"),
}
WHOLE = {
    "vendor": "Example",
    "model": "Mod\u00e8le",
    "version": "1.2",
    "svn": 300,
    "layer": 2,
    "index": 0,
    "fwids": (Fwid(bytes.fromhex(SHA384), bytes(range(48))),) * 2,
    "flags": Flags.DEBUG,
    "vendor_info": b"info",
    "type": b"",
    "flags_mask": Flags((1 << 9) - 1),
}


def info(**changes: bytes) -> bytes:
    return tlv(0x30, *(PARTS | changes).values())


def test_whole() -> None:
    assert TcbInfo.decode(info()) == TcbInfo(**WHOLE)  # type: ignore[arg-type]
    assert TcbInfo.decode(tlv(0x30)) == TcbInfo()
    check_codec(TcbInfo.decode, info())


@pytest.mark.parametrize("name", PARTS)
def test_each_part_alone(name: str) -> None:
    assert TcbInfo.decode(tlv(0x30, PARTS[name])) == TcbInfo(**{name: WHOLE[name]})  # type: ignore[arg-type]


@asn1.sequence
class TheirFwid:
    algorithm: x509.ObjectIdentifier
    digest: bytes


@asn1.sequence
class Theirs:
    vendor: Annotated[str | None, asn1.Implicit(0)]
    model: Annotated[str | None, asn1.Implicit(1)]
    version: Annotated[str | None, asn1.Implicit(2)]
    svn: Annotated[int | None, asn1.Implicit(3)]
    layer: Annotated[int | None, asn1.Implicit(4)]
    index: Annotated[int | None, asn1.Implicit(5)]
    fwids: Annotated[list[TheirFwid] | None, asn1.Implicit(6)]
    flags: Annotated[asn1.BitString | None, asn1.Implicit(7)]
    vendor_info: Annotated[bytes | None, asn1.Implicit(8)]
    type: Annotated[bytes | None, asn1.Implicit(9)]


text = st.none() | st.text(max_size=20)
number = st.none() | st.integers(0, (1 << 63) - 1)
octets = st.none() | st.binary(max_size=200)


@given(
    st.tuples(text, text, text),
    st.tuples(number, number, number),
    st.lists(st.binary(min_size=1, max_size=64), max_size=3),
    st.none() | st.integers(0, (1 << 32) - 1),
    st.tuples(octets, octets),
)
def test_another_encoder(texts: Any, numbers: Any, digests: list[bytes], flags: int | None, more: Any) -> None:
    """What ``cryptography`` encodes from the specification's own types."""
    theirs = Theirs(
        **dict(zip(("vendor", "model", "version"), texts, strict=True)),
        **dict(zip(("svn", "layer", "index"), numbers, strict=True)),
        fwids=[TheirFwid(algorithm=x509.ObjectIdentifier("2.16.840.1.101.3.4.2.2"), digest=d) for d in digests] or None,
        flags=None if flags is None else asn1.BitString(int(f"{flags:032b}"[::-1], 2).to_bytes(4, "big"), 0),
        vendor_info=more[0],
        type=more[1],
    )
    found = TcbInfo.decode(asn1.encode_der(theirs))
    assert (found.vendor, found.model, found.version) == texts
    assert (found.svn, found.layer, found.index) == numbers
    assert [fwid.digest for fwid in found.fwids] == digests
    assert found.flags == flags
    assert (found.vendor_info, found.type) == more


@pytest.mark.parametrize(
    ("value", "error", "reason"),
    [
        (b"", DecodeError, "truncated"),
        (info() + b"\0", DecodeError, "trailing"),
        (tlv(0x31, PARTS["vendor"]), DecodeError, "not a DiceTcbInfo"),
        (bytes(MAX_CLAIMS + 1), DecodeError, "over 16384 bytes"),
        (info(vendor=tlv(0x80, b"\xff")), DecodeError, "vendor is not UTF-8"),
        (info(version=tlv(0x82, b"\xc3")), DecodeError, "version is not UTF-8"),
        (info(svn=tlv(0x83, b"")), DecodeError, "unsigned"),
        (info(svn=tlv(0x83, b"\xff")), DecodeError, "unsigned"),
        (info(layer=tlv(0x84, b"\0\1")), DecodeError, "minimal"),
        (info(index=tlv(0x85, b"\x01" + bytes(8))), DecodeError, "over"),
        (info(fwids=tlv(0xA6)), DecodeError, "empty list"),
        (info(fwids=tlv(0xA6, tlv(0x04, b""))), DecodeError, "expected fields"),
        (info(fwids=tlv(0xA6, tlv(0x31, oid(SHA384), tlv(4, b"x")))), DecodeError, "not a firmware id"),
        (info(fwids=tlv(0xA6, tlv(0x30, oid(SHA384), tlv(4, b"")))), DecodeError, "not a firmware id"),
        (info(fwids=tlv(0xA6, tlv(0x30, oid(SHA384)))), DecodeError, "expected fields"),
        (info(flags=tlv(0x87, b"")), DecodeError, "up to 32 bits"),
        (info(flags=tlv(0x87, b"\1")), DecodeError, "up to 32 bits"),
        (info(flags=tlv(0x87, b"\x08\0")), DecodeError, "up to 32 bits"),
        (info(flags=tlv(0x87, bytes(6))), DecodeError, "up to 32 bits"),
        (info(flags=tlv(0x87, b"\4\x18")), DecodeError, "aren't used"),
        (info(flags_mask=tlv(0xAA, FWID)), UnsupportedError, "integrity registers"),
        (tlv(0x30, tlv(0xAB, FWID)), UnsupportedError, "integrity registers"),
        (tlv(0x30, tlv(0x8C, b"")), UnsupportedError, "later version"),
        (tlv(0x30, tlv(0x8B, b"")), DecodeError, "not a part"),
        (tlv(0x30, PARTS["model"], PARTS["vendor"]), DecodeError, "out of order"),
        (tlv(0x30, PARTS["svn"], PARTS["svn"]), DecodeError, "out of order"),
        (tlv(0x30, tlv(0xA0, b"")), DecodeError, "not a part"),
        (tlv(0x30, tlv(0x86, b"")), DecodeError, "not a part"),
        (tlv(0x30, integer(1), tlv(0x30, b""), FWID), DecodeError, "not a part"),
    ],
)
def test_refused(value: bytes, error: type[Exception], reason: str) -> None:
    with pytest.raises(error, match=reason) as raised:
        TcbInfo.decode(value)
    assert type(raised.value) is error


def test_several_layers() -> None:
    assert decode_tcb_infos(tlv(0x30, info(), tlv(0x30))) == (TcbInfo.decode(info()), TcbInfo())
    for value in (tlv(0x30), tlv(0x31, info()), info(), b"", bytes(MAX_CLAIMS + 1)):
        with pytest.raises(DecodeError):
            decode_tcb_infos(value)


def test_ueid() -> None:
    for size in (1, 33):
        assert decode_ueid(tlv(0x30, tlv(0x04, b"\1" * size))) == b"\1" * size
    bad = (tlv(0x04, b"\0"), tlv(0x04, bytes(34)), tlv(0x05), b"")
    for content in (*bad[1:], tlv(0x04, b""), tlv(0x04, b"x") * 2):
        with pytest.raises(DecodeError, match="1 to 33 bytes"):
            decode_ueid(tlv(0x30, content))
    with pytest.raises(DecodeError, match="1 to 33 bytes"):
        decode_ueid(tlv(0x31, bad[0]))


@given(st.binary(max_size=60), st.integers(0, len(info())), st.binary(max_size=6))
def test_contract(data: bytes, at: int, patch: bytes) -> None:
    for decode in (TcbInfo.decode, decode_tcb_infos, decode_ueid, TaggedEvidence.decode):
        check_contract(decode, data)
    changed = info()[:at] + patch + info()[at + len(patch) :]
    check_contract(TcbInfo.decode, changed)
    check_contract(decode_tcb_infos, tlv(0x30, changed))


# -- tagged evidence


def tagged(value: Any, tag: int) -> bytes:
    return cbor2.dumps(cbor2.CBORTag(tag, value))


@pytest.mark.parametrize("tag", EvidenceTag)
def test_tagged_evidence(tag: EvidenceTag) -> None:
    data = tagged([b"evidence", b"claims"], tag)
    assert TaggedEvidence.decode(data) == TaggedEvidence(tag, b"evidence", b"claims")
    assert "evidence'" not in repr(TaggedEvidence.decode(data))
    check_codec(TaggedEvidence.decode, data)


@pytest.mark.parametrize(
    ("data", "error", "reason"),
    [
        (b"", DecodeError, "truncated"),
        (bytes(MAX_EVIDENCE + 1), DecodeError, "over 131072 bytes"),
        (tagged([b"e", b"c"], 59999), UnsupportedError, "60000 to 60002"),
        (tagged([b"e", b"c"], 60003), UnsupportedError, "60000 to 60002"),
        (cbor2.dumps([b"e", b"c"]), UnsupportedError, "60000 to 60002"),
        (b"\x19\xea\x60", UnsupportedError, "60000 to 60002"),
        (tagged(b"e", 60000), DecodeError, "not evidence and claims"),
        (tagged([b"e"], 60000), DecodeError, "not evidence and claims"),
        (tagged([b"e", b"c", b"d"], 60000), DecodeError, "not evidence and claims"),
        (tagged(["e", b"c"], 60000), DecodeError, "are not bytes"),
        (tagged([b"e", {}], 60000), DecodeError, "are not bytes"),
        (tagged([b"", b"c"], 60000), DecodeError, "are not bytes"),
        (tagged([b"e", b""], 60000), DecodeError, "are not bytes"),
        (tagged([b"e", b"c"], 60000) + b"\0", DecodeError, "trailing"),
    ],
)
def test_other_evidence(data: bytes, error: type[Exception], reason: str) -> None:
    with pytest.raises(error, match=reason) as raised:
        TaggedEvidence.decode(data)
    assert type(raised.value) is error


@pytest.mark.parametrize("name", ["gramine-cert", "intel-sgxsdk-cert"])
def test_published(shared: Path, name: str) -> None:
    """The evidence in certificates that others made, found by its head: they are not quite DER."""
    lines = (shared / "attestation" / "ratls" / f"{name}.pem").read_text().splitlines()
    der = base64.b64decode("".join(line for line in lines if not line.startswith("-")))
    rest = der[der.index(bytes.fromhex("d9ea60")) :]
    found = TaggedEvidence.decode(rest[: len(cbor2.dumps(cbor2.loads(rest)))])
    assert found.tag is EvidenceTag.QUOTE
    assert Quote.decode(found.evidence).version == 3
    assert list(cbor2.loads(found.claims)) == ["pubkey-hash"]
