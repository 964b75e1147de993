"""A maker of reference manifests in memory: a hierarchy of four certificates, and signed SWID tags in NVIDIA's form.

A document is written twice, as it is sent and in its canonical form, by hand: neither owes anything to the library's
reader. Keys are derived from names and signatures are deterministic (RFC 6979).
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from privproc.attestation.nvidia import Roots
from tests.world.amd import Draft, extension, integer, spki, tlv, utc_time
from tests.world.aws import ECDSA_SHA384, der_signature, key, sign_draft
from tests.world.nvidia import FakeDevice, name

SWID = "http://standards.iso.org/iso/19770/-2/2015/schema.xsd"
HASH = "http://www.w3.org/2001/04/xmlenc#sha384"
RIMIM = "https://trustedcomputinggroup.org/resource/tcg-reference-integrity-manifest-rim-information-model/"
DS = "http://www.w3.org/2000/09/xmldsig#"
MORE = "http://www.w3.org/2001/04/xmldsig-more#"
C14N = "http://www.w3.org/2006/12/xml-c14n11"
OUTER = {"xmlns": SWID, "xmlns:ns0": SWID, "xmlns:ns2": HASH}
NAMES = ("rim signer", "rim issuer", "rim family", "rim root")
YEAR = 365 * 86400


class Piece(NamedTuple):
    """Part of a document as it is sent, and in its canonical form."""

    sent: str
    canonical: str


def join(*pieces: Piece | str) -> Piece:
    pairs = [Piece(each, each) if isinstance(each, str) else each for each in pieces]
    return Piece("".join(each.sent for each in pairs), "".join(each.canonical for each in pairs))


def tag(
    kind: str,
    attributes: Mapping[str, str] | None = None,
    *inner: Piece | str,
    declared: Mapping[str, str] | None = None,
    inherited: Mapping[str, str] | None = None,
) -> Piece:
    """An element; ``inherited`` are declarations that only the canonical form of an apex repeats."""
    given, spaces, body = attributes or {}, declared or {}, join(*inner)
    sent = "".join(f' {each}="{value}"' for each, value in {**spaces, **given}.items())
    # Declarations come first, then attributes without a prefix, then those with one: no element has two here.
    order = [*sorted({**spaces, **(inherited or {})}.items())]
    order += sorted(given.items(), key=lambda pair: (":" in pair[0], pair[0]))
    canonical = "".join(f' {each}="{value}"' for each, value in order)
    return Piece(
        f"<{kind}{sent}>{body.sent}</{kind}>" if inner else f"<{kind}{sent}/>",
        f"<{kind}{canonical}>{body.canonical}</{kind}>",
    )


@dataclass(frozen=True)
class FakeRims:
    """NVIDIA's signers of manifests, valid for a year around ``at``."""

    at: int

    def draft(self, depth: int) -> Draft:
        """The certificate at ``depth`` (0 the signer, 3 the root), to be changed and signed."""
        constraints = "3000" if not depth else "30060101ff020100" if depth == 1 else "30030101ff"
        usage = "03020106" if depth else "03020780"
        return Draft(
            issuer=name(NAMES[min(depth + 1, 3)]),
            subject=name(NAMES[depth]),
            not_before=0,
            not_after=0,
            validity=tlv(0x30, utc_time(self.at - YEAR), utc_time(self.at + (depth + 1) * YEAR)),
            spki=spki(key(NAMES[depth])),
            extensions=[
                extension("551d13", bytes.fromhex(constraints), critical=True),
                extension("551d0f", bytes.fromhex(usage), critical=True),
            ],
            serial=integer(0x200 + depth),
            algorithm=ECDSA_SHA384,
        )

    def certificate(self, depth: int, *, signer: str = "", **changes: Any) -> bytes:
        return sign_draft(replace(self.draft(depth), **changes), key(signer or NAMES[min(depth + 1, 3)]))

    @property
    def chain(self) -> tuple[bytes, ...]:
        return tuple(self.certificate(depth) for depth in range(4))

    @property
    def roots(self) -> Roots:
        return Roots((hashlib.sha256(self.certificate(3)).digest(),))

    def resource(self, index: int, values: Sequence[bytes], *, active: bool = True, **changes: str) -> Piece:
        attributes = {
            "type": "Measurement",
            "index": str(index),
            "active": str(active),
            "alternatives": str(len(values)),
            **{f"ns2:Hash{number}": value.hex() for number, value in enumerate(values)},
            "name": f"Measurement_{index}",
            "size": "48",
        }
        return tag("ns0:Resource", attributes | changes)

    def rim(
        self,
        values: Mapping[int, Sequence[bytes]],
        *,
        version: str = "590.12",
        product: str = "GH100",
        meta: Mapping[str, str] | None = None,
        root: Mapping[str, str] | None = None,
        resources: Sequence[Piece] = (),
        **signature: Any,
    ) -> bytes:
        """A manifest of ``values``; ``resources`` are more of them, the rest goes to :meth:`signed`."""
        described = {
            "colloquialVersion": version,
            "edition": "GPU",
            "product": product,
            "revision": "r1",
            "PayloadType": "direct",
            "ns1:BindingSpec": "RIMIM",
            "ns1:BindingSpecVersion": "1.01",
            "ns1:PlatformManufacturerStr": "Not NVIDIA",
        }
        listed = [self.resource(index, each) for index, each in values.items()]
        listed.append(self.resource(200, [bytes(48)], active=False))
        payload = join(*(join("\n        ", each) for each in [*listed, *resources]), "\n    ")
        parts = (
            tag("ns0:Entity", {"name": "Not NVIDIA", "role": "softwareCreator tagCreator"}),
            tag("ns0:Meta", described | (meta or {}), declared={"xmlns:ns1": RIMIM}),
            tag("ns0:Payload", {}, payload, declared={"xmlns:SHA384": HASH}),
        )
        attributes = {"corpus": "false", "name": product, "patch": "false", "supplemental": "false", "tagId": "00"}
        return self.signed(join(*(join("\n    ", each) for each in parts)), attributes | (root or {}), **signature)

    def signed(
        self,
        body: Piece,
        attributes: Mapping[str, str],
        *,
        signer: str = NAMES[0],
        chain: tuple[bytes, ...] | None = None,
        uri: str = "",
        method: str = f"{MORE}ecdsa-sha384",
        transforms: Sequence[str] = (f"{DS}enveloped-signature", C14N),
    ) -> bytes:
        """The document with its signature, which is the last element."""
        canonical = tag("SoftwareIdentity", attributes, body, "\n", declared=OUTER).canonical
        digest = hashlib.sha384(canonical.encode()).digest()
        reference = tag(
            "ds:Reference",
            {"URI": uri},
            tag("ds:Transforms", {}, *(tag("ds:Transform", {"Algorithm": each}) for each in transforms)),
            tag("ds:DigestMethod", {"Algorithm": f"{MORE}sha384"}),
            tag("ds:DigestValue", {}, b64(digest)),
        )
        info = tag(
            "ds:SignedInfo",
            {},
            tag("ds:CanonicalizationMethod", {"Algorithm": C14N}),
            tag("ds:SignatureMethod", {"Algorithm": method}),
            reference,
            inherited={**OUTER, "xmlns:ds": DS},
        )
        r, s = decode_dss_signature(der_signature(key(signer), info.canonical.encode()))
        certificates = [tag("ds:X509Certificate", {}, f"{b64(each)}\n") for each in chain or self.chain]
        signature = tag(
            "ds:Signature",
            {},
            info,
            tag("ds:SignatureValue", {}, b64(r.to_bytes(48, "big") + s.to_bytes(48, "big"))),
            tag("ds:KeyInfo", {}, tag("ds:X509Data", {}, *certificates)),
            declared={"xmlns:ds": DS},
        )
        return tag("SoftwareIdentity", attributes, body, "\n", signature, declared=OUTER).sent.encode() + b"\n"

    def of(self, device: FakeDevice, **changes: Any) -> tuple[bytes, bytes]:
        """The manifests of a GPU's driver and firmware: every other measurement is of one of them."""
        values = {index - 1: [value] for index, value in device.measurements.items()}
        driver = {index: each for index, each in values.items() if index % 2}
        firmware = {
            index: [hashlib.sha384(b"other").digest(), *each] for index, each in values.items() if not index % 2
        }
        stated = device.reference()
        made = {"product": device.family} | changes
        return self.rim(driver, version=stated.driver, **made), self.rim(firmware, version=stated.firmware, **made)


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()
