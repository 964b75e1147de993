"""Binary HTTP (RFC 9292): requests written and responses read, of known length, and of indeterminate length (§5.4)."""

from .wire import Reader, check


def varint(n: int) -> bytes:
    for width, mark in ((1, 0), (2, 1), (4, 2), (8, 3)):
        if n < 1 << (8 * width - 2):
            return (mark << (8 * width - 2) | n).to_bytes(width, "big")
    raise ValueError(n)


def vector(x: bytes) -> bytes:
    return varint(len(x)) + x


def read_varint(r: Reader) -> int:
    first = r.uint(1)
    width = 1 << (first >> 6)
    return (first & 0x3F) << (8 * width - 8) | int.from_bytes(r.take(width - 1), "big")


def request(authority: str, path: str, fields: list[tuple[bytes, bytes]], content: bytes) -> bytes:
    control = b"".join(vector(x.encode()) for x in ("POST", "https", authority, path))
    section = b"".join(vector(name) + vector(value) for name, value in fields)
    return b"\0" + control + vector(section) + vector(content) + vector(b"")


def response(data: bytes) -> bytes:
    """The content of a response with status 200 and without fields."""
    r = Reader(data)
    check(r.uint(1) == 1, "not a response of known length")
    check(read_varint(r) == 200, "the gateway refuses")
    check(r.take(read_varint(r)) == b"", "the response has fields")
    content = r.take(read_varint(r)) if r.rest else b""
    check(not any(r.rest), "trailers, or padding that isn't zero")  # an empty trailer section is a zero as well
    return content


def request_head(authority: str, path: str, fields: list[tuple[bytes, bytes]]) -> bytes:
    """What comes before the content of a request of indeterminate length."""
    control = b"".join(vector(x.encode()) for x in ("POST", "https", authority, path))
    return b"\2" + control + b"".join(vector(name) + vector(value) for name, value in fields) + b"\0"


HEAD = b"\3" + varint(200) + b"\0"


class Incoming:
    """A response of indeterminate length, with status 200 and without fields, in any pieces."""

    def __init__(self) -> None:
        self.buffer, self.begun, self.ended = b"", False, False

    def read(self, data: bytes) -> bytes:
        """The content that these bytes complete, chunk by chunk."""
        self.buffer += data
        if not self.begun:
            check(HEAD.startswith(self.buffer[: len(HEAD)]), "the gateway refuses")
            if len(self.buffer) < len(HEAD):
                return b""
            self.begun, self.buffer = True, self.buffer[len(HEAD) :]
        out = b""
        while self.buffer and not self.ended:
            width = 1 << (self.buffer[0] >> 6)
            if len(self.buffer) < width:
                return out
            r = Reader(self.buffer)
            size = read_varint(r)
            self.ended = size == 0
            if len(r.rest) < size:
                return out
            out += r.take(size)
            self.buffer = r.rest
        check(not any(self.buffer), "trailers, or padding that isn't zero")
        return out
