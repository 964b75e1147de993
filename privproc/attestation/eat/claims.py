"""What a token says: the claims of RFC 9711 §4, and those of RFC 7519 and RFC 8392 that it builds on.

CBOR has integers for names, byte strings and numbers for the members of enumerations, JSON has text for all three: that
is all that the two forms differ in, and :mod:`.form` is where they do. Claims that aren't known here are kept as they
are and not looked at, as the RFC demands (§4). Whether a claim that needs another comes without it isn't judged: tokens
in the RFC's own appendix have ``hwversion`` without ``hwmodel`` and ``oemboot`` without ``oemid``.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, TypeAlias, TypeVar

from privproc.attestation import cbor
from privproc.attestation.eat.form import CBOR, JSON, WHAT, Form, utf8
from privproc.attestation.eat.values import Content, DebugStatus, IntendedUse, Result, Results, Version
from privproc.errors import DecodeError, UnsupportedError, UntrustedError

__all__ = [
    "MAX_DEPTH",
    "Bundle",
    "Claims",
    "DetachedDigest",
    "NestedToken",
    "Submodule",
    "decode_bundle",
    "decode_cbor",
    "decode_json",
]

T = TypeVar("T")

MAX_DEPTH: Final = 8
"""Submodules in one another, at most."""

_NONE: Final[Mapping[str, Any]] = MappingProxyType({})
_BUNDLE: Final = 602
_BUNDLE_TAG: Final = b"\xd9\x02\x5a"
_MAX_CONTENT_FORMAT: Final = 0xFFFF
_DIGESTS: Final[Mapping[int | str, tuple[str, int]]] = {
    -16: ("sha256", 32),
    -43: ("sha384", 48),
    -44: ("sha512", 64),
    "SHA-256": ("sha256", 32),
    "SHA-384": ("sha384", 48),
    "SHA-512": ("sha512", 64),
}  # RFC 9054 §3.2


@dataclass(frozen=True, slots=True)
class NestedToken:
    """A submodule's own token, of another attester: bytes for ``verify``, under that one's key."""

    token: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class DetachedDigest:
    """The digest of claims that come beside the token: SHA-256, SHA-384 or SHA-512."""

    algorithm: str
    digest: bytes

    def open(self, claims: bytes, form: Form) -> Claims:
        """The claims that have this digest. Raises :class:`UntrustedError` for others, and as ``form``'s decoder."""
        # req: rfc9711/4.2.18.2 digest-of-the-encoded-claims
        if not hmac.compare_digest(hashlib.new(self.algorithm, claims).digest(), self.digest):
            raise UntrustedError(f"{WHAT}: claims have another digest than the token states")
        return _decode(claims, form)


@dataclass(frozen=True, slots=True)
class Bundle:
    """A token and the claims that were detached from it, by name, to be opened with digests of that token.

    ``form`` is that of the claims. Who put it together vouches for nothing: whatever isn't opened isn't signed.
    """

    token: bytes = field(repr=False)
    detached: Mapping[str, bytes] = field(repr=False)
    form: Form


Submodule: TypeAlias = "Claims | NestedToken | Bundle | DetachedDigest"
"""What stands for a submodule (RFC 9711 §4.2.18). It inherits nothing from what is around it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """A claims set, not to be believed before its token is verified. What isn't stated is ``None`` or empty.

    ``nonces`` are bytes of 8 to 64 in CBOR, text of 8 to 88 in JSON. ``ueid`` has 7 to 33 bytes, ``oemid`` is a private
    enterprise number, 3 bytes of IEEE's or 16 of the maker's own; ``hwmodel`` has 1 to 32. ``profile`` is a URI, or an
    OID in dots. Times are Unix seconds. ``others`` are claims that aren't read here, by name or number.
    """

    issuer: str | None
    subject: str | None
    audiences: tuple[str, ...]
    expires: int | None
    not_before: int | None
    issued: int | None
    token_id: str | bytes | None
    nonces: tuple[bytes | str, ...]
    ueid: bytes | None
    sueids: Mapping[str, bytes]
    oemid: int | bytes | None
    hwmodel: bytes | None
    hwversion: Version | None
    swname: str | None
    swversion: Version | None
    oemboot: bool | None
    dbgstat: DebugStatus | None
    uptime: int | None
    bootcount: int | None
    bootseed: bytes | None
    profile: str | None
    intuse: IntendedUse | None
    manifests: tuple[Content, ...]
    measurements: tuple[Content, ...]
    measres: tuple[Results, ...]
    submods: Mapping[str, Submodule]
    others: Mapping[int | str, object] = field(repr=False)


def decode_cbor(data: bytes) -> Claims:
    """The claims set in ``data``, the payload of a CWT. Raises :class:`DecodeError`, :class:`UnsupportedError`."""
    return _decode(data, CBOR)


def decode_json(data: bytes) -> Claims:
    """The claims set in ``data``, the payload of a JWT. Raises :class:`DecodeError`, :class:`UnsupportedError`."""
    return _decode(data, JSON)


def decode_bundle(data: bytes) -> Bundle:
    """The detached EAT bundle in ``data`` (RFC 9711 §5): JSON, or CBOR with or without its tag, 602.

    Raises :class:`DecodeError`.
    """
    form = JSON if data[:1] == b"[" else CBOR
    value = form.parse(data)
    return _bundle(form, value.content if isinstance(value, cbor.Tagged) and value.number == _BUNDLE else value)


def _decode(data: bytes, form: Form) -> Claims:
    return _claims(form, form.parse(data), 0)


def _claims(form: Form, value: object, depth: int) -> Claims:
    if not isinstance(value, dict):
        raise DecodeError(WHAT, "claims are not a map")
    stated = {form.names[name]: each for name, each in value.items() if name in form.names}

    def one(name: str, read: Callable[[object], T]) -> T | None:
        return read(stated[name]) if name in stated else None

    def some(name: str, read: Callable[[object], T]) -> tuple[T, ...]:
        return tuple(map(read, _list(stated[name]))) if name in stated else ()

    def sized(least: int, most: int) -> Callable[[object], bytes]:
        return lambda each: _sized(form.binary(each), least, most)

    return Claims(
        issuer=one("iss", _text),
        subject=one("sub", _text),
        audiences=one("aud", _audiences) or (),
        expires=one("exp", _integer),
        not_before=one("nbf", _integer),
        issued=one("iat", _integer),
        token_id=one("jti", lambda each: _text(each) if form is JSON else form.binary(each)),
        nonces=one("eat_nonce", lambda each: _nonces(form, each)) or (),
        # req: rfc9711/4.2.1 ueid-up-to-33-bytes
        ueid=one("ueid", sized(7, 33)),
        sueids=one("sueids", lambda each: _named(each, sized(7, 33))) or _NONE,
        oemid=one("oemid", lambda each: _oemid(form, each)),
        hwmodel=one("hwmodel", sized(1, 32)),
        hwversion=one("hwversion", _version),
        swname=one("swname", _text),
        swversion=one("swversion", _version),
        oemboot=one("oemboot", _boolean),
        dbgstat=one("dbgstat", lambda each: form.choice(DebugStatus, each)),
        uptime=one("uptime", _unsigned),
        bootcount=one("bootcount", _unsigned),
        bootseed=one("bootseed", form.binary),
        profile=one("eat_profile", form.profile),
        intuse=one("intuse", lambda each: form.choice(IntendedUse, each)),
        manifests=some("manifests", lambda each: _content(form, each)),
        measurements=some("measurements", lambda each: _content(form, each)),
        measres=some("measres", lambda each: _results(form, each)),
        submods=one("submods", lambda each: _named(each, lambda it: _submodule(form, it, depth + 1))) or _NONE,
        # req: rfc9711/4 unknown-claims-are-ignored
        others=MappingProxyType({name: each for name, each in value.items() if name not in form.names}),
    )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise DecodeError(WHAT, "not text")
    return value


def _boolean(value: object) -> bool:
    if not isinstance(value, bool):
        raise DecodeError(WHAT, "not true or false")
    return value


# req: rfc9711/4.3.1 iat-is-no-float
def _integer(value: object) -> int:
    """No float: ``iat`` must not be one (RFC 9711 §4.3.1), and the other times needn't."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise DecodeError(WHAT, "not an integer")
    return value


def _unsigned(value: object) -> int:
    number = _integer(value)
    if number < 0:
        raise DecodeError(WHAT, "a negative number")
    return number


def _sized(data: bytes, least: int, most: int) -> bytes:
    if not least <= len(data) <= most:
        raise DecodeError(WHAT, f"not {least} to {most} bytes")
    return data


def _list(value: object, *sizes: int) -> list[Any]:
    """An array, of one of these sizes, or not empty."""
    if not isinstance(value, list) or not value or (sizes and len(value) not in sizes):
        raise DecodeError(WHAT, "not an array of its size")
    return value


def _named(value: object, read: Callable[[object], T]) -> Mapping[str, T]:
    if not isinstance(value, dict) or not value or not all(isinstance(name, str) for name in value):
        raise DecodeError(WHAT, "not a map from names")
    return MappingProxyType({name: read(each) for name, each in value.items()})


def _audiences(value: object) -> tuple[str, ...]:
    return tuple(map(_text, _list(value))) if isinstance(value, list) else (_text(value),)


def _nonces(form: Form, value: object) -> tuple[bytes | str, ...]:
    if not isinstance(value, list):
        return (form.nonce(value),)
    if len(value) < 2:
        raise DecodeError(WHAT, "an array of fewer than two nonces")
    return tuple(map(form.nonce, value))


# req: rfc9711/4.2.3 oemid-in-three-forms
def _oemid(form: Form, value: object) -> int | bytes:
    if isinstance(value, int):
        return _unsigned(value)
    # The RFC's CDDL has 24 characters for 16 bytes, and forbids the padding that would make them: 22 it is.
    oemid = form.binary(value)
    if len(oemid) not in (3, 16):
        raise DecodeError(WHAT, "an OEM's identifier is not 3 or 16 bytes")
    return oemid


def _version(value: object) -> Version:
    version, *scheme = _list(value, 1, 2)
    if any(isinstance(each, bool) or not isinstance(each, int | str) for each in scheme):
        raise DecodeError(WHAT, "not a version scheme")
    return Version(_text(version), scheme[0] if scheme else None)


def _content(form: Form, value: object) -> Content:
    content_format, body = _list(value, 2)
    if _unsigned(content_format) > _MAX_CONTENT_FORMAT:
        raise DecodeError(WHAT, "not a content format")
    return Content(content_format, _text(body) if form is JSON else form.binary(body))


def _results(form: Form, value: object) -> Results:
    system, results = _list(value, 2)
    return Results(_text(system), tuple(_result(form, *_list(each, 2)) for each in _list(results)))


def _result(form: Form, name: object, result: object) -> tuple[str | bytes, Result]:
    return name if isinstance(name, str) else form.binary(name), form.choice(Result, result)


# req: rfc9711/4.2.18 kind-of-a-submodule
def _submodule(form: Form, value: object, depth: int) -> Submodule:
    """A claims set is a map in both forms. For the rest CBOR has types, and JSON has names (RFC 9711 §4.2.18)."""
    if isinstance(value, dict):
        if depth > MAX_DEPTH:
            raise DecodeError(WHAT, f"over {MAX_DEPTH} submodules in one another")
        return _claims(form, value, depth)
    if form is JSON:
        name, content = _list(value, 2)
        return _digest(JSON, content) if name == "DIGEST" else _selected(name, content)
    return _digest(form, value) if isinstance(value, list) else _nested(value)


def _nested(value: object) -> NestedToken | Bundle:
    """What CBOR has for a nested token: CBOR with a tag in bytes, JSON with a name in text."""
    if isinstance(value, str):
        return _selected(*_list(JSON.parse(value.encode()), 2))
    token = CBOR.binary(value)
    return decode_bundle(token) if token.startswith(_BUNDLE_TAG) else NestedToken(token)


def _selected(name: object, content: object) -> NestedToken | Bundle:
    """What JSON has for one: a name, and what it is the name of."""
    if name == "CBOR":
        return _nested(JSON.binary(content))
    return _bundle(JSON, content) if name == "BUNDLE" else NestedToken(_named_token(name, content))


def _named_token(name: object, content: object) -> bytes:
    if name == "JWT":
        return utf8(_text(content))
    if name == "CBOR":
        return JSON.binary(content)
    raise UnsupportedError(f"{WHAT}: a submodule of an unknown kind")


def _digest(form: Form, value: object) -> DetachedDigest:
    algorithm, digest = _list(value, 2)
    if isinstance(algorithm, bool) or not isinstance(algorithm, int | str) or algorithm not in _DIGESTS:
        raise UnsupportedError(f"{WHAT}: a digest other than SHA-256, SHA-384 and SHA-512")
    name, size = _DIGESTS[algorithm]
    return DetachedDigest(name, _sized(form.binary(digest), size, size))


def _bundle(form: Form, value: object) -> Bundle:
    """No bundle in a bundle (RFC 9711 §5), so that nothing here goes deeper than one."""
    main, detached = _list(value, 2)
    if isinstance(main, str):
        main = JSON.parse(main.encode())
    token = _named_token(*_list(main, 2)) if isinstance(main, list) else CBOR.binary(main)
    # req: rfc9711/5 no-bundle-in-a-bundle
    if token.startswith(_BUNDLE_TAG):
        raise DecodeError(WHAT, "a bundle's token is itself a bundle")
    return Bundle(token, _named(detached, form.binary), form)
