"""Endorsements of project-oak's transparent release: who releases a binary says so, and for how long, in Rekor.

An endorsement is a statement in in-toto's form about the digest of one binary, with a window of time and claims; beside
it come the endorser's signature (ECDSA on P-256 with SHA-256) and Rekor's answer about it. Form and steps: project-oak,
docs/tr/README.md, and ``endorsement.proto``. What an entry of Rekor doesn't prove stands in
:mod:`privproc.ledger.rekor`.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

from privproc.errors import DecodeError, PolicyError, SignatureError, UnsupportedError, UntrustedError, UsageError
from privproc.ledger import rekor
from privproc.ledger.members import read_hash, read_object, read_text
from privproc.strictjson import decode_object
from privproc.trust import Earned, check_window

__all__ = ["MAX_ENDORSEMENT", "Endorsed", "Statement", "verify"]

MAX_ENDORSEMENT: Final = 1 << 16
"""Bytes of the longest endorsement that is read."""

_WHAT: Final = "Oak endorsement"
_STATEMENT = "https://in-toto.io/Statement/v1"
_PREDICATE = "https://project-oak.github.io/oak/tr/endorsement/v1"
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)", re.ASCII)  # RFC 3339
_SCHEME = ec.ECDSA(SHA256())


@dataclass(frozen=True, slots=True)
class Statement:
    """What an endorsement says, not to be believed before :func:`verify`.

    ``subject``: SHA-256 (32 bytes) of the binary; ``name``: what the endorser calls it. ``claims``: types, as URIs, of
    what it asserts beyond that. ``issued_at``; ``not_before`` and ``not_after``: Unix seconds, fractions cut off.
    """

    subject: bytes
    name: str
    claims: tuple[str, ...]
    issued_at: int
    not_before: int
    not_after: int

    @classmethod
    def decode(cls, data: bytes) -> Statement:
        """Raises :class:`DecodeError`; :class:`UnsupportedError` for a statement or predicate of another type.

        Members that aren't known are passed over, as in-toto demands.
        """
        if len(data) > MAX_ENDORSEMENT:
            raise DecodeError(_WHAT, f"over {MAX_ENDORSEMENT} bytes")
        fields = decode_object(data, _WHAT)
        if (fields.get("_type"), fields.get("predicateType")) != (_STATEMENT, _PREDICATE):
            raise UnsupportedError("Oak endorsement: not an in-toto statement v1 of Oak's predicate v1")
        subjects, predicate = fields.get("subject"), read_object(fields, "predicate", _WHAT)
        # Of two subjects it couldn't be told which one the claims are about.
        if not isinstance(subjects, list) or len(subjects) != 1 or not isinstance(subjects[0], dict):
            raise DecodeError(_WHAT, "not one subject")
        claims, validity = predicate.get("claims", []), read_object(predicate, "validity", _WHAT)
        if not isinstance(claims, list) or not all(isinstance(each, dict) for each in claims):
            raise DecodeError(_WHAT, "not a list of claims")
        return cls(
            subject=read_hash(read_object(subjects[0], "digest", _WHAT), "sha256", _WHAT),
            name=read_text(subjects[0], "name", _WHAT),
            claims=tuple(read_text(each, "type", _WHAT) for each in claims),
            issued_at=_time(predicate, "issuedOn"),
            not_before=_time(validity, "notBefore"),
            not_after=_time(validity, "notAfter"),
        )


@dataclass(frozen=True, slots=True, init=False)
class Endorsed(Earned):
    """A binary that its endorser vouches for, in a log: made by :func:`verify` only.

    ``statement`` is the whole of it; ``entry`` is Rekor's. Good while ``not_before <= at < not_after`` (Unix seconds).
    """

    statement: Statement
    entry: rekor.Entry
    not_before: int
    not_after: int

    def confirm(self, digest: bytes, *, at: int) -> None:
        """Raise :class:`UntrustedError` unless ``digest`` (SHA-256) is the endorsed binary's, and
        :class:`ExpiredError` outside of the statement's time.
        """
        if not isinstance(digest, bytes):
            raise UsageError("a digest is bytes")
        if not hmac.compare_digest(digest, self.statement.subject):
            raise UntrustedError("Oak endorsement: of another binary")
        check_window(_WHAT, self.not_before, self.not_after, at=at)


def verify(
    endorsement: bytes,
    signature: bytes,
    log_entry: bytes,
    *,
    subject: bytes,
    claims: Sequence[str],
    endorser: ec.EllipticCurvePublicKey,
    log: rekor.Log,
    at: int,
) -> Endorsed:
    """Check that ``endorser`` (P-256) vouches at ``at`` for the binary of SHA-256 ``subject`` (32 bytes), and that
    ``log`` has that.

    ``endorsement``, ``signature`` and ``log_entry`` are the files ``endorsement.json``, ``endorsement.json.sig`` (DER)
    and ``logentry.json``. ``claims``: the types of claims that the endorsement must make, as URIs; an empty list takes
    one that makes none. Claims beyond these are in the result, and aren't judged.

    Raises what :func:`rekor.verify <privproc.ledger.rekor.verify>` and :meth:`Statement.decode` raise;
    :class:`SignatureError`; :class:`UntrustedError` for another binary; :class:`PolicyError` where a claim is missing;
    :class:`ExpiredError` outside of the endorsement's time; :class:`UsageError` for arguments that nothing could match.
    """
    if not isinstance(subject, bytes) or len(subject) != 32:
        raise UsageError("a SHA-256 digest is needed")
    if isinstance(claims, str) or not all(isinstance(each, str) and each for each in claims):
        raise UsageError("claims are a list of URIs")
    entry = rekor.verify(log_entry, log=log, digest=hashlib.sha256(endorsement).digest(), signer=endorser, at=at)
    try:
        endorser.verify(signature, endorsement, _SCHEME)
    except InvalidSignature:
        raise SignatureError(f"{_WHAT}: signature doesn't verify") from None
    statement = Statement.decode(endorsement)
    missing = [each for each in claims if each not in statement.claims]
    if missing:
        raise PolicyError(f"{_WHAT}: lacks {len(missing)} of the claims that are required")
    found = Endorsed._earn(
        statement=statement, entry=entry, not_before=statement.not_before, not_after=statement.not_after
    )
    found.confirm(subject, at=at)
    return found


def _time(parent: dict[str, object], name: str) -> int:
    text = read_text(parent, name, _WHAT)
    try:
        if _TIME.fullmatch(text):
            return int(datetime.fromisoformat(text).timestamp())
    except ValueError:  # no such day
        pass
    raise DecodeError(_WHAT, f"{name} is not a time")
