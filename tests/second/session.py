"""What goes through TLS, in whatever exchange: appraisal (§4.8), question and answer (§6.1, §6.2), renewal (§6.3)."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace

from . import ledger, nvidia, snp
from .directory import Anchors, Directory, Service
from .hpke import HYBRID, SUITES, Sender, Suite, decap, generate, seal, unseal, valid
from .ledger import Log
from .tls import Channel
from .wire import Reader, RefusedError, T, check, expand, extract, listed, lp, sha256, sha384, u16, u32

FORMAT = 1  # AMD SEV-SNP
BACK_END = 0x0100
MORE, LAST, AGAIN = b"\0", b"\1", b"\2"  # kinds of frames
PLAINTEXTS = tuple(4096 << 2 * i for i in range(6))
CHUNKS = (256, 1024, 4096, 16336)
RENEWALS = (15360, 30720, 61440, 122880)


@dataclass(frozen=True)
class State:
    """A session between two messages: `stays` until the announcement ends, `fresh` as long as evidence counts."""

    anchors: Anchors
    services: dict[str, Service]
    service: Service
    tls: Channel
    role: str
    leaf: bytes
    suite: Suite
    pk: bytes
    count: int
    stays: int
    seq: int = 0
    fresh: int = 0
    th2: bytes = b""
    n: int = 0
    previous: bytes = b""


def announced(ann: bytes) -> tuple[Suite, bytes, int, int]:
    """§2.4: suite, key, max_requests and lifetime."""
    a = Reader(ann)
    code, pk, count, lifetime = a.take(6), a.vector(1, 4096), a.uint(4), a.uint(4)
    a.end()
    check(count >= 1 and lifetime >= 1, "6: the announcement is for nothing")
    suites = [suite for suite in SUITES if suite.code == code]
    check(bool(suites), "7: suite or format wasn't listed")
    check(valid(suites[0], pk), "6: no public key of this KEM")
    return suites[0], pk, count, lifetime


Item = tuple[int, bytes]


def devices_of(r: Reader, most: int) -> list[Item]:
    """A list of devices: type and evidence of each."""
    count = r.uint(2)
    check(count <= 16, "too many devices")
    items = [Reader(r.vector(2, most)) for _ in range(count)]
    return [(item.uint(2), item.rest) for item in items]


def binder(
    dir_: bytes, role: str, seq: int, th1: bytes, ekm: bytes, leaf: bytes, peer: bytes, ann: bytes, items: list[Item]
) -> tuple[bytes, bytes]:
    """§2.5: pre and report_data."""
    pre = T("pre", dir_, role.encode(), u32(seq), th1, ekm, sha256(leaf), peer, ann)
    dev = listed(*(u16(kind) + sha384(evidence) for kind, evidence in items))
    return pre, b"privproc/1 bind\0" + T("bind", pre, dev)


@dataclass(frozen=True)
class Shown:
    """What an enclave shows of itself."""

    evidence: bytes
    items: list[Item]
    endorsements: bytes
    proof: bytes


def appraise(anchors: Anchors, s: Service, shown: Shown, pre: bytes, report_data: bytes, now: int) -> int:
    """§4.8 from step 11 on but for the back ends; gives the end of what was found."""
    check(s.log in anchors.logs, "11: no policy for this log")
    log: Log = anchors.logs[s.log]
    proven = ledger.verify(shown.proof, log, s.namespace, s.role, s.floor, s.version, now)  # 12, and r
    by = snp.chain(shown.endorsements, anchors.roots)  # 13
    measurement = snp.appraise(shown.evidence, by, s.policy, report_data, now)  # 14 to 16
    check(measurement == proven.entry.digest, "s log")
    end = min(by.end, proven.end, now + s.policy.max_age)
    kinds = [kind for kind, _ in shown.items]
    machine = shown.items[: kinds.index(BACK_END)] if BACK_END in kinds else shown.items  # 17
    if s.devices is None:
        check(not machine, "17: devices that nobody asked for")
        return end
    nonces = [sha256(lp(b"privproc/1 dev") + lp(pre) + u16(i)) for i in range(len(machine))]
    return min(end, nvidia.appraise(machine, nonces, s.devices, anchors.device_roots, now))


def back_end(state: State, item: bytes, now: int) -> tuple[str, int]:
    """§15.4: the role of a back end, and the end of what was found about it."""
    r = Reader(item)
    try:
        role = r.vector(1, 255).decode()
    except UnicodeDecodeError:
        raise RefusedError("18, 1: the role isn't UTF-8") from None
    since, th1, ekm, leaf = r.uint(8), r.take(48), r.take(32), r.vector(1, 8192)
    form, evidence, items = r.uint(2), r.vector(1, 65535), devices_of(r, 65535)
    shown = Shown(evidence, items, r.vector(0, 65535), r.vector(0, 65535))
    r.end()
    check(role in state.services, "18, 1: no such role")
    check(form == FORMAT, "18, 1: another format")
    s = state.services[role]
    check(all(kind != BACK_END for kind, _ in items), "17: another type")
    pre, report_data = binder(b"s2c", role, 0, th1, ekm, leaf, sha256(state.leaf), b"", items)
    end = appraise(state.anchors, s, shown, pre, report_data, now)
    age = min(s.policy.max_age, s.devices.max_age if s.devices else s.policy.max_age)
    check(since - 300 <= now < since + age, "18, 5: too old")
    return role, min(end, since + age)


def judge(state: State, th1: bytes, seq: int, ann: bytes, shown: Shown, now: int) -> State:
    """§4.8 from step 9 on."""
    s = state.service
    ekm = state.tls.export("attest", T("ctx", b"s2c", u32(seq), th1), 32)
    pre, report_data = binder(b"s2c", state.role, seq, th1, ekm, state.leaf, b"", ann, shown.items)  # 9 and 10
    end = appraise(state.anchors, s, shown, pre, report_data, now)
    kinds = [kind for kind, _ in shown.items]
    behind = shown.items[kinds.index(BACK_END) :] if BACK_END in kinds else []
    check(all(kind == BACK_END for kind, _ in behind), "18: another type")
    found = [back_end(state, item, now) for _, item in behind]
    check(sorted(role for role, _ in found) == sorted(s.back_ends), "18, 6: not the back ends that are demanded")
    fresh = min([end] + [end_ for _, end_ in found])
    th2 = T("attested", th1, report_data, sha384(u16(FORMAT) + shown.evidence))
    return replace(state, seq=seq, fresh=fresh, th2=th2)


class Question:
    """§6.1, and the channel that reads its answer."""

    def __init__(self, state: State, question: bytes, last: bool) -> None:
        self.state, suite = state, state.suite
        th2, n = state.th2, u32(state.n)
        sender = Sender(suite, state.pk, T("info", th2, n))
        exported = state.tls.export("keys", T("n", th2, n), 48)
        self.prk = extract(exported, sender.export(b"privproc/1 req", 48))
        key = expand(self.prk, lp(b"req key") + th2, suite.Nk)
        iv = expand(self.prk, lp(b"req iv") + th2, suite.Nn)
        self.dk, public = generate(suite)
        check(4 + HYBRID.Npk + 4 + len(question) <= PLAINTEXTS[-1], "the question is too long")
        plaintext = lp(public) + lp(question)
        ciphertext = seal(key, iv, plaintext.ljust(min(n for n in PLAINTEXTS if n >= len(plaintext)), b"\0"))
        self.th3 = T("request", th2, n, state.previous, sender.enc, sha384(ciphertext))
        self.frame = (LAST if last else MORE) + lp(lp(sender.enc) + lp(ciphertext))
        self.buffer, self.keys, self.i, self.done, self.following = b"", b"", 0, False, b""

    def answer(self, data: bytes) -> Iterator[bytes]:
        """§6.2: what these bytes complete of the answer."""
        check(not (self.done and data), "bytes are left over")
        self.buffer += data
        if not self.keys and len(self.buffer) >= 4 + self.state.suite.Nenc:
            self._start()
        while self.keys and len(self.buffer) >= 3:
            last, size = self.buffer[:1], int.from_bytes(self.buffer[1:3], "big")
            check(last in {b"\0", b"\1"} and size - 16 in CHUNKS, "not a chunk")
            if len(self.buffer) < 3 + size:
                return
            ciphertext, self.buffer = self.buffer[3 : 3 + size], self.buffer[3 + size :]
            yield self._chunk(ciphertext, last)
            if self.done:
                check(not self.buffer, "bytes are left over")
                return

    def _start(self) -> None:
        r, suite = Reader(self.buffer), self.state.suite
        e = r.vector(1, 4096)
        self.buffer = r.rest
        shared = decap(suite, self.dk, e)
        prk = extract(expand(self.prk, lp(b"res salt") + self.th3, 48), shared)
        bound = T("response", self.th3, e)
        self.keys = expand(prk, lp(b"res key") + bound, suite.Nk)
        self.iv = int.from_bytes(expand(prk, lp(b"res iv") + bound, suite.Nn), "big")

    def _chunk(self, ciphertext: bytes, last: bytes) -> bytes:
        suite = self.state.suite
        chunk = Reader(unseal(self.keys, (self.iv ^ self.i).to_bytes(suite.Nn, "big"), ciphertext, last))
        if self.i == 0:
            self.following = chunk.vector(0, 4096)
            check(not self.following or valid(suite, self.following), "no public key of this KEM")
        self.i, self.done = self.i + 1, last == b"\1"
        out = chunk.vector(0, 16336)
        check(not any(chunk.rest), "padding that isn't zero")
        return out

    def next(self) -> State | None:
        s = self.state
        if not self.following or s.n + 1 == s.count:
            return None
        return replace(s, pk=self.following, n=s.n + 1, previous=self.th3)


class Again:
    """§6.3."""

    def __init__(self, state: State, directory: Directory, now: int) -> None:
        check(state.seq < 7, "a session is attested eight times")
        check(state.role in directory.services, "no such role")
        self.state, self.services, self.made = state, directory.services, now
        nonce = os.urandom(32)
        self.th1 = T("again", state.th2, nonce)
        self.frame = AGAIN + lp(nonce.ljust(4 + state.suite.Nenc + 4 + 4096 + 16, b"\0"))
        self.buffer = b""

    def read(self, data: bytes, now: int) -> State | None:
        """The session under the new evidence, once all of it has come."""
        check(now < self.made + 30, "too late")
        self.buffer += data
        if len(self.buffer) < 4:
            return None
        size = int.from_bytes(self.buffer[:4], "big")
        check(size in RENEWALS, "a size that isn't allowed")
        if len(self.buffer) < 4 + size:
            return None
        check(len(self.buffer) == 4 + size, "bytes are left over")
        outer = Reader(self.buffer[4:])
        r = Reader(outer.vector(0, size))
        check(not any(outer.rest), "padding that isn't zero")
        ann, form, evidence = r.vector(1, 1 << 18), r.uint(2), r.vector(1, 1 << 18)
        shown = Shown(evidence, devices_of(r, 1 << 18), r.vector(0, 1 << 18), r.vector(0, 1 << 18))
        r.end()
        suite, pk, count, lifetime = announced(ann)
        check(suite == self.state.suite and form == FORMAT, "another suite or format than the session's")
        service, stays = self.services[self.state.role], self.made + lifetime
        state = replace(self.state, services=self.services, service=service, pk=pk, count=count, stays=stays, n=0,
                        previous=b"")  # fmt: skip
        return judge(state, self.th1, self.state.seq + 1, ann, shown, now)
