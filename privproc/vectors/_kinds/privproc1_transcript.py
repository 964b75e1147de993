"""The transcript and the binder: from a package to the values that evidence and later messages are bound to."""

from __future__ import annotations

import hmac

from privproc.attestation.binder import EXPORTER_LABEL, Binding, Direction, exporter_context
from privproc.cose import Sign1
from privproc.secret import Secret
from privproc.session import transcript
from privproc.tagged import tagged_hash
from privproc.vectors._straight import lp, sha256, sha384, t, u
from privproc.vectors.case import Case


def run(case: Case) -> None:
    assert case.expect is None
    package = case.hex("package")
    outer, th1 = outer_and_th1(case, package)
    report_data = bound(case, th1)
    evidence = case.hex("evidence")
    th2 = case.hex("th2")
    kind = case["evidence_format"]
    assert th2 == t(b"attested", th1, report_data, sha384(u(2, kind) + evidence))
    assert th2 == transcript.attested(th1, report_data, kind, evidence)
    continuation(case)
    assert len({package, outer, th1, th2}) == 4


def outer_and_th1(case, package: bytes) -> tuple[bytes, bytes]:
    message = Sign1.decode(case.hex("signed_package"), "package")
    assert package == t(b"package", message.protected, message.payload)
    assert package == tagged_hash("package", message.protected, message.payload)
    names = ("key_config", "suite", "enc", "outer_export", "token", "pop")
    fields = [case.hex(name) for name in names]
    outer, opened = case.hex("outer"), case.hex("open")
    assert outer == t(b"outer", *fields)
    assert outer == transcript.outer(*fields[:3], Secret(fields[3]), *fields[4:])
    th1 = case.hex("th1")
    assert th1 == t(b"open", package, outer, opened)
    assert th1 == transcript.opened(package, outer, opened)
    return outer, th1


def bound(case, th1: bytes) -> bytes:
    direction, sequence, context = case["direction"].encode(), case["sequence"], case.hex("exporter_context")
    assert case["exporter_label"].encode() == b"EXPERIMENTAL privproc/1 attest" == EXPORTER_LABEL
    assert context == t(b"ctx", direction, u(4, sequence), th1)
    assert context == exporter_context(Direction(direction), sequence, th1)
    role, leaf, peer, ann = case["role"], case.hex("leaf"), case.hex("peer"), case.hex("announcement")
    exporter, pre, devices = case.hex("exporter"), case.hex("pre"), case["devices"]
    peer_hash = sha256(peer) if peer else b""
    assert pre == t(b"pre", direction, role.encode(), u(4, sequence), th1, exporter, sha256(leaf), peer_hash, ann)
    binding = Binding(Direction(direction), sequence, role, th1, Secret(exporter), leaf, peer, ann)
    assert binding.pre == pre
    items = []
    for index, device in enumerate(devices):
        nonce = bytes.fromhex(device["nonce"])
        assert nonce == sha256(lp(b"privproc/1 dev") + lp(pre) + u(2, index)) == binding.device_nonce(index)
        items.append((device["type"], bytes.fromhex(device["evidence"])))
    dev = u(2, len(items)) + b"".join(lp(u(2, kind) + sha384(evidence)) for kind, evidence in items)
    report_data = case.hex("report_data")
    assert report_data == b"privproc/1 bind\0" + t(b"bind", pre, dev)
    assert report_data == binding.report_data(items)
    return report_data


def continuation(case) -> None:
    key, handle, offset = case.hex("continue_key"), case.hex("handle"), case["offset"]
    enc, records, mac = case.hex("continue_enc"), case.hex("records"), case.hex("mac")
    parts = (b"privproc/1 continue", handle, u(8, offset), enc, sha384(records))
    assert mac == hmac.digest(key, b"".join(map(lp, parts)), "sha384")
    assert mac == transcript.continuation_mac(Secret(key), handle, offset, enc, records)
