"""The device in wrapped mode: one round trip, to whichever node the gateway chooses (docs/protocol.md §14).

::

    nodes           = learn_nodes(copies, directory, role=..., anchors=..., at=...)     # ahead, for many requests
    request, answer = seal(directory, token, question, nodes=nodes, relay=..., at=...)
    reply           = answer.finish(response)

:func:`ask` runs the last two as a flow for :func:`privproc.session.drive`.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import final

from privproc import bhttp, ohttp
from privproc._step import Step
from privproc.errors import DecodeError, PolicyError, UsageError
from privproc.http import Request, Response
from privproc.keyconfig import select
from privproc.responsekey import AnswerData
from privproc.responsekey.wrapped import Answers, seal_body
from privproc.session import transcript
from privproc.session.contents import Service
from privproc.session.device import _outer, _proof, check_token
from privproc.session.directory import Directory
from privproc.session.flows import Flow
from privproc.session.link import Relay, content_of, encapsulated
from privproc.session.profile import ANSWER_SIZES, PROOF_FIELD, SUITES
from privproc.session.wrapped.messages import Head, Wrapped
from privproc.session.wrapped.nodes import Nodes, VerifiedNode
from privproc.session.wrapped.profile import WRAPPED_PATH
from privproc.tokens import BoundToken

__all__ = ["AwaitingAnswer", "WrappedReply", "ask", "seal"]


@dataclass(frozen=True, slots=True)
class WrappedReply:
    """The whole answer and the node that gave it, which nobody else of the nodes could have.

    Unlike a session's :class:`~privproc.session.Reply`, what was asked has no forward secrecy until that node's key and
    those of the other nodes that it was wrapped for are erased.
    """

    content: bytes = field(repr=False)
    node: VerifiedNode


def seal(
    directory: Directory, token: BoundToken, question: bytes, *, nodes: Nodes, relay: Relay, at: int
) -> tuple[Request, AwaitingAnswer]:
    """The request, sealed for nodes that are drawn here, and what takes the answer.

    ``token`` is spent by this; whoever keeps tokens must have marked it before the request is sent. Raises, and spends
    nothing: :class:`ExpiredError` for a directory past its time or too few nodes that aren't, :class:`UnsupportedError`
    when no suite is shared with the gateway, :class:`UsageError` for nodes of another package, a token of another
    issuer or epoch, and a question that is too large.
    """
    contents = directory.contents.get(at=at)
    service = contents.service(nodes.role)
    if nodes.package != directory.package:
        # req: privproc1/14.4 checks-before-the-token
        raise UsageError("the nodes are of another package than the directory")
    check_token(token, contents)
    drawn = nodes._draw(at=at)
    selection = directory.contents.map(lambda contents: select(contents.keys, SUITES))
    outgoing = ohttp.begin(selection, at=at)
    body, content = seal_body(nodes.suite, question)
    head = _head(service, drawn, body)
    spent, proof_key = token.spend()
    thw = transcript.wrapped(directory.package, _outer(outgoing, spent, proof_key), head)
    wraps, answers = content.wrap(thw, [(node.digest, node.key) for node in drawn])
    fields = ((b"authorization", spent.authorization()), (PROOF_FIELD, _proof(proof_key, thw)))
    message = Wrapped(head, wraps, body).encode()
    wire, pending = outgoing.seal(
        bhttp.encode_request(Request("POST", "https", contents.gateway, WRAPPED_PATH, fields, message))
    )
    return relay.request(wire), AwaitingAnswer((pending, answers, drawn))


def _head(service: Service, drawn: Sequence[VerifiedNode], body: bytes) -> bytes:
    return Head(
        role=service.role,
        log=service.log,
        namespace=service.namespace,
        policy_id=service.policy.id,
        nonce=os.urandom(32),
        nodes=tuple(node.digest for node in drawn),
        body=hashlib.sha384(body).digest(),
    ).encode()


@final
class AwaitingAnswer(Step[tuple[ohttp.PendingResponse, Answers, tuple[VerifiedNode, ...]]]):
    """The request is out; one of the nodes it was drawn for can answer."""

    __slots__ = ()

    def finish(self, response: Response) -> WrappedReply:
        """Open the answer. The keys say whose it is: with another node's index nothing opens.

        Raises :class:`OpenError`, :class:`DecodeError` (truncated, among others), :class:`PolicyError`.
        """
        pending, answers, drawn = self._take()
        wire = encapsulated(response)
        if len(wire) not in ANSWER_SIZES:
            raise PolicyError("the answer is not of a padded size")
        content = content_of(pending.finish(wire))
        if not content:
            raise DecodeError("answer", "empty")
        index = content[0]
        # req: privproc1/14.6 who-answers
        answer = answers.of(index)
        events = answer.receive_data(content[1:]) + answer.receive_end()
        return WrappedReply(b"".join(event.data for event in events if isinstance(event, AnswerData)), drawn[index])


def ask(
    directory: Directory, token: BoundToken, question: bytes, *, nodes: Nodes, relay: Relay, at: int
) -> Flow[WrappedReply]:
    """One private request as a flow: yields one request for the relay, returns the :class:`WrappedReply`.

    Raises what the steps raise. No failure makes it send more: nothing is retried or fetched.
    """
    request, answer = seal(directory, token, question, nodes=nodes, relay=relay, at=at)
    response, _ = yield request
    return answer.finish(response)
