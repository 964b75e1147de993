"""Appraisal of TDX quotes: each check with a quote that fails it alone, and proof that it would pass without the check.

The names of mutants are, where there is one, those of dcap-qvl's generated samples.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from privproc.attestation import NO_REVOCATIONS, Rule
from privproc.attestation import VerifiedEvidence as AnyEvidence
from privproc.attestation.dcap import appraisal as dcap
from privproc.attestation.tdx import (
    AnyPlatform,
    Families,
    Platforms,
    Policy,
    Processors,
    Quote,
    Register,
    TcbStatus,
    VerifiedEvidence,
    appraise,
)
from privproc.attestation.tdx import appraisal as module
from privproc.errors import (
    DecodeError,
    ExpiredError,
    PeerError,
    PolicyError,
    SignatureError,
    UntrustedError,
    UsageError,
)
from privproc.ledger import Logged
from tests.codec import check_contract
from tests.world import intel as world
from tests.world.amd import DAY, extension, integer
from tests.world.binding import bound
from tests.world.intel import (
    ATTRIBUTES,
    COMPONENTS,
    XFAM,
    FakeIntel,
    FakePlatform,
    key,
    name,
    pem,
    profile,
    sign_draft,
    strict_policy,
)

AT = 1_780_000_000
BINDING = b"privproc/1 bind\0" + bytes(range(48))
ROLE = "model"
INTEL = FakeIntel(AT)
PLATFORM = INTEL.platform()
OTHER = INTEL.platform(b"other")
POLICY = strict_policy(PLATFORM)


def default_measurement(registers: tuple[Register, ...] = POLICY.registers) -> bytes:
    return Policy.measurement(
        replace(POLICY, registers=registers), Quote.decode(PLATFORM.quote(report_data=BINDING)).report
    )


MEASUREMENT = default_measurement()


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
    return {"tcb_info": changed(INTEL.tcb_info(), *path, to=to)}


def identity(*path: Any, to: Any) -> dict[str, Any]:
    return {"qe_identity": changed(INTEL.qe_identity(), *path, to=to)}


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
    evidence: bytes | None = None

    def appraise(self) -> VerifiedEvidence:
        return appraise(
            self.evidence or self.platform.quote(**{"report_data": BINDING} | self.quote),
            binding=bound(self.binding),
            policy=self.policy or strict_policy(self.platform),
            collateral=INTEL.verified(**self.collateral),
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


def pck(platform: FakePlatform = PLATFORM, **changes: Any) -> dict[str, Any]:
    """Of a quote: a PCK certificate with these changes, well signed."""
    return {"pck": sign_draft(replace(platform.draft(), **changes), key("pck_ca"))}


def rules(**changes: Any) -> Policy:
    return replace(POLICY, tcb=replace(POLICY.tcb, **changes))


def little(value: int) -> bytes:
    return value.to_bytes(8, "little")


def svn(*parts: int) -> bytes:
    return bytes(parts).ljust(16, b"\0")


SGX_EXTENSION = PLATFORM.draft().extensions[-1]
LEVELS = INTEL.tcb_info()["tcbLevels"]

mutant("collateral-window", "tcb_expired", ExpiredError, "collateral is no longer", at=AT + 20 * DAY)
mutant("collateral-window", "tcb_issue_date_future", ExpiredError, "collateral is not valid yet", at=AT - 11 * DAY)
lie("pck-window", "late", ExpiredError, "PCK certificate is no longer", **pck(not_after=AT - 1))
lie("pck-window", "early", ExpiredError, "PCK certificate is not valid yet", **pck(not_before=AT + 1))

lie("pck-profile", "name", UntrustedError, "not the name", **pck(subject=name("Intel SGX PCK Certificat")))
lie(
    "pck-profile",
    "ca_used_as_end_entity_qe",
    UntrustedError,
    "not the certificate of a signer",
    **pck(extensions=[*profile("30030101ff", "030206c0"), SGX_EXTENSION]),
)
lie(
    "pck-profile",
    "usage",
    UntrustedError,
    "not the certificate of a signer",
    **pck(extensions=[*profile("3000", "03020106"), SGX_EXTENSION]),
)
lie(
    "pck-profile",
    "critical",
    UntrustedError,
    "critical extension",
    **pck(extensions=[*profile("3000", "030206c0"), extension("551d1e", b"\x30\0", critical=True), SGX_EXTENSION]),
)

lie("pck-issuer", "key", SignatureError, "PCK certificate: signature", pck=sign_draft(PLATFORM.draft(), key("mallory")))
lie("pck-issuer", "name", UntrustedError, "issued by another name", **pck(issuer=name("Intel SGX PCK Processor CA")))

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
lie("attestation-key", "tail", UntrustedError, "another attestation", qe={"report_data": b"\1" * 64})
lie("signature", "invalid_quote_signature", SignatureError, "quote: signature", signer=key("mallory"))

mutant("binding", "other", UntrustedError, "another session", binding=bytes(63) + b"\1")
lie("binding", "zero", UntrustedError, "another session", report_data=bytes(64))
lie("binding", "half", UntrustedError, "another session", report_data=BINDING[:32] + bytes(32))

lie("qe-identity", "qe_miscselect_mismatch", UntrustedError, "MISCSELECT", qe={"miscselect": b"\1\0\0\0"})
lie("qe-identity", "qe_attributes_mismatch", UntrustedError, "ATTRIBUTES", qe={"attributes": b"\x05" + bytes(15)})
lie("qe-identity", "qe_mrsigner_mismatch", UntrustedError, "MRSIGNER", qe={"mrsigner": bytes(32)})
lie("qe-identity", "qe_isvprodid_mismatch", UntrustedError, "ISVPRODID", qe={"isvprodid": 1})
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

lie("module", "mrsigner", UntrustedError, "TDX module: MRSIGNERSEAM", mrsignerseam=b"\1" * 48)
mutant(
    "module",
    "attributes",
    UntrustedError,
    "SEAMATTRIBUTES",
    collateral=info("tdxModuleIdentities", 1, "attributes", to="01" + "00" * 7),
)
mutant(
    "module",
    "1.0",
    UntrustedError,
    "MRSIGNERSEAM",
    collateral=info("tdxModule", "mrsigner", to="01" * 48),
    quote={"version": 4, "kind": 2, "tee_tcb_svn": svn(5, 0, 4)},
)
mutant(
    "module-debug",
    "masked",
    UntrustedError,
    "such as debug",
    collateral=info("tdxModuleIdentities", 1, "attributesMask", to="00" * 8),
    quote={"seam_attributes": b"\1" + bytes(7)},
)

mutant("evaluation", "tcb", PolicyError, "evaluation number", collateral=info("tcbEvaluationDataNumber", to=17))
mutant("evaluation", "qe", PolicyError, "evaluation number", collateral=identity("tcbEvaluationDataNumber", to=17))

for which, path in {
    "out-of-date": "OutOfDate",
    "revoked_platform_tcb": "Revoked",
    "sw": "SWHardeningNeeded",
    "configuration": "ConfigurationNeeded",
}.items():
    mutant(
        "platform-tcb",
        which,
        PolicyError,
        f"platform: TCB is {path}",
        collateral=info("tcbLevels", 0, "tcbStatus", to=path),
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
lie("platform-tcb", "tdx_component_svn_mismatch", PolicyError, "TCB is OutOfDate", tee_tcb_svn=svn(6, 1, 3))
lie("platform-tcb", "now", PolicyError, "platform: TCB is OutOfDate", tee_tcb_svn_2=svn(6, 1, 3))
mutant(
    "platform-tcb",
    "1.0",
    PolicyError,
    "platform: TCB is OutOfDate",
    quote={"version": 4, "kind": 2, "tee_tcb_svn": svn(4, 0, 4)},
)

lie("module-tcb", "launch", PolicyError, "TDX module: TCB is OutOfDate", tee_tcb_svn=svn(5, 1, 4))
lie("module-tcb", "now", PolicyError, "TDX module: TCB is OutOfDate", tee_tcb_svn_2=svn(5, 1, 4))
mutant(
    "module-tcb",
    "revoked",
    PolicyError,
    "TDX module: TCB is Revoked",
    collateral=info("tdxModuleIdentities", 1, "tcbLevels", 0, "tcbStatus", to="Revoked"),
)
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
mutant(
    "platforms",
    "no-piid",
    PolicyError,
    "not on the list",
    platform=replace(PLATFORM, configuration=None),
    policy=replace(
        POLICY, configuration=replace(POLICY.configuration, **dict.fromkeys(POLICY.configuration._places, Rule.EITHER))
    ),
)
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

for which, place in {"debug": 0, "migratable": 29, "lass": 27, "pks": 30, "kl": 31, "perfmon": 63}.items():
    lie("attributes", f"tdx_{which}_enabled", PolicyError, f": {which}$", attributes=little(ATTRIBUTES | 1 << place))
lie("attributes", "tdx_sept_ve_disabled", PolicyError, ": SEPT_VE_DISABLE$", attributes=bytes(8))
for place in (1, 4, 7, 8, 16, 26, 32, 62):
    lie(
        "attributes",
        f"tdx_reserved_bits_set-{place}",
        PolicyError,
        "unknown bits$",
        attributes=little(ATTRIBUTES | 1 << place),
    )

lie("xfam", "more", PolicyError, "XFAM", xfam=little(XFAM | 1 << 11))
lie("xfam", "unknown", PolicyError, "XFAM", xfam=little(XFAM | 1 << 63))
lie("xfam", "less", PolicyError, "XFAM", xfam=little(XFAM & ~2))
lie("service", "bound", PolicyError, "migration service", mrservicetd=b"\1" * 48)
for which in ("mrconfigid", "mrowner", "mrownerconfig"):
    lie("owner", which, PolicyError, which.upper(), **{which: b"\1" * 48})
    mutant("owner", f"no-{which}", PolicyError, which.upper(), policy=replace(POLICY, **{which: b"\1" * 48}))
lie("registers", "rtmr3", PolicyError, "RTMR3 was extended", rtmrs=b"".join(world.RTMRS[:3]) + b"\1" * 48)

mutant("role", "other", UntrustedError, "another role", log={"role": "model-test"})
mutant("role", "asked", UntrustedError, "another role", role="gateway")
lie("log", "mrtd", UntrustedError, "another digest", mrtd=b"\1" * 48)
for index in range(3):
    lie(
        "log",
        f"rtmr{index}",
        UntrustedError,
        "another digest",
        rtmrs=bytes(48 * index) + b"".join(world.RTMRS[index:]) if index else b"\1" * 48 + b"".join(world.RTMRS[1:]),
    )
mutant("log", "expired", ExpiredError, "log entry", log={"not_after": AT})
mutant(
    "log",
    "registers",
    UntrustedError,
    "another digest",
    policy=replace(POLICY, registers=(Register.LOGGED, Register.LOGGED, Register.OPEN, Register.ZERO)),
)

CASES = [pytest.param(check, *rest, id=f"{check}-{name}") for check, name, *rest in MUTANTS]


@pytest.mark.parametrize(("check", "scene", "error", "reason"), CASES)
def test_refused(check: str, scene: Scene, error: type[Exception], reason: str) -> None:
    with pytest.raises(error, match=reason) as raised:
        scene.appraise()
    assert type(raised.value) is error


@pytest.mark.parametrize(("check", "scene", "error", "reason"), CASES)
def test_only_that_check_refuses(
    check: str, scene: Scene, error: type[Exception], reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the check the same quote is accepted: no check is redundant, and no mutant fails by accident."""
    monkeypatch.setattr(module, "_CHECKS", tuple(entry for entry in module._CHECKS if entry[0] != check))
    assert check not in scene.appraise().checks


def test_every_check_has_a_mutant() -> None:
    assert {entry[0] for entry in MUTANTS} == {name for name, _ in module._CHECKS}


@pytest.mark.parametrize(
    ("version", "kind", "major"), [(4, 2, 0), (4, 2, 1), (5, 2, 0), (5, 2, 1), (5, 3, 1), (5, 3, 3)]
)
def test_accepted(version: int, kind: int, major: int) -> None:
    versions = svn(6, major, 4)
    quote = {"version": version, "kind": kind, "tee_tcb_svn": versions, "tee_tcb_svn_2": versions}
    verified = Scene(quote=quote).appraise()
    collateral = INTEL.verified()
    assert isinstance(verified, AnyEvidence)
    assert verified.measurement == MEASUREMENT
    assert verified.binding == BINDING
    assert verified.role == ROLE
    assert verified.policy_digest == POLICY.digest
    assert verified.checks == tuple(name for name, _ in module._CHECKS)
    assert (verified.platform.ppid, verified.platform.piid) == (PLATFORM.ppid, PLATFORM.piid)
    assert verified.platform.fmspc == world.FMSPC
    assert (verified.mrtd, verified.rtmrs) == (world.MRTD, world.RTMRS)
    assert {level.status for level in verified.levels} == {TcbStatus.UP_TO_DATE}
    assert len(verified.evidence_digest) == 48
    assert len(verified.pck_fingerprint) == 32
    assert verified.not_before == collateral.not_before
    verified.expect(BINDING, at=AT)


def test_measurement_is_of_the_chosen_registers() -> None:
    seen = {MEASUREMENT}
    for registers in (
        (Register.LOGGED,) * 4,
        (Register.OPEN,) * 4,
        (Register.LOGGED, Register.LOGGED, Register.OPEN, Register.ZERO),
    ):
        measured = default_measurement(registers)
        assert len(measured) == 48
        assert measured not in seen
        seen.add(measured)
        policy = replace(POLICY, registers=registers)
        assert Scene(policy=policy, log={"digest": measured}).appraise().measurement == measured


def test_an_open_register_takes_anything() -> None:
    registers = (*POLICY.registers[:3], Register.OPEN)
    policy = replace(POLICY, registers=registers)
    quote = {"rtmrs": b"".join(world.RTMRS[:3]) + b"\7" * 48}
    assert Scene(policy=policy, quote=quote).appraise().rtmrs[3] == b"\7" * 48


def test_ends() -> None:
    assert Scene().appraise().not_after == AT + 3600
    assert Scene(log={"not_after": AT + 60}).appraise().not_after == AT + 60
    late = replace(POLICY, max_age=9000 * DAY)
    assert Scene(policy=late).appraise().not_after == AT + 20 * DAY
    assert Scene(policy=late, quote=pck(not_after=AT + 99)).appraise().not_after == AT + 100
    assert Scene(quote=pck(not_before=AT - 5)).appraise().not_before == AT - 5


@pytest.mark.parametrize(
    ("status", "changes", "accepted"),
    [
        ("SWHardeningNeeded", {"statuses": {TcbStatus.SW_HARDENING_NEEDED}}, True),
        ("SWHardeningNeeded", {"statuses": {TcbStatus.CONFIGURATION_NEEDED}}, False),
        ("ConfigurationNeeded", {"statuses": {TcbStatus.CONFIGURATION_NEEDED}}, True),
        ("OutOfDate", {"grace": 100 * DAY + 1}, True),
        ("OutOfDate", {"grace": 100 * DAY}, False),
        ("OutOfDateConfigurationNeeded", {"grace": 101 * DAY}, False),
        (
            "OutOfDateConfigurationNeeded",
            {"grace": 101 * DAY, "statuses": {TcbStatus.CONFIGURATION_NEEDED}},
            True,
        ),
        ("OutOfDateConfigurationNeeded", {"statuses": {TcbStatus.CONFIGURATION_NEEDED}}, False),
        ("Revoked", {"grace": (1 << 32) - 1, "statuses": set(TcbStatus)}, False),
    ],
)
def test_tcb_rules(status: str, changes: dict[str, Any], accepted: bool) -> None:
    """What a policy says explicitly, and no more, is accepted."""
    possible = {s for s in TcbStatus if "OUT_OF_DATE" not in s.name and s is not TcbStatus.REVOKED}
    statuses = frozenset({TcbStatus.UP_TO_DATE, *changes.get("statuses", ())} & possible)
    scene = Scene(
        policy=rules(statuses=statuses, grace=changes.get("grace", 0)),
        collateral=info("tcbLevels", 0, "tcbStatus", to=status),
    )
    if accepted:
        assert scene.appraise().levels[0].status.value == status
    else:
        with pytest.raises(PolicyError, match=f"TCB is {status}"):
            scene.appraise()


def test_accepted_advisories() -> None:
    scene = Scene(
        collateral=info("tcbLevels", 0, "advisoryIDs", to=["A", "B"]), policy=rules(advisories=frozenset({"A", "B"}))
    )
    assert scene.appraise().levels[0].advisories == ("A", "B")
    scene.policy = rules(advisories=frozenset({"A", "b"}))
    with pytest.raises(PolicyError, match="advisory"):
        scene.appraise()


def test_no_level_is_reached() -> None:
    """sgx_tcb_id_mismatch and its kin: platforms, modules and enclaves below everything that Intel lists."""
    with pytest.raises(PolicyError, match="platform: its versions reach no TCB level"):
        Scene(platform=replace(PLATFORM, pcesvn=4)).appraise()
    with pytest.raises(PolicyError, match="TDX module: its versions"):
        Scene(quote={"tee_tcb_svn": svn(3, 1, 4)}).appraise()
    with pytest.raises(PolicyError, match="quoting enclave: its versions"):
        Scene(quote={"qe": {"isvsvn": 1}}).appraise()
    with pytest.raises(UntrustedError, match="Intel names none"):
        Scene(quote={"tee_tcb_svn": svn(6, 2, 4)}).appraise()


@pytest.mark.parametrize("index", range(16))
def test_each_component_counts(index: int) -> None:
    """dcap-qvl compared the versions as strings of bytes once: a high early one hid a low later one."""
    high = bytearray(b"\xff" * 16)
    levels = copy.deepcopy(LEVELS[:1])
    for part in levels[0]["tcb"]["sgxtcbcomponents"] + levels[0]["tcb"]["tdxtcbcomponents"]:
        part["svn"] = 9
    collateral = {"tcb_info": INTEL.tcb_info() | {"tcbLevels": levels}}
    policy = replace(POLICY, platforms=AnyPlatform())
    module_svn = svn(6, 1, *[255] * 14)
    high[index] = 8
    with pytest.raises(PolicyError, match="platform: its versions"):
        Scene(
            platform=replace(PLATFORM, components=bytes(high)),
            policy=policy,
            collateral=collateral,
            quote={"tee_tcb_svn": module_svn, "tee_tcb_svn_2": module_svn},
        ).appraise()
    all_high = replace(PLATFORM, components=b"\xff" * 16)
    lowered = bytearray(module_svn)
    if index >= 2:
        lowered[index] = 8
        with pytest.raises(PolicyError, match="platform: its versions"):
            Scene(
                platform=all_high,
                policy=policy,
                collateral=collateral,
                quote={"tee_tcb_svn": bytes(lowered), "tee_tcb_svn_2": module_svn},
            ).appraise()
    accepted = {"tee_tcb_svn": module_svn, "tee_tcb_svn_2": module_svn}
    assert Scene(platform=all_high, policy=policy, collateral=collateral, quote=accepted).appraise()


def test_platform_lists() -> None:
    for platforms in (
        AnyPlatform(),
        Families((world.FMSPC,)),
        Processors((PLATFORM.ppid, OTHER.ppid)),
        Platforms((PLATFORM.piid,)),
    ):
        Scene(policy=replace(POLICY, platforms=platforms)).appraise()


def test_another_collateral() -> None:
    """A genuine quote beside collateral of another authority, by its certificates or by their text."""
    for draft in (
        replace(INTEL.draft("pck_ca"), serial=integer(1)),
        replace(INTEL.draft("pck_ca"), subject=name("Intel SGX PCK Processor CA")),
    ):
        ca = sign_draft(draft, key("root"))
        crl = replace(INTEL.crl("pck_ca"), issuer=draft.subject).sign(key("pck_ca"))
        with pytest.raises(UntrustedError, match="another authority"):
            Scene(collateral={"pck_ca": ca, "pck_crl": crl}).appraise()


CHAIN = b"".join(map(pem, (PLATFORM.certificate(), INTEL.certificate("pck_ca"), INTEL.certificate("root"))))


@pytest.mark.parametrize("tail", [b"", b"\0"])
def test_chain_text(tail: bytes) -> None:
    Scene(quote={"chain": CHAIN + tail}).appraise()


@pytest.mark.parametrize(
    ("chain", "error"),
    {
        "empty": (b"", UntrustedError),
        "short_tcb_chain": (pem(PLATFORM.certificate()), UntrustedError),
        "no-leaf": (CHAIN[len(pem(PLATFORM.certificate())) :], DecodeError),
        "two-leaves": (pem(PLATFORM.certificate()) + CHAIN, DecodeError),
        "nuls": (CHAIN + b"\0\0", UntrustedError),
        "space": (b" " + CHAIN, DecodeError),
        "crlf": (CHAIN.replace(b"\n", b"\r\n", 3), DecodeError),
        "long-line": (CHAIN.replace(b"\n", b"", 2), DecodeError),
        "not-base64": (CHAIN.replace(b"A", b"?", 1), DecodeError),
        "padding": (CHAIN.replace(b"=\n", b"\n", 1), (DecodeError, UntrustedError)),
        "long": (b"A" * 9000 + CHAIN, DecodeError),
    }.values(),
)
def test_other_chain_texts(chain: bytes, error: Any) -> None:
    with pytest.raises(error):
        Scene(quote={"chain": chain}).appraise()


@pytest.mark.parametrize("binding", [None, "x" * 64, b"", bytes(64), BINDING[:63], BINDING + b"\0", bytearray(BINDING)])
def test_binding_is_required(binding: Any) -> None:
    """CVE-2026-92701: nothing that stands for "no expectation" is taken, nor a quote that is bound to zeros."""
    with pytest.raises(UsageError, match="64 bytes"):
        Scene(binding=binding, quote={"report_data": bytes(64)}).appraise()


@pytest.mark.parametrize("change", [{"role": ""}, {"collateral": None}, {"logged": None}, {"logged": "x"}])
def test_arguments(change: dict[str, Any]) -> None:
    arguments: dict[str, Any] = {
        "binding": bound(BINDING),
        "revocations": NO_REVOCATIONS,
        "policy": POLICY,
        "collateral": INTEL.verified(),
        "logged": logged(),
        "role": ROLE,
        "at": AT,
    }
    with pytest.raises(UsageError):
        appraise(PLATFORM.quote(report_data=BINDING), **arguments | change)


def test_keys_that_are_no_points() -> None:
    good = PLATFORM.quote(report_data=BINDING)
    at = good.index(world.point(PLATFORM.attestation))
    bad = good[:at] + bytes(64) + good[at + 64 :]
    with pytest.raises(UntrustedError, match="another attestation key"):
        Scene(evidence=bad).appraise()
    with pytest.raises(DecodeError, match="not a point of P-256"):
        dcap._point("attestation key", bytes(64))


EVIDENCE = PLATFORM.quote(report_data=BINDING)
COLLATERAL = INTEL.verified()


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


@pytest.mark.slow
def test_no_byte_can_change() -> None:
    """Each byte of a quote is signed, hashed, compared or a length; no flipped bit is accepted."""
    decide(EVIDENCE)
    for offset in range(len(EVIDENCE)):
        changed = bytearray(EVIDENCE)
        changed[offset] ^= 1 << offset % 8
        with pytest.raises(PeerError):
            decide(bytes(changed))


@given(st.integers(0, len(EVIDENCE) - 1), st.integers(1, 255))
def test_no_byte_can_change_otherwise(offset: int, mask: int) -> None:
    changed = bytearray(EVIDENCE)
    changed[offset] ^= mask
    with pytest.raises(PeerError):
        decide(bytes(changed))


@given(st.integers(0, len(EVIDENCE)), st.binary(max_size=40))
def test_contract(cut: int, tail: bytes) -> None:
    check_contract(decide, EVIDENCE[:cut] + tail)
    check_contract(decide, EVIDENCE[:cut] + tail + EVIDENCE[cut + len(tail) :])


@given(st.data())
def test_contract_of_signed_reports(data: st.DataObject) -> None:
    """Whatever genuine hardware signs gives evidence or a PeerError."""
    which = data.draw(st.sampled_from([*world.REPORT, *world.TAIL]))
    size = len(world.report_fields(BINDING)[which])
    value = data.draw(st.binary(min_size=size, max_size=size))
    check_contract(decide, PLATFORM.quote(**{"report_data": BINDING, which: value}))
