"""What a gateway with one key makes of an encapsulated request (RFC 9458 §4.1)."""

from __future__ import annotations

from privproc.hpke import Kem, PrivateKey, Suite
from privproc.keyconfig import GatewayKey, KeyRing
from privproc.ohttp import Gateway
from privproc.secret import Secret
from privproc.vectors.case import Case, raises


def run(case: Case) -> None:
    kem = Kem(case["kem"])
    suites = tuple(Suite.from_ids(kem, *pair) for pair in case["suites"])
    private = PrivateKey.decode(kem, Secret(case.hex("private")))
    key = GatewayKey(case["key_id"], private, suites, case["not_before"], case["not_after"])
    gateway = Gateway(KeyRing([key]), max_request=case["max_request"])
    if case.expect is None:
        message, _ = gateway.open(case.hex("wire"), at=case["at"])
        assert message == case.hex("message")
        return
    with raises(case.expect) as caught:
        gateway.open(case.hex("wire"), at=case["at"])
    assert type(caught.value) is case.expect
