"""The relay: knows who asks and not what. Passes encapsulated requests on, and fetches from mirrors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from privproc.http import Request, Response
from privproc.session import Relay
from tests.world.gateway import GatewayServer
from tests.world.mirrors import Mirrors
from tests.world.wire import Wire

ROUTE = Relay("relay.example", "/ohttp")


class RelayServer:
    def __init__(self, wire: Wire, gateway: GatewayServer, mirrors: Mirrors) -> None:
        self._wire = wire
        self._gateway = gateway
        self._mirrors = mirrors

    def handle(self, request: Request, *, address: bytes, at: int) -> Response:
        """What a device at ``address`` sends; no field of its own is passed on."""
        self._wire.see("relay", address, request.url.encode(), request.content)
        if request.authority != ROUTE.authority:
            return self._mirrors.handle(Request(request.method, request.scheme, request.authority, request.path))
        forwarded = self._wire.cross("relay → gateway", self._wire.cross("device → relay", request.content))
        response = self._gateway.handle(forwarded, at=at)
        content = self._wire.cross("relay → device", self._wire.cross("gateway → relay", response.content))
        self._wire.see("relay", content)
        return Response(response.status, response.fields, content)

    def stream(self, request: Request, pieces: Iterable[bytes], *, address: bytes, at: int) -> Iterator[Response]:
        """The same for a chunked request whose content comes in pieces: the response's head, then pieces of content."""
        self._wire.see("relay", address, request.url.encode())

        def up() -> Iterator[bytes]:
            for piece in pieces:
                self._wire.see("relay", piece)
                yield self._wire.cross("relay → gateway", self._wire.cross("device → relay", piece))

        for response in self._gateway.stream(up(), at=at):
            content = self._wire.cross("relay → device", self._wire.cross("gateway → relay", response.content))
            self._wire.see("relay", content)
            yield Response(response.status, response.fields, content)
