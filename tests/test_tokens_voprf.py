"""Tokens of the types 0x0001 and 0x0005, and batches of any type."""

from __future__ import annotations

import copy
import hashlib
import json
import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from privproc import trust, voprf
from privproc.blindrsa import PrivateKey
from privproc.errors import (
    DecodeError,
    ExpiredError,
    LimitError,
    SignatureError,
    SpentError,
    UnsupportedError,
    UntrustedError,
    UsageError,
)
from privproc.tokens import (
    AMORTIZED_REQUEST_TYPE,
    AMORTIZED_RESPONSE_TYPE,
    BLIND_RSA,
    GENERIC_REQUEST_TYPE,
    GENERIC_RESPONSE_TYPE,
    VOPRF,
    VOPRF_RISTRETTO255,
    AmortizedRequest,
    BoundToken,
    Issuer,
    IssuerDirectory,
    IssuerKey,
    Origin,
    PrivateTokenKey,
    SpendKey,
    Token,
    TokenChallenge,
    TokenKey,
    TokenRequest,
    _vector,
    issue_batch,
    issue_generic_batch,
    request,
    request_batch,
    request_bound,
    request_generic_batch,
)
from privproc.tokens.issuance import _derand_request
from privproc.tokens.kinds import KINDS, kind_of
from privproc.vectors._kinds.tokens_voprf import SUITES
from privproc.wire import Reader, encode_varint
from tests.codec import check_codec, check_contract

AT = 1_800_000_000
HOUR = 3600
TYPES = (VOPRF, VOPRF_RISTRETTO255)
SIZES = {VOPRF: (52, 145, 146, 49), BLIND_RSA: (259, 256, 354, 342), VOPRF_RISTRETTO255: (35, 96, 162, 32)}

typed = pytest.mark.parametrize("token_type", TYPES)
all_types = pytest.mark.parametrize("token_type", sorted(SIZES))

PRIVATE = {token_type: voprf.PrivateKey.generate(SUITES[token_type]) for token_type in TYPES}
RSA = PrivateKey.generate()
OPS = PRIVATE | {BLIND_RSA: RSA}
KEYS = {token_type: TokenKey.of(op.public_key) for token_type, op in OPS.items()}
CHALLENGES = {
    token_type: TokenChallenge(token_type, "issuer.example", bytes(32), ("origin.example",)) for token_type in SIZES
}
ISSUER = Issuer([IssuerKey(op, AT - HOUR, AT + HOUR) for op in OPS.values()])


def pinned(key, *, not_after: int = AT + HOUR):
    return trust.pin(key, b"", not_before=AT - HOUR, not_after=not_after)


def accepted(token_type: int):
    return pinned(KEYS[BLIND_RSA] if token_type == BLIND_RSA else PrivateTokenKey(PRIVATE[token_type]))


ORIGIN = Origin([accepted(token_type) for token_type in SIZES])


def started(token_type: int):
    return request(CHALLENGES[token_type], pinned(KEYS[token_type]), at=AT)


def issued(token_type: int) -> Token:
    wire, pending = started(token_type)
    return pending.finish(ISSUER.issue(wire, at=AT))


# --- single tokens


@all_types
def test_single(token_type):
    request_size, response_size, token_size, key_size = SIZES[token_type]
    wire, pending = started(token_type)
    response = ISSUER.issue(wire, at=AT)
    token = pending.finish(response)
    assert (len(wire), len(response), len(token.encode()), len(KEYS[token_type].encoded)) == SIZES[token_type]
    assert (request_size, response_size) == (3 + KINDS[token_type].blinded_size, KINDS[token_type].response_size)
    assert (token_size, key_size) == (98 + KINDS[token_type].authenticator_size, len(KEYS[token_type].encoded))
    redeemed = ORIGIN.redeem(Token.from_authorization(token.authorization()), challenge=CHALLENGES[token_type], at=AT)
    assert redeemed.token == token
    assert redeemed.spend_key == SpendKey(KEYS[token_type].key_id, token.nonce, AT + HOUR)
    bound_wire, bound_pending = request_bound(CHALLENGES[token_type], pinned(KEYS[token_type]), at=AT)
    bound = bound_pending.finish(ISSUER.issue(bound_wire, at=AT))
    assert isinstance(bound, BoundToken)
    assert ORIGIN.redeem(bound.token, challenge=CHALLENGES[token_type], at=AT).token == bound.token
    spent, proof_key = bound.spend()
    assert spent.nonce == proof_key.nonce


@all_types
def test_codecs(token_type):
    token = issued(token_type)
    wire, _ = started(token_type)
    check_codec(Token.decode, token.encode(), reencode=Token.encode)
    check_codec(TokenRequest.decode, wire, reencode=TokenRequest.encode)
    check_codec(TokenChallenge.decode, CHALLENGES[token_type].encode(), reencode=TokenChallenge.encode)


@all_types
# req: rfc9578/5.1 request-layout
# req: rfc9578/5.1 truncated-key-id
# req: rfc9578/5.5 key-id
def test_layout_of_requests(token_type):
    wire, _ = started(token_type)
    key = KEYS[token_type]
    assert key.key_id == hashlib.sha256(key.encoded).digest()
    assert wire[:3] == token_type.to_bytes(2, "big") + key.key_id[-1:]
    assert len(wire[3:]) == KINDS[token_type].blinded_size


@typed
def test_derandomised_twin_is_the_same_protocol(token_type):
    nonce, blind = b"n" * 32, PRIVATE[token_type].suite.group.scalars.random()
    runs = [_derand_request(CHALLENGES[token_type], pinned(KEYS[token_type]), nonce, blind, at=AT) for _ in range(2)]
    assert runs[0][0] == runs[1][0]
    token = runs[0][1].finish(ISSUER.issue(runs[0][0], at=AT))
    assert ORIGIN.redeem(token, challenge=CHALLENGES[token_type], at=AT).token.nonce == nonce


@typed
def test_the_authenticator_is_the_function_of_the_rest(token_type):
    token = issued(token_type)
    assert voprf.VoprfServer(PRIVATE[token_type]).evaluate(token.authenticator_input) == token.authenticator


@typed
@settings(max_examples=15)
@given(data=st.data())
# req: rfc9578/5.4 verified-with-the-private-key
def test_no_byte_of_a_token_can_be_changed(token_type, data):
    token = FIXED[token_type]
    raw = bytearray(token.encode())
    place = data.draw(st.integers(2, len(raw) - 1))
    raw[place] ^= data.draw(st.integers(1, 255))
    expected = SignatureError if place < 34 or place >= 98 else UntrustedError
    with pytest.raises(expected):
        ORIGIN.redeem(Token.decode(bytes(raw)), challenge=CHALLENGES[token_type], at=AT)


FIXED = {token_type: issued(token_type) for token_type in SIZES}


@typed
# req: rfc9578/5.2 element-and-proof
# req: rfc9578/5.3 client-verifies-proof
def test_every_byte_of_a_response_counts(token_type):
    wire, _ = started(token_type)
    response = ISSUER.issue(wire, at=AT)
    for place in range(0, len(response), 13):
        changed = bytearray(response)
        changed[place] ^= 1
        with pytest.raises((DecodeError, SignatureError)):
            started(token_type)[1].finish(bytes(changed))
    wire, pending = started(token_type)
    response = ISSUER.issue(wire, at=AT)
    with pytest.raises(SignatureError):
        started(token_type)[1].finish(response)
    for bad in (b"", response[:-1], response + b"\0"):
        with pytest.raises(DecodeError):
            started(token_type)[1].finish(bad)
    assert pending.finish(response)
    with pytest.raises(SpentError):
        pending.finish(response)


@typed
# req: rfc9578/5.3 client-verifies-proof
def test_issuance_under_another_key_is_refused(token_type):
    other = voprf.PrivateKey.generate(SUITES[token_type])
    swapped = TokenKey.of(other.public_key)
    wire, pending = started(token_type)
    response = Issuer([IssuerKey(other, AT, AT + 1)]).issue(wire[:2] + bytes((swapped.truncated_id,)) + wire[3:], at=AT)
    with pytest.raises(SignatureError):
        pending.finish(response)


@typed
# req: rfc9578/5.2 issuer-checks-request
def test_issuer_refuses(token_type):
    wire, _ = started(token_type)
    size = KINDS[token_type].blinded_size
    for bad in (wire[:-1], wire + b"\0", wire[:3] + bytes(size), wire[:3] + b"\xff" * size):
        with pytest.raises(DecodeError):
            ISSUER.issue(bad, at=AT)
    with pytest.raises(UnsupportedError):
        ISSUER.issue(wire[:2] + bytes((wire[2] ^ 1,)) + wire[3:], at=AT)
    for at in (AT - HOUR - 1, AT + HOUR):
        with pytest.raises(ExpiredError):
            ISSUER.issue(wire, at=at)


def test_challenge_key_and_token_have_one_type():
    for token_type in SIZES:
        for other in set(SIZES) - {token_type}:
            with pytest.raises(UnsupportedError):
                request(CHALLENGES[other], pinned(KEYS[token_type]), at=AT)
            with pytest.raises(UnsupportedError):
                ORIGIN.redeem(FIXED[token_type], challenge=CHALLENGES[other], at=AT)


def test_a_key_id_of_another_type_is_no_key():
    """A token whose type and key don't go together, for a challenge of its type."""
    for token_type in SIZES:
        for other in set(SIZES) - {token_type}:
            mixed = Token(
                token_type,
                FIXED[token_type].nonce,
                CHALLENGES[token_type].digest,
                KEYS[other].key_id,
                FIXED[token_type].authenticator,
            )
            with pytest.raises(UntrustedError, match="key"):
                ORIGIN.redeem(mixed, challenge=CHALLENGES[token_type], at=AT)


@typed
# req: rfc9578/5.4 verified-with-the-private-key
def test_verification_takes_the_private_key(token_type):
    with pytest.raises(UsageError, match="private key"):
        Origin([pinned(KEYS[token_type])])
    with pytest.raises(UsageError, match="twice"):
        Origin([accepted(token_type), accepted(token_type)])
    held = PrivateTokenKey(PRIVATE[token_type])
    assert held.token_key == KEYS[token_type]
    assert PRIVATE[token_type].to_secret().expose().hex() not in repr(held)
    origin = Origin([pinned(held)])
    with pytest.raises(ExpiredError):
        origin.redeem(FIXED[token_type], challenge=CHALLENGES[token_type], at=AT + HOUR)


def test_the_issuer_verifies_what_it_signed():
    """An issuer's own role checks tokens of every type."""
    for token_type, op in OPS.items():
        role = IssuerKey(op, AT, AT + 1).role
        token = FIXED[token_type]
        role.verify(token.authenticator_input, token.authenticator)
        with pytest.raises(SignatureError):
            role.verify(token.authenticator_input + b"\0", token.authenticator)


@pytest.mark.parametrize("suite", [voprf.P256_SHA256, voprf.P521_SHA512])
def test_other_suites_are_no_token_types(suite):
    key = voprf.PrivateKey.generate(suite)
    for make in (
        lambda: TokenKey.of(key.public_key),
        lambda: IssuerKey(key, 0, 1),
        lambda: PrivateTokenKey(key),
    ):
        with pytest.raises(UnsupportedError):
            make()
    with pytest.raises(UnsupportedError):
        kind_of(3, "x")


@typed
def test_token_keys(token_type):
    encoded = KEYS[token_type].encoded
    check_codec(lambda data: TokenKey(token_type, data), encoded, reencode=lambda key: key.encoded)
    with pytest.raises(DecodeError):
        TokenKey(token_type, bytes(len(encoded)))
    assert KEYS[token_type].public_key == PRIVATE[token_type].public_key


# --- directory, issuer


def test_directory_of_several_types():
    directory = ISSUER.directory("/request", at=AT)
    assert IssuerDirectory.decode(directory.encode()) == directory
    assert {key["token-type"] for key in json.loads(directory.encode())["token-keys"]} == set(SIZES)
    for token_type in SIZES:
        assert directory.key(at=AT, token_type=token_type).key_id == KEYS[token_type].key_id
    assert directory.key(at=AT).token_type == BLIND_RSA
    only = IssuerDirectory("/request", (KEYS[VOPRF],))
    with pytest.raises(ExpiredError, match="0x0002"):
        only.key(at=AT)


def test_directory_with_a_malformed_key_is_refused_whole():
    body = json.loads(ISSUER.directory("/request", at=AT).encode())
    for entry in body["token-keys"]:
        if entry["token-type"] == VOPRF:
            entry["token-key"] = "AA=="
    with pytest.raises(DecodeError):
        IssuerDirectory.decode(json.dumps(body).encode())


def test_truncated_ids_are_told_apart_by_type():
    """One byte of two ids may be the same if their types differ."""
    found: dict[int, voprf.PrivateKey] = {}
    wanted = KEYS[VOPRF].truncated_id
    while wanted not in found:
        key = voprf.PrivateKey.generate(SUITES[VOPRF_RISTRETTO255])
        found[TokenKey.of(key.public_key).truncated_id] = key
    issuer = Issuer([IssuerKey(PRIVATE[VOPRF], AT, AT + 1), IssuerKey(found[wanted], AT, AT + 1)])
    for key in (PRIVATE[VOPRF], found[wanted]):
        token_key = TokenKey.of(key.public_key)
        wire, pending = request(CHALLENGES[token_key.token_type], pinned(token_key), at=AT)
        assert pending.finish(issuer.issue(wire, at=AT)).token_key_id == token_key.key_id
    with pytest.raises(UsageError):
        Issuer([IssuerKey(PRIVATE[VOPRF], AT, AT + 1)] * 2)


# --- amortized batches


def batch(token_type: int, count: int):
    return request_batch(CHALLENGES[token_type], pinned(KEYS[token_type]), count, at=AT)


@typed
@pytest.mark.parametrize("count", [1, 2, 9])
def test_amortized(token_type, count):
    wire, pending = batch(token_type, count)
    response = issue_batch(ISSUER, wire, at=AT, limit=count)
    size, proof = KINDS[token_type].blinded_size, SUITES[token_type].proof_size
    head = len(encode_varint(count * size))
    assert len(wire) == 3 + head + count * size
    assert len(response) == head + count * size + proof
    tokens = pending.finish(response)
    assert len({token.nonce for token in tokens}) == len(tokens) == count
    for token in tokens:
        assert ORIGIN.redeem(token, challenge=CHALLENGES[token_type], at=AT).token == token
    with pytest.raises(SpentError):
        pending.finish(response)
    for attempt in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(UsageError):
            attempt(pending)
    assert AMORTIZED_REQUEST_TYPE.replace(b"request", b"response") == AMORTIZED_RESPONSE_TYPE


@typed
def test_amortized_codec(token_type):
    wire, _ = batch(token_type, 3)
    check_codec(AmortizedRequest.decode, wire, reencode=AmortizedRequest.encode)
    size = KINDS[token_type].blinded_size
    for key_id, blinded in ((256, (bytes(size),)), (-1, (bytes(size),)), (0, ()), (0, (bytes(size), bytes(size + 1)))):
        with pytest.raises(UsageError):
            AmortizedRequest(token_type, key_id, blinded)


@typed
def test_amortized_response_codec(token_type):
    wire, _ = batch(token_type, 2)
    response = issue_batch(ISSUER, wire, at=AT, limit=2)
    for cut in range(0, len(response), 17):
        with pytest.raises(DecodeError):
            batch(token_type, 2)[1].finish(response[:cut])
    with pytest.raises(DecodeError):
        batch(token_type, 2)[1].finish(response + b"\0")
    with pytest.raises(SignatureError):
        batch(token_type, 2)[1].finish(response)
    for count in (1, 3):
        with pytest.raises(DecodeError):
            batch(token_type, count)[1].finish(response)


@typed
def test_amortized_limits(token_type):
    wire, _ = batch(token_type, 3)
    with pytest.raises(LimitError):
        issue_batch(ISSUER, wire, at=AT, limit=2)
    for count in (0, -1, voprf.MAX_BATCH + 1):
        with pytest.raises(UsageError):
            batch(token_type, count)
    with pytest.raises(ExpiredError):
        issue_batch(ISSUER, wire, at=AT + HOUR, limit=3)
    with pytest.raises(UnsupportedError):
        issue_batch(ISSUER, wire[:2] + bytes((wire[2] ^ 1,)) + wire[3:], at=AT, limit=3)
    with pytest.raises(ExpiredError):
        request_batch(CHALLENGES[token_type], pinned(KEYS[token_type]), 2, at=AT + HOUR)


def test_amortized_is_for_voprf():
    with pytest.raises(UnsupportedError):
        batch(BLIND_RSA, 2)
    wire = AmortizedRequest(BLIND_RSA, KEYS[BLIND_RSA].truncated_id, (bytes(256),)).encode()
    with pytest.raises(UnsupportedError):
        issue_batch(ISSUER, wire, at=AT, limit=2)


@settings(max_examples=40)
@given(data=st.data())
def test_amortized_contract(data):
    token_type = data.draw(st.sampled_from(TYPES))
    raw = bytearray(AMORTIZED[token_type][0])
    for _ in range(data.draw(st.integers(1, 3))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    check_contract(lambda value: issue_batch(ISSUER, value, at=AT, limit=9), bytes(raw))
    check_contract(lambda value: issue_batch(ISSUER, value, at=AT, limit=9), data.draw(st.binary(max_size=80)))
    response = data.draw(st.binary(max_size=80))
    check_contract(lambda value: batch(token_type, 1)[1].finish(value), response)


AMORTIZED = {token_type: batch(token_type, 2) for token_type in TYPES}


# --- generic batches


MIXED = [VOPRF, BLIND_RSA, VOPRF_RISTRETTO255, BLIND_RSA]


def test_generic():
    requests = [started(token_type) for token_type in MIXED]
    bound = request_bound(CHALLENGES[BLIND_RSA], pinned(KEYS[BLIND_RSA]), at=AT)
    wire, pending = request_generic_batch([*requests, bound])
    assert wire == _vector.encode(b"".join(one for one, _ in [*requests, bound]))
    answer = issue_generic_batch(ISSUER, wire, at=AT, limit=5)
    assert (answer.status, answer.issued) == (200, 5)
    *tokens, last = pending.finish(answer.content)
    assert isinstance(last, BoundToken)
    for token_type, token in zip([*MIXED, BLIND_RSA], [*tokens, last.token], strict=True):
        assert ORIGIN.redeem(token, challenge=CHALLENGES[token_type], at=AT).token == token
    with pytest.raises(SpentError):
        pending.finish(answer.content)
    assert GENERIC_REQUEST_TYPE.replace(b"request", b"response") == GENERIC_RESPONSE_TYPE


def test_generic_in_part():
    issuer = Issuer([IssuerKey(RSA, AT - HOUR, AT + HOUR)])
    requests = [started(token_type) for token_type in MIXED]
    wire, pending = request_generic_batch(requests)
    answer = issue_generic_batch(issuer, wire, at=AT, limit=4)
    assert (answer.status, answer.issued) == (206, 2)
    tokens = pending.finish(answer.content)
    assert [token and token.token_type for token in tokens] == [None, BLIND_RSA, None, BLIND_RSA]
    none = issue_generic_batch(issuer, request_generic_batch([started(VOPRF)])[0], at=AT, limit=1)
    assert (none.status, none.content, none.issued) == (400, b"", 0)
    expired = issue_generic_batch(issuer, wire, at=AT + HOUR, limit=4)
    assert expired.status == 400


def test_generic_refuses_a_bad_element_alone():
    (good, pending), (bad, _) = started(VOPRF), started(VOPRF)
    wire = _vector.encode(bad[:3] + b"\2" + b"\xff" * 48 + good)
    answer = issue_generic_batch(ISSUER, wire, at=AT, limit=2)
    assert (answer.status, answer.issued) == (206, 1)
    found = Reader.all(answer.content, "x", _vector.read)
    assert found[:4] == b"\0\1\0\1"
    assert pending.finish(found[4:])


def test_generic_whole_batches_that_are_refused():
    wire, _ = started(VOPRF)
    for bad in (b"", b"\0", _vector.encode(wire) + b"\0", _vector.encode(wire + wire[:9]), _vector.encode(wire)[:-1]):
        with pytest.raises(DecodeError):
            issue_generic_batch(ISSUER, bad, at=AT, limit=9)
    long = (len(wire) | 2 << 30).to_bytes(4, "big") + wire
    with pytest.raises(DecodeError, match="shortest"):
        issue_generic_batch(ISSUER, long, at=AT, limit=9)
    for token_type in (0, 3, 0xDA7B):
        with pytest.raises(UnsupportedError):
            issue_generic_batch(ISSUER, _vector.encode(wire + token_type.to_bytes(2, "big") + wire[2:]), at=AT, limit=9)
    # The draft's structure, read to the letter, has the token type twice.
    with pytest.raises((DecodeError, UnsupportedError)):
        issue_generic_batch(ISSUER, _vector.encode(wire[:2] + wire), at=AT, limit=9)
    with pytest.raises(LimitError):
        issue_generic_batch(ISSUER, _vector.encode(wire * 3), at=AT, limit=2)
    with pytest.raises(UsageError):
        request_generic_batch([])


def test_generic_responses_that_are_refused():
    requests = [started(VOPRF), started(BLIND_RSA)]
    wire, _ = request_generic_batch(requests)
    content = issue_generic_batch(ISSUER, wire, at=AT, limit=2).content
    for bad in (content[:-1], content + b"\0", b"", b"\0", _vector.encode(b"\0" * 3), _vector.encode(b"\2\0")):
        with pytest.raises(DecodeError):
            request_generic_batch([started(VOPRF), started(BLIND_RSA)])[1].finish(bad)
    with pytest.raises(SignatureError):
        request_generic_batch([started(VOPRF), started(BLIND_RSA)])[1].finish(content)
    for swapped in ([BLIND_RSA, VOPRF], [VOPRF_RISTRETTO255, BLIND_RSA]):
        with pytest.raises(DecodeError, match="token type"):
            request_generic_batch(list(map(started, swapped)))[1].finish(content)
    assert request_generic_batch([started(VOPRF)] * 2)[1].finish(_vector.encode(b"\0\0")) == (None, None)


@settings(max_examples=40)
@given(data=st.data())
def test_generic_contract(data):
    raw = bytearray(GENERIC)
    for _ in range(data.draw(st.integers(1, 3))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    check_contract(lambda value: issue_generic_batch(ISSUER, value, at=AT, limit=9), bytes(raw))
    junk = data.draw(st.binary(max_size=80))
    check_contract(lambda value: issue_generic_batch(ISSUER, value, at=AT, limit=9), junk)
    check_contract(lambda value: request_generic_batch([started(VOPRF_RISTRETTO255)])[1].finish(value), junk)


GENERIC = request_generic_batch([started(VOPRF), started(VOPRF_RISTRETTO255)])[0]


@given(st.binary(max_size=70))
def test_vectors_of_any_length(content):
    encoded = _vector.encode(content)
    check_codec(lambda data: Reader.all(data, "x", _vector.read), encoded, reencode=_vector.encode)
    for width in (2, 4, 8):
        longer = (len(content) | {2: 1, 4: 2, 8: 3}[width] << 8 * width - 2).to_bytes(width, "big") + content
        if longer != encoded:
            with pytest.raises(DecodeError):
                Reader.all(longer, "x", _vector.read)
