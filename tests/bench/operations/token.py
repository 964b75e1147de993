"""Tokens and blind signatures."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator

from privproc import blindrsa, tokens
from privproc.blindrsa import Backend, OpenSSL, Variant
from privproc.errors import UsageError
from privproc.secret import Secret
from tests.bench import floors
from tests.bench.floors import Floor
from tests.bench.measure import Operation
from tests.bench.parties import AT, parties

TOKENS = 100_000


def operations() -> Iterator[Operation]:
    yield redemption()
    yield from blind_signatures()
    yield wallet()


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
    factor = b"\7".rjust(public.size, b"\0")
    blinded, pending = blindrsa._derand_blind(variant, public, prepared, bytes(48), factor)
    answer = blindrsa.blind_sign(private, blinded)
    signature = pending.finish(answer)

    def started() -> blindrsa.PendingSignature:
        return blindrsa._derand_blind(variant, public, prepared, bytes(48), factor)[1]

    def client(waiting: blindrsa.PendingSignature) -> object:
        return blindrsa.blind(variant, public, prepared), waiting.finish(answer)

    yield Operation("blind RSA-2048: blind", lambda _: blindrsa.blind(variant, public, prepared), floors.blind())
    yield Operation("blind RSA-2048: sign", lambda _: blindrsa.blind_sign(private, blinded), floors.blind_sign())
    yield from raw_signatures(private, blinded)
    yield Operation("blind RSA-2048: finish", lambda waiting: waiting.finish(answer), floors.finish(), prepare=started)
    yield Operation("blind RSA-2048: blind and finish", client, None, prepare=started, limit=200)
    yield Operation(
        "blind RSA-2048: verify",
        lambda _: blindrsa.verify(variant, public, prepared, signature),
        floors.verify(),
        1 / 0.8,
    )


def raw_signatures(private: blindrsa.PrivateKey, blinded: bytes) -> Iterator[Operation]:
    """Signing, checked, beside the raw private operation of each backend."""
    rows: list[tuple[str, Backend | OpenSSL, Floor, float | None]] = [
        ("pycryptodome", Backend.PYCRYPTODOME, floors.raw_sign(), None),
        ("gmpy2", Backend.GMPY2, floors.raw_sign_gmpy2(), None),
    ]
    with contextlib.suppress(UsageError):  # a system without a libcrypto
        rows.append(("libcrypto", OpenSSL(), floors.raw_sign_openssl(), 1e6 / 2500))
    for name, backend, floor, limit in rows:
        key = blindrsa.PrivateKey.decode_pkcs8(private.encode_pkcs8(), backend=backend)
        sign = functools.partial(blindrsa.blind_sign, key, blinded)
        yield Operation(f"blind RSA-2048: sign, {name}", lambda _, sign=sign: sign(), floor, 1 / 0.85, limit=limit)


def wallet() -> Operation:
    """The records stand for tokens of type 0x0002, whatever is in them."""
    source = tokens.Source(tokens.BLIND_RSA, bytes(32), bytes(32))
    held, key = tokens.Wallet(), Secret(bytes(32))
    held.plan(source, count=TOKENS, opens=AT, closes=AT + 1, expires=AT + 2, at=AT)
    held._pools[source].records += bytes(held._pools[source].size) * TOKENS
    data = held.save(key)
    return Operation(
        f"wallet of {TOKENS} tokens: load", lambda _: tokens.Wallet.load(data, key), None, limit=1e6, batches=10
    )
