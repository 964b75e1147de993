"""ML-KEM and a Diffie-Hellman group behind one combiner (draft-ietf-hpke-pq-05 §4).

The construction is the CG framework of draft-irtf-cfrg-hybrid-kems with the components of
draft-irtf-cfrg-concrete-hybrid-kems-03 §4; with X25519 it is X-Wing (draft-connolly-cfrg-xwing-kem-10 §5).
"""

from __future__ import annotations

import hashlib
import os
from typing import Any, NamedTuple, final

from privproc.hpke._algorithm import Algorithm, derive_seed
from privproc.hpke._groups import Group
from privproc.hpke._mlkem import MlKem, MlKemPrivate, MlKemPublic
from privproc.hpke._registry import Kem
from privproc.secret import Secret

__all__ = ["Hybrid", "HybridPrivate", "HybridPublic"]

_SEED = 32
_ML_KEM_SEED = 64


class HybridPublic(NamedTuple):
    """An encapsulation key: ML-KEM's, then the group's."""

    m: MlKemPublic
    x: Any


class HybridPrivate(NamedTuple):
    """A decapsulation key, expanded once; only the seed is ever written out."""

    seed: Secret
    m: MlKemPrivate
    x: Any


@final
class Hybrid(Algorithm[HybridPublic, HybridPrivate]):
    """``inner`` with ``group``, whose RandomScalar takes ``scalar_seed`` bytes.

    Public key and encapsulation are ML-KEM's followed by the group's; a private key is a seed of 32 bytes.
    """

    def __init__(self, kem: Kem, inner: MlKem, group: Group[Any, Any], scalar_seed: int, label: bytes) -> None:
        self._kem = kem
        self._pk_m, self._ct_m = inner.kem.Npk, inner.kem.Nenc
        self._inner = inner
        self._group = group
        self._expanded = _ML_KEM_SEED + scalar_seed
        self._label = label

    def generate(self) -> HybridPrivate:
        return self.decode_private(os.urandom(_SEED))

    def derive(self, ikm: bytes) -> HybridPrivate:
        return self.decode_private(derive_seed(self._kem, ikm))

    def decode_public(self, encoded: bytes) -> HybridPublic:
        return HybridPublic(
            self._inner.decode_public(encoded[: self._pk_m]), self._group.decode_public(encoded[self._pk_m :])
        )

    def decode_private(self, encoded: bytes) -> HybridPrivate:
        expanded = hashlib.shake_256(encoded).digest(self._expanded)
        inner = self._inner.decode_private(expanded[:_ML_KEM_SEED])
        return HybridPrivate(Secret(encoded), inner, self._group.scalar(expanded[_ML_KEM_SEED:]))

    def public(self, private: HybridPrivate) -> tuple[HybridPublic, bytes]:
        m, m_encoded = self._inner.public(private.m)
        x, x_encoded = self._group.public(private.x)
        return HybridPublic(m, x), m_encoded + x_encoded

    def encode_private(self, private: HybridPrivate) -> bytes:
        return private.seed.expose()

    def encap(self, public: HybridPublic, encoded: bytes) -> tuple[bytes, bytes]:
        """Encaps."""
        return self.derand_encap(public, encoded, public.m.encapsulate(), self._group.generate())

    def derand_encap(
        self, public: HybridPublic, encoded: bytes, inner: tuple[bytes, bytes], ephemeral: Any
    ) -> tuple[bytes, bytes]:
        """Encaps with ML-KEM's result (``ss_M``, ``ct_M``) and the group's ephemeral key given."""
        ct_x = self._group.public(ephemeral)[1]
        return inner[1] + ct_x, self._combine(inner[0], self._group.exchange(ephemeral, public.x), ct_x, encoded)

    def decap(self, private: HybridPrivate, encoded: bytes, enc: bytes) -> bytes:
        """Decaps. A wrong ``ct_M`` gives another secret (implicit rejection), not an error."""
        ct_x = enc[self._ct_m :]
        ss_x = self._group.exchange(private.x, self._group.decode_public(ct_x))
        return self._combine(private.m.decapsulate(enc[: self._ct_m]), ss_x, ct_x, encoded)

    def _combine(self, ss_m: bytes, ss_x: bytes, ct_x: bytes, encoded: bytes) -> bytes:
        return hashlib.sha3_256(ss_m + ss_x + ct_x + encoded[self._pk_m :] + self._label).digest()
