"""Contexts far into their sequence: the ciphertext at ``sequence``, or the refusal of either side."""

from __future__ import annotations

import privproc.errors
from privproc.hpke import Recipient, Sender, Suite
from privproc.vectors.case import Case, raises


def run(case: Case) -> None:
    suite = Suite.from_ids(case["kem"], case["kdf"], case["aead"])
    shared, info, sequence = case.hex("shared_secret"), case.hex("info"), int(case["sequence"])
    sender, recipient = Sender(suite, shared, info, None), Recipient(suite, shared, info, None)
    sender._sequence, recipient._sequence = [sequence], [sequence]
    plaintext, ciphertext = case.hex("plaintext"), case.hex("ciphertext")
    if case.expect is None:
        assert sender.seal(plaintext) == ciphertext
        assert recipient.open(ciphertext) == plaintext
        assert sender._sequence == recipient._sequence == [sequence + 1]
        return
    with raises(getattr(privproc.errors, case["expect_sender"])):
        sender.seal(plaintext)
    with raises(case.expect):
        recipient.open(ciphertext)
    assert sender._sequence == recipient._sequence == [sequence]
