"""§4.11: GPUs and switches of NVIDIA's, all of one machine, under a policy (SPDM 1.1)."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils

from .wire import Reader, RefusedError, check, sha256

GPU, SWITCH = 1, 2
BLACKWELL, DICE = x509.ObjectIdentifier("2.23.133.5.4.1.1"), x509.ObjectIdentifier("2.23.133.5.4.1")
SHA384_OID = bytes.fromhex("608648016503040202")
DECODER = 36


@dataclass(frozen=True)
class Reference:
    state: tuple[int, bytes, bytes, bytes]  # kind, model, driver, firmware
    values: tuple[tuple[int, bytes], ...]

    @classmethod
    def read(cls, r: Reader) -> "Reference":
        state = r.uint(1), r.vector(1, 64, 1), r.vector(0, 64, 1), r.vector(0, 64, 1)
        check(state[0] in {GPU, SWITCH} and all(text.isascii() for text in state[1:]), "a reference out of form")
        listed, values = Reader(r.vector(49, 65535, 2)), []
        while listed.rest:
            values.append((listed.uint(1), listed.take(48)))
        check(values == sorted(set(values)) and values[-1][0] < 254, "values out of form")
        return cls(state, tuple(values))


@dataclass(frozen=True)
class Policy:
    counts: dict[int, int]
    references: tuple[Reference, ...]
    identities: tuple[bytes, ...]
    max_age: int

    @classmethod
    def decode(cls, data: bytes) -> "Policy":
        r = Reader(data)
        check(r.uint(1) == 4, "another form of policy")
        counts, count = {GPU: r.uint(1), SWITCH: r.uint(1)}, r.uint(1)
        encoded, references = [], []
        for _ in range(count):
            before = r.rest
            references.append(Reference.read(r))
            encoded.append(before[: len(before) - len(r.rest)])
        check(encoded == sorted(set(encoded)), "references out of order")
        check({ref.state[0] for ref in references} == {kind for kind, n in counts.items() if n}, "other references")
        listed, identities = Reader(r.vector(0, 65535, 2)), []
        while listed.rest:
            identities.append(listed.take(32))
        max_age = r.uint(4)
        r.end()
        check(identities == sorted(set(identities)) and max_age >= 1 and any(counts.values()), "out of form")
        return cls(counts, tuple(references), tuple(identities), max_age)


@dataclass(frozen=True)
class Report:
    nonce: bytes
    blocks: dict[int, bytes]
    opaque: dict[int, bytes]
    signed: bytes
    signature: bytes

    @classmethod
    def decode(cls, data: bytes) -> "Report":
        r = Reader(data)

        def number(width: int) -> int:
            return int.from_bytes(r.take(width), "little")

        check(r.take(4) == b"\x11\xe0\x01\xff", "not a request")
        nonce = r.take(32)
        check(r.take(3) == b"\0\x11\x60", "not a response")
        r.take(2)
        count, blocks, opaque = r.uint(1), {}, {}
        check(count > 0 and number(3) == 55 * count, "no blocks")
        for _ in range(count):
            index, form, size, kind, length = r.uint(1), r.uint(1), number(2), r.uint(1), number(2)
            check((form, size, length) == (1, 51, 48) and kind <= 0x7F, "not a digest")
            check(0 < index < 255 and index not in blocks, "an index that can't be")
            blocks[index] = r.take(48)
        r.take(32)
        inner = Reader(r.take(number(2)))
        while inner.rest:
            kind, size = (int.from_bytes(inner.take(2), "little") for _ in range(2))
            check(kind not in opaque, "opaque data twice")
            opaque[kind] = inner.take(size)
        signed, signature = data[: len(data) - len(r.rest)], r.take(96)
        r.end()
        return cls(nonce, blocks, opaque, signed, signature)

    @property
    def driver(self) -> bytes:
        return self.opaque.get(3, b"").removesuffix(b"\0")

    @property
    def firmware(self) -> bytes:
        raw = self.opaque.get(6, b"")
        if len(raw) != 8:
            return raw.removesuffix(b"\0")
        return ".".join(f"{raw[i]:02X}" for i in (3, 2, 1, 0, 4)).encode()

    def fits(self, reference: Reference) -> bool:
        off = self.opaque.get(11) == b"\x55"
        return all(
            (i + 1 == DECODER and off) or (i, self.blocks.get(i + 1)) in reference.values for i, _ in reference.values
        )


def _der(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The elements in `data`: tag and content of each."""
    r = Reader(data)
    while r.rest:
        tag, size = r.uint(1), r.uint(1)
        if size > 0x80:
            size = r.uint(size - 0x80)
        yield tag, r.take(size)


def _firmware_id(leaf: x509.Certificate) -> bytes:
    stated = {each.oid: each.value for each in leaf.extensions}
    outer = list(_der(stated.get(BLACKWELL, stated.get(DICE)).value))
    check(len(outer) == 1 and outer[0][0] == 0x30, "not TCG's extension")
    parts = list(_der(outer[0][1]))
    if [tag for tag, _ in parts] == [0x02, 0x30, 0x30]:
        ids = parts[2:]
    else:
        ids = [fwid for tag, content in parts if tag == 0xA6 for fwid in _der(content)]
    found = []
    for tag, content in ids:
        algorithm, digest = list(_der(content))
        check((tag, *algorithm, digest[0]) == (0x30, 0x06, SHA384_OID, 0x04) and len(digest[1]) == 48, "not a FWID")
        found.append(digest[1])
    return found[0] if found and any(found[0]) else b""


@dataclass(frozen=True)
class Chain:
    identity: bytes
    model: bytes
    firmware_id: bytes
    key: ec.EllipticCurvePublicKey
    end: int


def _chain(ders: list[bytes], roots: tuple[bytes, ...], now: int) -> Chain:
    """Checks 3 to 6."""
    check(sha256(ders[4]) in roots, "3 the root isn't pinned")
    try:
        certs = [x509.load_der_x509_certificate(der) for der in ders]
        for depth, (cert, issuer) in enumerate(pairwise(certs)):
            cert.verify_directly_issued_by(issuer)
            check(cert.signature_algorithm_oid == x509.SignatureAlgorithmOID.ECDSA_WITH_SHA384, "5 another scheme")
            basic = issuer.extensions.get_extension_for_class(x509.BasicConstraints).value
            usage = issuer.extensions.get_extension_for_class(x509.KeyUsage).value
            check(basic.ca and usage.key_cert_sign, "6 not an authority")
            check(basic.path_length is None or basic.path_length >= depth, "6 too many authorities below")
        known = {x509.OID_BASIC_CONSTRAINTS, x509.OID_KEY_USAGE}
        critical = {e.oid for cert in certs for e in cert.extensions if e.critical}
        basic = [e.value.ca for e in certs[0].extensions if e.oid == x509.OID_BASIC_CONSTRAINTS]
        usage = certs[0].extensions.get_extension_for_class(x509.KeyUsage).value
        check(critical <= known and not any(basic) and usage.digital_signature, "6 not the leaf of a device")
        keys = [cert.public_key() for cert in certs]
        check(all(isinstance(key.curve, ec.SECP384R1) for key in keys), "5 not P-384")
        model = certs[1].subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value.encode()
        firmware_id = _firmware_id(certs[0])
    except (ValueError, TypeError, AttributeError, IndexError, InvalidSignature, x509.ExtensionNotFound) as error:
        raise RefusedError("5 the chain of certificates") from error
    start = max(int(cert.not_valid_before_utc.timestamp()) for cert in certs)
    end = min(int(cert.not_valid_after_utc.timestamp()) + 1 for cert in certs)
    check(start <= now < end, "4 a certificate's window")
    spki = keys[1].public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return Chain(sha256(spki), model, firmware_id, keys[0], end)


def appraise(
    devices: list[tuple[int, bytes]], nonces: list[bytes], policy: Policy, roots: tuple[bytes, ...], now: int
) -> int:
    """All checks, for all devices of a machine; gives the end of what was found."""
    kinds = [kind for kind, _ in devices]
    check(set(kinds) <= {GPU, SWITCH}, "1 another type")
    check(all(kinds.count(kind) == n for kind, n in policy.counts.items()), "1 too few or too many")
    end, seen = now + policy.max_age, set()
    for (kind, evidence), nonce in zip(devices, nonces, strict=True):
        r = Reader(evidence)
        report, ders = Report.decode(r.vector(1, 16384, 2)), [r.vector(1, 8192, 2) for _ in range(5)]
        r.end()
        chain = _chain(ders, roots, now)
        r_, s_ = (int.from_bytes(report.signature[at : at + 48], "big") for at in (0, 48))
        try:
            chain.key.verify(utils.encode_dss_signature(r_, s_), report.signed, ec.ECDSA(hashes.SHA384()))
        except InvalidSignature:
            raise RefusedError("7 the report's signature") from None
        check(report.nonce == nonce, "8 another nonce")
        stated = report.opaque.get(20, b"")
        check(stated == chain.firmware_id if stated else kind == SWITCH, "9 another firmware")
        state = kind, chain.model, report.driver, report.firmware
        references = [reference for reference in policy.references if reference.state == state]
        check(bool(references), "10 no reference")
        check(any(report.fits(reference) for reference in references), "11 a measurement")
        check(not policy.identities or chain.identity in policy.identities, "12 a device that isn't listed")
        check(chain.identity not in seen, "13 one device twice")
        seen.add(chain.identity)
        end = min(end, chain.end)
    return end
