"""All formats, and the choice of the one that given bytes are of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from privproc import bhttp, cose, tokens
from privproc.attestation import cmw, corim
from privproc.attestation.eat import decode_cbor
from privproc.attestation.envelope import Envelope
from privproc.attestation.nitro.document import Document
from privproc.attestation.nvidia import Report as DeviceReport
from privproc.attestation.nvidia.rim import Rim
from privproc.attestation.sgx.quote import Quote as SgxQuote
from privproc.attestation.snp.chain import Endorsements
from privproc.attestation.snp.report import Report
from privproc.attestation.tdx.quote import Quote
from privproc.cli.inspect import (
    beside,
    cbor,
    certificates,
    devices,
    evidence,
    ledger,
    manifests,
    messages,
    oblivious,
    wrappers,
)
from privproc.cli.inspect import tokens as privacypass
from privproc.cli.inspect.walk import Describe, Row, Walk
from privproc.errors import DecodeError, PeerError
from privproc.keyconfig import KeyConfig, KeyConfigs
from privproc.keypackage.package import TYPE, Package
from privproc.keypackage.signers import Signers
from privproc.ledger import Entry, Proof
from privproc.ledger.checkpoint import Note
from privproc.ledger.oak import Statement
from privproc.responsekey import Announcement
from privproc.session.contents import Contents
from privproc.session.directory import Published
from privproc.session.messages import Continue, Continued, Forward, Offer, Open, Opened

__all__ = ["FORMATS", "Fit", "Format", "Strength", "describe", "fitting"]


class Strength(IntEnum):
    """How much it says that bytes are of a format."""

    SIZE = 0
    """Little: any bytes of such a size are."""
    FORM = 1
    """Lengths and numbers fit, and all bytes are used."""
    MARK = 2
    """Something in it says so, too."""


@dataclass(frozen=True, slots=True)
class Format:
    """A format: its ``name`` on the command line, what it is, where it is specified, and its decoder's verdict."""

    name: str
    title: str
    source: str
    strength: Strength
    check: Callable[[bytes], object]
    describe: Describe


def _package(data: bytes) -> None:
    message = cose.Sign1.decode(data, "package")
    if message.headers.get(cose.TYP) != TYPE:
        raise DecodeError("package", f"the protected header's type isn't {TYPE}")
    Package.decode(message.payload)


def _published(data: bytes) -> None:
    both = Published.decode(data)
    _package(both.package)
    Proof.decode(both.log_proof)


def _eat(data: bytes) -> None:
    claims = decode_cbor(Envelope.decode(data, "EAT", tags={(), (18,), (61, 18)}).payload)
    if not claims.nonces and claims.profile is None:
        raise DecodeError("EAT", "neither a nonce nor a profile")


def _corim(data: bytes) -> None:
    corim.Manifest.decode(Envelope.decode(data, "CoRIM", tags={(18,)}).payload if data[:1] == b"\xd2" else data)


_SIZE, _FORM, _MARK = Strength
_9458, _9577, _9578 = "RFC 9458", "RFC 9577", "RFC 9578"
_CHUNKED, _BATCHED = "draft-ietf-ohai-chunked-ohttp-08", "draft-ietf-privacypass-batched-tokens-07"
_OWN = "privproc/1"

FORMATS: Final[Sequence[Format]] = (
    Format("key-configs", "list of key configurations", f"{_9458} §3.2", _FORM, KeyConfigs.decode, oblivious.configs),
    Format("key-config", "key configuration", f"{_9458} §3.1", _FORM, KeyConfig.decode, oblivious.config),
    Format("binary-request", "Binary HTTP request", "RFC 9292 §3", _FORM, bhttp.decode_request, oblivious.message),
    Format("binary-response", "Binary HTTP response", "RFC 9292 §3", _FORM, bhttp.decode_response, oblivious.message),
    Format("chunked-request", "chunked OHTTP request", f"{_CHUNKED} §6", _FORM, oblivious.check_chunked_request,
           oblivious.chunked_request),
    Format("ohttp-request", "encapsulated request", f"{_9458} §4.1", _FORM, oblivious.check_request,
           oblivious.request),
    Format("challenge", "TokenChallenge", f"{_9577} §2.1", _FORM, tokens.TokenChallenge.decode,
           privacypass.challenge),
    Format("token", "Token", f"{_9577} §2.2", _FORM, tokens.Token.decode, privacypass.token),
    Format("token-request", "TokenRequest", f"{_9578} §5.1, §6.1", _FORM, tokens.TokenRequest.decode,
           privacypass.request),
    Format("batch-request", "AmortizedBatchTokenRequest", f"{_BATCHED} §6.1", _FORM, tokens.AmortizedRequest.decode,
           privacypass.amortized_request),
    Format("generic-batch-request", "GenericBatchTokenRequest", f"{_BATCHED} §5.1", _FORM,
           privacypass.check_generic_request, privacypass.generic_request),
    Format("issuer-directory", "issuer's directory", f"{_9578} §4", _MARK, tokens.IssuerDirectory.decode,
           privacypass.directory),
    Format("www-authenticate", "WWW-Authenticate field", f"{_9577} §2.1", _MARK, privacypass.check_www_authenticate,
           privacypass.www_authenticate),
    Format("authorization", "Authorization field", f"{_9577} §2.2", _MARK, privacypass.check_authorization,
           privacypass.authorization),
    Format("package", "signed key package", f"{_OWN} §3", _MARK, _package, cbor.package),
    Format("published", "key package with its log proof", f"{_OWN} §3", _MARK, _published, messages.published),
    Format("directory", "content of a directory's package", f"{_OWN} §3", _MARK, Contents.decode,
           cbor.directory_contents),
    Format("signers", "list of signers", f"{_OWN} §3", _FORM, Signers.decode, cbor.signers),
    Format("snp-report", "SEV-SNP attestation report", "AMD 56860, table 23", _MARK, Report.decode,
           evidence.snp_report),
    Format("tdx-quote", "TDX quote", "Intel DCAP, quote formats", _MARK, Quote.decode, evidence.tdx_quote),
    Format("sgx-quote", "SGX quote", "Intel, ECDSA quote format", _MARK, SgxQuote.decode, evidence.sgx_quote),
    Format("nitro-document", "Nitro attestation document", "AWS Nitro Enclaves, attestation process", _MARK,
           Document.decode, cbor.nitro_document),
    Format("nvidia-evidence", "evidence of an NVIDIA device", f"{_OWN} §4.11", _MARK, devices.check_evidence,
           devices.evidence),
    Format("nvidia-report", "an NVIDIA device's measurements", "DMTF DSP0274 §10.11", _MARK, DeviceReport.decode,
           devices.report),
    Format("nvidia-rim", "NVIDIA's manifest of reference values", "ISO/IEC 19770-2, TCG RIM", _MARK, Rim.decode,
           manifests.rim),
    Format("eat", "Entity Attestation Token, a CWT", "RFC 9711 §3", _MARK, _eat, cbor.eat_token),
    Format("corim", "CoRIM, signed or not", corim.DRAFT, _MARK, _corim, cbor.corim),
    Format("cmw", "Conceptual Message Wrapper", "RFC 9999 §3", _FORM, cmw.decode, wrappers.cmw),
    Format("cose", "COSE_Sign1 message", "RFC 9052 §4.2", _FORM, cose.Sign1.decode, cbor.cose_message),
    Format("snp-endorsements", "certificates beside a SEV-SNP report", f"{_OWN} §4.6", _FORM, Endorsements.decode,
           beside.endorsements),
    Format("certificate", "X.509 certificate", "RFC 5280 §4", _MARK, certificates.check_certificate,
           certificates.certificate),
    Format("log-proof", "transparency log proof", "C2SP tlog-proof", _MARK, Proof.decode, ledger.proof),
    Format("note", "signed note", "C2SP signed-note", _MARK, Note.decode, ledger.note),
    Format("checkpoint", "checkpoint without signatures", "C2SP tlog-checkpoint", _FORM, ledger.check_checkpoint,
           ledger.checkpoint),
    Format("verifier-key", "verifier key of notes", "C2SP signed-note", _MARK, ledger.check_key, ledger.key),
    Format("log-entry", "log entry", f"{_OWN} §7.4", _MARK, Entry.decode, ledger.entry),
    Format("oak-endorsement", "Oak's endorsement of a binary", "project-oak/oak docs/tr", _MARK, Statement.decode,
           ledger.oak_endorsement),
    Format("open", "Open", f"{_OWN} §4.3", _FORM, Open.decode, messages.open_),
    Format("forward", "Forward", f"{_OWN} §4.4", _FORM, lambda data: Open.decode(Forward.decode(data).open),
           messages.forward),
    Format("announcement", "Announcement", f"{_OWN} §2.6", _FORM, Announcement.decode, messages.announcement),
    Format("offer", "Offer", f"{_OWN} §4.5", _FORM, Offer.decode, messages.offer),
    Format("opened", "Opened", f"{_OWN} §4.6", _FORM, lambda data: Offer.decode(Opened.decode(data).offer),
           messages.opened),
    Format("continue", "Continue", f"{_OWN} §5.1", _FORM, Continue.decode, messages.continue_),
    Format("continued", "Continued", f"{_OWN} §5.1", _FORM, Continued.decode, messages.continued),
    Format("sealed-request", "sealed request", f"{_OWN} §6.1", _FORM, messages.check_request, messages.request),
    Format("sealed-answer", "sealed answer", f"{_OWN} §6.2", _FORM, messages.check_answer, messages.answer),
    Format("token-response", "TokenResponse", f"{_9578} §5.2, §6.2", _SIZE, privacypass.check_response,
           privacypass.response),
    Format("chunked-response", "chunked OHTTP response", f"{_CHUNKED} §6", _SIZE, oblivious.check_chunked_response,
           oblivious.chunked_response),
    Format("ohttp-response", "encapsulated response", f"{_9458} §4.2", _SIZE, oblivious.check_response,
           oblivious.response),
)  # fmt: skip
"""Where several fit alike, the first counts."""


@dataclass(frozen=True, slots=True)
class Fit:
    """Whether bytes are of a format; ``error`` says why not."""

    format: Format
    error: PeerError | None


def fitting(data: bytes) -> list[Fit]:
    """The formats that ``data`` is of, the likeliest first, and then the others, by how far reading them went."""
    found = [Fit(it, _verdict(it, data)) for it in FORMATS]
    good = sorted((fit for fit in found if fit.error is None), key=lambda fit: -fit.format.strength)
    return good + sorted((fit for fit in found if fit.error is not None), key=lambda fit: -_reached(fit.error))


def _verdict(which: Format, data: bytes) -> PeerError | None:
    try:
        which.check(data)
    except PeerError as error:
        return error
    return None


def _reached(error: PeerError | None) -> int:
    return error.offset if isinstance(error, DecodeError) else 0


def describe(which: Format, data: bytes, *, reveal: bool) -> tuple[list[Row], PeerError | None]:
    """The rows of ``data`` as ``which``, as far as they go, and what is wrong with it."""
    walk = Walk(data, which.title, reveal=reveal)
    error = _verdict(which, data)
    try:
        which.describe(walk)
    except PeerError as stopped:
        error = error or stopped
    if walk.left:
        walk.opaque("not read")
    return walk.rows, error
