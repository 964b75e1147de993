"""The guides, beside their code, which tests.test_docs runs: they have the same parts, and name errors that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from privproc import errors, ohttp

PAGES = sorted((Path(__file__).resolve().parent.parent / "docs" / "guides").glob("*.md"))
LAYERS = [page for page in PAGES if page.stem != "appraisal"]


def rows(text: str) -> list[list[str]]:
    """The cells of the table of errors."""
    section = text.partition("\n## What goes wrong\n")[2].partition("\n## ")[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line[:1] == "|"]


@pytest.mark.parametrize("page", LAYERS, ids=lambda page: page.stem)
def test_what_a_guide_has(page: Path) -> None:
    text = page.read_text()
    assert re.findall(r"^## (What .*)$", text, re.MULTILINE) == ["What goes wrong", "What it doesn't do"]
    assert "figures/guide-" in text.partition("```python")[0]
    head, _, *found = rows(text)
    assert head[-1] == "error"
    for row in found:
        names = re.findall(r"`([A-Z]\w*Error)`", row[-1])
        assert names or "what the copies" in row[-1], row
        for name in names:
            assert issubclass(getattr(errors, name, None) or getattr(ohttp, name), errors.PrivprocError)
