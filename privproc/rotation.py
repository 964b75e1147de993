"""Rotation of gateway and issuer keys on the grid of epochs: when each key is made, published, used and erased.

One gateway key and one issuer key belong to each epoch. :class:`Schedule` computes their times from the grid and three
lengths, and nothing else: whoever knows the schedule knows the whole plan, past and future, so there is nothing to
store but the keys themselves::

    made       published        begins            issuance ends   ends        grace ends
     | lead      | one epoch      | window of the epoch  | margin   | grace       |
     +-----------+----------------+----------------------+----------+-------------+
                                  | tokens are issued    |
                                  | the gateway takes requests under the epoch's key |

The windows of two neighbours overlap by exactly the grace. An operator keeps a private key for each epoch of
:meth:`Schedule.live`, and at :meth:`Schedule.next_time` makes what is missing and erases what is over: a run that was
missed is made up for by the next.

The module stands above ``keyconfig`` and ``tokens``, since it builds the rings of both.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from privproc.blindrsa import RawRsaPrivateOp
from privproc.errors import UsageError
from privproc.hpke import Decapsulator, Suite
from privproc.keyconfig import GatewayKey, KeyRing
from privproc.keypackage import Grid
from privproc.tokens import Issuer, IssuerKey

__all__ = ["Plan", "Schedule"]


@dataclass(frozen=True, slots=True)
class Plan:
    """The life of one epoch's keys, in Unix seconds; each time is the first moment at which its state holds.

    ``made``: both keys exist. ``published``: the epoch's key package is out, one epoch ahead. ``begins``: devices use
    the keys. ``issuance_ends``: the issuer's private key is erased; tokens got so far are still spent. ``ends``:
    devices use the next epoch's. ``grace_ends``: the gateway's private key is erased.
    """

    epoch: int
    made: int
    published: int
    begins: int
    issuance_ends: int
    ends: int
    grace_ends: int

    @property
    def key_id(self) -> int:
        """The gateway key's identifier, 0 to 255. The keys that exist at one time have different ones."""
        return self.epoch % 256

    def gateway_key(self, private: Decapsulator, suites: Sequence[Suite]) -> GatewayKey:
        """``private`` as this epoch's gateway key. Raises as :class:`privproc.keyconfig.GatewayKey` does."""
        return GatewayKey(self.key_id, private, tuple(suites), self.begins, self.grace_ends)

    def issuer_key(self, op: RawRsaPrivateOp) -> IssuerKey:
        """``op`` as this epoch's issuer key. Raises as :class:`privproc.tokens.IssuerKey` does."""
        return IssuerKey(op, self.begins, self.issuance_ends)


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """The plan of every epoch of ``grid``. Lengths are in seconds, each at most an epoch.

    ``lead``: from making the keys to publishing them, for signing, logging and cosigning. ``margin``: issuance ends so
    long before the epoch does. ``grace``: the gateway takes the key for so long after the epoch, for clocks that
    differ and requests under way; privproc/1 has :data:`privproc.session.GRACE`. Raises :class:`UsageError` for
    others: with a longer grace, three keys would be good at once; with a longer margin, no token would be issued.
    """

    grid: Grid
    lead: int
    margin: int
    grace: int

    def __post_init__(self) -> None:
        length = self.grid.length
        if not (0 <= self.lead <= length and 0 <= self.margin < length and 0 <= self.grace <= length):
            raise UsageError("lead and grace are at most an epoch, margin is less than one")

    def plan(self, epoch: int) -> Plan:
        """The plan of ``epoch``. Raises :class:`UsageError` for a negative one."""
        if epoch < 0:
            raise UsageError("epochs begin at 0")
        begins, ends = self.grid.start(epoch), self.grid.start(epoch + 1)
        published = begins - self.grid.length
        return Plan(
            epoch=epoch,
            made=published - self.lead,
            published=published,
            begins=begins,
            issuance_ends=ends - self.margin,
            ends=ends,
            grace_ends=ends + self.grace,
        )

    def live(self, *, at: int) -> tuple[Plan, ...]:
        """The plans of the epochs whose gateway keys exist at ``at``, in order: four at most.

        Empty long before the grid's origin.
        """
        return tuple(plan for plan in self._near(at) if plan.made <= at < plan.grace_ends)

    def next_time(self, *, at: int) -> int:
        """The first time after ``at`` at which any plan says that something changes."""
        return min(
            time
            for plan in self._near(at)
            for time in (plan.made, plan.published, plan.begins, plan.issuance_ends, plan.ends, plan.grace_ends)
            if time > at
        )

    def ring(self, keys: Mapping[int, Decapsulator], suites: Sequence[Suite], *, at: int) -> KeyRing:
        """The gateway's ring at ``at``, from its private keys by epoch: those of :meth:`live`, no more and no fewer.

        Raises :class:`UsageError` for a key that is missing, which would be a gap once its epoch begins, and for one
        that should be erased.
        """
        plans = self.live(at=at)
        _check_exactly(keys, plans)
        return KeyRing([plan.gateway_key(keys[plan.epoch], suites) for plan in plans])

    def issuer(self, keys: Mapping[int, RawRsaPrivateOp], *, at: int) -> Issuer:
        """The issuer at ``at``, from its private keys by epoch: those of :meth:`live` whose issuance hasn't ended.

        Raises :class:`UsageError` as :meth:`ring` does, and as :class:`privproc.tokens.Issuer` does for two keys that
        share a truncated id: make another for the epoch that isn't published yet.
        """
        plans = [plan for plan in self.live(at=at) if at < plan.issuance_ends]
        _check_exactly(keys, plans)
        return Issuer(plan.issuer_key(keys[plan.epoch]) for plan in plans)

    def _near(self, at: int) -> list[Plan]:
        """Every plan that has a time around ``at``, and the one after them."""
        since = at - self.grid.origin
        first = (since - self.grace) // self.grid.length
        last = (since + self.lead) // self.grid.length + 2  # published one epoch ahead, and one more
        return [self.plan(epoch) for epoch in range(max(first, 0), max(last, 0) + 1)]


def _check_exactly(keys: Iterable[int], plans: Sequence[Plan]) -> None:
    expected = {plan.epoch for plan in plans}
    if missing := expected - set(keys):
        raise UsageError(f"the keys of epochs {sorted(missing)} are missing")
    if over := set(keys) - expected:
        raise UsageError(f"the keys of epochs {sorted(over)} should not exist at this time")
