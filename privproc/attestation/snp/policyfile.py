"""The policy file of SEV-SNP: which keys it has, and what those that are left out say."""

from __future__ import annotations

from privproc.attestation.snp.policy import NO_ID_BLOCK, AnyChip, Chips, Floor, IdBlock, Policy, Provider, Signer
from privproc.attestation.snp.report import Product, Tcb
from privproc.attestation.snp.rules import STRICT_GUEST, STRICT_PLATFORM, GuestRules, PlatformRules
from privproc.attestation.table import Table, Tree, rules_tree

__all__ = ["read", "tree"]

_PARTS = ("bootloader", "tee", "snp", "microcode")
_PRODUCTS = {product.value: product for product in Product}
_DIGESTS = (("id_key_digest", 48), ("author_key_digest", 48), ("family_id", 16), ("image_id", 16))
_NEWEST_REPORT = 5


def read(table: Table) -> Policy:
    """The policy that ``table`` describes. Raises :class:`DecodeError`."""
    return Policy(
        floors=table.tables("floor", _floor),
        guest=table.table("guest", lambda it: it.rules(GuestRules, STRICT_GUEST), empty=True),
        minimum_abi=_pair(table.integers("minimum_abi", 0xFF)),
        platform=table.table("platform", lambda it: it.rules(PlatformRules, STRICT_PLATFORM), empty=True),
        vmpl=table.integer("vmpl", 3, 0),
        host_data=table.hex("host_data", 32, bytes(32).hex()),
        id_block=table.table("id_block", _id_block, empty=True),
        signer=table.table("signer", _signer),
        max_age=table.integer("max_age", 0xFFFFFFFF),
    )


def tree(policy: Policy) -> Tree:
    """The table that :func:`read` reads, everything said."""
    block = policy.id_block
    return {
        "max_age": policy.max_age,
        "minimum_abi": list(policy.minimum_abi),
        "vmpl": policy.vmpl,
        "host_data": policy.host_data.hex(),
        "signer": _signer_tree(policy.signer),
        "guest": rules_tree(policy.guest),
        "platform": rules_tree(policy.platform),
        "id_block": {name: getattr(block, name).hex() for name, _ in _DIGESTS} | {"guest_svn": block.guest_svn},
        "floor": [_floor_tree(floor) for floor in policy.floors],
    }


def _pair(values: tuple[int, ...]) -> tuple[int, int]:
    return values  # type: ignore[return-value]  # Policy refuses another number of them


def _floor(table: Table) -> Floor:
    product = table.choice("product", _PRODUCTS)
    return Floor(
        product=product,
        tcb=table.table("tcb", lambda it: _tcb(it, product)),
        launch_tcb=table.table("launch_tcb", lambda it: _tcb(it, product)),
        firmware=table.integers("firmware", 0xFF),  # type: ignore[arg-type]  # Floor refuses another number of them
        mitigations=sum(1 << bit for bit in set(table.integers("mitigations", 63))),
        report_version=table.integer("report_version", 0xFF, _NEWEST_REPORT),
    )


def _tcb(table: Table, product: Product) -> Tcb:
    fmc = table.integer("fmc", 0xFF) if product.has_fmc else 0
    return Tcb(fmc=fmc, **{part: table.integer(part, 0xFF) for part in _PARTS})


def _floor_tree(floor: Floor) -> Tree:
    return {
        "product": floor.product.value,
        "firmware": list(floor.firmware),
        "mitigations": [bit for bit in range(64) if floor.mitigations >> bit & 1],
        "report_version": floor.report_version,
        "tcb": _tcb_tree(floor.tcb, floor.product),
        "launch_tcb": _tcb_tree(floor.launch_tcb, floor.product),
    }


def _tcb_tree(tcb: Tcb, product: Product) -> Tree:
    parts = ("fmc", *_PARTS) if product.has_fmc else _PARTS
    return {part: getattr(tcb, part) for part in parts}


def _id_block(table: Table) -> IdBlock:
    digests = {name: table.hex(name, size, getattr(NO_ID_BLOCK, name).hex()) for name, size in _DIGESTS}
    return IdBlock(**digests, guest_svn=table.integer("guest_svn", 0xFFFFFFFF, 0))


def _signer(table: Table) -> Signer:
    kind = table.choice("kind", {"any-chip": AnyChip, "chips": Chips, "provider": Provider})
    if kind is Chips:
        return Chips(table.hexes("hwids", 8, 64))
    return AnyChip() if kind is AnyChip else Provider(table.text("csp"))


def _signer_tree(signer: Signer) -> Tree:
    if isinstance(signer, Chips):
        return {"kind": "chips", "hwids": [hwid.hex() for hwid in signer.hwids]}
    if isinstance(signer, Provider):
        return {"kind": "provider", "csp": signer.csp}
    return {"kind": "any-chip"}
