"""Manifests of reference values: each check with a file that fails it, and proof that it would pass without."""

from __future__ import annotations

import base64
import hashlib
import os
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from privproc.attestation import NO_REVOCATIONS, xmlsignature
from privproc.attestation.nvidia import (
    NVIDIA_RIM_ROOTS,
    AnyDevice,
    FreshDevices,
    Kind,
    Policy,
    Rim,
    appraise,
    reference,
    rim,
    verify_rim,
)
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
from privproc.tagged import tagged_hash
from privproc.trust import Trusted
from tests.codec import check_contract
from tests.world.amd import extension
from tests.world.nvidia import FakeDevice, digest, session
from tests.world.removed import removed
from tests.world.rims import C14N, DS, HASH, YEAR, FakeRims

AT = 1_780_000_000
MAKER = FakeRims(AT)
VALUES = {3: [digest("three")], 7: [digest("seven"), digest("other seven")]}
RIM = MAKER.rim(VALUES)
GPU = FakeDevice(AT)
DRIVER, FIRMWARE = MAKER.of(GPU)


def check(data: bytes = RIM, **changes: Any) -> Trusted[Rim]:
    arguments: dict[str, Any] = {"product": "GH100", "roots": MAKER.roots, "at": AT}
    return verify_rim(data, **arguments | changes)


def changed(old: str, new: str, data: bytes = RIM) -> bytes:
    """A good file, changed after it was signed."""
    assert data.count(old.encode()) == 1, data.count(old.encode())
    return data.replace(old.encode(), new.encode())


def chain(depth: int, certificate: bytes) -> bytes:
    """A file with another certificate at ``depth``."""
    return MAKER.rim(VALUES, chain=(*MAKER.chain[:depth], certificate, *MAKER.chain[depth + 1 :]))


def test_rim() -> None:
    found = check()
    assert found.get(at=AT) == Rim.decode(RIM)
    assert (found.get(at=AT).product, found.get(at=AT).version) == ("GH100", "590.12")
    assert found.get(at=AT).values == {index: tuple(each) for index, each in VALUES.items()}  # not what isn't active
    assert found.digest == hashlib.sha384(RIM).digest()
    assert (found.not_before, found.not_after) == (AT - YEAR, AT + YEAR + 1)
    with pytest.raises(ExpiredError):
        found.get(at=AT + YEAR + 1)


def test_alternatives_that_are_equal() -> None:
    assert check(MAKER.rim({1: [digest("a"), digest("a")]})).get(at=AT).values == {1: (digest("a"),)}


def test_reference() -> None:
    driver, firmware = check(DRIVER), check(FIRMWARE).until(AT + 60)
    found = reference(kind=Kind.GPU, model=GPU.model, driver=driver, firmware=firmware, at=AT)
    assert (found.not_before, found.not_after) == (AT - YEAR, AT + 60)
    assert found.digest == tagged_hash("nvidia rims", driver.digest, firmware.digest)
    assert found.get(at=AT).state == (Kind.GPU, GPU.model, "590.12", "96.00.A5.00.01")
    with pytest.raises(ExpiredError):
        reference(kind=Kind.GPU, model=GPU.model, driver=driver, firmware=firmware, at=AT + 60)
    shorter = check(DRIVER).until(AT + 30)
    assert reference(kind=Kind.GPU, model=GPU.model, driver=shorter, firmware=firmware, at=AT).not_after == AT + 30


def test_reference_of_a_switch() -> None:
    data = MAKER.rim({1: [digest("switch")]}, product="LS10", version="96.10.55.00.01")
    firmware = check(data, product="LS10")
    found = reference(kind=Kind.SWITCH, model="LS_10 A01 GSP BROM", driver=None, firmware=firmware, at=AT)
    assert found.get(at=AT).state == (Kind.SWITCH, "LS_10 A01 GSP BROM", "", "96.10.55.00.01")
    assert found.digest == tagged_hash("nvidia rims", b"", firmware.digest)


def test_manifests_that_dont_go_together() -> None:
    driver, firmware = check(DRIVER), check(FIRMWARE)
    other = check(MAKER.of(FakeDevice(AT, "0003", "GB100"))[1], product="GB100")
    for kind, one, two in (
        (Kind.GPU, None, firmware),
        (Kind.SWITCH, driver, firmware),
        (Kind.GPU, driver, other),
        (Kind.GPU, driver, driver),
    ):
        with pytest.raises(UsageError):
            reference(kind=kind, model=GPU.model, driver=one, firmware=two, at=AT)


def decide(device: FakeDevice, **report: Any) -> FreshDevices:
    """An appraisal under a policy that has nothing but what manifests say."""
    found = reference(kind=Kind.GPU, model=GPU.model, driver=check(DRIVER), firmware=check(FIRMWARE), at=AT)
    policy = Policy(gpus=1, switches=0, references=(found.get(at=AT),), devices=AnyDevice(), max_age=60)
    binding = session()
    evidence = [(device.kind, device.evidence(binding.device_nonce(0), **report))]
    return appraise(evidence, binding=binding, policy=policy, roots=GPU.roots, revocations=NO_REVOCATIONS, at=AT)


def test_a_device_under_manifests() -> None:
    assert decide(GPU).devices[0].driver == "590.12"
    for index in (1, 2, 64):  # one of the firmware's, one of the driver's, the last
        with pytest.raises(PolicyError, match=f"measurement {index - 1} "):
            decide(GPU, measurements=GPU.measurements | {index: digest("changed")})
    assert decide(GPU, measurements=GPU.measurements | {1: digest_of_other()})
    with pytest.raises(PolicyError, match="no reference"):
        decide(GPU, opaque=GPU.opaque | {3: b"590.13\0"})


def digest_of_other() -> bytes:
    """The alternative that the maker gives to each measurement of the firmware."""
    return hashlib.sha384(b"other").digest()


SHAPE = 'raise _fail("not a SWID tag of three parts with a signature")'
NAMES = 'raise _fail("not an Entity, a Meta and a Payload")'
Refusal = tuple[Callable[[], bytes], dict[str, Any], type[Exception], str, Any, str, str]

# What each removes from the library; "" where more than one check stands in the way.
REFUSED: dict[str, Refusal] = {
    "changed": (
        lambda: changed(digest("three").hex(), digest("four").hex()),
        {},
        SignatureError,
        "another document",
        xmlsignature.Signature.verify,
        'raise SignatureError(f"{what}: another document is signed")',
        "pass",
    ),
    "signed-by-another": (
        lambda: MAKER.rim(VALUES, signer="mallory"),
        {},
        SignatureError,
        "signature doesn't verify",
        xmlsignature.Signature.verify,
        'raise SignatureError(f"{what}: signature doesn\'t verify") from None',
        "pass",
    ),
    "product": (
        lambda: RIM,
        {"product": "GB100"},
        UntrustedError,
        "another product",
        verify_rim,
        'raise UntrustedError("RIM: about another product")',
        "pass",
    ),
    "root": (
        lambda: RIM,
        {"roots": GPU.roots},
        UntrustedError,
        "pinned root",
        rim._verify,
        "roots.check(signature.certificates[-1])",
        "pass",
    ),
    "early": (
        lambda: RIM,
        {"at": AT - YEAR - 1},
        ExpiredError,
        "not valid yet",
        rim._verify,
        "check_window(each.name, each.not_before, each.not_after, at=at)",
        "pass",
    ),
    "late": (
        lambda: RIM,
        {"at": AT + YEAR + 1},
        ExpiredError,
        "no longer",
        rim._verify,
        "check_window(each.name, each.not_before, each.not_after, at=at)",
        "pass",
    ),
    "issued-by-another": (
        lambda: chain(1, MAKER.certificate(1, signer="mallory")),
        {},
        SignatureError,
        "RIM issuer",
        rim._verify,
        "issued.check_issued(authority, authority.p384_key())",
        "pass",
    ),
    "no-authority": (
        lambda: chain(1, MAKER.certificate(1, extensions=MAKER.draft(0).extensions)),
        {},
        UntrustedError,
        "RIM issuer: not an authority",
        rim._verify,
        "authority.check_authority(below=depth)",
        "pass",
    ),
    "longer-than-allowed": (
        lambda: chain(2, MAKER.certificate(2, extensions=MAKER.draft(1).extensions)),
        {},
        UntrustedError,
        "RIM family authority: not an authority",
        rim._verify,
        "authority.check_authority(below=depth)",
        "pass",
    ),
    "signed-by-an-authority": (
        lambda: chain(0, MAKER.certificate(0, extensions=MAKER.draft(1).extensions)),
        {},
        UntrustedError,
        "RIM signer: not the certificate of a signer",
        rim._verify,
        "chain[0].check_end()",
        "pass",
    ),
    "three-certificates": (
        lambda: MAKER.rim(VALUES, chain=MAKER.chain[1:], signer="rim issuer"),
        {},
        DecodeError,
        "4 certificates",
        rim._verify,
        "",
        "",
    ),
    "index-twice": (
        lambda: MAKER.rim(VALUES, resources=[MAKER.resource(3, [digest("four")])]),
        {},
        DecodeError,
        "index comes twice",
        rim._values,
        'raise _fail("an index comes twice")',
        "pass",
    ),
    "more-alternatives-than-stated": (
        lambda: MAKER.rim(VALUES, resources=[MAKER.resource(4, [digest("a"), digest("b")], alternatives="1")]),
        {},
        DecodeError,
        "attributes of a measurement",
        rim._alternatives,
        'raise _fail("not the attributes of a measurement")',
        "pass",
    ),
    "patch": (
        lambda: MAKER.rim(VALUES, root={"patch": "true"}),
        {},
        UnsupportedError,
        "complete by itself",
        rim._read,
        'raise UnsupportedError("RIM: a tag that isn\'t complete by itself")',
        "pass",
    ),
    "payload-elsewhere": (
        lambda: MAKER.rim(VALUES, meta={"PayloadType": "indirect"}),
        {},
        UnsupportedError,
        "elsewhere",
        rim._read,
        'raise UnsupportedError("RIM: its payload is elsewhere")',
        "pass",
    ),
    "reference-by-id": (
        lambda: MAKER.rim(VALUES, uri="#a", root={"Id": "a"}),
        {},
        UnsupportedError,
        "Reference names another",
        xmlsignature.Signature.read,
        '_parts(reference, what, "Reference", 3, {"URI": ""})',
        "reference.elements",
    ),
    "another-method": (
        lambda: MAKER.rim(VALUES, method="http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha1"),
        {},
        UnsupportedError,
        "SignatureMethod names another",
        xmlsignature.Signature.read,
        '_parts(signature_method, what, "SignatureMethod", 0, _ECDSA_SHA384)',
        "pass",
    ),
    "another-transform": (
        lambda: MAKER.rim(VALUES, transforms=(f"{DS}enveloped-signature", f"{C14N}#WithComments")),
        {},
        UnsupportedError,
        "Transform names another",
        xmlsignature.Signature.read,
        '_parts(second, what, "Transform", 0, _C14N)',
        "pass",
    ),
    "three-transforms": (
        lambda: MAKER.rim(VALUES, transforms=(f"{DS}enveloped-signature", C14N, C14N)),
        {},
        DecodeError,
        "not the Transforms",
        xmlsignature.Signature.read,
        '_parts(transforms, what, "Transforms", 2)',
        "transforms.elements[:2]",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    make, changes, error, reason, function, fragment, instead = REFUSED[name]
    with pytest.raises(error, match=reason) as raised:
        check(make(), **changes)
    assert type(raised.value) is error
    if fragment:
        with removed(function, fragment, instead):
            check(make(), **changes)


SIGNATURE = RIM[RIM.index(b"<ds:Signature") : RIM.index(b"</SoftwareIdentity>")].decode()
INNER = RIM.decode().strip()
EVIL = re.sub(r"<ds:Signature.*", "", INNER, flags=re.DOTALL).replace(digest("three").hex(), digest("evil").hex())
"""A document without its signature, with another value."""

WRAPPED = {
    # The classic forms of wrapping: what is signed moves to where nobody reads it, and something else is read.
    "original-beside": (f"{EVIL}{SIGNATURE}{INNER}</SoftwareIdentity>", "three parts"),
    "original-in-the-signature": (
        EVIL
        + SIGNATURE.replace("</ds:Signature>", f"<ds:Object>{INNER}</ds:Object></ds:Signature>")
        + "</SoftwareIdentity>",
        "not the Signature",
    ),
    "original-in-an-extension": (f"{EVIL}<x>{INNER}</x></SoftwareIdentity>", "Payload|not the Signature"),
    "new-root": (f"<r>{INNER}</r>", "three parts"),
    "second-signature": (changed("</SoftwareIdentity>", f"{SIGNATURE}</SoftwareIdentity>").decode(), "three parts"),
    "signature-first": (
        re.sub(r"(<SoftwareIdentity[^>]*>)", rf"\1{SIGNATURE}", EVIL) + "</SoftwareIdentity>",
        "a Payload",
    ),
    "second-payload": (
        changed(
            "<ns0:Payload", f"<ns0:Payload>{MAKER.resource(3, [digest('evil')]).sent}</ns0:Payload><ns0:Payload"
        ).decode(),
        "three parts",
    ),
    "payload-in-meta": (
        re.sub(r"(<ns0:Meta[^>]*)/>", r"\1><ns0:Payload/></ns0:Meta>", INNER),
        "content where there is none",
    ),
    "resource-in-a-resource": (
        re.sub(r'(<ns0:Resource [^>]*index="3"[^>]*)/>', r"\1><ns0:Resource/></ns0:Resource>", INNER),
        "not a Resource",
    ),
    "text": (changed("<ns0:Entity", "x<ns0:Entity").decode(), "three parts"),
    "comment-in-the-digest": (re.sub(r"(<ds:DigestValue>....)", r"\1<!---->", INNER), "a comment"),
    "comment-in-the-signature": (re.sub(r"(<ds:SignatureValue>....)", r"\1<!---->", INNER), "a comment"),
    "entity": (f'<!DOCTYPE r [<!ENTITY e "0">]>{INNER.replace("Measurement_3", "&e;")}', "reference"),
    "default-attributes": (f'<!DOCTYPE r [<!ATTLIST ns0:Resource active CDATA "True">]>{INNER}', "document type"),
    "two-prefixes": (
        re.sub(
            r'(<ns0:Resource [^>]*index="3"[^>]*)/>',
            rf'\1 xmlns:h="{HASH}" h:Hash0="{digest("evil").hex()}"/>',
            INNER,
        ),
        "comes twice",
    ),
}


@pytest.mark.parametrize("name", WRAPPED)
def test_wrapping(name: str) -> None:
    text, reason = WRAPPED[name]
    with pytest.raises(DecodeError, match=reason):
        check(text.encode())


def test_nothing_that_isnt_signed_is_read() -> None:
    """Whatever changes outside of the signature ends it; what changes inside of it names nothing else."""
    for match in re.finditer(rb'[a-zA-Z0-9]"', RIM[: RIM.index(b"<ds:Signature")]):
        data = bytearray(RIM)
        data[match.start()] ^= 1
        with pytest.raises(PeerError):
            check(bytes(data))


@pytest.mark.parametrize(
    ("data", "error", "reason"),
    [
        (b"<a>" + bytes(rim.MAX_RIM), DecodeError, "over"),
        (b"<a/>", DecodeError, "three parts"),
        (changed('type="Measurement" index="3"', 'type="File" index="3"'), UnsupportedError, "SHA-384"),
        (changed('name="Measurement_3" size="48"', 'name="Measurement_3" size="32"'), UnsupportedError, "SHA-384"),
        (changed('index="3"', 'index="03"'), DecodeError, "index"),
        (changed('index="3"', 'index="254"'), DecodeError, "index"),
        (changed('index="3"', 'index="\u0663"'), DecodeError, "index"),
        (changed('index="3" ', ""), DecodeError, "index"),
        (
            changed('index="3" active="True" alternatives="1"', 'index="3" active="True" alternatives="0"'),
            DecodeError,
            "attributes",
        ),
        (changed('index="3" active="True"', 'index="3" active="true"'), DecodeError, "True nor False"),
        (changed(digest("three").hex(), "00" * 47), DecodeError, "48 bytes"),
        (changed(digest("three").hex(), "zz" * 48), DecodeError, "48 bytes"),
        (changed("<ns0:Resource ", "<ns2:Resource ", MAKER.rim({})), DecodeError, "not a Resource"),
        (changed('colloquialVersion="590.12"', 'colloquialVersion=""'), DecodeError, "colloquialVersion"),
        (changed('colloquialVersion="590.12"', 'colloquialVersion="\u00e9"'), DecodeError, "colloquialVersion"),
        (changed('product="GH100"', f'product="{"x" * 65}"'), DecodeError, "product"),
        (MAKER.rim({}), DecodeError, "no measurement is active"),
        (changed("<ns0:Payload", "<ns0:Other").replace(b"</ns0:Payload", b"</ns0:Other"), DecodeError, "a Payload"),
        (re.sub(rb"<ds:DigestValue>.", b"<ds:DigestValue>*", RIM), DecodeError, "DigestValue is not Base64"),
        (re.sub(rb"<ds:DigestValue>....", b"<ds:DigestValue>", RIM), DecodeError, "DigestValue is not 48"),
        (changed("<ds:DigestValue>", '<ds:DigestValue a="">'), DecodeError, "not the DigestValue"),
        (changed("<ds:SignedInfo>", '<ds:SignedInfo Id="a">'), UnsupportedError, "SignedInfo names another"),
        (re.sub(rb"<(/?)ds:X509Certificate>", rb"<\1ds:X509CRL>", RIM), DecodeError, "not the X509Certificate"),
        (re.sub(rb"<ds:X509Data>.*</ds:X509Data>", b"<ds:X509Data/>", RIM, flags=re.DOTALL), DecodeError, "4 certif"),
        (MAKER.rim(VALUES, chain=(b"x", *MAKER.chain[1:])), DecodeError, "RIM signer"),
    ],
)
def test_malformed(data: bytes, error: type[Exception], reason: str) -> None:
    with pytest.raises(error, match=reason):
        check(data)


@pytest.mark.parametrize("change", [{"roots": None}, {"product": ""}])
def test_arguments(change: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        check(**change)


def test_a_signer_that_may_not_sign() -> None:
    usage = [MAKER.draft(0).extensions[0], extension("551d0f", bytes.fromhex("03020520"), critical=True)]
    with pytest.raises(UntrustedError, match="certificate of a signer"):
        check(chain(0, MAKER.certificate(0, extensions=usage)))


@given(at=st.integers(0, len(RIM) - 1), noise=st.binary(min_size=1, max_size=2))
def test_contract(at: int, noise: bytes) -> None:
    check_contract(check, RIM[:at] + noise + RIM[at + 1 :])


def test_signxml_agrees() -> None:
    """A second implementation, over lxml, takes the same files, and refuses them when they are changed."""
    signxml = pytest.importorskip("signxml", reason="signxml, of PyPI, is not here")
    when = signxml.SignatureConfiguration(verification_time=datetime.fromtimestamp(AT, UTC))
    pem = b"-----BEGIN CERTIFICATE-----\n" + base64.encodebytes(MAKER.chain[0]) + b"-----END CERTIFICATE-----\n"
    for data in (RIM, DRIVER, FIRMWARE):
        signxml.XMLVerifier().verify(data, x509_cert=pem.decode(), expect_config=when)
    for data in (REFUSED["changed"][0](), REFUSED["signed-by-another"][0]()):
        with pytest.raises(signxml.InvalidSignature):
            signxml.XMLVerifier().verify(data, x509_cert=pem.decode(), expect_config=when)


def test_published_that_must_fail(shared: Path) -> None:
    """NVIDIA's own sample of a manifest whose signature is false; without that check, its digest is the document's."""
    data = (shared / "attestation" / "nvidia" / "sdk_incorrect_signature_driver_rim.xml").read_bytes()
    arguments: dict[str, Any] = {"product": "GH100", "roots": NVIDIA_RIM_ROOTS, "at": 1_745_000_000}
    with pytest.raises(SignatureError, match="signature doesn't verify"):
        verify_rim(data, **arguments)
    assert Rim.decode(data).version == "550.144.03"


def test_published() -> None:
    """The manifests inside of nv-local-gpu-verifier, of PyPI, which are NVIDIA's and aren't distributed here."""
    folder = os.environ.get("NVIDIA_RIMS")
    if folder is None:
        pytest.skip("NVIDIA_RIMS doesn't name a folder with NVIDIA's .swidtag files")
    files = sorted(Path(folder).glob("*.swidtag"))
    assert files
    for path in files:
        data = path.read_bytes()
        arguments: dict[str, Any] = {"product": "GH100", "roots": NVIDIA_RIM_ROOTS, "at": 1_740_000_000}
        found = verify_rim(data, **arguments).get(at=1_740_000_000)
        assert len(found.values) in {12, 21}
        assert found.version.replace(".", "") in path.name or found.version == "545.00"
        last = list(found.values.values())[-1][0].hex().encode()
        with pytest.raises(SignatureError, match="another document"):
            verify_rim(data.replace(last, b"01" * 48), **arguments)
