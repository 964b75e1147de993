"""What Intel says about SGX: levels of platforms, and the quoting enclave of SGX."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from privproc.attestation.dcap import tcb as dcap
from privproc.attestation.dcap.jsonobject import JsonObject
from privproc.attestation.dcap.pck import Platform
from privproc.attestation.dcap.tcb import Level, first

__all__ = ["QeIdentity", "TcbInfo"]


@dataclass(frozen=True, slots=True)
class TcbInfo(dcap.TcbInfo):
    """TCB info for SGX: levels of a family of platforms."""

    _id: ClassVar[str] = "SGX"

    @staticmethod
    def _versions(tcb: JsonObject) -> tuple[int, ...]:
        """16 SGX components, PCESVN."""
        return (*tcb.components("sgxtcbcomponents"), tcb.integer("pcesvn"))

    def level(self, platform: Platform) -> Level:
        """The level of a platform. Raises :class:`PolicyError` when none fits."""
        return first(self.levels, (*platform.components, platform.pcesvn), "platform")


class QeIdentity(dcap.QeIdentity):
    """The identity of the quoting enclave of SGX enclaves."""

    __slots__ = ()
    _id: ClassVar[str] = "QE"
    _signs: ClassVar[str] = "SGX"
