from __future__ import annotations

import functools
import struct
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from privproc import ohttp, trust
from privproc.errors import DecodeError, ExpiredError, LimitError, UnsupportedError, UsageError
from privproc.hpke import Aead, ExchangeKey, Kdf, Kem, PrivateKey, Suite
from privproc.keyconfig import (
    MAX_LIST,
    MEDIA_TYPE,
    GatewayKey,
    KeyConfig,
    KeyConfigs,
    KeyRing,
    Selection,
    Skipped,
    select,
)
from privproc.secret import Secret
from tests.codec import check_codec, check_contract

AES = (Kdf.HKDF_SHA256, Aead.AES_128_GCM)
AES256 = (Kdf.HKDF_SHA256, Aead.AES_256_GCM)
CHACHA = (Kdf.HKDF_SHA256, Aead.CHACHA20_POLY1305)
X_AES, X_CHACHA = (Suite(Kem.X25519_SHA256, *pair) for pair in (AES, CHACHA))
UNFIT = [Suite(Kem.X25519_SHA256, kdf, Aead.AES_128_GCM) for kdf in Kdf if not kdf.two_stage]
UNFIT.append(Suite(Kem.X25519_SHA256, Kdf.HKDF_SHA256, Aead.EXPORT_ONLY))
KEMS = tuple(Kem)


@functools.cache
def private(kem):
    return PrivateKey.derive(kem, Secret(bytes(range(1, 1 + kem.Nsk))))


def ecdh(key, point):
    return key._handle.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point))


def config(key_id=1, kem=Kem.X25519_SHA256, suites=(AES,)):
    return KeyConfig(key_id, private(kem).public_key, tuple(suites))


def prefixed(*configs):
    return b"".join(len(encoded).to_bytes(2, "big") + encoded for encoded in configs)


ids = st.integers(0, 0xFFFF)
some_config = st.builds(
    config, st.integers(0, 255), st.sampled_from(KEMS), st.lists(st.tuples(ids, ids), min_size=1, max_size=5)
)
some_skipped = st.builds(
    Skipped,
    st.integers(0, 255),
    ids.filter(lambda kem: kem not in KEMS),
    st.binary(min_size=6, max_size=40),
)
some_list = st.lists(some_config | some_skipped, min_size=1, max_size=5, unique_by=lambda entry: entry.key_id).map(
    lambda entries: KeyConfigs(tuple(entries))
)


class TestConfig:
    @given(some_config)
    def test_round_trip(self, value):
        assert KeyConfig.decode(value.encode()) == value

    @pytest.mark.parametrize("kem", KEMS)
    def test_codec(self, kem):
        check_codec(KeyConfig.decode, config(7, kem, [AES, (0xDEAD, 0xBEEF)]).encode(), reencode=KeyConfig.encode)

    @given(st.binary(max_size=80))
    def test_contract(self, data):
        check_contract(KeyConfig.decode, data)
        check_contract(KeyConfig.decode, b"\1\0\x20" + data)

    # req: rfc9458/3.1 configuration-layout
    def test_layout(self):
        key = private(Kem.X25519_SHA256).public_key.encode()
        encoded = config(7, suites=[AES, CHACHA]).encode()
        assert encoded == b"\7\0\x20" + key + bytes.fromhex("0008 00010001 00010003")

    def test_unknown_kem(self):
        with pytest.raises(UnsupportedError):
            KeyConfig.decode(b"\1\x99\x99" + config().encode()[3:])

    @pytest.mark.parametrize("pairs", [b"", b"\0\1\0", b"\0\1\0\1\0", b"\0\1\0\1\0\1\0"])
    def test_pairs_are_whole_and_there_is_one(self, pairs):
        head = b"\1\0\x20" + private(Kem.X25519_SHA256).public_key.encode()
        with pytest.raises(DecodeError):
            KeyConfig.decode(head + len(pairs).to_bytes(2, "big") + pairs)

    def test_largest(self):
        largest = config(suites=[AES] * 16383)
        assert KeyConfig.decode(largest.encode()) == largest
        with pytest.raises(UsageError):
            config(suites=[AES] * 16384)
        listed = KeyConfigs((config(kem=Kem.X25519_SHA256, suites=[AES] * 16000),))
        assert KeyConfigs.decode(listed.encode()) == listed

    @pytest.mark.parametrize("public", [b"\2" + bytes(64), b"\4" + bytes(64), b"\4" + b"\xff" * 64])
    def test_public_key_is_validated(self, public):
        encoded = config(kem=Kem.P256_SHA256).encode()
        with pytest.raises(DecodeError):
            KeyConfig.decode(encoded[:3] + public + encoded[68:])

    def test_x_wing_key_is_validated(self):
        encoded = config(kem=Kem.X_WING).encode()
        with pytest.raises(DecodeError):
            KeyConfig.decode(encoded[:3] + b"\xff" * 384 + encoded[387:])

    def test_wrong_arguments(self):
        for key_id in (-1, 256):
            with pytest.raises(UsageError):
                config(key_id)
            with pytest.raises(UsageError):
                replace(config(255), key_id=key_id)
        with pytest.raises(UsageError):
            config(suites=[])
        with pytest.raises(UsageError):
            config(suites=[(1, 0x10000)]).encode()


class TestList:
    def test_media_type(self):
        assert MEDIA_TYPE == "application/ohttp-keys"

    @given(some_list)
    def test_round_trip(self, value):
        assert KeyConfigs.decode(value.encode()) == value
        assert {*value.configs, *value.skipped} == {*value.entries}

    def test_codec(self):
        check_codec(KeyConfigs.decode, KeyConfigs((config(),)).encode(), reencode=KeyConfigs.encode)

    # req: rfc9458/3.2 list-is-length-prefixed
    def test_layout(self):
        first, second = config(1).encode(), config(2, suites=[AES, CHACHA]).encode()
        assert (len(first), len(second)) == (41, 45)
        listed = KeyConfigs((config(1), config(2, suites=[AES, CHACHA])))
        assert listed.encode() == b"\0\x29" + first + b"\0\x2d" + second

    @given(some_list, st.data())
    def test_cuts(self, value, data):
        encoded = value.encode()
        ends, size = set(), 0
        for entry in value.entries:
            size += 2 + len(entry.encode())
            ends.add(size)
        cut = data.draw(st.integers(0, len(encoded) - 1).filter(lambda cut: cut not in ends))
        with pytest.raises(DecodeError):
            KeyConfigs.decode(encoded[:cut])

    @given(some_list, st.data())
    def test_contract(self, value, data):
        broken = bytearray(value.encode())
        broken[data.draw(st.integers(0, len(broken) - 1))] = data.draw(st.integers(0, 255))
        check_contract(KeyConfigs.decode, bytes(broken))
        check_contract(KeyConfigs.decode, data.draw(st.binary(max_size=60)))

    # req: rfc9458/3.2 unknown-kem-is-skipped
    def test_unknown_kem_is_skipped_and_reported(self):
        unknown = b"\7\x99\x99" + bytes(20)
        decoded = KeyConfigs.decode(prefixed(unknown, config().encode()))
        assert decoded.configs == (config(),)
        assert decoded.skipped == (Skipped(7, 0x9999, bytes(20)),)

    def test_kem_that_this_crypto_library_lacks_is_skipped(self, monkeypatch):
        encoded = prefixed(config(1, Kem.X_WING).encode(), config(2).encode())

        def decode(kem, data):
            if kem is Kem.X_WING:
                raise UnsupportedError("not in this build")
            return private(Kem.X25519_SHA256).public_key

        monkeypatch.setattr("privproc.keyconfig.PublicKey.decode", decode)
        decoded = KeyConfigs.decode(encoded)
        assert [entry.kem for entry in decoded.skipped] == [Kem.X_WING]
        assert decoded.encode() == encoded

    @pytest.mark.parametrize("size", range(9))
    def test_unknown_kem_doesnt_excuse_a_config_that_is_too_short(self, size):
        with pytest.raises(DecodeError):
            KeyConfigs.decode(prefixed((b"\7\x99\x99" + bytes(6))[:size], config().encode()))

    @pytest.mark.parametrize("broken", [config().encode() + b"\0", config().encode()[:-1], config().encode()[:-4]])
    @pytest.mark.parametrize("first", [True, False])
    # req: rfc9458/3.2 malformed-list-is-refused-whole
    def test_one_malformed_config_refuses_the_list(self, broken, first):
        good = config(2).encode()
        with pytest.raises(DecodeError):
            KeyConfigs.decode(prefixed(broken, good) if first else prefixed(good, broken))

    def test_empty(self):
        with pytest.raises(DecodeError):
            KeyConfigs.decode(b"")
        with pytest.raises(UsageError):
            KeyConfigs(())

    @pytest.mark.parametrize("other", [config(1, suites=[CHACHA]).encode(), b"\1\x99\x99" + bytes(20)])
    # req: rfc9458/3.2 malformed-list-is-refused-whole
    def test_duplicate_id(self, other):
        with pytest.raises(DecodeError, match="occurs twice"):
            KeyConfigs.decode(prefixed(config(1).encode(), other))
        with pytest.raises(UsageError):
            KeyConfigs((config(1), Skipped(1, 0x9999, bytes(20))))

    def test_bound(self):
        with pytest.raises(LimitError, match=r"^key configurations: "):
            KeyConfigs.decode(bytes(MAX_LIST + 1))
        with pytest.raises(DecodeError):
            KeyConfigs.decode(bytes(MAX_LIST))

    def test_errors_name_what_is_read(self):
        with pytest.raises(DecodeError) as raised:
            KeyConfigs.decode(prefixed(config(1).encode()) + b"\0")
        assert raised.value.what == "key configurations"
        with pytest.raises(DecodeError) as raised:
            KeyConfig.decode(config(1).encode() + b"\0")
        assert raised.value.what == "key configuration"


class TestSelect:
    # req: rfc9458/3 client-chooses
    def test_client_order_before_list_order(self):
        configs = KeyConfigs((config(1, suites=[AES, CHACHA]), config(2, suites=[CHACHA])))
        chosen = select(configs, [X_CHACHA, X_AES])
        assert (chosen.config.key_id, chosen.suite) == (1, X_CHACHA)
        reverse = KeyConfigs(configs.entries[::-1])
        assert select(reverse, [X_CHACHA, X_AES]).config.key_id == 2
        assert select(reverse, [X_AES, X_CHACHA]).config.key_id == 1

    def test_kem_kdf_and_aead_must_all_fit(self):
        configs = KeyConfigs((config(suites=[AES, (Kdf.HKDF_SHA384, Aead.CHACHA20_POLY1305)]),))
        for suite in (
            Suite(Kem.P256_SHA256, *AES),
            Suite(Kem.X25519_SHA256, Kdf.HKDF_SHA384, Aead.AES_128_GCM),
            X_CHACHA,
        ):
            with pytest.raises(UnsupportedError):
                select(configs, [suite])

    @pytest.mark.parametrize("unfit", UNFIT, ids=str)
    def test_suites_without_a_response_are_never_selected(self, unfit):
        """RFC 9458 §4.4 takes Extract, Expand and a cipher: whoever offers less, or asks for less, gets nothing."""
        configs = KeyConfigs((config(suites=[(unfit.kdf, unfit.aead)]),))
        for preference in ([unfit], [X_AES, unfit], [unfit, X_AES]):
            with pytest.raises(UsageError, match="no response with"):
                select(configs, preference)
        fit = [Suite(unfit.kem, kdf, aead) for kdf in Kdf if kdf.two_stage for aead in Aead if aead.Nk]
        with pytest.raises(UnsupportedError):
            select(configs, fit)
        both = KeyConfigs((config(suites=[(unfit.kdf, unfit.aead), AES]),))
        assert select(both, fit).suite == X_AES

    def test_nothing_usable_is_not_malformed(self):
        configs = KeyConfigs.decode(prefixed(b"\7\x99\x99" + bytes(20)))
        assert configs.configs == ()
        with pytest.raises(UnsupportedError):
            select(configs, [X_AES])

    def test_no_preference(self):
        with pytest.raises(UsageError):
            select(KeyConfigs((config(),)), [])

    def test_selection_is_earned_and_trust_is_carried(self):
        with pytest.raises(UsageError):
            Selection(config(), X_AES)
        encoded = KeyConfigs((config(),)).encode()
        source = trust.pin(encoded, encoded, not_before=10, not_after=20)
        chosen = source.map(KeyConfigs.decode).map(lambda configs: select(configs, [X_AES]))
        assert chosen.get(at=10).suite == X_AES
        assert chosen.digest == source.digest
        with pytest.raises(ExpiredError):
            chosen.get(at=20)


def gateway_key(key_id=1, not_before=100, not_after=200, suites=(X_AES,)):
    return GatewayKey(key_id, private(suites[0].kem), tuple(suites), not_before, not_after)


class TestRing:
    def test_config(self):
        key = gateway_key(suites=[X_AES, X_CHACHA])
        assert key.config == config(1, suites=[AES, CHACHA])
        assert all(type(value) is int for pair in KeyConfig.decode(key.config.encode()).suites for value in pair)
        assert key.suite(1, 3) == X_CHACHA
        with pytest.raises(UnsupportedError):
            key.suite(1, 2)
        with pytest.raises(UnsupportedError):
            key.suite(2, 3)

    def test_wrong_arguments(self):
        with pytest.raises(UsageError):
            GatewayKey(1, private(Kem.X25519_SHA256), (Suite(Kem.P256_SHA256, *AES),), 0, 1)
        with pytest.raises(UsageError):
            GatewayKey(1, private(Kem.X25519_SHA256), (), 0, 1)
        for unfit in UNFIT:
            with pytest.raises(UsageError, match="no response with"):
                gateway_key(suites=[X_AES, unfit])
        with pytest.raises(UsageError):
            gateway_key(not_before=5, not_after=5)
        with pytest.raises(UsageError):
            gateway_key(256)
        with pytest.raises(UsageError):
            KeyRing([gateway_key(1), gateway_key(1, 300, 400)])

    def test_get(self):
        ring = KeyRing([gateway_key(1), gateway_key(2)])
        kem = Kem.X25519_SHA256
        assert ring.get(2, kem).key_id == 2
        for key_id, other in ((3, kem), (1, Kem.P256_SHA256), (1, 0x9999)):
            assert ring.get(key_id, other) is None

    def test_rotation_with_overlap(self):
        ring = KeyRing([gateway_key(1, 0, 700), gateway_key(2, 100, 1300)])
        for at, published in ((0, {1}), (99, {1}), (100, {2}), (699, {2}), (700, {2}), (1299, {2})):
            configs = ring.configs(at=at)
            assert {entry.key_id for entry in configs.entries} == published
            assert KeyConfigs.decode(configs.encode()) == configs
        assert ring.get(1, Kem.X25519_SHA256).not_after == 700
        with pytest.raises(UsageError, match="no key is valid"):
            ring.configs(at=1300)

    def test_each_kem_has_its_newest(self):
        post_quantum = Suite(Kem.X_WING, *AES256)
        keys = [gateway_key(3, 0, 9, [post_quantum]), gateway_key(1, 0, 9), gateway_key(2, 5, 9), gateway_key(4, 5, 9)]
        assert [entry.key_id for entry in KeyRing(keys).configs(at=5).entries] == [3, 2, 4]
        assert select(KeyRing(keys).configs(at=5), [post_quantum, X_AES]).config.key_id == 3

    def test_key_in_a_device(self):
        held = private(Kem.P256_SHA256)
        device = ExchangeKey(held.public_key, lambda point: Secret(ecdh(held, point)))
        key = GatewayKey(1, device, (Suite(Kem.P256_SHA256, *AES),), 100, 200)
        assert key.config == config(1, Kem.P256_SHA256)
        assert KeyRing([key]).get(1, Kem.P256_SHA256).private is device
        assert "ExchangeKey" not in repr(key)

        ring = KeyRing([key])
        selection = trust.pin(select(ring.configs(at=100), key.suites), b"list", not_before=100, not_after=200)
        wire, pending = ohttp.begin(selection, at=100).seal(b"question")
        message, responder = ohttp.Gateway(ring, max_request=1000).open(wire, at=100)
        assert (message, pending.finish(responder.seal(b"answer"))) == (b"question", b"answer")

    def test_opaque(self):
        key = gateway_key()
        shown = repr(key) + repr(KeyRing([key])) + str(key)
        assert private(Kem.X25519_SHA256).encode().expose().hex() not in shown
        assert "PrivateKey" not in shown


def test_independent_reading():
    """The layout once more, by struct alone."""
    value = KeyConfigs((config(9, suites=[AES, CHACHA]), Skipped(8, 0x9999, b"123456")))
    data = value.encode()
    size, key_id, kem = struct.unpack_from(">HBH", data)
    assert (size, key_id, kem) == (45, 9, 0x20)
    assert struct.unpack_from(">HHHHH", data, 5 + 32) == (8, 1, 1, 1, 3)
    assert data[47:] == b"\0\x09\x08\x99\x99123456"
