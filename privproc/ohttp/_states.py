"""The state machines of chunked OHTTP: what the tables don't list is refused."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum, auto
from typing import Final

__all__ = ["RECEIVE_REQUEST", "RECEIVE_RESPONSE", "SEND", "Input", "State", "Table"]


class State(StrEnum):
    """Where a channel stands. ``HEAD``: the request's header and ``enc``, or the response's nonce, have not come."""

    HEAD = auto()
    KEY = auto()
    CHUNKS = auto()
    FINAL = auto()
    ENDED = auto()
    FAILED = auto()


class Input(StrEnum):
    """What can happen to a channel: the caller's doing (the first five), or what the bytes turn out to be."""

    SEND = auto()
    FINISH = auto()
    DATA = auto()
    END = auto()
    ACCEPT = auto()
    HEADER = auto()
    NONCE = auto()
    CHUNK = auto()
    INDICATOR = auto()
    REFUSED = auto()


Table = Mapping[State, Mapping[Input, State]]

SEND: Final[Table] = {
    State.CHUNKS: {Input.SEND: State.CHUNKS, Input.FINISH: State.ENDED},
    State.ENDED: {},
}
"""Both directions' senders."""

_ROWS: Final = {
    State.CHUNKS: {
        Input.DATA: State.CHUNKS,
        Input.CHUNK: State.CHUNKS,
        Input.INDICATOR: State.FINAL,
        Input.END: State.FAILED,
        Input.REFUSED: State.FAILED,
    },
    State.FINAL: {Input.DATA: State.FINAL, Input.END: State.ENDED, Input.REFUSED: State.FAILED},
    State.ENDED: {},
    State.FAILED: {},
}

RECEIVE_REQUEST: Final[Table] = {
    State.HEAD: {
        Input.DATA: State.HEAD,
        Input.HEADER: State.KEY,
        Input.END: State.FAILED,
        Input.REFUSED: State.FAILED,
    },
    State.KEY: {Input.ACCEPT: State.CHUNKS, Input.REFUSED: State.FAILED},
    **_ROWS,
}
"""The gateway's receiver."""

RECEIVE_RESPONSE: Final[Table] = {
    State.HEAD: {Input.DATA: State.HEAD, Input.NONCE: State.CHUNKS, Input.END: State.FAILED},
    **_ROWS,
}
"""The client's receiver."""
