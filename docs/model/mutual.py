"""Mutual attestation of two enclaves (docs/protocol.md §15) as Horn clauses: a client and a server, roles at will.

Built as `privproc1.py` beside it: ``off`` takes mechanisms out, ``leaks`` gives secrets away. `README.md` says how to
read the goals.
"""
# ruff: noqa: INP001

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from docs.model.horn import Model

__all__ = ["MUTUAL_GOALS", "MUTUAL_MECHANISMS", "mutual"]

MUTUAL_MECHANISMS = {
    "mutual exporter": "ekm in pre (§15.3)",
    "own leaf": "the attesting end's leaf in pre (§15.3)",
    "peer": "the other end's leaf in pre (§15.3)",
    "dir": "the direction in pre (§15.3)",
    "roles": "the role in pre (§15.3)",
    "image": "each role has a measurement of its own",
    "order": "the server's evidence in th1 of the client's (§15.3)",
    "authenticator": "CertificateVerify and Finished of RFC 9261 (§15.2)",
}

MUTUAL_GOALS = {
    "client_diverted": "the client accepts a session whose TLS secret the attacker knows",
    "server_diverted": "the server accepts a session whose TLS secret the attacker knows",
    "client_mixed": "the client's TLS session ends at one enclave, the evidence is another's",
    "server_mixed": "the server's TLS session begins at one enclave, the evidence is another's",
    "client_fooled": "the client accepts evidence that no server of the role made",
    "server_fooled": "the server accepts evidence that no client of the role made",
    "reflected": "an end accepts evidence of its own kind, a server's for a client's or a client's for a server's",
}

_PUBLIC = {
    "pk": 2, "vk": 1, "kem": 2, "ss": 2, "aead": 2, "sign": 2,
    "hs": 3, "ms": 4, "app": 2, "exp_attest": 3, "exp_ea": 2,
    "t_introduced": 3, "t_presented": 2, "t_pre": 6, "t_bind": 1, "t_ea": 3,
}  # fmt: skip
_DATA = {"flight", "verified", "report", "introduction", "presentation", "proof"}


def _att(*terms: str) -> tuple[str, ...]:
    return tuple(f"att({t})" for t in terms)


def mutual(off: Iterable[str] = (), leaks: Iterable[str] = ()) -> Model:
    """Client and server; network and hosts are the attacker, with chips and broken programs of its own.

    ``leaks``: ``leaf`` (TLS keys of all enclaves), ``TLS`` (key shares of all sessions).
    """
    m = Model(data=frozenset(_DATA), public=frozenset(_PUBLIC), first=("sign", "aead"))
    for name, arity in _PUBLIC.items():
        args = ",".join(f"X{i}" for i in range(arity))
        m.rule(f"compute {name}", *_att(*args.split(",")), gives=f"att({name}({args}))")
    m.rule("decapsulate", *_att("kem(pk(G,K),R)", "K"), gives="att(ss(pk(G,K),R))")
    m.rule("decrypt", *_att("aead(K,M)", "K"), gives="att(M)")
    m.rule("read what is signed", *_att("sign(K,M)"), gives="att(M)")
    for constant in ("none", "evil", "s2c", "c2s", "a", "b", "r1", "r2", "group"):
        m.rule("constant", gives=f"att({constant})")
    # Programs that obey the host give it reports over whatever it likes, but not under the code of a role.
    m.rule("host's own report", *_att("C", "D"), gives="att(sign(hw(C),report(evil,D,evil)))")
    if "leaf" in set(leaks):
        m.rule("leak: leaf", gives="att(leaf(E))")
    if "TLS" in set(leaks):
        m.rule("leak: TLS", gives="att(x(E))")
        m.rule("leak: TLS", gives="att(tr(E))")
    parts = _Mutual(m, frozenset(MUTUAL_MECHANISMS.keys() - set(off)))
    parts.client()
    parts.server()
    _goals(m)
    return m


@dataclass(frozen=True, slots=True)
class _Mutual:
    """An enclave is in(class, role, chip, number); it serves its role at either end, with whom the attacker says."""

    m: Model
    on: frozenset[str]

    # A client's run: its enclave, the role that it expects, a number. A server's is named by what it was sent as well.
    CLIENT = "in(CL,R,C,N)"
    CLIENT_RUN = "crun(in(CL,R,C,N),P,S)"
    SERVER = "in(CL,R,C,N)"
    SERVER_RUN = "srun(in(CL,R,C,N),P,SHARE)"
    KNOWN = ("CL", "R", "C", "N", "P")

    def code(self, role: str) -> str:
        return f"code({role})" if "image" in self.on else "code(any)"

    def has(self, mechanism: str, term: str) -> str:
        return term if mechanism in self.on else "none"

    @staticmethod
    def tls(share: str, randomness: str, leaf_key: str) -> tuple[str, str, str]:
        """ServerHello's share, the encrypted rest of the flight, and the secret behind exporters and records."""
        ct, ss, leaf = f"kem({share},{randomness})", f"ss({share},{randomness})", f"vk({leaf_key})"
        signature = f"sign({leaf_key},verified({share},{ct},{leaf}))"
        return ct, f"aead(hs({ss},{share},{ct}),flight({leaf},{signature}))", f"ms({ss},{share},{ct},{leaf})"

    def report_data(self, direction: str, role: str, th1: str, ms: str, leaf: str, peer: str) -> str:
        direction = self.has("dir", direction)
        ekm = self.has("mutual exporter", f"exp_attest({ms},{direction},{th1})")
        leaf, peer, role = self.has("own leaf", leaf), self.has("peer", peer), self.has("roles", role)
        return f"t_bind(t_pre({direction},{role},{th1},{ekm},{leaf},{peer}))"

    def proof(self, direction: str, ms: str, context: str, key: str, evidence: str) -> str:
        """CertificateVerify; Finished adds nothing to it here, since both are over an exporter value."""
        signed = f"t_ea(exp_ea({direction},{ms}),{context},{evidence})"
        return f"sign({key},{signed})" if "authenticator" in self.on else "none"

    def then(self, th1: str, evidence: str) -> str:
        return f"t_presented({th1},{evidence})" if "order" in self.on else th1

    def client(self) -> None:
        run, own = self.CLIENT_RUN, f"leaf({self.CLIENT})"
        share = f"pk(group,x({run}))"
        self.m.rule("client's hello", *_att(*self.KNOWN, "S"), gives=f"att({share})")
        hello, flight, ms = self.tls(share, "TR", "LEAF")
        heard = _att(*self.KNOWN, "S", hello, flight)
        introduction = f"introduction(nonce({run}),vk({own}))"
        self.m.rule("client introduces", *heard, gives=f"att(aead(app(c2s,{ms}),{introduction}))")
        th1 = f"t_introduced(nonce({run}),vk({own}),NS)"
        theirs = self.report_data("s2c", "P", th1, ms, "vk(LEAF)", f"vk({own})")
        evidence = f"sign(hw(CHIP),report({self.code('P')},{theirs},RUN))"
        signed = self.proof("s2c", ms, f"nonce({run})", "LEAF", evidence)
        shown = _att(f"aead(app(s2c,{ms}),presentation(NS,{evidence},{signed}))")
        self.m.rule("client accepts", *heard, *shown, gives=f"client({run},{ms},RUN)")
        after = self.then(th1, evidence)
        mine = self.report_data("c2s", "R", after, ms, f"vk({own})", "vk(LEAF)")
        shows = f"sign(hw(C),report({self.code('R')},{mine},{run}))"
        proof = f"proof({shows},{self.proof('c2s', ms, 'NS', own, shows)})"
        self.m.rule("client proves", *heard, *shown, gives=f"att(aead(app(c2s,{ms}),{proof}))")

    def server(self) -> None:
        run, own = self.SERVER_RUN, f"leaf({self.SERVER})"
        hello, flight, ms = self.tls("SHARE", f"tr({run})", own)
        known = _att(*self.KNOWN, "SHARE")
        self.m.rule("server's hello", *known, gives=f"att({hello})")
        self.m.rule("server's flight", *known, gives=f"att({flight})")
        heard = _att(f"aead(app(c2s,{ms}),introduction(NC,vk(LEAF)))")
        th1 = f"t_introduced(NC,vk(LEAF),nonce({run}))"
        mine = self.report_data("s2c", "R", th1, ms, f"vk({own})", "vk(LEAF)")
        shows = f"sign(hw(C),report({self.code('R')},{mine},{run}))"
        presentation = f"presentation(nonce({run}),{shows},{self.proof('s2c', ms, 'NC', own, shows)})"
        self.m.rule("server presents", *known, *heard, gives=f"att(aead(app(s2c,{ms}),{presentation}))")
        after = self.then(th1, shows)
        theirs = self.report_data("c2s", "P", after, ms, "vk(LEAF)", f"vk({own})")
        evidence = f"sign(hw(CHIP),report({self.code('P')},{theirs},RUN))"
        signed = self.proof("c2s", ms, f"nonce({run})", "LEAF", evidence)
        proven = _att(f"aead(app(c2s,{ms}),proof({evidence},{signed}))")
        self.m.rule("server accepts", *known, *heard, *proven, gives=f"server({run},{ms},RUN)")


def _goals(m: Model) -> None:
    at_a, at_b = "in(a,R1,C1,N1)", "in(b,R2,C2,N2)"
    m.rule("goal", "client(D,MS,RUN)", "att(MS)", gives="client_diverted")
    m.rule("goal", "server(D,MS,RUN)", "att(MS)", gives="server_diverted")
    ends_at_a = f"ms(ss(SH,tr(srun({at_a},P1,S1))),X1,X2,X3)"
    m.rule("goal", f"client(D,{ends_at_a},srun({at_b},P2,S2))", gives="client_mixed")
    begins_at_a = f"ms(ss(pk(group,x(crun({at_a},P1,S1))),TR),X1,X2,X3)"
    m.rule("goal", f"server(D,{begins_at_a},crun({at_b},P2,S2))", gives="server_mixed")
    m.rule("goal", "client(D,MS,evil)", gives="client_fooled")
    m.rule("goal", "server(D,MS,evil)", gives="server_fooled")
    m.rule("goal", "client(crun(E,r1,S),MS,srun(in(CL,r2,C,N),P,SH))", gives="client_fooled")
    m.rule("goal", "server(srun(E,r1,S),MS,crun(in(CL,r2,C,N),P,SH))", gives="server_fooled")
    m.rule("goal", "client(D,MS,crun(E,P,S))", gives="reflected")
    m.rule("goal", "server(D,MS,srun(E,P,S))", gives="reflected")
    both = f"srun({at_b},r1,pk(group,x(crun(in(a,r1,C1,N1),r2,S1))))"
    m.rule("goal", f"server({both},MS,crun(in(a,r1,C1,N1),r2,S1))", gives="done")
