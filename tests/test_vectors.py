"""Every file under vectors/, and under the folders given with --vectors, through the runner of its kind."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.vectorfile import load, run

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
    run(kind, data)
