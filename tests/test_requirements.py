"""Each requirement of docs/requirements.md has its code and its test, and whatever is cited is listed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.requirements import (
    CITATION,
    LEVELS,
    NOT_OURS,
    ROOT,
    SPECIFICATIONS,
    TABLE,
    citations,
    faults,
    listed,
    summary,
    tree,
)

TEXT = TABLE.read_text()


def test_everything_listed_is_cited_and_the_reverse() -> None:
    assert len(listed(TEXT)) > 100
    assert faults(TEXT, citations(tree())) == []


def test_no_row_is_passed_over() -> None:
    rows = [line for line in TEXT.splitlines() if line.startswith("| `")]
    assert len(rows) == len(listed(TEXT))


def test_the_conformance_page_has_the_summary() -> None:
    assert summary(TEXT, citations(tree())) in (ROOT / "docs" / "conformance.md").read_text()


def test_specifications_are_in_groups() -> None:
    assert re.findall(r"^## (.*)$", TEXT, re.MULTILINE) == [*SPECIFICATIONS.values(), "Not ours"]
    rows, others = TEXT.split("## Not ours")
    assert listed(others) == NOT_OURS.findall(rows) == []
    for names in (
        [row.name for row in listed(rows)],
        [f"{short}/{section}" for short, section, *_ in NOT_OURS.findall(others)],
    ):
        places = [place(name) for name in names]
        assert places == sorted(places)


def place(name: str) -> tuple[int, list[int]]:
    """Where a requirement stands: specification, and section as numbers."""
    short, section = name.split(maxsplit=1)[0].split("/")
    return list(SPECIFICATIONS).index(short), [int(number) for number in section.split(".")]


def test_what_others_do_is_read_line_by_line() -> None:
    lines = [line for line in TEXT.split("## Not ours")[1].splitlines() if line.startswith("- ")]
    assert len(lines) == len(NOT_OURS.findall(TEXT)) > 0
    assert {level for _, _, level, _ in NOT_OURS.findall(TEXT)} <= set(LEVELS)


def test_sections_of_our_own_protocol_exist() -> None:
    protocol = (ROOT / "docs" / "protocol.md").read_text()
    sections = set(re.findall(r"^#{2,3} ([0-9]+(?:\.[0-9]+)?)\.? ", protocol, re.MULTILINE))
    assert {row.name.split("/")[1].split()[0] for row in listed(TEXT) if row.name.startswith("privproc1/")} <= sections


def test_a_citation_in_a_test_stands_above_a_function() -> None:
    """So that it names a test, or a runner, and not a line somewhere."""
    for path, text in tree():
        lines = text.splitlines()
        for at, line in enumerate(lines):
            if path.name.startswith("test_") and CITATION.search(line):
                following = next(it for it in lines[at + 1 :] if not CITATION.search(it))
                assert re.match(r"\s*(async )?def test_", following), f"{path}:{at + 1}"


ROW = "| `rfc9458/4.3 info` | MUST | Words. |\n"
ROWS = ROW + "| `privproc1/1 hash` | plain | More. |\n"
CODE, TEST = Path("privproc/x.py"), Path("tests/test_x.py")


@pytest.mark.parametrize(
    ("table", "code", "test", "wrong"),
    [
        (
            ROWS,
            "# req: rfc9458/4.3 info\n    # req: privproc1/1 hash\n",
            "# req: rfc9458/4.3 info\n# req: privproc1/1 hash",
            [],
        ),
        (ROWS, "# req: rfc9458/4.3 info", "# req: rfc9458/4.3 info\n# req: privproc1/1 hash", ["hash: no code"]),
        (ROWS, "# req: rfc9458/4.3 info\n# req: privproc1/1 hash", "# req: rfc9458/4.3 info", ["hash: no test"]),
        ("", "# req: rfc9458/4.3 other", "", ["rfc9458/4.3 other: cited at privproc/x.py:1, not listed"]),
        ("", "", "# req: rfc9458/4.3 other", ["not listed"]),
        ("", "x = 1  # req: rfc9458/4.3 other", "", ["malformed"]),
        ("", "# req rfc9458/4.3 other", "", ["malformed"]),
        ("", "# req: rfc9458 4.3 other", "", ["malformed"]),
        ("", "# req: rfc9458/4.3", "", ["malformed"]),
        (
            ROW.replace("MUST", "MAYBE"),
            "# req: rfc9458/4.3 info",
            "# req: rfc9458/4.3 info",
            ["no level is called MAYBE"],
        ),
        (ROW * 2, "# req: rfc9458/4.3 info", "# req: rfc9458/4.3 info", ["listed twice"]),
        ("| `rfc1/4.3 info` | MUST | Words. |\n", "# req: rfc1/4.3 info", "# req: rfc1/4.3 info", ["isn't known"]),
    ],
)
def test_the_checker_finds(table: str, code: str, test: str, wrong: list[str]) -> None:
    found = faults(table, citations([(CODE, code), (TEST, test)]))
    assert len(found) == len(wrong)
    assert all(part in fault for part, fault in zip(wrong, found, strict=True)), found
