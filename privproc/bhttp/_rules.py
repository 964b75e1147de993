"""What is valid in a binary message; the reasons are in :mod:`privproc.bhttp`.

Each function returns the rule that is broken, or None: the decoder makes it a DecodeError, the encoder a UsageError.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from privproc.http import Fields

__all__ = ["fields_fault", "request_fault"]

_METHOD = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+").fullmatch  # a token, RFC 9110 §5.6.2
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*").fullmatch  # RFC 3986 §3.1
_AUTHORITY = re.compile(  # RFC 3986 §3.2 without userinfo
    r"(?:(?:\[[A-Za-z0-9._~!$&'()*+,;=:%-]+\]|[A-Za-z0-9._~!$&'()*+,;=%-]+)(?::[0-9]*)?)?"
).fullmatch
_PATH = re.compile(r"/[!\"$-~]*").fullmatch  # visible ASCII without "#"
_HOST_PORT = re.compile(r".+:[0-9]+").fullmatch
_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9a-z-]+").fullmatch
_NAMES = re.compile(rb"[!#$%&'*+.^_`|~0-9a-z-]+(?:\n[!#$%&'*+.^_`|~0-9a-z-]+)*").fullmatch
_PSEUDO = re.compile(rb":[!#$%&'*+.^_`|~0-9a-z-]+").fullmatch
_VALUE = re.compile(rb"(?:[^\0\r\n\t ](?:[^\0\r\n]*[^\0\r\n\t ])?)?").fullmatch
_FEW = 4  # fields; up to here, a look at each is faster than one at all of them
_CONTROL_DATA = frozenset({b":method", b":scheme", b":authority", b":path", b":status"})
_DEFAULT_PORT = {"http": ":80", "https": ":443"}


def fields_fault(fields: Sequence[tuple[bytes, bytes]], *, trailers: bool = False) -> str | None:
    """Names, values and the place of pseudo-fields."""
    if len(fields) > _FEW and _all_plain(fields):
        return None
    pseudo: set[bytes] | None = None if trailers else set()  # None: their place is past
    for name, value in fields:
        if _NAME(name):
            pseudo = None
        elif not _PSEUDO(name):
            # req: rfc9292/3.6 field-names
            return "a field name is not a lower-case token"
        elif pseudo is None:
            # req: rfc9292/3.6 pseudo-fields-first
            # req: rfc9292/3.6 no-pseudo-fields-in-trailers
            return "a pseudo-field in trailers, or after a field"
        # req: rfc9292/3.6 no-control-data-as-fields
        elif name in _CONTROL_DATA or name in pseudo:
            return "a pseudo-field repeats another, or the control data"
        else:
            pseudo.add(name)
        if not _VALUE(value):
            # req: rfc9292/3.6 field-values
            return "a field value has CR, LF or NUL in it, or white space around it"
    return None


def _all_plain(fields: Sequence[tuple[bytes, bytes]]) -> bool:
    """Whether there is nothing but valid regular fields, told by a look at all of them at once."""
    # req: rfc9292/3.6 connection-fields-are-no-fault
    names = b"\n".join([name for name, _ in fields])
    values = [value for _, value in fields]
    joined = b"".join(values)
    return (
        _NAMES(names) is not None
        and names.count(b"\n") == len(fields) - 1
        and values == [value.strip(b"\t ") for value in values]
        and not (b"\n" in joined or b"\r" in joined or b"\0" in joined)
    )


def request_fault(method: str, scheme: str, authority: str, path: str, fields: Fields) -> str | None:
    """Control data by itself and against ``fields``, which were found valid."""
    # req: rfc9292/3.4 control-data-rules
    if not _METHOD(method):
        return "the method is not a token"
    if not _AUTHORITY(authority):
        return "the authority has user information or bytes that don't belong"
    if method == "CONNECT" and not scheme and not path:
        if not _HOST_PORT(authority):
            return "CONNECT needs host and port"
    elif (fault := _target_fault(method, scheme, path, fields)) is not None:
        return fault
    return _host_fault(scheme, authority, [value for name, value in fields if name == b"host"])


def _target_fault(method: str, scheme: str, path: str, fields: Fields) -> str | None:
    if not _SCHEME(scheme):
        return "not a scheme"
    if not _PATH(path) and not (path == "*" and method == "OPTIONS"):
        return "the path doesn't start with a slash or has bytes that don't belong"
    if method == "CONNECT" and all(name != b":protocol" for name, _ in fields):
        return "CONNECT with a path needs :protocol"
    return None


def _host_fault(scheme: str, authority: str, hosts: list[bytes]) -> str | None:
    if not hosts:
        return None
    host = hosts[0].decode("latin-1")
    if len(hosts) > 1 or not _AUTHORITY(host):
        return "not one host"
    if authority and _normal(scheme, host) != _normal(scheme, authority):
        return "host differs from the authority"
    return None


def _normal(scheme: str, authority: str) -> str:
    """Normalised for comparison (RFC 3986 §6.2.3)."""
    return authority.lower().removesuffix(_DEFAULT_PORT.get(scheme.lower(), ":")).removesuffix(":")
