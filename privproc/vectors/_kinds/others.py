"""Binders of other systems: report data from key, nonce and exporter value, and the level."""

from __future__ import annotations

from privproc.attestation import others
from privproc.secret import Secret
from privproc.vectors.case import Case, raises


def run(case: Case) -> None:
    system = case["system"]
    inputs = {name: bytes.fromhex(value) for name, value in case["inputs"].items()}
    if case.expect is not None:
        with raises(case.expect):
            _make(system, inputs)
        return
    made = _make(system, inputs)
    assert made.report_data == case.hex("report_data")
    assert made.level.value == case["level"]


def _make(system: str, inputs: dict[str, bytes]) -> others.KeyBound | others.HandshakeBound | others.SessionBound:
    exported = inputs.pop("exporter_value", b"")
    label = inputs.pop("exporter_label", b"")

    def export(asked: bytes, context: bytes, length: int) -> Secret:
        assert (asked, context, length) == (label, inputs.get("request_context", b""), 32)
        return Secret(exported)

    if system == "client_random":
        return others.client_random(vulnerable_to=inputs.pop("vulnerable_to").decode(), **inputs)
    if system == "azure_hcl":
        return others.azure_hcl(inputs["runtime"])
    if system == "cocos":
        return others.cocos(export, digest="sha384", **inputs)
    if system in ("flashbots", "atlas"):
        return {"flashbots": others.flashbots, "atlas": others.atlas}[system](export, **inputs)  # type: ignore[operator]
    made: others.KeyBound = getattr(others, system)(**inputs)
    return made
