"""Test vectors in the schema of vectors/README.md: reading files, and running them through the library.

``privproc vectors FILE`` is this for people, the test suite another caller. Not for programs: what runs a case works
with ``assert`` and with the library's private twins.
"""

from privproc.vectors.case import Case, raises
from privproc.vectors.file import HEAD, KINDS, SCHEMA, TEST_KINDS, digest, load, run

__all__ = ["HEAD", "KINDS", "SCHEMA", "TEST_KINDS", "Case", "digest", "load", "raises", "run"]
