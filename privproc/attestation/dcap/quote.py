"""What a quote holds around the report that it is about: header, signatures, and the quoting enclave's own report.

Intel SGX ECDSA Quote Library, appendix A.4 (version 3), and Intel TDX DCAP Quote Generation Library, appendix A.3
(versions 4 and 5). Integers are little-endian. What surrounds the report is not signed but closed: each length is
consumed exactly, each byte is hashed, signed or compared.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

from privproc.errors import DecodeError, UnsupportedError

__all__ = [
    "ENCLAVE_REPORT_SIZE",
    "HEADER",
    "MAX_QUOTE",
    "EnclaveReport",
    "SignedQuote",
    "read_header",
    "read_signatures",
]

MAX_QUOTE = 16384
"""Bytes of the longest quote that is read; those known have 4600 to 5006, most of it the certificates."""

HEADER = struct.Struct("<HHI4s16s20s")
"""Version, type of the attestation key, TEE type, four bytes that depend on the version, QE's vendor, user data."""

_ECDSA_P256 = 2
_INTEL_QE = bytes.fromhex("939a7233f79c4ca9940a0db3957f0607")
_ENCLAVE_REPORT = struct.Struct("<16s4s12x16s16s32s32x32s32x64sHHH42x16s64s")
ENCLAVE_REPORT_SIZE = _ENCLAVE_REPORT.size
"""384 bytes."""

_FLAT = struct.Struct("<I64s64s384s64sH")  # from the size behind the report to that of the authentication data
_NESTED = struct.Struct("<I64s64sHI384s64sH")
_BEFORE_QE = 64 + 64 + 2 + 4
_CHAIN = struct.Struct("<HI")
_QE_CERTIFICATION_DATA = 6
_PCK_CHAIN = 5
_MAX_AUTHENTICATION = 1024


@dataclass(frozen=True, slots=True)
class EnclaveReport:
    """The report of an enclave (384 bytes; Intel SDM volume 3D, "REPORT"): a quoted one's, or the quoting enclave's.

    ``cpusvn`` (16 bytes): the processor's security versions, in its own writing; ``miscselect`` (4 bytes) and
    ``attributes`` (16 bytes): what the enclave may do; ``mrenclave`` and ``mrsigner`` (32 bytes each): its measurement,
    and its signer. ``isvprodid``, ``isvsvn``, ``isvextprodid`` and ``isvfamilyid`` (16 bytes each) are the signer's to
    choose, ``configid`` (64 bytes) and ``configsvn`` those of whoever starts it.
    """

    cpusvn: bytes
    miscselect: bytes
    isvextprodid: bytes
    attributes: bytes
    mrenclave: bytes
    mrsigner: bytes
    configid: bytes
    isvprodid: int
    isvsvn: int
    configsvn: int
    isvfamilyid: bytes
    report_data: bytes

    @property
    def flags(self) -> int:
        """The first half of the attributes."""
        return int.from_bytes(self.attributes[:8], "little")

    @property
    def xfrm(self) -> int:
        """The second half: which processor features the enclave uses."""
        return int.from_bytes(self.attributes[8:], "little")

    @classmethod
    def decode(cls, data: bytes) -> EnclaveReport:
        """Raises :class:`DecodeError` unless there are 384 bytes."""
        if len(data) != _ENCLAVE_REPORT.size:
            raise DecodeError("enclave report", f"{len(data)} bytes instead of {_ENCLAVE_REPORT.size}")
        return cls(*_ENCLAVE_REPORT.unpack(data))


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedQuote:
    """The parts that quotes of TDX and SGX share, as received. ``signed`` is what the attestation key signs."""

    version: int
    signed: bytes = field(repr=False)
    signature: bytes = field(repr=False)
    attestation_key: bytes = field(repr=False)
    qe_report: bytes = field(repr=False)
    qe_report_signature: bytes = field(repr=False)
    qe_authentication_data: bytes = field(repr=False)
    pck_chain: bytes = field(repr=False)


def read_header(data: bytes, least: int, versions: tuple[int, ...], tee: int, what: str, whose: str) -> int:
    """The version in a header, which is followed by ``least`` bytes or more.

    Raises :class:`DecodeError`, or :class:`UnsupportedError` for another version, key, TEE or quoting enclave's vendor.
    """
    if len(data) > MAX_QUOTE:
        raise DecodeError(what, f"over {MAX_QUOTE} bytes")
    _check_room(data, 0, HEADER.size + least, what)
    version, key_type, tee_type, _, vendor, _ = HEADER.unpack_from(data)
    if version not in versions:
        raise UnsupportedError(f"{what}: version is not {' or '.join(map(str, versions))}")
    if (key_type, tee_type, vendor) != (_ECDSA_P256, tee, _INTEL_QE):
        raise UnsupportedError(f"{what}: not of {whose} with ECDSA on P-256 by Intel's quoting enclave")
    return int(version)


def read_signatures(data: bytes, end: int, what: str, *, nested: bool) -> dict[str, bytes]:
    """The fields of :class:`SignedQuote` from ``signed`` on, of a quote whose report ends at ``end``.

    The sizes in it say what is left in ``data``, to the byte; ``nested``: since version 4 there is one more. Raises
    :class:`DecodeError`, or :class:`UnsupportedError` for another kind of certification data.
    """
    layout = _NESTED if nested else _FLAT
    chain_at = end + layout.size
    _check_room(data, end, layout.size, what)
    outer, signature, key, *wrapped, qe_report, qe_report_signature, size = layout.unpack_from(data, end)
    if size > _MAX_AUTHENTICATION:
        raise DecodeError(what, f"length {size} is over {_MAX_AUTHENTICATION}", chain_at)
    authentication = data[chain_at : chain_at + size]
    chain_at += size
    _check_room(data, chain_at, _CHAIN.size, what)
    chain_type, chain_size = _CHAIN.unpack_from(data, chain_at)
    if wrapped[:1] not in ([], [_QE_CERTIFICATION_DATA]) or chain_type != _PCK_CHAIN:
        raise UnsupportedError(f"{what}: certification data is not {'of types 6 and 5' if nested else 'of type 5'}")
    chain = data[chain_at + _CHAIN.size :]
    left = len(data) - end - 4
    if outer < left:
        raise DecodeError(what, f"{left - outer} trailing bytes", end + 4 + outer)
    if (outer, chain_size) != (left, len(chain)) or wrapped[1:] not in ([], [left - _BEFORE_QE]):
        raise DecodeError(what, "a length that isn't its content's", end)
    return {
        "signed": data[:end],
        "signature": signature,
        "attestation_key": key,
        "qe_report": qe_report,
        "qe_report_signature": qe_report_signature,
        "qe_authentication_data": authentication,
        "pck_chain": chain,
    }


def _check_room(data: bytes, at: int, wanted: int, what: str) -> None:
    if len(data) - at < wanted:
        raise DecodeError(what, f"{wanted} bytes wanted, {max(len(data) - at, 0)} left", at)
