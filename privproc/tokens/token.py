"""The token of type 0x0002, and the key that verifies it (RFC 9577 §2.2, RFC 9578 §6)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from privproc import httpauth
from privproc.blindrsa import PublicKey
from privproc.errors import DecodeError, UnsupportedError, UsageError
from privproc.tokens import _base64url
from privproc.wire import Reader

__all__ = ["BLIND_RSA", "GREASE", "SCHEME", "VOPRF", "Token", "TokenKey"]

VOPRF = 0x0001
"""VOPRF(P-384, SHA-384): known by its challenges, not issued or redeemed here."""

BLIND_RSA = 0x0002
"""Blind RSA (2048-bit), RSABSSA-SHA384-PSS-Deterministic."""

GREASE = frozenset(
    (
        *(0x0000, 0x02AA, 0x1132, 0x2E96, 0x3CD3, 0x4473, 0x5A63, 0x6D32, 0x7F3F),
        *(0x8D07, 0x916B, 0xA6A4, 0xBEAB, 0xC3F3, 0xDA42, 0xE944, 0xF057),
    )
)
"""Reserved token types (RFC 9577 §6.2.1): sent now and then so that peers keep ignoring what they don't know."""

SCHEME = "PrivateToken"
"""The authentication scheme (RFC 9577 §6.1)."""

KEY_SIZE = 256
TYPE_BYTES = BLIND_RSA.to_bytes(2, "big")


@dataclass(frozen=True, slots=True)
class TokenKey:
    """An issuer's public key: an element of the directory's ``token-keys`` (RFC 9578 §4, §6.5).

    ``spki``: DER SubjectPublicKeyInfo with the RSASSA-PSS OID, 342 bytes for the usual exponent; ids are hashes of
    these bytes as received. ``not_before``: Unix seconds before which clients don't ask for tokens under this key.

    Raises :class:`UnsupportedError` for another token type or another size than 2048 bits, :class:`DecodeError` for a
    malformed ``spki``.
    """

    token_type: int
    spki: bytes = field(repr=False)
    not_before: int | None = None
    key_id: bytes = field(init=False, compare=False)
    """``token_key_id``: SHA-256 of ``spki`` (32 bytes)."""
    public_key: PublicKey = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.token_type != BLIND_RSA:
            raise UnsupportedError(f"token key: token type 0x{self.token_type:04x}")
        public_key = PublicKey.decode_spki(self.spki)
        if public_key.n.bit_length() != 8 * KEY_SIZE:
            raise UnsupportedError(f"token key: {public_key.n.bit_length()} bits, not {8 * KEY_SIZE}")
        object.__setattr__(self, "key_id", hashlib.sha256(self.spki).digest())
        object.__setattr__(self, "public_key", public_key)

    @classmethod
    def of(cls, public_key: PublicKey, *, not_before: int | None = None) -> TokenKey:
        """The token key of a blind RSA key. Raises :class:`UnsupportedError` unless it has 2048 bits."""
        return cls(BLIND_RSA, public_key.encode_spki(), not_before)

    @property
    def truncated_id(self) -> int:
        """``truncated_token_key_id``: the last byte of the key id."""
        return self.key_id[-1]


@dataclass(frozen=True, slots=True)
class Token:
    """A token (RFC 9577 §2.2, RFC 9578 §6.3), 354 bytes; whoever holds the bytes can spend them.

    ::

        struct {
            uint16_t token_type = 0x0002;
            uint8_t nonce[32];
            uint8_t challenge_digest[32];
            uint8_t token_key_id[32];
            uint8_t authenticator[256];
        } Token;

    What it is worth is for :meth:`privproc.tokens.Origin.redeem` to say.
    """

    nonce: bytes = field(repr=False)
    challenge_digest: bytes
    token_key_id: bytes
    authenticator: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if not len(self.nonce) == len(self.challenge_digest) == len(self.token_key_id) == 32:
            raise UsageError("Token: nonce, challenge digest and key id have 32 bytes each")
        if len(self.authenticator) != KEY_SIZE:
            raise UsageError(f"Token: the authenticator has {KEY_SIZE} bytes")

    @classmethod
    def decode(cls, data: bytes) -> Token:
        """Raises :class:`UnsupportedError` for another token type, :class:`DecodeError` for another length."""
        return Reader.all(data, "Token", cls._read)

    @classmethod
    def _read(cls, reader: Reader) -> Token:
        if (token_type := reader.u16()) != BLIND_RSA:
            raise UnsupportedError(f"Token: token type 0x{token_type:04x}")
        return cls(reader.take(32), reader.take(32), reader.take(32), reader.take(KEY_SIZE))

    @property
    def token_type(self) -> int:
        """0x0002."""
        return BLIND_RSA

    @property
    def authenticator_input(self) -> bytes:
        """What the authenticator signs (RFC 9577 §2.2.1): the 98 bytes before it."""
        return TYPE_BYTES + self.nonce + self.challenge_digest + self.token_key_id

    def encode(self) -> bytes:
        """The 354 bytes."""
        return self.authenticator_input + self.authenticator

    def authorization(self) -> bytes:
        """The value of the Authorization field that spends the token (RFC 9577 §2.2)."""
        return httpauth.Auth(SCHEME, (("token", _base64url.encode(self.encode())),)).encode()

    @classmethod
    def from_authorization(cls, value: bytes) -> Token:
        """The token in the value of an Authorization field; others than ``token`` are ignored (RFC 9577 §2.2).

        Raises :class:`UnsupportedError` for another scheme or token type, :class:`DecodeError` for a malformed value
        or token, :class:`LimitError` for an oversized value.
        """
        auth = httpauth.Auth.decode(value)
        if not auth.is_scheme(SCHEME):
            raise UnsupportedError("credentials: not of the scheme PrivateToken")
        token = auth.get("token")
        if token is None:
            raise DecodeError("credentials", "no token")
        return cls.decode(_base64url.decode(token, "token"))
