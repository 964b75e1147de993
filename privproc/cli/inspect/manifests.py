"""NVIDIA's manifests of reference values."""

from __future__ import annotations

import binascii
import re

from privproc.attestation.nvidia import Rim
from privproc.cli.inspect.certificates import certificate
from privproc.cli.inspect.walk import Walk

__all__ = ["rim"]

_CERTIFICATE = re.compile(rb"<[\w.:-]*X509Certificate>([^<]+)<")


def rim(walk: Walk) -> None:
    """A SWID tag with its signature, which isn't verified: what it says, and who signed it."""
    found = Rim.decode(walk.peek(walk.left))
    walk.note("product", found.product)
    walk.note("version", found.version)
    for index, values in found.values.items():
        text = [each.hex() for each in values]
        walk.note(f"measurement {index}", " or ".join(text), [*text])
    while (match := _CERTIFICATE.search(walk.peek(walk.left))) is not None:
        walk.text("XML", match.start(1))
        walk.text("certificate", len(match[1]))
        walk.rows[-1].text = "of the signer, or above"
        walk.decoded(binascii.a2b_base64(match[1]), "certificate", certificate)
    walk.text("XML", walk.left)
