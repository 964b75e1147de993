"""X-Wing: ML-KEM-768 and X25519 behind one combiner (draft-connolly-cfrg-xwing-kem-10 §5)."""

from __future__ import annotations

import hashlib
import os
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from privproc.hpke._algorithm import Algorithm
from privproc.secret import Secret

__all__ = ["XWing", "XWingPrivate", "XWingPublic"]

LABEL = bytes.fromhex("5c2e2f2f5e5c")
PK_M = 1184
CT_M = 1088


class XWingPublic(NamedTuple):
    """An encapsulation key: ``pk_M[1184] || pk_X[32]``."""

    m: MLKEM768PublicKey
    x: X25519PublicKey


class XWingPrivate(NamedTuple):
    """A decapsulation key, expanded once (§5.5.1); only the seed is ever written out."""

    seed: Secret
    m: MLKEM768PrivateKey
    x: X25519PrivateKey


class XWing(Algorithm[XWingPublic, XWingPrivate]):
    """Sizes in bytes: seed 32, public key 1216, encapsulation 1120 (``ct_M[1088] || ct_X[32]``), secret 32."""

    def generate(self) -> XWingPrivate:
        return self.decode_private(os.urandom(32))

    def decode_public(self, encoded: bytes) -> XWingPublic:
        # The library makes ML-KEM's encapsulation key check (FIPS 203 §7.2) when it reads the key.
        return XWingPublic(
            MLKEM768PublicKey.from_public_bytes(encoded[:PK_M]), X25519PublicKey.from_public_bytes(encoded[PK_M:])
        )

    def decode_private(self, encoded: bytes) -> XWingPrivate:
        expanded = hashlib.shake_256(encoded).digest(96)
        return XWingPrivate(
            Secret(encoded),
            MLKEM768PrivateKey.from_seed_bytes(expanded[:64]),
            X25519PrivateKey.from_private_bytes(expanded[64:]),
        )

    def public(self, private: XWingPrivate) -> tuple[XWingPublic, bytes]:
        public = XWingPublic(private.m.public_key(), private.x.public_key())
        return public, public.m.public_bytes_raw() + public.x.public_bytes_raw()

    def encode_private(self, private: XWingPrivate) -> bytes:
        return private.seed.expose()

    def encap(self, public: XWingPublic, encoded: bytes) -> tuple[bytes, bytes]:
        """Encapsulate (§5.4)."""
        return self.derand_encap(public, encoded, public.m.encapsulate(), X25519PrivateKey.generate())

    def derand_encap(
        self, public: XWingPublic, encoded: bytes, inner: tuple[bytes, bytes], ephemeral: X25519PrivateKey
    ) -> tuple[bytes, bytes]:
        """Encapsulate with ML-KEM's result (``ss_M``, ``ct_M``) and the ephemeral X25519 key given."""
        ct_x = ephemeral.public_key().public_bytes_raw()
        return inner[1] + ct_x, _combine(inner[0], ephemeral.exchange(public.x), ct_x, encoded[PK_M:])

    def decap(self, private: XWingPrivate, encoded: bytes, enc: bytes) -> bytes:
        """Decapsulate (§5.5). A wrong ``ct_M`` gives another secret (implicit rejection), not an error."""
        ct_x = enc[CT_M:]
        ss_x = private.x.exchange(X25519PublicKey.from_public_bytes(ct_x))
        return _combine(private.m.decapsulate(enc[:CT_M]), ss_x, ct_x, encoded[PK_M:])


def _combine(ss_m: bytes, ss_x: bytes, ct_x: bytes, pk_x: bytes) -> bytes:
    return hashlib.sha3_256(ss_m + ss_x + ct_x + pk_x + LABEL).digest()
