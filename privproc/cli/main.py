"""The command line as a whole: arguments, exit status, and what becomes of errors."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from privproc.cli import appraise, keys, vectors
from privproc.cli.inspect import command as inspect
from privproc.errors import PeerError, UsageError

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status: 0, 1 for a verdict against the input, 2 for a mistake, or 3 for
    vector files that can't be run here.
    """
    parser = argparse.ArgumentParser(
        prog="privproc",
        description="Offline tools for private processing.",
        epilog="Exit status: 0 fine, 1 the input isn't as it should be, 2 a mistake in the call. See docs/cli.md.",
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for module in (inspect, appraise, keys, vectors):
        module.add_to(commands)
    appraise.add_draft_to(commands)
    chosen = parser.parse_args(arguments)
    try:
        status: int = chosen.run(chosen)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except PeerError as error:
        sys.stderr.write(f"privproc: {error}\n")
        return 1
    except (UsageError, OSError) as error:
        sys.stderr.write(f"privproc: {error}\n")
        return 2
    return status
