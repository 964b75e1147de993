"""The documents: their code runs, and what they state of the library's constants is so."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from sybil.document import Document
from sybil.parsers.markdown import PythonCodeBlockParser

import privproc
from privproc import cose, keyconfig, keypackage, ratls, responsekey, tokens
from privproc.attestation.binder import Binding, Direction, exporter_context
from privproc.attestation.certificate import MAX_CERTIFICATE
from privproc.attestation.forwarded import AHEAD, BACK_END
from privproc.attestation.message import MAX_DEVICES, MEDIA_TYPE
from privproc.attestation.nodekey import node_digest, node_report_data
from privproc.attestation.nvidia.report import MAX_REPORT
from privproc.attestation.snp import appraisal
from privproc.attestation.snp.policy import Floor, IdBlock
from privproc.attestation.snp.rules import GuestRules, PlatformRules
from privproc.chunks import MAX_CHUNKS, TAG_LENGTH
from privproc.hpke import Aead, Kdf, Kem, Suite
from privproc.ledger import SKEW, Entry, checkpoint
from privproc.ledger.merkle import leaf_hash
from privproc.ohttp import problems
from privproc.ratls import authenticator, client, mutual
from privproc.responsekey import answer, request
from privproc.responsekey import wrapped as wrapped_keys
from privproc.responsekey.wrapped import SEALED_LENGTH
from privproc.secret import Secret
from privproc.session import contents, directory, frames, gateway, messages, pipe, profile, transcript, wrapped
from privproc.tagged import tagged_hash
from privproc.tokens import possession
from privproc.tokens.directory import MAX_SIZE as MAX_ISSUER_DIRECTORY

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
DOCUMENTS = [ROOT / "README.md", *sorted(path for path in DOCS.rglob("*.md") if "_build" not in path.parts)]
SOURCES = sorted(Path(privproc.__file__).parent.rglob("*.py"))
PROTOCOL = (DOCS / "protocol.md").read_text()

FENCE = re.compile(r"^(?P<indent>[ \t>]*)(?P<ticks>`{3,}|~{3,})(?P<info>[^\n`]*)$", re.MULTILINE)
OTHER_FENCES = {"nginx", "", "{toctree}", "{eval-rst}", "text", "console", "toml"}


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def fences(text: str) -> Iterator[tuple[str, str]]:
    """Indentation and info string of every fenced block; a fence inside of another block doesn't count."""
    closing = None
    for match in FENCE.finditer(text):
        ticks, info = match["ticks"], match["info"].strip()
        if closing is None:
            yield match["indent"], info
            closing = ticks
        elif not info and ticks.startswith(closing):
            closing = None
    assert closing is None, "a fence is not closed"


@cache
def run(path: Path) -> dict[str, Any]:
    """Run the Python of a document, top to bottom in one namespace, and return that."""
    document = Document.parse(str(path), PythonCodeBlockParser(), encoding="utf-8")
    for example in document.examples():
        example.evaluate()
    return document.namespace


@pytest.mark.parametrize("path", DOCUMENTS, ids=named)
def test_code_runs(path: Path) -> None:
    run(path)


@pytest.mark.parametrize("path", DOCUMENTS, ids=named)
def test_no_code_is_passed_over(path: Path) -> None:
    """Every fence is Python at the left margin, or of a kind that is known not to be Python."""
    text = path.read_text()
    found = list(fences(text))
    python = [indent for indent, info in found if info == "python"]
    assert not any(python), "an indented block of Python isn't run"
    assert {info for _, info in found} - {"python"} <= OTHER_FENCES
    document = Document.parse(str(path), PythonCodeBlockParser(), encoding="utf-8")
    assert len(list(document.examples())) == len(python)
    assert ">>>" not in text
    assert not re.search(r"<!-+\s*(skip|invisible)|^%\s*skip|^;\s*skip", text, re.MULTILINE)


def test_fences_are_seen() -> None:
    assert list(fences("```python\nx\n```\n  ~~~py\n```\n~~~\n````{note}\n```python\n```\n````\n")) == [
        ("", "python"),
        ("  ", "py"),
        ("", "{note}"),
    ]


@pytest.mark.parametrize("path", DOCUMENTS, ids=named)
def test_links_lead_somewhere(path: Path) -> None:
    prose = re.sub(r"```.*?```|`[^`]*`", "", path.read_text(), flags=re.DOTALL)
    for target in re.findall(r"(?:\]\(|\bsrc(?:set)?=\")([^)\"\s]+)", prose):
        if not target.startswith(("https://", "#")):
            assert (path.parent / target.partition("#")[0]).exists(), target


# protocol.md against the code.


def rows(heading: str, width: int) -> list[list[str]]:
    """The cells of all table rows of the section with that heading, head rows included."""
    section = PROTOCOL.split(f"\n{heading}\n", 1)[1]
    section = re.split(r"\n###? ", section, maxsplit=1)[0]
    split = [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line[:1] == "|"]
    return [cells for cells in split if len(cells) == width and set("".join(cells)) - {"-"}]


def test_sections_that_the_code_cites_exist() -> None:
    sections = set(re.findall(r"^#{2,3} ([0-9]+(?:\.[0-9]+)?)\.? ", PROTOCOL, re.MULTILINE))
    cited: set[str] = set()
    for source in SOURCES:
        for sentence in re.findall(r"docs/\s*protocol\.md((?:,? (?:and |to )?§[0-9.]*[0-9])*)", source.read_text()):
            cited |= set(re.findall(r"§([0-9.]*[0-9])", sentence))
    assert cited
    assert cited <= sections
    own = re.sub(r"(RFC|draft|AMD)[^§|;]{,40}§[0-9.]+", "", PROTOCOL)
    assert set(re.findall(r"§([0-9.]*[0-9])", own)) <= sections


def test_every_label_is_listed() -> None:
    cells = [row[0] for row in rows("## 2. Transcript and binder", 3)[1:]]
    listed = {label for cell in cells for label in re.findall("`([^`]+)`", cell)}
    used = {label for source in SOURCES for label in re.findall(r'tagged_hash\(\s*"([^"]+)"', source.read_text())}
    assert used - listed == set()
    assert listed - used == set()


def test_every_export_is_listed() -> None:
    contexts = {cells[0].strip("`") for cells in rows("## 2. Transcript and binder", 4)}
    assert {transcript.OUTER_EXPORT.decode(), transcript.CONTINUE_EXPORT.decode(), "privproc/1 req"} <= contexts
    assert "privproc/1 wrapped" in contexts
    assert {"attest", "keys", "message/bhttp response"} <= contexts
    assert all(f"`{label}`" in PROTOCOL for label in ("attest", "keys"))


def test_suites() -> None:
    cells = rows("## 1. Notation", 8)[1:]
    sizes = [(int(row[1][:6], 16), int(row[2][:6], 16), int(row[3][:6], 16), *map(int, row[4:])) for row in cells]
    assert sizes == [
        (suite.kem, suite.kdf, suite.aead, suite.kem.Nenc, suite.kem.Npk, suite.aead.Nk, suite.aead.Nn)
        for suite in profile.SUITES
    ]


def test_the_client_hello() -> None:
    size, session_id, groups, shares, algorithms, extensions = client._PROFILE
    written = {row[0].partition(",")[0]: row[1] for row in rows("### 4.2 TLS inside", 2)}
    numbers = {
        name: [int(number, 0) for number in re.findall("0x[0-9A-F]+|[0-9]+", cell)] for name, cell in written.items()
    }
    assert numbers == {
        "records": [size],
        "legacy_session_id": [session_id],
        "extensions": list(extensions),
        "supported_groups": list(groups),
        "key_share": [number for share in shares for number in share],
        "signature_algorithms": list(algorithms),
    }


@pytest.mark.parametrize("group", ratls.Group)
def test_the_bytes_of_the_client_hello(group: ratls.Group) -> None:
    template = PROTOCOL.split("```text\n160301", 1)[1].split("```", 1)[0]
    written = re.sub(r"\[[a-z_]+ ([0-9]+)\]", lambda match: "." * 2 * int(match[1]), f"160301{template}")
    assert re.fullmatch("".join(written.split()), ratls.connect(group)[0].hex())


def test_the_checks_of_a_report() -> None:
    names = [cells[1].strip("`") for cells in rows("### 4.8 Appraisal", 4)[1:]]
    assert names == [name for name, _ in appraisal._CHECKS]
    assert f"the {len(names)} checks below" in PROTOCOL


def test_the_states_of_a_channel() -> None:
    head, *body = rows("### 9.4 TLS channel", 7)
    written = {row[0]: {name: state for name, state in zip(head[1:], row[1:], strict=True) if state} for row in body}
    assert written == {
        state.name: {happened.name: after.name for happened, after in edges.items()}
        for state, edges in ratls.TRANSITIONS.items()
    }


def test_the_states_of_a_pipe() -> None:
    head, *body = rows("### 9.1 Device", 9)
    written = {row[0]: {name: state for name, state in zip(head[1:], row[1:], strict=True) if state} for row in body}
    assert written == {
        state.name: {happened.name: after.name for happened, after in edges.items()}
        for state, edges in pipe.TRANSITIONS.items()
    }


LIMITS: dict[str, list[int]] = {
    "Open": [messages.OPEN_SIZE],
    "ClientHello": [ratls.MAX_CLIENT_HELLO],
    "server flight": [ratls.MAX_FLIGHT],
    "client's flight": [ratls.MAX_CLIENT_FLIGHT],
    "parts of Offer and Opened": [messages._PART_LIMIT],
    "names": [messages._NAME_LIMIT],
    "names in the directory": [contents._NAME_LIMIT],
    "items of a list, devices and back ends among them": list({messages._ITEMS_LIMIT, MAX_DEVICES}),
    "evidence of a device": [MAX_REPORT, MAX_CERTIFICATE],
    "records of Continue and Continued, and of one request in a pipe": [messages.RECORDS_LIMIT],
    "records of a flight between enclaves": [mutual.MAX_MUTUAL_FLIGHT],
    "request and authenticator of RFC 9261": [authenticator.MAX_AUTHENTICATOR],
    "requests on one connection": [authenticator.MAX_CONTEXTS],
    "certificate in Endorsements": [MAX_CERTIFICATE],
    "enc, e, one-time key": [request._ENC_LIMIT],
    "plaintext of a request": list(responsekey.REQUEST_SIZES),
    "plaintext of a chunk": list(answer.CHUNK_SIZES),
    "chunks of an answer": [MAX_CHUNKS],
    "answer sizes": [profile.ANSWER_SIZES[0], profile.ANSWER_SIZES[-1]],
    "encapsulated request": [gateway.MAX_REQUEST],
    "first request": list(contents._UP),
    "first answer": list(contents._DOWN),
    "COSE message": [cose.MAX_SIZE],
    "Published parts": [directory._PACKAGE_LIMIT],
    "key configurations": [keyconfig.MAX_LIST],
    "issuer's directory": [MAX_ISSUER_DIRECTORY],
    "signed note": [checkpoint.MAX_NOTE],
    "first answer after the request's making": [profile.LEASE],
    "second request after the first answer": [profile.LEASE],
    "first handle": [profile.LEASE],
    "first request after Open": [profile.WAIT],
    "later handles, enclave's wait for the next request": [profile.IDLE],
    "announcement": [profile.LIFETIME],
    "requests of an announcement": [profile.REQUESTS],
    "attestations of a TLS session": [profile.ATTESTATIONS],
    "frame": [frames._LIMIT],
    "new evidence": list(messages.RENEWAL_SIZES),
    "grace of the last epoch at the gateway": [gateway.GRACE],
    "cosignature ahead of the clock": [SKEW],
    "records under one TLS key": [ratls.MAX_RECORDS],
}


def test_limits() -> None:
    written = {row[0]: [int(number) for number in re.findall(r"[0-9]+", row[1])] for row in rows("## 8. Limits", 3)[1:]}
    assert written == LIMITS
    assert f"opaque ciphertext<{answer.CHUNK_SIZES[0] + TAG_LENGTH}..{answer.CHUNK_SIZES[-1] + TAG_LENGTH}>" in PROTOCOL
    assert answer.CHUNK_SIZES == (256, 1024, 4096, 16336)
    assert len(profile.ANSWER_SIZES) == 11


def test_limits_of_wrapped_mode() -> None:
    written = {
        row[0]: [int(number) for number in re.findall(r"[0-9]+", row[1])] for row in rows("### 14.8 Limits", 3)[1:]
    }
    assert written == {
        "nodes of a request": list(wrapped.profile.WRAPS),
        "passports of a roster": [wrapped.messages._PASSPORTS_LIMIT],
        "life of a node's key": [wrapped.profile.LONGEST],
        "end of its use by devices, before that": [wrapped.profile.MARGIN],
        "Head": [wrapped.messages.HEAD_SIZE],
        "sealed secret": [SEALED_LENGTH],
        "parts of a passport": [wrapped.messages._PART_LIMIT],
        "node's key, enc": [wrapped.messages._KEY_LIMIT],
    }


def test_texts_of_the_wire() -> None:
    for text in (
        wrapped.profile.WRAPPED_PATH,
        profile.OPEN_PATH,
        profile.CONTINUE_PATH,
        profile.PROOF_FIELD.decode(),
        profile.OHTTP_REQUEST.decode(),
        profile.OHTTP_RESPONSE.decode(),
        directory.PURPOSE,
        directory.package_role(directory.PURPOSE, 20833),
        keypackage.TYPE,
        problems.OHTTP_KEY,
        f"status {profile.REFUSED}",
        MEDIA_TYPE,
        f"type 0x{BACK_END:04x}",
        f"here it is 0x{authenticator.CMW_ATTESTATION:04X}",
        f"good from {AHEAD} s before",
        f"0x{ratls.CIPHER_SUITE:04X}",
        *(f"0x{group:04X} {group.name}" for group in ratls.Group),
        f"0x{tokens.ED25519:04x}",
        f"uint16 {possession.STATEMENT_SIZE} || pop",
    ):
        assert text in PROTOCOL, text
    for key in (contents._FIELDS | contents._SERVICE | contents._BESIDE) - {"role"}:
        assert f"| `{key}` |" in PROTOCOL, key


def test_the_policy() -> None:
    flat = " ".join(PROTOCOL.split())
    assert ", ".join(GuestRules._places) in flat
    assert ", ".join(PlatformRules._places) in flat
    assert "floors<29..87>" in PROTOCOL
    floor = flat.partition("} Floor;")[0].rpartition("struct {")[2]
    places = [floor.index(name) for name in Floor.__dataclass_fields__]
    assert places == sorted(places)
    *digests, _ = IdBlock.__dataclass_fields__
    assert ", ".join(f"{name}[{size}]" for name, size in zip(digests, (48, 48, 16, 16), strict=True)) in flat


def test_problems() -> None:
    for (kind, place), problem in problems.TABLE.items():
        if place is problems.Place.BEFORE_DECAPSULATION:
            assert f"| {problem.status}," in PROTOCOL, kind
    assert (
        f"{profile.ANSWER_SIZES[0]}, the least answer size, once it is seen to be a `continue` or a `wrapped`"
        in PROTOCOL
    )


@pytest.fixture
def known() -> dict[str, Any]:
    """The known answers of §13, as the document computes them."""
    return run(DOCS / "protocol.md")


def test_known_answers_of_the_transcript(known: dict[str, Any]) -> None:
    suite = Suite(Kem.X25519_SHA256, Kdf.HKDF_SHA256, Aead.AES_128_GCM)
    assert known["T"]("open", b"a", b"bc") == tagged_hash("open", b"a", b"bc")
    assert known["nonce"] == possession._nonce(known["pop"])
    ids = b"".join(part.to_bytes(2, "big") for part in (suite.kem, suite.kdf, suite.aead))
    args = known["key_config"], ids, known["enc"], Secret(known["oexp"]), known["token"], known["pop"]
    assert known["outer"] == transcript.outer(*args)
    assert tokens.Token.decode(known["token"]).nonce == known["nonce"]
    assert known["th1"] == transcript.opened(known["pkg"], known["outer"], known["opening"])
    sev_snp = messages.EvidenceFormat.SEV_SNP
    assert known["th2"] == transcript.attested(known["th1"], known["report_data"], sev_snp, known["evidence"])
    mac = transcript.continuation_mac(Secret(b"\xdd" * 48), known["handle"], 0, known["enc"], known["records"])
    assert known["mac"] == mac


def test_known_answers_of_messages(known: dict[str, Any]) -> None:
    message = messages.Open.decode(known["opening"])
    assert message.encode() == known["opening"]
    assert message.suites == tuple((suite.kem, suite.kdf, suite.aead) for suite in profile.SUITES)
    announcement = responsekey.Announcement.decode(known["ann"])
    assert (announcement.max_requests, announcement.lifetime) == (1, 60)
    entry = Entry("example/enclaves", "summarise", b"\5" * 48, 1_800_000_000, 7)
    assert entry.encode() == known["entry"]
    assert leaf_hash(entry.encode()).hex() in PROTOCOL


def test_known_answers_of_the_binder(known: dict[str, Any]) -> None:
    binding = Binding(
        direction=Direction.SERVER_TO_CLIENT,
        sequence=0,
        role="summarise",
        th1=known["th1"],
        exporter=Secret(known["ekm"]),
        leaf=known["leaf"],
        peer=b"",
        announcement=known["ann"],
    )
    assert binding.pre == known["pre"]
    assert binding.report_data([]) == known["report_data"]
    assert exporter_context(Direction.SERVER_TO_CLIENT, 0, known["th1"]).hex() in PROTOCOL


def test_known_answers_of_request_and_answer(known: dict[str, Any]) -> None:
    suite = Suite(Kem.X25519_SHA256, Kdf.HKDF_SHA256, Aead.AES_128_GCM)
    context = request.Context(known["th2"], 0, b"", Secret(b"\1" * 48))
    assert request.exporter_context(known["th2"], 0).hex() in PROTOCOL
    assert context.info.hex() in PROTOCOL
    keys = request._schedule(context, suite, Secret(b"\2" * 48))
    assert (keys.prk, keys.key, keys.iv) == (known["prk"], known["request_key"], known["request_iv"])
    assert context.th3(known["enc"], b"ciphertext") == known["th3"]
    found = answer._schedule(suite, known["prk"], known["th3"], known["e"], Secret(known["shared"]))
    assert found == (known["answer_key"], known["answer_iv"])


def test_known_answers_of_wrapped_mode(known: dict[str, Any]) -> None:
    said = wrapped.Statement.decode(known["statement"])
    assert said.encode() == known["statement"]
    assert (node_digest(said.encode()), node_report_data(said.encode())) == (known["node"], known["node_report_data"])
    head = wrapped.messages.Head.decode(known["head"])
    assert head.encode() == known["head"]
    head.check_body(known["body"])
    assert transcript.wrapped(known["pkg"], known["outer"], known["head"]) == known["thw"]
    assert wrapped_keys._info(known["thw"], 0, known["node"]).hex() in PROTOCOL
    suite = Suite(Kem.X25519_SHA256, Kdf.HKDF_SHA256, Aead.AES_128_GCM)
    assert wrapped_keys._body_keys(suite, known["cs"]) == (known["body_key"], known["body_iv"])
    wrap = wrapped_keys.Wrap(known["enc"], b"\x08" * 64)
    asked = wrapped_keys._asked(known["cs"], Secret(b"\2" * 48), wrap, known["thw"], 0)
    assert asked == (known["wrapped_prk"], known["wrapped_th3"])


# The other pages.


def test_every_vector_file_is_in_the_conformance_table() -> None:
    text = (DOCS / "conformance.md").read_text()
    assert set(re.findall(r"`([a-z0-9_]+\.json)`", text)) == {path.name for path in (ROOT / "vectors").glob("*.json")}


def test_every_module_is_in_the_api() -> None:
    """What has names to export is listed: modules, packages, and the packages inside of those."""
    pages = "".join(path.read_text() for path in (DOCS / "api").glob("*.md"))
    listed = set(re.findall(r"^\.\. automodule:: privproc\.([a-z0-9.]+)$", pages, re.MULTILINE))
    for found in pkgutil.walk_packages(privproc.__path__, "privproc."):
        name = found.name.removeprefix("privproc.")
        inner = "." in name and not found.ispkg
        if not inner and not name.startswith("_") and getattr(importlib.import_module(found.name), "__all__", ()):
            assert name in listed, name


def test_every_decision_is_listed() -> None:
    index = (DOCS / "decisions" / "index.md").read_text()
    pages = sorted(path.stem for path in (DOCS / "decisions").glob("0*.md"))
    assert re.findall(r"^(0.*)$", index, re.MULTILINE) == pages
