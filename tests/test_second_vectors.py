"""The composed vectors by the second implementation (tests/second), which is told nothing but what a case gives."""

import base64
from types import SimpleNamespace
from unittest import mock

import pytest
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from tests.second import hpke, session
from tests.second.bhttp import request, response
from tests.second.wire import T, lp, sha384, u16, u32, u64
from tests.test_composed import STORED


def of(name):
    """The cases of one file."""
    return [pytest.param(case, id=case["id"]) for kind, case in (it.values for it in STORED) if kind.endswith(name)]


def data(case, *names):
    values = [bytes.fromhex(case[name]) for name in names]
    return values[0] if len(values) == 1 else values


def private(suite, secret):
    """A key as the second implementation has it."""
    if suite == hpke.CLASSIC:
        return None, X25519PrivateKey.from_private_bytes(secret)
    seed = hpke.hashlib.shake_256(secret).digest(96)
    return MLKEM768PrivateKey.from_seed_bytes(seed[:64]), X25519PrivateKey.from_private_bytes(seed[64:])


def public(key):
    m, x = key
    return (m.public_key().public_bytes_raw() if m else b"") + x.public_key().public_bytes_raw()


def sending(suite, secret, enc):
    """Encapsulation is fixed by a case; its secret follows from the receiver's key."""
    return mock.patch.object(hpke, "encap", return_value=(enc, hpke.decap(suite, private(suite, secret), enc)))


def suite_of(case):
    (suite,) = [it for it in hpke.SUITES if list(it.code) == list(b"".join(map(u16, case["suite"])))]
    return suite


def exchange(make, case, key_config, enc):
    suite, secret = suite_of(case), data(case, "gateway_secret")
    config = hpke.KeyConfig.only(u16(len(key_config)) + key_config)
    assert (config.suite, config.public) == (suite, public(private(suite, secret)))
    with sending(suite, secret, enc):
        return make(config)


def proven(case, proof, pop):
    token = b'PrivateToken token="' + base64.urlsafe_b64encode(data(case, "token")) + b'"'
    field = base64.urlsafe_b64encode(u16(len(pop)) + pop + u16(len(proof)) + proof)
    return [(b"authorization", token), (b"privproc-proof", field)]


def outer(case, hpke_sender, pop):
    exported = hpke_sender.export(b"privproc/1 outer", 32)
    fields = (hpke_sender.suite.code, hpke_sender.enc, exported, data(case, "token"), pop)
    return T("outer", data(case, "key_config"), *fields)


@pytest.mark.parametrize("case", of("run"))
def test_a_request(case):
    transcript, possession = case["transcript"], case["possession"]
    config, pop, proof, opened = (
        data(transcript, "key_config"), *data(possession, "pop", "proof"), data(transcript, "open"),
    )  # fmt: skip
    first = exchange(hpke.Exchange, case, config, data(transcript, "enc"))
    th1 = T("open", data(transcript, "package"), outer(transcript, first.hpke, pop), opened)
    assert th1 == data(transcript, "th1")
    inner = request(case["gateway"], "/privproc/1/open", proven(transcript, proof, pop), opened)
    assert first.request(inner.ljust(case["up"] - first.overhead, b"\0")) == data(case, "wire_first")
    assert first.hpke.export(b"privproc/1 continue", 48) == data(transcript, "continue_key")
    content = response(first.response(data(case, "answer_first")))
    offer = lp(data(case, "flight")) + lp(data(transcript, "announcement")) + u16(1) + lp(data(transcript, "evidence"))
    stapled = lp(data(case, "endorsements")) + lp(data(case, "log_proof"))
    assert content == data(transcript, "handle") + lp(offer + u16(0)) + stapled

    second = exchange(hpke.Exchange, case, config, data(transcript, "continue_enc"))
    body = data(transcript, "handle") + u64(0) + data(transcript, "mac") + lp(data(transcript, "records"))
    assert second.request(request(case["gateway"], "/privproc/1/continue", [], body)) == data(case, "wire_second")
    content = response(second.response(data(case, "answer_second")))
    assert content == data(case, "next_handle") + lp(data(case, "answer_records"))


@pytest.mark.parametrize("case", of("stream"))
def test_a_pipe(case):
    chunked = exchange(hpke.Chunked, case, data(case, "key_config"), data(case, "enc"))
    th1 = T("open", data(case, "package"), outer(case, chunked.hpke, data(case, "pop")), data(case, "open"))
    assert th1 == data(case, "th1")
    pieces = [data(case, "request_plaintext_first"), *map(framed, case["records_up"])]
    assert [chunked.piece(piece).hex() for piece in pieces] == case["up_wire"][:-1]
    assert len(pieces[0]) == case["up"] - chunked.overhead
    head, *records = [piece for wire in case["down_wire"] for piece in chunked.read(bytes.fromhex(wire))]
    assert records == list(map(framed, case["records_down"]))
    assert chunked.last() == b"\0\0"
    opened = bytes(32) + lp(data(case, "offer")) + lp(data(case, "endorsements")) + lp(data(case, "log_proof"))
    assert head[8:].startswith(opened)  # framing, status, no fields, and a length of four bytes


def framed(records):
    """A chunk of content."""
    content = bytes.fromhex(records)
    return hpke.varint(len(content)) + content


def parts_of(name):
    """Each request with its answer: of a whole request, and of a session's steps."""
    for case in (it.values[0] for it in of(name)):
        for number, step in enumerate(case.get("steps", [case])):
            if "request" in step:
                yield pytest.param(step, id=f"{case['id']}, {number}")


def state(suite, step, export):
    tls = SimpleNamespace(export=export)
    asked = step["request"]
    pk = public(private(suite, data(asked, "one_time_secret")))
    return session.State(
        None, {}, None, tls, "", b"", suite, pk, 32, 0, th2=data(asked, "th2"), n=asked["index"],
        previous=data(asked, "previous"),
    )  # fmt: skip


@pytest.mark.parametrize("step", [*parts_of("run"), *parts_of("live")])
def test_a_question_and_its_answer(step):
    asked, answer = step["request"], step["answer"]
    suite, secret = suite_of(asked), data(asked, "one_time_secret")
    dk = private(suite, data(asked, "dk_secret"))
    last = not answer["next"]

    def export(label, context, length):
        assert (label, context, length) == ("keys", data(asked, "exporter_context"), 48)
        return data(asked, "exporter")

    fixed = mock.patch.object(session, "generate", return_value=(dk, public(dk)))
    with sending(suite, secret, data(asked, "enc")), fixed:
        question = session.Question(state(suite, step, export), data(asked, "request"), last)
    assert (question.prk, question.th3) == tuple(data(asked, "prk", "th3"))
    assert question.frame == (b"\1" if last else b"\0") + lp(data(asked, "sealed"))
    wire = lp(data(answer, "e")) + b"".join(data(chunk, "wire") for chunk in answer["chunks"])
    assert list(question.answer(wire)) == [data(chunk, "data") for chunk in answer["chunks"]]
    assert question.done
    assert question.following == data(answer, "next")


@pytest.mark.parametrize("case", of("live"))
def test_new_evidence(case):
    """What is judged of it, and what follows; whether the evidence holds is for the hardware's makers to say."""
    before, step = case["steps"][1:3]
    again, suite = step["again"], suite_of(case)

    def export(label, context, length):
        assert (label, context, length) == ("attest", data(again, "exporter_context"), 32)
        return data(again, "exporter")

    old = state(suite, before, export)
    service = SimpleNamespace(
        log="log", namespace="", role="", floor=None, version=0, policy=SimpleNamespace(max_age=60), devices=None,
        back_ends=(),
    )  # fmt: skip
    old = session.replace(old, anchors=SimpleNamespace(logs={"log": None}, roots=None), leaf=data(again, "leaf"),
                          role=again["role"], seq=again["sequence"] - 1)  # fmt: skip
    directory = SimpleNamespace(services={again["role"]: service})
    with mock.patch.object(session.os, "urandom", return_value=data(again, "nonce")):
        renewal = session.Again(old, directory, 0)
    assert renewal.frame == data(step, "frame")
    assert renewal.th1 == data(again, "th1")
    proven = SimpleNamespace(end=99, entry=SimpleNamespace(digest=b"measured"))
    with (
        mock.patch.object(session.ledger, "verify", return_value=proven) as verify,
        mock.patch.object(session.snp, "chain", return_value=SimpleNamespace(end=99)) as chain,
        mock.patch.object(session.snp, "appraise", return_value=b"measured") as appraise,
    ):
        new = renewal.read(data(again, "renewed"), 0)
    assert verify.call_args.args[0] == data(again, "log_proof")
    assert chain.call_args.args[0] == data(again, "endorsements")
    assert appraise.call_args.args[0] == data(again, "evidence")
    assert appraise.call_args.args[3] == data(again, "report_data")
    assert (new.th2, new.seq, new.n, new.previous) == (data(again, "th2"), again["sequence"], 0, b"")
    assert new.pk == public(private(suite, data(case["steps"][3]["request"], "one_time_secret")))
    assert new.th2 == T("attested", renewal.th1, data(again, "report_data"), sha384(u16(1) + data(again, "evidence")))
    assert u32(new.count) + u32(new.stays) == data(again, "announcement")[-8:]
