"""The enclave's one-time KEM keys and their announcement, which the hardware report commits to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self, final

from privproc import hpke
from privproc._step import Step
from privproc.errors import UsageError
from privproc.wire import Reader, Writer

__all__ = ["Announcement", "OneTimeKey"]

_KEY_LIMIT = 4096


@dataclass(frozen=True, slots=True)
class Announcement:
    """What the enclave offers for one session (docs/protocol.md §2)::

    struct {
        uint16 kem, kdf, aead;
        opaque key<1..4096>;        uint32 length; the key of request 0
        uint32 max_requests;        at least 1
        uint32 lifetime;            seconds, at least 1
    } Announcement;
    """

    suite: hpke.Suite
    key: hpke.PublicKey
    max_requests: int
    lifetime: int

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Raises :class:`DecodeError`, or :class:`UnsupportedError` for a suite that isn't offered here."""
        return Reader.all(data, "announcement", cls._read)

    @classmethod
    def _read(cls, reader: Reader) -> Self:
        ids = reader.u16(), reader.u16(), reader.u16()
        encoded = reader.vector(4, 1, _KEY_LIMIT)
        max_requests, lifetime = reader.u32(), reader.u32()
        # req: privproc1/2.4 announcement-form
        if not max_requests or not lifetime:
            raise reader.fail("max_requests and lifetime must not be 0")
        suite = hpke.Suite.from_ids(*ids)
        return cls(suite, hpke.PublicKey.decode(suite.kem, encoded), max_requests, lifetime)

    def encode(self) -> bytes:
        """The bytes that go into ``pre``."""
        writer = Writer().raw(self.suite.encoded)
        return writer.vector(4, self.key.encode()).uint(4, self.max_requests).uint(4, self.lifetime).done()


@final
class OneTimeKey(Step[hpke.PrivateKey]):
    """A KEM key that opens one request and is forgotten, whether that succeeds or fails."""

    __slots__ = ("public_key", "suite")

    def __init__(self, suite: hpke.Suite, private: hpke.PrivateKey) -> None:
        if private.kem is not suite.kem:
            raise UsageError("the key's KEM is not the suite's")
        super().__init__(private)
        self.suite = suite
        self.public_key = private.public_key

    @classmethod
    def generate(cls, suite: hpke.Suite) -> Self:
        """A fresh key."""
        return cls(suite, hpke.PrivateKey.generate(suite.kem))

    def announce(self, *, max_requests: int, lifetime: int) -> Announcement:
        """The announcement that names this key as that of request 0. ``lifetime`` in seconds."""
        return Announcement(self.suite, self.public_key, max_requests, lifetime)
