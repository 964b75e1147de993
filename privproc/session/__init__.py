"""The composed protocol, privproc/1: the only place where the layers meet.

The device is a flow, gateway and enclave are steps; docs/protocol.md has the bytes and the reasons.

========================= =====================================================================
:mod:`~.contents`         what a key package contains
:mod:`~.directory`        learning it from mirrors
:mod:`~.device`           steps, from a token to the end of the last answer
:mod:`~.flows`            the same over any HTTP client
:mod:`~.attested`         the device's end of an attested session, whatever carries it
:mod:`~.beside`           what an enclave shows beside its own evidence
:mod:`~.link`             how its later round trips go
:mod:`~.pipe`             a whole session in one chunked exchange
:mod:`~.streams`          the gateway's end of chunked exchanges
:mod:`~.chunked`          what both ends of them share
:mod:`~.frames`           what goes through TLS
:mod:`~.gateway`          token, proof, forwarding; handles for the second round trip
:mod:`~.enclave`          evidence for a session, the request, the sealed answer
:mod:`~.record`           what a device can show an auditor
:mod:`~.messages`         the bytes of every message
:mod:`~.transcript`       the running hash over all layers
:mod:`~.profile`          what every device sends alike
========================= =====================================================================
"""

from privproc.session.contents import Contents, Service
from privproc.session.device import AnswerChannel, AnswerComplete, AnswerEvent, Opening, Renewing, Session, begin
from privproc.session.directory import (
    PURPOSE,
    Anchors,
    Directory,
    Memory,
    Published,
    learn,
    learn_signers,
    package_role,
)
from privproc.session.enclave import Again, Asked, AwaitingRequest, Enclave, EnclaveOpening, EnclaveReply
from privproc.session.flows import Flow, Reply, adrive, ask, ask_in, connect, drive
from privproc.session.gateway import (
    GRACE,
    Accepted,
    ContinueRequest,
    Epoch,
    Exchange,
    Forwarded,
    Gateway,
    Live,
    OpenRequest,
)
from privproc.session.link import Relay
from privproc.session.pipe import Pipe, PipeEvent, PipeReady, PipeSession, open_pipe
from privproc.session.profile import SUITES
from privproc.session.streams import (
    Download,
    ForwardedPipe,
    PipeDownload,
    PipeRequest,
    RecordsReceived,
    RequestEnd,
    StreamRequest,
    Upload,
)

__all__ = [
    "GRACE",
    "PURPOSE",
    "SUITES",
    "Accepted",
    "Again",
    "Anchors",
    "AnswerChannel",
    "AnswerComplete",
    "AnswerEvent",
    "Asked",
    "AwaitingRequest",
    "Contents",
    "ContinueRequest",
    "Directory",
    "Download",
    "Enclave",
    "EnclaveOpening",
    "EnclaveReply",
    "Epoch",
    "Exchange",
    "Flow",
    "Forwarded",
    "ForwardedPipe",
    "Gateway",
    "Live",
    "Memory",
    "OpenRequest",
    "Opening",
    "Pipe",
    "PipeDownload",
    "PipeEvent",
    "PipeReady",
    "PipeRequest",
    "PipeSession",
    "Published",
    "RecordsReceived",
    "Relay",
    "Renewing",
    "Reply",
    "RequestEnd",
    "Service",
    "Session",
    "StreamRequest",
    "Upload",
    "adrive",
    "ask",
    "ask_in",
    "begin",
    "connect",
    "drive",
    "learn",
    "learn_signers",
    "open_pipe",
    "package_role",
]
