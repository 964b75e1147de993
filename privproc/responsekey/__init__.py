"""Ephemeral request and response keys: what only this device and this enclave can read, inside of TLS.

docs/protocol.md §6. The request is sealed to a one-time KEM key that the enclave announced and its hardware signed,
under keys that also need the TLS session's exporter. It carries the device's own ephemeral key, which the answer needs
as well. The answer is a stream of padded chunks, the last one marked.

======================= ================================================================
:mod:`~.announcement`    the enclave's one-time keys, and how it announces them
:mod:`~.request`         sealing and opening a request
:mod:`~.answer`          sealing the answer's chunks, and the channel that reads them
:mod:`~.pacing`          an answer at a constant rate
======================= ================================================================
"""

from privproc.responsekey.announcement import Announcement, OneTimeKey
from privproc.responsekey.answer import Answer, AnswerData, AnswerEnd, AnswerEvent, AnswerSealer
from privproc.responsekey.pacing import Pacer, Tick
from privproc.responsekey.request import REQUEST_SIZES, Context, fits, open_request, seal_request

__all__ = [
    "REQUEST_SIZES",
    "Announcement",
    "Answer",
    "AnswerData",
    "AnswerEnd",
    "AnswerEvent",
    "AnswerSealer",
    "Context",
    "OneTimeKey",
    "Pacer",
    "Tick",
    "fits",
    "open_request",
    "seal_request",
]
