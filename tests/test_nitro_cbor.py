"""decode_foreign: the same profile as decode, but for the order of a map's keys."""

from __future__ import annotations

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from privproc import cose
from privproc.errors import DecodeError
from tests.codec import check_codec, check_contract


def read(data: bytes) -> cose.Value:
    return cose.decode_foreign(data, "foreign")


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**64), 2**64 - 1) | st.binary(max_size=30) | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.integers(-50, 50) | st.text(max_size=4), inner),
    max_leaves=12,
)


def shuffled(value: cose.Value) -> cose.Value:
    if isinstance(value, dict):
        return {key: shuffled(inner) for key, inner in reversed(value.items())}
    return [shuffled(item) for item in value] if isinstance(value, list) else value


@given(VALUES)
def test_any_order(value: cose.Value) -> None:
    for written in (value, shuffled(value)):
        data = cbor2.dumps(written)
        assert read(data) == value
        check_codec(read, data)
    assert read(cose.encode(value)) == value


@pytest.mark.parametrize(
    "data",
    [
        "a201010102",  # one key twice
        "a3016100020201 61".replace(" ", ""),  # and apart
        "a2616101616102",
        "a1a20101010200",  # a map for a key
        "a1410100",
        "a1f500",
        "a1180100",  # longer forms than needed
        "1801",
        "5801ff",
        "bf0101ff",  # indefinite lengths
        "9fff",
        "c001",  # tags, floats, other simple values
        "d28443a10126",
        "f93c00",
        "f7",
        "81" * 17 + "80",  # too deep
        "a100" * 17 + "00",
        "62c328",  # not UTF-8
        "01ff",
        "",
    ],
)
def test_refused(data: str) -> None:
    with pytest.raises(DecodeError):
        read(bytes.fromhex(data))


def test_size() -> None:
    with pytest.raises(DecodeError, match="more than"):
        read(bytes(cose.MAX_SIZE + 1))


@given(st.binary(max_size=60))
def test_contract(data: bytes) -> None:
    check_contract(read, data)
