"""pyOpenSSL, kept in one place: contexts, memory BIOs, and its exceptions turned into ours.

What pyOpenSSL 26 can't do, and what is done instead: it has no setter for groups (the hellos are checked), none for
the number of tickets (the client refuses to keep them: no cache, no ``get_session``), no way to look into the BIO
(:mod:`privproc.ratls.client` feeds the last record apart to see that the flight ends with it).
"""

from __future__ import annotations

import functools
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from OpenSSL import SSL, crypto

from privproc.errors import DecodeError, OpenError, PeerError, SignatureError, UnsupportedError, UsageError
from privproc.secret import Secret

__all__ = ["advance", "client_context", "drain", "export", "feed", "only_certificate", "server_context", "translated"]

_SUITE: Final = b"TLS_AES_256_GCM_SHA384"
_READ_SIZE: Final = (1 << 16) + 2048  # 64 KiB of data with its framing, in one read
_MAX_EXPORT: Final = 255 * 48
_MAX_LABEL: Final = 249  # HkdfLabel.label<7..255> holds "tls13 " before it (RFC 8446 §7.1)

_TAMPERED: Final = frozenset({"decryption failed or bad record mac", "digest check failed"})
_REASONS: Final[dict[str, type[SignatureError | UnsupportedError]]] = {
    "bad signature": SignatureError,
    "no suitable signature algorithm": UnsupportedError,
}
# OpenSSL's reasons that aren't about form. Everything else that it refuses is a DecodeError.


@functools.cache
def client_context() -> SSL.Context:
    """The one context of all clients of the process.

    Sharing is safe: it holds settings only. Nothing secret and nothing about a peer is in it, since the session cache
    is off and no callback is set; OpenSSL counts references atomically, and pyOpenSSL refuses changes after first use.
    """
    context = _context(SSL.TLS_CLIENT_METHOD)
    # There is no PKI here: the certificate is judged by the evidence, after the handshake. VERIFY_NONE leaves out the
    # verdict on the chain only; CertificateVerify, the proof that the peer has the leaf's key, is always checked.
    context.set_verify(SSL.VERIFY_NONE)
    return context


def server_context(key: Ed25519PrivateKey, certificate: x509.Certificate) -> SSL.Context:
    """A context for one identity, shared by its sessions: beside settings it holds the key and the certificate."""
    context = _context(SSL.TLS_SERVER_METHOD)
    context.use_certificate(certificate)
    context.use_privatekey(key)
    return context


def _context(method: int) -> SSL.Context:
    context = SSL.Context(method)
    context.set_min_proto_version(SSL.TLS1_3_VERSION)
    context.set_max_proto_version(SSL.TLS1_3_VERSION)
    context.set_tls13_ciphersuites(_SUITE)
    context.set_options(SSL.OP_NO_TICKET)
    # req: privproc1/4.2 tickets-are-ignored
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    return context


def feed(connection: SSL.Connection, data: bytes | memoryview) -> None:
    """Put received bytes where OpenSSL reads. A memory BIO takes all of them, but not none: that is an error to it."""
    if data:
        connection.bio_write(data)


def advance(connection: SSL.Connection, what: str) -> bool:
    """Go on with the handshake; whether it is complete. Raises a :class:`PeerError` for what OpenSSL refuses."""
    try:
        connection.do_handshake()
    except SSL.WantReadError:
        return False
    except SSL.Error as error:
        raise translated(what, error) from None
    return True


def drain(connection: SSL.Connection) -> bytes:
    """All bytes that wait to be sent; may be empty."""
    parts = []
    try:
        while True:
            part = connection.bio_read(_READ_SIZE)
            parts.append(part)
            if len(part) < _READ_SIZE:
                break
    except SSL.WantReadError:
        pass
    return parts[0] if len(parts) == 1 else b"".join(parts)


def export(connection: SSL.Connection, label: bytes, context: bytes, length: int) -> Secret:
    """TLS-Exporter (RFC 8446 §7.5). Raises :class:`UsageError` for a label or length out of bounds."""
    if not 1 <= len(label) <= _MAX_LABEL:
        raise UsageError(f"an exporter label has 1 to {_MAX_LABEL} bytes")
    if not 1 <= length <= _MAX_EXPORT:
        raise UsageError(f"an exporter gives 1 to {_MAX_EXPORT} bytes")
    return Secret(connection.export_keying_material(label, length, context))


def only_certificate(connection: SSL.Connection) -> bytes:
    """The DER of the server's certificate, if it sent exactly one; else :class:`DecodeError`."""
    chain = connection.get_peer_cert_chain() or []
    if len(chain) != 1:
        # req: privproc1/4.2 one-certificate
        raise DecodeError("server certificate", "not exactly one")
    # Not through cryptography's parser: it refuses and warns about certificates that are no concern here.
    return crypto.dump_certificate(crypto.FILETYPE_ASN1, chain[0])


def translated(what: str, error: SSL.Error) -> PeerError:
    """What ``error`` means. pyOpenSSL gives a list of (library, function, reason), which may be empty."""
    found = error.args[0] if error.args and isinstance(error.args[0], list) else []
    reasons = [reason for _, _, reason in found]
    if not _TAMPERED.isdisjoint(reasons):
        return OpenError()
    for reason in reasons:
        if reason in _REASONS:
            return _REASONS[reason](f"{what}: {reason}")
    return DecodeError(what, f"TLS refused it: {reasons[0] if reasons else 'no reason given'}")
