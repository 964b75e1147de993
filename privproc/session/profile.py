"""What every device of privproc/1 sends alike: suites in order of preference, paths, media types, fields.

Whatever is free to differ between two devices is a fingerprint, so none of this is an option.
"""

from __future__ import annotations

from typing import Final

from privproc.hpke import Aead, Kdf, Kem, Suite
from privproc.session.messages import EvidenceFormat

__all__ = [
    "ANSWER_SIZES",
    "CONTINUE_PATH",
    "FORMATS",
    "LEASE",
    "LIFETIME",
    "OHTTP_REQUEST",
    "OHTTP_RESPONSE",
    "OPEN_PATH",
    "PROOF_FIELD",
    "REFUSED",
    "SUITES",
]

SUITES: Final = (
    Suite(Kem.X_WING, Kdf.HKDF_SHA384, Aead.AES_256_GCM),
    Suite(Kem.X25519_SHA256, Kdf.HKDF_SHA256, Aead.AES_128_GCM),
)
"""HPKE suites, the hybrid first: for the gateway's configuration, and for the enclave's one-time key."""

FORMATS: Final = (EvidenceFormat.SEV_SNP,)

OPEN_PATH: Final = "/privproc/1/open"
CONTINUE_PATH: Final = "/privproc/1/continue"
OHTTP_REQUEST: Final = b"message/ohttp-req"
OHTTP_RESPONSE: Final = b"message/ohttp-res"
PROOF_FIELD: Final = b"privproc-proof"
"""Base64url of ``uint16 length || pop || uint16 length || proof``, outside of Open."""

REFUSED: Final = 403
"""The status of every refusal inside of the encapsulation."""

LIFETIME: Final = 60
"""Seconds from Open until an enclave stops waiting for the request."""

LEASE: Final = 30
"""Seconds for which the first handle is good; one that replaces it is good for LIFETIME."""

ANSWER_SIZES: Final = tuple(1 << bits for bits in range(13, 24))
"""Bytes of a later encapsulated answer, 8 KiB to 8 MiB, by padding: what the relay learns is which of these it was. A
device takes no other size, which a gateway could choose to mark it."""
