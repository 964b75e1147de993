"""RFC 9380 J: hash_to_field, the map of both field elements, and their sum, on constant-time and on public numbers."""

from __future__ import annotations

from privproc.vectors.case import Case
from privproc.voprf.hash_to_curve import Expander
from privproc.voprf.nist import P256, P384, P521

GROUPS = {"P-256": (P256, "sha256"), "P-384": (P384, "sha384"), "P-521": (P521, "sha512")}


def run(case: Case) -> None:
    assert case.expect is None
    group, name = GROUPS[case["curve"]]
    uniform = Expander(name, case["dst"].encode(), group.hash_size).expand(case["msg"].encode())
    half = len(uniform) // 2
    prime = group._curve.p
    fields = [int.from_bytes(part, "big") % prime for part in (uniform[:half], uniform[half:])]
    assert fields == [int(value, 16) for value in case["u"]]
    for public in (False, True):
        mapped = [(int(x), int(y)) for x, y in group._map.points(uniform, public=public)]
        assert mapped == [_point(case["Q0"]), _point(case["Q1"])]
        point = group.from_uniform(uniform, public=public)
        assert tuple(map(int, point.xy)) == _point(case["P"])
        assert group.decode(group.encode(point), "point").xy == point.xy


def _point(value: dict[str, str]) -> tuple[int, int]:
    assert set(value) == {"x", "y"}
    return int(value["x"], 16), int(value["y"], 16)
