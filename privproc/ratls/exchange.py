"""The messages of a mutual attestation, and the running hash over them (docs/protocol.md §15.2 and §15.3).

Each travels as application data after its uint32 length. The third and last is the client's authenticator alone.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Self

from privproc.attestation.certificate import MAX_CERTIFICATE
from privproc.attestation.message import Attestation
from privproc.ratls.authenticator import MAX_AUTHENTICATOR
from privproc.tagged import tagged_hash
from privproc.wire import Reader, Writer

__all__ = ["Introduction", "Presentation", "introduced", "presented"]


@dataclass(frozen=True, slots=True)
class Introduction:
    """What the client begins with::

    struct {
        opaque request<1..2^17>;            ClientCertificateRequest; uint32 lengths
        opaque leaf<1..2^13>;               the certificate (DER) that the client proves later
    } Introduction;
    """

    request: bytes
    leaf: bytes

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Raises :class:`DecodeError`."""
        return Reader.all(data, "Introduction", cls._read)

    @classmethod
    def _read(cls, reader: Reader) -> Self:
        return cls(reader.vector(4, 1, MAX_AUTHENTICATOR), reader.vector(4, 1, MAX_CERTIFICATE))

    def encode(self) -> bytes:
        """The wire form."""
        return Writer().vector(4, self.request).vector(4, self.leaf).done()


@dataclass(frozen=True, slots=True)
class Presentation:
    """What the server answers::

    struct {
        opaque request<1..2^17>;            CertificateRequest; uint32 lengths
        opaque authenticator<1..2^17>;      with the server's evidence
    } Presentation;
    """

    request: bytes
    authenticator: bytes

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Raises :class:`DecodeError`."""
        return Reader.all(data, "Presentation", cls._read)

    @classmethod
    def _read(cls, reader: Reader) -> Self:
        return cls(reader.vector(4, 1, MAX_AUTHENTICATOR), reader.vector(4, 1, MAX_AUTHENTICATOR))

    def encode(self) -> bytes:
        """The wire form."""
        return Writer().vector(4, self.request).vector(4, self.authenticator).done()


def introduced(introduction: Introduction, request: bytes) -> bytes:
    """``th1`` (48 bytes) of the server's evidence: all that was said before it, the server's ``request`` included."""
    return tagged_hash("introduced", introduction.encode(), request)


def presented(th1: bytes, report_data: bytes, attestation: Attestation) -> bytes:
    """``th1`` (48 bytes) of the client's evidence: it covers the server's, with the format by which it is read."""
    written = attestation.format.to_bytes(2, "big") + attestation.evidence
    return tagged_hash("presented", th1, report_data, hashlib.sha384(written).digest())
