"""Checkpoints of transparency logs: C2SP signed-note, tlog-checkpoint and tlog-cosignature (c2sp.org).

A :class:`Note` is text with signatures, a :class:`Checkpoint` the text of a log's tree head, a :class:`NoteKey` whoever
signs: a log (type 1) or a witness (type 4, with a time). Two of the signature types exist here, both Ed25519; lines of
unknown keys are skipped, as the specification demands.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from privproc.errors import DecodeError, SignatureError, UnsupportedError, UntrustedError, UsageError

__all__ = ["COSIGNATURE", "ED25519", "MAX_NOTE", "Checkpoint", "Note", "NoteKey", "NoteSignature", "cosigned_message"]

ED25519: Final = 0x01
"""Signature type: Ed25519 over the note's text (signed-note)."""
COSIGNATURE: Final = 0x04
"""Signature type: Ed25519 over a time and the note's text (tlog-cosignature, ``cosignature/v1``)."""

MAX_NOTE: Final = 1 << 17
"""Longest note, in bytes: room for the 16 post-quantum signatures that a verifier must accept."""
_MAX_SIGNATURES = 64
_MAX_EXTENSIONS = 16
_MAX_NAME = 255
_MAX_SIZE = 1 << 63  # of a tree, and of a POSIX time, which must not exceed 2^63 - 1
_DASH = "\N{EM DASH} "
_CONTROL = re.compile("[\0-\t\x0b-\x1f]")  # all below U+0020 but the newline
_NOT_IN_NAME = re.compile(r"[\s+\0-\x1f]")  # \s: every Unicode space


def decode_base64(text: str, what: str) -> bytes:
    """Standard Base64 with padding (RFC 4648 §4), in its one form. Raises :class:`DecodeError`."""
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError:
        raise DecodeError(what, "not Base64") from None
    if binascii.b2a_base64(data, newline=False).decode() != text:
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
    if not name or len(name) > _MAX_NAME or _NOT_IN_NAME.search(name):
        raise DecodeError(what, "a key name that is empty, too long, or has a space, plus or control character")


@dataclass(frozen=True, slots=True)
class NoteKey:
    """A key that signs notes: its name, its type (:data:`ED25519` or :data:`COSIGNATURE`), 32 bytes of public key.

    ``key_id`` is ``SHA-256(name || 0x0A || type || public key)[:4]`` (signed-note). It only finds the line; the key
    is what counts.
    """

    name: str
    kind: int
    public: bytes
    key_id: bytes = field(init=False)
    _key: Ed25519PublicKey = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        try:
            _check_name(self.name, "note key")
            name = self.name.encode()
        except (DecodeError, UnicodeEncodeError) as error:
            raise UsageError(f"note key: {error}") from None
        if self.kind not in (ED25519, COSIGNATURE) or len(self.public) != 32:
            raise UsageError("a note key is of type 1 or 4 and has 32 bytes")
        digest = hashlib.sha256(name + b"\n" + bytes([self.kind]) + self.public).digest()
        object.__setattr__(self, "key_id", digest[:4])
        object.__setattr__(self, "_key", Ed25519PublicKey.from_public_bytes(self.public))

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
        if data[:1] not in (bytes([ED25519]), bytes([COSIGNATURE])):
            raise UnsupportedError("verifier key: a signature type that isn't offered here")
        if len(data) != 33:
            raise DecodeError(what, "a public key that isn't 32 bytes")
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
            raise SignatureError("note: a signature doesn't verify") from None


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
        if _CONTROL.search(note):
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
        """Raise unless ``key`` (of type :data:`ED25519`) signed the text.

        Raises :class:`UntrustedError` without a line of that key, :class:`SignatureError` if one of them is false.
        """
        if key.kind != ED25519:
            raise UsageError("a cosigner's key doesn't sign for the log")
        lines = self._lines(key)
        if not lines:
            raise UntrustedError("note: not signed by the key")
        for line in lines:
            key._verify(line.signature, self.text)

    def cosigned(self, key: NoteKey) -> Sequence[int]:
        """The times (POSIX seconds) at which ``key`` (of type :data:`COSIGNATURE`) cosigned; empty if it didn't.

        Raises :class:`SignatureError` if one of its lines is false, :class:`DecodeError` if one is malformed.
        """
        if key.kind != COSIGNATURE:
            raise UsageError("the key isn't a cosigner's")
        times = []
        for line in self._lines(key):
            if len(line.signature) != 72:
                raise DecodeError("cosignature", "not a time and 64 bytes")
            time = int.from_bytes(line.signature[:8], "big")
            if time >= _MAX_SIZE:
                raise DecodeError("cosignature", "a time of 2^63 or more")
            key._verify(line.signature[8:], cosigned_message(self.text, time))
            times.append(time)
        return times

    def _lines(self, key: NoteKey) -> list[NoteSignature]:
        # Name and ID together name a key; with only one of them equal it is somebody else's line, to be skipped.
        return [line for line in self.signatures if line.name == key.name and line.key_id == key.key_id]


def cosigned_message(text: bytes, time: int) -> bytes:
    """What a witness signs: the lines ``cosignature/v1`` and ``time <decimal>``, then the text (tlog-cosignature)."""
    return b"cosignature/v1\ntime %d\n%b" % (time, text)


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
        if len(lines) > _MAX_EXTENSIONS + 1 or any(not line or any(c < " " for c in line) for line in lines):
            raise UsageError("a checkpoint's origin and its up to 16 extensions are lines that aren't empty")

    @classmethod
    def decode(cls, text: bytes) -> Self:
        """Read a note's text. Raises :class:`DecodeError`."""
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
