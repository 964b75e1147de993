"""Records: what a device can show an auditor of an attested session, and how it is judged again, offline.

::

    record = Record.of(session)                   # at the device, if it wants one: nothing is kept otherwise
    archive(record.encode())                      # JSON
    replay(Record.decode(data), anchors=...)      # years later: the verdict, or a PeerError

A record is redacted by construction. It is made of what went over the wire before anything of the user's did, of
digests, and of one exporter value that is used for nothing but the evidence: no token, no proof, no ``enc``, no key, no
question and no answer. ``outer`` is a digest that nobody but device and gateway can recognise; Open has a ClientHello
and a nonce, which occur once. So a record tells that somebody had this session, when, and with which program, not who.
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass, field
from typing import Final, Self

from privproc import strictjson
from privproc.attestation import NO_REVOCATIONS, nvidia
from privproc.attestation.binder import Binding, Direction, SessionBinding
from privproc.attestation.case import Case, LogProof, StatedBinding
from privproc.attestation.expectation import Level
from privproc.attestation.forwarded import AHEAD, BACK_END, BackEnd
from privproc.attestation.message import Attestation
from privproc.attestation.report import Accepted, Report, TrustAnchors, examine
from privproc.attestation.report import replay as replay_report
from privproc.attestation.table import Table, Tree
from privproc.errors import DecodeError, LimitError, UnsupportedError, UntrustedError
from privproc.secret import Secret
from privproc.session import transcript
from privproc.session.attested import Demands
from privproc.session.beside import Shown, of_machine
from privproc.session.contents import Service, back_end_age
from privproc.session.device import Session
from privproc.session.messages import Open, Renewed
from privproc.session.pipe import PipeSession
from privproc.trust import check_window

__all__ = ["MAX_RECORD", "Record", "replay"]

MAX_RECORD: Final = 4 << 20
"""Bytes of an encoded record: above the largest reports with an Open and a leaf."""

_WHAT: Final = "privproc session record"
_VERSION: Final = 2
_PARTS: Final = {"open": ("package", "outer", "open"), "again": ("th2", "nonce")}
_LARGEST: Final = 1 << 18
_ATTESTATIONS: Final = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Record:
    """One attestation of a session.

    ``parts`` are what ``th1`` is the hash of: package (48 bytes), outer (48) and Open (2048), or, where a live session
    was attested once more, the last ``th2`` (48) and the nonce (32). ``sequence`` counts the session's attestations.
    ``exporter`` (32 bytes), ``leaf`` (DER) and ``announcement`` are the binder's. ``report`` is the appraisal.
    ``devices``: type and evidence of what was shown beside; ``device_policy`` what those of the machine were judged by.
    ``back_ends``: the appraisal of each back end, and its device policy.
    """

    parts: tuple[bytes, ...] = field(repr=False)
    sequence: int
    exporter: bytes = field(repr=False)
    leaf: bytes = field(repr=False)
    announcement: bytes = field(repr=False)
    report: Report
    devices: tuple[tuple[int, bytes], ...] = field(default=(), repr=False)
    device_policy: nvidia.Policy | None = None
    back_ends: tuple[tuple[Report, nvidia.Policy | None], ...] = ()

    @classmethod
    def of(cls, session: Session | PipeSession) -> Self:
        """The last attestation of ``session``, appraised once more. Raises :class:`SpentError` for a session left."""
        attested = session._look().attested
        demands, basis, binding = attested.demands, attested.basis, attested.binding()
        service, shown = demands.service, basis.shown

        def judged(service: Service, shown: Renewed | Attestation, report_data: SessionBinding) -> Report:
            return examine(_case(demands, service, shown, report_data, basis.at))

        back_ends = [BackEnd.decode(data) for kind, data in shown.devices if kind == BACK_END]
        return cls(
            parts=basis.parts,
            sequence=attested.sequence,
            exporter=binding.exporter.expose(),
            leaf=attested.leaf,
            announcement=shown.announcement,
            report=judged(service, shown, binding.report_data(shown.devices)),
            devices=shown.devices,
            device_policy=service.devices,
            back_ends=tuple(
                (judged(service, it.attestation, it.binding(attested.leaf)), service.devices)
                for it in back_ends
                for service in (demands.contents.service(it.role),)
            ),
        )

    def encode(self) -> bytes:
        """JSON (UTF-8, indented), with the appraisal's report whole inside."""
        kind = "again" if self.sequence else "open"
        tree: Tree = {
            "record": _WHAT,
            "version": _VERSION,
            "sequence": self.sequence,
            kind: dict(zip(_PARTS[kind], map(_text, self.parts), strict=True)),
            "exporter": _text(self.exporter),
            "leaf": _text(self.leaf),
            "announcement": _text(self.announcement),
            "appraisal": json.loads(self.report.encode()),
            "devices": [{"type": kind, "evidence": _text(evidence)} for kind, evidence in self.devices],
            "device_policy": _policy_text(self.device_policy),
            "back_ends": [
                {"appraisal": json.loads(report.encode()), "device_policy": _policy_text(policy)}
                for report, policy in self.back_ends
            ],
        }
        return json.dumps(tree, indent=2).encode() + b"\n"

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read what :meth:`encode` writes, and nothing else. Raises :class:`DecodeError`, :class:`UnsupportedError` or
        :class:`LimitError`.
        """
        if len(data) > MAX_RECORD:
            raise LimitError(f"{_WHAT}: {len(data)} bytes are over the limit of {MAX_RECORD}")
        record = Table.all(strictjson.decode_object(data, _WHAT), "", cls._read, what=_WHAT)
        if record.encode() != data:
            raise DecodeError(_WHAT, "not its one text")
        return record

    @classmethod
    def _read(cls, table: Table) -> Self:
        if table.text("record") != _WHAT or table.integer("version", 0xFFFF) != _VERSION:
            raise UnsupportedError(f"{_WHAT}: not one of version {_VERSION}")
        sequence = table.integer("sequence", _ATTESTATIONS)
        kind = "again" if sequence else "open"
        parts = table.table(kind, lambda it: tuple(_bytes(it, name) for name in _PARTS[kind]))
        exporter, leaf, announcement = (_bytes(table, name) for name in ("exporter", "leaf", "announcement"))
        report = _report(table.any("appraisal"))
        devices = table.tables("devices", lambda it: (it.integer("type", 0xFFFF), _bytes(it, "evidence")))
        policy = _policy(table)
        back_ends = table.tables("back_ends", lambda it: (_report(it.any("appraisal")), _policy(it)))
        return cls(
            parts,
            sequence,
            exporter,
            leaf,
            announcement,
            report,
            devices,
            policy,
            back_ends,
        )


def _case(
    demands: Demands, service: Service, shown: Renewed | Attestation, binding: SessionBinding, at: int
) -> Case[SessionBinding]:
    """What is judged by ``service``, and by what."""
    anchors = demands.anchors
    return Case(
        evidence=shown.evidence,
        endorsements=shown.endorsements,
        policy=service.policy,
        roots=anchors.roots,
        binding=binding,
        role=service.role,
        log=LogProof(
            proof=shown.log_proof,
            namespace=service.namespace,
            policy=anchors.logs[service.log],
            floor=demands.contents.checkpoint(service.log),
            minimum_version=service.minimum_version,
        ),
        revocations=NO_REVOCATIONS,
        at=at,
    )


def replay(record: Record, *, anchors: TrustAnchors) -> Accepted:
    """Judge ``record`` again: its evidence is bound to this very exchange, and acceptable by the rules that it names.

    Raises :class:`UntrustedError` when the evidence is bound to something else, when Open asked for another role,
    policy, log or namespace than the evidence was judged by, when the record has roots or logs that aren't among
    ``anchors``, or when an appraisal doesn't end as it says; :class:`DecodeError` and :class:`UnsupportedError` for
    its Open; and what devices and back ends are refused with. Which of those there have to be is for the reader to
    compare with the directory, whose package the record names.
    """
    case, again = record.report.case, bool(record.sequence)
    th1 = transcript.again(*_sized(record.parts, 48, 32)) if again else _opened(record, case.role)
    binding = Binding(
        direction=Direction.SERVER_TO_CLIENT,
        sequence=record.sequence,
        role=case.role,
        th1=th1,
        exporter=Secret(*_sized((record.exporter,), 32)),
        leaf=record.leaf,
        peer=b"",
        announcement=record.announcement,
    )
    if not record.leaf or not _is_bound(case, binding.report_data(record.devices)):
        raise UntrustedError("record: the evidence is not bound to this exchange")
    verdict = _accepted(record.report, anchors)
    machine = of_machine(record.devices)
    _replay_machine(machine, binding, record.device_policy, anchors, case.at)
    _replay_back_ends(record, record.devices[len(machine) :], anchors)
    return verdict


def _accepted(report: Report, anchors: TrustAnchors) -> Accepted:
    verdict = replay_report(report, anchors=anchors)
    if not isinstance(verdict, Accepted):
        raise UntrustedError("record: the evidence was refused, so there was no session")
    return verdict


def _is_bound(case: Case[StatedBinding], report_data: bytes) -> bool:
    return case.binding == StatedBinding(Level.SESSION, bytes(report_data), b"", b"")


def _replay_machine(
    devices: Shown, binding: Binding, policy: nvidia.Policy | None, anchors: TrustAnchors, at: int
) -> None:
    if policy is not None:
        roots = anchors.nvidia
        nvidia.appraise(devices, binding=binding, policy=policy, roots=roots, revocations=NO_REVOCATIONS, at=at)
    elif devices:
        raise UntrustedError("record: devices that nobody judged")


def _replay_back_ends(record: Record, shown: Shown, anchors: TrustAnchors) -> None:
    """Each report is about what the front end committed to, by the same clock, and accepted."""
    at = record.report.case.at
    if len(record.back_ends) != len(shown) or any(kind != BACK_END for kind, _ in shown):
        raise UntrustedError("record: not an appraisal for each back end")
    for (_, data), (report, policy) in zip(shown, record.back_ends, strict=True):
        back_end, case = BackEnd.decode(data), report.case
        judged = case.role, case.evidence, case.at
        if judged != (back_end.role, back_end.attestation.evidence, at) or not _is_bound(
            case, back_end.binding(record.leaf)
        ):
            raise UntrustedError("record: the appraisal is not of this back end")
        age = back_end_age(case.policy.max_age, policy)
        check_window("back end's session", back_end.since - AHEAD, back_end.since + age, at=at)
        _accepted(report, anchors)
        _replay_machine(back_end.attestation.devices, back_end.binder(record.leaf), policy, anchors, at)


def _opened(record: Record, role: str) -> bytes:
    """``th1`` of a first attestation, whose Open has to be about what was judged."""
    package, outer, message = _sized(record.parts, 48, 48, Open.SIZE)
    asked, log = Open.decode(message), record.report.case.log
    judged = (role, log.policy.key.name, log.namespace) if isinstance(log, LogProof) else ()
    rules = asked.role, asked.log, asked.namespace, asked.policy_id, asked.device_required
    if rules != (*judged, record.report.case.policy.id, bool(record.devices)):
        raise UntrustedError("record: judged by other rules than the device asked for")
    return transcript.opened(package, outer, message)


def _sized(parts: tuple[bytes, ...], *sizes: int) -> tuple[bytes, ...]:
    if tuple(map(len, parts)) != sizes:
        raise DecodeError(_WHAT, "a part of another size")
    return parts


def _policy(table: Table) -> nvidia.Policy | None:
    policy = _bytes(table, "device_policy")
    return nvidia.Policy.decode(policy) if policy else None


def _policy_text(policy: nvidia.Policy | None) -> str:
    return _text(policy.encode() if policy is not None else b"")


def _report(tree: object) -> Report:
    return Report.decode(json.dumps(tree, indent=2).encode() + b"\n")


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _bytes(table: Table, name: str) -> bytes:
    try:
        data = binascii.a2b_base64(table.text(name), strict_mode=True)
    except (ValueError, binascii.Error):
        raise table.fail(name, "not Base64") from None
    if len(data) > _LARGEST:
        raise table.fail(name, "too large")
    return data
