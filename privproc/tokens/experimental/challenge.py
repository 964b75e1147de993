"""The challenge for tokens that come of a credential: RFC 9577's, with a context of the credential behind it
(draft-ietf-privacypass-arc-protocol-01, draft-schlesinger-privacypass-act).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import ClassVar, Self

from privproc.errors import UnsupportedError, UsageError
from privproc.tokens.challenge import AUTHORITY
from privproc.wire import Reader, Writer

__all__ = ["CredentialChallenge", "check_type"]


def check_type(reader: Reader, token_type: int) -> None:
    """Read a token type. Raises :class:`UnsupportedError` for another one."""
    if (found := reader.u16()) != token_type:
        raise UnsupportedError(f"{reader.what}: token type 0x{found:04x}")


@dataclass(frozen=True, slots=True)
class CredentialChallenge:
    """Which issuer's credentials are wanted, for which origins, in which contexts. A base: each token type has its own.

    ::

        struct {
            uint16_t token_type;
            opaque issuer_name<1..2^16-1>;
            opaque redemption_context<0..32>;       0 or 32 bytes
            opaque origin_info<0..2^16-1>;
            opaque credential_context<0..32>;       0 or 32 bytes
        } TokenChallenge;

    Raises :class:`UsageError` for fields that don't fit.
    """

    TOKEN_TYPE: ClassVar[int]

    issuer_name: str
    redemption_context: bytes = field(default=b"", repr=False)
    origin_info: tuple[str, ...] = field(default=(), repr=False)
    credential_context: bytes = field(default=b"", repr=False)
    digest: bytes = field(init=False, repr=False, compare=False)
    """``challenge_digest``: SHA-256 of the encoding (32 bytes)."""

    def __post_init__(self) -> None:
        if not all(map(AUTHORITY.fullmatch, (self.issuer_name, *self.origin_info))):
            raise UsageError(f"{type(self).__name__}: a name is not the authority of a URI")
        if not {len(self.redemption_context), len(self.credential_context)} <= {0, 32}:
            raise UsageError(f"{type(self).__name__}: a context has neither 0 nor 32 bytes")
        object.__setattr__(self, "digest", hashlib.sha256(self.encode()).digest())

    @property
    def _origins(self) -> bytes:
        return ",".join(self.origin_info).encode("ascii")

    def encode(self) -> bytes:
        """The bytes of the structure."""
        writer = Writer().uint(2, self.TOKEN_TYPE).vector(2, self.issuer_name.encode("ascii"))
        writer.vector(1, self.redemption_context).vector(2, self._origins)
        return writer.vector(1, self.credential_context).done()

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Raises :class:`UnsupportedError` for another token type, else :class:`DecodeError`."""
        return Reader.all(data, cls.__name__, cls._read)

    @classmethod
    def _read(cls, reader: Reader) -> Self:
        check_type(reader, cls.TOKEN_TYPE)
        issuer, redemption = reader.vector(2, 1), reader.vector(1, 0, 32)
        origins, credential = reader.vector(2), reader.vector(1, 0, 32)
        try:
            names = tuple(origins.decode("ascii").split(",")) if origins else ()
            return cls(issuer.decode("ascii"), redemption, names, credential)
        except (UnicodeDecodeError, UsageError):
            raise reader.fail("a name or a context is malformed") from None

    def bound(self, context: bytes, key_id: bytes) -> bytes:
        """What something is for: issuer, origins and a context, each behind its length of two bytes, and a key's id.

        The drafts write ``concat`` of these and show no length. Without one, some of an issuer's name could be taken
        for an origin's.
        """
        writer = Writer()
        for part in (self.issuer_name.encode("ascii"), self._origins, context):
            writer.vector(2, part)
        return writer.done() + key_id
