"""The device's side of privproc/1 once more, from docs/protocol.md alone and with nothing of privproc.

Written for readers: straight on, with one exception for all errors, and without erasure (§11) or states that enforce
themselves (§9): whoever calls sends a token once and asks once. ``pipe``, the renewal in ``session``, ``nvidia`` and
the back ends came later, of this page too, but by somebody who knew the library. Left out: streamed answers to a
``continue`` (§5.4), lists of signers and of revocations (§7.8, §7.9), logs and witnesses with ML-DSA, groups of
witnesses (§7.5).
"""
