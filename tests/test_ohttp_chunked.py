"""Chunked OHTTP: the channels of both roles."""

from __future__ import annotations

import copy
import functools
import itertools
import os
import pickle
import tracemalloc

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from privproc import chunks, trust
from privproc.errors import (
    DecodeError,
    ExpiredError,
    LimitError,
    OpenError,
    PeerError,
    SpentError,
    UnsupportedError,
    UsageError,
)
from privproc.hpke import Aead, Kdf, Kem, PrivateKey, Recipient, Suite
from privproc.keyconfig import GatewayKey, KeyRing
from privproc.ohttp import (
    CHUNKED_REQUEST_TYPE,
    CHUNKED_RESPONSE_TYPE,
    INCREMENTAL,
    MAX_CHUNK,
    Gateway,
    MessageData,
    MessageEnd,
    MessageSender,
    RequestHeader,
    RequestOpened,
    RequestReceiver,
    begin_chunked,
)
from privproc.ohttp._framing import Seal
from privproc.ohttp.chunked import RECEIVE_REQUEST, RECEIVE_RESPONSE, SEND, Input, State
from privproc.ohttp.client import _derand_begin_chunked
from privproc.secret import Secret
from privproc.wire import encode_varint
from tests import test_ohttp
from tests.codec import check_contract
from tests.reach import reaches
from tests.test_ohttp import AT, BIG_KEY, DH_SUITES, FROM, ONE, SUITES, TO, chosen, gateway_key, private, suite_id


def begun(suite=ONE):
    return begin_chunked(trust.pin(chosen(suite), b"list", not_before=FROM, not_after=TO), at=AT)


def accepted(receiver, wire, key=None, *, end=True):
    """All events of a request that comes at once, but for the header's."""
    header, *none = receiver.receive_data(wire)
    assert isinstance(header, RequestHeader)
    assert none == []
    events = receiver.accept(key or gateway_key(), at=AT)
    return events + receiver.receive_end() if end else events


def exchange(suite=ONE):
    """An exchange whose request is through: the response's sender and receiver."""
    sender, receiver = begun(suite).stream()
    opened, *_ = accepted(RequestReceiver(), sender.finish(b"question"), gateway_key(suite))
    return opened.responder.stream(), receiver


def message(events):
    assert events[-1:] == [MessageEnd()]
    return b"".join(event.data for event in events[:-1])


def cut(data, places):
    """``data`` cut at some places."""
    ends = sorted(min(place, len(data)) for place in places)
    return [data[start:stop] for start, stop in zip([0, *ends], [*ends, len(data)], strict=True)]


class Oracle(test_ohttp.Oracle):
    """A second implementation of the draft's §6, on pyhpke, straight from the pseudocode."""

    def __init__(self, suite, key_id):
        super().__init__(suite, key_id)
        self.info = b"message/bhttp chunked request" + bytes(1) + self.header

    def chunked(self, seal, pieces):
        *middle, last = pieces
        framed = b""
        for piece in middle:
            sealed = seal(piece, b"")
            framed += encode_varint(len(sealed)) + sealed
        return framed + b"\0" + seal(last, b"final")

    def request(self, public, pieces):
        key = self.suite.kem.deserialize_public_key(public)
        self.enc, self.context = self.suite.create_sender_context(key, self.info)
        return self.header + self.enc + self.chunked(self.context.seal, pieces)

    def open_chunks(self, wire, opened):
        pieces = []
        while (size := wire[0]) != 0:
            assert size < 64
            pieces.append(opened(wire[1 : 1 + size], b""))
            wire = wire[1 + size :]
        return [*pieces, opened(wire[1:], b"final")]

    def open_request(self, private, wire):
        assert wire[:7] == self.header
        self.enc = wire[7 : 7 + self.enc_size]
        key = self.suite.kem.deserialize_private_key(private)
        self.context = self.suite.create_recipient_context(self.enc, key, self.info)
        return self.open_chunks(wire[7 + self.enc_size :], self.context.open)

    def nonces(self, nonce):
        secret = self.context.export(b"message/bhttp chunked response", max(self.sizes))
        prk = self.suite.kdf.extract(self.enc + nonce, secret)
        self.cipher = self.aead(self.suite.kdf.expand(prk, b"key", self.sizes[0]))
        iv = self.suite.kdf.expand(prk, b"nonce", self.sizes[1])
        first = int.from_bytes(iv, "big")
        return ((first ^ counter).to_bytes(len(iv), "big") for counter in itertools.count())

    def response(self, pieces, nonce):
        nonces = self.nonces(nonce)
        return nonce + self.chunked(lambda data, aad: self.cipher.encrypt(next(nonces), data, aad), pieces)

    def open_response(self, wire):
        size = max(self.sizes)
        nonces = self.nonces(wire[:size])
        return self.open_chunks(wire[size:], lambda data, aad: self.cipher.decrypt(next(nonces), data, aad))


PIECES = [b"some", b"of", b"it"]


@pytest.mark.parametrize("suite", DH_SUITES, ids=suite_id)
class TestAgainstPyhpke:
    def test_our_client_their_gateway(self, suite):
        oracle = Oracle(suite, 7)
        sender, receiver = begun(suite).stream()
        wire = sender.send(PIECES[0]) + sender.send(PIECES[1]) + sender.finish(PIECES[2])
        assert oracle.open_request(private(suite.kem).encode().expose(), wire) == PIECES
        reply = oracle.response([b"answer", b""], os.urandom(max(oracle.sizes)))
        assert receiver.receive_data(reply) + receiver.receive_end() == [MessageData(b"answer"), MessageEnd()]

    def test_their_client_our_gateway(self, suite):
        oracle = Oracle(suite, 7)
        wire = oracle.request(private(suite.kem).public_key.encode(), PIECES)
        opened, *events = accepted(RequestReceiver(), wire, gateway_key(suite))
        assert events == [*map(MessageData, PIECES), MessageEnd()]
        assert opened.responder.export(b"other", 40).expose() == oracle.context.export(b"other", 40)
        sender = opened.responder.stream()
        assert oracle.open_response(sender.send(b"answer") + sender.finish()) == [b"answer", b""]

    # req: chunked08/4 same-header
    # req: chunked08/4 final-chunk-to-the-end
    # req: chunked08/5 nonce-first
    # req: chunked08/6.1 request-label
    # req: chunked08/6.1 final-in-the-aad
    # req: chunked08/6.2 response-label
    # req: chunked08/6.2 counter-in-the-nonce
    def test_same_bytes(self, suite):
        ephemeral = PrivateKey.decode(suite.kem, Secret(bytes(range(3, 35))))
        sender, receiver = _derand_begin_chunked(chosen(suite), ephemeral).stream()
        wire = sender.send(PIECES[0]) + sender.send(PIECES[1]) + sender.finish(PIECES[2])
        oracle = Oracle(suite, 7)
        assert oracle.open_request(private(suite.kem).encode().expose(), wire) == PIECES
        opened, *_ = accepted(RequestReceiver(), wire, gateway_key(suite))
        nonce = bytes(range(max(oracle.sizes)))
        sender = opened.responder._derand_stream(nonce)
        reply = sender.send(b"answer") + sender.finish(b"!")
        assert reply == oracle.response([b"answer", b"!"], nonce)
        assert message(receiver.receive_data(reply) + receiver.receive_end()) == b"answer!"


class TestExchange:
    @pytest.mark.parametrize("suite", SUITES, ids=suite_id)
    def test_there_and_back(self, suite):
        sender, receiver = begun(suite).stream()
        wire = sender.send(b"ques") + sender.finish(b"tion")
        opened, *events = accepted(RequestReceiver(), wire, gateway_key(suite))
        assert message(events) == b"question"
        answer = opened.responder.stream()
        wire = answer.send(b"ans")
        assert len(wire) == max(suite.aead.Nk, suite.aead.Nn) + 1 + 3 + 16
        assert message(receiver.receive_data(wire + answer.finish(b"wer")) + receiver.receive_end()) == b"answer"

    def test_names(self):
        assert (CHUNKED_REQUEST_TYPE, CHUNKED_RESPONSE_TYPE) == (
            "message/ohttp-chunked-req",
            "message/ohttp-chunked-res",
        )
        assert INCREMENTAL == (b"incremental", b"?1")

    def test_both_ends_see_the_same(self):
        out = begun()
        seen = (out.enc, out.suite, out.key_config, out.export(b"a", 32).expose())
        for label in (b"message/bhttp chunked response", b"message/bhttp response"):
            with pytest.raises(UsageError):
                out.export(label, 16)
        wire = out.stream()[0].finish(b"question")
        with pytest.raises(SpentError):
            out.stream()
        with pytest.raises(SpentError):
            out.export(b"a", 32)
        opened, *_ = accepted(RequestReceiver(), wire)
        responder = opened.responder
        assert seen == (responder.enc, responder.suite, responder.key_config, responder.export(b"a", 32).expose())
        assert responder.until == TO
        again, *_ = accepted(RequestReceiver(), wire)
        assert again.responder.replay_key() == responder.replay_key()
        assert responder.stream().send(b"same")[:16] != again.responder.stream().send(b"same")[:16]
        with pytest.raises(SpentError):
            responder.stream()

    def test_the_response_may_come_before_the_request_is_complete(self):
        sender, receiver = begun().stream()
        gateway = RequestReceiver()
        opened, data = accepted(gateway, sender.send(b"first"), end=False)
        assert data == MessageData(b"first")
        answer = opened.responder.stream()
        assert receiver.receive_data(answer.send(b"early")) == [MessageData(b"early")]
        assert gateway.receive_data(sender.finish(b"second")) == []
        assert gateway.receive_end() == [MessageData(b"second"), MessageEnd()]
        assert receiver.receive_data(answer.finish()) + receiver.receive_end() == [MessageEnd()]

    def test_a_bytearray_may_be_used_again(self):
        sender, receiver = exchange()
        wire = sender.send(b"answer") + sender.finish(b"")
        buffer = bytearray(5)
        events = []
        for start in range(0, len(wire), 5):
            piece = wire[start : start + 5]
            buffer[: len(piece)] = piece
            events += receiver.receive_data(memoryview(buffer)[: len(piece)])
        buffer += b"it can be resized, too"
        assert message(events + receiver.receive_end()) == b"answer"
        with pytest.raises(TypeError):
            exchange()[1].receive_data("text")

    def test_no_copies_and_nothing_shown(self):
        out = begun()
        shown = [repr(out)]
        sender, receiver = out.stream()
        gateway = RequestReceiver()
        opened, data = accepted(gateway, sender.send(b"question"), end=False)
        answer = opened.responder
        for thing in (sender, receiver, gateway, answer):
            for attempt in (copy.copy, copy.deepcopy, pickle.dumps):
                with pytest.raises(UsageError):
                    attempt(thing)
            shown.append(repr(thing))
        assert shown == [
            "<OutgoingStream ready>",
            "<MessageSender CHUNKS>",
            "<ResponseReceiver HEAD>",
            "<RequestReceiver CHUNKS>",
            "<StreamResponder ready>",
        ]
        assert repr(data) == "MessageData()"
        assert repr(opened) == "RequestOpened(responder=<StreamResponder ready>)"


class TestSender:
    @given(st.integers(0, 3 * MAX_CHUNK + 5), st.integers(0, 2 * MAX_CHUNK + 5))
    @example(3 * MAX_CHUNK + 1, 0)
    @example(MAX_CHUNK + 1, 2 * MAX_CHUNK + 1)
    @settings(max_examples=20)
    # req: chunked08/3 no-larger-chunks
    def test_pieces_of_any_size(self, first, second):
        sender, receiver = exchange()
        wire = sender.send(bytes(first)) + sender.finish(bytes(second))
        events = receiver.receive_data(wire) + receiver.receive_end()
        assert len(message(events)) == first + second
        sizes = [len(event.data) for event in events[:-1]]
        assert max(sizes, default=0) <= MAX_CHUNK
        assert len(sizes) == -(-first // MAX_CHUNK) + -(-second // MAX_CHUNK)

    # req: chunked08/6 no-empty-chunk
    def test_no_data_makes_no_chunk(self):
        sender, receiver = exchange()
        assert len(sender.send(b"")) == 16
        assert sender.send(b"") == b""
        assert len(sender.finish()) == 1 + 16
        sender, receiver = exchange()
        assert receiver.receive_data(sender.send(b"")) == []
        assert receiver.receive_data(sender.finish()) + receiver.receive_end() == [MessageEnd()]

    def test_the_last_chunk_of_exactly_the_largest_size(self):
        sender, receiver = exchange()
        wire = sender.finish(bytes(MAX_CHUNK))
        assert wire[16] == 0
        assert message(receiver.receive_data(wire) + receiver.receive_end()) == bytes(MAX_CHUNK)

    def test_finish_is_the_end(self):
        """As ohttp-ts isn't: a second final chunk, or another one after it, would use a nonce again."""
        for sender in (exchange()[0], begun().stream()[0]):
            sender.finish(b"the end")
            for call in (sender.send, sender.finish):
                with pytest.raises(UsageError):
                    call(b"more")
            assert sender.state is State.ENDED

    @pytest.mark.parametrize("make", [lambda: exchange()[0], lambda: begun().stream()[0]])
    # req: chunked08/6.2 chunks-are-counted
    def test_the_number_of_chunks_is_limited(self, make, monkeypatch):
        """As it wasn't in netty's codec (CVE-2024-36121). A refusal leaves the channel as it was."""
        monkeypatch.setattr(chunks, "MAX_CHUNKS", 3)
        sender = make()
        with pytest.raises(UsageError):
            sender.send(bytes(2 * MAX_CHUNK + 1))
        with pytest.raises(UsageError):
            sender.finish(bytes(3 * MAX_CHUNK + 1))
        head = sender.send(b"a")
        assert len(head) > 18
        sender.send(b"b")
        with pytest.raises(UsageError):
            sender.send(b"c")
        assert len(sender.finish(b"c")) == 1 + 1 + 16

    def test_a_failure_loses_no_head(self):
        def broken(_data):
            raise UsageError("in use")

        sender = MessageSender(b"head", Seal(broken, lambda _data: b"sealed"))
        with pytest.raises(UsageError):
            sender.send(b"data")
        assert sender.finish() == b"head\0sealed"

    def test_the_shape_of_lengths(self):
        sender, _ = begun().stream()
        head = len(sender.send(b""))
        assert head == 7 + 32
        for size, prefix in ((47, b"\x3f"), (48, b"\x40\x40"), (16367, b"\x7f\xff"), (16368, b"\x80\0\x40\0")):
            wire = sender.send(bytes(size))
            assert wire.startswith(prefix)
            assert len(wire) == len(prefix) + size + 16


class TestAnySplit:
    @given(st.data())
    def test_of_a_request(self, data):
        sender, _ = begun().stream()
        pieces = data.draw(st.lists(st.binary(min_size=1, max_size=80), max_size=4))
        wire = b"".join([*map(sender.send, pieces), sender.finish(data.draw(st.binary(max_size=40)))])
        whole = accepted(RequestReceiver(), wire)
        receiver = RequestReceiver()
        events = []
        for piece in cut(wire, data.draw(st.lists(st.integers(0, len(wire)), max_size=12))):
            got = receiver.receive_data(piece)
            if got and isinstance(got[-1], RequestHeader):
                assert receiver.header == got.pop()
                got += receiver.accept(gateway_key(), at=AT)
            events += got
        events += receiver.receive_end()
        assert isinstance(events[0], RequestOpened)
        assert events[1:] == whole[1:]
        assert receiver.state is State.ENDED

    @pytest.mark.parametrize("suite", [ONE, BIG_KEY], ids=suite_id)
    @given(data=st.data())
    def test_of_a_response(self, suite, data):
        sender, receiver = exchange(suite)
        pieces = data.draw(st.lists(st.binary(min_size=1, max_size=80), max_size=4))
        last = data.draw(st.binary(max_size=40))
        wire = b"".join([*map(sender.send, pieces), sender.finish(last)])
        events = []
        for piece in cut(wire, data.draw(st.lists(st.integers(0, len(wire)), max_size=12))):
            events += receiver.receive_data(piece)
        assert events == [MessageData(piece) for piece in pieces]
        assert message(receiver.receive_end()) == last

    @pytest.mark.parametrize("size", [1, 2, 3, 1400, 16384, 16404, 40000])
    def test_of_large_chunks(self, size):
        sender, receiver = exchange()
        data = os.urandom(2 * MAX_CHUNK + 100)
        wire = sender.send(data) + sender.finish(data[:MAX_CHUNK])
        events = []
        for start in range(0, len(wire), size):
            events += receiver.receive_data(wire[start : start + size])
        events += receiver.receive_end()
        assert [len(event.data) for event in events[:-1]] == [MAX_CHUNK, MAX_CHUNK, 100, MAX_CHUNK]
        assert message(events) == data + data[:MAX_CHUNK]


class TestReceiversRefuse:
    def request(self):
        sender, _ = begun().stream()
        return sender.send(b"some") + sender.finish(b"thing")

    def fed(self, wire, step):
        receiver = RequestReceiver()
        events = []
        for start in range(0, len(wire), step):
            got = receiver.receive_data(wire[start : start + step])
            if got and isinstance(got[-1], RequestHeader):
                got = Gateway(KeyRing([gateway_key()]), max_request=1).accept(receiver, at=AT)
            events += got
        return events + receiver.receive_end()

    @pytest.mark.parametrize("step", [1, 1000])
    def test_every_prefix_of_a_request(self, step):
        wire = self.request()
        for end in range(len(wire)):
            with pytest.raises(OpenError if end >= len(wire) - 5 else DecodeError):
                self.fed(wire[:end], step)
        with pytest.raises(OpenError):
            self.fed(wire + b"\0", step)

    @given(st.integers(0, 7 + 32 + 21 + 22 - 1), st.integers(1, 255))
    def test_every_changed_byte_of_a_request(self, index, change):
        wire = bytearray(self.request())
        wire[index] ^= change
        with pytest.raises((UnsupportedError, DecodeError, OpenError, LimitError)) as caught:
            self.fed(bytes(wire), 1000)
        assert index < 7 or not isinstance(caught.value, UnsupportedError)

    # req: chunked08/7.1 complete-with-final-chunk
    def test_every_prefix_of_a_response(self):
        for suite in (ONE, BIG_KEY):
            nonce = max(suite.aead.Nk, suite.aead.Nn)
            for end in range(nonce + 1 + 18 + 1 + 16 + 1):
                sender, receiver = exchange(suite)
                wire = sender.send(b"ye") + sender.finish(b"s")
                assert len(wire) == nonce + 1 + 18 + 1 + 16 + 1
                receiver.receive_data(wire[:end])
                with pytest.raises(OpenError if end == len(wire) - 1 else DecodeError):
                    receiver.receive_end()

    @given(st.integers(0, 16 + 22 + 22 - 1), st.integers(1, 255))
    def test_every_changed_byte_of_a_response(self, index, change):
        sender, receiver = exchange()
        wire = bytearray(sender.send(b"ans.!") + sender.finish(b"wer.!"))
        wire[index] ^= change
        with pytest.raises((OpenError, DecodeError, LimitError)):
            receiver.receive_data(bytes(wire)) + receiver.receive_end()

    @given(st.binary(max_size=120))
    def test_contract(self, data):
        header = RequestHeader(7, ONE.kem, ONE.kdf, ONE.aead).encode()
        for start in (b"", header, header + begun().enc):
            check_contract(functools.partial(self.fed, step=9), start + data)
        _, receiver = exchange()
        check_contract(lambda data: receiver.receive_data(data) + receiver.receive_end(), data)

    def test_errors_are_opaque_and_stay(self):
        sender, receiver = exchange()
        wire = bytearray(sender.send(b"answer"))
        wire[-1] ^= 1
        with pytest.raises(OpenError) as caught:
            receiver.receive_data(bytes(wire))
        assert str(caught.value) == "cannot be opened"
        assert receiver.state is State.FAILED
        for call in (functools.partial(receiver.receive_data, sender.finish()), receiver.receive_end):
            with pytest.raises(OpenError) as again:
                call()
            assert str(again.value) == str(caught.value)
            assert receiver._error.__traceback__ is None
        assert repr(receiver) == "<ResponseReceiver FAILED>"

    def test_a_bug_doesnt_read_as_a_clean_end(self):
        sender, receiver = exchange()
        receiver.receive_data(sender.send(b"answer"))
        receiver._open = []
        with pytest.raises(IndexError):
            receiver.receive_data(sender.finish())
        assert receiver.state is State.FAILED
        with pytest.raises(IndexError):
            receiver.receive_end()

    def test_a_failure_forgets(self):
        _, receiver = exchange()
        with pytest.raises(DecodeError):
            receiver.receive_end()
        with pytest.raises(SpentError):
            receiver._exchange[2].expose()
        sender, receiver = exchange()
        receiver.receive_data(sender.send(b"answer")[:-1])
        with pytest.raises(DecodeError):
            receiver.receive_end()
        assert (receiver._open, receiver._pieces, receiver._have) == ([], [], 0)

    def test_a_failure_leaves_no_way_to_the_keys(self):
        """Neither through the channel, nor through the frames of the error that it keeps."""
        sender, receiver = exchange()
        receiver.receive_data(sender.send(b"answer"))
        assert reaches(receiver, AESGCM)
        with pytest.raises(OpenError):
            receiver.receive_data(b"\x11" + bytes(17))
        assert not reaches(receiver, AESGCM)
        _, receiver = exchange()
        receiver.receive_data(bytes(16) + b"\0" + bytes(16))
        with pytest.raises(OpenError):
            receiver.receive_end()
        assert not reaches(receiver, AESGCM)

        for wire, ended in ((b"\x11" + bytes(17), False), (b"\1", False), (b"\0" + bytes(16), True), (b"\0", True)):
            receiver = RequestReceiver()
            receiver.receive_data(begun().stream()[0].send(b""))
            receiver.accept(gateway_key(), at=AT)
            assert reaches(receiver, Recipient)
            with pytest.raises((OpenError, DecodeError)):
                receiver.receive_data(wire) + (receiver.receive_end() if ended else [])
            assert receiver.responder is None
            assert not reaches(receiver, Recipient)

    def test_after_a_failure_the_responder_alone_is_left(self):
        sender, answer = begun().stream()
        receiver = RequestReceiver()
        accepted(receiver, sender.send(b"question"), end=False)
        with pytest.raises(OpenError):
            receiver.receive_data(b"\x11" + bytes(17))
        assert reaches(receiver, Recipient)
        wire = receiver.responder.stream().finish(b"refused")
        assert message(answer.receive_data(wire) + answer.receive_end()) == b"refused"
        assert not reaches(receiver, Recipient)

    def test_the_end_is_the_end(self):
        sender, receiver = exchange()
        receiver.receive_data(sender.finish(b"answer"))
        receiver.receive_end()
        for call in (functools.partial(receiver.receive_data, b""), receiver.receive_end):
            with pytest.raises(UsageError):
                call()
        assert (receiver._open, receiver._pieces) == ([], [])

    # req: chunked08/3 chunks-of-16384-bytes
    def test_the_largest_chunk_that_everybody_takes(self):
        oracle = Oracle(ONE, 7)
        pieces = [bytes(16384), bytes(16384)]
        receiver = RequestReceiver()
        _, *events = accepted(receiver, oracle.request(private(ONE.kem).public_key.encode(), pieces))
        assert events == [*map(MessageData, pieces), MessageEnd()]
        _, client = begun().stream(max_chunk=16384)
        assert client.receive_data(bytes(16) + encode_varint(16384 + 16)) == []

    def test_large_chunks(self):
        def refused(framed, **kind):
            _, receiver = begun().stream(**kind)
            receiver.receive_data(bytes(16))
            with pytest.raises(LimitError, match=f"over {kind.get('max_chunk', MAX_CHUNK)} bytes"):
                receiver.receive_data(framed)

        for length in (MAX_CHUNK + 17, (1 << 62) - 1):
            refused(encode_varint(length))
        refused(b"\0" + bytes(MAX_CHUNK + 17))
        refused(encode_varint(70000 + 17), max_chunk=70000)
        for size in (1, 100, MAX_CHUNK):  # the final chunk, in pieces
            _, receiver = exchange()
            receiver.receive_data(bytes(16) + b"\0")
            with pytest.raises(LimitError):
                for _ in range(0, MAX_CHUNK + 17, size):
                    receiver.receive_data(bytes(size))
                receiver.receive_data(bytes(17))
        _, receiver = exchange()
        receiver.receive_data(bytes(16) + b"\0" + bytes(MAX_CHUNK))
        receiver.receive_data(bytes(16))
        with pytest.raises(LimitError):
            receiver.receive_data(b"\0")
        out = begun()
        with pytest.raises(UsageError):
            out.stream(max_chunk=MAX_CHUNK - 1)
        assert repr(out) == "<OutgoingStream ready>"
        sender, _ = out.stream(max_chunk=MAX_CHUNK)
        assert sender.finish()
        with pytest.raises(UsageError):
            RequestReceiver(max_chunk=MAX_CHUNK - 1)

    # req: chunked08/6 lengths-in-any-width
    def test_lengths_in_any_width(self):
        """Nothing authenticates how a length is written; the final chunk's indicator is one, too."""
        sender, _ = begun().stream()
        head, first, last = sender.send(b""), sender.send(b"some of"), sender.finish(b" it")
        assert (first[:1], last[:1]) == (b"\x17", b"\0")
        for length, end in ((b"\x17", b"\0"), (b"\x40\x17", b"\x40\0"), (b"\x80\0\0\x17", b"\xc0" + bytes(7))):
            wire = head + length + first[1:] + end + last[1:]
            assert message(accepted(RequestReceiver(), wire)[1:]) == b"some of it"

    # req: chunked08/6.1 chunks-in-order
    def test_chunks_in_another_order(self):
        for pieces in ((b"one", b"two", b"end"), (b"one", b"one", b"end")):
            sender, _ = begun().stream()
            head, first, second, last = (sender.send(b""), *map(sender.send, pieces[:2]), sender.finish(pieces[2]))
            for wire in (head + second + first + last, head + first + first + last, head + second + last, head + last):
                with pytest.raises(OpenError):
                    accepted(RequestReceiver(), wire)

    def test_larger_chunks_by_arrangement(self):
        oracle = Oracle(ONE, 7)
        wire = oracle.request(private(ONE.kem).public_key.encode(), [bytes(70000), bytes(70000)])
        receiver = RequestReceiver(max_chunk=70000)
        _, *events = accepted(receiver, wire)
        assert message(events) == bytes(140000)
        with pytest.raises(LimitError):
            accepted(RequestReceiver(), wire)

    # req: chunked08/7.3 limits-keep-a-margin
    def test_the_bytes_under_one_key(self):
        """2^38 at most: with as many messages of other keys, AES-GCM stays far from its limits (§7.3)."""
        assert chunks.MAX_CHUNKS * MAX_CHUNK == 1 << 38

    # req: chunked08/6.2 chunks-are-counted
    def test_the_number_of_chunks(self, monkeypatch):
        sender, receiver = exchange()
        wire = sender.send(b"a") + sender.send(b"b") + sender.send(b"c") + sender.finish()
        out, _ = begun().stream()
        request = out.send(b"a") + out.send(b"b") + out.send(b"c") + out.finish()
        monkeypatch.setattr(chunks, "MAX_CHUNKS", 3)
        _, other = begun().stream()
        receiver._left = other._left
        assert receiver.receive_data(wire) == [MessageData(b"a"), MessageData(b"b")]
        with pytest.raises(LimitError):
            receiver.receive_data(b"")
        with pytest.raises(LimitError):
            accepted(RequestReceiver(), request)
        most, _ = begun().stream()
        assert message(accepted(RequestReceiver(), most.send(b"a") + most.send(b"b") + most.finish(b"c"))[1:]) == b"abc"

    def test_empty_pieces_are_not_kept(self):
        _, receiver = exchange()
        for _ in range(3):
            assert receiver.receive_data(b"") == []
        assert receiver._pieces == []

    def test_bytes_are_kept_without_a_copy(self):
        _, receiver = begun().stream(max_chunk=1 << 20)
        receiver.receive_data(bytes(16) + encode_varint(1 << 20))
        piece = bytes(1 << 19)
        tracemalloc.start()
        assert receiver.receive_data(piece) == []
        held, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert held < len(piece) // 2

    def test_what_was_opened_is_not_held(self):
        sender, receiver = exchange()
        wire = bytearray(sender.send(bytes(64 * MAX_CHUNK)))
        tracemalloc.start()
        assert len(receiver.receive_data(wire)) == 64
        held, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert held < 8 * MAX_CHUNK

    def test_it_is_flat(self):
        """8 MiB in pieces of 1400 bytes and chunks of 16 KiB take less than 150 KiB."""
        sender, receiver = exchange()
        piece = bytes(MAX_CHUNK)
        receiver.receive_data(sender.send(piece))
        tracemalloc.start()
        total = 0
        for _ in range(128):
            wire = sender.send(piece)
            for start in range(0, len(wire), 1400):
                total += sum(len(event.data) for event in receiver.receive_data(wire[start : start + 1400]))
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert total >= 127 * MAX_CHUNK
        assert peak < 150 * 1024


class TestKeys:
    def waiting(self, suite=ONE):
        sender, _ = begun(suite).stream()
        receiver = RequestReceiver()
        assert receiver.receive_data(sender.send(b"question")) == [
            RequestHeader(7, int(suite.kem), int(suite.kdf), int(suite.aead))
        ]
        return sender, receiver

    def test_a_ring(self):
        gateway = Gateway(KeyRing([gateway_key()]), max_request=1)
        sender, receiver = self.waiting()
        opened, data = gateway.accept(receiver, at=AT)
        assert isinstance(opened, RequestOpened)
        assert data == MessageData(b"question")
        receiver.receive_data(sender.finish())
        assert receiver.receive_end() == [MessageEnd()]
        other = Gateway(KeyRing([gateway_key(key_id=8)]), max_request=1)
        for wrong, at, error in (
            (gateway, FROM - 1, ExpiredError),
            (gateway, TO, ExpiredError),
            (other, AT, UnsupportedError),
        ):
            sender, receiver = self.waiting()
            with pytest.raises(error):
                wrong.accept(receiver, at=at)
            assert receiver.state is State.FAILED
            with pytest.raises(error):  # the peer's bytes can't cause a UsageError
                receiver.receive_data(sender.send(b"more"))
        with pytest.raises(UsageError):
            gateway.accept(RequestReceiver(), at=AT)

    def test_nothing_goes_on_without_a_key(self):
        sender, receiver = self.waiting()
        more = sender.finish()
        for call in (functools.partial(receiver.receive_data, more), receiver.receive_end):
            with pytest.raises(UsageError):
                call()
        events = receiver.accept(gateway_key(), at=AT)
        assert [type(event) for event in events] == [RequestOpened, MessageData]
        assert receiver.receive_data(more) + receiver.receive_end() == [MessageEnd()]
        with pytest.raises(UsageError):
            receiver.accept(gateway_key(), at=AT)
        with pytest.raises(UsageError):
            _ = receiver.header

    def test_the_wrong_key(self):
        _, receiver = self.waiting()
        other = Suite(Kem.P256_SHA256, Kdf.HKDF_SHA256, Aead.AES_128_GCM)
        for key in (gateway_key(key_id=8), gateway_key(other)):
            with pytest.raises(UsageError):
                receiver.accept(key, at=AT)
        assert receiver.state is State.KEY
        assert receiver.accept(gateway_key(), at=AT)[1:] == [MessageData(b"question")]

    @pytest.mark.parametrize(
        ("key", "at", "error"),
        [
            (lambda: None, AT, UnsupportedError),
            (gateway_key, FROM - 1, ExpiredError),
            (gateway_key, TO, ExpiredError),
            (lambda: GatewayKey(7, private(ONE.kem), (BIG_KEY,), FROM, TO), AT, UnsupportedError),
            (lambda: GatewayKey(7, PrivateKey.generate(ONE.kem), (ONE,), FROM, TO), AT, OpenError),
        ],
    )
    def test_a_refused_key_is_the_end(self, key, at, error):
        _, receiver = self.waiting()
        with pytest.raises(error) as caught:
            receiver.accept(key(), at=at)
        assert receiver.state is State.FAILED
        for call in (
            lambda: receiver.accept(gateway_key(), at=AT),
            lambda: receiver.receive_data(b"more"),
            receiver.receive_end,
            lambda: receiver.header,
        ):
            with pytest.raises(error) as again:
                call()
            assert vars(again.value) == vars(caught.value)
            assert again.value.args == caught.value.args

    def test_low_order_enc(self):
        receiver = RequestReceiver()
        receiver.receive_data(RequestHeader(7, ONE.kem, ONE.kdf, ONE.aead).encode() + bytes(32))
        with pytest.raises(OpenError):
            receiver.accept(gateway_key(), at=AT)

    def test_an_unknown_kem_is_refused_before_more_is_read(self):
        receiver = RequestReceiver()
        receiver.receive_data(b"\7\x99\x99")
        with pytest.raises(UnsupportedError):
            receiver.receive_data(bytes(4))
        assert receiver.state is State.FAILED

    def test_the_responder_is_there_from_the_first_chunk_that_opened(self):
        """However the bytes are split, and if a later chunk of the same call is refused, too."""
        wire = begun().stream()[0].send(b"first")
        for rest, error in ((b"\x11" + bytes(17), OpenError), (encode_varint(1 << 20), LimitError), (b"\1", OpenError)):
            for step in (1, 7, 1000):
                receiver = RequestReceiver()
                (header,) = receiver.receive_data(wire[:39])
                assert receiver.header == header
                assert receiver.accept(gateway_key(), at=AT) == []
                assert receiver.responder is None
                with pytest.raises(error):
                    for start in range(39, len(wire + rest), step):
                        receiver.receive_data((wire + rest)[start : start + step])
                    receiver.receive_end()
                assert repr(receiver.responder) == "<StreamResponder ready>"

    def test_the_responder_is_the_events(self):
        sender, receiver = self.waiting()
        opened, _ = receiver.accept(gateway_key(), at=AT)
        assert receiver.responder is opened.responder
        receiver.receive_data(sender.finish())
        assert receiver.receive_end() == [MessageEnd()]
        assert receiver.responder is opened.responder
        receiver = RequestReceiver()
        opened, *_ = accepted(receiver, begun().stream()[0].finish(b"whole"))
        assert receiver.responder is opened.responder

    def test_no_responder_for_what_didnt_open(self):
        """A relay that saw ``enc`` can send it with a chunk of its own; the replay key must not be burnt by that."""
        out = begun()
        header = RequestHeader(7, ONE.kem, ONE.kdf, ONE.aead).encode()
        receiver = RequestReceiver()
        receiver.receive_data(header + out.enc)
        assert receiver.accept(gateway_key(), at=AT) == []
        with pytest.raises(OpenError):
            receiver.receive_data(b"\x20" + bytes(32))


class TestTables:
    """Each edge of the tables happens, and each other pair of a state and a move of the caller's is refused."""

    def senders(self):
        ended = exchange()[0]
        ended.finish()
        return {State.CHUNKS: lambda: exchange()[0], State.ENDED: lambda: ended}

    def test_senders(self):
        made = self.senders()
        assert set(made) == set(SEND)
        for state, make in made.items():
            for what, call in ((Input.SEND, "send"), (Input.FINISH, "finish")):
                sender = make()
                assert sender.state is state
                if what in SEND[state]:
                    getattr(sender, call)(b"x")
                    assert sender.state is SEND[state][what]
                else:
                    with pytest.raises(UsageError):
                        getattr(sender, call)(b"x")

    def test_responses(self):
        def make(state):
            self.sender, receiver = exchange()
            self.nonce = self.sender.send(b"")
            if state in (State.CHUNKS, State.FINAL, State.ENDED):
                receiver.receive_data(self.nonce)
            if state in (State.FINAL, State.ENDED):
                receiver.receive_data(self.sender.finish(b"done"))
            if state is State.ENDED:
                receiver.receive_end()
            if state is State.FAILED:
                with pytest.raises(DecodeError):
                    receiver.receive_end()
            return receiver

        seen = set()
        for state, row in RECEIVE_RESPONSE.items():
            calls = {
                Input.DATA: lambda receiver: receiver.receive_data(b""),
                Input.END: lambda receiver: receiver.receive_end(),
                Input.NONCE: lambda receiver: receiver.receive_data(self.nonce),
                Input.CHUNK: lambda receiver: receiver.receive_data(self.sender.send(b"x")),
                Input.INDICATOR: lambda receiver: receiver.receive_data(b"\0"),
                Input.REFUSED: lambda receiver: receiver.receive_data(b"\1" if state is State.CHUNKS else bytes(20000)),  # noqa: B023
            }
            self.edges(state, row, make, calls, seen)
        assert seen == {(state, what) for state, row in RECEIVE_RESPONSE.items() for what in row}

    def edges(self, state, row, make, calls, seen):
        for what, call in calls.items():
            receiver = make(state)
            assert receiver.state is state
            if what in row:
                seen.add((state, what))
                if row[what] is State.FAILED:
                    with pytest.raises(PeerError):
                        call(receiver)
                else:
                    call(receiver)
                assert receiver.state is row[what]
            elif what in (Input.DATA, Input.END, Input.ACCEPT):
                with pytest.raises(PeerError if state is State.FAILED else UsageError):
                    call(receiver)
                assert receiver.state is state

    def test_requests(self):
        def make(state):
            self.sender, _ = begun().stream()
            self.head = self.sender.send(b"")
            receiver = RequestReceiver()
            if state is not State.HEAD and state is not State.FAILED:
                receiver.receive_data(self.head)
            if state in (State.CHUNKS, State.FINAL, State.ENDED):
                receiver.accept(gateway_key(), at=AT)
            if state in (State.FINAL, State.ENDED):
                receiver.receive_data(self.sender.finish(b"done"))
            if state is State.ENDED:
                receiver.receive_end()
            if state is State.FAILED:
                with pytest.raises(DecodeError):
                    receiver.receive_end()
            return receiver

        refusals = {
            State.HEAD: lambda receiver: receiver.receive_data(b"\xff" * 7),
            State.KEY: lambda receiver: receiver.accept(None, at=AT),
            State.CHUNKS: lambda receiver: receiver.receive_data(b"\1"),
            State.FINAL: lambda receiver: receiver.receive_data(bytes(20000)),
            State.ENDED: None,
            State.FAILED: None,
        }
        seen = set()
        for state, row in RECEIVE_REQUEST.items():
            calls = {
                Input.DATA: lambda receiver: receiver.receive_data(b""),
                Input.END: lambda receiver: receiver.receive_end(),
                Input.HEADER: lambda receiver: receiver.receive_data(self.head),
                Input.ACCEPT: lambda receiver: receiver.accept(gateway_key(), at=AT),
                Input.CHUNK: lambda receiver: receiver.receive_data(self.sender.send(b"x")),
                Input.INDICATOR: lambda receiver: receiver.receive_data(b"\0"),
                Input.REFUSED: refusals[state],
            }
            self.edges(state, row, make, calls, seen)
        assert seen == {(state, what) for state, row in RECEIVE_REQUEST.items() for what in row}


class Channels(RuleBasedStateMachine):
    """One exchange over a relay that splits, delays, and now and then forges, cuts or repeats.

    The message that comes out is always a prefix of what went in, and whole exactly if MessageEnd came. Nothing but
    hostility is refused; after a forged byte there is no end.
    """

    @initialize(suite=st.sampled_from([ONE, BIG_KEY]))
    def begin(self, suite):
        self.sender, receiver = begun(suite).stream()
        gateway = RequestReceiver()
        opened, *_ = accepted(gateway, self.sender.send(b"first"), gateway_key(suite), end=False)
        answer = opened.responder.stream()
        self.ends = {"up": (self.sender, gateway), "down": (answer, receiver)}
        self.sent = {"up": b"", "down": b""}
        self.got = {"up": b"", "down": b""}
        self.wire = {"up": b"", "down": b""}
        self.old = {"up": [], "down": []}
        self.finished = {"up": False, "down": False}
        self.complete = {"up": False, "down": False}
        self.forged = {"up": False, "down": False}
        self.touched = {"up": False, "down": False}
        self.told = {"up": False, "down": False}

    ways = st.sampled_from(["up", "down"])

    def put(self, way, data, wire):
        self.sent[way] += data
        self.wire[way] += wire
        self.old[way].append(wire)

    @rule(way=ways, data=st.binary(max_size=60) | st.just(bytes(MAX_CHUNK + 3)))
    def send(self, way, data):
        sender, _ = self.ends[way]
        if self.finished[way]:
            with pytest.raises(UsageError):
                sender.send(data)
        else:
            self.put(way, data, sender.send(data))

    @rule(way=ways, data=st.binary(max_size=60))
    def finish(self, way, data):
        sender, _ = self.ends[way]
        if self.finished[way]:
            with pytest.raises(UsageError):
                sender.finish(data)
        else:
            self.put(way, data, sender.finish(data))
            self.finished[way] = True

    @rule(way=ways, size=st.integers(1, 70) | st.just(1 << 20))
    def deliver(self, way, size):
        piece, self.wire[way] = self.wire[way][:size], self.wire[way][size:]
        self.feed(way, piece)

    def feed(self, way, piece):
        _, receiver = self.ends[way]
        if self.told[way]:
            with pytest.raises((UsageError, PeerError)):
                receiver.receive_data(piece)
            return
        try:
            events = receiver.receive_data(piece)
        except PeerError:
            assert self.touched[way]
            self.told[way] = True
        else:
            self.got[way] += b"".join(event.data for event in events)

    @rule(way=ways, junk=st.binary(min_size=1, max_size=40))
    def forge(self, way, junk):
        self.forged[way] = self.touched[way] = True
        self.feed(way, junk)

    @precondition(lambda self: self.old["up"] and self.old["down"])
    @rule(way=ways, data=st.data())
    def repeat(self, way, data):
        piece = data.draw(st.sampled_from(self.old[way]))
        if piece:
            self.touched[way] = True  # it may be in time, if what it repeats is still on the way
            self.feed(way, piece)

    @rule(way=ways)
    def end(self, way):
        _, receiver = self.ends[way]
        before, was = self.told[way], receiver.state
        self.told[way] = True
        try:
            events = receiver.receive_end()
        except UsageError:
            assert was is State.ENDED
        except PeerError:
            assert was is not State.ENDED
            assert before or self.touched[way] or self.wire[way] or not self.finished[way]
        else:
            assert not before
            assert not self.forged[way]
            assert self.finished[way]
            assert self.touched[way] or not self.wire[way]
            self.got[way] += message(events)
            self.complete[way] = True

    @invariant()
    def what_comes_out_went_in(self):
        for way in getattr(self, "sent", ()):
            assert self.sent[way].startswith(self.got[way])
            assert not self.complete[way] or self.got[way] == self.sent[way]


TestChannels = Channels.TestCase
TestChannels.settings = settings(max_examples=40, stateful_step_count=25)
