"""What Intel certifies about one platform: the SGX extension of a PCK certificate.

Intel SGX PCK Certificate and Certificate Revocation List Profile Specification, §1.3.5 and appendix A.
"""

from __future__ import annotations

from dataclasses import dataclass

from privproc.attestation.certificate import Certificate
from privproc.attestation.der import BOOLEAN, ENUMERATED, OCTET_STRING, Element
from privproc.errors import DecodeError

__all__ = ["Configuration", "Platform"]

_SGX = bytes.fromhex("2a864886f84d010d01")  # 1.2.840.113741.1.13.1
_PPID, _TCB, _PCEID, _FMSPC, _SGX_TYPE, _PIID, _CONFIGURATION = (_SGX + bytes((part,)) for part in range(1, 8))
_COMPONENTS = tuple(_TCB + bytes((part,)) for part in range(1, 17))
_PCESVN = _TCB + bytes((17,))
_CPUSVN = _TCB + bytes((18,))
_FLAGS = tuple(_CONFIGURATION + bytes((part,)) for part in range(1, 4))


@dataclass(frozen=True, slots=True)
class Configuration:
    """What Intel's registration service knows of a platform of several packages.

    May packages be added, does the service keep the root keys, are sibling threads on.
    """

    dynamic_platform: bool
    cached_keys: bool
    smt: bool

    @property
    def bits(self) -> int:
        """The flags in their order, the first one lowest."""
        return self.dynamic_platform | self.cached_keys << 1 | self.smt << 2


@dataclass(frozen=True, slots=True)
class Platform:
    """The SGX extension: ``fmspc`` (6 bytes) names the family, ``ppid`` (16 bytes) the processor, ``pceid`` (2 bytes).

    ``components`` (16 security versions, one byte each) and ``pcesvn`` are the TCB that the PCK belongs to. ``piid``
    (16 bytes, names the platform) and ``configuration`` are in certificates of the Platform CA only (else empty, None).
    """

    ppid: bytes
    components: bytes
    pcesvn: int
    pceid: bytes
    fmspc: bytes
    sgx_type: int
    piid: bytes
    configuration: Configuration | None

    @classmethod
    def of(cls, certificate: Certificate) -> Platform:
        """Read the extension of a PCK certificate. Raises :class:`DecodeError`."""
        value = certificate.extensions.get(_SGX)
        if value is None:
            raise DecodeError(certificate.name, "no SGX extension")
        fields = Element.decode(value, certificate.name).pairs()
        tcb = _get(certificate, fields, _TCB).pairs()
        _octets(_get(certificate, tcb, _CPUSVN), 16)
        components = bytes([_get(certificate, tcb, oid).unsigned(0xFF) for oid in _COMPONENTS])
        sgx_type = _get(certificate, fields, _SGX_TYPE)
        if sgx_type.tag != ENUMERATED or len(sgx_type.content) != 1:
            raise sgx_type.fail("not an SGX type")
        piid = fields.get(_PIID)
        return cls(
            ppid=_octets(_get(certificate, fields, _PPID), 16),
            components=components,
            pcesvn=_get(certificate, tcb, _PCESVN).unsigned(0xFFFF),
            pceid=_octets(_get(certificate, fields, _PCEID), 2),
            fmspc=_octets(_get(certificate, fields, _FMSPC), 6),
            sgx_type=sgx_type.content[0],
            piid=b"" if piid is None else _octets(piid, 16),
            configuration=_configuration(certificate, fields.get(_CONFIGURATION)),
        )


def _get(certificate: Certificate, fields: dict[bytes, Element], oid: bytes) -> Element:
    element = fields.get(oid)
    if element is None:
        raise DecodeError(certificate.name, "a part of the SGX extension is missing")
    return element


def _octets(element: Element, size: int) -> bytes:
    content = element.content
    if element.tag != OCTET_STRING or len(content) != size:
        raise element.fail(f"not {size} bytes")
    return content


def _configuration(certificate: Certificate, element: Element | None) -> Configuration | None:
    if element is None:
        return None
    fields = element.pairs()
    return Configuration(*(_flag(_get(certificate, fields, oid)) for oid in _FLAGS))


def _flag(element: Element) -> bool:
    if element.tag != BOOLEAN or element.content not in (b"\0", b"\xff"):
        raise element.fail("not a boolean")
    return element.content == b"\xff"
