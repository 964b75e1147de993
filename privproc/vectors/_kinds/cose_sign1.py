"""COSE_Sign1: a published message, tagged and with its unprotected header; its parts, keys and Sig_structure.

Without ``private`` and the rest the case is a message of our profile that is refused.
"""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric.ec import SECP384R1, EllipticCurvePublicKey, derive_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from privproc.cose import ALG, EDDSA, Sign1, _signed, encode, sign1
from privproc.vectors.case import Case, raises


def public_key(data: bytes):
    """Ed25519 (32 bytes) or P-384 (an uncompressed point)."""
    if len(data) == 32:
        return Ed25519PublicKey.from_public_bytes(data)
    return EllipticCurvePublicKey.from_encoded_point(SECP384R1(), data)


def run(case: Case) -> None:
    key = public_key(case.hex("public"))
    if case.expect:
        with raises(case.expect):
            Sign1.decode(case.hex("message")).verify(key)
        return
    message = Sign1(case.hex("protected"), case.hex("payload"), case.hex("signature"))
    # The published message differs from ours by its tag and by its unprotected header, neither of them signed.
    parts = [encode(message.protected), case.hex("unprotected"), encode(message.payload), encode(message.signature)]
    assert case.hex("message") == b"\xd2\x84" + b"".join(parts)
    parts[1] = b"\xa0"
    assert message.encode() == b"\x84" + b"".join(parts)
    assert Sign1.decode(message.encode()) == message
    assert _signed(message.protected, message.payload) == case.hex("to_be_signed")
    message.verify(key)

    headers = dict(message.headers)
    algorithm = headers.pop(ALG)
    assert algorithm == case["algorithm"]
    secret = case.hex("private")
    if algorithm == EDDSA:
        private = Ed25519PrivateKey.from_private_bytes(secret)
        assert sign1(message.payload, headers, private) == message
    else:
        private = derive_private_key(int.from_bytes(secret, "big"), SECP384R1())
        again = sign1(message.payload, headers, private)
        assert (again.protected, again.payload) == (message.protected, message.payload)
        again.verify(key)
    assert private.public_key() == key
