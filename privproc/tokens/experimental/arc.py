"""ARC, anonymous rate-limited credentials over P-256 (draft-ietf-privacypass-arc-crypto-01): one issuance, then up to a
limit of presentations in each context that nobody can link.

::

    key = ServerKey.generate(Framing.SIGMA_APRIL_2026)                                         server
    wire, pending = request(key.public_key, request_context)                                   client: 226 bytes
    response = key.respond(wire)                                                               server: 454 bytes
    credential = pending.finish(response)                                                      client
    presentations = credential.presentations(presentation_context, limit=128)                  client
    wire = presentations.present()                                                             client, up to 128 times
    tag = key.verify(wire, request_context=..., presentation_context=..., limit=128)           server: spent once

A presentation has ``357 + 129 * k`` bytes with ``k = ceil(log2(limit))``. Its tag is the same only when one credential
uses one number in one context twice, so a tag that comes again is over the limit.

**Where drafts and peers differ**, none of which is settled:

- *Framing*: each key says which one its proofs have (:class:`privproc.tokens.experimental.sigma.Framing`).
- *A limit of 2*: the commitment to the single bit is the one to the number. The draft's pseudo-code has two elements
  then; its implementation and all vectors have one, as here.
- *Order of the scalars* in the proof of a range of several bits: all bits, all blinds, all helpers, as the draft says;
  its implementation interleaved them. No vectors are published for more than one bit.
- *The number in clear*: draft-ietf-privacypass-arc-protocol-01 puts it into the token beside the presentation that
  hides it. A presentation carries none, and :mod:`privproc.tokens.experimental.arctoken` writes zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final, NamedTuple, Self, final

from Crypto.Math.Numbers import Integer

from privproc._step import Step, Unique
from privproc.errors import LimitError, SignatureError, UsageError
from privproc.secret import Secret
from privproc.tokens.experimental import sigma
from privproc.tokens.experimental.sigma import P256, Framing, Relation
from privproc.voprf.hash_to_curve import Expander
from privproc.wire import Reader

__all__ = [
    "MAX_LIMIT",
    "REQUEST_SIZE",
    "RESPONSE_SIZE",
    "Credential",
    "Framing",
    "PendingCredential",
    "Presentations",
    "PublicKey",
    "ServerKey",
    "presentation_size",
    "request",
]

REQUEST_SIZE: Final = 226
"""Bytes of a credential request."""

RESPONSE_SIZE: Final = 454
"""Bytes of a credential response."""

MAX_LIMIT: Final = 1 << 20
"""The largest limit: a presentation of 2937 bytes."""

GROUP: Final = P256.group
ORDER: Final = P256.order
_CONTEXT: Final = b"ARCV1-P256"
_ELEMENT: Final = 33


@cache
def _generators() -> tuple[Any, Any]:
    return P256.generator, _to_group(GROUP.encode(P256.generator), b"generatorH")


def _to_group(data: bytes, info: bytes) -> Any:
    expanded = Expander("sha256", b"HashToGroup-" + _CONTEXT + info, GROUP.hash_size).expand(data)
    return GROUP.from_uniform(expanded, public=True)


def _to_scalar(data: bytes, info: bytes) -> Integer:
    expanded = Expander("sha256", b"HashToScalar-" + _CONTEXT + info, GROUP.uniform_size).expand(data)
    return Integer.from_bytes(GROUP.scalars.reduce(expanded))


def _times(scalar: Integer, element: Any) -> Any:
    return P256.multiply(scalar, element)


def _base(scalar: Integer) -> Any:
    return P256.multiply(scalar, P256.generator)


def _pedersen(value: Integer, blind: Integer) -> Any:
    """``value * G + blind * H``."""
    return _base(value) + _times(blind, _generators()[1])


def _element(reader: Reader) -> Any:
    return GROUP.decode(reader.take(_ELEMENT), reader.what)


def bases(limit: int) -> list[int]:
    """``ComputeBases``: sums of these are the numbers below ``limit``, and no others; in descending order."""
    bits = (limit - 1).bit_length()
    powers = [1 << place for place in range(bits - 1)]
    return sorted((*powers, limit - sum(powers) - 1), reverse=True)


def _weighted(weights: Sequence[int], elements: Sequence[Any]) -> Any:
    """``sum(weight * element)``: short and public numbers, for which no method of many terms pays."""
    total, *terms = (
        GROUP.combine([weight.to_bytes(32, "big")], [element])
        for weight, element in zip(weights, elements, strict=True)
    )
    for term in terms:
        total += term
    return total


def _checked(limit: int) -> int:
    if not 2 <= limit <= MAX_LIMIT:
        raise UsageError(f"ARC: a limit from 2 to {MAX_LIMIT}")
    return limit


def presentation_size(limit: int) -> int:
    """Bytes of a presentation: five elements, and the proof with ``k`` elements and ``6 + 3 * k`` scalars."""
    bits = (_checked(limit) - 1).bit_length()
    return (5 + bits) * _ELEMENT + (6 + 3 * bits) * 32


@final
@dataclass(frozen=True, slots=True)
class PublicKey:
    """A server's public key: three elements, 99 bytes, and the framing of the proofs under it.

    Raises :class:`DecodeError` for malformed elements.
    """

    framing: Framing
    encoded: bytes = field(repr=False)
    elements: tuple[Any, Any, Any] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        def read(reader: Reader) -> tuple[Any, Any, Any]:
            return _element(reader), _element(reader), _element(reader)

        object.__setattr__(self, "elements", Reader.all(self.encoded, "ARC public key", read))


class _Request(NamedTuple):
    m1: Any
    m2: Any
    proof: bytes

    def __repr__(self) -> str:
        return "<_Request>"

    @classmethod
    def read(cls, reader: Reader) -> Self:
        return cls(_element(reader), _element(reader), reader.take(5 * 32))

    def relation(self) -> Relation:
        relation = Relation(P256)
        m1, m2, r1, r2 = relation.allocate(4)
        g, h, m1_enc, m2_enc = relation.add(*_generators(), self.m1, self.m2)
        relation.equate(m1_enc, (m1, g), (r1, h))
        relation.equate(m2_enc, (m2, g), (r2, h))
        return relation


class _Response(NamedTuple):
    u: Any
    enc_u_prime: Any
    x0_aux: Any
    x1_aux: Any
    x2_aux: Any
    h_aux: Any
    proof: bytes

    def __repr__(self) -> str:
        return "<_Response>"

    @classmethod
    def read(cls, reader: Reader) -> Self:
        u, enc_u_prime, x0, x1, x2, h = (_element(reader) for _ in range(6))
        return cls(u, enc_u_prime, x0, x1, x2, h, reader.take(8 * 32))

    def relation(self, key: PublicKey, asked: _Request) -> Relation:
        relation = Relation(P256)
        x0, x1, x2, xb, b, t1, t2 = relation.allocate(7)
        g, h, m1, m2, u, enc, k0, k1, k2, x0_aux, x1_aux, x2_aux, h_aux = relation.add(
            *_generators(), asked.m1, asked.m2, self.u, self.enc_u_prime, *key.elements, *self[2:6]
        )
        relation.equate(k0, (x0, g), (xb, h))
        relation.equate(k1, (x1, h))
        relation.equate(k2, (x2, h))
        relation.equate(h_aux, (b, h))
        relation.equate(x0_aux, (xb, h_aux))
        relation.equate(x1_aux, (t1, h))
        relation.equate(x1_aux, (b, k1))
        relation.equate(x2_aux, (b, k2))
        relation.equate(x2_aux, (t2, h))
        relation.equate(u, (b, g))
        relation.equate(enc, (b, k0), (t1, m1), (t2, m2))
        return relation


class _Presentation(NamedTuple):
    u: Any
    u_prime_commit: Any
    m1_commit: Any
    tag: Any
    nonce_commit: Any
    bits: tuple[Any, ...]
    proof: bytes

    def __repr__(self) -> str:
        return "<_Presentation>"

    @classmethod
    def read(cls, reader: Reader, count: int) -> Self:
        u, u_prime, m1, tag, nonce = (_element(reader) for _ in range(5))
        bits = tuple(_element(reader) for _ in range(count))
        return cls(u, u_prime, m1, tag, nonce, bits, reader.take((6 + 3 * count) * 32))

    def relation(self, x1_element: Any, v_element: Any, generator_t: Any) -> Relation:
        relation = Relation(P256)
        m1, z, r, nonce, blinding = relation.allocate(5)
        g, h, u, _, m1_commit, v, x1, tag, t, nonce_commit = relation.add(
            *_generators(),
            *(self.u, self.u_prime_commit, self.m1_commit, v_element, x1_element, self.tag),
            *(generator_t, self.nonce_commit),
        )
        relation.equate(m1_commit, (m1, u), (z, h))
        relation.equate(v, (z, x1), (r, g))
        relation.equate(nonce_commit, (nonce, g), (blinding, h))
        relation.equate(t, (m1, tag), (nonce, tag))
        count = len(self.bits)
        values, blinds, helpers = (relation.allocate(count) for _ in range(3))
        # With one bit, its commitment is the number's, and no second element.
        places: Sequence[int] = [nonce_commit] if count == 1 else relation.add(*self.bits)
        for place, value, blind, helper in zip(places, values, blinds, helpers, strict=True):
            relation.equate(place, (value, g), (blind, h))
            relation.equate(place, (value, place), (helper, h))
        return relation

    def encode(self) -> bytes:
        return b"".join((*map(GROUP.encode, (*self[:5], *self.bits)), self.proof))


def _session(name: bytes) -> bytes:
    return _CONTEXT + name


@final
class ServerKey(Unique):
    """A server's private key. Opaque; can't be copied or pickled.

    ``scalars``: ``x0, x1, x2, x0Blinding``, 128 bytes. Raises :class:`DecodeError` for anything else.
    """

    __slots__ = ("_framing", "_scalars", "public_key")

    public_key: PublicKey
    """The public half."""

    def __init__(self, framing: Framing, scalars: Secret) -> None:
        def read(reader: Reader) -> tuple[Integer, ...]:
            return tuple(P256.decode_scalar(reader.take(32), reader.what) for _ in range(4))

        x0, x1, x2, blinding = self._scalars = Reader.all(scalars.expose(), "ARC private key", read)
        _, other = _generators()
        elements = (_pedersen(x0, blinding), _times(x1, other), _times(x2, other))
        self.public_key = PublicKey(framing, b"".join(map(GROUP.encode, elements)))
        self._framing = framing

    @classmethod
    def generate(cls, framing: Framing) -> Self:
        """A new random key, whose proofs have this framing."""
        return cls(framing, Secret(b"".join(P256.encode_scalar(P256.random_scalar()) for _ in range(4))))

    def to_secret(self) -> Secret:
        """The four scalars, 128 bytes, for the caller's own storage."""
        return Secret(b"".join(map(P256.encode_scalar, self._scalars)))

    def respond(self, request: bytes) -> bytes:
        """The response, 454 bytes, to a credential request. Whether the client may have a credential is decided before.

        Raises :class:`DecodeError` for a malformed request, :class:`SignatureError` when its proof doesn't verify.
        """
        return self._derand_respond(request, P256.random_scalar())

    def _derand_respond(self, request: bytes, b: Integer) -> bytes:
        asked = Reader.all(request, "ARC request", _Request.read)
        sigma.verify(self._framing, _session(b"CredentialRequest"), asked.relation(), asked.proof)
        x0, x1, x2, blinding = self._scalars
        k0, k1, k2 = self.public_key.elements
        other = _generators()[1]
        enc = _times(b, k0 + _times(x1, asked.m1) + _times(x2, asked.m2))
        aux = (_times(b * blinding % ORDER, other), _times(b, k1), _times(b, k2), _times(b, other))
        made = _Response(_base(b), enc, *aux, b"")
        witness = (x0, x1, x2, blinding, b, b * x1 % ORDER, b * x2 % ORDER)
        relation = made.relation(self.public_key, asked)
        proof = sigma.prove(self._framing, _session(b"CredentialResponse"), relation, witness)
        return b"".join((*map(GROUP.encode, made[:6]), proof))

    def verify(self, presentation: bytes, *, request_context: bytes, presentation_context: bytes, limit: int) -> bytes:
        """The tag of a presentation, 33 bytes: to be spent once in this context before anything else happens.

        Raises :class:`DecodeError` for a malformed presentation and one for another size of limit,
        :class:`SignatureError` for another key, other contexts, another limit of the same size, or no proof.
        """
        weights = bases(_checked(limit))

        def read(reader: Reader) -> _Presentation:
            return _Presentation.read(reader, len(weights))

        found = Reader.all(presentation, "ARC presentation", read)
        # The sum of the bits is the number. Outside of the proof, so nothing else would notice.
        if _weighted(weights, found.bits) != found.nonce_commit:
            raise SignatureError("ARC: the bits don't make the number")
        x0, x1, x2, _ = self._scalars
        m2 = _to_scalar(request_context, b"requestContext")
        v = _times((x0 + x2 * m2) % ORDER, found.u) + _times(x1, found.m1_commit) + -found.u_prime_commit
        relation = found.relation(self.public_key.elements[1], v, _to_group(presentation_context, b"Tag"))
        sigma.verify(self._framing, _session(b"CredentialPresentation"), relation, found.proof)
        return GROUP.encode(found.tag)

    def __repr__(self) -> str:
        return f"<ServerKey {self._framing.name}>"


class _Secrets(NamedTuple):
    m1: Integer
    m2: Integer
    r1: Integer
    r2: Integer

    def __repr__(self) -> str:
        return "<_Secrets>"


@final
class PendingCredential(Step[tuple[PublicKey, _Request, _Secrets]]):
    """A client that waits for its credential response. Made by :func:`request`, left once by :meth:`finish`."""

    __slots__ = ()

    def finish(self, response: bytes) -> Credential:
        """The credential in a response of 454 bytes.

        Raises :class:`DecodeError` for a malformed one, :class:`SignatureError` when its proof doesn't show that the
        key that was asked for made it.
        """
        key, asked, secrets = self._take()
        found = Reader.all(response, "ARC response", _Response.read)
        sigma.verify(key.framing, _session(b"CredentialResponse"), found.relation(key, asked), found.proof)
        blinded = found.x0_aux + _times(secrets.r1, found.x1_aux) + _times(secrets.r2, found.x2_aux)
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
    secrets = _Secrets(m1, _to_scalar(request_context, b"requestContext"), r1, r2)
    made = _Request(_pedersen(m1, r1), _pedersen(secrets.m2, r2), b"")
    proof = sigma.prove(key.framing, _session(b"CredentialRequest"), made.relation(), secrets)
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
        if not 0 <= used <= _checked(limit):
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
        self._credential, self._tag_base = credential, _to_group(context, b"Tag")
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
        generator, other = _generators()
        u, x1 = _times(a, self._credential._u), key.elements[1]
        generator_t = self._tag_base
        tag = _times(((m1 + nonce) % ORDER).inverse(ORDER), generator_t)
        values, blinds, helpers = _decomposed(int(nonce), blinding, bases(self.limit))
        bits = tuple(_bit(value, blind) for value, blind in zip(values, blinds, strict=True))
        hidden = _base(r)
        made = _Presentation(
            u,
            _times(a, self._credential._u_prime) + hidden,
            _times(m1, u) + _times(z, other),
            tag,
            # One more and one less, since the number may be zero.
            bits[0] if len(bits) == 1 else _pedersen(nonce + 1, blinding) + -generator,
            bits,
            b"",
        )
        v = _times(z, x1) + -hidden
        witness = (m1, z, ORDER - r, nonce, blinding, *values, *blinds, *helpers)
        relation = made.relation(x1, v, generator_t)
        proof = sigma.prove(key.framing, _session(b"CredentialPresentation"), relation, witness)
        return made._replace(proof=proof).encode()

    def __repr__(self) -> str:
        return f"<Presentations, {self.used} of {self.limit} used>"


def _bit(value: Integer, blind: Integer) -> Any:
    """The commitment to a bit: both that it can be are made, and one is taken."""
    generator, other = _generators()
    zero = _times(blind, other)
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
