"""Every file under vectors/, and under the folders given with --vectors, through the runner of its kind."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.vectorfile import Case, load, runners

VECTORS = Path(__file__).resolve().parent.parent / "vectors"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    folders = [VECTORS, *map(Path, metafunc.config.getoption("--vectors"))]
    found = []
    for folder in folders:
        for path in sorted(folder.rglob("*.json")):
            data = load(path)
            name = path.relative_to(folder).with_suffix("").as_posix()
            found += [pytest.param(data["kind"], case, id=f"{name}:{case['id']}") for case in data["cases"]]
    metafunc.parametrize(("kind", "data"), found)


def test_vector(kind: str, data: dict) -> None:
    known = runners()
    assert kind in known, f"no test reads vector files of kind {kind!r}"
    case = Case(data)
    known[kind].run(case)
    assert not case.unread(), f"fields that nothing consumed: {sorted(case.unread())}"
