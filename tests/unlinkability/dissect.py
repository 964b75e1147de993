"""Messages taken apart, down to the last field: each leaf has a path and a value.

A value is a number or text, which is compared as it is, or bytes, of which only length and equality count: that is what
remains of a random value, a ciphertext or a hash to somebody who can't compute it.

Read here by hand, not by the library: what its decoders pass over would be missed.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from dataclasses import dataclass

Value = int | str | bytes
Leaf = tuple[str, Value]
Leaves = Iterator[Leaf]

OPAQUE = 8
"""Bytes from which on a value counts by equality; shorter ones are compared as they are."""


@dataclass
class Cursor:
    """Reads from the front; big-endian."""

    data: bytes
    at: int = 0

    def take(self, count: int) -> bytes:
        piece = self.data[self.at : self.at + count]
        assert len(piece) == count, f"{len(piece)} bytes left of {count}"
        self.at += count
        return piece

    def uint(self, width: int) -> int:
        return int.from_bytes(self.take(width), "big")

    def lp(self, width: int = 4) -> bytes:
        return self.take(self.uint(width))

    def varint(self) -> tuple[int, int]:
        """A QUIC integer and the bytes that it took (RFC 9000 §16)."""
        width = 1 << (self.data[self.at] >> 6)
        return self.uint(width) & ((1 << (8 * width - 2)) - 1), width

    def vstring(self, path: str) -> tuple[bytes, list[Leaf]]:
        """A string after a varint, and a leaf if that varint isn't in its shortest form."""
        length, width = self.varint()
        shortest = next(width for width in (1, 2, 4, 8) if length < 1 << (8 * width - 2))
        return self.take(length), [] if width == shortest else [(f"{path}.varint", width)]

    def rest(self) -> bytes:
        return self.take(len(self.data) - self.at)


def _text(data: bytes) -> str:
    return data.decode("latin-1")


def encapsulated(wire: bytes) -> Leaves:
    """An OHTTP request (RFC 9458 §4.3) to somebody who can't open it."""
    yield "size", len(wire)
    yield from zip(("key_id", "kem", "kdf", "aead"), (wire[0], *_uint16s(wire[1:7])), strict=True)
    yield "enc", wire[7 : 7 + {0x647A: 1120, 0x0020: 32}[int.from_bytes(wire[1:3], "big")]]


def _uint16s(data: bytes) -> list[int]:
    return [int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data), 2)]


def inner(message: bytes) -> Leaves:
    """What a gateway opens: Binary HTTP of known length (RFC 9292 §3.3), then the content by its path."""
    cursor = Cursor(message)
    yield "framing", cursor.uint(1)
    control = {}
    for name in ("method", "scheme", "authority", "path"):
        value, odd = cursor.vstring(name)
        control[name] = _text(value)
        yield name, control[name]
        yield from odd
    section, odd = cursor.vstring("fields")
    yield from odd
    fields = Cursor(section)
    yield from _fields(fields, lambda: fields.at == len(section))
    content, odd = cursor.vstring("content")
    yield from odd
    yield from under("content", CONTENTS[control["path"]](content))
    trailers, odd = cursor.vstring("trailers")
    yield from (*odd, ("trailers", trailers.hex()))
    padding = cursor.rest()
    yield "padding", len(padding)
    yield "padding.zero", str(not any(padding))


def chunked(wire: bytes, *, first: bool) -> Leaves:
    """A piece of a chunked OHTTP request (draft-ietf-ohai-chunked-ohttp §6.1) to somebody who can't open it."""
    cursor, number = Cursor(wire), 0
    if first:
        yield from zip(
            ("key_id", "kem", "kdf", "aead"), (cursor.uint(1), *(cursor.uint(2) for _ in range(3))), strict=True
        )
        yield "enc", cursor.take({0x647A: 1120, 0x0020: 32}[int.from_bytes(wire[1:3], "big")])
    while cursor.at < len(wire):
        length, width = cursor.varint()
        body = cursor.take(length) if length else cursor.rest()
        yield f"chunk[{number}].size", len(body)
        yield f"chunk[{number}].width", width
        yield f"chunk[{number}].final", str(not length)
        number += 1


def inner_piece(data: bytes, path: str, later: Callable[[bytes], Leaves]) -> Leaves:
    """What a gateway opens of a chunked request: Binary HTTP of indeterminate length (RFC 9292 §3.2). ``path`` is that
    of the request if its head has come before, and empty otherwise; ``later`` reads content after the first piece.
    """
    cursor = Cursor(data)
    begun = bool(path)
    if not begun:
        yield "framing", cursor.uint(1)
        for name in ("method", "scheme", "authority", "path"):
            value, odd = cursor.vstring(name)
            path = _text(value)
            yield name, path
            yield from odd
        yield from _fields(cursor, lambda: not cursor.data[cursor.at])
        cursor.uint(1)
    content, number = b"", 0
    while cursor.at < len(data) and data[cursor.at]:
        piece, odd = cursor.vstring(f"content[{number}]")
        yield from odd
        content += piece
        number += 1
    yield "content.pieces", number
    read = later if begun else STREAMED[path]
    yield from under("content", read(content))
    yield "end", cursor.rest().hex()


def _fields(cursor: Cursor, ended: Callable[[], bool]) -> Leaves:
    number = 0
    while not ended():
        name, odd = cursor.vstring("name")
        value, more = cursor.vstring("value")
        path = f"field[{number}]"
        yield f"{path}.name", _text(name)
        yield from under(path, iter([*odd, *more]))
        yield from under(path, FIELDS.get(name.lower(), _plain)(value))
        number += 1


def _plain(value: bytes) -> Leaves:
    yield "value", _text(value)


def _authorization(value: bytes) -> Leaves:
    head, quoted, tail = value.partition(b'token="')
    yield "scheme", _text(head)
    encoded, _, after = tail.partition(b'"')
    yield "form", _text(quoted + b'"' + after)
    cursor = Cursor(base64.urlsafe_b64decode(encoded))
    yield "token.type", cursor.uint(2)
    for name in ("nonce", "challenge_digest", "token_key_id"):
        yield f"token.{name}", cursor.take(32)
    yield "token.authenticator", cursor.rest()


def _proof(value: bytes) -> Leaves:
    cursor = Cursor(base64.urlsafe_b64decode(value))
    pop = Cursor(cursor.lp(2))
    yield "pop.alg", pop.uint(2)
    yield "pop.key", pop.take(32)
    yield "pop.salt", pop.rest()
    yield "proof", cursor.lp(2)
    yield "left", cursor.rest().hex()


FIELDS: dict[bytes, Callable[[bytes], Leaves]] = {b"authorization": _authorization, b"privproc-proof": _proof}


def open_message(data: bytes) -> Leaves:
    """docs/protocol.md §4.3."""
    cursor = Cursor(data)
    yield "version", cursor.uint(2)
    for name in ("role", "log", "namespace"):
        yield name, _text(cursor.lp())
    yield "formats", " ".join(cursor.lp().hex() for _ in range(cursor.uint(2)))
    yield "device_required", cursor.uint(1)
    yield "policy_id", cursor.take(32)
    yield "nonce", cursor.take(32)
    yield "suites", " ".join(cursor.lp().hex() for _ in range(cursor.uint(2)))
    yield from under("client_hello", client_hello(cursor.lp()))
    padding = cursor.lp()
    yield "padding", len(padding)
    yield "padding.zero", str(not any(padding))
    yield "left", cursor.rest().hex()


def client_hello(data: bytes) -> Leaves:
    """RFC 8446 §4.1.2, in one record."""
    record = Cursor(data)
    yield "record", record.take(3).hex()
    message = Cursor(record.lp(2))
    yield "left", record.rest().hex()
    yield "type", message.uint(1)
    hello = Cursor(message.lp(3))
    yield "version", hello.uint(2)
    yield "random", hello.take(32)
    yield "session_id", hello.lp(1)
    yield "cipher_suites", hello.lp(2).hex()
    yield "compression", hello.lp(1).hex()
    extensions, number = Cursor(hello.lp(2)), 0
    while extensions.at < len(extensions.data):
        kind, body = extensions.uint(2), extensions.lp(2)
        yield f"extension[{number}].type", kind
        if kind == KEY_SHARE:
            yield from under("key_share", _shares(body))
        else:
            yield f"extension[{number}].body", body.hex()
        number += 1


KEY_SHARE = 51


def _shares(body: bytes) -> Leaves:
    shares, number = Cursor(Cursor(body).lp(2)), 0
    while shares.at < len(shares.data):
        yield f"[{number}].group", shares.uint(2)
        yield f"[{number}].share", shares.lp(2)
        number += 1


def continue_message(data: bytes) -> Leaves:
    """docs/protocol.md §5.1."""
    cursor = Cursor(data)
    yield "handle", cursor.take(32)
    yield "offset", cursor.uint(8)
    yield "mac", cursor.take(48)
    yield from records(cursor.lp())
    yield "left", cursor.rest().hex()


def records(data: bytes) -> Leaves:
    """TLS records (RFC 8446 §5): type, size and the bytes, encrypted or not."""
    cursor, number = Cursor(data), 0
    while cursor.at < len(data):
        kind = cursor.uint(1)
        path = "change_cipher_spec" if kind == CHANGE_CIPHER_SPEC else f"record[{number}]"
        yield f"{path}.type", kind
        yield f"{path}.version", cursor.uint(2)
        body = cursor.lp(2)
        yield f"{path}.size", len(body)
        yield f"{path}.body", body
        number += kind != CHANGE_CIPHER_SPEC


CHANGE_CIPHER_SPEC = 20


class Records:
    """The same for a stream of them in pieces: each is read with the piece that completes it."""

    def __init__(self) -> None:
        self._cut = b""

    def read(self, data: bytes) -> Leaves:
        data, whole = self._cut + data, 0
        while (end := whole + 5 + int.from_bytes(data[whole + 3 : whole + 5], "big")) <= len(data):
            whole = end
        self._cut = data[whole:]
        yield from records(data[:whole])
        yield "cut", len(self._cut)


def opening_piece(data: bytes) -> Leaves:
    """docs/protocol.md §5.4: Open and what fills the first piece."""
    yield from open_message(data[:2048])
    filling = Cursor(data[2048:])
    zeros = filling.lp()
    yield "filling", len(zeros)
    yield "filling.zero", str(not any(zeros))
    yield "after", filling.rest().hex()


def head(data: bytes) -> Leaves:
    """The Head of wrapped mode, docs/protocol.md §14.4."""
    cursor = Cursor(data)
    yield "version", cursor.uint(2)
    for name in ("role", "log", "namespace"):
        yield name, _text(cursor.lp())
    yield "policy_id", cursor.take(32)
    yield "nonce", cursor.take(32)
    count = cursor.uint(2)
    yield "count", count
    for number in range(count):
        yield f"node[{number}]", cursor.lp()
    yield "body_digest", cursor.take(48)
    padding = cursor.lp()
    yield "padding", len(padding)
    yield "padding.zero", str(not any(padding))
    yield "left", cursor.rest().hex()


def wrapped_message(data: bytes) -> Leaves:
    """The request of wrapped mode, docs/protocol.md §14.4."""
    cursor = Cursor(data)
    yield from head(cursor.take(1024))
    count = cursor.uint(2)
    yield "wraps", count
    for number in range(count):
        yield from under(f"wrap[{number}]", _wrap(Cursor(cursor.lp())))
    body = cursor.lp()
    yield "body.size", len(body)
    yield "body", body
    yield "left", cursor.rest().hex()


def _wrap(cursor: Cursor) -> Leaves:
    yield "enc", cursor.lp()
    yield "sealed", cursor.rest()


def delivery(data: bytes) -> Leaves:
    """What a gateway sends to a node, docs/protocol.md §14.5."""
    cursor = Cursor(data)
    yield "package", cursor.take(48)
    yield "outer", cursor.take(48)
    yield from head(cursor.take(1024))
    yield "index", cursor.uint(1)
    yield "enc", cursor.lp()
    yield "sealed", cursor.take(64)
    body = cursor.lp()
    yield "body.size", len(body)
    yield "body", body
    yield "left", cursor.rest().hex()


CONTENTS: dict[str, Callable[[bytes], Leaves]] = {
    "/privproc/1/open": open_message,
    "/privproc/1/continue": continue_message,
    "/privproc/1/wrapped": wrapped_message,
}

STREAMED: dict[str, Callable[[bytes], Leaves]] = {
    "/privproc/1/open": opening_piece,
    "/privproc/1/continue": continue_message,
}


FORWARD = 48 + 48 + 2048


def forward(data: bytes) -> Leaves:
    """docs/protocol.md §4.6."""
    cursor = Cursor(data)
    yield "package", cursor.take(48)
    yield "outer", cursor.take(48)
    yield from open_message(cursor.rest())


def from_host(data: bytes) -> Leaves:
    """An Offer (docs/protocol.md §4.6), or records.

    The flight's length isn't a leaf: it varies with the DER of the enclave's own ECDSA signatures.
    """
    if data[:1] == b"\x17":
        yield from records(data)
        return
    cursor = Cursor(data)
    cursor.lp()
    yield "announcement", cursor.lp()
    yield "format", cursor.uint(2)
    yield "evidence", cursor.lp()
    yield "devices", cursor.rest().hex()


def token_request(data: bytes) -> Leaves:
    """RFC 9578 §6.1."""
    yield "token_type", int.from_bytes(data[:2], "big")
    yield "truncated_token_key_id", data[2]
    yield "blinded_msg", data[3:]


def opaque(data: bytes) -> Leaves:
    yield "size", len(data)
    yield "bytes", data


def size(data: bytes) -> Leaves:
    """What a party that can't open it has of a message whose bytes are fresh."""
    yield "size", len(data)


def text(data: bytes) -> Leaves:
    yield "text", data.decode()


def under(path: str, leaves: Leaves) -> Leaves:
    """``leaves`` as parts of ``path``."""
    return ((f"{path}.{name}", value) for name, value in leaves)
