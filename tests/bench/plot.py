"""What was measured, drawn: one SVG that follows the reader's light or dark setting.

Three parts, each with a scale of its own: times in multiples of the floor, streams as a share of the floor's rate, and
the libraries of other languages beside this one and its floor.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby

from tests.bench.measure import Result, StreamResult
from tests.bench.peers import Comparison

EDGE, BARS, RIGHT = 8, 420, 130  # pixels: to the left, of the longest bar, of numbers
ROW, HEAD = 34, 62
WIDTH = EDGE + BARS + RIGHT

STYLE = """
svg{--ink:#1f2933;--soft:#52606d;--line:#cbd2d9;--back:#fff;--here:#0b5394;--floor:#9aa5b1;--there:#c08a2d;--worse:#b3261e}
@media(prefers-color-scheme:dark){svg{--ink:#e4e7eb;--soft:#9aa5b1;--line:#3e4c59;--back:#15191e;--here:#7cb7f0;
--floor:#616e7c;--there:#e3b261;--worse:#f2786d}}
text{font-family:system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;fill:var(--ink);font-size:13px}
.back{fill:var(--back)}.part{font-weight:600;font-size:15px}.soft{fill:var(--soft);font-size:12px}
.here{fill:var(--here)}.floor{fill:var(--floor)}.there{fill:var(--there)}.worse{fill:var(--worse)}
.one{stroke:var(--soft);stroke-dasharray:3 3}.bound{stroke:var(--ink);stroke-width:2}
"""


@dataclass(frozen=True)
class Bar:
    """``value`` in the part's unit; ``mark``: the bound; ``kind``: its colour."""

    name: str
    value: float
    text: str
    kind: str = "here"
    mark: float | None = None


@dataclass(frozen=True)
class Part:
    """``scale``: the value of the longest bar; ``line``: where the floor stands, if it is the same for all bars."""

    title: str
    note: str
    bars: Sequence[Bar]
    scale: float
    line: float | None = None


def plot(results: Iterable[Result], flowing: Iterable[StreamResult], compared: Iterable[Comparison]) -> str:
    """The figure. What has no floor isn't in it, nor is a peer that can't be had."""
    parts = [part for part in (_times(results), _streams(flowing), *_peers(compared)) if part.bars]
    height = 8 + sum(HEAD + ROW * len(part.bars) for part in parts)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">',
        "<title>Speed against the floor and peers</title>",
        f"<style>{STYLE}</style>",
        f'<rect class="back" width="{WIDTH}" height="{height}"/>',
    ]
    top = 8
    for part in parts:
        lines += _draw(part, top)
        top += HEAD + ROW * len(part.bars)
    return "\n".join([*lines, "</svg>", ""])


def _times(results: Iterable[Result]) -> Part:
    bars = [
        Bar(
            result.operation.name,
            result.ratio,
            f"{result.ratio:.2f}",
            "worse" if result.verdict == "MISSED" else "here",
            result.operation.bound,
        )
        for result in results
        if result.ratio is not None
    ]
    note = "1: the primitives alone, or the library that is named. Mark: the bound. Red: missed."
    return Part("Time, in multiples of the floor", note, bars, _longest(bars), 1)


def _streams(flowing: Iterable[StreamResult]) -> Part:
    bars = [
        Bar(
            result.stream.name,
            result.share,
            f"{result.share:.2f}, {max(result.rates):,.0f} MB/s",
            "worse" if result.verdict in {"MISSED", "GROWS"} else "here",
            result.stream.bound,
        )
        for result in flowing
    ]
    return Part(
        "Streams: share of the floor's rate",
        "1: the same ciphers alone. Longer is better",
        bars,
        max(_longest(bars), 1),
        1,
    )


def _peers(compared: Iterable[Comparison]) -> Iterator[Part]:
    for name, group in groupby(compared, key=lambda one: one.name):
        found = list(group)
        bars = [Bar("floor of this library", found[0].floor, f"{found[0].floor:,.0f} us", "floor")]
        bars.append(Bar("this library", found[0].here, f"{found[0].here:,.0f} us"))
        bars += [
            Bar(str(one.peer), one.there, f"{one.there:,.0f} us", "there")
            for one in found
            if isinstance(one.there, float)
        ]
        title = f"{name.removesuffix(', beside peers')}: both ends, 1 KiB"
        yield Part(title, "microseconds; shorter is better", bars if len(bars) > 2 else [], _longest(bars))


def _longest(bars: Sequence[Bar]) -> float:
    return max((max(bar.value, bar.mark or 0, 0) for bar in bars), default=1)


def _draw(part: Part, top: int) -> Iterator[str]:
    yield f'<text class="part" x="8" y="{top + 20}">{escape(part.title)}</text>'
    yield f'<text class="soft" x="8" y="{top + 38}">{escape(part.note)}</text>'
    first, last = top + HEAD - 14, top + HEAD - 14 + ROW * len(part.bars)
    for number, bar in enumerate(part.bars):
        y = first + ROW * number
        yield f'<text x="{EDGE}" y="{y + 12}">{escape(bar.name)}</text>'
        wide = BARS * bar.value / part.scale
        yield f'<rect class="{bar.kind}" x="{EDGE}" y="{y + 17}" width="{wide:.1f}" height="11" rx="2"/>'
        end = wide
        if bar.mark is not None:
            x = BARS * bar.mark / part.scale
            yield f'<line class="bound" x1="{EDGE + x:.1f}" y1="{y + 15}" x2="{EDGE + x:.1f}" y2="{y + 30}"/>'
            end = x if 0 < x - wide < 60 else wide  # the number stands behind a mark that it would cover
        yield f'<text class="soft" x="{EDGE + end + 6:.1f}" y="{y + 27}">{escape(bar.text)}</text>'
    if part.line is not None:
        x = EDGE + BARS * part.line / part.scale
        yield f'<line class="one" x1="{x:.1f}" y1="{first}" x2="{x:.1f}" y2="{last}"/>'
