"""The binder: both ends compute it from the same fields, and no field can be left out, moved or confused."""

from __future__ import annotations

import hashlib
from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from privproc.attestation.binder import (
    EXPORTER_LABEL,
    EXPORTER_LENGTH,
    REPORT_DATA_LENGTH,
    Binding,
    Direction,
    exporter_context,
)
from privproc.errors import SpentError, UsageError
from privproc.secret import Secret

TH1 = bytes(range(48))
BINDING = Binding(
    direction=Direction.SERVER_TO_CLIENT,
    sequence=0,
    role="model",
    th1=TH1,
    exporter=Secret(bytes(range(32))),
    leaf=b"leaf certificate",
    peer=b"",
    announcement=b"keys",
)


def lp(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data


def t(label: bytes, *parts: bytes) -> bytes:
    """T of PROTOCOL.md §1, written out once more."""
    return hashlib.sha384(
        lp(b"privproc/1 " + label) + len(parts).to_bytes(2, "big") + b"".join(map(lp, parts))
    ).digest()


# req: privproc1/2.5 tag-of-its-own
def test_against_the_definition() -> None:
    """PROTOCOL.md §2: ctx, pre, nonce_i, dev and report_data."""
    assert exporter_context(Direction.SERVER_TO_CLIENT, 7, TH1) == t(b"ctx", b"s2c", b"\0\0\0\7", TH1)
    leaf, peer = (hashlib.sha256(der).digest() for der in (b"leaf certificate", b"peer certificate"))
    ekm = bytes(range(32))
    assert BINDING.pre == t(b"pre", b"s2c", b"model", b"\0\0\0\0", TH1, ekm, leaf, b"", b"keys")
    mutual = replace(BINDING, direction=Direction.CLIENT_TO_SERVER, sequence=1, peer=b"peer certificate")
    assert mutual.pre == t(b"pre", b"c2s", b"model", b"\0\0\0\1", TH1, ekm, leaf, peer, b"keys")
    nonce = hashlib.sha256(lp(b"privproc/1 dev") + lp(BINDING.pre) + b"\1\2").digest()
    assert BINDING.device_nonce(0x102) == nonce
    assert BINDING.report_data([]) == b"privproc/1 bind\0" + t(b"bind", BINDING.pre, b"\0\0")
    devices = [(1, b"gpu 0"), (0x0203, b"gpu 1")]
    items = [kind.to_bytes(2, "big") + hashlib.sha384(evidence).digest() for kind, evidence in devices]
    dev = b"\0\2" + b"".join(map(lp, items))
    assert BINDING.report_data(devices) == b"privproc/1 bind\0" + t(b"bind", BINDING.pre, dev)


# req: privproc1/2.5 tag-of-its-own
def test_sizes_and_labels() -> None:
    assert EXPORTER_LABEL == b"EXPERIMENTAL privproc/1 attest"
    assert EXPORTER_LENGTH == 32
    assert len(BINDING.report_data([])) == REPORT_DATA_LENGTH == 64
    assert len(BINDING.pre) == 48
    assert len(BINDING.device_nonce(0)) == 32
    assert len(exporter_context(Direction.CLIENT_TO_SERVER, 0, TH1)) == 48


OTHER: dict[str, Any] = {
    "direction": Direction.CLIENT_TO_SERVER,
    "sequence": 1,
    "role": "model2",
    "th1": bytes(48),
    "exporter": Secret(bytes(32)),
    "leaf": b"another certificate",
    "peer": b"leaf certificate",
    "announcement": b"",
}


@pytest.mark.parametrize("name", [item.name for item in fields(Binding)])
# req: privproc1/2.5 binder-covers-session
def test_every_field_counts(name: str) -> None:
    """Reflection (direction), another session (exporter, th1), a relay (leaf, peer), role confusion, replay, keys."""
    other = replace(BINDING, **{name: OTHER[name]})
    assert other.pre != BINDING.pre
    assert other.report_data([]) != BINDING.report_data([])
    assert other.device_nonce(0) != BINDING.device_nonce(0)


@given(st.lists(st.tuples(st.integers(0, 0xFFFF), st.binary(max_size=8)), max_size=3))
# req: privproc1/2.5 devices-in-order
def test_devices_count_in_order(devices: list[tuple[int, bytes]]) -> None:
    data = BINDING.report_data(devices)
    assert data != BINDING.report_data([*devices, (0, b"")])
    if devices != devices[::-1]:
        assert data != BINDING.report_data(devices[::-1])


@given(st.text(max_size=6), st.binary(max_size=6), st.text(max_size=6), st.binary(max_size=6))
def test_fields_do_not_run_together(role: str, keys: bytes, other_role: str, other_keys: bytes) -> None:
    one = replace(BINDING, role="r" + role, announcement=keys)
    two = replace(BINDING, role="r" + other_role, announcement=other_keys)
    assert (one.pre == two.pre) == ((role, keys) == (other_role, other_keys))


# req: privproc1/2.5 devices-in-order
def test_device_nonces_differ() -> None:
    assert len({BINDING.device_nonce(index) for index in range(8)}) == 8


@pytest.mark.parametrize(
    "change",
    [
        {"role": ""},
        {"leaf": b""},
        {"th1": b""},
        {"th1": bytes(47)},
        {"exporter": Secret(b"")},
        {"exporter": Secret(bytes(33))},
    ],
)
def test_required_fields(change: dict[str, Any]) -> None:
    bad = replace(BINDING, **change)
    for use in (lambda: bad.pre, lambda: bad.report_data([]), lambda: bad.device_nonce(0)):
        with pytest.raises(UsageError):
            use()


def test_required_sizes() -> None:
    with pytest.raises(UsageError, match="th1 has 32 bytes"):
        exporter_context(Direction.SERVER_TO_CLIENT, 0, bytes(32))
    with pytest.raises(UsageError, match="uint16"):
        BINDING.report_data([(0, b"")] * 0x10000)


def test_wiped_exporter() -> None:
    exporter = Secret(bytes(32))
    exporter.wipe()
    with pytest.raises(SpentError):
        _ = replace(BINDING, exporter=exporter).pre


def test_opaque() -> None:
    assert "exporter" not in repr(BINDING)
    assert bytes(range(32)).hex() not in repr(BINDING)
