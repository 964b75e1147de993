"""Extensions: public metadata of tokens (draft-ietf-privacypass-auth-scheme-extensions-04), and expiration
(draft-ietf-privacypass-expiration-extension-00).

Whatever they say, they say to issuer and origin alike, so a value that few clients share links the two. A client takes
values that all clients take; a policy that both ends check keeps them few.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final, Protocol

from privproc import base64url, httpauth
from privproc.errors import DecodeError, ExpiredError, PolicyError, UsageError
from privproc.wire import Reader, Writer

__all__ = [
    "EXPIRATION",
    "Expiration",
    "ExpirationPolicy",
    "Extension",
    "ExtensionPolicy",
    "ExtensionSet",
    "Extensions",
    "ListedExtensions",
    "OfferedExtensions",
]

EXPIRATION: Final = 0x0001
"""The extension type of :class:`Expiration`."""

_LIST = 0xFFFF
_WHAT = "Extensions"


@dataclass(frozen=True, slots=True)
class Extension:
    """One extension: a type from 1 to 65535 (0 is reserved), and what it means to those who know the type."""

    extension_type: int
    data: bytes = field(default=b"", repr=False)

    def __post_init__(self) -> None:
        if not 0 < self.extension_type <= 0xFFFF or len(self.data) > _LIST - 4:
            raise UsageError(f"Extension: a type from 1 to 65535, and at most {_LIST - 4} bytes")


@dataclass(frozen=True, slots=True)
class Extensions:
    """Extensions in the order of their types, which may repeat.

    ::

        struct {
            ExtensionType extension_type;           uint16
            opaque extension_data<0..2^16-1>;
        } Extension;

        struct {
            Extension extensions<0..2^16-1>;
        } Extensions;                               2 bytes and more

    A token is signed over the encoding, which is the only one of its values.
    """

    entries: tuple[Extension, ...] = ()
    _encoded: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not _ordered(entry.extension_type for entry in self.entries):
            raise UsageError("Extensions: not in the order of their types")
        writer = Writer()
        for entry in self.entries:
            writer.uint(2, entry.extension_type).vector(2, entry.data)
        body = writer.done()
        if len(body) > _LIST:
            raise UsageError(f"Extensions: {len(body)} bytes, over {_LIST}")
        object.__setattr__(self, "_encoded", len(body).to_bytes(2, "big") + body)

    @classmethod
    def decode(cls, data: bytes) -> Extensions:
        """Raises :class:`DecodeError` for malformed bytes, the reserved type, and types out of order."""
        return Reader.all(data, _WHAT, cls._read)

    @classmethod
    def _read(cls, reader: Reader) -> Extensions:
        inner = reader.sub(2)
        found: list[Extension] = []
        while inner.left:
            extension_type = inner.u16()
            if extension_type == 0:
                raise inner.fail("the reserved extension type")
            found.append(Extension(extension_type, inner.vector(2)))
        if not _ordered(entry.extension_type for entry in found):
            raise inner.fail("not in the order of their types")
        return cls(tuple(found))

    def encode(self) -> bytes:
        """The bytes that the token is signed over."""
        return self._encoded


def _ordered(types: Iterable[int]) -> bool:
    return all(before <= after for before, after in pairwise(types))


@dataclass(frozen=True, slots=True)
class Expiration:
    """When a token expires: ``timestamp`` in Unix seconds, a multiple of ``precision`` seconds.

    ::

        struct {
            uint64 timestamp_precision;
            uint64 timestamp;
        } ExpirationTimestamp;                      16 bytes

    The draft leaves it at a rounded timestamp; here one off its own grid is malformed, since it could mark a client.
    """

    timestamp: int
    precision: int

    def __post_init__(self) -> None:
        if why := _off_grid(self.timestamp, self.precision):
            raise UsageError(f"Expiration: {why}")

    @classmethod
    def after(cls, lifetime: int, *, precision: int, at: int) -> Expiration:
        """The first timestamp on the grid that is ``lifetime`` seconds after ``at`` or later: the same for all clients
        that ask between two points of the grid.
        """
        if precision < 1:
            raise UsageError("Expiration: a precision of at least one second")
        return cls(-(-(at + lifetime) // precision) * precision, precision)

    def extension(self) -> Extension:
        """As an extension of type 0x0001."""
        return Extension(EXPIRATION, Writer().uint(8, self.precision).uint(8, self.timestamp).done())

    @classmethod
    def decode(cls, data: bytes) -> Expiration:
        """From the data of an extension of type 0x0001. Raises :class:`DecodeError`."""
        return Reader.all(data, "ExpirationTimestamp", cls._read)

    @classmethod
    def _read(cls, reader: Reader) -> Expiration:
        precision, timestamp = reader.u64(), reader.u64()
        if why := _off_grid(timestamp, precision):
            raise reader.fail(why)
        return cls(timestamp, precision)


def _off_grid(timestamp: int, precision: int) -> str | None:
    if not 0 < precision < 1 << 64 or not 0 <= timestamp < 1 << 64:
        return "not a precision and a timestamp"
    return "timestamp is no multiple of its precision" if timestamp % precision else None


class ExtensionPolicy(Protocol):
    """Which extensions an issuer issues with, or an origin accepts."""

    def check(self, extensions: Extensions, *, at: int) -> None:
        """Raise a :class:`PeerError` for those that it doesn't permit."""
        ...


@dataclass(frozen=True, slots=True)
class ListedExtensions:
    """Permits exactly the listed values. Raises :class:`UsageError` for an empty list."""

    permitted: frozenset[Extensions]

    def __post_init__(self) -> None:
        if not self.permitted:
            raise UsageError("ListedExtensions: an empty list permits nothing")

    def check(self, extensions: Extensions, *, at: int) -> None:  # noqa: ARG002
        """Raises :class:`PolicyError`; the same at any time."""
        if extensions not in self.permitted:
            raise PolicyError("extensions: not among those that are permitted")


@dataclass(frozen=True, slots=True)
class ExpirationPolicy:
    """Permits one expiration and nothing else: on a grid of ``precision`` seconds, after ``at`` and at most ``longest``
    seconds after it, so that at most ``longest / precision + 1`` values are in use at a time.
    """

    precision: int
    longest: int

    def __post_init__(self) -> None:
        if not 0 < self.precision <= self.longest:
            raise UsageError("ExpirationPolicy: a precision of at least a second, and not over the longest lifetime")

    def check(self, extensions: Extensions, *, at: int) -> None:
        """Raises :class:`PolicyError` for other extensions, another grid and too late an expiration,
        :class:`ExpiredError` when it is over, :class:`DecodeError` when it is malformed.
        """
        if [entry.extension_type for entry in extensions.entries] != [EXPIRATION]:
            raise PolicyError("extensions: exactly one expiration is permitted")
        found = Expiration.decode(extensions.entries[0].data)
        if found.precision != self.precision:
            raise PolicyError("expiration: of another precision")
        if found.timestamp <= at:
            raise ExpiredError("token: expired")
        if found.timestamp > at + self.longest:
            raise PolicyError("expiration: too late")


@dataclass(frozen=True, slots=True)
class ExtensionSet:
    """The extension types that an origin wants: pairs of type, and whether it is required.

    ::

        struct {
            Bool is_required;                       uint8: 0 or 1
            ExtensionType extension_type;           uint16
        } ExtensionEntry;

        struct {
            ExtensionEntry extension_types<0..2^16-1>;
        } ExtensionSet;
    """

    entries: tuple[tuple[int, bool], ...]

    def __post_init__(self) -> None:
        if len(self.entries) > _LIST // 3 or not all(0 < number <= 0xFFFF for number, _ in self.entries):
            raise UsageError(f"ExtensionSet: at most {_LIST // 3} types from 1 to 65535")
        if len({number for number, _ in self.entries}) != len(self.entries):
            raise UsageError("ExtensionSet: a type occurs twice")

    @classmethod
    def decode(cls, data: bytes) -> ExtensionSet:
        """Raises :class:`DecodeError` for malformed bytes, and for types that are reserved or occur twice."""
        return Reader.all(data, "ExtensionSet", cls._read)

    @classmethod
    def _read(cls, reader: Reader) -> ExtensionSet:
        inner = reader.sub(2)
        found: dict[int, bool] = {}
        while inner.left:
            required, number = inner.u8(), inner.u16()
            if required > 1 or number == 0 or number in found:
                raise inner.fail("not a Bool, the reserved type, or a type for the second time")
            found[number] = bool(required)
        return cls(tuple(found.items()))

    def encode(self) -> bytes:
        """The bytes of the structure."""
        writer = Writer()
        for number, required in self.entries:
            writer.uint(1, required).uint(2, number)
        return Writer().vector(2, writer.done()).done()


@dataclass(frozen=True, slots=True)
class OfferedExtensions:
    """What a PrivateToken challenge says about extensions: the types it wants, and values that it suggests.

    A suggestion that differs from client to client marks them: answer with one only if a policy of your own permits it.
    """

    wanted: ExtensionSet | None = None
    suggested: Extensions | None = None

    def beside(self, challenge: httpauth.Auth) -> httpauth.Auth:
        """``challenge`` with the parameters ``extension-set`` and ``extensions``."""
        params = list(challenge.params)
        if self.wanted is not None:
            params.append(("extension-set", base64url.encode_padded(self.wanted.encode())))
        if self.suggested is not None:
            params.append(("extensions", base64url.encode_padded(self.suggested.encode())))
        return httpauth.Auth(challenge.scheme, tuple(params), challenge.token68)

    @classmethod
    def decode(cls, challenge: httpauth.Auth) -> OfferedExtensions:
        """The two parameters of a challenge, each ``None`` when absent. Raises :class:`DecodeError`."""
        wanted, suggested = challenge.get("extension-set"), challenge.get("extensions")
        return cls(
            None if wanted is None else ExtensionSet.decode(base64url.decode_padded(wanted, "extension-set")),
            None if suggested is None else from_parameter(suggested),
        )


def from_parameter(text: str | None) -> Extensions:
    """The extensions in the parameter ``extensions``; raises :class:`DecodeError` when it is absent or malformed."""
    if text is None:
        raise DecodeError("credentials", "no extensions")
    return Extensions.decode(base64url.decode_padded(text, _WHAT))
