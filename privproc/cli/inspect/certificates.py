"""X.509 certificates: those of AMD and Intel with what they say of a chip, and those that carry evidence."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from privproc.attestation.certificate import read_time
from privproc.attestation.der import BIT_STRING, INTEGER, OCTET_STRING, OID, SEQUENCE, Element
from privproc.cli.inspect import names
from privproc.cli.inspect.evidence import sgx_quote, snp_report, tagged_evidence, tdx_quote
from privproc.cli.inspect.walk import Describe, Walk, digest, printed

__all__ = ["certificate", "check_certificate", "dotted"]

_AMD = "1.3.6.1.4.1.3704.1"
_SGX = "1.2.840.113741.1.13.1"

_NAMES: Mapping[str, str] = {
    "1.2.840.10045.2.1": "EC public key",
    "1.2.840.10045.3.1.7": "P-256",
    "1.2.840.10045.4.3.2": "ECDSA with SHA-256",
    "1.2.840.10045.4.3.3": "ECDSA with SHA-384",
    "1.2.840.10045.4.3.4": "ECDSA with SHA-512",
    "1.2.840.113549.1.1.1": "RSA",
    "1.2.840.113549.1.1.10": "RSASSA-PSS",
    "1.2.840.113549.1.1.11": "RSA with SHA-256",
    "1.2.840.113549.1.1.12": "RSA with SHA-384",
    "1.3.101.112": "Ed25519",
    "1.3.132.0.34": "P-384",
    "2.5.4.3": "CN",
    "2.5.4.5": "serialNumber",
    "2.5.4.6": "C",
    "2.5.4.7": "L",
    "2.5.4.8": "ST",
    "2.5.4.10": "O",
    "2.5.4.11": "OU",
    "2.5.29.14": "subject key identifier",
    "2.5.29.15": "key usage",
    "2.5.29.17": "subject alternative name",
    "2.5.29.19": "basic constraints",
    "2.5.29.31": "CRL distribution points",
    "2.5.29.32": "certificate policies",
    "2.5.29.35": "authority key identifier",
    "2.5.29.37": "extended key usage",
    "1.3.6.1.5.5.7.1.1": "authority information access",
    "1.3.6.1.5.5.7.1.35": "evidence: conceptual message wrapper",
    "2.23.133.5.4.9": "evidence: TCG DICE, tagged evidence",
    "1.2.840.113741.1337.6": "evidence: quote, as Intel's RA-TLS has it",
    "1.2.840.113741.1.5.5.1.6": "evidence: TDX quote",
    "0.6.9.42.840.113741.1337.6": "evidence: quote, as Gramine has it (a head too many in the identifier)",
    f"{_AMD}.1": "AMD: structure version",
    f"{_AMD}.2": "AMD: product name",
    f"{_AMD}.3.1": "AMD: TCB, boot loader",
    f"{_AMD}.3.2": "AMD: TCB, TEE",
    f"{_AMD}.3.3": "AMD: TCB, SNP",
    f"{_AMD}.3.4": "AMD: TCB, reserved",
    f"{_AMD}.3.5": "AMD: TCB, reserved",
    f"{_AMD}.3.6": "AMD: TCB, reserved",
    f"{_AMD}.3.7": "AMD: TCB, reserved",
    f"{_AMD}.3.8": "AMD: TCB, microcode",
    f"{_AMD}.3.9": "AMD: TCB, FMC",
    f"{_AMD}.4": "AMD: hardware id of the chip",
    f"{_AMD}.5": "AMD: provider of the VLEK",
    _SGX: "Intel: SGX",
    f"{_SGX}.1": "PPID",
    f"{_SGX}.2": "TCB",
    **{f"{_SGX}.2.{part}": f"TCB component {part}" for part in range(1, 17)},
    f"{_SGX}.2.17": "PCESVN",
    f"{_SGX}.2.18": "CPUSVN",
    f"{_SGX}.3": "PCE-ID",
    f"{_SGX}.4": "FMSPC",
    f"{_SGX}.5": "SGX type",
    f"{_SGX}.6": "platform instance id",
    f"{_SGX}.7": "configuration",
    f"{_SGX}.7.1": "dynamic platform",
    f"{_SGX}.7.2": "cached keys",
    f"{_SGX}.7.3": "SMT enabled",
}
_TEXTS = {0x0C, 0x13, 0x14, 0x16}  # UTF8String, PrintableString, T61String, IA5String
_SET = 0x31
_BOOLEAN, _ENUMERATED = 0x01, 0x0A
_CLASS = 0xC0
_MAX_DEPTH = 8
_VERSION, _EXTENSIONS = 0xA0, 0xA3


def dotted(content: bytes) -> str:
    """The content of an OBJECT IDENTIFIER in dots (X.690 §8.19)."""
    arcs: list[int] = []
    value = 0
    for byte in content:
        value = value << 7 | byte & 0x7F
        if not byte & 0x80:
            arcs.append(value)
            value = 0
    if not arcs:
        return "none"
    first = min(arcs[0] // 40, 2)
    return ".".join(map(str, (first, arcs[0] - 40 * first, *arcs[1:])))


def _named(content: bytes) -> str:
    oid = dotted(content)
    return f"{oid}  {_NAMES[oid]}" if oid in _NAMES else oid


def check_certificate(data: bytes) -> None:
    """Whether this has the shape of an X.509 certificate. More isn't demanded: this shows, it doesn't trust."""
    outer = Element.decode(data, "certificate")
    parts = outer.children() if outer.tag == SEQUENCE else []
    if [part.tag for part in parts] != [SEQUENCE, SEQUENCE, BIT_STRING]:
        raise outer.fail("not a certificate: another structure")
    tags = [part.tag for part in parts[0].children()]
    if tags[tags[:1] == [_VERSION] :][:6] != [INTEGER, *[SEQUENCE] * 5]:
        raise parts[0].fail("not a certificate: other fields")


def _peek(walk: Walk) -> Element:
    """The element that comes next, with places counted from where the walk stands."""
    data = walk.peek(walk.left)
    size = 2
    if len(data) > 2 and data[1] > 0x80:
        size += data[1] & 0x7F
    length = int.from_bytes(data[2:size], "big") if size > 2 else (data[1] if len(data) > 1 else 0)
    return Element.decode(data[: size + length], walk.what)


def _leaf(walk: Walk, name: str, describe: Callable[[Element], str]) -> None:
    element = _peek(walk)
    walk.opaque(name, element.end)
    walk.rows[-1].text = describe(element)


def _each(walk: Walk, name: str, describe: Describe, said: str = "") -> None:
    """A constructed element, ``describe`` over its content."""
    element = _peek(walk)
    with walk.part(name, element.end, said) as inner:
        inner.head(element.body)
        describe(inner)


def certificate(walk: Walk) -> None:
    """An X.509 certificate (RFC 5280 §4)."""
    data = walk.peek(walk.left)
    _each(walk, "certificate", _certificate)
    walk.note("SHA-256", digest(data))


def _certificate(walk: Walk) -> None:
    _each(walk, "to be signed", _tbs)
    _leaf(walk, "signature algorithm", _algorithm)
    _leaf(walk, "signature", lambda element: f"{len(element.content) - 1} bytes")


def _tbs(walk: Walk) -> None:
    if _peek(walk).tag == _VERSION:
        _leaf(walk, "version", lambda element: str(int.from_bytes(element.content[-1:], "big") + 1))
    _leaf(walk, "serial number", lambda element: element.content.hex())
    _leaf(walk, "signature algorithm", _algorithm)
    _leaf(walk, "issuer", _name)
    _each(walk, "validity", _validity)
    _leaf(walk, "subject", _name)
    _leaf(walk, "public key", _public_key)
    while walk.left:
        if _peek(walk).tag == _EXTENSIONS:
            _each(walk, "extensions", lambda inner: _each(inner, "list", _extensions))
        else:
            _leaf(walk, "unique identifier", lambda element: element.content.hex())


def _two(element: Element) -> tuple[Element, Element]:
    found = element.children()
    if len(found) != 2:
        raise element.fail("not two elements")
    return found[0], found[1]


def _algorithm(element: Element) -> str:
    return ", ".join(_named(content) for tag, content in element.contents() if tag == OID)


def _name(element: Element) -> str:
    found = []
    for relative in element.children():
        for attribute in relative.children():
            kind, value = _two(attribute)
            found.append(f"{_NAMES.get(dotted(kind.content), dotted(kind.content))}={printed(value.content)}")
    return ", ".join(found)


def _public_key(element: Element) -> str:
    algorithm, key = _two(element)
    return f"{_algorithm(algorithm)}; {len(key.content) - 1} bytes, SHA-256 of all {digest(element.raw)[:16]}..."


def _validity(walk: Walk) -> None:
    for name in ("not before", "not after"):
        _leaf(walk, name, lambda element: names.time(read_time(element)))


def _extensions(walk: Walk) -> None:
    while walk.left:
        parts = _peek(walk).children()
        oid = dotted(parts[0].content) if parts else ""
        critical = ", critical" if len(parts) == 3 else ""
        _each(walk, _NAMES.get(oid, "extension"), lambda inner, oid=oid: _extension(inner, oid), f"{oid}{critical}")  # type: ignore[misc]


def _extension(walk: Walk, oid: str) -> None:
    walk.head(_peek(walk).end)
    if _peek(walk).tag == _BOOLEAN:
        walk.head(_peek(walk).end)
    value = _peek(walk)
    walk.head(value.body)
    with walk.part("value", len(value.content)) as inner:
        _value(inner, oid)


def _value(walk: Walk, oid: str) -> None:
    if _NAMES.get(oid, "").startswith("evidence"):
        known: Sequence[Describe] = (*map(_wrapped, (snp_report, tdx_quote, sgx_quote)), tagged_evidence)
    elif oid == _SGX:
        known = (lambda inner: _each(inner, "SGX", _pairs),)
    elif oid == f"{_AMD}.4":  # AMD puts the bare bytes into the extension
        known = ()
    else:
        known = (lambda inner: _leaf(inner, "value", _shown),)
    walk.first_that_reads(*known)


def _wrapped(describe: Describe) -> Describe:
    """What is described, bare or in one OCTET STRING."""

    def described(walk: Walk) -> None:
        if walk.peek(1) == bytes((OCTET_STRING,)):
            walk.head(_peek(walk).body)
        describe(walk)

    return described


def _shown(element: Element, depth: int = 0) -> str:
    tag, content = element.tag, element.content
    if tag in {SEQUENCE, _SET} and depth < _MAX_DEPTH:
        return ", ".join(_shown(child, depth + 1) for child in element.children()) or "empty"
    if tag & _CLASS:
        return f"[{tag & 0x1F}] {printed(content) if content.isascii() else content.hex()}"
    return _SHOWN.get(tag, bytes.hex)(content)


_SHOWN: Mapping[int, Callable[[bytes], str]] = {
    **dict.fromkeys((INTEGER, _ENUMERATED), lambda content: str(int.from_bytes(content, "big", signed=True))),
    **dict.fromkeys(_TEXTS, printed),
    _BOOLEAN: lambda content: str(content != b"\0").lower(),
    OID: _named,
}


def _pairs(walk: Walk) -> None:
    """Identifiers and their values, the values of which may be such lists again."""
    while walk.left:
        oid, value = _two(_peek(walk))
        name = _NAMES.get(dotted(oid.content), dotted(oid.content))
        if value.tag == SEQUENCE:
            _each(walk, name, _pair)
        else:
            _leaf(walk, name, lambda element: _shown(_two(element)[1]))


def _pair(walk: Walk) -> None:
    walk.head(_peek(walk).end)
    _each(walk, "values", _pairs)
