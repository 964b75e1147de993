"""JSON read in the one way that every reader agrees on."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from privproc.errors import DecodeError
from privproc.strictjson import decode_object
from tests.codec import check_contract

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.text(max_size=5), VALUES, max_size=4))
def test_what_json_writes_is_read(value):
    assert decode_object(json.dumps(value).encode(), "test") == value


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"{} {}", "not JSON"),
        (b"[]", "not an object"),
        (b"1", "not an object"),
        (b'{"a":NaN}', "not JSON"),
        (b'{"a":-Infinity}', "not JSON"),
        (b'{"a":1,"a":1}', "twice"),
        (b'{"a":[{"b":1,"b":2}]}', "twice"),
        (b'{"a":"\xff"}', "not JSON"),
        (b"\xef\xbb\xbf{}", "not JSON"),
        (b'{"a":' + b"9" * 5000 + b"}", "not JSON"),
        (b'{"a":' * 50000, "not JSON"),
    ],
)
def test_what_readers_could_disagree_about_is_refused(data, why):
    with pytest.raises(DecodeError, match=why):
        decode_object(data, "test")


@given(st.binary(max_size=50))
def test_contract(data):
    check_contract(lambda data: decode_object(data, "test"), data)
