"""Manifests of reference values: what they say is what was written, and every check and comparison counts."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from privproc.attestation import cbor, corim, eat
from privproc.attestation.cbor import Tagged
from privproc.attestation.corim.comid import _state
from privproc.attestation.expectation import Level
from privproc.errors import DecodeError, ExpiredError, PeerError, UsageError
from tests.codec import check_codec, check_contract
from tests.world.corim import comid, element, manifest, sign, state, validity
from tests.world.eat import Entity

AT = 1_800_000_000
PROVIDER = Entity("ES384", 5)
ATTESTER = Entity("ES256", 1)
PROFILE = "tag:example.com,2026:attester"
DEMANDS = eat.Demands(
    ueids=eat.ANYTHING,
    hardware=eat.ANYTHING,
    debug=eat.DebugStatus.DISABLED,
    oemboot=False,
    measured=eat.ANYTHING,
    submods={},
)
GOOD = manifest(comid(state(element({1: 1}, "a"))))
DIGEST = bytes(range(32))


def token(**changes: Any) -> eat.FreshToken:
    encoded = ATTESTER.cwt({6: AT, 10: bytes(range(8)), 263: 1, 265: PROFILE, 270: "a"} | changes)
    return eat.verify(
        encoded,
        key=ATTESTER.key,
        profile=PROFILE,
        audience="",
        nonce=bytes(range(8)),
        demands=DEMANDS,
        max_age=600,
        at=AT,
    )


def verified(payload: bytes = GOOD, **changes: Any) -> corim.VerifiedManifest:
    expected: dict[str, Any] = {"key": PROVIDER.key, "profile": "", "max_age": 600, "at": AT}
    return corim.verify(sign(PROVIDER, payload), **expected | changes)


def measured(claims: eat.Claims) -> list[corim.State]:
    """What a profile would say: here, that the name of the software is that of its one element, with SVN 1."""
    values = corim.Values(svn=corim.Svn(1))
    kind = corim.Class(Tagged(37, bytes.fromhex("67b28b6c34cc40a19117ab5b05911e37")), "ACME Inc.", "ACME RoadRunner", 1)
    return [corim.State(corim.Environment(kind), (corim.Element(values, claims.swname),))]


# -- reading


def test_codec() -> None:
    check_codec(corim.Manifest.decode, GOOD)
    check_codec(corim.Comid.decode, comid(state(element({1: 1}))))


@given(st.binary(max_size=60), st.sampled_from([b"", GOOD[:3], GOOD[:20], GOOD[:60]]))
def test_contract(data: bytes, head: bytes) -> None:
    check_contract(corim.Manifest.decode, head + data)
    check_contract(corim.Comid.decode, head + data)


LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-2, 9)
    | st.floats(allow_nan=False)
    | st.binary(max_size=3)
    | st.text(max_size=2)
)
ITEMS = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.integers(0, 15), inner, max_size=3)
        | st.builds(Tagged, st.sampled_from([37, 111, 550, 552, 553, 554, 558, 560, 563, 564]), inner)
    ),
    max_leaves=8,
)


def untagged(value: Any) -> Any:
    if isinstance(value, Tagged):
        return cbor2.CBORTag(value.number, untagged(value.content))
    if isinstance(value, dict):
        return {key: untagged(inner) for key, inner in value.items()}
    return [untagged(item) for item in value] if isinstance(value, list) else value


@given(st.dictionaries(st.integers(0, 15), ITEMS, max_size=3), st.dictionaries(st.integers(0, 2), ITEMS, max_size=2))
def test_any_values_are_read_or_refused(values: Any, environment: Any) -> None:
    data = cbor2.dumps(untagged([environment, [{1: values}]]))
    try:
        found = _state(cbor.decode(data, "state"))
    except PeerError:
        return
    assert found._covered(found) in (frozenset(), {0})  # nothing that it says makes the comparison itself fail


def test_an_array_has_a_bound() -> None:
    with pytest.raises(DecodeError, match="4096"):
        corim.Comid.decode(comid(*[state(element({1: 1}))] * 4097))


# -- signed manifests


def test_every_bit_of_a_signed_manifest_counts() -> None:
    data = sign(PROVIDER, GOOD)
    for at in range(len(data)):
        for bit in (1, 128):
            changed = bytearray(data)
            changed[at] ^= bit
            with pytest.raises(PeerError):
                corim.verify(bytes(changed), key=PROVIDER.key, profile="", max_age=600, at=AT)


def test_what_is_verified_is_earned_and_ends() -> None:
    found = verified()
    assert found.name == "ACME Inc."
    with pytest.raises(UsageError):
        corim.VerifiedManifest(manifest=found.manifest, signer=bytes(32), name="")
    with pytest.raises(UsageError):
        pickle.dumps(found)
    with pytest.raises(ExpiredError):
        found.manifest.get(at=AT + 600)
    limited = verified(manifest(comid(state(element({1: 1}))), m4=validity(AT - 5, AT + 5)))
    assert (limited.manifest.not_before, limited.manifest.not_after) == (AT - 5, AT + 5)


@pytest.mark.parametrize("changes", [{"max_age": 0}, {"max_age": 1 << 32}, {"key": None}])
def test_expected_values_that_nothing_matches(changes: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        verified(**changes)


def test_an_expected_value_is_never_left_out() -> None:
    expected: dict[str, Any] = {"key": PROVIDER.key, "profile": "", "max_age": 600, "at": AT}
    for name in expected:
        with pytest.raises(TypeError):
            corim.verify(sign(PROVIDER, GOOD), **{key: value for key, value in expected.items() if key != name})


# -- corroboration


def test_what_a_verdict_says() -> None:
    found = corim.corroborate(token(), measured, [verified()], at=AT)
    assert found.level is Level.NONE
    assert found.tags == {(verified().signer, "tag")}
    assert found.states.get(at=AT) == tuple(measured(token().claims.get(at=AT)))
    assert found.states.digest == token().claims.digest
    with pytest.raises(UsageError):
        copy.copy(found)
    with pytest.raises(UsageError):
        corim.Corroborated(states=found.states, tags=found.tags)


def test_it_lasts_as_long_as_all_of_it() -> None:
    short = verified(manifest(comid(state(element({1: 1}, "a"))), m4=validity(AT - 5, AT + 5)))
    found = corim.corroborate(token(), measured, [verified(), short], at=AT)
    assert (found.states.not_before, found.states.not_after) == (AT - 5, AT + 5)
    for at in (AT + 5, AT + 600):
        with pytest.raises(ExpiredError):
            corim.corroborate(token(), measured, [verified(), short], at=at)


def test_without_manifests() -> None:
    with pytest.raises(UsageError):
        corim.corroborate(token(), measured, [], at=AT)


# -- values


@pytest.mark.parametrize(
    "make",
    [
        corim.Values,
        corim.Class,
        corim.Environment,
        lambda: corim.State(corim.Environment(instance=Tagged(550, bytes(7))), ()),
    ],
)
def test_what_says_nothing(make: Any) -> None:
    with pytest.raises(UsageError):
        make()


def test_digests_by_number_and_name() -> None:
    assert dict(corim.digests({1: DIGEST, "own": b"x"})) == {"sha-256": DIGEST, "own": b"x"}
    for wrong in ({}, {1: DIGEST, "sha-256": DIGEST}, {"sha-256": b""}, {7: DIGEST}):
        with pytest.raises(DecodeError):
            corim.digests(wrong)
