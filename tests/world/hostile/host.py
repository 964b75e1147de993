"""A hostile host: evidence and what it staples, the first flight of TLS, the answer on its way."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any
from unittest import mock

from privproc import ledger, ratls, responsekey, session
from privproc.attestation.snp import appraisal
from privproc.attestation.snp.rules import GuestRules, PlatformRules
from privproc.errors import DecodeError, OpenError, PolicyError, UntrustedError
from privproc.session import attested, enclave, transcript
from privproc.session.messages import Offer, Open
from tests.world.amd import GUEST_POLICY, PLATFORM_INFO, strict_policy
from tests.world.device import Piped
from tests.world.hostile.run import (
    FORWARD_SIZE,
    any_binding,
    any_transcript,
    ask,
    catalogue,
    first_request,
    get_token,
    only,
    same_nonce,
    split_records,
)
from tests.world.relay import ROUTE
from tests.world.removed import removed
from tests.world.world import ROLE, World

run = catalogue("host")

# Evidence.


@run("evidence of another session", UntrustedError, any_binding)
def evidence_of_another_session(world: World) -> None:
    world.send(first_request(world, get_token(world))[0])
    earlier = next(data for name, data in world.wire.crossings if name == "enclave → host")
    report = Offer.decode(earlier).evidence
    with mock.patch.object(world.machine, "report", return_value=report):
        ask(world)


@run("evidence relayed from another enclave", UntrustedError, any_binding)
def evidence_relayed(world: World) -> None:
    """The host ends TLS itself, and lets a genuine enclave on another chip attest to the same Open."""
    genuine = world.new_machine(seed=b"another chip")
    forwarded: list[bytes] = []

    def keep(forward: bytes) -> bytes:
        forwarded.append(forward)
        return forward

    world.wire.taps["host → enclave"] = keep
    impostor = world.machine

    def relayed(_report_data: bytes) -> bytes:
        return Offer.decode(genuine.open(1, forwarded[-1], world.at)).evidence

    impostor.chip = genuine.chip
    with mock.patch.object(impostor, "report", relayed):
        ask(world)


@run(
    "Open altered on the way",
    UntrustedError,
    any_transcript,  # the transcript of the request would differ too: both have to be made blind to Open
)
def altered_open(world: World) -> None:
    def other_policy(forward: bytes) -> bytes:
        if len(forward) != FORWARD_SIZE:
            return forward
        message = Open.decode(forward[96:])
        return forward[:96] + replace(message, policy_id=bytes(32)).encode()

    world.wire.taps["host → enclave"] = other_policy
    ask(world)


@run(
    "enclave of another role",
    UntrustedError,
    lambda: removed(ledger.verify, "(entry.namespace, entry.role) != (namespace, role)", "False"),
)
def wrong_role(world: World) -> None:
    """Code that was logged for another role, in the same namespace, says that it serves this one."""
    measurement = hashlib.sha384(b"the translator's image").digest()
    index = world.measurements.append(world.entry(role="translate", digest=measurement))
    world.machine.measurement = measurement
    world.host.log_proof = lambda at: world.measurements.prove(index, at)
    ask(world)


@run("measurement not in the ledger", UntrustedError, lambda: mock.patch.object(ledger.Logged, "confirm"))
def not_logged(world: World) -> None:
    world.machine.measurement = hashlib.sha384(b"nobody has seen this image").digest()
    ask(world)


@run(
    "debug allowed by the guest policy",
    PolicyError,
    lambda: removed(GuestRules.check, "(value & self._must_clear)", "(value & self._must_clear & ~(1 << 19))"),
)
def debug(world: World) -> None:
    world.machine.report_fields["policy"] = GUEST_POLICY | 1 << 19
    ask(world)


@run(
    "TCB below the floor",
    PolicyError,
    lambda: removed(appraisal._tcb_floor, "case.tcb(raw).below(least)", "()"),
)
def low_tcb(world: World) -> None:
    chip = world.machine.chip
    world.machine.chip = world.amd.chip(b"old", tcb=replace(chip.tcb, microcode=chip.tcb.microcode - 1))
    ask(world)


@run(
    "report TCB above the certificate's",
    UntrustedError,
    lambda: removed(appraisal._certified_tcb, "case.tcb(case.report.reported_tcb) != case.chain.tcb", "False"),
)
def claimed_tcb(world: World) -> None:
    chip = world.machine.chip
    higher = replace(chip.tcb, microcode=chip.tcb.microcode + 1).encode(chip.amd.product)
    world.machine.report_fields |= dict.fromkeys(("reported_tcb", "committed_tcb", "current_tcb"), higher)
    ask(world)


# The answer.


@run(
    "answer cut at a chunk boundary",
    DecodeError,
    lambda: mock.patch.object(session.AnswerChannel, "_check_end"),
    after_question=True,
)
def truncated(world: World) -> None:
    """The host drops the TLS records of the last chunk and of the close."""

    def cut(records: bytes) -> bytes:
        return b"".join(split_records(records)[:-2])

    world.wire.taps["host → gateway"] = lambda data: cut(data) if data[:1] == b"\x17" else data
    ask(world)


@run("chunks of the answer reordered", OpenError, same_nonce, after_question=True)
def reordered(world: World) -> None:
    """The TLS layer is the attacker's: the second and third chunk change places before they go into it."""
    sealed: list[bytes] = []

    def swapped(reply: enclave.EnclaveReply, piece: bytes) -> bytes:
        sealed.append(reply._sealer.send(piece))
        if len(sealed) == 3:
            reply._channel.send(sealed[0] + sealed[2] + sealed[1])
        return reply._channel.data_to_send()

    with mock.patch.object(enclave.EnclaveReply, "send", swapped):
        directory = world.learn()
        world.ask(directory, world.token(directory), b"The harbour trip. Then the harbour cafe. Then the photos.")


# TLS.


@run("TLS resumption offered", None, None)
def resumption(world: World) -> None:
    """OpenSSL's server sends tickets. The next connection must be a full handshake with evidence of its own."""
    ask(world)
    ask(world)
    to_enclave = [data for name, data in world.wire.crossings if name == "host → enclave"]
    hellos = [ratls.ClientHello.decode(Open.decode(data[96:]).client_hello) for data in to_enclave[::2]]
    if any(PRE_SHARED_KEY in hello.extensions for hello in hellos):
        raise PolicyError("the device tried to resume")
    from_enclave = [data for name, data in world.wire.crossings if name == "enclave → host"]
    if len({Offer.decode(data).evidence for data in from_enclave[::2]}) != 2:
        raise PolicyError("evidence was used twice")


PRE_SHARED_KEY = 41


@run("HelloRetryRequest", PolicyError, None)
def retry_request(world: World) -> None:
    """Without the check the handshake can't succeed either: the step takes one flight, and a retry needs two."""

    def retry(data: bytes) -> bytes:
        if data[:1] == b"\x17":
            return data
        (forward,) = (data for name, data in world.wire.crossings if name == "host → enclave")
        session_id = ratls.ClientHello.decode(Open.decode(forward[96:]).client_hello).session_id
        extensions = b"\0\x2b\0\2\3\4" + b"\0\x33\0\2\0\x17"  # TLS 1.3, secp256r1
        body = b"\3\3" + hashlib.sha256(b"HelloRetryRequest").digest() + bytes((len(session_id),)) + session_id
        body += b"\x13\2\0" + len(extensions).to_bytes(2, "big") + extensions
        message = b"\2" + len(body).to_bytes(3, "big") + body
        flight = b"\x16\3\3" + len(message).to_bytes(2, "big") + message
        return replace(Offer.decode(data), flight=flight).encode()

    world.wire.taps["host → gateway"] = retry
    ask(world)


# What the hardware's report says of the machine.


@run(
    "report asked for at another privilege level",
    PolicyError,
    lambda: removed(appraisal._vmpl, "case.report.vmpl != case.policy.vmpl", "False"),
)
def other_vmpl(world: World) -> None:
    """The guest's kernel asks in the enclave's place."""
    world.machine.report_fields["vmpl"] = 1
    ask(world)


@run(
    "configuration that the host adds",
    PolicyError,
    lambda: removed(
        appraisal._host_data, "not hmac.compare_digest(case.report.host_data, case.policy.host_data)", "False"
    ),
)
def own_host_data(world: World) -> None:
    world.machine.report_fields["host_data"] = bytes(31) + b"\1"
    ask(world)


@run("platform without the check for aliased memory", PolicyError, lambda: mock.patch.object(PlatformRules, "check"))
def aliased(world: World) -> None:
    world.machine.report_fields["platform_info"] = PLATFORM_INFO & ~(1 << 5)
    ask(world)


@run(
    "firmware below the floor",
    PolicyError,
    lambda: removed(
        appraisal._firmware_floor,
        "case.report.committed_firmware < least or case.report.current_firmware < least",
        "False",
    ),
)
def old_firmware(world: World) -> None:
    world.machine.report_fields["committed_firmware"] = bytes((1, 55, 1))
    ask(world)


def list_chips(world: World) -> None:
    """Let the directory's policy name the machine's chip, and no other."""
    (service,) = world.contents.services
    listed = replace(service, policy=strict_policy(world.machine.chip))
    world.contents = replace(world.contents, services=(listed,))
    world.adopt(world.package(world.epoch))
    (epoch,) = world.server.gateway._epochs.values()
    world.server.gateway = session.Gateway([replace(epoch, contents=world.contents)])


@run(
    "chip that the policy doesn't list",
    PolicyError,
    lambda: removed(appraisal._signer, "case.chain.hwid not in signer.hwids", "False"),
)
def other_chip(world: World) -> None:
    """One whose key was extracted, say: its reports are as good as genuine otherwise."""
    list_chips(world)
    world.machine.chip = world.amd.chip(b"extracted")
    ask(world)


@run(
    "evidence under another format",
    PolicyError,
    lambda: only(
        removed(attested.attest, " or offer.format not in FORMATS", ""),
        mock.patch.object(transcript, "attested", return_value=bytes(48)),
    ),
)
def other_format(world: World) -> None:
    """To have it read by another parser, and judged by other rules."""

    def renamed(data: bytes) -> bytes:
        return data if data[:1] == b"\x17" else replace(Offer.decode(data), format=2).encode()

    world.wire.taps["host → gateway"] = renamed
    ask(world)


@run("evidence of another session in a pipe", UntrustedError, any_binding)
def pipe_evidence(world: World) -> None:
    world.send(first_request(world, get_token(world))[0])
    earlier = next(data for name, data in world.wire.crossings if name == "enclave → host")
    with mock.patch.object(world.machine, "report", return_value=Offer.decode(earlier).evidence):
        Piped(world).open()


@run("announcement exchanged by the host", UntrustedError, any_transcript)
def own_key(world: World) -> None:
    """For one whose private key the host holds."""
    mine: list[Any] = []

    def replaced(data: bytes) -> bytes:
        if data[:1] == b"\x17":
            return data
        one_time = responsekey.OneTimeKey.generate(world.suite)
        mine.append(one_time)
        announcement = one_time.announce(max_requests=1, lifetime=60).encode()
        return replace(Offer.decode(data), announcement=announcement).encode()

    world.wire.taps["host → gateway"] = replaced
    directory = world.learn()
    flow = session.connect(
        directory, world.token(directory), role=ROLE, relay=ROUTE, anchors=world.anchors, at=world.at
    )
    session.drive(flow, world.send, world.now)
