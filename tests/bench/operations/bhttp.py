"""Binary HTTP."""

from __future__ import annotations

from collections.abc import Iterator

from privproc import bhttp
from privproc.http import Request, Response
from tests.bench.measure import Operation
from tests.bench.operations.hpke import MESSAGE

LONG = (
    *((b"x-field-%d" % number, b"value %d of a request with many fields" % number) for number in range(27)),
    (b"user-agent", b"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0"),
    (b"accept", b"text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"),
    (b"cookie", b"id=" + b"0123456789abcdef" * 8),
)


def operations() -> Iterator[Operation]:
    fields = ((b"content-type", b"application/json"), (b"accept", b"*/*"), (b"date", b"Tue, 15 Nov 1994 08:12:31 GMT"))
    request = Request("POST", "https", "gateway.example", "/privproc/1/open", fields, MESSAGE)
    response = Response(200, fields, MESSAGE)
    yield Operation("BHTTP request: encode", lambda _: bhttp.encode_request(request), None)
    encoded = bhttp.encode_request(request)
    yield Operation("BHTTP request: decode", lambda _: bhttp.decode_request(encoded), None)
    yield Operation("BHTTP response: encode", lambda _: bhttp.encode_response(response), None)
    sealed = bhttp.encode_response(response)
    yield Operation("BHTTP response: decode", lambda _: bhttp.decode_response(sealed), None)
    for framing in bhttp.Framing:
        yield from _thirty_fields(framing)


def _thirty_fields(framing: bhttp.Framing) -> Iterator[Operation]:
    request, name = Request("POST", "https", "service.example", "/ask?n=1", LONG, MESSAGE), framing.name.lower()
    encoded = bhttp.encode_request(request, framing=framing)
    yield Operation(
        f"BHTTP request, 30 fields, {name}: encode",
        lambda _: bhttp.encode_request(request, framing=framing),
        None,
        limit=45,
    )
    yield Operation(
        f"BHTTP request, 30 fields, {name}: decode", lambda _: bhttp.decode_request(encoded), None, limit=45
    )
