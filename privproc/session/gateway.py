"""The gateway: steps from an encapsulated request to an encapsulated answer (docs/protocol.md §4 and §5).

It learns that somebody with a token asks, never who or what. It calls no store and no enclave: what is to be spent,
forwarded and kept comes out as values, and the caller brings the results back, in this order::

    exchange = gateway.open(wire, at=now)                     # PeerError: answer with gateway.reject(error)
    message  = exchange.read(at=now)                          # from here on: answer with exchange.refuse()

    OpenRequest:      reservation = store.reserve(message.spend_key, at=now, lease=...)
                      forward = message.forward()             # to the enclave; on failure release the reservation
                      ... once forwarded, store.commit(reservation, at=now)
                      wire, live = message.answer(offer, endorsements=..., log_proof=..., at=now)

    ContinueRequest:  live = the value kept under message.handle, removed
                      records = message.accept(live, at=now)  # to the enclave
                      wire, live = message.answer(records_back, at=now)
"""

from __future__ import annotations

import base64
import binascii
import hmac
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, final

from privproc import bhttp, ohttp, ratls
from privproc._step import Step
from privproc.errors import DecodeError, PeerError, SignatureError, UntrustedError, UsageError
from privproc.http import Fields, Request, Response, single
from privproc.keyconfig import GatewayKey, KeyRing
from privproc.secret import Secret
from privproc.session import transcript
from privproc.session.directory import Contents, Directory
from privproc.session.messages import HANDLE_LENGTH, Continue, Continued, Forward, Open, Opened
from privproc.session.profile import CONTINUE_PATH, LEASE, LIFETIME, OPEN_PATH, PROOF_FIELD, REFUSED
from privproc.tokens import Origin, SpendKey, Token, TokenKey, verify_possession
from privproc.trust import Trusted, _trusted, check_window
from privproc.wire import Reader, bounded

__all__ = ["ANSWER_SIZES", "GRACE", "ContinueRequest", "Epoch", "Exchange", "Gateway", "Live", "OpenRequest"]

GRACE = 600
"""Seconds for which a gateway takes the last epoch's key and tokens past the boundary."""

ANSWER_SIZES = tuple(1 << bits for bits in range(13, 24))
"""Bytes that an answer's inner message is filled to, 8 KiB to 8 MiB: what the relay learns is which of these it was."""

MAX_REQUEST = 5 << 20


@dataclass(frozen=True, slots=True)
class Epoch:
    """What the gateway holds for one package: its digest and contents, and the private key of its configuration."""

    package: bytes
    contents: Contents
    key: GatewayKey
    token_key: Trusted[TokenKey]

    @classmethod
    def of(cls, directory: Directory, key: GatewayKey, *, at: int) -> Epoch:
        """The epoch of ``directory``, read at ``at``, good until :data:`GRACE` seconds past its end.

        Raises :class:`UsageError` when ``key`` isn't the directory's or doesn't last as long.
        """
        contents = directory.contents.get(at=at)
        if contents.keys.configs != (key.config,):
            raise UsageError("the key is not the directory's")
        end = directory.contents.not_after + GRACE
        if key.not_after != end:
            raise UsageError(f"the key's time must end {GRACE} seconds after the epoch")
        # The device's trust ends with the epoch; the gateway's own, for its own issuer's tokens, with the grace.
        token_key = _trusted(contents.token_key, directory.package, directory.contents.not_before, end)
        return cls(directory.package, contents, key, token_key)


class Gateway:
    """Opens what the relay brings, with the keys of the present epoch and of the last in its grace."""

    __slots__ = ("_epochs", "_ohttp", "_origin")

    def __init__(self, epochs: Sequence[Epoch]) -> None:
        self._epochs = {epoch.key.config.encode(): epoch for epoch in epochs}
        self._ohttp = ohttp.Gateway(KeyRing([epoch.key for epoch in epochs]), max_request=MAX_REQUEST)
        self._origin = Origin([epoch.token_key for epoch in epochs])

    def open(self, wire: bytes, *, at: int) -> Exchange:
        """Decapsulate. What this raises is answered in the clear, with :meth:`reject`."""
        message, responder = self._ohttp.open(wire, at=at)
        return Exchange(_Exchange(message, responder, self._epochs[responder.key_config], self._origin))

    @staticmethod
    def reject(error: PeerError) -> Response:
        """The answer in the clear to what :meth:`open` raised (RFC 9458 §5.2)."""
        problem = ohttp.problem_for(error, ohttp.Place.BEFORE_DECAPSULATION)
        fields = ((b"content-type", b"application/problem+json"),)
        return Response(problem.status or 400, fields, problem.encode())


class _Exchange(NamedTuple):
    message: bytes
    responder: ohttp.Responder
    epoch: Epoch
    origin: Origin

    @property
    def overhead(self) -> int:
        """Bytes by which an answer is longer than its content, when it has no fields; rounded up."""
        return ohttp.response_overhead(self.responder.suite) + 16

    def seal(self, response: Response, size: int) -> bytes:
        """``response``, filled so that the encapsulated one has ``size`` bytes."""
        inner = size - ohttp.response_overhead(self.responder.suite)
        return self.responder.seal(bhttp.encode_response(response, size=inner))


@final
class Exchange(Step[_Exchange]):
    """A request that was decapsulated: :meth:`read` it, and :meth:`refuse` it if anything after that fails.

    ``replay_key`` and ``until`` are for the caller's :class:`privproc.ohttp.ReplayWindow`.
    """

    __slots__ = ("_exchange", "replay_key", "until")

    def __init__(self, exchange: _Exchange) -> None:
        super().__init__(exchange)
        self._exchange = exchange
        self.replay_key = exchange.responder.replay_key()
        self.until = exchange.responder.until

    def read(self, *, at: int) -> OpenRequest | ContinueRequest:
        """Parse the request; for an opening one check token and proof. Raises :class:`PeerError`."""
        exchange = self._take()
        request = bhttp.decode_request(exchange.message)
        if (request.method, request.scheme, request.authority) != ("POST", "https", exchange.epoch.contents.gateway):
            raise UntrustedError("not a request to this gateway")
        if request.path == OPEN_PATH:
            return _open_request(exchange, request, at)
        if request.path == CONTINUE_PATH:
            return ContinueRequest(exchange, Continue.decode(request.content))
        raise UntrustedError("not a path of this gateway")

    def refuse(self) -> bytes:
        """The one refusal, for whatever reason: a status, padded to the size of a first answer. Once per exchange."""
        exchange = self._exchange
        return exchange.seal(Response(REFUSED), exchange.epoch.contents.down)


def _open_request(exchange: _Exchange, request: Request, at: int) -> OpenRequest:
    responder, epoch = exchange.responder, exchange.epoch
    token = Token.from_authorization(_required(request.fields, b"authorization"))
    redeemed = exchange.origin.redeem(token, challenge=epoch.contents.challenge, at=at)
    pop, proof = _read_proof(_required(request.fields, PROOF_FIELD))
    suite = responder.suite
    outer = transcript.outer(
        responder.key_config,
        b"".join(part.to_bytes(2, "big") for part in (suite.kem, suite.kdf, suite.aead)),
        responder.enc,
        responder.export(transcript.OUTER_EXPORT, 32),
        token.encode(),
        pop,
    )
    th1 = transcript.opened(epoch.package, outer, request.content)
    verify_possession(pop, redeemed.token.nonce, th1, proof)
    return OpenRequest(exchange, Forward(epoch.package, outer, request.content), redeemed.spend_key)


def _required(fields: Fields, name: bytes) -> bytes:
    value = single(fields, name)
    if value is None:
        raise DecodeError("HTTP fields", f"{name.decode()} is missing")
    return value


def _read_proof(value: bytes) -> tuple[bytes, bytes]:
    try:
        data = base64.b64decode(value, altchars=b"-_", validate=True)
    except binascii.Error:
        raise DecodeError("proof of possession", "not base64url") from None
    if base64.urlsafe_b64encode(data) != value:
        raise DecodeError("proof of possession", "not canonical base64url")
    return Reader.all(data, "proof of possession", lambda reader: (reader.vector(2, 1), reader.vector(2, 1)))


@dataclass(frozen=True, slots=True)
class Live:
    """What the gateway keeps of a session between two exchanges, under ``handle`` (32 bytes, single-use).

    ``offset`` counts the device's record bytes so far; ``expires`` is in Unix seconds. Which enclave serves the session
    is for the caller to remember beside it.
    """

    handle: bytes = field(repr=False)
    key: Secret
    offset: int
    expires: int


@final
class OpenRequest(Step[_Exchange]):
    """A first request whose token and proof hold. ``spend_key`` has to be reserved before :meth:`forward`."""

    __slots__ = ("_forward", "spend_key")

    def __init__(self, exchange: _Exchange, forward: Forward, spend_key: SpendKey) -> None:
        super().__init__(exchange)
        self._forward = forward
        self.spend_key = spend_key

    def forward(self) -> bytes:
        """The bytes for the enclave, once Open and its ClientHello are seen to be such. Raises :class:`PeerError`."""
        message = Open.decode(self._forward.open)
        ratls.check_client_hello(message.client_hello, self._state[0].epoch.contents.group)
        return self._forward.encode()

    def answer(self, offer: bytes, *, endorsements: bytes, log_proof: bytes, at: int) -> tuple[bytes, Live]:
        """The encapsulated answer with the enclave's offer and what the host staples, and what to keep.

        Raises :class:`LimitError` when these don't fit the directory's size.
        """
        exchange = self._take()
        key = exchange.responder.export(transcript.CONTINUE_EXPORT, 48)
        live = Live(os.urandom(HANDLE_LENGTH), key, 0, at + LEASE)
        content = Opened(live.handle, offer, endorsements, log_proof).encode()
        size = exchange.epoch.contents.down
        bounded("first answer", len(content) + exchange.overhead, size)
        return exchange.seal(Response(200, (), content), size), live


@final
class ContinueRequest(Step[_Exchange]):
    """A later request. ``handle`` tells which :class:`Live` it belongs to; nobody else's is good for it."""

    __slots__ = ("_message", "_next", "handle")

    def __init__(self, exchange: _Exchange, message: Continue) -> None:
        super().__init__(exchange)
        self._message = message
        self._next: Live | None = None
        self.handle = message.handle

    def accept(self, live: Live, *, at: int) -> bytes:
        """The TLS records for the enclave. ``live`` must have been removed from where it was kept: it is good once.

        Raises :class:`ExpiredError`, :class:`SignatureError` for what the session's device didn't send just so,
        :class:`UntrustedError` for a place in the stream that isn't the next.
        """
        message, responder = self._message, self._state[0].responder
        check_window("handle", 0, live.expires, at)
        mac = transcript.continuation_mac(live.key, live.handle, message.offset, responder.enc, message.records)
        if not hmac.compare_digest(mac, message.mac):
            raise SignatureError("continuation: of another session, or altered")
        if message.offset != live.offset:
            raise UntrustedError("continuation: not the next bytes of the stream")
        self._next = Live(os.urandom(HANDLE_LENGTH), live.key, live.offset + len(message.records), at + LIFETIME)
        return message.records

    def answer(self, records: bytes, *, at: int) -> tuple[bytes, Live]:
        """The encapsulated answer with the enclave's records, and what to keep in place of what was accepted.

        Raises :class:`UsageError` before :meth:`accept`, :class:`LimitError` for more than the largest answer holds.
        """
        live = self._next
        if live is None:
            raise UsageError("accept the request before answering it")
        exchange = self._take()
        content = Continued(live.handle, records).encode()
        needed = bounded("answer", len(content) + exchange.overhead, ANSWER_SIZES[-1])
        size = next(size for size in ANSWER_SIZES if needed <= size)
        check_window("handle", 0, live.expires, at)
        return exchange.seal(Response(200, (), content), size), live
