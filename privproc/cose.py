"""Deterministic CBOR (RFC 8949 §4.2.1) and COSE_Sign1 (RFC 9052 §4.2, algorithms of RFC 9053 §2).

One profile for privproc's own messages. CBOR: integers, byte and text strings, arrays, maps with integer or text keys,
``false``, ``true`` and ``null``; definite lengths, shortest form, keys in bytewise order of their encodings. So a value
has one encoding, and bytes that decode are the encoding of what they decode to.

Received bytes are checked against that profile before cbor2 sees them. From a peer cbor2 also builds regular
expressions, cycles, decimals and sets, ignores what trails, lets the last of equal keys win, and takes ``1`` and
``true`` for the same key; and its ``canonical`` sorts keys length-first (RFC 7049), which is another order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Self, TypeAlias

import cbor2
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP384R1,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA384

from privproc.errors import DecodeError, SignatureError, UnsupportedError, UsageError

__all__ = [
    "ALG",
    "CRIT",
    "EDDSA",
    "ES384",
    "KID",
    "MAX_DEPTH",
    "MAX_SIZE",
    "TYP",
    "Headers",
    "PrivateKey",
    "PublicKey",
    "Sign1",
    "Value",
    "decode",
    "decode_foreign",
    "encode",
    "read_head",
    "sign1",
]

Value: TypeAlias = "int | bytes | str | bool | Sequence[Value] | Mapping[int | str, Value] | None"
"""What the profile can carry. Arrays decode as ``list``, maps as ``dict``."""

Headers: TypeAlias = "Mapping[int | str, Value]"
"""A COSE header map: labels to values."""

PrivateKey: TypeAlias = Ed25519PrivateKey | EllipticCurvePrivateKey
"""What signs: Ed25519 under EdDSA, P-384 under ES384."""
PublicKey: TypeAlias = Ed25519PublicKey | EllipticCurvePublicKey
"""What verifies: Ed25519 under EdDSA, P-384 under ES384."""

MAX_SIZE: Final = 1 << 18
"""Longest encoding that :func:`decode` reads and :func:`encode` writes, in bytes."""
MAX_DEPTH: Final = 16
"""How many arrays and maps may be nested in one another."""

ALG: Final = 1
"""Header label: algorithm (RFC 9052 §3.1)."""
CRIT: Final = 2
"""Header label: labels that must be understood (RFC 9052 §3.1)."""
KID: Final = 4
"""Header label: key identifier, bytes (RFC 9052 §3.1)."""
TYP: Final = 16
"""Header label: media type of the whole COSE object (RFC 9596 §2)."""

EDDSA: Final = -8
"""Algorithm: EdDSA, here Ed25519 only (RFC 9053 §2.2)."""
ES384: Final = -35
"""Algorithm: ECDSA with SHA-384, here on P-384 only (RFC 9053 §2.1)."""

_LEAST = (24, 1 << 8, 1 << 16, 1 << 32)  # the least argument that needs 1, 2, 4, 8 bytes
_CONSTANTS = (0xF4, 0xF5, 0xF6)  # false, true, null


def read_head(data: bytes, start: int, what: str) -> tuple[int, int, int]:
    """Major type, argument and the offset behind the head of the item at ``start`` (RFC 8949 §3).

    For readers of forms that the profile leaves out, such as tags. Raises :class:`DecodeError` for a head that is
    truncated, longer than needed, or of indefinite length.
    """
    if start >= len(data):
        raise DecodeError(what, "truncated", start)
    major, info = data[start] >> 5, data[start] & 0x1F
    if info < 24:
        return major, info, start + 1
    if info > 27:
        raise DecodeError(what, "indefinite length or reserved head", start)
    end = start + 1 + (1 << (info - 24))
    if end > len(data):
        raise DecodeError(what, "truncated", start)
    argument = int.from_bytes(data[start + 1 : end], "big")
    if argument < _LEAST[info - 24]:
        raise DecodeError(what, "not the shortest form", start)
    return major, argument, end


def _item(data: bytes, start: int, what: str, depth: int = 0, *, ordered: bool = True) -> int:
    """The offset behind the item at ``start``, or :class:`DecodeError` when it isn't of the profile.

    ``ordered``: whether maps must have their keys in order, besides having none twice.
    """
    if start < len(data) and data[start] in _CONSTANTS:
        return start + 1
    major, argument, end = read_head(data, start, what)
    if major <= 1:
        return end
    if major >= 6:
        raise DecodeError(what, "a tag, float or simple value", start)
    # Every element takes a byte at least, so that no count is believed that the bytes can't hold.
    if argument * (2 if major == 5 else 1) > len(data) - end:
        raise DecodeError(what, "truncated", start)
    if major <= 3:
        return end + argument
    if depth == MAX_DEPTH:
        raise DecodeError(what, "nested too deeply", start)
    if major == 4:
        for _ in range(argument):
            end = _item(data, end, what, depth + 1, ordered=ordered)
        return end
    return (_entries if ordered else _unordered_entries)(data, end, what, argument, depth + 1)


def _entries(data: bytes, start: int, what: str, count: int, depth: int) -> int:
    previous = b""
    for _ in range(count):
        end = _key(data, start, what)
        key = data[start:end]
        if key <= previous:
            raise DecodeError(what, "map keys repeat or are out of order", start)
        previous, start = key, _item(data, end, what, depth)
    return start


def _unordered_entries(data: bytes, start: int, what: str, count: int, depth: int) -> int:
    seen = set()
    for _ in range(count):
        end = _key(data, start, what)
        key = data[start:end]  # in its shortest form, so that equal keys are equal bytes
        if key in seen:
            raise DecodeError(what, "map keys repeat", start)
        seen.add(key)
        start = _item(data, end, what, depth, ordered=False)
    return start


def _key(data: bytes, start: int, what: str) -> int:
    major, argument, end = read_head(data, start, what)
    if major == 3 and argument <= len(data) - end:
        return end + argument
    if major > 1:
        raise DecodeError(what, "a map key that isn't an integer or text", start)
    return end


def decode(data: bytes, what: str) -> Value:
    """The value whose deterministic encoding ``data`` is; ``what`` names it in errors.

    Raises :class:`DecodeError` for everything outside of the profile: other types, floats, tags, indefinite lengths,
    longer forms than needed, keys that repeat or are out of order, more than :data:`MAX_DEPTH` levels, more than
    :data:`MAX_SIZE` bytes, truncated and trailing bytes, bad UTF-8.
    """
    return _decode(data, what, ordered=True)


def decode_foreign(data: bytes, what: str) -> Value:
    """:func:`decode` for what others have written: the keys of a map may come in any order, though none twice.

    The same profile else. Such a value has several encodings, so keep the received bytes: they are what was signed.
    """
    return _decode(data, what, ordered=False)


def _decode(data: bytes, what: str, *, ordered: bool) -> Value:
    if len(data) > MAX_SIZE:
        raise DecodeError(what, f"more than {MAX_SIZE} bytes")
    # req: privproc1/7.1 deterministic-cbor
    end = _item(data, 0, what, ordered=ordered)
    if end != len(data):
        raise DecodeError(what, f"{len(data) - end} trailing bytes", end)
    try:
        value: Value = cbor2.loads(data)
    except cbor2.CBORDecodeError:  # all that the check above leaves to it
        raise DecodeError(what, "text that isn't UTF-8") from None
    return value


def encode(value: Value) -> bytes:
    """The deterministic encoding of ``value``. Raises :class:`UsageError` for what :func:`decode` wouldn't return."""
    try:
        data = cbor2.dumps(_ordered(value, 0))
    except UnicodeEncodeError:
        raise UsageError("text with lone surrogates") from None
    if len(data) > MAX_SIZE:
        raise UsageError(f"encoding longer than {MAX_SIZE} bytes")
    return data


def _ordered(value: Value, depth: int) -> Value:
    """``value`` with the keys of its maps in bytewise order; cbor2 writes maps in the order of the dict."""
    if value is None or isinstance(value, bool | bytes | str):
        return value
    if isinstance(value, int):
        if not -(1 << 64) <= value < 1 << 64:
            raise UsageError("an integer that needs a tag")
        return value
    if depth == MAX_DEPTH:
        raise UsageError("nested too deeply")
    if isinstance(value, list | tuple):
        return [_ordered(item, depth + 1) for item in value]
    if isinstance(value, Mapping):
        keys = sorted((cbor2.dumps(_label(key)), key) for key in value)
        return {key: _ordered(value[key], depth + 1) for _, key in keys}
    raise UsageError(f"{type(value).__name__} isn't of the CBOR profile")


def _label(key: object) -> int | str:
    if isinstance(key, bool) or not isinstance(key, int | str):
        raise UsageError("a map key that isn't an integer or text")
    if isinstance(key, int) and not -(1 << 64) <= key < 1 << 64:
        raise UsageError("an integer that needs a tag")
    return key


@dataclass(frozen=True, slots=True)
class Sign1:
    """A COSE_Sign1 message without tag, with nothing unprotected and the payload inside (RFC 9052 §4.2)::

        COSE_Sign1 = [ protected : bstr .cbor { 1: alg, * label => any }, unprotected : {},
                       payload : bstr, signature : bstr ]

    ``protected`` and ``payload`` are kept as received: they are what is signed and hashed. ``headers`` is what the
    protected header says, not to be believed before :meth:`verify`. An unprotected header isn't signed, so none is
    carried. External data is empty. Making one from bytes of another form raises as :meth:`decode` does.
    """

    protected: bytes
    payload: bytes
    signature: bytes
    headers: Headers = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        headers = decode(self.protected, "COSE protected header")
        if not isinstance(headers, dict) or ALG not in headers:
            raise DecodeError("COSE protected header", "not a map with an algorithm")
        if CRIT in headers:
            raise UnsupportedError("COSE protected header: critical headers")
        object.__setattr__(self, "headers", MappingProxyType(headers))

    @classmethod
    def decode(cls, data: bytes, what: str = "COSE_Sign1") -> Self:
        """Raises :class:`DecodeError` for another form, :class:`UnsupportedError` for critical headers."""
        message = decode(data, what)
        if not isinstance(message, list) or len(message) != 4:
            raise DecodeError(what, "not an array of four")
        protected, unprotected, payload, signature = message
        if unprotected != {}:
            raise DecodeError(what, "the unprotected header isn't an empty map")
        if not (isinstance(protected, bytes) and isinstance(payload, bytes) and isinstance(signature, bytes)):
            raise DecodeError(what, "header, payload or signature isn't a byte string")
        return cls(protected, payload, signature)

    def encode(self) -> bytes:
        """The message; :meth:`decode` of it gives the same fields."""
        return encode([self.protected, {}, self.payload, self.signature])

    def verify(self, key: PublicKey) -> None:
        """Raise :class:`SignatureError` unless ``key`` signed this, under the one algorithm that ``key`` is for.

        ``key``: Ed25519, or P-384 for ES384; another kind is a :class:`UsageError`.
        """
        algorithm = _algorithm(key)
        # The message never chooses: a header that names another algorithm than the key's is refused, not obeyed.
        if self.headers[ALG] != algorithm:
            raise SignatureError("COSE_Sign1: algorithm isn't the key's")
        signed = _signed(self.protected, self.payload)
        try:
            if isinstance(key, Ed25519PublicKey):
                key.verify(self.signature, signed)
            else:
                key.verify(_to_der(self.signature), signed, ECDSA(SHA384()))
        except InvalidSignature:
            raise SignatureError("COSE_Sign1: signature doesn't verify") from None


def sign1(payload: bytes, headers: Headers, key: PrivateKey) -> Sign1:
    """``payload`` signed under ``key``. ``headers`` are protected; the algorithm is added, and is the key's."""
    algorithm = _algorithm(key)
    if ALG in headers or CRIT in headers:
        raise UsageError("the algorithm follows from the key, and critical headers aren't supported")
    protected = encode({ALG: algorithm, **headers})
    signed = _signed(protected, payload)
    if isinstance(key, Ed25519PrivateKey):
        return Sign1(protected, payload, key.sign(signed))
    r, s = decode_dss_signature(key.sign(signed, ECDSA(SHA384())))
    return Sign1(protected, payload, r.to_bytes(48, "big") + s.to_bytes(48, "big"))


def _signed(protected: bytes, payload: bytes) -> bytes:
    """Sig_structure of RFC 9052 §4.4: ``["Signature1", body_protected, external_aad = h'', payload]``."""
    return cbor2.dumps(["Signature1", protected, b"", payload])


def _algorithm(key: PrivateKey | PublicKey) -> int:
    if isinstance(key, Ed25519PrivateKey | Ed25519PublicKey):
        return EDDSA
    if isinstance(key, EllipticCurvePrivateKey | EllipticCurvePublicKey) and isinstance(key.curve, SECP384R1):
        return ES384
    raise UsageError("COSE keys are Ed25519 or P-384")


def _to_der(signature: bytes) -> bytes:
    """``r || s`` of 48 bytes each (RFC 9053 §2.1) in the form that `cryptography` takes."""
    if len(signature) != 96:
        raise SignatureError("COSE_Sign1: signature isn't 96 bytes")
    return encode_dss_signature(int.from_bytes(signature[:48], "big"), int.from_bytes(signature[48:], "big"))
