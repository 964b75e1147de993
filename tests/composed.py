"""Makes the cases of the composed protocol with hybrid keys: a world runs, and what its parties knew is written down.

    python -m tests.composed            writes them anew into vectors/privproc1_run.json, _live.json and _stream.json

TLS, evidence and ML-KEM draw their own randomness, so every run gives other cases. What follows from the keys is
computed here with the runners' own arithmetic (:mod:`privproc.vectors._straight`), not taken from the library.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from privproc import bhttp, hpke, ratls, session
from privproc.hpke import PrivateKey
from privproc.http import Request
from privproc.responsekey.request import EXPORTER_LABEL, EXPORTER_LENGTH, exporter_context
from privproc.session import chunked
from privproc.session.messages import OPEN_SIZE, Continue, Continued, Forward, Offer, Opened
from privproc.tokens import BoundToken, Token
from privproc.vectors import _straight as straight
from privproc.vectors._straight import expand, extract, lp, t, u
from privproc.wire import Reader
from tests.vectorfile import dump, load
from tests.world.device import Piped
from tests.world.relay import ROUTE
from tests.world.world import ROLE, World, digest

AT = 1_800_000_000
VECTORS = Path(__file__).resolve().parent.parent / "vectors"
ID = "x-wing, and X25519MLKEM768 in TLS"
Fields = dict[str, Any]


class Watched:
    """A world of which every key and every message inside of TLS is known."""

    def __init__(self, secrets: dict[bytes, bytes], sent: list[bytes], **enclave: int) -> None:
        self.secrets = secrets  # public key to private key
        self.sent = sent  # what was put into TLS, by either end
        self.world = World(AT)
        self.world.machine.enclave = replace(self.world.machine.enclave, **enclave)
        self.directory = self.world.learn()
        self.ids = tuple(map(int, (self.world.suite.kem, self.world.suite.kdf, self.world.suite.aead)))
        self.gateway = secrets[self.world.gateway_key.config.public_key.encode()]

    def token(self) -> tuple[BoundToken, Fields]:
        """A token, and ``possession`` but for what the exchange adds."""
        token, proof_key = self.world.token(self.directory).spend()
        secret = proof_key.to_secret().expose()
        fields = {"secret": secret[:32], "salt": secret[32:], "pop": proof_key.statement, "nonce": token.nonce}
        return BoundToken(token, proof_key), fields

    def opened(self, wire: bytes, label: bytes = b"message/bhttp request") -> tuple[straight.Hpke, bytes, bytes]:
        """Of an encapsulated request: HPKE context, ``enc``, and what is behind it."""
        size = straight.enc_size(self.ids[0])
        header, enc = wire[:7], wire[7 : 7 + size]
        shared = straight.decap(self.ids[0], self.gateway, enc)
        return straight.hpke(self.ids, shared, label + b"\0" + header), enc, wire[7 + size :]

    def content(self, wire: bytes) -> bytes:
        """The content of the HTTP request in an encapsulated one."""
        context, _, sealed = self.opened(wire)
        return bhttp.decode_request(context.open(sealed)).content

    def answer(self, wire: bytes, response: bytes) -> tuple[bytes, bytes]:
        """Of an encapsulated response: its nonce, and the content of the HTTP response in it."""
        context, enc, _ = self.opened(wire)
        nonce = response[: max(12, straight.KEY_SIZES[self.ids[2]])]
        key, iv = straight.ohttp_response(context, self.ids[2], enc, nonce)
        return nonce, bhttp.decode_response(AESGCM(key).decrypt(iv, response[len(nonce) :], b"")).content


@contextmanager
def watched(**enclave: int) -> Iterator[Watched]:
    secrets: dict[bytes, bytes] = {}
    sent: list[bytes] = []

    def recording(make: Callable[[hpke.Kem], PrivateKey]) -> Callable[[type, hpke.Kem], PrivateKey]:
        def generate(_: type, kem: hpke.Kem) -> PrivateKey:
            key = make(kem)
            secrets[key.public_key.encode()] = key.encode().expose()
            return key

        return generate

    def send(channel: ratls.Channel, data: bytes, put: Callable[..., None] = ratls.Channel.send) -> None:
        sent.append(data)
        put(channel, data)

    with ExitStack() as stack:
        generate = classmethod(recording(PrivateKey.generate))  # type: ignore[arg-type]
        stack.enter_context(mock.patch.object(PrivateKey, "generate", generate))
        stack.enter_context(mock.patch.object(ratls.Channel, "send", send))
        yield Watched(secrets, sent, **enclave)


def rendered(value: Any) -> Any:
    """Bytes as hexadecimal, throughout."""
    match value:
        case bytes():
            return value.hex()
        case dict():
            return {name: rendered(one) for name, one in value.items()}
        case list() | tuple():
            return [rendered(one) for one in value]
        case _:
            return value


# The parts of a session.


def asked(it: Watched, ready: Any, question: bytes, ask: Callable[[], None]) -> Fields:
    """``frame``, ``request`` and ``answer`` of one question, which ``ask`` puts and reads the answer of."""
    attested = ready._look().attested
    index, previous, th2 = attested.number, attested.previous, attested.th2
    exporter = attested.channel.export(EXPORTER_LABEL, exporter_context(th2, index), EXPORTER_LENGTH).expose()
    one_time = it.secrets[attested.key.encode()]
    it.sent.clear()
    ask()
    frame, *answer = it.sent
    sealed = Reader.all(frame[1:], "frame", lambda reader: reader.vector(4))
    enc, ciphertext = Reader.all(sealed, "sealed", lambda reader: (reader.vector(4), reader.vector(4)))
    info = t(b"info", th2, u(4, index))
    exported = straight.hpke(it.ids, straight.decap(it.ids[0], one_time, enc), info).export(b"privproc/1 req", 48)
    prk = extract("sha384", exporter, exported)
    key, iv = expand("sha384", prk, lp(b"req key") + th2, 32), expand("sha384", prk, lp(b"req iv") + th2, 12)
    plaintext = AESGCM(key).decrypt(iv, ciphertext, None)
    dk = it.secrets[Reader(plaintext, "plaintext").vector(4)]
    th3 = t(b"request", th2, u(4, index), previous, enc, straight.sha384(ciphertext))
    request = {
        "suite": it.ids, "th2": th2, "index": index, "previous": previous,
        "exporter_label": EXPORTER_LABEL.decode(), "exporter_context": exporter_context(th2, index),
        "exporter": exporter, "one_time_secret": one_time, "info": info, "enc": enc, "hpke_export": exported,
        "prk": prk, "key": key, "iv": iv, "dk_secret": dk, "request": question, "plaintext": plaintext,
        "sealed": sealed, "th3": th3,
    }  # fmt: skip
    return {"frame": frame, "request": request, "answer": answered(it, request, b"".join(answer))}


def answered(it: Watched, request: Fields, wire: bytes) -> Fields:
    reader = Reader(wire, "answer")
    e = reader.vector(4)
    ss = straight.decap(it.ids[0], request["dk_secret"], e)
    r = extract("sha384", expand("sha384", request["prk"], lp(b"res salt") + request["th3"], 48), ss)
    bound = t(b"response", request["th3"], e)
    key, iv = expand("sha384", r, lp(b"res key") + bound, 32), expand("sha384", r, lp(b"res iv") + bound, 12)
    chunks: list[Fields] = []
    following, last = b"", False
    while not last:
        flag, sealed = reader.take(1), reader.vector(2)
        inner = Reader(AESGCM(key).decrypt(straight.xor(iv, len(chunks)), sealed, flag), "chunk")
        following = inner.vector(4) if not chunks else following
        chunks.append({"data": inner.vector(4), "wire": flag + u(2, len(sealed)) + sealed})
        last = flag == b"\1"
    return {
        "suite": it.ids, "prk": request["prk"], "th3": request["th3"], "dk_secret": request["dk_secret"], "e": e,
        "ss": ss, "r": r, "key": key, "iv": iv, "next": following, "chunks": chunks,
    }  # fmt: skip


def renewed(it: Watched, renew: Callable[[], Any]) -> tuple[Fields, Any]:
    """``frame`` and ``again``, and the session under the new evidence."""
    it.sent.clear()
    ready = renew()
    frame, answer = it.sent
    attested = ready._look().attested
    basis, binding = attested.basis, attested.binding()
    context = t(b"ctx", b"s2c", u(4, attested.sequence), basis.th1)
    again = {
        "nonce": basis.parts[1], "th1": basis.th1, "sequence": attested.sequence, "exporter_context": context,
        "exporter": binding.exporter.expose(), "role": ROLE, "leaf": attested.leaf,
        "announcement": basis.shown.announcement, "pre": binding.pre, "report_data": binding.report_data(()),
        "format": attested.format, "evidence": basis.shown.evidence, "endorsements": basis.shown.endorsements,
        "log_proof": basis.shown.log_proof, "renewed": answer, "th2": attested.th2,
    }  # fmt: skip
    return {"frame": frame, "again": again}, ready


class Exchanges:
    """Single exchanges of one device; ``wires`` are request and response of each."""

    def __init__(self, it: Watched) -> None:
        self.it = it
        self.wires: list[tuple[bytes, bytes]] = []
        token, self.possession = it.token()
        request, opening = session.begin(it.directory, token, role=ROLE, relay=ROUTE, anchors=it.world.anchors, at=AT)
        self.ready: Any = opening.finish(self.send(request), at=AT)

    def send(self, request: Request) -> Any:
        response = self.it.world.send(request)
        self.wires.append((request.content, response.content))
        return response

    def ask(self, question: bytes, *, last: bool = False) -> Fields:
        def ask() -> None:
            request, answer = self.ready.ask(question, at=AT, last=last)
            *_, end = answer.receive(self.send(request), at=AT)
            self.ready = end.session

        return asked(self.it, self.ready, question, ask)

    def renew(self) -> Fields:
        def renew() -> Any:
            request, renewing = self.ready.renew(self.it.directory, at=AT)
            return renewing.finish(self.send(request), at=AT)

        step, self.ready = renewed(self.it, renew)
        return step

    def continued(self) -> Fields:
        """``continue`` of the last exchange."""
        wire, _ = self.wires[-1]
        message = self.it.content(wire)
        it = Continue.decode(message)
        return {
            "handle": it.handle, "offset": it.offset, "enc": self.it.opened(wire)[1], "records": it.records,
            "mac": it.mac, "message": message,
        }  # fmt: skip


# The cases.


def live() -> Fields:
    with watched() as it:
        device = Exchanges(it)
        attested = device.ready._look().attested
        context, _, _ = it.opened(device.wires[0][0])
        head = {
            "id": ID, "expect": "ok", "suite": it.ids, "th2": attested.th2,
            "continue_key": context.export(b"privproc/1 continue", 48), "first_key": attested.key.encode(),
        }  # fmt: skip
        steps = []
        for move in (
            lambda: device.ask(b"When does the boat leave the harbour?"),
            lambda: device.ask(b"The harbour is open. The cafe is not. Photos show it."),
            device.renew,
            lambda: device.ask(b"Thank you.", last=True),
        ):
            steps.append(move() | {"continue": device.continued()})
    case: Fields = rendered(head | {"steps": steps})
    return case


def common(it: Watched) -> Fields:
    world = it.world
    return {
        "at": AT, "contents": world.contents.encode(), "not_before": world.grid.start(world.epoch),
        "not_after": world.grid.start(world.epoch + 1), "gateway_secret": it.gateway, "suite": it.ids,
        "gateway": world.contents.gateway, "up": world.contents.up, "down": world.contents.down,
    }  # fmt: skip


def outer(it: Watched, context: straight.Hpke, enc: bytes, token: bytes, pop: bytes) -> Fields:
    config = it.world.gateway_key.config.encode()
    suite = b"".join(u(2, part) for part in it.ids)
    exported = context.export(b"privproc/1 outer", 32)
    fields = {"key_config": config, "suite": suite, "enc": enc, "outer_export": exported, "token": token, "pop": pop}
    return fields | {"outer": t(b"outer", *fields.values())}


def whole() -> Fields:
    with watched(requests=1, lifetime=60) as it:
        device = Exchanges(it)
        attested = device.ready._look().attested
        step = device.ask(b"A single question. It has two sentences. And a third one.", last=True)
        (first, first_answer), (second, second_answer) = device.wires
        context, enc, sealed = it.opened(first)
        request = bhttp.decode_request(context.open(sealed))
        token = Token.from_authorization(dict(request.fields)[b"authorization"]).encode()
        nonce, opened = it.answer(first, first_answer)
        message = Opened.decode(opened)
        offer = Offer.decode(message.offer)
        more = device.continued()
        basis, binding = attested.basis, attested.binding()
        signed = session.Published.decode(it.world.published).package
        transcript = {
            "signed_package": signed, "package": digest(signed),
            **outer(it, context, enc, token, device.possession["pop"]),
            "open": request.content, "th1": basis.th1, "direction": "s2c", "sequence": 0,
            "exporter_label": "EXPERIMENTAL privproc/1 attest",
            "exporter_context": t(b"ctx", b"s2c", u(4, 0), basis.th1), "exporter": binding.exporter.expose(),
            "role": ROLE, "leaf": attested.leaf, "peer": b"", "announcement": offer.announcement, "pre": binding.pre,
            "devices": [], "report_data": binding.report_data(()), "evidence_format": int(offer.format),
            "evidence": offer.evidence, "th2": attested.th2,
            "continue_key": context.export(b"privproc/1 continue", 48), "handle": more["handle"], "offset": 0,
            "continue_enc": more["enc"], "records": more["records"], "mac": more["mac"],
        }  # fmt: skip
        second_nonce, content = it.answer(second, second_answer)
        continued = Continued.decode(content)
        forward = next(data for name, data in it.world.wire.crossings if name == "gateway → host")
        assert Forward.decode(forward).open == request.content
        case: Fields = rendered({
            "id": ID, "expect": "ok", **common(it), "transcript": transcript,
            "possession": possession(device.possession, basis.th1),
            "request": step["request"], "answer": step["answer"],
            "enc_first": enc, "wire_first": first, "forward": forward, "flight": offer.flight,
            "endorsements": message.endorsements, "log_proof": message.log_proof, "response_nonce_first": nonce,
            "answer_first": first_answer, "enc_second": more["enc"], "wire_second": second,
            "next_handle": continued.handle, "answer_records": continued.records,
            "response_nonce_second": second_nonce, "answer_second": second_answer,
        })  # fmt: skip
    return case


def possession(fields: Fields, th1: bytes) -> Fields:
    _, proof = straight.ed25519(fields["secret"], lp(b"privproc/1 pop-sig") + th1)
    return fields | {"th1": th1, "proof": proof}


def pipe() -> Fields:
    with watched() as it:
        token, held = it.token()
        with mock.patch.object(it.world, "token", return_value=token):
            piped = Piped(it.world)
        piped.open()
        piped.ask(b"When does the boat leave the harbour?")
        piped.renew()
        piped.ask(b"The harbour is open. The cafe is not. Photos show it.", last=True)
        piped.pipe.finish()
        assert not list(piped.event())
        up, down = (
            [data for name, data in it.world.wire.crossings if name == boundary]
            for boundary in ("device → relay", "relay → device")
        )
    up, down = up[-UP_PIECES:], down[-DOWN_PIECES:]  # fetching the directory went the same way
    context, enc, first = it.opened(up[0], b"message/bhttp chunked request")
    nonce = down[0][:32]
    key, iv = straight.ohttp_response(context, it.ids[2], enc, nonce, b"message/bhttp chunked response")
    sent = plaintexts([first, *up[1:]], context.key, context.nonce)
    came = plaintexts([down[0][32:], *down[1:]], key, iv)
    request = bhttp.decode_request(sent[0] + b"\0\0")
    opening = request.content[:OPEN_SIZE]
    opened = chunked.opening_of(bhttp.decode_response(came[0] + b"\0\0").content, "Opened", Opened._read)
    serialized = Token.from_authorization(dict(request.fields)[b"authorization"]).encode()
    binding = outer(it, context, enc, serialized, held["pop"])
    signed = session.Published.decode(it.world.published).package
    package = digest(signed)
    proven = possession(held, t(b"open", package, binding["outer"], opening))
    case: Fields = rendered({
        "id": ID, "expect": "ok", **common(it), "signed_package": signed, "package": package,
        **{name: value for name, value in binding.items() if name != "suite"},
        "pop_secret": proven["secret"], "open": opening, "th1": proven["th1"], "proof": proven["proof"],
        "offer": opened.offer, "endorsements": opened.endorsements, "log_proof": opened.log_proof,
        "records_up": list(map(behind_length, sent[1:-1])), "records_down": list(map(behind_length, came[1:-1])),
        "response_nonce": nonce, "request_plaintext_first": sent[0], "up_wire": up, "down_wire": down,
    })  # fmt: skip
    return case


UP_PIECES, DOWN_PIECES = 5, 9  # open, question, renewal, question, end; Opened, 2 + 1 + 4 pieces of records, end


def plaintexts(pieces: list[bytes], key: bytes, iv: bytes) -> list[bytes]:
    """Of chunks, each behind its length; the last one is marked, behind a zero."""
    return [
        AESGCM(key).decrypt(straight.xor(iv, number), behind_length(piece), b"" if piece[0] else b"final")
        for number, piece in enumerate(pieces)
    ]


def behind_length(data: bytes) -> bytes:
    """What a variable-length integer stands before."""
    return data[1 << (data[0] >> 6) :]


CASES = {"run": whole, "live": live, "stream": pipe}


def main() -> None:
    for name, make in CASES.items():
        path = VECTORS / f"privproc1_{name}.json"
        body = load(path)
        kept = [case for case in body["cases"] if case["id"] != ID]
        head = {field: body[field] for field in ("kind", "specification", "section", "source", "notes")}
        dump(path, **head, cases=[*kept, make()])


if __name__ == "__main__":
    main()
