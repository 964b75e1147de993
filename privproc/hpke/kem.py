"""KEM keys, encapsulation and decapsulation (RFC 9180 §4)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol, Self, TypeVar, final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import mlkem

from privproc._step import Unique
from privproc.errors import DecodeError, OpenError, UnsupportedError, UsageError
from privproc.hpke import _groups
from privproc.hpke._algorithm import Algorithm
from privproc.hpke._dhkem import DhKem
from privproc.hpke._hybrid import Hybrid
from privproc.hpke._mlkem import MlKem
from privproc.hpke.suite import Kem
from privproc.secret import Secret

__all__ = ["Decapsulator", "ExchangeKey", "PrivateKey", "PublicKey", "decap", "encap"]

T = TypeVar("T")

_ML_KEM_768 = MlKem(Kem.ML_KEM_768, mlkem.MLKEM768PublicKey, mlkem.MLKEM768PrivateKey)
_ML_KEM_1024 = MlKem(Kem.ML_KEM_1024, mlkem.MLKEM1024PublicKey, mlkem.MLKEM1024PrivateKey)

ALGORITHMS: dict[Kem, Algorithm[Any, Any]] = {
    Kem.P256_SHA256: DhKem(Kem.P256_SHA256, _groups.P256),
    Kem.P384_SHA384: DhKem(Kem.P384_SHA384, _groups.P384),
    Kem.P521_SHA512: DhKem(Kem.P521_SHA512, _groups.P521),
    Kem.X25519_SHA256: DhKem(Kem.X25519_SHA256, _groups.X25519),
    Kem.X448_SHA512: DhKem(Kem.X448_SHA512, _groups.X448),
    Kem.ML_KEM_768: _ML_KEM_768,
    Kem.ML_KEM_1024: _ML_KEM_1024,
    # The group's Nseed and the label: draft-irtf-cfrg-concrete-hybrid-kems-03 §3.1, §4.
    Kem.MLKEM768_P256: Hybrid(Kem.MLKEM768_P256, _ML_KEM_768, _groups.P256, 128, b"MLKEM768-P256"),
    Kem.MLKEM1024_P384: Hybrid(Kem.MLKEM1024_P384, _ML_KEM_1024, _groups.P384, 48, b"MLKEM1024-P384"),
    Kem.X_WING: Hybrid(Kem.X_WING, _ML_KEM_768, _groups.X25519, 32, bytes.fromhex("5c2e2f2f5e5c")),
}


@final
@dataclass(frozen=True, slots=True)
class PublicKey:
    """A KEM public key in its serialised form (RFC 9180 §7.1.1): equal, and hashed, by value.

    ``opaque encoded[Npk]``: an uncompressed SEC 1 point for the NIST curves, the u-coordinate for X25519 and X448,
    ML-KEM's encapsulation key (FIPS 203), and for a hybrid ML-KEM's followed by the curve's. Construction validates:
    :class:`DecodeError` for a wrong size, a point that is compressed or not on the curve, an ML-KEM key out of range;
    :class:`UnsupportedError` where the crypto library was built without the algorithm. X25519 and X448 take any bytes;
    whoever encapsulates to a point of low order gets :class:`OpenError` (RFC 9180 §7.1.4).
    """

    kem: Kem
    encoded: bytes
    _handle: Any = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        handle = _load(self.kem, "public", self.kem.Npk, ALGORITHMS[self.kem].decode_public, self.encoded)
        object.__setattr__(self, "_handle", handle)

    @classmethod
    def decode(cls, kem: Kem, data: bytes) -> Self:
        """DeserializePublicKey. Raises what the class says."""
        return cls(kem, data)

    @classmethod
    def _of(cls, kem: Kem, private: Any) -> Self:
        """The public half of the library's private key, which needs no validation."""
        handle, encoded = ALGORITHMS[kem].public(private)
        made = object.__new__(cls)
        for name, value in (("kem", kem), ("encoded", encoded), ("_handle", handle)):
            object.__setattr__(made, name, value)
        return made

    def encode(self) -> bytes:
        """SerializePublicKey: ``kem.Npk`` bytes."""
        return self.encoded


class Decapsulator(Protocol):
    """What a recipient needs of its private key, wherever that is kept: a :class:`PrivateKey` in this process, an
    :class:`ExchangeKey` for a device that does ECDH, or a class of your own over a service that decapsulates (several
    do for ML-KEM and X-Wing).
    """

    @property
    def public_key(self) -> PublicKey:
        """The public half."""
        ...

    def decap(self, enc: bytes) -> Secret:
        """Decap (RFC 9180 §4): ``kem.Nsecret`` bytes for an ``enc`` as it was received, of any size and form.

        Raises :class:`OpenError` for an ``enc`` that the KEM refuses. What else it raises, an outage say, passes
        through to whoever received the message.
        """
        ...


@final
class PrivateKey(Unique):
    """A KEM private key; opaque, and there is one of it. Make it with :meth:`generate`, :meth:`derive` or
    :meth:`decode`.

    ``public_key`` is its public half. A one-time key is erased, best effort, by dropping the last reference: OpenSSL
    overwrites its own memory, while a hybrid's seed, which Python holds, is only freed.
    """

    __slots__ = ("_handle", "kem", "public_key")

    kem: Kem
    public_key: PublicKey
    _handle: Any

    def __init__(self, *_args: object, **_kwargs: object) -> None:
        raise UsageError("a PrivateKey is made by generate, derive or decode")

    @classmethod
    def generate(cls, kem: Kem) -> Self:
        """A new key from the system's randomness. Raises :class:`UnsupportedError` as :class:`PublicKey` does."""
        return cls._of(kem, _supported(kem, ALGORITHMS[kem].generate))

    @classmethod
    def derive(cls, kem: Kem, ikm: Secret) -> Self:
        """DeriveKeyPair (RFC 9180 §7.1.3; draft-ietf-hpke-pq-05 §3, §4): the key that ``ikm`` stands for.

        ``ikm``: ``kem.Nsk`` bytes or more, of as much entropy, used for nothing else, another KEM included. Raises
        :class:`UsageError` for fewer and, with a probability of 2^-128 and less, when no key comes of it;
        :class:`UnsupportedError` as :class:`PublicKey` does.
        """
        if len(ikm) < kem.Nsk:
            raise UsageError(f"a {kem.name} key is derived from {kem.Nsk} bytes or more")
        try:
            return cls._of(kem, _supported(kem, lambda: ALGORITHMS[kem].derive(ikm.expose())))
        except ValueError:
            raise UsageError("no key pair comes of this input: take another") from None

    @classmethod
    def decode(cls, kem: Kem, data: Secret) -> Self:
        """DeserializePrivateKey (RFC 9180 §7.1.2): ``kem.Nsk`` bytes.

        NIST curves: the big-endian scalar. X25519 and X448: the bytes of RFC 7748, clamped or not. ML-KEM and the
        hybrids: the seed. Raises :class:`DecodeError` for a wrong size and a scalar of 0 or beyond the order, and
        :class:`UnsupportedError` as :class:`PublicKey` does.
        """
        return cls._of(kem, _load(kem, "private", kem.Nsk, ALGORITHMS[kem].decode_private, data.expose()))

    @classmethod
    def _of(cls, kem: Kem, handle: Any) -> Self:
        made = object.__new__(cls)
        made.kem, made._handle, made.public_key = kem, handle, PublicKey._of(kem, handle)
        return made

    def encode(self) -> Secret:
        """SerializePrivateKey (RFC 9180 §7.1.2): ``kem.Nsk`` bytes, as :meth:`decode` takes them.

        X25519 and X448 keys aren't clamped: see draft-ietf-hpke-hpke-05 §7.1.2.
        """
        return Secret(ALGORITHMS[self.kem].encode_private(self._handle))

    def decap(self, enc: bytes) -> Secret:
        """See :class:`Decapsulator`. A wrong ML-KEM ciphertext isn't noticed here (implicit rejection): the secret is
        another one, and the AEAD refuses.
        """
        return Secret(_decap(self, enc))

    def __repr__(self) -> str:
        return f"<PrivateKey {self.kem.name}>"


@final
class ExchangeKey(Unique):
    """A private key of a DHKEM in an HSM or a key service, used through its raw Diffie-Hellman operation.

    ``exchange`` takes a public key as HPKE encodes it and gives the Diffie-Hellman secret itself: for P-256 a point of
    65 bytes (uncompressed SEC 1) and the x-coordinate of the product, 32 bytes with its leading zeros. In PKCS #11 that
    is CKM_ECDH1_DERIVE with CKD_NULL and a CKA_VALUE_LEN, without which some devices drop the zeros; in AWS KMS
    DeriveSharedSecret, which wants the point as SubjectPublicKeyInfo. The rest of the KEM is done here, and only points
    that a key can be used with reach the device. What ``exchange`` raises passes through.

    Construction tries the operation out with an answer that is known. Raises :class:`UsageError` when it gives another
    or the KEM isn't DHKEM, :class:`OpenError` when ``public_key`` is of low order.
    """

    __slots__ = ("_algorithm", "_exchange", "_probe", "public_key")

    def __init__(self, public_key: PublicKey, exchange: Callable[[bytes], Secret]) -> None:
        algorithm = ALGORITHMS[public_key.kem]
        if not isinstance(algorithm, DhKem):
            raise UsageError(f"{public_key.kem.name} is more than a Diffie-Hellman exchange")
        self.public_key = public_key
        self._algorithm = algorithm
        self._exchange = exchange
        self._probe = algorithm.generate()
        enc, shared = encap(public_key)
        if self.decap(enc) != shared:
            raise UsageError("exchange: known answer differs")

    def decap(self, enc: bytes) -> Secret:
        """See :class:`Decapsulator`. Raises :class:`UsageError` when ``exchange`` gives a secret of another size or of
        zeros.
        """
        group = self._algorithm.group
        try:
            # A point off the curve would leak the key, one of low order is a device's error: so try it ourselves.
            group.exchange(self._probe, group.decode_public(enc))
        except ValueError:
            raise OpenError from None
        secret = self._exchange(enc)
        dh = secret.expose()
        secret.wipe()
        if len(dh) != group.Ndh or not any(dh):
            raise UsageError(f"exchange: not a Diffie-Hellman secret of {group.Ndh} bytes")
        return Secret(self._algorithm.secret(dh, enc, self.public_key.encoded))

    def __repr__(self) -> str:
        return f"<ExchangeKey {self.public_key.kem.name}>"


def encap(key: PublicKey) -> tuple[bytes, Secret]:
    """Encap (RFC 9180 §4): ``enc`` (``kem.Nenc`` bytes) to send, and the shared secret (``kem.Nsecret`` bytes).

    Raises :class:`OpenError` when the key is an X25519 or X448 point of low order.
    """
    enc, shared = _encap(key)
    return enc, Secret(shared)


def decap(key: Decapsulator, enc: bytes) -> Secret:
    """Decap (RFC 9180 §4): the shared secret (``kem.Nsecret`` bytes).

    Raises :class:`OpenError`, without saying why, for anything but an encapsulation of the right size and form, and
    :class:`UsageError` when a :class:`Decapsulator` gives a secret of another size.
    """
    return Secret(_decap(key, enc))


def _encap(key: PublicKey) -> tuple[bytes, bytes]:
    try:
        # req: privproc1/1 low-order-keys
        return ALGORITHMS[key.kem].encap(key._handle, key.encoded)
    except ValueError:
        raise OpenError from None


def _decap(key: Decapsulator, enc: bytes) -> bytes:
    if isinstance(key, PrivateKey):
        try:
            return ALGORITHMS[key.kem].decap(key._handle, key.public_key.encoded, enc)
        except ValueError:
            raise OpenError from None
    shared, size = key.decap(enc).expose(), key.public_key.kem.Nsecret
    if len(shared) != size:
        raise UsageError(f"decapsulation gave {len(shared)} bytes instead of {size}")
    return shared


def _derand_encap(key: PublicKey, ephemeral: PrivateKey) -> tuple[bytes, Secret]:
    """:func:`encap` with a given ephemeral key, for vectors; DHKEM only, since ML-KEM's coins can't be given."""
    algorithm = ALGORITHMS[key.kem]
    if not isinstance(algorithm, DhKem) or ephemeral.kem is not key.kem:
        raise UsageError(f"no encapsulation to {key.kem.name} with an ephemeral {ephemeral.kem.name} key")
    try:
        enc, shared = algorithm.derand_encap(key._handle, key.encoded, ephemeral._handle)
    except ValueError:
        raise OpenError from None
    return enc, Secret(shared)


def _load(kem: Kem, half: str, size: int, load: Callable[[bytes], T], encoded: bytes) -> T:
    what = f"{kem.name} {half} key"
    if len(encoded) != size:
        raise DecodeError(what, f"{len(encoded)} bytes instead of {size}")
    try:
        return _supported(kem, lambda: load(encoded))
    except ValueError:
        raise DecodeError(what, "not a key of this KEM") from None


def _supported(kem: Kem, call: Callable[[], T]) -> T:
    try:
        return call()
    except UnsupportedAlgorithm:
        raise UnsupportedError(f"{kem.name} isn't in this build of the crypto library") from None
