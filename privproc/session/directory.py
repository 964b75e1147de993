"""The key directory: what a package of privproc/1 contains, and learning it from mirrors (docs/protocol.md §3).

The package is where every value comes from that could single a device out if it came from anywhere else: the gateway's
and the issuer's key, the policy, the ledger's checkpoint, the sizes. It counts only if enough independent mirrors show
the same one and a witnessed log holds it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Self

from privproc import cose, ledger, ratls
from privproc.attestation import snp
from privproc.attestation.cache import Cache
from privproc.errors import DecodeError, PeerError, PolicyError, UnsupportedError, UntrustedError, UsageError
from privproc.keyconfig import KeyConfigs
from privproc.keypackage import SIGNERS, Agreed, Grid, Seen, Signers, agree, signers_from
from privproc.ledger import Checkpoint, LogPolicy
from privproc.ledger.merkle import EMPTY_ROOT
from privproc.tokens import BLIND_RSA, IssuerDirectory, TokenChallenge, TokenKey
from privproc.trust import Earned, Trusted
from privproc.wire import Reader, Writer

__all__ = [
    "PURPOSE",
    "Anchors",
    "Contents",
    "Directory",
    "Memory",
    "Published",
    "Service",
    "learn",
    "learn_signers",
    "package_role",
]

PURPOSE = "privproc/1/directory"
"""The purpose that the package's signer states."""

_FIELDS = {"gateway", "keys", "issuer", "tokens", "group", "up", "down", "services", "checkpoints"}
_SERVICE = {"role", "log", "namespace", "version", "policy"}
_LIMIT = 16
_PACKAGE_LIMIT = 1 << 17
_NAME_LIMIT = 128  # so that Open and the first request hold the longest names
# req: privproc1/3.2 longest-names-fit
_NAME = re.compile(rf"[!-~]{{1,{_NAME_LIMIT}}}")
_SIZES = (1 << 12, 1 << 16)
_AUTHORITY = re.compile(r"[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?(?::[0-9]{1,5})?")


@dataclass(frozen=True, slots=True)
class Service:
    """A role that enclaves serve: where its measurements are logged, from which security version, under which policy.

    ``log`` is the log's origin. ``policy`` is for AMD SEV-SNP.
    """

    role: str
    log: str
    namespace: str
    minimum_version: int
    policy: snp.Policy


@dataclass(frozen=True, slots=True)
class Contents:
    """The content of a package, a deterministic CBOR map::

    { "gateway": tstr,          the gateway's host or host:port, also the origin that tokens are for
      "keys": bstr,             application/ohttp-keys with exactly one configuration
      "issuer": tstr,           the issuer's host or host:port
      "tokens": bstr,           the issuer's directory, with exactly one key
      "group": uint,            the TLS group that is demanded
      "up": uint, "down": uint, bytes of the first encapsulated request and response, 2^12 to 2^16
      "services": [ * { "role": tstr, "log": tstr, "namespace": tstr, "version": uint, "policy": bstr } ],
      "checkpoints": [ * bstr ] }       one for each log, without signatures: the package is signed

    Each tstr has 1 to 128 characters of visible ASCII, each list 1 to 16 items.
    """

    gateway: str
    keys: KeyConfigs
    issuer: str
    tokens: IssuerDirectory
    group: ratls.Group
    up: int
    down: int
    services: tuple[Service, ...]
    checkpoints: tuple[Checkpoint, ...]
    challenge: TokenChallenge = field(init=False, repr=False, compare=False)
    """The only challenge that tokens are made for: the same for every device of the epoch."""

    def __post_init__(self) -> None:
        # req: privproc1/2.1 one-challenge
        object.__setattr__(self, "challenge", TokenChallenge(BLIND_RSA, self.issuer, b"", (self.gateway,)))
        if len(self.keys.entries) != 1 or len(self.tokens.token_keys) != 1:
            # req: privproc1/3.2 one-key-each
            raise PolicyError("directory: exactly one gateway key and one issuer key per epoch")
        if self.token_key.token_type != BLIND_RSA:
            # req: privproc1/3.2 tokens-of-one-type
            raise PolicyError("directory: tokens are of type 0x0002, which the gateway verifies without the issuer")
        origins = {checkpoint.origin for checkpoint in self.checkpoints}
        if len(origins) != len(self.checkpoints) or {service.log for service in self.services} - origins:
            # req: privproc1/3.2 roles-and-checkpoints-once
            raise PolicyError("directory: one checkpoint for each log")
        if len({service.role for service in self.services}) != len(self.services) or not self.services:
            raise PolicyError("directory: each role once, and at least one")

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Raises :class:`DecodeError`, :class:`UnsupportedError`, and :class:`PolicyError` for more than one key."""
        fields = _map(cose.decode(data, "directory"), _FIELDS)
        group = _uint(fields, "group")
        if group not in set(ratls.Group):
            # req: privproc1/3.2 known-groups
            raise UnsupportedError(f"TLS group {group:#06x}")
        return cls(
            gateway=_authority(fields, "gateway"),
            keys=KeyConfigs.decode(_bytes(fields, "keys")),
            issuer=_authority(fields, "issuer"),
            tokens=IssuerDirectory.decode(_bytes(fields, "tokens")),
            group=ratls.Group(group),
            up=_uint(fields, "up", *_SIZES),
            down=_uint(fields, "down", *_SIZES),
            services=tuple(map(_service, _list(fields, "services"))),
            checkpoints=tuple(map(_checkpoint, _list(fields, "checkpoints"))),
        )

    def encode(self) -> bytes:
        """The CBOR map."""
        services: list[cose.Value] = [
            {
                "role": service.role,
                "log": service.log,
                "namespace": service.namespace,
                "version": service.minimum_version,
                "policy": service.policy.encode(),
            }
            for service in self.services
        ]
        checkpoints: list[cose.Value] = [checkpoint.encode() for checkpoint in self.checkpoints]
        return cose.encode(
            {
                "gateway": self.gateway,
                "keys": self.keys.encode(),
                "issuer": self.issuer,
                "tokens": self.tokens.encode(),
                "group": int(self.group),
                "up": self.up,
                "down": self.down,
                "services": services,
                "checkpoints": checkpoints,
            }
        )

    @property
    def token_key(self) -> TokenKey:
        """The issuer's key of the epoch."""
        return self.tokens.token_keys[0]

    def service(self, role: str) -> Service:
        """Raises :class:`UntrustedError` for a role that the directory doesn't list."""
        for service in self.services:
            if service.role == role:
                return service
        raise UntrustedError(f"directory: no role {role!r}")

    def checkpoint(self, origin: str) -> Checkpoint:
        """The floor for proofs of the log ``origin``. Raises :class:`UntrustedError` for one that isn't listed."""
        for checkpoint in self.checkpoints:
            if checkpoint.origin == origin:
                return checkpoint
        raise UntrustedError(f"directory: no checkpoint of {origin!r}")


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
    log of measurements, by origin; ``roots`` the pinned roots of the hardware vendor. ``cache``, of the device's own,
    keeps what was verified about that vendor's authorities; without one they are verified for each session.
    """

    signers: Signers
    grid: Grid
    mirrors: tuple[str, ...]
    agreeing: int
    package_log: LogPolicy
    package_namespace: str
    logs: Mapping[str, LogPolicy]
    roots: snp.Roots
    cache: Cache | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        if len(set(self.mirrors)) != len(self.mirrors) or not len(self.mirrors) // 2 < self.agreeing <= len(
            self.mirrors
        ):
            # req: privproc1/3.5 majority-of-mirrors
            raise UsageError("mirrors have names of their own, and a majority of them must agree")


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


def _map(value: cose.Value, keys: set[str]) -> Mapping[int | str, cose.Value]:
    # req: privproc1/3.2 exactly-its-keys
    if not isinstance(value, dict) or set(value) != keys:
        raise DecodeError("directory", "a map with other keys")
    return value


def _list(fields: Mapping[int | str, cose.Value], key: str) -> list[cose.Value]:
    value = fields[key]
    if not isinstance(value, list) or not 1 <= len(value) <= _LIMIT:
        raise DecodeError("directory", f"{key} is not a list of 1 to {_LIMIT} items")
    return value


def _uint(fields: Mapping[int | str, cose.Value], key: str, least: int = 0, most: int = (1 << 32) - 1) -> int:
    value = fields[key]
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise DecodeError("directory", f"{key} is not an integer from {least} to {most}")
    return value


def _bytes(fields: Mapping[int | str, cose.Value], key: str) -> bytes:
    value = fields[key]
    if not isinstance(value, bytes):
        raise DecodeError("directory", f"{key} is not a byte string")
    return value


def _name(fields: Mapping[int | str, cose.Value], key: str) -> str:
    value = fields[key]
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise DecodeError("directory", f"{key} is not a name in visible ASCII")
    return value


def _authority(fields: Mapping[int | str, cose.Value], key: str) -> str:
    value = _name(fields, key)
    # req: privproc1/3.2 hosts-in-lower-case
    if not _AUTHORITY.fullmatch(value):
        raise DecodeError("directory", f"{key} is not a host, or host and port, in lower case")
    return value


def _service(value: cose.Value) -> Service:
    fields = _map(value, _SERVICE)
    return Service(
        role=_name(fields, "role"),
        log=_name(fields, "log"),
        namespace=_name(fields, "namespace"),
        minimum_version=_uint(fields, "version"),
        policy=snp.Policy.decode(_bytes(fields, "policy")),
    )


def _checkpoint(value: cose.Value) -> Checkpoint:
    if not isinstance(value, bytes):
        raise DecodeError("directory", "a checkpoint is not a byte string")
    return Checkpoint.decode(value)
