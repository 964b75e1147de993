"""§4 to §6: one private request, and sessions that go on.

    opening = Opening(anchors, directory, token, role, now)
    session = opening.appraise(status, media types, content, now)
    asking  = session.ask(question, now)
    answer, session = asking.read(status, media types, content, now)
    renewing = session.renew(directory, now)
    session  = renewing.read(status, media types, content, now)

The `content` of opening, asking and renewing goes to the relay, as POST with `content-type: message/ohttp-req`. Back
come the status, the values of content-type, and the content.
"""

import base64
import hmac
import os
from dataclasses import dataclass, replace

from .bhttp import request, response
from .directory import Anchors, Directory
from .hpke import SUITES, Chunked, Exchange
from .session import FORMAT, Again, Question, Shown, State, announced, devices_of, judge
from .tls import Channel
from .tokens import Token
from .wire import Reader, T, check, listed, lp, sha384, u16, u64

ANSWERS = tuple(8192 << i for i in range(11))


def _content(encapsulated: bytes, exchange: Exchange, status: int, media: list[bytes], sizes: tuple[int, ...]) -> bytes:
    check(status == 200 and media == [b"message/ohttp-res"], "refused in the clear")
    check(len(encapsulated) in sizes, "a size that isn't allowed")
    return response(exchange.response(encapsulated))


class First:
    """§4.1 to §4.4: what a first request says, whatever exchange it goes into."""

    def __init__(
        self, anchors: Anchors, directory: Directory, token: Token, role: str, now: int, exchange: Exchange | Chunked
    ) -> None:
        check(directory.in_use(now), "the directory isn't in its time")
        check(role in directory.services, "no such role")
        self.anchors, self.directory, self.role, self.made = anchors, directory, role, now
        self.service = s = directory.services[role]
        self.tls = Channel(directory.group)
        beside = bytes([s.devices is not None or bool(s.back_ends)])
        opening = (
            u16(1) + lp(role.encode()) + lp(s.log.encode()) + lp(s.namespace.encode()) + listed(u16(FORMAT)) + beside
            + s.policy_id + os.urandom(32) + listed(*(suite.code for suite in SUITES)) + lp(self.tls.client_hello)
        )  # fmt: skip
        self.opening = opening + lp(bytes(2048 - 4 - len(opening)))
        self.exchange = exchange
        hpke = exchange.hpke
        oexp = hpke.export(b"privproc/1 outer", 32)
        outer = T("outer", directory.config.encoded, hpke.suite.code, hpke.enc, oexp, token.encoded, token.pop)
        self.th1 = T("open", directory.digest, outer, self.opening)
        proof = u16(66) + token.pop + u16(64) + token.proof(self.th1)
        self.fields = [
            (b"authorization", b'PrivateToken token="' + base64.urlsafe_b64encode(token.encoded) + b'"'),
            (b"privproc-proof", base64.urlsafe_b64encode(proof)),
        ]

    def offered(self, r: Reader, now: int) -> tuple[bytes, State]:
        """§4.8 from step 6 on: the handle, and the session that the offer makes."""
        handle, offer = r.take(32), Reader(r.vector(1, 1 << 18))  # 6
        endorsements, proof = r.vector(0, 1 << 18), r.vector(0, 1 << 18)
        flight, ann = offer.vector(1, 1 << 18), offer.vector(1, 1 << 18)
        form, evidence, items = offer.uint(2), offer.vector(1, 1 << 18), devices_of(offer, 1 << 18)
        suite, pk, count, lifetime = announced(ann)
        check(form == FORMAT, "7: suite or format wasn't listed")
        leaf = self.tls.accept(flight)  # 8
        offer.end()
        end, services = self.made + lifetime, self.directory.services
        state = State(self.anchors, services, self.service, self.tls, self.role, leaf, suite, pk, count, end)
        return handle, judge(state, self.th1, 0, ann, Shown(evidence, items, endorsements, proof), now)


class Opening(First):
    """The first round trip, single-shot."""

    exchange: Exchange

    def __init__(self, anchors: Anchors, directory: Directory, token: Token, role: str, now: int) -> None:
        super().__init__(anchors, directory, token, role, now, Exchange(directory.config))
        inner = request(directory.gateway, "/privproc/1/open", self.fields, self.opening)
        size = directory.up - self.exchange.overhead
        check(len(inner) <= size, "the request doesn't fit")
        self.content = self.exchange.request(inner.ljust(size, b"\0"))

    def appraise(self, status: int, media: list[bytes], content: bytes, now: int) -> "Session":
        """§4.8, with the numbers of its table."""
        check(now < self.made + 30, "1: too late")
        r = Reader(_content(content, self.exchange, status, media, (self.directory.down,)))  # 2 to 5
        handle, state = self.offered(r, now)
        r.end()
        mac_key = self.exchange.hpke.export(b"privproc/1 continue", 48)
        return Session(state, self.directory, mac_key, handle, 0, min(state.stays, now + 30))


@dataclass(frozen=True)
class Session:
    """§5.1: what can go on once, and until when."""

    state: State
    directory: Directory
    mac_key: bytes
    handle: bytes
    offset: int
    end: int

    @property
    def suite(self) -> object:
        return self.state.suite

    def ask(self, question: bytes, now: int, *, last: bool = False) -> "Asking":
        check(now < min(self.end, self.state.fresh) and self.directory.in_use(now), "the session has ended")
        return Asking(self, question, last)

    def renew(self, directory: Directory, now: int) -> "Renewing":
        check(now < self.end and directory.in_use(now), "the session has ended")
        return Renewing(replace(self, directory=directory), now)


class _Later:
    """A later round trip: records in an exchange of their own."""

    def __init__(self, session: Session, records: bytes) -> None:
        self.session, self.exchange = session, Exchange(session.directory.config)
        parts = (
            b"privproc/1 continue", session.handle, u64(session.offset), self.exchange.hpke.enc, sha384(records)
        )  # fmt: skip
        mac = hmac.digest(session.mac_key, b"".join(map(lp, parts)), "sha384")
        body = session.handle + u64(session.offset) + mac + lp(records)
        self.offset = session.offset + len(records)
        self.content = self.exchange.request(request(session.directory.gateway, "/privproc/1/continue", [], body))

    def opened(self, status: int, media: list[bytes], content: bytes) -> tuple[bytes, bytes]:
        """§5.2: the next handle, and what the enclave sent inside of TLS."""
        r = Reader(_content(content, self.exchange, status, media, ANSWERS))
        handle, records = r.take(32), r.vector(0, 1 << 24)
        r.end()
        return handle, self.session.state.tls.open(records)

    def following(self, state: State, handle: bytes, now: int) -> Session:
        end = min(state.stays, now + 270)
        return replace(self.session, state=state, handle=handle, offset=self.offset, end=end)


class Asking(_Later):
    """A question and its answer."""

    def __init__(self, session: Session, question: bytes, last: bool) -> None:
        self.question = Question(session.state, question, last)
        super().__init__(session, session.state.tls.seal(self.question.frame))

    def read(self, status: int, media: list[bytes], content: bytes, now: int) -> tuple[bytes, Session | None]:
        """§6.2: the answer, and what asks next."""
        handle, data = self.opened(status, media, content)
        out = b"".join(self.question.answer(data))
        check(self.question.done, "the input is too short")
        state = self.question.next()
        return out, None if state is None else self.following(state, handle, now)


class Renewing(_Later):
    """§6.3: new evidence."""

    def __init__(self, session: Session, now: int) -> None:
        self.again = Again(session.state, session.directory, now)
        super().__init__(session, session.state.tls.seal(self.again.frame))

    def read(self, status: int, media: list[bytes], content: bytes, now: int) -> Session:
        handle, data = self.opened(status, media, content)
        state = self.again.read(data, now)
        check(state is not None, "the new evidence is cut off")
        return self.following(state, handle, now)
