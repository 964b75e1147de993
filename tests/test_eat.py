"""Entity Attestation Tokens: both forms say the same, every check counts, and a verdict says no more than it knows."""

from __future__ import annotations

import copy
import hashlib
import json
import pickle
from pathlib import Path
from typing import Any

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448, rsa
from hypothesis import given
from hypothesis import strategies as st

from privproc.attestation import eat
from privproc.attestation.envelope import Envelope, algorithm_of
from privproc.attestation.expectation import Level
from privproc.errors import (
    DecodeError,
    ExpiredError,
    PeerError,
    PolicyError,
    SignatureError,
    UnsupportedError,
    UntrustedError,
    UsageError,
)
from tests.codec import check_codec, check_contract
from tests.world.eat import Entity, unpadded

AT = 1_800_000_000
NONCE = bytes(range(16))
PROFILE = "tag:example.com,2026:attester"
UEID = b"\x01" + bytes(range(16))
ATTESTER = Entity("ES256", 1)
CLAIMS: dict[int, Any] = {6: AT, 10: NONCE, 256: UEID, 263: 2, 265: PROFILE}
DEMANDS = eat.Demands(
    ueids=frozenset({UEID}), hardware=eat.ANYTHING, debug=eat.ANYTHING, oemboot=False, measured=eat.ANYTHING, submods={}
)
EXPECTED: dict[str, Any] = {
    "key": ATTESTER.key,
    "profile": PROFILE,
    "audience": "",
    "nonce": NONCE,
    "demands": DEMANDS,
    "max_age": 600,
    "at": AT,
}
PASSPORT = {name: value for name, value in EXPECTED.items() if name != "nonce"}


def verify(token: bytes, **changes: Any) -> eat.FreshToken:
    return eat.verify(token, **EXPECTED | changes)


# -- the two forms


def binaries(least: int, most: int) -> Any:
    return st.binary(min_size=least, max_size=most)


TEXTS = st.text(st.characters(codec="utf-8"), max_size=8)
VERSIONS = st.tuples(TEXTS) | st.tuples(TEXTS, st.integers(-5, 20000) | TEXTS)
BOTH = {
    "iss": (1, TEXTS, None),
    "sub": (2, TEXTS, None),
    "aud": (3, TEXTS | st.lists(TEXTS, min_size=1, max_size=3), None),
    "exp": (4, st.integers(-(2**40), 2**40), None),
    "nbf": (5, st.integers(-(2**40), 2**40), None),
    "iat": (6, st.integers(-(2**40), 2**40), None),
    "ueid": (256, binaries(7, 33), unpadded),
    "oemid": (258, st.integers(0, 2**32) | binaries(3, 3) | binaries(16, 16), unpadded),
    "hwmodel": (259, binaries(1, 32), unpadded),
    "hwversion": (260, VERSIONS, None),
    "uptime": (261, st.integers(0, 2**40), None),
    "oemboot": (262, st.booleans(), None),
    "dbgstat": (263, st.sampled_from(eat.DebugStatus), None),
    "bootcount": (267, st.integers(0, 2**40), None),
    "bootseed": (268, binaries(0, 20), unpadded),
    "swname": (270, TEXTS, None),
    "swversion": (271, VERSIONS, None),
    "intuse": (275, st.sampled_from(eat.IntendedUse), None),
}


def in_json(value: Any) -> Any:
    if isinstance(value, eat.DebugStatus | eat.IntendedUse):
        return value.name.lower().replace("_", "-")
    return unpadded(value) if isinstance(value, bytes) else value


@given(st.fixed_dictionaries({}, optional={name: values for name, (_, values, _) in BOTH.items()}))
def test_both_forms_say_the_same(stated: dict[str, Any]) -> None:
    as_cbor = cbor2.dumps({BOTH[name][0]: value for name, value in stated.items()})
    as_json = json.dumps({name: in_json(value) for name, value in stated.items()}).encode()
    claims = eat.decode_cbor(as_cbor)
    assert claims == eat.decode_json(as_json)
    assert claims.ueid == stated.get("ueid")
    assert claims.dbgstat == stated.get("dbgstat")
    aud = stated.get("aud", ())
    assert claims.audiences == ((aud,) if isinstance(aud, str) else tuple(aud))
    check_codec(eat.decode_cbor, as_cbor)


@given(
    st.binary(max_size=60), st.sampled_from([b"", b"\xa1\x0a\x48", b"\xa1\x19\x01\x0a\xa1\x61x", b"[[", b'{"ueid":'])
)
def test_contract(data: bytes, head: bytes) -> None:
    for decode in (eat.decode_cbor, eat.decode_json, eat.decode_bundle, eat.Token.decode):
        check_contract(decode, head + data)


MALFORMED: dict[str, dict[Any, Any]] = {
    "iss": {1: b"x"},
    "aud": {3: []},
    "aud-number": {3: [1]},
    "exp": {4: "1"},
    "uptime": {261: -1},
    "uptime-true": {261: True},
    "oemboot": {262: 1},
    "oemid": {258: "abc"},
    "hwversion": {260: "1"},
    "hwversion-three": {260: ["1", 1, 1]},
    "hwversion-scheme": {260: ["1", True]},
    "hwversion-bytes": {260: ["1", b""]},
    "profile": {265: 1},
    "profile-oid": {265: b"\x80"},
    "manifests": {272: [[0, "text"]]},
    "manifests-one": {272: [[0]]},
    "measres": {274: [["s", []]]},
    "measres-name": {274: [["s", [[1, 1]]]]},
    "sueids": {257: [bytes(7)]},
    "sueids-label": {257: {1: bytes(7)}},
    "submods": {266: {}},
    "submods-number": {266: {"x": 1}},
    "submods-json": {266: {"x": "{}"}},
    "submods-bundle": {266: {"x": b"\xd9\x02\x5a\x80"}},
}


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed(name: str) -> None:
    with pytest.raises(DecodeError):
        eat.decode_cbor(cbor2.dumps(MALFORMED[name]))


MALFORMED_JSON: dict[str, dict[str, Any]] = {
    "ueid": {"ueid": 1},
    "nonce": {"eat_nonce": 1},
    "nonces": {"eat_nonce": ["x" * 8]},
    "profile": {"eat_profile": 1},
    "null": {"exp": None},
    "jti": {"jti": 1},
    "token": {"submods": {"x": ["JWT", 1]}},
    "half": {"submods": {"x": ["JWT", "\ud800"]}},
    "selector": {"submods": {"x": ["JWT"]}},
    "bundle": {"submods": {"x": ["BUNDLE", [["JWT", "a"], {}]]}},
    "bundle-in-bundle": {"submods": {"x": ["BUNDLE", [["CBOR", unpadded(b"\xd9\x02\x5a")], {"a": "AA"}]]}},
}


@pytest.mark.parametrize("name", MALFORMED_JSON)
def test_malformed_json(name: str) -> None:
    with pytest.raises(DecodeError):
        eat.decode_json(json.dumps(MALFORMED_JSON[name]).encode())


def test_sizes() -> None:
    with pytest.raises(DecodeError, match="more than"):
        eat.decode_json(b" " * (1 << 18) + b"{}")
    with pytest.raises(DecodeError, match="more than"):
        eat.Token.decode(b"e" + b" " * (1 << 18))


def test_bundles_nest_no_deeper_than_the_stack() -> None:
    """One in another would be one frame of Python's each, and a token has room for thousands."""
    text, data = '["JWT","e30.e30."]', b"x"
    for _ in range(9000):
        text = f'["BUNDLE",[{text},{{"x":"eA"}}]]'
    for _ in range(9000):
        data = b"\xd9\x02\x5a\x82" + cbor2.dumps(data) + b"\xa1\x61x\x41y"
    for decode, encoded in (
        (eat.decode_json, b'{"submods":{"x":' + text.encode() + b"}}"),
        (eat.decode_bundle, data),
        (eat.decode_cbor, cbor2.dumps({266: {"x": data}})),
    ):
        with pytest.raises(PeerError):
            decode(encoded)


def test_depth() -> None:
    claims: dict[str, Any] = {}
    for _ in range(8):
        claims = {"submods": {"x": claims}}
    assert eat.decode_json(json.dumps(claims).encode()).submods
    with pytest.raises(DecodeError, match="in one another"):
        eat.decode_json(json.dumps({"submods": {"x": claims}}).encode())


# -- what the RFC demands


# req: rfc9711/4 unknown-claims-are-ignored
def test_unknown_claims_are_kept_and_not_looked_at() -> None:
    assert eat.decode_cbor(cbor2.dumps({-1: 1.5, 264: {1: 52.5}})).others == {-1: 1.5, 264: {1: 52.5}}
    assert eat.decode_json(b'{"x":null,"dloas":1}').others == {"x": None, "dloas": 1}


# req: rfc9711/4 names-of-the-encoding
# req: rfc9711/4.1 nonce-of-openid-is-not-used
def test_names_of_the_other_encoding_are_no_claims() -> None:
    assert eat.decode_cbor(cbor2.dumps({"uptime": "x"})).uptime is None
    found = eat.decode_json(b'{"261":"x","nonce":"nonce-of-openid"}')
    assert (found.uptime, found.nonces) == (None, ())


# req: rfc9711/4.1 nonce-sizes
def test_nonces() -> None:
    assert eat.decode_cbor(cbor2.dumps({10: [bytes(8), bytes(64)]})).nonces == (bytes(8), bytes(64))
    assert eat.decode_json(json.dumps({"eat_nonce": ["x" * 8, "y" * 88]}).encode()).nonces == ("x" * 8, "y" * 88)
    for wrong in (bytes(7), bytes(65), [bytes(8)], []):
        with pytest.raises(DecodeError):
            eat.decode_cbor(cbor2.dumps({10: wrong}))
    for wrong_text in ("x" * 7, "x" * 89, ["x" * 8]):
        with pytest.raises(DecodeError):
            eat.decode_json(json.dumps({"eat_nonce": wrong_text}).encode())


@pytest.mark.parametrize("oemid", [0, 2**32, b"abc", bytes(16)])
# req: rfc9711/4.2.1 ueid-up-to-33-bytes
# req: rfc9711/4.2.3 oemid-in-three-forms
def test_identifiers(oemid: int | bytes) -> None:
    claims = eat.decode_cbor(cbor2.dumps({256: bytes(33), 258: oemid}))
    assert (claims.ueid, claims.oemid) == (bytes(33), oemid)
    stated = {"ueid": unpadded(bytes(33)), "oemid": in_json(oemid)}
    assert eat.decode_json(json.dumps(stated).encode()).oemid == oemid


# req: rfc9711/4.2.18 kind-of-a-submodule
def test_kinds_of_submodules() -> None:
    digest = bytes(32)
    claims = eat.decode_cbor(
        cbor2.dumps({266: {"map": {}, "array": [-16, digest], "bytes": b"token", "text": '["JWT","a"]'}})
    )
    kinds = {name: type(each) for name, each in claims.submods.items()}
    assert kinds == {"map": eat.Claims, "array": eat.DetachedDigest, "bytes": eat.NestedToken, "text": eat.NestedToken}
    stated = {"map": {}, "array": ["DIGEST", ["SHA-256", unpadded(digest)]], "bytes": ["CBOR", unpadded(b"token")]}
    stated["text"] = ["JWT", "a"]
    assert {
        name: type(each) for name, each in eat.decode_json(json.dumps({"submods": stated}).encode()).submods.items()
    } == kinds
    with pytest.raises(UnsupportedError):
        eat.decode_cbor(cbor2.dumps({266: {"x": json.dumps(stated["array"])}}))


# req: rfc9711/4.2.9 nothing-is-inherited
def test_a_submodule_inherits_nothing() -> None:
    asked = demands(submods={"os": demands(debug=eat.DebugStatus.DISABLED)})
    asked.check(eat.decode_cbor(cbor2.dumps({266: {"os": {263: 1}}})))
    with pytest.raises(PolicyError):
        asked.check(eat.decode_cbor(cbor2.dumps({263: 1, 266: {"os": {}}})))


# req: rfc9711/4.2.18.2 digest-of-the-encoded-claims
# req: rfc9711/5 no-bundle-in-a-bundle
def test_detached_claims() -> None:
    claims = cbor2.dumps({263: 1})
    token = ATTESTER.cwt({266: {"os": [-16, hashlib.sha256(claims).digest()]}})
    bundle = eat.decode_bundle(cbor2.dumps([token, {"os": claims}]))
    digest = eat.Token.decode(bundle.token).claims.submods["os"]
    assert isinstance(digest, eat.DetachedDigest)
    assert digest.open(bundle.detached["os"], bundle.form).dbgstat is eat.DebugStatus.DISABLED
    with pytest.raises(UntrustedError):
        digest.open(cbor2.dumps(claims), bundle.form)
    with pytest.raises(DecodeError, match="itself a bundle"):
        eat.decode_bundle(cbor2.dumps([cbor2.dumps(cbor2.CBORTag(602, [token, {"os": claims}])), {"os": claims}]))


# req: rfc9711/4.3.1 iat-is-no-float
def test_times_are_whole_seconds() -> None:
    assert eat.decode_cbor(cbor2.dumps({6: 5})).issued == 5
    for decode, wrong in ((eat.decode_cbor, cbor2.dumps({6: 5.0})), (eat.decode_json, b'{"iat":5.0}')):
        with pytest.raises(DecodeError):
            decode(wrong)


# -- tokens


def test_every_bit_of_a_token_counts() -> None:
    token = ATTESTER.cwt(CLAIMS)
    for at in range(len(token)):
        for bit in range(8):
            changed = bytearray(token)
            changed[at] ^= 1 << bit
            with pytest.raises(PeerError):
                verify(bytes(changed))
    for cut in range(len(token)):
        with pytest.raises(DecodeError):
            eat.Token.decode(token[:cut])


def test_every_byte_of_a_jwt_counts() -> None:
    claims = {"eat_nonce": "sent-as-text", "ueid": unpadded(UEID), "eat_profile": PROFILE}
    token = ATTESTER.jwt(claims)
    assert verify(token, nonce="sent-as-text")
    for at in range(len(token)):
        changed = bytearray(token)
        changed[at] ^= 1
        with pytest.raises(PeerError):
            verify(bytes(changed), nonce="sent-as-text")


def test_a_token_says_which_key_it_wants() -> None:
    payload = cbor2.dumps(CLAIMS)
    protected = eat.Token.decode(ATTESTER.sign1(payload, protected={1: -7, 4: b"kid"}))
    assert (protected.key_id, repr(protected.form)) == (b"kid", "CBOR")
    assert eat.Token.decode(ATTESTER.sign1(payload, unprotected={4: b"kid"})).key_id == b"kid"
    assert eat.Token.decode(ATTESTER.sign1(payload, unprotected={4: 1})).key_id is None
    assert eat.Token.decode(ATTESTER.cwt(CLAIMS)).key_id is None
    jwt = eat.Token.decode(ATTESTER.jwt({}, {"alg": "ES256", "kid": "name"}))
    assert (jwt.key_id, repr(jwt.form)) == ("name", "JSON")
    assert eat.Token.decode(ATTESTER.jwt({}, {"alg": "ES256", "kid": 1})).key_id is None


@pytest.mark.parametrize("name", ["ES256", "ES384", "ES512", "EdDSA"])
# req: rfc9711/6.4 algorithms-of-constrained-devices
def test_no_key_verifies_another_algorithm(name: str) -> None:
    entity = Entity(name, 3)
    token = entity.cwt(CLAIMS)
    for other in ("ES256", "ES384", "ES512", "EdDSA"):
        key = Entity(other, 3).key
        if other == name:
            assert verify(token, key=key).key is key
        else:
            with pytest.raises(SignatureError, match="algorithm"):
                verify(token, key=key)


def test_a_signature_of_another_size() -> None:
    message = Envelope.decode(Entity("EdDSA", 3).sign1(b"payload"), "x", tags={()})
    for size in (0, 63, 65):
        with pytest.raises(SignatureError):
            Envelope(message.protected, b"payload", bytes(size), message.headers, {}).verify(
                Entity("EdDSA", 3).key, "x"
            )
    for size in (0, 63, 65, 96):
        with pytest.raises(SignatureError, match="64 bytes"):
            Envelope(b"", b"", bytes(size), {1: -7}, {}).verify(ATTESTER.key, "x")


MESSAGES: dict[str, tuple[Any, type[Exception]]] = {
    "map": ({}, DecodeError),
    "three": ([b"", {}, b""], DecodeError),
    "text": ([cbor2.dumps({1: -7}), {}, "x", b""], DecodeError),
    "protected": ([{1: -7}, {}, b"x", b""], DecodeError),
    "signature": ([cbor2.dumps({1: -7}), {}, b"x", None], DecodeError),
    "unprotected": ([cbor2.dumps({1: -7}), [], b"x", b""], DecodeError),
    "array": ([cbor2.dumps([1, -7]), {}, b"x", b""], DecodeError),
    "empty": ([b"", {}, b"x", b""], DecodeError),
    "tags": (cbor2.CBORTag(18, cbor2.CBORTag(61, [b"", {}, b"", b""])), UnsupportedError),
}


@pytest.mark.parametrize("name", MESSAGES)
def test_no_message(name: str) -> None:
    value, error = MESSAGES[name]
    with pytest.raises(error):
        eat.Token.decode(cbor2.dumps(value))


# -- verdicts


def test_what_a_verdict_says() -> None:
    fresh = verify(ATTESTER.cwt(CLAIMS))
    dated = eat.verify_passport(ATTESTER.cwt(CLAIMS), **PASSPORT)
    assert type(fresh) is eat.FreshToken
    assert type(dated) is eat.DatedToken
    for found in (fresh, dated):
        assert found.level is Level.NONE
        assert found.claims.get(at=AT).ueid == UEID
        assert found.profile == PROFILE
        with pytest.raises(ExpiredError):
            found.claims.get(at=AT + 600)
        with pytest.raises(UsageError):
            pickle.dumps(found)
        with pytest.raises(UsageError):
            copy.copy(found)
    for kind in (eat.VerifiedToken, eat.FreshToken, eat.DatedToken):
        with pytest.raises(UsageError):
            kind(claims=fresh.claims, key=fresh.key, profile=PROFILE)


def test_ends_of_life() -> None:
    assert verify(ATTESTER.cwt(CLAIMS | {4: AT + 5})).claims.not_after == AT + 5
    assert verify(ATTESTER.cwt(CLAIMS | {6: AT - 10**6})).claims.not_after == AT + 600  # the nonce says that it's new
    assert verify(ATTESTER.cwt(CLAIMS | {6: AT + eat.SKEW})).claims.get(at=AT)
    passport = ATTESTER.cwt(CLAIMS | {6: AT - 100})
    assert eat.verify_passport(passport, **PASSPORT).claims.not_after == AT + 500


def test_a_nonce_is_not_looked_at_in_a_passport() -> None:
    other = ATTESTER.cwt(CLAIMS | {10: bytes(8)})
    assert eat.verify_passport(other, **PASSPORT)


@pytest.mark.parametrize(
    "changes",
    [
        {"nonce": b""},
        {"nonce": bytes(16)},
        {"nonce": b"1234567"},
        {"nonce": b"1" * 65},
        {"nonce": ""},
        {"nonce": "1234567"},
        {"nonce": "1" * 89},
        {"nonce": None},
        {"profile": ""},
        {"profile": None},
        {"max_age": 0},
        {"max_age": 1 << 32},
        {"key": None},
        {"key": ec.generate_private_key(ec.SECP256K1()).public_key()},
        {"key": ed448.Ed448PrivateKey.generate().public_key()},
        {"key": rsa.generate_private_key(65537, 2048).public_key()},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_expected_values_that_nothing_matches(changes: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        verify(ATTESTER.cwt(CLAIMS), **changes)


# req: rfc9711/9.3 freshness-is-checked
def test_an_expected_value_is_never_left_out() -> None:
    for name in EXPECTED:
        with pytest.raises(TypeError):
            eat.verify(ATTESTER.cwt(CLAIMS), **{key: value for key, value in EXPECTED.items() if key != name})
    for name in PASSPORT:
        with pytest.raises(TypeError):
            eat.verify_passport(ATTESTER.cwt(CLAIMS), **{key: value for key, value in PASSPORT.items() if key != name})


def test_algorithms() -> None:
    assert [algorithm_of(Entity(name, 1).key) for name in ("ES384", "EdDSA")] == [(-35, "ES384"), (-8, "EdDSA")]


# -- demands


def demands(**changes: Any) -> eat.Demands:
    nothing = {"ueids": eat.ANYTHING, "hardware": eat.ANYTHING, "debug": eat.ANYTHING, "oemboot": False}
    return eat.Demands(**nothing | {"measured": eat.ANYTHING, "submods": {}} | changes)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"ueids": frozenset()},
        {"ueids": None},
        {"ueids": {UEID}},
        {"hardware": ()},
        {"measured": frozenset()},
        {"debug": eat.DebugStatus.ENABLED},
        {"debug": 2},
        {"debug": None},
        {"debug": eat.DebugStatus.DISABLED_PERMANENTLY},
        {"oemboot": True},
    ],
)
def test_demands_that_demand_nothing(changes: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        demands(**changes)


def test_what_the_manufacturer_holds() -> None:
    hardware = frozenset({(64242, eat.ANYTHING)})
    asked = demands(debug=eat.DebugStatus.DISABLED_PERMANENTLY, oemboot=True, hardware=hardware)
    asked.check(eat.decode_cbor(cbor2.dumps({258: 64242, 262: True, 263: 3})))
    asked.check(eat.decode_cbor(cbor2.dumps({258: 64242, 259: b"any", 262: True, 263: 4})))
    # Fully shut off is so for the manufacturer too, whoever that is.
    demands(debug=eat.DebugStatus.DISABLED_FULLY_AND_PERMANENTLY).check(eat.decode_cbor(cbor2.dumps({263: 4})))


def test_demands_cannot_be_changed_afterwards() -> None:
    submods = {"os": demands(debug=eat.DebugStatus.DISABLED)}
    asked = demands(submods=submods)
    submods.clear()
    assert "os" in asked.submods


# -- against other implementations' files


def test_published_profile(shared: Path) -> None:
    """The EAT around wrapped messages that Veraison publishes, which isn't a claims set of the RFC's alone."""
    claims = eat.decode_json((shared / "attestation" / "cmw" / "ietf_eat-example-1.json").read_bytes())
    assert "cmw" in claims.others
