"""Redemption: what an origin checks of a token (RFC 9577 §2.2, RFC 9578 §6.4)."""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from privproc import voprf
from privproc.errors import UnsupportedError, UntrustedError, UsageError
from privproc.tokens.challenge import TokenChallenge
from privproc.tokens.kinds import IssuerOp, Verifier, issuer_op
from privproc.tokens.store import SpendKey
from privproc.tokens.token import Token, TokenKey
from privproc.trust import Earned, Trusted

__all__ = ["Origin", "PrivateTokenKey", "Redemption"]


@dataclass(frozen=True, slots=True)
class PrivateTokenKey:
    """The private key of a type whose tokens only its holder can verify: 0x0001 and 0x0005.

    The origin is then the issuer itself, or trusted with its key. Raises :class:`UnsupportedError` for other suites.
    """

    private_key: voprf.PrivateKey = field(repr=False)
    token_key: TokenKey = field(init=False)
    """The public half."""
    op: IssuerOp = field(init=False, repr=False, compare=False)
    """The key, ready for use."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "token_key", TokenKey.of(self.private_key.public_key))
        object.__setattr__(self, "op", issuer_op(self.private_key))


@dataclass(frozen=True, slots=True, init=False)
class Redemption(Earned):
    """A token that an accepted issuer signed for the expected challenge. Not yet: that it is spent the first time.

    ``spend_key`` goes to the store before anything else happens; ``token.nonce`` to
    :func:`privproc.tokens.verify_possession`, where tokens are bound.
    """

    token: Token
    spend_key: SpendKey


class _Accepted(NamedTuple):
    """An issuer key of an origin."""

    trusted: Trusted[TokenKey] | Trusted[PrivateTokenKey]
    token_type: int
    key_id: bytes
    verifier: Verifier

    @classmethod
    def of(cls, trusted: Trusted[TokenKey] | Trusted[PrivateTokenKey]) -> _Accepted:
        # Read outside of the time of validity: an expired key must be told from an unknown one.
        key = trusted._value
        if isinstance(key, PrivateTokenKey):
            return cls(trusted, key.token_key.token_type, key.token_key.key_id, key.op)
        verifier = key.client.verifier
        if verifier is None:
            raise UsageError("verified with the private key, or with extensions: see PrivateTokenKey, ExtendedOrigin")
        return cls(trusted, key.token_type, key.key_id, verifier)


class Origin:
    """Accepts the tokens of given issuer keys, each within the time of its trust.

    ``keys``: public ones of type 0x0002, private ones of the others. End of validity (``not_after``) is when spends
    under a key may be forgotten, so it is never moved later. Raises :class:`UsageError` for a key that is given twice,
    and for a public one of a privately verifiable type.
    """

    __slots__ = ("_keys",)

    def __init__(self, keys: Iterable[Trusted[TokenKey] | Trusted[PrivateTokenKey]]) -> None:
        listed = [_Accepted.of(key) for key in keys]
        self._keys = {key.key_id: key for key in listed}
        if len(self._keys) != len(listed):
            raise UsageError("an issuer key is given twice")

    def redeem(self, token: Token, *, challenge: TokenChallenge, at: int) -> Redemption:
        """Check ``token`` against the expected ``challenge``, which never comes from the request itself.

        In this order: token type (:class:`UnsupportedError`), issuer key known (:class:`UntrustedError`) and valid at
        ``at`` (:class:`ExpiredError`), challenge (:class:`UntrustedError`), signature (:class:`SignatureError`).
        """
        if token.token_type != challenge.token_type:
            # req: rfc9577/2.2.1 type-matches-challenge
            raise UnsupportedError("token: not of the challenge's type")
        key = self._keys.get(token.token_key_id)
        if key is None or key.token_type != token.token_type:
            raise UntrustedError("token: of no accepted issuer key")
        key.trusted.get(at=at)
        if not hmac.compare_digest(token.challenge_digest, challenge.digest):
            # req: rfc9577/2.2.1 digest-matches-challenge
            raise UntrustedError("token: for another challenge")
        # req: rfc9578/6.4 verified-with-the-public-key
        key.verifier.verify(token.authenticator_input, token.authenticator)
        spend_key = SpendKey(token.token_key_id, token.nonce, key.trusted.not_after)
        return Redemption._earn(token=token, spend_key=spend_key)

    def __repr__(self) -> str:
        return f"<Origin of {len(self._keys)} issuer keys>"
