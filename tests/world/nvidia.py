"""A maker of GPUs and switches in memory: root, families, provisioners, boot ROMs, and reports in SPDM's form.

Certificates and reports are written here, in NVIDIA's order, and owe nothing to the library's readers. Keys are derived
from names and signatures are deterministic (RFC 6979).
"""

from __future__ import annotations

import functools
import hashlib
import struct
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from privproc.attestation.binder import Binding, Direction
from privproc.attestation.nvidia import AnyDevice, Evidence, Kind, Policy, Reference, Roots
from privproc.secret import Secret
from tests.world.amd import Draft, extension, integer, oid, spki, tlv, utc_time
from tests.world.aws import ECDSA_SHA384, der_signature, key, sign_draft

SHA384_OID = "608648016503040202"
FIRMWARE, FIRMWARE_OF_BLACKWELL = "678105050401", "67810505040101"
NEVER = tlv(0x18, b"99991231235959Z")


def name(common_name: str, serial: str = "") -> bytes:
    parts = (("550405", serial), ("55040a", "Not NVIDIA"), ("550403", common_name))
    return tlv(0x30, *(tlv(0x31, tlv(0x30, oid(kind), tlv(0x0C, text.encode()))) for kind, text in parts if text))


def fwid(digest: bytes, algorithm: str = SHA384_OID) -> bytes:
    return tlv(0x30, oid(algorithm), tlv(0x04, digest))


def composite(digest: bytes) -> bytes:
    """Hopper's extension: version, a key, one firmware id."""
    return tlv(0x30, integer(1), spki(key("device id")), fwid(digest))


def tcb_info(*digests: bytes) -> bytes:
    """Blackwell's: all fields of TCG's DiceTcbInfo, from vendor to type."""
    first = (
        tlv(0x80, b"Not NVIDIA"),
        tlv(0x81, b"GB100 A01 GSP BROM"),
        tlv(0x82, b"1"),
        *(tlv(tag, b"\0") for tag in b"\x83\x84\x85"),
    )
    last = tlv(0x87, bytes(5)), tlv(0x88, bytes(4)), tlv(0x89, b"0")
    return tlv(0x30, *first, tlv(0xA6, *map(fwid, digests)), *last)


def digest(text: str) -> bytes:
    return hashlib.sha384(text.encode()).digest()


@dataclass(frozen=True)
class FakeDevice:
    """One device by its serial number; ``family`` decides whether it is a Hopper, a Blackwell or a switch."""

    at: int
    serial: str = "0001"
    family: str = "GH100"

    @property
    def switch(self) -> bool:
        return self.family == "LS_10"

    @property
    def kind(self) -> Kind:
        return Kind.SWITCH if self.switch else Kind.GPU

    @property
    def model(self) -> str:
        return f"{self.family} A01 GSP BROM"

    @property
    def names(self) -> tuple[str, ...]:
        """Of the keys, from the leaf up."""
        device = f"{self.family} {self.serial}"
        return f"{device} leaf", f"{device} rom", f"{self.family} provisioner", f"{self.family} identity", "nvidia root"

    def subject(self, depth: int) -> bytes:
        common = (f"{self.family} A01 GSP FMC LF", self.model, *self.names[2:])[depth]
        return name(common, self.serial if depth < 2 else "")

    def draft(self, depth: int) -> Draft:
        """The certificate at ``depth`` (0 the leaf, 4 the root), to be changed and signed."""
        firmware = digest("firmware")
        if depth:
            usage = "03020204" if depth == 1 else "03020106"
            extensions = [extension("551d13", bytes.fromhex("30030101ff"), critical=True)]
        else:
            usage = "03020780"
            if self.family == "GB100":
                extensions = [extension(FIRMWARE_OF_BLACKWELL, tcb_info(firmware, bytes(48)))]
            else:
                extensions = [extension(FIRMWARE, composite(firmware))]
        extensions.append(extension("551d0f", bytes.fromhex(usage), critical=True))
        return Draft(
            issuer=self.subject(min(depth + 1, 4)),
            subject=self.subject(depth),
            not_before=0,
            not_after=0,
            validity=tlv(0x30, utc_time(self.at - 86400), NEVER),
            spki=spki(key(self.names[depth])),
            extensions=extensions,
            serial=integer(0x100 + depth),
            algorithm=ECDSA_SHA384,
        )

    @functools.cache  # noqa: B019 - a few devices in all tests
    def certificate(self, depth: int) -> bytes:
        return self.sign(depth)

    def sign(self, depth: int, *, signer: str = "", **changes: Any) -> bytes:
        return sign_draft(replace(self.draft(depth), **changes), key(signer or self.names[min(depth + 1, 4)]))

    @property
    def chain(self) -> tuple[bytes, ...]:
        return tuple(self.certificate(depth) for depth in range(5))

    @property
    def roots(self) -> Roots:
        return Roots((hashlib.sha256(self.certificate(4)).digest(),))

    @property
    def identity(self) -> bytes:
        return hashlib.sha256(spki(key(self.names[1]))).digest()

    @property
    def measurements(self) -> dict[int, bytes]:
        """By SPDM's index, from 1."""
        return {index: digest(f"{self.family} {index}") for index in range(1, 32 if self.switch else 65)}

    @property
    def opaque(self) -> dict[int, bytes]:
        if self.switch:
            return {6: b"96.10.55.00.01", 22: bytes(8)}
        return {6: bytes.fromhex("00a5009601000000"), 3: b"590.12\0", 11: b"\xaa", 20: digest("firmware")}

    def report(
        self,
        nonce: bytes,
        *,
        signer: str = "",
        measurements: Mapping[int, bytes] | None = None,
        opaque: Mapping[int, bytes] | None = None,
    ) -> bytes:
        """Request and response: what :func:`strict_policy` accepts, but for what is given otherwise."""
        values = self.measurements if measurements is None else measurements
        blocks = b"".join(struct.pack("<BBHBH", index, 1, 51, 1, 48) + value for index, value in values.items())
        stated = self.opaque if opaque is None else opaque
        items = b"".join(struct.pack("<HH", kind, len(value)) + value for kind, value in stated.items())
        request = b"\x11\xe0\x01\xff" + nonce + b"\0"
        response = b"\x11\x60\0\0" + bytes((len(values),)) + len(blocks).to_bytes(3, "little") + blocks
        response += digest("responder")[:32] + struct.pack("<H", len(items)) + items
        return self.signed(request + response, signer)

    def signed(self, message: bytes, signer: str = "") -> bytes:
        r, s = decode_dss_signature(der_signature(key(signer or self.names[0]), message))
        return message + r.to_bytes(48, "big") + s.to_bytes(48, "big")

    def evidence(self, nonce: bytes, *, chain: tuple[bytes, ...] | None = None, **report: Any) -> bytes:
        return Evidence(self.report(nonce, **report), chain or self.chain).encode()

    def reference(self, **changes: Any) -> Reference:
        """What this device is, runs and measures, all of it."""
        reference = Reference(
            kind=self.kind,
            model=self.model,
            driver="" if self.switch else "590.12",
            firmware="96.10.55.00.01" if self.switch else "96.00.A5.00.01",
            values=tuple((index - 1, value) for index, value in self.measurements.items()),
        )
        return replace(reference, **changes)


def strict_policy(*devices: FakeDevice, **changes: Any) -> Policy:
    """A policy that accepts these devices, and nothing less."""
    references = {device.family: device.reference() for device in devices}
    policy = Policy(
        gpus=sum(device.kind is Kind.GPU for device in devices),
        switches=sum(device.kind is Kind.SWITCH for device in devices),
        references=tuple(references.values()),
        devices=AnyDevice(),
        max_age=600,
    )
    return replace(policy, **changes)


def session(exporter: bytes = b"\x07" * 32) -> Binding:
    """The binding of a session that never was."""
    return Binding(
        direction=Direction.SERVER_TO_CLIENT,
        sequence=0,
        role="model",
        th1=bytes(range(48)),
        exporter=Secret(exporter),
        leaf=b"leaf",
        peer=b"",
        announcement=b"keys",
    )
