"""Issuance of single tokens (RFC 9578 §5 and §6): the client's two steps, and the issuer."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from privproc._step import Step
from privproc.errors import DecodeError, ExpiredError, UnsupportedError, UsageError
from privproc.tokens.challenge import TokenChallenge
from privproc.tokens.directory import IssuerDirectory
from privproc.tokens.kinds import Finish, IssuerOp, PrivateKey, issuer_op, kind_of
from privproc.tokens.possession import ProofKey
from privproc.tokens.token import Token, TokenKey, token_input
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
    "usable",
]

# req: rfc9578/5.1 media-types
REQUEST_TYPE = b"application/private-token-request"
"""Media type of a TokenRequest (RFC 9578 §8.3.2)."""

RESPONSE_TYPE = b"application/private-token-response"
"""Media type of a TokenResponse (RFC 9578 §8.3.3)."""


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """A client's request for one token (RFC 9578 §5.1, §6.1).

    ::

        struct {
            uint16_t token_type;                    0x0001, 0x0002 or 0x0005
            uint8_t truncated_token_key_id;
            uint8_t blinded_msg[...];               49, 256 or 32
        } TokenRequest;                             52, 259 or 35 bytes
    """

    token_type: int
    truncated_key_id: int
    blinded_msg: bytes = field(repr=False)

    def __post_init__(self) -> None:
        size = kind_of(self.token_type, "TokenRequest").blinded_size
        if not 0 <= self.truncated_key_id <= 255 or len(self.blinded_msg) != size:
            raise UsageError(f"TokenRequest: one byte of the key id and {size} bytes of blinded message")

    @classmethod
    def decode(cls, data: bytes) -> TokenRequest:
        """Raises :class:`UnsupportedError` for an unknown token type, :class:`DecodeError` for another length."""
        return Reader.all(data, "TokenRequest", cls._read)

    @classmethod
    def _read(cls, reader: Reader) -> TokenRequest:
        kind = kind_of(reader.u16(), "TokenRequest")
        # req: rfc9578/5.1 request-layout
        return cls(kind.token_type, reader.u8(), reader.take(kind.blinded_size))

    def encode(self) -> bytes:
        """The bytes of the structure."""
        return self.token_type.to_bytes(2, "big") + bytes((self.truncated_key_id,)) + self.blinded_msg


class _Blinded(NamedTuple):
    """What the client remembers of a request."""

    finish: Finish
    key: TokenKey
    nonce: bytes
    challenge_digest: bytes

    def __repr__(self) -> str:
        return "<_Blinded>"

    def token(self, response: bytes) -> Token:
        # Exactly: peers ignore what follows a TokenResponse.
        if len(response) != self.key.kind.response_size:
            # req: rfc9578/6.2 response-size
            raise DecodeError("TokenResponse", f"{len(response)} bytes, not {self.key.kind.response_size}")
        authenticator = self.finish(response)
        return Token(self.key.token_type, self.nonce, self.challenge_digest, self.key.key_id, authenticator)


class PendingToken(Step[_Blinded]):
    """A client that waits for its TokenResponse. Single-use, and each request has its own."""

    __slots__ = ()

    def finish(self, response: bytes) -> Token:
        """The token in a TokenResponse (RFC 9578 §5.2, §6.2), verified.

        ::

            struct { uint8_t blind_sig[256]; } TokenResponse;                                       type 0x0002
            struct { uint8_t evaluate_msg[Ne]; uint8_t evaluate_proof[Ns + Ns]; } TokenResponse;    145 or 96 bytes

        Raises :class:`DecodeError` for another length and malformed elements or scalars, :class:`SignatureError` when
        the signature or proof doesn't show that the issuer answered this request with the key that was asked for.
        """
        return self._take().token(response)


class BoundToken(Step[tuple[Token, ProofKey]]):
    """A token with the key that its nonce commits to: spent once, with a proof over the exchange."""

    __slots__ = ()

    def __init__(self, token: Token, proof_key: ProofKey) -> None:
        super().__init__((token, proof_key))

    @property
    def token(self) -> Token:
        """The token, until it is spent; then :class:`SpentError`."""
        return self._look()[0]

    def spend(self) -> tuple[Token, ProofKey]:
        """The token and the key that proves possession; to be called when all else is ready. Once."""
        return self._take()


class PendingBoundToken(Step[tuple[_Blinded, ProofKey]]):
    """Like :class:`PendingToken`, for a token whose nonce commits to a proof key."""

    __slots__ = ()

    def finish(self, response: bytes) -> BoundToken:
        """The token and its proof key; raises as :meth:`PendingToken.finish` does."""
        blinded, proof_key = self._take()
        return BoundToken(blinded.token(response), proof_key)


def request(challenge: TokenChallenge, key: Trusted[TokenKey], *, at: int) -> tuple[bytes, PendingToken]:
    """A TokenRequest for a bearer token with a random nonce, and what reads the answer.

    Raises :class:`ExpiredError` when ``key`` isn't in use at ``at``, :class:`UnsupportedError` for a challenge of
    another token type.
    """
    # req: rfc9577/5.1 random-nonce
    wire, blinded = _blind(challenge, key, os.urandom(32), at)
    return wire, PendingToken(blinded)


def request_bound(challenge: TokenChallenge, key: Trusted[TokenKey], *, at: int) -> tuple[bytes, PendingBoundToken]:
    """A TokenRequest for a token that privproc/1 can spend: its nonce commits to a proof key.

    The proof key is made here and fresh, so no two tokens can share one. To the issuer, and in its size, the request
    is like that of :func:`request`. Raises as that does.
    """
    proof_key = ProofKey.generate()
    wire, blinded = _blind(challenge, key, proof_key.nonce, at)
    return wire, PendingBoundToken((blinded, proof_key))


def _blind(challenge: TokenChallenge, trusted: Trusted[TokenKey], nonce: bytes, at: int) -> tuple[bytes, _Blinded]:
    key = usable(challenge, trusted, at=at)
    # req: rfc9578/6.1 rsa-request
    message = token_input(key.token_type, nonce, challenge.digest, key.key_id)
    return _request(challenge, key, nonce, *key.client.blind(message))


def _derand_request(
    challenge: TokenChallenge, trusted: Trusted[TokenKey], nonce: bytes, *randomness: bytes, at: int
) -> tuple[bytes, PendingToken]:
    """:func:`request` with the given nonce, and PSS salt (48 bytes) and blinding factor, or blind."""
    key = usable(challenge, trusted, at=at)
    message = token_input(key.token_type, nonce, challenge.digest, key.key_id)
    wire, blinded = _request(challenge, key, nonce, *key.client._derand_blind(message, *randomness))
    return wire, PendingToken(blinded)


def _request(
    challenge: TokenChallenge, key: TokenKey, nonce: bytes, blinded: bytes, finish: Finish
) -> tuple[bytes, _Blinded]:
    # req: rfc9578/5.1 truncated-key-id
    wire = TokenRequest(key.token_type, key.truncated_id, blinded).encode()
    return wire, _Blinded(finish, key, nonce, challenge.digest)


def usable(challenge: TokenChallenge, trusted: Trusted[TokenKey], *, at: int) -> TokenKey:
    """The key, if tokens for this challenge can be asked for with it; raises as :func:`request` does."""
    key = trusted.get(at=at)
    if challenge.token_type != key.token_type:
        raise UnsupportedError(f"no tokens of type 0x{challenge.token_type:04x} under this key")
    if key.not_before is not None and at < key.not_before:
        raise ExpiredError("token key is not in use yet")
    return key


@dataclass(frozen=True, slots=True)
class IssuerKey:
    """A key that an issuer issues with while ``not_before <= at < not_after`` (Unix seconds).

    ``op``: for type 0x0002 the raw RSA operation, local or in a hardware module; for the others a
    :class:`privproc.voprf.PrivateKey`. Tokens stay good for as long as origins hold the key; issuance stops earlier.
    Raises :class:`UnsupportedError` for an RSA key that hasn't 2048 bits, and other suites than the types' own.
    """

    op: PrivateKey = field(repr=False)
    not_before: int
    not_after: int
    token_key: TokenKey = field(init=False)
    role: IssuerOp = field(init=False, repr=False, compare=False)
    """The key, ready for use."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "token_key", TokenKey.of(self.op.public_key, not_before=self.not_before))
        object.__setattr__(self, "role", issuer_op(self.op))


class Issuer:
    """Issues what clients ask for. Whether a client may have a token is decided before, by the caller.

    Raises :class:`UsageError` for two keys of one type with the same truncated id, which a request couldn't tell apart
    (RFC 9578 §5.5, §6.5): make another key.
    """

    __slots__ = ("_keys",)

    def __init__(self, keys: Iterable[IssuerKey]) -> None:
        listed = list(keys)
        self._keys = {(key.token_key.token_type, key.token_key.truncated_id): key for key in listed}
        if len(self._keys) != len(listed):
            # req: rfc9578/5.5 truncated-ids-differ
            raise UsageError("two issuer keys share a truncated id")

    def issue(self, request: bytes, *, at: int) -> bytes:
        """The TokenResponse to a TokenRequest.

        Raises :class:`DecodeError` for a malformed request, a blinded message that isn't below the modulus or isn't an
        element of the group, :class:`UnsupportedError` for an unknown token type or key, :class:`ExpiredError` for a
        key that isn't in use at ``at``. All three are answered with status 422 (RFC 9578 §5.2, §6.2).
        """
        return self.grant(TokenRequest.decode(request), at=at)

    def grant(self, asked: TokenRequest, *, at: int) -> bytes:
        """:meth:`issue` for a request that is decoded already."""
        return self.key(asked.token_type, asked.truncated_key_id, at=at).role.issue(asked.blinded_msg)

    def key(self, token_type: int, truncated_id: int, *, at: int) -> IssuerKey:
        """The key that a request names. Raises :class:`UnsupportedError`, :class:`ExpiredError` as :meth:`issue`."""
        key = self._keys.get((token_type, truncated_id))
        if key is None:
            # req: rfc9578/5.2 issuer-checks-request
            # req: rfc9578/6.2 issuer-checks-request
            raise UnsupportedError("TokenRequest: no key of this type with this truncated id")
        check_window("issuer key", key.not_before, key.not_after, at=at)
        return key

    def directory(self, request_uri: str, *, at: int) -> IssuerDirectory:
        """The directory to publish at ``at``: keys that are or will be in use, the latest first, so that clients change
        over by themselves at a key's ``not_before``.
        """
        keys = [key for key in self._keys.values() if at < key.not_after]
        keys.sort(key=lambda key: key.not_before, reverse=True)
        return IssuerDirectory(request_uri, tuple(key.token_key for key in keys))

    def __repr__(self) -> str:
        return f"<Issuer of {len(self._keys)} keys>"
