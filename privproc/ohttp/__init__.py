"""Oblivious HTTP (RFC 9458) and its chunked form (draft-ietf-ohai-chunked-ohttp-08): client, relay and gateway.

A client that has chosen from a trusted list of key configurations (:func:`privproc.keyconfig.select`), and a gateway:

    outgoing         = begin(selection, at=now)                 # outgoing.enc, outgoing.export(...) to bind to
    wire, pending    = outgoing.seal(message)
    message, respond = gateway.open(wire, at=now)               # respond.enc, respond.export(...), the same
    window.admit(respond.replay_key(), at=now, until=respond.until)
    wire             = respond.seal(answer)
    answer           = pending.finish(wire)

Messages are Binary HTTP (:mod:`privproc.bhttp`): the labels say so, and anything else needs labels and media types of
its own (RFC 9458 §4.6). With HTTP requests and responses in place of bytes, client and gateway take two lines each:
:mod:`~privproc.ohttp.http_client`, :mod:`~privproc.ohttp.http_gateway`. In chunks, both have channels:

    sender, receiver = begin_chunked(selection, at=now).stream()
    wire             = sender.send(piece) + sender.finish()
    events           = receiver.receive_data(wire) + receiver.receive_end()

and the gateway's (:mod:`~privproc.ohttp.chunked`) asks for its key with an event. What a relay passes on is in
:mod:`~privproc.ohttp.relay`, what a gateway refuses in :mod:`~privproc.ohttp.rules` and
:mod:`~privproc.ohttp.problems`.
"""

from privproc.ohttp._body import MessageBody
from privproc.ohttp._exchange import (
    CHUNKED_REQUEST_TYPE,
    CHUNKED_RESPONSE_TYPE,
    INCREMENTAL,
    MAX_MESSAGE,
    REQUEST_TYPE,
    RESPONSE_TYPE,
    Mode,
    RequestHeader,
    request_overhead,
    response_overhead,
)
from privproc.ohttp.chunked import (
    MAX_CHUNK,
    MessageData,
    MessageEnd,
    MessageSender,
    RequestOpened,
    RequestReceiver,
    ResponseReceiver,
    StreamResponder,
)
from privproc.ohttp.client import Outgoing, OutgoingStream, PendingResponse, begin, begin_chunked
from privproc.ohttp.gateway import Gateway, Received, Responder, receive
from privproc.ohttp.http_client import (
    Attempt,
    DateRetry,
    LastAttempt,
    ResponseStream,
    encapsulate,
    encapsulate_stream,
)
from privproc.ohttp.http_gateway import Incoming, RequestStream, open_request, refusal, respond_stream
from privproc.ohttp.problems import (
    DATE,
    OHTTP_KEY,
    MediaTypeError,
    MethodError,
    Place,
    Problem,
    problem_for,
)
from privproc.ohttp.relay import Relay, Resource
from privproc.ohttp.replay import (
    ReplayKey,
    ReplayStore,
    ReplayWindow,
    WindowFullError,
    check_date,
    decode_date,
    encode_date,
)
from privproc.ohttp.rules import Rules, Targets, check_expectation

__all__ = [
    "CHUNKED_REQUEST_TYPE",
    "CHUNKED_RESPONSE_TYPE",
    "DATE",
    "INCREMENTAL",
    "MAX_CHUNK",
    "MAX_MESSAGE",
    "OHTTP_KEY",
    "REQUEST_TYPE",
    "RESPONSE_TYPE",
    "Attempt",
    "DateRetry",
    "Gateway",
    "Incoming",
    "LastAttempt",
    "MediaTypeError",
    "MessageBody",
    "MessageData",
    "MessageEnd",
    "MessageSender",
    "MethodError",
    "Mode",
    "Outgoing",
    "OutgoingStream",
    "PendingResponse",
    "Place",
    "Problem",
    "Received",
    "Relay",
    "ReplayKey",
    "ReplayStore",
    "ReplayWindow",
    "RequestHeader",
    "RequestOpened",
    "RequestReceiver",
    "RequestStream",
    "Resource",
    "Responder",
    "ResponseReceiver",
    "ResponseStream",
    "Rules",
    "StreamResponder",
    "Targets",
    "WindowFullError",
    "begin",
    "begin_chunked",
    "check_date",
    "check_expectation",
    "decode_date",
    "encapsulate",
    "encapsulate_stream",
    "encode_date",
    "open_request",
    "problem_for",
    "receive",
    "refusal",
    "request_overhead",
    "respond_stream",
    "response_overhead",
]
