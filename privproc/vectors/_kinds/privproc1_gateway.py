"""One request to a gateway: what it hands on, or why it refuses. ``live`` is there for a continuation."""

from __future__ import annotations

from typing import Any

from privproc.hpke import PrivateKey, Suite
from privproc.keyconfig import GatewayKey
from privproc.secret import Secret
from privproc.session import GRACE, Contents, ContinueRequest, Epoch, Gateway, Live, OpenRequest
from privproc.tokens import MemoryStore, Origin
from privproc.trust import pin
from privproc.vectors.case import Case, raises


def run(case: Case) -> None:
    at, wire, live = case["at"], case.hex("wire"), case["live"]

    def handled() -> bytes:
        message = gateway(case).open(wire, at=at).read(at=at)
        if isinstance(message, OpenRequest):
            return message.forward(MemoryStore(1).reserve(message.spend_key, at=at, lease=30))[0]
        return continued(message, live, at)

    if case.expect:
        with raises(case.expect) as raised:
            handled()
        assert type(raised.value) is case.expect
        return
    assert handled() == case.hex("handed_on")


def continued(message: ContinueRequest, live: dict[str, Any], at: int) -> bytes:
    handle, key = bytes.fromhex(live["handle"]), Secret(bytes.fromhex(live["key"]))
    return message.accept(Live(handle, key, live["offset"], live["expires"]), at=at)[0]


def gateway(case) -> Gateway:
    contents = Contents.decode(case.hex("contents"))
    (config,) = contents.keys.configs
    suites = tuple(Suite.from_ids(config.kem, *pair) for pair in config.suites)
    private = PrivateKey.decode(config.kem, Secret(case.hex("gateway_secret")))
    begins, ends = case["not_before"], case["not_after"] + GRACE
    token_key = pin(contents.token_key, b"", not_before=begins, not_after=ends)
    key = GatewayKey(config.key_id, private, suites, begins, ends)
    return Gateway([Epoch(case.hex("package"), contents, key, Origin([token_key]))])
