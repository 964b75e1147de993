"""draft-ietf-rats-corim-11 §8.2.4.4: a reference value and an attester's state, both as reference-triple-records.

``covered`` are the places of the elements that the reference value has; none where it isn't this state.
"""

from __future__ import annotations

from privproc.attestation import cbor, corim
from privproc.attestation.corim.comid import _state
from privproc.vectors.case import Case, raises


def run(case: Case) -> None:
    reference, actual = case.hex("reference"), case.hex("actual")
    if case.expect is not None:
        with raises(case.expect):
            read(reference)
        return
    assert sorted(read(reference)._covered(read(actual))) == case["covered"]


def read(data: bytes) -> corim.State:
    return _state(cbor.decode(data, "state"))
