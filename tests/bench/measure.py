"""Timing against a floor, and peaks of memory.

A run interleaves short batches of the operation with batches of its floor and takes the minimum of each; the ratio of
the two minima is the run's. What is measured is the CPU time of this thread, so that other load on the machine shows
in neither; the collector is off inside of a batch and runs between them.
"""

from __future__ import annotations

import gc
import resource
import statistics
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from tests.bench.floors import Call, Floor
from tests.bench.parties import Pause, clock

RUNS = 3
BATCH = 1_000_000  # ns that a batch should take
BATCHES = 250  # of the operation, at least, in each run
ROOM = 4
"""Pieces of a stream by which a long one may need more memory than a short one: 0.4 % of what passes through."""


def _nothing() -> None:
    return None


@dataclass(frozen=True)
class Operation:
    """``run`` is called with what ``prepare`` gave, which isn't timed; nor is what happens under ``pause``.

    ``bound``: of the ratio to ``floor``, ``None`` where there is none; ``floor`` is ``None`` for an operation without
    primitives. ``limit``: microseconds that it may take at most. ``batches``: how many each run has at least.
    """

    name: str
    run: Callable[[Any], object]
    floor: Floor | None
    bound: float | None = None
    prepare: Callable[[], Any] = _nothing
    pause: Pause = field(default_factory=Pause)
    limit: float | None = None
    batches: int = BATCHES

    def once(self) -> object:
        return self.run(self.prepare())


class Elsewhere(Floor):
    """A floor in another process, which says itself how long it took."""

    def __init__(self, what: str, nanoseconds: Callable[[], float]) -> None:
        super().__init__(Call(1, what, "in a process of its own", nanoseconds))
        self.nanoseconds = nanoseconds


@dataclass(frozen=True)
class Result:
    """Times in ns, one a run. ``peaks``: bytes that Python allocated at most, in the operation and in its floor."""

    operation: Operation
    times: tuple[float, ...]
    floors: tuple[float, ...]
    peaks: tuple[int, int]

    @property
    def ratios(self) -> tuple[float, ...]:
        return tuple(time / floor for time, floor in zip(self.times, self.floors, strict=False))

    @property
    def ratio(self) -> float | None:
        return statistics.median(self.ratios) if self.ratios else None

    @property
    def verdict(self) -> str:
        bound, limit = self.operation.bound, self.operation.limit
        if limit is not None and statistics.median(self.times) > limit * 1e3:
            return "MISSED"
        if bound is None or self.ratio is None:
            return "" if limit is None else "ok"
        return "ok" if self.ratio <= bound else "MISSED"


def _operation_batch(operation: Operation, times: int) -> float:
    prepared = [operation.prepare() for _ in range(times)]
    run, pause = operation.run, operation.pause
    paused = pause.total
    began = clock()
    for one in prepared:
        run(one)
    return (clock() - began - (pause.total - paused)) / times


def _floor_batch(floor: Floor, times: int) -> float:
    if isinstance(floor, Elsewhere):
        return floor.nanoseconds()
    run = floor.run
    began = clock()
    for _ in range(times):
        run()
    return (clock() - began) / times


def _one_run(operation: Operation, times: int, seconds: float) -> tuple[float, float]:
    best, least = float("inf"), float("inf")
    ends = clock() + int(seconds * 1e9)
    while best == float("inf") or clock() < ends:
        gc.collect(0)
        gc.disable()
        if operation.floor is not None:
            least = min(least, _floor_batch(operation.floor, times))
        best = min(best, _operation_batch(operation, times))
        gc.enable()
    return best, least


def measure(operation: Operation, *, seconds: float) -> Result:
    """``seconds`` of CPU time for each run, more if that doesn't give :data:`BATCHES`; 0 is one batch a run."""
    operation.once()
    one = max(_operation_batch(operation, 3), 1)
    times = max(1, int(BATCH / one))
    if seconds:
        seconds = max(seconds, operation.batches * 2 * one * times / 1e9)
    runs = [_one_run(operation, times, seconds) for _ in range(RUNS)]
    peaks = peak(operation.run, operation.prepare()), peak(operation.floor.run) if operation.floor else 0
    floors = tuple(floor for _, floor in runs) if operation.floor else ()
    return Result(operation, tuple(time for time, _ in runs), floors, peaks)


def peak(run: Callable[..., object], *arguments: object) -> int:
    """Bytes that ``run`` had allocated through Python at most. OpenSSL's own memory isn't seen."""
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        run(*arguments)
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()


class Pieces(Protocol):
    """One stream: each call carries one more piece from end to end."""

    def piece(self) -> object: ...


@dataclass(frozen=True)
class Stream:
    """``make`` and ``floor`` set a stream up; ``piece`` bytes go through with each call."""

    name: str
    piece: int
    make: Callable[[], Pieces]
    floor: Callable[[], Pieces]


@dataclass(frozen=True)
class StreamResult:
    """``rates`` and ``floors`` in MB/s, one a run; ``peaks`` in bytes, of the short and of the long stream.

    ``growth``: by how much the process's largest resident size rose after the short one.
    """

    stream: Stream
    size: int
    rates: tuple[float, ...]
    floors: tuple[float, ...]
    peaks: tuple[int, int]
    growth: int

    @property
    def ratios(self) -> tuple[float, ...]:
        return tuple(floor / rate for rate, floor in zip(self.rates, self.floors, strict=True))

    @property
    def verdict(self) -> str:
        flat = self.peaks[1] - self.peaks[0] <= ROOM * self.stream.piece and self.growth <= self.size // 64
        return "flat" if flat else "GROWS"


def measure_stream(stream: Stream, size: int) -> StreamResult:
    """``size`` bytes, against a sixteenth of them."""
    count = size // stream.piece

    def rate(pieces: Pieces, times: int) -> float:
        began = clock()
        for _ in range(times):
            pieces.piece()
        return times * stream.piece / (clock() - began) * 1e3

    def long(times: int) -> None:
        pieces = stream.make()
        for _ in range(times):
            pieces.piece()

    long(count // 16)
    before = resident()
    rates, floors = [], []
    for _ in range(RUNS):
        floors.append(rate(stream.floor(), count))
        rates.append(rate(stream.make(), count))
    growth = resident() - before
    peaks = peak(long, count // 16), peak(long, count)
    return StreamResult(stream, size, tuple(rates), tuple(floors), peaks, growth)


def resident() -> int:
    """The largest resident size so far, in bytes (Linux counts in KiB)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
