"""Reading the sections of a message from what has arrived of it.

Each function takes a section in one go, or raises :class:`ShortError` when it isn't there as a whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from privproc.bhttp._rules import fields_fault, request_fault
from privproc.errors import DecodeError
from privproc.http import Fields
from privproc.wire import bounded

__all__ = [
    "DEFAULT",
    "Content",
    "Input",
    "Limits",
    "ShortError",
    "check_target",
    "checked_fields",
    "read_control",
    "read_framing",
    "read_known_lines",
    "read_open_lines",
    "read_padding",
    "read_status",
]


@dataclass(frozen=True, slots=True)
class Limits:
    """What a decoder takes; one more is :class:`~privproc.errors.LimitError`, raised before anything is buffered.

    ``control``: bytes of method, scheme, authority and path together. ``section``: bytes of one field section, lengths
    included. ``fields``: field lines of one section. ``content``: bytes of the whole content. ``informational``: how
    many responses may come before the final one.
    """

    control: int = 16 * 1024
    section: int = 64 * 1024
    fields: int = 256
    content: int = 64 * 1024 * 1024
    informational: int = 16


DEFAULT: Final = Limits()
"""The limits of a decoder that was given none."""


class ShortError(Exception):
    """Internal: at least ``missing`` more bytes are needed."""

    def __init__(self, missing: int) -> None:
        self.missing = missing


class Input:
    """What has arrived and isn't consumed. A retry starts at the last :meth:`commit`."""

    __slots__ = ("_base", "_mark", "data", "pos", "what")

    def __init__(self, what: str, data: bytes = b"", base: int = 0) -> None:
        self.what = what
        self.data = data
        self.pos = 0
        self._mark = 0
        self._base = base  # offset of data[0] in the message

    @property
    def offset(self) -> int:
        return self._base + self.pos

    def commit(self) -> None:
        self._mark = self.pos

    def extend(self, more: bytes) -> None:
        """Drop what was consumed up to the mark, append ``more``, go back to the mark."""
        self._base += self._mark
        self.data = self.data[self._mark :] + more
        self.pos = self._mark = 0

    def fail(self, why: str) -> DecodeError:
        return DecodeError(self.what, why, self.offset)

    def truncated(self) -> DecodeError:
        return DecodeError(self.what, "truncated", self._base + len(self.data))

    def varint(self) -> int:
        data, pos = self.data, self.pos
        try:
            first = data[pos]
        except IndexError:
            raise ShortError(1) from None
        if first < 0x40:
            self.pos = pos + 1
            return first
        # req: rfc9292/3 integers-in-any-width
        width = 1 << (first >> 6)
        return int.from_bytes(self.take(width), "big") & ((1 << (8 * width - 2)) - 1)

    def take(self, size: int) -> bytes:
        pos = self.pos
        end = pos + size
        if end > len(self.data):
            raise ShortError(end - len(self.data))
        self.pos = end
        return self.data[pos:end]


def read_framing(inp: Input, response: int) -> bool:
    """Whether the framing is the one of known lengths."""
    indicator = inp.varint()
    # req: rfc9292/3.3 framing-indicator
    if indicator not in (response, response + 2):
        raise inp.fail(f"framing {indicator}")
    return indicator == response


def read_control(inp: Input, limit: int) -> tuple[str, str, str, str]:
    used = 0
    parts = []
    for _ in range(4):
        size = inp.varint()
        used = bounded("control data", used + size, limit)
        parts.append(inp.take(size).decode("latin-1"))  # what isn't ASCII is refused by request_fault
    method, scheme, authority, path = parts
    return method, scheme, authority, path


def read_status(inp: Input) -> int:
    status = inp.varint()
    # req: rfc9292/3.5 final-status
    if not 100 <= status <= 599:
        raise inp.fail("a status is 100 to 599")
    return status


# Each reader of field lines is one loop without a call for a short length: a message is mostly field lines, and a call
# for each of their lengths takes as long as all the rest of its decoding.


def read_known_lines(inp: Input, lines: list[tuple[bytes, bytes]], limits: Limits) -> None:
    # req: rfc9292/3.1 known-lengths
    size = bounded("field section", inp.varint(), limits.section)
    data, pos = inp.take(size), 0
    try:
        while pos < size:
            length, start = data[pos], pos + 1
            if length > 0x3F:
                length, start = _long(data, pos)
            pos = start + length
            name, length, start = data[start:pos], data[pos], pos + 1
            if length > 0x3F:
                length, start = _long(data, pos)
            pos = start + length
            # req: rfc9292/3.6 repeated-fields-are-kept
            lines.append((name, data[start:pos]))
            if len(lines) > limits.fields:
                # req: rfc9292/8 large-messages-are-bounded
                bounded("field lines", len(lines), limits.fields)
    except (IndexError, ShortError):
        pos = size + 1
    if pos > size:
        raise inp.fail("a field line is longer than its section")


def read_open_lines(inp: Input, lines: list[tuple[bytes, bytes]], limits: Limits, start: int) -> None:
    """Field lines up to the final zero. Complete ones are committed, so a retry takes up where this one ended."""
    # req: rfc9292/3.2 indeterminate-sections-end-with-zero
    data, end = inp.data, inp.pos
    most = end + limits.section - (inp.offset - start)  # where the section has ended, in data
    try:
        while length := data[end]:
            bounded("field lines", len(lines) + 1, limits.fields)
            length, pos = (length, end + 1) if length < 0x40 else _long(data, end)
            if not length:
                end = pos - 1
                break
            middle = pos + length
            if middle >= len(data):
                bounded("field section", middle - most + limits.section, limits.section)
                raise ShortError(middle + 1 - len(data))
            name, length, pos = data[pos:middle], data[middle], middle + 1
            if length > 0x3F:
                length, pos = _long(data, middle)
            following = pos + length
            if following > len(data) or following > most:
                bounded("field section", following - most + limits.section, limits.section)
                raise ShortError(following - len(data))
            lines.append((name, data[pos:following]))
            end = following
        end += 1
    except IndexError:
        raise ShortError(1) from None
    finally:
        inp.pos = end
        inp.commit()


def _long(data: bytes, pos: int) -> tuple[int, int]:
    """A varint of two bytes or more, and where it ends."""
    width = 1 << (data[pos] >> 6)
    end = pos + width
    if end > len(data):
        raise ShortError(end - len(data))
    return int.from_bytes(data[pos:end], "big") & ((1 << (8 * width - 2)) - 1), end


def checked_fields(inp: Input, lines: list[tuple[bytes, bytes]], *, trailers: bool) -> Fields:
    if (fault := fields_fault(lines, trailers=trailers)) is not None:
        raise inp.fail(fault)
    return tuple(lines)


def check_target(inp: Input, target: tuple[str, str, str, str], fields: Fields) -> None:
    if (fault := request_fault(*target, fields)) is not None:
        raise inp.fail(fault)


class Content:
    """The content as far as it has come. Known content is a single chunk without the final zero."""

    __slots__ = ("known", "left", "limit", "total")

    def __init__(self, limit: int, size: int, *, known: bool) -> None:
        self.limit = limit
        self.total = self.left = size  # left: of the chunk at hand
        self.known = known

    def gather(self, inp: Input, parts: list[bytes], most: int) -> bool:
        """Move what is there to ``parts``, which may become ``most``; whether that was the end."""
        while len(parts) < most:
            if not self.left:
                if self.known or not (size := inp.varint()):
                    return True
                self.total = bounded("content", self.total + size, self.limit)
                self.left = size
            piece = inp.data[inp.pos : inp.pos + self.left]
            if not piece:
                raise ShortError(1)
            inp.pos += len(piece)
            self.left -= len(piece)
            parts.append(piece)
        return False


def read_padding(inp: Input) -> None:
    """All that has arrived after the message."""
    padding = inp.take(len(inp.data) - inp.pos)
    # req: rfc9292/3.8 padding-is-zero
    if padding != bytes(len(padding)):
        inp.pos -= len(padding.lstrip(b"\0"))
        raise inp.fail("padding is not zero")
