"""RSA blind signatures (RFC 9474): an issuer signs what it doesn't see, and anybody verifies.

The message goes through four hands::

    prepared         = prepare(variant, message)             # client
    blinded, pending = blind(variant, key, prepared)         # client: to the issuer
    answer           = blind_sign(private_key, blinded)      # issuer: back to the client
    signature        = pending.finish(answer)                # client: checked
    verify(variant, key, prepared, signature)                # verifier

Blinding and the default private operation run on pycryptodome's constant-time integers, verification on OpenSSL. An
issuer that wants more signatures a second passes ``backend=OpenSSL()`` when it makes its key.
"""

from __future__ import annotations

from privproc.blindrsa.keys import PublicKey
from privproc.blindrsa.openssl import OpenSSL
from privproc.blindrsa.protocol import (
    PREFIX_SIZE,
    PendingSignature,
    Variant,
    blind,
    blind_sign,
    message_of,
    prepare,
    verify,
)
from privproc.blindrsa.protocol import (
    _derand_blind as _derand_blind,
)
from privproc.blindrsa.rawrsa import Backend, PrivateKey, RawRsaPrivateOp, check_private_op

__all__ = [
    "PREFIX_SIZE",
    "Backend",
    "OpenSSL",
    "PendingSignature",
    "PrivateKey",
    "PublicKey",
    "RawRsaPrivateOp",
    "Variant",
    "blind",
    "blind_sign",
    "check_private_op",
    "message_of",
    "prepare",
    "verify",
]
