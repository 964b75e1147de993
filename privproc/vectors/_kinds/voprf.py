"""RFC 9497 A: key, blinding, evaluation, proof and output, by every backend of the suite; OPRF without proof."""

from __future__ import annotations

import contextlib

from privproc import voprf
from privproc.errors import UsageError
from privproc.secret import Secret
from privproc.vectors.case import Case
from privproc.voprf.ristretto import Ed25519Ristretto
from privproc.voprf.suite import context

PORTABLE = voprf.Suite("ristretto255-SHA512", Ed25519Ristretto(), "sha512")
SODIUM: voprf.Suite | None = None
with contextlib.suppress(UsageError):  # libsodium isn't everywhere
    SODIUM = voprf.ristretto255()

SUITES = {suite.identifier: [suite] for suite in (voprf.P256_SHA256, voprf.P384_SHA384, voprf.P521_SHA512)} | {
    PORTABLE.identifier: [PORTABLE] if SODIUM is None else [PORTABLE, SODIUM]
}


def hexes(case, name: str) -> list[bytes]:
    return [bytes.fromhex(value) for value in case[name]]


# req: rfc9497/4 suites
# req: rfc9497/3.1 mode-separation
# req: rfc9497/3.2.1 derived-keys
# req: rfc9497/3.3.1 output-over-input-and-element
def run(case: Case) -> None:
    assert case.expect is None
    for suite in SUITES[case["suite"]]:
        _run(case, suite)


def _run(case, suite: voprf.Suite) -> None:
    mode = voprf.Mode(case["mode"])
    assert b"HashToGroup-" + context(suite, mode).string == case.hex("groupDST")
    key = voprf.PrivateKey.derive(suite, mode, Secret(case.hex("seed")), case.hex("keyInfo"))
    assert key.to_secret().expose() == case.hex("skSm")
    assert voprf.PrivateKey(suite, Secret(case.hex("skSm"))).public_key == key.public_key
    if mode is voprf.Mode.OPRF:
        client, server = voprf.OprfClient(suite), voprf.OprfServer(key)
    else:
        assert key.public_key == voprf.PublicKey(suite, case.hex("pkSm"))
    if mode is voprf.Mode.VOPRF:
        client, server = voprf.VoprfClient(key.public_key), voprf.VoprfServer(key)
    elif mode is voprf.Mode.POPRF:
        info = case.hex("Info")
        client, server = voprf.PoprfClient(key.public_key, info), voprf.PoprfServer(key, info)

    inputs, outputs = hexes(case, "Input"), tuple(hexes(case, "Output"))
    blinded, pending = client._derand_blind(inputs, hexes(case, "Blind"))
    assert blinded == tuple(hexes(case, "BlindedElement"))
    expected = tuple(hexes(case, "EvaluationElement"))
    if mode is voprf.Mode.OPRF:
        assert server.blind_evaluate(blinded) == expected
        assert pending.finish(expected) == outputs
    else:
        proof = case.hex("Proof")
        assert server._derand_blind_evaluate(blinded, case.hex("ProofRandomScalar")) == (expected, proof)
        assert pending.finish(expected, proof) == outputs
    assert tuple(map(server.evaluate, inputs)) == outputs
