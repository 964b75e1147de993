"""What the recipes without servers promise of themselves, beside their code, which tests.test_docs runs."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "recipes" / "third-party.md").read_text()
ABOVE = {"session", "ohttp", "ratls", "responsekey", "rotation", "discovery", "tokens", "keyconfig", "hpke", "bhttp"}


def imports(page: str) -> list[str]:
    """The lines of a page that import from the library."""
    code = "\n".join(re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL))
    found = [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.ImportFrom)]
    return [ast.unparse(node) for node in found if (node.module or "").startswith("privproc")]


def loaded(lines: list[str]) -> set[str]:
    """The library's modules that a fresh interpreter has after these lines, without what is inside of packages."""
    lines = [*lines, "import sys; print(*(name.split('.')[1] for name in sys.modules if name.startswith('privproc.')))"]
    script = "\n".join(lines)
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True, capture_output=True, text=True)
    return set(done.stdout.split())


@pytest.mark.loopback
def test_evidence_of_a_third_party_takes_no_other_layer() -> None:
    lines = imports(PAGE)
    assert len(lines) == 6
    found = loaded(lines)
    assert "attestation" in found
    assert not found & ABOVE
    assert loaded(["from privproc import session"]) & ABOVE
