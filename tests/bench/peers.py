"""The peers of :mod:`tests.interop` beside this library: each times itself inside of its driver, in the same run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from privproc import hpke
from tests.bench.measure import Operation, measure
from tests.bench.operations import hpke as ours
from tests.bench.operations.hpke import MESSAGE
from tests.interop.peers import CIRCL, CORE, KEMS, OHTTP_RS, PANVA, TWOWAY, Drivers, Peer

SUITES = {
    kem: hpke.Suite(kem, hpke.Kdf.HKDF_SHA256, hpke.Aead.AES_128_GCM)
    for kem in (hpke.Kem.X25519_SHA256, hpke.Kem.P256_SHA256, hpke.Kem.X_WING)
}


def ohttp_exchange(suite: hpke.Suite) -> Operation:
    return ours.ohttp_exchange("", suite, MESSAGE, None)


def hpke_message(suite: hpke.Suite) -> Operation:
    private = hpke.PrivateKey.generate(suite.kem)

    def run(_: None) -> bytes:
        enc, sender = hpke.setup_sender(suite, private.public_key, b"")
        return hpke.setup_recipient(suite, private, enc, b"").open(sender.seal(MESSAGE))

    return Operation("", run, None)


OPERATIONS = {
    "OHTTP exchange": (ohttp_exchange, "ohttp.bench", (OHTTP_RS, TWOWAY)),
    "HPKE, one message": (hpke_message, "hpke.bench", (CIRCL, PANVA, CORE)),
}


@dataclass(frozen=True)
class Comparison:
    """Microseconds of one operation, the least of many batches: here, and at the peer (or why there are none)."""

    name: str
    peer: Peer
    here: float
    there: float | str

    @property
    def row(self) -> list[str]:
        if isinstance(self.there, str):
            return [self.name, str(self.peer), f"{self.here:.0f}", self.there, ""]
        return [self.name, str(self.peer), f"{self.here:.0f}", f"{self.there:.0f}", f"{self.there / self.here:.2f}"]


def comparisons(text: str, *, seconds: float) -> Iterator[Comparison]:
    """Those with ``text`` in their names, both ends of 1 KiB; ``seconds`` for each side."""
    drivers = Drivers(timed=True)
    try:
        for operation, (make, call, peers) in OPERATIONS.items():
            for kem, suite in SUITES.items():
                name = f"{operation}, {kem.name}, beside peers"
                if text in name:
                    here = min(measure(make(suite), seconds=seconds).times) / 1e3
                    yield from (
                        Comparison(name, peer, here, _there(drivers, peer, call, suite, seconds))
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
