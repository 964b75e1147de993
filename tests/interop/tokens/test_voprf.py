"""The pseudorandom functions with other implementations, both roles: modes and suites in common, one input and many."""

from __future__ import annotations

import os

import pytest

from privproc import voprf
from privproc.errors import SignatureError
from privproc.vectors._kinds.voprf import SUITES
from privproc.voprf import Mode
from tests.interop.driver import PeerError
from tests.interop.peers import CIRCL_TOKENS, VOPRF_PY, VOPRF_TS, difference, named

pytestmark = [pytest.mark.loopback, pytest.mark.interop]

ALL = ("P256-SHA256", "P384-SHA384", "P521-SHA512", "ristretto255-SHA512")
OFFERS = {
    CIRCL_TOKENS: [(mode, suite) for mode in Mode for suite in ALL],
    VOPRF_TS: [(mode, suite) for mode in Mode for suite in ALL],
    VOPRF_PY: [(Mode.VOPRF, "P384-SHA384"), (Mode.VOPRF, "ristretto255-SHA512")],
}
CASES = [(peer, mode, suite) for peer, offered in OFFERS.items() for mode, suite in offered]
with_cases = pytest.mark.parametrize(("peer", "mode", "suite"), CASES, indirect=["peer"], ids=named)
VERIFIED = [case for case in CASES if case[1] is not Mode.OPRF]
INFO = b"info"
SIZES = (1, 3)


def inputs(count):
    return [os.urandom(size) for size in (98, 1, 300)[:count]]


def server_of(mode, key):
    if mode is Mode.POPRF:
        return voprf.PoprfServer(key, INFO)
    return voprf.OprfServer(key) if mode is Mode.OPRF else voprf.VoprfServer(key)


def client_of(mode, suite, encoded):
    if mode is Mode.OPRF:
        return voprf.OprfClient(suite)
    key = voprf.PublicKey(suite, encoded)
    return voprf.PoprfClient(key, INFO) if mode is Mode.POPRF else voprf.VoprfClient(key)


def info_of(mode):
    return INFO if mode is Mode.POPRF else b""


def answer_of(mode, server, blinded):
    """Evaluated elements and proof, which in the mode OPRF is empty."""
    answer = server.blind_evaluate(blinded)
    return (answer, b"") if mode is Mode.OPRF else answer


@with_cases
def test_client_there(peer, mode, suite):
    with difference(peer.peer, f"{mode.name} {suite}, client there"):
        for ours in SUITES[suite]:
            key = voprf.PrivateKey.generate(ours)
            server = server_of(mode, key)
            for messages in map(inputs, SIZES):
                words = (mode, suite, key.public_key.encoded, info_of(mode))
                blinded = peer.call("oprf.blind", *words, *messages).rest()
                evaluated, proof = answer_of(mode, server, blinded)
                assert peer.call("oprf.finish", proof, *evaluated).rest() == list(map(server.evaluate, messages))


@with_cases
def test_server_there(peer, mode, suite):
    with difference(peer.peer, f"{mode.name} {suite}, server there"):
        for ours in SUITES[suite]:
            client = client_of(mode, ours, peer.call("oprf.key", mode, suite).bytes())
            for messages in map(inputs, SIZES):
                blinded, pending = client.blind(messages)
                proof, *evaluated = peer.call("oprf.evaluate", info_of(mode), *blinded).rest()
                outputs = pending.finish(evaluated) if mode is Mode.OPRF else pending.finish(evaluated, proof)
                known = [peer.call("oprf.output", info_of(mode), message).bytes() for message in messages]
                assert list(outputs) == known


@pytest.mark.parametrize(("peer", "mode", "suite"), VERIFIED, indirect=["peer"], ids=named)
def test_both_refuse_the_same_proofs(peer, mode, suite):
    """Of another key, for other elements, in another order, and one bit off."""
    ours = SUITES[suite][0]
    key, other = voprf.PrivateKey.generate(ours), voprf.PrivateKey.generate(ours)
    server, messages = server_of(mode, key), inputs(3)
    words = (mode, suite, key.public_key.encoded, info_of(mode))
    client = client_of(mode, ours, key.public_key.encoded)

    def wrong(blinded):
        evaluated, proof = server.blind_evaluate(blinded)
        swapped = (evaluated[1], evaluated[0], evaluated[2])
        return [
            server_of(mode, other).blind_evaluate(blinded),
            (swapped, proof),
            (evaluated, proof[:-1] + bytes((proof[-1] ^ 1,))),
            (evaluated, server.blind_evaluate(blinded[::-1])[1]),
        ]

    for case in range(4):
        blinded, pending = client.blind(messages)
        with pytest.raises(SignatureError):
            pending.finish(*wrong(blinded)[case])
    with difference(peer.peer, "a wrong proof"):
        for case in range(4):
            blinded = tuple(peer.call("oprf.blind", *words, *messages).rest())
            evaluated, proof = wrong(blinded)[case]
            with pytest.raises(PeerError):
                peer.call("oprf.finish", proof, *evaluated)


BAD = {
    "the identity": lambda suite, size: bytes(size if suite.startswith("ristretto") else 1),
    "zeros": lambda suite, size: bytes(size),  # of ristretto255, these are the identity
    "ones": lambda suite, size: b"\xff" * size,
    "a byte too few": lambda suite, size: VALID[suite][:-1],
    "a byte too many": lambda suite, size: VALID[suite] + b"\0",
}
VALID = {name: voprf.PrivateKey.generate(found[0]).public_key.encoded for name, found in SUITES.items()}
with_bad = pytest.mark.parametrize("bad", BAD)
PLAIN = [(peer, suite) for peer, mode, suite in CASES if mode is Mode.VOPRF]
with_plain = pytest.mark.parametrize(("peer", "suite"), PLAIN, indirect=["peer"], ids=named)


@with_plain
@with_bad
def test_a_bad_blinded_element_is_refused_there(peer, suite, bad):
    element = BAD[bad](suite, len(VALID[suite]))
    peer.call("oprf.key", Mode.VOPRF, suite)
    with difference(peer.peer, f"{suite}, evaluates {bad}"), pytest.raises(PeerError):
        peer.call("oprf.evaluate", b"", element)


@with_plain
@with_bad
def test_a_bad_public_key_is_refused_there(peer, suite, bad):
    element = BAD[bad](suite, len(VALID[suite]))
    with difference(peer.peer, f"{suite}, under {bad}"), pytest.raises(PeerError):
        peer.call("oprf.blind", Mode.VOPRF, suite, element, b"", b"message")
