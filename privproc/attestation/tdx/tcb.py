"""What Intel says about TDX: levels of platforms, the TDX module's identity and levels, and TDX's quoting enclave."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, ClassVar

from privproc.attestation.dcap import tcb as dcap
from privproc.attestation.dcap.jsonobject import JsonObject
from privproc.attestation.dcap.pck import Platform
from privproc.attestation.dcap.tcb import Level, first, isvsvn, read_levels
from privproc.errors import UntrustedError

__all__ = ["ModuleIdentity", "QeIdentity", "TcbInfo"]

_MODULE_APART = b"\xff\xff"  # as high as any


@dataclass(frozen=True, slots=True)
class ModuleIdentity:
    """The TDX module: who signed it (48 bytes), its attributes under a mask (8 bytes each), levels of its version."""

    mrsigner: bytes
    attributes: bytes
    mask: bytes
    levels: tuple[Level, ...]

    def level(self, isvsvn: int) -> Level:
        """The level of a module's minor version. Raises :class:`PolicyError` when none fits."""
        return first(self.levels, (isvsvn,), "TDX module")


@dataclass(frozen=True, slots=True)
class TcbInfo(dcap.TcbInfo):
    """TCB info for TDX: levels of a family of platforms, and the TDX modules.

    ``modules``: by major version; 0 is the module of TDX 1.0, which has no levels of its own.
    """

    modules: dict[int, ModuleIdentity]
    _id: ClassVar[str] = "TDX"

    @staticmethod
    def _versions(tcb: JsonObject) -> tuple[int, ...]:
        """16 SGX components, PCESVN, 16 TDX components."""
        return (*tcb.components("sgxtcbcomponents"), tcb.integer("pcesvn"), *tcb.components("tdxtcbcomponents"))

    @staticmethod
    def _more(body: JsonObject) -> dict[str, Any]:
        modules = {0: _module(body.object("tdxModule"), ())}
        for item in body.objects("tdxModuleIdentities", default=True):
            major = _major(item)
            if major in modules:
                raise item.fail("id", "comes twice")
            modules[major] = _module(item, read_levels(item, isvsvn))
        return {"modules": modules}

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
        return first(self.levels, (*platform.components, platform.pcesvn, *judged), "platform")


class QeIdentity(dcap.QeIdentity):
    """The identity of the quoting enclave of TDX domains."""

    __slots__ = ()
    _id: ClassVar[str] = "TD_QE"
    _signs: ClassVar[str] = "TDX"


def _major(identity: JsonObject) -> int:
    """The major version in ``"TDX_xx"``, two hexadecimal digits of either case."""
    text = identity.text("id")
    if not re.fullmatch("TDX_[0-9A-Fa-f]{2}", text):
        raise identity.fail("id", "is not that of a module")
    return int(text[4:], 16)


def _module(item: JsonObject, levels: tuple[Level, ...]) -> ModuleIdentity:
    return ModuleIdentity(item.hex("mrsigner", 48), item.hex("attributes", 8), item.hex("attributesMask", 8), levels)
