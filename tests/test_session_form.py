"""What a device's requests are inside of the encapsulation, byte by byte: nothing there may single one out."""

from __future__ import annotations

import base64

import pytest

from privproc import bhttp, hpke, ohttp
from privproc.session.messages import OPEN_SIZE, Continue
from privproc.session.profile import SUITES
from privproc.vectors import _straight as straight
from privproc.vectors._straight import u
from tests.world.device import Chat
from tests.world.world import GATEWAY, UP, World

AT = 1_800_000_000
RECORD = 16384
FINISHED = 6 + 5 + 4 + 48 + 17  # ChangeCipherSpec goes before it


def inside(chat: Chat, wire: bytes) -> bytes:
    return ohttp.receive(wire, max_request=5 << 20).open(chat.world.gateway_key, at=AT)[0]


@pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite.kem.name)
# req: privproc1/4.4 exactly-so
def test_the_first_request(suite: hpke.Suite) -> None:
    chat = Chat(World(AT, suite=suite))
    wire = chat.sent[0].content
    message = inside(chat, wire)
    read = bhttp.decode_request(message)
    (_, authorization), (_, field) = read.fields
    token, proof = map(base64.urlsafe_b64decode, (authorization.split(b'"')[1], field))
    assert (token[:2], proof[:2], proof[68:70], len(proof)) == (u(2, 2), u(2, 66), u(2, 64), 134)
    fields = [
        (b"authorization", b'PrivateToken token="' + base64.urlsafe_b64encode(token) + b'"'),
        (b"privproc-proof", base64.urlsafe_b64encode(proof)),
    ]
    assert len(read.content) == OPEN_SIZE
    form = straight.http_request(GATEWAY.encode(), b"/privproc/1/open", fields, read.content)
    assert message == form.ljust(len(message), b"\0")
    assert len(wire) == UP


@pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite.kem.name)
# req: privproc1/5.1 written-so
def test_the_later_requests(suite: hpke.Suite) -> None:
    chat = Chat(World(AT, suite=suite))
    padded = (4096, 65536, 4096)
    for size in padded:
        chat.ask(bytes(size // 2))
    offset = 0
    for number, (size, request) in enumerate(zip(padded, chat.sent[1:], strict=True)):
        message = inside(chat, request.content)
        content = bhttp.decode_request(message).content
        assert message == straight.http_request(GATEWAY.encode(), b"/privproc/1/continue", [], content)
        continued = Continue.decode(content)
        assert continued.offset == offset
        offset += len(continued.records)
        sizes = record_sizes(continued.records[0 if number else FINISHED :])
        frame = 5 + 4 + suite.kem.Nenc + 4 + size + 16
        assert sizes == [RECORD] * (frame // RECORD) + [frame % RECORD]


def record_sizes(wire: bytes) -> list[int]:
    """How much each TLS record holds, unless it is padded."""
    sizes = []
    while wire:
        length = int.from_bytes(wire[3:5], "big")
        assert wire[:3] == b"\x17\3\3"
        sizes.append(length - 17)
        wire = wire[5 + length :]
    return sizes
