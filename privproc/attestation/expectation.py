"""What a verifier expects beside its policy: the binding, the program, and what has been revoked since.

How much a binding proves is its level. A session's is the default and has the function ``appraise``; the levels below
it have functions and types of their own, so that none of them is reached by leaving something out.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from typing import ClassVar, Final, TypeVar

from privproc.attestation.binder import REPORT_DATA_LENGTH, SessionBinding
from privproc.errors import PeerError, UntrustedError, UsageError
from privproc.ledger import Logged, VerifiedRevocations

__all__ = [
    "NO_REVOCATIONS",
    "Checks",
    "Expectation",
    "KeyBinding",
    "Level",
    "NoRevocations",
    "PinnedMeasurement",
    "RevocationCheck",
    "stage",
]

C = TypeVar("C")

Checks = Sequence[tuple[str, Callable[[C], None]]]
"""Names and checks of a format, in order."""

_MEASUREMENT = 48
_MOST = 1024  # bytes of a field of Nitro's
_FOREVER = 1 << 64
_BINDING = {"binding", "unused-fields"}
_LEDGER = {"role", "log"}


class Level(Enum):
    """What the signed field of the evidence is known to be about."""

    SESSION = "session"
    """This connection: :class:`~privproc.attestation.binder.SessionBinding`."""
    KEY = "key"
    """A key. Whoever has it, taken out of any machine that the policy accepts, can be at the other end."""
    NONE = "none"
    """Nothing: some machine has signed this at some time."""


@dataclass(frozen=True, slots=True)
class KeyBinding:
    """What another protocol lets the hardware sign to bind a key: computed by the caller from the key that it saw.

    ``report_data``: the 64 bytes of SEV-SNP and TDX, the ``user_data`` of Nitro (up to 1024 bytes). ``nonce`` and
    ``public_key``: those fields of Nitro's document, empty where they aren't used, and for other formats. Each is
    compared, an empty one with an empty one. Raises :class:`UsageError` when neither report data nor public key says
    anything.
    """

    report_data: bytes
    nonce: bytes = b""
    public_key: bytes = b""

    def __post_init__(self) -> None:
        parts = (self.report_data, self.nonce, self.public_key)
        if not all(isinstance(part, bytes) and len(part) <= _MOST for part in parts):
            raise UsageError(f"a key's binding has parts of up to {_MOST} bytes")
        if not any(self.report_data) and not any(self.public_key):
            raise UsageError("a key's binding can't be empty or all zero")


@dataclass(frozen=True, slots=True)
class PinnedMeasurement:
    """The program by its measurement (48 bytes, as the ledger would have it), on the caller's word alone.

    For evidence of programs that are in no ledger; a session takes none.
    """

    digest: bytes
    not_after: ClassVar[int] = _FOREVER

    def __post_init__(self) -> None:
        if not isinstance(self.digest, bytes) or len(self.digest) != _MEASUREMENT or not any(self.digest):
            raise UsageError(f"a measurement is {_MEASUREMENT} bytes, not all zero")

    def confirm(self, digest: bytes, *, at: int) -> None:  # noqa: ARG002 - as Logged.confirm
        """Raise :class:`UntrustedError` unless ``digest`` is the pinned one."""
        if not hmac.compare_digest(digest, self.digest):
            raise UntrustedError("measurement is not the pinned one")


@dataclass(frozen=True, slots=True)
class NoRevocations:
    """Says that no revocation list was asked for: see :data:`NO_REVOCATIONS`."""


NO_REVOCATIONS: Final = NoRevocations()
"""Nothing is revoked by a list: for whoever has none, in so many letters."""

RevocationCheck = VerifiedRevocations | NoRevocations
"""What has been revoked, by a list of the ledger's (:func:`privproc.ledger.revocation.verify`)."""


@dataclass(frozen=True, slots=True)
class Expectation:
    """The expected values of one appraisal. The package makes it; callers have the functions of each format."""

    level: Level
    report_data: bytes
    nonce: bytes
    public_key: bytes
    logged: Logged | PinnedMeasurement
    role: str
    revocations: RevocationCheck

    def __post_init__(self) -> None:
        wanted = (Logged,) if self.level is Level.SESSION else (Logged, PinnedMeasurement)
        if not isinstance(self.logged, wanted):
            raise UsageError("logged is made by the check that earns it")
        if not isinstance(self.revocations, (VerifiedRevocations, NoRevocations)):
            raise UsageError("revocations are a list of the ledger's, or NO_REVOCATIONS")
        if not self.role:
            raise UsageError("a role is required")
        lists, log = self.revocations, self.logged
        if isinstance(lists, VerifiedRevocations) and isinstance(log, Logged) and lists.namespace != log.namespace:
            raise UsageError("the revocation list is of another namespace than the log entry")

    @classmethod
    def session(cls, binding: SessionBinding, logged: Logged, role: str, revocations: RevocationCheck) -> Expectation:
        """Raises :class:`UsageError` for what isn't a session's.

        CVE-2026-92702: an expected value of nil, empty or zeros must not read as "don't check".
        """
        if not isinstance(binding, SessionBinding):
            raise UsageError(f"a session's binding is the {REPORT_DATA_LENGTH} bytes that the binder makes")
        return cls(Level.SESSION, binding, b"", b"", logged, role, revocations)

    @classmethod
    def key(
        cls, binding: KeyBinding, logged: Logged | PinnedMeasurement, role: str, revocations: RevocationCheck
    ) -> Expectation:
        """Raises :class:`UsageError` for what isn't a key's."""
        if not isinstance(binding, KeyBinding):
            raise UsageError("a key's binding is a KeyBinding")
        return cls(Level.KEY, binding.report_data, binding.nonce, binding.public_key, logged, role, revocations)

    @classmethod
    def unbound(cls, logged: Logged | PinnedMeasurement, role: str, revocations: RevocationCheck) -> Expectation:
        """Any report data."""
        return cls(Level.NONE, b"", b"", b"", logged, role, revocations)

    def check_hardware_field(self) -> None:
        """Raise :class:`UsageError` unless SEV-SNP's and TDX's one field of 64 bytes can hold this."""
        if self.level is not Level.NONE and (
            len(self.report_data) != REPORT_DATA_LENGTH or self.nonce or self.public_key
        ):
            raise UsageError(f"the hardware signs {REPORT_DATA_LENGTH} bytes and has no other field")

    def check_role(self) -> None:
        """Raise :class:`UntrustedError` for a log's entry of another role; a pinned measurement has none."""
        if isinstance(self.logged, Logged) and self.logged.role != self.role:
            raise UntrustedError("log entry is of another role")

    @property
    def not_after(self) -> int:
        """When log entry or revocation list end, whichever is sooner (Unix seconds)."""
        if isinstance(self.revocations, VerifiedRevocations):
            return min(self.logged.not_after, self.revocations.not_after)
        return self.logged.not_after

    def run(self, checks: Checks[C], case: C) -> tuple[str, ...]:
        """Run those of ``checks`` that this expectation has; their names. A failure says which it was."""
        left_out = set() if self.level is not Level.NONE else _BINDING
        if isinstance(self.logged, PinnedMeasurement):
            left_out = left_out | _LEDGER
        names = []
        for name, check in checks:
            if name in left_out:
                continue
            names.append(name)
            try:
                check(case)
            except PeerError as error:
                error.check = name
                raise
        return tuple(names)

    def confirm(self, measurement: bytes, identifiers: Sequence[bytes], *, at: int) -> tuple[str, ...]:
        """The checks that all formats end with: a pinned measurement, and the revocation list. Their names.

        ``identifiers``: of 32, 48 or 64 bytes, as a list would have them.
        """
        names = []
        if isinstance(self.logged, PinnedMeasurement):
            names.append("measurement")
            with stage("measurement"):
                self.logged.confirm(measurement, at=at)
        if isinstance(self.revocations, VerifiedRevocations):
            names.append("revocation-list")
            with stage("revocation-list"):
                self.revocations.check(measurement, *identifiers, at=at)
        return tuple(names)


@contextmanager
def stage(name: str) -> Iterator[None]:
    """Let a failure inside say that it was at ``name``, unless it says more already."""
    try:
        yield
    except PeerError as error:
        error.check = error.check or name
        raise
