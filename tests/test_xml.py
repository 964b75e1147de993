"""The part of XML that is read, and its canonical form: what is refused, and what lxml says of the rest."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from privproc.attestation.xml import Element, canonical, parse
from privproc.errors import DecodeError
from tests.codec import check_contract
from tests.world.removed import removed

WHAT = "document"

CANONICAL = {
    "empty element": ("<a/>", "<a></a>"),
    "order and spaces": ("<a  c='1'\n b = '2' />", '<a b="2" c="1"></a>'),
    "quotes": ("<a b='\"'/>", '<a b="&quot;"></a>'),
    "white space in a value": ("<a b='1\n2\t3'/>", '<a b="1 2 3"></a>'),
    "greater": ("<a b='>'>></a>", '<a b=">">&gt;</a>'),
    "ends of lines": ("<a>1\r\n2\r3\n</a>\r\n", "<a>1\n2\n3\n</a>"),
    "declarations first": ('<a z="1" xmlns:y="u" xmlns="v"/>', '<a xmlns="v" xmlns:y="u" z="1"></a>'),
    "by namespace": (
        '<a xmlns:a="z" xmlns:z="a" a:b="1" z:c="2" d="3"/>',
        '<a xmlns:a="z" xmlns:z="a" d="3" z:c="2" a:b="1"></a>',
    ),
    "declared again": ('<a xmlns:p="u"><b xmlns:p="u"/></a>', '<a xmlns:p="u"><b></b></a>'),
    "declared otherwise": ('<a xmlns:p="u"><b xmlns:p="v"/></a>', '<a xmlns:p="u"><b xmlns:p="v"></b></a>'),
    "no default": ('<a xmlns="u"><b xmlns=""><c/></b></a>', '<a xmlns="u"><b xmlns=""><c></c></b></a>'),
    "no default to undo": ('<a xmlns=""/>', "<a></a>"),
    "beyond ASCII": ("<a>\u00e9</a>", "<a>\u00e9</a>"),
}


@pytest.mark.parametrize("name", CANONICAL)
def test_canonical(name: str) -> None:
    sent, expected = CANONICAL[name]
    assert canonical(parse(sent.encode(), WHAT)).decode() == expected


def test_an_apex_has_what_is_in_scope() -> None:
    root = parse(b'<a xmlns="u" xmlns:p="v"><b><c/></b></a>', WHAT)
    (inner,) = root.elements
    assert canonical(inner) == b'<b xmlns="u" xmlns:p="v"><c></c></b>'


def test_what_is_left_out() -> None:
    root = parse(b"<a>1<b><c/></b>2<b/></a>", WHAT)
    first, second = root.elements
    assert canonical(root, without=first) == b"<a>12<b></b></a>"
    assert canonical(root, without=second) == b"<a>1<b><c></c></b>2</a>"  # this one, not one that is equal


def test_elements() -> None:
    root = parse(b'<a xmlns="u" xmlns:p="v" b="1" p:b="2"> x <p:c/> y\n</a>', WHAT)
    assert (root.name, root.written, root.text) == (("u", "a"), "a", "x  y")
    assert root.attributes == {("", "b"): "1", ("v", "b"): "2"}
    assert [each.name for each in root.elements] == [("v", "c")]


def declared(count: int) -> str:
    return " ".join(f'xmlns:p{number}="u"' for number in range(count))


REFUSED = {
    "nothing": (b"", "doesn't begin"),
    "space": (b" <a/>", "doesn't begin"),
    "byte order mark": (b"\xef\xbb\xbf<a/>", "doesn't begin"),
    "declaration": (b'<?xml version="1.0"?><a/>', "XML declaration"),
    "encoding": (b'<?xml version="1.0" encoding="UTF-16"?><a/>', "XML declaration"),
    "document type": (b"<!DOCTYPE a><a/>", "document type"),
    "attributes by default": (b'<!DOCTYPE a [<!ATTLIST a b CDATA "1">]><a/>', "document type"),
    "entity": (b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "reference"),
    "predefined entity": (b"<a>&lt;</a>", "reference"),
    "character reference": (b"<a b='&#10;'/>", "reference"),
    "comment": (b"<a><!-- --></a>", "comment"),
    "comment behind": (b"<a/><!-- -->", "comment"),
    "instruction": (b"<a><?b?></a>", "processing instruction"),
    "instruction behind": (b"<a/><?b?>", "processing instruction"),
    "CDATA": (b"<a><![CDATA[b]]></a>", "CDATA"),
    "two roots": (b"<a/><b/>", "not XML"),
    "text behind": (b"<a/>b", "not XML"),
    "not closed": (b"<a>", "not XML"),
    "not UTF-8": (b"<a>\xff</a>", "not XML"),
    "control character": (b"<a>\0</a>", "not XML"),
    "attribute twice": (b"<a b='1' b='2'/>", "not XML"),
    "by two prefixes": (b"<a xmlns:p='u' xmlns:q='u' p:b='1' q:b='2'/>", "comes twice"),
    "prefix unknown": (b"<p:a/>", "without a namespace"),
    "prefix of an attribute unknown": (b"<a p:b='1'/>", "without a namespace"),
    "out of scope": (b"<a><b xmlns:p='u'/><p:c/></a>", "without a namespace"),
    "prefix xml": (b"<a xml:lang='en'/>", "without a namespace"),
    "xml declared": (b"<a xmlns:xml='http://www.w3.org/XML/1998/namespace'/>", "reserved prefix"),
    "xmlns declared": (b"<a xmlns:xmlns='u'/>", "reserved prefix"),
    "undeclared": (b"<a xmlns:p='u'><b xmlns:p=''/></a>", "reserved prefix"),
    "no local name": (b"<p: xmlns:p='u'/>", "without a namespace"),
    "no prefix": (b"<:a/>", "without a namespace"),
    "no prefix of an attribute": (b"<a :b='1'/>", "without a namespace"),
    "two colons": (b"<p:q:a xmlns:p='u'/>", "without a namespace"),
    "two colons in a declaration": (b"<a xmlns:p:q='u'/>", "without a namespace"),
    "deep": (b"<a>" * 17 + b"</a>" * 17, "nested too deeply"),
    "many declarations": (f"<a {declared(65)}/>".encode(), "too many declarations"),
    "many declarations, of few prefixes": (b"<a>" + b"<b xmlns='u'/>" * 65 + b"</a>", "too many declarations"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    data, reason = REFUSED[name]
    with pytest.raises(DecodeError, match=reason):
        parse(data, WHAT)


LONGEST = 1 << 17  # of a manifest
FILLED: dict[str, bytes] = {
    "declarations": f"<r {declared(4000)}>{'<a/>' * 16000}</r>".encode(),
    "most declarations": f"<r {declared(64)}>{'<a/>' * 32000}</r>".encode(),
    "elements and texts": b"<r>" + b"<a/>b" * 26000 + b"</r>",
    "attributes": b"<r>" + b"<a b=''/>" * 14000 + b"</r>",
}


@pytest.mark.slow
@pytest.mark.parametrize("name", FILLED)
def test_memory(name: str) -> None:
    """The longest manifest, filled with what takes the most: parsed and written, or refused, in less than 32 MiB."""
    data = FILLED[name]
    assert LONGEST * 9 // 10 < len(data) <= LONGEST
    tracemalloc.start()
    try:
        check_contract(lambda data: canonical(parse(data, WHAT)), data)
        assert tracemalloc.get_traced_memory()[1] < 32 << 20
    finally:
        tracemalloc.stop()


def test_most_declarations() -> None:
    root = parse(f"<a {declared(63)}><b xmlns='u'/></a>".encode(), WHAT)
    assert [each.name for each in root.elements] == [("u", "b")]


def test_depth() -> None:
    assert canonical(parse(b"<a>" * 16 + b"</a>" * 16, WHAT)) == b"<a>" * 16 + b"</a>" * 16


@pytest.mark.parametrize(
    ("name", "fragment"),
    [
        ("comment", 'self.parser.CommentHandler = lambda _: self.fail("a comment")'),
        ("instruction", 'self.parser.ProcessingInstructionHandler = lambda *_: self.fail("a processing instruction")'),
        ("CDATA", 'self.parser.StartCdataSectionHandler = lambda: self.fail("a CDATA section")'),
        ("document type", 'self.parser.StartDoctypeDeclHandler = lambda *_: self.fail("a document type")'),
        ("declaration", 'self.parser.XmlDeclHandler = lambda *_: self.fail("an XML declaration")'),
    ],
)
def test_nothing_else_refuses(name: str, fragment: str) -> None:
    """Each of these would be read by expat, which says nothing of it."""
    import privproc.attestation.xml as module

    with removed(module._Reader.__init__, fragment):
        parse(REFUSED[name][0], WHAT)


# A tree as lxml's own serializer never sees it: prefixes, quotes, and text that need each rule.
_NAMES = st.sampled_from(["a", "b", "p:a", "q:b"])
_VALUES = st.text(st.sampled_from("x\u00e9 >'\n\t"), max_size=4)
_SPACES = st.lists(st.sampled_from(["xmlns", "xmlns:p", "xmlns:q", "xmlns:r"]), unique=True)
_URIS = st.sampled_from(["urn:u", "urn:v", "http://w"])


@st.composite
def documents(draw: st.DrawFn, depth: int = 0) -> str:
    declared = [f'{each}="{draw(_URIS)}"' for each in draw(_SPACES)]
    if not depth:
        declared = ['xmlns:p="urn:u"', 'xmlns:q="urn:v"']
    attributes = [f'{each}="{draw(_VALUES)}"' for each in draw(st.lists(_NAMES, unique=True, max_size=3))]
    name = draw(_NAMES)
    inner = draw(st.lists(_VALUES | documents(depth + 1), max_size=3)) if depth < 3 else []
    return f"<{' '.join([name, *draw(st.permutations(declared + attributes))])}>{''.join(inner)}</{name}>"


@given(documents(), st.integers(0, 100))
def test_lxml_agrees(document: str, which: int) -> None:
    etree = pytest.importorskip("lxml.etree", reason="lxml, of PyPI, is not here")
    data = document.encode()
    try:
        theirs = etree.fromstring(data)
    except etree.XMLSyntaxError:
        with pytest.raises(DecodeError, match="comes twice"):
            parse(data, WHAT)
        return
    root = parse(data, WHAT)
    assert canonical(root) == etree.tostring(theirs, method="c14n", with_comments=False)
    all_of_it = list(every(root))
    at = which % len(all_of_it)
    written = etree.tostring(list(theirs.iter())[at], method="c14n", with_comments=False)
    if b'xmlns=""' not in written:  # lxml takes some elements out of their namespace
        assert canonical(all_of_it[at]) == written


def every(element: Element):
    yield element
    for child in element.elements:
        yield from every(child)


GOOD = b'<a xmlns="u" xmlns:p="v" b="1"> x <p:c p:d="2"/> y\n</a>'


@given(st.integers(0, len(GOOD) - 1), st.binary(min_size=1, max_size=3))
def test_contract(at: int, noise: bytes) -> None:
    check_contract(lambda data: canonical(parse(data, WHAT)), GOOD[:at] + noise + GOOD[at + 1 :])
