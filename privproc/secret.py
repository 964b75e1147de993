"""Key material that doesn't show itself."""

from __future__ import annotations

import hmac
from typing import final

from privproc._step import Unique
from privproc.errors import SpentError

__all__ = ["Secret"]


@final
class Secret(Unique):
    """Secret bytes, read only through :meth:`expose`.

    Opaque in ``repr``, logs and tracebacks; equality takes constant time; unhashable; can't be copied or pickled.
    :meth:`wipe` overwrites the bytes held here, and so does dropping the last reference. Best effort: Python and the
    crypto library may hold copies that nobody can reach.
    """

    __slots__ = ("_data",)
    __hash__ = None  # type: ignore[assignment]  # a hash would leak through sets and dicts

    def __init__(self, data: bytes | bytearray) -> None:
        self._data: bytearray | None = None  # for __del__, should the next line raise
        self._data = bytearray(data)

    def expose(self) -> bytes:
        """The bytes themselves. Raises :class:`SpentError` after :meth:`wipe`."""
        if self._data is None:
            raise SpentError("Secret")
        return bytes(self._data)

    def wipe(self) -> None:
        """Overwrite and forget the bytes; further reads raise :class:`SpentError`. Wiping twice is allowed."""
        if self._data is not None:
            self._data[:] = bytes(len(self._data))
            self._data = None

    def __del__(self) -> None:
        self.wipe()

    def __len__(self) -> int:
        return 0 if self._data is None else len(self._data)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self.expose(), other.expose())

    def __repr__(self) -> str:
        return "Secret(wiped)" if self._data is None else f"Secret({len(self._data)} bytes)"
