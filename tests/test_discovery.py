"""The ohttp parameter of service bindings, and the fetch of a gateway's keys."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from privproc.bhttp import encode_response
from privproc.consistency import Mirror, confirm
from privproc.discovery import (
    MANDATORY,
    NO_DEFAULT_ALPN,
    OHTTP,
    PATH,
    PORT,
    ServiceBinding,
    compatible,
    key_request,
    key_response,
    keys,
)
from privproc.errors import DecodeError, LimitError, PolicyError, UsageError
from privproc.hpke import Kem, PrivateKey
from privproc.http import Request, Response
from privproc.keyconfig import MAX_LIST, KeyConfig, KeyConfigs
from tests.codec import check_codec, check_contract

ROOT = b"\0"
ALPN = (1, b"\x02h2")
CONFIGS = KeyConfigs((KeyConfig(1, PrivateKey.generate(Kem.X25519_SHA256).public_key, ((1, 1),)),))


def binding(*params: tuple[int, bytes], priority: int = 1, target: bytes = ROOT) -> ServiceBinding:
    return ServiceBinding(priority, target, params)


def rdata(*params: tuple[int, bytes], priority: int = 1, target: bytes = ROOT) -> bytes:
    body = b"".join(key.to_bytes(2, "big") + len(value).to_bytes(2, "big") + value for key, value in params)
    return priority.to_bytes(2, "big") + target + body


labels = st.lists(st.binary(min_size=1, max_size=63), max_size=3).map(
    lambda parts: b"".join(bytes((len(part),)) + part for part in parts) + ROOT
)
others = st.dictionaries(st.integers(1, 0xFFFF).filter(lambda key: key != OHTTP), st.binary(max_size=9), max_size=4)


@st.composite
def bindings(draw) -> ServiceBinding:
    params = draw(others)
    if draw(st.booleans()):
        params[OHTTP] = b""
    if params and draw(st.booleans()):
        listed = sorted(draw(st.sets(st.sampled_from(sorted(params)), min_size=1)))
        params[MANDATORY] = b"".join(key.to_bytes(2, "big") for key in listed)
    return ServiceBinding(draw(st.integers(1, 0xFFFF)), draw(labels), tuple(sorted(params.items())))


class TestServiceBinding:
    def test_numbers(self):
        assert (MANDATORY, NO_DEFAULT_ALPN, PORT, OHTTP) == (0, 2, 3, 8)

    @given(bindings())
    def test_round_trip(self, value):
        assert ServiceBinding.decode(value.encode()) == value
        assert value.encode() == rdata(*value.params, priority=value.priority, target=value.target)
        assert value.ohttp == (OHTTP in dict(value.params))

    def test_cuts(self):
        encoded = rdata(ALPN, (OHTTP, b""), target=b"\x01a\0")
        ends = {5, 5 + 7, 5 + 7 + 4}
        for cut in set(range(len(encoded))) - ends:
            with pytest.raises(DecodeError):
                ServiceBinding.decode(encoded[:cut])
        check_codec(ServiceBinding.decode, rdata(target=b"\x03abc\0"), reencode=ServiceBinding.encode)

    @given(st.binary(max_size=60), bindings(), st.integers(0), st.integers(0, 255))
    def test_contract(self, data, value, place, byte):
        check_contract(ServiceBinding.decode, data)
        broken = bytearray(value.encode())
        broken[place % len(broken)] = byte
        check_contract(ServiceBinding.decode, bytes(broken))

    @pytest.mark.parametrize(
        ("params", "why"),
        [
            ([(OHTTP, b""), (OHTTP, b"")], "increasing"),
            ([(OHTTP, b""), ALPN], "increasing"),
            ([ALPN, ALPN], "increasing"),
            ([(OHTTP, b"\0")], "ohttp"),
            ([(MANDATORY, b"")], "list of keys"),
            ([(MANDATORY, b"\0"), ALPN], "list of keys"),
            ([(MANDATORY, b"\0\1\0"), ALPN], "list of keys"),
            ([(MANDATORY, b"\0\1\0\1"), ALPN], "list of keys"),
            ([(MANDATORY, b"\0\x08\0\1"), ALPN, (OHTTP, b"")], "list of keys"),
            ([(MANDATORY, b"\0\0")], "lists itself"),
            ([(MANDATORY, b"\0\0\0\1"), ALPN], "lists itself"),
            ([(MANDATORY, b"\0\x08"), ALPN], "isn't there"),
        ],
    )
    def test_malformed(self, params, why):
        with pytest.raises(DecodeError, match=why):
            ServiceBinding.decode(rdata(*params))
        with pytest.raises(UsageError, match=why):
            binding(*params)

    @pytest.mark.parametrize(
        "target", [b"\xc0\x0c", b"\x40" + bytes(64) + ROOT, (b"\x3f" + bytes(63)) * 4 + ROOT, b"", b"\x01"]
    )
    def test_names(self, target):
        with pytest.raises(DecodeError):
            ServiceBinding.decode(rdata(target=target))
        with pytest.raises(UsageError):
            binding(target=target).encode()

    def test_longest_name(self):
        target = (b"\x3f" + bytes(63)) * 3 + b"\x3d" + bytes(61) + ROOT
        assert len(target) == 255
        assert ServiceBinding.decode(rdata(target=target)).target == target

    def test_alias(self):
        for rest in ((), ((OHTTP, b""),), ((OHTTP, b"x"), ALPN)):
            decoded = ServiceBinding.decode(rdata(*rest, priority=0, target=b"\x01a\0"))
            assert decoded == binding(priority=0, target=b"\x01a\0")
            assert decoded.alias
            assert not decoded.ohttp
        assert ServiceBinding.decode(rdata(priority=0) + b"\xff").params == ()
        assert not binding().alias
        with pytest.raises(UsageError):
            binding(ALPN, priority=0)

    def test_too_wide(self):
        for wrong in (binding(priority=0x10000), binding((0x10000, b"")), binding((9, bytes(0x10000)))):
            with pytest.raises(UsageError):
                wrong.encode()


class TestCompatible:
    def test_mandatory(self):
        only = binding((MANDATORY, b"\0\x08"), (OHTTP, b""))
        strange = binding((MANDATORY, b"\0\x09"), (OHTTP, b""), (9, b"x"))
        found = compatible([strange.encode(), only.encode()], understood=())
        assert found == (only,)
        assert compatible([strange.encode()], understood=[9]) == (strange,)

    def test_mandatory_by_themselves(self):
        for key in (PORT, NO_DEFAULT_ALPN):
            record = binding((key, b""), (OHTTP, b"")).encode()
            assert compatible([record], understood=()) == ()
            assert compatible([record], understood=[key])
        assert compatible([binding(ALPN, (OHTTP, b"")).encode()], understood=())

    def test_order(self):
        records = [
            binding(priority=priority, target=b"\x01" + name + ROOT)
            for priority, name in ((3, b"a"), (1, b"b"), (2, b"c"), (1, b"d"))
        ]
        found = compatible([record.encode() for record in records], understood=())
        assert [one.target[1:2] for one in found] == [b"b", b"d", b"c", b"a"]

    def test_one_malformed_record_refuses_the_set(self):
        with pytest.raises(DecodeError):
            compatible([binding((OHTTP, b"")).encode(), rdata((OHTTP, b"x"))], understood=())

    def test_an_alias_hides_the_others(self):
        alias = binding(priority=0, target=b"\x01a\0")
        assert compatible([binding((OHTTP, b"")).encode(), alias.encode()], understood=()) == (alias,)
        assert compatible([], understood=()) == ()


class TestFetch:
    def test_request(self):
        request = key_request("svc.example.com")
        assert request == Request("GET", "https", "svc.example.com", PATH, ((b"accept", b"application/ohttp-keys"),))
        assert request.url == "https://svc.example.com/.well-known/ohttp-gateway"
        assert key_request("svc.example.com:8443").authority == "svc.example.com:8443"
        for wrong in ("", "Svc.example.com", "svc.example.com/", "a b", "user@svc.example.com", "svc\r\n", "svc:"):
            with pytest.raises(UsageError):
                key_request(wrong)

    def test_round_trip(self):
        response = key_response(CONFIGS, max_age=600)
        assert response.fields == ((b"content-type", b"application/ohttp-keys"), (b"cache-control", b"max-age=600"))
        assert keys(response) == CONFIGS
        assert keys(key_response(CONFIGS, max_age=1)) == CONFIGS
        with pytest.raises(UsageError):
            key_response(CONFIGS, max_age=0)

    def test_media_type_is_compared_as_one(self):
        """privacy-gateway-server-go compares the bytes of the field."""
        assert keys(Response(200, ((b"content-type", b"Application/Ohttp-Keys; x=y"),), CONFIGS.encode())) == CONFIGS

    @pytest.mark.parametrize(
        ("response", "error"),
        [
            (Response(302, ((b"location", b"https://a.example/you"),)), PolicyError),
            (Response(206, ((b"content-type", b"application/ohttp-keys"),), CONFIGS.encode()), PolicyError),
            (Response(200, (), CONFIGS.encode()), PolicyError),
            (Response(200, ((b"content-type", b"text/html"),), CONFIGS.encode()), PolicyError),
            (Response(200, ((b"content-type", b"application/ohttp-keys"),) * 2, CONFIGS.encode()), DecodeError),
            (Response(200, ((b"content-type", b"application/ohttp-keys"),), b""), DecodeError),
            (Response(200, ((b"content-type", b"application/ohttp-keys"),), CONFIGS.encode()[2:]), DecodeError),
            (Response(200, ((b"content-type", b"application/ohttp-keys"),), bytes(MAX_LIST + 1)), LimitError),
        ],
    )
    # req: rfc9458/3.2 keys-media-type
    def test_refused(self, response, error):
        with pytest.raises(error) as caught:
            keys(response)
        assert caught.type is error

    def test_a_mirror_can_confirm_what_a_gateway_serves(self):
        request, served = key_request("gateway.example"), key_response(CONFIGS, max_age=600)
        copies = []
        for name in ("a.example", "b.example"):
            _, pending = Mirror(f"https://{name}/{{?target}}", 60).ask(request.url, "application/ohttp-keys", at=100)
            shown = Response(200, ((b"cache-control", b"max-age=600"),), encode_response(served))
            copies.append(pending.finish(shown, at=101))
        trusted = confirm(served.content, copies, target=request.url, threshold=2, at=101)
        assert trusted.map(KeyConfigs.decode).get(at=101) == CONFIGS
