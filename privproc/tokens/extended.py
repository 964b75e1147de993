"""Tokens with public metadata: type 0xDA7A (draft-ietf-privacypass-public-metadata-issuance §6).

Issuance and redemption as for type 0x0002, by partially blind RSA over the encoded extensions::

    extensions = Extensions((Expiration.after(DAY, precision=HOUR, at=now).extension(),))
    wire, pending = request_extended(challenge, issuer_key, extensions, at=now)     client
    response = issuer.issue(wire, at=now)                                           issuer, whose policy permits them
    token = pending.finish(response)                                                client: token and extensions
    redeemed = origin.redeem(token, challenge=expected, at=now)                     origin, whose policy does, too

privproc/1 doesn't use it. The draft permits RSAPBSSA-SHA384-PSSZERO-Deterministic as well, but a token key names a salt
of 48 bytes: only that is here.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple, final

from privproc import base64url, httpauth
from privproc._step import Step
from privproc.blindrsa import partial
from privproc.errors import UnsupportedError, UntrustedError, UsageError
from privproc.tokens.challenge import TokenChallenge
from privproc.tokens.extensions import ExtensionPolicy, Extensions, from_parameter
from privproc.tokens.issuance import TokenRequest, _Blinded, _request, usable
from privproc.tokens.kinds import PUBLIC_METADATA, ExtendedKey, PartialClientKey
from privproc.tokens.store import SpendKey
from privproc.tokens.token import SCHEME, Token, TokenKey, token_input
from privproc.trust import Earned, Trusted, check_window
from privproc.wire import Reader

__all__ = [
    "ExtendedIssuer",
    "ExtendedIssuerKey",
    "ExtendedOrigin",
    "ExtendedRedemption",
    "ExtendedToken",
    "ExtendedTokenRequest",
    "PendingExtendedToken",
    "request_extended",
]

_REQUEST = "ExtendedTokenRequest"


@dataclass(frozen=True, slots=True)
class ExtendedTokenRequest:
    """A client's request for one token of type 0xDA7A.

    ::

        struct {
            TokenRequest request;                   259 bytes
            Extensions extensions;                  2 bytes and more
        } ExtendedTokenRequest;
    """

    request: TokenRequest
    extensions: Extensions

    def __post_init__(self) -> None:
        if self.request.token_type != PUBLIC_METADATA:
            raise UsageError(f"{_REQUEST}: of type 0x{PUBLIC_METADATA:04x}")

    @classmethod
    def decode(cls, data: bytes) -> ExtendedTokenRequest:
        """Raises :class:`UnsupportedError` for another token type, else :class:`DecodeError`."""
        return Reader.all(data, _REQUEST, cls._read)

    @classmethod
    def _read(cls, reader: Reader) -> ExtendedTokenRequest:
        request = TokenRequest._read(reader)
        if request.token_type != PUBLIC_METADATA:
            raise UnsupportedError(f"{_REQUEST}: token type 0x{request.token_type:04x}")
        return cls(request, Extensions._read(reader))

    def encode(self) -> bytes:
        """The bytes of the structure."""
        return self.request.encode() + self.extensions.encode()


@dataclass(frozen=True, slots=True)
class ExtendedToken:
    """A token of type 0xDA7A (354 bytes), and the extensions that it was issued with."""

    token: Token
    extensions: Extensions

    def __post_init__(self) -> None:
        if self.token.token_type != PUBLIC_METADATA:
            raise UsageError(f"ExtendedToken: of type 0x{PUBLIC_METADATA:04x}")

    def authorization(self) -> bytes:
        """The value of the Authorization field that spends the token: parameters ``token`` and ``extensions``."""
        params = (("token", self.token.encode()), ("extensions", self.extensions.encode()))
        encoded = tuple((name, base64url.encode_padded(value)) for name, value in params)
        return httpauth.Auth(SCHEME, encoded).encode()

    @classmethod
    def from_authorization(cls, value: bytes) -> ExtendedToken:
        """Token and extensions in the value of an Authorization field.

        Raises as :meth:`Token.from_authorization`, :class:`UnsupportedError` for another token type, and
        :class:`DecodeError` for extensions that are absent or malformed.
        """
        token = Token.from_authorization(value)
        if token.token_type != PUBLIC_METADATA:
            raise UnsupportedError(f"credentials: token type 0x{token.token_type:04x} has no extensions")
        return cls(token, from_parameter(httpauth.Auth.decode(value).get("extensions")))


@final
class PendingExtendedToken(Step[tuple[_Blinded, Extensions]]):
    """A client that waits for its TokenResponse. Single-use, and each request has its own."""

    __slots__ = ()

    def finish(self, response: bytes) -> ExtendedToken:
        """The token in a TokenResponse, 256 bytes, verified; raises as :meth:`PendingToken.finish` does."""
        blinded, extensions = self._take()
        return ExtendedToken(blinded.token(response), extensions)


def request_extended(
    challenge: TokenChallenge, key: Trusted[TokenKey], extensions: Extensions, *, at: int
) -> tuple[bytes, PendingExtendedToken]:
    """An ExtendedTokenRequest with a random nonce, and what reads the answer.

    Raises :class:`ExpiredError` when ``key`` isn't in use at ``at``, :class:`UnsupportedError` for a challenge or key
    of another token type.
    """
    return _ask(challenge, key, extensions, os.urandom(32), (), at)


def _derand_request_extended(
    challenge: TokenChallenge,
    trusted: Trusted[TokenKey],
    extensions: Extensions,
    nonce: bytes,
    *randomness: bytes,
    at: int,
) -> tuple[bytes, PendingExtendedToken]:
    """:func:`request_extended` with the given nonce, PSS salt (48 bytes) and blinding factor (256)."""
    return _ask(challenge, trusted, extensions, nonce, randomness, at)


def _ask(
    challenge: TokenChallenge,
    trusted: Trusted[TokenKey],
    extensions: Extensions,
    nonce: bytes,
    randomness: tuple[bytes, ...],
    at: int,
) -> tuple[bytes, PendingExtendedToken]:
    key = usable(challenge, trusted, at=at)
    client = _extended(key, extensions)
    message = token_input(key.token_type, nonce, challenge.digest, key.key_id)
    made = client._derand_blind(message, *randomness) if randomness else client.blind(message)
    wire, blinded = _request(challenge, key, nonce, *made)
    return wire + extensions.encode(), PendingExtendedToken((blinded, extensions))


def _extended(key: TokenKey, extensions: Extensions) -> ExtendedKey:
    if not isinstance(key.client, PartialClientKey):
        raise UnsupportedError(f"tokens of type 0x{key.token_type:04x} have no extensions")
    return key.client.extended(extensions.encode())


@dataclass(frozen=True, slots=True)
class ExtendedIssuerKey:
    """A key that an issuer issues with while ``not_before <= at < not_after`` (Unix seconds)."""

    private_key: partial.PrivateKey = field(repr=False)
    not_before: int
    not_after: int
    token_key: TokenKey = field(init=False)

    def __post_init__(self) -> None:
        key = TokenKey.of(self.private_key.public_key, not_before=self.not_before)
        object.__setattr__(self, "token_key", key)


@final
class ExtendedIssuer:
    """Issues what clients ask for with extensions that ``policy`` permits.

    Whether a client may have a token at all is decided before, by the caller. Raises :class:`UsageError` for two keys
    with the same truncated id.
    """

    __slots__ = ("_keys", "_policy")

    def __init__(self, keys: Iterable[ExtendedIssuerKey], policy: ExtensionPolicy) -> None:
        listed = list(keys)
        self._keys = {key.token_key.truncated_id: key for key in listed}
        if len(self._keys) != len(listed):
            raise UsageError("two issuer keys share a truncated id")
        self._policy = policy

    def issue(self, request: bytes, *, at: int) -> bytes:
        """The TokenResponse, 256 bytes, to an ExtendedTokenRequest.

        Raises :class:`DecodeError` for a malformed request and a blinded message that isn't below the modulus,
        :class:`UnsupportedError` for another token type or an unknown key, :class:`ExpiredError` for a key that isn't
        in use at ``at``, and what the policy raises. The draft has status 400 for all of them.
        """
        asked = ExtendedTokenRequest.decode(request)
        key = self._keys.get(asked.request.truncated_key_id)
        if key is None:
            raise UnsupportedError(f"{_REQUEST}: no key with this truncated id")
        check_window("issuer key", key.not_before, key.not_after, at=at)
        self._policy.check(asked.extensions, at=at)
        return partial.blind_sign(key.private_key, asked.extensions.encode(), asked.request.blinded_msg)


@dataclass(frozen=True, slots=True, init=False)
class ExtendedRedemption(Earned):
    """A token that an accepted issuer signed for the expected challenge and these extensions. Not yet: that it is spent
    the first time; ``spend_key`` goes to the store before anything else happens.
    """

    token: ExtendedToken
    spend_key: SpendKey


class _Accepted(NamedTuple):
    trusted: Trusted[TokenKey]
    key: TokenKey


@final
class ExtendedOrigin:
    """Accepts tokens of given issuer keys, each within the time of its trust, with extensions that ``policy`` permits.

    Raises :class:`UsageError` for a key that is given twice, and for one of another token type.
    """

    __slots__ = ("_keys", "_policy")

    def __init__(self, keys: Iterable[Trusted[TokenKey]], policy: ExtensionPolicy) -> None:
        # Read outside of the time of validity: an expired key must be told from an unknown one.
        listed = [_Accepted(trusted, trusted._value) for trusted in keys]
        if any(accepted.key.token_type != PUBLIC_METADATA for accepted in listed):
            raise UsageError(f"an issuer key isn't of type 0x{PUBLIC_METADATA:04x}")
        self._keys = {accepted.key.key_id: accepted for accepted in listed}
        if len(self._keys) != len(listed):
            raise UsageError("an issuer key is given twice")
        self._policy = policy

    def redeem(self, spent: ExtendedToken, *, challenge: TokenChallenge, at: int) -> ExtendedRedemption:
        """Check a token against the expected ``challenge``, which never comes from the request itself.

        In this order: the challenge's type (:class:`UnsupportedError`), issuer key known (:class:`UntrustedError`) and
        valid at ``at`` (:class:`ExpiredError`), challenge (:class:`UntrustedError`), policy, and then the signature
        (:class:`SignatureError`), which takes work of the client's choosing.
        """
        token = spent.token
        if challenge.token_type != token.token_type:
            raise UnsupportedError("token: not of the challenge's type")
        accepted = self._keys.get(token.token_key_id)
        if accepted is None:
            raise UntrustedError("token: of no accepted issuer key")
        accepted.trusted.get(at=at)
        if not hmac.compare_digest(token.challenge_digest, challenge.digest):
            raise UntrustedError("token: for another challenge")
        self._policy.check(spent.extensions, at=at)
        _extended(accepted.key, spent.extensions).verify(token.authenticator_input, token.authenticator)
        spend_key = SpendKey(token.token_key_id, token.nonce, accepted.trusted.not_after)
        return ExtendedRedemption._earn(token=spent, spend_key=spend_key)
