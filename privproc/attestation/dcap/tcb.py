"""What Intel says about security versions: TCB info and the identity of a quoting enclave, signed JSON.

Intel SGX and TDX Provisioning Certification Service, API version 4: "TCB Info V3", "Enclave Identity V2". The signature
is over the exact bytes of the inner object, so it is verified over what was received and the JSON is read after that.
Members that aren't used are passed over: Intel adds some. Which level counts is decided as in Intel's Quote
Verification Library: the first in the signed order whose every component is reached.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from operator import ge
from typing import Any, ClassVar, Self

from privproc.attestation.dcap.jsonobject import JsonObject
from privproc.errors import PolicyError, UnsupportedError

__all__ = ["Level", "QeIdentity", "TcbInfo", "TcbStatus", "first", "isvsvn", "read_levels"]


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
class TcbInfo(ABC):
    """TCB info: of a family of platforms (``fmspc``, 6 bytes; ``pceid``, 2 bytes). TDX and SGX have one each.

    ``evaluation`` numbers Intel's evaluations. Good while ``not_before <= at < not_after``.
    """

    fmspc: bytes
    pceid: bytes
    evaluation: int
    not_before: int
    not_after: int
    levels: tuple[Level, ...]
    _id: ClassVar[str]

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read the inner object. Raises :class:`DecodeError`, or :class:`UnsupportedError` for another kind of it."""
        body = JsonObject.decode(data, "TCB info")
        if (body.get("id"), body.get("version"), body.get("tcbType")) != (cls._id, 3, 0):
            raise UnsupportedError(f"TCB info: not version 3 of type 0 for {cls._id}")
        return cls(
            fmspc=body.hex("fmspc", 6),
            pceid=body.hex("pceId", 2),
            evaluation=body.integer("tcbEvaluationDataNumber"),
            not_before=body.time("issueDate"),
            not_after=body.time("nextUpdate"),
            levels=read_levels(body, cls._versions),
            **cls._more(body),
        )

    @staticmethod
    @abstractmethod
    def _versions(tcb: JsonObject) -> tuple[int, ...]:
        """The security versions of a level."""

    @staticmethod
    def _more(body: JsonObject) -> dict[str, Any]:  # noqa: ARG004 - TDX's has more
        """The parts that only one kind has."""
        return {}


@dataclass(frozen=True, slots=True)
class QeIdentity:
    """Which enclave may sign quotes: a masked comparison of its report, and levels of its version."""

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
    _id: ClassVar[str]
    _signs: ClassVar[str]

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read the inner object. Raises :class:`DecodeError`, or :class:`UnsupportedError` for another kind of it."""
        body = JsonObject.decode(data, "QE identity")
        if (body.get("id"), body.get("version")) != (cls._id, 2):
            raise UnsupportedError(f"QE identity: not version 2 for {cls._signs}")
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
            levels=read_levels(body, isvsvn),
        )

    def level(self, isvsvn: int) -> Level:
        """The level of an enclave's version. Raises :class:`PolicyError` when none fits."""
        return first(self.levels, (isvsvn,), "quoting enclave")


def first(levels: tuple[Level, ...], versions: tuple[int, ...], what: str) -> Level:
    """The level that ``versions`` of ``what`` have. Raises :class:`PolicyError` when none fits."""
    for level in levels:
        if level.reached(versions):
            return level
    raise PolicyError(f"{what}: its versions reach no TCB level")


def read_levels(body: JsonObject, least: Callable[[JsonObject], tuple[int, ...]]) -> tuple[Level, ...]:
    """The levels in ``body``; ``least`` reads the security versions of one. Raises :class:`DecodeError`, or
    :class:`UnsupportedError` for a status that isn't known.
    """
    return tuple(
        Level(least(item.object("tcb")), _status(item), item.time("tcbDate"), item.texts("advisoryIDs"))
        for item in body.objects("tcbLevels")
    )


def _status(item: JsonObject) -> TcbStatus:
    try:
        return TcbStatus(item.text("tcbStatus"))
    except ValueError:
        raise UnsupportedError(f"{item.what}: unknown TCB status") from None


def isvsvn(tcb: JsonObject) -> tuple[int, ...]:
    """An enclave's own security version, or a module's."""
    return (tcb.integer("isvsvn"),)
