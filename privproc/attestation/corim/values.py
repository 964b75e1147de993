"""What is known or demanded of one measured element, and when the first is as the second.

draft-ietf-rats-corim-11 §5.1.4.5 has the values, §8.2.4.4.5 how each is compared: where it says nothing, as of flags
and names, for being equal.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, NamedTuple

from privproc.attestation.cbor import Tagged
from privproc.attestation.corim.reading import WHAT, array, binary, members, tagged, text, unsigned
from privproc.errors import DecodeError, UsageError

__all__ = ["Digests", "IntRange", "RawValue", "Svn", "Values", "Version", "digests", "read_values"]

Digests = Mapping[int | str, bytes]
"""Digests of one object by algorithm: names of the registry of RFC 6920, numbers and names that aren't known here."""

_ALGORITHMS: Final = {1: "sha-256", 7: "sha-384", 8: "sha-512", 10: "sha3-256", 11: "sha3-384", 12: "sha3-512"}
_SIZES: Final = {"sha-256": 32, "sha-384": 48, "sha-512": 64, "sha3-256": 32, "sha3-384": 48, "sha3-512": 64}
_SVN, _MIN_SVN, _RAW, _MASKED_RAW, _RANGE = 552, 553, 560, 563, 564
_KEYS = (554, 555, 556, 560, 562)
_FLAGS = range(11)


class Version(NamedTuple):
    """A version, and the scheme that it follows: a number or name of RFC 9393 §4.1, ``None`` where none is stated."""

    version: str
    scheme: int | str | None = None


class Svn(NamedTuple):
    """A security version number; ``minimum``: the least one, in place of the only one."""

    number: int
    minimum: bool = False


class RawValue(NamedTuple):
    """A measured value as it is; ``mask``, as long as it, has the bits that count, ``None`` for all."""

    value: bytes
    mask: bytes | None = None


class IntRange(NamedTuple):
    """Integers from ``least`` to ``most``, both included, ``None`` for no end. A number is a range of one."""

    least: int | None
    most: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Values:
    """Measured values of one element, or reference values for one; ``None`` is what isn't stated.

    ``digests`` by algorithm (:func:`digests` makes them), ``integrity_registers`` by number or name. ``mac_addr`` has 6
    or 8 bytes, ``ip_addr`` 4 or 16, ``ueid`` 7 to 33, ``uuid`` 16. ``flags`` are by number. ``others`` are code points
    that nobody here understands: as reference values, nothing is like them.
    """

    version: Version | None = None
    svn: Svn | None = None
    digests: Digests | None = None
    flags: Mapping[int, bool] | None = None
    raw_value: RawValue | None = None
    mac_addr: bytes | None = None
    ip_addr: bytes | None = None
    serial_number: str | None = None
    ueid: bytes | None = None
    uuid: bytes | None = None
    name: str | None = None
    cryptokeys: tuple[Tagged, ...] | None = None
    integrity_registers: Mapping[int | str, Digests] | None = None
    int_range: IntRange | None = None
    others: frozenset[int | str] = frozenset()

    def __post_init__(self) -> None:
        if all(getattr(self, it.name) in (None, frozenset()) for it in dataclasses.fields(self)):
            raise UsageError("values have one at least")

    def _admit(self, actual: Values) -> bool:
        """Whether ``actual``, of an attester, is as these reference values have it. What they don't state may be."""
        stated = [
            it.name for it in dataclasses.fields(self) if it.name != "others" and getattr(self, it.name) is not None
        ]
        return not self.others and all(_alike(name, getattr(self, name), getattr(actual, name)) for name in stated)


def digests(stated: Mapping[int | str, bytes]) -> Digests:
    """Digests by algorithm, whose numbers and names are those of the registry of RFC 6920; none twice.

    Raises :class:`DecodeError` for none, for an algorithm by number and by name at once, and for another size than the
    algorithm's.
    """
    found = {_ALGORITHMS.get(name, name) if isinstance(name, int) else name: digest for name, digest in stated.items()}
    if not found or len(found) != len(stated):
        raise DecodeError(WHAT, "no digests, or two by one algorithm")
    for name, digest in found.items():
        binary(digest, *((_SIZES[name],) if isinstance(name, str) and name in _SIZES else ()))
    return MappingProxyType(found)


def read_values(value: object) -> Values:
    """The values of a decoded ``measurement-values-map``. Raises :class:`DecodeError`, :class:`UnsupportedError`."""
    if not isinstance(value, dict) or not value:
        raise DecodeError(WHAT, "no measured values")
    known = {number: each for number, each in value.items() if number in _READERS or number == _MASK}
    fields = {_NAMES[number]: _READERS[number](each) for number, each in known.items() if number != _MASK}
    if _MASK in known:
        raw = fields.get("raw_value")
        if not isinstance(raw, RawValue) or raw.mask is not None:
            raise DecodeError(WHAT, "a mask of no raw value")
        fields["raw_value"] = _masked([raw.value, known[_MASK]])
    return Values(**fields, others=frozenset(value.keys() - known.keys()))  # type: ignore[arg-type]


def _version(value: object) -> Version:
    fields = members(value, {0}, {1})
    scheme = fields.get(1)
    if isinstance(scheme, bool) or not isinstance(scheme, int | str | None):
        raise DecodeError(WHAT, "not a version scheme")
    return Version(text(fields[0]), scheme)


def _svn(value: object) -> Svn:
    if isinstance(value, Tagged) and value.number in (_SVN, _MIN_SVN):
        return Svn(unsigned(value.content), minimum=value.number == _MIN_SVN)
    return Svn(unsigned(value))


def _digests(value: object) -> Digests:
    pairs = array(value, _digest)
    if len(dict(pairs)) != len(pairs):
        raise DecodeError(WHAT, "two digests by one algorithm")
    return digests(dict(pairs))


def _digest(value: object) -> tuple[int | str, bytes]:
    algorithm, digest = value if isinstance(value, list) and len(value) == 2 else (None, None)
    if isinstance(algorithm, bool) or not isinstance(algorithm, int | str):
        raise DecodeError(WHAT, "not an algorithm and a digest")
    return algorithm, binary(digest)


def _flags(value: object) -> Mapping[int, bool]:
    flags = members(value, (), _FLAGS)
    if not all(isinstance(each, bool) for each in flags.values()):
        raise DecodeError(WHAT, "a flag is neither true nor false")
    return MappingProxyType(flags)  # type: ignore[arg-type]


def _raw(value: object) -> RawValue:
    if isinstance(value, Tagged) and value.number == _MASKED_RAW:
        return _masked(value.content)
    return RawValue(binary(tagged(value, (_RAW,)).content))


def _masked(value: object) -> RawValue:
    pair = array(value, binary)
    if len(pair) != 2 or len(pair[0]) != len(pair[1]):
        raise DecodeError(WHAT, "a value and a mask of another size")
    return RawValue(*pair)


def _registers(value: object) -> Mapping[int | str, Digests]:
    if not isinstance(value, dict) or not value or any(isinstance(each, int) and each < 0 for each in value):
        raise DecodeError(WHAT, "not registers by number or name")
    return MappingProxyType({register: _digests(each) for register, each in value.items()})


def _int_range(value: object) -> IntRange:
    least, most = value, value
    if isinstance(value, Tagged) and value.number == _RANGE and isinstance(value.content, list):
        least, most = value.content if len(value.content) == 2 else (False, False)
    elif value is None:
        raise DecodeError(WHAT, "not an integer")
    if any(isinstance(each, bool) or not isinstance(each, int | None) for each in (least, most)):
        raise DecodeError(WHAT, "not an integer or a range")
    return IntRange(least, most)  # type: ignore[arg-type]


_READERS: Final[Mapping[object, Callable[[object], object]]] = {
    0: _version,
    1: _svn,
    2: _digests,
    3: _flags,
    4: _raw,
    6: lambda value: binary(value, 6, 8),
    7: lambda value: binary(value, 4, 16),
    8: text,
    9: lambda value: binary(value, *range(7, 34)),
    10: lambda value: binary(value, 16),
    11: text,
    13: lambda value: array(value, lambda key: tagged(key, _KEYS)),
    14: _registers,
    15: _int_range,
}
_MASK: Final = 5  # deprecated, beside a raw value; no value by itself
_NAMES: Final = dict(zip(_READERS, (it.name for it in dataclasses.fields(Values)), strict=False))


def _alike(name: str, wanted: object, actual: object) -> bool:
    if actual is None:
        return False
    special = _COMPARED.get(name)
    return special(wanted, actual) if special is not None else wanted == actual


def _svn_alike(wanted: Svn, actual: Svn) -> bool:
    """A minimum is one of the reference's; one that evidence states is compared as a state (§8.2.4.4.5.3)."""
    if wanted.minimum and not actual.minimum:
        return actual.number >= wanted.number
    return wanted == actual


def _digests_alike(wanted: Digests, actual: Digests) -> bool:
    """By all algorithms that both have, so that the weaker of two can't be what counts; one at least is known here."""
    both = wanted.keys() & actual.keys()
    return any(name in _SIZES for name in both) and all(wanted[name] == actual[name] for name in both)


def _raw_alike(wanted: RawValue, actual: RawValue) -> bool:
    if actual.mask is not None or len(wanted.value) != len(actual.value):
        return False
    mask = wanted.mask if wanted.mask is not None else b"\xff" * len(wanted.value)
    return all((one ^ other) & bit == 0 for one, other, bit in zip(wanted.value, actual.value, mask, strict=True))


def _keys_alike(wanted: tuple[Tagged, ...], actual: tuple[Tagged, ...]) -> bool:
    return actual[: len(wanted)] == wanted


def _registers_alike(wanted: Mapping[int | str, Digests], actual: Mapping[int | str, Digests]) -> bool:
    return all(name in actual and _digests_alike(each, actual[name]) for name, each in wanted.items())


def _range_alike(wanted: IntRange, actual: IntRange) -> bool:
    above = wanted.least is None or (actual.least is not None and actual.least >= wanted.least)
    return above and (wanted.most is None or (actual.most is not None and actual.most <= wanted.most))


_COMPARED: Final[Mapping[str, Callable[..., bool]]] = {
    "svn": _svn_alike,
    "digests": _digests_alike,
    "raw_value": _raw_alike,
    "cryptokeys": _keys_alike,
    "integrity_registers": _registers_alike,
    "int_range": _range_alike,
}
