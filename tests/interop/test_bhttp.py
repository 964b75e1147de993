"""Binary HTTP with other implementations: encoded there and decoded here, and the reverse."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from privproc.bhttp import Framing, decode_request, decode_response, encode_request, encode_response
from privproc.bhttp.padding import multiple_of
from privproc.http import Informational, Request, Response
from tests.interop.driver import message_words
from tests.interop.peers import BHTTP_GO, BHTTP_JS, BHTTP_RS, difference, named

pytestmark = [pytest.mark.loopback, pytest.mark.interop]

PEERS = (BHTTP_RS, BHTTP_GO, BHTTP_JS)
ENCODERS = [
    (peer, framing) for peer in PEERS for framing in Framing if (peer, framing.name) != (BHTTP_JS, "INDETERMINATE")
]
PADDING = 512

GET = Request("GET", "https", "example.com", "/")
POST = Request("POST", "https", "example.com", "/", ((b"content-type", b"text/plain"),), b"content")
OK = Response(200, ((b"content-type", b"text/plain"),), b"content")

MESSAGES = {
    "request without content": GET,
    "request with content": POST,
    "query string": replace(GET, path="/search?q=a%20b&q=&r"),
    "other port and scheme": replace(GET, scheme="http", authority="example.com:8080"),
    "repeated request fields": replace(GET, fields=((b"accept", b"a"), (b"accept", b"b"), (b"accept", b"c"))),
    "two cookies": replace(GET, fields=((b"cookie", b"a=1"), (b"cookie", b"b=2"))),
    "long field": replace(GET, fields=((b"x-long", b"v" * 5000),)),
    "empty field": replace(GET, fields=((b"x-empty", b""),)),
    "request trailers": replace(POST, trailers=((b"x-sum", b"1"), (b"x-time", b"2"))),
    "large request": replace(POST, content=bytes(range(256)) * 4096),
    "response without content": Response(204),
    "response with content": OK,
    "status 599": Response(599, (), b"content"),
    "repeated response fields": replace(OK, fields=((b"set-cookie", b"a=1"), (b"set-cookie", b"b=2"))),
    "response trailers": replace(OK, trailers=((b"x-sum", b"1"),)),
    "informational responses": replace(
        OK, informational=(Informational(103, ((b"link", b"</a.css>"), (b"link", b"</b.js>"))), Informational(102))
    ),
    "large response": replace(OK, content=bytes(range(256)) * 4096),
}
with_peers = pytest.mark.parametrize("peer", PEERS, indirect=True, ids=named)
with_framings = pytest.mark.parametrize("framing", Framing, ids=named)
with_messages = pytest.mark.parametrize("case", MESSAGES)


@dataclass(frozen=True)
class Codec:
    """This library's, for either kind of message."""

    message: Request | Response

    def encode(self, framing, size=None):
        encode = encode_request if isinstance(self.message, Request) else encode_response
        return encode(self.message, framing=framing, size=size)

    def decode(self, data):
        return (decode_request if isinstance(self.message, Request) else decode_response)(data)


def by_name(fields):
    return tuple(sorted(fields, key=lambda line: line[0]))


def plain(message):
    """Fields in the order of their names, which is all that net/http and the Fetch API keep."""
    interim = getattr(message, "informational", ())
    ordered = [replace(part, fields=by_name(part.fields)) for part in (message, *interim)]
    made = replace(ordered[0], trailers=by_name(message.trailers))
    return replace(made, informational=tuple(ordered[1:])) if interim else made


@pytest.mark.parametrize(("peer", "framing"), ENCODERS, indirect=["peer"], ids=named)
@with_messages
def test_there_to_here(peer, framing, case):
    codec = Codec(MESSAGES[case])
    with difference(peer.peer, f"encodes {case}"):
        words = message_words(codec.message)
        wire = peer.call("bhttp.encode", framing.value, 0, *words).bytes()
        assert wire[0] & 2 == framing.value
        assert plain(codec.decode(wire)) == plain(codec.message)


@with_peers
@with_framings
@with_messages
def test_here_to_there(peer, framing, case):
    codec = Codec(MESSAGES[case])
    with difference(peer.peer, f"decodes {case}"):
        got = peer.call("bhttp.decode", codec.encode(framing)).message()
        assert plain(got) == plain(codec.message)


@with_peers
@with_framings
@pytest.mark.parametrize("case", ["request with content", "response with content"])
def test_padded_here(peer, framing, case):
    codec = Codec(MESSAGES[case])
    with difference(peer.peer, f"decodes {case}"):
        wire = codec.encode(framing, multiple_of(PADDING))
        assert plain(peer.call("bhttp.decode", wire).message()) == plain(codec.message)


@pytest.mark.parametrize("peer", [BHTTP_GO], indirect=True, ids=named)
@with_framings
@pytest.mark.parametrize("case", ["request with content", "response with content", "large response"])
def test_padded_there(peer, framing, case):
    codec = Codec(MESSAGES[case])
    wire = peer.call("bhttp.encode", framing.value, PADDING, *message_words(codec.message)).bytes()
    assert len(wire) % PADDING == 0
    assert plain(codec.decode(wire)) == plain(codec.message)


@with_peers
@with_framings
@pytest.mark.parametrize("message", [GET, Response(200)], ids=["request", "response"])
@pytest.mark.parametrize(("missing", "what"), [(1, "trailers"), (2, "content"), (3, "headers")])
def test_truncated_here(peer, framing, message, missing, what):
    """A message may end before its empty sections (RFC 9292 §3.8), at each of these places."""
    codec = Codec(message)
    short = codec.encode(framing)[:-missing]
    assert codec.decode(short) == message
    with difference(peer.peer, f"decodes {framing.name} that ends before {what}"):
        assert peer.call("bhttp.decode", short).message() == message


@pytest.mark.parametrize("peer", [BHTTP_RS], indirect=True, ids=named)
@with_framings
@with_messages
def test_there_and_back(peer, framing, case):
    """Decoded and encoded again there, in both framings: the only way to get informational responses out of it."""
    codec = Codec(MESSAGES[case])
    with difference(peer.peer, f"decodes {case}"):
        for other in Framing:
            wire = peer.call("bhttp.echo", other.value, codec.encode(framing)).bytes()
            assert wire == codec.encode(other)
