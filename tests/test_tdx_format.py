"""Quotes, PCK extensions, policies and event logs as bytes: exact consumption, every demand, and fuzz."""

from __future__ import annotations

import hashlib
import struct
from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from privproc.attestation import Rule
from privproc.attestation.certificate import Certificate
from privproc.attestation.tdx import (
    STRICT_CONFIGURATION,
    STRICT_DOMAIN,
    AnyPlatform,
    ConfigurationRules,
    DomainRules,
    EnclaveReport,
    EventLog,
    Families,
    Platform,
    Platforms,
    Policy,
    Processors,
    Quote,
    Register,
    TcbRules,
    TcbStatus,
    VerifiedEvidence,
    strip_padding,
)
from privproc.attestation.tdx.policy import measurement
from privproc.errors import DecodeError, PolicyError, UnsupportedError, UntrustedError, UsageError
from privproc.tagged import tagged_hash
from tests.codec import check_codec, check_contract
from tests.world import intel as world
from tests.world.amd import extension, integer, tlv
from tests.world.intel import SGX, FakeIntel, key, pairs, profile, sign_draft, strict_policy

AT = 1_780_000_000
INTEL = FakeIntel(AT)
PLATFORM = INTEL.platform()
BINDING = bytes(range(1, 65))


def quote(**changes: Any) -> bytes:
    return PLATFORM.quote(**{"report_data": BINDING, "chain": b"x"} | changes)


@pytest.mark.parametrize(("version", "kind"), [(4, 2), (5, 2), (5, 3)])
def test_quote(version: int, kind: int) -> None:
    data = quote(version=version, kind=kind)
    found = Quote.decode(data)
    assert found.version == version
    assert found.signed == data[: 48 + 6 * (version == 5) + 584 + 64 * (kind == 3)]
    report, values = found.report, world.report_fields(BINDING)
    for field in fields(report):
        value = getattr(report, field.name)
        if field.name in world.TAIL and kind == 2:
            assert value is None
            continue
        if isinstance(value, int):
            value = value.to_bytes(8, "little")
        assert (b"".join(value) if isinstance(value, tuple) else value) == values[field.name]
    assert found.attestation_key == world.point(PLATFORM.attestation)
    assert found.pck_chain == b"x"
    assert EnclaveReport.decode(found.qe_report).isvprodid == 2
    check_codec(Quote.decode, data)


def test_sizes() -> None:
    with pytest.raises(DecodeError, match="over 16384 bytes"):
        Quote.decode(bytes(16385))
    for size in (0, 383, 385):
        with pytest.raises(DecodeError, match="instead of 384"):
            EnclaveReport.decode(bytes(size))
    with pytest.raises(DecodeError, match="over 1024"):
        Quote.decode(quote(authentication=bytes(1025)))
    assert Quote.decode(quote(authentication=bytes(1024))).qe_authentication_data == bytes(1024)


@pytest.mark.parametrize(
    "change",
    [
        {"version": 3, "kind": 2},
        {"version": 6, "kind": 2},
        {"key_type": 3},
        {"tee_type": 0},
        {"vendor": bytes(16)},
        {"kind": 1},
        {"kind": 4},
        {"types": (5, 5)},
        {"types": (6, 3)},
        {"types": (6, 6)},
    ],
)
def test_unsupported_quotes(change: dict[str, Any]) -> None:
    """cert_type_3_* and other versions, bodies and TEEs: what isn't appraised isn't parsed further either."""
    with pytest.raises(UnsupportedError):
        Quote.decode(quote(**change))


@pytest.mark.parametrize(
    "offset", [50, 54 + 648, 54 + 648 + 4 + 130, 54 + 648 + 4 + 134 + 448, 54 + 648 + 4 + 134 + 484]
)
def test_lengths(offset: int) -> None:
    """Each length is right to the byte: size of the body, and of the four nested structures."""
    data = quote()
    size = 2 if offset == 54 + 648 + 4 + 134 + 448 else 4
    value = int.from_bytes(data[offset : offset + size], "little")
    for other in (value - 1, value + 1, 0, (1 << 8 * size) - 1):
        changed = data[:offset] + other.to_bytes(size, "little") + data[offset + size :]
        with pytest.raises((DecodeError, UnsupportedError)):
            Quote.decode(changed)


@given(st.binary(max_size=60), st.integers(0, 1300), st.binary(max_size=8))
def test_contract_of_quotes(data: bytes, at: int, patch: bytes) -> None:
    good = quote()
    for decode in (Quote.decode, strip_padding):
        check_contract(decode, data)
        check_contract(decode, good[:at] + patch + good[at + len(patch) :])


@pytest.mark.parametrize(("version", "kind"), [(4, 2), (5, 2), (5, 3)])
def test_padding(version: int, kind: int) -> None:
    data = quote(version=version, kind=kind)
    for padding in (b"", bytes(1), bytes(3000)):
        assert strip_padding(data + padding) == data
    with pytest.raises(DecodeError, match="other bytes than zeros"):
        strip_padding(data + bytes(9) + b"\1")
    with pytest.raises(DecodeError):
        strip_padding(data[:-1])


# -- the SGX extension


def platform(parts: dict[int, bytes] | None = None, value: bytes | None = None) -> Platform:
    body = pairs("", parts or PLATFORM.sgx_parts()) if value is None else value
    draft = replace(PLATFORM.draft(), extensions=[*profile("3000", "030206c0"), extension(SGX, body)])
    return Platform.of(Certificate.decode(sign_draft(draft, key("pck_ca")), "PCK certificate"))


def test_platform() -> None:
    found = platform()
    assert found.components == world.COMPONENTS
    assert (found.pcesvn, found.pceid, found.fmspc, found.sgx_type) == (13, bytes(2), world.FMSPC, 1)
    assert found.configuration is not None
    high = platform(
        PLATFORM.sgx_parts() | replace(PLATFORM, components=bytes(range(240, 256)), pcesvn=65535).sgx_parts()
    )
    assert (high.components, high.pcesvn) == (bytes(range(240, 256)), 65535)
    processor = replace(PLATFORM, configuration=None)
    found = platform(processor.sgx_parts())
    assert (found.piid, found.configuration) == (b"", None)
    assert platform(PLATFORM.sgx_parts() | {8: integer(1)}).ppid == PLATFORM.ppid  # Intel may add parts


@pytest.mark.parametrize("svn", [0, 1, 0x7F, 0x80, 0xFF, 0x100, 0x7FFF, 0x8000, 0xFFFF])
def test_security_versions(svn: int) -> None:
    """Each way in which DER writes an unsigned number, in all lengths around it."""
    made = replace(PLATFORM, components=bytes((svn & 0xFF,)) * 16, pcesvn=svn)
    found = platform(made.sgx_parts())
    assert (found.components, found.pcesvn) == (made.components, svn)


GOOD_PARTS = list(PLATFORM.sgx_parts().items())


@pytest.mark.parametrize(
    "more",
    {
        "again": pairs("", dict(GOOD_PARTS[:1]))[2:],
        "no-pair": integer(1),
        "no-identifier": tlv(0x30, integer(1)),
        "truncated": b"\x30\x05\x06",
        "tail": b"\0",
    }.values(),
)
def test_what_may_not_follow(more: bytes) -> None:
    whole = pairs("", PLATFORM.sgx_parts())
    with pytest.raises(DecodeError):
        platform(value=tlv(0x30, whole[4:] + more))


def test_lengths_inside() -> None:
    """Each of the three lengths is its content's: no reader finds other parts in the same bytes."""
    whole = pairs("", PLATFORM.sgx_parts())
    for at in (2, whole.index(bytes.fromhex(SGX + "02")) - 4, whole.index(bytes.fromhex(SGX + "02")) + 12):
        value = int.from_bytes(whole[at : at + 2], "big")
        for other in (value - 1, value + 1, value + 16):
            with pytest.raises(DecodeError):
                platform(value=whole[:at] + other.to_bytes(2, "big") + whole[at + 2 :])


def test_order_of_parts() -> None:
    """The profile's, in which Intel writes them."""
    for parts in (GOOD_PARTS[::-1], [GOOD_PARTS[1], GOOD_PARTS[0], *GOOD_PARTS[2:]]):
        with pytest.raises(DecodeError, match="not of Intel's profile"):
            platform(dict(parts))


EXTENSION = pairs("", PLATFORM.sgx_parts())


@given(st.integers(0, len(EXTENSION) - 1), st.integers(0, 255))
def test_contract_of_extensions(at: int, value: int) -> None:
    check_contract(lambda made: platform(value=made), EXTENSION[:at] + bytes((value,)) + EXTENSION[at + 1 :])
    check_contract(lambda made: platform(value=made), EXTENSION[:at] + bytes((value,)))


TCB = {**{part + 1: integer(svn) for part, svn in enumerate(world.COMPONENTS)}, 17: integer(13), 18: tlv(4, bytes(16))}
FLAGS = dict.fromkeys((1, 2, 3), tlv(1, b"\0"))


@pytest.mark.parametrize(
    "change",
    [
        {1: tlv(4, bytes(15))},
        {1: tlv(3, bytes(16))},
        {2: tlv(4, b"")},
        {2: pairs("02", TCB | {3: integer(256)})},
        {2: pairs("02", TCB | {3: integer(-1 & 0xFF)[:2] + b"\xff"})},
        {2: pairs("02", TCB | {17: integer(65536)})},
        {2: pairs("02", TCB | {18: tlv(4, bytes(15))})},
        *({2: pairs("02", {k: v for k, v in TCB.items() if k != part})} for part in (1, 16, 17, 18)),
        {3: tlv(4, bytes(3))},
        {4: tlv(4, bytes(5))},
        {5: integer(1)},
        {5: tlv(0x0A, b"\1\1")},
        {6: tlv(4, bytes(17))},
        {7: pairs("07", {1: FLAGS[1], 2: FLAGS[2]})},
        {7: pairs("07", FLAGS | {2: tlv(1, b"\1")})},
        {7: pairs("07", FLAGS | {2: integer(0)})},
    ],
)
def test_other_extensions(change: dict[int, bytes]) -> None:
    with pytest.raises(DecodeError):
        platform(PLATFORM.sgx_parts() | change)


@pytest.mark.parametrize("part", range(1, 6))
def test_missing_parts(part: int) -> None:
    with pytest.raises(DecodeError, match="not of Intel's profile"):
        platform({k: v for k, v in PLATFORM.sgx_parts().items() if k != part})


def test_no_extension() -> None:
    twice = pairs("", PLATFORM.sgx_parts())[4:] * 2
    for value in (b"\5\0", tlv(0x30, integer(1)), tlv(0x30, tlv(0x31, b"")), tlv(0x30, twice)):
        with pytest.raises(DecodeError):
            platform(value=value)
    draft = replace(PLATFORM.draft(), extensions=profile("3000", "030206c0"))
    with pytest.raises(DecodeError, match="no SGX extension"):
        Platform.of(Certificate.decode(sign_draft(draft, key("pck_ca")), "PCK certificate"))


NULL_PARAMETERS = bytes.fromhex("300c06082a8648ce3d0403020500")


def test_an_algorithm_has_one_encoding() -> None:
    """ecdsa-with-SHA256 with NULL parameters, as some makers of certificates write it (RFC 5758 §3.2 has none).

    ``cryptography`` fails on it in its own way; here it is an algorithm that no vendor uses.
    """
    made = sign_draft(replace(PLATFORM.draft(), algorithm=NULL_PARAMETERS), key("pck_ca"))
    with pytest.raises(UnsupportedError, match="signature algorithm"):
        Certificate.decode(made, "PCK certificate")


# -- policies


POLICY = strict_policy(PLATFORM)
rule = st.sampled_from(Rule)
statuses = st.sets(st.sampled_from([s for s in TcbStatus if "OUT" not in s.name and s is not TcbStatus.REVOKED]))
names = st.lists(st.binary(min_size=16, max_size=16).filter(any), min_size=1, max_size=4).map(tuple)


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    return Policy(
        tcb=TcbRules(
            statuses=frozenset({TcbStatus.UP_TO_DATE, *draw(statuses)}),
            grace=draw(st.integers(0, 2**32 - 1)),
            advisories=frozenset(draw(st.sets(st.text("INTEL-SA0123", min_size=1, max_size=20), max_size=3))),
            evaluation=draw(st.integers(0, 65535)),
        ),
        domain=DomainRules(lass=draw(rule), pks=draw(rule), kl=draw(rule), perfmon=draw(rule)),
        xfam=draw(st.integers(0, 2**19 - 1)) & 0x6DBE7 | 3,
        registers=draw(st.tuples(*[st.sampled_from(Register)] * 4)),
        mrconfigid=draw(st.binary(min_size=48, max_size=48)),
        mrowner=draw(st.binary(min_size=48, max_size=48)),
        mrownerconfig=draw(st.binary(min_size=48, max_size=48)),
        configuration=ConfigurationRules(dynamic_platform=draw(rule), cached_keys=draw(rule), smt=draw(rule)),
        platforms=draw(
            st.one_of(
                st.just(AnyPlatform()),
                st.builds(Processors, names),
                st.builds(Platforms, names),
                st.builds(Families, st.just((b"\1" * 6, b"\2" * 6))),
            )
        ),
        max_age=draw(st.integers(1, 2**32 - 1)),
    )


@given(policies())
def test_policy_codec(policy: Policy) -> None:
    assert Policy.decode(policy.encode()) == policy
    assert policy.encode()[0] == 2
    assert policy.id == hashlib.sha256(policy.encode()).digest()
    assert policy.digest == tagged_hash("tdx policy", policy.encode())


def test_policy_exactly() -> None:
    check_codec(Policy.decode, POLICY.encode(), reencode=Policy.encode)
    two = replace(POLICY, platforms=Platforms((b"\2" * 16, b"\1" * 16)))
    assert two.platforms == Platforms((b"\1" * 16, b"\2" * 16, b"\2" * 16))
    swapped = two.encode().replace(
        b"\x10" + b"\1" * 16 + b"\x10" + b"\2" * 16, b"\x10" + b"\2" * 16 + b"\x10" + b"\1" * 16
    )
    with pytest.raises(DecodeError, match="not the canonical"):
        Policy.decode(swapped)
    for form in (0, 1, 3):
        with pytest.raises(UnsupportedError, match="not one for TDX"):
            Policy.decode(bytes((form,)) + POLICY.encode()[1:])


@given(st.integers(0, len(POLICY.encode()) - 1), st.integers(0, 255))
def test_contract_of_policies(at: int, value: int) -> None:
    encoded = POLICY.encode()
    changed = encoded[:at] + bytes((value,)) + encoded[at + 1 :]
    check_contract(Policy.decode, changed)
    check_contract(Policy.decode, encoded[:at])


def test_values_in_encodings() -> None:
    """What a policy can't be made of is a DecodeError in an encoding."""
    encoded = POLICY.encode()
    registers = encoded.index(bytes((0, 0, 0, 1)) + bytes(144))
    for changed in (
        encoded[:-4] + bytes(4),
        encoded[:registers] + b"\3" + encoded[registers + 1 :],
        encoded[: registers - 12] + b"\3" + encoded[registers - 11 :],
        b"\2\0" + encoded[2:],
    ):
        with pytest.raises(DecodeError, match="policy"):
            Policy.decode(changed)


@pytest.mark.parametrize(
    "change",
    [
        {"xfam": 1},
        {"xfam": 0x6DBE7 | 1 << 20},
        {"registers": (Register.LOGGED,) * 3},
        {"max_age": 0},
        {"max_age": 1 << 32},
        {"mrconfigid": b""},
        {"mrowner": bytes(47)},
        {"mrownerconfig": bytes(49)},
    ],
)
def test_policy_values(change: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        replace(POLICY, **change)


@pytest.mark.parametrize(
    "change",
    [
        {"statuses": frozenset()},
        {"statuses": frozenset({TcbStatus.SW_HARDENING_NEEDED})},
        {"statuses": frozenset({TcbStatus.UP_TO_DATE, TcbStatus.OUT_OF_DATE})},
        {"statuses": frozenset({TcbStatus.UP_TO_DATE, TcbStatus.REVOKED})},
        {"grace": -1},
        {"grace": 1 << 32},
        {"evaluation": -1},
        {"evaluation": 65536},
        {"advisories": frozenset({""})},
        {"advisories": frozenset({"\xe9"})},
    ],
)
def test_tcb_rule_values(change: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        replace(POLICY.tcb, **change)


@pytest.mark.parametrize("kind", [Families, Processors, Platforms])
def test_lists_are_never_empty(kind: Any) -> None:
    for bad in ((), (b"",), (bytes(kind.size),), (b"\1" * (kind.size + 1),)):
        with pytest.raises(UsageError, match="at least one"):
            kind(bad)


def test_names_beside_any_platform() -> None:
    encoded = replace(POLICY, platforms=AnyPlatform()).encode()
    for kind, size in ((0, 17), (4, 0), (4, 17)):
        changed = encoded[:-7] + bytes((kind,)) + size.to_bytes(2, "big") + b"\x10" * size + encoded[-4:]
        with pytest.raises(DecodeError, match="unknown kind of platforms"):
            Policy.decode(changed)


def test_rules() -> None:
    STRICT_DOMAIN.check(1 << 28)
    STRICT_DOMAIN.check(1 << 28 | 1 << 27 | 1 << 30)
    for value in (0, 1 << 28 | 1 << 63, 1 << 28 | 1 << 31):
        with pytest.raises(PolicyError):
            STRICT_DOMAIN.check(value)
    with pytest.raises(PolicyError, match="not stated"):
        STRICT_CONFIGURATION.check_stated(None)


def test_measurement_layout() -> None:
    """docs: the digest of the ledger's entry, with an empty field for each register that isn't logged."""
    rtmrs = tuple(bytes((i,)) * 48 for i in range(4))
    registers = (Register.LOGGED, Register.OPEN, Register.LOGGED, Register.ZERO)
    assert measurement(b"m" * 48, rtmrs, registers) == tagged_hash(
        "tdx measurement", b"m" * 48, rtmrs[0], b"", rtmrs[2], b""
    )


# -- event logs


HEAD_BODY = b"Spec ID Event03\0" + struct.pack("<IBBBBIHHB", 0, 0, 2, 0, 2, 1, 12, 48, 0)


def head(body: bytes = HEAD_BODY, kind: int = 3) -> bytes:
    return struct.pack("<II20sI", 1, kind, bytes(20), len(body)) + body


def event(index: int, data: bytes, digest: bytes | None = None, kind: int = 13, count: int = 1, alg: int = 12) -> bytes:
    digest = hashlib.sha384(data).digest() if digest is None else digest
    return struct.pack("<IIIH48sI", index, kind, count, alg, digest, len(data)) + data


def evidence(rtmrs: tuple[bytes, ...]) -> VerifiedEvidence:
    known = dict.fromkeys(VerifiedEvidence.__dataclass_fields__) | {"rtmrs": rtmrs}
    return VerifiedEvidence._earn(**known)


LOG = head() + event(1, b"firmware") + event(2, b"kernel", b"\7" * 48) + event(1, b"no", kind=3) + event(4, b"\xff" * 9)


def extended(*digests: bytes) -> bytes:
    value = bytes(48)
    for digest in digests:
        value = hashlib.sha384(value + digest).digest()
    return value


def test_replay() -> None:
    log = EventLog.decode(LOG)
    expected = (
        extended(hashlib.sha384(b"firmware").digest()),
        extended(b"\7" * 48),
        bytes(48),
        extended(hashlib.sha384(b"\xff" * 9).digest()),
    )
    assert log.replay() == expected
    events = log.confirm(evidence(expected))
    assert [event.register for event in events] == [0, 1, 3]
    assert events[0].authentic_data() == b"firmware"
    with pytest.raises(UntrustedError, match="not its data's"):
        events[1].authentic_data()
    for index in range(4):
        other = list(expected)
        other[index] = b"\1" * 48
        with pytest.raises(UntrustedError, match="not the one behind"):
            log.confirm(evidence(tuple(other)))
    with pytest.raises(UsageError):
        log.confirm(None)
    assert "kernel" not in repr(log)


@pytest.mark.parametrize("erased", [1, 3, 4, 5, 70, 4000])
def test_erased_memory_ends_a_log(erased: int) -> None:
    assert EventLog.decode(LOG + b"\xff" * erased).replay() == EventLog.decode(LOG).replay()


@pytest.mark.parametrize(
    "data",
    {
        "empty": b"",
        "not-a-log": bytes(100),
        "first-kind": head(kind=13) + event(1, b""),
        "signature": head(HEAD_BODY.replace(b"03", b"02")),
        "spec-tail": head(HEAD_BODY + b"\0"),
        "vendor": head(HEAD_BODY[:-1] + b"\1"),
        "mrtd": head() + event(0, b"x"),
        "register": head() + event(5, b"x"),
        "count": head() + event(1, b"x", count=2),
        "none": head() + event(1, b"x", count=0),
        "algorithm": head() + event(1, b"x", alg=11),
        "truncated": LOG[:-1],
        "zeros": LOG + bytes(70),
        "after-erased": LOG + b"\xff" * 90 + b"\0" + b"\xff",
        "size": bytes(1 << 21),
    }.values(),
)
def test_other_logs(data: bytes) -> None:
    with pytest.raises(DecodeError):
        EventLog.decode(data)


def test_other_digests() -> None:
    sha256 = b"Spec ID Event03\0" + struct.pack("<IBBBBIHHB", 0, 0, 2, 0, 2, 1, 11, 32, 0)
    with pytest.raises(UnsupportedError, match="SHA-384 alone"):
        EventLog.decode(head(sha256))


@given(st.integers(0, len(LOG) - 1), st.binary(max_size=6))
def test_contract_of_logs(at: int, patch: bytes) -> None:
    check_contract(EventLog.decode, LOG[:at] + patch + LOG[at + len(patch) :])
    check_contract(EventLog.decode, LOG[:at] + patch)


def test_logs_are_read_in_linear_time() -> None:
    assert len(EventLog.decode(head() + event(1, b"") * 15000)._events) == 15000
