"""Holds every leaf of a device's messages to the list in docs/uniformity.md."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from tests.unlinkability.dissect import Leaf, Value
from tests.unlinkability.views import WRAPPED, leaves
from tests.world.mirrors import NAMES as MIRRORS
from tests.world.mirrors import PATH, ROSTER
from tests.world.relay import ROUTE
from tests.world.world import World

PAGE = Path(__file__).resolve().parent.parent.parent / "docs" / "uniformity.md"
KINDS = ("same", "directory", "asked", "fresh", "route", "class", "drawn")
ROUTES = {
    *(f"GET https://{name}{path}" for name in MIRRORS for path in (PATH, ROSTER)),
    f"POST https://{ROUTE.authority}{ROUTE.path}\ncontent-type: message/ohttp-req",
    f"POST https://{ROUTE.authority}{ROUTE.path}\ncontent-type: message/ohttp-chunked-req\nincremental: ?1",
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


SIZED = (".body",)
"""Values whose length is a leaf of its own."""

QUESTIONS = {"later request", "streamed request", "later piece of a pipe", "wrapped request"}
"""Messages with a question in them, whose size has a class."""


def messages(world: World) -> Iterator[tuple[str, tuple[Leaf, ...]]]:
    """All that devices sent, as the page names it."""
    for boundary, found in leaves(world):
        if boundary in MESSAGES:
            yield (named(dict(found)) if boundary == "relay → gateway" else MESSAGES[boundary]), found


def named(found: dict[str, Value]) -> str:
    """What kind of request, or of piece of one, this is."""
    chunked = "ohttp.chunk[0].size" in found
    match found.get("path"):
        case None:
            return "later piece of a pipe"
        case "/privproc/1/open":
            return "first piece of a pipe" if chunked else "first request"
        case path if path == WRAPPED:
            return "wrapped request"
        case _:
            return "streamed request" if chunked else "later request"


@dataclass
class Linter:
    """Remembers values over all runs that it is shown."""

    rules: list[Rule]
    seen: dict[tuple[object, ...], Value] = field(default_factory=dict)
    fresh: set[bytes] = field(default_factory=set)
    used: set[Rule] = field(default_factory=set)
    _roster: Collection[bytes] = ()

    def lint(
        self, world: World, *, role: str, sizes: Sequence[tuple[int, ...]], roster: Collection[bytes] = ()
    ) -> Iterator[str]:
        """What is wrong with the messages of a run. ``sizes``: for each message with a question, in order, its size
        class, after those of the session's before it. ``roster``: digests of the nodes that mirrors serve.
        """
        classes = iter(sizes)
        self._roster = roster
        for message, found in messages(world):
            scopes: dict[str, tuple[object, ...]] = {
                "same": (),
                "directory": (world,),
                "asked": (world, role),
                "class": next(classes) if message in QUESTIONS else (),
            }
            paths = " ".join(path for path, _ in found)
            if self.seen.setdefault((message, "fields", *scopes["class"]), paths) != paths:
                yield f"{message}: has other fields than that of other devices"
            for path, value in found:
                if (fault := self._leaf(message, path, value, scopes)) is not None:
                    yield f"{message}: {path} {fault}"

    def _leaf(self, message: str, path: str, value: Value, scopes: dict[str, tuple[object, ...]]) -> str | None:
        rule = next((rule for rule in self.rules if self._fits(rule, message, path)), None)
        if rule is None:
            return "is not listed"
        self.used.add(rule)
        if rule.kind == "fresh":
            return self._fresh(message, path, value)
        if rule.kind == "drawn":
            return None if value in self._roster else "is none of the nodes that mirrors serve"
        if rule.kind == "route":
            return None if value in ROUTES else "is another request than all devices make"
        expected = self.seen.setdefault((message, path, rule.kind, *scopes[rule.kind]), value)
        return None if value == expected else f"differs where it has to be {rule.kind}"

    def _fresh(self, message: str, path: str, value: Value) -> str | None:
        if not isinstance(value, bytes) or len(value) < 16:
            return "is too short to be fresh"
        if len(value) != self.seen.setdefault((message, path, "length"), len(value)) and not path.endswith(SIZED):
            return "is fresh, but not of one length"
        if value in self.fresh:
            return "comes twice"
        self.fresh.add(value)
        return None

    @staticmethod
    def _fits(rule: Rule, message: str, path: str) -> bool:
        pattern = rule.pattern if "[[]" in rule.pattern else rule.pattern.replace("[", "[[]")
        return rule.message == message and fnmatchcase(path, pattern)
