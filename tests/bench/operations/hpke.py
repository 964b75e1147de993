"""HPKE and OHTTP."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from privproc import hpke, ohttp, session, trust
from privproc.keyconfig import GatewayKey, KeyRing, Selection, select
from tests.bench import floors
from tests.bench.measure import Operation, Stream
from tests.bench.parties import AT

KIB = 1024
MESSAGE = bytes(KIB)
INFO = b"message/bhttp request\0" + bytes(7)

X25519 = hpke.Suite(hpke.Kem.X25519_SHA256, hpke.Kdf.HKDF_SHA256, hpke.Aead.AES_128_GCM)
P256 = hpke.Suite(hpke.Kem.P256_SHA256, hpke.Kdf.HKDF_SHA256, hpke.Aead.AES_128_GCM)
XWING = session.SUITES[0]


def operations() -> Iterator[Operation]:
    for name, suite, floor in (("X25519", X25519, floors.X25519_SUITE), ("X-Wing", XWING, floors.XWING_SUITE)):
        yield ohttp_exchange(f"OHTTP exchange, {name}", suite, MESSAGE, floors.ohttp(floor, KIB, KIB), 1.15)
    large = bytes(1 << 20)
    aead = floors.ohttp_aead(floors.X25519_SUITE, len(large))
    yield ohttp_exchange("OHTTP exchange, X25519, 1 MiB", X25519, large, aead, 1.5)
    yield hpke_seal("HPKE set-up and seal, X25519", X25519, floors.X25519_SUITE, bound=1.1)
    yield hpke_seal("HPKE set-up and seal, P-256", P256, floors.P256_SUITE)
    yield hpke_seal("HPKE set-up and seal, X-Wing", XWING, floors.XWING_SUITE)
    yield hpke_open("HPKE set-up and open, X25519", X25519, floors.X25519_SUITE)
    yield hpke_open("HPKE set-up and open, P-256", P256, floors.P256_SUITE)
    yield hpke_open("HPKE set-up and open, X-Wing", XWING, floors.XWING_SUITE)


def streams() -> Iterator[Stream]:
    """At the size of chunk that every receiver takes. Pieces of four chunks."""
    chunk, count = ohttp.MAX_CHUNK, 4
    piece, size = chunk * count, 256 << 20

    def opener(fed: int) -> Callable[[], OpenStream]:
        return lambda: OpenStream(piece, fed)

    def floor() -> floors.OpenStream:
        return floors.OpenStream(chunk, count)

    yield Stream("chunked sealer", piece, lambda: SealStream(piece), lambda: floors.SealStream(chunk, count), 0.6, size)
    yield Stream("chunked opener, 64 KiB", piece, opener(1 << 16), floor, 0.5, size)
    yield Stream("chunked opener, 16 KiB", piece, opener(1 << 14), floor, 0.5, size)
    yield Stream("chunked opener, 1,400 B", piece, opener(1400), floor, 0.25, size)


def ohttp_exchange(
    name: str, suite: hpke.Suite, message: bytes, floor: floors.Floor, bound: float | None = None
) -> Operation:
    gateway, selection = _pinned(suite)

    def run(_: None) -> bytes:
        wire, pending = ohttp.begin(selection, at=AT).seal(message)
        _message, responder = gateway.open(wire, at=AT)
        return pending.finish(responder.seal(message))

    return Operation(name, run, floor, bound)


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


def _pinned(suite: hpke.Suite) -> tuple[ohttp.Gateway, trust.Trusted[Selection]]:
    key = GatewayKey(1, hpke.PrivateKey.generate(suite.kem), (suite,), AT, AT + 1)
    ring = KeyRing([key])
    selection = select(ring.configs(at=AT), [suite])
    return ohttp.Gateway(ring, max_request=1 << 21), trust.pin(selection, b"", not_before=AT, not_after=AT + 1)


class SealStream:
    """A chunked request as its sender makes it."""

    def __init__(self, piece: int) -> None:
        _gateway, selection = _pinned(X25519)
        self.sender, _receiver = ohttp.begin_chunked(selection, at=AT).stream()
        self._data = bytes(piece)

    def ready(self) -> bytes:
        return self._data

    def piece(self, data: bytes) -> object:
        return self.sender.send(data)


class OpenStream:
    """A chunked response as its receiver gets it, ``fed`` bytes at a time."""

    def __init__(self, piece: int, fed: int) -> None:
        gateway, selection = _pinned(X25519)
        sender, self._receiver = ohttp.begin_chunked(selection, at=AT).stream()
        request = ohttp.RequestReceiver()
        request.receive_data(sender.send(b"?"))
        opened = gateway.accept(request, at=AT)[0]
        self._sender = opened.responder.stream()
        self._data, self._fed, self._rest = bytes(piece), fed, b""

    def ready(self) -> list[bytes]:
        wire = self._rest + self._sender.send(self._data)
        end = len(wire) // self._fed * self._fed
        self._rest = wire[end:]
        return [wire[start : start + self._fed] for start in range(0, end, self._fed)]

    def piece(self, pieces: list[bytes]) -> object:
        receive = self._receiver.receive_data
        return [receive(one) for one in pieces]
