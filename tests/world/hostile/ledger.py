"""A hostile log."""

from __future__ import annotations

import hashlib
from contextlib import AbstractContextManager
from dataclasses import replace
from unittest import mock

from privproc import ledger
from privproc.errors import ExpiredError, PolicyError, SignatureError, UntrustedError
from privproc.ledger import merkle, proof
from tests.world.hostile.run import allows_old_logs, ask, catalogue
from tests.world.ledger import Ledger
from tests.world.removed import removed
from tests.world.world import DAY, World

run = catalogue("log")


@run("ledger proof too old", ExpiredError, allows_old_logs)
def old_proof(world: World) -> None:
    world.host.log_proof = lambda at: world.measurements.prove(world.measured, at - 2 * DAY)
    ask(world)


@run(
    "tree that no witness has cosigned",
    UntrustedError,
    lambda: mock.patch.object(proof, "_witnessed", lambda _note, _log, at: at),
)
def no_witness(world: World) -> None:
    """What a log would show to one device only."""
    world.host.log_proof = lambda at: world.measurements.prove(world.measured, at, signed_by=[])
    ask(world)


@run(
    "one witness counted twice",
    UntrustedError,
    lambda: mock.patch.object(proof, "_witnessed", lambda _note, _log, at: at),
)
def one_witness(world: World) -> None:
    signers = [world.measurements.witnesses[0]] * 2
    world.host.log_proof = lambda at: world.measurements.prove(world.measured, at, signed_by=signers)
    ask(world)


def any_tree() -> AbstractContextManager[object]:
    return removed(
        ledger.verify,
        "head.size < floor.size or (head.size == floor.size and head.root != floor.root)",
        "False",
    )


@run("tree below the package's checkpoint", UntrustedError, any_tree)
def below_floor(world: World) -> None:
    world.measurements.append(world.entry(role="translate"))
    world.start(world.epoch)
    world.host.log_proof = lambda at: world.measurements.prove(world.measured, at, size=1)
    ask(world)


@run("another tree of the checkpoint's size", UntrustedError, any_tree)
def split_view(world: World) -> None:
    """Log and witnesses together show this device a tree of its own."""
    own = Ledger(world.measurements.log.key.name)
    world.machine.measurement = hashlib.sha384(b"nobody else has seen this image").digest()
    own.append(world.entry(digest=world.machine.measurement))
    world.host.log_proof = lambda at: own.prove(0, at)
    ask(world)


@run("entry that isn't in the tree", SignatureError, lambda: mock.patch.object(merkle, "verify_inclusion"))
def not_included(world: World) -> None:
    world.machine.measurement = hashlib.sha384(b"nobody has logged this image").digest()
    entry = world.entry(digest=world.machine.measurement).encode()
    world.host.log_proof = lambda at: replace(
        ledger.Proof.decode(world.measurements.prove(world.measured, at)), extra=entry
    ).encode()
    ask(world)


@run("entry past its end", ExpiredError, allows_old_logs)
def past_end(world: World) -> None:
    index = world.measurements.append(world.entry(not_after=world.at))
    world.host.log_proof = lambda at: world.measurements.prove(index, at)
    ask(world)


@run(
    "security version under the package's minimum",
    PolicyError,
    lambda: removed(ledger.verify, "entry.security_version < minimum_version", "False"),
)
def old_version(world: World) -> None:
    """Old code that is known to be broken, and is in the log for ever."""
    index = world.measurements.append(world.entry(security_version=6))
    world.host.log_proof = lambda at: world.measurements.prove(index, at)
    ask(world)


@run("cosigned in the future", ExpiredError, lambda: removed(proof._witnessed, "if time <= at + SKEW", ""))
def in_the_future(world: World) -> None:
    """A checkpoint that would never grow old."""
    world.host.log_proof = lambda at: world.measurements.prove(world.measured, at + DAY)
    ask(world)
