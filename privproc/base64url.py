"""base64url (RFC 4648 §5), with padding and without, each in its one canonical form only.

Two texts for the same bytes would make a token that differs for a cache or a log and not for whoever decodes it.
"""

from __future__ import annotations

import base64
import binascii

from privproc.errors import DecodeError

__all__ = ["decode", "decode_padded", "encode", "encode_padded"]

_TO_STANDARD = bytes.maketrans(b"-_+/", b"+/!!")  # what only standard base64 has becomes invalid


def encode(data: bytes) -> str:
    """``data`` in base64url without padding, as JOSE (RFC 7515 §2) and RFC 9999 have it."""
    return encode_padded(data).rstrip("=")


def encode_padded(data: bytes) -> str:
    """``data`` in base64url with padding, as RFC 9577 §2.1 and RFC 9578 §4 have it."""
    return base64.urlsafe_b64encode(data).decode("ascii")


def decode(text: str, what: str) -> bytes:
    """The bytes of a base64url text without padding. Raises :class:`DecodeError` for what :func:`encode` doesn't give.

    ``what`` names the text in errors.
    """
    if "=" in text:
        raise DecodeError(what, "not base64url without padding")
    return _decode(text + "=" * (-len(text) % 4), what)


def decode_padded(text: str, what: str) -> bytes:
    """The bytes of a padded base64url text. Raises :class:`DecodeError` for what :func:`encode_padded` doesn't give.

    ``what`` names the text in errors.
    """
    return _decode(text, what)


def _decode(padded: str, what: str) -> bytes:
    try:
        data = binascii.a2b_base64(padded.encode("ascii").translate(_TO_STANDARD), strict_mode=True)
    except ValueError:  # binascii.Error and UnicodeEncodeError are both
        raise DecodeError(what, "not base64url with the padding that it should have") from None
    # req: rfc9577/2.1.2 padded-base64url
    if encode_padded(data) != padded:
        raise DecodeError(what, "not canonical base64url")
    return data
