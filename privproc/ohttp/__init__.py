"""Oblivious HTTP (RFC 9458): client, gateway, replay protection and problem documents.

A client that has chosen from a trusted list of key configurations (:func:`privproc.keyconfig.select`), and a gateway:

    outgoing         = begin(selection, at=now)                 # outgoing.enc, outgoing.export(...) to bind to
    wire, pending    = outgoing.seal(message)
    message, respond = gateway.open(wire, at=now)               # respond.enc, respond.export(...), the same
    window.admit(respond.replay_key(), at=now, until=respond.until)
    wire             = respond.seal(answer)
    answer           = pending.finish(wire)

Messages are Binary HTTP (:mod:`privproc.bhttp`): the labels say so, and anything else needs labels and media types of
its own (RFC 9458 §4.6).
"""

from privproc.ohttp._exchange import MAX_MESSAGE, REQUEST_TYPE, RESPONSE_TYPE, request_overhead, response_overhead
from privproc.ohttp.client import Outgoing, PendingResponse, begin
from privproc.ohttp.gateway import Gateway, Responder
from privproc.ohttp.problems import DATE, OHTTP_KEY, Place, Problem, problem_for
from privproc.ohttp.replay import ReplayKey, ReplayWindow, WindowFullError, check_date, decode_date, encode_date

__all__ = [
    "DATE",
    "MAX_MESSAGE",
    "OHTTP_KEY",
    "REQUEST_TYPE",
    "RESPONSE_TYPE",
    "Gateway",
    "Outgoing",
    "PendingResponse",
    "Place",
    "Problem",
    "ReplayKey",
    "ReplayWindow",
    "Responder",
    "WindowFullError",
    "begin",
    "check_date",
    "decode_date",
    "encode_date",
    "problem_for",
    "request_overhead",
    "response_overhead",
]
