"""The composed protocol, privproc/1: the only place where the layers meet.

The device is a flow, gateway and enclave are steps; docs/protocol.md has the bytes and the reasons.

========================= =====================================================================
:mod:`~.directory`        what a key package contains, and learning it from mirrors
:mod:`~.device`           two round trips, from a token to the end of the answer
:mod:`~.gateway`          token, proof, forwarding; handles for the second round trip
:mod:`~.enclave`          evidence for a session, the request, the sealed answer
:mod:`~.messages`         the bytes of every message
:mod:`~.transcript`       the running hash over all layers
:mod:`~.profile`          what every device sends alike
========================= =====================================================================
"""

from privproc.session.device import AnswerChannel, Flow, Opening, Relay, Reply, Session, adrive, ask, begin, drive
from privproc.session.directory import (
    PURPOSE,
    Anchors,
    Contents,
    Directory,
    Memory,
    Published,
    Service,
    learn,
    learn_signers,
    package_role,
)
from privproc.session.enclave import AwaitingRequest, Enclave, EnclaveOpening, EnclaveReply
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
from privproc.session.profile import SUITES

__all__ = [
    "GRACE",
    "PURPOSE",
    "SUITES",
    "Accepted",
    "Anchors",
    "AnswerChannel",
    "AwaitingRequest",
    "Contents",
    "ContinueRequest",
    "Directory",
    "Enclave",
    "EnclaveOpening",
    "EnclaveReply",
    "Epoch",
    "Exchange",
    "Flow",
    "Forwarded",
    "Gateway",
    "Live",
    "Memory",
    "OpenRequest",
    "Opening",
    "Published",
    "Relay",
    "Reply",
    "Service",
    "Session",
    "adrive",
    "ask",
    "begin",
    "drive",
    "learn",
    "learn_signers",
    "package_role",
]
