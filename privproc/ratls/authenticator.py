"""Exported authenticators (RFC 9261): one end proves, over an open connection, that it has a certificate's key.

Made and checked from exporter values alone, so any TLS stack does, and nothing of the handshake is needed. The messages
travel as application data. ::

    ours   = Authenticators(channel.export, Side.CLIENT)        # once for each end of each connection
    theirs = Authenticators(channel.export, Side.SERVER)        # at the other end

    request, pending = ours.request(attestation=True)
    authenticator    = theirs.authenticate(request, credential, attestation=cmw)
    peer             = pending.finish(authenticator)            # peer.leaf, peer.attestation

The authenticator hash is SHA-384, as with this library's only cipher suite. Left out: authenticators that nobody asked
for, which only servers could send (RFC 9261 §3). Certificates are not judged: what they certify is the caller's affair.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, NamedTuple, Self, TypeAlias, final

from privproc._step import Step, Unique
from privproc.errors import (
    LimitError,
    PolicyError,
    ReplayError,
    SignatureError,
    UnsupportedError,
    UntrustedError,
)
from privproc.ratls.credential import SCHEMES, Credential, verify_signature
from privproc.ratls.hello import read_extensions
from privproc.secret import Secret
from privproc.trust import Earned
from privproc.wire import Reader, Writer, bounded

__all__ = [
    "CMW_ATTESTATION",
    "MAX_AUTHENTICATOR",
    "MAX_CONTEXTS",
    "Authenticated",
    "AuthenticatorRequest",
    "Authenticators",
    "Export",
    "PendingAuthenticator",
    "Side",
]

CMW_ATTESTATION: Final = 0xFF00
"""Type of the extension that carries evidence (draft-fossati-seat-expat-03 §3). The draft has no number yet; this one,
which is for private use (RFC 8447 §7), is Cocos'."""

MAX_AUTHENTICATOR: Final = 1 << 17
"""Bytes of an authenticator or request: a full extension fits, with a chain beside it."""

MAX_CONTEXTS: Final = 1 << 10
"""Requests, in both directions, that one connection may see: their contexts are remembered."""

Export: TypeAlias = Callable[[bytes, bytes, int], Secret]
"""TLS-Exporter of a connection (RFC 8446 §7.5): label, context, length."""

_CERTIFICATE: Final = 11
_CERTIFICATE_REQUEST: Final = 13
_CERTIFICATE_VERIFY: Final = 15
_CLIENT_CERTIFICATE_REQUEST: Final = 17
_FINISHED: Final = 20
_SIGNATURE_ALGORITHMS: Final = 13

_HASH_SIZE: Final = 48
_CONTEXT_SIZE: Final = 32
_MAX_CHAIN: Final = 10
_SIGNED: Final = b" " * 64 + b"Exported Authenticator\0"


class Side(Enum):
    """An end of the connection: which one sends is in every label (RFC 9261 §5.1)."""

    CLIENT = b"client"
    SERVER = b"server"

    @property
    def other(self) -> Side:
        """The end across."""
        return Side.SERVER if self is Side.CLIENT else Side.CLIENT


@dataclass(frozen=True, slots=True)
class AuthenticatorRequest:
    """What one end wants of the other (RFC 9261 §4), framed as a handshake message::

        struct {
            opaque certificate_request_context<0..2^8-1>;
            Extension extensions<2..2^16-1>;
        } CertificateRequest, ClientCertificateRequest;

    ``sender`` wrote it. Of the extensions, ``signature_algorithms`` gives ``schemes`` and an empty ``cmw_attestation``
    sets ``attestation``; others don't count.
    """

    sender: Side
    context: bytes
    schemes: tuple[int, ...]
    attestation: bool

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Raises :class:`DecodeError`; :class:`LimitError` beyond 128 KiB."""
        bounded("authenticator request", len(data), MAX_AUTHENTICATOR)
        return Reader.all(data, "authenticator request", cls._read)

    @classmethod
    def _read(cls, reader: Reader) -> Self:
        kind = reader.u8()
        if kind not in (_CERTIFICATE_REQUEST, _CLIENT_CERTIFICATE_REQUEST):
            raise reader.fail("not a request")
        body = reader.sub(3)
        context = body.vector(1)
        extensions = read_extensions(body, 2)
        body.finish()
        schemes = extensions.get(_SIGNATURE_ALGORITHMS)
        if schemes is None:
            # req: privproc1/15.2 requests-demand-both
            raise reader.fail("no signature_algorithms (RFC 8446 §4.3.2)")
        if extensions.get(CMW_ATTESTATION):
            raise reader.fail("a cmw_attestation that isn't empty")
        sender = Side.SERVER if kind == _CERTIFICATE_REQUEST else Side.CLIENT
        return cls(sender, context, Reader.all(schemes, reader.what, _schemes), CMW_ATTESTATION in extensions)

    def encode(self) -> bytes:
        """The handshake message, with ``signature_algorithms`` first. :class:`UsageError` for what doesn't fit."""
        schemes = Writer()
        for scheme in self.schemes:
            schemes.uint(2, scheme)
        extensions = Writer().uint(2, _SIGNATURE_ALGORITHMS).vector(2, Writer().vector(2, schemes.done()).done())
        if self.attestation:
            extensions.uint(2, CMW_ATTESTATION).vector(2, b"")
        body = Writer().vector(1, self.context).vector(2, extensions.done()).done()
        return _framed(_CERTIFICATE_REQUEST if self.sender is Side.SERVER else _CLIENT_CERTIFICATE_REQUEST, body)


def _schemes(reader: Reader) -> tuple[int, ...]:
    """``SignatureScheme supported_signature_algorithms<2..2^16-2>``."""
    listed = reader.sub(2, 2)
    found = []
    while listed.left:
        found.append(listed.u16())
    return tuple(found)


def _framed(kind: int, body: bytes) -> bytes:
    return Writer().uint(1, kind).vector(3, body).done()


class _Keys(NamedTuple):
    """The exporter values of one sender (RFC 9261 §5.1)."""

    handshake: Secret
    finished: Secret

    @classmethod
    def export(cls, export: Export, sender: Side) -> _Keys:
        label = b"EXPORTER-" + sender.value + b" authenticator "
        ends = (b"handshake context", b"finished key")
        return cls(*(export(label + end, b"", _HASH_SIZE) for end in ends))

    def transcript(self, *messages: bytes) -> bytes:
        return hashlib.sha384(b"".join((self.handshake.expose(), *messages))).digest()

    def mac(self, *messages: bytes) -> bytes:
        return hmac.digest(self.finished.expose(), self.transcript(*messages), "sha384")


@final
class Authenticators(Unique):
    """One end of one connection. It remembers the contexts of all requests, so there must not be a second one for it.

    ``export`` is the connection's exporter, good once the handshake is complete; ``side`` is this end's.
    """

    __slots__ = ("_contexts", "_export", "_side")

    def __init__(self, export: Export, side: Side) -> None:
        self._export = export
        self._side = side
        self._contexts: set[bytes] = set()

    def request(self, *, attestation: bool) -> tuple[bytes, PendingAuthenticator]:
        """A request for the other end, with a fresh context of 32 bytes, and the step that takes the answer.

        ``attestation``: whether the answer must carry evidence. Raises :class:`LimitError` past :data:`MAX_CONTEXTS`.
        """
        return self._derand_request(os.urandom(_CONTEXT_SIZE), attestation=attestation)

    def _derand_request(self, context: bytes, *, attestation: bool) -> tuple[bytes, PendingAuthenticator]:
        self._use(context)
        request = AuthenticatorRequest(self._side, context, SCHEMES, attestation)
        encoded = request.encode()
        return encoded, PendingAuthenticator(_Asked(self._export, request, encoded))

    def authenticate(self, request: bytes, credential: Credential, *, attestation: bytes = b"") -> bytes:
        """The authenticator that answers the other end's ``request``, with ``attestation`` in the leaf's entry.

        Raises :class:`DecodeError`, :class:`LimitError`, :class:`ReplayError` for a context that was seen before,
        :class:`UntrustedError` for a request of this end's own kind, and :class:`UnsupportedError` when the request
        doesn't take the credential's signatures, or no evidence: :meth:`refuse` may answer it then, if nothing was
        raised before. :class:`UsageError` for an attestation of more than 65529 bytes.
        """
        asked = self._received(request)
        if credential.scheme not in asked.schemes:
            raise UnsupportedError("the request takes no signature of this key")
        if attestation and not asked.attestation:
            raise UnsupportedError("the request takes no evidence")
        self._use(asked.context)
        keys = _Keys.export(self._export, self._side)
        certificate = _certificate(asked.context, credential.chain, attestation)
        signed = _SIGNED + keys.transcript(request, certificate)
        signature = Writer().uint(2, credential.scheme).vector(2, credential.sign(signed)).done()
        verify = _framed(_CERTIFICATE_VERIFY, signature)
        return certificate + verify + _framed(_FINISHED, keys.mac(request, certificate, verify))

    def refuse(self, request: bytes) -> bytes:
        """The empty authenticator (RFC 9261 §6): says, and proves, that this end doesn't want to. Raises as above."""
        asked = self._received(request)
        self._use(asked.context)
        keys = _Keys.export(self._export, self._side)
        return _framed(_FINISHED, keys.mac(request, _certificate(asked.context, (), b"")))

    def _received(self, request: bytes) -> AuthenticatorRequest:
        asked = AuthenticatorRequest.decode(request)
        if asked.sender is self._side:
            raise UntrustedError("a request of this end's own kind")
        if asked.context in self._contexts:
            # req: privproc1/15.2 contexts-serve-once
            raise ReplayError("the request's context was seen before")
        return asked

    def _use(self, context: bytes) -> None:
        if len(self._contexts) >= MAX_CONTEXTS:
            raise LimitError(f"more than {MAX_CONTEXTS} requests on one connection")
        self._contexts.add(context)


def _certificate(context: bytes, chain: Sequence[bytes], attestation: bytes) -> bytes:
    """Certificate (RFC 8446 §4.4.2) with ``attestation`` in the first entry alone (draft-fossati-seat-expat-03 §3)."""
    carried = Writer().uint(2, CMW_ATTESTATION).vector(2, Writer().vector(2, attestation).done()).done()
    entries = Writer()
    for index, certificate in enumerate(chain):
        entries.vector(3, certificate).vector(2, carried if attestation and index == 0 else b"")
    return _framed(_CERTIFICATE, Writer().vector(1, context).vector(3, entries.done()).done())


@dataclass(frozen=True, slots=True, init=False)
class Authenticated(Earned):
    """A valid authenticator: its sender, at the other end of this connection, has the key of ``leaf``.

    ``chain`` are the certificates as they came (DER, 1 to 10), the leaf first. ``attestation`` is what
    ``cmw_attestation`` held: bytes that nobody has appraised yet; empty if none was asked for.
    """

    chain: tuple[bytes, ...]
    attestation: bytes = field(repr=False)

    @property
    def leaf(self) -> bytes:
        """The DER of the end's own certificate."""
        return self.chain[0]


class _Asked(NamedTuple):
    export: Export
    request: AuthenticatorRequest
    encoded: bytes


@final
class PendingAuthenticator(Step[_Asked]):
    """A request was sent; waits for the authenticator."""

    __slots__ = ()

    def finish(self, authenticator: bytes) -> Authenticated:
        """Check an authenticator, whole: that it answers this request, on this connection, and who sent it.

        Raises :class:`DecodeError`; :class:`LimitError` beyond 128 KiB; :class:`UntrustedError` for the context of
        another request; :class:`SignatureError` when Finished or
        CertificateVerify don't hold, as with the authenticator of another connection, request or end;
        :class:`PolicyError` for a refusal (an empty authenticator), and where evidence was asked for and none came;
        :class:`UnsupportedError` for a signature scheme, key or extension that the request didn't offer.
        """
        export, request, encoded = self._take()
        bounded("authenticator", len(authenticator), MAX_AUTHENTICATOR)
        keys = _Keys.export(export, request.sender.other)
        if authenticator[:1] == bytes((_FINISHED,)):
            verify_data = Reader.all(authenticator, "empty authenticator", _verify_data)
            _check_mac(verify_data, keys.mac(encoded, _certificate(request.context, (), b"")))
            raise PolicyError("the other end refuses to authenticate")
        parts = Reader.all(authenticator, "authenticator", _Parts.read)
        if parts.context != request.context:
            # req: privproc1/15.2 each-check
            raise UntrustedError("the authenticator answers another request")
        _check_mac(parts.verify_data, keys.mac(encoded, parts.certificate, parts.verify))
        signed = _SIGNED + keys.transcript(encoded, parts.certificate)
        verify_signature(parts.entries[0].certificate, parts.scheme, parts.signature, signed)
        return Authenticated._earn(
            chain=tuple(entry.certificate for entry in parts.entries),
            attestation=_attestation(parts.entries, asked=request.attestation),
        )


class _Entry(NamedTuple):
    certificate: bytes
    extensions: dict[int, bytes]


class _Parts(NamedTuple):
    """Certificate || CertificateVerify || Finished (RFC 9261 §5.2), the first two as they came and taken apart."""

    certificate: bytes
    context: bytes
    entries: tuple[_Entry, ...]
    verify: bytes
    scheme: int
    signature: bytes
    verify_data: bytes

    @classmethod
    def read(cls, reader: Reader) -> _Parts:
        certificate = _message(reader, _CERTIFICATE)
        context, entries = Reader.all(certificate, reader.what, _context_and_entries)
        verify = _message(reader, _CERTIFICATE_VERIFY)
        scheme, signature = Reader.all(verify, reader.what, lambda body: (body.u16(), body.vector(2)))
        verify_data = _verify_data(reader)
        certificate, verify = _framed(_CERTIFICATE, certificate), _framed(_CERTIFICATE_VERIFY, verify)
        return cls(certificate, context, entries, verify, scheme, signature, verify_data)


def _message(reader: Reader, kind: int) -> bytes:
    if reader.u8() != kind:
        raise reader.fail("another handshake message")
    return reader.vector(3)


def _verify_data(reader: Reader) -> bytes:
    verify_data = _message(reader, _FINISHED)
    if len(verify_data) != _HASH_SIZE:
        raise reader.fail(f"verify_data of {len(verify_data)} bytes")
    return verify_data


def _context_and_entries(body: Reader) -> tuple[bytes, tuple[_Entry, ...]]:
    context = body.vector(1)
    listed = body.sub(3, 1)  # an empty list is no form of refusal: that is Finished alone
    entries: list[_Entry] = []
    while listed.left:
        if len(entries) == _MAX_CHAIN:
            raise listed.fail(f"over {_MAX_CHAIN} certificates")
        entries.append(_Entry(listed.vector(3, 1), read_extensions(listed, 0)))
    return context, tuple(entries)


def _check_mac(received: bytes, expected: bytes) -> None:
    if not hmac.compare_digest(received, expected):
        raise SignatureError("Finished is of another connection, request or end")


def _attestation(entries: tuple[_Entry, ...], *, asked: bool) -> bytes:
    """What the first entry carries. An extension that wasn't asked for, or stands elsewhere, is refused."""
    first, *others = entries
    allowed = {CMW_ATTESTATION} if asked else set()
    if first.extensions.keys() - allowed or any(entry.extensions for entry in others):
        raise UnsupportedError("a certificate's extension that wasn't asked for")
    if not asked:
        return b""
    carried = first.extensions.get(CMW_ATTESTATION)
    if carried is None:
        # req: privproc1/15.2 evidence-or-nothing
        raise PolicyError("no evidence")
    return Reader.all(carried, "cmw_attestation", lambda body: body.vector(2, 1))
