"""GPUs and switches: each check with evidence that fails it alone, and proof that it would pass without the check."""

from __future__ import annotations

import base64
import struct
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from privproc.attestation import NO_REVOCATIONS, Level
from privproc.attestation.certificate import Certificate
from privproc.attestation.nvidia import (
    AnyDevice,
    Devices,
    Evidence,
    FreshDevices,
    Kind,
    Policy,
    Reference,
    Report,
    appraise,
    appraise_boot,
    merge,
    verify_chain,
)
from privproc.attestation.nvidia import appraisal as module
from privproc.attestation.nvidia import chain as chain_module
from privproc.attestation.nvidia.chain import verify_authorities
from privproc.errors import (
    DecodeError,
    ExpiredError,
    LimitError,
    PeerError,
    PolicyError,
    SignatureError,
    UnsupportedError,
    UntrustedError,
    UsageError,
)
from privproc.ledger import VerifiedRevocations
from privproc.tagged import tagged_hash
from tests.codec import check_codec, check_contract
from tests.world.amd import extension, tlv, utc_time
from tests.world.nvidia import (
    FIRMWARE,
    FIRMWARE_OF_BLACKWELL,
    FakeDevice,
    composite,
    digest,
    fwid,
    name,
    session,
    strict_policy,
    tcb_info,
)
from tests.world.removed import removed

AT = 1_780_000_000
GPU = FakeDevice(AT)
OTHER = FakeDevice(AT, "0002")
BLACKWELL = FakeDevice(AT, "0003", "GB100")
SWITCH = FakeDevice(AT, "0004", "LS_10")
BINDING = session()
NONCE = BINDING.device_nonce(0)
EVIDENCE = GPU.evidence(NONCE)
POLICY = strict_policy(GPU)
SHORT = strict_policy(GPU, references=(GPU.reference(values=GPU.reference().values[:1]),))
POLICY_OF_MANY = strict_policy(GPU, OTHER, BLACKWELL, SWITCH)
ZERO = bytes(48)


def listed(*devices: FakeDevice) -> list[tuple[int, bytes]]:
    """What devices sign for the session, in this order."""
    return [(each.kind, each.evidence(BINDING.device_nonce(index))) for index, each in enumerate(devices)]


@dataclass
class Scene:
    """An appraisal that succeeds, with what one test changes about it."""

    devices: tuple[FakeDevice, ...] = (GPU,)
    policy: Policy | None = None
    evidence: dict[str, Any] = field(default_factory=dict)  # of the last device
    nonce: bytes | None = None
    kind: int | None = None
    revocations: Any = NO_REVOCATIONS

    def received(self) -> list[tuple[int, bytes]]:
        *others, last = self.devices
        nonce = self.nonce or BINDING.device_nonce(len(others))
        kind = last.kind if self.kind is None else self.kind
        return [*listed(*others), (kind, last.evidence(nonce, **self.evidence))]

    def appraise(self) -> FreshDevices:
        return appraise(
            self.received(),
            binding=BINDING,
            policy=self.policy or strict_policy(*self.devices),
            roots=GPU.roots,
            revocations=self.revocations,
            at=AT,
        )


MUTANTS: list[tuple[str, str, Scene, type[Exception], str]] = []
"""Check, name, scene, exception, reason. Each scene fails that check and no other."""


def mutant(check: str, name: str, error: type[Exception], reason: str, **scene: Any) -> None:
    MUTANTS.append((check, name, Scene(**scene), error, reason))


def lie(check: str, name: str, error: type[Exception], reason: str, device: FakeDevice = GPU, **evidence: Any) -> None:
    """The same for a device that says, under a good signature, what it should not."""
    mutant(check, name, error, reason, devices=(device,), evidence=evidence)


def blocks(**changes: Any) -> dict[int, bytes]:
    """The measurements, ``m<index>`` replaced or (None) left out."""
    made = GPU.measurements | {int(name[1:]): value for name, value in changes.items()}
    return {index: value for index, value in made.items() if value is not None}


def opaque(device: FakeDevice = GPU, **changes: Any) -> dict[int, bytes]:
    made = device.opaque | {int(name[1:]): value for name, value in changes.items()}
    return {kind: value for kind, value in made.items() if value is not None}


def revoked(*digests: bytes, not_after: int = AT + 60) -> VerifiedRevocations:
    return VerifiedRevocations._earn(
        namespace="example", epoch=1, digest=bytes(48), revoked=frozenset(digests), not_after=not_after
    )


lie("signature", "key", SignatureError, "signature doesn't verify", signer="mallory")
lie("signature", "other-device", SignatureError, "signature doesn't verify", signer=OTHER.names[0])
mutant("nonce", "boot", UntrustedError, "another nonce", nonce=bytes(32))
mutant("nonce", "index", UntrustedError, "another nonce", nonce=BINDING.device_nonce(1))
mutant("nonce", "session", UntrustedError, "another nonce", nonce=session(b"\x08" * 32).device_nonce(0))
lie("firmware-id", "differs", UntrustedError, "another firmware", opaque=opaque(o20=digest("old")))
lie("firmware-id", "absent", UntrustedError, "another firmware", opaque=opaque(o20=None))
lie("firmware-id", "empty", UntrustedError, "another firmware", opaque=opaque(o20=b""))
lie("firmware-id", "zero", UntrustedError, "another firmware", BLACKWELL, opaque=opaque(BLACKWELL, o20=ZERO))
lie("firmware-id", "switch", UntrustedError, "another firmware", SWITCH, opaque=opaque(SWITCH, o20=ZERO))
for index in (1, 36, 64):
    lie(
        "measurements",
        f"m{index}",
        PolicyError,
        f"measurement {index - 1} ",
        measurements=blocks(**{f"m{index}": ZERO}),
    )
    lie(
        "measurements",
        f"no-{index}",
        PolicyError,
        f"measurement {index - 1} ",
        measurements=blocks(**{f"m{index}": None}),
    )
mutant(
    "device", "unlisted", PolicyError, "not on the list", policy=strict_policy(GPU, devices=Devices((OTHER.identity,)))
)

# Without "reference" these find no reference whose measurements could complain.
lie("reference", "driver", PolicyError, "no reference", opaque=opaque(o3=b"590.13\0"))
lie("reference", "no-driver", PolicyError, "no reference", opaque=opaque(o3=None))
lie("reference", "firmware", PolicyError, "no reference", opaque=opaque(o6=bytes.fromhex("00a5009602000000")))
mutant("reference", "model", PolicyError, "no reference", devices=(BLACKWELL,), policy=POLICY)
mutant("reference", "kind", PolicyError, "no reference", kind=Kind.SWITCH, policy=strict_policy(SWITCH))

CASES = [pytest.param(check, *rest, id=f"{check}-{name}") for check, name, *rest in MUTANTS]


@pytest.mark.parametrize(("check", "scene", "error", "reason"), CASES)
def test_refused(check: str, scene: Scene, error: type[Exception], reason: str) -> None:
    with pytest.raises(error, match=reason) as raised:
        scene.appraise()
    assert type(raised.value) is error
    assert isinstance(raised.value, PeerError)
    assert raised.value.check == check


@pytest.mark.parametrize(("check", "scene", "error", "reason"), CASES)
# req: privproc1/4.11 each-check-of-a-device
def test_only_that_check_refuses(
    check: str, scene: Scene, error: type[Exception], reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the check the same evidence is accepted: no check is redundant, no mutant fails by accident."""
    monkeypatch.setattr(module, "_CHECKS", tuple(entry for entry in module._CHECKS if entry[0] != check))
    assert check not in scene.appraise().checks


def test_every_check_has_a_mutant() -> None:
    assert {entry[0] for entry in MUTANTS} == {name for name, _ in module._CHECKS}


def test_accepted() -> None:
    devices = (GPU, OTHER, BLACKWELL, SWITCH)
    received = listed(*devices)
    found = Scene(devices).appraise()
    assert found.level is Level.SESSION
    assert found.report_data == BINDING.report_data(received)
    assert found.policy_digest == POLICY_OF_MANY.digest
    assert found.checks == ("count", "chain", *(name for name, _ in module._CHECKS), "distinct")
    assert (found.not_before, found.not_after) == (AT - 86400, AT + 600)
    assert [each.identity for each in found.devices] == [each.identity for each in devices]
    assert [each.kind for each in found.devices] == [Kind.GPU, Kind.GPU, Kind.GPU, Kind.SWITCH]
    assert [each.model for each in found.devices] == [each.model for each in devices]
    assert [each.nonce for each in found.devices] == [BINDING.device_nonce(index) for index in range(4)]
    first, last = found.devices[0], found.devices[-1]
    assert (first.driver, first.firmware) == ("590.12", "96.00.A5.00.01")
    assert (last.driver, last.firmware) == ("", "96.10.55.00.01")
    expected = tagged_hash("nvidia measurement", *(bytes((i,)) + v for i, v in sorted(GPU.measurements.items())))
    assert first.measurement == expected


def test_the_order_is_the_sessions() -> None:
    received = listed(GPU, OTHER)
    with pytest.raises(UntrustedError, match="another nonce"):
        appraise(
            received[::-1],
            binding=BINDING,
            policy=strict_policy(GPU, OTHER),
            roots=GPU.roots,
            revocations=NO_REVOCATIONS,
            at=AT,
        )


def test_report_data_is_of_this_evidence_alone() -> None:
    one, other = Scene().appraise(), Scene(devices=(OTHER,)).appraise()
    assert len({one.report_data, other.report_data, BINDING.report_data([])}) == 3


@pytest.mark.parametrize(
    ("devices", "policy"),
    [
        ((GPU,), strict_policy(GPU, OTHER)),
        ((GPU, OTHER), POLICY),
        ((GPU, SWITCH), POLICY),
        ((GPU,), strict_policy(GPU, SWITCH)),
    ],
)
# req: privproc1/4.11 as-many-as-there-must-be
def test_count(devices: tuple[FakeDevice, ...], policy: Policy) -> None:
    """A device that is missing is one that nobody has looked at."""
    with pytest.raises(PolicyError, match="instead of") as raised:
        Scene(devices, policy).appraise()
    assert raised.value.check == "count"
    with removed(module._count, "if there.count(kind) != policy.count(kind):", "if False:"):
        Scene(devices, replace(POLICY_OF_MANY, gpus=policy.gpus)).appraise()


# req: privproc1/4.11 each-device-once
def test_one_device_twice() -> None:
    """trustee#1551: one good GPU must not answer for eight, under whatever nonces."""
    scene = Scene((GPU, GPU))
    with pytest.raises(UntrustedError, match="twice") as raised:
        scene.appraise()
    assert raised.value.check == "distinct"
    with removed(module._distinct, 'raise UntrustedError("one device comes twice")'):
        scene.appraise()
    again = FakeDevice(AT, "0001")  # a new leaf of the same boot ROM, as after an update
    new = (again.sign(0, serial=b"\x02\x01\x07"), *GPU.chain[1:])
    with pytest.raises(UntrustedError, match="twice"):
        Scene((GPU, GPU), evidence={"chain": new}).appraise()


@pytest.mark.parametrize("kind", [0, 3, 4, 5, 0xFFFF])
def test_types(kind: int) -> None:
    with pytest.raises(UnsupportedError, match="type"):
        Scene(kind=kind, policy=POLICY).appraise()


def test_no_devices() -> None:
    with pytest.raises(PolicyError, match="0 of type GPU instead of 1"):
        appraise([], binding=BINDING, policy=POLICY, roots=GPU.roots, revocations=NO_REVOCATIONS, at=AT)
    with pytest.raises(LimitError):
        appraise([(1, b"")] * 511, binding=BINDING, policy=POLICY, roots=GPU.roots, revocations=NO_REVOCATIONS, at=AT)


def test_decoder() -> None:
    """The decoder's measurement counts unless the report says that the decoder is off."""
    changed = blocks(m36=ZERO)
    off = {"measurements": changed, "opaque": opaque(o11=b"\x55")}
    assert Scene(evidence=off).appraise()
    for stated in (b"\xaa", b"\x55\x55", b"", None):
        with pytest.raises(PolicyError, match="measurement 35 "):
            Scene(evidence={"measurements": changed, "opaque": opaque(o11=stated)}).appraise()


def test_alternatives() -> None:
    values = GPU.reference().values
    several = GPU.reference(values=(*values, (3, ZERO)))
    policy = strict_policy(GPU, references=(several,))
    assert Scene(policy=policy).appraise()
    assert Scene(policy=policy, evidence={"measurements": blocks(m4=ZERO)}).appraise()
    with pytest.raises(PolicyError, match="measurement 4 "):
        Scene(policy=policy, evidence={"measurements": blocks(m5=ZERO)}).appraise()
    few = strict_policy(GPU, references=(GPU.reference(values=values[:2]),))
    assert Scene(policy=few, evidence={"measurements": blocks(m5=ZERO)}).appraise()


def test_several_references_of_one_state() -> None:
    """Either of two whole states is good, a mixture of both isn't."""
    other = tuple((index, digest(f"other {index}")) for index, _ in GPU.reference().values)
    policy = strict_policy(GPU, references=(GPU.reference(), GPU.reference(values=other)))
    assert Scene(policy=policy, evidence={"measurements": {i + 1: v for i, v in other}}).appraise()
    assert Scene(policy=policy).appraise()
    with pytest.raises(PolicyError, match="measurement"):
        Scene(policy=policy, evidence={"measurements": blocks(m1=digest("other 0"))}).appraise()


def test_revocations() -> None:
    found = Scene(revocations=revoked(OTHER.identity)).appraise()
    assert found.checks[-1] == "revocation-list"
    assert found.not_after == AT + 60
    (device,) = found.devices
    for part in (device.identity, device.measurement, device.fingerprint):
        with pytest.raises(PolicyError, match="revoked") as raised:
            Scene(revocations=revoked(part)).appraise()
        assert raised.value.check == "revocation-list"
    with pytest.raises(UsageError, match="revocations"):
        Scene(revocations=None).appraise()


def test_listed() -> None:
    policy = strict_policy(GPU, OTHER, devices=Devices((OTHER.identity, GPU.identity)))
    assert Scene((GPU, OTHER), policy).appraise()
    assert Policy.decode(policy.encode()) == policy


# -- at boot


def boot(**changes: Any) -> Any:
    nonces = [bytes((7,)) * 32, bytes((8,)) * 32]
    devices = [
        (Kind.GPU_AT_BOOT, GPU.evidence(nonces[0])),
        (Kind.SWITCH_AT_BOOT, SWITCH.evidence(nonces[1])),
    ]
    arguments: dict[str, Any] = {
        "nonces": nonces,
        "policy": strict_policy(GPU, SWITCH),
        "roots": GPU.roots,
        "revocations": NO_REVOCATIONS,
        "at": AT,
    }
    return appraise_boot(changes.pop("devices", devices), **arguments | changes)


def test_at_boot() -> None:
    found = boot()
    assert found.level is Level.NONE
    assert not isinstance(found, FreshDevices)
    assert not hasattr(found, "report_data")
    assert [each.kind for each in found.devices] == [Kind.GPU_AT_BOOT, Kind.SWITCH_AT_BOOT]
    with pytest.raises(UntrustedError, match="another nonce"):
        boot(nonces=[bytes((8,)) * 32, bytes((7,)) * 32])
    with pytest.raises(UnsupportedError, match="type"):
        boot(devices=listed(GPU, SWITCH))


@pytest.mark.parametrize("nonces", [[], [b"\7" * 32], [b"\7" * 32, bytes(32)], [b"\7" * 32, b"\x08" * 31]])
def test_boot_needs_nonces(nonces: list[bytes]) -> None:
    with pytest.raises(UsageError, match="nonce"):
        boot(nonces=nonces)


@pytest.mark.parametrize("binding", [None, b"x" * 64, BINDING.report_data([])])
def test_binding_is_required(binding: Any) -> None:
    with pytest.raises(UsageError, match="binding"):
        appraise(listed(GPU), binding=binding, policy=POLICY, roots=GPU.roots, revocations=NO_REVOCATIONS, at=AT)


# -- the chain


def chain(depth: int | None = None, **changes: Any) -> tuple[bytes, ...]:
    return tuple(GPU.sign(d, **changes) if d == depth else GPU.certificate(d) for d in range(5))


def verify(certificates: tuple[bytes, ...], at: int = AT) -> Any:
    return verify_chain(certificates, roots=GPU.roots, at=at)


def profile(constraints: str, usage: str) -> list[bytes]:
    return [
        extension(FIRMWARE, composite(digest("firmware"))),
        extension("551d13", bytes.fromhex(constraints), critical=True),
        extension("551d0f", bytes.fromhex(usage), critical=True),
    ]


WINDOW = "check_window(found.name, found.not_before, found.not_after, at=at)"
AUTHORITY = 'raise UntrustedError(f"{self.name}: not an authority for what it has issued")'
CHAINS: dict[str, tuple[tuple[bytes, ...], type[Exception], str, Any, str]] = {
    "root": (
        chain(4, serial=b"\x02\x01\x01"),
        UntrustedError,
        "not a pinned root",
        verify_authorities,
        "roots.check(certificates[-1])",
    ),
    **{
        f"depth-{depth}-{when}": (
            chain(depth, validity=tlv(0x30, utc_time(first), utc_time(last))),
            ExpiredError,
            reason,
            chain_module._window,
            WINDOW,
        )
        for depth in range(4)
        for when, first, last, reason in (
            ("late", AT - 10, AT - 1, "no longer valid"),
            ("early", AT + 1, AT + 10, "not valid yet"),
        )
    },
    **{
        f"depth-{depth}-key": (
            chain(depth, signer="mallory"),
            SignatureError,
            "signature",
            Certificate.check_issued,
            "self.check_signature(key)",
        )
        for depth in range(4)
    },
    **{
        f"depth-{depth}-issuer": (
            chain(depth, issuer=name("mallory")),
            UntrustedError,
            "issued by another name",
            Certificate.check_issued,
            'raise UntrustedError(f"{self.name}: issued by another name than its authority\'s")',
        )
        for depth in range(4)
    },
    **{
        f"depth-{depth}-authority": (
            chain(depth, extensions=profile("3000", "03020186")),
            UntrustedError,
            "not an authority",
            Certificate.check_authority,
            AUTHORITY,
        )
        for depth in range(1, 4)
    },
    **{
        f"depth-{depth}-path": (
            chain(depth, extensions=profile(f"30060101ff0201{depth - 2:02x}", "03020186")),
            UntrustedError,
            "not an authority",
            Certificate.check_authority,
            AUTHORITY,
        )
        for depth in (2, 3)
    },
    "leaf-authority": (
        chain(0, extensions=profile("30030101ff", "03020780")),
        UntrustedError,
        "not the certificate of a signer",
        verify_chain,
        "leaf.check_end()",
    ),
}


@pytest.mark.parametrize("case", CHAINS)
# req: privproc1/4.11 chain-to-the-pinned-root
def test_chain(case: str) -> None:
    certificates, error, reason, function, fragment = CHAINS[case]
    with pytest.raises(error, match=reason) as raised:
        verify(certificates)
    assert type(raised.value) is error
    with removed(function, fragment):
        verify(certificates)


def test_other_chains() -> None:
    good = verify(GPU.chain)
    assert good.identity == GPU.identity
    assert good.firmware_id == digest("firmware")
    for other in (GPU.chain[1:], (*GPU.chain, GPU.chain[4]), ()):
        with pytest.raises(DecodeError, match="5 certificates"):
            verify(other)
    for other in (
        (*GPU.chain[:1], *OTHER.chain[1:]),  # another device's boot ROM
        (*GPU.chain[:2], *BLACKWELL.chain[2:]),  # another family's authorities
        (GPU.chain[1], GPU.chain[0], *GPU.chain[2:]),
        (GPU.chain[0], GPU.chain[2], GPU.chain[1], *GPU.chain[3:]),
        (*GPU.chain[:3], GPU.chain[4], GPU.chain[3]),
    ):
        with pytest.raises(PeerError):
            verify(other)


def test_a_device_is_no_provisioner() -> None:
    """A boot ROM whose key has leaked can't make devices: a chain has one place for it."""
    mallory = GPU.sign(1, issuer=GPU.subject(1), subject=name("GH100 A01 GSP BROM", "6666"), signer=GPU.names[1])
    leaf = GPU.sign(0, issuer=name("GH100 A01 GSP BROM", "6666"))
    with pytest.raises(DecodeError, match="5 certificates"):
        verify((leaf, mallory, *GPU.chain[1:]))
    with pytest.raises(PeerError):
        verify((leaf, mallory, GPU.chain[1], *GPU.chain[3:]))


@pytest.mark.parametrize(
    ("stated", "error", "reason"),
    [
        (None, UntrustedError, "states no firmware"),
        (tlv(0x31), DecodeError, "not TCG's"),
        (tlv(0x30, tlv(0x02, b"\1"), tlv(0x30), tlv(0x31)), None, ""),
        (tcb_info(), None, ""),
        (tcb_info(ZERO), None, ""),
        (tcb_info(ZERO, digest("firmware")), None, ""),
        (tcb_info(bytes(47)), DecodeError, "not a SHA-384"),
        (tlv(0x30, tlv(0xA6, fwid(ZERO, "608648016503040201"))), DecodeError, "not a SHA-384"),
        (tlv(0x30, tlv(0xA6, tlv(0x31, *(fwid(digest("x"))[2:],)))), DecodeError, "not a SHA-384"),
        (tlv(0x30, tlv(0xA6, tlv(0x30, tlv(0x04)))), DecodeError, "not the expected"),
        (b"", DecodeError, "truncated"),
    ],
)
def test_firmware_extension(stated: bytes | None, error: type[Exception] | None, reason: str) -> None:
    """What is well formed and names no firmware is refused by the comparison."""
    usage = extension("551d0f", bytes.fromhex("03020780"), critical=True)
    certificates = chain(0, extensions=[usage] if stated is None else [extension(FIRMWARE, stated), usage])
    if error is None:
        assert verify(certificates).firmware_id == b""
        error, reason = UntrustedError, "another firmware"
    with pytest.raises(error, match=reason):
        Scene(evidence={"chain": certificates}).appraise()


def test_firmware_ids_of_blackwell() -> None:
    """The first of several is the firmware's that reports, and NVIDIA's own identifier of the extension goes first."""
    one, two = digest("firmware"), digest("what it loads")
    usage = extension("551d0f", bytes.fromhex("03020780"), critical=True)
    ids = extension(FIRMWARE_OF_BLACKWELL, tcb_info(one, two))
    for extensions in ([ids, usage], [ids, extension(FIRMWARE, composite(two)), usage]):
        certificates = (BLACKWELL.sign(0, extensions=extensions), *BLACKWELL.chain[1:])
        for stated, good in ((one, True), (two, False)):
            scene = Scene((BLACKWELL,), evidence={"chain": certificates, "opaque": opaque(BLACKWELL, o20=stated)})
            if good:
                assert scene.appraise().devices[0].model == BLACKWELL.model
            else:
                with pytest.raises(UntrustedError, match="another firmware"):
                    scene.appraise()


# -- report, evidence, policy


REPORT = GPU.report(NONCE)


# req: privproc1/4.11 report-layout
def test_report() -> None:
    found = Report.decode(REPORT)
    assert (found.nonce, dict(found.measurements), dict(found.opaque)) == (NONCE, GPU.measurements, GPU.opaque)
    assert found.signed + found.signature == REPORT
    check_codec(Report.decode, SWITCH.report(NONCE))
    assert Evidence.decode(EVIDENCE).encode() == EVIDENCE


def patched(offset: int, value: bytes) -> bytes:
    return REPORT[:offset] + value + REPORT[offset + len(value) :]


BLOCK = 37 + 8


@pytest.mark.parametrize(
    ("data", "error", "reason"),
    {
        "empty": (b"", DecodeError, "wanted"),
        "long": (bytes(16385), DecodeError, "over 16384"),
        "version-request": (patched(0, b"\x12"), UnsupportedError, r"SPDM 1\.1"),
        "version-response": (patched(37, b"\x12"), UnsupportedError, r"SPDM 1\.1"),
        "code-request": (patched(1, b"\x60"), DecodeError, "not a request for measurements"),
        "code-response": (patched(38, b"\x7f"), DecodeError, "not a request for measurements"),
        "unsigned": (patched(2, b"\0"), DecodeError, "all measurements, signed"),
        "one": (patched(3, b"\1"), DecodeError, "all measurements, signed"),
        "slot": (patched(36, b"\1"), DecodeError, "first slot"),
        "no-blocks": (patched(41, b"\0"), DecodeError, "fill their record"),
        "blocks": (patched(41, b"\x3f"), DecodeError, "fill their record"),
        "record": (patched(42, b"\xc1"), DecodeError, "fill their record"),
        "index-zero": (patched(BLOCK, b"\0"), DecodeError, "index"),
        "index-all": (patched(BLOCK, b"\xff"), DecodeError, "index"),
        "index-twice": (patched(BLOCK, b"\2"), DecodeError, "index"),
        "specification": (patched(BLOCK + 1, b"\2"), DecodeError, "DMTF"),
        "size": (patched(BLOCK + 2, b"\x34"), DecodeError, "DMTF"),
        "raw": (patched(BLOCK + 4, b"\x81"), DecodeError, "DMTF"),
        "value-size": (patched(BLOCK + 5, b"\x20"), DecodeError, "DMTF"),
        "trailing": (REPORT + b"\0", DecodeError, "trailing"),
    }.values(),
)
def test_malformed(data: bytes, error: type[Exception], reason: str) -> None:
    with pytest.raises(error, match=reason):
        Report.decode(data)


@pytest.mark.parametrize(
    ("items", "reason"),
    [
        (struct.pack("<HH", 3, 0) * 2, "comes twice"),
        (struct.pack("<HH", 3, 1), "past its end"),
        (b"\3\0", "past its end"),
        (struct.pack("<HH", 3, 200), "wanted"),
    ],
)
def test_malformed_opaque_data(items: bytes, reason: str) -> None:
    head = REPORT[: 37 + 8 + 64 * 55 + 32]
    with pytest.raises(DecodeError, match=reason):
        Report.decode(head + struct.pack("<H", len(items)) + items + bytes(96))


def test_versions_are_text() -> None:
    with pytest.raises(DecodeError, match="ASCII"):
        Scene(evidence={"opaque": opaque(o3=b"\xff")}).appraise()


@given(at=st.integers(0, len(EVIDENCE) - 1), patch=st.binary(min_size=1, max_size=4))
def test_changed(at: int, patch: bytes) -> None:
    """No byte of the evidence can be changed."""
    changed = EVIDENCE[:at] + patch + EVIDENCE[at + len(patch) :]
    check_contract(Evidence.decode, changed)
    if changed != EVIDENCE:
        with pytest.raises(PeerError):
            appraise([(1, changed)], binding=BINDING, policy=POLICY, roots=GPU.roots, revocations=NO_REVOCATIONS, at=AT)


@given(data=st.binary(max_size=200))
def test_contract(data: bytes) -> None:
    for decode in (Report.decode, Evidence.decode, Policy.decode):
        check_contract(decode, data)
    check_contract(Report.decode, REPORT[:45] + data)


def test_from_driver() -> None:
    pem = b"".join(
        b"-----BEGIN CERTIFICATE-----\n" + base64.encodebytes(each) + b"-----END CERTIFICATE-----\n"
        for each in GPU.chain
    )
    assert Evidence.from_driver(REPORT, pem).encode() == EVIDENCE
    with pytest.raises(DecodeError, match="not 5 certificates"):
        Evidence.from_driver(REPORT, pem[:-100])
    with pytest.raises(DecodeError, match="not base64"):
        Evidence.from_driver(REPORT, pem.replace(b"M", b"*"))
    with pytest.raises(DecodeError, match="over"):
        Evidence.from_driver(REPORT, bytes(90000))


@pytest.mark.parametrize("change", [{"report": b""}, {"report": bytes(16385)}, {"certificates": ()}])
def test_evidence_has_bounds(change: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        replace(Evidence.decode(EVIDENCE), **change).encode()


# req: privproc1/4.11 canonical-device-policy
def test_policy_codec() -> None:
    for policy in (POLICY, POLICY_OF_MANY, strict_policy(GPU, devices=Devices((OTHER.identity, GPU.identity)))):
        assert Policy.decode(policy.encode()) == policy
    check_codec(Policy.decode, SHORT.encode(), reencode=Policy.encode)
    assert len({each.digest for each in (POLICY, POLICY_OF_MANY, SHORT)}) == 3
    with pytest.raises(UnsupportedError, match="NVIDIA"):
        Policy.decode(b"\3" + POLICY.encode()[1:])
    with pytest.raises(DecodeError, match="unknown kind"):
        Policy.decode(SHORT.encode()[:4] + b"\x09" + SHORT.encode()[5:])
    with pytest.raises(DecodeError, match="not ASCII"):
        Policy.decode(SHORT.encode().replace(b"GH100", b"GH10\xff"))
    two = POLICY_OF_MANY.encode()
    references = [each.encode() for each in POLICY_OF_MANY.references]
    swapped = two[:4] + b"".join(references[::-1]) + two[4 + sum(map(len, references)) :]
    with pytest.raises(DecodeError, match="canonical"):
        Policy.decode(swapped)


@pytest.mark.parametrize(
    "make",
    [
        lambda: strict_policy(GPU, gpus=0),
        lambda: strict_policy(GPU, gpus=256),
        lambda: strict_policy(GPU, gpus=-1),
        lambda: strict_policy(GPU, switches=1),
        lambda: strict_policy(GPU, references=()),
        lambda: strict_policy(GPU, references=(GPU.reference(), SWITCH.reference())),
        lambda: strict_policy(GPU, references=(GPU.reference(), GPU.reference())),
        lambda: strict_policy(GPU, max_age=0),
        lambda: strict_policy(GPU, max_age=1 << 32),
        lambda: GPU.reference(kind=Kind.GPU_AT_BOOT),
        lambda: GPU.reference(model=""),
        lambda: GPU.reference(model="x" * 65),
        lambda: GPU.reference(driver="\xe9"),
        lambda: GPU.reference(values=()),
        lambda: GPU.reference(values=((0, ZERO), (0, ZERO))),
        lambda: GPU.reference(values=((0, bytes(47)),)),
        lambda: GPU.reference(values=((254, ZERO),)),
        lambda: GPU.reference(values=((-1, ZERO),)),
        lambda: Devices(()),
        lambda: Devices((bytes(31),)),
        lambda: Devices((bytes(32), bytes(32))),
        lambda: merge({1: (ZERO,)}, {1: (ZERO,)}),
    ],
)
def test_what_no_policy_says(make: Callable[[], object]) -> None:
    with pytest.raises(UsageError):
        make()


def test_merge() -> None:
    one, two = digest("1"), digest("2")
    assert merge({7: (one,)}, {8: (one, two)}) == ((7, one), (8, one), (8, two))
    reference = Reference(
        kind=Kind.GPU, model="m", driver="d", firmware="f", values=merge({8: (two, one)}, {7: (one,)})
    )
    assert reference.values == tuple(sorted(((7, one), (8, one), (8, two))))
    assert AnyDevice() == AnyDevice()
