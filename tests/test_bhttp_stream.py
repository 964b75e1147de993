"""Encoders that stream, padding policies, and HTTP/1.1 values."""

from __future__ import annotations

import contextlib
import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from privproc.bhttp import (
    Data,
    EndOfMessage,
    Framing,
    Http1Request,
    RequestEncoder,
    RequestHead,
    ResponseEncoder,
    ResponseHead,
    decode_request,
    decode_response,
    encode_request,
    encode_response,
    from_http1,
    padding,
    to_http1,
)
from privproc.errors import DecodeError, PeerError, UsageError
from privproc.http import Informational, Request, Response

HEAD = RequestHead("POST", "https", "www.example.com", "/a?b=c", ((b"accept", b"*/*"), (b"accept", b"text/plain")))
FINAL = ResponseHead(200, ((b"content-type", b"text/plain"),))
TRAILERS = ((b"digest", b"x"),)


@given(pieces=st.lists(st.binary(max_size=100), max_size=5))
def test_a_streamed_request_is_the_whole_one(pieces):
    encoder = RequestEncoder()
    wire = encoder.send(HEAD) + b"".join(encoder.send(Data(piece)) for piece in pieces)
    wire += encoder.send(EndOfMessage(TRAILERS))
    request = decode_request(wire)
    assert request == Request(
        HEAD.method, HEAD.scheme, HEAD.authority, HEAD.path, HEAD.fields, b"".join(pieces), TRAILERS
    )
    if len(list(filter(None, pieces))) == 1:
        assert wire == encode_request(request, framing=Framing.INDETERMINATE)


@given(pieces=st.lists(st.binary(max_size=100), max_size=5), interim=st.lists(st.integers(100, 199), max_size=3))
def test_a_streamed_response_is_the_whole_one(pieces, interim):
    encoder = ResponseEncoder()
    wire = b"".join(encoder.send(Informational(status, ((b"link", b"x"),))) for status in interim)
    wire += encoder.send(FINAL) + b"".join(encoder.send(Data(piece)) for piece in pieces)
    wire += encoder.send(EndOfMessage(()))
    before = tuple(Informational(status, ((b"link", b"x"),)) for status in interim)
    response = Response(200, FINAL.fields, b"".join(pieces), (), before)
    assert decode_response(wire) == response
    if len(list(filter(None, pieces))) < 2:
        assert wire == encode_response(response, framing=Framing.INDETERMINATE)


def test_order_is_kept_and_a_mistake_changes_nothing():
    encoder = RequestEncoder()
    for early in (Data(b"x"), EndOfMessage(())):
        with pytest.raises(UsageError, match="before the head"):
            encoder.send(early)
    with pytest.raises(UsageError, match="padded at its end"):
        encoder.send(HEAD, size=100)
    with pytest.raises(UsageError, match="slash"):
        encoder.send(RequestHead("GET", "https", "a", "x", ()))
    wire = encoder.send(HEAD)
    with pytest.raises(UsageError, match="in the content"):
        encoder.send(HEAD)
    with pytest.raises(UsageError):
        encoder.send(EndOfMessage(((b":method", b"x"),)))
    with pytest.raises(UsageError, match="doesn't fit 1"):
        encoder.send(EndOfMessage(()), size=1)
    decode_request(wire + encoder.send(EndOfMessage(())))
    for late in (HEAD, Data(b"x"), EndOfMessage(())):
        with pytest.raises(UsageError, match="after the end"):
            encoder.send(late)
    with pytest.raises(UsageError):
        copy.copy(encoder)


@pytest.mark.parametrize("event", [Informational(200), Informational(99), ResponseHead(600, ()), ResponseHead(100, ())])
def test_statuses_where_they_belong(event):
    with pytest.raises(UsageError, match="status"):
        ResponseEncoder().send(event)


@pytest.mark.parametrize("size", [300, padding.one_of(50, 300, 500), padding.multiple_of(300)])
def test_streams_are_padded_as_whole_messages_are(size):
    encoder = RequestEncoder()
    wire = encoder.send(HEAD) + encoder.send(Data(b"content")) + encoder.send(EndOfMessage(()), size=size)
    assert len(wire) == 300
    request = decode_request(wire)
    assert request.content == b"content"
    assert encode_request(request, framing=Framing.INDETERMINATE, size=size) == wire


def test_padding_policies():
    assert [padding.one_of(8, 4)(length) for length in (0, 4, 5, 8)] == [4, 4, 8, 8]
    with pytest.raises(UsageError, match="largest"):
        padding.one_of(4)(5)
    with pytest.raises(UsageError):
        padding.multiple_of(0)
    assert [padding.multiple_of(4)(length) for length in (0, 1, 4, 5)] == [0, 4, 4, 8]


@given(st.integers(0, 1 << 40))
def test_padme_keeps_its_promises(length):
    padded = padding.padme(length)
    assert length <= padded <= length * 1.12 + 1
    assert padding.padme(padded) == padded
    # At most as many low bits are free as the size's exponent has bits.
    exponent = max(length.bit_length() - 1, 0)
    assert padded % (1 << max(0, exponent - exponent.bit_length())) == 0


def test_padme_of_the_paper():
    # Sizes whose floating-point form needs a mantissa no longer than its exponent stay as they are.
    assert [padding.padme(length) for length in (0, 1, 2, 7, 8, 9, 10, 100, 1000)] == [0, 1, 2, 7, 8, 10, 10, 104, 1024]


REQUEST = Request("POST", "https", "www.example.com", "/a?b=c", ((b"x", b"1"), (b"x", b"2")), b"content")


def test_to_http1_and_back():
    plain = to_http1(REQUEST)
    assert plain == Http1Request(
        "POST",
        "/a?b=c",
        ((b"host", b"www.example.com"), (b"x", b"1"), (b"x", b"2"), (b"content-length", b"7")),
        b"content",
    )
    assert from_http1(plain, scheme="https") == REQUEST


# req: rfc9292/3.6 connection-fields-are-removed
def test_what_frames_or_belongs_to_a_connection_is_taken_off():
    smuggled = (
        (b"transfer-encoding", b"chunked"),
        (b"content-length", b"0"),
        (b"connection", b"close, X-Secret"),
        (b"x-secret", b"1"),
        (b"te", b"trailers"),
        (b"upgrade", b"h2c"),
        (b"accept", b"*/*"),
    )
    plain = to_http1(Request("GET", "https", "a.example", "/", (*smuggled, (b"host", b"A.example:443"))))
    assert plain.fields == ((b"host", b"a.example"), (b"accept", b"*/*"))
    back = from_http1(
        Http1Request("GET", "/", ((b"Host", b"a.example"), *((name.title(), value) for name, value in smuggled))),
        scheme="https",
    )
    assert back.fields == ((b"accept", b"*/*"),)


# req: rfc9292/3.6 cookies-are-joined
def test_cookies_are_joined_by_semicolons():
    """A server that takes several fields for one joins them by commas, and reads other cookies than were sent."""
    for values, joined in (
        ((b"a=1",), b"a=1"),
        ((b"a=1; b=2", b"c=3", b"a=1"), b"a=1; b=2; c=3; a=1"),
        ((b"", b"a=1", b""), b"a=1"),
    ):
        lines = tuple((b"cookie", value) for value in values)
        plain = to_http1(Request("GET", "https", "a", "/", (*lines, (b"x", b"1"), (b"x", b"2"))))
        assert plain.fields == ((b"host", b"a"), (b"x", b"1"), (b"x", b"2"), (b"cookie", joined))
    assert to_http1(Request("GET", "https", "a", "/", ((b"cookie", b""),) * 2)).fields == ((b"host", b"a"),)


HOSTS = ("a.example", "A.example", "a.example:443", "b.example:8443")


@given(
    host=st.sampled_from([None, *HOSTS]),
    authority=st.sampled_from(HOSTS),
    fields=st.lists(
        st.sampled_from([(b"x", b"1"), (b"te", b"trailers"), (b"connection", b"x"), (b"content-length", b"5")])
    ),
    content=st.binary(max_size=9),
)
def test_what_a_decoder_gives_survives_http1(host, authority, fields, content):
    lines = tuple(fields) + (() if host is None else ((b"host", host.encode()),))
    sent = Request("POST", "https", authority, "/", lines, content)
    try:
        wire = encode_request(sent)
    except UsageError:  # a host that isn't the authority
        return
    plain = to_http1(decode_request(wire))
    assert [value for name, value in plain.fields if name == b"host"] == [authority.encode()]
    back = from_http1(plain, scheme="https")
    assert (back.authority, back.path, back.content) == (authority, "/", content)


def test_pseudo_fields_stay_behind():
    assert to_http1(Request("GET", "https", "a", "/", ((b":protocol", b"x"),))).fields == ((b"host", b"a"),)


@pytest.mark.parametrize(
    "request_",
    [
        Request("GET", "https", "", "/"),
        Request("CONNECT", "", "a:1", ""),
        Request("GET", "https", "a", "/\r\nx"),
        Request("GET", "https", "a", "/", ((b"X", b"1"),)),
    ],
    ids=["no authority", "connect", "line end", "field name"],
)
def test_what_http1_cannot_carry(request_):
    with pytest.raises(UsageError):
        to_http1(request_)


@pytest.mark.parametrize(
    ("target", "authority", "path"),
    [
        ("/x", "a.example", "/x"),
        ("https://a.example", "a.example", "/"),
        ("HTTPS://A.example:443/y?z", "A.example:443", "/y?z"),
    ],
)
def test_forms_of_the_target(target, authority, path):
    request = from_http1(Http1Request("GET", target, ((b"host", b"a.example"),)), scheme="https")
    assert (request.authority, request.path) == (authority, path)


def test_asterisk_form():
    assert from_http1(Http1Request("OPTIONS", "*", ((b"host", b"a"),)), scheme="http").path == "*"


@pytest.mark.parametrize(
    "received",
    [
        Http1Request("GET", "/", ()),
        Http1Request("GET", "/", ((b"host", b"a"), (b"Host", b"a"))),
        Http1Request("GET", "/", ((b"host", b""),)),
        Http1Request("GET", "/", ((b"host", b"u@a"),)),
        Http1Request("GET", "http://a/", ((b"host", b"a"),)),
        Http1Request("GET", "https://b/", ((b"host", b"a"),)),
        Http1Request("GET", "x", ((b"host", b"a"),)),
        Http1Request("CONNECT", "a:1", ((b"host", b"a:1"),)),
        Http1Request("CONNECT", "/", ((b"host", b"a:1"),)),
        Http1Request("GET", "/", ((b"host", b"a"), (b"content-length", b"1"))),
        Http1Request("POST", "/", ((b"host", b"a"), (b"content-length", b"1"), (b"content-length", b"2")), b"x"),
        Http1Request("GET", "/", ((b"host", b"a"), (b":path", b"/"))),
        Http1Request("GET", "/", ((b"host", b"a"), (b":other", b"/"))),
        Http1Request("GET", "/", ((b"host", b"a"), (b"x", b"a\nb"))),
        Http1Request("G ET", "/", ((b"host", b"a"),)),
    ],
)
def test_http1_requests_that_are_refused(received):
    with pytest.raises(DecodeError):
        from_http1(received, scheme="https")


@given(
    method=st.text(max_size=5),
    target=st.text(max_size=12),
    fields=st.lists(st.tuples(st.binary(max_size=8), st.binary(max_size=8)), max_size=3),
)
def test_anything_over_http1_is_a_request_or_a_peer_error(method, target, fields):
    with contextlib.suppress(PeerError):
        from_http1(Http1Request(method, target, tuple(fields)), scheme="https")
