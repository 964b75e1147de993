"""The CDN: independently operated mirrors that serve what was published."""

from __future__ import annotations

from privproc.http import Request, Response
from tests.world.wire import Wire

NAMES = ("mirror-a.example", "mirror-b.example", "mirror-c.example")
PATH = "/privproc/1/directory"
ROSTER = "/privproc/1/nodes"


def request_head(request: Request) -> bytes:
    """Method, URL and fields, a line each."""
    first = f"{request.method} {request.url}".encode()
    return b"\n".join((first, *(b"%s: %s" % line for line in request.fields)))


class Mirrors:
    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self.served: dict[str, bytes] = {}
        self.rosters: dict[str, bytes] = {}

    def publish(self, data: bytes) -> None:
        self.served = dict.fromkeys(NAMES, data)

    def handle(self, request: Request) -> Response:
        head = self._wire.cross("relay → cdn", request_head(request))
        self._wire.see("cdn", head)
        served = {PATH: self.served, ROSTER: self.rosters}.get(request.path.partition("?")[0], {})
        if request.method != "GET" or request.authority not in served:
            return Response(404)
        data = self._wire.cross(f"cdn → device ({request.authority})", served[request.authority])
        self._wire.see("cdn", data)
        return Response(200, ((b"content-type", b"application/octet-stream"),), data)
