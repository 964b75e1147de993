"""The policy file of Nitro enclaves: which keys it has, and what those that are left out say."""

from __future__ import annotations

from privproc.attestation.nitro.document import PCR_COUNT, PCR_SIZE
from privproc.attestation.nitro.policy import IMAGE_PCRS, Policy
from privproc.attestation.table import Table, Tree

__all__ = ["read", "tree"]


def read(table: Table) -> Policy:
    """The policy that ``table`` describes. Raises :class:`DecodeError`."""
    return Policy(
        logged_pcrs=table.integers("logged_pcrs", PCR_COUNT - 1, list(IMAGE_PCRS)),
        pcrs=table.table("pcrs", _pcrs, empty=True),
        max_age=table.integer("max_age", 0xFFFFFFFF),
    )


def tree(policy: Policy) -> Tree:
    """The table that :func:`read` reads, everything said."""
    pcrs: dict[str, list[str]] = {}
    for index, value in policy.pcrs:
        pcrs.setdefault(str(index), []).append(value.hex())
    return {"max_age": policy.max_age, "logged_pcrs": list(policy.logged_pcrs), "pcrs": pcrs}


def _pcrs(table: Table) -> tuple[tuple[int, bytes], ...]:
    """Keys are registers, values arrays of what they may be."""
    known = [(str(index), index) for index in range(PCR_COUNT)]
    found = {index: table.hexes(name, PCR_SIZE) for name, index in known if name in table.names()}
    for index, values in found.items():
        if not values:
            raise table.fail(str(index), "an empty array, which nothing could match")
    return tuple((index, value) for index, values in found.items() for value in values)
