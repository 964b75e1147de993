"""Requests as HTTP/1.1 has them (RFC 9112), in values: for a gateway that passes a decoded message to a plain server.

Nothing is read from or written to a connection here; ``target`` and ``fields`` are for an HTTP library to send. What
frames or belongs to a connection is taken off in both directions, so that a message can't smuggle a second one.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from privproc.bhttp._rules import fields_fault, request_fault
from privproc.errors import DecodeError, UsageError
from privproc.http import Fields, Request

__all__ = ["Http1Request", "from_http1", "to_http1"]

_HOP = frozenset(
    # RFC 9110 §7.6.1, and what frames an HTTP/1.1 message (RFC 9112 §6).
    (b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"transfer-encoding", b"upgrade")
)


@dataclass(frozen=True, slots=True)
class Http1Request:
    """``method``, request ``target`` (RFC 9112 §3.2), field lines with Host and Content-Length, content.

    Field names are in any case; trailers are not carried.
    """

    method: str
    target: str
    fields: Fields = field(repr=False)
    content: bytes = field(default=b"", repr=False)


def to_http1(request: Request) -> Http1Request:
    """``request`` in origin form, with Host first and a Content-Length that is right.

    Connection fields, Content-Length, trailers and pseudo-fields of the message are left out, and several Cookie fields
    become one (RFC 9292 §3.6). The scheme is the
    caller's to act upon. Raises :class:`~privproc.errors.UsageError` for a request that no decoder would have given,
    one without an authority, and CONNECT.
    """
    fault = fields_fault(request.fields) or request_fault(
        request.method, request.scheme, request.authority, request.path, request.fields
    )
    if fault is not None or not request.authority or request.method == "CONNECT":
        raise UsageError(fault or "HTTP/1.1 in origin form needs an authority, and isn't for CONNECT")
    kept = [line for line in _without_connection(request.fields) if line[0] != b"host"]  # the authority is the host
    fields = ((b"host", request.authority.encode("ascii")), *_one_cookie(kept))
    if request.content or request.method in {"POST", "PUT", "PATCH"}:  # RFC 9110 §8.6
        fields = (*fields, (b"content-length", b"%d" % len(request.content)))
    return Http1Request(request.method, request.path, fields, request.content)


def from_http1(received: Http1Request, *, scheme: str) -> Request:
    """The request that ``received`` over a connection of ``scheme`` is, its content complete.

    Takes origin form, absolute form (whose scheme must be ``scheme``) and ``*``. Raises
    :class:`~privproc.errors.DecodeError` for anything else, for no Host or several, for one that differs from the
    target, for a Content-Length that isn't the content's, and for invalid fields.
    """
    lines = tuple((name.lower(), value) for name, value in received.fields)
    fault = fields_fault(lines)
    if fault is not None or any(name.startswith(b":") for name, _ in lines):
        raise DecodeError("HTTP/1.1 request", fault or "a pseudo-field")
    hosts = [value for name, value in lines if name == b"host"]
    lengths = {value for name, value in lines if name == b"content-length"}
    if len(hosts) != 1:
        raise DecodeError("HTTP/1.1 request", f"{len(hosts)} Host fields")
    if lengths - {b"%d" % len(received.content)}:
        raise DecodeError("HTTP/1.1 request", "Content-Length isn't the content's")
    authority, path = _split_target(received.target, hosts[0].decode("latin-1"), scheme)
    fault = request_fault(received.method, scheme, authority, path, ((b"host", hosts[0]),))
    if fault is not None or not authority or received.method == "CONNECT":
        raise DecodeError("HTTP/1.1 request", fault or "no authority, or CONNECT")
    request = Request(received.method, scheme, authority, path, _without_connection(lines), received.content)
    return replace(request, fields=tuple(line for line in request.fields if line[0] != b"host"))


def _split_target(target: str, host: str, scheme: str) -> tuple[str, str]:
    if target.startswith("/") or target == "*":
        return host, target
    prefix = f"{scheme}://"
    if not target.lower().startswith(prefix):
        raise DecodeError("HTTP/1.1 request", "the target is in no form that is taken here")
    authority, slash, path = target[len(prefix) :].partition("/")
    return authority, slash + path or "/"


def _one_cookie(fields: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Cookie fields joined as RFC 9113 §8.2.3 says: what takes several for one over HTTP/1.1 would put commas."""
    # req: rfc9292/3.6 cookies-are-joined
    cookies = [value for name, value in fields if name == b"cookie" and value]
    others = [line for line in fields if line[0] != b"cookie"]
    return [*others, (b"cookie", b"; ".join(cookies))] if cookies else others


def _without_connection(fields: Fields) -> Fields:
    """Without the fields of the connection, those that Connection names, and the framing."""
    named = {
        option.strip(b" \t").lower() for name, value in fields if name == b"connection" for option in value.split(b",")
    }
    dropped = _HOP | named | {b"content-length"}
    # req: rfc9292/3.6 connection-fields-are-removed
    return tuple(line for line in fields if line[0] not in dropped and not line[0].startswith(b":"))
