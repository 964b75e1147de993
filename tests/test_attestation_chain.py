"""The chain from a chip's key to a pinned root: each demand on a certificate, and one certificate that fails it."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given
from hypothesis import strategies as st

from privproc.attestation import certificate
from privproc.attestation.certificate import Certificate
from privproc.attestation.der import Element
from privproc.attestation.snp import (
    AMD_ROOTS,
    Endorsements,
    Product,
    Roots,
    SigningKey,
    VerifiedChain,
    verify_chain,
)
from privproc.errors import (
    DecodeError,
    ExpiredError,
    PeerError,
    SignatureError,
    UnsupportedError,
    UntrustedError,
    UsageError,
)
from tests.codec import check_codec, check_contract
from tests.world.amd import (
    DAY,
    PSS_SHA384,
    Draft,
    FakeAmd,
    FakeChip,
    amd_extension,
    authority_draft,
    extension,
    integer,
    name,
    oid,
    resign,
    rsa_key,
    spki,
    tlv,
    utc_time,
)

AT = 1_780_000_000
GENOA = FakeAmd.generate(Product.GENOA, AT)
TURIN = FakeAmd.generate(Product.TURIN, AT)
CHIP = GENOA.chip()
HWID = "2b060104019c780104"


def verify(
    *,
    vcek: bytes | None = None,
    ask: bytes | None = None,
    ark: bytes | None = None,
    chip: FakeChip = CHIP,
    at: int = AT,
) -> VerifiedChain:
    e = chip.endorsements
    return verify_chain(vcek or e.vcek, ask or e.ask, ark or e.ark, roots=chip.amd.roots, at=at)


@pytest.mark.parametrize("product", Product)
def test_chip(product: Product) -> None:
    chip = FakeAmd.generate(product, AT).chip()
    chain = verify(chip=chip)
    assert (chain.product, chain.signing_key, chain.tcb) == (product, SigningKey.VCEK, chip.tcb)
    assert (chain.hwid, chain.csp) == (chip.hwid, "")
    assert len(chain.hwid) == product.hwid_size
    assert (chain.not_before, chain.not_after) == (AT - 20 * DAY, AT + 2000 * DAY + 1)
    assert ", key=" not in repr(chain)


def test_provider() -> None:
    chain = verify(chip=GENOA.chip(csp="cloud.example"))
    assert (chain.signing_key, chain.hwid, chain.csp) == (SigningKey.VLEK, b"", "cloud.example")


# req: privproc1/4.9 chain
def test_window() -> None:
    verify(at=AT - 20 * DAY)
    verify(at=AT + 2000 * DAY)
    for at in (AT - 20 * DAY - 1, AT + 2000 * DAY + 1):
        with pytest.raises(ExpiredError, match="VCEK certificate"):
            verify(at=at)


@pytest.mark.parametrize("which", ["ARK", "ASK"])
def test_window_of_authorities(which: str) -> None:
    """The window is that of all three certificates."""
    short = replace(authority_draft(Product.GENOA, AT, f"{'ARK' if which == 'ARK' else 'SEV'}-Genoa"), not_after=AT - 1)
    made = short.sign(rsa_key("amd_ark"))
    amd = replace(GENOA, **{which.lower(): made})
    with pytest.raises(ExpiredError, match=f"{which} certificate is no longer valid"):
        verify(chip=amd.chip())


def test_window_of_remembered_authorities() -> None:
    """What is remembered of ARK and ASK is all but their time."""
    draft = replace(authority_draft(Product.GENOA, AT, "SEV-Genoa"), not_after=AT + DAY)
    chip = replace(GENOA, ask=draft.sign(rsa_key("amd_ark"))).chip()
    for _ in range(2):
        assert verify(chip=chip, at=AT).not_after == AT + DAY + 1
        with pytest.raises(ExpiredError, match="ASK certificate is no longer valid"):
            verify(chip=chip, at=AT + DAY + 1)


def test_remembered_authorities_are_of_their_roots() -> None:
    verify()
    with pytest.raises(UntrustedError, match="not a pinned root"):
        verify_chain(CHIP.vcek, CHIP.amd.ask, CHIP.amd.ark, roots=AMD_ROOTS, at=AT)
    verify()


def changed(**parts: Any) -> bytes:
    """The chip's certificate with other parts, properly signed."""
    return replace(CHIP.draft(), **parts).sign(rsa_key("amd_ask"))


def with_extension(identifier: str, value: bytes | None, chip: FakeChip = CHIP) -> bytes:
    """The chip's certificate with another value (``None``: without) in one of AMD's extensions."""
    draft = chip.draft()
    prefix = oid("2b060104019c7801" + identifier)
    kept = [item for item in draft.extensions if prefix not in item]
    assert len(kept) == len(draft.extensions) - 1
    added = [] if value is None else [amd_extension(identifier, value)]
    return replace(draft, extensions=kept + added).sign(rsa_key("amd_ask"))


def pss(**changes: tuple[str, str]) -> bytes:
    text = PSS_SHA384.hex()
    for old, new in changes.values():
        assert old in text
        text = text.replace(old, new)
    return bytes.fromhex(text)


COMMON_NAME = tlv(0x31, tlv(0x30, oid("550403"), tlv(0x0C, b"SEV-VCEK")))

BAD_LEAVES: dict[str, tuple[Callable[[], bytes], type[Exception], str]] = {
    "issuer": (lambda: changed(issuer=name("SEV-Milan")), UntrustedError, "issued by another name"),
    "subject": (lambda: changed(subject=name("SEV-ARK")), UntrustedError, "names are not"),
    "vlek-of-ask": (lambda: changed(subject=name("SEV-VLEK")), UntrustedError, "names are not"),
    "signer": (lambda: CHIP.draft().sign(rsa_key("amd_ark")), SignatureError, "VCEK certificate: signature"),
    "version": (lambda: changed(version=tlv(0xA0, integer(0))), DecodeError, "not version 3"),
    "algorithm": (
        lambda: changed(algorithm=tlv(0x30, oid("2a864886f70d01010c"), b"\5\0")),
        UnsupportedError,
        "algorithm",
    ),
    "salt": (
        lambda: changed(algorithm=pss(salt=("a203020130", "a203020120"))),
        UnsupportedError,
        "signature algorithm",
    ),
    "algorithm-of-another-key": (  # stated in both places, over a signature that is good
        lambda: changed(algorithm=bytes.fromhex("300a06082a8648ce3d040303")),
        UnsupportedError,
        "signature algorithm",
    ),
    "algorithms": (lambda: changed(outer_algorithm=tlv(0x30)), DecodeError, "two different"),
    "critical": (
        lambda: changed(extensions=[*CHIP.draft().extensions, extension("551d1e", b"", critical=True)]),
        UntrustedError,
        "critical extension",
    ),
    "authority": (
        lambda: changed(extensions=authority_draft(Product.GENOA, AT, "SEV-Genoa").extensions),
        UntrustedError,
        "critical extension",
    ),
    "twice": (
        lambda: changed(extensions=[*CHIP.draft().extensions, amd_extension("04", CHIP.hwid)]),
        DecodeError,
        "comes twice",
    ),
    "no-extensions": (lambda: changed(extensions=[]), DecodeError, "is missing"),
    "product": (lambda: with_extension("02", tlv(0x16, b"Milan-B0")), UntrustedError, "another product line"),
    "product-prefix": (lambda: with_extension("02", tlv(0x16, b"Genoas")), UntrustedError, "another product line"),
    "product-tag": (lambda: with_extension("02", tlv(0x0C, b"Genoa")), DecodeError, "not an IA5String"),
    "product-empty": (lambda: with_extension("02", tlv(0x16)), DecodeError, "not an IA5String"),
    "product-bytes": (lambda: with_extension("02", tlv(0x16, b"Geno\xe4")), DecodeError, "not an IA5String"),
    "struct-version": (lambda: with_extension("01", integer(1)), UntrustedError, "another product line"),
    "no-snp": (lambda: with_extension("0303", None), DecodeError, "is missing"),
    "level-tag": (lambda: with_extension("0303", tlv(0x04, b"\1")), DecodeError, "not an unsigned integer"),
    "level-empty": (lambda: with_extension("0303", tlv(0x02)), DecodeError, "not an unsigned integer"),
    "level-negative": (lambda: with_extension("0308", tlv(0x02, b"\xdb")), DecodeError, "not an unsigned integer"),
    "level-padded": (lambda: with_extension("0303", tlv(0x02, b"\0\x19")), DecodeError, "not minimal"),
    "level-high": (lambda: with_extension("0303", integer(256)), DecodeError, "over 255"),
    "level-trailing": (lambda: with_extension("0303", integer(25) + b"\0"), DecodeError, "trailing"),
    "no-hwid": (lambda: with_extension("04", None), DecodeError, "is missing"),
    "hwid-short": (lambda: with_extension("04", tlv(0x04, CHIP.hwid[:63])), DecodeError, "hwID of the wrong size"),
    "hwid-tag": (lambda: with_extension("04", tlv(0x03, CHIP.hwid)), DecodeError, "hwID of the wrong size"),
    "key-kind": (lambda: changed(spki=spki(rsa_key("amd_ask"))), UnsupportedError, "not a P-384 key"),
    "key-curve": (
        lambda: changed(spki=spki(ec.derive_private_key(2, ec.SECP256R1()))),
        UnsupportedError,
        "not a P-384 key",
    ),
    "key-point": (lambda: changed(spki=spki(CHIP.key)[:-1] + b"\0"), DecodeError, "not a point"),
    "key-compressed": (
        lambda: changed(spki=spki(CHIP.key)[:23] + b"\2" + spki(CHIP.key)[24:]),
        DecodeError,
        "not a point",
    ),
    "times": (lambda: changed(validity=tlv(0x30, utc_time(AT))), DecodeError, "two times"),
    "time-tag": (
        lambda: changed(validity=tlv(0x30, tlv(0x16, b"260101000000Z"), utc_time(AT))),
        DecodeError,
        "not a time",
    ),
    "time-size": (
        lambda: changed(validity=tlv(0x30, tlv(0x17, b"2601010000Z"), utc_time(AT))),
        DecodeError,
        "not a time",
    ),
    "time-zone": (
        lambda: changed(validity=tlv(0x30, tlv(0x17, b"260101000000+"), utc_time(AT))),
        DecodeError,
        "not a time in UTC",
    ),
    "time-digits": (
        lambda: changed(validity=tlv(0x30, tlv(0x17, b"26010100 000Z"), utc_time(AT))),
        DecodeError,
        "not a time in UTC",
    ),
    "time-none": (
        lambda: changed(validity=tlv(0x30, tlv(0x17, b"260230000000Z"), utc_time(AT))),
        DecodeError,
        "no such time",
    ),
    **{
        f"time-{what}": (
            lambda text=text: changed(validity=tlv(0x30, tlv(0x17, text), utc_time(AT))),
            DecodeError,
            "no such time",
        )
        for what, text in {
            "month": b"261301000000Z",
            "hour": b"260101240000Z",
            "minute": b"260101006000Z",
            "second": b"260101000060Z",
        }.items()
    },
    "name-none": (lambda: changed(subject=tlv(0x30)), DecodeError, "not one common name"),
    "name-two": (
        lambda: changed(subject=tlv(0x30, COMMON_NAME, COMMON_NAME)),
        DecodeError,
        "not one common name",
    ),
    "name-set": (lambda: changed(subject=tlv(0x30, tlv(0x30))), DecodeError, "relative name"),
    "name-attribute": (lambda: changed(subject=tlv(0x30, tlv(0x31, tlv(0x30)))), DecodeError, "not an attribute"),
    "name-tag": (
        lambda: changed(subject=tlv(0x30, tlv(0x31, tlv(0x30, oid("550403"), tlv(0x1E, b"SEV-VCEK"))))),
        DecodeError,
        "not one common name",
    ),
    "name-ascii": (lambda: changed(subject=name("SEV-VCEĶ")), DecodeError, "not ASCII"),
    "extension-tag": (lambda: changed(extensions=[tlv(0x31, oid("551d0e"), tlv(4))]), DecodeError, "not an extension"),
    "extension-empty": (lambda: changed(extensions=[tlv(0x30)]), DecodeError, "not an extension"),
    "extension-false": (
        lambda: changed(extensions=[tlv(0x30, oid("551d0e"), tlv(1, b"\0"), tlv(4))]),
        DecodeError,
        "critical flag",
    ),
    "not-a-sequence": (lambda: b"\x31" + CHIP.vcek[1:], DecodeError, "not a certificate"),
    "bits": (lambda: CHIP.vcek.replace(b"\3\x82\2\1\0", b"\3\x82\2\1\1"), DecodeError, "whole bytes"),
    "long": (lambda: CHIP.vcek.ljust(8193, b"\0"), DecodeError, "over 8192 bytes"),
    "trailing": (lambda: CHIP.vcek + b"\0", DecodeError, "trailing"),
}


@pytest.mark.parametrize("case", BAD_LEAVES)
# req: privproc1/4.9 chain
# req: privproc1/4.9 values-of-the-leaf
def test_bad_leaf(case: str) -> None:
    make, error, reason = BAD_LEAVES[case]
    with pytest.raises(error, match=reason) as raised:
        verify(vcek=make())
    assert type(raised.value) is error


def authority(**parts: Any) -> bytes:
    return replace(authority_draft(Product.GENOA, AT, "SEV-Genoa"), **parts).sign(rsa_key("amd_ark"))


def profile(constraints: str = "30060101ff020100", usage: str = "03020104") -> list[bytes]:
    return [
        extension("551d13", bytes.fromhex(constraints), critical=True),
        extension("551d0f", bytes.fromhex(usage), critical=True),
    ]


SMALL_KEY = rsa.RSAPublicNumbers(65537, (1 << 2047) + 1)
ODD_KEY = rsa.RSAPublicNumbers(3, rsa_key("amd_ask").public_key().public_numbers().n)


class _Public:
    """Something that :func:`spki` takes for a private key."""

    def __init__(self, numbers: rsa.RSAPublicNumbers) -> None:
        self._numbers = numbers

    def public_key(self) -> rsa.RSAPublicKey:
        return self._numbers.public_key()


BAD_AUTHORITIES: dict[str, tuple[Callable[[], bytes], type[Exception], str]] = {
    "signer": (
        lambda: authority_draft(Product.GENOA, AT, "SEV-Genoa").sign(rsa_key("amd_ask")),
        SignatureError,
        "ASK certificate: signature",
    ),
    "issuer": (lambda: authority(issuer=name("ARK-Milan")), UntrustedError, "ASK certificate: issued by another"),
    "subject": (lambda: authority(subject=name("SEV-Milan")), UntrustedError, "names are not"),
    "asvk": (lambda: GENOA.asvk, UntrustedError, "names are not"),
    "chip": (lambda: changed(subject=name("SEV-Genoa")), UntrustedError, "not the profile"),
    "no-constraints": (lambda: authority(extensions=profile()[1:]), UntrustedError, "not the profile"),
    "no-usage": (lambda: authority(extensions=profile()[:1]), UntrustedError, "not the profile"),
    "critical": (
        lambda: authority(extensions=[*profile(), extension("551d1e", b"", critical=True)]),
        UntrustedError,
        "not the profile",
    ),
    "not-ca": (lambda: authority(extensions=profile(constraints="3000")), UntrustedError, "not an authority"),
    "path": (lambda: authority(extensions=profile(constraints="30060101ff020101")), UntrustedError, "not an authority"),
    "usage": (lambda: authority(extensions=profile(usage="03020780")), UntrustedError, "not an authority"),
    "small": (lambda: authority(spki=spki(_Public(SMALL_KEY))), UnsupportedError, "not an RSA-4096 key"),
    "exponent": (lambda: authority(spki=spki(_Public(ODD_KEY))), UnsupportedError, "RSA exponent"),
    "ec": (lambda: authority(spki=spki(CHIP.key)), UnsupportedError, "not an RSA-4096 key"),
    "no-key": (lambda: authority(spki=tlv(0x30)), UnsupportedError, "public key"),
}


@pytest.mark.parametrize("case", BAD_AUTHORITIES)
# req: privproc1/4.9 chain
def test_bad_authority(case: str) -> None:
    make, error, reason = BAD_AUTHORITIES[case]
    with pytest.raises(error, match=reason) as raised:
        verify(ask=make())
    assert type(raised.value) is error


def test_both_encodings_of_the_usage() -> None:
    assert verify(ask=authority(extensions=profile(usage="03020204"))).hwid == CHIP.hwid


def test_provider_needs_its_name() -> None:
    chip = GENOA.chip(csp="cloud.example")
    with pytest.raises(DecodeError, match="is missing"):
        verify(vcek=with_extension("05", None, chip), chip=chip)


@pytest.mark.parametrize("amd", [GENOA, TURIN])
def test_both_encodings_of_the_hwid(amd: FakeAmd) -> None:
    chip = amd.chip()
    assert verify(vcek=with_extension("04", tlv(0x04, chip.hwid), chip), chip=chip).hwid == chip.hwid


def test_both_encodings_of_the_algorithm() -> None:
    text = PSS_SHA384.hex().replace("304106", "304606").replace("3034a0", "3039a0") + "a303020101"
    assert verify(vcek=changed(algorithm=bytes.fromhex(text))).hwid == CHIP.hwid


def test_generalized_time() -> None:
    validity = tlv(0x30, tlv(0x18, b"19991231235959Z"), tlv(0x18, b"99991231235959Z"))
    chain = verify(vcek=changed(validity=validity))
    assert chain.not_before == AT - 30 * DAY
    assert chain.not_after == AT + 8000 * DAY + 1
    old = Certificate.decode(changed(validity=tlv(0x30, tlv(0x17, b"500101000000Z"), utc_time(AT))), "old")
    assert old.not_before == -631152000


# req: privproc1/4.9 pinned-root
def test_roots() -> None:
    """Another root, the same root changed in a byte, and AMD's real ones don't vouch for the fake."""
    for ark in (TURIN.ark, GENOA.ark + b"\0", GENOA.ark[:-1] + bytes((GENOA.ark[-1] ^ 1,)), GENOA.ask):
        with pytest.raises(UntrustedError, match="pinned root"):
            verify(ark=ark)
    e = CHIP.endorsements
    with pytest.raises(UntrustedError, match="pinned root"):
        verify_chain(e.vcek, e.ask, e.ark, roots=AMD_ROOTS, at=AT)


def test_roots_of_the_wrong_line() -> None:
    """A pin under another product line doesn't make a chip of that line."""
    e = CHIP.endorsements
    roots = Roots(tuple((digest, Product.MILAN) for digest, _ in GENOA.roots.pins))
    with pytest.raises(UntrustedError, match="product line"):
        verify_chain(e.vcek, e.ask, e.ark, roots=roots, at=AT)


def test_one_root_has_one_product() -> None:
    both = Roots(GENOA.roots.pins + TURIN.roots.pins)
    e = TURIN.chip().endorsements
    assert verify_chain(e.vcek, e.ask, e.ark, roots=both, at=AT).product is Product.TURIN


@pytest.mark.parametrize("pins", [(), ((b"", Product.GENOA),), ((bytes(48), Product.GENOA),)])
def test_roots_that_are_none(pins: Any) -> None:
    with pytest.raises(UsageError):
        Roots(pins)


def test_endorsements() -> None:
    e = Endorsements(b"a", b"bc", b"def")
    check_codec(Endorsements.decode, e.encode(), reencode=Endorsements.encode)
    largest = Endorsements(b"a" * 8192, b"b" * 8192, b"c" * 8192)
    assert Endorsements.decode(largest.encode()) == largest
    for data in (b"\0\0\0" * 3, b"\0\x20\1" + bytes(8193) + b"\0\0\1a" * 2):
        with pytest.raises(DecodeError, match="length"):
            Endorsements.decode(data)
    for wrong in (Endorsements(b"", b"a", b"b"), Endorsements(b"a" * 8193, b"a", b"b")):
        with pytest.raises(UsageError):
            wrong.encode()


def pem(*certificates: bytes) -> bytes:
    blocks = (
        b"-----BEGIN CERTIFICATE-----\n" + base64.encodebytes(c) + b"-----END CERTIFICATE-----\n" for c in certificates
    )
    return b"".join(blocks)


def test_from_kds() -> None:
    e = CHIP.endorsements
    assert Endorsements.from_kds(e.vcek, pem(e.ask, e.ark)) == e
    assert Endorsements.from_kds(e.vcek, pem(e.ask, e.ark).replace(b"\n", b"\r\n")) == e
    for text in (
        b"",
        pem(e.ask),
        pem(e.ask, e.ark, e.ark),
        pem(e.ask, b""),
        pem(e.ask) + b"-----BEGIN CERTIFICATE-----",
    ):
        with pytest.raises(DecodeError, match="not 2 certificates"):
            Endorsements.from_kds(e.vcek, text)
    with pytest.raises(DecodeError, match="not base64"):
        Endorsements.from_kds(e.vcek, pem(e.ask, e.ark).replace(b"M", b"*", 1))


@given(st.integers(0, len(CHIP.vcek) - 1), st.integers(1, 255))
def test_no_byte_of_the_leaf_can_change(offset: int, difference: int) -> None:
    made = bytearray(CHIP.vcek)
    made[offset] ^= difference
    with pytest.raises(PeerError):
        verify(vcek=bytes(made))


@given(st.integers(0, len(GENOA.ask) - 1), st.integers(1, 255))
def test_no_byte_of_the_authority_can_change(offset: int, difference: int) -> None:
    made = bytearray(GENOA.ask)
    made[offset] ^= difference
    with pytest.raises(PeerError):
        verify(ask=bytes(made))


@given(st.lists(st.tuples(st.integers(0, 400), st.binary(max_size=4), st.integers(0, 4)), min_size=1, max_size=3))
def test_contract_of_signed_certificates(edits: list[tuple[int, bytes, int]]) -> None:
    """Whatever the ASK signs: a chain or a PeerError."""
    tbs = bytearray(CHIP.draft().tbs())
    for offset, data, removed in edits:
        tbs[offset : offset + removed] = data

    class Edited(Draft):
        def tbs(self) -> bytes:
            return bytes(tbs)

    made = Edited(b"", b"", 0, 0, b"", []).sign(rsa_key("amd_ask"))
    check_contract(lambda data: verify(vcek=data), made)


@given(st.binary(max_size=200))
def test_contract_of_bytes(data: bytes) -> None:
    check_contract(lambda made: verify(vcek=made), data)
    check_contract(lambda made: verify(ask=made), data)
    check_contract(lambda made: Element.decode(made, "element").children(), data)
    check_contract(Endorsements.decode, data)
    check_contract(lambda made: Endorsements.from_kds(b"", made), data)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "truncated"),
        (b"\x30", "truncated"),
        (b"\x30\x82\1", "truncated|minimal"),
        (b"\x30\x82\1\0", "truncated"),
        (b"\x1f\x01\x00", "several bytes"),
        (b"\x30\x80\0\0", "indefinite"),
        (b"\x30\x84\0\0\0\0", "oversized"),
        (b"\x30\x81\x7f" + bytes(127), "not minimal"),
        (b"\x30\x82\0\x80" + bytes(128), "not minimal"),
        (b"\x30\x02\0", "truncated"),
        (b"\x30\0\0", "trailing"),
    ],
)
def test_der(data: bytes, reason: str) -> None:
    with pytest.raises(DecodeError, match=reason):
        Element.decode(data, "element")


def test_der_lengths() -> None:
    for size in (0, 1, 127, 128, 255, 256, 65535, 65536):
        made = tlv(0x04, bytes(size))
        element = Element.decode(made, "element")
        assert (element.content, element.raw) == (bytes(size), made)
    with pytest.raises(DecodeError, match="expected fields"):
        Element.decode(tlv(0x30, integer(1)), "element").fields(0x30)


def test_serial_number_0_needs_no_warning() -> None:
    """The reason for an own reader: ``cryptography`` warns of what every VCEK has, and will refuse it."""
    assert b"\2\1\0" in CHIP.vcek[:20]
    assert Certificate.decode(CHIP.vcek, "VCEK").common_name == "SEV-VCEK"


def test_a_report_is_not_a_certificate() -> None:
    with pytest.raises(DecodeError):
        verify(vcek=resign(bytes(0x2A0), CHIP.key))


def read(data: bytes) -> Certificate | str:
    try:
        return Certificate.decode(data, "certificate")
    except PeerError as error:
        return str(error)


@given(st.integers(0, len(CHIP.vcek) - 1), st.integers(0, 255))
def test_extensions_are_read_alike_in_either_way(at: int, value: int) -> None:
    """The short form in place, and the general one: the same certificate, or the same refusal."""
    for data in (CHIP.vcek, CHIP.vcek[:at] + bytes((value,)) + CHIP.vcek[at + 1 :], GENOA.ark):
        short = read(data)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(certificate, "_short_extension", lambda *_: None)
            assert read(data) == short
