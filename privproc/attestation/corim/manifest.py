"""Manifests: tags in an envelope, with profile, time of validity and signer (draft §4)."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from privproc.attestation import cbor
from privproc.attestation.cbor import Tagged
from privproc.attestation.corim.comid import Comid, Entity, read_entities, read_id
from privproc.attestation.corim.reading import OID, WHAT, array, binary, members, text, uri
from privproc.attestation.envelope import Envelope, VerificationKey
from privproc.attestation.expectation import stage
from privproc.attestation.oids import decode_oid
from privproc.errors import DecodeError, UnsupportedError, UntrustedError, UsageError
from privproc.trust import Earned, Trusted, _trusted, check_window

__all__ = ["DRAFT", "Manifest", "Validity", "VerifiedManifest", "verify"]

DRAFT: Final = "draft-ietf-rats-corim-11"
"""The version of the draft that is implemented."""

_MANIFEST, _COMID, _TIME = 501, 506, 1
_CONTENT_TYPE, _META, _CLAIMS, _HASH = 3, 8, 15, 258
_SIGNER_ROLE: Final = 2
_FOREVER: Final = 1 << 64


class Validity(NamedTuple):
    """From when on something holds, and until when: ``not_before <= at < not_after``, Unix seconds."""

    not_before: int
    not_after: int


_ALWAYS: Final = Validity(0, _FOREVER)


@dataclass(frozen=True, slots=True)
class Manifest:
    """A CoRIM, not to be believed before its signature is verified.

    ``id`` is text or a UUID (16 bytes), ``profile`` a URI or an OID in dots, empty for none. ``others`` are tags of
    CBOR for contents that aren't read here, as of CoSWIDs (505) and lists of tags (508).
    """

    id: str | bytes
    profile: str
    validity: Validity
    entities: tuple[Entity, ...]
    comids: tuple[Comid, ...] = field(repr=False)
    others: tuple[int, ...]

    @classmethod
    def decode(cls, data: bytes) -> Manifest:
        """The manifest in ``data``, a ``tagged-unsigned-corim-map``, tag 501.

        Raises :class:`DecodeError`, or :class:`UnsupportedError` for extensions that nobody here understands.
        """
        value = cbor.decode(data, WHAT)
        if not isinstance(value, Tagged) or value.number != _MANIFEST:
            raise DecodeError(WHAT, "not a manifest below its tag")
        fields = members(value.content, {0, 1}, {2, 3, 4, 5})
        tags = array(fields[1], _tag)
        comids = tuple(Comid.decode(content) for number, content in tags if number == _COMID)
        if any(count > 1 for count in Counter((it.id, it.version) for it in comids).values()):
            raise DecodeError(WHAT, "one version of a tag comes twice")
        entities = read_entities(fields[5]) if 5 in fields else ()
        if sum(_SIGNER_ROLE in it.roles for it in entities) > 1:
            raise DecodeError(WHAT, "two entities that have signed")
        return cls(
            id=read_id(fields[0]),
            profile=_profile(fields[3]) if 3 in fields else "",
            validity=_validity(fields[4]) if 4 in fields else _ALWAYS,
            entities=entities,
            comids=comids,
            others=tuple(number for number, _ in tags if number != _COMID),
        )


def _tag(value: object) -> tuple[int, bytes]:
    if not isinstance(value, Tagged):
        raise DecodeError(WHAT, "a tag without a tag")
    return value.number, binary(value.content)


def _profile(value: object) -> str:
    found = decode_oid(binary(value.content)) if isinstance(value, Tagged) and value.number == OID else uri(value)
    if not found:
        raise DecodeError(WHAT, "an empty profile")
    return found


def _validity(value: object) -> Validity:
    fields = members(value, {1}, {0})
    return Validity(_time(fields[0]) if 0 in fields else 0, _time(fields[1]))


def _time(value: object) -> int:
    seconds = value.content if isinstance(value, Tagged) and value.number == _TIME else None
    return _seconds(seconds)


def _seconds(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise DecodeError(WHAT, "a time that isn't whole seconds")
    return value


@dataclass(frozen=True, slots=True, init=False)
class VerifiedManifest(Earned):
    """A manifest whose signer, profile and time are as expected: made by :func:`verify` only.

    ``manifest`` carries SHA-384 (48 bytes) of what was received, and until when it counts. ``signer`` is SHA-256 (32
    bytes) of the key's SubjectPublicKeyInfo; ``name`` is what the signer calls itself, which nobody else vouches for.
    """

    manifest: Trusted[Manifest]
    signer: bytes
    name: str


def verify(data: bytes, *, key: VerificationKey, profile: str, max_age: int, at: int) -> VerifiedManifest:
    """Check a signed manifest, COSE_Sign1 below tag 18.

    ``key``: that of whoever is believed about these modules; certificates in the header aren't looked at. ``profile``:
    the one that the caller understands, a URI or an OID in dots; empty: the manifest must have none. ``max_age``:
    seconds from ``at`` on that the outcome may be used, if it isn't over before. ``at``: Unix seconds.

    Raises :class:`DecodeError`, :class:`UnsupportedError` (also for payloads that are elsewhere, or a digest),
    :class:`SignatureError`, :class:`UntrustedError` for another profile, :class:`ExpiredError`; :class:`UsageError` for
    another key or age.
    """
    if not 0 < max_age < 1 << 32:
        raise UsageError("max_age is 1 to 2^32 - 1")
    envelope = Envelope.decode(data, WHAT, tags={(18,)})
    with stage("signature"):
        envelope.verify(key, WHAT)
    name, signed = _signer(envelope.headers)
    manifest = Manifest.decode(envelope.payload)
    with stage("profile"):
        if manifest.profile != profile:
            raise UntrustedError(f"{WHAT}: of another profile")
    not_before = max(signed.not_before, manifest.validity.not_before)
    not_after = min(signed.not_after, manifest.validity.not_after, at + max_age)
    with stage("validity"):
        check_window(WHAT, not_before, not_after, at=at)
    spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    trusted = _trusted(manifest, hashlib.sha384(data).digest(), not_before, not_after)
    return VerifiedManifest._earn(manifest=trusted, signer=hashlib.sha256(spki).digest(), name=name)


def _signer(headers: Mapping[int | str, cbor.Value]) -> tuple[str, Validity]:
    """Who has signed and for how long, from either header that says so; where both are, they must agree (§4.2.1)."""
    if _HASH in headers:
        raise UnsupportedError(f"{WHAT}: a digest in place of the manifest")
    if headers.get(_CONTENT_TYPE) != "application/rim+cbor":
        raise UnsupportedError(f"{WHAT}: of another content type")
    said = [_meta(headers[_META])] if _META in headers else []
    if _CLAIMS in headers:
        said.append(_claims(headers[_CLAIMS]))
    if not said or any(each != said[0] for each in said):
        raise DecodeError(WHAT, "no word about the signer, or two that differ")
    return said[0]


def _meta(value: object) -> tuple[str, Validity]:
    fields = members(cbor.decode(binary(value), WHAT), {0}, {1})
    signer = members(fields[0], {0}, {1})
    if 1 in signer:
        uri(signer[1])
    return text(signer[0]), _validity(fields[1]) if 1 in fields else _ALWAYS


def _claims(value: object) -> tuple[str, Validity]:
    """CWT claims in a header (RFC 9597): ``iss``, ``nbf`` and ``exp``. Others are the signer's own matter."""
    if not isinstance(value, dict) or 1 not in value:
        raise DecodeError(WHAT, "no issuer")
    not_before = _seconds(value[5]) if 5 in value else 0
    return text(value[1]), Validity(not_before, _seconds(value[4]) if 4 in value else _FOREVER)
