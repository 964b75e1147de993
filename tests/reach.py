"""What an object can still reach: for proving that something was forgotten."""

from __future__ import annotations

import gc
from types import FunctionType, ModuleType


def reaches(root: object, kind: type) -> bool:
    """Whether an instance of ``kind`` can be got at from ``root``, the frames of kept tracebacks included.

    Classes, modules and functions aren't followed: through their globals everything reaches everything.
    """
    seen = {id(root)}
    left = [root]
    while left:
        thing = left.pop()
        if isinstance(thing, kind):
            return True
        for other in gc.get_referents(thing):
            if id(other) not in seen and not isinstance(other, type | ModuleType | FunctionType):
                seen.add(id(other))
                left.append(other)
    return False
