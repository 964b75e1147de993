"""The two plaintext messages of a TLS 1.3 handshake: what a peer offers, what it chose, and what is refused.

OpenSSL would negotiate more than the protocol allows: pyOpenSSL can't set groups, lets a HelloRetryRequest pass and
doesn't say whether a session was resumed. So both hellos are read here before OpenSSL's verdict counts. The gateway
calls :func:`check_client_hello` too, before it bothers an enclave.

Numbers: RFC 8446 §4.2 and §4.1.3; groups from IANA's registry "TLS Supported Groups" (the hybrid:
draft-ietf-tls-ecdhe-mlkem).
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final, Self, TypeVar

from privproc.errors import DecodeError, PolicyError, UnsupportedError
from privproc.wire import Reader, bounded

__all__ = [
    "CIPHER_SUITE",
    "MAX_CLIENT_HELLO",
    "ClientHello",
    "Group",
    "ServerHello",
    "check_client_hello",
    "check_server_hello",
    "read_extensions",
]

T = TypeVar("T")


class Group(IntEnum):
    """The key exchange that a session must use; exactly one is demanded, by the key package, never negotiated.

    :attr:`X25519` comes about only where one end's OpenSSL has no ML-KEM: between two that have it OpenSSL picks the
    hybrid, and a demand for X25519 then fails with :class:`~privproc.errors.UnsupportedError`.
    """

    X25519MLKEM768 = 0x11EC
    X25519 = 0x001D


CIPHER_SUITE: Final = 0x1302
"""TLS_AES_256_GCM_SHA384, the only suite offered or accepted: the key schedule around it is SHA-384 as well."""

MAX_CLIENT_HELLO: Final = 4096
"""Bytes. The library's own hello has 1443 with the hybrid group."""

_SHARE_SIZES: Final = {Group.X25519MLKEM768: (1216, 1120), Group.X25519: (32, 32)}  # client's, server's

_TLS12, _TLS13 = 0x0303, 0x0304
_HANDSHAKE = 22
_CLIENT_HELLO, _SERVER_HELLO = 1, 2
_SIGNATURE_ALGORITHMS = 13
_SUPPORTED_GROUPS, _PRE_SHARED_KEY, _EARLY_DATA, _SUPPORTED_VERSIONS, _COOKIE, _KEY_SHARE = 10, 41, 42, 43, 44, 51

_REFUSED_IN_CLIENT_HELLO: Final = {
    _PRE_SHARED_KEY: "resumption (pre_shared_key)",
    _EARLY_DATA: "0-RTT (early_data)",
    _COOKIE: "an answer to a HelloRetryRequest (cookie)",
}

_RETRY_RANDOM: Final = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")
"""RFC 8446 §4.1.3: SHA-256("HelloRetryRequest"), the random that makes a ServerHello a HelloRetryRequest."""


@dataclass(frozen=True, slots=True)
class ClientHello:
    """What a ClientHello offers.

    The input is the TLS plaintext records that carry it (RFC 8446 §5.1 and §4.1.2), and nothing else::

        records     = *( uint8 22 || uint16 0x0301 or 0x0303 || opaque fragment<1..2^14> )
        fragments   = uint8 1 || uint24 length ||
                      uint16 legacy_version = 0x0303; opaque random[32]; opaque legacy_session_id<0..32>;
                      uint16 cipher_suites<2..2^16-2>; uint8 legacy_compression_methods<1..1> = 0;
                      Extension extensions<8..2^16-1>;

    ``shares`` gives group and size of each key share, ``extensions`` the types in order. There is no ``encode``:
    OpenSSL writes hellos.
    """

    random: bytes = field(repr=False)
    session_id: bytes = field(repr=False)
    suites: tuple[int, ...]
    versions: tuple[int, ...]
    groups: tuple[int, ...]
    shares: tuple[tuple[int, int], ...]
    signature_algorithms: tuple[int, ...]
    extensions: tuple[int, ...]

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """The hello in ``data``. Raises :class:`DecodeError`, or :class:`LimitError` over 4096 bytes."""
        bounded("ClientHello", len(data), MAX_CLIENT_HELLO)
        message = Reader(_defragment(data), "ClientHello")
        body = _message(message, _CLIENT_HELLO)
        message.finish()
        random = _opening(body)
        session_id = body.vector(1, 0, 32)
        suites = _uint16s(body, body.vector(2, 2))
        if body.vector(1) != b"\0":
            raise body.fail("compression offered")
        extensions = read_extensions(body, 8)
        body.finish()
        return cls(
            random=random,
            session_id=session_id,
            suites=suites,
            versions=_listed(extensions, _SUPPORTED_VERSIONS, 1),
            groups=_listed(extensions, _SUPPORTED_GROUPS, 2),
            shares=_extension(extensions, _KEY_SHARE, _shares) or (),
            signature_algorithms=_listed(extensions, _SIGNATURE_ALGORITHMS, 2),
            extensions=tuple(extensions),
        )


@dataclass(frozen=True, slots=True)
class ServerHello:
    """What a ServerHello chose (RFC 8446 §4.1.3)::

        uint8 2 || uint24 length ||
        uint16 legacy_version = 0x0303; opaque random[32]; opaque legacy_session_id_echo<0..32>;
        uint16 cipher_suite; uint8 legacy_compression_method = 0; Extension extensions<6..2^16-1>;

    The input is the content of the first record, which the message must fill: it can't span the change of keys that
    follows. ``version`` is ``None`` without supported_versions, which means TLS 1.2 or older.
    """

    random: bytes = field(repr=False)
    suite: int
    version: int | None
    group: int | None
    share_size: int
    extensions: tuple[int, ...]

    @property
    def is_retry(self) -> bool:
        """Whether it is a HelloRetryRequest, which has the same form."""
        return self.random == _RETRY_RANDOM

    @classmethod
    def decode(cls, message: bytes) -> Self:
        """The hello in ``message``. Raises :class:`DecodeError`."""
        reader = Reader(message, "ServerHello")
        body = _message(reader, _SERVER_HELLO)
        reader.finish()
        random = _opening(body)
        body.vector(1, 0, 32)
        suite = body.u16()
        if body.u8() != 0:
            raise body.fail("compression chosen")
        # TLS 1.2 allows the block to be absent; the version check refuses that hello anyway.
        extensions = read_extensions(body, 0) if body.left else {}
        body.finish()
        read_share = _retry_share if random == _RETRY_RANDOM else _chosen_share
        group, size = _extension(extensions, _KEY_SHARE, read_share) or (None, 0)
        return cls(
            random=random,
            suite=suite,
            version=_extension(extensions, _SUPPORTED_VERSIONS, Reader.u16),
            group=group,
            share_size=size,
            extensions=tuple(extensions),
        )


def check_client_hello(data: bytes, group: Group) -> ClientHello:
    """Exactly one ClientHello of this protocol's profile, with a key share for ``group``, or an error.

    The profile: TLS 1.3 and nothing older offered, TLS_AES_256_GCM_SHA384 offered, no resumption, no 0-RTT, no second
    hello. The key share makes a HelloRetryRequest needless.

    Raises :class:`DecodeError` (malformed, trailing bytes), :class:`LimitError` (over 4096 bytes),
    :class:`UnsupportedError` (version, suite, group), :class:`PolicyError` (resumption, 0-RTT, second hello).
    """
    hello = ClientHello.decode(data)
    if hello.versions != (_TLS13,):
        # req: privproc1/4.2 clienthello-is-checked
        raise UnsupportedError("ClientHello must offer TLS 1.3 and no other version")
    for number, name in _REFUSED_IN_CLIENT_HELLO.items():
        if number in hello.extensions:
            raise PolicyError(f"ClientHello: {name} is refused")
    if CIPHER_SUITE not in hello.suites:
        raise UnsupportedError("ClientHello doesn't offer TLS_AES_256_GCM_SHA384")
    offered = dict(hello.shares)
    if group not in hello.groups or group not in offered:
        raise UnsupportedError(f"ClientHello has no key share for {group.name}")
    _check_size("ClientHello", offered[group], _SHARE_SIZES[group][0])
    return hello


# req: privproc1/4.2 no-retry-no-resumption
def check_server_hello(flight: bytes, group: Group) -> int:
    """Check the ServerHello that opens ``flight`` (TLS records) and return how many bytes its record takes.

    Raises :class:`DecodeError` (malformed), :class:`PolicyError` (HelloRetryRequest, resumption),
    :class:`UnsupportedError` (not TLS 1.3, another suite or group).
    """
    records = Reader(flight, "server flight")
    if records.u8() != _HANDSHAKE:
        raise records.fail("the first record isn't a handshake record")
    if records.u16() != _TLS12:
        raise records.fail("record version isn't 0x0303")
    hello = ServerHello.decode(records.vector(2, 1, 1 << 14))
    if hello.version != _TLS13:
        # req: privproc1/4.2 flight-is-checked
        raise UnsupportedError("ServerHello doesn't choose TLS 1.3")
    if hello.is_retry:
        raise PolicyError("HelloRetryRequest is refused")
    if _PRE_SHARED_KEY in hello.extensions:
        raise PolicyError("ServerHello: resumption (pre_shared_key) is refused")
    if hello.suite != CIPHER_SUITE:
        raise UnsupportedError("ServerHello doesn't choose TLS_AES_256_GCM_SHA384")
    if hello.group != group:
        raise UnsupportedError(f"ServerHello doesn't choose {group.name}")
    _check_size("ServerHello", hello.share_size, _SHARE_SIZES[group][1])
    return records.offset


def _defragment(data: bytes) -> bytes:
    """The joined fragments of plaintext handshake records."""
    records = Reader(data, "ClientHello")
    fragments: list[bytes] = []
    while records.left or not fragments:
        if records.u8() != _HANDSHAKE:
            raise records.fail("not a handshake record")
        if records.u16() not in (0x0301, 0x0303):
            raise records.fail("unknown record version")
        fragments.append(records.vector(2, 1, 1 << 14))
    return fragments[0] if len(fragments) == 1 else b"".join(fragments)


def _message(reader: Reader, kind: int) -> Reader:
    if reader.u8() != kind:
        raise reader.fail("another handshake message")
    return reader.sub(3)


def _opening(body: Reader) -> bytes:
    """legacy_version and random, the same in both hellos."""
    if body.u16() != _TLS12:
        raise body.fail("legacy_version isn't 0x0303")
    return body.take(32)


def read_extensions(body: Reader, at_least: int) -> dict[int, bytes]:
    """``Extension extensions<at_least..2^16-1>``: the data by type; one type twice is refused (RFC 8446 §4.2)."""
    block = body.sub(2, at_least)
    found: dict[int, bytes] = {}
    while block.left:
        kind = block.u16()
        if kind in found:
            raise block.fail("an extension twice")
        found[kind] = block.vector(2)
    return found


def _uint16s(reader: Reader, data: bytes) -> tuple[int, ...]:
    if len(data) % 2:
        raise reader.fail("half a uint16")
    return struct.unpack(f">{len(data) // 2}H", data)


def _extension(extensions: dict[int, bytes], kind: int, read: Callable[[Reader], T]) -> T | None:
    """What ``read`` makes of an extension, which it must consume; ``None`` where there is none."""
    data = extensions.get(kind)
    return None if data is None else Reader.all(data, f"extension {kind} of a hello", read)


def _listed(extensions: dict[int, bytes], kind: int, width: int) -> tuple[int, ...]:
    """The uint16 list that is all of an extension: supported_versions<2..254>, named_group_list<2..2^16-1>."""
    return _extension(extensions, kind, lambda reader: _uint16s(reader, reader.vector(width, 2))) or ()


def _shares(reader: Reader) -> tuple[tuple[int, int], ...]:
    """KeyShareClientHello (RFC 8446 §4.2.8): ``KeyShareEntry client_shares<0..2^16-1>``, no group twice."""
    entries = reader.sub(2)
    found: dict[int, int] = {}
    while entries.left:
        group = entries.u16()
        if group in found:
            raise entries.fail("two key shares for one group")
        found[group] = len(entries.vector(2, 1))
    return tuple(found.items())


def _chosen_share(reader: Reader) -> tuple[int, int]:
    """KeyShareServerHello: ``group || key_exchange<1..2^16-1>``."""
    return reader.u16(), len(reader.vector(2, 1))


def _retry_share(reader: Reader) -> tuple[int, int]:
    """KeyShareHelloRetryRequest: the group alone."""
    return reader.u16(), 0


def _check_size(what: str, size: int, expected: int) -> None:
    if size != expected:
        raise DecodeError(what, f"key share of {size} bytes instead of {expected}")
