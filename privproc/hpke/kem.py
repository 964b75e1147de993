"""KEM keys, encapsulation and decapsulation (RFC 9180 §4)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NoReturn, Self, TypeVar, final

from cryptography.exceptions import UnsupportedAlgorithm

from privproc.errors import DecodeError, OpenError, UnsupportedError, UsageError
from privproc.hpke._algorithm import Algorithm
from privproc.hpke._dhkem import P256, X25519, DhKem
from privproc.hpke._xwing import XWing
from privproc.hpke.suite import Kem
from privproc.secret import Secret

__all__ = ["PrivateKey", "PublicKey", "Unique", "decap", "encap"]

T = TypeVar("T")

ALGORITHMS: dict[Kem, Algorithm[Any, Any]] = {
    Kem.P256_SHA256: P256(Kem.P256_SHA256),
    Kem.X25519_SHA256: X25519(Kem.X25519_SHA256),
    Kem.X_WING: XWing(),
}


class Unique:
    """Base of what exists once: a copied context would repeat its nonces, a pickle would carry a key away."""

    __slots__ = ()

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        """Refuses pickling, and with it copying, which asks here too."""
        raise UsageError(f"{type(self).__name__} can't be copied or pickled")


@final
@dataclass(frozen=True, slots=True)
class PublicKey:
    """A KEM public key in its serialised form (RFC 9180 §7.1.1): equal, and hashed, by value.

    ``opaque encoded[Npk]``: an uncompressed SEC 1 point of 65 bytes for P-256, 32 bytes for X25519, 1216 for X-Wing.
    Construction validates: :class:`DecodeError` for a wrong size, a point that is compressed or not on the curve, an
    ML-KEM key out of range; :class:`UnsupportedError` where the crypto library was built without ML-KEM. X25519 takes
    any 32 bytes; whoever encapsulates to a point of low order gets :class:`OpenError` (RFC 9180 §7.1.4).
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


@final
class PrivateKey(Unique):
    """A KEM private key; opaque, and there is one of it. Make it with :meth:`generate` or :meth:`decode`.

    ``public_key`` is its public half. A one-time key is erased, best effort, by dropping the last reference: OpenSSL
    overwrites its own memory, while X-Wing's seed, which Python holds, is only freed.
    """

    __slots__ = ("_handle", "kem", "public_key")

    kem: Kem
    public_key: PublicKey
    _handle: Any

    def __init__(self, *_args: object, **_kwargs: object) -> None:
        raise UsageError("a PrivateKey is made by generate or decode")

    @classmethod
    def generate(cls, kem: Kem) -> Self:
        """A new key from the system's randomness. Raises :class:`UnsupportedError` as :class:`PublicKey` does."""
        return cls._of(kem, _supported(kem, ALGORITHMS[kem].generate))

    @classmethod
    def decode(cls, kem: Kem, data: Secret) -> Self:
        """DeserializePrivateKey (RFC 9180 §7.1.2): ``kem.Nsk`` bytes.

        P-256: big-endian scalar. X25519: the 32 bytes of RFC 7748, clamped or not. X-Wing: the seed (draft §5.6).
        Raises :class:`DecodeError` for a wrong size or a P-256 scalar of 0 or beyond the order, and
        :class:`UnsupportedError` as :class:`PublicKey` does.
        """
        return cls._of(kem, _load(kem, "private", kem.Nsk, ALGORITHMS[kem].decode_private, data.expose()))

    @classmethod
    def _of(cls, kem: Kem, handle: Any) -> Self:
        made = object.__new__(cls)
        made.kem, made._handle, made.public_key = kem, handle, PublicKey._of(kem, handle)
        return made

    def encode(self) -> Secret:
        """SerializePrivateKey (RFC 9180 §7.1.2): ``kem.Nsk`` bytes, clamped for X25519, the seed for X-Wing."""
        return Secret(ALGORITHMS[self.kem].encode_private(self._handle))

    def __repr__(self) -> str:
        return f"<PrivateKey {self.kem.name}>"


def encap(key: PublicKey) -> tuple[bytes, Secret]:
    """Encap (RFC 9180 §4): ``enc`` (``kem.Nenc`` bytes) to send, and the shared secret (``kem.Nsecret`` bytes).

    Raises :class:`OpenError` when the key is an X25519 point of low order.
    """
    enc, shared = _encap(key)
    return enc, Secret(shared)


def decap(key: PrivateKey, enc: bytes) -> Secret:
    """Decap (RFC 9180 §4): the shared secret (``kem.Nsecret`` bytes).

    Raises :class:`OpenError`, without saying why, for anything but an encapsulation of the right size and form. A wrong
    ML-KEM ciphertext isn't noticed here (implicit rejection): the secret is another one, and the AEAD refuses.
    """
    return Secret(_decap(key, enc))


def _encap(key: PublicKey) -> tuple[bytes, bytes]:
    try:
        return ALGORITHMS[key.kem].encap(key._handle, key.encoded)
    except ValueError:
        raise OpenError from None


def _decap(key: PrivateKey, enc: bytes) -> bytes:
    try:
        return ALGORITHMS[key.kem].decap(key._handle, key.public_key.encoded, enc)
    except ValueError:
        raise OpenError from None


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
