"""Wrapped mode: a request for several attested nodes at once, any of which can answer (docs/protocol.md §14).

One round trip and no session; the evidence is a passport for a key that lives for hours, so its freshness is weaker
than a session's, and what is asked has no forward secrecy within that time. docs/wrapped.md says when to choose which.

========================= =====================================================================
:mod:`~.nodes`            from what mirrors show to verified nodes, and the draw
:mod:`~.device`           the request and its answer
:mod:`~.gateway`          handing the request to one of the nodes
:mod:`~.node`             the node's key, the request, the sealed answer
:mod:`~.messages`         the bytes of every message
:mod:`~.profile`          what every device does alike
========================= =====================================================================
"""

from privproc.session.wrapped.device import AwaitingAnswer, WrappedReply, ask, seal
from privproc.session.wrapped.gateway import WrappedForwarded, WrappedRequest
from privproc.session.wrapped.messages import Passport, Roster, Statement
from privproc.session.wrapped.node import Node, NodeReply
from privproc.session.wrapped.nodes import Nodes, VerifiedNode, learn_nodes, verify_passport

__all__ = [
    "AwaitingAnswer",
    "Node",
    "NodeReply",
    "Nodes",
    "Passport",
    "Roster",
    "Statement",
    "VerifiedNode",
    "WrappedForwarded",
    "WrappedReply",
    "WrappedRequest",
    "ask",
    "learn_nodes",
    "seal",
    "verify_passport",
]
