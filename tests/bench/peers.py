"""The peers of :mod:`tests.interop` beside this library: each times itself inside of its driver, in the same run.

The floor of this library's side is beside them: a peer that is below it has faster primitives, not less around them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

from privproc import hpke
from tests.bench import floors
from tests.bench.measure import Operation, measure
from tests.bench.operations import hpke as ours
from tests.bench.operations.hpke import KIB, MESSAGE
from tests.interop.peers import CIRCL, CORE, KEMS, OHTTP_RS, PANVA, TWOWAY, Drivers, Peer

SUITES = {
    kem: hpke.Suite(kem, hpke.Kdf.HKDF_SHA256, hpke.Aead.AES_128_GCM)
    for kem in (hpke.Kem.X25519_SHA256, hpke.Kem.P256_SHA256, hpke.Kem.X_WING)
}


FLOORS = {
    hpke.Kem.X25519_SHA256: floors.X25519_SUITE,
    hpke.Kem.P256_SHA256: floors.P256_SUITE,
    hpke.Kem.X_WING: replace(floors.XWING_SUITE, hash="sha256", key_size=16),
}


def ohttp_exchange(suite: hpke.Suite) -> Operation:
    return ours.ohttp_exchange("", suite, MESSAGE, floors.ohttp(FLOORS[suite.kem], KIB, KIB))


def hpke_message(suite: hpke.Suite) -> Operation:
    private = hpke.PrivateKey.generate(suite.kem)

    def run(_: None) -> bytes:
        enc, sender = hpke.setup_sender(suite, private.public_key, b"")
        return hpke.setup_recipient(suite, private, enc, b"").open(sender.seal(MESSAGE))

    ends = floors.hpke_seal(FLOORS[suite.kem], KIB), floors.hpke_open(FLOORS[suite.kem], KIB)
    return Operation("", run, floors.Floor(*ends[0].calls, *ends[1].calls))


OPERATIONS = {
    "OHTTP exchange": (ohttp_exchange, "ohttp.bench", (OHTTP_RS, TWOWAY)),
    "HPKE, one message": (hpke_message, "hpke.bench", (CIRCL, PANVA, CORE)),
}


@dataclass(frozen=True)
class Comparison:
    """Microseconds of one operation, the least of many batches: here, its floor, and at the peer (or why none)."""

    name: str
    peer: Peer
    here: float
    floor: float
    there: float | str

    @property
    def row(self) -> list[str]:
        head = [self.name, str(self.peer), f"{self.here:.0f}", f"{self.floor:.0f}"]
        if isinstance(self.there, str):
            return [*head, self.there, ""]
        return [*head, f"{self.there:.0f}", f"{self.there / self.here:.2f}"]


def comparisons(pattern: str, *, seconds: float) -> Iterator[Comparison]:
    """Those with ``pattern`` in their names, both ends of 1 KiB; ``seconds`` for each side."""
    drivers = Drivers(timed=True)
    try:
        for operation, (make, call, peers) in OPERATIONS.items():
            for kem, suite in SUITES.items():
                name = f"{operation}, {kem.name}, beside peers"
                if re.search(pattern, name):
                    result = measure(make(suite), seconds=seconds)
                    here, floor = min(result.times) / 1e3, min(result.floors) / 1e3
                    yield from (
                        Comparison(name, peer, here, floor, _there(drivers, peer, call, suite, seconds))
                        for peer in peers
                        if kem in KEMS[peer]
                    )
    finally:
        drivers.close()


def _there(drivers: Drivers, peer: Peer, call: str, suite: hpke.Suite, seconds: float) -> float | str:
    try:
        running = drivers.start(peer)
    except pytest.skip.Exception as skipped:
        return str(skipped)
    return running.call(call, suite.kem, suite.kdf, suite.aead, len(MESSAGE), int(seconds * 1e3)).number() / 1e3
