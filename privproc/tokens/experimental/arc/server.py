"""The server of ARC: gives credentials, and verifies what is shown of them."""

from __future__ import annotations

from typing import Self, final

from Crypto.Math.Numbers import Integer

from privproc._step import Unique
from privproc.errors import SignatureError
from privproc.secret import Secret
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
    weighted,
)
from privproc.tokens.experimental.sigma import P256, Framing
from privproc.wire import Reader

__all__ = ["ServerKey"]


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
        _, other = generators()
        elements = (pedersen(x0, blinding), P256.multiply(x1, other), P256.multiply(x2, other))
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
        asked = Reader.all(request, "ARC request", Request.read)
        sigma.verify(self._framing, session(b"CredentialRequest"), asked.relation(), asked.proof)
        x0, x1, x2, blinding = self._scalars
        k0, k1, k2 = self.public_key.elements
        other = generators()[1]
        enc = P256.multiply(b, k0 + P256.multiply(x1, asked.m1) + P256.multiply(x2, asked.m2))
        aux = (
            P256.multiply(b * blinding % ORDER, other),
            P256.multiply(b, k1),
            P256.multiply(b, k2),
            P256.multiply(b, other),
        )
        made = Response(base(b), enc, *aux, b"")
        witness = (x0, x1, x2, blinding, b, b * x1 % ORDER, b * x2 % ORDER)
        relation = made.relation(self.public_key, asked)
        proof = sigma.prove(self._framing, session(b"CredentialResponse"), relation, witness)
        return b"".join((*map(GROUP.encode, made[:6]), proof))

    def verify(self, presentation: bytes, *, request_context: bytes, presentation_context: bytes, limit: int) -> bytes:
        """The tag of a presentation, 33 bytes: to be spent once in this context before anything else happens.

        Raises :class:`DecodeError` for a malformed presentation and one for another size of limit,
        :class:`SignatureError` for another key, other contexts, another limit of the same size, or no proof.
        """
        weights = bases(checked_limit(limit))

        def read(reader: Reader) -> Presentation:
            return Presentation.read(reader, len(weights))

        found = Reader.all(presentation, "ARC presentation", read)
        # The sum of the bits is the number. Outside of the proof, so nothing else would notice.
        if weighted(weights, found.bits) != found.nonce_commit:
            raise SignatureError("ARC: the bits don't make the number")
        x0, x1, x2, _ = self._scalars
        m2 = to_scalar(request_context, b"requestContext")
        v = P256.multiply((x0 + x2 * m2) % ORDER, found.u) + P256.multiply(x1, found.m1_commit) + -found.u_prime_commit
        relation = found.relation(self.public_key.elements[1], v, to_group(presentation_context, b"Tag"))
        sigma.verify(self._framing, session(b"CredentialPresentation"), relation, found.proof)
        return GROUP.encode(found.tag)

    def __repr__(self) -> str:
        return f"<ServerKey {self._framing.name}>"
