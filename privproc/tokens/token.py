"""Tokens, and the public keys of issuers (RFC 9577 §2.2, RFC 9578 §5 and §6)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from privproc import base64url, httpauth, voprf
from privproc.errors import DecodeError, UnsupportedError, UsageError
from privproc.tokens.kinds import KINDS, ClientKey, Kind, PublicKey, kind_of, type_of
from privproc.wire import Reader

__all__ = ["GREASE", "SCHEME", "Token", "TokenKey", "token_input"]

GREASE = frozenset(
    (
        *(0x0000, 0x02AA, 0x1132, 0x2E96, 0x3CD3, 0x4473, 0x5A63, 0x6D32, 0x7F3F),
        *(0x8D07, 0x916B, 0xA6A4, 0xBEAB, 0xC3F3, 0xDA42, 0xE944, 0xF057),
    )
)
"""Reserved token types (RFC 9577 §6.2.1): sent now and then so that peers keep ignoring what they don't know."""

SCHEME = "PrivateToken"
"""The authentication scheme (RFC 9577 §6.1)."""


@dataclass(frozen=True, slots=True)
class TokenKey:
    """An issuer's public key: an element of the directory's ``token-keys`` (RFC 9578 §4).

    ``encoded``: for types 0x0002 and 0xDA7A a DER SubjectPublicKeyInfo with the RSASSA-PSS OID, 342 bytes for the usual
    exponent; for 0x0001 and 0x0005 an element of the group, 49 and 32 bytes. Ids are hashes of these bytes as received.
    ``not_before``: Unix seconds before which clients don't ask for tokens under this key.

    Raises :class:`UnsupportedError` for an unknown token type or an RSA key of another size than 2048 bits,
    :class:`DecodeError` for a malformed key, which the identity of a group is, too.
    """

    token_type: int
    encoded: bytes = field(repr=False)
    not_before: int | None = None
    key_id: bytes = field(init=False, compare=False)
    """``token_key_id``: SHA-256 of ``encoded`` (32 bytes)."""
    client: ClientKey = field(init=False, repr=False, compare=False)
    """The key, ready for use."""

    def __post_init__(self) -> None:
        client = kind_of(self.token_type, "token key").decode_key(self.encoded)
        # req: rfc9578/5.5 key-id
        # req: rfc9578/6.5 key-id
        object.__setattr__(self, "key_id", hashlib.sha256(self.encoded).digest())
        object.__setattr__(self, "client", client)

    @classmethod
    def of(cls, public_key: PublicKey, *, not_before: int | None = None) -> TokenKey:
        """The token key of a key of blind RSA, or of VOPRF with P-384 or ristretto255.

        Raises :class:`UnsupportedError` for other suites, and an RSA key that hasn't 2048 bits.
        """
        encoded = public_key.encoded if isinstance(public_key, voprf.PublicKey) else public_key.encode_spki()
        return cls(type_of(public_key), encoded, not_before)

    @property
    def kind(self) -> Kind:
        """What its token type fixes."""
        return KINDS[self.token_type]

    @property
    def public_key(self) -> PublicKey:
        """The key itself."""
        return self.client.public_key

    @property
    def truncated_id(self) -> int:
        """``truncated_token_key_id``: the last byte of the key id."""
        return self.key_id[-1]


def token_input(token_type: int, nonce: bytes, challenge_digest: bytes, token_key_id: bytes) -> bytes:
    """What an authenticator is over (RFC 9577 §2.2.1), 98 bytes: a token without it."""
    # req: rfc9577/2.2.3 authenticator-input
    return b"".join((token_type.to_bytes(2, "big"), nonce, challenge_digest, token_key_id))


@dataclass(frozen=True, slots=True)
class Token:
    """A token (RFC 9577 §2.2); whoever holds the bytes can spend them.

    ::

        struct {
            uint16_t token_type;                0x0001, 0x0002, 0x0005 or 0xDA7A
            uint8_t nonce[32];
            uint8_t challenge_digest[32];
            uint8_t token_key_id[32];
            uint8_t authenticator[Nk];          48, 256, 64 or 256
        } Token;                                146, 354, 162 or 354 bytes

    What it is worth is for :meth:`privproc.tokens.Origin.redeem` to say.
    """

    token_type: int
    nonce: bytes = field(repr=False)
    challenge_digest: bytes
    token_key_id: bytes
    authenticator: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if not len(self.nonce) == len(self.challenge_digest) == len(self.token_key_id) == 32:
            raise UsageError("Token: nonce, challenge digest and key id have 32 bytes each")
        size = kind_of(self.token_type, "Token").authenticator_size
        if len(self.authenticator) != size:
            raise UsageError(f"Token: the authenticator has {size} bytes")

    @classmethod
    def decode(cls, data: bytes) -> Token:
        """Raises :class:`UnsupportedError` for an unknown token type, :class:`DecodeError` for another length."""
        return Reader.all(data, "Token", cls._read)

    @classmethod
    def _read(cls, reader: Reader) -> Token:
        kind = kind_of(reader.u16(), "Token")
        # req: rfc9577/2.2.1 token-layout
        nonce, digest, key_id = reader.take(32), reader.take(32), reader.take(32)
        return cls(kind.token_type, nonce, digest, key_id, reader.take(kind.authenticator_size))

    @property
    def authenticator_input(self) -> bytes:
        """What the authenticator is over (RFC 9577 §2.2.1): the 98 bytes before it."""
        return token_input(self.token_type, self.nonce, self.challenge_digest, self.token_key_id)

    def encode(self) -> bytes:
        """The bytes that are spent."""
        return self.authenticator_input + self.authenticator

    def authorization(self) -> bytes:
        """The value of the Authorization field that spends the token (RFC 9577 §2.2)."""
        return httpauth.Auth(SCHEME, (("token", base64url.encode_padded(self.encode())),)).encode()

    @classmethod
    def from_authorization(cls, value: bytes) -> Token:
        """The token in the value of an Authorization field; others than ``token`` are ignored (RFC 9577 §2.2).

        Raises :class:`UnsupportedError` for another scheme or token type, :class:`DecodeError` for a malformed value
        or token, :class:`LimitError` for an oversized value.
        """
        auth = httpauth.Auth.decode(value)
        if not auth.is_scheme(SCHEME):
            raise UnsupportedError("credentials: not of the scheme PrivateToken")
        # req: rfc9577/2.2.2 credentials-ignore-others
        token = auth.get("token")
        if token is None:
            raise DecodeError("credentials", "no token")
        return cls.decode(base64url.decode_padded(token, "token"))
