"""Fuzz with atheris, a coverage-guided fuzzer.

    python -m tests.fuzz [-k TEXT] [--seconds S] [--seed N] [--together]

Each target in a process of its own for S seconds, seeded from ``vectors/``; with ``--together`` all in one process, in
which the first byte of an input says whose it is. Prints executions, speed and coverage of each, or of all together
and the fewest executions that a target had; ends with status 1 on a finding, whose input is left in the current folder
as ``crash-...``.
"""

from __future__ import annotations

import argparse
import mmap
import re
import subprocess
import sys
import tempfile
from array import array
from collections.abc import Callable, Iterator
from pathlib import Path

MEMORY = 1024  # MiB
TIMEOUT = 10  # seconds for one input
LONGEST = 1 << 14


def run(label: str, words: list[str], seconds: int, seed: int) -> bool:
    """One child process; whether it found nothing."""
    began = subprocess.run(
        [sys.executable, "-m", "tests.fuzz", "--child", *words, "--seconds", str(seconds), "--seed", str(seed)],
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    done = re.search(r"Done (\d+) runs in (\d+) second", began.stderr)
    covered = re.findall(r"cov: (\d+)", began.stderr)
    if began.returncode or not done:
        print(f"{label}: FOUND\n{began.stdout}{began.stderr[-4000:]}")
        return False
    executions, took = int(done[1]), max(1, int(done[2]))
    print(f"{label:48} {executions:>9} executions {executions // took:>7}/s {covered[-1] if covered else '':>6} edges")
    return True


def run_together(text: str, seconds: int, seed: int) -> bool:
    """One child process for all of them; whether it found nothing."""
    with tempfile.NamedTemporaryFile() as counts:
        passed = run("all targets", ["--counts", counts.name, "-k", text], seconds, seed)
        executions = array("Q", Path(counts.name).read_bytes())
    if executions:
        print(f"{f'fewest of {len(executions)} targets':48} {min(executions):>9} executions")
    return passed


def child(text: str, seconds: int, seed: int, *, counted: str) -> None:
    """Runs the fuzzer, which ends the process. ``counted``: a file for the executions of each, if all run together."""
    import atheris

    with atheris.instrument_imports(include=["privproc"]):
        from tests.fuzz import targets as module
    from privproc.errors import PeerError

    everything = module.targets()
    chosen = {
        name: target
        for name, target in everything.items()
        if text in (name, "") or (text in name and text not in everything)
    }
    listed, together = list(chosen.values()), bool(counted)
    counts = shared(counted, len(listed)) if together else memoryview(array("Q", [0]))

    def one(data: bytes) -> None:
        number, rest = (data[0] % len(listed), data[1:]) if together and data else (0, data)
        counts[number] += 1
        try:
            listed[number](rest)
        except PeerError:
            return

    with tempfile.TemporaryDirectory() as corpus:
        for number, data in enumerate(inputs(chosen, module.seeds, together=together)):
            (Path(corpus) / str(number)).write_bytes(data)
        limits = [f"-max_total_time={seconds}", f"-rss_limit_mb={MEMORY}", f"-timeout={TIMEOUT}", f"-max_len={LONGEST}"]
        atheris.Setup([sys.argv[0], *limits, f"-seed={seed}", corpus], one)
        atheris.Fuzz()


def shared(name: str, count: int) -> memoryview[int]:
    """Numbers in a file, where they stay when the fuzzer ends the process, which lets nothing of Python's run."""
    with Path(name).open("r+b") as file:
        file.truncate(8 * count)
        return memoryview(mmap.mmap(file.fileno(), 0)).cast("Q")


def inputs(
    chosen: dict[str, Callable[[bytes], object]], seeds: Callable[..., list[bytes]], *, together: bool
) -> Iterator[bytes]:
    for number, (name, target) in enumerate(chosen.items()):
        for data in seeds(name, target, 1) if together else seeds(name, target):
            yield bytes([number]) + data if together else data


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("-k", default="", metavar="TEXT", help="only targets with TEXT in their name")
    parser.add_argument("--seconds", type=int, default=60, help="for each process")
    parser.add_argument("--seed", type=int, default=0, help="of the fuzzer's choices; 0: another one each time")
    parser.add_argument("--together", action="store_true", help="all targets in one process")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--counts", default="", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        child(arguments.k, arguments.seconds, arguments.seed, counted=arguments.counts)
    if arguments.together:
        return int(not run_together(arguments.k, arguments.seconds, arguments.seed))
    from tests.fuzz.targets import targets

    findings = 0
    for name in targets():
        if arguments.k in name:
            findings += not run(name, ["-k", name], arguments.seconds, arguments.seed)
    return int(findings > 0)


if __name__ == "__main__":
    sys.exit(main())
