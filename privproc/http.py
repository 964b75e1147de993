"""HTTP messages as values (RFC 9110), for every layer that carries or asks for them. Nothing here sends anything."""

from __future__ import annotations

from dataclasses import dataclass, field

from privproc.errors import DecodeError

__all__ = ["Field", "Fields", "Informational", "Request", "Response", "single"]

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


@dataclass(frozen=True, slots=True)
class Informational:
    """An interim response: ``status`` 100 to 199."""

    status: int
    fields: Fields = ()


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
    """A final response with what came before it. ``status`` is 200 to 599."""

    status: int
    fields: Fields = field(default=(), repr=False)
    content: bytes = field(default=b"", repr=False)
    trailers: Fields = field(default=(), repr=False)
    informational: tuple[Informational, ...] = ()
