"""One resource, the requests to mirrors for it, their responses, and what that proves.

A response's ``target_response`` is what the mirror got from the target: it is sent in Binary HTTP as ``content``.
"""

from __future__ import annotations

from privproc import bhttp
from privproc.consistency import Mirror, confirm
from privproc.http import Response
from privproc.vectors.case import Case, raises


def run(case: Case) -> None:
    resource, target, threshold, at = case.hex("resource"), case["target"], case["threshold"], case["at"]
    shown = [(mirror, *ask(mirror, target, case["media_type"])) for mirror in case["mirrors"]]

    def check():
        copies = [pending.finish(response, at=mirror["received_at"]) for mirror, pending, response in shown]
        return confirm(resource, copies, target=target, threshold=threshold, at=at)

    if case.expect:
        with raises(case.expect) as caught:
            check()
        assert type(caught.value) is case.expect
        return
    trusted = check()
    assert trusted.get(at=at) == resource
    assert trusted.not_after == case["not_after"]


def ask(mirror, target, media_type):
    request, pending = Mirror(mirror["template"], mirror["min_validity"]).ask(target, media_type, at=mirror["asked_at"])
    assert [request.method, request.url, fields(request.fields)] == ["GET", mirror["url"], mirror["fields"]]
    answer = mirror["response"]
    if "target_response" in answer:
        decoded = bhttp.decode_response(bytes.fromhex(answer["content"]))
        inner = answer["target_response"]
        assert [decoded.status, fields(decoded.fields), decoded.content.hex()] == [
            inner["status"],
            inner["fields"],
            inner["content"],
        ]
    pairs = tuple((name.encode(), value.encode()) for name, value in answer["fields"])
    return pending, Response(answer["status"], pairs, bytes.fromhex(answer["content"]))


def fields(pairs):
    return [[name.decode(), value.decode()] for name, value in pairs]
