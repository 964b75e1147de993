"""X-Wing alone: key expansion, decapsulation, and encapsulation from ML-KEM's result on."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from privproc.hpke import Kem, PrivateKey, PublicKey, decap
from privproc.hpke.kem import ALGORITHMS
from privproc.secret import Secret
from privproc.vectors._kinds.hpke_context import encapsulated
from privproc.vectors.case import Case


def run(case: Case) -> None:
    assert case.expect is None
    private = PrivateKey.decode(Kem.X_WING, Secret(case.hex("seed")))
    assert private.encode() == Secret(case.hex("seed"))
    public = PublicKey.decode(Kem.X_WING, case.hex("public_key"))
    assert private.public_key == public
    enc, shared = case.hex("enc"), case.hex("shared_secret")
    assert decap(private, enc) == Secret(shared)
    m, ephemeral = case.hex("coins")[:32], X25519PrivateKey.from_private_bytes(case.hex("coins")[32:])
    inner = encapsulated(m, public.encode()[:1184]), enc[:1088]
    assert private._handle.m.decapsulate(enc[:1088]) == inner[0]
    algorithm = ALGORITHMS[Kem.X_WING]
    assert algorithm.derand_encap(public._handle, public.encode(), inner, ephemeral) == (enc, shared)
