"""What is read with more than bytes, or only once somebody has signed it: keys, nonces, connections, and their seeds.

Where a signature comes first, a target also signs what the fuzzer writes: a log, a responder or a peer can be hostile.
Keys are fixed, so that an input that was found means the same in another run.
"""

from __future__ import annotations

import base64
import functools
import json

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from privproc.attestation.certificate import Certificate
from privproc.attestation.cmw import decode_extension
from privproc.attestation.crl import RevocationList
from privproc.attestation.der import Element
from privproc.attestation.envelope import Envelope
from privproc.attestation.pem import read_pem
from privproc.attestation.snp import Endorsements
from privproc.attestation.tdx import Collateral
from privproc.attestation.xml import canonical, parse
from privproc.ledger import read_policy
from privproc.ratls.authenticator import Authenticators, PendingAuthenticator, Side
from privproc.ratls.credential import Credential, verify_signature
from privproc.secret import Secret
from privproc.tokens.experimental import act, arc
from privproc.tokens.experimental.act import client as act_client
from privproc.tokens.experimental.act.parameters import SUITE
from privproc.tokens.experimental.arc import client as arc_client
from tests import authenticators as by_hand
from tests import test_attestation_chain as chain
from tests import test_attestation_idblock as idblock
from tests import test_authenticator as authenticator
from tests import test_evidence_contract as contract
from tests import test_ledger_foreign as foreign
from tests import test_nvidia as nvidia
from tests import test_nvidia_rim as rims
from tests import test_ocsp as ocsp
from tests import test_tdx_collateral as collateral
from tests.test_boundaries import Decoder
from tests.world.eat import Entity
from tests.world.ocsp import wrap


@functools.cache
def verifiers() -> dict[str, Decoder]:
    """By name; each with something that it takes."""
    return _attestation() | _ledger() | _authenticators() | _arc() | _act()


def _attestation() -> dict[str, Decoder]:
    leaf, *authorities = nvidia.chain()
    message = Entity("EdDSA", 3).sign1(b"payload", tags=(18,), unprotected={4: b"key"})
    return {
        "a certificate": Decoder(_certificate, chain.CHIP.vcek),
        "a revocation list": Decoder(lambda data: RevocationList.decode(data, "list"), contract.CRL),
        "two certificates in PEM": Decoder(lambda data: read_pem(data, 2), contract.PEMS),
        "AMD's answer": Decoder(lambda data: Endorsements.from_kds(b"", data), contract.PEMS),
        "Intel's answer": Decoder(
            lambda data: Collateral.from_pcs(**collateral.answers(tcb_info=data)), collateral.answers()["tcb_info"]
        ),
        "an ID block": Decoder(lambda data: idblock.verify(auth=data), idblock.GOOD),
        "an OCSP answer": Decoder(ocsp.check, ocsp.ANSWER),
        "what an OCSP responder signs": Decoder(_responded, _response_data(ocsp.ANSWER)),
        "a manifest": Decoder(rims.check, rims.RIM),
        "XML": Decoder(lambda data: canonical(parse(data, "document")), rims.RIM),
        "a GPU's certificate": Decoder(lambda data: nvidia.verify((data, *authorities)), leaf),
        "a CMW in a certificate": Decoder(decode_extension, contract.PARSERS["CMW extension"][1]),
        "a foreign COSE_Sign1": Decoder(lambda data: Envelope.decode(data, "message", tags={(), (18,)}), message),
    }


def _certificate(data: bytes) -> Certificate:
    found = Certificate.decode(data, "certificate")
    for read in (found.rsa_key, found.p256_key, found.p384_key, found.check_end, found.check_responder):
        contract.check_contract(lambda _, read=read: read(), b"")
    return found


def _response_data(answer: bytes) -> bytes:
    """``ResponseData``, what is signed in an OCSP answer."""
    (_, wrapped) = Element.decode(answer, "answer").children()
    (_, octets) = wrapped.children()[0].children()
    return Element.decode(octets.content, "answer").children()[0].raw


def _responded(data: bytes) -> object:
    return ocsp.check(wrap(data, ocsp.ABOUT.delegate, (ocsp.ABOUT.responder(),)))


def _ledger() -> dict[str, Decoder]:
    body = json.dumps(foreign.BODY).encode()
    return {
        "a Rekor entry": Decoder(foreign.check, foreign.ANSWER),
        "what Rekor signs": Decoder(_logged, body),
        "a CCF receipt": Decoder(foreign.confirm, foreign.RECEIPT),
        "the certificate of a CCF node": Decoder(_receipt, foreign.NODE),
        "a log policy": Decoder(lambda data: read_policy(data, max_age=60), contract.TEXT_POLICY),
    }


def _logged(data: bytes) -> object:
    try:
        body = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return foreign.check(foreign.LOG.answer(body))


def _receipt(data: bytes) -> object:
    text = f"-----BEGIN CERTIFICATE-----\n{base64.encodebytes(data).decode()}-----END CERTIFICATE-----\n"
    return foreign.confirm(foreign.CCF.receipt(foreign.CLAIMS, cert=text))


_KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
_CONTEXT = bytes(range(32))


def _authenticators() -> dict[str, Decoder]:
    credential = Credential((authenticator.certified(_KEY),), _KEY)
    (leaf,) = credential.chain
    asked, _ = _waiting()
    other = Authenticators(authenticator.export, Side.SERVER)
    shown = by_hand.certificate(_CONTEXT, (leaf, by_hand.attested(b"evidence")))
    keys = by_hand.Keys.of(lambda *label: authenticator.export(*label).expose(), "server")

    def signed(data: bytes) -> object:
        made = keys.authenticator(asked, by_hand.message(11, data), by_hand.ED25519, _KEY)
        return _waiting()[1].finish(made)

    return {
        "an authenticator": Decoder(
            lambda data: _waiting()[1].finish(data), other.authenticate(asked, credential, attestation=b"evidence")
        ),
        "what a peer signs in an authenticator": Decoder(signed, shown[4:]),
        "a request for an authenticator": Decoder(
            lambda data: Authenticators(authenticator.export, Side.SERVER).authenticate(data, credential), asked
        ),
        "the certificate of a peer": Decoder(
            lambda data: verify_signature(data, by_hand.ED25519, _KEY.sign(b"signed"), b"signed"), leaf
        ),
    }


def _waiting() -> tuple[bytes, PendingAuthenticator]:
    return Authenticators(authenticator.export, Side.CLIENT)._derand_request(_CONTEXT, attestation=True)


def _arc() -> dict[str, Decoder]:
    framing = arc.Framing.SIGMA_APRIL_2026
    key = arc.ServerKey(framing, Secret(b"".join(number.to_bytes(32, "big") for number in (3, 5, 7, 11))))
    numbers = [SUITE.number(bytes([number]) + bytes(31)) for number in (13, 17, 19)]

    def asked() -> tuple[bytes, arc.PendingCredential]:
        return arc_client._derand_request(key.public_key, b"request", *numbers)

    def verify(data: bytes) -> bytes:
        return key.verify(data, request_context=b"request", presentation_context=b"context", limit=5)

    wire, pending = asked()
    response = key.respond(wire)
    shown = pending.finish(response).presentations(b"context", limit=5).present()
    return {
        "an ARC key": Decoder(lambda data: arc.PublicKey(framing, data), key.public_key.encoded),
        "an ARC request": Decoder(key.respond, wire),
        "an ARC response": Decoder(lambda data: asked()[1].finish(data), response),
        "an ARC presentation": Decoder(verify, shown),
    }


def _act() -> dict[str, Decoder]:
    parameters = act.Parameters("example", "chat", "test", "2026-11-29", 3)
    key = act.IssuerKey(parameters, Secret(b"\3" + bytes(31)))
    public, context = key.public_key, parameters.context(b"context")
    numbers = [SUITE.number(bytes([number]) + bytes(31)) for number in (5, 7)]

    def asked() -> tuple[bytes, act.PendingCredits]:
        return act_client._derand_request(public, *numbers)

    wire, pending = asked()
    response = key.respond(wire, amount=5, context=context)
    stored = pending.finish(response, context=context).save()
    spend, left = act.Credits.load(public, stored).spend(2)
    waiting = left.save()
    refund = key.verify(spend, charge=2, context=context).refund(returned=1)
    return {
        "an ACT key": Decoder(lambda data: act.PublicKey(parameters, data), public.encoded),
        "an ACT request": Decoder(lambda data: key.respond(data, amount=5, context=context), wire),
        "an ACT response": Decoder(lambda data: asked()[1].finish(data, context=context), response),
        "an ACT spend": Decoder(lambda data: key.verify(data, charge=2, context=context), spend),
        "an ACT refund": Decoder(lambda data: act.PendingRefund.load(public, waiting).finish(data), refund),
        "stored ACT credits": Decoder(lambda data: act.Credits.load(public, Secret(data)), stored.expose()),
    }
