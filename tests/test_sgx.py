"""Appraisal of SGX quotes: each check with a quote that fails it alone, and proof that it would pass without the check.

What TDX and SGX share has its finer cases in :mod:`.test_tdx`; here each shared check is shown to be at work for SGX.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from privproc.attestation import NO_REVOCATIONS, KeyBinding, Level, PinnedMeasurement, Rule
from privproc.attestation import VerifiedEvidence as AnyEvidence
from privproc.attestation.sgx import (
    AnyPlatform,
    Families,
    Identity,
    KeyEvidence,
    Memory,
    Policy,
    Processors,
    Quote,
    TcbStatus,
    UnboundEvidence,
    VerifiedEvidence,
    appraise,
    appraise_key,
    appraise_unbound,
    draft_policy,
    verify_collateral,
)
from privproc.attestation.sgx import appraisal as module
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
from tests.test_tdx_real import oracle
from tests.world import intel
from tests.world import sgx as world
from tests.world.amd import DAY
from tests.world.binding import bound
from tests.world.intel import COMPONENTS, FakeIntel, FakePlatform, key, name, sign_draft
from tests.world.sgx import FLAGS, XFRM, strict_policy

AT = 1_780_000_000
BINDING = b"privproc/1 bind\0" + bytes(range(48))
ROLE = "model"
INTEL = FakeIntel(AT)
PLATFORM = INTEL.platform()
OTHER = INTEL.platform(b"other")
POLICY = strict_policy(PLATFORM)
EVIDENCE = world.quote(PLATFORM, report_data=BINDING)
REPORT = Quote.decode(EVIDENCE).report
MEASUREMENT = POLICY.measurement(REPORT)
COLLATERAL = world.verified(INTEL)


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


def changed(base: dict[str, Any], *path: Any, to: Any) -> dict[str, Any]:
    """``base`` with the member at ``path`` replaced."""
    made = copy.deepcopy(base)
    place: Any = made
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = to
    return made


def info(*path: Any, to: Any) -> dict[str, Any]:
    return {"tcb_info": changed(world.tcb_info(INTEL), *path, to=to)}


def identity(*path: Any, to: Any) -> dict[str, Any]:
    return {"qe_identity": changed(world.qe_identity(INTEL), *path, to=to)}


@dataclass
class Scene:
    """An appraisal that succeeds, with what one test changes about it."""

    platform: FakePlatform = PLATFORM
    policy: Policy | None = None
    collateral: dict[str, Any] = field(default_factory=dict)
    log: dict[str, Any] = field(default_factory=dict)
    role: str = ROLE
    binding: bytes = BINDING
    at: int = AT
    quote: dict[str, Any] = field(default_factory=dict)

    @property
    def evidence(self) -> bytes:
        return world.quote(self.platform, **{"report_data": BINDING} | self.quote)

    def appraise(self) -> VerifiedEvidence:
        return appraise(
            self.evidence,
            binding=bound(self.binding),
            policy=self.policy or strict_policy(self.platform),
            collateral=world.verified(INTEL, **self.collateral),
            logged=logged(**self.log),
            role=self.role,
            revocations=NO_REVOCATIONS,
            at=self.at,
        )


MUTANTS: list[tuple[str, str, Scene, type[Exception], str]] = []
"""Check, name, scene, exception, reason. Each scene fails that check and no other."""


def mutant(check: str, name: str, error: type[Exception], reason: str, **scene: Any) -> None:
    MUTANTS.append((check, name, Scene(**scene), error, reason))


def lie(check: str, name: str, error: type[Exception], reason: str, **quote: Any) -> None:
    """The same for a quote that says, under good signatures, what it should not."""
    mutant(check, name, error, reason, quote=quote)


def pck(**changes: Any) -> dict[str, Any]:
    """Of a quote: a PCK certificate with these changes, well signed."""
    return {"pck": sign_draft(replace(PLATFORM.draft(), **changes), key("pck_ca"))}


def rules(**changes: Any) -> Policy:
    return replace(POLICY, tcb=replace(POLICY.tcb, **changes))


mutant("collateral-window", "tcb_expired", ExpiredError, "collateral is no longer", at=AT + 20 * DAY)
mutant("collateral-window", "tcb_issue_date_future", ExpiredError, "collateral is not valid yet", at=AT - 11 * DAY)
lie("pck-window", "late", ExpiredError, "PCK certificate is no longer", **pck(not_after=AT - 1))
lie("pck-profile", "name", UntrustedError, "not the name", **pck(subject=name("Intel SGX PCK Certificat")))
lie("pck-issuer", "key", SignatureError, "PCK certificate: signature", pck=sign_draft(PLATFORM.draft(), key("mallory")))
mutant(
    "pck-revocation",
    "revoked_platform",
    UntrustedError,
    "PCK certificate: revoked",
    collateral={"pck_crl": replace(INTEL.crl("pck_ca"), revoked=(1, PLATFORM.serial)).sign(key("pck_ca"))},
)
lie("qe-signature", "invalid_qe_report_signature", SignatureError, "QE report: signature", qe_signer=key("mallory"))
lie("attestation-key", "qe_report_hash_mismatch", UntrustedError, "another attestation", qe={"report_data": bytes(64)})
lie("attestation-key", "key", UntrustedError, "another attestation", signer=key("m"), attestation=key("m"))
lie("signature", "invalid_quote_signature", SignatureError, "quote: signature", signer=key("mallory"))

mutant("binding", "other", UntrustedError, "another session", binding=bytes(63) + b"\1")
lie("binding", "zero", UntrustedError, "another session", report_data=bytes(64))
lie("binding", "half", UntrustedError, "another session", report_data=BINDING[:32] + bytes(32))

lie("qe-identity", "qe_miscselect_mismatch", UntrustedError, "MISCSELECT", qe={"miscselect": b"\1\0\0\0"})
lie("qe-identity", "qe_attributes_mismatch", UntrustedError, "ATTRIBUTES", qe={"attributes": b"\x05" + bytes(15)})
lie("qe-identity", "qe_mrsigner_mismatch", UntrustedError, "MRSIGNER", qe={"mrsigner": bytes(32)})
lie("qe-identity", "tdx", UntrustedError, "ISVPRODID", qe={"isvprodid": 2})
mutant(
    "qe-debug",
    "qe_debug_enabled",
    UntrustedError,
    "may be debugged",
    collateral=identity("attributesMask", to="F9FFFFFFFFFFFFFF0000000000000000"),
    quote={"qe": {"attributes": b"\x17" + bytes(15)}},
)
mutant("family", "fmspc_mismatch", UntrustedError, "another family", collateral=info("fmspc", to="90C06F000001"))
mutant("family", "pceid", UntrustedError, "another family", collateral=info("pceId", to="0001"))

mutant("evaluation", "tcb", PolicyError, "evaluation number", collateral=info("tcbEvaluationDataNumber", to=17))
mutant("evaluation", "qe", PolicyError, "evaluation number", collateral=identity("tcbEvaluationDataNumber", to=17))
for which, status in {
    "out-of-date": "OutOfDate",
    "revoked_platform_tcb": "Revoked",
    "sw": "SWHardeningNeeded",
    "configuration": "ConfigurationNeeded",
    "both": "ConfigurationAndSWHardeningNeeded",
    "neither": "OutOfDateConfigurationNeeded",
}.items():
    mutant(
        "platform-tcb",
        which,
        PolicyError,
        f"platform: TCB is {status}$",
        collateral=info("tcbLevels", 0, "tcbStatus", to=status),
    )
mutant(
    "platform-tcb",
    "advisory",
    PolicyError,
    "platform: an advisory",
    collateral=info("tcbLevels", 0, "advisoryIDs", to=["INTEL-SA-00615"]),
)
mutant(
    "platform-tcb",
    "sgx_component_svn_mismatch",
    PolicyError,
    "platform: TCB is OutOfDate",
    platform=replace(PLATFORM, components=bytes((3, *COMPONENTS[1:]))),
)
mutant("platform-tcb", "pcesvn", PolicyError, "platform: TCB is OutOfDate", platform=replace(PLATFORM, pcesvn=12))
lie("qe-tcb", "out-of-date", PolicyError, "quoting enclave: TCB is OutOfDate", qe={"isvsvn": 3})
mutant(
    "qe-tcb",
    "revoked_qe_tcb",
    PolicyError,
    "quoting enclave: TCB is Revoked",
    collateral=identity("tcbLevels", 0, "tcbStatus", to="Revoked"),
)

mutant("platforms", "unlisted", PolicyError, "not on the list", policy=strict_policy(OTHER))
mutant("platforms", "ppid", PolicyError, "not on", policy=replace(POLICY, platforms=Processors((OTHER.ppid,))))
mutant("platforms", "family", PolicyError, "not on", policy=replace(POLICY, platforms=Families((b"\1" * 6,))))
for place, flag in enumerate(("dynamic_platform", "cached_keys", "smt")):
    mutant(
        "configuration",
        flag,
        PolicyError,
        f"configuration: {flag}$",
        platform=replace(PLATFORM, configuration=tuple(i == place for i in range(3))),
    )
mutant(
    "configuration",
    "unstated",
    PolicyError,
    "not stated",
    platform=replace(PLATFORM, configuration=None),
    policy=replace(POLICY, platforms=AnyPlatform()),
)

for kind in (0, 2, 3):
    mutant("memory", str(kind), PolicyError, "memory in another way", platform=replace(PLATFORM, sgx_type=kind))
mutant("memory", "asked", PolicyError, "memory in", policy=replace(POLICY, memory=frozenset({Memory.STANDARD})))

lie("attributes", "debug_sgx_v3", PolicyError, "attributes: debug$", flags=FLAGS | 2)
lie("attributes", "not-initialised", PolicyError, "attributes: INIT$", flags=FLAGS & ~1)
lie("attributes", "launch-key", PolicyError, "attributes: einittoken_key$", flags=FLAGS | 1 << 5)
lie("attributes", "32-bit", PolicyError, "attributes: mode64bit$", flags=FLAGS & ~4)
for which, place in {"provision_key": 4, "cet": 6, "kss": 7, "aex_notify": 10}.items():
    lie("attributes", which, PolicyError, f"attributes: {which}$", flags=FLAGS | 1 << place)
for place in (3, 8, 9, 11, 32, 63):
    lie("attributes", f"reserved-{place}", PolicyError, "unknown bits$", flags=FLAGS | 1 << place)
lie("xfrm", "more", PolicyError, "XFRM", xfrm=XFRM | 1 << 9)
lie("xfrm", "unknown", PolicyError, "XFRM", xfrm=XFRM | 1 << 63)
lie("xfrm", "less", PolicyError, "XFRM", xfrm=XFRM & ~1)
lie("miscselect", "exinfo", PolicyError, "MISCSELECT", miscselect=b"\1\0\0\0")
mutant(
    "miscselect",
    "beyond",
    PolicyError,
    "MISCSELECT",
    policy=replace(POLICY, miscselect=1),
    quote={"miscselect": b"\1\0\0\1"},
)

lie("product", "isvprodid", PolicyError, "ISVPRODID", isvprodid=8)
lie("product", "isvextprodid", PolicyError, "ISVEXTPRODID", isvextprodid=b"\1" * 16)
lie("product", "isvfamilyid", PolicyError, "ISVFAMILYID", isvfamilyid=b"\1" * 16)
mutant("product", "asked", PolicyError, "ISVFAMILYID", policy=replace(POLICY, isvfamilyid=b"\1" * 16))
lie("svn", "older", PolicyError, "ISVSVN is under", isvsvn=2)
mutant("svn", "asked", PolicyError, "ISVSVN is under", policy=replace(POLICY, isvsvn=4))
lie("config", "id", PolicyError, "CONFIGID differs", configid=b"\1" * 64)
mutant("config", "no-id", PolicyError, "CONFIGID differs", policy=replace(POLICY, configid=b"\1" * 64))
mutant("config", "older", PolicyError, "CONFIGSVN is under", policy=replace(POLICY, configsvn=1))

mutant("role", "other", UntrustedError, "another role", log={"role": "model-test"})
lie("log", "mrenclave", UntrustedError, "another digest", mrenclave=b"\1" * 32)
mutant("log", "by-signer", UntrustedError, "another digest", policy=replace(POLICY, identity=Identity.SIGNER))
mutant("log", "expired", ExpiredError, "log entry", log={"not_after": AT})

CASES = [pytest.param(check, *rest, id=f"{check}-{name}") for check, name, *rest in MUTANTS]


@pytest.mark.parametrize(("check", "scene", "error", "reason"), CASES)
def test_refused(check: str, scene: Scene, error: type[Exception], reason: str) -> None:
    with pytest.raises(error, match=reason) as raised:
        scene.appraise()
    assert type(raised.value) is error
    assert raised.value.check == check


@pytest.mark.parametrize(("check", "scene", "error", "reason"), CASES)
def test_only_that_check_refuses(
    check: str, scene: Scene, error: type[Exception], reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the check the same quote is accepted: no check is redundant, and no mutant fails by accident."""
    monkeypatch.setattr(module, "_CHECKS", tuple(entry for entry in module._CHECKS if entry[0] != check))
    assert check not in scene.appraise().checks


def test_every_check_has_a_mutant() -> None:
    assert {entry[0] for entry in MUTANTS} == {name for name, _ in module._CHECKS}


@pytest.mark.parametrize("version", [3, 4])
def test_accepted(version: int) -> None:
    verified = Scene(quote={"version": version}).appraise()
    assert isinstance(verified, AnyEvidence)
    assert verified.measurement == MEASUREMENT
    assert verified.binding == BINDING
    assert verified.policy_digest == POLICY.digest
    assert verified.checks == tuple(name for name, _ in module._CHECKS)
    assert (verified.platform.ppid, verified.platform.piid) == (PLATFORM.ppid, PLATFORM.piid)
    assert (verified.mrenclave, verified.mrsigner) == (world.MRENCLAVE, world.MRSIGNER)
    assert (verified.isvsvn, verified.cpusvn) == (3, world.CPUSVN)
    assert [level.status for level in verified.levels] == [TcbStatus.UP_TO_DATE] * 2
    assert (verified.not_before, verified.not_after) == (COLLATERAL.not_before, AT + 3600)
    verified.expect(BINDING, at=AT)


def test_what_a_policy_may_leave_open() -> None:
    """Later versions, and what the policy says explicitly."""
    for quote in ({"isvsvn": 4}, {"isvsvn": 0xFFFF}, {"configsvn": 9}, {"xfrm": 3}, {"mrsigner": b"\1" * 32}):
        Scene(quote=quote).appraise()
    Scene(quote={"miscselect": b"\1\0\0\0"}, policy=replace(POLICY, miscselect=1)).appraise()
    for flag, place in {"cet": 6, "kss": 7, "aex_notify": 10, "provision_key": 4}.items():
        chosen = replace(POLICY, enclave=replace(POLICY.enclave, **{flag: Rule.EITHER}))
        for flags in (FLAGS, FLAGS | 1 << place):
            Scene(quote={"flags": flags}, policy=chosen).appraise()
    Scene(
        collateral=info("tcbLevels", 0, "tcbStatus", to="SWHardeningNeeded"),
        policy=rules(statuses=frozenset({TcbStatus.UP_TO_DATE, TcbStatus.SW_HARDENING_NEEDED})),
    ).appraise()
    for memory in Memory:
        both = frozenset({memory, Memory.STANDARD})
        Scene(platform=replace(PLATFORM, sgx_type=memory.value), policy=replace(POLICY, memory=both)).appraise()
    Scene(collateral=info("tcbLevels", 0, "tcbStatus", to="OutOfDate"), policy=rules(grace=100 * DAY + 1)).appraise()


def test_identity_by_signer() -> None:
    """Any enclave of the signer's product is the same program; another signer's or product's isn't."""
    policy = replace(POLICY, identity=Identity.SIGNER)
    measured = policy.measurement(REPORT)
    assert measured != MEASUREMENT
    for mrenclave in (world.MRENCLAVE, b"\1" * 32):
        Scene(policy=policy, quote={"mrenclave": mrenclave}, log={"digest": measured}).appraise()
    with pytest.raises(UntrustedError, match="another digest"):
        Scene(policy=policy, quote={"mrsigner": b"\1" * 32}, log={"digest": measured}).appraise()
    for which, value in (("isvprodid", 8), ("isvextprodid", b"\1" * 16), ("isvfamilyid", b"\1" * 16)):
        with pytest.raises(UntrustedError, match="another digest"):
            Scene(policy=replace(policy, **{which: value}), quote={which: value}, log={"digest": measured}).appraise()


def test_no_level_is_reached() -> None:
    with pytest.raises(PolicyError, match="platform: its versions reach no TCB level"):
        Scene(platform=replace(PLATFORM, pcesvn=4)).appraise()
    with pytest.raises(PolicyError, match="quoting enclave: its versions"):
        Scene(quote={"qe": {"isvsvn": 1}}).appraise()


@pytest.mark.parametrize("index", range(16))
def test_each_component_counts(index: int) -> None:
    levels = copy.deepcopy(world.tcb_info(INTEL)["tcbLevels"][:1])
    for part in levels[0]["tcb"]["sgxtcbcomponents"]:
        part["svn"] = 9
    collateral = {"tcb_info": world.tcb_info(INTEL) | {"tcbLevels": levels}}
    high = bytearray(b"\xff" * 16)
    Scene(platform=replace(PLATFORM, components=bytes(high)), collateral=collateral).appraise()
    high[index] = 8
    with pytest.raises(PolicyError, match="platform: its versions"):
        Scene(platform=replace(PLATFORM, components=bytes(high)), collateral=collateral).appraise()


def test_collateral_of_tdx() -> None:
    """What Intel says of TDX says nothing of SGX, nor the other way round; one part of each is no collateral."""
    from privproc.attestation import tdx

    about_tdx, about_sgx = INTEL.collateral(), world.collateral(INTEL)
    with pytest.raises(UnsupportedError, match="TCB info: not version 3 of type 0 for SGX"):
        verify_collateral(about_tdx, roots=INTEL.roots, at=AT)
    with pytest.raises(UnsupportedError, match="TCB info: not version 3 of type 0 for TDX"):
        tdx.verify_collateral(about_sgx, roots=INTEL.roots, at=AT)
    mixed = {
        "qe_identity": about_tdx.qe_identity,
        "qe_identity_signature": about_tdx.qe_identity_signature,
    }
    with pytest.raises(UnsupportedError, match="QE identity: not version 2 for SGX"):
        verify_collateral(replace(about_sgx, **mixed), roots=INTEL.roots, at=AT)
    with pytest.raises(UsageError, match="collateral is made by"):
        appraise_unbound(
            EVIDENCE,
            policy=POLICY,
            collateral=INTEL.verified(),
            logged=logged(),
            role=ROLE,
            revocations=NO_REVOCATIONS,
            at=AT,
        )


def test_levels() -> None:
    arguments: dict[str, Any] = {
        "policy": POLICY,
        "collateral": COLLATERAL,
        "logged": PinnedMeasurement(MEASUREMENT),
        "role": ROLE,
        "revocations": NO_REVOCATIONS,
        "at": AT,
    }
    found = appraise_key(EVIDENCE, binding=KeyBinding(BINDING), **arguments)
    assert (type(found), found.level) == (KeyEvidence, Level.KEY)
    with pytest.raises(UntrustedError, match="another session"):
        appraise_key(EVIDENCE, binding=KeyBinding(bytes(63) + b"\1"), **arguments)
    unbound = appraise_unbound(EVIDENCE, **arguments)
    assert (type(unbound), unbound.level) == (UnboundEvidence, Level.NONE)
    assert "binding" not in unbound.checks
    with pytest.raises(UsageError):
        appraise(EVIDENCE, binding=bound(BINDING), **arguments)


def test_draft() -> None:
    policy = draft_policy(EVIDENCE, collateral=COLLATERAL, max_age=3600, at=AT)
    assert policy == POLICY
    accepted = Scene(policy=policy).appraise()
    assert accepted.measurement == MEASUREMENT
    for collateral, max_age in ((INTEL.verified(), 1), (None, 1), (COLLATERAL, 0)):
        with pytest.raises(UsageError, match="collateral is made by"):
            draft_policy(EVIDENCE, collateral=collateral, max_age=max_age, at=AT)  # type: ignore[arg-type]
    for quote, reason in (({"flags": FLAGS | 2}, "debug"), ({"xfrm": 1}, "no draft accepts")):
        with pytest.raises(PolicyError, match=reason):
            draft_policy(Scene(quote=quote).evidence, collateral=COLLATERAL, max_age=1, at=AT)
    with pytest.raises(PolicyError, match="no draft accepts"):
        draft_policy(Scene(platform=replace(PLATFORM, sgx_type=3)).evidence, collateral=COLLATERAL, max_age=1, at=AT)
    alone = replace(PLATFORM, configuration=None)
    by_ppid = draft_policy(Scene(platform=alone).evidence, collateral=COLLATERAL, max_age=1, at=AT)
    assert by_ppid.platforms == Processors((alone.ppid,))
    with pytest.raises(SignatureError):
        draft_policy(Scene(quote={"signer": key("m")}).evidence, collateral=COLLATERAL, max_age=1, at=AT)


def decide(evidence: bytes) -> VerifiedEvidence:
    return appraise(
        evidence,
        binding=bound(BINDING),
        policy=POLICY,
        collateral=COLLATERAL,
        logged=logged(),
        role=ROLE,
        revocations=NO_REVOCATIONS,
        at=AT,
    )


@pytest.mark.parametrize("version", [3, 4])
def test_no_byte_can_change(version: int) -> None:
    """Each byte of a quote is signed, hashed, compared or a length; no flipped bit is accepted."""
    good = Scene(quote={"version": version}).evidence
    decide(good)
    for offset in range(0, len(good), 1 if version == 3 else 7):
        flipped = bytearray(good)
        flipped[offset] ^= 1 << offset % 8
        with pytest.raises(PeerError):
            decide(bytes(flipped))


@given(st.integers(0, len(EVIDENCE)), st.binary(max_size=40))
def test_contract(cut: int, tail: bytes) -> None:
    check_contract(decide, EVIDENCE[:cut] + tail)
    check_contract(decide, EVIDENCE[:cut] + tail + EVIDENCE[cut + len(tail) :])


@given(st.binary(min_size=384, max_size=384))
def test_contract_of_signed_reports(body: bytes) -> None:
    """Whatever genuine hardware signs gives evidence or a PeerError."""
    data = EVIDENCE[:48] + body
    outer = intel.raw_signature(PLATFORM.attestation, data)
    check_contract(decide, data + EVIDENCE[432:436] + outer + EVIDENCE[500:])


def test_keys_that_are_no_points() -> None:
    at = EVIDENCE.index(intel.point(PLATFORM.attestation))
    with pytest.raises(UntrustedError, match="another attestation key"):
        decide(EVIDENCE[:at] + bytes(64) + EVIDENCE[at + 64 :])


# -- the oracle


def test_oracle_on_generated_quotes() -> None:
    """dcap-qvl accepts what the maker in tests/world makes, and judges its levels as this library does. It takes SGX in
    version 3 only, Intel's own library also in version 4."""
    root = INTEL.certificate("root")
    for platform, expected in ((PLATFORM, "UpToDate"), (replace(PLATFORM, pcesvn=12), "OutOfDate")):
        scene = Scene(platform=platform)
        assert oracle(scene.evidence, world.collateral(INTEL), AT, root) == expected
        if expected == "UpToDate":
            assert scene.appraise().levels[0].status.value == expected
        else:
            with pytest.raises(PolicyError, match=expected):
                scene.appraise()
    assert oracle(Scene(quote={"version": 4}).evidence, world.collateral(INTEL), AT, root) == "refused"


# What dcap-qvl leaves to its caller, to a policy, or doesn't demand: we refuse, it doesn't.
OURS_ALONE = {
    "binding", "platforms", "configuration", "role", "log", "xfrm", "evaluation", "platform-tcb", "qe-tcb", "product",
    "svn", "config", "miscselect", "memory",
}  # fmt: skip

KNOWN_DIFFERENCES = {
    "family-pceid",  # Intel's library compares it, dcap-qvl doesn't
    "pck-profile-name",  # it asks for no name of the leaf
}


def test_oracle_on_mutants() -> None:
    """What only we demand aside, dcap-qvl refuses each mutant too; of attributes, debug alone."""
    root = INTEL.certificate("root")
    differing = set()
    for check, which, scene, *_ in MUTANTS:
        if check in OURS_ALONE or (check == "attributes" and which != "debug_sgx_v3"):
            continue
        if oracle(scene.evidence, world.collateral(INTEL, **scene.collateral), scene.at, root) != "refused":
            differing.add(f"{check}-{which}")
    assert differing == KNOWN_DIFFERENCES


def test_decode_error_says_where() -> None:
    with pytest.raises(DecodeError) as raised:
        decide(EVIDENCE[:-1])
    assert raised.value.check == "decode"
