"""``privproc appraise`` and ``privproc policy draft`` on evidence of every format."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from privproc.attestation import snp
from privproc.attestation.policyfile import load_policy, to_toml
from privproc.attestation.report import Report, replay
from privproc.cli.main import main
from tests.world import cases

ROOTS = {
    "sev-snp": [f"{product.value}={digest.hex()}" for digest, product in cases.AMD.roots.pins],
    "tdx": [digest.hex() for digest in cases.INTEL.roots.pins],
    "sgx": [digest.hex() for digest in cases.INTEL.roots.pins],
    "nitro": [digest.hex() for digest in cases.AWS.roots.pins],
}


@pytest.fixture
def given(tmp_path: Path) -> Any:
    """The files of a format's case, and the arguments that name them."""

    def make(kind: str, **changes: Any) -> list[str]:
        parts = cases.parts(kind) | changes
        (tmp_path / "evidence").write_bytes(parts["evidence"])
        (tmp_path / "endorsements").write_bytes(parts["endorsements"])
        (tmp_path / "policy.toml").write_text(to_toml(parts["policy"]))
        found = [str(tmp_path / "evidence"), "--at", str(cases.AT)]
        if parts["endorsements"]:
            found += ["--endorsements", str(tmp_path / "endorsements")]
        return found + [part for root in ROOTS[kind] for part in ("--root", root)]

    return make


def appraise(given: list[str], tmp_path: Path, kind: str, *more: str) -> int:
    measurement = cases.parts(kind)["measurement"].hex()
    expected = ["--policy", str(tmp_path / "policy.toml"), "--role", "model", "--measurement", measurement]
    return main(["appraise", *given, *expected, *more])


@pytest.mark.parametrize("kind", cases.FORMATS)
def test_good_evidence(kind: str, given: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = tmp_path / "report.json"
    bound = ("--report-data", cases.DATA.hex())
    assert appraise(given(kind), tmp_path, kind, *bound, "--report", str(report)) == 0
    out = capsys.readouterr().out
    assert out.startswith("accepted at 2026-05-28 20:26:40Z, level key\n")
    assert cases.DATA.hex() in out
    assert "no revocation list" in out
    assert replay(Report.decode(report.read_bytes()), anchors=cases.ANCHORS).level.value == "key"
    assert appraise(given(kind), tmp_path, kind, "--unbound", "--json") == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line)["binding"]["level"] == "none"


@pytest.mark.parametrize("kind", cases.FORMATS)
def test_evidence_that_is_refused(kind: str, given: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert appraise(given(kind), tmp_path, kind, "--report-data", "11" * 64) == 1
    out = capsys.readouterr().out
    assert out.startswith("refused at ")
    assert "by the check binding" in out
    vendors = given(kind)[: 5 if kind != "nitro" else 3]
    assert appraise(vendors, tmp_path, kind, "--unbound") == 1
    assert "UntrustedError" in capsys.readouterr().out


def test_a_program_in_the_log(given: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = cases.logged(cases.MEASUREMENT)
    (tmp_path / "proof").write_bytes(log.proof)
    key = str(log.policy.key)
    witnesses = [f"witness w{at} {member}" for at, member in enumerate(log.policy.quorum.keys)]
    group = f"group all any {' '.join(f'w{at}' for at in range(len(witnesses)))}"
    (tmp_path / "logs").write_text("\n".join((f"log {key}", *witnesses, group, "quorum all", "")))
    arguments = [*given("sev-snp"), "--policy", str(tmp_path / "policy.toml"), "--role", "model", "--unbound"]
    proof = ["--log-proof", str(tmp_path / "proof")]
    named = ["--log-policy", str(tmp_path / "logs"), "--namespace", "example", "--log", log.policy.key.name]
    assert main(["appraise", *arguments, *proof, *named]) == 0
    assert "log" in capsys.readouterr().out.split("checks")[1]
    assert main(["appraise", *arguments, *proof, *named, "--minimum-version", "2"]) == 1
    assert main(["appraise", *arguments, *proof, *named, "--namespace", "other"]) == 1
    assert main(["appraise", *arguments, *proof]) == 2
    assert main(["appraise", *arguments, *proof, *named[:-1], "other.example"]) == 2
    (tmp_path / "logs").write_text("quorum none\n")
    assert main(["appraise", *arguments, *proof, *named]) == 2


@pytest.mark.parametrize("kind", cases.FORMATS)
def test_a_draft_accepts_what_it_was_drafted_from(
    kind: str, given: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["policy", "draft", *given(kind), "--format", kind, "--max-age", "3600"]) == 0
    text = capsys.readouterr().out
    assert load_policy(text.encode()).max_age == 3600
    measurement = text.split()[8]
    arguments = given(kind, policy=load_policy(text.encode()))
    expected = ["--policy", str(tmp_path / "policy.toml"), "--role", "model", "--measurement", measurement]
    assert main(["appraise", *arguments, *expected, "--unbound"]) == 0
    damaged = bytearray(cases.parts(kind)["evidence"])
    damaged[100] ^= 1
    arguments = given(kind, evidence=bytes(damaged))
    assert main(["policy", "draft", *arguments, "--format", kind, "--max-age", "3600"]) == 1


def test_mistakes_in_the_call(given: Any, tmp_path: Path) -> None:
    arguments = given("sev-snp")
    assert appraise(arguments, tmp_path, "sev-snp", "--report-data", "no hex") == 2
    for option in (("--log", "x"), ("--minimum-version", "0")):
        assert appraise(arguments, tmp_path, "sev-snp", "--unbound", *option) == 2
    assert appraise([*arguments[:5], "--root", "00" * 32], tmp_path, "sev-snp", "--unbound") == 2
    assert appraise([*arguments, "--root", f"{snp.Product.MILAN.value}=00"], tmp_path, "sev-snp", "--unbound") == 2
    (tmp_path / "policy.toml").write_text("format = 1")
    assert main(["appraise", *arguments, "--policy", str(tmp_path / "policy.toml"), "--role", "x", "--unbound",
                 "--measurement", "11" * 48]) == 2  # fmt: skip
