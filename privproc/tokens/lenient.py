"""Challenges of origins that are not quite as RFC 9577 §2.1 has them: the lenient twin of :func:`decode_offers`.

For clients that must get along with origins they don't run. privproc/1 has no use for it.
"""

from __future__ import annotations

from privproc import httpauth
from privproc.errors import PeerError
from privproc.tokens.challenge import OfferedChallenge

__all__ = ["decode_offers_leniently"]


def decode_offers_leniently(value: bytes, *, origin: str) -> tuple[OfferedChallenge, ...]:
    """:func:`decode_offers`, over :func:`privproc.httpauth.decode_challenges_leniently`, and without minding whether
    ``challenge`` and ``token-key`` carry the padding of base64url, which they must.

    All else is as strict: one alphabet, no stray bits, the exact structure. Raises what the parser of the field does.
    """
    offers = []
    for auth in httpauth.decode_challenges_leniently(value):
        try:
            offer = OfferedChallenge.decode(httpauth.Auth(auth.scheme, tuple(map(_padded, auth.params))))
        except PeerError:
            continue
        if offer.challenge.names(origin):
            offers.append(offer)
    return tuple(offers)


def _padded(parameter: tuple[str, str]) -> tuple[str, str]:
    name, text = parameter
    if name not in ("challenge", "token-key") or "=" in text:
        return parameter
    return name, text + "=" * (-len(text) % 4)
