"""HPKE, base mode: RFC 9180 with DHKEM over P-256 and X25519, and X-Wing (draft-connolly-cfrg-xwing-kem-10).

A sender sets up a context to a recipient's public key and sends ``enc``; the recipient sets up its own from ``enc``.
Both ends have the same exporter; messages go one way, in order.

    enc, sender = setup_sender(suite, key.public_key, info)
    recipient   = setup_recipient(suite, key, enc, info)
    recipient.open(sender.seal(plaintext, aad), aad)

Left out: the PSK and authenticated modes, which OHTTP doesn't use; KDFs of one stage; the export-only AEAD.
"""

from privproc.hpke.context import Recipient, Sender, _derand_setup_sender, setup_recipient, setup_sender
from privproc.hpke.kem import PrivateKey, PublicKey, _derand_encap, decap, encap
from privproc.hpke.suite import Aead, Kdf, Kem, Suite

__all__ = [
    "Aead",
    "Kdf",
    "Kem",
    "PrivateKey",
    "PublicKey",
    "Recipient",
    "Sender",
    "Suite",
    "_derand_encap",
    "_derand_setup_sender",
    "decap",
    "encap",
    "setup_recipient",
    "setup_sender",
]
