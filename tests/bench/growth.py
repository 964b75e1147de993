"""Whether what comes late costs more than what came early: time and memory of one more step, with much behind it."""

from __future__ import annotations

import gc
import statistics
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass

from tests.bench.measure import BATCH, RUNS
from tests.bench.parties import Pause, clock

BATCHES = 60
"""Of each of the two, in each run."""


@dataclass(frozen=True)
class Growth:
    """``make`` gives a step that is taken again and again; after ``far`` times it may cost ``bound`` times as much as
    after ``near``, and each may leave ``limit`` bytes behind. What happens under ``pause`` isn't timed.
    """

    name: str
    make: Callable[[], Callable[[], object]]
    near: int
    far: int
    limit: int
    bound: float
    pause: Pause


@dataclass(frozen=True)
class GrowthResult:
    """Times of a step in ns, one a run; ``left`` in bytes for each step."""

    growth: Growth
    near: tuple[float, ...]
    far: tuple[float, ...]
    left: float

    @property
    def ratios(self) -> tuple[float, ...]:
        return tuple(far / near for near, far in zip(self.near, self.far, strict=True))

    @property
    def ratio(self) -> float:
        return statistics.median(self.ratios)

    @property
    def verdict(self) -> str:
        flat = self.ratio <= self.growth.bound and self.left <= self.growth.limit
        return "flat" if flat else "GROWS"


def _after(growth: Growth, steps: int) -> Callable[[], object]:
    step = growth.make()
    for _ in range(steps):
        step()
    return step


def _batch(growth: Growth, step: Callable[[], object], times: int) -> float:
    paused, began = growth.pause.total, clock()
    for _ in range(times):
        step()
    return (clock() - began - (growth.pause.total - paused)) / times


def _run(growth: Growth, near: Callable[[], object], far: Callable[[], object], times: int) -> tuple[float, float]:
    least = [float("inf"), float("inf")]
    for _ in range(BATCHES):
        for which, step in enumerate((near, far)):
            gc.collect(0)
            gc.disable()
            least[which] = min(least[which], _batch(growth, step, times))
            gc.enable()
    return least[0], least[1]


def measure_growth(growth: Growth) -> GrowthResult:
    """Both in turn, batch by batch; the first run's early steps are the earliest."""
    near, far = _after(growth, growth.near), _after(growth, growth.far)
    times = max(1, int(BATCH / max(_batch(growth, near, 3), 1)))
    runs = [_run(growth, near, far, times) for _ in range(RUNS)]
    early, late = zip(*runs, strict=True)
    return GrowthResult(growth, early, late, _left(growth, growth.far // 4))


def _left(growth: Growth, steps: int) -> float:
    """Bytes that each of ``steps`` leaves allocated through Python."""
    step = _after(growth, growth.near)
    gc.collect()
    tracemalloc.start()
    try:
        step()
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(steps):
            step()
        gc.collect()
        return (tracemalloc.get_traced_memory()[0] - before) / steps
    finally:
        tracemalloc.stop()
