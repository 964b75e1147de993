from __future__ import annotations

import copy
import functools
import hashlib
import json
import os
import pickle
import threading
from datetime import UTC, datetime
from email.utils import format_datetime

import pyhpke
import pytest
from cryptography.hazmat.primitives import hpke as single_shot
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from hypothesis import given
from hypothesis import strategies as st

from privproc import errors, trust
from privproc.errors import (
    DecodeError,
    ExpiredError,
    LimitError,
    OpenError,
    PeerError,
    ReplayError,
    SpentError,
    UnsupportedError,
    UsageError,
)
from privproc.hpke import Aead, Kdf, Kem, PrivateKey, PublicKey, Suite
from privproc.keyconfig import GatewayKey, KeyConfig, KeyConfigs, KeyRing, select
from privproc.ohttp import (
    MAX_MESSAGE,
    REQUEST_TYPE,
    RESPONSE_TYPE,
    Gateway,
    MediaTypeError,
    MethodError,
    Place,
    Problem,
    ReplayKey,
    ReplayWindow,
    RequestHeader,
    WindowFullError,
    begin,
    begin_chunked,
    check_date,
    decode_date,
    encode_date,
    problem_for,
    receive,
    request_overhead,
    response_overhead,
)
from privproc.ohttp.client import _derand_begin
from privproc.ohttp.problems import BLANK, DATE, MAX_PROBLEM, MEDIA_TYPE, OHTTP_KEY, TABLE
from privproc.secret import Secret
from tests.codec import check_codec, check_contract
from tests.replay_contract import check_replay_store

KDFS = [kdf for kdf in Kdf if kdf.two_stage]
AEADS = [aead for aead in Aead if aead is not Aead.EXPORT_ONLY]
SUITES = [Suite(kem, kdf, aead) for kem in Kem for kdf in KDFS for aead in AEADS]
DH_SUITES = [suite for suite in SUITES if suite.kem in (Kem.P256_SHA256, Kem.X25519_SHA256)]
SINGLE_SHOT = {Kem.P256_SHA256: "P256", Kem.X25519_SHA256: "X25519", Kem.X_WING: "MLKEM768_X25519"}
ONE = Suite(Kem.X25519_SHA256, Kdf.HKDF_SHA256, Aead.AES_128_GCM)
BIG_KEY = Suite(Kem.X25519_SHA256, Kdf.HKDF_SHA256, Aead.CHACHA20_POLY1305)
FROM, TO = 1000, 2000
AT = 1500


def suite_id(suite):
    return f"{suite.kem.name}-{suite.kdf.name}-{suite.aead.name}"


@functools.cache
def private(kem):
    return PrivateKey.decode(kem, Secret(bytes(range(1, 1 + kem.Nsk))))


def gateway_key(suite=ONE, key_id=7):
    every = tuple(known for known in SUITES if known.kem is suite.kem)
    return GatewayKey(key_id, private(suite.kem), every, FROM, TO)


def gateway(*suites, max_request=1 << 20):
    keys = [gateway_key(suite, 7 + index) for index, suite in enumerate(suites or (ONE,))]
    return Gateway(KeyRing(keys), max_request=max_request)


def chosen(suite=ONE):
    return select(KeyConfigs((gateway_key(suite).config,)), [suite])


def outgoing(suite=ONE):
    return begin(trust.pin(chosen(suite), b"list", not_before=FROM, not_after=TO), at=AT)


def exchange(suite=ONE, request=b"question"):
    wire, pending = outgoing(suite).seal(request)
    message, responder = gateway(suite).open(wire, at=AT)
    assert message == request
    return wire, pending, responder


def refuses_copies(step):
    for attempt in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(UsageError):
            attempt(step)


class TestExchange:
    @pytest.mark.parametrize("suite", SUITES, ids=suite_id)
    def test_there_and_back(self, suite):
        wire, pending, responder = exchange(suite)
        size = max(suite.aead.Nk, suite.aead.Nn)
        assert len(wire) == request_overhead(suite) + len(b"question") == 7 + suite.kem.Nenc + len(b"question") + 16
        reply = responder.seal(b"answer")
        assert len(reply) == response_overhead(suite) + len(b"answer") == size + len(b"answer") + 16
        assert pending.finish(reply) == b"answer"

    @given(st.binary(max_size=200), st.binary(max_size=200))
    def test_any_messages(self, request, answer):
        _, pending, responder = exchange(request=request)
        assert pending.finish(responder.seal(answer)) == answer

    def test_media_types(self):
        assert (REQUEST_TYPE, RESPONSE_TYPE) == ("message/ohttp-req", "message/ohttp-res")

    def test_both_ends_see_the_same(self):
        out = outgoing()
        seen = (out.enc, out.suite, out.key_config, out.export(b"a", 32).expose(), out.export(b"b", 48).expose())
        assert out.key_config == gateway_key().config.encode()
        wire, _ = out.seal(b"")
        assert seen[0] in wire
        _, responder = gateway().open(wire, at=AT)
        assert seen == (
            responder.enc,
            responder.suite,
            responder.key_config,
            responder.export(b"a", 32).expose(),
            responder.export(b"b", 48).expose(),
        )
        assert responder.until == TO

    # req: rfc9458/4.6 other-formats-other-labels
    def test_the_responses_secret_isnt_handed_out(self):
        out = outgoing()
        for size in (16, 32):
            with pytest.raises(UsageError):
                out.export(b"message/bhttp response", size)
        _, responder = gateway().open(out.seal(b"")[0], at=AT)
        with pytest.raises(UsageError):
            responder.export(b"message/bhttp response", 16)

    # req: rfc9458/6.1 fresh-context
    # req: rfc9458/4.4 response-nonce-is-random
    def test_every_exchange_is_fresh(self):
        assert len({outgoing().enc for _ in range(4)}) == 4
        wire, _, responder = exchange()
        _, again = gateway().open(wire, at=AT)
        assert responder.seal(b"same")[:16] != again.seal(b"same")[:16]

    def test_trust_ends(self):
        selection = trust.pin(chosen(), b"list", not_before=FROM, not_after=TO)
        for at in (FROM - 1, TO):
            with pytest.raises(ExpiredError):
                begin(selection, at=at)

    # req: rfc9458/6.1 authentic-configuration
    def test_only_a_trusted_selection_will_do(self):
        for start in (begin, begin_chunked):
            with pytest.raises(AttributeError):
                start(chosen(), at=AT)
            with pytest.raises(UsageError):
                start(trust.Trusted(chosen(), bytes(32), FROM, TO), at=AT)

    def test_low_order_public_key(self):
        config = KeyConfig(7, PublicKey.decode(Kem.X25519_SHA256, bytes(32)), ((1, 1),))
        weak = trust.pin(select(KeyConfigs((config,)), [ONE]), b"", not_before=0, not_after=TO)
        with pytest.raises(OpenError):
            begin(weak, at=0)

    def test_too_large_a_message_doesnt_spend_the_step(self):
        large = bytes(MAX_MESSAGE + 1)
        out = outgoing()
        with pytest.raises(UsageError):
            out.seal(large)
        wire, pending = out.seal(b"")
        _, responder = gateway().open(wire, at=AT)
        with pytest.raises(UsageError):
            responder.seal(large)
        assert pending.finish(responder.seal(large[:-1])) == large[:-1]


class TestSteps:
    def test_outgoing_is_left_once(self):
        out = outgoing()
        out.seal(b"")
        with pytest.raises(SpentError):
            out.seal(b"")
        for look in (lambda: out.enc, lambda: out.suite, lambda: out.key_config, lambda: out.export(b"", 1)):
            with pytest.raises(SpentError):
                look()

    def test_pending_is_left_once_by_success(self):
        _, pending, responder = exchange()
        reply = responder.seal(b"answer")
        pending.finish(reply)
        with pytest.raises(SpentError):
            pending.finish(reply)

    @pytest.mark.parametrize("bad", [b"", bytes(31), bytes(32), bytes(100)])
    def test_pending_is_left_once_by_failure(self, bad):
        _, pending, responder = exchange()
        with pytest.raises(PeerError):
            pending.finish(bad)
        with pytest.raises(SpentError):
            pending.finish(responder.seal(b"answer"))

    @pytest.mark.parametrize("good", [True, False])
    # req: privproc1/11 response-secrets-go
    def test_the_responses_secret_is_wiped(self, good):
        _, pending, responder = exchange()
        secret = pending._state[0].secret
        reply = responder.seal(b"answer")
        if good:
            pending.finish(reply)
        else:
            with pytest.raises(OpenError):
                pending.finish(reply + b"x")
        with pytest.raises(SpentError):
            secret.expose()

    def test_responder_is_left_once(self):
        *_, responder = exchange()
        responder.seal(b"")
        with pytest.raises(SpentError):
            responder.seal(b"")
        with pytest.raises(SpentError):
            responder.replay_key()

    def test_no_copies_and_nothing_shown(self):
        out = outgoing()
        shown = [repr(out)]
        refuses_copies(out)
        exporter = out.export(b"x", 32).expose()
        enc = out.enc
        wire, pending = out.seal(b"question")
        _, responder = gateway().open(wire, at=AT)
        for step in (pending, responder):
            refuses_copies(step)
            shown.append(repr(step))
        assert shown == ["<Outgoing ready>", "<PendingResponse ready>", "<Responder ready>"]
        assert repr(pending._state) == "[<_Pending>]"
        shown.append(repr(responder.replay_key()))
        shown.append(str(responder.export(b"x", 32)))
        for secret in (exporter, enc, b"question", private(Kem.X25519_SHA256).encode().expose()):
            assert not any(secret.hex() in text or repr(secret)[2:-1] in text for text in shown)


class TestGatewayRefuses:
    def header(self, key_id=7, kem=0x20, kdf=1, aead=1):
        return bytes((key_id,)) + b"".join(part.to_bytes(2, "big") for part in (kem, kdf, aead))

    def test_every_prefix(self):
        wire, *_ = exchange()
        for cut in range(len(wire)):
            with pytest.raises(OpenError if cut >= 7 + 32 + 16 else DecodeError):
                gateway().open(wire[:cut], at=AT)
        with pytest.raises(OpenError):
            gateway().open(wire + b"\0", at=AT)

    @given(st.integers(0, 7 + 32 + 24 - 1), st.integers(1, 255))
    # req: rfc9458/4.3 open-failure-is-an-error
    def test_every_changed_byte(self, index, change):
        wire = bytearray(exchange()[0])
        wire[index] ^= change
        # A changed KDF or AEAD may be another one that the key offers: then the context is another one.
        refusals = UnsupportedError if index < 3 else (UnsupportedError, OpenError) if index < 7 else OpenError
        with pytest.raises(refusals):
            gateway().open(bytes(wire), at=AT)

    @given(st.binary(max_size=120))
    def test_contract(self, data):
        for start in (b"", self.header(), self.header(8, 0x10), self.header(9, 0x647A)):
            check_contract(functools.partial(gateway(ONE, *PER_KEM).open, at=AT), start + data)

    # req: rfc9458/4.3 unknown-key-is-an-error
    # req: rfc9458/4.3 unoffered-suite-is-an-error
    def test_unknown_key_and_suite(self):
        body = bytes(100)
        few = Gateway(KeyRing([GatewayKey(7, private(ONE.kem), (ONE,), FROM, TO)]), max_request=1000)
        for header in (
            self.header(key_id=8),
            self.header(kem=0x10),
            self.header(kem=0xFFFF),
            self.header(kdf=2),
            self.header(aead=3),
            self.header(kdf=0x10),
            self.header(aead=0xFFFF),
        ):
            with pytest.raises(UnsupportedError):
                few.open(header + body, at=AT)
        with pytest.raises(OpenError):
            few.open(self.header() + body, at=AT)

    # req: rfc9458/7 no-trial-decryption
    def test_only_the_named_key_is_tried(self):
        """A request for the right key under another's identifier: whoever tries all keys opens it."""
        held, named = gateway_key(), gateway_key(key_id=8)
        both = KeyRing([held, GatewayKey(8, PrivateKey.generate(ONE.kem), (ONE,), FROM, TO)])
        selection = trust.pin(select(KeyConfigs((named.config,)), [ONE]), b"list", not_before=FROM, not_after=TO)
        wire, _ = begin(selection, at=AT).seal(b"question")
        assert Gateway(KeyRing([named]), max_request=1000).open(wire, at=AT)[0] == b"question"
        with pytest.raises(OpenError):
            Gateway(both, max_request=1000).open(wire, at=AT)
        with pytest.raises(UnsupportedError):
            gateway().open(wire, at=AT)

    def test_outside_of_the_keys_time(self):
        wire, *_ = exchange()
        for at in (FROM - 1, TO):
            with pytest.raises(ExpiredError):
                gateway().open(wire, at=at)
        for at in (FROM, TO - 1):
            gateway().open(wire, at=at)

    def test_bound(self):
        wire, *_ = exchange()
        gateway(max_request=len(wire)).open(wire, at=AT)
        with pytest.raises(LimitError, match=r"^encapsulated request: "):
            gateway(max_request=len(wire) - 1).open(wire, at=AT)
        with pytest.raises(UsageError):
            gateway(max_request=0)

    def test_another_gateways_key(self):
        other = GatewayKey(7, PrivateKey.generate(ONE.kem), (ONE,), FROM, TO)
        with pytest.raises(OpenError):
            Gateway(KeyRing([other]), max_request=1000).open(exchange()[0], at=AT)

    def test_low_order_enc(self):
        for point in (bytes(32), b"\1" + bytes(31)):
            with pytest.raises(OpenError):
                gateway().open(self.header() + point + bytes(40), at=AT)

    def test_same_point_otherwise_encoded(self):
        """X25519 ignores the top bit of ``enc``, HPKE doesn't: else a replay could pass as new."""
        wire = bytearray(exchange()[0])
        wire[7 + 31] ^= 0x80
        with pytest.raises(OpenError):
            gateway().open(bytes(wire), at=AT)

    def test_errors_are_opaque(self):
        said = set()
        for wire in (exchange()[0] + b"x", self.header() + bytes(100)):
            with pytest.raises(OpenError) as caught:
                gateway().open(wire, at=AT)
            said.add(str(caught.value))
            assert caught.value.__cause__ is None
            assert caught.value.__suppress_context__
        assert said == {"cannot be opened"}


class TestKeyOnDemand:
    def test_in_two_steps(self):
        wire, pending = outgoing().seal(b"question")
        received = receive(wire, max_request=len(wire))
        assert received.header == RequestHeader(7, 0x20, 1, 1)
        assert RequestHeader.decode(received.header.encode()) == received.header
        message, responder = received.open(gateway_key(), at=AT)
        assert message == b"question"
        assert pending.finish(responder.seal(b"answer")) == b"answer"
        refuses_copies(received)
        with pytest.raises(SpentError):
            received.open(gateway_key(), at=AT)
        assert repr(receive(wire, max_request=len(wire))._state) == "[<_Received>]"

    def test_header(self):
        check_codec(RequestHeader.decode, bytes(range(7)), reencode=RequestHeader.encode)
        for numbers in ((256, 1, 1, 1), (-1, 1, 1, 1), (1, 1 << 16, 1, 1), (1, 1, 1, 1 << 16)):
            with pytest.raises(UsageError):
                RequestHeader(*numbers).encode()

    @pytest.mark.parametrize(
        ("key", "at", "error"),
        [
            (lambda: None, AT, UnsupportedError),
            (lambda: gateway_key(BIG_KEY, key_id=8), AT, UsageError),
            (lambda: gateway_key(PER_KEM[0]), AT, UsageError),
            (lambda: GatewayKey(7, private(ONE.kem), (BIG_KEY,), FROM, TO), AT, UnsupportedError),
            (gateway_key, FROM - 1, ExpiredError),
            (gateway_key, TO, ExpiredError),
            (lambda: GatewayKey(7, PrivateKey.generate(ONE.kem), (ONE,), FROM, TO), AT, OpenError),
        ],
    )
    def test_one_key_is_tried(self, key, at, error):
        """Which key fits must not tell clients apart (RFC 9458 §7)."""
        received = receive(exchange()[0], max_request=1000)
        with pytest.raises(error):
            received.open(key(), at=at)
        with pytest.raises(SpentError):
            received.open(gateway_key(), at=AT)

    def test_bounds(self):
        wire = exchange()[0]
        with pytest.raises(LimitError):
            receive(wire, max_request=len(wire) - 1)
        with pytest.raises(DecodeError):
            receive(wire[:6], max_request=1000)
        assert receive(wire[:7], max_request=7).header == RequestHeader(7, 0x20, 1, 1)
        with pytest.raises(DecodeError):
            receive(wire[: 7 + 32 + 15], max_request=1000).open(gateway_key(), at=AT)


class TestClientRefuses:
    @pytest.mark.parametrize("suite", [ONE, BIG_KEY], ids=suite_id)
    def test_every_prefix_and_suffix(self, suite):
        size = max(suite.aead.Nk, suite.aead.Nn)
        for cut in range(size + 16 + 3):
            _, pending, responder = exchange(suite)
            with pytest.raises(OpenError if cut >= size + 16 else DecodeError):
                pending.finish(responder.seal(b"yes")[:cut])
        _, pending, responder = exchange(suite)
        with pytest.raises(OpenError):
            pending.finish(responder.seal(b"yes") + b"\0")

    @given(st.integers(0, 16 + 16 + 5), st.integers(1, 255))
    def test_every_changed_byte(self, index, change):
        _, pending, responder = exchange()
        reply = bytearray(responder.seal(b"answer"))
        reply[index] ^= change
        with pytest.raises(OpenError):
            pending.finish(bytes(reply))

    def test_the_response_to_another_request(self):
        _, pending, _ = exchange()
        *_, responder = exchange()
        with pytest.raises(OpenError):
            pending.finish(responder.seal(b"answer"))

    def test_bound(self):
        _, pending, _ = exchange()
        with pytest.raises(LimitError, match=r"^encapsulated response: "):
            pending.finish(bytes(16 + 16 + MAX_MESSAGE + 1))

    @given(st.binary(max_size=80))
    def test_contract(self, data):
        _, pending, _ = exchange()
        check_contract(pending.finish, data)


PER_KEM = [Suite(kem, Kdf.HKDF_SHA256, Aead.AES_128_GCM) for kem in (Kem.P256_SHA256, Kem.X_WING)]


# A second implementation of RFC 9458 §4, on pyhpke, straight from the pseudocode.


class Oracle:
    def __init__(self, suite, key_id):
        ids = (pyhpke.KEMId(suite.kem), pyhpke.KDFId(suite.kdf), pyhpke.AEADId(suite.aead))
        self.suite = pyhpke.CipherSuite.new(*ids)
        self.sizes = (suite.aead.Nk, suite.aead.Nn)
        self.aead = ChaCha20Poly1305 if suite.aead == 3 else AESGCM
        self.header = bytes((key_id,)) + b"".join(part.value.to_bytes(2, "big") for part in ids)
        self.info = b"message/bhttp request" + bytes(1) + self.header
        self.enc_size = {0x10: 65, 0x20: 32}[suite.kem]

    def request(self, public, message):
        key = self.suite.kem.deserialize_public_key(public)
        self.enc, self.context = self.suite.create_sender_context(key, self.info)
        return self.header + self.enc + self.context.seal(message)

    def open_request(self, private, wire):
        assert wire[:7] == self.header
        self.enc, ciphertext = wire[7 : 7 + self.enc_size], wire[7 + self.enc_size :]
        key = self.suite.kem.deserialize_private_key(private)
        self.context = self.suite.create_recipient_context(self.enc, key, self.info)
        return self.context.open(ciphertext)

    def _cipher(self, nonce):
        secret = self.context.export(b"message/bhttp response", max(self.sizes))
        prk = self.suite.kdf.extract(self.enc + nonce, secret)
        key, iv = self.suite.kdf.expand(prk, b"key", self.sizes[0]), self.suite.kdf.expand(prk, b"nonce", self.sizes[1])
        return self.aead(key), iv

    def response(self, message, nonce=None):
        nonce = nonce or os.urandom(max(self.sizes))
        cipher, iv = self._cipher(nonce)
        return nonce + cipher.encrypt(iv, message, b"")

    def open_response(self, wire):
        cipher, iv = self._cipher(wire[: max(self.sizes)])
        return cipher.decrypt(iv, wire[max(self.sizes) :], b"")


@pytest.mark.parametrize("suite", DH_SUITES, ids=suite_id)
class TestAgainstPyhpke:
    # req: rfc9458/4.4 response-key-schedule
    def test_our_client_their_gateway(self, suite):
        oracle = Oracle(suite, 7)
        wire, pending = outgoing(suite).seal(b"question")
        assert oracle.open_request(private(suite.kem).encode().expose(), wire) == b"question"
        assert pending.finish(oracle.response(b"answer")) == b"answer"

    # req: rfc9458/4.4 response-secret-size
    def test_their_client_our_gateway(self, suite):
        oracle = Oracle(suite, 7)
        wire = oracle.request(private(suite.kem).public_key.encode(), b"question")
        message, responder = gateway(suite).open(wire, at=AT)
        assert message == b"question"
        assert responder.export(b"other", 40).expose() == oracle.context.export(b"other", 40)
        assert oracle.open_response(responder.seal(b"answer")) == b"answer"

    # req: rfc9458/4.3 info-binds-configuration
    # req: rfc9458/4.3 request-is-sealed-once
    # req: rfc9458/4.2 response-layout
    # req: rfc9458/4.1 header-in-the-clear
    def test_same_bytes(self, suite):
        """Client and gateway with the same randomness."""
        ephemeral = PrivateKey.decode(suite.kem, Secret(bytes(range(3, 35))))
        wire, pending = _derand_begin(chosen(suite), ephemeral).seal(b"question")
        oracle = Oracle(suite, 7)
        assert oracle.open_request(private(suite.kem).encode().expose(), wire) == b"question"
        _, responder = gateway(suite).open(wire, at=AT)
        nonce = bytes(range(max(suite.aead.Nk, suite.aead.Nn)))
        reply = responder._derand_seal(b"answer", nonce)
        assert reply == oracle.response(b"answer", nonce)
        assert pending.finish(reply) == b"answer"


@pytest.mark.parametrize("suite", [suite for suite in SUITES if suite.kem in SINGLE_SHOT], ids=suite_id)
def test_requests_against_cryptography(suite):
    """The crypto library's own single-shot HPKE: the only second implementation with X-Wing at hand."""
    theirs = single_shot.Suite(
        getattr(single_shot.KEM, SINGLE_SHOT[suite.kem]),
        getattr(single_shot.KDF, suite.kdf.name),
        getattr(single_shot.AEAD, suite.aead.name),
    )
    header = bytes((7,)) + b"".join(part.to_bytes(2, "big") for part in (suite.kem, suite.kdf, suite.aead))
    info = b"message/bhttp request\0" + header
    handle = private(suite.kem)._handle
    secret = single_shot.MLKEM768X25519PrivateKey(handle.m, handle.x) if suite.kem is Kem.X_WING else handle
    wire = header + theirs.encrypt(b"question", secret.public_key(), info)
    message, responder = gateway(suite).open(wire, at=AT)
    assert message == b"question"
    assert responder.suite == suite
    ours, _ = outgoing(suite).seal(b"other question")
    assert ours[:7] == header
    assert theirs.decrypt(ours[7:], secret, info) == b"other question"


class TestReplay:
    def key(self, number):
        return ReplayKey(number.to_bytes(32, "big"))

    def test_key_is_the_requests(self):
        wire, *_, responder = exchange()
        _, again = gateway().open(wire, at=AT)
        *_, other = exchange()
        assert responder.replay_key() == again.replay_key()
        assert responder.replay_key() != other.replay_key()

    def test_key_cant_be_found_from_enc(self):
        *_, responder = exchange()
        digest = responder.replay_key().digest
        assert len(digest) == 32
        assert digest not in (responder.enc, hashlib.sha256(responder.enc).digest())
        assert repr(responder.replay_key()) == "ReplayKey()"

    def test_wrong_size(self):
        for size in (0, 31, 33):
            with pytest.raises(UsageError):
                ReplayKey(bytes(size))

    def test_the_contract(self):
        check_replay_store(lambda: ReplayWindow(1000))

    # req: rfc9458/6.5 replays-are-found
    def test_new_then_replayed_then_expired(self):
        window = ReplayWindow(10)
        window.admit(self.key(1), at=100, until=200)
        window.admit(self.key(2), at=100, until=200)
        for at in (100, 199):
            with pytest.raises(ReplayError):
                window.admit(self.key(1), at=at, until=200)
        assert len(window) == 2
        with pytest.raises(ExpiredError):
            window.admit(self.key(1), at=200, until=200)
        assert len(window) == 0

    def test_entries_end_each_in_its_time(self):
        window = ReplayWindow(3)
        for number, until in ((1, 300), (2, 150), (3, 200)):
            window.admit(self.key(number), at=100, until=until)
        with pytest.raises(WindowFullError):
            window.admit(self.key(4), at=149, until=400)
        with pytest.raises(ReplayError):
            window.admit(self.key(2), at=149, until=150)
        window.admit(self.key(4), at=150, until=400)
        with pytest.raises(WindowFullError):
            window.admit(self.key(5), at=199, until=400)
        assert len(window) == 3
        with pytest.raises(ReplayError):
            window.admit(self.key(1), at=299, until=300)

    def test_what_isnt_admitted_isnt_remembered(self):
        window = ReplayWindow(1)
        window.admit(self.key(1), at=1, until=5)
        with pytest.raises(LimitError):
            window.admit(self.key(2), at=1, until=9)
        window.admit(self.key(2), at=5, until=9)

    def test_clock_that_steps_back(self):
        window = ReplayWindow(10)
        window.admit(self.key(1), at=100, until=200)
        window.admit(self.key(2), at=250, until=300)
        with pytest.raises(ExpiredError):
            window.admit(self.key(1), at=100, until=200)

    def test_capacity(self):
        with pytest.raises(UsageError):
            ReplayWindow(0)

    def test_check_and_insertion_are_one(self):
        class Seen(set):
            def __contains__(self, digest):
                assert window._lock.locked()
                return super().__contains__(digest)

            def add(self, digest):
                assert window._lock.locked()
                super().add(digest)

        window = ReplayWindow(2)
        window._seen = Seen()
        window.admit(self.key(1), at=1, until=2)
        assert not window._lock.locked()
        with pytest.raises(ReplayError):
            window.admit(self.key(1), at=1, until=2)
        assert not window._lock.locked()

    def test_of_racing_threads_one_is_admitted(self):
        window, admitted, start = ReplayWindow(100), [], threading.Barrier(8)

        def race():
            start.wait()
            for number in range(50):
                try:
                    window.admit(self.key(number), at=1, until=2)
                except ReplayError:
                    continue
                admitted.append(number)

        threads = [threading.Thread(target=race) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(admitted) == list(range(50))

    @given(st.lists(st.tuples(st.integers(0, 8), st.integers(0, 5), st.integers(1, 20)), max_size=60))
    def test_nothing_is_admitted_twice_in_its_time(self, moves):
        """Whatever the order, and with a small memory: a key is admitted again only when its time is over."""
        window, now, ends = ReplayWindow(4), 0, {}
        for number, step, life in moves:
            now += step
            try:
                window.admit(self.key(number), at=now, until=now + life)
            except ReplayError:
                assert ends[number] > now
            except LimitError:
                assert sum(end > now for end in ends.values()) == 4
            else:
                assert ends.get(number, 0) <= now
                ends[number] = now + life
            assert len(window) <= 4


class TestDate:
    def test_the_specifications_example(self):
        assert decode_date(b"Sun, 06 Nov 1994 08:49:37 GMT") == 784111777
        assert encode_date(784111777) == b"Sun, 06 Nov 1994 08:49:37 GMT"
        assert encode_date(0) == b"Thu, 01 Jan 1970 00:00:00 GMT"

    @given(st.integers(-(10**10), 253402300799))
    def test_round_trip_and_the_standard_librarys(self, at):
        assert decode_date(encode_date(at)) == at
        assert encode_date(at).decode() == format_datetime(datetime.fromtimestamp(at, UTC), usegmt=True)

    @pytest.mark.parametrize("at", [253402300800, 10**20, -(10**20)])
    def test_no_such_date(self, at):
        with pytest.raises(UsageError):
            encode_date(at)

    def test_leap_second(self):
        assert decode_date(b"Sat, 31 Dec 2016 23:59:60 GMT") == decode_date(b"Sun, 01 Jan 2017 00:00:00 GMT")

    @pytest.mark.parametrize(
        "value",
        [
            b"",
            b"Sunday, 06-Nov-94 08:49:37 GMT",
            b"Sun Nov  6 08:49:37 1994",
            b"Mon, 06 Nov 1994 08:49:37 GMT",
            b"sun, 06 Nov 1994 08:49:37 GMT",
            b"Sun, 06 nov 1994 08:49:37 GMT",
            b"Sun, 06 Nop 1994 08:49:37 GMT",
            b"Sun, 6 Nov 1994 08:49:37 GMT",
            b"Sun, 06 Nov 94 08:49:37 GMT",
            b"Sun, 06 Nov 1994 08:49:37 UTC",
            b"Sun, 06 Nov 1994 08:49:37 gmt",
            b"Sun, 06 Nov 1994 08:49:37 +0000",
            b"Sun, 06 Nov 1994 24:00:00 GMT",
            b"Sun, 06 Nov 1994 08:60:37 GMT",
            b"Sun, 06 Nov 1994 08:49:60 GMT",
            b"Sun, 06 Nov 1994 23:59:61 GMT",
            b"Sun, 00 Nov 1994 08:49:37 GMT",
            b"Thu, 31 Nov 1994 08:49:37 GMT",
            b"Wed, 29 Feb 1995 08:49:37 GMT",
            b"Sun, 06 Nov 0000 08:49:37 GMT",
            b"Sun,  06 Nov 1994 08:49:37 GMT",
            b" Sun, 06 Nov 1994 08:49:37 GMT",
            b"Sun, 06 Nov 1994 08:49:37 GMT\n",
            b"Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT",
            "Sun, 0\u0666 Nov 1994 08:49:37 GMT".encode(),
            b"Sun, -6 Nov 1994 08:49:37 GMT",
        ],
    )
    def test_malformed(self, value):
        with pytest.raises(DecodeError):
            decode_date(value)
        with pytest.raises(DecodeError):
            check_date(value, at=784111777, tolerance=60)

    @given(st.binary(max_size=40))
    def test_contract(self, data):
        check_contract(decode_date, data)

    # req: rfc9458/6.5.1 date-window
    def test_window(self):
        value = encode_date(1000)
        for at in (940, 1000, 1060):
            assert check_date(value, at=at, tolerance=60) == 1061
        for at in (939, 1061):
            with pytest.raises(ExpiredError):
                check_date(value, at=at, tolerance=60)
        with pytest.raises(ExpiredError):
            check_date(None, at=0, tolerance=10**12)

    def test_a_replay_is_remembered_as_long_as_its_date_is_good(self):
        """A fast client's request is accepted for twice the tolerance; so long its key must be kept."""
        window, key, value = ReplayWindow(10), ReplayKey(bytes(32)), encode_date(1000)
        window.admit(key, at=940, until=check_date(value, at=940, tolerance=60))
        with pytest.raises(ReplayError):
            window.admit(key, at=1060, until=check_date(value, at=1060, tolerance=60))


class TestProblems:
    def test_registered_types(self):
        assert MEDIA_TYPE == "application/problem+json"
        assert OHTTP_KEY == "https://iana.org/assignments/http-problem-types#ohttp-key"
        assert DATE == "https://iana.org/assignments/http-problem-types#date"

    @given(st.builds(Problem, st.text(max_size=50), st.text(max_size=50), st.none() | st.integers(100, 599)))
    def test_round_trip(self, problem):
        encoded = problem.encode()
        assert Problem.decode(encoded) == problem
        assert json.loads(encoded)["type"] == problem.type
        for cut in range(len(encoded)):
            with pytest.raises(DecodeError):
                Problem.decode(encoded[:cut])
        with pytest.raises(DecodeError):
            Problem.decode(encoded + b"\0")

    def test_the_specifications_examples(self):
        """RFC 9458, figures 7 and 8."""
        key = (
            b'{"type":"https://iana.org/assignments/http-problem-types#ohttp-key",\n"title": "key identifier unknown"}'
        )
        assert Problem.decode(key) == Problem(OHTTP_KEY, "key identifier unknown")
        date = (
            b'{"type":"https://iana.org/assignments/http-problem-types#date",\n'
            b'"title": "date field in request outside of acceptable range"}'
        )
        assert Problem.decode(date) == Problem(DATE, "date field in request outside of acceptable range")

    def test_defaults_and_members_to_ignore(self):
        assert Problem.decode(b"{}") == Problem(BLANK, "", None)
        odd = b'{"type":5,"title":[],"status":"400","detail":"x","extension":{"type":"y"}}'
        assert Problem.decode(odd) == Problem()
        for status in (b"99", b"600", b"true", b"400.0", b"-400", b"1e2", b"null"):
            assert Problem.decode(b'{"status":' + status + b"}").status is None

    @pytest.mark.parametrize(
        "data",
        [
            b"",
            b"[]",
            b'"type"',
            b"null",
            b"{",
            b"{} {}",
            b'{"type":"a","type":"b"}',
            b'{"x":{"a":1,"a":2}}',
            b'{"x":NaN}',
            b'{"x":Infinity}',
            b'{"x":-Infinity}',
            b"\xff{}",
            b"\xef\xbb\xbf{}",
            "{}".encode("utf-16"),
            b"[" * MAX_PROBLEM,
            b'{"a":' * 800,
            b"1" * MAX_PROBLEM,
            b"{'type':'a'}",
        ],
    )
    def test_malformed(self, data):
        with pytest.raises(DecodeError):
            Problem.decode(data)

    def test_bound(self):
        assert Problem.decode(b"{}" + b" " * (MAX_PROBLEM - 2)) == Problem()
        with pytest.raises(LimitError):
            Problem.decode(b"{}" + b" " * (MAX_PROBLEM - 1))

    @given(st.binary(max_size=60))
    def test_contract(self, data):
        check_contract(Problem.decode, data)
        check_contract(Problem.decode, b'{"type":' + data + b"}")

    @pytest.mark.parametrize(
        ("error", "before", "after"),
        [
            (UnsupportedError(""), (422, OHTTP_KEY), (400, BLANK)),
            (ExpiredError(""), (422, OHTTP_KEY), (400, DATE)),
            (OpenError(), (422, OHTTP_KEY), (400, BLANK)),
            (MethodError(""), (405, BLANK), (400, BLANK)),
            (MediaTypeError(""), (415, BLANK), (400, BLANK)),
            (errors.PolicyError(""), (400, BLANK), (403, BLANK)),
            (DecodeError("", ""), (400, BLANK), (400, BLANK)),
            (LimitError(""), (413, BLANK), (413, BLANK)),
            (WindowFullError(""), (413, BLANK), (503, BLANK)),
            (ReplayError(""), (400, BLANK), (400, BLANK)),
            (errors.SignatureError(""), (400, BLANK), (400, BLANK)),
        ],
    )
    # req: rfc9458/5.3 outdated-key-problem
    def test_table(self, error, before, after):
        for place, expected in ((Place.BEFORE_DECAPSULATION, before), (Place.AFTER_DECAPSULATION, after)):
            problem = problem_for(error, place)
            assert (problem.status, problem.type) == expected
            assert Problem.decode(problem.encode()) == problem

    def test_every_peer_error_has_an_answer_and_says_nothing_of_itself(self):
        kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, PeerError)]
        for kind in kinds:
            error = kind.__new__(kind)
            error.args = ("a secret reason",)
            for place in Place:
                assert "secret" not in problem_for(error, place).title

    # req: rfc9458/5.2 errors-before-are-in-the-clear
    def test_in_the_clear_only_4xx(self):
        assert all(400 <= row.status < 500 for (_, place), row in TABLE.items() if place is Place.BEFORE_DECAPSULATION)

    # req: rfc9458/6.4 refused-keys-look-alike
    def test_refused_keys_look_alike(self):
        errors_ = (UnsupportedError("unknown"), ExpiredError("old"), OpenError())
        assert len({problem_for(error, Place.BEFORE_DECAPSULATION).encode() for error in errors_}) == 1
