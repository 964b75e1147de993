"""§1: notation."""

import hashlib
import hmac


class RefusedError(Exception):
    """A check that doesn't hold. The text says which."""


def check(holds: bool, what: str) -> None:
    if not holds:
        raise RefusedError(what)


def u16(n: int) -> bytes:
    return n.to_bytes(2, "big")


def u32(n: int) -> bytes:
    return n.to_bytes(4, "big")


def u64(n: int) -> bytes:
    return n.to_bytes(8, "big")


def lp(x: bytes) -> bytes:
    return u32(len(x)) + x


def listed(*items: bytes) -> bytes:
    return u16(len(items)) + b"".join(map(lp, items))


def sha256(x: bytes) -> bytes:
    return hashlib.sha256(x).digest()


def sha384(x: bytes) -> bytes:
    return hashlib.sha384(x).digest()


def T(label: str, *fields: bytes) -> bytes:
    return sha384(lp(b"privproc/1 " + label.encode()) + listed(*fields))


def extract(salt: bytes, ikm: bytes, hash_name: str = "sha384") -> bytes:
    return hmac.digest(salt, ikm, hash_name)


def expand(prk: bytes, info: bytes, length: int, hash_name: str = "sha384") -> bytes:
    block, out = b"", b""
    for i in range(1, 256):
        if len(out) >= length:
            break
        block = hmac.digest(prk, block + info + bytes([i]), hash_name)
        out += block
    return out[:length]


def is_name(x: bytes, most: int = 255) -> bool:
    return 1 <= len(x) <= most and all(0x21 <= c <= 0x7E for c in x)


class Reader:
    """Reads bytes from the front; `end` demands that none are left."""

    def __init__(self, data: bytes) -> None:
        self.rest = data

    def take(self, n: int) -> bytes:
        check(n <= len(self.rest), "the input is too short")
        out, self.rest = self.rest[:n], self.rest[n:]
        return out

    def uint(self, width: int) -> int:
        return int.from_bytes(self.take(width), "big")

    def vector(self, least: int, most: int, width: int = 4) -> bytes:
        n = self.uint(width)
        check(least <= n <= most, f"a vector of {n} bytes, not {least} to {most}")
        return self.take(n)

    def end(self) -> None:
        check(not self.rest, "bytes are left over")
