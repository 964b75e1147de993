"""One CBOR item: its encoding, and its value in JSON.

Bytes are ``{"hex": ...}``, a map whose keys aren't all text is ``{"map": [[key, value], ...]}``.
"""

from __future__ import annotations

from privproc.cose import decode, encode
from privproc.vectors.case import Case, raises


def value_of(data):
    if isinstance(data, dict) and set(data) == {"hex"}:
        return bytes.fromhex(data["hex"])
    if isinstance(data, dict) and set(data) == {"map"}:
        return {key: value_of(value) for key, value in data["map"]}
    if isinstance(data, dict):
        return {key: value_of(value) for key, value in data.items()}
    return [value_of(item) for item in data] if isinstance(data, list) else data


def run(case: Case) -> None:
    encoded = case.hex("encoded")
    if case.expect:
        with raises(case.expect):
            decode(encoded, "vector")
        return
    value = value_of(case["value"])
    decoded = decode(encoded, "vector")
    assert decoded == value
    assert type(decoded) is type(value)
    assert encode(value) == encoded
