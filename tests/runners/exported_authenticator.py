"""Exported authenticators: by hand (tests/authenticators.py) and, where the form is RFC 9261's, by the library.

What fizz published is of a draft: requests without their handshake header, SHA-256, in one case another context string.
So it shows that the definition written out in tests/authenticators.py is the one that others have; the library, which
takes the RFC's form alone, is compared with that.
"""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_der_private_key

from privproc.errors import PolicyError
from privproc.ratls.authenticator import AuthenticatorRequest, Authenticators, Side
from privproc.ratls.credential import Credential
from privproc.secret import Secret
from tests import authenticators as by_hand


def run(case) -> None:
    keys = by_hand.Keys(case.hex("handshake_context"), case.hex("finished_key"), case["hash"])
    request, authenticator = case.hex("request"), case.hex("authenticator")
    if case["form"] == "draft":
        assert case.expect is None
        draft(case, keys, request, authenticator)
        return
    assert case["form"] == "rfc9261"
    export = exporter(case)
    side = Side[case["side"].upper()]
    check(case, export, side, request, authenticator)
    if case.expect is None:
        make(case, keys, export, side, request, authenticator)


def draft(case, keys, request, authenticator) -> None:
    context = case.hex("context")
    if "certificate" not in case:
        assert authenticator == keys.empty(request, context)
    elif "verify" in case:
        shown, verify = case.hex("certificate"), case.hex("verify")
        assert authenticator == shown + verify + keys.finished(request, shown, verify)
    else:
        assert keys.check(request, authenticator, context=case["signed_context"].encode()) == [case.hex("certificate")]
        assert authenticator[4:25] == by_hand.vector(1, context)


def exporter(case):
    label = b"EXPORTER-" + case["side"].encode() + b" authenticator "
    values = {b"handshake context": case.hex("handshake_context"), b"finished key": case.hex("finished_key")}

    def export(asked, context, length):
        assert (context, length) == (b"", 48)
        return Secret(values[asked.removeprefix(label)])

    return export


def check(case, export, side, request, authenticator) -> None:
    asked = AuthenticatorRequest.decode(request)
    assert asked.encode() == request
    assert asked.sender is side.other
    assert asked.context == case.hex("context")
    again, pending = Authenticators(export, side.other)._derand_request(asked.context, attestation=asked.attestation)
    assert again == request
    if case.expect is not None:
        with pytest.raises(case.expect) as caught:
            pending.finish(authenticator)
        assert type(caught.value) is case.expect
    elif "private_key" in case:
        peer = pending.finish(authenticator)
        assert peer.chain == tuple(map(bytes.fromhex, case["chain"]))
        assert peer.attestation == case.hex("attestation")
    else:
        with pytest.raises(PolicyError):
            pending.finish(authenticator)


def make(case, keys, export, side, request, authenticator) -> None:
    """The sender's way; ECDSA signatures are random, so what is signed is checked instead."""
    if "private_key" not in case:
        assert authenticator == Authenticators(export, side).refuse(request)
        assert authenticator == keys.empty(request, case.hex("context"))
        return
    key = load_der_private_key(case.hex("private_key"), None)
    chain = tuple(map(bytes.fromhex, case["chain"]))
    attestation = case.hex("attestation")
    made = Authenticators(export, side).authenticate(request, Credential(chain, key), attestation=attestation)
    for each in made, authenticator:
        assert keys.check(request, each) == list(chain)
    if isinstance(key, Ed25519PrivateKey):
        shown = by_hand.certificate(
            case.hex("context"),
            *((der, by_hand.attested(attestation) if attestation and der is chain[0] else b"") for der in chain),
        )
        assert authenticator == made == keys.authenticator(request, shown, by_hand.ED25519, key)
