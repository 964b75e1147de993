"""Exported authenticators over TLS sessions with Go's own TLS, both roles: its exporter has to give the same values."""

from __future__ import annotations

import os

import pytest

from privproc import ratls
from privproc.errors import PolicyError, SignatureError
from privproc.ratls.authenticator import AuthenticatorRequest, Authenticators, Side
from tests import authenticators as by_hand
from tests.interop.driver import PeerError
from tests.interop.peers import GO_TLS
from tests.test_ratls import HYBRID, IDENTITY, release

pytestmark = [pytest.mark.loopback, pytest.mark.interop]

with_peer = pytest.mark.parametrize("peer", [GO_TLS], indirect=True, ids=str)
EVIDENCE = bytes(range(256)) * 20


def session(peer, key="ed25519"):
    """A channel to a Go server, and its certificate."""
    hello, pending = ratls.connect(HYBRID)
    flight, leaf = peer.call("tls.serve", key, hello).rest()
    channel = release(pending.finish(flight))
    peer.call("tls.finish", channel.data_to_send())
    return channel, leaf


@with_peer
@pytest.mark.parametrize("key", ["ed25519", "p256"])
def test_there_to_here(peer, key):
    channel, leaf = session(peer, key)
    request, pending = Authenticators(channel.export, Side.CLIENT).request(attestation=True)
    found = pending.finish(peer.call("ea.authenticate", request, EVIDENCE).bytes())
    assert (found.chain, found.attestation) == ((leaf,), EVIDENCE)
    request, pending = Authenticators(channel.export, Side.CLIENT).request(attestation=True)
    with pytest.raises(PolicyError, match="refuses"):
        pending.finish(peer.call("ea.authenticate", request, b"").bytes())


@with_peer
def test_here_to_there(peer):
    channel, _ = session(peer)
    ours = Authenticators(channel.export, Side.CLIENT)
    request = AuthenticatorRequest(Side.SERVER, os.urandom(32), (by_hand.ED25519,), attestation=True).encode()
    made = ours.authenticate(request, IDENTITY._credential, attestation=EVIDENCE)
    assert peer.call("ea.check", request, made).rest() == [IDENTITY.leaf, EVIDENCE]
    request = AuthenticatorRequest(Side.SERVER, os.urandom(32), (by_hand.ED25519,), attestation=True).encode()
    assert peer.call("ea.check", request, ours.refuse(request)).rest() == []


@with_peer
def test_another_session_is_refused_at_both_ends(peer):
    channel, _ = session(peer)
    ours = Authenticators(channel.export, Side.CLIENT)
    asked, pending = ours.request(attestation=True)
    request = AuthenticatorRequest(Side.SERVER, os.urandom(32), (by_hand.ED25519,), attestation=True).encode()
    made = ours.authenticate(request, IDENTITY._credential, attestation=EVIDENCE)
    session(peer)
    with pytest.raises(PeerError, match="finished"):
        peer.call("ea.check", request, made)
    with pytest.raises(SignatureError):
        pending.finish(peer.call("ea.authenticate", asked, EVIDENCE).bytes())
