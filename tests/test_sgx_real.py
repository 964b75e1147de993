"""SGX quotes that real hardware made, out of certificates that another project publishes. Skipped without the files.

Nobody publishes Intel's collateral of their day with them, so what is shown is what doesn't need it.
"""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

import pytest

from privproc.attestation.certificate import Certificate
from privproc.attestation.dcap import appraisal as dcap
from privproc.attestation.dcap.collateral import check_raw, pem_decode, pem_encode
from privproc.attestation.sgx import INTEL_ROOTS, STRICT_ENCLAVE, EnclaveReport, Platform, Quote
from privproc.errors import DecodeError, PolicyError, SignatureError

END = b"-----END CERTIFICATE-----\n"
REAL = {
    "gramine-cert": ("00606a000000", 1, "Intel SGX PCK Platform CA", 9),
    "intel-sgxsdk-cert": ("00706a100000", 0, "Intel SGX PCK Processor CA", 10),
}
"""Family, SGX type, authority, and the version of the quoting enclave."""


def quote_of(shared: Path, name: str) -> bytes:
    """Found by its header: the certificates around it are not quite DER."""
    lines = (shared / "attestation" / "ratls" / f"{name}.pem").read_text().splitlines()
    data = base64.b64decode("".join(line for line in lines if not line.startswith("-")))
    data = data[data.index(bytes.fromhex("0300020000000000")) :]
    return data[: 436 + int.from_bytes(data[432:436], "little")]


@pytest.mark.parametrize("name", REAL)
def test_signatures(shared: Path, name: str) -> None:
    """From Intel's root to the report, with this library's readers."""
    data = quote_of(shared, name)
    quote, (fmspc, kind, authority_name, version) = Quote.decode(data), REAL[name]
    parts = quote.pck_chain.removesuffix(b"\0").split(END)[:-1]
    leaf, ca, root = (pem_decode(part + END, "certificate") for part in parts)
    INTEL_ROOTS.check(root)
    pck, authority, top = (Certificate.decode(der, "certificate") for der in (leaf, ca, root))
    authority.check_authority(below=0)
    pck.check_end()
    authority.check_issued(top, top.p256_key())
    pck.check_issued(authority, authority.p256_key())
    check_raw("QE report", pck.p256_key(), quote.qe_report_signature, quote.qe_report)
    check_raw("quote", dcap._point("key", quote.attestation_key), quote.signature, quote.signed)
    qe, platform = EnclaveReport.decode(quote.qe_report), Platform.of(pck)
    assert qe.report_data == hashlib.sha256(quote.attestation_key + quote.qe_authentication_data).digest() + bytes(32)
    assert (qe.isvprodid, qe.isvsvn, authority.common_name) == (1, version, authority_name)
    assert qe.mrsigner.hex().startswith("8c4f5775d796503e")
    assert (platform.fmspc.hex(), platform.sgx_type) == (fmspc, kind)
    assert b"".join(map(pem_encode, (leaf, ca, root))) == quote.pck_chain.removesuffix(b"\0")


@pytest.mark.parametrize("name", REAL)
def test_reports(shared: Path, name: str) -> None:
    report = Quote.decode(quote_of(shared, name)).report
    assert report.flags == 0b111  # for development: it may be debugged
    assert report.xfrm & 3 == 3
    assert report.configid + report.isvextprodid + report.isvfamilyid == bytes(96)
    assert report.report_data[32:] == bytes(32)
    with pytest.raises(PolicyError, match=r"attributes: debug$"):
        STRICT_ENCLAVE.check(report.flags)


@pytest.mark.parametrize("name", REAL)
def test_changed(shared: Path, name: str) -> None:
    data = quote_of(shared, name)
    with pytest.raises(DecodeError, match="trailing bytes"):
        Quote.decode(data + b"\0")
    quote = Quote.decode(data)
    signed = bytearray(quote.signed)
    signed[100] ^= 1
    with pytest.raises(SignatureError):
        check_raw("quote", dcap._point("key", quote.attestation_key), quote.signature, bytes(signed))


def test_cpusvn_is_not_that_of_the_certificate(shared: Path) -> None:
    """Why no policy compares them: on servers the processor writes its versions in another way than Intel's service."""
    quote = Quote.decode(quote_of(shared, "gramine-cert"))
    leaf = pem_decode(quote.pck_chain.partition(END)[0] + END, "certificate")
    components = Platform.of(Certificate.decode(leaf, "certificate")).components
    assert quote.report.cpusvn == EnclaveReport.decode(quote.qe_report).cpusvn
    assert quote.report.cpusvn != components
