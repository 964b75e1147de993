"""The bench doesn't rot, and its floors aren't padded: no timing is asserted here."""

from __future__ import annotations

import ast
import re
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.bench import __main__ as command
from tests.bench import floors, growth, measure, page, peers, plot, rivals
from tests.bench import held as many
from tests.bench.operations import growths, held, operations, streams
from tests.bench.parties import ANSWER, parties
from tests.interop.peers import OHTTP_RS

OPERATIONS = {operation.name: operation for operation in operations()}
STREAMS = {stream.name: stream for stream in streams()}
HELD = {one.name: one for one in held()}
GROWTHS = {one.name: one for one in growths()}
BOUNDS = {
    "OHTTP exchange, X25519": 1.15,
    "OHTTP exchange, X-Wing": 1.15,
    "OHTTP exchange, X25519, 1 MiB": 1.5,
    "HPKE set-up and seal, X25519": 1.1,
    "appraisal of an SEV-SNP report": 1.15,
    "report and chain, all new": 1.3,
    "appraisal of a TDX quote": 1.3,
    "appraisal of an SGX quote": 1.3,
    "appraisal of two GPUs": 1.3,
    "entry of Rekor": 1.3,
    "receipt of CCF": 1.3,
    "private request, all parties": 1.35,
    "live session's request, all parties": 1.35,
    "blind RSA-2048: sign, pycryptodome": 1 / 0.85,
    "blind RSA-2048: sign, gmpy2": 1 / 0.85,
    "blind RSA-2048: sign, libcrypto": 1 / 0.85,
    "blind RSA-2048: verify": 1 / 0.8,
}
LIMITS = {
    "ARC, limit of 128: present": 20_000,
    "ARC, limit of 128: verify": 15_000,
    **{name: 45 for name in OPERATIONS if "30 fields" in name},
    "blind RSA-2048: blind and finish": 200,
    "blind RSA-2048: sign, libcrypto": 400,
    "wallet of 100000 tokens: load": 1_000_000,
}
RIVALS = {
    "blind RSA-2048: sign, beside pow": 1 / 4,
    "VOPRF P-384, 30 tokens: issue, beside voprf": 1,
    "VOPRF P-384, 30 tokens: blind and finish, beside voprf": 1,
    "VOPRF ristretto255, 30 tokens: issue, beside voprf": 1 / 0.55,
    "VOPRF ristretto255, 30 tokens: blind and finish, beside voprf": 1 / 0.55,
    "VOPRF P-384, 30 tokens: issue, beside circl": 1 / 0.75,
    "VOPRF P-384, 30 tokens: blind and finish, beside circl": 1 / 0.75,
}
SHARES = {
    "chunked sealer": 0.6,
    "chunked opener, 64 KiB": 0.5,
    "chunked opener, 16 KiB": 0.5,
    "chunked opener, 1,400 B": 0.25,
}


def calls(operation: measure.Operation) -> Counter[str]:
    """Names of all functions that one run of ``operation`` calls, of Python and of C."""
    found: Counter[str] = Counter()

    def note(frame, event, argument):
        if event == "call":
            found[frame.f_code.co_qualname] += 1
        elif event == "c_call":
            found[argument.__qualname__] += 1

    prepared = operation.prepare()
    before = sys.getprofile()
    sys.setprofile(note)
    try:
        operation.run(prepared)
    finally:
        sys.setprofile(before)
    return found


@pytest.mark.parametrize("name", OPERATIONS)
def test_each_operation_and_its_floor_run(name):
    operation = OPERATIONS[name]
    operation.once()
    if operation.floor is not None:
        assert len(operation.floor.run()) == sum(one.times for one in operation.floor.calls)


@pytest.mark.parametrize("name", [name for name, operation in OPERATIONS.items() if operation.floor])
def test_no_floor_calls_more_than_the_library(name):
    operation = OPERATIONS[name]
    operation.once()  # what is made once and kept
    made = calls(operation)
    padded = {call: (times, made[call]) for call, times in operation.floor.counts().items() if made[call] < times}
    assert not padded, "in the floor, in the library"


def test_the_request_is_answered_and_its_sizes_are_the_floors():
    sizes = floors.Sizes()
    overheads = 7 + 1120 + 16, 32 + 16
    assert parties().request() == ANSWER
    contents = parties().directory.contents.get(at=parties().world.at)
    assert (sizes.open_up, sizes.open_down) == (contents.up - overheads[0], contents.down - overheads[1])


def test_the_bounds_are_those_of_the_design():
    assert {name: operation.bound for name, operation in OPERATIONS.items() if operation.bound} == BOUNDS
    assert {name: stream.bound for name, stream in STREAMS.items() if stream.bound} == SHARES
    assert {name: operation.limit for name, operation in OPERATIONS.items() if operation.limit} == LIMITS
    assert {one.limit for one in HELD.values()} == {64 << 10}
    assert many.COUNT == 1000
    flat = {name: (one.bound, one.limit) for name, one in GROWTHS.items() if "request" in name}
    assert flat == {"private request, with a token of its own": (1.1, 256), "live session's request": (1.1, 0)}


@pytest.mark.loopback
def test_rivals_do_the_same_work():
    """Those that can be had here: circl only where Go is."""
    with rivals.circl() as driver:
        found = {operation.name: operation for operation in rivals.operations(driver)}
        assert RIVALS.items() >= {name: operation.bound for name, operation in found.items()}.items()
        assert [name for name in RIVALS if name not in found and "circl" not in name] == []
        for operation in found.values():
            operation.once()
            assert operation.floor.run()
            if isinstance(operation.floor, measure.Elsewhere):
                assert operation.floor.nanoseconds() > 1e6


def test_without_a_rival(monkeypatch, capsys):
    def absent(folder):
        raise rivals.UnavailableError("no Go")

    monkeypatch.setattr(rivals, "Driver", absent)
    with rivals.circl() as driver:
        assert driver is None
    assert "no rows beside circl: no Go" in capsys.readouterr().err


@pytest.mark.slow
def test_a_limit_is_a_verdict():
    slow = replace(OPERATIONS["BHTTP request: encode"], limit=1e-3)
    assert measure.measure(slow, seconds=0).verdict == "MISSED"
    assert command.limits(slow) == "<= 0 us"
    fast = replace(slow, limit=1e9)
    result = measure.measure(fast, seconds=0)
    assert result.verdict == "ok"
    both = replace(OPERATIONS["HPKE set-up and seal, X25519"], limit=1e9)
    assert command.limits(both) == "<= 1.1, <= 1000000000 us"
    assert measure.measure(replace(both, bound=0), seconds=0).verdict == "MISSED"


FLOORS = sorted(Path(floors.__file__).parent.glob("*.py"))


@pytest.mark.parametrize("path", FLOORS, ids=[path.stem for path in FLOORS])
def test_floors_call_third_party_code_only(path):
    tree = ast.parse(path.read_text())
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.level]
    modules = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    modules |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    foreign = {module for module in modules if not module.startswith(f"{floors.__name__}.")}
    roots = {module.partition(".")[0] for module in foreign}
    assert roots <= {"Crypto", "cryptography", "gmpy2", "OpenSSL", *sys.stdlib_module_names}


@pytest.mark.slow
@pytest.mark.parametrize("name", STREAMS)
def test_streams_run_and_hold_no_more_than_some_pieces(name):
    stream = STREAMS[name]
    floor = stream.floor()
    floor.piece(floor.ready())
    result = measure.measure_stream(stream, 32 * stream.piece)
    assert result.peaks[1] < 16 * stream.piece
    assert command.stream_row(result)[0].startswith(name)


@pytest.mark.parametrize("name", HELD)
def test_what_is_held_is_made_and_dropped(name):
    one = HELD[name]
    assert one.make() is not one.make()
    one.floor()


@pytest.mark.loopback
def test_what_is_held_is_measured_in_a_process_of_its_own():
    gateway = HELD["session: its gateway"]
    result = many.measure_held(gateway, 30)
    assert result.verdict == "ok"
    assert command.held_row(result)[0] == "30 x session: its gateway"
    assert many.HeldResult(gateway, 30, gateway.limit + 2.0, 1.0).verdict == "MISSED"


@pytest.mark.slow
@pytest.mark.parametrize("name", GROWTHS)
def test_late_steps_are_measured_against_early_ones(name, monkeypatch):
    monkeypatch.setattr(growth, "BATCHES", 2)
    result = growth.measure_growth(replace(GROWTHS[name], near=1, far=8))
    assert all(ratio > 0 for ratio in result.ratios)
    assert command.growth_row(result)[0] == f"{name}, after 1 and 8"


def test_growth_is_a_verdict(monkeypatch):
    """Steps that leave something behind, and steps that take longer each time."""
    monkeypatch.setattr(growth, "BATCHES", 2)
    kept = []

    def hoarding():
        return lambda: kept.append(bytes(1000))

    def slowing():
        past = []
        return lambda: sum(past, start=len(past.append(1) or past))

    one = replace(GROWTHS["live session's request"], near=1, far=400)
    assert growth.measure_growth(replace(one, make=hoarding)).verdict == "GROWS"
    slow = growth.measure_growth(replace(one, make=slowing, far=20_000, limit=1 << 10))
    assert slow.ratio > 2
    assert slow.verdict == "GROWS"


def test_the_table():
    names = ("HPKE set-up and seal, X25519", "BHTTP request: encode")
    results = [measure.measure(OPERATIONS[name], seconds=0) for name in names]
    head = ["operation", *("" for _ in range(8))]
    lines = list(command.table(head, map(command.row, results)))
    assert [line.startswith(name) for line, name in zip(lines[2:], names, strict=True)] == [True, True]
    assert "<= 1.1" in lines[2]
    assert any("KeySchedule" in line for line in command.calls([OPERATIONS[names[0]]]))


def test_comparisons_with_peers():
    """With a peer that can't be had, and one that says what it took."""
    for there, last in (("cargo isn't installed", ""), (2000.0, "2.00")):
        one = peers.Comparison("OHTTP exchange", OHTTP_RS, 1000.0, 900.0, there)
        assert one.row[2:4] == ["1000", "900"]
        assert one.row[-1] == last
    for make, _call, _peers in peers.OPERATIONS.values():
        for suite in peers.SUITES.values():
            operation = make(suite)
            operation.once()
            made = calls(operation)
            assert not {call for call, times in operation.floor.counts().items() if made[call] < times}
    assert list(peers.comparisons("no such name", seconds=0)) == []


@pytest.mark.slow
def test_the_plot():
    """Every measured thing with a floor has its bar; what can't be had has none; bounds that are missed stand out."""
    names = ("HPKE set-up and seal, X25519", "BHTTP request: encode")
    results = [measure.measure(OPERATIONS[name], seconds=0) for name in names]
    missed = measure.measure(replace(OPERATIONS[names[0]], name="a < b", bound=1e-9), seconds=0)
    flowing = [measure.measure_stream(STREAMS["chunked sealer"], 32 * STREAMS["chunked sealer"].piece)]
    compared = [
        peers.Comparison("OHTTP exchange, X, beside peers", OHTTP_RS, 300.0, 200.0, there)
        for there in (100.0, "absent")
    ]
    drawn = plot.plot([*results, missed], flowing, compared)
    root = ET.fromstring(drawn)  # noqa: S314 - our own
    bars = [rect for rect in root.iter("{http://www.w3.org/2000/svg}rect") if rect.get("rx")]
    assert len(bars) == 2 + 1 + 3
    assert [rect.get("class") for rect in bars][1] == "worse"
    assert "a &lt; b" in drawn
    assert names[1] not in drawn
    assert "absent" not in drawn
    lengths = [float(rect.get("width", "0")) for rect in bars[3:]]
    assert lengths == pytest.approx([plot.BARS * share for share in (2 / 3, 1, 1 / 3)], rel=1e-2)
    assert max(float(rect.get("width", "0")) for rect in bars) <= plot.BARS
    nothing = plot.plot([], [], [peers.Comparison("n", OHTTP_RS, 1.0, 1.0, "absent")])
    assert nothing.count("<rect") == 1


def test_the_page_has_a_block_for_each_section():
    text = page.PAGE.read_text(encoding="utf-8")
    for section, (pattern, *_) in page.SECTIONS.items():
        found = page.replaced(text, section, "what was printed")
        assert found.count("\nwhat was printed\n") == 1
        assert page.replaced(found, section, "again").count("what was printed") == 0
        assert (page.DOCS / "figures" / f"bench-{section}.svg").exists() == (section != "sessions")
        assert any(re.search(pattern, name) for name in [*OPERATIONS, *STREAMS, "OHTTP exchange, beside peers"])
    for name in [*OPERATIONS, *STREAMS, *HELD, *GROWTHS]:
        assert sum(bool(re.search(pattern, name)) for pattern, *_ in page.SECTIONS.values()) == 1, name
    with pytest.raises(ValueError, match="0 blocks"):
        page.replaced(text, "nothing", "")
