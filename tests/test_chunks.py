"""The chunk counter, the markers, the response schedule and the padding."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from privproc import chunks
from privproc.chunks import Opener, Sealer, pad, unpad
from privproc.errors import DecodeError, LimitError, OpenError, SpentError, UsageError

KEY, IV = bytes(range(16)), bytes(range(12))


def pair():
    return tuple(kind(AESGCM(KEY), IV, middle=b"", last=b"final") for kind in (Sealer, Opener))


def test_nonces_are_the_iv_xor_the_counter():
    sealer, _ = pair()
    wire = [sealer.seal(b"chunk") for _ in range(300)] + [sealer.seal(b"chunk", last=True)]
    for counter, ciphertext in enumerate(wire):
        nonce = (int.from_bytes(IV, "big") ^ counter).to_bytes(12, "big")
        assert AESGCM(KEY).decrypt(nonce, ciphertext, b"final" if counter == 300 else b"") == b"chunk"


def test_the_last_chunk_ends_both():
    sealer, opener = pair()
    opener.open(sealer.seal(b"", last=True), last=True)
    assert sealer.ended
    assert opener.ended
    for use in (lambda: sealer.seal(b""), lambda: opener.open(b"")):
        with pytest.raises(SpentError):
            use()


def test_a_failure_ends_the_opener():
    sealer, opener = pair()
    good = sealer.seal(b"x")
    with pytest.raises(OpenError):
        opener.open(good[:-1] + b"?")
    with pytest.raises(SpentError):
        opener.open(good)


def test_the_number_of_chunks_is_limited(monkeypatch):
    monkeypatch.setattr(chunks, "MAX_CHUNKS", 2)
    sealer, _ = pair()
    sealer.seal(b"")
    sealer.seal(b"")
    with pytest.raises(LimitError):
        sealer.seal(b"")


def test_markers_must_differ():
    with pytest.raises(UsageError):
        Sealer(AESGCM(KEY), IV, middle=b"", last=b"")


def test_nothing_secret_is_shown():
    sealer, _ = pair()
    sealer.seal(b"")
    assert repr(sealer) == "<Sealer at chunk 1>"
    sealer.seal(b"", last=True)
    assert repr(sealer) == "<Sealer ended>"


@given(st.binary(max_size=300))
def test_padding_comes_off(data):
    padded = pad(data, (16, 64, 304))
    assert len(padded) in (16, 64, 304)
    assert unpad(padded) == data


def test_padding_is_checked():
    with pytest.raises(UsageError):
        pad(bytes(13), (16,))
    for bad in (b"", b"\0\0\0", b"\0\0\0\1", b"\0\0\0\0\1", b"\xff\xff\xff\xff" + bytes(20)):
        with pytest.raises(DecodeError):
            unpad(bad)
