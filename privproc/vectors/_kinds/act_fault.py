"""``act-fault``: one message of ACT before who reads it: an issuer, or a client with its state."""

from __future__ import annotations

from contextlib import nullcontext

from privproc.secret import Secret
from privproc.tokens.experimental.act import IssuerKey, Parameters, PendingRefund, client
from privproc.tokens.experimental.act.parameters import SUITE
from privproc.vectors.case import Case, raises


def run(case: Case) -> None:
    parameters = Parameters(*case["domain_separator"].removeprefix("ACT-v1:").split(":"), case["bits"])
    key = IssuerKey(parameters, Secret(case.hex("private_key")))
    with raises(case.expect) if case.expect else nullcontext():
        _read(case, key)


def _read(case: Case, key: IssuerKey) -> None:
    match case["message"]:
        case "request":
            key.respond(case.hex("wire"), amount=case["amount"], context=case.hex("context"))
        case "response":
            state = case.hex("state")
            numbers = SUITE.number(state[:32]), SUITE.number(state[32:])
            pending = client._derand_request(key.public_key, *numbers)[1]
            pending.finish(case.hex("wire"), context=case.hex("context"))
        case "spend":
            key.verify(case.hex("wire"), charge=case["charge"], context=case.hex("context"))
        case _:  # a refund
            PendingRefund.load(key.public_key, Secret(case.hex("state"))).finish(case.hex("wire"))
