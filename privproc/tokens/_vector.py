"""``opaque x<V>`` of draft-ietf-privacypass-batched-tokens-07 §3.2: a vector behind its length, the shortest varint."""

from __future__ import annotations

from privproc.wire import Reader, encode_varint

__all__ = ["encode", "read"]


def encode(content: bytes) -> bytes:
    """``content`` behind its length."""
    return encode_varint(len(content)) + content


def read(reader: Reader) -> bytes:
    """The content of the vector that comes next. Raises :class:`DecodeError` for a length that isn't the shortest."""
    start = reader.offset
    size = reader.varint()
    if reader.offset - start != len(encode_varint(size)):
        raise reader.fail("length is not in its shortest form")
    return reader.take(size)
