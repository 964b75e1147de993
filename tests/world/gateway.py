"""The gateway's server, as an embedder would write it: the library's steps, a store, a table of live sessions."""

from __future__ import annotations

from dataclasses import dataclass

from privproc.errors import LimitError, PeerError, ReplayError
from privproc.http import Response
from privproc.session import ContinueRequest, Gateway, Live, OpenRequest
from privproc.tokens import MemoryStore
from tests.world.enclave import Host
from tests.world.wire import Wire

SEALED = ((b"content-type", b"message/ohttp-res"),)
LEASE = 30
SESSIONS = 1000


@dataclass
class GatewayServer:
    """``refusals``: the errors that ended in a refusal, for tests; a real one would count them by class."""

    wire: Wire
    gateway: Gateway
    host: Host
    store: MemoryStore
    live: dict[bytes, tuple[Live, int]]
    refusals: list[PeerError]

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
            sealed = self.begin(message, at) if isinstance(message, OpenRequest) else self.go_on(message, at)
        except PeerError as error:
            self.refusals.append(error)
            sealed = exchange.refuse()
        return Response(200, SEALED, sealed)

    def begin(self, message: OpenRequest, at: int) -> bytes:
        reservation = self.store.reserve(message.spend_key, at=at, lease=LEASE)
        try:
            forward, forwarded = message.forward(reservation)
        except PeerError:
            self.store.release(reservation, at=at)
            raise
        # From here on the token is gone, whatever happens: it may have been seen.
        self.store.commit(reservation, at=at)
        opened = self.host.open(self.wire.cross("gateway → host", forward), at=at)
        session, offer, endorsements, log_proof = opened
        self.wire.see("gateway", offer, endorsements, log_proof)
        sealed, live = forwarded.answer(offer, endorsements=endorsements, log_proof=log_proof, at=at)
        self.keep(live, session, at)
        return sealed

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

    def keep(self, live: Live, session: int, at: int) -> None:
        """Half-open sessions cost memory: those past their time go first, then new ones are refused."""
        self.live = {handle: kept for handle, kept in self.live.items() if kept[0].expires > at}
        if len(self.live) >= SESSIONS:
            raise LimitError("too many sessions")
        self.live[live.handle] = live, session
