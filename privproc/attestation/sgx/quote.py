"""An SGX quote, versions 3 and 4; integers are little-endian.

Intel SGX ECDSA Quote Library, appendix A.4 (version 3), and Intel TDX DCAP Quote Generation Library, appendix A.3
(version 4, in which an enclave has TEE type 0). What surrounds the report is in :mod:`.dcap.quote`.
"""

from __future__ import annotations

from dataclasses import dataclass

from privproc.attestation.dcap.quote import (
    ENCLAVE_REPORT_SIZE,
    HEADER,
    MAX_QUOTE,
    EnclaveReport,
    SignedQuote,
    read_header,
    read_signatures,
)

__all__ = ["MAX_QUOTE", "EnclaveReport", "Quote"]

_WHAT = "SGX quote"
_SGX = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote(SignedQuote):
    """What is in a quote, not to be believed before its chain and signatures are verified::

        struct {
            u16 version = 3 | 4; u16 key_type = 2; u32 tee_type = 0;
            version 3: u16 qe_svn; u16 pce_svn;   version 4: u8 reserved[4];
            u8 qe_vendor[16]; u8 user_data[20];
            EnclaveReport report;                                       signed to here
            u32 size;
            u8 signature[64]; u8 attestation_key[64];
            version 4: u16 type = 6; u32 size;
            EnclaveReport qe_report; u8 qe_report_signature[64];
            u16 size; u8 qe_authentication_data<0..1024>;
            u16 type = 5; u32 size; u8 pck_chain<>;                     PEM
        } Quote;

    ``signed`` is what the attestation key signs. ``qe_svn`` and ``pce_svn`` aren't read: the first is in the quoting
    enclave's own report, the second in the platform's certificate.
    """

    report: EnclaveReport

    @classmethod
    def decode(cls, data: bytes) -> Quote:
        """Read a quote, to its last byte.

        Raises :class:`DecodeError`, or :class:`UnsupportedError` for another version, key, TEE, quoting enclave's
        vendor or kind of certification data.
        """
        version = read_header(data, ENCLAVE_REPORT_SIZE, (3, 4), _SGX, _WHAT, "an SGX enclave")
        end = HEADER.size + ENCLAVE_REPORT_SIZE
        signatures = read_signatures(data, end, _WHAT, nested=version == 4)
        return cls(version=version, report=EnclaveReport.decode(data[HEADER.size : end]), **signatures)
