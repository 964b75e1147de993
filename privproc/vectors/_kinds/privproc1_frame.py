"""A frame that a device sends inside of TLS to ask for new evidence: how it is read, or why it is refused."""

from __future__ import annotations

from privproc.hpke import Suite
from privproc.session import frames
from privproc.session.frames import Frame, FrameReader, Kind
from privproc.vectors._straight import lp, u
from privproc.vectors.case import Case, raises


def run(case: Case) -> None:
    wire, suite = case.hex("wire"), Suite.from_ids(*case["suite"])
    if case.expect:
        with raises(case.expect) as raised:
            read(wire, suite)
        assert type(raised.value) is case.expect
        return
    kind, body = case["kind"], case.hex("body")
    assert kind == Kind.AGAIN
    assert wire == u(1, kind) + lp(body)
    assert read(wire, suite) == (kind, body)
    assert case.hex("nonce") == frames.nonce_of(body, suite)
    assert wire == frames.again(case.hex("nonce"), suite)


def read(wire: bytes, suite: Suite) -> Frame:
    frame = FrameReader().receive_data(wire)
    frames.nonce_of(frame.body, suite)
    return frame
