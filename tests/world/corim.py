"""A provider of reference values: manifests of draft-ietf-rats-corim-11, by cbor2 and the signer of tests.world.eat."""

from __future__ import annotations

from typing import Any

import cbor2

from tests.world.eat import Entity

CLASS = {
    0: cbor2.CBORTag(37, bytes.fromhex("67b28b6c34cc40a19117ab5b05911e37")),
    1: "ACME Inc.",
    2: "ACME RoadRunner",
    3: 1,
}
ENVIRONMENT = {0: CLASS}
CREATOR = {0: "ACME Inc.", 1: cbor2.CBORTag(32, "https://acme.example"), 2: [0]}


def element(values: dict[int, Any], key: Any = None) -> dict[int, Any]:
    """A measurement-map."""
    return {1: values} if key is None else {0: key, 1: values}


def state(*elements: dict[int, Any], environment: Any = None) -> list[Any]:
    """A reference-triple-record."""
    return [ENVIRONMENT if environment is None else environment, list(elements)]


def comid(*states: Any, name: Any = "tag", version: int | None = None, **more: Any) -> bytes:
    """A concise-mid-tag with these reference values; ``more`` are further members, ``m3`` for number 3."""
    identity = {0: name} if version is None else {0: name, 1: version}
    fields: dict[Any, Any] = {1: identity, 2: [CREATOR], 4: {0: list(states)}}
    return cbor2.dumps(fields | {int(number[1:]): value for number, value in more.items()})


def manifest(*comids: bytes, name: Any = "manifest", **more: Any) -> bytes:
    """A tagged-unsigned-corim-map with these tags; ``more`` as above, None to leave a member out."""
    fields: dict[Any, Any] = {0: name, 1: [cbor2.CBORTag(506, each) for each in comids]}
    fields |= {int(number[1:]): value for number, value in more.items()}
    return cbor2.dumps(cbor2.CBORTag(501, {number: value for number, value in fields.items() if value is not None}))


def validity(not_before: int | None, not_after: int) -> dict[int, Any]:
    """A validity-map."""
    times = {} if not_before is None else {0: cbor2.CBORTag(1, not_before)}
    return times | {1: cbor2.CBORTag(1, not_after)}


def sign(signer: Entity, payload: bytes, **headers: Any) -> bytes:
    """A signed-corim; ``headers`` in place of those that a plain one has, None to leave one out."""
    fields: dict[Any, Any] = {1: signer.number, 3: "application/rim+cbor", 8: meta("ACME Inc.")}
    fields |= {int(number[1:]): value for number, value in headers.items()}
    protected = {number: value for number, value in fields.items() if value is not None}
    return signer.sign1(payload, tags=(18,), protected=protected)


def meta(name: str, times: dict[int, Any] | None = None, **signer: Any) -> bytes:
    """A corim-meta-map."""
    who = {0: name} | {int(number[1:]): value for number, value in signer.items()}
    return cbor2.dumps({0: who} if times is None else {0: who, 1: times})
