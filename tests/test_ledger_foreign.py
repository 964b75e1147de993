"""Rekor's entries and CCF's receipts: each check with an answer that fails it, and proof that it would pass without."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_public_key
from hypothesis import given
from hypothesis import strategies as st

from privproc.errors import (
    DecodeError,
    ExpiredError,
    PeerError,
    SignatureError,
    UnsupportedError,
    UntrustedError,
    UsageError,
)
from privproc.ledger import Logged, ccf, merkle, rekor
from tests.codec import check_contract
from tests.world.foreign import SPKI, FakeCcf, FakeRekor, key
from tests.world.removed import removed

AT = 1_780_000_000
LOG = FakeRekor(AT)
ARTIFACT = b"an artifact"
DIGEST = hashlib.sha256(ARTIFACT).digest()
SIGNER = key("releases").public_key()
BODY = LOG.body(ARTIFACT)
ANSWER = LOG.answer(BODY)


def check(answer: bytes = ANSWER, **changes: Any) -> rekor.Entry:
    arguments: dict[str, Any] = {"log": LOG.log, "digest": DIGEST, "signer": SIGNER, "at": AT}
    return rekor.verify(answer, **arguments | changes)


def patched(**changes: Any) -> bytes:
    """The good answer with members of its entry replaced, unsigned."""
    ((name, entry),) = json.loads(ANSWER).items()
    return json.dumps({name: entry | changes}).encode()


def proved(**changes: Any) -> bytes:
    return LOG.answer(BODY, proof=changes)


def test_rekor() -> None:
    found = check()
    assert (found.digest, found.integrated_at, found.index) == (DIGEST, AT, 4)
    assert (found.checkpoint.size, found.checkpoint.origin) == (5, "rekor.example - 77")
    assert not isinstance(found, Logged)
    assert check(
        LOG.answer(
            LOG.body(ARTIFACT, kind="rekord", signature=dict(LOG.body(ARTIFACT)["spec"]["signature"], format="x509"))
        )
    )


Case = tuple[Callable[[], bytes], type[Exception], str, Any, str]

CHECKED = '_check(log.key, line.signature, note.text, "checkpoint")'
REKOR: dict[str, Case] = {
    "timestamp": (
        lambda: LOG.answer(BODY, timestamper="mallory"),
        SignatureError,
        "signed entry timestamp",
        rekor._check_timestamp,
        '_check(log.key, decode_base64(timestamp, _WHAT), message, "signed entry timestamp")',
    ),
    "time": (
        lambda: patched(integratedTime=AT - 9),
        SignatureError,
        "signed entry timestamp",
        rekor._check_timestamp,
        '_check(log.key, decode_base64(timestamp, _WHAT), message, "signed entry timestamp")',
    ),
    "log-id": (
        lambda: LOG.answer(BODY, entry={"logID": "00" * 32}),
        UntrustedError,
        "of another log",
        rekor.verify,
        '_check_timestamp(entry, body, read_text(verification, "signedEntryTimestamp", _WHAT), log)',
    ),
    "checkpoint": (
        lambda: LOG.answer(BODY, signer="mallory"),
        SignatureError,
        "checkpoint",
        rekor._included,
        CHECKED,
    ),
    "origin": (
        lambda: LOG.answer(BODY, origin="other.example - 77"),
        UntrustedError,
        "checkpoint of another log",
        rekor._included,
        'raise UntrustedError("Rekor entry: checkpoint of another log")',
    ),
    "root": (
        lambda: proved(rootHash="00" * 32),
        UntrustedError,
        "another tree",
        rekor._included,
        'raise UntrustedError("Rekor entry: proof for another tree than its checkpoint\'s")',
    ),
    "size": (
        lambda: proved(treeSize=6),
        UntrustedError,
        "another tree",
        rekor._included,
        'raise UntrustedError("Rekor entry: proof for another tree than its checkpoint\'s")',
    ),
    "artifact": (
        lambda: LOG.answer(LOG.body(ARTIFACT, digest=bytes(32))),
        UntrustedError,
        "another artifact",
        rekor._check_body,
        'raise UntrustedError("Rekor entry: about another artifact")',
    ),
    "signer": (
        lambda: LOG.answer(LOG.body(ARTIFACT, keyed="mallory")),
        UntrustedError,
        "another key",
        rekor._check_body,
        'raise UntrustedError("Rekor entry: signed by another key")',
    ),
    "signature": (
        lambda: LOG.answer(LOG.body(ARTIFACT, signer="mallory", keyed="releases")),
        SignatureError,
        "artifact's",
        rekor._check_body,
        '_check(signer, made, digest, "artifact\'s", prehashed=True)',
    ),
    "future": (
        lambda: LOG.answer(BODY, entry={"integratedTime": AT + 301}),
        ExpiredError,
        "future",
        rekor.verify,
        'raise ExpiredError("Rekor entry: integrated in the future")',
    ),
}


@pytest.mark.parametrize("name", REKOR)
def test_rekor_refuses(name: str) -> None:
    make, error, reason, function, fragment = REKOR[name]
    with pytest.raises(error, match=reason) as raised:
        check(make())
    assert type(raised.value) is error
    with removed(function, fragment):
        check(make())


def test_rekor_inclusion() -> None:
    other = LOG.answer(
        LOG.body(ARTIFACT, signature={}),
        proof=json.loads(LOG.answer({"x": 1}))["00" * 40]["verification"]["inclusionProof"],
    )
    for answer in (other, proved(hashes=[]), proved(hashes=["00" * 32] * 2), proved(logIndex=3), proved(logIndex=5)):
        with pytest.raises(SignatureError, match="inclusion proof"):
            check(answer)
    with removed(rekor.merkle.verify_inclusion, 'raise SignatureError("inclusion proof: leads to another root")'):
        check(other)
    with pytest.raises(UntrustedError, match="isn't signed by the log"):
        check(
            proved(
                checkpoint=json.loads(ANSWER)["00" * 40]["verification"]["inclusionProof"]["checkpoint"].replace(
                    "\N{EM DASH} rekor", "\N{EM DASH} other"
                )
            )
        )


@pytest.mark.parametrize(
    ("answer", "error", "reason"),
    [
        (b"{}", DecodeError, "not one entry"),
        (b'{"a":{},"b":{}}', DecodeError, "not one entry"),
        (b'{"a":1}', DecodeError, "not an object"),
        (b"[" * 10, DecodeError, "not JSON"),
        (b" " * (rekor.MAX_ENTRY + 1), DecodeError, "over"),
        (patched(body=1), DecodeError, "body is not text"),
        (patched(body="*"), DecodeError, "Base64"),
        (patched(body="\ud800"), DecodeError, "body is not text"),
        (patched(verification=None), DecodeError, "verification"),
        (patched(integratedTime=True), DecodeError, "integratedTime"),
        (patched(integratedTime=-1), DecodeError, "integratedTime"),
        (patched(integratedTime=1 << 53), DecodeError, "integratedTime"),
        (proved(hashes=None), DecodeError, "list of hashes"),
        (proved(hashes=["00" * 32] * 64), DecodeError, "list of hashes"),
        (proved(hashes=["00"]), DecodeError, "32 bytes"),
        (proved(rootHash="AA" * 32), DecodeError, "32 bytes"),
        (proved(rootHash="zz" * 32), DecodeError, "32 bytes"),
        (LOG.answer({"kind": "intoto"}), UnsupportedError, "hashedrekord"),
        (LOG.answer(LOG.body(ARTIFACT, apiVersion="0.0.2")), UnsupportedError, "hashedrekord"),
        (LOG.answer(LOG.body(ARTIFACT, kind=[])), UnsupportedError, "hashedrekord"),
        (LOG.answer(LOG.body(ARTIFACT, apiVersion={})), UnsupportedError, "hashedrekord"),
        (LOG.answer(LOG.body(ARTIFACT, hash={"algorithm": "sha512"})), UnsupportedError, "SHA-256"),
        (LOG.answer(LOG.body(ARTIFACT, signature={"format": "minisign"})), UnsupportedError, "X.509"),
        (LOG.answer(LOG.body(ARTIFACT, pem=b"-----BEGIN CERTIFICATE-----")), UnsupportedError, "certificate"),
    ],
)
def test_rekor_malformed(answer: bytes, error: type[Exception], reason: str) -> None:
    with pytest.raises(error, match=reason):
        check(answer)


@pytest.mark.parametrize(
    "change",
    [
        {"log": None},
        {"digest": b""},
        {"digest": None},
        {"digest": bytes(31)},
        {"signer": None},
        {"signer": key("releases", ec.SECP384R1()).public_key()},
    ],
)
def test_rekor_arguments(change: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        check(**change)


def test_rekor_of_a_key_of_another_kind() -> None:
    pem = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(32)).public_key().public_bytes(Encoding.PEM, SPKI)
    with pytest.raises(UntrustedError, match="another key"):
        check(LOG.answer(LOG.body(ARTIFACT, pem=pem)))


@given(at=st.integers(0, len(ANSWER) - 1), byte=st.binary(min_size=1, max_size=2))
def test_rekor_contract(at: int, byte: bytes) -> None:
    check_contract(check, ANSWER[:at] + byte + ANSWER[at + 1 :])


def test_rekor_published(shared: Path) -> None:
    """Oak's endorsement of one of its images, in Sigstore's public log."""
    folder = shared / "attestation" / "oak"
    answer = (folder / "logentry.json").read_bytes()
    public = load_pem_public_key((folder / "rekor_public_key.pem").read_bytes())
    assert isinstance(public, ec.EllipticCurvePublicKey)
    ((uuid, entry),) = json.loads(answer).items()
    leaf = base64.b64decode(entry["body"])
    spec = json.loads(leaf)["spec"]
    signer = load_pem_public_key(base64.b64decode(spec["signature"]["publicKey"]["content"]))
    assert isinstance(signer, ec.EllipticCurvePublicKey)
    arguments: dict[str, Any] = {
        "log": rekor.Log("rekor.sigstore.dev", public),
        "digest": bytes.fromhex(spec["data"]["hash"]["value"]),
        "signer": signer,
    }
    found = rekor.verify(answer, **arguments, at=AT)
    assert (found.index, found.checkpoint.size, found.integrated_at) == (10289603, 10289604, 1726762760)
    assert uuid.endswith(merkle.leaf_hash(leaf).hex())
    with pytest.raises(ExpiredError):
        rekor.verify(answer, **arguments, at=found.integrated_at - 301)
    with pytest.raises(UntrustedError, match="another artifact"):
        rekor.verify(answer, **arguments | {"digest": DIGEST}, at=AT)
    with pytest.raises(UntrustedError, match="another key"):
        rekor.verify(answer, **arguments | {"signer": SIGNER}, at=AT)
    for offset in range(0, len(answer), 41):
        changed = bytearray(answer)
        changed[offset] ^= 1
        if offset > 85:  # before, it is the UUID that changes
            with pytest.raises(PeerError):
                rekor.verify(bytes(changed), **arguments, at=AT)


# -- CCF

CCF = FakeCcf(AT)
CLAIMS = hashlib.sha256(b"a key configuration").digest()
RECEIPT = CCF.receipt(CLAIMS)


def confirm(receipt: bytes = RECEIPT, **changes: Any) -> ccf.Committed:
    return ccf.verify(receipt, **{"service": CCF.service, "claims_digest": CLAIMS} | changes)


def test_ccf() -> None:
    found = confirm()
    assert (found.claims_digest, found.view, found.sequence) == (CLAIMS, 2, 643)
    assert confirm(CCF.receipt(CLAIMS, leaf={"claims_digest": None})) == found
    assert not isinstance(found, Logged)


def test_ccf_after_a_recovery() -> None:
    """The service has had other identities since: the next one endorses the last."""
    old, new = CCF.certificate("old service", "service"), CCF.service
    receipt = CCF.receipt(
        CLAIMS,
        node=CCF.certificate("node", "old service"),
        service_endorsements=[old.public_bytes(Encoding.PEM).decode()],
    )
    assert confirm(receipt, service=new).view == 2
    with pytest.raises(UntrustedError, match="not issued"):
        confirm(CCF.receipt(CLAIMS, node=CCF.certificate("node", "old service")))


OTHER = hashlib.sha256(b"another key").digest()
CCFS: dict[str, Case] = {
    "claims": (
        lambda: CCF.receipt(CLAIMS, leaf={"claims_digest": OTHER.hex()}),
        UntrustedError,
        "other claims",
        ccf.verify,
        'raise UntrustedError("CCF receipt: about other claims")',
    ),
    "signer": (
        lambda: CCF.receipt(CLAIMS, signer="mallory"),
        SignatureError,
        "receipt: signature",
        ccf.verify,
        'raise SignatureError("CCF receipt: signature doesn\'t verify") from None',
    ),
    "node": (
        lambda: CCF.receipt(CLAIMS, node_id="00" * 32),
        UntrustedError,
        "another node's",
        ccf._check_node,
        "raise UntrustedError(\"CCF receipt: the node's certificate is another node's\")",
    ),
    "issuer": (
        lambda: CCF.receipt(CLAIMS, node=CCF.certificate("node", "mallory")),
        UntrustedError,
        "not issued",
        ccf.verify,
        "_check_issued([node, *_endorsements(fields), service])",
    ),
    "key-of-issuer": (
        lambda: CCF.receipt(CLAIMS, node=CCF.certificate("node", "service", signer="mallory")),
        SignatureError,
        "certificate's signature",
        ccf.verify,
        "_check_issued([node, *_endorsements(fields), service])",
    ),
}


@pytest.mark.parametrize("name", CCFS)
def test_ccf_refuses(name: str) -> None:
    make, error, reason, function, fragment = CCFS[name]
    with pytest.raises(error, match=reason) as raised:
        confirm(make())
    assert type(raised.value) is error
    with removed(function, fragment):
        confirm(make())


@pytest.mark.parametrize("claims", [OTHER, bytes(32)])
def test_ccf_of_another_transaction(claims: bytes) -> None:
    """What Azure's client forgets: a good receipt of the service, about something else, stated or not."""
    with pytest.raises(UntrustedError, match="other claims"):
        confirm(CCF.receipt(claims))
    with pytest.raises(SignatureError):
        confirm(CCF.receipt(claims, leaf={"claims_digest": None}))
    with pytest.raises(SignatureError):
        confirm(CCF.receipt(claims, leaf={"claims_digest": CLAIMS.hex()}))


@pytest.mark.parametrize(
    "changes",
    [
        {"proof": []},
        {"proof": [{"left": "00" * 32}]},
        {"leaf": {"write_set_digest": "00" * 32}},
        {"leaf": {"commit_evidence": "ce:2.644:" + "00" * 32}},
    ],
)
def test_ccf_leads_to_another_root(changes: dict[str, Any]) -> None:
    with pytest.raises(SignatureError, match="receipt: signature"):
        confirm(CCF.receipt(CLAIMS, **changes))


@pytest.mark.parametrize(
    ("receipt", "error", "reason"),
    [
        (b" " * (ccf.MAX_RECEIPT + 1), DecodeError, "over"),
        (b"[]", DecodeError, "not an object"),
        (CCF.receipt(CLAIMS, leaf_components=None), UnsupportedError, "leaf components"),
        (CCF.receipt(CLAIMS, leaf={"commit_evidence": None}), DecodeError, "commit evidence"),
        (CCF.receipt(CLAIMS, leaf={"commit_evidence": "ce:0.1:" + "0" * 64}), DecodeError, "commit evidence"),
        (CCF.receipt(CLAIMS, leaf={"write_set_digest": None}), DecodeError, "write_set_digest"),
        (CCF.receipt(CLAIMS, leaf={"claims_digest": "00"}), DecodeError, "claims_digest"),
        (CCF.receipt(CLAIMS, proof=None), DecodeError, "not a proof"),
        (CCF.receipt(CLAIMS, proof=[{"left": "00" * 32}] * 64), DecodeError, "not a proof"),
        (CCF.receipt(CLAIMS, proof=[{}]), DecodeError, "one side"),
        (CCF.receipt(CLAIMS, proof=[{"left": "00" * 32, "right": "00" * 32}]), DecodeError, "one side"),
        (CCF.receipt(CLAIMS, proof=[{"up": "00" * 32}]), DecodeError, "one side"),
        (CCF.receipt(CLAIMS, proof=[1]), DecodeError, "one side"),
        (CCF.receipt(CLAIMS, proof=[{"right": "0"}]), DecodeError, "right"),
        (CCF.receipt(CLAIMS, cert=None), DecodeError, "not a certificate"),
        (CCF.receipt(CLAIMS, cert="\xe9"), DecodeError, "not a certificate"),
        (CCF.receipt(CLAIMS, node_id=None), DecodeError, "node_id"),
        (CCF.receipt(CLAIMS, signature=None), DecodeError, "signature is not text"),
        (CCF.receipt(CLAIMS, signature="*"), DecodeError, "Base64"),
        (CCF.receipt(CLAIMS, service_endorsements={}), DecodeError, "endorsements"),
        (CCF.receipt(CLAIMS, service_endorsements=[""] * 17), DecodeError, "endorsements"),
        (CCF.receipt(CLAIMS, service_endorsements=[""]), DecodeError, "not a certificate"),
    ],
)
def test_ccf_malformed(receipt: bytes, error: type[Exception], reason: str) -> None:
    with pytest.raises(error, match=reason):
        confirm(receipt)


def test_ccf_of_a_key_of_another_kind() -> None:
    private = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    with pytest.raises(UnsupportedError, match="elliptic curve"):
        confirm(CCF.receipt(CLAIMS, node=CCF.certificate("node", "service", public=private.public_key())))


NODE = CCF.certificate("node", "service").public_bytes(Encoding.DER)
EC_KEY, P384, ECDSA_SHA384 = map(bytes.fromhex, ("2a8648ce3d0201", "2b81040022", "2a8648ce3d040303"))
VERSION_3, SERIAL_7 = map(bytes.fromhex, ("a003020102", "020107"))
CERTIFICATES = {
    "version": (VERSION_3, bytes.fromhex("a003020104"), DecodeError, "not a certificate"),
    "serial-zero": (SERIAL_7, bytes.fromhex("020100"), DecodeError, "not a certificate"),
    "serial-negative": (SERIAL_7, bytes.fromhex("0201ff"), DecodeError, "not a certificate"),
    "key": (EC_KEY, EC_KEY[:-1] + b"\x7f", UnsupportedError, "key"),
    "curve": (P384, P384[:-1] + b"\x7f", UnsupportedError, "key"),
    "signature": (ECDSA_SHA384, ECDSA_SHA384[:-1] + b"\x7f", UntrustedError, "not issued"),
}


@pytest.mark.parametrize("name", CERTIFICATES)
def test_ccf_of_an_unknown_certificate(name: str) -> None:
    """Certificates that X.509 allows and the crypto library doesn't know, or only warns of."""
    good, other, error, reason = CERTIFICATES[name]
    assert good in NODE
    with pytest.raises(error, match=reason):
        confirm(CCF.receipt(CLAIMS, cert=pem(NODE.replace(good, other))))


@pytest.mark.filterwarnings("ignore:Parsed a serial number")
@pytest.mark.parametrize("name", ["serial-zero", "serial-negative"])
def test_ccf_of_such_a_certificate_where_warnings_are_no_errors(name: str) -> None:
    test_ccf_of_an_unknown_certificate(name)


def test_ccf_endorsed_by_an_unknown_key() -> None:
    authority = CCF.service.public_bytes(Encoding.DER).replace(P384, P384[:-1] + b"\x7f")
    with pytest.raises(UnsupportedError, match="key"):
        confirm(CCF.receipt(CLAIMS, service_endorsements=[pem(authority)]))


def pem(certificate: bytes) -> str:
    return f"-----BEGIN CERTIFICATE-----\n{base64.encodebytes(certificate).decode()}-----END CERTIFICATE-----\n"


@pytest.mark.parametrize(
    "change",
    [{"claims_digest": bytes(32)}, {"claims_digest": b""}, {"claims_digest": None}, {"service": None}],
)
def test_ccf_arguments(change: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        confirm(**change)


@given(at=st.integers(0, len(RECEIPT) - 1), byte=st.binary(min_size=1, max_size=2))
def test_ccf_contract(at: int, byte: bytes) -> None:
    check_contract(confirm, RECEIPT[:at] + byte + RECEIPT[at + 1 :])
