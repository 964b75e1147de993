"""OCSP's answers: each check with an answer that fails it, and proof that it would pass without; whole chains."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA1, SHA256, SHA384
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import ocsp as theirs
from hypothesis import given
from hypothesis import strategies as st

from privproc.attestation import NO_REVOCATIONS, ocsp
from privproc.attestation.certificate import Certificate
from privproc.attestation.nvidia import (
    ANY_NONCE,
    BootDevices,
    FreshDevices,
    Kind,
    NotRevoked,
    appraise,
    appraise_boot,
    confirm_devices,
    confirm_rim,
    verify_rim,
    verify_status,
)
from privproc.attestation.nvidia import status as module
from privproc.errors import (
    DecodeError,
    ExpiredError,
    SignatureError,
    UnsupportedError,
    UntrustedError,
    UsageError,
)
from tests.codec import check_contract
from tests.world.amd import extension, integer, oid, tlv, utc_time
from tests.world.aws import ECDSA_SHA384, key
from tests.world.nvidia import FakeDevice, digest, session, strict_policy
from tests.world.ocsp import (
    BASIC,
    DAY,
    GOOD,
    NONCE,
    OCSP_SIGNING,
    SIGNATURES,
    UNKNOWN,
    FakeResponder,
    general_time,
    revoked,
    wrap,
)
from tests.world.removed import removed
from tests.world.rims import NAMES, YEAR, FakeRims

AT = 1_780_000_000
RIMS = FakeRims(AT)
ABOUT = FakeResponder(AT, RIMS.chain[0], RIMS.chain[1], NAMES[1])
OTHER = FakeResponder(AT, RIMS.chain[1], RIMS.chain[2], NAMES[2])
ITSELF = replace(ABOUT, delegate="")
QUESTION = bytes(range(32))
ANSWER = ABOUT.answer(QUESTION)


def check(response: bytes = ANSWER, **changes: Any) -> NotRevoked:
    arguments: dict[str, Any] = {
        "certificate": ABOUT.certificate,
        "issuer": ABOUT.issuer,
        "nonce": QUESTION,
        "max_age": 3600,
        "at": AT,
    }
    return verify_status(response, **arguments | changes)


def test_good() -> None:
    found = check()
    assert found.certificate == hashlib.sha256(ABOUT.certificate).digest()
    assert found.issuer == hashlib.sha256(ABOUT.issuer).digest()
    assert (found.not_before, found.not_after) == (AT - 300, AT + 3600)
    assert check(max_age=2 * DAY).not_after == AT + DAY
    assert check(ABOUT.answer(QUESTION, next_update=None), max_age=2 * DAY).not_after == AT + 2 * DAY
    short = ABOUT.responder(validity=tlv(0x30, utc_time(AT - 60), utc_time(AT + 60)))
    assert check(ABOUT.answer(QUESTION, responder=short)).not_before == AT - 60
    assert check(ABOUT.answer(QUESTION, responder=short)).not_after == AT + 61


@pytest.mark.parametrize("by_name", [False, True])
@pytest.mark.parametrize("about", [ABOUT, ITSELF], ids=["delegate", "issuer"])
def test_who_may_answer(about: FakeResponder, by_name: bool) -> None:
    assert check(about.answer(QUESTION, by_name=by_name))


@pytest.mark.parametrize("algorithm", ["sha1", "sha256", "sha384"])
def test_names_by_any_hash(algorithm: str) -> None:
    assert check(ABOUT.answer(QUESTION, algorithm=algorithm))


def test_an_answer_to_another_question() -> None:
    assert check(ABOUT.answer(None), nonce=ANY_NONCE)
    assert check(nonce=ANY_NONCE)
    for response in (ABOUT.answer(None), ABOUT.answer(bytes(32))):
        with pytest.raises(UntrustedError, match="another question"):
            check(response)


def test_parts_that_may_be_there() -> None:
    note = tlv(0xA1, tlv(0x30, extension("2a03", b"x")))
    for following in (None, DAY):
        assert check(ABOUT.answer(QUESTION, more=note, next_update=following))
    assert check(ABOUT.answer(QUESTION, extensions=(extension("2a03", b"x"),)))
    assert check(ABOUT.answer(QUESTION, certificates=(replace(ABOUT, delegate="other").responder(), ABOUT.responder())))
    assert check(ABOUT.answer(QUESTION, responder=ABOUT.responder(extensions=[OCSP_SIGNING])))


Refusal = tuple[Callable[[], bytes], dict[str, Any], type[Exception], str, Any, str, str]
ISSUED = "signer.check_issued(authority, key)"
RESPONDER = "signer.check_responder()"
SIGNATURE = "check_signature(_WHAT, _key(signer, authority), algorithm.raw, signature, tbs.raw)"
NAMED = 'raise UntrustedError(f"{_WHAT}: about another certificate")'
WINDOW = "check_window(_WHAT, not_before, not_after, at=at)"

REFUSED: dict[str, Refusal] = {
    "revoked": (
        lambda: ABOUT.answer(QUESTION, status=revoked(AT - 9)),
        {},
        UntrustedError,
        "is revoked",
        ocsp._check_single,
        'raise UntrustedError(f"{_WHAT}: the certificate is revoked")',
        "return read_time(parts[2]), []",
    ),
    "unknown": (
        lambda: ABOUT.answer(QUESTION, status=UNKNOWN),
        {},
        UntrustedError,
        "doesn't know",
        ocsp._check_single,
        'raise UntrustedError(f"{_WHAT}: the responder doesn\'t know the certificate")',
        "pass",
    ),
    "other-certificate": (  # NVIDIA's verifier doesn't look at it: any good certificate answers for a revoked one
        lambda: ABOUT.answer(QUESTION, serial=7),
        {},
        UntrustedError,
        "another certificate",
        ocsp._check_id,
        NAMED,
        "pass",
    ),
    "other-issuer": (
        lambda: wrapped_single(OTHER.single(serial=0x200)),
        {},
        UntrustedError,
        "another certificate",
        ocsp._check_id,
        NAMED,
        "pass",
    ),
    "nonce": (
        lambda: ABOUT.answer(bytes(32)),
        {},
        UntrustedError,
        "another question",
        ocsp.verify_status,
        "_check_nonce(extensions, nonce)",
        "pass",
    ),
    "signature": (
        lambda: ABOUT.answer(QUESTION, key_name="mallory"),
        {},
        SignatureError,
        "OCSP response",
        ocsp.verify_status,
        SIGNATURE,
        "pass",
    ),
    "responder-of-another": (
        lambda: ABOUT.answer(QUESTION, responder=ABOUT.responder(signer="mallory")),
        {},
        SignatureError,
        "OCSP responder",
        ocsp._key,
        ISSUED,
        "pass",
    ),
    # NVIDIA's Python verifier takes any certificate of the chain for the responder's issuer, the one in question too.
    "vouching-for-itself": (
        lambda: ABOUT.answer(
            QUESTION,
            responder=ABOUT.responder(signer=NAMES[0], issuer=RIMS.draft(0).subject),
        ),
        {},
        UntrustedError,
        "issued by another name",
        ocsp._key,
        ISSUED,
        "pass",
    ),
    "no-responder": (  # whatever the authority has issued, a signer of manifests, say, would speak for it
        lambda: ABOUT.answer(QUESTION, responder=ABOUT.responder(extensions=[SIGNATURES])),
        {},
        UntrustedError,
        "not a responder",
        ocsp._key,
        RESPONDER,
        "pass",
    ),
    "stale": (
        lambda: ABOUT.answer(QUESTION, this_update=-3600),
        {},
        ExpiredError,
        "no longer",
        ocsp.verify_status,
        WINDOW,
        "pass",
    ),
    "next-update": (
        lambda: ABOUT.answer(QUESTION, this_update=-20, next_update=-10),
        {},
        ExpiredError,
        "no longer",
        ocsp.verify_status,
        WINDOW,
        "pass",
    ),
    "future": (
        lambda: ABOUT.answer(QUESTION, this_update=301),
        {},
        ExpiredError,
        "not valid yet",
        ocsp.verify_status,
        WINDOW,
        "pass",
    ),
    "responder-expired": (
        lambda: ABOUT.answer(
            QUESTION, responder=ABOUT.responder(validity=tlv(0x30, utc_time(AT - 60), utc_time(AT - 1)))
        ),
        {},
        ExpiredError,
        "no longer",
        ocsp.verify_status,
        WINDOW,
        "pass",
    ),
    "try-later": (
        lambda: tlv(0x30, tlv(0x0A, b"\3")),
        {},
        UntrustedError,
        "no answer",
        ocsp._basic,
        "",
        "",
    ),
}


def wrapped_single(single: bytes) -> bytes:
    return ABOUT.answer(QUESTION, singles=(single,))


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    make, changes, error, reason, function, fragment, instead = REFUSED[name]
    with pytest.raises(error, match=reason) as raised:
        check(make(), **changes)
    assert type(raised.value) is error
    if fragment:
        with removed(function, fragment, instead):
            check(make(), **changes)


def data(*parts: bytes) -> bytes:
    """Signed by the issuer: a response of these parts."""
    return wrap(tlv(0x30, *parts), NAMES[1])


def named(*algorithm: bytes) -> bytes:
    """An answer that names the issuer by a hash of this algorithm."""
    return wrapped_single(
        tlv(0x30, tlv(0x30, tlv(0x30, *algorithm), tlv(4), tlv(4), integer(1)), GOOD, general_time(AT))
    )


def by(*extensions: bytes) -> bytes:
    """An answer by a responder with these extensions."""
    return ABOUT.answer(QUESTION, responder=ABOUT.responder(extensions=[OCSP_SIGNING, *extensions]))


CRITICAL = extension("2a03", b"", critical=True)
LISTED = tlv(0xA0, tlv(0x30, ABOUT.responder()))
BY_NAME = tlv(0xA1, RIMS.draft(1).subject)
ONE = tlv(0x30, ABOUT.single())


@pytest.mark.parametrize(
    ("response", "error", "reason"),
    [
        (bytes(ocsp.MAX_RESPONSE + 1), DecodeError, "over"),
        (b"", DecodeError, "truncated"),
        (tlv(0x30), DecodeError, "not a response"),
        (tlv(0x31, tlv(0x0A, b"\0")), DecodeError, "not a response"),
        (tlv(0x30, tlv(0x0A, b"\0")), DecodeError, "expected fields"),
        (tlv(0x30, tlv(0x0A, b"\0"), tlv(0xA0, tlv(0x30, oid("2a03"), tlv(0x04)))), UnsupportedError, "basic"),
        (tlv(0x30, tlv(0x0A, b"\0"), tlv(0xA0, tlv(0x30, oid(BASIC), tlv(0x04, tlv(0x30))))), DecodeError, "basic"),
        (wrap(b"", NAMES[1]), DecodeError, "basic"),
        (ANSWER.replace(LISTED, b"\xa1" + LISTED[1:]), DecodeError, "list of certificates"),
        (ABOUT.answer(QUESTION, certificates=(ABOUT.responder(),) * 5), DecodeError, "over 4"),
        (ABOUT.answer(QUESTION, certificates=()), UntrustedError, "without a certificate"),
        (data(), DecodeError, "version 1"),
        (data(tlv(0xA0, integer(0)), BY_NAME, general_time(AT), ONE), DecodeError, "version 1"),
        (data(BY_NAME, general_time(AT), ONE, tlv(0xA2)), DecodeError, "version 1"),
        (data(BY_NAME, tlv(0x18, b"now"), ONE), DecodeError, "not a time"),
        (data(BY_NAME, general_time(AT), tlv(0x30)), DecodeError, "one answer"),
        (data(BY_NAME, general_time(AT), tlv(0x30, ABOUT.single(), ABOUT.single())), DecodeError, "one answer"),
        (data(BY_NAME, general_time(AT), tlv(0x30, tlv(0x31))), DecodeError, "one answer"),
        (wrapped_single(tlv(0x30, ABOUT.cert_id(), GOOD)), DecodeError, "about one certificate"),
        (wrapped_single(tlv(0x30, ABOUT.cert_id(), GOOD, utc_time(AT))), DecodeError, "about one certificate"),
        (ABOUT.answer(QUESTION, more=tlv(0xA2)), DecodeError, "about one certificate"),
        (ABOUT.answer(QUESTION, more=tlv(0xA1, tlv(0x30, CRITICAL))), UnsupportedError, "critical"),
        (ABOUT.answer(QUESTION, extensions=(CRITICAL,)), UnsupportedError, "critical"),
        (ABOUT.answer(QUESTION, status=tlv(0x80, b"x")), UntrustedError, "doesn't know"),
        (wrapped_single(tlv(0x30, tlv(0x30), GOOD, general_time(AT))), DecodeError, "expected fields"),
        (named(), UnsupportedError, "unknown hash"),
        (named(oid("2a03")), UnsupportedError, "unknown hash"),
        (named(oid("2b0e03021a"), tlv(4)), UnsupportedError, "unknown hash"),
        (ABOUT.answer(None, extensions=(extension(NONCE, tlv(0x02, QUESTION)),)), UntrustedError, "another question"),
        (by(extension("551d0f", bytes.fromhex("03020106"))), UntrustedError, "not for signatures"),
        (by(CRITICAL), UntrustedError, "not a responder"),
    ],
)  # fmt: skip
def test_malformed(response: bytes, error: type[Exception], reason: str) -> None:
    with pytest.raises(error, match=reason):
        check(response)


@pytest.mark.parametrize("change", [{"nonce": b""}, {"nonce": None}, {"nonce": bytes(129)}, {"max_age": 0}])
def test_arguments(change: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        check(**change)


@given(at=st.integers(0, len(ANSWER) - 1), noise=st.binary(min_size=1, max_size=3))
def test_contract(at: int, noise: bytes) -> None:
    check_contract(check, ANSWER[:at] + noise + ANSWER[at + 1 :])


@pytest.mark.parametrize("status", theirs.OCSPCertStatus)
@pytest.mark.parametrize("encoding", theirs.OCSPResponderEncoding)
@pytest.mark.parametrize("algorithm", [SHA1(), SHA256(), SHA384()], ids=["sha1", "sha256", "sha384"])  # noqa: S303
def test_answers_of_the_crypto_library(status: Any, encoding: Any, algorithm: Any) -> None:
    """A second maker of answers; ours reads in its reader, too."""
    now = datetime.fromtimestamp(AT, UTC)
    certificate, issuer, responder = map(
        x509.load_der_x509_certificate, (ABOUT.certificate, ABOUT.issuer, ABOUT.responder())
    )
    is_revoked = status is theirs.OCSPCertStatus.REVOKED
    builder = theirs.OCSPResponseBuilder().add_response(
        cert=certificate,
        issuer=issuer,
        algorithm=algorithm,
        cert_status=status,
        this_update=now,
        next_update=now + timedelta(days=1),
        revocation_time=now if is_revoked else None,
        revocation_reason=x509.ReasonFlags.certificate_hold if is_revoked else None,
    )
    builder = builder.responder_id(encoding, responder).certificates([responder])
    builder = builder.add_extension(x509.OCSPNonce(QUESTION), critical=False)
    made = builder.sign(key(ABOUT.delegate), SHA384()).public_bytes(Encoding.DER)
    if status is theirs.OCSPCertStatus.GOOD:
        assert check(made) == check()
    else:
        with pytest.raises(UntrustedError, match="revoked" if is_revoked else "doesn't know"):
            check(made)


def test_our_maker_in_the_crypto_library() -> None:
    read = theirs.load_der_ocsp_response(ANSWER)
    assert read.certificate_status is theirs.OCSPCertStatus.GOOD
    assert read.serial_number == x509.load_der_x509_certificate(ABOUT.certificate).serial_number
    assert read.extensions.get_extension_for_class(x509.OCSPNonce).value.nonce == QUESTION
    held = theirs.load_der_ocsp_response(ABOUT.answer(QUESTION, status=revoked(AT)))
    assert held.revocation_reason is x509.ReasonFlags.certificate_hold


# -- Chains

GPU = FakeDevice(AT)
BINDING = session()


def devices(*which: FakeDevice) -> FreshDevices:
    received = [(each.kind, each.evidence(BINDING.device_nonce(index))) for index, each in enumerate(which)]
    policy = strict_policy(*which)
    return appraise(received, binding=BINDING, policy=policy, roots=GPU.roots, revocations=NO_REVOCATIONS, at=AT)


def about(device: FakeDevice, depth: int, **changes: Any) -> NotRevoked:
    """The answer about one certificate of a device."""
    maker = FakeResponder(AT, device.chain[depth], device.chain[depth + 1], device.names[depth + 1])
    response = maker.answer(QUESTION, **changes)
    return check(response, certificate=maker.certificate, issuer=maker.issuer)


def every(device: FakeDevice) -> list[NotRevoked]:
    return [about(device, depth) for depth in (1, 2, 3)]


def test_devices() -> None:
    found = devices(GPU, FakeDevice(AT, "0002"))
    other = about(FakeDevice(AT, "0002"), 1)
    confirmed = confirm_devices(found, [*every(GPU), other], at=AT)
    assert isinstance(confirmed, FreshDevices)
    assert (confirmed.devices, confirmed.report_data) == (found.devices, found.report_data)
    assert confirmed.checks == (*found.checks, "ocsp")
    assert (confirmed.not_before, confirmed.not_after) == (AT - 300, AT + 600)
    short = [about(GPU, 2, next_update=60)]
    assert confirm_devices(found, [*every(GPU), other, *short], at=AT).not_after == AT + 60
    for missing in range(3):
        with pytest.raises(UntrustedError, match="no answer"):
            confirm_devices(found, [other, *every(GPU)[:missing], *every(GPU)[missing + 1 :]], at=AT)
    with pytest.raises(UntrustedError, match="no answer"):
        confirm_devices(found, every(GPU), at=AT)
    with pytest.raises(ExpiredError):
        confirm_devices(found, [*every(GPU), other], at=AT + 3600)
    needed = "{pair for chain in chains for pair in pairwise(chain)}"
    with removed(module._window, needed, f"{needed} & known.keys()"):
        confirm_devices(found, every(GPU), at=AT)


def test_devices_from_boot() -> None:
    nonce = digest("boot")[:32]
    received = [(Kind.GPU_AT_BOOT, GPU.evidence(nonce))]
    found = appraise_boot(
        received, nonces=[nonce], policy=strict_policy(GPU), roots=GPU.roots, revocations=NO_REVOCATIONS, at=AT
    )
    assert isinstance(confirm_devices(found, every(GPU), at=AT), BootDevices)


def test_an_issuer_that_isnt_the_chains() -> None:
    """An authority of the same name, somebody else's, says good of the same certificate."""
    maker = FakeResponder(AT, GPU.chain[1], GPU.sign(2, serial=integer(9)), GPU.names[2])
    foreign = check(maker.answer(QUESTION), certificate=maker.certificate, issuer=maker.issuer)
    with pytest.raises(UntrustedError, match="no answer"):
        confirm_devices(devices(GPU), [foreign, *every(GPU)[1:]], at=AT)


def test_manifests() -> None:
    data = RIMS.rim({1: [digest("one")]})
    rim = verify_rim(data, product="GH100", roots=RIMS.roots, at=AT)
    makers = [FakeResponder(AT, RIMS.chain[n], RIMS.chain[n + 1], NAMES[n + 1]) for n in range(3)]
    statuses = [check(each.answer(QUESTION), certificate=each.certificate, issuer=each.issuer) for each in makers]
    found = confirm_rim(rim, statuses, at=AT)
    assert (found.get(at=AT), found.digest) == (rim.get(at=AT), rim.digest)
    assert (found.not_before, found.not_after) == (AT - 300, AT + 3600)
    with pytest.raises(UntrustedError, match="no answer"):
        confirm_rim(rim, statuses[:2], at=AT)
    with pytest.raises(ExpiredError):
        confirm_rim(rim, statuses, at=AT + YEAR + 9)


def test_what_is_confirmed() -> None:
    with pytest.raises(UsageError):
        confirm_devices(None, every(GPU), at=AT)  # type: ignore[type-var]
    with pytest.raises(UsageError):
        confirm_devices(devices(GPU), [None], at=AT)  # type: ignore[list-item]


def test_the_key_of_an_authority() -> None:
    """An authority without a key on P-384 can't answer."""
    small = ec.derive_private_key(7, ec.SECP256R1()).public_key()
    issuer = RIMS.certificate(1, spki=small.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
    assert Certificate.decode(issuer, "issuer").algorithm == ECDSA_SHA384
    with pytest.raises(UnsupportedError, match="P-384"):
        check(replace(ABOUT, issuer=issuer).answer(QUESTION), issuer=issuer)
