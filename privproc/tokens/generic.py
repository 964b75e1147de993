"""Generic batches: requests of any types and keys in one message, each granted or refused on its own
(draft-ietf-privacypass-batched-tokens-07 §5).

Where the draft's structures and its vectors differ, the vectors and all implementations decide: an element of the
request is a TokenRequest as it is, with its token type once; an element of the response is a presence octet, the token
type and the TokenResponse.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from privproc._step import Step
from privproc.errors import DecodeError, PeerError, UsageError
from privproc.tokens import _vector
from privproc.tokens.issuance import Issuer, TokenRequest
from privproc.tokens.kinds import KINDS
from privproc.wire import Reader, bounded

__all__ = [
    "GENERIC_REQUEST_TYPE",
    "GENERIC_RESPONSE_TYPE",
    "GenericAnswer",
    "PendingGenericBatch",
    "PendingOne",
    "issue_generic_batch",
    "request_generic_batch",
]

GENERIC_REQUEST_TYPE = b"application/private-token-generic-batch-request"
"""Media type of the request."""

GENERIC_RESPONSE_TYPE = b"application/private-token-generic-batch-response"
"""Media type of the response."""

_REQUEST, _RESPONSE = "GenericBatchTokenRequest", "GenericBatchTokenResponse"

T_co = TypeVar("T_co", covariant=True)
T = TypeVar("T")


class PendingOne(Protocol[T_co]):
    """A single request that waits: :class:`PendingToken` or :class:`PendingBoundToken`."""

    def finish(self, response: bytes) -> T_co:
        """What a TokenResponse gives."""
        ...


class PendingGenericBatch(Step[Sequence[tuple[int, PendingOne[T]]]], Generic[T]):
    """A client that waits for the response to a generic batch. Single-use."""

    __slots__ = ()

    def finish(self, response: bytes) -> tuple[T | None, ...]:
        """What each request gave, in their order, verified; ``None`` where the issuer refused.

        ::

            struct {
                uint16_t token_type;                    as in the request
                TokenResponse token_response;
            } GenericTokenResponse;
            struct { optional<GenericTokenResponse> generic_token_response; } OptionalTokenResponse;
            struct { OptionalTokenResponse optional_token_responses<V>; } GenericBatchTokenResponse;

        Responses come with status 200 or, when not all tokens were issued, 206; others carry none. Raises
        :class:`DecodeError` for another number of responses, another type than was asked for and malformed ones, and
        what :meth:`PendingToken.finish` does for any of them: an issuer that cheats once gives nothing.
        """
        asked = self._take()
        types = [token_type for token_type, _ in asked]
        found = Reader.all(response, _RESPONSE, lambda reader: _responses(reader, types))
        return tuple(
            None if one is None else pending.finish(one) for one, (_, pending) in zip(found, asked, strict=True)
        )


def _responses(outer: Reader, types: Sequence[int]) -> list[bytes | None]:
    def read(reader: Reader) -> list[bytes | None]:
        return [_response(reader, token_type) for token_type in types]

    return Reader.all(_vector.read(outer), outer.what, read)


def _response(reader: Reader, token_type: int) -> bytes | None:
    present = reader.u8()
    if present not in (0, 1):
        raise reader.fail(f"presence octet is {present}")
    if not present:
        return None
    if (found := reader.u16()) != token_type:
        raise reader.fail(f"token type 0x{found:04x}, not 0x{token_type:04x}")
    return reader.take(KINDS[token_type].response_size)


def request_generic_batch(requests: Sequence[tuple[bytes, PendingOne[T]]]) -> tuple[bytes, PendingGenericBatch[T]]:
    """One message for the requests that :func:`request` and :func:`request_bound` gave, and what reads the answer.

    ::

        struct { GenericTokenRequest generic_token_requests<V>; } GenericBatchTokenRequest;

    A GenericTokenRequest is a TokenRequest. Raises :class:`UsageError` for no requests.
    """
    if not requests:
        raise UsageError("a batch of no requests")
    types = [TokenRequest.decode(wire).token_type for wire, _ in requests]
    pending = [(token_type, one) for token_type, (_, one) in zip(types, requests, strict=True)]
    return _vector.encode(b"".join(wire for wire, _ in requests)), PendingGenericBatch(pending)


@dataclass(frozen=True, slots=True)
class GenericAnswer:
    """What an issuer answers to a generic batch.

    ``status``: 200 when all tokens were issued, 206 when some were, 400 when none was; ``content``: the response, empty
    with 400; ``issued``: how many tokens, for the account of the client.
    """

    status: int
    content: bytes = field(repr=False)
    issued: int


def issue_generic_batch(issuer: Issuer, request: bytes, *, at: int, limit: int) -> GenericAnswer:
    """The answer to a generic batch; ``limit``: how many tokens this client may ask for now.

    A request that :meth:`Issuer.issue` refuses leaves its place in the answer empty. Raises :class:`DecodeError` for a
    malformed or empty batch, :class:`UnsupportedError` for an unknown token type, behind which nothing can be read,
    and :class:`LimitError` for more requests than ``limit``, before anything is issued. All three are answered with
    status 422.
    """
    responses = [_issue(issuer, asked, at) for asked in _requests(request, limit)]
    issued = sum(one is not None for one in responses)
    if not issued:
        return GenericAnswer(400, b"", 0)
    content = _vector.encode(b"".join(b"\0" if one is None else b"\1" + one for one in responses))
    return GenericAnswer(200 if issued == len(responses) else 206, content, issued)


def _issue(issuer: Issuer, asked: TokenRequest, at: int) -> bytes | None:
    try:
        response = issuer.grant(asked, at=at)
    except PeerError:
        return None
    return asked.token_type.to_bytes(2, "big") + response


def _requests(data: bytes, limit: int) -> list[TokenRequest]:
    def read(reader: Reader) -> list[TokenRequest]:
        found: list[TokenRequest] = []
        while reader.left:
            bounded(f"{_REQUEST}: requests", len(found) + 1, limit)
            found.append(TokenRequest._read(reader))
        return found

    found = Reader.all(Reader.all(data, _REQUEST, _vector.read), _REQUEST, read)
    if not found:
        raise DecodeError(_REQUEST, "no requests")
    return found
