"""RFC 9496 A: multiples of the generator, invalid encodings, and elements from uniform bytes, by both backends."""

from __future__ import annotations

import hashlib

from privproc.vectors._kinds.voprf import SUITES
from privproc.vectors.case import Case, raises
from privproc.voprf.ristretto import IDENTITY


def run(case: Case) -> None:
    for suite in SUITES["ristretto255-SHA512"]:
        OPERATIONS[case["operation"]](case, suite.group)


def _multiple(case, group) -> None:
    encoded, factor = case.hex("encoding"), case["factor"]
    if case.expect is not None:
        assert factor == 0
        assert encoded == IDENTITY
        _invalid(case, group)
        return
    element = group.multiply_base(factor.to_bytes(32, "little"))
    for public in (False, True):
        assert group.encode(element, public=public) == encoded
    assert group.encode(group.decode(encoded, "element")) == encoded
    one = (1).to_bytes(32, "little")
    terms = [group.multiply_base(one)] * factor
    assert group.encode(group.combine([one] * factor, terms)) == encoded


def _invalid(case, group) -> None:
    with raises(case.expect):
        group.decode(case.hex("encoding"), "element")


def _hash(case, group) -> None:
    assert case.expect is None
    uniform = hashlib.sha512(case["label"].encode()).digest()
    for public in (False, True):
        assert group.encode(group.from_uniform(uniform, public=public)) == case.hex("encoding")


OPERATIONS = {"multiple": _multiple, "invalid": _invalid, "hash": _hash}
