"""Hostile mirrors, alone or with the signer of packages."""

from __future__ import annotations

from dataclasses import replace
from unittest import mock

from privproc import keypackage, ledger, session, tokens
from privproc.cose import Sign1
from privproc.errors import ExpiredError, PolicyError, SignatureError, UntrustedError
from privproc.session import Contents, Published
from privproc.trust import Trusted
from tests.world.hostile.run import QUESTION, ask, catalogue, only
from tests.world.mirrors import NAMES as MIRRORS
from tests.world.removed import removed
from tests.world.world import DAY, World, digest, issuer_key

run = catalogue("mirrors")


def second_package(world: World) -> bytes:
    """Another package for the same epoch, rightly signed and logged: what a coerced operator would show one user."""
    return world.publish(world.package(world.epoch, previous=bytes(48)))


@run(
    "one mirror shows another package",
    UntrustedError,
    lambda: removed(keypackage.agree, "len(set(digests.values())) < len(digests)", "False"),
)
def mirror_differs(world: World) -> None:
    world.mirrors.served[MIRRORS[2]] = second_package(world)
    ask(world)


@run(
    "key package rolled back",
    UntrustedError,
    lambda: removed(keypackage.agreement._check_continues, "ahead < 0", "False"),
)
def rolled_back(world: World) -> None:
    """The device has the next epoch's package already, published ahead of its time; the mirrors go back."""
    before = Published.decode(world.published)
    world.mirrors.publish(world.publish(world.package(world.epoch + 1)))
    memory = world.learn().memory
    world.mirrors.publish(replace(before, log_proof=world.packages.prove(0, world.at)).encode())
    directory = world.learn(memory)
    world.ask(directory, world.token(directory), QUESTION)


@run(
    "key package of another purpose",
    PolicyError,
    lambda: removed(keypackage.verify, "package.purpose != purpose", "False"),
)
def wrong_purpose(world: World) -> None:
    world.adopt(world.package(world.epoch, purpose="privproc/1/staging"))
    ask(world)


@run(
    "key package expired",
    ExpiredError,
    # Looked at when the package is verified, and at every use of what it contains.
    lambda: only(
        removed(keypackage.verify, 'check_window("package", start - grid.length, end, at=at)'),
        removed(Trusted.get, 'check_window("trusted value", self.not_before, self.not_after, at=at)'),
    ),
)
def expired(world: World) -> None:
    """Yesterday's package, at first contact, for keys that the gateway still answers for."""
    world.adopt(world.package(world.epoch - 1))
    ask(world)


@run(
    "mirrors silenced for one device",
    UntrustedError,
    lambda: removed(keypackage.agreement._newest, "len(sources) >= threshold", "True"),
)
def silenced(world: World) -> None:
    """One mirror and the signer lie; the relay withholds the others' copies from this device."""
    world.adopt(world.package(world.epoch, previous=bytes(48)))
    for name in MIRRORS[1:]:
        world.mirrors.served[name] = b""
    ask(world)


@run(
    "second package for an epoch that was seen",
    UntrustedError,
    lambda: removed(keypackage.agree, "len(set(digests.values())) < len(digests)", "False"),
)
def second_for_epoch(world: World) -> None:
    """All mirrors and the signer together, for a device that remembers."""
    memory = world.learn().memory
    world.adopt(world.package(world.epoch, previous=bytes(48)))
    directory = world.learn(memory)
    world.ask(directory, world.token(directory), QUESTION)


@run(
    "next package that doesn't continue the one seen",
    UntrustedError,
    lambda: removed(
        keypackage.agreement._check_continues, "ahead == 1 and newest.package.previous != seen.digest", "False"
    ),
)
def broken_chain(world: World) -> None:
    """The device was shown another chain than everybody else, or is about to be."""
    memory = world.learn().memory
    world.mirrors.publish(world.publish(world.package(world.epoch + 1, previous=bytes(48))))
    world.learn(memory)


def adopt_signed(world: World, signed: bytes) -> None:
    """Log a package whose signature was made elsewhere, and let all go by it."""
    with mock.patch("tests.world.world.seal", return_value=signed):
        package = world.package(world.epoch)
        world.mirrors.publish(world.publish(package))
    (epoch,) = world.server.gateway._epochs.values()
    world.server.gateway = session.Gateway([replace(epoch, package=digest(signed))])


@run("key package altered after it was signed", SignatureError, lambda: mock.patch.object(Sign1, "verify"))
def altered_package(world: World) -> None:
    message = Sign1.decode(Published.decode(world.published).package, "package")
    other = world.package(world.epoch, previous=bytes(48)).encode()
    adopt_signed(world, replace(message, payload=other).encode())
    ask(world)


@run("key package of another signer", UntrustedError, None)
def other_signer(world: World) -> None:
    """There is no key to verify it with: none is found under that name."""
    adopt_signed(world, keypackage.seal(world.package(world.epoch), keypackage.Signer.generate()))
    ask(world)


@run("key package that isn't logged", UntrustedError, lambda: mock.patch.object(ledger.Logged, "confirm"))
def not_logged(world: World) -> None:
    """A second one, with the proof of the first."""
    honest = Published.decode(world.published)
    world.adopt(world.package(world.epoch, previous=bytes(48)))
    world.mirrors.publish(replace(Published.decode(world.published), log_proof=honest.log_proof).encode())
    ask(world)


@run(
    "key package with a window of its own",
    PolicyError,
    lambda: removed(keypackage.verify, "(package.not_before, package.not_after) != (start, end)", "False"),
)
def own_window(world: World) -> None:
    """A package for one device, that lasts while everybody else's changes."""
    package = world.package(world.epoch)
    world.adopt(replace(package, not_before=package.not_before + 1))
    ask(world)


@run("one mirror runs ahead with a newer tree", None, None)
def runs_ahead(world: World) -> None:
    """The others must not look rolled back for that."""
    world.packages.append(world.entry())
    published = Published.decode(world.published)
    world.mirrors.served[MIRRORS[0]] = replace(published, log_proof=world.packages.prove(0, world.at)).encode()
    memory = world.learn().memory
    world.mirrors.publish(world.published)
    directory = world.learn(memory)
    world.ask(directory, world.token(directory), QUESTION)


@run(
    "key package with an issuer key for each account",
    PolicyError,
    lambda: removed(Contents.__post_init__, "len(self.keys.entries) != 1 or len(self.tokens.token_keys) != 1", "False"),
)
def key_for_each(world: World) -> None:
    """Alike for all who fetch it, and each account is told its own."""
    own = tokens.IssuerKey(issuer_key(world.epoch % 2 ^ 1), world.at - DAY, world.at + DAY).token_key
    both = replace(world.contents.tokens, token_keys=(*world.contents.tokens.token_keys, own))
    with mock.patch.object(Contents, "__post_init__"):
        world.contents = replace(world.contents, tokens=both)
    world.adopt(world.package(world.epoch))
    ask(world)
