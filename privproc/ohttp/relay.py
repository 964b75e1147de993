"""The relay's rules as values: what it passes on and what it drops (RFC 9458 §5, §6.2; RFC 9110 §7.6).

A relay knows who asks, the gateway what is asked. So nothing of the client's request is passed on but the encapsulated
message and its mode, and nothing of the gateway's response but that: each header is written anew, and an unknown field
has no way through. What the client's connection said about the client is dropped with the rest: Cookie, Forwarded, Via,
User-Agent, Authorization, and the parameters of the media type.

    forwarded, mode = relay.request(received)
    returned        = relay.response(answered, mode)

Both raise for what must not pass; ``problem_for(error, Place.BEFORE_DECAPSULATION)`` is the answer to a refused
request, 502 that to a refused response. A relay retries nothing (§6.5), and sends to one gateway, its own (§8.2).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from privproc.errors import DecodeError, UsageError
from privproc.http import Fields, Request, Response, media_type
from privproc.ohttp._exchange import INCREMENTAL, Mode
from privproc.ohttp.problems import MAX_PROBLEM, MEDIA_TYPE, MediaTypeError, MethodError, Problem
from privproc.wire import bounded

__all__ = ["Relay", "Resource", "request_mode"]

_REQUESTS: Final = {mode.request_type: mode for mode in Mode}


@dataclass(frozen=True, slots=True)
class Resource:
    """A relay's or gateway's resource, as a client of it sees it. The scheme is always https (RFC 9458 §6)."""

    authority: str
    path: str

    def __post_init__(self) -> None:
        if not self.authority or not self.path.startswith("/"):
            raise UsageError("a resource has an authority and a path")

    def post(self, mode: Mode, content: bytes = b"") -> Request:
        """The request that carries an encapsulated one, with the fields that it takes and no others (§5).

        In chunks ``content`` is empty, and what the channel gives is sent after the header.
        """
        # req: rfc9458/6 https-only
        return Request("POST", "https", self.authority, self.path, carrying(mode, mode.request_type), content)


# req: rfc9458/5 carrying-fields-only
def carrying(mode: Mode, kind: str) -> Fields:
    """The fields of a message that carries an encapsulated one."""
    content_type = (b"content-type", kind.encode())
    # req: chunked08/3 incremental
    return (content_type, INCREMENTAL) if mode is Mode.CHUNKED else (content_type,)


def request_mode(request: Request) -> Mode:
    """The mode of a request that carries an encapsulated one, by its header.

    Raises :class:`MethodError` unless it is a POST, :class:`MediaTypeError` for any other content,
    :class:`DecodeError` for two Content-Types.
    """
    if request.method != "POST":
        # req: rfc9458/5 posted
        raise MethodError("encapsulated requests are posted")
    mode = _REQUESTS.get(media_type(request.fields) or "")
    if mode is None:
        # req: rfc9458/5 media-types
        raise MediaTypeError("not an encapsulated request")
    return mode


@dataclass(frozen=True, slots=True)
class Relay:
    """A relay to ``gateway``, for messages of at most so many bytes. Functions of values: it keeps nothing."""

    gateway: Resource
    max_request: int
    max_response: int

    def request(self, received: Request) -> tuple[Request, Mode]:
        """What to send to the gateway, and the mode that its response must have.

        Raises what :func:`request_mode` raises, :class:`LimitError` beyond ``max_request``, and :class:`DecodeError`
        for no content. A relay that streams asks :meth:`head` instead, and counts the bytes itself.
        """
        mode = request_mode(received)
        bounded("encapsulated request", len(received.content), self.max_request)
        if not received.content:
            raise DecodeError("encapsulated request", "no content")
        # req: rfc9458/5 content-is-copied
        # req: rfc9458/6.2 forwarding-rules
        # req: rfc9458/6.2 unknown-fields-are-dropped
        # req: rfc9458/6.2 relay-adds-nothing
        # req: rfc9458/8.2 one-gateway
        return self.gateway.post(mode, received.content), mode

    def head(self, received: Request) -> tuple[Request, Mode]:
        """:meth:`request` without the content, for relays that pass it on as it comes (RFC 10036 §3)."""
        mode = request_mode(received)
        return self.gateway.post(mode), mode

    def response(self, answered: Response, mode: Mode) -> Response:
        """What to send to the client: an encapsulated response of the request's ``mode``, or an error's status with its
        problem document, if it has one, cut down to type and title.

        Raises :class:`MediaTypeError` for a success of any other kind, :class:`DecodeError` for other statuses than
        200, 4xx and 5xx, :class:`LimitError` beyond ``max_response``. A relay that streams gives a response without its
        content, and counts the bytes itself.
        """
        if answered.status != 200:
            return _refusal(answered)
        bounded("encapsulated response", len(answered.content), self.max_response)
        # req: chunked08/3 response-of-the-same-mode
        if media_type(answered.fields) != mode.response_type:
            raise MediaTypeError(f"not an encapsulated response of mode {mode.name}")
        return Response(200, carrying(mode, mode.response_type), answered.content)


def _refusal(answered: Response) -> Response:
    if not 400 <= answered.status <= 599:
        raise DecodeError("response of the gateway", f"status {answered.status}")
    if media_type(answered.fields) != MEDIA_TYPE or len(answered.content) > MAX_PROBLEM:
        return Response(answered.status)
    problem = Problem.decode(answered.content)
    content = Problem(problem.type, problem.title, answered.status).encode()
    return Response(answered.status, ((b"content-type", MEDIA_TYPE.encode()),), content)
