"""The generator of hybrid cases makes good ones, and nothing in a case can be altered without its runner noticing."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest

from tests.composed import CASES, ID, VECTORS
from tests.composed_faults import FILES, cases_of
from tests.vectorfile import load, run

KIND = "privproc1-"


@pytest.mark.parametrize("name", CASES)
def test_a_fresh_case(name: str) -> None:
    run(KIND + name, CASES[name]())


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths to all bytes of a case: every field of it, however deep, that is not empty."""
    if isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, one in items:
            yield from leaves(one, (*path, key))
    elif isinstance(value, str) and value and set(value) <= set("0123456789abcdef"):
        yield path


def altered(case: Any, path: tuple[Any, ...]) -> Any:
    """One bit of one field, in its middle."""
    case = copy.deepcopy(case)
    *way, last = path
    place = case
    for step in way:
        place = place[step]
    data = bytearray.fromhex(place[last])
    data[len(data) // 2] ^= 1
    place[last] = data.hex()
    return case


STORED = [
    pytest.param(KIND + name, case, id=f"{name}: {case['id']}")
    for name in CASES
    for case in load(VECTORS / f"privproc1_{name}.json")["cases"]
]


@pytest.mark.parametrize(("kind", "case"), STORED)
def test_no_field_can_be_altered(kind: str, case: dict[str, Any]) -> None:
    for path in leaves(case):
        with pytest.raises(Exception):  # noqa: B017  whatever it is, it was noticed
            run(kind, altered(case, path))


@pytest.mark.parametrize("name", FILES)
def test_fault_files_are_of_these_cases(name: str) -> None:
    """Whoever makes the cases anew makes the faults anew."""
    assert load(VECTORS / "faults" / f"privproc1_hybrid_{name}.json")["cases"] == cases_of(name)


def test_hybrid_cases_are_there() -> None:
    for name in CASES:
        assert ID in [case["id"] for case in load(VECTORS / f"privproc1_{name}.json")["cases"]]
