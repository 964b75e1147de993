"""The JSON of a report. One text for each report: what doesn't encode to the same bytes again is refused.

Next to each attached part stands its SHA-384, and the time in words: for people; a reader takes them from the parts.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from datetime import UTC, datetime
from typing import Final

from privproc import strictjson
from privproc.attestation import snp
from privproc.attestation.case import Case, ListProof, LogProof, StatedBinding
from privproc.attestation.expectation import NO_REVOCATIONS, Level, NoRevocations, PinnedMeasurement
from privproc.attestation.policyfile import AnyPolicy, from_tree, to_tree
from privproc.attestation.roots import Roots
from privproc.attestation.table import Table, Tree
from privproc.attestation.verdict import Accepted, Refused, Verdict
from privproc.errors import DecodeError, LimitError, UnsupportedError, UsageError
from privproc.ledger import Checkpoint, LogPolicy, NoteKey
from privproc.ledger.policy import Group

__all__ = ["MAX_REPORT", "decode_report", "encode_report"]

MAX_REPORT: Final = 1 << 24
"""Bytes of the longest report: revocation lists have up to 4 MiB, in Base64."""

_WHAT: Final = "appraisal report"
_VERSION = 1
_UINT64 = (1 << 64) - 1
_LEVELS = {level.value: level for level in Level}
_PRODUCTS = {product.value: product for product in snp.Product}
_LAST_SECOND = 253402300799  # of the year 9999
_MOST_DATA = 1024
_MOST_DEEP = 64


def encode_report(case: Case[StatedBinding], verdict: Verdict) -> bytes:
    """The text. Raises :class:`UsageError` for a time beyond the year 9999."""
    log, revocations = case.log, case.revocations
    tree = {
        "report": _WHAT,
        "version": _VERSION,
        "at": case.at,
        "time": _words(case.at),
        "role": case.role,
        "verdict": _verdict_tree(verdict),
        "binding": {
            "level": case.binding.level.value,
            "report_data": case.binding.report_data.hex(),
            "nonce": case.binding.nonce.hex(),
            "public_key": case.binding.public_key.hex(),
        },
        "policy": {"digest": case.policy.digest.hex(), "file": to_tree(case.policy)},
        "evidence": _attached(case.evidence),
        "endorsements": _attached(case.endorsements),
        "roots": _roots_tree(case.roots),
        "program": _log_tree(log) if isinstance(log, LogProof) else {"kind": "pinned", "measurement": log.digest.hex()},
        "revocations": {"kind": "none"}
        if isinstance(revocations, NoRevocations)
        else {
            "kind": "list",
            "list": _attached(revocations.data),
            "max_age": revocations.max_age,
            "log": _log_tree(revocations.log),
        },
    }
    return json.dumps(tree, indent=2).encode() + b"\n"


def decode_report(data: bytes) -> tuple[Case[StatedBinding], Verdict]:
    """The parts of a report. Raises :class:`DecodeError`, :class:`UnsupportedError` or :class:`LimitError`."""
    if len(data) > MAX_REPORT:
        raise LimitError(f"{_WHAT}: {len(data)} bytes are over the limit of {MAX_REPORT}")
    case, verdict = Table.all(strictjson.decode_object(data, _WHAT), "", _read, what=_WHAT)
    if encode_report(case, verdict) != data:
        raise DecodeError(_WHAT, "not its one text")
    return case, verdict


def _words(at: int) -> str:
    if not 0 <= at <= _LAST_SECOND:
        raise UsageError("a report is of the years 1970 to 9999")
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _attached(data: bytes) -> Tree:
    return {"sha384": hashlib.sha384(data).hexdigest(), "base64": base64.b64encode(data).decode()}


def _verdict_tree(verdict: Verdict) -> Tree:
    if isinstance(verdict, Refused):
        return {"verdict": "refused", "check": verdict.check, "error": verdict.error, "reason": verdict.reason}
    return {
        "verdict": "accepted",
        "level": verdict.level.value,
        "checks": list(verdict.checks),
        "measurement": verdict.measurement.hex(),
        "report_data": verdict.report_data.hex(),
        "not_before": verdict.not_before,
        "not_after": verdict.not_after,
    }


def _roots_tree(roots: snp.Roots | Roots) -> list[Tree]:
    if isinstance(roots, snp.Roots):
        return [{"product": product.value, "sha256": pin.hex()} for pin, product in roots.pins]
    return [{"sha256": pin.hex()} for pin in roots.pins]


def _log_tree(log: LogProof) -> Tree:
    return {
        "kind": "logged",
        "namespace": log.namespace,
        "minimum_version": log.minimum_version,
        "floor": log.floor.encode().decode(),
        "policy": {
            "key": str(log.policy.key),
            "max_age": log.policy.max_age,
            **_quorum_tree(log.policy.quorum),
        },
        "proof": _attached(log.proof),
    }


def _quorum_tree(group: Group) -> Tree:
    members = [str(it) if isinstance(it, NoteKey) else _quorum_tree(it) for it in group.members]
    return {"threshold": group.threshold, "witnesses": members}


def _read(table: Table) -> tuple[Case[StatedBinding], Verdict]:
    if table.text("report") != _WHAT or table.integer("version", 0xFFFF) != _VERSION:
        raise UnsupportedError(f"{_WHAT}: not one of version {_VERSION}")
    policy = table.table("policy", _policy)
    table.text("time")
    case = Case(
        evidence=table.table("evidence", _data),
        endorsements=table.table("endorsements", _data),
        policy=policy,
        roots=_roots(table, policy),
        binding=table.table("binding", _binding),
        role=table.text("role"),
        log=table.table("program", _program),
        revocations=table.table("revocations", _revocations),
        at=table.integer("at", _LAST_SECOND),
    )
    return case, table.table("verdict", _verdict)


def _data(table: Table) -> bytes:
    table.text("sha384")
    try:
        return binascii.a2b_base64(table.text("base64"), strict_mode=True)
    except (ValueError, binascii.Error):
        raise table.fail("base64", "not Base64") from None


def _policy(table: Table) -> AnyPolicy:
    table.text("digest")
    return from_tree(table.any("file"))


def _roots(table: Table, policy: AnyPolicy) -> snp.Roots | Roots:
    if isinstance(policy, snp.Policy):
        return snp.Roots(table.tables("roots", lambda it: (it.hex("sha256", 32), it.choice("product", _PRODUCTS))))
    return Roots(table.tables("roots", lambda it: it.hex("sha256", 32)))


def _binding(table: Table) -> StatedBinding:
    parts = (table.octets(name, _MOST_DATA) for name in ("report_data", "nonce", "public_key"))
    return StatedBinding(table.choice("level", _LEVELS), *parts)


def _program(table: Table) -> LogProof | PinnedMeasurement:
    if table.choice("kind", {"logged": True, "pinned": False}):
        return _log_fields(table)
    return PinnedMeasurement(table.hex("measurement", 48))


def _log(table: Table) -> LogProof:
    table.choice("kind", {"logged": True})
    return _log_fields(table)


def _log_fields(table: Table) -> LogProof:
    return LogProof(
        proof=table.table("proof", _data),
        namespace=table.text("namespace"),
        policy=table.table("policy", _log_policy),
        floor=Checkpoint.decode(table.text("floor").encode()),
        minimum_version=table.integer("minimum_version", _UINT64),
    )


def _log_policy(table: Table) -> LogPolicy:
    group = _quorum(table, 0)
    return LogPolicy(
        NoteKey.parse(table.text("key")), group.members, group.threshold, table.integer("max_age", _UINT64)
    )


def _quorum(table: Table, depth: int) -> Group:
    if depth > _MOST_DEEP:
        raise table.fail("witnesses", f"groups that are more than {_MOST_DEEP} deep")
    members = table.either(
        "witnesses",
        NoteKey.parse,
        lambda it: _quorum(it, depth + 1),
    )
    return Group(table.integer("threshold", 0xFFFF), members)


def _revocations(table: Table) -> ListProof | NoRevocations:
    if not table.choice("kind", {"list": True, "none": False}):
        return NO_REVOCATIONS
    return ListProof(
        data=table.table("list", _data),
        log=table.table("log", _log),
        max_age=table.integer("max_age", _UINT64),
    )


def _verdict(table: Table) -> Verdict:
    if not table.choice("verdict", {"accepted": True, "refused": False}):
        return Refused(table.text("check"), table.text("error"), table.text("reason"))
    return Accepted(
        level=table.choice("level", _LEVELS),
        checks=table.texts("checks"),
        measurement=table.hex("measurement", 48),
        report_data=table.octets("report_data", _MOST_DATA),
        not_before=table.integer("not_before", _UINT64),
        not_after=table.integer("not_after", _UINT64),
    )
