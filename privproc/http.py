"""HTTP messages as values (RFC 9110), for every layer that carries or asks for them. Nothing here sends anything."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from privproc.errors import DecodeError

__all__ = ["Field", "Fields", "Informational", "Request", "Response", "age", "delta_seconds", "media_type", "single"]

Field = tuple[bytes, bytes]
"""A field line: name in lower case, value without surrounding white space."""

Fields = tuple[Field, ...]


def single(fields: Fields, name: bytes) -> bytes | None:
    """The value of field ``name`` (lower case), ``None`` when absent.

    Raises :class:`DecodeError` when it occurs more than once: which one counts must not be anybody's choice.
    """
    values = [value for field, value in fields if field == name]
    if len(values) > 1:
        raise DecodeError("HTTP fields", f"{name.decode('ascii', 'replace')} occurs {len(values)} times")
    return values[0] if values else None


def media_type(fields: Fields) -> str | None:
    """The media type of a message in lower case, without parameters (RFC 9110 §8.3.1); ``None`` when it states none.

    Raises :class:`DecodeError` for two Content-Type fields.
    """
    value = single(fields, b"content-type")
    return None if value is None else value.partition(b";")[0].strip(b" \t").lower().decode("latin-1")


def age(fields: Fields) -> int:
    """The seconds that a response spent in caches (RFC 9111 §5.1), 0 when it states none.

    Raises :class:`DecodeError` for two Age fields, and as :func:`delta_seconds` does.
    """
    value = single(fields, b"age")
    return 0 if value is None else delta_seconds("Age", value.decode("latin-1"))


def delta_seconds(what: str, value: str | None) -> int:
    """The number of seconds that ``value`` of field or directive ``what`` is, at most 2^31 (RFC 9111 §1.2.2).

    Raises :class:`DecodeError` unless it is 1 to 20 digits.
    """
    if value is None or not _SECONDS.fullmatch(value):
        raise DecodeError(what, "not a number of seconds")
    return min(int(value), 1 << 31)


_SECONDS = re.compile(r"[0-9]{1,20}")


@dataclass(frozen=True, slots=True)
class Informational:
    """An interim response: ``status`` 100 to 199. ``repr`` leaves the fields out."""

    status: int
    fields: Fields = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Request:
    """A request. ``path`` carries the query; field names are in lower case; repeated fields keep their order.

    Fields and content may hold tokens and what the user said: ``repr`` leaves them out.
    """

    method: str
    scheme: str
    authority: str
    path: str
    fields: Fields = field(default=(), repr=False)
    content: bytes = field(default=b"", repr=False)
    trailers: Fields = field(default=(), repr=False)

    @property
    def url(self) -> str:
        """The target URI."""
        return f"{self.scheme}://{self.authority}{self.path}"


@dataclass(frozen=True, slots=True)
class Response:
    """A final response with what came before it. ``status`` is 200 to 599. ``repr`` leaves fields and content out."""

    status: int
    fields: Fields = field(default=(), repr=False)
    content: bytes = field(default=b"", repr=False)
    trailers: Fields = field(default=(), repr=False)
    informational: tuple[Informational, ...] = ()
