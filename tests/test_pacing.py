"""An answer at a constant rate: whatever is written and when, ticks look alike until the last."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from privproc.errors import SpentError, UsageError
from privproc.responsekey import Pacer
from privproc.responsekey.pacing import ROOM, Tick
from privproc.session import SUITES
from tests.unlinkability import game
from tests.unlinkability.device import OF_ONE_AND_THREE_PIECES, Way, piped, streamed
from tests.world.device import Chat
from tests.world.enclave import Machine
from tests.world.world import World

AT = 1_800_000_000


def drained(pacer: Pacer) -> list[Tick]:
    ticks = [pacer.tick()]
    while not ticks[-1].last:
        assert len(ticks) < 1000, "no end"
        ticks.append(pacer.tick())
    return ticks


@given(st.lists(st.one_of(st.binary(max_size=700), st.none())))
def test_what_is_written_comes_out_in_ticks(doings: list[bytes | None]) -> None:
    """A piece, or a tick."""
    pacer, written, ticks = Pacer(), b"", []
    for doing in doings:
        if doing is None:
            ticks.append(pacer.tick())
        else:
            pacer.write(doing)
            written += doing
        assert pacer.waiting == len(written) - sum(len(tick.piece) for tick in ticks)
    pacer.finish()
    ticks += drained(pacer)
    assert b"".join(tick.piece for tick in ticks) == written
    assert [tick.last for tick in ticks] == [False] * (len(ticks) - 1) + [True]
    assert all(len(tick.piece) <= ROOM for tick in ticks)
    assert ticks[0].piece == b""
    assert pacer.waiting == 0


def test_as_many_ticks_as_are_needed() -> None:
    pacer = Pacer()
    pacer.write(bytes(3 * ROOM))
    pacer.finish()
    assert [len(tick.piece) for tick in drained(pacer)] == [0, ROOM, ROOM, ROOM]


def test_an_empty_answer() -> None:
    pacer = Pacer()
    pacer.finish()
    assert drained(pacer) == [(b"", False), (b"", True)]


def test_after_the_end() -> None:
    pacer = Pacer()
    pacer.finish()
    with pytest.raises(UsageError):
        pacer.write(b"more")
    with pytest.raises(UsageError):
        pacer.finish()
    drained(pacer)
    with pytest.raises(SpentError):
        pacer.tick()


def test_it_shows_nothing_and_there_is_one() -> None:
    pacer = Pacer()
    pacer.tick()
    pacer.write(b"noon")
    assert "noon" not in repr(pacer)
    assert repr(pacer.tick()) == "<Tick last=False>"
    with pytest.raises(UsageError):
        copy.copy(pacer)


def paced(ticks_for: Callable[[bytes], int] = lambda _question: 12) -> Any:
    """A machine whose model needs a tick for each piece, and which goes on for as many ticks as ``ticks_for`` says."""
    whole = Machine._answer

    def answer(machine: Machine, session: int, asked: Any, at: int) -> Iterator[bytes]:
        if not hasattr(asked, "question"):
            yield from whole(machine, session, asked, at)
            return
        pacer, pieces, ticks = Pacer(), machine.pieces(asked.question), ticks_for(asked.question)
        for number in range(ticks):
            pacer.write(next(pieces, b""))
            if number == ticks - 1:
                pacer.finish()
            tick = pacer.tick()
            if not tick.last:
                yield asked.reply.send(tick.piece)
        records, waiting = asked.reply.finish(tick.piece, at=at)
        if waiting is not None:
            machine.sessions[session] = waiting
        yield records

    return mock.patch.object(Machine, "_answer", answer)


@pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite.kem.name)
def test_chunks_of_one_size(suite: Any) -> None:
    """On the wire of a session: the first is alike for all answers, and the others are alike among themselves."""
    sizes = []
    for question in (b"Noon", b"Noon it is. Then the harbour. Then the cafe.", b"x" * 2000 + b"."):
        chat = Chat(World(AT, suite=suite))
        before = len(chat.world.wire.crossings)
        with paced():
            request, answer = chat.session.stream(question, at=AT)
            responses = list(chat.world.stream(request, [request.content]))
        answer.receive_head(responses[0])
        events = [event for response in responses for event in answer.receive_data(response.content)]
        assert b"".join(event.data for event in events).strip().replace(b"\n", b" ") == question
        crossings = chat.world.wire.crossings[before:]
        sizes.append([len(data) for name, data in crossings if name == "enclave → host"])
    assert sizes[0] == sizes[1] == sizes[2]
    assert len(sizes[0]) == 12
    assert len(set(sizes[0][1:])) == 1


def asked(way: Way) -> list[World]:
    questions = OF_ONE_AND_THREE_PIECES
    return [game.what_is_asked(swapped=swapped, way=way, questions=questions) for swapped in (False, True)]


@pytest.mark.parametrize("way", [streamed, piped], ids=lambda way: way.__name__)
def test_neither_rhythm_nor_count_nor_size_shows(way: Way) -> None:
    """Without a pacer the game tells these two apart: tests/test_unlinkability.py."""
    with paced():
        one, other = asked(way)
    assert game.difference(one, other, game.WHAT) is None


def test_when_it_ends_shows() -> None:
    """The account: a model that writes longer has more ticks."""
    with paced(lambda question: 4 + question.count(b".")):
        one, other = (
            game.what_is_asked(swapped=swapped, way=streamed, questions=OF_ONE_AND_THREE_PIECES)
            for swapped in (False, True)
        )
    found = game.difference(one, other, game.WHAT)
    assert found is not None
    assert "relay → device" in found.path
