"""The gateway: steps from an encapsulated request to an encapsulated answer (docs/protocol.md §4 and §5).

It learns that somebody with a token asks, never who or what. It calls no store and no enclave: what is to be spent,
forwarded and kept comes out as values, and the caller brings the results back. The steps allow one order only::

    exchange = gateway.open(wire, at=now)                       # PeerError: answer with gateway.reject(error)
    message  = exchange.read(at=now)                            # from here on: answer with exchange.refuse()

    OpenRequest:      reservation = store.reserve(message.spend_key, at=now, lease=...)
                      forward, forwarded = message.forward(reservation)     # PeerError: release the reservation
                      store.commit(reservation, at=now)         # before a byte leaves: the token is gone from here on
                      offer = ...                               # the enclave's answer to forward
                      wire, live = forwarded.answer(offer, endorsements=..., log_proof=..., at=now)

    WrappedRequest:   see privproc.session.wrapped.gateway

    ContinueRequest:  live = the value kept under message.handle, removed
                      records, accepted = message.accept(live, at=now)
                      back = ...                                # the enclave's records in answer
                      wire, live = accepted.answer(back, ended=..., at=now)

A request that is replayed meets its spent token, or its used handle.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple, final

from privproc import base64url, bhttp, ohttp, ratls
from privproc._step import Step
from privproc.errors import DecodeError, PeerError, PolicyError, SignatureError, UntrustedError, UsageError
from privproc.http import Fields, Request, Response, single
from privproc.keyconfig import GatewayKey, KeyRing
from privproc.secret import Secret
from privproc.session import transcript
from privproc.session.contents import Contents
from privproc.session.directory import Directory
from privproc.session.messages import HANDLE_LENGTH, Continue, Continued, Forward, Open, Opened
from privproc.session.profile import (
    ANSWER_SIZES,
    CONTINUE_PATH,
    IDLE,
    LEASE,
    OPEN_PATH,
    PROOF_FIELD,
    REFUSED,
)
from privproc.session.wrapped.gateway import WrappedRequest, read_wrapped
from privproc.session.wrapped.messages import HEAD_SIZE
from privproc.session.wrapped.profile import WRAPPED_PATH
from privproc.tokens import Origin, Reservation, SpendKey, Token, verify_possession
from privproc.trust import _trusted, check_window
from privproc.wire import Reader, Writer, bounded

__all__ = [
    "GRACE",
    "Accepted",
    "ContinueRequest",
    "Epoch",
    "Exchange",
    "Forwarded",
    "Gateway",
    "Live",
    "OpenRequest",
]

GRACE: Final = 600
"""Seconds for which a gateway takes the last epoch's key and tokens past the boundary."""

MAX_REQUEST: Final = 5 << 20
"""Bytes of an encapsulated request: the largest padded question, with what is around it."""

_KNOWN_LENGTH = b"\0"
"""How a request in Binary HTTP with known lengths begins (RFC 9292 §3.3)."""

_PROOF = "proof of possession"


@dataclass(frozen=True, slots=True)
class Epoch:
    """What the gateway holds for one package: its digest and contents, and the private key of its configuration."""

    package: bytes
    contents: Contents
    key: GatewayKey
    origin: Origin

    @classmethod
    def of(cls, directory: Directory, key: GatewayKey) -> Epoch:
        """The epoch of ``directory``, which may begin later; good until :data:`GRACE` seconds past its end.

        Raises :class:`UsageError` when ``key`` isn't the directory's or has other times than the epoch with its grace.
        """
        # Devices use the contents within their epoch. The gateway makes ready before, and goes on after.
        contents, begin, end = directory.contents._value, directory.contents.not_before, directory.epoch_end + GRACE
        if contents.keys.configs != (key.config,):
            raise UsageError("the key is not the directory's")
        # req: privproc1/7.3 grace
        if (key.not_before, key.not_after) != (begin, end):
            raise UsageError(f"the key's time must be the epoch's, and {GRACE} seconds more")
        origin = Origin([_trusted(contents.token_key, directory.package, begin, end)])
        return cls(directory.package, contents, key, origin)


class Gateway:
    """Opens what the relay brings, with the keys of the present epoch and of the last in its grace."""

    __slots__ = ("_epochs", "_ohttp")

    def __init__(self, epochs: Sequence[Epoch]) -> None:
        # req: privproc1/5.2 sessions-outlast-epochs
        self._epochs = {epoch.key.config.encode(): epoch for epoch in epochs}
        self._ohttp = ohttp.Gateway(KeyRing([epoch.key for epoch in epochs]), max_request=MAX_REQUEST)

    def open(self, wire: bytes, *, at: int) -> Exchange:
        """Decapsulate. What this raises is answered in the clear, with :meth:`reject`."""
        message, responder = self._ohttp.open(wire, at=at)
        return Exchange(message, _Exchange(responder, self._epochs[responder.key_config], len(wire)))

    @staticmethod
    def reject(error: PeerError) -> Response:
        """The answer in the clear to what :meth:`open` raised (RFC 9458 §5.2)."""
        # req: privproc1/4.5 clear-only-before
        problem = ohttp.problem_for(error, ohttp.Place.BEFORE_DECAPSULATION)
        fields = ((b"content-type", b"application/problem+json"),)
        return Response(problem.status or 400, fields, problem.encode())


class _Exchange(NamedTuple):
    responder: ohttp.Responder
    epoch: Epoch
    size: int

    def __repr__(self) -> str:
        return "<_Exchange>"

    @property
    def overhead(self) -> int:
        """Bytes by which an answer is longer than its content, when it has no fields; rounded up."""
        return ohttp.response_overhead(self.responder.suite) + 16

    def seal(self, response: Response, size: int) -> bytes:
        """``response``, filled so that the encapsulated one has ``size`` bytes."""
        inner = size - ohttp.response_overhead(self.responder.suite)
        return self.responder.seal(bhttp.encode_response(response, size=inner))


@final
class Exchange(Step[tuple[bytes, _Exchange]]):
    """A request that was decapsulated: :meth:`read` it, and :meth:`refuse` it if anything after that fails."""

    __slots__ = ("_answer", "_refusal")

    def __init__(self, message: bytes, exchange: _Exchange) -> None:
        super().__init__((message, exchange))
        self._answer = exchange
        self._refusal = exchange.epoch.contents.down

    def read(self, *, at: int) -> OpenRequest | ContinueRequest | WrappedRequest:
        """Parse the request; for one that brings a token check token and proof. Raises :class:`PeerError`."""
        message, exchange = self._take()
        # req: privproc1/4.4 known-length-framing
        if not message.startswith(_KNOWN_LENGTH):
            raise PolicyError("a request is framed with known lengths")
        request = bhttp.decode_request(message)
        check_target(exchange.epoch, request.method, request.scheme, request.authority)
        if request.path == OPEN_PATH:
            return _open_request(exchange, request, at)
        if request.path == CONTINUE_PATH:
            self._refusal = ANSWER_SIZES[0]
            return ContinueRequest(exchange, Continue.decode(request.content))
        if request.path == WRAPPED_PATH:
            self._refusal = ANSWER_SIZES[0]
            return _wrapped_request(exchange, request, at)
        raise UntrustedError("not a path of this gateway")

    # req: privproc1/4.5 all-refusals-look-alike
    def refuse(self) -> bytes:
        """The one refusal, for whatever reason: a status, padded like an answer. Once per exchange."""
        return self._answer.seal(Response(REFUSED), self._refusal)


def _open_request(exchange: _Exchange, request: Request, at: int) -> OpenRequest:
    if exchange.size != exchange.epoch.contents.up:
        # req: privproc1/4.5 up-bytes-exactly
        raise PolicyError("a first request is not of the directory's size")
    forward, spend_key = admit(exchange.responder, exchange.epoch, request.fields, request.content, at=at)
    return OpenRequest(exchange, forward, spend_key)


def _wrapped_request(exchange: _Exchange, request: Request, at: int) -> WrappedRequest:
    epoch, head = exchange.epoch, request.content[:HEAD_SIZE]
    outer, spend_key = _redeem(
        exchange.responder, epoch, request.fields, lambda outer: transcript.wrapped(epoch.package, outer, head), at
    )
    return read_wrapped(exchange, epoch.package, outer, request.content, spend_key)


def check_target(epoch: Epoch, method: str, scheme: str, authority: str) -> None:
    """Raise :class:`UntrustedError` for what isn't a request to this gateway."""
    if (method, scheme, authority) != ("POST", "https", epoch.contents.gateway):
        # req: privproc1/4.5 own-target
        raise UntrustedError("not a request to this gateway")


def admit(
    responder: ohttp.Responder | ohttp.StreamResponder, epoch: Epoch, fields: Fields, message: bytes, *, at: int
) -> tuple[Forward, SpendKey]:
    """Check token and proof of a first request with ``message``, the bytes of Open. Raises :class:`PeerError`."""
    outer, spend_key = _redeem(
        responder, epoch, fields, lambda outer: transcript.opened(epoch.package, outer, message), at
    )
    return Forward(epoch.package, outer, message), spend_key


def _redeem(
    responder: ohttp.Responder | ohttp.StreamResponder,
    epoch: Epoch,
    fields: Fields,
    proven: Callable[[bytes], bytes],
    at: int,
) -> tuple[bytes, SpendKey]:
    """Check token and proof; ``outer``, and what is to be spent. ``proven`` gives what the proof signs, from outer."""
    token = Token.from_authorization(_required(fields, b"authorization"))
    # req: privproc1/4.5 token-of-the-epoch
    redeemed = epoch.origin.redeem(token, challenge=epoch.contents.challenge, at=at)
    pop, proof = _read_proof(_required(fields, PROOF_FIELD))
    outer = transcript.outer(
        responder.key_config,
        responder.suite.encoded,
        responder.enc,
        responder.export(transcript.OUTER_EXPORT, 32),
        token.encode(),
        pop,
    )
    # req: privproc1/4.5 proof-of-this-exchange
    verify_possession(pop, redeemed.token.nonce, proven(outer), proof)
    return outer, redeemed.spend_key


def _required(fields: Fields, name: bytes) -> bytes:
    value = single(fields, name)
    if value is None:
        raise DecodeError("HTTP fields", f"{name.decode()} is missing")
    return value


def _read_proof(value: bytes) -> tuple[bytes, bytes]:
    # req: privproc1/4.4 canonical-proof-field
    data = base64url.decode_padded(value.decode("latin-1"), _PROOF)
    return Reader.all(data, _PROOF, lambda reader: (reader.vector(2), reader.vector(2)))


@dataclass(frozen=True, slots=True)
class Live:
    """What the gateway keeps of a session between two exchanges, under ``handle`` (32 bytes, single-use).

    ``offset`` counts the device's record bytes so far; ``expires`` is in Unix seconds. Which enclave serves the session
    is for the caller to remember beside it. The one thing of a session that may be stored: a gateway that is started
    anew goes on with it, as another one with the same table does. Remove it there before it is accepted.
    """

    handle: bytes = field(repr=False)
    key: Secret
    offset: int
    expires: int

    @classmethod
    def decode(cls, data: bytes) -> Live:
        """Raises :class:`DecodeError`."""
        return Reader.all(
            data,
            "Live",
            lambda reader: cls(reader.take(HANDLE_LENGTH), Secret(reader.take(48)), reader.u64(), reader.u64()),
        )

    def encode(self) -> bytes:
        """``handle[32] || key[48] || uint64 offset || uint64 expires``: a secret, as long as the session goes on."""
        return Writer().raw(self.handle).raw(self.key.expose()).uint(8, self.offset).uint(8, self.expires).done()

    def check(self, message: Continue, enc: bytes, *, at: int) -> None:
        """That ``message``, in the exchange of ``enc``, is the session's next; see :meth:`ContinueRequest.accept`."""
        # req: privproc1/5.2 handles-end
        check_window("handle", 0, self.expires, at=at)
        mac = transcript.continuation_mac(self.key, self.handle, message.offset, enc, message.records)
        if not hmac.compare_digest(mac, message.mac):
            raise SignatureError("continuation: of another session, or altered")
        if message.offset != self.offset:
            # req: privproc1/5.2 next-bytes-only
            raise UntrustedError("continuation: not the next bytes of the stream")


@final
class OpenRequest(Step[tuple[_Exchange, Forward]]):
    """A first request whose token and proof hold. ``spend_key`` is to be reserved."""

    __slots__ = ("spend_key",)

    def __init__(self, exchange: _Exchange, forward: Forward, spend_key: SpendKey) -> None:
        super().__init__((exchange, forward))
        self.spend_key = spend_key

    def forward(self, reservation: Reservation) -> tuple[bytes, Forwarded]:
        """The bytes for the enclave, once Open and its ClientHello are seen to be such, and what answers.

        ``reservation`` is the one of ``spend_key``, not left yet, else :class:`UsageError`. Raises :class:`PeerError`.
        """
        same_token(reservation, self.spend_key)
        # req: privproc1/9.2 gateway-states
        exchange, forward = self._take()
        return forwardable(forward, exchange.epoch), Forwarded(exchange)


def same_token(reservation: Reservation, spend_key: SpendKey) -> None:
    if reservation.key != spend_key:
        # req: privproc1/4.5 reserved-before-forwarding
        raise UsageError("the reservation is of another token")


def forwardable(forward: Forward, epoch: Epoch) -> bytes:
    """The bytes for the enclave, once Open and its ClientHello are seen to be such. Raises :class:`PeerError`."""
    # req: privproc1/4.5 open-before-forwarding
    ratls.check_client_hello(Open.decode(forward.open).client_hello, epoch.contents.group)
    return forward.encode()


@final
class Forwarded(Step[_Exchange]):
    """A first request on its way to the enclave."""

    __slots__ = ()

    def answer(self, offer: bytes, *, endorsements: bytes, log_proof: bytes, at: int) -> tuple[bytes, Live]:
        """The encapsulated answer with the enclave's offer and what the host staples, and what to keep.

        Raises :class:`LimitError` when these don't fit the directory's size.
        """
        exchange = self._take()
        key = exchange.responder.export(transcript.CONTINUE_EXPORT, 48)
        live = Live(os.urandom(HANDLE_LENGTH), key, 0, at + LEASE)
        content = Opened(live.handle, offer, endorsements, log_proof).encode()
        size = exchange.epoch.contents.down
        # req: privproc1/4.7 too-much-is-refused
        bounded("first answer", len(content) + exchange.overhead, size)
        return exchange.seal(Response(200, (), content), size), live


@final
class ContinueRequest(Step[tuple[_Exchange, Continue]]):
    """A later request. ``handle`` tells which :class:`Live` it belongs to; nobody else's is good for it."""

    __slots__ = ("handle",)

    def __init__(self, exchange: _Exchange, message: Continue) -> None:
        super().__init__((exchange, message))
        self.handle = message.handle

    # req: privproc1/5.2 handles-are-used-once
    def accept(self, live: Live, *, at: int) -> tuple[bytes, Accepted]:
        """The TLS records for the enclave, and what answers. ``live`` must have been removed from where it was kept.

        Raises :class:`ExpiredError`, :class:`SignatureError` for what the session's device didn't send just so,
        :class:`UntrustedError` for a place in the stream that isn't the next. A record that is forged or comes twice
        would kill the TLS session, so it stops here.
        """
        exchange, message = self._take()
        live.check(message, exchange.responder.enc, at=at)
        return message.records, Accepted((exchange, live.key, live.offset + len(message.records)))


@final
class Accepted(Step[tuple[_Exchange, Secret, int]]):
    """A later request on its way to the enclave."""

    __slots__ = ()

    def answer(self, records: bytes, *, ended: bool, at: int) -> tuple[bytes, Live | None]:
        """The encapsulated answer with the enclave's records, and what to keep, unless the session has ``ended``.

        The new handle's time begins here: a model may take longer than a handle lasts. Raises :class:`LimitError` for
        more than the largest answer holds.
        """
        exchange, key, offset = self._take()
        handle = os.urandom(HANDLE_LENGTH)
        content = Continued(handle, records).encode()
        needed = bounded("answer", len(content) + exchange.overhead, ANSWER_SIZES[-1])
        size = next(size for size in ANSWER_SIZES if needed <= size)
        # req: privproc1/5.2 no-handle-after-the-end
        live = None if ended else Live(handle, key, offset, at + IDLE)
        return exchange.seal(Response(200, (), content), size), live
