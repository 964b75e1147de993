"""Wrapped mode: the nodes that a device may use, what it sends, whom the gateway may give it to, what a node opens."""

from __future__ import annotations

import gc
import hashlib
import traceback
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from privproc import bhttp, hpke, ohttp, session, tokens
from privproc.attestation.nodekey import node_digest, node_report_data
from privproc.errors import (
    DecodeError,
    ExpiredError,
    LimitError,
    OpenError,
    PolicyError,
    ReplayError,
    SignatureError,
    SpentError,
    UnsupportedError,
    UntrustedError,
    UsageError,
)
from privproc.hpke import Aead, Kdf, Kem, Suite
from privproc.http import Request, Response
from privproc.keyconfig import select
from privproc.responsekey import REQUEST_SIZES
from privproc.responsekey import wrapped as keys
from privproc.secret import Secret
from privproc.session import SUITES, transcript, wrapped
from privproc.session.device import _outer, _proof
from privproc.session.profile import ANSWER_SIZES
from privproc.session.wrapped import Node, Nodes, Passport, Roster, Statement
from privproc.session.wrapped.device import _head
from privproc.session.wrapped.messages import Delivery, Head, Wrapped
from privproc.session.wrapped.profile import LONGEST, MARGIN
from privproc.tagged import lp
from tests.reach import reaches
from tests.world.fleet import HOUR, Fleet
from tests.world.mirrors import NAMES as MIRRORS
from tests.world.relay import ROUTE
from tests.world.world import DAY, ROLE, World

AT = 1_800_000_000
QUESTION = b"When does the boat leave the harbour? The harbour is small."
ANSWER = b"When does the boat leave the harbour?\nThe harbour is small.\n"


@pytest.fixture
def world() -> World:
    return World(AT, suite=SUITES[1])


@pytest.fixture
def fleet(world: World) -> Fleet:
    return Fleet(world)


def sealed(fleet: Fleet, question: bytes = QUESTION, **changes: Any) -> tuple[Any, wrapped.AwaitingAnswer]:
    world = fleet.world
    directory = world.learn()
    args = {"nodes": fleet.learn(directory), "relay": ROUTE, "at": world.at} | changes
    return wrapped.seal(directory, world.token(directory), question, **args)


def deliveries(world: World) -> list[Delivery]:
    return [Delivery.decode(data) for name, data in world.wire.crossings if name == "gateway → host"]


# The whole way.


@pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite.kem.name)
@pytest.mark.parametrize("place", [0, 1, 2])
# req: privproc1/14.6 who-answers
def test_any_of_the_nodes_can_answer(suite: Suite, place: int) -> None:
    world = World(AT, suite=suite)
    fleet = Fleet(world)
    world.server.choose = lambda nodes: nodes[place]
    reply = fleet.ask(QUESTION)
    assert reply.content == ANSWER
    (delivery,) = deliveries(world)
    assert Head.decode(delivery.head).nodes[place] == reply.node.digest
    assert len(world.wire.sizes("device → relay")) == 1


def test_who_sees_what(fleet: Fleet, world: World) -> None:
    fleet.ask(QUESTION)
    for party in ("issuer", "cdn", "relay", "gateway", "host"):
        assert not world.wire.saw(party, QUESTION[:20])
        assert not world.wire.saw(party, ANSWER[-20:])
    assert world.wire.saw("enclave", QUESTION)
    outer = deliveries(world)[0].outer
    assert not world.wire.saw("relay", outer)


# req: privproc1/14.5 one-wrap-leaves
def test_only_the_chosen_nodes_wrap_leaves_the_gateway(fleet: Fleet, world: World) -> None:
    request, answer = sealed(fleet)
    asked: list[Wrapped] = []
    read = world.server.wrapped

    def keep(message: wrapped.WrappedRequest, at: int) -> bytes:
        asked.append(message._look()[3])
        return read(message, at)

    world.server.wrapped = keep  # type: ignore[method-assign]
    answer.finish(world.send(request))
    (delivery,) = deliveries(world)
    others = [wrap for index, wrap in enumerate(asked[0].wraps) if index != delivery.index]
    assert len(others) == 2
    for party in ("host", "enclave"):
        assert world.wire.saw(party, delivery.wrap.enc)
        assert not any(world.wire.saw(party, wrap.enc) or world.wire.saw(party, wrap.sealed) for wrap in others)


@pytest.mark.parametrize("length", [0, 1, 3000, 4000, 70_000])
def test_sizes_follow_the_padded_size_alone(fleet: Fleet, world: World, length: int) -> None:
    sizes = set()
    for filler in (b"a", b"\0"):
        request, _ = sealed(fleet, filler * length)
        sizes.add(len(request.content))
    (size,) = sizes
    around = size - next(it for it in REQUEST_SIZES if it >= 8 + 32 + length)
    request, _ = sealed(fleet, b"")
    assert around - (len(request.content) - REQUEST_SIZES[0]) in (0, 2)  # a longer length in Binary HTTP
    assert request.fields == ((b"content-type", b"message/ohttp-req"),)


def test_devices_differ_in_what_is_fresh_and_drawn_alone(fleet: Fleet, world: World) -> None:
    """The content of each request with fresh values, draw and ciphertexts masked: one for all devices."""
    seen = set()
    drawn = set()
    read = world.server.wrapped

    def keep(message: wrapped.WrappedRequest, at: int) -> bytes:
        sent = message._look()[3]
        head = Head.decode(sent.head)
        drawn.add(head.nodes)
        seen.add(replace(head, nonce=bytes(32), nodes=(bytes(48),) * len(head.nodes), body=bytes(48)).encode())
        seen.add(bytes([len(sent.wraps)]) + b"".join(len(it.enc).to_bytes(2, "big") for it in sent.wraps))
        seen.add(len(sent.body).to_bytes(4, "big"))
        return read(message, at)

    world.server.wrapped = keep  # type: ignore[method-assign]
    for _ in range(6):
        fleet.ask(QUESTION)
    assert len(seen) == 3
    assert len(drawn) > 1
    assert len(set(world.wire.sizes("device → relay"))) == 1


def test_a_longer_conversation(fleet: Fleet) -> None:
    for number in range(4):
        question = b"Question %d about the harbour." % number
        assert fleet.ask(question).content == question + b"\n"


# Before a token is spent.


# req: privproc1/14.4 checks-before-the-token
def test_what_fails_before_the_request_spends_no_token(fleet: Fleet, world: World) -> None:
    directory = world.learn()
    nodes = fleet.learn(directory)
    token = world.token(directory)

    def refused(error: type[Exception], **changes: Any) -> None:
        args = {"directory": directory, "question": QUESTION, "nodes": nodes, "at": AT} | changes
        with pytest.raises(error):
            wrapped.seal(args.pop("directory"), token, args.pop("question"), relay=ROUTE, **args)

    refused(UsageError, question=bytes(4 << 20))
    refused(ExpiredError, at=AT + HOUR - MARGIN)
    refused(ExpiredError, at=directory.contents.not_after)
    other = World(AT, suite=SUITES[1])
    refused(UsageError, nodes=Fleet(other).learn(other.learn()))
    other.at += DAY
    other.start(other.epoch + 1)  # with another key of the issuer's
    refused(UsageError, directory=other.learn(), nodes=Fleet(other).learn(other.learn()), at=AT + DAY)
    request, answer = wrapped.seal(directory, token, QUESTION, nodes=nodes, relay=ROUTE, at=AT)
    assert answer.finish(world.send(request)).content == ANSWER
    refused(SpentError)


def test_a_flow_sends_one_request_whatever_happens(fleet: Fleet, world: World) -> None:
    directory = world.learn()
    for answer in (
        Response(200),
        Response(500),
        Response(200, ((b"content-type", b"message/ohttp-res"),), bytes(8192)),
    ):
        flow = wrapped.ask(
            directory, world.token(directory), QUESTION, nodes=fleet.learn(directory), relay=ROUTE, at=AT
        )
        sent = []
        with pytest.raises((PolicyError, OpenError)):
            session.drive(flow, lambda request, sent=sent, answer=answer: sent.append(request) or answer, world.now)
        assert len(sent) == 1
        with pytest.raises(StopIteration):
            next(flow)


# Nodes.


def test_nodes_end_with_the_first_of_their_grounds(fleet: Fleet, world: World) -> None:
    directory = world.learn()
    nodes = fleet.learn(directory)
    assert nodes.not_after == AT + HOUR - MARGIN == min(node.not_after for node in nodes.each)
    long = fleet.server(b"long", not_after=AT + 2 * HOUR)
    verified = wrapped.verify_passport(long.passport(), directory, role=ROLE, anchors=world.anchors, at=AT)
    assert verified.not_after == AT + 3600 == verified.evidence.not_after  # the policy's age
    assert verified.not_before == long.node._said.not_before
    assert verified.evidence.binding == node_report_data(long.node.statement) == long.node.report_data
    assert verified.digest == node_digest(long.node.statement) == long.node.digest
    late = directory.contents.not_after - 60
    world.at = late
    short = fleet.server(b"short", not_before=late, not_after=late + HOUR)
    verified = wrapped.verify_passport(short.passport(), directory, role=ROLE, anchors=world.anchors, at=late)
    assert verified.not_after == directory.contents.not_after


def test_witnesses_of_a_node_are_made_by_the_check_only(fleet: Fleet, world: World) -> None:
    for kind in (wrapped.VerifiedNode, Nodes):
        with pytest.raises(UsageError):
            kind()


def verify(fleet: Fleet, server: Any, *, at: int = AT, **changes: Any) -> wrapped.VerifiedNode:
    world = fleet.world
    args = {"directory": world.learn(), "anchors": world.anchors, "role": ROLE} | changes
    return wrapped.verify_passport(replace(server.passport()), args.pop("directory"), at=at, **args)


# req: privproc1/14.3 windows
def test_windows_of_a_passport(fleet: Fleet) -> None:
    server = fleet.server(b"it", not_before=AT, not_after=AT + 100)
    for at in (AT, AT + 69):
        verify(fleet, server, at=at)
    for at in (AT - 1, AT + 70, AT + 100):
        with pytest.raises(ExpiredError):
            verify(fleet, server, at=at)


def forged(fleet: Fleet, **changes: Any) -> Passport:
    """A statement that no honest program makes, under genuine evidence: what broken code could say."""
    server = fleet.server(b"broken")
    statement = replace(server.node._said, **changes).encode()
    report = server.chip.report(measurement=server.measurement, report_data=node_report_data(statement))
    return replace(server.passport(), statement=statement, evidence=report)


def low_order(kem: Kem) -> hpke.PublicKey:
    key = hpke.PrivateKey.generate(kem).public_key.encode()
    return hpke.PublicKey.decode(kem, key[:-32] + bytes(32))


@pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite.kem.name)
# req: privproc1/14.3 low-order-nodes
def test_a_key_of_low_order_is_refused_before_a_token_is_spent_on_it(suite: Suite) -> None:
    world = World(AT, suite=suite)
    fleet = Fleet(world, count=3)
    passport = forged(fleet, key=low_order(suite.kem))
    with pytest.raises(OpenError):
        wrapped.verify_passport(passport, world.learn(), role=ROLE, anchors=world.anchors, at=AT)


P256 = Suite(Kem.P256_SHA256, Kdf.HKDF_SHA256, Aead.AES_128_GCM)


@pytest.mark.parametrize(
    ("error", "changes"),
    [
        (UnsupportedError, {"format": 2}),
        (PolicyError, {"suite": P256, "key": hpke.PrivateKey.generate(P256.kem).public_key}),
        (PolicyError, {"not_before": AT - 1, "not_after": AT + LONGEST}),
        (UntrustedError, {"role": "translate"}),
        (UntrustedError, {"package": bytes(48)}),
    ],
)
# req: privproc1/14.3 statements
def test_statements_that_are_refused(fleet: Fleet, world: World, error: type[Exception], changes: Any) -> None:
    passport = forged(fleet, **changes)
    with pytest.raises(error):
        wrapped.verify_passport(passport, world.learn(), role=ROLE, anchors=world.anchors, at=AT)


def test_a_log_that_the_device_does_not_know(fleet: Fleet, world: World) -> None:
    anchors = replace(world.anchors, logs={})
    with pytest.raises(UnsupportedError):
        wrapped.learn_nodes(fleet.fetch(), world.learn(), role=ROLE, anchors=anchors, at=AT)


def test_a_role_that_the_directory_does_not_list(fleet: Fleet, world: World) -> None:
    with pytest.raises(UntrustedError):
        wrapped.learn_nodes(fleet.fetch(), world.learn(), role="translate", anchors=world.anchors, at=AT)


# req: privproc1/14.3 windows
def test_the_longest_life_that_is_accepted(fleet: Fleet) -> None:
    verify(fleet, fleet.server(b"long", not_before=AT, not_after=AT + LONGEST))


# req: privproc1/14.3 agreed-roster
# req: privproc1/14.3 statements
def test_a_roster_counts_when_enough_mirrors_show_it(fleet: Fleet, world: World) -> None:
    def learn(copies: list[tuple[str, bytes]]) -> Nodes:
        return wrapped.learn_nodes(copies, world.learn(), role=ROLE, anchors=world.anchors, at=AT)

    copies = fleet.fetch()
    assert len(learn(copies[:2]).each) == 5
    assert len(learn([*copies[:2], (MIRRORS[2], b"other")]).each) == 5
    for few in ([], copies[:1], [copies[0], (MIRRORS[1], b"other"), (MIRRORS[2], b"another")]):
        with pytest.raises(UntrustedError):
            learn(few)
    for wrong in ([copies[0], copies[0]], [("stranger.example", copies[0][1])]):
        with pytest.raises(UsageError):
            learn(wrong)


# req: privproc1/14.3 some-may-fail
def test_the_failure_of_the_last_passport_is_told(fleet: Fleet, world: World) -> None:
    fleet.servers = fleet.servers[:3]
    fleet.servers[1].report_fields["policy"] = 1 << 17
    fleet.publish()
    with pytest.raises(PolicyError):
        fleet.learn(world.learn())
    fleet.servers.append(fleet.server(b"one more"))
    fleet.publish()
    assert len(fleet.learn(world.learn()).each) == 3


# req: privproc1/14.4 uniform-draw
def test_nodes_are_drawn_uniformly_and_each_once(fleet: Fleet, world: World) -> None:
    nodes = fleet.learn(world.learn())
    places: list[Counter[bytes]] = [Counter(), Counter(), Counter()]
    for _ in range(1500):
        drawn = nodes._draw(at=AT)
        assert len({node.digest for node in drawn}) == 3
        for place, node in zip(places, drawn, strict=True):
            place[node.digest] += 1
    for place in places:  # 300 expected, standard deviation 15.5
        assert set(place) == {node.digest for node in nodes.each}
        assert all(210 < count < 390 for count in place.values())


# The gateway.


def opened(fleet: Fleet, content: Any) -> Any:
    """The gateway's reading of a request whose content is changed after the proof was made."""
    world = fleet.world
    directory = world.learn()
    spent, proof_key = world.token(directory).spend()
    nodes = fleet.learn(directory)._draw(at=AT)
    outgoing = ohttp.begin(directory.contents.map(lambda it: select(it.keys, SUITES)), at=AT)
    body, secret = keys.seal_body(world.suite, QUESTION)
    head = _head(directory.contents.get(at=AT).service(ROLE), nodes, body)
    message, head = content(Wrapped(head, (), body), nodes, head)
    thw = transcript.wrapped(directory.package, _outer(outgoing, spent, proof_key), head)
    if not message.wraps:
        message = replace(message, wraps=secret.wrap(thw, [(node.digest, node.key) for node in nodes])[0])
    fields = ((b"authorization", spent.authorization()), (b"privproc-proof", _proof(proof_key, thw)))
    inner = Request("POST", "https", "gateway.example", "/privproc/1/wrapped", fields, message.encode())
    exchange = world.server.gateway.open(outgoing.seal(bhttp.encode_request(inner))[0], at=AT)
    return exchange, lambda: exchange.read(at=AT)


def with_head(message: Wrapped, head: bytes) -> tuple[Wrapped, bytes]:
    return replace(message, head=head), head


WRAP = keys.Wrap(bytes(32), bytes(64))


@pytest.mark.parametrize(
    ("error", "content"),
    [
        (None, lambda message, nodes, head: (message, head)),
        (
            UntrustedError,
            lambda message, nodes, head: with_head(
                message, replace(Head.decode(head), nodes=(nodes[0].digest,) * 3).encode()
            ),
        ),
        (UntrustedError, lambda message, nodes, head: (replace(message, wraps=(WRAP,) * 2), head)),
        (
            UntrustedError,
            lambda message, nodes, head: (replace(message, wraps=(WRAP, WRAP, keys.Wrap(bytes(33), bytes(64)))), head),
        ),
        (UntrustedError, lambda message, nodes, head: (replace(message, body=bytes(4112)), head)),
        (UnsupportedError, lambda message, nodes, head: with_head(message, b"\0\2" + head[2:])),
        (DecodeError, lambda message, nodes, head: with_head(message, head[:-1] + b"\1")),
    ],
)
# req: privproc1/14.4 one-body
# req: privproc1/14.5 gateway-checks
def test_what_the_gateway_refuses(fleet: Fleet, error: Any, content: Any) -> None:
    exchange, read = opened(fleet, content)
    if error is None:
        assert isinstance(read(), wrapped.WrappedRequest)
    else:
        with pytest.raises(error):
            read()
    assert len(exchange.refuse()) == ANSWER_SIZES[0]


def test_the_proof_covers_the_head(fleet: Fleet) -> None:
    def other(message: Wrapped, nodes: Any, head: bytes) -> Any:
        return replace(message, head=replace(Head.decode(head), nonce=bytes(32)).encode()), head

    _, read = opened(fleet, other)
    with pytest.raises(SignatureError):
        read()


# req: privproc1/14.5 one-wrap-leaves
def test_a_request_goes_to_one_of_its_nodes_with_its_own_token(fleet: Fleet, world: World) -> None:
    _, read = opened(fleet, lambda message, nodes, head: (message, head))
    message = read()
    store = tokens.MemoryStore(10)
    reservation = store.reserve(message.spend_key, at=AT, lease=30)
    with pytest.raises(UsageError, match="not wrapped for this node"):
        message.forward(reservation, node=bytes(48))
    other = replace(message.spend_key, nonce=bytes(32))
    with pytest.raises(UsageError, match="another token"):
        message.forward(store.reserve(other, at=AT, lease=30), node=message.nodes[0])
    wraps = message._look()[3].wraps
    encoded, forwarded = message.forward(reservation, node=message.nodes[2])
    delivery = Delivery.decode(encoded)
    assert (delivery.index, delivery.wrap) == (2, wraps[2])
    assert wraps[2] != wraps[0]
    with pytest.raises(SpentError):
        message.forward(reservation, node=message.nodes[2])
    with pytest.raises(LimitError):
        forwarded.answer(bytes(ANSWER_SIZES[-1]))


# The node.


def statement(**changes: Any) -> dict[str, Any]:
    return {
        "role": ROLE,
        "log": "log",
        "namespace": "namespace",
        "package": bytes(48),
        "suite": SUITES[1],
        "not_before": AT,
        "not_after": AT + 100,
        "capacity": 2,
    } | changes


# req: privproc1/14.1 node-binder
def test_a_node_says_what_it_is() -> None:
    node = Node.generate(**statement())
    said = Statement.decode(node.statement)
    assert (said.role, said.package, said.suite, said.format) == (ROLE, bytes(48), SUITES[1], 1)
    assert (said.not_before, said.not_after) == (AT, node.not_after == AT + 100 and AT + 100)
    assert node.report_data == b"privproc/1 node\0" + node.digest
    assert node.digest != Node.generate(**statement()).digest


@pytest.mark.parametrize(
    "changes",
    [
        {"not_after": AT},
        {"not_after": AT - 1},
        {"not_after": AT + LONGEST + 1},
        {"package": bytes(47)},
        {"role": ""},
        {"capacity": 0},
    ],
)
def test_a_node_that_nobody_would_accept(changes: Any) -> None:
    with pytest.raises(UsageError):
        Node.generate(**statement(**changes))


def asked(node: Node, question: bytes = QUESTION, **changes: Any) -> Delivery:
    """A delivery for ``node``, made as a device would; ``changes`` to what the node is sent."""
    body, secret = keys.seal_body(node._said.suite, question)
    fields = {"role": ROLE, "log": "log", "namespace": "namespace"} | {
        name: value for name, value in changes.items() if name in ("role", "log", "namespace", "nodes")
    }
    head = Head(
        **{"policy_id": bytes(32), "nonce": bytes(32), "nodes": (b"n" * 48, node.digest)} | fields,
        body=hashlib.sha384(body).digest(),
    ).encode()
    thw = transcript.wrapped(bytes(48), bytes(48), head)
    wraps, _ = secret.wrap(thw, [(b"n" * 48, node._said.key), (node.digest, node._said.key)])
    sent = {name: value for name, value in changes.items() if name not in fields and name != "nodes"}
    return replace(Delivery(bytes(48), bytes(48), head, 1, wraps[1], body), **sent)


@pytest.mark.slow
# req: privproc1/14.1 keys-are-erased
def test_a_node_opens_within_its_window_and_erases_its_key_at_the_end() -> None:
    node = Node.generate(**statement(capacity=10))
    with pytest.raises(ExpiredError):
        node.open(asked(node).encode(), at=AT - 1)
    for at in (AT, AT + 99):
        assert node.open(asked(node).encode(), at=at)[0] == QUESTION
    with pytest.raises(ExpiredError):
        node.open(asked(node).encode(), at=AT + 100)
    gc.collect()
    assert not reaches(node, hpke.PrivateKey)
    with pytest.raises(ExpiredError):  # a clock that steps back brings no key back
        node.open(asked(node).encode(), at=AT)


def test_a_node_can_be_erased_sooner() -> None:
    node = Node.generate(**statement())
    delivery = asked(node).encode()
    node.erase()
    with pytest.raises(ExpiredError):
        node.open(delivery, at=AT)
    assert not reaches(node, hpke.PrivateKey)


# req: privproc1/14.6 once-each
def test_a_node_opens_a_request_once_and_no_more_than_it_can_remember() -> None:
    node = Node.generate(**statement(capacity=2))
    first = asked(node).encode()
    node.open(first, at=AT)
    with pytest.raises(ReplayError):
        node.open(first, at=AT + 50)
    for bad in (asked(node, outer=b"o" * 48), asked(node, index=0), replace(asked(node), wrap=WRAP)):
        with pytest.raises((OpenError, UntrustedError)):
            node.open(bad.encode(), at=AT)
    node.open(asked(node).encode(), at=AT)  # what doesn't open takes no room
    with pytest.raises(LimitError):
        node.open(asked(node).encode(), at=AT)


@pytest.mark.parametrize(
    ("error", "changes"),
    [
        (PolicyError, {"role": "translate"}),
        (PolicyError, {"log": "other"}),
        (PolicyError, {"namespace": "other"}),
        (UntrustedError, {"package": b"p" * 48}),
        (UntrustedError, {"index": 0}),
        (UntrustedError, {"index": 2}),
        (UntrustedError, {"body": bytes(4112)}),
        (OpenError, {"outer": b"o" * 48}),
        (OpenError, {"wrap": keys.Wrap(bytes(32), bytes(64))}),
        (OpenError, {"wrap": keys.Wrap(bytes(31), bytes(64))}),
    ],
)
# req: privproc1/14.6 node-checks
def test_what_a_node_refuses(error: type[Exception], changes: Any) -> None:
    node = Node.generate(**statement())
    with pytest.raises(error):
        node.open(asked(node, **changes).encode(), at=AT)


def test_a_node_is_made_by_generate_and_has_one_body_per_head() -> None:
    node = Node.generate(**statement())
    one, other = asked(node), asked(node, b"another question")
    with pytest.raises(UntrustedError):
        node.open(replace(one, body=other.body).encode(), at=AT)


# The keys.


# req: privproc1/14.6 who-answers
def test_other_nodes_learn_nothing_of_an_answer() -> None:
    """Two nodes open the same request; what one answers can't be made or read with the other's keys."""
    suite = SUITES[0]
    privates = [hpke.PrivateKey.generate(suite.kem) for _ in range(2)]
    digests = [b"a" * 48, b"b" * 48]
    thw = bytes(48)
    body, secret = keys.seal_body(suite, QUESTION)
    wraps, answers = secret.wrap(thw, [(digest, key.public_key) for digest, key in zip(digests, privates, strict=True)])
    sealers = []
    for index, (digest, key) in enumerate(zip(digests, privates, strict=True)):
        question, sealer = keys.unwrap(suite, key, wraps[index], thw=thw, index=index, node=digest).open(body)
        assert question == QUESTION
        sealers.append(sealer)
    first = sealers[0].finish(ANSWER)
    with pytest.raises(OpenError):
        answers.of(1).receive_data(first)
    with pytest.raises(SpentError):
        answers.of(0)


# req: privproc1/14.6 who-answers
def test_an_index_that_no_node_has() -> None:
    suite = SUITES[1]
    private = hpke.PrivateKey.generate(suite.kem)
    for index in (-1, 2, 255):
        _, content = keys.seal_body(suite, QUESTION)
        _, answers = content.wrap(bytes(48), [(bytes(48), private.public_key)] * 2)
        with pytest.raises(DecodeError) as raised:
            answers.of(index)
        told = "".join(traceback.TracebackException.from_exception(raised.value, capture_locals=True).format())
        assert "[<_Asked>, <_Asked>]" in told  # keys are opaque in tracebacks


# req: privproc1/14.4 wraps-have-their-place
def test_a_wrap_opens_in_its_place_only() -> None:
    suite = SUITES[1]
    private = hpke.PrivateKey.generate(suite.kem)
    _, content = keys.seal_body(suite, QUESTION)
    (wrap,), _ = content.wrap(b"t" * 48, [(b"n" * 48, private.public_key)])
    place: dict[str, Any] = {"thw": b"t" * 48, "index": 0, "node": b"n" * 48}
    keys.unwrap(suite, private, wrap, **place)
    for name, other in (("thw", bytes(48)), ("index", 1), ("node", bytes(48))):
        with pytest.raises(OpenError):
            keys.unwrap(suite, private, wrap, **place | {name: other})
    with pytest.raises(UsageError):
        keys.unwrap(suite, private, replace(wrap, sealed=bytes(63)), **place)


@given(
    data=st.binary(max_size=200),
    place=st.integers(0, 4111),
    flip=st.integers(1, 255),
)
@settings(max_examples=25)
# req: privproc1/14.4 one-body
def test_a_body_opens_whole_or_not_at_all(data: bytes, place: int, flip: int) -> None:
    suite = SUITES[1]
    private = hpke.PrivateKey.generate(suite.kem)
    body, content = keys.seal_body(suite, data)
    assert len(body) == 4112
    (wrap,), _ = content.wrap(bytes(48), [(bytes(48), private.public_key)])
    args: dict[str, Any] = {"thw": bytes(48), "index": 0, "node": bytes(48)}
    assert keys.unwrap(suite, private, wrap, **args).open(body)[0] == data
    changed = body[:place] + bytes([body[place] ^ flip]) + body[place + 1 :]
    with pytest.raises(OpenError):
        keys.unwrap(suite, private, wrap, **args).open(changed)


def test_a_body_whose_plaintext_is_no_request() -> None:
    suite = SUITES[1]
    private = hpke.PrivateKey.generate(suite.kem)
    _, content = keys.seal_body(suite, b"")
    _, secret, _ = content._look()
    key, iv = keys._body_keys(suite, secret.expose())
    (wrap,), _ = content.wrap(bytes(48), [(bytes(48), private.public_key)])
    for plaintext in (bytes(4096), b"\1" * 4096, b""):
        unwrapped = keys.unwrap(suite, private, wrap, thw=bytes(48), index=0, node=bytes(48))
        with pytest.raises(DecodeError) as raised:
            unwrapped.open(suite.aead.cipher(key).encrypt(iv, plaintext, None))
        assert raised.value.what == "request plaintext"


# Messages.


# req: privproc1/14.4 head-form
def test_a_head_that_does_not_fit() -> None:
    head = Head("r" * 255, "l" * 255, "n" * 255, bytes(32), bytes(32), (bytes(48),) * 8, bytes(48))
    with pytest.raises(UsageError):
        head.encode()
    longest = replace(head, role="r" * 128, log="l" * 128, namespace="n" * 128)
    encoded = longest.encode()
    assert Head.decode(encoded) == longest
    fields, zeros = encoded[:928], bytes(92)
    assert encoded == fields + lp(zeros)
    for padding in (zeros[:-1], zeros + b"\0", zeros[:-1] + b"\1"):
        with pytest.raises(DecodeError):
            Head.decode(fields + lp(padding))


# req: privproc1/14.2 roster-form
def test_counts_out_of_bounds() -> None:
    head = Head("r", "l", "n", bytes(32), bytes(32), (bytes(48),) * 2, bytes(48)).encode()
    for count in (0, 1, 9):
        for decode, data in (
            (Head.decode, Head("r", "l", "n", bytes(32), bytes(32), (bytes(48),) * count, bytes(48)).encode()),
            (Wrapped.decode, Wrapped(head, (WRAP,) * count, bytes(4112)).encode()),
            (Roster.decode, Roster(count, (Passport(b"s", b"e", b"", b""),) * 9).encode()),
        ):
            with pytest.raises(DecodeError):
                decode(data)
    for count in (1, 65):
        with pytest.raises(DecodeError):
            Roster.decode(Roster(2, (Passport(b"s", b"e", b"", b""),) * count).encode())


def test_bodies_of_other_sizes() -> None:
    head = bytes(1024)
    for size in (4096, 4111, 4113, 8208):
        with pytest.raises(DecodeError):
            Wrapped.decode(Wrapped(head, (WRAP,) * 2, bytes(size)).encode())
        with pytest.raises(DecodeError):
            Delivery.decode(Delivery(bytes(48), bytes(48), head, 0, WRAP, bytes(size)).encode())


def test_a_statement_whose_window_is_empty() -> None:
    node = Node.generate(**statement())
    for not_after in (AT, AT - 1):
        with pytest.raises(DecodeError):
            Statement.decode(replace(node._said, not_after=not_after).encode())


def test_an_empty_answer(fleet: Fleet, world: World) -> None:
    request, answer = sealed(fleet)
    exchange = world.server.gateway.open(request.content, at=AT)
    exchange.read(at=AT)
    wire = exchange._answer.seal(Response(200), ANSWER_SIZES[0])
    with pytest.raises(DecodeError, match="empty"):
        answer.finish(Response(200, ((b"content-type", b"message/ohttp-res"),), wire))


def test_secrets_do_not_outlive_their_use() -> None:
    suite = SUITES[1]
    _, content = keys.seal_body(suite, QUESTION)
    secret = content._look()[1]
    content.wrap(bytes(48), [(bytes(48), hpke.PrivateKey.generate(suite.kem).public_key)])
    assert isinstance(secret, Secret)
    assert len(secret) == 0
    assert not reaches(content, hpke.PrivateKey)
