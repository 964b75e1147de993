"""What is measured. Messages have 1 KiB; keys, logs and packages come from :func:`tests.bench.parties.parties`."""

from __future__ import annotations

from collections.abc import Iterator

from tests.bench.growth import Growth
from tests.bench.held import Held
from tests.bench.measure import Operation, Stream
from tests.bench.operations import bhttp, credential, evidence, hpke, session, token

LAYERS = hpke, bhttp, evidence, token, credential, session


def operations() -> Iterator[Operation]:
    for layer in LAYERS:
        yield from layer.operations()


def streams() -> Iterator[Stream]:
    for layer in (hpke, session):
        yield from layer.streams()


def held() -> Iterator[Held]:
    yield from session.held()


def growths() -> Iterator[Growth]:
    yield from session.growths()
