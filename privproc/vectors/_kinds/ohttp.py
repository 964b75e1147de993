"""A whole single-shot exchange (RFC 9458 §4), from both ends, with every intermediate value."""

from __future__ import annotations

from privproc import chunks, hkdf, trust
from privproc.hpke import PrivateKey, Suite
from privproc.keyconfig import GatewayKey, KeyConfig, KeyConfigs, KeyRing, select
from privproc.ohttp import Gateway
from privproc.ohttp._exchange import HEADER, Mode, request_info
from privproc.ohttp.client import _derand_begin, begin
from privproc.secret import Secret
from privproc.vectors.case import Case


def run(case: Case) -> None:
    assert case.expect is None
    suite = Suite.from_ids(case["kem_id"], case["kdf_id"], case["aead_id"])
    private = PrivateKey.decode(suite.kem, Secret(case.hex("skR")))
    ephemeral = PrivateKey.decode(suite.kem, Secret(case.hex("skE")))
    assert ephemeral.public_key.encode() == case.hex("pkE")

    config = KeyConfig.decode(case.hex("key_config"))
    assert config.encode() == case.hex("key_config")
    assert config.key_id == case["key_id"]
    assert config.public_key.encode() == private.public_key.encode() == case.hex("pkR")
    suites = tuple(Suite.from_ids(suite.kem, *pair) for pair in config.suites)
    key = GatewayKey(config.key_id, private, suites, not_before=0, not_after=1)
    assert key.config == config
    gateway = Gateway(KeyRing([key]), max_request=len(case.hex("encapsulated_request")))
    selection = select(KeyConfigs((config,)), [suite])

    # The client, and its values.
    header = HEADER.pack(config.key_id, *(case[name] for name in ("kem_id", "kdf_id", "aead_id")))
    assert case["request_label"].encode() == Mode.SINGLE.request_label
    assert request_info(Mode.SINGLE, header) == case.hex("info")
    outgoing = _derand_begin(selection, ephemeral)
    assert outgoing.enc == case.hex("pkE")
    secret = outgoing._look().response_secret()
    assert case["response_label"].encode() == Mode.SINGLE.response_label
    assert secret == case.hex("secret")
    wire, pending = outgoing.seal(case.hex("request"))
    assert wire == case.hex("encapsulated_request")
    assert pending.finish(case.hex("encapsulated_response")) == case.hex("response")

    # The gateway.
    message, responder = gateway.open(case.hex("encapsulated_request"), at=0)
    assert message == case.hex("request")
    assert responder.key_config == case.hex("key_config")
    assert responder._look().response_secret() == secret
    nonce = case.hex("response_nonce")
    assert len(nonce) == suite.aead.longer
    assert responder._derand_seal(case.hex("response"), nonce) == case.hex("encapsulated_response")

    # The response's key schedule.
    assert case.hex("pkE") + nonce == case.hex("salt")
    assert hkdf.extract(suite.kdf.hash, case.hex("salt"), secret) == case.hex("prk")
    sizes = (suite.aead.Nk, suite.aead.Nn)
    derived = chunks.response_key(suite.kdf.hash, secret, case.hex("pkE"), nonce, sizes)
    assert derived == (case.hex("aead_key"), case.hex("aead_nonce"))

    # With fresh randomness the two ends agree on another exchange.
    trusted = trust.pin(selection, case.hex("key_config"), not_before=0, not_after=1)
    wire, pending = begin(trusted, at=0).seal(case.hex("request"))
    assert wire != case.hex("encapsulated_request")
    message, responder = gateway.open(wire, at=0)
    assert pending.finish(responder.seal(case.hex("response"))) == case.hex("response")
