"""``privproc inspect``: what it says of every published and own vector, and of what nobody knows."""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from privproc import cose, keypackage, tokens
from privproc.attestation import cmw
from privproc.attestation.snp import Product
from privproc.cli.inspect import names
from privproc.cli.inspect.formats import FORMATS, Strength, describe, fitting
from privproc.cli.main import main
from privproc.errors import PeerError
from privproc.ledger import Entry
from privproc.secret import Secret
from tests.world.amd import FakeAmd, old_fields
from tests.world.eat import Entity

VECTORS = Path(__file__).resolve().parent.parent / "vectors"
BY_NAME = {it.name: it for it in FORMATS}


def cases(name: str) -> list[dict[str, Any]]:
    return [case for case in json.loads((VECTORS / f"{name}.json").read_text())["cases"] if case["expect"] == "ok"]


def unhex(value: str) -> bytes:
    return bytes.fromhex(value)


def found() -> Iterator[tuple[str, bytes]]:
    """What the vectors hold, by the type that it must be found to be."""
    for case in cases("rfc9458"):
        yield "key-config", unhex(case["key_config"])
        yield "ohttp-request", unhex(case["encapsulated_request"])
        yield "ohttp-response", unhex(case["encapsulated_response"])
        yield "binary-request", unhex(case["request"])
        yield "binary-response", unhex(case["response"])
    for case in cases("chunked_ohttp_08"):
        yield "chunked-request", unhex(case["encapsulated_request"])
        yield "chunked-response", unhex(case["encapsulated_response"])
    for case in cases("rfc9292"):
        if case["type"] in {"request", "response"}:
            yield f"binary-{case['type']}", unhex(case["message"])
    for case in cases("keyconfig"):
        yield "key-configs" if case["form"] == "list" else "key-config", unhex(case["data"])
    for name in ("rfc9578_type1", "rfc9578_type2"):
        for case in cases(name):
            yield "token", unhex(case["token"])
            yield "challenge", unhex(case["token_challenge"])
            yield "token-request", unhex(case["token_request"])
            yield "token-response", unhex(case["token_response"])
    for name in ("batched_amortized_type1", "batched_amortized_type5"):
        yield from (("batch-request", unhex(case["token_request"])) for case in cases(name))
    yield from (("generic-batch-request", unhex(case["token_request"])) for case in cases("batched_generic"))
    yield from (("www-authenticate", case["www_authenticate"].encode()) for case in cases("rfc9577_headers"))
    for case in cases("checkpoint") + cases("checkpoint_mldsa"):
        yield "note", case["note"].encode()
    yield from (("log-proof", case["proof"].encode()) for case in cases("ledger"))
    yield from (("oak-endorsement", case["endorsement"].encode()) for case in cases("oak"))
    yield from (("nvidia-rim", case["rim"].encode()) for case in cases("rim"))
    yield from (("signers", unhex(case["data"])) for case in cases("signers"))
    yield from (("tdx-quote", unhex(case["evidence"])) for case in cases("tdx"))
    yield from (("sgx-quote", unhex(case["evidence"])) for case in cases("sgx"))
    yield from (("nitro-document", unhex(case["evidence"])) for case in cases("nitro"))
    for case in cases("nvidia"):
        for device in case["devices"]:
            yield "nvidia-evidence", unhex(device["evidence"])
            yield "nvidia-report", reported(unhex(device["evidence"]))
    yield from (("cmw", unhex(case["data"])) for case in cases("cmw"))
    yield from (("eat", unhex(case["token"])) for case in cases("eat_token") if "jwt" not in case["id"])
    yield from (("corim", unhex(case["data"])) for case in cases("corim") + cases("corim_signed"))
    for case in cases("keypackage"):
        yield "package", unhex(case["copies"][0]["data"])
    for case in cases("privproc1_message"):
        kind = {"Entry": "log-entry"}.get(case["type"], case["type"].lower())
        # What is inside of these is arbitrary there, so they only pass for what they are when told to.
        if kind not in {"forward", "opened", "published"}:
            yield kind, unhex(case["encoded"])
    for case in cases("privproc1_beside"):
        yield "directory", unhex(case["contents"])
        yield "offer", offered(case)
    for case in cases("privproc1_run"):
        sealed = unhex(case["answer"]["e"])
        yield "directory", unhex(case["contents"])
        yield "opened", opened(case)
        yield "certificate", unhex(case["endorsements"])[3:][: int(case["endorsements"][:6], 16)]
        yield "open", unhex(case["transcript"]["open"])
        yield "sealed-request", unhex(case["request"]["sealed"])
        yield "snp-endorsements", unhex(case["endorsements"])
        yield "forward", unhex(case["forward"])
        yield "package", unhex(case["transcript"]["signed_package"])
        chunks = [unhex(chunk["wire"]) for chunk in case["answer"]["chunks"]]
        yield "sealed-answer", len(sealed).to_bytes(4, "big") + sealed + b"".join(chunks)


def offered(case: dict[str, Any]) -> bytes:
    """An offer with devices and a back end, around a flight that stands for a real one."""
    items = [each["type"].to_bytes(2, "big") + unhex(each["evidence"]) for each in case["devices"]]
    parts = lp(b"flight") + lp(unhex(case["announcement"])) + unhex("0001") + lp(unhex(case["evidence"]))
    return parts + len(items).to_bytes(2, "big") + b"".join(map(lp, items))


def opened(case: dict[str, Any]) -> bytes:
    """The gateway's first answer, of a real offer and what the host staples."""
    parts = case["transcript"]
    offer = lp(unhex(case["flight"])) + lp(unhex(parts["announcement"]))
    offer += unhex("0001") + lp(unhex(parts["evidence"])) + unhex("0000")
    return bytes(range(32)) + lp(offer) + lp(unhex(case["endorsements"])) + lp(unhex(case["log_proof"]))


def reported(evidence: bytes) -> bytes:
    """The report in a device's evidence."""
    return evidence[2:][: int.from_bytes(evidence[:2], "big")]


def lp(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data


CORPUS = list(found())
BESIDE = cases("privproc1_beside")[0]


def leaves(rows: list[Any]) -> list[tuple[int, int]]:
    return [(leaf.offset, leaf.size) for row in rows for leaf in row.leaves()]


@pytest.mark.parametrize(("kind", "data"), CORPUS, ids=[f"{kind}-{at}" for at, (kind, _) in enumerate(CORPUS)])
def test_every_vector_is_recognised_and_each_byte_shown_once(kind: str, data: bytes) -> None:
    fits = fitting(data)
    assert fits[0].error is None
    assert fits[0].format.name == kind or BY_NAME[kind].strength is Strength.SIZE, [
        fit.format.name for fit in fits if fit.error is None
    ]
    rows, error = describe(BY_NAME[kind], data, reveal=False)
    assert error is None
    at = 0
    for offset, size in leaves(rows):
        assert offset == at, rows
        at += size
    assert at == len(data)


def test_every_format_is_in_the_corpus() -> None:
    """But for those that the tests below make."""
    made = {"authorization", "verifier-key", "issuer-directory", "checkpoint", "published", "cose"}
    made |= {"snp-report"}
    assert {it.name for it in FORMATS} - {kind for kind, _ in CORPUS} == made


@given(st.sampled_from(FORMATS), st.binary(max_size=300), st.sampled_from(CORPUS), st.data())
@settings(max_examples=400)
def test_whatever_comes_is_shown_as_far_as_it_goes(which: Any, noise: bytes, known: Any, data: st.DataObject) -> None:
    kind, good = known
    which = data.draw(st.sampled_from([which, BY_NAME[kind]]))
    cut = data.draw(st.integers(0, min(len(good), 3000)))
    for text in (noise, good[:cut] + noise, good[:cut] + noise[:1] + good[cut + 1 :]):
        rows, error = describe(which, text, reveal=True)
        assert error is None or isinstance(error, PeerError)
        if rows and error is not None and leaves(rows):
            assert max(offset + size for offset, size in leaves(rows)) <= len(text)


# The command.


def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, stdin: bytes, *arguments: str) -> Any:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(stdin)))
    status = main(["inspect", *arguments])
    out, err = capsys.readouterr()
    return status, out, err


@pytest.fixture
def inspect(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    return lambda stdin, *arguments: run(capsys, monkeypatch, stdin, *arguments)


TOKEN = unhex(cases("rfc9578_type2")[0]["token"])
REQUEST = unhex(cases("rfc9458")[0]["encapsulated_request"])


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("hex", REQUEST.hex().encode()),
        ("hex", b"0x" + REQUEST.hex().upper().encode() + b"\n"),
        ("hex", REQUEST.hex(":").encode()),
        ("hex", b"\n".join(REQUEST[at : at + 16].hex(" ").encode() for at in range(0, len(REQUEST), 16))),
        ("base64", base64.encodebytes(REQUEST)),
        ("base64", base64.b64encode(REQUEST).rstrip(b"=")),
        ("base64url", base64.urlsafe_b64encode(REQUEST + b"\xff\xff\xff")),
        ("raw", REQUEST),
        ("pem", b"-----BEGIN MESSAGE-----\n" + base64.encodebytes(REQUEST) + b"-----END MESSAGE-----\n"),
    ],
)
def test_encodings_are_found_out(inspect: Any, encoding: str, text: bytes) -> None:
    status, out, _ = inspect(text, "--json")
    report = json.loads(out)
    assert (status, report["type"], report["encoding"]) == (0, "ohttp-request", encoding)
    assert inspect(text, "--json", "--from", encoding)[1] == out


def test_an_encoding_that_it_isnt(inspect: Any) -> None:
    status, out, _ = inspect(b"no hex", "--from", "hex")
    assert status == 1
    assert "not hex" in out


def test_text_has_offsets_and_sizes(inspect: Any) -> None:
    status, out, _ = inspect(REQUEST.hex().encode())
    assert status == 0
    assert out.startswith("standard input: encapsulated request (RFC 9458 §4.1), 80 bytes, hex\n")
    assert re.search(r"^ +7 +32  enc +4b28f881", out, re.MULTILINE)
    assert re.search(r"^ +39 +41  ciphertext and tag +6374e4", out, re.MULTILINE)


def test_nothing_that_can_be_spent_is_shown(inspect: Any) -> None:
    nonce, authenticator = TOKEN[2:34].hex(), TOKEN[-256:].hex()
    field = b"Authorization: " + tokens.Token.decode(TOKEN).authorization()
    for text in (TOKEN.hex().encode(), field):
        for flags in ((), ("--json",)):
            status, out, _ = inspect(text, *flags)
            assert status == 0
            assert nonce[:16] not in out
            assert authenticator[:16] not in out
            assert base64.urlsafe_b64encode(TOKEN)[:48].decode() not in out
            assert TOKEN[34:66].hex() in out  # the challenge's digest is what people compare
    assert nonce in inspect(TOKEN.hex().encode(), "--reveal", "--json")[1]


def test_handles_content_and_credentials_are_not_shown(inspect: Any) -> None:
    continued = next(unhex(case["encoded"]) for case in cases("privproc1_message") if case["type"] == "Continued")
    assert continued[:32].hex()[:16] not in inspect(continued.hex().encode())[1]
    message = b"\x00\x04POST\x05https\x01a\x01/" + b"\x18\x06cookie\x03s=1\x06x-thin\x05plain" + b"\x06secret"
    status, out, _ = inspect(message)
    assert status == 0
    assert "plain" in out
    assert "s=1" not in out
    assert "secret" not in out
    assert (
        "secret" in bytes.fromhex(json.loads(inspect(message, "--json", "--reveal")[1])["rows"][-2]["value"]).decode()
    )


def test_what_is_beside_evidence(inspect: Any) -> None:
    status, out, _ = inspect(offered(BESIDE).hex().encode())
    assert status == 0
    for pattern in (
        r"type +0x0001  GPU",
        r"boot ROM certificate$",
        r"type +0x0100  back end",
        r"role +model",
        r"since +0x000000006b49d200  2027-01-15 08:00:00Z",
        r"VCEK or VLEK$",
    ):
        assert re.search(pattern, out, re.MULTILINE), pattern
    assert len(re.findall(r"type +0x0001  GPU", out)) == 3
    assert "subject" in out
    other = {**BESIDE, "devices": [{"type": 9, "evidence": "ff"}]}
    assert re.search(r"type +0x0009  not known here\n.*ff$", inspect(offered(other).hex().encode())[1], re.MULTILINE)
    _, out, _ = inspect(unhex(BESIDE["contents"]).hex().encode())
    assert "policy for devices" in out
    assert re.search(r"back ends +1 elements", out)


GPU = unhex(cases("nvidia")[0]["devices"][0]["evidence"])


def test_evidence_of_a_device(inspect: Any) -> None:
    for data, first in ((GPU, 2), (reported(GPU), 0)):
        status, out, _ = inspect(data.hex().encode())
        assert status == 0
        for pattern in (
            rf"^ +{first} +1 +SPDM version +0x11  1\.1$",
            rf"^ +{first + 1} +1 +code +0xe0  GET_MEASUREMENTS$",
            rf"^ +{first + 4} +32 +nonce +[0-9a-f]+$",
            r"^ +\d+ +48 +measurement 64 +[0-9a-f]{48}\.\.\.",
            r"^ +driver's version +590\.12$",
            r"^ +firmware's version +96\.00\.A5",
            r"^ +\d+ +48 +firmware id ",
        ):
            assert re.search(pattern, out, re.MULTILINE), pattern
    report = json.loads(inspect(GPU, "--json")[1])
    assert (report["type"], report["source"]) == ("nvidia-evidence", "privproc/1 §4.11")
    (request, *_) = report["rows"][1]["rows"]
    assert request["rows"][4] == {"name": "nonce", "offset": 6, "size": 32, "value": GPU[6:38].hex()}


def test_a_device_of_which_a_part_is_missing(inspect: Any) -> None:
    for data, kind, said in ((GPU[:-1], "nvidia-evidence", "root certificate"), (GPU[2:900], "nvidia-report", "nonce")):
        status, out, _ = inspect(data, "--as", kind)
        assert status == 1
        assert said in out
        assert re.search(r"^wrong: ", out, re.MULTILINE)


def test_wrappers(inspect: Any) -> None:
    by_id = {case["id"]: unhex(case["data"]) for case in cases("cmw")}
    for name, patterns in {
        "json-collection": (
            r"^ +collection's type +tag:example\.org,2026:machine$",
            r"^ +\d+ +3 +label +cpu$",
            r"^ +\d+ +19 +type +application/eat\+jwt$",
            r"^ +\[0\] +3 +bytes +0a0b0c$",
            r"^ +indicator +4  evidence$",
        ),
        "cbor-media-type": (
            r"^ +2 +19 +type +application/eat\+cwt$",
            r"^ +22 +3 +bytes +0a0b0c$",
            r"^ +25 +1 +value +12  evidence, attestation results$",
        ),
        "cbor-tag": (r"CMW +tag 1668576935, content format 30001$", r"^ +6 +3 +bytes +0a0b0c$"),
        "cbor-collection": (
            r"collection's type +2\.999\.1$",
            r"type +30001$",
            r"-1 +tag 1668546817, content format 0$",
        ),
    }.items():
        status, out, _ = inspect(by_id[name])
        assert status == 0
        assert "Conceptual Message Wrapper (RFC 9999 §3)" in out
        for pattern in patterns:
            assert re.search(pattern, out, re.MULTILINE), (pattern, out)
    report = json.loads(inspect(by_id["json-record"], "--json")[1])
    value = next(row for row in report["rows"] if row["name"] == "value")
    assert (value["value"], value["offset"]) == ("0a0b0c", 24)


def test_evidence_in_a_wrapper(inspect: Any) -> None:
    report = unhex(cases("privproc1_run")[0]["transcript"]["evidence"])
    for evidence, said in ((report, "guest policy"), (GPU, "driver's version"), (reported(GPU), "driver's version")):
        record = cmw.Record("application/octet-stream", evidence)
        for data in (cmw.encode_json(record), cmw.encode_cbor(cmw.Collection({"a": record}))):
            status, out, _ = inspect(data)
            assert status == 0
            assert said in out


CERTIFICATE = cases("privproc1_run")[0]["endorsements"]
CERTIFICATE = unhex(CERTIFICATE)[3:][: int(CERTIFICATE[:6], 16)]


def pem(text: bytes, label: bytes = b"CERTIFICATE") -> bytes:
    return b"-----BEGIN " + label + b"-----\n" + text + b"-----END " + label + b"-----\n"


def test_a_label_says_what_to_expect(inspect: Any) -> None:
    """A certificate that is damaged is that, with its own reason, and not one of everything that it isn't."""
    for data in (CERTIFICATE[:-1], CERTIFICATE[:60], b"\x30\x00", TOKEN):
        status, out, _ = inspect(pem(base64.encodebytes(data)))
        assert status == 1
        assert out.startswith(f"standard input: X.509 certificate (RFC 5280 §4), {len(data)} bytes, pem\n")
        assert re.search(r"^wrong: certificate: ", out, re.MULTILINE)
        report = json.loads(inspect(pem(base64.encodebytes(data)), "--json")[1])
        assert report["type"] == "certificate"
        assert report["error"].startswith("certificate: ")
    assert inspect(pem(base64.encodebytes(TOKEN)), "--as", "token")[0] == 0
    assert "  Token " not in inspect(pem(base64.encodebytes(TOKEN), b"MESSAGE"))[1]
    assert inspect(pem(base64.encodebytes(TOKEN), b"MESSAGE"))[0] == 0


def test_a_block_that_is_not_base64(inspect: Any) -> None:
    good = pem(base64.encodebytes(CERTIFICATE))
    for text in (pem(b"MIIB*\n"), good[:-20], good[:200], pem(b"")):
        for whole in (text, good + text, text + good):
            status, out, _ = inspect(whole)
            assert status == 1
            assert "CERTIFICATE: not a whole block of base64" in out
            assert out.count("X.509 certificate") == whole.count(good)
    assert "reason" not in json.loads(inspect(good[:200], "--json")[1])
    assert "a private key" in inspect(pem(b"Proc-Type: 4,ENCRYPTED\n\nAAAA\n", b"RSA PRIVATE KEY"))[1]


def test_private_keys_are_refused(inspect: Any) -> None:
    text = b"-----BEGIN PRIVATE KEY-----\n" + base64.encodebytes(bytes(48)) + b"-----END PRIVATE KEY-----\n"
    for flags in ((), ("--reveal",), ("--json",)):
        status, out, _ = inspect(text, *flags)
        assert status == 1
        assert "private key" in out
        assert "AAAA" not in out


def test_why_nothing_fits(inspect: Any) -> None:
    status, out, _ = inspect(TOKEN[:-1].hex().encode())
    assert status == 1
    assert re.search(r"^  token +Token: 256 bytes wanted, 255 left \(at byte 98\)$", out, re.MULTILINE)
    report = json.loads(inspect(TOKEN[:-1].hex().encode(), "--json")[1])
    assert report["type"] is None
    assert set(report["reasons"]) | set(report["also"]) == set(BY_NAME)
    assert report["also"] == ["ohttp-response"]  # as any bytes of a size are, which is not enough


def test_a_forced_type_shows_how_far_it_goes(inspect: Any) -> None:
    status, out, _ = inspect(TOKEN[:-1].hex().encode(), "--as", "token")
    assert status == 1
    assert re.search(r"^ +66 +32  token key id", out, re.MULTILINE)
    assert re.search(r"^ +98 +255  not read", out, re.MULTILINE)
    assert out.endswith("wrong: Token: 256 bytes wanted, 255 left (at byte 98)\n")


def test_certificates_with_what_vendors_say(inspect: Any) -> None:
    endorsements = unhex(cases("privproc1_run")[0]["endorsements"])
    vcek = endorsements[3:][: int.from_bytes(endorsements[:3], "big")]
    pem = b"-----BEGIN CERTIFICATE-----\n" + base64.encodebytes(vcek) + b"-----END CERTIFICATE-----\n"
    status, out, _ = inspect(pem * 2)
    assert status == 0
    assert out.count("X.509 certificate") == 2
    assert "AMD: TCB, microcode" in out
    assert re.search(r"AMD: hardware id of the chip +1\.3\.6\.1\.4\.1\.3704\.1\.4", out)
    quote = unhex(cases("tdx")[0]["evidence"])
    chain = quote[quote.index(b"-----BEGIN") :]
    _, out, _ = inspect(chain)
    for name in ("FMSPC", "PCE-ID", "TCB component 16", "CPUSVN"):
        assert name in out


def test_evidence_in_a_certificate(inspect: Any) -> None:
    report = unhex(cases("privproc1_run")[0]["transcript"]["evidence"])
    for evidence in (report, b"\x04\x82\x04\xa0" + report):
        status, out, _ = inspect(certificate_with("1.2.840.113741.1337.6", evidence))
        assert status == 0
        assert "evidence: quote, as Intel's RA-TLS has it" in out
        assert "report data" in out
    assert "report data" not in inspect(certificate_with("1.2.840.113741.1337.6", b"other"))[1]


def test_tagged_evidence_in_a_certificate(inspect: Any) -> None:
    quote, claims = unhex(cases("sgx")[0]["evidence"]), b"\xa1\x01\x02"
    for evidence, said in (
        (quote, "MRENCLAVE"),
        (unhex(cases("tdx")[0]["evidence"]), "MRTD"),
        (b"other", "6f74686572"),
    ):
        size = len(evidence).to_bytes(2, "big") if len(evidence) > 99 else b""
        head = b"\x59" + size if size else bytes((0x40 + len(evidence),))
        value = bytes.fromhex("d9ea6082") + head + evidence + bytes((0x40 + len(claims),)) + claims
        status, out, _ = inspect(certificate_with("2.23.133.5.4.9", value))
        assert status == 0
        assert "60000  quote" in out
        assert said in out
        assert claims.hex() in out
    assert "60000" not in inspect(certificate_with("2.23.133.5.4.9", b"\xd9\xea\x60\x80"))[1]


def test_attributes_of_an_enclave(inspect: Any) -> None:
    quote = bytearray(unhex(cases("sgx")[1]["evidence"]))
    quote[96] |= 0x42
    quote[64] = 1
    _, out, _ = inspect(bytes(quote))
    assert "INIT, DEBUG, mode64bit, cet" in out
    assert "NOT ZERO" not in out
    quote[70] = 1
    assert inspect(bytes(quote))[1].count("NOT ZERO") == 1


def certificate_with(oid: str, value: bytes) -> bytes:
    from datetime import UTC, datetime

    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import Encoding

    key = ec.derive_private_key(7, ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "leaf")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(datetime(2026, 1, 1, tzinfo=UTC))
    builder = builder.not_valid_after(datetime(2027, 1, 1, tzinfo=UTC))
    builder = builder.add_extension(x509.UnrecognizedExtension(x509.ObjectIdentifier(oid), value), critical=False)
    return builder.sign(key, SHA256()).public_bytes(Encoding.DER)


def test_what_the_vectors_dont_hold(inspect: Any) -> None:
    run_ = cases("privproc1_run")[0]
    field = tokens.Token.decode(TOKEN).authorization()
    key = cases("rfc9578_type2")[0]["pkS"]
    listed = tokens.IssuerDirectory(
        "https://issuer.example/r", (tokens.TokenKey(2, unhex(key), 1_800_000_000),)
    ).encode()
    note = cases("checkpoint")[0]["keys"][0].encode()
    message = cose.sign1(b"x", {}, keypackage.Signer(Secret(bytes(32)))._key).encode()
    published = lp(unhex(run_["transcript"]["signed_package"])) + lp(unhex(run_["log_proof"]))
    for kind, data in (
        ("authorization", field),
        ("authorization", b"authorization:  " + field + b"\r\n"),
        ("issuer-directory", listed),
        ("issuer-directory", json.dumps(json.loads(listed), indent=2).encode()),
        ("verifier-key", note),
        ("cose", message),
        ("checkpoint", b"example.com/log\n5\n" + base64.b64encode(bytes(32)) + b"\nextension\n"),
        ("published", published),
        ("snp-report", unhex(cases("privproc1_run")[0]["transcript"]["evidence"])),
        ("log-entry", Entry("example/enclaves", "role", bytes(48), 1_800_000_000, 3).encode()),
    ):
        status, out, _ = inspect(data, "--json")
        report = json.loads(out)
        assert (status, report["type"]) == (0, kind), out
        rows, _ = describe(BY_NAME[kind], data, reveal=False)
        assert sum(size for _, size in leaves(rows)) == len(data)
    assert "token key id" in inspect(listed)[1]


def der(tag: int, content: bytes) -> bytes:
    size = len(content)
    return bytes((tag, size)) + content if size < 128 else bytes((tag, 0x83)) + size.to_bytes(3, "big") + content


def test_nesting_is_bounded(inspect: Any) -> None:
    deep = b""
    for _ in range(3000):
        deep = der(0x30, deep)
    status, out, _ = inspect(certificate_with("1.2.3", deep))
    assert status == 0
    assert "1.2.3" in out
    pairs = b""
    for _ in range(3000):
        pairs = der(0x30, der(0x30, der(0x06, b"*") + (pairs or der(0x30, b""))))
    assert inspect(certificate_with("1.2.840.113741.1.13.1", pairs))[0] == 0
    for head in (b"\x81", b"\xa1\x01"):
        status, out, _ = inspect((head * 3000 + b"\0").hex().encode(), "--as", "cose")
        assert status == 1
        assert "nested too deeply" in out


def test_reports_of_a_known_product(inspect: Any) -> None:
    for product, first in ((Product.TURIN, "FMC"), (Product.GENOA, "boot loader")):
        report = FakeAmd.generate(product, 1_780_000_000).chip().report(measurement=bytes(48), report_data=bytes(64))
        status, out, _ = inspect(report)
        assert status == 0
        assert f"({product.value})" in out
        assert re.search(rf"reported TCB +{first} [0-9]+, .*SNP [0-9]+, microcode [0-9]+", out)


@pytest.mark.parametrize(("version", "product", "mitigations"), [(2, False, False), (3, True, False), (5, True, True)])
def test_reports_of_every_version(inspect: Any, version: int, product: bool, mitigations: bool) -> None:
    chip = FakeAmd.generate(Product.GENOA, 1_780_000_000).chip()
    older = old_fields(version) if version < 5 else {}
    status, out, _ = inspect(chip.report(measurement=bytes(48), report_data=bytes(64), **older))
    assert status == 0
    assert ("CPUID family" in out) is product
    assert out.count("(layout unknown: version 2 names no product)") == (0 if product else 4)
    assert ("mitigation vector" in out) is mitigations


def test_what_is_of_another_type_than_its_place_wants(inspect: Any) -> None:
    unsigned = [cose.encode({cose.ALG: "none"}), {}, b"", b""]
    status, out, _ = inspect(cose.encode(unsigned), "--as", "cose")
    assert (status, "none" in out) == (0, True)
    document = cose.encode([cose.encode({}), {}, cose.encode({"cabundle": 5, "digest": "x"}), b""])
    status, out, _ = inspect(document, "--as", "nitro-document")
    assert status == 1
    assert re.search(r"CA bundle", out)
    assert re.search(r"not read +05", out)


def test_a_forced_type_takes_the_encoding_in_which_it_is_that(inspect: Any) -> None:
    status, out, _ = inspect(TOKEN.hex().encode(), "--as", "token")
    assert status == 0
    assert "token key id" in out


def test_a_directory_whose_keys_have_no_time(inspect: Any) -> None:
    key = tokens.TokenKey(2, unhex(cases("rfc9578_type2")[0]["pkS"]))
    status, out, _ = inspect(tokens.IssuerDirectory("/r", (key,)).encode())
    assert status == 0
    assert out.count("token key id") == 2  # whole and truncated
    assert "not before" not in out


def test_a_request_without_a_ciphertext(inspect: Any) -> None:
    status, out, _ = inspect(REQUEST[: 7 + 32 + 15].hex().encode(), "--as", "ohttp-request")
    assert status == 1
    assert "under 55 bytes" in out


def first_version(*extra: bytes, tail: bytes = b"") -> bytes:
    """A certificate of version 1, which states no version, with an odd name and what comes behind the public key."""
    oid, octets = der(0x06, b"*"), der(0x04, b"x")
    algorithm, name = der(0x30, oid), der(0x30, der(0x31, der(0x30, der(0x06, b"") + der(0x80, b"\xff"))))
    times = der(0x30, der(0x17, b"260101000000Z") * 2)
    fields = der(0x02, b"\1") + algorithm + name + times + name + der(0x30, algorithm + der(0x03, b"\0key"))
    return der(0x30, der(0x30, fields + b"".join(extra)) + algorithm + der(0x03, b"\0" + octets)) + tail


def test_certificates_that_nobody_issues_any_more(inspect: Any) -> None:
    status, out, _ = inspect(first_version(der(0x81, b"\0id")))
    assert status == 0
    assert "none=" in out  # an object identifier without arcs
    assert re.search(r"unique identifier +006964", out)
    assert not re.search(r"^ .* version ", out, re.MULTILINE)
    for other, why in (
        (der(0x30, b""), "not a certificate: another structure"),
        (der(0x30, der(0x30, b"") * 2 + der(0x03, b"\0")), "not a certificate: other fields"),
    ):
        status, out, _ = inspect(other, "--as", "certificate")
        assert status == 1
        assert why in out


def test_extensions_that_hold_what_nobody_expects(inspect: Any) -> None:
    for value, said in (
        (der(0x82, b"name") + b"\0", "82046e616d6500"),  # trailing bytes: not one value, and so shown as bytes
        (der(0x82, b"name"), "[2] name"),
        (der(0x82, b"\xff"), "[2] ff"),
    ):
        status, out, _ = inspect(certificate_with("1.2.3", value))
        assert status == 0
        assert said in out
    status, out, _ = inspect(certificate_with("1.2.840.113741.1.13.1", der(0x30, der(0x30, der(0x06, b"*")))))
    assert status == 0
    assert "30053003" in out


def test_odd_inputs(inspect: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert inspect(b"-----BEGIN X-----\n!\n-----END X-----\n", "--from", "pem")[0] == 1
    monkeypatch.setattr("privproc.cli.source.MAX_INPUT", 4)
    assert inspect(b"12345")[0] == 1
    monkeypatch.undo()
    assert names.time(10**20) == ""
    assert names.time(1_800_000_000) == "2027-01-15 08:00:00Z"
    message = next(unhex(case["encoded"]) for case in cases("privproc1_message") if case["type"] == "Continue")
    assert inspect(message + b"\0", "--as", "sealed-request")[0] == 1
    sealed = unhex(cases("privproc1_run")[0]["request"]["sealed"])
    assert "1 trailing bytes" in inspect(sealed + b"\0", "--as", "sealed-request")[1]
    answer = next(data for kind, data in CORPUS if kind == "sealed-answer")
    assert "1 trailing bytes" in inspect(answer + b"\0", "--as", "sealed-answer")[1]
    proof = cases("ledger")[0]["proof"].encode()
    other = re.sub(rb"extra [^\n]+", b"extra " + base64.b64encode(b"another's"), proof)
    assert b"another's".hex() in inspect(other)[1]
    assert "extra data" not in inspect(re.sub(rb"extra [^\n]+\n", b"", proof))[1]
    escaped = b'{"issuer-request-uri": "https:\\/\\/issuer.example", "token-keys": []}'
    assert "https://issuer.example" in inspect(escaped)[1]


def test_manifests(inspect: Any) -> None:
    status, out, _ = inspect(cases("rim")[0]["rim"].encode())
    assert status == 0
    assert re.search(r"^ +version +590\.12$", out, re.MULTILINE)
    assert out.count(" or ") >= 1
    assert out.count("rim issuer") == 2  # the subject of one certificate, and the issuer of the signer's


def test_several_files_and_missing_ones(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "request"
    path.write_bytes(REQUEST)
    assert main(["inspect", str(path), str(path)]) == 0
    assert capsys.readouterr().out.count("encapsulated request") == 2
    assert main(["inspect", str(tmp_path / "none")]) == 2
    assert "none" in capsys.readouterr().err


def test_types_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", "--types"]) == 0
    out = capsys.readouterr().out
    assert [line.split()[0] for line in out.splitlines()] == [it.name for it in FORMATS]


@pytest.mark.parametrize(
    ("kind", "payload"),
    [("eat", {266: 1}), ("nitro-document", {"timestamp": "now"}), ("nitro-document", {"cabundle": 1})],
)
def test_what_is_of_another_type_than_expected_is_shown_as_far_as_it_goes(kind: str, payload: Any) -> None:
    message = Entity("ES384", 1).sign1(cbor2.dumps(payload))
    rows, error = describe(BY_NAME[kind], message, reveal=False)
    assert error is not None
    assert sum(leaf.size for row in rows for leaf in row.leaves()) == len(message)
