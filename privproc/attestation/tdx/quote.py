"""A TDX quote, versions 4 and 5, and the report of the quoting enclave in it; integers are little-endian.

Intel TDX DCAP Quote Generation Library and Quote Verification Library, appendix 3 (quote formats). Version 4 holds the
report of a TD 1.0, version 5 says which it holds: TD 1.0 or TD 1.5. What surrounds the report is not signed but closed:
each length is consumed exactly, each byte is hashed, signed or compared.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

from privproc.errors import DecodeError, UnsupportedError
from privproc.wire import Reader

__all__ = ["MAX_QUOTE", "EnclaveReport", "Quote", "TdReport", "strip_padding"]

MAX_QUOTE = 16384
"""Bytes of the longest quote that is read; those known have 4935 to 5006, most of it the certificates."""

_WHAT = "TDX quote"
_HEADER = struct.Struct("<HHI4s16s20s")
_BODY = struct.Struct("<HI")
_ECDSA_P256 = 2
_TDX = 0x81
_INTEL_QE = bytes.fromhex("939a7233f79c4ca9940a0db3957f0607")
_TD10 = struct.Struct("<16s48s48s8sQQ48s48s48s48s48s48s48s48s64s")
_TD15_TAIL = struct.Struct("<16s48s")
_BODY_TD10, _BODY_TD15 = 2, 3
_ENCLAVE_REPORT = struct.Struct("<16s4s28s16s32s32s32s96sHH60s64s")
_SIGNATURES = struct.Struct("<I64s64sHI384s64sH")  # from the size behind the report to that of the authentication data
_BEFORE_QE = 64 + 64 + 2 + 4
_CHAIN = struct.Struct("<HI")
_QE_CERTIFICATION_DATA = 6
_PCK_CHAIN = 5
_MAX_AUTHENTICATION = 1024


@dataclass(frozen=True, slots=True)
class TdReport:
    """The trust domain's report (584 bytes, TD 1.0; 648 bytes, TD 1.5), as signed.

    ``tee_tcb_svn`` (16 bytes): security versions of the TDX module, [0] its minor, [1] its major, and of the platform.
    ``tee_tcb_svn_2``: the same as they are now, if the module was updated under the running domain (TD 1.5, else
    None). ``mrservicetd``: measurement of the migration service (TD 1.5, else None). Attributes and ``xfam`` are 64
    bits, all other measurements have 48 bytes, ``report_data`` 64.
    """

    tee_tcb_svn: bytes
    mrseam: bytes
    mrsignerseam: bytes
    seam_attributes: bytes
    attributes: int
    xfam: int
    mrtd: bytes
    mrconfigid: bytes
    mrowner: bytes
    mrownerconfig: bytes
    rtmrs: tuple[bytes, bytes, bytes, bytes]
    report_data: bytes
    tee_tcb_svn_2: bytes | None
    mrservicetd: bytes | None

    @classmethod
    def _read(cls, data: bytes, at: int, kind: int) -> TdReport:
        fixed = _TD10.unpack_from(data, at)
        tail = _TD15_TAIL.unpack_from(data, at + _TD10.size) if kind == _BODY_TD15 else (None, None)
        svn, mrseam, mrsignerseam, seam_attributes, attributes, xfam, mrtd, config, owner, owner_config = fixed[:10]
        return cls(
            tee_tcb_svn=svn,
            mrseam=mrseam,
            mrsignerseam=mrsignerseam,
            seam_attributes=seam_attributes,
            attributes=attributes,
            xfam=xfam,
            mrtd=mrtd,
            mrconfigid=config,
            mrowner=owner,
            mrownerconfig=owner_config,
            rtmrs=fixed[10:14],
            report_data=fixed[14],
            tee_tcb_svn_2=tail[0],
            mrservicetd=tail[1],
        )


@dataclass(frozen=True, slots=True)
class EnclaveReport:
    """The report of the quoting enclave (384 bytes): what identifies it, and the hash that binds its key."""

    miscselect: bytes
    attributes: bytes
    mrsigner: bytes
    isvprodid: int
    isvsvn: int
    report_data: bytes

    @classmethod
    def decode(cls, data: bytes) -> EnclaveReport:
        """Raises :class:`DecodeError` unless there are 384 bytes."""
        if len(data) != _ENCLAVE_REPORT.size:
            raise DecodeError("enclave report", f"{len(data)} bytes instead of {_ENCLAVE_REPORT.size}")
        fields = _ENCLAVE_REPORT.unpack(data)
        return cls(fields[1], fields[3], fields[6], fields[8], fields[9], fields[11])


@dataclass(frozen=True, slots=True)
class Quote:
    """What is in a quote, not to be believed before its chain and signatures are verified::

        struct {
            u16 version = 4 | 5; u16 key_type = 2; u32 tee_type = 0x81; u8 reserved[4];
            u8 qe_vendor[16]; u8 user_data[20];
            version 5: u16 body_type = 2 | 3; u32 body_size;
            TdReport report;                                            signed to here
            u32 size;
            u8 signature[64]; u8 attestation_key[64]; u16 type = 6; u32 size;
            EnclaveReport qe_report; u8 qe_report_signature[64];
            u16 size; u8 qe_authentication_data<0..1024>;
            u16 type = 5; u32 size; u8 pck_chain<>;                     PEM
        } Quote;

    ``signed`` is what the attestation key signs.
    """

    version: int
    report: TdReport
    signed: bytes = field(repr=False)
    signature: bytes = field(repr=False)
    attestation_key: bytes = field(repr=False)
    qe_report: bytes = field(repr=False)
    qe_report_signature: bytes = field(repr=False)
    qe_authentication_data: bytes = field(repr=False)
    pck_chain: bytes = field(repr=False)

    @classmethod
    def decode(cls, data: bytes) -> Quote:
        """Read a quote, to its last byte: see :func:`strip_padding`.

        Raises :class:`DecodeError`, or :class:`UnsupportedError` for another version, key, TEE, quoting enclave's
        vendor, body or kind of certification data.
        """
        if len(data) > MAX_QUOTE:
            raise DecodeError(_WHAT, f"over {MAX_QUOTE} bytes")
        _check_room(data, 0, _HEADER.size + _BODY.size)
        version, key_type, tee_type, _, vendor, _ = _HEADER.unpack_from(data)
        if version not in {4, 5}:
            raise UnsupportedError(f"{_WHAT}: version is not 4 or 5")
        if (key_type, tee_type, vendor) != (_ECDSA_P256, _TDX, _INTEL_QE):
            raise UnsupportedError(f"{_WHAT}: not of a TDX domain with ECDSA on P-256 by Intel's quoting enclave")
        start, kind = _HEADER.size, _BODY_TD10
        if version == 5:
            kind, size = _BODY.unpack_from(data, start)
            _check_body(kind, size)
            start += _BODY.size
        return cls._read(data, version, start, kind)

    @classmethod
    def _read(cls, data: bytes, version: int, start: int, kind: int) -> Quote:
        """All that follows the header; the three nested sizes say what is left in ``data``, to the byte."""
        end = start + _body_size(kind)
        chain_at = end + _SIGNATURES.size
        _check_room(data, end, chain_at - end)
        fields = _SIGNATURES.unpack_from(data, end)
        outer, signature, key, qe_type, inner, qe_report, qe_report_signature, size = fields
        if size > _MAX_AUTHENTICATION:
            raise DecodeError(_WHAT, f"length {size} is over {_MAX_AUTHENTICATION}", chain_at)
        authentication = data[chain_at : chain_at + size]
        chain_at += size
        _check_room(data, chain_at, _CHAIN.size)
        chain_type, chain_size = _CHAIN.unpack_from(data, chain_at)
        if (qe_type, chain_type) != (_QE_CERTIFICATION_DATA, _PCK_CHAIN):
            raise UnsupportedError(f"{_WHAT}: certification data is not of types 6 and 5")
        chain = data[chain_at + _CHAIN.size :]
        left = len(data) - end - 4
        if outer < left:
            raise DecodeError(_WHAT, f"{left - outer} trailing bytes", end + 4 + outer)
        if (outer, inner, chain_size) != (left, left - _BEFORE_QE, len(chain)):
            raise DecodeError(_WHAT, "a length that isn't its content's", end)
        report = TdReport._read(data, start, kind)
        return cls(version, report, data[:end], signature, key, qe_report, qe_report_signature, authentication, chain)


def strip_padding(buffer: bytes) -> bytes:
    """The quote at the start of ``buffer`` without the zeros that follow: drivers return buffers of a fixed size.

    For whoever makes evidence; :meth:`Quote.decode` takes a quote only. Raises :class:`DecodeError` when it isn't one,
    or anything but zeros follows.
    """
    reader = Reader(buffer, _WHAT)
    version = _little(reader, 2)
    reader.take(_HEADER.size - 2)
    kind = _BODY_TD10
    if version == 5:
        kind = _little(reader, 2)
        _check_body(kind, _little(reader, 4))
    reader.take(_body_size(kind))
    reader.take(_little(reader, 4))
    end = reader.offset
    if any(reader.rest()):
        raise DecodeError(_WHAT, "followed by other bytes than zeros", end)
    return buffer[:end]


def _check_room(data: bytes, at: int, wanted: int) -> None:
    if len(data) - at < wanted:
        raise DecodeError(_WHAT, f"{wanted} bytes wanted, {max(len(data) - at, 0)} left", at)


def _body_size(kind: int) -> int:
    return _TD10.size + (_TD15_TAIL.size if kind == _BODY_TD15 else 0)


def _check_body(kind: int, size: int) -> None:
    if kind not in {_BODY_TD10, _BODY_TD15}:
        raise UnsupportedError(f"{_WHAT}: body is not the report of a TD 1.0 or TD 1.5")
    if size != _body_size(kind):
        raise DecodeError(_WHAT, "body of another size than its type's", _HEADER.size)


def _little(reader: Reader, width: int) -> int:
    return int.from_bytes(reader.take(width), "little")
