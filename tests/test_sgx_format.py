"""The formats of SGX: quote, report, policy, TCB info and QE identity."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from privproc.attestation import Rule
from privproc.attestation.sgx import (
    AnyPlatform,
    EnclaveReport,
    EnclaveRules,
    Identity,
    Memory,
    Policy,
    Processors,
    QeIdentity,
    Quote,
    TcbInfo,
    measurement,
)
from privproc.errors import DecodeError, UnsupportedError, UsageError
from privproc.tagged import tagged_hash
from tests.codec import check_codec, check_contract
from tests.world import sgx as world
from tests.world.intel import FakeIntel, point
from tests.world.sgx import strict_policy

AT = 1_780_000_000
INTEL = FakeIntel(AT)
PLATFORM = INTEL.platform()
BINDING = bytes(range(1, 65))
POLICY = strict_policy(PLATFORM)


def quote(**changes: Any) -> bytes:
    return world.quote(PLATFORM, **{"report_data": BINDING, "chain": b"x"} | changes)


@pytest.mark.parametrize("version", [3, 4])
def test_quote(version: int) -> None:
    data = quote(version=version)
    found = Quote.decode(data)
    assert (found.version, found.signed) == (version, data[:432])
    assert found.report == EnclaveReport.decode(data[48:432])
    assert found.attestation_key == point(PLATFORM.attestation)
    assert found.qe_authentication_data == bytes(range(32))
    assert found.pck_chain == b"x"
    assert EnclaveReport.decode(found.qe_report).isvprodid == 1
    check_codec(Quote.decode, data)


def test_report() -> None:
    values = {
        "cpusvn": b"\x01" * 16,
        "miscselect": b"\x02" * 4,
        "isvextprodid": b"\x03" * 16,
        "mrenclave": b"\x04" * 32,
        "mrsigner": b"\x05" * 32,
        "configid": b"\x06" * 64,
        "isvprodid": 0x0807,
        "isvsvn": 0x0A09,
        "configsvn": 0x0C0B,
        "isvfamilyid": b"\x0d" * 16,
        "report_data": b"\x0e" * 64,
    }
    found = EnclaveReport.decode(world.report(**values, flags=5, xfrm=0xE7))
    assert {name: getattr(found, name) for name in values} == values
    assert (found.flags, found.xfrm) == (5, 0xE7)
    assert found.attributes == b"\5" + bytes(7) + b"\xe7" + bytes(7)


@pytest.mark.parametrize(
    "change",
    [
        {"header": {"version": 2}},
        {"header": {"version": 5}},
        {"header": {"key_type": 3}},
        {"header": {"tee_type": 0x81}},
        {"header": {"vendor": bytes(16)}},
        {"types": (6, 4)},
        {"types": (6, 6)},
        {"types": (5, 5), "version": 4},
        {"types": (6, 6), "version": 4},
    ],
)
def test_unsupported_quotes(change: dict[str, Any]) -> None:
    """cert_type_3_* and other versions and TEEs: what isn't appraised isn't parsed further either."""
    with pytest.raises(UnsupportedError, match="SGX quote"):
        Quote.decode(quote(**change))


def test_a_quote_is_of_one_kind() -> None:
    from privproc.attestation import tdx

    with pytest.raises(UnsupportedError, match="TDX quote: version is not 4 or 5"):
        tdx.Quote.decode(quote())
    with pytest.raises(UnsupportedError, match="TDX quote: not of a TDX domain"):
        tdx.Quote.decode(quote(version=4, chain=bytes(400)))
    with pytest.raises(UnsupportedError, match="SGX quote: not of an SGX enclave"):
        Quote.decode(PLATFORM.quote(report_data=BINDING, version=4, kind=2))


@pytest.mark.parametrize(
    ("version", "offset"), [(3, 432), (3, 1012), (3, 1048), (4, 432), (4, 566), (4, 1018), (4, 1054)]
)
def test_lengths(version: int, offset: int) -> None:
    """Each length is right to the byte: of the signature data, of what version 4 nests, and of what is in it."""
    data = quote(version=version)
    size = 2 if offset in {1012, 1018} else 4
    value = int.from_bytes(data[offset : offset + size], "little")
    assert value in {len(data) - 436, len(data) - 570, 32, 1}
    for other in (value - 1, value + 1, (1 << 8 * size) - 1):
        with pytest.raises((DecodeError, UnsupportedError)):
            Quote.decode(data[:offset] + other.to_bytes(size, "little") + data[offset + size :])


def test_sizes() -> None:
    with pytest.raises(DecodeError, match="over 16384 bytes"):
        Quote.decode(bytes(16385))
    with pytest.raises(DecodeError, match="over 1024"):
        Quote.decode(quote(authentication=bytes(1025)))
    assert Quote.decode(quote(authentication=bytes(1024))).qe_authentication_data == bytes(1024)
    with pytest.raises(DecodeError, match="1 trailing bytes"):
        Quote.decode(quote() + b"\0")


@given(st.binary(max_size=60), st.integers(0, 1060), st.binary(max_size=8))
def test_contract_of_quotes(data: bytes, at: int, patch: bytes) -> None:
    good = quote()
    check_contract(Quote.decode, data)
    check_contract(Quote.decode, good[:at] + patch + good[at + len(patch) :])


# -- policies

rule = st.sampled_from(Rule)
uint16 = st.integers(0, 0xFFFF)
exact = {size: st.binary(min_size=size, max_size=size) for size in (16, 64)}


@given(
    st.builds(
        replace,
        st.just(POLICY),
        enclave=st.builds(EnclaveRules, mode64bit=rule, provision_key=rule, cet=rule, kss=rule, aex_notify=rule),
        xfrm=st.integers(0, (1 << 63) - 1).map(lambda it: it | 3),
        miscselect=st.integers(0, 0xFFFFFFFF),
        identity=st.sampled_from(Identity),
        isvprodid=uint16,
        isvsvn=uint16,
        configsvn=uint16,
        isvextprodid=exact[16],
        isvfamilyid=exact[16],
        configid=exact[64],
        memory=st.frozensets(st.sampled_from(Memory), min_size=1),
        platforms=st.sampled_from([AnyPlatform(), Processors((b"\1" * 16, b"\2" * 16))]),
    )
)
def test_policy_codec(policy: Policy) -> None:
    assert Policy.decode(policy.encode()) == policy
    assert policy.encode()[0] == 5
    assert policy.id == hashlib.sha256(policy.encode()).digest()
    assert policy.digest == tagged_hash("sgx policy", policy.encode())


def test_policy_exactly() -> None:
    """The encoding written out once more."""
    encoded = POLICY.encode()
    check_codec(Policy.decode, encoded, reencode=Policy.encode)
    expected = bytes((5, 1)) + bytes(4) + b"\0\x12" + bytes(2)  # TCB rules: up to date alone, evaluation 18
    expected += bytes((1, 0, 0, 0, 0)) + bytes(7) + b"\xe7" + bytes(4) + b"\0" + b"\0\7\0\3" + bytes(96) + bytes(2)
    expected += bytes(3) + b"\2" + b"\3\0\x11\x10" + PLATFORM.piid + (3600).to_bytes(4, "big")
    assert encoded == expected
    for form in (0, 1, 2, 3, 4, 6):
        with pytest.raises(UnsupportedError, match="not one for SGX"):
            Policy.decode(bytes((form,)) + encoded[1:])


def test_values_in_encodings() -> None:
    """What a policy can't be made of is a DecodeError in an encoding."""
    encoded = POLICY.encode()
    for at, value in ((15, 0x80), (22, 0xE6), (27, 2), (10, 3), (1, 0)):
        with pytest.raises(DecodeError, match="policy"):
            Policy.decode(encoded[:at] + bytes((value,)) + encoded[at + 1 :])
    with pytest.raises(DecodeError, match="max_age"):
        Policy.decode(encoded[:-4] + bytes(4))


@given(st.integers(0, len(POLICY.encode()) - 1), st.integers(0, 255))
def test_contract_of_policies(at: int, value: int) -> None:
    encoded = POLICY.encode()
    check_contract(Policy.decode, encoded[:at] + bytes((value,)) + encoded[at + 1 :])
    check_contract(Policy.decode, encoded[:at])


@pytest.mark.parametrize(
    "change",
    [
        {"xfrm": 1},
        {"xfrm": 2},
        {"xfrm": 1 << 63 | 3},
        {"xfrm": -1},
        {"miscselect": 1 << 32},
        {"miscselect": -1},
        {"isvprodid": -1},
        {"isvsvn": 1 << 16},
        {"configsvn": 1 << 16},
        {"isvextprodid": b""},
        {"isvfamilyid": bytes(17)},
        {"configid": bytes(63)},
        {"memory": frozenset()},
        {"max_age": 0},
        {"max_age": 1 << 32},
    ],
)
def test_policy_values(change: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        replace(POLICY, **change)


def test_measurement_layout() -> None:
    report = EnclaveReport.decode(world.report(isvprodid=0x0102, isvextprodid=b"\3" * 16, isvfamilyid=b"\4" * 16))
    assert measurement(report, Identity.ENCLAVE) == tagged_hash("sgx measurement", world.MRENCLAVE)
    assert measurement(report, Identity.SIGNER) == tagged_hash(
        "sgx measurement", world.MRSIGNER, b"\1\2", b"\3" * 16, b"\4" * 16
    )


# -- Intel's objects


@pytest.mark.parametrize("change", [{"id": "TDX"}, {"id": None}, {"version": 2}, {"tcbType": 1}])
def test_another_tcb_info(change: dict[str, Any]) -> None:
    with pytest.raises(UnsupportedError, match="TCB info: not version 3 of type 0 for SGX"):
        TcbInfo.decode(world.collateral(INTEL, tcb_info=world.tcb_info(INTEL) | change).tcb_info)


@pytest.mark.parametrize("change", [{"id": "TD_QE"}, {"id": "QVE"}, {"version": 3}])
def test_another_identity(change: dict[str, Any]) -> None:
    with pytest.raises(UnsupportedError, match="QE identity: not version 2 for SGX"):
        QeIdentity.decode(world.collateral(INTEL, qe_identity=world.qe_identity(INTEL) | change).qe_identity)


def test_levels_of_a_platform() -> None:
    found = TcbInfo.decode(world.collateral(INTEL).tcb_info)
    assert [len(level.least) for level in found.levels] == [17, 17, 17]
    info = world.tcb_info(INTEL)
    del info["tcbLevels"][0]["tcb"]["pcesvn"]
    with pytest.raises(DecodeError, match="pcesvn"):
        TcbInfo.decode(world.collateral(INTEL, tcb_info=info).tcb_info)
