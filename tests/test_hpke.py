"""HPKE's keys and contexts, against themselves and against pyhpke and the crypto library's own one-shot HPKE."""

from __future__ import annotations

import copy
import functools
import hashlib
import hmac
import pickle

import pyhpke
import pytest
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hpke as oneshot
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from hypothesis import given
from hypothesis import strategies as st

from privproc import hpke
from privproc._step import Unique
from privproc.errors import DecodeError, LimitError, OpenError, UnsupportedError, UsageError
from privproc.hpke import (
    Aead,
    Decapsulator,
    ExchangeKey,
    Kdf,
    Kem,
    PrivateKey,
    Psk,
    PublicKey,
    Recipient,
    Sender,
    Suite,
    _derand_encap,
    _derand_setup_sender,
    _groups,
    decap,
    encap,
    setup_psk_recipient,
    setup_psk_sender,
    setup_recipient,
    setup_sender,
)
from privproc.hpke._schedule import schedule_of
from privproc.hpke.kem import ALGORITHMS
from privproc.secret import Secret
from tests.codec import check_codec, check_contract

KEYS = {kem: PrivateKey.generate(kem) for kem in Kem}
SUITES = [Suite(kem, kdf, aead) for kem in Kem for kdf in Kdf for aead in Aead if aead is not Aead.EXPORT_ONLY]
EXPORT_ONLY = [Suite(kem, kdf, Aead.EXPORT_ONLY) for kem in Kem for kdf in Kdf]
DHKEMS = [kem for kem in Kem if kem < 0x40]
PSK = Psk(Secret(bytes(range(32))), b"name")
LOW_ORDER = bytes(32)

kems = pytest.mark.parametrize("kem", Kem, ids=lambda kem: kem.name)
suites = st.sampled_from(SUITES)
octets = st.binary(max_size=200)


modes = st.sampled_from([None, PSK])


def pair(suite: Suite, info: bytes = b"info", psk: Psk | None = None) -> tuple[Sender, Recipient]:
    private = KEYS[suite.kem]
    if psk is None:
        enc, sender = setup_sender(suite, private.public_key, info)
        return sender, setup_recipient(suite, private, enc, info)
    enc, sender = setup_psk_sender(suite, private.public_key, info, psk)
    return sender, setup_psk_recipient(suite, private, enc, info, psk)


# --- suites


def test_sizes_are_those_of_the_registry():
    assert [(k, k.Nsecret, k.Nenc, k.Npk, k.Nsk) for k in Kem] == [
        (0x0010, 32, 65, 65, 32),
        (0x0011, 48, 97, 97, 48),
        (0x0012, 64, 133, 133, 66),
        (0x0020, 32, 32, 32, 32),
        (0x0021, 64, 56, 56, 56),
        (0x0041, 32, 1088, 1184, 64),
        (0x0042, 32, 1568, 1568, 64),
        (0x0050, 32, 1153, 1249, 32),
        (0x0051, 32, 1665, 1665, 32),
        (0x647A, 32, 1120, 1216, 32),
    ]
    assert [(k, k.Nh, k.hash, k.two_stage) for k in Kdf] == [
        (1, 32, "sha256", True),
        (2, 48, "sha384", True),
        (3, 64, "sha512", True),
        (0x10, 32, "shake_128", False),
        (0x11, 64, "shake_256", False),
    ]
    assert [(a, a.Nk, a.Nn, a.Nt) for a in Aead] == [
        (1, 16, 12, 16),
        (2, 32, 12, 16),
        (3, 32, 12, 16),
        (0xFFFF, 0, 0, 0),
    ]
    assert set(ALGORITHMS) == set(Kem)


@given(st.integers(0, 0xFFFF), st.integers(0, 0xFFFF), st.integers(0, 0xFFFF))
def test_any_identifiers_give_a_suite_or_unsupported(kem, kdf, aead):
    check_contract(lambda ids: Suite.from_ids(*ids), (kem, kdf, aead))


@given(suites)
def test_suites_are_values(suite):
    again = Suite.from_ids(int(suite.kem), int(suite.kdf), int(suite.aead))
    assert again == suite
    assert hash(again) == hash(suite)
    assert repr(suite).count("=") == 3


@pytest.mark.parametrize("aead", [aead for aead in Aead if aead is not Aead.EXPORT_ONLY])
def test_ciphers_take_their_own_key_size(aead):
    cipher = aead.cipher(bytes(aead.Nk))
    assert len(cipher.encrypt(bytes(aead.Nn), b"", None)) == aead.Nt
    assert type(cipher) is (ChaCha20Poly1305 if aead is Aead.CHACHA20_POLY1305 else AESGCM)
    for size in {0, 16, 24, 32} - {aead.Nk}:
        with pytest.raises(UsageError, match=f"{aead.Nk} bytes"):
            aead.cipher(bytes(size))


def test_export_only_has_no_cipher():
    for size in (0, 16, 32):
        with pytest.raises(UsageError, match="EXPORT_ONLY"):
            Aead.EXPORT_ONLY.cipher(bytes(size))


def test_export_only_is_nothing_that_a_peer_can_ask_for():
    with pytest.raises(UnsupportedError, match="0xffff"):
        Suite.from_ids(Kem.X25519_SHA256, Kdf.HKDF_SHA256, Aead.EXPORT_ONLY)
    assert Suite(Kem.X25519_SHA256, Kdf.HKDF_SHA256, Aead.EXPORT_ONLY).aead.Nk == 0


# --- keys


@kems
def test_public_keys_are_exact(kem):
    check_codec(lambda data: PublicKey.decode(kem, data), KEYS[kem].public_key.encode(), reencode=PublicKey.encode)


@kems
@given(data=st.data())
def test_public_keys_of_any_bytes(kem, data):
    check_contract(lambda encoded: PublicKey.decode(kem, encoded), data.draw(st.binary(max_size=80)))
    mutated = bytearray(KEYS[kem].public_key.encode())
    mutated[data.draw(st.integers(0, len(mutated) - 1))] ^= data.draw(st.integers(1, 255))
    check_contract(lambda encoded: PublicKey.decode(kem, encoded), bytes(mutated))


@kems
def test_public_keys_are_values(kem):
    public = KEYS[kem].public_key
    again = PublicKey.decode(kem, public.encode())
    assert again == public
    assert len({again, public}) == 1
    assert again != PrivateKey.generate(kem).public_key
    assert copy.deepcopy(public) == public
    with pytest.raises(AttributeError):
        public.encoded = b""


def test_keys_of_other_kems_differ():
    key = KEYS[Kem.X25519_SHA256].public_key
    assert {PublicKey.decode(Kem.X25519_SHA256, key.encode())} == {key}
    assert KEYS[Kem.P256_SHA256].public_key != key


@kems
def test_private_keys_come_back(kem):
    private = KEYS[kem]
    encoded = private.encode()
    assert len(encoded) == kem.Nsk
    again = PrivateKey.decode(kem, encoded)
    assert again.encode() == encoded
    assert again.public_key == private.public_key
    for size in (*range(kem.Nsk), kem.Nsk + 1):
        with pytest.raises(DecodeError, match=f"{size} bytes instead of {kem.Nsk}"):
            PrivateKey.decode(kem, Secret(encoded.expose().ljust(kem.Nsk + 1, b"\0")[:size]))


@pytest.mark.parametrize("kem", [Kem.P256_SHA256, Kem.P384_SHA384, Kem.P521_SHA512])
def test_small_scalars_keep_their_zeros(kem):
    one = bytes(kem.Nsk - 1) + b"\1"
    assert PrivateKey.decode(kem, Secret(one)).encode().expose() == one


@given(st.data())
def test_montgomery_private_keys_stay_as_they_were(data):
    """Not clamped when written (draft-ietf-hpke-hpke-05 §7.1.2), only when used."""
    for kem, low, high, set_bit in ((Kem.X25519_SHA256, 0xF8, 0x7F, 0x40), (Kem.X448_SHA512, 0xFC, 0xFF, 0x80)):
        encoded = data.draw(st.binary(min_size=kem.Nsk, max_size=kem.Nsk))
        key = PrivateKey.decode(kem, Secret(encoded))
        assert key.encode() == Secret(encoded)
        clamped = bytes([encoded[0] & low]) + encoded[1:-1] + bytes([encoded[-1] & high | set_bit])
        assert PrivateKey.decode(kem, Secret(clamped)).public_key == key.public_key


@kems
def test_derived_keys(kem):
    ikm = bytes(kem.Nsk)
    key = PrivateKey.derive(kem, Secret(ikm))
    assert PrivateKey.derive(kem, Secret(ikm)).encode() == key.encode()
    assert PrivateKey.derive(kem, Secret(ikm + b"\0")).encode() != key.encode()
    assert PrivateKey.decode(kem, key.encode()).public_key == key.public_key
    for size in (0, kem.Nsk - 1):
        with pytest.raises(UsageError, match=f"{kem.Nsk} bytes or more"):
            PrivateKey.derive(kem, Secret(bytes(size)))


def test_one_input_gives_each_kem_a_key_of_its_own():
    ikm = Secret(bytes(66))
    assert len({PrivateKey.derive(kem, ikm).encode().expose()[:32] for kem in Kem}) == len(Kem)


@pytest.mark.parametrize("group", [_groups.P256, _groups.P384, _groups.P521], ids=["P256", "P384", "P521"])
def test_candidates_are_below_the_order(group):
    """Not below the prime, which is what HACL*'s specification compares with (hacl-star issue 1071)."""
    order, size = group._curve.group_order, group.Ndh
    refused = [value.to_bytes(size, "big") for value in (0, order, order + 1)]
    accepted = (order - 1).to_bytes(size, "big")
    assert group.encode_private(group.scalar(b"".join(refused) + accepted)) == accepted
    counters = []

    def expand(label, info):
        assert label == b"candidate"
        counters.append(info)
        return accepted if len(counters) == 256 else refused[len(counters) % 3]

    assert group.encode_private(group.derive(expand)) == accepted
    assert counters == [bytes([counter]) for counter in range(256)]
    for candidates in (b"", refused[0], b"".join(refused)):
        with pytest.raises(ValueError, match="no candidate"):
            group.scalar(candidates)
    with pytest.raises(ValueError, match="no candidate"):
        group.derive(lambda *_: refused[1])


def test_only_p521_drops_bits():
    """The bitmask of RFC 9180 §7.1.3: a P-521 scalar has 521 of its 528 bits."""
    one = bytes(65) + b"\1"
    assert _groups.P521.encode_private(_groups.P521.scalar(b"\xfe" + one[1:])) == one
    with pytest.raises(ValueError, match="no candidate"):
        _groups.P384.scalar(b"\xff" * 48)


def test_a_derivation_that_fails_is_told(monkeypatch):
    monkeypatch.setattr(_groups.P256, "_curve", Unlucky())
    with pytest.raises(UsageError, match="take another"):
        PrivateKey.derive(Kem.P256_SHA256, Secret(bytes(32)))
    with pytest.raises(DecodeError, match="not a key of this KEM"):
        PrivateKey.decode(Kem.MLKEM768_P256, Secret(bytes(32)))


class Unlucky:
    group_order = 1


@kems
def test_generated_keys_differ(kem):
    assert PrivateKey.generate(kem).encode() != PrivateKey.generate(kem).encode()


def test_private_keys_are_made_in_three_ways_only():
    with pytest.raises(UsageError):
        PrivateKey(Kem.X25519_SHA256, b"")


def test_nothing_secret_is_shown_copied_or_pickled():
    sender, recipient = pair(SUITES[0])
    for thing in (*KEYS.values(), sender, recipient):
        for carry in (copy.copy, copy.deepcopy, pickle.dumps):
            with pytest.raises(UsageError, match=f"{type(thing).__name__} can't be copied or pickled"):
                carry(thing)
        assert not hasattr(thing, "__dict__")
    for kem, private in KEYS.items():
        assert repr(private) == f"<PrivateKey {kem.name}>"
    assert repr(sender._exporter) not in repr(sender)


class Absent:
    @staticmethod
    def refuse(*_args):
        raise UnsupportedAlgorithm("not in this build")

    generate = from_seed_bytes = from_public_bytes = from_private_bytes = refuse


@pytest.mark.parametrize("kem", [Kem.ML_KEM_768, Kem.ML_KEM_1024, Kem.MLKEM1024_P384, Kem.X_WING, Kem.X448_SHA512])
def test_a_library_without_the_algorithm_is_unsupported(kem, monkeypatch):
    """OpenSSL before 3.5 has no ML-KEM, AWS-LC no X448."""
    algorithm = ALGORITHMS[kem]
    owner = getattr(algorithm, "_inner", getattr(algorithm, "group", algorithm))
    monkeypatch.setattr(owner, "_private", Absent)
    monkeypatch.setattr(owner, "_public", Absent)
    for call in (
        lambda: PrivateKey.generate(kem),
        lambda: PrivateKey.derive(kem, Secret(bytes(kem.Nsk))),
        lambda: PrivateKey.decode(kem, Secret(bytes(kem.Nsk))),
        lambda: PublicKey.decode(kem, KEYS[kem].public_key.encode()),
    ):
        with pytest.raises(UnsupportedError, match=kem.name):
            call()


# --- encapsulation


@kems
def test_encapsulation_round_trip(kem):
    enc, shared = encap(KEYS[kem].public_key)
    assert (len(enc), len(shared)) == (kem.Nenc, kem.Nsecret)
    assert decap(KEYS[kem], enc) == shared
    assert encap(KEYS[kem].public_key)[0] != enc


@kems
def test_another_key_gives_another_secret(kem):
    enc, shared = encap(KEYS[kem].public_key)
    assert decap(PrivateKey.generate(kem), enc) != shared


@pytest.mark.parametrize("kem", [Kem.MLKEM768_P256, Kem.MLKEM1024_P384, Kem.X_WING])
def test_each_part_of_a_hybrid_counts(kem):
    """A change in either half of enc changes the secret; neither half of the key is enough."""
    enc, shared = encap(KEYS[kem].public_key)
    inner = 1568 if kem is Kem.MLKEM1024_P384 else 1088
    for at in (0, inner - 1):
        mutated = bytearray(enc)
        mutated[at] ^= 1
        assert decap(KEYS[kem], bytes(mutated)) != shared
    other = encap(KEYS[kem].public_key)[0]
    assert decap(KEYS[kem], enc[:inner] + other[inner:]) != shared
    algorithm, private, stranger = ALGORITHMS[kem], KEYS[kem]._handle, PrivateKey.generate(kem)._handle
    encoded = KEYS[kem].public_key.encode()
    for crossed in (private._replace(x=stranger.x), private._replace(m=stranger.m)):
        assert algorithm.decap(crossed, encoded, enc) != shared.expose()


def test_the_traditional_half_of_the_key_is_hashed():
    """Not to be left out of the combiner: it keeps another key from giving the same secret."""
    for kem in (Kem.MLKEM768_P256, Kem.MLKEM1024_P384, Kem.X_WING):
        enc, shared = encap(KEYS[kem].public_key)
        encoded = bytearray(KEYS[kem].public_key.encode())
        encoded[-1] ^= 1
        assert ALGORITHMS[kem].decap(KEYS[kem]._handle, bytes(encoded), enc) != shared.expose()


@kems
@given(data=st.data())
def test_decapsulation_of_any_bytes(kem, data):
    check_contract(lambda enc: decap(KEYS[kem], enc), data.draw(st.binary(max_size=80)))
    check_contract(lambda enc: decap(KEYS[kem], enc), data.draw(st.binary(min_size=kem.Nenc, max_size=kem.Nenc)))


def test_refusals_all_look_alike():
    p256, x25519, xwing = KEYS[Kem.P256_SHA256], KEYS[Kem.X25519_SHA256], KEYS[Kem.X_WING]
    sender, recipient = pair(SUITES[0])
    low = PublicKey.decode(Kem.X25519_SHA256, LOW_ORDER)
    refused = [
        lambda: decap(p256, b"\2" + p256.public_key.encode()[1:33]),
        lambda: decap(p256, b""),
        lambda: decap(x25519, LOW_ORDER),
        lambda: decap(x25519, bytes(31)),
        lambda: decap(KEYS[Kem.X448_SHA512], bytes(56)),
        lambda: decap(KEYS[Kem.ML_KEM_768], bytes(1087)),
        lambda: decap(KEYS[Kem.MLKEM1024_P384], bytes(1665)),
        lambda: decap(hsm_key(), LOW_ORDER),
        lambda: decap(xwing, bytes(1119)),
        lambda: encap(low),
        lambda: setup_sender(Suite.from_ids(0x20, 1, 1), low, b""),
        lambda: _derand_encap(low, x25519),
        lambda: recipient.open(b""),
        lambda: recipient.open(sender.seal(b"x") + b"\0"),
    ]
    for call in refused:
        with pytest.raises(OpenError) as raised:
            call()
        assert str(raised.value) == "cannot be opened"
        assert raised.value.__cause__ is None
        assert raised.value.__suppress_context__


def test_derandomised_encapsulation_is_for_dhkem():
    p256, x25519, xwing = KEYS[Kem.P256_SHA256], KEYS[Kem.X25519_SHA256], KEYS[Kem.X_WING]
    ml_kem = KEYS[Kem.ML_KEM_768]
    for key, ephemeral in ((xwing, xwing), (p256, x25519), (x25519, xwing), (ml_kem, ml_kem)):
        with pytest.raises(UsageError):
            _derand_encap(key.public_key, ephemeral)


# --- contexts


@given(suites, octets, modes, st.lists(st.tuples(octets, octets), max_size=4))
def test_messages_round_trip(suite, info, psk, messages):
    sender, recipient = pair(suite, info, psk)
    for plaintext, aad in messages:
        ciphertext = sender.seal(plaintext, aad)
        assert len(ciphertext) == len(plaintext) + suite.aead.Nt
        assert recipient.open(ciphertext, aad) == plaintext


@given(suites, st.lists(st.sampled_from(["genuine", "forged", "replayed", "ahead", "aad"]), max_size=12))
def test_only_the_next_genuine_message_opens(suite, moves):
    """Whatever is tried in between, the message that is due still opens: a failure doesn't advance the sequence."""
    sender, recipient = pair(suite)
    sent = [sender.seal(b"%d" % n, b"aad") for n in range(len(moves) + 2)]
    due = 0
    for move in moves:
        if move == "genuine":
            assert recipient.open(sent[due], b"aad") == b"%d" % due
            due += 1
            continue
        forged = bytes([sent[due][0] ^ 1]) + sent[due][1:]
        before = sent[due - 1] if due else b""
        ciphertext = {"forged": forged, "replayed": before, "ahead": sent[due + 1], "aad": sent[due]}[move]
        with pytest.raises(OpenError):
            recipient.open(ciphertext, b"" if move == "aad" else b"aad")
    assert recipient.open(sent[due], b"aad") == b"%d" % due


@given(suites, st.binary(max_size=40), st.binary(max_size=40))
def test_received_bytes_open_or_are_refused(suite, ciphertext, aad):
    recipient = pair(suite)[1]
    check_contract(lambda data: recipient.open(data, aad), ciphertext)


@given(suites, octets, octets)
def test_info_binds(suite, info, other):
    private = KEYS[suite.kem]
    enc, sender = setup_sender(suite, private.public_key, info)
    recipient = setup_recipient(suite, private, enc, other)
    assert (recipient.export(b"", 32) == sender.export(b"", 32)) == (info == other)
    if info != other:
        with pytest.raises(OpenError):
            recipient.open(sender.seal(b""))


def test_suites_bind():
    """Contexts over the same shared secret agree in nothing when a single identifier differs."""
    every = SUITES + EXPORT_ONLY
    values = [Sender(suite, bytes(32), b"", psk).export(b"", 32).expose() for suite in every for psk in (None, PSK)]
    assert len(set(values)) == 2 * len(every)


@kems
def test_keys_of_another_kem_are_the_callers_mistake(kem):
    other = next(each for each in Kem if each is not kem)
    suite = Suite(kem, Kdf.HKDF_SHA256, Aead.AES_128_GCM)
    for call in (
        lambda: setup_sender(suite, KEYS[other].public_key, b""),
        lambda: setup_recipient(suite, KEYS[other], bytes(other.Nenc), b""),
        lambda: _derand_setup_sender(suite, KEYS[other].public_key, b"", KEYS[other]),
    ):
        with pytest.raises(UsageError, match=f"a {other.name} key in a {kem.name} suite"):
            call()


@given(st.sampled_from(SUITES + EXPORT_ONLY), octets, st.integers(1, 200))
def test_exports_agree_and_separate(suite, context, length):
    sender, recipient = pair(suite)
    value = sender.export(context, length)
    assert len(value) == length
    assert recipient.export(context, length) == value
    assert sender.export(context + b"\0", 32) != sender.export(context, 32)
    assert sender.export(context, 33).expose()[:32] != sender.export(context, 32).expose()  # the length is hashed


@pytest.fixture
def _schedules_anew():
    """Suites share their schedules; what a test is to see of making one is made in the test."""
    schedule_of.cache_clear()


@pytest.mark.usefixtures("_schedules_anew")
@pytest.mark.parametrize("kdf", Kdf)
def test_export_lengths(kdf):
    """Never fewer bytes than asked for, and never none: netty once took a failed export for a key (CVE-2026-41207)."""
    sender = pair(Suite(Kem.X25519_SHA256, kdf, Aead.AES_128_GCM))[0]
    longest = 255 * kdf.Nh if kdf.two_stage else 0xFFFF
    assert len(sender.export(b"", longest)) == longest
    for length in (-1, 0, longest + 1, 1 << 16):
        with pytest.raises(UsageError, match=f"1 to {longest} bytes"):
            sender.export(b"", length)


@pytest.mark.parametrize("suite", EXPORT_ONLY[:: len(Kdf) + 1], ids=str)
def test_export_only_contexts_export(suite):
    for psk in (None, PSK):
        sender, recipient = pair(suite, psk=psk)
        for call in (sender.seal, recipient.open):
            with pytest.raises(UsageError, match="export-only"):
                call(b"")
        assert sender.export(b"context", 40) == recipient.export(b"context", 40)
        assert sender._sequence == recipient._sequence == [0]


@pytest.mark.parametrize("suite", SUITES[:3], ids=str)
def test_views_will_do(suite):
    sender, recipient = pair(suite)
    assert recipient.open(memoryview(b"head" + sender.seal(memoryview(b"whole body")[6:]))[4:]) == b"body"


# --- pre-shared keys


@pytest.mark.parametrize(("size", "psk_id"), [(0, b"name"), (31, b"name"), (32, b""), (0, b"")])
def test_a_psk_is_long_and_has_a_name(size, psk_id):
    with pytest.raises(UsageError, match="32 bytes or more, and a name"):
        Psk(Secret(bytes(size)), psk_id)


def test_psks_are_opaque():
    assert repr(PSK) == "Psk(secret=Secret(32 bytes), psk_id=b'name')"


@pytest.mark.parametrize("kdf", Kdf)
def test_modes_and_psks_bind(kdf):
    suite, private = Suite(Kem.X25519_SHA256, kdf, Aead.AES_128_GCM), KEYS[Kem.X25519_SHA256]
    secret = PSK.secret.expose()
    others = [Psk(Secret(secret), b"name\0"), Psk(Secret(secret + b"\0"), b"name"), Psk(Secret(secret), b"Name")]
    for sent in (PSK, *others):
        enc, sender = setup_psk_sender(suite, private.public_key, b"", sent)
        ciphertext = sender.seal(b"hello")
        for expected in (PSK, *others):
            recipient = setup_psk_recipient(suite, private, enc, b"", expected)
            if expected is sent:
                assert recipient.open(ciphertext) == b"hello"
                continue
            with pytest.raises(OpenError):
                recipient.open(ciphertext)
        with pytest.raises(OpenError):
            setup_recipient(suite, private, enc, b"").open(ciphertext)
        enc, sender = setup_sender(suite, private.public_key, b"")
        with pytest.raises(OpenError):
            setup_psk_recipient(suite, private, enc, b"", sent).open(sender.seal(b"hello"))


def test_no_psk_is_not_base_mode():
    """What a look-up didn't find must not turn authentication off."""
    suite, private = SUITES[0], KEYS[SUITES[0].kem]
    enc = setup_sender(suite, private.public_key, b"")[0]
    for nothing in (None, b"", ()):
        with pytest.raises(UsageError, match="without a PSK"):
            setup_psk_recipient(suite, private, enc, b"", nothing)
        with pytest.raises(UsageError, match="without a PSK"):
            setup_psk_sender(suite, private.public_key, b"", nothing)


@pytest.mark.parametrize("kdf", [kdf for kdf in Kdf if not kdf.two_stage])
def test_one_stage_inputs_end_at_65535_bytes(kdf):
    """Their lengths are hashed as two bytes each (draft-ietf-hpke-hpke-05 §7.2.1); of the context only the end is."""
    suite, key = Suite(Kem.X25519_SHA256, kdf, Aead.AES_128_GCM), KEYS[Kem.X25519_SHA256].public_key
    whole = bytes(0xFFFF)
    assert len(setup_psk_sender(suite, key, whole, Psk(Secret(whole), whole))[1].export(bytes(1 << 17), 32)) == 32
    for info, secret, psk_id in ((whole + b"\0", whole, whole), (whole, whole + b"\0", whole), (b"", whole, whole * 2)):
        with pytest.raises(UsageError, match="at most 65535 bytes"):
            setup_psk_sender(suite, key, info, Psk(Secret(secret), psk_id))
    with pytest.raises(UsageError, match="at most 65535 bytes"):
        setup_sender(suite, key, whole + b"\0")


def test_two_stage_inputs_have_no_such_end():
    """At least 16384 bytes of info (draft-ietf-hpke-hpke-05 §7.2.1), and far more."""
    sender, recipient = pair(SUITES[0], bytes(1 << 17))
    assert recipient.open(sender.seal(b"hello")) == b"hello"


@pytest.mark.usefixtures("_schedules_anew")
@pytest.mark.parametrize("psk", [None, PSK], ids=["base", "psk"])
@pytest.mark.parametrize("aead", [aead for aead in Aead if aead is not Aead.EXPORT_ONLY], ids=lambda aead: aead.name)
@pytest.mark.parametrize("kdf", Kdf, ids=lambda kdf: kdf.name)
def test_schedule_from_its_parts(kdf, aead, psk):
    """CombineSecrets and Export (draft-ietf-hpke-hpke-05 §5), once more; no vector has a PSK with SHAKE."""
    suite_id = b"HPKE-v1HPKE\0\x20\0" + bytes([kdf]) + b"\0" + bytes([aead])
    shared, info = b"s" * 32, b"information"
    mode, secret, psk_id = (b"\0", b"", b"") if psk is None else (b"\1", psk.secret.expose(), psk.psk_id)

    def extract(salt, label, ikm):
        return hmac.digest(salt, suite_id + label + ikm, kdf.hash)

    def expand(prk, label, context, length):
        return hmac.digest(prk, length.to_bytes(2, "big") + suite_id + label + context + b"\1", kdf.hash)[:length]

    def derive(ikm, label, context, length):
        labeled = ikm + suite_id + len(label).to_bytes(2, "big") + label + length.to_bytes(2, "big") + context
        return hashlib.new(kdf.hash, labeled).digest(length)

    if kdf.two_stage:
        prk = extract(shared, b"secret", secret)
        context = mode + extract(b"", b"psk_id_hash", psk_id) + extract(b"", b"info_hash", info)
        key, nonce, exporter = (
            expand(prk, label, context, length)
            for label, length in ((b"key", aead.Nk), (b"base_nonce", aead.Nn), (b"exp", kdf.Nh))
        )
        exported = expand(exporter, b"sec", b"context", 24)
    else:
        secrets, context = (
            b"".join(len(part).to_bytes(2, "big") + part for part in parts)
            for parts in ((secret, shared), (psk_id, info))
        )
        whole = derive(secrets, b"secret", mode + context, aead.Nk + aead.Nn + kdf.Nh)
        key, nonce, exporter = whole[: aead.Nk], whole[aead.Nk : -kdf.Nh], whole[-kdf.Nh :]
        exported = derive(exporter, b"sec", b"context", 24)
    sender = Sender(Suite(Kem.X25519_SHA256, kdf, aead), shared, info, psk)
    assert sender.export(b"context", 24).expose() == exported
    assert sender.seal(b"hello", b"aad") == aead.cipher(key).encrypt(nonce, b"hello", b"aad")


# --- one shot


@given(suites, octets, octets, octets)
def test_one_shot_and_contexts_agree(suite, info, plaintext, aad):
    private = KEYS[suite.kem]
    enc, ciphertext = hpke.seal_base(suite, private.public_key, info, plaintext, aad)
    assert setup_recipient(suite, private, enc, info).open(ciphertext, aad) == plaintext
    assert hpke.open_base(suite, private, enc, info, ciphertext, aad) == plaintext
    enc, ciphertext = hpke.seal_psk(suite, private.public_key, info, PSK, plaintext, aad)
    assert setup_psk_recipient(suite, private, enc, info, PSK).open(ciphertext, aad) == plaintext
    assert hpke.open_psk(suite, private, enc, info, PSK, ciphertext, aad) == plaintext
    with pytest.raises(OpenError):
        hpke.open_base(suite, private, enc, info, ciphertext, aad)


@given(st.sampled_from(SUITES + EXPORT_ONLY), octets, octets, st.integers(1, 100))
def test_one_shot_exports(suite, info, context, length):
    private = KEYS[suite.kem]
    enc, value = hpke.send_export_base(suite, private.public_key, info, context, length)
    assert value == setup_recipient(suite, private, enc, info).export(context, length)
    assert value == hpke.receive_export_base(suite, private, enc, info, context, length)
    enc, value = hpke.send_export_psk(suite, private.public_key, info, PSK, context, length)
    assert value == setup_psk_recipient(suite, private, enc, info, PSK).export(context, length)
    assert value == hpke.receive_export_psk(suite, private, enc, info, PSK, context, length)


# --- keys that are elsewhere


class Hsm:
    """ECDH in a device: the library's own, behind what PKCS #11 and the key services offer."""

    def __init__(self, kem):
        self.private = KEYS[kem]._handle
        self.group = ALGORITHMS[kem].group
        self.points = []

    def derive(self, point):
        self.points.append(point)
        return Secret(self.group.exchange(self.private, self.group.decode_public(point)))


def hsm_key(kem=Kem.X25519_SHA256, hsm=None):
    return ExchangeKey(KEYS[kem].public_key, (hsm or Hsm(kem)).derive)


@pytest.mark.parametrize("kem", DHKEMS, ids=lambda kem: kem.name)
@given(octets, modes)
def test_a_key_in_a_device_receives(kem, info, psk):
    suite, hsm = Suite(kem, Kdf.HKDF_SHA256, Aead.AES_128_GCM), Hsm(kem)
    key = hsm_key(kem, hsm)
    assert isinstance(key, Unique)
    assert repr(key) == f"<ExchangeKey {kem.name}>"
    if psk is None:
        enc, ciphertext = hpke.seal_base(suite, key.public_key, info, b"hello")
        assert hpke.open_base(suite, key, enc, info, ciphertext) == b"hello"
    else:
        enc, ciphertext = hpke.seal_psk(suite, key.public_key, info, psk, b"hello")
        assert hpke.open_psk(suite, key, enc, info, psk, ciphertext) == b"hello"
    assert decap(key, enc) == KEYS[kem].decap(enc) == key.decap(enc)
    assert hsm.points[1:] == [enc] * 3
    with pytest.raises(UsageError, match="in a P256_SHA256 suite" if kem != Kem.P256_SHA256 else "in a X_WING suite"):
        other = Kem.P256_SHA256 if kem != Kem.P256_SHA256 else Kem.X_WING
        setup_recipient(Suite(other, Kdf.HKDF_SHA256, Aead.AES_128_GCM), key, enc, info)


@pytest.mark.parametrize("kem", DHKEMS, ids=lambda kem: kem.name)
@given(data=st.data())
def test_nothing_invalid_reaches_the_device(kem, data):
    hsm = Hsm(kem)
    key, public = hsm_key(kem, hsm), bytearray(KEYS[kem].public_key.encode())
    public[data.draw(st.integers(0, len(public) - 1))] ^= data.draw(st.integers(0, 255))
    for enc in (b"", bytes(kem.Nenc), bytes(public[:-1]), bytes(public) + b"\0", bytes(public)):
        known = len(hsm.points)
        check_contract(key.decap, enc)
        try:
            expected = KEYS[kem].decap(enc)
        except OpenError:
            with pytest.raises(OpenError):
                key.decap(enc)
            assert len(hsm.points) == known
        else:
            assert key.decap(enc) == expected


@functools.cache
def enc_with_leading_zero():
    """An encapsulation to P-256's key whose Diffie-Hellman secret begins with a zero byte."""
    group, key = _groups.P256, KEYS[Kem.P256_SHA256].public_key
    for scalar in range(1, 10_000):
        ephemeral = ec.derive_private_key(scalar, ec.SECP256R1())
        if group.exchange(ephemeral, key._handle)[0] == 0:
            return group.public(ephemeral)[1]
    raise AssertionError


def test_devices_that_drop_leading_zeros_are_noticed():
    """SoftHSMv2 (issue 174) and pico-hsm (issue 22) did: one request in 256 would fail for no visible reason."""
    hsm = Hsm(Kem.P256_SHA256)
    enc = enc_with_leading_zero()
    assert hsm_key(Kem.P256_SHA256, hsm).decap(enc) == KEYS[Kem.P256_SHA256].decap(enc)
    key = hsm_key(Kem.P256_SHA256, hsm)
    key._exchange = lambda point: Secret(hsm.derive(point).expose().lstrip(b"\0"))
    with pytest.raises(UsageError, match="not a Diffie-Hellman secret of 32 bytes"):
        key.decap(enc)


def test_devices_are_tried_out():
    key, right, other = KEYS[Kem.P256_SHA256].public_key, Hsm(Kem.P256_SHA256), PrivateKey.generate(Kem.P256_SHA256)

    def little_endian(point):
        return Secret(right.derive(point).expose()[::-1])

    def hashed(point):
        return Secret(hashlib.sha256(right.derive(point).expose()).digest())

    for wrong in (little_endian, hashed):
        with pytest.raises(UsageError, match="known answer differs"):
            ExchangeKey(key, wrong)
    with pytest.raises(UsageError, match="known answer differs"):
        ExchangeKey(other.public_key, right.derive)
    for wrong in (b"", bytes(32), bytes(31), b"\1" * 33):
        with pytest.raises(UsageError, match="not a Diffie-Hellman secret"):
            ExchangeKey(key, lambda _point, wrong=wrong: Secret(wrong))
    for kem in (Kem.ML_KEM_768, Kem.X_WING):
        with pytest.raises(UsageError, match="more than a Diffie-Hellman exchange"):
            ExchangeKey(KEYS[kem].public_key, right.derive)
    with pytest.raises(OpenError):
        ExchangeKey(PublicKey.decode(Kem.X25519_SHA256, LOW_ORDER), right.derive)


def test_an_outage_is_not_the_peers_doing():
    key, enc = hsm_key(), encap(KEYS[Kem.X25519_SHA256].public_key)[0]

    def fail(_point):
        raise ConnectionError

    key._exchange = fail
    with pytest.raises(ConnectionError):
        setup_recipient(Suite(Kem.X25519_SHA256, Kdf.HKDF_SHA256, Aead.AES_128_GCM), key, enc, b"")


def test_the_devices_secret_is_wiped():
    given_out = []
    key = hsm_key()
    derive, key._exchange = key._exchange, lambda point: given_out.append(derive(point)) or given_out[-1]
    key.decap(encap(key.public_key)[0])
    assert [repr(secret) for secret in given_out] == ["Secret(wiped)"]


class Service:
    """A key service that decapsulates ML-KEM or X-Wing by itself."""

    def __init__(self, kem, size=None):
        self.public_key = KEYS[kem].public_key
        self._kem, self._size = kem, size

    def decap(self, enc: bytes) -> Secret:
        shared = KEYS[self._kem].decap(enc)
        return shared if self._size is None else Secret(bytes(self._size))


@kems
def test_a_service_that_decapsulates(kem):
    service: Decapsulator = Service(kem)
    suite = Suite(kem, Kdf.HKDF_SHA256, Aead.AES_128_GCM)
    enc, ciphertext = hpke.seal_base(suite, service.public_key, b"", b"hello")
    assert hpke.open_base(suite, service, enc, b"", ciphertext) == b"hello"
    assert decap(service, enc) == KEYS[kem].decap(enc)
    for size in (0, kem.Nsecret - 1, kem.Nsecret + 1):
        with pytest.raises(UsageError, match=f"{size} bytes instead of {kem.Nsecret}"):
            setup_recipient(suite, Service(kem, size), enc, b"")
    with pytest.raises(OpenError):
        setup_recipient(suite, service, b"", b"")


# --- contexts under strain


class Reentrant:
    """A cipher during whose work another caller comes in."""

    def __init__(self, call):
        self.call = call

    def encrypt(self, *_args):
        with pytest.raises(UsageError, match="in use in another thread"):
            self.call(b"")
        return b"done"

    decrypt = encrypt


class Overlong:
    def encrypt(self, *_args):
        raise OverflowError("Data or associated data too long. Max 2**31 - 1 bytes")

    decrypt = encrypt


def test_a_nonce_is_given_out_once():
    sender, recipient = pair(SUITES[0])
    sender._cipher, recipient._cipher = Reentrant(sender.seal), Reentrant(recipient.open)
    assert sender.seal(b"") == recipient.open(b"") == b"done"
    assert sender._sequence == recipient._sequence == [1]


def test_overlong_input():
    sender, recipient = pair(SUITES[0])
    sender._cipher = recipient._cipher = Overlong()
    with pytest.raises(UsageError, match="too long"):
        sender.seal(b"")
    with pytest.raises(OpenError):
        recipient.open(b"")
    assert sender._sequence == recipient._sequence == [0]


def test_a_mistake_of_type_uses_up_no_number():
    sender, recipient = pair(SUITES[0])
    with pytest.raises(TypeError):
        sender.seal("text")
    assert recipient.open(sender.seal(b"bytes")) == b"bytes"


def test_sequence_numbers_end():
    sender, recipient = pair(SUITES[0])
    sender._sequence = [(1 << 96) - 2]
    recipient._sequence = [(1 << 96) - 2]
    assert recipient.open(sender.seal(b"last")) == b"last"
    with pytest.raises(UsageError, match="no sequence number"):
        sender.seal(b"")
    with pytest.raises(LimitError, match="no sequence number"):
        recipient.open(b"")


# --- others' implementations

CLASSIC = [suite for suite in SUITES if suite.kem in DHKEMS and suite.kdf.two_stage]
PSKS = st.none() | st.builds(Psk, st.binary(min_size=32, max_size=80).map(Secret), st.binary(min_size=1, max_size=40))


def their_suite(suite: Suite):
    ids = pyhpke.KEMId(suite.kem), pyhpke.KDFId(suite.kdf), pyhpke.AEADId(suite.aead)
    return pyhpke.CipherSuite.new(*ids)


def their_keys(suite: Suite):
    theirs, ours = their_suite(suite), KEYS[suite.kem]
    private = theirs.kem.deserialize_private_key(ours.encode().expose())
    return theirs, private, theirs.kem.deserialize_public_key(ours.public_key.encode())


def their_mode(psk):
    return {} if psk is None else {"psk": psk.secret.expose(), "psk_id": psk.psk_id}


messages = st.lists(st.tuples(octets, octets), max_size=3)


@given(st.sampled_from(CLASSIC), octets, PSKS, messages, octets, st.integers(1, 200))
def test_pyhpke_opens_what_we_seal(suite, info, psk, messages, context, length):
    theirs, private, _ = their_keys(suite)
    public = KEYS[suite.kem].public_key
    enc, sender = setup_sender(suite, public, info) if psk is None else setup_psk_sender(suite, public, info, psk)
    recipient = theirs.create_recipient_context(enc, private, info=info, **their_mode(psk))
    for plaintext, aad in messages:
        assert recipient.open(sender.seal(plaintext, aad), aad) == plaintext
    assert recipient.export(context, length) == sender.export(context, length).expose()


@given(st.sampled_from(CLASSIC), octets, PSKS, messages, octets, st.integers(1, 200))
def test_we_open_what_pyhpke_seals(suite, info, psk, messages, context, length):
    theirs, _, public = their_keys(suite)
    enc, sender = theirs.create_sender_context(public, info=info, **their_mode(psk))
    key = KEYS[suite.kem]
    recipient = (
        setup_recipient(suite, key, enc, info) if psk is None else setup_psk_recipient(suite, key, enc, info, psk)
    )
    for plaintext, aad in messages:
        assert recipient.open(sender.seal(plaintext, aad), aad) == plaintext
    assert recipient.export(context, length).expose() == sender.export(context, length)


@pytest.mark.parametrize("kem", DHKEMS, ids=lambda kem: kem.name)
@given(st.data())
def test_pyhpke_derives_the_same_keys(kem, data):
    suite = their_suite(Suite(kem, Kdf.HKDF_SHA256, Aead.AES_128_GCM))
    ikm = data.draw(st.binary(min_size=kem.Nsk, max_size=kem.Nsk + 40))
    theirs, ours = suite.kem.derive_key_pair(ikm), PrivateKey.derive(kem, Secret(ikm))
    assert theirs.public_key.to_public_bytes() == ours.public_key.encode()


OPENSSL = {
    Kem.P256_SHA256: oneshot.KEM.P256,
    Kem.P384_SHA384: oneshot.KEM.P384,
    Kem.P521_SHA512: oneshot.KEM.P521,
    Kem.X25519_SHA256: oneshot.KEM.X25519,
    Kem.ML_KEM_768: oneshot.KEM.MLKEM768,
    Kem.ML_KEM_1024: oneshot.KEM.MLKEM1024,
    Kem.MLKEM1024_P384: oneshot.KEM.MLKEM1024_P384,
    Kem.X_WING: oneshot.KEM.MLKEM768_X25519,
}
OPENSSL_HYBRIDS = {
    Kem.MLKEM1024_P384: (oneshot.MLKEM1024P384PrivateKey, oneshot.MLKEM1024P384PublicKey),
    Kem.X_WING: (oneshot.MLKEM768X25519PrivateKey, oneshot.MLKEM768X25519PublicKey),
}
one_shots = st.sampled_from([suite for suite in SUITES if suite.kem in OPENSSL])


def one_shot(suite: Suite):
    """The crypto library's own suite and keys, from the handles that ours hold."""
    kdf, aead = getattr(oneshot.KDF, suite.kdf.name), getattr(oneshot.AEAD, suite.aead.name)
    ours, theirs = KEYS[suite.kem], oneshot.Suite(OPENSSL[suite.kem], kdf, aead)
    if suite.kem in OPENSSL_HYBRIDS:
        private, public = OPENSSL_HYBRIDS[suite.kem]
        return theirs, private(ours._handle.m, ours._handle.x), public(*ours.public_key._handle)
    return theirs, ours._handle, ours.public_key._handle


@given(one_shots, octets, octets)
def test_the_crypto_librarys_hpke_opens_what_we_seal(suite, info, plaintext):
    theirs, private, _ = one_shot(suite)
    enc, ciphertext = hpke.seal_base(suite, KEYS[suite.kem].public_key, info, plaintext)
    assert theirs.decrypt(enc + ciphertext, private, info=info) == plaintext


@given(one_shots, octets, octets)
def test_we_open_what_the_crypto_librarys_hpke_seals(suite, info, plaintext):
    theirs, _, public = one_shot(suite)
    sealed = theirs.encrypt(plaintext, public, info=info)
    enc, ciphertext = sealed[: suite.kem.Nenc], sealed[suite.kem.Nenc :]
    assert hpke.open_base(suite, KEYS[suite.kem], enc, info, ciphertext) == plaintext
