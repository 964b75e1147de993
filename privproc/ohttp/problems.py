"""What a server says when it refuses: problem documents (RFC 9457) and one table from error to status and type.

Before decapsulation an error leaves in the clear, with a 4xx status; after it, only inside of an encapsulated response
(RFC 9458 §5.2). Titles are constants: nothing of the request, and no reason beyond the type, reaches the peer.
"""

from __future__ import annotations

import enum
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self

from privproc import strictjson
from privproc.errors import (
    ExpiredError,
    LimitError,
    OpenError,
    PeerError,
    PolicyError,
    UnsupportedError,
)
from privproc.ohttp.replay import WindowFullError
from privproc.wire import bounded

__all__ = [
    "BLANK",
    "DATE",
    "MAX_PROBLEM",
    "MEDIA_TYPE",
    "OHTTP_KEY",
    "TABLE",
    "MediaTypeError",
    "MethodError",
    "Place",
    "Problem",
    "problem_for",
]

MEDIA_TYPE: Final = "application/problem+json"
"""RFC 9457 §6.1."""

BLANK: Final = "about:blank"
"""No type beyond the status (RFC 9457 §4.2.1)."""

OHTTP_KEY: Final = "https://iana.org/assignments/http-problem-types#ohttp-key"
"""The request used an outdated or incorrect key configuration (RFC 9458 §5.3). It comes in the clear, so a client can't
tell whether the gateway or the relay sent it: at most a hint, never a reason to fetch on the spot."""

DATE: Final = "https://iana.org/assignments/http-problem-types#date"
"""The request's Date isn't acceptable (RFC 9458 §6.5.2). A client may try once more with the Date of the response, in
a fresh encapsulation, and must not use that Date for anything else."""

MAX_PROBLEM: Final = 4096
"""Bytes of a problem document that are read."""


class MethodError(UnsupportedError):
    """Another method than POST (RFC 9458 §5)."""


class MediaTypeError(UnsupportedError):
    """Content that isn't an encapsulated message, or is one of the other mode."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem document (RFC 9457 §3): ``type`` (a URI), ``title``, and the advisory ``status`` (100 to 599 or None).

    A JSON object. Members of a wrong type are ignored and others are not kept, as §3.1 and §3.2 demand of consumers.
    """

    type: str = BLANK
    title: str = ""
    status: int | None = None

    def encode(self) -> bytes:
        """The JSON document, in ASCII."""
        members = {"type": self.type, "title": self.title}
        status = {} if self.status is None else {"status": self.status}
        return json.dumps(members | status, separators=(",", ":")).encode("ascii")

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read a document of at most :data:`MAX_PROBLEM` bytes, else :class:`LimitError`; UTF-8, no member twice, else
        :class:`DecodeError`.
        """
        bounded("problem document", len(data), MAX_PROBLEM)
        members = strictjson.decode_object(data, "problem document")
        kind, title, status = members.get("type"), members.get("title"), members.get("status")
        return cls(
            kind if isinstance(kind, str) else BLANK,
            title if isinstance(title, str) else "",
            status if isinstance(status, int) and 100 <= status <= 599 else None,
        )


class Place(enum.Enum):
    """Where a server noticed the error, which decides who may read the answer."""

    BEFORE_DECAPSULATION = "before"
    AFTER_DECAPSULATION = "after"


_KEY = Problem(OHTTP_KEY, "key configuration not acceptable", 422)
_BAD = Problem(BLANK, "Bad Request", 400)
_METHOD = Problem(BLANK, "Method Not Allowed", 405)
_MEDIA_TYPE = Problem(BLANK, "Unsupported Media Type", 415)
_TARGET = Problem(BLANK, "Forbidden", 403)
_LARGE = Problem(BLANK, "Content Too Large", 413)
_BUSY = Problem(BLANK, "Service Unavailable", 503)
_DATE = Problem(DATE, "date field in request outside of acceptable range", 400)

TABLE: Final[Mapping[tuple[type[PeerError], Place], Problem]] = {
    # Unknown, outdated and merely unopenable look alike: a refusal must not tell which keys exist. RFC 9458 §6.4 allows
    # 422 for all three; §5.3's problem type goes with any 4xx, and its example has 400, which here means malformed.
    # req: rfc9458/5.3 outdated-key-problem
    (UnsupportedError, Place.BEFORE_DECAPSULATION): _KEY,
    (ExpiredError, Place.BEFORE_DECAPSULATION): _KEY,
    # req: rfc9458/6.4 refused-keys-look-alike
    (OpenError, Place.BEFORE_DECAPSULATION): _KEY,
    (MethodError, Place.BEFORE_DECAPSULATION): _METHOD,
    (MediaTypeError, Place.BEFORE_DECAPSULATION): _MEDIA_TYPE,
    (LimitError, Place.BEFORE_DECAPSULATION): _LARGE,
    # req: rfc9458/5.2 errors-before-are-in-the-clear
    (PeerError, Place.BEFORE_DECAPSULATION): _BAD,
    (PolicyError, Place.AFTER_DECAPSULATION): _TARGET,
    (ExpiredError, Place.AFTER_DECAPSULATION): _DATE,
    (WindowFullError, Place.AFTER_DECAPSULATION): _BUSY,
    (LimitError, Place.AFTER_DECAPSULATION): _LARGE,
    # req: rfc9458/5.2 errors-after-are-encapsulated
    (PeerError, Place.AFTER_DECAPSULATION): _BAD,
}
"""The answer to each error. The nearest base class counts, so every :class:`PeerError` has one."""


def problem_for(error: PeerError, place: Place) -> Problem:
    """The answer to ``error``: its ``status`` for the response and the document for its content."""
    return next(TABLE[kind, place] for kind in type(error).__mro__ if (kind, place) in TABLE)
