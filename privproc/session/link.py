"""How a device's later round trips reach its enclave: one OHTTP exchange each, under a handle (docs/protocol.md §5)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from privproc import bhttp, ohttp
from privproc._outcome import each
from privproc.bhttp import Data, Framing, ResponseDecoder, ResponseEvent, ResponseHead
from privproc.errors import ExpiredError, PolicyError
from privproc.http import Request, Response, single
from privproc.keyconfig import Selection
from privproc.secret import Secret
from privproc.session import transcript
from privproc.session.messages import HANDLE_LENGTH, Continue, Continued
from privproc.session.profile import (
    ANSWER_SIZES,
    CONTINUE_PATH,
    INCREMENTAL,
    OHTTP_CHUNKED_REQUEST,
    OHTTP_CHUNKED_RESPONSE,
    OHTTP_REQUEST,
    OHTTP_RESPONSE,
    STREAM_LIMITS,
)
from privproc.trust import Trusted
from privproc.wire import bounded

__all__ = ["Link", "Reader", "Relay", "check_head", "content_of", "decoded", "encapsulated", "refused"]


@dataclass(frozen=True, slots=True)
class Relay:
    """Where the relay takes encapsulated requests for the gateway."""

    authority: str
    path: str

    def request(self, encapsulated: bytes) -> Request:
        """The request to the relay: no field but the media type, so that nothing tells devices apart."""
        # req: privproc1/4.4 nothing-else-to-the-relay
        return self._post(((b"content-type", OHTTP_REQUEST),), encapsulated)

    def stream(self, encapsulated: bytes = b"") -> Request:
        """The same for a chunked request. ``content`` is what there is of it so far."""
        return self._post(((b"content-type", OHTTP_CHUNKED_REQUEST), INCREMENTAL), encapsulated)

    def _post(self, fields: tuple[tuple[bytes, bytes], ...], content: bytes) -> Request:
        return Request("POST", "https", self.authority, self.path, fields, content)


class Reader(Protocol):
    """Reads the response of a later exchange: the enclave's records, and the handle that replaces the one used up."""

    media: bytes
    streams: bool
    handle: bytes

    def data(self, data: bytes) -> Iterable[bytes]:
        """Records that these bytes complete; to be iterated over, and what it raises comes after them."""

    def end(self) -> Iterable[bytes]:
        """The same for the end of the response."""


class Link(NamedTuple):
    """The right to go on with a session: ``handle`` is good once, ``offset`` counts the bytes of records sent."""

    relay: Relay
    key: Secret
    handle: bytes
    offset: int

    def __repr__(self) -> str:
        return "<Link>"

    def whole(
        self, gateway: str, selection: Trusted[Selection], records: bytes, *, at: int
    ) -> tuple[Request, Reader, Link]:
        """A single-shot exchange with ``records``, what reads its response, and the link with them counted."""
        outgoing = ohttp.begin(selection, at=at)
        message = self._message(outgoing.enc, records)
        wire, pending = outgoing.seal(bhttp.encode_request(_request(gateway, message)))
        return self.relay.request(wire), _Whole(pending), self._after(records)

    def stream(
        self, gateway: str, selection: Trusted[Selection], records: bytes, *, at: int
    ) -> tuple[Request, Reader, Link]:
        """The same in chunks: the response can be read while it comes."""
        outgoing = ohttp.begin_chunked(selection, at=at)
        message = self._message(outgoing.enc, records)
        sender, receiver = outgoing.stream()
        wire = sender.finish(bhttp.encode_request(_request(gateway, message), framing=Framing.INDETERMINATE))
        return self.relay.stream(wire), _Chunked(receiver), self._after(records)

    def _message(self, enc: bytes, records: bytes) -> bytes:
        mac = transcript.continuation_mac(self.key, self.handle, self.offset, enc, records)
        return Continue(self.handle, self.offset, mac, records).encode()

    def _after(self, records: bytes) -> Link:
        return self._replace(handle=b"", offset=self.offset + len(records))


def _request(gateway: str, message: bytes) -> Request:
    # req: privproc1/5.1 written-so
    return Request("POST", "https", gateway, CONTINUE_PATH, (), message)


class _Whole:
    """A single-shot response: OHTTP opens it as a whole, at its end."""

    media = OHTTP_RESPONSE
    streams = False

    def __init__(self, pending: ohttp.PendingResponse) -> None:
        self._pending = pending
        self._buffer = bytearray()
        self.handle = b""

    def data(self, data: bytes) -> list[bytes]:
        bounded("encapsulated answer", len(self._buffer) + len(data), ANSWER_SIZES[-1])
        self._buffer += data
        return []

    def end(self) -> list[bytes]:
        if len(self._buffer) not in ANSWER_SIZES:
            # req: privproc1/5.2 answers-of-few-sizes
            raise PolicyError("the answer is not of a padded size")
        continued = Continued.decode(content_of(self._pending.finish(bytes(self._buffer))))
        self.handle = continued.handle
        return [continued.records]


class _Chunked:
    """A response in chunks: the content is the handle, then records to its end. Holds one chunk at most."""

    media = OHTTP_CHUNKED_RESPONSE
    streams = True

    def __init__(self, receiver: ohttp.ResponseReceiver) -> None:
        self._receiver = receiver
        self._decoder = ResponseDecoder(STREAM_LIMITS)
        self.handle = b""

    def data(self, data: bytes) -> Iterable[bytes]:
        return self._records(each(self._receiver.receive_data, data))

    def end(self) -> Iterable[bytes]:
        return self._records(self._receiver.receive_end())

    def _records(self, pieces: Iterable[ohttp.MessageData | ohttp.MessageEnd]) -> Iterator[bytes]:
        for piece in pieces:
            for event in decoded(self._decoder, piece):
                if isinstance(event, ResponseHead) and event.status != 200:
                    raise refused()
                if isinstance(event, Data):
                    yield self._after_handle(event.data)

    def _after_handle(self, data: bytes) -> bytes:
        missing = HANDLE_LENGTH - len(self.handle)
        self.handle += data[:missing]
        return data[missing:] if missing else data


def decoded(decoder: ResponseDecoder, piece: ohttp.MessageData | ohttp.MessageEnd) -> Iterable[ResponseEvent]:
    """What a piece of a chunked response is in Binary HTTP."""
    if isinstance(piece, ohttp.MessageData):
        return each(decoder.receive_data, piece.data)
    return decoder.end_of_data()


def refused() -> PolicyError:
    """The gateway's one refusal."""
    return PolicyError("the gateway refused the request")


def check_head(response: Response, media: bytes) -> None:
    """That an encapsulated response follows. What comes in the clear is at most a hint: anyone between can write it."""
    found = single(response.fields, b"content-type")
    if response.status == 200 and found == media:
        return
    if found == b"application/problem+json" and ohttp.Problem.decode(response.content).type == ohttp.OHTTP_KEY:
        # req: privproc1/4.8 encapsulated-or-nothing
        raise ExpiredError("the gateway takes no such key: wait for the next epoch's directory")
    raise PolicyError(f"status {response.status} instead of an encapsulated response")


def encapsulated(response: Response) -> bytes:
    """The content of a single-shot OHTTP response."""
    check_head(response, OHTTP_RESPONSE)
    return response.content


def content_of(message: bytes) -> bytes:
    """The content of a Binary HTTP response, if the gateway didn't refuse."""
    response = bhttp.decode_response(message)
    if response.status != 200:
        raise refused()
    return response.content
