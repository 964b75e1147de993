"""``arc``: a run of ARC. Elements and secrets recomputed; proofs verified, as their nonces aren't published."""

from __future__ import annotations

from Crypto.Math.Numbers import Integer

from privproc.errors import SignatureError
from privproc.secret import Secret
from privproc.tokens.experimental import arc
from privproc.tokens.experimental.arc import Framing, client
from privproc.tokens.experimental.arc.parameters import GROUP
from privproc.vectors.case import Case, raises

REQUEST = "m1_enc m2_enc request_proof"
RESPONSE = "U enc_U_prime X0_aux X1_aux X2_aux H_aux response_proof"
PRESENTATION = "U U_prime_commit m1_commit tag nonce_commit proof"


def run(case: Case) -> None:
    assert case.expect is None
    framing = Framing[case["framing"]]
    key = _key(case, framing)
    asked, answer = (_joined(case, names) for names in (REQUEST, RESPONSE))
    _others_refuse(case, framing, asked)

    context = case.hex("request_context")
    m1, r1, r2 = (_scalar(case[name]) for name in ("m1", "r1", "r2"))
    wire, pending = client._derand_request(key.public_key, context, m1, r1, r2)
    assert wire[:66] == asked[:66]
    assert pending._look()[2].m2 == _scalar(case["m2"])
    assert key._derand_respond(asked, _scalar(case["b"]))[:198] == answer[:198]
    credential = pending.finish(answer)
    assert GROUP.encode(credential._u_prime) == case.hex("U_prime")

    for number, shown in enumerate(case["presentations"]):
        presentations = credential.presentations(bytes.fromhex(shown["context"]), limit=case["limit"], used=number)
        wire = presentations._derand_present(*(_scalar(shown[name]) for name in ("a", "r", "z", "nonce_blinding")))
        published = b"".join(bytes.fromhex(shown[name]) for name in PRESENTATION.split())
        assert wire[:198] == published[:198]  # with D[0], the first of the proof
        for one in (wire, published):
            tag = key.verify(
                one,
                request_context=context,
                presentation_context=bytes.fromhex(shown["context"]),
                limit=case["limit"],
            )
            assert tag.hex() == shown["tag"]


def _key(case: Case, framing: Framing) -> arc.ServerKey:
    key = arc.ServerKey(framing, Secret(_joined(case, "x0 x1 x2 xb")))
    assert key.public_key.encoded == _joined(case, "X0 X1 X2")
    return key


def _others_refuse(case: Case, framing: Framing, asked: bytes) -> None:
    for other in set(Framing) - {framing}:
        with raises(SignatureError):
            _key(case, other).respond(asked)


def _joined(case: Case, names: str) -> bytes:
    return b"".join(case.hex(name) for name in names.split())


def _scalar(text: str) -> Integer:
    return Integer.from_bytes(bytes.fromhex(text))
