"""A certificate revocation list (RFC 5280 §5): version 2, complete, of the authority that signed it."""

from __future__ import annotations

from dataclasses import dataclass, field

from privproc.attestation.certificate import AuthorityKey, Certificate, check_signature, read_time
from privproc.attestation.der import BIT_STRING, BOOLEAN, INTEGER, OCTET_STRING, OID, SEQUENCE, Element
from privproc.errors import DecodeError, UntrustedError

__all__ = ["MAX_CRL", "RevocationList"]

MAX_CRL = 1 << 18
"""Bytes of the longest list that is read, some 5000 entries; Intel's had 2663 in 2025, AMD's name nothing yet."""

_VERSION_2 = b"\x01"
_EXTENSIONS = 0xA0
_OPTIONAL: tuple[list[int], ...] = (
    [],
    [SEQUENCE],
    [_EXTENSIONS],
    [SEQUENCE, _EXTENSIONS],
)  # the entries, and extensions of the list
_TIMES = {0x17, 0x18}


@dataclass(frozen=True, slots=True)
class RevocationList:
    """Which certificates (by the content of their serial number's INTEGER) their ``issuer`` has revoked.

    Good while ``not_before <= at < not_after``. A list with a critical extension, such as one of changes only or of
    another issuer's certificates, is refused.
    """

    name: str
    tbs: bytes = field(repr=False)
    algorithm: bytes = field(repr=False)
    signature: bytes = field(repr=False)
    issuer: bytes = field(repr=False)
    not_before: int
    not_after: int
    revoked: frozenset[bytes] = field(repr=False)

    @classmethod
    def decode(cls, data: bytes, name: str) -> RevocationList:
        """Read DER; ``name`` says in errors whose list it is. Raises :class:`DecodeError`."""
        if len(data) > MAX_CRL:
            raise DecodeError(name, f"over {MAX_CRL} bytes")
        outer = Element.decode(data, name)
        if outer.tag != SEQUENCE:
            raise outer.fail("not a revocation list")
        tbs, algorithm, signature = outer.fields(SEQUENCE, SEQUENCE, BIT_STRING)
        parts = tbs.children()
        tags = [part.tag for part in parts]
        if tags[:3] != [INTEGER, SEQUENCE, SEQUENCE] or len(tags) < 5 or tags[5:] not in _OPTIONAL:
            raise tbs.fail("not the fields of a list with a next update")
        if parts[0].content != _VERSION_2 or parts[1].raw != algorithm.raw or not set(tags[3:5]) <= _TIMES:
            raise tbs.fail("not version 2, of one algorithm and with times")
        if _EXTENSIONS in tags:
            (extensions,) = parts[-1].fields(SEQUENCE)
            _refuse_critical(extensions)
        return cls(
            name=name,
            tbs=tbs.raw,
            algorithm=algorithm.raw,
            signature=signature.whole_bytes(),
            issuer=parts[2].raw,
            not_before=read_time(parts[3]),
            not_after=read_time(parts[4]),
            revoked=frozenset(map(_serial, parts[5].children())) if SEQUENCE in tags[5:] else frozenset(),
        )

    def check_issued(self, authority: Certificate, key: AuthorityKey) -> None:
        """Raise :class:`UntrustedError` or :class:`SignatureError` unless ``authority``, of ``key``, issued this."""
        if self.issuer != authority.subject:
            raise UntrustedError(f"{self.name}: issued by another name than its authority's")
        check_signature(self.name, key, self.algorithm, self.signature, self.tbs)

    def check(self, certificate: Certificate) -> None:
        """Raise :class:`UntrustedError` if ``certificate``, which the list's issuer has issued, is revoked."""
        if certificate.serial in self.revoked:
            raise UntrustedError(f"{certificate.name}: revoked")


def _serial(entry: Element) -> bytes:
    parts = entry.children()
    if entry.tag != SEQUENCE or not 2 <= len(parts) <= 3 or parts[0].tag != INTEGER:
        raise entry.fail("not an entry of a list")
    if len(parts) == 3:
        _refuse_critical(parts[2])
    return parts[0].content


def _refuse_critical(extensions: Element) -> None:
    """RFC 5280 §5.2, §5.3: a list with a critical extension that isn't understood can't be used at all."""
    if extensions.tag != SEQUENCE:
        raise extensions.fail("not extensions")
    for item in extensions.children():
        tags = [part.tag for part in item.children()]
        if item.tag != SEQUENCE or tags != [OID, OCTET_STRING]:
            raise item.fail("a critical extension" if tags == [OID, BOOLEAN, OCTET_STRING] else "not an extension")
