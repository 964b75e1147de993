"""Tokens: claims below a signature, as a CWT (RFC 8392) or a JWT (RFC 7519), and the decision about one."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field
from typing import Final

from privproc import base64url, cose, strictjson
from privproc.attestation.eat.claims import Claims, decode_cbor, decode_json
from privproc.attestation.eat.demands import Demands
from privproc.attestation.eat.form import CBOR, JSON, MAX_SIZE, WHAT, Form
from privproc.attestation.envelope import Envelope, VerificationKey, algorithm_of, check_signature
from privproc.attestation.expectation import Level, stage
from privproc.errors import DecodeError, PolicyError, SignatureError, UnsupportedError, UntrustedError, UsageError
from privproc.trust import Earned, Trusted, _trusted, check_window

__all__ = ["SKEW", "DatedToken", "FreshToken", "Token", "VerifiedToken", "verify", "verify_passport"]

SKEW: Final = 300
"""Seconds by which the clock of whoever made a token may be ahead."""

_CWT_TAGS: Final = {(), (18,), (61, 18)}  # COSE_Sign1 and CWT; RFC 8392 §6 has no CWT tag without the inner one
_LAST: Final = 1 << 64


@dataclass(frozen=True, slots=True)
class Token:
    """A token as received, ``encoded``, and what it says, not to be believed before :meth:`verify`.

    ``form`` is the encoding of its claims. ``key_id``, the header's ``kid``, is a hint for finding the key; a
    certificate's or key's place in a header isn't looked at.
    """

    encoded: bytes = field(repr=False)
    form: Form
    claims: Claims
    key_id: bytes | str | None
    _message: Envelope | _Jws = field(repr=False)

    @classmethod
    def decode(cls, data: bytes) -> Token:
        """The token in ``data``: a JWT, or a CWT with its two tags, with that of COSE_Sign1, or with none.

        Raises :class:`DecodeError`, or :class:`UnsupportedError` for other messages of COSE and JOSE and for critical
        headers.
        """
        if data[:1] == b"e":  # of the base64url of an opening brace; as CBOR it would be text
            jws = _Jws.decode(data)
            kid = jws.header.get("kid")
            return cls(data, JSON, decode_json(jws.payload), kid if isinstance(kid, str) else None, jws)
        message = Envelope.decode(data, WHAT, tags=_CWT_TAGS)
        hint = message.headers.get(cose.KID, message.unprotected.get(cose.KID))
        return cls(data, CBOR, decode_cbor(message.payload), hint if isinstance(hint, bytes) else None, message)

    def verify(self, key: VerificationKey) -> None:
        """Raise :class:`SignatureError` unless ``key`` signed this, under the one algorithm that ``key`` is for."""
        self._message.verify(key, WHAT)


@dataclass(frozen=True, slots=True)
class _Jws:
    """A JWS in compact serialisation (RFC 7515 §7.1)."""

    header: dict[str, object]
    payload: bytes
    signature: bytes
    signed: bytes

    @classmethod
    def decode(cls, data: bytes) -> _Jws:
        if len(data) > MAX_SIZE:
            raise DecodeError(WHAT, f"more than {MAX_SIZE} bytes")
        parts = data.split(b".")
        if len(parts) != 3:
            raise DecodeError(WHAT, "not a JWS of three parts")
        header, payload, signature = (base64url.decode(part.decode("latin-1"), WHAT) for part in parts)
        fields = strictjson.decode_object(header, WHAT)
        if "crit" in fields:
            raise UnsupportedError(f"{WHAT}: critical headers")
        return cls(fields, payload, signature, data[: data.rindex(b".")])

    def verify(self, key: VerificationKey, what: str) -> None:
        if self.header.get("alg") != algorithm_of(key).name:
            raise SignatureError(f"{what}: algorithm isn't the key's")
        check_signature(key, self.signature, self.signed, what)


@dataclass(frozen=True, slots=True, init=False)
class VerifiedToken(Earned):
    """What was found about an accepted token, whichever way: see the two kinds of it.

    ``claims`` carry SHA-384 (48 bytes) of the token, and until when they count. ``key`` is who signed, ``profile`` what
    makes the claims mean something.

    Neither kind says who is at the other end of a connection. A nonce shows that the token is new, and whoever relays
    can pass on a nonce as well as the answer; so the level is the lowest, and no channel of this library is released.
    """

    claims: Trusted[Claims]
    key: VerificationKey
    profile: str
    level = Level.NONE  # not annotated, which would make it a field
    """How much is known of the connection that the token came through."""


class FreshToken(VerifiedToken):
    """A token made after the verifier chose a nonce: made by :func:`verify` only."""

    __slots__ = ()


class DatedToken(VerifiedToken):
    """A token that says when it was made, and may have been shown to others since: by :func:`verify_passport` only."""

    __slots__ = ()


def verify(
    token: bytes,
    *,
    key: VerificationKey,
    profile: str,
    audience: str,
    nonce: bytes | str,
    demands: Demands,
    max_age: int,
    at: int,
) -> FreshToken:
    """The decision about a token that answers a nonce: evidence, or a result in the background-check model.

    ``key``: the attester's, or the verifier's whose result it is; nothing in a token says which keys are good.
    ``profile``: the URI, or OID in dots, that it must state. ``audience``: who it must be for; empty: it must name
    nobody. ``nonce``: what was sent, as it was sent, and never before: 8 to 64 bytes for a CWT, text of 8 to 88 bytes
    for a JWT. ``max_age``: seconds from ``at`` on that the outcome may be used. ``at``: Unix seconds.

    Raises :class:`DecodeError`, :class:`UnsupportedError`, :class:`SignatureError`; :class:`UntrustedError` for another
    profile, audience or nonce; :class:`ExpiredError`; :class:`PolicyError` for claims that don't meet ``demands``;
    :class:`UsageError` for expected values that nothing should match. ``check`` of the error says at which step.
    """
    sent, most = (nonce.encode(), 88) if isinstance(nonce, str) else (nonce, 64)
    if not isinstance(sent, bytes) or not 8 <= len(sent) <= most or not any(sent):
        raise UsageError("a nonce is 8 to 64 bytes or text of 8 to 88, not all zero")
    read = _genuine(token, key, profile, audience, max_age)
    # req: rfc9711/9.3 freshness-is-checked
    with stage("eat_nonce"):
        if not any(_same(each, nonce) for each in read.claims.nonces):
            raise UntrustedError(f"{WHAT}: answers another nonce")
    return FreshToken._earn(claims=_timed(read, at, max_age, demands, at=at), key=key, profile=profile)


def verify_passport(
    token: bytes, *, key: VerificationKey, profile: str, audience: str, demands: Demands, max_age: int, at: int
) -> DatedToken:
    """The decision about a result that its subject carries around: the passport model.

    Its age counts from its own ``iat``, which it must have; arguments and errors are those of :func:`verify`. A nonce
    in it was somebody else's, and isn't looked at. Whoever was shown it can show it to others: a passport for an
    ``audience`` can be taken no further than there.
    """
    read = _genuine(token, key, profile, audience, max_age)
    # req: rfc9711/9.3 freshness-is-checked
    with stage("iat"):
        if read.claims.issued is None:
            raise PolicyError(f"{WHAT}: doesn't say when it was made")
    return DatedToken._earn(claims=_timed(read, read.claims.issued, max_age, demands, at=at), key=key, profile=profile)


def _genuine(token: bytes, key: VerificationKey, profile: str, audience: str, max_age: int) -> Token:
    """The token, by this key, under this profile, for this audience."""
    if not profile or not 0 < max_age < 1 << 32:
        raise UsageError("a profile is required, and a max_age of 1 to 2^32 - 1")
    algorithm_of(key)  # a key that verifies nothing is the caller's mistake, whatever the token
    read = Token.decode(token)
    with stage("signature"):
        read.verify(key)
    with stage("eat_profile"):
        if read.claims.profile != profile:
            raise UntrustedError(f"{WHAT}: of another profile")
    with stage("aud"):
        if (audience not in read.claims.audiences) if audience else read.claims.audiences:
            raise UntrustedError(f"{WHAT}: for another audience")
    return read


def _same(stated: bytes | str, sent: bytes | str) -> bool:
    """Bytes never equal text: each form of a token has its own kind of nonce."""
    if isinstance(stated, str):
        return isinstance(sent, str) and hmac.compare_digest(stated.encode(), sent.encode())
    return isinstance(sent, bytes) and hmac.compare_digest(stated, sent)


def _timed(read: Token, since: int, max_age: int, demands: Demands, *, at: int) -> Trusted[Claims]:
    """The claims, good from ``since`` on and as demanded, with their end of life."""
    claims = read.claims
    not_before = max(since, claims.not_before or 0, claims.issued or 0) - SKEW
    not_after = min(since + max_age, _LAST if claims.expires is None else claims.expires)
    with stage("time"):
        check_window(WHAT, not_before, not_after, at=at)
    demands.check(claims)
    return _trusted(claims, hashlib.sha384(read.encoded).digest(), not_before, not_after)
