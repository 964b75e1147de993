"""``act``: a run of ACT. What is published of its secrets is computed again; the proofs are verified, since their
nonces aren't published, and made again.
"""

from __future__ import annotations

from privproc.errors import SignatureError
from privproc.secret import Secret
from privproc.tokens.experimental.act import IssuerKey, Parameters, PendingRefund, client
from privproc.tokens.experimental.act.parameters import GROUP, SUITE, plus
from privproc.vectors.case import Case, raises


def run(case: Case) -> None:
    assert case.expect is None
    parameters = Parameters(*case["domain_separator"].removeprefix("ACT-v1:").split(":"), case["bits"])
    assert parameters.domain_separator.decode() == case["domain_separator"]
    key = IssuerKey(parameters, Secret(case.hex("private_key")))
    assert key.public_key.encoded == case.hex("public_key")
    context, amount = case.hex("context"), case["amount"]
    nullifier, blind = _secrets(case.hex("credits"))

    asked, answer = case.hex("request"), _without_context(case)
    wire, pending = client._derand_request(key.public_key, SUITE.number(nullifier), SUITE.number(blind))
    assert wire[:34] == asked[:34]
    made = key._derand_respond(asked, amount, context, SUITE.number(answer[32:64]))
    assert made[:98] == answer[:98]
    for response in (answer, made):
        _, pending = client._derand_request(key.public_key, SUITE.number(nullifier), SUITE.number(blind))
        credits_ = pending.finish(response, context=context)
        assert credits_._look().stored.expose() == case.hex("credits")
    with raises(SignatureError):
        pending = client._derand_request(key.public_key, SUITE.number(nullifier), SUITE.number(blind))[1]
        pending.finish(answer, context=parameters.context(context))

    assert credits_.balance == amount
    own, own_pending = credits_.spend(case["charge"])
    for spend in (own, case.hex("spend")):
        assert len(spend) == len(own)
        assert spend[:96] == own[:96]
        verified = key.verify(spend, charge=case["charge"], context=context)
        assert verified.nullifier == case.hex("nullifier")
    left = own_pending.finish(key.verify(own, charge=case["charge"], context=context).refund(returned=case["returned"]))
    assert left.balance == case["left"]

    _refund(case, key, verified, context)


def _refund(case: Case, key: IssuerKey, verified: client.VerifiedSpend, context: bytes) -> None:
    parameters, refund = key.public_key.parameters, case.hex("refund")
    nullifier, blind = _secrets(case.hex("new_credits"))
    assert nullifier == case.hex("new_nullifier")
    kept = parameters.amount(case["left"] - case["returned"])
    commitment = verified._look().spend.remaining
    h1, h2, h3, _ = parameters.generators
    opened = GROUP.multiply(nullifier, h2)
    assert GROUP.encode(commitment) == GROUP.encode(plus(opened, (kept, h1), (blind, h3)))
    made = verified._derand_refund(case["returned"], SUITE.number(refund[32:64]))
    assert made[:98] == refund[:98]
    for one in (refund, made):
        stored = Secret(b"".join((nullifier, blind, kept, context, GROUP.encode(commitment))))
        left = PendingRefund.load(key.public_key, stored).finish(one)
        assert left.save().expose() == case.hex("new_credits")


def _secrets(stored: bytes) -> tuple[bytes, bytes]:
    """Nullifier and blind of stored credits."""
    return stored[64:96], stored[96:128]


def _without_context(case: Case) -> bytes:
    """The response as the draft's text has it: the published one has the context behind the amount."""
    response = case.hex("response")
    assert response[96:128] == case.hex("context")
    return response[:96] + response[128:]
