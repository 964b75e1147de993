"""The state machine of :mod:`tests.test_machine` with chunked exchanges: pipes, and answers that stream.

Whoever is between has every piece of both directions in hand: he passes, drops, repeats, reorders, alters and injects
them, takes those of another exchange, or cuts one off. What a device has read of an answer is always its beginning, and
complete only if all of it came, in order, from the exchange it belongs to; one that was cut off says how much it is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule

from privproc import session
from privproc.errors import DecodeError, PrivprocError
from privproc.http import Response
from privproc.responsekey import AnswerData
from privproc.session import AnswerComplete, Pipe, PipeReady
from privproc.session.pipe import PipeState
from privproc.session.streams import RESPONSE
from privproc.tokens import BoundToken, MemoryStore
from tests.test_machine import PICK, PrivateRequests, flipped, some
from tests.world.gateway import Call
from tests.world.relay import ROUTE
from tests.world.removed import removed
from tests.world.world import ROLE


class Streamed:
    """The channel of one answer, in a pipe's shape."""

    def __init__(self, channel: session.AnswerChannel) -> None:
        self.channel = channel
        self.receive_head = channel.receive_head
        self.receive_end = channel.receive_end

    def receive_data(self, data: bytes, *, at: int) -> list[Any]:
        return self.channel.receive_data(data)


@dataclass
class Line:
    """One chunked exchange and whoever is on it: ``up`` and ``down`` are what was sent and hasn't arrived.

    ``None`` in ``up`` is the end of the request. ``made`` is all that the gateway answered, ``given`` what the device
    got in its place.
    """

    device: Any
    call: Call
    up: list[bytes | None] = field(default_factory=list)
    down: list[Response] = field(default_factory=list)
    made: bytes = b""
    given: bytes = b""
    headed: bool = False
    failed: bool = False
    sessions: list[Any] = field(default_factory=list)
    question: bytes = b""
    expected: bytes = b""
    read: bytes = b""

    @property
    def asking(self) -> bool:
        """Whether something of the device's question is to come yet."""
        return bool(self.question) and not self.failed

    def counted(self, error: DecodeError) -> None:
        """An answer was cut off: the error says how much of it the user may believe."""
        assert error.offset == len(self.read)

    @property
    def idle(self) -> bool:
        """Whether a pipe can be asked."""
        return isinstance(self.device, Pipe) and self.device.state is PipeState.READY


class PipedRequests(PrivateRequests):
    """Lines are never closed for the one who is on them: late pieces may be passed to either end."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[Line] = []
        self.pieces: list[bytes] = []  # of any line and direction, for whoever wants to put them elsewhere

    def line(self, pick: int) -> Line:
        return self.lines[pick % len(self.lines)]

    def busy(self, pick: int, *, down: bool) -> tuple[Line, list[Any]]:
        """A line on which something is under way, and what is. Where there is none, something is begun."""
        lines = [line for line in self.lines if (line.down if down else line.up)]
        line = lines[pick % len(lines)] if lines else self.wake(pick, down=down)
        return line, line.down if down else line.up

    def wake(self, pick: int, *, down: bool) -> Line:
        """Let a device ask in its pipe, or begin one; for ``down`` let the gateway answer."""
        if ready := [number for number, line in enumerate(self.lines) if line.idle]:
            number = ready[pick % len(ready)]
            self.ask_in_pipe(number)
        else:
            self.begin_pipe()
            number = -1
        line = self.line(number)
        if down and line.up:
            self.pass_up(line)
        return line

    # What devices do.

    @rule()
    def begin_pipe(self) -> None:
        self.tokens.append(self.world.token(self.directory).spend())
        self.begin_pipe_again(-1)

    @some("tokens")
    @rule(pick=PICK)
    def begin_pipe_again(self, pick: int) -> None:
        """A token may have been used before, here or in a single exchange."""
        token, proof_key = self.tokens[pick % len(self.tokens)]
        bound = BoundToken(token, proof_key)
        _, pipe = session.open_pipe(
            self.directory, bound, role=ROLE, relay=ROUTE, anchors=self.world.anchors, at=self.world.at
        )
        self.nonces[pipe._prepared[0].th1] = token.nonce
        self.lines.append(Line(pipe, Call(self.world.server)))
        self.collect(self.lines[-1])

    @some("sessions")
    @rule(pick=PICK, last=st.booleans())
    def ask_for_a_stream(self, pick: int, last: bool = False) -> None:
        ready, question = self.sessions[pick % len(self.sessions)], self.next_question()
        asked = self.attempt(lambda: ready.stream(question, at=self.world.at, last=last))
        if asked is not None:
            request, channel = asked
            self.lines.append(Line(Streamed(channel), Call(self.world.server), [request.content, None]))
            self.pieces.append(request.content)
            self.asked(self.lines[-1], question)

    @some("lines")
    @rule(pick=PICK, last=st.booleans())
    def ask_in_pipe(self, pick: int, last: bool = False) -> None:
        """What can ask is left by asking: a second time is refused."""
        line, question = self.line(pick), self.next_question()
        if self.moved(line, lambda ready: ready.ask(question, at=self.world.at, last=last)):
            self.asked(line, question)

    @some("lines")
    @rule(pick=PICK)
    def renew_in_pipe(self, pick: int) -> None:
        self.moved(self.line(pick), lambda ready: ready.renew(self.directory, at=self.world.at))

    @some("lines")
    @rule(pick=PICK)
    def end_request(self, pick: int) -> None:
        """Nothing more is asked; what was asked is still answered."""
        line = self.line(pick)
        if self.moved(line, lambda ready: line.device.finish()):
            line.up.append(None)

    def moved(self, line: Line, do: Callable[[Any], None]) -> bool:
        """Whether the latest thing that could ask in a pipe did so; what is to be sent then is on its way."""
        if not line.sessions or self.attempt(lambda: do(line.sessions[-1]) or True) is None:
            return False
        self.collect(line)
        return True

    def next_question(self) -> bytes:
        number = len(self.questions)
        return b"The harbour %d is open. The harbour cafe %d is not. Photos %d show it." % (number, number, number)

    def asked(self, line: Line, question: bytes) -> None:
        self.questions.append(question)
        line.question, line.read = question, b""
        line.expected = question.replace(b". ", b".\n") + b"\n"  # the model repeats three sentences, a piece each

    def collect(self, line: Line) -> None:
        """What the device's end wants sent."""
        wire = line.device.data_to_send()
        line.up.append(wire)
        self.pieces.append(wire)

    # How pieces travel.

    def pass_up(self, line: Line) -> None:
        piece = line.up.pop(0)
        at = self.world.at
        for response in line.call.end(at=at) if piece is None else line.call.receive(piece, at=at):
            line.down.append(response)
            line.made += response.content
            self.pieces.append(response.content)

    def pass_down(self, line: Line) -> None:
        response = line.down.pop(0)
        line.given += response.content

        def take() -> list[Any]:
            if not line.headed:
                line.device.receive_head(response)
            line.headed = True
            received: list[Any] = line.device.receive_data(response.content, at=self.world.at)
            return received

        self.events(line, self.received(line, take))

    def received(self, line: Line, take: Callable[[], list[Any]]) -> list[Any]:
        """The events, or none and the line has failed for the device."""
        try:
            return take()
        except PrivprocError as error:
            if isinstance(error, DecodeError) and line.asking and "authentic" in str(error):
                line.counted(error)
            line.failed = True
        return []

    def events(self, line: Line, events: list[Any]) -> None:
        for event in events:
            if isinstance(event, AnswerData):
                line.read += event.data
                assert line.expected.startswith(line.read)
                continue
            # Nothing was missing, added, altered or out of its place. What follows a streamed answer's last chunk can't
            # take the answer back, only the session.
            whole = line.made.startswith(line.given)
            assert whole or (isinstance(line.device, Streamed) and event.session is None)
            if isinstance(event, PipeReady):
                assert event.session.evidence.binding not in self.bindings  # evidence is new each time
                self.bindings.add(event.session.evidence.binding)
            else:
                assert isinstance(event, AnswerComplete)
                assert line.asking
                assert line.read == line.expected
                self.answers += 1
                line.question = b""
            if event.session is not None:
                into = line.sessions if isinstance(line.device, Pipe) else self.sessions
                into.append(event.session)

    def end_down(self, line: Line) -> None:
        """The response ends here, for the device. It tells a whole answer from one that was cut off."""
        whole, read = line.read == line.expected, line.read
        self.events(line, self.received(line, lambda: line.device.receive_end(at=self.world.at)))
        assert line.read == read  # the end brings nothing but the word that it is one
        assert whole or line.failed or not line.question

    def flow(self, line: Line) -> None:
        """Undisturbed, until nothing is under way."""
        while line.up or line.down:
            while line.up:
                self.pass_up(line)
            while line.down:
                self.pass_down(line)

    @rule(pick=PICK, down=st.booleans(), count=st.integers(1, 4))
    def pass_some(self, pick: int, down: bool, count: int) -> None:
        line, queue = self.busy(pick, down=down)
        for _ in range(min(count, len(queue))):
            (self.pass_down if down else self.pass_up)(line)

    @rule()
    def whole_line(self) -> None:
        """Undisturbed, it succeeds, whatever came before."""
        self.begin_pipe()
        line, answers = self.lines[-1], self.answers
        self.flow(line)
        for asked in range(3):
            self.ask_in_pipe(-1, last=asked == 2)
            self.flow(line)
            assert self.answers == answers + asked + 1
            if not asked:
                self.renew_in_pipe(-1)
                self.flow(line)
        assert line.device.state is PipeState.ENDED

    @rule()
    def whole_stream(self) -> None:
        self.begin()
        self.open_session(-1)
        answers = self.answers
        for last in (False, True):
            self.ask_for_a_stream(-1, last=last)
            self.flow(self.lines[-1])
            self.end_down(self.lines[-1])
        assert self.answers == answers + 2

    # What the one on the wire does.

    @rule(pick=PICK, down=st.booleans())
    def reorder(self, pick: int, down: bool) -> None:
        _, queue = self.busy(pick, down=down)
        queue[:2] = reversed(queue[:2])

    @rule(pick=PICK, down=st.booleans(), place=st.sampled_from([0, -1]))
    def drop(self, pick: int, down: bool, place: int) -> None:
        """The next piece, or the last one, which has the mark of the last chunk."""
        _, queue = self.busy(pick, down=down)
        if queue:
            queue.pop(place)

    @some("pieces")
    @rule(pick=PICK, down=st.booleans(), piece=PICK)
    def inject(self, pick: int, down: bool, piece: int) -> None:
        """A piece of any line, of this one too, comes before the next one."""
        _, queue = self.busy(pick, down=down)
        content = self.pieces[piece % len(self.pieces)]
        queue.insert(0, replace(RESPONSE, content=content) if down else content)

    @rule(pick=PICK, other=PICK, down=st.booleans())
    def swap(self, pick: int, other: int, down: bool) -> None:
        """Two lines' next pieces change places."""
        one, two = (self.busy(it, down=down)[1] for it in (pick, other))
        if one and two:
            one[0], two[0] = two[0], one[0]

    @rule(pick=PICK, down=st.booleans(), position=PICK)
    def alter(self, pick: int, down: bool, position: int) -> None:
        _, queue = self.busy(pick, down=down)
        for piece in filter(None, queue[:1]):
            queue[0] = replace(piece, content=flipped(piece.content, position)) if down else flipped(piece, position)

    @rule(pick=PICK, down=st.booleans())
    def cut(self, pick: int, down: bool) -> None:
        """One end is told that nothing more comes."""
        line, _ = self.busy(pick, down=down)
        if down:
            self.end_down(line)
        else:
            line.up[:] = [None]
            self.pass_up(line)

    # What must hold.

    @invariant()
    def a_pipe_that_failed_is_silent(self) -> None:
        for line in self.lines:
            if isinstance(line.device, Pipe) and line.device.state is PipeState.FAILED:
                assert line.failed
                assert self.attempt(line.device.data_to_send) is None


TestPipedRequests = PipedRequests.TestCase
TestPipedRequests.settings = settings(max_examples=settings().max_examples // 10, stateful_step_count=200)


def answering() -> tuple[PipedRequests, Line]:
    """A pipe whose answer is on its way: one of its sentences has come."""
    machine = PipedRequests()
    machine.begin_pipe()
    (line,) = machine.lines
    machine.flow(line)
    machine.ask_in_pipe(0)
    machine.pass_up(line)
    machine.pass_down(line)
    assert line.read == b"The harbour 0 is open.\n"
    assert len(line.down) == 3
    return machine, line


def test_the_machine_notices_a_cut_that_passes_for_an_end() -> None:
    machine, line = answering()
    machine.end_down(line)
    machine, line = answering()
    with removed(Pipe.receive_end, "is PipeState.FAILED", "is None"), pytest.raises(AssertionError):
        machine.end_down(line)


def test_the_machine_notices_a_wrong_count_of_what_is_authentic() -> None:
    with removed(Pipe._answered, "self.received += len(event.data)"):
        machine, line = answering()
        with pytest.raises(AssertionError):
            machine.end_down(line)


def test_the_machine_notices_pieces_that_change_places() -> None:
    """OHTTP, TLS and the answer's own chunks each refuse them, so what the machine would see is put in its hands."""
    machine, line = answering()
    machine.reorder(0, down=True)
    machine.pass_down(line)
    assert line.failed
    machine, line = answering()
    with pytest.raises(AssertionError):
        machine.events(line, [AnswerData(b"Photos 0 show it.\n")])


def test_the_machine_notices_a_token_that_two_pipes_use() -> None:
    machine = PipedRequests()
    with removed(MemoryStore.reserve, "key.nonce in spends.holders", "False"):
        machine.begin_pipe()
        machine.pass_up(machine.lines[0])
        machine.no_token_has_its_effect_twice()
        machine.begin_pipe_again(0)
        machine.pass_up(machine.lines[1])
        with pytest.raises(AssertionError):
            machine.no_token_has_its_effect_twice()
