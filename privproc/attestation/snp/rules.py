"""Rules for the bits of guest policy and platform information: each bit is named, each unknown bit is refused.

Two things can't be asked for: a guest that may be debugged or may have a migration agent (both hand its memory to
somebody else), and a platform that hasn't completed its check for aliased memory (BadRAM, AMD-SB-3015).
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import Enum
from typing import ClassVar, Self

from privproc.errors import PolicyError
from privproc.wire import Reader

__all__ = ["STRICT_GUEST", "STRICT_PLATFORM", "GuestRules", "PlatformRules", "Rule"]


class Rule(Enum):
    """What a bit must be."""

    CLEAR = 0
    SET = 1
    EITHER = 2


class _Rules:
    """Rules for the bits of one 64-bit field: the dataclass fields name the bits of ``_places``, in order."""

    __slots__ = ()

    _what: ClassVar[str]
    _places: ClassVar[tuple[int, ...]]
    _always_set: ClassVar[dict[str, int]]
    _always_clear: ClassVar[dict[str, int]]
    _low: ClassVar[int] = 0

    def check(self, value: int) -> None:
        """Raise :class:`PolicyError`, naming the bits, unless ``value`` follows the rules."""
        wrong = [name for name, place in self._always_set.items() if not value >> place & 1]
        wrong += [name for name, place in self._always_clear.items() if value >> place & 1]
        wrong += [
            name for name, place, rule in self._named() if rule is not Rule.EITHER and value >> place & 1 != rule.value
        ]
        known = (1 << self._low) - 1
        for place in (*self._places, *self._always_set.values(), *self._always_clear.values()):
            known |= 1 << place
        if value & ~known:
            wrong.append("unknown bits")
        if wrong:
            raise PolicyError(f"{self._what}: {', '.join(wrong)}")

    def encode(self) -> bytes:
        """One byte a rule."""
        return bytes(rule.value for _, _, rule in self._named())

    @classmethod
    def read(cls, reader: Reader) -> Self:
        """The rules from their encoding. Raises :class:`DecodeError`."""
        return cls(**{item.name: _rule(reader) for item in fields(cls)})  # type: ignore[arg-type]  # as above

    def _named(self) -> list[tuple[str, int, Rule]]:
        names = [item.name for item in fields(self)]  # type: ignore[arg-type]  # subclasses are dataclasses
        return [(name, place, getattr(self, name)) for name, place in zip(names, self._places, strict=True)]


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestRules(_Rules):
    """Rules for POLICY, which the guest's owner fixed at launch (AMD 56860, table 9).

    Debugging (bit 19) and a migration agent (18) are always refused, bit 17 is one by definition. ``smt``: sibling
    threads allowed; ``single_socket``: runs on one socket only; ``cxl_allow``: CXL memory or devices allowed;
    ``aes_256_xts``: memory encryption in that mode required; ``rapl_disabled``: power metering must be off;
    ``ciphertext_hiding``: DRAM ciphertext must be hidden from the host; ``page_swap_disabled``: no swap or move
    of pages.
    """

    smt: Rule
    single_socket: Rule
    cxl_allow: Rule
    aes_256_xts: Rule
    rapl_disabled: Rule
    ciphertext_hiding: Rule
    page_swap_disabled: Rule

    _what: ClassVar[str] = "guest policy"
    _places: ClassVar[tuple[int, ...]] = (16, 20, 21, 22, 23, 24, 25)
    _always_set: ClassVar[dict[str, int]] = {"bit 17": 17}
    _always_clear: ClassVar[dict[str, int]] = {"migration agent": 18, "debug": 19}
    _low: ClassVar[int] = 16  # the minimum ABI, compared apart


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformRules(_Rules):
    """Rules for PLATFORM_INFO, the machine's state as its firmware sees it (AMD 56860, table 24).

    The completed check for aliased memory (bit 5) is always required. ``smt``: sibling threads are on; ``tsme``:
    transparent memory encryption is on; ``ecc``: memory has error correction; ``rapl_disabled``; ``ciphertext_hiding``;
    ``iommu_write_safe`` (Turin); ``tio``: trusted I/O is on.
    """

    smt: Rule
    tsme: Rule
    ecc: Rule
    rapl_disabled: Rule
    ciphertext_hiding: Rule
    iommu_write_safe: Rule
    tio: Rule

    _what: ClassVar[str] = "platform"
    _places: ClassVar[tuple[int, ...]] = (0, 1, 2, 3, 4, 6, 7)
    _always_set: ClassVar[dict[str, int]] = {"alias check": 5}
    _always_clear: ClassVar[dict[str, int]] = {}


STRICT_GUEST = GuestRules(
    smt=Rule.CLEAR,
    single_socket=Rule.SET,
    cxl_allow=Rule.CLEAR,
    aes_256_xts=Rule.SET,
    rapl_disabled=Rule.SET,
    ciphertext_hiding=Rule.SET,
    page_swap_disabled=Rule.SET,
)
"""What the auditors of Private Processing asked for (Trail of Bits, TOB-WAPI-9), and no swapping of pages."""

STRICT_PLATFORM = PlatformRules(
    smt=Rule.CLEAR,
    tsme=Rule.EITHER,
    ecc=Rule.SET,
    rapl_disabled=Rule.SET,
    ciphertext_hiding=Rule.SET,
    iommu_write_safe=Rule.EITHER,
    tio=Rule.CLEAR,
)
"""The platform that :data:`STRICT_GUEST` runs on. TSME and IOMMU_WRITE_SAFE protect more than they expose."""


def _rule(reader: Reader) -> Rule:
    try:
        return Rule(reader.u8())
    except ValueError:
        raise reader.fail("unknown rule") from None
