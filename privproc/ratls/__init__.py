"""Attested TLS: TLS 1.3 in memory, bound by its exporter to evidence that is checked before a byte is sent.

One cipher suite (TLS_AES_256_GCM_SHA384), one demanded group, one self-signed certificate, and never: older versions,
HelloRetryRequest, resumption, 0-RTT, client certificates. Bytes go in and come out; there is no socket. ::

    hello, pending  = ratls.connect(group)                      # device
    flight, attesting = ratls.accept(identity, hello, group)    # enclave
    established     = pending.finish(flight)                    # device
    channel         = established.release(evidence, at=at)      # device, after bind() and appraisal
    channel, events = attesting.finish(data)                    # enclave

Two enclaves attest to each other with :mod:`.mutual`, whose messages are in :mod:`.exchange`; its exported
authenticators, :mod:`.authenticator` with :mod:`.credential`, serve any TLS 1.3 connection.
"""

from __future__ import annotations

from privproc.ratls.channel import MAX_RECORDS, TRANSITIONS, Channel, DataReceived, EndOfData, Event, Input, State
from privproc.ratls.client import MAX_FLIGHT, Established, PendingServer, connect
from privproc.ratls.hello import (
    CIPHER_SUITE,
    MAX_CLIENT_HELLO,
    ClientHello,
    Group,
    ServerHello,
    check_client_hello,
    check_server_hello,
)
from privproc.ratls.server import MAX_CLIENT_FLIGHT, Attesting, Identity, accept

__all__ = [
    "CIPHER_SUITE",
    "MAX_CLIENT_FLIGHT",
    "MAX_CLIENT_HELLO",
    "MAX_FLIGHT",
    "MAX_RECORDS",
    "TRANSITIONS",
    "Attesting",
    "Channel",
    "ClientHello",
    "DataReceived",
    "EndOfData",
    "Established",
    "Event",
    "Group",
    "Identity",
    "Input",
    "PendingServer",
    "ServerHello",
    "State",
    "accept",
    "check_client_hello",
    "check_server_hello",
    "connect",
]
