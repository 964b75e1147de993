"""The private request, and the channels that it goes through."""

from __future__ import annotations

from collections.abc import Iterator

from privproc import ratls
from privproc.attestation import snp
from privproc.responsekey import Context, OneTimeKey, open_request, seal_request
from privproc.secret import Secret
from tests.bench import floors
from tests.bench.measure import Operation, Stream
from tests.bench.operations.evidence import PATH, WITNESSES, appraisal
from tests.bench.operations.hpke import XWING
from tests.bench.parties import AT, QUESTION, parties
from tests.world.world import ROLE


def operations() -> Iterator[Operation]:
    yield private_request()
    yield live_request()
    yield handshake()


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
