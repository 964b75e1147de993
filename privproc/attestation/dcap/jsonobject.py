"""The JSON that Intel signs: an object whose members are read by the type that each must have."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from privproc import strictjson
from privproc.errors import DecodeError

__all__ = ["MAX_JSON", "JsonObject"]

MAX_JSON = 1 << 18
"""Bytes of the longest object that is read; those known have up to 6000."""

_MAX_ITEMS = 256
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)
_COMPONENTS = 16


@dataclass(frozen=True, slots=True)
class JsonObject:
    """A JSON object, read by the type that a member must have."""

    what: str
    members: dict[str, object]

    @classmethod
    def decode(cls, data: bytes, what: str) -> JsonObject:
        """The object that ``data`` is. Raises :class:`DecodeError`, as all that follow."""
        if len(data) > MAX_JSON:
            raise DecodeError(what, f"over {MAX_JSON} bytes")
        return cls(what, strictjson.decode_object(data, what))

    def fail(self, name: str, why: str) -> DecodeError:
        """An error about a member, to be raised by the caller."""
        return DecodeError(self.what, f"{name} {why}")

    def get(self, name: str) -> object:
        """A member as it is; ``None`` if there is none."""
        return self.members.get(name)

    def text(self, name: str) -> str:
        """A string."""
        value = self.get(name)
        if not isinstance(value, str):
            raise self.fail(name, "is not a string")
        return value

    def hex(self, name: str, size: int) -> bytes:
        """``size`` bytes in hexadecimal, of either case."""
        text = self.text(name)
        try:
            value = bytes.fromhex(text)
        except ValueError:
            raise self.fail(name, "is not hexadecimal") from None
        if len(value) != size or len(text) != 2 * size:  # bytes.fromhex passes over white space
            raise self.fail(name, f"is not {size} bytes in hexadecimal")
        return value

    def integer(self, name: str, most: int = 0xFFFF) -> int:
        """An integer from 0 to ``most``."""
        value = self.get(name)
        if type(value) is not int or not 0 <= value <= most:  # True is an int too
            raise self.fail(name, f"is not an integer up to {most}")
        return value

    def time(self, name: str) -> int:
        """The Unix time of an ISO 8601 text in UTC."""
        text = self.text(name)
        try:
            if _TIME.fullmatch(text):
                return int(datetime.fromisoformat(text).timestamp())
        except ValueError:  # no such day
            pass
        raise self.fail(name, "is not a time")

    def object(self, name: str) -> JsonObject:
        """An object."""
        value = self.get(name)
        if not isinstance(value, dict):
            raise self.fail(name, "is not an object")
        return JsonObject(self.what, value)

    def objects(self, name: str, *, default: bool = False) -> list[JsonObject]:
        """An array of up to 256 objects; none where ``default`` and there is no such member."""
        values = self.members.get(name, [] if default else None)
        if not isinstance(values, list) or len(values) > _MAX_ITEMS or not all(isinstance(v, dict) for v in values):
            raise self.fail(name, f"is not an array of up to {_MAX_ITEMS} objects")
        return [JsonObject(self.what, value) for value in values]

    def texts(self, name: str) -> tuple[str, ...]:
        """An array of strings; empty if there is no such member."""
        values = self.members.get(name, [])
        if not isinstance(values, list) or len(values) > _MAX_ITEMS or not all(isinstance(v, str) for v in values):
            raise self.fail(name, f"is not an array of up to {_MAX_ITEMS} strings")
        return tuple(values)

    def components(self, name: str) -> bytes:
        """Sixteen objects with a security version of one byte each."""
        values = self.get(name)
        if not isinstance(values, list) or len(values) != _COMPONENTS or not all(isinstance(v, dict) for v in values):
            raise self.fail(name, f"are not {_COMPONENTS} objects")
        found = [value.get("svn") for value in values]
        try:
            if set(map(type, found)) == {int}:  # True is an int too
                return bytes(found)
        except ValueError:  # not of one byte
            pass
        raise self.fail(name, "are not security versions of one byte")
