"""What differs between token types: keys, sizes, and the operations of client, issuer and origin.

One table, :data:`KINDS`, says which types there are; no other code asks for a type by its number.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias, final

from privproc import blindrsa, voprf
from privproc.blindrsa import RawRsaPrivateOp, Variant, partial
from privproc.errors import SignatureError, UnsupportedError, UsageError
from privproc.voprf import P384_SHA384, RISTRETTO255_SHA512, Suite

__all__ = [
    "BLIND_RSA",
    "KINDS",
    "PUBLIC_METADATA",
    "VOPRF",
    "VOPRF_RISTRETTO255",
    "ClientKey",
    "ExtendedKey",
    "Finish",
    "IssuerOp",
    "Kind",
    "PartialClientKey",
    "PrivateKey",
    "PublicKey",
    "Verifier",
    "VoprfClientKey",
    "VoprfIssuerOp",
    "issuer_op",
    "kind_of",
    "type_of",
]

VOPRF = 0x0001
"""VOPRF (P-384, SHA-384) (RFC 9578 §5): privately verifiable, by who holds the issuer's key."""

BLIND_RSA = 0x0002
"""Blind RSA (2048-bit) (RFC 9578 §6), RSABSSA-SHA384-PSS-Deterministic: publicly verifiable."""

VOPRF_RISTRETTO255 = 0x0005
"""VOPRF (ristretto255, SHA-512): privately verifiable. The number is what draft-ietf-privacypass-batched-tokens-07
suggests; it isn't registered.
"""

PUBLIC_METADATA = 0xDA7A
"""Partially blind RSA (2048-bit), RSAPBSSA-SHA384-PSS-Deterministic: publicly verifiable, and issued with extensions
that issuer and origin see (:mod:`privproc.tokens.extended`). The number is that of
draft-ietf-privacypass-public-metadata-issuance; it isn't registered.
"""

PublicKey: TypeAlias = blindrsa.PublicKey | partial.PublicKey | voprf.PublicKey
"""An issuer's public key, of any token type."""

PrivateKey: TypeAlias = RawRsaPrivateOp | voprf.PrivateKey
"""An issuer's private key, of any token type; of blind RSA it may be elsewhere."""

Finish: TypeAlias = Callable[[bytes], bytes]
"""From a TokenResponse to the authenticator; single-use."""

_RSA_SIZE: Final = 256
_VARIANT: Final = Variant.SHA384_PSS_DETERMINISTIC


class Verifier(Protocol):
    """A key that tells good tokens: public or private, as the token type has it."""

    def verify(self, message: bytes, authenticator: bytes) -> None:
        """Raise :class:`SignatureError` unless the authenticator, ``Nk`` bytes, is good."""
        ...


class ClientKey(Protocol):
    """An issuer's public key, as a client uses it."""

    @property
    def public_key(self) -> PublicKey:
        """The key itself."""
        ...

    @property
    def verifier(self) -> Verifier | None:
        """What verifies its tokens; ``None`` where that takes the private key."""
        ...

    def blind(self, message: bytes) -> tuple[bytes, Finish]:
        """The blinded message of a TokenRequest, and what reads the TokenResponse."""
        ...

    def _derand_blind(self, message: bytes, *randomness: bytes) -> tuple[bytes, Finish]:
        """:meth:`blind` with the given randomness: PSS salt and blinding factor, or a blind."""
        ...


class IssuerOp(Verifier, Protocol):
    """An issuer's private key, as the issuer uses it."""

    def issue(self, blinded: bytes) -> bytes:
        """The TokenResponse to a blinded message."""
        ...


@final
class _RsaClientKey:
    __slots__ = ("public_key",)

    def __init__(self, public_key: blindrsa.PublicKey) -> None:
        bits = public_key.n.bit_length()
        if bits != 8 * _RSA_SIZE:
            raise UnsupportedError(f"token key: {bits} bits, not {8 * _RSA_SIZE}")
        self.public_key = public_key

    @property
    def verifier(self) -> Verifier:
        return self

    def blind(self, message: bytes) -> tuple[bytes, Finish]:
        return self._sent(blindrsa.blind(_VARIANT, self.public_key, message))

    def _derand_blind(self, message: bytes, *randomness: bytes) -> tuple[bytes, Finish]:
        salt, factor = randomness
        return self._sent(blindrsa._derand_blind(_VARIANT, self.public_key, message, salt, factor))

    @staticmethod
    def _sent(made: tuple[bytes, blindrsa.PendingSignature]) -> tuple[bytes, Finish]:
        return made[0], made[1].finish

    def verify(self, message: bytes, authenticator: bytes) -> None:
        blindrsa.verify(_VARIANT, self.public_key, message, authenticator)


@final
class _RsaIssuerOp:
    __slots__ = ("_key", "_op")

    def __init__(self, op: RawRsaPrivateOp) -> None:
        self._op = op
        self._key = _RsaClientKey(op.public_key)

    def issue(self, blinded: bytes) -> bytes:
        return blindrsa.blind_sign(self._op, blinded)

    def verify(self, message: bytes, authenticator: bytes) -> None:
        self._key.verify(message, authenticator)


@final
class PartialClientKey:
    """A public key of type 0xDA7A: a :class:`ClientKey` once extensions are given to it, and not before."""

    __slots__ = ("public_key",)

    def __init__(self, public_key: partial.PublicKey) -> None:
        self.public_key = public_key

    @property
    def verifier(self) -> None:
        """Nothing: it takes the extensions."""

    def blind(self, message: bytes) -> tuple[bytes, Finish]:  # noqa: ARG002
        """Raises :class:`UnsupportedError`."""
        raise UnsupportedError("tokens of this type are asked for with extensions: see request_extended")

    def _derand_blind(self, message: bytes, *randomness: bytes) -> tuple[bytes, Finish]:  # noqa: ARG002
        return self.blind(message)

    def extended(self, extensions: bytes) -> ExtendedKey:
        """The key for tokens with these extensions, encoded."""
        return ExtendedKey(self.public_key, extensions)


@final
class ExtendedKey:
    """A public key of type 0xDA7A with extensions: a :class:`ClientKey` and a :class:`Verifier`."""

    __slots__ = ("_extensions", "public_key")

    def __init__(self, public_key: partial.PublicKey, extensions: bytes) -> None:
        self.public_key = public_key
        self._extensions = extensions

    @property
    def verifier(self) -> Verifier:
        """Itself."""
        return self

    def blind(self, message: bytes) -> tuple[bytes, Finish]:
        """See :meth:`ClientKey.blind`."""
        blinded, pending = partial.blind(_VARIANT, self.public_key, self._extensions, message)
        return blinded, pending.finish

    def _derand_blind(self, message: bytes, *randomness: bytes) -> tuple[bytes, Finish]:
        salt, factor = randomness
        made = partial._derand_blind(_VARIANT, self.public_key, self._extensions, message, salt, factor)
        return made[0], made[1].finish

    def verify(self, message: bytes, authenticator: bytes) -> None:
        """See :meth:`Verifier.verify`."""
        partial.verify(_VARIANT, self.public_key, self._extensions, message, authenticator)


@final
class VoprfClientKey:
    """A public key of a VOPRF type, for one token (:class:`ClientKey`) and, through ``client``, for many."""

    __slots__ = ("client", "public_key")

    def __init__(self, public_key: voprf.PublicKey) -> None:
        self.public_key = public_key
        self.client = voprf.VoprfClient(public_key)

    @property
    def verifier(self) -> None:
        """Nothing: it takes the private key."""

    def blind(self, message: bytes) -> tuple[bytes, Finish]:
        """See :meth:`ClientKey.blind`."""
        return self._sent(*self.client.blind((message,)))

    def _derand_blind(self, message: bytes, *randomness: bytes) -> tuple[bytes, Finish]:
        return self._sent(*self.client._derand_blind((message,), randomness))

    def _sent(self, blinded: tuple[bytes, ...], pending: voprf.PendingVerifiedOutputs) -> tuple[bytes, Finish]:
        split = self.public_key.suite.group.element_size
        return blinded[0], lambda response: pending.finish((response[:split],), response[split:])[0]


@final
class VoprfIssuerOp:
    """A private key of a VOPRF type, for one token (:class:`IssuerOp`) and, through ``server``, for many."""

    __slots__ = ("server",)

    def __init__(self, key: voprf.PrivateKey) -> None:
        self.server = voprf.VoprfServer(key)

    def issue(self, blinded: bytes) -> bytes:
        """See :meth:`IssuerOp.issue`: the evaluated element and the proof."""
        # req: rfc9578/5.2 element-and-proof
        (evaluated,), proof = self.server.blind_evaluate((blinded,))
        return evaluated + proof

    def verify(self, message: bytes, authenticator: bytes) -> None:
        """See :meth:`IssuerOp.verify`."""
        # req: rfc9578/5.4 verified-with-the-private-key
        if not hmac.compare_digest(self.server.evaluate(message), authenticator):
            raise SignatureError("token: authenticator")


@dataclass(frozen=True, slots=True)
class Kind:
    """A token type: its number; bytes of the blinded message in a TokenRequest, of a TokenResponse, and of a token's
    authenticator (``Nk``); and what decodes its keys.
    """

    token_type: int
    blinded_size: int
    response_size: int
    authenticator_size: int
    decode_key: Callable[[bytes], ClientKey]


def _voprf_kind(token_type: int, suite: Suite) -> Kind:
    element_size = suite.group.element_size
    return Kind(
        token_type,
        element_size,
        element_size + suite.proof_size,
        suite.output_size,
        lambda encoded: VoprfClientKey(voprf.PublicKey(suite, encoded)),
    )


# req: rfc9578/8.2.2 modulus-of-2048-bits
def _decode_rsa(encoded: bytes) -> ClientKey:
    return _RsaClientKey(blindrsa.PublicKey.decode_spki(encoded))


def _decode_partial(encoded: bytes) -> ClientKey:
    return PartialClientKey(partial.PublicKey.decode_spki(encoded))


_SUITES = {VOPRF: P384_SHA384, VOPRF_RISTRETTO255: RISTRETTO255_SHA512}

KINDS: Final = {
    BLIND_RSA: Kind(BLIND_RSA, _RSA_SIZE, _RSA_SIZE, _RSA_SIZE, _decode_rsa),
    PUBLIC_METADATA: Kind(PUBLIC_METADATA, _RSA_SIZE, _RSA_SIZE, _RSA_SIZE, _decode_partial),
    **{token_type: _voprf_kind(token_type, suite) for token_type, suite in _SUITES.items()},
}
"""The token types there are, by number."""


def kind_of(token_type: int, what: str) -> Kind:
    """The token type with this number. Raises :class:`UnsupportedError` for one that isn't known."""
    found = KINDS.get(token_type)
    if found is None:
        raise UnsupportedError(f"{what}: token type 0x{token_type:04x}")
    return found


def type_of(key: PublicKey) -> int:
    """The token type that a public key is for. Raises :class:`UnsupportedError` when there is none."""
    if isinstance(key, blindrsa.PublicKey):
        return BLIND_RSA
    if isinstance(key, partial.PublicKey):
        return PUBLIC_METADATA
    for token_type, suite in _SUITES.items():
        if suite.identifier == key.suite.identifier:
            return token_type
    raise UnsupportedError(f"token key: {key.suite.identifier}")


def issuer_op(key: PrivateKey) -> IssuerOp:
    """A private key in its role. Raises :class:`UsageError` for one that issues with extensions only."""
    if isinstance(key, partial.PrivateKey):
        raise UsageError("keys of partially blind RSA issue with extensions: see ExtendedIssuer")
    return VoprfIssuerOp(key) if isinstance(key, voprf.PrivateKey) else _RsaIssuerOp(key)
