"""Privacy Pass tokens of type 0xE5AC, which are presentations of ARC (draft-ietf-privacypass-arc-protocol-01).

::

    wire, pending = request(challenge, key)                      client: CredentialRequest, 229 bytes
    response = respond(server_key, wire)                         issuer, which is the origin: 454 bytes
    credential = pending.finish(response)                        client
    shown = present(challenge, key, presentations(challenge, key, credential, limit=128))
    tag = verify(server_key, shown, challenge=expected, limit=128)   origin: spent once

**The number in clear.** The draft's token has a ``presentation_nonce``, the number of the presentation, beside a
presentation that proves to hide it: tokens with high numbers are of clients that come often. Its verification doesn't
use the field. Here it is written as zero, and ignored when it is read.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from typing import ClassVar, Final, final

from privproc.errors import UnsupportedError, UntrustedError
from privproc.tokens.experimental import arc
from privproc.tokens.experimental.challenge import CredentialChallenge, check_type
from privproc.wire import Reader

__all__ = ["TOKEN_TYPE", "ArcChallenge", "key_id", "present", "presentations", "request", "respond", "verify"]

TOKEN_TYPE: Final = 0xE5AC
"""ARC (P-256). The number isn't registered."""

REQUEST_SIZE: Final = 3 + arc.REQUEST_SIZE
"""Bytes of a CredentialRequest."""

_HEAD: Final = TOKEN_TYPE.to_bytes(2, "big")


@final
@dataclass(frozen=True, slots=True)
class ArcChallenge(CredentialChallenge):
    """The challenge of type 0xE5AC (:class:`CredentialChallenge`).

    A credential is for issuer, origins and credential context; its presentations count for issuer, origins and
    redemption context. Raises :class:`UsageError` for fields that don't fit.
    """

    TOKEN_TYPE: ClassVar[int] = TOKEN_TYPE

    def request_context(self, key: arc.PublicKey) -> bytes:
        """What a credential is for: issuer, origins, credential context, each behind its length, and the key's id."""
        return self.bound(self.credential_context, key_id(key))

    def presentation_context(self, key: arc.PublicKey) -> bytes:
        """What presentations are counted for: as above, with the redemption context."""
        return self.bound(self.redemption_context, key_id(key))


def key_id(key: arc.PublicKey) -> bytes:
    """``issuer_key_id``: SHA-256 of the encoded key (32 bytes)."""
    return hashlib.sha256(key.encoded).digest()


def request(challenge: ArcChallenge, key: arc.PublicKey) -> tuple[bytes, arc.PendingCredential]:
    """A CredentialRequest, 229 bytes, and what reads the response.

    ::

        struct {
            uint16_t token_type = 0xE5AC;
            uint8_t truncated_issuer_key_id;
            uint8_t encoded_request[226];
        } CredentialRequest;
    """
    wire, pending = arc.request(key, challenge.request_context(key))
    return _HEAD + key_id(key)[-1:] + wire, pending


def respond(key: arc.ServerKey, request: bytes) -> bytes:
    """The response, 454 bytes. The issuer doesn't see what context the credential is for, and needn't.

    Raises :class:`UnsupportedError` for another token type or key, else as :meth:`arc.ServerKey.respond`.
    """

    def read(reader: Reader) -> bytes:
        check_type(reader, TOKEN_TYPE)
        if reader.u8() != key_id(key.public_key)[-1]:
            raise UnsupportedError("CredentialRequest: no key with this truncated id")
        return reader.rest()

    return key.respond(Reader.all(request, "CredentialRequest", read))


def presentations(
    challenge: ArcChallenge, key: arc.PublicKey, credential: arc.Credential, *, limit: int, used: int = 0
) -> arc.Presentations:
    """What a credential has for a challenge (:meth:`arc.Credential.presentations`): one for all with its context."""
    return credential.presentations(challenge.presentation_context(key), limit=limit, used=used)


def present(challenge: ArcChallenge, key: arc.PublicKey, left: arc.Presentations) -> bytes:
    """The next token, ``70 + presentation_size(limit)`` bytes.

    ::

        struct {
            uint16_t token_type = 0xE5AC;
            uint32_t presentation_nonce;            zero: see the module
            uint8_t challenge_digest[32];
            uint8_t issuer_key_id[32];
            uint8_t presentation[Npresentation];
        } Token;

    Raises :class:`LimitError` when none is left.
    """
    return b"".join((_HEAD, bytes(4), challenge.digest, key_id(key), left.present()))


def verify(key: arc.ServerKey, token: bytes, *, challenge: ArcChallenge, limit: int) -> bytes:
    """The tag of a token for the expected ``challenge``, 33 bytes: to be spent once before anything else happens.

    Raises :class:`UnsupportedError` for another token type, :class:`UntrustedError` for another key or challenge, else
    as :meth:`arc.ServerKey.verify`.
    """
    public = key.public_key

    def read(reader: Reader) -> bytes:
        check_type(reader, TOKEN_TYPE)
        reader.u32()
        digest, named = reader.take(32), reader.take(32)
        if named != key_id(public):
            raise UntrustedError("ARC token: of no accepted issuer key")
        if not hmac.compare_digest(digest, challenge.digest):
            raise UntrustedError("ARC token: for another challenge")
        return reader.rest()

    return key.verify(
        Reader.all(token, "ARC token", read),
        request_context=challenge.request_context(public),
        presentation_context=challenge.presentation_context(public),
        limit=limit,
    )
