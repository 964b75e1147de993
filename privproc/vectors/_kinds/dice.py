"""TCG DICE's certificate extensions: claims about layers, identifiers, tagged evidence."""

from __future__ import annotations

from privproc.attestation import dice
from privproc.vectors.case import Case, raises

_DECODE = {
    "tcb-info": dice.TcbInfo.decode,
    "multi-tcb-info": dice.decode_tcb_infos,
    "ueid": dice.decode_ueid,
    "evidence": dice.TaggedEvidence.decode,
}


def run(case: Case) -> None:
    decode, data = _DECODE[case["form"]], case.hex("data")
    if case.expect is not None:
        with raises(case.expect):
            decode(data)
        return
    assert _tree(decode(data)) == case["value"]


def _tree(value: object) -> object:
    """Structures as objects without what isn't stated, bytes in hexadecimal."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, tuple):
        return [_tree(each) for each in value]
    if isinstance(value, (dice.TcbInfo, dice.Fwid, dice.TaggedEvidence)):
        members = {name: getattr(value, name) for name in value.__slots__}
        return {name: _tree(member) for name, member in members.items() if member not in (None, ())}
    return value
