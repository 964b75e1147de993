"""Reports: what is archived is what was decided, and replaying it needs nothing else."""

from __future__ import annotations

import base64
import json
from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from privproc.attestation import KeyBinding, Level, PinnedMeasurement
from privproc.attestation.cache import Cache
from privproc.attestation.case import NoBinding, StatedBinding
from privproc.attestation.report import Accepted, Refused, Report, TrustAnchors, examine, replay
from privproc.attestation.reportfile import MAX_REPORT
from privproc.errors import DecodeError, LimitError, PeerError, UnsupportedError, UntrustedError, UsageError
from privproc.ledger import Group, LogPolicy
from tests.codec import check_contract
from tests.world.cases import ANCHORS, AT, DATA, DAY, FORMATS, MEASUREMENT, case, logged, parts, revoking
from tests.world.ledger import COSIGNATURE, ML_DSA_44, Ledger, Party

KEY = KeyBinding(DATA)
BINDINGS = {"session": None, "key": KEY, "none": NoBinding()}


def made(kind: str, level: str = "session", **changes: Any) -> Report:
    binding = BINDINGS[level]
    return examine(case(kind, **({} if binding is None else {"binding": binding}) | changes))


def reports() -> dict[str, Report]:
    found = {f"{kind}-{level}": made(kind, level) for kind in FORMATS for level in BINDINGS}
    for kind in FORMATS:
        pinned = PinnedMeasurement(parts(kind)["measurement"])
        found |= {
            f"{kind}-pinned": made(kind, "key", log=pinned),
            f"{kind}-listed": made(kind, revocations=revoking([bytes(32)])),
            f"{kind}-revoked": made(kind, revocations=revoking([parts(kind)["measurement"]])),
            f"{kind}-late": made(kind, at=AT + 9000 * DAY),
            f"{kind}-garbled": made(kind, evidence=b"\0" * 40),
            f"{kind}-empty": made(kind, evidence=b"", endorsements=b""),
            f"{kind}-other-key": made(kind, "key", binding=KeyBinding(b"\1" * 64)),
            f"{kind}-other-program": made(kind, log=logged(b"\1" * 48)),
        }
    return found


REPORTS = reports()


@pytest.mark.parametrize("name", REPORTS)
def test_archive_and_replay(name: str) -> None:
    report = REPORTS[name]
    data = report.encode()
    again = Report.decode(data)
    assert again == report
    assert again.encode() == data
    assert again.digest == report.digest
    assert replay(again, anchors=ANCHORS) == report.verdict


def test_verdicts() -> None:
    for kind in FORMATS:
        for level in BINDINGS:
            verdict = REPORTS[f"{kind}-{level}"].verdict
            assert isinstance(verdict, Accepted)
            assert (verdict.level.value, verdict.report_data) == (level, DATA)
            assert verdict.measurement == parts(kind)["measurement"]
        for name, check, error in (
            ("revoked", "revocation-list", "PolicyError"),
            ("late", "log-proof", "ExpiredError"),
            ("other-key", "binding", "UntrustedError"),
            ("other-program", "log", "UntrustedError"),
        ):
            verdict = REPORTS[f"{kind}-{name}"].verdict
            assert isinstance(verdict, Refused)
            assert (verdict.check, verdict.error) == (check, error)
            assert verdict.reason
        assert isinstance(REPORTS[f"{kind}-garbled"].verdict, Refused)
        assert "revocation-list" in REPORTS[f"{kind}-listed"].verdict.checks  # type: ignore[union-attr]


def test_a_person_can_read_it() -> None:
    tree = json.loads(REPORTS["sev-snp-session"].encode())
    assert tree["time"] == "2026-05-28T20:26:40Z"
    assert tree["verdict"]["verdict"] == "accepted"
    assert tree["verdict"]["checks"][0] == "chain-window"
    assert tree["policy"]["file"]["floor"][0]["product"] == "Genoa"
    assert tree["program"]["namespace"] == "example"
    assert base64.b64decode(tree["evidence"]["base64"]) == parts("sev-snp")["evidence"]
    assert REPORTS["sev-snp-late"].encode().count(b'"refused"') == 1


def test_a_claimed_verdict_is_not_believed() -> None:
    good, bad = REPORTS["sev-snp-session"], REPORTS["sev-snp-revoked"]
    for report in (replace(good, verdict=bad.verdict), replace(bad, verdict=good.verdict)):
        with pytest.raises(UntrustedError, match="another verdict"):
            replay(Report.decode(report.encode()), anchors=ANCHORS)
    verdict: Any = good.verdict
    changes: dict[str, Any] = {
        "level": Level.KEY,
        "checks": verdict.checks[:-1],
        "measurement": bytes(48),
        "report_data": b"",
        "not_before": 0,
        "not_after": 1 << 63,
    }
    assert set(changes) == {it.name for it in fields(Accepted)}
    for name, value in changes.items():
        with pytest.raises(UntrustedError, match="another verdict"):
            replay(replace(good, verdict=replace(verdict, **{name: value})), anchors=ANCHORS)
    refused: Any = bad.verdict
    for name in ("check", "error", "reason"):
        with pytest.raises(UntrustedError, match="another verdict"):
            replay(replace(bad, verdict=replace(refused, **{name: "x"})), anchors=ANCHORS)


@pytest.mark.parametrize("kind", FORMATS)
def test_a_changed_case_is_another_verdict(kind: str) -> None:
    report = REPORTS[f"{kind}-session"]
    evidence = parts(kind)["evidence"]
    changes: dict[str, Any] = {
        "evidence": evidence[:100] + bytes([evidence[100] ^ 1]) + evidence[101:],
        "endorsements": b"x",
        "role": "another",
        "at": AT + 1,
        "binding": StatedBinding(Level.SESSION, b"\1" * 64, b"", b""),
        "log": logged(b"\1" * 48),
        "revocations": revoking([parts(kind)["measurement"]]),
        "policy": replace(report.case.policy, max_age=1),
    }
    if kind == "nitro":
        changes["at"] = AT + 601
    for name, value in changes.items():
        with pytest.raises(UntrustedError, match="another verdict"):
            replay(replace(report, case=replace(report.case, **{name: value})), anchors=ANCHORS)
            pytest.fail(name)


@pytest.mark.parametrize("kind", FORMATS)
def test_the_reader_chooses_whom_to_trust(kind: str) -> None:
    report = REPORTS[f"{kind}-listed"]
    vendors = TrustAnchors.of_vendors(*ANCHORS.logs)
    with pytest.raises(UntrustedError, match="a root"):
        replay(report, anchors=vendors)
    with pytest.raises(UntrustedError, match="a log"):
        replay(report, anchors=replace(ANCHORS, logs=()))
    lax = replace(ANCHORS.logs[0], threshold=1)
    for name in ("listed", "session"):
        with pytest.raises(UntrustedError, match="a log"):
            replay(REPORTS[f"{kind}-{name}"], anchors=replace(ANCHORS, logs=(lax,)))
    listed: Any = report.case.revocations
    elsewhere = replace(listed, log=replace(listed.log, policy=lax))
    with pytest.raises(UntrustedError, match="a log"):
        replay(replace(report, case=replace(report.case, revocations=elsewhere)), anchors=ANCHORS)
    with pytest.raises(UntrustedError, match="a root"):
        replay(replace(report, case=replace(report.case, roots=object())), anchors=ANCHORS)  # type: ignore[arg-type]


def test_a_session_can_not_have_a_pinned_program() -> None:
    case_ = replace(REPORTS["sev-snp-session"].case, log=PinnedMeasurement(MEASUREMENT))
    forged = Report(case_, REPORTS["sev-snp-session"].verdict)
    with pytest.raises(UntrustedError, match="can't be appraised"):
        replay(Report.decode(forged.encode()), anchors=ANCHORS)


def test_reporting_a_report_is_the_same() -> None:
    for name in ("tdx-session", "tdx-revoked"):
        assert examine(REPORTS[name].case) == REPORTS[name]
    cache = Cache(capacity=9, lifetime=9)
    assert examine(case("tdx"), cache=cache) == REPORTS["tdx-session"]
    assert len(cache) == 1


def test_mistakes_are_not_reported() -> None:
    with pytest.raises(UsageError):
        made("sev-snp", roots=case("tdx").roots)
    with pytest.raises(UsageError, match="1970 to 9999"):
        Report(replace(REPORTS["tdx-late"].case, at=-1), REPORTS["tdx-late"].verdict).encode()
    with pytest.raises(UsageError, match="ledger"):
        made("sev-snp", log=PinnedMeasurement(MEASUREMENT))


# -- the file


def changed(report: Report, *path: Any, to: Any = ...) -> bytes:
    tree = json.loads(report.encode())
    place = tree
    for step in path[:-1]:
        place = place[step]
    if to is ...:
        del place[path[-1]]
    else:
        place[path[-1]] = to
    return json.dumps(tree, indent=2).encode() + b"\n"


def test_one_text() -> None:
    report = REPORTS["sev-snp-listed"]
    data = report.encode()
    for other in (
        data[:-1],
        data + b"\n",
        b" " + data,
        json.dumps(json.loads(data)).encode(),
        changed(report, "time", to="2026-05-28T20:26:41Z"),
        changed(report, "policy", "digest", to="00" * 48),
        changed(report, "evidence", "sha384", to="00" * 48),
        changed(report, "roots", 0, "sha256", to=json.loads(data)["roots"][0]["sha256"].upper()),
        changed(report, "policy", "file", "floor", 0, "mitigations", to=[0, 0]),
    ):
        with pytest.raises(DecodeError, match="not its one text"):
            Report.decode(other)


def all_paths(tree: Any, place: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    found = [(*place, key) for key, _ in items]
    return found + [path for key, value in items for path in all_paths(value, (*place, key))]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["sev-snp-listed", "tdx-session", "sgx-session", "nitro-pinned", "sev-snp-revoked"])
def test_every_member_counts(name: str) -> None:
    report = REPORTS[name]
    for path in all_paths(json.loads(report.encode())):
        for to in (..., None, ["x"], "\ud800", 1 << 80, {"more": 1}):
            with pytest.raises(PeerError):  # some are reports, of another case, with a verdict that isn't theirs
                replay(Report.decode(changed(report, *path, to=to)), anchors=ANCHORS)
    with pytest.raises(DecodeError, match="more: unknown key"):
        Report.decode(changed(report, "more", to=1))


@pytest.mark.parametrize(
    ("path", "to", "error", "reason"),
    [
        (("version",), 2, UnsupportedError, "version 1"),
        (("report",), "a poem", UnsupportedError, "version 1"),
        (("evidence", "base64"), "AA=", DecodeError, "evidence.base64: not Base64"),
        (("evidence", "base64"), "é", DecodeError, "evidence.base64: not Base64"),
        (("binding", "level"), "high", DecodeError, "binding.level: not one of session, key, none"),
        (("binding", "level"), "none", DecodeError, "its level doesn't have"),
        (("binding", "report_data"), "00" * 1025, DecodeError, "binding.report_data: not up to 1024 bytes"),
        (("program", "floor"), "x", DecodeError, "checkpoint"),
        (("program", "policy", "key"), "x", DecodeError, "verifier key"),
        (("program", "policy", "threshold"), 0, DecodeError, "threshold is 1 to"),
        (("roots",), [], DecodeError, "the whole: roots are"),
        (("policy", "file", "format"), "cca", UnsupportedError, "policy file"),
    ],
)
def test_places(path: tuple[Any, ...], to: Any, error: type[Exception], reason: str) -> None:
    with pytest.raises(error, match=reason):
        Report.decode(changed(REPORTS["sev-snp-session"], *path, to=to))


def test_witnesses_in_groups() -> None:
    keys = [Party(f"w{index}.example", kind).key for index, kind in enumerate((COSIGNATURE, ML_DSA_44, COSIGNATURE))]
    group = Group(1, (keys[0], Group(1, (keys[1],))))
    policy = LogPolicy(Ledger().log.key, (group, keys[2]), 1, 60)
    log: Any = case("tdx").log
    report = made("tdx", log=replace(log, policy=policy))
    assert isinstance(report.verdict, Refused)
    assert Report.decode(report.encode()) == report
    assert replay(report, anchors=replace(ANCHORS, logs=(policy,))) == report.verdict


def test_depth_and_size() -> None:
    tree = json.loads(REPORTS["tdx-session"].encode())
    place = tree["program"]["policy"]
    key = place["witnesses"][0]
    for _ in range(70):
        place["witnesses"] = [{"threshold": 1, "witnesses": [key]}]
        place = place["witnesses"][0]
    with pytest.raises(DecodeError, match="64 deep"):
        Report.decode(json.dumps(tree).encode())
    for bad in (b"[" * 100_000, b'{"a":' * 100_000):
        with pytest.raises(DecodeError):
            Report.decode(bad)
    with pytest.raises(LimitError):
        Report.decode(b" " * (MAX_REPORT + 1))


@given(st.binary(max_size=200))
def test_contract(data: bytes) -> None:
    check_contract(Report.decode, data)


SAMPLE = REPORTS["nitro-listed"].encode()


@given(st.integers(0, len(SAMPLE) - 1), st.integers(0, 3), st.binary(max_size=3))
def test_contract_of_changed_reports(position: int, removed: int, put: bytes) -> None:
    """What still reads has its own verdict, or the one it claims."""
    data = SAMPLE[:position] + put + SAMPLE[position + removed :]
    try:
        replay(Report.decode(data), anchors=ANCHORS)
    except PeerError:
        return
    assert data == SAMPLE
