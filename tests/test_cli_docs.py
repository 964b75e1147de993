"""The examples of docs/cli.md: each command is run, and prints what the page says."""

from __future__ import annotations

import doctest
import io
import os
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from privproc.attestation.policyfile import to_toml
from privproc.cli.main import main
from tests.world import cases

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "cli.md").read_text()
BLOCKS = re.findall(r"^```console\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def commands(block: str) -> Iterator[tuple[str, str]]:
    """Each command with what it prints."""
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        command, _, printed = part.partition("\n")
        yield command, printed


def run(command: str, monkeypatch: pytest.MonkeyPatch) -> int:
    """``[echo TEXT |] privproc ARGUMENTS``."""
    words = shlex.split(os.path.expandvars(command))
    if words[0] == "echo":
        text = words[1].encode() + b"\n"
        assert words[2] == "|"
        words = words[3:]
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text)))
    assert words[0] == "privproc"
    return main(words[1:])


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.split("\n")[0].split("privproc ")[-1][:24])
def test_examples(
    block: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "vectors").symlink_to(ROOT / "vectors")
    evidence = cases.parts("sev-snp")
    (tmp_path / "report.bin").write_bytes(evidence["evidence"])
    (tmp_path / "endorsements.bin").write_bytes(evidence["endorsements"])
    (tmp_path / "policy.toml").write_text(to_toml(evidence["policy"]))
    ((digest, product),) = cases.AMD.roots.pins
    monkeypatch.setenv("ROOT", f"{product.value}={digest.hex()}")
    monkeypatch.setenv("MEASUREMENT", evidence["measurement"].hex())
    monkeypatch.setenv("DATA", cases.DATA.hex())
    monkeypatch.chdir(tmp_path)
    status = 0
    for command, expected in commands(block):
        if command == "echo $?":
            assert expected.strip() == str(status)
            continue
        status = run(command, monkeypatch)
        captured = capsys.readouterr()
        printed = captured.out + captured.err
        flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
        assert doctest.OutputChecker().check_output(expected, printed, flags), f"{command}\n{printed}"


def test_statuses_and_commands_are_all_described() -> None:
    assert BLOCKS
    assert re.findall(r"^## ([\w ]+)$", PAGE, re.MULTILINE) == ["inspect", "appraise and policy", "keys", "vectors"]
    assert re.findall(r"^\| ([0-9]) \|", PAGE, re.MULTILINE) == ["0", "1", "2", "3"]
