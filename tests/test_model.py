"""The claims of docs/protocol.md §12 on the symbolic model, and that each rests on its mechanisms.

docs/model/README.md says what is modelled, and how to read an outcome.
"""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docs.model import horn
from docs.model import privproc1 as p1
from docs.model.mutual import MUTUAL_GOALS, MUTUAL_MECHANISMS, mutual

pytestmark = pytest.mark.model

GOALS = {p1.outer: p1.OUTER_GOALS, mutual: MUTUAL_GOALS}
MECHANISMS = p1.SESSION_MECHANISMS.keys() | p1.OUTER_MECHANISMS.keys() | MUTUAL_MECHANISMS.keys()
PAGE = Path(__file__).resolve().parent.parent / "docs" / "model" / "README.md"
FREE = frozenset({"chip list"})  # chips are the embedder's choice: off unless a case is about it


def session(off=(), leaks=(), **more):
    return p1.session(FREE | set(off), leaks, **more)


def listed(off=(), leaks=(), **more):
    return p1.session(off, leaks, **more)


def reached(model: horn.Model, goals) -> set[str]:
    done = horn.saturate(model)
    assert done.derivation("done"), "the honest run is impossible, so the model says nothing"
    return {goal for goal in goals if done.derivation(goal)}


# The goals that are reached, of all; everything else is proven to be out of reach.
HOLDS = {
    "nothing leaked": (session, {}, set()),
    "leaf keys and everything of others leaked": (session, {"leaks": {"leaf", "others"}}, set()),
    "TLS leaked": (session, {"leaks": {"leaf", "others", "TLS"}}, {"diverted"}),
    "KEM leaked": (session, {"leaks": {"leaf", "others", "KEM"}}, {"wrong_key"}),
    "TLS and KEM leaked at once": (
        session,
        {"leaks": {"TLS", "KEM"}},
        {"diverted", "wrong_key", "question", "answer", "forged"},
    ),
    "dk leaked": (session, {"leaks": {"leaf", "dk"}}, set()),
    "hardware leaked, chips listed": (listed, {"leaks": {"leaf", "hardware"}}, set()),
    "later, erased": (session, {"leaks": {"leaf", "hardware"}, "later": True}, set()),
    "later, TLS kept": (session, {"leaks": {"leaf", "hardware", "TLS", "dk"}, "later": True}, set()),
    "later, KEM kept": (session, {"leaks": {"leaf", "hardware", "KEM", "dk"}, "later": True}, set()),
    "later, TLS and KEM kept": (session, {"leaks": {"TLS", "KEM"}, "later": True}, {"question"}),
    "later, nothing erased": (session, {"leaks": {"TLS", "KEM", "dk"}, "later": True}, {"question", "answer"}),
    "quantum, hybrid group": (session, {"suite": "classic", "quantum": True}, set()),
    "quantum, hybrid suite": (session, {"group": "classic", "quantum": True}, set()),
    "quantum, classic": (
        session,
        {"group": "classic", "suite": "classic", "quantum": True},
        {"question", "answer"},
    ),
    "outer": (p1.outer, {"leaks": {"handles"}}, set()),
    "outer, log leaked": (p1.outer, {"leaks": {"log", "handles", "continues"}}, {"metadata"}),
    "outer, later": (p1.outer, {"leaks": {"gateway"}, "later": True}, {"metadata"}),
    "mutual": (mutual, {}, set()),
    "mutual, leaf keys leaked": (mutual, {"leaks": {"leaf"}}, set()),
    "mutual, leaf keys and TLS leaked": (mutual, {"leaks": {"leaf", "TLS"}}, {"client_diverted", "server_diverted"}),
}


@pytest.mark.parametrize("case", HOLDS)
def test_out_of_reach(case):
    build, arguments, expected = HOLDS[case]
    assert reached(build(**arguments), GOALS.get(build, p1.SESSION_GOALS)) == expected


# What is taken out, and the goal that is reached then. With any one of them back it isn't.
RESTS_ON = [
    ("diverted", {"exporter"}, session, {"leaks": {"leaf"}}),
    ("diverted", {"exporter", "leaf"}, session, {}),
    ("mixed", {"exporter", "leaf"}, session, {}),
    ("shared", {"exporter", "Open", "outer"}, session, {}),
    ("wrong_role", {"role in pre", "role check", "role in log"}, session, {}),
    ("wrong_role", {"role in pre", "role check", "image per role"}, session, {}),
    ("wrong_view", {"Open"}, session, {}),
    ("wrong_view", {"outer"}, session, {}),
    ("wrong_key", {"ann"}, session, {}),
    ("question", {"ann"}, session, {"leaks": {"TLS"}}),
    ("question", {"inner KEM"}, session, {"leaks": {"TLS"}}),
    ("question", {"TLS half", "records"}, session, {"leaks": {"KEM"}}),
    ("answer", {"inner KEM", "response key"}, session, {"leaks": {"TLS"}, "later": True}),
    ("forged", {"inner KEM"}, session, {"leaks": {"TLS"}}),
    ("answer", {"response key"}, session, {"leaks": {"TLS", "KEM"}, "later": True}),
    ("wrong_code", {"log"}, session, {}),
    ("wrong_code", {"namespace"}, session, {}),
    ("wrong_code", {"version"}, session, {}),
    ("wrong_code", {"launch"}, session, {}),
    ("diverted", {"chip list"}, listed, {"leaks": {"hardware"}}),
    ("transferred", {"proof"}, p1.outer, {}),
    ("transferred", {"commitment"}, p1.outer, {}),
    ("transferred", {"outer"}, p1.outer, {}),
    ("stolen", {"proof"}, p1.outer, {"leaks": {"log"}}),
    ("stolen", {"commitment"}, p1.outer, {"leaks": {"log"}}),
    ("stolen", {"outer"}, p1.outer, {"leaks": {"log"}}),
    ("outer", {"oexp"}, p1.outer, {"leaks": {"log"}}),
    ("injected", {"mac"}, p1.outer, {"leaks": {"handles"}}),
    ("moved", {"enc in mac"}, p1.outer, {"leaks": {"handles", "continues"}}),
    ("client_diverted", {"mutual exporter"}, mutual, {"leaks": {"leaf"}}),
    ("server_diverted", {"mutual exporter"}, mutual, {"leaks": {"leaf"}}),
    ("client_diverted", {"mutual exporter", "own leaf"}, mutual, {}),
    ("server_diverted", {"mutual exporter", "own leaf", "peer", "authenticator"}, mutual, {}),
    ("client_mixed", {"mutual exporter"}, mutual, {"leaks": {"leaf", "TLS"}}),
    ("server_mixed", {"mutual exporter"}, mutual, {"leaks": {"leaf", "TLS"}}),
    ("reflected", {"dir", "order"}, mutual, {"leaks": {"leaf"}}),
    ("reflected", {"dir", "order", "own leaf", "peer"}, mutual, {}),
    ("reflected", {"dir", "order", "authenticator"}, mutual, {}),
    ("client_fooled", {"roles", "image"}, mutual, {"leaks": {"leaf"}}),
    ("server_fooled", {"roles", "image"}, mutual, {"leaks": {"leaf"}}),
]


@pytest.mark.parametrize(("goal", "off", "build", "arguments"), RESTS_ON, ids=lambda x: x if isinstance(x, str) else "")
def test_rests_on(goal, off, build, arguments):
    assert horn.saturate(build(off, **arguments), until=goal).derivation(goal)
    for back in off:
        assert not horn.saturate(build(off - {back}, **arguments)).derivation(goal), back


# Alone, these can go: others do their work. README.md says which, and why they stay.
SPARE = ["leaf", "role in pre", "role check", "role in log", "image per role", "nonce", "TLS half", "records", "th2"]


@pytest.mark.parametrize("mechanism", SPARE)
@pytest.mark.parametrize(("leaks", "expected"), [({"leaf"}, set()), ({"TLS"}, {"diverted"}), ({"KEM"}, {"wrong_key"})])
def test_spare(mechanism, leaks, expected):
    assert reached(session({mechanism}, leaks), p1.SESSION_GOALS) == expected


@pytest.mark.parametrize("mechanism", sorted(MUTUAL_MECHANISMS.keys() - {"mutual exporter"}))
def test_spare_between_enclaves(mechanism):
    assert reached(mutual({mechanism}, {"leaf"}), MUTUAL_GOALS) == set()


def test_every_mechanism_is_judged():
    taken_out = set().union(*(off for _, off, _, _ in RESTS_ON), SPARE)
    assert taken_out == MECHANISMS
    goals = {goal for goal, _, _, _ in RESTS_ON} | {"metadata"}
    assert goals == p1.SESSION_GOALS.keys() | p1.OUTER_GOALS.keys() | MUTUAL_GOALS.keys()


def test_the_page_names_everything():
    code = set(re.findall(r"`([^`\n]+)`", PAGE.read_text("utf-8")))
    assert p1.SESSION_GOALS.keys() | p1.OUTER_GOALS.keys() | MUTUAL_GOALS.keys() <= code
    assert code >= MECHANISMS


# -- the prover ------------------------------------------------------------------------------------------------------


def needham_schroeder(*, lowe: bool) -> horn.Model:
    """Known answer: Lowe's attack of 1995 on the responder's secret, and none on his repaired protocol."""
    m = horn.Model(data=frozenset({"two", "three"}), public=frozenset({"pk", "enc"}))
    for name, arity in (("pk", 1), ("enc", 2)):
        xs = [f"X{i}" for i in range(arity)]
        m.rule(name, *(f"att({x})" for x in xs), gives=f"att({name}({','.join(xs)}))")
    m.rule("open", "att(enc(pk(K),M))", "att(K)", gives="att(M)")
    for fact in ("pk(a)", "pk(b)", "evil"):
        m.rule("known", gives=f"att({fact})")
    m.rule("A starts, with anybody", "att(K)", gives="att(enc(K,two(na(K),pk(a))))")
    reply = "three(na(K),N,K)" if lowe else "two(na(K),N)"
    m.rule("A goes on", "att(K)", f"att(enc(pk(a),{reply}))", gives="att(enc(K,N))")
    sent = "three(N,nb(N,X),pk(b))" if lowe else "two(N,nb(N,X))"
    m.rule("B answers", "att(X)", "att(enc(pk(b),two(N,X)))", gives=f"att(enc(X,{sent}))")
    m.rule("goal", "att(nb(N,pk(a)))", gives="lowe")
    return m


@pytest.mark.parametrize("lowe", [False, True])
def test_known_answer(lowe):
    assert bool(horn.saturate(needham_schroeder(lowe=lowe)).derivation("lowe")) is not lowe


CONSTANTS, PREDICATES, VARIABLES = ("c", "d"), {"p": 1, "q": 1, "e": 2, "r": 2}, ("X", "Y", "Z")


@st.composite
def facts(draw, terms):
    name = draw(st.sampled_from(sorted(PREDICATES)))
    return name, tuple(draw(st.sampled_from(terms)) for _ in range(PREDICATES[name]))


@st.composite
def programs(draw):
    rules = []
    for _ in range(draw(st.integers(1, 6))):
        body = draw(st.lists(facts((*CONSTANTS, *VARIABLES)), min_size=1, max_size=3))
        bound = sorted({x for _, args in body for x in args if x in VARIABLES})
        rules.append((body, draw(facts((*CONSTANTS, *bound)))))
    return rules, draw(st.lists(facts(CONSTANTS), max_size=3))


def naive(rules, known):
    """All facts, bottom up."""
    known = set(known)
    while True:
        new = set()
        for body, (name, args) in rules:
            for values in itertools.product(CONSTANTS, repeat=len(VARIABLES)):
                s = dict(zip(VARIABLES, values, strict=True))
                if all((n, tuple(s.get(x, x) for x in xs)) in known for n, xs in body):
                    new.add((name, tuple(s.get(x, x) for x in args)))
        if new <= known:
            return known
        known |= new


@given(programs())
def test_agrees_with_the_naive_method(program):
    rules, start = program
    start = [*start, ("p", ("c",)), ("q", ("c",))]  # what the method takes for granted: open facts hold of something
    m = horn.Model()
    for name, args in start:
        m.rule("fact", gives=f"{name}({','.join(args)})")
    for body, (name, args) in rules:
        m.rule("rule", *(f"{n}({','.join(xs)})" for n, xs in body), gives=f"{name}({','.join(args)})")
    for i, (name, args) in enumerate(sorted(everything := set(all_facts()))):
        m.rule("goal", f"{name}({','.join(args)})", gives=f"goal{i}")
    done = horn.saturate(m)
    found = {fact for i, fact in enumerate(sorted(everything)) if done.derivation(f"goal{i}")}
    assert found == naive(rules, start)


def all_facts():
    for name, arity in PREDICATES.items():
        for args in itertools.product(CONSTANTS, repeat=arity):
            yield name, args


def test_gives_up_rather_than_guess(monkeypatch):
    monkeypatch.setattr(horn, "_BUDGET", 3)
    with pytest.raises(RuntimeError, match="no answer"):
        horn.saturate(session())
