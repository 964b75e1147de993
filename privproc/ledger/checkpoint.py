"""Checkpoints of transparency logs: C2SP signed-note, tlog-checkpoint and tlog-cosignature (c2sp.org).

A :class:`Note` is text with signatures, a :class:`Checkpoint` the text of a log's tree head, a :class:`NoteKey` whoever
signs: a log (type 1 or 6) or a witness (type 4 or 6, with a time). Types 1 and 4 are Ed25519, 6 is ML-DSA-44; lines of
unknown keys are skipped, as the specification demands.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Self

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey

from privproc.errors import DecodeError, SignatureError, UnsupportedError, UntrustedError, UsageError

__all__ = [
    "COSIGNATURE",
    "ED25519",
    "MAX_NOTE",
    "ML_DSA_44",
    "Checkpoint",
    "Note",
    "NoteKey",
    "NoteSignature",
    "cosigned_message",
    "cosigned_subtree",
]

ED25519: Final = 0x01
"""Signature type: Ed25519 over the note's text (signed-note)."""
COSIGNATURE: Final = 0x04
"""Signature type: Ed25519 over a time and the note's text (tlog-cosignature, ``cosignature/v1``)."""
ML_DSA_44: Final = 0x06
"""Signature type, of logs and witnesses: ML-DSA-44 over names, time and tree (tlog-cosignature, ``subtree/v1``)."""

MAX_NOTE: Final = 1 << 17
"""Longest note, in bytes: room for the 16 post-quantum signatures that a verifier must accept."""
_MAX_SIGNATURES = 64
_MAX_EXTENSIONS = 16
_MAX_NAME = 255  # bytes: what a cosigned_message can hold
_PUBLIC = {ED25519: 32, COSIGNATURE: 32, ML_DSA_44: 1312}
_SIGNATURE = {COSIGNATURE: 64, ML_DSA_44: 2420}
_SUBTREE = b"subtree/v1\n\0"
_MAX_SIZE = 1 << 63  # of a tree, and of a POSIX time, which must not exceed 2^63 - 1
_DASH = "\N{EM DASH} "
_CONTROL = bytes({*range(0x20)} - {0x0A})  # all below U+0020 but the newline
_NOT_IN_LINE = re.compile(r"[\0-\x1f]")
_NOT_IN_NAME = re.compile(r"[\s+\0-\x1f]")  # \s: every Unicode space


def decode_base64(text: str, what: str) -> bytes:
    """Standard Base64 with padding (RFC 4648 §4), in its one form. Raises :class:`DecodeError`."""
    try:
        data = base64.b64decode(text)
    except ValueError:
        raise DecodeError(what, "not Base64") from None
    if base64.b64encode(data).decode() != text:  # whatever was skipped in decoding doesn't come back
        raise DecodeError(what, "not the canonical Base64")
    return data


def decode_number(text: str, what: str) -> int:
    """ASCII decimal without leading zeroes, under 2^63. Raises :class:`DecodeError`."""
    if not (text.isascii() and text.isdigit()) or len(text) > 19 or (text[0] == "0" and text != "0"):
        raise DecodeError(what, "not a decimal number")
    if (number := int(text)) >= _MAX_SIZE:
        raise DecodeError(what, "a number of 2^63 or more")
    return number


def _check_name(name: str, what: str) -> None:
    if not name or len(name.encode(errors="surrogatepass")) > _MAX_NAME or _NOT_IN_NAME.search(name):
        raise DecodeError(what, "a key name that is empty, too long, or has a space, plus or control character")


@dataclass(frozen=True, slots=True)
class NoteKey:
    """A key that signs notes: its name (up to 255 bytes of UTF-8), its type, its public key.

    The types are :data:`ED25519` and :data:`COSIGNATURE` with 32 bytes of public key, :data:`ML_DSA_44` with 1312.
    ``key_id`` is ``SHA-256(name || 0x0A || type || public key)[:4]`` (signed-note). It only finds the line; the key
    is what counts. Raises :class:`UnsupportedError` where the crypto library was built without ML-DSA.
    """

    name: str
    kind: int
    public: bytes
    key_id: bytes = field(init=False)
    _key: Ed25519PublicKey | MLDSA44PublicKey = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        try:
            _check_name(self.name, "note key")
            name = self.name.encode()
        except (DecodeError, UnicodeEncodeError) as error:
            raise UsageError(str(error)) from None
        if self.kind not in _PUBLIC or len(self.public) != _PUBLIC[self.kind]:
            raise UsageError("a note key is of type 1 or 4 and has 32 bytes, or of type 6 and has 1312")
        digest = hashlib.sha256(name + b"\n" + bytes([self.kind]) + self.public).digest()
        object.__setattr__(self, "key_id", digest[:4])
        object.__setattr__(self, "_key", _load(self.kind, self.public))

    def __hash__(self) -> int:
        return hash(self.public)  # bytes keep theirs: each proof looks every witness up

    @classmethod
    def parse(cls, vkey: str) -> Self:
        """Read a verifier key, ``<name>+<key ID, 8 lower-case hex digits>+<Base64 of type and public key>``.

        Raises :class:`DecodeError`, also when the key ID isn't the key's; :class:`UnsupportedError` for another type.
        """
        what = "verifier key"
        name, _, rest = vkey.partition("+")
        key_id, _, material = rest.partition("+")
        _check_name(name, what)
        if not vkey.isprintable():
            raise DecodeError(what, "a character that doesn't print")
        data = decode_base64(material, what)
        if not data:
            raise DecodeError(what, "no public key")
        if data[0] not in _PUBLIC:
            raise UnsupportedError("verifier key: a signature type that isn't offered here")
        if len(data) != 1 + _PUBLIC[data[0]]:
            raise DecodeError(what, f"a public key that isn't {_PUBLIC[data[0]]} bytes")
        key = cls(name, data[0], data[1:])
        if key.key_id.hex() != key_id:
            raise DecodeError(what, "the key ID isn't the key's")
        return key

    def __str__(self) -> str:
        """The verifier key that :meth:`parse` reads."""
        material = base64.b64encode(bytes([self.kind]) + self.public).decode()
        return f"{self.name}+{self.key_id.hex()}+{material}"

    def _verify(self, signature: bytes, message: bytes) -> None:
        try:
            self._key.verify(signature, message)
        except InvalidSignature:
            # req: privproc1/7.5 false-lines-are-errors
            raise SignatureError("note: a signature doesn't verify") from None


def _load(kind: int, public: bytes) -> Ed25519PublicKey | MLDSA44PublicKey:
    if kind != ML_DSA_44:
        return Ed25519PublicKey.from_public_bytes(public)
    try:
        return MLDSA44PublicKey.from_public_bytes(public)
    except UnsupportedAlgorithm:
        raise UnsupportedError("ML-DSA isn't in this build of the crypto library") from None


@dataclass(frozen=True, slots=True)
class NoteSignature:
    """One line ``— <name> <Base64 of key ID (4 bytes) || signature>``; what ``signature`` holds is the key's matter."""

    name: str
    key_id: bytes
    signature: bytes

    @classmethod
    def decode(cls, line: str) -> Self:
        """Raises :class:`DecodeError`."""
        name, _, encoded = line.removeprefix(_DASH).partition(" ")
        if not line.startswith(_DASH):
            raise DecodeError("note", "a line that isn't a signature")
        _check_name(name, "note")
        data = decode_base64(encoded, "note")
        if len(data) < 5:
            raise DecodeError("note", "a signature without bytes")
        return cls(name, data[:4], data[4:])

    def encode(self) -> str:
        """The line, without its newline."""
        return f"{_DASH}{self.name} {base64.b64encode(self.key_id + self.signature).decode()}"


@dataclass(frozen=True, slots=True)
class Note:
    """A signed note (c2sp.org/signed-note)::

        text, ending in newline || newline || 1 to 64 lines of NoteSignature

    ``text`` is kept as received, since that is what is signed.
    """

    text: bytes
    signatures: tuple[NoteSignature, ...]

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Raises :class:`DecodeError`, also for control characters and for more than :data:`MAX_NOTE` bytes."""
        if len(data) > MAX_NOTE:
            raise DecodeError("note", f"more than {MAX_NOTE} bytes")
        try:
            note = data.decode()
        except UnicodeDecodeError as error:
            raise DecodeError("note", "not UTF-8", error.start) from None
        if len(data.translate(None, _CONTROL)) != len(data):  # in UTF-8 these bytes are nothing else
            raise DecodeError("note", "a control character")
        text, found, lines = note.rpartition("\n\n")
        if not found or not lines.endswith("\n"):
            raise DecodeError("note", "no signatures, or no newline at the end", len(data))
        signatures = lines[:-1].split("\n")
        if len(signatures) > _MAX_SIGNATURES:
            raise DecodeError("note", f"more than {_MAX_SIGNATURES} signatures")
        return cls(f"{text}\n".encode(), tuple(map(NoteSignature.decode, signatures)))

    def encode(self) -> bytes:
        """The note; for what :meth:`decode` gave, the same bytes."""
        return b"".join((self.text, b"\n", *(f"{line.encode()}\n".encode() for line in self.signatures)))

    def verify(self, key: NoteKey) -> None:
        """Raise unless ``key``, a log's (of type :data:`ED25519` or :data:`ML_DSA_44`), signed the text.

        Raises :class:`UntrustedError` without a line of that key, :class:`SignatureError` if one of them is false,
        :class:`DecodeError` if one is malformed. A log's ML-DSA signature has a time, which says nothing here.
        """
        if key.kind == COSIGNATURE:
            raise UsageError("a cosigner's key doesn't sign for the log")
        lines = self._lines(key)
        if not lines:
            raise UntrustedError("note: not signed by the key")
        for line in lines:
            if key.kind == ED25519:
                key._verify(line.signature, self.text)
            else:
                self._time(key, line)

    def cosigned(self, key: NoteKey) -> Sequence[int]:
        """The times (POSIX seconds) at which ``key``, a cosigner's (:data:`COSIGNATURE` or :data:`ML_DSA_44`), signed.

        Empty if it didn't. A time of 0 with ML-DSA doesn't say that the tree is the newest that the cosigner knows.
        Raises :class:`SignatureError` if one of its lines is false, :class:`DecodeError` if one is malformed. For
        ML-DSA, what isn't a checkpoint without extension lines is malformed too: it doesn't sign those lines, and
        what nobody signed must not pass for signed.
        """
        if key.kind == ED25519:
            raise UsageError("the key isn't a cosigner's")
        return [self._time(key, line) for line in self._lines(key)]

    def _time(self, key: NoteKey, line: NoteSignature) -> int:
        """Verify a ``timestamped_signature`` (tlog-cosignature): ``uint64 time || signature``. Gives the time."""
        if len(line.signature) != 8 + _SIGNATURE[key.kind]:
            raise DecodeError("cosignature", f"not a time and {_SIGNATURE[key.kind]} bytes")
        time = int.from_bytes(line.signature[:8], "big")
        if time >= _MAX_SIZE:
            raise DecodeError("cosignature", "a time of 2^63 or more")
        if key.kind == COSIGNATURE:
            message = cosigned_message(self.text, time)
        else:
            head = Checkpoint.decode(self.text)
            try:
                message = cosigned_subtree(key.name, time, head)
            except UsageError as error:
                raise DecodeError("cosignature", str(error)) from None
        key._verify(line.signature[8:], message)
        return time

    def _lines(self, key: NoteKey) -> list[NoteSignature]:
        # Name and ID together name a key; with only one of them equal it is somebody else's line, to be skipped.
        # req: privproc1/7.5 other-lines-are-skipped
        return [line for line in self.signatures if line.name == key.name and line.key_id == key.key_id]


def cosigned_message(text: bytes, time: int) -> bytes:
    """What a witness signs: the lines ``cosignature/v1`` and ``time <decimal>``, then the text (tlog-cosignature)."""
    return b"cosignature/v1\ntime %d\n%b" % (time, text)


def cosigned_subtree(cosigner: str, time: int, head: Checkpoint) -> bytes:
    r"""What an ML-DSA-44 cosigner of that name signs for the whole tree of ``head`` (tlog-cosignature)::

        struct {
            uint8 label[12] = "subtree/v1\n\0";
            opaque cosigner_name<1..2^8-1>;
            uint64 timestamp;
            opaque log_origin<1..2^8-1>;
            uint64 start = 0;
            uint64 end;                         the tree's size
            uint8 hash[32];                     its root
        } cosigned_message;

    ``time``: POSIX seconds, or 0 if the tree isn't said to be the newest one known. Raises :class:`UsageError` for
    names that don't fit, a time of 2^63 or more, or a head with extension lines, which would stay unsigned.
    """
    if head.extensions:
        raise UsageError("ML-DSA doesn't sign a checkpoint's extension lines")
    names = cosigner.encode(), head.origin.encode()
    if not all(1 <= len(name) <= _MAX_NAME for name in names) or not 0 <= time < _MAX_SIZE:
        raise UsageError("names in a cosignature have 1 to 255 bytes, its time is under 2^63")
    name, origin = (bytes([len(name)]) + name for name in names)
    numbers = bytes(8) + head.size.to_bytes(8, "big")
    return b"".join((_SUBTREE, name, time.to_bytes(8, "big"), origin, numbers, head.root))


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A tree head, the text of a note (c2sp.org/tlog-checkpoint)::

        origin || newline || tree size, decimal || newline || root hash, Base64 || newline || extension lines

    ``size`` is under 2^63, ``root`` 32 bytes. The up to 16 ``extensions`` are opaque and witnesses don't vouch for
    them: nothing here depends on one.
    """

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.size < _MAX_SIZE or len(self.root) != 32:
            raise UsageError("a checkpoint has a size of 0 to 2^63 - 1 and a root of 32 bytes")
        lines = (self.origin, *self.extensions)
        if len(lines) > _MAX_EXTENSIONS + 1 or any(not line or _NOT_IN_LINE.search(line) for line in lines):
            raise UsageError("a checkpoint's origin and its up to 16 extensions are lines that aren't empty")

    @classmethod
    def decode(cls, text: bytes) -> Self:
        """Read a note's text, of at most :data:`MAX_NOTE` bytes. Raises :class:`DecodeError`."""
        if len(text) > MAX_NOTE:
            raise DecodeError("checkpoint", f"more than {MAX_NOTE} bytes")
        try:
            lines = text.decode().split("\n")
        except UnicodeDecodeError as error:
            raise DecodeError("checkpoint", "not UTF-8", error.start) from None
        if len(lines) < 4 or lines.pop():
            raise DecodeError("checkpoint", "not three or more lines")
        origin, size, encoded, *extensions = lines
        root = decode_base64(encoded, "checkpoint")
        try:
            return cls(origin, decode_number(size, "checkpoint"), root, tuple(extensions))
        except UsageError as error:
            raise DecodeError("checkpoint", str(error)) from None

    def encode(self) -> bytes:
        """The text that a log signs."""
        lines = (self.origin, str(self.size), base64.b64encode(self.root).decode(), *self.extensions)
        return "".join(f"{line}\n" for line in lines).encode()
