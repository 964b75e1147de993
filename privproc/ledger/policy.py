"""Whose word makes a checkpoint count: the log's key and a quorum of witnesses, and C2SP's text format for both.

:func:`read_policy` reads the format of c2sp.org/tlog-policy into a :class:`LogPolicy` for each log.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from privproc.errors import DecodeError, PolicyError, UnsupportedError, UsageError
from privproc.ledger.checkpoint import COSIGNATURE, ED25519, NoteKey, decode_number

__all__ = ["MAX_POLICY", "Group", "LogPolicy", "read_policy"]

MAX_POLICY: Final = 1 << 18
"""Longest policy in the text format, in bytes: room for 64 logs and 64 witnesses with ML-DSA keys."""

_WHAT = "log policy"
_MAX_EACH = 64  # logs, witnesses and groups: twice what tlog-policy wants to see supported
_NONE = b"none"


@dataclass(frozen=True, slots=True)
class Group:
    """A group of witnesses: it has witnessed a checkpoint if ``threshold`` of its ``members`` have.

    A member is a witness's key (of type :data:`~privproc.ledger.checkpoint.COSIGNATURE` or
    :data:`~privproc.ledger.checkpoint.ML_DSA_44`) or a group. One witness with a key of each type is a group with a
    threshold of 1. Raises :class:`UsageError` for a threshold that isn't 1 to the number of members.
    """

    threshold: int
    members: tuple[NoteKey | Group, ...]

    def __post_init__(self) -> None:
        if any(isinstance(member, NoteKey) and member.kind == ED25519 for member in self.members):
            raise UsageError("a witness's key is of type 4 or 6")
        if not 1 <= self.threshold <= len(self.members):
            raise UsageError("a threshold is 1 to the number of witnesses")

    @property
    def keys(self) -> list[NoteKey]:
        """The keys of all members, those in groups included."""
        keys: list[NoteKey] = []
        for member in self.members:
            keys += [member] if isinstance(member, NoteKey) else member.keys
        return keys

    def since(self, times: Mapping[NoteKey, int]) -> int | None:
        """When the group had witnessed, if its keys cosigned at these times: the threshold-th newest of its members'.

        None if it hadn't.
        """
        each = [times.get(member) if isinstance(member, NoteKey) else member.since(times) for member in self.members]
        known = sorted((time for time in each if time is not None), reverse=True)
        return known[self.threshold - 1] if len(known) >= self.threshold else None


@dataclass(frozen=True, slots=True)
class LogPolicy:
    """Which log counts, and who must have seen its tree: all of it is required.

    ``key``: the log's (type :data:`~privproc.ledger.checkpoint.ED25519` or
    :data:`~privproc.ledger.checkpoint.ML_DSA_44`); its name is the only accepted origin. ``witnesses``: keys or groups
    of them, of which ``threshold`` must have cosigned within ``max_age`` seconds. What an Ed25519 witness signs doesn't
    name it, and whoever holds one key under two names is one party: a public key that comes twice, an empty list and a
    threshold of 0 are :class:`UsageError`.
    """

    key: NoteKey
    witnesses: tuple[NoteKey | Group, ...]
    threshold: int
    max_age: int
    quorum: Group = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.key.kind == COSIGNATURE:
            raise UsageError("a log's key is of type 1 or 6")
        object.__setattr__(self, "quorum", Group(self.threshold, self.witnesses))
        keys = [self.key, *self.quorum.keys]
        if len({key.public for key in keys}) != len(keys):
            raise UsageError("log and witnesses have a key of their own each")
        if self.max_age < 1:
            raise UsageError("a maximum age is 1 second or more")


def read_policy(data: bytes, *, max_age: int) -> dict[str, LogPolicy]:
    """Read a policy file (c2sp.org/tlog-policy): the policy for each log, by origin. Lines, in any order that defines
    before it uses::

        log <verifier key> [<url>]
        witness <name> <verifier key> [<url>]
        group <name> all|any|<k> <name>...
        quorum <name>
        # comment

    Every line ends in a newline; items are separated by spaces and tabs; names are opaque bytes. URLs are skipped.
    ``max_age`` (seconds) isn't in the file. Raises :class:`DecodeError` for a form or a reference that isn't allowed,
    for more than 64 logs, witnesses or groups, and for one public key in two places; :class:`UnsupportedError` for a
    key of another type, and for two keys of one log; :class:`PolicyError` for ``quorum none`` and for a policy without
    logs: it must not come from a file that no witness counts.
    """
    if len(data) > MAX_POLICY:
        raise DecodeError(_WHAT, f"more than {MAX_POLICY} bytes")
    if data[-1:] != b"\n":
        raise DecodeError(_WHAT, "no newline at the end", len(data))
    reading = _Reading()
    for line in data[:-1].split(b"\n"):
        reading.line(line)
    if not reading.logs:
        raise PolicyError("log policy: names no log")
    quorum = reading.quorum
    if quorum is None:
        raise DecodeError(_WHAT, "no quorum", len(data))
    threshold, witnesses = (1, (quorum,)) if isinstance(quorum, NoteKey) else (quorum.threshold, quorum.members)
    return {key.name: LogPolicy(key, witnesses, threshold, max_age) for key in reading.logs}


class _Reading:
    """A policy file as far as it is read."""

    def __init__(self) -> None:
        self.logs: list[NoteKey] = []
        self.quorum: NoteKey | Group | None = None
        self._named: dict[bytes, NoteKey | Group] = {}
        self._keys: set[bytes] = set()
        self._members: set[bytes] = set()
        self._count = dict.fromkeys(_LINES, 0)
        self._at = 0

    def line(self, line: bytes) -> None:
        """Take a line, without its newline."""
        if any((char < 0x20 and char != 0x09) or char == 0x7F for char in line):
            raise self._fail("a control character")
        items = line.split()
        if items and not items[0].startswith(b"#"):
            keyword, *rest = items
            if keyword not in _LINES:
                raise self._fail("a line that is none of log, witness, group and quorum")
            least, most, read = _LINES[keyword]
            if not least <= len(rest) <= most:
                raise self._fail("too few or too many items in a line")
            self._count[keyword] += 1
            if self._count[keyword] > _MAX_EACH:
                raise self._fail(f"more than {_MAX_EACH} lines of one kind")
            read(self, *rest)
        self._at += len(line) + 1

    def _log(self, vkey: bytes, _url: bytes = b"") -> None:
        key = self._key(vkey)
        if key.kind == COSIGNATURE:
            raise self._fail("a log with a witness's key")
        if any(key.name == other.name for other in self.logs):
            raise UnsupportedError("log policy: two keys of one log")
        self.logs.append(key)

    def _witness(self, name: bytes, vkey: bytes, _url: bytes = b"") -> None:
        key = self._key(vkey)
        if key.kind == ED25519:
            raise self._fail("a witness with a log's key")
        self._define(name, key)

    def _group(self, name: bytes, threshold: bytes, *names: bytes) -> None:
        members = tuple(map(self._find, names))
        # A name is a member once in the whole file, so that no witness counts by two ways.
        if len(set(names)) != len(names) or not self._members.isdisjoint(names):
            raise self._fail("a name that is a member twice")
        self._members.update(names)
        words = {b"all": len(names), b"any": 1}
        number = words[threshold] if threshold in words else decode_number(threshold.decode("latin-1"), _WHAT)
        if not 1 <= number <= len(names):
            raise self._fail("a threshold that isn't 1 to the number of members")
        self._define(name, Group(number, members))

    def _quorum(self, name: bytes) -> None:
        if name == _NONE:
            raise PolicyError("log policy: demands no witness")
        if self.quorum is not None:
            raise self._fail("a second quorum")
        self.quorum = self._find(name)

    def _key(self, vkey: bytes) -> NoteKey:
        try:
            key = NoteKey.parse(vkey.decode())
        except UnicodeDecodeError:
            raise self._fail("a key that isn't UTF-8") from None
        if key.public in self._keys:
            raise self._fail("a public key that comes twice")
        self._keys.add(key.public)
        return key

    def _define(self, name: bytes, value: NoteKey | Group) -> None:
        if name == _NONE or name in self._named:
            raise self._fail("a name that is reserved or comes twice")
        self._named[name] = value

    def _find(self, name: bytes) -> NoteKey | Group:
        if name not in self._named:
            raise self._fail("a name that isn't defined before")
        return self._named[name]

    def _fail(self, why: str) -> DecodeError:
        return DecodeError(_WHAT, why, self._at)


# Of each kind of line: how many items follow the keyword, at least and at most, and what reads them.
_LINES: Final[Mapping[bytes, tuple[int, int, Callable[..., None]]]] = {
    b"log": (1, 2, _Reading._log),
    b"witness": (2, 3, _Reading._witness),
    b"group": (3, MAX_POLICY, _Reading._group),
    b"quorum": (1, 1, _Reading._quorum),
}
