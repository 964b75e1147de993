"""The report's format: every field where the ABI has it, what is reserved is zero, nothing else is read."""

from __future__ import annotations

import itertools
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from privproc.attestation.snp import Product, Report, SigningKey, Tcb
from privproc.attestation.snp.report import REPORT_SIZE, SIGNED_SIZE
from privproc.errors import DecodeError, UnsupportedError, UsageError
from tests.codec import check_contract
from tests.world.amd import FIELDS, FakeAmd, old_fields

AT = 1_780_000_000
CHIP = FakeAmd.generate(Product.TURIN, AT).chip()
MEASUREMENT = bytes(range(48))
DATA = bytes(range(1, 65))


def report(**changes: Any) -> bytes:
    return CHIP.report(measurement=MEASUREMENT, report_data=DATA, **changes)


# req: privproc1/4.9 report-layout
def test_every_field() -> None:
    """Each field gets a value of its own, and comes out under its name."""
    values: dict[str, Any] = {}
    for number, (name, (_, layout)) in enumerate(FIELDS.items(), 1):
        size = struct.calcsize("<" + layout)
        pattern = bytes((number * 7 + index) & 0xFF for index in range(size))
        values[name] = pattern if layout.endswith("s") else int.from_bytes(pattern, "little")
    values |= {"version": 5, "algorithm": 1, "flags": 0b00111}
    raw = CHIP.report(**values)
    got = Report.decode(raw)
    renamed = {"flags", "algorithm", "cpuid_family", "cpuid_model", "cpuid_stepping"}
    for name in set(FIELDS) - renamed - {"current_firmware", "committed_firmware"}:
        assert getattr(got, name) == values[name], name
    assert got.current_firmware == tuple(reversed(values["current_firmware"]))
    assert got.committed_firmware == tuple(reversed(values["committed_firmware"]))
    assert got.cpuid == (values["cpuid_family"], values["cpuid_model"], values["cpuid_stepping"])
    assert (got.author_key_enabled, got.mask_chip_key, got.signing_key) == (True, True, SigningKey.VLEK)
    assert got.r == int.from_bytes(raw[0x2A0:0x2E8], "little")
    assert got.s == int.from_bytes(raw[0x2E8:0x330], "little")
    assert got.signed == raw[:SIGNED_SIZE]
    assert got.encode() == raw
    assert "raw=" not in repr(got)


# req: privproc1/4.9 report-layout
def test_exact_size() -> None:
    raw = report()
    assert len(raw) == REPORT_SIZE
    for data in (b"", raw[:-1], raw[:SIGNED_SIZE], raw + b"\0", raw + raw):
        with pytest.raises(DecodeError, match=f"{len(data)} bytes instead of 1184"):
            Report.decode(data)


@pytest.mark.parametrize("version", [0, 1, 4, 6, 0x02000000, 0xFFFFFFFF])
# req: privproc1/4.9 known-versions
def test_other_versions(version: int) -> None:
    with pytest.raises(UnsupportedError, match="version"):
        Report.decode(report(version=version))


# req: privproc1/4.9 known-versions
def test_other_algorithms() -> None:
    for algorithm in (0, 2, 0x01000000):
        with pytest.raises(UnsupportedError, match="algorithm"):
            Report.decode(report(algorithm=algorithm))


@pytest.mark.parametrize("value", range(2, 7))
def test_reserved_signing_keys(value: int) -> None:
    with pytest.raises(DecodeError, match="reserved signing key"):
        Report.decode(report(flags=value << 2))


def test_older_versions() -> None:
    old = Report.decode(report(**old_fields(2)))
    assert (old.cpuid, old.launch_mitigations, old.current_mitigations) == (None, None, None)
    middle = Report.decode(report(**old_fields(3)))
    assert middle.cpuid == (0x1A, 2, 1)
    assert middle.launch_mitigations is None


# version, first and last byte of what it reserves
RESERVED = [
    (5, 0x04C, 0x050),
    (5, 0x18B, 0x1A0),
    (5, 0x1EB, 0x1EC),
    (5, 0x1EF, 0x1F0),
    (5, 0x208, 0x2A0),
    (3, 0x1F8, 0x2A0),
    (2, 0x188, 0x1A0),
    (2, 0x1F8, 0x2A0),
    (5, 0x2D0, 0x2E8),
    (5, 0x318, 0x330),
    (5, 0x330, 0x4A0),
]


@pytest.mark.parametrize(("version", "start", "end"), RESERVED)
# req: privproc1/4.9 reserved-is-zero
def test_reserved_bytes(version: int, start: int, end: int) -> None:
    good = report(**(old_fields(version) if version < 5 else {}))
    for offset in {start, (start + end) // 2, end - 1}:
        changed = bytearray(good)
        changed[offset] ^= 0x80
        with pytest.raises(DecodeError, match="reserved, but not zero") as raised:
            Report.decode(bytes(changed))
        assert raised.value.offset == offset


@pytest.mark.parametrize("place", [5, 31])
def test_reserved_flags(place: int) -> None:
    with pytest.raises(DecodeError, match=rf"not zero \(at byte {72 + place // 8}\)"):
        Report.decode(report(flags=1 << place))


def test_all_bytes_are_accounted_for() -> None:
    """Fields and reserved bytes of version 5 fill the report without gap."""
    covered = sorted(
        [(offset, offset + struct.calcsize("<" + layout)) for offset, layout in FIELDS.values()]
        + [(start, end) for version, start, end in RESERVED if version == 5]
        + [(0x2A0, 0x2D0), (0x2E8, 0x318)]
    )
    assert covered[0][0] == 0
    assert covered[-1][1] == REPORT_SIZE
    assert all(end == start for (_, end), (start, _) in itertools.pairwise(covered))


@given(st.binary(min_size=REPORT_SIZE, max_size=REPORT_SIZE))
def test_contract(data: bytes) -> None:
    check_contract(Report.decode, data)
    check_contract(Report.decode, b"\5\0\0\0" + data[4:0x34] + b"\1\0\0\0" + data[0x38:])


LEVELS = st.builds(Tcb, **dict.fromkeys(("fmc", "bootloader", "tee", "snp", "microcode"), st.integers(0, 255)))


@given(LEVELS)
# req: privproc1/4.9 tcb-layouts
def test_tcb_layouts(tcb: Tcb) -> None:
    turin = tcb.encode(Product.TURIN)
    assert turin == bytes((tcb.fmc, tcb.bootloader, tcb.tee, tcb.snp, 0, 0, 0, tcb.microcode))
    assert Tcb.decode(turin, Product.TURIN) == tcb
    for product in (Product.MILAN, Product.GENOA):
        old = Tcb(bootloader=tcb.bootloader, tee=tcb.tee, snp=tcb.snp, microcode=tcb.microcode)
        assert old.encode(product) == bytes((old.bootloader, old.tee, 0, 0, 0, 0, old.snp, old.microcode))
        assert Tcb.decode(old.encode(product), product) == old
        if tcb.fmc:
            with pytest.raises(UsageError, match="no FMC"):
                tcb.encode(product)


@pytest.mark.parametrize(("product", "reserved"), [(Product.MILAN, (2, 3, 4, 5)), (Product.TURIN, (4, 5, 6))])
# req: privproc1/4.9 tcb-layouts
def test_tcb_reserved(product: Product, reserved: tuple[int, ...]) -> None:
    for index in range(8):
        raw = bytes(int(index == place) for place in range(8))
        if index in reserved:
            with pytest.raises(DecodeError, match="reserved"):
                Tcb.decode(raw, product)
        else:
            assert sum(Tcb.decode(raw, product).levels) == 1
    for raw in (b"", bytes(7), bytes(9)):
        with pytest.raises(DecodeError, match="instead of 8"):
            Tcb.decode(raw, product)


@pytest.mark.parametrize("level", [-1, 256])
def test_tcb_levels(level: int) -> None:
    with pytest.raises(UsageError, match="0 to 255"):
        Tcb(bootloader=0, tee=0, snp=level, microcode=0)


@pytest.mark.parametrize(
    ("family", "model", "product"),
    [
        (0x19, 0x00, Product.MILAN),
        (0x19, 0x01, Product.MILAN),
        (0x19, 0x0F, Product.MILAN),
        (0x19, 0x10, Product.GENOA),
        (0x19, 0x11, Product.GENOA),
        (0x19, 0x1F, Product.GENOA),
        (0x19, 0xA0, Product.GENOA),
        (0x19, 0xAF, Product.GENOA),
        (0x1A, 0x02, Product.TURIN),
        (0x1A, 0x11, Product.TURIN),
    ],
)
def test_cpuid(family: int, model: int, product: Product) -> None:
    assert Product.from_cpuid(family, model) is product


@pytest.mark.parametrize(
    ("family", "model"), [(0, 0), (0x17, 1), (0x19, 0x20), (0x19, 0x9F), (0x19, 0xB0), (0x1A, 0x12)]
)
def test_unknown_cpuid(family: int, model: int) -> None:
    with pytest.raises(UnsupportedError):
        Product.from_cpuid(family, model)
