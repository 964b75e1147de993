"""A hostile device, or a thief of what a device keeps."""

from __future__ import annotations

from dataclasses import replace
from unittest import mock

from privproc import ohttp, session, tokens
from privproc.errors import PolicyError, ReplayError, UntrustedError
from privproc.session import attested, device, enclave, gateway
from privproc.session.messages import Open
from tests.world.device import Chat
from tests.world.hostile.run import QUESTION, ask, catalogue, first_request, get_token, noticed, spends_again
from tests.world.removed import removed
from tests.world.world import World

run = catalogue("device")


@run("replayed token", ReplayError, spends_again)
def replayed_token(world: World) -> None:
    """A device that lies to itself: the library's token is spent once."""
    token, proof_key = get_token(world).spend()
    world.send(first_request(world, tokens.BoundToken(token, proof_key))[0])
    ask(world, tokens.BoundToken(token, proof_key))


@run(
    "token stolen without its key",
    UntrustedError,
    lambda: removed(tokens.verify_possession, "not hmac.compare_digest(_nonce(pop), nonce)", "False"),
)
def stolen_token(world: World) -> None:
    stolen, _ = get_token(world).spend()
    ask(world, tokens.BoundToken(stolen, tokens.ProofKey.generate()))


@run(
    "first request of another size",
    PolicyError,
    lambda: removed(gateway._open_request, "exchange.size != exchange.epoch.contents.up", "False"),
)
def marked_request(world: World) -> None:
    """A device that marks itself for all on the way, or was made to."""
    overhead = ohttp.request_overhead
    with mock.patch.object(ohttp, "request_overhead", lambda suite: overhead(suite) - 16):
        ask(world)


@run(
    "a role that the enclave doesn't serve",
    PolicyError,
    lambda: removed(
        session.Enclave.open,
        "(message.role, message.log, message.namespace) != (self.role, self.log, self.namespace)",
        "False",
    ),
)
def other_role(world: World) -> None:
    made = device._open

    def translate(service: session.Service, hello: bytes) -> bytes:
        return replace(Open.decode(made(service, hello)), role="translate").encode()

    with mock.patch.object(device, "_open", translate):
        ask(world)


@run(
    "records for another place in the stream",
    UntrustedError,
    lambda: removed(session.Live.check, "message.offset != self.offset", "False"),
    after_question=True,
)
def wrong_offset(world: World) -> None:
    """A device of a broken build, or one that was rewound."""
    chat = Chat(world)
    ready = chat.session._state[0]
    chat.session._state[0] = ready._replace(link=ready.link._replace(offset=ready.link.offset + 1))
    with noticed(world):
        chat.ask(QUESTION)


@run("new evidence over and over", PolicyError, lambda: mock.patch.object(enclave, "ATTESTATIONS", 99))
def too_many_renewals(world: World) -> None:
    """Each one costs the enclave a report of its hardware."""
    chat = Chat(world)
    with mock.patch.object(attested, "ATTESTATIONS", 99), noticed(world):
        for _ in range(8):
            chat.renew()
