"""What every device of privproc/1 sends alike: suites in order of preference, paths, media types, fields.

Whatever is free to differ between two devices is a fingerprint, so none of this is an option.
"""

from __future__ import annotations

from typing import Final

from privproc.bhttp import Limits
from privproc.hpke import Aead, Kdf, Kem, Suite
from privproc.session.messages import EvidenceFormat

__all__ = [
    "ANSWER_SIZES",
    "ATTESTATIONS",
    "CONTINUE_PATH",
    "FORMATS",
    "HYBRID",
    "IDLE",
    "INCREMENTAL",
    "LEASE",
    "LIFETIME",
    "OHTTP_CHUNKED_REQUEST",
    "OHTTP_CHUNKED_RESPONSE",
    "OHTTP_REQUEST",
    "OHTTP_RESPONSE",
    "OPEN_PATH",
    "PROOF_FIELD",
    "REFUSED",
    "REQUESTS",
    "STREAM_LIMITS",
    "SUITES",
    "WAIT",
]

SUITES: Final = (
    Suite(Kem.X_WING, Kdf.HKDF_SHA384, Aead.AES_256_GCM),
    Suite(Kem.X25519_SHA256, Kdf.HKDF_SHA256, Aead.AES_128_GCM),
)
"""HPKE suites, the hybrid first: for the gateway's configuration, and for the enclave's one-time key."""

HYBRID: Final = SUITES[:1]
"""Those with a post-quantum half."""

FORMATS: Final = (EvidenceFormat.SEV_SNP,)

OPEN_PATH: Final = "/privproc/1/open"
CONTINUE_PATH: Final = "/privproc/1/continue"
OHTTP_REQUEST: Final = b"message/ohttp-req"
OHTTP_RESPONSE: Final = b"message/ohttp-res"
OHTTP_CHUNKED_REQUEST: Final = b"message/ohttp-chunked-req"
OHTTP_CHUNKED_RESPONSE: Final = b"message/ohttp-chunked-res"
INCREMENTAL: Final = (b"incremental", b"?1")
"""The field of chunked requests and responses that asks those between not to hold them back (RFC 10036 §3)."""

PROOF_FIELD: Final = b"privproc-proof"
"""Base64url of ``uint16 length || pop || uint16 length || proof``, outside of Open."""

REFUSED: Final = 403
"""The status of every refusal inside of the encapsulation."""

WAIT: Final = 60
"""Seconds from Open until an enclave stops waiting for the first request."""

LEASE: Final = 30
"""Seconds for which the first handle is good, and within which a device wants the first answer."""

IDLE: Final = 300
"""Seconds from the end of an answer for which the next handle is good, and an enclave waits for the next request. A
device asks :data:`LEASE` seconds sooner, for what the answer took to arrive."""

LIFETIME: Final = 1800
"""Seconds that an announcement is good for, from Open or from the request for new evidence."""

REQUESTS: Final = 32
"""Requests that an announcement is good for."""

ATTESTATIONS: Final = 8
"""How often one TLS session is attested in all: the first time, and seven times again."""

ANSWER_SIZES: Final = tuple(1 << bits for bits in range(13, 24))
"""Bytes of a later encapsulated answer, 8 KiB to 8 MiB, by padding: what the relay learns is which of these it was. A
device takes no other size, which a gateway could choose to mark it."""

STREAM_LIMITS: Final = Limits(content=1 << 62)
"""For Binary HTTP in chunks: no bound of its own on a content that nobody holds whole."""
