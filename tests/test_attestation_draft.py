"""Drafts of policies: each accepts its evidence, and nothing that is the least bit stricter would."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, replace
from typing import Any

import pytest

from privproc.attestation import NO_REVOCATIONS, PinnedMeasurement, Rule, nitro, sgx, snp, tdx
from privproc.attestation.draft import draft_policy
from privproc.attestation.policyfile import load_policy, to_toml
from privproc.attestation.report import Accepted, examine
from privproc.attestation.tdx import Register, TcbStatus
from privproc.errors import ExpiredError, PeerError, PolicyError, SignatureError, UntrustedError, UsageError
from tests.world.amd import FakeAmd, old_fields
from tests.world.cases import (
    ANCHORS,
    AT,
    AWS,
    CHIP,
    DATA,
    DAY,
    FORMATS,
    INTEL,
    MEASUREMENT,
    PCRS,
    PLATFORM,
    case,
    logged,
)
from tests.world.intel import XFAM

MIXED = {
    "current_tcb": snp.Tcb(bootloader=12, tee=3, snp=30, microcode=0xDD).encode(snp.Product.GENOA),
    "committed_tcb": snp.Tcb(bootloader=11, tee=1, snp=27, microcode=0xDC).encode(snp.Product.GENOA),
    "launch_tcb": snp.Tcb(bootloader=9, tee=1, snp=24, microcode=0xDA).encode(snp.Product.GENOA),
    "current_firmware": bytes((1, 58, 1)),
    "committed_firmware": bytes((60, 55, 1)),
    "launch_mitigations": 0b110,
    "current_mitigations": 0b1011,
    "policy": 1 << 17 | 1 << 16 | 1 << 22 | 2 << 8 | 7,
    "platform_info": 1 << 5 | 0b101,
    "host_data": b"\5" * 32,
    "guest_svn": 9,
    "image_id": b"\6" * 16,
    "vmpl": 2,
}


def chips() -> dict[str, tuple[Any, dict[str, Any]]]:
    turin = FakeAmd.generate(snp.Product.TURIN, AT).chip()
    return {
        "plain": (CHIP, {}),
        "mixed": (CHIP, MIXED),
        "old": (CHIP, old_fields(2)),
        "turin": (turin, {}),
        "provider": (CHIP.amd.chip(csp="cloud.example"), {}),
    }


CHIPS = chips()


def draft(which: str) -> tuple[bytes, snp.Policy, Any]:
    chip, changes = CHIPS[which]
    evidence = chip.report(measurement=MEASUREMENT, report_data=DATA, **changes)
    return evidence, snp.draft_policy(evidence, chain=chip.chain(), max_age=600, at=AT), chip.chain()


def accepts(policy: Any, evidence: bytes, **named: Any) -> Any:
    of = {snp.Policy: snp, tdx.Policy: tdx, nitro.Policy: nitro}[type(policy)]
    digest = MEASUREMENT
    if of is tdx:
        digest = policy.measurement(tdx.Quote.decode(evidence).report)
    if of is nitro:
        digest = nitro.measurement(nitro.Document.decode(evidence).pcrs, policy.logged_pcrs)
    return of.appraise_unbound(
        evidence,
        policy=policy,
        logged=PinnedMeasurement(digest),
        role="r",
        revocations=NO_REVOCATIONS,
        at=AT,
        **named,
    )


def stricter(policy: snp.Policy) -> Iterator[tuple[str, snp.Policy]]:
    """Each number one higher, each bit the other way."""
    floor = policy.floors[0]

    def with_floor(**changes: Any) -> snp.Policy:
        return replace(policy, floors=(replace(floor, **changes),))

    for name in ("tcb", "launch_tcb"):
        tcb = getattr(floor, name)
        for part in ("bootloader", "tee", "snp", "microcode", *(["fmc"] if floor.product.has_fmc else [])):
            yield f"{name} {part}", with_floor(**{name: replace(tcb, **{part: getattr(tcb, part) + 1})})
    major, minor, build = floor.firmware
    yield "firmware", with_floor(firmware=(major, minor, build + 1))
    for bit in range(64):
        if not floor.mitigations >> bit & 1:
            yield f"mitigation {bit}", with_floor(mitigations=floor.mitigations | 1 << bit)
    if floor.report_version < 5:
        yield "version", with_floor(report_version=5)
    for part in ("guest", "platform"):
        rules = getattr(policy, part)
        for name in rules._places:
            assert getattr(rules, name) is not Rule.EITHER
            other = Rule.SET if getattr(rules, name) is Rule.CLEAR else Rule.CLEAR
            yield f"{part} {name}", replace(policy, **{part: replace(rules, **{name: other})})
    major, minor = policy.minimum_abi
    yield "abi", replace(policy, minimum_abi=(major, minor + 1))
    yield "vmpl", replace(policy, vmpl=(policy.vmpl + 1) % 4)
    yield "host", replace(policy, host_data=b"\1" + policy.host_data[1:])
    yield "svn", replace(policy, id_block=replace(policy.id_block, guest_svn=policy.id_block.guest_svn + 1))
    yield "chip", replace(policy, signer=snp.Chips((b"\1" * 64,)))
    yield "provider", replace(policy, signer=snp.Provider("another"))


@pytest.mark.parametrize("which", CHIPS)
def test_snp_is_the_strictest(which: str) -> None:
    evidence, policy, chain = draft(which)
    assert accepts(policy, evidence, chain=chain).policy_digest == policy.digest
    count = 0
    for name, other in stricter(policy):
        with pytest.raises(PolicyError):
            accepts(other, evidence, chain=chain)
            pytest.fail(name)
        count += 1
    assert count > 80
    assert load_policy(to_toml(policy).encode()) == policy


def test_snp_levels_are_the_least_of_those_running() -> None:
    floor = draft("mixed")[1].floors[0]
    assert floor.tcb == CHIP.tcb
    assert floor.firmware == (1, 55, 60)
    assert floor.mitigations == 0b10
    assert isinstance(draft("provider")[1].signer, snp.Provider)


def test_snp_refuses_what_no_policy_accepts() -> None:
    for changes, reason in (
        ({"vmpl": 0xFFFFFFFF}, "no policy accepts"),
        ({"measurement": bytes(48)}, "no policy accepts"),
        ({"policy": 1 << 17 | 1 << 19}, "debug"),
        ({"platform_info": 0}, "alias check"),
        ({"platform_info": 1 << 5 | 1 << 40}, "unknown bits"),
    ):
        evidence = CHIP.report(**{"measurement": MEASUREMENT, "report_data": DATA} | changes)
        with pytest.raises(PolicyError, match=reason):
            snp.draft_policy(evidence, chain=CHIP.chain(), max_age=1, at=AT)
    good = CHIP.report(measurement=MEASUREMENT, report_data=DATA)
    bad = bytearray(good)
    bad[0x2A0] ^= 1
    with pytest.raises(SignatureError):
        snp.draft_policy(bytes(bad), chain=CHIP.chain(), max_age=1, at=AT)
    other = CHIP.report(measurement=MEASUREMENT, report_data=DATA, chip_id=b"\1" * 64)
    with pytest.raises(UntrustedError, match="another chip"):
        snp.draft_policy(other, chain=CHIP.chain(), max_age=1, at=AT)
    with pytest.raises(ExpiredError):
        snp.draft_policy(good, chain=CHIP.chain(), max_age=1, at=AT + 9000 * DAY)
    with pytest.raises(UsageError, match="chain is made"):
        snp.draft_policy(good, chain=None, max_age=1, at=AT)  # type: ignore[arg-type]
    for max_age in (0, -1, 1 << 32):
        with pytest.raises(UsageError, match="max_age"):
            snp.draft_policy(good, chain=CHIP.chain(), max_age=max_age, at=AT)


def test_tdx_is_the_strictest() -> None:
    for quote in ({}, {"mrconfigid": b"\1" * 48, "mrowner": b"\2" * 48}):
        evidence = PLATFORM.quote(report_data=DATA, **quote)
        collateral = INTEL.verified()
        policy = tdx.draft_policy(evidence, collateral=collateral, max_age=600, at=AT)
        assert accepts(policy, evidence, collateral=collateral)
        assert policy.tcb.statuses == {TcbStatus.UP_TO_DATE}
        assert (policy.tcb.grace, policy.tcb.advisories, policy.tcb.evaluation) == (0, frozenset(), 18)
        assert policy.platforms == tdx.Platforms((PLATFORM.piid,))
        assert policy.registers == (Register.LOGGED,) * 4
        assert policy.xfam == XFAM
        others = [
            replace(policy, tcb=replace(policy.tcb, evaluation=19)),
            replace(policy, platforms=tdx.Platforms((b"\1" * 16,))),
            *(replace(policy, **{name: b"\7" * 48}) for name in ("mrconfigid", "mrowner", "mrownerconfig")),
        ]
        for part in ("domain", "configuration"):
            rules = getattr(policy, part)
            for it in fields(rules):
                if it.name in rules._places:
                    other = Rule.SET if getattr(rules, it.name) is Rule.CLEAR else Rule.CLEAR
                    others.append(replace(policy, **{part: replace(rules, **{it.name: other})}))
        others += [replace(policy, xfam=policy.xfam & ~bit) for bit in map((1).__lshift__, range(2, 64)) if bit & XFAM]
        for other in others:
            with pytest.raises(PolicyError):
                accepts(other, evidence, collateral=collateral)
        assert load_policy(to_toml(policy).encode()) == policy


def test_tdx_platforms_of_one_package() -> None:
    """The Processor CA's certificates name no platform and state no configuration."""
    platform = replace(PLATFORM, configuration=None)
    evidence = platform.quote(report_data=DATA)
    policy = tdx.draft_policy(evidence, collateral=INTEL.verified(), max_age=600, at=AT)
    assert accepts(policy, evidence, collateral=INTEL.verified())
    assert policy.platforms == tdx.Processors((platform.ppid,))
    assert {getattr(policy.configuration, name) for name in policy.configuration._places} == {Rule.EITHER}


@pytest.mark.parametrize(
    ("status", "error"),
    [
        ("SWHardeningNeeded", None),
        ("ConfigurationNeeded", None),
        ("OutOfDate", "no draft accepts"),
        ("OutOfDateConfigurationNeeded", "no draft accepts"),
        ("Revoked", "no draft accepts"),
    ],
)
def test_tdx_judgements(status: str, error: str | None) -> None:
    info = INTEL.tcb_info()
    info["tcbLevels"][0]["tcbStatus"] = status
    info["tcbLevels"][0]["advisoryIDs"] = ["INTEL-SA-1", "INTEL-SA-2"]
    collateral = INTEL.verified(tcb_info=info)
    evidence = PLATFORM.quote(report_data=DATA)
    if error is not None:
        with pytest.raises(PolicyError, match=error):
            tdx.draft_policy(evidence, collateral=collateral, max_age=600, at=AT)
        return
    policy = tdx.draft_policy(evidence, collateral=collateral, max_age=600, at=AT)
    assert {it.value for it in policy.tcb.statuses} == {"UpToDate", status}
    assert policy.tcb.advisories == {"INTEL-SA-1", "INTEL-SA-2"}
    assert accepts(policy, evidence, collateral=collateral)


def test_tdx_refuses() -> None:
    good = PLATFORM.quote(report_data=DATA)
    with pytest.raises(PolicyError, match="no draft accepts"):
        tdx.draft_policy(
            PLATFORM.quote(report_data=DATA, xfam=(1).to_bytes(8, "little")),
            collateral=INTEL.verified(),
            max_age=1,
            at=AT,
        )
    with pytest.raises(PolicyError, match="debug"):
        tdx.draft_policy(
            PLATFORM.quote(report_data=DATA, attributes=(1 | 1 << 28).to_bytes(8, "little")),
            collateral=INTEL.verified(),
            max_age=1,
            at=AT,
        )
    with pytest.raises(UsageError, match="collateral is made"):
        tdx.draft_policy(good, collateral=None, max_age=1, at=AT)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="max_age"):
        tdx.draft_policy(good, collateral=INTEL.verified(), max_age=0, at=AT)
    with pytest.raises(ExpiredError):
        tdx.draft_policy(good, collateral=INTEL.verified(), max_age=1, at=AT + 9000 * DAY)


def test_nitro_is_the_strictest() -> None:
    evidence = AWS.document(DATA)
    policy = nitro.draft_policy(evidence, roots=AWS.roots, max_age=600, at=AT)
    assert accepts(policy, evidence, roots=AWS.roots)
    assert dict(policy.pcrs) == {index: PCRS[index] for index in range(3, 16)}
    for index in range(3, 16):
        pcrs = PCRS | {index: b"\1" * 48}
        with pytest.raises(UntrustedError, match=f"PCR{index} differs"):
            accepts(policy, AWS.document(DATA, pcrs=pcrs), roots=AWS.roots)
    assert load_policy(to_toml(policy).encode()) == policy
    with pytest.raises(PolicyError, match="debug"):
        nitro.draft_policy(
            AWS.document(DATA, pcrs=dict.fromkeys(range(16), bytes(48))), roots=AWS.roots, max_age=600, at=AT
        )
    with pytest.raises(PeerError):
        nitro.draft_policy(evidence, roots=AWS.roots, max_age=600, at=AT + 9000)


@pytest.mark.parametrize("kind", FORMATS)
def test_from_bytes_of_any_format(kind: str) -> None:
    """What a command line does: draft, write, read, appraise."""
    given = case(kind)
    roots = ANCHORS.roots_for(given.policy)
    arguments: Any = {"roots": roots, "max_age": 600, "at": AT}
    policy = draft_policy(kind, given.evidence, given.endorsements, **arguments)
    report = examine(replace(given, policy=load_policy(to_toml(policy).encode()), log=logged(measured(policy, given))))
    assert isinstance(report.verdict, Accepted)
    for name in FORMATS:
        if name != kind:
            with pytest.raises((PeerError, UsageError)):
                draft_policy(name, given.evidence, given.endorsements, **arguments)
    with pytest.raises(UsageError, match="a format is one of"):
        draft_policy("cca", given.evidence, given.endorsements, **arguments)
    with pytest.raises(PeerError):
        draft_policy(kind, given.evidence, b"x", **arguments)


def measured(policy: Any, given: Any) -> bytes:
    if isinstance(policy, tdx.Policy):
        return policy.measurement(tdx.Quote.decode(given.evidence).report)
    if isinstance(policy, sgx.Policy):
        return policy.measurement(sgx.Quote.decode(given.evidence).report)
    return given.log.verify("model", at=AT).digest
