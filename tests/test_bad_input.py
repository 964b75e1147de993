"""Bad input costs its sender: bounded memory and linear time for a stream of any size, and one way to every refusal."""

from __future__ import annotations

import contextlib
import gc
import random
import sys
import tracemalloc
from collections.abc import Callable

import pytest

from privproc import bhttp, hpke, ohttp, trust
from privproc.bhttp import Framing
from privproc.errors import OpenError, PeerError
from privproc.http import Request, Response
from privproc.keyconfig import GatewayKey, KeyRing, select

AT = 1_800_000_000
REQUEST = bhttp.encode_request(Request("GET", "https", "a.example", "/"), framing=Framing.INDETERMINATE)[:-3]
RESPONSE = bhttp.encode_response(Response(200), framing=Framing.INDETERMINATE)[:-3]


def suite_of(kem: hpke.Kem) -> hpke.Suite:
    return hpke.Suite(kem, hpke.Kdf.HKDF_SHA256, hpke.Aead.AES_128_GCM)


def parties(suite: hpke.Suite) -> tuple[ohttp.Gateway, trust.Trusted]:
    ring = KeyRing([GatewayKey(1, hpke.PrivateKey.generate(suite.kem), (suite,), AT, AT + 1)])
    selection = trust.pin(select(ring.configs(at=AT), [suite]), b"", not_before=AT, not_after=AT + 1)
    return ohttp.Gateway(ring, max_request=1 << 20), selection


GATEWAY, SELECTION = parties(suite_of(hpke.Kem.X25519_SHA256))


class Requests:
    """A gateway's channel, whose key is there at once."""

    def __init__(self) -> None:
        self._receiver = ohttp.RequestReceiver()
        sender, _ = ohttp.begin_chunked(SELECTION, at=AT).stream()
        self._receiver.receive_data(sender.send(b"?"))
        GATEWAY.accept(self._receiver, at=AT)

    def receive_data(self, data: bytes) -> object:
        return self._receiver.receive_data(data)


def responses() -> ohttp.ResponseReceiver:
    return ohttp.begin_chunked(SELECTION, at=AT).stream()[1]


def begun(decoder: bhttp.RequestDecoder | bhttp.ResponseDecoder, head: bytes) -> object:
    decoder.receive_data(head)
    return decoder


CHANNELS = {
    "chunked request": ohttp.RequestReceiver,
    "chunked request, opened": Requests,
    "chunked response": responses,
    "BHTTP request": bhttp.RequestDecoder,
    "BHTTP request, in its fields": lambda: begun(bhttp.RequestDecoder(), REQUEST),
    "BHTTP response": bhttp.ResponseDecoder,
    "BHTTP response, in its fields": lambda: begun(bhttp.ResponseDecoder(), RESPONSE),
}
SIZE = 1 << 20
RANDOM = random.Random(3).randbytes(SIZE)
GARBAGE = {
    "random": RANDOM,
    "zeros": bytes(SIZE),
    "largest lengths": b"\xff" * SIZE,
    "short lengths": b"\x3f" * SIZE,
    "lengths of a chunk": b"\x60\x0f" * (SIZE // 2),
    "field lines": b"\x01a\x01b" * (SIZE // 4),
    "one long field": b"\x01a\x80\x00\xff\xff" + b"v" * SIZE,
    "chunks of one byte": b"\0" + b"\x01x" * (SIZE // 32),
}


def feed(make: Callable[[], object], data: bytes, piece: int) -> None:
    channel = make()
    for start in range(0, len(data), piece):
        with contextlib.suppress(PeerError):  # and the peer goes on, as it may
            channel.receive_data(data[start : start + piece])


@pytest.mark.parametrize("piece", [1400, 1 << 16])
@pytest.mark.parametrize("garbage", GARBAGE)
@pytest.mark.parametrize("channel", CHANNELS)
def test_garbage_of_any_size_takes_bounded_memory(channel, garbage, piece):
    feed(CHANNELS[channel], GARBAGE[garbage][:1000], piece)  # what is made once
    tracemalloc.start()
    try:
        feed(CHANNELS[channel], GARBAGE[garbage], piece)
        assert tracemalloc.get_traced_memory()[1] < 200_000 + 8 * piece
    finally:
        tracemalloc.stop()


def steps(call: Callable[[], object]) -> int:
    """Calls of functions, of Python and of C."""
    count = 0

    def note(_frame, _event, _argument) -> None:
        nonlocal count
        count += 1

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        call()
    finally:
        sys.setprofile(before)
    return count


@pytest.mark.parametrize("garbage", GARBAGE)
@pytest.mark.parametrize("channel", CHANNELS)
def test_garbage_takes_linear_time(channel, garbage):
    data, piece = GARBAGE[garbage], 256
    few, many = (steps(lambda size=size: feed(CHANNELS[channel], data[:size], piece)) for size in (1 << 15, 1 << 17))
    assert many < 4.5 * few + 200


@pytest.mark.parametrize("garbage", GARBAGE)
def test_a_whole_message_of_garbage_is_refused(garbage):
    for head, decode in ((REQUEST, bhttp.decode_request), (RESPONSE, bhttp.decode_response)):
        if head + GARBAGE[garbage] == head + bytes(SIZE):
            continue  # a message and its padding
        for data in (GARBAGE[garbage], head + GARBAGE[garbage]):
            with pytest.raises(PeerError):
                decode(data)
    with pytest.raises(PeerError):
        GATEWAY.open(GARBAGE[garbage], at=AT)


def way(call: Callable[[], object]) -> list[str]:
    """The functions that a refusal goes through, in order."""
    found: list[str] = []

    def note(frame, event, argument) -> None:
        if event == "call":
            found.append(frame.f_code.co_qualname)
        elif event == "c_call":
            found.append(argument.__qualname__)

    before = sys.getprofile()
    gc.disable()  # its callbacks would be in the way
    sys.setprofile(note)
    try:
        with pytest.raises(OpenError):
            call()
    finally:
        sys.setprofile(before)
        gc.enable()
    return found


@pytest.mark.parametrize("kem", [hpke.Kem.X25519_SHA256, hpke.Kem.P256_SHA256, hpke.Kem.X_WING])
def test_whatever_doesnt_open_goes_the_same_way(kem):
    """Time can't tell causes apart, where all take the same steps over bytes of the same number."""
    suite = suite_of(kem)
    gateway, selection = parties(suite)
    wire, _ = ohttp.begin(selection, at=AT).seal(bytes(100))
    other, _ = ohttp.begin(selection, at=AT).seal(bytes(100))
    start = 7 + kem.Nenc
    causes = {
        "first byte": wire[:start] + bytes((wire[start] ^ 1,)) + wire[start + 1 :],
        "last byte": wire[:-1] + bytes((wire[-1] ^ 1,)),
        "another encapsulation": other[:start] + wire[start:],
        "another key": ohttp.begin(parties(suite)[1], at=AT).seal(bytes(100))[0],
        "nothing of it": wire[:start] + bytes(len(wire) - start),
    }
    ways = {cause: way(lambda wire=wire: gateway.open(wire, at=AT)) for cause, wire in causes.items()}
    assert len({tuple(taken) for taken in ways.values()}) == 1
    responses = []
    for broken in (lambda wire: wire[:-1] + b"?", lambda wire: bytes(len(wire)), lambda wire: b"?" + wire[1:]):
        wire, pending = ohttp.begin(selection, at=AT).seal(b"?")
        answer = broken(gateway.open(wire, at=AT)[1].seal(bytes(100)))
        responses.append(way(lambda pending=pending, answer=answer: pending.finish(answer)))
    assert len(set(map(tuple, responses))) == 1
