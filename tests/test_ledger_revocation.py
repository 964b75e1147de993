"""Revocation lists in the log."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from privproc.errors import DecodeError, ExpiredError, PolicyError, UntrustedError, UsageError
from privproc.ledger import SKEW, Entry, Logged, Revocations, VerifiedRevocations
from privproc.ledger import verify as verify_entry
from privproc.ledger.revocation import MAX_REVOKED, ROLE, verify
from tests.codec import check_codec, check_contract
from tests.world.ledger import Ledger

T = 1_800_000_000
DAY = 86_400
BAD_IMAGE, BAD_CHIP = b"\1" * 48, b"\2" * 64
LIST = Revocations(7, T, T + DAY, frozenset([BAD_IMAGE, BAD_CHIP, bytes(32)]))


def logged(data: bytes = LIST.encode(), *, role: str = ROLE, version: int = 7, end: int = T + 9 * DAY) -> Logged:
    world = Ledger()
    index = world.append(Entry("example", role, hashlib.sha384(data).digest(), end, version))
    return verify_entry(
        world.prove(index, T),
        namespace="example",
        role=role,
        log=world.policy(max_age=9 * DAY),
        floor=world.head(),
        minimum_version=6,
        at=T,
    )


def check(value: Revocations = LIST, at: int = T, max_age: int = DAY, **entry) -> VerifiedRevocations:
    return verify(value.encode(), logged=logged(value.encode(), **entry), max_age=max_age, at=at)


def test_a_list() -> None:
    found = check()
    assert (found.namespace, found.epoch, found.not_after) == ("example", 7, T + DAY)
    assert found.digest == hashlib.sha384(LIST.encode()).digest()
    found.check(b"\3" * 48, b"\3" * 64, at=T + DAY - 1)
    for asked in ([BAD_IMAGE], [BAD_CHIP], [bytes(32)], [b"\3" * 48, BAD_CHIP]):
        with pytest.raises(PolicyError):
            found.check(*asked, at=T)
        with pytest.raises(PolicyError):
            found.check(*asked, at=T + DAY)
    with pytest.raises(ExpiredError):
        found.check(b"\3" * 48, at=T + DAY)
    for nothing in ([], [b""], [None], [BAD_CHIP[:8]], [BAD_IMAGE.hex()], [b"\3" * 48, None]):
        with pytest.raises(UsageError):
            found.check(*nothing, at=T)  # type: ignore[arg-type]
    with pytest.raises(UsageError):
        VerifiedRevocations()


# req: privproc1/7.9 soonest-end
def test_its_end_is_the_soonest() -> None:
    assert check(max_age=9 * DAY).not_after == T + DAY
    assert check(max_age=600).not_after == T + 600
    assert check(end=T + 60).not_after == T + 60
    for changes in (
        {"at": T + DAY, "max_age": 9 * DAY},
        {"at": T + 600, "max_age": 600},
        {"at": T + 60, "end": T + 60},
    ):
        with pytest.raises(ExpiredError):
            check(**changes)


def test_a_list_of_tomorrow() -> None:
    assert check(Revocations(7, T + SKEW, T + DAY, frozenset()))
    with pytest.raises(ExpiredError, match="future"):
        check(Revocations(7, T + SKEW + 1, T + DAY, frozenset()))


# req: privproc1/7.9 logged-list
def test_the_log_has_exactly_this_list() -> None:
    left_out = Revocations(7, T, T + DAY, LIST.revoked - {BAD_CHIP})
    with pytest.raises(UntrustedError):
        verify(left_out.encode(), logged=logged(), max_age=DAY, at=T)
    with pytest.raises(UntrustedError, match="epoch"):
        check(version=8)
    garbage = b"garbage"
    with pytest.raises(DecodeError):
        verify(garbage, logged=logged(garbage), max_age=DAY, at=T)


# req: privproc1/7.9 logged-list
def test_what_is_expected_is_needed() -> None:
    proof = logged()
    for changes in (
        {"logged": logged(role="orchestrator")},
        {"logged": None},
        {"logged": LIST},
        {"max_age": 0},
        {"max_age": None},
    ):
        with pytest.raises(UsageError):
            verify(LIST.encode(), **{"logged": proof, "max_age": DAY, "at": T} | changes)


# req: privproc1/7.9 list-form
def test_lists_are_checked() -> None:
    for wrong in (
        (-1, T, T + 1, frozenset()),
        (1 << 32, T, T + 1, frozenset()),
        (1, T, T, frozenset()),
        (1, -1, T, frozenset()),
        (1, T, 1 << 64, frozenset()),
        (1, T, T + 1, frozenset([b""])),
        (1, T, T + 1, frozenset([bytes(40)])),
    ):
        with pytest.raises(UsageError):
            Revocations(*wrong)


def test_the_longest_list() -> None:
    digests = frozenset(i.to_bytes(64, "big") for i in range(MAX_REVOKED))
    longest = Revocations(1, T, T + 1, digests)
    assert Revocations.decode(longest.encode()) == longest
    with pytest.raises(UsageError):
        Revocations(1, T, T + 1, digests | {bytes(32)})
    with pytest.raises(DecodeError, match="more than"):
        Revocations.decode(longest.encode() + b"\0")


@given(
    st.integers(0, (1 << 32) - 1),
    st.integers(0, (1 << 63) - 1),
    st.sets(st.sampled_from([32, 48, 64]).flatmap(lambda size: st.binary(min_size=size, max_size=size)), max_size=4),
)
def test_codec(epoch: int, issued: int, revoked: set[bytes]) -> None:
    value = Revocations(epoch, issued, issued + 1, frozenset(revoked))
    assert Revocations.decode(value.encode()) == value
    check_codec(Revocations.decode, value.encode(), reencode=Revocations.encode)


@given(st.binary(max_size=200), st.integers(0), st.integers(0, 255))
def test_bytes_in_contract(data: bytes, place: int, value: int) -> None:
    check_contract(Revocations.decode, data)
    good = bytearray(LIST.encode())
    good[place % len(good)] = value
    check_contract(Revocations.decode, bytes(good))
