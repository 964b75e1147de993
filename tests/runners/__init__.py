"""Runners of kinds of vector files that need the tests' world; the others come with the package."""
