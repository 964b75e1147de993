"""Exported authenticators: two ends over exporter values, malformed requests, contexts, credentials."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from privproc import ratls
from privproc.errors import (
    DecodeError,
    LimitError,
    PeerError,
    PolicyError,
    ReplayError,
    SignatureError,
    SpentError,
    UnsupportedError,
    UntrustedError,
    UsageError,
)
from privproc.ratls import authenticator, credential
from privproc.ratls.authenticator import (
    MAX_AUTHENTICATOR,
    MAX_CONTEXTS,
    AuthenticatorRequest,
    Authenticators,
    PendingAuthenticator,
    Side,
)
from privproc.ratls.credential import SCHEMES, Credential, verify_signature
from privproc.secret import Secret
from tests import authenticators as by_hand
from tests.codec import check_contract
from tests.test_ratls import channels
from tests.world.removed import removed


def export(label, context, length):
    """A connection's exporter, as good as any."""
    return Secret(hashlib.shake_256(b"a connection" + label + context).digest(length))


def elsewhere(label, context, length):
    """Another connection's."""
    return Secret(hashlib.shake_256(b"another one" + label + context).digest(length))


def certified(key, subject="leaf"):
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)])
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
    made = made.not_valid_before(datetime(2026, 1, 1, tzinfo=UTC)).not_valid_after(datetime(2027, 1, 1, tzinfo=UTC))
    digest = None if isinstance(key, Ed25519PrivateKey | Ed448PrivateKey) else SHA256()
    return made.sign(key, digest).public_bytes(Encoding.DER)


ED25519, P256 = Ed25519PrivateKey.generate(), ec.generate_private_key(ec.SECP256R1())
CREDENTIALS = [Credential((certified(key),), key) for key in (ED25519, P256)]
ED = CREDENTIALS[0]


def ends(one=export, two=export):
    return Authenticators(one, Side.CLIENT), Authenticators(two, Side.SERVER)


@pytest.mark.parametrize("cred", CREDENTIALS, ids=["ed25519", "P-256"])
@pytest.mark.parametrize("evidence", [b"", b"e", bytes(0xFFFF - 6)], ids=len)
@pytest.mark.parametrize("swapped", [False, True])
def test_round_trip(cred, evidence, swapped):
    asking, answering = reversed(ends()) if swapped else ends()
    request, pending = asking.request(attestation=bool(evidence))
    peer = pending.finish(answering.authenticate(request, cred, attestation=evidence))
    assert (peer.leaf, peer.chain, peer.attestation) == (cred.chain[0], cred.chain, evidence)


def test_over_a_live_session():
    """Both ends of a TLS session of this library's, and the definition by hand beside them."""
    device, enclave = channels()
    client, server = Authenticators(device.export, Side.CLIENT), Authenticators(enclave.export, Side.SERVER)
    request, pending = client.request(attestation=True)
    made = server.authenticate(request, ED, attestation=b"evidence")
    keys = by_hand.Keys.of(lambda *args: enclave.export(*args).expose(), "server")
    assert keys.check(request, made) == list(ED.chain)
    assert pending.finish(made).attestation == b"evidence"


def test_another_live_session():
    one, two = channels(), channels()
    request, pending = Authenticators(one[0].export, Side.CLIENT).request(attestation=False)
    made = Authenticators(two[1].export, Side.SERVER).authenticate(request, ED)
    with pytest.raises(SignatureError):
        pending.finish(made)


def test_requests_are_framed_and_named_by_their_sender():
    client, server = ends()
    for asking, kind, side in (client, 17, Side.CLIENT), (server, 13, Side.SERVER):
        request, _ = asking.request(attestation=True)
        assert request[0] == kind
        decoded = AuthenticatorRequest.decode(request)
        assert (decoded.sender, len(decoded.context), decoded.schemes, decoded.attestation) == (side, 32, SCHEMES, True)
        assert request == by_hand.request(side.value.decode(), decoded.context) == decoded.encode()


# req: privproc1/15.2 requests-demand-both
def test_contexts_are_fresh():
    client, _ = ends()
    assert len({client.request(attestation=False)[0] for _ in range(8)}) == 8


REQUESTS = {
    "another message": by_hand.message(11, by_hand.request("client", b"c")[4:]),
    "no extensions": by_hand.message(17, b"\0\0\0"),
    "no signature_algorithms": by_hand.message(17, b"\0" + by_hand.vector(2, by_hand.extension(0xFF00, b""))),
    "an extension twice": by_hand.message(17, b"\0" + by_hand.vector(2, by_hand.extension(0xFF00, b"") * 2)),
    "evidence in the request": by_hand.message(
        17, b"\0" + by_hand.vector(2, by_hand.extension(13, b"\0\2\x08\x07") + by_hand.extension(0xFF00, b"\0\1e"))
    ),
    "no schemes": by_hand.message(17, b"\0" + by_hand.vector(2, by_hand.extension(13, b"\0\0"))),
    "half a scheme": by_hand.message(17, b"\0" + by_hand.vector(2, by_hand.extension(13, b"\0\3\x08\x07\x04"))),
    "bytes after the schemes": by_hand.message(17, b"\0" + by_hand.vector(2, by_hand.extension(13, b"\0\2\x08\x07\0"))),
    "bytes after the extensions": by_hand.message(17, by_hand.request("client", b"c")[4:] + b"\0"),
    "trailing": by_hand.request("client", b"c") + b"\0",
    "nothing": b"",
}


@pytest.mark.parametrize("name", REQUESTS)
# req: privproc1/15.2 requests-demand-both
def test_malformed_requests(name):
    for use in (
        AuthenticatorRequest.decode,
        ends()[1].refuse,
        lambda request: ends()[1].authenticate(request, ED),
    ):
        with pytest.raises(DecodeError):
            use(REQUESTS[name])


def test_unknown_extensions_of_a_request_do_not_count():
    extensions = (
        by_hand.extension(0, b"") + by_hand.extension(13, b"\0\4\x0a\x0a\x08\x07") + by_hand.extension(47, b"x")
    )
    request = by_hand.message(17, by_hand.vector(1, b"c") + by_hand.vector(2, extensions))
    assert AuthenticatorRequest.decode(request) == AuthenticatorRequest(Side.CLIENT, b"c", (0x0A0A, 0x0807), False)
    made = ends()[1].authenticate(request, ED)
    assert by_hand.Keys.of(lambda *args: export(*args).expose(), "server").check(request, made) == list(ED.chain)


# req: privproc1/15.2 contexts-serve-once
def test_a_context_serves_once():
    client, server = ends()
    request, _ = client.request(attestation=False)
    server.authenticate(request, ED)
    for again in (lambda: server.authenticate(request, ED), lambda: server.refuse(request)):
        with pytest.raises(ReplayError):
            again()
    with removed(Authenticators._received, "asked.context in self._contexts", "False"):
        server.authenticate(request, ED)


# req: privproc1/15.2 contexts-serve-once
def test_the_other_end_cannot_take_a_context_of_ours():
    client, _ = ends()
    context = AuthenticatorRequest.decode(client.request(attestation=False)[0]).context
    with pytest.raises(ReplayError):
        client.authenticate(by_hand.request("server", context), ED)


def test_a_refusal_uses_the_context_too():
    client, server = ends()
    request, pending = client.request(attestation=True)
    refusal = server.refuse(request)
    with pytest.raises(ReplayError):
        server.authenticate(request, ED)
    with pytest.raises(PolicyError, match="refuses"):
        pending.finish(refusal)
    with pytest.raises(SpentError):
        pending.finish(refusal)


def test_a_request_of_the_own_kind():
    """Sent back, a request would be answered under the labels of the end that wrote it."""
    client, _ = ends()
    request, _ = client.request(attestation=False)
    other = Authenticators(export, Side.CLIENT)
    with pytest.raises(UntrustedError, match="own kind"):
        other.authenticate(request, ED)
    with removed(Authenticators._received, "asked.sender is self._side", "False"):
        other.authenticate(request, ED)


def test_what_cannot_be_answered_can_be_refused():
    server = ends()[1]
    no_scheme, no_evidence = by_hand.request("client", b"a", (0x0403,)), by_hand.request("client", b"b", cmw=False)
    with pytest.raises(UnsupportedError, match="signature"):
        server.authenticate(no_scheme, ED)
    with pytest.raises(UnsupportedError, match="evidence"):
        server.authenticate(no_evidence, ED, attestation=b"e")
    for request in no_scheme, no_evidence:
        keys = by_hand.Keys.of(lambda *args: export(*args).expose(), "server")
        assert server.refuse(request) == keys.empty(request, request[5:6])


def test_bounds():
    client, server = ends()
    for _ in range(MAX_CONTEXTS):
        client.request(attestation=False)
    with pytest.raises(LimitError):
        client.request(attestation=False)
    with pytest.raises(LimitError):
        server.authenticate(bytes(MAX_AUTHENTICATOR + 1), ED)
    _, pending = Authenticators(export, Side.CLIENT).request(attestation=False)
    with pytest.raises(LimitError):
        pending.finish(bytes(MAX_AUTHENTICATOR + 1))
    request, _ = Authenticators(export, Side.CLIENT).request(attestation=True)
    with pytest.raises(UsageError):
        server.authenticate(request, ED, attestation=bytes(0xFFFF - 5))


CHECKS = {
    "Finished": (authenticator._check_mac, "not hmac.compare_digest(received, expected)", "False"),
    "context": (PendingAuthenticator.finish, "parts.context != request.context", "False"),
    "signature": (
        PendingAuthenticator.finish,
        "verify_signature(parts.entries[0].certificate, parts.scheme, parts.signature, signed)",
        "pass",
    ),
    "extensions": (
        authenticator._attestation,
        "first.extensions.keys() - allowed or any(entry.extensions for entry in others)",
        "False",
    ),
    "evidence": (authenticator._attestation, 'raise PolicyError("no evidence")', 'return b""'),
}


def lying(what):
    """A request with an authenticator that is wrong in one way."""
    request, pending = ends()[0].request(attestation=True)
    keys = by_hand.Keys.of(lambda *args: export(*args).expose(), "server")
    context = request[5:37]
    entries = [(ED.chain[0], by_hand.attested(b"e"))]
    if what == "extensions":
        entries.append((ED.chain[0], by_hand.attested(b"e")))
    if what == "evidence":
        entries = [(ED.chain[0], b"")]
    shown = by_hand.certificate(b"another" if what == "context" else context, *entries)
    signing = Ed25519PrivateKey.generate() if what == "signature" else ED25519
    verify = keys.verify(by_hand.ED25519, signing, request, shown)
    finished = keys.finished(request, shown, verify)
    if what == "Finished":
        finished = finished[:-1] + bytes([finished[-1] ^ 1])
    return pending, shown + verify + finished


@pytest.mark.parametrize(
    ("what", "error"),
    [
        ("Finished", SignatureError),
        ("context", UntrustedError),
        ("signature", SignatureError),
        ("extensions", UnsupportedError),
        ("evidence", PolicyError),
    ],
)
# req: privproc1/15.2 each-check
def test_each_check_counts(what, error):
    pending, made = lying(what)
    with pytest.raises(error):
        pending.finish(made)
    function, check, instead = CHECKS[what]
    pending, made = lying(what)
    with removed(function, check, instead):
        pending.finish(made)


@given(st.binary(max_size=200), st.booleans())
def test_any_bytes(data, whole):
    def finish(received):
        _, pending = Authenticators(export, Side.CLIENT)._derand_request(bytes(32), attestation=True)
        return pending.finish(received)

    check_contract(finish, by_hand.message(11, data) if whole else data)
    check_contract(lambda received: Authenticators(export, Side.SERVER).authenticate(received, ED), data)


@given(st.data())
def test_every_byte_counts(data):
    request = by_hand.request("client", bytes(32))
    made = Authenticators(export, Side.SERVER).authenticate(request, ED, attestation=b"evidence")
    changed = bytearray(made)
    changed[data.draw(st.integers(0, len(made) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    _, pending = Authenticators(export, Side.CLIENT)._derand_request(bytes(32), attestation=True)
    with pytest.raises(PeerError):
        pending.finish(bytes(changed))


# -- credentials ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "key",
    [ec.generate_private_key(ec.SECP384R1()), rsa.generate_private_key(65537, 2048), Ed448PrivateKey.generate()],
    ids=["P-384", "RSA", "Ed448"],
)
def test_other_kinds_of_key(key):
    leaf = certified(key)
    with pytest.raises(UsageError):
        Credential((leaf,), key)
    with pytest.raises(UnsupportedError):
        verify_signature(leaf, by_hand.ED25519, b"", b"")


@pytest.mark.parametrize("chain", [(), (b"not a certificate",), (certified(Ed25519PrivateKey.generate()),)])
def test_a_key_that_is_not_the_leafs(chain):
    with pytest.raises(UsageError):
        Credential(chain, ED25519)


def test_schemes_belong_to_kinds_of_key():
    for cred in CREDENTIALS:
        signature = cred.sign(b"data")
        verify_signature(cred.chain[0], cred.scheme, signature, b"data")
        other = by_hand.ECDSA if cred.scheme == by_hand.ED25519 else by_hand.ED25519
        for scheme, data in (other, b"data"), (cred.scheme, b"other data"):
            with pytest.raises(SignatureError):
                verify_signature(cred.chain[0], scheme, signature, data)
        with pytest.raises(UnsupportedError):
            verify_signature(cred.chain[0], 0x0808, signature, b"data")


LEAF = ED.chain[0]


@pytest.mark.parametrize(
    "leaf",
    [
        b"",
        LEAF + b"\0",
        LEAF[:-1],
        b"\x30\0",
        b"\x31" + LEAF[1:],
        b"\x30\2\x02\0",
        b"\x30\2\x30\0",
        LEAF.replace(b"\xa0\x03\x02\x01\x02", b"\xa1\x03\x02\x01\x02"),
        LEAF.replace(bytes.fromhex("302a300506032b6570"), bytes.fromhex("312a300506032b6570")),
        LEAF.replace(bytes.fromhex("302a300506032b6570"), bytes.fromhex("302a300506032b6500")),
    ],
)
def test_malformed_certificates(leaf):
    with pytest.raises((DecodeError, UnsupportedError)):
        verify_signature(leaf, by_hand.ED25519, b"", b"")


@given(st.data())
def test_any_certificate(data):
    changed = bytearray(LEAF)
    changed[data.draw(st.integers(0, len(LEAF) - 1))] = data.draw(st.integers(0, 255))
    check_contract(lambda leaf: verify_signature(leaf, by_hand.ED25519, bytes(64), b""), bytes(changed))


def test_a_credential_does_not_show_its_key():
    assert repr(ED) == "Credential()"


def test_an_identitys_key_is_its_leafs():
    identity = ratls.Identity.generate(at=1_800_000_000, lifetime=60)
    assert identity._credential.chain == (identity.leaf,)
    assert identity._credential.scheme == by_hand.ED25519
    assert credential.SCHEMES[0] == by_hand.ED25519
