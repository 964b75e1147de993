"""HPKE key configurations (RFC 9458 §3): the client's list and choice, and the gateway's ring of private keys.

A client decodes a list (:class:`KeyConfigs`), then takes its own choice from it (:func:`select`). For a list that came
authenticated, ``trusted.map(KeyConfigs.decode).map(lambda configs: select(configs, preference))`` carries the trust on.
A gateway holds :class:`GatewayKey` values in a :class:`KeyRing`, which publishes the same list.

The two encodings, one configuration and a list, have a decoder each: to tell them apart by looking at the bytes is
ambiguous.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Self

from privproc.errors import UnsupportedError, UsageError
from privproc.hpke import Decapsulator, Kem, PublicKey, Suite
from privproc.trust import Earned
from privproc.wire import Reader, Writer, bounded

__all__ = [
    "MAX_LIST",
    "MEDIA_TYPE",
    "GatewayKey",
    "KeyConfig",
    "KeyConfigs",
    "KeyRing",
    "Selection",
    "Skipped",
    "select",
]

MEDIA_TYPE: Final = "application/ohttp-keys"
"""The media type of :class:`KeyConfigs` (RFC 9458 §9.1)."""

MAX_LIST: Final = 1 << 17
"""Bytes of a list that are read: more than the largest single configuration, and dozens of post-quantum keys."""

LEAST = 9  # key id, KEM, the length of the algorithms, and one pair: whatever the KEM, it isn't shorter


@dataclass(frozen=True, slots=True)
class KeyConfig:
    """One key configuration (RFC 9458 §3.1)::

        HPKE Symmetric Algorithms { HPKE KDF ID (16), HPKE AEAD ID (16) }
        Key Config {
          Key Identifier (8),
          HPKE KEM ID (16),
          HPKE Public Key (Npk * 8),
          HPKE Symmetric Algorithms Length (16) = 4..65532,
          HPKE Symmetric Algorithms (32) ...,
        }

    ``suites`` are the pairs (KDF, AEAD) as they came, unknown ones included. The encoding is canonical. Raises
    :class:`UsageError` for what doesn't fit it.
    """

    key_id: int
    public_key: PublicKey
    suites: tuple[tuple[int, int], ...]
    _encoded: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not 0 <= self.key_id <= 0xFF:
            raise UsageError("a key identifier is 0 to 255")
        if not 1 <= len(self.suites) <= 0xFFFC // 4:
            raise UsageError("a key configuration has 1 to 16383 symmetric algorithms")
        writer = Writer().uint(1, self.key_id).uint(2, self.kem).raw(self.public_key.encode())
        writer.uint(2, 4 * len(self.suites))
        for kdf, aead in self.suites:
            writer.uint(2, kdf).uint(2, aead)
        object.__setattr__(self, "_encoded", writer.done())  # once: each exchange is bound to it

    @property
    def kem(self) -> Kem:
        """The KEM that the key is for."""
        return self.public_key.kem

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read exactly one configuration, without the list's length prefix.

        Raises :class:`DecodeError` for anything malformed, a public key that isn't valid for its KEM included, and
        :class:`UnsupportedError` for a KEM that isn't offered here: the rest can't be read then.
        """
        return Reader.all(data, "key configuration", cls._read)

    @classmethod
    def _read(cls, reader: Reader) -> Self:
        # req: rfc9458/3.1 configuration-layout
        key_id, kem_id = reader.u8(), reader.u16()
        if kem_id not in KEMS:
            raise UnsupportedError(f"KEM {kem_id:#06x}")
        public_key = PublicKey.decode(KEMS[kem_id], reader.take(KEMS[kem_id].Npk))
        pairs = reader.vector(2, at_least=4)
        if len(pairs) % 4:
            raise reader.fail("symmetric algorithms aren't pairs")
        return cls(key_id, public_key, tuple((kdf, aead) for kdf, aead in PAIR.iter_unpack(pairs)))

    def encode(self) -> bytes:
        """The encoding without a length prefix."""
        return self._encoded


KEMS: Mapping[int, Kem] = {kem.value: kem for kem in Kem}
PAIR = struct.Struct(">HH")


@dataclass(frozen=True, slots=True)
class Skipped:
    """A configuration of a list whose KEM isn't offered here. ``rest`` is what follows the KEM, kept as it came."""

    key_id: int
    kem: int
    rest: bytes = field(repr=False)

    def encode(self) -> bytes:
        """The bytes as received."""
        return Writer().uint(1, self.key_id).uint(2, self.kem).raw(self.rest).done()


@dataclass(frozen=True, slots=True)
class KeyConfigs:
    """A list of key configurations, ``application/ohttp-keys`` (RFC 9458 §3.2)::

        one or more of: uint16 length || Key Config

    ``entries`` keep the list's order. Encoding what was decoded gives the same bytes.
    """

    entries: tuple[KeyConfig | Skipped, ...]

    def __post_init__(self) -> None:
        if not self.entries:
            raise UsageError("a list has one key configuration or more")
        if len({entry.key_id for entry in self.entries}) != len(self.entries):
            raise UsageError("a key identifier stands for one key")

    @property
    def configs(self) -> tuple[KeyConfig, ...]:
        """Those with a KEM that is offered here; may be none."""
        return tuple(entry for entry in self.entries if isinstance(entry, KeyConfig))

    @property
    def skipped(self) -> tuple[Skipped, ...]:
        """Those with another KEM."""
        return tuple(entry for entry in self.entries if isinstance(entry, Skipped))

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read a list of at most :data:`MAX_LIST` bytes, else :class:`LimitError`.

        A KEM that isn't offered here is skipped by its length. Anything malformed refuses the whole list with
        :class:`DecodeError`: clients that recover different parts of it could be told apart (RFC 9458 §3.2). So do an
        empty list, and an identifier that occurs twice, whether or not its KEM is known.
        """
        bounded("key configurations", len(data), MAX_LIST)
        return Reader.all(data, "key configurations", cls._read)

    @classmethod
    def _read(cls, reader: Reader) -> Self:
        entries: dict[int, KeyConfig | Skipped] = {}
        while reader.left or not entries:
            # req: rfc9458/3.2 list-is-length-prefixed
            encoded = reader.vector(2, at_least=LEAST)
            entry = _entry(encoded)
            if entry.key_id in entries:
                # req: rfc9458/3.2 malformed-list-is-refused-whole
                raise reader.fail("a key identifier occurs twice")
            entries[entry.key_id] = entry
        return cls(tuple(entries.values()))

    def encode(self) -> bytes:
        """The list; what was received comes out as it came."""
        writer = Writer()
        for entry in self.entries:
            writer.vector(2, entry.encode())
        return writer.done()


def _entry(encoded: bytes) -> KeyConfig | Skipped:
    try:
        return KeyConfig.decode(encoded)
    except UnsupportedError:
        # req: rfc9458/3.2 unknown-kem-is-skipped
        return Skipped(encoded[0], int.from_bytes(encoded[1:3], "big"), encoded[3:])


@dataclass(frozen=True, slots=True, init=False)
class Selection(Earned):
    """A configuration and the suite to use with it, one that the configuration offers. Made by :func:`select`."""

    config: KeyConfig
    suite: Suite


def select(configs: KeyConfigs, preference: Sequence[Suite]) -> Selection:
    """The first suite of ``preference`` that a configuration offers, in the first one that does.

    The client's order decides, so that a gateway can't steer it to a weaker suite; within one suite, the list's. Raises
    :class:`UnsupportedError` when nothing fits: the list is well formed, but of no use here. Raises
    :class:`UsageError` for an empty preference, and for one with a suite that OHTTP can't use: the response takes a
    KDF of two stages and a cipher (RFC 9458 §4.4).
    """
    if not preference:
        raise UsageError("no suite to select")
    _check_for_ohttp(preference)
    offered = configs.configs
    # req: rfc9458/3 client-chooses
    for suite in preference:
        for config in offered:
            if config.kem == suite.kem and (suite.kdf, suite.aead) in config.suites:
                return Selection._earn(config=config, suite=suite)
    raise UnsupportedError("no key configuration fits the suites in use")


def _check_for_ohttp(suites: Sequence[Suite]) -> None:
    for suite in suites:
        if not suite.kdf.two_stage or not suite.aead.Nk:
            raise UsageError(f"OHTTP has no response with {suite.kdf.name} and {suite.aead.name}")


@dataclass(frozen=True, slots=True, eq=False)
class GatewayKey:
    """A gateway's private key, the suites that it is used with, and its time: ``not_before <= at < not_after``.

    Times are Unix seconds. ``config`` is what clients get. To accept the previous key for a while after a switch, let
    the windows overlap. The key may be kept elsewhere, in an HSM say: see :class:`privproc.hpke.Decapsulator`. Raises
    :class:`UsageError` for suites that don't fit the key or, as in :func:`select`, OHTTP.
    """

    key_id: int
    private: Decapsulator = field(repr=False)
    suites: tuple[Suite, ...]
    not_before: int
    not_after: int
    config: KeyConfig = field(init=False, repr=False)
    _by_id: dict[tuple[int, int], Suite] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        public_key = self.private.public_key
        if any(suite.kem != public_key.kem for suite in self.suites):
            raise UsageError("a suite has another KEM than the key")
        _check_for_ohttp(self.suites)
        if self.not_before >= self.not_after:
            raise UsageError("a key's validity ends after it begins")
        by_id = {(suite.kdf.value, suite.aead.value): suite for suite in self.suites}
        object.__setattr__(self, "_by_id", by_id)
        object.__setattr__(self, "config", KeyConfig(self.key_id, public_key, tuple(by_id)))

    def suite(self, kdf: int, aead: int) -> Suite:
        """The suite of two received identifiers; :class:`UnsupportedError` if the configuration doesn't offer it."""
        try:
            return self._by_id[kdf, aead]
        except KeyError:
            raise UnsupportedError(f"KDF {kdf:#06x} with AEAD {aead:#06x} isn't offered with this key") from None


class KeyRing:
    """The keys that a gateway accepts, by identifier. Immutable; :mod:`privproc.rotation` plans the next ring."""

    __slots__ = ("_keys",)

    def __init__(self, keys: Sequence[GatewayKey]) -> None:
        self._keys = {key.key_id: key for key in keys}
        if len(self._keys) != len(keys):
            raise UsageError("a key identifier stands for one key")

    def get(self, key_id: int, kem: int) -> GatewayKey | None:
        """The key that a received header names, whatever its time; ``None`` if there is none for this KEM."""
        key = self._keys.get(key_id)
        return key if key is not None and key.config.kem == kem else None

    def configs(self, *, at: int) -> KeyConfigs:
        """The list to publish: of each KEM the valid key that began last.

        A predecessor whose window overlaps is still accepted, but nobody new should take it up: two keys at a time
        split the clients into two crowds. Raises :class:`UsageError` when no key is valid at ``at``.
        """
        valid = [key for key in self._keys.values() if key.not_before <= at < key.not_after]
        newest = {key.config.kem: key.not_before for key in sorted(valid, key=lambda key: key.not_before)}
        published = tuple(key.config for key in valid if key.not_before == newest[key.config.kem])
        if not published:
            raise UsageError("no key is valid at this time")
        return KeyConfigs(published)
