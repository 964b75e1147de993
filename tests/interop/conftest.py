"""Peers for the tests, built and started when the first one asks."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.interop.peers import Drivers, Running


@pytest.fixture(scope="session")
def drivers() -> Iterator[Drivers]:
    started = Drivers()
    yield started
    started.close()


@pytest.fixture
def peer(request: pytest.FixtureRequest, drivers: Drivers, record_property) -> Running:
    """The peer of a parametrized test."""
    record_property("peer", str(request.param))
    return drivers.start(request.param)
