"""One module per kind of vector file, named as the kind is, with ``run(case)``.

A runner reads every field of its case, and fails with :class:`AssertionError` or whatever the library raises. It may
use the library's private twins: what others publish fixes the randomness.
"""
