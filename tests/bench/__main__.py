"""Speed and memory against the bare primitives.

    python -m tests.bench [-k PATTERN] [--seconds S] [--no-calls] [--no-peers] [--plot FILE]

Prints a line an operation: time, floor, ratio (median of three runs, and each run), bound and verdict; then streams,
what many sessions hold, and whether late requests cost more than early ones; then the peers in other languages; then
what each floor calls. ``--plot`` draws it, too. Ends with status 1 if a bound is missed.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import sys
from collections.abc import Iterable, Iterator
from importlib.metadata import version
from pathlib import Path

from OpenSSL import SSL

from tests.bench import rivals
from tests.bench.growth import GrowthResult, measure_growth
from tests.bench.held import HeldResult, measure_held
from tests.bench.measure import Operation, Result, StreamResult, measure, measure_stream
from tests.bench.operations import growths, held, operations, streams
from tests.bench.peers import comparisons
from tests.bench.plot import plot


def table(head: list[str], rows: Iterable[list[str]]) -> Iterator[str]:
    """Aligned columns: the first to the left, the others to the right."""
    lines = [head, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    for line in [head, ["-" * width for width in widths], *lines[1:]]:
        first, *rest = (
            cell.ljust(width) if not i else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        yield "  ".join((first, *rest)).rstrip()


def row(result: Result) -> list[str]:
    operation = result.operation
    return [
        operation.name,
        f"{min(result.times) / 1e3:.1f}",
        f"{min(result.floors) / 1e3:.1f}" if result.floors else "",
        "" if result.ratio is None else f"{result.ratio:.3f}",
        limits(operation),
        result.verdict,
        " ".join(f"{ratio:.3f}" for ratio in result.ratios),
        f"{result.peaks[0] / 1024:.1f}",
        f"{result.peaks[1] / 1024:.1f}" if operation.floor else "",
    ]


def limits(operation: Operation) -> str:
    found = [] if operation.bound is None else [f"<= {operation.bound:.4g}"]
    return ", ".join(found if operation.limit is None else [*found, f"<= {operation.limit:.0f} us"])


def stream_row(result: StreamResult) -> list[str]:
    return [
        f"{result.stream.name}, {result.size >> 20} MiB",
        f"{max(result.rates):.0f}",
        f"{max(result.floors):.0f}",
        f"{result.share:.3f}",
        "" if result.stream.bound is None else f">= {result.stream.bound}",
        result.verdict,
        " ".join(f"{share:.3f}" for share in result.shares),
        f"{result.peaks[0] / 1024:.0f}",
        f"{result.peaks[1] / 1024:.0f}",
        f"{result.growth / 1024:.0f}",
    ]


def held_row(result: HeldResult) -> list[str]:
    sizes = (result.all, result.floor, result.beyond)
    return [
        f"{result.count} x {result.held.name}",
        *(f"{size / 1024:.1f}" for size in sizes),
        f"<= {result.held.limit >> 10}",
        result.verdict,
    ]


def growth_row(result: GrowthResult) -> list[str]:
    growth = result.growth
    return [
        f"{growth.name}, after {growth.near} and {growth.far}",
        f"{min(result.near) / 1e3:.1f}",
        f"{min(result.far) / 1e3:.1f}",
        f"{result.ratio:.3f}",
        f"<= {growth.bound}",
        f"{result.left:.0f}",
        f"<= {growth.limit}",
        result.verdict,
        " ".join(f"{ratio:.3f}" for ratio in result.ratios),
    ]


def calls(chosen: Iterable[Operation]) -> Iterator[str]:
    for operation in chosen:
        if operation.floor is not None:
            yield f"\nFloor of: {operation.name}"
            yield from operation.floor.listing()


def machine() -> str:
    """The processor, as Linux names it, and how busy it was when the run began."""
    found = Path("/proc/cpuinfo")
    lines = found.read_text(encoding="utf-8").splitlines() if found.exists() else []
    model = next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine())
    return f"{model}, {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f} at the beginning"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("-k", default="", metavar="PATTERN", help="only names with this regular expression in them")
    parser.add_argument("--seconds", type=float, default=0.45, help="CPU time of each of the three runs")
    parser.add_argument("--no-calls", action="store_true", help="without the floors' lists of calls")
    parser.add_argument("--no-peers", action="store_true", help="without the libraries of other languages")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw what was measured, as SVG")
    arguments = parser.parse_args()

    libraries = ", ".join(f"{name} {version(name)}" for name in ("cryptography", "pyOpenSSL", "pycryptodome"))
    print(f"Python {platform.python_version()}, {libraries}, {SSL.SSLeay_version(SSL.SSLEAY_VERSION).decode()}")
    print(f"{machine()}\n")
    # Streams come first: later on, something else may have raised the process's largest resident size.
    flowing = [measure_stream(one, one.size) for one in streams() if re.search(arguments.k, one.name)]
    many = [measure_held(one) for one in held() if re.search(arguments.k, one.name)]
    late = [measure_growth(one) for one in growths() if re.search(arguments.k, one.name)]
    with rivals.circl() as driver:
        chosen = [one for one in (*operations(), *rivals.operations(driver)) if re.search(arguments.k, one.name)]
        results = [measure(one, seconds=arguments.seconds) for one in chosen]
    if results:
        head = ["1 KiB messages", "us", "floor us", "ratio", "bound", "", "runs", "peak KiB", "floor KiB"]
        print("\n".join(table(head, map(row, results))))
    if flowing:
        head = [
            "stream",
            "MB/s",
            "floor MB/s",
            "share",
            "bound",
            "",
            "runs",
            "1/16: peak KiB",
            "peak KiB",
            "growth KiB",
        ]
        print("\n" + "\n".join(table(head, map(stream_row, flowing))))
    if many:
        head = ["at once", "KiB each", "TLS's own", "beyond", "bound", ""]
        print("\n" + "\n".join(table(head, map(held_row, many))))
    if late:
        head = ["one more", "us early", "us late", "ratio", "bound", "B left", "bound", "", "runs"]
        print("\n" + "\n".join(table(head, map(growth_row, late))))
    compared = [] if arguments.no_peers else list(comparisons(arguments.k, seconds=arguments.seconds))
    if compared:
        head = ["beside peers, both ends", "peer", "us here", "floor us", "us there", "there / here"]
        print("\n" + "\n".join(table(head, [one.row for one in compared])))
        print("A peer below the floor has faster primitives than the crypto library has.")
    if arguments.plot is not None:
        arguments.plot.write_text(plot(results, flowing, compared), encoding="utf-8")
    if not arguments.no_calls:
        print("\n".join(calls(chosen)))
    return int(any(result.verdict in {"MISSED", "GROWS"} for result in (*results, *flowing, *many, *late)))


if __name__ == "__main__":
    sys.exit(main())
