"""A request sealed to the enclave's one-time key: from the exporter value and the keys to the bytes, and back."""

from __future__ import annotations

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from privproc import hpke
from privproc.responsekey import Context, OneTimeKey, open_request, request
from privproc.secret import Secret
from privproc.vectors import _straight as straight
from privproc.vectors._straight import expand, extract, lp, sha384, t, u
from privproc.vectors.case import Case, raises


def run(case: Case) -> None:
    ids = tuple(case["suite"])
    suite = hpke.Suite.from_ids(*ids)
    one_time = OneTimeKey(suite, hpke.PrivateKey.decode(suite.kem, Secret(case.hex("one_time_secret"))))
    if case.expect:
        with raises(case.expect) as raised:
            open_request(context(case), one_time, case.hex("sealed"))
        assert type(raised.value) is case.expect
        return
    by_hand(case, ids)
    by_library(case, suite, one_time)


def context(case) -> Context:
    return Context(case.hex("th2"), case["index"], case.hex("previous"), Secret(case.hex("exporter")))


def by_hand(case, ids: tuple[int, int, int]) -> None:
    th2, index, enc = case.hex("th2"), u(4, case["index"]), case.hex("enc")
    assert case["exporter_label"] == "EXPERIMENTAL privproc/1 keys"
    assert case.hex("exporter_context") == t(b"n", th2, index)
    info = case.hex("info")
    assert info == t(b"info", th2, index)
    one_time = case.hex("one_time_secret")
    shared = straight.decap(ids[0], one_time, enc)
    if ids[0] == straight.X25519:
        public = straight.public_key(ids[0], one_time)
        assert (enc, shared) == straight.encap(public, case.hex("ephemeral_secret"))
    exported = case.hex("hpke_export")
    assert exported == straight.hpke(ids, shared, info).export(b"privproc/1 req", 48)
    prk, key, iv = case.hex("prk"), case.hex("key"), case.hex("iv")
    assert prk == extract("sha384", case.hex("exporter"), exported)
    assert key == expand("sha384", prk, lp(b"req key") + th2, straight.KEY_SIZES[ids[2]])
    assert iv == expand("sha384", prk, lp(b"req iv") + th2, 12)
    plaintext = case.hex("plaintext")
    dk = straight.public_key(ids[0], case.hex("dk_secret"))
    used = lp(dk) + lp(case.hex("request"))
    sizes = [size for size in (4096, 16384, 65536) if size >= len(used)]
    assert plaintext == used + bytes(sizes[0] - len(used))
    ciphertext = AESGCM(key).encrypt(iv, plaintext, None)
    assert case.hex("sealed") == lp(enc) + lp(ciphertext)
    assert case.hex("th3") == t(b"request", th2, index, case.hex("previous"), enc, sha384(ciphertext))


def by_library(case, suite: hpke.Suite, one_time: OneTimeKey) -> None:
    at = context(case)
    assert at.info == case.hex("info")
    assert request.exporter_context(at.th2, at.index) == case.hex("exporter_context")
    keys = request._schedule(context(case), suite, Secret(case.hex("hpke_export")))
    assert tuple(keys) == (case.hex("prk"), case.hex("key"), case.hex("iv"))
    dk = hpke.PrivateKey.decode(suite.kem, Secret(case.hex("dk_secret")))
    public = one_time.public_key
    enc, hpke_context = sender(case, suite, public, at.info)
    sent = enc, hpke_context.export(b"privproc/1 req", 48)
    wire, answer = request._seal(context(case), suite, sent, dk, case.hex("request"))
    assert wire == case.hex("sealed")
    opened, sealer = open_request(context(case), one_time, wire)
    assert opened == case.hex("request")
    assert answer.th3 == sealer.th3 == case.hex("th3")


def sender(case, suite: hpke.Suite, public: hpke.PublicKey, info: bytes) -> tuple[bytes, hpke.Sender]:
    if suite.kem is hpke.Kem.X25519_SHA256:
        ephemeral = hpke.PrivateKey.decode(suite.kem, Secret(case.hex("ephemeral_secret")))
        return hpke._derand_setup_sender(suite, public, info, ephemeral)
    enc = case.hex("enc")  # ML-KEM's coins can't be given: the encapsulation itself is, and its secret is read back
    private = hpke.PrivateKey.decode(suite.kem, Secret(case.hex("one_time_secret")))
    return enc, hpke.Sender(suite, hpke.decap(private, enc).expose(), info, None)
