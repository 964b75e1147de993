"""Privacy Pass with other implementations: issued there and redeemed here, and the reverse. Every type in common, one
token at a time and in both kinds of batches, and the header fields.
"""

from __future__ import annotations

import os

import pytest

from privproc import httpauth, tokens, trust, voprf
from privproc.blindrsa import PrivateKey
from privproc.errors import DecodeError
from privproc.tokens import (
    BLIND_RSA,
    VOPRF,
    VOPRF_RISTRETTO255,
    Issuer,
    IssuerKey,
    OfferedChallenge,
    Origin,
    PrivateTokenKey,
    Token,
    TokenChallenge,
    TokenKey,
)
from tests.interop.driver import PeerError
from tests.interop.peers import PRIVACYPASS_RS, PRIVACYPASS_TS, difference, named

pytestmark = [pytest.mark.loopback, pytest.mark.interop]

AT, END = 1_800_000_000, 1_800_003_600
TYPES = {PRIVACYPASS_RS: (VOPRF, BLIND_RSA, VOPRF_RISTRETTO255), PRIVACYPASS_TS: (VOPRF, BLIND_RSA)}
CASES = [(peer, token_type) for peer, types in TYPES.items() for token_type in types]
with_peers = pytest.mark.parametrize("peer", TYPES, indirect=True, ids=named)
with_cases = pytest.mark.parametrize(("peer", "token_type"), CASES, indirect=["peer"], ids=named)
AMORTIZED = [(PRIVACYPASS_RS, VOPRF), (PRIVACYPASS_RS, VOPRF_RISTRETTO255)]
with_amortized = pytest.mark.parametrize(("peer", "token_type"), AMORTIZED, indirect=["peer"], ids=named)

OPS = {
    VOPRF: voprf.PrivateKey.generate(voprf.P384_SHA384),
    BLIND_RSA: PrivateKey.generate(),
    VOPRF_RISTRETTO255: voprf.PrivateKey.generate(voprf.RISTRETTO255_SHA512),
}
KEYS = {token_type: TokenKey.of(op.public_key) for token_type, op in OPS.items()}
ISSUER = Issuer([IssuerKey(op, AT, END) for op in OPS.values()])


def pinned(key):
    return trust.pin(key, b"", not_before=AT, not_after=END)


ORIGIN = Origin([pinned(KEYS[BLIND_RSA]), *(pinned(PrivateTokenKey(OPS[one])) for one in (VOPRF, VOPRF_RISTRETTO255))])


def challenges(token_type):
    """With and without a context, and for no, one and several origins."""
    yield TokenChallenge(token_type, "issuer.example", os.urandom(32), ("origin.example",))
    yield TokenChallenge(token_type, "issuer.example:8443", b"", ())
    yield TokenChallenge(token_type, "issuer.example", b"", ("a.example", "b.example:444"))


def key_there(peer, token_type):
    return TokenKey(token_type, peer.call("token.key", token_type).bytes())


def good_there(peer, token_type, key, token):
    """The peer, as origin, takes the token, and not one with another nonce."""
    words = (token_type, key.encoded) if token_type == BLIND_RSA else (token_type,)
    operation = "token.verify" if token_type == BLIND_RSA else "token.redeem"
    wrong = token[:2] + os.urandom(32) + token[34:]
    with pytest.raises(PeerError):
        peer.call(operation, *words, wrong)
    peer.call(operation, *words, token)


@with_cases
def test_client_there(peer, token_type):
    """Asked for there, issued here, redeemed here."""
    for challenge in challenges(token_type):
        wire = peer.call("token.request", token_type, KEYS[token_type].encoded, challenge.encode()).bytes()
        token = Token.decode(peer.call("token.finish", ISSUER.issue(wire, at=AT)).bytes())
        assert ORIGIN.redeem(token, challenge=challenge, at=AT).token == token


@with_cases
def test_issuer_there(peer, token_type):
    """Asked for here, issued there, redeemed there; and here, where anybody can."""
    key = key_there(peer, token_type)
    for challenge in challenges(token_type):
        wire, pending = tokens.request(challenge, pinned(key), at=AT)
        token = pending.finish(peer.call("token.issue", token_type, wire).bytes())
        good_there(peer, token_type, key, token.encode())
        if token_type == BLIND_RSA:
            assert Origin([pinned(key)]).redeem(token, challenge=challenge, at=AT)


@with_cases
def test_what_was_changed_is_refused_there(peer, token_type):
    challenge = next(challenges(token_type))
    other = Issuer([IssuerKey(voprf.PrivateKey.generate(OPS[token_type].suite), AT, END)]) if token_type != 2 else None
    ask = ("token.request", token_type, KEYS[token_type].encoded, challenge.encode())
    response = ISSUER.issue(peer.call(*ask).bytes(), at=AT)
    with difference(peer.peer, "a response of another size"):
        for wrong in (response[:-1], response + b"\0", b""):
            peer.call(*ask)
            with pytest.raises(PeerError):
                peer.call("token.finish", wrong)
    for wrong in (response, response[:-1] + bytes((response[-1] ^ 1,))):
        wire = peer.call(*ask).bytes()
        with pytest.raises(PeerError):
            peer.call("token.finish", wrong)
    if other is not None:
        truncated = other.directory("/", at=AT).token_keys[0].truncated_id
        answer = other.issue(wire[:2] + bytes((truncated,)) + wire[3:], at=AT)
        peer.call(*ask)
        with pytest.raises(PeerError):
            peer.call("token.finish", answer)


@with_cases
def test_a_request_with_more_behind_it(peer, token_type):
    """Refused here; there as well, but for peers that are known not to."""
    key = key_there(peer, token_type)
    wire, _ = tokens.request(next(challenges(token_type)), pinned(key), at=AT)
    with pytest.raises(DecodeError):
        ISSUER.issue(wire + b"\0", at=AT)
    with difference(peer.peer, f"trailing bytes, type {token_type}"), pytest.raises(PeerError):
        peer.call("token.issue", token_type, wire + b"\0")


@with_amortized
@pytest.mark.parametrize("count", [1, 2, 30])
def test_amortized_client_there(peer, token_type, count):
    challenge = next(challenges(token_type))
    ask = ("batch.request", token_type, KEYS[token_type].encoded, challenge.encode(), count)
    with difference(peer.peer, f"amortized client, {count} of type {token_type}"):
        wire = peer.call(*ask).bytes()
        answer = tokens.issue_batch(ISSUER, wire, at=AT, limit=count)
        made = [Token.decode(token) for token in peer.call("batch.finish", answer).rest()]
        assert len({token.nonce for token in made}) == count
        for token in made:
            assert ORIGIN.redeem(token, challenge=challenge, at=AT)
        peer.call(*ask)
        with pytest.raises(PeerError):
            peer.call("batch.finish", answer)


@with_amortized
@pytest.mark.parametrize("count", [1, 2, 30])
def test_amortized_issuer_there(peer, token_type, count):
    key, challenge = key_there(peer, token_type), next(challenges(token_type))
    with difference(peer.peer, f"amortized issuer, {count} of type {token_type}"):
        wire, pending = tokens.request_batch(challenge, pinned(key), count, at=AT)
        for token in pending.finish(peer.call("batch.issue", token_type, wire).bytes()):
            good_there(peer, token_type, key, token.encode())


@with_peers
def test_generic_client_there(peer):
    """All types that the peer has, twice each; all granted, and then with a key that the issuer doesn't have."""
    asked = [(token_type, challenge) for token_type in TYPES[peer.peer] for challenge in [*challenges(token_type)][:2]]
    strange = TokenKey.of(PrivateKey.generate().public_key)
    while strange.truncated_id == KEYS[BLIND_RSA].truncated_id:
        strange = TokenKey.of(PrivateKey.generate().public_key)
    for missing in (False, True):
        keys = KEYS | ({BLIND_RSA: strange} if missing else {})
        words = [word for one, challenge in asked for word in (one, keys[one].encoded, challenge.encode())]
        wire = peer.call("generic.request", len(asked), *words).bytes()
        answer = tokens.issue_generic_batch(ISSUER, wire, at=AT, limit=len(asked))
        granted = [case for case in asked if not missing or case[0] != BLIND_RSA]
        assert (answer.status, answer.issued) == (206 if missing else 200, len(granted))
        made = list(map(Token.decode, peer.call("generic.finish", answer.content).rest()))
        assert len(made) == len(granted)
        for token, (_, challenge) in zip(made, granted, strict=True):
            assert ORIGIN.redeem(token, challenge=challenge, at=AT)


@with_peers
def test_generic_issuer_there(peer):
    types = TYPES[peer.peer]
    keys = {token_type: key_there(peer, token_type) for token_type in types}
    requests = [
        tokens.request(challenge, pinned(keys[token_type]), at=AT)
        for token_type in types
        for challenge in challenges(token_type)
    ]
    wire, pending = tokens.request_generic_batch(requests)
    made = pending.finish(peer.call("generic.issue", wire).bytes())
    assert len(made) == len(requests)
    for token in made:
        assert token is not None
        good_there(peer, token.token_type, keys[token.token_type], token.encode())


@with_peers
def test_generic_issuer_there_lacks_a_key(peer):
    """What it can't grant comes back as absent, and the rest is granted."""
    key = key_there(peer, VOPRF)
    challenge = next(challenges(VOPRF))
    other = KEYS[VOPRF]
    while other.truncated_id == key.truncated_id:
        other = TokenKey.of(voprf.PrivateKey.generate(voprf.P384_SHA384).public_key)
    with difference(peer.peer, "generic issuer without a key"):
        requests = [tokens.request(challenge, pinned(one), at=AT) for one in (key, other, key)]
        wire, pending = tokens.request_generic_batch(requests)
        first, none, last = pending.finish(peer.call("generic.issue", wire).bytes())
        assert none is None
        for token in (first, last):
            good_there(peer, VOPRF, key, token.encode())


@with_cases
def test_a_challenge_is_read_there(peer, token_type):
    key = KEYS[token_type].encoded
    with difference(peer.peer, "reads a challenge"):
        for age, challenge in zip((60, None, 0), challenges(token_type), strict=True):
            field = httpauth.encode_challenges([OfferedChallenge(challenge, key, age).encode()])
            assert peer.call("header.offers", field).rest() == [challenge.encode(), key]


def written_there(peer, token_type, decode):
    key = KEYS[token_type].encoded
    for challenge in challenges(token_type):
        field = peer.call("header.offer", challenge.encode(), key).bytes()
        origin = challenge.origin_info[0] if challenge.origin_info else "any.example"
        assert decode(field, origin=origin) == (OfferedChallenge(challenge, key),)


@with_cases
def test_a_challenge_from_there(peer, token_type):
    with difference(peer.peer, "writes a challenge"):
        written_there(peer, token_type, tokens.decode_offers)


@with_cases
def test_a_challenge_from_there_leniently(peer, token_type):
    written_there(peer, token_type, tokens.decode_offers_leniently)


@with_cases
def test_several_challenges_are_read_there(peer, token_type):
    offers = [OfferedChallenge(challenge, KEYS[token_type].encoded) for challenge in challenges(token_type)]
    field = httpauth.encode_challenges([offer.encode() for offer in offers])
    with difference(peer.peer, "reads several challenges"):
        expected = [part for offer in offers for part in (offer.challenge.encode(), offer.token_key)]
        assert peer.call("header.offers", field).rest() == expected


@with_peers
def test_grease_is_passed_over_there(peer):
    challenge = next(challenges(BLIND_RSA))
    offer = OfferedChallenge(challenge, KEYS[BLIND_RSA].encoded)
    field = httpauth.encode_challenges([tokens.grease_challenge(), offer.encode()])
    with difference(peer.peer, "reads grease"):
        assert peer.call("header.offers", field).rest() == [challenge.encode(), KEYS[BLIND_RSA].encoded]


def issued_here(token_type):
    wire, pending = tokens.request(next(challenges(token_type)), pinned(KEYS[token_type]), at=AT)
    return pending.finish(ISSUER.issue(wire, at=AT))


@with_cases
def test_credentials_are_read_there(peer, token_type):
    token = issued_here(token_type)
    with difference(peer.peer, "reads credentials"):
        assert peer.call("header.token", token_type, token.authorization()).bytes() == token.encode()


@with_cases
def test_credentials_from_there(peer, token_type):
    token = issued_here(token_type)
    with difference(peer.peer, f"writes credentials, type {token_type}"):
        written = peer.call("header.authorize", token_type, token.encode()).bytes()
        assert Token.from_authorization(written) == token
