"""Signed key packages: who signed, for what, when, and whether enough independent sources show the same one.

A package carries opaque content (OHTTP key configurations, an issuer directory, policy floors) for one epoch of a fixed
grid. :func:`verify` reads one copy. :func:`agree` is the way to use one: it takes copies from several sources and gives
:class:`~privproc.trust.Trusted` content only when enough of them show the same package and it fits what was seen
before. A signature alone doesn't protect a device that is given a package of its own (findings 1 and 3 of the audit of
Private Processing: per-user keys).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, NoReturn, Self, TypeGuard, final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from privproc import cose
from privproc.errors import DecodeError, PeerError, PolicyError, UnsupportedError, UntrustedError, UsageError
from privproc.secret import Secret
from privproc.tagged import tagged_hash
from privproc.trust import Earned, Trusted, _trusted, check_window

__all__ = [
    "TYPE",
    "Agreed",
    "Grid",
    "Package",
    "Seen",
    "Signer",
    "SignerKey",
    "VerifiedPackage",
    "agree",
    "seal",
    "verify",
]

TYPE: Final = "application/privproc-package+cose"
"""The COSE header ``typ`` of a package (RFC 9596), so that nothing else the signer signs passes for one."""

_VERSION = 1
_DIGEST = 48
_MAX_PURPOSE = 64
_MAX_TIME = 1 << 48  # seconds; keeps sums far from any boundary


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
            raise DecodeError("package", "not a map of the keys 1 to 7")
        version, purpose, epoch, not_before, not_after, previous, content = fields.values()
        if version != _VERSION or type(version) is not int:
            raise UnsupportedError("package: unknown version")
        if not isinstance(purpose, str) or not 1 <= len(purpose.encode()) <= _MAX_PURPOSE:
            raise DecodeError("package", "purpose isn't a text of 1 to 64 bytes")
        if not (_uint(epoch) and _uint(not_before) and _uint(not_after)):
            raise DecodeError("package", "epoch or time isn't an unsigned integer under 2^48")
        if not isinstance(previous, bytes) or len(previous) not in (0, _DIGEST):
            raise DecodeError("package", "previous isn't a byte string of 0 or 48 bytes")
        if not isinstance(content, bytes):
            raise DecodeError("package", "content isn't a byte string")
        return cls(purpose, epoch, not_before, not_after, previous, content)


def _uint(value: object) -> TypeGuard[int]:
    return type(value) is int and 0 <= value < _MAX_TIME  # the type itself: true and false are ints too


@dataclass(frozen=True, slots=True)
class SignerKey:
    """A signer's public key: Ed25519, 32 bytes. ``kid`` is its SHA-256 (32 bytes)."""

    public: bytes
    kid: bytes = field(init=False, repr=False)
    _key: Ed25519PublicKey = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if len(self.public) != 32:
            raise UsageError("an Ed25519 public key is 32 bytes")
        object.__setattr__(self, "kid", hashlib.sha256(self.public).digest())
        object.__setattr__(self, "_key", Ed25519PublicKey.from_public_bytes(self.public))


@final
class Signer:
    """The private key of a package signer (Ed25519). Opaque; can't be copied or pickled."""

    __slots__ = ("_key", "public")

    public: SignerKey

    def __init__(self, seed: Secret) -> None:
        """``seed``: the 32 bytes of an Ed25519 private key (RFC 8032 §5.1.5)."""
        if len(seed) != 32:
            raise UsageError("an Ed25519 private key is 32 bytes")
        self._key = Ed25519PrivateKey.from_private_bytes(seed.expose())
        self.public = SignerKey(self._key.public_key().public_bytes_raw())

    @classmethod
    def generate(cls) -> Self:
        """A fresh key."""
        return cls(Secret(Ed25519PrivateKey.generate().private_bytes_raw()))

    def __repr__(self) -> str:
        return f"<Signer {self.public.kid.hex()[:16]}>"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise UsageError("a Signer can't be copied or pickled")

    def __copy__(self) -> NoReturn:
        raise UsageError("a Signer can't be copied or pickled")

    def __deepcopy__(self, memo: object) -> NoReturn:
        raise UsageError("a Signer can't be copied or pickled")


@dataclass(frozen=True, slots=True, init=False)
class VerifiedPackage(Earned):
    """One copy that verified: the package, its digest ``T("package", protected header, payload)`` (48 bytes, docs/
    protocol.md §2) and the bytes as received, for keeping and for showing to others.

    Verified isn't agreed upon: what may be used is :attr:`Agreed.content`.
    """

    package: Package
    digest: bytes
    received: bytes


@dataclass(frozen=True, slots=True)
class Seen:
    """What a device remembers of a purpose: the highest epoch that it accepted and that package's digest (48 bytes)."""

    epoch: int
    digest: bytes

    def __post_init__(self) -> None:
        if self.epoch < 0 or len(self.digest) != _DIGEST:
            raise UsageError("seen: an epoch of 0 or more and a digest of 48 bytes")


@dataclass(frozen=True, slots=True, init=False)
class Agreed(Earned):
    """A package that enough sources show.

    ``content`` opens inside the package's window only. ``seen`` is to be kept, in place of what was passed in.
    ``sources`` are the names that showed this package, in the order given.
    """

    package: VerifiedPackage
    content: Trusted[bytes]
    seen: Seen
    sources: tuple[str, ...]


def seal(package: Package, signer: Signer) -> bytes:
    """``package`` as a COSE_Sign1 message (:class:`privproc.cose.Sign1`) with protected header
    ``{alg: EdDSA, kid: bstr, typ: TYPE}``.

    Two signatures over one package are two packages to :func:`agree`, since the signer is part of the digest: one
    signer signs an epoch.
    """
    headers: cose.Headers = {cose.KID: signer.public.kid, cose.TYP: TYPE}
    return cose.sign1(package.encode(), headers, signer._key).encode()


def verify(data: bytes, *, signers: Sequence[SignerKey], purpose: str, grid: Grid, at: int) -> VerifiedPackage:
    """Read one copy of a package.

    ``signers`` are the accepted keys, ``purpose`` the only accepted purpose, ``grid`` gives the window that an epoch
    must have. A package counts from one epoch before its window, when it is published, to the window's end.

    Raises :class:`DecodeError`, :class:`UnsupportedError`; :class:`UntrustedError` for a signer that isn't accepted;
    :class:`SignatureError`; :class:`PolicyError` for another purpose or a window off the grid; :class:`ExpiredError`.
    """
    if not signers or not purpose:
        raise UsageError("signers and purpose are needed")
    message = cose.Sign1.decode(data, "package")
    message.verify(_signer(message.headers, signers)._key)
    package = Package.decode(message.payload)
    if package.purpose != purpose:
        raise PolicyError("package: signed for another purpose")
    start, end = grid.start(package.epoch), grid.start(package.epoch + 1)
    if (package.not_before, package.not_after) != (start, end):
        raise PolicyError("package: the window isn't its epoch's")
    check_window("package", start - grid.length, end, at)
    digest = tagged_hash("package", message.protected, message.payload)
    return VerifiedPackage._earn(package=package, digest=digest, received=data)


def _signer(headers: cose.Headers, signers: Sequence[SignerKey]) -> SignerKey:
    # Exactly these labels: an unknown one could mean something to another reader of the same signed bytes.
    if set(headers) != {cose.ALG, cose.KID, cose.TYP}:
        raise DecodeError("package", "the protected header isn't alg, kid and typ")
    if headers[cose.TYP] != TYPE:
        raise PolicyError("package: signed as another type of message")
    for signer in signers:
        if signer.kid == headers[cose.KID]:
            return signer
    raise UntrustedError("package: the signer isn't one of the accepted")


def agree(
    copies: Sequence[tuple[str, bytes]],
    *,
    signers: Sequence[SignerKey],
    purpose: str,
    grid: Grid,
    threshold: int,
    seen: Seen | None,
    at: int,
) -> Agreed:
    """The package that at least ``threshold`` sources show, from ``copies``: pairs of a source's name and its bytes.

    ``seen`` is what an earlier :class:`Agreed` gave to keep; ``None`` says that this is the first contact ever. Copies
    that don't verify, and copies of an older epoch than the newest that does, don't count. A package may be agreed upon
    one epoch ahead; the caller then keeps the present one beside it until the boundary, since a package older than
    ``seen`` isn't accepted again.

    Raises :class:`UsageError` for a threshold under 1 or a source named twice. When no copy verifies, raises their
    error if all fail alike. Otherwise :class:`UntrustedError`: no agreement among them, too few sources, two packages
    for one epoch (whatever the count: someone is being shown another), an epoch older than ``seen`` (rollback), a
    second package for the epoch seen, or a next package that doesn't continue it. Over a gap of more than one epoch the
    chain of ``previous`` digests can't be checked.
    """
    if threshold < 1:
        raise UsageError("a threshold is 1 or more")
    if len({name for name, _ in copies}) != len(copies):
        raise UsageError("a source counts once")
    shown = _verified(copies, signers=signers, purpose=purpose, grid=grid, at=at)
    digests = {copy.digest: copy.package.epoch for _, copy in shown}
    if len(set(digests.values())) < len(digests):
        raise UntrustedError("package: two packages for one epoch")
    newest = max((copy for _, copy in shown), key=lambda copy: copy.package.epoch)
    sources = tuple(name for name, copy in shown if copy.digest == newest.digest)
    if len(sources) < threshold:
        raise UntrustedError(f"package: {len(sources)} sources agree, {threshold} are needed")
    if seen is not None:
        _check_continues(newest, seen)
    package = newest.package
    return Agreed._earn(
        package=newest,
        content=_trusted(package.content, newest.digest, package.not_before, package.not_after),
        seen=Seen(package.epoch, newest.digest),
        sources=sources,
    )


def _verified(
    copies: Sequence[tuple[str, bytes]], *, signers: Sequence[SignerKey], purpose: str, grid: Grid, at: int
) -> list[tuple[str, VerifiedPackage]]:
    shown, errors = [], []
    for name, data in copies:
        try:
            shown.append((name, verify(data, signers=signers, purpose=purpose, grid=grid, at=at)))
        except PeerError as error:  # one bad copy doesn't stop the others
            errors.append(error)
    if shown:
        return shown
    if len({type(error) for error in errors}) == 1:
        raise errors[0]
    raise UntrustedError("package: no copy verifies")


def _check_continues(newest: VerifiedPackage, seen: Seen) -> None:
    ahead = newest.package.epoch - seen.epoch
    if ahead < 0:
        raise UntrustedError("package: rolled back to before the epoch seen")
    if ahead == 0 and newest.digest != seen.digest:
        raise UntrustedError("package: a second package for the epoch seen")
    if ahead == 1 and newest.package.previous != seen.digest:
        raise UntrustedError("package: doesn't continue the package seen")
    if ahead > 1 and not newest.package.previous:
        raise UntrustedError("package: says that it is the first, after one was seen")
