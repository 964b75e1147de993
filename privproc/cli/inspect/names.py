"""What numbers stand for."""

from __future__ import annotations

from datetime import UTC, datetime

from privproc.attestation.forwarded import BACK_END
from privproc.attestation.nvidia import Kind
from privproc.hpke import Aead, Kdf, Kem
from privproc.session.messages import EvidenceFormat
from privproc.tokens import BLIND_RSA, GREASE, VOPRF
from privproc.tokens.kinds import VOPRF_RISTRETTO255

__all__ = ["aead", "evidence", "kdf", "kem", "time", "token_type"]

_TOKENS = {
    VOPRF: "VOPRF (P-384, SHA-384)",
    BLIND_RSA: "Blind RSA (2048-bit)",
    VOPRF_RISTRETTO255: "VOPRF (ristretto255, SHA-512)",
    **dict.fromkeys(GREASE, "reserved (grease)"),
}
_UNKNOWN = "not known here"


def kem(number: int) -> str:
    """A KEM of HPKE."""
    return Kem(number).name if number in set(Kem) else _UNKNOWN


def kdf(number: int) -> str:
    """A KDF of HPKE."""
    return Kdf(number).name if number in set(Kdf) else _UNKNOWN


def aead(number: int) -> str:
    """An AEAD of HPKE."""
    return Aead(number).name if number in set(Aead) else _UNKNOWN


def token_type(number: int) -> str:
    """A token type."""
    return _TOKENS.get(number, _UNKNOWN)


def evidence(number: int) -> str:
    """A format of evidence of privproc/1."""
    return EvidenceFormat(number).name if number in set(EvidenceFormat) else _UNKNOWN


def device(number: int) -> str:
    """A type of what is shown beside an enclave's evidence."""
    if number == BACK_END:
        return "back end"
    return Kind(number).name if number in set(Kind) else _UNKNOWN


def time(seconds: int) -> str:
    """Unix seconds as a date; empty for what no calendar has."""
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    except (ValueError, OverflowError, OSError):
        return ""
