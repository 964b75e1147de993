"""Values that claims of a token have: members of enumerations, and small structures."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

__all__ = ["Content", "DebugStatus", "IntendedUse", "Result", "Results", "Version"]


class DebugStatus(IntEnum):
    """How far debugging is shut off, each level including those below (RFC 9711 §4.2.9)."""

    ENABLED = 0
    DISABLED = 1
    DISABLED_SINCE_BOOT = 2
    DISABLED_PERMANENTLY = 3
    """For all but the manufacturer, the one that ``oemid`` names."""
    DISABLED_FULLY_AND_PERMANENTLY = 4


class Result(IntEnum):
    """How a measurement compared with its reference value (RFC 9711 §4.2.17)."""

    SUCCESS = 1
    FAIL = 2
    NOT_RUN = 3
    ABSENT = 4


class IntendedUse(IntEnum):
    """What a token is meant for (RFC 9711 §4.3.3)."""

    GENERIC = 1
    REGISTRATION = 2
    PROVISIONING = 3
    CSR = 4
    POP = 5


class Version(NamedTuple):
    """A version, and the scheme that it follows: a number or name of RFC 9393 §4.1, ``None`` where none is stated."""

    version: str
    scheme: int | str | None


class Content(NamedTuple):
    """A manifest or measurements: CoAP content format (uint16) and body, which is text in JSON, as it came."""

    content_format: int
    body: bytes | str


class Results(NamedTuple):
    """What one measurement system has found: each measurement's name, text or bytes, and its result."""

    system: str
    results: tuple[tuple[str | bytes, Result], ...]
