"""base64url as RFC 9577 §2.1 and RFC 9578 §4 want it: with padding, and here in its one canonical form only."""

from __future__ import annotations

import base64
import binascii

from privproc.errors import DecodeError

__all__ = ["decode", "encode"]

TO_STANDARD = bytes.maketrans(b"-_+/", b"+/!!")  # what only standard base64 has becomes invalid


def encode(data: bytes) -> str:
    """``data`` in base64url (RFC 4648 §5) with padding."""
    return base64.urlsafe_b64encode(data).decode("ascii")


def decode(text: str, what: str) -> bytes:
    """The bytes of a padded base64url text. Raises :class:`DecodeError` for anything that :func:`encode` doesn't give.

    Two texts for the same bytes would make a token that differs for a cache or a log and not for the origin.
    """
    try:
        data = binascii.a2b_base64(text.encode("ascii").translate(TO_STANDARD), strict_mode=True)
    except ValueError:  # binascii.Error and UnicodeEncodeError are both
        raise DecodeError(what, "not base64url with padding") from None
    # req: rfc9577/2.1.2 padded-base64url
    if encode(data) != text:
        raise DecodeError(what, "not canonical base64url")
    return data
