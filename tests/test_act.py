"""ACT: what is left after spends and refunds, and everything that must not pass. Its vectors run with the others."""

from __future__ import annotations

import pytest
from Crypto.Math.Numbers import Integer
from hypothesis import given
from hypothesis import strategies as st

from privproc.errors import (
    DecodeError,
    LimitError,
    PeerError,
    PolicyError,
    ReplayError,
    SignatureError,
    SpentError,
    UntrustedError,
    UsageError,
)
from privproc.secret import Secret
from privproc.tokens import MemoryStore, SpendKey
from privproc.tokens.experimental import act
from privproc.tokens.experimental.act import client, messages
from privproc.tokens.experimental.act.parameters import GROUP, SUITE, Parameters
from tests.codec import check_contract

PARAMETERS = Parameters("example", "chat", "test", "2026-11-29", 3)
KEY = act.IssuerKey.generate(PARAMETERS)
CONTEXT = PARAMETERS.context(b"context")


def issue(amount: int = 5, *, key: act.IssuerKey = KEY, context: bytes = CONTEXT) -> act.Credits:
    wire, pending = act.request(key.public_key)
    assert len(wire) == act.REQUEST_SIZE
    response = key.respond(wire, amount=amount, context=context)
    assert len(response) == act.RESPONSE_SIZE
    return pending.finish(response, context=context)


STORED = issue().save()


def held() -> act.Credits:
    """Five credits, without an issuance for each test."""
    return act.Credits.load(KEY.public_key, STORED)


SPEND, PENDING = held().spend(2)
PENDING_STORED = PENDING.save()
REFUND = KEY.verify(SPEND, charge=2, context=CONTEXT).refund(returned=1)


def pending() -> act.PendingRefund:
    return act.PendingRefund.load(KEY.public_key, PENDING_STORED)


@pytest.mark.parametrize("amount", [0, 1, 4, 7])
@pytest.mark.parametrize("bits", [1, 3])
def test_every_charge_and_refund(amount: int, bits: int) -> None:
    """Of a balance of zero up to the largest: the edges of bits, charges and refunds."""
    parameters = Parameters("example", "chat", "test", "2026-11-29", bits)
    key, context = act.IssuerKey.generate(parameters), parameters.context(b"")
    amount = min(amount, 2**bits - 1)
    stored = issue(amount, key=key, context=context).save()
    for charge in {0, amount // 2, amount}:
        credits_ = act.Credits.load(key.public_key, stored)
        assert (credits_.balance, credits_.context) == (amount, context)
        wire, waiting = credits_.spend(charge)
        assert len(wire) == act.spend_size(parameters)
        spend = key.verify(wire, charge=charge, context=context)
        assert spend.nullifier == wire[:32]
        refund = spend.refund(returned=charge // 2)
        assert len(refund) == act.REFUND_SIZE
        left = waiting.finish(refund)
        assert left.balance == amount - charge + charge // 2
        assert left.context == context


def test_a_chain_of_spends() -> None:
    """Each one has a nullifier of its own, and nothing but charge and context of what the issuer saw before."""
    wire, waiting = act.request(KEY.public_key)
    response = KEY.respond(wire, amount=7, context=CONTEXT)
    credits_, seen = waiting.finish(response, context=CONTEXT), words(wire) | words(response)
    for charge, returned in ((3, 1), (0, 0), (2, 2), (5, 0)):
        wire, left = credits_.spend(charge)
        refund = KEY.verify(wire, charge=charge, context=CONTEXT).refund(returned=returned)
        shown = words(wire[:32] + wire[96:]) | words(refund[:64] + refund[96:])
        assert not shown & seen
        seen |= shown
        credits_ = left.finish(refund)
    assert credits_.balance == 0


def words(wire: bytes) -> set[bytes]:
    """All strings of 32 bytes in it."""
    return {wire[at : at + 32] for at in range(len(wire) - 31)}


def test_a_balance_and_a_charge_stay_below_the_order() -> None:
    """As they don't with the draft's largest L: what is left could then be a number of L bits, and more."""
    assert 2 * (2**act.MAX_BITS - 1) < int(SUITE.order) < 2 * (2**252 - 1)


def test_the_nullifier_is_spent_once() -> None:
    """Two spends of the same credits, of which the store takes one."""
    store = MemoryStore(10)
    first, second = (KEY.verify(held().spend(charge)[0], charge=charge, context=CONTEXT) for charge in (1, 2))
    store.commit(store.reserve(SpendKey(bytes(32), first.nullifier, 100), at=0, lease=10), at=1)
    with pytest.raises(ReplayError):
        store.reserve(SpendKey(bytes(32), second.nullifier, 100), at=2, lease=10)


def test_another_charge_or_context() -> None:
    with pytest.raises(PolicyError):
        KEY.verify(SPEND, charge=1, context=CONTEXT)
    with pytest.raises(UntrustedError):
        KEY.verify(SPEND, charge=2, context=PARAMETERS.context(b"other"))


def test_a_refund_that_does_not_fit() -> None:
    """Three are left, and five returned would be eight."""
    with pytest.raises(LimitError):
        pending().finish(REFUND[:64] + PARAMETERS.amount(5) + REFUND[96:])


def test_more_than_there_is() -> None:
    credits_ = held()
    with pytest.raises(LimitError):
        credits_.spend(6)
    for charge in (-1, 8):
        with pytest.raises(UsageError):
            credits_.spend(charge)
    wire, _ = credits_.spend(5)  # a refused charge used nothing up
    with pytest.raises(SpentError):
        credits_.spend(0)
    spend = KEY.verify(wire, charge=5, context=CONTEXT)
    for returned in (-1, 6):
        with pytest.raises(UsageError):
            spend.refund(returned=returned)
    spend.refund(returned=5)
    with pytest.raises(SpentError):
        spend.refund()


def test_a_client_that_ignores_its_balance() -> None:
    """What is left would be negative, and has no bits that add up to it."""
    wire, _ = client._spend(held()._take(), 5)
    KEY.verify(wire, charge=5, context=CONTEXT)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            client._Bits, "of", classmethod(lambda cls, parameters, number, of=client._Bits.of: of(parameters, 0))
        )
        patch.setattr(Parameters, "amount", lambda self, value: (value % int(SUITE.order)).to_bytes(32, "little"))
        wire, _ = client._spend(held()._take(), 6)
    with pytest.raises(SignatureError):
        KEY.verify(wire, charge=6, context=CONTEXT)


def test_a_negative_charge_is_stopped_by_its_bound_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The proof is one: without the bound, five credits would be seven."""
    monkeypatch.setattr(Parameters, "amount", lambda self, value: (value % int(SUITE.order)).to_bytes(32, "little"))
    wire, waiting = client._spend(held()._take(), -2)
    with pytest.raises(DecodeError, match="bits"):
        KEY.verify(wire, charge=-2, context=CONTEXT)

    def unbounded(self: Parameters, reader: messages.Reader) -> int:
        value = int.from_bytes(reader.take(32), "little")
        return value - int(SUITE.order) if value >> 250 else value

    monkeypatch.setattr(Parameters, "read_amount", unbounded)
    spend = KEY.verify(wire, charge=-2, context=CONTEXT)
    refund = KEY._sign(
        PARAMETERS.signed(spend._look().spend.remaining, 0, CONTEXT),
        0,
        Integer(9),
        client.refund_session(PARAMETERS, SUITE.encode_scalar(Integer(9)), 0, CONTEXT),
    )
    assert waiting.finish(refund).balance == 7


def test_two_bits_of_one_place() -> None:
    """A bit that is two has no proof."""
    with pytest.MonkeyPatch.context() as patch:
        made = client._Bits.of(PARAMETERS, 1)
        doubled = GROUP.add(made.commitments[0], PARAMETERS.generators[0])
        cheating = made._replace(values=[Integer(2), *made.values[1:]], commitments=(doubled, *made.commitments[1:]))
        patch.setattr(client._Bits, "of", classmethod(lambda cls, parameters, number: cheating))
        wire, _ = client._spend(held()._take(), 3)
    with pytest.raises(SignatureError):
        KEY.verify(wire, charge=3, context=CONTEXT)


def test_a_commitment_that_is_a_generator() -> None:
    """Then one element is left of an equation, and the client chooses what it is multiplied by: nothing, here."""
    offset = 160 + 32 * PARAMETERS.bits + 2
    challenge = int.from_bytes(SPEND[offset : offset + 32], "little")
    bit = offset + 32 * (1 + 5 + 1)
    helper = bit + 32 * 2 * PARAMETERS.bits
    made = bytearray(SPEND)
    made[192:224] = GROUP.encode(PARAMETERS.generators[2])
    made[bit : bit + 32] = (challenge - 1).to_bytes(32, "little")
    made[helper : helper + 32] = (1).to_bytes(32, "little")
    with pytest.raises(SignatureError):
        KEY.verify(bytes(made), charge=2, context=CONTEXT)


@given(st.integers(0, len(SPEND) - 1), st.integers(1, 255))
def test_every_byte_of_a_spend_counts(place: int, change: int) -> None:
    with pytest.raises(PeerError):
        KEY.verify(changed(SPEND, place, change), charge=2, context=CONTEXT)


@given(st.integers(0, act.REQUEST_SIZE - 1), st.integers(1, 255))
def test_every_byte_of_a_request_counts(place: int, change: int) -> None:
    wire, _ = act.request(KEY.public_key)
    with pytest.raises(PeerError):
        KEY.respond(changed(wire, place, change), amount=1, context=CONTEXT)


@given(st.integers(0, act.RESPONSE_SIZE - 1), st.integers(1, 255))
def test_every_byte_of_a_response_counts(place: int, change: int) -> None:
    wire, waiting = act.request(KEY.public_key)
    response = KEY.respond(wire, amount=1, context=CONTEXT)
    with pytest.raises(PeerError):
        waiting.finish(changed(response, place, change), context=CONTEXT)
    with pytest.raises(SpentError):
        waiting.finish(response, context=CONTEXT)


@given(st.integers(0, act.REFUND_SIZE - 1), st.integers(1, 255))
def test_every_byte_of_a_refund_counts(place: int, change: int) -> None:
    with pytest.raises(PeerError):
        pending().finish(changed(REFUND, place, change))
    assert pending().finish(REFUND).balance == 4


def changed(wire: bytes, place: int, change: int) -> bytes:
    return wire[:place] + bytes((wire[place] ^ change,)) + wire[place + 1 :]


@given(st.binary(max_size=1100))
def test_contract(data: bytes) -> None:
    check_contract(lambda wire: KEY.respond(wire, amount=1, context=CONTEXT), data)
    check_contract(lambda wire: act.request(KEY.public_key)[1].finish(wire, context=CONTEXT), data)
    check_contract(lambda wire: KEY.verify(wire, charge=1, context=CONTEXT), data)
    check_contract(lambda wire: pending().finish(wire), data)
    check_contract(lambda wire: act.PublicKey(PARAMETERS, wire), data)
    check_contract(lambda wire: act.Credits.load(KEY.public_key, Secret(wire)), data)
    check_contract(lambda wire: act.PendingRefund.load(KEY.public_key, Secret(wire)), data)


@given(st.integers(0, 191), st.integers(1, 255), st.integers(0, 159))
def test_what_was_stored_and_changed(place: int, change: int, other: int) -> None:
    """Nothing but another error, or credits that nobody takes."""
    try:
        wire, _ = act.Credits.load(KEY.public_key, Secret(changed(STORED.expose(), place, change))).spend(0)
    except PeerError:
        pass
    else:
        with pytest.raises(PeerError):
            KEY.verify(wire, charge=0, context=CONTEXT)
    try:
        left = act.PendingRefund.load(KEY.public_key, Secret(changed(PENDING_STORED.expose(), other, change)))
        wire, _ = left.finish(REFUND).spend(0)
    except PeerError:
        pass
    else:
        with pytest.raises(PeerError):
            KEY.verify(wire, charge=0, context=CONTEXT)


def test_storage() -> None:
    credits_ = issue(6)
    stored = credits_.save()
    assert len(stored) == 192
    with pytest.raises(SpentError):
        credits_.spend(1)
    wire, waiting = act.Credits.load(KEY.public_key, stored).spend(1)
    kept = waiting.save()
    assert len(kept) == 160
    with pytest.raises(SpentError):
        waiting.finish(bytes(act.REFUND_SIZE))
    refund = KEY.verify(wire, charge=1, context=CONTEXT).refund()
    assert act.PendingRefund.load(KEY.public_key, kept).finish(refund).balance == 5
    stored = issue(1).save()
    credits_ = act.Credits.load(KEY.public_key, stored)
    stored.wipe()  # what was loaded is a copy
    assert credits_.balance == 1
    again = act.IssuerKey(PARAMETERS, KEY.to_secret())
    assert again.public_key == KEY.public_key


def test_what_cant_be_made() -> None:
    names = ("example", "chat", "test", "2026-11-29")
    for place in range(4):
        for name in ("", "a:b", "é", "a\n"):
            with pytest.raises(UsageError):
                Parameters(*names[:place], name, *names[place + 1 :], 8)
    for bits in (0, -1, act.MAX_BITS + 1):
        with pytest.raises(UsageError):
            Parameters(*names, bits)
    with pytest.raises(UsageError):
        Parameters("x" * 250, *names[1:], 8)
    wire, waiting = act.request(KEY.public_key)
    for amount in (-1, 8):
        with pytest.raises(UsageError):
            KEY.respond(wire, amount=amount, context=CONTEXT)
        with pytest.raises(UsageError):
            KEY.verify(SPEND, charge=amount, context=CONTEXT)
    for context in (b"", bytes(32), b"\xff" * 32):
        with pytest.raises(UsageError):
            KEY.respond(wire, amount=1, context=context)
        with pytest.raises(UsageError):
            KEY.verify(SPEND, charge=2, context=context)
        with pytest.raises(UsageError):
            waiting.finish(b"", context=context)
    for scalar in (b"", bytes(32), b"\xff" * 32):
        with pytest.raises(DecodeError):
            act.IssuerKey(PARAMETERS, Secret(scalar))


def test_reprs_are_opaque() -> None:
    wire, waiting = act.request(KEY.public_key)
    spend = KEY.verify(SPEND, charge=2, context=CONTEXT)
    asked = messages.Reader.all(wire, "request", messages.Request.read)
    signature = messages.Signature.read(messages.Reader(REFUND, "refund"), PARAMETERS)
    credits_, left, bits = held(), pending(), client._Bits.of(PARAMETERS, 5)
    shown = repr((KEY, KEY.public_key, waiting, waiting._look(), credits_, credits_._look(), left, left._look()))
    shown += repr((spend, spend._look().spend, asked, signature, bits))
    secret = KEY.to_secret().expose() + STORED.expose() + PENDING_STORED.expose() + waiting._look().secrets.expose()
    for at in range(0, len(secret), 32):
        assert secret[at : at + 32].hex()[:12] not in shown
        assert str(int.from_bytes(secret[at : at + 32], "little"))[:12] not in shown or secret[
            at + 16 : at + 32
        ] == bytes(16)
        assert repr(secret[at : at + 32])[2:14] not in shown or secret[at + 16 : at + 32] == bytes(16)
