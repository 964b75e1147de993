"""What both ends can do from the server's Finished on: name the leaf, export, and compute the binder.

The exporter secret covers ClientHello to the server's Finished (RFC 8446 §7.1), so the server can make evidence before
the client's Finished arrives, and both ends have the same value.
"""

from __future__ import annotations

from OpenSSL import SSL

from privproc._step import Step
from privproc.attestation.binder import Binding, Direction
from privproc.ratls import openssl
from privproc.secret import Secret

__all__ = ["Handshaken"]


class Handshaken(Step[SSL.Connection]):
    """Base of the steps after the server's Finished. Looking doesn't spend the step; after it is spent, nor looks."""

    __slots__ = ("_leaf",)

    def __init__(self, connection: SSL.Connection, leaf: bytes) -> None:
        super().__init__(connection)
        self._leaf = leaf

    @property
    def leaf(self) -> bytes:
        """The DER of the server's certificate."""
        return self._leaf

    def export(self, label: bytes, context: bytes, length: int) -> Secret:
        """TLS-Exporter (RFC 8446 §7.5): 1 to 12240 bytes under a label of 1 to 249 bytes, else UsageError."""
        return openssl.export(self._look(), label, context, length)

    def binding(self, *, role: str, th1: bytes, announcement: bytes, sequence: int = 0) -> Binding:
        """The binder's first stage for this session: gives the nonces for the server's devices.

        ``role`` (not empty), ``th1`` (48 bytes) and ``announcement`` as in docs/protocol.md §2; ``sequence`` (uint32)
        counts the attestations of the session. Raises :class:`UsageError` for a field of the wrong size.
        """
        return Binding.exported(
            self.export,
            Direction.SERVER_TO_CLIENT,
            role=role,
            th1=th1,
            leaf=self._leaf,
            # req: privproc1/4.2 no-client-certificate
            peer=b"",  # the client has no certificate
            announcement=announcement,
            sequence=sequence,
        )
