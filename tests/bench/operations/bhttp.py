"""Binary HTTP."""

from __future__ import annotations

from collections.abc import Iterator

from privproc import bhttp
from privproc.http import Request, Response
from tests.bench.measure import Operation
from tests.bench.operations.hpke import MESSAGE


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
