"""The bench doesn't rot, and its floors aren't padded: no timing is asserted here."""

from __future__ import annotations

import ast
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.bench import __main__ as command
from tests.bench import floors, measure
from tests.bench.operations import operations, streams
from tests.bench.parties import ANSWER, parties

OPERATIONS = {operation.name: operation for operation in operations()}
STREAMS = {stream.name: stream for stream in streams()}
BOUNDS = {
    "OHTTP exchange, X25519": 1.2,
    "OHTTP exchange, X-Wing": 1.2,
    "HPKE set-up and seal, X25519": 1.1,
    "appraisal of an SEV-SNP report": 1.2,
    "private request, all parties": 1.4,
    "live session's request, all parties": 1.35,
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


FLOORS = sorted(Path(floors.__file__).parent.glob("*.py"))


@pytest.mark.parametrize("path", FLOORS, ids=[path.stem for path in FLOORS])
def test_floors_call_third_party_code_only(path):
    tree = ast.parse(path.read_text())
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.level]
    modules = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    modules |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    foreign = {module for module in modules if not module.startswith(f"{floors.__name__}.")}
    roots = {module.partition(".")[0] for module in foreign}
    assert roots <= {"Crypto", "cryptography", "OpenSSL", *sys.stdlib_module_names}


@pytest.mark.parametrize("name", STREAMS)
def test_streams_run_and_hold_no_more_than_some_pieces(name):
    stream = STREAMS[name]
    stream.floor().piece()
    result = measure.measure_stream(stream, 32 * stream.piece)
    assert result.peaks[1] < 16 * stream.piece
    assert command.stream_row(result)[0].startswith(name)


def test_the_table():
    names = ("HPKE set-up and seal, X25519", "BHTTP request: encode")
    results = [measure.measure(OPERATIONS[name], seconds=0) for name in names]
    head = ["operation", *("" for _ in range(8))]
    lines = list(command.table(head, map(command.row, results)))
    assert [line.startswith(name) for line, name in zip(lines[2:], names, strict=True)] == [True, True]
    assert "<= 1.1" in lines[2]
    assert any("KeySchedule" in line for line in command.calls([OPERATIONS[names[0]]]))
