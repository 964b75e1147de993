"""Intel's collateral: each demand on each part, and a part that fails it alone; the codecs and the JSON reader."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from privproc.attestation.certificate import Certificate, check_signature
from privproc.attestation.crl import RevocationList
from privproc.attestation.dcap import collateral as module
from privproc.attestation.roots import Roots
from privproc.attestation.tdx import Collateral, QeIdentity, TcbInfo, VerifiedCollateral, verify_collateral
from privproc.errors import (
    DecodeError,
    ExpiredError,
    PeerError,
    SignatureError,
    UnsupportedError,
    UntrustedError,
    UsageError,
)
from tests.codec import check_codec, check_contract
from tests.world.amd import DAY, PSS_SHA384, extension, integer, oid, tlv, utc_time
from tests.world.intel import EcCrlDraft, FakeIntel, key, name, pem, profile, raw_signature, sign_draft, spki
from tests.world.removed import removed

AT = 1_780_000_000
INTEL = FakeIntel(AT)
P384 = ec.derive_private_key(7, ec.SECP384R1())
GOOD = INTEL.collateral()


def verify(collateral: Collateral = GOOD, *, at: int = AT, roots: Roots = INTEL.roots) -> VerifiedCollateral:
    return verify_collateral(collateral, roots=roots, at=at)


def certificate(which: str, **changes: Any) -> Collateral:
    made = sign_draft(replace(INTEL.draft(which), **changes), key("root"))
    return replace(GOOD, **{{"signer": "tcb_signing"}.get(which, which): made})


def crl(which: str, **changes: Any) -> Collateral:
    signer = changes.pop("signer", which)
    return replace(
        GOOD, **{f"{which.split('_', maxsplit=1)[0]}_crl": replace(INTEL.crl(which), **changes).sign(key(signer))}
    )


def serial(which: str) -> int:
    return 0x7000 + len(which)


REFUSED: dict[str, tuple[Callable[[], Collateral], type[Exception], str, str]] = {
    "root": (
        lambda: certificate("root", serial=integer(1)),
        UntrustedError,
        "not a pinned root",
        "    roots.check(collateral.root)",
    ),
    "pck-name": (
        lambda: certificate("pck_ca", subject=name("Intel SGX PCK Other CA")),
        UntrustedError,
        "names are not",
        "",
    ),
    "signer-name": (
        lambda: certificate("signer", subject=name("Intel SGX TCB Signin")),
        UntrustedError,
        "names are not",
        'raise UntrustedError("names are not those of Intel\'s PCK authority and TCB signer")',
    ),
    "pck-not-authority": (
        lambda: certificate("pck_ca", extensions=profile("3000", "03020106")),
        UntrustedError,
        "PCK authority: not an authority",
        "pck_ca.check_authority(below=0)",
    ),
    "ca_used_as_end_entity_tcb": (
        lambda: certificate("signer", extensions=profile("30030101ff", "030206c0")),
        UntrustedError,
        "TCB signing certificate: not the certificate of a signer",
        "signer.check_end()",
    ),
    "pck-issuer": (
        lambda: certificate("pck_ca", issuer=name("Mallory")),
        UntrustedError,
        "PCK authority: issued by another name",
        "issued.check_issued(root, root_key)",
    ),
    "pck-signature": (
        lambda: replace(GOOD, pck_ca=sign_draft(INTEL.draft("pck_ca"), key("mallory"))),
        SignatureError,
        "PCK authority: signature",
        "issued.check_issued(root, root_key)",
    ),
    "signer-signature": (
        lambda: replace(GOOD, tcb_signing=sign_draft(INTEL.draft("signer"), key("mallory"))),
        SignatureError,
        "TCB signing certificate: signature",
        "issued.check_issued(root, root_key)",
    ),
    "root-crl-signature": (
        lambda: crl("root", signer="mallory"),
        SignatureError,
        "root's revocation list: signature",
        "issued.check_issued(root, root_key)",
    ),
    "root-crl-issuer": (
        lambda: crl("root", issuer=name("Mallory")),
        UntrustedError,
        "root's revocation list: issued by another name",
        "issued.check_issued(root, root_key)",
    ),
    "pck-crl-signature": (
        lambda: crl("pck_ca", signer="root"),
        SignatureError,
        "PCK revocation list: signature",
        "pck_crl.check_issued(pck_ca, pck_ca_key)",
    ),
    "pck-crl-issuer": (
        lambda: crl("pck_ca", issuer=name("Intel SGX PCK Processor CA")),
        UntrustedError,
        "PCK revocation list: issued by another name",
        "pck_crl.check_issued(pck_ca, pck_ca_key)",
    ),
    "root-revoked": (
        lambda: crl("root", revoked=(serial("root"),)),
        UntrustedError,
        "root certificate: revoked",
        "root_crl.check(certificate)",
    ),
    "pck-revoked": (
        lambda: crl("root", revoked=(9, serial("pck_ca"))),
        UntrustedError,
        "PCK authority: revoked",
        "root_crl.check(certificate)",
    ),
    "signer-revoked": (
        lambda: crl("root", revoked=(9, serial("signer"), 10)),
        UntrustedError,
        "revoked",
        "root_crl.check(certificate)",
    ),
    "invalid_tcb_signature": (
        lambda: replace(GOOD, tcb_info=GOOD.tcb_info.replace(b'"svn":4', b'"svn":0', 1)),
        SignatureError,
        "TCB info: signature",
        'check_raw("TCB info", signer_key, collateral.tcb_info_signature, collateral.tcb_info)',
    ),
    "tcb-white-space": (
        lambda: replace(GOOD, tcb_info=GOOD.tcb_info + b"\n"),
        SignatureError,
        "TCB info: signature",
        'check_raw("TCB info", signer_key, collateral.tcb_info_signature, collateral.tcb_info)',
    ),
    "invalid_qe_identity_signature": (
        lambda: replace(GOOD, qe_identity=GOOD.qe_identity.replace(b'"isvprodid":2', b'"isvprodid":1')),
        SignatureError,
        "QE identity: signature",
        'check_raw("QE identity", signer_key, collateral.qe_identity_signature, collateral.qe_identity)',
    ),
    **{
        f"{which}-expired": (
            lambda which=which: certificate(which, not_after=AT - 1),
            ExpiredError,
            "no longer valid",
            "check_window(name, not_before, not_after, at=at)",
        )
        for which in ("pck_ca", "signer")
    },
    **{
        f"{which}-crl-{when}": (
            lambda which=which, times=times: crl(which, **times),
            ExpiredError,
            f"revocation list is {reason}",
            "check_window(name, not_before, not_after, at=at)",
        )
        for which in ("root", "pck_ca")
        for when, times, reason in (
            ("expired", {"next_update": AT}, "no longer valid"),
            ("early", {"this_update": AT + 1}, "not valid yet"),
        )
    },
    **{
        f"{what}-{when}": (
            lambda what=what, times=times: INTEL.collateral(**{what: getattr(INTEL, what)() | times}),
            ExpiredError,
            f"is {reason}",
            "check_window(name, not_before, not_after, at=at)",
        )
        for what in ("tcb_info", "qe_identity")
        for when, times, reason in (
            ("expired", {"nextUpdate": "2026-05-28T20:26:40Z"}, "no longer valid"),
            ("future", {"issueDate": "2026-05-28T20:26:41Z"}, "not valid yet"),
        )
    },
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case: str) -> None:
    make, error, reason, fragment = REFUSED[case]
    with pytest.raises(error, match=reason) as raised:
        verify(make())
    assert type(raised.value) is error
    if fragment and case != "root":  # another root has another name too: its own proof is below
        with removed(module.verify_as, fragment.strip()):
            verify(make())


def test_only_the_pin_refuses_another_root() -> None:
    collateral = certificate("root", serial=integer(1))
    with removed(module.verify_as, "roots.check(collateral.root)"):
        verify(collateral)


def test_accepted() -> None:
    verified = verify()
    assert verified.not_before == AT - 10 * DAY
    assert verified.not_after == AT + 20 * DAY
    assert verified.chain_end == pem(GOOD.pck_ca) + pem(GOOD.root)
    assert verified.tcb.evaluation == verified.qe.evaluation == 18
    assert set(verified.tcb.modules) == {0, 1, 3}
    processor = replace(INTEL.draft("pck_ca"), subject=name("Intel SGX PCK Processor CA"))
    verify(
        replace(
            certificate("pck_ca", subject=processor.subject), pck_crl=crl("pck_ca", issuer=processor.subject).pck_crl
        )
    )


def test_windows_are_half_open() -> None:
    verify(at=AT - 10 * DAY)
    verify(at=AT + 20 * DAY - 1)
    for at in (AT - 10 * DAY - 1, AT + 20 * DAY):
        with pytest.raises(ExpiredError):
            verify(at=at)


def test_roots() -> None:
    for pins in ((), (b"",), (bytes(31),)):
        with pytest.raises(UsageError, match="at least one"):
            Roots(pins)
    with pytest.raises(UntrustedError):
        verify(roots=module.INTEL_ROOTS)


# -- codecs


def test_codec() -> None:
    encoded = GOOD.encode()
    assert Collateral.decode(encoded) == GOOD
    tiny = dict.fromkeys(("root_crl", "pck_crl", "root", "pck_ca", "tcb_signing"), b"x")
    small = INTEL.collateral(tcb_info=b"{}", qe_identity=b"{}", **tiny)
    check_codec(Collateral.decode, small.encode(), reencode=Collateral.encode)
    for change in ({"root": b""}, {"pck_crl": bytes(1 << 19)}, {"tcb_info_signature": bytes(65)}):
        with pytest.raises(UsageError):
            replace(GOOD, **change).encode()


def response(what: str, inner: bytes, signature: bytes) -> bytes:
    return b'{"%s":%s,"signature":"%s"}' % (what.encode(), inner, signature.hex().encode())


def answers(**changes: bytes) -> dict[str, bytes]:
    return {
        "tcb_info": response("tcbInfo", GOOD.tcb_info, GOOD.tcb_info_signature),
        "qe_identity": response("enclaveIdentity", GOOD.qe_identity, GOOD.qe_identity_signature),
        "signing_chain": pem(GOOD.tcb_signing) + pem(GOOD.root),
        "root_crl": GOOD.root_crl,
        "pck_crl": GOOD.pck_crl,
        "pck_chain": pem(GOOD.pck_ca) + pem(GOOD.root).rstrip(),
    } | changes


def test_from_the_service() -> None:
    assert Collateral.from_pcs(**answers()) == GOOD
    assert Collateral.from_pcs(**answers(tcb_info=answers()["tcb_info"] + b"\n")) == GOOD


@pytest.mark.parametrize(
    "change",
    [
        {"tcb_info": answers()["qe_identity"]},
        {"qe_identity": answers()["tcb_info"]},
        {"tcb_info": b""},
        {"tcb_info": b" " + answers()["tcb_info"]},
        {"tcb_info": answers()["tcb_info"] + b"\n\n\n"},
        {"tcb_info": response("tcbInfo", GOOD.tcb_info, bytes(63))},
        {"tcb_info": b"x" * (1 << 19)},
        {"signing_chain": pem(GOOD.tcb_signing)},
        {"signing_chain": b""},
        {"signing_chain": pem(GOOD.tcb_signing) + pem(GOOD.pck_ca)},
        {"pck_chain": pem(GOOD.pck_ca) + pem(GOOD.root) * 2},
        {"pck_chain": pem(bytes(13000)) + pem(GOOD.root)},
    ],
)
def test_other_answers(change: dict[str, bytes]) -> None:
    with pytest.raises(DecodeError):
        Collateral.from_pcs(**answers(**change))


@given(st.sampled_from(sorted(answers())), st.binary(max_size=60))
def test_contract_of_answers(which: str, data: bytes) -> None:
    check_contract(lambda data: Collateral.from_pcs(**answers(**{which: data})), data)


@given(st.binary(min_size=1, max_size=300))
def test_pem_is_one_form(data: bytes) -> None:
    text = module.pem_encode(data)
    assert text == pem(data)
    assert module.pem_decode(text, "x") == data
    for other in (text[:-1], text + b"\n", text.replace(b"\n", b"\r\n"), text.replace(b"=", b""), b"\n" + text):
        if other != text:
            with pytest.raises(DecodeError):
                module.pem_decode(other, "x")


@pytest.mark.parametrize("signature", [b"", bytes(63), bytes(64), bytes(65), b"\xff" * 64])
def test_raw_signatures(signature: bytes) -> None:
    with pytest.raises(SignatureError):
        module.check_raw("x", key("signer").public_key(), signature, b"data")


def test_a_raw_signature_has_one_length() -> None:
    good = raw_signature(key("signer"), b"data")
    module.check_raw("x", key("signer").public_key(), good, b"data")
    for other in (good[:32] + b"\0" + good[32:], b"\0" + good, good + b"\0"):
        with pytest.raises(SignatureError, match="isn't 64 bytes"):
            module.check_raw("x", key("signer").public_key(), other, b"data")


@given(st.data())
def test_contract(data: st.DataObject) -> None:
    """Any change to any part is a PeerError: all of it is signed, compared or has one form."""
    which = data.draw(st.sampled_from(Collateral.__slots__))
    part = bytearray(getattr(GOOD, which))
    part[data.draw(st.integers(0, len(part) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(PeerError):
        verify(replace(GOOD, **{which: bytes(part)}))


# -- revocation lists


LIST = INTEL.crl("pck_ca")


def read(draft: EcCrlDraft) -> RevocationList:
    return RevocationList.decode(draft.sign(key("pck_ca")), "list")


def entry(*parts: bytes) -> bytes:
    return tlv(0x30, *parts)


def test_list() -> None:
    found = read(LIST)
    assert found.revoked == {bytes.fromhex("1234"), bytes.fromhex("00abcdef")}
    assert (found.not_before, found.not_after) == (AT - 10 * DAY, AT + 20 * DAY)
    assert read(replace(LIST, revoked=())).revoked == frozenset()
    assert read(replace(LIST, extensions=[])).revoked == read(LIST).revoked
    assert read(replace(LIST, extensions=[], revoked=())).revoked == frozenset()
    bare = entry(integer(7), utc_time(AT))
    assert read(replace(LIST, entries=bare)).revoked == {b"\7"}


@pytest.mark.parametrize(
    ("change", "reason"),
    {
        "version-1": ({"version": b""}, "not the fields"),
        "version": ({"version": integer(2)}, "not version 2"),
        "algorithms": ({"outer_algorithm": tlv(0x30)}, "not version 2"),
        "no-next-update": ({"times": utc_time(AT)}, "with a next update|and with times"),
        "times": ({"times": integer(1) + integer(2)}, "not version 2"),
        "delta": ({"extensions": [extension("551d1b", integer(1), critical=True)]}, "a critical extension"),
        "partial": ({"extensions": [extension("551d1c", b"\x30\0", critical=True)]}, "a critical extension"),
        "extension": ({"extensions": [tlv(0x30, oid("551d14"))]}, "not an extension"),
        "extension-kind": ({"extensions": [tlv(0x31, oid("551d14"), tlv(4, b""))]}, "not an extension"),
        "entry": ({"entries": integer(1)}, "not an entry|truncated"),
        "entry-set": ({"entries": tlv(0x31, integer(1), utc_time(AT))}, "not an entry"),
        "entry-short": ({"entries": entry(integer(1))}, "not an entry"),
        "entry-long": ({"entries": entry(integer(1), *[utc_time(AT)] * 3)}, "not an entry"),
        "entry-serial": ({"entries": entry(tlv(4, b"1"), utc_time(AT))}, "not an entry"),
        "entry-other-issuer": (
            {"entries": entry(integer(1), utc_time(AT), tlv(0x30, extension("551d1d", b"\x30\0", critical=True)))},
            "a critical extension",
        ),
        "entry-extensions": ({"entries": entry(integer(1), utc_time(AT), tlv(4, b""))}, "not extensions"),
    }.values(),
)
def test_other_lists(change: dict[str, Any], reason: str) -> None:
    with pytest.raises(DecodeError, match=reason):
        read(replace(LIST, **change))


def test_no_list() -> None:
    for data, reason in ((b"", "truncated"), (integer(1), "not a revocation list"), (bytes(1 << 19), "over")):
        with pytest.raises(DecodeError, match=reason):
            RevocationList.decode(data, "list")


def test_lists_are_read_in_linear_time() -> None:
    many = b"".join(entry(integer(n), utc_time(AT)) for n in range(1, 8000))
    assert len(read(replace(LIST, entries=many)).revoked) == 7999


ENCODED_LIST = LIST.sign(key("pck_ca"))


@given(st.integers(0, len(ENCODED_LIST) - 1), st.integers(0, 255))
def test_contract_of_lists(at: int, value: int) -> None:
    changed = ENCODED_LIST[:at] + bytes((value,)) + ENCODED_LIST[at + 1 :]
    check_contract(lambda data: RevocationList.decode(data, "list"), changed)
    check_contract(lambda data: RevocationList.decode(data, "list"), ENCODED_LIST[:at])


# -- JSON


def encoded(value: Any) -> bytes:
    return json.dumps(value).encode()


INFO, IDENTITY = INTEL.tcb_info(), INTEL.qe_identity()


@pytest.mark.parametrize(
    "change",
    {
        "qe": {"id": "QE"},
        "sgx": {"id": "SGX"},
        "version": {"version": 2},
        "version-text": {"version": "3"},
        "type": {"tcbType": 1},
    }.values(),
)
def test_another_kind(change: dict[str, Any]) -> None:
    with pytest.raises(UnsupportedError):
        TcbInfo.decode(encoded(INFO | change))
    if "tcbType" not in change and change != {"version": 2}:
        with pytest.raises(UnsupportedError):
            QeIdentity.decode(encoded(IDENTITY | change))


def test_unknown_tcb_status() -> None:
    bad = [INFO["tcbLevels"][0] | {"tcbStatus": "Unknown"}]
    with pytest.raises(UnsupportedError, match="unknown TCB status"):
        TcbInfo.decode(encoded(INFO | {"tcbLevels": bad}))


NOT_JSON = [b"", b"[]", b"1", b"nul", b"\xff", b"{", b'{"a":1,"a":2}', b'{"a":NaN}']
NOT_JSON += [b'{"a":' + b"9" * 5000 + b"}", b"[" * 100_000, b"{" + b" " * (1 << 18)]


@pytest.mark.parametrize("text", NOT_JSON)
def test_not_json(text: bytes) -> None:
    for kind in (TcbInfo, QeIdentity):
        with pytest.raises(DecodeError):
            kind.decode(text)


BAD_VALUES: dict[str, list[Any]] = {
    "fmspc": [
        None,
        1,
        "",
        "90C06F0000",
        "90C06F0000000000",
        "90 C06F00000",
        "90C06F00000G",
        "90 C0 6F 00 00 00",
        " 90C06F000000",
    ],
    "pceId": ["00"],
    "tcbEvaluationDataNumber": [None, True, -1, 65536, "1", [1]],
    "issueDate": [
        None,
        1,
        "",
        "2026-05-28",
        "2026-05-28T20:26:41",
        "2026-13-28T20:26:41Z",
        "2026-05-28T20:26:41+00:00",
    ],
    "nextUpdate": ["2026-02-30T00:00:00Z"],
    "tdxModule": [None, [], {}, {"mrsigner": "00" * 48, "attributes": "00" * 8, "attributesMask": "00"}],
    "tdxModuleIdentities": [
        None,
        {},
        [1],
        [{}],
        [INFO["tdxModuleIdentities"][0]] * 2,
        [INFO["tdxModuleIdentities"][0] | {"id": "TDX_1"}],
        [INFO["tdxModuleIdentities"][0] | {"id": "TDX_0x"}],
        [INFO["tdxModuleIdentities"][0] | {"id": "TDX_00"}],
        [INFO["tdxModuleIdentities"][0]] * 300,
    ],
    "tcbLevels": [
        None,
        [1],
        [{}],
        [INFO["tcbLevels"][0] | {"tcbDate": "x"}],
        [INFO["tcbLevels"][0] | {"advisoryIDs": "INTEL"}],
        [INFO["tcbLevels"][0] | {"advisoryIDs": [1]}],
        [INFO["tcbLevels"][0] | {"tcb": None}],
        [INFO["tcbLevels"][0] | {"tcb": INFO["tcbLevels"][0]["tcb"] | {"pcesvn": -1}}],
        [INFO["tcbLevels"][0] | {"tcb": INFO["tcbLevels"][0]["tcb"] | {"sgxtcbcomponents": []}}],
        [INFO["tcbLevels"][0] | {"tcb": INFO["tcbLevels"][0]["tcb"] | {"tdxtcbcomponents": [{"svn": 1}] * 15}}],
        [INFO["tcbLevels"][0] | {"tcb": INFO["tcbLevels"][0]["tcb"] | {"tdxtcbcomponents": [{"svn": 256}] * 16}}],
        [INFO["tcbLevels"][0] | {"tcb": INFO["tcbLevels"][0]["tcb"] | {"tdxtcbcomponents": [{"svn": True}] * 16}}],
        [INFO["tcbLevels"][0] | {"tcb": INFO["tcbLevels"][0]["tcb"] | {"tdxtcbcomponents": [{"svn": "1"}] * 16}}],
    ],
}


@pytest.mark.parametrize(("member", "value"), [(m, v) for m, values in BAD_VALUES.items() for v in values])
def test_members(member: str, value: Any) -> None:
    with pytest.raises(DecodeError, match="TCB info"):
        TcbInfo.decode(encoded(INFO | {member: value}))


@pytest.mark.parametrize("member", sorted(INFO))
def test_missing_members(member: str) -> None:
    """Only the identities of newer modules may be missing: they are, for TDX 1.0."""
    body = {name: value for name, value in INFO.items() if name != member}
    if member == "tdxModuleIdentities":
        assert set(TcbInfo.decode(encoded(body)).modules) == {0}
        return
    with pytest.raises((DecodeError, UnsupportedError)):
        TcbInfo.decode(encoded(body))


@pytest.mark.parametrize("member", sorted(IDENTITY))
def test_missing_members_of_the_identity(member: str) -> None:
    with pytest.raises((DecodeError, UnsupportedError)):
        QeIdentity.decode(encoded({name: value for name, value in IDENTITY.items() if name != member}))


def test_unknown_members_are_passed_over() -> None:
    assert TcbInfo.decode(encoded(INFO | {"new": [1]})) == TcbInfo.decode(encoded(INFO))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 70000) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*INFO, *IDENTITY]), inner, max_size=4),
    max_leaves=8,
)


@given(st.sampled_from(sorted(INFO)), st.sampled_from(sorted(IDENTITY)), JSON)
def test_contract_of_json(of_info: str, of_identity: str, value: Any) -> None:
    check_contract(TcbInfo.decode, encoded(INFO | {of_info: value}))
    check_contract(QeIdentity.decode, encoded(IDENTITY | {of_identity: value}))
    check_contract(TcbInfo.decode, encoded(value))


# -- the profile of certificates, as far as AMD's chain doesn't use it


def parsed(**changes: Any) -> Certificate:
    return Certificate.decode(sign_draft(replace(INTEL.draft("pck_ca"), **changes), key("root")), "certificate")


@pytest.mark.parametrize(
    ("constraints", "usage", "below", "good"),
    [
        ("30060101ff020100", "03020106", 0, True),
        ("30060101ff020100", "03020106", 1, False),
        ("30060101ff020102", "03020106", 2, True),
        ("30030101ff", "03020106", 9, True),
        ("30060101ff020100", "03020780", 0, False),
        ("3000", "03020106", 0, False),
    ],
)
def test_authorities(constraints: str, usage: str, below: int, good: bool) -> None:
    certificate = parsed(extensions=profile(constraints, usage))
    if good:
        certificate.check_authority(below)
    else:
        with pytest.raises(UntrustedError, match="not an authority"):
            certificate.check_authority(below)


def test_missing_extensions() -> None:
    bare = parsed(extensions=[extension("551d0e", b"")])
    with pytest.raises(UntrustedError, match="not an authority"):
        bare.check_authority(0)
    with pytest.raises(UntrustedError, match="not the certificate of a signer"):
        bare.check_end()
    parsed(extensions=[profile("3000", "030206c0")[0]]).check_end()


@pytest.mark.parametrize(
    ("constraints", "usage"),
    [
        ("0500", "03020106"),
        ("3003020100", "03020106"),
        ("3003010100", "03020106"),
        ("30090101ff020100020100", "03020106"),
        ("30030101ff", "0500"),
        ("30030101ff", "030100"),
        ("30030101ff", "0402 0106"),
    ],
)
def test_malformed_extensions(constraints: str, usage: str) -> None:
    with pytest.raises(DecodeError):
        parsed(extensions=profile(constraints, usage)).check_authority(0)


def test_schemes_follow_the_key() -> None:
    certificate = parsed()
    p384 = P384.public_key()
    for algorithm in (PSS_SHA384, bytes.fromhex("300a06082a8648ce3d040303")):
        with pytest.raises(UnsupportedError, match="signature algorithm"):
            check_signature("x", key("root").public_key(), algorithm, certificate.signature, certificate.tbs)
    with pytest.raises(UnsupportedError, match="signature algorithm"):
        certificate.check_signature(p384)
    with pytest.raises(UnsupportedError, match="not a P-384 key"):
        certificate.p384_key()
    with pytest.raises(UnsupportedError, match="not a P-256 key"):
        parsed(spki=spki(P384)).p256_key()
    with pytest.raises(DecodeError, match="not a point of P-256"):
        parsed(spki=INTEL.draft("root").spki[:-64] + bytes(64)).p256_key()


def test_signature_is_over_what_was_received() -> None:
    """The PCS signs bytes: the same JSON in another form isn't what was signed (snpguest#99 and its kin)."""
    again = json.dumps(json.loads(GOOD.tcb_info)).encode()
    assert json.loads(again) == json.loads(GOOD.tcb_info)
    with pytest.raises(SignatureError):
        verify(replace(GOOD, tcb_info=again))
    verify(replace(GOOD, tcb_info=again, tcb_info_signature=raw_signature(key("signer"), again)))
