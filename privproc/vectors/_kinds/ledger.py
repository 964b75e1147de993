"""A proof of the log and what is demanded of it; the logged digest and its end, or the refusal."""

from __future__ import annotations

from privproc.ledger import Checkpoint, LogPolicy, NoteKey, Proof, read_policy, verify
from privproc.vectors.case import Case, raises


def run(case: Case) -> None:
    policy, floor = case["policy"], case["floor"]
    data = case["proof"].encode()
    demanded = {name: case[name] for name in ("namespace", "role", "minimum_version", "at")}

    def check():
        if "text" in policy:
            (log,) = read_policy(policy["text"].encode(), max_age=policy["max_age"]).values()
        else:
            log = LogPolicy(
                NoteKey.parse(policy["key"]),
                tuple(map(NoteKey.parse, policy["witnesses"])),
                policy["threshold"],
                policy["max_age"],
            )
        head = Checkpoint(log.key.name, floor["size"], bytes.fromhex(floor["root"]))
        return verify(data, log=log, floor=head, **demanded)

    if case.expect:
        with raises(case.expect):
            check()
        return
    logged = check()
    logged.confirm(case.hex("digest"), at=case["at"])
    assert logged.not_after == case["not_after"]
    assert Proof.decode(data).encode() == data
