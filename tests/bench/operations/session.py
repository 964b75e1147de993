"""The private request, and the channels that it goes through."""

from __future__ import annotations

import os
from collections.abc import Iterator

from privproc import ratls, session
from privproc.attestation import snp
from privproc.errors import UsageError
from privproc.responsekey import AnswerData, Context, OneTimeKey, open_request, seal_request
from privproc.secret import Secret
from privproc.tokens import MemoryStore, SpendKey
from tests.bench import floors
from tests.bench.growth import Growth
from tests.bench.held import Held
from tests.bench.measure import Operation, Stream
from tests.bench.operations.evidence import PATH, WITNESSES, appraisal
from tests.bench.operations.hpke import XWING
from tests.bench.parties import AT, QUESTION, parties
from tests.world.world import ROLE

FIRST = b"The"


def operations() -> Iterator[Operation]:
    yield private_request()
    yield live_request()
    yield handshake()
    yield first_byte()


def streams() -> Iterator[Stream]:
    piece = 4 * AnswerStream.CHUNK
    yield Stream("responsekey answer", piece, lambda: AnswerStream(piece), lambda: floors.ChunkStream(16336, 4))
    yield Stream(
        "pipe, enclave to device",
        piece,
        lambda: PipeStream(piece),
        lambda: floors.Streams(floors.ChunkStream(16336, 4), floors.TlsStream(1 << 16), floors.ChunkStream(16384, 4)),
    )
    piece = 1 << 16
    yield Stream("ratls channel", piece, lambda: TlsStream(piece), lambda: floors.TlsStream(piece))


def held() -> Iterator[Held]:
    """Sessions between two questions. What passed through their TLS passes through the bare pair's, too."""
    p, sizes = parties(), floors.Sizes()

    def pair() -> floors.TlsPair:
        return floors.used_pair(sizes.sealed_request, sizes.sealed_answer)

    yield Held("session: device, gateway, enclave", p.live, pair, 64 << 10)
    yield Held("session: its device", lambda: p.live().device, lambda: pair().client, 64 << 10)
    yield Held("session: its enclave", lambda: p.live().enclave, lambda: pair().server, 64 << 10)
    yield Held("session: its gateway", lambda: p.live().gateway, lambda: None, 64 << 10)


def growths() -> Iterator[Growth]:
    p = parties()
    yield Growth("private request, with a token of its own", Requests, 8, 1024, 256, 1.1, p.pause)
    yield Growth("live session's request", lambda: p.live().request, 8, 4096, 0, 1.1, p.pause)
    yield Growth("spend of a token, in memory", Spends, 1000, 200_000, 256, 1.5, p.pause)


def private_request() -> Operation:
    p = parties()
    floor = floors.request(WITNESSES, PATH, floors.Sizes())
    return Operation("private request, all parties", lambda _: p.request(), floor, 1.35, pause=p.pause)


def live_request() -> Operation:
    """One more question in a session that is there, each time the next."""
    p = parties()
    live = p.live()
    return Operation(
        "live session's request, all parties", lambda _: live.request(), floors.live_request(floors.Sizes()), 1.35
    )


def first_byte() -> Operation:
    """From the model's first piece to the device, and nothing after it: an answer that doesn't stream raises."""

    def run(pipe: tuple[session.Pipe, session.PipeDownload, session.EnclaveReply]) -> bytes:
        device, gateway, enclave = pipe
        events = device.receive_data(gateway.send(enclave.send(FIRST)), at=AT)
        received = b"".join(event.data for event in events if isinstance(event, AnswerData))
        if received != FIRST:
            raise UsageError("the first chunk doesn't bring the first piece")
        return received

    return Operation("first byte of a streamed answer", run, None, prepare=parties().pipe, batches=10)


def handshake() -> Operation:
    p = parties()
    sample = p.directory.contents.get(at=AT).group
    identity = p.enclave.identity
    base = _evidence()
    th1, announcement = bytes(48), bytes(1240)
    operation: Operation

    def run(_: None) -> tuple[ratls.Channel, ratls.Channel]:
        hello, pending = ratls.connect(sample)
        flight, attesting = ratls.accept(identity, hello, sample)
        attesting.bind(role=ROLE, th1=th1, announcement=announcement)
        established = pending.finish(flight)
        binding = established.bind(role=ROLE, th1=th1, announcement=announcement)
        with operation.pause:
            evidence = snp.VerifiedEvidence._earn(**(base | {"binding": binding}))
        channel = established.release(evidence, at=AT)
        return channel, attesting.finish(channel.data_to_send())[0]

    operation = Operation("ratls handshake, bound", run, floors.handshake())
    return operation


def _evidence() -> dict[str, object]:
    """The fields of an appraisal's result, for a channel that is released without one."""
    evidence = appraisal().once()
    return {name: getattr(evidence, name) for name in type(evidence).__dataclass_fields__}


class Requests:
    """Private requests one after another, of one gateway and one store."""

    def __init__(self) -> None:
        self._parties = parties()
        self._store = MemoryStore(1 << 20)

    def __call__(self) -> None:
        with self._parties.pause:
            token = self._parties.issued()
        self._parties.spend(token, self._store)


class Spends:
    """Tokens of one issuer's key, reserved and committed one after another."""

    def __init__(self) -> None:
        self._store = MemoryStore(1 << 20)
        self._key_id = os.urandom(32)

    def __call__(self) -> None:
        key = SpendKey(self._key_id, os.urandom(32), AT + 3600)
        self._store.commit(self._store.reserve(key, at=AT, lease=30), at=AT)


class PipeStream:
    """An answer from the enclave to the device through a pipe: four layers of chunks and records."""

    def __init__(self, piece: int) -> None:
        self._pipe, self._download, self._reply = parties().pipe()
        self._piece = bytes(piece)

    def ready(self) -> None:
        pass

    def piece(self, _: object) -> object:
        return self._pipe.receive_data(self._download.send(self._reply.send(self._piece)), at=AT)


class AnswerStream:
    """An answer from the enclave's sealer to the device's channel."""

    CHUNK = 16336 - 4

    def __init__(self, piece: int) -> None:
        one_time, exporter = OneTimeKey.generate(XWING), bytes(48)
        context = [Context(bytes(48), 0, b"", Secret(exporter)) for _ in range(2)]
        sealed, self._answer = seal_request(context[0], XWING, one_time.public_key, QUESTION)
        _question, self._sealer = open_request(context[1], one_time, sealed)
        self._answer.receive_data(self._sealer.send(b""))  # the head, and the chunk that may name a next key
        self._piece = bytes(piece)

    def ready(self) -> None:
        pass

    def piece(self, _: object) -> object:
        return self._answer.receive_data(self._sealer.send(self._piece))


class TlsStream:
    """One direction of a bound channel."""

    def __init__(self, piece: int) -> None:
        self._client, self._server = handshake().once()
        self._piece = bytes(piece)

    def ready(self) -> None:
        pass

    def piece(self, _: object) -> object:
        self._client.send(self._piece)
        return self._server.receive_data(self._client.data_to_send())
