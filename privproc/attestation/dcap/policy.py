"""What a verifier demands of Intel's hardware, for TDX and SGX alike. Nothing here is optional."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field
from typing import ClassVar

from privproc.attestation.dcap.pck import Configuration, Platform
from privproc.attestation.dcap.tcb import Level, TcbStatus
from privproc.attestation.policy import CanonicalPolicy
from privproc.attestation.rules import Rule, Rules
from privproc.errors import PolicyError, UsageError
from privproc.wire import Reader, Writer

__all__ = [
    "STRICT_CONFIGURATION",
    "AnyPlatform",
    "ConfigurationRules",
    "Families",
    "PlatformPolicy",
    "Platforms",
    "PolicyPlatforms",
    "Processors",
    "TcbRules",
    "encode_platforms",
    "read_platforms",
]

_STATUSES = (
    TcbStatus.UP_TO_DATE,
    TcbStatus.SW_HARDENING_NEEDED,
    TcbStatus.CONFIGURATION_NEEDED,
    TcbStatus.CONFIGURATION_AND_SW_HARDENING_NEEDED,
)
_OUT_OF_DATE = {
    TcbStatus.OUT_OF_DATE: TcbStatus.UP_TO_DATE,
    TcbStatus.OUT_OF_DATE_CONFIGURATION_NEEDED: TcbStatus.CONFIGURATION_NEEDED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TcbRules:
    """Which of Intel's judgements are accepted, for platform, quoting enclave and TDX module alike.

    ``statuses``: :attr:`TcbStatus.UP_TO_DATE`, and beside it none of the kinds "out of date" or "revoked". ``grace``
    (seconds): how long after a level's date (``tcbDate``) an out-of-date level is still accepted; 0 is never.
    ``advisories``: ids of the advisories that may be said about an accepted level, such as ``"INTEL-SA-00615"``.
    ``evaluation``: the least number of Intel's evaluation, so that an older one that isn't over yet can't be used.
    """

    statuses: frozenset[TcbStatus]
    grace: int
    advisories: frozenset[str]
    evaluation: int

    def __post_init__(self) -> None:
        if TcbStatus.UP_TO_DATE not in self.statuses or not self.statuses <= set(_STATUSES):
            raise UsageError("statuses have UpToDate among them, and none that is out of date or revoked")
        if not 0 <= self.grace < 1 << 32 or not 0 <= self.evaluation <= 0xFFFF:
            raise UsageError("grace is 0 to 2^32 - 1, evaluation 0 to 65535")
        if any(not 0 < len(name) <= 0xFF or not name.isascii() for name in self.advisories):
            raise UsageError("an advisory's id is 1 to 255 ASCII characters")

    def check(self, what: str, level: Level, *, at: int) -> None:
        """Raise :class:`PolicyError` unless ``level``, of ``what``, is accepted at the Unix time ``at``."""
        status = _OUT_OF_DATE.get(level.status)
        if status is not None and at >= level.date + self.grace:
            raise PolicyError(f"{what}: TCB is {level.status.value}")
        if (status or level.status) not in self.statuses:
            raise PolicyError(f"{what}: TCB is {level.status.value}")
        if not self.advisories.issuperset(level.advisories):
            raise PolicyError(f"{what}: an advisory about its TCB is not accepted")

    def check_evaluation(self, number: int) -> None:
        """Raise :class:`PolicyError` if Intel's evaluation is an older one than demanded."""
        if number < self.evaluation:
            raise PolicyError("TCB evaluation number is under the policy's")

    def encode(self) -> bytes:
        """``u8 statuses; u32 grace; u16 evaluation; opaque advisories<0..2^16-1>``, each with a u8 length, sorted."""
        bits = sum(1 << place for place, status in enumerate(_STATUSES) if status in self.statuses)
        writer = Writer().uint(1, bits).uint(4, self.grace).uint(2, self.evaluation)
        return writer.vector(2, b"".join(_named(name.encode("ascii")) for name in sorted(self.advisories))).done()

    @classmethod
    def read(cls, reader: Reader) -> TcbRules:
        """The rules from their encoding. Raises :class:`DecodeError`; the caller maps :class:`UsageError`."""
        bits, grace, evaluation = reader.u8(), reader.u32(), reader.u16()
        return cls(
            statuses=frozenset(status for place, status in enumerate(_STATUSES) if bits >> place & 1),
            grace=grace,
            advisories=frozenset(name.decode("latin-1") for name in _names(reader.sub(2))),
            evaluation=evaluation,
        )


@dataclass(frozen=True, slots=True)
class AnyPlatform:
    """Any platform that Intel vouches for. Keys of platforms have been extracted (TEE.fail, WireTap)."""

    names: ClassVar[tuple[bytes, ...]] = ()
    size: ClassVar[int] = 0

    def check(self, platform: Platform) -> None:
        """Accept."""


@dataclass(frozen=True, slots=True)
class _Listed:
    names: tuple[bytes, ...]
    size: ClassVar[int]
    part: ClassVar[str]
    """Which part of :class:`Platform` the names are of."""

    def __post_init__(self) -> None:
        if not self.names or any(len(name) != self.size or not any(name) for name in self.names):
            raise UsageError(f"a list of names of {self.size} bytes, at least one, none all zero")
        object.__setattr__(self, "names", tuple(sorted(set(self.names))))

    def check(self, platform: Platform) -> None:
        """Raise :class:`PolicyError` unless ``platform`` is on the list."""
        if getattr(platform, self.part) not in self.names:
            raise PolicyError("platform is not on the list")


@dataclass(frozen=True, slots=True)
class Families(_Listed):
    """A platform of one of these families: FMSPC of 6 bytes, at least one, in any order."""

    size: ClassVar[int] = 6
    part: ClassVar[str] = "fmspc"


@dataclass(frozen=True, slots=True)
class Processors(_Listed):
    """One of these processors: PPID of 16 bytes."""

    size: ClassVar[int] = 16
    part: ClassVar[str] = "ppid"


@dataclass(frozen=True, slots=True)
class Platforms(_Listed):
    """One of these platforms of several packages: platform instance identifiers (PIID) of 16 bytes."""

    size: ClassVar[int] = 16
    part: ClassVar[str] = "piid"


PolicyPlatforms = AnyPlatform | Families | Processors | Platforms
"""Which hardware must have signed."""

_KINDS: tuple[type[AnyPlatform | Families | Processors | Platforms], ...] = (
    AnyPlatform,
    Families,
    Processors,
    Platforms,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigurationRules(Rules):
    """Rules for the configuration in a PCK certificate; see :class:`~privproc.attestation.dcap.pck.Configuration`.

    Certificates of the Processor CA state none: they pass only where every rule is :attr:`Rule.EITHER`.
    """

    dynamic_platform: Rule
    cached_keys: Rule
    smt: Rule

    _what: ClassVar[str] = "platform configuration"
    _places: ClassVar[dict[str, int]] = {"dynamic_platform": 0, "cached_keys": 1, "smt": 2}
    _fixed: ClassVar[dict[str, tuple[int, Rule]]] = {}
    _low: ClassVar[int] = 0

    def check_stated(self, stated: Configuration | None) -> None:
        """Raise :class:`PolicyError`, naming the flags, unless ``stated`` follows the rules."""
        if stated is not None:
            self.check(stated.bits)
        elif any(rule is not Rule.EITHER for _, _, rule in self._named()):
            raise PolicyError(f"{self._what}: not stated")


STRICT_CONFIGURATION = ConfigurationRules(dynamic_platform=Rule.CLEAR, cached_keys=Rule.CLEAR, smt=Rule.CLEAR)
"""Neither packages that may be added, nor root keys kept elsewhere, nor sibling threads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformPolicy(CanonicalPolicy):
    """The demands that policies for TDX and SGX share. Raises :class:`UsageError` for values outside of their range.

    ``max_age`` (seconds, above 0) is how long the outcome of an appraisal may be used.
    """

    tcb: TcbRules
    configuration: ConfigurationRules
    platforms: PolicyPlatforms
    max_age: int
    digest: bytes = field(init=False, repr=False, compare=False)
    """``T("<kind> policy", encoding)``, 48 bytes: what the result of an appraisal carries."""
    _encoded: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not 0 < self.max_age < 1 << 32:
            raise UsageError("max_age is 1 to 2^32 - 1")
        encoded = self._encode()
        object.__setattr__(self, "_encoded", encoded)
        object.__setattr__(self, "digest", self._digest(encoded))  # once: each appraisal names it

    def encode(self) -> bytes:
        """The canonical encoding; its first byte tells whose policy it is."""
        return self._encoded

    @abstractmethod
    def _encode(self) -> bytes:
        """The encoding, made once."""

    @staticmethod
    @abstractmethod
    def _digest(encoded: bytes) -> bytes:
        """The digest of the encoding, under a label of its kind."""


def encode_platforms(platforms: PolicyPlatforms) -> bytes:
    """``u8 platforms; opaque names<0..2^16-1>``: 0 any, 1 families, 2 processors, 3 platforms; sorted names, each with
    a u8 length.
    """
    names = b"".join(map(_named, platforms.names))
    return Writer().uint(1, _KINDS.index(type(platforms))).vector(2, names).done()


def read_platforms(reader: Reader) -> PolicyPlatforms:
    """The platforms from their encoding. Raises :class:`DecodeError`; the caller maps :class:`UsageError`."""
    kind = reader.u8()
    names = tuple(_names(reader.sub(2)))
    if kind == 0 and not names:
        return AnyPlatform()
    if kind == 1:
        return Families(names)
    if kind == 2:
        return Processors(names)
    if kind == 3:
        return Platforms(names)
    raise reader.fail("unknown kind of platforms, or names where there are none")


def _named(name: bytes) -> bytes:
    return bytes((len(name),)) + name


def _names(reader: Reader) -> list[bytes]:
    names = []
    while reader.left:
        names.append(reader.vector(1))
    return names
