"""Policies as files: TOML or JSON in, a policy of its format out, and back.

A file says whose policy it is by ``format``: ``sev-snp``, ``tdx``, ``sgx`` or ``nitro``. What may be left out has the
strictest value there is; what has none is required; what isn't known is refused, with its place. The digest of a policy
is that of its canonical encoding (:attr:`~privproc.attestation.policy.CanonicalPolicy.id`), so it is the same for both
forms and doesn't depend on comments or order. docs/guides/appraisal.md has an example of each format.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from typing import Final

from privproc import strictjson
from privproc.attestation import nitro, sgx, snp, tdx
from privproc.attestation.nitro import policyfile as nitro_file
from privproc.attestation.sgx import policyfile as sgx_file
from privproc.attestation.snp import policyfile as snp_file
from privproc.attestation.table import Table, Tree
from privproc.attestation.tdx import policyfile as tdx_file
from privproc.errors import DecodeError, LimitError, UnsupportedError, UsageError

__all__ = ["FORMATS", "MAX_POLICY_FILE", "AnyPolicy", "format_of", "from_tree", "load_policy", "to_toml", "to_tree"]

AnyPolicy = snp.Policy | tdx.Policy | sgx.Policy | nitro.Policy
"""A policy of any format."""

FORMATS: Final[Mapping[str, type[AnyPolicy]]] = {
    "sev-snp": snp.Policy,
    "tdx": tdx.Policy,
    "sgx": sgx.Policy,
    "nitro": nitro.Policy,
}
"""What a file calls the formats."""

MAX_POLICY_FILE: Final = 1 << 18
"""Bytes of the longest file: room for a thousand chips."""

_WHAT: Final = "policy file"
_VERSION = 1
_MOST_DOTS = 16
_LINE = re.compile(r"\(at (line \d+, column \d+|end of document)\)")
_BARE = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)


def load_policy(data: bytes) -> AnyPolicy:
    """Read a policy file, TOML or (if it starts with a brace) JSON, in UTF-8.

    Raises :class:`LimitError` over :data:`MAX_POLICY_FILE` bytes; :class:`DecodeError` for another form, with line and
    column, and for a key or value that isn't allowed, with its path; :class:`UnsupportedError` for another format or
    version.
    """
    if len(data) > MAX_POLICY_FILE:
        raise LimitError(f"{_WHAT}: {len(data)} bytes are over the limit of {MAX_POLICY_FILE}")
    is_json = data.lstrip(b" \t\r\n")[:1] == b"{"
    return from_tree(strictjson.decode_object(data, _WHAT) if is_json else _toml(data))


def from_tree(tree: object) -> AnyPolicy:
    """A policy from the table that a file holds. Raises as :func:`load_policy`."""
    return Table.all(tree, "", _read, what=_WHAT)


def to_tree(policy: AnyPolicy) -> Tree:
    """The table of a policy, everything said: of strings, integers, lists and tables, for TOML and JSON alike."""
    head = {"format": format_of(policy), "version": _VERSION}
    if isinstance(policy, snp.Policy):
        return head | snp_file.tree(policy)
    if isinstance(policy, sgx.Policy):
        return head | sgx_file.tree(policy)
    return head | (tdx_file.tree(policy) if isinstance(policy, tdx.Policy) else nitro_file.tree(policy))


def format_of(policy: AnyPolicy) -> str:
    """What a file calls the policy's format. Raises :class:`UsageError` for what isn't a policy."""
    for name, kind in FORMATS.items():
        if isinstance(policy, kind):
            return name
    raise UsageError("not a policy of a known format")


def to_toml(policy: AnyPolicy) -> str:
    """The policy as a TOML file that :func:`load_policy` reads: one text for each policy, everything said."""
    lines: list[str] = []
    _emit(to_tree(policy), "", lines)
    return "\n".join(lines) + "\n"


_READ: Final[Mapping[str, Callable[[Table], AnyPolicy]]] = {
    "sev-snp": snp_file.read,
    "tdx": tdx_file.read,
    "sgx": sgx_file.read,
    "nitro": nitro_file.read,
}


def _read(table: Table) -> AnyPolicy:
    name, version = table.text("format"), table.integer("version", 0xFFFF)
    if name not in _READ or version != _VERSION:
        raise UnsupportedError(f"{_WHAT}: format is not one of {', '.join(_READ)}, in version {_VERSION}")
    return _READ[name](table)


def _toml(data: bytes) -> Tree:
    # tomllib takes a time that grows with the square, and worse, of the parts of a dotted key. A key is on one line.
    for number, line in enumerate(data.split(b"\n"), 1):
        if line.count(b".") > _MOST_DOTS and not line.lstrip().startswith(b"#"):
            raise DecodeError(_WHAT, f"line {number}: more than {_MOST_DOTS} dots")
    try:
        return tomllib.loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        place = _LINE.search(str(error))
        raise DecodeError(_WHAT, f"not TOML, {place[1]}" if place else "not TOML") from None


def _emit(tree: Tree, place: str, lines: list[str]) -> None:
    """Values first, then tables, then arrays of tables, each in the order of the tree."""
    tables = {name: value for name, value in tree.items() if isinstance(value, dict)}
    arrays = {name: value for name, value in tree.items() if _is_tables(value)}
    lines += [f"{_key(name)} = {_value(value)}" for name, value in tree.items() if name not in tables | arrays]
    for name, table in tables.items():
        path = f"{place}{_key(name)}"
        lines += ["", f"[{path}]"]
        _emit(table, f"{path}.", lines)
    for name, array in arrays.items():
        path = f"{place}{_key(name)}"
        for table in array:  # type: ignore[attr-defined]
            lines += ["", f"[[{path}]]"]
            _emit(table, f"{path}.", lines)


def _is_tables(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, dict) for item in value)


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else _value(name)


def _value(value: object) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return '"' + "".join(char if char.isprintable() else f"\\u{ord(char):04x}" for char in escaped) + '"'
    return str(value)
