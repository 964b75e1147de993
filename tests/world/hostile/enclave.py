"""An enclave whose code was logged, and doesn't keep to the protocol."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from unittest import mock

from privproc import hpke, ratls, session
from privproc.errors import DecodeError, PolicyError, UnsupportedError
from privproc.ratls import hello
from privproc.responsekey import answer
from privproc.session import attested, enclave, frames, messages, pipe
from privproc.tagged import lp
from tests.world.device import Chat, Piped
from tests.world.hostile.run import QUESTION, ask, catalogue, only
from tests.world.removed import removed
from tests.world.world import World

run = catalogue("enclave")


OTHER = hpke.Suite(hpke.Kem.X25519_SHA256, hpke.Kdf.HKDF_SHA384, hpke.Aead.AES_256_GCM)


@run(
    "enclave takes a suite that wasn't offered",
    PolicyError,
    lambda: removed(attested.attest, "announcement.suite not in demands.anchors.suites or ", ""),
)
def downgraded(world: World) -> None:
    world.machine.enclave = replace(world.machine.enclave, suites=(OTHER,))
    with removed(session.Enclave.open, "if (it.kem, it.kdf, it.aead) in message.suites", ""):
        ask(world)


@run(
    "new evidence under another suite",
    PolicyError,
    lambda: removed(attested.Renewal._appraise, "announcement.suite != old.suite or ", ""),
)
def downgraded_later(world: World) -> None:
    chat = Chat(world)
    begin = enclave._Term.begin
    other = staticmethod(lambda it, _suite, sequence, at: begin(it, OTHER, sequence, at))
    with mock.patch.object(enclave._Term, "begin", other):
        chat.renew()


@run(
    "new evidence of a size of its own",
    PolicyError,
    lambda: only(
        removed(frames.renewals, "size not in RENEWAL_SIZES", "False"),
        removed(messages.Renewed.decode, "len(data) not in RENEWAL_SIZES", "False"),
    ),
)
def marked_renewal(world: World) -> None:
    chat = Chat(world)
    with removed(messages.Renewed.encode, "RENEWAL_SIZES)", "(9000,))"):
        chat.renew()


@run(
    "chunk of a size of its own",
    DecodeError,
    lambda: removed(answer._need, "size - TAG_LENGTH not in CHUNK_SIZES", "False"),
    after_question=True,
)
def marked_chunk(world: World) -> None:
    def fill(prefix: bytes, piece: bytes) -> bytes:
        return (prefix + lp(piece)).ljust(len(prefix) + 777, b"\0")

    with mock.patch.object(answer, "_fill", fill):
        ask(world)


@run(
    "padding that isn't zero",
    DecodeError,
    lambda: mock.patch.object(answer, "unpad", lambda data: data[4 : 4 + int.from_bytes(data[:4], "big")]),
    after_question=True,
)
def marked_padding(world: World) -> None:
    """A channel beside the answer, to whatever reads padding."""

    def fill(prefix: bytes, piece: bytes) -> bytes:
        return (prefix + lp(piece)).ljust(4096, b"\1")

    with mock.patch.object(answer, "_fill", fill):
        ask(world)


@run(
    "data that nothing asked for, in a pipe",
    DecodeError,
    lambda: removed(pipe.Pipe._records, 'raise DecodeError("pipe", "data that nothing asked for")', "continue"),
    after_question=True,
)
def unasked(world: World) -> None:
    finish = enclave.EnclaveReply.finish

    def more(reply: enclave.EnclaveReply, piece: bytes = b"", *, at: int) -> Any:
        records, waiting = finish(reply, piece, at=at)
        reply._channel.send(b"and one more thing")
        return records + reply._channel.data_to_send(), waiting

    piped = Piped(world)
    piped.open()
    with mock.patch.object(enclave.EnclaveReply, "finish", more):
        piped.ask(QUESTION)  # whole, whatever follows
    piped.pipe.data_to_send()


@run(
    "enclave takes a weaker TLS group",
    UnsupportedError,
    lambda: only(
        removed(hello.check_server_hello, "hello.group != group", "False"),
        mock.patch.object(hello, "_check_size"),  # of the other group's share
    ),
)
def weaker_group(world: World) -> None:
    """All devices' hellos have a share for it, since all are alike; the directory says which one is to be taken."""
    world.machine.enclave = replace(world.machine.enclave, group=ratls.Group.X25519)
    ask(world)
