"""Tokens and reference values before other implementations: what either writes the other reads; both refuse alike."""

from __future__ import annotations

import json
from pathlib import Path

import cbor2
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from privproc.attestation import corim, eat
from privproc.errors import DecodeError, SignatureError, UnsupportedError
from privproc.vectors._kinds.eat import stated
from tests.interop.driver import PeerError
from tests.interop.peers import CORIM_RS, COSET, JOSE, difference, named
from tests.world.corim import comid, element, manifest, sign, state, validity
from tests.world.eat import Entity

pytestmark = [pytest.mark.loopback, pytest.mark.interop]

AT = 1_800_000_000
NONCE = bytes(range(16))
PROFILE = "tag:example.com,2026:attester"
CLAIMS = {6: AT, 10: NONCE, 256: b"\x02" + bytes(6), 258: 64242, 263: 2, 265: PROFILE, 266: {"os": {263: 1}}}
JSON_CLAIMS = {
    "iat": AT,
    "eat_nonce": "sent-as-text",
    "dbgstat": "disabled",
    "eat_profile": PROFILE,
    "submods": {"os": {}},
}
DEMANDS = eat.Demands(
    ueids=eat.ANYTHING,
    hardware=eat.ANYTHING,
    debug=eat.DebugStatus.DISABLED,
    oemboot=False,
    measured=eat.ANYTHING,
    submods={},
)
ENTITY = Entity("ES384", 5)
POINT = ENTITY.key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
SCALAR = ENTITY.private.private_numbers().private_value.to_bytes(48, "big")
VECTORS = Path(__file__).resolve().parent.parent.parent / "vectors"

coset = pytest.mark.parametrize("peer", [COSET], indirect=True, ids=named)
jose = pytest.mark.parametrize("peer", [JOSE], indirect=True, ids=named)
corim_rs = pytest.mark.parametrize("peer", [CORIM_RS], indirect=True, ids=named)


def verify(token, key, nonce):
    return eat.verify(
        token, key=key, profile=PROFILE, audience="", nonce=nonce, demands=DEMANDS, max_age=600, at=AT
    ).claims.get(at=AT)


def changed(data: bytes, at: int) -> bytes:
    at %= len(data)
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


# -- CWT


@coset
@pytest.mark.parametrize("tagged", [0, 1])
def test_a_cwt_from_there(peer, tagged):
    token = peer.call("cwt.sign", SCALAR, cbor2.dumps(CLAIMS), tagged).bytes()
    assert verify(token, ENTITY.key, NONCE) == eat.decode_cbor(cbor2.dumps(CLAIMS))
    assert eat.Token.decode(token).key_id == b"kid"


@coset
def test_a_cwt_from_here(peer):
    token = ENTITY.sign1(cbor2.dumps(CLAIMS), tags=(18,))
    assert peer.call("cwt.verify", POINT, token).bytes() == cbor2.dumps(CLAIMS)
    for wrong in (
        changed(token, -1),
        changed(token, 30),
        ENTITY.sign1(cbor2.dumps(CLAIMS), tags=(18,), protected={1: -7}),
    ):
        with pytest.raises(PeerError):
            peer.call("cwt.verify", POINT, wrong)


# -- JWT


@jose
@pytest.mark.parametrize("algorithm", ["ES256", "ES384", "ES512", "EdDSA"])
def test_a_jwt_from_there(peer, algorithm):
    key = load_pem_public_key(peer.call("jwt.key", algorithm).bytes())
    token = peer.call("jwt.sign", algorithm, json.dumps(JSON_CLAIMS).encode()).bytes()
    assert verify(token, key, "sent-as-text") == eat.decode_json(json.dumps(JSON_CLAIMS).encode())
    assert eat.Token.decode(token).key_id == "kid"


@jose
@pytest.mark.parametrize("algorithm", ["ES256", "ES384", "ES512", "EdDSA"])
def test_a_jwt_from_here(peer, algorithm):
    entity = Entity(algorithm, 5)
    pem = entity.key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    token = entity.jwt(JSON_CLAIMS)
    assert peer.call("jwt.verify", algorithm, pem, token).bytes() == json.dumps(JSON_CLAIMS).encode()
    head = {"alg": algorithm, "crit": ["x"], "x": 1}
    for wrong in (
        changed(token, -9),
        changed(token, 60),
        entity.jwt(JSON_CLAIMS, head),
        entity.jwt(JSON_CLAIMS, {"alg": "none"}),
    ):
        with pytest.raises(PeerError):
            peer.call("jwt.verify", algorithm, pem, wrong)


# -- CoRIM

TAG = cbor2.CBORTag
OID = TAG(111, b"\x2a\x03\x04")
UEID = b"\x02" + bytes(6)
VALUES = {
    "a version": {0: {0: "1.0.0", 1: 16384}},
    "an SVN": {1: 3},
    "a tagged SVN": {1: TAG(552, 3)},
    "a minimum SVN": {1: TAG(553, 3)},
    "digests": {2: [[1, bytes(32)], [7, bytes(48)]]},
    "a digest by name": {2: [["sha-256", bytes(32)]]},
    "a digest unknown there": {2: [[1, bytes(32)], ["own", b"x"]]},
    "flags": {3: dict.fromkeys(range(11), True)},
    "a raw value": {4: TAG(560, b"\x12")},
    "a masked value": {4: TAG(563, [b"\x12", b"\xff"])},
    "addresses": {6: bytes(8), 7: bytes(16)},
    "names": {8: "serial", 9: UEID, 10: bytes(16), 11: "name"},
    "keys": {13: [TAG(560, b"k"), TAG(554, "pem"), TAG(562, b"der")]},
    "registers": {14: {0: [[7, bytes(48)]], "pcr": [[1, bytes(32)]]}},
    "an integer": {15: 5},
    "a range": {15: TAG(564, [None, 5])},
    "extensions": {-1: 1, 100: "x"},
}
ENVIRONMENTS = {
    "a class": {0: {0: OID, 1: "v", 2: "m", 3: 0, 4: 1}},
    "a class of bytes": {0: {0: TAG(560, b"x")}},
    "a UEID": {1: TAG(550, UEID)},
    "a UUID": {1: TAG(37, bytes(16)), 2: TAG(37, bytes(16))},
    "bytes": {1: TAG(560, b"i"), 2: TAG(560, b"g")},
}
MANIFESTS = {
    **{name: manifest(comid(state(element(values)))) for name, values in VALUES.items()},
    **{f"in {name}": manifest(comid(state(element({1: 1}), environment=it))) for name, it in ENVIRONMENTS.items()},
    **{f"of {key!r}": manifest(comid(state(element({1: 1}, key)))) for key in (7, "k", OID, TAG(37, bytes(16)))},
    "a profile": manifest(comid(state(element({1: 1}))), m3=TAG(32, PROFILE)),
    "validity": manifest(comid(state(element({1: 1}))), m4=validity(5, 2**40)),
    "entities": manifest(comid(state(element({1: 1}))), m5=[{0: "s", 1: TAG(32, "https://s.example"), 2: [1, 2]}]),
    "linked tags": manifest(
        comid(state(element({1: 1})), version=3, m0="en", m3=[{0: "a", 1: 1}, {0: bytes(16), 1: 0}])
    ),
}
PUBLISHED = {
    it["id"]: bytes.fromhex(it["data"]) for it in json.loads((VECTORS / "corim.json").read_text())["cases"][:3]
}


@corim_rs
@pytest.mark.parametrize("name", [*MANIFESTS, *PUBLISHED])
def test_a_manifest_there_and_back(peer, name):
    """From here to there, where it is verified and encoded again; then encoded and signed there, and verified here."""
    data = (MANIFESTS | PUBLISHED)[name]
    wanted = corim.Manifest.decode(data)
    with difference(peer.peer, f"manifest with {name}"):
        again = peer.call("corim.verify", POINT, sign(ENTITY, data)).bytes()
        assert stated(corim.Manifest.decode(again)) == stated(wanted)
        signed = peer.call("corim.sign", SCALAR, data, b"ACME Inc.").bytes()
        found = corim.verify(signed, key=ENTITY.key, profile=wanted.profile, max_age=600, at=AT)
        assert (found.name, stated(found.manifest.get(at=AT))) == ("ACME Inc.", stated(wanted))


ONE = PUBLISHED["corim-1"]
REFUSED: dict[str, tuple[type[Exception], bytes]] = {
    "a changed signature": (SignatureError, changed(sign(ENTITY, ONE), -1)),
    "a changed payload": (SignatureError, changed(sign(ENTITY, ONE), 120)),
    "another signer": (SignatureError, sign(Entity("ES384", 6), ONE)),
    "another algorithm": (SignatureError, sign(ENTITY, ONE, h1=-7)),
    "no signature": (DecodeError, ONE),
    "no tag": (UnsupportedError, sign(ENTITY, ONE)[1:]),
    "no content type": (UnsupportedError, sign(ENTITY, ONE, h3=None)),
    "nobody's name": (DecodeError, sign(ENTITY, ONE, h8=None)),
    "a critical header": (UnsupportedError, sign(ENTITY, ONE, h2=[99], h99=0)),
    "trailing bytes": (DecodeError, sign(ENTITY, ONE) + b"\0"),
    "an empty class": (DecodeError, sign(ENTITY, manifest(comid(state(element({1: 1}), environment={0: {}}))))),
    "a model of no vendor": (
        DecodeError,
        sign(ENTITY, manifest(comid(state(element({1: 1}), environment={0: {2: "m"}})))),
    ),
    "a digest twice": (
        DecodeError,
        sign(ENTITY, manifest(comid(state(element({2: [[1, bytes(32)], [1, b"\1" * 32]]}))))),
    ),
    "a time without tag": (DecodeError, sign(ENTITY, manifest(comid(state(element({1: 1}))), m4={1: 2**40}))),
}


@corim_rs
@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_here_is_refused_there(peer, name):
    error, data = REFUSED[name]
    with pytest.raises(error):
        corim.verify(data, key=ENTITY.key, profile="", max_age=600, at=AT)
    with difference(peer.peer, name), pytest.raises(PeerError):
        peer.call("corim.verify", POINT, data)
