"""What a hostile run is; the ordinary request that parties spoil, and checks that several runs rest on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Protocol
from unittest import mock

from privproc import ledger, ratls, session, tokens
from privproc.attestation.forwarded import read_back_ends
from privproc.attestation.snp import appraisal
from privproc.chunks import _Sequence
from privproc.errors import PeerError
from privproc.http import Request
from privproc.responsekey import Answer
from privproc.session import transcript
from privproc.session.attested import Attested
from tests.world.relay import ROUTE
from tests.world.removed import removed
from tests.world.world import ROLE, World

FORWARD_SIZE = 2144
QUESTION = b"What did we agree on about the harbour trip? Nobody else should know."

Play = Callable[[Any], None]
Removal = Callable[[], AbstractContextManager[object]]


@dataclass(frozen=True)
class Run:
    """``expect`` is the exception, ``None`` where the run must succeed all the same. ``without`` takes the check away,
    and is ``None`` where keys alone refuse, or several layers one after the other.

    ``after_question``: the misbehaviour comes after a question was sent, sealed, to an appraised enclave. ``world`` is
    made with the time alone.
    """

    party: str
    name: str
    expect: type[PeerError] | None
    play: Play
    without: Removal | None
    after_question: bool
    world: type[World]

    def ending(self, world: World) -> str:
        """How the run ended: the exception's name, or "success"."""
        try:
            with recorded(world):
                self.play(world)
        except PeerError as error:
            return type(error).__name__
        return "success"

    def ended_well(self, world: World, ending: str) -> bool:
        if self.expect is None:
            return ending == "success"
        return ending == self.expect.__name__ and (self.after_question or not question_left(world))


RUNS: list[Run] = []


class Adder(Protocol):
    def __call__(
        self, name: str, expect: type[PeerError] | None, without: Removal | None, *, after_question: bool = False
    ) -> Callable[[Play], Play]: ...


def catalogue(party: str, world: type[World] = World) -> Adder:
    """What adds a party's runs to :data:`RUNS`."""

    def run(
        name: str, expect: type[PeerError] | None, without: Removal | None, *, after_question: bool = False
    ) -> Callable[[Play], Play]:
        def add(play: Play) -> Play:
            RUNS.append(Run(party, name, expect, play, without, after_question, world))
            return play

        return add

    return run


def question_left(world: World) -> bool:
    """Whether the device sealed a question for anybody, in whatever wrapping."""
    return bool(world.asked)


@contextmanager
def recorded(world: World) -> Iterator[None]:
    """Notes each question that the device seals."""
    seal = Attested.seal

    def note(session: Attested, question: bytes, *, last: bool) -> tuple[bytes, Answer]:
        world.asked.append(question)
        return seal(session, question, last=last)

    with mock.patch.object(Attested, "seal", note):
        yield


def ask(world: World, token: tokens.BoundToken | None = None) -> None:
    """An ordinary request. What gateway or enclave noticed is raised in place of the refusal that the device sees."""
    directory = world.learn()
    with noticed(world):
        world.ask(directory, token or world.token(directory), QUESTION)


@contextmanager
def noticed(world: World) -> Iterator[None]:
    """What gateway or enclave noticed, in place of the refusal that the device sees."""
    try:
        yield
    except PeerError:
        if world.server.refusals:
            raise world.server.refusals[-1] from None
        raise


def get_token(world: World) -> tokens.BoundToken:
    return world.token(world.learn())


def first_request(world: World, token: tokens.BoundToken) -> tuple[Request, session.Opening]:
    return session.begin(world.learn(), token, role=ROLE, relay=ROUTE, anchors=world.anchors, at=world.at)


def only(*removals: AbstractContextManager[object]) -> AbstractContextManager[object]:
    stack = ExitStack()
    for removal in removals:
        stack.enter_context(removal)
    return stack


def spends_again() -> AbstractContextManager[object]:
    return removed(tokens.MemoryStore.reserve, "key.nonce in spends.holders", "False")


def any_binding() -> AbstractContextManager[object]:
    """Compared where the evidence is read, before what is beside it, and once more where the channel is released."""
    return only(
        removed(read_back_ends, "front.expect(binding.report_data(devices), at=at)"),
        removed(appraisal._binding, "not hmac.compare_digest(case.report.report_data, case.binding)", "False"),
        removed(ratls.Established.release, "not hmac.compare_digest(evidence.binding, report_data)", "False"),
    )


def allows_old_logs() -> AbstractContextManager[object]:
    return removed(ledger.verify, "min(entry.not_after, witnessed + log.max_age)", "1 << 62")


def split_records(records: bytes) -> list[bytes]:
    found = []
    while records:
        size = 5 + int.from_bytes(records[3:5], "big")
        found.append(records[:size])
        records = records[size:]
    return found


def same_nonce() -> AbstractContextManager[object]:
    return removed(_Sequence._next, "self._iv ^ count", "self._iv")


def any_transcript() -> AbstractContextManager[object]:
    """Evidence that is compared with nothing, and request keys that nothing of the transcript is in."""
    return only(any_binding(), mock.patch.object(transcript, "attested", return_value=bytes(48)))
