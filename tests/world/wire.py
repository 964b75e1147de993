"""The boundaries between the parties: every byte that crosses one is recorded, and can be altered on its way."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

Tap = Callable[[bytes], bytes]


@dataclass
class Wire:
    """``crossings`` in order: (boundary, bytes). ``views``: all bytes that a party has seen, encrypted to it or not."""

    crossings: list[tuple[str, bytes]] = field(default_factory=list)
    views: dict[str, list[bytes]] = field(default_factory=lambda: defaultdict(list))
    taps: dict[str, Tap] = field(default_factory=dict)

    def cross(self, boundary: str, data: bytes) -> bytes:
        """``data`` as it arrives on the other side."""
        if tap := self.taps.get(boundary):
            data = tap(data)
        self.crossings.append((boundary, data))
        return data

    def see(self, party: str, *data: bytes) -> None:
        """``party`` has these bytes in the clear, whether they came so or it could decrypt them."""
        self.views[party] += data

    def saw(self, party: str, needle: bytes) -> bool:
        return any(needle in data for data in self.views[party])

    def sizes(self, boundary: str) -> list[int]:
        return [len(data) for name, data in self.crossings if name == boundary]
