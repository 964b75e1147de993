"""Wrapped mode of the second implementation (tests/second/wrapped.py) in this world; and pyhpke as a node."""

import hashlib
from dataclasses import replace

import pytest
from pyhpke import AEADId, CipherSuite, KDFId, KEMId

from privproc import hpke
from privproc.responsekey.wrapped import seal_body
from privproc.session import SUITES
from privproc.tagged import tagged_hash
from tests.second import wrapped
from tests.second.wire import RefusedError
from tests.test_second import QUESTION, Device
from tests.world.fleet import HOUR, Fleet
from tests.world.world import ROLE


@pytest.fixture(scope="module")
def device():
    return Device()


@pytest.fixture
def fleet(device):
    return Fleet(device.world)


def learn(device, fleet, now=None):
    return wrapped.learn(device.anchors, device.directory, ROLE, fleet.fetch(), now or device.world.at)


def asking(device, fleet, question=b"question"):
    nodes = learn(device, fleet)
    return wrapped.Asking(device.directory, device.token(), nodes, question, device.world.at)


@pytest.mark.parametrize("suite", SUITES, ids=["hybrid", "classic"])
@pytest.mark.parametrize("question", [b"", QUESTION], ids=["empty", "long"])
@pytest.mark.parametrize("place", [0, 2])
def test_a_private_request(suite, question, place):
    device = Device(suite)
    fleet = Fleet(device.world)
    device.world.server.choose = lambda nodes: nodes[place]
    asked = asking(device, fleet, question)
    assert asked.suite.kem == suite.kem
    answer, statement = asked.read(*device.send(asked.content))
    assert answer.removesuffix(b"\n") == question
    assert statement is asked.drawn[place]
    assert statement.node in device.world.server.nodes


def test_sizes_are_those_of_the_library(device, fleet):
    fleet.ask(b"question")
    theirs = device.world.wire.sizes("device → relay")[-1]
    assert len(asking(device, fleet).content) == theirs


def test_a_token_twice(device, fleet):
    nodes, token = learn(device, fleet), device.token()
    for times in range(2):
        asked = wrapped.Asking(device.directory, token, nodes, b"question", device.world.at)
        if times:
            with pytest.raises(RefusedError, match="the gateway refuses"):
                asked.read(*device.send(asked.content))
        else:
            asked.read(*device.send(asked.content))


def test_another_node_s_answer(device, fleet):
    asked = asking(device, fleet)
    asked.keys.reverse()
    with pytest.raises(RefusedError, match="the AEAD refuses"):
        asked.read(*device.send(asked.content))


@pytest.mark.parametrize(
    ("why", "changes"),
    [
        ("3: role or package", {"role": "translate"}),
        ("3: role or package", {"package": bytes(48)}),
        ("3: suites", {"suite": SUITES[0]}),
        ("d: not in its time", {"not_after": 1_800_000_000}),
    ],
)
def test_nodes_that_do_not_fit(device, fleet, why, changes):
    fleet.servers = [*fleet.servers[:2], fleet.server(b"other", **changes)]
    fleet.publish()
    with pytest.raises(RefusedError, match=why):
        learn(device, fleet)


def test_rosters_that_do_not_count(device, fleet):
    first, *others = fleet.servers
    fleet.show((first.passport(),) * 3)
    with pytest.raises(RefusedError, match="4: a node twice"):
        learn(device, fleet)
    fleet.publish()
    with pytest.raises(RefusedError, match="d: not in its time"):
        learn(device, fleet, device.world.at + HOUR)
    for number, name in enumerate(device.world.mirrors.rosters):
        device.world.mirrors.rosters[name] += bytes(number)
    with pytest.raises(RefusedError, match="1: too few mirrors"):
        learn(device, fleet)
    evidence = others[0].passport().evidence
    fleet.show(tuple(replace(server.passport(), evidence=evidence) for server in fleet.servers))
    with pytest.raises(RefusedError):
        learn(device, fleet)


def test_pyhpke_opens_a_wrap():
    suite = CipherSuite.new(KEMId.DHKEM_X25519_HKDF_SHA256, KDFId.HKDF_SHA256, AEADId.AES128_GCM)
    keys = suite.kem.derive_key_pair(bytes(32))
    public = hpke.PublicKey.decode(SUITES[1].kem, keys.public_key.to_public_bytes())
    thw, node = b"t" * 48, b"n" * 48
    _, content = seal_body(SUITES[1], b"question")
    secret = content._look()[1].expose()
    (wrap, other), answers = content.wrap(thw, [(node, public), (node, public)])
    asked = answers._look()[2]
    for index, it in enumerate((wrap, other)):
        info = tagged_hash("wrap", thw, bytes([index]), node)
        recipient = suite.create_recipient_context(it.enc, keys.private_key, info)
        assert recipient.open(it.sealed) == secret
        digest = hashlib.sha384(it.sealed).digest()
        assert asked[index].th3 == tagged_hash("wrapped request", thw, bytes([index]), it.enc, digest)
        exported = recipient.export(b"privproc/1 wrapped", 48)
        assert asked[index].prk == wrapped.extract(secret, exported)
