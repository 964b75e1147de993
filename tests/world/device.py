"""A device in the world that holds a session: a chat in single exchanges, or in a pipe."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from privproc import session
from privproc.http import Request, Response
from privproc.session import AnswerComplete, PipeReady
from tests.world.relay import ROUTE
from tests.world.world import ADDRESS, ROLE, World


class Chat:
    """A device with a session: what a chat application does."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.directory = world.learn()
        self.sent: list[Request] = []
        self.session = self.drive(
            session.connect(
                self.directory,
                world.token(self.directory),
                role=ROLE,
                relay=ROUTE,
                anchors=world.anchors,
                at=world.at,
            )
        )

    def send(self, request: Request) -> Response:
        self.sent.append(request)
        return self.world.send(request)

    def drive(self, flow: Any) -> Any:
        return session.drive(flow, self.send, self.world.now)

    def ask(self, question: bytes) -> bytes:
        reply = self.drive(session.ask_in(self.session, self.directory, question, at=self.world.at))
        self.session = reply.session
        return bytes(reply.content.strip())

    def renew(self) -> None:
        request, renewing = self.session.renew(self.directory, at=self.world.at)
        self.session = renewing.finish(self.send(request), at=self.world.at)


class Piped:
    """A device with a pipe."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.directory = world.learn()
        self.request, self.pipe = session.open_pipe(
            self.directory, world.token(self.directory), role=ROLE, relay=ROUTE, anchors=world.anchors, at=world.at
        )
        self.down = world.relay.stream(self.request, self._up(), address=ADDRESS, at=world.at)
        self.session: Any = None
        self.heads: list[Response] = []

    def _up(self) -> Iterator[bytes]:
        while wire := self.pipe.data_to_send():  # nothing more to say: whoever reads on waits in vain
            yield wire

    def event(self) -> Iterator[Any]:
        """Events, as the response's pieces come."""
        for response in self.down:
            if not self.heads:
                self.pipe.receive_head(response)
            self.heads.append(response)
            for event in self.pipe.receive_data(response.content, at=self.world.at):
                if isinstance(event, PipeReady | AnswerComplete):
                    self.session = event.session
                yield event
                if isinstance(event, PipeReady | AnswerComplete):
                    return
        self.pipe.receive_end(at=self.world.at)

    def open(self) -> Any:
        (event,) = self.event()
        assert isinstance(event, PipeReady)
        return event.session

    def ask(self, question: bytes, *, last: bool = False) -> bytes:
        self.session.ask(question, at=self.world.at, last=last)
        *pieces, end = self.event()
        assert isinstance(end, AnswerComplete)
        return b"".join(piece.data for piece in pieces)

    def renew(self) -> None:
        self.session.renew(self.directory, at=self.world.at)
        (event,) = self.event()
        assert isinstance(event, PipeReady)
