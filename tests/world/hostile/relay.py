"""A hostile relay, or whoever else is on the way."""

from __future__ import annotations

from unittest import mock

from privproc import bhttp, ohttp, session
from privproc.errors import DecodeError, ExpiredError, LimitError, OpenError, ReplayError, SignatureError
from privproc.http import Request, Response
from privproc.keyconfig import select
from privproc.session import pipe
from privproc.session.messages import Continue
from privproc.session.profile import CONTINUE_PATH, LEASE
from tests.world.device import Chat, Piped
from tests.world.gateway import GatewayServer
from tests.world.hostile.run import QUESTION, ask, catalogue, first_request, get_token, only, spends_again
from tests.world.removed import removed
from tests.world.world import GATEWAY, World

run = catalogue("relay")


@run("relay replays a request", ReplayError, spends_again)
def relay_replays(world: World) -> None:
    request, _ = first_request(world, get_token(world))
    world.send(request)
    world.send(request)
    if world.server.refusals:
        raise world.server.refusals[-1]


@run(
    "forged second-round-trip record",
    SignatureError,
    lambda: removed(session.Live.check, "not hmac.compare_digest(mac, message.mac)", "False"),
)
def forged_record(world: World) -> None:
    """Somebody who learnt a handle, but wasn't in the first exchange, sends records of his own."""
    request, _ = first_request(world, get_token(world))
    world.send(request)
    directory = world.learn()
    selection = directory.contents.map(lambda contents: select(contents.keys, session.SUITES))
    record = b"\x17\x03\x03\x00\x20" + bytes(32)
    message = Continue(next(iter(world.server.live)), 0, bytes(48), record).encode()
    inner = bhttp.encode_request(Request("POST", "https", GATEWAY, CONTINUE_PATH, (), message))
    wire, _ = ohttp.begin(selection, at=world.at).seal(inner)
    reached = len(world.wire.sizes("gateway → host"))
    world.relay._gateway.handle(wire, at=world.at)
    if len(world.wire.sizes("gateway → host")) == reached:
        raise world.server.refusals[-1]


def flipped(data: bytes) -> bytes:
    return data[:-1] + bytes((data[-1] ^ 1,))


@run("request altered by the relay", OpenError, None)
def altered_request(world: World) -> None:
    world.wire.taps["relay → gateway"] = flipped
    ask(world)


@run("answer altered by the relay", OpenError, None)
def altered_answer(world: World) -> None:
    world.wire.taps["relay → device"] = flipped
    ask(world)


@run("relay says that the gateway's key is unknown", ExpiredError, None)
def says_expired(world: World) -> None:
    """A response in the clear, which anybody can write. It triggers nothing: no fetch, and no second try."""
    problem = ohttp.problem_for(ExpiredError("key"), ohttp.Place.BEFORE_DECAPSULATION)
    fields = ((b"content-type", b"application/problem+json"),)
    answer_ = Response(problem.status or 400, fields, problem.encode())
    directory = world.learn()
    token = world.token(directory)
    world.wire.crossings.clear()
    with mock.patch.object(world.relay._gateway, "handle", return_value=answer_):
        try:
            world.ask(directory, token, QUESTION)
        finally:
            sent = [name for name, _ in world.wire.crossings if name.startswith(("device →", "relay → cdn"))]
            assert sent == ["device → relay: head", "device → relay"]


@run(
    "first answer held back",
    ExpiredError,
    lambda: only(
        removed(session.Opening.finish, 'check_window("first answer", 0, prepared.began + LEASE, at=at)'),
        removed(session.Live.check, 'check_window("handle", 0, self.expires, at=at)'),
    ),
)
def held_back(world: World) -> None:
    """For as long as a host may need that breaks into the enclave meanwhile."""
    world.wire.taps["relay → device"] = lambda data: later(world, data)
    ask(world)


def later(world: World, data: bytes) -> bytes:
    world.at += LEASE
    return data


@run(
    "new evidence held back",
    ExpiredError,
    lambda: removed(session.Renewing.finish, 'check_window("renewal", 0, renewal.began + LEASE, at=at)'),
)
def renewal_held_back(world: World) -> None:
    chat = Chat(world)
    world.wire.taps["relay → device"] = lambda data: later(world, data)
    chat.renew()


@run(
    "a pipe's first answer held back",
    ExpiredError,
    lambda: removed(pipe.Pipe._opened, 'check_window("first answer", 0, prepared.began + LEASE, at=at)'),
)
def pipe_held_back(world: World) -> None:
    piped = Piped(world)
    world.wire.taps["relay → device"] = lambda data: later(world, data)
    piped.open()


@run(
    "relay replays a later request",
    ReplayError,
    lambda: removed(GatewayServer.go_on, "self.live.pop(message.handle)", "self.live[message.handle]"),
    after_question=True,
)
def replays_later(world: World) -> None:
    """A repeated record would kill the TLS session: it must not come as far as that."""
    chat = Chat(world)
    request, _ = chat.session.ask(QUESTION, at=world.at)
    world.send(request)
    reached = len(world.wire.sizes("gateway → host"))
    world.send(request)
    if len(world.wire.sizes("gateway → host")) == reached:
        raise world.server.refusals[-1]


@run("relay replays a pipe's first piece", ReplayError, spends_again)
def replays_pipe(world: World) -> None:
    piped = Piped(world)
    first = piped.pipe.data_to_send()
    for _ in range(2):
        next(world.stream(piped.request, [first]))
    if world.server.refusals:
        raise world.server.refusals[-1]


@run("streamed answer cut by the relay", DecodeError, None, after_question=True)
def cut_stream(world: World) -> None:
    """OHTTP's final chunk is missing, and so is the answer's last one: each says so."""
    chat = Chat(world)
    request, channel = chat.session.stream(QUESTION, at=world.at)
    head, *pieces = world.stream(request, [request.content])
    channel.receive_head(head)
    for piece in (head, *pieces[:-2]):
        channel.receive_data(piece.content)
    channel.receive_end(at=world.at)


@run("pieces of a streamed answer reordered by the relay", OpenError, None, after_question=True)
def reordered_stream(world: World) -> None:
    """OHTTP's counter, TLS's and the answer's: any of them refuses."""
    chat = Chat(world)
    request, channel = chat.session.stream(b"The harbour trip. Then the harbour cafe. Then photos.", at=world.at)
    one, two, three, *_ = world.stream(request, [request.content])
    channel.receive_head(one)
    for piece in (one, three, two):
        channel.receive_data(piece.content)


@run("pieces of a pipe reordered by the relay", OpenError, None)
def reordered_pipe(world: World) -> None:
    """The second piece comes first: it opens under no place but its own."""
    piped = Piped(world)
    first = piped.pipe.data_to_send()
    list(world.stream(piped.request, [first[:-8] + first[-4:] + first[-8:-4]]))
    raise world.server.refusals[-1]


@run("an answer larger than the largest size", LimitError, None, after_question=True)
def oversized(world: World) -> None:
    """Nothing is buffered beyond it. Without the limit the size is refused at the end, as no padded one."""
    chat = Chat(world)
    world.wire.taps["relay → device"] = lambda data: data + bytes(9 << 20)
    chat.ask(QUESTION)


@run("relay exchanges two devices' answers", OpenError, None)
def exchanged(world: World) -> None:
    """Keys of each exchange are its own."""
    first, _ = first_request(world, get_token(world))
    other = world.send(first)
    directory = world.learn()
    token = world.token(directory)
    world.wire.taps["relay → device"] = lambda _: other.content
    world.ask(directory, token, QUESTION)
