"""Privacy Pass: challenges, requests, responses, tokens, directories, and the fields of HTTP that carry them."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

from privproc import httpauth, tokens
from privproc.cli.inspect import names
from privproc.cli.inspect.walk import Describe, Walk, digest, shown
from privproc.errors import DecodeError, UnsupportedError
from privproc.tokens.kinds import KINDS, kind_of
from privproc.tokens.token import SCHEME

__all__ = [
    "amortized_request",
    "authorization",
    "challenge",
    "check_authorization",
    "check_generic_request",
    "check_response",
    "check_www_authenticate",
    "directory",
    "generic_request",
    "request",
    "response",
    "token",
    "www_authenticate",
]

# "evaluate_msg" and "evaluate_proof", or "blind_sig": the bytes of a TokenResponse by token type (RFC 9578 §5.2, §6.2).
_RESPONSES = {256: (tokens.BLIND_RSA, (256,)), 145: (tokens.VOPRF, (49, 96)), 96: (tokens.VOPRF_RISTRETTO255, (32, 64))}


def _type(walk: Walk) -> int:
    number = walk.uint("token type", 2, names.token_type)
    kind_of(number, walk.what)
    return number


def challenge(walk: Walk) -> None:
    """A TokenChallenge (RFC 9577 §2.1)."""
    data = walk.peek(walk.left)
    _type(walk)
    walk.text("issuer name", walk.uint("issuer name, length", 2))
    walk.vector("redemption context", 1)
    walk.text("origin info", walk.uint("origin info, length", 2))
    walk.note("challenge digest", digest(data))


def request(walk: Walk) -> None:
    """A TokenRequest (RFC 9578 §5.1, §6.1)."""
    number = _type(walk)
    walk.uint("truncated token key id", 1)
    walk.opaque("blinded message", KINDS[number].blinded_size)


def check_response(data: bytes) -> None:
    """Whether the size is that of a TokenResponse: nothing else of it can be told without the request."""
    if len(data) not in _RESPONSES:
        raise DecodeError("TokenResponse", f"none has {len(data)} bytes", len(data))


def response(walk: Walk) -> None:
    """A TokenResponse, by its size (RFC 9578 §5.2, §6.2)."""
    check_response(walk.peek(walk.left))
    number, sizes = _RESPONSES[walk.left]
    walk.note("token type, by the size", f"{number:#06x}  {names.token_type(number)}", number)
    parts = ("blind signature",) if len(sizes) == 1 else ("evaluated message", "proof")
    for name, size in zip(parts, sizes, strict=True):
        walk.hidden(name, size)


def token(walk: Walk) -> None:
    """A Token (RFC 9577 §2.2). Nonce and authenticator are what is spent, so they aren't shown."""
    number = _type(walk)
    walk.hidden("nonce", 32)
    walk.opaque("challenge digest", 32)
    walk.opaque("token key id", 32)
    walk.hidden("authenticator", KINDS[number].authenticator_size)


def amortized_request(walk: Walk) -> None:
    """An AmortizedBatchTokenRequest (draft-ietf-privacypass-batched-tokens-07 §6.1)."""
    number = _type(walk)
    walk.uint("truncated token key id", 1)
    with walk.part("blinded messages", walk.varint("blinded messages, length")) as inner:
        while inner.left:
            inner.opaque("blinded message", KINDS[number].blinded_size)


def check_generic_request(data: bytes) -> None:
    """Whether requests fill the list."""
    walk = Walk(data, "GenericBatchTokenRequest")
    generic_request(walk)
    if walk.left:
        raise walk.fail(f"{walk.left} trailing bytes")


def generic_request(walk: Walk) -> None:
    """A GenericBatchTokenRequest (draft-ietf-privacypass-batched-tokens-07 §5.1)."""
    with walk.part("requests", walk.varint("requests, length")) as inner:
        while inner.left:
            with inner.part("TokenRequest") as one:
                request(one)


def directory(walk: Walk) -> None:
    """An issuer's directory (RFC 9578 §4): each key where it stands in the JSON, with its ids."""
    data = walk.peek(walk.left)
    found = tokens.IssuerDirectory.decode(data)
    listed: list[dict[str, Any]] = json.loads(data)["token-keys"]
    walk.json_string(found.request_uri, "issuer request URI", found.request_uri)
    for entry, key in zip([it for it in listed if it["token-type"] in KINDS], found.token_keys, strict=True):
        walk.json_string(entry["token-key"], "token key", key.encoded.hex(), shown(key.encoded))
        walk.note("  token type", f"{key.token_type:#06x}  {names.token_type(key.token_type)}", key.token_type)
        walk.note("  token key id", key.key_id.hex())
        walk.note("  truncated token key id", str(key.truncated_id), key.truncated_id)
        if key.not_before is not None:
            walk.note("  not before", f"{key.not_before}  {names.time(key.not_before)}", key.not_before)
    walk.text("JSON", walk.left)


_FIELD_NAME = re.compile(rb"\A(?:www-authenticate|authorization):[ \t]*", re.IGNORECASE)


def _value(data: bytes) -> tuple[int, bytes]:
    """Where a field's value starts, and the value without what white space surrounds it."""
    name = _FIELD_NAME.match(data)
    start = name.end() if name else 0
    return start, data[start:].rstrip(b"\r\n \t")


def check_www_authenticate(data: bytes) -> None:
    """Whether this is a WWW-Authenticate field with a challenge of PrivateToken; refuses what only looks like one."""
    found = [auth for auth in httpauth.decode_challenges_leniently(_value(data)[1]) if auth.is_scheme(SCHEME)]
    if not any(auth.get("challenge") for auth in found):
        raise UnsupportedError("authentication field: no challenge of PrivateToken")


def check_authorization(data: bytes) -> None:
    """As :meth:`privproc.tokens.Token.from_authorization`."""
    tokens.Token.from_authorization(_value(data)[1])


_PARAMETER = re.compile(r"""([A-Za-z0-9!#$%&'*+.^_`|~-]+)[ \t]*=[ \t]*("(?:[^"\\]|\\.)*"|[^\s,"]+)|[^,\s]+""")


def _parameters(walk: Walk, each: dict[str, Describe]) -> None:
    """A row for each scheme and parameter; those of ``each`` are base64url of something that has a description."""
    start, value = _value(walk.peek(walk.left))
    if start:
        walk.text("field name", start)
    at = 0
    for found in _PARAMETER.finditer(value.decode("latin-1")):
        if found.start() > at:
            walk.head(found.start() - at)
        name, quoted = found[1], found[2]
        if name is None:
            walk.text("scheme", len(found[0]))
        elif name.lower() in each:
            _encoded(walk, name.lower(), quoted, len(found[0]), each[name.lower()])
        else:
            walk.text(f"parameter {name.lower()}", len(found[0]))
        at = found.end()
    if walk.left:
        walk.head(walk.left)


def _encoded(walk: Walk, name: str, quoted: str, size: int, describe: Describe) -> None:
    text = quoted.strip('"')
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except ValueError:
        walk.text(f"parameter {name}, not base64url", size)
        return
    walk.hidden(f"parameter {name}", size)
    walk.rows[-1].text = f"base64url of {len(data)} bytes:"
    walk.decoded(data, name, describe)


def _key(walk: Walk) -> None:
    data = walk.opaque("token key")
    walk.note("token key id", digest(data))


def www_authenticate(walk: Walk) -> None:
    """The value of a WWW-Authenticate field (RFC 9577 §2.1), the field's name before it or not."""
    _parameters(walk, {"challenge": challenge, "token-key": _key})


def authorization(walk: Walk) -> None:
    """The value of an Authorization field (RFC 9577 §2.2): a token, which isn't shown."""
    _parameters(walk, {"token": token})
