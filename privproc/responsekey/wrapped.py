"""One request that each of several nodes can open: docs/protocol.md §14.4 and §14.6.

The body is sealed once, under a content secret that is wrapped to each node's key; what answers it needs the chosen
node's own HPKE context and the device's ephemeral key as well::

    body, content   = seal_body(suite, request)
    wraps, answers  = content.wrap(thw, [(digest, key), ...])     # thw has the digest of body in it
    answer          = answers.of(index)                           # once it is known who answers

    unwrapped       = unwrap(suite, key, wrap, thw=..., index=..., node=...)
    request, sealer = unwrapped.open(body)
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, final

from cryptography.exceptions import InvalidTag

from privproc import hkdf, hpke
from privproc._step import Step
from privproc.errors import DecodeError, OpenError, UsageError
from privproc.responsekey import request as sealing
from privproc.responsekey.answer import Answer, AnswerSealer
from privproc.secret import Secret
from privproc.tagged import lp, tagged_hash
from privproc.wire import Reader

__all__ = ["SEALED_LENGTH", "Answers", "Content", "Unwrapped", "Wrap", "seal_body", "unwrap"]

SEALED_LENGTH: Final = 64
"""Bytes of a wrapped content secret: 48 and the tag."""

_SECRET_LENGTH = 48
_EXPORT = b"privproc/1 wrapped"
_HASH = "sha384"


@dataclass(frozen=True, slots=True)
class Wrap:
    """The content secret, sealed to one node: HPKE's ``enc`` and :data:`SEALED_LENGTH` bytes."""

    enc: bytes
    sealed: bytes


class _Asked(NamedTuple):
    """What the device remembers of its request for one node: the inputs of the answer's keys."""

    prk: bytes
    th3: bytes

    def __repr__(self) -> str:
        return "<_Asked>"


def _info(thw: bytes, index: int, node: bytes) -> bytes:
    # req: privproc1/14.4 wraps-have-their-place
    return tagged_hash("wrap", thw, index.to_bytes(1, "big"), node)


def _asked(secret: bytes, exported: Secret, wrap: Wrap, thw: bytes, index: int) -> _Asked:
    prk = hkdf.extract(_HASH, secret, exported.expose())
    exported.wipe()
    digest = hashlib.sha384(wrap.sealed).digest()
    return _Asked(prk, tagged_hash("wrapped request", thw, index.to_bytes(1, "big"), wrap.enc, digest))


def _body_keys(suite: hpke.Suite, secret: bytes) -> tuple[bytes, bytes]:
    key = hkdf.expand(_HASH, secret, lp(b"body key"), suite.aead.Nk)
    return key, hkdf.expand(_HASH, secret, lp(b"body iv"), suite.aead.Nn)


def seal_body(suite: hpke.Suite, request: bytes) -> tuple[bytes, Content]:
    """Seal ``request`` under a fresh content secret; gives the body and what wraps the secret.

    Raises :class:`UsageError` for a request that doesn't fit the largest of the padded sizes.
    """
    return _seal_body(suite, os.urandom(_SECRET_LENGTH), hpke.PrivateKey.generate(suite.kem), request)


def _seal_body(suite: hpke.Suite, secret: bytes, dk: hpke.PrivateKey, request: bytes) -> tuple[bytes, Content]:
    key, iv = _body_keys(suite, secret)
    body = suite.aead.cipher(key).encrypt(iv, sealing._fill(dk.public_key, request), None)
    return body, Content((suite, Secret(secret), dk))


@final
class Content(Step[tuple[hpke.Suite, Secret, hpke.PrivateKey]]):
    """A body is sealed; its content secret waits to be wrapped."""

    __slots__ = ()

    def wrap(self, thw: bytes, nodes: Sequence[tuple[bytes, hpke.PublicKey]]) -> tuple[tuple[Wrap, ...], Answers]:
        """Wrap the secret to each of ``nodes``, pairs of digest (48 bytes) and key; and what reads the answer.

        ``thw`` (48 bytes) is the transcript, which has the body's digest and the nodes' in it. Raises
        :class:`OpenError` for a key that the KEM refuses.
        """
        suite, secret, dk = self._take()
        senders = [hpke.setup_sender(suite, key, _info(thw, index, node)) for index, (node, key) in enumerate(nodes)]
        return _wrap(suite, secret, dk, thw, senders)


def _wrap(
    suite: hpke.Suite, secret: Secret, dk: hpke.PrivateKey, thw: bytes, senders: Sequence[tuple[bytes, hpke.Sender]]
) -> tuple[tuple[Wrap, ...], Answers]:
    exposed = secret.expose()
    secret.wipe()
    wraps = tuple(Wrap(enc, sender.seal(exposed)) for enc, sender in senders)
    asked = [
        _asked(exposed, sender.export(_EXPORT, 48), wrap, thw, index)
        for index, ((_, sender), wrap) in enumerate(zip(senders, wraps, strict=True))
    ]
    return wraps, Answers((suite, dk, asked))


@final
class Answers(Step[tuple[hpke.Suite, hpke.PrivateKey, list[_Asked]]]):
    """The request is wrapped; one node's answer can be read, and which one it is shows when it comes."""

    __slots__ = ()

    def of(self, index: int) -> Answer:
        """The channel that reads the answer of node ``index``, and of nobody else; the others' keys are forgotten.

        Raises :class:`DecodeError` for an index that no node has.
        """
        suite, dk, asked = self._take()
        if not 0 <= index < len(asked):
            raise DecodeError("answer", f"of node {index} of {len(asked)}")
        return Answer(suite, dk, *asked[index])


def unwrap(suite: hpke.Suite, key: hpke.Decapsulator, wrap: Wrap, *, thw: bytes, index: int, node: bytes) -> Unwrapped:
    """Open the wrap that is addressed to ``node`` (its digest, 48 bytes) at place ``index``, with its private key.

    The key stays: whoever holds it must refuse a wrap that comes twice. Raises :class:`OpenError`.
    """
    if len(wrap.sealed) != SEALED_LENGTH:
        raise UsageError(f"a wrapped content secret has {SEALED_LENGTH} bytes")
    context = hpke.setup_recipient(suite, key, wrap.enc, _info(thw, index, node))
    secret = context.open(wrap.sealed)
    return Unwrapped((suite, Secret(secret), _asked(secret, context.export(_EXPORT, 48), wrap, thw, index)))


@final
class Unwrapped(Step[tuple[hpke.Suite, Secret, _Asked]]):
    """The content secret is out; the body can be opened."""

    __slots__ = ()

    def open(self, body: bytes) -> tuple[bytes, AnswerSealer]:
        """The request, and what seals the answer. That ``body`` is the transcript's is for the caller to have checked.

        Raises :class:`OpenError`, :class:`DecodeError`.
        """
        suite, secret, asked = self._take()
        key, iv = _body_keys(suite, secret.expose())
        secret.wipe()
        try:
            plaintext = suite.aead.cipher(key).decrypt(iv, body, None)
        except InvalidTag:
            raise OpenError from None
        dk, request = Reader.all(plaintext, "request plaintext", sealing._read_plaintext)
        encapsulated = hpke.encap(hpke.PublicKey.decode(suite.kem, dk))
        return request, AnswerSealer(suite, encapsulated, *asked)
