"""What an enclave shows beside its evidence, judged from bytes alone: by hand, by the library and by the second device.

The roots are fake ones, given by their SHA-256: nothing here is vouched for by AMD or NVIDIA.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from privproc.attestation import NO_REVOCATIONS, nvidia, snp
from privproc.attestation.binder import Binding, Direction
from privproc.attestation.forwarded import BACK_END, BackEnd
from privproc.keypackage import Grid, Signer, Signers
from privproc.ledger import LogPolicy, NoteKey
from privproc.secret import Secret
from privproc.session import Anchors, Contents
from privproc.session.beside import Beside, appraise_beside
from privproc.session.grounds import grounds
from privproc.vectors._straight import lp, sha256, sha384, t, u
from privproc.vectors.case import Case
from tests.second import directory, ledger, session
from tests.second.snp import NAMES, Policy
from tests.second.wire import RefusedError


@dataclass(frozen=True)
class Fields:
    """A case, read as a whole, so that no field is left over when an early check refuses."""

    at: int
    contents: Contents
    role: str
    log: LogPolicy
    roots: snp.Roots
    device_roots: nvidia.Roots
    th1: bytes
    exporter: bytes
    leaf: bytes
    announcement: bytes
    devices: tuple[tuple[int, bytes], ...]
    evidence: bytes
    endorsements: bytes
    log_proof: bytes

    @classmethod
    def of(cls, case: Case) -> Fields:
        log = case["log"]
        keys = NoteKey.parse(log["key"]), tuple(map(NoteKey.parse, log["witnesses"]))
        return cls(
            at=case["at"],
            contents=Contents.decode(case.hex("contents")),
            role=case["role"],
            log=LogPolicy(*keys, log["threshold"], log["max_age"]),
            roots=snp.Roots(((case.hex("amd_root_sha256"), snp.Product(case["product"])),)),
            device_roots=nvidia.Roots((case.hex("nvidia_root_sha256"),)),
            devices=tuple((each["type"], bytes.fromhex(each["evidence"])) for each in case["devices"]),
            **{name: case.hex(name) for name in BYTES},
        )

    @property
    def anchors(self) -> Anchors:
        """Signers and mirrors have no part in this."""
        return Anchors(
            signers=Signers.only(Signer.generate().public),
            grid=Grid(0, 1),
            mirrors=("mirror",),
            agreeing=1,
            package_log=self.log,
            package_namespace="packages",
            logs={self.log.key.name: self.log},
            roots=self.roots,
            device_roots=self.device_roots,
        )


BYTES = ("th1", "exporter", "leaf", "announcement", "evidence", "endorsements", "log_proof")


def run(case: Case) -> None:
    fields, reason = Fields.of(case), case.get("reason")
    by_hand(case, fields)
    if case.expect is None:
        found = by_library(fields)
        assert [each.identity.hex() for each in (found.machine.devices if found.machine else ())] == case["identities"]
        ends = [{"role": each.role, "since": each.since, "not_after": each.not_after} for each in found.back_ends]
        assert ends == case["back_ends"]
        end, roles = by_the_second(fields)
        assert (found.not_after, roles) == (case["not_after"], [each["role"] for each in ends])
        assert end == min(found.not_after, case["evidence_not_after"])
        return
    with pytest.raises(case.expect, match=reason) as raised:
        by_library(fields)
    assert type(raised.value) is case.expect
    with pytest.raises(RefusedError):
        by_the_second(fields)


def by_hand(case: Case, fields: Fields) -> None:
    """What every hardware must have signed (§2.5, §15.4): nonces of devices and both processors' fields."""
    pre = pre_of(fields.role, fields.th1, fields.exporter, fields.leaf, b"", fields.announcement)
    nonces = [nonce_of(pre, place).hex() for place, (kind, _) in enumerate(fields.devices) if kind != BACK_END]
    assert nonces == case["nonces"]
    assert report_data(pre, fields.devices) == case.hex("report_data") == fields.evidence[0x50:0x90]
    for kind, item in fields.devices:
        if kind != BACK_END:
            continue
        back_end = BackEnd.decode(item)
        shown = back_end.attestation
        assert back_end.encode() == item
        pre = pre_of(back_end.role, back_end.th1, back_end.exporter, back_end.leaf, sha256(fields.leaf), b"")
        assert report_data(pre, shown.devices) == back_end.binding(fields.leaf)


def pre_of(role: str, th1: bytes, exporter: bytes, leaf: bytes, peer: bytes, announcement: bytes) -> bytes:
    return t(b"pre", b"s2c", role.encode(), u(4, 0), th1, exporter, sha256(leaf), peer, announcement)


def nonce_of(pre: bytes, place: int) -> bytes:
    return sha256(lp(b"privproc/1 dev") + lp(pre) + u(2, place))


def report_data(pre: bytes, devices: tuple[tuple[int, bytes], ...]) -> bytes:
    dev = u(2, len(devices)) + b"".join(lp(u(2, kind) + sha384(evidence)) for kind, evidence in devices)
    return b"privproc/1 bind\0" + t(b"bind", pre, dev)


def by_library(fields: Fields) -> Beside:
    anchors, service = fields.anchors, fields.contents.service(fields.role)
    judged: dict[str, Any] = {"contents": fields.contents, "service": service, "anchors": anchors, "at": fields.at}
    binding = Binding(
        Direction.SERVER_TO_CLIENT,
        0,
        fields.role,
        fields.th1,
        Secret(fields.exporter),
        leaf=fields.leaf,
        peer=b"",
        announcement=fields.announcement,
    )
    chain, logged = grounds(endorsements=fields.endorsements, log_proof=fields.log_proof, **judged)
    front = snp.appraise(
        fields.evidence,
        binding=binding.report_data(fields.devices),
        policy=service.policy,
        chain=chain,
        logged=logged,
        role=fields.role,
        revocations=NO_REVOCATIONS,
        at=fields.at,
    )
    return appraise_beside(front, binding, fields.devices, **judged)


class Exporter:
    """In place of a TLS connection."""

    def __init__(self, value: bytes) -> None:
        self.value = value

    def export(self, *_arguments: object) -> bytes:
        return self.value


def by_the_second(fields: Fields) -> tuple[int, list[str]]:
    """The end of all that was found, and the back ends' roles."""
    log = fields.log
    witnesses = tuple((key.name, key.public) for key in log.witnesses)
    shipped = directory.Anchors(
        signers=(),
        origin=0,
        length=1,
        mirrors=(),
        agreeing=1,
        package_log=None,
        package_namespace="",
        logs={log.key.name: ledger.Log(log.key.name, log.key.public, witnesses, log.threshold, log.max_age)},
        roots={pin: NAMES.index(product.value) for pin, product in fields.roots.pins},
        device_roots=fields.device_roots.pins,
    )
    package = directory.Package(bytes(48), 0, b"", fields.contents.encode(), 0, 1 << 40)
    services = directory._contents(package, 1 << 40).services
    assert all(isinstance(service.policy, Policy) for service in services.values())
    tls = Exporter(fields.exporter)
    state = session.State(
        shipped, services, services[fields.role], tls, fields.role, fields.leaf, None, b"", 1, 1 << 40
    )
    shown = session.Shown(fields.evidence, list(fields.devices), fields.endorsements, fields.log_proof)
    found = session.judge(state, fields.th1, 0, fields.announcement, shown, fields.at)
    return found.fresh, [
        session.back_end(state, item, fields.at)[0] for kind, item in fields.devices if kind == BACK_END
    ]
