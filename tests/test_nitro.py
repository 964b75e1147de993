"""Nitro enclaves: each check with a document that fails it alone, and proof that it would pass without the check."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from privproc.attestation import NO_REVOCATIONS
from privproc.attestation import VerifiedEvidence as AnyEvidence
from privproc.attestation.certificate import Certificate
from privproc.attestation.nitro import (
    SKEW,
    Document,
    Policy,
    Roots,
    VerifiedEvidence,
    appraise,
    measurement,
    verify_chain,
)
from privproc.attestation.nitro import appraisal as module
from privproc.attestation.roots import Roots as AnyRoots
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
from privproc.tagged import tagged_hash
from tests.codec import check_codec, check_contract
from tests.world.amd import DAY, extension, integer
from tests.world.aws import NAMES, PCRS, FakeAws, cose, key, name, strict_policy
from tests.world.binding import bound
from tests.world.removed import removed

AT = 1_780_000_000
BINDING = b"privproc/1 bind\0" + bytes(range(48))
ROLE = "model"
AWS = FakeAws(AT)
POLICY = strict_policy()
MEASUREMENT = measurement(PCRS, (0, 1, 2))


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

    policy: Policy = POLICY
    log: dict[str, Any] = field(default_factory=dict)
    role: str = ROLE
    binding: bytes = BINDING
    at: int = AT
    document: dict[str, Any] = field(default_factory=dict)
    evidence: bytes | None = None

    def appraise(self) -> VerifiedEvidence:
        return appraise(
            self.evidence or AWS.document(**{"user_data": BINDING} | self.document),
            binding=bound(self.binding),
            policy=self.policy,
            roots=AWS.roots,
            logged=logged(**self.log),
            role=self.role,
            revocations=NO_REVOCATIONS,
            at=self.at,
        )


MUTANTS: list[tuple[str, str, Scene, type[Exception], str]] = []
"""Check, name, scene, exception, reason. Each scene fails that check and no other."""


def mutant(check: str, name: str, error: type[Exception], reason: str, **scene: Any) -> None:
    MUTANTS.append((check, name, Scene(**scene), error, reason))


def lie(check: str, name: str, error: type[Exception], reason: str, **document: Any) -> None:
    """The same for a document that says, under a good signature, what it should not."""
    mutant(check, name, error, reason, document=document)


def pcrs(**changes: Any) -> dict[int, bytes]:
    """The registers, ``p<index>`` replaced or (None) left out."""
    made = PCRS | {int(name[1:]): value for name, value in changes.items()}
    return {index: value for index, value in made.items() if value is not None}


ZERO = bytes(48)

lie("signature", "key", SignatureError, "COSE_Sign1: signature", signer=key("mallory"))
mutant("binding", "other", UntrustedError, "another session", binding=bytes(63) + b"\1")
lie("binding", "absent", UntrustedError, "another session", user_data=None)
lie("binding", "missing", UntrustedError, "another session", user_data=...)
lie("binding", "long", UntrustedError, "another session", user_data=BINDING + bytes(960))
lie("unused-fields", "nonce", UntrustedError, "another protocol", nonce=b"\0")
lie("unused-fields", "public_key", UntrustedError, "another protocol", public_key=bytes(1024))
lie("signing-time", "before", UntrustedError, "wasn't valid", timestamp=(AT - 5401) * 1000)
MUTANTS[-1][2].policy = replace(POLICY, max_age=7200)
mutant(
    "signing-time",
    "after",
    UntrustedError,
    "wasn't valid",
    at=AT + 5400,
    document={"timestamp": (AT + 5401) * 1000},
)
mutant("age", "old", ExpiredError, "document is no longer valid", at=AT + 600)
lie("age", "future", ExpiredError, "document is not valid yet", timestamp=(AT + SKEW + 1) * 1000)
for index in range(3):
    zero = pcrs(**{f"p{index}": ZERO})
    mutant(
        "debug",
        f"pcr{index}",
        PolicyError,
        "debug enclave",
        document={"pcrs": zero},
        log={"digest": measurement(zero, (0, 1, 2))},
    )
all_zero = pcrs(p0=ZERO, p1=ZERO, p2=ZERO)
mutant(
    "debug",
    "all",
    PolicyError,
    "debug enclave",
    document={"pcrs": all_zero},
    log={"digest": measurement(all_zero, (0, 1, 2))},
)
lie("pcrs", "differs", UntrustedError, "PCR4 differs", pcrs=pcrs(p4=ZERO))
lie("pcrs", "extended", UntrustedError, "PCR8 differs", pcrs=pcrs(p8=b"\1" * 48))
lie("pcrs", "absent", UntrustedError, "PCR4 is absent", pcrs=pcrs(p4=None))
lie("pcrs", "absent-zero", UntrustedError, "PCR3 is absent", pcrs=pcrs(p3=None))
mutant("role", "other", UntrustedError, "another role", log={"role": "model-test"})
mutant("role", "asked", UntrustedError, "another role", role="gateway")
for index in range(3):
    lie("log", f"pcr{index}", UntrustedError, "another digest", pcrs=pcrs(**{f"p{index}": b"\1" * 48}))
mutant("log", "expired", ExpiredError, "log entry", log={"not_after": AT})
mutant("log", "registers", UntrustedError, "another digest", policy=replace(POLICY, logged_pcrs=(0, 1, 2, 5)))

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
    """Without the check the same document is accepted: no check is redundant, no mutant fails by accident."""
    monkeypatch.setattr(module, "_CHECKS", tuple(entry for entry in module._CHECKS if entry[0] != check))
    if check == "signing-time" and scene.at != AT:  # its certificate is over at that time: 5399 is the last second
        scene = replace(scene, at=AT + 5399)
    assert check not in scene.appraise().checks


def test_every_check_has_a_mutant() -> None:
    assert {entry[0] for entry in MUTANTS} == {name for name, _ in module._CHECKS}


def test_accepted() -> None:
    verified = Scene().appraise()
    assert isinstance(verified, AnyEvidence)
    assert verified.measurement == MEASUREMENT
    assert verified.binding == BINDING
    assert verified.role == ROLE
    assert verified.policy_digest == POLICY.digest
    assert verified.checks == ("chain", *(name for name, _ in module._CHECKS))
    assert verified.chain_fingerprint == hashlib.sha256(AWS.certificate(4)).digest()
    assert (verified.timestamp, dict(verified.pcrs)) == (AT * 1000 + 545, PCRS)
    assert verified.module_id.startswith("i-")
    assert (verified.not_before, verified.not_after) == (AT - 5400, AT + 600)
    verified.expect(BINDING, at=AT)
    with pytest.raises(ExpiredError):
        verified.expect(BINDING, at=AT + 600)


def test_ends() -> None:
    assert Scene(log={"not_after": AT + 60}).appraise().not_after == AT + 60
    assert Scene(policy=replace(POLICY, max_age=9999)).appraise().not_after == AT + 5401
    assert Scene(at=AT - SKEW).appraise()


@pytest.mark.parametrize("empty", [None, b"", ...])
def test_empty_fields(empty: Any) -> None:
    Scene(document={"nonce": empty, "public_key": empty}).appraise()


def test_missing_image_registers() -> None:
    """CVE-2025-64186: an absent register is no match, not even for a ledger entry that was made without it."""
    for index in range(3):
        with pytest.raises(UntrustedError, match=f"PCR{index} is absent"):
            Scene(document={"pcrs": pcrs(**{f"p{index}": None})}).appraise()


@pytest.mark.parametrize("binding", [None, "x" * 64, b"", bytes(64), BINDING[:63], BINDING + b"\0", bytearray(BINDING)])
def test_binding_is_required(binding: Any) -> None:
    with pytest.raises(UsageError, match="64 bytes"):
        Scene(binding=binding, document={"user_data": bytes(64)}).appraise()


@pytest.mark.parametrize("change", [{"role": ""}, {"logged": None}])
def test_arguments(change: dict[str, Any]) -> None:
    arguments: dict[str, Any] = {"binding": bound(BINDING), "policy": POLICY, "roots": AWS.roots, "logged": logged()}
    arguments["revocations"] = NO_REVOCATIONS
    with pytest.raises(UsageError):
        appraise(AWS.document(BINDING), **arguments | {"role": ROLE, "at": AT} | change)


# -- the chain


def chain(depth: int | None = None, **changes: Any) -> tuple[bytes, tuple[bytes, ...]]:
    certificates = [AWS.sign(d, **changes) if d == depth else AWS.certificate(d) for d in range(5)]
    return certificates[4], tuple(certificates[:4])


def verify(certificate: bytes, bundle: tuple[bytes, ...], at: int = AT) -> Any:
    return verify_chain(certificate, bundle, roots=AWS.roots, at=at)


def profile(constraints: str, usage: str) -> list[bytes]:
    return [
        extension("551d13", bytes.fromhex(constraints), critical=True),
        extension("551d0f", bytes.fromhex(usage), critical=True),
    ]


CHAINS: dict[str, tuple[Callable[[], tuple[bytes, tuple[bytes, ...]]], type[Exception], str, Any, str]] = {
    "root": (
        lambda: chain(0, serial=integer(1)),
        UntrustedError,
        "not a pinned root",
        verify_chain,
        "roots.check(cabundle[0])",
    ),
    **{
        f"depth-{depth}-{when}": (
            lambda depth=depth, times=times: chain(depth, **times),
            ExpiredError,
            reason,
            verify_chain,
            "check_window(found.name, found.not_before, found.not_after, at=at)",
        )
        for depth in range(1, 5)
        for when, times, reason in (
            ("late", {"not_after": AT - 1}, "no longer valid"),
            ("early", {"not_before": AT + 1}, "not valid yet"),
        )
    },
    **{
        f"depth-{depth}-key": (
            lambda depth=depth: chain(depth, signer="mallory"),
            SignatureError,
            "signature",
            Certificate.check_issued,
            "self.check_signature(key)",
        )
        for depth in range(1, 5)
    },
    **{
        f"depth-{depth}-issuer": (
            lambda depth=depth: chain(depth, issuer=name("mallory")),
            UntrustedError,
            "issued by another name",
            Certificate.check_issued,
            'raise UntrustedError(f"{self.name}: issued by another name than its authority\'s")',
        )
        for depth in range(1, 5)
    },
    **{
        f"depth-{depth}-authority": (
            lambda depth=depth: chain(depth, extensions=profile("3000", "03020186")),
            UntrustedError,
            "not an authority",
            Certificate.check_authority,
            'raise UntrustedError(f"{self.name}: not an authority for what it has issued")',
        )
        for depth in range(1, 4)
    },
    "path": (
        lambda: chain(1, extensions=profile("30060101ff020101", "03020186")),
        UntrustedError,
        "not an authority",
        Certificate.check_authority,
        'raise UntrustedError(f"{self.name}: not an authority for what it has issued")',
    ),
    "usage": (
        lambda: chain(3, extensions=profile("30060101ff020100", "030206c0")),
        UntrustedError,
        "not an authority",
        Certificate.check_authority,
        'raise UntrustedError(f"{self.name}: not an authority for what it has issued")',
    ),
    "leaf-authority": (
        lambda: chain(4, extensions=profile("30030101ff", "030206c0")),
        UntrustedError,
        "not the certificate of a signer",
        verify_chain,
        "leaf.check_end()",
    ),
    "leaf-usage": (
        lambda: chain(4, extensions=profile("3000", "03020186")[:1]),
        UntrustedError,
        "not the certificate of a signer",
        verify_chain,
        "leaf.check_end()",
    ),
}


@pytest.mark.parametrize("case", CHAINS)
def test_chain(case: str) -> None:
    make, error, reason, function, fragment = CHAINS[case]
    certificate, bundle = make()
    with pytest.raises(error, match=reason) as raised:
        verify(certificate, bundle)
    assert type(raised.value) is error
    with removed(function, fragment):
        verify(certificate, bundle)


def test_other_chains() -> None:
    certificate, bundle = chain()
    verify(certificate, bundle)
    with pytest.raises(DecodeError, match="empty"):
        verify(certificate, ())
    for other in (bundle[:3], bundle[:1], (bundle[0], bundle[2], bundle[1], bundle[3]), (*bundle, certificate)):
        with pytest.raises(UntrustedError):
            verify(certificate, other)
    with pytest.raises(UntrustedError, match="not a pinned root"):
        verify(certificate, bundle[1:])
    with pytest.raises(UnsupportedError, match="signature algorithm"):
        verify(*chain(4, algorithm=bytes.fromhex("300a06082a8648ce3d040302")))
    assert Roots is AnyRoots
    assert len(NAMES) == 5


# -- the document


def decode(**fields: Any) -> Document:
    return Document.decode(AWS.document(**{"user_data": BINDING} | fields))


def test_document() -> None:
    found = decode(nonce=b"n", public_key=b"p")
    assert (found.user_data, found.nonce, found.public_key) == (BINDING, b"n", b"p")
    assert found.cabundle == tuple(AWS.bundle())
    payload = AWS.fields(BINDING)
    backwards = cose(cbor2.dumps(dict(reversed(payload.items()))))
    assert Document.decode(backwards).pcrs == found.pcrs
    check_codec(Document.decode, AWS.document(BINDING))


@pytest.mark.parametrize(
    "fields",
    {
        "no-module": {"module_id": ...},
        "module-null": {"module_id": None},
        "module-empty": {"module_id": ""},
        "module-long": {"module_id": "x" * 256},
        "module-bytes": {"module_id": b"x"},
        "time-zero": {"timestamp": 0},
        "time-negative": {"timestamp": -1},
        "time-true": {"timestamp": True},
        "time-text": {"timestamp": "1"},
        "pcrs-empty": {"pcrs": {}},
        "pcrs-null": {"pcrs": None},
        "pcrs-array": {"pcrs": [bytes(48)]},
        "pcrs-many": {"pcrs": {index: bytes(48) for index in range(33)}},
        "pcr-index": {"pcrs": {32: bytes(48)}},
        "pcr-negative": {"pcrs": {-1: bytes(48)}},
        "pcr-text": {"pcrs": {"0": bytes(48)}},
        "pcr-short": {"pcrs": {0: bytes(32)}},
        "pcr-null": {"pcrs": {0: None}},
        "certificate-null": {"certificate": None},
        "certificate-empty": {"certificate": b""},
        "certificate-long": {"certificate": bytes(1025)},
        "bundle-null": {"cabundle": None},
        "bundle-empty": {"cabundle": []},
        "bundle-long": {"cabundle": [b"x"] * 9},
        "bundle-item": {"cabundle": ["x"]},
        "bundle-certificate": {"cabundle": [bytes(1025)]},
        "data-long": {"user_data": bytes(1025)},
        "data-text": {"nonce": "x"},
        "unknown": {"extra": 1},
    }.values(),
)
def test_other_documents(fields: dict[str, Any]) -> None:
    with pytest.raises(DecodeError):
        decode(**fields)


def test_other_messages() -> None:
    payload = cbor2.dumps(AWS.fields(BINDING))
    with pytest.raises(UnsupportedError, match="digest"):
        decode(digest="SHA512")
    for protected in ("a1013826", "a10127", "a2013822044178"):
        with pytest.raises(UnsupportedError, match="protected header"):
            Document.decode(cose(payload, protected=bytes.fromhex(protected)))
    for bad in (
        b"\xd2" + cose(payload),
        cose(payload, unprotected={4: b"k"}),
        cose(payload + b"\0"),
        cose(cbor2.dumps([1])),
        cose(b"\xa2\x61a\x01\x61a\x02"),
        cose(b"\xbf\xff"),
        cose(b"\x81" * 100 + b"\x80"),
        cose(bytes(17000)),
    ):
        with pytest.raises(DecodeError):
            Document.decode(bad)


EVIDENCE = AWS.document(BINDING)


@pytest.mark.slow
def test_no_byte_can_change() -> None:
    """Each byte is signed, pinned or structure; no flipped bit is accepted."""
    Scene(evidence=EVIDENCE).appraise()
    for offset in range(0, len(EVIDENCE), 3):
        changed = bytearray(EVIDENCE)
        changed[offset] ^= 1 << offset % 8
        with pytest.raises(PeerError):
            Scene(evidence=bytes(changed)).appraise()


@given(st.integers(0, len(EVIDENCE) - 1), st.integers(1, 255))
def test_no_byte_can_change_otherwise(offset: int, mask: int) -> None:
    changed = bytearray(EVIDENCE)
    changed[offset] ^= mask
    with pytest.raises(PeerError):
        Scene(evidence=bytes(changed)).appraise()


@given(st.integers(0, len(EVIDENCE)), st.binary(max_size=40))
def test_contract(cut: int, tail: bytes) -> None:
    check_contract(Document.decode, EVIDENCE[:cut] + tail)
    check_contract(Document.decode, EVIDENCE[:cut] + tail + EVIDENCE[cut + len(tail) :])
    check_contract(Document.decode, cose(tail))


CBOR = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**64), 2**64 - 1) | st.binary(max_size=50) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.integers(-1, 40) | st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(st.sampled_from(sorted(AWS.fields(b""))), CBOR)
def test_contract_of_signed_documents(which: str, value: Any) -> None:
    check_contract(lambda data: Scene(evidence=data).appraise(), AWS.document(**{"user_data": BINDING, which: value}))


# -- policies


@given(
    st.sets(st.integers(3, 31)),
    st.dictionaries(st.integers(3, 31), st.binary(min_size=48, max_size=48)),
    st.integers(1, 2**32 - 1),
)
def test_policy_codec(logged: set[int], exact: dict[int, bytes], max_age: int) -> None:
    policy = Policy(logged_pcrs=(2, 1, 0, *(logged - set(exact))), pcrs=tuple(reversed(exact.items())), max_age=max_age)
    assert Policy.decode(policy.encode()) == policy
    assert policy.encode()[0] == 3
    assert policy.id == hashlib.sha256(policy.encode()).digest()
    assert policy.digest == tagged_hash("nitro policy", policy.encode())


def test_policy_exactly() -> None:
    check_codec(Policy.decode, POLICY.encode(), reencode=Policy.encode)
    for changed in (POLICY.encode()[:-4] + bytes(4), b"\3\0\0\0\3" + POLICY.encode()[5:]):
        with pytest.raises(DecodeError, match="policy"):
            Policy.decode(changed)
    for form in (0, 1, 2):
        with pytest.raises(UnsupportedError, match="not one for Nitro"):
            Policy.decode(bytes((form,)) + POLICY.encode()[1:])
    encoded = POLICY.encode()
    entries = [encoded[at : at + 49] for at in range(7, len(encoded) - 4, 49)]
    swapped = encoded[:7] + b"".join(reversed(entries)) + encoded[-4:]
    with pytest.raises(DecodeError, match="not the canonical"):
        Policy.decode(swapped)


@given(st.integers(0, len(POLICY.encode()) - 1), st.integers(0, 255))
def test_contract_of_policies(at: int, value: int) -> None:
    encoded = POLICY.encode()
    check_contract(Policy.decode, encoded[:at] + bytes((value,)) + encoded[at + 1 :])
    check_contract(Policy.decode, encoded[:at])


@pytest.mark.parametrize(
    "change",
    [
        {"logged_pcrs": ()},
        {"logged_pcrs": (0, 1)},
        {"logged_pcrs": (0, 1, 2, 2)},
        {"logged_pcrs": (0, 1, 2, 32)},
        {"logged_pcrs": (0, 1, 2, 4)},
        {"pcrs": ((0, ZERO),)},
        {"pcrs": ((3, ZERO), (3, ZERO))},
        {"pcrs": ((-1, ZERO),)},
        {"pcrs": ((3, bytes(32)),)},
        {"max_age": 0},
        {"max_age": 1 << 32},
    ],
)
def test_policy_values(change: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        replace(POLICY, **change)


def test_measurement_layout() -> None:
    expected = tagged_hash("nitro measurement", *(bytes((index,)) + PCRS[index] for index in (0, 1, 2, 8)))
    assert measurement(PCRS, (8, 0, 2, 1)) == expected
    with pytest.raises(UntrustedError, match="PCR31 is absent"):
        measurement(PCRS, (0, 1, 2, 31))
