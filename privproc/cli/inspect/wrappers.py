"""The Conceptual Message Wrapper of RATS (RFC 9999), in JSON and in CBOR."""

from __future__ import annotations

from typing import cast

from privproc import base64url
from privproc.attestation.cmw import Cmw, Collection, Indicator, Record, decode
from privproc.cli.inspect import devices
from privproc.cli.inspect.cbor import Schema, item, numbered, read_head, read_key, within
from privproc.cli.inspect.evidence import sgx_quote, snp_report, tagged_evidence, tdx_quote
from privproc.cli.inspect.walk import Walk

__all__ = ["cmw"]

_TYPE_LABEL = "__cmwc_t"
_MAP, _TAG = 5, 6
_FIRST_TAG = 1668546817


def cmw(walk: Walk) -> None:
    """A record, a tag or a collection (RFC 9999 §3). It binds nothing to anything: its parts may be from anywhere."""
    data = walk.peek(walk.left)
    if data[:1] in (b"[", b"{"):
        _json(walk, decode(data))
        walk.text("JSON", walk.left)
    else:
        _cbor(walk, "CMW")


def _content(walk: Walk) -> None:
    """By what it is, whatever its type says."""
    walk.first_that_reads(snp_report, tdx_quote, sgx_quote, tagged_evidence, devices.evidence, devices.report)


def _said(indicator: int) -> str:
    return ", ".join(str(each.name).lower().replace("_", " ") for each in Indicator if each & indicator)


_RECORD: Schema = {
    0: ("type", None),
    1: ("value", within(_content)),
    2: ("indicator", numbered({number: _said(number) for number in range(16)})),
}


def _cbor(walk: Walk, name: str) -> None:
    major, argument, size = read_head(walk)
    if major == _MAP:
        with walk.part(name, said=f"{argument} entries") as inner:
            inner.head(size)
            for _ in range(argument):
                label = read_key(inner)
                if label == _TYPE_LABEL:
                    item(inner, "collection's type")
                else:
                    _cbor(inner, repr(label))
    elif major == _TAG:
        place = argument - _FIRST_TAG  # RFC 9277 §4.3
        with walk.part(name, said=f"tag {argument}, content format {place // 256 * 255 + place % 256}") as inner:
            inner.head(size)
            within(_content)(inner)
    else:
        item(walk, name, _RECORD)


def _json(walk: Walk, value: Cmw) -> None:
    """The texts in the order in which they stand."""
    if isinstance(value, Collection):
        if value.type:
            walk.note("collection's type", value.type)
        for label, each in value.parts.items():
            walk.json_string(str(label), "label", str(label))
            _json(walk, each)
        return
    record = cast("Record", value)  # tags are CBOR's
    walk.json_string(str(record.type), "type", str(record.type))
    walk.json_string(base64url.encode(record.value), "value", record.value.hex(), "base64url")
    walk.decoded(record.value, "value", _content)
    if record.indicator is not None:
        walk.note("indicator", f"{int(record.indicator)}  {_said(record.indicator)}", int(record.indicator))
