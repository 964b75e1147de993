"""RFC 9999: wrappers in JSON and CBOR, and what they hold."""

from __future__ import annotations

from privproc.attestation import cmw
from privproc.vectors.case import Case, raises


def run(case: Case) -> None:
    data = case.hex("data")
    if case.expect is not None:
        with raises(case.expect):
            cmw.decode(data)
        return
    value = cmw.decode(data)
    assert _tree(value) == case["value"]
    assert _tree(cmw.decode(cmw.encode_cbor(value))) == case["value"]
    if case["json"]:
        assert _tree(cmw.decode(cmw.encode_json(value))) == case["value"]


def _tree(value: cmw.Cmw) -> object:
    """Records and tags as arrays, collections as their type and pairs sorted by label."""
    if isinstance(value, cmw.Record):
        return ["record", value.type, value.value.hex(), None if value.indicator is None else int(value.indicator)]
    if isinstance(value, cmw.Tag):
        return ["tag", value.number, value.content_format, value.value.hex()]
    parts = sorted(((str(label), _tree(part)) for label, part in value.parts.items()), key=lambda pair: pair[0])
    return ["collection", value.type, [list(pair) for pair in parts]]
