"""One signed package: its epoch, its bytes, its signature."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self, TypeGuard

from privproc import cose
from privproc.errors import DecodeError, PolicyError, UnsupportedError, UntrustedError, UsageError
from privproc.keypackage.signers import LAST_EPOCH, Signer, SignerKey, Signers
from privproc.tagged import tagged_hash
from privproc.trust import Earned, check_window

__all__ = ["DIGEST_SIZE", "TYPE", "Grid", "Package", "VerifiedPackage", "seal", "verify"]

TYPE: Final = "application/privproc-package+cose"
"""The COSE header ``typ`` of a package (RFC 9596), so that nothing else the signer signs passes for one."""

DIGEST_SIZE: Final = 48
"""Bytes of a package's digest."""

_VERSION = 1
_MAX_PURPOSE = 64


@dataclass(frozen=True, slots=True)
class Grid:
    """The fixed grid of epochs: epoch ``n`` is ``[origin + n * length, origin + (n + 1) * length)``, Unix seconds."""

    origin: int
    length: int

    def __post_init__(self) -> None:
        if self.origin < 0 or self.length < 1:
            raise UsageError("a grid has an origin of 0 or more and epochs of 1 second or more")

    def start(self, epoch: int) -> int:
        """When ``epoch`` begins; it ends where the next begins."""
        return self.origin + epoch * self.length

    def epoch(self, *, at: int) -> int:
        """The epoch that ``at`` lies in. Raises :class:`UsageError` before the origin."""
        if at < self.origin:
            raise UsageError("before the first epoch")
        return (at - self.origin) // self.length


@dataclass(frozen=True, slots=True)
class Package:
    """What a signer says, as a deterministic CBOR map (RFC 8949 §4.2.1)::

        { 1: 1 (version), 2: purpose : tstr (1..64 bytes), 3: epoch : uint, 4: not_before : uint, 5: not_after : uint,
          6: previous : bstr (48 bytes, or 0 for the first), 7: content : bstr }

    ``not_before`` (included) and ``not_after`` (excluded) are Unix seconds under 2^48, ``previous`` is the digest of
    the package of the epoch before, ``content`` is the purpose's business.
    """

    purpose: str
    epoch: int
    not_before: int
    not_after: int
    previous: bytes
    content: bytes

    def encode(self) -> bytes:
        """The payload. Raises :class:`UsageError` for fields that :meth:`decode` would refuse."""
        payload = cose.encode(
            {
                1: _VERSION,
                2: self.purpose,
                3: self.epoch,
                4: self.not_before,
                5: self.not_after,
                6: self.previous,
                7: self.content,
            }
        )
        try:
            Package.decode(payload)
        except DecodeError as error:
            raise UsageError(str(error)) from None
        return payload

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Raises :class:`DecodeError`, or :class:`UnsupportedError` for another version."""
        fields = cose.decode(data, "package")
        if not isinstance(fields, dict) or list(fields) != [1, 2, 3, 4, 5, 6, 7]:
            # req: privproc1/7.2 payload-form
            raise DecodeError("package", "not a map of the keys 1 to 7")
        version, purpose, epoch, not_before, not_after, previous, content = fields.values()
        if version != _VERSION or type(version) is not int:
            raise UnsupportedError("package: unknown version")
        if not isinstance(purpose, str) or not 1 <= len(purpose.encode()) <= _MAX_PURPOSE:
            raise DecodeError("package", "purpose isn't a text of 1 to 64 bytes")
        if not (_uint(epoch) and _uint(not_before) and _uint(not_after)):
            raise DecodeError("package", "epoch or time isn't an unsigned integer under 2^48")
        if not isinstance(previous, bytes) or len(previous) not in (0, DIGEST_SIZE):
            raise DecodeError("package", "previous isn't a byte string of 0 or 48 bytes")
        if not isinstance(content, bytes):
            raise DecodeError("package", "content isn't a byte string")
        return cls(purpose, epoch, not_before, not_after, previous, content)


def _uint(value: object) -> TypeGuard[int]:
    # The type itself: true and false are ints too. The bound keeps sums far from any boundary.
    return type(value) is int and 0 <= value <= LAST_EPOCH


@dataclass(frozen=True, slots=True, init=False)
class VerifiedPackage(Earned):
    """One copy that verified: the package, its digest ``T("package", protected header, payload)`` (48 bytes, docs/
    protocol.md §2) and the bytes as received, for keeping and for showing to others.

    Verified isn't agreed upon: what may be used is :attr:`Agreed.content`.
    """

    package: Package
    digest: bytes
    received: bytes


def seal(package: Package, signer: Signer) -> bytes:
    """``package`` as a COSE_Sign1 message (:class:`privproc.cose.Sign1`) with protected header
    ``{alg: EdDSA, kid: bstr, typ: TYPE}``.

    Two signatures over one package are two packages to :func:`agree`, since the signer is part of the digest: one
    signer signs an epoch.
    """
    headers: cose.Headers = {cose.KID: signer.public.kid, cose.TYP: TYPE}
    return cose.sign1(package.encode(), headers, signer._key).encode()


def verify(data: bytes, *, signers: Signers, purpose: str, grid: Grid, at: int) -> VerifiedPackage:
    """Read one copy of a package.

    ``signers`` says who signs which epoch, ``purpose`` is the only accepted purpose, ``grid`` gives the window that an
    epoch must have. A package counts from one epoch before its window, when it is published, to the window's end.

    Raises :class:`DecodeError`, :class:`UnsupportedError`; :class:`UntrustedError` for a signer that isn't known, or
    isn't its epoch's; :class:`SignatureError`; :class:`PolicyError` for another purpose or a window off the grid;
    :class:`ExpiredError`.
    """
    if not purpose:
        raise UsageError("a purpose is needed")
    message = cose.Sign1.decode(data, "package")
    signer = _signer(message.headers, signers)
    message.verify(signer._key)
    package = Package.decode(message.payload)
    if package.purpose != purpose:
        # req: privproc1/7.2 purpose
        raise PolicyError("package: signed for another purpose")
    start, end = grid.start(package.epoch), grid.start(package.epoch + 1)
    if (package.not_before, package.not_after) != (start, end):
        # req: privproc1/7.2 window-of-the-epoch
        raise PolicyError("package: the window isn't its epoch's")
    if signers.of(package.epoch) != signer:
        # req: privproc1/7.8 signer-of-the-epoch
        raise UntrustedError("package: signed by the signer of another epoch")
    # req: privproc1/7.2 one-epoch-ahead
    check_window("package", start - grid.length, end, at=at)
    digest = tagged_hash("package", message.protected, message.payload)
    return VerifiedPackage._earn(package=package, digest=digest, received=data)


def _signer(headers: cose.Headers, signers: Signers) -> SignerKey:
    # Exactly these labels: an unknown one could mean something to another reader of the same signed bytes.
    if set(headers) != {cose.ALG, cose.KID, cose.TYP}:
        # req: privproc1/7.1 exact-header
        raise DecodeError("package", "the protected header isn't alg, kid and typ")
    if headers[cose.TYP] != TYPE:
        raise PolicyError("package: signed as another type of message")
    return signers.find(headers[cose.KID])
