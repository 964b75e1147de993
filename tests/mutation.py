"""Mutation testing of the protocol modules, each against its own tests: ``python -m tests.mutation [MODULE ...]``.

mutmut changes one operator, argument, literal or assignment at a time, and a mutant is killed when a test fails. Those
that survive are listed with a reason in ``mutation-survivors.toml``. One that isn't listed is an error, and so is one
that is listed and no longer survives. docs/assurance.md has the table that this prints.
"""

from __future__ import annotations

import argparse
import ast
import difflib
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SURVIVORS = ROOT / "tests" / "mutation-survivors.toml"
OHTTP_CHUNKED = ["ohttp-chunked", "ohttp-chunked-request", "ohttp-chunked-response"]
HPKE = ["hpke-context", "hpke-key", "hpke-receive", "hpke-sequence"]
MODULES = {  # the module's own test files, and the kinds of vector files that are about it
    "ohttp.client": (["ohttp", "ohttp_chunked"], ["ohttp", "ohttp-response", *OHTTP_CHUNKED]),
    "ohttp.gateway": (["ohttp", "ohttp_chunked"], ["ohttp", "ohttp-request", *OHTTP_CHUNKED]),
    "ohttp.chunked": (["ohttp_chunked"], OHTTP_CHUNKED),
    "ohttp._framing": (["ohttp_chunked"], OHTTP_CHUNKED),
    "hpke.context": (["hpke"], HPKE),
    "hpke._schedule": (["hpke"], HPKE),
    "bhttp.decoder": (["bhttp"], ["bhttp"]),
    "keyconfig": (["keyconfig"], ["keyconfig"]),
    "wire": (["wire"], []),
    "chunks": (["chunks"], []),
    "httpauth": (["httpauth"], ["tokens-headers"]),
    "tokens.token": (["tokens"], ["tokens-decode", "tokens-type2"]),
    "tokens.challenge": (["tokens"], ["tokens-challenge", "tokens-decode", "tokens-headers"]),
    "tokens.redemption": (["tokens", "tokens_voprf"], ["tokens-redeem"]),
    "blindrsa.protocol": (["blindrsa"], ["blindrsa", "blindrsa-fault"]),
    "voprf.protocol": (["voprf"], ["voprf", "voprf-fault"]),
    "voprf.dleq": (["voprf"], ["voprf", "voprf-fault"]),
    "ledger.merkle": (["ledger"], ["merkle"]),
    "ledger.proof": (["ledger", "ledger_cosignature"], ["ledger"]),
    "ledger.checkpoint": (["ledger", "ledger_cosignature"], ["checkpoint"]),
    "keypackage.package": (["keypackage"], ["keypackage"]),
    "keypackage.agreement": (["keypackage"], ["keypackage"]),
    "responsekey.answer": (["responsekey"], ["privproc1-answer"]),
    "responsekey.announcement": (["responsekey"], ["privproc1-message"]),
    "responsekey.pacing": (["pacing"], []),
    "responsekey.request": (["responsekey"], ["privproc1-request"]),
    "responsekey.wrapped": (["wrapped"], ["privproc1-wrapped"]),
    "session.device": (["session_device", "session_live", "splits", "session_streams"], []),
    "session.enclave": (["session_enclave", "session_live", "session_beside"], []),
    "session.gateway": (["session_gateway", "session_continue"], ["privproc1-gateway", "privproc1-upload"]),
    "session.transcript": (["session_messages"], ["privproc1-transcript", "privproc1-live", "privproc1-wrapped"]),
}
# What an error says is for people. Its class is what tests hold, and no mutation changes a class.
CONFIG = """
[tool.mutmut]
source_paths = ["privproc"]
only_mutate = ["{path}"]
also_copy = ["vectors", "docs", "README.md", ".ci", ".github"]
pytest_add_cli_args = ["-p", "no:xdist", "--hypothesis-profile=mutation"]
pytest_add_cli_args_test_selection = {tests}
do_not_mutate_patterns = ['^\\s*raise (\\w+Error|\\w+\\.fail)\\(']
timeout_multiplier = 6
track_dependencies = false
use_git_change_detection = false
"""
# mutmut collects all tests, and then runs a mutant's by their names in the same process. A name that comes out
# otherwise the second time (pytest escapes what an `ids=` function gave once more) ends that run in an error, which
# looks like a test that failed: every mutant would count as killed.
AGAIN = """
import sys
import pytest

class Names:
    def pytest_collection_finish(self, session):
        self.found = [it.nodeid for it in session.items]

names, options = Names(), ["-qqq", "--collect-only", "-p", "no:xdist", "-p", "no:cacheprovider"]
pytest.main([*options, *sys.argv[1:]], plugins=[names])
sys.exit(pytest.main([*options, *names.found]))
"""
MEMORY = 3 << 30  # bytes: a loop without end that keeps what it makes fails, before the machine does
KILLED = {1, 3, -6, -11, -24, 24, 36, 37, 152, 255}  # failed, crashed (a C library was given None), or out of time


@dataclass(frozen=True)
class Survivor:
    """A mutant by what it changes; its number would change with every edit above it."""

    module: str
    function: str
    old: str
    new: str


def functions(tree: ast.Module) -> dict[str, list[str]]:
    """The lines of each generated function, normalized: its parameters, and its body."""
    nodes = (it for it in ast.walk(tree) if isinstance(it, ast.FunctionDef | ast.AsyncFunctionDef))
    return {it.name: "\n".join(map(ast.unparse, [it.args, *it.body])).splitlines() for it in nodes}


def survivor(module: str, name: str, bodies: dict[str, list[str]]) -> Survivor:
    stem, _, _ = name.rpartition("__mutmut_")
    lines = difflib.ndiff(bodies[f"{stem}__mutmut_orig"], bodies[name])
    changes = [line for line in lines if line.startswith(("- ", "+ "))]
    old, new = (" ".join(it[2:].strip() for it in changes if it[0] == sign) for sign in "-+")
    return Survivor(module, re.sub(r"^x_|^xǁ", "", stem).replace("ǁ", "."), old, new)


def check_names(tests: list[str], work: Path) -> None:
    """End the program if pytest doesn't find these files' tests by their names."""
    command = [sys.executable, "-c", AGAIN, *tests]
    done = subprocess.run(command, cwd=work, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"tests that aren't found by their names\n{done.stdout[-4000:]}{done.stderr[-4000:]}")


def run(module: str, work: Path) -> tuple[int, list[Survivor]]:
    """How many mutants there are, and those that survive."""
    files, kinds = MODULES[module]
    tests = [f"tests/test_{it}.py" for it in files] + ["tests/test_vectors.py"] * bool(kinds)
    path = Path("privproc", *module.split(".")).with_suffix(".py")
    for name in ("privproc", "tests", "vectors", "docs", ".ci", ".github"):
        shutil.copytree(
            ROOT / name, work / name, ignore=shutil.ignore_patterns("__pycache__", "_build", "node_modules")
        )
    shutil.copy(ROOT / "README.md", work)
    for vectors in (work / "vectors").rglob("*.json"):
        if json.loads(vectors.read_text())["kind"] not in kinds:
            vectors.unlink()
    config = CONFIG.format(path=path.as_posix(), tests=json.dumps(tests))
    (work / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text() + config)
    check_names(tests, work)
    done = subprocess.run(
        [sys.executable, "-m", "mutmut", "run", "--max-children", "1"],
        cwd=work,
        env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY)),
    )
    meta = work / "mutants" / path.with_name(path.name + ".meta")
    if done.returncode or not meta.exists():
        sys.exit(done.stdout[-4000:] + done.stderr[-4000:])
    codes = json.loads(meta.read_text())["exit_code_by_key"]
    bodies = functions(ast.parse((work / "mutants" / path).read_text()))
    alive = [survivor(module, key.rpartition(".")[2], bodies) for key, code in codes.items() if code not in KILLED]
    return len(codes), alive


def known(text: str) -> tuple[Counter[Survivor], list[str]]:
    """Listed survivors, with how many mutants each stands for, and what can go from any line without a difference."""
    listed = tomllib.loads(text)
    found: Counter[Survivor] = Counter()
    for it in listed.get("survivor", []):
        found[Survivor(it["module"], it["function"], it["old"], it["new"])] += it.get("times", 1)
    everywhere = [it["without"] for it in listed.get("everywhere", [])]
    if not all(it["reason"].strip() for it in listed.get("survivor", []) + listed.get("everywhere", [])):
        raise ValueError("a survivor without a reason")
    return found, everywhere


def general(mutant: Survivor, everywhere: list[str]) -> bool:
    """Whether the mutant lacks but one of those pieces."""
    return any(
        mutant.new == mutant.old[: at.start()] + mutant.old[at.end() :]
        for piece in everywhere
        for at in re.finditer(re.escape(piece), mutant.old)
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("modules", nargs="*", metavar="MODULE", help="without the package's name; all if none is named")
    names = parser.parse_args().modules or list(MODULES)
    (listed, everywhere), wrong = known(SURVIVORS.read_text()), 0
    for name in names:
        with tempfile.TemporaryDirectory() as work:
            count, alive = run(name, Path(work))
        found = Counter(it for it in alive if not general(it, everywhere))
        expected = Counter({it: times for it, times in listed.items() if it.module == name})
        killed = count - len(alive)
        print(f"| `{name}` | {count} | {killed} | {len(alive)} | {100 * killed / count:.1f} % |", flush=True)
        for sign, those in (("unknown", found - expected), ("vanished", expected - found)):
            for it, times in those.items():
                wrong += 1
                print(f"{sign} {times}: {it.function}\n  - {it.old}\n  + {it.new}", flush=True)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
