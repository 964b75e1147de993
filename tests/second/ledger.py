"""§7.4 to §7.7: a proof that a witnessed log holds an entry."""

import base64
import binascii
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from .wire import Reader, RefusedError, check, is_name, sha256


@dataclass(frozen=True)
class Log:
    """What a device ships with for one log; keys are Ed25519."""

    origin: str
    key: bytes
    witnesses: tuple[tuple[str, bytes], ...]
    threshold: int
    age: int


@dataclass(frozen=True)
class Checkpoint:
    origin: str
    size: int
    root: bytes

    @classmethod
    def decode(cls, text: str) -> "Checkpoint":
        lines = text.split("\n")
        check(len(lines) >= 4 and lines[-1] == "" and all(lines[:-1]), "not a checkpoint")
        root = unbase64(lines[2])
        check(len(root) == 32, "the root has not 32 bytes")
        return cls(lines[0], decimal(lines[1]), root)


EMPTY = sha256(b"")


@dataclass(frozen=True)
class Entry:
    namespace: bytes
    role: bytes
    digest: bytes
    not_after: int
    version: int

    @classmethod
    def decode(cls, data: bytes) -> "Entry":
        r = Reader(data)
        check(r.vector(16, 16) == b"privproc/1 entry" and r.uint(2) == 5, "not an entry")
        namespace, role, digest = r.vector(1, 255), r.vector(1, 255), r.vector(32, 64)
        not_after, version = (int.from_bytes(r.vector(n, n), "big") for n in (8, 4))
        r.end()
        check(is_name(namespace) and is_name(role) and len(digest) in {32, 48, 64}, "out of form")
        return cls(namespace, role, digest, not_after, version)


@dataclass(frozen=True)
class Proven:
    entry: Entry
    checkpoint: Checkpoint
    end: int


def unbase64(text: str) -> bytes:
    try:
        out = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise RefusedError("not Base64") from None
    check(base64.b64encode(out).decode() == text, "not canonical Base64")
    return out


def decimal(text: str) -> int:
    check(text.isascii() and text.isdigit() and len(text) <= 19 and str(int(text)) == text, "not a decimal number")
    return int(text)


def _signed(public: bytes, signature: bytes, message: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except InvalidSignature:
        return False
    return True


def _open_note(note: str, log: Log, now: int) -> tuple[Checkpoint, int]:
    """7.7, 2 to 4: the checkpoint and when it was witnessed."""
    text, gap, tail = note.rpartition("\n\n")
    check(bool(gap) and tail.endswith("\n"), "not a note")
    text += "\n"
    lines = []
    for line in tail[:-1].split("\n"):
        dash, name, blob = [*line.split(" "), "", ""][:3]
        raw = unbase64(blob)
        check(dash == "—" and bool(name) and len(raw) > 4 and line.count(" ") == 2, "not a signature line")
        lines.append((name, raw[:4], raw[4:]))

    def of(name: str, kind: int, public: bytes) -> list[bytes]:
        key_id = sha256(name.encode() + b"\n" + bytes([kind]) + public)[:4]
        return [signature for n, i, signature in lines if (n, i) == (name, key_id)]

    own = of(log.origin, 1, log.key)
    check(bool(own), "the log didn't sign")
    check(all(_signed(log.key, s, text.encode()) for s in own), "the log's signature is false")
    times = []
    for name, public in log.witnesses:
        seen = []
        for s in of(name, 4, public):
            time = int.from_bytes(s[:8], "big")
            message = f"cosignature/v1\ntime {time}\n{text}".encode()
            check(len(s) == 72 and _signed(public, s[8:], message), "a cosignature is false")
            if 0 < time <= now + 300:
                seen.append(time)
        times += [max(seen)] if seen else []
    check(len(times) >= log.threshold, "too few witnesses")
    checkpoint = Checkpoint.decode(text)
    check(checkpoint.origin == log.origin, "another log")
    return checkpoint, sorted(times, reverse=True)[log.threshold - 1]


def _root(leaf: bytes, index: int, size: int, path: list[bytes]) -> bytes:
    """RFC 9162 §2.1.3.2."""
    check(index < size, "the leaf is outside of the tree")
    fn, sn, r = index, size - 1, leaf
    for p in path:
        check(sn != 0, "the path is too long")
        if fn & 1 or fn == sn:
            r = sha256(b"\1" + p + r)
            while not fn & 1 and fn != 0:
                fn, sn = fn >> 1, sn >> 1
        else:
            r = sha256(b"\1" + r + p)
        fn, sn = fn >> 1, sn >> 1
    check(sn == 0, "the path is too short")
    return r


def verify(
    proof: bytes, log: Log, namespace: str, role: str, floor: tuple[int, bytes], version: int, now: int
) -> Proven:
    """§7.7 without its last step: the digest is the caller's to compare."""
    try:
        head, gap, note = proof.decode().partition("\n\n")
    except UnicodeDecodeError:
        raise RefusedError("not text") from None
    lines = head.split("\n")
    check(bool(gap) and len(lines) >= 3 and lines[0] == "c2sp.org/tlog-proof@v1", "not a proof")
    check(lines[1].startswith("extra ") and lines[2].startswith("index ") and len(lines) <= 66, "not a proof")
    data, index, path = unbase64(lines[1][6:]), decimal(lines[2][6:]), [unbase64(x) for x in lines[3:]]
    check(all(len(x) == 32 for x in path), "a node has not 32 bytes")
    entry = Entry.decode(data)
    checkpoint, witnessed = _open_note(note, log, now)
    size, root = floor
    check(checkpoint.size > size or (checkpoint.size, checkpoint.root) == (size, root), "the tree is below the floor")
    check(_root(sha256(b"\0" + data), index, checkpoint.size, path) == checkpoint.root, "not in the tree")
    check((entry.namespace, entry.role) == (namespace.encode(), role.encode()), "another entry")
    check(entry.version >= version, "the version is too low")
    end = min(entry.not_after, witnessed + log.age)
    check(now < end, "the proof is too old")
    return Proven(entry, checkpoint, end)
