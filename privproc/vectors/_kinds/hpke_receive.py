"""A recipient and what it is sent: ``enc``, then ``messages`` in order, each opened or refused.

With ``psk`` and ``psk_id`` the recipient demands PSK mode. ``expect`` is what comes of the set-up; with ``ok`` each
message has an ``expect`` of its own.
"""

from __future__ import annotations

import privproc.errors
from privproc.hpke import PrivateKey, Psk, Suite, decap, setup_psk_recipient, setup_recipient
from privproc.secret import Secret
from privproc.vectors.case import Case, raises


def run(case: Case) -> None:
    suite = Suite.from_ids(case["kem"], case["kdf"], case["aead"])
    private = PrivateKey.decode(suite.kem, Secret(case.hex("private_key")))
    enc, info = case.hex("enc"), case.hex("info")
    if case.expect is not None:
        for receive in (lambda: setup_recipient(suite, private, enc, info), lambda: decap(private, enc)):
            with raises(case.expect) as raised:
                receive()
            assert type(raised.value) is case.expect
        return
    if "psk" in case:
        psk = Psk(Secret(case.hex("psk")), case.hex("psk_id"))
        recipient = setup_psk_recipient(suite, private, enc, info, psk)
    else:
        recipient = setup_recipient(suite, private, enc, info)
    for message in case["messages"]:
        ciphertext, aad = bytes.fromhex(message["ciphertext"]), bytes.fromhex(message["aad"])
        if message["expect"] == "ok":
            assert recipient.open(ciphertext, aad).hex() == message["plaintext"]
        else:
            with raises(getattr(privproc.errors, message["expect"])):
                recipient.open(ciphertext, aad)
