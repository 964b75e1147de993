"""The node: a key for a few hours, and the requests that were wrapped to it (docs/protocol.md §14.1 and §14.6).

It calls no hardware: the 64 bytes for the report come out as a value, and the host makes the passport of them::

    node            = Node.generate(role=..., package=..., suite=..., not_before=..., not_after=..., ...)
    passport        = Passport(node.statement, evidence, endorsements, log_proof)   # evidence over node.report_data
    question, reply = node.open(delivery, at=now)
    answer          = reply.send(piece) + reply.finish()
"""

from __future__ import annotations

import hashlib
from typing import Self, final

from privproc import hpke, ohttp
from privproc._step import Unique
from privproc.attestation.nodekey import node_digest, node_report_data
from privproc.errors import ExpiredError, PolicyError, UntrustedError, UsageError
from privproc.responsekey import AnswerSealer
from privproc.responsekey.wrapped import unwrap
from privproc.session import transcript
from privproc.session.messages import EvidenceFormat
from privproc.session.wrapped.messages import Delivery, Head, Statement
from privproc.session.wrapped.profile import LONGEST

__all__ = ["Node", "NodeReply"]


@final
class Node(Unique):
    """What measured code serves in wrapped mode, under a key of its own. Made by :meth:`generate`.

    ``statement`` is what the hardware signs the digest of, ``report_data`` the 64 bytes for that, ``digest`` (48 bytes)
    names the node, ``not_after`` (Unix seconds) is the key's end. The key never leaves this object, and goes with it.
    """

    __slots__ = ("_key", "_log", "_namespace", "_said", "_seen", "digest", "not_after", "report_data", "statement")

    def __init__(self, said: Statement, key: hpke.PrivateKey, log: str, namespace: str, capacity: int) -> None:
        if not 0 < said.not_after - said.not_before <= LONGEST:
            raise UsageError(f"a node's key lives for 1 to {LONGEST} seconds")
        self._said = said
        self._key: hpke.PrivateKey | None = key
        self._log = log
        self._namespace = namespace
        self._seen = ohttp.ReplayWindow(capacity)
        self.statement = said.encode()
        self.digest = node_digest(self.statement)
        # req: privproc1/14.1 node-binder
        self.report_data = node_report_data(self.statement)
        self.not_after = said.not_after

    @classmethod
    def generate(
        cls,
        *,
        role: str,
        log: str,
        namespace: str,
        package: bytes,
        suite: hpke.Suite,
        not_before: int,
        not_after: int,
        capacity: int,
        evidence_format: EvidenceFormat = EvidenceFormat.SEV_SNP,
    ) -> Self:
        """A node with a fresh key for the window ``[not_before, not_after)`` (Unix seconds) of at most 14400 s.

        ``role`` is the code's own and never echoed from a request; ``log`` and ``namespace`` say where its measurement
        is logged; ``package`` (48 bytes) is the digest of the key package that the key is for. ``capacity`` bounds how
        many requests are opened, each of which is remembered to the end, in about 200 bytes.
        """
        key = hpke.PrivateKey.generate(suite.kem)
        said = Statement(suite, key.public_key, role, package, not_before, not_after, evidence_format)
        return cls(said, key, log, namespace, capacity)

    def open(self, delivery: bytes, *, at: int) -> tuple[bytes, NodeReply]:
        """The question, and what answers it. A request opens once.

        Raises :class:`ExpiredError` outside of the key's window, and erases the key at its end; :class:`DecodeError`;
        :class:`PolicyError` for another role, log or namespace; :class:`UntrustedError` for another node, package or
        body; :class:`OpenError`; :class:`ReplayError`; :class:`LimitError` when no more requests can be remembered.
        """
        key = self._in_time(at)
        message = Delivery.decode(delivery)
        head = Head.decode(message.head)
        if (head.role, head.log, head.namespace) != (self._said.role, self._log, self._namespace):
            raise PolicyError("another role, log or namespace is asked for")
        if message.package != self._said.package:
            raise UntrustedError("a request under another package")
        if message.index >= len(head.nodes) or head.nodes[message.index] != self.digest:
            # req: privproc1/14.6 node-checks
            raise UntrustedError("a request for another node")
        head.check_body(message.body)
        thw = transcript.wrapped(message.package, message.outer, message.head)
        unwrapped = unwrap(self._said.suite, key, message.wrap, thw=thw, index=message.index, node=self.digest)
        # Only what opened is remembered: nobody fills the memory who has no wraps for this node.
        seen = ohttp.ReplayKey(hashlib.sha256(message.wrap.enc).digest())
        # req: privproc1/14.6 once-each
        self._seen.admit(seen, at=at, until=self.not_after)
        question, sealer = unwrapped.open(message.body)
        return question, NodeReply(sealer)

    def _in_time(self, at: int) -> hpke.PrivateKey:
        if at >= self.not_after:
            self.erase()
        key = self._key
        if key is None:
            # req: privproc1/14.1 keys-are-erased
            raise ExpiredError("the node's key is erased")
        if at < self._said.not_before:
            raise ExpiredError("the node's key is not valid yet")
        return key

    def erase(self) -> None:
        """Forget the key, best effort: at :attr:`not_after`, whether requests come then or not, or sooner."""
        self._key = None


@final
class NodeReply(Unique):
    """Seals the answer, in pieces as the model writes them."""

    __slots__ = ("_sealer",)

    def __init__(self, sealer: AnswerSealer) -> None:
        self._sealer = sealer

    def send(self, piece: bytes) -> bytes:
        """A piece of the answer. Raises :class:`SpentError` after :meth:`finish`."""
        return self._sealer.send(piece)

    def finish(self, piece: bytes = b"") -> bytes:
        """The last piece, marked as such."""
        return self._sealer.finish(piece)
