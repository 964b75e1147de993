"""The time for commands that need one: ``--at``, else the clock's. The only place of the package that reads a clock."""

from __future__ import annotations

import argparse
import time

__all__ = ["add_at", "at"]


def add_at(parser: argparse.ArgumentParser) -> None:
    """The option ``--at``."""
    parser.add_argument("--at", type=int, metavar="SECONDS", help="the time, in Unix seconds (now, if left out)")


def at(arguments: argparse.Namespace) -> int:
    """Unix seconds."""
    return int(time.time()) if arguments.at is None else int(arguments.at)
