"""A pipe from its first piece to its end: what the device sends and what the gateway answers, chunk by chunk.

The records are given.
"""

from __future__ import annotations

import base64
from unittest import mock

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from privproc import bhttp, ohttp
from privproc.cose import Sign1
from privproc.http import Request
from privproc.keyconfig import select
from privproc.secret import Secret
from privproc.session import SUITES, Contents, PipeRequest, RecordsReceived, RequestEnd, Upload, chunked, transcript
from privproc.session.messages import Opened
from privproc.tokens import MemoryStore, ProofKey
from privproc.trust import pin
from privproc.vectors import _sending
from privproc.vectors import _straight as straight
from privproc.vectors._kinds import privproc1_gateway
from privproc.vectors._straight import lp, t, u, varint, xor
from privproc.vectors.case import Case

LENGTH = 2 << 30  # a varint of four bytes


def run(case: Case) -> None:
    assert case.expect is None
    context, enc = request_by_hand(case)
    response_by_hand(case, context, enc)
    by_library(case)


def ids_of(case: Case) -> tuple[int, int, int]:
    return tuple(case["suite"])


def filled(head: bytes, message: bytes, size: int) -> bytes:
    zeros = size - len(head) - 4 - len(message) - 4
    return head + u(4, LENGTH | len(message) + 4 + zeros) + message + lp(bytes(zeros))


def content(records: bytes) -> bytes:
    return varint(len(records)) + records


def sealed(pieces: list[bytes], seal) -> list[bytes]:
    """Each piece in one chunk, the last one marked. ``seal`` takes plaintext, associated data and number."""
    *middle, last = pieces
    chunks = [seal(piece, b"", number) for number, piece in enumerate(middle)]
    return [varint(len(it)) + it for it in chunks] + [b"\0" + seal(last, b"final", len(middle))]


def request_by_hand(case: Case) -> tuple[straight.Hpke, bytes]:
    ids = ids_of(case)
    key_config = case.hex("key_config")
    header = key_config[:1] + b"".join(u(2, part) for part in ids)
    enc, shared = _sending.by_hand(case, ids[0], case.hex("gateway_secret"))
    context = straight.hpke(ids, shared, b"message/bhttp chunked request\0" + header)
    signed = Sign1.decode(case.hex("signed_package"), "package")
    assert case.hex("contents") in signed.payload
    assert case.hex("package") == t(b"package", signed.protected, signed.payload)
    assert case.hex("enc") == enc
    assert case.hex("outer_export") == context.export(b"privproc/1 outer", 32)
    fields = [case.hex(name) for name in ("key_config", "enc", "outer_export", "token", "pop")]
    outer = t(b"outer", fields[0], header[1:], *fields[1:])
    assert case.hex("outer") == outer
    assert case.hex("th1") == t(b"open", case.hex("package"), outer, case.hex("open"))
    _, proof = straight.ed25519(case.hex("pop_secret"), lp(b"privproc/1 pop-sig") + case.hex("th1"))
    assert case.hex("proof") == proof
    head = request_head(case)
    first = filled(head, case.hex("open"), case["up"] - 7 - len(enc) - 16)
    pieces = [first, *(content(bytes.fromhex(it)) for it in case["records_up"]), b"\0\0"]
    key, iv = context.key, context.nonce
    assert case.hex("request_plaintext_first") == first

    def seal(piece: bytes, aad: bytes, number: int) -> bytes:
        return AESGCM(key).encrypt(xor(iv, number), piece, aad)

    wires = sealed(pieces, seal)
    assert [bytes.fromhex(it) for it in case["up_wire"]] == [header + enc + wires[0], *wires[1:]]
    return context, enc


def request_head(case: Case) -> bytes:
    token = b'PrivateToken token="' + base64.urlsafe_b64encode(case.hex("token")) + b'"'
    pop, proof = case.hex("pop"), case.hex("proof")
    field = base64.urlsafe_b64encode(u(2, len(pop)) + pop + u(2, len(proof)) + proof)
    lines = ((b"authorization", token), (b"privproc-proof", field))
    control = (b"POST", b"https", case["gateway"].encode(), b"/privproc/1/open")
    fields = b"".join(straight.counted(name) + straight.counted(value) for name, value in lines)
    return b"\2" + b"".join(map(straight.counted, control)) + fields + b"\0"


def response_by_hand(case: Case, context: straight.Hpke, enc: bytes) -> None:
    ids, nonce = ids_of(case), case.hex("response_nonce")
    key, iv = straight.ohttp_response(context, ids[2], enc, nonce, b"message/bhttp chunked response")
    opened = bytes(32) + lp(case.hex("offer")) + lp(case.hex("endorsements")) + lp(case.hex("log_proof"))
    first = filled(b"\3" + varint(200) + b"\0", opened, case["down"] - len(nonce) - 16)
    pieces = [first, *(content(bytes.fromhex(it)) for it in case["records_down"]), b"\0\0"]

    def seal(piece: bytes, aad: bytes, number: int) -> bytes:
        return AESGCM(key).encrypt(xor(iv, number), piece, aad)

    wires = sealed(pieces, seal)
    assert [bytes.fromhex(it) for it in case["down_wire"]] == [nonce + wires[0], *wires[1:]]


def by_library(case: Case) -> None:
    contents = Contents.decode(case.hex("contents"))
    selection = pin(select(contents.keys, SUITES), b"", not_before=case["at"], not_after=case["at"] + 1)
    with _sending.by_library(case, case.hex("gateway_secret")):
        outgoing = ohttp.begin_chunked(selection, at=case["at"])
    assert outgoing.export(transcript.OUTER_EXPORT, 32).expose() == case.hex("outer_export")
    proof_key = ProofKey.from_secret(Secret(case.hex("pop_secret") + case.hex("pop")[-32:]))
    assert proof_key.sign(case.hex("th1")) == case.hex("proof")
    size = contents.up - ohttp.request_overhead(outgoing.suite)
    sender, receiver = outgoing.stream()
    plain = bhttp.decode_request(case.hex("request_plaintext_first") + b"\0\0")
    head = chunked.request_head(Request("POST", "https", contents.gateway, plain.path, plain.fields))
    wires = [sender.send(chunked.filled(head, case.hex("open"), size))]
    wires += [sender.send(chunked.content_chunk(bytes.fromhex(it))) for it in case["records_up"]]
    wires.append(sender.finish(chunked.END))
    assert [it.hex() for it in wires] == case["up_wire"]

    whole = Case({"id": "gateway", **{name: case[name] for name in GATEWAY}})
    upload = Upload(privproc1_gateway.gateway(whole))
    (message,) = upload.receive_data(wires[0], at=case["at"])
    assert isinstance(message, PipeRequest)
    reservation = MemoryStore(1).reserve(message.spend_key, at=case["at"], lease=30)
    forward, forwarded = message.forward(reservation)
    assert forward == case.hex("package") + case.hex("outer") + case.hex("open")
    received = [event for wire in wires[1:] for event in upload.receive_data(wire, at=case["at"])]
    received += upload.receive_end(at=case["at"])
    assert received == [*(RecordsReceived(bytes.fromhex(it)) for it in case["records_up"]), RequestEnd()]
    stapled = {"endorsements": case.hex("endorsements"), "log_proof": case.hex("log_proof")}
    with mock.patch("os.urandom", return_value=case.hex("response_nonce")):
        first, download = forwarded.answer(case.hex("offer"), **stapled)
    answers = [first, *(download.send(bytes.fromhex(it)) for it in case["records_down"]), download.finish()]
    assert [it.hex() for it in answers] == case["down_wire"]
    pieces = [piece for wire in answers for piece in receiver.receive_data(wire)] + receiver.receive_end()
    data = [piece.data for piece in pieces if isinstance(piece, ohttp.MessageData)]
    opened = chunked.opening_of(bhttp.decode_response(data[0] + b"\0\0").content, "Opened", Opened._read)
    assert opened == Opened(bytes(32), case.hex("offer"), **stapled)
    assert len(data[0]) == case["down"] - len(case.hex("response_nonce")) - 16


GATEWAY = ("contents", "not_before", "not_after", "gateway_secret", "package")
