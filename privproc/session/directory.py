"""The key directory: learning what a package of privproc/1 contains from mirrors (docs/protocol.md §3).

The package is where every value comes from that could single a device out if it came from anywhere else: the gateway's
and the issuer's key, the policy, the ledger's checkpoint, the sizes. It counts only if enough independent mirrors show
the same one and a witnessed log holds it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Self

from privproc import ledger
from privproc.attestation import nvidia, snp
from privproc.attestation.cache import Cache
from privproc.attestation.roots import Roots
from privproc.errors import DecodeError, PeerError, PolicyError, UntrustedError, UsageError
from privproc.hpke import Suite
from privproc.keypackage import SIGNERS, Agreed, Grid, Seen, Signers, agree, signers_from
from privproc.ledger import Checkpoint, LogPolicy
from privproc.ledger.merkle import EMPTY_ROOT
from privproc.ratls import Group
from privproc.session.contents import Contents
from privproc.session.profile import HYBRID, SUITES
from privproc.trust import Earned, Trusted
from privproc.wire import Reader, Writer

__all__ = [
    "PURPOSE",
    "Anchors",
    "Directory",
    "Memory",
    "Published",
    "learn",
    "learn_signers",
    "package_role",
]

PURPOSE = "privproc/1/directory"
"""The purpose that the package's signer states."""

_PACKAGE_LIMIT = 1 << 17


@dataclass(frozen=True, slots=True)
class Published:
    """What a mirror serves::

    struct {
        opaque package<1..2^17>;        uint32 lengths: COSE_Sign1, see keypackage
        opaque log_proof<1..2^17>;      that the log holds its digest
    } Published;
    """

    package: bytes
    log_proof: bytes

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Raises :class:`DecodeError`."""
        return Reader.all(
            data,
            # req: privproc1/3.1 published-form
            "published package",
            lambda reader: cls(reader.vector(4, 1, _PACKAGE_LIMIT), reader.vector(4, 1, _PACKAGE_LIMIT)),
        )

    def encode(self) -> bytes:
        """The wire form."""
        return Writer().vector(4, self.package).vector(4, self.log_proof).done()


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchors:
    """What a device ships with, and nothing on the wire can change.

    ``signers`` of packages, by epoch of ``grid``; ``mirrors`` the names of all sources, and ``agreeing`` how many of
    them must show the same: a majority, so that no two groups of devices can be shown two packages by keeping the other
    mirrors silent; ``package_log`` and ``package_namespace`` where packages are logged; ``logs`` the policy for each
    log of measurements, by origin; ``roots`` the pinned roots of the hardware vendor, ``device_roots`` those of the
    vendor of GPUs. ``cache``, of the device's own, keeps what was verified about the former's authorities; without one
    they are verified for each session. ``require_hybrid``: nothing is sent to a gateway key, in a TLS group, or to an
    enclave or node, that isn't post-quantum; without it hybrids are used wherever the other end has them.
    """

    signers: Signers
    grid: Grid
    mirrors: tuple[str, ...]
    agreeing: int
    package_log: LogPolicy
    package_namespace: str
    logs: Mapping[str, LogPolicy]
    roots: snp.Roots
    device_roots: Roots = nvidia.NVIDIA_ROOTS
    cache: Cache | None = field(default=None, compare=False)
    require_hybrid: bool = False

    def __post_init__(self) -> None:
        if len(set(self.mirrors)) != len(self.mirrors) or not len(self.mirrors) // 2 < self.agreeing <= len(
            self.mirrors
        ):
            # req: privproc1/3.5 majority-of-mirrors
            raise UsageError("mirrors have names of their own, and a majority of them must agree")

    @property
    def suites(self) -> tuple[Suite, ...]:
        """The HPKE suites that a gateway, an enclave or a node may use with this device. What it sends is the same."""
        return HYBRID if self.require_hybrid else SUITES

    def check(self, contents: Contents) -> None:
        """Raise :class:`PolicyError` for a gateway key or TLS group that ``require_hybrid`` excludes."""
        hybrid = contents.group is Group.X25519MLKEM768 and contents.keys.configs[0].kem is HYBRID[0].kem
        if self.require_hybrid and not hybrid:
            # req: privproc1/4.1 hybrid-if-demanded
            raise PolicyError("the directory's gateway key or TLS group isn't hybrid, which this device requires")


@dataclass(frozen=True, slots=True)
class Memory:
    """What a device keeps between packages: the newest one seen, and the newest checkpoint of the packages' log."""

    seen: Seen | None
    checkpoint: Checkpoint

    @classmethod
    def first(cls, anchors: Anchors) -> Self:
        """The memory of a device that has seen nothing yet."""
        return cls(None, Checkpoint(anchors.package_log.key.name, 0, EMPTY_ROOT))


@dataclass(frozen=True, slots=True, init=False)
class Directory(Earned):
    """A package that enough mirrors show and the log holds.

    ``contents`` open within the package's epoch, and no longer than the log's proof is good; ``epoch_end`` (Unix
    seconds) is the end of the former alone. ``package`` is its digest (48 bytes). ``memory`` replaces what was passed
    to :func:`learn`.
    """

    contents: Trusted[Contents]
    epoch_end: int
    package: bytes
    memory: Memory


def learn(copies: Sequence[tuple[str, bytes]], anchors: Anchors, *, memory: Memory, at: int) -> Directory:
    """Verify what mirrors served: pairs of the mirror's name and its :class:`Published` bytes.

    A copy that can't be read doesn't count. Raises what :func:`privproc.keypackage.agree` and
    :func:`privproc.ledger.verify` raise, and :class:`PeerError` for contents that don't decode.
    """
    agreed, content, memory = _learn(copies, anchors, memory, PURPOSE, at)
    return Directory._earn(
        # req: privproc1/3.5 contents-before-memory
        contents=content.map(Contents.decode),
        epoch_end=agreed.content.not_after,
        package=agreed.package.digest,
        memory=memory,
    )


def learn_signers(
    copies: Sequence[tuple[str, bytes]], anchors: Anchors, *, memory: Memory, at: int
) -> tuple[Anchors, Memory]:
    """Like :func:`learn`, for the package that lists the signers of coming epochs; at a time within its epoch.

    Gives the anchors with those signers, to be kept from now on, and the memory for packages of this purpose, which is
    another than the directory's. Agreement and log are needed here too: a device with signers of its own could be given
    directories of its own. Also raises what :func:`privproc.keypackage.signers_from` raises.
    """
    agreed, _, memory = _learn(copies, anchors, memory, SIGNERS, at)
    return replace(anchors, signers=signers_from(agreed, anchors.signers, at=at)), memory


def _learn(
    copies: Sequence[tuple[str, bytes]], anchors: Anchors, memory: Memory, purpose: str, at: int
) -> tuple[Agreed, Trusted[bytes], Memory]:
    names = [name for name, _ in copies]
    if len(set(names)) != len(names) or not set(names) <= set(anchors.mirrors):
        # req: privproc1/3.5 known-mirrors-once
        raise UsageError("a mirror counts once, and is one of the anchors'")
    read = {name: published for name, data in copies if (published := _published(data)) is not None}
    agreed = agree(
        [(name, published.package) for name, published in read.items()],
        signers=anchors.signers,
        purpose=purpose,
        grid=anchors.grid,
        threshold=anchors.agreeing,
        seen=memory.seen,
        at=at,
    )
    logged = _logged([read[name].log_proof for name in agreed.sources], agreed, anchors, memory, at)
    # The smallest tree becomes the floor: one mirror that runs ahead must not make the others look rolled back.
    # req: privproc1/3.5 smallest-tree-is-kept
    floor = min((it.checkpoint for it in logged), key=lambda checkpoint: checkpoint.size)
    # req: privproc1/3.5 ends-with-epoch-and-proof
    return agreed, agreed.content.until(max(it.not_after for it in logged)), Memory(agreed.seen, floor)


def _published(data: bytes) -> Published | None:
    try:
        # req: privproc1/3.5 unreadable-copies-are-dropped
        return Published.decode(data)
    except DecodeError:
        return None


def package_role(purpose: str, epoch: int) -> str:
    """The role under which the log holds a package: one entry each, so that a second one for an epoch stands out."""
    # req: privproc1/3.6 one-role-for-an-epoch
    return f"{purpose}/{epoch}"


def _logged(
    proofs: Sequence[bytes], agreed: Agreed, anchors: Anchors, memory: Memory, at: int
) -> Sequence[ledger.Logged]:
    """What the proofs show that hold. One that doesn't is its mirror's affair, as long as another's does."""
    failure: PeerError = UntrustedError("directory: not logged")
    package = agreed.package.package
    holding = []
    for proof in dict.fromkeys(proofs):
        try:
            logged = ledger.verify(
                proof,
                namespace=anchors.package_namespace,
                role=package_role(package.purpose, package.epoch),
                log=anchors.package_log,
                floor=memory.checkpoint,
                minimum_version=0,
                at=at,
            )
            # req: privproc1/3.5 logged-before-use
            logged.confirm(agreed.package.digest, at=at)
        except PeerError as error:
            # req: privproc1/3.5 one-proof-suffices
            failure = error
        else:
            holding.append(logged)
    if not holding:
        raise failure
    return holding
