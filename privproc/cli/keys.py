"""``privproc keys``: makes, rotates and signs key packages. Private keys go to files, never to the terminal."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from privproc import keypackage
from privproc.cli import clock
from privproc.cli.inspect.names import time
from privproc.cli.keystore import SUITE_NAMES, Keystore, Settings
from privproc.cli.source import read_input
from privproc.errors import UsageError
from privproc.keyconfig import KeyConfigs
from privproc.keypackage import Package, Signers, VerifiedPackage

__all__ = ["add_to"]

_DAY, _GRACE = 86400, 600


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The subcommand's arguments."""
    parser = commands.add_parser(
        "keys",
        help="make, rotate and sign key packages",
        description="Make, rotate and sign key packages. A folder holds the signer's key, the gateway's keys by epoch, "
        "and what was signed. Private keys are written to files of mode 0600 and never shown.",
    )
    steps = parser.add_subparsers(metavar="STEP", required=True)
    init = _step(steps, "init", "make a folder with a fresh signer", _init)
    init.add_argument("--purpose", required=True, help="what its packages are for; signed with them")
    init.add_argument("--origin", type=int, required=True, metavar="SECONDS", help="when epoch 0 begins, Unix seconds")
    init.add_argument("--length", type=int, default=_DAY, metavar="SECONDS", help="of an epoch (a day)")
    init.add_argument("--lead", type=int, default=0, metavar="SECONDS", help="from making a key to publishing it (0)")
    init.add_argument(
        "--margin", type=int, default=0, metavar="SECONDS", help="from the end of issuance to an epoch's (0)"
    )
    init.add_argument("--grace", type=int, default=_GRACE, metavar="SECONDS", help="a key works on for so long (600)")
    init.add_argument("--suite", choices=SUITE_NAMES, default="hybrid", help="of the gateway's keys (hybrid)")
    clock.add_at(_step(steps, "rotate", "make the keys that are due, erase those that are over", _rotate))
    configs = _step(
        steps, "configs", "write the configurations that a gateway serves (application/ohttp-keys)", _configs
    )
    clock.add_at(configs)
    configs.add_argument("--output", required=True, type=Path, metavar="FILE")
    sign = _step(steps, "sign", "sign the package of an epoch, once", _sign)
    sign.add_argument("--epoch", type=int, required=True)
    sign.add_argument("--content", metavar="FILE", help="the content, else the list with the epoch's key configuration")
    sign.add_argument("--first", action="store_true", help="there is no package of the epoch before")


def _step(
    steps: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    said: str,
    run: Callable[[argparse.Namespace], None],
) -> argparse.ArgumentParser:
    parser = steps.add_parser(name, help=said, description=f"{said[0].upper()}{said[1:]}.")
    parser.add_argument("folder", type=Path)

    def succeed(arguments: argparse.Namespace) -> int:
        run(arguments)
        return 0

    parser.set_defaults(run=succeed)
    return parser


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


def _init(arguments: argparse.Namespace) -> None:
    names = ("purpose", "suite", "origin", "length", "lead", "margin", "grace")
    settings = Settings(**{name: getattr(arguments, name) for name in names})
    _, signer = Keystore.create(arguments.folder, settings)
    _say(f"signer's public key   {signer.public.public.hex()}")
    _say(f"key identifier        {signer.public.kid.hex()}")


def _rotate(arguments: argparse.Namespace) -> None:
    store, at = Keystore.open(arguments.folder), clock.at(arguments)
    schedule = store.settings.schedule
    wanted, there = [plan.epoch for plan in schedule.live(at=at)], store.epochs()
    for epoch in sorted(set(wanted) - set(there)):
        store.make(epoch)
        _say(f"made     the key of epoch {epoch}, which begins {time(schedule.grid.start(epoch))}")
    for epoch in sorted(set(there) - set(wanted)):
        if epoch > max(wanted, default=epoch):
            raise UsageError(f"the key of epoch {epoch} isn't due yet: is the clock right?")
        store.erase(epoch)
        _say(f"erased   the key of epoch {epoch}")
    _say(f"run it again at {time(schedule.next_time(at=at))}")


def _configs(arguments: argparse.Namespace) -> None:
    store, at = Keystore.open(arguments.folder), clock.at(arguments)
    keys = {epoch: store.gateway(epoch) for epoch in store.epochs()}
    configs = store.settings.schedule.ring(keys, [store.settings.hpke_suite], at=at).configs(at=at)
    arguments.output.write_bytes(configs.encode())
    _say(f"{arguments.output}: key identifier {', '.join(str(it.key_id) for it in configs.entries)}")


def _sign(arguments: argparse.Namespace) -> None:
    store, epoch = Keystore.open(arguments.folder), arguments.epoch
    grid, purpose, signer = store.settings.schedule.grid, store.settings.purpose, store.signer()
    before = store.package(epoch - 1)
    if (before is None) is not arguments.first:
        raise UsageError(
            f"epoch {epoch - 1} has a package, so this isn't the first"
            if arguments.first
            else f"the package of epoch {epoch - 1} is missing; the first one of all is signed with --first"
        )
    package = Package(
        purpose=purpose,
        epoch=epoch,
        not_before=grid.start(epoch),
        not_after=grid.start(epoch + 1),
        previous=b"" if before is None else _checked(store, before, epoch - 1).digest,
        content=_content(store, epoch) if arguments.content is None else read_input(arguments.content),
    )
    data = keypackage.seal(package, signer)
    digest = _checked(store, data, epoch).digest
    _say(f"{store.keep_package(epoch, data)}: {len(data)} bytes, digest {digest.hex()}")


def _checked(store: Keystore, data: bytes, epoch: int) -> VerifiedPackage:
    """The package as a device in its epoch would see it."""
    grid = store.settings.schedule.grid
    signers = Signers.only(store.signer().public)
    return keypackage.verify(data, signers=signers, purpose=store.settings.purpose, grid=grid, at=grid.start(epoch))


def _content(store: Keystore, epoch: int) -> bytes:
    plan = store.settings.schedule.plan(epoch)
    if epoch not in store.epochs():
        raise UsageError(f"there is no key of epoch {epoch}; see privproc keys rotate")
    return KeyConfigs((plan.gateway_key(store.gateway(epoch), [store.settings.hpke_suite]).config,)).encode()
