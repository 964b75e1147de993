"""kind ``bhttp``: one binary HTTP message (RFC 9292), decoded whole and byte by byte, and encoded again.

``message``: the bytes. ``type``: ``request`` or ``response``. ``framing``: ``known`` or ``indeterminate``. ``limits``
(optional): decoder limits that differ from the defaults. With ``expect`` ``ok``, ``value`` is what it means: control
data and fields as text, ``content`` as hex. ``canonical``: whether the encoder writes these bytes too, up to the zeros
at the end, which padding adds and truncation drops. Otherwise ``error``: words of the message.
"""

from __future__ import annotations

from privproc import bhttp
from privproc.http import Informational, Request, Response
from privproc.vectors.case import Case, raises

FRAMING = {"known": bhttp.Framing.KNOWN, "indeterminate": bhttp.Framing.INDETERMINATE}


def run(case: Case) -> None:
    message, request = case.hex("message"), {"request": True, "response": False}[case["type"]]
    limits = bhttp.Limits(**case.get("limits", {}))
    framing = FRAMING[case["framing"]]
    assert message[0] == framing.value + (not request)
    decode = bhttp.decode_request if request else bhttp.decode_response
    if case.expect is not None:
        with raises(case.expect, match=case["error"]) as whole:
            decode(message, limits)
        with raises(case.expect, match=case["error"]) as bytewise:
            streamed(message, limits, request=request)
        assert type(whole.value) is type(bytewise.value) is case.expect
        return
    value = parse(case["value"], request=request)
    assert decode(message, limits) == value
    assert streamed(message, limits, request=request) == value
    encode = bhttp.encode_request if request else bhttp.encode_response
    full = encode(value, framing=framing)
    padded = encode(value, framing=framing, size=max(len(full), len(message)))
    assert padded.rstrip(b"\0") == full.rstrip(b"\0")
    assert (padded.startswith(message) and not any(padded[len(message) :])) is case["canonical"]
    assert decode(padded, limits) == value


def streamed(message: bytes, limits: bhttp.Limits, *, request: bool) -> Request | Response:
    decoder = bhttp.RequestDecoder(limits) if request else bhttp.ResponseDecoder(limits)
    events = [event for byte in message for event in decoder.receive_data(bytes((byte,)))] + decoder.end_of_data()
    interim = tuple(event for event in events if isinstance(event, Informational))
    head, *data, end = events[len(interim) :]
    assert isinstance(end, bhttp.EndOfMessage)
    content = b"".join(event.data for event in data)
    if isinstance(head, bhttp.RequestHead):
        target = (head.method, head.scheme, head.authority, head.path)
        return Request(*target, head.fields, content, end.trailers)
    return Response(head.status, head.fields, content, end.trailers, interim)


def parse(value: dict, *, request: bool) -> Request | Response:
    value = dict(value)
    head = fields(value.pop("fields"))
    content, trailers = bytes.fromhex(value.pop("content")), fields(value.pop("trailers"))
    if request:
        return Request(**value, fields=head, content=content, trailers=trailers)
    interim = tuple(Informational(one["status"], fields(one["fields"])) for one in value.pop("informational"))
    return Response(**value, fields=head, content=content, trailers=trailers, informational=interim)


def fields(pairs: list) -> tuple:
    return tuple((name.encode("ascii"), value.encode("ascii")) for name, value in pairs)
