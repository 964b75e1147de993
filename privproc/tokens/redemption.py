"""Redemption: what an origin checks of a token (RFC 9577 §2.2, RFC 9578 §6.4)."""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from dataclasses import dataclass

from privproc import blindrsa
from privproc.blindrsa import Variant
from privproc.errors import UnsupportedError, UntrustedError, UsageError
from privproc.tokens.challenge import TokenChallenge
from privproc.tokens.store import SpendKey
from privproc.tokens.token import Token, TokenKey
from privproc.trust import Earned, Trusted

__all__ = ["Origin", "Redemption"]


@dataclass(frozen=True, slots=True, init=False)
class Redemption(Earned):
    """A token that an accepted issuer signed for the expected challenge. Not yet: that it is spent the first time.

    ``spend_key`` goes to the store before anything else happens; ``token.nonce`` to
    :func:`privproc.tokens.verify_possession`, where tokens are bound.
    """

    token: Token
    spend_key: SpendKey


class Origin:
    """Accepts the tokens of given issuer keys, each within the time of its trust.

    ``keys``: end of validity (``not_after``) is when spends under a key may be forgotten, so it is never moved later.
    Raises :class:`UsageError` for a key that is given twice.
    """

    __slots__ = ("_keys",)

    def __init__(self, keys: Iterable[Trusted[TokenKey]]) -> None:
        listed = list(keys)
        # Ids are read outside of the time of validity: an expired key must be told from an unknown one.
        self._keys = {key._value.key_id: key for key in listed}
        if len(self._keys) != len(listed):
            raise UsageError("an issuer key is given twice")

    def redeem(self, token: Token, *, challenge: TokenChallenge, at: int) -> Redemption:
        """Check ``token`` against the expected ``challenge``, which never comes from the request itself.

        In this order: token type (:class:`UnsupportedError`), issuer key known (:class:`UntrustedError`) and valid at
        ``at`` (:class:`ExpiredError`), challenge (:class:`UntrustedError`), signature (:class:`SignatureError`).
        """
        if token.token_type != challenge.token_type:
            raise UnsupportedError("token: not of the challenge's type")
        trusted = self._keys.get(token.token_key_id)
        if trusted is None:
            raise UntrustedError("token: of no accepted issuer key")
        key = trusted.get(at=at)
        if not hmac.compare_digest(token.challenge_digest, challenge.digest):
            raise UntrustedError("token: for another challenge")
        blindrsa.verify(
            Variant.SHA384_PSS_DETERMINISTIC, key.public_key, token.authenticator_input, token.authenticator
        )
        spend_key = SpendKey(token.token_key_id, token.nonce, trusted.not_after)
        return Redemption._earn(token=token, spend_key=spend_key)

    def __repr__(self) -> str:
        return f"<Origin of {len(self._keys)} issuer keys>"
