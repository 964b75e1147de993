"""The device's side: ClientHello, the server's flight, appraisal, channel.

::

    hello, pending = connect(group)
    established    = pending.finish(flight)
    expected       = established.bind(role=role, th1=th1, announcement=announcement)
    channel        = established.release(evidence, at=at)        # evidence: appraised against expected

Only the last step gives something that can send.
"""

from __future__ import annotations

import functools
import hmac
from collections.abc import Sequence
from typing import Final, final

from OpenSSL import SSL

from privproc._step import Step
from privproc.attestation import SessionBinding, VerifiedEvidence
from privproc.errors import DecodeError, PeerError, UntrustedError, UsageError
from privproc.ratls import openssl
from privproc.ratls.bound import Handshaken
from privproc.ratls.channel import Channel
from privproc.ratls.hello import Group, check_client_hello, check_server_hello
from privproc.trust import check_window
from privproc.wire import Reader, bounded

__all__ = ["MAX_FLIGHT", "Established", "PendingServer", "connect"]

MAX_FLIGHT: Final = 1 << 15
"""Bytes of a server's flight. This library's has about 1700; evidence travels beside it, not in the certificate."""

_MAX_RECORD: Final = (1 << 14) + 256  # TLSCiphertext, RFC 8446 §5.2


def connect(group: Group) -> tuple[bytes, PendingServer]:
    """The TLS records of a ClientHello, and the step that takes the answer.

    The hello has one shape for everybody: no name, no ticket, no PSK. ``group`` is the only key exchange that the
    server may choose. Raises :class:`UsageError` if OpenSSL here writes a hello of another shape, or doesn't offer the
    group.
    """
    _check_profile(group)
    connection, hello = _hello()
    return hello, PendingServer((connection, group))


def _hello() -> tuple[SSL.Connection, bytes]:
    connection = SSL.Connection(openssl.client_context())
    connection.set_connect_state()
    openssl.advance(connection, "ClientHello")
    return connection, openssl.drain(connection)


_PROFILE: Final = (
    1443,
    32,
    (4588, 4587, 4590, 29, 23, 30, 24, 25, 41, 256, 257),
    ((4588, 1216), (29, 32)),
    (
        *(0x905, 0x906, 0x904, 0x403, 0x503, 0x603, 0x807, 0x808, 0x81A, 0x81B, 0x81C),
        *(0x809, 0x80A, 0x80B, 0x804, 0x805, 0x806, 0x401, 0x501, 0x601, 0x708),
    ),
    (10, 22, 23, 13, 43, 45, 51),
)
"""The ClientHello of OpenSSL 4.0 with its own defaults, as cryptography's wheels have it since 49: bytes, session id,
groups, key shares, signature algorithms, extensions in order. Another version, or a machine's openssl.cnf, would write
another one, and gateway and host could tell such devices apart."""


@functools.cache
# req: privproc1/4.2 one-clienthello
def _check_profile(group: Group) -> None:
    """That OpenSSL's hellos have the profile: once per process and group, since all come from one context."""
    data = _hello()[1]
    try:
        hello = check_client_hello(data, group)
    except PeerError as error:
        raise UsageError(f"OpenSSL as installed or configured here doesn't fit: {error}") from None
    lists = (hello.groups, hello.shares, hello.signature_algorithms, hello.extensions)
    if (len(data), len(hello.session_id), *lists) != _PROFILE:
        raise UsageError("OpenSSL as installed or configured here writes a ClientHello that singles this device out")


@final
class PendingServer(Step[tuple[SSL.Connection, Group]]):
    """A ClientHello was sent; waits for the server's flight."""

    __slots__ = ()

    def finish(self, flight: bytes) -> Established:
        """Take the server's whole flight, ServerHello to Finished: no byte less, no byte more.

        Raises :class:`DecodeError` (malformed, incomplete, anything after Finished such as early application data or
        a ticket, not exactly one certificate), :class:`LimitError` (over 32 KiB), :class:`PolicyError`
        (HelloRetryRequest, resumption), :class:`UnsupportedError` (not TLS 1.3, another suite or group),
        :class:`OpenError` (tampered), :class:`SignatureError` (the server hasn't the leaf's key). No alert is sent.
        """
        connection, group = self._take()
        bounded("server flight", len(flight), MAX_FLIGHT)
        last = _last_record(flight, check_server_hello(flight, group))
        # The record with Finished has to be the last one, so the handshake must complete with it and not before.
        openssl.feed(connection, flight[:last])
        if openssl.advance(connection, "server flight"):
            # req: privproc1/4.2 flight-to-finished
            raise DecodeError("server flight", "records after Finished", last)
        openssl.feed(connection, flight[last:])
        if not openssl.advance(connection, "server flight"):
            raise DecodeError("server flight", "incomplete", len(flight))
        return Established(connection, openssl.only_certificate(connection))


@final
class Established(Handshaken):
    """The handshake is complete, but who the server is isn't known yet: nothing can be sent."""

    __slots__ = ("_expected",)

    def __init__(self, connection: SSL.Connection, leaf: bytes) -> None:
        super().__init__(connection, leaf)
        self._expected: tuple[str, bytes] | None = None

    def bind(
        self,
        *,
        role: str,
        th1: bytes,
        announcement: bytes,
        devices: Sequence[tuple[int, bytes]] = (),
        sequence: int = 0,
    ) -> SessionBinding:
        """The 64 bytes that the hardware-signed field of the evidence must hold; remembered for :meth:`release`.

        Fields as in :meth:`binding`; ``devices``: type and evidence of each device. Once only: a second call raises
        :class:`UsageError`, since it would leave open which one counts.
        """
        if self._expected is not None:
            raise UsageError("bind was already called")
        binding = self.binding(role=role, th1=th1, announcement=announcement, sequence=sequence)
        report_data = binding.report_data(devices)
        self._expected = (role, report_data)
        return report_data

    # req: privproc1/4.8 nothing-before-appraisal
    def release(self, evidence: VerifiedEvidence, *, at: int) -> Channel:
        """The channel, if ``evidence`` is about this very session and still valid at ``at`` (Unix seconds).

        Raises :class:`UntrustedError` for evidence of another session or role, :class:`ExpiredError` outside of its
        time. :class:`UsageError` without :meth:`bind`, or for what no appraisal made, doesn't spend the step.
        """
        if not isinstance(evidence, VerifiedEvidence):
            raise UsageError("only appraised evidence releases a channel")
        if self._expected is None:
            raise UsageError("bind wasn't called")
        role, report_data = self._expected
        connection = self._take()
        if not hmac.compare_digest(evidence.binding, report_data) or evidence.role != role:
            # req: privproc1/4.8 role-and-end-at-release
            raise UntrustedError("the evidence isn't about this session")
        check_window("evidence", evidence.not_before, evidence.not_after, at=at)
        return Channel(connection)


def _last_record(flight: bytes, start: int) -> int:
    """Where the last record of ``flight`` begins; records begin at ``start``. Refuses an incomplete one."""
    records = Reader(flight, "server flight", start)
    while True:
        begin = records.offset
        records.take(3)
        records.vector(2, 1, _MAX_RECORD)
        if not records.left:
            return begin
