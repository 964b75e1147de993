"""Proof of possession of privproc/1: a token that only its holder can spend, on the exchange it was meant for.

A token is a bearer secret: who reads it in a log, or receives it as a gateway, can spend it elsewhere. So the token's
nonce is made to commit to a public key before issuance, and spending it takes a signature over the transcript of the
exchange (docs/protocol.md §2)::

    pop   = uint16 alg || public key || salt[32]
    nonce = SHA-256( lp("privproc/1 pop") || lp(pop) )
    proof = Sign(pop key, lp("privproc/1 pop-sig") || th1)

The issuer sees neither; the nonce looks random to everybody who doesn't hold ``pop``. The key serves one token, so the
proof links nothing that the token doesn't link.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from typing import final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from privproc._step import Unique
from privproc.errors import DecodeError, SignatureError, UnsupportedError, UntrustedError, UsageError
from privproc.secret import Secret
from privproc.tagged import lp
from privproc.wire import Reader

__all__ = ["ED25519", "STATEMENT_SIZE", "ProofKey", "verify_possession"]

ED25519 = 0x0807
"""``alg``: the SignatureScheme ed25519 of TLS (RFC 8446 §4.2.3); public key 32 bytes, proof 64."""

STATEMENT_SIZE = 66
"""Bytes of ``pop`` with Ed25519."""

ALG = ED25519.to_bytes(2, "big")
NONCE_PREFIX = lp(b"privproc/1 pop")
PROOF_PREFIX = lp(b"privproc/1 pop-sig")
KEY, SALT, PROOF, TRANSCRIPT = 32, 32, 64, 48
P = 2**255 - 19
ORDER_8_Y = 0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826
# y coordinates of the points of small order (1, 2, 4 and 8): under such a key signatures verify that no private key
# made, for any message. RFC 8032 doesn't rule them out, nor does OpenSSL.
SMALL_ORDER_Y = frozenset((1, P - 1, 0, ORDER_8_Y, P - ORDER_8_Y))


@final
class ProofKey(Unique):
    """The private half of one token's proof of possession. Opaque, and never used for a second token."""

    __slots__ = ("_key", "_statement")

    def __init__(self, key: Ed25519PrivateKey, salt: bytes) -> None:
        self._key = key
        self._statement = ALG + key.public_key().public_bytes_raw() + salt

    @classmethod
    # req: privproc1/2.1 fresh-proof-keys
    def generate(cls) -> ProofKey:
        """A fresh key and salt; never derived from a seed, which would link the tokens of one holder."""
        return cls(Ed25519PrivateKey.generate(), os.urandom(SALT))

    @property
    def statement(self) -> bytes:
        """``pop`` (66 bytes), shown when the token is spent and not before."""
        return self._statement

    @property
    def nonce(self) -> bytes:
        """The token nonce that commits to this key (32 bytes)."""
        return _nonce(self._statement)

    def sign(self, th1: bytes) -> bytes:
        """The proof (64 bytes) over the transcript hash ``th1`` (48 bytes)."""
        return self._key.sign(_signed(th1))

    def to_secret(self) -> Secret:
        """Private key and salt (64 bytes), for a wallet that keeps tokens over a restart."""
        return Secret(self._key.private_bytes_raw() + self._statement[-SALT:])

    @classmethod
    def from_secret(cls, secret: Secret) -> ProofKey:
        """The key that :meth:`to_secret` gave. Raises :class:`UsageError` for another length."""
        data = secret.expose()
        if len(data) != KEY + SALT:
            raise UsageError(f"a stored proof key has {KEY + SALT} bytes")
        return cls(Ed25519PrivateKey.from_private_bytes(data[:KEY]), data[KEY:])


def verify_possession(pop: bytes, nonce: bytes, th1: bytes, proof: bytes) -> None:
    """Check that whoever made ``proof`` holds the key that a token's ``nonce`` commits to, and meant this exchange.

    ``pop`` (66 bytes) and ``proof`` (64) come from the peer, ``nonce`` (32) from the redeemed token, ``th1`` (48) is
    computed locally. Raises :class:`DecodeError` for a malformed ``pop`` or ``proof``, :class:`UnsupportedError` for
    another algorithm, :class:`UntrustedError` when the nonce commits to something else or the key is of small order,
    :class:`SignatureError` when the proof doesn't verify.
    """
    if len(nonce) != KEY:
        raise UsageError("a token nonce has 32 bytes")
    signed = _signed(th1)
    key = Reader.all(pop, "pop", _read_key)
    # req: privproc1/2.1 proof-form
    if len(proof) != PROOF:
        raise DecodeError("proof of possession", f"{len(proof)} bytes, not {PROOF}")
    if not hmac.compare_digest(_nonce(pop), nonce):
        # req: privproc1/2.1 nonce-is-checked
        raise UntrustedError("the token is bound to another proof key")
    if (int.from_bytes(key, "little") & (2**255 - 1)) % P in SMALL_ORDER_Y:
        # req: privproc1/2.1 small-order-proof-keys
        raise UntrustedError("the proof key is of small order")
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(proof, signed)
    except InvalidSignature:
        # req: privproc1/2.1 proof-signs-the-exchange
        raise SignatureError("proof of possession doesn't verify") from None


def _read_key(reader: Reader) -> bytes:
    if (alg := reader.u16()) != ED25519:
        raise UnsupportedError(f"pop: signature scheme 0x{alg:04x}")
    key = reader.take(KEY)
    reader.take(SALT)
    return key


# req: privproc1/2.1 nonce-commits-to-key
def _nonce(pop: bytes) -> bytes:
    return hashlib.sha256(NONCE_PREFIX + lp(pop)).digest()


def _signed(th1: bytes) -> bytes:
    if len(th1) != TRANSCRIPT:
        raise UsageError(f"th1 has {TRANSCRIPT} bytes")
    return PROOF_PREFIX + th1
