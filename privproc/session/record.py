"""Records: what a device can show an auditor of an attested session, and how it is judged again, offline.

::

    record = session.record()                     # at the device, if it wants one: nothing is kept otherwise
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
from privproc.attestation import NO_REVOCATIONS
from privproc.attestation.binder import Binding, Direction
from privproc.attestation.case import Case, LogProof
from privproc.attestation.report import Accepted, Report, TrustAnchors, examine
from privproc.attestation.report import replay as replay_report
from privproc.attestation.table import Table, Tree
from privproc.errors import DecodeError, LimitError, UnsupportedError, UntrustedError
from privproc.secret import Secret
from privproc.session import transcript
from privproc.session.attested import Attested
from privproc.session.messages import Open

__all__ = ["MAX_RECORD", "Record", "replay"]

MAX_RECORD: Final = 4 << 20
"""Bytes of an encoded record: above the largest report with an Open and a leaf."""

_WHAT: Final = "privproc session record"
_VERSION: Final = 1
_PARTS: Final = {"open": ("package", "outer", "open"), "again": ("th2", "nonce")}
_LARGEST: Final = 1 << 18
_ATTESTATIONS: Final = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Record:
    """One attestation of a session.

    ``parts`` are what ``th1`` is the hash of: package (48 bytes), outer (48) and Open (2048), or, where a live session
    was attested once more, the last ``th2`` (48) and the nonce (32). ``sequence`` counts the session's attestations.
    ``exporter`` (32 bytes), ``leaf`` (DER) and ``announcement`` are the binder's. ``report`` is the appraisal.
    """

    parts: tuple[bytes, ...] = field(repr=False)
    sequence: int
    exporter: bytes = field(repr=False)
    leaf: bytes = field(repr=False)
    announcement: bytes = field(repr=False)
    report: Report

    @classmethod
    def of(cls, attested: Attested) -> Self:
        """What ``attested`` was judged by, with the appraisal done once more."""
        demands, basis, binding = attested.demands, attested.basis, attested.binding()
        service, anchors = demands.service, demands.anchors
        case = Case(
            evidence=basis.shown.evidence,
            endorsements=basis.shown.endorsements,
            policy=service.policy,
            roots=anchors.roots,
            binding=binding.report_data(basis.shown.devices),
            role=service.role,
            log=LogProof(
                proof=basis.shown.log_proof,
                namespace=service.namespace,
                policy=anchors.logs[service.log],
                floor=demands.contents.checkpoint(service.log),
                minimum_version=service.minimum_version,
            ),
            revocations=NO_REVOCATIONS,
            at=basis.at,
        )
        exporter = binding.exporter.expose()
        announcement = basis.shown.announcement
        return cls(basis.parts, attested.sequence, exporter, attested.leaf, announcement, examine(case))

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
        report = Report.decode(json.dumps(table.any("appraisal"), indent=2).encode() + b"\n")
        return cls(parts, sequence, exporter, leaf, announcement, report)


def replay(record: Record, *, anchors: TrustAnchors) -> Accepted:
    """Judge ``record`` again: its evidence is bound to this very exchange, and acceptable by the rules that it names.

    Raises :class:`UntrustedError` when the evidence is bound to something else, when Open asked for another role,
    policy, log or namespace than the evidence was judged by, when the record has roots or logs that aren't among
    ``anchors``, or when the appraisal doesn't end as it says; :class:`DecodeError` and :class:`UnsupportedError` for
    its Open.
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
    if not record.leaf or binding.report_data(()) != case.binding.report_data:
        raise UntrustedError("record: the evidence is not bound to this exchange")
    verdict = replay_report(record.report, anchors=anchors)
    if not isinstance(verdict, Accepted):
        raise UntrustedError("record: the evidence was refused, so there was no session")
    return verdict


def _opened(record: Record, role: str) -> bytes:
    """``th1`` of a first attestation, whose Open has to be about what was judged."""
    package, outer, message = _sized(record.parts, 48, 48, Open.SIZE)
    asked, log = Open.decode(message), record.report.case.log
    judged = (role, log.policy.key.name, log.namespace) if isinstance(log, LogProof) else ()
    if (asked.role, asked.log, asked.namespace) != judged or asked.policy_id != record.report.case.policy.id:
        raise UntrustedError("record: judged by other rules than the device asked for")
    return transcript.opened(package, outer, message)


def _sized(parts: tuple[bytes, ...], *sizes: int) -> tuple[bytes, ...]:
    if tuple(map(len, parts)) != sizes:
        raise DecodeError(_WHAT, "a part of another size")
    return parts


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
