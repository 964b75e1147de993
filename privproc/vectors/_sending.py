"""Encapsulations that a case fixes: by the ephemeral key, or for X-Wing all of it, as ML-KEM's coins can't be given."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

from privproc import hpke
from privproc.hpke import PrivateKey, PublicKey, Sender, Suite
from privproc.secret import Secret
from privproc.vectors import _straight as straight
from privproc.vectors.case import Case

__all__ = ["by_hand", "by_library"]


def by_hand(case: Case, kem: int, private: bytes, suffix: str = "") -> tuple[bytes, bytes]:
    """``enc`` and shared secret of the exchange whose fields end with ``suffix``; ``private`` is the receiver's."""
    if kem == straight.X25519:
        return straight.encap(straight.public_key(kem, private), case.hex("ephemeral_secret" + suffix))
    enc = case.hex("enc" + suffix)
    return enc, straight.decap(kem, private, enc)


@contextmanager
def by_library(case: Case, private: bytes, suffix: str = "") -> Iterator[None]:
    """Where OHTTP sets up a sender within, it is that of the case."""

    def setup(suite: Suite, key: PublicKey, info: bytes) -> tuple[bytes, Sender]:
        if suite.kem is hpke.Kem.X25519_SHA256:
            ephemeral = PrivateKey.decode(suite.kem, Secret(case.hex("ephemeral_secret" + suffix)))
            return hpke._derand_setup_sender(suite, key, info, ephemeral)
        enc = case.hex("enc" + suffix)
        shared = hpke.decap(PrivateKey.decode(suite.kem, Secret(private)), enc)
        return enc, Sender(suite, shared.expose(), info, None)

    with mock.patch("privproc.ohttp.client.setup_sender", setup):
        yield
