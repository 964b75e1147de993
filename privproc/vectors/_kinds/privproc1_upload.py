"""Pieces of a chunked request to a gateway, and why it refuses the last one, or (``end``) that nothing follows it."""

from __future__ import annotations

from privproc.session import PipeRequest, Upload
from privproc.tokens import MemoryStore
from privproc.vectors._kinds.privproc1_gateway import gateway
from privproc.vectors.case import Case, raises


def run(case: Case) -> None:
    upload, at, end = Upload(gateway(case)), case["at"], case["end"]
    *accepted, refused = [bytes.fromhex(piece) for piece in case["pieces"]]
    for piece in accepted:
        for event in upload.receive_data(piece, at=at):
            if isinstance(event, PipeRequest):
                event.forward(MemoryStore(1).reserve(event.spend_key, at=at, lease=30))
    assert case.expect is not None
    if end:
        upload.receive_data(refused, at=at)
    with raises(case.expect) as raised:
        upload.receive_end(at=at) if end else upload.receive_data(refused, at=at)
    assert type(raised.value) is case.expect
