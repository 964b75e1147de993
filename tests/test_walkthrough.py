"""The walkthrough: its table is computed from what was recorded, and odd files end in a sentence."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

import pytest

from tests.walkthrough import PARTIES, main, request, views
from tests.world.world import World

AT = 1_800_000_000
THREAD = b"Alice: shall we meet on Thursday at the harbour?\nBob: Thursday works for me, at noon.\n"


def run(question: bytes = THREAD):
    world = World(AT)
    return world, question, request(world, question)


def seen(rows) -> dict[str, set[str]]:
    return {row[0]: {party for party, cell in zip(PARTIES, row[1:], strict=True) if cell == "saw"} for row in rows}


def test_who_saw_what(capsys):
    assert seen(views(*run())) == {
        "the device's address": {"issuer", "relay"},
        "the account": {"issuer"},
        "the token as it is spent": {"gateway"},
        "the role that is asked for": {"gateway", "host", "enclave"},
        "the evidence": {"gateway", "host"},
        "the question": {"enclave"},
        "the answer": {"enclave"},
    }


@pytest.mark.parametrize("party", PARTIES)
def test_a_leak_shows(party, capsys):
    world, question, reply = run()
    world.wire.see(party, b"..." + question + b"...")
    assert party in seen(views(world, question, reply))["the question"]


@pytest.mark.parametrize("question", [b"", b"hi\n", b"a\nb\nc\n"])
def test_what_is_too_short_to_find_is_not_called_seen(question, capsys):
    (row,) = [row for row in views(*run(question)) if row[0] == "the question"]
    assert set(row[1:]) == {"too short to tell"}


def test_a_file_that_is_too_large_ends_before_a_token_is_spent(tmp_path, capsys):
    file = tmp_path / "large"
    file.write_bytes(bytes(4 << 20))
    assert main([str(file)]) == 1
    printed = capsys.readouterr()
    assert "too large" in printed.err
    assert printed.out == ""


def test_no_such_file(tmp_path, capsys):
    with pytest.raises(SystemExit):
        main([str(tmp_path / "nothing")])
    assert "No such file" in capsys.readouterr().err


def test_a_file(tmp_path, capsys):
    file = tmp_path / "thread.txt"
    file.write_bytes(THREAD)
    assert main([str(file)]) == 0
    assert "Thursday works for me" in capsys.readouterr().out


def test_a_page(tmp_path, capsys):
    """It opens from a file, has every party and every message, and nothing that was said."""
    file, page = tmp_path / "thread.txt", tmp_path / "page.html"
    file.write_bytes(THREAD)
    assert main([str(file), "--page", str(page)]) == 0
    text = page.read_text(encoding="utf-8")
    drawn = text[text.index("<svg") : text.index("</svg>") + len("</svg>")]
    chart = ET.fromstring(drawn)  # noqa: S314  # our own output
    arrows = [line for line in chart.iter("{http://www.w3.org/2000/svg}line") if "marker-end" in line.attrib]
    assert len(arrows) == 6 + 2 + 8 + 8  # mirrors, issuer, two round trips
    assert all(f"<summary>{name}" in text for name in ("issuer", "mirrors", "relay", "gateway", "host", "enclave"))
    assert "Thursday" not in text
    assert not re.search(r"https?://(?!(mirror-|relay\.example|www\.w3\.org))", text), "fetches something"
    assert not re.search(r"[0-9a-f]{400}|[A-Za-z0-9+/_-]{400}", text), "a value is in the page"
