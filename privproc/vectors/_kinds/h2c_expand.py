"""RFC 9380 K: expand_message_xmd."""

from __future__ import annotations

from privproc.vectors.case import Case
from privproc.voprf.hash_to_curve import Expander


def run(case: Case) -> None:
    assert case.expect is None
    uniform = case.hex("uniform_bytes")
    expander = Expander(case["hash"], case["dst"].encode(), len(uniform))
    assert expander.expand(case["msg"].encode()) == uniform
