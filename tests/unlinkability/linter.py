"""Holds every leaf of a device's messages to the list in docs/uniformity.md."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from tests.unlinkability.dissect import Leaf, Value
from tests.unlinkability.game import VIEWS
from tests.world.mirrors import NAMES as MIRRORS
from tests.world.mirrors import PATH
from tests.world.relay import ROUTE
from tests.world.world import World

PAGE = Path(__file__).resolve().parent.parent.parent / "docs" / "uniformity.md"
KINDS = ("same", "directory", "asked", "fresh", "route", "class")
ROUTES = {
    *(f"GET https://{name}{PATH}" for name in MIRRORS),
    f"POST https://{ROUTE.authority}{ROUTE.path}\ncontent-type: message/ohttp-req",
}

MESSAGES = {
    "relay → cdn": "to a mirror",
    "device → issuer": "to the issuer",
    "device → relay: head": "to the relay",
    "relay → gateway": "request",
}


@dataclass(frozen=True)
class Rule:
    message: str
    pattern: str
    kind: str


def rules(page: str) -> list[Rule]:
    rows = re.findall(r"^\| ([a-z ]+) \| `(\S+)` \| ([a-z]+) \|$", page, re.MULTILINE)
    found = [Rule(message, pattern, kind) for message, pattern, kind in rows]
    assert {rule.kind for rule in found} == set(KINDS)
    return found


def messages(world: World) -> Iterator[tuple[str, list[Leaf]]]:
    """All that devices sent, as the page names it."""
    for boundary, data in list(world.wire.crossings):
        if boundary not in MESSAGES:
            continue
        leaves = list(VIEWS[boundary][1](world, data))
        name = MESSAGES[boundary]
        if name == "request":
            name = "first request" if ("path", "/privproc/1/open") in leaves else "later request"
        yield name, leaves


@dataclass
class Linter:
    """Remembers values over all runs that it is shown."""

    rules: list[Rule]
    seen: dict[tuple[object, ...], Value] = field(default_factory=dict)
    fresh: set[bytes] = field(default_factory=set)
    used: set[Rule] = field(default_factory=set)

    def lint(self, world: World, *, role: str, sizes: list[int]) -> Iterator[str]:
        """What is wrong with the messages of a run. ``sizes``: size class of each later request, in order."""
        classes = iter(sizes)
        for message, leaves in messages(world):
            scopes = {
                "same": (),
                "directory": (id(world),),
                "asked": (id(world), role),
                "class": (next(classes) if message == "later request" else 0,),
            }
            for path, value in leaves:
                if (fault := self._leaf(message, path, value, scopes)) is not None:
                    yield f"{message}: {path} {fault}"

    def _leaf(self, message: str, path: str, value: Value, scopes: dict[str, tuple[object, ...]]) -> str | None:
        rule = next((rule for rule in self.rules if self._fits(rule, message, path)), None)
        if rule is None:
            return "is not listed"
        self.used.add(rule)
        if rule.kind == "fresh":
            return self._fresh(message, path, value)
        if rule.kind == "route":
            return None if value in ROUTES else "is another request than all devices make"
        expected = self.seen.setdefault((message, path, rule.kind, *scopes[rule.kind]), value)
        return None if value == expected else f"differs where it has to be {rule.kind}"

    def _fresh(self, message: str, path: str, value: Value) -> str | None:
        if not isinstance(value, bytes) or len(value) < 16:
            return "is too short to be fresh"
        if len(value) != self.seen.setdefault((message, path, "length"), len(value)) and ".record[" not in path:
            return "is fresh, but not of one length"
        if value in self.fresh:
            return "comes twice"
        self.fresh.add(value)
        return None

    @staticmethod
    def _fits(rule: Rule, message: str, path: str) -> bool:
        pattern = rule.pattern if "[[]" in rule.pattern else rule.pattern.replace("[", "[[]")
        return rule.message == message and fnmatchcase(path, pattern)
