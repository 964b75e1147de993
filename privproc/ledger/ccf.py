"""Receipts of the Confidential Consortium Framework (CCF): a service's word that it has committed a transaction.

Azure's attested OHTTP has one around its key, Azure Confidential Ledger around each entry. What a receipt is about is
its claims digest, and the caller has to say which: a receipt that is only checked for being genuine is one of any
transaction of the service. Form and steps: CCF's documentation, "Write Receipts" and "Receipt Verification".
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.utils import CryptographyDeprecationWarning

from privproc.errors import DecodeError, SignatureError, UnsupportedError, UntrustedError, UsageError
from privproc.ledger import merkle
from privproc.ledger.checkpoint import decode_base64
from privproc.ledger.members import read_hash, read_text
from privproc.strictjson import decode_object
from privproc.trust import Earned

__all__ = ["MAX_RECEIPT", "Committed", "verify"]

MAX_RECEIPT: Final = 1 << 16
"""Bytes of the longest receipt that is read."""

_WHAT: Final = "CCF receipt"
_MAX_HASHES = 63
_MAX_ENDORSEMENTS = 16
_EVIDENCE = re.compile(r"ce:([1-9][0-9]{0,18})\.([1-9][0-9]{0,18}):[0-9a-f]{64}")
_ES256_OF_DIGEST = ec.ECDSA(Prehashed(SHA256()))


@dataclass(frozen=True, slots=True, init=False)
class Committed(Earned):
    """A transaction that the service has committed: made by :func:`verify` only.

    ``claims_digest`` (32 bytes) is what it is about; ``view`` and ``sequence`` are its number; ``root`` (32 bytes) is
    that of the tree that a node signed. It has no time and no end, and nobody but the service vouches that there is one
    tree for all: this is no :class:`~privproc.ledger.proof.Logged`.
    """

    claims_digest: bytes
    view: int
    sequence: int
    root: bytes


def verify(receipt: bytes, *, service: x509.Certificate, claims_digest: bytes) -> Committed:
    """Check ``receipt`` (JSON) of the service whose certificate is ``service``, about ``claims_digest`` (32 bytes).

    The leaf is computed from the caller's digest; one that the receipt states must be equal. The certificate of the
    node that signed must be issued by ``service``, directly or through ``service_endorsements`` of earlier identities.
    Certificates are taken at any time: they bind a key to a service, and a receipt outlives its node.

    Raises :class:`DecodeError`; :class:`UnsupportedError` for receipts without leaf components (of signatures) and keys
    that aren't on a known elliptic curve; :class:`SignatureError`; :class:`UntrustedError` for other claims or another
    service; :class:`UsageError` for a digest that is not 32 bytes or is all zero, as without claims.
    """
    if not isinstance(claims_digest, bytes) or len(claims_digest) != merkle.HASH_SIZE or not any(claims_digest):
        raise UsageError("a claims digest is 32 bytes, not all zero")
    if not isinstance(service, x509.Certificate):
        raise UsageError("the service's certificate is needed")
    if len(receipt) > MAX_RECEIPT:
        raise DecodeError(_WHAT, f"over {MAX_RECEIPT} bytes")
    fields = decode_object(receipt, _WHAT)
    parts = fields.get("leaf_components")
    if not isinstance(parts, dict):
        raise UnsupportedError("CCF receipt: without leaf components")
    if "claims_digest" in parts and not hmac.compare_digest(read_hash(parts, "claims_digest", _WHAT), claims_digest):
        raise UntrustedError("CCF receipt: about other claims")
    evidence = parts.get("commit_evidence")
    named = _EVIDENCE.fullmatch(evidence) if isinstance(evidence, str) else None
    if named is None:
        raise DecodeError(_WHAT, "not commit evidence")
    committed = hashlib.sha256(named[0].encode()).digest()
    root = _root(
        hashlib.sha256(read_hash(parts, "write_set_digest", _WHAT) + committed + claims_digest).digest(), fields
    )
    node = _certificate(fields.get("cert"))
    _check_node(node, fields)
    _check_issued([node, *_endorsements(fields), service])
    try:
        _key(node).verify(decode_base64(read_text(fields, "signature", _WHAT), _WHAT), root, _ES256_OF_DIGEST)
    except InvalidSignature:
        raise SignatureError("CCF receipt: signature doesn't verify") from None
    return Committed._earn(claims_digest=claims_digest, view=int(named[1]), sequence=int(named[2]), root=root)


def _root(leaf: bytes, fields: dict[str, object]) -> bytes:
    """The root that the proof leads to: plain hashes of pairs, whose sides the proof names."""
    proof = fields.get("proof")
    if not isinstance(proof, list) or len(proof) > _MAX_HASHES:
        raise DecodeError(_WHAT, "not a proof")
    value = leaf
    for step in proof:
        if not isinstance(step, dict) or len(step) != 1 or not step.keys() <= {"left", "right"}:
            raise DecodeError(_WHAT, "a step of the proof has not one side")
        pair = (read_hash(step, "left", _WHAT), value) if "left" in step else (value, read_hash(step, "right", _WHAT))
        value = hashlib.sha256(b"".join(pair)).digest()
    return value


def _check_node(node: x509.Certificate, fields: dict[str, object]) -> None:
    spki = _key(node).public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if not hmac.compare_digest(read_hash(fields, "node_id", _WHAT), hashlib.sha256(spki).digest()):
        raise UntrustedError("CCF receipt: the node's certificate is another node's")


def _endorsements(fields: dict[str, object]) -> list[x509.Certificate]:
    """Certificates of earlier identities of the service, each issued by the next; none in its first life."""
    found = fields.get("service_endorsements", [])
    if not isinstance(found, list) or len(found) > _MAX_ENDORSEMENTS:
        raise DecodeError(_WHAT, "not a list of endorsements")
    return [_certificate(each) for each in found]


def _check_issued(chain: Sequence[x509.Certificate]) -> None:
    for issued, authority in pairwise(chain):
        try:
            issued.verify_directly_issued_by(authority)
        except InvalidSignature:
            raise SignatureError("CCF receipt: a certificate's signature doesn't verify") from None
        except UnsupportedAlgorithm:
            raise UnsupportedError("CCF receipt: the kind of key of an authority") from None
        except (ValueError, TypeError):  # other names, or an algorithm that isn't the key's
            raise UntrustedError("CCF receipt: a certificate is not issued by the service") from None


def _certificate(pem: object) -> x509.Certificate:
    try:
        found = x509.load_pem_x509_certificate(pem.encode("ascii") if isinstance(pem, str) else b"")
        serial = found.serial_number
    except (ValueError, x509.InvalidVersion, CryptographyDeprecationWarning):  # a warning, where those are errors
        raise DecodeError(_WHAT, "not a certificate") from None
    if serial <= 0:  # of which the library only warns, for now (RFC 5280 §4.1.2.2)
        raise DecodeError(_WHAT, "not a certificate")
    return found


def _key(certificate: x509.Certificate) -> ec.EllipticCurvePublicKey:
    try:
        key = certificate.public_key()
    except ValueError:
        raise DecodeError(_WHAT, "not a public key") from None
    except UnsupportedAlgorithm:
        raise UnsupportedError("CCF receipt: a certificate's kind of key") from None
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise UnsupportedError("CCF receipt: a key that is not on an elliptic curve")
    return key
