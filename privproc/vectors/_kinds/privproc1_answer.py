"""A streamed answer: its key schedule and each of its chunks, sealed and opened; or an answer that must be refused."""

from __future__ import annotations

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from privproc import hpke
from privproc.responsekey import Answer, AnswerData, AnswerEnd, AnswerSealer, answer
from privproc.secret import Secret
from privproc.vectors import _straight as straight
from privproc.vectors._straight import expand, extract, lp, t, u, xor
from privproc.vectors.case import Case, raises


def run(case: Case) -> None:
    ids = tuple(case["suite"])
    suite = hpke.Suite.from_ids(*ids)
    dk = hpke.PrivateKey.decode(suite.kem, Secret(case.hex("dk_secret")))
    reader = Answer(suite, dk, case.hex("prk"), case.hex("th3"))
    if case.expect:
        with raises(case.expect) as raised:
            reader.receive_data(case.hex("sealed"))
            reader.receive_end()
        assert type(raised.value) is case.expect
        return
    by_hand(case, ids)
    sealing(case, suite)
    next_key = hpke.PublicKey.decode(suite.kem, case.hex("next")) if case["next"] else None
    pieces = [AnswerData(bytes.fromhex(chunk["data"])) for chunk in case["chunks"] if chunk["data"]]
    wire = lp(case.hex("e")) + b"".join(bytes.fromhex(chunk["wire"]) for chunk in case["chunks"])
    assert [*reader.receive_data(wire), *reader.receive_end()] == [*pieces, AnswerEnd(next_key)]


def by_hand(case, ids: tuple[int, int, int]) -> None:
    prk, th3, e, ss = (case.hex(name) for name in ("prk", "th3", "e", "ss"))
    dk = case.hex("dk_secret")
    assert ss == straight.decap(ids[0], dk, e)
    if ids[0] == straight.X25519:
        assert (e, ss) == straight.encap(straight.public_key(ids[0], dk), case.hex("ephemeral_secret"))
    r, key, iv = case.hex("r"), case.hex("key"), case.hex("iv")
    assert r == extract("sha384", expand("sha384", prk, lp(b"res salt") + th3, 48), ss)
    bound = t(b"response", th3, e)
    assert key == expand("sha384", r, lp(b"res key") + bound, straight.KEY_SIZES[ids[2]])
    assert iv == expand("sha384", r, lp(b"res iv") + bound, 12)
    chunks = case["chunks"]
    for index, chunk in enumerate(chunks):
        last = index == len(chunks) - 1
        head = b"" if index else lp(case.hex("next"))
        used = head + lp(bytes.fromhex(chunk["data"]))
        size = min(size for size in (256, 1024, 4096, 16336) if size >= len(used))
        flag = b"\1" if last else b"\0"
        sealed = AESGCM(key).encrypt(xor(iv, index), used + bytes(size - len(used)), flag)
        assert bytes.fromhex(chunk["wire"]) == flag + u(2, len(sealed)) + sealed


def sealing(case, suite: hpke.Suite) -> None:
    e, ss, prk, th3 = case.hex("e"), case.hex("ss"), case.hex("prk"), case.hex("th3")
    if suite.kem is hpke.Kem.X25519_SHA256:
        dk = hpke.PrivateKey.decode(suite.kem, Secret(case.hex("dk_secret"))).public_key
        ephemeral = hpke.PrivateKey.decode(suite.kem, Secret(case.hex("ephemeral_secret")))
        assert hpke._derand_encap(dk, ephemeral) == (e, Secret(ss))
    assert answer._schedule(suite, prk, th3, e, Secret(ss)) == (case.hex("key"), case.hex("iv"))
    sealer = AnswerSealer(suite, (e, Secret(ss)), prk, th3)
    if case["next"]:
        sealer.announce_next(hpke.PublicKey.decode(suite.kem, case.hex("next")))
    *middle, last = case["chunks"]
    wires = [sealer.send(bytes.fromhex(chunk["data"])) for chunk in middle]
    wires.append(sealer.finish(bytes.fromhex(last["data"])))
    expected = [bytes.fromhex(chunk["wire"]) for chunk in case["chunks"]]
    expected[0] = lp(e) + expected[0]
    assert wires == expected
