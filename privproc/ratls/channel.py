"""The established TLS channel, in h11's shape: bytes in give events, calls give bytes out.

:data:`TRANSITIONS` is the whole state machine; what it doesn't list is refused. A direction ends with close_notify
(:class:`EndOfData`), never by silence: the transport's end has to be reported with :meth:`Channel.receive_end`, and is
a truncation unless the peer closed before. Input may be split anywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final, NoReturn, final

from OpenSSL import SSL

from privproc._step import Unique
from privproc.errors import DecodeError, PeerError, UsageError
from privproc.ratls import openssl
from privproc.secret import Secret
from privproc.wire import bare

__all__ = ["MAX_RECORDS", "TRANSITIONS", "Channel", "DataReceived", "EndOfData", "Event", "Input", "State"]


@dataclass(frozen=True, slots=True)
class DataReceived:
    """Decrypted bytes, at least one and at most a record's worth (16384)."""

    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class EndOfData:
    """The peer's close_notify: it sends nothing more."""


Event = DataReceived | EndOfData


class State(Enum):
    """Where a channel stands."""

    OPEN = auto()
    PEER_CLOSED = auto()
    SELF_CLOSED = auto()
    CLOSED = auto()
    FAILED = auto()


class Input(Enum):
    """What can happen to a channel."""

    SEND = auto()
    CLOSE = auto()
    DATA = auto()
    CLOSE_NOTIFY = auto()
    TRANSPORT_END = auto()
    REFUSED = auto()


TRANSITIONS: Final[Mapping[State, Mapping[Input, State]]] = {
    State.OPEN: {
        Input.SEND: State.OPEN,
        Input.CLOSE: State.SELF_CLOSED,
        Input.DATA: State.OPEN,
        Input.CLOSE_NOTIFY: State.PEER_CLOSED,
        Input.TRANSPORT_END: State.FAILED,
        Input.REFUSED: State.FAILED,
    },
    State.PEER_CLOSED: {
        Input.SEND: State.PEER_CLOSED,
        Input.CLOSE: State.CLOSED,
        Input.TRANSPORT_END: State.PEER_CLOSED,
    },
    State.SELF_CLOSED: {
        Input.DATA: State.SELF_CLOSED,
        Input.CLOSE_NOTIFY: State.CLOSED,
        Input.TRANSPORT_END: State.FAILED,
        Input.REFUSED: State.FAILED,
    },
    State.CLOSED: {
        Input.TRANSPORT_END: State.CLOSED,
    },
    State.FAILED: {},
}
"""State and input to the next state. Where the peer closed, no DATA: RFC 8446 §6.1 says to ignore what comes after."""

MAX_RECORDS: Final = 23_726_566
"""2^24.5, the records that AES-GCM may protect under one key (RFC 8446 §5.5); pyOpenSSL can't update keys."""

_RECORD: Final = 1 << 14
_FEED: Final = 1 << 16


@final
class Channel(Unique):
    """A TLS 1.3 session whose peer is known. Made by ``Established.release`` and ``Attesting.finish`` only.

    After an error the session is dead: state FAILED, and every later call raises the same error. Not thread-safe.
    """

    __slots__ = ("_connection", "_error", "_records", "_state")

    def __init__(self, connection: SSL.Connection) -> None:
        self._connection = connection
        self._state = State.OPEN
        self._error: BaseException | None = None
        self._records = 0

    @property
    def state(self) -> State:
        """Where the channel stands."""
        return self._state

    def send(self, data: bytes) -> None:
        """Encrypt ``data`` (any size; 16384 bytes a record) for :meth:`data_to_send`, which should follow.

        Raises :class:`UsageError` after :meth:`close`, or past :data:`MAX_RECORDS`.
        """
        records = self._records - (-len(data) // _RECORD)
        if records > MAX_RECORDS:
            raise UsageError("no more records under this key: begin a new session")
        self._move(Input.SEND)
        self._records = records
        self._connection.sendall(data)

    def close(self) -> None:
        """Queue close_notify: nothing more is sent. Receiving goes on until the peer closes."""
        self._move(Input.CLOSE)
        self._connection.shutdown()

    def data_to_send(self) -> bytes:
        """The bytes for the transport; empty if there are none. To be called after every other call."""
        self._check()
        return openssl.drain(self._connection)

    def receive_data(self, data: bytes) -> list[Event]:
        """Take bytes of the transport, in any pieces, and return what they complete.

        What follows the peer's close_notify is ignored (RFC 8446 §6.1). Raises :class:`OpenError` for a forged,
        repeated or reordered record, :class:`DecodeError` for what isn't TLS 1.3, or for an alert; the next call does
        if there were events before.
        """
        self._check()
        return self._take(memoryview(data))

    def receive_end(self) -> None:
        """The transport ended. Raises :class:`DecodeError` (truncated) if the peer hadn't closed."""
        if self._move(Input.TRANSPORT_END) is State.FAILED:
            self._fail(DecodeError("TLS channel", "the transport ended before close_notify"))

    def export(self, label: bytes, context: bytes, length: int) -> Secret:
        """TLS-Exporter (RFC 8446 §7.5): 1 to 12240 bytes under a label of 1 to 249 bytes, else UsageError."""
        self._check()
        return openssl.export(self._connection, label, context, length)

    def _begin(self, rest: bytes) -> list[Event]:
        """The events of what came with the handshake: already fed, then ``rest``."""
        return self._take(memoryview(rest), fed=True)

    def _take(self, data: memoryview, *, fed: bool = False) -> list[Event]:
        events: list[Event] = []
        try:
            if fed:
                self._read(events)
            for start in range(0, len(data), _FEED):
                if Input.DATA not in TRANSITIONS[self._state]:
                    break
                openssl.feed(self._connection, data[start : start + _FEED])
                self._read(events)
        except PeerError:  # kept for the next call
            if not events:
                raise
        return events

    def _read(self, events: list[Event]) -> None:
        receive = self._connection.recv
        try:
            while True:
                events.append(DataReceived(receive(_RECORD)))
        except SSL.WantReadError:
            pass
        except SSL.ZeroReturnError:
            self._move(Input.CLOSE_NOTIFY)
            events.append(EndOfData())
        except SSL.Error as error:
            self._move(Input.REFUSED)
            self._fail(openssl.translated("TLS channel", error))

    def _fail(self, error: PeerError) -> NoReturn:
        self._error = bare(error)
        del self._connection  # OpenSSL erases the session's keys
        raise error from None

    def _check(self) -> None:
        if self._error is not None:
            raise bare(self._error)

    def _move(self, happened: Input) -> State:
        self._check()
        try:
            self._state = TRANSITIONS[self._state][happened]
        except KeyError:
            # req: privproc1/9.4 channel-states
            raise UsageError(f"{happened.name} isn't possible in state {self._state.name}") from None
        return self._state

    def __repr__(self) -> str:
        return f"<Channel {self._state.name}>"
