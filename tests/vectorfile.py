"""Writing files in the schema of ``vectors/`` (see vectors/README.md), for scripts that render published data and
generate our own; and kinds that need more than the package, in ``tests/runners``.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tests.runners
from privproc import vectors
from privproc.vectors import SCHEMA, Case, digest

__all__ = ["Case", "dump", "load", "run"]

OTHERS = {module.name.replace("_", "-"): module.name for module in pkgutil.iter_modules(tests.runners.__path__)}


def load(path: Path) -> dict[str, Any]:
    """The file, its head checked."""
    return vectors.load(path.read_bytes(), path.name)


def run(kind: str, data: Mapping[str, Any]) -> None:
    """Run a case of any kind."""
    if kind not in OTHERS:
        vectors.run(kind, data)
        return
    case = Case(data)
    importlib.import_module(f"tests.runners.{OTHERS[kind]}").run(case)
    assert not case.unread(), f"fields that nothing consumed: {sorted(case.unread())}"


def dump(path: Path, *, kind: str, specification: str, section: str, source: str, notes: str, cases: list) -> None:
    """Write a file of the schema."""
    head = {"schema": SCHEMA, "kind": kind, "specification": specification, "section": section, "source": source}
    body = head | {"notes": notes, "sha256": digest(cases), "cases": cases}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(body, indent=1, ensure_ascii=False) + "\n")
