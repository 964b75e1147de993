"""The chunk counter, the markers, the response schedule and the padding."""

from __future__ import annotations

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256, SHA384
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given
from hypothesis import strategies as st

from privproc import chunks
from privproc.chunks import Opener, Sealer, pad, response_key, unpad
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


def test_both_have_the_markers_they_were_given():
    sealer = Sealer(AESGCM(KEY), IV, middle=b"middle", last=b"final")
    for marker, last in ((b"middle", False), (b"final", True)):
        ciphertext = sealer.seal(b"", last=last)
        for other in (b"middle", b"final"):
            nonce = IV[:-1] + bytes([IV[-1] ^ last])
            if other == marker:
                AESGCM(KEY).decrypt(nonce, ciphertext, other)
                continue
            with pytest.raises(InvalidTag):
                AESGCM(KEY).decrypt(nonce, ciphertext, other)


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


def test_a_thread_that_comes_between_gets_another_nonce():
    """Wherever the counter meets the IV, somebody else seals a chunk first."""

    class Interrupted(int):
        def __xor__(self, count):
            if waiting:
                wire.append(waiting.pop()())
            return int(self) ^ count

    sealer, _ = pair()
    sealer._iv = Interrupted(sealer._iv)
    wire = []
    waiting = [lambda: sealer.seal(b"chunk")]
    wire.append(sealer.seal(b"chunk"))
    assert not waiting
    assert wire[0] != wire[1]


def test_a_sequence_in_use_is_refused():
    """What a thread finds that comes while another one is between taking the counter and putting it back."""
    sealer, _ = pair()
    taken = sealer._counter.pop()
    with pytest.raises(UsageError, match="another thread"):
        sealer.seal(b"")
    sealer._counter.append(taken)
    assert sealer.seal(b"")


def test_markers_must_differ():
    with pytest.raises(UsageError):
        Sealer(AESGCM(KEY), IV, middle=b"", last=b"")


def test_nothing_secret_is_shown():
    sealer, _ = pair()
    sealer.seal(b"")
    assert repr(sealer) == "<Sealer ready>"
    sealer.seal(b"", last=True)
    assert repr(sealer) == "<Sealer ended>"


@pytest.mark.parametrize(("name", "algorithm"), [("sha256", SHA256()), ("sha384", SHA384())])
@pytest.mark.parametrize("sizes", [(16, 12), (32, 12)])
def test_the_response_key_schedule_is_hkdf(name, algorithm, sizes):
    """Against a second implementation of HKDF, with the salt and labels of RFC 9458 section 4.4."""
    salt = b"enc" + bytes(range(32))
    key, nonce = (
        HKDF(algorithm, size, salt, info).derive(b"secret")
        for size, info in zip(sizes, (b"key", b"nonce"), strict=True)
    )
    assert response_key(name, b"secret", b"enc", bytes(range(32)), sizes) == (key, nonce)


@given(st.binary(max_size=300))
def test_padding_comes_off(data):
    padded = pad(data, (16, 64, 304))
    assert len(padded) in (16, 64, 304)
    assert unpad(padded) == data


def test_padding_is_checked():
    assert pad(b"x" * 12, (16, 64)) == b"\0\0\0\x0c" + b"x" * 12
    assert unpad(bytes(4)) == b""
    with pytest.raises(UsageError):
        pad(bytes(13), (16,))
    for bad in (b"", b"\0\0\0", b"\0\0\0\1", b"\0\0\0\0\1", b"\xff\xff\xff\xff" + bytes(20)):
        with pytest.raises(DecodeError):
            unpad(bad)
