"""Key configurations (RFC 9458 §3), bare (``config``) or as ``application/ohttp-keys`` (``list``), and the choice.

``configs`` and ``skipped`` are what decoding gives, ``selected`` is what a client with that ``preference`` then takes.
``expect`` is the outcome of the whole.
"""

from __future__ import annotations

from privproc.hpke import Suite
from privproc.keyconfig import KeyConfig, KeyConfigs, select
from privproc.vectors.case import Case, raises


def run(case: Case) -> None:
    data, form = case.hex("data"), case["form"]
    if "configs" not in case:
        with raises(case.expect) as caught:
            (KeyConfig if form == "config" else KeyConfigs).decode(data)
        assert type(caught.value) is case.expect
        return
    if form == "config":
        decoded = KeyConfig.decode(data)
        configs = KeyConfigs((decoded,))
    else:
        decoded = configs = KeyConfigs.decode(data)
    assert decoded.encode() == data
    assert [describe(config) for config in configs.configs] == case["configs"]
    assert [[entry.key_id, entry.kem] for entry in configs.skipped] == case.get("skipped", [])
    preference = [Suite.from_ids(*ids) for ids in case["preference"]]
    if case.expect is not None:
        with raises(case.expect):
            select(configs, preference)
        return
    selection = select(configs, preference)
    suite = selection.suite
    assert [selection.config.key_id, suite.kem, suite.kdf, suite.aead] == case["selected"]


def describe(config):
    return {
        "key_id": config.key_id,
        "kem": config.kem,
        "public_key": config.public_key.encode().hex(),
        "suites": [list(pair) for pair in config.suites],
    }
