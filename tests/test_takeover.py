"""A device across the takeover of the package signer, in the whole world: mirrors, log, directory."""

from __future__ import annotations

from dataclasses import replace

import pytest

from privproc import session
from privproc.errors import PolicyError, UntrustedError
from privproc.keypackage import SIGNERS, Signer, Signers, Term
from privproc.keypackage.signers import LAST_EPOCH
from privproc.session import Anchors, Memory, Published
from tests.world.mirrors import NAMES
from tests.world.world import DAY, World

AT = 1_900_000_000
NEXT = Signer.generate()


def announced(world: World, first: int) -> bytes:
    """What mirrors serve: the present signer's list, by which ``NEXT`` takes over in epoch ``first``."""
    listed = Signers((Term(world.signer.public, 0, first - 1), Term(NEXT.public, first, LAST_EPOCH)))
    return world.publish(world.package(world.epoch, purpose=SIGNERS, content=listed.encode()))


def learn_signers(world: World, served: bytes) -> tuple[Anchors, Memory]:
    copies = [(name, served) for name in NAMES]
    return session.learn_signers(copies, world.anchors, memory=Memory.first(world.anchors), at=world.at)


def test_a_device_goes_on_with_the_next_signer() -> None:
    world = World(AT)
    before = world.anchors
    memory = world.learn().memory
    anchors, kept = learn_signers(world, announced(world, world.epoch + 2))
    assert kept.seen is not None
    assert kept.seen.epoch == world.epoch
    assert replace(anchors, signers=before.signers) == before

    world.at += 2 * DAY
    world.epoch += 2
    world.signer = NEXT
    world.start(world.epoch)
    world.adopt(world.package(world.epoch, previous=bytes(48)))
    directory = session.learn(world.fetch(), anchors, memory=memory, at=world.at)
    assert directory.memory.seen is not None
    assert directory.memory.seen.epoch == world.epoch
    with pytest.raises(UntrustedError):
        session.learn(world.fetch(), before, memory=memory, at=world.at)


def test_a_list_that_isnt_logged_is_refused() -> None:
    world = World(AT)
    served = Published.decode(announced(world, world.epoch + 2))
    other = Published.decode(world.published)  # a proof for the directory
    with pytest.raises(UntrustedError):
        learn_signers(world, replace(served, log_proof=other.log_proof).encode())


def test_a_directory_isnt_a_list_of_signers() -> None:
    world = World(AT)
    with pytest.raises(PolicyError, match="purpose"):
        learn_signers(world, world.published)


def test_no_takeover_of_an_epoch_that_may_be_published() -> None:
    world = World(AT)
    with pytest.raises(UntrustedError, match="another signer"):
        learn_signers(world, announced(world, world.epoch + 1))
