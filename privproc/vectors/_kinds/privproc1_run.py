"""A whole private request, with every value from the keys to the last chunk.

``transcript``, ``possession``, ``request`` and ``answer`` are cases of their own kinds; here they are tied together and
the encapsulated messages around them are computed. What TLS makes is given: the hello inside of Open, the flight, the
leaf, the exporter values and the records; so are the evidence and what the host staples.
"""

from __future__ import annotations

import base64
from typing import Any
from unittest import mock

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from privproc import bhttp, ohttp
from privproc.http import Request, Response
from privproc.keyconfig import select
from privproc.session import SUITES, Contents, ContinueRequest, OpenRequest
from privproc.session.messages import Continue, Continued, Offer, Opened
from privproc.tokens import MemoryStore
from privproc.trust import pin
from privproc.vectors import _sending
from privproc.vectors import _straight as straight
from privproc.vectors._kinds import (
    privproc1_answer,
    privproc1_gateway,
    privproc1_possession,
    privproc1_request,
    privproc1_transcript,
)
from privproc.vectors._straight import lp, u
from privproc.vectors.case import Case

PARTS = {
    "transcript": privproc1_transcript,
    "possession": privproc1_possession,
    "request": privproc1_request,
    "answer": privproc1_answer,
}


def run(case: Case) -> None:
    assert case.expect is None
    parts = {name: Case({"id": name, "expect": "ok", **case[name]}) for name in PARTS}
    for name, part in parts.items():
        PARTS[name].run(part)
        assert not part.unread()
    tied(case, **parts)
    first = first_by_hand(case, parts["transcript"], parts["possession"])
    second_by_hand(case, parts["transcript"], first)
    by_library(case, parts["transcript"], parts["possession"])


def tied(case, transcript: Case, possession: Case, request: Case, answer: Case) -> None:
    """The same values in all parts."""
    token = transcript.hex("token")
    assert case["contents"] in transcript["signed_package"]
    assert (possession["pop"], possession["th1"]) == (transcript["pop"], transcript["th1"])
    assert token[2:34] == possession.hex("nonce")
    assert transcript.hex("evidence")[0x50:0x90] == transcript.hex("report_data")  # a SEV-SNP report
    assert request["th2"] == transcript["th2"]
    one_time = straight.public_key(request["suite"][0], request.hex("one_time_secret"))
    ids = b"".join(u(2, part) for part in request["suite"])
    assert transcript.hex("announcement") == ids + lp(one_time) + u(4, 1) + u(4, 60)
    for name in ("suite", "prk", "th3", "dk_secret"):
        assert answer[name] == request[name]


def ids_of(case) -> tuple[int, int, int]:
    return tuple(case["suite"])


def exchange(case, name: str, message: bytes, size: int | None) -> tuple[straight.Hpke, bytes]:
    """An OHTTP request by hand; its HPKE context and ``enc``."""
    ids, config = ids_of(case), case["transcript"]["key_config"]
    header = bytes.fromhex(config[:2]) + b"".join(u(2, part) for part in ids)
    public = straight.public_key(ids[0], case.hex("gateway_secret"))
    assert config == (header[:3] + public + u(2, 4) + header[3:]).hex()
    enc, shared = _sending.by_hand(case, ids[0], case.hex("gateway_secret"), f"_{name}")
    context = straight.hpke(ids, shared, straight.ohttp_info(header))
    inner = message if size is None else message.ljust(size - 7 - len(enc) - 16, b"\0")
    assert case.hex(f"wire_{name}") == header + enc + context.seal(inner)
    return context, enc


def response(case, name: str, context: straight.Hpke, enc: bytes, content: bytes, size: int) -> None:
    nonce = case.hex(f"response_nonce_{name}")
    key, iv = straight.ohttp_response(context, ids_of(case)[2], enc, nonce)
    inner = straight.http_response(content).ljust(size - len(nonce) - 16, b"\0")
    assert case.hex(f"answer_{name}") == nonce + AESGCM(key).encrypt(iv, inner, b"")


def first_by_hand(case, transcript: Case, possession: Case) -> straight.Hpke:
    token = b'PrivateToken token="' + base64.urlsafe_b64encode(transcript.hex("token")) + b'"'
    pop, proof = possession.hex("pop"), possession.hex("proof")
    field = base64.urlsafe_b64encode(u(2, len(pop)) + pop + u(2, len(proof)) + proof)
    fields = [(b"authorization", token), (b"privproc-proof", field)]
    gateway, opened = case["gateway"].encode(), transcript.hex("open")
    message = straight.http_request(gateway, b"/privproc/1/open", fields, opened)
    context, enc = exchange(case, "first", message, case["up"])
    assert transcript.hex("enc") == enc
    assert transcript.hex("outer_export") == context.export(b"privproc/1 outer", 32)
    assert transcript.hex("continue_key") == context.export(b"privproc/1 continue", 48)
    assert case.hex("forward") == transcript.hex("package") + transcript.hex("outer") + opened
    parts = (
        lp(case.hex("flight"))
        + lp(transcript.hex("announcement"))
        + u(2, transcript["evidence_format"])
        + lp(transcript.hex("evidence"))
    )
    offer = parts + u(2, 0)
    content = transcript.hex("handle") + lp(offer) + lp(case.hex("endorsements")) + lp(case.hex("log_proof"))
    response(case, "first", context, enc, content, case["down"])
    return context


def second_by_hand(case, transcript: Case, first: straight.Hpke) -> None:
    assert transcript["offset"] == 0
    message = transcript.hex("handle") + u(8, 0) + transcript.hex("mac") + lp(transcript.hex("records"))
    inner = straight.http_request(case["gateway"].encode(), b"/privproc/1/continue", [], message)
    context, enc = exchange(case, "second", inner, None)
    assert transcript.hex("continue_enc") == enc
    assert context.exporter != first.exporter
    content = case.hex("next_handle") + lp(case.hex("answer_records"))
    response(case, "second", context, enc, content, 8192)


def by_library(case, transcript: Case, possession: Case) -> None:
    contents = Contents.decode(case.hex("contents"))
    assert (contents.gateway, contents.up, contents.down) == (case["gateway"], case["up"], case["down"])
    pop, proof = possession.hex("pop"), possession.hex("proof")
    field = base64.urlsafe_b64encode(u(2, len(pop)) + pop + u(2, len(proof)) + proof)
    token = b'PrivateToken token="' + base64.urlsafe_b64encode(transcript.hex("token")) + b'"'
    fields = ((b"authorization", token), (b"privproc-proof", field))
    wire, pending = encapsulated(case, "first", "/privproc/1/open", fields, transcript.hex("open"), contents.up)
    offer = Offer(case.hex("flight"), transcript.hex("announcement"), 1, transcript.hex("evidence")).encode()
    stapled = {"endorsements": case.hex("endorsements"), "log_proof": case.hex("log_proof")}

    whole = Case({"id": "run", "package": transcript["package"], **{name: case[name] for name in GATEWAY}})
    gateway, at = privproc1_gateway.gateway(whole), case["at"]
    message = gateway.open(wire, at=at).read(at=at)
    assert isinstance(message, OpenRequest)
    assert message.spend_key.nonce == possession.hex("nonce")
    reservation = MemoryStore(1).reserve(message.spend_key, at=at, lease=30)
    forward, forwarded = message.forward(reservation)
    assert forward == case.hex("forward")
    with scripted(transcript.hex("handle"), case.hex("response_nonce_first")):
        sealed, live = forwarded.answer(offer, **stapled, at=at)
    assert sealed == case.hex("answer_first")
    opened = Opened.decode(content_of(pending.finish(sealed)))
    assert opened == Opened(transcript.hex("handle"), offer, **stapled)

    body = Continue(opened.handle, 0, transcript.hex("mac"), transcript.hex("records")).encode()
    wire, pending = encapsulated(case, "second", "/privproc/1/continue", (), body, None)
    message = gateway.open(wire, at=at).read(at=at)
    assert isinstance(message, ContinueRequest)
    records, accepted = message.accept(live, at=at)
    assert records == transcript.hex("records")
    with scripted(case.hex("next_handle"), case.hex("response_nonce_second")):
        sealed, _ = accepted.answer(case.hex("answer_records"), ended=True, at=at)
    assert sealed == case.hex("answer_second")
    continued = Continued.decode(content_of(pending.finish(sealed)))
    assert continued == Continued(case.hex("next_handle"), case.hex("answer_records"))


GATEWAY = ("contents", "not_before", "not_after", "gateway_secret")


def encapsulated(case, name: str, path: str, fields: Any, content: bytes, up: int | None) -> tuple[bytes, Any]:
    contents = Contents.decode(case.hex("contents"))
    selection = pin(select(contents.keys, SUITES), b"", not_before=case["at"], not_after=case["at"] + 1)
    with _sending.by_library(case, case.hex("gateway_secret"), f"_{name}"):
        outgoing = ohttp.begin(selection, at=case["at"])
    size = None if up is None else up - 7 - len(outgoing.enc) - 16
    inner = bhttp.encode_request(Request("POST", "https", contents.gateway, path, fields, content), size=size)
    wire, pending = outgoing.seal(inner)
    assert wire == case.hex(f"wire_{name}")
    return wire, pending


def scripted(*values: bytes) -> Any:
    """The handle, then the nonce of the response."""
    return mock.patch("os.urandom", side_effect=lambda size, left=list(values): exactly(size, left.pop(0)))


def exactly(size: int, value: bytes) -> bytes:
    assert len(value) == size
    return value


def content_of(message: bytes) -> bytes:
    decoded = bhttp.decode_response(message)
    assert decoded == Response(200, (), decoded.content)
    return decoded.content
