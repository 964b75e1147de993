"""The text format of policies (c2sp.org/tlog-policy)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from privproc.errors import DecodeError, PeerError, PolicyError, UsageError
from privproc.ledger import LogPolicy, read_policy
from privproc.ledger.checkpoint import COSIGNATURE, ED25519
from privproc.ledger.policy import MAX_POLICY
from tests.codec import check_contract
from tests.world.ledger import Party

DAY = 86_400
LOG = Party("log.example", ED25519).key
KEYS = [Party(f"witness{i}.example", COSIGNATURE).key for i in range(66)]
TEXT = f"log {LOG} https://log.example/\nwitness a {KEYS[0]}\nwitness b {KEYS[1]}\ngroup g any a b\nquorum g\n".encode()


def test_a_policy() -> None:
    assert read_policy(TEXT, max_age=DAY) == {"log.example": LogPolicy(LOG, (KEYS[0], KEYS[1]), 1, DAY)}
    with pytest.raises(UsageError):
        read_policy(TEXT, max_age=0)


def test_a_policy_cut_short_is_none() -> None:
    for cut in range(len(TEXT)):
        with pytest.raises((DecodeError, PolicyError)):
            read_policy(TEXT[:cut], max_age=DAY)


def test_limits() -> None:
    def text(logs: int, witnesses: int, groups: int) -> bytes:
        lines = [f"log {Party(f'log{i}.example', ED25519).key}" for i in range(logs)]
        lines += [f"witness {i} {KEYS[i]}" for i in range(witnesses)]
        lines += [f"group g{i} any {i}" for i in range(groups)]
        return "".join(f"{line}\n" for line in (*lines, "quorum 0")).encode()

    assert len(read_policy(text(64, 64, 64), max_age=DAY)) == 64
    for counts in ((65, 1, 1), (1, 65, 1), (1, 65, 65)):
        with pytest.raises(DecodeError, match="more than 64"):
            read_policy(text(*counts), max_age=DAY)
    assert read_policy(b"#" * (MAX_POLICY - len(TEXT) - 1) + b"\n" + TEXT, max_age=DAY)
    with pytest.raises(DecodeError, match="bytes"):
        read_policy(b"#" * (MAX_POLICY - len(TEXT)) + b"\n" + TEXT, max_age=DAY)


def test_errors_name_their_line() -> None:
    with pytest.raises(DecodeError) as caught:
        read_policy(b"# one\nquorum a\n", max_age=DAY)
    assert caught.value.offset == 6


LINES = st.sampled_from([*TEXT.split(b"\n"), b"quorum a", b"group h 2 a b", b"group h all g", b"quorum none", b"# x"])


@given(st.binary(max_size=60) | st.lists(LINES, max_size=8).map(lambda lines: b"".join(each + b"\n" for each in lines)))
def test_bytes_in_contract(data: bytes) -> None:
    check_contract(lambda text: read_policy(text, max_age=DAY), data)


@given(st.permutations(TEXT.splitlines(keepends=True)))
def test_names_are_defined_before_they_are_used(lines: list[bytes]) -> None:
    data = b"".join(lines)
    order = [line.split()[0] + line.split()[1] for line in lines]
    if order.index(b"quorumg") > order.index(b"groupg") > max(order.index(b"witnessa"), order.index(b"witnessb")):
        assert read_policy(data, max_age=DAY) == read_policy(TEXT, max_age=DAY)
    else:
        with pytest.raises(PeerError):
            read_policy(data, max_age=DAY)
