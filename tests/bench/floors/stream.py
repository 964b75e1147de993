"""Streams under one key."""

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

    def piece(self) -> list[bytes]:
        encrypt, decrypt, nonce = self._cipher.encrypt, self._cipher.decrypt, self._nonce
        sealed = [encrypt(nonce, self._chunk, b"\0") for _ in range(self._per_piece)]
        return [decrypt(nonce, one, b"\0") for one in sealed]


class Streams:
    """Several streams that each piece goes through."""

    def __init__(self, *streams: Any) -> None:
        self._streams = streams

    def piece(self) -> list[object]:
        return [stream.piece() for stream in self._streams]
