"""One case of a vector file, as its runner sees it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import privproc.errors

__all__ = ["Case", "Raised", "raises"]


class Case:
    """One case. ``case["name"]`` gives a field as it stands in the file, ``case.hex("name")`` its bytes.

    What was read is remembered: a value that nobody compares proves nothing.
    """

    def __init__(self, data: Mapping[str, Any]) -> None:
        self._data = data
        self._read = {"id", "comment"}
        self.id: str = data["id"]

    def __getitem__(self, name: str) -> Any:
        self._read.add(name)
        return self._data[name]

    def __contains__(self, name: str) -> bool:
        return name in self._data

    def get(self, name: str, default: Any = None) -> Any:
        """The field, or ``default`` where the case has none."""
        return self[name] if name in self._data else default

    def hex(self, name: str) -> bytes:
        """The field's bytes."""
        return bytes.fromhex(self[name])

    @property
    def expect(self) -> type[Exception] | None:
        """The exception class that the case expects; ``None`` for ``"ok"``."""
        name = self["expect"]
        return None if name == "ok" else getattr(privproc.errors, name)

    def unread(self) -> set[str]:
        """The fields that nobody has read."""
        return set(self._data) - self._read


class Raised:
    """What :func:`raises` has caught."""

    value: Exception


@contextmanager
def raises(expected: type[Exception] | None, match: str = "") -> Iterator[Raised]:
    """Demand that the block raises ``expected``, with a message in which ``match`` is found."""
    raised = Raised()
    try:
        yield raised
    except Exception as error:
        if expected is None or not isinstance(error, expected):
            raise
        if not re.search(match, str(error)):
            raise AssertionError(f"{error} has no {match!r}") from error
        raised.value = error
    else:
        raise AssertionError(f"{getattr(expected, '__name__', expected)} was not raised")
