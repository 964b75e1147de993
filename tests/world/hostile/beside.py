"""What is shown beside an enclave's evidence: its machine's GPU, and a model's enclave behind it with its GPUs."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from unittest import mock

from privproc import ledger
from privproc.attestation import VerifiedEvidence
from privproc.attestation.forwarded import BACK_END, CommittedBackEnd, ForwardedEvidence
from privproc.attestation.nvidia import Reference, appraisal
from privproc.errors import ExpiredError, PolicyError, UntrustedError
from privproc.session import beside
from privproc.session.beside import Beside
from privproc.session.messages import Devices, Offer
from tests.world.behind import Behind, Model
from tests.world.device import Chat
from tests.world.hostile.run import any_binding, any_transcript, ask, catalogue, first_request, get_token, only
from tests.world.nvidia import FakeDevice
from tests.world.removed import removed

run = catalogue("host, beside the evidence", Behind)
program = catalogue("front end's program", Behind)


def any_evidence() -> AbstractContextManager[object]:
    """Bound to whatever it likes."""
    return only(any_binding(), mock.patch.object(VerifiedEvidence, "expect"))


def any_commitment() -> AbstractContextManager[object]:
    """Nor do the keys of request and answer say what was shown."""
    return only(any_transcript(), mock.patch.object(VerifiedEvidence, "expect"))


def any_back_ends() -> AbstractContextManager[object]:
    return mock.patch.object(beside, "demand_back_ends")


def any_nonce() -> AbstractContextManager[object]:
    return removed(appraisal._nonce, "not hmac.compare_digest(case.report.nonce, case.nonce)", "False")


def altered(world: Behind, change: Callable[[Devices], Devices]) -> None:
    """An ordinary request, with devices in the offer that the host has changed."""

    def offer(data: bytes) -> bytes:
        genuine = Offer.decode(data) if data[:1] != b"\x17" else None
        return data if genuine is None else replace(genuine, devices=change(genuine.devices)).encode()

    world.wire.taps["host → gateway"] = offer
    ask(world)


def earlier(world: Behind) -> Devices:
    """What the enclave showed in another session."""
    world.send(first_request(world, get_token(world))[0])
    return Offer.decode(next(data for name, data in world.wire.crossings if name == "enclave → host")).devices


# The host.


@run("back end taken out of the offer", UntrustedError, lambda: only(any_commitment(), any_back_ends()))
def stripped(world: Behind) -> None:
    """So that nobody sees which model answers."""
    altered(world, lambda devices: tuple(item for item in devices if item[0] != BACK_END))


@run("another front end's back end in the offer", UntrustedError, lambda: only(any_commitment(), any_nonce()))
def swapped(world: Behind) -> None:
    """A genuine model, which this front end has nothing to do with."""
    other = Model(world).attach(world.front(b"another chip"))
    altered(world, lambda devices: (devices[0], other.device))


@run("a GPU of another session in the offer", UntrustedError, lambda: only(any_commitment(), any_nonce()))
def swapped_gpu(world: Behind) -> None:
    gpu, _ = earlier(world)
    altered(world, lambda devices: (gpu, devices[1]))


@run("another machine's GPU in the offer", UntrustedError, any_commitment)
def foreign_gpu(world: Behind) -> None:
    """It signs this session's nonce, as any GPU does for whoever asks."""
    nonces: list[bytes] = []
    show = world.machine.beside

    def asked(opening: object) -> list[tuple[int, bytes]]:
        nonces.append(opening.device_nonce(0))  # type: ignore[attr-defined]
        return show(opening)  # type: ignore[arg-type]

    foreign = FakeDevice(world.at, "another machine's")
    with mock.patch.object(world.machine, "beside", asked):
        altered(world, lambda devices: ((1, foreign.evidence(nonces[0])), devices[1]))


@run("a GPU's evidence from another session", UntrustedError, any_nonce)
def stale_gpu(world: Behind) -> None:
    """The host stands between driver and GPU, so that the enclave itself commits to it."""
    gpu, back_end = earlier(world)
    with mock.patch.object(world.machine, "beside", return_value=[gpu, back_end]):
        ask(world)


@run("a GPU's first evidence again in a renewal", UntrustedError, any_nonce)
def repeated_gpu(world: Behind) -> None:
    chat = Chat(world)
    offer = next(data for name, data in world.wire.crossings if name == "enclave → host")
    with mock.patch.object(world.machine, "beside", return_value=Offer.decode(offer).devices):
        chat.renew()


@run(
    "a GPU in a state that nobody published",
    PolicyError,
    lambda: removed(Reference.check, "measured.get(index + 1) not in good", "False"),
)
def other_firmware(world: Behind) -> None:
    gpu = world.machine.gpus[0]
    changed = {**gpu.measurements, 7: bytes(48)}
    evidence = FakeDevice.evidence
    with mock.patch.object(FakeDevice, "evidence", lambda it, nonce: evidence(it, nonce, measurements=changed)):
        world.machine.gpus = (gpu,)
        ask(world)


# The front end, whose code was logged and takes what the device doesn't.


@program("front end says nothing of its back end", PolicyError, any_back_ends)
def silent(world: Behind) -> None:
    world.machine.back_ends = ()
    ask(world)


@program("front end with one back end more", PolicyError, any_back_ends)
def one_more(world: Behind) -> None:
    world.machine.back_ends = [*world.machine.back_ends, world.model.attach(world.machine)]
    ask(world)


@program(
    "front end shows another front end's back end",
    UntrustedError,
    lambda: only(any_evidence(), any_nonce()),  # that of its GPUs follows from the session as well
)
def borrowed(world: Behind) -> None:
    world.machine.back_ends = [Model(world).attach(world.front(b"another chip"))]
    ask(world)


@program(
    "front end shows last week's back end",
    ExpiredError,
    lambda: only(
        removed(CommittedBackEnd.accept, 'check_window("back end\'s session", begin, end, at=at)'),
        mock.patch.object(ForwardedEvidence, "expect"),
        mock.patch.object(Beside, "check"),
        removed(Beside.not_after, "it.not_after for it in self._all()", "1 << 64"),
    ),
)
def last_week(world: Behind) -> None:
    """Which was good then, and may have been replaced since."""
    (back_end,) = world.machine.back_ends
    world.machine.back_ends = [replace(back_end, since=world.at - 7 * 86400)]
    ask(world)


@program(
    "front end with a back end that isn't logged",
    UntrustedError,
    lambda: mock.patch.object(ledger.Logged, "confirm"),
)
def unlogged(world: Behind) -> None:
    world.model.measurement = bytes(47) + b"\1"
    with mock.patch.object(ledger.Logged, "confirm"):
        world.machine.back_ends = [world.model.attach(world.machine)]
    ask(world)


@program("front end with a back end that hides a GPU", PolicyError, lambda: mock.patch.object(appraisal, "_count"))
def hidden_gpu(world: Behind) -> None:
    """One that nobody has looked at is in use."""
    world.model.gpus = world.model.gpus[:1]
    world.machine.back_ends = [world.model.attach(world.machine)]
    ask(world)


@program(
    "front end with a back end whose evidence is of another session's GPUs",
    UntrustedError,
    any_nonce,
)
def borrowed_gpus(world: Behind) -> None:
    """It commits to them, and the front end looks away."""
    (earlier_,) = world.machine.back_ends
    lax = tuple(check for check in appraisal._CHECKS if check[0] != "nonce")
    with (
        mock.patch.object(Model, "devices", return_value=earlier_.attestation.devices),
        mock.patch.object(appraisal, "_CHECKS", lax),
    ):
        world.machine.back_ends = [world.model.attach(world.machine)]
    ask(world)


@program("front end with a GPU that nobody asked for", PolicyError, None)
def unasked(world: Behind) -> None:
    """Without the check it is no back end, and without that not one in form."""
    front, model = world.contents.services
    world.contents = replace(world.contents, services=(replace(front, devices=None), model))
    world.adopt(world.package(world.epoch))
    ask(world)
