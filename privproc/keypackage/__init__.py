"""Signed key packages: who signed, for what, when, and whether enough independent sources show the same one.

A package carries opaque content (OHTTP key configurations, an issuer directory, policy floors) for one epoch of a fixed
grid. :func:`verify` reads one copy. :func:`agree` is the way to use one: it takes copies from several sources and gives
:class:`~privproc.trust.Trusted` content only when enough of them show the same package and it fits what was seen
before. A signature alone doesn't protect a device that is given a package of its own (findings 1 and 3 of the audit of
Private Processing: per-user keys).

One signer signs an epoch: :class:`Signers` says which. It changes by a package that the present one signs, see
:func:`signers_from`.
"""

from __future__ import annotations

from privproc.keypackage.agreement import Agreed, Seen, agree, signers_from
from privproc.keypackage.package import TYPE, Grid, Package, VerifiedPackage, seal, verify
from privproc.keypackage.signers import SIGNERS, Signer, SignerKey, Signers, Term

__all__ = [
    "SIGNERS",
    "TYPE",
    "Agreed",
    "Grid",
    "Package",
    "Seen",
    "Signer",
    "SignerKey",
    "Signers",
    "Term",
    "VerifiedPackage",
    "agree",
    "seal",
    "signers_from",
    "verify",
]
