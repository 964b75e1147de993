"""The table in the README: its numbers are counted."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TEXT = (ROOT / "README.md").read_text()
VECTORS = [json.loads(path.read_text()) for path in sorted((ROOT / "vectors").glob("*.json"))]
FAULTS = list((ROOT / "vectors" / "faults").glob("*.json"))


def table() -> list[tuple[str, int]]:
    """Specifications and number of each row."""
    section = TEXT.partition("\n## What is implemented\n")[2].partition("\n## ")[0]
    found = re.findall(r"^\| ([^|]+) \| [^|]+ \| ([0-9]+) \|$", section, re.MULTILINE)
    assert len(found) == len(re.findall(r"^\| (?!specification)", section, re.MULTILINE))
    return [(names, int(count)) for names, count in found]


def row_of(specification: str, rows: list[str]) -> str:
    """The row that a file of vectors counts in: that of the first specification that the file names."""
    first = re.sub(
        r"-\d\d$", "", specification.split(",", maxsplit=1)[0]
    )  # a draft's vectors may be of the version before
    found = [row for row in rows for name in row.split(", ") if first.startswith(re.sub(r"-\d\d$", "", name))]
    assert len(found) == 1, f"{specification} is in {len(found)} rows"
    return found[0]


def test_every_vector_is_counted_once() -> None:
    rows = table()
    names = [name for name, _ in rows]
    counted = Counter(dict.fromkeys(names, 0))
    for data in VECTORS:
        counted[row_of(data["specification"], names)] += len(data["cases"])
    assert dict(rows) == dict(counted)
    assert all(counted.values())
    assert f"\n{sum(counted.values())} vectors in all, and {len(FAULTS)} files with one known fault each." in TEXT


def test_what_the_conformance_page_has_is_named() -> None:
    page = (ROOT / "docs" / "conformance.md").read_text()
    for row, _ in table():
        for name in row.split(", "):
            assert name in page or not name.startswith(("RFC", "draft-", "privproc", "C2SP")), name
