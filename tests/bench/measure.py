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
GROWTH = 2 << 20
"""Bytes by which the process may grow while a stream passes."""


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
    """One stream: each :meth:`piece` carries one more piece to its end. What :meth:`ready` does for it isn't timed."""

    def ready(self) -> Any: ...

    def piece(self, ready: Any) -> object: ...


@dataclass(frozen=True)
class Stream:
    """``make`` and ``floor`` set a stream up; ``piece`` bytes go through with each call, ``size`` in all.

    ``bound``: the least share of the floor's rate, ``None`` where there is none.
    """

    name: str
    piece: int
    make: Callable[[], Pieces]
    floor: Callable[[], Pieces]
    bound: float | None = None
    size: int = 64 << 20


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
    def shares(self) -> tuple[float, ...]:
        """Of the floor's rate."""
        return tuple(rate / floor for rate, floor in zip(self.rates, self.floors, strict=True))

    @property
    def share(self) -> float:
        return statistics.median(self.shares)

    @property
    def verdict(self) -> str:
        if self.peaks[1] - self.peaks[0] > ROOM * self.stream.piece or self.growth > min(self.size // 64, GROWTH):
            return "GROWS"
        return "flat" if self.stream.bound is None or self.share >= self.stream.bound else "MISSED"


def _stream_run(pieces: Pieces, floor: Pieces, count: int, size: int) -> tuple[float, float]:
    """Rates of both in MB/s, a piece of one after a piece of the other. What a piece gives lives until the next."""
    spent = [0, 0]
    for _ in range(count):
        for which, one in enumerate((pieces, floor)):
            ready = one.ready()
            began = clock()
            given = one.piece(ready)
            spent[which] += clock() - began
    del given
    return count * size / spent[0] * 1e3, count * size / spent[1] * 1e3


def measure_stream(stream: Stream, size: int) -> StreamResult:
    """``size`` bytes, against a sixteenth of them."""
    count = size // stream.piece

    def long(times: int) -> None:
        pieces = stream.make()
        for _ in range(times):
            pieces.piece(pieces.ready())

    long(count // 16)
    before = resident()
    long(count)
    growth = resident() - before
    runs = [_stream_run(stream.make(), stream.floor(), count, stream.piece) for _ in range(RUNS)]
    rates, floors = zip(*runs, strict=True)
    peaks = peak(long, count // 16), peak(long, count)
    return StreamResult(stream, size, rates, floors, peaks, growth)


def resident() -> int:
    """The largest resident size so far, in bytes (Linux counts in KiB)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
