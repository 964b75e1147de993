"""Rules for the bits of a field of the hardware's: each bit is named, each unknown bit is refused."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import ClassVar, Self

from privproc.errors import PolicyError
from privproc.wire import Reader

__all__ = ["Rule", "Rules"]


class Rule(Enum):
    """What a bit must be."""

    CLEAR = 0
    SET = 1
    EITHER = 2


_RULES = tuple(Rule)  # by value
_CLEAR, _SET = Rule.CLEAR, Rule.SET


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Rules for the bits of one 64-bit field: ``_places`` says which bit each field of the dataclass stands for.

    ``_fixed`` names the bits that no policy chooses and what they must be; the lowest ``_low`` bits are compared apart.
    """

    _must_set: int = field(init=False, repr=False, compare=False)
    _must_clear: int = field(init=False, repr=False, compare=False)
    _what: ClassVar[str]
    _places: ClassVar[dict[str, int]]
    _fixed: ClassVar[dict[str, tuple[int, Rule]]]
    _low: ClassVar[int]

    def __post_init__(self) -> None:
        must_set = must_clear = 0
        known = (1 << self._low) - 1
        for _, place, rule in self._named():
            known |= 1 << place
            must_set |= (rule is _SET) << place
            must_clear |= (rule is _CLEAR) << place
        object.__setattr__(self, "_must_set", must_set)
        object.__setattr__(self, "_must_clear", must_clear | ~known)

    @classmethod
    def exactly(cls, value: int) -> Self:
        """The strictest rules that ``value`` follows, if any do: each bit must be what it is there."""
        return cls(**{name: _SET if value >> place & 1 else _CLEAR for name, place in cls._places.items()})

    def check(self, value: int) -> None:
        """Raise :class:`PolicyError`, naming the bits, unless ``value`` follows the rules."""
        wrong = (value & self._must_clear) | (~value & self._must_set)
        if wrong:
            names = [name for name, place, _ in self._named() if wrong >> place & 1]
            raise PolicyError(f"{self._what}: {', '.join(names or ['unknown bits'])}")

    def encode(self) -> bytes:
        """One byte a rule."""
        return bytes([getattr(self, name).value for name in self._places])

    @classmethod
    def read(cls, reader: Reader) -> Self:
        """The rules from their encoding. Raises :class:`DecodeError`."""
        chosen = reader.take(len(cls._places))
        if max(chosen) >= len(_RULES):
            raise reader.fail("unknown rule")
        return cls(**{name: _RULES[value] for name, value in zip(cls._places, chosen, strict=True)})

    def _named(self) -> list[tuple[str, int, Rule]]:
        chosen = [(name, place, getattr(self, name)) for name, place in self._places.items()]
        return chosen + [(name, place, rule) for name, (place, rule) in self._fixed.items()]
