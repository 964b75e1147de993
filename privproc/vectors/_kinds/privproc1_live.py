"""A session that lives on: requests that follow each other, and new evidence between them, with every value.

Each step is a ``request`` with its ``answer``, which are cases of their own kinds, or ``again``. What TLS makes is
given: exporter values and records; so are the leaf, the evidence and what the host staples.
"""

from __future__ import annotations

import hmac
from typing import Any

from privproc.attestation.binder import Binding, Direction, exporter_context
from privproc.hpke import Suite
from privproc.secret import Secret
from privproc.session import frames, transcript
from privproc.session.messages import Continue, Renewed
from privproc.vectors import _straight as straight
from privproc.vectors._kinds import privproc1_answer, privproc1_request
from privproc.vectors._straight import lp, sha256, sha384, t, u
from privproc.vectors.case import Case
from privproc.wire import Feed


class State:
    """What both ends know between two steps."""

    def __init__(self, case: Case) -> None:
        self.ids = tuple(case["suite"])
        self.suite = Suite.from_ids(*self.ids)
        self.key = case.hex("continue_key")
        self.th2 = case.hex("th2")
        self.public = case.hex("first_key")
        self.number, self.previous, self.offset, self.sequence = 0, b"", 0, 0


def run(case: Case) -> None:
    assert case.expect is None
    state = State(case)
    for step in case["steps"]:
        part = Case({"id": "step", **step})
        if "again" in step:
            again(Case({"id": "again", **part["again"]}), part, state)
        else:
            request(part, state)
        continuation(Case({"id": "continue", **part["continue"]}), part, state)
        assert not part.unread()
    assert case["steps"][-1]["frame"][:2] == "01"  # the last request says that it is


def request(part, state: State) -> None:
    asked, answer = (Case({"id": name, "expect": "ok", **part[name]}) for name in ("request", "answer"))
    privproc1_request.run(asked)
    privproc1_answer.run(answer)
    assert not asked.unread() | answer.unread()
    assert asked.hex("th2") == state.th2
    assert (asked["index"], asked.hex("previous")) == (state.number, state.previous)
    assert straight.public_key(state.ids[0], asked.hex("one_time_secret")) == state.public
    for name in ("suite", "prk", "th3", "dk_secret"):
        assert answer[name] == asked[name]
    kind, sealed = part.hex("frame")[0], asked.hex("sealed")
    framed(part.hex("frame"), kind, sealed)
    assert (kind == 1) == (not answer["next"])
    state.number, state.previous, state.public = state.number + 1, asked.hex("th3"), answer.hex("next")


def framed(wire: bytes, kind: int, body: bytes) -> None:
    assert wire == u(1, kind) + lp(body)
    assert wire == frames.frame(frames.Kind(kind), body)
    assert frames.FrameReader().receive_data(wire) == (kind, body)


# req: privproc1/6.3 bound-to-what-was
def again(case: Case, part, state: State) -> None:
    nonce, th1, sequence = case.hex("nonce"), case.hex("th1"), state.sequence + 1
    body = nonce + bytes(4 + straight.enc_size(state.ids[0]) + 4 + 4096 + 16 - len(nonce))
    framed(part.hex("frame"), 2, body)
    assert part.hex("frame") == frames.again(nonce, state.suite)
    assert frames.nonce_of(body, state.suite) == nonce
    assert th1 == t(b"again", state.th2, nonce) == transcript.again(state.th2, nonce)
    assert case["sequence"] == sequence
    context, exporter = case.hex("exporter_context"), case.hex("exporter")
    assert context == t(b"ctx", b"s2c", u(4, sequence), th1)
    assert context == exporter_context(Direction.SERVER_TO_CLIENT, sequence, th1)
    role, leaf, announcement, pre = case["role"], case.hex("leaf"), case.hex("announcement"), case.hex("pre")
    assert pre == t(b"pre", b"s2c", role.encode(), u(4, sequence), th1, exporter, sha256(leaf), b"", announcement)
    report_data = case.hex("report_data")
    assert report_data == b"privproc/1 bind\0" + t(b"bind", pre, u(2, 0))
    binding = Binding(Direction.SERVER_TO_CLIENT, sequence, role, th1, Secret(exporter), leaf, b"", announcement)
    assert (binding.pre, binding.report_data(())) == (pre, report_data)
    form, evidence = case["format"], case.hex("evidence")
    stapled = case.hex("endorsements"), case.hex("log_proof")
    renewal = lp(announcement) + u(2, form) + lp(evidence) + u(2, 0) + lp(stapled[0]) + lp(stapled[1])
    assert case.hex("renewed") == u(4, 15360) + lp(renewal) + bytes(15360 - 4 - len(renewal))
    value = Renewed(announcement, form, evidence, *stapled)
    assert case.hex("renewed") == frames.renewal(value)
    assert Feed("new evidence", frames.renewals()).receive(case.hex("renewed"), last=True) == [value]
    state.th2 = case.hex("th2")
    assert state.th2 == t(b"attested", th1, report_data, sha384(u(2, form) + evidence))
    assert state.th2 == transcript.attested(th1, report_data, form, evidence)
    key = announcement[10:-8]
    assert announcement == b"".join(u(2, part) for part in state.ids) + lp(key) + u(4, 32) + u(4, 1800)
    state.sequence, state.number, state.previous, state.public = sequence, 0, b"", key
    assert not case.unread()


def continuation(case: Case, part: Any, state: State) -> None:
    handle, enc, records = case.hex("handle"), case.hex("enc"), case.hex("records")
    offset = case["offset"]
    assert offset == state.offset
    mac = case.hex("mac")
    parts = (b"privproc/1 continue", handle, u(8, offset), enc, sha384(records))
    assert mac == hmac.digest(state.key, b"".join(map(lp, parts)), "sha384")
    assert mac == transcript.continuation_mac(Secret(state.key), handle, offset, enc, records)
    assert case.hex("message") == handle + u(8, offset) + mac + lp(records)
    assert case.hex("message") == Continue(handle, offset, mac, records).encode()
    assert len(part.hex("frame")) <= len(records)
    state.offset += len(records)
    assert not case.unread()
