"""What a client makes of a chunked response, whatever its split, its ephemeral key given."""

from __future__ import annotations

from privproc.errors import PeerError
from privproc.hpke import PrivateKey, Suite
from privproc.keyconfig import KeyConfig, KeyConfigs, select
from privproc.ohttp.client import _derand_begin_chunked
from privproc.secret import Secret
from privproc.vectors._kinds.ohttp_chunked_request import note
from privproc.vectors.case import Case, raises


def run(case: Case) -> None:
    suite = Suite.from_ids(*case["suite"])
    selection = select(KeyConfigs((KeyConfig.decode(case.hex("key_config")),)), [suite])
    expected = [bytes.fromhex(piece) for piece in case["pieces"]]
    wire = case.hex("wire")
    for size in (1, 7, max(len(wire), 1)):
        pieces = []
        sender, receiver = _derand_begin_chunked(
            selection, PrivateKey.decode(suite.kem, Secret(case.hex("ephemeral")))
        ).stream()
        assert sender.finish(case.hex("request")) == case.hex("encapsulated_request")
        if case.expect is None:
            take(receiver, wire, size, pieces)
            assert pieces == [*expected, None]
            continue
        with raises(case.expect) as caught:
            take(receiver, wire, size, pieces)
        assert type(caught.value) is case.expect
        assert pieces in (expected, []) if size > 1 else pieces == expected
        for call in (lambda: receiver.receive_data(b""), receiver.receive_end):  # noqa: B023
            with raises(PeerError) as again:
                call()
            assert (type(again.value), again.value.args) == (type(caught.value), caught.value.args)


def take(receiver, wire, size, pieces):
    for start in range(0, len(wire), size):
        note(receiver.receive_data(wire[start : start + size]), pieces)
    note(receiver.receive_end(), pieces)
