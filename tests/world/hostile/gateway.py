"""A hostile gateway."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from unittest import mock

from privproc import ohttp, session, tokens
from privproc.errors import OpenError, PolicyError, SignatureError, UntrustedError
from privproc.keyconfig import select
from privproc.session import gateway, link, pipe
from tests.world.device import Chat, Piped
from tests.world.hostile.run import (
    FORWARD_SIZE,
    QUESTION,
    any_transcript,
    ask,
    catalogue,
    first_request,
    get_token,
    noticed,
)
from tests.world.removed import removed
from tests.world.world import DOWN, World

run = catalogue("gateway")


@run(
    "gateway spends a token in another exchange",
    SignatureError,
    lambda: removed(tokens.verify_possession, "Ed25519PublicKey.from_public_bytes(key).verify(proof, signed)", "pass"),
)
def spends_elsewhere(world: World) -> None:
    """Token, proof and Open are as the device wrote them; the exchange is another."""
    request, _ = first_request(world, get_token(world))
    message, _ = world.server.gateway._ohttp.open(request.content, at=world.at)
    directory = world.learn()
    selection = directory.contents.map(lambda contents: select(contents.keys, session.SUITES))
    outgoing = ohttp.begin(selection, at=world.at)
    wire, _ = outgoing.seal(message)
    world.relay._gateway.handle(wire, at=world.at)
    if world.server.refusals:
        raise world.server.refusals[-1]


def forwards(change: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
    return lambda data: change(data) if len(data) == FORWARD_SIZE else data


@run("gateway lies about the outer exchange", UntrustedError, any_transcript)
def other_outer(world: World) -> None:
    """As one would that spends another device's token for this session."""
    world.wire.taps["gateway → host"] = forwards(lambda data: data[:48] + bytes(48) + data[96:])
    ask(world)


@run("gateway names another package", UntrustedError, any_transcript)
def other_package(world: World) -> None:
    world.wire.taps["gateway → host"] = forwards(lambda data: bytes(48) + data[48:])
    ask(world)


def fills(world: World, down: int) -> None:
    (epoch,) = world.server.gateway._epochs.values()
    world.server.gateway = session.Gateway([replace(epoch, contents=replace(epoch.contents, down=down))])


@run(
    "gateway marks a device by the size of the first answer",
    PolicyError,
    lambda: removed(session.Opening.finish, "len(sealed) != prepared.demands.contents.down", "False"),
)
def marked_first(world: World) -> None:
    fills(world, DOWN + 16)
    ask(world)


@run(
    "gateway marks a device by the size of a later answer",
    PolicyError,
    lambda: removed(link._Whole.end, "len(self._buffer) not in ANSWER_SIZES", "False"),
    after_question=True,
)
def marked_later(world: World) -> None:
    with mock.patch.object(gateway, "ANSWER_SIZES", (8200, 8 << 20)):
        ask(world)


@run(
    "gateway marks a pipe by the size of its first piece",
    PolicyError,
    lambda: mock.patch.object(pipe, "missing", lambda have, size: max(size - have, 0)),
)
def marked_pipe(world: World) -> None:
    fills(world, DOWN + 16)
    Piped(world).open()


@run("gateway brings records to another session", OpenError, None, after_question=True)
def diverted(world: World) -> None:
    """Of two sessions with one enclave, each under keys of its own."""
    one, other = Chat(world), Chat(world)
    live = world.server.live
    (first, (kept, number)), (second, (also, another)) = live.items()
    live[first], live[second] = (kept, another), (also, number)
    assert other.session is not None
    with noticed(world):
        one.ask(QUESTION)


@run("gateway repeats an earlier answer", OpenError, None, after_question=True)
def repeated_answer(world: World) -> None:
    answers: list[bytes] = []

    def first(data: bytes) -> bytes:
        answers.append(data)
        return answers[0]

    chat = Chat(world)
    world.wire.taps["host → gateway"] = first
    chat.ask(QUESTION)
    chat.ask(QUESTION)
