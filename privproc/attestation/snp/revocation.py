"""Which of its authorities AMD has revoked: the lists of its key distribution service (AMD 57230, KDS interface).

``/vcek/v1/{line}/crl`` and ``/vlek/v1/{line}/crl`` answer with a list that the line's ARK has signed. It can name what
the ARK has issued: the ASK, the ASVK, itself. It says nothing of chips: their certificates come from the ASK, which has
no list, and all have the serial number 0, so an entry with that number is about something else. What ends for a chip's
key is its TCB, by a higher floor; and single chips are refused by :class:`~privproc.attestation.snp.policy.Chips` or
by a list in the ledger (:mod:`privproc.ledger.revocation`).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, fields
from typing import Any

from privproc.attestation.certificate import Certificate
from privproc.attestation.crl import RevocationList
from privproc.attestation.snp.chain import Roots, VerifiedChain
from privproc.attestation.snp.report import Product
from privproc.errors import UntrustedError, UsageError
from privproc.trust import Earned, check_window

__all__ = ["VerifiedRevocations", "verify_revocations"]


@dataclass(frozen=True, slots=True, init=False)
class VerifiedRevocations(Earned):
    """What one ARK has revoked: made by :func:`verify_revocations` only.

    ``digest``: SHA-256 (32 bytes) of the list. Good while ``not_before <= at < not_after``.
    """

    product: Product
    digest: bytes
    not_before: int
    not_after: int
    _root: Certificate = field(repr=False)
    _list: RevocationList = field(repr=False)

    def confirm(self, chain: VerifiedChain, *, at: int) -> VerifiedChain:
        """``chain``, held against this list at the Unix time ``at``, and good for as long as both are.

        Raises :class:`UntrustedError` if an authority in it is revoked or the list is another root's,
        :class:`ExpiredError` if the list isn't good.
        """
        if not isinstance(chain, VerifiedChain):
            raise UsageError("chain is made by the check that earns it")
        check_window("AMD's revocation list", self.not_before, self.not_after, at=at)
        root, _ = chain.authorities
        if root.tbs != self._root.tbs:
            raise UntrustedError("AMD's revocation list: of another root than the chain's")
        for authority in chain.authorities:
            self._list.check(authority)
        known: dict[str, Any] = {each.name: getattr(chain, each.name) for each in fields(chain)}
        return VerifiedChain._earn(
            **known
            | {
                "not_before": max(chain.not_before, self.not_before),
                "not_after": min(chain.not_after, self.not_after),
                "revocations": self.digest,
            }
        )


def verify_revocations(crl: bytes, ark: bytes, *, roots: Roots, at: int) -> VerifiedRevocations:
    """Check a revocation list (DER, up to 262144 bytes) of the root ``ark`` (DER), at the Unix time ``at``.

    Raises :class:`UntrustedError` (root, or another issuer), :class:`SignatureError`, :class:`ExpiredError`,
    :class:`DecodeError` or :class:`UnsupportedError`.
    """
    product = roots.product_of(ark)
    root = Certificate.decode(ark, "ARK certificate")
    found = RevocationList.decode(crl, "AMD's revocation list")
    found.check_issued(root, root.rsa_key())
    for part in (root, found):
        check_window(part.name, part.not_before, part.not_after, at=at)
    return VerifiedRevocations._earn(
        product=product,
        digest=hashlib.sha256(crl).digest(),
        not_before=max(root.not_before, found.not_before),
        not_after=min(root.not_after, found.not_after),
        _root=root,
        _list=found,
    )
