"""P-256, P-384 and P-521 on pycryptodome's points: constant time for secrets, faster for what is public."""

from __future__ import annotations

from dataclasses import dataclass

from Crypto.PublicKey import ECC
from cryptography.hazmat.primitives.asymmetric import ec

from privproc.errors import DecodeError
from privproc.voprf.group import IntegerScalars, check_constant_time
from privproc.voprf.hash_to_curve import Sswu
from privproc.voprf.points import EccPoint, PointGroup

__all__ = ["P256", "P384", "P521", "NistGroup"]


@dataclass(frozen=True, slots=True)
class _Curve:
    """Numbers of SP 800-186 §3.2.1, and of RFC 9380 §8.2 to §8.4: ``z``, and ``size``, its ``L``."""

    name: str
    openssl: ec.EllipticCurve
    p: int
    b: int
    order: int
    z: int
    size: int


class NistGroup(PointGroup):
    """A :class:`privproc.voprf.Group` on a NIST curve; elements are compressed points (SEC 1 §2.3.3)."""

    __slots__ = ("_curve", "_map", "element_size", "hash_size", "uniform_size")

    def __init__(self, curve: _Curve) -> None:
        check_constant_time()
        super().__init__(IntegerScalars(curve.order, "big"))
        self._curve = curve
        self._map = Sswu(curve.p, curve.b, curve.z, curve.size)
        self.uniform_size = curve.size
        self.hash_size = 2 * curve.size
        self.element_size = 1 + -(-curve.p.bit_length() // 8)

    # req: rfc9497/3.3 identity-is-refused
    def decode(self, data: bytes, what: str) -> EccPoint:
        """See :meth:`Group.decode`."""
        # req: rfc9497/2.1 elements-are-validated
        # OpenSSL takes uncompressed points as well, which the size excludes, and refuses any other encoding.
        if len(data) != self.element_size:
            raise DecodeError(what, f"not a compressed point of {self.element_size} bytes")
        try:
            found = ec.EllipticCurvePublicKey.from_encoded_point(self._curve.openssl, data).public_numbers()
        except ValueError:
            raise DecodeError(what, "not a point of the curve") from None
        return EccPoint(found.x, found.y, self._curve.name)

    def encode(self, element: EccPoint, *, public: bool = True) -> bytes:  # noqa: ARG002  # one way for both
        """See :meth:`Group.encode`."""
        x, y = element.xy
        if x == y == 0:  # how pycryptodome gives the identity, which is no solution of the equation
            raise DecodeError("element", "the identity")
        return bytes((2 | y & 1,)) + x.to_bytes(self.element_size - 1, "big")

    def multiply_base(self, scalar: bytes) -> EccPoint:
        """See :meth:`Group.multiply_base`."""
        return ECC.construct(curve=self._curve.name, d=self.scalars.number(scalar)).pointQ

    def from_uniform(self, uniform: bytes, *, public: bool) -> EccPoint:
        """See :meth:`Group.from_uniform`: ``hash_to_curve`` in the random-oracle variant; the cofactor is 1."""
        (x1, y1), (x2, y2) = self._map.points(uniform, public=public)
        return EccPoint(x1, y1, self._curve.name) + EccPoint(x2, y2, self._curve.name)


P256 = NistGroup(
    _Curve(
        name="P-256",
        openssl=ec.SECP256R1(),
        p=2**256 - 2**224 + 2**192 + 2**96 - 1,
        b=0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B,
        order=0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
        z=-10,
        size=48,
    )
)

P384 = NistGroup(
    _Curve(
        name="P-384",
        openssl=ec.SECP384R1(),
        p=2**384 - 2**128 - 2**96 + 2**32 - 1,
        b=0xB3312FA7E23EE7E4988E056BE3F82D19181D9C6EFE8141120314088F5013875AC656398D8A2ED19D2A85C8EDD3EC2AEF,
        order=0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973,
        z=-12,
        size=72,
    )
)

P521 = NistGroup(
    _Curve(
        name="P-521",
        openssl=ec.SECP521R1(),
        p=2**521 - 1,
        b=int(
            "0051953eb9618e1c9a1f929a21a0b68540eea2da725b99b315f3b8b489918ef1"
            "09e156193951ec7e937b1652c0bd3bb1bf073573df883d2c34f1ef451fd46b503f00",
            16,
        ),
        order=int(
            "01fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
            "ffa51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409",
            16,
        ),
        z=-4,
        size=98,
    )
)
