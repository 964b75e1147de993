"""HPKE, base and PSK mode: RFC 9180, its revision draft-ietf-hpke-hpke-05, and the algorithms of draft-ietf-hpke-pq-05.

A sender sets up a context to a recipient's public key and sends ``enc``; the recipient sets up its own from ``enc``.
Both ends have the same exporter; messages go one way, in order.

    enc, sender = setup_sender(suite, key.public_key, info)
    recipient   = setup_recipient(suite, key, enc, info)
    recipient.open(sender.seal(plaintext, aad), aad)

:func:`seal_base` and :func:`open_base` do that in one call, for one message. The recipient's key may be elsewhere: see
:class:`Decapsulator`.

Left out: the authenticated modes, which the revision drops; ML-KEM-512 and TurboSHAKE, which neither the crypto library
nor hashlib has.
"""

from privproc.hpke._schedule import Psk
from privproc.hpke.context import (
    Recipient,
    Sender,
    _derand_setup_sender,
    setup_psk_recipient,
    setup_psk_sender,
    setup_recipient,
    setup_sender,
)
from privproc.hpke.kem import Decapsulator, ExchangeKey, PrivateKey, PublicKey, _derand_encap, decap, encap
from privproc.hpke.oneshot import (
    open_base,
    open_psk,
    receive_export_base,
    receive_export_psk,
    seal_base,
    seal_psk,
    send_export_base,
    send_export_psk,
)
from privproc.hpke.suite import Aead, Kdf, Kem, Suite

__all__ = [
    "Aead",
    "Decapsulator",
    "ExchangeKey",
    "Kdf",
    "Kem",
    "PrivateKey",
    "Psk",
    "PublicKey",
    "Recipient",
    "Sender",
    "Suite",
    "_derand_encap",
    "_derand_setup_sender",
    "decap",
    "encap",
    "open_base",
    "open_psk",
    "receive_export_base",
    "receive_export_psk",
    "seal_base",
    "seal_psk",
    "send_export_base",
    "send_export_psk",
    "setup_psk_recipient",
    "setup_psk_sender",
    "setup_recipient",
    "setup_sender",
]
