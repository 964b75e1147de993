"""What a TEE's hardware signs in privproc/1: the session, the leaf, the role and the announced keys, in 64 bytes.

docs/protocol.md §2. Both ends compute the same value; the device compares it with the hardware-signed field. Nothing
in it is optional: a missing field has an encoding of its own (empty), and every field carries its length.

Two stages, because evidence of devices (GPUs) has a nonce that depends on the first, and is hashed into the second::

    pre  = Binding(...)
    data = pre.report_data(devices=[...])
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Self, final

from privproc.errors import UsageError
from privproc.tagged import lp, tagged_hash

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from privproc.secret import Secret

    Export = Callable[[bytes, bytes, int], Secret]

__all__ = [
    "EXPORTER_LABEL",
    "EXPORTER_LENGTH",
    "REPORT_DATA_LENGTH",
    "Binding",
    "Direction",
    "SessionBinding",
    "exporter_context",
]

EXPORTER_LABEL = b"EXPERIMENTAL privproc/1 attest"
"""Label of the TLS exporter. RFC 5705 §4: labels that start with EXPERIMENTAL need no registration."""

EXPORTER_LENGTH = 32
REPORT_DATA_LENGTH = 64

_TAG = b"privproc/1 bind\0"
_MOST = 0xFFFF


class Direction(Enum):
    """Whose evidence it is. Without it a peer's own evidence could be reflected at it."""

    SERVER_TO_CLIENT = b"s2c"
    CLIENT_TO_SERVER = b"c2s"


def exporter_context(direction: Direction, sequence: int, th1: bytes) -> bytes:
    """The context (48 bytes) under which the exporter is called for this attestation.

    ``sequence`` (uint32) counts attestations in the session, ``th1`` (48 bytes) is the transcript so far.
    """
    return tagged_hash("ctx", direction.value, _uint32(sequence), _sized("th1", th1, 48))


@final
class SessionBinding(bytes):
    """The 64 bytes of :meth:`Binding.report_data`: what evidence of one session, and of no other, is bound to.

    Bytes like any others for whoever has them signed; a type of their own for whoever appraises, since a digest of a
    key, or bytes that came over the wire, must not stand in for them. Nothing but the binder makes one.
    """

    __slots__ = ()

    def __new__(cls, *_args: object) -> Self:
        """Raises :class:`UsageError`: it is made by the binder only, nor is it loaded from a pickle."""
        raise UsageError("a session's binding is made only by the binder")

    @classmethod
    def _of(cls, report_data: bytes) -> Self:
        return bytes.__new__(cls, report_data)


@dataclass(frozen=True, slots=True)
class Binding:
    """The fields of ``pre``.

    ``exporter`` is the 32-byte exporter value of this very connection, ``leaf`` the DER of the attesting end's
    certificate, ``peer`` the DER of the other's (empty if it has none), ``announcement`` the encoded keys announced for
    the session (empty if none).
    """

    direction: Direction
    sequence: int
    role: str
    th1: bytes
    exporter: Secret = field(repr=False)
    leaf: bytes = field(repr=False)
    peer: bytes = field(repr=False)
    announcement: bytes = field(repr=False)

    @classmethod
    def exported(
        cls,
        export: Export,
        direction: Direction,
        *,
        role: str,
        th1: bytes,
        leaf: bytes,
        peer: bytes,
        announcement: bytes,
        sequence: int = 0,
    ) -> Self:
        """The fields, with the exporter value taken from ``export``: TLS-Exporter of the connection (RFC 8446 §7.5).

        Raises :class:`UsageError` for a field of the wrong size.
        """
        exporter = export(EXPORTER_LABEL, exporter_context(direction, sequence, th1), EXPORTER_LENGTH)
        return cls(direction, sequence, role, th1, exporter, leaf, peer, announcement)

    @property
    # req: privproc1/2.5 binder-covers-session
    def pre(self) -> bytes:
        """``T("pre", ...)``, 48 bytes. Raises :class:`UsageError` for a field of the wrong size."""
        if not self.role or not self.leaf:
            raise UsageError("role and leaf certificate are required")
        return tagged_hash(
            "pre",
            self.direction.value,
            self.role.encode(),
            _uint32(self.sequence),
            _sized("th1", self.th1, 48),
            _sized("exporter value", self.exporter.expose(), EXPORTER_LENGTH),
            hashlib.sha256(self.leaf).digest(),
            hashlib.sha256(self.peer).digest() if self.peer else b"",
            self.announcement,
        )

    def device_nonce(self, index: int) -> bytes:
        """The nonce (32 bytes) that device ``index`` (uint16; a GPU, a switch) must sign."""
        if not 0 <= index <= _MOST:
            raise UsageError("devices are counted in uint16")
        # req: privproc1/2.5 devices-in-order
        return hashlib.sha256(lp(b"privproc/1 dev") + lp(self.pre) + index.to_bytes(2, "big")).digest()

    def report_data(self, devices: Sequence[tuple[int, bytes]]) -> SessionBinding:
        """The 64 bytes for the hardware report. ``devices``: type (uint16) and evidence of each device, in order."""
        if len(devices) > _MOST or not all(0 <= kind <= _MOST for kind, _ in devices):
            raise UsageError("devices and their types are counted in uint16")
        items = [kind.to_bytes(2, "big") + hashlib.sha384(evidence).digest() for kind, evidence in devices]
        dev = len(items).to_bytes(2, "big") + b"".join(map(lp, items))
        # req: privproc1/2.5 tag-of-its-own
        return SessionBinding._of(_TAG + tagged_hash("bind", self.pre, dev))


def _uint32(sequence: int) -> bytes:
    if not 0 <= sequence < 1 << 32:
        raise UsageError("sequence is a uint32")
    return sequence.to_bytes(4, "big")


def _sized(what: str, value: bytes, size: int) -> bytes:
    if len(value) != size:
        raise UsageError(f"{what} has {len(value)} bytes instead of {size}")
    return value
