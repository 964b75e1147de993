"""Properties that every codec of the library has."""

from __future__ import annotations

import contextlib

import pytest

from privproc.errors import DecodeError, PeerError


def check_codec(decode, encoded: bytes, *, reencode=None) -> None:
    """Exact consumption of ``encoded``: every proper prefix and an added byte are refused with DecodeError.

    ``reencode`` (canonical formats): turns the decoded value back into the same bytes.
    """
    value = decode(encoded)
    if reencode is not None:
        assert reencode(value) == encoded
    for cut in range(len(encoded)):
        with pytest.raises(DecodeError):
            decode(encoded[:cut])
    with pytest.raises(DecodeError):
        decode(encoded + b"\0")


def check_contract(decode, data: bytes) -> None:
    """Bytes in, a value or a PeerError out, nothing else."""
    with contextlib.suppress(PeerError):
        decode(data)
