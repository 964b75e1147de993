"""Everything that takes a peer's bytes, fuzzed with coverage for some seconds; by hand it runs for longer."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from privproc.errors import DecodeError, PeerError
from tests.fuzz.targets import Canonical, in_pieces, seeds, targets
from tests.test_boundaries import Decoder

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.loopback
def test_nothing_but_peer_errors():
    pytest.importorskip("atheris", reason="atheris is for Linux and has no wheel for this Python")
    run = [sys.executable, "-m", "tests.fuzz", "--together", "--seconds", "10", "--seed", "1"]
    own = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}  # atheris has its own
    done = subprocess.run(run, cwd=ROOT, env=own, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:]
    assert int(done.stdout.split()[2]) > 1000, done.stdout


@pytest.mark.parametrize("name", targets())
def test_targets_take_their_seeds(name):
    target = targets()[name]
    for data in seeds(name, target, 1):
        target(data)


def test_a_decoder_that_takes_two_forms_of_one_value_is_noticed():
    decoder = Decoder(lambda data: data.rstrip(b"\0"), b"a", lambda value: value)
    Canonical(decoder)(b"a")
    with pytest.raises(AssertionError, match="other bytes"):
        Canonical(decoder)(b"a\0")


def test_a_decoder_that_judges_pieces_otherwise_is_noticed():
    class Lenient:
        def receive_data(self, data):
            return []

        def end_of_data(self):
            return []

    def strict(data: bytes) -> None:
        if data != b"it":
            raise DecodeError("it", "is not")

    in_pieces(Lenient, strict, b"\x01it")
    with pytest.raises(AssertionError, match="another verdict"):
        in_pieces(Lenient, strict, b"\x01at")
    assert issubclass(DecodeError, PeerError)
