"""What is fuzzed: every public decoder and verifier, the incremental ones against those, and the steps that a peer's
bytes reach.

A target takes bytes; it may return, or raise :class:`PeerError`. Anything else is a finding.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from privproc import bhttp, ohttp, session
from privproc.errors import PeerError
from privproc.keyconfig import select
from privproc.ohttp import RequestHeader
from privproc.responsekey import Announcement
from privproc.session import messages, wrapped
from tests.fuzz.verifiers import verifiers
from tests.test_boundaries import AT, FOUND, WORLD, Decoder, bound, samples
from tests.world.fleet import Fleet
from tests.world.world import ROLE

VECTORS = Path(__file__).resolve().parent.parent.parent / "vectors"
MAX_SEED = 4096
SEEDS = 40

Target = Callable[[bytes], object]


@dataclass(frozen=True)
class Canonical:
    """A decoder of a canonical format: what it takes encodes to the same bytes."""

    decoder: Decoder

    def __call__(self, data: bytes) -> None:
        value = self.decoder.decode(data)
        assert self.decoder.encode is not None
        if self.decoder.encode(value) != data:
            raise AssertionError("decoded, and encoded to other bytes")


NOT_CANONICAL = {
    "bhttp.decoder.decode_request",  # padding, and lengths in longer forms than need be (RFC 9292 §3.8)
    "bhttp.decoder.decode_response",
    "session.contents.Contents, with demands",
    "session.contents.Contents",  # the issuer's directory in it is JSON (RFC 9578 §4)
}


def targets() -> dict[str, Target]:
    """By name, in a fixed order."""
    found: dict[str, Target] = {name: bound(name) for name in FOUND}
    for name, decoder in samples().items():
        canonical = decoder.encode is not None and decoder.exact and name not in NOT_CANONICAL
        found[name] = Canonical(decoder) if canonical else decoder.decode
    found |= {
        "pieces of a Binary HTTP request": functools.partial(in_pieces, bhttp.RequestDecoder, bhttp.decode_request),
        "pieces of a Binary HTTP response": functools.partial(in_pieces, bhttp.ResponseDecoder, bhttp.decode_response),
        "chunks of an OHTTP request": chunked_request,
        "a gateway": gateway,
        "a node": lambda data: fleet().servers[0].node.open(data, at=AT),
        "a roster": roster,
        "an enclave": lambda data: WORLD.machine.enclave.open(data, at=AT),
        "a device": device,
        "a directory": directory,
    }
    found |= {name: decoder.decode for name, decoder in verifiers().items()}
    return dict(sorted(found.items()))


def verdict(read: Callable[[], object]) -> str:
    try:
        read()
    except PeerError as error:
        return type(error).__name__
    return "taken"


def in_pieces(incremental: Any, whole: Target, data: bytes) -> None:
    """The same verdict in one piece, and in pieces of which the first byte says how large they are."""
    if not data:
        return
    size, message = data[0] + 1, data[1:]

    def read() -> None:
        decoder = incremental()
        for at in range(0, len(message), size):
            decoder.receive_data(message[at : at + size])
        decoder.end_of_data()

    if verdict(read) != verdict(lambda: whole(message)):
        raise AssertionError("another verdict in pieces")


def chunked_request(data: bytes) -> None:
    """In pieces of seven bytes, opened as soon as the header is there."""
    receiver = ohttp.RequestReceiver()
    for at in range(0, len(data), 7):
        if any(isinstance(event, RequestHeader) for event in receiver.receive_data(data[at : at + 7])):
            WORLD.server.gateway._ohttp.accept(receiver, at=AT)
    receiver.receive_end()


@functools.cache
def exchange() -> session.gateway._Exchange:
    """A request that a gateway has decapsulated, of the right size."""
    selection = WORLD.learn().contents.map(lambda contents: select(contents.keys, session.SUITES))
    wire, _ = ohttp.begin(selection, at=AT).seal(b"")
    _, opened = WORLD.server.gateway.open(wire, at=AT)._look()
    return opened._replace(size=WORLD.contents.up)


def gateway(data: bytes) -> None:
    """What the relay brings, and the same bytes as what it carried."""
    verdict(lambda: session.Exchange(data, exchange()).read(at=AT))
    WORLD.server.gateway.open(data, at=AT)


def device(data: bytes) -> None:
    """The content of a first answer."""
    offer = messages.Offer.decode(messages.Opened.decode(data).offer)
    Announcement.decode(offer.announcement)


def directory(data: bytes) -> None:
    """Bytes of every mirror."""
    anchors = WORLD.anchors
    copies = [(name, data) for name in anchors.mirrors]
    session.learn(copies, anchors, memory=session.Memory.first(anchors), at=AT)


@functools.cache
def fleet() -> Fleet:
    return Fleet(WORLD)


def roster(data: bytes) -> None:
    """The nodes that every mirror shows."""
    copies = [(name, data) for name in WORLD.anchors.mirrors]
    wrapped.learn_nodes(copies, WORLD.learn(), role=ROLE, anchors=WORLD.anchors, at=AT)


@functools.cache
def published() -> tuple[bytes, ...]:
    """Every value in hexadecimal of every vector file: other people's valid and invalid messages."""
    found: dict[bytes, None] = {}
    for file in sorted(VECTORS.rglob("*.json")):
        for value in re.findall(r'"((?:[0-9a-f]{2})+)"', json.dumps(json.loads(file.read_bytes())["cases"])):
            found[bytes.fromhex(value)] = None
    return tuple(data for data in found if len(data) <= MAX_SEED)


def seeds(name: str, target: Target, most: int = SEEDS) -> list[bytes]:
    """The sample of a decoder, and published bytes that it takes; that of a verifier, whose keys nobody else has."""
    if name in verifiers():
        return [verifiers()[name].sample]
    found = [samples()[name].sample] if name in samples() else []
    for data in published():
        if len(found) >= most:
            break
        if verdict(lambda data=data: target(data)) == "taken":  # type: ignore[misc]
            found.append(data)
    return found
