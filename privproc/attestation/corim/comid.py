"""Concise Module Identifiers: what a module may be like (draft §5)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, TypeVar

from privproc.attestation import cbor
from privproc.attestation.cbor import Tagged
from privproc.attestation.corim.reading import OID, UUID, WHAT, array, binary, members, tagged, text, unsigned, uri
from privproc.attestation.corim.values import Values, read_values
from privproc.errors import DecodeError, UnsupportedError, UsageError

__all__ = ["Class", "Comid", "Element", "Entity", "Environment", "State", "read_entities"]

T = TypeVar("T")

_BYTES: Final = 560
_CLASS_IDS = (OID, UUID, _BYTES)
_INSTANCES = (550, UUID, _BYTES, 554, 555, 562)
_GROUPS = (UUID, _BYTES)
_SUPPLEMENTS, _REPLACES = 0, 1
_REFERENCES = 0


@dataclass(frozen=True, slots=True)
class Class:
    """What kind of thing an environment is. ``id``: below a tag, an OID (111), a UUID (37) or bytes (560).

    Raises :class:`UsageError` for a class of nothing.
    """

    id: Tagged | None = None
    vendor: str | None = None
    model: str | None = None
    layer: int | None = None
    index: int | None = None

    def __post_init__(self) -> None:
        if all(each is None for each in (self.id, self.vendor, self.model, self.layer, self.index)):
            raise UsageError("a class has an attribute at least")


@dataclass(frozen=True, slots=True)
class Environment:
    """What is measured: a kind of thing, one of them, a group of them. Raises :class:`UsageError` for nothing.

    ``instance`` and ``group`` are below tags: a UEID (550), a UUID (37), bytes (560), a key or certificate.
    """

    kind: Class | None = None
    instance: Tagged | None = None
    group: Tagged | None = None

    def __post_init__(self) -> None:
        if all(each is None for each in (self.kind, self.instance, self.group)):
            raise UsageError("an environment has a class, an instance or a group")

    def _admit(self, actual: Environment) -> bool:
        """Whether ``actual`` is what this describes: each of three parts that this has, exactly (§8.2.4.4.1)."""
        pairs = ((self.kind, actual.kind), (self.instance, actual.instance), (self.group, actual.group))
        return all(wanted is None or wanted == found for wanted, found in pairs)


@dataclass(frozen=True, slots=True)
class Element:
    """One measured element of an environment: ``key`` is its name or number, below a tag an OID or a UUID."""

    values: Values
    key: Tagged | int | str | None = None

    def _admit(self, actual: Element) -> bool:
        return type(self.key) is type(actual.key) and self.key == actual.key and self.values._admit(actual.values)


@dataclass(frozen=True, slots=True)
class State:
    """A state that an environment is in, as evidence, or may be in, as reference values: it and its elements.

    Raises :class:`UsageError` for a state without elements.
    """

    environment: Environment
    elements: tuple[Element, ...] = field(repr=False)

    def __post_init__(self) -> None:
        if not self.elements:
            raise UsageError("a state has elements")

    def _covered(self, actual: State) -> frozenset[int]:
        """Which elements of ``actual`` this state has, by position; none if it isn't this state (§8.2.4.4.3)."""
        if not self.environment._admit(actual.environment):
            return frozenset()
        found = [{at for at, it in enumerate(actual.elements) if each._admit(it)} for each in self.elements]
        return frozenset().union(*found) if all(found) else frozenset()


class Entity(NamedTuple):
    """Who had a part in a tag or manifest, by its own word: a name, a URI or nothing, and numbers of its roles."""

    name: str
    uri: str | None
    roles: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Comid:
    """A CoMID, not to be believed before its manifest is verified.

    ``id`` is text or a UUID (16 bytes). ``references`` are states that are good. ``replaces`` are tags whose content
    must be disregarded. ``others`` are numbers of triples that aren't read here: they add claims, and take none away.
    """

    id: str | bytes
    version: int
    entities: tuple[Entity, ...]
    replaces: frozenset[str | bytes]
    references: tuple[State, ...] = field(repr=False)
    others: frozenset[int | str]

    @classmethod
    def decode(cls, data: bytes) -> Comid:
        """The tag in ``data``, a ``concise-mid-tag``. Raises :class:`DecodeError`, :class:`UnsupportedError`."""
        fields = members(cbor.decode(data, WHAT), {1, 4}, {0, 2, 3})
        if 0 in fields:
            text(fields[0])
        identity = members(fields[1], {0}, {1})
        triples = fields[4]
        if not isinstance(triples, dict) or not triples:
            raise DecodeError(WHAT, "no triples")
        return cls(
            id=read_id(identity[0]),
            version=unsigned(identity.get(1, 0)),
            entities=_some(fields, 2, read_entities),
            replaces=frozenset(it for it in _some(fields, 3, lambda each: array(each, _linked)) if it is not None),
            references=_some(triples, _REFERENCES, lambda each: array(each, _state)),
            others=frozenset(triples.keys() - {_REFERENCES}),
        )


def _some(fields: Mapping[Any, object], number: int, read: Callable[[object], tuple[T, ...]]) -> tuple[T, ...]:
    return read(fields[number]) if number in fields else ()


def read_id(value: object) -> str | bytes:
    """The name of a manifest or tag: text, or a UUID of 16 bytes. Raises :class:`DecodeError`."""
    return value if isinstance(value, str) else binary(value, 16)


def read_entities(value: object) -> tuple[Entity, ...]:
    """Entities of a decoded manifest or tag. Raises :class:`DecodeError`, :class:`UnsupportedError`."""
    return array(value, _entity)


def _entity(value: object) -> Entity:
    fields = members(value, {0, 2}, {1})
    return Entity(text(fields[0]), uri(fields[1]) if 1 in fields else None, array(fields[2], unsigned))


def _linked(value: object) -> str | bytes | None:
    fields = members(value, {0, 1})
    name, relation = read_id(fields[0]), unsigned(fields[1])
    if relation not in (_SUPPLEMENTS, _REPLACES):
        raise UnsupportedError(f"{WHAT}: an unknown relation of tags")
    return name if relation == _REPLACES else None


def _state(value: object) -> State:
    environment, elements = value if isinstance(value, list) and len(value) == 2 else (None, None)
    return State(_environment(environment), array(elements, _element))


def _environment(value: object) -> Environment:
    fields = members(value, (), range(3))
    return Environment(
        kind=_class(fields[0]) if 0 in fields else None,
        instance=tagged(fields[1], _INSTANCES) if 1 in fields else None,
        group=tagged(fields[2], _GROUPS) if 2 in fields else None,
    )


def _class(value: object) -> Class:
    fields = members(value, (), range(5))
    if 2 in fields and 1 not in fields:
        raise DecodeError(WHAT, "a model of no vendor")
    return Class(
        id=tagged(fields[0], _CLASS_IDS) if 0 in fields else None,
        vendor=text(fields[1]) if 1 in fields else None,
        model=text(fields[2]) if 2 in fields else None,
        layer=unsigned(fields[3]) if 3 in fields else None,
        index=unsigned(fields[4]) if 4 in fields else None,
    )


def _element(value: object) -> Element:
    fields = members(value, {1}, {0})
    return Element(read_values(fields[1]), _key(fields[0]) if 0 in fields else None)


def _key(value: object) -> Tagged | int | str:
    if isinstance(value, Tagged):
        return tagged(value, (OID, UUID))
    return value if isinstance(value, str) else unsigned(value)
