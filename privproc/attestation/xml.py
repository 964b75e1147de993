"""XML as signed manifests are written: the part of it that has one reading, and its canonical form.

Nothing here takes a document type, an entity or a reference to one or to a character, a comment, a processing
instruction, a CDATA section, or an attribute of the prefix ``xml``: with these, what is hashed and what is read can
differ. What is left is a tree, and both are made from the same tree (docs/decisions/0012-signed-xml.md).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NoReturn
from xml.parsers import expat

from privproc.errors import DecodeError

__all__ = ["Element", "Name", "canonical", "parse"]

Name = tuple[str, str]
"""Namespace, empty for none, and local name."""

_MAX_DEPTH = 16  # manifests have 6
_MAX_DECLARATIONS = 64  # of namespaces, in a document; manifests have 6


@dataclass(frozen=True, slots=True)
class Element:
    """An element: its ``name``, its ``attributes`` by theirs, its elements and texts in order.

    ``written`` is the name with its prefix, and ``spelled`` the attributes' names with theirs; ``namespaces`` are those
    in scope, by prefix.
    """

    name: Name
    attributes: Mapping[Name, str]
    children: Sequence[Element | str]
    written: str = field(repr=False)
    spelled: Mapping[Name, str] = field(repr=False)
    namespaces: Mapping[str, str] = field(repr=False)

    @property
    def elements(self) -> list[Element]:
        """The children that are elements."""
        return [each for each in self.children if isinstance(each, Element)]

    @property
    def text(self) -> str:
        """The texts among the children, joined, without XML's white space around them."""
        return "".join(each for each in self.children if isinstance(each, str)).strip(" \t\n")


def parse(data: bytes, what: str) -> Element:
    """The root element of ``data``, UTF-8 without an XML declaration; ``what`` names it in errors.

    Raises :class:`DecodeError` for what isn't well-formed with namespaces, or not in the part of XML that is read here.
    The caller bounds the size.
    """
    if not data.startswith(b"<"):
        raise DecodeError(what, "doesn't begin with an element")
    if b"&" in data:
        raise DecodeError(what, "a reference to a character or an entity", data.index(b"&"))
    reader = _Reader(what)
    try:
        reader.parser.Parse(data, True)  # noqa: FBT003 - expat takes no name for it
    except expat.ExpatError as error:
        raise DecodeError(what, "not XML", reader.parser.ErrorByteIndex) from error
    return reader.root


class _Reader:
    """What expat calls. It never sees a document type, without which it expands nothing and adds no attribute."""

    def __init__(self, what: str) -> None:
        self.what = what
        self.root: Element
        self.open: list[list[Element | str]] = [[]]
        self.scopes: list[Mapping[str, str]] = [{}]
        self.heads: list[tuple[str, Sequence[str]]] = []
        self.declarations = 0
        self.parser = expat.ParserCreate("utf-8")
        self.parser.ordered_attributes = True
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self.start
        self.parser.EndElementHandler = self.end
        self.parser.CharacterDataHandler = self.text
        self.parser.XmlDeclHandler = lambda *_: self.fail("an XML declaration")
        self.parser.StartDoctypeDeclHandler = lambda *_: self.fail("a document type")
        self.parser.ProcessingInstructionHandler = lambda *_: self.fail("a processing instruction")
        self.parser.CommentHandler = lambda _: self.fail("a comment")
        self.parser.StartCdataSectionHandler = lambda: self.fail("a CDATA section")

    def fail(self, why: str) -> NoReturn:
        raise DecodeError(self.what, why, self.parser.CurrentByteIndex)

    def start(self, name: str, attributes: list[str]) -> None:
        if len(self.open) > _MAX_DEPTH:
            self.fail("nested too deeply")
        declarations: dict[str, str] = {}
        plain: list[str] = []
        for spelled, value in zip(attributes[::2], attributes[1::2], strict=True):
            prefix, _, local = spelled.rpartition(":")
            if prefix == "xmlns" or spelled == "xmlns":
                declared = local if prefix else ""
                if declared.startswith("xml") or (declared and not value):
                    self.fail("a declaration of a reserved prefix, or of no namespace")
                declarations[declared] = value
            else:
                plain += [spelled, value]
        self.declarations += len(declarations)
        if self.declarations > _MAX_DECLARATIONS:
            self.fail("too many declarations of namespaces")
        # One scope for all that declare nothing: a copy for each would let a short document fill the memory.
        self.scopes.append({**self.scopes[-1], **declarations} if declarations else self.scopes[-1])
        self.heads.append((name, plain))
        self.open.append([])

    def text(self, text: str) -> None:
        self.open[-1].append(text)

    def end(self, _: str) -> None:
        children, scope, (written, plain) = self.open.pop(), self.scopes.pop(), self.heads.pop()
        attributes: dict[Name, str] = {}
        spelled: dict[Name, str] = {}
        for name, value in zip(plain[::2], plain[1::2], strict=True):
            expanded = self.expand(name, scope) if ":" in name else ("", name)
            if expanded in attributes:
                self.fail("an attribute comes twice, by two prefixes")
            attributes[expanded], spelled[expanded] = value, name
        self.root = Element(self.expand(written, scope), attributes, children, written, spelled, scope)
        self.open[-1].append(self.root)

    def expand(self, name: str, scope: Mapping[str, str]) -> Name:
        prefix, colon, local = name.rpartition(":")
        if (prefix and prefix not in scope) or ":" in prefix or (colon and not (prefix and local)):
            self.fail("a name without a namespace")
        return scope.get(prefix, ""), local


def canonical(element: Element, *, without: Element | None = None) -> bytes:
    """``element`` in the form of Canonical XML 1.1 (W3C, inclusive), as the apex of its subset.

    ``without`` is left out together with all that is in it. For what :func:`parse` reads, version 1.0 gives the same.
    """
    found: list[str] = []
    _write(element, {}, without, found)
    return "".join(found).encode()


def _write(element: Element, rendered: Mapping[str, str], without: Element | None, found: list[str]) -> None:
    scope = element.namespaces
    new = () if scope is rendered else sorted(scope)
    declared = [prefix for prefix in new if scope[prefix] != rendered.get(prefix, "")]
    names = [f"xmlns:{prefix}" if prefix else "xmlns" for prefix in declared]
    pairs = list(zip(names, [scope[prefix] for prefix in declared], strict=True))
    pairs += [(element.spelled[name], element.attributes[name]) for name in sorted(element.attributes)]
    # No value has '&', '<', or, its white space being normalised, tabs and ends of lines; no text has '&', '<' or CR.
    found.append(f"<{element.written}")
    found += [f' {name}="{value.replace(chr(34), "&quot;")}"' for name, value in pairs]
    found.append(">")
    for child in element.children:
        if isinstance(child, str):
            found.append(child.replace(">", "&gt;"))
        elif child is not without:
            _write(child, scope, without, found)
    found.append(f"</{element.written}>")
