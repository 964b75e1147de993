"""The defects of docs/peer-defects.md, each a test by its id: through vectors, or the function that carries the id."""

from __future__ import annotations

import os
import re
import traceback
import tracemalloc
from pathlib import Path

import pytest

from privproc import hpke, ohttp, trust
from privproc.errors import DecodeError, OpenError, PeerError, UsageError
from privproc.keyconfig import GatewayKey, KeyConfig, KeyConfigs, KeyRing, Selection, select
from privproc.ohttp import MessageData, MessageEnd, Mode, Resource, refusal, relay
from tests.vectorfile import load, run

ROOT = Path(__file__).resolve().parent.parent
AT = 1_800_000_000
SUITE = hpke.Suite(hpke.Kem.X25519_SHA256, hpke.Kdf.HKDF_SHA256, hpke.Aead.CHACHA20_POLY1305)

ROWS = {
    row[0]: [name for name in row[3].split(", ") if name]
    for row in (
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in (ROOT / "docs" / "peer-defects.md").read_text().splitlines()
        if line.startswith("|")
    )
    if row[0] not in ("id", "---")
}


def function_of(defect: str) -> str:
    return "_" + re.sub(r"\W", "_", defect.lower())


@pytest.mark.parametrize("defect", ROWS)
def test_defect(defect):
    for name in ROWS[defect]:
        data = load(ROOT / "vectors" / f"{name}.json")
        for case in data["cases"]:
            run(data["kind"], case)
    if not ROWS[defect]:
        globals()[function_of(defect)]()


def test_every_function_has_its_line():
    lines = {function_of(defect) for defect in ROWS if not ROWS[defect]}
    # Of this file's functions, those that take nothing and begin so.
    assert {name for name in globals() if re.fullmatch(r"_[a-z]\w*", name)} == lines


def pinned(ring: KeyRing, suite: hpke.Suite = SUITE) -> trust.Trusted[Selection]:
    return trust.pin(select(ring.configs(at=AT), [suite]), b"", not_before=AT, not_after=AT + 100)


def ring_of(*suites: hpke.Suite, key_id: int = 1, not_after: int = AT + 100) -> KeyRing:
    return KeyRing([GatewayKey(key_id, hpke.PrivateKey.generate(suites[0].kem), suites, AT, not_after)])


def streams(suite: hpke.Suite = SUITE) -> tuple[ohttp.MessageSender, ohttp.ResponseReceiver]:
    """The two ends of a response."""
    ring = ring_of(suite)
    sender, receiver = ohttp.begin_chunked(pinned(ring, suite), at=AT).stream()
    request = ohttp.RequestReceiver()
    request.receive_data(sender.send(b"?"))
    events = ohttp.Gateway(ring, max_request=1 << 20).accept(request, at=AT)
    return events[0].responder.stream(), receiver


def _ghsa_vmr9_j6wf_pmh2() -> None:
    ring = ring_of(SUITE)
    gateway = ohttp.Gateway(ring, max_request=1 << 20)
    wire = bytearray(ohttp.begin(pinned(ring), at=AT).seal(bytes(100_000))[0])
    wire[-1] ^= 1
    broken = bytes(wire)

    def refuse(times: int) -> None:
        for _ in range(times):
            with pytest.raises(OpenError):
                gateway.open(broken, at=AT)
            _sender, receiver = streams()
            with pytest.raises(OpenError):
                receiver.receive_data(bytes(32) + b"\x60\x00" + bytes(8192))

    assert grown(refuse) < 50_000


def grown(call) -> int:
    """By how many bytes more is held after 20 times than before."""
    call(2)
    tracemalloc.start()
    try:
        call(2)
        before = tracemalloc.get_traced_memory()[0]
        call(20)
        return tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()


def _ghsa_cg26_4c6j_2x8h() -> None:
    kept = []

    def leave(times: int) -> None:
        for _ in range(times):
            sender, ended = streams()
            ended.receive_data(sender.send(bytes(16384)) + sender.finish(bytes(16384)))
            assert ended.receive_end()[-1] == MessageEnd()
            sender, failed = streams()
            sealed = sender.send(bytes(16384))
            with pytest.raises(OpenError):
                failed.receive_data(sealed[:-1] + bytes((sealed[-1] ^ 1,)))
            kept.extend((ended, failed))

    assert grown(leave) < 40 * 4096


def _netty_secrets_in_strings() -> None:
    ring = ring_of(SUITE)
    secret = b"a question that is nobody's business"
    outgoing = ohttp.begin(pinned(ring), at=AT)
    exported = outgoing.export(b"label", 32)
    wire, pending = outgoing.seal(secret)
    message, responder = ohttp.Gateway(ring, max_request=1 << 20).open(wire, at=AT)
    shown = [repr(each) for each in (outgoing, pending, responder, exported, ring, *streams(), MessageData(message))]
    with pytest.raises(OpenError) as caught:
        pending.finish(responder.seal(secret)[:-1] + b"?")
    shown.append("".join(traceback.format_exception(caught.value)))
    for hidden in (secret, exported.expose()):
        for text in shown:
            assert hidden.hex() not in text
            assert repr(hidden)[2:-1] not in text


def _gateway_go_rotation() -> None:
    old = GatewayKey(1, hpke.PrivateKey.generate(SUITE.kem), (SUITE,), AT - 100, AT + 10)
    new = GatewayKey(2, hpke.PrivateKey.generate(SUITE.kem), (SUITE,), AT, AT + 100)
    gateway = ohttp.Gateway(KeyRing([old, new]), max_request=1 << 20)
    for key in (old, new):
        wire, _pending = ohttp.begin(pinned(KeyRing([key])), at=AT).seal(b"?")
        assert gateway.open(wire, at=AT)[0] == b"?"
    assert [config.key_id for config in KeyRing([old, new]).configs(at=AT).configs] == [2]


def _gateway_go_content_type() -> None:
    for kind in (b"message/ohttp-req", b"Message/OHTTP-Req", b"message/ohttp-req; a=b", b"message/ohttp-req ;a=b"):
        posted = Resource("gateway.example", "/").post(Mode.SINGLE, b"?")
        changed = type(posted)("POST", "https", "gateway.example", "/", ((b"content-type", kind),), b"?")
        assert relay.request_mode(changed) is relay.request_mode(posted) is Mode.SINGLE


def _gateway_go_debug_response() -> None:
    ring = ring_of(SUITE)
    gateway, wire = ohttp.Gateway(ring, max_request=1 << 20), ohttp.begin(pinned(ring), at=AT).seal(b"?")[0]
    answers = set()
    for broken in (wire[:-1] + bytes((wire[-1] ^ 1,)), wire[:7] + bytes(32) + wire[39:], b"\2" + wire[1:]):
        with pytest.raises(PeerError) as caught:
            gateway.open(broken, at=AT)
        answers.add(refusal(caught.value, at=AT))
    assert len(answers) == 1


def _gateway_go_one_suite() -> None:
    for kem in (hpke.Kem.X25519_SHA256, hpke.Kem.P256_SHA256, hpke.Kem.X_WING):
        suites = [
            hpke.Suite(kem, kdf, aead)
            for kdf in hpke.Kdf
            for aead in hpke.Aead
            if kdf.two_stage and aead is not hpke.Aead.EXPORT_ONLY
        ]
        ring = ring_of(*suites)
        for suite in suites:
            exchange(ring, suite)


def exchange(ring: KeyRing, suite: hpke.Suite) -> None:
    wire, pending = ohttp.begin(pinned(ring, suite), at=AT).seal(b"?")
    message, responder = ohttp.Gateway(ring, max_request=1 << 20).open(wire, at=AT)
    assert (message, pending.finish(responder.seal(b"!"))) == (b"?", b"!")


def _ohttp_ts_chacha() -> None:
    exchange(ring_of(SUITE), SUITE)
    sender, receiver = streams()
    assert receiver.receive_data(sender.send(b"!") + sender.finish()) == [MessageData(b"!")]
    assert receiver.receive_end() == [MessageEnd()]


def _ohttp_ts_final_chunk_twice() -> None:
    sender, _receiver = streams()
    sender.finish(b"!")
    for again in (sender.finish, lambda: sender.finish(b"?"), lambda: sender.send(b"?"), lambda: sender.send(b"")):
        with pytest.raises(UsageError):
            again()


def _quiche_list_detection() -> None:
    configs = ring_of(SUITE).configs(at=AT)
    listed, bare = configs.encode(), configs.configs[0].encode()
    assert KeyConfigs.decode(listed) == configs
    assert KeyConfig.decode(bare) == configs.configs[0]
    with pytest.raises(PeerError):
        KeyConfig.decode(listed)
    with pytest.raises(DecodeError):
        KeyConfigs.decode(bare)


def _openpcc_int16() -> None:
    public = hpke.PrivateKey.generate(SUITE.kem).public_key
    configs = KeyConfigs((KeyConfig(1, public, ((1, 1),) * 16_000),))
    assert len(configs.configs[0].encode()) > 0x7FFF
    assert KeyConfigs.decode(configs.encode()) == configs


def _opengradient_held_chunk() -> None:
    sender, receiver = streams()
    for _ in range(3):
        piece = os.urandom(100)
        assert receiver.receive_data(sender.send(piece)) == [MessageData(piece)]
