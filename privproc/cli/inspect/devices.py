"""Evidence of NVIDIA's devices: what the driver gives, bare or with the device's certificates."""

from __future__ import annotations

from privproc.attestation.nvidia import Evidence, Report
from privproc.cli.inspect.certificates import certificate
from privproc.cli.inspect.walk import Walk

__all__ = ["check_evidence", "evidence", "report"]

_CODES = {0xE0: "GET_MEASUREMENTS", 0x60: "MEASUREMENTS"}
_OPAQUE = {3: "driver", 6: "firmware", 11: "video decoders", 20: "firmware id"}
_BLOCK_HEAD = 7
_DIGEST = 48


def check_evidence(data: bytes) -> None:
    """Whether this is evidence whose report can be read, too."""
    Report.decode(Evidence.decode(data).report)


def evidence(walk: Walk) -> None:
    """A report, and the certificates of the device's key and above (docs/protocol.md §4.11). Nothing is verified."""
    with walk.part("report", walk.uint("report, length", 2)) as inner:
        inner.first_that_reads(report)
    for name in ("device", "boot ROM", "provisioner", "family", "root"):
        with walk.part(f"{name} certificate", walk.uint(f"{name} certificate, length", 2)) as inner:
            inner.first_that_reads(certificate)


def report(walk: Walk) -> None:
    """A request and the response to it (SPDM 1.1, DMTF DSP0274 §10.11); integers are little-endian. Not verified."""
    data = walk.peek(walk.left)
    with walk.part("request") as request:
        _message(request)
        request.opaque("nonce", 32)
        request.uint("slot", 1)
    with walk.part("response") as response:
        _message(response)
        count = response.uint("blocks, count", 1)
        with response.part("blocks", response.uint("blocks, size", 3, little=True)) as blocks:
            for _ in range(count):
                index = int.from_bytes(blocks.peek(1))
                blocks.head(_BLOCK_HEAD)
                blocks.opaque(f"measurement {index}", _DIGEST)
        response.opaque("the device's nonce", 32)
        with response.part("opaque data", response.uint("opaque data, size", 2, little=True)) as values:
            while values.left:
                kind = int.from_bytes(values.peek(2), "little")
                values.head(2)
                size = int.from_bytes(values.peek(2), "little")
                values.head(2)
                values.opaque(_OPAQUE.get(kind, f"type {kind}"), size)
        with response.part("signature") as signature:
            signature.opaque("r", _DIGEST)
            signature.opaque("s", _DIGEST)
    found = Report.decode(data)
    for name, version in (("driver's version", found.driver), ("firmware's version", found.firmware)):
        if version:
            walk.note(name, version)


def _message(walk: Walk) -> None:
    walk.uint("SPDM version", 1, lambda number: f"{number >> 4}.{number & 0xF}")
    walk.uint("code", 1, lambda number: _CODES.get(number, ""))
    walk.uint("parameter 1", 1)
    walk.uint("parameter 2", 1)
