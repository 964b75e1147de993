"""The log entries of privproc: which digest may serve in which namespace and role, until when."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Self

from privproc.errors import DecodeError, UsageError
from privproc.tagged import LABEL, lp
from privproc.wire import Reader

__all__ = ["DIGEST_SIZES", "Entry"]

DIGEST_SIZES: Final = (32, 48, 64)
"""Lengths of a digest: SHA-256, SHA-384 (measurements, packages), SHA-512."""

_WHAT = "log entry"
_FIELDS = 5
_HEAD = lp(LABEL + b"entry") + _FIELDS.to_bytes(2, "big")
_MAX_NAME = 255
_NAME = re.compile(r"[!-~]{1,255}")


@dataclass(frozen=True, slots=True)
class Entry:
    """What a leaf of the log says, the input of ``T("entry", ...)`` (docs/protocol.md §1), so that it is injective::

        lp("privproc/1 entry") || uint16 5 || lp(namespace) || lp(role) || lp(digest) || lp(uint64 not_after)
            || lp(uint32 security_version)

    ``namespace`` and ``role``: 1 to 255 visible ASCII characters, compared byte for byte. ``digest``: 32, 48 or 64
    bytes, of a measured image or of a key package. ``not_after``: Unix seconds, excluded; an entry is not for ever.
    """

    namespace: str
    role: str
    digest: bytes
    not_after: int
    security_version: int

    def __post_init__(self) -> None:
        for name in (self.namespace, self.role):
            if not _NAME.fullmatch(name):
                raise UsageError("namespace and role are 1 to 255 visible ASCII characters")
        if len(self.digest) not in DIGEST_SIZES:
            raise UsageError("a digest is 32, 48 or 64 bytes")
        if not 0 <= self.not_after < 1 << 64 or not 0 <= self.security_version < 1 << 32:
            raise UsageError("not_after is a uint64, security_version a uint32")

    def encode(self) -> bytes:
        """The leaf's data; its hash is :func:`privproc.ledger.merkle.leaf_hash` of this."""
        fields = (
            self.namespace.encode(),
            self.role.encode(),
            self.digest,
            self.not_after.to_bytes(8, "big"),
            self.security_version.to_bytes(4, "big"),
        )
        return b"".join((_HEAD, *map(lp, fields)))

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Raises :class:`DecodeError` for all that :meth:`encode` doesn't write."""
        return Reader.all(data, _WHAT, cls._read)

    @classmethod
    def _read(cls, reader: Reader) -> Self:
        if reader.take(len(_HEAD)) != _HEAD:
            # req: privproc1/7.4 entry-form
            raise DecodeError(_WHAT, "another label or count")
        namespace, role = reader.vector(4, 1, _MAX_NAME), reader.vector(4, 1, _MAX_NAME)
        digest = reader.vector(4, DIGEST_SIZES[0], DIGEST_SIZES[-1])
        not_after, version = reader.vector(4, 8, 8), reader.vector(4, 4, 4)
        try:
            # Latin-1 maps every byte to the character that the check of the names then sees.
            return cls(
                namespace.decode("latin-1"),
                role.decode("latin-1"),
                digest,
                int.from_bytes(not_after, "big"),
                int.from_bytes(version, "big"),
            )
        except UsageError as error:
            raise reader.fail(str(error)) from None
