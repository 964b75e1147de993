"""One private request from a real file to its summary, with everybody in this process.

    python -m tests.walkthrough FILE [--hostile] [--page PAGE]

Prints a line per step (bytes on the wire, time), the summary, and what each party saw. With ``--hostile`` it then lets
each party in turn misbehave and prints how the run ends. With ``--page`` it draws the run, as a page that opens from a
file.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from privproc import session
from privproc.errors import PrivprocError
from privproc.responsekey import AnswerData, fits
from privproc.tagged import lp
from tests.unlinkability import game
from tests.world import chart
from tests.world.hostile import RUNS, question_left
from tests.world.relay import ROUTE
from tests.world.world import ACCOUNT, ADDRESS, ROLE, World

T = TypeVar("T")

DISTINCT = 6
PARTIES = ("issuer", "cdn", "relay", "gateway", "host", "enclave")


class Log:
    """The progress lines."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._number = 0

    def step(self, text: str, do: Callable[[], T]) -> T:
        crossed = len(self._world.wire.crossings)
        started = time.perf_counter()
        result = do()
        elapsed = (time.perf_counter() - started) * 1000
        sizes = self._device_bytes(self._world.wire.crossings[crossed:])
        self._number += 1
        print(f"{self._number:2}. {text:<68} {sizes:>25} {elapsed:8.1f} ms")
        return result

    @staticmethod
    def _device_bytes(crossings: list[tuple[str, bytes]]) -> str:
        up = sum(len(data) for name, data in crossings if name.startswith("device →"))
        down = sum(len(data) for name, data in crossings if "→ device" in name)
        return f"{up} B up, {down} B down" if up or down else ""


def request(world: World, question: bytes) -> session.Reply:
    """The honest run, step by step."""
    for suite in session.SUITES:
        fits(suite, len(question))  # before a token is spent on it
    log = Log(world)
    directory = log.step("fetch the key package from 3 mirrors, check signature, log, agreement", world.learn)
    token = log.step("get a token, blindly signed by the issuer", lambda: world.token(directory))
    first, opening = log.step(
        "seal token, proof and ClientHello for the gateway",
        lambda: session.begin(directory, token, role=ROLE, relay=ROUTE, anchors=world.anchors, at=world.at),
    )
    response = log.step("first round trip: relay, gateway, enclave and back", lambda: world.send(first))
    attested = log.step(
        "appraise the evidence: session, hardware, firmware, policy, ledger",
        lambda: opening.finish(response, at=world.at),
    )
    second, answer = log.step(
        "seal the question to the enclave's one-time key, inside TLS",
        lambda: attested.ask(question, at=world.at, last=True),
    )
    response = log.step("second round trip: the model reads and answers", lambda: world.send(second))
    events = log.step("open the answer, to its marked end", lambda: answer.receive(response, at=world.at))
    content = b"".join(event.data for event in events if isinstance(event, AnswerData))
    return session.Reply(content, attested.evidence, attested.devices, attested.back_ends, None)


def views(world: World, question: bytes, reply: session.Reply) -> Iterator[list[str]]:
    """For each fact the parties that saw it, found by searching all bytes that each party had in the clear."""
    wire = world.wire
    facts = {
        "the device's address": [ADDRESS],
        "the account": [ACCOUNT],
        "the token as it is spent": [b"PrivateToken token="],
        "the role that is asked for": [b"\0\1" + lp(ROLE.encode())],
        "the evidence": [reply.evidence.measurement],
        "the question": lines(question),
        "the answer": lines(reply.content),
    }
    for fact, needles in facts.items():
        seen = (any(wire.saw(party, needle) for needle in needles) for party in PARTIES)
        yield [fact, *("saw" if saw else "-" if needles else "too short to tell" for saw in seen)]


def lines(text: bytes) -> list[bytes]:
    """The lines that are long enough not to be in ciphertext by chance; none is in everything, as nothing is."""
    return [line for line in text.splitlines() if len(line) >= DISTINCT]


def table(head: list[str], rows: list[list[str]]) -> Iterator[str]:
    """Aligned columns."""
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    for row in [head, ["-" * width for width in widths], *rows]:
        yield "   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def drawn(world: World, seen: list[list[str]], reply: session.Reply) -> str:
    """The page."""
    fields = [chart.View(party, game.view(world, frozenset({party}))) for party in PARTIES]
    arrows = list(chart.messages(world.wire.crossings))
    return chart.page(arrows, [["", *PARTIES], *seen], reply.evidence.checks, fields)


def hostile() -> bool:
    """Every hostile run in a world of its own; whether all ended as they must."""
    well = True
    for party in dict.fromkeys(run.party for run in RUNS):
        rows = []
        for run in (run for run in RUNS if run.party == party):
            world = run.world(int(time.time()))
            ending = run.ending(world)
            sent = "question sent" if question_left(world) else "nothing sent"
            rows.append([run.name, ending, sent, "as it must" if run.ended_well(world, ending) else "WRONG"])
        print("\n".join(table([f"hostile {party}", "ends in", "user bytes", "verdict"], rows)) + "\n")
        well &= all(row[-1] == "as it must" for row in rows)
    return well


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.walkthrough", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("file", type=Path, help="a text file, for example a chat thread")
    parser.add_argument("--page", type=Path, help="write the run as an HTML page with a sequence chart")
    parser.add_argument("--hostile", action="store_true", help="then let each party misbehave in turn")
    arguments = parser.parse_args(argv)
    try:
        question = arguments.file.read_bytes()
    except OSError as error:
        parser.error(str(error))
    world = World(int(time.time()))
    try:
        with game.seen_by_enclave(world):
            reply = request(world, question)
    except PrivprocError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    print(f"\nThe summary of {arguments.file.name}:\n")
    print(reply.content.decode("utf-8", "replace"))
    print("What each party had in the clear:\n")
    seen = list(views(world, question, reply))
    print("\n".join(table(["", *(chart.TITLES.get(party, party) for party in PARTIES)], seen)))
    if arguments.page:
        arguments.page.write_text(drawn(world, seen, reply), encoding="utf-8")
    if arguments.hostile:
        print()
        return 0 if hostile() else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
