"""The schema of ``vectors/``: loading, checking and reporting. See vectors/README.md.

A runner is a module of ``tests/runners`` with ``run(case)``; its name (dashes for underscores) is the file's ``kind``.
Every field of a case must be read by its runner, else the case fails: a value that nobody compares proves nothing.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import pkgutil
from pathlib import Path
from typing import Any

import privproc.errors
import tests.runners

SCHEMA = "privproc-vectors/1"
HEAD = {"schema", "kind", "specification", "section", "source", "notes", "sha256", "cases"}


def digest(cases: list[dict[str, Any]]) -> str:
    """SHA-256 of the cases as compact JSON with sorted keys."""
    return hashlib.sha256(json.dumps(cases, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


class Case:
    """One case. ``case["name"]`` gives a field as it stands in the file, ``case.hex("name")`` its bytes."""

    def __init__(self, data: dict[str, Any]) -> None:
        self._data = data
        self._read = {"id", "comment"}
        self.id: str = data["id"]

    def __getitem__(self, name: str) -> Any:
        self._read.add(name)
        return self._data[name]

    def __contains__(self, name: str) -> bool:
        return name in self._data

    def get(self, name: str, default: Any = None) -> Any:
        return self[name] if name in self._data else default

    def hex(self, name: str) -> bytes:
        return bytes.fromhex(self[name])

    @property
    def expect(self) -> type[Exception] | None:
        """The exception class that the case expects; ``None`` for ``"ok"``."""
        name = self["expect"]
        return None if name == "ok" else getattr(privproc.errors, name)

    def unread(self) -> set[str]:
        return set(self._data) - self._read


def runners() -> dict[str, Any]:
    names = [module.name for module in pkgutil.iter_modules(tests.runners.__path__)]
    return {name.replace("_", "-"): importlib.import_module(f"tests.runners.{name}") for name in names}


def load(path: Path) -> dict[str, Any]:
    """The file, its head checked."""
    data = json.loads(path.read_text())
    if data.get("schema") != SCHEMA:
        raise ValueError(f"{path.name}: schema is not {SCHEMA}")
    if set(data) != HEAD:
        raise ValueError(f"{path.name}: fields {sorted(set(data) ^ HEAD)} missing or unknown")
    if digest(data["cases"]) != data["sha256"]:
        raise ValueError(f"{path.name}: checksum differs")
    if not data["cases"] or len({case["id"] for case in data["cases"]}) != len(data["cases"]):
        raise ValueError(f"{path.name}: no cases, or ids not unique")
    return data


def dump(path: Path, *, kind: str, specification: str, section: str, source: str, notes: str, cases: list) -> None:
    """Write a file of the schema: used by the scripts that render published data and generate our own."""
    head = {"schema": SCHEMA, "kind": kind, "specification": specification, "section": section, "source": source}
    body = head | {"notes": notes, "sha256": digest(cases), "cases": cases}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(body, indent=1, ensure_ascii=False) + "\n")
