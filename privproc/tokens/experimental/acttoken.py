"""Privacy Pass tokens of type 0xE5AD, which are spends of ACT (draft-schlesinger-privacypass-act, as it was when -02 of
ACT's own draft came out, March 2026).

::

    wire, pending = request(key)                                          client: TokenRequest, 135 bytes
    response = respond(issuer_key, wire, amount=1000, challenge=asked)    issuer, which is the origin: 164 bytes
    credits = finish(challenge, key, pending, response)                   client
    token, pending = spend(challenge, key, credits, charge=30)            client: 68 + 128 * L + 418 bytes
    redeemed = redeem(trusted_key, token, challenge=expected, charge=30, at=now)      origin
    reservation = store.reserve(redeemed.spend_key, at=now, lease=60)
    refund = redeemed.refund()                                            origin: 164 bytes, stored with the spend
    credits = finish_refund(pending, refund)                              client

**What the draft leaves open**, and what is done here:

- The number isn't registered, and other drafts give it to other groups and hashes.
- Its ``concat`` of names and contexts shows no lengths: here they have some (:meth:`CredentialChallenge.bound`). Its
  ``HashToScalar`` is one that ACT's draft hasn't: see :meth:`act.Parameters.context`.
- Nothing says a client the domain separator and ``L``: they come with the key.
- The *proof doesn't cover the challenge*. It is for the context, which has issuer, origins, credential context and key,
  and for nothing of this redemption: whoever has a token before the origin does can put the digest of another
  challenge in front of it. The digest is compared, and a redemption context is no more than that.
- A refund is to travel in a field of another draft, base64url. What its bytes travel in is the caller's.
- The field ``cost`` of a challenge, a JSON number, is the caller's as well: ``charge`` is what was asked for.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field
from typing import ClassVar, Final, final

from privproc.errors import UnsupportedError, UntrustedError, UsageError
from privproc.tokens.experimental import act
from privproc.tokens.experimental.challenge import CredentialChallenge, check_type
from privproc.tokens.store import SpendKey
from privproc.trust import Earned, Trusted
from privproc.wire import Reader, Writer

__all__ = [
    "TOKEN_TYPE",
    "ActChallenge",
    "ActRedemption",
    "finish",
    "finish_refund",
    "key_id",
    "redeem",
    "request",
    "respond",
    "spend",
]

TOKEN_TYPE: Final = 0xE5AD
"""ACT (ristretto255). The number isn't registered."""

REQUEST_SIZE: Final = 5 + act.REQUEST_SIZE
"""Bytes of a TokenRequest."""


@final
@dataclass(frozen=True, slots=True)
class ActChallenge(CredentialChallenge):
    """The challenge of type 0xE5AD (:class:`CredentialChallenge`). Credits are for issuer, origins and credential
    context. Raises :class:`UsageError` for fields that don't fit.
    """

    TOKEN_TYPE: ClassVar[int] = TOKEN_TYPE

    def context(self, key: act.PublicKey) -> bytes:
        """What credits are for, 32 bytes. Every spend shows it."""
        return key.parameters.context(self.bound(self.credential_context, key_id(key)))


def key_id(key: act.PublicKey) -> bytes:
    """``issuer_key_id``: SHA-256 of the encoded key (32 bytes)."""
    return hashlib.sha256(key.encoded).digest()


def request(key: act.PublicKey) -> tuple[bytes, act.PendingCredits]:
    """A TokenRequest, 135 bytes, and what :func:`finish` reads the response with.

    ::

        struct {
            uint16_t token_type = 0xE5AD;
            uint8_t truncated_issuer_key_id;
            opaque encoded_request<1..2^16-1>;
        } TokenRequest;
    """
    wire, pending = act.request(key)
    return Writer().uint(2, TOKEN_TYPE).raw(key_id(key)[-1:]).vector(2, wire).done(), pending


def respond(key: act.IssuerKey, request: bytes, *, amount: int, challenge: ActChallenge) -> bytes:
    """The TokenResponse, 164 bytes, which is the issuer's response behind its length.

    ``challenge``: what the issuer gives credits for, which nothing in the request says. Raises
    :class:`UnsupportedError` for another token type or key, else as :meth:`act.IssuerKey.respond`.
    """

    def read(reader: Reader) -> bytes:
        check_type(reader, TOKEN_TYPE)
        if reader.u8() != key_id(key.public_key)[-1]:
            raise UnsupportedError("TokenRequest: no key with this truncated id")
        return reader.vector(2, 1)

    asked = Reader.all(request, "TokenRequest", read)
    response = key.respond(asked, amount=amount, context=challenge.context(key.public_key))
    return Writer().vector(2, response).done()


def finish(challenge: ActChallenge, key: act.PublicKey, pending: act.PendingCredits, response: bytes) -> act.Credits:
    """The credits in a TokenResponse, for this challenge (:meth:`act.PendingCredits.finish`)."""
    return pending.finish(_unwrap(response, "TokenResponse"), context=challenge.context(key))


def _unwrap(data: bytes, what: str) -> bytes:
    return Reader.all(data, what, lambda reader: reader.vector(2, 1))


def spend(
    challenge: ActChallenge, key: act.PublicKey, credits_: act.Credits, *, charge: int
) -> tuple[bytes, act.PendingRefund]:
    """A token, and what :func:`finish_refund` reads the refund with.

    ::

        struct {
            uint16_t token_type = 0xE5AD;
            uint8_t challenge_digest[32];
            uint8_t issuer_key_id[32];
            opaque encoded_spend_proof<1..2^16-1>;
        } Token;

    Raises, before anything is used up, :class:`UsageError` for credits that aren't for this challenge, and
    :class:`LimitError` for a charge of more than there are.
    """
    if credits_.context != challenge.context(key):
        raise UsageError("ACT: these credits are for something else")
    wire, pending = credits_.spend(charge)
    writer = Writer().uint(2, TOKEN_TYPE).raw(challenge.digest).raw(key_id(key)).vector(2, wire)
    return writer.done(), pending


@final
@dataclass(frozen=True, slots=True, init=False)
class ActRedemption(Earned):
    """A token that was verified for the expected challenge and charge. Not yet: that it is spent the first time.

    ``spend_key``, with the nullifier, goes to the store before anything else happens.
    """

    spend_key: SpendKey
    spend: act.VerifiedSpend = field(repr=False)

    def refund(self, *, returned: int = 0) -> bytes:
        """The refund, 164 bytes, once the token is reserved (:meth:`act.VerifiedSpend.refund`)::

        struct {
            opaque refund<1..2^16-1>;
        } Refund;
        """
        return Writer().vector(2, self.spend.refund(returned=returned)).done()


def redeem(
    key: Trusted[act.IssuerKey], token: bytes, *, challenge: ActChallenge, charge: int, at: int
) -> ActRedemption:
    """Check a token against the expected ``challenge`` and ``charge``, neither of which comes from the request.

    The key's end of validity is when its spends may be forgotten. Raises, in this order, :class:`UnsupportedError` for
    another token type, :class:`DecodeError` for a malformed token, :class:`UntrustedError` for another key,
    :class:`ExpiredError` for one that isn't valid at ``at``, :class:`UntrustedError` for another challenge, else as
    :meth:`act.IssuerKey.verify`.
    """

    def read(reader: Reader) -> tuple[bytes, bytes, bytes]:
        check_type(reader, TOKEN_TYPE)
        return reader.take(32), reader.take(32), reader.vector(2, 1)

    digest, named, wire = Reader.all(token, "ACT token", read)
    public = key._value.public_key  # an expired key must be told from an unknown one
    if named != key_id(public):
        raise UntrustedError("ACT token: of no accepted issuer key")
    issuer = key.get(at=at)
    if not hmac.compare_digest(digest, challenge.digest):
        raise UntrustedError("ACT token: for another challenge")
    found = issuer.verify(wire, charge=charge, context=challenge.context(public))
    return ActRedemption._earn(spend_key=SpendKey(key_id(public), found.nullifier, key.not_after), spend=found)


def finish_refund(pending: act.PendingRefund, refund: bytes) -> act.Credits:
    """What is left, in a Refund (:meth:`act.PendingRefund.finish`)."""
    return pending.finish(_unwrap(refund, "Refund"))
