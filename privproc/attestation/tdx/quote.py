"""A TDX quote, versions 4 and 5; integers are little-endian.

Intel TDX DCAP Quote Generation Library and Quote Verification Library, appendix 3 (quote formats). Version 4 holds the
report of a TD 1.0, version 5 says which it holds: TD 1.0 or TD 1.5. What surrounds it is in :mod:`.dcap.quote`.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from privproc.attestation.dcap.quote import (
    HEADER,
    MAX_QUOTE,
    EnclaveReport,
    SignedQuote,
    read_header,
    read_signatures,
)
from privproc.errors import DecodeError, UnsupportedError
from privproc.wire import Reader

__all__ = ["MAX_QUOTE", "EnclaveReport", "Quote", "TdReport", "strip_padding"]

_WHAT = "TDX quote"
_BODY = struct.Struct("<HI")
_TDX = 0x81
_TD10 = struct.Struct("<16s48s48s8sQQ48s48s48s48s48s48s48s48s64s")
_TD15_TAIL = struct.Struct("<16s48s")
_BODY_TD10, _BODY_TD15 = 2, 3


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote(SignedQuote):
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

    report: TdReport

    @classmethod
    def decode(cls, data: bytes) -> Quote:
        """Read a quote, to its last byte: see :func:`strip_padding`.

        Raises :class:`DecodeError`, or :class:`UnsupportedError` for another version, key, TEE, quoting enclave's
        vendor, body or kind of certification data.
        """
        version = read_header(data, _BODY.size, (4, 5), _TDX, _WHAT, "a TDX domain")
        start, kind = HEADER.size, _BODY_TD10
        if version == 5:
            kind, size = _BODY.unpack_from(data, start)
            _check_body(kind, size)
            start += _BODY.size
        signatures = read_signatures(data, start + _body_size(kind), _WHAT, nested=True)
        return cls(version=version, report=TdReport._read(data, start, kind), **signatures)


def strip_padding(buffer: bytes) -> bytes:
    """The quote at the start of ``buffer`` without the zeros that follow: drivers return buffers of a fixed size.

    For whoever makes evidence; :meth:`Quote.decode` takes a quote only. Raises :class:`DecodeError` when it isn't one,
    or anything but zeros follows.
    """
    reader = Reader(buffer, _WHAT)
    version = _little(reader, 2)
    reader.take(HEADER.size - 2)
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


def _body_size(kind: int) -> int:
    return _TD10.size + (_TD15_TAIL.size if kind == _BODY_TD15 else 0)


def _check_body(kind: int, size: int) -> None:
    if kind not in {_BODY_TD10, _BODY_TD15}:
        raise UnsupportedError(f"{_WHAT}: body is not the report of a TD 1.0 or TD 1.5")
    if size != _body_size(kind):
        raise DecodeError(_WHAT, "body of another size than its type's", HEADER.size)


def _little(reader: Reader, width: int) -> int:
    return int.from_bytes(reader.take(width), "little")
