"""Appraisal: each check with a report that fails it alone, and proof that it would pass without the check."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from privproc.attestation import NO_REVOCATIONS
from privproc.attestation.snp import (
    NO_ID_BLOCK,
    STRICT_GUEST,
    STRICT_PLATFORM,
    AnyChip,
    Chips,
    IdBlock,
    Policy,
    Product,
    Provider,
    Rule,
    SigningKey,
    Tcb,
    VerifiedChain,
    VerifiedEvidence,
    appraise,
)
from privproc.attestation.snp import appraisal as module
from privproc.errors import (
    DecodeError,
    ExpiredError,
    PeerError,
    PolicyError,
    SignatureError,
    UnsupportedError,
    UntrustedError,
    UsageError,
)
from privproc.ledger import Logged
from tests.codec import check_contract
from tests.world.amd import DAY, GUEST_POLICY, PLATFORM_INFO, FakeAmd, FakeChip, good_tcb, old_fields, strict_policy
from tests.world.binding import bound

AT = 1_780_000_000
MEASUREMENT = bytes(range(48))
BINDING = b"privproc/1 bind\0" + bytes(range(48))
ROLE = "model"


def logged(**changes: Any) -> Logged:
    """The ledger's word, on this test's own."""
    fields: dict[str, Any] = {
        "namespace": "example",
        "role": ROLE,
        "digest": MEASUREMENT,
        "security_version": 1,
        "not_after": AT + 9000 * DAY,
        "checkpoint": None,
    }
    return Logged._earn(**fields | changes)


@dataclass
class Scene:
    """An appraisal that succeeds, with what one test changes about it."""

    chip: FakeChip
    other_chain: FakeChip | None = None
    policy: Policy | None = None
    log: dict[str, Any] = field(default_factory=dict)
    role: str = ROLE
    binding: bytes = BINDING
    at: int = AT
    after_signing: dict[int, bytes] = field(default_factory=dict)
    report: dict[str, Any] = field(default_factory=dict)

    def evidence(self) -> bytes:
        made = bytearray(self.chip.report(**{"measurement": MEASUREMENT, "report_data": BINDING} | self.report))
        for offset, data in self.after_signing.items():
            made[offset : offset + len(data)] = data
        return bytes(made)

    def appraise(self) -> VerifiedEvidence:
        return appraise(
            self.evidence(),
            binding=bound(self.binding),
            policy=self.policy or strict_policy(self.chip),
            chain=(self.other_chain or self.chip).chain(),
            logged=logged(**self.log),
            role=self.role,
            revocations=NO_REVOCATIONS,
            at=self.at,
        )


GENOA = FakeAmd.generate(Product.GENOA, AT).chip()
OTHER_GENOA = FakeAmd.generate(Product.GENOA, AT).chip(b"another")
TURIN = FakeAmd.generate(Product.TURIN, AT).chip()
VLEK = FakeAmd.generate(Product.GENOA, AT).chip(csp="cloud.example")
LEVELS = good_tcb(Product.GENOA)
TURIN_TCB = good_tcb(Product.TURIN).encode(Product.TURIN)


def tcb_with(**levels: int) -> bytes:
    return replace(LEVELS, **levels).encode(Product.GENOA)


def with_floor(chip: FakeChip, **changes: Any) -> Policy:
    policy = strict_policy(chip)
    return replace(policy, floors=(replace(policy.floors[0], **changes),))


def signer(chip: FakeChip, who: Any) -> Policy:
    return replace(strict_policy(chip), signer=who)


def id_block(**changes: Any) -> Policy:
    return replace(strict_policy(GENOA), id_block=replace(NO_ID_BLOCK, **changes))


def bit(place: int) -> int:
    return 1 << place


MUTANTS: list[tuple[str, str, Scene, type[Exception], str]] = []
"""Check, name, scene, exception, reason. Each scene fails that check and no other."""


def mutant(check: str, name: str, error: type[Exception], reason: str, chip: FakeChip = GENOA, **scene: Any) -> None:
    MUTANTS.append((check, name, Scene(chip, **scene), error, reason))


def lie(check: str, name: str, error: type[Exception], reason: str, chip: FakeChip = GENOA, **report: Any) -> None:
    """The same for a report that says, under a good signature, what it should not."""
    mutant(check, name, error, reason, chip, report=report)


mutant("chain-window", "late", ExpiredError, "chain is no longer valid", at=AT + 2001 * DAY)
mutant("chain-window", "early", ExpiredError, "chain is not valid yet", at=AT - 21 * DAY)

lie("signing-key", "vlek", UntrustedError, "another kind of key", flags=SigningKey.VLEK << 2)
lie("signing-key", "none", UntrustedError, "another kind of key", flags=SigningKey.NONE << 2)
lie("signing-key", "vcek", UntrustedError, "another kind of key", VLEK, flags=SigningKey.VCEK << 2)

mutant("signature", "changed", SignatureError, "doesn't verify", after_signing={0x140: b"\0"})
mutant("signature", "r", SignatureError, "doesn't verify", after_signing={0x2A0: bytes(48)})
mutant("signature", "s", SignatureError, "doesn't verify", after_signing={0x2E8: bytes(48)})
lie("signature", "key", SignatureError, "doesn't verify", signer=OTHER_GENOA.key)

mutant("binding", "other", UntrustedError, "another session", binding=bytes(63) + b"\1")
lie("binding", "zero", UntrustedError, "another session", report_data=b"")
lie("binding", "half", UntrustedError, "another session", report_data=BINDING[:32])

lie("chip", "other", UntrustedError, "another chip", chip_id=OTHER_GENOA.hwid)
lie("chip", "masked", UntrustedError, "another chip", chip_id=b"", flags=2)
lie("chip", "turin-tail", UntrustedError, "another chip", TURIN, chip_id=TURIN.hwid + b"\1")

lie("certified-tcb", "raised", UntrustedError, "not the certificate's", reported_tcb=tcb_with(snp=26))

lie("product", "zero", UnsupportedError, "unknown product", cpuid_family=0, cpuid_model=0)
lie("product", "unknown", UnsupportedError, "unknown product", cpuid_model=0x20)
lie("product", "turin", UntrustedError, "another product line", cpuid_family=0x1A, cpuid_model=2)
lie("product", "milan", UntrustedError, "another product line", cpuid_model=1)
mutant("product", "old", PolicyError, "report version", policy=with_floor(GENOA, mitigations=0), report=old_fields(3))

mutant("signer", "unlisted", PolicyError, "chip is not on", policy=signer(GENOA, Chips((OTHER_GENOA.hwid,))))
mutant("signer", "vlek", PolicyError, "another kind of key", VLEK, policy=signer(VLEK, AnyChip()))
mutant("signer", "vlek-listed", PolicyError, "another kind of key", VLEK, policy=signer(VLEK, Chips((VLEK.hwid,))))
mutant("signer", "vcek", PolicyError, "another kind", policy=signer(GENOA, Provider("cloud.example")))
mutant("signer", "provider", PolicyError, "another provider", VLEK, policy=signer(VLEK, Provider("cloud.exampl")))

for which in ("committed", "current", "launch"):
    for part in ("bootloader", "tee", "snp", "microcode"):
        lowered = tcb_with(**{part: getattr(LEVELS, part) - 1})
        lie("tcb-floor", f"{which}-{part}", PolicyError, f"{which} TCB.*{part}$", **{f"{which}_tcb": lowered})
mutant(
    "tcb-floor",
    "reported",
    PolicyError,
    r"reported TCB.*microcode$",
    policy=with_floor(GENOA, tcb=replace(LEVELS, microcode=0xDC)),
    report={"committed_tcb": tcb_with(microcode=0xDC), "current_tcb": tcb_with(microcode=0xDC)},
)
lie("tcb-floor", "fmc", PolicyError, r"committed TCB.*fmc$", TURIN, committed_tcb=b"\1" + TURIN_TCB[1:])

lie("firmware-floor", "current", PolicyError, "firmware is under", current_firmware=bytes((54, 55, 1)))
lie("firmware-floor", "committed", PolicyError, "firmware is under", committed_firmware=bytes((255, 54, 1)))

lie("mitigations", "launch", PolicyError, "mitigation", launch_mitigations=2)
lie("mitigations", "current", PolicyError, "mitigation", current_mitigations=0)
mutant(
    "mitigations", "absent", PolicyError, "mitigation", policy=with_floor(GENOA, report_version=3), report=old_fields(3)
)

lie("guest-policy", "debug", PolicyError, ": debug$", policy=GUEST_POLICY | bit(19))
lie("guest-policy", "agent", PolicyError, ": migration agent$", policy=GUEST_POLICY | bit(18))
lie("guest-policy", "bit17", PolicyError, ": bit 17$", policy=GUEST_POLICY & ~bit(17))
for place in (26, 32, 63):
    lie("guest-policy", f"unknown-{place}", PolicyError, ": unknown bits$", policy=GUEST_POLICY | bit(place))
for rule, place in {
    "smt": 16,
    "single_socket": 20,
    "cxl_allow": 21,
    "aes_256_xts": 22,
    "rapl_disabled": 23,
    "ciphertext_hiding": 24,
    "page_swap_disabled": 25,
}.items():
    lie("guest-policy", rule, PolicyError, f": {rule}$", policy=GUEST_POLICY ^ bit(place))

lie("guest-abi", "minor", PolicyError, "minimum ABI", policy=GUEST_POLICY - 1)
lie("guest-abi", "major", PolicyError, "minimum ABI", policy=GUEST_POLICY - 256 + 200)

lie("platform", "alias", PolicyError, ": alias check$", platform_info=PLATFORM_INFO & ~bit(5))
for place in (8, 63):
    lie("platform", f"unknown-{place}", PolicyError, ": unknown bits$", platform_info=PLATFORM_INFO | bit(place))
for rule, place in {"smt": 0, "ecc": 2, "rapl_disabled": 3, "ciphertext_hiding": 4, "tio": 7}.items():
    lie("platform", rule, PolicyError, f": {rule}$", platform_info=PLATFORM_INFO ^ bit(place))

lie("vmpl", "one", PolicyError, "VMPL", vmpl=1)
lie("vmpl", "host", PolicyError, "VMPL", vmpl=0xFFFFFFFF)

lie("host-data", "given", PolicyError, "host data", host_data=b"\1")
mutant("host-data", "missing", PolicyError, "host data", policy=replace(strict_policy(GENOA), host_data=b"\1" * 32))

lie("id-block", "key", PolicyError, "ID key", id_key_digest=b"\1")
lie("id-block", "author", PolicyError, "author key", author_key_digest=b"\1", flags=1)
lie("id-block", "family", PolicyError, "family", family_id=b"\1")
lie("id-block", "image", PolicyError, "image", image_id=b"\1")
mutant("id-block", "no-key", PolicyError, "ID key", policy=id_block(id_key_digest=b"\1" * 48))
mutant("id-block", "svn", PolicyError, "SVN", policy=id_block(guest_svn=1))

mutant("role", "other", UntrustedError, "another role", log={"role": "model-test"})
mutant("role", "asked", UntrustedError, "another role", role="gateway")

lie("log", "measurement", UntrustedError, "another digest", measurement=b"\1" * 48)
mutant("log", "expired", ExpiredError, "log entry", log={"not_after": AT})

CASES = [pytest.param(check, *rest, id=f"{check}-{name}") for check, name, *rest in MUTANTS]


@pytest.mark.parametrize(("check", "scene", "error", "reason"), CASES)
# req: privproc1/4.8 binding-equals
# req: privproc1/4.8 checks-of-the-report
def test_refused(check: str, scene: Scene, error: type[Exception], reason: str) -> None:
    with pytest.raises(error, match=reason) as raised:
        scene.appraise()
    assert type(raised.value) is error


@pytest.mark.parametrize(("check", "scene", "error", "reason"), CASES)
def test_only_that_check_refuses(
    check: str, scene: Scene, error: type[Exception], reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the check the same report is accepted: no check is redundant, and no mutant fails by accident."""
    monkeypatch.setattr(module, "_CHECKS", tuple(entry for entry in module._CHECKS if entry[0] != check))
    assert check not in scene.appraise().checks


# req: privproc1/4.8 checks-of-the-report
def test_every_check_has_a_mutant() -> None:
    assert {entry[0] for entry in MUTANTS} == {name for name, _ in module._CHECKS}


@pytest.mark.parametrize("product", Product)
@pytest.mark.parametrize("csp", [None, "cloud.example"])
def test_accepted(product: Product, csp: str | None) -> None:
    chip = FakeAmd.generate(product, AT).chip(csp=csp)
    scene = Scene(chip)
    verified = scene.appraise()
    chain = chip.chain()
    assert verified.measurement == MEASUREMENT
    assert verified.binding == BINDING
    assert verified.role == ROLE
    assert verified.product is product
    assert verified.chip_id == (chip.hwid if csp is None else b"")
    assert verified.chip_fingerprint == chain.fingerprint
    assert verified.tcb == chip.tcb
    assert verified.host_data == bytes(32)
    assert verified.policy_digest == strict_policy(chip).digest
    assert verified.checks == tuple(name for name, _ in module._CHECKS)
    assert len(verified.evidence_digest) == 48
    assert verified.not_before == chain.not_before


@pytest.mark.parametrize("version", [2, 3])
def test_older_reports_need_a_floor_that_says_so(version: int) -> None:
    policy = with_floor(GENOA, report_version=version, mitigations=0)
    assert Scene(GENOA, policy=policy, report=old_fields(version)).appraise().product is Product.GENOA


def test_product_line_without_floor() -> None:
    with pytest.raises(PolicyError, match="Genoa is not accepted"):
        Scene(GENOA, policy=strict_policy(TURIN)).appraise()


def test_another_chain() -> None:
    with pytest.raises(SignatureError):
        Scene(GENOA, other_chain=OTHER_GENOA).appraise()


def test_tcb_reserved_bytes() -> None:
    with pytest.raises(DecodeError, match="TCB_VERSION: reserved"):
        Scene(GENOA, report={"current_tcb": LEVELS.encode(Product.GENOA)[:2] + b"\1" + bytes(5)}).appraise()


def test_id_block_expected() -> None:
    block = IdBlock(
        id_key_digest=b"\1" * 48, author_key_digest=b"\2" * 48, family_id=b"\3" * 16, image_id=b"\4" * 16, guest_svn=7
    )
    report = {
        "id_key_digest": b"\1" * 48,
        "author_key_digest": b"\2" * 48,
        "family_id": b"\3" * 16,
        "image_id": b"\4" * 16,
        "guest_svn": 8,
        "flags": 1,
    }
    Scene(GENOA, policy=replace(strict_policy(GENOA), id_block=block), report=report).appraise()


def test_any_chip_is_said_out_loud() -> None:
    policy = strict_policy(GENOA, any_chip=True)
    assert Scene(OTHER_GENOA, policy=policy).appraise().chip_id == OTHER_GENOA.hwid


def test_either_rules() -> None:
    """A rule that leaves a bit open takes both values; the fixed bits stay fixed."""
    guest = replace(STRICT_GUEST, **dict.fromkeys(STRICT_GUEST._places, Rule.EITHER))
    platform = replace(STRICT_PLATFORM, **dict.fromkeys(STRICT_PLATFORM._places, Rule.EITHER))
    for value in (bit(17), GUEST_POLICY | bit(16) | bit(21)):
        guest.check(value)
    for value in (bit(5), 0xFF):
        platform.check(value)
    with pytest.raises(PolicyError, match=r"migration agent, debug$"):
        guest.check(bit(17) | bit(18) | bit(19))
    with pytest.raises(PolicyError, match="alias check"):
        platform.check(0)


@pytest.mark.parametrize("binding", [None, "x" * 64, b"", bytes(64), BINDING[:63], BINDING + b"\0", bytearray(BINDING)])
def test_binding_is_required(binding: Any) -> None:
    """CVE-2026-92702: nothing that stands for "no expectation" is taken, nor a report that is bound to zeros."""
    evidence = GENOA.report(measurement=MEASUREMENT, report_data=bytes(64))
    with pytest.raises(UsageError, match="64 bytes"):
        appraise(
            evidence,
            binding=bound(binding),
            policy=strict_policy(GENOA),
            chain=GENOA.chain(),
            logged=logged(),
            role=ROLE,
            revocations=NO_REVOCATIONS,
            at=AT,
        )


@pytest.mark.parametrize("change", [{"role": ""}, {"chain": None}, {"logged": None}, {"logged": "chain"}])
def test_arguments(change: dict[str, Any]) -> None:
    arguments: dict[str, Any] = {
        "binding": bound(BINDING),
        "revocations": NO_REVOCATIONS,
        "policy": strict_policy(GENOA),
        "chain": GENOA.chain(),
        "logged": logged(),
        "role": ROLE,
        "at": AT,
    }
    if change.get("logged") == "chain":
        change = {"logged": arguments["chain"]}
    evidence = GENOA.report(measurement=MEASUREMENT, report_data=BINDING)
    with pytest.raises(UsageError):
        appraise(evidence, **arguments | change)


def test_witnesses_are_not_made_by_hand() -> None:
    for kind in (VerifiedEvidence, VerifiedChain):
        with pytest.raises(UsageError):
            kind()


# req: privproc1/4.8 soonest-end
def test_end_is_the_earliest() -> None:
    assert Scene(GENOA).appraise().not_after == AT + 3600
    assert Scene(GENOA, log={"not_after": AT + 60}).appraise().not_after == AT + 60
    policy = replace(strict_policy(GENOA), max_age=0xFFFFFFFF)
    assert Scene(GENOA, policy=policy).appraise().not_after == GENOA.chain().not_after


def test_expect() -> None:
    verified = Scene(GENOA).appraise()
    verified.expect(BINDING, at=AT)
    verified.expect(BINDING, at=AT + 3599)
    with pytest.raises(ExpiredError):
        verified.expect(BINDING, at=AT + 3600)
    with pytest.raises(ExpiredError):
        verified.expect(BINDING, at=AT - 21 * DAY)
    with pytest.raises(UntrustedError, match="another session"):
        verified.expect(BINDING[:63] + b"\0", at=AT)
    for wrong in (b"", bytes(64), BINDING[:32]):
        with pytest.raises(UsageError):
            verified.expect(wrong, at=AT)


GOOD = GENOA.report(measurement=MEASUREMENT, report_data=BINDING)
CHAIN = GENOA.chain()
POLICY = strict_policy(GENOA)


def decide(evidence: bytes) -> VerifiedEvidence:
    return appraise(
        evidence,
        binding=bound(BINDING),
        policy=POLICY,
        chain=CHAIN,
        logged=logged(),
        role=ROLE,
        revocations=NO_REVOCATIONS,
        at=AT,
    )


@given(st.integers(0, len(GOOD) - 1), st.integers(1, 255))
def test_no_byte_can_change(offset: int, difference: int) -> None:
    changed = bytearray(GOOD)
    changed[offset] ^= difference
    with pytest.raises(PeerError):
        decide(bytes(changed))


@given(st.lists(st.tuples(st.integers(0, 0x29F), st.binary(min_size=1, max_size=16)), max_size=4))
def test_contract_of_signed_reports(patches: list[tuple[int, bytes]]) -> None:
    """Whatever a chip signs: a decision or a PeerError."""
    check_contract(decide, GENOA.report(measurement=MEASUREMENT, report_data=BINDING, patches=fit(patches)))


def fit(patches: list[tuple[int, bytes]]) -> dict[int, bytes]:
    return {offset: data[: 0x2A0 - offset] for offset, data in patches}


@given(st.binary(max_size=1300))
def test_contract_of_bytes(data: bytes) -> None:
    check_contract(decide, data)


def test_levels_are_compared_part_by_part() -> None:
    high = Tcb(bootloader=255, tee=255, snp=255, microcode=0)
    assert high.below(LEVELS) == ("microcode",)
    assert LEVELS.below(LEVELS) == ()
