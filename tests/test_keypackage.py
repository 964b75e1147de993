"""Signed key packages: one copy, and agreement of several sources."""

from __future__ import annotations

import copy
import hashlib
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from privproc import cose
from privproc.errors import (
    DecodeError,
    ExpiredError,
    PolicyError,
    SignatureError,
    UnsupportedError,
    UntrustedError,
    UsageError,
)
from privproc.keypackage import (
    SIGNERS,
    TYPE,
    Agreed,
    Grid,
    Package,
    Seen,
    Signer,
    SignerKey,
    Signers,
    Term,
    VerifiedPackage,
    agree,
    seal,
    signers_from,
    verify,
)
from privproc.keypackage.signers import LAST_EPOCH, MAX_TERMS
from privproc.secret import Secret
from privproc.tagged import tagged_hash
from privproc.trust import Trusted
from tests.codec import check_codec, check_contract

GRID = Grid(1_800_000_000, 86_400)
AT = GRID.start(5) + 10
SIGNER = Signer(Secret(hashlib.sha256(b"test signer").digest()))
OTHER = Signer(Secret(hashlib.sha256(b"other signer").digest()))
ONLY = Signers.only(SIGNER.public)


def package(epoch: int = 5, *, content: bytes = b"content", previous: bytes = bytes(48), purpose: str = "gateway"):
    return Package(purpose, epoch, GRID.start(epoch), GRID.start(epoch + 1), previous, content)


def sealed(epoch: int = 5, signer: Signer = SIGNER, **fields) -> bytes:
    return seal(package(epoch, **fields), signer)


def check(data: bytes, *, signers: Signers = ONLY, purpose: str = "gateway", at: int = AT) -> VerifiedPackage:
    return verify(data, signers=signers, purpose=purpose, grid=GRID, at=at)


def settle(
    *copies: bytes,
    threshold: int = 2,
    seen: Seen | None = None,
    at: int = AT,
    purpose: str = "gateway",
    signers: Signers = ONLY,
):
    named = [(f"source {i}", data) for i, data in enumerate(copies)]
    return agree(named, signers=signers, purpose=purpose, grid=GRID, threshold=threshold, seen=seen, at=at)


@given(
    st.text(min_size=1, max_size=16),
    st.integers(0, (1 << 48) - 1),
    st.integers(0, (1 << 48) - 1),
    st.sampled_from([b"", bytes(48)]),
    st.binary(max_size=50),
)
def test_package_codec(purpose, epoch, time, previous, content) -> None:
    value = Package(purpose, epoch, time, time, previous, content)
    check_codec(Package.decode, value.encode(), reencode=Package.encode)
    assert Package.decode(value.encode()) == value


@given(st.binary(max_size=80))
def test_bytes_in_contract(data: bytes) -> None:
    check_contract(Package.decode, data)
    check_contract(check, data)
    signed = cose.sign1(data, {cose.KID: SIGNER.public.kid, cose.TYP: TYPE}, SIGNER._key).encode()
    check_contract(check, signed)


@given(st.integers(0), st.integers(0, 7))
def test_every_flipped_bit_is_refused(place: int, bit: int) -> None:
    data = bytearray(sealed())
    data[place % len(data)] ^= 1 << bit
    with pytest.raises((DecodeError, SignatureError, UntrustedError, UnsupportedError, PolicyError)):
        check(bytes(data))


@pytest.mark.parametrize(
    "change",
    [
        {1: 2},
        {1: True},
        {2: ""},
        {2: "x" * 65},
        {2: b"gateway"},
        {3: -1},
        {3: 1 << 48},
        {3: True},
        {4: "0"},
        {5: None},
        {6: bytes(47)},
        {6: ""},
        {7: "content"},
        {7: None},
        {8: 0},
    ],
)
# req: privproc1/7.2 payload-form
def test_fields_of_a_package_are_checked(change) -> None:
    fields = dict(cose.decode(package().encode(), "test")) | change
    error = UnsupportedError if 1 in change else DecodeError
    with pytest.raises(error):
        Package.decode(cose.encode(fields))
    with pytest.raises(DecodeError):
        Package.decode(cose.encode(list(fields)))


def test_bounds_of_a_package() -> None:
    last = LAST_EPOCH
    for value in (Package("x", 0, 0, 0, b"", b""), Package("é" * 32, last, last, last, bytes(48), bytes(1000))):
        assert Package.decode(value.encode()) == value
    for over in (
        Package("é" * 32 + "x", 0, 0, 0, b"", b""),
        Package("x", last + 1, 0, 0, b"", b""),
        Package("x", 0, last + 1, 0, b"", b""),
        Package("x", 0, 0, last + 1, b"", b""),
        Package("x", 0, 0, 0, bytes(1), b""),
        Package("x", 0, 0, 0, bytes(49), b""),
    ):
        with pytest.raises(UsageError):
            over.encode()


def test_errors_name_what_was_read() -> None:
    for decode in (Package.decode, check):
        with pytest.raises(DecodeError) as raised:
            decode(b"\xff")
        assert raised.value.what == "package"


def test_encoding_what_would_be_refused_is_the_callers_mistake() -> None:
    for wrong in (package(purpose=""), package(previous=b"x"), package(content=None)):  # type: ignore[arg-type]
        with pytest.raises(UsageError):
            seal(wrong, SIGNER)


def test_verified() -> None:
    data = sealed()
    verified = check(data)
    message = cose.Sign1.decode(data)
    assert verified.package == package()
    assert verified.received == data
    assert verified.digest == tagged_hash("package", message.protected, message.payload)
    assert message.headers == {cose.ALG: cose.EDDSA, cose.KID: SIGNER.public.kid, cose.TYP: TYPE}
    check_codec(check, data)
    with pytest.raises(UsageError):
        VerifiedPackage(package(), verified.digest, data)


# req: privproc1/1 windows-are-half-open
# req: privproc1/7.2 one-epoch-ahead
def test_a_package_counts_from_one_epoch_ahead_to_its_end() -> None:
    check(sealed(), at=GRID.start(4))
    check(sealed(), at=GRID.start(6) - 1)
    for at in (GRID.start(4) - 1, GRID.start(6)):
        with pytest.raises(ExpiredError, match=r"^package"):
            check(sealed(), at=at)


# req: privproc1/7.2 window-of-the-epoch
def test_the_window_is_the_epochs() -> None:
    start, end = GRID.start(5), GRID.start(6)
    for window in ((start + 1, end), (start, end - 1), (start, end + 1), (start + 1, end + 1), (0, 1 << 47)):
        with pytest.raises(PolicyError, match="window"):
            check(seal(Package("gateway", 5, *window, b"", b""), SIGNER))


# req: privproc1/7.1 exact-header
def test_the_header_is_exactly_this() -> None:
    payload, kid = package().encode(), SIGNER.public.kid
    for headers, error in (
        ({cose.KID: kid}, DecodeError),
        ({cose.TYP: TYPE}, DecodeError),
        ({cose.KID: kid, cose.TYP: TYPE, "more": 1}, DecodeError),
        ({cose.KID: kid, cose.TYP: TYPE.upper()}, PolicyError),
        ({cose.KID: kid, cose.TYP: None}, PolicyError),
        ({cose.KID: kid[:-1], cose.TYP: TYPE}, UntrustedError),
        ({cose.KID: None, cose.TYP: TYPE}, UntrustedError),
    ):
        with pytest.raises(error):
            check(cose.sign1(payload, headers, SIGNER._key).encode())


# req: privproc1/7.2 purpose
def test_what_is_expected_is_needed() -> None:
    with pytest.raises(UsageError):
        check(sealed(), purpose="")
    with pytest.raises(UntrustedError):
        check(sealed(), signers=Signers.only(OTHER.public))
    with pytest.raises(PolicyError, match="purpose"):
        check(sealed(), purpose="issuer")


def test_agreed() -> None:
    data = sealed()
    agreed = settle(data, data, b"junk", sealed(4))
    assert agreed.package == check(data)
    assert agreed.sources == ("source 0", "source 1")
    assert agreed.seen == Seen(5, agreed.package.digest, agreed.package.package.previous)
    assert isinstance(agreed.content, Trusted)
    assert agreed.content.digest == agreed.package.digest
    assert agreed.content.get(at=AT) == b"content"
    with pytest.raises(UsageError):
        Agreed(agreed.package, agreed.content, agreed.seen, agreed.sources)


def test_content_opens_inside_its_window_only() -> None:
    agreed = settle(sealed(), sealed(), at=GRID.start(4))
    for at in (GRID.start(5) - 1, GRID.start(6)):
        with pytest.raises(ExpiredError):
            agreed.content.get(at=at)
    assert agreed.content.get(at=GRID.start(5)) == b"content"


# req: privproc1/7.3 each-source-once
def test_threshold_and_names() -> None:
    data = sealed()
    assert settle(data, threshold=1)
    for copies, threshold in (((data,), 2), ((data, data), 3), ((data, sealed(4)), 2), ((), 1)):
        with pytest.raises(UntrustedError):
            settle(*copies, threshold=threshold)
    with pytest.raises(UsageError):
        settle(data, threshold=0)
    with pytest.raises(UsageError):
        agree(
            [("a", data), ("a", data)],
            signers=ONLY,
            purpose="gateway",
            grid=GRID,
            threshold=1,
            seen=None,
            at=AT,
        )


# req: privproc1/7.3 split-view-is-an-error
def test_split_view_whatever_the_count() -> None:
    one, two = sealed(), sealed(content=b"other")
    with pytest.raises(UntrustedError, match="two packages"):
        settle(one, one, one, two, threshold=1)
    with pytest.raises(UntrustedError, match="two packages"):
        settle(sealed(6), sealed(6), one, two, threshold=1)


def test_the_most_telling_error_when_no_copy_verifies() -> None:
    for copies, at, error in (
        ((sealed(), sealed()), GRID.start(6), ExpiredError),
        ((b"", b"\0"), AT, DecodeError),
        ((sealed(purpose="issuer"),), AT, PolicyError),
        ((sealed(signer=OTHER), sealed(signer=OTHER)), AT, UntrustedError),
        ((sealed(), b""), GRID.start(6), UntrustedError),
    ):
        with pytest.raises(error) as caught:
            settle(*copies, at=at)
        assert caught.type is error


# req: privproc1/7.3 continues-what-was-seen
def test_memory() -> None:
    five = sealed()
    seen = settle(five, five).seen
    for kept in (seen, Seen(5, seen.digest)):
        assert settle(five, five, seen=kept).seen == kept
    following = sealed(6, previous=seen.digest)
    newer = settle(following, following, seen=seen).seen
    assert newer.epoch == 6
    # The present package stays good for whoever learnt the next one ahead; another of its epoch doesn't.
    assert settle(five, five, seen=newer).seen == newer
    assert settle(five, five, seen=newer).package.digest == seen.digest
    seven = Seen(7, bytes(48), bytes(48))
    for copies, memory, why in (
        (five, seven, "rolled back"),
        (five, Seen(6, newer.digest), "rolled back"),
        (sealed(content=b"other"), newer, "two packages"),
        (sealed(content=b"other"), seen, "two packages"),
        (sealed(6), seen, "continue"),
        (sealed(6, previous=b""), seen, "continue"),
    ):
        with pytest.raises(UntrustedError, match=why):
            settle(copies, copies, seen=memory)
    # Over a gap the chain can't be checked, but nothing that was seen is followed by a first package.
    later = GRID.start(7)
    assert settle(sealed(7), sealed(7), seen=seen, at=later)
    first = sealed(7, previous=b"")
    with pytest.raises(UntrustedError, match="first"):
        settle(first, first, seen=seen, at=later)
    remembered = settle(first, first, at=later).seen
    assert settle(first, first, seen=remembered, at=later).seen == remembered


# req: privproc1/7.3 newest-that-enough-show
def test_one_source_ahead_doesnt_stop_the_others() -> None:
    five = sealed()
    six = sealed(6, previous=check(five).digest)
    for copies in ((six, five, five), (five, six, five), (five, five, six)):
        agreed = settle(*copies)
        assert agreed.seen.epoch == 5
        assert agreed.sources == tuple(f"source {i}" for i, data in enumerate(copies) if data is five)
    newer = settle(six, five, five, six)
    assert newer.seen.epoch == 6
    assert newer.sources == ("source 0", "source 3")
    with pytest.raises(UntrustedError, match="1 sources agree, 2 are needed"):
        settle(five, six)
    with pytest.raises(UntrustedError, match="2 sources agree, 3 are needed"):
        settle(six, five, five, threshold=3)


def test_a_source_ahead_is_no_way_around_the_other_rules() -> None:
    five = sealed()
    six = sealed(6, previous=check(five).digest)
    with pytest.raises(UntrustedError, match="two packages"):
        settle(five, five, six, sealed(6, content=b"other"))
    with pytest.raises(UntrustedError, match="rolled back"):
        settle(five, five, seen=Seen(6, check(six).digest))
    assert settle(five, five, six, seen=settle(six, six).seen).package.digest == check(five).digest
    with pytest.raises(UntrustedError, match="two packages"):
        settle(six, six, sealed(content=b"other"), seen=settle(five, five).seen)


@given(st.lists(st.sampled_from([4, 5, 6]), max_size=8), st.integers(1, 4))
# req: privproc1/7.3 newest-that-enough-show
def test_the_newest_that_enough_show(epochs, threshold) -> None:
    good = [epoch for epoch in (5, 6) if epochs.count(epoch) >= threshold]
    copies = [PUBLISHED[epoch] for epoch in epochs]
    if not good:
        with pytest.raises((UntrustedError, ExpiredError)):
            settle(*copies, threshold=threshold)
        return
    agreed = settle(*copies, threshold=threshold)
    assert agreed.seen.epoch == max(good)
    assert len(agreed.sources) == epochs.count(max(good))


PUBLISHED = {epoch: sealed(epoch) for epoch in (4, 5, 6)}


# Signers.

TAKEOVER = Signers((Term(SIGNER.public, 0, 6), Term(OTHER.public, 7, LAST_EPOCH)))


# req: privproc1/7.8 signer-of-the-epoch
def test_each_epoch_has_one_signer() -> None:
    assert check(sealed(6), signers=TAKEOVER, at=GRID.start(6))
    assert check(sealed(7, OTHER), signers=TAKEOVER, at=GRID.start(6))
    for data in (sealed(6, OTHER), sealed(7), sealed(7, previous=b"")):
        with pytest.raises(UntrustedError, match="signer of another epoch"):
            check(data, signers=TAKEOVER, at=GRID.start(6))
    with pytest.raises(UntrustedError, match="no signer"):
        check(sealed(7), signers=Signers((Term(SIGNER.public, 0, 6),)), at=GRID.start(7))


def test_a_retired_signer_cant_block_its_successor() -> None:
    seven = sealed(7, OTHER)
    assert settle(seven, seven, sealed(7), signers=TAKEOVER, at=GRID.start(7)).sources == ("source 0", "source 1")


def test_packages_go_on_across_a_takeover() -> None:
    six = sealed(6)
    seen = settle(six, six, signers=TAKEOVER, at=GRID.start(6)).seen
    seven = sealed(7, OTHER, previous=seen.digest)
    assert settle(seven, six, six, signers=TAKEOVER, at=GRID.start(6), seen=seen).seen == seen
    assert settle(seven, seven, six, signers=TAKEOVER, at=GRID.start(6), seen=seen).seen.epoch == 7


def signer_list(listed: Signers, epoch: int = 5, held: Signers = ONLY, **more) -> Agreed:
    data = sealed(epoch, purpose=SIGNERS, content=listed.encode(), **more)
    return settle(data, data, purpose=SIGNERS, signers=held, at=GRID.start(epoch))


def test_signers_are_announced_by_a_package() -> None:
    assert signers_from(signer_list(TAKEOVER), ONLY, at=AT) == TAKEOVER
    assert signers_from(signer_list(ONLY), ONLY, at=AT) == ONLY
    again = Signers((Term(SIGNER.public, 5, 8), Term(OTHER.public, 9, 9)))  # ended terms are left out, plans change
    assert signers_from(signer_list(again, held=TAKEOVER), TAKEOVER, at=AT) == again


# req: privproc1/7.8 announced-two-epochs-ahead
def test_a_list_changes_nothing_before_the_second_epoch_after_its_own() -> None:
    for first in (6, 5, 4):
        sooner = Signers((Term(SIGNER.public, 0, first - 1), Term(OTHER.public, first, LAST_EPOCH)))
        with pytest.raises(UntrustedError, match="another signer"):
            signers_from(signer_list(sooner), ONLY, at=AT)
    for silent in (Signers((Term(SIGNER.public, 5, 5),)), Signers((Term(SIGNER.public, 6, 9),))):
        with pytest.raises(UntrustedError, match="no signer"):
            signers_from(signer_list(silent), ONLY, at=AT)
    # Announced for 7 in 5: in 6 it can't be taken back any more, since 7 may be published.
    with pytest.raises(UntrustedError, match="another signer"):
        signers_from(signer_list(ONLY, 6, TAKEOVER), TAKEOVER, at=GRID.start(6))


# req: privproc1/7.8 announced-two-epochs-ahead
def test_a_list_counts_in_its_epoch_only_and_for_its_purpose() -> None:
    agreed = signer_list(TAKEOVER)
    for at in (GRID.start(5) - 1, GRID.start(6)):
        with pytest.raises(ExpiredError):
            signers_from(agreed, ONLY, at=at)
    with pytest.raises(UsageError):
        signers_from(settle(sealed(), sealed()), ONLY, at=AT)
    data = sealed(purpose=SIGNERS)
    with pytest.raises(DecodeError):
        signers_from(settle(data, data, purpose=SIGNERS), ONLY, at=AT)


@st.composite
def some_signers(draw) -> Signers:
    edges = sorted(draw(st.sets(st.integers(0, LAST_EPOCH), min_size=2, max_size=2 * MAX_TERMS)))
    keys = st.sampled_from([SIGNER.public, OTHER.public])
    return Signers(tuple(Term(draw(keys), *pair) for pair in zip(edges[::2], edges[1::2], strict=False)))


@given(some_signers())
def test_signers_codec(signers: Signers) -> None:
    check_codec(Signers.decode, signers.encode(), reencode=Signers.encode)
    assert Signers.decode(signers.encode()) == signers
    for term in signers.terms:
        assert signers.of(term.first) == signers.of(term.last) == signers.find(term.key.kid) == term.key


@given(st.binary(max_size=80), st.integers(0), st.integers(0, 255))
def test_signers_contract(data: bytes, place: int, byte: int) -> None:
    check_contract(Signers.decode, data)
    broken = bytearray(TAKEOVER.encode())
    broken[place % len(broken)] = byte
    check_contract(Signers.decode, bytes(broken))


@pytest.mark.parametrize(
    "value",
    [
        [],
        {},
        [[bytes(32), 0, 1]] * 2,
        [[bytes(32), 5, 9], [bytes(32), 0, 4]],
        [[bytes(32), 0, 4], [bytes(32), 4, 9]],
        [[bytes(31), 0, 1]],
        ["x"],
        [["x" * 32, 0, 1]],
        [[bytes(32), 0]],
        [[bytes(32), 0, None]],
        [[bytes(32), 1, 0]],
        [[bytes(32), False, True]],
        [[bytes(32), 0, True]],
        [[bytes(32), 0, LAST_EPOCH + 1]],
        [[bytes(32), -1, 1]],
        [[bytes(32), epoch, epoch] for epoch in range(MAX_TERMS + 1)],
    ],
)
# req: privproc1/7.8 one-signer-an-epoch
def test_lists_that_are_refused(value) -> None:
    with pytest.raises(DecodeError):
        Signers.decode(cose.encode(value))


def test_wrong_signers_are_the_callers_mistake() -> None:
    for first, last in ((-1, 0), (1, 0), (0, LAST_EPOCH + 1)):
        with pytest.raises(UsageError):
            Term(SIGNER.public, first, last)
    overlapping = (Term(SIGNER.public, 0, 5), Term(OTHER.public, 5, 6))
    for terms in ((), overlapping, overlapping[::-1], (Term(SIGNER.public, 0, 0),) * 2):
        with pytest.raises(UsageError):
            Signers(terms)
    with pytest.raises(UsageError):
        Signers(tuple(Term(SIGNER.public, epoch, epoch) for epoch in range(MAX_TERMS + 1)))


def test_grid() -> None:
    assert GRID.epoch(at=GRID.origin) == 0
    assert Grid(0, 1).epoch(at=0) == 0
    assert GRID.epoch(at=GRID.start(7) - 1) == 6
    assert GRID.epoch(at=GRID.start(7)) == 7
    with pytest.raises(UsageError):
        GRID.epoch(at=GRID.origin - 1)
    for origin, length in ((-1, 1), (0, 0)):
        with pytest.raises(UsageError):
            Grid(origin, length)


def test_keys_are_opaque_and_checked() -> None:
    seed = hashlib.sha256(b"test signer").digest()
    assert seed.hex() not in repr(SIGNER)
    assert SIGNER.public.kid == hashlib.sha256(SIGNER.public.public).digest()
    assert Signer.generate().public != Signer.generate().public
    for act in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(UsageError):
            act(SIGNER)
    for wrong in (lambda: Signer(Secret(bytes(31))), lambda: SignerKey(bytes(31))):
        with pytest.raises(UsageError):
            wrong()
    assert Seen(0, bytes(48)).epoch == 0
    assert Seen(0, bytes(48), bytes(48)).previous == bytes(48)
    for epoch, *digests in (
        (-1, bytes(48)),
        (0, b""),
        (0, bytes(49)),
        (0, bytes(48), bytes(1)),
        (0, bytes(48), bytes(47)),
        (0, bytes(48), bytes(49)),
    ):
        with pytest.raises(UsageError):
            Seen(epoch, *digests)
