"""privproc/1 as Horn clauses: `session` (device, host, enclave) and `outer` (device, relay, gateway).

Each function builds one model from one source: ``off`` takes mechanisms out, ``leaks`` gives secrets away. Names follow
docs/protocol.md; `README.md` beside this file says what is modelled and how to read the goals.
"""
# ruff: noqa: INP001

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from docs.model.horn import Model

__all__ = ["OUTER_GOALS", "OUTER_MECHANISMS", "SESSION_GOALS", "SESSION_MECHANISMS", "outer", "session"]

SESSION_MECHANISMS = {
    "exporter": "ekm in pre (§2.5)",
    "leaf": "the leaf's hash in pre (§2.5)",
    "role in pre": "the role in pre (§2.5)",
    "role check": "the enclave refuses another role than its own (§4.6)",
    "role in log": "the log entry is one of the role (§7.7)",
    "image per role": "each role has a measurement of its own",
    "ann": "the announced key in pre (§2.5)",
    "Open": "Open in th1 (§2.3)",
    "outer": "outer in th1 (§2.3)",
    "nonce": "the nonce in Open (§4.3)",
    "log": "the measurement is logged (§4.8 s)",
    "namespace": "the log entry is one of the namespace (§7.7)",
    "version": "the log entry has at least the minimum version (§7.7)",
    "launch": "guest policy and VMPL (§4.8 l, o)",
    "chip list": "a list of chips in the policy (§4.8 h)",
    "inner KEM": "the KEM half of prk (§6.1)",
    "TLS half": "the exporter half of prk (§6.1)",
    "records": "the TLS records around request and answer (§6)",
    "th2": "th2 in everything that makes the keys (§6.1)",
    "response key": "the secret of dk in r (§6.2)",
}

SESSION_GOALS = {
    "diverted": "the device accepts a session whose TLS secret the attacker knows",
    "mixed": "the device's TLS session ends at one enclave, the evidence is another's",
    "wrong_code": "the device accepts evidence of a program that is not the service's current one",
    "wrong_role": "the device accepts an enclave of another role",
    "wrong_view": "device and enclave differ on outer, nonce or policy",
    "shared": "one run of an enclave is accepted by two devices",
    "wrong_key": "the device accepts an announced key whose private key the attacker knows",
    "question": "the attacker knows the question",
    "answer": "the attacker knows the answer",
    "forged": "the device takes an answer that the attacker wrote",
}

# What anybody can compute. A function of the protocol that hashes is one that nobody can take apart.
_PUBLIC = {
    "pk": 2, "vk": 1, "kem": 2, "ss": 2, "aead": 2, "sign": 2, "mac": 2,
    "hs": 3, "ms": 4, "app": 2, "exp_attest": 2, "exp_keys": 2,
    "t_open": 3, "t_pre": 5, "t_bind": 1, "t_attested": 3, "t_request": 3,
    "kem_export": 2, "extract": 2, "k_request": 2, "k_answer": 3,
    "t_outer": 4, "t_pop": 1, "k_ohttp": 1, "oexp": 1, "k_continue": 1,
}  # fmt: skip
# What is only written side by side.
_DATA = {"open", "flight", "verified", "report", "entry", "sealed", "req", "resp", "pop", "first", "cont", "bytes"}
_CONSTANTS = (
    "none ra rb p1 p2 n0 o0 evil s2c c2s live test strict loose v1 v2 pkg a b good stolen classic hybrid up down"
)


def _f(name: str, *args: str) -> str:
    return f"{name}({','.join(args)})"


def _att(*terms: str) -> tuple[str, ...]:
    return tuple(f"att({t})" for t in terms)


def _attacker(m: Model, knows: str) -> None:
    """Dolev and Yao: computes every public function, undoes what it has the key of."""
    for name, arity in _PUBLIC.items():
        args = [f"X{i}" for i in range(arity)]
        m.rule(f"compute {name}", *(f"{knows}({x})" for x in args), gives=f"{knows}({_f(name, *args)})")
    m.rule("decapsulate", f"{knows}(kem(pk(G,K),R))", f"{knows}(K)", gives=f"{knows}(ss(pk(G,K),R))")
    m.rule("decrypt", f"{knows}(aead(K,M))", f"{knows}(K)", gives=f"{knows}(M)")
    m.rule("read what is signed", f"{knows}(sign(K,M))", gives=f"{knows}(M)")


def _model() -> Model:
    m = Model(data=frozenset(_DATA), public=frozenset(_PUBLIC), first=("sign", "aead", "mac"))
    _attacker(m, "att")
    for c in _CONSTANTS.split():
        m.rule("constant", gives=f"att({c})")
    return m


def _later(m: Model, *, quantum: bool) -> str:
    """A second phase in which nobody but the attacker acts; gives the predicate of what it knows then."""
    m.rule("keep for later", "att(X)", gives="att1(X)")
    _attacker(m, "att1")
    if quantum:
        m.rule("quantum computer", "att1(pk(classic,K))", gives="att1(K)")
    return "att1"


def session(
    off: Iterable[str] = (),
    leaks: Iterable[str] = (),
    *,
    group: str = "hybrid",
    suite: str = "hybrid",
    later: bool = False,
    quantum: bool = False,
) -> Model:
    """Device and enclave; everything between them (network, relay, gateway, host) is the attacker.

    ``leaks``: ``leaf`` (TLS keys of all enclaves), ``others`` (every secret of other devices and of the enclaves'
    sessions with them), ``TLS`` (the devices' key shares), ``KEM`` (one-time keys), ``dk`` (private response keys),
    ``hardware`` (the key of a chip that is not on the list). With ``later`` they leak when everybody has finished;
    ``others`` never waits. ``quantum`` implies ``later`` and breaks the KEM keys called classic.
    """
    m = _model()
    parts = _Session(m, frozenset(SESSION_MECHANISMS.keys() - set(off)), group, suite)
    parts.log_and_host()
    parts.device_opens()
    parts.enclave()
    parts.device_accepts()
    parts.device_asks_and_reads()

    knows = _later(m, quantum=quantum) if later or quantum else "att"
    secrets = {"leaf": "leaf(E)", "TLS": "x(D)", "KEM": "sk(E)", "dk": "dk(D)", "hardware": "hw(stolen)"}
    for leak in sorted(set(leaks) - {"others"}):
        m.rule(f"leak: {leak}", gives=f"{knows}({secrets[leak]})")
    if "others" in set(leaks):
        other = "dv(b,R,P,S)"
        run = f"run(E,O,open(R,P,nonce({other}),SHARE))"
        for secret in (*(f"{s}({other})" for s in ("x", "dk", "q")), *(f"{s}({run})" for s in ("tr", "sk", "re"))):
            m.rule("leak: others", gives=f"att({secret})")
    _session_goals(m, knows)
    return m


@dataclass(frozen=True, slots=True)
class _Session:
    m: Model
    on: frozenset[str]
    group: str
    suite: str

    # A device is named dv(class, role, policy, number); what it wants is up to the attacker. Its first message:
    DEVICE = "dv(CL,R,P,S)"
    WANTS = ("CL", "R", "P", "S")

    @property
    def share(self) -> str:
        return f"pk({self.group},x({self.DEVICE}))"

    @property
    def opened(self) -> str:
        return f"open(R,P,{self.has('nonce', f'nonce({self.DEVICE})')},{self.share})"

    def has(self, mechanism: str, term: str) -> str:
        return term if mechanism in self.on else "none"

    # The formulas of §2 and §6, the same for both ends.

    def code(self, role: str) -> str:
        return f"code({role})" if "image per role" in self.on else "code(any)"

    def th1(self, outer: str, opened: str) -> str:
        return f"t_open(pkg,{self.has('outer', outer)},{self.has('Open', opened)})"

    def report_data(self, role: str, th1: str, ms: str, leaf: str, key: str) -> str:
        role, leaf, key = self.has("role in pre", role), self.has("leaf", leaf), self.has("ann", key)
        return f"t_bind(t_pre({role},{th1},{self.has('exporter', f'exp_attest({ms},{th1})')},{leaf},{key}))"

    def prk(self, ms: str, th2: str, key: str, randomness: str) -> str:
        kem = self.has("inner KEM", f"kem_export(ss({key},{randomness}),{th2})")
        return f"extract({self.has('TLS half', f'exp_keys({ms},{th2})')},{kem})"

    def request(self, ms: str, th2: str, key: str, randomness: str, content: str) -> tuple[str, str, str]:
        """The record with the sealed request, and what its answer's keys come from: prk and th3."""
        th2 = self.has("th2", th2)
        prk, enc = self.prk(ms, th2, key, randomness), f"kem({key},{randomness})"
        cipher = f"aead(k_request({prk},{th2}),{content})"
        return self.record("c2s", ms, f"sealed({enc},{cipher})"), prk, f"t_request({th2},{enc},{cipher})"

    def answer(self, ms: str, prk: str, th3: str, dk: str, randomness: str, content: str) -> str:
        secret = self.has("response key", f"ss({dk},{randomness})")
        cipher = f"aead(k_answer({prk},{th3},{secret}),{content})"
        return self.record("s2c", ms, f"resp(kem({dk},{randomness}),{cipher})")

    def record(self, direction: str, ms: str, content: str) -> str:
        return f"aead(app({direction},{ms}),{content})" if "records" in self.on else content

    @staticmethod
    def tls(share: str, randomness: str, leaf_key: str) -> tuple[str, str, str]:
        """ServerHello's share, the encrypted rest of the flight, and the secret behind exporter and records."""
        ct, ss, leaf = f"kem({share},{randomness})", f"ss({share},{randomness})", f"vk({leaf_key})"
        signature = f"sign({leaf_key},verified({share},{ct},{leaf}))"
        return ct, f"aead(hs({ss},{share},{ct}),flight({leaf},{signature}))", f"ms({ss},{share},{ct},{leaf})"

    # The rules.

    def log_and_host(self) -> None:
        # Every role's program is logged, and so are an old one that has been broken, and a test build.
        for name, namespace, code, version in (
            ("program", "live", self.code("R"), "v2"),
            ("old program", "live", "broken", "v1"),
            ("test build", "test", "testing", "v2"),
        ):
            self.m.rule(f"log: {name}", *_att("R"), gives=f"att(sign(log,entry({namespace},R,{code},{version})))")
        # From programs that obey it the host gets evidence for whatever bytes it likes, on any chip.
        strict = [(code, "strict") for code in ("evil", "broken", "testing")]
        for code, launch in (*strict, (self.code("R"), "loose")):
            evidence = f"sign(hw(C),report({code},{launch},D,evil))"
            self.m.rule(f"host runs {code}, {launch}", *_att("C", "R", "D"), gives=f"att({evidence})")

    def device_opens(self) -> None:
        self.m.rule("device opens", *_att(*self.WANTS), gives=f"att({self.opened})")
        self.m.rule("device's outer", *_att(*self.WANTS), gives=f"att(outer({self.DEVICE}))")

    def enclave(self) -> None:
        # An enclave is in(class, role, chip, number); a run of it is named by all that it was sent.
        role = "R" if "role check" in self.on else "OWN"
        enclave, opened = f"in(CL,{role},C,N)", "open(R,P,NO,SHARE)"
        run = f"run({enclave},O,{opened})"
        sent = _att("CL", role, "C", "N", "O", "R", "P", "NO", "SHARE")
        hello, flight, ms = self.tls("SHARE", f"tr({run})", f"leaf({enclave})")
        key, th1 = f"pk({self.suite},sk({run}))", self.th1("O", opened)
        data = self.report_data(role, th1, ms, f"vk(leaf({enclave}))", key)
        evidence = f"sign(hw(C),report({self.code(role)},strict,{data},{run}))"
        for name, term in (("ServerHello", hello), ("flight", flight), ("key", key), ("evidence", evidence)):
            self.m.rule(f"enclave's {name}", *sent, gives=f"att({term})")
        asked, prk, th3 = self.request(ms, f"t_attested({th1},{data},{evidence})", key, "RQ", "req(DK,Q)")
        answered = self.answer(ms, prk, th3, "DK", f"re({run})", f"ans({run},Q)")
        self.m.rule("enclave answers", *sent, *_att(asked), gives=f"att({answered})")

    def device_accepts(self) -> None:
        # `accepted` records what the device knows, and the run that the evidence came from, which it doesn't know.
        hello, flight, ms = self.tls(self.share, "TR", "LEAF")
        key, th1 = f"pk({self.suite},K)", self.th1(f"outer({self.DEVICE})", self.opened)
        data = self.report_data("R", th1, ms, "vk(LEAF)", key)
        chip = "good" if "chip list" in self.on else "C"
        launch = "strict" if "launch" in self.on else "LAUNCH"
        evidence = f"sign(hw({chip}),report(CODE,{launch},{data},RUN))"
        namespace = "live" if "namespace" in self.on else "NS"
        role = "R" if "role in log" in self.on else "LR"
        version = "v2" if "version" in self.on else "V"
        proof = _att(f"sign(log,entry({namespace},{role},CODE,{version}))") if "log" in self.on else ()
        accepted = f"accepted({self.DEVICE},{ms},K,t_attested({th1},{data},{evidence}),RUN)"
        self.m.rule("device accepts", *_att(*self.WANTS, hello, flight, key, evidence), *proof, gives=accepted)

    def device_asks_and_reads(self) -> None:
        accepted = f"accepted({self.DEVICE},MS,K,T2,RUN)"
        dk, content = f"pk({self.suite},dk({self.DEVICE}))", f"q({self.DEVICE})"
        randomness, key = f"rq({self.DEVICE},T2)", f"pk({self.suite},K)"
        asked, prk, th3 = self.request("MS", "T2", key, randomness, f"req({dk},{content})")
        self.m.rule("device asks", accepted, gives=f"att({asked})")
        answered = self.answer("MS", prk, th3, dk, "RE", "A")
        self.m.rule("device reads", accepted, *_att(answered), gives=f"got({self.DEVICE},A)")


def _session_goals(m: Model, knows: str) -> None:
    """The goals. A difference of two values is one of two constants: names can be swapped, so that loses nothing."""
    mine, other = "dv(a,R,P,S)", "dv(b,RB,PB,SB)"

    def accepted(device: str = mine, ms: str = "MS", run: str = "RUN") -> str:
        return f"accepted({device},{ms},K,T2,{run})"

    m.rule("goal", accepted(), "att(MS)", gives="diverted")
    at_a = "ms(ss(SH,tr(run(in(a,R1,C1,N1),O1,P1))),X1,X2,X3)"
    m.rule("goal", accepted(ms=at_a, run="run(in(b,R2,C2,N2),O2,P2)"), gives="mixed")
    m.rule("goal", accepted(run="evil"), gives="wrong_code")
    m.rule("goal", accepted("dv(a,ra,P,S)", run="run(in(CL,rb,C,N),O,OP)"), gives="wrong_role")
    for outer in ("o0", f"outer({other})"):
        m.rule("goal", accepted(run=f"run(E,{outer},OP)"), gives="wrong_view")
    for nonce in ("n0", f"nonce({other})"):
        m.rule("goal", accepted(run=f"run(E,O,open(R1,P1,{nonce},SH))"), gives="wrong_view")
    m.rule("goal", accepted("dv(a,R,p1,S)", run="run(E,O,open(R1,p2,NO,SH))"), gives="wrong_view")
    m.rule("goal", accepted(), f"accepted({other},M1,K1,T1,RUN)", gives="shared")
    m.rule("goal", accepted(), "att(K)", gives="wrong_key")
    m.rule("goal", f"{knows}(q({mine}))", gives="question")
    m.rule("goal", f"{knows}(ans(E,q({mine})))", gives="answer")
    m.rule("goal", f"got({mine},evil)", gives="forged")
    m.rule("goal", f"got({mine},ans(E,q({mine})))", gives="done")


OUTER_MECHANISMS = {
    "proof": "the proof of possession (§2.1)",
    "commitment": "the token's nonce commits to the proof's key (§2.1)",
    "outer": "outer in what the proof signs (§2.2)",
    "oexp": "oexp in outer (§2.2)",
    "mac": "the MAC of Continue (§5.1)",
    "enc in mac": "enc in the MAC of Continue (§5.1)",
}

OUTER_GOALS = {
    "transferred": "an honest gateway takes a token that a device spent at a hostile one",
    "stolen": "an honest gateway takes a token that was read in its log, in an exchange of the attacker's",
    "metadata": "the attacker knows what Open says",
    "outer": "the attacker, who has no part in the exchange, can compute outer",
    "injected": "a gateway passes on records that the session's device did not send",
    "moved": "a gateway takes a Continue in another exchange than the device's",
}


def outer(off: Iterable[str] = (), leaks: Iterable[str] = (), *, later: bool = False) -> Model:
    """Device and gateway; network and relay are the attacker, and so is the gateway that devices of class ``b`` use.

    ``leaks``: ``log`` (token, pop, proof and Open of each first request at the honest gateway), ``handles``,
    ``continues`` (handle, MAC and records of each Continue), ``gateway`` (the honest gateway's key). With ``later`` the
    gateway's key leaks when everybody has finished.
    """
    m, leaks = _model(), set(leaks)
    parts = _Outer(m, frozenset(OUTER_MECHANISMS.keys() - set(off)))
    # Blind: the issuer signs whatever nonce an account brings.
    m.rule("issuer", *_att("N"), gives="att(sign(issuer,N))")
    m.rule("gateway's key", gives=f"att({_GATEWAYS['a']})")
    for kind in _GATEWAYS:
        parts.device(kind, leaks)
    parts.gateway()
    knows = _later(m, quantum=False) if later else "att"
    if "gateway" in leaks:
        m.rule("leak: gateway", gives=f"{knows}(gk)")
    if "handles" in leaks:
        m.rule("leak: handles", gives="att(handle(R))")
    mine = _exchange("a")
    m.rule("goal", f"redeemed({parts.nonce(_exchange('b').pop, _exchange('b').name)},R)", gives="transferred")
    m.rule("goal", f"redeemed({parts.nonce(mine.pop, mine.name)},R)", "att(R)", gives="stolen")
    m.rule("goal", f"{knows}(meta({mine.name}))", gives="metadata")
    m.rule("goal", f"att({parts.digest(mine, parts.token(mine))})", gives="outer")
    records = f"records({mine.name})"
    m.rule("goal", f"passed(r({mine.name}),R2,evil)", gives="injected")
    m.rule("goal", f"passed(r({mine.name}),R2,{records})", "att(R2)", gives="moved")
    m.rule("goal", f"passed(r({mine.name}),r2({mine.name}),{records})", gives="done")
    return m


_GATEWAYS = {"a": "pk(hybrid,gk)", "b": "pk(hybrid,evil)"}  # by the class of the devices that use it


@dataclass(frozen=True, slots=True)
class _Exchange:
    """The terms of a first request, seen from one end."""

    name: str
    gateway: str
    randomness: str
    pop: str

    @property
    def enc(self) -> str:
        return f"kem({self.gateway},{self.randomness})"

    @property
    def shared(self) -> str:
        return f"ss({self.gateway},{self.randomness})"


def _exchange(kind: str) -> _Exchange:
    device = f"dv({kind},S)"
    return _Exchange(device, _GATEWAYS[kind], f"r({device})", f"pop(vk(pop_key({device})),salt({device}))")


@dataclass(frozen=True, slots=True)
class _Outer:
    m: Model
    on: frozenset[str]

    def nonce(self, pop: str, device: str) -> str:
        return f"t_pop({pop})" if "commitment" in self.on else f"tn({device})"

    def token(self, x: _Exchange) -> str:
        return f"sign(issuer,{self.nonce(x.pop, x.name)})"

    def digest(self, x: _Exchange, token: str) -> str:
        if "outer" not in self.on:
            return "none"
        oexp = f"oexp({x.shared})" if "oexp" in self.on else "none"
        return f"t_outer({x.gateway},{x.enc},{oexp},bytes({token},{x.pop}))"

    def first(self, x: _Exchange, key: str, opened: str) -> tuple[str, str, str]:
        """The encapsulated first request, its token and its proof; of a proof that isn't looked at, anything."""
        token = self.token(x)
        signed = f"sign({key},t_open(pkg,{self.digest(x, token)},{opened}))"
        proof = signed if "proof" in self.on or key != "POP" else "ANY"
        return f"aead(k_ohttp({x.shared}),bytes(up,first({token},{x.pop},{proof},{opened})))", token, proof

    def more(self, x: _Exchange, handle: str, enc: str, records: str) -> str:
        enc = enc if "enc in mac" in self.on else "none"
        mac = f"mac(k_continue({x.shared}),bytes({handle},bytes({enc},{records})))"
        return f"cont({handle},{mac if 'mac' in self.on else 'none'},{records})"

    def device(self, kind: str, leaks: set[str]) -> None:
        x = _exchange(kind)
        opened = f"open(ra,p1,meta({x.name}),none)"
        first, token, proof = self.first(x, f"pop_key({x.name})", opened)
        enc, shared = f"kem({x.gateway},r2({x.name}))", f"ss({x.gateway},r2({x.name}))"
        for name, term in (("enc", x.enc), ("first request", first), ("second enc", enc)):
            self.m.rule(f"device's {name}", *_att("S"), gives=f"att({term})")
        answered = f"att(aead(k_ohttp({x.shared}),bytes(down,H)))"
        more = self.more(x, "H", enc, f"records({x.name})")
        self.m.rule("device continues", answered, gives=f"att(aead(k_ohttp({shared}),bytes(up,{more})))")
        if kind == "a" and "log" in leaks:
            for secret in (token, x.pop, proof, opened):
                self.m.rule("leak: log", gives=f"att({secret})")
        if kind == "a" and "continues" in leaks:
            self.m.rule("leak: continues", answered, gives=f"att({more})")

    def gateway(self) -> None:
        x = _Exchange("D", _GATEWAYS["a"], "R", "pop(vk(POP),SALT)")
        redeemed = f"redeemed({self.nonce(x.pop, x.name)},R)"
        first, _, _ = self.first(x, "POP", "OP")
        self.m.rule("gateway redeems", *_att(x.enc, first), gives=redeemed)
        self.m.rule("gateway answers", redeemed, gives=f"att(aead(k_ohttp({x.shared}),bytes(down,handle(R))))")
        enc, shared = f"kem({x.gateway},R2)", f"ss({x.gateway},R2)"
        second = f"aead(k_ohttp({shared}),bytes(up,{self.more(x, 'handle(R)', enc, 'RECORDS')}))"
        self.m.rule("gateway continues", redeemed, *_att(enc, second), gives="passed(R,R2,RECORDS)")
