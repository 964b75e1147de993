"""TLS 1.3 exporters (RFC 8446 §7.1 and §7.5), derived by hand.

The library takes exporters from OpenSSL. This derivation is the independent oracle for them: the vectors pin it to
published secrets and to OpenSSL's output, and tests/test_ratls.py compares it with live sessions.
"""

from __future__ import annotations

import hashlib
import hmac

from privproc.vectors.case import Case


def expand_label(algorithm: str, secret: bytes, label: bytes, context: bytes, length: int) -> bytes:
    name = b"tls13 " + label
    info = length.to_bytes(2, "big") + bytes([len(name)]) + name + bytes([len(context)]) + context
    block, out = b"", b""
    while len(out) < length:
        block = hmac.digest(
            secret, block + info + bytes([len(out) // hashlib.new(algorithm).digest_size + 1]), algorithm
        )
        out += block
    return out[:length]


def exporter(algorithm: str, exporter_secret: bytes, label: bytes, context: bytes, length: int) -> bytes:
    empty = hashlib.new(algorithm).digest()
    derived = expand_label(algorithm, exporter_secret, label, empty, len(empty))
    return expand_label(algorithm, derived, b"exporter", hashlib.new(algorithm, context).digest(), length)


def run(case: Case) -> None:
    assert case.expect is None
    algorithm, secret = case["hash"], case.hex("exporter_secret")
    if "master_secret" in case:
        transcript = case.hex("transcript_hash")
        derived = expand_label(algorithm, case.hex("master_secret"), b"exp master", transcript, len(transcript))
        assert derived == secret
    label, context, out = case["label"].encode(), case.hex("context"), case.hex("out")
    assert case["length"] == len(out)
    assert exporter(algorithm, secret, label, context, len(out)) == out
