"""The products of scalars and elements that ARC and ACT demand, by the libraries that the groups are on.

Elements are counted once in each equation of a proof: what an element is multiplied by is known before it is. Hashing,
sums of elements, their encodings and arithmetic on scalars are not in these floors.
"""

from __future__ import annotations

import ctypes
import ctypes.util

from Crypto.Math.Numbers import Integer
from Crypto.PublicKey import ECC

from tests.bench.floors.primitives import Call, Floor

_SCALAR = 2**255 - 19
_ARC = "draft-ietf-privacypass-arc-crypto-01 §4.3"


class _P256:
    """pycryptodome's points, secret scalars and public ones."""

    def __init__(self) -> None:
        self.point = ECC.construct(curve="P-256", d=7).pointQ
        self.secret = Integer(_SCALAR)
        self.public = Integer(_SCALAR, public=True)
        self.short = Integer(64, public=True)

    def products(self, times: int, scalar: Integer, why: str) -> Call:
        return Call(times, "EccPoint.__imul__", f"{_ARC}: {why}", lambda: self.point * scalar)

    def base(self, times: int, why: str) -> Call:
        inner = (1, "construct"), (1, "EccPoint.__imul__")
        return Call(
            times, "construct", f"{_ARC}: {why}", lambda: ECC.construct(curve="P-256", d=self.secret).pointQ, inner
        )


def arc_present(bits: int) -> Floor:
    """Of each bit: the commitment, then two products for each of two equations, one of them by the generator."""
    p256 = _P256()
    return Floor(
        p256.products(7, p256.secret, "U, U', m1Commit, tag, nonceCommit, V"),
        p256.products(bits, p256.secret, "D"),
        p256.base(2, "r * G, nonce * G"),
        p256.products(3 + 2, p256.secret, "proof: m1Commit, V, nonceCommit, T"),
        p256.base(2, "proof: V, nonceCommit"),
        p256.products(3 * bits, p256.secret, "proof: bits"),
        p256.base(bits, "proof: bits"),
    )


def arc_verify(bits: int) -> Floor:
    """Of each equation of the proof, its left side as well; what verifies is public."""
    p256 = _P256()
    return Floor(
        p256.products(2, p256.secret, "V"),
        p256.products(bits, p256.short, "the sum of D"),
        p256.products(3 + 2 + 2 + 2, p256.public, "proof: m1Commit, V, nonceCommit, T"),
        p256.base(2, "proof: V, nonceCommit"),
        p256.products(4 * bits, p256.public, "proof: bits"),
        p256.base(bits, "proof: bits"),
    )


class Ristretto:
    """libsodium's ristretto255. Raises :class:`OSError` where there is none."""

    def __init__(self) -> None:
        library = ctypes.CDLL(ctypes.util.find_library("sodium") or "libsodium")
        out, scalar = ctypes.create_string_buffer(32), (7).to_bytes(31, "little") + b"\1"
        library.crypto_scalarmult_ristretto255_base(out, scalar)
        element = out.raw
        self._multiply = lambda: library.crypto_scalarmult_ristretto255(out, scalar, element)
        self._base = lambda: library.crypto_scalarmult_ristretto255_base(out, scalar)

    def floor(self, products: int, base: int, section: str) -> Floor:
        why = f"draft-schlesinger-cfrg-act-02 {section}"
        found = [Call(products, "crypto_scalarmult_ristretto255", why, self._multiply, seen=False)]
        if base:
            found.append(Call(base, "crypto_scalarmult_ristretto255_base", why, self._base, seen=False))
        return Floor(*found)

    def spend(self, bits: int) -> Floor:
        """B, A', B_bar, A_bar, commitments, H1', the total; then the proof: two equations for each bit, and three."""
        return self.floor(4 + 2 + 2 + (bits + 1) + 2 + 1 + (2 + 3) + (4 * bits + 2) + 3, 0, "§3.4.1")

    def verify(self, bits: int) -> Floor:
        """A_bar, H1', the total; then the proof, with each equation's left side."""
        return self.floor(1 + 2 + 1 + (3 + 4) + (5 * bits + 2) + 4, 0, "§3.4.5")

    def refund(self) -> Floor:
        """X_A of no credits, A, X_G, and two equations."""
        return self.floor(1 + 1 + 1, 2, "§3.4.3")

    def finish(self) -> Floor:
        """X_A of no credits, X_G, and two equations with their left sides."""
        return self.floor(1 + 2 + 1, 2, "§3.4.4")
