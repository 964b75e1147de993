"""What every device of wrapped mode does alike: docs/protocol.md §14."""

from __future__ import annotations

from typing import Final

__all__ = ["LONGEST", "MARGIN", "WRAPPED_PATH", "WRAPS"]

WRAPPED_PATH: Final = "/privproc/1/wrapped"

WRAPS: Final = (2, 8)
"""For how many nodes, least and most, a request may be wrapped. How many it is stands in the roster, for all alike."""

LONGEST: Final = 14400
"""Seconds that a node's key lives, at most: what it opens has no forward secrecy until then."""

MARGIN: Final = 30
"""Seconds before a node's end from which devices don't ask it any more: a request may be under way for as long."""
