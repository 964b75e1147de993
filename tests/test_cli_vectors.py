"""``privproc vectors``: what holds, what doesn't, and files that can't be read."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from privproc import vectors
from privproc.cli.main import main
from tests.vectorfile import OTHERS

VECTORS = Path(__file__).resolve().parent.parent / "vectors"


def changed(path: Path, **fields: Any) -> Path:
    """``rfc9458.json`` with other fields, at ``path``; its checksum follows if the cases are given."""
    body = json.loads((VECTORS / "rfc9458.json").read_text()) | fields
    if "cases" in fields and "sha256" not in fields:
        body["sha256"] = vectors.digest(body["cases"])
    path.write_text(json.dumps(body))
    return path


def cases() -> list[dict[str, Any]]:
    return json.loads((VECTORS / "rfc9458.json").read_text())["cases"]


def test_files_and_folders_that_hold(capsys: pytest.CaptureFixture[str]) -> None:
    names = ("rfc9458.json", "keyconfig.json", "rfc9460.json")
    assert main(["vectors", *(str(VECTORS / name) for name in names)]) == 0
    out = capsys.readouterr().out.splitlines()
    assert len(out) == len(names)
    assert (
        out[0]
        == f"{VECTORS / names[0]}: 1 of 1 hold (ohttp, {json.loads((VECTORS / names[0]).read_text())['specification']})"
    )


def test_a_case_that_fails_is_named_with_its_reason(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (case,) = cases()
    wrong = case | {"response_nonce": "00" * 16}
    path = changed(tmp_path / "wrong.json", cases=[case | {"id": "good"}, wrong])
    assert main(["vectors", str(path), "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert (report["cases"], report["kind"]) == (2, "ohttp")
    assert [failure["id"] for failure in report["failures"]] == [case["id"]]
    assert main(["vectors", str(path)]) == 1
    out = capsys.readouterr().out
    assert "1 of 2 hold" in out
    assert f"  {case['id']}: " in out


def test_fields_that_nobody_reads_fail(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = changed(tmp_path / "more.json", cases=[cases()[0] | {"more": 1}])
    assert main(["vectors", str(path)]) == 1
    assert "fields that nothing consumed: ['more']" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"schema": "other"}, "schema is not"),
        ({"more": 1}, "['more'] missing or unknown"),
        ({"sha256": "00" * 32}, "checksum differs"),
        ({"cases": []}, "no cases"),
        ({"cases": [{"id": "a"}, {"id": "a"}]}, "ids not unique"),
        ({"cases": [1]}, "not a list of objects"),
        ({"cases": {}}, "not a list of objects"),
        ({"kind": "unheard-of"}, "isn't known here"),
    ],
)
def test_files_that_arent_of_the_schema(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], fields: dict[str, Any], why: str
) -> None:
    path = changed(tmp_path / "file.json", **fields)
    assert main(["vectors", str(path), str(VECTORS / "rfc9460.json")]) == 1
    out = capsys.readouterr().out
    assert f"{path}: not run" in out
    assert why in out
    assert "rfc9460.json: " in out  # the others run on


def test_what_isnt_json_or_isnt_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "text.json").write_text("{")
    assert main(["vectors", str(tmp_path)]) == 1
    assert "not JSON" in capsys.readouterr().out
    assert main(["vectors", str(tmp_path / "none.json")]) == 2
    assert main(["vectors"]) == 2
    (tmp_path / "text.json").unlink()
    assert main(["vectors", str(tmp_path)]) == 2


def test_kinds(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["vectors", "--kinds"]) == 0
    listed = set(capsys.readouterr().out.split())
    assert {json.loads(path.read_text())["kind"] for path in VECTORS.glob("*.json")} <= listed | set(OTHERS)
    assert not listed & set(OTHERS)


def test_kinds_whose_runners_are_elsewhere(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Neither good nor bad: a status of its own, which a case that fails, or a file that can't be read, overrides."""
    assert set(OTHERS) == vectors.TEST_KINDS
    good, elsewhere = (str(VECTORS / name) for name in ("rfc9460.json", "faults/snp_vmpl.json"))
    bad = str(changed(tmp_path / "bad.json", cases=[cases()[0] | {"more": 1}]))
    unknown = str(changed(tmp_path / "unknown.json", kind="unheard-of"))
    for files, status in (
        ([elsewhere], 3),
        ([good, elsewhere], 3),
        ([elsewhere, good], 3),
        ([elsewhere, bad], 1),
        ([bad, elsewhere, good], 1),
        ([unknown, elsewhere], 1),
        ([good], 0),
    ):
        assert main(["vectors", *files]) == status
    capsys.readouterr()
    main(["vectors", elsewhere, good])
    first, second = capsys.readouterr().out.splitlines()
    assert (
        first
        == f"{elsewhere}: not run: its runner needs the test tree (snp-appraisal, AMD 56860, SEV-SNP firmware ABI)"
    )
    assert "hold" in second
    main(["vectors", "--json", elsewhere, good])
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert (first["not_run"], first["failures"], first["kind"]) == (
        "its runner needs the test tree",
        [],
        "snp-appraisal",
    )
    assert second["not_run"] is None


@pytest.mark.loopback
def test_asserts_that_are_left_out_are_noticed() -> None:
    path = str(VECTORS / "rfc9460.json")
    done = subprocess.run([sys.executable, "-O", "-m", "privproc", "vectors", path], capture_output=True, check=False)
    assert done.returncode == 1
    assert done.stdout.count(b"UsageError: cases are checked with assert, which python -O leaves out") == len(
        json.loads(Path(path).read_text())["cases"]
    )


@pytest.mark.loopback
def test_the_module_runs_and_a_closed_pipe_is_no_error() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "privproc", "inspect", "--types"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0


def test_raises_is_strict() -> None:
    with pytest.raises(AssertionError, match="was not raised"), vectors.raises(ValueError):
        pass
    with pytest.raises(AssertionError, match="has no 'other'"), vectors.raises(ValueError, match="other"):
        raise ValueError("this")
    with pytest.raises(TypeError), vectors.raises(ValueError):
        raise TypeError
    with vectors.raises(ValueError, match="th.s") as raised:
        raise ValueError("this")
    assert str(raised.value) == "this"
    with pytest.raises(vectors.file.UnsupportedError):
        vectors.run("unheard-of", {"id": "a"})
