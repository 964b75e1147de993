"""Takes one check out of the library for the time of a test, to show that nothing else stood in for it."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def removed(function: Callable[..., Any], fragment: str, instead: str = "pass") -> Iterator[None]:
    """``function`` with ``fragment`` of its source, which must occur exactly once, replaced.

    The function object stays the same, so whoever imported it runs the changed code.
    """
    target: Any = inspect.unwrap(_function(function))
    source = textwrap.dedent(inspect.getsource(target))
    if source.count(fragment) != 1:
        raise ValueError(f"{target.__qualname__}: fragment occurs {source.count(fragment)} times")
    scope: dict[str, Any] = {}
    exec(
        compile("from __future__ import annotations\n" + source.replace(fragment, instead), "<removed>", "exec"),
        target.__globals__,
        scope,
    )
    changed = _function(scope[target.__name__])
    original = target.__code__
    target.__code__ = changed.__code__
    try:
        yield
    finally:
        target.__code__ = original


def _function(thing: Any) -> Any:
    """The function behind a class method or a property."""
    return getattr(thing, "__func__", getattr(thing, "fget", thing))
