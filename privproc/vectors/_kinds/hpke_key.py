"""A received key that must be refused: when it is read, or with ``use`` when something is encapsulated to it.

``half`` is public or private.
"""

from __future__ import annotations

from privproc.hpke import Kem, PrivateKey, PublicKey, encap
from privproc.secret import Secret
from privproc.vectors.case import Case, raises


def run(case: Case) -> None:
    kem, encoded, expected = Kem(case["kem"]), case.hex("encoded"), case.expect
    if case["half"] == "private":
        with raises(expected) as raised:
            PrivateKey.decode(kem, Secret(encoded))
    elif case.get("use", default=False):
        key = PublicKey.decode(kem, encoded)
        with raises(expected) as raised:
            encap(key)
    else:
        with raises(expected) as raised:
            PublicKey.decode(kem, encoded)
    assert type(raised.value) is expected
