"""Privacy Pass tokens of type 0x0002, and proof of possession."""

from __future__ import annotations

import base64
import copy
import hashlib
import json
import pickle
import struct

import pytest
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA384
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key
from hypothesis import given
from hypothesis import strategies as st

from privproc import base64url, http, httpauth, trust, voprf
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
from privproc.secret import Secret
from privproc.tokens import (
    BLIND_RSA,
    DIRECTORY_PATH,
    DIRECTORY_TYPE,
    GREASE,
    REQUEST_TYPE,
    RESPONSE_TYPE,
    STATEMENT_SIZE,
    VOPRF,
    Issuer,
    IssuerDirectory,
    IssuerKey,
    OfferedChallenge,
    Origin,
    ProofKey,
    Redemption,
    SpendKey,
    Token,
    TokenChallenge,
    TokenKey,
    TokenRequest,
    decode_offers,
    grease_challenge,
    request,
    request_bound,
    verify_possession,
)
from privproc.tokens.directory import MAX_KEYS, MAX_SIZE
from privproc.tokens.issuance import _derand_request
from privproc.tokens.possession import SMALL_ORDER_Y, P
from tests.codec import check_codec, check_contract
from tests.world.issuer import REQUEST_PATH, WorldIssuer, token_request

AT = 1_800_000_000
HOUR = 3600


def _private_keys() -> tuple[PrivateKey, PrivateKey]:
    """Two keys whose truncated ids differ, the larger modulus first: the second signs in its range."""
    first = PrivateKey.generate()
    second = PrivateKey.generate()
    while TokenKey.of(second.public_key).truncated_id == TokenKey.of(first.public_key).truncated_id:
        second = PrivateKey.generate()
    return (first, second) if first.public_key.n > second.public_key.n else (second, first)


FIRST, SECOND = _private_keys()
KEY, OTHER = TokenKey.of(FIRST.public_key), TokenKey.of(SECOND.public_key)
CHALLENGE = TokenChallenge(BLIND_RSA, "issuer.example", bytes(range(32)), ("gateway.example",))
VOPRF_CHALLENGE = TokenChallenge(VOPRF, "issuer.example", b"", ())


def trusted(key: TokenKey, *, not_before: int = AT - HOUR, not_after: int = AT + HOUR) -> trust.Trusted[TokenKey]:
    return trust.pin(key, key.encoded, not_before=not_before, not_after=not_after)


def issuer(key: PrivateKey = FIRST) -> Issuer:
    return Issuer([IssuerKey(key, AT - HOUR, AT + HOUR)])


def bearer() -> Token:
    wire, pending = request(CHALLENGE, trusted(KEY), at=AT)
    return pending.finish(issuer().issue(wire, at=AT))


TOKEN = bearer()
ORIGIN = Origin([trusted(KEY), trusted(OTHER)])

# --- structures


CODECS = [
    (Token.decode, TOKEN.encode()),
    (TokenChallenge.decode, CHALLENGE.encode()),
    (TokenChallenge.decode, VOPRF_CHALLENGE.encode()),
    (TokenRequest.decode, TokenRequest(BLIND_RSA, 7, bytes(256)).encode()),
]


@pytest.mark.parametrize(("decode", "encoded"), CODECS)
def test_codecs(decode, encoded):
    check_codec(decode, encoded, reencode=lambda value: value.encode())


@pytest.mark.parametrize(("decode", "encoded"), CODECS)
@given(data=st.data())
def test_codec_contract(decode, encoded, data):
    mutated = bytearray(encoded)
    for _ in range(data.draw(st.integers(1, 4))):
        mutated[data.draw(st.integers(0, len(mutated) - 1))] = data.draw(st.integers(0, 255))
    check_contract(decode, bytes(mutated))
    check_contract(decode, data.draw(st.binary(max_size=80)))


@given(st.binary(max_size=80))
def test_text_contract(data):
    for decode in (
        Token.from_authorization,
        IssuerDirectory.decode,
        lambda value: decode_offers(value, origin="a"),
        lambda value: TokenKey(BLIND_RSA, value),
    ):
        check_contract(decode, data)
        check_contract(decode, b"PrivateToken token=" + data)


# req: rfc9577/2.2.1 token-layout
def test_sizes():
    assert len(TOKEN.encode()) == 354
    assert len(TOKEN.authenticator_input) == 98
    assert len(TokenRequest(BLIND_RSA, 0, bytes(256)).encode()) == 259
    assert len(KEY.encoded) == 342


@pytest.mark.parametrize("token_type", sorted(GREASE | {3, 4, 6, 0xDA7B, 0xFFFF}))
def test_other_types(token_type):
    start = token_type.to_bytes(2, "big")
    for decode, encoded in CODECS:
        with pytest.raises(UnsupportedError):
            decode(start + encoded[2:])
    with pytest.raises(UnsupportedError):
        TokenChallenge(token_type, "issuer.example", b"", ())
    with pytest.raises(UnsupportedError):
        TokenKey(token_type, KEY.encoded)


def test_grease_types_are_a_sequence_with_gaps():
    assert len(GREASE) == 17
    assert not GREASE & {VOPRF, BLIND_RSA}


@pytest.mark.parametrize(
    "fields",
    [
        (bytes(31), bytes(32), bytes(32), bytes(256)),
        (bytes(32), bytes(33), bytes(32), bytes(256)),
        (bytes(32), bytes(32), b"", bytes(256)),
        (bytes(32), bytes(32), bytes(32), bytes(255)),
    ],
)
def test_token_sizes_are_checked(fields):
    with pytest.raises(UsageError):
        Token(BLIND_RSA, *fields)


def test_errors_name_what_was_read():
    challenge = ("challenge", base64url.encode_padded(CHALLENGE.encode()))
    for make, what in (
        (lambda: Token.decode(b"\0\2"), "Token"),
        (lambda: Token.from_authorization(b'PrivateToken token="AAI"'), "token"),
        (lambda: TokenChallenge.decode(b"\0\2"), "TokenChallenge"),
        (lambda: OfferedChallenge.decode(httpauth.Auth("PrivateToken", (("challenge", "!"),))), "challenge"),
        (
            lambda: OfferedChallenge.decode(httpauth.Auth("PrivateToken", (challenge, ("token-key", "!")))),
            "token-key",
        ),
    ):
        with pytest.raises(DecodeError) as raised:
            make()
        assert raised.value.what == what
    for make, what in (
        (lambda: Token.decode(b"\x12\x34"), "Token"),
        (lambda: Token(0x1234, bytes(32), bytes(32), bytes(32), b""), "Token"),
        (lambda: TokenKey(0x1234, b""), "token key"),
        (lambda: TokenChallenge.decode(b"\x12\x34"), "TokenChallenge"),
        (lambda: TokenChallenge(0x1234, "a", b"", ()), "TokenChallenge"),
    ):
        with pytest.raises(UnsupportedError, match=rf"^{what}: token type 0x1234$"):
            make()


def test_a_key_of_voprf_is_its_element():
    suite = voprf.P384_SHA384
    key = voprf.PrivateKey.derive(suite, voprf.Mode.VOPRF, Secret(bytes(32)), b"").public_key
    made = TokenKey.of(key)
    assert (made.token_type, made.encoded, made.public_key) == (1, key.encoded, key)


def test_other_fields_are_checked():
    for key_id, blinded in ((-1, bytes(256)), (256, bytes(256)), (0, bytes(255))):
        with pytest.raises(UsageError):
            TokenRequest(BLIND_RSA, key_id, blinded)
    for age in (-1, 10**10):
        with pytest.raises(UsageError):
            OfferedChallenge(CHALLENGE, max_age=age)
    for uri in ("", "/é"):
        with pytest.raises(UsageError):
            IssuerDirectory(uri, ())


@pytest.mark.parametrize("count", [2, 257])
def test_a_directory_that_no_reader_would_take_is_not_made(count):
    with pytest.raises(UsageError, match="each once"):
        IssuerDirectory("/", (TokenKey(BLIND_RSA, KEY.encoded),) * count)


NAME = st.text("abcXYZ019-._~:[]@%", min_size=1, max_size=20)


@given(
    st.builds(
        TokenChallenge,
        st.sampled_from((VOPRF, BLIND_RSA)),
        NAME,
        st.one_of(st.just(b""), st.binary(min_size=32, max_size=32)),
        st.lists(NAME, max_size=4).map(tuple),
    )
)
# req: rfc9577/2.1.1 type-comes-first
# req: rfc9577/2.1.1 challenge-layout
def test_challenges(challenge):
    encoded = challenge.encode()
    origins = ",".join(challenge.origin_info).encode()
    name = challenge.issuer_name.encode()
    context = challenge.redemption_context
    parts = (struct.pack(">HH", challenge.token_type, len(name)), name, bytes((len(context),)), context)
    assert encoded == b"".join((*parts, struct.pack(">H", len(origins)), origins))
    assert TokenChallenge.decode(encoded) == challenge
    assert challenge.digest == hashlib.sha256(encoded).digest()


@pytest.mark.parametrize(
    "fields",
    [
        ("", b"", ()),
        ("a b", b"", ()),
        ("a,b", b"", ()),
        ("é", b"", ()),
        ("a" * 1025, b"", ()),
        ("a", bytes(31), ()),
        ("a", bytes(33), ()),
        ("a", b"", ("",)),
        ("a", b"", ("b,c",)),
        ("a", b"", ("b", " c")),
        ("a", b"", ("b" * 1000,) * 70),
    ],
)
def test_challenge_fields_are_checked(fields):
    with pytest.raises(UsageError):
        TokenChallenge(BLIND_RSA, *fields)


def _raw_challenge(issuer_name: bytes, context: bytes, origins: bytes) -> bytes:
    head = b"\0\2" + struct.pack(">H", len(issuer_name)) + issuer_name + bytes((len(context),)) + context
    return head + struct.pack(">H", len(origins)) + origins


@pytest.mark.parametrize(
    "raw",
    [
        _raw_challenge(b"", b"", b""),
        _raw_challenge(b"\xff", b"", b""),
        _raw_challenge(b"a\0", b"", b""),
        _raw_challenge(b"a", bytes(1), b""),
        _raw_challenge(b"a", bytes(33), b""),
        _raw_challenge(b"a", bytes(255), b""),
        _raw_challenge(b"a", b"", b","),
        _raw_challenge(b"a", b"", b"b,"),
        _raw_challenge(b"a", b"", b"b, c"),
        _raw_challenge(b"a", b"", b"\xc3\xa9"),
    ],
)
# req: rfc9577/2.1.1 context-of-0-or-32-bytes
def test_malformed_challenges(raw):
    with pytest.raises(DecodeError):
        TokenChallenge.decode(raw)


@pytest.mark.parametrize(
    ("raw", "offset"),
    [
        (_raw_challenge(b"", b"", b""), 4),
        (_raw_challenge(b"a", bytes(33), b""), 6),
        (_raw_challenge(b"a", bytes(32), b"")[:-1], 38),
    ],
)
def test_a_length_that_is_refused_is_named_by_its_place(raw, offset):
    with pytest.raises(DecodeError) as raised:
        TokenChallenge.decode(raw)
    assert raised.value.offset == offset


# --- base64url


@given(st.binary(max_size=70))
def test_base64url(data):
    text = base64url.encode_padded(data)
    assert base64url.decode_padded(text, "x") == data
    assert text == base64.urlsafe_b64encode(data).decode()
    for other in (text + "=", text + "\n", " " + text, text + "A", "+" + text[1:], "/" + text[1:], "é" + text[1:]):
        with pytest.raises(DecodeError):
            base64url.decode_padded(other, "x")
    if text.endswith("="):
        with pytest.raises(DecodeError):
            base64url.decode_padded(text.rstrip("="), "x")


@pytest.mark.parametrize("text", ["AB==", "AAB=", "A===", "A", "=", "====", "AA=A", "AA==AAAA"])
# req: rfc9577/2.1.2 padded-base64url
def test_base64url_is_canonical(text):
    with pytest.raises(DecodeError):
        base64url.decode_padded(text, "x")


# --- headers


def test_authorization():
    value = TOKEN.authorization()
    assert value == b'PrivateToken token="' + base64.urlsafe_b64encode(TOKEN.encode()) + b'"'
    assert Token.from_authorization(value) == TOKEN
    for bad in (b"PrivateToken", b"PrivateToken token68==", b"PrivateToken other=a", b'PrivateToken token=""'):
        with pytest.raises(DecodeError):
            Token.from_authorization(bad)
    with pytest.raises(UnsupportedError):
        Token.from_authorization(b"Basic token=a")


# req: rfc9577/2.2.2 credentials-ignore-others
def test_other_parameters_of_credentials():
    token = base64.urlsafe_b64encode(TOKEN.encode())
    value = b'PrivateToken x=1, token="' + token + b'", challenge="!", realm="a"'
    assert Token.from_authorization(value) == TOKEN


AGES = st.one_of(st.none(), st.integers(0, 10**10 - 1))


@given(st.builds(OfferedChallenge, st.just(CHALLENGE), st.one_of(st.none(), st.binary(max_size=400)), AGES))
# req: rfc9577/2.1.1 unknown-type-is-ignored
# req: rfc9577/2.1.2 several-challenges
# req: rfc9577/2.1.3 names-without-case
# req: rfc9577/2.1.3 origin-is-listed
def test_offers(offer):
    auth = offer.encode()
    assert OfferedChallenge.decode(auth) == offer
    other = OfferedChallenge(VOPRF_CHALLENGE)
    field = httpauth.encode_challenges([auth, grease_challenge(), other.encode()])
    assert decode_offers(field, origin="GATEWAY.example") == (offer, other)
    assert decode_offers(field, origin="gateway.example.evil") == (other,)


@pytest.mark.parametrize(
    "contents",
    [
        *(_raw_challenge(b"a", bytes(size), b"") for size in (1, 31, 33, 255)),
        CHALLENGE.encode() + b"\0",
        CHALLENGE.encode()[:-1],
        b"",
        b"\0",
    ],
)
# req: rfc9577/2.1.1 context-of-0-or-32-bytes
# req: rfc9577/2.1.3 malformed-challenge-is-ignored
def test_malformed_challenges_are_passed_over(contents):
    """The others of the same field are answered."""
    offer = OfferedChallenge(CHALLENGE)
    bad = httpauth.Auth("PrivateToken", (("challenge", base64url.encode_padded(contents)),))
    field = httpauth.encode_challenges([bad, offer.encode(), bad])
    assert decode_offers(field, origin="gateway.example") == (offer,)


def test_an_offer_without_origins_is_for_all():
    offer = OfferedChallenge(TokenChallenge(BLIND_RSA, "issuer.example", b"", ()))
    assert decode_offers(offer.encode().encode(), origin="any.example") == (offer,)


@pytest.mark.parametrize(
    ("params", "error"),
    [
        ((), DecodeError),
        ((("challenge", "!"),), DecodeError),
        ((("challenge", ""),), DecodeError),
        ((("max-age", "x"),), DecodeError),
        ((("max-age", ""),), DecodeError),
        ((("max-age", "1.5"),), DecodeError),
        ((("max-age", "12345678901"),), DecodeError),
        ((("max-age", "٣"),), DecodeError),
        ((("token-key", "AB=="),), DecodeError),
        ((("token-key", "A" * 4100),), DecodeError),
    ],
)
# req: rfc9577/2.1.2 max-age-in-seconds
def test_malformed_offers(params, error):
    if params and params[0][0] != "challenge":
        params = (("challenge", base64url.encode_padded(CHALLENGE.encode())), *params)
    with pytest.raises(error):
        OfferedChallenge.decode(httpauth.Auth("PrivateToken", params))


def test_bounds_of_an_offer():
    """The oldest age and the longest key that are read, and no age at all."""
    for offer in (
        OfferedChallenge(CHALLENGE, max_age=0),
        OfferedChallenge(CHALLENGE, max_age=10**10 - 1),
        OfferedChallenge(CHALLENGE, bytes(3072)),
    ):
        assert OfferedChallenge.decode(offer.encode()) == offer
    with pytest.raises(DecodeError, match="4096"):
        OfferedChallenge.decode(OfferedChallenge(CHALLENGE, bytes(3073)).encode())


def test_another_scheme_is_no_offer():
    with pytest.raises(UnsupportedError):
        OfferedChallenge.decode(httpauth.Auth("Basic", OfferedChallenge(CHALLENGE).encode().params))


# req: rfc9577/4.1 grease
# req: rfc9577/6.2.1 reserved-types-at-random
def test_grease_is_refused_and_varies():
    seen = set()
    for _ in range(50):
        auth = httpauth.decode_challenges(grease_challenge().encode())[0]
        with pytest.raises(UnsupportedError):
            OfferedChallenge.decode(auth)
        contents = base64url.decode_padded(auth.get("challenge"), "x")
        seen.add(contents[:2])
        assert int.from_bytes(contents[:2], "big") in GREASE
    assert len(seen) > 3


def test_grease_has_every_type_and_every_length_independently():
    found = [base64url.decode_padded(grease_challenge().get("challenge"), "x") for _ in range(3000)]
    assert {int.from_bytes(contents[:2], "big") for contents in found} == GREASE
    assert {len(contents) for contents in found} == set(range(2 + 32, 2 + 96))
    assert len({(contents[:2], len(contents)) for contents in found}) > 256
    assert len({contents[2:34] for contents in found}) == 3000


# --- keys and directory


# req: rfc9578/6.5 key-id
# req: rfc9578/6.5 rsassa-pss-oid
def test_token_key():
    assert KEY.key_id == hashlib.sha256(KEY.encoded).digest()
    assert KEY.truncated_id == KEY.key_id[31]
    large = PrivateKey.generate(3072).public_key
    with pytest.raises(UnsupportedError):
        TokenKey.of(large)
    with pytest.raises(UnsupportedError):
        IssuerKey(PrivateKey.generate(3072), 0, 1)
    with pytest.raises(DecodeError):
        TokenKey(BLIND_RSA, KEY.encoded + b"\0")
    numbers = load_der_public_key(KEY.encoded)
    with pytest.raises(UnsupportedError):
        TokenKey(BLIND_RSA, numbers.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


# req: rfc9578/6.5 salt-of-48-bytes
# req: rfc9578/6.5 no-digest-parameters
def test_token_key_in_another_form():
    """The id is a hash of the bytes: one key in two forms would be two keys."""
    algorithm, rest = KEY.encoded[4:67], KEY.encoded[67:]
    salted = algorithm.replace(bytes.fromhex("a203020130"), bytes.fromhex("a203020120"))
    hashed = algorithm.replace(bytes.fromhex("0609608648016503040202"), bytes.fromhex("0609608648016503040201"))
    nulls = bytes.fromhex(
        "304106092a864886f70d01010a3034a00f300d06096086480165030402020500"
        "a11c301a06092a864886f70d010108300d06096086480165030402020500a203020130"
    )
    assert len({algorithm, salted, hashed, nulls}) == 4
    for other in (salted, hashed, nulls):
        encoded = b"\x30\x82" + (len(other) + len(rest)).to_bytes(2, "big") + other + rest
        assert load_der_public_key(encoded).public_numbers() == load_der_public_key(KEY.encoded).public_numbers()
        with pytest.raises(UnsupportedError):
            TokenKey(BLIND_RSA, encoded)


# req: rfc9578/4 well-known-directory
# req: rfc9578/5.1 media-types
def test_names():
    assert DIRECTORY_PATH == "/.well-known/private-token-issuer-directory"
    assert DIRECTORY_TYPE == b"application/private-token-issuer-directory"
    assert REQUEST_TYPE == b"application/private-token-request"
    assert RESPONSE_TYPE == b"application/private-token-response"


DIRECTORY = IssuerDirectory("/request?a=b", (TokenKey(BLIND_RSA, KEY.encoded, AT), OTHER))


def test_directory():
    assert IssuerDirectory.decode(DIRECTORY.encode()) == DIRECTORY
    assert json.loads(DIRECTORY.encode()) == {
        "issuer-request-uri": "/request?a=b",
        "token-keys": [
            {"token-type": 2, "token-key": base64.urlsafe_b64encode(KEY.encoded).decode(), "not-before": AT},
            {"token-type": 2, "token-key": base64.urlsafe_b64encode(OTHER.encoded).decode()},
        ],
    }
    encoded = DIRECTORY.encode()
    for cut in range(0, len(encoded), 37):
        with pytest.raises(DecodeError):
            IssuerDirectory.decode(encoded[:cut])
    with pytest.raises(DecodeError):
        IssuerDirectory.decode(encoded + b"{}")


# req: rfc9578/4 not-before
# req: rfc9578/4 first-key-in-use
def test_directory_key():
    assert DIRECTORY.key(at=AT).key_id == KEY.key_id
    assert DIRECTORY.key(at=AT - 1).key_id == OTHER.key_id
    only = IssuerDirectory("/", (TokenKey(BLIND_RSA, KEY.encoded, AT),))
    with pytest.raises(ExpiredError):
        only.key(at=AT - 1)
    with pytest.raises(ExpiredError):
        IssuerDirectory("/", ()).key(at=AT)


def _directory(**changes: object) -> bytes:
    entry = {"token-type": 2, "token-key": base64url.encode_padded(KEY.encoded)}
    body = {"issuer-request-uri": "/a", "token-keys": [entry]}
    for name, value in changes.items():
        target = body if name in ("uri", "keys") else entry
        key = {"uri": "issuer-request-uri", "keys": "token-keys"}.get(name, name.replace("_", "-"))
        if value is ...:
            del target[key]
        else:
            target[key] = value
    return json.dumps(body).encode()


# req: rfc9578/4 unknown-members-are-ignored
def test_other_members_of_a_directory():
    more = json.loads(_directory(extra={"a": [1]})) | {"extra": None}
    assert IssuerDirectory.decode(json.dumps(more).encode()) == IssuerDirectory.decode(_directory())


@pytest.mark.parametrize(
    "changes",
    [
        {"uri": ...},
        {"uri": None},
        {"uri": ""},
        {"uri": "/a b"},
        {"uri": "/é"},
        {"uri": "/" * 2049},
        {"keys": ...},
        {"keys": {}},
        {"keys": [1]},
        {"keys": [[]]},
        {"token_type": ...},
        {"token_type": "2"},
        {"token_type": 2.0},
        {"token_type": True},
        {"token_type": -1},
        {"token_type": 65536},
        {"token_key": ...},
        {"token_key": 1},
        {"token_key": "AA"},
        {"not_before": None},
        {"not_before": "1"},
        {"not_before": -1},
        {"not_before": 1e3},
        {"not_before": 2**53 + 1},
    ],
)
# req: rfc9578/4 directory-layout
def test_malformed_directories(changes):
    assert len(IssuerDirectory.decode(_directory()).token_keys) == 1
    with pytest.raises(DecodeError):
        IssuerDirectory.decode(_directory(**changes))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"1",
        b"\xff",
        b"\xef\xbb\xbf{}",
        json.dumps({"issuer-request-uri": "/", "token-keys": []}).encode("utf-16"),
        _directory()[:-1] + b',"a":1,"a":1}',
        _directory().replace(b'"token-type": 2', b'"token-type": 2, "token-type": 2'),
        _directory()[:-1] + b',"a":-Infinity}',
        b"[" * 100_000,
        b'{"a":' * 40_000,
        _directory()[:-1] + b',"a":' + b"1" * 5000 + b"}",
    ],
)
def test_what_is_no_directory(data):
    with pytest.raises(DecodeError):
        IssuerDirectory.decode(data)


def test_directory_limits():
    padded = _directory() + b" " * (MAX_SIZE - len(_directory()))
    assert IssuerDirectory.decode(padded)
    with pytest.raises(LimitError):
        IssuerDirectory.decode(padded + b" ")
    others = [{"token-type": 3, "token-key": ""}] * MAX_KEYS
    assert IssuerDirectory.decode(_directory(keys=others)).token_keys == ()
    with pytest.raises(LimitError):
        IssuerDirectory.decode(_directory(keys=[*others, others[0]]))


def test_directory_with_a_key_twice():
    entry = {"token-type": 2, "token-key": base64url.encode_padded(KEY.encoded)}
    with pytest.raises(DecodeError):
        IssuerDirectory.decode(_directory(keys=[entry, entry | {"not-before": 1}]))


# req: rfc9578/8.2.2 modulus-of-2048-bits
def test_directory_with_an_unusable_key_is_refused_whole():
    with pytest.raises(UnsupportedError):
        IssuerDirectory.decode(
            _directory(token_key=base64url.encode_padded(PrivateKey.generate(3072).public_key.encode_spki()))
        )


# --- issuance


# req: rfc9578/6.1 rsa-request
def test_issuance_verifies_with_another_library():
    key = load_der_public_key(KEY.encoded)
    pss = padding.PSS(padding.MGF1(SHA384()), 48)
    key.verify(TOKEN.authenticator, TOKEN.authenticator_input, pss, SHA384())
    assert TOKEN.challenge_digest == CHALLENGE.digest
    assert TOKEN.token_key_id == KEY.key_id


def test_derandomised_twin_is_the_same_protocol():
    nonce, salt = hashlib.sha256().digest(), bytes(48)
    runs = [_derand_request(CHALLENGE, trusted(KEY), nonce, salt, b"\x30\x39", at=AT) for _ in range(2)]
    assert runs[0][0] == runs[1][0]
    token = runs[0][1].finish(issuer().issue(runs[0][0], at=AT))
    assert ORIGIN.redeem(token, challenge=CHALLENGE, at=AT).token.nonce == nonce


# req: rfc9577/5.1 random-nonce
def test_two_requests_at_once_have_their_own_states():
    # privacypass-ts keeps the state in the client: the second request made the first one's response useless.
    first_wire, first = request(CHALLENGE, trusted(KEY), at=AT)
    second_wire, second = request(CHALLENGE, trusted(KEY), at=AT)
    assert first_wire != second_wire
    service = issuer()
    tokens = [
        second.finish(service.issue(second_wire, at=AT)),
        first.finish(service.issue(first_wire, at=AT)),
    ]
    assert tokens[0].nonce != tokens[1].nonce
    for token in tokens:
        assert ORIGIN.redeem(token, challenge=CHALLENGE, at=AT)


@pytest.mark.parametrize("start", [request, request_bound])
def test_pending_is_used_once(start):
    wire, pending = start(CHALLENGE, trusted(KEY), at=AT)
    response = issuer().issue(wire, at=AT)
    with pytest.raises(DecodeError):
        pending.finish(response + b"\0")
    with pytest.raises(SpentError):
        pending.finish(response)
    for attempt in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(UsageError):
            attempt(pending)


@pytest.mark.parametrize("start", [request, request_bound])
@pytest.mark.parametrize("cut", [0, 1, 255])
# req: rfc9578/6.2 response-size
def test_short_responses(start, cut):
    _, pending = start(CHALLENGE, trusted(KEY), at=AT)
    with pytest.raises(DecodeError, match="TokenResponse"):
        pending.finish(bytes(cut))


# req: rfc9578/6.3 client-verifies-signature
def test_signature_of_another_key_is_refused():
    wire, pending = request(CHALLENGE, trusted(KEY), at=AT)
    swapped = bytes((*wire[:2], OTHER.truncated_id, *wire[3:]))
    try:
        response = issuer(SECOND).issue(swapped, at=AT)
    except DecodeError:  # the blinded message happens to be over the other modulus
        response = bytes(255) + b"\1"
    with pytest.raises(SignatureError):
        pending.finish(response)


def test_request_needs_a_key_in_use():
    with pytest.raises(ExpiredError):
        request(CHALLENGE, trusted(KEY), at=AT + HOUR)
    with pytest.raises(ExpiredError):
        request_bound(CHALLENGE, trusted(KEY), at=AT - HOUR - 1)
    staged = TokenKey(BLIND_RSA, KEY.encoded, AT + 1)
    with pytest.raises(ExpiredError):
        request(CHALLENGE, trusted(staged), at=AT)
    assert request(CHALLENGE, trusted(staged), at=AT + 1)
    with pytest.raises(UnsupportedError):
        request(VOPRF_CHALLENGE, trusted(KEY), at=AT)


# req: rfc9578/6.2 issuer-checks-request
def test_issuer_refuses():
    service = issuer()
    wire, _ = request(CHALLENGE, trusted(KEY), at=AT)
    for bad in (wire[:-1], wire + b"\0", wire[:3] + b"\xff" * 256):
        with pytest.raises(DecodeError):
            service.issue(bad, at=AT)
    with pytest.raises(UnsupportedError):
        service.issue(b"\0\3" + wire[2:], at=AT)
    with pytest.raises(UnsupportedError):
        service.issue(wire[:2] + bytes(((KEY.truncated_id + 1) % 256,)) + wire[3:], at=AT)
    for at in (AT - HOUR - 1, AT + HOUR):
        with pytest.raises(ExpiredError):
            service.issue(wire, at=at)


# req: rfc9578/5.5 truncated-ids-differ
def test_issuer_with_several_keys():
    keys = [IssuerKey(FIRST, AT - HOUR, AT), IssuerKey(SECOND, AT - 60, AT + HOUR)]
    service = Issuer(keys)
    assert "Issuer of 2" in repr(service)
    assert [key.key_id for key in service.directory("/r", at=AT - 1).token_keys] == [OTHER.key_id, KEY.key_id]
    assert [key.key_id for key in service.directory("/r", at=AT).token_keys] == [OTHER.key_id]
    assert service.directory("/r", at=AT - 61).key(at=AT - 61).key_id == KEY.key_id
    assert service.directory("/r", at=AT - 61).key(at=AT - 60).key_id == OTHER.key_id
    for key in (KEY, OTHER):
        wire, pending = request(CHALLENGE, trusted(key), at=AT - 1)
        assert pending.finish(service.issue(wire, at=AT - 1)).token_key_id == key.key_id
    with pytest.raises(UsageError):
        Issuer([keys[0], IssuerKey(FIRST, AT, AT + HOUR)])


def test_world_issuer():
    world = WorldIssuer(not_before=AT - HOUR, not_after=AT + HOUR, key=FIRST)
    served = world.handle(http.Request("GET", "https", "issuer.example", DIRECTORY_PATH), at=AT)
    assert served.status == 200
    assert (b"content-type", DIRECTORY_TYPE) in served.fields
    directory = trust.pin(
        IssuerDirectory.decode(served.content), served.content, not_before=AT - HOUR, not_after=AT + HOUR
    )
    assert directory.get(at=AT).request_uri == REQUEST_PATH
    wire, pending = request_bound(CHALLENGE, directory.map(lambda found: found.key(at=AT)), at=AT)
    answer = world.handle(token_request(wire), at=AT)
    assert (answer.status, answer.fields[0]) == (200, (b"content-type", RESPONSE_TYPE))
    bound = pending.finish(answer.content)
    assert ORIGIN.redeem(bound.token, challenge=CHALLENGE, at=AT).token == bound.token

    assert world.handle(token_request(wire + b"\0"), at=AT).status == 422
    assert world.handle(token_request(wire), at=AT + HOUR).status == 422
    assert world.handle(http.Request("POST", "https", "i", REQUEST_PATH, (), wire), at=AT).status == 415
    assert world.handle(http.Request("GET", "https", "i", REQUEST_PATH), at=AT).status == 405
    assert world.handle(http.Request("POST", "https", "i", DIRECTORY_PATH), at=AT).status == 405
    assert world.handle(http.Request("GET", "https", "i", "/"), at=AT).status == 404


# --- redemption


def test_redeem():
    redeemed = ORIGIN.redeem(Token.from_authorization(TOKEN.authorization()), challenge=CHALLENGE, at=AT)
    assert redeemed.token == TOKEN
    assert redeemed.spend_key == SpendKey(KEY.key_id, TOKEN.nonce, AT + HOUR)
    assert redeemed.spend_key.expires == AT + HOUR
    assert "Origin of 2" in repr(ORIGIN)
    with pytest.raises(UsageError):
        Redemption(TOKEN, redeemed.spend_key)
    with pytest.raises(UsageError):
        Origin([trusted(KEY), trusted(KEY, not_after=AT + 1)])


# req: rfc9577/2.2.1 type-matches-challenge
# req: rfc9577/2.2.1 digest-matches-challenge
def test_redeem_checks_in_order():
    origin = Origin([trusted(KEY)])
    other_challenge = TokenChallenge(BLIND_RSA, "issuer.example", b"", ("gateway.example",))
    broken = Token(BLIND_RSA, TOKEN.nonce, other_challenge.digest, OTHER.key_id, bytes(256))
    with pytest.raises(UnsupportedError):
        origin.redeem(broken, challenge=VOPRF_CHALLENGE, at=AT + HOUR)
    with pytest.raises(UntrustedError, match="key"):
        origin.redeem(broken, challenge=CHALLENGE, at=AT + HOUR)
    broken = Token(BLIND_RSA, TOKEN.nonce, other_challenge.digest, KEY.key_id, bytes(256))
    for at in (AT - HOUR - 1, AT + HOUR):
        with pytest.raises(ExpiredError):
            origin.redeem(broken, challenge=CHALLENGE, at=at)
    with pytest.raises(UntrustedError, match="challenge"):
        origin.redeem(broken, challenge=CHALLENGE, at=AT)
    with pytest.raises(SignatureError):
        origin.redeem(broken, challenge=other_challenge, at=AT)


@given(st.integers(2, 353), st.integers(1, 255))
# req: rfc9577/2.2.3 authenticator-input
# req: rfc9578/6.4 verified-with-the-public-key
def test_no_byte_of_a_token_can_be_changed(place, change):
    raw = bytearray(TOKEN.encode())
    raw[place] ^= change
    expected = SignatureError if place < 34 or place >= 98 else UntrustedError
    with pytest.raises(expected):
        ORIGIN.redeem(Token.decode(bytes(raw)), challenge=CHALLENGE, at=AT)


def test_a_token_under_one_key_is_none_under_another():
    moved = Token(BLIND_RSA, TOKEN.nonce, TOKEN.challenge_digest, OTHER.key_id, TOKEN.authenticator)
    with pytest.raises(SignatureError):
        ORIGIN.redeem(moved, challenge=CHALLENGE, at=AT)


# --- proof of possession

TH1 = hashlib.sha384(b"exchange").digest()


def prefixed(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


# req: privproc1/2.1 nonce-commits-to-key
def test_possession_as_specified():
    proof_key = ProofKey.generate()
    pop = proof_key.statement
    assert len(pop) == STATEMENT_SIZE
    assert pop[:2] == b"\x08\x07"
    assert proof_key.nonce == hashlib.sha256(prefixed(b"privproc/1 pop") + prefixed(pop)).digest()
    stored = proof_key.to_secret().expose()
    key = Ed25519PrivateKey.from_private_bytes(stored[:32])
    assert pop[2:] == key.public_key().public_bytes_raw() + stored[32:]
    assert proof_key.sign(TH1) == key.sign(prefixed(b"privproc/1 pop-sig") + TH1)
    verify_possession(pop, proof_key.nonce, TH1, proof_key.sign(TH1))


# req: privproc1/2.1 proof-signs-the-exchange
def test_bound_tokens():
    wire, pending = request_bound(CHALLENGE, trusted(KEY), at=AT)
    bound = pending.finish(issuer().issue(wire, at=AT))
    redeemed = ORIGIN.redeem(bound.token, challenge=CHALLENGE, at=AT)
    token, proof_key = bound.spend()
    assert redeemed.token == token
    proof = proof_key.sign(TH1)
    verify_possession(proof_key.statement, redeemed.token.nonce, TH1, proof)
    with pytest.raises(UntrustedError):
        verify_possession(proof_key.statement, TOKEN.nonce, TH1, proof)
    with pytest.raises(SignatureError):
        verify_possession(proof_key.statement, redeemed.token.nonce, hashlib.sha384().digest(), proof)


# req: privproc1/4.4 token-is-spent-first
def test_a_bound_token_is_spent_once():
    wire, pending = request_bound(CHALLENGE, trusted(KEY), at=AT)
    bound = pending.finish(issuer().issue(wire, at=AT))
    for attempt in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(UsageError):
            attempt(bound)
    token, _ = bound.spend()
    assert token.token_key_id == KEY.key_id
    for again in (bound.spend, lambda: bound.token):
        with pytest.raises(SpentError):
            again()


# req: privproc1/2.1 fresh-proof-keys
def test_proof_keys_are_fresh():
    _, first = request_bound(CHALLENGE, trusted(KEY), at=AT)
    keys = [ProofKey.generate() for _ in range(3)]
    assert len({key.statement[2:34] for key in keys}) == len({key.statement[34:] for key in keys}) == 3
    assert first is not None


def test_proof_key_storage():
    proof_key = ProofKey.generate()
    again = ProofKey.from_secret(proof_key.to_secret())
    assert (again.statement, again.sign(TH1)) == (proof_key.statement, proof_key.sign(TH1))
    for size in (0, 32, 63, 65):
        with pytest.raises(UsageError):
            ProofKey.from_secret(Secret(bytes(size)))
    for attempt in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(UsageError):
            attempt(proof_key)


PROOF_KEY = ProofKey.generate()
POP, PROOF = PROOF_KEY.statement, PROOF_KEY.sign(TH1)


def verify_own(pop: bytes, proof: bytes = PROOF) -> None:
    """With the nonce that commits to ``pop``, whatever that is."""
    nonce = hashlib.sha256(prefixed(b"privproc/1 pop") + prefixed(pop)).digest()
    verify_possession(pop, nonce, TH1, proof)


# req: privproc1/2.1 proof-form
def test_possession_encodings():
    check_codec(verify_own, POP)
    check_codec(lambda proof: verify_own(POP, proof), PROOF)


@given(st.binary(max_size=80), st.binary(max_size=70))
def test_possession_contract(pop, proof):
    check_contract(verify_own, pop)
    check_contract(lambda data: verify_own(data, PROOF), b"\x08\x07" + (pop + bytes(64))[:64])
    check_contract(lambda data: verify_own(POP, data), (proof + bytes(64))[:64])


@given(st.integers(0, 65), st.integers(1, 255))
# req: privproc1/2.1 nonce-is-checked
def test_possession_covers_every_byte(place, change):
    changed = bytearray(POP)
    changed[place] ^= change
    with pytest.raises(UnsupportedError if place < 2 else UntrustedError):
        verify_possession(bytes(changed), PROOF_KEY.nonce, TH1, PROOF)
    if place < 64:
        proof = bytearray(PROOF)
        proof[place] ^= change
        with pytest.raises(SignatureError):
            verify_possession(POP, PROOF_KEY.nonce, TH1, bytes(proof))


def test_possession_sizes_of_local_values():
    for nonce, th1 in ((b"", TH1), (PROOF_KEY.nonce + b"\0", TH1), (PROOF_KEY.nonce, b""), (PROOF_KEY.nonce, TH1[:32])):
        with pytest.raises(UsageError):
            verify_possession(POP, nonce, th1, PROOF)
    with pytest.raises(UsageError):
        PROOF_KEY.sign(bytes(32))


def _double(point: tuple[int, int]) -> tuple[int, int]:
    """Point doubling on edwards25519, affine (RFC 8032 §5.1.4 without projective coordinates)."""
    x, y = point
    d = -121665 * pow(121666, -1, P)
    t = d * x * x * y * y
    return 2 * x * y * pow(1 + t, -1, P) % P, (y * y + x * x) * pow(1 - t, -1, P) % P


def _recover_x(y: int) -> int:
    d = -121665 * pow(121666, -1, P) % P
    square = (y * y - 1) * pow(d * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    assert (x * x - square) % P == 0
    return x


@pytest.mark.parametrize("y", sorted(SMALL_ORDER_Y))
def test_small_order_points_are_of_small_order(y):
    point = (_recover_x(y), y)
    for _ in range(3):
        point = _double(point)
    assert point == (0, 1)


@pytest.mark.parametrize("y", sorted({*SMALL_ORDER_Y, P, P + 1}))
@pytest.mark.parametrize("sign", [0, 1])
# req: privproc1/2.1 small-order-proof-keys
def test_small_order_keys_are_refused(y, sign):
    key = (y | sign << 255).to_bytes(32, "little")
    with pytest.raises(UntrustedError):
        verify_own(b"\x08\x07" + key + bytes(32), (1).to_bytes(32, "little") + bytes(32))


# --- nothing shows


def test_representations():
    wire, pending = request_bound(CHALLENGE, trusted(KEY), at=AT)
    bound = pending.finish(issuer().issue(wire, at=AT))
    redeemed = ORIGIN.redeem(bound.token, challenge=CHALLENGE, at=AT)
    ready = repr(bound)
    token, proof_key = bound.spend()
    secrets = [
        token.nonce,
        token.authenticator,
        proof_key.to_secret().expose()[:32],
        proof_key.statement[2:34],
        wire[3:],
    ]
    for shown in (
        bound,
        token,
        proof_key,
        redeemed,
        redeemed.spend_key,
        pending,
        TokenRequest.decode(wire),
    ):
        for secret in secrets:
            assert repr(secret)[2:-1] not in repr(shown)
            assert secret.hex() not in repr(shown) + ready
    assert str(FIRST.public_key.n) not in repr(IssuerKey(FIRST, 0, 1))
