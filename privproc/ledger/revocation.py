"""Revocation lists: what must no longer serve, published the same way as what may, in a log that everybody sees.

A list is a :class:`Revocations` whose digest is an entry's, of the role :data:`ROLE`. One that goes to a single device,
or that leaves something out for one, shows in the log. It is held whole: a question about a single digest would tell
who was asked which machine serves whom.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final, Self

from privproc.errors import DecodeError, ExpiredError, PolicyError, UntrustedError, UsageError
from privproc.ledger.entry import DIGEST_SIZES
from privproc.ledger.proof import SKEW, Logged
from privproc.tagged import LABEL, lp
from privproc.trust import Earned
from privproc.wire import Reader

__all__ = ["MAX_REVOKED", "ROLE", "Revocations", "VerifiedRevocations", "verify"]

ROLE: Final = "privproc/1/revocations"
"""The role under which the log holds a list's digest."""
MAX_REVOKED: Final = 1 << 16
"""How many digests a list can have."""

_WHAT = "revocation list"
_LABEL: Final = lp(LABEL + b"revocations")
_MAX_LENGTH = len(_LABEL) + 4 + 8 + 8 + 4 + MAX_REVOKED * (1 + DIGEST_SIZES[-1])


@dataclass(frozen=True, slots=True)
class Revocations:
    """A list of revoked digests::

        lp("privproc/1 revocations") || uint32 epoch || uint64 issued || uint64 not_after
            || uint32 count || (uint8 length || digest) ..

    ``revoked``: up to :data:`MAX_REVOKED` digests of 32, 48 or 64 bytes: measurements (48), chip identifiers
    (CHIP_ID of SEV-SNP, 64), digests of certificates and keys. The encoding has them in ascending order, the shorter
    ones first, each once. ``issued`` and ``not_after`` (excluded) are Unix seconds; ``epoch`` counts the lists and is
    the log entry's security version, so that the minimum version refuses an old one.
    """

    epoch: int
    issued: int
    not_after: int
    revoked: frozenset[bytes]

    def __post_init__(self) -> None:
        if not 0 <= self.epoch < 1 << 32 or not 0 <= self.issued < self.not_after < 1 << 64:
            raise UsageError("a list's epoch is a uint32; it is issued before it ends, both uint64")
        if len(self.revoked) > MAX_REVOKED or any(len(digest) not in DIGEST_SIZES for digest in self.revoked):
            raise UsageError(f"a list has up to {MAX_REVOKED} digests of 32, 48 or 64 bytes")

    def encode(self) -> bytes:
        """The wire form; its SHA-384 is what the log holds."""
        items = sorted(bytes([len(digest)]) + digest for digest in self.revoked)
        numbers = (
            self.epoch.to_bytes(4, "big"),
            self.issued.to_bytes(8, "big"),
            self.not_after.to_bytes(8, "big"),
            len(items).to_bytes(4, "big"),
        )
        return b"".join((_LABEL, *numbers, *items))

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Raises :class:`DecodeError` for all that :meth:`encode` doesn't write."""
        if len(data) > _MAX_LENGTH:
            raise DecodeError(_WHAT, f"more than {_MAX_LENGTH} bytes")
        return Reader.all(data, _WHAT, cls._read)

    @classmethod
    def _read(cls, reader: Reader) -> Self:
        if reader.take(len(_LABEL)) != _LABEL:
            raise DecodeError(_WHAT, "another label")
        epoch, issued, not_after, count = reader.u32(), reader.u64(), reader.u64(), reader.u32()
        revoked = []
        last = (0, b"")
        for _ in range(count):
            digest = reader.vector(1, DIGEST_SIZES[0], DIGEST_SIZES[-1])
            if (len(digest), digest) <= last:
                # req: privproc1/7.9 list-form
                raise reader.fail("digests that aren't in ascending order")
            last = len(digest), digest
            revoked.append(digest)
        try:
            return cls(epoch, issued, not_after, frozenset(revoked))
        except UsageError as error:
            raise reader.fail(str(error)) from None


@dataclass(frozen=True, slots=True, init=False)
class VerifiedRevocations(Earned):
    """A list that the log holds. ``not_after`` (Unix seconds, excluded) is the soonest of the list's end, its age's and
    the log entry's. ``digest`` (48 bytes) is the list's.
    """

    namespace: str
    epoch: int
    digest: bytes
    revoked: frozenset[bytes]
    not_after: int

    def check(self, *digests: bytes, at: int) -> None:
        """Raise :class:`PolicyError` if one of ``digests`` is revoked, :class:`ExpiredError` at the list's end.

        Each has 32, 48 or 64 bytes, as the list would hold it; anything else, and nothing at all, is
        :class:`UsageError`: it would never be found.
        """
        if not digests or any(not isinstance(each, bytes) or len(each) not in DIGEST_SIZES for each in digests):
            raise UsageError("what is looked up in a revocation list has 32, 48 or 64 bytes")
        if not self.revoked.isdisjoint(digests):
            raise PolicyError("revoked")
        if at >= self.not_after:
            raise ExpiredError("revocation list is no longer valid")


def verify(data: bytes, *, logged: Logged, max_age: int, at: int) -> VerifiedRevocations:
    """Check that ``data`` is the list that ``logged`` is the proof of, and not older than ``max_age`` seconds.

    ``logged`` comes from :func:`privproc.ledger.verify` for the role :data:`ROLE`, with the newest list's epoch that
    the caller knows of as the minimum version.

    Raises :class:`DecodeError`; :class:`UntrustedError` if another list is logged, in digest or in epoch;
    :class:`ExpiredError` past its end or age, or when ``at`` lies more than :data:`~privproc.ledger.proof.SKEW`
    seconds before it was issued; :class:`UsageError` for an entry of another role.
    """
    if not isinstance(logged, Logged) or logged.role != ROLE:
        raise UsageError(f"a log's entry of the role {ROLE} is needed")
    if not isinstance(max_age, int) or max_age < 1:
        raise UsageError("a maximum age is 1 second or more")
    digest = hashlib.sha384(data).digest()
    logged.confirm(digest, at=at)
    read = Revocations.decode(data)
    if read.epoch != logged.security_version:
        # req: privproc1/7.9 logged-list
        raise UntrustedError("revocation list: of another epoch than its log entry")
    if read.issued > at + SKEW:
        raise ExpiredError("revocation list: issued in the future")
    not_after = min(read.not_after, read.issued + max_age, logged.not_after)
    if at >= not_after:
        # req: privproc1/7.9 soonest-end
        raise ExpiredError("revocation list is no longer valid")
    return VerifiedRevocations._earn(
        namespace=logged.namespace,
        epoch=read.epoch,
        digest=digest,
        revoked=read.revoked,
        not_after=not_after,
    )
