"""What a gateway makes of a chunked request, whatever its split. ``after``: what had come when it was refused."""

from __future__ import annotations

from privproc.errors import PeerError
from privproc.hpke import Kem, PrivateKey, Suite
from privproc.keyconfig import GatewayKey
from privproc.ohttp import MessageData, MessageEnd, RequestHeader, RequestOpened, RequestReceiver
from privproc.secret import Secret
from privproc.vectors.case import Case, raises


# req: chunked08/6 empty-chunk-is-an-error
def run(case: Case) -> None:
    kem = Kem(case["kem"])
    suites = tuple(Suite.from_ids(kem, *pair) for pair in case["suites"])
    private = PrivateKey.decode(kem, Secret(case.hex("private")))
    key = GatewayKey(case["key_id"], private, suites, 0, 1)
    expected = [bytes.fromhex(piece) for piece in case["pieces"]]
    wire = case.hex("wire")
    for size in (1, 7, max(len(wire), 1)):
        pieces = []
        receiver = RequestReceiver()
        if case.expect is None:
            take(receiver, key, wire, size, pieces)
            assert pieces == [*expected, None]
            continue
        with raises(case.expect) as caught:
            take(receiver, key, wire, size, pieces)
        assert type(caught.value) is case.expect
        assert pieces in (expected, []) if size > 1 else pieces == expected
        for call in (lambda: receiver.receive_data(b""), receiver.receive_end):  # noqa: B023
            with raises(PeerError) as again:
                call()
            assert (type(again.value), again.value.args) == (type(caught.value), caught.value.args)


def take(receiver, key, wire, size, pieces):
    """``None`` among the pieces is the end."""
    for start in range(0, len(wire), size):
        events = receiver.receive_data(wire[start : start + size])
        if events and isinstance(events[-1], RequestHeader):
            events += receiver.accept(key, at=0)
        note(events, pieces)
    note(receiver.receive_end(), pieces)


def note(events, pieces):
    for event in events:
        if isinstance(event, MessageData):
            pieces.append(event.data)
        elif isinstance(event, MessageEnd):
            pieces.append(None)
        else:
            assert isinstance(event, (RequestHeader, RequestOpened))
