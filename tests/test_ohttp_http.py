"""OHTTP with HTTP messages: client, relay and gateway, single-shot and chunked."""

from __future__ import annotations

import functools
import itertools
import os
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from privproc import bhttp, trust
from privproc.bhttp import EndOfMessage, RequestHead, ResponseHead
from privproc.errors import (
    DecodeError,
    ExpiredError,
    LimitError,
    OpenError,
    PeerError,
    PolicyError,
    ReplayError,
    SpentError,
    UnsupportedError,
    UsageError,
)
from privproc.http import Informational, Request, Response, single
from privproc.keyconfig import KeyRing
from privproc.ohttp import (
    DATE,
    OHTTP_KEY,
    DateRetry,
    Gateway,
    LastAttempt,
    MediaTypeError,
    MethodError,
    Mode,
    Place,
    Problem,
    Relay,
    ReplayWindow,
    RequestOpened,
    RequestStream,
    Resource,
    ResponseStream,
    Rules,
    Targets,
    begin,
    begin_chunked,
    check_expectation,
    encapsulate,
    encapsulate_stream,
    encode_date,
    open_request,
    refusal,
    respond_stream,
)
from privproc.ohttp.problems import MAX_PROBLEM, MEDIA_TYPE
from privproc.wire import encode_varint
from tests.codec import check_contract
from tests.test_ohttp import AT, FROM, TO, chosen, gateway_key

SINGLE = ((b"content-type", b"message/ohttp-req"),)
CHUNKED = ((b"content-type", b"message/ohttp-chunked-req"), (b"incremental", b"?1"))
AFTER = Place.AFTER_DECAPSULATION
PROBLEM = ((b"content-type", MEDIA_TYPE.encode()),)
SINGLE_ANSWER = ((b"content-type", b"message/ohttp-res"),)
RELAY = Resource("relay.example", "/ohttp")
GATEWAY = Resource("gateway.example", "/in")
ORIGIN = ("https", "target.example")
RULES = Rules(Targets([ORIGIN]), date_tolerance=60)
REQUEST = Request("POST", *ORIGIN, "/ask?q=1", ((b"date", encode_date(AT)), (b"a", b"1"), (b"a", b"2")), b"content")
ANSWER = Response(201, ((b"b", b"3"),), b"answer", ((b"c", b"4"),), (Informational(103),))


def selection():
    return trust.pin(chosen(), b"list", not_before=FROM, not_after=TO)


def gateway(**kind):
    return Gateway(KeyRing([gateway_key(**kind)]), max_request=10000)


def sent(request=REQUEST, at=AT):
    return encapsulate(request, selection(), RELAY, at=at)


class TestSingleShot:
    # req: rfc9458/5 answers-are-encapsulated
    # req: rfc9458/6 https-only
    def test_there_and_back(self):
        posted, attempt = sent()
        assert posted == Request("POST", "https", "relay.example", "/ohttp", SINGLE, posted.content)
        relay = Relay(GATEWAY, 10000, 10000)
        forwarded, mode = relay.request(posted)
        incoming = open_request(forwarded, gateway(), at=AT)
        request, until = incoming.read(RULES, at=AT)
        assert request == REQUEST
        assert until == AT + 61
        window = ReplayWindow(10)
        window.admit(incoming.replay_key, at=AT, until=until)
        again = open_request(forwarded, gateway(), at=AT)
        with pytest.raises(ReplayError):
            window.admit(again.replay_key, at=AT, until=until)
        response = relay.response(incoming.respond(ANSWER), mode)
        assert response == Response(200, ((b"content-type", b"message/ohttp-res"),), response.content)
        assert attempt.finish(response) == ANSWER

    # req: rfc9458/5 carrying-fields-only
    # req: rfc9458/6.1 nothing-identifies-the-client
    def test_fields_stay_inside(self):
        """Of the request towards the relay, and of the response towards the gateway's client."""
        fields = ((b"cookie", b"id=1"), (b"user-agent", b"me"), (b"connection", b"close"), (b"via", b"1.1 me"))
        posted, attempt = sent(replace(REQUEST, fields=(*REQUEST.fields, *fields)))
        assert replace(posted, content=b"") == Request("POST", "https", "relay.example", "/ohttp", SINGLE)
        incoming = open_request(posted, gateway(), at=AT)
        assert incoming.read(RULES, at=AT)[0].fields[-4:] == fields
        response = incoming.respond(Response(404, fields, b"answer", (), (Informational(103, fields),)))
        assert replace(response, content=b"") == Response(200, SINGLE_ANSWER)
        assert attempt.finish(response).fields == fields

    def test_media_types_are_compared_as_media_types(self):
        """Not byte by byte, as privacy-gateway-server-go does."""
        posted, attempt = sent()
        odd = ((b"content-type", b"Message/OHTTP-Req ; x=1"),)
        response = open_request(replace(posted, fields=odd), gateway(), at=AT).respond(ANSWER)
        assert attempt.finish(replace(response, fields=((b"content-type", b"message/OHTTP-res;x"),))) == ANSWER

    # req: rfc9458/5.1 client-expects-no-continue
    def test_no_expectations(self):
        for value in (b"100-continue", b"100-Continue", b"", b"x, 100-continue"):
            with pytest.raises(UsageError):
                sent(replace(REQUEST, fields=((b"expect", value),)))
            with pytest.raises(DecodeError):
                check_expectation(((b"a", b""), (b"expect", value)))
        check_expectation(REQUEST.fields)

    # req: rfc9458/5.1 gateway-refuses-continue
    def test_the_gateway_refuses_expectations(self, monkeypatch):
        monkeypatch.setattr("privproc.ohttp.http_client.check_expectation", lambda fields: None)
        posted, attempt = sent(replace(REQUEST, fields=(*REQUEST.fields, (b"expect", b"100-continue"))))
        incoming = open_request(posted, gateway(), at=AT)
        with pytest.raises(DecodeError) as caught:
            incoming.read(RULES, at=AT)
        answer = attempt.finish(incoming.refuse(caught.value, at=AT))
        assert answer.status == 400
        assert Problem.decode(answer.content).title == "Bad Request"

    @pytest.mark.parametrize(
        ("change", "error", "status"),
        [
            ({"method": "GET"}, MethodError, 405),
            ({"method": "post"}, MethodError, 405),
            ({"fields": ()}, MediaTypeError, 415),
            ({"fields": CHUNKED}, MediaTypeError, 415),
            ({"fields": ((b"content-type", b"message/bhttp"),)}, MediaTypeError, 415),
            ({"fields": SINGLE + SINGLE}, DecodeError, 400),
            ({"content": b""}, DecodeError, 400),
            ({"content": bytes(10001)}, LimitError, 413),
            ({"content": b"\7\0\x20\0\1\0\1" + os.urandom(60)}, OpenError, 422),
            ({"content": b"\x08\0\x20\0\1\0\1" + bytes(60)}, UnsupportedError, 422),
        ],
    )
    # req: rfc9458/6.5.2 refusals-are-not-stored
    def test_refusals_in_the_clear(self, change, error, status):
        posted, attempt = sent()
        with pytest.raises(error) as caught:
            open_request(replace(posted, **change), gateway(), at=AT)
        assert type(caught.value) is error
        answer = refusal(caught.value, at=AT)
        assert answer.status == status
        assert single(answer.fields, b"date") == encode_date(AT)
        assert single(answer.fields, b"cache-control") == b"no-store"
        assert single(answer.fields, b"allow") == (b"POST" if status == 405 else None)
        with pytest.raises(ExpiredError if status == 422 else PolicyError):
            attempt.finish(answer)

    # req: rfc9458/5.2 errors-after-are-encapsulated
    def test_a_malformed_message_is_answered_inside(self):
        for message in (b"", b"\1", b"\0" + bytes(9)):
            wire, pending = begin(selection(), at=AT).seal(message)
            incoming = open_request(RELAY.post(Mode.SINGLE, wire), gateway(), at=AT)
            with pytest.raises(DecodeError) as caught:
                incoming.read(RULES, at=AT)
            sealed = incoming.refuse(caught.value, at=AT)
            assert sealed.status == 200
            assert bhttp.decode_response(pending.finish(sealed.content)).status == 400

    def test_a_bad_answer_doesnt_spend_the_step(self):
        posted, attempt = sent()
        incoming = open_request(posted, gateway(), at=AT)
        with pytest.raises(UsageError):
            incoming.respond(Response(99))
        assert attempt.finish(incoming.respond(ANSWER)) == ANSWER
        with pytest.raises(SpentError):
            incoming.respond(ANSWER)

    @pytest.mark.parametrize(
        "response",
        [
            Response(200, (), b"x"),
            Response(200, ((b"content-type", b"message/ohttp-chunked-res"),), b"x"),
            Response(200, ((b"content-type", b"message/bhttp"),), b"x"),
            Response(201, ((b"content-type", b"message/ohttp-res"),), b"x"),
            Response(400, PROBLEM, Problem().encode()),
            Response(400, PROBLEM, Problem(DATE).encode()),
            Response(500),
        ],
    )
    # req: rfc9458/6.5 no-automatic-retry
    def test_what_isnt_encapsulated(self, response):
        """A date problem in the clear is one of these: anybody on the way could have written it."""
        _, attempt = sent()
        with pytest.raises(PolicyError):
            attempt.finish(response)
        with pytest.raises(SpentError):
            attempt.finish(response)

    # req: rfc9458/5.3 outdated-key-problem
    def test_an_outdated_key(self):
        _, attempt = sent()
        with pytest.raises(ExpiredError):
            attempt.finish(Response(400, PROBLEM, Problem(OHTTP_KEY).encode()))

    @given(
        st.binary(max_size=100),
        st.sampled_from([200, 400, 422]),
        st.sampled_from([b"message/ohttp-res", MEDIA_TYPE.encode()]),
    )
    def test_contract(self, data, status, kind):
        _, attempt = sent()
        check_contract(lambda data: attempt.finish(Response(status, ((b"content-type", kind),), data)), data)
        check_contract(lambda data: open_request(RELAY.post(Mode.SINGLE, data), gateway(), at=AT), data)


class TestDateRetry:
    def refused(self, at=AT, **change):
        posted, attempt = sent()
        incoming = open_request(posted, gateway(), at=at)
        with pytest.raises(ExpiredError) as caught:
            incoming.read(RULES, at=at + 300)
        answer = refusal(caught.value, at=at + 300, place=AFTER)
        return attempt.finish(incoming.respond(replace(answer, **change))), posted

    # req: rfc9458/6.5.2 date-retry-once
    # req: rfc9458/6.5.2 date-retry-is-fresh
    def test_once_with_the_gateways_date(self):
        retry, first = self.refused()
        assert isinstance(retry, DateRetry)
        posted, last = retry.encapsulate(at=AT)
        assert isinstance(last, LastAttempt)
        assert posted.content[7:39] != first.content[7:39]
        incoming = open_request(posted, gateway(), at=AT)
        request, _ = incoming.read(RULES, at=AT + 300)
        assert request == replace(REQUEST, fields=((b"a", b"1"), (b"a", b"2"), (b"date", encode_date(AT + 300))))
        with pytest.raises(SpentError):
            retry.encapsulate(at=AT)
        # Refused again, the answer is the answer.
        again = refusal(ExpiredError(""), at=AT + 900, place=AFTER)
        assert last.finish(incoming.respond(again)) == again
        with pytest.raises(SpentError):
            last.finish(incoming)

    def test_a_request_without_a_date_gets_one(self):
        posted, attempt = sent(replace(REQUEST, fields=()))
        incoming = open_request(posted, gateway(), at=AT)
        with pytest.raises(ExpiredError) as caught:
            incoming.read(RULES, at=AT)
        retry = attempt.finish(incoming.refuse(caught.value, at=AT))
        posted, _ = retry.encapsulate(at=AT)
        request, _ = open_request(posted, gateway(), at=AT).read(RULES, at=AT)
        assert request.fields == ((b"date", encode_date(AT)),)

    # req: rfc9458/6.5.2 age-is-added
    def test_the_age_is_added(self):
        retry, _ = self.refused(
            fields=((*PROBLEM[0],), (b"date", encode_date(AT + 200)), (b"age", b"100")),
        )
        posted, _ = retry.encapsulate(at=AT)
        request, _ = open_request(posted, gateway(), at=AT).read(RULES, at=AT + 300)
        assert single(request.fields, b"date") == encode_date(AT + 300)

    def test_trust_ends(self):
        retry, _ = self.refused()
        with pytest.raises(ExpiredError):
            retry.encapsulate(at=TO)

    # req: rfc9458/6.5.2 date-serves-nothing-else
    def test_the_date_is_in_this_retry_alone(self):
        retry, _ = self.refused()
        posted, _ = sent()
        assert open_request(posted, gateway(), at=AT).read(RULES, at=AT)[0] == REQUEST
        assert [name for name in dir(retry) if not name.startswith("_")] == ["encapsulate"]
        answer, _ = sent(replace(REQUEST, fields=()))
        with pytest.raises(ExpiredError):
            open_request(answer, gateway(), at=AT).read(RULES, at=AT)

    def test_nothing_shown(self):
        retry, _ = self.refused()
        assert repr(retry) == "<DateRetry ready>"

    @pytest.mark.parametrize(
        "change",
        [
            {"status": 200},
            {"status": 500},
            {"fields": ((b"date", encode_date(AT)),)},
            {"fields": PROBLEM},
            {"fields": (*PROBLEM, (b"date", b"yesterday"))},
            {"fields": (*PROBLEM, (b"date", encode_date(AT)), (b"date", encode_date(AT)))},
            {"fields": (*PROBLEM, (b"date", encode_date(AT)), (b"age", b"-1"))},
            {"fields": (*PROBLEM, (b"date", encode_date(AT)), (b"age", b"1" * 21))},
            {"content": Problem().encode()},
            {"content": b"{"},
        ],
    )
    def test_any_other_answer_is_an_answer(self, change):
        answer, _ = self.refused(**change)
        assert isinstance(answer, Response)

    def test_an_age_without_bounds(self):
        """An IMF-fixdate has four digits for the year, and a sum beyond is no date to try with."""
        at = encode_date(253402300799)
        answer, _ = self.refused(fields=(*PROBLEM, (b"date", at), (b"age", b"1")))
        assert isinstance(answer, Response)


class TestRules:
    # req: rfc9458/6.3 targets-are-allowed
    def test_nothing_by_default(self):
        with pytest.raises(PolicyError):
            Targets().check(REQUEST)

    @pytest.mark.parametrize(
        ("scheme", "authority"),
        [
            ("https", "target.example"),
            ("https", "TARGET.example"),
            ("HTTPS", "target.example:443"),
            ("http", "plain.example:80"),
            ("http", "plain.example"),
            ("https", "target.example:8443"),
            ("other", "target.example"),
        ],
    )
    def test_listed(self, scheme, authority):
        targets = Targets(
            [
                ("https", "target.example"),
                ("https", "Target.example:8443"),
                ("http", "plain.example"),
                ("other", "target.example"),
            ]
        )
        targets.check(replace(REQUEST, scheme=scheme, authority=authority))
        targets.check(RequestHead("GET", scheme, authority, "/", ()))

    @pytest.mark.parametrize(
        ("scheme", "authority"),
        [
            ("http", "target.example"),
            ("https", "other.example"),
            ("https", "target.example:80"),
            ("https", "target.example:8443"),
            ("https", "target.example.evil.example"),
            ("https", "evil.target.example"),
            ("https", "target.example."),
            ("https", ""),
            ("", "target.example"),
            ("", ""),
        ],
    )
    # req: rfc9458/6.3 plain-http-is-listed-by-itself
    def test_not_listed(self, scheme, authority):
        with pytest.raises(PolicyError):
            Targets([ORIGIN]).check(replace(REQUEST, scheme=scheme, authority=authority))

    def test_origins_are_whole(self):
        for origin in (("", "a"), ("https", ""), ("https", ":443")):
            with pytest.raises(UsageError):
                Targets([origin])

    def test_a_target_that_isnt_listed_is_forbidden(self):
        posted, attempt = sent(replace(REQUEST, authority="other.example"))
        incoming = open_request(posted, gateway(), at=AT)
        with pytest.raises(PolicyError) as caught:
            incoming.read(RULES, at=AT)
        assert attempt.finish(incoming.refuse(caught.value, at=AT)).status == 403

    def test_until(self):
        check = functools.partial(RULES.check, at=AT)
        assert check(REQUEST, until=TO) == AT + 61
        assert check(REQUEST, until=AT + 10) == AT + 10
        assert Rules(RULES.targets, None).check(replace(REQUEST, fields=()), at=AT, until=TO) == TO
        for fields in ((), ((b"date", encode_date(AT - 61)),)):
            with pytest.raises(ExpiredError):
                check(replace(REQUEST, fields=fields), until=TO)
        with pytest.raises(DecodeError):
            check(replace(REQUEST, fields=(REQUEST.fields[0],) * 2), until=TO)


class TestRelay:
    RELAY = Relay(GATEWAY, max_request=100, max_response=100)

    # req: rfc9458/5 content-is-copied
    # req: rfc9458/6.2 forwarding-rules
    # req: rfc9458/6.2 unknown-fields-are-dropped
    # req: rfc9458/6.2 relay-adds-nothing
    # req: rfc9458/8.2 one-gateway
    def test_nothing_else_is_passed_on(self):
        own = (
            (b"cookie", b"id=1"),
            (b"user-agent", b"me"),
            (b"forwarded", b"for=192.0.2.1"),
            (b"via", b"1.1 x"),
            (b"x-forwarded-for", b"192.0.2.1"),
            (b"authorization", b"Basic x"),
            (b"proxy-authorization", b"Basic x"),
            (b"connection", b"x-id"),
            (b"x-id", b"1"),
            (b"date", encode_date(AT)),
            (b"accept-language", b"de"),
            (b"incremental", b"?1"),
            (b"content-type", b"message/ohttp-req; id=1"),
        )
        received = Request("POST", "https", "relay.example", "/ohttp?id=1", own, b"sealed", ((b"t", b"1"),))
        forwarded, mode = self.RELAY.request(received)
        assert forwarded == Request("POST", "https", "gateway.example", "/in", SINGLE, b"sealed")
        assert mode is Mode.SINGLE

    def test_chunks(self):
        received = Request("POST", "https", "relay.example", "/ohttp", (CHUNKED[0], (b"x", b"1")))
        forwarded, mode = self.RELAY.head(received)
        assert forwarded == Request("POST", "https", "gateway.example", "/in", CHUNKED)
        assert mode is Mode.CHUNKED
        head = Response(200, ((b"content-type", b"message/ohttp-chunked-res"), (b"server", b"x")))
        assert self.RELAY.response(head, mode) == Response(
            200, ((b"content-type", b"message/ohttp-chunked-res"), (b"incremental", b"?1"))
        )

    @pytest.mark.parametrize(
        ("change", "error"),
        [
            ({"method": "GET"}, MethodError),
            ({"method": "CONNECT"}, MethodError),
            ({"fields": ()}, MediaTypeError),
            ({"fields": ((b"content-type", b"text/plain"),)}, MediaTypeError),
            ({"fields": ((b"content-type", b"message/ohttp-res"),)}, MediaTypeError),
            ({"fields": SINGLE + CHUNKED}, DecodeError),
            ({"content": b""}, DecodeError),
            ({"content": bytes(101)}, LimitError),
        ],
    )
    # req: rfc9458/5 posted
    # req: rfc9458/5 media-types
    def test_refused_requests(self, change, error):
        with pytest.raises(error):
            self.RELAY.request(replace(RELAY.post(Mode.SINGLE, b"sealed"), **change))

    def test_sizes(self):
        assert self.RELAY.request(RELAY.post(Mode.SINGLE, bytes(100)))[0].content == bytes(100)
        kind = ((b"content-type", b"message/ohttp-res"),)
        assert self.RELAY.response(Response(200, kind, bytes(100)), Mode.SINGLE).content == bytes(100)
        with pytest.raises(LimitError):
            self.RELAY.response(Response(200, kind, bytes(101)), Mode.SINGLE)

    def test_nothing_else_comes_back(self):
        kind = (b"content-type", b"message/ohttp-res; id=1")
        answered = Response(
            200, (kind, (b"set-cookie", b"id=1"), (b"alt-svc", b"x")), b"sealed", ((b"t", b"1"),), (Informational(103),)
        )
        assert self.RELAY.response(answered, Mode.SINGLE) == Response(200, SINGLE_ANSWER, b"sealed")

    # req: chunked08/3 response-of-the-same-mode
    def test_the_mode_is_the_requests(self):
        for mode, other in ((Mode.SINGLE, Mode.CHUNKED), (Mode.CHUNKED, Mode.SINGLE)):
            response = Response(200, ((b"content-type", other.response_type.encode()),), b"sealed")
            with pytest.raises(MediaTypeError):
                self.RELAY.response(response, mode)
        with pytest.raises(MediaTypeError):
            self.RELAY.response(Response(200, (), b"sealed"), Mode.SINGLE)

    def test_errors(self):
        fields = (*PROBLEM, (b"set-cookie", b"id=1"))
        problem = b'{"type":"%s","title":"t","status":418,"detail":"id=1","instance":"1"}' % OHTTP_KEY.encode()
        returned = self.RELAY.response(Response(422, fields, problem), Mode.SINGLE)
        assert returned == Response(422, PROBLEM, Problem(OHTTP_KEY, "t", 422).encode())
        for content, kind in ((b"x", (b"content-type", b"text/html")), (bytes(MAX_PROBLEM + 1), PROBLEM[0])):
            assert self.RELAY.response(Response(500, (kind,), content), Mode.SINGLE) == Response(500)
        with pytest.raises(DecodeError):
            self.RELAY.response(Response(422, PROBLEM, b"{"), Mode.SINGLE)

    @pytest.mark.parametrize("status", [99, 201, 204, 206, 302, 307, 399, 600, 700])
    def test_other_statuses(self, status):
        with pytest.raises(DecodeError):
            self.RELAY.response(Response(status, SINGLE_ANSWER, b"sealed"), Mode.SINGLE)

    def test_resources(self):
        for authority, path in (("", "/"), ("a", ""), ("a", "b")):
            with pytest.raises(UsageError):
                Resource(authority, path)


class TestChunked:
    HEAD = replace(REQUEST, content=b"")
    ANSWER_HEAD = Response(200, ((b"b", b"3"),), informational=(Informational(103),))

    def begin(self):
        return encapsulate_stream(self.HEAD, selection(), RELAY, at=AT)

    @pytest.mark.parametrize("step", [1, 50, 100000])
    # req: chunked08/3 incremental
    # req: chunked08/3 response-of-the-same-mode
    def test_there_and_back(self, step):
        posted, body, receiver = self.begin()
        assert posted == Request("POST", "https", "relay.example", "/ohttp", CHUNKED)
        up = body.send(b"") + body.send(b"some ") + body.finish(b"content", ((b"t", b"1"),))
        stream = RequestStream(posted, gateway())
        events = []
        for start in range(0, len(up), step):
            events += stream.receive_data(up[start : start + step], at=AT)
        opened, head, *data, end = events + stream.receive_end()
        assert isinstance(opened, RequestOpened)
        assert head == RequestHead("POST", *ORIGIN, "/ask?q=1", REQUEST.fields)
        assert RULES.check(head, at=AT, until=opened.responder.until) == AT + 61
        assert b"".join(piece.data for piece in data) == b"some content"
        assert end == EndOfMessage(((b"t", b"1"),))

        answer, body = respond_stream(opened.responder, self.ANSWER_HEAD)
        assert answer == Response(200, ((b"content-type", b"message/ohttp-chunked-res"), (b"incremental", b"?1")))
        down = body.send(b"ans") + body.send(bytes(20000)) + body.finish()
        receiver.receive_head(answer)
        events = []
        for start in range(0, len(down), step):
            events += receiver.receive_data(down[start : start + step])
        interim, head, *data, end = events + receiver.receive_end()
        assert interim == Informational(103)
        assert head == ResponseHead(200, ((b"b", b"3"),))
        assert b"".join(piece.data for piece in data) == b"ans" + bytes(20000)
        assert end == EndOfMessage(())

    def test_heads_alone(self):
        posted, body, _ = self.begin()
        stream = RequestStream(posted, gateway())
        _, *events = stream.receive_data(body.finish(), at=AT) + stream.receive_end()
        assert [type(event) for event in events] == [RequestHead, EndOfMessage]

    def test_truncation(self):
        posted, body, receiver = self.begin()
        stream = RequestStream(posted, gateway())
        opened, *_ = stream.receive_data(body.send(b"content"), at=AT)
        with pytest.raises(DecodeError):
            stream.receive_end()
        answer, body = respond_stream(opened.responder, Response(200))
        receiver.receive_head(answer)
        receiver.receive_data(body.send(b"content"))
        with pytest.raises(DecodeError):
            receiver.receive_end()

    def test_truncation_of_the_inner_message(self):
        """The chunks are whole, what they hold isn't."""
        sender, _ = begin_chunked(selection(), at=AT).stream()
        stream = RequestStream(RELAY.post(Mode.CHUNKED), gateway())
        whole = bhttp.encode_request(REQUEST)
        stream.receive_data(sender.finish(whole[:-3]), at=AT)
        assert stream.responder is None
        with pytest.raises(DecodeError):
            stream.receive_end()
        assert stream.responder is not None

    def answered(self, wire, receiver, pieces):
        """What ends the stream ``wire``, and where and how the gateway answers that."""
        stream = RequestStream(RELAY.post(Mode.CHUNKED), gateway())
        try:
            for piece in pieces:
                stream.receive_data(piece, at=AT)
            stream.receive_end()
        except PeerError as error:
            answer = stream.refuse(error, at=AT)
            if answer.status != 200:
                assert stream.responder is None
                return type(error), "clear", answer.status
            assert Relay(GATEWAY, 1, 1000).response(answer, Mode.CHUNKED) == answer
            with pytest.raises(SpentError):
                stream.refuse(error, at=AT)
            reader = ResponseStream(receiver)
            reader.receive_head(answer)
            head, *data, _ = reader.receive_data(answer.content) + reader.receive_end()
            Problem.decode(b"".join(piece.data for piece in data))
            return type(error), "sealed", head.status
        raise AssertionError("nothing was refused")

    @staticmethod
    def bad_first(sender):
        return sender.send(b"\5") + sender.finish(b"more")

    @staticmethod
    def bad_only(sender):
        return sender.finish(b"\2\3GET\xff")

    @staticmethod
    def bad_second(sender):
        return sender.send(b"\2\3GE") + sender.send(b"T\5https\1e\2/\n") + sender.finish()

    @staticmethod
    def cut_inside(sender):
        return sender.finish(b"\2\3GE")

    @staticmethod
    def forged_second(sender):
        first, second = sender.send(b"\2"), bytearray(sender.send(b"\3GET"))
        second[-1] ^= 1
        return first + second + sender.finish()

    @staticmethod
    def forged_last(sender):
        first, last = sender.send(b"\2"), bytearray(sender.finish(b"\3GET"))
        last[-1] ^= 1
        return first + last

    @staticmethod
    def large_second(sender):
        return sender.send(b"\2") + encode_varint(1 << 20)

    @staticmethod
    def forged_first(sender):
        wire = bytearray(sender.send(b"\2"))
        wire[-1] ^= 1
        return bytes(wire)

    @staticmethod
    def forged_only(sender):
        wire = bytearray(sender.finish(b"\2"))
        wire[-1] ^= 1
        return bytes(wire)

    @pytest.mark.parametrize(
        ("make", "expected"),
        [
            (bad_first, (DecodeError, "sealed", 400)),
            (bad_only, (DecodeError, "sealed", 400)),
            (bad_second, (DecodeError, "sealed", 400)),
            (cut_inside, (DecodeError, "sealed", 400)),
            (forged_second, (OpenError, "sealed", 400)),
            (forged_last, (OpenError, "sealed", 400)),
            (large_second, (LimitError, "sealed", 413)),
            (forged_first, (OpenError, "clear", 422)),
            (forged_only, (OpenError, "clear", 422)),
        ],
        ids=lambda value: getattr(value, "__name__", ""),
    )
    def test_any_split_gives_the_same_answer(self, make, expected):
        """RFC 9458 §5.2: from the first chunk that opened on, errors are encapsulated; the relay can't decide that."""
        size = len(make(begin_chunked(selection(), at=AT).stream()[0]))
        splits = [*((cut, size) for cut in range(size + 1)), range(1, size + 1), (size,)]
        for ends in splits:
            sender, receiver = begin_chunked(selection(), at=AT).stream()
            wire = make(sender)
            pieces = [wire[start:end] for start, end in itertools.pairwise((0, *ends))]
            assert self.answered(wire, receiver, pieces) == expected, ends

    def test_what_the_caller_refuses(self):
        posted, body, receiver = self.begin()
        stream = RequestStream(posted, gateway())
        stream.receive_data(body.finish(), at=AT)
        stream.receive_end()
        window = ReplayWindow(1)
        window.admit(stream.responder.replay_key(), at=AT, until=TO)
        with pytest.raises(ReplayError) as caught:
            window.admit(stream.responder.replay_key(), at=AT, until=TO)
        answer = stream.refuse(caught.value, at=AT)
        receiver.receive_head(answer)
        head, *_ = receiver.receive_data(answer.content) + receiver.receive_end()
        assert single(head.fields, b"content-type") == MEDIA_TYPE.encode()
        with pytest.raises(SpentError):
            stream.refuse(caught.value, at=AT)

    def test_no_key(self):
        posted, body, _ = self.begin()
        with pytest.raises(UnsupportedError):
            RequestStream(posted, gateway(key_id=8)).receive_data(body.send(b"x"), at=AT)
        posted, body, _ = self.begin()
        with pytest.raises(ExpiredError):
            RequestStream(posted, gateway()).receive_data(body.send(b"x"), at=TO)

    def test_without_a_key_it_is_over(self):
        """More bytes of the same request are the peer's doing, never the caller's."""
        posted, body, receiver = self.begin()
        stream = RequestStream(posted, gateway(key_id=8))
        for piece in (body.send(b"x"), body.finish()):
            with pytest.raises(UnsupportedError) as caught:
                stream.receive_data(piece, at=AT)
        with pytest.raises(UnsupportedError):
            stream.receive_end()
        with pytest.raises(ExpiredError):
            receiver.receive_head(stream.refuse(caught.value, at=AT))

    # req: chunked08/7 no-fallback
    def test_modes(self):
        with pytest.raises(MediaTypeError):
            RequestStream(RELAY.post(Mode.SINGLE, b"x"), gateway())
        _, _, receiver = self.begin()
        for response in (Response(200, SINGLE_ANSWER, b"x"), Response(500)):
            with pytest.raises(PolicyError):
                receiver.receive_head(response)
        with pytest.raises(ExpiredError):
            receiver.receive_head(Response(422, PROBLEM, Problem(OHTTP_KEY).encode()))
        with pytest.raises(UsageError):
            receiver.receive_data(b"x")

    def test_content_goes_through_the_body(self):
        for extra in ({"content": b"x"}, {"trailers": ((b"t", b"1"),)}):
            with pytest.raises(UsageError):
                encapsulate_stream(replace(self.HEAD, **extra), selection(), RELAY, at=AT)
            posted, body, _ = self.begin()
            opened, *_ = RequestStream(posted, gateway()).receive_data(body.send(b"x"), at=AT)
            with pytest.raises(UsageError):
                respond_stream(opened.responder, replace(self.ANSWER_HEAD, **extra))
            respond_stream(opened.responder, self.ANSWER_HEAD)

    def test_bad_trailers_are_refused_before_anything_is_sealed(self):
        posted, body, _ = self.begin()
        with pytest.raises(UsageError):
            body.finish(b"content", ((b"BAD", b""),))
        stream = RequestStream(posted, gateway())
        _, head, *_ = stream.receive_data(body.finish(b"content"), at=AT) + stream.receive_end()
        assert isinstance(head, RequestHead)

    def test_expectations_are_possible(self):
        head = replace(self.HEAD, fields=((b"expect", b"100-continue"),))
        encapsulate_stream(head, selection(), RELAY, at=AT)

    @given(st.binary(max_size=100))
    def test_contract(self, data):
        check_contract(lambda data: RequestStream(RELAY.post(Mode.CHUNKED), gateway()).receive_data(data, at=AT), data)

    @given(st.lists(st.binary(max_size=40), max_size=3), st.binary(max_size=40), st.booleans())
    def test_contract_of_what_is_inside(self, pieces, last, whole):
        sender, _ = begin_chunked(selection(), at=AT).stream()
        stream = RequestStream(RELAY.post(Mode.CHUNKED), gateway())
        wire = [*map(sender.send, pieces), sender.finish(last)]

        def receive(wire):
            for piece in wire:
                stream.receive_data(piece, at=AT)
            stream.receive_end()

        check_contract(receive, [b"".join(wire)] if whole else wire)
        assert stream.responder is not None
