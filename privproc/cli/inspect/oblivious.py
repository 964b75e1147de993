"""Oblivious HTTP and Binary HTTP: key configurations, encapsulated messages, requests and responses."""

from __future__ import annotations

from collections.abc import Callable

from privproc.chunks import TAG_LENGTH
from privproc.cli.inspect import names
from privproc.cli.inspect.walk import Walk, digest
from privproc.errors import DecodeError, UnsupportedError
from privproc.hpke import Kem, Suite
from privproc.ohttp import RequestHeader

__all__ = [
    "check_chunked_request",
    "check_chunked_response",
    "check_request",
    "check_response",
    "chunked_request",
    "chunked_response",
    "config",
    "configs",
    "message",
    "request",
    "response",
]

_NONCE = 16, 32  # bytes of a response's nonce: the larger of the AEAD's Nn and Nk
_CREDENTIALS = {"authorization", "proxy-authorization", "cookie", "set-cookie"}


def config(walk: Walk) -> None:
    """One key configuration (RFC 9458 §3.1)."""
    walk.uint("key identifier", 1)
    kem = walk.uint("KEM", 2, names.kem)
    if kem not in set(Kem):
        walk.opaque("rest", said="(how long the key is, only its KEM says)")
        return
    walk.opaque("public key", Kem(kem).Npk)
    with walk.part("symmetric algorithms", walk.uint("symmetric algorithms, length", 2)) as pairs:
        while pairs.left:
            pairs.uint("KDF", 2, names.kdf)
            pairs.uint("AEAD", 2, names.aead)


def configs(walk: Walk) -> None:
    """A list of them (RFC 9458 §3.2)."""
    while walk.left:
        with walk.part("key configuration", walk.uint("length", 2)) as inner:
            config(inner)


def check_request(data: bytes) -> None:
    """Whether this can be an encapsulated request: header, ``enc`` and a ciphertext."""
    _suite(data)


def _suite(data: bytes) -> Suite:
    if len(data) < 7:
        raise DecodeError("encapsulated request", "no room for its header", len(data))
    header = RequestHeader.decode(data[:7])
    suite = Suite.from_ids(header.kem, header.kdf, header.aead)
    least = 7 + suite.kem.Nenc + TAG_LENGTH
    if len(data) < least:
        raise DecodeError("encapsulated request", f"under {least} bytes", len(data))
    return suite


def check_chunked_request(data: bytes) -> None:
    """Whether the ciphertext of what can be an encapsulated request is a row of chunks."""
    _check_chunks(data, 7 + _suite(data).kem.Nenc)


def _check_chunks(data: bytes, start: int) -> None:
    walk = Walk(data, "chunks", start=start)
    while size := walk.varint("length"):
        if size <= TAG_LENGTH:
            raise walk.fail(f"a chunk of {size} bytes that isn't the final one")
        walk.opaque("chunk", size)
    if walk.left < TAG_LENGTH:
        raise walk.fail("the final chunk has no tag")


def _header(walk: Walk) -> None:
    walk.uint("key identifier", 1)
    kem = walk.uint("KEM", 2, names.kem)
    walk.uint("KDF", 2, names.kdf)
    walk.uint("AEAD", 2, names.aead)
    if kem not in set(Kem):
        raise UnsupportedError(f"KEM {kem:#06x}: how long enc is, nobody knows here")
    walk.opaque("enc", Kem(kem).Nenc)


def request(walk: Walk) -> None:
    """An encapsulated request (RFC 9458 §4.1)."""
    _header(walk)
    walk.note("plaintext", f"{max(0, walk.left - TAG_LENGTH)} bytes", max(0, walk.left - TAG_LENGTH))
    walk.opaque("ciphertext and tag")


def chunked_request(walk: Walk) -> None:
    """A chunked request (draft-ietf-ohai-chunked-ohttp-08 §6)."""
    _header(walk)
    _chunks(walk)


def _chunks(walk: Walk) -> None:
    count = 0
    while size := walk.varint(f"chunk {count}, length"):
        walk.opaque(f"chunk {count}", size, f"({size - TAG_LENGTH} of plaintext)")
        count += 1
    walk.opaque("final chunk", said=f"({walk.left - TAG_LENGTH} of plaintext, to the end of the message)")


def check_response(data: bytes) -> None:
    """Whether there is room for a nonce and a tag: nothing else of an encapsulated response can be told."""
    if len(data) < _NONCE[0] + TAG_LENGTH:
        raise DecodeError("encapsulated response", "no room for nonce and tag", len(data))


def response(walk: Walk) -> None:
    """An encapsulated response (RFC 9458 §4.2)."""
    _nonce(walk, _NONCE[1] if walk.left >= _NONCE[1] + TAG_LENGTH else _NONCE[0])
    walk.opaque("ciphertext and tag")


def check_chunked_response(data: bytes) -> None:
    """Whether chunks follow a nonce of either size."""
    _chunked_nonce(data)


def _chunked_nonce(data: bytes) -> int:
    failure = DecodeError("chunked response", "no chunks after a nonce of 16 or 32 bytes", len(data))
    for size in reversed(_NONCE):
        try:
            _check_chunks(data, size)
        except DecodeError as error:
            failure = error
        else:
            return size
    raise failure


def chunked_response(walk: Walk) -> None:
    """A chunked response (draft-ietf-ohai-chunked-ohttp-08 §6)."""
    _nonce(walk, _chunked_nonce(walk.peek(walk.left)))
    _chunks(walk)


def _nonce(walk: Walk, size: int) -> None:
    aeads = "AES-128-GCM" if size == _NONCE[0] else "AES-256-GCM or ChaCha20-Poly1305; 16 bytes with AES-128-GCM"
    walk.opaque("response nonce", size, f"(if the AEAD is {aeads})")


_FRAMINGS = (
    "known length, request",
    "known length, response",
    "indeterminate length, request",
    "indeterminate length, response",
)


def message(walk: Walk) -> None:
    """A Binary HTTP message (RFC 9292 §3)."""
    framing = walk.varint("framing indicator")
    if framing >= len(_FRAMINGS):
        raise walk.fail(f"framing indicator {framing}")
    walk.rows[-1].text = f"{framing}  {_FRAMINGS[framing]}"
    known = framing < 2
    if framing % 2 == 0:
        with walk.part("control data") as control:
            for part in ("method", "scheme", "authority", "path"):
                control.text(part, control.varint(f"{part}, length"))
    else:
        while walk.varint("status") < 200:
            _fields(walk, "informational headers", known=known)
    for section, read in _SECTIONS:
        if not walk.left:
            walk.note(section, "left out, with all that follows (RFC 9292 §3.8)")
            return
        read(walk, section, known)
    if walk.left:
        walk.zeros("padding")


def _fields(walk: Walk, name: str, *, known: bool) -> None:
    if known:
        with walk.part(name, walk.varint(f"{name}, length")) as section:
            while section.left:
                _field(section, section.varint("name, length"))
        return
    with walk.part(name) as section:
        while size := section.varint("name, length, or 0 at the end"):
            _field(section, size)


def _field(walk: Walk, size: int) -> None:
    name = walk.text("name", size)
    size = walk.varint("value, length")
    if name in _CREDENTIALS and not walk.reveal:
        walk.hidden("value", size)
    else:
        walk.text("value", size)


def _content(walk: Walk, name: str, known: bool) -> None:
    if known:
        walk.hidden(name, walk.varint("content, length"))
        return
    total = bytearray()
    with walk.part(name) as chunks:
        while size := chunks.varint("chunk, length, or 0 at the end"):
            total += chunks.hidden("chunk", size)
    walk.note(
        "content, all chunks", f"{len(total)} bytes, SHA-256 {digest(bytes(total))[:16]}...", digest(bytes(total))
    )


_SECTIONS: tuple[tuple[str, Callable[[Walk, str, bool], None]], ...] = (
    ("headers", lambda walk, name, known: _fields(walk, name, known=known)),
    ("content", _content),
    ("trailers", lambda walk, name, known: _fields(walk, name, known=known)),
)
