"""What went between the parties, drawn: a sequence chart in SVG, and a page that opens from a file.

Nothing in it is secret, by construction: it is drawn from sizes and from the canonical views of
:mod:`tests.unlinkability.game`, in which a long value is a number and a length.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape

PARTIES = ("issuer", "cdn", "device", "relay", "gateway", "host", "enclave")
TITLES = {"cdn": "mirrors"}
WIDTH, LEFT, TOP, ROW = 140, 70, 56, 44

STYLE = """
:root{--ink:#1f2933;--soft:#52606d;--line:#cbd2d9;--back:#fff;--box:#f0f4f8;--up:#0b5394;--down:#7a4b00}
@media(prefers-color-scheme:dark){:root{--ink:#e4e7eb;--soft:#9aa5b1;--line:#3e4c59;--back:#15191e;--box:#232b33;
--up:#7cb7f0;--down:#e3b261}}
.size{fill:var(--soft);font-size:11px}
text{font-family:system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;fill:var(--ink);font-size:12px}
.party{font-size:14px;font-weight:600}.box{fill:var(--box);stroke:var(--line)}.life{stroke:var(--line)}
.up{stroke:var(--up);stroke-width:1.5}.down{stroke:var(--down);stroke-width:1.5}
.up-head{fill:var(--up)}.down-head{fill:var(--down)}.label{paint-order:stroke;stroke:var(--back);stroke-width:4px}
"""


NAMES = {
    "relay → cdn": ("GET, for the device",),
    "cdn → device": ("package and proof",),
    "device → issuer": ("TokenRequest, under the account",),
    "issuer → device": ("TokenResponse",),
    "device → relay": ("token, Open; sealed", "question; sealed"),
    "relay → gateway": ("the same bytes",),
    "gateway → host": ("Open", "TLS records"),
    "host → enclave": ("Open", "TLS records"),
    "enclave → host": ("flight, evidence", "TLS records"),
    "host → gateway": ("flight, evidence", "TLS records"),
    "gateway → relay": ("offer, proofs; sealed", "answer; sealed"),
    "relay → device": ("the same bytes",),
}
"""What the first message on a boundary is, and what the later ones are."""


@dataclass(frozen=True)
class Message:
    """``away`` from the device, or back to it."""

    source: str
    target: str
    text: str
    size: int
    away: bool


def messages(crossings: Iterable[tuple[str, bytes]]) -> Iterator[Message]:
    """An arrow for each message between two parties."""
    counts: Counter[str] = Counter()
    for boundary, data in crossings:
        way = boundary.partition(" (")[0]
        if way not in NAMES:
            continue
        source, target = way.split(" → ")
        text = NAMES[way][min(counts[way], len(NAMES[way]) - 1)]
        counts[way] += 1
        away = target != "device" and (source == "device" or PARTIES.index(source) < PARTIES.index(target))
        yield Message(source, target, text, len(data), away or way == "relay → cdn")


def svg(drawn: Sequence[Message], *, title: str) -> str:
    """The chart. Colours follow the reader's light or dark setting."""
    width, height = LEFT * 2 + WIDTH * (len(PARTIES) - 1), TOP + ROW * (len(drawn) + 1)
    at = {party: LEFT + WIDTH * number for number, party in enumerate(PARTIES)}
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">',
        f"<title>{escape(title)}</title>",
        f"<style>{STYLE}</style>",
        *(_marker(way) for way in ("up", "down")),
    ]
    for party, x in at.items():
        parts.append(f'<line class="life" x1="{x}" y1="40" x2="{x}" y2="{height - 8}"/>')
        parts.append(f'<rect class="box" x="{x - 52}" y="8" width="104" height="32" rx="4"/>')
        parts.append(f'<text class="party" x="{x}" y="29" text-anchor="middle">{TITLES.get(party, party)}</text>')
    for number, message in enumerate(drawn):
        parts += _arrow(message, at, TOP + ROW * number + 20)
    return "\n".join([*parts, "</svg>"])


def _marker(way: str) -> str:
    return (
        f'<marker id="{way}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
        f'<path class="{way}-head" d="M0 0L8 4L0 8z"/></marker>'
    )


def _arrow(message: Message, at: dict[str, int], y: int) -> Iterator[str]:
    start, end = at[message.source], at[message.target]
    way, middle = "up" if message.away else "down", (start + end) / 2
    yield f'<text class="label" x="{middle}" y="{y - 5}" text-anchor="middle">{escape(message.text)}</text>'
    yield f'<text class="label size" x="{middle}" y="{y + 13}" text-anchor="middle">{message.size:,} bytes</text>'
    yield f'<line class="{way}" x1="{start}" y1="{y}" x2="{end}" y2="{y}" marker-end="url(#{way})"/>'


PAGE_STYLE = """
body{margin:0 auto;max-width:1000px;padding:1.5rem 1rem;background:var(--back);color:var(--ink);
font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
h1{font-size:1.6rem;margin:0 0 .5rem}h2{font-size:1.2rem;margin:2rem 0 .5rem}p{max-width:65ch}
.wide{overflow-x:auto}svg{min-width:900px;width:100%;height:auto}
table{border-collapse:collapse;font-size:.9rem}th,td{padding:.3rem .7rem;border-bottom:1px solid var(--line);
text-align:left;vertical-align:top}th{font-weight:600}td.saw{font-weight:600}td:first-child{min-width:8rem}
details{border-bottom:1px solid var(--line);padding:.4rem 0}summary{cursor:pointer}
details table{font:.8rem/1.4 ui-monospace,Menlo,Consolas,monospace;margin:.5rem 0}
.soft{color:var(--soft)}
"""


INTRODUCTION = (
    "Every message between the parties, in order, with its size. Blue goes away from the device; brown, or yellow on "
    "black, comes back. Several lines between relay, gateway, host and enclave are one message on its way."
)
NUMBERS = (
    "Random values, hashes and ciphertexts have numbers by their first appearance to a party: the same number is the "
    "same value. None of them is in this page."
)


@dataclass(frozen=True)
class View:
    """What one party saw, in canonical form: path and value."""

    party: str
    leaves: Sequence[tuple[str, str]]


def page(
    drawn: Sequence[Message],
    table: Sequence[Sequence[str]],
    checks: Sequence[str],
    views: Sequence[View],
) -> str:
    """One HTML file without scripts and without anything from elsewhere. ``table``: a head and its rows."""
    title = "One private request"
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">',
            f"<title>{title}</title><style>{STYLE}{PAGE_STYLE}</style></head><body>",
            f"<h1>{title}</h1>",
            f"<p>{INTRODUCTION}</p>",
            f'<div class="wide">{svg(drawn, title="Message sequence")}</div>',
            "<h2>What each party had in the clear</h2>",
            f'<div class="wide">{_table(table)}</div>',
            "<h2>What the device checked before the question left</h2>",
            f"<p>{', '.join(map(escape, checks))}.</p>",
            "<h2>What each party saw, field by field</h2>",
            f'<p class="soft">{NUMBERS}</p>',
            *map(_view, views),
            "</body></html>",
        ]
    )


def _table(rows: Sequence[Sequence[str]]) -> str:
    head, *body = rows
    cells = "".join(f"<th>{escape(TITLES.get(cell, cell))}</th>" for cell in head)
    lines = [
        "<tr>" + "".join(f'<td class="{"saw" if cell == "saw" else ""}">{escape(cell)}</td>' for cell in row) + "</tr>"
        for row in body
    ]
    return f"<table><thead><tr>{cells}</tr></thead><tbody>{''.join(lines)}</tbody></table>"


def _view(view: View) -> str:
    rows = "".join(f"<tr><td>{escape(path)}</td><td>{escape(value)}</td></tr>" for path, value in view.leaves)
    count = len(view.leaves)
    return (
        f"<details><summary>{TITLES.get(view.party, view.party)} <span class='soft'>({count} fields)</span></summary>"
        f'<div class="wide"><table>{rows}</table></div></details>'
    )
