"""Policies: nothing empty can be built, one encoding each, and the encoding decides the identity."""

from __future__ import annotations

import copy
import hashlib
from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from privproc.attestation.snp import (
    NO_ID_BLOCK,
    STRICT_GUEST,
    STRICT_PLATFORM,
    AnyChip,
    Chips,
    Floor,
    GuestRules,
    PlatformRules,
    Policy,
    Product,
    Provider,
    Rule,
    Tcb,
)
from privproc.errors import DecodeError, PolicyError, UnsupportedError, UsageError
from privproc.tagged import tagged_hash
from tests.codec import check_codec, check_contract
from tests.world.amd import GUEST_POLICY, FakeAmd, strict_policy

AT = 1_780_000_000
GENOA, TURIN, MILAN = (FakeAmd.generate(p, AT).chip() for p in (Product.GENOA, Product.TURIN, Product.MILAN))
POLICY = strict_policy(GENOA, TURIN)

byte = st.integers(0, 255)
rule = st.sampled_from(Rule)


@st.composite
def floors(draw: st.DrawFn, product: Product) -> Floor:
    def tcb() -> Tcb:
        levels = {name: draw(byte) for name in ("bootloader", "tee", "snp", "microcode")}
        return Tcb(fmc=draw(byte) if product.has_fmc else 0, **levels)

    return Floor(
        product=product,
        tcb=tcb(),
        launch_tcb=tcb(),
        firmware=draw(st.tuples(byte, byte, byte)),
        mitigations=draw(st.integers(0, 2**64 - 1)),
        report_version=draw(st.sampled_from([2, 3, 5])),
    )


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    products = draw(st.lists(st.sampled_from(Product), min_size=1, unique=True))
    hwid = st.binary(min_size=64, max_size=64) | st.binary(min_size=8, max_size=8)
    name = st.text(st.characters(max_codepoint=127), min_size=1, max_size=255)
    return Policy(
        floors=tuple(draw(floors(product)) for product in products),
        guest=draw(st.builds(GuestRules, **dict.fromkeys(GuestRules._places, rule))),
        minimum_abi=draw(st.tuples(byte, byte)),
        platform=draw(st.builds(PlatformRules, **dict.fromkeys(PlatformRules._places, rule))),
        vmpl=draw(st.integers(0, 3)),
        host_data=draw(st.binary(min_size=32, max_size=32)),
        id_block=replace(
            NO_ID_BLOCK, guest_svn=draw(st.integers(0, 2**32 - 1)), family_id=draw(st.binary(min_size=16, max_size=16))
        ),
        signer=draw(
            st.just(AnyChip())
            | st.builds(Chips, st.lists(hwid.filter(any), min_size=1, max_size=4).map(tuple))
            | st.builds(Provider, name)
        ),
        max_age=draw(st.integers(1, 2**32 - 1)),
    )


@given(policies())
def test_round_trip(policy: Policy) -> None:
    assert Policy.decode(policy.encode()) == policy


@pytest.mark.parametrize("signer", [AnyChip(), Chips((GENOA.hwid, TURIN.hwid)), Provider("cloud.example")])
def test_codec(signer: Any) -> None:
    check_codec(Policy.decode, replace(POLICY, signer=signer).encode(), reencode=Policy.encode)


def test_identity() -> None:
    encoded = POLICY.encode()
    assert POLICY.id == hashlib.sha256(encoded).digest()
    assert POLICY.digest == tagged_hash("snp policy", encoded)
    assert len(POLICY.id) == 32
    assert len(POLICY.digest) == 48


def test_order_is_canonical() -> None:
    assert strict_policy(TURIN, GENOA).encode() == strict_policy(GENOA, TURIN).encode()
    twice = Chips((TURIN.hwid, GENOA.hwid, TURIN.hwid))
    assert twice == Chips((GENOA.hwid, TURIN.hwid))


@given(st.integers(0, len(POLICY.encode()) - 1), st.integers(1, 255))
# req: privproc1/3.3 policies-are-canonical
def test_every_byte_counts(offset: int, difference: int) -> None:
    """Two encodings are two policies, or no policy."""
    changed = bytearray(POLICY.encode())
    changed[offset] ^= difference
    try:
        other = Policy.decode(bytes(changed))
    except (DecodeError, UnsupportedError):
        return
    assert other != POLICY
    assert other.id != POLICY.id


@given(st.binary(max_size=400))
def test_contract(data: bytes) -> None:
    check_contract(Policy.decode, data)


HEAD = 1 + 2 + 2 * 29  # version, length, two floors
RULES = HEAD
ABI = RULES + 7
PLATFORM = ABI + 2
VMPL = PLATFORM + 7
SIGNER = VMPL + 1 + 32 + 132


ONE_CHIP = replace(POLICY, signer=Chips((b"\1" * 8,))).encode()


def changed(offset: int, data: bytes, policy: Policy = POLICY) -> bytes:
    encoded = bytearray(policy.encode())
    encoded[offset : offset + len(data)] = data
    return bytes(encoded)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (changed(1, b"\0\0") , "one floor|unknown|left"),
        (changed(3, b"\3"), "unknown product"),
        (changed(3 + 29, POLICY.encode()[3 : 3 + 29]), "one floor"),
        (changed(3, POLICY.encode()[32:61] + POLICY.encode()[3:32]), "canonical"),
        (changed(3 + 3, b"\1"), "reserved bytes"),
        (changed(3 + 28, b"\4"), "report version is 2, 3 or 5"),
        (changed(RULES, b"\3"), "unknown rule"),
        (changed(PLATFORM, b"\3"), "unknown rule"),
        (changed(VMPL, b"\4"), "vmpl is 0 to 3"),
        (changed(SIGNER, b"\3"), "unknown signer"),
        (changed(SIGNER, b"\0"), "trailing"),
        (changed(SIGNER, b"\2"), "not ASCII"),
        (ONE_CHIP.replace(b"\0\x09\x08" + b"\1" * 8, b"\0\x08\x07" + b"\1" * 7), "8 or 64 bytes"),
        (changed(SIGNER, b"\2\0\0\0\0\0\1", replace(POLICY, signer=AnyChip())), "1 to 255"),
        (changed(SIGNER, b"\1\0\0\0\0\0\1", replace(POLICY, signer=AnyChip())), "at least one"),
        (POLICY.encode()[:-4] + bytes(4), "max_age"),
    ],
)  # fmt: skip
# req: privproc1/3.3 policies-are-canonical
def test_refused_encodings(data: bytes, reason: str) -> None:
    with pytest.raises(DecodeError, match=reason):
        Policy.decode(data)


def test_unsorted_chips() -> None:
    policy = replace(POLICY, signer=Chips((b"\1" * 8, b"\2" * 8)))
    swapped = policy.encode().replace(
        b"\x08" + b"\1" * 8 + b"\x08" + b"\2" * 8, b"\x08" + b"\2" * 8 + b"\x08" + b"\1" * 8
    )
    with pytest.raises(DecodeError, match="canonical"):
        Policy.decode(swapped)


def test_other_version() -> None:
    with pytest.raises(UnsupportedError, match="version"):
        Policy.decode(changed(0, b"\2"))


@pytest.mark.parametrize(
    "change",
    [
        {"floors": ()},
        {"floors": POLICY.floors + POLICY.floors[:1]},
        {"minimum_abi": (1,)},
        {"minimum_abi": (1, 256)},
        {"minimum_abi": (-1, 0)},
        {"vmpl": 4},
        {"vmpl": -1},
        {"host_data": b""},
        {"host_data": bytes(33)},
        {"max_age": 0},
        {"max_age": 1 << 32},
    ],
)
def test_policies_that_are_none(change: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        replace(POLICY, **change)


@pytest.mark.parametrize(
    "change",
    [
        {"firmware": (1, 2)},
        {"firmware": (1, 2, 256)},
        {"mitigations": -1},
        {"mitigations": 1 << 64},
        {"report_version": 4},
        {"tcb": Tcb(fmc=1, bootloader=0, tee=0, snp=0, microcode=0)},
    ],
)
def test_floors_that_are_none(change: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        replace(strict_policy(GENOA).floors[0], **change)


@pytest.mark.parametrize(
    "change",
    [
        {"id_key_digest": b""},
        {"author_key_digest": bytes(32)},
        {"family_id": b""},
        {"image_id": bytes(17)},
        {"guest_svn": -1},
        {"guest_svn": 1 << 32},
    ],
)
def test_id_blocks_that_are_none(change: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        replace(NO_ID_BLOCK, **change)


@pytest.mark.parametrize("hwids", [(), (b"",), (bytes(64),), (bytes(8),), (GENOA.hwid, b"x" * 63)])
def test_chips_that_are_none(hwids: tuple[bytes, ...]) -> None:
    with pytest.raises(UsageError):
        Chips(hwids)


@pytest.mark.parametrize("csp", ["", "x" * 256, "clöud"])
def test_providers_that_are_none(csp: str) -> None:
    with pytest.raises(UsageError):
        Provider(csp)


def test_rules_name_their_fields() -> None:
    for rules in (STRICT_GUEST, STRICT_PLATFORM):
        assert [item.name for item in fields(rules) if item.init] == list(rules._places)


def test_copies_are_whole() -> None:
    for made in (copy.copy(POLICY), copy.deepcopy(POLICY)):
        assert made == POLICY
        assert made.id == POLICY.id
        made.guest.check(GUEST_POLICY)
        with pytest.raises(PolicyError):
            made.platform.check(0)


def test_floor_of_a_line() -> None:
    assert POLICY.floor(Product.TURIN).product is Product.TURIN
    with pytest.raises(PolicyError, match="Milan is not accepted"):
        POLICY.floor(Product.MILAN)


def test_strict_is_what_the_auditors_asked_for() -> None:
    """TOB-WAPI-9: CIPHERTEXT_HIDING=1, RAPL_DIS=1, AES-256-XTS=1, CXL_ALLOW=0, SINGLE_SOCKET=1, SMT=0."""
    guest = STRICT_GUEST
    assert guest.smt is guest.cxl_allow is Rule.CLEAR
    assert guest.ciphertext_hiding is guest.rapl_disabled is guest.aes_256_xts is guest.single_socket is Rule.SET
    assert STRICT_PLATFORM.ciphertext_hiding is STRICT_PLATFORM.rapl_disabled is Rule.SET
    assert STRICT_PLATFORM.smt is Rule.CLEAR
