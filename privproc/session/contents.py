"""What a directory says, a deterministic CBOR map inside of a package (docs/protocol.md §3.2)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from privproc import cose, ratls
from privproc.attestation import nvidia, snp
from privproc.errors import DecodeError, PolicyError, UnsupportedError, UntrustedError
from privproc.keyconfig import KeyConfigs
from privproc.ledger import Checkpoint
from privproc.tokens import BLIND_RSA, IssuerDirectory, TokenChallenge, TokenKey

__all__ = ["Contents", "Service", "back_end_age"]

_FIELDS = {"gateway", "keys", "issuer", "tokens", "group", "up", "down", "services", "checkpoints"}
_SERVICE = {"role", "log", "namespace", "version", "policy"}
_BESIDE = {"devices", "back_ends"}  # never empty, so that a service without them is written in one way
_LIMIT = 16
_NAME_LIMIT = 128  # so that Open and the first request hold the longest names
# req: privproc1/3.2 longest-names-fit
_NAME = re.compile(rf"[!-~]{{1,{_NAME_LIMIT}}}")
_UP = (1 << 12, 1 << 16)
_DOWN = (1 << 12, 1 << 17)  # room for the evidence of eight GPUs and four switches
_AUTHORITY = re.compile(r"[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?(?::[0-9]{1,5})?")


@dataclass(frozen=True, slots=True)
class Service:
    """A role that enclaves serve: where its measurements are logged, from which security version, under which policy.

    ``log`` is the log's origin. ``policy`` is for AMD SEV-SNP. ``devices``: the policy for the GPUs and switches of the
    enclave's machine; without one there must be none. ``back_ends``: the roles, services of the same directory, of the
    enclaves that it must show to be behind it, and no other.
    """

    role: str
    log: str
    namespace: str
    minimum_version: int
    policy: snp.Policy
    devices: nvidia.Policy | None = None
    back_ends: tuple[str, ...] = ()

    @property
    def beside(self) -> bool:
        """Whether evidence is demanded beside the enclave's own."""
        return self.devices is not None or bool(self.back_ends)

    @property
    def age(self) -> int:
        """Seconds for which whoever has appraised such an enclave, and its devices, may use what was found."""
        return back_end_age(self.policy.max_age, self.devices)


def back_end_age(age: int, devices: nvidia.Policy | None) -> int:
    """The lesser of ``age``, the ``max_age`` of the policy for the back end's own evidence, and that of the policy for
    its devices (seconds): how long ago a front end may have accepted it.
    """
    return age if devices is None else min(age, devices.max_age)


@dataclass(frozen=True, slots=True)
class Contents:
    """The content of a package, a deterministic CBOR map::

    { "gateway": tstr,          the gateway's host or host:port, also the origin that tokens are for
      "keys": bstr,             application/ohttp-keys with exactly one configuration
      "issuer": tstr,           the issuer's host or host:port
      "tokens": bstr,           the issuer's directory, with exactly one key
      "group": uint,            the TLS group that is demanded
      "up": uint, "down": uint, bytes of the first encapsulated request and response, 2^12 to 2^16 and to 2^17
      "services": [ * { "role": tstr, "log": tstr, "namespace": tstr, "version": uint, "policy": bstr,
                        ? "devices": bstr, ? "back_ends": [ * tstr ] } ],
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
        last = {service.role for service in self.services if not service.back_ends}
        for service in self.services:
            # What a back end has behind it can't be shown: it must not be left out in silence.
            # req: privproc1/3.2 back-ends-are-services
            if set(service.back_ends) - last or len(set(service.back_ends)) != len(service.back_ends):
                raise PolicyError("directory: back ends are services without back ends of their own, each once")

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Raises :class:`DecodeError`, :class:`UnsupportedError`, and :class:`PolicyError` for more than one key."""
        fields = _map(cose.decode(data, "directory"), _FIELDS, set())
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
            up=_uint(fields, "up", *_UP),
            down=_uint(fields, "down", *_DOWN),
            services=tuple(map(_service, _list(fields, "services"))),
            checkpoints=tuple(map(_checkpoint, _list(fields, "checkpoints"))),
        )

    def encode(self) -> bytes:
        """The CBOR map."""
        services: list[cose.Value] = list(map(_service_map, self.services))
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


def _map(value: cose.Value, keys: set[str], optional: set[str]) -> Mapping[int | str, cose.Value]:
    # req: privproc1/3.2 exactly-its-keys
    if not isinstance(value, dict) or not keys <= set(value) <= keys | optional:
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
    return _text(fields[key])


def _text(value: cose.Value) -> str:
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise DecodeError("directory", "a name is not visible ASCII")
    return value


def _authority(fields: Mapping[int | str, cose.Value], key: str) -> str:
    value = _name(fields, key)
    # req: privproc1/3.2 hosts-in-lower-case
    if not _AUTHORITY.fullmatch(value):
        raise DecodeError("directory", f"{key} is not a host, or host and port, in lower case")
    return value


def _service(value: cose.Value) -> Service:
    fields = _map(value, _SERVICE, _BESIDE)
    return Service(
        role=_name(fields, "role"),
        log=_name(fields, "log"),
        namespace=_name(fields, "namespace"),
        minimum_version=_uint(fields, "version"),
        policy=snp.Policy.decode(_bytes(fields, "policy")),
        devices=nvidia.Policy.decode(_bytes(fields, "devices")) if "devices" in fields else None,
        back_ends=tuple(map(_text, _list(fields, "back_ends"))) if "back_ends" in fields else (),
    )


def _service_map(service: Service) -> cose.Value:
    fields: dict[int | str, cose.Value] = {
        "role": service.role,
        "log": service.log,
        "namespace": service.namespace,
        "version": service.minimum_version,
        "policy": service.policy.encode(),
    }
    if service.devices is not None:
        fields["devices"] = service.devices.encode()
    if service.back_ends:
        fields["back_ends"] = list(service.back_ends)
    return fields


def _checkpoint(value: cose.Value) -> Checkpoint:
    if not isinstance(value, bytes):
        raise DecodeError("directory", "a checkpoint is not a byte string")
    return Checkpoint.decode(value)
