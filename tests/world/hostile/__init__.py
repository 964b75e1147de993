"""Hostile runs, a catalogue of moves for each party. Each says how it must end, and how to take its check away.

``play`` runs the world with the misbehaviour and raises what was noticed, wherever that was: by the device, or by the
gateway or enclave, whose refusal tells the device nothing. ``without`` removes the check that notices it, for a test
that sees the misbehaviour succeed then.
"""

from tests.world.hostile import beside, device, enclave, gateway, host, issuer, ledger, mirrors, relay, renewal
from tests.world.hostile.run import RUNS, Run, question_left

__all__ = [
    "RUNS",
    "Run",
    "beside",
    "device",
    "enclave",
    "gateway",
    "host",
    "issuer",
    "ledger",
    "mirrors",
    "question_left",
    "relay",
    "renewal",
]
