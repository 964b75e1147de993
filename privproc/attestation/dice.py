"""What TCG DICE puts into X.509 certificates: claims about the layer that is certified, and tagged evidence.

TCG DICE Attestation Architecture 1.1 and 1.2, §6.1 and appendix A. A certificate's issuer is the attesting environment:
its claims are worth what the chain above them is, and a reader verifies that first. Tagged evidence carries the
hardware's own report or quote, worth what its appraisal says.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum, IntFlag
from typing import Final, Self

from privproc.attestation.der import BIT_STRING, INTEGER, OCTET_STRING, OID, SEQUENCE, Element
from privproc.cose import decode_foreign, read_head
from privproc.errors import DecodeError, UnsupportedError

__all__ = [
    "EVIDENCE",
    "MAX_CLAIMS",
    "MAX_EVIDENCE",
    "MULTI_TCB_INFO",
    "TCB_INFO",
    "UEID",
    "EvidenceTag",
    "Flags",
    "Fwid",
    "TaggedEvidence",
    "TcbInfo",
    "decode_tcb_infos",
    "decode_ueid",
]

TCB_INFO: Final = bytes.fromhex("678105050401")
"""Content of the object identifier 2.23.133.5.4.1, of an extension that is a :class:`TcbInfo`."""
UEID: Final = bytes.fromhex("678105050404")
"""2.23.133.5.4.4: :func:`decode_ueid`."""
MULTI_TCB_INFO: Final = bytes.fromhex("678105050405")
"""2.23.133.5.4.5: :func:`decode_tcb_infos`."""
EVIDENCE: Final = bytes.fromhex("678105050409")
"""2.23.133.5.4.9: :class:`TaggedEvidence`, or a Conceptual Message Wrapper (:mod:`.cmw`)."""
MAX_CLAIMS: Final = 1 << 14
"""Bytes of the longest extension with claims that is read."""
MAX_EVIDENCE: Final = 1 << 17
"""Bytes of the longest evidence that is read; those published have about 10000."""

_MAX_NUMBER = (1 << 63) - 1
_MAX_UEID = 33  # RFC 9711 §4.2.1
_TEXTS = ("vendor", "model", "version")
_NUMBERS = ("svn", "layer", "index")
_TAGS: Final = {
    0x80: "vendor", 0x81: "model", 0x82: "version", 0x83: "svn", 0x84: "layer", 0x85: "index", 0xA6: "fwids",
    0x87: "flags", 0x88: "vendor_info", 0x89: "type", 0x8A: "flags_mask",
}  # fmt: skip
_REGISTERS = {0xAA, 0xAB}  # [10] in the text of version 1.2, [11] in its module


class Flags(IntFlag):
    """OperationalFlags by their bit in the BIT STRING: each that is set says what the layer lacks."""

    NOT_CONFIGURED = 1 << 0
    NOT_SECURE = 1 << 1
    RECOVERY = 1 << 2
    DEBUG = 1 << 3
    NOT_REPLAY_PROTECTED = 1 << 4
    NOT_INTEGRITY_PROTECTED = 1 << 5
    NOT_RUNTIME_MEASURED = 1 << 6
    NOT_IMMUTABLE = 1 << 7
    NOT_TCB = 1 << 8
    FIXED_WIDTH = 1 << 31


@dataclass(frozen=True, slots=True)
class Fwid:
    """``FWID ::= SEQUENCE { hashAlg OBJECT IDENTIFIER, digest OCTET STRING }``: the content of either."""

    algorithm: bytes
    digest: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class TcbInfo:
    """Claims about one layer::

        DiceTcbInfo ::= SEQUENCE {                    all parts IMPLICIT and OPTIONAL
            vendor [0], model [1], version [2]        UTF8String,
            svn [3], layer [4], index [5]             INTEGER,
            fwids [6]                                 SEQUENCE SIZE (1..MAX) OF FWID,
            flags [7]                                 OperationalFlags,
            vendorInfo [8], type [9]                  OCTET STRING,
            flagsMask [10]                            OperationalFlags
        }

    ``None`` is what isn't stated, and says nothing; so does a flag that ``flags_mask`` leaves out, where that is
    stated. Integrity registers (1.2) are refused: the document gives their tag in two ways.
    """

    vendor: str | None = None
    model: str | None = None
    version: str | None = None
    svn: int | None = None
    layer: int | None = None
    index: int | None = None
    fwids: tuple[Fwid, ...] = ()
    flags: Flags | None = None
    vendor_info: bytes | None = field(default=None, repr=False)
    type: bytes | None = field(default=None, repr=False)
    flags_mask: Flags | None = None

    @classmethod
    def decode(cls, value: bytes) -> Self:
        """Read the extension :data:`TCB_INFO`. Raises :class:`DecodeError`, also for the CompositeDeviceID that older
        devices have under the same identifier, or :class:`UnsupportedError` for parts of a later version.
        """
        return cls._of(_whole(value, "DiceTcbInfo"))

    @classmethod
    def _of(cls, outer: Element) -> Self:
        if outer.tag != SEQUENCE:
            raise outer.fail("not a DiceTcbInfo")
        found: dict[str, object] = {}
        last = -1
        for part in outer.children():
            number = part.tag & 0x1F
            if part.tag in _REGISTERS or (part.tag & 0xC0 == 0x80 and number > 11):
                raise UnsupportedError(f"{part.what}: integrity registers, or a part of a later version")
            name = _TAGS.get(part.tag)
            if name is None or number <= last:
                raise part.fail("not a part of a DiceTcbInfo, or out of order")
            found[name] = _part(name, part)
            last = number
        return cls(**found)  # type: ignore[arg-type]  # by _part, each of its own type


def decode_tcb_infos(value: bytes) -> tuple[TcbInfo, ...]:
    """The layers in the extension :data:`MULTI_TCB_INFO`: ``SEQUENCE SIZE (1..MAX) OF DiceTcbInfo``.

    Raises as :meth:`TcbInfo.decode`.
    """
    outer = _whole(value, "DiceTcbInfoSeq")
    layers = outer.children()
    if outer.tag != SEQUENCE or not layers:
        raise outer.fail("not a DiceTcbInfoSeq")
    return tuple(TcbInfo._of(layer) for layer in layers)


def decode_ueid(value: bytes) -> bytes:
    """The identifier in the extension :data:`UEID`, ``SEQUENCE { ueid OCTET STRING }``: 1 to 33 bytes (RFC 9711
    §4.2.1). Raises :class:`DecodeError`.
    """
    outer = _whole(value, "TcgUeid")
    parts = outer.contents()
    if outer.tag != SEQUENCE or [tag for tag, _ in parts] != [OCTET_STRING] or not 0 < len(parts[0][1]) <= _MAX_UEID:
        raise outer.fail(f"not an identifier of 1 to {_MAX_UEID} bytes")
    return parts[0][1]


class EvidenceTag(IntEnum):
    """CBOR tags of evidence, from IANA's registry: Interoperable RA-TLS has them from Intel."""

    QUOTE = 60000
    """A quote of TDX or SGX, or what else the certificate's maker has a quote of."""
    REPORT = 60001
    """A report of TDX, or SGX's of type 2: for the machine itself, under a MAC."""
    SGX_REPORT = 60002
    """A report of SGX as EREPORT makes it."""


@dataclass(frozen=True, slots=True)
class TaggedEvidence:
    """``tag([bstr evidence, bstr claims])``: both as received, nothing in them believed; see :mod:`.claims`."""

    tag: EvidenceTag
    evidence: bytes = field(repr=False)
    claims: bytes = field(repr=False)

    @classmethod
    def decode(cls, value: bytes) -> Self:
        """Read the extension :data:`EVIDENCE`. Raises :class:`DecodeError`, or :class:`UnsupportedError` for another
        tag, such as that of a Conceptual Message Wrapper.
        """
        what = "tagged evidence"
        if len(value) > MAX_EVIDENCE:
            raise DecodeError(what, f"over {MAX_EVIDENCE} bytes")
        major, number, start = read_head(value, 0, what)
        if major != 6 or number not in set(EvidenceTag):
            raise UnsupportedError(f"{what}: not under a tag from 60000 to 60002")
        pair = decode_foreign(value[start:], what)
        if not isinstance(pair, list) or len(pair) != 2:
            raise DecodeError(what, "not evidence and claims")
        evidence, claims = pair
        if not isinstance(evidence, bytes) or not isinstance(claims, bytes) or not evidence or not claims:
            raise DecodeError(what, "evidence or claims are not bytes")
        return cls(EvidenceTag(number), evidence, claims)


def _whole(value: bytes, what: str) -> Element:
    if len(value) > MAX_CLAIMS:
        raise DecodeError(what, f"over {MAX_CLAIMS} bytes")
    return Element.decode(value, what)


def _part(name: str, part: Element) -> object:
    """A part under its IMPLICIT tag: read as the type that the tag hides."""
    if name in _TEXTS:
        try:
            return part.content.decode("utf-8")
        except UnicodeDecodeError:
            raise part.fail(f"{name} is not UTF-8") from None
    if name in _NUMBERS:
        return part._replace(tag=INTEGER).unsigned(_MAX_NUMBER)
    if name == "fwids":
        return _fwids(part)
    if name in ("flags", "flags_mask"):
        return _flags(part._replace(tag=BIT_STRING))
    return part.content


def _fwids(part: Element) -> tuple[Fwid, ...]:
    listed = part.children()
    if not listed:
        raise part.fail("an empty list of firmware ids")
    found = []
    for each in listed:
        algorithm, digest = each.fields(OID, OCTET_STRING)
        if each.tag != SEQUENCE or not digest.content:
            raise each.fail("not a firmware id")
        found.append(Fwid(algorithm.content, digest.content))
    return tuple(found)


def _flags(part: Element) -> Flags:
    """The named bits; the first one is the highest of the first byte. Unknown ones are kept: they say something."""
    content = part.content
    if not 0 < len(content) <= 5 or content[0] > 7 or (len(content) == 1 and content[0]):
        raise part.fail("not flags of up to 32 bits")
    unused, data = content[0], content[1:]
    if data and data[-1] & ((1 << unused) - 1):
        raise part.fail("bits that aren't used are set")
    return Flags(sum(1 << place for place in range(8 * len(data)) if data[place // 8] << place % 8 & 0x80))
