"""What specifications demand, and where that is cited: docs/requirements.md against comments in code and tests.

The page has a table for each specification, and a list of what others have to do. A citation is a comment of its own,
``# req: SPECIFICATION/SECTION NAME``, right above the code or the test that it is about. ``python -m
tests.requirements`` prints each requirement with its places, and the summary of docs/conformance.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import privproc

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = Path(privproc.__file__).resolve().parent  # an installed wheel's, where the tree has none
TABLE = ROOT / "docs" / "requirements.md"
SPECIFICATIONS = {
    "rfc9458": "RFC 9458 Oblivious HTTP",
    "rfc9292": "RFC 9292 Binary HTTP",
    "rfc9577": "RFC 9577 PrivateToken",
    "rfc9578": "RFC 9578 issuance",
    "chunked08": "draft-ietf-ohai-chunked-ohttp-08",
    "rfc9474": "RFC 9474 blind RSA",
    "rfc9497": "RFC 9497 OPRF",
    "rfc9711": "RFC 9711 EAT",
    "privproc1": "privproc/1",
}

LEVELS = ("MUST", "SHOULD", "MAY", "plain")

ROW = re.compile(r"^\| `([^`]+)` \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)
NOT_OURS = re.compile(r"^- `([a-z0-9]+)/([0-9.]+)` ([A-Za-z]+): (.+)$", re.MULTILINE)
ID = re.compile(r"[a-z0-9]+/[0-9]+(?:\.[0-9]+)* [a-z0-9]+(?:-[a-z0-9]+)*")
CITATION = re.compile(r"#\s*req\b(.*)$")


@dataclass
class Found:
    """Where requirements are cited: places ``file:line`` by requirement; ``malformed`` citations by place."""

    code: dict[str, list[str]] = field(default_factory=dict)
    tests: dict[str, list[str]] = field(default_factory=dict)
    malformed: dict[str, str] = field(default_factory=dict)


class Requirement(NamedTuple):
    """A row of the tables."""

    name: str
    level: str
    words: str


def listed(text: str) -> list[Requirement]:
    """Requirements of the tables, in their order."""
    return [Requirement(*row) for row in ROW.findall(text)]


def is_test(path: Path) -> bool:
    """Runners of vectors are tests that come with the package."""
    return path.parts[0] == "tests" or path.parts[:2] == ("privproc", "vectors")


def citations(sources: Iterable[tuple[Path, str]]) -> Found:
    """What sources, by their path from the root, cite."""
    found = Found()
    for path, text in sources:
        places = found.tests if is_test(path) else found.code
        for number, line in enumerate(text.splitlines(), 1):
            if (match := CITATION.search(line)) is None:
                continue
            place, name = f"{path.as_posix()}:{number}", match[1].removeprefix(": ")
            if line.strip() == f"# req: {name}" and ID.fullmatch(name):
                places.setdefault(name, []).append(place)
            else:
                found.malformed[place] = line.strip()
    return found


def tree() -> Iterable[tuple[Path, str]]:
    """The sources of package and tests, but for these two modules, which speak of citations."""
    for folder in (PACKAGE, ROOT / "tests"):
        for path in sorted(folder.rglob("*.py")):
            name = path.relative_to(folder.parent)
            if name.name not in {"requirements.py", "test_requirements.py"}:
                yield name, path.read_text()


def faults(table: str, found: Found) -> list[str]:
    """What doesn't fit between table and citations."""
    names = [row.name for row in listed(table)]
    wrong = [f"{name}: listed twice" for name in sorted({name for name in names if names.count(name) > 1})]
    for name, level, _ in listed(table):
        if level not in LEVELS:
            wrong.append(f"{name}: no level is called {level}")
        if not ID.fullmatch(name) or name.partition("/")[0] not in SPECIFICATIONS:
            wrong.append(f"{name}: not of the syntax, or of a specification that isn't known")
        wrong += [
            f"{name}: no {what}" for what, cited in (("code", found.code), ("test", found.tests)) if name not in cited
        ]
    for cited in (found.code, found.tests):
        wrong += [f"{name}: cited at {', '.join(cited[name])}, not listed" for name in sorted(set(cited) - set(names))]
    return wrong + [f"{place}: malformed: {line}" for place, line in found.malformed.items()]


def summary(table: str, found: Found) -> str:
    """The table of docs/conformance.md."""
    lines = [
        "| specification | requirements | MUST | SHOULD | places in the code | places in tests | others' |",
        "|---|---|---|---|---|---|---|",
    ]
    others = [specification for specification, *_ in NOT_OURS.findall(table)]
    for short, title in SPECIFICATIONS.items():
        own = [row for row in listed(table) if row.name.startswith(f"{short}/")]
        names, levels = [row.name for row in own], [row.level for row in own]
        counts = (len(own), levels.count("MUST"), levels.count("SHOULD"), count(found.code, names))
        counts += (count(found.tests, names), others.count(short))
        lines.append(f"| {title} | {' | '.join(map(str, counts))} |")
    return "\n".join(lines)


def count(cited: Mapping[str, list[str]], names: Iterable[str]) -> int:
    return sum(len(cited.get(name, ())) for name in names)


def main() -> None:
    table, found = TABLE.read_text(), citations(tree())
    for name, level, words in listed(table):
        print(f"{name} ({level}): {words}")
        print("".join(f"    {place}\n" for place in found.code.get(name, []) + found.tests.get(name, [])), end="")
    print(*faults(table, found), summary(table, found), sep="\n")


if __name__ == "__main__":
    main()
