"""The client of ARC: asks for a credential, and shows it."""

from __future__ import annotations

from typing import Any, NamedTuple, final

from Crypto.Math.Numbers import Integer

from privproc._step import Step, Unique
from privproc.errors import LimitError, UsageError
from privproc.tokens.experimental import sigma
from privproc.tokens.experimental.arc.messages import Presentation, PublicKey, Request, Response
from privproc.tokens.experimental.arc.parameters import (
    GROUP,
    ORDER,
    base,
    bases,
    checked_limit,
    generators,
    pedersen,
    session,
    to_group,
    to_scalar,
)
from privproc.tokens.experimental.sigma import P256
from privproc.wire import Reader

__all__ = ["Credential", "PendingCredential", "Presentations", "request"]


class _Secrets(NamedTuple):
    m1: Integer
    m2: Integer
    r1: Integer
    r2: Integer

    def __repr__(self) -> str:
        return "<_Secrets>"


@final
class PendingCredential(Step[tuple[PublicKey, Request, _Secrets]]):
    """A client that waits for its credential response. Made by :func:`request`, left once by :meth:`finish`."""

    __slots__ = ()

    def finish(self, response: bytes) -> Credential:
        """The credential in a response of 454 bytes.

        Raises :class:`DecodeError` for a malformed one, :class:`SignatureError` when its proof doesn't show that the
        key that was asked for made it.
        """
        key, asked, secrets = self._take()
        found = Reader.all(response, "ARC response", Response.read)
        sigma.verify(key.framing, session(b"CredentialResponse"), found.relation(key, asked), found.proof)
        blinded = found.x0_aux + P256.multiply(secrets.r1, found.x1_aux) + P256.multiply(secrets.r2, found.x2_aux)
        return Credential(key, secrets.m1, found.u, found.enc_u_prime + -blinded)


def request(key: PublicKey, request_context: bytes) -> tuple[bytes, PendingCredential]:
    """A credential request, 226 bytes, and what reads the response.

    ``request_context``: what the credential is for, known to the server; the same for many clients.
    """
    return _derand_request(key, request_context, P256.random_scalar(), P256.random_scalar(), P256.random_scalar())


def _derand_request(
    key: PublicKey, request_context: bytes, m1: Integer, r1: Integer, r2: Integer
) -> tuple[bytes, PendingCredential]:
    """:func:`request` with the given secret and blinds; the proof's nonces are random."""
    secrets = _Secrets(m1, to_scalar(request_context, b"requestContext"), r1, r2)
    made = Request(pedersen(m1, r1), pedersen(secrets.m2, r2), b"")
    proof = sigma.prove(key.framing, session(b"CredentialRequest"), made.relation(), secrets)
    wire = GROUP.encode(made.m1) + GROUP.encode(made.m2) + proof
    return wire, PendingCredential((key, made, secrets))


@final
class Credential(Unique):
    """A credential: its holder shows it up to a limit in each context. Made by :meth:`PendingCredential.finish`;
    opaque; can't be copied or pickled.
    """

    __slots__ = ("_key", "_m1", "_u", "_u_prime")

    def __init__(self, key: PublicKey, m1: Integer, u: Any, u_prime: Any) -> None:
        self._key, self._m1, self._u, self._u_prime = key, m1, u, u_prime

    def presentations(self, presentation_context: bytes, *, limit: int, used: int = 0) -> Presentations:
        """The presentations in one context, of which ``used`` were made before.

        Two sets of presentations that start at the same place make the same tags: that links them, and the second is
        refused. Keep one for each context, and its ``used`` before a presentation leaves the device.
        """
        if not 0 <= used <= checked_limit(limit):
            raise UsageError("ARC: more presentations were used than there are")
        return Presentations(self, presentation_context, limit, used)


@final
class Presentations(Unique):
    """What is left of a credential in one context. Made by :meth:`Credential.presentations`; can't be copied or
    pickled: a copy would make the same tags.
    """

    __slots__ = ("_credential", "_tag_base", "limit", "used")

    limit: int
    """How many presentations there are."""
    used: int
    """How many were made."""

    def __init__(self, credential: Credential, context: bytes, limit: int, used: int) -> None:
        self._credential, self._tag_base = credential, to_group(context, b"Tag")
        self.limit, self.used = limit, used

    def present(self) -> bytes:
        """The next presentation (``presentation_size(limit)`` bytes). Raises :class:`LimitError` when none is left."""
        return self._derand_present(*(P256.random_scalar() for _ in range(4)))

    def _derand_present(self, a: Integer, r: Integer, z: Integer, blinding: Integer) -> bytes:
        if self.used >= self.limit:
            raise LimitError(f"ARC: all {self.limit} presentations were made")
        nonce = Integer(self.used)
        self.used += 1
        key, m1 = self._credential._key, self._credential._m1
        generator, other = generators()
        u, x1 = P256.multiply(a, self._credential._u), key.elements[1]
        generator_t = self._tag_base
        tag = P256.multiply(((m1 + nonce) % ORDER).inverse(ORDER), generator_t)
        values, blinds, helpers = _decomposed(int(nonce), blinding, bases(self.limit))
        bits = tuple(_bit(value, blind) for value, blind in zip(values, blinds, strict=True))
        hidden = base(r)
        made = Presentation(
            u,
            P256.multiply(a, self._credential._u_prime) + hidden,
            P256.multiply(m1, u) + P256.multiply(z, other),
            tag,
            # One more and one less, since the number may be zero.
            bits[0] if len(bits) == 1 else pedersen(nonce + 1, blinding) + -generator,
            bits,
            b"",
        )
        v = P256.multiply(z, x1) + -hidden
        witness = (m1, z, ORDER - r, nonce, blinding, *values, *blinds, *helpers)
        relation = made.relation(x1, v, generator_t)
        proof = sigma.prove(key.framing, session(b"CredentialPresentation"), relation, witness)
        return made._replace(proof=proof).encode()

    def __repr__(self) -> str:
        return f"<Presentations, {self.used} of {self.limit} used>"


def _bit(value: Integer, blind: Integer) -> Any:
    """The commitment to a bit: both that it can be are made, and one is taken."""
    generator, other = generators()
    zero = P256.multiply(blind, other)
    return (zero, zero + generator)[int(value)]


def _decomposed(
    nonce: int, blinding: Integer, weights: list[int]
) -> tuple[list[Integer], list[Integer], list[Integer]]:
    """Bits of the number, blinds whose weighted sum is ``blinding``, and the helpers that show that bits are bits."""
    values = []
    for weight in weights:
        value = int(nonce >= weight)
        nonce -= value * weight
        values.append(Integer(value))
    blinds = [P256.random_scalar() for _ in weights[1:]]
    rest = blinding
    for weight, blind in zip(weights, blinds, strict=False):
        rest = (rest + (ORDER - blind) * Integer(weight)) % ORDER
    last = Integer(weights[-1])
    blinds.append(rest * last.inverse(ORDER) % ORDER)
    helpers = [(ORDER + 1 - value) * blind % ORDER for value, blind in zip(values, blinds, strict=True)]
    return values, blinds, helpers
