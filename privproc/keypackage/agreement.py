"""Agreement of several sources on a package, and what follows from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from privproc.errors import PeerError, UntrustedError, UsageError
from privproc.keypackage.package import DIGEST_SIZE, Grid, VerifiedPackage, verify
from privproc.keypackage.signers import SIGNERS, Signers
from privproc.trust import Earned, Trusted, _trusted

__all__ = ["Agreed", "Seen", "agree", "signers_from"]


@dataclass(frozen=True, slots=True)
class Seen:
    """What a device remembers of a purpose: the highest epoch that it accepted and that package's digest (48 bytes).

    ``previous`` is the digest that this package names as the one before it (48 bytes, or empty): a device that learnt
    the next epoch's package ahead of time, and lost the present one, can still take exactly that again.
    """

    epoch: int
    digest: bytes
    previous: bytes = b""

    def __post_init__(self) -> None:
        if self.epoch < 0 or len(self.digest) != DIGEST_SIZE or len(self.previous) not in {0, DIGEST_SIZE}:
            raise UsageError("seen: an epoch of 0 or more and digests of 48 bytes")


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


def agree(
    copies: Sequence[tuple[str, bytes]],
    *,
    signers: Signers,
    purpose: str,
    grid: Grid,
    threshold: int,
    seen: Seen | None,
    at: int,
) -> Agreed:
    """The package of the newest epoch for which at least ``threshold`` sources show it.

    ``copies`` are pairs of a source's name and its bytes. ``seen`` is what an earlier :class:`Agreed` gave to keep;
    ``None`` says that this is the first contact ever. Copies that don't verify don't count. Neither does a newer
    package that too few show yet: it is published one epoch ahead, and sources don't take it up at the same moment. A
    package may be agreed upon one epoch ahead; the present one is then still accepted, but no other of its epoch.

    Raises :class:`UsageError` for a threshold under 1 or a source named twice. When no copy verifies, raises their
    error if all fail alike. Otherwise :class:`UntrustedError`: no agreement among them, too few sources, two packages
    for one epoch, ``seen`` and epochs that aren't chosen included (whatever the count: someone is being shown
    another), an epoch older than ``seen`` (rollback), or a next package that doesn't continue it. Over a gap of more
    than one epoch the chain of ``previous`` digests can't be checked.
    """
    if threshold < 1:
        raise UsageError("a threshold is 1 or more")
    if len({name for name, _ in copies}) != len(copies):
        # req: privproc1/7.3 each-source-once
        raise UsageError("a source counts once")
    shown = _verified(copies, signers=signers, purpose=purpose, grid=grid, at=at)
    digests = {copy.digest: copy.package.epoch for _, copy in shown}
    if seen is not None:
        digests[seen.digest] = seen.epoch
        if seen.previous:
            digests[seen.previous] = seen.epoch - 1
    # req: privproc1/7.3 split-view-is-an-error
    if len(set(digests.values())) < len(digests):
        raise UntrustedError("package: two packages for one epoch")
    newest, sources = _newest(shown, threshold)
    package = newest.package
    keep = Seen(package.epoch, newest.digest, package.previous)
    if seen is not None:
        _check_continues(newest, seen)
        keep = keep if keep.epoch > seen.epoch else seen
    return Agreed._earn(
        package=newest,
        content=_trusted(package.content, newest.digest, package.not_before, package.not_after),
        seen=keep,
        sources=sources,
    )


def _verified(
    copies: Sequence[tuple[str, bytes]], *, signers: Signers, purpose: str, grid: Grid, at: int
) -> list[tuple[str, VerifiedPackage]]:
    # Sources that agree show the same bytes: one verification serves them all. One bad copy doesn't stop the others.
    verified: dict[bytes, VerifiedPackage] = {}
    errors: list[PeerError] = []
    for data in {data for _, data in copies}:
        try:
            verified[data] = verify(data, signers=signers, purpose=purpose, grid=grid, at=at)
        except PeerError as error:
            errors.append(error)
    shown = [(name, verified[data]) for name, data in copies if data in verified]
    if shown:
        return shown
    if len({type(error) for error in errors}) == 1:
        raise errors[0]
    raise UntrustedError("package: no copy verifies")


def _newest(shown: Sequence[tuple[str, VerifiedPackage]], threshold: int) -> tuple[VerifiedPackage, tuple[str, ...]]:
    """The package of the newest epoch that enough sources show, and those sources. One package per epoch is given."""
    most = 0
    for _, newest in sorted(shown, key=lambda copy: copy[1].package.epoch, reverse=True):
        sources = tuple(name for name, copy in shown if copy.digest == newest.digest)
        if len(sources) >= threshold:
            return newest, sources
        most = max(most, len(sources))
    # req: privproc1/7.3 newest-that-enough-show
    raise UntrustedError(f"package: {most} sources agree, {threshold} are needed")


def _check_continues(newest: VerifiedPackage, seen: Seen) -> None:
    ahead = newest.package.epoch - seen.epoch
    if newest.digest == seen.previous:
        return
    if ahead < 0:
        # req: privproc1/7.3 continues-what-was-seen
        raise UntrustedError("package: rolled back to before the epoch seen")
    if ahead == 1 and newest.package.previous != seen.digest:
        raise UntrustedError("package: doesn't continue the package seen")
    if ahead > 1 and not newest.package.previous:
        raise UntrustedError("package: says that it is the first, after one was seen")


def signers_from(agreed: Agreed, held: Signers, *, at: int) -> Signers:
    """The signers that a package of purpose :data:`SIGNERS` lists, to be held in place of ``held``.

    A list of epoch ``n`` may change the signers from ``n + 2`` on. It must name those of ``n`` and ``n + 1`` as held:
    their packages may be published already, and a device that reads the list an epoch late verifies the same ones. So
    a takeover is announced by the old signer at least two epochs ahead, and can be revised until then. A device that
    misses every list in between can't verify the new signer's packages, and needs new anchors.

    Raises :class:`UsageError` for a package of another purpose; :class:`ExpiredError` outside of the package's epoch;
    :class:`DecodeError`; :class:`UntrustedError` for a list that says otherwise about ``n`` or ``n + 1``.
    """
    package = agreed.package.package
    if package.purpose != SIGNERS:
        raise UsageError(f"signers come from a package of purpose {SIGNERS}")
    listed = Signers.decode(agreed.content.get(at=at))
    if any(listed.of(epoch) != held.of(epoch) for epoch in (package.epoch, package.epoch + 1)):
        # req: privproc1/7.8 announced-two-epochs-ahead
        raise UntrustedError("signers: another signer for an epoch whose package may be published")
    return listed
