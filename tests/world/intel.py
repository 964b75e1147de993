"""A maker of TDX platforms in memory: root, authorities, revocation lists, TCB info, platforms, and their quotes.

Certificates, lists and quotes are written here byte by byte and owe nothing to the library's readers. Any part can be
overridden, for tests that lie. Keys are derived from names and signatures are deterministic (RFC 6979).
"""

from __future__ import annotations

import base64
import functools
import hashlib
import json
import struct
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from privproc.attestation import Rule
from privproc.attestation.tdx import (
    STRICT_CONFIGURATION,
    STRICT_DOMAIN,
    Collateral,
    Platforms,
    Policy,
    Register,
    Roots,
    TcbRules,
    TcbStatus,
    VerifiedCollateral,
    verify_collateral,
)
from tests.world.amd import DAY, CrlDraft, Draft, extension, integer, list_place, oid, tlv

ECDSA_SHA256 = bytes.fromhex("300a06082a8648ce3d040302")
SGX = "2a864886f84d010d01"
MRSIGNER = hashlib.sha256(b"signer of the quoting enclave").digest()
VENDOR = bytes.fromhex("939a7233f79c4ca9940a0db3957f0607")
COMPONENTS = bytes((4, 4, 2, 2, 4, 1, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0))
TEE_TCB_SVN = bytes((6, 1, 4)) + bytes(13)
FMSPC = bytes.fromhex("90c06f000000")
ATTRIBUTES = 1 << 28
XFAM = 0x602E7
RTMRS = (*(hashlib.sha384(bytes((i,))).digest() for i in range(3)), bytes(48))
MRTD = hashlib.sha384(b"firmware").digest()


@functools.cache
def key(name: str) -> ec.EllipticCurvePrivateKey:
    scalar = int.from_bytes(hashlib.sha256(b"not a secret " + name.encode()).digest(), "big") >> 1
    return ec.derive_private_key(scalar, ec.SECP256R1())


def point(private: Any) -> bytes:
    return private.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)[1:]


def spki(private: Any) -> bytes:
    return private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def der_signature(private: Any, data: bytes) -> bytes:
    return private.sign(data, ec.ECDSA(SHA256(), deterministic_signing=True))


def raw_signature(private: Any, data: bytes) -> bytes:
    r, s = decode_dss_signature(der_signature(private, data))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def signed(private: Any, tbs: bytes, algorithm: bytes = ECDSA_SHA256) -> bytes:
    return tlv(0x30, tbs, algorithm, tlv(0x03, b"\0", der_signature(private, tbs)))


def sign_draft(draft: Draft, private: Any) -> bytes:
    return signed(private, draft.tbs(), draft.outer_algorithm or draft.algorithm)


def name(common_name: str) -> bytes:
    parts = (("550403", common_name), ("55040a", "Not Intel Corporation"))
    return tlv(0x30, *(tlv(0x31, tlv(0x30, oid(kind), tlv(0x0C, text.encode()))) for kind, text in parts))


def profile(constraints: str, usage: str) -> list[bytes]:
    return [
        extension("551d0f", bytes.fromhex(usage), critical=True),
        extension("551d13", bytes.fromhex(constraints), critical=True),
    ]


def pem(der: bytes) -> bytes:
    text = base64.b64encode(der)
    lines = b"".join(text[at : at + 64] + b"\n" for at in range(0, len(text), 64))
    return b"-----BEGIN CERTIFICATE-----\n" + lines + b"-----END CERTIFICATE-----\n"


def iso(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass
class EcCrlDraft(CrlDraft):
    """The same for an authority with a key on P-256."""

    algorithm: bytes = ECDSA_SHA256
    outer_algorithm: bytes = ECDSA_SHA256

    def sign(self, private: Any) -> bytes:
        return signed(private, self.tbs(), self.outer_algorithm)


@dataclass(frozen=True)
class FakeIntel:
    """A root with its PCK authority, TCB signer and service. Everything was issued 10 days before ``at``."""

    at: int

    def draft(self, which: str) -> Draft:
        """The certificate of ``root``, ``pck_ca`` or ``signer``, to be changed and signed by the root."""
        names = {
            "root": "Intel SGX Root CA",
            "pck_ca": "Intel SGX PCK Platform CA",
            "signer": "Intel SGX TCB Signing",
        }
        profiles = {
            "root": [*profile("30060101ff020101", "03020106"), list_place("https://pcs.example/IntelSGXRootCA.der")],
            "pck_ca": profile("30060101ff020100", "03020106"),
            "signer": profile("3000", "030206c0"),
        }
        return Draft(
            issuer=name(names["root"]),
            subject=name(names[which]),
            not_before=self.at - 10 * DAY,
            not_after=self.at + 2000 * DAY,
            spki=spki(key(which)),
            extensions=profiles[which],
            serial=integer(0x7000 + len(which)),
            algorithm=ECDSA_SHA256,
        )

    def certificate(self, which: str) -> bytes:
        return sign_draft(self.draft(which), key("root"))

    def crl(self, which: str) -> EcCrlDraft:
        """The list of ``root`` or ``pck_ca``, to be changed and signed."""
        return EcCrlDraft(self.draft(which).subject, self.at - 10 * DAY, self.at + 20 * DAY, (0x1234, 0xABCDEF))

    @property
    def roots(self) -> Roots:
        return Roots((hashlib.sha256(self.certificate("root")).digest(),))

    def tcb_info(self) -> dict[str, Any]:
        """The inner object, to be changed and signed: one good level, one out of date."""

        def level(status: str, pcesvn: int, sgx: bytes, tdx: bytes, days: int, *advisories: str) -> dict[str, Any]:
            tcb = {
                "sgxtcbcomponents": [{"svn": svn, "category": "BIOS"} for svn in sgx],
                "pcesvn": pcesvn,
                "tdxtcbcomponents": [{"svn": svn} for svn in tdx],
            }
            found = {"tcb": tcb, "tcbDate": iso(self.at - days * DAY), "tcbStatus": status}
            return found | ({"advisoryIDs": list(advisories)} if advisories else {})

        module = {"mrsigner": "00" * 48, "attributes": "00" * 8, "attributesMask": "FF" * 8}
        return {
            "id": "TDX",
            "version": 3,
            "issueDate": iso(self.at - 10 * DAY),
            "nextUpdate": iso(self.at + 20 * DAY),
            "fmspc": FMSPC.hex(),
            "pceId": "0000",
            "tcbType": 0,
            "tcbEvaluationDataNumber": 18,
            "tdxModule": module,
            "tdxModuleIdentities": [
                {"id": "TDX_03", **module, "tcbLevels": self.svn_levels(3, 1)},
                {"id": "TDX_01", **module, "tcbLevels": self.svn_levels(6, 4)},
            ],
            "tcbLevels": [
                level("UpToDate", 13, COMPONENTS, bytes((5, 0, 4)) + bytes(13), 100),
                level("OutOfDate", 13, bytes((2, *COMPONENTS[1:])), bytes((5, 0, 2)) + bytes(13), 400, "INTEL-SA-01"),
                level("OutOfDate", 5, bytes(16), bytes(16), 3000, "INTEL-SA-00", "INTEL-SA-01"),
            ],
        }

    def svn_levels(self, good: int, old: int) -> list[dict[str, Any]]:
        return [
            {"tcb": {"isvsvn": svn}, "tcbDate": iso(self.at - days * DAY), "tcbStatus": status}
            for svn, days, status in ((good, 100, "UpToDate"), (old, 400, "OutOfDate"))
        ]

    def qe_identity(self) -> dict[str, Any]:
        return {
            "id": "TD_QE",
            "version": 2,
            "issueDate": iso(self.at - 10 * DAY),
            "nextUpdate": iso(self.at + 20 * DAY),
            "tcbEvaluationDataNumber": 18,
            "miscselect": "00000000",
            "miscselectMask": "FFFFFFFF",
            "attributes": "11000000000000000000000000000000",
            "attributesMask": "FBFFFFFFFFFFFFFF0000000000000000",
            "mrsigner": MRSIGNER.hex().upper(),
            "isvprodid": 2,
            "tcbLevels": self.svn_levels(4, 2),
        }

    def collateral(self, *, tcb_info: Any = None, qe_identity: Any = None, **parts: bytes) -> Collateral:
        """All of it, but for parts that are given; a TCB info or QE identity (dict or bytes) is signed here."""
        found: dict[str, bytes] = {
            "root": self.certificate("root"),
            "pck_ca": self.certificate("pck_ca"),
            "tcb_signing": self.certificate("signer"),
            "root_crl": self.crl("root").sign(key("root")),
            "pck_crl": self.crl("pck_ca").sign(key("pck_ca")),
        }
        for what, value in (
            ("tcb_info", tcb_info or self.tcb_info()),
            ("qe_identity", qe_identity or self.qe_identity()),
        ):
            data = value if isinstance(value, bytes) else json.dumps(value, separators=(",", ":")).encode()
            found |= {what: data, f"{what}_signature": raw_signature(key("signer"), data)}
        return Collateral(**found | parts)

    def verified(self, **parts: Any) -> VerifiedCollateral:
        return verify_collateral(self.collateral(**parts), roots=self.roots, at=self.at)

    def platform(self, seed: bytes = b"platform", **changes: Any) -> FakePlatform:
        return FakePlatform(self, seed, **changes)


@dataclass(frozen=True)
class FakePlatform:
    """A platform with its quoting enclave: signs whatever it is told to."""

    intel: FakeIntel
    seed: bytes
    components: bytes = COMPONENTS
    pcesvn: int = 13
    pceid: bytes = bytes(2)
    fmspc: bytes = FMSPC
    configuration: tuple[bool, bool, bool] | None = (False, False, False)
    sgx_type: int = 1

    @property
    def ppid(self) -> bytes:
        return hashlib.sha256(b"ppid" + self.seed).digest()[:16]

    @property
    def piid(self) -> bytes:
        return hashlib.sha256(b"piid" + self.seed).digest()[:16]

    @property
    def pck(self) -> ec.EllipticCurvePrivateKey:
        return key("pck" + self.seed.hex())

    @property
    def attestation(self) -> ec.EllipticCurvePrivateKey:
        return key("ak" + self.seed.hex())

    @property
    def serial(self) -> int:
        return int.from_bytes(self.ppid[:8], "big")

    def sgx_parts(self) -> dict[int, bytes]:
        """The parts of the SGX extension by the last number of their identifier."""
        tcb = {part + 1: integer(svn) for part, svn in enumerate(self.components)}
        tcb |= {17: integer(self.pcesvn), 18: tlv(0x04, self.components)}
        parts = {
            1: tlv(0x04, self.ppid),
            2: pairs("02", tcb),
            3: tlv(0x04, self.pceid),
            4: tlv(0x04, self.fmspc),
            5: tlv(0x0A, bytes((self.sgx_type,))),
        }
        if self.configuration is not None:
            flags = {part + 1: tlv(0x01, b"\xff" if on else b"\0") for part, on in enumerate(self.configuration)}
            parts |= {6: tlv(0x04, self.piid), 7: pairs("07", flags)}
        return parts

    def draft(self) -> Draft:
        """The PCK certificate, to be changed and signed by the PCK authority."""
        intel = self.intel
        return Draft(
            issuer=intel.draft("pck_ca").subject,
            subject=name("Intel SGX PCK Certificate"),
            not_before=intel.at - 30 * DAY,
            not_after=intel.at + 1500 * DAY,
            spki=spki(self.pck),
            extensions=[
                extension("551d23", tlv(0x30, tlv(0x80, hashlib.sha1(spki(key("pck_ca"))).digest()))),  # noqa: S324
                list_place("https://pcs.example/sgx/certification/v4/pckcrl?ca=platform&encoding=der"),
                extension("551d0e", tlv(0x04, hashlib.sha1(spki(self.pck)).digest())),  # noqa: S324
                *profile("3000", "030206c0"),
                extension(SGX, pairs("", self.sgx_parts())),
            ],
            serial=integer(self.serial),
            algorithm=ECDSA_SHA256,
        )

    def certificate(self) -> bytes:
        return sign_draft(self.draft(), key("pck_ca"))

    def qe_report(self, **fields: Any) -> bytes:
        authentication = fields.pop("authentication", bytes(range(32)))
        values = {
            "cpusvn": self.components,
            "miscselect": bytes(4),
            "attributes": bytes.fromhex("1500000000000000e700000000000000"),
            "mrenclave": hashlib.sha256(b"quoting enclave").digest(),
            "mrsigner": MRSIGNER,
            "isvprodid": 2,
            "isvsvn": 4,
            "report_data": hashlib.sha256(point(self.attestation) + authentication).digest() + bytes(32),
        } | fields
        return struct.pack(
            "<16s4s28x16s32s32x32s96xHH60x64s",
            *(
                values[n]
                for n in ("cpusvn", "miscselect", "attributes", "mrenclave", "mrsigner", "isvprodid", "isvsvn")
            ),
            values["report_data"],
        )

    def quote(
        self,
        *,
        report_data: bytes,
        version: int = 5,
        kind: int = 3,
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
        values = report_fields(report_data) | fields
        body = b"".join(values[n] for n in REPORT)
        body += b"".join(values[n] for n in TAIL) if kind == 3 else b""
        head = struct.pack("<HHI4x16s20s", version, values["key_type"], values["tee_type"], values["vendor"], bytes(20))
        data = head + (struct.pack("<HI", kind, len(body)) if version == 5 else b"") + body
        if chain is None:
            chain = b"".join(map(pem, (pck or self.certificate(), *map(self.intel.certificate, ("pck_ca", "root")))))
        qe_report = self.qe_report(authentication=authentication, **qe or {})
        inner = qe_report + raw_signature(qe_signer or self.pck, qe_report)
        inner += struct.pack("<H", len(authentication)) + authentication
        inner += struct.pack("<HI", types[1], len(chain)) + chain
        outer = raw_signature(signer or self.attestation, data) + point(attestation or self.attestation)
        outer += struct.pack("<HI", types[0], len(inner)) + inner
        return data + struct.pack("<I", len(outer)) + outer


def pairs(tail: str, values: dict[int, bytes]) -> bytes:
    """SEQUENCE OF SEQUENCE { identifier under SGX and ``tail``, value }."""
    return tlv(0x30, *(tlv(0x30, oid(f"{SGX}{tail}{part:02x}"), value) for part, value in values.items()))


REPORT = (
    "tee_tcb_svn",
    "mrseam",
    "mrsignerseam",
    "seam_attributes",
    "attributes",
    "xfam",
    "mrtd",
    "mrconfigid",
    "mrowner",
    "mrownerconfig",
    "rtmrs",
    "report_data",
)
TAIL = ("tee_tcb_svn_2", "mrservicetd")


def report_fields(report_data: bytes) -> dict[str, Any]:
    return {
        "key_type": 2,
        "tee_type": 0x81,
        "vendor": VENDOR,
        "tee_tcb_svn": TEE_TCB_SVN,
        "mrseam": hashlib.sha384(b"module").digest(),
        "mrsignerseam": bytes(48),
        "seam_attributes": bytes(8),
        "attributes": ATTRIBUTES.to_bytes(8, "little"),
        "xfam": XFAM.to_bytes(8, "little"),
        "mrtd": MRTD,
        "mrconfigid": bytes(48),
        "mrowner": bytes(48),
        "mrownerconfig": bytes(48),
        "rtmrs": b"".join(RTMRS),
        "report_data": report_data,
        "tee_tcb_svn_2": TEE_TCB_SVN,
        "mrservicetd": bytes(48),
    }


def strict_policy(*platforms: FakePlatform, **changes: Any) -> Policy:
    """A policy that accepts the quotes of these platforms, and nothing less."""
    policy = Policy(
        tcb=TcbRules(statuses=frozenset({TcbStatus.UP_TO_DATE}), grace=0, advisories=frozenset(), evaluation=18),
        domain=replace(STRICT_DOMAIN, pks=Rule.CLEAR, lass=Rule.CLEAR),
        xfam=XFAM,
        registers=(Register.LOGGED, Register.LOGGED, Register.LOGGED, Register.ZERO),
        mrconfigid=bytes(48),
        mrowner=bytes(48),
        mrownerconfig=bytes(48),
        configuration=STRICT_CONFIGURATION,
        platforms=Platforms(tuple(platform.piid for platform in platforms)),
        max_age=3600,
    )
    return replace(policy, **changes)
