"""The schema of ``vectors/``: loading and checking a file, and running its cases. See vectors/README.md."""

from __future__ import annotations

import hashlib
import importlib
import json
import pkgutil
from collections.abc import Mapping
from typing import Any, Final

from privproc.errors import DecodeError, UnsupportedError, UsageError
from privproc.vectors import _kinds
from privproc.vectors.case import Case

__all__ = ["HEAD", "KINDS", "SCHEMA", "TEST_KINDS", "digest", "load", "run"]

SCHEMA: Final = "privproc-vectors/1"
HEAD: Final = frozenset({"schema", "kind", "specification", "section", "source", "notes", "sha256", "cases"})
KINDS: Final = frozenset(module.name.replace("_", "-") for module in pkgutil.iter_modules(_kinds.__path__))
"""The kinds of files that can be run."""
TEST_KINDS: Final = frozenset(
    {
        "exported-authenticator",
        "nitro-appraisal",
        "nvidia-appraisal",
        "privproc1-beside",
        "privproc1-mutual",
        "sgx-appraisal",
        "snp-appraisal",
        "tdx-appraisal",
    }
)
"""The kinds whose runners need the makers of evidence and of connections in the test tree (``tests/runners``)."""


def digest(cases: list[dict[str, Any]]) -> str:
    """SHA-256 of the cases as compact JSON with sorted keys."""
    return hashlib.sha256(json.dumps(cases, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def load(data: bytes, name: str) -> dict[str, Any]:
    """The file ``name``, its head checked. Raises :class:`DecodeError` for what isn't of the schema."""
    try:
        body = json.loads(data)
    except ValueError as error:
        raise DecodeError(name, f"not JSON: {error}") from None
    if not isinstance(body, dict) or body.get("schema") != SCHEMA:
        raise DecodeError(name, f"schema is not {SCHEMA}")
    if set(body) != HEAD:
        raise DecodeError(name, f"fields {sorted(set(body) ^ HEAD)} missing or unknown")
    cases = body["cases"]
    if not isinstance(cases, list) or not all(isinstance(case, dict) and "id" in case for case in cases):
        raise DecodeError(name, "cases are not a list of objects with ids")
    if not cases or len({case["id"] for case in cases}) != len(cases):
        raise DecodeError(name, "no cases, or ids not unique")
    if digest(cases) != body["sha256"]:
        raise DecodeError(name, f"checksum differs: the cases have {digest(cases)}")
    return body


def run(kind: str, data: Mapping[str, Any]) -> None:
    """Run one case of a file of ``kind``. Raises what is wrong: :class:`AssertionError`, or another exception.

    Raises :class:`UnsupportedError` for a kind that isn't known here, and :class:`UsageError` under ``python -O``.
    """
    if not __debug__:
        raise UsageError("cases are checked with assert, which python -O leaves out")
    if kind not in KINDS:
        raise UnsupportedError(f"vector file of kind {kind!r}")
    case = Case(data)
    importlib.import_module(f"privproc.vectors._kinds.{kind.replace('-', '_')}").run(case)
    unread = sorted(case.unread())
    assert not unread, f"fields that nothing consumed: {unread}"
