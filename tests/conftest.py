"""Network and processes are off where a test doesn't say otherwise; hypothesis is deterministic, except at night."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings

from tests.interop.summary import pytest_terminal_summary  # noqa: F401  # a hook; under xdist it is found only here

SHARED = Path(__file__).resolve().parent.parent.parent / "shared" / "vectors"

# Chosen with --hypothesis-profile. Only the nightly run may find something that the commit before it didn't fail on.
settings.register_profile(
    "dev",
    deadline=None,
    derandomize=True,
    max_examples=60,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("ci", parent=settings.get_profile("dev"), print_blob=True)
settings.register_profile("night", parent=settings.get_profile("ci"), derandomize=False, max_examples=1000)
settings.register_profile(  # a mutant is killed by any example; the smallest doesn't matter
    "mutation",
    parent=settings.get_profile("dev"),
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=list(HealthCheck),
)
settings.load_profile("dev")

FORBIDDEN = ("socket.", "subprocess.Popen", "os.system", "os.posix_spawn", "os.exec")
_guard = {"on": False}


def _audit(event: str, _args: tuple[object, ...]) -> None:
    if _guard["on"] and event.startswith(FORBIDDEN):
        raise RuntimeError(f"a test without the loopback marker did {event}")


sys.addaudithook(_audit)


@pytest.fixture(autouse=True)
def _no_network(request: pytest.FixtureRequest):
    _guard["on"] = request.node.get_closest_marker("loopback") is None
    yield
    _guard["on"] = False


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--vectors", action="append", default=[], metavar="DIR", help="also run the vector files of this folder"
    )


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of vendors' evidence, which is not part of the repository."""
    if not SHARED.is_dir():
        pytest.skip("vendors' evidence (shared/vectors) is not here; it is other projects' data and not distributed")
    return SHARED


def pytest_make_parametrize_id(config: pytest.Config, val: object, argname: str) -> str | None:
    """Long values, and those that differ from run to run, are named by their argument."""
    long = isinstance(val, bytes) or (isinstance(val, int) and abs(val) >> 64)
    return argname if long else None
