"""Reference values from Concise Reference Integrity Manifests (draft-ietf-rats-corim-11), and evidence beside them.

Read are signed manifests with CoMIDs, and of these the reference values; other tags and triples are reported and add
nothing. A draft: formats may change with its number, :data:`~privproc.attestation.corim.manifest.DRAFT`.
"""

from privproc.attestation.corim.comid import Class, Comid, Element, Entity, Environment, State
from privproc.attestation.corim.corroboration import Corroborated, corroborate
from privproc.attestation.corim.manifest import DRAFT, Manifest, Validity, VerifiedManifest, verify
from privproc.attestation.corim.values import Digests, IntRange, RawValue, Svn, Values, Version, digests

__all__ = [
    "DRAFT",
    "Class",
    "Comid",
    "Corroborated",
    "Digests",
    "Element",
    "Entity",
    "Environment",
    "IntRange",
    "Manifest",
    "RawValue",
    "State",
    "Svn",
    "Validity",
    "Values",
    "VerifiedManifest",
    "Version",
    "corroborate",
    "digests",
    "verify",
]
