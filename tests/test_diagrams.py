"""The figures of the guides are those of the present code."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

import pytest

from tests import diagrams
from tests.diagrams import Arrow, Deed, sequence

GUIDES = diagrams.FIGURES.parent / "guides"


@pytest.mark.parametrize("name", diagrams.DRAWN)
def test_a_figure_is_what_a_run_gives(name: str) -> None:
    """Else: python -m tests.diagrams."""
    assert (diagrams.FIGURES / name).read_text(encoding="utf-8") == diagrams.DRAWN[name]()


@pytest.mark.parametrize("name", diagrams.DRAWN)
def test_a_figure_stays_within_its_edges(name: str) -> None:
    root = ET.fromstring((diagrams.FIGURES / name).read_text(encoding="utf-8"))  # noqa: S314 - our own
    _, _, width, height = map(float, root.attrib["viewBox"].split())
    for rect in root.iter("{http://www.w3.org/2000/svg}rect"):
        assert float(rect.get("x", "0")) >= 0
        assert float(rect.get("x", "0")) + float(rect.attrib["width"]) <= width
        assert float(rect.get("y", "0")) + float(rect.attrib["height"]) <= height


def test_every_guide_has_its_figure() -> None:
    shown = {
        name for page in GUIDES.glob("*.md") for name in re.findall(r"figures/(guide-[a-z-]+\.svg)", page.read_text())
    }
    assert shown == set(diagrams.DRAWN)


def test_texts_are_escaped_and_sizes_of_nothing_left_out() -> None:
    drawn = sequence(("a", "b"), [Arrow("a", "b", "x < y"), Arrow("b", "a", "z", 1234), Deed("a", "&")], title="<t>")
    assert "x &lt; y" in drawn
    assert "1,234 bytes" in drawn
    assert drawn.count("bytes</text>") == 1
    assert "&lt;t&gt;" in drawn
    assert "&amp;" in drawn
