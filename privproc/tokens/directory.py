"""The issuer's directory (RFC 9578 §4): its request URL and its token keys, as JSON."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from privproc import base64url, strictjson
from privproc.errors import DecodeError, ExpiredError, UsageError
from privproc.tokens.kinds import BLIND_RSA, KINDS
from privproc.tokens.token import TokenKey
from privproc.wire import bounded

__all__ = ["DIRECTORY_PATH", "DIRECTORY_TYPE", "MAX_KEYS", "MAX_SIZE", "IssuerDirectory"]

# req: rfc9578/4 well-known-directory
DIRECTORY_PATH = "/.well-known/private-token-issuer-directory"
"""Where an issuer serves it (RFC 9578 §8.1)."""

DIRECTORY_TYPE = b"application/private-token-issuer-directory"
"""Its media type (RFC 9578 §8.3.1)."""

MAX_SIZE = 262144
"""Bytes of an encoded directory."""

MAX_KEYS = 256
"""Token keys of all types: more could not have distinct truncated ids."""

WHAT = "issuer directory"
# A URI reference in printable ASCII (RFC 3986); what it leads to is for the caller to judge.
URI = re.compile(r"[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]{1,2048}+")


@dataclass(frozen=True, slots=True)
class IssuerDirectory:
    """An issuer's directory. ``request_uri``: where TokenRequests go, absolute or relative to the directory's own URL;
    ``token_keys``: those of the types that are known here, most preferred first.

    Worth something only as ``Trusted[IssuerDirectory]``: fetched on its own, it can differ for each client.
    """

    request_uri: str
    token_keys: tuple[TokenKey, ...]

    def __post_init__(self) -> None:
        if not URI.fullmatch(self.request_uri):
            raise UsageError("issuer directory: the request URL is not a URI")
        if len({key.key_id for key in self.token_keys}) != len(self.token_keys) or len(self.token_keys) > MAX_KEYS:
            raise UsageError(f"issuer directory: at most {MAX_KEYS} token keys, each once")

    def key(self, *, at: int, token_type: int = BLIND_RSA) -> TokenKey:
        """The key to ask for tokens of a type with: the first whose ``not_before`` isn't in the future (RFC 9578 §4).

        Raises :class:`ExpiredError` when there is none.
        """
        # req: rfc9578/4 first-key-in-use
        for key in self.token_keys:
            # req: rfc9578/4 not-before
            if key.token_type == token_type and (key.not_before is None or key.not_before <= at):
                return key
        raise ExpiredError(f"issuer directory: no key of token type 0x{token_type:04x} is in use")

    @classmethod
    def decode(cls, data: bytes) -> IssuerDirectory:
        """The directory in ``data`` (UTF-8 JSON). Unknown members and keys of unknown types are passed over.

        ::

            { "issuer-request-uri": string,
              "token-keys": [ { "token-type": integer, "token-key": base64url, "not-before": integer, optional } ] }

        Raises :class:`LimitError` over ``MAX_SIZE`` bytes or ``MAX_KEYS`` keys, :class:`DecodeError` for what isn't
        JSON, repeated members and keys, malformed keys and fields of the wrong type, :class:`UnsupportedError` for a
        key of type 0x0002 that isn't as RFC 9578 §6.5 demands.
        """
        bounded(WHAT, len(data), MAX_SIZE)
        body = strictjson.decode_object(data, WHAT)
        # req: rfc9578/4 directory-layout
        uri, keys = body.get("issuer-request-uri"), body.get("token-keys")
        if not isinstance(uri, str) or not URI.fullmatch(uri):
            raise DecodeError(WHAT, "issuer-request-uri is not a URI")
        if not isinstance(keys, list):
            raise DecodeError(WHAT, "token-keys is not a list")
        bounded(f"{WHAT}: token-keys", len(keys), MAX_KEYS)
        found = tuple(key for key in map(_token_key, keys) if key is not None)
        if len({key.key_id for key in found}) != len(found):
            raise DecodeError(WHAT, "a token key occurs twice")
        return cls(uri, found)

    def encode(self) -> bytes:
        """UTF-8 JSON without white space."""
        keys: list[dict[str, object]] = []
        for key in self.token_keys:
            entry: dict[str, object] = {"token-type": key.token_type, "token-key": base64url.encode_padded(key.encoded)}
            keys.append(entry if key.not_before is None else entry | {"not-before": key.not_before})
        body = {"issuer-request-uri": self.request_uri, "token-keys": keys}
        return json.dumps(body, separators=(",", ":")).encode()


def _token_key(entry: object) -> TokenKey | None:
    fields = _object(entry, "a token key is not an object")
    token_type = _integer(fields.get("token-type"), "token-type", 0xFFFF)
    text = fields.get("token-key")
    if not isinstance(text, str):
        raise DecodeError(WHAT, "token-key is not a string")
    if token_type not in KINDS:
        return None
    not_before = None
    # req: rfc9578/4 unknown-members-are-ignored
    if "not-before" in fields:
        not_before = _integer(fields["not-before"], "not-before", 2**53)
    return TokenKey(token_type, base64url.decode_padded(text, "token-key"), not_before)


def _integer(value: object, name: str, most: int) -> int:
    # By type, since True is an int too; 2**53 is what every JSON implementation holds exactly (RFC 8259 §6).
    if type(value) is not int or not 0 <= value <= most:
        raise DecodeError(WHAT, f"{name} is not an integer in range")
    return value


def _object(value: object, why: str) -> dict[str, object]:
    if not isinstance(value, dict):
        raise DecodeError(WHAT, why)
    return value
