"""Streamed answers and pipes, with a party killed at every chunk: see :mod:`tests.test_session_crash`.

The user has what had come, is told how much of it is authentic and that it is not all, and nothing goes on by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from privproc import session
from privproc.errors import DecodeError, UsageError
from privproc.http import Request, Response
from privproc.responsekey import AnswerData
from privproc.session import AnswerComplete, PipeReady
from tests.test_session_crash import AT, KEY, Crash, Life, living
from tests.world.relay import ROUTE
from tests.world.world import ROLE

QUESTION = b"The harbour is open. The harbour cafe is not. Photos show it."
ANSWER = QUESTION.replace(b". ", b".\n") + b"\n"  # a chunk for each sentence, and the last one


class Reading:
    """What a device does with a response that comes in pieces, and what its user has of the answer."""

    def __init__(self, life: Life) -> None:
        self.life = life
        self.read = b""
        self.channel: Any = None
        self.over = True
        self.cuts: list[int] = []

    def send(self, request: Request, pieces: Iterable[bytes], channel: Any) -> Iterator[Response]:
        self.channel, self.read, self.over = channel, b"", False
        for number, response in enumerate(self.life.world.stream(request, pieces)):
            if not number:
                channel.receive_head(response)
            yield response

    def take(self, events: list[Any]) -> Any:
        """What can ask next, once it can."""
        ready = None
        for event in events:
            if isinstance(event, AnswerData):
                self.read += event.data
                assert ANSWER.startswith(self.read)
            else:
                assert isinstance(event, PipeReady) or self.read == ANSWER
                ready, self.over = event.session, isinstance(event, AnswerComplete)
        return ready

    def cut(self) -> None:
        """The connection is gone."""
        if self.over:
            return
        self.over = True
        try:
            events = self.channel.receive_end(at=AT)
        except DecodeError as error:
            self.told(error)
            return
        # The mark of the last chunk had come: the answer is whole, only the session is lost.
        assert events == [AnswerComplete(None)]
        assert self.read == ANSWER

    def told(self, error: DecodeError) -> None:
        assert f"truncated: {len(self.read)} bytes of" in str(error)
        assert error.offset == len(self.read)
        self.cuts.append(len(self.read))
        with pytest.raises((DecodeError, UsageError)):  # the answer gets one try
            self.channel.receive_end(at=AT)


class Streams(Reading):
    """Single exchanges with streamed answers."""

    def converse(self) -> None:
        request, answer = self.life.connect().stream(QUESTION, at=AT)
        for response in self.send(request, [request.content], answer):
            assert self.take(answer.receive_data(response.content)) is None
        assert self.take(answer.receive_end(at=AT)) is not None


class Pipes(Reading):
    """The same in a pipe."""

    def converse(self) -> None:
        life = self.life
        bound = life.wallet.take(life.source, at=AT)
        nonce = bound.token.nonce
        life.taken.add(nonce)
        life.disk = life.wallet.save(KEY)
        request, pipe = session.open_pipe(
            life.directory, bound, role=ROLE, relay=ROUTE, anchors=life.world.anchors, at=AT
        )
        life.nonces[pipe._prepared[0].th1] = life.pending = nonce
        moves = [
            lambda ready: ready.ask(QUESTION, at=AT),
            lambda ready: ready.renew(life.directory, at=AT),
            lambda ready: pipe.finish(),
        ]
        for response in self.send(request, iter(pipe.data_to_send, b""), pipe):
            ready = self.take(pipe.receive_data(response.content, at=AT))
            if ready is not None:
                life.pending = b""
                moves.pop(0)(ready)
                self.read, self.over = b"", not moves
        pipe.receive_end(at=AT)
        assert not moves


def boundaries(folder: Path, kind: type[Streams | Pipes]) -> list[str]:
    """Those that an undisturbed conversation crosses."""
    folder.mkdir()
    with living(folder) as life:
        before = len(life.world.wire.crossings)
        kind(life).converse()
        life.check()
        return [boundary for boundary, _ in life.world.wire.crossings[before:]]


@pytest.mark.parametrize("kind", [Streams, Pipes])
def test_a_party_is_killed_at_every_chunk(tmp_path: Path, kind: type[Streams | Pipes]) -> None:
    """The one that has just sent is killed; a device that is told so says what the user has."""
    cuts: set[int] = set()
    whole = list(enumerate(boundaries(tmp_path / "whole", kind), 1))
    begun = 12 if kind is Streams else 0  # what comes before is no stream
    for fatal, boundary in whole[begun:]:
        party = boundary.partition(" ")[0].rstrip(":").replace("host", "enclave").replace("address", "device")
        folder = tmp_path / f"{fatal}"
        folder.mkdir()
        with living(folder) as life:
            life.fatal = life.steps + fatal
            device = kind(life)
            with pytest.raises(Crash):
                device.converse()
            life.pending = b""
            if party != "device":
                device.cut()
                cuts |= set(device.cuts)
            life.restart(party)
            kind(life).converse()
            life.check()
            assert len(life.taken) == 2
    assert cuts == {0, 21, 46, len(ANSWER)}  # nothing, one sentence, two, and all of them without the mark
