"""HTTP authentication: challenges and credentials as values (RFC 9110 §11). No scheme's meaning, only the grammar.

    WWW-Authenticate = #challenge
    challenge        = auth-scheme [ 1*SP ( token68 / #auth-param ) ]       credentials have the same form (§11.4)
    auth-param       = token BWS "=" BWS ( token / quoted-string )
    token68          = 1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="

The comma separates both challenges and their parameters, so what an element is depends on what it looks like: a name
followed by ``=`` and a value belongs to the challenge before it, anything else starts a new one. Parsing is strict
where leniency would let two parsers disagree: a parameter occurs once per challenge (§11.2), an unquoted value is a
token (so no ``=`` in it), a challenge's parameters start beside its scheme. :func:`decode_challenges` is that;
:func:`decode_challenges_leniently` also reads what others are known to send and only one reading has.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from privproc.errors import DecodeError, LimitError, UsageError

__all__ = [
    "MAX_CHALLENGES",
    "MAX_PARAMETERS",
    "MAX_SIZE",
    "Auth",
    "decode_challenges",
    "decode_challenges_leniently",
    "encode_challenges",
]

MAX_SIZE = 16384
"""Bytes of a field value; two Privacy Pass challenges with their keys take about 1400."""

MAX_CHALLENGES = 32
"""Challenges in one field value."""

MAX_PARAMETERS = 32
"""Parameters of one challenge."""

TCHAR = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]"
TOKEN = re.compile(rf"{TCHAR}++")
QUOTED = r'"((?:[\t \x21\x23-\x5b\x5d-\x7e\x80-\xff]++|\\[\t \x21-\x7e\x80-\xff])*+)"'
TOKEN68 = re.compile(r"[A-Za-z0-9\-._~+/]++=*+")
COMMAS = re.compile(r"[ \t]*+(?:,[ \t]*+)*+")
END = re.compile(r"[ \t]*+(?=,|\Z)")
ESCAPED = re.compile(r"\\(.)", re.DOTALL)
VALUE = re.compile(r"[\t \x21-\x7e\x80-\xff]*+")


class _Grammar(NamedTuple):
    """White space behind a scheme, what may come before its first parameter, and a parameter."""

    spaces: re.Pattern[str]
    before: re.Pattern[str]
    parameter: re.Pattern[str]


# Possessive quantifiers: no input makes these patterns backtrack.
ASSIGNED = rf"({TCHAR}++)[ \t]*+=[ \t]*+"
STRICT = _Grammar(
    re.compile(r" *+"),
    re.compile(""),
    re.compile(rf"{ASSIGNED}(?:({TCHAR}++)|{QUOTED})"),
)
LENIENT = _Grammar(
    re.compile(r"[ \t]*+"),
    COMMAS,
    re.compile(rf"{ASSIGNED}(?:([/!#$%&'*+\-.^_`|~0-9A-Za-z]++=*+)|{QUOTED})"),
)


@dataclass(frozen=True, slots=True)
class Auth:
    """One challenge or one credential: scheme, and parameters or a token68.

    ``scheme`` as received, compared without case by :meth:`is_scheme`; ``params`` names in lower case, values without
    quotes and escapes (Latin-1 text). Values don't show in ``repr``: credentials are bearer secrets.
    """

    scheme: str
    params: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    token68: str | None = field(default=None, repr=False)

    def is_scheme(self, name: str) -> bool:
        """Whether the scheme is ``name``, without regard to case (RFC 9110 §11.1)."""
        return self.scheme.lower() == name.lower()

    def get(self, name: str) -> str | None:
        """The value of parameter ``name`` (lower case), ``None`` when absent."""
        return next((value for key, value in self.params if key == name), None)

    def encode(self) -> bytes:
        """The value of an Authorization field, or one element of WWW-Authenticate. Values are always quoted.

        Raises :class:`UsageError` for what the grammar can't carry: control characters, a bad or repeated name.
        """
        if not TOKEN.fullmatch(self.scheme):
            raise UsageError("an authentication scheme is a token")
        if self.token68 is not None:
            if self.params or not TOKEN68.fullmatch(self.token68):
                raise UsageError("a token68 has its own alphabet, and stands alone")
            return f"{self.scheme} {self.token68}".encode("latin-1")
        names = [name for name, _ in self.params]
        if len(set(names)) != len(names) or not all(TOKEN.fullmatch(name) and name == name.lower() for name in names):
            raise UsageError("parameter names are distinct tokens in lower case")
        listed = ", ".join(f"{name}={_quote(value)}" for name, value in self.params)
        return f"{self.scheme} {listed}".rstrip().encode("latin-1")

    @classmethod
    def decode(cls, value: bytes) -> Auth:
        """Credentials: the value of an Authorization field. Raises :class:`DecodeError`, :class:`LimitError`."""
        found = decode_challenges(value)
        if len(found) != 1:
            raise DecodeError("credentials", f"{len(found)} of them, not one")
        return found[0]


def _quote(value: str) -> str:
    if not VALUE.fullmatch(value):
        raise UsageError("a parameter's value has no control characters but the tab, and none beyond Latin-1")
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def encode_challenges(challenges: Iterable[Auth]) -> bytes:
    """The value of a WWW-Authenticate field. Raises :class:`UsageError` as :meth:`Auth.encode` does."""
    return b", ".join(challenge.encode() for challenge in challenges)


def decode_challenges(value: bytes) -> tuple[Auth, ...]:
    """The challenges in the value of a WWW-Authenticate field, in their order; empty list elements are skipped.

    Several field lines are joined with a comma by the caller (RFC 9110 §5.3). Raises :class:`DecodeError` for what the
    grammar doesn't allow and for repeated parameters, :class:`LimitError` beyond the limits of this module.
    """
    return _decode(value, STRICT)


def decode_challenges_leniently(value: bytes) -> tuple[Auth, ...]:
    """:func:`decode_challenges` for what peers send beside the grammar, where it has one reading only.

    - Unquoted values with ``/`` and with ``=`` at their end, that is, base64 without quotes (RFC 9577 §2.1 leaves it
      to origins to see that padding needs them).
    - A tab for the space behind the scheme.
    - Empty elements before a challenge's first parameter, ``A , b=c``: recipients must skip empty elements
      (RFC 9110 §5.6.1.2), which the grammar of challenges forgets.

    Whatever :func:`decode_challenges` reads is read alike here. Still refused: repeated parameters, values without a
    name, missing commas and quotes, anything that two parsers could take apart differently. For clients; what grants
    access (:meth:`Auth.decode`) is always strict.
    """
    return _decode(value, LENIENT)


def _decode(value: bytes, grammar: _Grammar) -> tuple[Auth, ...]:
    if len(value) > MAX_SIZE:
        raise LimitError(f"authentication field: {len(value)} is over the limit of {MAX_SIZE}")
    text = value.decode("latin-1")
    found: list[Auth] = []
    at = _skip(COMMAS, text, 0)
    while at < len(text):
        auth, at = _challenge(grammar, text, at)
        found.append(auth)
        if len(found) > MAX_CHALLENGES:
            raise LimitError(f"authentication field: more than {MAX_CHALLENGES} challenges")
    return tuple(found)


def _skip(pattern: re.Pattern[str], text: str, at: int) -> int:
    matched = pattern.match(text, at)
    return at if matched is None else matched.end()


def _challenge(grammar: _Grammar, text: str, at: int) -> tuple[Auth, int]:
    """A challenge with all its parameters, and where the next one starts."""
    scheme = TOKEN.match(text, at)
    if scheme is None:
        raise DecodeError("authentication field", "an authentication scheme is wanted", at)
    start = _skip(grammar.spaces, text, scheme.end())
    spaced = start > scheme.end()
    if spaced and (parameter := grammar.parameter.match(text, _skip(grammar.before, text, start))):
        return _parameters(grammar, text, scheme[0], parameter)
    if END.match(text, start):
        return Auth(scheme[0]), _next(text, start)
    if spaced and (token := TOKEN68.match(text, start)) and END.match(text, token.end()):
        return Auth(scheme[0], token68=token[0]), _next(text, token.end())
    raise DecodeError("authentication field", "neither parameters nor a token68 after the scheme", start)


def _parameters(grammar: _Grammar, text: str, scheme: str, parameter: re.Match[str]) -> tuple[Auth, int]:
    """A challenge whose first parameter this is, and where the next one starts."""
    found: dict[str, str] = {}
    while True:
        name, token, quoted = parameter.groups()
        if name.lower() in found:
            raise DecodeError("authentication field", "a parameter occurs twice", parameter.start())
        found[name.lower()] = ESCAPED.sub(r"\1", quoted) if token is None else token
        if len(found) > MAX_PARAMETERS:
            raise LimitError(f"authentication field: more than {MAX_PARAMETERS} parameters")
        at = _next(text, parameter.end())
        following = grammar.parameter.match(text, at)
        if following is None:
            return Auth(scheme, tuple(found.items())), at
        parameter = following


def _next(text: str, at: int) -> int:
    """Past the comma or commas after an element that ends at ``at``."""
    if not END.match(text, at):
        raise DecodeError("authentication field", "a comma or the end is wanted", at)
    return _skip(COMMAS, text, at)
