"""§14: one private request in wrapped mode.

nodes  = learn(anchors, directory, role, fetched, now)
asking = Asking(directory, token, nodes, question, now)
answer, node = asking.read(status, media types, content)
"""

import base64
import os
import secrets
from dataclasses import dataclass

from . import ledger, snp
from .bhttp import request
from .device import ANSWERS, _content
from .directory import Anchors, Directory
from .hpke import SUITES, Exchange, Sender, Suite, decap, encap, generate, seal, unseal, valid
from .session import CHUNKS, FORMAT, PLAINTEXTS
from .tokens import Token
from .wire import Reader, RefusedError, T, check, expand, extract, listed, lp, sha384, u16

LONGEST, MARGIN = 14400, 30


@dataclass(frozen=True)
class Statement:
    """§14.1."""

    encoded: bytes
    suite: Suite
    key: bytes
    role: bytes
    package: bytes
    not_before: int
    not_after: int
    format: int

    @classmethod
    def read(cls, data: bytes) -> "Statement":
        r = Reader(data)
        check(r.uint(2) == 1, "another version")
        code, key, role, package = r.take(6), r.vector(1, 4096), r.vector(1, 255), r.take(48)
        begin, end, form = r.uint(8), r.uint(8), r.uint(2)
        r.end()
        suites = [suite for suite in SUITES if suite.code == code]
        check(bool(suites), "no suite of ours")
        check(valid(suites[0], key), "no public key of this KEM")
        check(begin < end, "an empty window")
        return cls(data, suites[0], key, role, package, begin, end, form)

    @property
    def node(self) -> bytes:
        return T("node", self.encoded)


@dataclass(frozen=True)
class Nodes:
    role: str
    package: bytes
    wraps: int
    each: tuple[tuple[Statement, int], ...]  # with the end


def learn(anchors: Anchors, directory: Directory, role: str, fetched: list[tuple[str, bytes]], now: int) -> Nodes:
    """§14.3."""
    check(directory.in_use(now) and role in directory.services, "no such directory or role")
    shown = [data for _, data in fetched]
    agreed = [data for data in set(shown) if shown.count(data) >= anchors.agreeing]
    check(bool(agreed), "1: too few mirrors")
    r = Reader(agreed[0])
    wraps, count = r.uint(1), r.uint(2)
    check(2 <= wraps <= 8 and wraps <= count <= 64, "2: counts")
    passports = [r.vector(0, 1 << 24) for _ in range(count)]
    r.end()
    parts = []
    for passport in passports:
        p = Reader(passport)
        parts.append((Statement.read(p.vector(1, 1 << 18)), p.vector(1, 1 << 18), p.vector(0, 1 << 18),
                      p.vector(0, 1 << 18)))  # fmt: skip
        p.end()
    statements = [part[0] for part in parts]
    check(all(s.role == role.encode() and s.package == directory.digest for s in statements), "3: role or package")
    check(len({s.suite for s in statements}) == 1, "3: suites")
    check(len({s.key for s in statements}) == count, "4: a node twice")
    good, why = [], None
    for statement, evidence, endorsements, proof in parts:
        try:
            good.append((statement, _passport(anchors, directory, role, statement, evidence, endorsements, proof, now)))
        except RefusedError as error:
            why = error
    if why is not None and len(good) < wraps:
        raise why
    return Nodes(role, directory.digest, wraps, tuple(good))


def _passport(anchors: Anchors, directory: Directory, role: str, statement: Statement, evidence: bytes,
              endorsements: bytes, proof: bytes, now: int) -> int:  # fmt: skip
    """Steps a to h; until when the node is good."""
    check(statement.format == FORMAT, "a: another format")
    check(statement.not_after - statement.not_before <= LONGEST, "d: lives too long")
    check(statement.not_before <= now < statement.not_after - MARGIN, "d: not in its time")
    encap(statement.suite, statement.key)  # e
    s = directory.services[role]
    check(s.devices is None and not s.back_ends, "g: a passport can't show what is demanded")
    check(s.log in anchors.logs, "h: no policy for this log")
    proven = ledger.verify(proof, anchors.logs[s.log], s.namespace, role, s.floor, s.version, now)
    by = snp.chain(endorsements, anchors.roots)
    report_data = b"privproc/1 node\0" + statement.node  # f
    check(snp.appraise(evidence, by, s.policy, report_data, now) == proven.entry.digest, "h: s log")
    return min(statement.not_after - MARGIN, by.end, proven.end, now + s.policy.max_age)


class Asking:
    """§14.4."""

    def __init__(self, directory: Directory, token: Token, nodes: Nodes, question: bytes, now: int) -> None:
        check(directory.in_use(now) and nodes.package == directory.digest, "the directory isn't in its time")
        left = [statement for statement, end in nodes.each if statement.not_before <= now < end]
        check(len(left) >= nodes.wraps, "too few nodes are left")
        self.drawn = secrets.SystemRandom().sample(left, nodes.wraps)
        self.suite = suite = self.drawn[0].suite
        s = directory.services[nodes.role]
        cs = os.urandom(48)
        self.dk, public = generate(suite)
        plaintext = lp(public) + lp(question)
        check(len(plaintext) <= PLAINTEXTS[-1], "the question is too long")
        padded = plaintext.ljust(min(n for n in PLAINTEXTS if n >= len(plaintext)), b"\0")
        body = seal(expand(cs, lp(b"body key"), suite.Nk), expand(cs, lp(b"body iv"), suite.Nn), padded)
        head = (
            u16(1) + lp(nodes.role.encode()) + lp(s.log.encode()) + lp(s.namespace.encode()) + s.policy_id
            + os.urandom(32) + listed(*(statement.node for statement in self.drawn)) + sha384(body)
        )  # fmt: skip
        head += lp(bytes(1024 - 4 - len(head)))
        self.exchange = Exchange(directory.config)
        hpke = self.exchange.hpke
        oexp = hpke.export(b"privproc/1 outer", 32)
        outer = T("outer", directory.config.encoded, hpke.suite.code, hpke.enc, oexp, token.encoded, token.pop)
        thw = T("wrapped", directory.digest, outer, head)
        wraps, self.keys = [], []
        for i, statement in enumerate(self.drawn):
            sender = Sender(suite, statement.key, T("wrap", thw, bytes([i]), statement.node))
            sealed = sender.seal_first(cs)
            prk = extract(cs, sender.export(b"privproc/1 wrapped", 48))
            self.keys.append((prk, T("wrapped request", thw, bytes([i]), sender.enc, sha384(sealed))))
            wraps.append(lp(sender.enc) + sealed)
        proof = u16(66) + token.pop + u16(64) + token.proof(thw)
        fields = [
            (b"authorization", b'PrivateToken token="' + base64.urlsafe_b64encode(token.encoded) + b'"'),
            (b"privproc-proof", base64.urlsafe_b64encode(proof)),
        ]
        content = head + listed(*wraps) + lp(body)
        self.content = self.exchange.request(request(directory.gateway, "/privproc/1/wrapped", fields, content))

    def read(self, status: int, media: list[bytes], content: bytes) -> tuple[bytes, Statement]:
        """§14.5 and §14.6, the device's part."""
        answer = Reader(_content(content, self.exchange, status, media, ANSWERS))
        index = answer.uint(1)
        check(index < len(self.keys), "of no node")
        prk, th3 = self.keys[index]
        e = answer.vector(1, 4096)
        r = extract(expand(prk, lp(b"res salt") + th3, 48), decap(self.suite, self.dk, e))
        bound = T("response", th3, e)
        key = expand(r, lp(b"res key") + bound, self.suite.Nk)
        iv = int.from_bytes(expand(r, lp(b"res iv") + bound, self.suite.Nn), "big")
        out, i, last = b"", 0, b"\0"
        while last == b"\0":
            last, ciphertext = answer.take(1), answer.vector(272, 16352, 2)
            check(last in {b"\0", b"\1"} and len(ciphertext) - 16 in CHUNKS, "not a chunk")
            chunk = Reader(unseal(key, (iv ^ i).to_bytes(self.suite.Nn, "big"), ciphertext, last))
            check(i > 0 or chunk.vector(0, 4096) == b"", "a key for a next request")
            out += chunk.vector(0, 16336)
            check(not any(chunk.rest), "padding that isn't zero")
            i += 1
        answer.end()
        return out, self.drawn[index]
