"""The gateway's server, as an embedder would write it: the library's steps, a store, a table of live sessions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from privproc.errors import LimitError, PeerError, ReplayError
from privproc.http import Response
from privproc.session import ContinueRequest, Gateway, Live, OpenRequest
from privproc.session.streams import (
    RESPONSE,
    PipeDownload,
    PipeRequest,
    RecordsReceived,
    RequestEnd,
    StreamRequest,
    Upload,
    UploadEvent,
)
from privproc.session.wrapped import WrappedRequest
from privproc.tokens import MemoryStore
from tests.world.enclave import Host
from tests.world.wire import Wire

SEALED = ((b"content-type", b"message/ohttp-res"),)
LEASE = 30
SESSIONS = 1000


@dataclass
class GatewayServer:
    """``refusals``: the errors that ended in a refusal, for tests; a real one would count them by class.

    ``nodes``: how to reach each node of wrapped mode, by its digest; ``choose``: which one of a request's gets it.
    """

    wire: Wire
    gateway: Gateway
    host: Host
    store: MemoryStore
    live: dict[bytes, tuple[Live, int]]
    refusals: list[PeerError]
    nodes: dict[bytes, Callable[[bytes, int], bytes]] = field(default_factory=dict)
    choose: Callable[[tuple[bytes, ...]], bytes] = field(default=lambda nodes: nodes[0])

    def handle(self, encapsulated: bytes, *, at: int) -> Response:
        self.wire.see("gateway", encapsulated)
        try:
            exchange = self.gateway.open(encapsulated, at=at)
        except PeerError as error:
            self.refusals.append(error)
            return self.gateway.reject(error)
        self.wire.see("gateway", exchange._look()[0])
        try:
            message = exchange.read(at=at)
            if isinstance(message, WrappedRequest):
                sealed = self.wrapped(message, at)
            else:
                sealed = self.begin(message, at) if isinstance(message, OpenRequest) else self.go_on(message, at)
        except PeerError as error:
            self.refusals.append(error)
            sealed = exchange.refuse()
        return Response(200, SEALED, sealed)

    def begin(self, message: OpenRequest, at: int) -> bytes:
        forwarded, opened = self.forward(message, at)
        session, offer, endorsements, log_proof = opened
        self.wire.see("gateway", offer, endorsements, log_proof)
        sealed, live = forwarded.answer(offer, endorsements=endorsements, log_proof=log_proof, at=at)
        self.keep(live, session, at)
        return sealed

    def forward(self, message: Any, at: int) -> tuple[Any, tuple[int, bytes, bytes, bytes]]:
        """Spend the token of a first request, whichever transport brought it, and bring it to the enclave."""
        reservation = self.store.reserve(message.spend_key, at=at, lease=LEASE)
        try:
            forward, forwarded = message.forward(reservation)
        except PeerError:
            self.store.release(reservation, at=at)
            raise
        # From here on the token is gone, whatever happens: it may have been seen.
        self.store.commit(reservation, at=at)
        return forwarded, self.host.open(self.wire.cross("gateway → host", forward), at=at)

    def go_on(self, message: ContinueRequest, at: int) -> bytes:
        if message.handle not in self.live:
            raise ReplayError("no such handle, or used")
        live, session = self.live.pop(message.handle)
        records, accepted = message.accept(live, at=at)
        answer, ended = self.host.receive(session, self.wire.cross("gateway → host", records), at=at)
        answer = self.wire.cross("host → gateway", answer)
        self.wire.see("gateway", records, answer)
        sealed, kept = accepted.answer(answer, ended=ended, at=at)
        if kept is not None:
            self.keep(kept, session, at)
        return sealed

    def wrapped(self, message: WrappedRequest, at: int) -> bytes:
        reservation = self.store.reserve(message.spend_key, at=at, lease=LEASE)
        node = self.choose(message.nodes)
        delivery, forwarded = message.forward(reservation, node=node)
        self.store.commit(reservation, at=at)
        answer = self.nodes[node](self.wire.cross("gateway → host", delivery), at)
        answer = self.wire.cross("host → gateway", answer)
        self.wire.see("gateway", delivery, answer)
        return forwarded.answer(answer)

    def stream(self, pieces: Iterable[bytes], *, at: int) -> Iterator[Response]:
        """A chunked request, as its pieces come: the response's head, then pieces of content."""
        call = Call(self)
        for piece in pieces:
            yield from call.receive(piece, at=at)
        yield from call.end(at=at)

    def keep(self, live: Live, session: int, at: int) -> None:
        """Half-open sessions cost memory: those past their time go first, then new ones are refused."""
        self.live = {handle: kept for handle, kept in self.live.items() if kept[0].expires > at}
        if len(self.live) >= SESSIONS:
            raise LimitError("too many sessions")
        self.live[live.handle] = live, session


class Call:
    """One chunked exchange at the gateway: what each piece of the request makes it answer.

    A response that can't go on is cut off: nothing more comes. The device notices.
    """

    def __init__(self, server: GatewayServer) -> None:
        self.server = server
        self.upload = Upload(server.gateway)
        self.at = 0
        self.begun = False
        self.over = False
        self.session = 0
        self.pipe: list[PipeDownload] = []

    def receive(self, piece: bytes, *, at: int) -> Iterator[Response]:
        """A piece of the request's content has come."""
        self.server.wire.see("gateway", piece)
        return self._events(lambda: self.upload.receive_data(piece, at=at), at)

    def end(self, *, at: int) -> Iterator[Response]:
        """The request has ended."""
        yield from self._events(lambda: self.upload.receive_end(at=at), at)
        self.over = True

    def _events(self, receive: Callable[[], list[UploadEvent]], at: int) -> Iterator[Response]:
        self.at = at
        if self.over:
            return
        try:
            for event in receive():
                yield from self._handle(event)
        except PeerError as error:
            self.over = True
            self.server.refusals.append(error)
            if not self.begun:
                yield self.upload.refuse(error)

    def _handle(self, event: UploadEvent) -> Iterator[Response]:
        match event:
            case PipeRequest():
                yield from self._respond([self._open(event)])
            case RecordsReceived(records):
                yield from self._respond(map(self.pipe[0].send, self._ask(records)))
                if self.server.host.ended(self.session):
                    yield from self._respond([self.pipe[0].finish()])
            case StreamRequest():
                yield from self._respond(self._go_on(event))
            case RequestEnd():
                pass

    def _respond(self, wires: Iterable[bytes]) -> Iterator[Response]:
        for wire in wires:
            response = Response(200, (), wire) if self.begun else replace(RESPONSE, content=wire)
            self.begun = True
            yield response

    def _ask(self, records: bytes) -> Iterator[bytes]:
        server = self.server
        for answer in server.host.stream(self.session, server.wire.cross("gateway → host", records), at=self.at):
            crossed = server.wire.cross("host → gateway", answer)
            server.wire.see("gateway", records, crossed)
            yield crossed

    def _open(self, event: PipeRequest) -> bytes:
        server, at = self.server, self.at
        forwarded, opened = server.forward(event, at)
        self.session, offer, endorsements, log_proof = opened
        server.wire.see("gateway", offer, endorsements, log_proof)
        wire, download = forwarded.answer(offer, endorsements=endorsements, log_proof=log_proof)
        self.pipe.append(download)
        return wire

    def _go_on(self, event: StreamRequest) -> Iterator[bytes]:
        server, at = self.server, self.at
        if event.handle not in server.live:
            raise ReplayError("no such handle, or used")
        live, self.session = server.live.pop(event.handle)
        records, download = event.accept(live, at=at)
        yield from map(download.send, self._ask(records))
        wire, kept = download.finish(ended=server.host.ended(self.session), at=at)
        if kept is not None:
            server.keep(kept, self.session, at)
        yield wire
