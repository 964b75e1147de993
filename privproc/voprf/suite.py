"""The ciphersuites of RFC 9497 §4, and what is fixed by a suite and a mode: the context string and its tags."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from functools import cache
from typing import Any

from privproc.errors import UsageError
from privproc.voprf import sodium
from privproc.voprf.group import Group
from privproc.voprf.hash_to_curve import Expander
from privproc.voprf.nist import P256, P384, P521
from privproc.voprf.ristretto import Ed25519Ristretto

__all__ = [
    "MAX_INPUT",
    "P256_SHA256",
    "P384_SHA384",
    "P521_SHA512",
    "RISTRETTO255_SHA512",
    "Context",
    "Mode",
    "Suite",
    "checked",
    "context",
    "lp",
    "ristretto255",
]

MAX_INPUT = 65534
"""Bytes of an input or a public ``info`` (RFC 9497 §5.1)."""


class Mode(IntEnum):
    """The protocol's variants (RFC 9497 §3.1)."""

    OPRF = 0
    """The client learns the output, and can't tell which key made it."""
    VOPRF = 1
    """With a proof that the key was the announced one."""
    POPRF = 2
    """With that proof, and a public ``info`` that the output depends on as well."""


@dataclass(frozen=True, slots=True)
class Suite:
    """A ciphersuite: its ``identifier`` in RFC 9497, the group, and the hash's name in :mod:`hashlib`."""

    identifier: str
    group: Group[Any] = field(repr=False)
    hash_name: str

    @property
    def output_size(self) -> int:
        """``Nh``, bytes of an output."""
        return hashlib.new(self.hash_name).digest_size

    @property
    def proof_size(self) -> int:
        """Bytes of a proof: two scalars."""
        return 2 * self.group.scalars.size

    def hash(self, data: bytes) -> bytes:
        """The suite's hash, ``Nh`` bytes."""
        return hashlib.new(self.hash_name, data).digest()


def ristretto255(libsodium: str | None = None) -> Suite:
    """OPRF(ristretto255, SHA-512) on libsodium: the one at the path ``libsodium``, or the system's.

    Raises :class:`UsageError` when it isn't there or isn't right. :data:`RISTRETTO255_SHA512` never raises.
    """
    return Suite("ristretto255-SHA512", sodium.load(libsodium), "sha512")


def _default_ristretto255() -> Suite:
    try:
        return ristretto255()
    except UsageError:
        return Suite("ristretto255-SHA512", Ed25519Ristretto(), "sha512")


P256_SHA256 = Suite("P256-SHA256", P256, "sha256")
"""OPRF(P-256, SHA-256)."""

# req: rfc9497/4 suites
P384_SHA384 = Suite("P384-SHA384", P384, "sha384")
"""OPRF(P-384, SHA-384): of token type 0x0001."""

P521_SHA512 = Suite("P521-SHA512", P521, "sha512")
"""OPRF(P-521, SHA-512)."""

RISTRETTO255_SHA512 = _default_ristretto255()
"""OPRF(ristretto255, SHA-512), of token type 0x0005: on the system's libsodium, else on pycryptodome."""


class Context:
    """A suite in a mode: what ``contextString`` (RFC 9497 §3.1) is part of."""

    __slots__ = ("_to_group", "_to_scalar", "mode", "seed_suffix", "string", "suite")

    def __init__(self, suite: Suite, mode: Mode) -> None:
        self.suite = suite
        self.mode = mode
        self.string = b"OPRFV1-" + bytes((mode,)) + b"-" + suite.identifier.encode("ascii")
        group, name = suite.group, suite.hash_name
        self._to_group = Expander(name, b"HashToGroup-" + self.string, group.hash_size)
        self._to_scalar = Expander(name, b"HashToScalar-" + self.string, group.uniform_size)
        self.seed_suffix = lp(b"Seed-" + self.string)

    def to_group(self, message: bytes, *, public: bool) -> Any:
        """``HashToGroup``; ``public``: whether time may depend on the message."""
        return self.suite.group.from_uniform(self._to_group.expand(message), public=public)

    def to_scalar(self, message: bytes) -> bytes:
        """``HashToScalar``."""
        return self.suite.group.scalars.reduce(self._to_scalar.expand(message))

    def derive_scalar(self, message: bytes) -> bytes:
        """``HashToScalar`` with the tag of ``DeriveKeyPair`` (RFC 9497 §3.2.1)."""
        group = self.suite.group
        expander = Expander(self.suite.hash_name, b"DeriveKeyPair" + self.string, group.uniform_size)
        return group.scalars.reduce(expander.expand(message))

    def output(self, message: bytes, unblinded: bytes, info: bytes | None) -> bytes:
        """The end of ``Finalize`` and ``Evaluate``; ``info`` in the mode POPRF only."""
        # req: rfc9497/3.3.1 output-over-input-and-element
        public = b"" if info is None else lp(info)
        return self.suite.hash(b"".join((lp(message), public, lp(unblinded), b"Finalize")))


@cache
# req: rfc9497/3.1 mode-separation
def context(suite: Suite, mode: Mode) -> Context:
    """The context of a suite and a mode, made once."""
    return Context(suite, mode)


def lp(field: bytes) -> bytes:
    """``I2OSP(len(field), 2) || field``."""
    return len(field).to_bytes(2, "big") + field


def checked(what: str, values: Sequence[bytes]) -> Sequence[bytes]:
    """``values``. Raises :class:`UsageError` for one that is longer than the protocol allows."""
    if any(len(value) > MAX_INPUT for value in values):
        raise UsageError(f"{what}: over {MAX_INPUT} bytes")
    return values
