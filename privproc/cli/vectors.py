"""``privproc vectors``: runs vector files in the project's schema, and reports per file."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from privproc import vectors
from privproc.errors import DecodeError, PeerError, UsageError

__all__ = ["add_to"]

_MESSAGE = 200  # characters of a failure that are shown
_ELSEWHERE = "its runner needs the test tree"


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The subcommand's arguments."""
    parser = commands.add_parser(
        "vectors",
        help="run vector files",
        description="Run vector files in the schema privproc-vectors/1, and report per file. A folder stands for all "
        "files *.json in it. Kinds and their fields are those of the files that the project publishes.",
        epilog="Exit status: 0 if all cases hold, 1 if one fails or a file can't be read, 2 for a mistake in the call, "
        "3 if none fails but there are files whose runners need the test tree.",
    )
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help="a file or a folder")
    parser.add_argument("--json", action="store_true", help="one JSON object a line for each file")
    parser.add_argument("--kinds", action="store_true", help="list the kinds and leave")
    parser.set_defaults(run=run)


@dataclass(frozen=True, slots=True)
class _Report:
    path: str
    kind: str
    specification: str
    cases: int
    failures: Sequence[tuple[str, str]]
    """Of the cases that fail, or of the file itself, which has no id."""
    not_run: str | None = None
    """Why the cases of a good file weren't run."""

    @property
    def status(self) -> int:
        return 1 if self.failures else 3 if self.not_run else 0


def run(arguments: argparse.Namespace) -> int:
    """The subcommand; its exit status."""
    if arguments.kinds:
        sys.stdout.writelines(f"{kind}\n" for kind in sorted(vectors.KINDS))
        return 0
    found = {0}
    for path in _files(arguments.files):
        report = _check(path)
        sys.stdout.write(_json(report) if arguments.json else _text(report))
        sys.stdout.flush()  # a file can take seconds
        found.add(report.status)
    return 1 if 1 in found else max(found)


def _files(paths: Sequence[Path]) -> Iterator[Path]:
    if not paths:
        raise UsageError("no vector file is given")
    for path in paths:
        found = sorted(path.rglob("*.json")) if path.is_dir() else [path]
        if not found:
            raise UsageError(f"{path} has no file *.json")
        yield from found


def _check(path: Path) -> _Report:
    try:
        body = vectors.load(path.read_bytes(), path.name)
        if body["kind"] not in vectors.KINDS | vectors.TEST_KINDS:
            raise DecodeError(path.name, f"kind {body['kind']!r} isn't known here")
    except PeerError as error:
        return _Report(str(path), "", "", 0, [("", str(error))])
    if body["kind"] in vectors.TEST_KINDS:
        return _Report(str(path), body["kind"], str(body["specification"]), len(body["cases"]), [], _ELSEWHERE)
    failures = [(str(case["id"]), why) for case in body["cases"] if (why := _failure(body["kind"], case)) is not None]
    return _Report(str(path), body["kind"], str(body["specification"]), len(body["cases"]), failures)


def _failure(kind: str, case: dict[str, object]) -> str | None:
    """What is wrong with a case; ``None`` if it holds. A case of others may make a runner raise anything."""
    try:
        vectors.run(kind, case)
    except Exception as error:  # noqa: BLE001
        said = " ".join(str(error).split())
        return f"{type(error).__name__}: {said[:_MESSAGE]}" if said else type(error).__name__
    return None


def _json(report: _Report) -> str:
    failures = [{"id": name, "error": why} for name, why in report.failures]
    head = {"file": report.path, "kind": report.kind, "specification": report.specification, "cases": report.cases}
    return f"{json.dumps(head | {'failures': failures, 'not_run': report.not_run})}\n"


def _text(report: _Report) -> str:
    lines = [f"{report.path}: {_summary(report)}"]
    lines += [f"  {name}: {why}" if name else f"  {why}" for name, why in report.failures]
    return "".join(f"{line}\n" for line in lines)


def _summary(report: _Report) -> str:
    if not report.cases:
        return "not run"
    if report.not_run:
        return f"not run: {report.not_run} ({report.kind}, {report.specification})"
    held = report.cases - len(report.failures)
    return f"{held} of {report.cases} hold ({report.kind}, {report.specification})"
