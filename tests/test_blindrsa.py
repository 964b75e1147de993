"""RSA blind signatures: properties, refusals, the backends, and two verifiers that nobody here wrote.

The keys are fresh in each run; no outcome depends on them.
"""

from __future__ import annotations

import copy
import inspect
import math
import pickle
import sys
from concurrent.futures import ThreadPoolExecutor

import Crypto
import pytest
from Crypto.Hash import SHA384
from Crypto.PublicKey import RSA
from Crypto.Signature import pss
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import load_der_public_key
from hypothesis import given
from hypothesis import strategies as st

from privproc.blindrsa import (
    PREFIX_SIZE,
    Backend,
    OpenSSL,
    PrivateKey,
    PublicKey,
    RawRsaPrivateOp,
    Variant,
    blind,
    blind_sign,
    blinding,
    check_private_op,
    emsa_pss,
    message_of,
    openssl,
    prepare,
    rawrsa,
    verify,
)
from privproc.blindrsa.protocol import _derand_blind
from privproc.errors import (
    DecodeError,
    PeerError,
    SignatureError,
    SpentError,
    UnsupportedError,
    UsageError,
)
from privproc.secret import Secret
from privproc.vectors._kinds.blindrsa import BACKENDS, BLINDINGS, OPENSSL, private_numbers
from tests.codec import check_codec, check_contract

ISSUER = PrivateKey.generate()
KEY = ISSUER.public_key
ZERO = Variant.SHA384_PSSZERO_DETERMINISTIC
SALTED = Variant.SHA384_PSS_DETERMINISTIC
VARIANTS = list(Variant)
NUMBERS = ISSUER._key.private_numbers()


class Op:
    """A private operation of the caller's own: slow, and wrong when told so."""

    def __init__(self, change=lambda data: data) -> None:
        self.public_key = KEY
        self.change = change

    def apply(self, data: bytes) -> bytes:
        return self.change(pow(int.from_bytes(data), NUMBERS.d, KEY.n).to_bytes(KEY.size))


def issue(variant: Variant, prepared: bytes, issuer: RawRsaPrivateOp = ISSUER) -> bytes:
    blinded, pending = blind(variant, issuer.public_key, prepared)
    return pending.finish(blind_sign(issuer, blinded))


@pytest.fixture(params=BLINDINGS, ids=lambda arithmetic: type(arithmetic).__name__)
def each_blinding(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test runs on each arithmetic of the client."""
    monkeypatch.setattr(blinding, "in_use", lambda: request.param)


on_each_blinding = pytest.mark.usefixtures("each_blinding")


# The protocol


@on_each_blinding
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("variant", VARIANTS)
def test_round_trip(variant: Variant, backend: Backend) -> None:
    issuer = PrivateKey(ISSUER._key, backend=backend)
    prepared = prepare(variant, b"message")
    signature = issue(variant, prepared, issuer)
    assert len(signature) == KEY.size == 256
    verify(variant, KEY, prepared, signature)
    assert message_of(variant, prepared) == b"message"


@pytest.mark.parametrize("variant", VARIANTS)
# req: rfc9474/4.1 randomized-prefix
# req: rfc9474/7.4 random-values
def test_prepare(variant: Variant) -> None:
    first, second = prepare(variant, b"message"), prepare(variant, b"message")
    assert variant.randomized == ("Randomized" in variant.label) == (first != second)
    assert first.endswith(b"message")
    assert len(first) == len(b"message") + (PREFIX_SIZE if variant.randomized else 0)
    assert variant.salt_size == (0 if "PSSZERO" in variant.label else 48)


# req: rfc9474/4.5 prefix-is-removed
def test_message_of_needs_the_whole_prefix() -> None:
    variant = Variant.SHA384_PSS_RANDOMIZED
    assert message_of(variant, bytes(32)) == b""
    assert message_of(variant, bytes(32) + b"message") == b"message"
    assert message_of(SALTED, bytes(32)) == bytes(32)
    with pytest.raises(DecodeError):
        message_of(variant, bytes(31))


# req: rfc9474/7.4 random-values
def test_only_psszero_deterministic_repeats_a_signature() -> None:
    assert issue(ZERO, b"message") == issue(ZERO, b"message")
    assert issue(SALTED, b"message") != issue(SALTED, b"message")


@on_each_blinding
# req: rfc9474/7.4 random-values
def test_blinding_is_fresh() -> None:
    blinded = {blind(ZERO, KEY, b"message")[0] for _ in range(8)}
    assert len(blinded) == 8


# req: rfc9474/7.4 no-values-from-callers
def test_callers_give_no_randomness() -> None:
    """A salt or prefix of a client's choice could carry something about it past the issuer."""
    assert [*inspect.signature(blind).parameters] == ["variant", "key", "prepared"]
    assert [*inspect.signature(prepare).parameters] == ["variant", "message"]


@on_each_blinding
def test_issuer_sees_a_uniform_multiple() -> None:
    """The blinded message is m * r^e: any message fits any blinded one, with a factor of its own."""
    factor = 12345
    blinded, _ = _derand_blind(ZERO, KEY, b"message", b"", factor.to_bytes(256))
    encoded = int.from_bytes(emsa_pss.encode(b"message", 2047, b""))
    assert int.from_bytes(blinded) == encoded * pow(factor, KEY.e, KEY.n) % KEY.n


@given(st.binary(max_size=300), st.sampled_from(VARIANTS))
# req: rfc9474/5 sha384-and-mgf1
def test_two_other_verifiers_agree(message: bytes, variant: Variant) -> None:
    signature = issue(variant, message)
    other = RSA.construct((KEY.n, KEY.e))
    pss.new(other, salt_bytes=variant.salt_size).verify(SHA384.new(message), signature)
    mgf = padding.MGF1(hashes.SHA384())
    public = ISSUER._key.public_key()
    public.verify(signature, message, padding.PSS(mgf, variant.salt_size), hashes.SHA384())


@given(st.binary(max_size=300), st.sampled_from(VARIANTS))
def test_other_signers_agree(message: bytes, variant: Variant) -> None:
    """OpenSSL's PSS signatures verify, and their encoded message is ours for the salt found in it."""
    scheme = padding.PSS(padding.MGF1(hashes.SHA384()), variant.salt_size)
    signature = ISSUER._key.sign(message, scheme, hashes.SHA384())
    verify(variant, KEY, message, signature)
    encoded = KEY._power(signature)
    assert emsa_pss.encode(message, 2047, _salt(encoded, variant.salt_size)) == encoded


def _salt(encoded: bytes, size: int) -> bytes:
    digest = encoded[-49:-1]
    mask = emsa_pss._mgf1(digest, len(encoded) - 49)
    return bytes(a ^ b for a, b in zip(encoded, mask, strict=False))[len(mask) - size :]


# Finishing


def test_finish_once() -> None:
    blinded, pending = blind(ZERO, KEY, b"message")
    answer = blind_sign(ISSUER, blinded)
    assert repr(pending) == "<PendingSignature ready>"
    pending.finish(answer)
    assert repr(pending) == "<PendingSignature spent>"
    with pytest.raises(SpentError):
        pending.finish(answer)


@on_each_blinding
@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"", DecodeError),
        (bytes(255), DecodeError),
        (bytes(256), SignatureError),
        (bytes(257), DecodeError),
        (b"\xff" * 256, SignatureError),
    ],
)
def test_a_failure_spends_and_wipes(answer: bytes, error: type[PeerError]) -> None:
    blinded, pending = blind(ZERO, KEY, b"message")
    inverse = pending._state[0].inverse
    with pytest.raises(error):
        pending.finish(answer)
    with pytest.raises(SpentError):
        inverse.expose()
    with pytest.raises(SpentError):
        pending.finish(blind_sign(ISSUER, blinded))


@on_each_blinding
# req: privproc1/11 step-secrets-are-wiped
def test_success_wipes() -> None:
    blinded, pending = blind(ZERO, KEY, b"message")
    inverse = pending._state[0].inverse
    pending.finish(blind_sign(ISSUER, blinded))
    with pytest.raises(SpentError):
        inverse.expose()


@pytest.mark.parametrize("take", [copy.copy, copy.deepcopy, pickle.dumps])
def test_pending_is_not_copied(take) -> None:
    _, pending = blind(ZERO, KEY, b"message")
    with pytest.raises(UsageError):
        take(pending)


@on_each_blinding
# req: rfc9474/4.4 finalize-verifies
def test_answer_to_another_request() -> None:
    (_, pending), (other, _) = blind(ZERO, KEY, b"message"), blind(ZERO, KEY, b"message")
    with pytest.raises(SignatureError):
        pending.finish(blind_sign(ISSUER, other))


def test_answer_under_another_key() -> None:
    other = PrivateKey.generate()
    blinded, pending = blind(ZERO, KEY, b"message")
    if int.from_bytes(blinded) >= other.public_key.n:
        blinded = b"\0" + blinded[1:]
    answer = blind_sign(other, blinded)
    with pytest.raises((SignatureError, DecodeError)):
        pending.finish(answer)


# Verifying


# req: rfc9474/5 salt-of-the-variant
def test_verify_refuses_other_things() -> None:
    signature = issue(SALTED, b"message")
    for variant, prepared in ((ZERO, b"message"), (SALTED, b"massage"), (SALTED, b"")):
        with pytest.raises(SignatureError, match=r"signature$"):
            verify(variant, KEY, prepared, signature)
    for bad in (signature[:-1], signature + b"\0", b"\0" + signature, KEY.n.to_bytes(256), b"\xff" * 256):
        with pytest.raises(SignatureError, match="size or range"):
            verify(SALTED, KEY, b"message", bad)
    with pytest.raises(SignatureError):
        verify(SALTED, PublicKey(KEY.n, 3), b"message", signature)


@given(st.data())
def test_verify_contract(data: st.DataObject) -> None:
    signature = data.draw(st.one_of(st.binary(max_size=300), st.binary(min_size=256, max_size=256)))
    with pytest.raises(SignatureError):
        verify(data.draw(st.sampled_from(VARIANTS)), KEY, data.draw(st.binary(max_size=64)), signature)


@given(st.integers(min_value=0, max_value=256 * 8 - 1))
def test_every_bit_counts(bit: int) -> None:
    changed = (int.from_bytes(SIGNATURE) ^ 1 << bit).to_bytes(256)
    with pytest.raises(SignatureError):
        verify(ZERO, KEY, b"message", changed)


SIGNATURE = issue(ZERO, b"message")


# Signing


# req: rfc9474/4.3 range-check
def test_blind_sign_checks_the_range() -> None:
    for bad in (b"", bytes(255), bytes(257), KEY.n.to_bytes(256), b"\xff" * 256):
        with pytest.raises(DecodeError):
            blind_sign(ISSUER, bad)
    assert blind_sign(ISSUER, bytes(256)) == bytes(256)


@given(st.binary(max_size=300))
def test_blind_sign_contract(data: bytes) -> None:
    check_contract(lambda wire: blind_sign(ISSUER, wire), data)


@pytest.mark.parametrize(
    "change",
    [
        lambda data: bytes(255) + bytes([data[-1] ^ 1]),
        lambda data: data[:-1],
        lambda data: b"\0" + data,
        lambda data: (KEY.n - int.from_bytes(data)).to_bytes(256),
    ],
)
# req: rfc9474/4.3 faults-are-not-released
def test_a_wrong_result_is_not_released(change) -> None:
    blinded, _ = blind(ZERO, KEY, b"message")
    with pytest.raises(UsageError, match="not released"):
        blind_sign(Op(change), blinded)
    with pytest.raises(UsageError, match="known answer"):
        check_private_op(Op(change))


def test_an_operation_of_the_callers_own() -> None:
    op = Op()
    check_private_op(op)
    verify(ZERO, KEY, b"message", issue(ZERO, b"message", op))


def test_what_the_operation_raises_passes() -> None:
    def broken(data: bytes) -> bytes:
        raise ConnectionError

    blinded, _ = blind(ZERO, KEY, b"message")
    with pytest.raises(ConnectionError):
        blind_sign(Op(broken), blinded)


# Public keys


def test_spki_codec() -> None:
    encoded = KEY.encode_spki()
    assert len(encoded) == 342
    check_codec(PublicKey.decode_spki, encoded, reencode=PublicKey.encode_spki)
    loaded = load_der_public_key(encoded)
    assert loaded.public_numbers() == ISSUER._key.public_key().public_numbers()


@given(st.integers(min_value=2048, max_value=4096), st.integers(min_value=1, max_value=(1 << 63) - 1), st.data())
def test_spki_round_trip(bits: int, half: int, data: st.DataObject) -> None:
    n = (1 << bits - 1) | data.draw(st.integers(min_value=0, max_value=(1 << bits - 2) - 1)) << 1 | 1
    key = PublicKey(n, 2 * half + 1)
    assert PublicKey.decode_spki(key.encode_spki()) == key
    assert key.size == math.ceil(bits / 8)


@given(st.binary(max_size=400))
def test_spki_contract(data: bytes) -> None:
    check_contract(PublicKey.decode_spki, data)


@given(st.integers(min_value=0, max_value=341), st.integers(min_value=1, max_value=255))
def test_spki_changed_byte(at: int, change: int) -> None:
    """Either refused, or another key with exactly this encoding: never an alias of it."""
    data = bytearray(KEY.encode_spki())
    data[at] ^= change
    try:
        key = PublicKey.decode_spki(bytes(data))
    except (DecodeError, UnsupportedError):
        return
    assert key != KEY
    assert key.encode_spki() == data


def test_spki_bound() -> None:
    with pytest.raises(DecodeError, match="over 1024 bytes"):
        PublicKey.decode_spki(bytes(1025))


# req: rfc9474/6.2 rsassa-pss-oid
def test_spki_of_another_algorithm() -> None:
    unknown = bytes.fromhex("300c300606042a03040503020000")
    point = ec.generate_private_key(ec.SECP256R1()).public_key()
    spki = serialization.PublicFormat.SubjectPublicKeyInfo
    rsa_encryption = ISSUER._key.public_key().public_bytes(serialization.Encoding.DER, spki)
    for other in (unknown, point.public_bytes(serialization.Encoding.DER, spki), rsa_encryption):
        with pytest.raises(UnsupportedError):
            PublicKey.decode_spki(other)


@pytest.mark.parametrize(
    ("n", "e", "error"),
    [
        (KEY.n - 1, 65537, DecodeError),
        (KEY.n, 65536, DecodeError),
        (KEY.n, 1, DecodeError),
        (KEY.n, (1 << 64) + 1, UnsupportedError),
        ((1 << 2047) - 1, 65537, UnsupportedError),
        ((1 << 4096) + 1, 65537, UnsupportedError),
    ],
)
def test_spki_of_unfit_numbers(n: int, e: int, error: type[PeerError]) -> None:
    unfit = object.__new__(PublicKey)
    object.__setattr__(unfit, "n", n)
    object.__setattr__(unfit, "e", e)
    with pytest.raises(error):
        PublicKey.decode_spki(unfit.encode_spki())


@pytest.mark.parametrize(
    ("n", "e"),
    [
        (0, 3),
        (1, 3),
        (-KEY.n, 3),
        (KEY.n - 1, 3),
        (KEY.n, -3),
        (KEY.n, 0),
        (KEY.n, 1),
        (KEY.n, 2),
        (KEY.n, 65536),
        (KEY.n, KEY.n),
        (KEY.n, (1 << 64) + 1),
        ((1 << 2047) - 1, 3),
        ((1 << 4096) + 1, 3),
    ],
)
def test_public_key_refuses(n: int, e: int) -> None:
    with pytest.raises(UsageError):
        PublicKey(n, e)


def test_public_key_is_a_value() -> None:
    same = PublicKey(KEY.n, KEY.e)
    assert same == KEY
    assert hash(same) == hash(KEY)
    assert PublicKey(KEY.n, 3) != KEY
    for copied in (copy.copy(KEY), copy.deepcopy(KEY), pickle.loads(pickle.dumps(KEY))):  # noqa: S301
        assert copied == KEY
        verify(ZERO, copied, b"message", SIGNATURE)
    with pytest.raises(AttributeError):
        KEY.n = 5  # type: ignore[misc]


@on_each_blinding
@pytest.mark.parametrize(("message", "factor"), [(b"", 3), (b"", 0)])
# req: rfc9474/4.2 coprime-or-error
def test_factor_in_common(message: bytes, factor: int) -> None:
    modulus = 3 * ((1 << 2047) // 3 | 1)
    while math.gcd(int.from_bytes(emsa_pss.encode(message, 2047, b"")), modulus) != 1:
        modulus += 6
    key = PublicKey(modulus, 65537)
    for _ in range(5):  # whatever a mask may have in common
        _derand_blind(ZERO, key, message, b"", (2).to_bytes(256))
    with pytest.raises(DecodeError, match="in common"):
        _derand_blind(ZERO, key, message, b"", factor.to_bytes(256))


def test_blinding_without_gmpy2(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gmpy2", None)
    assert isinstance(blinding.in_use.__wrapped__(), blinding.ConstantTime)


@pytest.mark.parametrize("arithmetic", BLINDINGS, ids=lambda arithmetic: type(arithmetic).__name__)
# req: rfc9474/4.2 uniform-blind
def test_factors_have_every_size_and_are_below_the_modulus(arithmetic: blinding.Blinding) -> None:
    factors = [int.from_bytes(arithmetic.factor(KEY)) for _ in range(64)]
    assert all(0 < factor < KEY.n for factor in factors)
    assert len(set(factors)) == 64
    # An even number falls into each half of the modulus, within what happens once in 10**9 runs.
    assert 5 < sum(factor > KEY.n // 2 for factor in factors) < 59


@pytest.mark.parametrize("arithmetic", [one for one in BLINDINGS if isinstance(one, blinding.Masked)])
# req: rfc9474/7.1 constant-time
def test_no_inversion_sees_the_message_and_the_factor_alone(arithmetic: blinding.Masked) -> None:
    """gmpy2's takes a time that depends on the number: two inversions of one product are of different numbers."""
    seen = []

    class Gmp:
        invert = staticmethod(lambda number, n: seen.append(number) or real.invert(number, n))

        def __getattr__(self, name: str) -> object:
            return getattr(real, name)

    real = arithmetic._gmp
    watched = blinding.Masked(Gmp())
    made = {watched.blind(KEY, bytes(255) + b"\2", bytes(255) + b"\3") for _ in range(4)}
    assert len(made) == 1
    assert len({*seen}) == 4
    assert 6 not in seen


# Private keys


def test_private_key_is_opaque() -> None:
    assert repr(ISSUER) == "<PrivateKey 2048 bits>"
    for take in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(UsageError):
            take(ISSUER)


def test_pkcs8() -> None:
    encoded = ISSUER.encode_pkcs8()
    again = PrivateKey.decode_pkcs8(encoded)
    assert again.public_key == KEY
    assert again.encode_pkcs8() == encoded
    pem = ISSUER._key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    assert PrivateKey.decode_pkcs8(Secret(pem)).public_key == KEY


def _encode(key, password: bytes | None = None) -> Secret:
    how = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    return Secret(key.private_bytes(serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, how))


def test_pkcs8_refuses() -> None:
    good = ISSUER.encode_pkcs8().expose()
    for bad in (b"", good[:-1], good + b"\0", b"-----BEGIN", b"\0" * 40):
        with pytest.raises(DecodeError):
            PrivateKey.decode_pkcs8(Secret(bad))
    with pytest.raises(DecodeError):
        PrivateKey.decode_pkcs8(_encode(ISSUER._key, b"password"))
    with pytest.raises(UnsupportedError):
        PrivateKey.decode_pkcs8(_encode(ec.generate_private_key(ec.SECP256R1())))
    with pytest.raises(UnsupportedError):
        PrivateKey.decode_pkcs8(_encode(generate_private_key(65537, 1024)))  # noqa: S505
    unknown = good.replace(bytes.fromhex("06092a864886f70d010101"), bytes.fromhex("06092a864886f70d01017f"))
    with pytest.raises(UnsupportedError):
        PrivateKey.decode_pkcs8(Secret(unknown))


def test_pkcs8_inconsistent_numbers() -> None:
    good = ISSUER.encode_pkcs8().expose()
    prime = NUMBERS.p.to_bytes(128)
    with pytest.raises(DecodeError):
        PrivateKey.decode_pkcs8(Secret(good.replace(prime, prime[:-1] + bytes([prime[-1] ^ 2]))))


def test_long_exponent() -> None:
    order = math.lcm(NUMBERS.p - 1, NUMBERS.q - 1)
    exponent = next(e for e in range((1 << 64) + 1, 1 << 65, 2) if math.gcd(e, order) == 1)
    key = private_numbers(KEY.n, exponent, NUMBERS.p, NUMBERS.q, pow(exponent, -1, order)).private_key()
    with pytest.raises(UnsupportedError, match="65 bits"):
        PrivateKey.decode_pkcs8(_encode(key))
    with pytest.raises(UsageError):
        PrivateKey(key)


@pytest.mark.parametrize("bits", [0, 1024, 2047, 2049, 4097, 8192])
def test_generate_refuses(bits: int) -> None:
    with pytest.raises(UsageError):
        PrivateKey.generate(bits)


def test_generate_size() -> None:
    assert PrivateKey.generate(2056).public_key.n.bit_length() == 2056


# Backends


@pytest.mark.slow
@pytest.mark.parametrize("backend", BACKENDS)
def test_backend_is_the_private_operation(backend: Backend) -> None:
    op = PrivateKey(ISSUER._key, backend=backend)

    @given(st.one_of(st.sampled_from([0, 1, 2, NUMBERS.p, NUMBERS.q, KEY.n - 1]), st.integers(0, KEY.n - 1)))
    def check(value: int) -> None:
        assert op.apply(value.to_bytes(256)) == pow(value, NUMBERS.d, KEY.n).to_bytes(256)

    check()


@pytest.mark.skipif(Backend.GMPY2 not in BACKENDS, reason="gmpy2 is not installed")
def test_gmpy2_exponentiates_no_number_of_the_peers() -> None:
    """RUSTSEC-2023-0071: pycryptodome and libcrypto blind the base themselves; here it is ours to do."""
    op = PrivateKey(ISSUER._key, backend=Backend.GMPY2)
    seen = []

    class Gmp:
        powmod_sec = staticmethod(lambda base, *rest: seen.append(int(base)) or real.powmod_sec(base, *rest))

        def __getattr__(self, name: str) -> object:
            return getattr(real, name)

    real, op._raw._gmp = op._raw._gmp, Gmp()
    wire = (2).to_bytes(256)
    assert len({op.apply(wire) for _ in range(4)}) == 1
    assert len({*seen}) == 8  # two halves, each with a mask of its own
    assert 2 not in seen


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_backends_wrong_result_is_not_released(backend: Backend | OpenSSL) -> None:
    """Each backend checks with its own public operation, and that is the public operation."""
    op = PrivateKey(ISSUER._key, backend=backend)
    wire = bytes(255) + b"\2"
    answer = blind_sign(op, wire)
    assert op._power(answer) == wire == KEY._power(answer)
    right = op._raw

    class Faulty:
        public = staticmethod(right.public)
        private = staticmethod(lambda data: right.private(data)[:-1] + bytes((right.private(data)[-1] ^ 1,)))

    op._raw = Faulty()
    with pytest.raises(UsageError, match="not released"):
        blind_sign(op, wire)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("swapped", [False, True])
def test_backend_takes_primes_in_either_order(backend: Backend, swapped: bool) -> None:
    p, q = (NUMBERS.q, NUMBERS.p) if swapped else (NUMBERS.p, NUMBERS.q)
    PrivateKey(private_numbers(KEY.n, KEY.e, p, q, NUMBERS.d).private_key(), backend=backend)


def test_without_gmpy2(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gmpy2", None)
    with pytest.raises(UsageError, match="not installed"):
        PrivateKey(ISSUER._key, backend=Backend.GMPY2)


# req: rfc9474/7.1 constant-time
def test_old_pycryptodome(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Crypto, "version_info", (3, 23, "0"))
    with pytest.raises(UsageError, match="constant-time"):
        PrivateKey(ISSUER._key)


def test_pycryptodome_without_its_c_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rawrsa, "Integer", type("Integer", (), {"__module__": "Crypto.Math._IntegerNative"}))
    with pytest.raises(UsageError, match="constant-time"):
        PrivateKey(ISSUER._key)


def test_pycryptodome_without_the_method(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RSA, "construct", lambda *_, **__: object())
    with pytest.raises(UsageError, match="no raw RSA"):
        PrivateKey(ISSUER._key)


def test_backend_with_a_wrong_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RSA.RsaKey, "_decrypt_to_bytes", lambda *_: bytes(256))
    with pytest.raises(UsageError, match="known answer"):
        PrivateKey(ISSUER._key)


needs_openssl = pytest.mark.skipif(not OPENSSL, reason="libcrypto of OpenSSL 3 is not on this system")


def test_no_libcrypto_is_ever_a_default() -> None:
    assert type(PrivateKey.generate()._raw).__module__ == rawrsa.__name__


@pytest.mark.parametrize("path", ["/nowhere/libcrypto.so.3", "", "libnothing.so.3"])
def test_no_libcrypto_there(path: str) -> None:
    with pytest.raises(UsageError):
        OpenSSL(path)


def test_no_libcrypto_on_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openssl, "SONAMES", ("libnothing.so.3",))
    with pytest.raises(UsageError, match="not here"):
        OpenSSL()


def test_another_library_is_no_libcrypto() -> None:
    with pytest.raises(UsageError, match="older"):
        OpenSSL("libc.so.6")


@needs_openssl
def test_an_old_libcrypto(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openssl, "_OLDEST", 1 << 60)
    with pytest.raises(UsageError, match="older"):
        OpenSSL()


@needs_openssl
def test_what_libcrypto_refuses_is_an_error() -> None:
    library = OPENSSL[0]
    with pytest.raises(UsageError, match="refused"):
        openssl.RawKey(library, Secret(b"no key"), 256)
    p256 = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    raw = openssl.RawKey(library, ISSUER.encode_pkcs8(), KEY.size)
    assert repr(raw) == "<RawKey>"
    assert repr(library) == "<OpenSSL>"
    for bad in (bytes(257), b"\xff" * 256):
        for operation in (raw.private, raw.public):
            with pytest.raises(UsageError, match="refused"):
                operation(bad)
    with pytest.raises(UsageError, match="refused"):
        openssl.RawKey(library, Secret(p256), 256).private(bytes(256))
    with pytest.raises(UsageError, match="refused"):
        openssl.RawKey(library, ISSUER.encode_pkcs8(), 512).private(bytes(256))
    assert library._lib.ERR_peek_error() == 0  # nothing is left for the next caller
    assert raw.public(raw.private(bytes(256))) == bytes(256)


@needs_openssl
def test_a_libcrypto_with_a_wrong_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openssl.RawKey, "private", lambda *_: bytes(256))
    with pytest.raises(UsageError, match="known answer"):
        PrivateKey(ISSUER._key, backend=OPENSSL[0])


@needs_openssl
def test_threads_sign_side_by_side() -> None:
    op = PrivateKey(ISSUER._key, backend=OPENSSL[0])
    wires = [number.to_bytes(256) for number in range(2, 34)]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda wire: blind_sign(op, wire), wires))
    assert answers == [blind_sign(ISSUER, wire) for wire in wires]


# The encoding


def test_encoding_needs_room() -> None:
    assert len(emsa_pss.encode(b"", 8 * 98, bytes(48))) == 98
    for bits, salt in ((8 * 97, 48), (8 * 49, 0), (4097, 48)):
        with pytest.raises(UsageError):
            emsa_pss.encode(b"", bits, bytes(salt))


@given(st.integers(min_value=8 * 98, max_value=4096), st.binary(max_size=64), st.sampled_from([0, 48]))
def test_encoding_shape(bits: int, message: bytes, salt: int) -> None:
    encoded = emsa_pss.encode(message, bits, bytes(salt))
    assert len(encoded) == math.ceil(bits / 8)
    assert int.from_bytes(encoded).bit_length() <= bits
    assert encoded[-1] == 0xBC
    assert _salt(encoded, salt) == bytes(salt)
