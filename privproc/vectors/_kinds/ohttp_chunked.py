"""A whole chunked exchange (draft-ietf-ohai-chunked-ohttp-08), from both ends, with every intermediate value."""

from __future__ import annotations

from privproc import chunks, hkdf, trust
from privproc.hpke import PrivateKey, Suite
from privproc.keyconfig import GatewayKey, KeyConfig, KeyConfigs, select
from privproc.ohttp import MessageData, MessageEnd, Mode, RequestHeader, RequestOpened, RequestReceiver, begin_chunked
from privproc.ohttp._exchange import request_info
from privproc.ohttp.client import _derand_begin_chunked
from privproc.secret import Secret
from privproc.vectors.case import Case


def run(case: Case) -> None:
    assert case.expect is None
    suite = Suite.from_ids(case["kem_id"], case["kdf_id"], case["aead_id"])
    private = PrivateKey.decode(suite.kem, Secret(case.hex("skR")))
    ephemeral = PrivateKey.decode(suite.kem, Secret(case.hex("skE")))
    assert ephemeral.public_key.encode() == case.hex("pkE")
    config = KeyConfig.decode(case.hex("key_config"))
    assert config.key_id == case["key_id"]
    assert config.public_key.encode() == private.public_key.encode()
    suites = tuple(Suite.from_ids(suite.kem, *pair) for pair in config.suites)
    key = GatewayKey(config.key_id, private, suites, not_before=0, not_after=1)
    assert key.config == config
    selection = select(KeyConfigs((config,)), [suite])

    asked, answered = pieces(case, "request"), pieces(case, "response")
    assert b"".join(asked) == case.hex("request")
    assert b"".join(answered) == case.hex("response")

    # The client, and its values.
    header = RequestHeader(config.key_id, suite.kem, suite.kdf, suite.aead)
    assert header.encode() == case.hex("header")
    assert case["request_label"].encode() == Mode.CHUNKED.request_label
    assert request_info(Mode.CHUNKED, header.encode()) == case.hex("info")
    outgoing = _derand_begin_chunked(selection, ephemeral)
    assert outgoing.enc == case.hex("pkE")
    secret = outgoing._look().response_secret()
    assert case["response_label"].encode() == Mode.CHUNKED.response_label
    assert secret == case.hex("secret")
    sender, receiver = outgoing.stream()
    framed = framed_chunks(case, "request")
    assert sender.send(asked[0]) == header.encode() + case.hex("pkE") + framed[0]
    for piece, wire in zip(asked[1:-1], framed[1:-1], strict=True):
        assert sender.send(piece) == wire
    assert sender.finish(asked[-1]) == framed[-1]
    assert header.encode() + case.hex("pkE") + b"".join(framed) == case.hex("encapsulated_request")

    # The gateway.
    gateway = RequestReceiver()
    assert gateway.receive_data(case.hex("encapsulated_request")) == [header]
    opened, *events = gateway.accept(key, at=0) + gateway.receive_end()
    assert isinstance(opened, RequestOpened)
    assert opened.responder.key_config == case.hex("key_config")
    assert opened.responder._look().response_secret() == secret
    assert events == expected(asked)
    nonce = case.hex("response_nonce")
    assert len(nonce) == suite.aead.longer
    answer = opened.responder._derand_stream(nonce)
    framed = framed_chunks(case, "response")
    assert answer.send(answered[0]) == nonce + framed[0]
    for piece, wire in zip(answered[1:-1], framed[1:-1], strict=True):
        assert answer.send(piece) == wire
    assert answer.finish(answered[-1]) == framed[-1]
    assert nonce + b"".join(framed) == case.hex("encapsulated_response")
    assert receiver.receive_data(case.hex("encapsulated_response")) + receiver.receive_end() == expected(answered)

    # The response's key schedule and nonces, and each chunk by itself.
    assert case.hex("pkE") + nonce == case.hex("salt")
    assert hkdf.extract(suite.kdf.hash, case.hex("salt"), secret) == case.hex("prk")
    sizes = (suite.aead.Nk, suite.aead.Nn)
    derived = chunks.response_key(suite.kdf.hash, secret, case.hex("pkE"), nonce, sizes)
    assert derived == (case.hex("aead_key"), case.hex("aead_nonce"))
    for counter, (chunk_nonce, chunk) in enumerate(zip(case["chunk_nonces"], case["response_chunks"], strict=True)):
        assert (int.from_bytes(derived[1], "big") ^ counter).to_bytes(suite.aead.Nn, "big").hex() == chunk_nonce
        sealed = suite.aead.cipher(derived[0]).encrypt(
            bytes.fromhex(chunk_nonce), bytes.fromhex(chunk["plaintext"]), bytes.fromhex(chunk["aad"])
        )
        assert framed[counter].endswith(sealed)

    # With fresh randomness the two ends agree on another exchange.
    trusted = trust.pin(selection, case.hex("key_config"), not_before=0, not_after=1)
    sender, receiver = begin_chunked(trusted, at=0).stream()
    wire = sender.finish(case.hex("request"))
    assert wire != case.hex("encapsulated_request")
    gateway = RequestReceiver()
    gateway.receive_data(wire)
    opened, *events = gateway.accept(key, at=0) + gateway.receive_end()
    assert events == expected([case.hex("request")])
    events = receiver.receive_data(opened.responder.stream().finish(case.hex("response"))) + receiver.receive_end()
    assert events == expected([case.hex("response")])


def pieces(case, which):
    listed = case[f"{which}_chunks"]
    assert [(chunk["final"], bytes.fromhex(chunk["aad"])) for chunk in listed] == [
        *[(False, b"")] * (len(listed) - 1),
        (True, b"final"),
    ]
    return [bytes.fromhex(chunk["plaintext"]) for chunk in listed]


def framed_chunks(case, which):
    return [bytes.fromhex(framed) for framed in case[f"{which}_framed_chunks"]]


def expected(pieces):
    return [*(MessageData(piece) for piece in pieces if piece), MessageEnd()]
