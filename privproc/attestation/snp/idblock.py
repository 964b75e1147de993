"""The ID block with which a guest's owner started it, and the keys that signed it (AMD 56860, SNP_LAUNCH_FINISH).

Firmware checks both signatures at launch and puts SHA-384 of the keys into every report. What is here lets an auditor,
who has the two structures, find the same digests: no digest is taken from somebody's word.
"""

from __future__ import annotations

import hashlib
import hmac
import struct
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA384

from privproc.attestation.snp.policy import IdBlock
from privproc.errors import DecodeError, SignatureError, UnsupportedError, UntrustedError, UsageError
from privproc.trust import Earned

__all__ = ["AUTHENTICATION_SIZE", "BLOCK_SIZE", "VerifiedIdBlock", "verify_id_block"]

BLOCK_SIZE: Final = 96
AUTHENTICATION_SIZE: Final = 4096

_BLOCK = struct.Struct("<48s16s16sIIQ")
_AUTHENTICATION = struct.Struct("<II56s512s1028s60s512s1028s892s")
_KEY = struct.Struct("<I72s72s880s")
_SIGNATURE = struct.Struct("<72s72s368s")
_VERSION = 1
_P384_SHA384 = 1  # of a key: its algorithm
_P384 = 2  # within a key: its curve
_COORDINATE = 48
_DIGEST = 48
_ECDSA = ec.ECDSA(SHA384())


@dataclass(frozen=True, slots=True, init=False)
class VerifiedIdBlock(Earned):
    """An ID block whose signatures verify up to a trusted key: made by :func:`verify_id_block` only.

    ``measurement`` (48 bytes) and ``policy`` (64 bits) are those that firmware demands of the guest; ``expected`` is
    what a report then says, for :class:`~privproc.attestation.snp.policy.Policy`.
    """

    measurement: bytes
    policy: int
    expected: IdBlock


def verify_id_block(block: bytes, authentication: bytes, *, author_key: bool, signer: bytes) -> VerifiedIdBlock:
    """Check an ID block and its ID authentication information; integers are little-endian::

        struct {                                 96 bytes
            u8 launch_digest[48]; u8 family_id[16]; u8 image_id[16];
            u32 version = 1; u32 guest_svn; u64 policy;
        } block;
        struct {                                 4096 bytes
            u32 id_key_algo = 1; u32 author_key_algo = 1; u8 reserved[56];
            u8 id_block_sig[512];                by the ID key, over the block
            u8 id_key[1028]; u8 reserved[60];
            u8 id_key_sig[512];                  by the author key, over id_key
            u8 author_key[1028]; u8 reserved[892];
        } authentication;

    ``author_key``: whether the launch says that there is one (AUTH_KEY_EN); without it firmware reads nothing of its
    fields, and neither does this. ``signer`` (48 bytes): SHA-384 of the key that is trusted, 1028 bytes in that format:
    of the author key if there is one, else of the ID key. Raises :class:`UntrustedError` for another key,
    :class:`SignatureError`, :class:`DecodeError` or :class:`UnsupportedError`.
    """
    if not isinstance(signer, bytes) or len(signer) != _DIGEST or not any(signer):
        raise UsageError(f"a signer is a digest of {_DIGEST} bytes, not all zero")
    if len(block) != BLOCK_SIZE or len(authentication) != AUTHENTICATION_SIZE:
        raise DecodeError("ID block", f"not {BLOCK_SIZE} bytes with {AUTHENTICATION_SIZE} of authentication")
    measurement, family_id, image_id, version, guest_svn, policy = _BLOCK.unpack(block)
    algorithm, author_algorithm, reserved, block_signature, id_key, between, key_signature, author, tail = (
        _AUTHENTICATION.unpack(authentication)
    )
    if version != _VERSION or algorithm != _P384_SHA384 or (author_key and author_algorithm != _P384_SHA384):
        raise UnsupportedError("ID block: not version 1 with keys on P-384")
    if any(reserved) or any(between) or any(tail):
        raise DecodeError("ID block", "reserved, but not zero")
    id_digest = hashlib.sha384(id_key).digest()
    author_digest = hashlib.sha384(author).digest() if author_key else bytes(_DIGEST)
    if not hmac.compare_digest(author_digest if author_key else id_digest, signer):
        raise UntrustedError("ID block: signed by another key")
    if author_key:
        _verify("ID key", author, key_signature, id_key)
    _verify("ID block", id_key, block_signature, block)
    expected = IdBlock(
        id_key_digest=id_digest,
        author_key_digest=author_digest,
        family_id=family_id,
        image_id=image_id,
        guest_svn=guest_svn,
    )
    return VerifiedIdBlock._earn(measurement=measurement, policy=policy, expected=expected)


def _verify(what: str, key: bytes, signature: bytes, signed: bytes) -> None:
    curve, x, y, rest = _KEY.unpack(key)
    r, s, padding = _SIGNATURE.unpack(signature)
    if curve != _P384:
        raise UnsupportedError(f"{what}: signed by a key on another curve than P-384")
    if any(rest) or any(padding) or any(x[_COORDINATE:]) or any(y[_COORDINATE:]):
        raise DecodeError(what, "padding is not zero")
    point = b"\4" + x[_COORDINATE - 1 :: -1] + y[_COORDINATE - 1 :: -1]
    try:
        public = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP384R1(), point)
    except ValueError:
        raise DecodeError(what, "signed by a key that is not a point of P-384") from None
    try:
        public.verify(encode_dss_signature(int.from_bytes(r, "little"), int.from_bytes(s, "little")), signed, _ECDSA)
    except InvalidSignature:
        raise SignatureError(f"{what}: signature doesn't verify") from None
