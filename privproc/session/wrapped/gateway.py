"""The gateway in wrapped mode: one of the nodes gets the request, and that node's wrap alone (docs/protocol.md §14.5).

:meth:`privproc.session.Exchange.read` gives a :class:`WrappedRequest` for a request of this mode, with token and proof
checked::

    reservation = store.reserve(message.spend_key, at=now, lease=...)
    delivery, forwarded = message.forward(reservation, node=...)        # one of message.nodes: the caller's choice
    store.commit(reservation, at=now)               # before a byte leaves: the token is gone from here on
    answer = ...                                    # the node's answer to delivery
    wire   = forwarded.answer(answer)
"""

from __future__ import annotations

from typing import Protocol, final

from privproc._step import Step
from privproc.errors import UntrustedError, UsageError
from privproc.http import Response
from privproc.session.profile import ANSWER_SIZES
from privproc.session.wrapped.messages import Delivery, Head, Wrapped
from privproc.tokens import Reservation, SpendKey
from privproc.wire import bounded

__all__ = ["WrappedForwarded", "WrappedRequest", "read_wrapped"]


class Sealing(Protocol):
    """The exchange that a request came in."""

    @property
    def overhead(self) -> int:
        """Bytes by which an answer is longer than its content."""
        ...

    def seal(self, response: Response, size: int) -> bytes:
        """``response``, filled so that the encapsulated one has ``size`` bytes."""
        ...


def read_wrapped(
    exchange: Sealing, package: bytes, outer: bytes, content: bytes, spend_key: SpendKey
) -> WrappedRequest:
    """The request in ``content``, whose token and proof hold.

    Raises :class:`DecodeError`, :class:`UnsupportedError`; :class:`UntrustedError` for a node that comes twice, wraps
    that aren't one for each node, and another body than the head's.
    """
    message = Wrapped.decode(content)
    head = Head.decode(message.head)
    head.check_body(message.body)
    if len(set(head.nodes)) != len(head.nodes):
        # req: privproc1/14.5 gateway-checks
        raise UntrustedError("the same node twice")
    if len(message.wraps) != len(head.nodes) or len({len(wrap.enc) for wrap in message.wraps}) != 1:
        raise UntrustedError("not one wrap, of one size, for each node")
    return WrappedRequest((exchange, package, outer, message), head.nodes, spend_key)


@final
class WrappedRequest(Step[tuple[Sealing, bytes, bytes, Wrapped]]):
    """A wrapped request whose token and proof hold. ``spend_key`` is to be reserved.

    ``nodes`` are the digests (48 bytes) of those that can answer, in the device's order.
    """

    __slots__ = ("nodes", "spend_key")

    def __init__(
        self, state: tuple[Sealing, bytes, bytes, Wrapped], nodes: tuple[bytes, ...], spend_key: SpendKey
    ) -> None:
        super().__init__(state)
        self.nodes = nodes
        self.spend_key = spend_key

    def forward(self, reservation: Reservation, *, node: bytes) -> tuple[bytes, WrappedForwarded]:
        """The bytes for ``node``, one of :attr:`nodes`, and what takes its answer.

        ``reservation`` is the one of ``spend_key``, not left yet. Raises :class:`UsageError` otherwise.
        """
        if reservation.key != self.spend_key:
            raise UsageError("the reservation is of another token")
        if node not in self.nodes:
            raise UsageError("the request is not wrapped for this node")
        exchange, package, outer, message = self._take()
        index = self.nodes.index(node)
        # req: privproc1/14.5 one-wrap-leaves
        delivery = Delivery(package, outer, message.head, index, message.wraps[index], message.body)
        return delivery.encode(), WrappedForwarded((exchange, index))


@final
class WrappedForwarded(Step[tuple[Sealing, int]]):
    """A wrapped request on its way to the node."""

    __slots__ = ()

    def answer(self, sealed: bytes) -> bytes:
        """The encapsulated answer, with which of its nodes the device gets it from.

        Raises :class:`LimitError` for more than the largest answer holds.
        """
        exchange, index = self._take()
        needed = bounded("answer", 1 + len(sealed) + exchange.overhead, ANSWER_SIZES[-1])
        size = next(size for size in ANSWER_SIZES if needed <= size)
        return exchange.seal(Response(200, (), bytes((index,)) + sealed), size)
