"""ML-DSA-44 on notes, quorums of witnesses, and checkpoints by themselves."""

from __future__ import annotations

from dataclasses import replace

import pytest
from cryptography.exceptions import UnsupportedAlgorithm
from hypothesis import given
from hypothesis import strategies as st

from privproc.errors import (
    DecodeError,
    ExpiredError,
    SignatureError,
    UnsupportedError,
    UntrustedError,
    UsageError,
)
from privproc.ledger import (
    SKEW,
    Checkpoint,
    Entry,
    Group,
    LogPolicy,
    NoteKey,
    Proof,
    Witnessed,
    checkpoint,
    read_policy,
    verify_checkpoint,
)
from privproc.ledger.checkpoint import (
    COSIGNATURE,
    ED25519,
    MAX_NOTE,
    ML_DSA_44,
    Note,
    NoteSignature,
    cosigned_subtree,
)
from privproc.ledger.merkle import leaf_hash, verify_inclusion
from tests.world.ledger import Ledger, Party

T = 1_800_000_000
DAY = 86_400
HEAD = Checkpoint("log.example/privproc", 7, bytes(range(32)))
WITNESS = Party("witness.example/pq", ML_DSA_44)


@pytest.fixture(scope="module")
def hybrid() -> Ledger:
    """A log with ML-DSA throughout."""
    ledger = Ledger(witnesses=2, kinds=(ML_DSA_44, ML_DSA_44))
    ledger.append(Entry("example", "orchestrator", bytes(48), T + 21 * DAY, 3))
    return ledger


# ML-DSA


def test_subtree_message_is_the_specifications() -> None:
    name, origin = b"witness.example/pq", b"log.example/privproc"
    assert cosigned_subtree(name.decode(), T, HEAD) == (
        b"subtree/v1\n\0"
        b"\x12" + name + T.to_bytes(8, "big") + b"\x14" + origin + bytes(8) + b"\0\0\0\0\0\0\0\7" + HEAD.root
    )


def test_what_cannot_be_said_in_a_subtree_message() -> None:
    for cosigner, time, head in (
        ("", T, HEAD),
        ("é" * 128, T, HEAD),
        ("a", -1, HEAD),
        ("a", 1 << 63, HEAD),
        ("a", T, replace(HEAD, origin="a" * 256)),
        ("a", T, replace(HEAD, extensions=("extension",))),
    ):
        with pytest.raises(UsageError):
            cosigned_subtree(cosigner, time, head)
    assert len(cosigned_subtree("é" * 127 + "a", (1 << 63) - 1, replace(HEAD, origin="a" * 255))) == 12 + 512 + 64 - 8
    assert len(cosigned_subtree("a", 0, replace(HEAD, origin="a"))) == 12 + 4 + 64 - 8


def test_ml_dsa_keys() -> None:
    vkey = str(WITNESS.key)
    assert NoteKey.parse(vkey) == WITNESS.key
    assert len(WITNESS.key.public) == 1312
    for place in range(len(vkey) - 5, len(vkey)):
        with pytest.raises((DecodeError, UnsupportedError)):
            NoteKey.parse(vkey[:place])
    for kind, size in ((ML_DSA_44, 32), (ED25519, 1312), (COSIGNATURE, 1312), (ML_DSA_44, 1311), (5, 32)):
        with pytest.raises(UsageError):
            NoteKey("a", kind, bytes(size))
    with pytest.raises(UsageError):
        NoteKey("é" * 128, ML_DSA_44, bytes(1312))
    assert "1312" not in repr(NoteKey("é" * 127, ML_DSA_44, bytes(1312)))


def test_without_ml_dsa_in_the_crypto_library(monkeypatch: pytest.MonkeyPatch) -> None:
    class Without:
        @staticmethod
        def from_public_bytes(data: bytes) -> None:
            raise UnsupportedAlgorithm("no ML-DSA")

    monkeypatch.setattr(checkpoint, "MLDSA44PublicKey", Without)
    with pytest.raises(UnsupportedError):
        NoteKey("a", ML_DSA_44, bytes(1312))


def test_a_key_signs_as_log_and_as_witness() -> None:
    text = HEAD.encode()
    note = Note(text, (WITNESS.sign(text, T), WITNESS.sign(text, 0)))
    note.verify(WITNESS.key)
    assert note.cosigned(WITNESS.key) == [T, 0]
    assert Note.decode(note.encode()) == note
    with pytest.raises(UntrustedError):
        Note(text, ()).verify(WITNESS.key)
    with pytest.raises(UsageError):
        note.verify(Party("a", COSIGNATURE).key)


def test_sixteen_post_quantum_signatures_fit() -> None:
    text = HEAD.encode()
    line = WITNESS.sign(text, T)
    data = Note(text, (line,) * 16).encode()
    assert len(data) < MAX_NOTE
    assert Note.decode(data).cosigned(WITNESS.key) == [T] * 16


@given(st.integers(0, 2427), st.integers(1, 255))
def test_every_byte_of_a_signature_counts(place: int, change: int) -> None:
    text = HEAD.encode()
    line = SIGNED
    changed = bytearray(line.signature)
    changed[place] ^= change
    with pytest.raises((SignatureError, DecodeError)):
        Note(text, (NoteSignature(line.name, line.key_id, bytes(changed)),)).cosigned(WITNESS.key)


SIGNED = WITNESS.sign(HEAD.encode(), T)


def test_text_that_is_no_checkpoint_has_no_ml_dsa_signature() -> None:
    for text in (b"text\n", HEAD.encode() + b"extension\n", replace(HEAD, origin="a" * 256).encode()):
        note = Note(text, (SIGNED,))
        for verifying in (note.verify, note.cosigned):
            with pytest.raises(DecodeError):
                verifying(WITNESS.key)


def test_other_lengths_are_malformed() -> None:
    for signature in (SIGNED.signature[:-1], SIGNED.signature + b"\0", SIGNED.signature[:72]):
        with pytest.raises(DecodeError, match="2420"):
            Note(HEAD.encode(), (NoteSignature(SIGNED.name, SIGNED.key_id, signature),)).cosigned(WITNESS.key)


# Checkpoints by themselves


def test_witnessed(hybrid: Ledger) -> None:
    found = verify_checkpoint(hybrid.checkpoint(T), log=hybrid.policy(), at=T + 60)
    assert (found.checkpoint, found.witnessed_at, found.not_after) == (hybrid.head(), T, T + DAY)
    with pytest.raises(UsageError):
        Witnessed()
    with pytest.raises(UsageError):
        verify_checkpoint(hybrid.checkpoint(T), log=None, at=T)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("at", "error"),
    [(T + DAY - 1, None), (T + DAY, ExpiredError), (T - SKEW, None), (T - SKEW - 1, ExpiredError)],
)
def test_a_checkpoints_age(hybrid: Ledger, at: int, error: type[Exception] | None) -> None:
    def check() -> Witnessed:
        return verify_checkpoint(hybrid.checkpoint(T), log=hybrid.policy(), at=at)

    if error is None:
        assert check().not_after == T + DAY
    else:
        with pytest.raises(error):
            check()


def test_a_checkpoint_of_another_log(hybrid: Ledger) -> None:
    text = replace(hybrid.head(), origin="other.example").encode()
    note = Note(text, tuple(party.sign(text, T) for party in (hybrid.log, *hybrid.witnesses)))
    with pytest.raises(UntrustedError, match="another log"):
        verify_checkpoint(note.encode(), log=hybrid.policy(), at=T)


def test_a_log_without_ml_dsa_line(hybrid: Ledger) -> None:
    text = hybrid.head().encode()
    note = Note(text, tuple(party.sign(text, T) for party in hybrid.witnesses))
    with pytest.raises(UntrustedError, match="not signed"):
        verify_checkpoint(note.encode(), log=hybrid.policy(), at=T)


# req: privproc1/7.5 time-zero-is-none
def test_a_time_of_zero_is_no_age(hybrid: Ledger) -> None:
    text = hybrid.head().encode()
    first, second = hybrid.witnesses
    note = Note(text, (hybrid.log.sign(text, 0), first.sign(text, T), second.sign(text, 0)))
    with pytest.raises(UntrustedError, match="1 witnesses"):
        verify_checkpoint(note.encode(), log=hybrid.policy(max_age=1 << 40), at=T)
    again = Note(text, (*note.signatures, second.sign(text, T - 5)))
    assert verify_checkpoint(again.encode(), log=hybrid.policy(), at=T).witnessed_at == T - 5


def test_a_published_proof_under_a_policy(shared) -> None:
    """The proof of Oak's tests, whole: log, witness, quorum, age and inclusion."""
    proof = Proof.decode((shared / "attestation/tlog/oak_test.tlog-proof").read_bytes())
    text = (
        b"log fake.log.origin/log+527eabb8+AddT9PtBhhNAsDYZ0V0euiRbXuvrLsw4L6vKARfipnmz\n"
        b"witness w test-witness+26349ef0+BIQDFTUlktisMqJzWn8qhteWrRr4dLcQ9R37T+8LQyQF\n"
        b"quorum w\n"
    )
    (policy,) = read_policy(text, max_age=DAY).values()
    found = verify_checkpoint(proof.checkpoint, log=policy, at=1771605822 + DAY - 1)
    assert (found.checkpoint.origin, found.checkpoint.size) == ("fake.log.origin/log", 4)
    assert found.witnessed_at == 1771605822
    head = found.checkpoint
    verify_inclusion(leaf_hash(b"test entry data"), proof.index, head.size, proof.hashes, head.root)
    with pytest.raises(SignatureError):
        verify_inclusion(leaf_hash(b"other entry data"), proof.index, head.size, proof.hashes, head.root)
    with pytest.raises(ExpiredError):
        verify_checkpoint(proof.checkpoint, log=policy, at=1771605822 + DAY)


# Quorums

KEYS = [Party(f"witness{i}.example", COSIGNATURE).key for i in range(6)]


def test_groups_are_checked() -> None:
    log = Party("log.example", ED25519).key
    for threshold, members in ((0, (KEYS[0],)), (2, (KEYS[0],)), (0, ()), (1, ()), (1, (log,))):
        with pytest.raises(UsageError):
            Group(threshold, members)
    inner = Group(1, (KEYS[0], KEYS[1]))
    for witnesses in ((inner, KEYS[0]), (inner, inner), (inner, NoteKey("other", COSIGNATURE, KEYS[1].public))):
        with pytest.raises(UsageError):
            LogPolicy(log, witnesses, 1, DAY)
    with pytest.raises(UsageError):
        LogPolicy(log, (inner, NoteKey("other", COSIGNATURE, log.public)), 1, DAY)
    pq = Party("log.example", ML_DSA_44).key
    with pytest.raises(UsageError):
        LogPolicy(pq, (inner, NoteKey("other", ML_DSA_44, pq.public)), 1, DAY)
    assert LogPolicy(pq, (inner, Party("other", ML_DSA_44).key), 2, DAY).quorum.keys[:2] == KEYS[:2]


def shapes(keys: list[NoteKey]) -> st.SearchStrategy[Group]:
    """Groups over exactly these keys, nested at will."""
    if len(keys) < 2:
        return st.just(Group(1, tuple(keys)))
    flat = st.integers(1, len(keys)).map(lambda k: Group(k, tuple(keys)))

    def join(cut: int) -> st.SearchStrategy[Group]:
        return st.builds(
            lambda left, right, k: Group(k, (left, right)), shapes(keys[:cut]), shapes(keys[cut:]), st.integers(1, 2)
        )

    return flat | st.integers(1, len(keys) - 1).flatmap(join)


def met(member: NoteKey | Group, cosigners: set[NoteKey]) -> bool:
    """The sentence of the specification, said again."""
    if isinstance(member, NoteKey):
        return member in cosigners
    return sum(met(each, cosigners) for each in member.members) >= member.threshold


@given(shapes(KEYS), st.lists(st.none() | st.integers(1, 9), min_size=6, max_size=6))
def test_a_quorum_has_its_newest_sufficient_time(group: Group, times: list[int | None]) -> None:
    known = {key: time for key, time in zip(KEYS, times, strict=True) if time is not None}
    since = group.since(known)
    enough = [time for time in range(1, 10) if met(group, {key for key, seen in known.items() if seen >= time})]
    assert since == max(enough, default=None)
    assert group.keys == KEYS
