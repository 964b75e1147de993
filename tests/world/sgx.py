"""SGX enclaves on the platforms of :mod:`.intel`: Intel's word about them, and their quotes, byte by byte."""

from __future__ import annotations

import hashlib
import struct
from dataclasses import replace
from typing import Any

from privproc.attestation import Rule
from privproc.attestation.sgx import (
    STRICT_CONFIGURATION,
    STRICT_ENCLAVE,
    Collateral,
    Identity,
    Memory,
    Platforms,
    Policy,
    TcbRules,
    TcbStatus,
    VerifiedCollateral,
    verify_collateral,
)
from tests.world.intel import VENDOR, FakeIntel, FakePlatform, pem, point, raw_signature

MRENCLAVE = hashlib.sha256(b"enclave").digest()
MRSIGNER = hashlib.sha256(b"signer of the enclave").digest()
FLAGS = 0b101
XFRM = 0xE7
CPUSVN = bytes.fromhex("06060c0cffff00000000000000000000")
"""As a processor writes it, not as its certificate does."""


def tcb_info(intel: FakeIntel) -> dict[str, Any]:
    """The inner object, to be changed and signed: TDX's without what is TDX's own."""
    info = intel.tcb_info()
    for level in info["tcbLevels"]:
        del level["tcb"]["tdxtcbcomponents"]
    del info["tdxModule"], info["tdxModuleIdentities"]
    return info | {"id": "SGX"}


def qe_identity(intel: FakeIntel) -> dict[str, Any]:
    return intel.qe_identity() | {"id": "QE", "isvprodid": 1}


def collateral(intel: FakeIntel, **parts: Any) -> Collateral:
    return intel.collateral(**{"tcb_info": tcb_info(intel), "qe_identity": qe_identity(intel)} | parts)


def verified(intel: FakeIntel, **parts: Any) -> VerifiedCollateral:
    return verify_collateral(collateral(intel, **parts), roots=intel.roots, at=intel.at)


def report(**fields: Any) -> bytes:
    """The report of an enclave (384 bytes), by offset: Intel SDM volume 3D, "REPORT"."""
    values = {
        "cpusvn": CPUSVN,
        "miscselect": bytes(4),
        "isvextprodid": bytes(16),
        "flags": FLAGS,
        "xfrm": XFRM,
        "mrenclave": MRENCLAVE,
        "mrsigner": MRSIGNER,
        "configid": bytes(64),
        "isvprodid": 7,
        "isvsvn": 3,
        "configsvn": 0,
        "isvfamilyid": bytes(16),
        "report_data": bytes(64),
    } | fields
    data = bytearray(384)
    for offset, name in ((0, "cpusvn"), (16, "miscselect"), (32, "isvextprodid"), (64, "mrenclave"), (128, "mrsigner"),
                         (192, "configid"), (304, "isvfamilyid"), (320, "report_data")):  # fmt: skip
        data[offset : offset + len(values[name])] = values[name]
    struct.pack_into("<QQ", data, 48, values["flags"], values["xfrm"])
    struct.pack_into("<HHH", data, 256, values["isvprodid"], values["isvsvn"], values["configsvn"])
    return bytes(data)


def quote(
    platform: FakePlatform,
    *,
    report_data: bytes,
    version: int = 3,
    header: dict[str, Any] | None = None,
    qe: dict[str, Any] | None = None,
    qe_signer: Any = None,
    signer: Any = None,
    attestation: Any = None,
    chain: bytes | None = None,
    pck: bytes | None = None,
    types: tuple[int, int] = (6, 5),
    authentication: bytes = bytes(range(32)),
    **fields: Any,
) -> bytes:
    """A quote that :func:`strict_policy` accepts, but for ``fields`` that are given otherwise."""
    head = {"version": version, "key_type": 2, "tee_type": 0, "vendor": VENDOR} | (header or {})
    svns = struct.pack("<HH", 9, 13) if version == 3 else bytes(4)
    data = struct.pack("<HHI", head["version"], head["key_type"], head["tee_type"]) + svns + head["vendor"] + bytes(20)
    data += report(report_data=report_data, **fields)
    if chain is None:
        chain = b"".join(
            map(pem, (pck or platform.certificate(), *map(platform.intel.certificate, ("pck_ca", "root"))))
        )
    qe_report = platform.qe_report(authentication=authentication, **{"isvprodid": 1} | (qe or {}))
    inner = qe_report + raw_signature(qe_signer or platform.pck, qe_report)
    inner += struct.pack("<H", len(authentication)) + authentication + struct.pack("<HI", types[1], len(chain)) + chain
    outer = raw_signature(signer or platform.attestation, data) + point(attestation or platform.attestation)
    outer += (struct.pack("<HI", types[0], len(inner)) if version == 4 else b"") + inner
    return data + struct.pack("<I", len(outer)) + outer


def strict_policy(*platforms: FakePlatform, **changes: Any) -> Policy:
    """A policy that accepts the quotes of these platforms, and nothing less."""
    policy = Policy(
        tcb=TcbRules(statuses=frozenset({TcbStatus.UP_TO_DATE}), grace=0, advisories=frozenset(), evaluation=18),
        enclave=replace(STRICT_ENCLAVE, **dict.fromkeys(("cet", "kss", "aex_notify"), Rule.CLEAR)),
        xfrm=XFRM,
        miscselect=0,
        identity=Identity.ENCLAVE,
        isvprodid=7,
        isvsvn=3,
        isvextprodid=bytes(16),
        isvfamilyid=bytes(16),
        configid=bytes(64),
        configsvn=0,
        memory=frozenset({Memory.SCALABLE}),
        configuration=STRICT_CONFIGURATION,
        platforms=Platforms(tuple(platform.piid for platform in platforms)),
        max_age=3600,
    )
    return replace(policy, **changes)
