"""Tokens with public metadata: type 0xDA7A from the challenge to the redemption, and everything that must not pass."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from privproc import httpauth, trust
from privproc.blindrsa import PrivateKey as BlindPrivateKey
from privproc.blindrsa import PublicKey as BlindPublicKey
from privproc.blindrsa import Variant as BlindVariant
from privproc.blindrsa import partial
from privproc.errors import (
    DecodeError,
    ExpiredError,
    PolicyError,
    SignatureError,
    SpentError,
    UnsupportedError,
    UntrustedError,
    UsageError,
)
from privproc.tokens import (
    BLIND_RSA,
    PUBLIC_METADATA,
    Expiration,
    ExpirationPolicy,
    ExtendedIssuer,
    ExtendedIssuerKey,
    ExtendedOrigin,
    ExtendedToken,
    ExtendedTokenRequest,
    Extension,
    Extensions,
    ExtensionSet,
    Issuer,
    IssuerDirectory,
    IssuerKey,
    ListedExtensions,
    OfferedChallenge,
    OfferedExtensions,
    Origin,
    Token,
    TokenChallenge,
    TokenKey,
    TokenRequest,
    request,
    request_extended,
)
from privproc.tokens.extended import _derand_request_extended
from privproc.vectors._kinds.blindrsa import private_numbers
from tests.codec import check_codec, check_contract

CASE = json.loads((Path(__file__).parents[1] / "vectors/partially_blind_rsa_01.json").read_text())["cases"][0]
P, Q, N, D = (int(CASE[name], 16) for name in "pqnd")
PRIVATE = partial.PrivateKey(private_numbers(N, 65537, P, Q, D).private_key())
KEY = TokenKey.of(PRIVATE.public_key)
TRUSTED = trust.pin(KEY, KEY.encoded, not_before=0, not_after=100_000)
CHALLENGE = TokenChallenge(PUBLIC_METADATA, "issuer.example", b"", ("origin.example",))
HOUR = 3600
POLICY = ExpirationPolicy(HOUR, 24 * HOUR)
EXTENSIONS = Extensions((Expiration.after(HOUR, precision=HOUR, at=5).extension(),))
ISSUER = ExtendedIssuer([ExtendedIssuerKey(PRIVATE, 0, 50_000)], POLICY)
ORIGIN = ExtendedOrigin([TRUSTED], POLICY)


def issue(extensions: Extensions = EXTENSIONS, issuer: ExtendedIssuer = ISSUER) -> ExtendedToken:
    wire, pending = request_extended(CHALLENGE, TRUSTED, extensions, at=5)
    return pending.finish(issuer.issue(wire, at=5))


SPENT = issue()


def test_round_trip() -> None:
    again = ExtendedToken.from_authorization(SPENT.authorization())
    assert again == SPENT
    redeemed = ORIGIN.redeem(again, challenge=CHALLENGE, at=5)
    assert redeemed.token == SPENT
    assert redeemed.spend_key.nonce == SPENT.token.nonce
    assert redeemed.spend_key.token_key_id == KEY.key_id
    # The signature is over the encoded extensions, by the primitive alone.
    public, token = PRIVATE.public_key, SPENT.token
    variant = BlindVariant.SHA384_PSS_DETERMINISTIC
    partial.verify(variant, public, EXTENSIONS.encode(), token.authenticator_input, token.authenticator)
    verifier = KEY.client.extended(EXTENSIONS.encode()).verifier
    verifier.verify(token.authenticator_input, token.authenticator)


def test_wire() -> None:
    randomness = (bytes(48), (5).to_bytes(256, "big"))
    wire, pending = _derand_request_extended(CHALLENGE, TRUSTED, EXTENSIONS, bytes(32), *randomness, at=5)
    again, _ = _derand_request_extended(CHALLENGE, TRUSTED, EXTENSIONS, bytes(32), *randomness, at=5)
    assert wire == again
    assert wire[:3] == bytes((0xDA, 0x7A, KEY.truncated_id))
    assert len(wire) == 259 + len(EXTENSIONS.encode())
    assert wire[259:] == bytes.fromhex("0014000100100000000000000e100000000000001c20")
    check_codec(ExtendedTokenRequest.decode, wire, reencode=ExtendedTokenRequest.encode)
    response = ISSUER.issue(wire, at=5)
    with pytest.raises(DecodeError):
        pending.finish(response + b"\0")
    with pytest.raises(SpentError):
        pending.finish(response)


@pytest.mark.parametrize("extensions", [Extensions(), Extensions((Extension(3, b"x"),)), Extensions((Extension(2),))])
def test_other_extensions_dont_redeem(extensions: Extensions) -> None:
    changed = ExtendedToken(SPENT.token, extensions)
    with pytest.raises(SignatureError):
        ExtendedOrigin([TRUSTED], ListedExtensions(frozenset({extensions}))).redeem(changed, challenge=CHALLENGE, at=5)
    with pytest.raises(PolicyError):
        ORIGIN.redeem(changed, challenge=CHALLENGE, at=5)


def test_a_moved_expiration_doesnt_redeem() -> None:
    later = Extensions((Expiration.after(5 * HOUR, precision=HOUR, at=5).extension(),))
    with pytest.raises(SignatureError):
        ORIGIN.redeem(ExtendedToken(SPENT.token, later), challenge=CHALLENGE, at=5)


def test_redemption_refuses() -> None:
    with pytest.raises(ExpiredError, match="token: expired"):
        ORIGIN.redeem(SPENT, challenge=CHALLENGE, at=2 * HOUR)
    ORIGIN.redeem(SPENT, challenge=CHALLENGE, at=2 * HOUR - 1)
    with pytest.raises(ExpiredError):
        ORIGIN.redeem(SPENT, challenge=CHALLENGE, at=100_000)
    with pytest.raises(UnsupportedError):
        ORIGIN.redeem(SPENT, challenge=TokenChallenge(BLIND_RSA, "issuer.example", b"", ()), at=5)
    with pytest.raises(UntrustedError, match="challenge"):
        ORIGIN.redeem(SPENT, challenge=TokenChallenge(PUBLIC_METADATA, "other.example", b"", ()), at=5)
    with pytest.raises(UntrustedError, match="issuer key"):
        ExtendedOrigin([], POLICY).redeem(SPENT, challenge=CHALLENGE, at=5)


def test_the_issuer_refuses() -> None:
    wire, _ = request_extended(CHALLENGE, TRUSTED, Extensions((Extension(7, b"vip"),)), at=5)
    with pytest.raises(PolicyError):
        ISSUER.issue(wire, at=5)
    wire, _ = request_extended(CHALLENGE, TRUSTED, EXTENSIONS, at=5)
    with pytest.raises(ExpiredError):
        ISSUER.issue(wire, at=50_000)
    with pytest.raises(UnsupportedError, match="truncated"):
        ISSUER.issue(wire[:2] + bytes((wire[2] ^ 1,)) + wire[3:], at=5)
    with pytest.raises(UnsupportedError, match="0x0002"):
        ISSUER.issue(b"\0\2" + wire[2:], at=5)
    with pytest.raises(DecodeError):
        ISSUER.issue(wire[:3] + b"\xff" * 256 + wire[259:], at=5)
    key = ExtendedIssuerKey(PRIVATE, 0, 1)
    with pytest.raises(UsageError):
        ExtendedIssuer([key, key], POLICY)


def test_an_answer_for_other_extensions() -> None:
    wire, pending = request_extended(CHALLENGE, TRUSTED, EXTENSIONS, at=5)
    other = Extensions((Expiration.after(2 * HOUR, precision=HOUR, at=5).extension(),))
    response = ISSUER.issue(wire[:259] + other.encode(), at=5)
    with pytest.raises(SignatureError):
        pending.finish(response)


def test_the_scheme_without_metadata_takes_no_part() -> None:
    """No way of type 0x0002 leads a key of 0xDA7A, or the other way about."""
    with pytest.raises(UnsupportedError, match="extensions"):
        request(CHALLENGE, TRUSTED, at=5)
    with pytest.raises(UnsupportedError):
        KEY.client._derand_blind(b"")
    with pytest.raises(UsageError, match="ExtendedOrigin"):
        Origin([TRUSTED])
    with pytest.raises(UsageError, match="ExtendedIssuer"):
        IssuerKey(PRIVATE, 0, 1)
    blind = TokenKey.of(BlindPublicKey(N, 65537))
    assert blind.key_id == KEY.key_id
    assert (blind.token_type, KEY.token_type) == (BLIND_RSA, PUBLIC_METADATA)
    pinned = trust.pin(blind, blind.encoded, not_before=0, not_after=10)
    with pytest.raises(UnsupportedError, match="no extensions"):
        request_extended(TokenChallenge(BLIND_RSA, "issuer.example", b"", ()), pinned, EXTENSIONS, at=5)
    with pytest.raises(UsageError):
        ExtendedOrigin([pinned], POLICY)
    with pytest.raises(UsageError, match="twice"):
        ExtendedOrigin([TRUSTED, TRUSTED], POLICY)
    bare = TokenRequest(PUBLIC_METADATA, 0, bytes(256)).encode()
    with pytest.raises(UnsupportedError):
        Issuer([IssuerKey(BlindPrivateKey.generate(), 0, 10)]).issue(bare, at=5)
    other = Token(BLIND_RSA, bytes(32), bytes(32), bytes(32), bytes(256))
    with pytest.raises(UsageError):
        ExtendedToken(other, EXTENSIONS)
    with pytest.raises(UsageError):
        ExtendedTokenRequest(TokenRequest(BLIND_RSA, 0, bytes(256)), EXTENSIONS)
    with pytest.raises(UnsupportedError):
        ExtendedToken.from_authorization(other.authorization())
    with pytest.raises(DecodeError, match="no extensions"):
        ExtendedToken.from_authorization(SPENT.token.authorization())


def test_directories_carry_the_key() -> None:
    directory = IssuerDirectory("/token", (KEY,))
    found = IssuerDirectory.decode(directory.encode())
    assert found == directory
    assert found.key(at=5, token_type=PUBLIC_METADATA) == KEY


TYPES = st.integers(1, 0xFFFF)
LISTS = st.lists(st.builds(Extension, TYPES, st.binary(max_size=20)), max_size=5).map(
    lambda entries: Extensions(tuple(sorted(entries, key=lambda entry: entry.extension_type)))
)


@given(LISTS)
def test_extensions_codec(extensions: Extensions) -> None:
    check_codec(Extensions.decode, extensions.encode(), reencode=Extensions.encode)


@given(st.lists(st.tuples(TYPES, st.booleans()), unique_by=lambda pair: pair[0], max_size=5))
def test_extension_sets(entries: list[tuple[int, bool]]) -> None:
    found = ExtensionSet(tuple(entries))
    check_codec(ExtensionSet.decode, found.encode(), reencode=ExtensionSet.encode)


@given(st.binary(max_size=60))
def test_contract(data: bytes) -> None:
    for decode in (Extensions.decode, ExtensionSet.decode, Expiration.decode, ExtendedTokenRequest.decode):
        check_contract(decode, data)
    check_contract(ExtendedToken.from_authorization, data)


@given(st.integers(0, 10**10), st.integers(0, 10**6), st.integers(1, 10**5))
def test_expirations_are_shared(at: int, lifetime: int, precision: int) -> None:
    found = Expiration.after(lifetime, precision=precision, at=at)
    assert at + lifetime <= found.timestamp < at + lifetime + precision
    assert Expiration.decode(found.extension().data) == found
    # Whoever asks until the next point of the grid gets the same.
    assert Expiration.after(lifetime, precision=precision, at=found.timestamp - lifetime) == found


@pytest.mark.parametrize(("timestamp", "precision"), [(3601, 3600), (1, 0), (-3600, 3600), (1 << 64, 1), (0, 1 << 64)])
def test_expirations_off_the_grid(timestamp: int, precision: int) -> None:
    with pytest.raises(UsageError):
        Expiration(timestamp, precision)


def test_what_cant_be_made() -> None:
    for make in (
        lambda: Extension(0),
        lambda: Extension(0x10000),
        lambda: Extension(1, bytes(65532)),
        lambda: Extensions((Extension(2), Extension(1))),
        lambda: Extensions((Extension(1, bytes(40000)), Extension(1, bytes(40000)))),
        lambda: Expiration.after(1, precision=0, at=0),
        lambda: ListedExtensions(frozenset()),
        lambda: ExpirationPolicy(0, 1),
        lambda: ExpirationPolicy(2, 1),
        lambda: ExtensionSet(((0, True),)),
        lambda: ExtensionSet(((1, True), (1, False))),
    ):
        with pytest.raises(UsageError):
            make()


def test_policies() -> None:
    ListedExtensions(frozenset({EXTENSIONS})).check(EXTENSIONS, at=5)
    with pytest.raises(PolicyError, match="not among those"):
        ListedExtensions(frozenset({EXTENSIONS})).check(Extensions(), at=5)
    POLICY.check(EXTENSIONS, at=5)
    for entries in ((), EXTENSIONS.entries * 2, (*EXTENSIONS.entries, Extension(9))):
        with pytest.raises(PolicyError, match="exactly one"):
            POLICY.check(Extensions(entries), at=5)
    with pytest.raises(PolicyError, match="precision"):
        POLICY.check(Extensions((Expiration(7200, 1).extension(),)), at=5)
    with pytest.raises(PolicyError, match="too late"):
        POLICY.check(Extensions((Expiration(26 * HOUR, HOUR).extension(),)), at=HOUR)
    POLICY.check(Extensions((Expiration(25 * HOUR, HOUR).extension(),)), at=HOUR)
    with pytest.raises(DecodeError):
        POLICY.check(Extensions((Extension(1, b"?"),)), at=5)


@pytest.mark.parametrize(
    "offered",
    [
        OfferedExtensions(),
        OfferedExtensions(ExtensionSet(((1, True),))),
        OfferedExtensions(ExtensionSet(((1, True), (9, False))), EXTENSIONS),
    ],
)
def test_offers(offered: OfferedExtensions) -> None:
    field = httpauth.encode_challenges([offered.beside(OfferedChallenge(CHALLENGE, KEY.encoded).encode())])
    (auth,) = httpauth.decode_challenges(field)
    assert OfferedExtensions.decode(auth) == offered
    assert OfferedChallenge.decode(auth).challenge == CHALLENGE
