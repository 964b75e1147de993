"""The rotation of keys on the grid: windows, overlap, identifiers, and the rings that come of it."""

from __future__ import annotations

import functools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from privproc import session
from privproc.blindrsa import PrivateKey as RsaKey
from privproc.errors import ExpiredError, UsageError
from privproc.hpke import Aead, Kdf, Kem, PrivateKey, Suite
from privproc.keypackage import Grid, Package, Signer, Signers, seal, verify
from privproc.rotation import Plan, Schedule
from privproc.tokens import BLIND_RSA, IssuerDirectory, TokenChallenge, request
from privproc.trust import pin

DAY = 86400
SUITE = Suite(Kem.X25519_SHA256, Kdf.HKDF_SHA256, Aead.AES_128_GCM)
SCHEDULE = Schedule(grid=Grid(1_800_000_000, DAY), lead=3600, margin=7200, grace=session.GRACE)


@functools.cache
def private(epoch: int) -> PrivateKey:
    return PrivateKey.generate(Kem.X25519_SHA256)


@functools.cache
def rsa(number: int) -> RsaKey:
    return RsaKey.generate()


@st.composite
def schedules(draw) -> Schedule:
    length = draw(st.integers(1, 10_000))
    return Schedule(
        grid=Grid(draw(st.integers(0, 20_000)), length),
        lead=draw(st.integers(0, length)),
        margin=draw(st.integers(0, length - 1)),
        grace=draw(st.integers(0, length)),
    )


def times(plan: Plan) -> tuple[int, ...]:
    return plan.made, plan.published, plan.begins, plan.issuance_ends, plan.ends, plan.grace_ends


def test_a_plan() -> None:
    start = SCHEDULE.grid.start(300)
    assert SCHEDULE.plan(300) == Plan(
        epoch=300,
        made=start - DAY - 3600,
        published=start - DAY,
        begins=start,
        issuance_ends=start + DAY - 7200,
        ends=start + DAY,
        grace_ends=start + DAY + 600,
    )
    assert SCHEDULE.plan(300).key_id == 300 - 256
    assert SCHEDULE.plan(255).key_id == 255


@given(schedules(), st.integers(0, 1000))
def test_windows_never_gap_and_overlap_by_the_grace(schedule: Schedule, epoch: int) -> None:
    plan, following = schedule.plan(epoch), schedule.plan(epoch + 1)
    assert list(times(plan)) == sorted(times(plan))
    assert plan.ends == following.begins
    assert plan.grace_ends - following.begins == schedule.grace
    assert plan.grace_ends <= schedule.plan(epoch + 2).begins
    assert plan.begins < plan.issuance_ends <= plan.ends
    assert following.published == plan.begins  # one epoch ahead


@given(schedules(), st.integers(-30_000, 10_000_000))
def test_live(schedule: Schedule, at: int) -> None:
    live = schedule.live(at=at)
    assert len(live) <= 4
    assert len({plan.key_id for plan in live}) == len(live)
    assert [plan.epoch for plan in live] == list(range(live[0].epoch, live[-1].epoch + 1) if live else [])
    assert all(plan.made <= at < plan.grace_ends for plan in live)
    if live:
        assert live[0].epoch == 0 or schedule.plan(live[0].epoch - 1).grace_ends <= at
        assert schedule.plan(live[-1].epoch + 1).made > at
    else:
        assert at < schedule.plan(0).made


@given(schedules(), st.integers(-30_000, 10_000_000))
def test_next_time(schedule: Schedule, at: int) -> None:
    following = schedule.next_time(at=at)
    base = max((at - schedule.grid.origin) // schedule.grid.length, 0)
    every = {time for epoch in range(max(base - 4, 0), base + 8) for time in times(schedule.plan(epoch))}
    assert following == min(time for time in every if time > at)
    assert {plan.epoch for plan in schedule.live(at=at)} == {plan.epoch for plan in schedule.live(at=following - 1)}


@given(schedules(), st.integers(0, 20_000))
def test_the_ring_takes_the_epochs_key_and_in_its_grace_the_last(schedule: Schedule, since: int) -> None:
    at = schedule.grid.origin + since
    live = schedule.live(at=at)
    ring = schedule.ring({plan.epoch: private(plan.epoch % 8) for plan in live}, [SUITE], at=at)
    epoch = schedule.grid.epoch(at=at)
    now = schedule.plan(epoch)
    (published,) = ring.configs(at=at).entries
    assert published.key_id == now.key_id
    for plan in live:
        key = ring.get(plan.key_id, Kem.X25519_SHA256)
        assert key is not None
        assert key.not_after == plan.grace_ends
        good = plan.epoch == epoch or (plan.epoch == epoch - 1 and at < now.begins + schedule.grace)
        assert good == (key.not_before <= at < key.not_after)
    assert ring.get((now.key_id + 5) % 256, Kem.X25519_SHA256) is None


def test_a_missing_key_and_one_too_many() -> None:
    at = SCHEDULE.grid.start(5)
    epochs = [plan.epoch for plan in SCHEDULE.live(at=at)]
    assert epochs == [4, 5, 6]
    for wrong, why in (([4, 5], "missing"), ([4, 5, 6, 7], "should not exist"), ([3, 4, 5, 6], "should not exist")):
        with pytest.raises(UsageError, match=why):
            SCHEDULE.ring({epoch: private(epoch) for epoch in wrong}, [SUITE], at=at)
    with pytest.raises(UsageError, match="should not exist"):
        SCHEDULE.issuer({epoch: rsa(0) for epoch in (4, 5, 6)}, at=at)  # 4 issues no more


def test_issuer() -> None:
    plan = SCHEDULE.plan(5)
    first = rsa(0)
    second = next(rsa(number) for number in range(1, 9) if truncated(rsa(number)) != truncated(first))
    issuer = SCHEDULE.issuer({5: first, 6: second}, at=plan.begins)
    directory = IssuerDirectory.decode(issuer.directory("/request", at=plan.begins).encode())
    assert [key.not_before for key in directory.token_keys] == [plan.ends, plan.begins]
    key = directory.token_keys[1]
    trusted = pin(key, key.encoded, not_before=0, not_after=1 << 40)
    challenge = TokenChallenge(BLIND_RSA, "issuer.example", b"", ("gateway.example",))
    for at in (plan.begins, plan.issuance_ends - 1):
        wire, pending = request(challenge, trusted, at=at)
        assert pending.finish(issuer.issue(wire, at=at))
    wire, _ = request(challenge, trusted, at=plan.issuance_ends)
    with pytest.raises(ExpiredError):
        issuer.issue(wire, at=plan.issuance_ends)
    with pytest.raises(ExpiredError):
        issuer.issue(wire, at=plan.begins - 1)
    with pytest.raises(UsageError, match="truncated id"):
        SCHEDULE.issuer({5: first, 6: first}, at=plan.begins)


def truncated(key: RsaKey) -> int:
    """What an operator makes sure of: the ids of an issuer's keys differ in their last byte."""
    return SCHEDULE.plan(0).issuer_key(key).token_key.truncated_id


def test_it_is_the_grid_of_packages_and_the_grace_of_the_gateway() -> None:
    """A package counts from ``published``, and privproc/1 takes a gateway key of the plan."""
    plan = SCHEDULE.plan(7)
    signer = Signer.generate()
    data = seal(Package("gateway", 7, plan.begins, plan.ends, b"", b""), signer)
    expected = {"signers": Signers.only(signer.public), "purpose": "gateway", "grid": SCHEDULE.grid}
    assert verify(data, at=plan.published, **expected)
    with pytest.raises(ExpiredError):
        verify(data, at=plan.published - 1, **expected)
    assert plan.gateway_key(private(7), [SUITE]).not_after == plan.ends + session.GRACE


@pytest.mark.parametrize(
    "lengths",
    [{"lead": -1}, {"lead": DAY + 1}, {"margin": -1}, {"margin": DAY}, {"grace": -1}, {"grace": DAY + 1}],
    ids=str,
)
def test_lengths_that_are_refused(lengths: dict[str, int]) -> None:
    with pytest.raises(UsageError):
        Schedule(**({"grid": SCHEDULE.grid, "lead": 0, "margin": 0, "grace": 0} | lengths))


def test_epochs_begin_at_zero() -> None:
    with pytest.raises(UsageError):
        SCHEDULE.plan(-1)
    assert SCHEDULE.live(at=0) == ()
    assert SCHEDULE.next_time(at=0) == SCHEDULE.plan(0).made
