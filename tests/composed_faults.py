"""Single faults in the hybrid cases of :mod:`tests.composed`.

    python -m tests.composed_faults     writes vectors/faults/privproc1_hybrid_*.json from the cases in vectors/

A hybrid encapsulation has two halves, and ML-KEM's is never refused as such: it gives another secret. So each half is
altered alone, everywhere that there is one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from privproc.vectors import _straight as straight
from privproc.vectors._straight import lp
from tests.composed import ID, VECTORS, Fields, behind_length, rendered
from tests.vectorfile import dump, load

X = 1120 - 32  # where X25519's half begins

Fault = tuple[str, str, str, dict[str, Any]]  # id, exception, why, and the fields that are wrong


def flipped(data: bytes, place: int) -> bytes:
    return data[:place] + bytes((data[place] ^ 1,)) + data[place + 1 :]


def halves(enc: bytes) -> Iterator[tuple[str, str, bytes]]:
    """What can be wrong with an encapsulation."""
    yield "ML-KEM's half altered", "implicit rejection: another secret, which opens nothing", flipped(enc, 500)
    yield "X25519's half altered", "another secret", flipped(enc, X + 5)
    yield "X25519's half of low order", "ML-KEM's half alone would do, but nobody honest sends it", enc[:X] + bytes(32)
    yield "halves exchanged", "ML-KEM's comes first", enc[X:] + enc[:X]


def case_of(name: str) -> Fields:
    (case,) = [case for case in load(VECTORS / f"privproc1_{name}.json")["cases"] if case["id"] == ID]
    found: Fields = case
    return found


def unhex(case: Fields, name: str) -> bytes:
    return bytes.fromhex(case[name])


def request() -> Iterator[Fault]:
    run, live = case_of("run"), case_of("live")
    sealed = unhex(run["request"], "sealed")
    enc, rest = sealed[4 : 4 + 1120], sealed[4 + 1120 :]
    for name, why, wrong in halves(enc):
        yield name, "OpenError", why, {"sealed": lp(wrong) + rest}
    yield "of the classic suite's size", "OpenError", "the announcement says which KEM", {"sealed": lp(enc[X:]) + rest}
    other = live["steps"][0]["request"]
    for name, field in (("another one-time key", "one_time_secret"), ("another session", "exporter"),
                        ("another transcript", "th2")):  # fmt: skip
        yield name, "OpenError", "both halves of the keys count, and all that was seen before", {field: other[field]}


def answer() -> Iterator[Fault]:
    whole = case_of("run")["answer"]
    e, chunks = unhex(whole, "e"), [unhex(chunk, "wire") for chunk in whole["chunks"]]

    def sealed(e: bytes, chunks: list[bytes]) -> dict[str, Any]:
        return {"sealed": lp(e) + b"".join(chunks)}

    for name, why, wrong in halves(e):
        yield name, "OpenError", why, sealed(wrong, chunks)
    yield "of the classic suite's size", "OpenError", "the session's suite says how long", sealed(e[X:], chunks)
    yield "cut at a chunk", "DecodeError", "every chunk is authentic, the last one is missing", sealed(e, chunks[:-1])
    yield "two chunks changed places", "OpenError", "the nonce counts", sealed(e, [chunks[1], chunks[0], *chunks[2:]])
    yield "a chunk left out", "OpenError", "the nonce counts", sealed(e, chunks[1:])


def gateway() -> Iterator[Fault]:
    run = case_of("run")
    transcript = run["transcript"]
    first, second = unhex(run, "wire_first"), unhex(run, "wire_second")
    for name, why, wrong in halves(first[7 : 7 + 1120]):
        yield name, "OpenError", why, {"wire": first[:7] + wrong + first[7 + 1120 :]}
    ids = tuple(run["suite"])
    context = straight.hpke(
        ids, straight.decap(ids[0], unhex(run, "gateway_secret"), first[7 : 7 + 1120]), straight.ohttp_info(first[:7])
    )
    inner = context.open(first[7 + 1120 :])
    opened = unhex(transcript, "open")
    inner = inner.replace(opened, flipped(opened, 100))
    yield "Open altered", "SignatureError", "the proof covers it", {"wire": first[: 7 + 1120] + context.seal(inner)}
    live = {
        "handle": transcript["handle"], "key": transcript["continue_key"], "offset": 0, "expires": run["at"] + 30,
    }  # fmt: skip
    for name, why, wrong in halves(second[7 : 7 + 1120]):
        yield f"later request, {name}", "OpenError", why, {
            "wire": second[:7] + wrong + second[7 + 1120 :], "live": live,
        }  # fmt: skip
    other = live | {"key": rendered(flipped(unhex(transcript, "continue_key"), 0))}
    yield "another session's request", "SignatureError", "the MAC's key is exported from its first exchange", {
        "wire": second, "live": other,
    }  # fmt: skip


def pipe() -> Iterator[Fault]:
    first, *rest = [bytes.fromhex(wire) for wire in case_of("stream")["up_wire"]]
    for name, why, wrong in halves(first[7 : 7 + 1120]):
        yield name, "OpenError", why, {"pieces": [first[:7] + wrong + first[7 + 1120 :]]}
    yield "pieces exchanged", "OpenError", "each piece opens at its place only", {"pieces": [first, rest[1]]}
    yield "a piece twice", "OpenError", "a counter, not a choice", {"pieces": [first, rest[0], rest[0]]}
    yield "a piece altered", "OpenError", "authenticated", {"pieces": [first, flipped(rest[0], 50)]}
    marked = b"\0" + behind_length(rest[0])
    yield "a middle piece as the last", "OpenError", "the mark is associated data", {
        "pieces": [first, marked], "end": True,
    }  # fmt: skip
    yield "cut before its end", "DecodeError", "the last piece is missing", {"pieces": [first, rest[0]], "end": True}


FILES: dict[str, tuple[str, str, Callable[[], Iterator[Fault]], Callable[[], Fields]]] = {
    "request": ("privproc1-request", "§6.1", request, lambda: {
        name: case_of("run")["request"][name]
        for name in ("suite", "th2", "index", "previous", "exporter", "one_time_secret", "sealed")
    }),
    "answer": ("privproc1-answer", "§6.2", answer, lambda: {
        name: case_of("run")["answer"][name] for name in ("suite", "prk", "th3", "dk_secret")
    }),
    "gateway": ("privproc1-gateway", "§4 and §5", gateway, lambda: {
        name: case_of("run")[name] for name in ("contents", "not_before", "not_after", "gateway_secret", "at")
    } | {"package": case_of("run")["transcript"]["package"], "live": None}),
    "pipe": ("privproc1-upload", "§5.4", pipe, lambda: {
        name: case_of("stream")[name]
        for name in ("contents", "not_before", "not_after", "gateway_secret", "at", "package")
    } | {"end": False}),
}  # fmt: skip


def cases_of(name: str) -> list[Fields]:
    """The cases of a file."""
    _, _, faults, base = FILES[name]
    good = base()
    return [
        {"id": ident, "expect": expect, "comment": why} | good | rendered(wrong)
        for ident, expect, why, wrong in faults()
    ]


def main() -> None:
    for name, (kind, section, _, _) in FILES.items():
        dump(
            VECTORS / "faults" / f"privproc1_hybrid_{name}.json",
            kind=kind,
            specification="privproc/1",
            section=section,
            source="docs/protocol.md",
            notes="Made by this project (tests/composed_faults.py): one wrong thing in an otherwise good message.",
            cases=cases_of(name),
        )


if __name__ == "__main__":
    main()
