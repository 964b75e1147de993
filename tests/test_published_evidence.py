"""Every file of evidence and of proofs that other projects publish, with the verdict of the index beside the files.

A file that no check here consumes fails, and so does a check without a file. Skipped where the files aren't: they are
other projects' data and not distributed. Verdicts are as of the date of the evidence, which is long past.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from privproc.attestation.certificate import Certificate
from privproc.attestation.crl import RevocationList
from privproc.attestation.dcap.collateral import check_raw
from privproc.attestation.nitro import AWS_ROOTS, verify_chain
from privproc.attestation.snp import AMD_ROOTS, Endorsements, Product, Report
from privproc.attestation.tdx import INTEL_ROOTS, EventLog, QeIdentity, Quote, TcbInfo, TcbStatus
from privproc.errors import DecodeError, PeerError, PolicyError, SignatureError, UntrustedError
from privproc.ledger import Checkpoint, NoteKey, Proof
from privproc.ledger.checkpoint import Note
from privproc.ledger.merkle import leaf_hash, verify_consistency, verify_inclusion
from privproc.ledger.plexi import SignedEpoch, verify
from tests import test_attestation_claims as claims
from tests import test_attestation_dice as dice
from tests import test_attestation_real as snp
from tests import test_nitro_real as nitro
from tests import test_sgx_real as sgx
from tests import test_tdx_real as tdx

FOLDERS = ("snp", "tdx", "ratls", "nitro", "merkle", "tlog", "plexi")


@pytest.fixture(scope="module")
def attestation(shared: Path) -> Path:
    return shared / "attestation"


@pytest.fixture(scope="module")
def index(attestation: Path) -> dict[str, dict[str, Any]]:
    entries = json.loads((attestation / "index.json").read_text())["files"]
    return {entry["file"]: entry for entry in entries if entry["file"].partition("/")[0] in FOLDERS}


CHECKS: dict[str, Callable[[Path], None]] = {}
"""By file: what consumes it. The function gets the folder of all of them."""


def of(*files: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """What is decorated consumes these files; it gets the folder and the file."""

    def add(check: Callable[..., None]) -> Callable[..., None]:
        CHECKS.update({file: functools.partial(check, file=file) for file in files})
        return check

    return add


# -- AMD


@of(*(f"snp/{real.report}" for real in snp.REAL.values()))
def a_report(folder: Path, file: str) -> None:
    """sig OK; what a policy may then say is its own matter."""
    (name,) = [name for name, real in snp.REAL.items() if file == f"snp/{real.report}"]
    if name in snp.REFUSED:
        with pytest.raises(PolicyError, match=snp.REFUSED[name]):
            snp.decide(folder / "snp", name)
    else:
        assert snp.decide(folder / "snp", name).product is snp.REAL[name].product
    evidence = snp.evidence_of(folder / "snp", name)
    assert Report.decode(evidence).encode() == evidence


@of(*(f"snp/{real.vcek}" for real in snp.REAL.values()))
def a_chip(folder: Path, file: str) -> None:
    (real,) = [real for real in snp.REAL.values() if file == f"snp/{real.vcek}"]
    assert snp.chain_of(folder / "snp", real.vcek, real.product).tcb == real.tcb


@of("snp/turin/virtee_vcek_turin.der", "snp/turin/virtee_cert_chain_turin.pem")
def a_turin_chip(folder: Path, file: str) -> None:
    snp.test_turin_chain(folder / "snp")


@of("snp/trustee/test-vcek-invalid-legacy.der")
def a_changed_chip(folder: Path, file: str) -> None:
    """chain verification must FAIL"""
    with pytest.raises(SignatureError, match="VCEK certificate: signature"):
        snp.chain_of(folder / "snp", file.removeprefix("snp/"), Product.MILAN)


@of(*(f"snp/roots/{kind}_ark_{product.value.lower()}.pem" for kind in ("ask", "asvk") for product in Product))
def an_authority(folder: Path, file: str) -> None:
    e = Endorsements.from_kds(b"", (folder / file).read_bytes())
    product = AMD_ROOTS.product_of(e.ark)
    root, middle = Certificate.decode(e.ark, "ARK"), Certificate.decode(e.ask, "ASK")
    middle.check_issued(root, root.rsa_key())
    root.check_signature(root.rsa_key())
    between = "VLEK-" if "asvk" in file else ""
    assert (middle.common_name, product.value.lower() in file) == (f"SEV-{between}{product.value}", True)


# -- Intel


@of(*(f"tdx/{name}" for name in tdx.REAL))
def a_quote(folder: Path, file: str) -> None:
    """sig OK"""
    tdx.test_signatures(folder / "tdx", file.removeprefix("tdx/"))


@of("tdx/phala_tdx_quote_collateral.json")
def collateral_of_the_day(folder: Path, file: str) -> None:
    """OK (UpToDate at date of collateral)"""
    tdx.test_up_to_date(folder / "tdx")


@of("tdx/phala_tdx_quote_outdated_collateral.json")
def collateral_of_an_outdated_platform(folder: Path, file: str) -> None:
    """No matching TCB level found"""
    tdx.test_outdated(folder / "tdx")


@of("tdx/gtg_sample_tcbinfo_response_v5")
def newer_tcb_info(folder: Path, file: str) -> None:
    tdx.test_version_5(folder / "tdx")


def signed(folder: Path, file: str) -> bytes:
    """The inner object of a response, whose signature Intel's TCB signing key made."""
    signer = Certificate.decode(tdx.from_dcap(folder / "tdx", "phala_tdx_quote_collateral.json").tcb_signing, "signer")
    inner, _, signature = (folder / file).read_text().partition(":")[2].rstrip().rpartition(',"signature":"')
    check_raw(file, signer.p256_key(), bytes.fromhex(signature.removesuffix('"}')), inner.encode())
    return inner.encode()


@of("tdx/gtg_sample_tcbInfo_response")
def older_tcb_info(folder: Path, file: str) -> None:
    found = TcbInfo.decode(signed(folder, file))
    assert (found.fmspc.hex(), found.levels[0].status) == ("50806f000000", TcbStatus.UP_TO_DATE)


@of("tdx/gtg_sample_qeIdentity_response")
def a_qe_identity(folder: Path, file: str) -> None:
    found = QeIdentity.decode(signed(folder, file))
    assert (found.isvprodid, found.levels[0].status) == (2, TcbStatus.UP_TO_DATE)


@of("tdx/intel_sgx_root.pem")
def intels_root(folder: Path, file: str) -> None:
    INTEL_ROOTS.check(root(folder, file))


def root(folder: Path, file: str = "tdx/intel_sgx_root.pem") -> bytes:
    return base64.b64decode("".join((folder / file).read_text().split("-----")[2].split()))


@of("tdx/gtg_rootcrl.der")
def the_roots_list(folder: Path, file: str) -> None:
    authority = Certificate.decode(root(folder), "root")
    found = RevocationList.decode((folder / file).read_bytes(), "list")
    found.check_issued(authority, authority.p256_key())
    found.check(authority)
    assert found.revoked == frozenset()


@of("tdx/gtg_pckcrl")
def a_list_of_platforms(folder: Path, file: str) -> None:
    authority = Certificate.decode(tdx.from_dcap(folder / "tdx", "phala_tdx_quote_collateral.json").pck_ca, "CA")
    found = RevocationList.decode((folder / file).read_bytes(), "list")
    found.check_issued(authority, authority.p256_key())
    assert len(found.revoked) > 10
    for name in tdx.REAL:
        quote = Quote.decode(tdx.quote_of(folder / "tdx", name))
        found.check(Certificate.decode(tdx.chain_of(quote)[0], "PCK certificate"))


@of("tdx/gtg_ccel_data.dat")
def an_event_log(folder: Path, file: str) -> None:
    """replay gives RTMR0-3 of gtg_cos-113-tdx-quote.dat"""
    tdx.test_event_log(folder / "tdx")


@of("tdx/gtg_ccel_table.dat")
def where_the_log_is(folder: Path, file: str) -> None:
    """The ACPI table that names the log's place: it tells the length of the log beside it."""
    table = (folder / file).read_bytes()
    assert (table[:4], sum(table) & 0xFF) == (b"CCEL", 0)
    assert int.from_bytes(table[40:48], "little") == len((folder / "tdx/gtg_ccel_data.dat").read_bytes())
    with pytest.raises(DecodeError):
        EventLog.decode(table)


@of("tdx/gtg_nonce.dat")
def a_nonce_of_zeros(folder: Path, file: str) -> None:
    """nonce = report_data for cos-113 quote; 64 zeros, to which no session is bound."""
    nonce = (folder / file).read_bytes()
    report = Quote.decode(tdx.quote_of(folder / "tdx", "gtg_cos-113-tdx-quote.dat")).report
    assert report.report_data == nonce == bytes(64)


@of("tdx/gtg_report.dat")
def a_local_report(folder: Path, file: str) -> None:
    """A report for the processor itself: under a MAC, and no quote."""
    with pytest.raises(PeerError):
        Quote.decode((folder / file).read_bytes())


@of("ratls/gramine-cert.pem", "ratls/intel-sgxsdk-cert.pem")
def a_certificate_with_a_quote(folder: Path, file: str) -> None:
    """pubkey-hash claim binds cert key; SGX quote"""
    name = file.removeprefix("ratls/").removesuffix(".pem")
    sgx.test_signatures(folder.parent, name)
    dice.test_published(folder.parent, name)
    claims.test_real_certificates(folder.parent, name)


# -- Amazon


@of(f"nitro/{nitro.GOOD}")
def a_document(folder: Path, file: str) -> None:
    """OK"""
    nitro.test_good(folder / "nitro", pytest.MonkeyPatch())


@of(f"nitro/{nitro.DEBUG}")
def a_debug_document(folder: Path, file: str) -> None:
    """reject debug"""
    nitro.test_debug(folder / "nitro", pytest.MonkeyPatch())


@of(f"nitro/{nitro.SELF_SIGNED}")
def a_look_alike(folder: Path, file: str) -> None:
    """must FAIL chain"""
    nitro.test_self_signed(folder / "nitro")


@of("nitro/evervault_nitro.pem")
def amazons_root(folder: Path, file: str) -> None:
    AWS_ROOTS.check(root(folder, file))


@of("nitro/blocky_root_sha256.hex")
def a_digest_of_an_archive(folder: Path, file: str) -> None:
    """Amazon's digest of the archive in which the root is published, and not of the root: no pin."""
    digest = bytes.fromhex((folder / file).read_text())
    assert digest not in AWS_ROOTS.pins
    assert hashlib.sha256(root(folder, "nitro/evervault_nitro.pem")).digest() in AWS_ROOTS.pins


@of("nitro/evervault_certificate.der")
def a_certificate_of_the_web(folder: Path, file: str) -> None:
    """Of a web server, by a public authority: none of Amazon's."""
    certificate = (folder / file).read_bytes()
    with pytest.raises(UntrustedError, match="not a pinned root"):
        verify_chain(certificate, (certificate,), roots=AWS_ROOTS, at=1_700_000_000)


# -- logs


@of("merkle/rfc6962_proof_probes.json")
def probes(folder: Path, file: str) -> None:
    """wantErr per probe, but for one that expects two equal roots of 12 bytes to do: a root is 32 bytes here."""
    read = json.loads((folder / file).read_text())["probes"]
    assert len(read) > 100
    differing = []
    for name, probe in read.items():
        roots = [base64.b64decode(probe[key]) for key in ("root", "root1", "root2") if key in probe]
        proof = [base64.b64decode(value) for value in probe["proof"] or ()]
        try:
            if "leafIdx" in probe:
                leaf = base64.b64decode(probe["leafHash"])
                verify_inclusion(leaf, probe["leafIdx"], probe["treeSize"], proof, roots[0])
            else:
                verify_consistency(probe["size1"], roots[0], probe["size2"], roots[1], proof)
            failed = False
        except SignatureError:
            failed = True
        if failed != probe["wantErr"]:
            differing.append(name)
    assert [name.rpartition("/")[2] for name in differing] == ["sizes-are-equal-one-and-proof-is-empty.json"]


@of("tlog/oak_test.tlog-proof")
def a_proof(folder: Path, file: str) -> None:
    """log Ed25519 sig, cosignature/v1, inclusion of b"test entry data" """
    proof = Proof.decode((folder / file).read_bytes())
    note = Note.decode(proof.checkpoint)
    note.verify(NoteKey.parse("fake.log.origin/log+527eabb8+AddT9PtBhhNAsDYZ0V0euiRbXuvrLsw4L6vKARfipnmz"))
    head = Checkpoint.decode(note.text)
    verify_inclusion(leaf_hash(b"test entry data"), proof.index, head.size, proof.hashes, head.root)
    witness = NoteKey.parse("test-witness+26349ef0+BIQDFTUlktisMqJzWn8qhteWrRr4dLcQ9R37T+8LQyQF")
    assert note.cosigned(witness)


@of("plexi/test_vectors.json")
def epochs(folder: Path, file: str) -> None:
    """verify, both ciphersuites; under another namespace, key or epoch they don't."""
    read = json.loads((folder / file).read_text())["vectors"]
    assert {vector["ciphersuite"] for vector in read} == {1, 2}
    for vector in read:
        key = bytes.fromhex(vector["verifying_key"])
        names = ("namespace", "timestamp", "epoch", "key_id")
        epoch = SignedEpoch(
            suite=vector["ciphersuite"],
            **{name: vector[name] for name in names},
            **{name: bytes.fromhex(vector[name]) for name in ("digest", "signature")},
        )
        at = vector["timestamp"] // 1000
        demanded: dict[str, Any] = {
            "namespace": vector["namespace"],
            "key": key,
            "minimum_epoch": vector["epoch"],
            "max_age": 60,
            "at": at,
        }
        verify(epoch.encode(), **demanded).confirm_unchained(epoch.digest, at=at)
        for other in ({"namespace": "log3.example.com"}, {"key": bytes(31) + key[-1:]}, {"minimum_epoch": 9}):
            with pytest.raises(PeerError):
                verify(epoch.encode(), **demanded | other)


def test_every_file_has_a_check(attestation: Path, index: dict[str, Any]) -> None:
    found = {str(p.relative_to(attestation)) for f in FOLDERS for p in (attestation / f).rglob("*") if p.is_file()}
    assert set(CHECKS) == set(index) == found


@pytest.mark.parametrize("file", sorted(CHECKS))
def test_published(attestation: Path, index: dict[str, Any], file: str) -> None:
    """The file is the one of the index, and its verdict this library's."""
    if "sha256" in index[file]:  # not of those that were put together from several files
        assert hashlib.sha256((attestation / file).read_bytes()).hexdigest() == index[file]["sha256"]
    CHECKS[file](attestation)
