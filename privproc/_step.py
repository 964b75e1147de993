"""Step: a state of a protocol that is left exactly once; and Unique, for whatever must not exist twice.

A step owns what its state may know. Its one public method takes that out with :meth:`Step._take`, so the step is spent
whether the method succeeds or fails: a peer gets one try, not an oracle. The method signatures of the subclasses are
the protocol's transition table.
"""

from __future__ import annotations

from typing import Generic, NoReturn, TypeVar

from privproc.errors import SpentError, UsageError

__all__ = ["Step", "Unique"]

S = TypeVar("S")


class Unique:
    """Can't be copied or pickled: a copy would use a nonce or a key again, a pickle would carry it away."""

    __slots__ = ()

    def _refuse(self) -> NoReturn:
        raise UsageError(f"{type(self).__name__} can't be copied or pickled")

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        self._refuse()

    def __copy__(self) -> NoReturn:
        self._refuse()

    def __deepcopy__(self, memo: object) -> NoReturn:
        self._refuse()

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


class Step(Unique, Generic[S]):
    """Base of single-use protocol states."""

    __slots__ = ("_state",)

    def __init__(self, state: S) -> None:
        # A list, since list.pop is atomic with and without the GIL: of two racing threads one gets the state.
        self._state = [state]

    def _take(self) -> S:
        try:
            return self._state.pop()
        except IndexError:
            raise SpentError(type(self).__name__) from None

    def _look(self) -> S:
        """The state without leaving it, for what may be read until then; :class:`SpentError` afterwards."""
        try:
            return self._state[0]
        except IndexError:
            raise SpentError(type(self).__name__) from None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {'ready' if self._state else 'spent'}>"
