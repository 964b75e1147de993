"""base64url without padding; with padding it is tested where it is used, in test_tokens.py."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from privproc import base64url
from privproc.errors import DecodeError


@given(st.binary(max_size=70))
def test_round_trip(data: bytes) -> None:
    text = base64url.encode(data)
    assert base64url.decode(text, "x") == data
    assert text == base64.urlsafe_b64encode(data).decode().rstrip("=")


@pytest.mark.parametrize(
    "text", ["AA==", "AAA=", "=", "A", "AAAAA", "AB", "AAB", "A+", "A/", "AA\n", " AA", "A A", "é"]
)
def test_refused(text: str) -> None:
    with pytest.raises(DecodeError):
        base64url.decode(text, "x")
