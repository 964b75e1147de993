"""Wrapped mode (docs/protocol.md §14) as Horn clauses: device, two drawn nodes, and the attacker who is all between.

Built like `privproc1.session`: ``off`` takes mechanisms out, ``leaks`` gives secrets away. How to read it: `README.md`.
"""
# ruff: noqa: INP001

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from docs.model.horn import Model
from docs.model.privproc1 import _att, _f

__all__ = ["GOALS", "MECHANISMS", "wrapped"]

MECHANISMS = {
    "statement key": "the key in the statement (§14.1)",
    "statement role": "the role in the statement (§14.3 b)",
    "statement package": "the package in the statement (§14.3 b)",
    "node's role": "the node refuses another role than its own (§14.6)",
    "node's log": "the measurement is logged for the role (§14.3 g)",
    "image of the role": "each role has a measurement of its own",
    "head": "Head in thw (§14.4)",
    "exchange": "outer in thw (§14.4)",
    "body digest": "the body's digest in Head (§14.4)",
    "info": "thw, place and node in the wrap's info (§14.4)",
    "node's export": "the node's own HPKE export in prk (§14.4)",
    "wrap in th3": "place, enc and sealed in th3 (§14.4)",
    "dk": "the secret of dk in r (§6.2)",
}

GOALS = {
    "wrong_node_key": "a key is verified whose private key the attacker knows",
    "wrong_node_code": "a node is verified whose program is not the service's",
    "wrong_node_role": "a node of another role is verified",
    "stale": "a node is verified whose statement is of another package",
    "read": "the attacker knows a question, neither of whose nodes' keys leaked",
    "overheard": "the attacker knows the answer that a device took from a node whose key did not leak",
    "impersonated": "a device takes from a node whose key did not leak what that node did not answer",
    "other_view": "a node opens a wrap in another exchange, or under another policy or nonce, than the device's",
    "swapped": "a node takes another body with a device's wrap than the device's",
}

_FUNCTIONS = {
    "pk": 2, "vk": 1, "kem": 2, "ss": 2, "aead": 2, "sign": 2, "t_node": 1, "t_body": 1, "t_wrapped": 3, "t_wrap": 3,
    "k_wrap": 2, "k_body": 1, "export": 2, "extract": 2, "t_request": 4, "k_answer": 3,
}  # fmt: skip
_DATA = {"stmt", "report", "entry", "req", "head", "resp"}
_CONSTANTS = "none ra rb p1 p2 n0 o0 evil strict loose pkg old a b any classic hybrid zero one"


def wrapped(
    off: Iterable[str] = (),
    leaks: Iterable[str] = (),
    *,
    suite: str = "hybrid",
    later: bool = False,
    quantum: bool = False,
) -> Model:
    """Nodes and devices are of class ``a`` or ``b``, and which nodes a device draws is the attacker's choice.

    ``leaks``: ``other``, ``chosen`` (what the other or the chosen node learns from a request), ``nodes`` (all their
    keys), ``dk`` (private response keys). With ``later`` they leak when everybody has finished; ``quantum`` implies
    that and breaks the keys called classic.
    """
    m = Model(data=frozenset(_DATA), public=frozenset(_FUNCTIONS), first=("sign", "aead"))
    _compute(m, "att")
    for constant in _CONSTANTS.split():
        m.rule("constant", gives=f"att({constant})")
    parts = _Wrapped(m, frozenset(MECHANISMS.keys() - set(off)), suite)
    parts.log_and_host()
    parts.node_states()
    parts.device_verifies()
    parts.device_asks()
    parts.node_opens()
    parts.device_reads()
    knows = "att"
    if later or quantum:
        knows = "att1"
        m.rule("keep for later", "att(X)", gives="att1(X)")
        _compute(m, knows)
        if quantum:
            m.rule("quantum computer", "att1(pk(classic,K))", gives="att1(K)")
    secrets = {"other": "rw(D,N0,N1,one)", "chosen": "rw(D,N0,N1,zero)", "nodes": "nk(ND)", "dk": "dk(D,N0,N1)"}
    for leak in sorted(leaks):
        m.rule(f"leak: {leak}", gives=f"{knows}({secrets[leak]})")
    parts.goals(knows)
    return m


def _compute(m: Model, knows: str) -> None:
    for name, arity in _FUNCTIONS.items():
        args = [f"X{i}" for i in range(arity)]
        m.rule(f"compute {name}", *(f"{knows}({x})" for x in args), gives=f"{knows}({_f(name, *args)})")
    m.rule("decapsulate", f"{knows}(kem(pk(G,K),R))", f"{knows}(K)", gives=f"{knows}(ss(pk(G,K),R))")
    m.rule("decrypt", f"{knows}(aead(K,M))", f"{knows}(K)", gives=f"{knows}(M)")
    m.rule("read what is signed", f"{knows}(sign(K,M))", gives=f"{knows}(M)")


@dataclass(frozen=True, slots=True)
class _Wrapped:
    m: Model
    on: frozenset[str]
    suite: str

    # What a device asks is named by itself and by who the two nodes are, which it doesn't know.
    DEVICE = "dv(CL,R,P,S)"
    ASKED = "dv(CL,R,P,S),N0,N1"

    def has(self, mechanism: str, term: str) -> str:
        return term if mechanism in self.on else "none"

    # The formulas of §14.

    def node(self, key: str, role: str, package: str) -> str:
        """The node's digest; with the tag in front it is the report data."""
        key, role = self.has("statement key", key), self.has("statement role", role)
        return f"t_node(stmt({key},{role},{self.has('statement package', package)}))"

    def code(self, role: str) -> str:
        return f"code({role})" if "image of the role" in self.on else "code(any)"

    def head(self, role: str, policy: str, nonce: str, nodes: tuple[str, str], body: str) -> str:
        return f"head({role},{policy},{nonce},{nodes[0]},{nodes[1]},{self.has('body digest', f't_body({body})')})"

    def thw(self, outer: str, head: str) -> str:
        return f"t_wrapped(pkg,{self.has('exchange', outer)},{self.has('head', head)})"

    def wrap(
        self, key: str, randomness: str, thw: str, place: str, node: str, secret: str
    ) -> tuple[str, str, str, str]:
        """``enc``, ``sealed``, ``prk`` and ``th3``."""
        enc, shared = f"kem({key},{randomness})", f"ss({key},{randomness})"
        info = self.has("info", f"t_wrap({thw},{place},{node})")
        sealed = f"aead(k_wrap({shared},{info}),{secret})"
        prk = f"extract({secret},{self.has(NODE_EXPORT, f'export({shared},{info})')})"
        bound = (place, enc, sealed) if "wrap in th3" in self.on else ("none", "none", "none")
        return enc, sealed, prk, f"t_request({thw},{','.join(bound)})"

    def answer(self, prk: str, th3: str, dk: str, randomness: str, content: str) -> str:
        secret = self.has("dk", f"ss({dk},{randomness})")
        return f"resp(kem({dk},{randomness}),aead(k_answer({prk},{th3},{secret}),{content}))"

    # The rules.

    def log_and_host(self) -> None:
        self.m.rule("log", *_att("R"), gives=f"att(sign(log,entry(R,{self.code('R')})))")
        # From a program that obeys it the host gets evidence for whatever bytes it likes.
        self.m.rule("host runs its own", *_att("C", "D"), gives="att(sign(hw(C),report(evil,D,evil)))")

    def node_states(self) -> None:
        # A node is nd(class, role, package, chip, number): its host chooses all of that.
        node = "nd(CL,R,PKG,C,N)"
        told, key = _att("CL", "R", "PKG", "C", "N"), f"pk({self.suite},nk({node}))"
        self.m.rule("node's key", *told, gives=f"att({key})")
        data = self.node(key, "R", "PKG")
        self.m.rule("node's evidence", *told, gives=f"att(sign(hw(C),report({self.code('R')},{data},{node})))")

    def device_verifies(self) -> None:
        role = "R" if "statement role" in self.on else "ANY"
        key, data = f"pk({self.suite},K)", self.node(f"pk({self.suite},K)", role, "pkg")
        evidence = f"sign(hw(C),report(CODE,{data},ND))"
        proof = _att("sign(log,entry(R,CODE))") if "node's log" in self.on else ()
        premises = _att("R", key, evidence)
        self.m.rule("device verifies", *premises, *proof, gives=f"verified(R,K,{data},ND)")

    def asked(self) -> dict[str, str]:
        """The terms of one request, as its device knows them."""
        nodes = "X0", "X1"
        secret, dk = f"cs({self.ASKED})", f"pk({self.suite},dk({self.ASKED}))"
        body = f"aead(k_body({secret}),req({dk},q({self.ASKED})))"
        head = self.head("R", "P", f"nonce({self.ASKED})", nodes, body)
        terms = {"body": body, "head": head, "dk": dk, "thw": self.thw(f"outer({self.ASKED})", head)}
        for i, place in enumerate(("zero", "one")):
            key, randomness = f"pk({self.suite},K{i})", f"rw({self.ASKED},{place})"
            made = self.wrap(key, randomness, terms["thw"], place, nodes[i], secret)
            terms |= zip((f"enc{i}", f"sealed{i}", f"prk{i}", f"th3{i}"), made, strict=True)
        return terms

    VERIFIED = "verified(R,K0,X0,N0)", "verified(R,K1,X1,N1)"

    def device_asks(self) -> None:
        asked, wants = self.asked(), _att("CL", "P", "S")
        for name in ("body", "head", "enc0", "sealed0", "enc1", "sealed1"):
            self.m.rule(f"device's {name}", *self.VERIFIED, *wants, gives=f"att({asked[name]})")
        self.m.rule("device's outer", *self.VERIFIED, *wants, gives=f"att(outer({self.ASKED}))")

    def node_opens(self) -> None:
        role = "R" if "node's role" in self.on else "RH"
        node, body = "nd(CL,R,pkg,C,N)", "aead(k_body(CS),req(DK,Q))"
        key = f"pk({self.suite},nk({node}))"
        mine = self.node(key, "R", "pkg")
        told = _att("CL", "R", "C", "N", "O", "P", "NO", role)
        for place, nodes in (("zero", (mine, "OTHER")), ("one", ("OTHER", mine))):
            head = self.head(role, "P", "NO", nodes, body)
            thw = self.thw("O", head)
            enc, sealed, prk, th3 = self.wrap(key, "RW", thw, place, mine, "CS")
            got = _att("OTHER", enc, sealed, body)
            self.m.rule(f"node opens at {place}", *told, *got, gives=f"opened({node},RW,O,P,NO,Q)")
            run = f"{node},{thw},RW"
            answered = self.answer(prk, th3, "DK", f"re({run})", f"ans({run},Q)")
            self.m.rule(f"node answers at {place}", *told, *got, gives=f"att({answered})")

    def device_reads(self) -> None:
        asked = self.asked()
        for i, place in enumerate(("zero", "one")):
            answered = self.answer(asked[f"prk{i}"], asked[f"th3{i}"], asked["dk"], "RE", "A")
            premises = *self.VERIFIED, *_att("CL", "P", "S", answered)
            self.m.rule(f"device reads at {place}", *premises, gives=f"took({self.ASKED},{place},A)")

    def goals(self, knows: str) -> None:
        mine, other = "nd(a,ra,pkg,C0,M0)", "nd(a,ra,pkg,C1,M1)"
        device = "dv(a,ra,p1,S)"
        goal = self.m.rule
        goal("goal", "verified(R,K,X,ND)", "att(K)", gives="wrong_node_key")
        goal("goal", "verified(R,K,X,evil)", gives="wrong_node_code")
        goal("goal", "verified(ra,K,X,nd(CL,rb,PKG,C,N))", gives="wrong_node_role")
        goal("goal", "verified(R,K,X,nd(CL,R,old,C,N))", gives="stale")
        goal("goal", f"{knows}(q({device},{mine},{other}))", gives="read")
        goal("goal", f"took({device},{mine},ND,zero,A)", f"{knows}(A)", gives="overheard")
        for written in ("evil", "ans(nd(b,R,PKG,C,N),T,RW,Q)"):
            goal("goal", f"took({device},{mine},ND,zero,{written})", gives="impersonated")
        made = f"rw({device},{mine},ND,zero)"
        question = f"q({device},{mine},ND)"
        goal("goal", f"opened({mine},{made},o0,P,NO,{question})", gives="other_view")
        goal("goal", f"opened({mine},{made},O,p2,NO,{question})", gives="other_view")
        goal("goal", f"opened({mine},{made},O,P,n0,{question})", gives="other_view")
        goal("goal", f"opened({mine},{made},O,P,NO,evil)", gives="swapped")
        run = f"{mine},T,RW"
        goal("goal", f"took({device},{mine},{other},zero,ans({run},{f'q({device},{mine},{other})'}))", gives="done")


NODE_EXPORT = "node's export"
