"""The enclave's side: identity, the flight, the 64 bytes for the hardware report, channel.

::

    flight, attesting = accept(identity, client_hello, group)
    report_data       = attesting.bind(role=role, th1=th1, announcement=announcement)
    channel, events   = attesting.finish(data)                   # the client's Finished and what follows
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final, final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from OpenSSL import SSL

from privproc._step import Unique
from privproc.errors import DecodeError, UsageError
from privproc.ratls import openssl
from privproc.ratls.bound import Handshaken
from privproc.ratls.channel import Channel, Event
from privproc.ratls.credential import Credential
from privproc.ratls.hello import Group, check_client_hello, check_server_hello

__all__ = ["MAX_CLIENT_FLIGHT", "Attesting", "Identity", "accept"]

_NAME: Final = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "privproc")])
MAX_CLIENT_FLIGHT: Final = 1 << 12
"""Bytes within which the client's Finished ends; the library's own has 80. What follows it goes to the channel."""


@final
class Identity(Unique):
    """A key and self-signed certificate, for any number of sessions: a server's, or either end's where both attest.

    ``leaf`` is the certificate's DER. Nobody reads its fields: the evidence commits to its hash. ``not_after`` (Unix
    seconds) tells the caller when to make the next identity.
    """

    __slots__ = ("_context", "_credential", "leaf", "not_after")

    _context: SSL.Context
    _credential: Credential
    leaf: bytes
    not_after: int

    def __init__(self, *_args: object, **_kwargs: object) -> None:
        raise UsageError("an Identity is made by Identity.generate")

    @classmethod
    def generate(cls, *, at: int, lifetime: int) -> Identity:
        """A fresh Ed25519 key with a certificate valid from ``at`` (Unix seconds) for ``lifetime`` seconds.

        Ed25519 because its signatures need no randomness, which a cloned or rewound machine would repeat, and because
        all certificates then have one size. Raises :class:`UsageError` for times that no certificate can hold.
        """
        if at < 0 or lifetime < 1:
            raise UsageError("at must not be negative, lifetime must be positive")
        try:
            begin, end = datetime.fromtimestamp(at, UTC), datetime.fromtimestamp(at + lifetime, UTC)
        except (ValueError, OverflowError, OSError):
            raise UsageError("a certificate can't hold this time") from None
        key = Ed25519PrivateKey.generate()
        certificate = (
            x509.CertificateBuilder()
            .subject_name(_NAME)
            .issuer_name(_NAME)
            .public_key(key.public_key())
            .serial_number(int.from_bytes(os.urandom(16), "big") & ~(3 << 126) | 1 << 126)  # always 16 bytes in DER
            .not_valid_before(begin)
            .not_valid_after(end)
            .sign(key, None)
        )
        made = object.__new__(cls)
        made._context = openssl.server_context(key, certificate)
        made.leaf = certificate.public_bytes(Encoding.DER)
        made._credential = Credential((made.leaf,), key)
        made.not_after = at + lifetime
        return made

    def __repr__(self) -> str:
        return f"<Identity until {self.not_after}>"


def accept(identity: Identity, client_hello: bytes, group: Group) -> tuple[bytes, Attesting]:
    """The server's flight (TLS records, ServerHello to Finished) for a ClientHello, and the step that goes on.

    Raises what :func:`~privproc.ratls.hello.check_client_hello` raises, and :class:`UnsupportedError` if OpenSSL
    chooses another group or the client takes no Ed25519 signature, :class:`PolicyError` if OpenSSL asks for a retry
    (it does for a group that it likes better, though the hello has a usable key share). No alert is sent.
    """
    check_client_hello(client_hello, group)
    connection = SSL.Connection(identity._context)
    connection.set_accept_state()
    openssl.feed(connection, client_hello)
    openssl.advance(connection, "ClientHello")
    flight = openssl.drain(connection)
    check_server_hello(flight, group)
    return flight, Attesting(connection, identity.leaf)


@final
class Attesting(Handshaken):
    """The server's flight is out, the client's Finished is awaited: the time to make evidence."""

    __slots__ = ()

    def bind(
        self,
        *,
        role: str,
        th1: bytes,
        announcement: bytes,
        devices: Sequence[tuple[int, bytes]] = (),
        sequence: int = 0,
    ) -> bytes:
        """The 64 bytes for the hardware report. Fields as in :meth:`binding`, ``devices``: type and evidence of each.

        ``role`` is what this code serves, never what the client asked for.
        """
        binding = self.binding(role=role, th1=th1, announcement=announcement, sequence=sequence)
        return binding.report_data(devices)

    def finish(self, data: bytes) -> tuple[Channel, list[Event]]:
        """Take the client's Finished, whole, and what follows it in any state of completion.

        The first bytes to send hold two tickets, which OpenSSL insists on; neither end can resume with them.
        Raises :class:`DecodeError` (malformed or incomplete), :class:`OpenError` (tampered), and as
        :meth:`Channel.receive_data` raises: if there are events, the channel's next call.
        """
        connection = self._take()
        openssl.feed(connection, data[:MAX_CLIENT_FLIGHT])
        if not openssl.advance(connection, "client flight"):
            raise DecodeError("client flight", "incomplete", len(data))
        channel = Channel(connection)
        return channel, channel._begin(data[MAX_CLIENT_FLIGHT:])
