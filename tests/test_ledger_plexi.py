"""Epochs signed by a Plexi auditor."""

from __future__ import annotations

import json

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

import privproc.ledger
from privproc.attestation import NO_REVOCATIONS
from privproc.attestation.expectation import Expectation
from privproc.errors import (
    DecodeError,
    ExpiredError,
    PolicyError,
    SignatureError,
    UnsupportedError,
    UntrustedError,
    UsageError,
)
from privproc.ledger import SKEW, Logged, plexi
from privproc.ledger.plexi import BINCODE, PROTOBUF, PlexiEpoch, SignedEpoch, verify
from tests.codec import check_codec, check_contract
from tests.world.binding import bound

T = 1_800_000_000
DAY = 86_400
DIGEST = bytes(range(48))
PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(31) + b"\1")
KEY = PRIVATE.public_key().public_bytes_raw()
NAMESPACE = "prod.pc.orchestrator.cvm"


def sign(
    suite: int = PROTOBUF, namespace: str = NAMESPACE, ms: int = 999, epoch: int = 7, digest=DIGEST
) -> SignedEpoch:
    fields = (suite, namespace, T * 1000 + ms, epoch, digest)
    return SignedEpoch(*fields, PRIVATE.sign(SignedEpoch(*fields, bytes(64)).message), KEY[-1])


def check(proof: bytes | None = None, **expected) -> PlexiEpoch:
    asked = {"namespace": NAMESPACE, "key": KEY, "minimum_epoch": 7, "max_age": DAY, "at": T}
    return verify(sign().encode() if proof is None else proof, **asked | expected)


@pytest.mark.parametrize("suite", [PROTOBUF, BINCODE])
def test_an_epoch(suite: int) -> None:
    found = check(sign(suite).encode())
    assert (found.namespace, found.epoch, found.digest) == (NAMESPACE, 7, DIGEST)
    assert (found.signed_at, found.not_after) == (T, T + DAY)
    found.confirm_unchained(DIGEST, at=T + DAY - 1)
    for digest in (b"", DIGEST[:-1], bytes(48)):
        with pytest.raises(UntrustedError):
            found.confirm_unchained(digest, at=T)
    with pytest.raises(ExpiredError):
        found.confirm_unchained(DIGEST, at=T + DAY)
    for nothing in (None, DIGEST.hex()):
        with pytest.raises(UsageError):
            found.confirm_unchained(nothing, at=T)  # type: ignore[arg-type]
    with pytest.raises(UsageError):
        PlexiEpoch()


def test_it_passes_nowhere_for_logged() -> None:
    found = check()
    assert not isinstance(found, Logged)
    assert not hasattr(found, "confirm")
    assert not set(plexi.__all__) & set(privproc.ledger.__all__) - {"verify"}
    assert privproc.ledger.verify is not verify
    with pytest.raises(UsageError):
        Expectation.session(bound(b"\1" * 64), found, "orchestrator", NO_REVOCATIONS)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("expected", "error"),
    [
        ({"namespace": "prod.pc.predictor.cvm"}, UntrustedError),
        ({"namespace": ""}, UsageError),
        ({"namespace": None}, UsageError),
        ({"key": KEY[1:]}, UsageError),
        ({"key": b"\1" * 31 + KEY[-1:]}, SignatureError),
        ({"key": KEY[:-1] + bytes([KEY[-1] ^ 1])}, UntrustedError),
        ({"key": None}, UsageError),
        ({"key": KEY.hex()[:32]}, UsageError),
        ({"minimum_epoch": 8}, PolicyError),
        ({"minimum_epoch": 0}, UsageError),
        ({"minimum_epoch": None}, UsageError),
        ({"max_age": 0}, UsageError),
        ({"max_age": None}, UsageError),
        ({"at": T + DAY}, ExpiredError),
        ({"at": T - SKEW - 1}, ExpiredError),
    ],
    ids=str,
)
def test_what_is_expected_holds(expected, error) -> None:
    with pytest.raises(error) as caught:
        check(**expected)
    assert caught.type is error


def test_the_edges_of_time() -> None:
    assert check(at=T - SKEW).not_after == T + DAY
    assert check(at=T + DAY - 1).signed_at == T


def test_message_layouts() -> None:
    """Against the format's own words, with numbers of more than one group of seven bits."""
    value = sign(PROTOBUF, "n" * 200, 5, 300)
    varint = bytearray()
    number = T * 1000 + 5
    while number:
        varint.append(number % 128 + (128 if number >= 128 else 0))
        number //= 128
    assert value.message == (
        b"\x08\x01\x12\xc8\x01" + b"n" * 200 + b"\x18" + varint + b"\x22\x03\x08\xac\x02" + b"\x2a\x30" + DIGEST
    )
    value = sign(BINCODE, "nn", 5, 300)
    assert value.message == (
        b"\2\0\0\0" + b"\2\0\0\0\0\0\0\0nn" + (T * 1000 + 5).to_bytes(8, "little") + b"\x2c\1\0\0\0\0\0\0"
        b"\x30\0\0\0\0\0\0\0" + DIGEST
    )


@given(
    st.sampled_from([PROTOBUF, BINCODE]),
    st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=20),
    st.integers(0, (1 << 64) - 1),
    st.integers(1, (1 << 64) - 1),
    st.sampled_from([32, 48, 64]),
    st.none() | st.integers(0, 255),
)
def test_codec(suite: int, name: str, stamp: int, epoch: int, size: int, key_id: int | None) -> None:
    value = SignedEpoch(suite, name, stamp, epoch, bytes(size), bytes(64), key_id)
    assert SignedEpoch.decode(value.encode()) == value
    check_codec(SignedEpoch.decode, value.encode(), reencode=SignedEpoch.encode)


def test_members_of_the_interface() -> None:
    """Its own output, with what it may leave out, null, or add one day."""
    value = sign()
    body = json.loads(value.encode())
    for change in (
        {"serialized_message": None},
        {"serialized_message": value.message.hex()},
        {"later": [1.5, {}]},
    ):
        assert SignedEpoch.decode(json.dumps(body | change).encode()) == value
    for name in ("version", "ciphersuite"):
        assert SignedEpoch.decode(json.dumps({k: v for k, v in body.items() if k != name}).encode()) == value
    without = SignedEpoch.decode(json.dumps(body | {"key_id": None}).encode())
    assert without.key_id is None
    assert check(without.encode()).epoch == 7
    for change in ({"key_id": "1"}, {"key_id": -1}, {"version": None}, {"namespace": "\ud800"}):
        with pytest.raises(DecodeError):
            SignedEpoch.decode(json.dumps(body | change).encode())


def test_values_are_checked() -> None:
    good = (PROTOBUF, "n", 0, 1, bytes(32), bytes(64), None)
    SignedEpoch(*good)
    for place, wrong in (
        (0, 3),
        (1, ""),
        (1, "n n"),
        (2, -1),
        (2, 1 << 64),
        (3, 0),
        (3, 1 << 64),
        (4, bytes(31)),
        (5, bytes(63)),
        (6, 256),
    ):
        with pytest.raises(UsageError):
            SignedEpoch(*good[:place], wrong, *good[place + 1 :])


@given(st.integers(0), st.integers(0, 255))
def test_every_changed_byte_is_refused_or_says_the_same(place: int, value: int) -> None:
    data = bytearray(sign().encode())
    data[place % len(data)] = value
    try:
        found = check(bytes(data))
    except (DecodeError, SignatureError, UnsupportedError, UntrustedError):
        return
    # The names of optional members may change; the statement may not.
    assert found == check()


@given(st.binary(max_size=200) | st.text('{}[]":,0123456789aepoch\\u\ud7ff', max_size=80).map(str.encode))
def test_bytes_in_contract(data: bytes) -> None:
    check_contract(SignedEpoch.decode, data)
    check_contract(check, data)
