"""The numbers and figures of docs/benchmarks.md: python -m tests.bench.page [SECTION...] measures them anew.

Each section is a run of its own, in a process of its own; without names, all are. Takes some ten minutes.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from pathlib import Path

DOCS = Path(__file__).resolve().parent.parent.parent / "docs"
PAGE = DOCS / "benchmarks.md"
SECTIONS = {
    "requests": ("^(private.*parties|live.*parties|ratls handshake|OHTTP|HPKE|BHTTP)", "--no-peers"),
    "sessions": ("^(session: |first byte|private.*own$|live session's request$|spend)", "--no-peers"),
    "streams": ("^(chunked|responsekey|pipe|ratls channel)", "--no-peers"),
    "evidence": ("^(appraisal|report|ledger|package|entry|receipt)", "--no-peers"),
    "tokens": ("^(blind|VOPRF|token|wallet|ARC|ACT)", "--no-peers"),
    "peers": ("beside peers$",),
}


def run(pattern: str, *options: str, figure: Path) -> str:
    """What the bench prints; it draws ``figure`` anew if there is one. A bound that is missed is a number like the
    others.
    """
    command = [sys.executable, "-m", "tests.bench", "--no-calls", "-k", pattern, *options]
    command += ["--plot", str(figure)] if figure.exists() else []
    done = subprocess.run(command, cwd=DOCS.parent, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode not in (0, 1):
        raise SystemExit(f"the bench failed: {' '.join(command)}")
    return done.stdout.strip("\n")


def replaced(page: str, section: str, printed: str) -> str:
    """``page`` with ``printed`` in the block after the section's figure, or below its name where it has none."""
    pattern = re.compile(
        rf"((?:\(figures/bench-{section}\.svg\)|## {section.capitalize()}\n[^`]*)\n\n```text\n).*?(\n```\n)", re.DOTALL
    )
    found, count = pattern.subn(lambda match: match[1] + printed + match[2], page)
    if count != 1:
        raise ValueError(f"the page has {count} blocks for {section}")
    return found


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.page", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=", ".join(SECTIONS))
    chosen = parser.parse_args().sections or list(SECTIONS)
    for section in chosen:
        pattern, *options = SECTIONS[section]
        printed = run(pattern, *options, figure=DOCS / "figures" / f"bench-{section}.svg")
        PAGE.write_text(replaced(PAGE.read_text(encoding="utf-8"), section, printed), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
