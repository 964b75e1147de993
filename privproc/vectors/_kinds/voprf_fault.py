"""One thing that a party of the VOPRF must refuse, by every backend of the suite; or an honest run beside it."""

from __future__ import annotations

from contextlib import nullcontext

from privproc import voprf
from privproc.secret import Secret
from privproc.vectors._kinds.voprf import SUITES, hexes
from privproc.vectors.case import Case, raises


# req: rfc9497/2.1 elements-are-validated
# req: rfc9497/3.3 identity-is-refused
def run(case: Case) -> None:
    for suite in SUITES[case["suite"]]:
        with raises(case.expect) if case.expect else nullcontext() as caught:
            OPERATIONS[case["operation"]](case, suite)
        assert case.expect is None or type(caught.value) is case.expect


def _public_key(case, suite: voprf.Suite) -> None:
    assert voprf.PublicKey(suite, case.hex("pkS")).encoded == case.hex("pkS")


def _private_key(case, suite: voprf.Suite) -> None:
    assert voprf.PrivateKey(suite, Secret(case.hex("skS"))).to_secret().expose() == case.hex("skS")


def _evaluate(case, suite: voprf.Suite) -> None:
    key = voprf.PrivateKey(suite, Secret(case.hex("skS")))
    voprf.VoprfServer(key).blind_evaluate(hexes(case, "blinded"))


def _finish(case, suite: voprf.Suite) -> None:
    client = voprf.VoprfClient(voprf.PublicKey(suite, case.hex("pkS")))
    _, pending = client._derand_blind(hexes(case, "inputs"), hexes(case, "blinds"))
    pending.finish(hexes(case, "evaluated"), case.hex("proof"))


def _blind(case, suite: voprf.Suite) -> None:
    voprf.OprfClient(suite)._derand_blind(hexes(case, "inputs"), hexes(case, "blinds"))


def _scalars(case, suite: voprf.Suite) -> None:
    """A whole run with given scalars."""
    key = voprf.PrivateKey(suite, Secret(case.hex("skS")))
    server, message = voprf.VoprfServer(key), case.hex("input")
    blinded, pending = voprf.VoprfClient(key.public_key)._derand_blind([message], [case.hex("blind")])
    assert blinded == (case.hex("blinded"),)
    (evaluated,), proof = server._derand_blind_evaluate(blinded, case.hex("nonce"))
    assert (evaluated, proof) == (case.hex("evaluated"), case.hex("proof"))
    assert pending.finish((evaluated,), proof) == (case.hex("output"),) == (server.evaluate(message),)


OPERATIONS = {
    "scalars": _scalars,
    "public key": _public_key,
    "private key": _private_key,
    "evaluate": _evaluate,
    "finish": _finish,
    "blind": _blind,
}
