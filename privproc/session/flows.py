"""The device as flows: generators that yield HTTP requests and are sent responses, over any HTTP client.

    reply = drive(ask(directory, token, question, role=..., relay=..., anchors=..., at=now()), send, now)

and for several questions in one attested session::

    session = drive(connect(directory, token, role=..., relay=..., anchors=..., at=now()), send, now)
    while session is not None:
        reply = drive(ask_in(session, directory, question, at=now()), send, now)
        session = reply.session
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from privproc import responsekey
from privproc.attestation import nvidia, snp
from privproc.attestation.forwarded import ForwardedEvidence
from privproc.http import Request, Response
from privproc.responsekey import AnswerData
from privproc.session.device import AnswerComplete, Session, begin
from privproc.session.directory import Anchors, Directory
from privproc.session.link import Relay
from privproc.session.profile import SUITES
from privproc.tokens import BoundToken

__all__ = ["Flow", "Reply", "adrive", "ask", "ask_in", "connect", "drive"]

T = TypeVar("T")

Flow = Generator[Request, "tuple[Response, int]", T]
"""Yields requests; is sent each response with the time (Unix seconds) at which it came."""


@dataclass(frozen=True, slots=True)
class Reply:
    """The whole answer, what was found about who gave it, as in :class:`Session`, and what can ask next, if anything
    can.
    """

    content: bytes = field(repr=False)
    evidence: snp.VerifiedEvidence
    devices: nvidia.FreshDevices | None
    back_ends: tuple[ForwardedEvidence, ...]
    session: Session | None


def ask(
    directory: Directory, token: BoundToken, question: bytes, *, role: str, relay: Relay, anchors: Anchors, at: int
) -> Flow[Reply]:
    """One private request: yields two requests for the relay, returns the :class:`Reply`. The session ends with it.

    Raises what the steps raise. No failure makes it send more than those two requests: nothing is retried or fetched.
    """
    for suite in SUITES:
        responsekey.fits(suite, len(question))  # before a token is spent on it
    request, opening = begin(directory, token, role=role, relay=relay, anchors=anchors, at=at)
    # req: privproc1/3.5 no-failure-fetches
    response, at = yield request
    return (yield from _put(opening.finish(response, at=at), question, at, last=True))


def connect(
    directory: Directory, token: BoundToken, *, role: str, relay: Relay, anchors: Anchors, at: int
) -> Flow[Session]:
    """A session to ask in: yields one request. The first question must follow within 30 s."""
    request, opening = begin(directory, token, role=role, relay=relay, anchors=anchors, at=at)
    response, at = yield request
    return opening.finish(response, at=at)


def ask_in(session: Session, directory: Directory, question: bytes, *, at: int) -> Flow[Reply]:
    """One more question in ``session``: yields one request, and one before it where the evidence is too old to ask.

    ``directory``: the one that is in use now. Raises what the steps raise; the session is over then, and going on takes
    a fresh token. Only :class:`UsageError` for a question that is too large spends nothing.
    """
    for suite in SUITES:
        responsekey.fits(suite, len(question))
    if at >= session.fresh_until:
        request, renewing = session.renew(directory, at=at)
        response, at = yield request
        session = renewing.finish(response, at=at)
    return (yield from _put(session, question, at, last=False))


def _put(session: Session, question: bytes, at: int, *, last: bool) -> Flow[Reply]:
    request, answer = session.ask(question, at=at, last=last)
    response, at = yield request
    *pieces, end = answer.receive(response, at=at)
    content = b"".join(piece.data for piece in pieces if isinstance(piece, AnswerData))
    following = end.session if isinstance(end, AnswerComplete) else None
    return Reply(content, session.evidence, session.devices, session.back_ends, following)


def drive(flow: Flow[T], send: Callable[[Request], Response], now: Callable[[], int]) -> T:
    """Run ``flow``: ``send`` carries a request and gives the response, ``now`` tells the Unix time."""
    advance: Callable[[], Request] = flow.__next__
    while True:
        try:
            request = advance()
        except StopIteration as done:
            result: T = done.value
            return result
        # Outside of the try: a StopIteration of the caller's must not pass for the flow's end.
        advance = partial(flow.send, (send(request), now()))


async def adrive(flow: Flow[T], send: Callable[[Request], Awaitable[Response]], now: Callable[[], int]) -> T:
    """:func:`drive` for an asynchronous ``send``."""
    advance: Callable[[], Request] = flow.__next__
    while True:
        try:
            request = advance()
        except StopIteration as done:
            result: T = done.value
            return result
        advance = partial(flow.send, (await send(request), now()))
