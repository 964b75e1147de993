"""Who has which message, and how much of it: what crosses between parties, taken apart by ``dissect``."""

from __future__ import annotations

import functools
from collections.abc import Callable

from privproc import ohttp
from tests.unlinkability import dissect
from tests.unlinkability.dissect import Leaf, Leaves, under
from tests.world.mirrors import NAMES as MIRRORS
from tests.world.world import World

WRAPPED = "/privproc/1/wrapped"


class Reading:
    """Reads a world's crossings in their order: what a message is follows from those before it."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._chunked = False
        self._sent = 0
        self._path = ""
        self._receiver = ohttp.RequestReceiver()
        self._to_gateway, self._to_host = dissect.Records(), dissect.Records()

    def leaves(self, boundary: str, data: bytes) -> list[Leaf]:
        """Everything in a message, for whoever has it."""
        _, read = VIEWS[boundary]
        return list(read(self, data))

    def head(self, data: bytes) -> Leaves:
        """What the device says to the relay in the clear: an exchange begins."""
        self._chunked = b"chunked-req" in data
        self._sent, self._path = 0, ""
        self._receiver = ohttp.RequestReceiver()
        self._to_gateway, self._to_host = dissect.Records(), dissect.Records()
        return dissect.text(data)

    def sealed(self, data: bytes) -> Leaves:
        """A request, or a piece of one, to the relay."""
        first, self._sent = not self._sent, self._sent + 1
        return dissect.chunked(data, first=first) if self._chunked else dissect.encapsulated(data)

    def opened(self, data: bytes) -> Leaves:
        """The same to the gateway."""
        gateway, at = self._world.server.gateway._ohttp, self._world.at
        if not self._chunked:
            message, _ = gateway.open(data, at=at)
            inner = list(dissect.inner(message))
            yield from under("ohttp", dissect.encapsulated(data))
        else:
            outer = list(dissect.chunked(data, first=not self._path))
            yield from under("ohttp", iter(outer))
            events = self._receiver.receive_data(data)
            if any(isinstance(event, ohttp.RequestHeader) for event in events):
                events = gateway.accept(self._receiver, at=at)
            if outer[-1][1] == "True":  # the final chunk has no length: it goes to the end
                events += self._receiver.receive_end()
            plaintext = b"".join(event.data for event in events if isinstance(event, ohttp.MessageData))
            inner = list(dissect.inner_piece(plaintext, self._path, self._to_gateway.read))
        self._path = str(dict(inner).get("path", self._path))
        yield from inner

    def to_host(self, data: bytes) -> Leaves:
        """A Delivery, a Forward, or records."""
        if self._path == WRAPPED:
            return dissect.delivery(data)
        return dissect.forward(data) if len(data) == dissect.FORWARD else self._to_host.read(data)

    def from_host(self, data: bytes) -> Leaves:
        """What a node's answer is to those who can't open it, an Offer, or records."""
        return dissect.opaque(data) if self._path == WRAPPED else dissect.from_host(data)


Reader = Callable[[Reading, bytes], Leaves]


def plain(read: Callable[[bytes], Leaves]) -> Reader:
    return lambda _reading, data: read(data)


VIEWS: dict[str, tuple[set[str], Reader]] = {
    "account": ({"issuer"}, plain(dissect.text)),
    "device → issuer": ({"issuer"}, plain(dissect.token_request)),
    "issuer → device": ({"issuer"}, plain(dissect.opaque)),
    "relay → cdn": ({"cdn", "relay"}, plain(dissect.text)),
    "address": ({"relay"}, plain(dissect.text)),
    "device → relay: head": ({"relay"}, Reading.head),
    "device → relay": ({"relay"}, Reading.sealed),
    "relay → device": ({"relay"}, plain(dissect.size)),
    "relay → gateway": ({"gateway"}, Reading.opened),
    "gateway → relay": ({"gateway"}, plain(dissect.size)),
    "gateway → host": ({"gateway", "host"}, Reading.to_host),
    "host → gateway": ({"gateway", "host"}, Reading.from_host),
    "host: endorsements": ({"host"}, plain(dissect.opaque)),
    "host: log proof": ({"host"}, plain(dissect.opaque)),
    "enclave: response key": ({"enclave"}, plain(dissect.opaque)),
    "enclave: question": ({"enclave"}, plain(dissect.opaque)),
    "enclave: nonce of a renewal": ({"enclave"}, plain(dissect.opaque)),
    "enclave: content secret": ({"enclave"}, plain(dissect.opaque)),
    **{f"cdn → device ({name})": ({"cdn"}, plain(dissect.opaque)) for name in MIRRORS},
}
"""Who has each message, and how it is read. Crossings that are missing repeat one that is here."""

REPEATS = {"host → enclave", "enclave → host"}


def leaves(world: World) -> tuple[tuple[str, tuple[Leaf, ...]], ...]:
    """All messages of a world so far: the boundary that each crossed, and its leaves."""
    return _leaves(world, len(world.wire.crossings))


@functools.lru_cache(maxsize=8)
def _leaves(world: World, count: int) -> tuple[tuple[str, tuple[Leaf, ...]], ...]:
    reading = Reading(world)
    return tuple(
        (boundary, tuple(reading.leaves(boundary, data)))
        for boundary, data in world.wire.crossings[:count]
        if boundary not in REPEATS
    )
