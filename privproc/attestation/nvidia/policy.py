"""What a verifier demands of a machine's GPUs and switches, all of them together.

NVIDIA publishes reference values as RIM files, SWID tags in signed XML: one for the driver, one for the VBIOS. They are
read and verified in :mod:`privproc.attestation.nvidia.rim`; here their values are typed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Self

from privproc.attestation.nvidia.evidence import Kind
from privproc.attestation.nvidia.report import MEASUREMENT_SIZE, Report
from privproc.attestation.policy import CanonicalPolicy
from privproc.errors import PolicyError, UnsupportedError, UsageError
from privproc.tagged import tagged_hash
from privproc.wire import Reader, Writer

__all__ = ["AnyDevice", "Devices", "Policy", "Reference", "merge"]

Values = tuple[tuple[int, bytes], ...]
"""Indexes of a RIM, from 0, each with a value (48 bytes) that is good there."""

_FORM: Final = 4  # the first byte of a policy: 1 SEV-SNP, 2 TDX, 3 Nitro, 4 NVIDIA
_MOST_DEVICES: Final = 255
_INDEXES: Final = 254
_TEXT: Final = 64


@dataclass(frozen=True, slots=True)
class AnyDevice:
    """Any device that NVIDIA vouches for will do."""


@dataclass(frozen=True, slots=True)
class Devices:
    """One of these devices, by their identities (32 bytes, as in ``VerifiedChain``): at least one, in any order."""

    identities: tuple[bytes, ...]

    def __post_init__(self) -> None:
        if not self.identities or any(len(each) != 32 for each in self.identities):
            raise UsageError("devices are known by SHA-256 digests, at least one")
        if len(set(self.identities)) != len(self.identities):
            raise UsageError("a device is listed once")
        object.__setattr__(self, "identities", tuple(sorted(self.identities)))


def merge(*rims: Mapping[int, tuple[bytes, ...]]) -> Values:
    """The active values of several RIMs as one: the driver's and the VBIOS's, each index with its alternatives.

    Raises :class:`UsageError` for an index that two of them have: it couldn't be told which one counts.
    """
    if any(count > 1 for count in Counter(index for rim in rims for index in rim).values()):
        raise UsageError("two RIMs have a value at one index")
    return tuple((index, value) for rim in rims for index, values in rim.items() for value in values)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """One state that a device may be in: what it is, what it runs, and the measurements of that.

    ``kind``: a GPU or a switch. ``model``: the name in its boot ROM's certificate, ``GH100 A01 GSP BROM``. ``driver``
    and ``firmware``: versions as :class:`~privproc.attestation.nvidia.report.Report` has them; a switch states no
    driver. ``values``: indexes of the RIMs, which count from 0, and what is good there (48 bytes); an index that comes
    several times has one of these values. An index that isn't here isn't compared, as in a RIM. Raises
    :class:`UsageError`, also for a reference without values: nothing would be compared.
    """

    kind: Kind
    model: str
    driver: str
    firmware: str
    values: Values
    _good: dict[int, set[bytes]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.kind not in (Kind.GPU, Kind.SWITCH):
            raise UsageError("a reference is for GPUs or for switches")
        texts = (self.model, self.driver, self.firmware)
        if not self.model or not all(each.isascii() and len(each) <= _TEXT for each in texts):
            raise UsageError(f"a model and versions are ASCII of up to {_TEXT} characters")
        if not self.values or len(set(self.values)) != len(self.values):
            raise UsageError("a reference has values, each once")
        if not all(0 <= index < _INDEXES and len(value) == MEASUREMENT_SIZE for index, value in self.values):
            raise UsageError(f"a value has {MEASUREMENT_SIZE} bytes and an index below {_INDEXES}")
        object.__setattr__(self, "values", tuple(sorted(self.values)))
        good: dict[int, set[bytes]] = {}
        for index, value in self.values:
            good.setdefault(index, set()).add(value)
        object.__setattr__(self, "_good", good)

    def encode(self) -> bytes:
        """``struct { u8 kind; opaque model<>, driver<>, firmware<>; { u8 index; u8 value[48]; } values<>; }``.

        Lengths have one byte, that of the values has two.
        """
        writer = Writer().uint(1, self.kind)
        for text in (self.model, self.driver, self.firmware):
            writer.vector(1, text.encode())
        return writer.vector(2, b"".join(bytes((index,)) + value for index, value in self.values)).done()

    @classmethod
    def _read(cls, reader: Reader) -> Self:
        kind = reader.u8()
        if kind not in tuple(Kind):
            raise reader.fail("unknown kind of device")
        texts = [reader.vector(1, at_most=_TEXT) for _ in range(3)]
        if not all(each.isascii() for each in texts):
            raise reader.fail("not ASCII")
        model, driver, firmware = (each.decode() for each in texts)
        entries, values = reader.sub(2), []
        while entries.left:
            values.append((entries.u8(), entries.take(MEASUREMENT_SIZE)))
        return cls(kind=Kind(kind), model=model, driver=driver, firmware=firmware, values=tuple(values))

    @property
    def state(self) -> tuple[Kind, str, str, str]:
        """Kind, model, driver and firmware: which devices this is about."""
        return self.kind, self.model, self.driver, self.firmware

    def check(self, report: Report) -> None:
        """Raise :class:`PolicyError` unless every index is measured and has a value that is good there."""
        measured, void = report.measurements, report.void
        for index, good in self._good.items():
            if measured.get(index + 1) not in good and index + 1 not in void:  # SPDM counts from 1
                raise PolicyError(f"measurement {index} is absent or differs")


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy(CanonicalPolicy):
    """Everything that an appraisal of devices demands besides their nonces.

    ``gpus`` and ``switches``: how many there must be, exactly (0 to 255, one at least). ``references``: the states that
    they may be in. ``devices``: which ones they may be. ``max_age`` (seconds, above 0): how long the outcome may be
    used. Raises :class:`UsageError` for values outside of these.
    """

    gpus: int
    switches: int
    references: tuple[Reference, ...]
    devices: AnyDevice | Devices
    max_age: int
    _encoded: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        counts = (self.gpus, self.switches)
        if not all(0 <= count <= _MOST_DEVICES for count in counts) or not any(counts):
            raise UsageError(f"there are 0 to {_MOST_DEVICES} GPUs and switches, and one at least")
        if {reference.kind for reference in self.references} != {kind for kind in _PLAIN if self.count(kind)}:
            raise UsageError("references are for each kind of device that there is, and for no other")
        encoded = {reference.encode(): reference for reference in self.references}
        if not len(encoded) == len(self.references) <= _MOST_DEVICES:
            raise UsageError(f"a reference comes once, and there are up to {_MOST_DEVICES}")
        if not 0 < self.max_age < 1 << 32:
            raise UsageError("max_age is 1 to 2^32 - 1")
        # req: privproc1/4.11 canonical-device-policy
        object.__setattr__(self, "references", tuple(encoded[each] for each in sorted(encoded)))
        object.__setattr__(self, "_encoded", self._encode())

    def encode(self) -> bytes:
        """The canonical encoding; references and identities in ascending order, integers big-endian::

            struct {
                uint8 form = 4, gpus, switches, count;
                Reference references[count];
                opaque identities<0..2^16-1>;               uint16 length; none: any device
                uint32 max_age;
            } Policy;

        The first byte tells whose policy it is.
        """
        return self._encoded

    def _encode(self) -> bytes:
        writer = Writer()
        for number in (_FORM, self.gpus, self.switches, len(self.references)):
            writer.uint(1, number)
        for reference in self.references:
            writer.raw(reference.encode())
        identities = self.devices.identities if isinstance(self.devices, Devices) else ()
        return writer.vector(2, b"".join(identities)).uint(4, self.max_age).done()

    @classmethod
    def _read(cls, reader: Reader) -> Self:
        if reader.u8() != _FORM:
            raise UnsupportedError("policy: not one for NVIDIA's devices")
        gpus, switches, count = reader.u8(), reader.u8(), reader.u8()
        references = tuple(Reference._read(reader) for _ in range(count))
        listed, identities = reader.sub(2), []
        while listed.left:
            identities.append(listed.take(32))
        return cls(
            gpus=gpus,
            switches=switches,
            references=references,
            devices=Devices(tuple(identities)) if identities else AnyDevice(),
            max_age=reader.u32(),
        )

    @property
    def digest(self) -> bytes:
        """``T("nvidia policy", encoding)``, 48 bytes: what the findings carry."""
        return tagged_hash("nvidia policy", self.encode())

    def count(self, kind: Kind) -> int:
        """How many devices of ``kind``, a GPU or a switch, there must be."""
        return self.gpus if kind is Kind.GPU else self.switches


_PLAIN = (Kind.GPU, Kind.SWITCH)
