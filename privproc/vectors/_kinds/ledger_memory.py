"""A memory of checkpoints: its encoding, and what an update with a package's checkpoint makes of it."""

from __future__ import annotations

from privproc import trust
from privproc.ledger import Checkpoint, CheckpointMemory
from privproc.vectors.case import Case, raises


def run(case: Case) -> None:
    def check() -> CheckpointMemory:
        memory = CheckpointMemory.decode(case.hex("memory"))
        if "checkpoint" not in case:
            return memory
        proof = case["proof"]
        head = case["checkpoint"].encode()
        seen = trust.pin(Checkpoint.decode(head), head, not_before=0, not_after=1)
        hashes = None if proof is None else [bytes.fromhex(value) for value in proof]
        return memory.update(seen, hashes, proof_required=case["proof_required"], at=0)

    if case.expect:
        with raises(case.expect):
            check()
        return
    assert CheckpointMemory.decode(case.hex("memory")).encode() == case.hex("memory")
    after = check()
    assert after.encode() == case.hex("after")
    assert CheckpointMemory.decode(case.hex("after")) == after
