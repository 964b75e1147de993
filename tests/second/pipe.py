"""§5.4: a whole session in one chunked exchange.

    pipe = Pipe(anchors, directory, token, role, now)
    pipe.receive(status, media types)
    for event in pipe.read(data, now): ...          # PipeSession, or a piece of the answer
    session.ask(question, now); session.renew(directory, now)

What is to be sent, after each of these, is what `take` gives: content of a POST with `content-type:
message/ohttp-chunked-req` and `incremental: ?1`.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from .bhttp import Incoming, request_head, varint
from .device import First
from .directory import Anchors, Directory
from .hpke import Chunked
from .session import Again, Question, State
from .tokens import Token
from .wire import Reader, check, lp


class Pipe(First):
    """The device's end."""

    exchange: Chunked

    def __init__(self, anchors: Anchors, directory: Directory, token: Token, role: str, now: int) -> None:
        super().__init__(anchors, directory, token, role, now, Chunked(directory.config))
        head = request_head(directory.gateway, "/privproc/1/open", self.fields)
        room = directory.up - self.exchange.overhead - len(head) - 4
        zeros = room - len(self.opening) - 4
        check(zeros >= 0, "the request doesn't fit")
        first = head + (room | 2 << 30).to_bytes(4, "big") + self.opening + lp(bytes(zeros))
        self.out = self.exchange.piece(first)
        self.incoming, self.have, self.content = Incoming(), 0, b""
        self.first = directory.down - max(self.exchange.suite.Nn, self.exchange.suite.Nk) - 16
        self.asked: Question | Again | None = None
        self.opened = self.over = self.answered = False

    def take(self) -> bytes:
        out, self.out = self.out, b""
        return out

    def receive(self, status: int, media: list[bytes]) -> None:
        check(status == 200 and media == [b"message/ohttp-chunked-res"], "refused in the clear")
        self.answered = True

    def read(self, data: bytes, now: int) -> "Iterator[PipeSession | bytes]":
        check(self.answered, "the head comes first")
        for plaintext in self.exchange.read(data):
            content = self.incoming.read(plaintext)
            if self.opened:
                yield from self._records(content, now)
                continue
            self.have += len(plaintext)
            self.content += content
            check(self.have <= self.first, "a size that isn't allowed")
            if self.have == self.first:
                yield self._open(now)

    def _open(self, now: int) -> "PipeSession":
        check(now < self.made + 30, "1: too late")
        r = Reader(self.content)
        _, state = self.offered(r, now)
        check(not any(r.vector(0, 1 << 24)), "padding that isn't zero")
        r.end()
        self.opened = True
        return PipeSession(self, state, self.directory, min(state.stays, now + 30))

    def _records(self, records: bytes, now: int) -> "Iterator[PipeSession | bytes]":
        data = self.tls.open(records) if records else b""
        if not data:
            return
        asked = self.asked
        check(asked is not None, "data that nothing asked for")
        if isinstance(asked, Again):
            state = asked.read(data, now)
        else:
            yield from asked.answer(data)
            state = asked.next() if asked.done else None
            self.over = asked.done and state is None
        if self.over or state is not None:
            self.asked = None
        if state is not None:
            yield PipeSession(self, state, self.directory, min(state.stays, now + 270))

    def end(self) -> None:
        """The exchange has ended. A refusal comes in its last chunk."""
        self.incoming.read(self.exchange.last())
        check(self.opened and self.asked is None, "the pipe is cut off")

    def send(self, asked: Question | Again) -> None:
        self.asked = asked
        records = self.tls.seal(asked.frame)
        self.out += self.exchange.piece(varint(len(records)) + records)


@dataclass(frozen=True)
class PipeSession:
    pipe: Pipe
    state: State
    directory: Directory
    end: int

    def ask(self, question: bytes, now: int, *, last: bool = False) -> None:
        check(now < min(self.end, self.state.fresh) and self.directory.in_use(now), "the session has ended")
        self.pipe.send(Question(self.state, question, last))

    def renew(self, directory: Directory, now: int) -> None:
        check(now < self.end and directory.in_use(now), "the session has ended")
        self.pipe.directory = directory
        self.pipe.send(Again(self.state, directory, now))
