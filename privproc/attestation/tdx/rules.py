"""Rules for the bits of TD attributes.

Three things can't be asked for: a domain that may be debugged or migrated, and one whose pages the host may take away
without notice (SEPT_VE_DISABLE clear: a page that isn't accepted raises an exception which the host provokes at will).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from privproc.attestation.rules import Rule, Rules

__all__ = ["STRICT_DOMAIN", "DomainRules"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainRules(Rules):
    """Rules for ATTRIBUTES of a trust domain (Intel TDX Module ABI, "ATTRIBUTES").

    ``lass``: linear address space separation; ``pks``: protection keys for supervisor pages; ``kl``: Key Locker;
    ``perfmon``: the domain may use performance counters. All others are refused, among them those that make a domain
    untrusted (bits 0 to 7), 16 (ICSSD) and 62 (TPA).
    """

    lass: Rule
    pks: Rule
    kl: Rule
    perfmon: Rule

    _what: ClassVar[str] = "TD attributes"
    _places: ClassVar[dict[str, int]] = {"lass": 27, "pks": 30, "kl": 31, "perfmon": 63}
    _fixed: ClassVar[dict[str, tuple[int, Rule]]] = {
        "debug": (0, Rule.CLEAR),
        "SEPT_VE_DISABLE": (28, Rule.SET),
        "migratable": (29, Rule.CLEAR),
    }
    _low: ClassVar[int] = 0


STRICT_DOMAIN = DomainRules(lass=Rule.EITHER, pks=Rule.EITHER, kl=Rule.CLEAR, perfmon=Rule.CLEAR)
"""LASS and PKS only protect; Key Locker and performance counters share state of the processor with others."""
