"""The device's half of the composed protocol written out once more, with every part open to change."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from privproc import bhttp, ohttp, ratls
from privproc.http import Request, Response
from privproc.keyconfig import select
from privproc.secret import Secret
from privproc.session import Gateway, Live, OpenRequest, transcript
from privproc.session.gateway import Forwarded
from privproc.session.messages import Continue, Open, Opened
from privproc.session.profile import CONTINUE_PATH, OPEN_PATH, SUITES
from privproc.session.wrapped.messages import HEAD_SIZE
from privproc.session.wrapped.profile import WRAPPED_PATH
from privproc.tokens import MemoryStore, ProofKey, Token
from tests.world.world import DOWN, GATEWAY, NAMESPACE, ROLE, UP, World

AT = 1_800_000_000

Change = Callable[[Request], Request]


class Device:
    """The device's half written out once more, with every part open to change."""

    def __init__(self, world: World, token: tuple[Token, ProofKey] | None = None) -> None:
        self.world = world
        self.directory = world.learn()
        self.token, self.proof_key = token or world.token(self.directory).spend()
        self.selection = self.directory.contents.map(lambda contents: select(contents.keys, SUITES))
        self.open = Open(
            role=ROLE,
            log=world.measurements.log.key.name,
            namespace=NAMESPACE,
            formats=(1,),
            device_required=False,
            policy_id=bytes(32),
            nonce=bytes(32),
            suites=((0x647A, 2, 2), (0x20, 1, 1)),
            client_hello=ratls.connect(world.group)[0],
        ).encode()
        self.key = Secret(b"")

    def first(
        self, change: Change = lambda it: it, *, pop: bytes = b"", proof: bytes = b"", size: int = UP
    ) -> tuple[bytes, Any]:
        outgoing, statement = self._begin(), self.proof_key.statement
        self.th1 = transcript.opened(self.directory.package, self.outer, self.open)
        self.key = outgoing.export(transcript.CONTINUE_EXPORT, 48)
        parts = pop or statement, proof or self.proof_key.sign(self.th1)
        inner = Request("POST", "https", GATEWAY, OPEN_PATH, (AUTHORIZATION(self.token), PROOF(*parts)), self.open)
        return outgoing.seal(bhttp.encode_request(change(inner), size=size - ohttp.request_overhead(outgoing.suite)))

    def wrapped(self, message: bytes, *, head: bytes = b"") -> tuple[bytes, Any]:
        """``message`` in wrapped mode; the proof is about ``head``, if that is another than the message's."""
        outgoing = self._begin()
        thw = transcript.wrapped(self.directory.package, self.outer, head or message[:HEAD_SIZE])
        fields = AUTHORIZATION(self.token), PROOF(self.proof_key.statement, self.proof_key.sign(thw))
        inner = Request("POST", "https", GATEWAY, WRAPPED_PATH, fields, message)
        return outgoing.seal(bhttp.encode_request(inner))

    def _begin(self) -> ohttp.Outgoing:
        """An exchange, and ``outer`` for it."""
        outgoing = ohttp.begin(self.selection, at=self.world.at)
        ids = b"".join(
            int(part).to_bytes(2, "big") for part in (outgoing.suite.kem, outgoing.suite.kdf, outgoing.suite.aead)
        )
        exported = outgoing.export(transcript.OUTER_EXPORT, 32)
        fields = (outgoing.key_config, ids, outgoing.enc, exported, self.token.encode(), self.proof_key.statement)
        self.outer = transcript.outer(*fields)
        return outgoing

    def more(self, handle: bytes, offset: int, records: bytes, /, **changes: Any) -> tuple[bytes, Any]:
        outgoing = ohttp.begin(self.selection, at=self.world.at)
        mac = transcript.continuation_mac(self.key, handle, offset, outgoing.enc, records)
        message = replace(Continue(handle, offset, mac, records), **changes).encode()
        inner = Request("POST", "https", GATEWAY, CONTINUE_PATH, (), message)
        return outgoing.seal(bhttp.encode_request(inner))


def AUTHORIZATION(token: Token) -> tuple[bytes, bytes]:
    return b"authorization", token.authorization()


def PROOF(pop: bytes, proof: bytes) -> tuple[bytes, bytes]:
    data = len(pop).to_bytes(2, "big") + pop + len(proof).to_bytes(2, "big") + proof
    return b"privproc-proof", base64.urlsafe_b64encode(data)


def gateway(world: World) -> Gateway:
    return world.server.gateway


def read(world: World, wire: bytes, at: int = AT) -> Any:
    return gateway(world).open(wire, at=at).read(at=at)


def opened(world: World, device: Device, at: int = AT) -> Live:
    """A first exchange, its offer of no interest."""
    wire, pending = device.first()
    _, forwarded = forward(read(world, wire, at), at)
    sealed, live = forwarded.answer(b"offer", endorsements=b"", log_proof=b"", at=at)
    response = bhttp.decode_response(pending.finish(sealed))
    assert Opened.decode(response.content) == Opened(live.handle, b"offer", b"", b"")
    assert len(sealed) == DOWN
    return live


def forward(message: Any, at: int = AT) -> tuple[bytes, Forwarded]:
    """With a reservation in a store of its own."""
    assert isinstance(message, OpenRequest)
    return message.forward(MemoryStore(1).reserve(message.spend_key, at=at, lease=30))


def refused(pending: Any, response: Response, size: int = DOWN) -> bool:
    """Whether it is *the* refusal; nothing but the ciphertext differs between two."""
    assert (response.status, response.fields) == (200, ((b"content-type", b"message/ohttp-res"),))
    assert len(response.content) == size
    inner = pending.finish(response.content)
    return inner == bhttp.encode_response(Response(403), size=len(inner))
