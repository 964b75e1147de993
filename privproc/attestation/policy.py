"""What the policies of all formats share: one canonical encoding, and the names that follow from it."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from typing import Self

from privproc.errors import DecodeError, UsageError
from privproc.wire import Reader

__all__ = ["CanonicalPolicy"]


class CanonicalPolicy(ABC):
    """Base of the policies. The first byte of an encoding tells whose policy it is."""

    __slots__ = ()

    @abstractmethod
    def encode(self) -> bytes:
        """The canonical encoding."""

    @classmethod
    @abstractmethod
    def _read(cls, reader: Reader) -> Self:
        """The policy that comes next; :class:`UsageError` for one that can't be."""

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read an encoding; only the canonical one of a policy. Raises :class:`DecodeError` or ``UnsupportedError``."""
        try:
            policy = Reader.all(data, "policy", cls._read)
        except UsageError as error:
            raise DecodeError("policy", str(error)) from None
        # req: privproc1/3.3 policies-are-canonical
        if policy.encode() != data:
            raise DecodeError("policy", "not the canonical encoding")
        return policy

    @property
    def id(self) -> bytes:
        """SHA-256 (32 bytes) of the encoding: the ``policy_id`` of privproc/1."""
        return hashlib.sha256(self.encode()).digest()
