"""What a thousand things at once hold: by how much a process grows, beside what they can't do without.

Each number comes from a process of its own, ``python -m tests.bench.held NAME COUNT [--floor]``, whose memory nothing
else has shaped. It is the resident size, so what C libraries hold counts as what Python does.
"""

from __future__ import annotations

import argparse
import gc
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
COUNT = 1000
WARM_UP = 50
"""Made and dropped before, so that what is made once and kept is not counted."""


@dataclass(frozen=True)
class Held:
    """``make`` gives one more, ``floor`` what it stands on; ``limit``: bytes for each beyond that."""

    name: str
    make: Callable[[], object]
    floor: Callable[[], object]
    limit: int


@dataclass(frozen=True)
class HeldResult:
    """Bytes for each of ``count``."""

    held: Held
    count: int
    all: float
    floor: float

    @property
    def beyond(self) -> float:
        return self.all - self.floor

    @property
    def verdict(self) -> str:
        return "ok" if self.beyond <= self.held.limit else "MISSED"


def _resident() -> int:
    """Pages now, not at most; Linux alone tells."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * 4096


def grown(make: Callable[[], object], count: int) -> float:
    """Bytes for each of ``count`` that ``make`` gives."""
    for _ in range(WARM_UP):
        make()
    gc.collect()
    before = _resident()
    kept = [make() for _ in range(count)]
    gc.collect()
    return (_resident() - before) / len(kept)


def measure_held(held: Held, count: int = COUNT) -> HeldResult:
    def child(*options: str) -> float:
        command = [sys.executable, "-m", "tests.bench.held", held.name, str(count), *options]
        return float(subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout)

    return HeldResult(held, count, child(), child("--floor"))


def main(those: Iterable[Held]) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.held", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("name")
    parser.add_argument("count", type=int)
    parser.add_argument("--floor", action="store_true")
    arguments = parser.parse_args()
    (held,) = (one for one in those if one.name == arguments.name)
    print(grown(held.floor if arguments.floor else held.make, arguments.count))


if __name__ == "__main__":
    from tests.bench.operations import held

    main(held())
