"""A frame that a device sends inside of TLS: how it is read, or why it is refused. For ``AGAIN`` its nonce, too."""

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
    assert wire == u(1, kind) + lp(body)
    assert read(wire, suite) == (kind, body)
    if kind == Kind.AGAIN:
        assert case.hex("nonce") == frames.nonce_of(body, suite)
        assert wire == frames.again(case.hex("nonce"), suite)


def read(wire: bytes, suite: Suite) -> Frame | None:
    frame = FrameReader().receive_data(wire)
    if frame is not None and frame.kind is Kind.AGAIN:
        frames.nonce_of(frame.body, suite)
    return frame
