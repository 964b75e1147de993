"""Chunked AEAD streams: the counter, the last-chunk marker, the response's key schedule and the padding.

Shared by every layer that seals a stream in chunks. A chunk's nonce is ``iv XOR counter`` and its associated data says
whether it is the last one, so that chunks can't be reordered, dropped, repeated or cut off unnoticed.
"""

from __future__ import annotations

import hmac
from typing import Protocol

from cryptography.exceptions import InvalidTag

from privproc._step import Unique
from privproc.errors import DecodeError, LimitError, OpenError, SpentError, UsageError

__all__ = ["MAX_CHUNKS", "TAG_LENGTH", "Cipher", "Opener", "Sealer", "pad", "response_key", "unpad"]

# req: chunked08/7.3 limits-keep-a-margin
MAX_CHUNKS = 1 << 24
"""Chunks under one key. With chunks of 16 KiB this keeps AES-GCM's distinguishing advantage under 2^-60."""

TAG_LENGTH = 16


class Cipher(Protocol):
    """An AEAD under a fixed key, as ``cryptography`` makes them."""

    def encrypt(self, nonce: bytes, data: bytes | memoryview, associated_data: bytes | None) -> bytes:
        """Ciphertext and tag."""

    def decrypt(self, nonce: bytes, data: bytes | memoryview, associated_data: bytes | None) -> bytes:
        """Plaintext; raises ``InvalidTag``."""


class _Sequence(Unique):
    """The cipher with its nonces; ended by the last chunk, or by a failure."""

    __slots__ = ("_cipher", "_counter", "_iv", "_last", "_length", "_middle")

    def __init__(self, cipher: Cipher, iv: bytes, *, middle: bytes, last: bytes) -> None:
        if middle == last:
            raise UsageError("the last chunk needs a marker of its own")
        self._cipher: Cipher | None = cipher
        self._iv = int.from_bytes(iv, "big")
        self._length = len(iv)
        self._counter = [0]  # a list, since list.pop is atomic with and without the GIL
        self._middle = middle
        self._last = last

    @property
    def ended(self) -> bool:
        """Whether the last chunk has passed, or a failure ended the sequence."""
        return self._cipher is None

    def _next(self, *, last: bool) -> tuple[Cipher, bytes, bytes]:
        cipher = self._cipher
        if cipher is None:
            raise SpentError(type(self).__name__)
        try:
            count = self._counter.pop()  # of two racing threads one gets it
        except IndexError:
            raise UsageError(f"{type(self).__name__} is in use in another thread") from None
        if last:
            self.end()
        else:
            # req: chunked08/6.2 counter-in-the-nonce
            self._counter.append(count + 1)
        # req: chunked08/6.2 chunks-are-counted
        if count >= MAX_CHUNKS:
            raise LimitError(f"more than {MAX_CHUNKS} chunks")
        # req: chunked08/6.1 final-in-the-aad
        return cipher, (self._iv ^ count).to_bytes(self._length, "big"), self._last if last else self._middle

    def end(self) -> None:
        """Forget the key."""
        self._cipher = None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {'ended' if self.ended else 'ready'}>"


class Sealer(_Sequence):
    """Seals chunk after chunk. ``middle`` and ``last`` are the associated data of chunks and of the last one."""

    __slots__ = ()

    def seal(self, plaintext: bytes | memoryview, *, last: bool = False) -> bytes:
        """Ciphertext and tag of the next chunk. After ``last`` the key is gone: :class:`SpentError`."""
        cipher, nonce, aad = self._next(last=last)
        return cipher.encrypt(nonce, plaintext, aad)


class Opener(_Sequence):
    """Opens chunk after chunk, in order."""

    __slots__ = ()

    def open(self, ciphertext: bytes | memoryview, *, last: bool = False) -> bytes:
        """Plaintext of the next chunk. Raises :class:`OpenError`, and then forgets the key: a peer gets one try."""
        cipher, nonce, aad = self._next(last=last)
        try:
            return cipher.decrypt(nonce, ciphertext, aad)
        except InvalidTag:
            self.end()
            raise OpenError from None


def response_key(
    algorithm: str, secret: bytes, enc: bytes, response_nonce: bytes, sizes: tuple[int, int]
) -> tuple[bytes, bytes]:
    """Key and nonce of an encapsulated response (RFC 9458 §4.4), single-shot or chunked.

    ``algorithm`` is the hash of the HPKE suite's KDF, ``secret`` the exported secret, ``sizes`` the AEAD's (Nk, Nn),
    each of which is at most one block of the hash.
    """
    # req: rfc9458/4.4 response-key-schedule
    prk = hmac.digest(enc + response_nonce, secret, algorithm)
    return (
        hmac.digest(prk, b"key\1", algorithm)[: sizes[0]],
        hmac.digest(prk, b"nonce\1", algorithm)[: sizes[1]],
    )


def pad(data: bytes, sizes: tuple[int, ...]) -> bytes:
    """``uint32 length || data || zeros``, filled to the smallest of ``sizes`` (ascending, bytes) that holds it.

    Raises :class:`UsageError` when none does.
    """
    need = 4 + len(data)
    for size in sizes:
        if need <= size:
            return b"".join((len(data).to_bytes(4, "big"), data, bytes(size - need)))
    raise UsageError(f"{len(data)} bytes don't fit the largest padded size, {sizes[-1]}")


def unpad(padded: bytes) -> bytes:
    """What :func:`pad` was given. Raises :class:`DecodeError` for a bad length or padding that isn't zero."""
    end = 4 + int.from_bytes(padded[:4], "big")
    if len(padded) < max(4, end):
        raise DecodeError("padded data", "length passes the end")
    if padded[end:] != bytes(len(padded) - end):
        raise DecodeError("padded data", "padding is not zero", end)
    return padded[4:end]
