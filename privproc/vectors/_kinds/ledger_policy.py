"""A policy of c2sp.org/tlog-policy: its logs and its quorum, and which sets of witnesses meet that."""

from __future__ import annotations

from privproc.ledger import Group, LogPolicy, NoteKey, read_policy
from privproc.vectors.case import Case, raises


def tree(member):
    """The quorum as it stands in the file: a witness is its key's name, a group its threshold and its members."""
    if isinstance(member, NoteKey):
        return member.name
    return [member.threshold, *map(tree, member.members)]


def run(case: Case) -> None:
    data, max_age = case["policy"].encode("latin-1"), case["max_age"]
    if case.expect:
        with raises(case.expect):
            read_policy(data, max_age=max_age)
        return
    policies = read_policy(data, max_age=max_age)
    assert list(policies) == case["logs"]
    for origin, policy in policies.items():
        assert policy.key.name == origin
        assert policy == LogPolicy(policy.key, policy.witnesses, policy.threshold, max_age)
        assert tree(policy.quorum) == case["quorum"]
        keys = {key.name: key for key in policy.quorum.keys}
        for names, met in case["sets"]:
            assert (policy.quorum.since({keys[name]: 7 for name in names}) == 7) is met
        assert isinstance(policy.quorum, Group)
