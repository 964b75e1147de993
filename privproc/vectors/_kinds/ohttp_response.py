"""What a client makes of an encapsulated response (RFC 9458 §4.2), its ephemeral key given."""

from __future__ import annotations

from privproc.hpke import PrivateKey, Suite
from privproc.keyconfig import KeyConfig, KeyConfigs, select
from privproc.ohttp.client import _derand_begin
from privproc.secret import Secret
from privproc.vectors.case import Case, raises


def run(case: Case) -> None:
    suite = Suite.from_ids(*case["suite"])
    selection = select(KeyConfigs((KeyConfig.decode(case.hex("key_config")),)), [suite])
    outgoing = _derand_begin(selection, PrivateKey.decode(suite.kem, Secret(case.hex("ephemeral"))))
    wire, pending = outgoing.seal(case.hex("request"))
    assert wire == case.hex("encapsulated_request")
    if case.expect is None:
        assert pending.finish(case.hex("wire")) == case.hex("message")
        return
    with raises(case.expect) as caught:
        pending.finish(case.hex("wire"))
    assert type(caught.value) is case.expect
