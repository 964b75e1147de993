"""The issuer of ACT, who is also who takes what it issued (§3.2, §3.3.2, §3.4.2)."""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Self, final

from Crypto.Math.Numbers import Integer

from privproc._step import Step, Unique
from privproc.errors import PolicyError, UntrustedError, UsageError
from privproc.secret import Secret
from privproc.tokens.experimental import sigma
from privproc.tokens.experimental.act.messages import Request, Signature, Spend
from privproc.tokens.experimental.act.parameters import FRAMING, GROUP, SUITE, Parameters, checked_context
from privproc.wire import Reader

__all__ = ["IssuerKey", "PublicKey", "VerifiedSpend", "issuance_session", "refund_session", "spend_session"]


@final
@dataclass(frozen=True, slots=True)
class PublicKey:
    """An issuer's public key: 32 bytes, and the parameters that it is used with.

    Raises :class:`DecodeError` for what isn't an element, or is the identity.
    """

    parameters: Parameters
    encoded: bytes = field(repr=False)
    element: Any = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "element", GROUP.decode(self.encoded, "ACT public key"))


def issuance_session(parameters: Parameters, amount: int, context: bytes) -> bytes:
    """What the proof of an issuance is bound to."""
    return parameters.domain_separator + b"respond" + parameters.amount(amount) + context


def refund_session(parameters: Parameters, e: bytes, amount: int, context: bytes) -> bytes:
    """What the proof of a refund is bound to."""
    return parameters.domain_separator + b"refund" + e + parameters.amount(amount) + context


def spend_session(parameters: Parameters, nullifier: bytes, context: bytes) -> bytes:
    """What the proof of a spend is bound to."""
    return parameters.domain_separator + b"spend" + nullifier + context


@final
class IssuerKey(Unique):
    """An issuer's private key. Opaque; can't be copied or pickled.

    ``scalar``: 32 bytes. Raises :class:`DecodeError` for what isn't a scalar, or is zero.
    """

    __slots__ = ("_scalar", "public_key")

    public_key: PublicKey
    """The public half."""

    def __init__(self, parameters: Parameters, scalar: Secret) -> None:
        encoded = GROUP.scalars.decode(scalar.expose(), "ACT private key")
        self._scalar = Secret(encoded)
        self.public_key = PublicKey(parameters, GROUP.encode(GROUP.multiply_base(encoded)))

    @classmethod
    def generate(cls, parameters: Parameters) -> Self:
        """A new random key."""
        return cls(parameters, Secret(GROUP.scalars.random()))

    def to_secret(self) -> Secret:
        """The scalar, 32 bytes, for the caller's own storage."""
        return Secret(self._scalar.expose())

    def respond(self, request: bytes, *, amount: int, context: bytes) -> bytes:
        """The response, 162 bytes, to an issuance request. Whether the client may have credits is decided before.

        ``amount``: how many. ``context``: 32 bytes, what they are for (:meth:`Parameters.context`); every spend of them
        shows it, and of what is left of them, so it is that of many clients. Raises :class:`DecodeError` for a
        malformed request, :class:`SignatureError` when its proof doesn't verify.
        """
        return self._derand_respond(request, amount, context, SUITE.random_scalar())

    def _derand_respond(self, request: bytes, amount: int, context: bytes, e: Integer) -> bytes:
        parameters = self.public_key.parameters
        session = issuance_session(parameters, amount, checked_context(context))
        asked = Reader.all(request, "ACT request", Request.read)
        sigma.verify(FRAMING, parameters.domain_separator + b"request", asked.relation(parameters), asked.proof)
        return self._sign(parameters.signed(asked.commitment, amount, context), amount, e, session)

    def _sign(self, x_a: Any, amount: int, e: Integer, session: bytes) -> bytes:
        exponent = (e + SUITE.number(self._scalar.expose())) % SUITE.order
        made = Signature(SUITE.multiply(exponent.inverse(SUITE.order), x_a), SUITE.encode_scalar(e), amount, b"")
        relation = made.relation(x_a, SUITE.multiply(exponent, SUITE.generator))
        proof = sigma.prove(FRAMING, session, relation, [exponent])
        return made._replace(proof=proof).encode(self.public_key.parameters)

    def verify(self, spend: bytes, *, charge: int, context: bytes) -> VerifiedSpend:
        """A spend of exactly ``charge`` credits of this context, with its nullifier, which is spent before anything
        else happens.

        Raises, in this order, :class:`DecodeError` for a malformed one, :class:`UntrustedError` for another context,
        :class:`PolicyError` for another charge, :class:`SignatureError` when the proof doesn't verify.
        """
        parameters = self.public_key.parameters
        parameters.amount(charge)
        checked_context(context)

        def read(reader: Reader) -> Spend:
            return Spend.read(reader, parameters)

        found = Reader.all(spend, "ACT spend", read)
        if not hmac.compare_digest(found.context, context):
            raise UntrustedError("ACT spend: of another context")
        if found.charge != charge:
            raise PolicyError("ACT spend: of another charge")
        relation = found.relation(parameters, GROUP.multiply(self._scalar.expose(), found.a_prime))
        sigma.verify(FRAMING, spend_session(parameters, found.nullifier, context), relation, found.proof)
        return VerifiedSpend(_Verified(self, found))

    def __repr__(self) -> str:
        return "<IssuerKey of ACT>"


class _Verified(NamedTuple):
    key: IssuerKey
    spend: Spend


@final
class VerifiedSpend(Step[_Verified]):
    """A spend whose proof verified. Made by :meth:`IssuerKey.verify`, left once by :meth:`refund`."""

    __slots__ = ()

    @property
    def nullifier(self) -> bytes:
        """32 bytes. Whether they came before is for the store to say, before :meth:`refund`."""
        return self._look().spend.nullifier

    def refund(self, *, returned: int = 0) -> bytes:
        """The refund, 162 bytes: what the client had without the charge, and ``returned`` of the charge.

        A client that doesn't get its refund has lost what it had: the refund is stored with the nullifier, and sent
        again when the same spend comes again. Raises :class:`UsageError`, and is not left, for more than the charge.
        """
        return self._derand_refund(returned, SUITE.random_scalar())

    def _derand_refund(self, returned: int, e: Integer) -> bytes:
        if not 0 <= returned <= self._look().spend.charge:
            raise UsageError("ACT: a refund returns at most the charge")
        key, spend = self._take()
        parameters = key.public_key.parameters
        x_a = parameters.signed(spend.remaining, returned, spend.context)
        return key._sign(x_a, returned, e, refund_session(parameters, SUITE.encode_scalar(e), returned, spend.context))
