"""ACT, anonymous credit tokens over ristretto255 (draft-schlesinger-cfrg-act-02): credits of which a client spends as
many as it is charged, gets the rest back as new ones, and nobody can link one spend to the other or to the issuance.

::

    parameters = Parameters("example", "chat", "production", "2026-11-29", bits=32)
    key = IssuerKey.generate(parameters)                                                       issuer
    context = parameters.context(b"models.example, November")                                  both
    wire, pending = request(key.public_key)                                                    client: 130 bytes
    response = key.respond(wire, amount=1000, context=context)                                issuer: 162 bytes
    credits = pending.finish(response, context=context)                                        client
    wire, pending = credits.spend(30)                                                          client: 4514 bytes
    spend = key.verify(wire, charge=30, context=context)                                       issuer
    ...                                                        spend.nullifier is reserved in the store of spent tokens
    refund = spend.refund(returned=10)                                                         issuer: 162 bytes
    credits = pending.finish(refund)                                                           client: 980 are left

A client can't spend of the new credits before it has the refund, so one set of credits is one session at a time, and
ends when the issuer gives none. A spend shows its charge and context; its proof has ``3 * L + 7`` scalars.

**Where the draft and what its vectors are of differ**, none of which is settled:

- *What the hash takes first*: -02 cites drafts of sigma protocols and Fiat-Shamir that name no identifier for this
  group. The vectors have the one that sigma-rs has for such groups, in :attr:`sigma.Framing.SIGMA_MARCH_2026`.
- *The order of elements in a statement*: as the equations need them, not as the pseudo-code allocates them
  (:mod:`privproc.tokens.experimental.act.messages`).
- *The context in the response*: the vectors have it there. The text leaves it out, and so does this: the client says
  which one it expects.
- *Versions*: drafts before -02 hash with BLAKE3 and send CBOR; those after it have three digits for a bit, and top-ups.
  -02 as its editors had it in February still has BLAKE3. Nothing of these is here.

**Where the draft, as it is written, would let a client have more than it was given:**

- A *charge* isn't bounded: one of the order less 50 makes a balance of 100 one of 150. Amounts of more than ``L`` bits
  are malformed here, and a charge is exactly the expected one.
- ``L`` may be 252, see :data:`MAX_BITS`.
"""

from __future__ import annotations

from privproc.tokens.experimental.act.client import Credits, PendingCredits, PendingRefund, request
from privproc.tokens.experimental.act.issuer import IssuerKey, PublicKey, VerifiedSpend
from privproc.tokens.experimental.act.messages import REFUND_SIZE, REQUEST_SIZE, RESPONSE_SIZE, spend_size
from privproc.tokens.experimental.act.parameters import MAX_BITS, Parameters

__all__ = [
    "MAX_BITS",
    "REFUND_SIZE",
    "REQUEST_SIZE",
    "RESPONSE_SIZE",
    "Credits",
    "IssuerKey",
    "Parameters",
    "PendingCredits",
    "PendingRefund",
    "PublicKey",
    "VerifiedSpend",
    "request",
    "spend_size",
]
