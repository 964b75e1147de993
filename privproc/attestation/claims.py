"""The claims of Interoperable RA-TLS (Confidential Computing Consortium): how its certificates bind evidence to a key.

A certificate carries evidence and claims, ``60000([bstr evidence, bstr claims])`` in CBOR, under the object identifier
2.23.133.5.4.9. The hardware signs SHA-256 of the claims' bytes, filled up with zeros; one claim is the digest of the
certificate's key. That binds a key and no session: whoever has it, out of any accepted machine, can relay.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Final

from privproc.attestation.binder import REPORT_DATA_LENGTH
from privproc.attestation.expectation import KeyBinding
from privproc.cose import decode_foreign, read_head
from privproc.errors import DecodeError, UnsupportedError, UntrustedError

__all__ = ["EXTENSION", "MAX_EXTENSION", "claims_binding", "decode_extension"]

EXTENSION: Final = bytes.fromhex("678105050409")
"""Content of the certificate extension's object identifier, 2.23.133.5.4.9 (TCG DICE, conceptual message wrapper)."""
MAX_EXTENSION: Final = 1 << 17
"""Bytes of the longest extension that is read; those published have about 10000."""

_WHAT: Final = "RA-TLS claims"
_TAG: Final = 60000
_SHA256: Final = 1  # in IANA's Named Information Hash Algorithm Registry


def decode_extension(value: bytes) -> tuple[bytes, bytes]:
    """Evidence and claims in the extension :data:`EXTENSION`: ``60000([bstr evidence, bstr claims])``.

    Both as received. Raises :class:`DecodeError`, or :class:`UnsupportedError` for another tag, such as that of a TCG
    DICE wrapper of another kind.
    """
    if len(value) > MAX_EXTENSION:
        raise DecodeError(_WHAT, f"over {MAX_EXTENSION} bytes")
    major, tag, start = read_head(value, 0, _WHAT)
    if (major, tag) != (6, _TAG):
        raise UnsupportedError(f"{_WHAT}: not under the tag {_TAG}")
    pair = decode_foreign(value[start:], _WHAT)
    if not isinstance(pair, list) or len(pair) != 2:
        raise DecodeError(_WHAT, "not evidence and claims")
    evidence, claims = pair
    if not isinstance(evidence, bytes) or not isinstance(claims, bytes) or not evidence or not claims:
        raise DecodeError(_WHAT, "evidence or claims are not bytes")
    return evidence, claims


def claims_binding(claims: bytes, *, spki: bytes) -> KeyBinding:
    """What the hardware must have signed for a certificate whose SubjectPublicKeyInfo (DER) is ``spki``.

    ``claims``: the received bytes, ``{ "pubkey-hash": bstr .cbor [1, bstr .size 32], * tstr => any }``. Raises
    :class:`DecodeError`, :class:`UnsupportedError` for another hash, :class:`UntrustedError` for another key.
    """
    found = decode_foreign(claims, _WHAT)
    wrapped = found.get("pubkey-hash") if isinstance(found, dict) else None
    if not isinstance(wrapped, bytes):
        raise DecodeError(_WHAT, "no pubkey-hash")
    pair = decode_foreign(wrapped, _WHAT)
    if not isinstance(pair, list) or len(pair) != 2:
        raise DecodeError(_WHAT, "pubkey-hash is not an algorithm and a digest")
    algorithm, digest = pair
    if algorithm != _SHA256 or isinstance(algorithm, bool):
        raise UnsupportedError(f"{_WHAT}: pubkey-hash is not SHA-256")
    if not isinstance(digest, bytes) or not hmac.compare_digest(digest, hashlib.sha256(spki).digest()):
        raise UntrustedError("claims are about another key than the certificate's")
    return KeyBinding(hashlib.sha256(claims).digest().ljust(REPORT_DATA_LENGTH, b"\0"))
