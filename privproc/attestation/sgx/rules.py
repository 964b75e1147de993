"""Rules for the flags among an enclave's attributes.

Three things can't be asked for: an enclave that isn't initialised, one that may be debugged, and one that may have the
key for launch tokens.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from privproc.attestation.rules import Rule, Rules

__all__ = ["STRICT_ENCLAVE", "EnclaveRules"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EnclaveRules(Rules):
    """Rules for ATTRIBUTES of an enclave, but for XFRM (Intel SDM volume 3D, "ATTRIBUTES").

    ``mode64bit``: a 64-bit enclave; ``provision_key``: it may have the key that names the platform to Intel; ``cet``:
    control-flow enforcement; ``kss``: key separation and sharing; ``aex_notify``: it learns of exits, against
    single-stepping. All other bits are refused.
    """

    mode64bit: Rule
    provision_key: Rule
    cet: Rule
    kss: Rule
    aex_notify: Rule

    _what: ClassVar[str] = "enclave's attributes"
    _places: ClassVar[dict[str, int]] = {"mode64bit": 2, "provision_key": 4, "cet": 6, "kss": 7, "aex_notify": 10}
    _fixed: ClassVar[dict[str, tuple[int, Rule]]] = {
        "INIT": (0, Rule.SET),
        "debug": (1, Rule.CLEAR),
        "einittoken_key": (5, Rule.CLEAR),
    }
    _low: ClassVar[int] = 0


STRICT_ENCLAVE = EnclaveRules(
    mode64bit=Rule.SET, provision_key=Rule.CLEAR, cet=Rule.EITHER, kss=Rule.EITHER, aex_notify=Rule.EITHER
)
"""CET and AEX-Notify only protect; key separation only makes more keys."""
