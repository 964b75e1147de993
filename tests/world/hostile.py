"""Hostile runs: one party misbehaves in the real flow. Each says how the run must end, and how to take the check away.

``play`` runs the world with the misbehaviour and raises what was noticed, wherever that was: by the device, or by the
gateway or enclave, whose refusal tells the device nothing. ``without`` removes the one check that notices it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from unittest import mock

from privproc import bhttp, keypackage, ledger, ohttp, ratls, responsekey, session, tokens
from privproc.attestation.snp import appraise, rules
from privproc.chunks import _Sequence
from privproc.errors import (
    DecodeError,
    ExpiredError,
    OpenError,
    PeerError,
    PolicyError,
    ReplayError,
    SignatureError,
    UntrustedError,
)
from privproc.http import Request
from privproc.keypackage import seal
from privproc.ledger import proof
from privproc.ratls import hello
from privproc.responsekey.answer import Answer
from privproc.session import Memory, Published, gateway
from privproc.session.messages import Continue, Offer, Open
from privproc.session.profile import CONTINUE_PATH
from tests.world.enclave import Machine
from tests.world.mirrors import NAMES as MIRRORS
from tests.world.relay import ROUTE
from tests.world.removed import removed
from tests.world.world import DAY, GATEWAY, NAMESPACE, PACKAGES, ROLE, World

QUESTION = b"What did we agree on about the harbour trip? Nobody else should know."

Removal = Callable[[World], AbstractContextManager[object]]


@dataclass(frozen=True)
class Run:
    """``expect`` is the exception, ``None`` where the run must succeed all the same.

    ``after_question``: the misbehaviour comes after the question was sent, sealed, to an appraised enclave.
    """

    name: str
    expect: type[PeerError] | None
    play: Callable[[World], None]
    without: Removal | None
    after_question: bool = False

    def ending(self, world: World) -> str:
        """How the run ended: the exception's name, or "success"."""
        try:
            self.play(world)
        except PeerError as error:
            return type(error).__name__
        return "success"

    @staticmethod
    def question_left(world: World) -> bool:
        """Whether the device let go of the question, in whatever wrapping."""
        return len(world.wire.sizes("device → relay")) > 1

    def ended_well(self, world: World, ending: str) -> bool:
        if ending != ("success" if self.expect is None else self.expect.__name__):
            return False
        return self.expect is None or self.after_question or not self.question_left(world)


RUNS: list[Run] = []


def run(
    name: str, expect: type[PeerError] | None, without: Removal | None, *, after_question: bool = False
) -> Callable[[Callable[[World], None]], Callable[[World], None]]:
    def add(play: Callable[[World], None]) -> Callable[[World], None]:
        RUNS.append(Run(name, expect, play, without, after_question))
        return play

    return add


def noticed(world: World) -> None:
    """Raise what the gateway or the enclave noticed, if anything."""
    if world.server.refusals:
        raise world.server.refusals[-1]


def ask(world: World, token: tokens.BoundToken | None = None) -> None:
    """An ordinary request; what another than the device noticed counts more than the refusal that the device sees."""
    directory = world.learn()
    try:
        world.ask(directory, token or world.token(directory), QUESTION)
    except PeerError:
        noticed(world)
        raise
    noticed(world)


# Tokens and the gateway.


@contextmanager
def forgetful_store(world: World) -> Iterator[None]:
    with mock.patch.object(world.server, "store", tokens.MemoryStore(10)):
        yield


def first_exchange(world: World, token: tokens.BoundToken) -> tuple[Request, session.Opening]:
    request, opening = session.begin(
        world.learn(), token, role=ROLE, relay=ROUTE, anchors=world.anchors, at=world.at
    )
    return request, opening


def spend_elsewhere(world: World, token: tokens.BoundToken) -> None:
    """Spend ``token`` in an exchange of its own, without a question."""
    world.relay._gateway.handle(first_exchange(world, token)[0].content, at=world.at)


def always_fresh(_world: World) -> AbstractContextManager[object]:
    def reserve(_self: object, key: tokens.SpendKey, *, at: int, lease: int) -> tokens.Reservation:
        return tokens.MemoryStore(1).reserve(key, at=at, lease=lease)

    stack = ExitStack()
    stack.enter_context(mock.patch.object(tokens.MemoryStore, "reserve", reserve_once(reserve)))
    stack.enter_context(mock.patch.object(tokens.MemoryStore, "commit", lambda *_args, **_kwargs: None))
    return stack


def reserve_once(reserve: Callable[..., tokens.Reservation]) -> Callable[..., tokens.Reservation]:
    """The replacement calls the original on a fresh store; the original must not be the replacement by then."""
    original = tokens.MemoryStore.reserve

    def replacement(_self: object, key: tokens.SpendKey, *, at: int, lease: int) -> tokens.Reservation:
        return original(tokens.MemoryStore(1), key, at=at, lease=lease)

    del reserve
    return replacement
