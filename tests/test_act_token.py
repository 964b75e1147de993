"""Tokens of type 0xE5AD: what they are bound to, and the way of a refund."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from privproc.errors import (
    DecodeError,
    ExpiredError,
    LimitError,
    PolicyError,
    ReplayError,
    SignatureError,
    SpentError,
    UnsupportedError,
    UntrustedError,
    UsageError,
)
from privproc.secret import Secret
from privproc.tokens import MemoryStore
from privproc.tokens.experimental import act
from privproc.tokens.experimental.acttoken import (
    REQUEST_SIZE,
    ActChallenge,
    ActRedemption,
    finish,
    finish_refund,
    key_id,
    redeem,
    request,
    respond,
    spend,
)
from privproc.trust import pin
from tests.codec import check_codec, check_contract

PARAMETERS = act.Parameters("example", "chat", "test", "2026-11-29", 3)
ISSUER = act.IssuerKey.generate(PARAMETERS)
KEY = ISSUER.public_key
TRUSTED = pin(ISSUER, KEY.encoded, not_before=10, not_after=100)
CHALLENGE = ActChallenge("issuer.example", bytes(32), ("a.example", "b.example"), b"\1" * 32)


def issue(challenge: ActChallenge = CHALLENGE, key: act.IssuerKey = ISSUER) -> act.Credits:
    wire, pending = request(key.public_key)
    assert len(wire) == REQUEST_SIZE
    response = respond(key, wire, amount=5, challenge=challenge)
    assert len(response) == 164
    return finish(challenge, key.public_key, pending, response)


STORED = issue().save()


def held() -> act.Credits:
    return act.Credits.load(KEY, STORED)


TOKEN = spend(CHALLENGE, KEY, held(), charge=2)[0]


def redeemed(token: bytes = TOKEN, *, challenge=CHALLENGE, charge: int = 2, at: int = 10, key=TRUSTED) -> ActRedemption:
    return redeem(key, token, challenge=challenge, charge=charge, at=at)


def test_round_trip() -> None:
    credits_, store = held(), MemoryStore(10)
    for charge, returned, left in ((2, 1, 4), (4, 0, 0)):
        token, pending = spend(CHALLENGE, KEY, credits_, charge=charge)
        found = redeemed(token, charge=charge)
        store.commit(store.reserve(found.spend_key, at=10, lease=5), at=11)
        refund = found.refund(returned=returned)
        assert len(refund) == 164
        with pytest.raises(SpentError):
            found.refund()
        credits_ = finish_refund(pending, refund)
        assert credits_.balance == left
        with pytest.raises(ReplayError):
            store.reserve(redeemed(token, charge=charge).spend_key, at=12, lease=5)


def test_layout() -> None:
    contents = CHALLENGE.encode()
    assert contents[:18] == b"\xe5\xad\x00\x0eissuer.example"
    assert contents[18:51] == b"\x20" + bytes(32)
    assert contents[51:] == b"\x00\x13a.example,b.example" + b"\x20" + b"\1" * 32
    check_codec(ActChallenge.decode, contents, reencode=ActChallenge.encode)
    size = act.spend_size(PARAMETERS)
    assert TOKEN[:68] == b"\xe5\xad" + hashlib.sha256(contents).digest() + key_id(KEY) + size.to_bytes(2, "big")
    assert len(TOKEN) == 68 + size
    names = b"\x00\x0eissuer.example\x00\x13a.example,b.example\x00\x20" + b"\1" * 32
    assert CHALLENGE.context(KEY) == PARAMETERS.context(names + key_id(KEY)) == TOKEN[132:164]
    found = redeemed().spend_key
    assert (found.token_key_id, found.nonce, found.expires) == (key_id(KEY), TOKEN[68:100], 100)
    assert TOKEN[68:100].hex() not in repr(redeemed())


def test_names_and_contexts_have_lengths() -> None:
    """The draft concatenates them: an issuer's name could end in an origin's."""
    one = ActChallenge("issuer.example", origin_info=("a.example",))
    other = ActChallenge("issuer.exam", origin_info=("plea.example",))
    assert one.context(KEY) != other.context(KEY)
    assert one.context(KEY) != one.context(act.IssuerKey.generate(PARAMETERS).public_key)


def test_what_a_token_is_for() -> None:
    other = ActChallenge("issuer.example", b"\2" * 32, CHALLENGE.origin_info, CHALLENGE.credential_context)
    with pytest.raises(UntrustedError, match="challenge"):
        redeemed(challenge=other)
    stranger = act.IssuerKey.generate(PARAMETERS)
    with pytest.raises(UntrustedError, match="key"):
        redeemed(key=pin(stranger, stranger.public_key.encoded, not_before=10, not_after=100))
    for at in (9, 100):
        with pytest.raises(ExpiredError):
            redeemed(at=at)
    with pytest.raises(PolicyError, match="charge"):
        redeemed(charge=1)
    elsewhere = ActChallenge("issuer.example", bytes(32), CHALLENGE.origin_info, b"\3" * 32)
    with pytest.raises(UsageError, match="something else"):
        spend(CHALLENGE, KEY, issue(elsewhere), charge=1)
    # A digest that was put in front of credits for another context: whatever the token says.
    token = TOKEN[:2] + elsewhere.digest + TOKEN[34:]
    with pytest.raises(UntrustedError, match="context"):
        redeemed(token, challenge=elsewhere)
    with pytest.raises(UnsupportedError):
        redeemed(b"\0\2" + TOKEN[2:])
    for malformed in (TOKEN[:-1], TOKEN + b"\0", TOKEN[:67], TOKEN[:66] + b"\0\0", b""):
        with pytest.raises(DecodeError):
            redeemed(malformed)


def test_the_redemption_context_is_in_the_digest_alone() -> None:
    """What the draft's proof doesn't cover: whoever has a token first can use it for another redemption."""
    other = ActChallenge("issuer.example", b"\2" * 32, CHALLENGE.origin_info, CHALLENGE.credential_context)
    assert redeemed(TOKEN[:2] + other.digest + TOKEN[34:], challenge=other).spend_key == redeemed().spend_key


def test_refused_charges_use_nothing_up() -> None:
    credits_ = held()
    with pytest.raises(LimitError):
        spend(CHALLENGE, KEY, credits_, charge=6)
    assert credits_.balance == 5


def test_requests_and_responses() -> None:
    wire, pending = request(KEY)
    assert wire[:5] == b"\xe5\xad" + key_id(KEY)[-1:] + b"\0\x82"
    with pytest.raises(UnsupportedError, match="truncated"):
        respond(ISSUER, wire[:2] + bytes((wire[2] ^ 1,)) + wire[3:], amount=1, challenge=CHALLENGE)
    with pytest.raises(UnsupportedError, match="0x0001"):
        respond(ISSUER, b"\0\1" + wire[2:], amount=1, challenge=CHALLENGE)
    for malformed in (wire[:-1], wire + b"\0", wire[:2], wire[:3] + b"\0\0", b""):
        with pytest.raises(DecodeError):
            respond(ISSUER, malformed, amount=1, challenge=CHALLENGE)
    response = respond(ISSUER, wire, amount=1, challenge=CHALLENGE)
    other = ActChallenge("issuer.example")
    with pytest.raises(SignatureError):
        finish(other, KEY, pending, response)
    for malformed in (response[:-1], response + b"\0", b"\0\0"):
        with pytest.raises(DecodeError):
            finish(CHALLENGE, KEY, request(KEY)[1], malformed)


@given(st.binary(max_size=100))
def test_contract(data: bytes) -> None:
    stored = spend(CHALLENGE, KEY, held(), charge=2)[1].save()
    for start in (b"", b"\xe5\xad"):
        check_contract(ActChallenge.decode, start + data)
        check_contract(lambda wire: respond(ISSUER, wire, amount=1, challenge=CHALLENGE), start + data)
        check_contract(redeemed, start + data)
    check_contract(lambda wire: finish(CHALLENGE, KEY, request(KEY)[1], wire), data)
    check_contract(lambda wire: finish_refund(act.PendingRefund.load(KEY, Secret(stored.expose())), wire), data)
