"""Issuance of tokens of type 0x0002 (RFC 9578 §6): the client's two steps, and the issuer."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from privproc import blindrsa
from privproc._step import Step
from privproc.blindrsa import RawRsaPrivateOp, Variant
from privproc.errors import DecodeError, ExpiredError, UnsupportedError, UsageError
from privproc.tokens.challenge import TokenChallenge
from privproc.tokens.directory import IssuerDirectory
from privproc.tokens.possession import ProofKey
from privproc.tokens.token import BLIND_RSA, KEY_SIZE, TYPE_BYTES, Token, TokenKey
from privproc.trust import Trusted, check_window
from privproc.wire import Reader

__all__ = [
    "REQUEST_TYPE",
    "RESPONSE_TYPE",
    "BoundToken",
    "Issuer",
    "IssuerKey",
    "PendingBoundToken",
    "PendingToken",
    "TokenRequest",
    "request",
    "request_bound",
]

REQUEST_TYPE = b"application/private-token-request"
"""Media type of a TokenRequest (RFC 9578 §8.3.2)."""

RESPONSE_TYPE = b"application/private-token-response"
"""Media type of a TokenResponse (RFC 9578 §8.3.3)."""

VARIANT = Variant.SHA384_PSS_DETERMINISTIC


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """A client's request for one token (RFC 9578 §6.1), 259 bytes.

    ::

        struct {
            uint16_t token_type = 0x0002;
            uint8_t truncated_token_key_id;
            uint8_t blinded_msg[256];
        } TokenRequest;
    """

    truncated_key_id: int
    blinded_msg: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if not 0 <= self.truncated_key_id <= 255 or len(self.blinded_msg) != KEY_SIZE:
            raise UsageError(f"TokenRequest: one byte of the key id and {KEY_SIZE} bytes of blinded message")

    @classmethod
    def decode(cls, data: bytes) -> TokenRequest:
        """Raises :class:`UnsupportedError` for another token type, :class:`DecodeError` for another length."""
        return Reader.all(data, "TokenRequest", cls._read)

    @classmethod
    def _read(cls, reader: Reader) -> TokenRequest:
        if (token_type := reader.u16()) != BLIND_RSA:
            raise UnsupportedError(f"TokenRequest: token type 0x{token_type:04x}")
        return cls(reader.u8(), reader.take(KEY_SIZE))

    def encode(self) -> bytes:
        """The 259 bytes."""
        return b"".join((TYPE_BYTES, bytes((self.truncated_key_id,)), self.blinded_msg))


class _Blinded(NamedTuple):
    """What the client remembers of a request."""

    signature: blindrsa.PendingSignature
    nonce: bytes
    challenge_digest: bytes
    key_id: bytes

    def token(self, response: bytes) -> Token:
        # TokenResponse is uint8_t blind_sig[256] and nothing else (RFC 9578 §6.2); peers ignore what follows it.
        if len(response) != KEY_SIZE:
            raise DecodeError("TokenResponse", f"{len(response)} bytes, not {KEY_SIZE}")
        return Token(self.nonce, self.challenge_digest, self.key_id, self.signature.finish(response))


class PendingToken(Step[_Blinded]):
    """A client that waits for its TokenResponse. Single-use, and each request has its own."""

    __slots__ = ()

    def finish(self, response: bytes) -> Token:
        """The token in a TokenResponse (256 bytes), its signature verified.

        Raises :class:`DecodeError` for another length, :class:`SignatureError` when the issuer didn't sign this
        request with the key that was asked for.
        """
        return self._take().token(response)


@dataclass(frozen=True, slots=True)
class BoundToken:
    """A token with the key that its nonce commits to: to be spent once, with a proof over the exchange."""

    token: Token
    proof_key: ProofKey


class PendingBoundToken(Step[tuple[_Blinded, ProofKey]]):
    """Like :class:`PendingToken`, for a token whose nonce commits to a proof key."""

    __slots__ = ()

    def finish(self, response: bytes) -> BoundToken:
        """The token and its proof key; raises as :meth:`PendingToken.finish` does."""
        blinded, proof_key = self._take()
        return BoundToken(blinded.token(response), proof_key)


def request(challenge: TokenChallenge, key: Trusted[TokenKey], *, at: int) -> tuple[bytes, PendingToken]:
    """A TokenRequest (259 bytes) for a bearer token with a random nonce, and what reads the answer.

    Raises :class:`ExpiredError` when ``key`` isn't in use at ``at``, :class:`UnsupportedError` for a challenge of
    another token type.
    """
    wire, blinded = _blind(challenge, key, os.urandom(32), at)
    return wire, PendingToken(blinded)


def request_bound(challenge: TokenChallenge, key: Trusted[TokenKey], *, at: int) -> tuple[bytes, PendingBoundToken]:
    """A TokenRequest (259 bytes) for a token that privproc/1 can spend: its nonce commits to a proof key.

    The proof key is made here and fresh, so no two tokens can share one. To the issuer, and in its size, the request
    is like that of :func:`request`. Raises as that does.
    """
    proof_key = ProofKey.generate()
    wire, blinded = _blind(challenge, key, proof_key.nonce, at)
    return wire, PendingBoundToken((blinded, proof_key))


def _blind(challenge: TokenChallenge, trusted: Trusted[TokenKey], nonce: bytes, at: int) -> tuple[bytes, _Blinded]:
    key = _usable(challenge, trusted, at)
    blinded = blindrsa.blind(VARIANT, key.public_key, _token_input(challenge, key, nonce))
    return _request(challenge, key, nonce, *blinded)


def _derand_request(
    challenge: TokenChallenge, trusted: Trusted[TokenKey], nonce: bytes, salt: bytes, factor: int, *, at: int
) -> tuple[bytes, PendingToken]:
    """:func:`request` with the given nonce, PSS salt (48 bytes) and blinding factor."""
    key = _usable(challenge, trusted, at)
    prepared = _token_input(challenge, key, nonce)
    wire, blinded = _request(
        challenge, key, nonce, *blindrsa._derand_blind(VARIANT, key.public_key, prepared, salt, factor)
    )
    return wire, PendingToken(blinded)


def _request(
    challenge: TokenChallenge, key: TokenKey, nonce: bytes, blinded: bytes, signature: blindrsa.PendingSignature
) -> tuple[bytes, _Blinded]:
    wire = TokenRequest(key.truncated_id, blinded).encode()
    return wire, _Blinded(signature, nonce, challenge.digest, key.key_id)


def _usable(challenge: TokenChallenge, trusted: Trusted[TokenKey], at: int) -> TokenKey:
    key = trusted.get(at=at)
    if challenge.token_type != key.token_type:
        raise UnsupportedError(f"no tokens of type 0x{challenge.token_type:04x} under this key")
    if key.not_before is not None and at < key.not_before:
        raise ExpiredError("token key is not in use yet")
    return key


def _token_input(challenge: TokenChallenge, key: TokenKey, nonce: bytes) -> bytes:
    return TYPE_BYTES + nonce + challenge.digest + key.key_id


@dataclass(frozen=True, slots=True)
class IssuerKey:
    """A key that an issuer signs with while ``not_before <= at < not_after`` (Unix seconds).

    ``op``: the raw private operation, local or in a hardware module. Tokens stay good for as long as origins hold the
    key; issuance stops earlier. Raises :class:`UnsupportedError` unless the key has 2048 bits.
    """

    op: RawRsaPrivateOp = field(repr=False)
    not_before: int
    not_after: int
    token_key: TokenKey = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "token_key", TokenKey.of(self.op.public_key, not_before=self.not_before))


class Issuer:
    """Signs what clients ask for. Whether a client may have a token is decided before, by the caller.

    Raises :class:`UsageError` for two keys with the same truncated id, which a request couldn't tell apart
    (RFC 9578 §6.5): make another key.
    """

    __slots__ = ("_keys",)

    def __init__(self, keys: Iterable[IssuerKey]) -> None:
        listed = list(keys)
        self._keys = {key.token_key.truncated_id: key for key in listed}
        if len(self._keys) != len(listed):
            raise UsageError("two issuer keys share a truncated id")

    def issue(self, request: bytes, *, at: int) -> bytes:
        """The TokenResponse (256 bytes) to a TokenRequest.

        Raises :class:`DecodeError` for a malformed request or a blinded message that isn't below the modulus,
        :class:`UnsupportedError` for another token type or an unknown key, :class:`ExpiredError` for a key that isn't
        in use at ``at``. All three are answered with status 422 (RFC 9578 §6.2).
        """
        asked = TokenRequest.decode(request)
        key = self._keys.get(asked.truncated_key_id)
        if key is None:
            raise UnsupportedError("TokenRequest: no key with this truncated id")
        check_window("issuer key", key.not_before, key.not_after, at)
        return blindrsa.blind_sign(key.op, asked.blinded_msg)

    def directory(self, request_uri: str, *, at: int) -> IssuerDirectory:
        """The directory to publish at ``at``: keys that are or will be in use, the latest first, so that clients change
        over by themselves at a key's ``not_before``.
        """
        keys = [key for key in self._keys.values() if at < key.not_after]
        keys.sort(key=lambda key: key.not_before, reverse=True)
        return IssuerDirectory(request_uri, tuple(key.token_key for key in keys))

    def __repr__(self) -> str:
        return f"<Issuer of {len(self._keys)} keys>"
