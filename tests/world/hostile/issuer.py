"""A hostile issuer."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any
from unittest import mock

from privproc import tokens
from privproc.errors import DecodeError, SignatureError
from tests.world.hostile.run import catalogue, get_token
from tests.world.world import DAY, World, issuer_key

run = catalogue("issuer")


def unverified() -> AbstractContextManager[object]:
    """Whatever an issuer answers is taken for a signature."""
    return mock.patch.object(tokens.issuance._Blinded, "token", junk_token)


def junk_token(blinded: Any, response: bytes) -> tokens.Token:
    key = blinded.key
    return tokens.Token(key.token_type, blinded.nonce, blinded.challenge_digest, key.key_id, response[:256])


@run("issuer signs with a key made for one account", SignatureError, unverified)
def key_for_one(world: World) -> None:
    """Tokens under it would be recognised when they are spent."""
    key = tokens.IssuerKey(issuer_key(world.epoch % 2 ^ 1), world.at - DAY, world.at + DAY)
    own = tokens.Issuer([key])
    asked: list[bytes] = []

    def keep(data: bytes) -> bytes:
        # What was blinded for the right key need not be below this one's modulus.
        blinded = int.from_bytes(data[3:]) % key.token_key.public_key.n
        asked.append(data[:2] + key.token_key.key_id[-1:] + blinded.to_bytes(len(data) - 3))
        return data

    world.wire.taps["device → issuer"] = keep
    world.wire.taps["issuer → device"] = lambda _: own.issue(asked[-1], at=world.at)
    get_token(world)


@run("issuer signs junk", SignatureError, unverified)
def junk(world: World) -> None:
    """To tag whoever fails with it later."""
    world.wire.taps["issuer → device"] = lambda data: data[:-1] + bytes((data[-1] ^ 1,))
    get_token(world)


@run("issuer answers another request", SignatureError, unverified)
def another_request(world: World) -> None:
    answers: list[bytes] = []

    def first(data: bytes) -> bytes:
        answers.append(data)
        return answers[0]

    world.wire.taps["issuer → device"] = first
    get_token(world)
    get_token(world)


@run("issuer answers with more than a signature", DecodeError, unverified)
def too_much(world: World) -> None:
    """Bytes after it would be a channel to a client that keeps them."""
    world.wire.taps["issuer → device"] = lambda data: data + b"alice"
    get_token(world)
