"""Leaks, planted one at a time: each is how a client could be built by somebody who meant no harm.

A leak gives both devices a way of their own, or does away with something that hides contents. ``where`` is the leaf at
which the game must find it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, replace
from types import SimpleNamespace
from unittest import mock

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from privproc import bhttp, hpke, session
from privproc.http import Request
from privproc.keyconfig import GatewayKey, KeyConfigs
from privproc.responsekey import answer
from privproc.responsekey import request as responsekey_request
from privproc.responsekey import wrapped as responsekey_wrapped
from privproc.secret import Secret
from privproc.session import attested, device, gateway, pipe
from privproc.session.chunked import content_chunk
from privproc.session.messages import Open
from privproc.session.wrapped import device as wrapped_device
from privproc.session.wrapped import nodes
from privproc.tokens import ProofKey, issuance
from tests.unlinkability import game
from tests.unlinkability.device import RENEW, Device, Habit, Way, alone, conversation, piped, wrapped
from tests.world.removed import removed
from tests.world.world import World


@dataclass(frozen=True)
class Leak:
    """``play``: the game in which it shows; ``coalition``: to whom."""

    name: str
    where: str
    play: Callable[..., World]
    coalition: frozenset[str]
    habit: Habit | None = None
    prepare: Callable[[Device], None] | None = None
    way: Way = alone

    def found(self) -> game.Difference | None:
        one, other = (
            self.play(swapped=swapped, way=self.way, habit=self.habit, prepare=self.prepare)
            for swapped in (False, True)
        )
        return game.difference(one, other, self.coalition)


LEAKS: list[Leak] = []


def leak(name: str, where: str, way: Way = alone) -> Callable[[Habit], Habit]:
    """A habit that tells who asks."""

    def add(habit: Habit) -> Habit:
        LEAKS.append(Leak(name, where, game.who_asks, game.WHO, habit, way=way))
        return habit

    return add


def prepared(
    name: str, where: str, way: Way = alone, coalition: frozenset[str] = game.WHO
) -> Callable[[Callable[[Device], None]], Callable[[Device], None]]:
    """A device that is set up so that it tells who asks."""

    def add(prepare: Callable[[Device], None]) -> Callable[[Device], None]:
        LEAKS.append(Leak(name, where, game.who_asks, coalition, prepare=prepare, way=way))
        return prepare

    return add


def content(name: str, where: str, way: Way = alone) -> Callable[[Habit], Habit]:
    """A habit that tells what is asked."""

    def add(habit: Habit) -> Habit:
        LEAKS.append(Leak(name, where, game.what_is_asked, game.WHAT, habit, way=way))
        return habit

    return add


def derived(which: Device, count: int) -> bytes:
    """Bytes that are always the same for one device."""
    return hashlib.shake_128(which.name.encode()).digest(count)


def rewritten(change: Callable[[Request], Request], *, grow: int = 0) -> AbstractContextManager[object]:
    """The device's inner requests, changed before they are encapsulated."""
    encode = bhttp.encode_request

    def changed(request: Request, *, size: int | None = None) -> bytes:
        return encode(change(request), size=None if size is None else size + grow)

    stand_in = SimpleNamespace(encode_request=changed, decode_response=bhttp.decode_response)
    return mock.patch.object(device, "bhttp", stand_in)


def opens(change: Callable[[Open], Open]) -> AbstractContextManager[object]:
    """The device's Open, changed before it enters the transcript."""
    made = device._open
    return mock.patch.object(device, "_open", lambda service, hello: change(Open.decode(made(service, hello))).encode())


# Sizes.


@leak("a request of another size", "ohttp.size")
def request_size(which: Device) -> AbstractContextManager[object]:
    return rewritten(lambda request: request, grow=16 * len(which.name))


@content("questions that aren't padded", "device → relay: size")
def question_size(_which: Device) -> AbstractContextManager[object]:
    return removed(responsekey_request._filled, "used <= size), None)", "used <= size), None) and used")


@content("answers that aren't padded", "relay → device: size")
def answer_size(_which: Device) -> AbstractContextManager[object]:
    bare = mock.patch.object(answer, "pad", lambda data, _sizes: len(data).to_bytes(4, "big") + data)
    fitting = removed(gateway.Accepted.answer, "next(size for size in ANSWER_SIZES if needed <= size)", "needed")
    return both(bare, fitting)


def both(*habits: AbstractContextManager[object]) -> AbstractContextManager[object]:
    stack = ExitStack()
    for habit in habits:
        stack.enter_context(habit)
    return stack


# Fields and their order.


@leak("a User-Agent field", "field[2].value")
def user_agent(which: Device) -> AbstractContextManager[object]:
    field = (b"user-agent", which.name.encode())
    return rewritten(lambda request: replace(request, fields=(*request.fields, field)))


@leak("a Date field by the device's clock", "field[2].value")
def clock(which: Device) -> AbstractContextManager[object]:
    field = (b"date", b"Fri, 15 Jan 2027 08:00:0%d GMT" % len(which.name))
    return rewritten(lambda request: replace(request, fields=(*request.fields, field)))


@leak("fields in an order of its own", "field[0].name")
def field_order(which: Device) -> AbstractContextManager[object]:
    step = 1 if which.name == "alice" else -1
    return rewritten(lambda request: replace(request, fields=request.fields[::step]))


@leak("a field in capitals by another library", "field[0].name")
def field_case(which: Device) -> AbstractContextManager[object]:
    def changed(request: Request, *, size: int | None = None) -> bytes:
        data = bhttp.encode_request(request, size=size)
        return data.replace(b"authorization", b"Authorization") if which.name == "bob" else data

    stand_in = SimpleNamespace(encode_request=changed, decode_response=bhttp.decode_response)
    return mock.patch.object(device, "bhttp", stand_in)


@leak("suites in an order of its own", "content.suites")
def suite_order(which: Device) -> AbstractContextManager[object]:
    step = 1 if which.name == "alice" else -1
    return opens(lambda message: replace(message, suites=message.suites[::step]))


@leak("a policy that the device tightened", "content.policy_id")
def own_policy(which: Device) -> AbstractContextManager[object]:
    return opens(lambda message: replace(message, policy_id=derived(which, 32)))


@leak("evidence that the device demands by itself", "content.device_required")
def own_demand(which: Device) -> AbstractContextManager[object]:
    """The enclave refuses it then; the gateway has seen it."""
    return opens(lambda message: replace(message, device_required=which.name == "alice"))


@leak("a ClientHello of another TLS stack", "content.client_hello.extension[")
def client_hello(which: Device) -> AbstractContextManager[object]:
    """One signature algorithm less, as a distribution's configuration of OpenSSL would have it."""

    def changed(message: Open) -> Open:
        hello = message.client_hello
        return replace(message, client_hello=hello.replace(b"\x06\x01\x07\x08", b"\x06\x01\x06\x01"))

    return opens(changed if which.name == "bob" else lambda message: message)


# Repetitions.


@leak("a nonce that is made once", "content.nonce")
def same_nonce(which: Device) -> AbstractContextManager[object]:
    return opens(lambda message: replace(message, nonce=derived(which, 32)))


@leak("a proof key that is made once", "field[0].token.nonce")
def same_proof_key(which: Device) -> AbstractContextManager[object]:
    key = Ed25519PrivateKey.from_private_bytes(derived(which, 32))
    return mock.patch.object(issuance, "ProofKey", SimpleNamespace(generate=lambda: ProofKey(key, bytes(32))))


@leak("a salt that is made once", "field[1].pop.salt")
def same_salt(which: Device) -> AbstractContextManager[object]:
    made = SimpleNamespace(generate=lambda: ProofKey(Ed25519PrivateKey.generate(), derived(which, 32)))
    return mock.patch.object(issuance, "ProofKey", made)


@leak("a response key that is made once", "enclave: response key")
def same_response_key(which: Device) -> AbstractContextManager[object]:
    def generate(kem: hpke.Kem) -> hpke.PrivateKey:
        return hpke.PrivateKey.derive(kem, Secret(derived(which, 64)))

    module = SimpleNamespace(**{name: getattr(hpke, name) for name in hpke.__all__})
    module.PrivateKey = SimpleNamespace(generate=generate)
    return mock.patch.object(responsekey_request, "hpke", module)


# Keys.


@prepared("a key package a user", "ohttp.key_id")
def own_package(which: Device) -> None:
    """Mirrors and signer together show Bob a package of his own, with a gateway key that works."""
    world = which.world
    if which.name != "bob":
        return
    epoch = world.epoch
    begins, ends = world.grid.start(epoch), world.grid.start(epoch + 1)
    private = hpke.PrivateKey.generate(world.suite.kem)
    key = GatewayKey((epoch + 1) % 256, private, (world.suite,), begins, ends + session.GRACE)
    contents = replace(world.contents, keys=KeyConfigs((key.config,)))
    package = world.publish(replace(world.package(epoch), content=contents.encode()))
    world.mirrors.publish(package)
    (everybodys,) = world.server.gateway._epochs.values()
    anchors = world.anchors
    learned = session.learn(world.fetch(), anchors, memory=session.Memory.first(anchors), at=world.at)
    world.server.gateway = session.Gateway([everybodys, session.Epoch.of(learned, key)])


# Order and time.


@prepared("a token that is fetched when it is needed", "account: text")
def issued_on_demand(which: Device) -> None:
    which.on_demand = True


@prepared("the size of the kept tree in the package's address", "relay → cdn")
def cookie(which: Device) -> None:
    """Mirrors learn which device fetches; what it fetches before each request tells who asks."""
    which.query = f"?size={len(which.name)}"
    which.fetches_first = True


# Sessions of several questions.


@prepared("a number of questions of its own", "ohttp.size", conversation)
def count_of_questions(which: Device) -> None:
    """One device opens a new session where the other goes on with the old one."""
    which.follow_ups = (b"And then?",) * (len(which.name) - 2)


@prepared("new evidence at a time of its own", "host → gateway: record[0].size", conversation, game.WHO - {"enclave"})
def renewal(which: Device) -> None:
    turns = [b"And then?", b"Who else was there?"]
    turns.insert(which.name == "bob", RENEW)
    which.follow_ups = tuple(turns)


@leak("a renewal's nonce that is made once", "enclave: nonce of a renewal", conversation)
def same_renewal_nonce(which: Device) -> AbstractContextManager[object]:
    return mock.patch.object(attested, "os", SimpleNamespace(urandom=lambda count: derived(which, count)))


@prepared("a pipe in place of single exchanges", "relay → gateway", conversation)
def own_transport(which: Device) -> None:
    if which.name == "bob":
        which.way = piped


@leak("chunks of a size of its own", "ohttp.chunk[0].size", piped)
def chunk_sizes(which: Device) -> AbstractContextManager[object]:
    """An HTTP stack's buffer shows in where the chunks of a pipe begin."""

    def send(self: pipe.Pipe, records: bytes) -> None:
        step = 1000 * len(which.name)
        for at in range(0, len(records), step):
            self._out.append(self._sender.send(content_chunk(records[at : at + step])))

    return mock.patch.object(pipe.Pipe, "_send", send)


@content("a pipe's questions that aren't padded", "device → relay: chunk[0].size", piped)
def piped_question_size(_which: Device) -> AbstractContextManager[object]:
    return removed(responsekey_request._filled, "used <= size), None)", "used <= size), None) and used")


# Wrapped mode.


@leak("nodes in an order of its own", "content.node[", wrapped)
def node_order(which: Device) -> AbstractContextManager[object]:
    """Drawn once, or by the latency that this device measures."""
    return mock.patch.object(nodes, "_below", lambda limit: len(which.name) % limit)


@leak("a wrapped request's nonce that is made once", "content.nonce", wrapped)
def same_wrapped_nonce(which: Device) -> AbstractContextManager[object]:
    return mock.patch.object(wrapped_device, "os", SimpleNamespace(urandom=lambda count: derived(which, count)))


@leak("a content secret that is made once", "enclave: content secret", wrapped)
def same_secret(which: Device) -> AbstractContextManager[object]:
    return mock.patch.object(responsekey_wrapped, "os", SimpleNamespace(urandom=lambda count: derived(which, count)))
