"""Deterministic CBOR and COSE_Sign1."""

from __future__ import annotations

import enum
import hashlib

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, SECP384R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import example, given
from hypothesis import strategies as st

from privproc import cose
from privproc.cose import ALG, CRIT, KID, MAX_DEPTH, MAX_SIZE, Sign1, decode, encode, sign1
from privproc.errors import DecodeError, SignatureError, UnsupportedError, UsageError
from tests.codec import check_codec, check_contract

ED = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"test").digest())
EC = generate_private_key(SECP384R1())
INTS = st.integers(-(1 << 64), (1 << 64) - 1)
LEAVES = INTS | st.binary(max_size=40) | st.text(max_size=20) | st.booleans() | st.none()
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(INTS | st.text(max_size=8), inner, max_size=5)
)


def read(data: bytes):
    return decode(data, "test")


@given(VALUES)
def test_every_value_has_its_one_encoding(value) -> None:
    encoded = encode(value)
    assert read(encoded) == value
    assert encode(read(encoded)) == encoded
    check_codec(read, encoded, reencode=encode)


@given(VALUES)
def test_another_decoder_reads_the_same(value) -> None:
    assert cbor2.loads(encode(value)) == value


@given(st.dictionaries(INTS | st.text(max_size=30), st.none(), max_size=12))
def test_keys_are_in_bytewise_order_of_their_encodings(value) -> None:
    keys = [encode(key) for key in read(encode(value))]
    assert keys == sorted(keys)


@given(st.binary(max_size=60))
@example(bytes.fromhex("61ff"))
@example(bytes.fromhex("a1f5 00"))
@example(bytes.fromhex("a16200"))
@example(b"\xa1\x62a")
def test_bytes_in_contract(data: bytes) -> None:
    check_contract(read, data)
    check_contract(Sign1.decode, data)


@given(VALUES, st.data())
def test_a_flipped_bit_is_refused_or_another_value(value, data) -> None:
    encoded = bytearray(encode(value))
    encoded[data.draw(st.integers(0, len(encoded) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    try:
        other = read(bytes(encoded))
    except DecodeError:
        return
    assert encode(other) == encoded


@pytest.mark.parametrize(
    "data",
    [
        "1800",
        "190017",
        "1a00000100",
        "1b0000000000010000",
        "5800",
        "9800",
        "b800",
        "c000",
        "f7",
        "5f00ff",
        "19ff",
        "61ff",
        "a16200",
        "a16161",
        "a1f500",
        "a1410000",
        "a18000",
        "a1f93c0000",
        "1c",
        "1f",
        "ff",
        "fc",
        "f8f4",
        "f4f4",
    ],
    ids=lambda data: data,
)
# req: privproc1/7.1 deterministic-cbor
def test_refused(data: str) -> None:
    with pytest.raises(DecodeError):
        read(bytes.fromhex(data))


@pytest.mark.parametrize(
    ("data", "why"),
    [
        ("1c" + "00" * 16, "reserved"),
        ("1f" + "00" * 128, "reserved"),
        ("19ff", "truncated"),
        ("5bffffffffffffffff", "truncated"),
        ("9bffffffffffffffff", "truncated"),
        ("a100", "truncated"),
        ("c10000", "tag"),
        ("e0", "simple"),
    ],
)
def test_refused_for_this(data: str, why: str) -> None:
    with pytest.raises(DecodeError, match=why):
        read(bytes.fromhex(data))


def test_depth_is_bounded_both_ways() -> None:
    fine = b"\x81" * MAX_DEPTH + b"\0"
    value = read(fine)
    assert encode(value) == fine
    with pytest.raises(DecodeError, match="deep"):
        read(b"\x81" + fine)
    with pytest.raises(UsageError, match="deep"):
        encode([value])
    maps = b"\xa1\0" * MAX_DEPTH + b"\0"
    assert encode(read(maps)) == maps
    with pytest.raises(DecodeError, match="deep"):
        read(b"\xa1\0" + maps)


def test_size_is_bounded_both_ways() -> None:
    fine = encode(bytes(MAX_SIZE - 5))
    assert len(fine) == MAX_SIZE
    assert read(fine) == bytes(MAX_SIZE - 5)
    with pytest.raises(DecodeError, match="more than"):
        read(b"\x5a\0\x03\xff\xfc" + bytes(MAX_SIZE - 4))
    with pytest.raises(UsageError, match="longer"):
        encode(bytes(MAX_SIZE - 4))


def test_only_the_profile_is_encoded() -> None:
    cycle: list = []
    cycle.append(cycle)
    surrogate = "\ud800"
    for value in (1.5, {1, 2}, 1 << 64, -(1 << 64) - 1, cbor2.undefined, cycle, surrogate, bytearray(b"x"), object()):
        with pytest.raises(UsageError):
            encode(value)
    for key in (True, None, b"x", 1.5, (1,), 1 << 64, surrogate):
        with pytest.raises(UsageError):
            encode({key: 0})
    assert encode((1, [2])) == encode([1, [2]])


def test_constants_and_numbers_stay_apart() -> None:
    assert read(encode([True, 1, False, 0, None])) == [True, 1, False, 0, None]
    assert encode(True) != encode(1)


@pytest.mark.parametrize("key", [ED, EC], ids=["EdDSA", "ES384"])
def test_sign_and_verify(key) -> None:
    message = sign1(b"payload", {KID: b"key", "text": [1]}, key)
    message.verify(key.public_key())
    check_codec(Sign1.decode, message.encode(), reencode=Sign1.encode)
    assert dict(message.headers) == {ALG: cose._algorithm(key), KID: b"key", "text": [1]}
    for changed in (
        Sign1(message.protected, b"payloae", message.signature),
        Sign1(message.protected.replace(b"key", b"kez"), message.payload, message.signature),
        Sign1(message.protected, message.payload, message.signature[:-1]),
        Sign1(message.protected, message.payload, message.signature + b"\0"),
        Sign1(message.protected, message.payload, bytes(len(message.signature))),
    ):
        with pytest.raises(SignatureError):
            changed.verify(key.public_key())


def test_an_es384_signature_has_one_length() -> None:
    message = sign1(b"payload", {}, EC)
    while message.signature[48]:
        message = sign1(b"payload", {}, EC)
    message.verify(EC.public_key())
    without_zero = message.signature[:48] + message.signature[49:]
    with pytest.raises(SignatureError):
        Sign1(message.protected, message.payload, without_zero).verify(EC.public_key())


def test_the_key_decides_the_algorithm() -> None:
    for signer, verifier in ((ED, EC), (EC, ED)):
        with pytest.raises(SignatureError, match="algorithm"):
            sign1(b"", {}, signer).verify(verifier.public_key())
    # The signature is right, the name isn't.
    protected = encode({ALG: cose.ES384})
    message = Sign1(protected, b"", ED.sign(cose._signed(protected, b"")))
    with pytest.raises(SignatureError, match="algorithm"):
        message.verify(ED.public_key())


def test_other_keys_and_headers_are_the_callers_mistake() -> None:
    weak = generate_private_key(SECP256R1())
    for use in (
        lambda: sign1(b"", {}, weak),
        lambda: sign1(b"", {}, b"key"),
        lambda: sign1(b"", {ALG: cose.EDDSA}, ED),
        lambda: sign1(b"", {CRIT: [1]}, ED),
        lambda: sign1(b"", {}, ED).verify(weak.public_key()),
        lambda: sign1(b"", {}, ED).verify(None),
    ):
        with pytest.raises(UsageError):
            use()


def test_another_form_is_refused() -> None:
    message = sign1(b"payload", {}, ED)
    parts = [message.protected, {}, message.payload, message.signature]
    for wrong in (parts[:3], [*parts, b""], {1: parts}, b"", None):
        with pytest.raises(DecodeError, match="four"):
            Sign1.decode(encode(wrong))
    for place, other in ((1, {KID: b""}), (1, None), (1, []), (0, "text"), (0, {}), (2, None), (2, "text"), (3, None)):
        with pytest.raises(DecodeError):
            Sign1.decode(encode([*parts[:place], other, *parts[place + 1 :]]))


def test_headers_are_a_map_with_an_algorithm() -> None:
    for protected in (encode([1]), encode({KID: b""}), b""):
        with pytest.raises(DecodeError):
            Sign1.decode(encode([protected, {}, b"", b""]))
    with pytest.raises(UnsupportedError):
        Sign1.decode(encode([encode({ALG: cose.EDDSA, CRIT: [5]}), {}, b"", b""]))


def test_enumerations_are_integers() -> None:
    label = enum.IntEnum("Label", {"KID": KID})
    assert encode({label.KID: label.KID}) == encode({KID: KID})
