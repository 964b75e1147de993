"""Amortized batches: many tokens of one key and challenge with a single proof, which halves the cost of each
(draft-ietf-privacypass-batched-tokens-07 §4). For the VOPRF types, 0x0001 and 0x0005.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from privproc import voprf
from privproc._step import Step
from privproc.errors import DecodeError, UnsupportedError, UsageError
from privproc.tokens import _vector
from privproc.tokens.challenge import TokenChallenge
from privproc.tokens.issuance import Issuer, usable
from privproc.tokens.kinds import VoprfClientKey, VoprfIssuerOp, kind_of
from privproc.tokens.token import Token, TokenKey, token_input
from privproc.trust import Trusted
from privproc.wire import Reader, bounded

__all__ = [
    "AMORTIZED_REQUEST_TYPE",
    "AMORTIZED_RESPONSE_TYPE",
    "AmortizedRequest",
    "PendingBatch",
    "issue_batch",
    "request_batch",
]

AMORTIZED_REQUEST_TYPE = b"application/private-token-amortized-batch-request"
"""Media type of the request."""

AMORTIZED_RESPONSE_TYPE = b"application/private-token-amortized-batch-response"
"""Media type of the response."""


@dataclass(frozen=True, slots=True)
class AmortizedRequest:
    """A client's request for as many tokens as there are blinded messages, at least one.

    ::

        struct {
            uint16_t token_type;                    0x0001 or 0x0005
            uint8_t truncated_token_key_id;
            BlindedMessage blinded_msgs<V>;         49 or 32 bytes each
        } AmortizedBatchTokenRequest;
    """

    token_type: int
    truncated_key_id: int
    blinded_msgs: tuple[bytes, ...] = field(repr=False)

    def __post_init__(self) -> None:
        size = kind_of(self.token_type, "AmortizedBatchTokenRequest").blinded_size
        if not 0 <= self.truncated_key_id <= 255 or not self.blinded_msgs:
            raise UsageError("AmortizedBatchTokenRequest: one byte of the key id, and at least one blinded message")
        if any(len(blinded) != size for blinded in self.blinded_msgs):
            raise UsageError(f"AmortizedBatchTokenRequest: blinded messages have {size} bytes")

    @classmethod
    def decode(cls, data: bytes) -> AmortizedRequest:
        """Raises :class:`UnsupportedError` for an unknown token type, else :class:`DecodeError`."""
        return Reader.all(data, "AmortizedBatchTokenRequest", cls._read)

    @classmethod
    def _read(cls, reader: Reader) -> AmortizedRequest:
        kind = kind_of(reader.u16(), reader.what)
        return cls(kind.token_type, reader.u8(), _elements(reader, kind.blinded_size))

    def encode(self) -> bytes:
        """The bytes of the structure."""
        head = self.token_type.to_bytes(2, "big") + bytes((self.truncated_key_id,))
        return head + _vector.encode(b"".join(self.blinded_msgs))


class _Blinded(NamedTuple):
    """What the client remembers of a request."""

    outputs: voprf.PendingVerifiedOutputs
    suite: voprf.Suite
    inputs: Sequence[bytes]

    def __repr__(self) -> str:
        return "<_Blinded>"


class PendingBatch(Step[_Blinded]):
    """A client that waits for the response to an amortized request. Single-use."""

    __slots__ = ()

    def finish(self, response: bytes) -> tuple[Token, ...]:
        """The tokens, as many as were asked for, verified.

        ::

            struct {
                EvaluatedMessage evaluated_msgs<V>;     as many as there were blinded messages
                uint8_t evaluated_proof[Ns + Ns];
            } AmortizedBatchTokenResponse;

        Raises :class:`DecodeError` for another number of elements, malformed ones and trailing bytes,
        :class:`SignatureError` unless the proof shows that all were made with the key that was asked for.
        """
        state = self._take()
        suite = state.suite

        def read(reader: Reader) -> tuple[tuple[bytes, ...], bytes]:
            return _elements(reader, suite.group.element_size), reader.take(suite.proof_size)

        evaluated, proof = Reader.all(response, "AmortizedBatchTokenResponse", read)
        outputs = state.outputs.finish(evaluated, proof)
        return tuple(Token.decode(before + output) for before, output in zip(state.inputs, outputs, strict=True))


def request_batch(
    challenge: TokenChallenge, key: Trusted[TokenKey], count: int, *, at: int
) -> tuple[bytes, PendingBatch]:
    """A request for ``count`` bearer tokens with random nonces, and what reads the answer.

    Raises :class:`ExpiredError` when ``key`` isn't in use at ``at``, :class:`UnsupportedError` for a challenge of
    another token type and for types without a proof to share, :class:`UsageError` unless ``count`` is 1 to 65535.
    """
    if not 0 < count <= voprf.MAX_BATCH:
        raise UsageError(f"a batch of {count} tokens")
    return _derand_request_batch(challenge, key, [os.urandom(32) for _ in range(count)], None, at=at)


def _derand_request_batch(
    challenge: TokenChallenge,
    trusted: Trusted[TokenKey],
    nonces: Sequence[bytes],
    blinds: Sequence[bytes] | None,
    *,
    at: int,
) -> tuple[bytes, PendingBatch]:
    """:func:`request_batch` with the given nonces, and blinds unless they are ``None``."""
    key = usable(challenge, trusted, at=at)
    if not isinstance(key.client, VoprfClientKey):
        raise UnsupportedError(f"no amortized batches of tokens of type 0x{key.token_type:04x}")
    inputs = [token_input(key.token_type, nonce, challenge.digest, key.key_id) for nonce in nonces]
    blinded, outputs = key.client.client._derand_blind(inputs, blinds)
    wire = AmortizedRequest(key.token_type, key.truncated_id, blinded).encode()
    return wire, PendingBatch(_Blinded(outputs, key.client.public_key.suite, inputs))


def issue_batch(issuer: Issuer, request: bytes, *, at: int, limit: int) -> bytes:
    """The response to an amortized request; ``limit``: how many tokens this client may have now.

    Raises what :meth:`Issuer.issue` does, and :class:`LimitError` for more tokens than ``limit``. All are answered
    with status 422: a batch is issued whole or not at all.
    """
    asked = AmortizedRequest.decode(request)
    bounded("AmortizedBatchTokenRequest: tokens", len(asked.blinded_msgs), min(limit, voprf.MAX_BATCH))
    role = issuer.key(asked.token_type, asked.truncated_key_id, at=at).role
    if not isinstance(role, VoprfIssuerOp):
        raise UnsupportedError(f"no amortized batches of tokens of type 0x{asked.token_type:04x}")
    evaluated, proof = role.server.blind_evaluate(asked.blinded_msgs)
    return _vector.encode(b"".join(evaluated)) + proof


def _elements(reader: Reader, size: int) -> tuple[bytes, ...]:
    content = _vector.read(reader)
    if not content or len(content) % size:
        raise DecodeError(reader.what, f"{len(content)} bytes are not elements of {size} bytes, at least one")
    return tuple(content[start : start + size] for start in range(0, len(content), size))
