"""The key directory: what a package of privproc/1 contains, and learning it from mirrors (docs/protocol.md §3).

The package is where every value comes from that could single a device out if it came from anywhere else: the gateway's
and the issuer's key, the policy, the ledger's checkpoint, the sizes. It counts only if enough independent mirrors show
the same one and a witnessed log holds it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from privproc import cose, ledger, ratls
from privproc.attestation import snp
from privproc.errors import DecodeError, PeerError, PolicyError, UnsupportedError, UntrustedError, UsageError
from privproc.keyconfig import KeyConfigs
from privproc.keypackage import Grid, Seen, SignerKey, agree
from privproc.ledger import Checkpoint, LogPolicy
from privproc.ledger.merkle import EMPTY_ROOT
from privproc.tokens import BLIND_RSA, IssuerDirectory, TokenChallenge, TokenKey
from privproc.trust import Earned, Trusted
from privproc.wire import Reader, Writer

__all__ = ["PURPOSE", "Anchors", "Contents", "Directory", "Memory", "Published", "Service", "learn"]

PURPOSE = "privproc/1/directory"
"""The purpose that the package's signer states, and the role under which the log holds its digest."""

_FIELDS = {"gateway", "keys", "issuer", "tokens", "group", "up", "down", "services", "checkpoints"}
_SERVICE = {"role", "log", "namespace", "version", "policy"}
_LIMIT = 16
_PACKAGE_LIMIT = 1 << 17
_SIZE_LIMIT = 1 << 16


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

    { "gateway": tstr,          the gateway's authority, also the origin that tokens are for
      "keys": bstr,             application/ohttp-keys with exactly one configuration
      "issuer": tstr,           the issuer's name
      "tokens": bstr,           the issuer's directory, with exactly one key
      "group": uint,            the TLS group that is demanded
      "up": uint, "down": uint, bytes of the first encapsulated request and response
      "services": [ * { "role": tstr, "log": tstr, "namespace": tstr, "version": uint, "policy": bstr } ],
      "checkpoints": [ * bstr ] }       one for each log, without signatures: the package is signed
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

    def __post_init__(self) -> None:
        if len(self.keys.entries) != 1 or len(self.tokens.token_keys) != 1:
            raise PolicyError("directory: exactly one gateway key and one issuer key per epoch")
        origins = {checkpoint.origin for checkpoint in self.checkpoints}
        if len(origins) != len(self.checkpoints) or {service.log for service in self.services} - origins:
            raise PolicyError("directory: one checkpoint for each log")
        if len({service.role for service in self.services}) != len(self.services) or not self.services:
            raise PolicyError("directory: each role once, and at least one")

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Raises :class:`DecodeError`, :class:`UnsupportedError`, and :class:`PolicyError` for more than one key."""
        fields = _map(cose.decode(data, "directory"), _FIELDS)
        group = _uint(fields, "group")
        if group not in set(ratls.Group):
            raise UnsupportedError(f"TLS group {group:#06x}")
        return cls(
            gateway=_name(fields, "gateway"),
            keys=KeyConfigs.decode(_bytes(fields, "keys")),
            issuer=_name(fields, "issuer"),
            tokens=IssuerDirectory.decode(_bytes(fields, "tokens")),
            group=ratls.Group(group),
            up=_uint(fields, "up", _SIZE_LIMIT),
            down=_uint(fields, "down", _SIZE_LIMIT),
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
    def challenge(self) -> TokenChallenge:
        """The only challenge that tokens are made for: the same for every device of the epoch."""
        return TokenChallenge(BLIND_RSA, self.issuer, b"", (self.gateway,))

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
        """The floor for proofs of the log ``origin``, which is one that a service names."""
        return next(checkpoint for checkpoint in self.checkpoints if checkpoint.origin == origin)


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
            "published package",
            lambda reader: cls(reader.vector(4, 1, _PACKAGE_LIMIT), reader.vector(4, 1, _PACKAGE_LIMIT)),
        )

    def encode(self) -> bytes:
        """The wire form."""
        return Writer().vector(4, self.package).vector(4, self.log_proof).done()


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchors:
    """What a device ships with, and nothing on the wire can change.

    ``signers`` of packages, on ``grid``; ``mirrors`` how many sources must agree; ``package_log`` and
    ``package_namespace`` where packages are logged; ``logs`` the policy for each log of measurements, by origin;
    ``roots`` the pinned roots of the hardware vendor.
    """

    signers: tuple[SignerKey, ...]
    grid: Grid
    mirrors: int
    package_log: LogPolicy
    package_namespace: str
    logs: Mapping[str, LogPolicy]
    roots: snp.Roots


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
    """A package that enough mirrors show and the log holds. ``memory`` replaces what was passed to :func:`learn`."""

    contents: Trusted[Contents]
    package: bytes
    memory: Memory


def learn(copies: Sequence[tuple[str, bytes]], anchors: Anchors, *, memory: Memory, at: int) -> Directory:
    """Verify what mirrors served: pairs of the mirror's name and its :class:`Published` bytes.

    A copy that can't be read doesn't count. Raises what :func:`privproc.keypackage.agree` and
    :func:`privproc.ledger.verify` raise, and :class:`PeerError` for contents that don't decode.
    """
    read = {name: published for name, data in copies if (published := _published(data)) is not None}
    if len({name for name, _ in copies}) != len(copies):
        raise UsageError("a mirror counts once")
    agreed = agree(
        [(name, published.package) for name, published in read.items()],
        signers=anchors.signers,
        purpose=PURPOSE,
        grid=anchors.grid,
        threshold=anchors.mirrors,
        seen=memory.seen,
        at=at,
    )
    logged = _logged([read[name].log_proof for name in agreed.sources], agreed.package.digest, anchors, memory, at)
    return Directory._earn(
        contents=agreed.content.map(Contents.decode),
        package=agreed.package.digest,
        memory=Memory(agreed.seen, logged.checkpoint),
    )


def _published(data: bytes) -> Published | None:
    try:
        return Published.decode(data)
    except DecodeError:
        return None


def _logged(proofs: list[bytes], digest: bytes, anchors: Anchors, memory: Memory, at: int) -> ledger.Logged:
    """The first proof that holds; a mirror that staples a bad one must not be able to block the others."""
    failure: PeerError = UntrustedError("directory: not logged")
    for proof in proofs:
        try:
            logged = ledger.verify(
                proof,
                namespace=anchors.package_namespace,
                role=PURPOSE,
                log=anchors.package_log,
                floor=memory.checkpoint,
                minimum_version=0,
                at=at,
            )
            logged.confirm(digest, at=at)
        except PeerError as error:
            failure = error
        else:
            return logged
    raise failure


def _map(value: cose.Value, keys: set[str]) -> Mapping[int | str, cose.Value]:
    if not isinstance(value, dict) or set(value) != keys:
        raise DecodeError("directory", "a map with other keys")
    return value


def _list(fields: Mapping[int | str, cose.Value], key: str) -> list[cose.Value]:
    value = fields[key]
    if not isinstance(value, list) or not 1 <= len(value) <= _LIMIT:
        raise DecodeError("directory", f"{key} is not a list of 1 to {_LIMIT} items")
    return value


def _uint(fields: Mapping[int | str, cose.Value], key: str, most: int = (1 << 32) - 1) -> int:
    value = fields[key]
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
        raise DecodeError("directory", f"{key} is not an unsigned integer up to {most}")
    return value


def _bytes(fields: Mapping[int | str, cose.Value], key: str) -> bytes:
    value = fields[key]
    if not isinstance(value, bytes):
        raise DecodeError("directory", f"{key} is not a byte string")
    return value


def _name(fields: Mapping[int | str, cose.Value], key: str) -> str:
    value = fields[key]
    if not isinstance(value, str) or not 1 <= len(value) <= 255 or not all("!" <= char <= "~" for char in value):
        raise DecodeError("directory", f"{key} is not a name in visible ASCII")
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
