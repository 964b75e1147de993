"""§4 to §6: one private request.

    opening = Opening(anchors, directory, token, role, now)
    session = opening.appraise(status, media types, content, now)
    asking  = session.ask(question, now)
    answer  = asking.read(status, media types, content)

`opening.content` and `asking.content` go to the relay, as POST with `content-type: message/ohttp-req`. Back come the
status, the values of content-type, and the content.
"""

import base64
import hmac
import os

from . import ledger, snp
from .bhttp import request, response
from .directory import Anchors, Directory
from .hpke import HYBRID, SUITES, Exchange, Sender, decap, generate, seal, unseal, valid
from .ledger import Log
from .tls import Channel
from .tokens import Token
from .wire import Reader, T, check, expand, extract, listed, lp, sha256, sha384, u16, u32, u64

FORMAT = 1  # AMD SEV-SNP
SEQ = 0
MORE, LAST = b"\0", b"\1"  # kinds of frames
PLAINTEXTS = tuple(4096 << 2 * i for i in range(6))
CHUNKS = (256, 1024, 4096, 16336)
ANSWERS = tuple(8192 << i for i in range(11))


def _content(encapsulated: bytes, exchange: Exchange, status: int, media: list[bytes], sizes: tuple[int, ...]) -> bytes:
    check(status == 200 and media == [b"message/ohttp-res"], "refused in the clear")
    check(len(encapsulated) in sizes, "a size that isn't allowed")
    return response(exchange.response(encapsulated))


class Opening:
    """§4.1 to §4.4."""

    def __init__(self, anchors: Anchors, directory: Directory, token: Token, role: str, now: int) -> None:
        check(directory.in_use(now), "the directory isn't in its time")
        check(role in directory.services, "no such role")
        self.anchors, self.directory, self.role, self.made = anchors, directory, role, now
        self.service = s = directory.services[role]
        self.tls = Channel(directory.group)
        opening = (
            u16(1) + lp(role.encode()) + lp(s.log.encode()) + lp(s.namespace.encode()) + listed(u16(FORMAT)) + b"\0"
            + s.policy_id + os.urandom(32) + listed(*(suite.code for suite in SUITES)) + lp(self.tls.client_hello)
        )  # fmt: skip
        opening += lp(bytes(2048 - 4 - len(opening)))
        self.exchange = Exchange(directory.config)
        hpke = self.exchange.hpke
        oexp = hpke.export(b"privproc/1 outer", 32)
        outer = T("outer", directory.config.encoded, hpke.suite.code, hpke.enc, oexp, token.encoded, token.pop)
        self.th1 = T("open", directory.digest, outer, opening)
        proof = u16(66) + token.pop + u16(64) + token.proof(self.th1)
        fields = [
            (b"authorization", b'PrivateToken token="' + base64.urlsafe_b64encode(token.encoded) + b'"'),
            (b"privproc-proof", base64.urlsafe_b64encode(proof)),
        ]
        inner = request(directory.gateway, "/privproc/1/open", fields, opening)
        size = directory.up - self.exchange.overhead
        check(len(inner) <= size, "the request doesn't fit")
        self.content = self.exchange.request(inner.ljust(size, b"\0"))

    def appraise(self, status: int, media: list[bytes], content: bytes, now: int) -> "Session":
        """§4.8, with the numbers of its table."""
        check(now < self.made + 30, "1: too late")
        r = Reader(_content(content, self.exchange, status, media, (self.directory.down,)))  # 2 to 5
        handle, offer = r.take(32), Reader(r.vector(1, 1 << 18))  # 6
        endorsements, proof = r.vector(0, 1 << 18), r.vector(0, 1 << 18)
        r.end()
        flight, ann = offer.vector(1, 1 << 18), offer.vector(1, 1 << 18)
        form, evidence, devices = offer.uint(2), offer.vector(1, 1 << 18), offer.uint(2)
        a = Reader(ann)
        code, pk, count, lifetime = a.take(6), a.vector(1, 4096), a.uint(4), a.uint(4)
        a.end()
        check(count >= 1 and lifetime >= 1, "6: the announcement is for nothing")
        suites = [suite for suite in SUITES if suite.code == code]
        check(bool(suites) and form == FORMAT, "7: suite or format wasn't listed")
        check(valid(suites[0], pk), "6: no public key of this KEM")
        leaf = self.tls.accept(flight)  # 8
        role = self.role.encode()
        ekm = self.tls.export("attest", T("ctx", b"s2c", u32(SEQ), self.th1), 32)  # 9
        pre = T("pre", b"s2c", role, u32(SEQ), self.th1, ekm, sha256(leaf), b"", ann)
        report_data = b"privproc/1 bind\0" + T("bind", pre, listed())
        check(devices == 0, "10: devices")
        offer.end()
        s = self.service
        check(s.log in self.anchors.logs, "11: no policy for this log")
        log: Log = self.anchors.logs[s.log]
        proven = ledger.verify(proof, log, s.namespace, self.role, s.floor, s.version, now)  # 12, and r
        by = snp.chain(endorsements, self.anchors.roots)  # 13
        measurement = snp.appraise(evidence, by, s.policy, report_data, now)  # 14 to 16
        check(measurement == proven.entry.digest, "s log")
        self.th2 = T("attested", self.th1, report_data, sha384(u16(form) + evidence))
        end = min(by.end, proven.end, now + s.policy.max_age, self.made + lifetime, now + 30)
        stays = min(by.end, proven.end, now + s.policy.max_age, self.made + lifetime)
        return Session(self, handle, suites[0], pk, end, count=count, stays=stays)


class Session:
    """§5.1 and §6.1: what can ask once, and stands for the session between two requests."""

    def __init__(
        self, opening: Opening, handle: bytes, suite: object, pk: bytes, end: int, *, count: int, stays: int,
        n: int = 0, previous: bytes = b"", offset: int = 0,
    ) -> None:  # fmt: skip
        self.opening, self.handle, self.suite, self.pk, self.end = opening, handle, suite, pk, end
        self.count, self.stays, self.n, self.previous, self.offset = count, stays, n, previous, offset

    def ask(self, question: bytes, now: int, *, last: bool = False) -> "Asking":
        return Asking(self, question, now, last)


class Asking:
    """A later round trip, from the question's sealing on."""

    def __init__(self, session: Session, question: bytes, now: int, last: bool) -> None:
        opening, self.suite, self.session = session.opening, session.suite, session
        check(now < session.end and opening.directory.in_use(now), "the session has ended")
        th2, self.tls, n = opening.th2, opening.tls, u32(session.n)
        sender = Sender(self.suite, session.pk, T("info", th2, n))
        exported = self.tls.export("keys", T("n", th2, n), 48)
        self.prk = extract(exported, sender.export(b"privproc/1 req", 48))
        key = expand(self.prk, lp(b"req key") + th2, self.suite.Nk)
        iv = expand(self.prk, lp(b"req iv") + th2, self.suite.Nn)
        self.dk, public = generate(self.suite)
        check(4 + HYBRID.Npk + 4 + len(question) <= PLAINTEXTS[-1], "the question is too long")
        plaintext = lp(public) + lp(question)
        ciphertext = seal(key, iv, plaintext.ljust(min(n for n in PLAINTEXTS if n >= len(plaintext)), b"\0"))
        self.th3 = T("request", th2, n, session.previous, sender.enc, sha384(ciphertext))
        records = self.tls.seal((LAST if last else MORE) + lp(lp(sender.enc) + lp(ciphertext)))
        self.offset = session.offset + len(records)
        self.exchange = Exchange(opening.directory.config)
        parts = (
            b"privproc/1 continue", session.handle, u64(session.offset), self.exchange.hpke.enc, sha384(records)
        )  # fmt: skip
        mac_key = opening.exchange.hpke.export(b"privproc/1 continue", 48)
        mac = hmac.digest(mac_key, b"".join(map(lp, parts)), "sha384")
        body = session.handle + u64(session.offset) + mac + lp(records)
        self.content = self.exchange.request(request(opening.directory.gateway, "/privproc/1/continue", [], body))

    def read(self, status: int, media: list[bytes], content: bytes, now: int) -> tuple[bytes, Session | None]:
        """§5.2 and §6.2: the answer, and what asks next."""
        r = Reader(_content(content, self.exchange, status, media, ANSWERS))
        handle, records = r.take(32), r.vector(0, 1 << 24)
        r.end()
        answer = Reader(self.tls.open(records))
        e = answer.vector(1, 4096)
        shared = decap(self.suite, self.dk, e)
        prk = extract(expand(self.prk, lp(b"res salt") + self.th3, 48), shared)
        bound = T("response", self.th3, e)
        key = expand(prk, lp(b"res key") + bound, self.suite.Nk)
        iv = int.from_bytes(expand(prk, lp(b"res iv") + bound, self.suite.Nn), "big")
        out, i, last, following = b"", 0, b"\0", b""
        while last == b"\0":
            last, ciphertext = answer.take(1), answer.vector(272, 16352, 2)
            check(last in {b"\0", b"\1"} and len(ciphertext) - 16 in CHUNKS, "not a chunk")
            chunk = Reader(unseal(key, (iv ^ i).to_bytes(self.suite.Nn, "big"), ciphertext, last))
            if i == 0:
                following = chunk.vector(0, 4096)
                check(not following or valid(self.suite, following), "no public key of this KEM")
            out += chunk.vector(0, 16336)
            check(not any(chunk.rest), "padding that isn't zero")
            i += 1
        answer.end()
        return out, self._next(handle, following, now)

    def _next(self, handle: bytes, pk: bytes, now: int) -> Session | None:
        s = self.session
        if not pk or s.n + 1 == s.count:
            return None
        end = min(s.stays, now + 270)
        return Session(s.opening, handle, self.suite, pk, end, count=s.count, stays=s.stays, n=s.n + 1,
                       previous=self.th3, offset=self.offset)  # fmt: skip
