"""Sealing and opening a request: docs/protocol.md §6.1.

::

    struct {
        opaque enc<1..4096>;            uint32 length
        opaque ciphertext<16..2^22+16>; uint32 length
    } SealedRequest;

    plaintext = lp(dk) || lp(request) || zeros, filled to one of REQUEST_SIZES
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import NamedTuple

from cryptography.exceptions import InvalidTag

from privproc import hkdf, hpke
from privproc.chunks import TAG_LENGTH
from privproc.errors import DecodeError, OpenError, UsageError
from privproc.responsekey.announcement import OneTimeKey
from privproc.responsekey.answer import Answer, AnswerSealer
from privproc.secret import Secret
from privproc.tagged import lp, tagged_hash
from privproc.wire import Reader, Writer

__all__ = ["EXPORTER_LABEL", "REQUEST_SIZES", "Context", "exporter_context", "fits", "open_request", "seal_request"]

EXPORTER_LABEL = b"EXPERIMENTAL privproc/1 keys"
EXPORTER_LENGTH = 48

REQUEST_SIZES = (4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20, 4 << 20)
"""Sizes (bytes) that plaintexts are filled to: what the host learns of a request's length is which of these it was."""

_EXPORT = b"privproc/1 req"
_ENC_LIMIT = 4096
_HASH = "sha384"


def exporter_context(th2: bytes, index: int) -> bytes:
    """The context (48 bytes) under which the TLS exporter is called for request ``index``."""
    return tagged_hash("n", th2, index.to_bytes(4, "big"))


@dataclass(frozen=True, slots=True)
class Context:
    """Where in which session a request stands.

    ``th2`` (48 bytes) the transcript up to the evidence, ``index`` (uint32) the request's number, ``previous`` the
    ``th3`` of the request before (48 bytes; empty for the first), ``exporter`` the TLS exporter's 48 bytes for
    :func:`exporter_context` under :data:`EXPORTER_LABEL`.
    """

    th2: bytes
    index: int
    previous: bytes
    exporter: Secret = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.th2) != 48 or len(self.exporter) != EXPORTER_LENGTH:
            raise UsageError("th2 and the exporter value have 48 bytes")
        if len(self.previous) != (48 if self.index else 0):
            raise UsageError("previous is the th3 of the request before, and empty for the first request")

    @property
    def info(self) -> bytes:
        """HPKE's info."""
        # req: privproc1/6.1 of-its-place
        return tagged_hash("info", self.th2, self.index.to_bytes(4, "big"))

    def th3(self, enc: bytes, ciphertext: bytes) -> bytes:
        """The transcript (48 bytes) with this request in it."""
        digest = hashlib.sha384(ciphertext).digest()
        return tagged_hash("request", self.th2, self.index.to_bytes(4, "big"), self.previous, enc, digest)


class _Keys(NamedTuple):
    prk: bytes
    key: bytes
    iv: bytes

    def __repr__(self) -> str:
        return "<_Keys>"


def _schedule(context: Context, suite: hpke.Suite, exported: Secret) -> _Keys:
    # req: privproc1/6.1 request-needs-the-exporter
    prk = hkdf.extract(_HASH, context.exporter.expose(), exported.expose())
    exported.wipe()
    # req: privproc1/11 exporter-values-go
    context.exporter.wipe()
    key = hkdf.expand(_HASH, prk, lp(b"req key") + context.th2, suite.aead.Nk)
    return _Keys(prk, key, hkdf.expand(_HASH, prk, lp(b"req iv") + context.th2, suite.aead.Nn))


def fits(suite: hpke.Suite, length: int) -> None:
    """Raise :class:`UsageError` if a request of ``length`` bytes is too large to be sealed under ``suite``."""
    _filled(8 + suite.kem.Npk + length)


# req: privproc1/6.1 least-size
def _filled(used: int) -> int:
    size = next((size for size in REQUEST_SIZES if used <= size), None)
    if size is None:
        raise UsageError(f"a request that fills {used} bytes is too large")
    return size


def _fill(dk: hpke.PublicKey, request: bytes) -> bytes:
    """The plaintext: the device's ephemeral key and the request, filled to one of :data:`REQUEST_SIZES`."""
    head = lp(dk.encode()) + len(request).to_bytes(4, "big")
    used = len(head) + len(request)
    return b"".join((head, request, bytes(_filled(used) - used)))


def seal_request(context: Context, suite: hpke.Suite, key: hpke.PublicKey, request: bytes) -> tuple[bytes, Answer]:
    """Seal ``request`` to the enclave's one-time ``key``; gives the bytes to send and the answer's channel.

    ``context.exporter`` is wiped. Raises :class:`UsageError` for a request that doesn't fit the largest of
    :data:`REQUEST_SIZES`, :class:`OpenError` for a key that the KEM refuses.
    """
    sent = hpke.send_export_base(suite, key, context.info, _EXPORT, 48)
    return _seal(context, suite, sent, hpke.PrivateKey.generate(suite.kem), request)


def _seal(
    context: Context, suite: hpke.Suite, sent: tuple[bytes, Secret], dk: hpke.PrivateKey, request: bytes
) -> tuple[bytes, Answer]:
    enc, exported = sent
    keys = _schedule(context, suite, exported)
    ciphertext = suite.aead.cipher(keys.key).encrypt(keys.iv, _fill(dk.public_key, request), None)
    th3 = context.th3(enc, ciphertext)
    return Writer().vector(4, enc).vector(4, ciphertext).done(), Answer(suite, dk, keys.prk, th3)


# req: privproc1/6.1 one-request-per-key
def open_request(context: Context, one_time: OneTimeKey, sealed: bytes) -> tuple[bytes, AnswerSealer]:
    """Open a request; gives it and what seals the answer. ``one_time`` is spent, ``context.exporter`` is wiped.

    Raises :class:`DecodeError`, :class:`OpenError`.
    """
    # req: privproc1/11 one-time-keys-go
    private = one_time._take()
    suite = one_time.suite
    enc, ciphertext = Reader.all(sealed, "sealed request", _read_sealed)
    keys = _schedule(context, suite, hpke.receive_export_base(suite, private, enc, context.info, _EXPORT, 48))
    try:
        plaintext = suite.aead.cipher(keys.key).decrypt(keys.iv, ciphertext, None)
    except InvalidTag:
        raise OpenError from None
    dk, request = Reader.all(plaintext, "request plaintext", _read_plaintext)
    encapsulated = hpke.encap(hpke.PublicKey.decode(suite.kem, dk))
    return request, AnswerSealer(suite, encapsulated, keys.prk, context.th3(enc, ciphertext))


def _read_sealed(reader: Reader) -> tuple[bytes, bytes]:
    return reader.vector(4, 1, _ENC_LIMIT), reader.vector(4, TAG_LENGTH, REQUEST_SIZES[-1] + TAG_LENGTH)


def _read_plaintext(reader: Reader) -> tuple[bytes, bytes]:
    """The device's ephemeral key, encoded, and the request: what `_fill` was given."""
    if reader.left not in REQUEST_SIZES:
        # req: privproc1/6.1 form-inside
        raise reader.fail("not one of the padded sizes")
    dk, request, padding = reader.vector(4, 1, _ENC_LIMIT), reader.vector(4), reader.rest()
    if padding != bytes(len(padding)):
        raise DecodeError("request plaintext", "padding is not zero")
    return dk, request
