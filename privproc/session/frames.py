"""What goes through TLS once it stands: the device's frames, and the enclave's new evidence (docs/protocol.md §6)."""

from __future__ import annotations

from enum import IntEnum
from typing import Final, NamedTuple

from privproc._outcome import each
from privproc.errors import DecodeError, PolicyError
from privproc.hpke import Suite
from privproc.responsekey import REQUEST_SIZES
from privproc.session.messages import RENEWAL_SIZES, Renewed
from privproc.wire import Feed, Need, Parser, Writer

__all__ = ["Frame", "FrameReader", "Kind", "again", "frame", "nonce_of", "renewal", "renewals"]

_LIMIT: Final = 1 << 23


class Kind(IntEnum):
    """What a device sends. ``REQUEST``: a sealed request, and more may follow. ``LAST``: a sealed request, and the
    session's last. ``AGAIN``: new evidence is wanted.
    """

    REQUEST = 0
    LAST = 1
    AGAIN = 2


_KINDS: Final = frozenset(map(int, Kind))


class Frame(NamedTuple):
    """::

    struct {
        uint8 kind;
        opaque body<1..2^23>;       uint32 length. A SealedRequest, or nonce[32] and zeros, as long as the least one
    } Frame;
    """

    kind: Kind
    body: bytes

    def __repr__(self) -> str:
        return "<Frame>"


def frame(kind: Kind, body: bytes) -> bytes:
    """The wire form."""
    return Writer().uint(1, kind).vector(4, body).done()


def again(nonce: bytes, suite: Suite) -> bytes:
    """The frame that asks for new evidence: in size it is the least request of the session's suite."""
    return frame(Kind.AGAIN, nonce.ljust(_again_size(suite), b"\0"))


def nonce_of(body: bytes, suite: Suite) -> bytes:
    """The nonce (32 bytes) of an ``AGAIN``. Raises :class:`DecodeError`."""
    if len(body) != _again_size(suite) or any(body[32:]):
        # req: privproc1/6.3 again-has-a-requests-size
        raise DecodeError("request for evidence", "not a nonce and zeros, of a request's size")
    return body[:32]


def _again_size(suite: Suite) -> int:
    return 4 + suite.kem.Nenc + 4 + REQUEST_SIZES[0] + suite.aead.Nt


class FrameReader:
    """Reads one frame from data in any pieces."""

    __slots__ = ("_feed",)

    def __init__(self) -> None:
        self._feed: Feed[Frame] = Feed("frame", _frame())

    def receive_data(self, data: bytes) -> Frame | None:
        """The frame once it is there. Raises :class:`DecodeError`, for bytes after it too."""
        return next(iter([*each(self._feed.receive, data)]), None)


def _frame() -> Parser[Frame]:
    head = yield Need(5, 5)
    size = int.from_bytes(head[1:], "big")
    if head[0] not in _KINDS or not 0 < size <= _LIMIT:
        # req: privproc1/6 frames
        raise DecodeError("frame", f"kind {head[0]} with {size} bytes")
    yield Frame(Kind(head[0]), (yield Need(size, size)))


def renewal(renewed: Renewed) -> bytes:
    """New evidence, as the enclave sends it."""
    return Writer().vector(4, renewed.encode()).done()


def renewals() -> Parser[Renewed]:
    """Reads one, for a :class:`~privproc.wire.Feed`. Raises :class:`DecodeError`, :class:`PolicyError`."""
    size = int.from_bytes((yield Need(4, 4)), "big")
    if size not in RENEWAL_SIZES:
        # req: privproc1/6.3 new-evidence-in-few-sizes
        raise PolicyError(f"new evidence of {size} bytes is not of a padded size")
    yield Renewed.decode((yield Need(size, size)))
