"""From the key of one enclave's hypervisor to Amazon: leaf <- instance <- zone <- region <- root (AP §3.2.3, §3.2.4).

The leaf lives about three hours and a zone's authority some days: that takes the place of revocation, which Amazon's
process leaves out.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from itertools import pairwise

from cryptography.hazmat.primitives.asymmetric import ec

from privproc.attestation.certificate import Certificate
from privproc.attestation.roots import Roots
from privproc.errors import DecodeError
from privproc.trust import Earned, check_window

__all__ = ["AWS_ROOTS", "VerifiedChain", "verify_chain"]

AWS_ROOTS = Roots((bytes.fromhex("641a0321a3e244efe456463195d606317ed7cdcc3c1756e09893f3c68f79bb5b"),))
"""AWS Nitro Enclaves Root-G1, of the commercial partitions."""


@dataclass(frozen=True, slots=True, init=False)
class VerifiedChain(Earned):
    """What Amazon vouches for about one key: made by :func:`verify_chain` only.

    ``fingerprint``: SHA-256 (32 bytes) of the leaf. Valid while ``not_before <= at < not_after``: the overlap of all
    certificates. ``leaf_window``: the leaf's own time, within which it signs.
    """

    fingerprint: bytes
    leaf_window: tuple[int, int]
    not_before: int
    not_after: int
    key: ec.EllipticCurvePublicKey = field(repr=False)


def verify_chain(certificate: bytes, cabundle: tuple[bytes, ...], *, roots: Roots, at: int) -> VerifiedChain:
    """Check ``certificate`` up to the root (all DER), which comes first in ``cabundle``, at the Unix time ``at``.

    Raises :class:`UntrustedError` (root, names or profile), :class:`SignatureError`, :class:`ExpiredError`,
    :class:`DecodeError` or :class:`UnsupportedError`.
    """
    if not cabundle:
        raise DecodeError("cabundle", "empty")
    roots.check(cabundle[0])
    chain = [Certificate.decode(data, f"authority {depth}") for depth, data in enumerate(cabundle)]
    chain.append(Certificate.decode(certificate, "document certificate"))
    for found in chain:
        check_window(found.name, found.not_before, found.not_after, at=at)
    leaf = chain[-1]
    leaf.check_end()
    for depth, (authority, issued) in enumerate(pairwise(chain)):
        authority.check_authority(below=len(cabundle) - 1 - depth)
        issued.check_issued(authority, authority.p384_key())
    return VerifiedChain._earn(
        fingerprint=hashlib.sha256(certificate).digest(),
        leaf_window=(leaf.not_before, leaf.not_after),
        not_before=max(found.not_before for found in chain),
        not_after=min(found.not_after for found in chain),
        key=leaf.p384_key(),
    )
