"""Challenges and credentials of RFC 9110 §11."""

from __future__ import annotations

import contextlib
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from privproc.errors import DecodeError, LimitError, PeerError, UsageError
from privproc.httpauth import (
    MAX_CHALLENGES,
    MAX_PARAMETERS,
    MAX_SIZE,
    Auth,
    decode_challenges,
    decode_challenges_leniently,
    encode_challenges,
)
from privproc.tokens import BLIND_RSA, OfferedChallenge, TokenChallenge, decode_offers, decode_offers_leniently

TCHARS = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"
NAMES = st.text(TCHARS, min_size=1, max_size=12)
VALUES = st.text(st.sampled_from([chr(c) for c in (9, *range(32, 127), *range(128, 256))]), max_size=30)
TOKEN68 = st.from_regex(r"\A[A-Za-z0-9\-._~+/]{1,20}={0,3}\Z")
AUTHS = st.one_of(
    st.builds(Auth, NAMES, st.dictionaries(NAMES, VALUES, max_size=5).map(lambda found: tuple(found.items()))),
    st.builds(Auth, NAMES, st.just(()), TOKEN68),
)


@given(st.lists(AUTHS, max_size=6))
def test_round_trip(auths):
    assert decode_challenges(encode_challenges(auths)) == tuple(auths)


@given(AUTHS)
def test_credentials_round_trip(auth):
    assert Auth.decode(auth.encode()) == auth


@given(st.one_of(st.binary(max_size=200), st.text('aB0=,"\\ \t/~', max_size=60).map(str.encode)))
def test_contract(data):
    for decode in (decode_challenges, decode_challenges_leniently, Auth.decode):
        with contextlib.suppress(PeerError):
            decode(data)


@given(st.text('a=," \t\\b', max_size=40).map(str.encode))
def test_what_is_read_is_written_to_the_same_meaning(data):
    with contextlib.suppress(PeerError):
        read = decode_challenges(data)
        assert decode_challenges(encode_challenges(read)) == read


@given(st.one_of(st.binary(max_size=60), st.text('aB=,"/ \t\\', max_size=40).map(str.encode)))
def test_lenient_reads_what_strict_does_and_alike(data):
    try:
        strict = decode_challenges(data)
    except PeerError:
        with contextlib.suppress(PeerError):
            read = decode_challenges_leniently(data)
            assert decode_challenges(encode_challenges(read)) == read
    else:
        assert decode_challenges_leniently(data) == strict


@given(st.lists(AUTHS, max_size=6))
def test_lenient_round_trip(auths):
    assert decode_challenges_leniently(encode_challenges(auths)) == tuple(auths)


ONE = (Auth("A", (("b", "c"),)),)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"", ()),
        (b" , ,", ()),
        (b"A b=c", ONE),
        (b"A  b=c", ONE),
        (b"A b = c", ONE),
        (b'A b\t=\t"c"', ONE),
        (b'A B="\\c"', ONE),
        (b",A b=c,", ONE),
        (b" A b=c \t", ONE),
        (b"A", (Auth("A"),)),
        (b"A,B", (Auth("A"), Auth("B"))),
        (b"A c==", (Auth("A", token68="c=="),)),
        (b"A b", (Auth("A", token68="b"),)),
        (b"A b=", (Auth("A", token68="b="),)),
        (b"A c==, D e=f", (Auth("A", token68="c=="), Auth("D", (("e", "f"),)))),
        (b"A b=c,,d=e", (Auth("A", (("b", "c"), ("d", "e"))),)),
        (b"A b=c, D, E f=g", (*ONE, Auth("D"), Auth("E", (("f", "g"),)))),
        (b'A b=""', (Auth("A", (("b", ""),)),)),
        # RFC 9110 §11.6.1
        (
            b'Basic realm="simple", Newauth realm="apps", type=1, title="Login to \\"apps\\""',
            (
                Auth("Basic", (("realm", "simple"),)),
                Auth("Newauth", (("realm", "apps"), ("type", "1"), ("title", 'Login to "apps"'))),
            ),
        ),
        (b'A b="x, Basic c=d"', (Auth("A", (("b", "x, Basic c=d"),)),)),
        (b'A b="\xe9"', (Auth("A", (("b", "\xe9"),)),)),
    ],
)
def test_read(value, expected):
    assert decode_challenges(value) == expected


@pytest.mark.parametrize(
    "value",
    [
        b"=",
        b'"A"',
        b"A b=c d=e",
        b"A b=c=",
        b"A b==c",
        b"A b=, c=d, e",
        b'A b="',
        b'A b="\\',
        b'A b="c"d',
        b'A b="c" d',
        b'A b="\n"',
        b'A b="\\\n"',
        b'A b="\x7f"',
        b'A "b"=c',
        b"A\tb=c",
        b"b=c",
        b"A, b=c",
        b"A , b=c",
        b"A c==, b=c",
        b"A b=c, B=d",
        b'A b="c", D e="f", E="g", e=h',
        b"A\r\nb=c",
        b"\0",
    ],
)
def test_refused(value):
    with pytest.raises(DecodeError):
        decode_challenges(value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"A b=c==", (Auth("A", (("b", "c=="),)),)),
        (b"A b=c/d+e_f-g=", (Auth("A", (("b", "c/d+e_f-g="),)),)),
        (b"A b=/=, d=e==,F g=h=", (Auth("A", (("b", "/="), ("d", "e=="))), Auth("F", (("g", "h="),)))),
        (b"A b = c== , d", (Auth("A", (("b", "c=="),)), Auth("d"))),
        (b"A\tb=c", ONE),
        (b"A \t b=c", ONE),
        (b"A\tb==", (Auth("A", token68="b=="),)),
        (b"A , b=c", ONE),
        (b"A ,, ,b=c", ONE),
        (b"A\t, b=c", ONE),
        (b"A , b", (Auth("A"), Auth("b"))),
        (b"A , b c=d", (Auth("A"), Auth("b", (("c", "d"),)))),
    ],
)
def test_read_leniently(value, expected):
    assert decode_challenges_leniently(value) == expected


@pytest.mark.parametrize(
    "value",
    [
        *(
            b"=",
            b'"A"',
            b"A b=c d=e",
            b"A b==c",
            b"A b=c=d",
            b"A b=, c=d, e",
            b'A b="',
            b'A b="\\',
            b'A b="c"d',
            b"A,b=c",
        ),
        *(
            b'A b="\n"',
            b'A "b"=c',
            b"b=c",
            b"A, b=c",
            b"A c==, b=c",
            b"A b=c, B=d",
            b"A b=c==, B=d",
            b"A\r\nb=c",
            b"\0",
        ),
        *(b"A b=c;d", b"A b=(c)", b"A b=c@d", b'A b=c="d"', b"A b='c d'"),
    ],
)
def test_refused_leniently_too(value):
    for decode in (decode_challenges, decode_challenges_leniently):
        with pytest.raises(DecodeError):
            decode(value)


def test_credentials_are_never_lenient():
    for value in (b"A b=c==", b"A\tb=c", b"A , b=c"):
        with pytest.raises(DecodeError):
            Auth.decode(value)


OFFER = OfferedChallenge(TokenChallenge(BLIND_RSA, "issuer.example", bytes(32), ("a.example",)), b"key!", 60)


def forms() -> list[bytes]:
    """The same offer as origins are known to send it."""
    challenge, key = (OFFER.encode().get(name) for name in ("challenge", "token-key"))
    short, short_key = challenge.rstrip("="), key.rstrip("=")
    assert short != challenge
    assert short_key != key
    return [
        f'PrivateToken challenge="{short}", token-key="{short_key}", max-age="60"'.encode(),
        f"PrivateToken challenge={challenge}, token-key={key}, max-age=60".encode(),
        f"PrivateToken challenge={short}, token-key={short_key}, max-age=60, other=a".encode(),
        f"privatetoken\t, challenge={short}, token-key={key}, max-age=60".encode(),
    ]


@pytest.mark.parametrize("form", forms())
def test_offers_read_leniently(form):
    for value in (form, form + b", Basic realm=x", b"PrivateToken challenge=AAA, " + form):
        assert decode_offers_leniently(value, origin="a.example") == (OFFER,)
        with contextlib.suppress(DecodeError):
            assert decode_offers(value, origin="a.example") == ()
    assert decode_offers_leniently(form, origin="b.example") == ()


def test_offers_are_lenient_about_nothing_else():
    good = OFFER.encode()
    assert decode_offers_leniently(good.encode(), origin="a.example") == (OFFER,)
    challenge = good.get("challenge").rstrip("=")
    for text in (
        challenge.replace("A", "+", 1),
        challenge.replace("A", "/", 1),
        challenge[:-1],
        challenge[:-1] + "f",
        challenge + "====",
        challenge + "A",
        challenge + "=" * (-len(challenge) % 4 + 1),
        "",
    ):
        offer = Auth("PrivateToken", (("challenge", text),)).encode()
        assert decode_offers_leniently(offer, origin="a.example") == ()
    with pytest.raises(DecodeError):
        decode_offers_leniently(b'PrivateToken challenge="', origin="a.example")


@given(
    st.one_of(
        st.binary(max_size=80),
        st.text('aA=,"_ -', max_size=60).map(lambda text: b"PrivateToken challenge=" + text.encode()),
    )
)
def test_offers_contract(data):
    with contextlib.suppress(PeerError):
        decode_offers_leniently(data, origin="a.example")


def test_offset_names_the_place():
    with pytest.raises(DecodeError) as raised:
        decode_challenges(b"A b=c, b=d")
    assert raised.value.offset == 7


def test_limits():
    many = b",".join(b"A%d" % n for n in range(MAX_CHALLENGES))
    assert len(decode_challenges(many)) == MAX_CHALLENGES
    with pytest.raises(LimitError):
        decode_challenges(many + b",B")
    params = b"A " + b",".join(b"a%d=b" % n for n in range(MAX_PARAMETERS))
    assert len(decode_challenges(params)[0].params) == MAX_PARAMETERS
    with pytest.raises(LimitError):
        decode_challenges(params + b",b=b")
    assert decode_challenges(b"A " + b"b" * (MAX_SIZE - 2))[0].token68 == "b" * (MAX_SIZE - 2)
    with pytest.raises(LimitError):
        decode_challenges(b"A " + b"b" * (MAX_SIZE - 1))


@pytest.mark.parametrize("part", [b"a", b" ", b",", b"=", b'"', b"\\", b'\\"', b"a=", b"a ,", b'a="'])
def test_no_input_takes_long(part):
    for value in (b"A " + part * (MAX_SIZE // len(part) - 2), b'A b="' + part * (MAX_SIZE // len(part) - 5)):
        for decode in (decode_challenges, decode_challenges_leniently):
            start = time.perf_counter()
            with contextlib.suppress(PeerError):
                decode(value)
            assert time.perf_counter() - start < 1


def test_a_scheme_alone_has_no_space_behind_it():
    assert Auth("A").encode() == b"A"
    assert encode_challenges([Auth("A"), Auth("B")]) == b"A, B"


@pytest.mark.parametrize("value", [b"", b",", b"A, B", b"A b=c, B"])
def test_credentials_are_one(value):
    with pytest.raises(DecodeError):
        Auth.decode(value)


@pytest.mark.parametrize(
    "auth",
    [
        Auth(""),
        Auth("A B"),
        Auth("A\r\n"),
        Auth("A", token68=""),
        Auth("A", token68="a=b"),
        Auth("A", (("b", "c"),), "d"),
        Auth("A", (("", "c"),)),
        Auth("A", (("b c", "d"),)),
        Auth("A", (("B", "c"),)),
        Auth("A", (("b", "c"), ("b", "d"))),
        Auth("A", (("b", "c\r\nSet-Cookie: d"),)),
        Auth("A", (("b", "\0"),)),
        Auth("A", (("b", "\x7f"),)),
        Auth("A", (("b", "Ā"),)),
    ],
)
def test_what_cannot_be_written(auth):
    with pytest.raises(UsageError):
        auth.encode()


def test_lookups():
    auth = decode_challenges(b"privateTOKEN Token=x")[0]
    assert auth.is_scheme("PrivateToken")
    assert not auth.is_scheme("Private")
    assert auth.get("token") == "x"
    assert auth.get("other") is None


def test_values_do_not_show():
    assert "secret" not in repr(Auth("A", (("b", "secret"),)))
    assert "secret" not in repr(Auth("A", token68="secret"))
    with pytest.raises(PeerError) as raised:
        decode_challenges(b'Basic "secret')
    assert "secret" not in str(raised.value)
