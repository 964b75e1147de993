"""JSON from a peer, read in the one way that every reader agrees on (RFC 8259, RFC 7493 §2)."""

from __future__ import annotations

import json
from typing import NoReturn

from privproc.errors import DecodeError

__all__ = ["decode", "decode_object"]


def decode(data: bytes, what: str) -> object:
    """The JSON value in ``data``, UTF-8; ``what`` names it in errors. The caller bounds the size.

    Raises :class:`DecodeError` for what isn't JSON, a member that occurs twice at any depth (which one counts must not
    be any parser's choice), NaN and Infinity, and nesting or integers beyond what Python reads.
    """
    try:
        value: object = _DECODER.decode(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        why = "a member occurs twice" if isinstance(error, _RepeatedError) else "not JSON"
        raise DecodeError(what, why) from None
    return value


def decode_object(data: bytes, what: str) -> dict[str, object]:
    """:func:`decode` for what must be an object; anything else is a :class:`DecodeError`."""
    value = decode(data, what)
    if not isinstance(value, dict):
        raise DecodeError(what, "not an object")
    return value


class _RepeatedError(ValueError):
    pass


def _distinct(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _RepeatedError
    return found


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


_DECODER = json.JSONDecoder(object_pairs_hook=_distinct, parse_constant=_refuse)  # json.loads would make one each time
