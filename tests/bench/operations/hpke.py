"""HPKE and OHTTP."""

from __future__ import annotations

from collections.abc import Iterator

from privproc import hpke, ohttp, session, trust
from privproc.keyconfig import GatewayKey, KeyRing, select
from tests.bench import floors
from tests.bench.measure import Operation
from tests.bench.parties import AT

KIB = 1024
MESSAGE = bytes(KIB)
INFO = b"message/bhttp request\0" + bytes(7)

X25519 = hpke.Suite(hpke.Kem.X25519_SHA256, hpke.Kdf.HKDF_SHA256, hpke.Aead.AES_128_GCM)
P256 = hpke.Suite(hpke.Kem.P256_SHA256, hpke.Kdf.HKDF_SHA256, hpke.Aead.AES_128_GCM)
XWING = session.SUITES[0]


def operations() -> Iterator[Operation]:
    yield ohttp_exchange("OHTTP exchange, X25519", X25519, floors.X25519_SUITE)
    yield ohttp_exchange("OHTTP exchange, X-Wing", XWING, floors.XWING_SUITE)
    yield hpke_seal("HPKE set-up and seal, X25519", X25519, floors.X25519_SUITE, bound=1.1)
    yield hpke_seal("HPKE set-up and seal, P-256", P256, floors.P256_SUITE)
    yield hpke_seal("HPKE set-up and seal, X-Wing", XWING, floors.XWING_SUITE)
    yield hpke_open("HPKE set-up and open, X25519", X25519, floors.X25519_SUITE)
    yield hpke_open("HPKE set-up and open, P-256", P256, floors.P256_SUITE)
    yield hpke_open("HPKE set-up and open, X-Wing", XWING, floors.XWING_SUITE)


def ohttp_exchange(name: str, suite: hpke.Suite, floor: floors.SuiteFloor) -> Operation:
    key = GatewayKey(1, hpke.PrivateKey.generate(suite.kem), (suite,), AT, AT + 1)
    ring = KeyRing([key])
    gateway = ohttp.Gateway(ring, max_request=1 << 20)
    selection = trust.pin(select(ring.configs(at=AT), [suite]), b"", not_before=AT, not_after=AT + 1)

    def run(_: None) -> bytes:
        wire, pending = ohttp.begin(selection, at=AT).seal(MESSAGE)
        _message, responder = gateway.open(wire, at=AT)
        return pending.finish(responder.seal(MESSAGE))

    return Operation(name, run, floors.ohttp(floor, KIB, KIB), 1.2)


def hpke_seal(name: str, suite: hpke.Suite, floor: floors.SuiteFloor, bound: float | None = None) -> Operation:
    public = hpke.PrivateKey.generate(suite.kem).public_key

    def run(_: None) -> tuple[bytes, bytes]:
        enc, sender = hpke.setup_sender(suite, public, INFO)
        return enc, sender.seal(MESSAGE)

    return Operation(name, run, floors.hpke_seal(floor, KIB), bound)


def hpke_open(name: str, suite: hpke.Suite, floor: floors.SuiteFloor) -> Operation:
    private = hpke.PrivateKey.generate(suite.kem)
    enc, sender = hpke.setup_sender(suite, private.public_key, INFO)
    sealed = sender.seal(MESSAGE)

    def run(_: None) -> bytes:
        return hpke.setup_recipient(suite, private, enc, INFO).open(sealed)

    return Operation(name, run, floors.hpke_open(floor, KIB))
