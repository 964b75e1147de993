"""Binary HTTP (RFC 9292): round trip, prefixes, splits, limits, and every rule by a message that breaks it."""

from __future__ import annotations

import itertools
import re
import tracemalloc
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

import privproc.bhttp.decoder as decoder_module
from privproc.bhttp import (
    Data,
    EndOfMessage,
    Framing,
    Limits,
    RequestDecoder,
    RequestHead,
    ResponseDecoder,
    ResponseHead,
    decode_request,
    decode_response,
    encode_request,
    encode_response,
)
from privproc.errors import DecodeError, LimitError, PeerError, UsageError
from privproc.http import Informational, Request, Response
from privproc.wire import encode_varint
from tests.codec import check_contract

KNOWN, OPEN = Framing.KNOWN, Framing.INDETERMINATE
PLAIN = Request("GET", "https", "example.com", "/")
RICH = Request(
    "POST",
    "https",
    "example.com",
    "/a?b=c&b=d",
    ((b":ext", b"1"), (b"accept", b"a"), (b"accept", b"b"), (b"x-empty", b""), (b"x-long", b"v" * 100)),
    b"content of the request",
    ((b"check", b"sum"), (b"check", b"again")),
)
ANSWER = Response(
    200,
    ((b"set-cookie", b"a"), (b"set-cookie", b"b")),
    b"the answer\0\r\n",
    ((b"late", b"\xff\t obs-text"),),
    (Informational(101), Informational(103, ((b"link", b"</a>"), (b"link", b"</b>")))),
)


# A second encoder, from the RFC's figures: every way to write the same message, and where it may end.


def varint(value: int, width: int = 1) -> bytes:
    """In at least ``width`` bytes."""
    short = encode_varint(value)
    width = max(width, len(short))
    bits = width.bit_length() - 1
    return (value | bits << (8 * width - 2)).to_bytes(width, "big")


def vec(data: bytes, width: int = 1) -> bytes:
    return varint(len(data), width) + data


def lines(fields, width: int = 1) -> bytes:
    return b"".join(vec(name, width) + vec(value, width) for name, value in fields)


def section(fields, framing: Framing, width: int = 1) -> bytes:
    return vec(lines(fields, width), width) if framing is KNOWN else lines(fields, width) + varint(0, width)


def wire(message, framing: Framing, *, width: int = 1, chunk: int = 1 << 20) -> tuple[bytes, list[int]]:
    """The message and the offsets at which it may be cut: before headers, content and trailers, and at the end."""
    if isinstance(message, Request):
        out = varint(framing.value, width)
        for part in (message.method, message.scheme, message.authority, message.path):
            out += vec(part.encode(), width)
    else:
        out = varint(framing.value + 1, width)
        for interim in message.informational:
            out += varint(interim.status, width) + section(interim.fields, framing, width)
        out += varint(message.status, width)
    ends = [len(out)]
    out += section(message.fields, framing, width)
    ends.append(len(out))
    if framing is KNOWN:
        out += vec(message.content, width)
    else:
        for start in range(0, len(message.content), chunk):
            out += vec(message.content[start : start + chunk], width)
        out += varint(0, width)
    ends.append(len(out))
    out += section(message.trailers, framing, width)
    return out, [*ends, len(out)]


def encode(message, framing: Framing = KNOWN, **options) -> bytes:
    return (encode_request if isinstance(message, Request) else encode_response)(message, framing=framing, **options)


def decode(data: bytes, like, *limits: Limits):
    return (decode_request if isinstance(like, Request) else decode_response)(data, *limits)


def events(pieces, like, *limits: Limits) -> list:
    """All events, adjacent Data merged."""
    decoder = (RequestDecoder if isinstance(like, Request) else ResponseDecoder)(*limits)
    merged: list = []
    for piece in [*pieces, None]:
        for event in decoder.end_of_data() if piece is None else decoder.receive_data(piece):
            if isinstance(event, Data):
                assert event.data
                if merged and isinstance(merged[-1], Data):
                    merged[-1] = Data(merged[-1].data + event.data)
                    continue
            merged.append(event)
    return merged


def expected(message) -> list:
    body = [Data(message.content)] if message.content else []
    if isinstance(message, Request):
        head = [RequestHead(message.method, message.scheme, message.authority, message.path, message.fields)]
    else:
        head = [*message.informational, ResponseHead(message.status, message.fields)]
    return [*head, *body, EndOfMessage(message.trailers)]


names = st.text("abcz019-_!", min_size=1, max_size=70).map(str.encode)
inner = st.binary(max_size=80).map(lambda raw: raw.translate(None, b"\0\r\n").strip(b" \t"))
regular = st.lists(st.tuples(names.filter(lambda name: name != b"host"), inner), max_size=5)
pseudo = st.lists(st.tuples(names.map(b":x".__add__), inner), max_size=2, unique_by=lambda field: field[0])
fields = st.tuples(pseudo, regular).map(lambda pair: (*pair[0], *pair[1]))
visible = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters="#"), max_size=80)
hosts = st.sampled_from(["", "example.com", "example.com:8443", "[::1]:443", "a%20b", "10.0.0.1"])
contents = st.binary(max_size=200)
requests = st.builds(
    Request,
    st.sampled_from(["GET", "POST", "x-method"]),
    st.sampled_from(["https", "http", "coap+tcp"]),
    hosts,
    visible.map("/".__add__),
    fields,
    contents,
    regular.map(tuple),
)
informational = st.builds(Informational, st.integers(100, 199), fields)
responses = st.builds(
    Response,
    st.integers(200, 599),
    fields,
    contents,
    regular.map(tuple),
    st.lists(informational, max_size=3).map(tuple),
)
messages = requests | responses
framings = st.sampled_from(Framing)


class TestRoundTrip:
    @given(messages, framings, st.integers(0, 70))
    # req: rfc9292/3.1 known-lengths
    # req: rfc9292/3.2 indeterminate-sections-end-with-zero
    # req: rfc9292/3.4 control-data-layout
    def test_both_directions(self, message, framing, padding):
        encoded = encode(message, framing)
        assert encoded == wire(message, framing)[0]
        assert decode(encoded, message) == message
        padded = encode(message, framing, size=len(encoded) + padding)
        assert padded == encoded + bytes(padding)
        assert decode(padded, message) == message

    @given(messages, framings, st.sampled_from([1, 2, 4, 8]), st.integers(1, 50))
    # req: rfc9292/3 integers-in-any-width
    # req: rfc9292/3.2 indeterminate-sections-end-with-zero
    def test_any_integer_width_and_chunking(self, message, framing, width, chunk):
        assert decode(wire(message, framing, width=width, chunk=chunk)[0], message) == message

    @pytest.mark.parametrize("message", [PLAIN, RICH, Response(204), ANSWER])
    @pytest.mark.parametrize("framing", Framing)
    def test_rich(self, message, framing):
        assert decode(encode(message, framing), message) == message

    def test_size_too_small(self):
        size = len(encode(RICH))
        assert len(encode(RICH, size=size)) == size
        with pytest.raises(UsageError, match="doesn't fit"):
            encode(RICH, size=size - 1)


class TestSplits:
    @given(messages, framings, st.lists(st.integers(0, 700), max_size=12), st.integers(0, 9))
    def test_any_split_gives_the_same_events(self, message, framing, cuts, padding):
        encoded = encode(message, framing) + bytes(padding)
        bounds = sorted({0, len(encoded), *(min(cut, len(encoded)) for cut in cuts)})
        pieces = [encoded[a:b] for a, b in itertools.pairwise(bounds)]
        assert events(pieces, message) == expected(message)

    @pytest.mark.parametrize("message", [RICH, ANSWER])
    @pytest.mark.parametrize("framing", Framing)
    @pytest.mark.parametrize("width", [1, 2, 4, 8])
    def test_single_bytes(self, message, framing, width):
        encoded = wire(message, framing, width=width, chunk=5)[0] + bytes(3)
        assert events([bytes((byte,)) for byte in encoded], message) == expected(message)

    @given(messages, framings, st.data())
    def test_any_split_gives_the_same_error(self, message, framing, data):
        encoded = bytearray(encode(message, framing))
        encoded[data.draw(st.integers(0, len(encoded) - 1))] ^= data.draw(st.integers(1, 255))
        whole = outcome([bytes(encoded)], message)
        assert outcome([bytes((byte,)) for byte in encoded], message) == whole
        cut = data.draw(st.integers(0, len(encoded)))
        assert outcome([bytes(encoded[:cut]), b"", bytes(encoded[cut:])], message) == whole

    def test_events_come_as_soon_as_their_bytes(self):
        decoder = RequestDecoder()
        encoded, ends = wire(RICH, KNOWN)
        assert decoder.receive_data(encoded[: ends[1]]) == expected(RICH)[:1]
        assert decoder.receive_data(encoded[ends[1] : ends[1] + 4]) == [Data(b"con")]
        assert decoder.receive_data(encoded[ends[1] + 4 :]) == [Data(b"tent of the request")]
        assert decoder.end_of_data() == [EndOfMessage(RICH.trailers)]


def outcome(pieces, like, *limits: Limits):
    try:
        return events(pieces, like, *limits)
    except PeerError as error:
        return type(error), str(error)


class TestTruncation:
    @pytest.mark.parametrize("message", [PLAIN, RICH, Response(204), ANSWER])
    @pytest.mark.parametrize("framing", Framing)
    # req: rfc9292/3.8 truncation-of-empty-parts
    def test_every_prefix(self, message, framing):
        """Empty from there on where a section may be left out; refused everywhere else."""
        what = "BHTTP request" if isinstance(message, Request) else "BHTTP response"
        encoded, (headers, content, trailers, end) = wire(message, framing, chunk=7)
        legal = {
            headers: replace(message, fields=(), content=b"", trailers=()),
            content: replace(message, content=b"", trailers=()),
            trailers: replace(message, trailers=()),
            end: message,
        }
        for cut in range(len(encoded) + 1):
            pieces = ([encoded[:cut]], [encoded[:cut], b""], [bytes((byte,)) for byte in encoded[:cut]])
            if cut in legal:
                assert decode(encoded[:cut], message) == legal[cut]
                assert all(events(split, message) == expected(legal[cut]) for split in pieces)
                assert decode(encoded[:cut] + bytes(20), message) == legal[cut]
                continue
            said = f"{what}: truncated (at byte {cut})"
            with pytest.raises(DecodeError, match=re.escape(said)):
                decode(encoded[:cut], message)
            assert [outcome(split, message) for split in pieces] == [(DecodeError, said)] * 3

    @pytest.mark.parametrize("message", [RICH, ANSWER])
    @pytest.mark.parametrize("framing", Framing)
    # req: rfc9292/3.8 padding-is-zero
    def test_padding(self, message, framing):
        encoded = encode(message, framing)
        for byte in (1, 0x40, 0xFF):
            for zeros in (0, 1, 500):
                with pytest.raises(DecodeError, match="padding is not zero") as caught:
                    decode(encoded + bytes(zeros) + bytes((byte,)) + b"\0", message)
                assert caught.value.offset == len(encoded) + zeros

    def test_end_of_message_waits_for_the_padding(self):
        decoder = ResponseDecoder()
        assert EndOfMessage(ANSWER.trailers) not in decoder.receive_data(encode(ANSWER) + b"\0")
        with pytest.raises(DecodeError, match="padding"):
            decoder.receive_data(b"\0x")

    def test_content_may_not_end_between_chunks(self):
        """The terminator is part of the content: netty's parser took such an end for a complete message."""
        encoded, (*_, trailers, _end) = wire(replace(RICH, trailers=()), OPEN, chunk=7)
        with pytest.raises(DecodeError, match="truncated"):
            decode_request(encoded[: trailers - 1])


class TestLife:
    def test_empty_data_is_not_the_end(self):
        decoder = RequestDecoder()
        assert decoder.receive_data(b"") == []
        assert decoder.receive_data(encode(PLAIN)) == expected(PLAIN)[:1]
        assert decoder.receive_data(b"") == []
        assert decoder.end_of_data() == [EndOfMessage(())]

    def test_nothing_is_not_a_message(self):
        for decoder in (RequestDecoder(), ResponseDecoder()):
            with pytest.raises(DecodeError, match="truncated"):
                decoder.end_of_data()

    # req: rfc9292/4 invalid-is-not-processed
    def test_an_error_stays(self):
        decoder = RequestDecoder()
        for call in (lambda: decoder.receive_data(b"\x09"), lambda: decoder.receive_data(b"\0"), decoder.end_of_data):
            with pytest.raises(DecodeError, match="framing 9"):
                call()

    def test_no_data_after_the_end(self):
        decoder = RequestDecoder()
        decoder.receive_data(encode(PLAIN))
        decoder.end_of_data()
        with pytest.raises(DecodeError, match="after the end"):
            decoder.receive_data(b"\0")

    @pytest.mark.parametrize("framing", Framing)
    # req: rfc9292/3.3 framing-indicator
    def test_a_request_is_no_response(self, framing):
        for encoded, like, what in (
            (encode(RICH, framing), ANSWER, "BHTTP response"),
            (encode(ANSWER, framing), RICH, "BHTTP request"),
            (b"\x04" + encode(RICH, framing)[1:], RICH, "BHTTP request"),
        ):
            said = f"{what}: framing {encoded[0]} (at byte 1)"
            with pytest.raises(DecodeError, match=re.escape(said)):
                decode(encoded, like)
            assert outcome([encoded], like) == (DecodeError, said)


BAD_FIELDS = {
    "line end in a name": ((b"a\nb", b"x"),),
    "upper-case name": ((b"Accept", b""),),
    "empty name": ((b"", b"x"),),
    "space in a name": ((b"a b", b""),),
    "CR LF in a name": ((b"a\r\nb", b""),),
    "NUL in a name": ((b"a\0", b""),),
    "not ASCII in a name": ((b"\xe4", b""),),
    "colon in a name": ((b"a:b", b""),),
    "name of a colon": ((b":", b""),),
    "pseudo-name with a colon": ((b":a:b", b""),),
    "upper-case pseudo-name": ((b":Ext", b""),),
    "newline after a name": ((b"a\n", b""),),
    "NUL in a value": ((b"a", b"x\0y"),),
    "CR in a value": ((b"a", b"x\ry"),),
    "LF in a value": ((b"a", b"x\ny"),),
    "CR alone": ((b"a", b"\r"),),
    "LF at the end of a value": ((b"a", b"x\n"),),
    "space before a value": ((b"a", b" x"),),
    "tab after a value": ((b"a", b"x\t"),),
    "a value of a space": ((b"a", b" "),),
    "pseudo-field after a field": ((b"a", b""), (b":ext", b"")),
    "pseudo-field twice": ((b":ext", b"1"), (b":ext", b"2")),
    "bad value of a pseudo-field": ((b":ext", b"\n"),),
    ":method": ((b":method", b"GET"),),
    ":scheme": ((b":scheme", b"https"),),
    ":authority": ((b":authority", b"a"),),
    ":path": ((b":path", b"/"),),
    ":status": ((b":status", b"200"),),
}

BAD_REQUESTS = {
    "no method": replace(PLAIN, method=""),
    "space in the method": replace(PLAIN, method="GET /x"),
    "CR LF in the method": replace(PLAIN, method="GET\r\n"),
    "newline after the method": replace(PLAIN, method="GET\n"),
    "NUL in the method": replace(PLAIN, method="GET\0"),
    "separator in the method": replace(PLAIN, method="GET,PUT"),
    "no scheme": replace(PLAIN, scheme=""),
    "digit first in the scheme": replace(PLAIN, scheme="1http"),
    "colon in the scheme": replace(PLAIN, scheme="https:"),
    "newline after the scheme": replace(PLAIN, scheme="https\n"),
    "space in the authority": replace(PLAIN, authority="a b"),
    "CR LF in the authority": replace(PLAIN, authority="a\r\nx: y"),
    "newline after the authority": replace(PLAIN, authority="a\n"),
    "slash in the authority": replace(PLAIN, authority="a/b"),
    "query in the authority": replace(PLAIN, authority="a?b"),
    "fragment in the authority": replace(PLAIN, authority="a#b"),
    "backslash in the authority": replace(PLAIN, authority="a\\b"),
    "user information": replace(PLAIN, authority="user@example.com"),
    "port without host": replace(PLAIN, authority=":443"),
    "two ports": replace(PLAIN, authority="a:1:2"),
    "port that isn't a number": replace(PLAIN, authority="a:b"),
    "text after an IPv6 address": replace(PLAIN, authority="[::1]x"),
    "no path": replace(PLAIN, path=""),
    "path without slash": replace(PLAIN, path="x"),
    "absolute form": replace(PLAIN, path="http://evil/"),
    "request line in the path": replace(PLAIN, path="/ HTTP/1.1\r\nx: y\r\n\r\n"),
    "space in the path": replace(PLAIN, path="/a b"),
    "tab in the path": replace(PLAIN, path="/a\tb"),
    "DEL in the path": replace(PLAIN, path="/\x7f"),
    "newline after the path": replace(PLAIN, path="/\n"),
    "fragment": replace(PLAIN, path="/#a"),
    "asterisk with GET": replace(PLAIN, path="*"),
    "asterisk and more": replace(PLAIN, method="OPTIONS", path="*x"),
    "CONNECT with a path": replace(PLAIN, method="CONNECT"),
    "CONNECT without a port": Request("CONNECT", "", "example.com", ""),
    "CONNECT with an empty port": Request("CONNECT", "", "example.com:", ""),
    "CONNECT to nowhere": Request("CONNECT", "", "", ""),
    "CONNECT with a scheme alone": Request("CONNECT", "https", "a:1", "", ((b":protocol", b"x"),)),
    "no target but not CONNECT": Request("GET", "", "a:1", ""),
    "another host": replace(PLAIN, fields=((b"host", b"evil.example"),)),
    "another port": replace(PLAIN, fields=((b"host", b"example.com:80"),)),
    "no host name": replace(PLAIN, fields=((b"host", b""),)),
    "two hosts": replace(PLAIN, fields=((b"host", b"example.com"), (b"host", b"example.com"))),
    "two hosts, no authority": replace(PLAIN, authority="", fields=((b"host", b"a"), (b"host", b"b"))),
    "a path as host": replace(PLAIN, authority="", fields=((b"host", b"a/b"),)),
    "not ASCII in the host": replace(PLAIN, authority="", fields=((b"host", b"\xe4"),)),
}

GOOD_REQUESTS = {
    "no authority": replace(PLAIN, authority=""),
    "host alone": replace(PLAIN, authority="", fields=((b"host", b"example.com"),)),
    "no host at all": replace(PLAIN, authority="", fields=((b"host", b""),)),
    "host in other case": replace(PLAIN, fields=((b"host", b"EXAMPLE.com"),)),
    "default port": replace(PLAIN, fields=((b"host", b"example.com:443"),)),
    "empty port": replace(PLAIN, fields=((b"host", b"example.com:"),)),
    "default port of http": replace(PLAIN, scheme="HTTP", authority="a:80", fields=((b"host", b"a"),)),
    "same port": replace(PLAIN, scheme="coap", authority="a:99", fields=((b"host", b"a:99"),)),
    "asterisk": replace(PLAIN, method="OPTIONS", path="*"),
    "OPTIONS with a path": replace(PLAIN, method="OPTIONS"),
    "CONNECT": Request("CONNECT", "", "example.com:443", ""),
    "CONNECT to IPv6": Request("CONNECT", "", "[::1]:443", ""),
    "extended CONNECT": replace(PLAIN, method="CONNECT", fields=((b":protocol", b"websocket"),)),
    "query": replace(PLAIN, path="/?a=b&a=c"),
    "characters that browsers send": replace(PLAIN, path="/[a]{b}|^`\"<>\\~!?'"),
    "connection fields": replace(PLAIN, fields=((b"connection", b"close"), (b"transfer-encoding", b"chunked"))),
    "control characters in a value": replace(PLAIN, fields=((b"a", b"\x01\x7f\xff x"),)),
}


def refused(message) -> None:
    """By the encoder as the caller's mistake, by the decoder as the peer's, in both framings."""
    for framing in Framing:
        with pytest.raises(UsageError):
            encode(message, framing)
        with pytest.raises(DecodeError) as caught:
            decode(wire(message, framing)[0], message)
        assert "truncated" not in str(caught.value)


class TestRules:
    @pytest.mark.parametrize("bad", BAD_FIELDS.values(), ids=BAD_FIELDS)
    # req: rfc9292/3.6 field-names
    # req: rfc9292/3.6 field-values
    # req: rfc9292/3.6 pseudo-fields-first
    # req: rfc9292/3.6 no-control-data-as-fields
    def test_bad_fields(self, bad):
        if bad == ((b"", b"x"),):  # an empty name ends a section of indeterminate length
            with pytest.raises(DecodeError, match="lower-case token"):
                decode_request(wire(replace(PLAIN, fields=bad), KNOWN)[0])
            with pytest.raises(UsageError):
                encode(replace(PLAIN, fields=bad), OPEN)
            return
        refused(replace(PLAIN, fields=bad))
        refused(replace(PLAIN, trailers=bad))
        refused(replace(ANSWER, fields=bad))
        refused(replace(ANSWER, trailers=bad))
        refused(replace(ANSWER, informational=(Informational(103, bad),)))

    @pytest.mark.parametrize("bad", BAD_FIELDS.values(), ids=BAD_FIELDS)
    @pytest.mark.parametrize("before", [0, 3, 9])
    def test_bad_fields_in_company(self, bad, before):
        good = ((b"accept", b"*/*"), (b"x-empty", b""), (b"x", b"a b\tc"), *[(b"y%d" % n, b"1") for n in range(6)])
        mixed = (*good[:before], *bad, *good[before:])
        for message in (replace(PLAIN, fields=mixed), replace(PLAIN, trailers=mixed)):
            with pytest.raises(UsageError):
                encode(message)
            with pytest.raises(DecodeError):
                decode(wire(message, KNOWN)[0], message)

    @given(st.lists(st.tuples(st.text("a\nB ", max_size=3), st.text("a\n\r\t\0 ", max_size=4)), min_size=5, max_size=9))
    def test_many_fields_are_valid_if_each_is(self, lines):
        """Many are looked at all at once, where a line end must not make two of one."""
        fields = tuple((name.encode(), value.encode()) for name, value in lines)

        def valid(fields) -> bool:
            try:
                encode(replace(PLAIN, fields=fields))
            except UsageError:
                return False
            return True

        assert valid(fields) == all(valid((field,)) for field in fields)

    # req: rfc9292/3.6 no-pseudo-fields-in-trailers
    def test_pseudo_fields_before_fields_but_not_in_trailers(self):
        kept = ((b":a", b"1"), (b":b", b"2"), (b"c", b"3"))
        message = replace(PLAIN, fields=kept)
        assert decode_request(encode(message)) == message
        refused(replace(PLAIN, trailers=kept[:1]))

    @pytest.mark.parametrize("framing", Framing)
    # req: rfc9292/3.6 repeated-fields-are-kept
    # req: rfc9292/3.6 connection-fields-are-no-fault
    def test_repeated_and_connection_fields_are_kept_in_their_order(self, framing):
        fields = ((b"te", b"x"), (b"connection", b"a"), (b"a", b"1"), (b"connection", b"b"), (b"a", b"0"), (b"a", b"1"))
        for count in (3, 6):  # few are looked at one by one
            message = replace(PLAIN, fields=fields[:count])
            assert decode_request(encode(message, framing)).fields == fields[:count]

    @pytest.mark.parametrize("bad", BAD_REQUESTS.values(), ids=BAD_REQUESTS)
    # req: rfc9292/3.4 control-data-rules
    def test_bad_requests(self, bad):
        refused(bad)

    @pytest.mark.parametrize("good", GOOD_REQUESTS.values(), ids=GOOD_REQUESTS)
    def test_good_requests(self, good):
        for framing in Framing:
            assert decode_request(encode(good, framing)) == good

    def test_not_ascii(self):
        for bad in (replace(PLAIN, path="/ä"), replace(PLAIN, authority="ä"), replace(PLAIN, method="Ä")):
            with pytest.raises(UsageError):
                encode(bad)
        with pytest.raises(DecodeError, match="path"):
            decode_request(encode(PLAIN)[:-5] + b"\x03/\xc3\xa4")

    @pytest.mark.parametrize("status", [0, 99, 600, 1 << 40])
    # req: rfc9292/3.5 final-status
    def test_status(self, status):
        refused(replace(ANSWER, status=status))

    # req: rfc9292/3.5.1 informational-responses
    def test_informational_status(self):
        for status in (100, 101, 199):
            message = replace(ANSWER, informational=(Informational(status),))
            assert decode_response(encode(message)) == message
        for status in (99, 200, 599):
            with pytest.raises(UsageError):
                encode(replace(ANSWER, informational=(Informational(status),)))
        with pytest.raises(UsageError):
            encode(replace(ANSWER, status=199))

    def test_informational_alone_is_no_response(self):
        with pytest.raises(DecodeError, match="truncated"):
            decode_response(b"\x01" + varint(103))
        with pytest.raises(DecodeError, match="truncated"):
            decode_response(b"\x01" + varint(103) + b"\0")

    def test_a_field_line_stays_in_its_section(self):
        head = encode(PLAIN)[:-3]
        for block in (b"\x01", b"\x05a", b"\x01a", b"\x01a\x09x", b"\x01a\x40", b"\x01a\0\xc0"):
            with pytest.raises(DecodeError, match="longer than its section"):
                decode_request(head + vec(block) + bytes(40))


class TestLimits:
    LIMITS = Limits(control=20, section=20, fields=2, content=20, informational=1)

    def check(self, message, what: str, *, over: bool) -> None:
        """Whole and in pieces."""
        for framing in Framing:
            encoded = encode(message, framing)
            splits = ([encoded], [bytes((byte,)) for byte in encoded])
            if not over:
                assert decode(encoded, message, self.LIMITS) == message
                assert all(events(pieces, message, self.LIMITS) == expected(message) for pieces in splits)
                continue
            with pytest.raises(LimitError, match=rf"^{what}: \d+ is over the limit of \d+$"):
                decode(encoded, message, self.LIMITS)
            for pieces in splits:
                with pytest.raises(LimitError, match=rf"^{what}: \d+ is over the limit of \d+$"):
                    events(pieces, message, self.LIMITS)

    # req: rfc9292/8 large-messages-are-bounded
    def test_at_and_over(self):
        base = Request("GET", "a", "", "/")
        fits = (b"aaaaaaaaa", b"vvvvvvvvv")  # 20 bytes with both lengths
        for over in (False, True):
            self.check(replace(base, path="/" + "x" * (15 + over)), "control data", over=over)
            self.check(replace(base, fields=((fits[0], fits[1] + b"v" * over),)), "field section", over=over)
            self.check(replace(base, fields=((fits[0] + b"a" * over, fits[1]),)), "field section", over=over)
            self.check(replace(base, trailers=((fits[0], fits[1] + b"v" * over),)), "field section", over=over)
            self.check(replace(base, fields=((b"a", b""),) * (2 + over)), "field lines", over=over)
            self.check(replace(base, content=b"x" * (20 + over)), "content", over=over)
            interim = (Informational(103),) * (1 + over)
            self.check(Response(200, informational=interim), "informational responses", over=over)
            interim = (Informational(103, ((b"a", b""),) * (2 + over)),)
            self.check(Response(200, informational=interim), "field lines", over=over)

    def test_a_flood_of_tiny_chunks(self):
        message = replace(PLAIN, content=bytes(10_000))
        assert decode_request(wire(message, OPEN, chunk=1)[0]) == message

    def test_content_counts_over_all_chunks(self):
        message = replace(Request("GET", "a", "", "/"), content=b"x" * 21)
        with pytest.raises(LimitError):
            decode_request(wire(message, OPEN, chunk=1)[0], self.LIMITS)
        assert decode_request(wire(replace(message, content=b"x" * 20), OPEN, chunk=1)[0], self.LIMITS)

    @pytest.mark.parametrize("declared", [1 << 20, 1 << 31, 1 << 32, (1 << 62) - 1])
    def test_a_length_is_refused_before_its_bytes_come(self, declared):
        """Four or eight bytes must never make the decoder wait for, or allocate, what they announce."""
        limits = Limits(content=1 << 19)
        size = varint(declared)
        method = b"\0" + size
        path = encode(PLAIN)[:-5] + size
        headers = encode(PLAIN)[:-3] + size
        content = encode(PLAIN)[:-2] + size
        trailers = encode(PLAIN)[:-1] + size
        name = b"\2" + encode(PLAIN)[1:-3] + size
        value = b"\2" + encode(PLAIN)[1:-3] + b"\1a" + size
        chunk = b"\2" + encode(PLAIN)[1:-2] + size
        second = b"\2" + encode(PLAIN)[1:-2] + b"\1x" + size
        for prefix in (method, path, headers, content, trailers, name, value, chunk, second):
            decoder = RequestDecoder(limits)
            with pytest.raises(LimitError, match=r"over the limit"):
                decoder.receive_data(prefix)
                decoder.receive_data(b"")  # what came in order before the length was given out first

    def test_defaults(self):
        assert decode_request(encode(replace(PLAIN, content=bytes(1 << 20)))).content == bytes(1 << 20)
        with pytest.raises(LimitError):
            decode_request(encode(replace(PLAIN, path="/" + "x" * 16384)))


class TestCost:
    @pytest.mark.slow
    @pytest.mark.parametrize("chunk", [None, 16384, 1])
    def test_memory_stays_flat_while_content_streams(self, chunk):
        total, piece = (1 << 25, bytes(65536)) if chunk != 1 else (1 << 18, b"\1x" * 32768)
        decoder = RequestDecoder()
        if chunk is None:
            decoder.receive_data(encode(PLAIN)[:-2] + varint(total))
        else:
            decoder.receive_data(encode(PLAIN, OPEN)[:-2])
            piece = (varint(chunk) + bytes(chunk)) * (65536 // chunk) if chunk > 1 else piece
        came = 0
        tracemalloc.start()
        try:
            while came < total:
                came += sum(len(event.data) for event in decoder.receive_data(piece))
            assert tracemalloc.get_traced_memory()[1] < 16 * len(piece)
        finally:
            tracemalloc.stop()
        assert came == total

    def test_tiny_chunks_make_no_flood_of_events(self):
        decoder = RequestDecoder()
        decoder.receive_data(encode(PLAIN, OPEN)[:-2])
        assert len(decoder.receive_data(b"\1x" * 100_000)) < 30

    def test_padding_is_not_kept(self):
        decoder = RequestDecoder()
        decoder.receive_data(encode(PLAIN))
        tracemalloc.start()
        try:
            for _ in range(200):
                assert decoder.receive_data(bytes(65536)) == []
            assert tracemalloc.get_traced_memory()[1] < 1 << 20
        finally:
            tracemalloc.stop()
        assert decoder.end_of_data() == [EndOfMessage(())]

    @pytest.mark.parametrize("field", [(b"a", b"v" * 60_000), (b"n" * 60_000, b"")], ids=["value", "name"])
    def test_a_long_field_in_single_bytes_is_not_copied_for_each(self, monkeypatch, field):
        encoded = encode(replace(PLAIN, fields=(field,)), OPEN)
        copied = []
        extend = decoder_module.Input.extend
        monkeypatch.setattr(
            decoder_module.Input, "extend", lambda inp, more: (copied.append(len(inp.data)), extend(inp, more))[1]
        )
        decoder = RequestDecoder()
        for byte in encoded:
            decoder.receive_data(bytes((byte,)))
        assert decoder.end_of_data() == [EndOfMessage(())]
        assert len(copied) < 40
        assert sum(copied) < 2 * len(encoded)


class TestContract:
    @given(st.binary(max_size=200), framings)
    def test_any_bytes(self, data, framing):
        for raw in (data, bytes((framing.value,)) + data, bytes((framing.value + 1,)) + data):
            check_contract(decode_request, raw)
            check_contract(decode_response, raw)

    @given(messages, framings, st.data())
    def test_mutations(self, message, framing, data):
        encoded = bytearray(encode(message, framing))
        for _ in range(data.draw(st.integers(1, 4))):
            at = data.draw(st.integers(0, len(encoded)))
            kind = data.draw(st.sampled_from(["set", "insert", "drop"]))
            if kind == "insert":
                encoded[at:at] = data.draw(st.binary(max_size=9))
            elif kind == "drop":
                del encoded[at : at + data.draw(st.integers(0, 9))]
            else:
                encoded[at : at + 1] = data.draw(st.binary(min_size=1, max_size=1))
        try:
            value = decode(bytes(encoded), message)
        except PeerError:
            return
        assert decode(encode(value, framing), message) == value  # what was decoded can be encoded

    def test_errors_hold_no_received_bytes(self):
        for bad in BAD_REQUESTS.values():
            with pytest.raises(DecodeError) as caught:
                decode_request(wire(replace(bad, authority=bad.authority + "SECRET!"), KNOWN)[0])
            assert "SECRET" not in str(caught.value)
