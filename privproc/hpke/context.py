"""Encryption contexts, and their set-up in base and PSK mode (RFC 9180 §5)."""

from __future__ import annotations

from typing import final

from cryptography.exceptions import InvalidTag

from privproc._step import Unique
from privproc.errors import LimitError, OpenError, UsageError
from privproc.hpke._schedule import Psk
from privproc.hpke.kem import Decapsulator, PrivateKey, PublicKey, _decap, _derand_encap, _encap
from privproc.hpke.suite import Kem, Suite
from privproc.secret import Secret

__all__ = ["Recipient", "Sender", "setup_psk_recipient", "setup_psk_sender", "setup_recipient", "setup_sender"]

# IncrementSeq (RFC 9180 §5.2) refuses this number after the operation; here it is refused before. Nn is 12 throughout.
LIMIT = (1 << 96) - 1


class _Context(Unique):
    """Key, base nonce, sequence number and exporter secret of one key schedule (RFC 9180 §5.1, §5.2).

    ``psk`` decides on the mode: ``None`` is base mode.
    """

    __slots__ = ("_cipher", "_exporter", "_nonce", "_sequence", "suite")

    def __init__(self, suite: Suite, shared: bytes, info: bytes, psk: Psk | None) -> None:
        key, nonce, self._exporter = suite._schedule.derive(shared, info, psk)
        self.suite = suite
        self._cipher = suite._cipher(key)
        self._nonce = int.from_bytes(nonce, "big")
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
        """Secret export (RFC 9180 §5.3): ``length`` bytes, 1 to ``255 * kdf.Nh``, else :class:`UsageError`.

        With a KDF of one stage, 1 to 65535 bytes. A message that is opened twice gives the same secrets twice.
        """
        return Secret(self._export(context, length))

    def _export(self, context: bytes, length: int) -> bytes:
        return self.suite._schedule.export(self._exporter, context, length)


@final
class Sender(_Context):
    """The sender's context. Made by :func:`setup_sender`; messages are opened in the order of sealing."""

    __slots__ = ()

    def seal(self, plaintext: bytes | memoryview, aad: bytes = b"") -> bytes:
        """Seal (RFC 9180 §5.2): ciphertext, ``aead.Nt`` bytes longer than the plaintext. A view spares a copy.

        Raises :class:`UsageError` when the sequence numbers are used up, for input beyond 2^31 - 1 bytes, when another
        thread is sealing, and with an export-only suite. Any failure leaves the sequence number where it was.
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

    def open(self, ciphertext: bytes | memoryview, aad: bytes = b"") -> bytes:
        """Open (RFC 9180 §5.2): the plaintext. A view spares a copy.

        Raises :class:`OpenError` for whatever the AEAD refuses, without saying why, and leaves the sequence number
        where it was, so that the genuine message still opens. Raises :class:`LimitError` when the sequence numbers are
        used up, :class:`UsageError` when another thread is opening, and with an export-only suite.
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

    Raises :class:`UsageError` when the key belongs to another KEM than the suite's, and when ``info`` passes 65535
    bytes with a KDF of one stage; :class:`OpenError` as :func:`privproc.hpke.encap` does.
    """
    return _setup_sender(suite, key, info, None)


def setup_recipient(suite: Suite, key: Decapsulator, enc: bytes, info: bytes) -> Recipient:
    """SetupBaseR (RFC 9180 §5.1.1): the recipient's context for a received ``enc``.

    Raises :class:`UsageError` as :func:`setup_sender` does, :class:`OpenError` as :func:`privproc.hpke.decap` does,
    and whatever a :class:`Decapsulator` of yours raises. A context for a wrong key or ``info`` is only noticed by
    :meth:`Recipient.open`.
    """
    return _setup_recipient(suite, key, enc, info, None)


def setup_psk_sender(suite: Suite, key: PublicKey, info: bytes, psk: Psk) -> tuple[bytes, Sender]:
    """SetupPSKS (RFC 9180 §5.1.2): :func:`setup_sender` for whoever shares ``psk`` with the recipient."""
    return _setup_sender(suite, key, info, _checked(psk))


def setup_psk_recipient(suite: Suite, key: Decapsulator, enc: bytes, info: bytes, psk: Psk) -> Recipient:
    """SetupPSKR (RFC 9180 §5.1.2): :func:`setup_recipient`, where what opens came from somebody who has ``psk``."""
    return _setup_recipient(suite, key, enc, info, _checked(psk))


def _checked(psk: Psk) -> Psk:
    # To the key schedule None means base mode, and a look-up that found nothing must not end there.
    if not isinstance(psk, Psk):
        raise UsageError("PSK mode without a PSK")
    return psk


def _setup_sender(suite: Suite, key: PublicKey, info: bytes, psk: Psk | None) -> tuple[bytes, Sender]:
    _check_kem(suite, key.kem)
    enc, shared = _encap(key)
    return enc, Sender(suite, shared, info, psk)


def _setup_recipient(suite: Suite, key: Decapsulator, enc: bytes, info: bytes, psk: Psk | None) -> Recipient:
    _check_kem(suite, key.public_key.kem)
    return Recipient(suite, _decap(key, enc), info, psk)


def _derand_setup_sender(
    suite: Suite, key: PublicKey, info: bytes, ephemeral: PrivateKey, psk: Psk | None = None
) -> tuple[bytes, Sender]:
    """:func:`setup_sender`, or with ``psk`` :func:`setup_psk_sender`, with a given ephemeral key, for vectors; DHKEM
    only.
    """
    _check_kem(suite, key.kem)
    enc, shared = _derand_encap(key, ephemeral)
    return enc, Sender(suite, shared.expose(), info, psk)


def _send_export(
    suite: Suite, key: PublicKey, info: bytes, psk: Psk | None, context: bytes, length: int
) -> tuple[bytes, Secret]:
    _check_kem(suite, key.kem)
    enc, shared = _encap(key)
    return enc, Secret(suite._schedule.export(suite._schedule.exporter(shared, info, psk), context, length))


def _receive_export(
    suite: Suite, key: Decapsulator, enc: bytes, info: bytes, psk: Psk | None, context: bytes, length: int
) -> Secret:
    _check_kem(suite, key.public_key.kem)
    return Secret(suite._schedule.export(suite._schedule.exporter(_decap(key, enc), info, psk), context, length))


def _check_kem(suite: Suite, kem: Kem) -> None:
    if kem is not suite.kem:
        raise UsageError(f"a {kem.name} key in a {suite.kem.name} suite")
