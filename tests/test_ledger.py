"""The ledger: Merkle trees, notes and checkpoints, entries, proofs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from privproc.errors import (
    DecodeError,
    ExpiredError,
    PolicyError,
    SignatureError,
    UnsupportedError,
    UntrustedError,
    UsageError,
)
from privproc.ledger import SKEW, Checkpoint, Entry, Logged, LogPolicy, NoteKey, Proof, verify
from privproc.ledger.checkpoint import (
    COSIGNATURE,
    ED25519,
    MAX_NOTE,
    Note,
    NoteSignature,
    cosigned_message,
)
from privproc.ledger.merkle import EMPTY_ROOT, leaf_hash, node_hash, verify_consistency, verify_inclusion
from tests.codec import check_codec, check_contract
from tests.world.ledger import Ledger, Party, consistency, path, root

T = 1_800_000_000
DAY = 86_400
DIGEST = bytes(range(48))
ENTRY = Entry("example", "orchestrator", DIGEST, T + 21 * DAY, 3)
# The leaves of the tree of Certificate Transparency's own tests, whose roots the published probes use.
LEAVES = [
    bytes.fromhex(leaf)
    for leaf in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
]
ROOT_OF_EIGHT = "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"


@pytest.fixture(scope="module")
def world() -> Ledger:
    ledger = Ledger()
    for i in range(3):
        ledger.append(Entry("example", "predictor", bytes([i]) * 48, T + 21 * DAY, 1))
    ledger.append(ENTRY)
    ledger.append(Entry("example", "gateway", bytes(32), T + 21 * DAY, 1))
    return ledger


def check(world: Ledger, proof: bytes | None = None, **expected) -> Logged:
    asked = {
        "namespace": "example",
        "role": "orchestrator",
        "log": world.policy(),
        "floor": world.head(4),
        "minimum_version": 3,
        "at": T + 60,
    }
    return verify(world.prove(3, T) if proof is None else proof, **asked | expected)


# Merkle


def test_the_worlds_tree_is_the_published_one() -> None:
    assert root([leaf_hash(leaf) for leaf in LEAVES]).hex() == ROOT_OF_EIGHT
    assert root([]) == EMPTY_ROOT


@given(st.integers(1, 40), st.data())
def test_inclusion(size: int, data) -> None:
    leaves = [leaf_hash(bytes([i])) for i in range(size)]
    index = data.draw(st.integers(0, size - 1))
    proof, head = path(index, leaves), root(leaves)
    verify_inclusion(leaves[index], index, size, proof, head)
    wrong = [
        (leaf_hash(b"other"), index, size, proof, head),
        (leaves[index], -1, size, proof, head),
        (leaves[index], size, size, proof, head),
        (leaves[index], index, size, [*proof, head], head),
        (leaves[index], index, size, proof, EMPTY_ROOT),
        (leaves[index], index, size, proof, head[:-1]),
        (leaves[index], index, size, [*proof[:-1], b""], head),
    ]
    wrong += [(leaves[index], other, size, proof, head) for other in range(size) if other != index]
    if proof:
        wrong.append((leaves[index], index, size, proof[:-1], head))
    for arguments in wrong:
        with pytest.raises(SignatureError):
            verify_inclusion(*arguments)


@given(st.integers(0, 40), st.data())
def test_consistency(size: int, data) -> None:
    leaves = [leaf_hash(bytes([i])) for i in range(size)]
    old = data.draw(st.integers(0, size))
    first, head = root(leaves[:old]), root(leaves)
    proof = consistency(old, leaves) if old else []
    verify_consistency(old, first, size, head, proof)
    wrong = [
        (old, leaf_hash(b"other"), size, head, proof),
        (old, first, size, head, [*proof, head]),
        (old, first, size, head, [*proof, head[1:]]),
        (size + 1, first, size, head, proof),
        (-1, first, size, head, proof),
    ]
    if old:
        wrong.append((old, first, size, leaf_hash(b"other"), proof))
    if proof:
        wrong.append((old, first, size, head, proof[:-1]))
    for arguments in wrong:
        with pytest.raises(SignatureError):
            verify_consistency(*arguments)


def test_every_pair_of_small_trees_is_consistent() -> None:
    """All the ways in which the right border of the old tree can run."""
    leaves = [leaf_hash(bytes([i])) for i in range(34)]
    heads = [root(leaves[:size]) for size in range(35)]
    for size in range(1, 35):
        for old in range(1, size + 1):
            proof = consistency(old, leaves[:size])
            verify_consistency(old, heads[old], size, heads[size], proof)


def test_short_consistency_proofs() -> None:
    leaves = [leaf_hash(leaf) for leaf in LEAVES]
    for size in range(1, 8):
        with pytest.raises(SignatureError, match="too short"):
            verify_consistency(size, root(leaves[:size]), 8, root(leaves), [])


def test_proofs_that_are_too_long_for_their_trees() -> None:
    a, b, c, d = (leaf_hash(leaf) for leaf in LEAVES[:4])
    with pytest.raises(SignatureError, match="too long"):
        verify_inclusion(a, 0, 1, [b], node_hash(b, a))
    old, new = node_hash(d, node_hash(c, a)), node_hash(d, node_hash(c, node_hash(a, b)))
    with pytest.raises(SignatureError, match="too long"):
        verify_consistency(3, old, 4, new, [a, b, c, d])


def test_hashes_of_wrong_lengths_do_not_add_up() -> None:
    leaves = [leaf_hash(leaf) for leaf in LEAVES]
    left, right = consistency(3, leaves)[:2]
    shifted = [left + right[:1], right[1:], *consistency(3, leaves)[2:]]
    with pytest.raises(SignatureError, match=r"^consistency proof: .*32 bytes"):
        verify_consistency(3, root(leaves[:3]), 8, root(leaves), shifted)
    with pytest.raises(SignatureError, match=r"^inclusion proof: .*32 bytes"):
        verify_inclusion(leaves[0], 0, 8, [b""], root(leaves))


# Notes, keys, checkpoints


def test_note_codec(world: Ledger) -> None:
    data = world.checkpoint(T)
    note = Note.decode(data)
    assert note.encode() == data
    for cut in range(len(data)):
        # A cut behind a line leaves a note with fewer signatures, which is well formed.
        try:
            shorter = Note.decode(data[:cut])
        except DecodeError:
            continue
        assert data[:cut].endswith(b"\n")
        assert shorter.signatures == note.signatures[: len(shorter.signatures)]
    with pytest.raises(DecodeError):
        Note.decode(data + b"\n")


@given(st.binary(max_size=200) | st.text(alphabet="\n— ab+=A\r\t\u2028", max_size=80).map(str.encode))
def test_notes_bytes_in_contract(data: bytes) -> None:
    check_contract(Note.decode, data)
    check_contract(Checkpoint.decode, data)
    check_contract(Proof.decode, data)
    check_contract(Entry.decode, data)
    check_contract(NoteSignature.decode, data.decode("utf-8", "replace"))
    check_contract(NoteKey.parse, data.decode("utf-8", "replace"))


@pytest.mark.parametrize(
    "line",
    [
        "— a QUFBQUE",
        "— a QUFBQUF=",
        "— a QUFBQUE=\r",
        "- a QUFBQUE=",
        "— QUFBQUE=",
        "—",
        "a QUFBQUE=",
        "—  QUFBQUE=",
        "— a+b QUFBQUE=",
        "— a  QUFBQUE=",
        "— a QUFBQQ==",
        "— a QUFB QUE=",
        "—\u2028a QUFBQUE=",
        "— a\u00a0b QUFBQUE=",
        "— a QUFBQUÉ=",
        f"— {'a' * 256} QUFBQUE=",
    ],
)
def test_malformed_lines(line: str) -> None:
    with pytest.raises(DecodeError):
        Note.decode(f"text\n\n{line}\n".encode())


@pytest.mark.parametrize(
    ("decode", "data", "what"),
    [
        (NoteKey.parse, "a b+00000000+AQ==", "verifier key"),
        (NoteKey.parse, "a\x7f+00000000+AQ==", "verifier key"),
        (NoteKey.parse, "a+00000000+AQ=", "verifier key"),
        (NoteKey.parse, "a+00000000+", "verifier key"),
        (NoteSignature.decode, "- a QUFBQUE=", "note"),
        (NoteSignature.decode, "— a+b QUFBQUE=", "note"),
        (NoteSignature.decode, "— a QUFBQUE", "note"),
        (Note.decode, b"text\n", "note"),
        (Checkpoint.decode, b"log\n1\n", "checkpoint"),
        (Checkpoint.decode, b"log\n01\n" + b"A" * 43 + b"=\n", "checkpoint"),
        (Checkpoint.decode, b"log\n1\nA\n", "checkpoint"),
        (Checkpoint.decode, b"log\n1\nAAAA\n", "checkpoint"),
        (Proof.decode, b"c2sp.org/tlog-proof@v1\nindex 0\n\n", "log proof"),
        (Proof.decode, b"c2sp.org/tlog-proof@v1\nindex 00\n\nnote", "log proof"),
        (Proof.decode, b"c2sp.org/tlog-proof@v1\nindex 0\nA\n\nnote", "log proof"),
        (Proof.decode, b"c2sp.org/tlog-proof@v1\nextra A\nindex 0\n\nnote", "log proof"),
    ],
)
def test_errors_name_what_was_read(decode, data, what: str) -> None:
    with pytest.raises(DecodeError) as raised:
        decode(data)
    assert raised.value.what == what


def test_a_note_ends_in_a_newline() -> None:
    assert Note.decode(b"text\n\n\xe2\x80\x94 a QUFBQUE=\n")
    for end in (b"", b"=", b" ", b"A"):
        with pytest.raises(DecodeError):
            Note.decode(b"text\n\n\xe2\x80\x94 a QUFBQUE=" + end)


def test_note_bounds() -> None:
    line = "— a QUFBQUE=\n"
    assert len(Note.decode(f"text\n\n{line * 64}".encode()).signatures) == 64
    longest = f"\n\n{line}".encode().rjust(MAX_NOTE, b"a")
    assert Note.decode(longest).encode() == longest
    with pytest.raises(DecodeError, match="more than"):
        Note.decode(b"a" + longest)
    for data in (f"text\n\n{line * 65}".encode(), line.encode(), b"\xff\n\n", f"te\txt\n\n{line}".encode()):
        with pytest.raises(DecodeError):
            Note.decode(data)


def test_verifier_keys() -> None:
    vkey = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
    assert str(NoteKey.parse(vkey)) == vkey
    for start in range(len(vkey)):
        for end in range(start, len(vkey) + 1):
            if end - start < len(vkey):
                with pytest.raises((DecodeError, UnsupportedError)):
                    NoteKey.parse(vkey[start:end])
    for place in range(len(vkey)):
        changed = vkey[:place] + chr(ord(vkey[place]) + 1) + vkey[place + 1 :]
        with pytest.raises((DecodeError, UnsupportedError)):
            NoteKey.parse(changed)
    for wrong in (vkey.replace("c74f20a3", "C74F20A3"), "Peter\x7f" + vkey[5:], "Peter\ud800" + vkey[5:]):
        with pytest.raises(DecodeError):
            NoteKey.parse(wrong)
    for name, kind, public in (("", 1, bytes(32)), ("a b", 1, bytes(32)), ("a", 2, bytes(32)), ("a", 1, bytes(31))):
        with pytest.raises(UsageError):
            NoteKey(name, kind, public)
    with pytest.raises(UsageError):
        NoteKey("\ud800", 1, bytes(32))
    with pytest.raises(UsageError, match=r"^note key: a key name"):
        NoteKey("a b", 1, bytes(32))


def test_names_have_up_to_255_bytes() -> None:
    longest = "a" + "é" * 127
    key = NoteKey(longest, ED25519, bytes(32))
    assert NoteKey.parse(str(key)) == key
    assert NoteSignature.decode(f"— {longest} QUFBQUE=").name == longest
    for name in (longest + "a", "é" * 128):
        with pytest.raises(UsageError):
            NoteKey(name, ED25519, bytes(32))
        with pytest.raises(DecodeError):
            NoteSignature.decode(f"— {name} QUFBQUE=")


def test_keys_are_looked_up_by_their_bytes() -> None:
    one, other = NoteKey("a", ED25519, bytes(32)), NoteKey("a", ED25519, b"\1" * 32)
    assert hash(one) == hash(NoteKey("a", ED25519, bytes(32)))
    assert hash(one) != hash(other)
    assert {one: 1, other: 2}[other] == 2


# req: privproc1/7.5 other-lines-are-skipped
def test_lines_of_others_are_skipped(world: Ledger) -> None:
    note = Note.decode(world.checkpoint(T))
    same_name = Party("log.example/privproc", COSIGNATURE)
    assert note.cosigned(same_name.key) == []
    stranger = NoteSignature(world.log.key.name, b"none", b"junk")
    Note(note.text, (stranger, *note.signatures)).verify(world.log.key)
    stranger = NoteSignature("other", world.log.key.key_id, b"junk")
    Note(note.text, (stranger, *note.signatures)).verify(world.log.key)


# req: privproc1/7.5 false-lines-are-errors
def test_a_false_line_of_a_known_key_spoils_the_note(world: Ledger) -> None:
    note = Note.decode(world.checkpoint(T))
    for key, verifying in ((world.log.key, Note.verify), (world.witnesses[0].key, Note.cosigned)):
        false = NoteSignature(key.name, key.key_id, bytes(64 if key.kind == ED25519 else 72))
        with pytest.raises(SignatureError):
            verifying(Note(note.text, (*note.signatures, false)), key)


def test_cosignatures_have_a_time_and_64_bytes(world: Ledger) -> None:
    note, witness = Note.decode(world.checkpoint(T)), world.witnesses[0]
    time = 1 << 63
    late = time.to_bytes(8, "big") + witness.private.sign(cosigned_message(note.text, time))
    plain = T.to_bytes(8, "big") + witness.private.sign(note.text)
    for signature, error in (
        (bytes(71), DecodeError),
        (bytes(73), DecodeError),
        (late, DecodeError),
        (plain, SignatureError),
    ):
        with pytest.raises(error):
            Note(note.text, (NoteSignature(witness.key.name, witness.key.key_id, signature),)).cosigned(witness.key)


def test_kinds_of_keys_are_not_mixed(world: Ledger) -> None:
    note = Note.decode(world.checkpoint(T))
    with pytest.raises(UsageError):
        note.verify(world.witnesses[0].key)
    with pytest.raises(UsageError):
        note.cosigned(world.log.key)


def test_cosigned_message_is_the_specifications() -> None:
    text = b"example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
    assert cosigned_message(text, 1679315147) == b"cosignature/v1\ntime 1679315147\n" + text


@given(st.integers(0, (1 << 63) - 1), st.binary(min_size=32, max_size=32), st.lists(st.sampled_from("abc"), max_size=3))
def test_checkpoint_codec(size: int, head: bytes, extensions: list[str]) -> None:
    value = Checkpoint("log.example", size, head, tuple(extensions))
    assert Checkpoint.decode(value.encode()) == value
    for wrong in (value.encode()[:-1], value.encode() + b"\n", b"\n" + value.encode()):
        with pytest.raises(DecodeError):
            Checkpoint.decode(wrong)


@pytest.mark.parametrize(
    "lines",
    [
        ["log", "1"],
        ["log", "01", "x"],
        ["log", "-1", "x"],
        ["log", "1_0", "x"],
        ["log", "٣", "x"],
        ["log", str(1 << 63), "x"],
        ["log", "9" * 20, "x"],
        ["log", "9" * 5000, "x"],
        ["log", "1", "AAAA"],
        ["log", "1", "x", *["extension"] * 17],
        ["log\r", "1", "x"],
    ],
)
def test_malformed_checkpoints(lines: list[str]) -> None:
    text = "".join(f"{'A' * 43 + '=' if line == 'x' else line}\n" for line in lines)
    with pytest.raises(DecodeError):
        Checkpoint.decode(text.encode())
    with pytest.raises(DecodeError):
        Checkpoint.decode(b"\xff" + text.encode())


def test_checkpoint_bounds() -> None:
    largest = Checkpoint("log", (1 << 63) - 1, bytes(32), ("extension",) * 16)
    empty = Checkpoint("log", 0, bytes(32))
    for value in (largest, empty):
        assert Checkpoint.decode(value.encode()) == value
    for arguments in (("log", 1 << 63, bytes(32)), ("log", 0, bytes(33)), ("log", 0, bytes(32), ("extension",) * 17)):
        with pytest.raises(UsageError):
            Checkpoint(*arguments)
    longest = empty.encode() + b"a" * (MAX_NOTE - len(empty.encode()) - 1) + b"\n"
    assert Checkpoint.decode(longest).encode() == longest
    with pytest.raises(DecodeError, match="more than"):
        Checkpoint.decode(longest[:-1] + b"a\n")


def test_checkpoints_are_checked_when_made() -> None:
    for arguments in (("log", -1, bytes(32)), ("log", 1, b""), ("", 1, bytes(32)), ("log", 1, bytes(32), ("a\n",))):
        with pytest.raises(UsageError):
            Checkpoint(*arguments)


# Entries


@given(
    st.text(alphabet=st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=20),
    st.sampled_from([32, 48, 64]),
    st.integers(0, (1 << 64) - 1),
    st.integers(0, (1 << 32) - 1),
)
# req: privproc1/7.4 entry-form
def test_entry_codec(name: str, size: int, not_after: int, version: int) -> None:
    value = Entry(name, name[::-1], bytes(size), not_after, version)
    check_codec(Entry.decode, value.encode(), reencode=Entry.encode)
    assert Entry.decode(value.encode()) == value


# req: privproc1/7.4 entry-form
def test_entries_are_checked() -> None:
    good = ENTRY.encode()
    for wrong in (
        good.replace(b"entry", b"Entry"),
        good.replace(b"example", b"ex mple"),
        good.replace(b"example", b"ex\xe9mple"),
        good.replace(b"\0\0\0\x30" + DIGEST, b"\0\0\0\x28" + DIGEST[:40]),
        good.replace(b"\0\5", b"\0\6"),
    ):
        assert wrong != good
        with pytest.raises(DecodeError):
            Entry.decode(wrong)
    for change in (("", "r", DIGEST, 0, 0), ("n", "r" * 256, DIGEST, 0, 0), ("n", "r", b"", 0, 0)):
        with pytest.raises(UsageError):
            Entry(*change)
    for change in (("n", "r", DIGEST, -1, 0), ("n", "r", DIGEST, 1 << 64, 0), ("n", "r", DIGEST, 0, 1 << 32)):
        with pytest.raises(UsageError):
            Entry(*change)


# Proofs


@given(
    st.integers(0, (1 << 63) - 1),
    st.lists(st.binary(min_size=32, max_size=32), max_size=63),
    st.binary(max_size=60),
    st.binary(min_size=1, max_size=60),
)
def test_proof_codec(index: int, hashes: list[bytes], extra: bytes, checkpoint: bytes) -> None:
    value = Proof(index, tuple(hashes), checkpoint, extra)
    assert Proof.decode(value.encode()) == value
    head = len(value.encode()) - len(checkpoint)
    for cut in range(0, head + 1, 7):
        with pytest.raises(DecodeError):
            Proof.decode(value.encode()[:cut])


@pytest.mark.parametrize(
    "head",
    [
        "c2sp.org/tlog-proof@v2\nindex 0",
        "c2sp.org/tlog-proof@v1",
        "c2sp.org/tlog-proof@v1\nextra \nindex 0",
        "c2sp.org/tlog-proof@v1\nextra QQ==",
        "c2sp.org/tlog-proof@v1\nextra " + "QUFB" * 2000 + "\nindex 0",
        "c2sp.org/tlog-proof@v1\nindex ",
        "c2sp.org/tlog-proof@v1\n0",
        "c2sp.org/tlog-proof@v1\nindex 00",
        "c2sp.org/tlog-proof@v1\nindex 0\nQUFB",
        "c2sp.org/tlog-proof@v1\nindex 0" + ("\n" + "A" * 43 + "=") * 64,
        "c2sp.org/tlog-proof@v1\nindex 0\né",
    ],
    ids=range(11),
)
# req: privproc1/7.6 proof-form
def test_malformed_proofs(head: str) -> None:
    with pytest.raises(DecodeError):
        Proof.decode(f"{head}\n\ncheckpoint".encode())


# req: privproc1/7.6 proof-form
def test_proofs_are_bounded() -> None:
    longest = Proof(0, (), b"a" * (MAX_NOTE + 16384 - len(Proof(0, (), b"").encode())))
    assert len(longest.encode()) == MAX_NOTE + 16384
    assert Proof.decode(longest.encode()) == longest
    with pytest.raises(DecodeError, match="more than"):
        Proof.decode(longest.encode() + b"a")


def test_bounds_of_what_is_in_a_proof() -> None:
    for index, count, size in ((0, 0, 1), ((1 << 63) - 1, 63, 4096)):
        value = Proof(index, (bytes(32),) * count, b"note", b"a" * size)
        assert Proof.decode(value.encode()) == value
    for wrong in (
        Proof(1 << 63, (), b"note"),
        Proof(0, (bytes(32),) * 64, b"note"),
        Proof(0, (bytes(33),), b"note"),
        Proof(0, (), b"note", bytes(4097)),
    ):
        with pytest.raises(DecodeError):
            Proof.decode(wrong.encode())


def test_a_published_proof(shared) -> None:
    data = (shared / "attestation/tlog/oak_test.tlog-proof").read_bytes()
    proof = Proof.decode(data)
    assert proof.encode() == data
    assert proof.extra == b""
    note = Note.decode(proof.checkpoint)
    note.verify(NoteKey.parse("fake.log.origin/log+527eabb8+AddT9PtBhhNAsDYZ0V0euiRbXuvrLsw4L6vKARfipnmz"))
    witness = NoteKey.parse("test-witness+26349ef0+BIQDFTUlktisMqJzWn8qhteWrRr4dLcQ9R37T+8LQyQF")
    assert note.cosigned(witness) == [1771605822]
    head = Checkpoint.decode(note.text)
    verify_inclusion(leaf_hash(b"test entry data"), proof.index, head.size, proof.hashes, head.root)


def test_logged(world: Ledger) -> None:
    logged = check(world)
    assert (logged.namespace, logged.role, logged.digest) == ("example", "orchestrator", DIGEST)
    assert (logged.security_version, logged.not_after) == (3, T + DAY)
    assert logged.checkpoint == world.head()
    logged.confirm(DIGEST, at=T + DAY - 1)
    for digest in (bytes(48), b"", DIGEST[:-1], DIGEST + b"\0"):
        with pytest.raises(UntrustedError):
            logged.confirm(digest, at=T)
    with pytest.raises(ExpiredError):
        logged.confirm(DIGEST, at=T + DAY)
    for nothing in (None, DIGEST.hex()):
        with pytest.raises(UsageError):
            logged.confirm(nothing, at=T)  # type: ignore[arg-type]
    with pytest.raises(UsageError):
        Logged()


@pytest.mark.parametrize(
    ("expected", "error"),
    [
        ({"namespace": "test.example"}, UntrustedError),
        ({"role": "predictor"}, UntrustedError),
        ({"minimum_version": 4}, PolicyError),
        ({"at": T + DAY}, ExpiredError),
        ({"at": T - SKEW - 1}, ExpiredError),
        ({"floor": Checkpoint("log.example/privproc", 6, bytes(32))}, UntrustedError),
        ({"floor": Checkpoint("log.example/privproc", 5, bytes(32))}, UntrustedError),
        ({"floor": Checkpoint("other.example", 4, bytes(32))}, UsageError),
        ({"floor": None}, UsageError),
        ({"log": None}, UsageError),
        ({"namespace": ""}, UsageError),
        ({"namespace": None}, UsageError),
        ({"role": ""}, UsageError),
        ({"role": None}, UsageError),
        ({"minimum_version": -1}, UsageError),
        ({"minimum_version": None}, UsageError),
    ],
    ids=lambda it: it.__name__ if isinstance(it, type) else ",".join(it),
)
# req: privproc1/4.8 logged-measurement
# req: privproc1/7.7 no-rollback
# req: privproc1/7.7 minimum-version
def test_what_is_expected_holds(world: Ledger, expected, error) -> None:
    with pytest.raises(error) as caught:
        check(world, **expected)
    assert caught.type is error


def test_the_floor_itself_counts_and_a_minimum_of_none(world: Ledger) -> None:
    for expected in ({"floor": world.head()}, {"minimum_version": 0}, {"floor": world.head(), "minimum_version": 0}):
        assert check(world, **expected).checkpoint == world.head()


# req: privproc1/7.7 the-log-signs
def test_the_origin_is_the_logs_name(world: Ledger) -> None:
    head = world.head()
    text = Checkpoint("other.example", head.size, head.root).encode()
    note = Note(text, tuple(party.sign(text, T) for party in (world.log, *world.witnesses)))
    proof = Proof.decode(world.prove(3, T))
    with pytest.raises(UntrustedError, match="another log"):
        check(world, Proof(proof.index, proof.hashes, note.encode(), proof.extra).encode())


# req: privproc1/7.7 the-log-signs
def test_the_log_itself_signs(world: Ledger) -> None:
    proof = Proof.decode(world.prove(3, T))
    note = Note.decode(proof.checkpoint)
    for signatures, error in (
        (note.signatures[1:], UntrustedError),
        ((world.log.sign(b"other", T), *note.signatures[1:]), SignatureError),
    ):
        with pytest.raises(error):
            check(world, Proof(3, proof.hashes, Note(note.text, signatures).encode(), proof.extra).encode())


# req: privproc1/7.7 inclusion
def test_the_entry_is_included(world: Ledger) -> None:
    proof = Proof.decode(world.prove(3, T))
    forged = Entry("example", "orchestrator", bytes(48), T + 21 * DAY, 3).encode()
    with pytest.raises(SignatureError):
        check(world, Proof(3, proof.hashes, proof.checkpoint, forged).encode())


# req: privproc1/7.7 soonest-end
def test_the_entrys_own_end_counts(world: Ledger) -> None:
    assert check(world, log=world.policy(max_age=30 * DAY)).not_after == T + 21 * DAY
    with pytest.raises(ExpiredError):
        check(world, log=world.policy(max_age=30 * DAY), at=T + 21 * DAY)


# req: privproc1/7.7 a-witness-counts-once
def test_small_skew_is_allowed(world: Ledger) -> None:
    assert check(world, at=T - SKEW).not_after == T + DAY


# req: privproc1/7.7 soonest-end
def test_every_threshold_and_its_age(world: Ledger) -> None:
    text = world.head().encode()
    times = (T - 500, T - 100, T + 20)
    cosigned = [witness.sign(text, time) for witness, time in zip(world.witnesses, times, strict=True)]
    proof = Proof.decode(world.prove(3, T))
    note = Note(text, (world.log.sign(text, T), *cosigned))
    data = Proof(proof.index, proof.hashes, note.encode(), proof.extra).encode()
    for threshold, time in ((1, T + 20), (2, T - 100), (3, T - 500)):
        assert check(world, data, log=world.policy(threshold)).not_after == time + DAY


# req: privproc1/7.5 witness-quorum
# req: privproc1/7.7 a-witness-counts-once
def test_a_witness_counts_once_and_by_its_newest_time(world: Ledger) -> None:
    text = world.head().encode()
    first = world.witnesses[0]
    lines = tuple(first.sign(text, time) for time in (T - 50, T - 10, T + SKEW + 61))
    proof = Proof.decode(world.prove(3, T))
    note = Note(text, (world.log.sign(text, T), *lines))
    data = Proof(proof.index, proof.hashes, note.encode(), proof.extra).encode()
    assert check(world, data, log=world.policy(1)).not_after == T - 10 + DAY
    with pytest.raises(UntrustedError, match="1 witnesses"):
        check(world, data)


def test_policies_are_checked(world: Ledger) -> None:
    log, witnesses = world.log.key, world.policy().witnesses
    twin = NoteKey("twin.example", COSIGNATURE, witnesses[0].public)
    own = NoteKey("own.example", COSIGNATURE, log.public)
    for arguments in (
        (log, (), 0, DAY),
        (log, (), 1, DAY),
        (log, witnesses, 0, DAY),
        (log, witnesses, 4, DAY),
        (log, (*witnesses, twin), 2, DAY),
        (log, (*witnesses, own), 2, DAY),
        (log, (log,), 1, DAY),
        (log, (Party("another.example", ED25519).key,), 1, DAY),
        (witnesses[0], witnesses[1:], 1, DAY),
        (log, witnesses, 2, 0),
    ):
        with pytest.raises(UsageError):
            LogPolicy(*arguments)


@given(st.integers(0), st.integers(1, 255))
def test_every_changed_byte_is_refused(place: int, change: int) -> None:
    ledger = Ledger(witnesses=2)
    ledger.append(ENTRY)
    ledger.append(b"other")
    data = bytearray(ledger.prove(0, T))
    data[place % len(data)] ^= change
    expected = {"floor": ledger.head()}
    with pytest.raises((DecodeError, SignatureError, UntrustedError)):
        check(ledger, bytes(data), **expected)


def test_growth_is_consistent(world: Ledger) -> None:
    for size in range(1, 6):
        old, new = world.head(size), world.head()
        verify_consistency(old.size, old.root, new.size, new.root, world.consistency(size))
