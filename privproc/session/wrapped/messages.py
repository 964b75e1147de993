"""The messages of wrapped mode, byte for byte (docs/protocol.md §14). Integers are big-endian."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import ClassVar, Self

from privproc import hpke
from privproc.errors import UnsupportedError, UntrustedError, UsageError
from privproc.responsekey import REQUEST_SIZES
from privproc.responsekey.wrapped import SEALED_LENGTH, Wrap
from privproc.session.messages import _exactly, _name, _text
from privproc.session.wrapped.profile import WRAPS
from privproc.wire import Reader, Writer

__all__ = ["HEAD_SIZE", "Delivery", "Head", "Passport", "Roster", "Statement", "Wrapped"]

VERSION = 1
HEAD_SIZE = 1024
"""Every Head has this many bytes, by its padding field: room for the longest names and eight nodes."""

_DIGEST = 48
_KEY_LIMIT = 4096
_PART_LIMIT = 1 << 18
_PASSPORTS_LIMIT = 64
_BODY = (REQUEST_SIZES[0] + 16, REQUEST_SIZES[-1] + 16)
_BODIES = {size + 16 for size in REQUEST_SIZES}


def _versioned(data: bytes, what: str) -> None:
    if len(data) >= 2 and int.from_bytes(data[:2], "big") != VERSION:
        raise UnsupportedError(f"{what} of version {int.from_bytes(data[:2], 'big')}")


def _wraps(reader: Reader, count: int) -> int:
    if not WRAPS[0] <= count <= WRAPS[1]:
        raise reader.fail(f"wrapped for {count} nodes")
    return count


def _body(reader: Reader) -> bytes:
    body = reader.vector(4, *_BODY)
    if len(body) not in _BODIES:
        raise reader.fail("the body is not of a padded size")
    return body


@dataclass(frozen=True, slots=True)
class Statement:
    """What a node says of itself, and its hardware signs the digest of::

    struct {
        uint16 version = 1;
        uint16 kem, kdf, aead;
        opaque key<1..4096>;                uint32 length
        opaque role<1..255>;                uint32 length, visible ASCII
        opaque package[48];                 the digest of the key package of its epoch
        uint64 not_before, not_after;       Unix seconds, the latter excluded
        uint16 format;                      of the evidence
    } Statement;
    """

    suite: hpke.Suite
    key: hpke.PublicKey
    role: str
    package: bytes
    not_before: int
    not_after: int
    format: int

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Raises :class:`DecodeError`; :class:`UnsupportedError` for another version, and a suite unknown here."""
        _versioned(data, "node statement")
        return Reader.all(data, "node statement", cls._read)

    @classmethod
    def _read(cls, reader: Reader) -> Self:
        reader.u16()
        ids = reader.u16(), reader.u16(), reader.u16()
        encoded = reader.vector(4, 1, _KEY_LIMIT)
        role, package = _text(reader), reader.take(_DIGEST)
        not_before, not_after, kind = reader.u64(), reader.u64(), reader.u16()
        if not_after <= not_before:
            raise reader.fail("a window that ends before it begins")
        suite = hpke.Suite.from_ids(*ids)
        return cls(suite, hpke.PublicKey.decode(suite.kem, encoded), role, package, not_before, not_after, kind)

    def encode(self) -> bytes:
        """The bytes that the node's digest is taken of."""
        writer = Writer().uint(2, VERSION).raw(self.suite.encoded).vector(4, self.key.encode())
        writer.vector(4, _name(self.role)).raw(_exactly(_DIGEST, self.package))
        return writer.uint(8, self.not_before).uint(8, self.not_after).uint(2, self.format).done()


@dataclass(frozen=True, slots=True)
class Passport:
    """A node's statement with what shows it to be true. What the host staples authenticates itself::

    struct {
        opaque statement<1..2^18>;          uint32 lengths
        opaque evidence<1..2^18>;
        opaque endorsements<0..2^18>;
        opaque log_proof<0..2^18>;
    } Passport;
    """

    statement: bytes
    evidence: bytes
    endorsements: bytes
    log_proof: bytes

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Raises :class:`DecodeError`. The statement isn't looked into."""
        return Reader.all(data, "passport", cls._read)

    @classmethod
    def _read(cls, reader: Reader) -> Self:
        statement, evidence = reader.vector(4, 1, _PART_LIMIT), reader.vector(4, 1, _PART_LIMIT)
        return cls(statement, evidence, reader.vector(4, 0, _PART_LIMIT), reader.vector(4, 0, _PART_LIMIT))

    def encode(self) -> bytes:
        """The wire form."""
        writer = Writer().vector(4, self.statement).vector(4, self.evidence)
        return writer.vector(4, self.endorsements).vector(4, self.log_proof).done()


@dataclass(frozen=True, slots=True)
class Roster:
    """The nodes of a role, the same list for all devices::

    struct {
        uint8 wraps;                        for how many nodes a request is wrapped: 2 to 8
        uint16 count;                       of passports: wraps to 64
        Passport passports[count];          each after a uint32 length
    } Roster;
    """

    wraps: int
    passports: tuple[Passport, ...]

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Raises :class:`DecodeError`."""
        return Reader.all(data, "roster", cls._read)

    @classmethod
    def _read(cls, reader: Reader) -> Self:
        wraps, count = _wraps(reader, reader.u8()), reader.u16()
        if not wraps <= count <= _PASSPORTS_LIMIT:
            # req: privproc1/14.2 roster-form
            raise reader.fail(f"{count} passports")
        return cls(wraps, tuple(Passport.decode(reader.vector(4)) for _ in range(count)))

    def encode(self) -> bytes:
        """The wire form."""
        writer = Writer().uint(1, self.wraps).uint(2, len(self.passports))
        for passport in self.passports:
            writer.vector(4, passport.encode())
        return writer.done()


@dataclass(frozen=True, slots=True)
class Head:
    """What the device asks for and of whom; hashed into ``thw`` from its exact bytes::

    struct {
        uint16 version = 1;
        opaque role<1..255>, log<1..255>, namespace<1..255>;    uint32 lengths, visible ASCII
        opaque policy_id[32];
        opaque nonce[32];
        uint16 count;                       of nodes: 2 to 8
        Node nodes[count];                  digests of 48 bytes, each after a uint32 length
        opaque body[48];                    SHA-384 of the sealed body
        opaque padding<0..1024>;            uint32 length, zeros; fills Head to 1024 bytes
    } Head;
    """

    role: str
    log: str
    namespace: str
    policy_id: bytes
    nonce: bytes
    nodes: tuple[bytes, ...]
    body: bytes

    SIZE: ClassVar[int] = HEAD_SIZE

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Raises :class:`DecodeError`; :class:`UnsupportedError` for another version."""
        _versioned(data, "Head")
        return Reader.all(data, "Head", cls._read)

    @classmethod
    def _read(cls, reader: Reader) -> Self:
        reader.u16()
        role, log, namespace = _text(reader), _text(reader), _text(reader)
        policy_id, nonce = reader.take(32), reader.take(32)
        nodes = tuple(reader.vector(4, _DIGEST, _DIGEST) for _ in range(_wraps(reader, reader.u16())))
        body, padding = reader.take(_DIGEST), reader.vector(4)
        if padding != bytes(len(padding)):
            raise reader.fail("padding is not zero")
        if reader.offset != cls.SIZE:
            # req: privproc1/14.4 head-form
            raise reader.fail(f"{reader.offset} bytes instead of {cls.SIZE}")
        return cls(role, log, namespace, policy_id, nonce, nodes, body)

    def check_body(self, body: bytes) -> None:
        """Raise :class:`UntrustedError` unless ``body`` is the one that is named here."""
        if hashlib.sha384(body).digest() != self.body:
            # req: privproc1/14.4 one-body
            raise UntrustedError("the body is not the head's")

    def encode(self) -> bytes:
        """Always :data:`HEAD_SIZE` bytes; :class:`UsageError` when the parts don't fit."""
        writer = Writer().uint(2, VERSION)
        for name in (self.role, self.log, self.namespace):
            writer.vector(4, _name(name))
        writer.raw(_exactly(32, self.policy_id)).raw(_exactly(32, self.nonce)).uint(2, len(self.nodes))
        for node in self.nodes:
            writer.vector(4, _exactly(_DIGEST, node))
        used = writer.raw(_exactly(_DIGEST, self.body)).done()
        if len(used) + 4 > self.SIZE:
            raise UsageError(f"Head needs {len(used) + 4} bytes, over {self.SIZE}")
        return Writer().raw(used).vector(4, bytes(self.SIZE - len(used) - 4)).done()


@dataclass(frozen=True, slots=True)
class Wrapped:
    """The device's request: one body, and its secret for each node of the head, in that order::

    struct {
        opaque head[1024];
        uint16 count;                       of wraps: 2 to 8
        Wrap wraps[count];                  each after a uint32 length: lp(enc) || sealed[64]
        opaque body<4112..2^22+16>;         uint32 length; one of the padded sizes, and the tag
    } Wrapped;
    """

    head: bytes
    wraps: tuple[Wrap, ...]
    body: bytes = field(repr=False)

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Raises :class:`DecodeError`. The head isn't looked into."""
        return Reader.all(data, "Wrapped", cls._read)

    @classmethod
    def _read(cls, reader: Reader) -> Self:
        head, count = reader.take(HEAD_SIZE), _wraps(reader, reader.u16())
        wraps = tuple(_read_wrap(reader.sub(4)) for _ in range(count))
        return cls(head, wraps, _body(reader))

    def encode(self) -> bytes:
        """The wire form."""
        writer = Writer().raw(_exactly(HEAD_SIZE, self.head)).uint(2, len(self.wraps))
        for wrap in self.wraps:
            writer.vector(4, Writer().vector(4, wrap.enc).raw(wrap.sealed).done())
        return writer.vector(4, self.body).done()


def _read_wrap(reader: Reader) -> Wrap:
    wrap = Wrap(reader.vector(4, 1, _KEY_LIMIT), reader.take(SEALED_LENGTH))
    reader.finish()
    return wrap


@dataclass(frozen=True, slots=True)
class Delivery:
    """What the gateway passes to the node that it chose: an opaque digest of the outer exchange, and one wrap::

    struct {
        opaque package[48], outer[48];
        opaque head[1024];
        uint8 index;                        the node's place in the head
        opaque enc<1..4096>;                uint32 length
        opaque sealed[64];
        opaque body<4112..2^22+16>;         uint32 length
    } Delivery;
    """

    package: bytes
    outer: bytes
    head: bytes
    index: int
    wrap: Wrap
    body: bytes = field(repr=False)

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Raises :class:`DecodeError`. The head isn't looked into."""
        return Reader.all(data, "Delivery", cls._read)

    @classmethod
    def _read(cls, reader: Reader) -> Self:
        package, outer, head = reader.take(48), reader.take(48), reader.take(HEAD_SIZE)
        index, enc, sealed = reader.u8(), reader.vector(4, 1, _KEY_LIMIT), reader.take(SEALED_LENGTH)
        return cls(package, outer, head, index, Wrap(enc, sealed), _body(reader))

    def encode(self) -> bytes:
        """The wire form."""
        writer = Writer().raw(_exactly(48, self.package)).raw(_exactly(48, self.outer))
        writer.raw(_exactly(HEAD_SIZE, self.head)).uint(1, self.index)
        return writer.vector(4, self.wrap.enc).raw(self.wrap.sealed).vector(4, self.body).done()
