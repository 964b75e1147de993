"""A revocation list with the proof of the log for it: the digests that it revokes, or the refusal."""

from __future__ import annotations

from privproc.errors import PolicyError
from privproc.ledger import Checkpoint, LogPolicy, NoteKey, Revocations, revocation, verify
from privproc.vectors.case import Case, raises


# req: privproc1/7.9 list-form
def run(case: Case) -> None:
    policy, floor, at = case["policy"], case["floor"], case["at"]
    data = case.hex("list")
    witnesses = tuple(map(NoteKey.parse, policy["witnesses"]))
    log = LogPolicy(NoteKey.parse(policy["key"]), witnesses, policy["threshold"], policy["max_age"])
    logged = verify(
        case["proof"].encode(),
        namespace=case["namespace"],
        role=revocation.ROLE,
        log=log,
        floor=Checkpoint(log.key.name, floor["size"], bytes.fromhex(floor["root"])),
        minimum_version=case["minimum_version"],
        at=at,
    )
    asked = [bytes.fromhex(value) for value in case["asked"]]

    def check():
        verified = revocation.verify(data, logged=logged, max_age=case["max_age"], at=at)
        verified.check(*asked, at=case["asked_at"])
        return verified

    if case.expect:
        with raises(case.expect):
            check()
        # What a refused case doesn't reach is read here, so that it counts as consumed.
        _ = case["max_age"], case["asked_at"]
        return
    verified = check()
    assert (verified.epoch, verified.not_after) == (case["epoch"], case["not_after"])
    assert verified.digest == case.hex("digest")
    assert verified.revoked == {bytes.fromhex(value) for value in case["revoked"]}
    for digest in verified.revoked:
        with raises(PolicyError):
            verified.check(*asked, digest, at=at)
    assert Revocations.decode(data).encode() == data
