"""Real TDX quotes and collateral, as published by other projects, with the verdicts of the index beside the files.

Skipped where the files aren't. Where dcap-qvl is installed, an independent implementation in Rust, it is asked about
each quote as well.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from privproc.attestation import NO_REVOCATIONS, Rule
from privproc.attestation.certificate import Certificate
from privproc.attestation.dcap import appraisal as dcap
from privproc.attestation.dcap.collateral import check_raw, pem_decode, pem_encode
from privproc.attestation.tdx import (
    INTEL_ROOTS,
    STRICT_CONFIGURATION,
    STRICT_DOMAIN,
    AnyPlatform,
    Collateral,
    EnclaveReport,
    EventLog,
    Platform,
    Policy,
    Quote,
    Register,
    TcbRules,
    TcbStatus,
    VerifiedEvidence,
    appraise,
    strip_padding,
    verify_collateral,
)
from privproc.errors import DecodeError, ExpiredError, PeerError, PolicyError, UntrustedError
from privproc.ledger import Logged
from tests.world.binding import bound

UP_TO_DATE_AT = 1_751_500_000  # 2025-07-02, the date of its collateral
V5_AT = 1_771_600_000  # 2026-02-20
SPR_AT = 1_687_500_000  # 2023-06-23
END = b"-----END CERTIFICATE-----\n"


@pytest.fixture(scope="module")
def tdx(shared: Path) -> Path:
    return shared / "attestation" / "tdx"


@dataclass
class Real:
    version: int
    fmspc: str
    pcesvn: int
    components: str


REAL = {
    "gtg_cos-113-tdx-quote.dat": Real(4, "00806f050000", 11, "0707020203010003"),
    "gtg_quote_v5_sample.dat": Real(5, "90c06f000000", 13, "0404020204010005"),
    "gtg_tdx_prod_quote_SPR_E4.dat": Real(4, "50806f000000", 11, "0303020202010002"),
    "phala_tdx_quote": Real(4, "b0c06f000000", 11, "0303020204010005"),
    "phala_tdx_quote_outdated": Real(5, "90c06f000000", 13, "0303020204010003"),
}


def quote_of(tdx: Path, name: str) -> bytes:
    data = (tdx / name).read_bytes()
    # This one is followed by 39 bytes of another thing; all others by zeros or nothing.
    return data[:4935] if "SPR" in name else strip_padding(data)


def chain_of(quote: Quote) -> list[bytes]:
    parts = quote.pck_chain.removesuffix(b"\0").split(END)[:-1]
    return [pem_decode(part + END, "certificate") for part in parts]


def from_dcap(tdx: Path, name: str, **other: Any) -> Collateral:
    """Collateral in the form of Intel's QuoteCollateralV3 as JSON, which dcap-qvl uses."""
    c = json.loads((tdx / name).read_text()) | other
    assert c["tcb_info_issuer_chain"] == c["qe_identity_issuer_chain"]

    def body(which: str, name: str) -> bytes:
        return f'{{"{name}":{c[which]},"signature":"{c[which + "_signature"]}"}}'.encode()

    return Collateral.from_pcs(
        tcb_info=body("tcb_info", "tcbInfo"),
        qe_identity=body("qe_identity", "enclaveIdentity"),
        signing_chain=c["tcb_info_issuer_chain"].encode(),
        root_crl=bytes.fromhex(c["root_ca_crl"]),
        pck_crl=bytes.fromhex(c["pck_crl"]),
        pck_chain=c["pck_crl_issuer_chain"].encode(),
    )


def v5_response(tdx: Path) -> dict[str, str]:
    """TCB info of February 2026 for the family of the version 5 sample, in the form of :func:`from_dcap`."""
    text = (tdx / "gtg_sample_tcbinfo_response_v5").read_text()
    inner, _, signature = text.removeprefix('{"tcbInfo":').rstrip().rpartition(',"signature":"')
    return {"tcb_info": inner, "tcb_info_signature": signature.removesuffix('"}')}


def policy(**changes: Any) -> Policy:
    """What real quotes need: the platforms' configuration open, since Intel's certificates all say "yes" to it."""
    base = Policy(
        tcb=TcbRules(statuses=frozenset({TcbStatus.UP_TO_DATE}), grace=0, advisories=frozenset(), evaluation=17),
        domain=STRICT_DOMAIN,
        xfam=0x6DBE7,
        registers=(Register.LOGGED, Register.LOGGED, Register.LOGGED, Register.ZERO),
        mrconfigid=bytes(48),
        mrowner=bytes(48),
        mrownerconfig=bytes(48),
        configuration=replace(STRICT_CONFIGURATION, **dict.fromkeys(STRICT_CONFIGURATION._places, Rule.EITHER)),
        platforms=AnyPlatform(),
        max_age=600,
    )
    return replace(base, **changes)


def decide(evidence: bytes, collateral: Collateral, at: int, policy: Policy) -> VerifiedEvidence:
    report = Quote.decode(evidence).report
    if not any(report.report_data):
        raise PolicyError("bound to nothing")  # no binding that a session could have
    logged = Logged._earn(
        namespace="example",
        role="model",
        digest=policy.measurement(report),
        security_version=1,
        not_after=at + 60,
        checkpoint=None,
    )
    return appraise(
        evidence,
        binding=bound(report.report_data),
        policy=policy,
        collateral=verify_collateral(collateral, roots=INTEL_ROOTS, at=at),
        logged=logged,
        role="model",
        revocations=NO_REVOCATIONS,
        at=at,
    )


def test_verdicts(shared: Path, tdx: Path) -> None:
    """This module covers every quote of the index."""
    entries = json.loads((shared / "attestation" / "index.json").read_text())["files"]
    quotes = {e["file"].partition("/")[2] for e in entries if e["file"].startswith("tdx/") and "AK sig" in e["checked"]}
    assert quotes == set(REAL)


@pytest.mark.parametrize("name", REAL)
def test_signatures(tdx: Path, name: str) -> None:
    """sig OK: attestation key, QE report, its hash and the chain to Intel's root, with this library's readers."""
    quote, real = Quote.decode(quote_of(tdx, name)), REAL[name]
    leaf, ca, root = chain_of(quote)
    INTEL_ROOTS.check(root)
    pck, authority, top = (Certificate.decode(der, "certificate") for der in (leaf, ca, root))
    authority.check_authority(below=0)
    pck.check_end()
    authority.check_issued(top, top.p256_key())
    pck.check_issued(authority, authority.p256_key())
    check_raw("QE report", pck.p256_key(), quote.qe_report_signature, quote.qe_report)
    check_raw("quote", dcap._point("key", quote.attestation_key), quote.signature, quote.signed)
    platform = Platform.of(pck)
    assert quote.version == real.version
    assert (platform.fmspc.hex(), platform.pcesvn) == (real.fmspc, real.pcesvn)
    assert platform.components.hex().startswith(real.components)
    assert len(platform.ppid) == len(platform.piid) == 16
    assert b"".join(map(pem_encode, (leaf, ca, root))) == quote.pck_chain.removesuffix(b"\0")
    assert EnclaveReport.decode(quote.qe_report).isvprodid == 2


def test_up_to_date(tdx: Path) -> None:
    evidence = quote_of(tdx, "phala_tdx_quote")
    collateral = from_dcap(tdx, "phala_tdx_quote_collateral.json")
    verified = decide(evidence, collateral, UP_TO_DATE_AT, policy())
    assert [level.status for level in verified.levels] == [TcbStatus.UP_TO_DATE] * 3
    assert verified.not_after == UP_TO_DATE_AT + 60
    for at in (UP_TO_DATE_AT - 30 * 86400, UP_TO_DATE_AT + 30 * 86400):
        with pytest.raises(ExpiredError):
            decide(evidence, collateral, at, policy())
    with pytest.raises(PolicyError, match="evaluation number"):
        decide(evidence, collateral, UP_TO_DATE_AT, policy(tcb=replace(policy().tcb, evaluation=18)))
    with pytest.raises(PolicyError, match=r"dynamic_platform, cached_keys, smt$"):
        decide(evidence, collateral, UP_TO_DATE_AT, policy(configuration=STRICT_CONFIGURATION))
    with pytest.raises(ExpiredError, match="PCK certificate is not valid yet"):
        decide(quote_of(tdx, "gtg_quote_v5_sample.dat"), collateral, UP_TO_DATE_AT, policy())


def test_outdated(tdx: Path) -> None:
    """The index: OutOfDate, or that no level fits; Intel's and dcap-qvl's rules say the latter."""
    collateral = from_dcap(tdx, "phala_tdx_quote_outdated_collateral.json")
    with pytest.raises(PolicyError, match="platform: its versions reach no TCB level"):
        decide(quote_of(tdx, "phala_tdx_quote_outdated"), collateral, V5_AT, policy(registers=(Register.OPEN,) * 4))


def test_version_5(tdx: Path) -> None:
    """TD 1.5, with TCB info of its own date beside another sample's other collateral of that month."""
    collateral = from_dcap(tdx, "phala_tdx_quote_outdated_collateral.json", **v5_response(tdx))
    verified = decide(quote_of(tdx, "gtg_quote_v5_sample.dat"), collateral, V5_AT, policy())
    assert {level.status for level in verified.levels} == {TcbStatus.UP_TO_DATE}
    assert len(verified.levels) == 5  # platform and module twice: as of launch, and now


def test_spr(tdx: Path) -> None:
    """A production quote of 2022: the host may take pages away, and the platform is below every level of 2023."""
    signing = from_dcap(tdx, "phala_tdx_quote_outdated_collateral.json")
    older = {"tcb_info": "gtg_sample_tcbInfo_response", "qe_identity": "gtg_sample_qeIdentity_response"}
    collateral = replace(
        signing, pck_crl=(tdx / "gtg_pckcrl").read_bytes(), root_crl=(tdx / "gtg_rootcrl.der").read_bytes()
    )
    for what, file in older.items():
        inner, _, signature = (tdx / file).read_text().partition(":")[2].rstrip().rpartition(',"signature":"')
        parts = {what: inner.encode(), f"{what}_signature": bytes.fromhex(signature.removesuffix('"}'))}
        collateral = replace(collateral, **parts)
    # The signing certificate of then isn't among the files; today's, with the same key or not, is too new.
    with pytest.raises(PeerError):
        decide(quote_of(tdx, "gtg_tdx_prod_quote_SPR_E4.dat"), collateral, SPR_AT, policy())
    report = Quote.decode(quote_of(tdx, "gtg_tdx_prod_quote_SPR_E4.dat")).report
    with pytest.raises(PolicyError, match="SEPT_VE_DISABLE"):
        STRICT_DOMAIN.check(report.attributes)


def test_trailing_bytes(tdx: Path) -> None:
    for name in ("phala_tdx_quote", "gtg_tdx_prod_quote_SPR_E4.dat"):
        with pytest.raises(DecodeError, match="trailing bytes"):
            Quote.decode((tdx / name).read_bytes())
    with pytest.raises(DecodeError, match="other bytes than zeros"):
        strip_padding((tdx / "gtg_tdx_prod_quote_SPR_E4.dat").read_bytes())


def test_event_log(tdx: Path) -> None:
    """RTMR replay OK: the log of the COS-113 machine gives its quote's registers."""
    log = EventLog.decode((tdx / "gtg_ccel_data.dat").read_bytes())
    report = Quote.decode(quote_of(tdx, "gtg_cos-113-tdx-quote.dat")).report
    assert log.replay() == report.rtmrs
    assert report.report_data == bytes(64)  # bound to nothing: no session's evidence
    fields = dict.fromkeys(VerifiedEvidence.__dataclass_fields__) | {"rtmrs": report.rtmrs}
    events = log.confirm(VerifiedEvidence._earn(**fields))
    authentic = 0
    for event in events:
        try:
            authentic += bool(event.authentic_data())
        except UntrustedError:
            continue
    assert (len(events), authentic) == (43, 13)


# -- the oracle


def oracle(evidence: bytes, collateral: Collateral, at: int, root: bytes = b"") -> str:
    qvl = pytest.importorskip("dcap_qvl")
    chain = (pem_encode(collateral.tcb_signing) + pem_encode(collateral.root)).decode()
    theirs = {
        "pck_crl_issuer_chain": (pem_encode(collateral.pck_ca) + pem_encode(collateral.root)).decode(),
        "root_ca_crl": collateral.root_crl.hex(),
        "pck_crl": collateral.pck_crl.hex(),
        "tcb_info_issuer_chain": chain,
        "tcb_info": collateral.tcb_info.decode(),
        "tcb_info_signature": collateral.tcb_info_signature.hex(),
        "qe_identity_issuer_chain": chain,
        "qe_identity": collateral.qe_identity.decode(),
        "qe_identity_signature": collateral.qe_identity_signature.hex(),
    }
    parsed = qvl.QuoteCollateralV3.from_json(json.dumps(theirs))
    try:
        if root:
            return qvl.verify_with_root_ca(evidence, parsed, root, at).status
        return qvl.verify(evidence, parsed, at).status
    except ValueError:
        return "refused"


def test_oracle_on_real_quotes(tdx: Path) -> None:
    current = from_dcap(tdx, "phala_tdx_quote_collateral.json")
    later = from_dcap(tdx, "phala_tdx_quote_outdated_collateral.json")
    v5 = from_dcap(tdx, "phala_tdx_quote_outdated_collateral.json", **v5_response(tdx))
    for name in REAL:
        for collateral, at in ((current, UP_TO_DATE_AT), (later, V5_AT), (v5, V5_AT)):
            evidence = quote_of(tdx, name)
            theirs = oracle(evidence, collateral, at)
            try:
                decide(evidence, collateral, at, policy(registers=(Register.OPEN,) * 4))
                ours = "UpToDate"
            except PeerError:
                ours = "refused"
            assert ours == theirs, (name, at)


@pytest.mark.parametrize("part", ["signature", "report", "key", "qe", "authentication", "chain"])
def test_oracle_on_changed_quotes(tdx: Path, part: str) -> None:
    collateral = from_dcap(tdx, "phala_tdx_quote_collateral.json")
    good = quote_of(tdx, "phala_tdx_quote")
    offset = {"report": 200, "signature": 640, "key": 710, "qe": 900, "authentication": 1220, "chain": 1500}[part]
    for at in range(offset, offset + 3):
        changed = good[:at] + bytes((good[at] ^ 1,)) + good[at + 1 :]
        assert oracle(changed, collateral, UP_TO_DATE_AT) == "refused"
        with pytest.raises(PeerError):
            decide(changed, collateral, UP_TO_DATE_AT, policy())


def test_oracle_on_generated_quotes() -> None:
    """dcap-qvl accepts what the maker in tests/world makes, and judges its levels as this library does."""
    from tests import test_tdx

    root = test_tdx.INTEL.certificate("root")
    at = test_tdx.AT
    for version, kind, major in ((4, 2, 0), (4, 2, 1), (5, 2, 1), (5, 3, 1)):
        for minor, tdx_svn, expected in ((6, 4, "UpToDate"), (6, 3, "OutOfDate")):
            svn = test_tdx.svn(minor, major, tdx_svn)
            quote = test_tdx.PLATFORM.quote(
                report_data=test_tdx.BINDING, version=version, kind=kind, tee_tcb_svn=svn, tee_tcb_svn_2=svn
            )
            collateral = test_tdx.INTEL.collateral()
            assert oracle(quote, collateral, at, root) == expected
            scene = test_tdx.Scene(evidence=quote)
            if expected == "UpToDate":
                assert scene.appraise().levels[0].status.value == expected
            else:
                with pytest.raises(PolicyError, match=expected):
                    scene.appraise()


# What dcap-qvl leaves to its caller, to a policy, or doesn't demand: we refuse, it doesn't.
OURS_ALONE = {
    "binding", "platforms", "configuration", "owner", "registers", "role", "log", "xfam", "evaluation", "platform-tcb",
    "module-tcb", "qe-tcb",
}  # fmt: skip


KNOWN_DIFFERENCES = {
    *(f"attributes-tdx_{bit}_enabled" for bit in ("lass", "pks", "kl", "perfmon")),  # a matter of policy there
    "attributes-tdx_reserved_bits_set-16",  # ICSSD and TPA: known bits there
    "attributes-tdx_reserved_bits_set-62",
    "family-pceid",  # Intel's library compares it, dcap-qvl doesn't
    "pck-profile-critical",  # it asks for no name, key usage or known extensions of the leaf
    "pck-profile-name",
    "pck-profile-usage",
}


def test_oracle_on_mutants() -> None:
    """All that we refuse for what only we demand aside, dcap-qvl refuses each mutant too."""
    from tests import test_tdx

    root = test_tdx.INTEL.certificate("root")
    differing = set()
    for check, name, scene, *_ in test_tdx.MUTANTS:
        if check in OURS_ALONE:
            continue
        quote = scene.platform.quote(**{"report_data": test_tdx.BINDING} | scene.quote)
        if oracle(quote, test_tdx.INTEL.collateral(**scene.collateral), scene.at, root) != "refused":
            differing.add(f"{check}-{name}")
    assert differing == KNOWN_DIFFERENCES
