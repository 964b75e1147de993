"""ML-KEM (FIPS 203) as a KEM of its own (draft-ietf-hpke-pq-05 §3)."""

from __future__ import annotations

from typing import final

from cryptography.hazmat.primitives.asymmetric.mlkem import (
    MLKEM768PrivateKey,
    MLKEM768PublicKey,
    MLKEM1024PrivateKey,
    MLKEM1024PublicKey,
)

from privproc.hpke._algorithm import Algorithm, derive_seed
from privproc.hpke._registry import Kem

__all__ = ["MlKem", "MlKemPrivate", "MlKemPublic"]

MlKemPublic = MLKEM768PublicKey | MLKEM1024PublicKey
MlKemPrivate = MLKEM768PrivateKey | MLKEM1024PrivateKey


@final
class MlKem(Algorithm[MlKemPublic, MlKemPrivate]):
    """One parameter set, ``kem``. A private key is its seed ``d[32] || z[32]``, never FIPS 203's expanded form.

    The library makes the encapsulation key check (FIPS 203 §7.2) when it reads a key.
    """

    def __init__(self, kem: Kem, public: type[MlKemPublic], private: type[MlKemPrivate]) -> None:
        self.kem = kem
        self._public = public
        self._private = private

    def generate(self) -> MlKemPrivate:
        return self._private.generate()

    def derive(self, ikm: bytes) -> MlKemPrivate:
        return self.decode_private(derive_seed(self.kem, ikm))

    def decode_public(self, encoded: bytes) -> MlKemPublic:
        return self._public.from_public_bytes(encoded)

    def decode_private(self, encoded: bytes) -> MlKemPrivate:
        return self._private.from_seed_bytes(encoded)

    def public(self, private: MlKemPrivate) -> tuple[MlKemPublic, bytes]:
        public = private.public_key()
        return public, public.public_bytes_raw()

    def encode_private(self, private: MlKemPrivate) -> bytes:
        return private.private_bytes_raw()

    def encap(self, public: MlKemPublic, encoded: bytes) -> tuple[bytes, bytes]:  # noqa: ARG002  it hashes the key itself
        """ML-KEM.Encaps."""
        shared, enc = public.encapsulate()
        return enc, shared

    def decap(self, private: MlKemPrivate, encoded: bytes, enc: bytes) -> bytes:  # noqa: ARG002  it has the key itself
        """ML-KEM.Decaps. A wrong ``enc`` of the right size gives another secret (implicit rejection), not an error."""
        return private.decapsulate(enc)
