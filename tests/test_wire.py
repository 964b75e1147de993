"""Byte codecs (wire) and the one rule of http values: bounds, exact consumption, and any split of a stream."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from privproc.errors import DecodeError, LimitError, UsageError
from privproc.http import Request, age, delta_seconds, media_type, single
from privproc.wire import Feed, Need, Reader, Writer, bare, bounded, encode_varint
from tests.codec import check_codec, check_contract
from tests.reach import reaches

WIDTHS = {"u8": 1, "u16": 2, "u24": 3, "u32": 4, "u64": 8}


class TestVarint:
    @pytest.mark.parametrize(  # RFC 9000 A.1
        ("encoded", "value"),
        [
            ("c2197c5eff14e88c", 151_288_809_941_952_652),
            ("9d7f3e7d", 494_878_333),
            ("7bbd", 15_293),
            ("25", 37),
            ("4025", 37),
        ],
    )
    def test_published(self, encoded, value):
        assert Reader.all(bytes.fromhex(encoded), "varint", Reader.varint) == value
        assert encode_varint(value).hex() == encoded.removeprefix("40")

    @given(st.integers(0, (1 << 62) - 1) | st.sampled_from([(1 << bits) + d for bits in (6, 14, 30) for d in (-1, 0)]))
    def test_round_trip_in_the_shortest_form(self, value):
        encoded = encode_varint(value)
        check_codec(lambda data: Reader.all(data, "varint", Reader.varint), encoded, reencode=encode_varint)
        assert Writer().varint(value).done() == encoded
        assert len(encoded) == 1 or value >= 1 << (8 * (len(encoded) // 2) - 2)

    @pytest.mark.parametrize("value", [-1, 1 << 62])
    def test_out_of_range(self, value):
        with pytest.raises(UsageError):
            encode_varint(value)


class TestReaderAndWriter:
    @pytest.mark.parametrize(("name", "width"), WIDTHS.items())
    def test_integers(self, name, width):
        read = getattr(Reader, name)
        for value in (0, 1, (1 << (8 * width)) - 1):
            encoded = Writer().uint(width, value).done()
            assert len(encoded) == width
            check_codec(lambda data: Reader.all(data, "number", read), encoded)
            assert Reader.all(encoded, "number", read) == value
        for value in (-1, 1 << (8 * width)):
            with pytest.raises(UsageError, match=f"doesn't fit {width}"):
                Writer().uint(width, value)

    @pytest.mark.parametrize(("name", "width"), WIDTHS.items())
    def test_each_byte_of_an_integer_has_its_place(self, name, width):
        data = bytes(range(0x11, 0x11 + 2 * width))
        found = Reader.all(data, "numbers", lambda reader: [getattr(reader, name)(), getattr(reader, name)()])
        assert found == [int.from_bytes(half, "big") for half in (data[:width], data[width:])]
        with pytest.raises(DecodeError, match=f"^number: {width} bytes wanted, {width - 1} left") as raised:
            Reader.all(data[: width - 1], "number", getattr(Reader, name))
        assert raised.value.what == "number"

    @pytest.mark.parametrize("size", [1, 2])
    def test_a_vector_of_an_allowed_length_that_is_cut_off_lacks_bytes(self, size):
        """And has no wrong length, which is another mistake of the sender's."""
        with pytest.raises(DecodeError, match=f"{size} bytes wanted, 0 left"):
            Reader.all(bytes([size]), "vector", lambda reader: reader.vector(1, 1, 2))

    @given(st.binary(max_size=300), st.sampled_from([2, 3, 4]))
    def test_vectors(self, data, width):
        encoded = Writer().vector(width, data).done()
        check_codec(lambda raw: Reader.all(raw, "vector", lambda reader: reader.vector(width)), encoded)
        assert Reader.all(encoded, "vector", lambda reader: reader.vector(width)) == data
        assert Reader.all(encoded, "vector", lambda reader: _finished(reader.sub(width))) == data

    def test_a_vector_too_long_for_its_length(self):
        with pytest.raises(UsageError):
            Writer().vector(1, bytes(256))

    @pytest.mark.parametrize("read", [Reader.vector, Reader.sub])
    def test_bounds_of_a_vector(self, read):
        for size, good in ((1, False), (2, True), (3, True), (4, False)):
            reader = Reader(Writer().vector(1, bytes(size)).done(), "vector")
            if good:
                assert read(reader, 1, 2, 3) is not None
                assert reader.left == 0
                continue
            with pytest.raises(DecodeError, match="under 2" if size < 2 else "over 3"):
                read(reader, 1, 2, 3)

    @pytest.mark.parametrize("read", [Reader.vector, Reader.sub])
    def test_a_vector_longer_than_the_input(self, read):
        for length in (3, 255):
            with pytest.raises(DecodeError, match=f"{length} bytes wanted, 2 left") as caught:
                read(Reader(bytes((length,)) + b"ab", "vector"), 1)
            assert caught.value.offset == 1

    def test_a_sub_reader_can_neither_leave_its_vector_nor_forget_its_place(self):
        outer = Reader(b"\x01\x02abcd", "outer")
        outer.u8()
        inner = outer.sub(1)
        assert (inner.left, inner.offset, inner.what) == (2, 2, "outer")
        assert outer.rest() == b"cd"
        with pytest.raises(DecodeError, match="3 bytes wanted, 2 left"):
            inner.take(3)
        assert inner.u8() == ord("a")
        with pytest.raises(DecodeError, match="1 trailing") as caught:
            inner.finish()
        assert caught.value.offset == 3
        assert inner.rest() == b"b"
        inner.finish()

    def test_take_rest_and_offset(self):
        reader = Reader(b"abcdef", "letters", 1, 5)
        assert (reader.take(2), reader.left, reader.offset) == (b"bc", 2, 3)
        assert (reader.take(0), reader.rest(), reader.rest()) == (b"", b"de", b"")
        error = reader.fail("why")
        assert (error.what, error.why, error.offset) == ("letters", "why", 5)

    def test_writer_keeps_the_order(self):
        assert Writer().raw(b"a").uint(2, 1).vector(1, b"bc").varint(64).done() == b"a\0\1\2bc\x40\x40"
        assert Writer().done() == b""

    @given(st.binary(max_size=40))
    def test_contract(self, data):
        reads = [*(getattr(Reader, name) for name in WIDTHS), Reader.varint, Reader.rest]
        reads += [lambda reader: reader.vector(2, 1, 20), lambda reader: _finished(reader.sub(1, 1, 20))]
        for read in reads:
            check_contract(lambda raw, read=read: Reader.all(raw, "any", read), data)


def _finished(reader: Reader) -> bytes:
    data = reader.rest()
    reader.finish()
    return data


def blocks():
    """``(length, block)*``: the end may come between blocks; a block of zero bytes, then two of any kind, then over."""
    while size := (yield Need(1, 1, or_end=True)):
        if size == b"\xff":
            raise DecodeError("blocks", "no such length")
        yield (yield Need(size[0], size[0]))
        if size == b"\0":
            yield from ("zero", "two")
            return


def body():
    """Three bytes, then whatever comes, then the end."""
    yield (yield Need(3, 3))
    while data := (yield Need(1, 4, or_end=True)):
        yield data


def run(parser, pieces, *, closing=True):
    feed = Feed("stream", parser())
    events = [event for piece in pieces for event in feed.receive(piece)]
    return events + feed.receive(b"", last=True) if closing else events


class TestFeed:
    STREAM = b"\x02ab\x01c\x03def\x00"

    def test_events(self):
        wanted = [b"ab", b"c", b"def", b"", "zero", "two"]
        feed = Feed("stream", blocks())
        assert feed.receive(self.STREAM, last=True) == wanted
        assert feed.offset == len(self.STREAM)
        assert run(blocks, [self.STREAM]) == wanted

    def test_a_parser_may_begin_with_an_event(self):
        def greeting():
            yield "hello"
            yield (yield Need(1, 1))

        assert run(greeting, [b"x"]) == ["hello", b"x"]

    def test_errors_name_the_stream(self):
        for data in (b"\x02a", self.STREAM + b"x"):
            with pytest.raises(DecodeError) as raised:
                Feed("stream", blocks()).receive(data, last=True)
            assert raised.value.what == "stream"

    @given(st.lists(st.integers(0, 10), max_size=8))
    def test_any_split_gives_the_same_events(self, cuts):
        bounds = [0, *sorted(cuts), len(self.STREAM)]
        pieces = [self.STREAM[a:b] for a, b in itertools.pairwise(bounds)]
        assert run(blocks, pieces) == [b"ab", b"c", b"def", b"", "zero", "two"]

    @given(st.binary(min_size=3, max_size=40), st.lists(st.integers(0, 40), max_size=6))
    def test_a_body_passes_through(self, data, cuts):
        bounds = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
        pieces = [data[a:b] for a, b in itertools.pairwise(bounds)]
        events = run(body, pieces)
        assert events[0] == data[:3]
        assert b"".join(events) == data
        assert all(len(event) <= 4 for event in events)

    def test_an_end_where_one_may_be(self):
        assert run(blocks, [b"\x01a"]) == [b"a"]
        assert run(blocks, []) == []
        assert Feed("stream", blocks()).receive(b"", last=True) == []

    def test_an_end_where_none_may_be(self):
        for cut, offset in ((b"\x02", 1), (b"\x02a", 2), (b"\x01a\x05bcd", 6)):
            for pieces in ([cut], [bytes((byte,)) for byte in cut]):
                with pytest.raises(DecodeError, match="truncated") as caught:
                    run(blocks, pieces)
                assert caught.value.offset == offset
            with pytest.raises(DecodeError, match="truncated"):
                Feed("stream", blocks()).receive(cut, last=True)

    def test_an_answer_waits_for_its_bytes(self):
        feed = Feed("stream", blocks())
        assert [feed.receive(bytes((byte,))) for byte in b"\x02ab\x01"] == [[], [], [b"ab"], []]
        assert feed.offset == 4

    def test_events_come_before_the_error(self):
        """Those of the same call are given out, and the next one raises it, whatever it brings."""
        for data, last in ((b"", False), (b"\x01a", False), (b"", True)):
            feed = Feed("stream", blocks())
            assert feed.receive(b"\x01a\x02bc\xff\x01d") == [b"a", b"bc"]
            with pytest.raises(DecodeError, match="no such length"):
                feed.receive(data, last=last)

    def test_an_error_with_the_end_is_raised_at_once(self):
        """There is no later call: events must not hide it."""
        with pytest.raises(DecodeError, match="no such length"):
            Feed("stream", blocks()).receive(b"\x01a\xff", last=True)
        with pytest.raises(DecodeError, match="truncated"):
            Feed("stream", blocks()).receive(b"\x01a\x02b", last=True)

    def test_a_bug_is_raised_at_once(self):
        def buggy():
            yield (yield Need(1, 1))
            raise ZeroDivisionError

        feed = Feed("stream", buggy())
        for _ in range(2):
            with pytest.raises(ZeroDivisionError):
                feed.receive(b"ab")

    def test_an_error_stays(self):
        feed = Feed("stream", blocks())
        assert feed.receive(b"\x01a") == [b"a"]
        for data, last in ((b"\xff", False), (b"\x01a", False), (b"", True)):
            with pytest.raises(DecodeError, match="no such length"):
                feed.receive(data, last=last)

    def test_an_error_is_kept_without_what_its_frames_hold(self):
        class Key:
            pass

        def parser():
            key = Key()
            try:
                yield Need(2, 2)
                raise ValueError
            except ValueError:
                raise DecodeError("keyed", "bad") from None
            finally:
                del parts[:]
            yield key

        parts = []
        feed = Feed("keyed", parser())
        feed.receive(b"a")
        assert reaches(feed, Key)
        for _ in range(2):
            with pytest.raises(DecodeError, match="keyed: bad") as caught:
                feed.receive(b"b")
            assert (caught.value.what, caught.value.why, caught.value.offset) == ("keyed", "bad", 0)
            assert feed._error.__traceback__ is None
        assert not reaches(feed, Key)

    def test_a_truncation_stays(self):
        feed = Feed("stream", blocks())
        for data in (b"\x02a", b"b"):
            with pytest.raises(DecodeError, match="truncated"):
                feed.receive(data, last=True)

    def test_nothing_after_the_end(self):
        feed = Feed("stream", blocks())
        assert feed.receive(b"\x00x") == [b"", "zero", "two"]
        with pytest.raises(DecodeError, match="after the end") as caught:
            feed.receive(b"")
        assert caught.value.offset == 1
        feed = Feed("stream", blocks())
        assert feed.receive(b"\x00") == [b"", "zero", "two"]
        assert feed.receive(b"") == []
        assert feed.receive(b"", last=True) == []
        for _ in range(2):
            with pytest.raises(DecodeError, match="after the end"):
                feed.receive(b"\x00")

    def test_a_need_of_nothing_is_answered_at_once(self):
        def parser():
            yield (yield Need(0, 0))

        assert run(parser, [], closing=False) == []
        assert Feed("stream", parser()).receive(b"") == [b""]


def test_a_bare_error():
    with pytest.raises(DecodeError) as caught:
        try:
            raise KeyError("inner")
        except KeyError as inner:
            raise DecodeError("what", "why", 3) from inner
    again = bare(caught.value)
    assert type(again) is DecodeError
    assert str(again) == "what: why (at byte 3)"
    assert vars(again) == {"what": "what", "why": "why", "offset": 3}
    assert (again.__traceback__, again.__context__, again.__cause__) == (None, None, None)
    assert bare(OSError(2, "gone")).args == (2, "gone")
    assert isinstance(bare(KeyboardInterrupt()), KeyboardInterrupt)


class TestBounded:
    def test_at_and_over(self):
        assert bounded("things", 5, 5) == 5
        with pytest.raises(LimitError, match="things: 6 is over the limit of 5"):
            bounded("things", 6, 5)


class TestHttpValues:
    FIELDS = ((b"a", b"1"), (b"b", b"2"), (b"b", b"2"))

    def test_single(self):
        assert single(self.FIELDS, b"a") == b"1"
        assert single(self.FIELDS, b"c") is None
        assert single((), b"a") is None

    def test_single_refuses_a_choice(self):
        with pytest.raises(DecodeError, match="b occurs 2 times"):
            single(self.FIELDS, b"b")

    def test_media_type(self):
        kind = (b"content-type", b"Application/OHTTP-Keys ; q=1")
        assert media_type((kind,)) == "application/ohttp-keys"
        assert media_type(((b"a", b"b"),)) is None
        assert media_type(((b"content-type", b""),)) == ""
        with pytest.raises(DecodeError):
            media_type((kind, kind))

    def test_age(self):
        for value, seconds in ((b"0", 0), (b"0017", 17), (b"2147483649", 1 << 31), (b"9" * 20, 1 << 31)):
            assert age(((b"age", value),)) == seconds
        assert age(()) == 0
        for value in (b"", b"-1", b"+1", b" 1", b"1.0", b"1_0", "\u0661".encode(), b"\xb2", b"1\n", b"9" * 21):
            with pytest.raises(DecodeError, match="Age: not a number of seconds"):
                age(((b"age", value),))
        with pytest.raises(DecodeError):
            age(((b"age", b"1"),) * 2)
        with pytest.raises(DecodeError, match="max-age"):
            delta_seconds("max-age", None)

    def test_url(self):
        assert Request("GET", "https", "example.com:8443", "/a?b=c").url == "https://example.com:8443/a?b=c"
