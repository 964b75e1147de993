"""The memory of checkpoints: growth, rollback, split views, and what enters at all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from privproc import trust
from privproc.errors import DecodeError, ExpiredError, LimitError, SignatureError, UntrustedError, UsageError
from privproc.ledger import Checkpoint, CheckpointMemory, Entry, Witnessed, verify, verify_checkpoint
from privproc.trust import Trusted
from tests.codec import check_codec, check_contract
from tests.world.ledger import Ledger

T = 1_800_000_000
DAY = 86_400
SIZE = 12


@pytest.fixture(scope="module")
def world() -> Ledger:
    ledger = Ledger()
    for i in range(SIZE):
        ledger.append(Entry("example", "orchestrator", bytes([i]) * 48, T + 21 * DAY, 1))
    return ledger


def seen(world: Ledger, size: int) -> Witnessed:
    return verify_checkpoint(world.checkpoint(T, size=size), log=world.policy(), at=T)


def pinned(head: Checkpoint) -> Trusted[Checkpoint]:
    return trust.pin(head, head.encode(), not_before=0, not_after=T)


@pytest.mark.parametrize("old", range(1, SIZE + 1))
@pytest.mark.parametrize("new", range(1, SIZE + 1))
def test_a_log_only_grows(world: Ledger, old: int, new: int) -> None:
    memory = CheckpointMemory().update(seen(world, old), None, proof_required=True, at=T)
    assert memory.newest(world.log.key.name) == world.head(old)
    grown = Ledger()
    for entry in world.entries[:new]:
        grown.append(entry)
    proof = grown.consistency(old) if old <= new else []
    for required in (True, False):
        if new < old:
            with pytest.raises(UntrustedError, match="smaller"):
                memory.update(seen(world, new), proof, proof_required=required, at=T)
            continue
        assert memory.update(seen(world, new), proof, proof_required=required, at=T).heads == (world.head(new),)
    if new > old:
        with pytest.raises(UntrustedError, match="no proof"):
            memory.update(seen(world, new), None, proof_required=True, at=T)
        assert memory.update(seen(world, new), None, proof_required=False, at=T).heads == (world.head(new),)


def test_a_fork_shows(world: Ledger) -> None:
    fork = Ledger()
    for i in range(SIZE):
        fork.append(Entry("example", "orchestrator", bytes([i | 0x80]) * 48, T + 21 * DAY, 1))
    memory = CheckpointMemory().update(seen(world, 5), None, proof_required=True, at=T)
    with pytest.raises(UntrustedError, match="another tree"):
        memory.update(seen(fork, 5), [], proof_required=False, at=T)
    with pytest.raises(SignatureError):
        memory.update(seen(fork, SIZE), fork.consistency(5), proof_required=False, at=T)
    with pytest.raises(SignatureError):
        memory.update(seen(fork, SIZE), world.consistency(5), proof_required=False, at=T)
    assert memory.heads == (world.head(5),)


def test_logs_have_places_of_their_own(world: Ledger) -> None:
    other = Ledger("a.example")
    other.append(b"x")
    memory = CheckpointMemory().update(seen(world, 5), None, proof_required=True, at=T)
    memory = memory.update(seen(other, 1), None, proof_required=True, at=T)
    assert memory.heads == (other.head(), world.head(5))
    assert memory.newest("a.exampl") is None


def test_what_a_check_earned_enters_in_its_time(world: Ledger) -> None:
    proof = world.prove(3, T)
    floor = world.head(4)
    logged = verify(
        proof, namespace="example", role="orchestrator", log=world.policy(), floor=floor, minimum_version=1, at=T
    )
    memory = CheckpointMemory()
    for earned, end in ((logged, T + DAY), (seen(world, SIZE), T + DAY), (pinned(world.head()), T)):
        assert memory.update(earned, None, proof_required=True, at=end - 1).heads == (world.head(),)
        with pytest.raises(ExpiredError):
            memory.update(earned, None, proof_required=True, at=end)
    for nothing in (world.head(), None, trust.pin(b"head", b"head", not_before=0, not_after=T)):
        with pytest.raises(UsageError):
            memory.update(nothing, None, proof_required=True, at=0)  # type: ignore[arg-type]


def test_bounds() -> None:
    memory = CheckpointMemory(tuple(Checkpoint(f"{i:02}.example", i, bytes(32)) for i in range(64)))
    assert CheckpointMemory.decode(memory.encode()) == memory
    with pytest.raises(LimitError):
        memory.update(pinned(Checkpoint("z.example", 1, bytes(32))), None, proof_required=True, at=0)
    assert memory.update(pinned(Checkpoint("63.example", 64, bytes(32))), None, proof_required=False, at=0)
    longest = CheckpointMemory().update(pinned(Checkpoint("é" * 256, 1, bytes(32))), None, proof_required=True, at=0)
    assert CheckpointMemory.decode(longest.encode()) == longest
    with pytest.raises(LimitError):
        longest.update(pinned(Checkpoint("é" * 256 + "a", 1, bytes(32))), None, proof_required=True, at=0)
    heads = [Checkpoint(f"{i:02}.example", i, bytes(32)) for i in range(65)]
    for wrong in (
        heads,
        [heads[1], heads[0]],
        [heads[0], heads[0]],
        [Checkpoint("a", 1, bytes(32), ("extension",))],
        [Checkpoint("a" * 513, 1, bytes(32))],
    ):
        with pytest.raises(UsageError):
            CheckpointMemory(tuple(wrong))
    with pytest.raises(DecodeError):
        CheckpointMemory.decode(memory.encode().replace(b"\0\x40", b"\0\x41", 1) + memory.encode()[-66:])


@given(st.dictionaries(st.text("abcé", min_size=1, max_size=8), st.integers(0, (1 << 63) - 1), max_size=4))
def test_codec(sizes: dict[str, int]) -> None:
    heads = tuple(Checkpoint(origin, size, bytes(32)) for origin, size in sorted(sizes.items()))
    memory = CheckpointMemory(heads)
    check_codec(CheckpointMemory.decode, memory.encode(), reencode=CheckpointMemory.encode)


@given(st.binary(max_size=200), st.integers(0, 200), st.integers(0, 255))
def test_bytes_in_contract(data: bytes, place: int, value: int) -> None:
    check_contract(CheckpointMemory.decode, data)
    good = bytearray(CheckpointMemory((Checkpoint("a", 5, bytes(32)), Checkpoint("b", 6, bytes(32)))).encode())
    good[place % len(good)] = value
    check_contract(CheckpointMemory.decode, bytes(good))
