"""HPKE's keys and contexts, against themselves and against pyhpke and the crypto library's own one-shot HPKE."""

from __future__ import annotations

import copy
import pickle

import pyhpke
import pytest
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hpke as oneshot
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from hypothesis import given
from hypothesis import strategies as st

from privproc.errors import DecodeError, LimitError, OpenError, UnsupportedError, UsageError
from privproc.hpke import (
    Aead,
    Kdf,
    Kem,
    PrivateKey,
    PublicKey,
    Recipient,
    Sender,
    Suite,
    _derand_encap,
    _derand_setup_sender,
    _xwing,
    decap,
    encap,
    setup_recipient,
    setup_sender,
)
from privproc.secret import Secret
from tests.codec import check_codec, check_contract

KEYS = {kem: PrivateKey.generate(kem) for kem in Kem}
SUITES = [Suite(kem, kdf, aead) for kem in Kem for kdf in Kdf for aead in Aead]
OPENSSL_NAMES = {
    Kem.P256_SHA256: oneshot.KEM.P256,
    Kem.X25519_SHA256: oneshot.KEM.X25519,
    Kem.X_WING: oneshot.KEM.MLKEM768_X25519,
}
LOW_ORDER = bytes(32)

kems = pytest.mark.parametrize("kem", Kem, ids=lambda kem: kem.name)
suites = st.sampled_from(SUITES)
octets = st.binary(max_size=200)


def pair(suite: Suite, info: bytes = b"info") -> tuple[Sender, Recipient]:
    private = KEYS[suite.kem]
    enc, sender = setup_sender(suite, private.public_key, info)
    return sender, setup_recipient(suite, private, enc, info)


# --- suites


def test_sizes_are_those_of_the_registry():
    assert [(k, k.Nsecret, k.Nenc, k.Npk, k.Nsk) for k in Kem] == [
        (0x0010, 32, 65, 65, 32),
        (0x0020, 32, 32, 32, 32),
        (0x647A, 32, 1120, 1216, 32),
    ]
    assert [(k, k.Nh, k.hash) for k in Kdf] == [(1, 32, "sha256"), (2, 48, "sha384")]
    assert [(a, a.Nk, a.Nn, a.Nt) for a in Aead] == [(1, 16, 12, 16), (2, 32, 12, 16), (3, 32, 12, 16)]


@given(st.integers(0, 0xFFFF), st.integers(0, 0xFFFF), st.integers(0, 0xFFFF))
def test_any_identifiers_give_a_suite_or_unsupported(kem, kdf, aead):
    check_contract(lambda ids: Suite.from_ids(*ids), (kem, kdf, aead))


@given(suites)
def test_suites_are_values(suite):
    again = Suite.from_ids(int(suite.kem), int(suite.kdf), int(suite.aead))
    assert again == suite
    assert hash(again) == hash(suite)
    assert repr(suite).count("=") == 3


@pytest.mark.parametrize("aead", Aead)
def test_ciphers_take_their_own_key_size(aead):
    cipher = aead.cipher(bytes(aead.Nk))
    assert len(cipher.encrypt(bytes(aead.Nn), b"", None)) == aead.Nt
    assert type(cipher) is (ChaCha20Poly1305 if aead is Aead.CHACHA20_POLY1305 else AESGCM)
    for size in {16, 24, 32} - {aead.Nk}:
        with pytest.raises(UsageError, match=f"{aead.Nk} bytes"):
            aead.cipher(bytes(size))


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


def test_small_p256_scalars_keep_their_zeros():
    assert PrivateKey.decode(Kem.P256_SHA256, Secret(bytes(31) + b"\1")).encode().expose() == bytes(31) + b"\1"


@given(st.binary(min_size=32, max_size=32))
def test_x25519_private_keys_are_clamped(data):
    encoded = PrivateKey.decode(Kem.X25519_SHA256, Secret(data)).encode().expose()
    assert encoded[0] & 7 == 0
    assert encoded[31] & 0xC0 == 0x40
    assert (int.from_bytes(encoded, "little") ^ int.from_bytes(data, "little")) & ~(7 | 0xC0 << 248) == 0
    same = PrivateKey.decode(Kem.X25519_SHA256, Secret(encoded)).public_key
    assert same == PrivateKey.decode(Kem.X25519_SHA256, Secret(data)).public_key


@kems
def test_generated_keys_differ(kem):
    assert PrivateKey.generate(kem).encode() != PrivateKey.generate(kem).encode()


def test_private_keys_are_made_in_two_ways_only():
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


def test_a_library_without_ml_kem_is_unsupported(monkeypatch):
    class Absent:
        @staticmethod
        def refuse(_data):
            raise UnsupportedAlgorithm("no ML-KEM")

        from_seed_bytes = from_public_bytes = refuse

    encoded = KEYS[Kem.X_WING].public_key.encode()
    monkeypatch.setattr(_xwing, "MLKEM768PrivateKey", Absent)
    monkeypatch.setattr(_xwing, "MLKEM768PublicKey", Absent)
    with pytest.raises(UnsupportedError, match="X_WING"):
        PrivateKey.generate(Kem.X_WING)
    with pytest.raises(UnsupportedError, match="X_WING"):
        PrivateKey.decode(Kem.X_WING, Secret(bytes(32)))
    with pytest.raises(UnsupportedError, match="X_WING"):
        PublicKey.decode(Kem.X_WING, encoded)


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


def test_each_part_of_x_wing_counts():
    """A change in either half of enc, or of the recipient's key, changes the secret."""
    enc, shared = encap(KEYS[Kem.X_WING].public_key)
    for at in (0, 1087, 1088, 1110):
        mutated = bytearray(enc)
        mutated[at] ^= 1
        assert decap(KEYS[Kem.X_WING], bytes(mutated)) != shared


@kems
@given(data=st.data())
def test_decapsulation_of_any_bytes(kem, data):
    check_contract(lambda enc: decap(KEYS[kem], enc), data.draw(st.binary(max_size=80)))
    check_contract(lambda enc: decap(KEYS[kem], enc), data.draw(st.binary(min_size=kem.Nenc, max_size=kem.Nenc)))


def test_refusals_all_look_alike():
    p256, x25519, xwing = (KEYS[kem] for kem in Kem)
    sender, recipient = pair(SUITES[0])
    low = PublicKey.decode(Kem.X25519_SHA256, LOW_ORDER)
    refused = [
        lambda: decap(p256, b"\2" + p256.public_key.encode()[1:33]),
        lambda: decap(p256, b""),
        lambda: decap(x25519, LOW_ORDER),
        lambda: decap(x25519, bytes(31)),
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
    p256, x25519, xwing = (KEYS[kem] for kem in Kem)
    for key, ephemeral in ((xwing, xwing), (p256, x25519), (x25519, xwing)):
        with pytest.raises(UsageError):
            _derand_encap(key.public_key, ephemeral)


# --- contexts


@given(suites, octets, st.lists(st.tuples(octets, octets), max_size=4))
def test_messages_round_trip(suite, info, messages):
    sender, recipient = pair(suite, info)
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
    values = [Sender(suite, bytes(32), b"").export(b"", 32).expose() for suite in SUITES]
    assert len(set(values)) == len(SUITES)


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


@given(suites, octets, st.integers(1, 200))
def test_exports_agree_and_separate(suite, context, length):
    sender, recipient = pair(suite)
    value = sender.export(context, length)
    assert len(value) == length
    assert recipient.export(context, length) == value
    assert sender.export(context + b"\0", 32) != sender.export(context, 32)
    assert sender.export(context, 33).expose()[:32] != sender.export(context, 32).expose()  # the length is hashed


@pytest.mark.parametrize("kdf", Kdf)
def test_export_lengths(kdf):
    """Never fewer bytes than asked for, and never none: netty once took a failed export for a key (CVE-2026-41207)."""
    sender = pair(Suite(Kem.X25519_SHA256, kdf, Aead.AES_128_GCM))[0]
    assert len(sender.export(b"", 255 * kdf.Nh)) == 255 * kdf.Nh
    for length in (-1, 0, 255 * kdf.Nh + 1, 1 << 16):
        with pytest.raises(UsageError, match=f"1 to {255 * kdf.Nh} bytes"):
            sender.export(b"", length)


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

CLASSIC = [suite for suite in SUITES if suite.kem is not Kem.X_WING]


def their_suite(suite: Suite):
    ids = pyhpke.KEMId(suite.kem), pyhpke.KDFId(suite.kdf), pyhpke.AEADId(suite.aead)
    return pyhpke.CipherSuite.new(*ids)


def their_keys(suite: Suite):
    theirs, ours = their_suite(suite), KEYS[suite.kem]
    private = theirs.kem.deserialize_private_key(ours.encode().expose())
    return theirs, private, theirs.kem.deserialize_public_key(ours.public_key.encode())


@given(st.sampled_from(CLASSIC), octets, st.lists(st.tuples(octets, octets), max_size=3), octets, st.integers(1, 200))
def test_pyhpke_opens_what_we_seal(suite, info, messages, context, length):
    theirs, private, _ = their_keys(suite)
    enc, sender = setup_sender(suite, KEYS[suite.kem].public_key, info)
    recipient = theirs.create_recipient_context(enc, private, info=info)
    for plaintext, aad in messages:
        assert recipient.open(sender.seal(plaintext, aad), aad) == plaintext
    assert recipient.export(context, length) == sender.export(context, length).expose()


@given(st.sampled_from(CLASSIC), octets, st.lists(st.tuples(octets, octets), max_size=3), octets, st.integers(1, 200))
def test_we_open_what_pyhpke_seals(suite, info, messages, context, length):
    theirs, _, public = their_keys(suite)
    enc, sender = theirs.create_sender_context(public, info=info)
    recipient = setup_recipient(suite, KEYS[suite.kem], enc, info)
    for plaintext, aad in messages:
        assert recipient.open(sender.seal(plaintext, aad), aad) == plaintext
    assert recipient.export(context, length).expose() == sender.export(context, length)


def one_shot(suite: Suite):
    """The crypto library's own suite and keys, from the handles that ours hold."""
    kdf, aead = getattr(oneshot.KDF, suite.kdf.name), getattr(oneshot.AEAD, suite.aead.name)
    ours, theirs = KEYS[suite.kem], oneshot.Suite(OPENSSL_NAMES[suite.kem], kdf, aead)
    if suite.kem is Kem.X_WING:
        private = oneshot.MLKEM768X25519PrivateKey(ours._handle.m, ours._handle.x)
        return theirs, private, oneshot.MLKEM768X25519PublicKey(*ours.public_key._handle)
    return theirs, ours._handle, ours.public_key._handle


@given(suites, octets, octets)
def test_the_crypto_librarys_hpke_opens_what_we_seal(suite, info, plaintext):
    theirs, private, _ = one_shot(suite)
    enc, sender = setup_sender(suite, KEYS[suite.kem].public_key, info)
    assert theirs.decrypt(enc + sender.seal(plaintext), private, info=info) == plaintext


@given(suites, octets, octets)
def test_we_open_what_the_crypto_librarys_hpke_seals(suite, info, plaintext):
    theirs, _, public = one_shot(suite)
    sealed = theirs.encrypt(plaintext, public, info=info)
    enc, ciphertext = sealed[: suite.kem.Nenc], sealed[suite.kem.Nenc :]
    assert setup_recipient(suite, KEYS[suite.kem], enc, info).open(ciphertext) == plaintext
