"""The policy file of SGX: which keys it has, and what those that are left out say."""

from __future__ import annotations

from privproc.attestation.dcap.policyfile import read_shared, shared_tree
from privproc.attestation.sgx.policy import Identity, Memory, Policy
from privproc.attestation.sgx.rules import STRICT_ENCLAVE, EnclaveRules
from privproc.attestation.table import Table, Tree, rules_tree

__all__ = ["read", "tree"]

_MEMORY = {memory.name.lower().replace("_", "-"): memory for memory in Memory}
_IDENTITIES = {identity.name.lower(): identity for identity in Identity}


def read(table: Table) -> Policy:
    """The policy that ``table`` describes. Raises :class:`DecodeError`."""
    return Policy(
        **read_shared(table),
        enclave=table.table("enclave", lambda it: it.rules(EnclaveRules, STRICT_ENCLAVE), empty=True),
        xfrm=table.integer("xfrm", (1 << 63) - 1),
        miscselect=table.integer("miscselect", 0xFFFFFFFF, 0),
        identity=table.choice("identity", _IDENTITIES),
        isvprodid=table.integer("isvprodid", 0xFFFF),
        isvsvn=table.integer("isvsvn", 0xFFFF),
        isvextprodid=table.hex("isvextprodid", 16, bytes(16).hex()),
        isvfamilyid=table.hex("isvfamilyid", 16, bytes(16).hex()),
        configid=table.hex("configid", 64, bytes(64).hex()),
        configsvn=table.integer("configsvn", 0xFFFF, 0),
        memory=frozenset(table.choices("memory", _MEMORY)),
    )


def tree(policy: Policy) -> Tree:
    """The table that :func:`read` reads, everything said."""
    shared = shared_tree(policy)
    return {
        "max_age": policy.max_age,
        "xfrm": policy.xfrm,
        "miscselect": policy.miscselect,
        "identity": policy.identity.name.lower(),
        "isvprodid": policy.isvprodid,
        "isvsvn": policy.isvsvn,
        "isvextprodid": policy.isvextprodid.hex(),
        "isvfamilyid": policy.isvfamilyid.hex(),
        "configid": policy.configid.hex(),
        "configsvn": policy.configsvn,
        "memory": [name for name, memory in _MEMORY.items() if memory in policy.memory],
        "tcb": shared["tcb"],
        "enclave": rules_tree(policy.enclave),
        "configuration": shared["configuration"],
        "platforms": shared["platforms"],
    }
