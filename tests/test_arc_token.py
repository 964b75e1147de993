"""Tokens of type 0xE5AC: what they are bound to, and the number that they don't tell."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from privproc.errors import DecodeError, LimitError, SignatureError, UnsupportedError, UntrustedError, UsageError
from privproc.tokens.experimental import arc
from privproc.tokens.experimental.arctoken import (
    REQUEST_SIZE,
    ArcChallenge,
    key_id,
    present,
    presentations,
    request,
    respond,
    verify,
)
from tests.codec import check_codec, check_contract

SERVER = arc.ServerKey.generate(arc.Framing.SIGMA_APRIL_2026)
KEY = SERVER.public_key
CHALLENGE = ArcChallenge("issuer.example", bytes(32), ("a.example", "b.example"), b"\1" * 32)


def issue(challenge: ArcChallenge = CHALLENGE) -> arc.Credential:
    wire, pending = request(challenge, KEY)
    assert len(wire) == REQUEST_SIZE
    return pending.finish(respond(SERVER, wire))


CREDENTIAL = issue()
TOKEN = present(CHALLENGE, KEY, presentations(CHALLENGE, KEY, CREDENTIAL, limit=3, used=1))


def test_round_trip() -> None:
    left = presentations(CHALLENGE, KEY, CREDENTIAL, limit=3)
    shown = [present(CHALLENGE, KEY, left) for _ in range(3)]
    assert {len(token) for token in shown} == {70 + arc.presentation_size(3)}
    assert len({verify(SERVER, token, challenge=CHALLENGE, limit=3) for token in shown}) == 3
    with pytest.raises(LimitError):
        present(CHALLENGE, KEY, left)


def test_layout() -> None:
    contents = CHALLENGE.encode()
    assert contents[:18] == b"\xe5\xac\x00\x0eissuer.example"
    assert contents[18:51] == b"\x20" + bytes(32)
    assert contents[51:] == b"\x00\x13a.example,b.example" + b"\x20" + b"\1" * 32
    assert TOKEN[:70] == b"\xe5\xac" + bytes(4) + hashlib.sha256(contents).digest() + key_id(KEY)
    names = b"\x00\x0eissuer.example\x00\x13a.example,b.example\x00\x20"
    assert CHALLENGE.request_context(KEY) == names + b"\1" * 32 + key_id(KEY)
    assert CHALLENGE.presentation_context(KEY) == names + bytes(32) + key_id(KEY)
    check_codec(ArcChallenge.decode, contents, reencode=ArcChallenge.encode)
    assert ArcChallenge.decode(ArcChallenge("issuer.example").encode()).origin_info == ()


def test_no_token_tells_its_number() -> None:
    """arc-protocol-01 has it in bytes 2 to 6; a peer's is ignored, as the proof doesn't cover it."""
    left = presentations(CHALLENGE, KEY, CREDENTIAL, limit=200, used=198)
    assert {present(CHALLENGE, KEY, left)[:70] for _ in range(2)} == {TOKEN[:70]}
    numbered = TOKEN[:2] + (1).to_bytes(4, "big") + TOKEN[6:]
    assert verify(SERVER, numbered, challenge=CHALLENGE, limit=3) == verify(SERVER, TOKEN, challenge=CHALLENGE, limit=3)


def test_what_a_token_is_for() -> None:
    other = ArcChallenge("issuer.example", b"\2" * 32, CHALLENGE.origin_info, CHALLENGE.credential_context)
    with pytest.raises(UntrustedError, match="challenge"):
        verify(SERVER, TOKEN, challenge=other, limit=3)
    with pytest.raises(UntrustedError, match="key"):
        verify(arc.ServerKey.generate(arc.Framing.SIGMA_APRIL_2026), TOKEN, challenge=CHALLENGE, limit=3)
    # A credential of another context, or presentations that were counted for another: whatever the token says.
    elsewhere = ArcChallenge("issuer.example", bytes(32), CHALLENGE.origin_info, b"\3" * 32)
    for credential, counted in ((issue(elsewhere), CHALLENGE), (CREDENTIAL, other)):
        token = present(CHALLENGE, KEY, presentations(counted, KEY, credential, limit=3))
        with pytest.raises(SignatureError):
            verify(SERVER, token, challenge=CHALLENGE, limit=3)
    with pytest.raises(UnsupportedError):
        verify(SERVER, b"\0\2" + TOKEN[2:], challenge=CHALLENGE, limit=3)
    for malformed in (TOKEN[:-1], TOKEN + b"\0", TOKEN[:69], b""):
        with pytest.raises(DecodeError):
            verify(SERVER, malformed, challenge=CHALLENGE, limit=3)


def test_requests() -> None:
    wire, _ = request(CHALLENGE, KEY)
    assert wire[:3] == b"\xe5\xac" + key_id(KEY)[-1:]
    with pytest.raises(UnsupportedError, match="truncated"):
        respond(SERVER, wire[:2] + bytes((wire[2] ^ 1,)) + wire[3:])
    with pytest.raises(UnsupportedError, match="0x0001"):
        respond(SERVER, b"\0\1" + wire[2:])
    for malformed in (wire[:-1], wire + b"\0", wire[:2], b""):
        with pytest.raises(DecodeError):
            respond(SERVER, malformed)


@given(st.binary(max_size=100))
def test_contract(data: bytes) -> None:
    for start in (b"", b"\xe5\xac"):
        check_contract(ArcChallenge.decode, start + data)
        check_contract(lambda wire: respond(SERVER, wire), start + data)
        check_contract(lambda wire: verify(SERVER, wire, challenge=CHALLENGE, limit=3), start + data)


def test_challenges_that_cant_be_made() -> None:
    for fields in (("",), ("a b",), ("a", b"x"), ("a", b"", ("",)), ("a", b"", (), bytes(31))):
        with pytest.raises(UsageError):
            ArcChallenge(*fields)
    for encoded in (
        b"\xe5\xac\x00\x01\xff\x00\x00\x00\x00",  # not ASCII
        b"\xe5\xac\x00\x01a\x01\x00\x00\x00\x00",  # a context of one byte
        b"\xe5\xac\x00\x01a\x00\x00\x02a,\x00",  # an empty name
    ):
        with pytest.raises(DecodeError):
            ArcChallenge.decode(encoded)
    with pytest.raises(UnsupportedError):
        ArcChallenge.decode(b"\x00\x02" + CHALLENGE.encode()[2:])
