"""The client of ACT: asks for credits, spends of them, and keeps what is left (§3.3.1, §3.3.3, §3.4.1, §3.4.4)."""

from __future__ import annotations

from typing import Any, NamedTuple, Self, final

from Crypto.Math.Numbers import Integer

from privproc._step import Step
from privproc.errors import LimitError
from privproc.secret import Secret
from privproc.tokens.experimental import sigma
from privproc.tokens.experimental.act.issuer import PublicKey, issuance_session, refund_session, spend_session
from privproc.tokens.experimental.act.messages import Request, Signature, Spend
from privproc.tokens.experimental.act.parameters import FRAMING, GROUP, SUITE, Parameters, checked_context
from privproc.wire import Reader

__all__ = ["Credits", "PendingCredits", "PendingRefund", "request"]


class _Asked(NamedTuple):
    key: PublicKey
    commitment: Any
    secrets: Secret
    """``k || r``"""

    def __repr__(self) -> str:
        return "<_Asked>"


@final
class PendingCredits(Step[_Asked]):
    """A client that waits for its credits. Made by :func:`request`, left once by :meth:`finish`."""

    __slots__ = ()

    def finish(self, response: bytes, *, context: bytes) -> Credits:
        """The credits in a response of 162 bytes, for the expected ``context`` (32 bytes).

        Raises :class:`DecodeError` for a malformed one, :class:`SignatureError` when its proof doesn't show that the
        key that was asked for made it, for this context.
        """
        checked_context(context)
        key, commitment, secrets = self._take()
        found = _read_signature(response, key.parameters, "ACT response")
        x_a = key.parameters.signed(commitment, found.amount, context)
        session = issuance_session(key.parameters, found.amount, context)
        return _credits(key, found, x_a, session, secrets.expose(), found.amount, context)


def _read_signature(data: bytes, parameters: Parameters, what: str) -> Signature:
    return Reader.all(data, what, lambda reader: Signature.read(reader, parameters))


def _credits(
    key: PublicKey, found: Signature, x_a: Any, session: bytes, secrets: bytes, balance: int, context: bytes
) -> Credits:
    """What a signature makes of ``k || r``, once its proof verified."""
    x_g = GROUP.add(key.element, GROUP.multiply_base(found.e))
    sigma.verify(FRAMING, session, found.relation(x_a, x_g), found.proof)
    parts = (GROUP.encode(found.a), found.e, secrets, key.parameters.amount(balance), context)
    return Credits.load(key, Secret(b"".join(parts)))


def request(key: PublicKey) -> tuple[bytes, PendingCredits]:
    """An issuance request, 130 bytes, and what reads the response. It doesn't say how many credits, nor for what."""
    return _derand_request(key, SUITE.random_scalar(), SUITE.random_scalar())


def _derand_request(key: PublicKey, k: Integer, r: Integer) -> tuple[bytes, PendingCredits]:
    """:func:`request` with the given nullifier and blind; the proof's nonces are random."""
    parameters = key.parameters
    _, h2, h3, _ = parameters.generators
    made = Request(GROUP.add(SUITE.multiply(k, h2), SUITE.multiply(r, h3)), b"")
    proof = sigma.prove(FRAMING, parameters.domain_separator + b"request", made.relation(parameters), [k, r])
    secrets = Secret(SUITE.encode_scalar(k) + SUITE.encode_scalar(r))
    return made._replace(proof=proof).encode(), PendingCredits(_Asked(key, made.commitment, secrets))


class _Held(NamedTuple):
    """A credential, as the draft stores it: ``A || e || k || r || c || ctx``."""

    key: PublicKey
    a: Any
    stored: Secret

    def scalar(self, place: int) -> bytes:
        return self.stored.expose()[place * sigma.SIZE : (place + 1) * sigma.SIZE]

    def __repr__(self) -> str:
        return "<_Held>"


@final
class Credits(Step[_Held]):
    """Credits, to be spent from once: what is left comes back as others. Made by :meth:`PendingCredits.finish` and
    :meth:`PendingRefund.finish`.
    """

    __slots__ = ()

    @classmethod
    def load(cls, key: PublicKey, stored: Secret) -> Self:
        """What :meth:`save` gave. Loading it twice makes two, which show the same nullifier: that links what they are
        spent on, and the second spend is refused. Raises :class:`DecodeError` for what isn't 192 bytes of this form.
        """

        def read(reader: Reader) -> Any:
            a = GROUP.decode(reader.take(GROUP.element_size), reader.what)
            for _ in range(3):
                GROUP.scalars.decode(reader.take(sigma.SIZE), reader.what)
            key.parameters.read_amount(reader)
            GROUP.scalars.decode(reader.take(sigma.SIZE), reader.what)
            return a

        return cls(_Held(key, Reader.all(stored.expose(), "ACT credits", read), Secret(stored.expose())))

    def save(self) -> Secret:
        """192 bytes for the caller's own storage. The credits are used up by it: they are where they are stored."""
        return self._take().stored

    @property
    def balance(self) -> int:
        """How many there are."""
        return int.from_bytes(self._look().scalar(4), "little")

    @property
    def context(self) -> bytes:
        """What they are for, 32 bytes."""
        return self._look().scalar(5)

    def spend(self, charge: int) -> tuple[bytes, PendingRefund]:
        """A spend, ``128 * L + 418`` bytes, and what reads the refund. It shows charge and context, not the balance.

        Raises :class:`LimitError`, and is not left, for more than there are.
        """
        held = self._look()
        held.key.parameters.amount(charge)
        if charge > self.balance:
            raise LimitError("ACT: a charge of more credits than there are")
        return _spend(self._take(), charge)


class _Refunded(NamedTuple):
    key: PublicKey
    commitment: Any
    stored: Secret
    """``k* || r* || m || ctx || K'``"""

    def __repr__(self) -> str:
        return "<_Refunded>"


@final
class PendingRefund(Step[_Refunded]):
    """A client that waits for what is left. Made by :meth:`Credits.spend`, left once by :meth:`finish`.

    Where the balance must survive a crash, it is saved and loaded again before the spend is sent.
    """

    __slots__ = ()

    @classmethod
    def load(cls, key: PublicKey, stored: Secret) -> Self:
        """What :meth:`save` gave. Raises :class:`DecodeError` for what isn't 160 bytes of this form."""

        def read(reader: Reader) -> Any:
            for _ in range(2):
                GROUP.scalars.decode(reader.take(sigma.SIZE), reader.what)
            key.parameters.read_amount(reader)
            GROUP.scalars.decode(reader.take(sigma.SIZE), reader.what)
            return GROUP.decode(reader.take(GROUP.element_size), reader.what)

        return cls(_Refunded(key, Reader.all(stored.expose(), "ACT refund", read), Secret(stored.expose())))

    def save(self) -> Secret:
        """160 bytes for the caller's own storage; this object is used up by it."""
        return self._take().stored

    def finish(self, refund: bytes) -> Credits:
        """What is left, with what the refund returns of the charge: in a refund of 162 bytes.

        Raises :class:`DecodeError` for a malformed one, :class:`LimitError` for one that returns more than fits,
        :class:`SignatureError` when its proof doesn't show that the issuer's key made it, for this spend.
        """
        key, commitment, stored = self._take()
        parameters, data = key.parameters, stored.expose()
        secrets, context = data[:64], data[96:128]
        found = _read_signature(refund, parameters, "ACT refund")
        balance = int.from_bytes(data[64:96], "little") + found.amount
        if balance >> parameters.bits:
            raise LimitError("ACT refund: a balance of too many bits")
        x_a = parameters.signed(commitment, found.amount, context)
        session = refund_session(parameters, found.e, found.amount, context)
        return _credits(key, found, x_a, session, secrets, balance, context)


def _spend(held: _Held, charge: int) -> tuple[bytes, PendingRefund]:
    """A spend of any charge: whether it is one is what the proof is about."""
    parameters = held.key.parameters
    h1, h2, h3, h4 = parameters.generators
    e, k, r, balance, context = (SUITE.number(held.scalar(place)) for place in range(1, 6))
    # One more and one less, since the balance may be zero.
    signed = GROUP.add(SUITE.generator, GROUP.negate(h1))
    for scalar, element in ((balance + 1, h1), (k, h2), (r, h3), (context, h4)):
        signed = GROUP.add(signed, SUITE.multiply(scalar, element))
    r1, r2 = SUITE.random_scalar(), SUITE.random_scalar()
    a_prime, b_bar = SUITE.multiply(r1 * r2 % SUITE.order, held.a), SUITE.multiply(r1, signed)
    a_bar = GROUP.add(SUITE.multiply(r2, b_bar), GROUP.negate(SUITE.multiply(e, a_prime)))

    left = int(balance) - charge
    bits = _Bits.of(parameters, left)
    remaining = parameters.weighted(bits.commitments)
    made = Spend(held.scalar(2), charge, held.scalar(5), a_prime, b_bar, bits.commitments, remaining, b"")
    witness = (e, r2, r1.inverse(SUITE.order), balance, r, *bits.witness())
    session = spend_session(parameters, made.nullifier, made.context)
    made = made._replace(proof=sigma.prove(FRAMING, session, made.relation(parameters, a_bar), witness))
    scalars = (bits.nullifier, bits.blind())
    stored = b"".join((*map(SUITE.encode_scalar, scalars), parameters.amount(left), made.context))
    stored += GROUP.encode(remaining)
    return made.encode(parameters), PendingRefund(_Refunded(held.key, remaining, Secret(stored)))


class _Bits(NamedTuple):
    """The bits of what is left, least significant first, and what hides them."""

    values: list[Integer]
    blinds: list[Integer]
    nullifier: Integer
    commitments: tuple[Any, ...]

    def __repr__(self) -> str:
        return "<_Bits>"

    @classmethod
    def of(cls, parameters: Parameters, number: int) -> Self:
        h1, h2, h3, _ = parameters.generators
        values = [Integer(number >> place & 1) for place in range(parameters.bits)]
        blinds = [SUITE.random_scalar() for _ in values]
        nullifier = SUITE.random_scalar()
        hidden = [SUITE.multiply(blind, h3) for blind in blinds]
        hidden[0] = GROUP.add(hidden[0], SUITE.multiply(nullifier, h2))
        # Both that a commitment can be are made, and one is taken.
        both = ((zero, GROUP.add(zero, h1)) for zero in hidden)
        commitments = tuple(pair[int(value)] for pair, value in zip(both, values, strict=True))
        return cls(values, blinds, nullifier, commitments)

    def witness(self) -> tuple[Integer, ...]:
        """``b, s, s2, k*, k2``: the helpers are the blinds of the bits that are zero, and zero of the others."""
        others = [(SUITE.order + 1 - value) % SUITE.order for value in self.values]
        helpers = [other * blind % SUITE.order for other, blind in zip(others, self.blinds, strict=True)]
        last = others[0] * self.nullifier % SUITE.order
        return (*self.values, *self.blinds, *helpers, self.nullifier, last)

    def blind(self) -> Integer:
        """``r*``: of the commitment to the whole number."""
        total = Integer(0)
        for blind in reversed(self.blinds):
            total = (total + total + blind) % SUITE.order
        return total
