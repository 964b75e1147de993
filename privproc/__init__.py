"""privproc: ask a cloud model without anybody learning who asked or what.

Protocol only: no sockets, no clock, no store. Each module is one layer, usable alone; :mod:`privproc.session` is the
only place where they meet. Start with ``docs/protocol.md``.
"""

__version__ = "0.1.0"
