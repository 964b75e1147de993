"""The policy file of TDX: which keys it has, and what those that are left out say."""

from __future__ import annotations

from privproc.attestation.table import Table, Tree, rules_tree
from privproc.attestation.tdx.policy import (
    AnyPlatform,
    Families,
    Platforms,
    Policy,
    PolicyPlatforms,
    Processors,
    Register,
    TcbRules,
)
from privproc.attestation.tdx.rules import STRICT_CONFIGURATION, STRICT_DOMAIN, ConfigurationRules, DomainRules
from privproc.attestation.tdx.tcb import TcbStatus

__all__ = ["read", "tree"]

_REGISTERS = {register.name.lower(): register for register in Register}
_STATUSES = {status.value: status for status in TcbStatus}
_OWNER = ("mrconfigid", "mrowner", "mrownerconfig")
_LISTS: dict[str, type[Families | Processors | Platforms]] = {
    "families": Families,
    "processors": Processors,
    "platforms": Platforms,
}
_UNUSED = bytes(48).hex()


def read(table: Table) -> Policy:
    """The policy that ``table`` describes. Raises :class:`DecodeError`."""
    return Policy(
        tcb=table.table("tcb", _tcb),
        domain=table.table("domain", lambda it: it.rules(DomainRules, STRICT_DOMAIN), empty=True),
        xfam=table.integer("xfam", (1 << 63) - 1),
        registers=table.choices("registers", _REGISTERS, ["logged"] * 4),  # type: ignore[arg-type]  # Policy counts
        configuration=table.table(
            "configuration", lambda it: it.rules(ConfigurationRules, STRICT_CONFIGURATION), empty=True
        ),
        platforms=table.table("platforms", _platforms),
        max_age=table.integer("max_age", 0xFFFFFFFF),
        **{name: table.hex(name, 48, _UNUSED) for name in _OWNER},
    )


def tree(policy: Policy) -> Tree:
    """The table that :func:`read` reads, everything said."""
    return {
        "max_age": policy.max_age,
        "xfam": policy.xfam,
        "registers": [register.name.lower() for register in policy.registers],
        **{name: getattr(policy, name).hex() for name in _OWNER},
        "tcb": {
            "statuses": sorted(status.value for status in policy.tcb.statuses),
            "grace": policy.tcb.grace,
            "advisories": sorted(policy.tcb.advisories),
            "evaluation": policy.tcb.evaluation,
        },
        "domain": rules_tree(policy.domain),
        "configuration": rules_tree(policy.configuration),
        "platforms": _platforms_tree(policy.platforms),
    }


def _tcb(table: Table) -> TcbRules:
    return TcbRules(
        statuses=frozenset(table.choices("statuses", _STATUSES, [TcbStatus.UP_TO_DATE.value])),
        grace=table.integer("grace", 0xFFFFFFFF, 0),
        advisories=frozenset(table.texts("advisories", [])),
        evaluation=table.integer("evaluation", 0xFFFF),
    )


def _platforms(table: Table) -> PolicyPlatforms:
    kind = table.choice("kind", {"any": None, **_LISTS})
    return AnyPlatform() if kind is None else kind(table.hexes("names", kind.size))


def _platforms_tree(platforms: PolicyPlatforms) -> Tree:
    for name, kind in _LISTS.items():
        if isinstance(platforms, kind):
            return {"kind": name, "names": [each.hex() for each in platforms.names]}
    return {"kind": "any"}
