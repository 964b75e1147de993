"""Finding a gateway and its keys (RFC 9540): the ``ohttp`` parameter of SVCB and HTTPS records, and the fetch.

**What is fetched this way proves nothing about consistency.** A gateway can show each client keys of its own and then
tell them apart (RFC 9540 §7.1). Use such keys only after a check that others see the same ones, as in
:mod:`privproc.consistency`; or :mod:`privproc.keypackage` in place of all this. DNS without DNSSEC can be altered on
the way, so a record is a hint: its absence doesn't mean that there is no gateway.

The gateway is ``/.well-known/ohttp-gateway`` on the *target's* host. It may answer with a redirect. A client that
follows one for the keys must not tell the relay where it led (RFC 9540 §5): that address could be the client's name.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Self

from privproc.errors import DecodeError, PolicyError, UsageError
from privproc.http import Request, Response, media_type
from privproc.keyconfig import MEDIA_TYPE, KeyConfigs
from privproc.wire import Reader, Writer

__all__ = [
    "MANDATORY",
    "NO_DEFAULT_ALPN",
    "OHTTP",
    "PATH",
    "PORT",
    "ServiceBinding",
    "compatible",
    "key_request",
    "key_response",
    "keys",
]

PATH: Final = "/.well-known/ohttp-gateway"
"""The gateway's default path on the target's host (RFC 9540 §5)."""

# SvcParamKeys of the IANA registry "DNS SVCB Service Parameter Keys".

MANDATORY: Final = 0
"""SvcParamKey ``mandatory``: keys without which the record must be ignored (RFC 9460 §8)."""

NO_DEFAULT_ALPN: Final = 2
"""SvcParamKey ``no-default-alpn`` (RFC 9460 §7.1)."""

PORT: Final = 3
"""SvcParamKey ``port`` (RFC 9460 §7.2)."""

OHTTP: Final = 8
"""SvcParamKey ``ohttp``: the service can be reached by Oblivious HTTP (RFC 9540 §4). Its value is empty."""

_AUTOMATIC = {NO_DEFAULT_ALPN, PORT}  # mandatory in HTTPS records wherever they occur (RFC 9460 §9)
_MAX_NAME = 255
_AUTHORITY = re.compile(r"[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?(?::[0-9]{1,5})?")


@dataclass(frozen=True, slots=True)
class ServiceBinding:
    """The RDATA of an SVCB or HTTPS record (RFC 9460 §2.2)::

        uint16 SvcPriority || TargetName || one for each parameter: uint16 key || uint16 length || value

    ``target`` is the name's wire form, 1 to 255 bytes, never compressed. ``params`` are in strictly increasing order of
    their keys. Of their values, only ``mandatory`` and ``ohttp`` are read here; the others are for whoever connects.
    """

    priority: int
    target: bytes
    params: tuple[tuple[int, bytes], ...]

    def __post_init__(self) -> None:
        if self.alias and self.params:
            raise UsageError("an alias has no parameters")
        if fault := _fault(self.params):
            raise UsageError(fault)

    @property
    def alias(self) -> bool:
        """Whether the record only names another (AliasMode, RFC 9460 §2.4.2)."""
        return self.priority == 0

    @property
    def ohttp(self) -> bool:
        """Whether the service can be reached by Oblivious HTTP."""
        return any(key == OHTTP for key, _ in self.params)

    @property
    def mandatory(self) -> frozenset[int]:
        """The keys that a client must know, those that are mandatory by themselves in HTTPS records included."""
        listed = dict(self.params)
        return frozenset(_listed(listed.get(MANDATORY, b""))) | (_AUTOMATIC & listed.keys())

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Raises :class:`DecodeError`. Parameters of an alias aren't looked at, as RFC 9460 §2.4.2 demands."""
        return Reader.all(data, "service binding", cls._read)

    @classmethod
    def _read(cls, reader: Reader) -> Self:
        priority, target = reader.u16(), _name(reader)
        if priority == 0:
            reader.rest()
            return cls(priority, target, ())
        params = []
        while reader.left:
            params.append((reader.u16(), reader.vector(2)))
        if fault := _fault(params):
            raise reader.fail(fault)
        return cls(priority, target, tuple(params))

    def encode(self) -> bytes:
        """The RDATA. Raises :class:`UsageError` for what :meth:`decode` would refuse."""
        writer = Writer().uint(2, self.priority).raw(self.target)
        for key, value in self.params:
            writer.uint(2, key).vector(2, value)
        encoded = writer.done()
        try:
            ServiceBinding.decode(encoded)
        except DecodeError as error:
            raise UsageError(str(error)) from None
        return encoded


def _name(reader: Reader) -> bytes:
    labels, size = [], 0
    while True:
        length = reader.u8()
        size += 1 + length
        if length > 63 or size > _MAX_NAME:
            raise reader.fail("a name is compressed or too long")
        labels.append(bytes((length,)) + reader.take(length))
        if not length:
            return b"".join(labels)


def _listed(value: bytes) -> list[int]:
    return [int.from_bytes(value[place : place + 2], "big") for place in range(0, len(value), 2)]


def _increasing(keys: Iterable[int]) -> bool:
    return all(before < after for before, after in pairwise(keys))


def _fault(params: Sequence[tuple[int, bytes]]) -> str | None:
    """What makes a record malformed (RFC 9460 §2.2) or not self-consistent (§2.4.3, §8)."""
    values = dict(params)
    if not _increasing(key for key, _ in params):
        return "keys aren't in strictly increasing order"
    if values.get(OHTTP):
        return "ohttp has a value"
    if MANDATORY in values:
        value = values[MANDATORY]
        listed = _listed(value)
        if not value or len(value) % 2 or not _increasing(listed):
            return "mandatory isn't a list of keys in strictly increasing order"
        if MANDATORY in listed or not values.keys() >= set(listed):
            return "mandatory lists itself, or a key that isn't there"
    return None


def compatible(records: Iterable[bytes], *, understood: Collection[int]) -> tuple[ServiceBinding, ...]:
    """The records of one set (the RDATA of each) that a client can use, the lowest priority first.

    ``understood`` are the SvcParamKeys that the client acts on; :data:`MANDATORY` and :data:`OHTTP` are understood
    anyway. Records that demand others are left out (RFC 9460 §8). If one of the set is an alias, the others don't
    count (§2.4.1). Among equal priorities the order is the given one; a client should shuffle those.

    Raises :class:`DecodeError` when any record is malformed: the whole set is refused then (§2.2).
    """
    bindings = [ServiceBinding.decode(record) for record in records]
    if any(binding.alias for binding in bindings):
        bindings = [binding for binding in bindings if binding.alias]
    known = {*understood, MANDATORY, OHTTP}
    return tuple(sorted((one for one in bindings if one.mandatory <= known), key=lambda one: one.priority))


def key_request(authority: str) -> Request:
    """The request for the keys of the gateway on ``authority``, host or host:port in lower case (RFC 9540 §6).

    Send it through a proxy: the gateway could choose the keys by who asks. Raises :class:`UsageError` for an authority
    of another form.
    """
    if not _AUTHORITY.fullmatch(authority):
        raise UsageError("an authority is a host, or host and port, in lower case")
    return Request("GET", "https", authority, PATH, ((b"accept", MEDIA_TYPE.encode("ascii")),))


def key_response(configs: KeyConfigs, *, max_age: int) -> Response:
    """What the gateway answers: its list, good for ``max_age`` seconds, at most until its next key is in use.

    Every client must be given the same list, so it doesn't vary by anything in the request. Raises
    :class:`UsageError` for less than a second, which no mirror would keep.
    """
    if max_age < 1:
        raise UsageError("keys are published for a second or more")
    fields = ((b"content-type", MEDIA_TYPE.encode("ascii")), (b"cache-control", b"max-age=%d" % max_age))
    return Response(200, fields, configs.encode())


def keys(response: Response) -> KeyConfigs:
    """The list in a response to :func:`key_request`. It is authentic at most, see above.

    Raises :class:`PolicyError` for another status than 200, a redirect included, and for another media type;
    :class:`LimitError` and :class:`DecodeError` as :meth:`privproc.keyconfig.KeyConfigs.decode` does.
    """
    if response.status != 200:
        raise PolicyError(f"key configurations: status {response.status}")
    # req: rfc9458/3.2 keys-media-type
    if media_type(response.fields) != MEDIA_TYPE:
        raise PolicyError("key configurations: another media type")
    return KeyConfigs.decode(response.content)
