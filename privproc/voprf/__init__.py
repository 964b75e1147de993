"""Oblivious pseudorandom functions (RFC 9497): a server evaluates a keyed function on what it doesn't see.

The modes OPRF, VOPRF and POPRF in the suites of P-256, P-384, P-521 and ristretto255::

    client                                                  server
    blinded, pending = VoprfClient(public_key).blind([message])
                                         evaluated, proof = VoprfServer(key).blind_evaluate(blinded)
    (output,) = pending.finish(evaluated, proof)            output == server.evaluate(message)

Many inputs at a time cost one proof. Secrets go through constant-time code in C, pycryptodome's or libsodium's; what is
public, such as the check of a proof, takes faster ways.
"""

from __future__ import annotations

from privproc.voprf.group import Group, Scalars
from privproc.voprf.keys import PrivateKey, PublicKey
from privproc.voprf.protocol import (
    MAX_BATCH,
    OprfClient,
    OprfServer,
    PendingOutputs,
    PendingVerifiedOutputs,
    PoprfClient,
    PoprfServer,
    VoprfClient,
    VoprfServer,
)
from privproc.voprf.suite import (
    MAX_INPUT,
    P256_SHA256,
    P384_SHA384,
    P521_SHA512,
    RISTRETTO255_SHA512,
    Mode,
    Suite,
    ristretto255,
)

__all__ = [
    "MAX_BATCH",
    "MAX_INPUT",
    "P256_SHA256",
    "P384_SHA384",
    "P521_SHA512",
    "RISTRETTO255_SHA512",
    "Group",
    "Mode",
    "OprfClient",
    "OprfServer",
    "PendingOutputs",
    "PendingVerifiedOutputs",
    "PoprfClient",
    "PoprfServer",
    "PrivateKey",
    "PublicKey",
    "Scalars",
    "Suite",
    "VoprfClient",
    "VoprfServer",
    "ristretto255",
]
