"""Real Nitro documents, as published by other projects, with the verdicts of the index beside the files.

Skipped where the files aren't. The documents hold the same 1024 bytes in user_data, nonce and public_key, so no session
can be theirs: the appraisal refuses them for that alone.
"""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from privproc import cose
from privproc.attestation import NO_REVOCATIONS
from privproc.attestation.nitro import AWS_ROOTS, Document, Policy, appraise, measurement, verify_chain
from privproc.attestation.nitro import appraisal as module
from privproc.errors import DecodeError, ExpiredError, PeerError, PolicyError, SignatureError, UntrustedError
from privproc.ledger import Logged
from tests.world.binding import bound

GOOD = "blocky_nitro_attestation.b64"
DEBUG = "blocky_nitro_attestation_debug.b64"
SELF_SIGNED = "blocky_selfsigned_attestation.b64"


@pytest.fixture(scope="module")
def nitro(shared: Path) -> Path:
    return shared / "attestation" / "nitro"


def document(nitro: Path, name: str) -> bytes:
    return base64.b64decode((nitro / name).read_text())


def decide(evidence: bytes, monkeypatch: pytest.MonkeyPatch, *without: str, **changes: Any) -> Any:
    """The appraisal at the document's own time, without the checks named."""
    found = Document.decode(evidence)
    checks = tuple(check for check in module._CHECKS if check[0] not in without)
    with monkeypatch.context() as patch:
        patch.setattr(module, "_CHECKS", checks)
        at = found.timestamp // 1000
        logged = Logged._earn(
            namespace="example",
            role="model",
            digest=measurement(found.pcrs, (0, 1, 2)),
            security_version=1,
            not_after=at + 60,
            checkpoint=None,
        )
        arguments: dict[str, Any] = {
            "binding": bound(b"\1" * 64),
            "revocations": NO_REVOCATIONS,
            "policy": Policy(logged_pcrs=(0, 1, 2), pcrs=((3, bytes(48)), (4, found.pcrs[4])), max_age=600),
            "roots": AWS_ROOTS,
            "logged": logged,
            "role": "model",
            "at": at,
        }
        return appraise(evidence, **arguments | changes)


SESSION = ("binding", "unused-fields")


def test_verdicts(shared: Path, nitro: Path) -> None:
    """This module covers every document of the index."""
    entries = json.loads((shared / "attestation" / "index.json").read_text())["files"]
    documents = {e["file"].partition("/")[2] for e in entries if e["file"].startswith("nitro/") and "doc" in e["what"]}
    assert documents == {GOOD, DEBUG, SELF_SIGNED}


def test_good(nitro: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    evidence = document(nitro, GOOD)
    verified = decide(evidence, monkeypatch, *SESSION)
    assert verified.module_id == "i-0a22e5c5f24d22174-enc0191cceb4289903f"
    assert len(verified.pcrs) == 16
    with pytest.raises(UntrustedError, match="another session"):
        decide(evidence, monkeypatch)
    with pytest.raises(UntrustedError, match="another protocol"):
        decide(evidence, monkeypatch, "binding")
    for at in (verified.not_before - 1, verified.timestamp // 1000 + 3 * 3600 + 60):
        with pytest.raises(ExpiredError):
            decide(evidence, monkeypatch, *SESSION, at=at)


def test_debug(nitro: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(PolicyError, match="debug enclave"):
        decide(document(nitro, DEBUG), monkeypatch, *SESSION)
    decide(document(nitro, DEBUG), monkeypatch, *SESSION, "debug")


def test_self_signed(nitro: Path) -> None:
    """A look-alike: no bundle, a null header, a timestamp in seconds and text for registers."""
    evidence = document(nitro, SELF_SIGNED)
    with pytest.raises(DecodeError, match="unprotected header"):
        Document.decode(evidence)
    payload = cose.decode(evidence, "message")[2]
    fields = cose.decode_foreign(payload, "payload")
    with pytest.raises(UntrustedError, match="not a pinned root"):
        verify_chain(fields["certificate"], (fields["certificate"],), roots=AWS_ROOTS, at=1713379906)


def test_pinned_root(nitro: Path) -> None:
    found = Document.decode(document(nitro, GOOD))
    assert (hashlib.sha256(found.cabundle[0]).digest(),) == AWS_ROOTS.pins
    pem = (nitro / "evervault_nitro.pem").read_text()
    assert base64.b64decode("".join(pem.split("-----")[2].split())) == found.cabundle[0]


def test_changed(nitro: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The signature is last but 96 bytes; the payload starts after 8."""
    evidence = document(nitro, GOOD)
    for offset in (*range(8, len(evidence), 211), len(evidence) - 1):
        changed = bytearray(evidence)
        changed[offset] ^= 1
        with pytest.raises(PeerError):
            decide(bytes(changed), monkeypatch, *SESSION)
    swapped = evidence[:-96] + document(nitro, DEBUG)[-96:]
    with pytest.raises(SignatureError):
        decide(swapped, monkeypatch, *SESSION)
