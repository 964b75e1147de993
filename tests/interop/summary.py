"""One line for each peer at the end of a test run: what ran, what differs, what could not be had."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from tests.interop.peers import ABSENT, PEERS

__all__ = ["Outcome", "outcomes", "pytest_terminal_summary"]


@dataclass
class Outcome:
    """What the tests of one peer came to."""

    counts: Counter[str] = field(default_factory=Counter)
    skipped: str = ""

    def __str__(self) -> str:
        if self.skipped:
            return f"SKIPPED: {self.skipped}"
        parts = [f"{self.counts['passed']} passed"]
        if self.counts["xfailed"]:
            parts.append(f"{self.counts['xfailed']} known differences")
        if self.counts["failed"] or self.counts["error"]:
            parts.append(f"{self.counts['failed'] + self.counts['error']} FAILED")
        return ", ".join(parts)


def outcomes(reporter: pytest.TerminalReporter) -> dict[str, Outcome]:
    """By peer, in the order of :data:`PEERS`; empty if no interop test was selected."""
    found: dict[str, Outcome] = {}
    for peer, category, report in _reports(reporter):
        outcome = found.setdefault(peer, Outcome())
        outcome.counts[category] += 1
        if category == "skipped":
            outcome.skipped = report.longrepr[2].removeprefix("Skipped: ").partition("can't be had: ")[2]
    return {str(peer): found[str(peer)] for peer in PEERS if str(peer) in found}


def _reports(reporter: pytest.TerminalReporter) -> Iterator[tuple[str, str, pytest.TestReport]]:
    for category in ("passed", "skipped", "xfailed", "failed", "error"):
        for report in reporter.getreports(category):
            peer = dict(getattr(report, "user_properties", ())).get("peer")
            if peer is not None:
                yield peer, category, report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The lines. This hook has to be in the conftest of a folder that the command names, or of ``testpaths``."""
    found = outcomes(terminalreporter)
    for peer, outcome in found.items():
        terminalreporter.write_line(f"interop: {peer}: {outcome}")
    for name, _, reason in ABSENT if found else ():
        terminalreporter.write_line(f"interop: {name}: ABSENT: {reason}")
