"""``sigma-proofs``: a compact proof of a linear relation over P-256, verified under each framing, and made again."""

from __future__ import annotations

from contextlib import nullcontext

from privproc.errors import SignatureError
from privproc.tokens.experimental.sigma import P256, Framing, Relation, prove, verify
from privproc.vectors.case import Case, raises


def run(case: Case) -> None:
    assert case.expect is None
    statement, session = case.hex("statement"), case.hex("session")
    relation = _relation(statement, case["scalars"])
    assert relation.label() == statement
    witness = case.hex("witness")
    secrets = [P256.decode_scalar(witness[place : place + 32], "witness") for place in range(0, len(witness), 32)]
    for framing in Framing:
        made = prove(framing, session, relation, secrets)
        verify(framing, session, relation, made)
        published = nullcontext() if framing.name == case["framing"] else raises(SignatureError)
        with published:
            verify(framing, session, relation, case.hex("proof"))
    with raises(SignatureError):
        verify(Framing[case["framing"]], session + b"!", relation, case.hex("proof"))


def _relation(statement: bytes, scalars: int) -> Relation:
    """The relation that an encoded statement describes."""
    relation, place = Relation(P256), 0
    relation.allocate(scalars)

    def word() -> int:
        nonlocal place
        place += 4
        return int.from_bytes(statement[place - 4 : place], "little")

    for _ in range(word()):
        lhs = word()
        relation.equate(lhs, *[(word(), word()) for _ in range(word())])
    elements = range(place, len(statement), P256.group.element_size)
    relation.add(*(P256.group.decode(statement[at : at + P256.group.element_size], "element") for at in elements))
    return relation
