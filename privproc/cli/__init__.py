"""The offline command line, ``privproc`` and ``python -m privproc``; docs/cli.md says what it does.

It alone of the package touches files, standard streams and the clock, and nothing of the package imports it.
"""

__all__: tuple[str, ...] = ()
