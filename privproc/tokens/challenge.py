"""Token challenges, and their way through the WWW-Authenticate field (RFC 9577 §2.1).

privproc/1 takes challenges from the key package only: an origin that sends its own can make each client's tokens
recognisable. What is read from a field here is for other uses of Privacy Pass.
"""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass, field

from privproc import base64url, httpauth
from privproc.errors import DecodeError, PeerError, UnsupportedError, UsageError
from privproc.tokens.kinds import kind_of
from privproc.tokens.token import GREASE, SCHEME
from privproc.wire import Reader, Writer

__all__ = ["OfferedChallenge", "TokenChallenge", "decode_offers", "grease_challenge"]

# The authority of a URI (RFC 3986 §3.2), without the comma, which separates origin names.
AUTHORITY = re.compile(r"[A-Za-z0-9\-._~%!$&'()*+;=:@\[\]]{1,1024}+")
MAX_AGE = re.compile(r"[0-9]{1,10}+")
MAX_TOKEN_KEY = 4096


@dataclass(frozen=True, slots=True)
class TokenChallenge:
    """Which issuer's tokens are wanted, for which origins, in which context (RFC 9577 §2.1).

    ::

        struct {
            uint16_t token_type;
            opaque issuer_name<1..2^16-1>;
            opaque redemption_context<0..32>;       0 or 32 bytes
            opaque origin_info<0..2^16-1>;          origin names, separated by commas
        } TokenChallenge;

    A token counts for exactly one challenge: order and spelling of the names are part of it. Raises
    :class:`UnsupportedError` for a token type whose challenges may look different, :class:`UsageError` for fields that
    don't fit the structure.
    """

    token_type: int
    issuer_name: str
    redemption_context: bytes
    origin_info: tuple[str, ...]
    digest: bytes = field(init=False, repr=False, compare=False)
    """``challenge_digest``: SHA-256 of the encoding (32 bytes)."""
    _encoded: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        kind_of(self.token_type, "TokenChallenge")
        if not AUTHORITY.fullmatch(self.issuer_name):
            raise UsageError("issuer name is not the authority of a URI")
        if len(self.redemption_context) not in (0, 32):
            # req: rfc9577/2.1.1 context-of-0-or-32-bytes
            raise UsageError("redemption context has neither 0 nor 32 bytes")
        if not all(map(AUTHORITY.fullmatch, self.origin_info)):
            raise UsageError("an origin name is not the authority of a URI")
        origins = ",".join(self.origin_info).encode()
        writer = Writer().uint(2, self.token_type).vector(2, self.issuer_name.encode())
        encoded = writer.vector(1, self.redemption_context).vector(2, origins).done()
        object.__setattr__(self, "_encoded", encoded)
        object.__setattr__(self, "digest", hashlib.sha256(encoded).digest())

    @classmethod
    def decode(cls, data: bytes) -> TokenChallenge:
        """Raises :class:`UnsupportedError` for an unknown token type, else :class:`DecodeError`."""
        return Reader.all(data, "TokenChallenge", cls._read)

    @classmethod
    def _read(cls, reader: Reader) -> TokenChallenge:
        # req: rfc9577/2.1.1 type-comes-first
        # req: rfc9577/2.1.1 challenge-layout
        token_type = reader.u16()
        kind_of(token_type, "TokenChallenge")
        issuer_name = reader.vector(2, 1)
        redemption_context = reader.vector(1, 0, 32)
        origin_info = reader.vector(2)
        try:
            origins = tuple(origin_info.decode("ascii").split(",")) if origin_info else ()
            return cls(token_type, issuer_name.decode("ascii"), redemption_context, origins)
        except UnicodeDecodeError:
            raise reader.fail("a name is not ASCII") from None
        except UsageError as error:
            raise reader.fail(str(error)) from None

    def encode(self) -> bytes:
        """The bytes that tokens are bound to."""
        return self._encoded

    def names(self, origin: str) -> bool:
        """Whether a client may answer this challenge to ``origin``: no origin is named, or this one is, without regard
        to case (RFC 9577 §2.1).
        """
        # req: rfc9577/2.1.3 names-without-case
        return not self.origin_info or origin.lower() in (name.lower() for name in self.origin_info)


@dataclass(frozen=True, slots=True)
class OfferedChallenge:
    """One PrivateToken challenge of a WWW-Authenticate field.

    ``token_key``: the issuer's key as the *origin* gives it, in the encoding of the token type; ``None`` when absent.
    Nobody vouches for it: a key per client makes tokens linkable, so compare it with a key that came another way.
    ``max_age``: seconds (under 10**10) for which the origin accepts the challenge; ``None`` when absent.
    """

    challenge: TokenChallenge
    token_key: bytes | None = field(default=None, repr=False)
    max_age: int | None = None

    def __post_init__(self) -> None:
        if self.max_age is not None and not 0 <= self.max_age < 10**10:
            raise UsageError("max-age is a number of seconds, not negative")

    def encode(self) -> httpauth.Auth:
        """For :func:`privproc.httpauth.encode_challenges`, beside others and :func:`grease_challenge`."""
        params = [("challenge", base64url.encode_padded(self.challenge.encode()))]
        if self.token_key is not None:
            params.append(("token-key", base64url.encode_padded(self.token_key)))
        if self.max_age is not None:
            params.append(("max-age", str(self.max_age)))
        return httpauth.Auth(SCHEME, tuple(params))

    @classmethod
    def decode(cls, auth: httpauth.Auth) -> OfferedChallenge:
        """Parameters that aren't known are ignored. Raises :class:`UnsupportedError` for another scheme or an unknown
        token type (all grease), :class:`DecodeError` for a malformed challenge, key or age.
        """
        if not auth.is_scheme(SCHEME):
            raise UnsupportedError("challenge: not of the scheme PrivateToken")
        # req: rfc9577/2.1.2 unknown-parameters-are-ignored
        text = auth.get("challenge")
        if text is None:
            raise DecodeError("PrivateToken", "no challenge")
        challenge = TokenChallenge.decode(base64url.decode_padded(text, "challenge"))
        key, age = auth.get("token-key"), auth.get("max-age")
        if key is not None and len(key) > MAX_TOKEN_KEY:
            raise DecodeError("token-key", f"over {MAX_TOKEN_KEY} characters")
        # req: rfc9577/2.1.2 max-age-in-seconds
        if age is not None and not MAX_AGE.fullmatch(age):
            raise DecodeError("max-age", "not a number of seconds")
        token_key = None if key is None else base64url.decode_padded(key, "token-key")
        return cls(challenge, token_key, None if age is None else int(age))


def decode_offers(value: bytes, *, origin: str) -> tuple[OfferedChallenge, ...]:
    """The challenges of a WWW-Authenticate field that a client may answer to ``origin`` (the name it asked), in order.

    As RFC 9577 §2.1 has it, what isn't for this client is passed over: other schemes, unknown token types, malformed
    challenges, and those that name other origins. An empty result means: no answer. A field that isn't well
    formed itself raises what :func:`privproc.httpauth.decode_challenges` does.
    """
    offers = []
    # req: rfc9577/2.1.2 several-challenges
    for auth in httpauth.decode_challenges(value):
        try:
            offer = OfferedChallenge.decode(auth)
        # req: rfc9577/2.1.1 unknown-type-is-ignored
        # req: rfc9577/2.1.3 malformed-challenge-is-ignored
        except PeerError:
            continue
        # req: rfc9577/2.1.3 origin-is-listed
        if offer.challenge.names(origin):
            offers.append(offer)
    return tuple(offers)


def grease_challenge() -> httpauth.Auth:
    """A challenge of a reserved token type with random contents, to be mixed in by origins (RFC 9577 §4.1, §6.2.1)."""
    random = os.urandom(2)
    # req: rfc9577/4.1 grease
    # req: rfc9577/6.2.1 reserved-types-at-random
    types = sorted(GREASE)
    token_type = types[random[0] % len(types)]
    contents = token_type.to_bytes(2, "big") + os.urandom(32 + random[1] % 64)
    return httpauth.Auth(SCHEME, (("challenge", base64url.encode_padded(contents)),))
