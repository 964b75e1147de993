"""Key pairs of the pseudorandom function (RFC 9497 §3.2)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Self, final

from privproc._step import Unique
from privproc.errors import UsageError
from privproc.secret import Secret
from privproc.voprf.suite import Mode, Suite, checked, context, lp

__all__ = ["MIN_SEED", "PrivateKey", "PublicKey"]

MIN_SEED = 32
"""Bytes of a seed for :meth:`PrivateKey.derive`."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A server's public key: an element of the suite's group in its encoding, ``Ne`` bytes, never the identity.

    Raises :class:`DecodeError` for other bytes.
    """

    suite: Suite
    encoded: bytes
    element: Any = field(init=False, repr=False, compare=False)
    """The group's own form."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "element", self.suite.group.decode(self.encoded, "public key"))


@final
class PrivateKey(Unique):
    """A server's private key: a scalar of the suite's group. Opaque; can't be copied or pickled.

    Raises :class:`DecodeError` unless ``scalar`` is ``Ns`` bytes of a number below the order and not zero.
    """

    __slots__ = ("_scalar", "public_key", "suite")

    suite: Suite
    public_key: PublicKey
    """The public half."""

    def __init__(self, suite: Suite, scalar: Secret) -> None:
        group = suite.group
        self.suite = suite
        self._scalar = Secret(group.scalars.decode(scalar.expose(), "private key"))
        self.public_key = PublicKey(suite, group.encode(group.multiply_base(self._scalar.expose())))

    @classmethod
    def generate(cls, suite: Suite) -> Self:
        """A new random key."""
        return cls(suite, Secret(suite.group.scalars.random()))

    @classmethod
    def derive(cls, suite: Suite, mode: Mode, seed: Secret, info: bytes) -> Self:
        """``DeriveKeyPair`` (RFC 9497 §3.2.1): the same key for the same ``seed``, mode and ``info``.

        ``seed``: at least 32 random bytes. The RFC asks for ``Ns``, and uses 32 in its vectors for every suite. Raises
        :class:`UsageError` for a shorter one, and for ``info`` of more than 65534 bytes.
        """
        if len(seed) < MIN_SEED:
            raise UsageError(f"a seed has at least {MIN_SEED} bytes")
        checked("info", (info,))
        derived = context(suite, mode)
        for counter in range(256):
            # req: rfc9497/3.2.1 derived-keys
            scalar = derived.derive_scalar(seed.expose() + lp(info) + bytes((counter,)))
            if any(scalar):
                return cls(suite, Secret(scalar))
        raise UsageError("no key from this seed")

    def to_secret(self) -> Secret:
        """The scalar, ``Ns`` bytes, for the caller's own storage."""
        return Secret(self._scalar.expose())

    def __repr__(self) -> str:
        return f"<PrivateKey {self.suite.identifier}>"
