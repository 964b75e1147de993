"""The policy file of TDX: which keys it has, and what those that are left out say."""

from __future__ import annotations

from privproc.attestation.dcap.policyfile import read_shared, shared_tree
from privproc.attestation.table import Table, Tree, rules_tree
from privproc.attestation.tdx.policy import Policy, Register
from privproc.attestation.tdx.rules import STRICT_DOMAIN, DomainRules

__all__ = ["read", "tree"]

_REGISTERS = {register.name.lower(): register for register in Register}
_OWNER = ("mrconfigid", "mrowner", "mrownerconfig")
_UNUSED = bytes(48).hex()


def read(table: Table) -> Policy:
    """The policy that ``table`` describes. Raises :class:`DecodeError`."""
    return Policy(
        **read_shared(table),
        domain=table.table("domain", lambda it: it.rules(DomainRules, STRICT_DOMAIN), empty=True),
        xfam=table.integer("xfam", (1 << 63) - 1),
        registers=table.choices("registers", _REGISTERS, ["logged"] * 4),  # type: ignore[arg-type]  # Policy counts
        **{name: table.hex(name, 48, _UNUSED) for name in _OWNER},
    )


def tree(policy: Policy) -> Tree:
    """The table that :func:`read` reads, everything said."""
    shared = shared_tree(policy)
    return {
        "max_age": policy.max_age,
        "xfam": policy.xfam,
        "registers": [register.name.lower() for register in policy.registers],
        **{name: getattr(policy, name).hex() for name in _OWNER},
        "tcb": shared["tcb"],
        "domain": rules_tree(policy.domain),
        "configuration": shared["configuration"],
        "platforms": shared["platforms"],
    }
