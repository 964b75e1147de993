"""What NVIDIA has revoked, by OCSP's answers that the caller fetched: of a device's chain, and of a manifest's.

Each answer is about one certificate (:func:`~privproc.attestation.ocsp.verify_status`); here those of a whole chain are
held against what was verified. A device's leaf is not among them: its boot ROM certifies that, and NVIDIA has no say.
Nor is a root.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from itertools import pairwise
from typing import TypeVar

from privproc.attestation.nvidia.appraisal import BootDevices, FreshDevices
from privproc.attestation.nvidia.rim import Rim
from privproc.attestation.ocsp import NotRevoked
from privproc.errors import UntrustedError, UsageError
from privproc.trust import Trusted, _trusted, check_window

__all__ = ["confirm_devices", "confirm_rim"]

Found = TypeVar("Found", FreshDevices, BootDevices)


def confirm_devices(found: Found, statuses: Iterable[NotRevoked], *, at: int) -> Found:
    """``found``, held against answers about boot ROM, provisioner and family of each device; good as long as both are.

    Raises :class:`UntrustedError` where an answer is missing, and :class:`ExpiredError` for one that isn't good at
    ``at`` (Unix seconds).
    """
    if not isinstance(found, (FreshDevices, BootDevices)):
        raise UsageError("devices are found by an appraisal")
    chains = [device.authorities for device in found.devices]
    not_before, not_after = _window(chains, statuses, at)
    return type(found)._earn(
        **{each.name: getattr(found, each.name) for each in fields(found)}
        | {
            "checks": (*found.checks, "ocsp"),
            "not_before": max(found.not_before, not_before),
            "not_after": min(found.not_after, not_after),
        }
    )


def confirm_rim(rim: Trusted[Rim], statuses: Iterable[NotRevoked], *, at: int) -> Trusted[Rim]:
    """``rim``, held against answers about its signer and the two above; trusted as long as both are.

    Raises as :func:`confirm_devices`.
    """
    value = rim.get(at=at)
    not_before, not_after = _window([value.certificates], statuses, at)
    return _trusted(value, rim.digest, max(rim.not_before, not_before), min(rim.not_after, not_after))


def _window(chains: Iterable[tuple[bytes, ...]], statuses: Iterable[NotRevoked], at: int) -> tuple[int, int]:
    """When the answers about all of these chains, but for their roots, are good together."""
    known = {}
    for each in statuses:
        if not isinstance(each, NotRevoked):
            raise UsageError("statuses are made by the check that earns them")
        known[each.certificate, each.issuer] = each
    needed = {pair for chain in chains for pair in pairwise(chain)}
    if needed - known.keys():
        raise UntrustedError("OCSP: no answer about a certificate of the chain")
    for pair in needed:
        check_window("OCSP response", known[pair].not_before, known[pair].not_after, at=at)
    return max(known[pair].not_before for pair in needed), min(known[pair].not_after for pair in needed)
