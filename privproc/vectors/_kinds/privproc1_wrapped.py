"""A wrapped request, with every value from the nodes' statements to the answer's keys; or a delivery that is refused.

``answer`` is a case of its own kind: the chosen node's.
"""

from __future__ import annotations

from typing import Any
from unittest import mock

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from privproc import hpke
from privproc.attestation.nodekey import node_digest, node_report_data
from privproc.responsekey import wrapped as keys
from privproc.secret import Secret
from privproc.session import transcript
from privproc.session.wrapped import Node, Passport, Roster, Statement
from privproc.session.wrapped.messages import Delivery, Head, Wrapped
from privproc.vectors import _straight as straight
from privproc.vectors._kinds import privproc1_answer
from privproc.vectors._straight import expand, extract, lp, sha384, t, u
from privproc.vectors.case import Case, raises


def run(case: Case) -> None:
    if case.expect:
        refused(case)
        return
    ids = tuple(case["suite"])
    nodes = [Case({"id": "node", **node}) for node in case["nodes"]]
    answer = Case({"id": "answer", "expect": "ok", **case["answer"]})
    privproc1_answer.run(answer)
    by_hand(case, ids, nodes, answer)
    by_library(case, hpke.Suite.from_ids(*ids), nodes)
    for part in (*nodes, answer):
        assert not part.unread()


def refused(case: Case) -> None:
    served = node(case)
    for at in case["opened_at"]:
        served.open(case.hex("delivery"), at=at)
    with raises(case.expect) as raised:
        served.open(case.hex("delivery"), at=case["at"])
    assert type(raised.value) is case.expect


def node(case: Case) -> Node:
    said = Statement.decode(case.hex("statement"))
    private = hpke.PrivateKey.decode(said.suite.kem, Secret(case.hex("secret")))
    return Node(said, private, case["log"], case["namespace"], 10)


# The arithmetic once more.


def by_hand(case: Case, ids: tuple[int, int, int], nodes: list[Case], answer: Case) -> None:
    size = straight.KEY_SIZES[ids[2]]
    cs, body = case.hex("content_secret"), case.hex("body")
    key, iv = case.hex("body_key"), case.hex("body_iv")
    assert (key, iv) == (expand("sha384", cs, lp(b"body key"), size), expand("sha384", cs, lp(b"body iv"), 12))
    used = lp(straight.public_key(ids[0], answer.hex("dk_secret"))) + lp(case.hex("request"))
    plaintext = case.hex("plaintext")
    assert plaintext == used + bytes(4096 - len(used))
    assert body == AESGCM(key).encrypt(iv, plaintext, b"")
    digests = [said_by_hand(case, ids, it) for it in nodes]
    head = case.hex("head")
    names = b"".join(lp(case[name].encode()) for name in ("role", "log", "namespace"))
    listed = u(2, len(digests)) + b"".join(map(lp, digests))
    asked = u(2, 1) + names + case.hex("policy_id") + case.hex("nonce") + listed + sha384(body)
    assert head == asked + lp(bytes(1024 - len(asked) - 4))
    thw = case.hex("thw")
    assert thw == t(b"wrapped", case.hex("package"), case.hex("outer"), head)
    wraps = [wrapped_by_hand(case, ids, it, index) for index, it in enumerate(nodes)]
    assert case.hex("wrapped") == head + u(2, len(wraps)) + b"".join(map(lp, wraps)) + lp(body)
    chosen = nodes[case["index"]]
    parts = case.hex("package") + case.hex("outer") + head + u(1, case["index"])
    assert case.hex("delivery") == parts + lp(chosen.hex("enc")) + chosen.hex("sealed") + lp(body)
    assert (answer["suite"], answer["prk"], answer["th3"]) == (case["suite"], chosen["prk"], chosen["th3"])
    passports = [it.hex("passport") for it in nodes]
    assert case.hex("roster") == u(1, case["roster_wraps"]) + u(2, len(nodes)) + b"".join(map(lp, passports))


def said_by_hand(case: Case, ids: tuple[int, int, int], it: Case) -> bytes:
    suite, public = b"".join(u(2, part) for part in ids), straight.public_key(ids[0], it.hex("secret"))
    window = u(8, case["not_before"]) + u(8, case["not_after"])
    said = u(2, 1) + suite + lp(public) + lp(case["role"].encode()) + case.hex("package") + window + u(2, 1)
    assert it.hex("statement") == said
    assert it.hex("node") == t(b"node", said)
    assert it.hex("report_data") == b"privproc/1 node\0" + it.hex("node")
    stapled = lp(it.hex("evidence")) + lp(it.hex("endorsements")) + lp(it.hex("log_proof"))
    assert it.hex("passport") == lp(said) + stapled
    return it.hex("node")


def wrapped_by_hand(case: Case, ids: tuple[int, int, int], it: Case, index: int) -> bytes:
    thw, enc, sealed, cs = case.hex("thw"), it.hex("enc"), it.hex("sealed"), case.hex("content_secret")
    info = it.hex("info")
    assert info == t(b"wrap", thw, u(1, index), it.hex("node"))
    shared = straight.decap(ids[0], it.hex("secret"), enc)
    if ids[0] == straight.X25519:
        public = straight.public_key(ids[0], it.hex("secret"))
        assert (enc, shared) == straight.encap(public, it.hex("ephemeral_secret"))
    context = straight.hpke(ids, shared, info)
    assert sealed == context.seal(cs)
    assert it.hex("hpke_export") == context.export(b"privproc/1 wrapped", 48)
    assert it.hex("prk") == extract("sha384", cs, it.hex("hpke_export"))
    assert it.hex("th3") == t(b"wrapped request", thw, u(1, index), enc, sha384(sealed))
    return lp(enc) + sealed


# The library.


def by_library(case: Case, suite: hpke.Suite, nodes: list[Case]) -> None:
    privates = [hpke.PrivateKey.decode(suite.kem, Secret(it.hex("secret"))) for it in nodes]
    for it, private in zip(nodes, privates, strict=True):
        said = Statement(
            suite, private.public_key, case["role"], case.hex("package"), case["not_before"], case["not_after"], 1
        )
        assert said == Statement.decode(it.hex("statement"))
        assert said.encode() == it.hex("statement")
        assert node_digest(said.encode()) == it.hex("node")
        assert node_report_data(said.encode()) == it.hex("report_data")
        stapled = it.hex("evidence"), it.hex("endorsements"), it.hex("log_proof")
        assert Passport.decode(it.hex("passport")) == Passport(said.encode(), *stapled)
    roster = Roster.decode(case.hex("roster"))
    assert roster == Roster(case["roster_wraps"], tuple(Passport.decode(it.hex("passport")) for it in nodes))
    assert roster.encode() == case.hex("roster")
    dk = hpke.PrivateKey.decode(suite.kem, Secret(bytes.fromhex(case["answer"]["dk_secret"])))
    body, content = keys._seal_body(suite, case.hex("content_secret"), dk, case.hex("request"))
    assert body == case.hex("body")
    digests = tuple(it.hex("node") for it in nodes)
    named = case["role"], case["log"], case["namespace"], case.hex("policy_id"), case.hex("nonce")
    head = Head(*named, digests, sha384(body)).encode()
    assert head == case.hex("head")
    thw = transcript.wrapped(case.hex("package"), case.hex("outer"), head)
    assert thw == case.hex("thw")
    senders = [sender(suite, it, private, it.hex("info")) for it, private in zip(nodes, privates, strict=True)]
    assert [keys._info(thw, index, node) for index, node in enumerate(digests)] == [it.hex("info") for it in nodes]
    _, secret, _ = content._take()
    wraps, answers = keys._wrap(suite, secret, dk, thw, senders)
    assert [(wrap.enc, wrap.sealed) for wrap in wraps] == [(it.hex("enc"), it.hex("sealed")) for it in nodes]
    assert [tuple(asked) for asked in answers._look()[2]] == [(it.hex("prk"), it.hex("th3")) for it in nodes]
    assert Wrapped(head, wraps, body).encode() == case.hex("wrapped")
    assert Wrapped.decode(case.hex("wrapped")) == Wrapped(head, wraps, body)
    index = case["index"]
    delivery = Delivery(case.hex("package"), case.hex("outer"), head, index, wraps[index], body)
    assert delivery.encode() == case.hex("delivery")
    served = Node(Statement.decode(nodes[index].hex("statement")), privates[index], case["log"], case["namespace"], 1)
    encapsulated = bytes.fromhex(case["answer"]["e"]), Secret(bytes.fromhex(case["answer"]["ss"]))
    with mock.patch.object(keys.hpke, "encap", return_value=encapsulated):
        question, reply = served.open(case.hex("delivery"), at=case["not_before"])
    assert question == case.hex("request")
    *middle, last = (bytes.fromhex(chunk["data"]) for chunk in case["answer"]["chunks"])
    sealed = b"".join(map(reply.send, middle)) + reply.finish(last)
    assert case.hex("answered") == u(1, index) + sealed
    answers.of(case.hex("answered")[0]).receive_data(sealed)


def sender(suite: hpke.Suite, it: Case, private: hpke.PrivateKey, info: bytes) -> tuple[bytes, Any]:
    if suite.kem is hpke.Kem.X25519_SHA256:
        ephemeral = hpke.PrivateKey.decode(suite.kem, Secret(it.hex("ephemeral_secret")))
        return hpke._derand_setup_sender(suite, private.public_key, info, ephemeral)
    enc = it.hex("enc")  # ML-KEM's coins can't be given: the encapsulation is, and its secret is read back
    return enc, hpke.Sender(suite, hpke.decap(private, enc).expose(), info, None)
