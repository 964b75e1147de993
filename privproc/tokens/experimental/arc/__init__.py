"""ARC, anonymous rate-limited credentials over P-256 (draft-ietf-privacypass-arc-crypto-01): one issuance, then up to a
limit of presentations in each context that nobody can link.

::

    key = ServerKey.generate(Framing.SIGMA_APRIL_2026)                                         server
    wire, pending = request(key.public_key, request_context)                                   client: 226 bytes
    response = key.respond(wire)                                                               server: 454 bytes
    credential = pending.finish(response)                                                      client
    presentations = credential.presentations(presentation_context, limit=128)                  client
    wire = presentations.present()                                                             client, up to 128 times
    tag = key.verify(wire, request_context=..., presentation_context=..., limit=128)           server: spent once

A presentation has ``357 + 129 * k`` bytes with ``k = ceil(log2(limit))``. Its tag is the same only when one credential
uses one number in one context twice, so a tag that comes again is over the limit.

**Where drafts and peers differ**, none of which is settled:

- *Framing*: each key says which one its proofs have (:class:`privproc.tokens.experimental.sigma.Framing`).
- *A limit of 2*: the commitment to the single bit is the one to the number. The draft's pseudo-code has two elements
  then; its implementation and all vectors have one, as here.
- *Order of the scalars* in the proof of a range of several bits: all bits, all blinds, all helpers, as the draft says;
  its implementation interleaved them. No vectors are published for more than one bit.
- *The number in clear*: draft-ietf-privacypass-arc-protocol-01 puts it into the token beside the presentation that
  hides it. A presentation carries none, and :mod:`privproc.tokens.experimental.arctoken` writes zero.
"""

from __future__ import annotations

from privproc.tokens.experimental.arc.client import Credential, PendingCredential, Presentations, request
from privproc.tokens.experimental.arc.messages import PublicKey
from privproc.tokens.experimental.arc.parameters import MAX_LIMIT, REQUEST_SIZE, RESPONSE_SIZE, presentation_size
from privproc.tokens.experimental.arc.server import ServerKey
from privproc.tokens.experimental.sigma import Framing

__all__ = [
    "MAX_LIMIT",
    "REQUEST_SIZE",
    "RESPONSE_SIZE",
    "Credential",
    "Framing",
    "PendingCredential",
    "Presentations",
    "PublicKey",
    "ServerKey",
    "presentation_size",
    "request",
]
