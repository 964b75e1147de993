"""Tokens and blind signatures."""

from __future__ import annotations

from collections.abc import Iterator

from privproc import blindrsa, tokens
from privproc.blindrsa import Variant
from tests.bench import floors
from tests.bench.measure import Operation
from tests.bench.parties import AT, parties


def operations() -> Iterator[Operation]:
    yield redemption()
    yield from blind_signatures()


def redemption() -> Operation:
    p = parties()
    contents = p.directory.contents.get(at=AT)
    origin = tokens.Origin([p.directory.contents.map(lambda contents: contents.token_key)])
    token, challenge = p.token, contents.challenge
    return Operation(
        "token redemption", lambda _: origin.redeem(token, challenge=challenge, at=AT), floors.redemption()
    )


def blind_signatures() -> Iterator[Operation]:
    variant = Variant.SHA384_PSS_DETERMINISTIC
    private = blindrsa.PrivateKey.generate()
    public, prepared = private.public_key, bytes(98)
    blinded, _ = blindrsa._derand_blind(variant, public, prepared, bytes(48), 7)
    answer = blindrsa.blind_sign(private, blinded)
    yield Operation("blind RSA-2048: blind", lambda _: blindrsa.blind(variant, public, prepared), floors.blind())
    yield Operation("blind RSA-2048: sign", lambda _: blindrsa.blind_sign(private, blinded), floors.blind_sign())
    yield Operation(
        "blind RSA-2048: finish",
        lambda pending: pending.finish(answer),
        floors.finish(),
        prepare=lambda: blindrsa._derand_blind(variant, public, prepared, bytes(48), 7)[1],
    )
