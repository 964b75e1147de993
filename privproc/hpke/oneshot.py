"""HPKE in one call: a context that is used once and dropped (RFC 9180 §6).

Each raises what the set-up and the context's method raise.
"""

from __future__ import annotations

from privproc.hpke._schedule import Psk
from privproc.hpke.context import (
    _checked,
    _receive_export,
    _send_export,
    setup_psk_recipient,
    setup_psk_sender,
    setup_recipient,
    setup_sender,
)
from privproc.hpke.kem import Decapsulator, PublicKey
from privproc.hpke.suite import Suite
from privproc.secret import Secret

__all__ = [
    "open_base",
    "open_psk",
    "receive_export_base",
    "receive_export_psk",
    "seal_base",
    "seal_psk",
    "send_export_base",
    "send_export_psk",
]


def seal_base(suite: Suite, key: PublicKey, info: bytes, plaintext: bytes, aad: bytes = b"") -> tuple[bytes, bytes]:
    """SealBase: ``enc`` (``kem.Nenc`` bytes) and the ciphertext."""
    enc, sender = setup_sender(suite, key, info)
    return enc, sender.seal(plaintext, aad)


def open_base(
    suite: Suite, key: Decapsulator, enc: bytes, info: bytes, ciphertext: bytes | memoryview, aad: bytes = b""
) -> bytes:
    """OpenBase: the plaintext."""
    return setup_recipient(suite, key, enc, info).open(ciphertext, aad)


def seal_psk(
    suite: Suite, key: PublicKey, info: bytes, psk: Psk, plaintext: bytes, aad: bytes = b""
) -> tuple[bytes, bytes]:
    """SealPSK: ``enc`` (``kem.Nenc`` bytes) and the ciphertext."""
    enc, sender = setup_psk_sender(suite, key, info, psk)
    return enc, sender.seal(plaintext, aad)


def open_psk(
    suite: Suite, key: Decapsulator, enc: bytes, info: bytes, psk: Psk, ciphertext: bytes | memoryview, aad: bytes = b""
) -> bytes:
    """OpenPSK: the plaintext."""
    return setup_psk_recipient(suite, key, enc, info, psk).open(ciphertext, aad)


def send_export_base(suite: Suite, key: PublicKey, info: bytes, context: bytes, length: int) -> tuple[bytes, Secret]:
    """SendExportBase: ``enc`` (``kem.Nenc`` bytes) and the secret, ``length`` bytes."""
    return _send_export(suite, key, info, None, context, length)


def receive_export_base(
    suite: Suite, key: Decapsulator, enc: bytes, info: bytes, context: bytes, length: int
) -> Secret:
    """ReceiveExportBase: the secret. A wrong ``enc`` may give another one, without an error."""
    return _receive_export(suite, key, enc, info, None, context, length)


def send_export_psk(
    suite: Suite, key: PublicKey, info: bytes, psk: Psk, context: bytes, length: int
) -> tuple[bytes, Secret]:
    """SendExportPSK: ``enc`` (``kem.Nenc`` bytes) and the secret, ``length`` bytes."""
    return _send_export(suite, key, info, _checked(psk), context, length)


def receive_export_psk(
    suite: Suite, key: Decapsulator, enc: bytes, info: bytes, psk: Psk, context: bytes, length: int
) -> Secret:
    """ReceiveExportPSK: the secret. A wrong ``enc`` or ``psk`` may give another one, without an error."""
    return _receive_export(suite, key, enc, info, _checked(psk), context, length)
