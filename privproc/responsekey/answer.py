"""The answer: a stream of padded chunks under keys that need the request's and the device's: docs/protocol.md §6.2.

::

    struct {
        opaque e<1..4096>;                  uint32 length: Encap(dk)
        Chunk chunks[];
    } SealedAnswer;

    struct {
        uint8 last;                         0, or 1 for the last chunk: nothing follows it
        opaque ciphertext<272..16352>;      uint16 length: one of CHUNK_SIZES, and the tag
    } Chunk;

    plaintext of the first chunk  = lp(next) || lp(data) || zeros       next: the key of the next request, or empty
    plaintext of the others       = lp(data) || zeros
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from privproc import hkdf, hpke
from privproc._step import Unique
from privproc.chunks import TAG_LENGTH, Opener, Sealer, pad, unpad
from privproc.errors import DecodeError, UsageError
from privproc.tagged import lp, tagged_hash
from privproc.wire import Feed, Need, Parser, Reader

if TYPE_CHECKING:
    from collections.abc import Iterator

    from privproc.secret import Secret

__all__ = ["CHUNK_SIZES", "Answer", "AnswerData", "AnswerEnd", "AnswerEvent", "AnswerSealer"]

CHUNK_SIZES = (256, 1024, 4096, 16336)
"""Sizes (bytes) that a chunk's plaintext is filled to. The largest, with tag and framing, fits one TLS record:
16336 + 16 + 3 + 22 <= 16384."""

_ENC_LIMIT = 4096
_HASH = "sha384"
_MIDDLE, _LAST = b"\0", b"\1"


@dataclass(frozen=True, slots=True)
class AnswerData:
    """A piece of the answer, authenticated."""

    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class AnswerEnd:
    """The answer is complete. ``next_key``: the enclave's key for the next request of the session, or ``None``."""

    next_key: hpke.PublicKey | None


AnswerEvent = AnswerData | AnswerEnd


def _schedule(suite: hpke.Suite, prk: bytes, th3: bytes, e: bytes, shared: Secret) -> tuple[bytes, bytes]:
    r = hkdf.extract(_HASH, hkdf.expand(_HASH, prk, lp(b"res salt") + th3, 48), shared.expose())
    shared.wipe()
    # req: privproc1/6.2 needs-the-request
    bound = tagged_hash("response", th3, e)
    key = hkdf.expand(_HASH, r, lp(b"res key") + bound, suite.aead.Nk)
    return key, hkdf.expand(_HASH, r, lp(b"res iv") + bound, suite.aead.Nn)


class AnswerSealer(Unique):
    """The enclave's end: :meth:`send` pieces, then :meth:`finish` once. Each call gives the bytes to send."""

    __slots__ = ("_head", "_kem", "_next", "_sealer", "th3")

    def __init__(self, suite: hpke.Suite, encapsulated: tuple[bytes, Secret], prk: bytes, th3: bytes) -> None:
        e, shared = encapsulated
        key, iv = _schedule(suite, prk, th3, e, shared)
        self._sealer = Sealer(suite.aead.cipher(key), iv, middle=_MIDDLE, last=_LAST)
        self._head = lp(e)
        self._kem = suite.kem
        self._next: bytes | None = b""
        self.th3 = th3

    def announce_next(self, key: hpke.PublicKey) -> None:
        """Name the one-time key of the session's next request, of the same KEM; only before the first chunk."""
        if self._next is None:
            raise UsageError("the first chunk has gone out")
        if key.kem is not self._kem:
            raise UsageError("the next key is of another KEM")
        self._next = key.encode()

    def send(self, data: bytes) -> bytes:
        """Seal a piece of any length (an empty one is a chunk of padding); :class:`SpentError` after the last."""
        return b"".join(self._chunks(data, last=False))

    def finish(self, data: bytes = b"") -> bytes:
        """Seal the last piece, marked as such, and forget the keys."""
        return b"".join(self._chunks(data, last=True))

    def _chunks(self, data: bytes, *, last: bool) -> Iterator[bytes]:
        head, self._head = self._head, b""
        yield head
        start = 0
        while True:
            prefix, self._next = (b"" if self._next is None else lp(self._next)), None
            room = CHUNK_SIZES[-1] - 4 - len(prefix)
            piece = data[start : start + room]
            start += room
            final = start >= len(data)
            ending = last and final
            sealed = self._sealer.seal(_fill(prefix, piece), last=ending)
            yield (_LAST if ending else _MIDDLE) + len(sealed).to_bytes(2, "big")
            yield sealed
            if final:
                return

    def __repr__(self) -> str:
        return f"<AnswerSealer {'ended' if self._sealer.ended else 'open'}>"


def _fill(prefix: bytes, piece: bytes) -> bytes:
    sizes = tuple(size - len(prefix) for size in CHUNK_SIZES)
    return prefix + pad(piece, sizes)


class Answer(Unique):
    """The device's end, a channel: :meth:`receive_data` takes bytes in any pieces and gives what they complete.

    Holds the keys of one answer; they are forgotten at the end and at the first failure, which every later call raises
    again. The answer is complete only when :class:`AnswerEnd` has come: :meth:`receive_end` raises otherwise.
    """

    __slots__ = ("_feed", "th3")

    def __init__(self, suite: hpke.Suite, dk: hpke.PrivateKey, prk: bytes, th3: bytes) -> None:
        # The parser alone holds the keys: they go with it, at the end or at the first failure.
        self._feed: Feed[AnswerEvent] = Feed("answer", _parse(suite, dk, prk, th3))
        self.th3 = th3

    def receive_data(self, data: bytes) -> list[AnswerEvent]:
        """Raises :class:`DecodeError`, :class:`OpenError`."""
        return self._feed.receive(data)

    def receive_end(self) -> list[AnswerEvent]:
        """The stream below has ended. Raises :class:`DecodeError` if the last chunk has not come."""
        return self._feed.receive(b"", last=True)


# req: privproc1/6.2 last-chunk-is-marked
def _parse(suite: hpke.Suite, dk: hpke.PrivateKey, prk: bytes, th3: bytes) -> Parser[AnswerEvent]:
    size = int.from_bytes((yield Need(4, 4)), "big")
    if not 0 < size <= _ENC_LIMIT:
        raise DecodeError("answer", f"encapsulation of {size} bytes")
    e = yield Need(size, size)
    key, iv = _schedule(suite, prk, th3, e, hpke.decap(dk, e))
    opener = Opener(suite.aead.cipher(key), iv, middle=_MIDDLE, last=_LAST)
    del dk, prk, key
    next_key: hpke.PublicKey | None = None
    first, last = True, False
    while not last:
        head = yield Need(3, 3)
        last = _flag(head[0])
        # req: privproc1/6.2 chunks-in-order
        plaintext = opener.open((yield _need(int.from_bytes(head[1:], "big"))), last=last)
        if first:
            next_key, plaintext = _next_key(suite, plaintext)
            first = False
        if data := unpad(plaintext):
            yield AnswerData(data)
    yield AnswerEnd(next_key)


def _flag(value: int) -> bool:
    if value > 1:
        raise DecodeError("answer", f"chunk flag {value}")
    return value == 1


def _need(size: int) -> Need:
    if size - TAG_LENGTH not in CHUNK_SIZES:
        # req: privproc1/6.2 padded-chunks
        raise DecodeError("answer", f"chunk of {size} bytes is not of a padded size")
    return Need(size, size)


def _next_key(suite: hpke.Suite, plaintext: bytes) -> tuple[hpke.PublicKey | None, bytes]:
    reader = Reader(plaintext, "first chunk")
    # req: privproc1/6.2 next-key
    encoded = reader.vector(4, 0, _ENC_LIMIT)
    return (hpke.PublicKey.decode(suite.kem, encoded) if encoded else None), reader.rest()
