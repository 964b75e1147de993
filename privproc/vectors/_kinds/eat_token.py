"""RFC 9711: signed tokens, and the decision about each: with a nonce, or as a passport where the case has none."""

from __future__ import annotations

from cryptography.hazmat.primitives.serialization import load_der_public_key

from privproc.attestation import eat
from privproc.vectors._kinds.eat import stated
from privproc.vectors.case import Case, raises


def run(case: Case) -> None:
    expected = {
        "key": load_der_public_key(case.hex("key")),
        "profile": case["profile"],
        "audience": case["audience"],
        "demands": demands(case["demands"]),
        "max_age": case["max_age"],
        "at": case["at"],
    }
    token = case.hex("token")
    if "nonce" in case:  # bytes in hex for a CWT, text for a JWT, each in a list of its kind
        kind, value = case["nonce"]
        expected["nonce"] = bytes.fromhex(value) if kind == "hex" else value
    decide = eat.verify if "nonce" in case else eat.verify_passport
    if case.expect is not None:
        with raises(case.expect) as raised:
            decide(token, **expected)
        assert raised.value.check == case["check"]
        return
    found = decide(token, **expected)
    assert stated(found.claims.get(at=case["at"])) == case["claims"]
    assert (found.claims.digest.hex(), found.claims.not_after) == (case["digest"], case["not_after"])


def demands(value: dict) -> eat.Demands:
    """What isn't there isn't demanded."""
    anything = eat.ANYTHING
    hardware = [
        (_oemid(maker), anything if model is None else bytes.fromhex(model))
        for maker, model in value.get("hardware", ())
    ]
    return eat.Demands(
        ueids=frozenset(map(bytes.fromhex, value.get("ueids", ()))) or anything,
        hardware=frozenset(hardware) or anything,
        debug=eat.DebugStatus[value["debug"]] if "debug" in value else anything,
        oemboot=value.get("oemboot", False),
        measured=frozenset(value.get("measured", ())) or anything,
        submods={name: demands(it) for name, it in value.get("submods", {}).items()},
    )


def _oemid(value: int | str) -> int | bytes:
    return value if isinstance(value, int) else bytes.fromhex(value)
