"""What Intel says about security versions: TCB info and the identity of the quoting enclave, signed JSON.

Intel SGX and TDX Provisioning Certification Service, API version 4: "TCB Info V3", "Enclave Identity V2". The signature
is over the exact bytes of the inner object, so it is verified over what was received and the JSON is read after that.
Members that aren't used are passed over: Intel adds some. Which level counts is decided as in Intel's Quote
Verification Library: the first in the signed order whose every component is reached.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from operator import ge
from typing import Self

from privproc import strictjson
from privproc.attestation.tdx.pck import Platform
from privproc.errors import DecodeError, PolicyError, UnsupportedError, UntrustedError

__all__ = ["MAX_JSON", "Level", "ModuleIdentity", "QeIdentity", "TcbInfo", "TcbStatus"]

MAX_JSON = 1 << 18
"""Bytes of the longest object that is read; those known have up to 6000."""

_MAX_ITEMS = 256
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)
_COMPONENTS = 16
_MODULE_APART = b"\xff\xff"  # as high as any


class TcbStatus(Enum):
    """Intel's judgement of a TCB level, in its spelling."""

    UP_TO_DATE = "UpToDate"
    SW_HARDENING_NEEDED = "SWHardeningNeeded"
    CONFIGURATION_NEEDED = "ConfigurationNeeded"
    CONFIGURATION_AND_SW_HARDENING_NEEDED = "ConfigurationAndSWHardeningNeeded"
    OUT_OF_DATE = "OutOfDate"
    OUT_OF_DATE_CONFIGURATION_NEEDED = "OutOfDateConfigurationNeeded"
    REVOKED = "Revoked"


@dataclass(frozen=True, slots=True)
class Level:
    """One TCB level: its ``status``, the Unix time ``date`` of the TCB, and the ids of the ``advisories`` about it.

    ``least``: the security versions that it takes, one byte or integer each, in the order of its kind.
    """

    least: tuple[int, ...]
    status: TcbStatus
    date: int
    advisories: tuple[str, ...]

    def reached(self, versions: tuple[int, ...]) -> bool:
        """Whether each of ``versions`` is at least this level's."""
        return all(map(ge, versions, self.least))


@dataclass(frozen=True, slots=True)
class ModuleIdentity:
    """The TDX module: who signed it (48 bytes), its attributes under a mask (8 bytes each), levels of its version."""

    mrsigner: bytes
    attributes: bytes
    mask: bytes
    levels: tuple[Level, ...]

    def level(self, isvsvn: int) -> Level:
        """The level of a module's minor version. Raises :class:`PolicyError` when none fits."""
        return _first(self.levels, (isvsvn,), "TDX module")


@dataclass(frozen=True, slots=True)
class TcbInfo:
    """TCB info for TDX: levels of a family of platforms (``fmspc``, 6 bytes; ``pceid``, 2 bytes) and of the module.

    ``evaluation`` numbers Intel's evaluations. Good while ``not_before <= at < not_after``. ``modules``: by major
    version; 0 is the module of TDX 1.0, which has no levels of its own.
    """

    fmspc: bytes
    pceid: bytes
    evaluation: int
    not_before: int
    not_after: int
    modules: dict[int, ModuleIdentity]
    levels: tuple[Level, ...]

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read the inner object. Raises :class:`DecodeError`, or :class:`UnsupportedError` for another kind of it."""
        body = _Object.decode(data, "TCB info")
        if (body.get("id"), body.get("version"), body.get("tcbType")) != ("TDX", 3, 0):
            raise UnsupportedError("TCB info: not version 3 of type 0 for TDX")
        modules = {0: _module(body.object("tdxModule"), ())}
        for item in body.objects("tdxModuleIdentities", default=True):
            major = _major(item)
            if major in modules:
                raise item.fail("id", "comes twice")
            modules[major] = _module(item, item.levels(_isvsvn))
        return cls(
            fmspc=body.hex("fmspc", 6),
            pceid=body.hex("pceId", 2),
            evaluation=body.integer("tcbEvaluationDataNumber"),
            not_before=body.time("issueDate"),
            not_after=body.time("nextUpdate"),
            modules=modules,
            levels=body.levels(_platform_versions),
        )

    def module(self, svn: bytes) -> ModuleIdentity:
        """The identity of the module that states ``svn`` (TEE_TCB_SVN). Raises :class:`UntrustedError` if unknown."""
        identity = self.modules.get(svn[1])
        if identity is None:
            raise UntrustedError("TDX module: Intel names none of this major version")
        return identity

    def level(self, platform: Platform, svn: bytes) -> Level:
        """The level of a platform with ``svn`` (TEE_TCB_SVN). Raises :class:`PolicyError` when none fits.

        Since TDX 1.5 the first two components are the module's own version, which :meth:`module` judges instead.
        """
        judged = _MODULE_APART + svn[2:] if svn[1] else svn
        return _first(self.levels, (*platform.components, platform.pcesvn, *judged), "platform")


@dataclass(frozen=True, slots=True)
class QeIdentity:
    """Which enclave may sign quotes of TDX domains: a masked comparison of its report, and levels of its version."""

    miscselect: bytes
    miscselect_mask: bytes
    attributes: bytes
    attributes_mask: bytes
    mrsigner: bytes
    isvprodid: int
    evaluation: int
    not_before: int
    not_after: int
    levels: tuple[Level, ...]

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read the inner object. Raises :class:`DecodeError`, or :class:`UnsupportedError` for another kind of it."""
        body = _Object.decode(data, "QE identity")
        if (body.get("id"), body.get("version")) != ("TD_QE", 2):
            raise UnsupportedError("QE identity: not version 2 for TDX")
        return cls(
            miscselect=body.hex("miscselect", 4),
            miscselect_mask=body.hex("miscselectMask", 4),
            attributes=body.hex("attributes", 16),
            attributes_mask=body.hex("attributesMask", 16),
            mrsigner=body.hex("mrsigner", 32),
            isvprodid=body.integer("isvprodid"),
            evaluation=body.integer("tcbEvaluationDataNumber"),
            not_before=body.time("issueDate"),
            not_after=body.time("nextUpdate"),
            levels=body.levels(_isvsvn),
        )

    def level(self, isvsvn: int) -> Level:
        """The level of an enclave's version. Raises :class:`PolicyError` when none fits."""
        return _first(self.levels, (isvsvn,), "quoting enclave")


def _first(levels: tuple[Level, ...], versions: tuple[int, ...], what: str) -> Level:
    for level in levels:
        if level.reached(versions):
            return level
    raise PolicyError(f"{what}: its versions reach no TCB level")


@dataclass(frozen=True, slots=True)
class _Object:
    """A JSON object, read by the type that a member must have."""

    what: str
    members: dict[str, object]

    @classmethod
    def decode(cls, data: bytes, what: str) -> _Object:
        if len(data) > MAX_JSON:
            raise DecodeError(what, f"over {MAX_JSON} bytes")
        return cls(what, strictjson.decode_object(data, what))

    def fail(self, name: str, why: str) -> DecodeError:
        return DecodeError(self.what, f"{name} {why}")

    def get(self, name: str) -> object:
        return self.members.get(name)

    def text(self, name: str) -> str:
        value = self.get(name)
        if not isinstance(value, str):
            raise self.fail(name, "is not a string")
        return value

    def hex(self, name: str, size: int) -> bytes:
        text = self.text(name)
        try:
            value = bytes.fromhex(text)
        except ValueError:
            raise self.fail(name, "is not hexadecimal") from None
        if len(value) != size or len(text) != 2 * size:  # bytes.fromhex passes over white space
            raise self.fail(name, f"is not {size} bytes in hexadecimal")
        return value

    def integer(self, name: str, most: int = 0xFFFF) -> int:
        value = self.get(name)
        if type(value) is not int or not 0 <= value <= most:  # True is an int too
            raise self.fail(name, f"is not an integer up to {most}")
        return value

    def time(self, name: str) -> int:
        text = self.text(name)
        try:
            if _TIME.fullmatch(text):
                return int(datetime.fromisoformat(text).timestamp())
        except ValueError:  # no such day
            pass
        raise self.fail(name, "is not a time")

    def object(self, name: str) -> _Object:
        value = self.get(name)
        if not isinstance(value, dict):
            raise self.fail(name, "is not an object")
        return _Object(self.what, value)

    def objects(self, name: str, *, default: bool = False) -> list[_Object]:
        values = self.members.get(name, [] if default else None)
        if not isinstance(values, list) or len(values) > _MAX_ITEMS or not all(isinstance(v, dict) for v in values):
            raise self.fail(name, f"is not an array of up to {_MAX_ITEMS} objects")
        return [_Object(self.what, value) for value in values]

    def texts(self, name: str) -> tuple[str, ...]:
        values = self.members.get(name, [])
        if not isinstance(values, list) or len(values) > _MAX_ITEMS or not all(isinstance(v, str) for v in values):
            raise self.fail(name, f"is not an array of up to {_MAX_ITEMS} strings")
        return tuple(values)

    def components(self, name: str) -> bytes:
        values = self.get(name)
        if not isinstance(values, list) or len(values) != _COMPONENTS or not all(isinstance(v, dict) for v in values):
            raise self.fail(name, f"are not {_COMPONENTS} objects")
        found = [value.get("svn") for value in values]
        try:
            if set(map(type, found)) == {int}:  # True is an int too
                return bytes(found)
        except ValueError:  # not of one byte
            pass
        raise self.fail(name, "are not security versions of one byte")

    def levels(self, least: Callable[[_Object], tuple[int, ...]]) -> tuple[Level, ...]:
        return tuple(
            Level(least(item.object("tcb")), item.status(), item.time("tcbDate"), item.texts("advisoryIDs"))
            for item in self.objects("tcbLevels")
        )

    def status(self) -> TcbStatus:
        try:
            return TcbStatus(self.text("tcbStatus"))
        except ValueError:
            raise UnsupportedError(f"{self.what}: unknown TCB status") from None


def _isvsvn(tcb: _Object) -> tuple[int, ...]:
    return (tcb.integer("isvsvn"),)


def _platform_versions(tcb: _Object) -> tuple[int, ...]:
    """16 SGX components, PCESVN, 16 TDX components."""
    return (*tcb.components("sgxtcbcomponents"), tcb.integer("pcesvn"), *tcb.components("tdxtcbcomponents"))


def _major(identity: _Object) -> int:
    """The major version in ``"TDX_xx"``, two hexadecimal digits of either case."""
    text = identity.text("id")
    if not re.fullmatch("TDX_[0-9A-Fa-f]{2}", text):
        raise identity.fail("id", "is not that of a module")
    return int(text[4:], 16)


def _module(item: _Object, levels: tuple[Level, ...]) -> ModuleIdentity:
    return ModuleIdentity(item.hex("mrsigner", 48), item.hex("attributes", 8), item.hex("attributesMask", 8), levels)
