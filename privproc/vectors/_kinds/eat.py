"""RFC 9711: claims sets in CBOR and JSON, and what they state."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from enum import Enum

from privproc.attestation import eat
from privproc.vectors.case import Case, raises


def run(case: Case) -> None:
    read = {"cbor": eat.decode_cbor, "json": eat.decode_json}[case["form"]]
    data = case.hex("data")
    if case.expect is not None:
        with raises(case.expect):
            read(data)
        return
    assert stated(read(data)) == case["claims"]


def stated(value: object) -> object:
    """Claims that are there, as JSON: bytes in hex, members of enumerations by name, submodules below their kind."""
    if dataclasses.is_dataclass(value):
        fields = {it.name: getattr(value, it.name) for it in dataclasses.fields(value)}
        return {name: stated(it) for name, it in fields.items() if it is not None and it not in ((), {}, frozenset())}
    if isinstance(value, Mapping):
        return {str(name): stated(it) for name, it in value.items()}
    if isinstance(value, frozenset):
        return sorted((stated(it) for it in value), key=str)
    if isinstance(value, tuple | list):
        return [stated(it) for it in value]
    if isinstance(value, Enum):
        return value.name
    return value.hex() if isinstance(value, bytes) else repr(value) if isinstance(value, eat.Form) else value
