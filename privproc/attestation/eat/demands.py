"""What a verifier demands of claims, besides that they are genuine and fresh."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from privproc.attestation.eat.claims import Claims
from privproc.attestation.eat.values import DebugStatus, Result
from privproc.attestation.expectation import stage
from privproc.errors import PolicyError, UsageError

__all__ = ["ANYTHING", "Anything", "Demands"]


@dataclass(frozen=True, slots=True)
class Anything:
    """Says that nothing is demanded of something: see :data:`ANYTHING`."""


ANYTHING: Final = Anything()
"""Nothing is demanded, in so many letters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Demands:
    """What the claims of one entity must say. A claim that a demand is about, and that isn't there, is refused.

    ``ueids``: which entities it may be. ``hardware``: pairs of ``oemid`` and ``hwmodel`` (or :data:`ANYTHING`) that it
    may be. ``debug``: the least that must be shut off. ``oemboot``: whether the manufacturer's software alone must have
    booted. ``measured``: measurement systems whose results must be there; then every result must be a success, those of
    other systems too. ``submods``: submodules that must be there as claims, and what is demanded of them, since none
    inherits anything.

    Raises :class:`UsageError` for demands that are empty, and for ones whose meaning is the manufacturer's
    (``oemboot``, and debugging shut off for all but it) while any will do.
    """

    ueids: frozenset[bytes] | Anything
    hardware: frozenset[tuple[int | bytes, bytes | Anything]] | Anything
    debug: DebugStatus | Anything
    oemboot: bool
    measured: frozenset[str] | Anything
    submods: Mapping[str, Demands]

    def __post_init__(self) -> None:
        sets = (self.ueids, self.hardware, self.measured)
        if not all(each == ANYTHING or (isinstance(each, frozenset) and each) for each in sets):
            raise UsageError("a demand is a frozenset that isn't empty, or ANYTHING")
        if self.debug != ANYTHING and (not isinstance(self.debug, DebugStatus) or not self.debug):
            raise UsageError("what is demanded of debugging is more than that it is enabled, or ANYTHING")
        if all(each == ANYTHING for each in (*sets, self.debug)) and not self.oemboot and not self.submods:
            raise UsageError("nothing is demanded")
        if self.hardware == ANYTHING and (self.oemboot or self.debug == DebugStatus.DISABLED_PERMANENTLY):
            raise UsageError("what is in the manufacturer's hands needs a manufacturer")
        object.__setattr__(self, "submods", MappingProxyType(dict(self.submods)))

    def check(self, claims: Claims) -> None:
        """Raise :class:`PolicyError` unless ``claims`` meet all this; its ``check`` is the claim's name."""
        with stage("ueid"):
            if isinstance(self.ueids, frozenset) and claims.ueid not in self.ueids:
                raise PolicyError("EAT: another entity than one of those demanded")
        with stage("hardware"):
            if isinstance(self.hardware, frozenset) and not self._is_known(claims):
                raise PolicyError("EAT: other hardware than that demanded")
        with stage("dbgstat"):
            if isinstance(self.debug, DebugStatus) and (claims.dbgstat or 0) < self.debug:
                raise PolicyError("EAT: debugging isn't shut off as far as is demanded")
        with stage("oemboot"):
            if self.oemboot and not claims.oemboot:
                raise PolicyError("EAT: not booted with the manufacturer's software alone")
        with stage("measres"):
            self._check_results(claims)
        for name, demands in self.submods.items():
            with stage("submods"):
                # req: rfc9711/4.2.9 nothing-is-inherited
                submodule = claims.submods.get(name)
                if not isinstance(submodule, Claims):
                    raise PolicyError("EAT: a submodule that is demanded isn't there as claims")
            demands.check(submodule)

    def _is_known(self, claims: Claims) -> bool:
        known = self.hardware if isinstance(self.hardware, frozenset) else frozenset()
        oemid, hwmodel = claims.oemid, claims.hwmodel
        if oemid is None:
            return False
        return (oemid, ANYTHING) in known or (hwmodel is not None and (oemid, hwmodel) in known)

    def _check_results(self, claims: Claims) -> None:
        if not isinstance(self.measured, frozenset):
            return
        if not self.measured <= {each.system for each in claims.measres}:
            raise PolicyError("EAT: results of a measurement system are missing")
        if any(result is not Result.SUCCESS for each in claims.measres for _, result in each.results):
            raise PolicyError("EAT: a measurement wasn't a success")
