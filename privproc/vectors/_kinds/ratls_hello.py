"""A hello that must be refused: by the check alone, and by the step that uses it."""

from __future__ import annotations

from privproc import ratls
from privproc.vectors.case import Case, raises

IDENTITY = ratls.Identity.generate(at=1_800_000_000, lifetime=86_400)


def run(case: Case) -> None:
    records, group, sender = case.hex("records"), ratls.Group[case["group"]], case["sender"]
    if sender == "client":
        calls = [
            lambda: ratls.check_client_hello(records, group),
            lambda: ratls.accept(IDENTITY, records, group),
        ]
    else:
        assert sender == "server"
        _, pending = ratls.connect(group)
        calls = [
            lambda: ratls.check_server_hello(records, group),
            lambda: pending.finish(records),
        ]
    for call in calls:
        with raises(case.expect) as caught:
            call()
        assert type(caught.value) is case.expect
