"""Prepare, blind, sign, finish and verify (RFC 9474 §4)."""

from __future__ import annotations

import hmac
import os
from dataclasses import dataclass
from enum import Enum
from typing import Final, final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, PSS
from cryptography.hazmat.primitives.hashes import SHA384

from privproc._step import Step
from privproc.blindrsa import blinding, emsa_pss
from privproc.blindrsa.keys import PublicKey, Verifying
from privproc.blindrsa.rawrsa import LocalOp, RawOp
from privproc.errors import DecodeError, SignatureError, UsageError
from privproc.secret import Secret

__all__ = ["PREFIX_SIZE", "PendingSignature", "Variant", "blind", "blind_sign", "message_of", "prepare", "verify"]

PREFIX_SIZE: Final = 32
"""Bytes that :func:`prepare` puts before the message in the ``RANDOMIZED`` variants."""

# req: rfc9474/5 sha384-and-mgf1
_HASH = SHA384()


class Variant(Enum):
    """The named variants of RFC 9474 §5: SHA-384, MGF1 with SHA-384, and what differs.

    A key serves one variant only (§6.2). The deterministic ones need messages that the issuer can't guess (§7.3), such
    as the nonce of a Privacy Pass token.
    """

    SHA384_PSS_RANDOMIZED = ("RSABSSA-SHA384-PSS-Randomized", 48, True)
    """RSABSSA-SHA384-PSS-Randomized: salt of 48 bytes, 32 random bytes before the message."""
    SHA384_PSSZERO_RANDOMIZED = ("RSABSSA-SHA384-PSSZERO-Randomized", 0, True)
    """RSABSSA-SHA384-PSSZERO-Randomized: no salt, 32 random bytes before the message."""
    SHA384_PSS_DETERMINISTIC = ("RSABSSA-SHA384-PSS-Deterministic", 48, False)
    """RSABSSA-SHA384-PSS-Deterministic: salt of 48 bytes, the message as it is. RFC 9578's type 0x0002."""
    SHA384_PSSZERO_DETERMINISTIC = ("RSABSSA-SHA384-PSSZERO-Deterministic", 0, False)
    """RSABSSA-SHA384-PSSZERO-Deterministic: no salt, the message as it is: one signature a message and key."""

    def __init__(self, label: str, salt_size: int, randomized: bool) -> None:
        self.label = label
        """The name in RFC 9474."""
        self.salt_size = salt_size
        """Bytes of the PSS salt: 48 or 0."""
        self.randomized = randomized
        """Whether :func:`prepare` adds a random prefix."""
        self._padding = PSS(mgf=MGF1(_HASH), salt_length=salt_size)


def prepare(variant: Variant, message: bytes) -> bytes:
    """``message``, in the ``RANDOMIZED`` variants after 32 random bytes (RFC 9474 §4.1).

    What is signed and verified, and goes to the verifier, is the prepared message.
    """
    # req: rfc9474/4.1 randomized-prefix
    return os.urandom(PREFIX_SIZE) + message if variant.randomized else message


def message_of(variant: Variant, prepared: bytes) -> bytes:
    """The message in a prepared one (RFC 9474 §4.5), to be read after :func:`verify`.

    Raises :class:`DecodeError` when the prefix of a ``RANDOMIZED`` variant is not all there.
    """
    if not variant.randomized:
        return prepared
    # req: rfc9474/4.5 prefix-is-removed
    if len(prepared) < PREFIX_SIZE:
        raise DecodeError("prepared message", f"{PREFIX_SIZE} bytes wanted, {len(prepared)} there")
    return prepared[PREFIX_SIZE:]


def verify(variant: Variant, key: Verifying, prepared: bytes, signature: bytes) -> None:
    """RSASSA-PSS-VERIFY (RFC 8017 §8.1.2) of ``signature``, ``key.size`` bytes, over the prepared message.

    Raises :class:`SignatureError` unless it holds, with a salt of exactly the variant's size, and is the one encoding
    of a number below the modulus: a token that can be written in two ways could be spent twice.
    """
    if not key._in_range(signature):
        raise SignatureError("blind RSA: signature's size or range")
    try:
        # req: rfc9474/5 salt-of-the-variant
        key._openssl.verify(signature, prepared, variant._padding, _HASH)
    # req: rfc9474/4.4 finalize-verifies
    except InvalidSignature:
        raise SignatureError("blind RSA: signature") from None


@dataclass(frozen=True, slots=True, repr=False)
class _Blinded:
    variant: Variant
    key: Verifying
    prepared: bytes
    inverse: Secret  # of the blinding factor, key.size bytes


@final
class PendingSignature(Step[_Blinded]):
    """A message waits for its blind signature. Made by :func:`blind`, left once by :meth:`finish`."""

    __slots__ = ()

    def finish(self, blind_signature: bytes) -> bytes:
        """Finalize (RFC 9474 §4.4): the unblinded signature, ``key.size`` bytes, verified.

        Raises :class:`DecodeError` when ``blind_signature`` isn't ``key.size`` bytes, and :class:`SignatureError` when
        it doesn't sign the blinded message, a number not below the modulus included. The inverse is wiped either way.
        """
        state = self._take()
        key = state.key
        try:
            if len(blind_signature) != key.size:
                # req: rfc9474/4.4 size-check
                raise DecodeError("blind signature", f"{key.size} bytes wanted, {len(blind_signature)} there")
            if not key._in_range(blind_signature):
                # No other error than below: of what another key signs, a part is out of range.
                raise SignatureError("blind RSA: signature")
            signature = blinding.in_use().unblind(key, blind_signature, state.inverse.expose())
        finally:
            # req: privproc1/11 step-secrets-are-wiped
            state.inverse.wipe()
        # req: rfc9578/6.3 client-verifies-signature
        verify(state.variant, key, state.prepared, signature)
        return signature


def blind(variant: Variant, key: PublicKey, prepared: bytes) -> tuple[bytes, PendingSignature]:
    """Blind (RFC 9474 §4.2): the blinded message, ``key.size`` bytes for the issuer, and the step that awaits it.

    Raises :class:`DecodeError` when the message or the blinding factor isn't coprime with the modulus: then the key is
    no honest one, and a blinded message would show the issuer a factor in common.
    """
    # req: rfc9474/4.2 uniform-blind
    # req: rfc9474/7.4 random-values
    # req: rfc9474/7.4 no-values-from-callers
    return _derand_blind(variant, key, prepared, os.urandom(variant.salt_size), blinding.in_use().factor(key))


def _derand_blind(
    variant: Variant, key: Verifying, prepared: bytes, salt: bytes, factor: bytes
) -> tuple[bytes, PendingSignature]:
    """:func:`blind` with the given salt and blinding factor ``r``, ``key.size`` bytes (its inverse is what the vectors
    call ``inv``).
    """
    message = emsa_pss.encode(prepared, key.n.bit_length() - 1, salt)
    try:
        blinded, inverse = blinding.in_use().blind(key, message, factor)
    except ValueError:
        # req: rfc9474/4.2 coprime-or-error
        raise DecodeError("RSA public key", "has a factor in common with the message or the blind") from None
    return blinded, PendingSignature(_Blinded(variant, key, prepared, Secret(inverse)))


def blind_sign(op: RawOp, blinded: bytes) -> bytes:
    """BlindSign (RFC 9474 §4.3): the blind signature, ``size`` bytes, over ``blinded``, as many.

    Raises :class:`DecodeError` when ``blinded`` isn't ``size`` bytes of a number below the modulus. Raises
    :class:`UsageError` when the private operation gave a wrong result: nothing is released, since one faulty
    signature can disclose the key (§7.1). That is never the peer's doing; take the key out of service.
    """
    key = op.public_key
    if not key._in_range(blinded):
        # req: rfc9474/4.3 range-check
        raise DecodeError("blinded message", f"not {key.size} bytes of a number below the modulus")
    signature = op.apply(blinded)
    power = op._power if isinstance(op, LocalOp) else key._power
    if not key._in_range(signature) or not hmac.compare_digest(power(signature), blinded):
        # req: rfc9474/4.3 faults-are-not-released
        raise UsageError("RSA private operation: wrong result, not released")
    return signature
