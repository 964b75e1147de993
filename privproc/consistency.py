"""Is everybody shown the same resource? Copies of it from mirrors (draft-ietf-privacypass-consistency-mirror-00).

A key configuration or an issuer directory that one client alone is shown names that client. So a client that fetched
one asks mirrors, which others use too, what they see at the same address::

    request, pending = mirror.ask(target, media_type, at=now)      to be sent, through a relay or proxy
    copy             = pending.finish(response, at=now)            fresh, and really that resource
    trusted          = confirm(fetched, copies, target=target, threshold=2, at=now)

A mirror answers with the target's response in Binary HTTP, under the Cache-Control of that response. It shows what it
saw at one moment: with honest mirrors, those who share them share the resource, for as long as the shortest validity
among them (the draft's security considerations). It protects against an origin that singles a client out, not against
mirrors that join it. privproc/1 itself uses signed and logged packages instead, see :mod:`privproc.keypackage`; this is
for gateways and issuers that publish nothing else.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from privproc import bhttp
from privproc._step import Step
from privproc.errors import DecodeError, PolicyError, UntrustedError, UsageError
from privproc.http import Fields, Request, Response, age, delta_seconds, media_type
from privproc.httpauth import QUOTED, TCHAR
from privproc.trust import Earned, Trusted, _trusted, check_window

__all__ = ["BHTTP", "Copy", "Mirror", "PendingCopy", "confirm"]

BHTTP: Final = "message/bhttp"
"""The media type of a mirror's answer (RFC 9292 §7)."""

# The literals of RFC 6570 §2.1 without the fragment's "#".
_LITERAL = r"(?:[!$&(-;=?-\[\]_a-z~]|%[0-9A-Fa-f]{2})"
_HOST = r"[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?"
_TEMPLATE = re.compile(
    rf"https://(?P<host>{_HOST})(?P<port>:[0-9]{{1,5}})?"
    rf"(?P<before>(?:[/?]{_LITERAL}*)?)\{{(?P<operator>[/?&;.]?)target\}}(?P<after>{_LITERAL}*)"
)
_TARGET = re.compile(rf"https://(?P<host>{_HOST})(?::[0-9]{{1,5}})?(?:[/?][!-\"$-~]*)?")
# What an operator writes before the value (RFC 6570 §3.2.1). All of these encode whatever isn't unreserved.
_PREFIX = {"": "", "/": "/", ".": ".", ";": ";target=", "?": "?target=", "&": "&target="}
_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")

_DIRECTIVE = re.compile(rf"[ \t]*+({TCHAR}++)(?:=(?:({TCHAR}++)|{QUOTED}))?[ \t]*+(?:,|\Z)")
_EMPTY = re.compile(r"[ \t]*+(?:,|\Z)")


@dataclass(frozen=True, slots=True)
class Mirror:
    """A mirror as the client is configured with it: a URI template, and the least ``max-age`` that it caches.

    ``template`` is an https URI with exactly one expression of RFC 6570, in its path or query, of the one variable
    ``target``: ``{target}`` or, with an operator that encodes, ``{/target}``, ``{.target}``, ``{;target}``,
    ``{?target}``, ``{&target}``. The host is in lower case. ``min_validity`` is the draft's MIN_VALIDITY_WINDOW, in
    seconds: a resource that changes too often could be shown to one client at a time. Raises :class:`UsageError` for
    other templates, which the draft says to ignore.
    """

    template: str
    min_validity: int
    host: str = field(init=False, repr=False)
    _parts: tuple[str, str, str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        match = _TEMPLATE.fullmatch(self.template)
        if match is None or self.min_validity < 1:
            raise UsageError("a mirror is an https URI template with one target in path or query, and a validity")
        before, operator, after = match["before"], match["operator"], match["after"]
        if (operator == "?") == ("?" in before) and operator in ("?", "&"):
            raise UsageError("{?target} begins the query, {&target} continues it")
        if not before and operator not in ("/", "?"):
            raise UsageError("the target would become a part of the host")
        path = before + _PREFIX[operator]
        object.__setattr__(self, "host", match["host"])
        object.__setattr__(
            self,
            "_parts",
            (match["host"] + (match["port"] or ""), path if path.startswith("/") else "/" + path, after),
        )

    def ask(self, target: str, media_type: str, *, at: int) -> tuple[Request, PendingCopy]:
        """The request for the mirror's copy of ``target``, an https URI in ASCII without fragment, and its answer.

        ``media_type`` is the resource's. Raises :class:`UsageError` for another target, one on the mirror's own host
        included: it would confirm itself.
        """
        match = _TARGET.fullmatch(target)
        if match is None or match["host"] == self.host:
            raise UsageError("a target is an https URI without fragment, on another host than the mirror")
        if not media_type.isascii():
            raise UsageError("a media type is ASCII")
        authority, before, after = self._parts
        encoded = "".join(chr(byte) if byte in _UNRESERVED else f"%{byte:02X}" for byte in target.encode("ascii"))
        fields = ((b"accept", media_type.encode("ascii")),)
        request = Request("GET", "https", authority, before + encoded + after, fields)
        return request, PendingCopy(_Asked(self, target, media_type, at))


class _Asked(NamedTuple):
    mirror: Mirror
    target: str
    media_type: str
    at: int


@dataclass(frozen=True, slots=True, init=False)
class Copy(Earned):
    """What the mirror on ``host`` shows at ``target``: ``content``, fresh while ``not_before <= at < not_after``."""

    host: str
    target: str
    content: bytes = field(repr=False)
    not_before: int
    not_after: int


class PendingCopy(Step[_Asked]):
    """A request to a mirror that waits for its response. Single-use; see :meth:`Mirror.ask`."""

    __slots__ = ()

    def finish(self, response: Response, *, at: int) -> Copy:
        """The copy in a mirror's response that came at ``at``.

        The mirror's response and the target's response in it both have status 200 and a ``max-age`` of at least the
        mirror's minimum, without ``no-store`` and ``private``. The mirror's isn't longer than the target's, and the
        target's has the media type that was asked for. Time counts from the request on, less the Age of each (RFC 9111
        §4.2.3; Date fields aren't compared).

        Raises :class:`DecodeError`, :class:`LimitError`; :class:`PolicyError` when one of these doesn't hold;
        :class:`ExpiredError` when the copy is stale.
        """
        asked = self._take()
        if response.status != 200:
            raise PolicyError(f"mirror: status {response.status}")
        if media_type(response.fields) not in (BHTTP, None):  # the draft asks mirrors for none
            raise PolicyError("mirror: not Binary HTTP")
        inner = bhttp.decode_response(response.content)
        if inner.status != 200:
            raise PolicyError(f"mirror: the target's status is {inner.status}")
        if media_type(inner.fields) != asked.media_type:
            raise PolicyError("mirror: the target has another media type")
        mirrored, original = _lifetime(response.fields), _lifetime(inner.fields)
        if not asked.mirror.min_validity <= mirrored.max_age <= original.max_age:
            raise PolicyError("mirror: max-age is under its minimum, or over the target's")
        not_after = asked.at + min(mirrored.max_age - mirrored.age, original.max_age - original.age)
        check_window("mirror's copy", asked.at, not_after, at=at)
        return Copy._earn(
            host=asked.mirror.host,
            target=asked.target,
            content=inner.content,
            not_before=asked.at,
            not_after=not_after,
        )


def confirm(resource: bytes, copies: Sequence[Copy], *, target: str, threshold: int, at: int) -> Trusted[bytes]:
    """``resource``, as it was fetched from ``target``, when at least ``threshold`` mirrors show the same bytes.

    The trust lasts as long as the copy that is stale first. Copies that are stale already don't count. A single fresh
    copy with other bytes refuses the resource, whatever the count: the draft forbids its use then.

    Raises :class:`UsageError` for a threshold under 1, two copies of one host, or a copy of another target;
    :class:`UntrustedError` for a copy that differs, and for too few.
    """
    if threshold < 1:
        raise UsageError("a threshold is 1 or more")
    if len({copy.host for copy in copies}) != len(copies):
        raise UsageError("a mirror counts once")
    if any(copy.target != target for copy in copies):
        raise UsageError("a copy of another resource")
    fresh = [copy for copy in copies if copy.not_before <= at < copy.not_after]
    # req: rfc9458/7 same-keys-for-all
    if any(copy.content != resource for copy in fresh):
        raise UntrustedError("mirrors: another resource than was fetched")
    if len(fresh) < threshold:
        raise UntrustedError(f"mirrors: {len(fresh)} agree, {threshold} are needed")
    return _trusted(
        resource,
        hashlib.sha256(resource).digest(),
        max(copy.not_before for copy in fresh),
        min(copy.not_after for copy in fresh),
    )


class _Lifetime(NamedTuple):
    max_age: int
    age: int


def _lifetime(fields: Fields) -> _Lifetime:
    # Which of two values would count is left open (RFC 9111 §4.2.1): here neither does.
    directives: dict[str, str | None] = {}
    for name, value in _directives(fields):
        if name in directives:
            raise DecodeError("Cache-Control", f"{name} occurs twice")
        directives[name] = value
    if directives.keys() & {"no-store", "private"}:
        raise PolicyError("mirror: not a shared response")
    if "max-age" not in directives:
        raise PolicyError("mirror: no max-age")
    return _Lifetime(delta_seconds("max-age", directives["max-age"]), age(fields))


def _directives(fields: Fields) -> list[tuple[str, str | None]]:
    found: list[tuple[str, str | None]] = []
    for value in (value.decode("latin-1") for name, value in fields if name == b"cache-control"):
        place = 0
        while place < len(value):
            if match := _DIRECTIVE.match(value, place):
                found.append((match[1].lower(), match[2] if match[3] is None else match[3]))
            else:
                match = _EMPTY.match(value, place)
            if match is None:
                raise DecodeError("Cache-Control", "not a list of directives", place)
            place = match.end()
    return found
