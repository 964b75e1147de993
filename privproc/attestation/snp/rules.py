"""Rules for the bits of guest policy and of platform information.

Two things can't be asked for: a guest that may be debugged or may have a migration agent (both hand its memory to
somebody else), and a platform that hasn't completed its check for aliased memory (BadRAM, AMD-SB-3015).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from privproc.attestation.rules import Rule, Rules

__all__ = ["STRICT_GUEST", "STRICT_PLATFORM", "GuestRules", "PlatformRules", "Rule"]


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestRules(Rules):
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
    _places: ClassVar[dict[str, int]] = {
        "smt": 16,
        "single_socket": 20,
        "cxl_allow": 21,
        "aes_256_xts": 22,
        "rapl_disabled": 23,
        "ciphertext_hiding": 24,
        "page_swap_disabled": 25,
    }
    _fixed: ClassVar[dict[str, tuple[int, Rule]]] = {
        "bit 17": (17, Rule.SET),
        "migration agent": (18, Rule.CLEAR),
        "debug": (19, Rule.CLEAR),
    }
    _low: ClassVar[int] = 16  # the minimum ABI


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformRules(Rules):
    """Rules for PLATFORM_INFO, the machine's state as its firmware sees it (AMD 56860, PLATFORM_INFO).

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
    _places: ClassVar[dict[str, int]] = {
        "smt": 0,
        "tsme": 1,
        "ecc": 2,
        "rapl_disabled": 3,
        "ciphertext_hiding": 4,
        "iommu_write_safe": 6,
        "tio": 7,
    }
    _fixed: ClassVar[dict[str, tuple[int, Rule]]] = {"alias check": (5, Rule.SET)}
    _low: ClassVar[int] = 0


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
