"""A live session's two requests (docs/protocol.md §6) as Horn clauses, from the appraisal on.

What `privproc1.session` proves of the appraisal is taken for granted here: device and enclave of a session have one TLS
secret, one th2 and the enclave's first key. Built like it: ``off`` takes mechanisms out, ``leaks`` gives secrets away.
"""
# ruff: noqa: INP001

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from docs.model.horn import Model
from docs.model.privproc1 import _att, _f

__all__ = ["LIVE_GOALS", "LIVE_MECHANISMS", "live"]

LIVE_MECHANISMS = {
    "fresh key": "each request has a key of its own (§6.1)",
    "bound key": "the next key is inside of the answer (§6.2)",
    "live KEM": "the KEM half of prk (§6.1)",
    "live TLS half": "the exporter half of prk (§6.1)",
    "live records": "the TLS records around request and answer (§6)",
}

LIVE_GOALS = {
    "question_0": "the attacker knows the first question",
    "question_1": "the attacker knows the second question",
    "answer_0": "the attacker knows the first answer",
    "answer_1": "the attacker knows the second answer",
    "forged_next": "the device takes a next key whose private key the attacker knows",
    "forged_answer": "the device takes an answer to its second question that the attacker wrote",
}

_FUNCTIONS = {
    "pk": 1, "kem": 2, "ss": 2, "aead": 2, "exp": 3, "kem_export": 3, "extract": 2, "k_request": 2, "k_answer": 3,
    "t_request": 5, "app": 2,
}  # fmt: skip
_DATA = {"sealed", "req", "resp", "next"}
_CONSTANTS = "none evil a b zero one up down"


def live(off: Iterable[str] = (), leaks: Iterable[str] = (), *, later: bool = False) -> Model:
    """Sessions of class ``b`` are the attacker's own. ``leaks``, of the others: ``TLS`` (their secrets), ``first`` and
    ``second`` (the enclaves' keys of these requests), ``dk``. With ``later`` they leak when everybody has finished.
    """
    m = Model(data=frozenset(_DATA), public=frozenset(_FUNCTIONS), first=("aead",))
    _compute(m, "att")
    for constant in _CONSTANTS.split():
        m.rule("constant", gives=f"att({constant})")
    parts = _Live(m, frozenset(LIVE_MECHANISMS.keys() - set(off)))
    parts.attackers_own()
    parts.first()
    parts.second()
    knows = "att"
    if later:
        knows = "att1"
        m.rule("keep for later", "att(X)", gives="att1(X)")
        _compute(m, "att1")
    secrets = {"TLS": "tls(s(a,N))", "first": "sk(s(a,N))", "second": "sk1(s(a,N),T)", "dk": "dk(s(a,N),I)"}
    for leak in sorted(set(leaks)):
        m.rule(f"leak: {leak}", gives=f"{knows}({secrets[leak]})")
    mine = "s(a,N)"
    for digit, number in enumerate(("zero", "one")):
        m.rule("goal", f"{knows}(q({mine},{number}))", gives=f"question_{digit}")
        m.rule("goal", f"{knows}(ans({mine},q({mine},{number})))", gives=f"answer_{digit}")
    m.rule("goal", f"read_0({mine},pk(K),T,A)", "att(K)", gives="forged_next")
    m.rule("goal", f"read_1({mine},evil)", gives="forged_answer")
    m.rule("goal", f"read_1({mine},ans({mine},q({mine},one)))", gives="done")
    return m


def _compute(m: Model, knows: str) -> None:
    for name, arity in _FUNCTIONS.items():
        args = [f"X{i}" for i in range(arity)]
        m.rule(f"compute {name}", *(f"{knows}({x})" for x in args), gives=f"{knows}({_f(name, *args)})")
    m.rule("decapsulate", f"{knows}(kem(pk(K),R))", f"{knows}(K)", gives=f"{knows}(ss(pk(K),R))")
    m.rule("decrypt", f"{knows}(aead(K,M))", f"{knows}(K)", gives=f"{knows}(M)")


@dataclass(frozen=True, slots=True)
class _Live:
    m: Model
    on: frozenset[str]

    # A session is s(class, number); th2 is t2(session), the TLS secret tls(session).
    S = "s(CL,N)"

    def has(self, mechanism: str, term: str) -> str:
        return term if mechanism in self.on else "none"

    def request(self, n: str, previous: str, key: str, randomness: str, content: str) -> tuple[str, str, str]:
        """The record with the sealed request, prk and th3."""
        th2 = f"t2({self.S})"
        kem = self.has("live KEM", f"kem_export(ss({key},{randomness}),{th2},{n})")
        prk = f"extract({self.has('live TLS half', f'exp(tls({self.S}),{th2},{n})')},{kem})"
        enc, cipher = f"kem({key},{randomness})", f"aead(k_request({prk},{th2}),{content})"
        th3 = f"t_request({th2},{n},{previous},{enc},{cipher})"
        return self.record("up", f"sealed({enc},{cipher})"), prk, th3

    def answer(self, prk: str, th3: str, dk: str, randomness: str, content: str) -> str:
        cipher = f"aead(k_answer({prk},{th3},ss({dk},{randomness})),{content})"
        return self.record("down", f"resp(kem({dk},{randomness}),{cipher})")

    def record(self, direction: str, content: str) -> str:
        return f"aead(app({direction},tls({self.S})),{content})" if "live records" in self.on else content

    def attackers_own(self) -> None:
        self.m.rule("attacker's own session", "att(N)", gives="att(tls(s(b,N)))")
        for term in (f"t2({self.S})", f"pk(sk({self.S}))"):
            self.m.rule("th2, first key", *_att("CL", "N"), gives=f"att({term})")

    def following(self, th3: str) -> str:
        return f"sk1({self.S},{th3})" if "fresh key" in self.on else f"sk({self.S})"

    def dk(self, number: str) -> str:
        return f"pk(dk({self.S},{number}))"

    def first(self) -> None:
        s, key = self.S, f"pk(sk({self.S}))"
        asked, prk, th3 = self.request("zero", "none", key, f"rq({s},zero)", f"req({self.dk('zero')},q({s},zero))")
        self.m.rule("device asks", *_att("CL", "N"), gives=f"att({asked})")
        bound = "bound key" in self.on
        answered = self.answer(prk, th3, self.dk("zero"), "RE", "next(KN,A)" if bound else "A")
        beside = () if bound else ("att(KN)",)
        self.m.rule("device reads", *_att("CL", "N", answered), *beside, gives=f"read_0({s},KN,{th3},A)")
        asked, prk, th3 = self.request("zero", "none", key, "RQ", "req(DK,Q)")
        following = f"pk({self.following(th3)})"
        content = f"next({following},ans({s},Q))" if bound else f"ans({s},Q)"
        answered = self.answer(prk, th3, "DK", f"re({s},{th3})", content)
        self.m.rule("enclave answers", *_att("CL", "N", asked), gives=f"att({answered})")
        if not bound:
            self.m.rule("next key in the clear", *_att("CL", "N", asked), gives=f"att({following})")

    def second(self) -> None:
        s = self.S
        asked, prk, th3 = self.request("one", "T3", "KN", f"rq({s},T3,KN)", f"req({self.dk('one')},q({s},one))")
        before = f"read_0({s},KN,T3,A)"
        self.m.rule("device asks again", before, gives=f"att({asked})")
        answered = self.answer(prk, th3, self.dk("one"), "RE", "A1")
        self.m.rule("device reads again", before, *_att(answered), gives=f"read_1({s},A1)")
        first, _, th3 = self.request("zero", "none", f"pk(sk({s}))", "RQ", "req(DK,Q)")
        asked, prk, later = self.request("one", th3, f"pk({self.following(th3)})", "RQ1", "req(DK1,Q1)")
        answered = self.answer(prk, later, "DK1", f"re1({s},{later})", f"ans({s},Q1)")
        self.m.rule("enclave answers again", *_att("CL", "N", first, asked), gives=f"att({answered})")
