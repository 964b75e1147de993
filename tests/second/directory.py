"""§3 and §7.1 to §7.3: from mirrors' bytes to the directory in use."""

import re
from dataclasses import dataclass

import cbor2
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from . import ledger, nvidia, snp
from .hpke import KeyConfig
from .ledger import Checkpoint, Log
from .tls import SHARES
from .tokens import IssuerKey
from .wire import Reader, RefusedError, T, check, is_name, sha256

PURPOSE = "privproc/1/directory"
TYPE = "application/privproc-package+cose"


@dataclass(frozen=True)
class Anchors:
    """§3.4: what a device ships with."""

    signers: tuple[tuple[bytes, int, int], ...]  # key, first and last epoch
    origin: int
    length: int
    mirrors: tuple[str, ...]
    agreeing: int
    package_log: Log
    package_namespace: str
    logs: dict[str, Log]
    roots: dict[bytes, int]  # SHA-256 of an ARK to the number of its product
    device_roots: tuple[bytes, ...] = ()  # SHA-256 of NVIDIA's


@dataclass(frozen=True)
class Kept:
    """§3.4: what a device keeps. Before the first package there is no epoch."""

    epoch: int | None = None
    digest: bytes = b""
    size: int = 0
    root: bytes = ledger.EMPTY


@dataclass(frozen=True)
class Package:
    digest: bytes
    epoch: int
    previous: bytes
    content: bytes
    not_before: int
    not_after: int


@dataclass(frozen=True)
class Service:
    role: str
    log: str
    namespace: str
    version: int
    policy: snp.Policy
    policy_id: bytes
    floor: tuple[int, bytes]
    devices: nvidia.Policy | None
    back_ends: tuple[str, ...]


@dataclass(frozen=True)
class Directory:
    digest: bytes
    not_before: int
    end: int
    gateway: str
    config: KeyConfig
    issuer: str
    issuer_key: IssuerKey
    group: int
    up: int
    down: int
    services: dict[str, Service]

    def in_use(self, now: int) -> bool:
        return self.not_before <= now < self.end


def _cbor(data: bytes) -> object:
    try:
        value = cbor2.loads(data)
        again = cbor2.dumps(value, canonical=True)
    except Exception:  # noqa: BLE001
        raise RefusedError("not CBOR") from None
    check(again == data, "not deterministic CBOR")
    return value


def _shape(value: object, keys: dict) -> list:
    """The values of a map that has exactly these keys and types."""
    check(type(value) is dict and set(value) == set(keys), "other keys")
    check(all(type(value[k]) is t for k, t in keys.items()), "other types")
    return [value[k] for k in keys]


def _package(message: bytes, anchors: Anchors, now: int) -> Package:
    """§7.1 and §7.2."""
    check(len(message) <= 1 << 18, "too long")
    value = _cbor(message)
    check(type(value) is list and len(value) == 4 and value[1] == {}, "not a COSE_Sign1")
    protected, payload, signature = value[0], value[2], value[3]
    check(all(type(x) is bytes for x in (protected, payload, signature)), "not a COSE_Sign1")
    algorithm, kid, typ = _shape(_cbor(protected), {1: int, 4: bytes, 16: str})
    check(typ == TYPE, "another type of message")
    terms = {(sha256(key), key): (first, last) for key, first, last in anchors.signers}
    known = [key for digest, key in terms if digest == kid]
    check(bool(known), "unknown signer")
    check(algorithm == -8, "another algorithm")
    try:
        signed = cbor2.dumps(["Signature1", protected, b"", payload])
        Ed25519PublicKey.from_public_bytes(known[0]).verify(signature, signed)
    except InvalidSignature:
        raise RefusedError("the signer's signature is false") from None
    kinds = {1: int, 2: str, 3: int, 4: int, 5: int, 6: bytes, 7: bytes}
    version, purpose, epoch, start, end, previous, content = _shape(_cbor(payload), kinds)
    check(version == 1 and len(previous) in {0, 48}, "out of form")
    check(all(0 <= n < 1 << 48 for n in (epoch, start, end)), "out of range")
    check(purpose == PURPOSE, "another purpose")
    check(start == anchors.origin + epoch * anchors.length and end == start + anchors.length, "another window")
    mine = [1 for key, first, last in anchors.signers if key == known[0] and first <= epoch <= last]
    check(bool(mine), "not this epoch's signer")
    check(start - anchors.length <= now < end, "not in its time")
    return Package(T("package", protected, payload), epoch, previous, content, start, end)


def _agree(shown: dict[str, Package], kept: Kept, k: int) -> Package:
    """§7.3."""
    check(bool(shown), "no copy verifies")
    digests = {p.epoch: {q.digest for q in shown.values() if q.epoch == p.epoch} for p in shown.values()}
    if kept.epoch in digests:
        digests[kept.epoch].add(kept.digest)
    check(all(len(d) == 1 for d in digests.values()), "two packages for one epoch")
    epochs = [p.epoch for p in shown.values()]
    agreed = [e for e in epochs if epochs.count(e) >= k]
    check(bool(agreed), "too few mirrors")
    package = next(p for p in shown.values() if p.epoch == max(agreed))
    if kept.epoch is not None:
        check(package.epoch >= kept.epoch, "an older epoch")
        check(package.epoch != kept.epoch + 1 or package.previous == kept.digest, "another predecessor")
        check(package.epoch == kept.epoch or package.previous != b"", "it says that it is the first")
    return package


def _host(x: str) -> str:
    check(re.fullmatch(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]{1,5})?", x) is not None and len(x) <= 128, "no host")
    return x


def _name(x: str) -> str:
    check(x.isascii() and is_name(x.encode(), 128), "no name")
    return x


def _contents(package: Package, end: int) -> Directory:
    """§3.2."""
    kinds = {
        "gateway": str, "keys": bytes, "issuer": str, "tokens": bytes, "group": int, "up": int, "down": int,
        "services": list, "checkpoints": list,
    }  # fmt: skip
    gateway, keys, issuer, tokens, group, up, down, services, heads = _shape(_cbor(package.content), kinds)
    check(group in SHARES, "another group")
    check(4096 <= up <= 65536 and 4096 <= down <= 131072, "sizes out of range")
    check(1 <= len(services) <= 16 and 1 <= len(heads) <= 16, "too few or too many")
    check(all(type(h) is bytes for h in heads), "other types")
    checkpoints = {c.origin: c for c in (Checkpoint.decode(h.decode()) for h in heads)}
    check(len(checkpoints) == len(heads), "a second checkpoint")
    found = {}
    for s in services:
        kinds = {"role": str, "log": str, "namespace": str, "version": int, "policy": bytes}
        check(type(s) is dict, "other types")
        plain = {k: v for k, v in s.items() if k not in {"devices", "back_ends"}}
        role, log, namespace, version, policy = _shape(plain, kinds)
        devices, back_ends = s.get("devices"), s.get("back_ends")
        check("devices" not in s or type(devices) is bytes, "other types")
        check("back_ends" not in s or (type(back_ends) is list and 1 <= len(back_ends) <= 16), "other types")
        check(all(type(b) is str for b in back_ends or []), "other types")
        check(0 <= version < 1 << 32 and log in checkpoints and role not in found, "a service out of form")
        floor = (checkpoints[log].size, checkpoints[log].root)
        decoded = snp.Policy.decode(policy)
        found[role] = Service(
            _name(role), _name(log), _name(namespace), version, decoded, sha256(policy), floor,
            None if devices is None else nvidia.Policy.decode(devices), tuple(map(_name, back_ends or ())),
        )  # fmt: skip
    for s in found.values():
        behind = [found.get(role) for role in s.back_ends]
        check(all(b is not None and not b.back_ends for b in behind), "back ends that can't be named")
        check(len(set(s.back_ends)) == len(s.back_ends), "a back end twice")
    return Directory(
        package.digest, package.not_before, min(package.not_after, end), _host(gateway), KeyConfig.only(keys),
        _host(issuer), IssuerKey.only(tokens), group, up, down, found,
    )  # fmt: skip


def learn(anchors: Anchors, kept: Kept, copies: list[tuple[str, bytes]], now: int) -> tuple[Directory, Kept]:
    """§3.5."""
    shown, proofs = {}, {}
    check(len({name for name, _ in copies}) == len(copies), "a mirror twice")
    for name, data in copies:
        check(name in anchors.mirrors, "not one of the mirrors")
        try:
            r = Reader(data)
            message, proof = r.vector(1, 1 << 17), r.vector(1, 1 << 17)
            r.end()
            shown[name], proofs[name] = _package(message, anchors, now), proof
        except RefusedError as error:
            why = error
    if not shown and copies:
        raise why
    package = _agree(shown, kept, anchors.agreeing)
    proven = []
    for name, proof in proofs.items():
        if shown[name].digest != package.digest:
            continue
        try:
            role = f"{PURPOSE}/{package.epoch}"
            floor = (kept.size, kept.root)
            p = ledger.verify(proof, anchors.package_log, anchors.package_namespace, role, floor, 0, now)
            check(p.entry.digest == package.digest, "the log holds another package")
            proven.append(p)
        except RefusedError as error:
            why = error
    if not proven:
        raise why
    tree = min((p.checkpoint for p in proven), key=lambda c: c.size)
    directory = _contents(package, max(p.end for p in proven))
    return directory, Kept(package.epoch, package.digest, tree.size, tree.root)
