"""Devices and manifests before NVIDIA's own verifiers: of GPUs, `nv-local-gpu-verifier`, and of switches, in
`nv-attestation-sdk`.

Each decides in its own ``attest``, a whole device at a time: report, chain, firmware id, nonce, versions, signature,
manifests, measurements. Compared is whether it accepts what is accepted here, for every device that the makers in
tests/world can make, every mutant of it, and what NVIDIA publishes; and what both read from a report or a manifest. For
that the verifiers get the maker's roots, and the time.

Not compared, for want of a counterpart there or a service here: what is said of several devices at once (their number,
one that comes twice), the digest that a CPU signs, lists of identities, OCSP, and how a manifest is looked up.
"""

from __future__ import annotations

import base64
import functools
import json
import re
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from privproc.attestation.dcap.collateral import pem_encode
from privproc.attestation.nvidia import (
    NVIDIA_RIM_ROOTS,
    Evidence,
    Kind,
    Policy,
    Reference,
    Report,
    Rim,
    verify_rim,
)
from privproc.errors import PeerError as Refused
from tests import test_nvidia as devices
from tests import test_nvidia_real as real
from tests import test_nvidia_rim as manifests
from tests.interop.driver import PeerError
from tests.interop.peers import NV_GPU, NV_SWITCH, difference, named
from tests.world.nvidia import session
from tests.world.rims import FakeRims

pytestmark = [pytest.mark.loopback, pytest.mark.interop]

gpu = pytest.mark.parametrize("peer", [NV_GPU], indirect=True, ids=named)
both = pytest.mark.parametrize("peer", [NV_GPU, NV_SWITCH], indirect=True, ids=named)

ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973
VECTORS = Path(__file__).parent.parent.parent / "vectors"
FAMILIES = {"GH": "hopper", "GB": "blackwell"}
LATER = 1_740_000_000
"""When the signers of the published manifests were valid."""


def accepts(decide: Callable[[], object]) -> bool:
    try:
        decide()
    except (Refused, PeerError):
        return False
    return True


def pem(certificates) -> bytes:
    return b"".join(map(pem_encode, certificates))


@functools.cache
def rims_of(reference: Reference, at: int) -> tuple[bytes, ...]:
    """Manifests with the values of a reference: a switch's, or a driver's and a firmware's, which share them."""
    maker, values = FakeRims(at), {}
    for index, value in reference.values:
        values.setdefault(index, []).append(value)
    made = {"meta": {"ns1:FirmwareManufacturerId": "5703"}}
    if reference.kind is Kind.SWITCH:
        return (maker.rim(values, version=reference.firmware, **made),)
    driver = {index: each for index, each in values.items() if index % 2}
    return (
        maker.rim(driver, version=reference.driver, **made),
        maker.rim({i: each for i, each in values.items() if i not in driver}, version=reference.firmware, **made),
    )


def appraise(
    peer, evidence: Evidence, nonce: bytes, reference: Reference, *, root: bytes, at: int, model: str = ""
) -> None:
    """``model``: the device's, where it isn't that of the reference."""
    family = "switch" if reference.kind is Kind.SWITCH else FAMILIES[(model or reference.model)[:2]]
    peer.call(
        "nvidia.appraise",
        family,
        at,
        pem_encode(root),
        pem_encode(FakeRims(at).certificate(3)),
        nonce,
        reference.driver.encode(),
        reference.firmware.encode(),
        pem(evidence.certificates),
        evidence.report,
        *rims_of(reference, at),
    )


def scene_there(peer, scene) -> None:
    """The last device of a scene, under the policy's reference for its kind."""
    *others, last = scene.devices
    kind, encoded = scene.received()[-1]
    policy = scene.policy or devices.strict_policy(*scene.devices)
    reference = next(each for each in policy.references if each.kind == kind)
    nonce, root = devices.BINDING.device_nonce(len(others)), last.certificate(4)
    appraise(peer, Evidence.decode(encoded), nonce, reference, root=root, at=devices.AT, model=last.model)


def compare(peer, case: str, scene) -> None:
    with difference(peer.peer, case):
        assert accepts(lambda: scene_there(peer, scene)) == accepts(scene.appraise)


DEVICES = (devices.GPU, devices.OTHER, devices.BLACKWELL, devices.SWITCH)


def peer_of(kind: int):
    return NV_SWITCH if kind == Kind.SWITCH else NV_GPU


@pytest.mark.parametrize(
    ("peer", "device"),
    [pytest.param(peer_of(each.kind), each, id=f"{each.family}-{each.serial}") for each in DEVICES],
    indirect=["peer"],
)
def test_devices_from_here(peer, device):
    scene_there(peer, devices.Scene((device,)))
    assert devices.Scene((device,)).appraise()


MUTANTS = {
    f"{check}-{name}": scene
    for check, name, scene, *_ in devices.MUTANTS
    if check != "device"  # a list of identities is nothing that they have
}


@pytest.mark.parametrize(
    ("peer", "case"),
    [
        pytest.param(peer_of(scene.devices[-1].kind if scene.kind is None else scene.kind), case, id=case)
        for case, scene in MUTANTS.items()
    ],
    indirect=["peer"],
)
def test_mutants(peer, case):
    compare(peer, f"device {case}", MUTANTS[case])


@gpu
@pytest.mark.parametrize("case", devices.CHAINS)
def test_chains(peer, case):
    compare(peer, f"chain {case}", devices.Scene(evidence={"chain": devices.CHAINS[case][0]}))


@both
def test_other_chains(peer):
    """Certificates of other devices, in another order, or one too few."""
    device = devices.SWITCH if peer.peer is NV_SWITCH else devices.GPU
    chain = device.chain
    for other in (
        (chain[1], chain[0], *chain[2:]),
        (chain[0], chain[2], chain[1], *chain[3:]),
        (*chain[:1], *devices.OTHER.chain[1:]),
        (*chain[:2], *devices.BLACKWELL.chain[2:]),
        chain[1:],
    ):
        evidence = Evidence(device.report(devices.NONCE), other)
        with pytest.raises(PeerError):
            appraise(peer, evidence, devices.NONCE, device.reference(), root=chain[4], at=devices.AT)


@gpu
@pytest.mark.parametrize("stated", ["off", "on"])
def test_decoder(peer, stated):
    """A video decoder's measurement, which is another one than the manifest's."""
    evidence = {
        "measurements": devices.blocks(m36=devices.ZERO),
        "opaque": devices.opaque(o11=b"\x55" if stated == "off" else b"\xaa"),
    }
    compare(peer, f"decoder {stated}", devices.Scene(evidence=evidence))


@gpu
def test_firmware_ids_of_blackwell(peer):
    """Of several firmware ids the first is compared, here and there."""
    one, two = devices.digest("firmware"), devices.digest("what it loads")
    usage = devices.extension("551d0f", bytes.fromhex("03020780"), critical=True)
    extensions = [devices.extension(devices.FIRMWARE_OF_BLACKWELL, devices.tcb_info(one, two)), usage]
    chain = (devices.BLACKWELL.sign(0, extensions=extensions), *devices.BLACKWELL.chain[1:])
    for stated in (one, two):
        opaque = devices.opaque(devices.BLACKWELL, o20=stated)
        scene = devices.Scene((devices.BLACKWELL,), evidence={"chain": chain, "opaque": opaque})
        assert accepts(lambda scene=scene: scene_there(peer, scene)) == accepts(scene.appraise) == (stated == one)


@gpu
def test_alternatives(peer):
    """A measurement with two good values, in either state and in none."""
    values = devices.GPU.reference().values
    policy = devices.strict_policy(
        devices.GPU, references=(devices.GPU.reference(values=(*values, (3, devices.ZERO))),)
    )
    for changes, good in (({}, True), ({"m4": devices.ZERO}, True), ({"m4": devices.digest("else")}, False)):
        scene = devices.Scene(policy=policy, evidence={"measurements": devices.blocks(**changes)})
        assert accepts(lambda scene=scene: scene_there(peer, scene)) == accepts(scene.appraise) == good


def judged(peer, case: str, report: bytes) -> None:
    """A report of the GPU's, whatever it is."""
    evidence = Evidence(report, devices.GPU.chain)
    there = accepts(
        lambda: appraise(
            peer, evidence, devices.NONCE, devices.GPU.reference(), root=devices.GPU.certificate(4), at=devices.AT
        )
    )
    here = accepts(
        lambda: devices.appraise(
            [(Kind.GPU, evidence.encode())],
            binding=devices.BINDING,
            policy=devices.POLICY,
            roots=devices.GPU.roots,
            revocations=devices.NO_REVOCATIONS,
            at=devices.AT,
        )
    )
    with difference(peer.peer, case):
        assert there == here


def patched(offset: int, value: bytes) -> bytes:
    return devices.GPU.signed(devices.patched(offset, value)[:-96])


def with_opaque(*items: tuple[int, bytes], size: int | None = None) -> bytes:
    head = devices.REPORT[: 37 + 8 + 64 * 55 + 32]
    written = b"".join(struct.pack("<HH", kind, len(value)) + value for kind, value in items)
    return devices.GPU.signed(head + struct.pack("<H", len(written) if size is None else size) + written)


STATED = tuple(devices.GPU.opaque.items())
LAYOUTS = {
    "good": patched(0, b"\x11"),
    "version-request": patched(0, b"\x12"),
    "version-response": patched(37, b"\x12"),
    "code-request": patched(1, b"\x60"),
    "code-response": patched(38, b"\x7f"),
    "unsigned": patched(2, b"\0"),
    "one": patched(3, b"\1"),
    "slot": patched(36, b"\1"),
    "no-blocks": patched(41, b"\0"),
    "blocks": patched(41, b"\x3f"),
    "record": patched(42, b"\xc1"),
    "index-zero": patched(devices.BLOCK, b"\0"),
    "index-all": patched(devices.BLOCK, b"\xff"),
    "index-twice": patched(devices.BLOCK, b"\2"),
    "specification": patched(devices.BLOCK + 1, b"\2"),
    "size": patched(devices.BLOCK + 2, b"\x34"),
    "raw": patched(devices.BLOCK + 4, b"\x81"),
    "value-size": patched(devices.BLOCK + 5, b"\x20"),
    "opaque-twice": with_opaque(*STATED, STATED[0]),
    "opaque-unknown": with_opaque(*STATED, (0x1234, b"x")),
    "opaque-beyond": with_opaque(*STATED, size=500),
    "opaque-cut": with_opaque(*STATED, size=60),
    "trailing": devices.GPU.signed(devices.REPORT[:-96] + b"\0"),
    "behind": devices.REPORT + b"\0",
    "short": devices.REPORT[:-1],
}
"""Reports of another form, each with a good signature over it."""


@gpu
@pytest.mark.parametrize("case", LAYOUTS)
def test_layouts(peer, case):
    judged(peer, f"layout {case}", LAYOUTS[case])


@gpu
def test_signatures(peer):
    """ECDSA's two forms of one signature, and numbers that are none."""
    signed, r, s = devices.REPORT[:-96], devices.REPORT[-96:-48], devices.REPORT[-48:]
    negative = (ORDER - int.from_bytes(s, "big")).to_bytes(48, "big")
    for second in (s, negative, bytes(48), ORDER.to_bytes(48, "big"), b"\xff" * 48, r):
        judged(peer, "signatures", signed + r + second)
    for first in (bytes(48), ORDER.to_bytes(48, "big"), s):
        judged(peer, "signatures", signed + first + s)


@both
def test_no_byte_can_change(peer):
    device = devices.SWITCH if peer.peer is NV_SWITCH else devices.GPU
    report = device.report(devices.NONCE)
    accepted = []
    for at in range(4, len(report), 331):
        changed = Evidence(report[:at] + bytes((report[at] ^ 1,)) + report[at + 1 :], device.chain)
        try:
            appraise(peer, changed, devices.NONCE, device.reference(), root=device.certificate(4), at=devices.AT)
            accepted.append(at)
        except PeerError:
            continue
    assert accepted == []


@both
def test_vectors(peer):
    """The good devices of the vector file, of this peer's kind."""
    seen = 0
    for case in json.loads((VECTORS / "nvidia.json").read_text())["cases"]:
        references = Policy.decode(bytes.fromhex(case["policy"])).references
        nonces = [bytes.fromhex(each) for each in case.get("nonces", ())]
        for index, each in enumerate(case["devices"]):
            kind = Kind.SWITCH if each["type"] in {Kind.SWITCH, Kind.SWITCH_AT_BOOT} else Kind.GPU
            if peer_of(kind) != peer.peer:
                continue
            evidence = Evidence.decode(bytes.fromhex(each["evidence"]))
            nonce = nonces[index] if nonces else session().device_nonce(index)
            reference = next(r for r in references if r.kind is kind)
            appraise(peer, evidence, nonce, reference, root=evidence.certificates[4], at=case["at"])
            seen += 1
    assert seen == {NV_GPU: 3, NV_SWITCH: 1}[peer.peer]


def read(peer, family: str, report: bytes) -> None:
    found = peer.call("nvidia.read", family, report)
    nonce, driver, firmware, firmware_id, *measurements = found.rest()
    ours = Report.decode(report)
    assert nonce == ours.nonce
    assert driver.removesuffix(b"\0").decode() == ours.driver
    assert firmware.removesuffix(b"\0").decode().upper() == ours.firmware
    assert firmware_id == ours.firmware_id
    assert dict(enumerate(measurements, 1)) == ours.measurements


@both
def test_what_a_report_says(peer):
    if peer.peer is NV_SWITCH:
        read(peer, "switch", devices.SWITCH.report(devices.NONCE))
    else:
        read(peer, "hopper", devices.REPORT)
        read(peer, "blackwell", devices.BLACKWELL.report(devices.NONCE))


# -- what NVIDIA publishes


def judge_published(peer, evidence: Evidence, nonce: bytes) -> None:
    """The same verdict on it, and on it with another nonce or a byte that was changed."""
    reference = real.reference(evidence)
    root = evidence.certificates[4]
    read(peer, "switch" if reference.kind is Kind.SWITCH else "hopper", evidence.report)
    appraise(peer, evidence, nonce, reference, root=root, at=real.AT)
    real.decide([evidence], [nonce])
    for changed, signed in (
        (evidence, b"\1" * 32),
        *(
            (Evidence(evidence.report[:at] + b"\x5a" + evidence.report[at + 1 :], evidence.certificates), nonce)
            for at in (0x50, len(evidence.report) - 130, len(evidence.report) - 1)
        ),
    ):
        with pytest.raises(PeerError):
            appraise(peer, changed, signed, reference, root=root, at=real.AT)


@pytest.mark.parametrize(
    ("peer", "name"),
    [pytest.param(peer_of(1 + ("switch" in name)), name, id=name) for name in real.FILES],
    indirect=["peer"],
)
def test_published_devices(peer, shared, name):
    evidence, nonces = real.published(shared / "attestation" / "nvidia", name)
    for each, nonce in zip(evidence, nonces, strict=True):
        judge_published(peer, each, nonce)


@pytest.mark.parametrize(
    ("peer", "which"),
    [
        pytest.param(NV_GPU, ("gpu_hopper", "hopperCertChain"), id="gpu"),
        pytest.param(NV_SWITCH, ("switch_switch", "switch_switchCertChain"), id="switch"),
    ],
    indirect=["peer"],
)
def test_published_devices_that_must_fail(peer, shared, which):
    name, certificates = which
    evidence = real.of_sdk(shared / "attestation" / "nvidia", f"{name}AttestationReportInvalidSignature", certificates)
    report, reference = Report.decode(evidence.report), real.reference(evidence)
    for decide in (
        lambda: appraise(peer, evidence, report.nonce, reference, root=evidence.certificates[4], at=real.AT),
        lambda: real.decide([evidence], [report.nonce]),
    ):
        assert not accepts(decide)


@pytest.fixture
def published(peer) -> dict[str, bytes]:
    """The files in NVIDIA's package, which aren't distributed here."""
    found = peer.call("nvidia.published").rest()
    return {name.decode(): content for name, content in zip(found[::2], found[1::2], strict=True)}


@gpu
def test_the_packages_own_device(peer, published):
    text = published["hopperAttestationReport.txt"].decode()
    report = bytes.fromhex(text.replace("\\x", "").replace("0x", "").replace(" ", "").replace("\n", ""))
    evidence = Evidence.from_driver(report, published["hopperCertChain.txt"])
    judge_published(peer, evidence, Report.decode(report).nonce)


def values(peer, data: bytes) -> dict[int, tuple[bytes, ...]]:
    found, result = peer.call("nvidia.values", data), {}
    for _ in range(found.number()):
        index = found.number()
        result[index] = tuple(dict.fromkeys([found.bytes() for _ in range(found.number())]))
    return result


def root_in(data: bytes) -> bytes:
    """The last certificate of a manifest, which is pinned here: by the library, or by the maker."""
    text = re.findall(rb"<ds:X509Certificate>([^<]*)<", data)[-1]
    return pem_encode(base64.b64decode(text))


def verdicts(peer, data: bytes, at: int) -> tuple[bool, bool]:
    """On a manifest of NVIDIA's: here and there."""
    version = Rim.decode(data).version.encode()
    return (
        accepts(lambda: verify_rim(data, product="GH100", roots=NVIDIA_RIM_ROOTS, at=at)),
        accepts(lambda: peer.call("nvidia.rim", at, root_in(data), version, data)),
    )


@gpu
def test_the_packages_own_manifests(peer, published):
    """The same values in each, and the same verdict, also after its signer's end and with another value."""
    found = [data for name, data in published.items() if name.endswith(".swidtag")]
    assert len(found) > 20
    for number, data in enumerate(found):
        rim = Rim.decode(data)
        assert values(peer, data) == rim.values
        changed = data.replace(next(iter(rim.values.values()))[0].hex().encode(), b"01" * 48)
        assert verdicts(peer, data, LATER) == (True, True)
        if number % 8 == 0:
            assert verdicts(peer, data, 2_200_000_000) == (False, False)
            assert verdicts(peer, changed, LATER) == (False, False)


@gpu
def test_a_published_manifest_that_must_fail(peer, shared):
    data = (shared / "attestation" / "nvidia" / "sdk_incorrect_signature_driver_rim.xml").read_bytes()
    assert verdicts(peer, data, LATER) == (False, False)


# -- manifests from here


ROOT = pem_encode(manifests.MAKER.certificate(3))
CAPITALS = manifests.MAKER.resource(3, [devices.ZERO], **{"ns2:Hash0": devices.digest("three").hex().upper()})
MANIFESTS = {
    "good": (manifests.RIM, {}),
    "alternatives": (manifests.MAKER.rim({1: [devices.ZERO, devices.digest("a")]}), {}),
    "last-second": (manifests.RIM, {"at": manifests.AT + manifests.YEAR}),
    "first-second": (manifests.RIM, {"at": manifests.AT - manifests.YEAR}),
    "no-measurement": (manifests.MAKER.rim({}), {}),
    "capitals": (manifests.MAKER.rim({}, resources=[CAPITALS]), {}),
    **{name: (case[0](), case[1]) for name, case in manifests.REFUSED.items()},
    **{f"wrapped-{name}": (case[0].encode(), {}) for name, case in manifests.WRAPPED.items()},
}


@gpu
@pytest.mark.parametrize("case", MANIFESTS)
def test_manifests(peer, case):
    data, changes = MANIFESTS[case]
    root = ROOT if "roots" not in changes else pem_encode(manifests.GPU.certificate(4))
    there = accepts(lambda: peer.call("nvidia.rim", changes.get("at", manifests.AT), root, b"590.12", data))
    with difference(peer.peer, f"manifest {case}"):
        assert there == accepts(lambda: manifests.check(data, **changes))


@gpu
def test_values_of_a_manifest(peer):
    for data in (manifests.RIM, manifests.DRIVER, manifests.FIRMWARE, MANIFESTS["capitals"][0]):
        assert values(peer, data) == Rim.decode(data).values
