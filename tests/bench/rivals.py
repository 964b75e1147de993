"""The same work by somebody else's code, in the same run: Python's own ``pow``, PyPI's ``voprf`` (Rust) and circl (Go).

What stands in the column of the floor is their time for what the row names; each side decodes what it receives and
encodes what it sends. circl runs in the driver of the interoperability tests.
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import voprf as rust

from privproc import blindrsa, voprf
from privproc.voprf import P384_SHA384, RISTRETTO255_SHA512, Suite
from tests.bench.floors import Call, Floor
from tests.bench.floors.primitives import rsa_key
from tests.bench.measure import Elsewhere, Operation
from tests.interop.driver import Driver, UnavailableError

BATCH = 30
INPUTS = [os.urandom(98) for _ in range(BATCH)]
ROUNDS = 3
HEAVY = 5  # batches of operations that take tens of milliseconds


@contextmanager
def circl() -> Iterator[Driver | None]:
    """Its driver, or nothing where it can't be had."""
    try:
        driver = Driver("tokens/go")
    except UnavailableError as error:
        print(f"no rows beside circl: {error}", file=sys.stderr)
        yield None
        return
    try:
        yield driver
    finally:
        driver.close()


def operations(driver: Driver | None) -> Iterator[Operation]:
    yield portable()
    yield from pseudorandom("VOPRF P-384", P384_SHA384, rust.p384, 1.0)
    yield from pseudorandom("VOPRF ristretto255", RISTRETTO255_SHA512, rust.ristretto, 1 / 0.55)
    if driver is not None:
        yield from beside_circl(driver)


def portable() -> Operation:
    """The default private operation beside ``pow`` without CRT."""
    private, numbers = blindrsa.PrivateKey(rsa_key(2048)), rsa_key(2048).private_numbers()
    data = bytes(1) + b"\x5a" * 255
    plain = functools.partial(pow, int.from_bytes(data, "big"), numbers.d, numbers.public_numbers.n)
    floor = Floor(Call(1, "pow", "RSASP1 without CRT", plain))
    return Operation(
        "blind RSA-2048: sign, beside pow", lambda _: blindrsa.blind_sign(private, data), floor, 1 / 4, batches=50
    )


class Ours:
    """An issuer and a client of :mod:`privproc.voprf`."""

    def __init__(self, suite: Suite) -> None:
        key = voprf.PrivateKey.generate(suite)
        self.server, self.client = voprf.VoprfServer(key), voprf.VoprfClient(key.public_key)
        self.blinded, _ = self.client.blind(INPUTS)

    def issue(self, _: object) -> object:
        return self.server.blind_evaluate(self.blinded)

    def waiting(self) -> tuple[voprf.PendingVerifiedOutputs, tuple[bytes, ...], bytes]:
        blinded, pending = self.client.blind(INPUTS)
        return pending, *self.server.blind_evaluate(blinded)

    def ask(self, waiting: tuple[voprf.PendingVerifiedOutputs, tuple[bytes, ...], bytes]) -> object:
        pending, evaluated, proof = waiting
        return self.client.blind(INPUTS), pending.finish(evaluated, proof)


def pseudorandom(name: str, suite: Suite, library: ModuleType, bound: float) -> Iterator[Operation]:
    ours, theirs = Ours(suite), Rust(library)
    label = f"{name}, {BATCH} tokens"
    issue = Floor(Call(1, "Evaluator.evaluate_batch", "PyPI voprf", theirs.issue))
    client = Floor(Call(1, "Client.blind, finalize_batch", "PyPI voprf", theirs.ask))
    yield Operation(f"{label}: issue, beside voprf", ours.issue, issue, bound, batches=HEAVY)
    yield Operation(f"{label}: blind and finish, beside voprf", ours.ask, client, bound, ours.waiting, batches=HEAVY)


class Rust:
    """An issuer and a client of PyPI's ``voprf``."""

    def __init__(self, library: Any) -> None:
        self.library = library
        self.evaluator = library.Evaluator(os.urandom(32))
        made = [library.Client.blind(one) for one in INPUTS]
        self.clients, self.blinded = [client for client, _ in made], [blinded.serialize() for _, blinded in made]
        self.answer = self.issue()

    def issue(self) -> bytes:
        elements = [self.library.BlindedInput.deserialize(one) for one in self.blinded]
        return bytes(self.evaluator.evaluate_batch(elements).serialize())

    def ask(self) -> object:
        blinded = [self.library.Client.blind(one)[1].serialize() for one in INPUTS]
        answer = self.library.VerifiableBatchOutput.deserialize(self.answer)
        return blinded, self.library.Client.finalize_batch(self.clients, answer, self.evaluator.public_key)


def beside_circl(driver: Driver) -> Iterator[Operation]:
    ours = Ours(P384_SHA384)

    def time(place: int) -> float:
        took = driver.call("oprf.time", "circl", P384_SHA384.identifier, BATCH, ROUNDS)
        return [took.number() for _ in range(2)][place]

    label = f"VOPRF P-384, {BATCH} tokens"
    for what, run, prepare, place in (
        ("issue", ours.issue, None, 0),
        ("blind and finish", ours.ask, ours.waiting, 1),
    ):
        floor = Elsewhere(f"circl: {what}", functools.partial(time, place))
        one = Operation(f"{label}: {what}, beside circl", run, floor, 1 / 0.75, batches=HEAVY)
        yield one if prepare is None else Operation(one.name, run, floor, one.bound, prepare, batches=HEAVY)
