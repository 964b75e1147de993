"""docs/findings.md: what it calls a proof exists, and every finding of the audit is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.world.hostile import RUNS

ROOT = Path(__file__).resolve().parent.parent
TEXT = (ROOT / "docs" / "findings.md").read_text(encoding="utf-8")
LINES = [line for line in TEXT.splitlines() if line.startswith("| ") and not line.startswith(("| finding", "| where"))]
ROWS = [line.strip("|").split(" | ") for line in LINES]
PROOF = re.compile(r"(fault|run|test) `([^`]+)`")
PROOFS = sorted({proof for row in ROWS for proof in PROOF.findall(row[-1])})


def test_every_finding_of_the_audit_is_there():
    numbers = [int(found[1]) for row in ROWS if (found := re.match(r" ?(\d+): ", row[0]))]
    assert numbers == list(range(1, 29))


def test_what_has_no_proof_has_a_reason():
    for row in ROWS:
        if not PROOF.search(row[-1]):
            assert re.search(r"no protocol's affair|metadata", row[1]), row[0]


@pytest.mark.parametrize(("kind", "name"), PROOFS)
def test_a_proof_exists(kind, name):
    if kind == "fault":
        assert (ROOT / "vectors" / "faults" / f"{name}.json").is_file()
    elif kind == "run":
        assert name in {run.name for run in RUNS}
    else:
        file, _, function = name.partition("::")
        assert re.search(rf"^def {function}\(", (ROOT / "tests" / file).read_text(encoding="utf-8"), re.MULTILINE)
