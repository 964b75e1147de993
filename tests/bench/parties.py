"""All parties of one private request in one process, with nothing recorded between them, and the floor's fixed inputs.

The keys, packages, tokens and logs come from :mod:`tests.world`; the bytes go from party to party directly, and the
model is a constant. What the hardware and the bench itself do is timed by a :class:`Pause` and doesn't count.
"""

from __future__ import annotations

import functools
import hashlib
import time
from dataclasses import replace

from privproc import session, tokens
from privproc.errors import UsageError
from privproc.http import Response
from privproc.ledger import Entry
from privproc.responsekey import AnswerData
from privproc.session import Published
from privproc.session.streams import RESPONSE
from privproc.tokens import MemoryStore
from tests.world.enclave import MEASUREMENT
from tests.world.mirrors import NAMES
from tests.world.relay import ROUTE
from tests.world.world import ROLE, World

AT = 1_800_000_000
SEALED = ((b"content-type", b"message/ohttp-res"),)
QUESTION = bytes(range(256)) * 4
ANSWER = bytes(range(255, -1, -1)) * 4
LOG_SIZE = 1024
"""Leaves of the log of measurements and of that of packages: 10 hashes a proof."""

clock = time.thread_time_ns
"""CPU time of this thread: what else runs on the machine doesn't count, and nothing here waits."""


class Pause:
    """Time (ns, in all) that belongs to neither the operation nor its floor."""

    def __init__(self) -> None:
        self.total = 0
        self._began = 0

    def __enter__(self) -> None:
        self._began = clock()

    def __exit__(self, *_exception: object) -> None:
        self.total += clock() - self._began


class Parties:
    """Device, gateway, host and enclave after everything that happens before a request."""

    def __init__(self) -> None:
        self.pause = Pause()
        self.world = world = World(AT)
        for log in (world.measurements, world.packages):
            filler = Entry("filler", "filler", bytes(48), AT + 1, 0)
            for number in range(LOG_SIZE - len(log.entries)):
                log.append(replace(filler, digest=hashlib.sha384(b"%d" % number).digest()))
        published = Published.decode(world.published)
        published = Published(published.package, world.packages.prove(0, AT)).encode()
        self.copies = [(name, published) for name in NAMES]
        self.anchors = world.anchors
        self.directory = self.learn()
        self.token, self.proof_key = world.token(self.directory).spend()
        self.enclave = world.machine.enclave
        self.chip = world.amd.chip()
        self.endorsements = self.chip.endorsements.encode()
        self.log_proof = world.measurements.prove(world.measured, AT)
        self.gateway = session.Gateway([session.Epoch.of(self.directory, world.gateway_key)])

    def learn(self) -> session.Directory:
        """The directory, from three mirrors."""
        memory = session.Memory.first(self.anchors)
        return session.learn(self.copies, self.anchors, memory=memory, at=AT)

    def redeem(self, origin: tokens.Origin) -> tokens.Redemption:
        """Check the token, as its gateway does."""
        return origin.redeem(self.token, challenge=self.directory.contents.get(at=AT).challenge, at=AT)

    def hardware(self, report_data: bytes) -> bytes:
        """What the processor does."""
        with self.pause:
            return self.chip.report(measurement=MEASUREMENT, report_data=report_data)

    def request(self) -> bytes:
        """One private request, from the token to the end of the answer. The same token each time: a new store."""
        return self.spend(tokens.BoundToken(self.token, self.proof_key), MemoryStore(1))

    def issued(self) -> tokens.BoundToken:
        """Another token."""
        contents = self.directory.contents
        challenge = contents.get(at=AT).challenge
        wire, pending = tokens.request_bound(challenge, contents.map(lambda it: it.token_key), at=AT)
        return pending.finish(self.world.issuer.issuer.issue(wire, at=AT))

    def spend(self, token: tokens.BoundToken, store: MemoryStore) -> bytes:
        """The private request of ``token``."""
        first, opening = session.begin(self.directory, token, role=ROLE, relay=ROUTE, anchors=self.anchors, at=AT)
        # Gateway, host, enclave.
        exchange = self.gateway.open(first.content, at=AT)
        asked = exchange.read(at=AT)
        if not isinstance(asked, session.OpenRequest):
            raise UsageError("not an opening")
        reservation = store.reserve(asked.spend_key, at=AT, lease=30)
        forward, forwarded = asked.forward(reservation)
        store.commit(reservation, at=AT)
        attesting = self.enclave.open(forward, at=AT)
        offer, waiting = attesting.attest(self.hardware(attesting.report_data))
        sealed, live = forwarded.answer(offer, endorsements=self.endorsements, log_proof=self.log_proof, at=AT)
        # Device.
        ready = opening.finish(Response(200, SEALED, sealed), at=AT)
        second, channel = ready.ask(QUESTION, at=AT, last=True)
        # Gateway, enclave.
        exchange = self.gateway.open(second.content, at=AT)
        continued = exchange.read(at=AT)
        if not isinstance(continued, session.ContinueRequest):
            raise UsageError("not a continuation")
        records, accepted = continued.accept(live, at=AT)
        asked_for = question_of(waiting.receive(records, at=AT))
        sealed, _live = accepted.answer(asked_for.reply.finish(ANSWER, at=AT)[0], ended=True, at=AT)
        # Device.
        events = channel.receive(Response(200, SEALED, sealed), at=AT)
        return b"".join(event.data for event in events if isinstance(event, AnswerData))

    def live(self) -> Live:
        """A session that has been opened and asked in once."""
        return Live(self)

    def pipe(self) -> tuple[session.Pipe, session.PipeDownload, session.EnclaveReply]:
        """A pipe whose question waits for its answer."""
        token = tokens.BoundToken(self.token, self.proof_key)
        _, pipe = session.open_pipe(self.directory, token, role=ROLE, relay=ROUTE, anchors=self.anchors, at=AT)
        upload, store = session.Upload(self.gateway), MemoryStore(1)
        (asked,) = upload.receive_data(pipe.data_to_send(), at=AT)
        if not isinstance(asked, session.PipeRequest):
            raise UsageError("not the first piece of a pipe")
        forward, forwarded = asked.forward(store.reserve(asked.spend_key, at=AT, lease=30))
        attesting = self.enclave.open(forward, at=AT)
        offer, waiting = attesting.attest(self.hardware(attesting.report_data))
        wire, download = forwarded.answer(offer, endorsements=self.endorsements, log_proof=self.log_proof)
        pipe.receive_head(RESPONSE)
        (ready,) = pipe.receive_data(wire, at=AT)
        if not isinstance(ready, session.PipeReady):
            raise UsageError("not appraised")
        ready.session.ask(QUESTION, at=AT)
        (records,) = upload.receive_data(pipe.data_to_send(), at=AT)
        if not isinstance(records, session.RecordsReceived):
            raise UsageError("no records")
        return pipe, download, question_of(waiting.receive(records.data, at=AT)).reply


class Live:
    """A session that goes on, with nothing between the parties: ``device``, ``gateway`` and ``enclave`` are what each
    keeps until the next question.
    """

    def __init__(self, parties: Parties) -> None:
        self._opens = parties.gateway
        token = tokens.BoundToken(parties.token, parties.proof_key)
        first, opening = session.begin(parties.directory, token, role=ROLE, relay=ROUTE, anchors=parties.anchors, at=AT)
        asked = self._opens.open(first.content, at=AT).read(at=AT)
        if not isinstance(asked, session.OpenRequest):
            raise UsageError("not an opening")
        forward, forwarded = asked.forward(MemoryStore(1).reserve(asked.spend_key, at=AT, lease=30))
        attesting = replace(parties.enclave, requests=1 << 31).open(forward, at=AT)
        offer, self.enclave = attesting.attest(parties.hardware(attesting.report_data))
        sealed, self.gateway = forwarded.answer(
            offer, endorsements=parties.endorsements, log_proof=parties.log_proof, at=AT
        )
        self.device = opening.finish(Response(200, SEALED, sealed), at=AT)
        self.request()

    def request(self) -> bytes:
        """One more question, from the device to the end of its answer."""
        request, channel = self.device.ask(QUESTION, at=AT)
        continued = self._opens.open(request.content, at=AT).read(at=AT)
        if not isinstance(continued, session.ContinueRequest):
            raise UsageError("not a continuation")
        records, accepted = continued.accept(self.gateway, at=AT)
        answer, waiting = question_of(self.enclave.receive(records, at=AT)).reply.finish(ANSWER, at=AT)
        sealed, live = accepted.answer(answer, ended=False, at=AT)
        *events, end = channel.receive(Response(200, SEALED, sealed), at=AT)
        if waiting is None or live is None or not isinstance(end, session.AnswerComplete) or end.session is None:
            raise UsageError("the session has ended")
        self.enclave, self.gateway, self.device = waiting, live, end.session
        return b"".join(event.data for event in events if isinstance(event, AnswerData))


def question_of(asked: session.Asked | session.Again) -> session.Asked:
    if not isinstance(asked, session.Asked):
        raise UsageError("not a question")
    return asked


@functools.cache
def parties() -> Parties:
    """Made once: keys and logs take a second."""
    return Parties()
