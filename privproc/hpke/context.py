"""Key schedule and encryption contexts, base mode (RFC 9180 §5)."""

from __future__ import annotations

import hmac
from typing import final

from cryptography.exceptions import InvalidTag

from privproc import hkdf
from privproc.errors import LimitError, OpenError, UsageError
from privproc.hpke.kem import PrivateKey, PublicKey, Unique, _decap, _derand_encap, _encap
from privproc.hpke.suite import Suite
from privproc.secret import Secret

__all__ = ["Recipient", "Sender", "setup_recipient", "setup_sender"]

# IncrementSeq (RFC 9180 §5.2) refuses this number after the operation; here it is refused before. Nn is 12 throughout.
LIMIT = (1 << 96) - 1


class _Context(Unique):
    """Key, base nonce, sequence number and exporter secret of one key schedule (RFC 9180 §5.1, §5.2)."""

    __slots__ = ("_cipher", "_exporter", "_nonce", "_sequence", "suite")

    def __init__(self, suite: Suite, shared: bytes, info: bytes) -> None:
        constants = suite._constants
        name = constants.hash
        # LabeledExtract and LabeledExpand of RFC 9180 §4, with no function between us and HMAC: every expansion here
        # is at most one block long. An empty HMAC key equals HKDF's salt of zeros.
        secret = hmac.digest(shared, constants.secret, name)
        tail = constants.head + hmac.digest(b"", constants.info + info, name) + b"\1"
        key = hmac.digest(secret, constants.key + tail, name)[: constants.key_size]
        self.suite = suite
        self._cipher = constants.cipher(key)
        self._nonce = int.from_bytes(hmac.digest(secret, constants.nonce + tail, name)[:12], "big")
        self._exporter = hmac.digest(secret, constants.exporter + tail, name)
        self._sequence = [0]

    def _take(self) -> int:
        """The next sequence number, out of everybody else's reach until it, or its successor, is put back.

        ``list.pop`` is atomic with and without the GIL: two racing threads can't get the same nonce.
        """
        try:
            return self._sequence.pop()
        except IndexError:
            raise UsageError(f"{type(self).__name__} is in use in another thread") from None

    def export(self, context: bytes, length: int) -> Secret:
        """Secret export (RFC 9180 §5.3): ``length`` bytes, 1 to ``255 * kdf.Nh``, else :class:`UsageError`."""
        longest = 255 * self.suite.kdf.Nh
        if not 1 <= length <= longest:
            raise UsageError(f"an exported secret has 1 to {longest} bytes")
        constants = self.suite._constants
        labeled = length.to_bytes(2, "big") + constants.export + context
        return Secret(hkdf.expand(constants.hash, self._exporter, labeled, length))


@final
class Sender(_Context):
    """The sender's context. Made by :func:`setup_sender`; messages are opened in the order of sealing."""

    __slots__ = ()

    def seal(self, plaintext: bytes, aad: bytes = b"") -> bytes:
        """Seal (RFC 9180 §5.2): ciphertext, ``aead.Nt`` bytes longer than the plaintext.

        Raises :class:`UsageError` when the sequence numbers are used up, for input beyond 2^31 - 1 bytes, and when
        another thread is sealing. Any failure leaves the sequence number where it was.
        """
        sequence = following = self._take()
        try:
            if sequence >= LIMIT:
                raise UsageError("no sequence number is left")
            nonce = (self._nonce ^ sequence).to_bytes(12, "big")
            ciphertext = self._cipher.encrypt(nonce, plaintext, aad)
            following += 1
        except OverflowError:
            raise UsageError("plaintext or associated data too long") from None
        finally:
            self._sequence.append(following)
        return ciphertext


@final
class Recipient(_Context):
    """The recipient's context. Made by :func:`setup_recipient`."""

    __slots__ = ()

    def open(self, ciphertext: bytes, aad: bytes = b"") -> bytes:
        """Open (RFC 9180 §5.2): the plaintext.

        Raises :class:`OpenError` for whatever the AEAD refuses, without saying why, and leaves the sequence number
        where it was, so that the genuine message still opens. Raises :class:`LimitError` when the sequence numbers are
        used up, :class:`UsageError` when another thread is opening.
        """
        sequence = following = self._take()
        try:
            if sequence >= LIMIT:
                raise LimitError("no sequence number is left")
            nonce = (self._nonce ^ sequence).to_bytes(12, "big")
            plaintext = self._cipher.decrypt(nonce, ciphertext, aad)
            following += 1
        except (InvalidTag, OverflowError):
            raise OpenError from None
        finally:
            self._sequence.append(following)
        return plaintext


def setup_sender(suite: Suite, key: PublicKey, info: bytes) -> tuple[bytes, Sender]:
    """SetupBaseS (RFC 9180 §5.1.1): ``enc`` (``kem.Nenc`` bytes) to send, and the sender's context.

    Raises :class:`UsageError` when the key belongs to another KEM than the suite's, :class:`OpenError` as
    :func:`privproc.hpke.encap` does.
    """
    _check_kem(suite, key)
    enc, shared = _encap(key)
    return enc, Sender(suite, shared, info)


def setup_recipient(suite: Suite, key: PrivateKey, enc: bytes, info: bytes) -> Recipient:
    """SetupBaseR (RFC 9180 §5.1.1): the recipient's context for a received ``enc``.

    Raises :class:`UsageError` when the key belongs to another KEM than the suite's, :class:`OpenError` as
    :func:`privproc.hpke.decap` does. A context for a wrong key or ``info`` is only noticed by :meth:`Recipient.open`.
    """
    _check_kem(suite, key)
    return Recipient(suite, _decap(key, enc), info)


def _derand_setup_sender(suite: Suite, key: PublicKey, info: bytes, ephemeral: PrivateKey) -> tuple[bytes, Sender]:
    """:func:`setup_sender` with a given ephemeral key, for vectors; DHKEM only."""
    _check_kem(suite, key)
    enc, shared = _derand_encap(key, ephemeral)
    return enc, Sender(suite, shared.expose(), info)


def _check_kem(suite: Suite, key: PublicKey | PrivateKey) -> None:
    if key.kem is not suite.kem:
        raise UsageError(f"a {key.kem.name} key in a {suite.kem.name} suite")
