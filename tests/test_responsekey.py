"""Sealed requests and streamed answers: round trips, any split, truncation, reordering, and keys that don't match."""

from __future__ import annotations

import copy
import os
import pickle
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from privproc import hpke
from privproc.chunks import TAG_LENGTH
from privproc.errors import DecodeError, OpenError, PeerError, SpentError, UnsupportedError, UsageError
from privproc.responsekey import (
    REQUEST_SIZES,
    Announcement,
    Answer,
    AnswerData,
    AnswerEnd,
    AnswerSealer,
    Context,
    OneTimeKey,
    fits,
    open_request,
    seal_request,
)
from privproc.responsekey.answer import CHUNK_SIZES
from privproc.responsekey.request import _schedule
from privproc.secret import Secret
from privproc.tagged import lp
from tests.codec import check_codec, check_contract

SUITE = hpke.Suite(hpke.Kem.X25519_SHA256, hpke.Kdf.HKDF_SHA384, hpke.Aead.AES_256_GCM)
HYBRID = hpke.Suite(hpke.Kem.X_WING, hpke.Kdf.HKDF_SHA384, hpke.Aead.AES_256_GCM)
TH2 = bytes(range(48))


def context(*, th2: bytes = TH2, index: int = 0, previous: bytes = b"", exporter: bytes = b"e" * 48) -> Context:
    return Context(th2, index, previous, Secret(exporter))


def exchange(request: bytes = b"hello", suite: hpke.Suite = SUITE) -> tuple[bytes, Answer, AnswerSealer]:
    one_time = OneTimeKey.generate(suite)
    wire, answer = seal_request(context(), suite, one_time.public_key, request)
    got, sealer = open_request(context(), one_time, wire)
    assert got == request
    return wire, answer, sealer


def frames(wire: bytes) -> tuple[bytes, list[bytes]]:
    """The encapsulation with its length, and the chunks with their heads."""
    start = 4 + int.from_bytes(wire[:4], "big")
    head, rest, chunks = wire[:start], wire[start:], []
    while rest:
        size = 3 + int.from_bytes(rest[1:3], "big")
        chunks.append(rest[:size])
        rest = rest[size:]
    return head, chunks


def read(answer: Answer, wire: bytes) -> bytes:
    events = answer.receive_data(wire) + answer.receive_end()
    assert isinstance(events[-1], AnswerEnd)
    return b"".join(event.data for event in events if isinstance(event, AnswerData))


@pytest.mark.parametrize("suite", [SUITE, HYBRID], ids=["x25519", "x-wing"])
def test_one_exchange(suite):
    _, answer, sealer = exchange(b"what did they agree on?", suite)
    assert answer.th3 == sealer.th3
    wire = sealer.send(b"On ") + sealer.send(b"Thursday") + sealer.finish(b".")
    assert read(answer, wire) == b"On Thursday."


@given(pieces=st.lists(st.binary(max_size=40000), max_size=4), cuts=st.lists(st.integers(0, 1 << 17), max_size=6))
def test_any_split_gives_the_same_events(pieces, cuts):
    _, answer, sealer = exchange()
    wire = b"".join(map(sealer.send, pieces)) + sealer.finish()
    events, start = [], 0
    for cut in sorted({min(cut, len(wire)) for cut in cuts} | {len(wire)}):
        events += answer.receive_data(wire[start:cut])
        start = cut
    events += answer.receive_end()
    assert [type(event) for event in events].count(AnswerEnd) == 1
    assert isinstance(events[-1], AnswerEnd)
    assert b"".join(event.data for event in events if isinstance(event, AnswerData)) == b"".join(pieces)


@given(size=st.integers(0, 70000))
# req: privproc1/6.1 least-size
def test_sizes_on_the_wire_tell_the_bucket_only(size):
    wire, _, _ = exchange(bytes(size))
    least = min(bucket for bucket in REQUEST_SIZES if bucket >= 4 + 32 + 4 + size)
    assert len(wire) - (4 + 32 + 4 + TAG_LENGTH) == least


@given(sizes=st.lists(st.integers(0, 20000), max_size=3))
# req: privproc1/6.2 padded-chunks
def test_chunks_are_of_the_padded_sizes_and_fit_a_record(sizes):
    _, _, sealer = exchange()
    _, chunks = frames(b"".join(sealer.send(bytes(size)) for size in sizes) + sealer.finish())
    for chunk in chunks:
        assert len(chunk) - 3 - TAG_LENGTH in CHUNK_SIZES
        assert len(chunk) + 22 <= 16384
    assert [chunk[0] for chunk in chunks] == [0] * (len(chunks) - 1) + [1]


@pytest.mark.parametrize("named", [False, True])
def test_a_long_piece_fills_the_largest_chunks(named):
    """One chunk for what fits one, beside the next key in the first."""
    room = CHUNK_SIZES[-1] - 4
    for more, count in ((0, 1), (1, 2), (room, 2), (room + 1, 3)):
        _, answer, sealer = exchange()
        prefix = 4
        if named:
            following = OneTimeKey.generate(SUITE).public_key
            sealer.announce_next(following)
            prefix = len(lp(following.encode()))
        data = bytes(room - prefix + more)
        wire = sealer.finish(data)
        _, chunks = frames(wire)
        assert [chunk[0] for chunk in chunks] == [0] * (count - 1) + [1]
        assert {len(chunk) - 3 - TAG_LENGTH for chunk in chunks[: 1 + more // room]} == {CHUNK_SIZES[-1]}
        assert read(answer, wire) == data


@pytest.fixture
def three():
    """An answer's channel, and its wire form in three chunks."""
    _, answer, sealer = exchange()
    return answer, *frames(sealer.send(b"one") + sealer.send(b"two") + sealer.finish(b"three"))


# req: privproc1/6.2 last-chunk-is-marked
def test_an_answer_cut_at_a_chunk_boundary_is_refused(three):
    answer, head, chunks = three
    events = answer.receive_data(head + chunks[0] + chunks[1])
    assert [event.data for event in events] == [b"one", b"two"]
    with pytest.raises(DecodeError, match=r"^answer: truncated"):
        answer.receive_end()


@pytest.mark.parametrize("order", [(1, 0, 2), (0, 0, 2), (0, 2), (1, 2), (2,)])
# req: privproc1/6.2 chunks-in-order
def test_chunks_out_of_order_repeated_or_dropped_are_refused(three, order):
    answer, head, chunks = three
    with pytest.raises(OpenError):
        answer.receive_data(head + b"".join(chunks[index] for index in order))
        answer.receive_end()
    with pytest.raises(OpenError):
        answer.receive_data(b"")


@pytest.mark.parametrize("index", [0, 1, 2])
def test_the_last_marker_is_authenticated(three, index):
    answer, head, chunks = three
    chunks[index] = bytes((1 - chunks[index][0],)) + chunks[index][1:]
    with pytest.raises(OpenError):
        answer.receive_data(head + b"".join(chunks))
        answer.receive_end()


def test_nothing_follows_the_last_chunk(three):
    answer, head, chunks = three
    answer.receive_data(head + b"".join(chunks))
    answer.receive_end()
    with pytest.raises(DecodeError, match="after the end"):
        answer.receive_data(chunks[2])


@pytest.mark.parametrize("position", [4, 36, 37, 38, 39, 60])
def test_any_flipped_bit_of_the_answer_is_refused(position):
    _, answer, sealer = exchange()
    wire = bytearray(sealer.finish(b"data"))
    wire[position] ^= 1 << 6
    with pytest.raises(PeerError):
        answer.receive_data(bytes(wire))
        answer.receive_end()


@given(data=st.data())
def test_any_flipped_bit_of_the_request_is_refused(data):
    one_time = OneTimeKey.generate(SUITE)
    wire = bytearray(seal_request(context(), SUITE, one_time.public_key, b"request")[0])
    wire[data.draw(st.integers(0, len(wire) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(PeerError):
        open_request(context(), one_time, bytes(wire))


@pytest.mark.parametrize(
    "other",
    [
        {"th2": bytes(48)},
        {"index": 1, "previous": bytes(48)},
        {"exporter": b"x" * 48},
    ],
    ids=["transcript", "index", "session"],
)
# req: privproc1/6.1 request-needs-the-exporter
# req: privproc1/6.1 of-its-place
def test_a_request_opens_only_in_its_session_and_place(other):
    one_time = OneTimeKey.generate(SUITE)
    wire, _ = seal_request(context(), SUITE, one_time.public_key, b"request")
    with pytest.raises(OpenError):
        open_request(context(**other), one_time, wire)


# req: privproc1/6.2 needs-the-request
def test_the_answer_needs_this_request():
    # The same session and one-time key, another request: th3 and dk differ.
    _, answer, _ = exchange(b"first")
    _, _, sealer = exchange(b"second")
    with pytest.raises(OpenError):
        answer.receive_data(sealer.finish(b"data"))


# req: privproc1/6.1 one-request-per-key
def test_a_one_time_key_opens_one_request_even_if_that_fails():
    one_time = OneTimeKey.generate(SUITE)
    wire, _ = seal_request(context(), SUITE, one_time.public_key, b"request")
    with pytest.raises(OpenError):
        open_request(context(), one_time, wire[:-1] + bytes((wire[-1] ^ 1,)))
    with pytest.raises(SpentError):
        open_request(context(), one_time, wire)


def test_after_the_last_chunk_nothing_can_be_sealed():
    _, _, sealer = exchange()
    sealer.finish()
    assert repr(sealer) == "<AnswerSealer ended>"
    with pytest.raises(SpentError):
        sealer.send(b"more")
    with pytest.raises(UsageError):
        sealer.announce_next(OneTimeKey.generate(SUITE).public_key)


@pytest.mark.parametrize("suite", [SUITE, HYBRID], ids=["x25519", "x-wing"])
# req: privproc1/6.2 next-key
def test_the_next_key_comes_with_the_first_chunk(suite):
    _, answer, sealer = exchange(suite=suite)
    following = OneTimeKey.generate(suite)
    sealer.announce_next(following.public_key)
    events = answer.receive_data(sealer.send(b"x" * 20000) + sealer.finish(b"y"))
    assert events[-1] == AnswerEnd(following.public_key)
    second = Context(TH2, 1, answer.th3, Secret(b"f" * 48))
    wire, _ = seal_request(second, suite, following.public_key, b"and then?")
    assert open_request(Context(TH2, 1, sealer.th3, Secret(b"f" * 48)), following, wire)[0] == b"and then?"


# req: privproc1/6.2 next-key
def test_the_next_key_is_of_the_same_kem():
    _, _, sealer = exchange()
    with pytest.raises(UsageError, match="another KEM"):
        sealer.announce_next(OneTimeKey.generate(HYBRID).public_key)


def plaintext_request(plaintext: bytes) -> tuple[OneTimeKey, bytes]:
    """A request of an honest device but for its plaintext."""
    from privproc.wire import Writer

    one_time = OneTimeKey.generate(SUITE)
    at = context()
    enc, sender = hpke.setup_sender(SUITE, one_time.public_key, at.info)
    keys = _schedule(at, SUITE, sender.export(b"privproc/1 req", 48))
    ciphertext = SUITE.aead.cipher(keys.key).encrypt(keys.iv, plaintext, None)
    return one_time, Writer().vector(4, enc).vector(4, ciphertext).done()


DK = (32).to_bytes(4, "big") + hpke.PrivateKey.generate(SUITE.kem).public_key.encode()


@pytest.mark.parametrize(
    ("plaintext", "why"),
    [
        (DK + bytes(4), "padded sizes"),
        (DK + bytes(4) + bytes(4096 - 41) + b"\1", "padding is not zero"),
        (bytes(4096), "under 1"),
        (DK + b"\0\0\xff\xff" + bytes(4096 - 40), "wanted"),
        (b"\0\0\0\x1f" + bytes(4092), "public key"),
        (lp(bytes(4097)) + bytes((16 << 10) - 4101), "length 4097 is over 4096"),
    ],
    ids=["not padded", "padding", "no key", "length", "short key", "long key"],
)
# req: privproc1/6.1 form-inside
def test_a_request_of_the_wrong_shape_inside_is_refused(plaintext, why):
    one_time, wire = plaintext_request(plaintext)
    with pytest.raises(DecodeError, match=why) as raised:
        open_request(context(), one_time, wire)
    assert raised.value.what == ("X25519_SHA256 public key" if why == "public key" else "request plaintext")


def sealed_answer(plaintexts: list[bytes], last: int) -> tuple[Answer, bytes]:
    """An answer of an honest enclave but for its chunks' plaintexts."""
    _, answer, sealer = exchange()
    wire = sealer._head
    for index, plaintext in enumerate(plaintexts):
        sealed = sealer._sealer.seal(plaintext, last=index == last)
        wire += bytes((index == last,)) + len(sealed).to_bytes(2, "big") + sealed
    return answer, wire


@pytest.mark.parametrize(
    "plaintext",
    [
        bytes(8) + b"\1" + bytes(247),
        bytes(4) + b"\0\0\1\0" + bytes(248),
        b"\0\0\0\1" + bytes(252),
        b"\0\0\0\xff" + bytes(252),
    ],
    ids=["padding", "length", "short next key", "next key past the end"],
)
def test_a_chunk_of_the_wrong_shape_inside_is_refused(plaintext):
    answer, wire = sealed_answer([plaintext], 0)
    with pytest.raises(DecodeError):
        answer.receive_data(wire)


@pytest.mark.parametrize(
    ("size", "why"), [(4097, "first chunk: length 4097 is over 4096"), (4096, "X25519_SHA256 public key")]
)
def test_the_next_key_has_a_bound(size, why):
    answer, wire = sealed_answer([lp(bytes(size)) + bytes(CHUNK_SIZES[-1] - 4 - size)], 0)
    with pytest.raises(DecodeError, match=f"^{why}"):
        answer.receive_data(wire)


@pytest.mark.parametrize(
    ("wire", "why"),
    [
        (bytes(4), "answer: encapsulation of 0 bytes"),
        (b"\0\0\x10\1", "answer: encapsulation of 4097 bytes"),
        (lp(bytes(32)), "cannot be opened"),
        (lp(bytes(1)), "(?!answer)"),
        (lp(bytes(4096)), "(?!answer)"),
    ],
    ids=["none", "long", "low order", "least", "most"],
)
def test_a_bad_encapsulation_is_refused(wire, why):
    """By its length before its bytes come, else by the KEM."""
    _, answer, _ = exchange()
    with pytest.raises((DecodeError, OpenError), match=f"^{why}"):
        answer.receive_data(wire)


@pytest.mark.parametrize("head", [b"\2\1\x10", b"\0\0\0", b"\0\1\x11", b"\0\xff\xff"])
# req: privproc1/6.2 padded-chunks
def test_a_bad_chunk_head_is_refused_before_its_bytes(head):
    _, answer, sealer = exchange()
    start, _ = frames(sealer.finish())
    with pytest.raises(DecodeError):
        answer.receive_data(start + head)


def test_announcements():
    for suite in (SUITE, HYBRID):
        announcement = OneTimeKey.generate(suite).announce(max_requests=1, lifetime=60)
        check_codec(Announcement.decode, announcement.encode(), reencode=Announcement.encode)


@pytest.mark.parametrize("position", [45, 49])
# req: privproc1/2.4 announcement-form
def test_an_announcement_of_nothing_is_refused(position):
    encoded = bytearray(OneTimeKey.generate(SUITE).announce(max_requests=1, lifetime=1).encode())
    encoded[position] = 0
    with pytest.raises(DecodeError, match="must not be 0"):
        Announcement.decode(bytes(encoded))


@pytest.mark.parametrize(
    ("size", "why"), [(0, "length 0 is under 1"), (4097, "length 4097 is over 4096"), (1, None), (4096, None)]
)
def test_the_key_of_an_announcement_has_bounds(size, why):
    head = OneTimeKey.generate(SUITE).announce(max_requests=1, lifetime=1).encode()[:6]
    with pytest.raises(DecodeError, match=why or "public key") as raised:
        Announcement.decode(head + lp(bytes(size)) + b"\1" * 8)
    assert (raised.value.what == "announcement") is (why is not None)


# req: privproc1/2.4 announcement-form
def test_an_announcement_of_a_foreign_suite_is_refused():
    encoded = OneTimeKey.generate(SUITE).announce(max_requests=1, lifetime=1).encode()
    with pytest.raises(UnsupportedError):
        Announcement.decode(b"\0\xff" + encoded[2:])


@given(st.binary(max_size=200))
def test_bytes_in_a_value_or_a_peer_error_out(data):
    check_contract(Announcement.decode, data)
    check_contract(lambda data: open_request(context(), OneTimeKey.generate(SUITE), data), data)
    check_contract(exchange()[1].receive_data, data)


def test_contexts_are_checked():
    with pytest.raises(UsageError):
        context(th2=b"short")
    with pytest.raises(UsageError):
        context(exporter=b"short")
    with pytest.raises(UsageError):
        context(index=1)
    with pytest.raises(UsageError):
        context(previous=bytes(48))


def test_a_request_that_is_too_large_is_the_callers_mistake():
    with pytest.raises(UsageError, match="too large"):
        seal_request(context(), SUITE, OneTimeKey.generate(SUITE).public_key, bytes(REQUEST_SIZES[-1]))


@pytest.mark.parametrize("suite", [SUITE, HYBRID], ids=["x25519", "x-wing"])
def test_the_largest_request_fits_and_one_byte_more_does_not(suite):
    most = REQUEST_SIZES[-1] - 8 - suite.kem.Npk
    fits(suite, most)
    with pytest.raises(UsageError, match=f"a request that fills {REQUEST_SIZES[-1] + 1} bytes is too large"):
        fits(suite, most + 1)
    request = bytes(REQUEST_SIZES[0] - 8 - suite.kem.Npk)
    assert len(exchange(request, suite)[0]) == 8 + suite.kem.Nenc + REQUEST_SIZES[0] + TAG_LENGTH


@pytest.mark.parametrize(
    ("wire", "why"),
    [
        (lp(b"") + lp(bytes(16)), "length 0 is under 1"),
        (lp(bytes(4097)) + lp(bytes(16)), "length 4097 is over 4096"),
        (lp(b"e") + lp(bytes(15)), "length 15 is under 16"),
        (lp(b"e") + lp(bytes(REQUEST_SIZES[-1] + 17)), f"length {REQUEST_SIZES[-1] + 17} is over"),
        (lp(bytes(32)) + lp(bytes(16)) + b"\0", "1 trailing"),
    ],
    ids=["no enc", "long enc", "no tag", "long ciphertext", "trailing"],
)
def test_a_request_of_the_wrong_shape_is_refused(wire, why):
    with pytest.raises(DecodeError, match=f"^sealed request: {why}"):
        open_request(context(), OneTimeKey.generate(SUITE), wire)


@pytest.mark.parametrize("enc", [1, 4096])
def test_encapsulations_within_the_bounds_are_left_to_the_kem(enc):
    with pytest.raises(PeerError, match=r"^(?!sealed request)"):
        open_request(context(), OneTimeKey.generate(SUITE), lp(bytes(enc)) + lp(bytes(REQUEST_SIZES[-1] + 16)))


def test_a_key_of_another_suite_is_the_callers_mistake():
    with pytest.raises(UsageError):
        OneTimeKey(HYBRID, hpke.PrivateKey.generate(SUITE.kem))


# req: privproc1/11 exporter-values-go
def test_exported_values_are_wiped():
    one_time = OneTimeKey.generate(SUITE)
    asking, opening = context(), context()
    wire, _ = seal_request(asking, SUITE, one_time.public_key, b"x")
    open_request(opening, one_time, wire)
    for at in (asking, opening):
        with pytest.raises(SpentError):
            at.exporter.expose()


def test_nothing_secret_is_shown_or_copied():
    assert repr(_schedule(context(), SUITE, Secret(bytes(48)))) == "<_Keys>"
    one_time = OneTimeKey.generate(SUITE)
    secret = os.urandom(48)
    at = context(exporter=secret)
    assert secret.hex() not in repr(at)
    assert repr(secret)[2:20] not in repr(at)
    wire, answer = seal_request(context(), SUITE, one_time.public_key, b"x")
    _, sealer = open_request(context(), one_time, wire)
    assert (repr(answer), repr(one_time)) == ("<Answer>", "<OneTimeKey spent>")
    assert repr(sealer) == "<AnswerSealer open>"
    for thing in (one_time, answer, sealer):
        for attempt in (copy.copy, copy.deepcopy, pickle.dumps):
            with pytest.raises(UsageError):
                attempt(thing)


def test_memory_stays_flat_while_64_mib_pass():
    _, answer, sealer = exchange()
    piece = bytes(1 << 16)
    tracemalloc.start()
    try:
        total = 0
        for _ in range(1 << 10):
            total += sum(len(event.data) for event in answer.receive_data(sealer.send(piece)))
        answer.receive_data(sealer.finish())
        answer.receive_end()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert total == 64 << 20
    assert peak < 1 << 20
