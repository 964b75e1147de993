"""Credentials whose specifications aren't settled: each module names its draft, and what of it peers do differently.

What is here may change or go with any version, and no part of privproc/1 uses it.
"""

from __future__ import annotations

from privproc.tokens.experimental import act, acttoken, arc, arctoken, challenge, sigma

__all__ = ["act", "acttoken", "arc", "arctoken", "challenge", "sigma"]
