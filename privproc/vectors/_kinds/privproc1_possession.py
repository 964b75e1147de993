"""The proof of possession from its private key: statement, token nonce, proof. Ed25519 signatures are deterministic."""

from __future__ import annotations

from privproc.secret import Secret
from privproc.tokens import ProofKey, verify_possession
from privproc.vectors._straight import ed25519, lp, sha256, u
from privproc.vectors.case import Case


def run(case: Case) -> None:
    assert case.expect is None
    secret, salt, th1 = case.hex("secret"), case.hex("salt"), case.hex("th1")
    pop, nonce, proof = case.hex("pop"), case.hex("nonce"), case.hex("proof")

    public, signature = ed25519(secret, lp(b"privproc/1 pop-sig") + th1)
    assert pop == u(2, 0x0807) + public + salt
    assert nonce == sha256(lp(b"privproc/1 pop") + lp(pop))
    assert proof == signature

    key = ProofKey.from_secret(Secret(secret + salt))
    assert (key.statement, key.nonce, key.sign(th1)) == (pop, nonce, proof)
    verify_possession(pop, nonce, th1, proof)
