"""The two encodings of a claims set, CBOR and JSON, and all that they differ in (RFC 9711 §7.2)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from enum import IntEnum
from types import MappingProxyType
from typing import ClassVar, Final, TypeVar, final

from privproc import base64url, strictjson
from privproc.attestation import cbor
from privproc.attestation.oids import decode_oid
from privproc.errors import DecodeError, UnsupportedError

__all__ = ["CBOR", "JSON", "MAX_SIZE", "WHAT", "Form", "utf8"]

E = TypeVar("E", bound=IntEnum)

WHAT: Final = "EAT"
MAX_SIZE: Final = cbor.MAX_SIZE
"""Bytes of the longest token or claims set that is read."""

_NUMBERS: Final = {
    "iss": 1,
    "sub": 2,
    "aud": 3,
    "exp": 4,
    "nbf": 5,
    "iat": 6,
    "jti": 7,  # cti in CBOR
    "eat_nonce": 10,
    "ueid": 256,
    "sueids": 257,
    "oemid": 258,
    "hwmodel": 259,
    "hwversion": 260,
    "uptime": 261,
    "oemboot": 262,
    "dbgstat": 263,
    "eat_profile": 265,
    "submods": 266,
    "bootcount": 267,
    "bootseed": 268,
    "swname": 270,
    "swversion": 271,
    "manifests": 272,
    "measurements": 273,
    "measres": 274,
    "intuse": 275,
}  # RFC 8392 §4, RFC 9711 §10.2


def utf8(text: str) -> bytes:
    """``text`` in UTF-8. Raises :class:`DecodeError` for half of a surrogate pair, which JSON can say."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise DecodeError(WHAT, "text that isn't UTF-8") from None


class Form(ABC):
    """An encoding: :data:`CBOR` or :data:`JSON`."""

    __slots__ = ()
    names: ClassVar[Mapping[int | str, str]]
    """The names that claims have in JSON, by those that they have in this form."""

    @abstractmethod
    def parse(self, data: bytes) -> object:
        """The value that ``data`` encodes. Raises :class:`DecodeError`."""

    @abstractmethod
    def binary(self, value: object) -> bytes:
        """A byte string, which in JSON is base64url without padding. Raises :class:`DecodeError`."""

    @abstractmethod
    def choice(self, members: type[E], value: object) -> E:
        """A member of an enumeration. Raises :class:`UnsupportedError` for what isn't one."""

    @abstractmethod
    def nonce(self, value: object) -> bytes | str:
        """A nonce (RFC 9711 §4.1). Raises :class:`DecodeError`."""

    @abstractmethod
    def profile(self, value: object) -> str:
        """A profile's URI, or its OID in dots. Raises :class:`DecodeError`."""

    def __repr__(self) -> str:
        return type(self).__name__.lstrip("_").upper()


@final
class _Cbor(Form):
    __slots__ = ()
    # req: rfc9711/4 names-of-the-encoding
    names: ClassVar = MappingProxyType({number: name for name, number in _NUMBERS.items()})

    def parse(self, data: bytes) -> object:
        return cbor.decode(data, WHAT)

    def binary(self, value: object) -> bytes:
        if not isinstance(value, bytes):
            raise DecodeError(WHAT, "not a byte string")
        return value

    def choice(self, members: type[E], value: object) -> E:
        if isinstance(value, bool) or not isinstance(value, int) or value not in {*members}:
            raise UnsupportedError(f"{WHAT}: no known {members.__name__}")
        return members(value)

    def nonce(self, value: object) -> bytes:
        nonce = self.binary(value)
        # req: rfc9711/4.1 nonce-sizes
        if not 8 <= len(nonce) <= 64:
            raise DecodeError(WHAT, "a nonce is not 8 to 64 bytes")
        return nonce

    def profile(self, value: object) -> str:
        return value if isinstance(value, str) else decode_oid(self.binary(value))


@final
class _Json(Form):
    __slots__ = ()
    # req: rfc9711/4 names-of-the-encoding
    # req: rfc9711/4.1 nonce-of-openid-is-not-used
    names: ClassVar = MappingProxyType({name: name for name in _NUMBERS})

    def parse(self, data: bytes) -> object:
        if len(data) > MAX_SIZE:
            raise DecodeError(WHAT, f"more than {MAX_SIZE} bytes")
        return strictjson.decode(data, WHAT)

    def binary(self, value: object) -> bytes:
        if not isinstance(value, str):
            raise DecodeError(WHAT, "not base64url text")
        return base64url.decode(value, WHAT)

    def choice(self, members: type[E], value: object) -> E:
        named = {member.name.lower().replace("_", "-"): member for member in members}
        if not isinstance(value, str) or value not in named:
            raise UnsupportedError(f"{WHAT}: no known {members.__name__}")
        return named[value]

    def nonce(self, value: object) -> str:
        # req: rfc9711/4.1 nonce-sizes
        if not isinstance(value, str) or not 8 <= len(utf8(value)) <= 88:
            raise DecodeError(WHAT, "a nonce is not text of 8 to 88 bytes")
        return value

    def profile(self, value: object) -> str:
        if not isinstance(value, str):
            raise DecodeError(WHAT, "a profile is not text")
        return value


CBOR: Final[Form] = _Cbor()
"""Concise Binary Object Representation, as in CWTs."""
JSON: Final[Form] = _Json()
"""JavaScript Object Notation, as in JWTs."""
