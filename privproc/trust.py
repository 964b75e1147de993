"""Trust as a type: values that only the check that earns the name can make.

:class:`Trusted` is a value together with the digest of what was verified and the time until which that holds. There are
two ways to get one: a verifier of this library, or :func:`pin`, which says in the source that the caller vouches for
the value itself. Times are Unix seconds, given by the caller: the library reads no clock.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Generic, Self, TypeVar, final

from privproc._step import Unique
from privproc.errors import ExpiredError, UsageError

__all__ = ["Earned", "Trusted", "check_window", "pin"]

T = TypeVar("T")
U = TypeVar("U")


class Earned(Unique):
    """Base of witness types: frozen values that can't be made by calling their class, nor loaded from a pickle.

    A subclass is a frozen slotted dataclass decorated with ``init=False``; the check that earns it calls
    ``_earn(field=value, ...)``.
    """

    __slots__ = ()

    def __init__(self, *_args: object, **_kwargs: object) -> None:
        raise UsageError(f"{type(self).__name__} is made only by the check that earns it")

    @classmethod
    def _earn(cls, **fields: object) -> Self:
        expected: dict[str, object] = getattr(cls, "__dataclass_fields__", {})
        if expected.keys() != fields.keys():
            raise UsageError(f"{cls.__name__}: fields {sorted(expected.keys() ^ fields.keys())} missing or unknown")
        made = object.__new__(cls)
        for name, value in fields.items():
            object.__setattr__(made, name, value)
        return made


def check_window(what: str, not_before: int, not_after: int, *, at: int) -> None:
    """Raise :class:`ExpiredError` unless ``not_before <= at < not_after`` (Unix seconds)."""
    if at < not_before:
        raise ExpiredError(f"{what} is not valid yet")
    # req: privproc1/1 windows-are-half-open
    if at >= not_after:
        raise ExpiredError(f"{what} is no longer valid")


@final
class Trusted(Unique, Generic[T]):
    """A verified value: ``digest`` (32 or 48 bytes) of what was verified, valid while ``not_before <= at < not_after``.

    :meth:`get` and every use of the value need the time; past its end the value is out of reach.
    """

    __slots__ = ("_value", "digest", "not_after", "not_before")

    _value: T
    digest: bytes
    not_before: int
    not_after: int

    def __init__(self, *_args: object, **_kwargs: object) -> None:
        raise UsageError("Trusted is made only by a check, or by trust.pin")

    def get(self, *, at: int) -> T:
        """The value. Raises :class:`ExpiredError` outside of its time of validity."""
        check_window("trusted value", self.not_before, self.not_after, at=at)
        return self._value

    def map(self, decode: Callable[[T], U]) -> Trusted[U]:
        """The same trust for what ``decode`` makes of the value; what ``decode`` raises passes through."""
        return _trusted(decode(self._value), self.digest, self.not_before, self.not_after)

    def until(self, not_after: int) -> Trusted[T]:
        """The same value, trusted no longer than ``not_after`` (Unix seconds): another check's end of life, joined."""
        return _trusted(self._value, self.digest, self.not_before, min(self.not_after, not_after))

    def __repr__(self) -> str:
        return f"<Trusted {type(self._value).__name__} until {self.not_after}>"

    def __setattr__(self, name: str, value: object) -> None:
        raise UsageError("Trusted is immutable")

    def __delattr__(self, name: str) -> None:
        raise UsageError("Trusted is immutable")


def _trusted(value: T, digest: bytes, not_before: int, not_after: int) -> Trusted[T]:
    made: Trusted[T] = object.__new__(Trusted)
    object.__setattr__(made, "_value", value)
    object.__setattr__(made, "digest", digest)
    object.__setattr__(made, "not_before", not_before)
    object.__setattr__(made, "not_after", not_after)
    return made


def pin(value: T, encoded: bytes, *, not_before: int, not_after: int) -> Trusted[T]:
    """Trust ``value`` on the caller's own word: for built-in roots, tests, and keys that came another way.

    ``encoded`` is the value's encoding; its SHA-256 (32 bytes) becomes the digest. Every call of this function in an
    application is a place to review.
    """
    return _trusted(value, hashlib.sha256(encoded).digest(), not_before, not_after)
