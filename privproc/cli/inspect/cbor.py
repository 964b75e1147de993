"""CBOR items, COSE messages, and what they carry: key packages, signers' lists, Nitro's documents."""

from __future__ import annotations

from collections.abc import Mapping

from privproc import cose
from privproc.attestation.eat import CBOR
from privproc.cli.inspect import ledger, names, oblivious
from privproc.cli.inspect.certificates import certificate
from privproc.cli.inspect.tokens import directory
from privproc.cli.inspect.walk import Describe, Walk
from privproc.keyconfig import KeyConfigs
from privproc.keypackage.signers import Signers
from privproc.tagged import tagged_hash

__all__ = [
    "Schema",
    "corim",
    "cose_message",
    "directory_contents",
    "eat_token",
    "item",
    "nitro_document",
    "numbered",
    "package",
    "read_head",
    "read_key",
    "signers",
    "within",
]

_SIMPLE = {20: "false", 21: "true", 22: "null"}
_ALGORITHMS = {cose.EDDSA: "EdDSA", cose.ES384: "ES384", -7: "ES256", -36: "ES512"}

Schema = Mapping["int | str", tuple[str, "Describe | None"]]
"""By key of a map or index of an array: what to call it, and how to go on at its item."""


def read_head(walk: Walk) -> tuple[int, int, int]:
    """Major type, argument, and the size of the head of the item that comes next."""
    first = walk.peek(9)
    if not first:
        raise walk.fail("an item is missing")
    major, info = first[0] >> 5, first[0] & 0x1F
    if info < 24:
        return major, info, 1
    if info > 27:
        raise walk.fail("indefinite length or reserved head")
    size = 1 << (info - 24)
    if len(first) < 1 + size:
        raise walk.fail("truncated")
    return major, int.from_bytes(first[1 : 1 + size], "big"), 1 + size


def item(walk: Walk, name: str, schema: Schema | None = None) -> None:
    """One item of any type."""
    major, argument, size = read_head(walk)
    if major <= 1:
        number = argument if major == 0 else -1 - argument
        walk.opaque(name, size)
        walk.rows[-1].text, walk.rows[-1].value = str(number), number
    elif major in {2, 3}:
        walk.head(size)
        if major == 2:
            walk.opaque(name, argument)
        else:
            walk.text(name, argument)
    elif major == 4:
        with walk.part(name, said=f"{argument} elements") as inner:
            inner.head(size)
            for index in range(argument):
                _entry(inner, index, f"[{index}]", schema)
    elif major == 5:
        with walk.part(name, said=f"{argument} entries") as inner:
            inner.head(size)
            for _ in range(argument):
                key = read_key(inner)
                _entry(inner, key, repr(key), schema)
    elif major == 6:
        with walk.part(name, said=f"tag {argument}") as inner:
            inner.head(size)
            item(inner, "content", schema)
    else:
        walk.opaque(name, size)
        walk.rows[-1].text = _SIMPLE.get(argument, f"major type {major}, argument {argument}")


def _entry(walk: Walk, key: int | str, otherwise: str, schema: Schema | None) -> None:
    name, describe = (schema or {}).get(key, (otherwise, None))
    if describe is None:
        item(walk, name)
    else:
        with walk.part(name) as inner:
            describe(inner)


def read_key(walk: Walk) -> int | str:
    """A key of a map: an integer or text."""
    major, argument, size = read_head(walk)
    if major == 3:
        walk.head(size + argument)
        return bytes.fromhex(walk.rows[-1].text)[size:].decode("utf-8", "replace")
    if major > 1:
        raise walk.fail("a map key that isn't an integer or text")
    walk.head(size)
    return argument if major == 0 else -1 - argument


def within(describe: Describe) -> Describe:
    """Of a byte string: its head, and then what its content is."""

    def described(walk: Walk) -> None:
        major, argument, size = read_head(walk)
        if major != 2:
            item(walk, "not a byte string")
            return
        walk.head(size)
        with walk.part("byte string", argument) as inner:
            describe(inner)

    return described


def numbered(meaning: Mapping[int, str] | None, *, time: int = 0) -> Describe:
    """Of an integer: what it stands for, by a table, or as a time in units of ``1 / time`` seconds."""

    def described(walk: Walk) -> None:
        item(walk, "value")
        row = walk.rows[-1]
        if isinstance(row.value, int):
            said = names.time(row.value // time) if time else (meaning or {}).get(row.value, "")
            row.text = f"{row.value}  {said}"

    return described


_TIME = numbered(None, time=1)

_HEADERS: Schema = {
    cose.ALG: ("algorithm", numbered(_ALGORITHMS)),
    cose.CRIT: ("critical headers", None),
    cose.KID: ("key identifier", None),
    cose.TYP: ("type", None),
}


def _message(walk: Walk, payload: Describe | None) -> None:
    schema: Schema = {
        0: ("protected header", within(lambda inner: item(inner, "headers", _HEADERS))),
        1: ("unprotected header", None),
        2: ("payload", None if payload is None else within(payload)),
        3: ("signature", None),
    }
    item(walk, "COSE_Sign1", schema)


def cose_message(walk: Walk) -> None:
    """A COSE_Sign1 message of any kind (RFC 9052 §4.2)."""
    _message(walk, None)


def _content(walk: Walk) -> None:
    """What is known of a package's content; opaque if it is another purpose's."""
    walk.first_that_reads(directory_contents, signers, _configs)


def _configs(walk: Walk) -> None:
    KeyConfigs.decode(walk.peek(walk.left))
    oblivious.configs(walk)


_PACKAGE: Schema = {
    1: ("version", None),
    2: ("purpose", None),
    3: ("epoch", None),
    4: ("not before", _TIME),
    5: ("not after", _TIME),
    6: ("previous package", None),
    7: ("content", within(_content)),
}


def package(walk: Walk) -> None:
    """A signed key package (docs/protocol.md §3)."""
    data = walk.peek(walk.left)
    _message(walk, lambda payload: item(payload, "package", _PACKAGE))
    message = cose.Sign1.decode(data)
    walk.note("package digest", tagged_hash("package", message.protected, message.payload).hex())


_SERVICE: Schema = {
    "role": ("role", None),
    "log": ("log", None),
    "namespace": ("namespace", None),
    "version": ("minimum security version", None),
    "policy": ("policy", None),
    "devices": ("policy for devices", None),
    "back_ends": ("back ends", None),
}


def _array(each: Describe) -> Describe:
    def described(walk: Walk) -> None:
        major, argument, size = read_head(walk)
        if major != 4:
            raise walk.fail("not an array")
        walk.head(size)
        for index in range(argument):
            with walk.part(f"[{index}]") as inner:
                each(inner)

    return described


_DIRECTORY: Schema = {
    "gateway": ("gateway", None),
    "keys": ("key configurations", within(oblivious.configs)),
    "issuer": ("issuer", None),
    "tokens": ("issuer directory", within(directory)),
    "group": ("TLS group", None),
    "up": ("bytes of the first request", None),
    "down": ("bytes of the first answer", None),
    "services": ("services", _array(lambda walk: item(walk, "service", _SERVICE))),
    "checkpoints": ("checkpoints", _array(within(ledger.checkpoint))),
}


def directory_contents(walk: Walk) -> None:
    """The content of a directory's package (docs/protocol.md §3)."""
    _require(walk, 5, len(_DIRECTORY))
    item(walk, "directory", _DIRECTORY)


def signers(walk: Walk) -> None:
    """A list of signers (docs/protocol.md §3)."""
    Signers.decode(walk.peek(walk.left))
    term: Schema = {0: ("public key", None), 1: ("first epoch", None), 2: ("last epoch", None)}
    _array(lambda inner: item(inner, "term", term))(walk)


def _require(walk: Walk, major: int, argument: int) -> None:
    if read_head(walk)[:2] != (major, argument):
        raise walk.fail("not the expected item")


def _pcrs(walk: Walk) -> None:
    item(walk, "registers", {index: (f"PCR {index}", None) for index in range(32)})


_NITRO: Schema = {
    "module_id": ("module id", None),
    "digest": ("digest", None),
    "timestamp": ("timestamp", numbered(None, time=1000)),
    "pcrs": ("PCRs", _pcrs),
    "certificate": ("certificate", within(certificate)),
    "cabundle": ("CA bundle", _array(within(certificate))),
    "public_key": ("public key", None),
    "user_data": ("user data", None),
    "nonce": ("nonce", None),
}


def nitro_document(walk: Walk) -> None:
    """An attestation document of AWS Nitro Enclaves."""
    _message(walk, lambda payload: item(payload, "document", _NITRO))


_TIMES = {"exp", "nbf", "iat"}
_CLAIMS: Schema = {
    number: (name, _TIME if name in _TIMES else None) for number, name in CBOR.names.items() if name != "submods"
} | {266: ("submods", lambda walk: _entries(walk, lambda inner: item(inner, "claims", _CLAIMS)))}


def _entries(walk: Walk, each: Describe) -> None:
    """Of a map from names: what is at each."""
    major, argument, size = read_head(walk)
    if major != 5:
        raise walk.fail("not a map")
    walk.head(size)
    for _ in range(argument):
        with walk.part(repr(read_key(walk))) as inner:
            each(inner)


def eat_token(walk: Walk) -> None:
    """An Entity Attestation Token as a CWT (RFC 9711)."""
    _message(walk, lambda payload: item(payload, "claims", _CLAIMS))


_REFERENCES: Schema = {0: ("environment", None), 1: ("elements", None)}
_TRIPLES: Schema = {0: ("reference values", _array(lambda walk: item(walk, "state", _REFERENCES)))}
_COMID: Schema = {
    0: ("language", None),
    1: ("identity", None),
    2: ("entities", None),
    3: ("linked tags", None),
    4: ("triples", lambda walk: item(walk, "triples", _TRIPLES)),
}


def _tag(walk: Walk) -> None:
    """Of a manifest's tag: what is in the bytes below it, if that is a CoMID."""
    major, argument, size = read_head(walk)
    walk.head(size)
    with walk.part("tag", said=f"tag {argument}") as inner:
        if (major, argument) == (6, 506):
            within(lambda content: item(content, "CoMID", _COMID))(inner)
        else:
            item(inner, "content")


_MANIFEST: Schema = {
    0: ("id", None),
    1: ("tags", _array(_tag)),
    2: ("dependent manifests", None),
    3: ("profile", None),
    4: ("validity", None),
    5: ("entities", None),
}


def corim(walk: Walk) -> None:
    """A CoRIM, signed or not (draft-ietf-rats-corim-11)."""
    if walk.peek(1) == b"\xd2":
        _message(walk, lambda payload: item(payload, "manifest", _MANIFEST))
    else:
        item(walk, "manifest", _MANIFEST)
