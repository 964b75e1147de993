"""A suite: one algorithm of each kind, and the key schedule that they make."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Self

from privproc.errors import UnsupportedError
from privproc.hpke._registry import Aead, Cipher, Kdf, Kem, NoCipher
from privproc.hpke._schedule import Schedule, schedule_of

__all__ = ["Aead", "Kdf", "Kem", "Suite"]


@dataclass(frozen=True, slots=True)
class Suite:
    """A combination of algorithms. On the wire: ``uint16 kem_id, kdf_id, aead_id`` (RFC 9180 §5.1)."""

    kem: Kem
    kdf: Kdf
    aead: Aead
    encoded: bytes = field(init=False, repr=False, compare=False)
    """The six bytes."""
    _schedule: Schedule = field(init=False, repr=False, compare=False)
    _cipher: Callable[[bytes], Cipher | NoCipher] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        encoded = b"".join(part.to_bytes(2, "big") for part in (self.kem, self.kdf, self.aead))
        object.__setattr__(self, "encoded", encoded)
        object.__setattr__(self, "_schedule", schedule_of(self.kem, self.kdf, self.aead))
        cipher = _no_cipher if self.aead is Aead.EXPORT_ONLY else self.aead._new  # the schedule's keys have their size
        object.__setattr__(self, "_cipher", cipher)

    @classmethod
    @cache
    def from_ids(cls, kem: int, kdf: int, aead: int) -> Self:
        """The suite of three received identifiers.

        Raises :class:`UnsupportedError` for any that isn't offered here, and for the export-only AEAD (0xFFFF): a
        peer doesn't turn encryption off. A protocol that only exports names its suite itself.
        """
        try:
            suite = cls(Kem(kem), Kdf(kdf), Aead(aead))
        except ValueError:
            suite = None
        if suite is None or suite.aead is Aead.EXPORT_ONLY:
            raise UnsupportedError(f"HPKE suite {kem:#06x}, {kdf:#06x}, {aead:#06x}")
        return suite


def _no_cipher(_key: bytes) -> NoCipher:
    return NoCipher()
