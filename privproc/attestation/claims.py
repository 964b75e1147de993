"""The claims of Interoperable RA-TLS (Confidential Computing Consortium): how its certificates bind evidence to a key.

A certificate carries evidence and claims, ``60000([bstr evidence, bstr claims])`` in CBOR, under the object identifier
2.23.133.5.4.9. The hardware signs SHA-256 of the claims' bytes (Intel's SDK on TDX: SHA-384), filled up with zeros; one
claim is the digest of the certificate's key. That binds a key and no session: whoever has it, out of any accepted
machine, can relay.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Final

from privproc.attestation import dice
from privproc.attestation.binder import REPORT_DATA_LENGTH
from privproc.attestation.expectation import KeyBinding
from privproc.cose import decode_foreign
from privproc.errors import DecodeError, UnsupportedError, UntrustedError, UsageError

__all__ = ["EXTENSION", "MAX_EXTENSION", "claims_binding", "decode_extension"]

EXTENSION: Final = dice.EVIDENCE
"""Content of the certificate extension's object identifier, 2.23.133.5.4.9 (TCG DICE, conceptual message wrapper)."""
MAX_EXTENSION: Final = dice.MAX_EVIDENCE
"""Bytes of the longest extension that is read."""

_WHAT: Final = "RA-TLS claims"
_DIGESTS: Final = {1: "sha256", 7: "sha384", 8: "sha512"}  # IANA's Named Information Hash Algorithm Registry


def decode_extension(value: bytes) -> tuple[bytes, bytes]:
    """Evidence and claims in the extension :data:`EXTENSION`: ``60000([bstr evidence, bstr claims])``.

    Both as received. Raises :class:`DecodeError`, or :class:`UnsupportedError` for another tag, such as that of a TCG
    DICE wrapper of another kind.
    """
    found = dice.TaggedEvidence.decode(value)
    if found.tag is not dice.EvidenceTag.QUOTE:
        raise UnsupportedError(f"{_WHAT}: not under the tag {dice.EvidenceTag.QUOTE}")
    return found.evidence, found.claims


def claims_binding(claims: bytes, *, spki: bytes, digest: str = "sha256") -> KeyBinding:
    """What the hardware must have signed for a certificate whose SubjectPublicKeyInfo (DER) is ``spki``.

    ``claims``: the received bytes, ``{ "pubkey-hash": bstr .cbor [1 / 7 / 8, bstr], * tstr => any }``: SHA-256, SHA-384
    or SHA-512 of ``spki``. ``digest``: of the claims, ``sha256`` or ``sha384``, by what makes the evidence. Raises
    :class:`DecodeError`, :class:`UnsupportedError` for another hash, :class:`UntrustedError` for another key,
    :class:`UsageError` for another ``digest``.
    """
    if digest not in ("sha256", "sha384"):
        raise UsageError("the digest of claims is sha256 or sha384")
    found = decode_foreign(claims, _WHAT)
    wrapped = found.get("pubkey-hash") if isinstance(found, dict) else None
    if not isinstance(wrapped, bytes):
        raise DecodeError(_WHAT, "no pubkey-hash")
    pair = decode_foreign(wrapped, _WHAT)
    if not isinstance(pair, list) or len(pair) != 2:
        raise DecodeError(_WHAT, "pubkey-hash is not an algorithm and a digest")
    algorithm, of_key = pair
    name = _DIGESTS.get(algorithm) if type(algorithm) is int else None  # True is an int too
    if name is None:
        raise UnsupportedError(f"{_WHAT}: pubkey-hash is not SHA-256, SHA-384 or SHA-512")
    if not isinstance(of_key, bytes) or not hmac.compare_digest(of_key, hashlib.new(name, spki).digest()):
        raise UntrustedError("claims are about another key than the certificate's")
    return KeyBinding(hashlib.new(digest, claims).digest().ljust(REPORT_DATA_LENGTH, b"\0"))
