"""Tables of a policy file or a report: members are taken by name, and whatever is left over is refused.

TOML and JSON give the same tables, so one reader serves both. What it refuses is a :class:`DecodeError` with the place.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import Final, TypeVar

from privproc.attestation.rules import Rule, Rules
from privproc.errors import DecodeError, UsageError

__all__ = ["Table", "Tree", "rules_tree"]

Tree = dict[str, object]
"""A table as TOML and JSON have it: strings, integers, lists and tables."""

E = TypeVar("E", bound=Enum)
R = TypeVar("R", bound=Rules)
V = TypeVar("V")
W = TypeVar("W")

_REQUIRED: Final = object()
_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,32}", re.ASCII)
_HEX: Final = re.compile(r"(?:[0-9a-fA-F]{2})*", re.ASCII)
_MOST_ITEMS: Final = 1 << 12


class Table:
    """One table of ``what``; ``place`` is its path, empty for the file itself."""

    __slots__ = ("_left", "place", "what")

    def __init__(self, members: object, place: str, what: str) -> None:
        if not isinstance(members, dict):
            raise DecodeError(what, f"{place}: not a table")
        self._left = dict(members)
        self.place = place
        self.what = what

    @classmethod
    def all(cls, members: object, place: str, read: Callable[[Table], V], *, what: str) -> V:
        """Let ``read`` take the members, and refuse those that it left, and values that can't be.

        Raises :class:`DecodeError`, or what ``read`` raises.
        """
        table = cls(members, place, what)
        try:
            value = read(table)
        except UsageError as error:
            raise DecodeError(what, f"{place or 'the whole'}: {error}") from None
        for name in table._left:
            shown = name if _NAME.fullmatch(name) else "one whose name isn't printed"
            raise DecodeError(what, f"{table._path(shown)}: unknown key")
        return value

    def fail(self, name: str, why: str) -> DecodeError:
        """For the member ``name``, to be raised by the caller."""
        return DecodeError(self.what, f"{self._path(name)}: {why}")

    def table(self, name: str, read: Callable[[Table], V], *, empty: bool = False) -> V:
        """What ``read`` makes of a table; with ``empty`` an absent one counts as empty."""
        return Table.all(self._take(name, {} if empty else _REQUIRED), self._path(name), read, what=self.what)

    def tables(self, name: str, read: Callable[[Table], V]) -> tuple[V, ...]:
        """What ``read`` makes of each table of an array."""
        items = self._array(name, _REQUIRED)
        path = self._path(name)
        return tuple(Table.all(item, f"{path}[{at}]", read, what=self.what) for at, item in enumerate(items))

    def either(self, name: str, parse: Callable[[str], V], read: Callable[[Table], W]) -> tuple[V | W, ...]:
        """An array of strings, for ``parse``, and tables, for ``read``."""
        found: list[V | W] = []
        for at, item in enumerate(self._array(name, _REQUIRED)):
            if isinstance(item, str):
                found.append(parse(item))
            else:
                found.append(Table.all(item, f"{self._path(name)}[{at}]", read, what=self.what))
        return tuple(found)

    def names(self) -> list[str]:
        """The names of the members that nobody took yet."""
        return list(self._left)

    def text(self, name: str) -> str:
        """A string."""
        value = self._take(name, _REQUIRED)
        if not isinstance(value, str) or not _is_unicode(value):
            raise self.fail(name, "not a string")
        return value

    def any(self, name: str) -> object:
        """Whatever is there."""
        return self._take(name, _REQUIRED)

    def integer(self, name: str, most: int, default: object = _REQUIRED) -> int:
        """An integer from 0 to ``most``."""
        return self._integer(name, self._take(name, default), most)

    def integers(self, name: str, most: int, default: object = _REQUIRED) -> tuple[int, ...]:
        """An array of integers from 0 to ``most``."""
        return tuple(self._integer(name, item, most) for item in self._array(name, default))

    def hex(self, name: str, size: int, default: object = _REQUIRED) -> bytes:
        """``size`` bytes in hexadecimal."""
        return self._hex(name, self._take(name, default), (size,))

    def octets(self, name: str, most: int) -> bytes:
        """Up to ``most`` bytes in hexadecimal."""
        return self._hex(name, self._take(name, _REQUIRED), range(most + 1))

    def hexes(self, name: str, *sizes: int) -> tuple[bytes, ...]:
        """An array of bytes in hexadecimal, each of one of ``sizes``."""
        return tuple(self._hex(name, item, sizes) for item in self._array(name, _REQUIRED))

    def texts(self, name: str, default: object = _REQUIRED) -> tuple[str, ...]:
        """An array of strings."""
        items = self._array(name, default)
        if not all(isinstance(item, str) and _is_unicode(item) for item in items):
            raise self.fail(name, "not an array of strings")
        return tuple(map(str, items))

    def choice(self, name: str, choices: Mapping[str, V]) -> V:
        """One of the words in ``choices``."""
        return self._choice(name, self.text(name), choices)

    def choices(self, name: str, choices: Mapping[str, V], default: object = _REQUIRED) -> tuple[V, ...]:
        """An array of words in ``choices``."""
        return tuple(self._choice(name, item, choices) for item in self.texts(name, default))

    def rules(self, kind: type[R], strict: R) -> R:
        """Rules for bits, this whole table; the ones that are absent are those of ``strict``."""
        given = {name: self.choice(name, _RULES) for name in kind._places if name in self._left}
        return kind(**{name: given.get(name, getattr(strict, name)) for name in kind._places})

    def _path(self, name: str) -> str:
        return f"{self.place}.{name}" if self.place else name

    def _take(self, name: str, default: object) -> object:
        value = self._left.pop(name, default)
        if value is _REQUIRED:
            raise self.fail(name, "missing")
        return value

    def _array(self, name: str, default: object) -> Sequence[object]:
        value = self._take(name, default)
        if not isinstance(value, list) or len(value) > _MOST_ITEMS:
            raise self.fail(name, f"not an array of up to {_MOST_ITEMS} items")
        return value

    def _integer(self, name: str, value: object, most: int) -> int:
        if type(value) is not int or not 0 <= value <= most:  # True is an int too
            raise self.fail(name, f"not an integer from 0 to {most}")
        return value

    def _hex(self, name: str, value: object, sizes: Sequence[int]) -> bytes:
        if not isinstance(value, str) or not _HEX.fullmatch(value) or len(value) // 2 not in sizes:
            shown = " or ".join(map(str, sizes)) if len(sizes) < 3 else f"up to {sizes[-1]}"
            raise self.fail(name, f"not {shown} bytes in hexadecimal")
        return bytes.fromhex(value)

    def _choice(self, name: str, value: str, choices: Mapping[str, V]) -> V:
        if value not in choices:
            raise self.fail(name, f"not one of {', '.join(choices)}")
        return choices[value]


def _is_unicode(text: str) -> bool:
    """Not a lone surrogate, which JSON can write and no encoding has."""
    return text.isascii() or not any("\ud800" <= char <= "\udfff" for char in text)


_RULES = {rule.name.lower(): rule for rule in Rule}


def rules_tree(rules: Rules) -> Tree:
    """The table that :meth:`Table.rules` reads."""
    return {name: getattr(rules, name).name.lower() for name in rules._places}
