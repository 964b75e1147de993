"""The one certificate at the top of a vendor's hierarchy, pinned as a whole."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from privproc.errors import UntrustedError, UsageError

__all__ = ["Roots"]


@dataclass(frozen=True, slots=True)
class Roots:
    """Who is trusted: SHA-256 (32 bytes) of the DER of each root certificate that counts, at least one.

    The whole certificate is pinned, so its own signature has nothing to add, and nothing in it is malleable. Whatever
    an application passes other than the vendor's roots is a place to review. Raises :class:`UsageError`.
    """

    pins: tuple[bytes, ...]

    def __post_init__(self) -> None:
        if not self.pins or any(len(pin) != 32 for pin in self.pins):
            raise UsageError("roots are SHA-256 digests of certificates, at least one")

    def check(self, certificate: bytes) -> None:
        """Raise :class:`UntrustedError` unless ``certificate`` (DER) is one of them."""
        if hashlib.sha256(certificate).digest() not in self.pins:
            raise UntrustedError("root certificate is not a pinned root")
