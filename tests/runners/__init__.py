"""Runners of kinds of vector files that need more than the package; the others are in ``privproc.vectors.kinds``."""
