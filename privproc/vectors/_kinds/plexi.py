"""Epochs signed by a Plexi auditor: the signed message, the signature made again from the seed, and the verdict."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from privproc.ledger.plexi import SignedEpoch, verify
from privproc.vectors.case import Case, raises


def run(case: Case) -> None:
    data = case["proof"].encode()
    key, at = case.hex("key"), case["at"]
    demanded = {name: case[name] for name in ("namespace", "minimum_epoch", "max_age")}
    if case.expect:
        with raises(case.expect):
            verify(data, key=key, at=at, **demanded)
        return
    found = verify(data, key=key, at=at, **demanded)
    found.confirm_unchained(case.hex("digest"), at=at)
    assert (found.epoch, found.not_after) == (case["epoch"], case["not_after"])
    read = SignedEpoch.decode(data)
    assert read.message == case.hex("message")
    private = Ed25519PrivateKey.from_private_bytes(case.hex("seed"))
    assert private.public_key().public_bytes_raw() == key
    assert private.sign(read.message) == read.signature
    assert SignedEpoch.decode(read.encode()) == read
