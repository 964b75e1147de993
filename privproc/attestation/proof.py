"""What an end's hardware has to sign, until it is complete: the session, and what is shown beside its evidence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol, Self, TypeVar

from privproc._step import Step
from privproc.attestation.binder import Binding
from privproc.errors import UsageError

__all__ = ["Proof", "Unproven"]


class Proof(NamedTuple):
    """``beside``: whether the other end demands evidence of devices or back ends; ``None`` where it doesn't say.
    ``devices`` is what is shown.
    """

    binding: Binding
    beside: bool | None
    devices: tuple[tuple[int, bytes], ...] = ()

    def __repr__(self) -> str:
        return "<Proof>"

    def showing(self, devices: Sequence[tuple[int, bytes]]) -> Proof:
        """Raises :class:`UsageError` where nothing is wanted, or something is shown already."""
        if self.beside is False or self.devices or not devices:
            raise UsageError("devices are shown once, and to an end that demands them")
        return self._replace(devices=tuple(devices))

    def complete(self) -> bytes:
        """The 64 bytes. Raises :class:`UsageError` before what is demanded is shown."""
        # req: privproc1/4.6 shows-what-open-demands
        if self.beside and not self.devices:
            raise UsageError("evidence is demanded beside the hardware's: show it first")
        return self.binding.report_data(self.devices)


class _Provable(Protocol):
    """A step's state."""

    @property
    def proof(self) -> Proof:
        """What its hardware has to sign."""

    def _replace(self, *, proof: Proof) -> Self:
        """A named tuple's."""


P = TypeVar("P", bound=_Provable)


class Unproven(Step[P]):
    """Base of the steps that wait for the hardware's evidence over ``report_data``.

    ``beside``: whether the other end demands evidence of devices or back ends, for :meth:`show`; ``None`` where it is
    for this code to know.
    """

    __slots__ = ()

    @property
    def beside(self) -> bool | None:
        """See above."""
        return self._look().proof.beside

    def device_nonce(self, index: int) -> bytes:
        """The nonce (32 bytes) that the device at ``index``, from 0, of what is going to be shown has to sign."""
        return self._look().proof.binding.device_nonce(index)

    def show(self, devices: Sequence[tuple[int, bytes]]) -> None:
        """Let the hardware sign ``devices`` too: type and evidence of each, 16 at most.

        Those of the machine come first, each over its :meth:`device_nonce`, then the ``device`` of each
        :class:`~privproc.attestation.forwarded.BackEnd`. Raises :class:`UsageError`, and changes nothing, if nobody
        asked for any, or some are shown already.
        """
        proof = self._look().proof.showing(devices)
        self._state.append(self._take()._replace(proof=proof))

    @property
    def report_data(self) -> bytes:
        """The 64 bytes that the hardware has to sign. Raises :class:`UsageError` before what is demanded is shown."""
        return self._look().proof.complete()
