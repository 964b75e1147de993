"""DHKEM (RFC 9180 §4.1): a group, and HKDF with the hash that fits it."""

from __future__ import annotations

import hmac
from typing import final

from privproc import hkdf
from privproc.hpke._algorithm import Algorithm, Pk, Sk
from privproc.hpke._groups import Group
from privproc.hpke._registry import Kem
from privproc.hpke._schedule import VERSION

__all__ = ["DhKem"]


@final
class DhKem(Algorithm[Pk, Sk]):
    """Encapsulation over ``group``. The shared secret is one block of the hash throughout."""

    def __init__(self, kem: Kem, group: Group[Pk, Sk]) -> None:
        label = VERSION + b"KEM" + kem.to_bytes(2, "big")
        self.group = group
        self._hash = f"sha{8 * kem.Nsecret}"
        self._size = kem.Nsk
        self._derive = label + b"dkp_prk"
        self._candidate = kem.Nsk.to_bytes(2, "big") + label
        self._extract = label + b"eae_prk"
        self._expand = kem.Nsecret.to_bytes(2, "big") + label + b"shared_secret"

    def generate(self) -> Sk:
        return self.group.generate()

    def derive(self, ikm: bytes) -> Sk:
        """DeriveKeyPair (RFC 9180 §7.1.3); ValueError when every candidate is out of range."""
        prk = hmac.digest(b"", self._derive + ikm, self._hash)
        return self.group.derive(lambda label, info: self._labeled_expand(prk, label + info))

    def _labeled_expand(self, prk: bytes, labeled: bytes) -> bytes:
        return hkdf.expand(self._hash, prk, self._candidate + labeled, self._size)

    def decode_public(self, encoded: bytes) -> Pk:
        return self.group.decode_public(encoded)

    def decode_private(self, encoded: bytes) -> Sk:
        return self.group.decode_private(encoded)

    def public(self, private: Sk) -> tuple[Pk, bytes]:
        return self.group.public(private)

    def encode_private(self, private: Sk) -> bytes:
        return self.group.encode_private(private)

    def encap(self, public: Pk, encoded: bytes) -> tuple[bytes, bytes]:
        """Encap (RFC 9180 §4.1)."""
        return self.derand_encap(public, encoded, self.group.generate())

    def derand_encap(self, public: Pk, encoded: bytes, ephemeral: Sk) -> tuple[bytes, bytes]:
        """Encap with a given ephemeral key."""
        enc = self.group.public(ephemeral)[1]
        return enc, self.secret(self.group.exchange(ephemeral, public), enc, encoded)

    def decap(self, private: Sk, encoded: bytes, enc: bytes) -> bytes:
        """Decap (RFC 9180 §4.1). The group checks the size and form of ``enc``."""
        return self.secret(self.group.exchange(private, self.group.decode_public(enc)), enc, encoded)

    def secret(self, dh: bytes, enc: bytes, encoded: bytes) -> bytes:
        """ExtractAndExpand. An empty HMAC key equals HKDF's salt of zeros."""
        prk = hmac.digest(b"", self._extract + dh, self._hash)
        return hmac.digest(prk, self._expand + enc + encoded + b"\1", self._hash)
