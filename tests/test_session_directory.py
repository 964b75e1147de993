"""The key directory: what a package may contain, and learning it from mirrors of which some lie."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from privproc import cose, hpke, ratls, session, tokens
from privproc.errors import (
    DecodeError,
    ExpiredError,
    PeerError,
    PolicyError,
    SignatureError,
    UnsupportedError,
    UntrustedError,
    UsageError,
)
from privproc.keyconfig import KeyConfigs
from privproc.ledger import Checkpoint, Entry
from privproc.session import Contents, Directory, Memory, Published
from privproc.session.directory import package_role
from privproc.tokens import TokenKey
from tests.codec import check_codec, check_contract
from tests.world.mirrors import NAMES
from tests.world.relay import ROUTE
from tests.world.world import DAY, PACKAGES, ROLE, World, digest, issuer_key

AT = 1_800_000_000
WORLD = World(AT)
CONTENTS = WORLD.contents
DIRECTORY = WORLD.learn()
TOKEN = WORLD.token(DIRECTORY)


def fields() -> dict[Any, Any]:
    value = cose.decode(CONTENTS.encode(), "directory")
    assert isinstance(value, dict)
    return value


def contents_with(**changes: Any) -> bytes:
    return cose.encode(fields() | changes)


def service_with(**changes: Any) -> bytes:
    (service,) = fields()["services"]
    return contents_with(services=[service | changes])


# Contents.


def test_each_byte_of_the_contents_counts() -> None:
    check_codec(Contents.decode, CONTENTS.encode(), reencode=Contents.encode)
    assert Contents.decode(CONTENTS.encode()) == CONTENTS


@pytest.mark.parametrize("key", sorted(fields()))
# req: privproc1/3.2 exactly-its-keys
def test_every_key_is_needed(key: str) -> None:
    with pytest.raises(DecodeError, match="other keys"):
        Contents.decode(cose.encode({name: value for name, value in fields().items() if name != key}))


NOT_UINTS = [-1, 1 << 32, "1", b"1", True, None, [1]]
NOT_NAMES = ["", "a b", "a\n", "naïve", "n" * 129, b"name", 1, None]
NOT_AUTHORITIES = [*NOT_NAMES, "Upper.example", "user@host", "a/b", "a,b", ".a", "a.", "a:", "a:b", "a:123456", "[::1]"]
NOT_LISTS = [[], [b""] * 17, {}, b"", 1, None]


@pytest.mark.parametrize(
    ("key", "values"),
    [
        ("gateway", NOT_AUTHORITIES),
        ("issuer", NOT_AUTHORITIES),
        ("keys", ["", [], None, 1, b"", b"\0\1\0"]),
        ("tokens", ["", {}, None, 1, b"", b"{}"]),
        ("group", NOT_UINTS),
        ("up", [*NOT_UINTS, 0, 4095, 65537]),
        ("down", [*NOT_UINTS, 0, 4095, 131073]),
        ("services", NOT_LISTS),
        ("checkpoints", [*NOT_LISTS, [""], [1], [b"log.example\n0\n"]]),
    ],
)
# req: privproc1/3.2 exactly-its-keys
# req: privproc1/3.2 hosts-in-lower-case
def test_each_field_has_its_form(key: str, values: list[Any]) -> None:
    for value in values:
        with pytest.raises(DecodeError):
            Contents.decode(contents_with(**{key: value}))


@pytest.mark.parametrize(
    ("key", "values"),
    [
        ("role", NOT_NAMES),
        ("log", NOT_NAMES),
        ("namespace", NOT_NAMES),
        ("version", NOT_UINTS),
        ("policy", ["", None, 1, b"", b"\1"]),
        ("more", [1]),
    ],
)
# req: privproc1/3.2 exactly-its-keys
# req: privproc1/3.2 longest-names-fit
def test_each_field_of_a_service_has_its_form(key: str, values: list[Any]) -> None:
    for value in values:
        with pytest.raises(DecodeError):
            Contents.decode(service_with(**{key: value}))


@pytest.mark.parametrize("data", [[], [1], 1, "map", None, {}])
def test_contents_are_a_map(data: Any) -> None:
    with pytest.raises(DecodeError):
        Contents.decode(cose.encode(data))
    with pytest.raises(DecodeError):
        Contents.decode(contents_with(services=[data]))


# req: privproc1/3.2 known-groups
def test_a_group_that_is_not_known_is_unsupported() -> None:
    with pytest.raises(UnsupportedError, match="0x0017"):
        Contents.decode(contents_with(group=0x17))
    for group in ratls.Group:
        assert Contents.decode(contents_with(group=int(group))).group is group


# req: privproc1/3.2 one-key-each
def test_one_gateway_key_and_one_issuer_key() -> None:
    (config,) = CONTENTS.keys.configs
    two = KeyConfigs((config, replace(config, key_id=(config.key_id + 1) % 256)))
    with pytest.raises(PolicyError, match="exactly one"):
        Contents.decode(contents_with(keys=two.encode()))
    other = TokenKey.of(issuer_key(1 - WORLD.epoch % 2).public_key)
    keys = replace(CONTENTS.tokens, token_keys=(*CONTENTS.tokens.token_keys, other))
    with pytest.raises(PolicyError, match="exactly one"):
        Contents.decode(contents_with(tokens=keys.encode()))


P384_BASE = bytes.fromhex(
    "03aa87ca22be8b05378eb1c71ef320ad746e1d3b628ba79b9859f741e082542a385502f25dbf55296c3a545e3872760ab7"
)


# req: privproc1/3.2 tokens-of-one-type
def test_tokens_are_of_the_one_type() -> None:
    """A key of RFC 9578 §5, well formed: the gateway couldn't verify its tokens without the issuer."""
    private = replace(CONTENTS.tokens, token_keys=(TokenKey(tokens.VOPRF, P384_BASE),))
    with pytest.raises(PolicyError, match="0x0002"):
        Contents.decode(contents_with(tokens=private.encode()))


# req: privproc1/3.5 majority-of-mirrors
def test_a_majority_of_mirrors_must_agree() -> None:
    anchors = WORLD.anchors
    for bad in ({"agreeing": 1}, {"agreeing": 4}, {"mirrors": ()}, {"mirrors": (A, A, B)}, {"mirrors": (A, B, C, "d")}):
        with pytest.raises(UsageError, match="majority"):
            replace(anchors, **bad)
    assert replace(anchors, mirrors=(A,), agreeing=1)


def test_a_mirror_is_one_of_the_anchors(world: World) -> None:
    with pytest.raises(UsageError, match="one of the anchors'"):
        learn(world, ("other.example", world.published), (B, world.published))


# req: privproc1/3.2 roles-and-checkpoints-once
def test_a_checkpoint_for_each_log_and_each_role_once() -> None:
    (checkpoint,) = fields()["checkpoints"]
    (service,) = fields()["services"]
    for bad in (
        contents_with(checkpoints=[checkpoint, checkpoint]),
        contents_with(checkpoints=[Checkpoint("other.log", 0, bytes(32)).encode()]),
        contents_with(services=[service, service | {"log": "other.log"}]),
        contents_with(services=[service, service]),
    ):
        with pytest.raises(PolicyError):
            Contents.decode(bad)
    with pytest.raises(PolicyError):
        replace(CONTENTS, services=())
    more = contents_with(checkpoints=[checkpoint, Checkpoint("other.log", 0, bytes(32)).encode()])
    assert Contents.decode(more).checkpoint("other.log").size == 0


def test_what_is_not_listed_is_not_trusted() -> None:
    assert CONTENTS.service(ROLE).role == ROLE
    with pytest.raises(UntrustedError, match="no role"):
        CONTENTS.service(ROLE.upper())
    assert CONTENTS.checkpoint(CONTENTS.services[0].log) == WORLD.measurements.head()
    with pytest.raises(UntrustedError, match="no checkpoint"):
        CONTENTS.checkpoint("other.log")


# req: privproc1/2.1 one-challenge
def test_the_only_challenge() -> None:
    challenge = CONTENTS.challenge
    assert challenge == tokens.TokenChallenge(2, "issuer.example", b"", ("gateway.example",))
    assert CONTENTS.token_key == CONTENTS.tokens.token_keys[0]


# req: privproc1/3.2 longest-names-fit
def test_the_longest_names_fit_the_first_request() -> None:
    (service,) = fields()["services"]
    longest = "n" * 128
    log = Checkpoint(longest, 0, bytes(32)).encode()
    services = [service | {"role": longest, "log": longest, "namespace": longest}]
    contents = Contents.decode(
        contents_with(gateway=longest, issuer=longest, services=services, checkpoints=[log], up=4096)
    )
    world = World(AT)
    world.contents = contents
    world.adopt(world.package(world.epoch))
    directory = world.learn()
    key = directory.contents.map(lambda it: it.token_key)
    wire, pending = tokens.request_bound(contents.challenge, key, at=AT)
    token = pending.finish(world.issuer.issuer.issue(wire, at=AT))
    request, _ = session.begin(directory, token, role=longest, relay=ROUTE, anchors=world.anchors, at=AT)
    assert len(request.content) == 4096


@given(st.data())
def test_mutated_contents_give_a_value_or_a_peer_error(data: st.DataObject) -> None:
    encoded = bytearray(CONTENTS.encode())
    for _ in range(data.draw(st.integers(1, 3))):
        encoded[data.draw(st.integers(0, len(encoded) - 1))] = data.draw(st.integers(0, 255))
    check_contract(Contents.decode, bytes(encoded))


# Learning.


@pytest.fixture
def world() -> World:
    return World(AT)


def learn(world: World, *copies: tuple[str, bytes], memory: Memory | None = None, at: int = AT) -> Directory:
    anchors = world.anchors
    return session.learn(copies, anchors, memory=memory or Memory.first(anchors), at=at)


A, B, C = NAMES


# req: privproc1/3.5 majority-of-mirrors
def test_enough_mirrors_that_agree(world: World) -> None:
    directory = learn(world, (A, world.published), (B, world.published))
    assert directory.contents.get(at=AT) == world.contents
    assert directory.package == digest(Published.decode(world.published).package)
    assert directory.memory.seen is not None
    assert (directory.memory.seen.epoch, directory.memory.seen.digest) == (world.epoch, directory.package)
    assert directory.memory.checkpoint == world.packages.head()
    with pytest.raises(UntrustedError, match="1 sources agree, 2 are needed"):
        learn(world, (A, world.published))


@pytest.mark.parametrize("garbage", [b"", b"404 Not Found", bytes(1 << 16), b"\xff" * 64])
# req: privproc1/3.1 published-form
# req: privproc1/3.5 unreadable-copies-are-dropped
def test_a_mirror_that_serves_garbage_does_not_count(world: World, garbage: bytes) -> None:
    copies = (A, garbage), (B, world.published), (C, world.published)
    assert learn(world, *copies).package == DIGEST(world)
    with pytest.raises(UntrustedError, match="2 are needed"):
        learn(world, (A, garbage), (B, world.published))
    with pytest.raises(PeerError):
        learn(world, (A, garbage), (B, garbage))


def DIGEST(world: World) -> bytes:
    return digest(Published.decode(world.published).package)


# req: privproc1/3.5 known-mirrors-once
def test_a_mirror_counts_once(world: World) -> None:
    for twice in ((A, world.published), (A, b"garbage")):
        with pytest.raises(UsageError, match="counts once"):
            learn(world, (A, world.published), twice, (B, world.published))


def with_proof(world: World, proof: bytes) -> bytes:
    return replace(Published.decode(world.published), log_proof=proof).encode()


# req: privproc1/3.5 one-proof-suffices
def test_a_bad_log_proof_does_not_block_the_others(world: World) -> None:
    old = world.packages.prove(0, AT - 2 * DAY)
    for bad in (b"garbage", old, world.measurements.prove(0, AT)):
        liar = with_proof(world, bad)
        assert learn(world, (A, liar), (B, liar), (C, world.published)).package == DIGEST(world)
        with pytest.raises(PeerError):
            learn(world, (A, liar), (B, liar))


@pytest.mark.parametrize(
    ("proof", "error"),
    [
        (lambda world: b"garbage", DecodeError),
        (lambda world: world.packages.prove(0, AT - 2 * DAY), ExpiredError),
        (lambda world: world.packages.prove(0, AT, signed_by=world.packages.witnesses[:1]), UntrustedError),
        (lambda world: world.measurements.prove(0, AT), UntrustedError),
        (lambda world: another_entry(world, namespace="other"), UntrustedError),
        (lambda world: another_entry(world, role="other"), UntrustedError),
        (lambda world: another_entry(world, digest=bytes(48)), UntrustedError),
        (lambda world: another_entry(world, not_after=AT), ExpiredError),
    ],
)
# req: privproc1/3.5 logged-before-use
def test_what_a_log_proof_must_show(world: World, proof: Any, error: type[PeerError]) -> None:
    served = with_proof(world, proof(world))
    with pytest.raises(error) as raised:
        learn(world, (A, served), (B, served))
    assert type(raised.value) is error


# req: privproc1/3.6 one-role-for-an-epoch
def test_the_role_of_a_package() -> None:
    assert package_role(session.PURPOSE, 20833) == "privproc/1/directory/20833"


def another_entry(world: World, **changes: Any) -> bytes:
    entry = replace(Entry(PACKAGES, package_role(session.PURPOSE, world.epoch), DIGEST(world), AT + DAY, 0), **changes)
    return world.packages.prove(world.packages.append(entry), AT)


def test_a_forged_log_proof_is_a_signature_error(world: World) -> None:
    proof = world.packages.prove(0, AT)
    end = proof.rindex(b" ") + 40
    forged = proof[:end] + (b"A" if proof[end : end + 1] != b"A" else b"B") + proof[end + 1 :]
    with pytest.raises(SignatureError):
        learn(world, (A, with_proof(world, forged)), (B, with_proof(world, forged)))


# req: privproc1/3.5 smallest-tree-is-kept
def test_memory_moves_forward(world: World) -> None:
    first = learn(world, (A, world.published), (B, world.published))
    following = world.publish(world.package(world.epoch + 1, previous=first.package))
    second = learn(world, (A, following), (B, following), memory=first.memory)
    assert second.memory.checkpoint.size == first.memory.checkpoint.size + 1
    assert second.memory.seen is not None
    assert second.memory.seen.epoch == world.epoch + 1
    with pytest.raises(ExpiredError, match="not valid yet"):
        second.contents.get(at=AT)
    again = replace(Published.decode(world.published), log_proof=world.packages.prove(0, AT)).encode()
    # After a restart the present package is learnt anew: exactly the one that the next names as the one before it.
    present = learn(world, (A, again), (B, again), memory=second.memory)
    assert present.package == first.package
    assert present.memory.seen == second.memory.seen
    other = world.publish(world.package(world.epoch, previous=bytes(48)))
    with pytest.raises(UntrustedError, match="two packages"):
        learn(world, (A, other), (B, other), memory=second.memory)
    with pytest.raises(UntrustedError, match="before the floor"):  # the log
        learn(
            world,
            (A, world.published),
            (B, world.published),
            memory=replace(first.memory, checkpoint=second.memory.checkpoint),
        )


def test_a_log_that_forked_is_noticed(world: World) -> None:
    memory = learn(world, (A, world.published), (B, world.published)).memory
    forked = replace(memory, checkpoint=replace(memory.checkpoint, root=bytes(32)))
    with pytest.raises(UntrustedError, match="another tree"):
        learn(world, (A, world.published), (B, world.published), memory=forked)


# req: privproc1/3.5 contents-before-memory
def test_contents_that_do_not_decode(world: World) -> None:
    served = world.publish(world.package(world.epoch, content=contents_with(group=0x17)))
    with pytest.raises(UnsupportedError):
        learn(world, (A, served), (B, served))
    served = world.publish(world.package(world.epoch, content=b"not CBOR"))
    memory = Memory(None, world.packages.head(1))
    with pytest.raises(DecodeError):
        learn(world, (A, served), (B, served), memory=memory)


# req: privproc1/3.5 ends-with-epoch-and-proof
def test_a_directory_ends_with_its_epoch() -> None:
    end = WORLD.grid.start(WORLD.epoch + 1)
    assert DIRECTORY.contents.get(at=end - 1) == CONTENTS
    for at in (end, WORLD.grid.start(WORLD.epoch) - 1):
        with pytest.raises(ExpiredError):
            session.begin(DIRECTORY, TOKEN, role=ROLE, relay=ROUTE, anchors=WORLD.anchors, at=at)


def test_a_directory_is_made_by_learning_only() -> None:
    for forge in (lambda: Directory(), lambda: replace(DIRECTORY, package=bytes(48))):
        with pytest.raises(UsageError, match="made only by the check"):
            forge()


def test_a_suite_that_no_device_has() -> None:
    suite = hpke.Suite(hpke.Kem.P256_SHA256, hpke.Kdf.HKDF_SHA256, hpke.Aead.AES_128_GCM)
    world = World(AT, suite=suite)
    directory = world.learn()
    with pytest.raises(UnsupportedError, match="no key configuration fits"):
        session.begin(directory, world.token(directory), role=ROLE, relay=ROUTE, anchors=world.anchors, at=AT)
