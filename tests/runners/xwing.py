"""X-Wing alone: key expansion, decapsulation, and encapsulation from ML-KEM's result on."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from privproc.hpke import Kem, PrivateKey, PublicKey, decap
from privproc.hpke.kem import ALGORITHMS
from privproc.secret import Secret
from tests.vectorfile import Case


def run(case: Case) -> None:
    assert case.expect is None
    private = PrivateKey.decode(Kem.X_WING, Secret(case.hex("seed")))
    assert private.encode() == Secret(case.hex("seed"))
    public = PublicKey.decode(Kem.X_WING, case.hex("public_key"))
    assert private.public_key == public
    enc, shared = case.hex("enc"), case.hex("shared_secret")
    assert decap(private, enc) == Secret(shared)
    ct_m, ephemeral = enc[:1088], X25519PrivateKey.from_private_bytes(case.hex("coins")[32:])
    inner = private._handle.m.decapsulate(ct_m), ct_m
    algorithm = ALGORITHMS[Kem.X_WING]
    assert algorithm.derand_encap(public._handle, public.encode(), inner, ephemeral) == (enc, shared)
