"""The exceptions of the library.

Whose fault it is decides the branch: :class:`UsageError` is a mistake of the caller's program, :class:`PeerError` is
something that a peer sent. The contract of every decoder and verifier is: bytes in, a value or a :class:`PeerError`
out. Anything else that escapes because of received bytes is a bug of this library.

Messages carry names, lengths and offsets, never received or secret bytes.
"""

from __future__ import annotations

__all__ = [
    "DecodeError",
    "ExpiredError",
    "LimitError",
    "OpenError",
    "PeerError",
    "PolicyError",
    "PrivprocError",
    "ReplayError",
    "SignatureError",
    "SpentError",
    "UnsupportedError",
    "UntrustedError",
    "UsageError",
    "VerificationError",
]


class PrivprocError(Exception):
    """Base of everything that this library raises on purpose."""


class UsageError(PrivprocError):
    """The caller's bug: wrong order, wrong size of an argument, a forged witness."""


class SpentError(UsageError):
    """A single-use step was used a second time."""

    def __init__(self, step: str) -> None:
        super().__init__(f"{step} was already used")
        self.step = step


class PeerError(PrivprocError):
    """The peer's doing; the only family that received bytes can cause.

    ``check`` names the check of an appraisal that refused (``"tcb-floor"``); empty elsewhere. ``authentic``: how many
    bytes of an answer had been given out, each of them authentic, when its stream failed, for whatever reason; ``None``
    where no answer was awaited.
    """

    check: str = ""
    authentic: int | None = None


class DecodeError(PeerError):
    """Received bytes don't have the form that the specification demands.

    ``what`` names the structure, ``why`` the rule that was broken, ``offset`` the byte at which it was noticed.
    """

    def __init__(self, what: str, why: str, offset: int = 0) -> None:
        super().__init__(f"{what}: {why} (at byte {offset})")
        self.what = what
        self.why = why
        self.offset = offset


class UnsupportedError(PeerError):
    """Well formed, but an algorithm, version or format that isn't offered here."""


class OpenError(PeerError):
    """An AEAD or a KEM refused. One message for every cause, so that nothing can be learnt from it."""

    def __init__(self) -> None:
        super().__init__("cannot be opened")


class VerificationError(PeerError):
    """Well formed and readable, but not what was demanded."""


class SignatureError(VerificationError):
    """A signature or proof doesn't verify."""


class UntrustedError(VerificationError):
    """Nobody who is trusted vouches for it: unknown root, too few sources, not in the log, another's binding."""


class PolicyError(VerificationError):
    """Genuine, but outside of what the policy accepts."""


class ExpiredError(VerificationError):
    """Outside of its time of validity at the given ``at``."""


class ReplayError(PeerError):
    """Seen before: a spent token, an encapsulated request or a handle that comes a second time."""


class LimitError(PeerError):
    """More than a declared bound: bytes, items, sessions."""
