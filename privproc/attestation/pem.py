"""Certificates in PEM (RFC 7468), as services and drivers hand them out: several in one text."""

from __future__ import annotations

import binascii

from privproc.attestation.certificate import MAX_CERTIFICATE
from privproc.errors import DecodeError

__all__ = ["read_pem"]

_BEGIN = b"-----BEGIN CERTIFICATE-----"
_END = b"-----END CERTIFICATE-----"


def read_pem(text: bytes, count: int) -> tuple[bytes, ...]:
    """The ``count`` certificates in ``text``, as DER. Raises :class:`DecodeError`, also for more or fewer."""
    if len(text) > 2 * count * MAX_CERTIFICATE:
        raise DecodeError("PEM", f"over {2 * count * MAX_CERTIFICATE} bytes")
    found = []
    for block in text.split(_BEGIN)[1:]:
        body, end, _ = block.partition(_END)
        try:
            found.append(binascii.a2b_base64(b"".join(body.split()), strict_mode=True) if end else b"")
        except binascii.Error:
            raise DecodeError("PEM", "not base64") from None
    if len(found) != count or not all(found):
        raise DecodeError("PEM", f"not {count} certificates")
    return tuple(found)
