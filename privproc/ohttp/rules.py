"""What a gateway demands of a request that it has opened, before it acts on it (RFC 9458 §5.1, §6.3, §6.5.1)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from privproc.bhttp import RequestHead
from privproc.errors import DecodeError, PolicyError, UsageError
from privproc.http import Fields, Request, single
from privproc.ohttp.replay import check_date

__all__ = ["Rules", "Targets", "check_expectation"]

_DEFAULT_PORT = {"http": ":80", "https": ":443"}


@dataclass(frozen=True, slots=True)
class Targets:
    """The origins that a gateway sends requests to: pairs of scheme and authority, nothing by default (§6.3).

    Both are compared exactly, but for case and the scheme's own port (RFC 3986 §6.2.2.1, §6.2.3). List ``http`` only
    where gateway and target are the same server.
    """

    origins: frozenset[tuple[str, str]] = frozenset()

    def __init__(self, origins: Iterable[tuple[str, str]] = ()) -> None:
        pairs = frozenset(_normal(scheme, authority) for scheme, authority in origins)
        if any(not scheme or not authority for scheme, authority in pairs):
            raise UsageError("an origin has a scheme and an authority")
        object.__setattr__(self, "origins", pairs)

    def check(self, request: Request | RequestHead) -> None:
        """Raise :class:`PolicyError` unless the request is for one of the origins.

        What names no scheme or no authority never is: so neither a CONNECT, nor a request with a Host field alone.
        """
        if _normal(request.scheme, request.authority) not in self.origins:
            # req: rfc9458/6.3 targets-are-allowed
            raise PolicyError("the gateway sends no requests to this target")


# req: rfc9458/6.3 plain-http-is-listed-by-itself
def _normal(scheme: str, authority: str) -> tuple[str, str]:
    scheme = scheme.lower()
    return scheme, authority.lower().removesuffix(_DEFAULT_PORT.get(scheme, ":"))


@dataclass(frozen=True, slots=True)
class Rules:
    """``targets``, and the seconds by which a request's Date may be off; ``None``: no Date is looked at."""

    targets: Targets
    date_tolerance: int | None

    def check(self, request: Request | RequestHead, *, at: int, until: int) -> int:
        """Check target and Date, and return the time from which the request is no longer acceptable, for
        :meth:`ReplayWindow.admit`: ``until``, the responder's, or the end of the Date window, if that is sooner.

        Raises :class:`PolicyError`, and what :func:`check_date` raises; :class:`DecodeError` for two Date fields.
        """
        self.targets.check(request)
        if self.date_tolerance is None:
            return until
        return min(until, check_date(single(request.fields, b"date"), at=at, tolerance=self.date_tolerance))


def check_expectation(fields: Fields) -> None:
    """Raise :class:`DecodeError` for a request that expects ``100-continue``: nothing can come before the response
    (RFC 9458 §5.1). No other expectation is defined (RFC 9110 §10.1.1), so any Expect field is refused.

    For single-shot requests. A chunked one may expect it, at the price of showing the round trip to the client.
    """
    if any(name == b"expect" for name, _ in fields):
        # req: rfc9458/5.1 gateway-refuses-continue
        raise DecodeError("OHTTP request", "has an expectation")
