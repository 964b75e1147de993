"""The messages of privproc/1 and the transcript: each byte accounted for, each bound held on both sides."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from privproc.errors import DecodeError, UnsupportedError, UsageError
from privproc.secret import Secret
from privproc.session import Published, transcript
from privproc.session.messages import (
    HANDLE_LENGTH,
    OPEN_SIZE,
    VERSION,
    Continue,
    Continued,
    EvidenceFormat,
    Forward,
    Offer,
    Open,
    Opened,
)
from privproc.tagged import lp
from tests.codec import check_codec, check_contract

OPEN = Open(
    role="summarise",
    log="log.example/measurements",
    namespace="example/enclaves",
    formats=(1, 0xFFFF),
    device_required=True,
    policy_id=bytes(range(32)),
    nonce=bytes(range(32, 64)),
    suites=((0x647A, 2, 2), (0x20, 1, 1)),
    client_hello=b"hello" * 200,
)
FORWARD = Forward(b"p" * 48, b"o" * 48, OPEN.encode())
OFFER = Offer(b"flight", b"announcement", 1, b"evidence", ((1, b""), (0xFFFF, b"gpu")))
OPENED = Opened(b"h" * 32, b"offer", b"", b"proof")
CONTINUE = Continue(b"h" * 32, 1 << 63, b"m" * 48, b"records")
CONTINUED = Continued(b"h" * 32, b"")
PUBLISHED = Published(b"package", b"proof")

ALL = [OPEN, FORWARD, OFFER, OPENED, CONTINUE, CONTINUED, PUBLISHED]
by_type = pytest.mark.parametrize("message", ALL, ids=lambda message: type(message).__name__)


@by_type
# req: privproc1/1 exact-consumption
def test_each_byte_of_a_message_counts(message: Any) -> None:
    encoded = message.encode()
    check_codec(type(message).decode, encoded, reencode=lambda it: it.encode())
    assert type(message).decode(encoded) == message


@by_type
@given(data=st.data())
def test_any_change_gives_another_message_or_a_peer_error(message: Any, data: st.DataObject) -> None:
    encoded = bytearray(message.encode())
    encoded[data.draw(st.integers(0, len(encoded) - 1))] ^= data.draw(st.integers(1, 255))
    changed = bytes(encoded)
    check_contract(lambda it: canonical(type(message), it), changed)
    check_contract(type(message).decode, data.draw(st.binary(max_size=80)))


def canonical(kind: Any, encoded: bytes) -> None:
    """What decodes is the encoding of what it decodes to."""
    assert kind.decode(encoded).encode() == encoded


# req: privproc1/4.3 open-form
def test_the_layout_of_open() -> None:
    """PROTOCOL §2, written out once more."""
    formats = b"\0\2" + lp(b"\0\1") + lp(b"\xff\xff")
    suites = b"\0\2" + lp(bytes.fromhex("647a00020002")) + lp(bytes.fromhex("002000010001"))
    names = lp(b"summarise") + lp(b"log.example/measurements") + lp(b"example/enclaves")
    used = b"\0\1" + names + formats + b"\1" + OPEN.policy_id + OPEN.nonce + suites + lp(OPEN.client_hello)
    assert OPEN.encode() == used + lp(bytes(2048 - len(used) - 4))
    assert (VERSION, OPEN_SIZE, HANDLE_LENGTH, EvidenceFormat.SEV_SNP) == (1, 2048, 32, 1)


def test_the_layouts_of_the_others() -> None:
    assert FORWARD.encode() == b"p" * 48 + b"o" * 48 + OPEN.encode()
    devices = b"\0\2" + lp(b"\0\1") + lp(b"\xff\xffgpu")
    assert OFFER.encode() == lp(b"flight") + lp(b"announcement") + b"\0\1" + lp(b"evidence") + devices
    assert OPENED.encode() == b"h" * 32 + lp(b"offer") + lp(b"") + lp(b"proof")
    assert CONTINUE.encode() == b"h" * 32 + (1 << 63).to_bytes(8, "big") + b"m" * 48 + lp(b"records")
    assert CONTINUED.encode() == b"h" * 32 + lp(b"")
    assert PUBLISHED.encode() == lp(b"package") + lp(b"proof")


@pytest.mark.parametrize("version", [0, 2, 0x100, 0xFFFF])
# req: privproc1/4.3 open-form
def test_open_of_another_version_is_unsupported_whatever_follows(version: int) -> None:
    for rest in (OPEN.encode()[2:], b"", b"a layout of its own"):
        with pytest.raises(UnsupportedError, match=f"version {version}"):
            Open.decode(version.to_bytes(2, "big") + rest)


def patched(old: bytes, new: bytes) -> bytes:
    """OPEN with a part exchanged, filled to its size again."""
    encoded = OPEN.encode()
    assert encoded.count(old) == 1
    changed = encoded.replace(old, new)
    end = changed.index(OPEN.client_hello) + len(OPEN.client_hello)
    return changed[:end] + lp(bytes(2048 - end - 4))


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        (lp(b"summarise"), lp(b""), "under 1"),
        (lp(b"summarise"), lp(b"r" * 256), "over 255"),
        (lp(b"summarise"), lp(b"summar ise"), "visible ASCII"),
        (lp(b"summarise"), lp(b"summar\xc3\xafse"), "visible ASCII"),
        (lp(b"log.example/measurements"), lp(b"log\x7f"), "visible ASCII"),
        (lp(b"example/enclaves"), lp(b"a\0"), "visible ASCII"),
        (b"\0\2" + lp(b"\0\1") + lp(b"\xff\xff"), b"\0\0", "list of 0 items"),
        (b"\0\2" + lp(b"\0\1") + lp(b"\xff\xff"), b"\0\x11" + lp(b"\0\1") * 17, "list of 17 items"),
        (lp(b"\xff\xff"), lp(b"\xff"), "under 2"),
        (lp(b"\xff\xff"), lp(b"\0\xff\xff"), "over 2"),
        (b"\1" + OPEN.policy_id, b"\2" + OPEN.policy_id, "0 or 1"),
        (lp(bytes.fromhex("002000010001")), lp(bytes(5)), "under 6"),
        (lp(bytes.fromhex("002000010001")), lp(bytes(7)), "over 6"),
    ],
)
# req: privproc1/1 names-are-visible-ascii
def test_bounds_of_open(old: bytes, new: bytes, why: str) -> None:
    with pytest.raises(DecodeError, match=why):
        Open.decode(patched(old, new))


# req: privproc1/4.3 open-has-one-size
def test_open_has_one_size_and_zeros_behind() -> None:
    encoded = OPEN.encode()
    end = encoded.index(OPEN.client_hello) + len(OPEN.client_hello)
    for size in (0, 2047 - end - 4, 2049 - end - 4, 5000):
        with pytest.raises(DecodeError, match="instead of 2048"):
            Open.decode(encoded[:end] + lp(bytes(size)))
    for position in (end + 4, 2047):
        bad = bytearray(encoded)
        bad[position] = 1
        with pytest.raises(DecodeError, match="padding is not zero"):
            Open.decode(bytes(bad))
    with pytest.raises(DecodeError, match="under 1"):
        Open.decode(encoded[: end - 1004] + lp(b"") + lp(bytes(2048 - end + 996)))
    with pytest.raises(DecodeError, match="over 262144"):
        Open.decode(encoded[: end - 1004] + (1 << 18 | 1).to_bytes(4, "big"))


def test_the_longest_open() -> None:
    room = 2048 - 4 - OPEN.encode().index(OPEN.client_hello)
    largest = replace(OPEN, client_hello=bytes(room))
    assert Open.decode(largest.encode()) == largest
    with pytest.raises(UsageError, match="over 2048"):
        replace(OPEN, client_hello=bytes(room + 1)).encode()


@pytest.mark.parametrize(
    "bad",
    [
        replace(OPEN, role=""),
        replace(OPEN, role="r" * 256),
        replace(OPEN, log="a b"),
        replace(OPEN, namespace="naïve"),
        replace(OPEN, formats=()),
        replace(OPEN, formats=(1,) * 17),
        replace(OPEN, formats=(0x10000,)),
        replace(OPEN, formats=(-1,)),
        replace(OPEN, policy_id=bytes(31)),
        replace(OPEN, nonce=bytes(33)),
        replace(OPEN, suites=()),
        replace(OPEN, suites=((1, 2, 0x10000),)),
        replace(FORWARD, package=bytes(47)),
        replace(FORWARD, outer=bytes(49)),
        replace(FORWARD, open=bytes(2047)),
        replace(OFFER, format=0x10000),
        replace(OFFER, devices=((0x10000, b""),)),
        replace(OFFER, devices=((1, b""),) * 17),
        replace(OPENED, handle=bytes(31)),
        replace(CONTINUE, handle=bytes(33)),
        replace(CONTINUE, mac=bytes(32)),
        replace(CONTINUE, offset=1 << 64),
        replace(CONTINUE, offset=-1),
        replace(CONTINUED, handle=b""),
    ],
    ids=lambda bad: type(bad).__name__,
)
def test_what_does_not_fit_a_field_is_the_callers_mistake(bad: Any) -> None:
    with pytest.raises(UsageError):
        bad.encode()


HUGE = (1 << 18 | 1).to_bytes(4, "big")


@pytest.mark.parametrize(
    ("kind", "data", "why"),
    [
        (Offer, lp(b""), "under 1"),
        (Offer, HUGE, "over 262144"),
        (Offer, lp(b"f") + lp(b""), "under 1"),
        (Offer, lp(b"f") + HUGE, "over 262144"),
        (Offer, lp(b"f") + lp(b"a") + b"\0\1" + lp(b""), "under 1"),
        (Offer, lp(b"f") + lp(b"a") + b"\0\1" + HUGE, "over 262144"),
        (Offer, lp(b"f") + lp(b"a") + b"\0\1" + lp(b"e") + b"\0\x11", "17 devices"),
        (Offer, lp(b"f") + lp(b"a") + b"\0\1" + lp(b"e") + b"\0\1" + lp(b"1"), "under 2"),
        (Offer, lp(b"f") + lp(b"a") + b"\0\1" + lp(b"e") + b"\0\1" + HUGE, "over 262144"),
        (Opened, bytes(32) + lp(b""), "under 1"),
        (Opened, bytes(32) + HUGE, "over 262144"),
        (Opened, bytes(32) + lp(b"o") + HUGE, "over 262144"),
        (Opened, bytes(32) + lp(b"o") + lp(b"") + HUGE, "over 262144"),
        (Continue, bytes(88) + lp(b""), "under 1"),
        (Continue, bytes(88) + (1 << 24 | 1).to_bytes(4, "big"), "over 16777216"),
        (Continued, bytes(32) + (1 << 24 | 1).to_bytes(4, "big"), "over 16777216"),
        (Published, lp(b""), "under 1"),
        (Published, lp(b"p") + lp(b""), "under 1"),
        (Published, (1 << 17 | 1).to_bytes(4, "big"), "over 131072"),
        (Published, lp(b"p") + (1 << 17 | 1).to_bytes(4, "big"), "over 131072"),
    ],
)
# req: privproc1/8 bounded-before-reading
def test_bounds_are_checked_before_anything_is_read(kind: Any, data: bytes, why: str) -> None:
    with pytest.raises(DecodeError, match=why):
        kind.decode(data)


def test_an_offer_without_devices() -> None:
    plain = Offer(b"f", b"a", 1, b"e")
    assert plain.encode() == lp(b"f") + lp(b"a") + b"\0\1" + lp(b"e") + b"\0\0"
    check_codec(Offer.decode, plain.encode(), reencode=Offer.encode)


def test_handles_and_records_do_not_show() -> None:
    handle = b"\xa5" * 32
    for message in (
        replace(OPENED, handle=handle),
        replace(CONTINUE, handle=handle),
        replace(CONTINUED, handle=handle),
    ):
        assert repr(handle)[2:-1] not in repr(message)


# The transcript, against PROTOCOL.md §2 written out once more.


def t(label: bytes, *parts: bytes) -> bytes:
    head = lp(b"privproc/1 " + label) + len(parts).to_bytes(2, "big")
    return hashlib.sha384(head + b"".join(map(lp, parts))).digest()


FIELDS = [b"config", b"suite", b"enc", b"exported", b"token", b"pop"]


# req: privproc1/2.6 evidence-in-the-transcript
# req: privproc1/2.3 th1-covers-open
# req: privproc1/1 injective-hash
# req: privproc1/2.2 outer-covers-exchange
def test_the_transcript_against_its_definition() -> None:
    config, suite, enc, exported, token, pop = FIELDS
    outer = transcript.outer(config, suite, enc, Secret(exported), token, pop)
    assert outer == t(b"outer", *FIELDS)
    assert transcript.opened(b"pkg", outer, b"open") == t(b"open", b"pkg", outer, b"open")
    evidence = hashlib.sha384(b"\1\2" + b"evidence").digest()
    assert transcript.attested(b"th1", b"data", 0x0102, b"evidence") == t(b"attested", b"th1", b"data", evidence)
    assert transcript.OUTER_EXPORT == b"privproc/1 outer"
    assert transcript.CONTINUE_EXPORT == b"privproc/1 continue"


def test_the_mac_of_a_continuation_against_its_definition() -> None:
    parts = (b"privproc/1 continue", b"handle", bytes(6) + b"\1\0", b"enc", hashlib.sha384(b"records").digest())
    mac = hmac.digest(b"k" * 48, b"".join(map(lp, parts)), "sha384")
    assert transcript.continuation_mac(Secret(b"k" * 48), b"handle", 256, b"enc", b"records") == mac


@given(
    st.lists(st.binary(min_size=1, max_size=3), min_size=6, max_size=6),
    st.lists(st.binary(min_size=1, max_size=3), min_size=6, max_size=6),
)
# req: privproc1/1 injective-hash
def test_nothing_runs_together_in_the_transcript(one: list[bytes], two: list[bytes]) -> None:
    def outer(config: bytes, suite: bytes, enc: bytes, exported: bytes, token: bytes, pop: bytes) -> bytes:
        return transcript.outer(config, suite, enc, Secret(exported), token, pop)

    assert (outer(*one) == outer(*two)) == (one == two)
    assert (transcript.opened(*one[:3]) == transcript.opened(*two[:3])) == (one[:3] == two[:3])
    macs = [transcript.continuation_mac(Secret(b"k"), it[0], it[1][0], it[2], it[3]) for it in (one, two)]
    parts = [(it[0], it[1][0], it[2], it[3]) for it in (one, two)]
    assert (macs[0] == macs[1]) == (parts[0] == parts[1])
