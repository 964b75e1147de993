"""``privproc inspect``: says what bytes are, shows what stands where, or says why nobody knows."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence

from privproc.cli.inspect.formats import FORMATS, Fit, Format, Strength, describe, fitting
from privproc.cli.inspect.walk import Json, Row, digest
from privproc.cli.source import ENCODINGS, Reading, read_input, readings
from privproc.errors import PeerError

__all__ = ["add_to"]

_BY_NAME = {it.name: it for it in FORMATS}
_BY_LABEL = {"CERTIFICATE": _BY_NAME["certificate"]}
"""What PEM blocks say that they are."""
_NAME_WIDTH = 38


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The subcommand's arguments."""
    parser = commands.add_parser(
        "inspect",
        help="say what bytes are, and show what stands where",
        description="Say what bytes are, and show what stands where. Nothing is verified: inspect shows, it doesn't "
        "trust. What somebody could spend (tokens, handles) and what users say (content) is shown as a digest.",
        epilog="Exit status: 0 if all input is of a known format, 1 if some isn't, 2 for a mistake in the call.",
    )
    parser.add_argument("files", nargs="*", default=["-"], metavar="FILE", help="a file, or - for standard input")
    parser.add_argument("--as", dest="kind", choices=sorted(_BY_NAME), metavar="TYPE", help="read it as TYPE")
    parser.add_argument("--from", dest="encoding", choices=ENCODINGS, help="the encoding of the input, else found out")
    parser.add_argument("--json", action="store_true", help="one JSON object a line for each input")
    parser.add_argument("--reveal", action="store_true", help="show tokens, handles and content, too")
    parser.add_argument("--types", action="store_true", help="list the types and leave")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """The subcommand; its exit status."""
    if arguments.types:
        sys.stdout.writelines(f"{it.name:<22}  {it.title} ({it.source})\n" for it in FORMATS)
        return 0
    status = 0
    for path in arguments.files:
        for report in _reports(read_input(path), arguments):
            sys.stdout.write(f"{json.dumps(report.json())}\n" if arguments.json else report.text(path))
            status = max(status, report.status)
    return status


class _Report:
    """What is known of one input: ``rows`` of ``kind``, or why not."""

    def __init__(self, reading: Reading) -> None:
        self.reading = reading
        self.kind: Format | None = None
        self.also: Sequence[Format] = ()
        self.error = ""
        self.rows: Sequence[Row] = ()
        self.reasons: Sequence[Fit] = ()

    @property
    def status(self) -> int:
        return 1 if self.kind is None or self.error else 0

    def json(self) -> Json:
        """The report for machines."""
        found: dict[str, Json] = {
            "encoding": self.reading.encoding,
            "size": len(self.reading.data),
            "type": None if self.kind is None else self.kind.name,
        }
        if self.kind is not None:
            found |= {"title": self.kind.title, "source": self.kind.source, "sha256": digest(self.reading.data)}
            found["rows"] = [row.json() for row in self.rows]
        if self.also:
            found["also"] = [it.name for it in self.also]
        if self.error:
            found["error"] = self.error
        if self.reasons:
            found["reasons"] = {fit.format.name: str(fit.error) for fit in self.reasons}
        return found

    def text(self, path: str) -> str:
        """The report for people."""
        return "".join(f"{line.rstrip()}\n" for line in self._lines("standard input" if path == "-" else path))

    def _lines(self, name: str) -> Iterator[str]:
        size, encoding = len(self.reading.data), self.reading.encoding
        if self.kind is None:
            yield f"{name}: {self.error} ({size} bytes, {encoding})"
            yield from (f"  {fit.format.name:<22}  {fit.error}" for fit in self.reasons)
            if self.also:
                names = ", ".join(it.name for it in self.also)
                yield f"by its size alone it could be: {names}; --as TYPE shows it as that"
            return
        yield f"{name}: {self.kind.title} ({self.kind.source}), {size} bytes, {encoding}"
        yield from _table(self.rows, len(str(size)))
        if self.error:
            yield f"wrong: {self.error}"
        if self.also:
            yield f"could also be: {', '.join(it.name for it in self.also)}"


def _reports(text: bytes, arguments: argparse.Namespace) -> Iterator[_Report]:
    found = readings(text, arguments.encoding)
    if blocks := [it for it in found if it.encoding == "pem"]:
        yield from (_report([it], arguments) for it in blocks)
    elif found:
        yield _report(found, arguments)
    else:
        report = _Report(Reading("raw", text))
        report.error = f"not {arguments.encoding}"
        yield report


def _report(found: Sequence[Reading], arguments: argparse.Namespace) -> _Report:
    if "PRIVATE KEY" in found[0].label:
        report = _Report(found[0])
        report.error = "a private key, which is never shown"
        return report
    if found[0].damaged:
        report = _Report(found[0])
        report.error = f"{found[0].label}: not a whole block of base64"
        return report
    kind = _BY_LABEL.get(found[0].label) if arguments.kind is None else _BY_NAME[arguments.kind]
    if kind is not None:
        return _forced(found, kind, reveal=arguments.reveal)
    fits = [fitting(it.data) for it in found]
    best = max(range(len(found)), key=lambda at: (_strength(fits[at]), -at))
    report = _Report(found[best])
    good = [fit.format for fit in fits[best] if fit.error is None]
    if _strength(fits[best]) <= Strength.SIZE:
        report.error, report.also = "not of any known type", good
        report.reasons = [fit for fit in fits[best] if fit.error is not None]
        return report
    report.kind = good[0]
    report.also = [it for it in good[1:] if it.strength > Strength.SIZE]
    report.rows, error = describe(good[0], found[best].data, reveal=arguments.reveal)
    report.error = "" if error is None else str(error)
    return report


def _strength(fits: Sequence[Fit]) -> int:
    return -1 if fits[0].error is not None else fits[0].format.strength


def _forced(found: Sequence[Reading], kind: Format, *, reveal: bool) -> _Report:
    """As ``kind``, in the first encoding in which it is that, else in the likeliest with what is wrong."""
    fitting_one = next((it for it in found if _fits(kind, it.data)), found[0])
    report = _Report(fitting_one)
    report.kind = kind
    report.rows, error = describe(kind, fitting_one.data, reveal=reveal)
    report.error = "" if error is None else str(error)
    return report


def _fits(kind: Format, data: bytes) -> bool:
    try:
        kind.check(data)
    except PeerError:
        return False
    return True


def _table(rows: Sequence[Row], width: int) -> Iterator[str]:
    lines = list(_flat(rows, 0, decoded=False))
    column = min(max((len(name) for _, _, name, _ in lines), default=0), _NAME_WIDTH)
    yield f"  {'at':>{width + 2}}  {'size':>{width + 1}}"
    for offset, size, name, text in lines:
        yield f"  {offset:>{width + 2}}  {size:>{width + 1}}  {name:<{column}}  {text}"


def _flat(rows: Sequence[Row], depth: int, *, decoded: bool) -> Iterator[tuple[str, str, str, str]]:
    """The table's cells. Offsets in what was decoded stand in brackets."""
    for row in rows:
        if row.quiet:
            continue
        offset = "" if row.offset is None else f"[{row.offset}]" if decoded else str(row.offset)
        yield offset, "" if row.size is None else str(row.size), "  " * depth + row.name, row.text
        yield from _flat(row.rows, depth + 1, decoded=decoded)
        yield from _flat(row.decoded, depth + 1, decoded=True)
