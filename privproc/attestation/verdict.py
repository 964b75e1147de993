"""The verdict of a report: plain values that anybody can make. What releases a channel is of other types."""

from __future__ import annotations

from dataclasses import dataclass, field

from privproc.attestation.expectation import Level

__all__ = ["Accepted", "Refused", "Verdict"]


@dataclass(frozen=True, slots=True)
class Accepted:
    """All of ``checks`` were passed, at ``level``; fields as in :class:`~privproc.attestation.verified.Findings`."""

    level: Level
    checks: tuple[str, ...]
    measurement: bytes
    report_data: bytes = field(repr=False)
    not_before: int
    not_after: int


@dataclass(frozen=True, slots=True)
class Refused:
    """``check`` refused, with an exception of the class ``error`` and the message ``reason``.

    Checks come in a fixed order and the first that fails ends it: those after it are open.
    """

    check: str
    error: str
    reason: str


Verdict = Accepted | Refused
