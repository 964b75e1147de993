"""Streams under one key. ``ready`` isn't timed, ``piece`` is, and its result lives until the next one has been made."""

from __future__ import annotations

from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM


class ChunkStream:
    """AES-256-GCM over pieces of chunks, one key: what ``responsekey`` can't avoid."""

    def __init__(self, chunk: int, per_piece: int) -> None:
        self._cipher = AESGCM(bytes(32))
        self._nonce = bytes(12)
        self._chunk = bytes(chunk)
        self._per_piece = per_piece

    def ready(self) -> None:
        pass

    def piece(self, _: object) -> list[bytes]:
        encrypt, decrypt, nonce = self._cipher.encrypt, self._cipher.decrypt, self._nonce
        sealed = [encrypt(nonce, self._chunk, b"\0") for _ in range(self._per_piece)]
        return [decrypt(nonce, one, b"\0") for one in sealed]


class SealStream:
    """AES-128-GCM over ``count`` chunks a piece, sealed, each cut from the message that the caller has whole."""

    def __init__(self, chunk: int, count: int) -> None:
        self._cipher = AESGCM(bytes(16))
        self._chunk = chunk
        self._data = bytes(chunk * count)

    def ready(self) -> bytes:
        return self._data

    def piece(self, data: bytes) -> list[bytes]:
        encrypt, nonce, chunk, view = self._cipher.encrypt, bytes(12), self._chunk, memoryview(data)
        return [encrypt(nonce, view[start : start + chunk], b"") for start in range(0, len(data), chunk)]


class OpenStream:
    """The same, opened. Each piece is sealed anew, so that it lies where a receiver finds it."""

    def __init__(self, chunk: int, count: int) -> None:
        self._cipher = AESGCM(bytes(16))
        self._sealer = SealStream(chunk, count)

    def ready(self) -> list[bytes]:
        return self._sealer.piece(self._sealer.ready())

    def piece(self, sealed: list[bytes]) -> list[bytes]:
        decrypt, nonce = self._cipher.decrypt, bytes(12)
        return [decrypt(nonce, one, b"") for one in sealed]


class Streams:
    """Several streams that each piece goes through."""

    def __init__(self, *streams: Any) -> None:
        self._streams = streams

    def ready(self) -> list[object]:
        return [stream.ready() for stream in self._streams]

    def piece(self, ready: list[object]) -> list[object]:
        return [stream.piece(given) for stream, given in zip(self._streams, ready, strict=True)]
