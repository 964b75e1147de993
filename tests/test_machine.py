"""The composed protocol as a state machine: devices, one gateway, and somebody on the wire who does as he likes.

After every move: no token had its effect twice, no question was read or answered twice, nobody but the enclave saw one,
whatever failed did so in the library's own way, and the gateway's store knows each token as spent or not at all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any, TypeVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from privproc import session
from privproc.errors import PrivprocError
from privproc.http import Response
from privproc.responsekey import AnswerData
from privproc.session import transcript
from privproc.session.messages import Forward
from privproc.tokens import BoundToken, MemoryStore, Token
from tests.world.device import Piped
from tests.world.relay import ROUTE
from tests.world.removed import removed
from tests.world.world import ROLE, World

AT = 1_800_000_000
FORWARD_SIZE = 2144
T = TypeVar("T")


PICK = st.integers(-3, 1 << 16)
"""An index into a pool, modulo its size: the negative ones are the latest."""


def some(pool: str) -> Callable[[Any], Any]:
    return precondition(lambda self: getattr(self, pool))


class PrivateRequests(RuleBasedStateMachine):
    """Everything that was ever made is kept in a pool; every move takes anything from its pool, old or new."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World(AT, suite=session.SUITES[1])
        self.directory = self.world.learn()
        self.tokens: list[Any] = []
        self.openings: list[Any] = []
        self.sessions: list[Any] = []
        self.channels: list[Any] = []
        self.renewals: list[Any] = []
        self.bindings: set[bytes] = set()
        self.wires: list[bytes] = []
        self.responses: list[Response] = []
        self.nonces: dict[bytes, bytes] = {}  # th1 to the nonce of its token
        self.questions: list[bytes] = []
        self.answers = 0
        self.spent: set[bytes] = set()
        self.seen: Counter[str] = Counter()

    def attempt(self, do: Callable[[], T]) -> T | None:
        """``None`` if it failed, as the library fails; anything else is a bug."""
        try:
            return do()
        except PrivprocError:
            return None

    # What devices do.

    @rule()
    def begin(self) -> None:
        self.tokens.append(self.world.token(self.directory).spend())
        self.begin_again(-1)

    @some("tokens")
    @rule(pick=PICK)
    def begin_again(self, pick: int) -> None:
        """A token may have been used before: this device lies to its wallet."""
        token, proof_key = self.tokens[pick % len(self.tokens)]
        request, opening = session.begin(
            self.directory,
            BoundToken(token, proof_key),
            role=ROLE,
            relay=ROUTE,
            anchors=self.world.anchors,
            at=self.world.at,
        )
        self.nonces[opening._state[0][0].th1] = token.nonce
        self.wires.append(request.content)
        self.openings.append((request.content, opening))

    @some("openings")
    @rule(pick=PICK)
    def open_session(self, pick: int) -> None:
        """Send, and finish with what comes back."""
        wire, opening = self.openings[pick % len(self.openings)]
        self.finish(opening, self.deliver(wire))

    @some("openings")
    @some("responses")
    @rule(pick=PICK, other=PICK)
    def finish_with_any(self, pick: int, other: int) -> None:
        self.finish(self.openings[pick % len(self.openings)][1], self.responses[other % len(self.responses)])

    def finish(self, opening: session.Opening, response: Response) -> None:
        ready = self.attempt(lambda: opening.finish(response, at=self.world.at))
        if ready is not None:
            self.bindings.add(ready.evidence.binding)
            self.sessions.append(ready)

    @some("sessions")
    @rule(pick=PICK, last=st.booleans())
    def ask(self, pick: int, last: bool = False) -> None:
        question = b"Question %d about the harbour." % len(self.questions)
        ready = self.sessions[pick % len(self.sessions)]
        asked = self.attempt(lambda: ready.ask(question, at=self.world.at, last=last))
        if asked is not None:
            self.questions.append(question)
            self.wires.append(asked[0].content)
            self.channels.append((asked[0].content, asked[1], question))

    @some("sessions")
    @rule(pick=PICK)
    def renew(self, pick: int) -> None:
        ready = self.sessions[pick % len(self.sessions)]
        asked = self.attempt(lambda: ready.renew(self.directory, at=self.world.at))
        if asked is not None:
            self.wires.append(asked[0].content)
            self.renewals.append((asked[0].content, asked[1]))

    @some("renewals")
    @rule(pick=PICK)
    def finish_renewal(self, pick: int) -> None:
        """Send, and finish with what comes back."""
        wire, renewing = self.renewals[pick % len(self.renewals)]
        self.take(renewing, self.deliver(wire))

    @some("renewals")
    @some("responses")
    @rule(pick=PICK, other=PICK)
    def finish_renewal_with_any(self, pick: int, other: int) -> None:
        self.take(self.renewals[pick % len(self.renewals)][1], self.responses[other % len(self.responses)])

    def take(self, renewing: session.Renewing, response: Response) -> None:
        ready = self.attempt(lambda: renewing.finish(response, at=self.world.at))
        if ready is not None:
            assert ready.evidence.binding not in self.bindings  # evidence is new each time
            self.bindings.add(ready.evidence.binding)
            self.sessions.append(ready)

    @some("channels")
    @rule(pick=PICK)
    def question(self, pick: int) -> None:
        """Send, and read what comes back."""
        wire, channel, question = self.channels[pick % len(self.channels)]
        self.read(channel, question, self.deliver(wire))

    @some("channels")
    @some("responses")
    @rule(pick=PICK, other=PICK)
    def read_any(self, pick: int, other: int) -> None:
        _, channel, question = self.channels[pick % len(self.channels)]
        self.read(channel, question, self.responses[other % len(self.responses)])

    def read(self, channel: session.AnswerChannel, question: bytes, response: Response) -> None:
        events = self.attempt(lambda: channel.receive(response, at=self.world.at))
        if events is not None:
            end = events[-1]
            assert isinstance(end, session.AnswerComplete)
            if end.session is not None:
                self.sessions.append(end.session)
            content = b"".join(event.data for event in events if isinstance(event, AnswerData))
            self.answers += 1
            assert content.strip() == question  # the summary of one sentence is the sentence

    @rule()
    def whole_request(self) -> None:
        """Undisturbed, it succeeds, whatever came before."""
        sessions, answers = len(self.sessions), self.answers
        self.begin()
        self.open_session(-1)
        assert len(self.sessions) == sessions + 1
        for asked in range(3):
            self.ask(-1)
            self.question(-1)
            assert self.answers == answers + asked + 1
            if asked == 1:
                self.renew(-1)
                self.finish_renewal(-1)

    @rule()
    def whole_pipe(self) -> None:
        """The same in one chunked exchange."""
        piped = Piped(self.world)
        prepared = piped.pipe._prepared[0]
        self.nonces[prepared.th1] = Token.from_authorization(prepared.head.fields[0][1]).nonce
        piped.open()
        for last in (False, True):
            question = b"Question %d about the harbour." % len(self.questions)
            self.questions.append(question)
            assert piped.ask(question, last=last).strip() == question
            if not last:
                piped.renew()

    # What the one on the wire does.

    def deliver(self, wire: bytes) -> Response:
        self.responses.append(self.world.server.handle(wire, at=self.world.at))
        return self.responses[-1]

    @some("wires")
    @rule(pick=PICK)
    def deliver_any(self, pick: int) -> None:
        """Late, out of order, once more."""
        self.deliver(self.wires[pick % len(self.wires)])

    @some("wires")
    @rule(pick=PICK, position=PICK)
    def deliver_altered(self, pick: int, position: int) -> None:
        self.deliver(flipped(self.wires[pick % len(self.wires)], position))

    @some("responses")
    @rule(pick=PICK, position=PICK)
    def alter_response(self, pick: int, position: int) -> None:
        response = self.responses[pick % len(self.responses)]
        self.responses.append(Response(response.status, response.fields, flipped(response.content, position)))

    @some("wires")
    @rule(pick=PICK, boundary=st.sampled_from(["host → enclave", "enclave → host", "host → gateway"]))
    def host_swaps(self, pick: int, boundary: str) -> None:
        """In place of what crosses a boundary comes what crossed it first."""
        earlier = [data for name, data in self.world.wire.crossings if name == boundary]
        if earlier:
            self.world.wire.taps[boundary] = lambda data: earlier[0]
            self.deliver_any(pick)
            del self.world.wire.taps[boundary]

    @rule(seconds=st.sampled_from([1, 1, 1, 29, 60]))
    def wait(self, seconds: int) -> None:
        self.world.at += seconds

    # What must hold.

    @invariant()
    def no_token_has_its_effect_twice(self) -> None:
        forwarded: Counter[bytes] = Counter()
        for name, data in self.world.wire.crossings:
            if name == "gateway → host" and len(data) == FORWARD_SIZE:
                forward = Forward.decode(data)
                forwarded[self.nonces[transcript.opened(forward.package, forward.outer, forward.open)]] += 1
        assert set(forwarded.values()) <= {1}
        assert set(forwarded) == self.holders()

    def holders(self) -> set[bytes]:
        """The nonces that the store knows: each of them spent, none half."""
        known = {
            nonce: holder for key in self.world.server.store._keys.values() for nonce, holder in key.holders.items()
        }
        assert set(known.values()) <= {None}
        assert self.spent <= set(known)  # never free again
        self.spent = set(known)
        return self.spent

    @invariant()
    def questions_are_the_enclaves_alone(self) -> None:
        for party, data in self.world.wire.views.items():
            if party != "enclave":
                new = data[self.seen[party] :]
                self.seen[party] = len(data)
                assert not any(question in it for it in new for question in self.questions)
        # The model's answer to one sentence is the sentence, which the world records with its newline.
        read = Counter(data for data in self.world.wire.views["enclave"] if data in self.questions)
        assert set(read.values()) <= {1}

    @invariant()
    def sessions_that_the_gateway_keeps_are_its_own(self) -> None:
        for handle, (live, _) in self.world.server.live.items():
            assert handle == live.handle
            assert live.offset >= 0


def flipped(data: bytes, position: int) -> bytes:
    changed = bytearray(data or b"\0")
    changed[position % len(changed)] ^= 1
    return bytes(changed)


TestPrivateRequests = pytest.mark.slow(PrivateRequests.TestCase)
TestPrivateRequests.settings = settings(max_examples=settings().max_examples // 10, stateful_step_count=200)


def test_the_machine_notices_a_store_that_forgets() -> None:
    machine = PrivateRequests()
    with removed(MemoryStore.reserve, "key.nonce in spends.holders", "False"):
        machine.begin()
        machine.deliver_any(-1)
        machine.no_token_has_its_effect_twice()
        machine.begin_again(-1)
        machine.deliver_any(-1)
        with pytest.raises(AssertionError):
            machine.no_token_has_its_effect_twice()
