"""Records of sessions: an auditor reaches the device's verdict from the record alone, and a forged one is noticed."""

from __future__ import annotations

import base64
import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from privproc import session
from privproc.attestation import NO_REVOCATIONS, nitro, tdx
from privproc.attestation.report import Refused, TrustAnchors
from privproc.errors import DecodeError, LimitError, PeerError, PrivprocError, UnsupportedError, UntrustedError
from privproc.responsekey import AnswerData
from privproc.session import record
from privproc.session.messages import Open
from privproc.session.record import MAX_RECORD, Record, replay
from tests.codec import check_contract
from tests.world.relay import ROUTE
from tests.world.removed import removed
from tests.world.world import ROLE, World

AT = 1_800_000_000
QUESTION = b"What did we agree on about the harbour trip?"
WORLD = World(AT)


def trusted(world: World = WORLD) -> TrustAnchors:
    """An auditor who trusts whom the device trusts."""
    logs = tuple(world.anchors.logs.values())
    return TrustAnchors(amd=world.amd.roots, intel=tdx.INTEL_ROOTS, aws=nitro.AWS_ROOTS, logs=logs)


def attested(world: World = WORLD) -> session.Session:
    directory = world.learn()
    request, opening = session.begin(
        directory, world.token(directory), role=ROLE, relay=ROUTE, anchors=world.anchors, at=AT
    )
    return opening.finish(world.send(request), at=AT)


RECORD = Record.of(attested())


def renewed(world: World) -> session.Session:
    live = attested(world)
    request, renewing = live.renew(world.learn(), at=AT)
    return renewing.finish(world.send(request), at=AT)


def test_an_auditor_reaches_the_verdict():
    read = Record.decode(RECORD.encode())
    assert read == RECORD
    verdict = replay(read, anchors=trusted())
    assert verdict.checks[0] == "chain-window"
    assert verdict.report_data == RECORD.report.case.binding.report_data


def test_new_evidence_has_a_record_of_its_own():
    world = World(AT)
    again = Record.of(renewed(world))
    assert again.sequence == 1
    assert Record.decode(again.encode()) == again
    assert replay(again, anchors=trusted(world)).report_data != RECORD.report.case.binding.report_data


def test_a_record_is_taken_without_leaving_the_session():
    live = attested()
    Record.of(live)
    request, answer = live.ask(QUESTION, at=AT)
    events = answer.receive(WORLD.send(request), at=AT)
    assert b"harbour" in b"".join(event.data for event in events if isinstance(event, AnswerData))


def test_nothing_secret_is_in_a_record():
    """Neither what the relay saw beside an address, nor what was spent, nor what was asked."""
    world = World(AT)
    live = attested(world)
    request, answer = live.ask(QUESTION, at=AT)
    answer.receive(world.send(request), at=AT)
    text = Record.of(attested(world)).encode()
    found = b"".join(base64.b64decode(value) for value in strings(json.loads(text)) if len(value) % 4 == 0)
    up = [data for name, data in world.wire.crossings if name == "device → relay"]
    assert all(data[7 : 7 + 1120] not in found for data in up), "an enc"
    inner = [data for data in world.wire.views["gateway"] if b"PrivateToken" in data]
    start = inner[-1].index(b'token="') + len(b'token="')
    token = base64.urlsafe_b64decode(inner[-1][start : inner[-1].index(b'"', start)])
    for secret in (token[2:34], token[-256:], QUESTION):
        assert secret not in found + text
    assert 20 * len(text) < MAX_RECORD


def strings(tree: object) -> list[str]:
    if isinstance(tree, str):
        return [tree] if tree.isascii() and not set(tree) - set(BASE64) else []
    children = tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ()
    return [text for child in children for text in strings(child)]


BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="


def other_open(**changes: object) -> tuple[bytes, ...]:
    package, outer, message = RECORD.parts
    return package, outer, replace(Open.decode(message), **changes).encode()


FORGED = {
    "package": replace(RECORD, parts=(bytes(48), *RECORD.parts[1:])),
    "outer": replace(RECORD, parts=(RECORD.parts[0], bytes(48), RECORD.parts[2])),
    "nonce": replace(RECORD, parts=other_open(nonce=bytes(32))),
    "exporter": replace(RECORD, exporter=bytes(32)),
    "leaf": replace(RECORD, leaf=RECORD.leaf[:-1] + bytes([RECORD.leaf[-1] ^ 1])),
    "no leaf": replace(RECORD, leaf=b""),
    "announcement": replace(RECORD, announcement=b"another"),
    "sequence": replace(RECORD, sequence=1, parts=(bytes(48), bytes(32))),
}


@pytest.mark.parametrize("name", FORGED)
def test_evidence_of_something_else(name):
    with pytest.raises(UntrustedError, match="not bound to this exchange"):
        replay(FORGED[name], anchors=trusted())


def test_the_binding_is_what_is_checked():
    with removed(replay, "not _is_bound(case, binding.report_data(record.devices))", "False"):
        replay(FORGED["exporter"], anchors=trusted())


@pytest.mark.parametrize(
    "change", [{"role": "translate"}, {"log": "other.log"}, {"namespace": "other"}, {"policy_id": bytes(32)}]
)
def test_rules_that_the_device_did_not_ask_for(change):
    """The device's Open says by which policy it judged: a record can't show a laxer one."""
    forged = replace(RECORD, parts=other_open(**change))
    with pytest.raises(UntrustedError, match="other rules"):
        replay(forged, anchors=trusted())


def test_logs_that_the_auditor_does_not_trust():
    with pytest.raises(UntrustedError, match="log"):
        replay(RECORD, anchors=replace(trusted(), logs=()))


def test_a_refusal_is_no_session():
    case = replace(RECORD.report.case, at=AT + 10_000_000)
    refused = replace(
        RECORD, report=replace(RECORD.report, case=case, verdict=Refused("log-proof", "ExpiredError", "x"))
    )
    with pytest.raises(PeerError):
        replay(refused, anchors=trusted())
    reported = record.examine(case).verdict
    assert isinstance(reported, Refused)
    with pytest.raises(UntrustedError, match="there was no session"):
        replay(replace(RECORD, report=replace(RECORD.report, case=case, verdict=reported)), anchors=trusted())


@pytest.mark.parametrize("parts", [(), (bytes(48), bytes(48)), (bytes(47), *RECORD.parts[1:])])
def test_parts_of_another_size(parts):
    with pytest.raises(DecodeError, match="another size"):
        replay(replace(RECORD, parts=parts), anchors=trusted())
    with pytest.raises(DecodeError, match="another size"):
        replay(replace(RECORD, sequence=1, parts=parts), anchors=trusted())
    with pytest.raises(DecodeError, match="another size"):
        replay(replace(RECORD, exporter=bytes(31)), anchors=trusted())


TREE = json.loads(RECORD.encode())


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"version": 1}, UnsupportedError),
        ({"record": "another"}, UnsupportedError),
        ({"sequence": -1}, DecodeError),
        ({"leaf": "=="}, DecodeError),
        ({"leaf": base64.b64encode(bytes((1 << 18) + 1)).decode()}, DecodeError),
        ({"more": 1}, DecodeError),
        ({"open": {}}, DecodeError),
        ({"appraisal": []}, DecodeError),
    ],
)
def test_what_is_no_record(change, error):
    with pytest.raises(error):
        Record.decode(json.dumps(TREE | change, indent=2).encode() + b"\n")


def test_one_text():
    with pytest.raises(DecodeError, match="one text"):
        Record.decode(json.dumps(TREE).encode())
    with pytest.raises(LimitError):
        Record.decode(bytes(MAX_RECORD + 1))


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_contract(data):
    check_contract(Record.decode, data)


@given(st.integers(0, len(RECORD.encode()) - 1), st.integers(0, 255))
def test_no_changed_byte_passes(at, value):
    """Either it isn't a record any more, or it doesn't hold: every byte counts."""
    data = bytearray(RECORD.encode())
    if data[at] == value:
        return
    data[at] = value
    with pytest.raises(PrivprocError):
        replay(Record.decode(bytes(data)), anchors=trusted())


def test_a_session_without_revocations_says_so():
    assert RECORD.report.case.revocations == NO_REVOCATIONS
