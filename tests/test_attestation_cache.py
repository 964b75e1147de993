"""Caches: the caller's, bounded, forgetful, and never a way around a check."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from privproc.attestation import snp
from privproc.attestation.cache import Cache
from privproc.attestation.case import appraise
from privproc.attestation.snp import chain as chain_module
from privproc.errors import ExpiredError, PeerError, UntrustedError, UsageError
from tests.world.cases import AMD, AT, CHIP, DAY, FORMATS, INTEL, case

E = CHIP.endorsements


@dataclass(frozen=True)
class Outcome:
    of: Any
    not_before: int
    not_after: int


class Verifier:
    """Counts, and can fail."""

    def __init__(self) -> None:
        self.calls: list[Any] = []

    def __call__(self, of: Any, *, at: int, until: int = 1000, **_: Any) -> Outcome:
        self.calls.append(of)
        if not 0 <= at < until or of == "bad":
            raise ExpiredError("outcome is no longer valid")
        return Outcome(of, 0, until)


def test_a_hit_and_its_end() -> None:
    verify, cache = Verifier(), Cache(capacity=4, lifetime=100)
    first = cache.recall(verify, "a", at=10)
    assert cache.recall(verify, "a", at=109) is first
    assert verify.calls == ["a"]
    assert cache.recall(verify, "a", at=110) is not first  # its lifetime
    assert len(verify.calls) == 2
    cache.recall(verify, "a", at=50)  # before it was kept: a clock that went back
    assert len(verify.calls) == 3


def test_never_beyond_the_outcomes_own_time() -> None:
    verify, cache = Verifier(), Cache(capacity=4, lifetime=10_000)
    cache.recall(verify, "a", until=60, at=10)
    cache.recall(verify, "a", until=60, at=59)
    assert len(verify.calls) == 1
    with pytest.raises(ExpiredError):
        cache.recall(verify, "a", until=60, at=60)
    assert len(cache) == 0


def test_failures_are_not_kept() -> None:
    verify, cache = Verifier(), Cache(capacity=4, lifetime=10)
    for _ in range(2):
        with pytest.raises(PeerError):
            cache.recall(verify, "bad", at=1)
    assert verify.calls == ["bad", "bad"]
    assert len(cache) == 0


def test_every_argument_counts() -> None:
    one, other, cache = Verifier(), Verifier(), Cache(capacity=99, lifetime=10)
    for verify in (one, other):
        for named in ({}, {"roots": 1}, {"roots": 2}, {"lists": 1}):
            for of in (b"a", b"b"):
                assert cache.recall(verify, of, at=1, **named).of == of
    assert len(one.calls) == len(other.calls) == 8
    assert len(cache) == 16


@given(st.lists(st.integers(0, 9), max_size=60), st.integers(1, 5))
def test_the_least_recently_used_goes_first(asked: list[int], capacity: int) -> None:
    verify, cache = Verifier(), Cache(capacity=capacity, lifetime=10)
    recent: list[int] = []
    for of in asked:
        before = len(verify.calls)
        cache.recall(verify, of, at=1)
        assert (len(verify.calls) == before) == (of in recent)
        recent = [*(it for it in recent if it != of), of][-capacity:]
        assert len(cache) == len(recent)
    assert repr(cache) == f"<Cache {len(recent)} of {capacity}>"


@pytest.mark.parametrize("bad", [{"capacity": 0, "lifetime": 1}, {"capacity": 1, "lifetime": 0}])
def test_bounds_are_required(bad: dict[str, int]) -> None:
    with pytest.raises(UsageError):
        Cache(**bad)


def test_what_can_not_be_a_key() -> None:
    with pytest.raises(TypeError):
        Cache(capacity=1, lifetime=1).recall(Verifier(), bytearray(b"changes"), at=1)


def test_nothing_is_kept_without_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two verifications are two: no state of the process remembers the first."""
    seen: list[bytes] = []
    real = chain_module._check_authority

    def counted(middle: Any) -> None:
        seen.append(middle)
        real(middle)

    monkeypatch.setattr(chain_module, "_check_authority", counted)
    for cache, calls in ((None, 2), (Cache(capacity=2, lifetime=60), 1)):
        seen.clear()
        for _ in range(2):
            snp.verify_chain(E.vcek, E.ask, E.ark, roots=AMD.roots, at=AT, cache=cache)
        assert len(seen) == calls


def test_authorities_serve_other_chips_and_expire() -> None:
    cache = Cache(capacity=2, lifetime=20_000 * DAY)
    other = AMD.chip(b"another").endorsements
    for certificates in (E, other):
        snp.verify_chain(certificates.vcek, certificates.ask, certificates.ark, roots=AMD.roots, at=AT, cache=cache)
    assert len(cache) == 1
    with pytest.raises(ExpiredError):
        snp.verify_chain(E.vcek, E.ask, E.ark, roots=AMD.roots, at=AT + 9000 * DAY, cache=cache)


def test_other_roots_are_no_hit() -> None:
    cache = Cache(capacity=9, lifetime=60)
    cache.recall(snp.verify_chain, E.vcek, E.ask, E.ark, roots=AMD.roots, at=AT)
    roots = snp.Roots(((hashlib.sha256(b"other").digest(), snp.Product.GENOA),))
    with pytest.raises(UntrustedError):
        cache.recall(snp.verify_chain, E.vcek, E.ask, E.ark, roots=roots, at=AT)
    for which in ("vcek", "ask", "ark"):
        changed = replace(E, **{which: getattr(E, which)[:-1] + bytes([getattr(E, which)[-1] ^ 1])})
        with pytest.raises(PeerError):
            cache.recall(snp.verify_chain, changed.vcek, changed.ask, changed.ark, roots=AMD.roots, at=AT)


@pytest.mark.parametrize("kind", FORMATS)
def test_a_cached_case_is_the_same(kind: str) -> None:
    cache = Cache(capacity=9, lifetime=60)
    plain = appraise(case(kind))
    for _ in range(2):
        found = appraise(case(kind), cache=cache)
        assert (found.checks, found.not_after, found.evidence_digest) == (
            plain.checks,
            plain.not_after,
            plain.evidence_digest,
        )
    assert len(cache) == {"sev-snp": 2, "tdx": 1, "sgx": 1, "nitro": 0}[kind]
    with pytest.raises(PeerError):
        appraise(case(kind, at=AT + 9000 * DAY), cache=cache)


def test_collateral_is_verified_once() -> None:
    cache = Cache(capacity=1, lifetime=60)
    from privproc.attestation.tdx import verify_collateral

    first = cache.recall(verify_collateral, INTEL.collateral(), roots=INTEL.roots, at=AT)
    assert cache.recall(verify_collateral, INTEL.collateral(), roots=INTEL.roots, at=AT + 59) is first
