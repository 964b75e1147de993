"""Entity Attestation Tokens (RFC 9711): evidence and attestation results, as CWTs and JWTs.

What a token proves is its key's word, under its profile, for a while: no session, and no channel of this library. See
:class:`~privproc.attestation.eat.token.VerifiedToken` for what it doesn't say.
"""

from privproc.attestation.eat.claims import (
    Bundle,
    Claims,
    DetachedDigest,
    NestedToken,
    Submodule,
    decode_bundle,
    decode_cbor,
    decode_json,
)
from privproc.attestation.eat.demands import ANYTHING, Anything, Demands
from privproc.attestation.eat.form import CBOR, JSON, Form
from privproc.attestation.eat.token import (
    SKEW,
    DatedToken,
    FreshToken,
    Token,
    VerifiedToken,
    verify,
    verify_passport,
)
from privproc.attestation.eat.values import Content, DebugStatus, IntendedUse, Result, Results, Version

__all__ = [
    "ANYTHING",
    "CBOR",
    "JSON",
    "SKEW",
    "Anything",
    "Bundle",
    "Claims",
    "Content",
    "DatedToken",
    "DebugStatus",
    "Demands",
    "DetachedDigest",
    "Form",
    "FreshToken",
    "IntendedUse",
    "NestedToken",
    "Result",
    "Results",
    "Submodule",
    "Token",
    "VerifiedToken",
    "Version",
    "decode_bundle",
    "decode_cbor",
    "decode_json",
    "verify",
    "verify_passport",
]
