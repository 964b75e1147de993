"""What Intel certifies about one platform: the SGX extension of a PCK certificate.

Intel SGX PCK Certificate and Certificate Revocation List Profile Specification, §1.3.5 and appendix A. The extension is
read as one pattern, in the order in which the profile lists its parts and Intel's service writes them: it has some 60
elements, and one by one they take as long as the signature over them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from privproc.attestation.certificate import Certificate
from privproc.attestation.der import SEQUENCE, Element
from privproc.errors import DecodeError

__all__ = ["Configuration", "Platform"]

_SGX: Final = bytes.fromhex("2a864886f84d010d01")  # 1.2.840.113741.1.13.1
_KNOWN: Final = tuple([b"\x06\x0a" + _SGX + bytes((part,)) for part in range(1, 8)])
_COMPONENTS: Final = 16
_LONG = 4  # bytes of tag and length, where the length takes two

_BYTE = ((rb"\x02\x01(?=[\0-\x7f])", 3), (rb"\x02\x02\0(?=[\x80-\xff])", 4))  # before the byte that counts
_UINT16 = (
    (rb"\x02\x01[\0-\x7f]", 3),
    (rb"\x02\x02(?:\0[\x80-\xff]|[\x01-\x7f].)", 4),
    (rb"\x02\x03\0[\x80-\xff].", 5),
)


def _pair(*numbers: int, value: bytes, size: int) -> bytes:
    """The pattern of ``SEQUENCE { identifier of SGX and numbers, value }``; ``value`` has ``size`` bytes."""
    oid = _SGX + bytes(numbers)
    head = bytes((SEQUENCE, 2 + len(oid) + size, 0x06, len(oid))) + oid
    return re.escape(head) + value


def _octets(part: int, size: int) -> bytes:
    return _pair(part, value=b"\x04" + re.escape(bytes((size,))) + b"(.{%d})" % size, size=2 + size)


def _component(part: int) -> bytes:
    return b"(?:%b)(.)" % b"|".join(_pair(2, part, value=value, size=size) for value, size in _BYTE)


_TCB = (
    rb"\x30\x82(..)\x06\x0a" + re.escape(_SGX + b"\2") + rb"(\x30\x82(..)"
    + b"".join(_component(part + 1) for part in range(_COMPONENTS))
    + b"(%b)" % b"|".join(_pair(2, 17, value=value, size=size) for value, size in _UINT16)
    + _pair(2, 18, value=rb"\x04\x10.{16}", size=18)
    + b")"
)  # fmt: skip
_FLAGS = b"".join(_pair(7, part, value=rb"\x01\x01([\0\xff])", size=3) for part in (1, 2, 3))
_LAYOUT = re.compile(
    rb"\x30\x82(..)" + _octets(1, 16) + _TCB + _octets(3, 2) + _octets(4, 6)
    + _pair(5, value=rb"\x0a\x01(.)", size=3)
    + b"(?:%b)?" % _octets(6, 16)
    + b"(?:%b)?" % _pair(7, value=rb"\x30\x36" + _FLAGS, size=56)
    + b"(.*)",
    re.DOTALL,
)  # fmt: skip
_PCESVN = len(_SGX) + 8  # bytes before the number: heads of the pair and of its identifier, that, head of the INTEGER


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
        """Read the extension of a PCK certificate. Parts that the profile doesn't know may follow.

        Raises :class:`DecodeError`.
        """
        value = certificate.extensions.get(_SGX)
        if value is None:
            raise DecodeError(certificate.name, "no SGX extension")
        found = _LAYOUT.fullmatch(value)
        if found is None:
            raise DecodeError(certificate.name, "SGX extension is not of Intel's profile")
        (
            length,
            ppid,
            tcb_length,
            tcb,
            levels_length,
            *components,
            pcesvn,
            pceid,
            fmspc,
            kind,
            piid,
            one,
            two,
            three,
            more,
        ) = found.groups()
        tcb_size = len(tcb)
        sizes = (len(value) - _LONG, len(_SGX) + 3 + tcb_size, tcb_size - _LONG)
        if (length, tcb_length, levels_length) != tuple([size.to_bytes(2, "big") for size in sizes]):
            raise DecodeError(certificate.name, "SGX extension: a length that isn't its content's")
        if more:
            _check_more(Element(value, certificate.name, SEQUENCE, 0, len(value) - len(more), len(value)))
        return cls(
            ppid,
            b"".join(components),
            int.from_bytes(pcesvn[_PCESVN:], "big"),
            pceid,
            fmspc,
            kind[0],
            piid or b"",
            None if one is None else Configuration(one == b"\xff", two == b"\xff", three == b"\xff"),
        )


def _check_more(rest: Element) -> None:
    """What follows the profile's parts has their form and is none of them."""
    for tag, content in rest.contents():
        if tag != SEQUENCE or not content.startswith(b"\x06") or content[: len(_KNOWN[0])] in _KNOWN:
            raise rest.fail("SGX extension: not a part that the profile leaves room for")
