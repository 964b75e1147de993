"""Hostile hosts against sessions that go on: new evidence, streams, pipes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from types import SimpleNamespace
from typing import Any
from unittest import mock

from privproc import session
from privproc.attestation import snp
from privproc.attestation.snp import appraisal
from privproc.errors import DecodeError, ExpiredError, OpenError, PolicyError, UntrustedError
from privproc.responsekey import answer
from privproc.session import attested, enclave, pipe
from privproc.session.messages import Offer
from privproc.session.pipe import PipeInput, PipeState
from privproc.session.profile import LEASE
from privproc.trust import Trusted
from tests.world.device import Chat, Piped
from tests.world.hostile.run import QUESTION, allows_old_logs, any_binding, catalogue, only
from tests.world.removed import removed
from tests.world.world import DAY, World

run = catalogue("host, in a session that goes on")


def any_renewal() -> AbstractContextManager[object]:
    return only(any_binding(), mock.patch.object(snp.VerifiedEvidence, "expect"))


@run("first evidence again in a renewal", UntrustedError, any_renewal)
def repeated_evidence(world: World) -> None:
    """A machine whose firmware was rolled back since then."""
    chat = Chat(world)
    offer = next(data for name, data in world.wire.crossings if name == "enclave → host")
    with mock.patch.object(world.machine, "report", return_value=Offer.decode(offer).evidence):
        chat.renew()


@run("first evidence again in a pipe's renewal", UntrustedError, any_renewal)
def repeated_in_pipe(world: World) -> None:
    piped = Piped(world)
    piped.open()
    offer = next(data for name, data in world.wire.crossings if name == "enclave → host")
    with mock.patch.object(world.machine, "report", return_value=Offer.decode(offer).evidence):
        piped.renew()


@run(
    "firmware lowered between two attestations",
    PolicyError,
    lambda: removed(appraisal._tcb_floor, "case.tcb(raw).below(least)", "()"),
)
def lowered(world: World) -> None:
    chat = Chat(world)
    chip = world.machine.chip
    world.machine.chip = world.amd.chip(b"old", tcb=replace(chip.tcb, microcode=chip.tcb.microcode - 1))
    chat.renew()


@run("ledger proof too old in a renewal", ExpiredError, allows_old_logs)
def old_proof(world: World) -> None:
    chat = Chat(world)
    world.host.log_proof = lambda at: world.measurements.prove(world.measured, at - 2 * DAY)
    chat.renew()


def short_evidence(world: World) -> None:
    """Let the directory's policy take evidence for two minutes."""
    (service,) = world.contents.services
    short = replace(service, policy=replace(service.policy, max_age=120))
    world.contents = replace(world.contents, services=(short,))
    world.adopt(world.package(world.epoch))


@run("evidence that has become too old", ExpiredError, lambda: mock.patch.object(attested.Attested, "check"))
def too_old(world: World) -> None:
    """A host that keeps the device waiting until what it showed is history."""
    short_evidence(world)
    chat = Chat(world)
    world.at += 121
    world.server.live = {
        handle: (replace(kept, expires=world.at + LEASE), number)
        for handle, (kept, number) in world.server.live.items()
    }
    chat.session.until = world.at + LEASE
    for waiting in world.machine.sessions.values():
        waiting.until = world.at + LEASE
    request, _ = chat.session.ask(QUESTION, at=world.at)
    world.send(request)


def stops_after_one_chunk(world: World) -> AbstractContextManager[object]:
    stream = world.host.stream

    def first(session_: int, records: bytes, *, at: int) -> Iterator[bytes]:
        yield next(stream(session_, records, at=at))

    return mock.patch.object(world.host, "stream", first)


@run(
    "streamed answer cut at a chunk boundary",
    DecodeError,
    lambda: mock.patch.object(session.AnswerChannel, "_check_end"),
    after_question=True,
)
def cut_stream(world: World) -> None:
    """The host stops; the gateway ends the exchange in good order."""
    chat = Chat(world)
    with stops_after_one_chunk(world):
        request, channel = chat.session.stream(QUESTION, at=world.at)
        responses = list(world.stream(request, [request.content]))
    channel.receive_head(responses[0])
    for response in responses:
        channel.receive_data(response.content)
    channel.receive_end(at=world.at)


def ends_anywhere() -> AbstractContextManager[object]:
    answering = {**pipe.TRANSITIONS[PipeState.ANSWERING], PipeInput.END: PipeState.ENDED}
    return mock.patch.object(pipe, "TRANSITIONS", {**pipe.TRANSITIONS, PipeState.ANSWERING: answering})


@run("pipe cut at a chunk boundary", DecodeError, ends_anywhere, after_question=True)
def cut_pipe(world: World) -> None:
    piped = Piped(world)
    piped.open()
    with stops_after_one_chunk(world):
        piped.session.ask(QUESTION, at=world.at)
        list(piped.event())


@run(
    "answer to an earlier question, inside of TLS",
    OpenError,
    lambda: mock.patch.object(answer, "_schedule", lambda suite, *_: (bytes(suite.aead.Nk), bytes(suite.aead.Nn))),
    after_question=True,
)
def earlier_answer(world: World) -> None:
    """The TLS layer is the attacker's. Keys of each answer come from its question and all that was before."""
    chat = Chat(world)
    sealed: list[bytes] = []
    finish = enclave.EnclaveReply.finish

    def repeats(reply: enclave.EnclaveReply, piece: bytes = b"", *, at: int) -> Any:
        channel, out = reply._channel, []
        reply._channel = SimpleNamespace(send=out.append, data_to_send=bytes)
        _, waiting = finish(reply, piece, at=at)
        sealed.append(out[0])
        channel.send(sealed[0])
        return channel.data_to_send(), waiting

    world.machine.pieces = lambda _question: iter(())
    with mock.patch.object(enclave.EnclaveReply, "finish", repeats):
        chat.ask(QUESTION)
        chat.ask(QUESTION)


@run(
    "question under a directory that has ended",
    ExpiredError,
    # Looked at before the question is sealed, and at the use of the gateway's key, which answers a little longer.
    lambda: only(
        mock.patch.object(attested.Attested, "check"),
        removed(Trusted.get, 'check_window("trusted value", self.not_before, self.not_after, at=at)'),
    ),
)
def ended_directory(world: World) -> None:
    """A session that was judged by the last epoch's rules: the new ones may refuse its code."""
    world.at = world.grid.start(world.epoch + 1) - 60
    chat = Chat(world)
    world.at += 60
    chat.session.until = world.at + LEASE
    request, _ = chat.session.ask(QUESTION, at=world.at)
    world.send(request)
