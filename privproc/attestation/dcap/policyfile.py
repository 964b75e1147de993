"""What the policy files of TDX and SGX share: TCB rules, configuration and platforms."""

from __future__ import annotations

from typing import TypedDict

from privproc.attestation.dcap.policy import (
    STRICT_CONFIGURATION,
    AnyPlatform,
    ConfigurationRules,
    Families,
    PlatformPolicy,
    Platforms,
    PolicyPlatforms,
    Processors,
    TcbRules,
)
from privproc.attestation.dcap.tcb import TcbStatus
from privproc.attestation.table import Table, Tree, rules_tree

__all__ = ["Shared", "read_shared", "shared_tree"]

_STATUSES = {status.value: status for status in TcbStatus}
_LISTS: dict[str, type[Families | Processors | Platforms]] = {
    "families": Families,
    "processors": Processors,
    "platforms": Platforms,
}


class Shared(TypedDict):
    """Arguments of a policy."""

    tcb: TcbRules
    configuration: ConfigurationRules
    platforms: PolicyPlatforms
    max_age: int


def read_shared(table: Table) -> Shared:
    """Those parts of the policy that ``table`` describes. Raises :class:`DecodeError`."""
    return {
        "tcb": table.table("tcb", _tcb),
        "configuration": table.table(
            "configuration", lambda it: it.rules(ConfigurationRules, STRICT_CONFIGURATION), empty=True
        ),
        "platforms": table.table("platforms", _platforms),
        "max_age": table.integer("max_age", 0xFFFFFFFF),
    }


def shared_tree(policy: PlatformPolicy) -> Tree:
    """The tables that :func:`read_shared` reads, everything said."""
    return {
        "tcb": {
            "statuses": sorted(status.value for status in policy.tcb.statuses),
            "grace": policy.tcb.grace,
            "advisories": sorted(policy.tcb.advisories),
            "evaluation": policy.tcb.evaluation,
        },
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
