"""Credentials that are shown many times, as far as they are experiments: ARC and ACT."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from privproc.tokens.experimental import act, arc
from tests.bench import floors
from tests.bench.measure import Operation

BITS = 32


def operations() -> Iterator[Operation]:
    yield from rate_limited()
    with contextlib.suppress(OSError):  # a system without libsodium
        yield from credits_(floors.Ristretto())


def rate_limited() -> Iterator[Operation]:
    key = arc.ServerKey.generate(arc.Framing.SIGMA_APRIL_2026)
    wire, pending = arc.request(key.public_key, b"request")
    credential = pending.finish(key.respond(wire))
    shown = credential.presentations(b"context", limit=128).present()

    def started() -> arc.Presentations:
        return credential.presentations(b"context", limit=128, used=100)

    def verify(_: object) -> bytes:
        return key.verify(shown, request_context=b"request", presentation_context=b"context", limit=128)

    name, present = "ARC, limit of 128", arc.Presentations.present
    yield Operation(f"{name}: present", present, floors.arc_present(7), prepare=started, limit=20_000, batches=30)
    yield Operation(f"{name}: verify", verify, floors.arc_verify(7), limit=15_000, batches=30)


def credits_(ristretto: floors.Ristretto) -> Iterator[Operation]:
    parameters = act.Parameters("example", "chat", "bench", "2026-11-29", BITS)
    key, context = act.IssuerKey.generate(parameters), parameters.context(b"context")
    wire, pending = act.request(key.public_key)
    stored = pending.finish(key.respond(wire, amount=1000, context=context), context=context).save()
    spend, left = act.Credits.load(key.public_key, stored).spend(30)
    kept = left.save()
    refund = key.verify(spend, charge=30, context=context).refund()

    def held() -> act.Credits:
        return act.Credits.load(key.public_key, stored)

    def verified(_: object = None) -> act.VerifiedSpend:
        return key.verify(spend, charge=30, context=context)

    def waiting() -> act.PendingRefund:
        return act.PendingRefund.load(key.public_key, kept)

    name = f"ACT, {BITS} bits"
    yield Operation(f"{name}: spend", lambda it: it.spend(30), ristretto.spend(BITS), prepare=held, batches=30)
    yield Operation(f"{name}: verify", verified, ristretto.verify(BITS), batches=30)
    yield Operation(f"{name}: refund", lambda it: it.refund(), ristretto.refund(), prepare=verified, batches=30)
    yield Operation(f"{name}: finish", lambda it: it.finish(refund), ristretto.finish(), prepare=waiting, batches=30)
