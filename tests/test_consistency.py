"""Copies from mirrors: templates, requests, freshness, and what a number of copies proves."""

from __future__ import annotations

import copy
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from privproc import bhttp
from privproc.consistency import Copy, Mirror, confirm
from privproc.errors import (
    DecodeError,
    ExpiredError,
    PeerError,
    PolicyError,
    SpentError,
    UntrustedError,
    UsageError,
)
from privproc.http import Response
from privproc.keyconfig import MEDIA_TYPE, KeyConfigs
from privproc.trust import Trusted

TARGET = "https://gateway.example/.well-known/ohttp-gateway"
ENCODED = "https%3A%2F%2Fgateway.example%2F.well-known%2Fohttp-gateway"
MIRROR = Mirror("https://mirror.example/mirror{?target}", 60)
RESOURCE = bytes.fromhex("00290100200000000000000000000000000000000000000000000000000000000000000009000400010001")
AT = 1_800_000_000


def fields(cache: bytes | None = b"max-age=3600", media: bytes | None = None, age: bytes | None = None):
    pairs = ((b"content-type", media), (b"cache-control", cache), (b"age", age))
    return tuple((name, value) for name, value in pairs if value is not None)


def original(content: bytes = RESOURCE, status: int = 200, media: bytes | None = MEDIA_TYPE.encode(), **more) -> bytes:
    return bhttp.encode_response(Response(status, fields(media=media, **more), content))


def answer(content: bytes | None = None, status: int = 200, **more) -> Response:
    return Response(status, fields(**more), original() if content is None else content)


def finish(response: Response, *, at: int = AT, mirror: Mirror = MIRROR) -> Copy:
    _, pending = mirror.ask(TARGET, MEDIA_TYPE, at=AT)
    return pending.finish(response, at=at)


def copies(*contents: bytes, **more) -> list[Copy]:
    return [
        finish(answer(original(content, **more)), mirror=Mirror(f"https://m{i}.example/{{target}}", 60))
        for i, content in enumerate(contents)
    ]


class TestTemplate:
    @pytest.mark.parametrize(
        ("template", "authority", "path"),
        [
            ("https://mirror.example/mirror{?target}", "mirror.example", f"/mirror?target={ENCODED}"),
            ("https://mirror.example/{target}", "mirror.example", f"/{ENCODED}"),
            ("https://mirror.example:8443{/target}", "mirror.example:8443", f"/{ENCODED}"),
            ("https://mirror.example{?target}", "mirror.example", f"/?target={ENCODED}"),
            ("https://mirror.example?a=b{&target}", "mirror.example", f"/?a=b&target={ENCODED}"),
            ("https://mirror.example/x?q={target}&z=%41", "mirror.example", f"/x?q={ENCODED}&z=%41"),
            ("https://mirror.example/a{;target}/b", "mirror.example", f"/a;target={ENCODED}/b"),
            ("https://mirror.example/a{.target}", "mirror.example", f"/a.{ENCODED}"),
        ],
    )
    def test_request(self, template, authority, path):
        request, _ = Mirror(template, 1).ask(TARGET, MEDIA_TYPE, at=AT)
        assert (request.method, request.scheme, request.authority, request.path) == ("GET", "https", authority, path)
        assert request.fields == ((b"accept", b"application/ohttp-keys"),)
        assert request.content == b""
        assert bhttp.decode_request(bhttp.encode_request(request)) == request

    @pytest.mark.parametrize(
        "template",
        [
            "http://mirror.example/{target}",
            "https://mirror.example/",
            "https://mirror.example/mirror?target=x",
            "https://mirror.example/{target}{target}",
            "https://mirror.example/{target}/{other}",
            "https://mirror.example/{other}",
            "https://mirror.example/{target,other}",
            "https://mirror.example/{target*}",
            "https://mirror.example/{target:9}",
            "https://mirror.example/{+target}",
            "https://mirror.example/{#target}",
            "https://mirror.example/#{target}",
            "https://mirror.example/{target}#x",
            "https://{target}.mirror.example/",
            "https://{target}/",
            "https://mirror.example{target}",
            "https://mirror.example{.target}",
            "https://mirror.example{&target}",
            "https://mirror.example/?a{?target}",
            "https://mirror.example/a{&target}",
            "https://me@mirror.example/{target}",
            "https://Mirror.example/{target}",
            "https:///{target}",
            "https://mirror.example/ {target}",
            "https://mirror.example/{target}%4",
            "https://mirror.example/{target}\n",
            "https://mirror.example/{target",
            "mirror.example/{target}",
            "",
        ],
    )
    def test_refused(self, template):
        with pytest.raises(UsageError):
            Mirror(template, 60)

    def test_validity(self):
        with pytest.raises(UsageError):
            Mirror("https://mirror.example/{target}", 0)

    @pytest.mark.parametrize(
        "target",
        [
            "http://gateway.example/",
            "https://gateway.example/#x",
            "https://gateway.example/ä",
            "https://gateway.example/a b",
            "https://user@gateway.example/",
            "gateway.example",
            "",
            "https://mirror.example/",
            "https://mirror.example:8443/.well-known/ohttp-gateway",
        ],
    )
    def test_targets_that_are_refused(self, target):
        with pytest.raises(UsageError):
            MIRROR.ask(target, MEDIA_TYPE, at=AT)

    def test_a_media_type_is_ascii(self):
        with pytest.raises(UsageError, match="ASCII"):
            MIRROR.ask(TARGET, "text/plain; x=é", at=AT)

    @given(st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters="#"), max_size=40))
    def test_the_target_cant_leave_its_place(self, rest):
        request, _ = MIRROR.ask(f"https://gateway.example/{rest}", MEDIA_TYPE, at=AT)
        value = request.path.removeprefix("/mirror?target=")
        assert set(value) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~%")
        parts = value.split("%")
        decoded = parts[0] + "".join(chr(int(part[:2], 16)) + part[2:] for part in parts[1:])
        assert decoded == f"https://gateway.example/{rest}"


class TestCopy:
    def test_earned(self):
        found = finish(answer(media=b"Message/BHTTP; a=b"))
        assert (found.host, found.target, found.content) == ("mirror.example", TARGET, RESOURCE)
        assert (found.not_before, found.not_after) == (AT, AT + 3600)
        assert RESOURCE.hex() not in repr(found)
        with pytest.raises(UsageError):
            Copy("mirror.example", TARGET, RESOURCE, AT, AT + 3600)

    def test_single_use(self):
        _, pending = MIRROR.ask(TARGET, MEDIA_TYPE, at=AT)
        with pytest.raises(PolicyError):
            pending.finish(Response(404), at=AT)
        with pytest.raises(SpentError):
            pending.finish(answer(), at=AT)
        for act in (copy.copy, copy.deepcopy, pickle.dumps):
            with pytest.raises(UsageError):
                act(pending)

    @pytest.mark.parametrize(
        ("response", "error", "why"),
        [
            (answer(status=206), PolicyError, "status 206"),
            (answer(status=404), PolicyError, "status 404"),
            (answer(media=b"application/ohttp-keys"), PolicyError, "Binary HTTP"),
            (answer(RESOURCE), DecodeError, "BHTTP"),
            (answer(b""), DecodeError, "BHTTP"),
            (answer(original(status=404)), PolicyError, "target's status"),
            (answer(original(media=b"text/plain")), PolicyError, "media type"),
            (answer(original(media=None)), PolicyError, "media type"),
            (answer(cache=None), PolicyError, "no max-age"),
            (answer(cache=b"public"), PolicyError, "no max-age"),
            (answer(original(cache=None)), PolicyError, "no max-age"),
            (answer(cache=b"max-age=59"), PolicyError, "minimum"),
            (answer(original(cache=b"max-age=59")), PolicyError, "target's"),
            (answer(cache=b"max-age=3601"), PolicyError, "target's"),
            (answer(cache=b"max-age=3600, no-store"), PolicyError, "shared"),
            (answer(cache=b"PRIVATE, max-age=3600"), PolicyError, "shared"),
            (answer(original(cache=b'max-age=3600, private="x, y"')), PolicyError, "shared"),
            (answer(original(cache=b"max-age=3600,no-store")), PolicyError, "shared"),
            (answer(cache=b"max-age=3600, max-age=60"), DecodeError, "twice"),
            (answer(cache=b"max-age"), DecodeError, "seconds"),
            (answer(cache=b"max-age=-1"), DecodeError, "seconds"),
            (answer(cache=b"max-age=1.5"), DecodeError, "seconds"),
            (answer(cache=b"max-age=" + b"9" * 21), DecodeError, "seconds"),
            (answer(cache="max-age=٣".encode()), DecodeError, "directives"),
            (answer(cache=b"max-age=60 x"), DecodeError, "directives"),
            (answer(cache=b"max-age =60"), DecodeError, "directives"),
            (answer(cache=b'max-age="60'), DecodeError, "directives"),
            (answer(age=b"x"), DecodeError, "Age"),
            (answer(age=b"0, 0"), DecodeError, "Age"),
            (Response(200, (*fields(), (b"age", b"0"), (b"age", b"0")), original()), DecodeError, "age occurs"),
            (Response(200, (*fields(), (b"cache-control", b"max-age=3600")), original()), DecodeError, "twice"),
            (answer(age=b"3600"), ExpiredError, "no longer"),
            (answer(age=b"99999999999999999999"), ExpiredError, "no longer"),
            (answer(original(age=b"3600")), ExpiredError, "no longer"),
        ],
        ids=lambda value: "" if isinstance(value, Response) else str(value),
    )
    def test_refused(self, response, error, why):
        with pytest.raises(error, match=why) as caught:
            finish(response)
        assert caught.type is error

    @pytest.mark.parametrize(
        ("response", "seconds"),
        [
            (answer(), 3600),
            (answer(cache=b"max-age=60"), 60),
            (answer(cache=b', public,\t MAX-AGE="600" , x=y,'), 600),
            (answer(age=b"100"), 3500),
            (answer(original(age=b"100")), 3500),
            (answer(original(age=b"100"), age=b"200"), 3400),
            (answer(original(cache=b"max-age=99999999999"), cache=b"max-age=9999999999"), 1 << 31),
        ],
    )
    def test_fresh_from_the_request_on(self, response, seconds):
        assert finish(response, at=AT + 5).not_after == AT + seconds
        with pytest.raises(ExpiredError):
            finish(response, at=AT + seconds)
        with pytest.raises(ExpiredError):
            finish(response, at=AT - 1)

    @given(st.binary(max_size=60), st.binary(max_size=30), st.binary(max_size=30), st.binary(max_size=12))
    def test_contract(self, content, cache, media, age):
        for response in (
            Response(200, fields(), content),
            Response(200, fields(cache), original()),
            Response(200, fields(media=media, age=age), original()),
        ):
            try:
                finish(response)
            except PeerError:
                continue

    @given(st.text('max-age=0123, "\\\t', max_size=30))
    def test_cache_control_contract(self, cache):
        try:
            assert finish(answer(cache=b"max-age=60, " + cache.encode())).not_after == AT + 60
        except PeerError:
            return


class TestConfirm:
    def test_agreement(self):
        trusted = confirm(RESOURCE, copies(RESOURCE, RESOURCE), target=TARGET, threshold=2, at=AT)
        assert isinstance(trusted, Trusted)
        assert trusted.get(at=AT) == RESOURCE
        assert (trusted.not_before, trusted.not_after) == (AT, AT + 3600)
        assert trusted.map(KeyConfigs.decode).get(at=AT).configs[0].key_id == 1
        with pytest.raises(ExpiredError):
            trusted.get(at=AT + 3600)

    def test_the_shortest_counts(self):
        shown = [*copies(RESOURCE), finish(answer(cache=b"max-age=61"))]
        assert confirm(RESOURCE, shown, target=TARGET, threshold=2, at=AT).not_after == AT + 61
        # From then on the other alone is left.
        assert confirm(RESOURCE, shown, target=TARGET, threshold=1, at=AT + 61).not_after == AT + 3600
        with pytest.raises(UntrustedError, match="1 agree, 2 are needed"):
            confirm(RESOURCE, shown, target=TARGET, threshold=2, at=AT + 61)

    # req: rfc9458/7 same-keys-for-all
    def test_one_that_differs_refuses_it_whatever_the_count(self):
        for contents in ([b"other"], [RESOURCE, RESOURCE, RESOURCE, b"other"], [RESOURCE + b"\0", RESOURCE]):
            with pytest.raises(UntrustedError, match="another resource"):
                confirm(RESOURCE, copies(*contents), target=TARGET, threshold=1, at=AT)

    def test_a_stale_one_that_differs_doesnt(self):
        old = finish(answer(original(b"old"), cache=b"max-age=60"))
        shown = [old, *copies(RESOURCE, RESOURCE)]
        assert confirm(RESOURCE, shown, target=TARGET, threshold=2, at=AT + 60)

    def test_too_few(self):
        for shown, threshold in (([], 1), (copies(RESOURCE), 2)):
            with pytest.raises(UntrustedError, match="needed"):
                confirm(RESOURCE, shown, target=TARGET, threshold=threshold, at=AT)

    def test_wrong_use(self):
        shown = copies(RESOURCE)
        twice = [finish(answer()), finish(answer(), mirror=Mirror("https://mirror.example:444/{target}", 60))]
        for shown_, target, threshold in ((shown, TARGET, 0), (twice, TARGET, 1), (shown, TARGET + "2", 1)):
            with pytest.raises(UsageError):
                confirm(RESOURCE, shown_, target=target, threshold=threshold, at=AT)
